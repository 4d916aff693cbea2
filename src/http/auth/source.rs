//! Who may deliver for a source.
//!
//! A source with credentials of its own takes those, all kinds that it has (a password or token,
//! and a signature), or one of the tokens of `auth` that may deliver for it. A source without any
//! takes what `auth` allows.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::credentials::{self, Presented};
use super::{Need, Principal, allow, signature};
use crate::config::{Scope, Secret, Source};
use crate::domain::{Name, Timestamp};
use crate::http::Shared;
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
    shared: &Shared,
    parts: &Parts,
    name: &Name,
    source: Option<&Source>,
) -> Result<Admission, Problem> {
    let need = Need::Ingest(name.clone());
    let Some(source) = source.filter(|source| has_credentials(source)) else {
        let principal = allow(shared, parts, &[need])?;
        return Ok(Admission { principal, secret: None });
    };
    let presented = parts.headers.get(AUTHORIZATION).and_then(Presented::read);
    if let Some(Presented::Bearer(token)) = &presented
        && let Some(principal) = credentials::known_token(&shared.config().auth.tokens, token)
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
    use super::*;
    use crate::domain::SourceType;

    fn source(token: bool, basic: bool) -> Source {
        Source {
            name: Name::from("am"),
            kind: SourceType::Alertmanager,
            namespace: None,
            token: token.then(|| Secret::new(b"tok".to_vec())),
            basic_auth: basic.then(|| ("u".to_owned(), Secret::new(b"p".to_vec()))),
            hmac_secret: None,
            rate_limit: None,
        }
    }

    #[test]
    fn a_source_takes_only_its_own_credentials() {
        let bearer = |token: &'static str| Some(Presented::Bearer(token.as_bytes()));
        let basic = |user: &str, password: &str| {
            Some(Presented::Basic { user: user.into(), password: password.into() })
        };
        for (source, presented, expect) in [
            (source(true, false), bearer("tok"), true),
            (source(true, false), bearer("toK"), false),
            (source(true, false), basic("u", "p"), false),
            (source(true, false), None, false),
            (source(false, true), basic("u", "p"), true),
            (source(false, true), basic("u", "q"), false),
            (source(false, true), basic("v", "p"), false),
            (source(false, true), bearer("tok"), false),
            (source(true, true), bearer("tok"), true),
            (source(true, true), basic("u", "p"), true),
            (source(false, false), None, true),
        ] {
            assert_eq!(presents_its_own(&source, presented.as_ref()), expect);
        }
    }
}
