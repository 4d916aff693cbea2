//! The timeline of an incident: as a list and as a chart.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::auth::Reader;
use super::drafts::with_edition;
use super::query::Params;
use super::{Pairs, fields, incident_id, no_incident, sandboxed};
use crate::domain::IncidentId;
use crate::domain::zone::Zone;
use crate::drafts::{self, DraftError};
use crate::render;

/// GET `…/timeline`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let id = incident_id(&id)?;
    let params = Params::new(pairs);
    let asked = asked_zone(&params)?;
    let is_collapsed = params.switch("collapse", true)?;
    let default_zone = shared.config().timezone.clone();
    let turn = shared.turn(id).await?;
    let text = turn
        .read(&shared, move |store| {
            let facts = store.facts(id)?.ok_or_else(|| no_incident(id))?;
            let default = || drafts::zone_of(&facts.incident, &default_zone);
            let zone = asked.clone().unwrap_or_else(default);
            let entries = drafts::entries(&facts, is_collapsed);
            answer::written(&Listed {
                incident: id,
                // Local times stand beside the others for who asks for a zone.
                items: render::json::Entries { list: &entries, zone: asked.as_ref() },
                next_cursor: (),
                revision: facts.incident.revision,
                timezone: zone.name(),
            })
        })
        .await?;
    turn.answer(answer::json_text(StatusCode::OK, text))
}

/// The answer, written entry by entry.
#[derive(Serialize)]
struct Listed<'a> {
    incident: IncidentId,
    items: render::json::Entries<'a>,
    next_cursor: (),
    revision: u64,
    timezone: &'a str,
}

/// GET `…/timeline.svg`.
pub(super) async fn lanes(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    axum::extract::Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer {
    let id = incident_id(&id)?;
    let asked = asked_zone(&Params::new(pairs))?;
    let default_zone = shared.config().timezone.clone();
    let turn = shared.turn(id).await?;
    let chart = turn
        .read(&shared, move |store| {
            drafts::render_chart(store, id, asked, &default_zone)?.ok_or_else(|| no_incident(id))
        })
        .await?;
    let edition = chart.edition;
    let answer = sandboxed(&headers, "image/svg+xml; charset=utf-8", chart.text, &chart.tag)?;
    turn.answer(with_edition(answer, edition)?)
}

/// The zone that `tz` asks for.
///
/// # Errors
/// When there is no such zone.
pub(super) fn asked_zone(params: &Params) -> Result<Option<Zone>, Problem> {
    let name = params.one("tz")?;
    Ok(name.map(|name| fields::zone("tz", name)).transpose()?)
}

impl From<DraftError> for Problem {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Store(error) => error.into(),
            DraftError::FutureRevision { .. } => Self::Invalid(error.to_string()),
            DraftError::Template(_) => Self::BadTemplate(error.to_string()),
        }
    }
}
