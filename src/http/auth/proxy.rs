//! Where a request comes from, and whom a trusted proxy says it is from.
//!
//! A header can name anybody, so it counts only on a connection from an address that the
//! configuration trusts. A browser comes through the proxy whichever page asks, so a change must
//! come from our own pages. Caller: `auth`.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;

use super::{Principal, refuse_forged_change};
use crate::config::{Auth, TrustedProxies};
use crate::domain::Name;
use crate::http::answer::Problem;
use crate::http::server::Connection;

/// Longest name of a user.
const NAME_CHARS_MAX: usize = 128;
/// How much of a program's own name is kept.
const AGENT_CHARS_MAX: usize = 200;

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client; behind a trusted proxy the one that the proxy tells.
    pub remote: String,
    /// The program, as it says.
    pub agent: String,
}

impl Origin {
    /// Of a request that nobody has looked at.
    pub const UNKNOWN: Self = Self { remote: String::new(), agent: String::new() };

    /// Of this request.
    #[must_use]
    pub fn of(parts: &Parts, auth: &Auth) -> Self {
        let agent = parts.headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let agent = String::from_utf8_lossy(agent).chars().take(AGENT_CHARS_MAX).collect();
        Self { remote: client(parts, auth).map_or_else(String::new, |ip| ip.to_string()), agent }
    }
}

/// The address of the client, for whom a trusted proxy speaks.
#[must_use]
pub(super) fn client(parts: &Parts, auth: &Auth) -> Option<IpAddr> {
    let remote = parts.extensions.get::<Connection>()?.remote.ip().to_canonical();
    let told = auth
        .trusted_proxies
        .as_ref()
        .filter(|proxies| proxies.contains(remote))
        .and_then(|proxies| forwarded_for(&parts.headers, proxies));
    Some(told.unwrap_or(remote))
}

/// The last address that is none of the proxies: what stands before it anybody can have written.
fn forwarded_for(headers: &HeaderMap, proxies: &TrustedProxies) -> Option<IpAddr> {
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    values
        .join(",")
        .rsplit(',')
        .map_while(|text| text.trim().parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
        .find(|address| !proxies.contains(*address))
}

/// Whom a trusted proxy names; `None` when it is none, or names nobody.
pub(super) fn principal(auth: &Auth, parts: &Parts) -> Result<Option<Principal>, Problem> {
    let Some(proxies) = &auth.trusted_proxies else { return Ok(None) };
    let remote = parts.extensions.get::<Connection>().map(|connection| connection.remote.ip());
    if !remote.is_some_and(|remote| proxies.contains(remote)) {
        return Ok(None);
    }
    let mut values = parts.headers.get_all(proxies.user_header.as_str()).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = std::str::from_utf8(value.as_bytes())
        .map(str::trim)
        .ok()
        .filter(|name| values.next().is_none() && is_name(name))
        .ok_or_else(|| {
            Problem::Unauthenticated(format!(
                "the header {} of the proxy does not hold one name of 1 to {NAME_CHARS_MAX} \
                 characters",
                proxies.user_header
            ))
        })?;
    refuse_forged_change(parts)?;
    Ok(Some(Principal::named(Name::from(name), proxies.scopes.clone())))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parts, sessions};
    use super::super::{Csrf, Known, Need, allow};
    use super::*;
    use crate::config::{Overrides, load};

    /// Proxies at the address from which the requests of these tests come.
    fn auth(address: &str) -> Auth {
        let environment = [("SCRIBED_AUTH_TRUSTED_PROXIES_ADDRESSES", address)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        load(&Overrides::default(), &environment).unwrap().auth
    }

    #[test]
    fn only_a_trusted_proxy_names_the_user() {
        let here = "127.0.0.1";
        let user = ("x-forwarded-user", "ada@example.org");
        let own = ("origin", "http://127.0.0.1:7274");
        let foreign = ("origin", "https://evil.example");
        for (address, method, headers, expect) in [
            (here, "GET", vec![user], Ok(Some("ada@example.org"))),
            (here, "POST", vec![user, own], Ok(Some("ada@example.org"))),
            (here, "POST", vec![user, foreign], Err(403)),
            (here, "GET", vec![user, user], Err(401)),
            (here, "GET", vec![("x-forwarded-user", " ")], Err(401)),
            (here, "GET", vec![], Err(401)),
            ("192.0.2.1", "GET", vec![user], Err(401)),
        ] {
            let auth = auth(address);
            let mut parts = parts(true, &headers);
            parts.method = method.parse().unwrap();
            let sessions = sessions();
            let known = Known { auth: &auth, sessions: &sessions };
            let got = allow(known, &parts, Csrf::InHeader, &[Need::Write])
                .map_err(|problem| problem.status().as_u16());
            let got = got.as_ref().map(|p| p.name().map(Name::as_str)).map_err(|status| *status);
            assert_eq!(got, expect, "{address} {method} {headers:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let auth = auth("127.0.0.1,10.0.0.0/8");
        for (told, expect) in [
            ("192.0.2.7", "192.0.2.7"),
            ("198.51.100.1, 192.0.2.7, 10.0.0.3", "192.0.2.7"),
            ("192.0.2.7, unknown", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            let parts = parts(true, &[("x-forwarded-for", told)]);
            assert_eq!(Origin::of(&parts, &auth).remote, expect, "{told}");
        }
        let parts = parts(true, &[("x-forwarded-for", "192.0.2.7")]);
        assert_eq!(Origin::of(&parts, &Auth::default()).remote, "127.0.0.1");
    }
}
