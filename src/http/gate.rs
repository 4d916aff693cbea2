//! What the web configuration demands of every request and adds to every answer.
//!
//! When it names users, everything needs somebody whom we know, as with Prometheus' own programs:
//! a user with a password, or a token, a session or a certificate. Open stay `/-/healthy` and
//! `/-/ready`, which tell nothing and are asked by machines; deliveries pass to the door, where the
//! credentials of their source count as well. Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::auth::credentials::{Presented, same_secret};
use super::auth::users::Login;
use super::auth::{Csrf, Known, identify};
use super::server::Connection;
use super::{Shared, answer::Problem, ingest};
use crate::config::{Source, WebFile};

/// What a browser needs to ask for a name and password.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"scribed\"");
/// Request line and headers of one request, all together, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of one request.
pub(super) const HEADERS_MAX: usize = 100;
/// Paths that nobody needs a password for.
const OPEN: [&str; 2] = ["/-/healthy", "/-/ready"];

/// The layer around everything: headers of the answer. Hands the web file on to [`guard`], so that
/// one request sees one.
pub async fn dress(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let file = shared.perimeter.in_force().await;
    request.extensions_mut().insert(Arc::clone(&file));
    let mut response = next.run(request).await;
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if is_refused && !file.users.is_empty() {
        headers.append(WWW_AUTHENTICATE, CHALLENGE);
    }
    for (name, value) in &file.headers {
        headers.insert(name.clone(), value.clone());
    }
    response
}

/// The layer that finds out which user asks, and lets nobody through who is unknown.
pub async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(problem) = refuse_odd_heads(&parts) {
        return problem.into_response();
    }
    match admit(&shared, &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses what is too long, and what we and a proxy before us could read in two ways.
fn refuse_odd_heads(parts: &Parts) -> Result<(), Problem> {
    // Each header takes four more bytes on the wire.
    let line = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if line + headers.sum::<usize>() > HEAD_BYTES_MAX || parts.headers.len() > HEADERS_MAX {
        return Err(Problem::HeadTooLarge { bytes_max: HEAD_BYTES_MAX, headers_max: HEADERS_MAX });
    }
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|first| !is_chunked(first)) || codings.next().is_some() {
        return Err(Problem::UnsupportedMedia(
            "the transfer coding is not one that we read; send chunked or none".to_owned(),
        ));
    }
    Ok(())
}

async fn admit(shared: &Shared, parts: &mut Parts) -> Result<(), Problem> {
    let Some(file) = parts.extensions.get::<Arc<WebFile>>().cloned() else { return Ok(()) };
    let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.as_deref().unwrap_or_default();
    if file.users.is_empty() || OPEN.contains(&path) {
        return Ok(());
    }
    let config = shared.config();
    // A sender is never told 429, and what it may is found out at the door.
    let is_delivery = ingest::PATHS.contains(&path);
    let login = login(shared, &file, &config.sources, parts, is_delivery).await?;
    parts.extensions.insert(login);
    if is_delivery {
        return Ok(());
    }
    // What a form repeats against forged requests is checked by whoever reads the form.
    let known = Known { auth: &config.auth, sessions: &shared.sessions };
    identify(known, parts, Csrf::InForm).map(drop)
}

/// What the request says about users. The password of a source is not taken for one of a user, for
/// it would be slow to find out that it is none.
async fn login(
    shared: &Shared,
    file: &WebFile,
    sources: &[Source],
    parts: &Parts,
    is_delivery: bool,
) -> Result<Login, Problem> {
    let presented = parts.headers.get(AUTHORIZATION).and_then(Presented::read);
    let Some(Presented::Basic { user, password }) = presented else { return Ok(Login::Absent) };
    let is_of_source = sources.iter().filter_map(|source| source.basic_auth.as_ref()).any(|own| {
        let is_same = same_secret(own.0.as_bytes(), &user) & same_secret(own.1.expose(), &password);
        is_same.into()
    });
    if is_of_source {
        return Ok(Login::Absent);
    }
    let client = parts.extensions.get::<Connection>().map(|connection| connection.remote.ip());
    if let Some(client) = client
        && let Err(retry_after_seconds) = shared.throttle.admit(client)
        && !is_delivery
    {
        return Err(Problem::TooManyAttempts { retry_after_seconds });
    }
    let login = shared.perimeter.passwords.check(&file.users, &user, password).await?;
    if let (Login::Refused, Some(client)) = (&login, client) {
        shared.throttle.note_failure(client);
    }
    Ok(login)
}
