//! Forms of the pages: read, checked, and performed as the same operations as in the API.
//!
//! A form of a foreign page cannot reach them: `auth` refuses it, and a form sent by way of a
//! session repeats the session's own token. What was done is shown by sending the browser back to
//! the view it came from; what cannot be done yet is answered with a page that asks. Callers: the
//! handlers of `pages`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Problem};
use super::super::api::header_value;
use super::super::api::operations::{Asked, Settled, Write};
use super::super::api::query::encode;
use super::super::auth::{FormWriter, Principal};
use super::super::{Shared, body};
use super::templates::Markup;
use super::view::query_of;
use super::visit::{Made, Visit};
use crate::domain::IncidentId;

/// The fields of a form, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Reads the body of a form.
    pub(super) fn read(body: &[u8]) -> Self {
        let pairs = body.split(|byte| *byte == b'&').filter_map(|pair| {
            let split = pair.iter().position(|byte| *byte == b'=')?;
            Some((text(&pair[..split]), text(&pair[split + 1..])))
        });
        Self { pairs: pairs.collect() }
    }

    /// A field as it was sent, also when it is empty.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field that somebody filled in.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.trim().is_empty())
    }

    /// Every value of a field that may come several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The fields that were filled in, of these, as the object that the API takes.
    pub(super) fn object(&self, names: &[&str]) -> Value {
        let filled = names.iter().filter_map(|name| {
            let value = self.one(name)?;
            Some(((*name).to_owned(), Value::String(value.to_owned())))
        });
        Value::Object(filled.collect::<Map<_, _>>())
    }
}

/// A form that somebody sent who may write.
pub(super) struct Sent {
    /// The visit that it belongs to.
    pub(super) visit: Visit,
    /// What was filled in.
    pub(super) form: Form,
    principal: Principal,
    /// Begun before the form was read; a later attempt begins anew.
    first: Option<Write>,
}

impl FromRequest<Arc<Shared>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Response> {
        let (mut parts, received) = request.into_parts();
        let writer = FormWriter::from_request_parts(&mut parts, shared).await;
        let who = writer.map(|FormWriter(principal)| principal);
        let visit = Visit::of(&parts, Arc::clone(shared), who.clone());
        let read = match who {
            Ok(principal) => read(&visit, principal, received).await,
            Err(problem) => Err(problem),
        };
        match read {
            Ok((principal, first, form)) => Ok(Self { visit, form, principal, first: Some(first) }),
            Err(problem) => {
                let back = back_of(parts.uri.path());
                Err(visit.problem(problem, &back).unwrap_or_else(IntoResponse::into_response))
            }
        }
    }
}

async fn read(
    visit: &Visit,
    principal: Principal,
    received: Body,
) -> Result<(Principal, Write, Form), Problem> {
    let shared = &visit.shared;
    let first = Write::begin(Arc::clone(shared), principal.clone(), visit.headers())?;
    let mut received =
        body::receive(shared, visit.headers(), received, body::API_BYTES_MAX).await?;
    let form = Form::read(&received.decoded(body::API_BYTES_MAX)?);
    require_own(visit, &form)?;
    Ok((principal, first, form))
}

/// Refuses a form that a session sends without repeating the session's own token.
///
/// # Errors
/// `Forbidden` when it is not from this session.
pub(super) fn require_own(visit: &Visit, form: &Form) -> Result<(), Problem> {
    if let Some(session) = visit.shared.sessions.find(visit.headers())
        && !session.is_repeated(form.raw("csrf").unwrap_or_default().as_bytes())
    {
        return Err(Problem::Forbidden(
            "the form is not from this session; load the page again".to_owned(),
        ));
    }
    Ok(())
}

/// The page that a form of this path stands on.
fn back_of(path: &str) -> String {
    let id = path.strip_prefix("/incidents/").and_then(|rest| rest.split('/').next());
    let id = id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    id.map_or_else(|| "/".to_owned(), |id| format!("/incidents/{id}"))
}

impl Sent {
    /// Performs an operation; with a revision, only while the incident stands at it.
    ///
    /// # Errors
    /// As [`Write::perform`].
    pub(super) async fn perform(
        &mut self,
        asked: Asked,
        revision: Option<u64>,
    ) -> Result<Settled, Problem> {
        let write = match self.first.take() {
            Some(write) => write,
            None => {
                let shared = Arc::clone(&self.visit.shared);
                Write::begin(shared, self.principal.clone(), self.visit.headers())?
            }
        };
        write.at_revision(revision).perform(asked).await
    }

    /// Sends the browser back to its view of an incident, where the page says what was done.
    pub(super) fn done(&self, id: IncidentId, done: &str, more: &[(&str, String)]) -> Answer {
        let view = Form::read(self.form.raw("view").unwrap_or_default().as_bytes());
        let mut query = query_of(|name| view.one(name));
        let said = [("done", done.to_owned())];
        for (name, value) in said.iter().chain(more) {
            let joint = if query.is_empty() { "" } else { "&" };
            query += &format!("{joint}{name}={}", encode(value));
        }
        see(&format!("/incidents/{id}?{query}"))
    }

    /// The answer of a handler: a problem becomes a page.
    pub(super) fn answered(&self, id: &str, result: Answer) -> Answer {
        result.or_else(|problem| self.visit.problem(problem, &back_of(&format!("/incidents/{id}"))))
    }

    /// A page that asks before anything is done. It shows `values` and repeats the fields of the
    /// form, but for those that the page itself asks for.
    ///
    /// # Errors
    /// When the page cannot be made, which would be a fault of ours.
    pub(super) fn ask(
        &self,
        status: StatusCode,
        action: &str,
        asked: &[&str],
        mut values: Value,
    ) -> Answer {
        let is_kept = |name: &str| name != "csrf" && name != "sure" && !asked.contains(&name);
        let kept: Vec<_> = self.form.pairs.iter().filter(|(name, _)| is_kept(name)).collect();
        values["kept"] = serde_json::json!(kept);
        values["action"] = action.into();
        values["back"] = back_of(action).into();
        let page = Made {
            name: "ask",
            template: "ask.html",
            values,
            zone: self.visit.zone(),
            markup: Markup::default(),
        };
        self.visit.made(status, page)
    }
}

/// Sends the browser to look at the result, with a GET.
pub(super) fn see(path: &str) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, header_value(path)?);
    Ok(response)
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
            let form = Form::read(body.as_bytes());
            assert_eq!(form.object(&["text", "kind", "at"]), expect, "{body}");
        };
        check("", json!({}));
        check("text=a+b%26c%3D%C3%A4&kind=&at=+", json!({"text": "a b&c=ä"}));
        check("text=1%0D%0A2", json!({"text": "1\n2"}));
        check("text=100%&x", json!({"text": "100%"}));
        check("text=%4&kind=%zz", json!({"text": "%4", "kind": "%zz"}));
        check("text=%FF&unknown=1", json!({"text": "\u{fffd}"}));
    }

    #[test]
    fn fields_may_come_several_times() {
        let form = Form::read(b"alerts=e1&alerts=e2&into=");
        assert_eq!(form.all("alerts").collect::<Vec<_>>(), ["e1", "e2"]);
        assert_eq!((form.raw("into"), form.one("into")), (Some(""), None));
    }

    #[test]
    fn a_form_leads_back_to_its_incident() {
        assert_eq!(back_of("/incidents/12/step"), "/incidents/12");
        assert_eq!(back_of("/incidents/x\"/step"), "/");
        assert_eq!(back_of("/logout"), "/");
    }
}
