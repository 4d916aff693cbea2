//! Taking back what a person wrote, for good: a password in a note, a name that must not stand there.
//!
//! Unlike a correction, of which the history stays, the words go from everything that is stored;
//! their hash stays. Only for who administers. Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::auth::Admin;
use super::asking::Asking;
use super::operations::{Asked, Settled, Write};
use super::{changes, fields, quoted};
use crate::domain::ChangeId;
use crate::domain::record::OperationAction;
use crate::domain::redaction::words_redacted;
use crate::domain::words::Words;

/// POST `…/redact`: what was ever said in a field of the report.
pub(super) async fn field(mut asking: Asking<Admin>) -> Answer {
    let (field, actor) = fields::field_redaction(asking.body().await?)?;
    let action = OperationAction::Redact(asking.id, Words::Field(field));
    asking.act(action, actor).await
}

/// POST `…/notes/{note}/redact`.
pub(super) async fn note(asking: Asking<Admin>) -> Answer {
    let words = Words::Note(asking.part("note")?);
    redact(asking, words).await
}

/// POST `…/actions/{action}/redact`.
pub(super) async fn action(asking: Asking<Admin>) -> Answer {
    let words = Words::Action(asking.part("action")?);
    redact(asking, words).await
}

/// POST `/api/v1/redact`: a person's name, wherever it says who did something. What takes its place
/// is told, so that a copy of the name can be recognised.
pub(super) async fn person(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let write = Write::begin(shared, principal, &headers)?;
    let (name, actor) = fields::person_redaction(write.body(&headers, body).await?)?;
    let replacement = words_redacted(&name);
    let action = OperationAction::RedactPerson(replacement.clone());
    match write.perform(Asked { action, actor, at: None }).await? {
        Settled::Later => answer::accepted("/api/v1/status"),
        Settled::Done { .. } => answer::json(StatusCode::OK, &json!({ "person": replacement })),
    }
}

/// POST `/api/v1/changes/{id}/redact`.
pub(super) async fn change(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let write = Write::begin(Arc::clone(&shared), principal, &headers)?;
    let actor = fields::redaction(write.body(&headers, body).await?)?;
    let id: ChangeId =
        id.parse().map_err(|_| Problem::NotFound(format!("there is no change {}", quoted(&id))))?;
    match write
        .perform(Asked { action: OperationAction::RedactChange(id), actor, at: None })
        .await?
    {
        Settled::Later => answer::accepted(changes::PATH),
        Settled::Done { .. } => changes::answered(&shared, StatusCode::OK, id).await,
    }
}

async fn redact(mut asking: Asking<Admin>, words: Words) -> Answer {
    let actor = fields::redaction(asking.body().await?)?;
    let action = OperationAction::Redact(asking.id, words);
    asking.act(action, actor).await
}
