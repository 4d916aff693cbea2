//! Incidents: listed, read, corrected, and moved through their life.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::auth::Reader;
use super::asking::Asking;
use super::fields::{self, Fields};
use super::operations::{Asked, Settled};
use super::query::{self, Params};
use super::{
    Pairs, conditional, header_value, incident_id, incident_path, joined_header, listed, located,
    no_incident,
};
use crate::domain::record::OperationAction;
use crate::domain::{EpisodeId, Incident, IncidentId};
use crate::render;

/// GET `/api/v1/incidents`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let params = Params::new(pairs);
    let (filter, page) = (query::incidents(&params)?, params.page()?);
    let page = shared.read(move |store| store.incidents(&filter, &page)).await?;
    let zone = shared.config().timezone.clone();
    listed(page, |incident| render::json::incident_in(incident, &zone))
}

/// GET `/api/v1/incidents/{id}`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let id = incident_id(&id)?;
    let incident =
        shared.read(move |store| store.incident(id)).await?.ok_or_else(|| no_incident(id))?;
    let tag = conditional::incident_tag(&incident);
    if conditional::is_known(joined_header(&headers, IF_NONE_MATCH).as_deref(), &tag) {
        let mut response = axum::response::Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(ETAG, header_value(&tag)?);
        return Ok(response);
    }
    answered(&shared, StatusCode::OK, &incident)
}

/// An incident as an answer, with its revision as tag.
///
/// # Errors
/// When it cannot be written, which would be a fault of ours.
pub(super) fn answered(shared: &Shared, status: StatusCode, incident: &Incident) -> Answer {
    let value = render::json::incident_in(incident, &shared.config().timezone);
    let mut response = answer::json(status, &value)?;
    let sent = response.headers_mut();
    sent.insert(ETAG, header_value(&conditional::incident_tag(incident))?);
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// PATCH `/api/v1/incidents/{id}`.
pub(super) async fn patch(mut asking: Asking) -> Answer {
    let (patch, actor) = fields::patch(asking.body().await?)?;
    let action = OperationAction::Patch(asking.id, Box::new(patch));
    asking.act(action, actor).await
}

/// POST `…/acknowledge`, `…/mitigate`, `…/resolve`, `…/reopen`: one step of an incident's life,
/// `{"by"?, "at"?}`.
pub(super) async fn step(mut asking: Asking, step: fn(IncidentId) -> OperationAction) -> Answer {
    let fields = Fields::read(asking.body().await?, &["by", "at"])?;
    let id = asking.id;
    asking.perform_on(id, asked(step(id), &fields)?).await
}

/// POST `…/merge`: answers with the incident that goes on.
pub(super) async fn merge(mut asking: Asking) -> Answer {
    let fields = Fields::read(asking.body().await?, &["into", "by", "at"])?;
    let into = incident_id(&fields.incident("into")?.to_string())?;
    let action = OperationAction::Merge { incident: asking.id, into };
    asking.perform_on(into, asked(action, &fields)?).await
}

/// POST `…/alerts`: these alerts belong to this incident.
pub(super) async fn take_alerts(mut asking: Asking) -> Answer {
    let fields = Fields::read(asking.body().await?, &["alerts", "by", "at"])?;
    let id = asking.id;
    asking.perform_on(id, asked(OperationAction::Move(id, episodes(&fields)?), &fields)?).await
}

/// POST `…/split`: these alerts are a story of their own; answers with the new incident.
pub(super) async fn split(mut asking: Asking) -> Answer {
    let id = asking.id;
    let fields = Fields::read(asking.body().await?, &["alerts", "by", "at"])?;
    let action = OperationAction::Split(id, episodes(&fields)?);
    let (shared, settled) = asking.perform(asked(action, &fields)?).await?;
    match settled {
        Settled::Later => answer::accepted(&incident_path(id)),
        Settled::Done { incident, .. } => {
            let made = incident.unwrap_or(id);
            let incident = shared
                .read(move |store| store.incident(made))
                .await?
                .ok_or_else(|| no_incident(made))?;
            located(answered(&shared, StatusCode::CREATED, &incident)?, &incident_path(made))
        }
    }
}

/// What is to be done, with by whom and when as the body says.
fn asked(action: OperationAction, fields: &Fields) -> Result<Asked, Problem> {
    Ok(Asked { action, actor: fields.person("by")?, at: fields.at()? })
}

/// The alerts that a body names. Ids are opaque to clients, so one that we never gave out names
/// nothing.
fn episodes(fields: &Fields) -> Result<Vec<EpisodeId>, Problem> {
    let unknown =
        |text: &str| Problem::NotFound(format!("there is no alert {}", super::quoted(text)));
    fields.alerts()?.iter().map(|text| text.parse().map_err(|_| unknown(text))).collect()
}
