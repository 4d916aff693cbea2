//! Actions: corrective and preventative measures of an incident.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::auth::{Reader, Writer};
use super::operations::{Asked, Settled, Write};
use super::{fields, incident_id, incident_path, located, no_incident, quoted};
use crate::domain::record::OperationAction;
use crate::domain::{ActionId, IncidentId};
use crate::render;

/// GET `…/actions/{action}`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path((id, action)): Path<(String, String)>,
) -> Answer {
    answered(&shared, StatusCode::OK, incident_id(&id)?, action_id(&action)?).await
}

/// POST `…/actions`.
pub(super) async fn add(
    Writer(principal): Writer,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let id = incident_id(&id)?;
    let write = Write::begin(Arc::clone(&shared), principal, &headers)?;
    let (draft, actor) = fields::action(write.body(&headers, body).await?)?;
    let action = OperationAction::AddAction(id, draft);
    match write.perform(Asked { action, actor, at: None }).await? {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, made } => {
            let id = incident.unwrap_or(id);
            let action = action_id(made.as_deref().unwrap_or_default())?;
            let response = answered(&shared, StatusCode::CREATED, id, action).await?;
            located(response, &format!("{}/actions/{action}", incident_path(id)))
        }
    }
}

/// PATCH `…/actions/{action}`.
pub(super) async fn change(
    Writer(principal): Writer,
    State(shared): State<Arc<Shared>>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (id, action) = (incident_id(&id)?, action_id(&action)?);
    let write = Write::begin(Arc::clone(&shared), principal, &headers)?;
    let (patch, actor) = fields::action_patch(write.body(&headers, body).await?)?;
    let asked = Asked { action: OperationAction::PatchAction(id, action, patch), actor, at: None };
    match write.perform(asked).await? {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, .. } => {
            answered(&shared, StatusCode::OK, incident.unwrap_or(id), action).await
        }
    }
}

fn action_id(text: &str) -> Result<ActionId, Problem> {
    text.parse().map_err(|_| no_action(quoted(text)))
}

fn no_action(id: impl std::fmt::Display) -> Problem {
    Problem::NotFound(format!("there is no action {id} in this incident"))
}

/// An action as it stands in the store.
async fn answered(shared: &Shared, status: StatusCode, id: IncidentId, action: ActionId) -> Answer {
    let value = shared
        .read(move |store| {
            let incident = store.incident(id)?.ok_or_else(|| no_incident(id))?;
            let found = incident.actions.iter().find(|candidate| candidate.id == action);
            found.map(render::json::action).ok_or_else(|| no_action(action))
        })
        .await?;
    answer::json(status, &value)
}
