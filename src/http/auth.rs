//! Who asks, and what they may do.
//!
//! A handler names what it needs by its extractor ([`Reader`], [`Writer`], [`Admin`],
//! [`Reporter`]); a handler without one is open to everyone. Secrets are compared as hashes, in
//! constant time, over all candidates. Never logs a credential. Callers: the handlers.
//!
//! Anonymous access follows the contract: on a loopback listener it holds only for what plainly
//! comes from this machine ([`anonymous`]). On any other listener it exists only where the
//! operator wrote `auth.anonymous`; there no `Host` can prove anything, so only requests that
//! change something are checked, for the mark of a foreign page.
//!
//! A browser sends the cookie of its session along whichever page asks, so a change by way of a
//! session must come from our own pages and repeat the session's own token ([`session`]). A
//! password or a certificate it sends along likewise; such a change must come from our own pages.

pub mod anonymous;
pub mod credentials;
mod proxy;
pub mod session;
pub mod signature;
pub mod source;
pub mod throttle;
pub mod users;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::config::{Anonymous, Auth, Scope};
use crate::domain::{ChangeReport, Name};

use super::Shared;
use super::answer::Problem;
use super::server::Connection;
pub use proxy::Origin;

use anonymous::Strictness;
use credentials::Presented;
use session::{CSRF_HEADER, Sessions};
use users::Login;

/// Somebody who asks: the name of a token, a user or a certificate, or nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: Option<Name>,
    scopes: Vec<Scope>,
    origin: Origin,
}

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// See what is known.
    Read,
    /// Do what people do.
    Write,
    /// Raw bodies, reload.
    Admin,
    /// State the original time of receipt.
    Replay,
    /// Deliver for this source.
    Ingest(Name),
}

impl Need {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Replay => "replay",
            Self::Ingest(_) => "ingest",
        }
    }
}

impl Principal {
    /// Somebody with a name and what it may do.
    #[must_use]
    pub const fn named(name: Name, scopes: Vec<Scope>) -> Self {
        Self { name: Some(name), scopes, origin: Origin::UNKNOWN }
    }

    /// The same, with where the request came from.
    #[must_use]
    pub fn seen_in(self, parts: &Parts, auth: &Auth) -> Self {
        Self { origin: Origin::of(parts, auth), ..self }
    }

    /// Where the request came from, for the audit.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Nobody in particular. Only on loopback does "everything that people do" include
    /// administration: whoever can reach it can read the files as well.
    fn nobody(access: Anonymous, on_loopback: bool) -> Self {
        let mut scopes = Vec::new();
        if access >= Anonymous::Ingest {
            scopes.push(Scope::Ingest(None));
        }
        if access >= Anonymous::Read {
            scopes.push(Scope::Read);
        }
        if access >= Anonymous::Write {
            scopes.push(Scope::Write);
            if on_loopback {
                scopes.push(Scope::Admin);
            }
        }
        Self { name: None, scopes, origin: Origin::UNKNOWN }
    }

    /// The name to keep with what they do; `None` for anonymous access.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// True when they may.
    #[must_use]
    pub fn may(&self, need: &Need) -> bool {
        self.scopes.iter().any(|scope| match (scope, need) {
            (Scope::Read | Scope::Write | Scope::Admin, Need::Read)
            | (Scope::Write, Need::Write)
            | (Scope::Admin, Need::Admin)
            | (Scope::Replay, Need::Replay)
            | (Scope::Ingest(None), Need::Ingest(_)) => true,
            (Scope::Ingest(Some(allowed)), Need::Ingest(source)) => allowed == source,
            (
                Scope::Ingest(_) | Scope::Read | Scope::Write | Scope::Replay | Scope::Admin,
                Need::Read | Need::Write | Need::Admin | Need::Replay | Need::Ingest(_),
            ) => false,
        })
    }

    /// Nothing, when they may.
    ///
    /// # Errors
    /// `Forbidden` when they may not.
    pub fn require(&self, need: &Need) -> Result<(), Problem> {
        if self.may(need) {
            return Ok(());
        }
        let who = self.name.as_ref().map_or("anonymous access", Name::as_str);
        Err(Problem::Forbidden(format!(
            "this needs the scope {}, which {who} lacks",
            need.as_str()
        )))
    }
}

/// Where the token against forged requests of a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csrf {
    /// In a header, as scripts send it.
    InHeader,
    /// In a field of a form; the handler checks it with [`session::Session::is_repeated`].
    InForm,
}

