//! Answers: JSON for what went well, `application/problem+json` (RFC 9457) for what did not.
//!
//! [`Problem::facts`] is the one place that maps an error to a status. A 4xx says that a retry
//! cannot help; a 503 with `Retry-After` that it can (Alertmanager gives up on 429 and 408, so they
//! never appear). What only the operator may know goes to the log under the same request id. Used
//! by every handler.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

/// When to come again after a 503, unless the handler knows better.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A parameter, header or body of ours is not what it must be.
    Invalid(String),
    /// A sender's body that nothing can be made of.
    Unusable(String),
    /// No or wrong credentials, or a wrong signature.
    Unauthenticated(String),
    /// Not allowed for who asks.
    Forbidden(String),
    /// There is no such thing.
    NotFound(String),
    /// The path does not take this method. The router adds `Allow`.
    MethodNotAllowed,
    /// The state of the thing does not allow it.
    Conflict(String),
    /// `If-Match` named another revision than this.
    Stale {
        /// The revision as it is.
        revision: u64,
    },
    /// The body is longer than this, as sent or after decompression.
    TooLarge {
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The request line and headers together are longer, or more, than this.
    HeadTooLarge {
        /// The limit in bytes.
        bytes_max: usize,
        /// The limit in headers.
        headers_max: usize,
    },
    /// Too many wrong credentials of late. Never on a sender's path, where it would be 503.
    TooManyAttempts {
        /// When to come again.
        retry_after_seconds: u32,
    },
    /// The content type or encoding of the body is not one that we read.
    UnsupportedMedia(String),
    /// Not now; the same request may do later.
    Unavailable {
        /// Why, for people.
        detail: String,
        /// When to come again.
        retry_after_seconds: u32,
    },
    /// The configuration could not be loaded. Whoever may ask for it may read why.
    Misconfigured(String),
    /// A template of people's own does not fit what it is to print. Whoever may read drafts may
    /// read why.
    BadTemplate(String),
    /// A fault of ours. The text goes to the log, not to the client.
    Internal(String),
}

/// What the wire says about a problem.
struct Facts<'a> {
    status: StatusCode,
    /// Last part of `type`; stable.
    name: &'static str,
    title: &'static str,
    detail: std::borrow::Cow<'a, str>,
}

impl Problem {
    /// A 503 that asks to come again in a few seconds.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable { detail: detail.into(), retry_after_seconds: RETRY_AFTER_SECONDS }
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.facts().status
    }

    fn facts(&self) -> Facts<'_> {
        let facts = |status, name, title, detail| Facts { status, name, title, detail };
        match self {
            Self::Invalid(detail) => {
                facts(StatusCode::BAD_REQUEST, "invalid", "Invalid request", detail.into())
            }
            Self::Unusable(detail) => {
                facts(StatusCode::BAD_REQUEST, "unusable-body", "Unusable body", detail.into())
            }
            Self::Unauthenticated(detail) => facts(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Credentials needed",
                detail.into(),
            ),
            Self::Forbidden(detail) => {
                facts(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail.into())
            }
            Self::NotFound(detail) => {
                facts(StatusCode::NOT_FOUND, "not-found", "Not found", detail.into())
            }
            Self::MethodNotAllowed => facts(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "this path does not take this method; see the header Allow".into(),
            ),
            Self::Conflict(detail) => facts(
                StatusCode::CONFLICT,
                "conflict",
                "Impossible in the present state",
                detail.into(),
            ),
            Self::Stale { revision } => facts(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "Changed in the meantime",
                format!("If-Match names another revision; it is {revision} now").into(),
            ),
            Self::TooLarge { bytes_max } => facts(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "Body too large",
                format!("the body is longer than {bytes_max} bytes").into(),
            ),
            Self::HeadTooLarge { bytes_max, headers_max } => {
                head_too_large(*bytes_max, *headers_max)
            }
            Self::TooManyAttempts { .. } => too_many_attempts(),
            Self::UnsupportedMedia(detail) => facts(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media",
                "Unsupported media",
                detail.into(),
            ),
            Self::Unavailable { detail, .. } => facts(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
                detail.into(),
            ),
            Self::Misconfigured(detail) => facts(
                StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "Configuration not loaded",
                detail.into(),
            ),
            Self::BadTemplate(detail) => facts(
                StatusCode::INTERNAL_SERVER_ERROR,
                "template",
                "The template does not fit",
                detail.into(),
            ),
            Self::Internal(_) => facts(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
                "a fault of ours; the log says more under this request id".into(),
            ),
        }
    }

    /// The answer, with the id of the request once it is known.
    #[must_use]
    pub fn render(&self, request_id: Option<&str>) -> Response {
        let facts = self.facts();
        let mut members = json!({
            "type": format!("/problems/{}", facts.name),
            "title": facts.title,
            "status": facts.status.as_u16(),
            "detail": facts.detail,
            "request_id": request_id,
        });
        if let Self::Stale { revision } = self {
            members["revision"] = json!(revision);
        }
        let mut response = Response::new(Body::from(members.to_string()));
        *response.status_mut() = facts.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::UnsupportedMedia(_) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Self::Unavailable { retry_after_seconds, .. }
            | Self::TooManyAttempts { retry_after_seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
            }
            Self::Invalid(_)
            | Self::Unusable(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::Conflict(_)
            | Self::Stale { .. }
            | Self::TooLarge { .. }
            | Self::HeadTooLarge { .. }
            | Self::Misconfigured(_)
            | Self::BadTemplate(_)
            | Self::Internal(_) => {}
        }
        response
    }
}

