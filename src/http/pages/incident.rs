//! The page of one incident: what it is, what happened, why each alert is there, what to write and
//! what to do next, with the draft beside it.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::{Params, encode};
use super::super::api::{incident_id, incident_path, no_incident};
use super::preview::{self, Preview, preview};
use super::report::held;
use super::templates::Markup;
use super::timeline::{Timeline, picture, timeline};
use super::view::View;
use super::visit::{Made, Visit, readable};
use super::{alert, counted, length, merged, moment, moment_if_any};
use crate::config::Config;
use crate::domain::incident::{
    Action, ActionKind, Candidate, CandidateKind, DraftStatus, Horizon, LifecycleKind, Similar,
};
use crate::domain::milestone::{Milestone, MilestoneState, measures, milestones, value_of};
use crate::domain::timeline::Provenance;
use crate::domain::zone::Zone;
use crate::domain::{Episode, Facts, Incident, IncidentState, Severity, Timestamp};
use crate::drafts;
use crate::render::escape;

/// How many alerts the page shows; the list of alerts has them all.
const ALERTS_MAX: usize = 50;

/// GET `/incidents/{id}`.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    readable!(visit);
    match shown(&visit, &id).await {
        Ok(response) => Ok(response),
        Err(problem) => visit.problem(problem, "/"),
    }
}

async fn shown(visit: &Visit, id: &str) -> Answer {
    let id = incident_id(id)?;
    let params = visit.params();
    let view = View::read(params.clone())?;
    let config = visit.shared.config();
    let own_zone = view.zone.clone();
    let visit_zone =
        |facts: &Facts| own_zone.clone().unwrap_or_else(|| visit.zone_of(&facts.incident.report));
    let turn = visit.shared.turn(id).await?;
    let facts = turn.read(&visit.shared, move |store| store.facts(id)).await?;
    let facts = facts.ok_or_else(|| no_incident(id))?;
    let zone = visit_zone(&facts);
    let now = visit.shared.clock.now();
    let done = done(&params, &facts, &view);
    let made = Making { view, config, zone: zone.clone(), now, done };
    // A long timeline takes a while to make.
    let (values, markup) = turn
        .read(&visit.shared, move |store| {
            let reviewed = drafts::reviewed(store, facts.clone())?;
            made.values(&facts, &reviewed)
        })
        .await?;
    let page = Made { name: "incident", template: "incident.html", values, zone, markup };
    visit.made(StatusCode::OK, page)
}

/// What a page is made with beside the facts.
struct Making {
    view: View,
    config: Arc<Config>,
    zone: Zone,
    now: Timestamp,
    done: Value,
}

impl Making {
    fn values(&self, facts: &Facts, reviewed: &Facts) -> Result<(Value, Markup), Problem> {
        let (zone, incident) = (&self.zone, &facts.incident);
        let Timeline { values: entries, chart, total } = timeline(facts, &self.view, zone);
        let Preview { values: draft, html } = preview(reviewed, &self.view, zone, &self.config)?;
        let alerts = |list: &[Episode]| -> Vec<Value> {
            list.iter().take(ALERTS_MAX).map(|episode| alert(episode, zone)).collect()
        };
        let shown = json!({
            "incident": header(incident, zone, self.now),
            // As its clocks ran then: summer or winter.
            "zone": zone.label_at(value_of(incident, Milestone::Onset).at.unwrap_or(self.now)),
            "done": self.done,
            "watch": incident.id,
            "ticking": incident.state.is_running(),
            "said": format!(
                "{}, {} of {} firing, {}",
                incident.state.as_str(),
                incident.tally.firing,
                counted(usize::try_from(incident.tally.total).unwrap_or(usize::MAX), "alert"),
                counted(total, "entry").replace("entrys", "entries"),
            ),
            "api": incident_path(incident.id),
            "draft_api": preview::api(incident.id),
            "picture": picture(incident.id, zone),
            "view": self.view.query(),
            "steps": steps(incident.state),
            "timeline": entries,
            "draft": draft,
            "finalised": finalised(facts, zone),
            "fields": fields(incident, zone),
        });
        let more = json!({
            "milestones": milestone_rows(incident, zone),
            "measures": measure_rows(incident),
            "alerts": alerts(&facts.members),
            "alerts_left": facts.members.len().saturating_sub(ALERTS_MAX),
            "context": alerts(&facts.context),
            "candidates": incident.candidates.iter().map(candidate).collect::<Vec<_>>(),
            "similar": incident.similar.iter().map(|other| similar(other, zone)).collect::<Vec<_>>(),
            "caveats": incident.caveats.iter().map(|caveat| {
                json!({ "at": moment(caveat.at, zone), "text": caveat.text })
            }).collect::<Vec<_>>(),
            "actions": incident.actions.iter().map(action).collect::<Vec<_>>(),
            "horizons": HORIZONS.map(Horizon::as_str),
            "severities": Severity::ALL.map(Severity::as_str),
            "statuses": STATUSES.map(DraftStatus::as_str),
        });
        let markup = Markup(vec![("chart", chart), ("preview", html)]);
        Ok((merged(shown, more), markup))
    }
}