/// Whom we know: tokens, and sessions opened with one.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The configuration.
    pub auth: &'a Auth,
    /// The sessions.
    pub sessions: &'a Sessions,
}

/// Finds out who asks.
///
/// # Errors
/// `Unauthenticated` for wrong credentials, or none where some are needed; `Forbidden` for a
/// change that a foreign page may have caused, and where anonymous access exists but not for a
/// request like this.
pub fn identify(known: Known<'_>, parts: &Parts, csrf: Csrf) -> Result<Principal, Problem> {
    let auth = known.auth;
    let login = parts.extensions.get::<Login>();
    if (!auth.tokens.is_empty() || login.is_some())
        && let Some(header) = parts.headers.get(AUTHORIZATION)
    {
        return match Presented::read(header) {
            Some(Presented::Bearer(token)) => credentials::known_token(&auth.tokens, token)
                .ok_or_else(|| {
                    Problem::Unauthenticated("the bearer token is not a known one".to_owned())
                }),
            Some(Presented::Basic { .. }) if login.is_some() => by_password(login, parts),
            Some(Presented::Basic { .. }) | None => Err(Problem::Unauthenticated(
                "the header Authorization holds no bearer token".to_owned(),
            )),
        };
    }
    if let Some(principal) = by_session(known, parts, csrf)? {
        return Ok(principal);
    }
    if let Some(principal) = proxy::principal(auth, parts)? {
        return Ok(principal);
    }
    match by_certificate(auth, parts)? {
        Some(principal) => Ok(principal),
        None => nobody_in_particular(auth, parts),
    }
}

/// A user of the web configuration. A browser sends the password along whichever page asks.
fn by_password(login: Option<&Login>, parts: &Parts) -> Result<Principal, Problem> {
    let Some(Login::User(name)) = login else {
        return Err(Problem::Unauthenticated("the user name or the password is wrong".to_owned()));
    };
    refuse_forged_change(parts)?;
    Ok(Principal::named(name.clone(), users::scopes()))
}

/// The owner of a certificate that was checked, where nothing else says who may do what: without
/// tokens, users and `auth.anonymous` the certificate is the credential. Else it is only what a
/// connection needs. A browser shows it whichever page asks.
fn by_certificate(auth: &Auth, parts: &Parts) -> Result<Option<Principal>, Problem> {
    let says_otherwise = !auth.tokens.is_empty()
        || auth.trusted_proxies.is_some()
        || auth.anonymous.is_some()
        || parts.extensions.get::<Login>().is_some();
    let client = parts.extensions.get::<Connection>().and_then(|c| c.client.clone());
    let Some(name) = client.filter(|_| !says_otherwise) else { return Ok(None) };
    refuse_forged_change(parts)?;
    Ok(Some(Principal::named(name, users::scopes())))
}

/// Refuses a change that a foreign page may have caused.
fn refuse_forged_change(parts: &Parts) -> Result<(), Problem> {
    if !anonymous::changes_something(&parts.method) {
        return Ok(());
    }
    let authority = anonymous::authority(parts);
    anonymous::refuse_foreign_page(&parts.headers, authority.as_deref())
        .map_err(|refusal| Problem::Forbidden(refusal.to_string()))
}

/// Somebody who has logged in; `None` without a session or when its token is no more.
fn by_session(known: Known<'_>, parts: &Parts, csrf: Csrf) -> Result<Option<Principal>, Problem> {
    let Some(session) = known.sessions.find(&parts.headers) else { return Ok(None) };
    let Some(token) = known.auth.tokens.iter().find(|token| token.name == session.token) else {
        return Ok(None);
    };
    refuse_forged_change(parts)?;
    if anonymous::changes_something(&parts.method) {
        let repeated = parts.headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
        if csrf == Csrf::InHeader && !session.is_repeated(repeated) {
            return Err(Problem::Forbidden(
                "a change by way of a session must repeat its token in X-CSRF-Token".to_owned(),
            ));
        }
    }
    Ok(Some(Principal::named(token.name.clone(), token.scopes.clone())))
}

