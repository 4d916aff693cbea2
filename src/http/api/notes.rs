//! Notes: what people write for the timeline, corrected and withdrawn with their history kept.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{self, Answer};
use super::super::auth::Reader;
use super::asking::{Asking, no_part, part_id};
use super::operations::{Asked, Settled};
use super::query::Params;
use super::{Pairs, fields, incident_id, incident_path, located, no_incident};
use crate::domain::record::OperationAction;
use crate::domain::timeline::EntryId;
use crate::domain::{Facts, Incident, IncidentId, NoteId};
use crate::{drafts, render};

/// What is looked for, for people.
const NOTE: &str = "note";

/// GET `…/notes/{note}`: its timeline entry.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path((id, note)): Path<(String, String)>,
) -> Answer {
    answered(&shared, StatusCode::OK, incident_id(&id)?, part_id(NOTE, &note)?).await
}

/// POST `…/notes`.
pub(super) async fn add(mut asking: Asking) -> Answer {
    let id = asking.id;
    let new = fields::note(asking.body().await?)?;
    let action = OperationAction::AddNote(id, new.draft);
    let (shared, settled) = asking.perform(Asked { action, actor: new.author, at: new.at }).await?;
    match settled {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, made } => {
            let id = incident.unwrap_or(id);
            let note = part_id(NOTE, made.as_deref().unwrap_or_default())?;
            let response = answered(&shared, StatusCode::CREATED, id, note).await?;
            located(response, &format!("{}/notes/{note}", incident_path(id)))
        }
    }
}

/// PATCH `…/notes/{note}`.
pub(super) async fn correct(mut asking: Asking) -> Answer {
    let (id, note) = (asking.id, asking.part(NOTE)?);
    let (patch, actor) = fields::note_patch(asking.body().await?)?;
    let action = OperationAction::CorrectNote(id, note, patch);
    let (shared, settled) = asking.perform(Asked { action, actor, at: None }).await?;
    match settled {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, .. } => {
            answered(&shared, StatusCode::OK, incident.unwrap_or(id), note).await
        }
    }
}

/// DELETE `…/notes/{note}`; a query may say `by` whom.
pub(super) async fn withdraw(axum::extract::Query(pairs): Pairs, asking: Asking) -> Answer {
    let (id, note) = (asking.id, asking.part(NOTE)?);
    let actor = Params::new(pairs).one("by")?.map(str::to_owned);
    let action = OperationAction::WithdrawNote(id, note);
    match asking.perform(Asked { action, actor, at: None }).await?.1 {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { .. } => {
            let mut response = axum::response::Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
    }
}

/// A note's timeline entry as it stands in the store.
async fn answered(shared: &Shared, status: StatusCode, id: IncidentId, note: NoteId) -> Answer {
    let value = shared
        .read(move |store| {
            let incident = store.incident(id)?.ok_or_else(|| no_incident(id))?;
            entry_of(incident, note).ok_or_else(|| no_part(NOTE, note))
        })
        .await?;
    answer::json(status, &value)
}

/// The entry of a note, with what an entry does not tell: whether it is hidden or withdrawn, and
/// how it stood before.
fn entry_of(mut incident: Incident, id: NoteId) -> Option<Value> {
    let note = incident.notes.iter_mut().find(|note| note.id == id)?;
    // A timeline leaves out what is hidden or withdrawn; who asks for the note by name sees it as
    // it would stand there.
    let (hidden, withdrawn) = (note.hidden, note.withdrawn.take());
    note.hidden = false;
    let history: Vec<Value> = note
        .history
        .iter()
        .map(|version| {
            json!({
                "text": version.text,
                "kind": version.kind.as_str(),
                "at": version.at.to_string(),
                "corrected_at": version.corrected_at.to_string(),
                "corrected_by": version.corrected_by,
            })
        })
        .collect();
    let note_kind = note.kind.as_str();
    let entry_id = EntryId::note(id);
    // The entry of a note is made from the note alone.
    let facts = Facts {
        incident,
        members: Vec::new(),
        context: Vec::new(),
        changes: Vec::new(),
        revisions: Vec::new(),
    };
    let entry = drafts::entries(&facts, false).into_iter().find(|entry| entry.id == entry_id)?;
    let mut value = render::json::entry(&entry);
    value["hidden"] = json!(hidden);
    value["withdrawn_at"] = json!(withdrawn.map(|withdrawal| withdrawal.at.to_string()));
    value["note_kind"] = json!(note_kind);
    value["history"] = json!(history);
    Some(value)
}
