//! The front page: incidents, running ones first; or how to send the first alert.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::api::query::{self, LIMIT_MAX, Params, STATES};
use super::{Pages, Visitor, default_zone, frame, length, merged, moment_if_any};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::zone::Zone;
use crate::domain::{Incident, IncidentState, Severity, Timestamp};
use crate::store::{IncidentFilter, PageRequest, StoreError};

/// The states of an incident that runs.
const RUNNING: [IncidentState; 3] =
    [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Mitigated];

/// GET `/`.
pub(super) async fn list(
    visitor: Visitor,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Answer {
    if let Err(problem) = visitor {
        return pages.turned_away(&shared, &headers, problem);
    }
    let params = Params::new(pairs);
    let (filter, page) = match read(&params) {
        Ok(read) => read,
        Err(problem) => return pages.problem(&shared, &headers, problem, "/"),
    };
    let has_states = !filter.states.is_empty();
    let is_first = page.cursor.is_none();
    let (running, others, floating) = shared
        .read(move |store| {
            let of_states = |states: &[IncidentState]| {
                let states = states.iter().map(|state| state.as_str().to_owned()).collect();
                IncidentFilter { states, ..filter.clone() }
            };
            let running = if has_states || !is_first {
                Vec::new()
            } else {
                let all = PageRequest { limit: LIMIT_MAX, cursor: None };
                store.incidents(&of_states(&RUNNING), &all)?.items
            };
            let wanted =
                if has_states { filter.clone() } else { of_states(&[IncidentState::Resolved]) };
            let others = store.incidents(&wanted, &page)?;
            Ok::<_, StoreError>((running, others, store.counts()?.floating))
        })
        .await?;
    let zone = default_zone(&shared);
    let now = shared.clock.now();
    let rows = |incidents: &[Incident]| -> Vec<Value> {
        incidents.iter().map(|incident| row(incident, &zone, now)).collect()
    };
    let asked = |name: &'static str| params.all(name).next().unwrap_or_default().to_owned();
    let next = others.next_cursor.as_deref().map(|cursor| params.with("cursor", Some(cursor)));
    let values = json!({
        "running": rows(&running),
        "others": rows(&others.items),
        "others_title": if has_states { "Found" } else { "Over" },
        "next": next,
        "is_filtered": !params.is_empty(),
        "asked": {
            "q": asked("q"), "service": asked("service"), "state": asked("state"),
            "severity": asked("severity"),
        },
        "states": STATES,
        "severities": Severity::ALL.map(Severity::as_str),
        "floating": floating,
        "own_url": own_url(&shared, &headers),
        "now": now.to_string(),
    });
    pages.page(
        StatusCode::OK,
        "incidents.html",
        merged(frame(&shared, &headers, "incidents", &zone), values),
    )
}

fn read(params: &Params) -> Result<(IncidentFilter, PageRequest), Problem> {
    Ok((query::incidents(params)?, params.page()?))
}

fn row(incident: &Incident, zone: &Zone, now: Timestamp) -> Value {
    let began = value_of(incident, Milestone::Onset).at;
    let ended = value_of(incident, Milestone::Resolution).at;
    let until = ended.or_else(|| incident.state.is_running().then_some(now));
    let lasts = began.zip(until).map(|(began, until)| length(until - began));
    json!({
        "id": incident.id,
        "title": incident.display_title(),
        "state": incident.state.as_str(),
        "severity": incident.severity().as_str(),
        "services": incident.tally.services,
        "started_at": moment_if_any(began, zone),
        "length": lasts.unwrap_or_default(),
        "firing": incident.tally.firing,
        "total": incident.tally.total,
    })
}

/// Where senders reach us: as configured, else as this browser does.
fn own_url(shared: &Shared, headers: &HeaderMap) -> String {
    let configured = shared.config().web.external_url.clone();
    let host = || headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    configured
        .map(|url| url.trim_end_matches('/').to_owned())
        .or_else(|| host().map(|host| format!("http://{host}")))
        .unwrap_or_else(|| "http://127.0.0.1:7274".to_owned())
}
