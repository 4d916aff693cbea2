//! What people do from the page of an incident: notes, steps of its life, alerts moved, incidents
//! joined.
//!
//! Whatever has an opposite operation is done at once and can be undone on the page; what has none
//! is asked about first. Caller: the table of routes.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::fields;
use super::super::api::invalid::{Invalid, quoted};
use super::super::api::operations::{Asked, Settled};
use super::super::api::{incident_id, no_incident};
use super::counted;
use super::forms::{Sent, see};
use super::report::{conflict, same};
use crate::domain::incident::Patch;
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::record::OperationAction;
use crate::domain::zone::Zone;
use crate::domain::{EpisodeId, Incident, IncidentId, NoteId, Span, Timestamp};

/// How many alerts an address can carry back, so that moving them can be undone.
const UNDONE_MAX: usize = 50;
/// How long after its end something of an incident is still written down by the time of the day.
const AFTERMATH: Span = Span::from_hours(12);

/// POST `/incidents/{id}/notes`.
pub(super) async fn add_note(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = note(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn note(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let new = fields::note(sent.form.object(&["text", "kind", "author"]))?;
    let at = moment(sent, "at", latest(sent, id).await?)?;
    let action = OperationAction::AddNote(id, new.draft);
    let settled = sent.perform(Asked { action, actor: new.author, at }, None).await?;
    match settled {
        Settled::Done { incident, made } => {
            let made = made.unwrap_or_default();
            sent.done(incident.unwrap_or(id), "note", &[("note", made)])
        }
        Settled::Later => sent.done(id, "later", &[]),
    }
}

/// POST `/incidents/{id}/notes/{note}`: corrected, pinned, hidden, or withdrawn.
pub(super) async fn change_note(
    Path((id, note)): Path<(String, String)>,
    mut sent: Sent,
) -> Answer {
    let result = changed_note(&id, &note, &mut sent).await;
    sent.answered(&id, result)
}

async fn changed_note(id: &str, note: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let missing = || Problem::NotFound(format!("there is no note {}", quoted(note)));
    let note: NoteId = note.parse().map_err(|_| missing())?;
    let wish = sent.form.one("do").unwrap_or("save").to_owned();
    let path = format!("/incidents/{id}/notes/{note}");
    let body = match wish.as_str() {
        "pin" => json!({ "pinned": true }),
        "unpin" => json!({ "pinned": false }),
        "hide" => json!({ "hidden": true }),
        "show" => json!({ "hidden": false }),
        "withdraw" if sent.form.one("sure").is_none() => {
            let values = json!({
                "title": "Withdraw this note?",
                "detail": "It leaves the timeline and the draft for good; the record of it stays. \
                           A note that is only hidden can be shown again.",
                "sure": "Withdraw it",
            });
            return sent.ask(StatusCode::OK, &path, &[], values);
        }
        "withdraw" => Value::Null,
        "save" => {
            if let Some(theirs) = text_of_other(sent, id, note).await? {
                let values = conflict("Text of the note", "text", &theirs, sent.form.raw("text"));
                let asked = ["text", "was"];
                return sent.ask(StatusCode::PRECONDITION_FAILED, &path, &asked, values);
            }
            let mut body = sent.form.object(&["text", "kind"]);
            if let Some(at) = moment(sent, "at", latest(sent, id).await?)? {
                body["at"] = at.to_string().into();
            }
            body
        }
        _ => return Err(Problem::Invalid("the form asks for nothing that we know".to_owned())),
    };
    let action = if wish == "withdraw" {
        OperationAction::WithdrawNote(id, note)
    } else {
        OperationAction::CorrectNote(id, note, fields::note_patch(body)?.0)
    };
    let actor = sent.form.one("by").map(str::to_owned);
    sent.perform(Asked { action, actor, at: None }, None).await?;
    sent.done(id, &wish, &[("note", note.to_string())])
}

/// The text of a note, when somebody else has changed it since the form was made.
async fn text_of_other(
    sent: &Sent,
    id: IncidentId,
    note: NoteId,
) -> Result<Option<String>, Problem> {
    let incident = incident(sent, id).await?;
    let known = incident.notes.iter().find(|known| known.id == note);
    let now = known.map(|known| known.text.clone());
    Ok(now.filter(|now| sent.form.raw("was").is_some_and(|was| !same(was, now))))
}

/// POST `/incidents/{id}/step`.
pub(super) async fn take_step(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = step(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn step(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let word = sent.form.one("step").unwrap_or_default().to_owned();
    let action = match word.as_str() {
        "acknowledge" => OperationAction::Acknowledge(id),
        "mitigate" if sent.form.one("sure").is_none() => {
            let values = json!({
                "title": format!("Has the impact of #{id} stopped?"),
                "detail": "Mitigated means that users are no longer hurt. There is no way back to \
                           the state before, but the time can be corrected later.",
                "sure": "Yes, it has stopped",
            });
            return sent.ask(StatusCode::OK, &format!("/incidents/{id}/step"), &[], values);
        }
        "mitigate" => OperationAction::Mitigate(id),
        "resolve" => OperationAction::Resolve(id),
        "reopen" => OperationAction::Reopen(id),
        "keep" | "unkeep" => {
            let patch = Patch { pinned: Some(word == "keep"), ..Patch::default() };
            OperationAction::Patch(id, Box::new(patch))
        }
        _ => return Err(Problem::Invalid("this step is none of ours".to_owned())),
    };
    let actor = sent.form.one("by").map(str::to_owned);
    let at = moment(sent, "at", sent.visit.shared.clock.now())?;
    let settled = sent.perform(Asked { action, actor, at }, None).await?;
    let survivor = match settled {
        Settled::Done { incident, .. } => incident.unwrap_or(id),
        Settled::Later => return sent.done(id, "later", &[]),
    };
    sent.done(survivor, &word, &[])
}

/// POST `/incidents/{id}/merge`.
pub(super) async fn merge(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = merged(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn merged(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let into = named_incident(sent)?;
    let other = incident(sent, into).await?;
    if sent.form.one("sure").is_none() {
        let (older, younger) = (id.min(into), id.max(into));
        let values = json!({
            "title": format!("Make #{younger} a part of #{older}?"),
            "detail": format!(
                "#{into} is {:?}. Alerts, notes and actions of both go on in #{older}, and nothing \
                 is lost. This cannot be undone as a whole; alerts can be split off again.",
                other.display_title()
            ),
            "sure": "Merge them",
        });
        return sent.ask(StatusCode::OK, &format!("/incidents/{id}/merge"), &[], values);
    }
    let action = OperationAction::Merge { incident: id, into };
    let settled = sent.perform(Asked { action, actor: None, at: None }, None).await?;
    match settled {
        Settled::Done { incident, .. } => sent.done(incident.unwrap_or(into), "merge", &[]),
        Settled::Later => sent.done(into, "later", &[]),
    }
}

/// POST `/incidents/{id}/alerts`: some alerts of this incident belong elsewhere.
pub(super) async fn take_alerts(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = taken(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn taken(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let alerts = alerts(sent)?;
    let is_split = sent.form.one("do") == Some("split");
    let (action, from) = if is_split {
        (OperationAction::Split(id, alerts.clone()), id)
    } else {
        (OperationAction::Move(named_incident(sent)?, alerts.clone()), id)
    };
    let settled = sent.perform(Asked { action, actor: None, at: None }, None).await?;
    let Settled::Done { incident, .. } = settled else { return sent.done(id, "later", &[]) };
    let now = incident.unwrap_or(id);
    let mut more = vec![("other", from.to_string())];
    if is_split {
        return sent.done(now, "split", &more);
    }
    if alerts.len() <= UNDONE_MAX {
        let ids: Vec<String> = alerts.iter().map(ToString::to_string).collect();
        more.push(("alerts", ids.join(",")));
    }
    sent.done(now, "move", &more)
}

/// POST `/alerts`: alerts that belong to no incident are put into one.
pub(super) async fn place_alerts(mut sent: Sent) -> Answer {
    let result = placed(&mut sent).await;
    result.or_else(|problem| sent.visit.problem(problem, "/alerts"))
}

async fn placed(sent: &mut Sent) -> Answer {
    let into = named_incident(sent)?;
    let alerts = alerts(sent)?;
    let home = incident(sent, into).await?;
    if sent.form.one("sure").is_none() {
        let values = json!({
            "title": format!("Put {} into #{into}?", counted(alerts.len(), "alert")),
            "detail": format!(
                "#{into} is {:?}. An alert that was put into an incident stays in one: it can be \
                 moved on, but it never floats again.",
                home.display_title()
            ),
            "sure": "Put it there",
        });
        return sent.ask(StatusCode::OK, "/alerts", &[], values);
    }
    let action = OperationAction::Move(into, alerts);
    sent.perform(Asked { action, actor: None, at: None }, None).await?;
    see(&format!("/incidents/{into}?done=place"))
}

/// An incident as it stands.
pub(super) async fn incident(sent: &Sent, id: IncidentId) -> Result<Incident, Problem> {
    let known = sent.visit.shared.read(move |store| store.incident(id)).await?;
    known.ok_or_else(|| no_incident(id))
}

/// The incident that a form names in `into`.
fn named_incident(sent: &Sent) -> Result<IncidentId, Problem> {
    let text = sent.form.one("into").ok_or(Invalid::Missing("into"))?;
    incident_id(text.trim().trim_start_matches('#'))
}

/// The alerts that a form names.
fn alerts(sent: &Sent) -> Result<Vec<EpisodeId>, Problem> {
    let unknown = |text: &str| Problem::NotFound(format!("there is no alert {}", quoted(text)));
    let ids: Vec<EpisodeId> = sent
        .form
        .all("alerts")
        .map(|text| text.parse().map_err(|_| unknown(text)))
        .collect::<Result<_, Problem>>()?;
    if ids.is_empty() {
        return Err(Problem::Invalid("no alert was chosen; tick at least one".to_owned()));
    }
    Ok(ids)
}

/// Before when a time of the day without a date is looked for. Who writes `02:14` about an incident
/// that is over, days later, means the night in which it ran, or what was done right after it.
pub(super) async fn latest(sent: &Sent, id: IncidentId) -> Result<Timestamp, Problem> {
    let now = sent.visit.shared.clock.now();
    let ended = value_of(&incident(sent, id).await?, Milestone::Resolution).at;
    Ok(ended.map_or(now, |ended| now.min(ended + AFTERMATH)))
}

/// A moment as somebody wrote it into a form, on the clocks that the page showed; a time without a
/// date is the last one before `latest`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn moment(
    sent: &Sent,
    name: &'static str,
    latest: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = sent.form.one(name) else { return Ok(None) };
    let zone = sent.form.one("zone").and_then(|name| Zone::parse(name).ok()).unwrap_or_default();
    if text.trim() == "now" {
        return Ok(Some(sent.visit.shared.clock.now()));
    }
    let read = zone.read(text, latest).or_else(|| Timestamp::parse(text.trim()).ok());
    read.map(Some).ok_or_else(|| {
        Invalid::Wrong {
            place: name.into(),
            expected: "a time such as 02:14, 2026-03-04 02:14 or 2026-03-04T02:14:07Z".into(),
            found: quoted(text),
        }
        .into()
    })
}