/// Anonymous access, where there is any. With no token configured an `Authorization` header is
/// overlooked: senders that always send one (Grafana's annotation hooks) must not be turned away.
fn nobody_in_particular(auth: &Auth, parts: &Parts) -> Result<Principal, Problem> {
    let on_loopback = parts.extensions.get::<Connection>().is_some_and(|c| c.is_on_loopback);
    let has_users = parts.extensions.get::<Login>().is_some();
    let access = match auth.anonymous {
        Some(access) => access,
        None if auth.tokens.is_empty()
            && auth.trusted_proxies.is_none()
            && !has_users
            && on_loopback =>
        {
            Anonymous::Write
        }
        None => Anonymous::None,
    };
    if access == Anonymous::None {
        let how = if has_users { "a user name and password" } else { "Bearer TOKEN" };
        return Err(Problem::Unauthenticated(format!(
            "credentials are needed; send the header Authorization with {how}"
        )));
    }
    let strictness = if on_loopback { Strictness::Local } else { Strictness::Open };
    anonymous::check(strictness, parts)
        .map_err(|refusal| Problem::Forbidden(refusal.to_string()))?;
    Ok(Principal::nobody(access, on_loopback))
}

/// Who asks, when they may.
///
/// # Errors
/// As [`identify`], and `Forbidden`, or `Unauthenticated` where a token would help, when they may
/// not.
pub fn allow(
    known: Known<'_>,
    parts: &Parts,
    csrf: Csrf,
    needs: &[Need],
) -> Result<Principal, Problem> {
    let principal = identify(known, parts, csrf)?;
    if needs.iter().any(|need| principal.may(need)) {
        return Ok(principal);
    }
    let need = needs.first().map_or("", Need::as_str);
    let has_users = parts.extensions.get::<Login>().is_some();
    let has_others = !known.auth.tokens.is_empty() || known.auth.trusted_proxies.is_some();
    if principal.name.is_none() && (has_users || has_others) {
        return Err(Problem::Unauthenticated(format!(
            "this needs credentials with the scope {need}"
        )));
    }
    needs.first().map_or(Ok(()), |need| principal.require(need)).map(|()| principal)
}

macro_rules! extractor {
    ($(#[$doc:meta])* $name:ident, $csrf:expr, $needs:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Principal);

        impl From<$name> for Principal {
            fn from(somebody: $name) -> Self {
                somebody.0
            }
        }

        impl FromRequestParts<Arc<Shared>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(
                parts: &mut Parts,
                shared: &Arc<Shared>,
            ) -> Result<Self, Problem> {
                let config = shared.config();
                let known = Known { auth: &config.auth, sessions: &shared.sessions };
                let principal = allow(known, parts, $csrf, &$needs)?;
                Ok(Self(principal.seen_in(parts, &config.auth)))
            }
        }
    };
}

extractor!(
    /// Somebody who may read.
    Reader,
    Csrf::InHeader,
    [Need::Read]
);
extractor!(
    /// Somebody who may do what people do.
    Writer,
    Csrf::InHeader,
    [Need::Write]
);
extractor!(
    /// Somebody who may do what people do, by a form of ours whose field the handler checks.
    FormWriter,
    Csrf::InForm,
    [Need::Write]
);
extractor!(
    /// Somebody who may administer, by a form of ours whose field the handler checks.
    FormAdmin,
    Csrf::InForm,
    [Need::Admin]
);
extractor!(
    /// Somebody who may see raw bodies and reload.
    Admin,
    Csrf::InHeader,
    [Need::Admin]
);
extractor!(
    /// Somebody who may tell of changes and of the service graph in our own form: a person, or a
    /// program that may deliver for the source `api`.
    Reporter,
    Csrf::InHeader,
    [Need::Write, Need::Ingest(Name::from(ChangeReport::OWN_SOURCE))]
);

/// Somebody who may see the metrics: everybody, unless `auth` says who may read.
#[derive(Clone, Copy, Debug)]
pub struct Scraper;

impl FromRequestParts<Arc<Shared>> for Scraper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let config = shared.config();
        require_scraper(Known { auth: &config.auth, sessions: &shared.sessions }, parts)?;
        Ok(Self)
    }
}

fn require_scraper(known: Known<'_>, parts: &Parts) -> Result<(), Problem> {
    let auth = known.auth;
    let is_restricted = !auth.tokens.is_empty()
        || auth.trusted_proxies.is_some()
        || auth.anonymous.is_some_and(|access| access < Anonymous::Read);
    if is_restricted {
        allow(known, parts, Csrf::InHeader, &[Need::Read])?;
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::http) mod tests;
