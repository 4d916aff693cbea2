//! Forms of the pages, for browsers without script: the same operations as in the API.
//!
//! A form of a foreign page cannot reach them: `auth` refuses it, and a form sent by way of a
//! session repeats the session's own token. Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::super::answer::{Answer, Problem};
use super::super::api::fields::{self, Fields};
use super::super::api::operations::{Asked, Settled, Write};
use super::super::api::{header_value, incident_id, no_incident};
use super::super::auth::{FormWriter, Principal};
use super::super::{Shared, body};
use super::Pages;
use crate::domain::IncidentId;
use crate::domain::record::OperationAction;

/// POST `/incidents/{id}/notes`.
pub(super) async fn add_note(
    FormWriter(principal): FormWriter,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let read = |id: IncidentId, form: Value| {
        let new = fields::note(form)?;
        let action = OperationAction::AddNote(id, new.draft);
        Ok(Asked { action, actor: new.author, at: new.at })
    };
    done(&shared, &pages, principal, &id, &headers, body, read).await
}

/// POST `/incidents/{id}/step`.
pub(super) async fn take_step(
    FormWriter(principal): FormWriter,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let read = |id: IncidentId, form: Value| {
        let word = form["step"].as_str().unwrap_or_default().to_owned();
        Fields::read(form, &["step"])?;
        let action = match word.as_str() {
            "acknowledge" => OperationAction::Acknowledge(id),
            "mitigate" => OperationAction::Mitigate(id),
            "resolve" => OperationAction::Resolve(id),
            "reopen" => OperationAction::Reopen(id),
            _ => return Err(Problem::Invalid("this step is none of ours".to_owned())),
        };
        Ok(Asked { action, actor: None, at: None })
    };
    done(&shared, &pages, principal, &id, &headers, body, read).await
}

/// Performs what a form asks for and shows the incident, or says why not.
async fn done(
    shared: &Arc<Shared>,
    pages: &Pages,
    principal: Principal,
    id: &str,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(IncidentId, Value) -> Result<Asked, Problem> + Send,
) -> Answer {
    let performed = perform(shared, principal, id, headers, body, read).await;
    match performed {
        Ok(id) => see(&format!("/incidents/{id}")),
        Err(problem) => {
            let back = incident_id(id).map_or("/".to_owned(), |id| format!("/incidents/{id}"));
            pages.problem(shared, headers, problem, &back)
        }
    }
}

async fn perform(
    shared: &Arc<Shared>,
    principal: Principal,
    id: &str,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(IncidentId, Value) -> Result<Asked, Problem> + Send,
) -> Result<IncidentId, Problem> {
    let id = incident_id(id).map_err(|_| no_incident(id))?;
    let write = Write::begin(Arc::clone(shared), principal, headers)?;
    let mut received = body::receive(shared, headers, body, body::API_BYTES_MAX).await?;
    let mut form = decoded(&received.decoded(body::API_BYTES_MAX)?);
    let repeated = form.as_object_mut().and_then(|fields| fields.remove("csrf"));
    let repeated = repeated.as_ref().and_then(Value::as_str).unwrap_or_default();
    if let Some(session) = shared.sessions.find(headers)
        && !session.is_repeated(repeated.as_bytes())
    {
        return Err(Problem::Forbidden(
            "the form is not from this session; load the page again".to_owned(),
        ));
    }
    match write.perform(read(id, form)?).await? {
        Settled::Done { incident, .. } => Ok(incident.unwrap_or(id)),
        Settled::Later => Ok(id),
    }
}

/// Sends the browser to look at the result, with a GET.
pub(super) fn see(path: &str) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, header_value(path)?);
    Ok(response)
}

/// A form as an object of texts; fields that were left empty are absent.
pub(super) fn decoded(body: &[u8]) -> Value {
    let pairs = body.split(|byte| *byte == b'&').filter_map(|pair| {
        let split = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (text(&pair[..split]), text(&pair[split + 1..]));
        (!value.trim().is_empty()).then_some((name, Value::String(value)))
    });
    Value::Object(pairs.collect::<Map<String, Value>>())
}

/// Undoes the encoding of forms: `+` for a blank, `%` and two digits for a byte.
fn text(encoded: &[u8]) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(byte) = encoded.get(at) {
        let pair = (digit(encoded.get(at + 1)), digit(encoded.get(at + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 2;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        at += 1;
    }
    // Browsers end lines with CR LF in forms.
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_are_decoded() {
        let check = |body: &str, expect: Value| {
            assert_eq!(decoded(body.as_bytes()), expect, "{body}");
        };
        check("", json!({}));
        check("text=a+b%26c%3D%C3%A4&kind=&at=+", json!({"text": "a b&c=ä"}));
        check("text=1%0D%0A2", json!({"text": "1\n2"}));
        check("text=100%&x", json!({"text": "100%"}));
        check("text=%4&kind=%zz", json!({"text": "%4", "kind": "%zz"}));
        check("text=%FF", json!({"text": "\u{fffd}"}));
    }
}