fn head_too_large(bytes_max: usize, headers_max: usize) -> Facts<'static> {
    Facts {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        name: "head-too-large",
        title: "Headers too large",
        detail: format!("more than {bytes_max} bytes or {headers_max} headers before the body")
            .into(),
    }
}

fn too_many_attempts() -> Facts<'static> {
    Facts {
        status: StatusCode::TOO_MANY_REQUESTS,
        name: "too-many-attempts",
        title: "Too many attempts",
        detail: "too many wrong credentials came from this address; wait before the next".into(),
    }
}

impl IntoResponse for Problem {
    /// The problem travels with its answer, so that `observe` can add the request id and log what
    /// the client must not see.
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        response.extensions_mut().insert(self);
        response
    }
}

/// A JSON answer.
///
/// # Errors
/// `Internal` when the value cannot be written as JSON, which would be a fault of ours.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(json_text(status, written(value)?))
}

/// The text of a JSON answer.
///
/// # Errors
/// `Internal` when the value cannot be written, which would be a fault of ours.
pub fn written(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value)
        .map_err(|error| Problem::Internal(format!("an answer cannot be written: {error}")))
}

/// A JSON answer that is written already.
pub fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 202: taken, durable, and not worked in yet; `location` shows it once it is.
///
/// # Errors
/// `Internal` when the location is no header value, which would be a fault of ours.
pub fn accepted(location: &str) -> Answer {
    let mut response = json(StatusCode::ACCEPTED, &json!({ "location": location }))?;
    let value = HeaderValue::from_str(location)
        .map_err(|error| Problem::Internal(format!("`{location}` is no location: {error}")))?;
    response.headers_mut().insert(LOCATION, value);
    Ok(response)
}

#[cfg(test)]
pub(super) mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use super::*;

    /// Reads the JSON body of an answer, all of which is there already.
    pub(in crate::http) fn read(response: Response) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let response = Problem::Stale { revision: 17 }.render(Some("1-2"));
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            read(response),
            json!({
                "type": "/problems/stale",
                "title": "Changed in the meantime",
                "status": 412,
                "detail": "If-Match names another revision; it is 17 now",
                "request_id": "1-2",
                "revision": 17,
            })
        );
    }

    #[test]
    fn every_problem_has_its_status_and_the_headers_that_belong_to_it() {
        let text = || "why".to_owned();
        for (problem, status, header) in [
            (Problem::Invalid(text()), 400, None),
            (Problem::Unusable(text()), 400, None),
            (Problem::Unauthenticated(text()), 401, Some((WWW_AUTHENTICATE, "Bearer"))),
            (Problem::Forbidden(text()), 403, None),
            (Problem::NotFound(text()), 404, None),
            (Problem::MethodNotAllowed, 405, None),
            (Problem::Conflict(text()), 409, None),
            (Problem::Stale { revision: 1 }, 412, None),
            (Problem::TooLarge { bytes_max: 1 }, 413, None),
            (Problem::HeadTooLarge { bytes_max: 1, headers_max: 1 }, 431, None),
            (Problem::TooManyAttempts { retry_after_seconds: 9 }, 429, Some((RETRY_AFTER, "9"))),
            (Problem::UnsupportedMedia(text()), 415, Some((ACCEPT_ENCODING, "gzip"))),
            (Problem::unavailable("why"), 503, Some((RETRY_AFTER, "5"))),
            (Problem::Misconfigured(text()), 500, None),
            (Problem::BadTemplate(text()), 500, None),
            (Problem::Internal(text()), 500, None),
        ] {
            let response = problem.render(None);
            assert_eq!(response.status(), status, "{problem:?}");
            if let Some((name, value)) = header {
                assert_eq!(response.headers()[&name], value, "{problem:?}");
            }
        }
    }

    #[test]
    fn the_cause_of_a_fault_of_ours_stays_with_us() {
        let body = read(Problem::Internal("the disk at /secret/path".to_owned()).render(None));
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
