//! Logging in with a token, and out again, so that a browser can open the pages.
//!
//! The token is compared and forgotten; a session names it. Nobody logs in by way of a foreign
//! page. Caller: the table of routes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::audit::{Deed, note_session};
use super::super::auth::{Origin, anonymous, credentials};
use super::super::body;
use super::super::server::Connection;
use super::forms::{decoded, see};
use super::{Pages, default_zone, frame, merged};

/// Longest form: a token and little else.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// GET `/login`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    headers: HeaderMap,
) -> Answer {
    page(&pages, &shared, &headers, StatusCode::OK, None)
}

/// POST `/login`.
pub(super) async fn log_in(
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    request: Request,
) -> Answer {
    let connection = request.extensions().get::<Connection>();
    let is_encrypted = connection.is_some_and(|connection| connection.is_encrypted);
    let (parts, body) = request.into_parts();
    let origin = Origin::of(&parts, &shared.config().auth);
    let client = origin.remote.parse::<IpAddr>().ok();
    if let Some(Err(retry_after_seconds)) = client.map(|client| shared.throttle.admit(client)) {
        return Err(Problem::TooManyAttempts { retry_after_seconds });
    }
    let (headers, form) = form(&shared, parts, body).await?;
    let presented = form["token"].as_str().unwrap_or_default().trim();
    let config = shared.config();
    let known = credentials::known_token(&config.auth.tokens, presented.as_bytes());
    let Some(name) = known.as_ref().and_then(|principal| principal.name()) else {
        client.into_iter().for_each(|client| shared.throttle.note_failure(client));
        note_session(&shared, None, &origin, Deed::LogIn, "refused").await?;
        let problem = Some("This token is not a known one.");
        return page(&pages, &shared, &headers, StatusCode::UNAUTHORIZED, problem);
    };
    note_session(&shared, Some(name), &origin, Deed::LogIn, "done").await?;
    let external = config.web.external_url.as_deref().unwrap_or_default();
    let cookie = shared
        .sessions
        .open(name, is_encrypted || external.starts_with("https://"))
        .map_err(|error| Problem::Internal(format!("a session cannot be opened: {error}")))?;
    with_cookie(see("/")?, cookie)
}

/// POST `/logout`.
pub(super) async fn log_out(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let origin = Origin::of(&parts, &shared.config().auth);
    let (headers, form) = form(&shared, parts, body).await?;
    let repeated = form["csrf"].as_str().unwrap_or_default();
    if let Some(session) = shared.sessions.find(&headers) {
        if !session.is_repeated(repeated.as_bytes()) {
            return Err(Problem::Forbidden("the form is not from this session".to_owned()));
        }
        note_session(&shared, Some(&session.token), &origin, Deed::LogOut, "done").await?;
    }
    with_cookie(see("/login")?, shared.sessions.close(&headers))
}

/// Reads a form that a page of ours sent.
async fn form(
    shared: &Shared,
    parts: Parts,
    body: axum::body::Body,
) -> Result<(HeaderMap, Value), Problem> {
    anonymous::refuse_foreign_page(&parts.headers, anonymous::authority(&parts).as_deref())
        .map_err(|refusal| Problem::Forbidden(refusal.to_string()))?;
    let mut received = body::receive(shared, &parts.headers, body, FORM_BYTES_MAX).await?;
    Ok((parts.headers, decoded(&received.decoded(FORM_BYTES_MAX)?)))
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Answer {
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

fn page(
    pages: &Pages,
    shared: &Shared,
    headers: &HeaderMap,
    status: StatusCode,
    problem: Option<&str>,
) -> Answer {
    let session = shared.sessions.find(headers);
    let values = json!({
        "has_tokens": !shared.config().auth.tokens.is_empty(),
        "name": session.map(|session| session.token),
        "problem": problem,
    });
    let frame = frame(shared, headers, "login", &default_zone(shared));
    pages.page(status, "login.html", merged(frame, values))
}
