//! When a request without credentials may be believed to come from this machine.
//!
//! A web page that somebody on this machine opens can send requests to a loopback address, and a
//! name that its owner points at 127.0.0.1 (DNS rebinding) makes them look same-origin; a reverse
//! proxy on this machine makes the whole world look local. `Host`, `Forwarded`, `Origin` and
//! `Sec-Fetch-Site` give all three away, and a page can forge none of them.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};

/// What anonymous access demands of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// On a loopback listener: it must plainly come from this machine.
    Local,
    /// The operator opened another listener to anybody: only a change must not come from a
    /// foreign page.
    Open,
}

/// Why anonymous access does not hold for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `Host` is missing or names something else.
    #[error(
        "anonymous access is only for requests to a loopback name or address; \
         use http://127.0.0.1 or configure a token"
    )]
    ForeignHost,
    /// It came through a proxy.
    #[error("anonymous access is not for requests through a proxy; configure a token")]
    Proxied,
    /// A page of another origin sent it.
    #[error("anonymous access is not for requests from the pages of another origin")]
    ForeignPage,
}

/// Nothing, when anonymous access holds.
///
/// # Errors
/// Why it does not.
pub fn check(strictness: Strictness, parts: &Parts) -> Result<(), Refusal> {
    let authority = authority(parts);
    match strictness {
        Strictness::Local => {
            if !authority.as_deref().is_some_and(is_loopback_authority) {
                return Err(Refusal::ForeignHost);
            }
            let is_forwarding = |name: &str| name.starts_with("x-forwarded-");
            if parts.headers.contains_key(FORWARDED)
                || parts.headers.keys().any(|name| is_forwarding(name.as_str()))
            {
                return Err(Refusal::Proxied);
            }
            refuse_foreign_page(&parts.headers, authority.as_deref())
        }
        Strictness::Open if changes_something(&parts.method) => {
            refuse_foreign_page(&parts.headers, authority.as_deref())
        }
        Strictness::Open => Ok(()),
    }
}

/// True for methods that are more than looking.
#[must_use]
pub fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Nothing, unless `Origin` or `Sec-Fetch-Site` name another origin than `authority`.
///
/// # Errors
/// [`Refusal::ForeignPage`].
pub fn refuse_foreign_page(headers: &HeaderMap, authority: Option<&str>) -> Result<(), Refusal> {
    for origin in headers.get_all(ORIGIN) {
        let host = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, h)| h);
        let is_ours =
            host.zip(authority).is_some_and(|(host, ours)| host.eq_ignore_ascii_case(ours));
        if !is_ours {
            return Err(Refusal::ForeignPage);
        }
    }
    let is_foreign =
        |site: &http::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().any(is_foreign) {
        return Err(Refusal::ForeignPage);
    }
    Ok(())
}

/// Which `host:port` the request is for. `None` when it does not say, or says more than one.
#[must_use]
pub fn authority(parts: &Parts) -> Option<String> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, None) => None,
        (Some(host), None) => Some(host.to_str().ok()?),
        _ => return None,
    };
    match (parts.uri.authority().map(http::uri::Authority::as_str), host) {
        // The target counts, but whoever names two is not believed.
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => None,
        (target, host) => target.or(host).map(str::to_owned),
    }
}

/// True for `localhost`, names below it, and loopback addresses, with any port. Browsers resolve
/// `*.localhost` themselves, so nobody can point such a name elsewhere.
fn is_loopback_authority(authority: &str) -> bool {
    let host = if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((host, port)) = bracketed.split_once(']') else { return false };
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return false;
        }
        host
    } else {
        match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) && !host.contains(':') => host,
            Some(_) => return false,
            None => authority,
        }
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri("/api/v1/incidents");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_loopback_hosts_are_local() {
        for (host, expect) in [
            ("localhost", true),
            ("LOCALHOST:7274", true),
            ("localhost.", true),
            ("scribed.localhost:80", true),
            ("127.0.0.1", true),
            ("127.8.9.10:7274", true),
            ("[::1]", true),
            ("[::1]:7274", true),
            ("[::ffff:127.0.0.1]:7274", true),
            ("::1", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example:7274", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("user@localhost", false),
            ("localhost:7274:1", false),
            ("localhost:evil", false),
            ("[::1]evil", false),
            ("[::1", false),
            ("10.0.0.1", false),
            ("0.0.0.0:7274", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_authority(host), expect, "{host}");
        }
    }

    #[test]
    fn anonymous_access_on_loopback_takes_only_what_plainly_comes_from_here() {
        let host = ("host", "127.0.0.1:7274");
        for (headers, expect) in [
            (vec![host], Ok(())),
            (vec![], Err(Refusal::ForeignHost)),
            (vec![host, ("host", "localhost")], Err(Refusal::ForeignHost)),
            (vec![("host", "rebound.example:7274")], Err(Refusal::ForeignHost)),
            (vec![host, ("forwarded", "for=192.0.2.60")], Err(Refusal::Proxied)),
            (vec![host, ("x-forwarded-for", "192.0.2.60")], Err(Refusal::Proxied)),
            (vec![host, ("X-Forwarded-Proto", "https")], Err(Refusal::Proxied)),
            (vec![host, ("origin", "http://127.0.0.1:7274")], Ok(())),
            (vec![host, ("origin", "http://127.0.0.1:3000")], Err(Refusal::ForeignPage)),
            (vec![host, ("origin", "https://evil.example")], Err(Refusal::ForeignPage)),
            (vec![host, ("origin", "null")], Err(Refusal::ForeignPage)),
            (vec![host, ("sec-fetch-site", "same-origin")], Ok(())),
            (vec![host, ("sec-fetch-site", "none")], Ok(())),
            (vec![host, ("sec-fetch-site", "same-site")], Err(Refusal::ForeignPage)),
            (vec![host, ("sec-fetch-site", "cross-site")], Err(Refusal::ForeignPage)),
        ] {
            for method in ["GET", "POST"] {
                let parts = parts(method, &headers);
                assert_eq!(check(Strictness::Local, &parts), expect, "{method} {headers:?}");
            }
        }
    }

    #[test]
    fn opened_to_anybody_only_changes_from_foreign_pages_are_refused() {
        let host = ("host", "scribed.example");
        for (method, headers, expect) in [
            ("GET", vec![host, ("sec-fetch-site", "cross-site")], Ok(())),
            ("POST", vec![host, ("x-forwarded-for", "192.0.2.60")], Ok(())),
            ("POST", vec![host, ("origin", "https://scribed.example")], Ok(())),
            ("POST", vec![host, ("origin", "https://evil.example")], Err(Refusal::ForeignPage)),
            ("PUT", vec![host, ("sec-fetch-site", "cross-site")], Err(Refusal::ForeignPage)),
        ] {
            assert_eq!(check(Strictness::Open, &parts(method, &headers)), expect, "{headers:?}");
        }
    }
}
