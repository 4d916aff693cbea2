//! Who may deliver for a source.
//!
//! A source with credentials of its own takes those, all kinds that it has (a password or token,
//! and a signature), or one of the tokens of `auth` that may deliver for it. A source without any
//! takes what `auth` allows.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::credentials::{self, Presented};
use super::{Csrf, Known, Need, Principal, allow, signature};
use crate::config::{Scope, Secret, Source};
use crate::domain::{Name, Timestamp};
use crate::http::answer::Problem;

/// A sender that was let in, unless its signature says otherwise once the body is here.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who it is.
    pub principal: Principal,
    /// The secret that the body must be signed with.
    secret: Option<Secret>,
}

impl Admission {
    /// Nothing, when the body, as it came over the wire, is signed as its source demands.
    ///
    /// # Errors
    /// `Unauthenticated` when it is not.
    pub fn check_signature(
        &self,
        headers: &HeaderMap,
        wire_body: &[u8],
        received_at: Timestamp,
    ) -> Result<(), Problem> {
        let Some(secret) = &self.secret else { return Ok(()) };
        signature::verify(secret, headers, wire_body, received_at)
            .map_err(|problem| Problem::Unauthenticated(problem.to_string()))
    }
}

/// Lets a sender in, as far as its headers tell.
///
/// # Errors
/// `Unauthenticated` for no or wrong credentials, `Forbidden` for those that do not cover this
/// source.
pub fn admit(
    known: Known<'_>,
    parts: &Parts,
    name: &Name,
    source: Option<&Source>,
) -> Result<Admission, Problem> {
    let need = Need::Ingest(name.clone());
    let Some(source) = source.filter(|source| has_credentials(source)) else {
        let principal = allow(known, parts, Csrf::InHeader, &[need])?;
        return Ok(Admission { principal, secret: None });
    };
    let presented = parts.headers.get(AUTHORIZATION).and_then(Presented::read);
    if let Some(Presented::Bearer(token)) = &presented
        && let Some(principal) = credentials::known_token(&known.auth.tokens, token)
    {
        principal.require(&need)?;
        // A token of `auth` needs no signature, but a wrong one is never overlooked.
        let secret = source.hmac_secret.clone().filter(|_| signature::is_present(&parts.headers));
        return Ok(Admission { principal, secret });
    }
    if !presents_its_own(source, presented.as_ref()) {
        return Err(Problem::Unauthenticated(format!(
            "the source {name} needs its credentials in the header Authorization"
        )));
    }
    let principal = Principal::named(name.clone(), vec![Scope::Ingest(Some(name.clone()))]);
    Ok(Admission { principal, secret: source.hmac_secret.clone() })
}

fn has_credentials(source: &Source) -> bool {
    source.token.is_some() || source.basic_auth.is_some() || source.hmac_secret.is_some()
}

/// True when the source's own token or password is presented, or it has none and only signs.
fn presents_its_own(source: &Source, presented: Option<&Presented<'_>>) -> bool {
    match presented {
        _ if source.token.is_none() && source.basic_auth.is_none() => true,
        None => false,
        Some(Presented::Bearer(token)) => source
            .token
            .as_ref()
            .is_some_and(|own| credentials::same_secret(own.expose(), token).into()),
        Some(Presented::Basic { user, password }) => {
            source.basic_auth.as_ref().is_some_and(|(own_user, own_password)| {
                let is_same = credentials::same_secret(own_user.as_bytes(), user)
                    & credentials::same_secret(own_password.expose(), password);
                is_same.into()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parts, sessions, token};
    use super::*;
    use crate::config::Auth;
    use crate::domain::SourceType;

    fn source(token: bool, basic: bool, hmac: bool) -> Source {
        Source {
            name: Name::from("am"),
            kind: SourceType::Alertmanager,
            namespace: None,
            token: token.then(|| Secret::new(b"own".to_vec())),
            basic_auth: basic.then(|| ("u".to_owned(), Secret::new(b"p".to_vec()))),
            hmac_secret: hmac.then(|| Secret::new(b"key".to_vec())),
            rate_limit: None,
        }
    }

    fn auth() -> Auth {
        let ingest = |name: &str| vec![Scope::Ingest(Some(Name::from(name)))];
        Auth {
            anonymous: None,
            tokens: vec![token("am", "for-am", &ingest("am")), token("x", "for-x", &ingest("x"))],
            ..Auth::default()
        }
    }

    /// Whom the headers let in, or the status; the body of this test is never signed.
    fn admitted(auth: &Auth, source: &Source, header: Option<&str>) -> Result<bool, u16> {
        let headers: Vec<(&str, &str)> = header.map(|h| ("authorization", h)).into_iter().collect();
        let parts = parts(true, &headers);
        let sessions = sessions();
        let known = Known { auth, sessions: &sessions };
        match admit(known, &parts, &source.name, Some(source)) {
            Ok(admission) => {
                Ok(admission.check_signature(&parts.headers, b"body", Timestamp::EPOCH).is_ok())
            }
            Err(problem) => Err(problem.status().as_u16()),
        }
    }

    #[test]
    fn a_source_takes_its_own_credentials_or_a_token_that_may_deliver_for_it() {
        let (own, for_am, for_x) = ("Bearer own", "Bearer for-am", "Bearer for-x");
        // "u:p", "u:q" and "v:p".
        let (basic, password, user) = ("Basic dTpw", "Basic dTpx", "Basic djpw");
        for (source, header, expect) in [
            (source(true, false, false), Some(own), Ok(true)),
            (source(true, false, false), Some("Bearer owN"), Err(401)),
            (source(true, false, false), Some(basic), Err(401)),
            (source(true, false, false), None, Err(401)),
            (source(false, true, false), Some(basic), Ok(true)),
            (source(false, true, false), Some(password), Err(401)),
            (source(false, true, false), Some(user), Err(401)),
            (source(false, true, false), Some(own), Err(401)),
            (source(true, true, false), Some(own), Ok(true)),
            (source(true, true, false), Some(basic), Ok(true)),
            (source(true, false, false), Some(for_am), Ok(true)),
            (source(true, false, false), Some(for_x), Err(403)),
            (source(false, false, false), Some(for_am), Ok(true)),
            (source(false, false, false), Some(own), Err(401)),
            (source(false, false, false), None, Err(401)),
        ] {
            assert_eq!(admitted(&auth(), &source, header), expect, "{source:?} {header:?}");
        }
    }

    #[test]
    fn where_a_source_signs_its_own_credentials_are_not_enough() {
        for (source, header, expect) in [
            (source(false, false, true), None, Ok(false)),
            (source(true, false, true), Some("Bearer own"), Ok(false)),
            (source(true, false, true), None, Err(401)),
            // A token of `auth` says as much as a signature.
            (source(false, false, true), Some("Bearer for-am"), Ok(true)),
        ] {
            assert_eq!(admitted(&auth(), &source, header), expect, "{source:?} {header:?}");
        }
    }

    #[test]
    fn credentials_of_a_source_hold_on_loopback_too() {
        let auth = Auth::default();
        assert_eq!(admitted(&auth, &source(false, false, false), None), Ok(true));
        assert_eq!(admitted(&auth, &source(true, false, false), None), Err(401));
        assert_eq!(admitted(&auth, &source(false, false, true), None), Ok(false));
    }
}
