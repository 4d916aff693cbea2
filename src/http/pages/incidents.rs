//! The front page: incidents, running ones first; or how to send the first alert.
//!
//! Filters are those of the API and stand in the address. Caller: the table of routes.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::{self, Params, STATES};
use super::incident::acknowledged_by;
use super::templates::Markup;
use super::visit::{Made, Visit, readable};
use super::{length, moment_if_any};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::zone::Zone;
use crate::domain::{Incident, IncidentState, Severity, Timestamp};
use crate::store::{IncidentFilter, Page, PageRequest, StoreCounts, StoreError};

/// The states of an incident that runs.
const RUNNING: [IncidentState; 3] =
    [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Mitigated];
/// How many running incidents stand before the others.
const RUNNING_MAX: usize = 50;

/// What the page lists.
struct Listed {
    running: Page<Incident>,
    others: Page<Incident>,
    counts: StoreCounts,
}

/// GET `/`.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let params = visit.params();
    let (status, problem, listed) = match read(&params) {
        Ok((filter, page)) => (StatusCode::OK, None, listed(&visit, filter, page).await?),
        // The filters stay as they were written, with what is wrong beside them.
        Err(Problem::Invalid(detail)) => {
            let nothing = || Page { items: Vec::new(), next_cursor: None };
            let counts = visit.shared.read(|store| store.counts()).await?;
            let listed = Listed { running: nothing(), others: nothing(), counts };
            (StatusCode::BAD_REQUEST, Some(detail), listed)
        }
        Err(other) => return visit.problem(other, "/"),
    };
    let zone = visit.zone();
    let values = values(&visit, &params, listed, problem, &zone);
    let page = Made {
        name: "incidents",
        template: "incidents.html",
        values,
        zone,
        markup: Markup::default(),
    };
    visit.made(status, page)
}

async fn listed(
    visit: &Visit,
    filter: IncidentFilter,
    page: PageRequest,
) -> Result<Listed, Problem> {
    let has_states = !filter.states.is_empty();
    let is_first = page.cursor.is_none();
    visit
        .shared
        .read(move |store| {
            let of_states = |states: &[IncidentState]| {
                let states = states.iter().map(|state| state.as_str().to_owned()).collect();
                IncidentFilter { states, ..filter.clone() }
            };
            let running = if has_states || !is_first {
                Page { items: Vec::new(), next_cursor: None }
            } else {
                let first = PageRequest { limit: RUNNING_MAX, cursor: None };
                store.incidents(&of_states(&RUNNING), &first)?
            };
            let wanted =
                if has_states { filter.clone() } else { of_states(&[IncidentState::Resolved]) };
            let others = store.incidents(&wanted, &page)?;
            Ok::<_, StoreError>(Listed { running, others, counts: store.counts()? })
        })
        .await
}

fn values(
    visit: &Visit,
    params: &Params,
    listed: Listed,
    problem: Option<String>,
    zone: &Zone,
) -> Value {
    let now = visit.shared.clock.now();
    let rows = |incidents: &[Incident]| -> Vec<Value> {
        incidents.iter().map(|incident| row(incident, zone, now)).collect()
    };
    let asked = |name: &'static str| params.all(name).next().unwrap_or_default().to_owned();
    let next = listed.others.next_cursor.as_deref();
    let counts: Vec<Value> = STATES
        .iter()
        .map(|state| {
            let known = listed.counts.incidents.iter().find(|(known, _)| known == state);
            let query = params.with("state", Some(state));
            json!({ "state": state, "count": known.map_or(0, |(_, count)| *count), "query": query })
        })
        .collect();
    let running: u64 = listed
        .counts
        .incidents
        .iter()
        .filter(|(state, _)| RUNNING.iter().any(|running| running.as_str() == state))
        .map(|(_, count)| *count)
        .sum();
    json!({
        "running": rows(&listed.running.items),
        "all_running": listed.running.next_cursor.is_some().then(|| {
            params.with("state", Some(&RUNNING.map(|state| state.as_str()).join(",")))
        }),
        "others": rows(&listed.others.items),
        "others_title": if params.all("state").next().is_some() { "Found" } else { "Resolved" },
        "next": next.map(|cursor| params.with("cursor", Some(cursor))),
        "is_later_page": params.all("cursor").next().is_some(),
        "newest": params.with("cursor", None),
        "is_filtered": !params.is_empty(),
        "problem": problem,
        "asked": {
            "q": asked("q"), "service": asked("service"), "state": asked("state"),
            "severity": asked("severity"),
            "filter": params.all("filter").collect::<Vec<_>>().join(", "),
        },
        "states": STATES,
        "counts": counts,
        "said": format!("{running} running"),
        "watch": "all",
        "ticking": running > 0,
        "severities": Severity::ALL.map(Severity::as_str),
        "floating": listed.counts.floating,
        "own_url": own_url(visit),
        "now": now.to_string(),
    })
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
        "lead": incident.report.lead,
        "acknowledged_by": acknowledged_by(incident),
        "is_running": incident.state.is_running(),
        "pinned": incident.pinned,
    })
}

/// Where senders reach us: as configured, else as this browser does.
fn own_url(visit: &Visit) -> String {
    let configured = visit.shared.config().web.external_url.clone();
    let host = || visit.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    configured
        .map(|url| url.trim_end_matches('/').to_owned())
        .or_else(|| host().map(|host| format!("http://{host}")))
        .unwrap_or_else(|| "http://127.0.0.1:7274".to_owned())
}
