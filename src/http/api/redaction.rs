//! Taking back what a person wrote, for good: a password in a note, a name that must not stand there.
//!
//! Unlike a correction, of which the history stays, the words go from everything that is stored;
//! their hash stays. Only for who administers. Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::HeaderMap;

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::auth::{Admin, Principal};
use super::operations::{Asked, Write};
use super::{fields, incident_id, quoted};
use crate::domain::IncidentId;
use crate::domain::record::OperationAction;
use crate::domain::words::Words;

/// POST `…/redact`: what was ever said in a field of the report.
pub(super) async fn fields(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let id = incident_id(&id)?;
    let write = Write::begin(shared, principal, &headers)?;
    let (field, actor) = fields::field_redaction(write.body(&headers, body).await?)?;
    let action = OperationAction::Redact(id, Words::Field(field));
    write.perform_on(id, Asked { action, actor, at: None }).await
}

/// POST `…/notes/{note}/redact`.
pub(super) async fn note(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path((id, note)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let words = note.parse().map(Words::Note).map_err(|_| missing("note", &note))?;
    redact(shared, principal, incident_id(&id)?, words, &headers, body).await
}

/// POST `…/actions/{action}/redact`.
pub(super) async fn action(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let words = action.parse().map(Words::Action).map_err(|_| missing("action", &action))?;
    redact(shared, principal, incident_id(&id)?, words, &headers, body).await
}

async fn redact(
    shared: Arc<Shared>,
    principal: Principal,
    id: IncidentId,
    words: Words,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let write = Write::begin(shared, principal, headers)?;
    let actor = fields::redaction(write.body(headers, body).await?)?;
    let action = OperationAction::Redact(id, words);
    write.perform_on(id, Asked { action, actor, at: None }).await
}

fn missing(what: &str, id: &str) -> Problem {
    Problem::NotFound(format!("there is no {what} {} in this incident", quoted(id)))
}
