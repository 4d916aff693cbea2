//! The API: what is read and what people do.
//!
//! A read asks the store on a thread that may block. A write becomes one record of the ledger and
//! waits until the engine has worked it in (`operations`). Nothing here decides what an operation
//! does to an incident, and nothing formats an entry or a draft: that is `render`'s. The routes are
//! one table, so that the OpenAPI document can be held against it. Caller: `routes`.

mod actions;
pub(crate) mod alerts;
mod asking;
mod audit;
mod changes;
pub(crate) mod conditional;
pub(crate) mod deliveries;
mod drafts;
pub(crate) mod fields;
mod incidents;
pub(crate) mod invalid;
mod negotiate;
mod notes;
pub(crate) mod operations;
pub(crate) mod quarantine;
pub(crate) mod query;
mod redaction;
mod timeline;

use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Answer, Problem};
use super::{live, openapi};
use crate::domain::IncidentId;
use crate::domain::record::OperationAction as Do;
use crate::store::Page;
use invalid::{Invalid, quoted};

/// Declares a router (`fn table`) and, for tests, the list of what it routes (`TABLE`).
macro_rules! route_table {
    ($($path:literal: $($method:ident $handler:expr),+;)+) => {
        fn table() -> ::axum::Router<::std::sync::Arc<$crate::http::Shared>> {
            ::axum::Router::new()
                $(.route($path, ::axum::routing::MethodRouter::new()$(.$method($handler))+))+
        }

        /// Every path with its methods.
        #[cfg(test)]
        pub(crate) const TABLE: &[(&str, &[&str])] =
            &[$(($path, &[$(stringify!($method)),+])),+];
    };
}
pub(crate) use route_table;

route_table! {
    "/api/v1/incidents": get incidents::list;
    "/api/v1/incidents/{id}": get incidents::get, patch incidents::patch;
    "/api/v1/incidents/{id}/acknowledge": post |asking| incidents::step(asking, Do::Acknowledge);
    "/api/v1/incidents/{id}/mitigate": post |asking| incidents::step(asking, Do::Mitigate);
    "/api/v1/incidents/{id}/resolve": post |asking| incidents::step(asking, Do::Resolve);
    "/api/v1/incidents/{id}/reopen": post |asking| incidents::step(asking, Do::Reopen);
    "/api/v1/incidents/{id}/merge": post incidents::merge;
    "/api/v1/incidents/{id}/split": post incidents::split;
    "/api/v1/incidents/{id}/alerts": post incidents::take_alerts;
    "/api/v1/incidents/{id}/notes": post notes::add;
    "/api/v1/incidents/{id}/notes/{note}":
        get notes::get, patch notes::correct, delete notes::withdraw;
    "/api/v1/incidents/{id}/actions": post actions::add;
    "/api/v1/incidents/{id}/actions/{action}": get actions::get, patch actions::change;
    "/api/v1/incidents/{id}/timeline": get timeline::list;
    "/api/v1/incidents/{id}/timeline.svg": get timeline::lanes;
    "/api/v1/incidents/{id}/draft": get drafts::get;
    "/api/v1/alerts": get alerts::list;
    "/api/v1/alerts/{id}": get alerts::get;
    "/api/v1/alerts/{id}/explain": get alerts::explain;
    "/api/v1/changes": get changes::list, post changes::report, put changes::report;
    "/api/v1/deliveries": get deliveries::list;
    "/api/v1/deliveries/{id}/raw": get deliveries::raw;
    "/api/v1/quarantine": get quarantine::list;
    "/api/v1/quarantine/{id}": get quarantine::get;
    "/api/v1/quarantine/{id}/raw": get quarantine::raw;
    "/api/v1/quarantine/{id}/replay": post quarantine::replay;
    "/api/v1/audit": get audit::list;
    "/api/v1/incidents/{id}/redact": post redaction::field;
    "/api/v1/incidents/{id}/notes/{note}/redact": post redaction::note;
    "/api/v1/incidents/{id}/actions/{action}/redact": post redaction::action;
    "/api/v1/redact": post redaction::person;
    "/api/v1/changes/{id}/redact": post redaction::change;
    "/api/v1/openapi.json": get openapi::document;
}

/// The routes of the API.
pub fn routes() -> axum::Router<std::sync::Arc<super::Shared>> {
    table().merge(live::routes())
}

/// Decoded parameters of a query, in their order.
pub(crate) type Pairs = axum::extract::Query<Vec<(String, String)>>;

/// The policy of what is shown from outside: nothing runs, nothing is loaded.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'");
const SECURITY_POLICY: HeaderName = http::header::CONTENT_SECURITY_POLICY;

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid.to_string())
    }
}

/// The number of an incident, from a path. What is no number names nothing.
///
/// # Errors
/// When the text can name no incident.
pub(crate) fn incident_id(text: &str) -> Result<IncidentId, Problem> {
    text.parse()
        .ok()
        // Numbers are kept signed in the store; a larger one was never counted.
        .filter(|id: &IncidentId| {
            i64::try_from(id.0).is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
        })
        .ok_or_else(|| no_incident(quoted(text)))
}

/// The problem that there is no such incident.
pub(crate) fn no_incident(id: impl std::fmt::Display) -> Problem {
    Problem::NotFound(format!("there is no incident {id}"))
}

/// Where an incident is read.
pub(crate) fn incident_path(id: IncidentId) -> String {
    format!("/api/v1/incidents/{id}")
}

/// A page of a list as the API answers it.
fn listed<T>(page: Page<T>, shape: impl Fn(&T) -> Value) -> Answer {
    let items: Vec<Value> = page.items.iter().map(shape).collect();
    answer::json(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor }))
}

/// A header of a request as text; one that is no text counts as absent.
pub(crate) fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Every value of a list header, joined as if it had come once.
fn joined_header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A header value made from our own text.
///
/// # Errors
/// When it is none, which would be a fault of ours.
pub(crate) fn header_value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text)
        .map_err(|error| Problem::Internal(format!("`{text}` is no header value: {error}")))
}

/// An answer with a place where the thing is read from now on.
fn located(mut response: axum::response::Response, location: &str) -> Answer {
    response.headers_mut().insert(LOCATION, header_value(location)?);
    Ok(response)
}

/// A text that a browser shows but never trusts, with its tag; 304 when the client has it.
fn sandboxed(headers: &HeaderMap, content_type: &'static str, text: String, tag: &str) -> Answer {
    let tag = conditional::tag(tag);
    let known = joined_header(headers, http::header::IF_NONE_MATCH);
    let is_known = conditional::is_known(known.as_deref(), &tag);
    let body = if is_known { axum::body::Body::empty() } else { text.into() };
    let mut response = axum::response::Response::new(body);
    let sent = response.headers_mut();
    sent.insert(ETAG, header_value(&tag)?);
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // The same address answers in several formats.
    sent.insert(http::header::VARY, HeaderValue::from_static("accept"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    sent.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    sent.insert(SECURITY_POLICY, SANDBOX);
    Ok(response)
}

/// An answer that a browser saves and never shows.
fn attachment(bytes: Vec<u8>, name: &str) -> Answer {
    let mut response = axum::response::Response::new(bytes.into());
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    sent.insert(CONTENT_DISPOSITION, header_value(&format!("attachment; filename=\"{name}\""))?);
    sent.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    sent.insert(SECURITY_POLICY, SANDBOX);
    Ok(response)
}

#[cfg(test)]
mod tests;