const HORIZONS: [Horizon; 3] = [Horizon::Immediate, Horizon::ShortTerm, Horizon::LongTerm];
const STATUSES: [DraftStatus; 3] = [DraftStatus::Draft, DraftStatus::InReview, DraftStatus::Final];

/// What was just done, and how to undo it: the opposite operation through the same forms.
fn done(params: &Params, facts: &Facts, view: &View) -> Value {
    let id = facts.incident.id;
    let one = |name: &'static str| params.all(name).next().unwrap_or_default().to_owned();
    let (note, other) = (one("note"), one("other"));
    let undo = |path: String, fields: Value| json!({ "path": path, "fields": fields });
    let on_note = |wish: &str| {
        undo(format!("/incidents/{id}/notes/{}", encode(&note)), json!([["do", wish]]))
    };
    let on_action = |wish: &str| {
        undo(format!("/incidents/{id}/actions/{}", encode(&other)), json!([["do", wish]]))
    };
    let step = |step: &str| undo(format!("/incidents/{id}/step"), json!([["step", step]]));
    let (text, undo) = match one("done").as_str() {
        "acknowledge" => ("Acknowledged.", Value::Null),
        "mitigate" => ("Mitigated: the impact has stopped.", Value::Null),
        "resolve" => ("Resolved.", step("reopen")),
        "reopen" => ("Reopened.", step("resolve")),
        "keep" => ("Kept: retention leaves it alone, however old it gets.", step("unkeep")),
        "unkeep" => ("No longer kept; it goes with what is as old.", step("keep")),
        "note" => ("The note is in the timeline.", on_note("hide")),
        "save" => ("The note is corrected; what it said before is kept.", Value::Null),
        "pin" => ("Pinned: the note stands out, and in every draft.", on_note("unpin")),
        "unpin" => ("No longer pinned.", on_note("pin")),
        "hide" => ("Hidden from the timeline and the draft.", on_note("show")),
        "show" => ("Shown again.", on_note("hide")),
        "withdraw" => ("Withdrawn.", Value::Null),
        "report" => ("Saved.", Value::Null),
        "action" => ("The action is noted.", Value::Null),
        "tick" => ("Done.", on_action("undone")),
        "untick" => ("Not done yet.", on_action("done")),
        "merge" => ("Merged; this incident goes on for both.", Value::Null),
        "place" => ("The alerts are in this incident now.", Value::Null),
        "split" => (
            "Split off into this incident.",
            undo(format!("/incidents/{id}/merge"), json!([["into", other], ["sure", "yes"]])),
        ),
        "move" => {
            let alerts = one("alerts");
            let ids = alerts.split(',').filter(|id| !id.is_empty());
            let fields: Vec<[&str; 2]> = ids
                .map(|id| ["alerts", id])
                .chain([["do", "move"], ["into", other.as_str()]])
                .collect();
            let path = format!("/incidents/{id}/alerts");
            let undo = if alerts.is_empty() { Value::Null } else { undo(path, json!(fields)) };
            ("The alerts are in this incident now.", undo)
        }
        "later" => ("Taken; the page shows it as soon as it is worked in.", Value::Null),
        _ => return Value::Null,
    };
    // In a long timeline it may stand in another window.
    let is_there = matches!(one("done").as_str(), "note" | "save" | "pin" | "unpin" | "show");
    let unfiltered = [("kind", None), ("service", None), ("q", None), ("at", Some(note.as_str()))];
    let see = is_there.then(|| view.anew(&unfiltered));
    json!({ "text": text, "undo": undo, "see": see, "note": note })
}

