//! The page of one incident: what it is, what happened, why each alert is there, what to do next.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::api::{incident_id, incident_path, no_incident};
use super::super::auth::{Need, Reader};
use super::{Pages, Visitor, alert, frame, length, links, merged, moment, moment_if_any, zone_of};
use crate::domain::incident::{Action, Candidate, CandidateKind, NoteKind};
use crate::domain::milestone::{MilestoneState, measures, milestones};
use crate::domain::timeline::{Entry, Provenance};
use crate::domain::zone::Zone;
use crate::domain::{Facts, Incident, IncidentState};
use crate::drafts;
use crate::render::escape;

/// How many alerts a page shows; the API has them all.
const ALERTS_MAX: usize = 500;

/// GET `/incidents/{id}`.
pub(super) async fn show(
    visitor: Visitor,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let Reader(principal) = match visitor {
        Ok(reader) => reader,
        Err(problem) => return pages.turned_away(&shared, &headers, problem),
    };
    let facts = match facts(&shared, &id).await {
        Ok(facts) => facts,
        Err(problem) => return pages.problem(&shared, &headers, problem, "/"),
    };
    let zone = zone_of(&facts.incident.report, &shared);
    let frame = frame(&shared, &headers, "incident", &zone);
    let may_write = principal.may(&Need::Write);
    // A long timeline takes a while to make and to print.
    let made = tokio::task::spawn_blocking(move || {
        let values = merged(values(&facts, &zone), json!({ "may_write": may_write }));
        pages.page(StatusCode::OK, "incident.html", merged(frame, values))
    });
    made.await.map_err(|error| Problem::Internal(format!("making a page failed: {error}")))?
}

async fn facts(shared: &Shared, id: &str) -> Result<Facts, Problem> {
    let id = incident_id(id)?;
    shared.read(move |store| store.facts(id)).await?.ok_or_else(|| no_incident(id))
}

fn values(facts: &Facts, zone: &Zone) -> Value {
    let incident = &facts.incident;
    let entries = drafts::entries(facts, true);
    let alerts = |list: &[crate::domain::Episode]| -> Vec<Value> {
        list.iter().take(ALERTS_MAX).map(|episode| alert(episode, zone)).collect()
    };
    json!({
        "incident": header(incident),
        "api": incident_path(incident.id),
        "steps": steps(incident.state),
        "milestones": milestone_rows(incident, zone),
        "measures": measure_rows(incident),
        "timeline": entries.iter().map(|entry| entry_row(entry, zone)).collect::<Vec<_>>(),
        "note_kinds": NoteKind::ALL.map(NoteKind::as_str),
        "alerts": alerts(&facts.members),
        "context": alerts(&facts.context),
        "candidates": incident.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "caveats": incident.caveats.iter().map(|caveat| {
            json!({ "at": moment(caveat.at, zone), "text": caveat.text })
        }).collect::<Vec<_>>(),
        "actions": incident.actions.iter().map(action).collect::<Vec<_>>(),
    })
}

fn header(incident: &Incident) -> Value {
    let merged_into = match incident.state {
        IncidentState::Merged { into } => Some(into),
        IncidentState::Open
        | IncidentState::Acknowledged
        | IncidentState::Mitigated
        | IncidentState::Resolved => None,
    };
    let related: Vec<Value> = incident
        .related
        .iter()
        .map(|other| json!({ "id": other.incident, "reason": other.reason }))
        .collect();
    json!({
        "id": incident.id,
        "title": incident.display_title(),
        "state": incident.state.as_str(),
        "severity": incident.severity().as_str(),
        "status": incident.report.status.as_str(),
        "services": incident.tally.services,
        "revision": incident.revision,
        "firing": incident.tally.firing,
        "total": incident.tally.total,
        "merged_into": merged_into,
        "follows": incident.follows,
        "lead": incident.report.lead,
        "related": related,
    })
}

/// What can be done next, with the words on the buttons.
fn steps(state: IncidentState) -> Vec<[&'static str; 2]> {
    const ACKNOWLEDGE: [&str; 2] = ["acknowledge", "Acknowledge"];
    const MITIGATE: [&str; 2] = ["mitigate", "Impact has stopped"];
    const RESOLVE: [&str; 2] = ["resolve", "Resolve"];
    const REOPEN: [&str; 2] = ["reopen", "Reopen"];
    match state {
        IncidentState::Open => vec![ACKNOWLEDGE, MITIGATE, RESOLVE],
        IncidentState::Acknowledged => vec![MITIGATE, RESOLVE],
        IncidentState::Mitigated => vec![RESOLVE],
        IncidentState::Resolved => vec![REOPEN],
        IncidentState::Merged { .. } => Vec::new(),
    }
}

fn milestone_rows(incident: &Incident, zone: &Zone) -> Vec<Value> {
    milestones(incident)
        .into_iter()
        .map(|value| {
            json!({
                "name": value.milestone.as_str(),
                "state": value.state.as_str().replace('_', " "),
                "at": moment_if_any(value.at, zone),
                "provenance": value.provenance.map(Provenance::as_str),
            })
        })
        .collect()
}

fn measure_rows(incident: &Incident) -> Vec<Value> {
    measures(incident)
        .into_iter()
        .map(|value| {
            let state = value.state.as_str().replace('_', " ");
            let text = match (value.state, value.length) {
                (MilestoneState::Recorded, Some(span)) => length(span),
                (_, Some(span)) => format!("{} ({state})", length(span)),
                (_, None) => state,
            };
            json!({
                "name": value.measure.as_str().replace('_', " "),
                "text": text,
                "formula": value.measure.formula(),
            })
        })
        .collect()
}

fn entry_row(entry: &Entry, zone: &Zone) -> Value {
    json!({
        "at": moment(entry.occurred_at, zone),
        "until": moment_if_any(entry.ended_at.filter(|end| *end != entry.occurred_at), zone),
        "kind": entry.kind.as_str(),
        "phase": entry.phase.as_str(),
        "text": entry.text,
        "actor": entry.actor,
        "provenance": entry.provenance.as_str(),
        "count": entry.count,
        "pinned": entry.pinned,
        "links": links(&entry.links),
        "rows": entry.rows.iter().map(|row| entry_row(row, zone)).collect::<Vec<_>>(),
        "corrections": entry.corrections,
    })
}

fn candidate(candidate: &Candidate) -> Value {
    let kind = match candidate.kind {
        CandidateKind::Change => "change",
        CandidateKind::Service => "service",
    };
    json!({
        "kind": kind,
        "ref": candidate.reference,
        "summary": candidate.summary,
        "why": candidate.why,
    })
}

fn action(action: &Action) -> Value {
    let link = action.draft.link.as_deref().filter(|url| escape::url(url).is_some());
    json!({
        "text": action.draft.text,
        "done": action.draft.done,
        "owner": action.draft.owner,
        "due": action.draft.due,
        "link": link,
    })
}
