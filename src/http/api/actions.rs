//! Actions: corrective and preventative measures of an incident.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;

use super::super::Shared;
use super::super::answer::{self, Answer};
use super::super::auth::Reader;
use super::asking::{Asking, no_part, part_id};
use super::operations::{Asked, Settled};
use super::{fields, incident_id, incident_path, located, no_incident};
use crate::domain::record::OperationAction;
use crate::domain::{ActionId, IncidentId};
use crate::render;

/// What is looked for, for people.
const ACTION: &str = "action";

/// GET `…/actions/{action}`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path((id, action)): Path<(String, String)>,
) -> Answer {
    answered(&shared, StatusCode::OK, incident_id(&id)?, part_id(ACTION, &action)?).await
}

/// POST `…/actions`.
pub(super) async fn add(mut asking: Asking) -> Answer {
    let id = asking.id;
    let (draft, actor) = fields::action(asking.body().await?)?;
    let action = OperationAction::AddAction(id, draft);
    let (shared, settled) = asking.perform(Asked { action, actor, at: None }).await?;
    match settled {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, made } => {
            let id = incident.unwrap_or(id);
            let action = part_id(ACTION, made.as_deref().unwrap_or_default())?;
            let response = answered(&shared, StatusCode::CREATED, id, action).await?;
            located(response, &format!("{}/actions/{action}", incident_path(id)))
        }
    }
}

/// PATCH `…/actions/{action}`.
pub(super) async fn change(mut asking: Asking) -> Answer {
    let (id, action) = (asking.id, asking.part(ACTION)?);
    let (patch, actor) = fields::action_patch(asking.body().await?)?;
    let asked = Asked { action: OperationAction::PatchAction(id, action, patch), actor, at: None };
    let (shared, settled) = asking.perform(asked).await?;
    match settled {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, .. } => {
            answered(&shared, StatusCode::OK, incident.unwrap_or(id), action).await
        }
    }
}

/// An action as it stands in the store.
async fn answered(shared: &Shared, status: StatusCode, id: IncidentId, action: ActionId) -> Answer {
    let value = shared
        .read(move |store| {
            let incident = store.incident(id)?.ok_or_else(|| no_incident(id))?;
            let found = incident.actions.iter().find(|candidate| candidate.id == action);
            found.map(render::json::action).ok_or_else(|| no_part(ACTION, action))
        })
        .await?;
    answer::json(status, &value)
}