fn header(incident: &Incident, zone: &Zone, now: Timestamp) -> Value {
    let merged_into = match incident.state {
        IncidentState::Merged { into } => Some(into),
        IncidentState::Open
        | IncidentState::Acknowledged
        | IncidentState::Mitigated
        | IncidentState::Resolved => None,
    };
    let began = value_of(incident, Milestone::Onset).at;
    let ended = value_of(incident, Milestone::Resolution).at;
    let until = ended.or_else(|| incident.state.is_running().then_some(now));
    let related: Vec<Value> = incident
        .related
        .iter()
        .map(|other| json!({ "id": other.incident, "reason": other.reason }))
        .collect();
    json!({
        "id": incident.id,
        "title": incident.display_title(),
        "state": incident.state.as_str(),
        "is_running": incident.state.is_running(),
        "pinned": incident.pinned,
        "severity": incident.severity().as_str(),
        "status": incident.report.status.as_str(),
        "services": incident.tally.services,
        "revision": incident.revision,
        "firing": incident.tally.firing,
        "total": incident.tally.total,
        "merged_into": merged_into,
        "follows": incident.follows,
        "lead": incident.report.lead,
        "acknowledged_by": acknowledged_by(incident),
        "began": moment_if_any(began, zone),
        "ended": moment_if_any(ended, zone),
        "length": began.zip(until).map(|(began, until)| length(until - began)),
        "related": related,
    })
}

/// Who has it: the one who acknowledged it last.
pub(super) fn acknowledged_by(incident: &Incident) -> Option<&str> {
    incident
        .last_event(|kind| matches!(kind, LifecycleKind::Acknowledged))
        .and_then(|event| event.actor.as_deref())
}

/// What can be done next, with the words on the buttons.
fn steps(state: IncidentState) -> Vec<[&'static str; 3]> {
    const ACKNOWLEDGE: [&str; 3] = ["acknowledge", "Acknowledge", "a"];
    const MITIGATE: [&str; 3] = ["mitigate", "Impact has stopped", "m"];
    const RESOLVE: [&str; 3] = ["resolve", "Resolve", "r"];
    const REOPEN: [&str; 3] = ["reopen", "Reopen", "o"];
    match state {
        IncidentState::Open => vec![ACKNOWLEDGE, MITIGATE, RESOLVE],
        IncidentState::Acknowledged => vec![MITIGATE, RESOLVE],
        IncidentState::Mitigated => vec![RESOLVE],
        IncidentState::Resolved => vec![REOPEN],
        IncidentState::Merged { .. } => Vec::new(),
    }
}

/// What people can write, as the forms hold it.
fn fields(incident: &Incident, zone: &Zone) -> Value {
    const NAMES: [&str; 10] = [
        "title",
        "impact",
        "impact_users",
        "impact_users_percent",
        "root_cause",
        "resolution",
        "lead",
        "severity",
        "timezone",
        "status",
    ];
    let row = |name: &str| (name.to_owned(), Value::String(held(incident, name, zone)));
    Value::Object(NAMES.map(row).into_iter().collect())
}

/// Since when the draft is final, and what came later: it is in no draft until the next review.
fn finalised(facts: &Facts, zone: &Zone) -> Option<Value> {
    let reviewed = facts.incident.finalised.as_ref()?;
    let known = facts.revisions.partition_point(|known| known.revision <= reviewed.revision);
    let later = drafts::told(facts, &facts.revisions[known..]);
    let later = later.iter().map(|revision| {
        json!({
            "revision": revision.revision,
            "at": moment(revision.at, zone),
            "changes": revision.changes,
        })
    });
    Some(json!({
        "revision": reviewed.revision,
        "by": reviewed.by,
        "later": later.collect::<Vec<_>>(),
    }))
}

fn milestone_rows(incident: &Incident, zone: &Zone) -> Vec<Value> {
    milestones(incident)
        .into_iter()
        .map(|value| {
            let field = value.milestone.field();
            json!({
                "name": value.milestone.as_str(),
                "field": field,
                "held": held(incident, field, zone),
                "is_entered": incident.report.milestones.contains_key(&value.milestone),
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

fn similar(similar: &Similar, zone: &Zone) -> Value {
    json!({
        "id": similar.incident,
        "title": similar.title,
        "began": moment_if_any(similar.started_at, zone),
        "why": similar.why,
        "root_cause": similar.root_cause,
        "resolution": similar.resolution,
    })
}

fn action(action: &Action) -> Value {
    let link = action.draft.link.as_deref().filter(|url| escape::url(url).is_some());
    json!({
        "id": action.id,
        "text": action.draft.text,
        "kind": match action.draft.kind {
            ActionKind::Improvement => "improvement",
            ActionKind::Task => "task",
        },
        "horizon": action.draft.horizon.map(Horizon::as_str),
        "done": action.draft.done,
        "owner": action.draft.owner,
        "due": action.draft.due,
        "link": link,
    })
}

#[cfg(test)]
mod tests {
    use super::super::templates::{Templates, tests as hostile};
    use super::*;
    use crate::timeline::examples;

    #[test]
    fn a_running_incident_can_always_be_resolved_and_a_resolved_one_reopened() {
        let words = |state| steps(state).into_iter().map(|[word, ..]| word).collect::<Vec<_>>();
        for state in [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Mitigated] {
            assert!(words(state).contains(&"resolve"), "{state:?}");
        }
        assert_eq!(words(IncidentState::Resolved), ["reopen"]);
    }

    fn page_of(facts: &Facts, query: &[(&str, &str)]) -> String {
        let pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let params = Params::new(pairs.collect());
        let making = Making {
            view: View::read(params.clone()).unwrap(),
            config: Arc::new(Config::default_config()),
            zone: Zone::parse("Africa/Lagos").unwrap(),
            now: facts.incident.as_of,
            done: done(&params, facts, &View::read(params.clone()).unwrap()),
        };
        let (values, markup) = making.values(facts, facts).unwrap();
        Templates::default().render("incident.html", hostile::frame(values), markup).unwrap()
    }

    #[test]
    fn every_example_makes_a_page() {
        for (name, facts) in examples::all() {
            let html = page_of(&facts, &[]);
            assert!(html.trim_end().ends_with("</html>"), "{name}");
            for forbidden in ["style=", "<style", "\u{202e}", "\u{200b}"] {
                assert!(!html.contains(forbidden), "{name} holds {forbidden:?}");
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut facts = examples::hostile();
        let hostile = || Some(hostile::HOSTILE.to_owned());
        facts.incident.report.impact = hostile();
        facts.incident.report.root_cause = hostile();
        facts.incident.report.lead = hostile();
        facts.incident.report.title = hostile();
        let view =
            [("q", ""), ("service", ""), ("done", "move"), ("other", "<b "), ("alerts", "<b ")];
        hostile::check_harmless(&page_of(&facts, &view), "incident.html");
    }

    #[test]
    fn a_view_shows_what_it_asks_for() {
        let facts = examples::bookstore();
        let entries = |html: &str| html.matches("class=\"entry kind-").count();
        let all = page_of(&facts, &[]);
        let notes = page_of(&facts, &[("kind", "note")]);
        assert_eq!(entries(&notes), notes.matches("entry kind-note").count());
        assert!(entries(&notes) < entries(&all));
        let few = page_of(&facts, &[("rows", "3")]);
        assert_eq!(entries(&few), 3);
        assert!(few.contains("id=\"pager\""), "{few}");
        let later = page_of(&facts, &[("rows", "3"), ("start", "4")]);
        assert!(later.contains("<b>4–6</b>"), "{later}");
        let ids = |html: &str| -> Vec<String> {
            let parts = html.split("id=\"t-").skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        assert!(ids(&later).iter().all(|id| !ids(&few).contains(id)), "another window");
        let last = ids(&all).pop().unwrap();
        let around = page_of(&facts, &[("rows", "3"), ("at", last.as_str())]);
        assert!(ids(&around).contains(&last), "the window that holds the entry");
        let first = |html: &str| {
            html.split("id=\"t-").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_ne!(first(&all), first(&page_of(&facts, &[("order", "newest")])));
    }
}
