//! What people write into the draft, field by field: impact, cause, resolution, times, actions.
//!
//! Two people may write at once. A form says what its field held when it was made; when the field
//! holds something else by now, nothing is written, and both versions are shown. An incident whose
//! alerts change every second does not get in the way: only the field itself counts, and the write
//! is made for the revision at which it was compared. Caller: the table of routes.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::fields;
use super::super::api::incident_id;
use super::super::api::invalid::quoted;
use super::super::api::operations::Asked;
use super::acts::{incident, latest, moment};
use super::forms::Sent;
use crate::domain::incident::{Action, Incident};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::record::OperationAction;
use crate::domain::zone::Zone;
use crate::domain::{ActionId, IncidentId, Timestamp};
use crate::render::escape;

/// How often a write is tried anew because something else of the incident changed in between.
const ATTEMPTS: usize = 20;

/// A field of the report, and how it is called on the page.
const FIELDS: [(&str, &str); 10] = [
    ("title", "Title"),
    ("impact", "Impact"),
    ("impact_users", "Users hit"),
    ("impact_users_percent", "Share of users hit, in percent"),
    ("root_cause", "Root cause"),
    ("resolution", "Resolution"),
    ("lead", "Lead"),
    ("severity", "Severity"),
    ("timezone", "Time zone"),
    ("status", "State of the draft"),
];

/// How a field is called on the page.
pub(super) fn label(field: &str) -> Option<&'static str> {
    let milestone = || Milestone::ALL.into_iter().find(|known| known.field() == field);
    FIELDS
        .iter()
        .find_map(|(name, label)| (*name == field).then_some(*label))
        .or_else(|| milestone().map(Milestone::as_str))
}

/// What a field of the report holds, as its form shows it.
pub(super) fn held(incident: &Incident, field: &str, zone: &Zone) -> String {
    let report = &incident.report;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    match field {
        "title" => incident.display_title().to_owned(),
        "impact" => text(&report.impact),
        "impact_users" => report.impact_users.map(|users| users.to_string()).unwrap_or_default(),
        "impact_users_percent" => {
            report.impact_users_percent.map(|share| share.to_string()).unwrap_or_default()
        }
        "root_cause" => text(&report.root_cause),
        "resolution" => text(&report.resolution),
        "lead" => text(&report.lead),
        "severity" => report.severity.map_or("", |severity| severity.as_str()).to_owned(),
        "timezone" => text(&report.timezone),
        "status" => report.status.as_str().to_owned(),
        _ => Milestone::ALL
            .into_iter()
            .find(|milestone| milestone.field() == field)
            .and_then(|milestone| value_of(incident, milestone).at)
            .map(|at| local(at, zone))
            .unwrap_or_default(),
    }
}

/// A moment as [`Zone::read`] reads it.
pub(super) fn local(at: Timestamp, zone: &Zone) -> String {
    let clock = zone.wall_clock(at);
    format!("{} {}:{:02}", clock.date(), clock.minutes(), clock.second)
}

/// True when two texts are the same to who edits them.
pub(super) fn same(one: &str, other: &str) -> bool {
    escape::editable(one).trim() == escape::editable(other).trim()
}

/// What a page shows when somebody else was faster.
pub(super) fn conflict(label: &str, name: &str, theirs: &str, yours: Option<&str>) -> Value {
    json!({
        "title": "Somebody else changed this while you wrote",
        "detail": "Nothing was overwritten. Put together what shall stand there.",
        "sure": "Save my version",
        "conflict": {
            "label": label, "name": name, "theirs": theirs, "yours": yours.unwrap_or_default(),
        },
    })
}

/// POST `/incidents/{id}/report`: one field.
pub(super) async fn write(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = written(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn written(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let field = sent.form.one("field").unwrap_or_default().to_owned();
    let label = label(&field)
        .ok_or_else(|| Problem::Invalid(format!("there is no field {}", quoted(&field))))?;
    let value = sent.form.raw("value").unwrap_or_default().to_owned();
    let patch = json_patch(sent, &field, &value, latest(sent, id).await?)?;
    let zone = sent.form.one("zone").and_then(|name| Zone::parse(name).ok()).unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let incident = incident(sent, id).await?;
        let now = held(&incident, &field, &zone);
        let is_other = sent.form.raw("was").is_some_and(|was| !same(was, &now));
        if is_other && !same(&value, &now) {
            let values = conflict(label, "value", &now, Some(&value));
            let path = format!("/incidents/{id}/report");
            let asked = ["value", "was"];
            return sent.ask(StatusCode::PRECONDITION_FAILED, &path, &asked, values);
        }
        let (patch, _) = fields::patch(patch.clone())?;
        let action = OperationAction::Patch(id, Box::new(patch));
        let actor = sent.form.one("by").map(str::to_owned);
        match sent.perform(Asked { action, actor, at: None }, Some(incident.revision)).await {
            Ok(_) => return sent.done(id, "report", &[("field", field)]),
            Err(Problem::Stale { .. }) => {}
            Err(problem) => return Err(problem),
        }
    }
    Err(Problem::unavailable("the incident changes too fast just now; send it again"))
}

/// One field as the API takes it; an empty one is taken back.
fn json_patch(sent: &Sent, field: &str, value: &str, latest: Timestamp) -> Result<Value, Problem> {
    let text = value.trim();
    let is_milestone = Milestone::ALL.iter().any(|milestone| milestone.field() == field);
    let value = if text.is_empty() {
        Value::Null
    } else if is_milestone {
        moment(sent, "value", latest)?.map_or(Value::Null, |at| at.to_string().into())
    } else if field.starts_with("impact_users") {
        text.parse::<serde_json::Number>().map_or_else(|_| text.into(), Value::Number)
    } else {
        escape::editable(text).into()
    };
    Ok(Value::Object(Map::from_iter([(field.to_owned(), value)])))
}

/// The fields of an action in forms.
const ACTION_FIELDS: [&str; 6] = ["text", "kind", "horizon", "owner", "due", "link"];

/// POST `/incidents/{id}/actions`.
pub(super) async fn add_action(Path(id): Path<String>, mut sent: Sent) -> Answer {
    let result = added(&id, &mut sent).await;
    sent.answered(&id, result)
}

async fn added(id: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let (draft, actor) = fields::action(sent.form.object(&ACTION_FIELDS))?;
    let action = OperationAction::AddAction(id, draft);
    sent.perform(Asked { action, actor, at: None }, None).await?;
    sent.done(id, "action", &[])
}

/// POST `/incidents/{id}/actions/{action}`: changed, or ticked off.
pub(super) async fn change_action(
    Path((id, action)): Path<(String, String)>,
    mut sent: Sent,
) -> Answer {
    let result = changed(&id, &action, &mut sent).await;
    sent.answered(&id, result)
}

async fn changed(id: &str, action: &str, sent: &mut Sent) -> Answer {
    let id = incident_id(id)?;
    let missing = || Problem::NotFound(format!("there is no action {}", quoted(action)));
    let action: ActionId = action.parse().map_err(|_| missing())?;
    let (body, done) = match sent.form.one("do") {
        Some("done") => (json!({ "done": true }), "tick"),
        Some("undone") => (json!({ "done": false }), "untick"),
        Some(_) | None => {
            if let Some(theirs) = action_of_other(sent, id, action).await? {
                let values = conflict("Action", "text", &theirs, sent.form.raw("text"));
                let path = format!("/incidents/{id}/actions/{action}");
                let asked = ["text", "was"];
                return sent.ask(StatusCode::PRECONDITION_FAILED, &path, &asked, values);
            }
            (whole_action(sent), "action")
        }
    };
    let (patch, actor) = fields::action_patch(body)?;
    let asked = Asked { action: OperationAction::PatchAction(id, action, patch), actor, at: None };
    sent.perform(asked, None).await?;
    sent.done(id, done, &[("other", action.to_string())])
}

/// Every field of an action: one that was emptied is taken back.
fn whole_action(sent: &Sent) -> Value {
    let mut body = sent.form.object(&ACTION_FIELDS);
    for name in ["horizon", "owner", "due", "link"] {
        if sent.form.raw(name).is_some_and(|value| value.trim().is_empty()) {
            body[name] = Value::Null;
        }
    }
    body
}

/// What an action says, when somebody else has changed it since the form was made.
async fn action_of_other(
    sent: &Sent,
    id: IncidentId,
    action: ActionId,
) -> Result<Option<String>, Problem> {
    let incident = incident(sent, id).await?;
    let known = incident.actions.iter().find(|known| known.id == action);
    let is_other =
        |known: &&Action| sent.form.raw("was").is_some_and(|was| !same(was, &known.draft.text));
    Ok(known.filter(is_other).map(|known| known.draft.text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_report_has_a_name_on_the_page() {
        for field in ["impact", "root_cause", "status", "started_at", "resolved_at"] {
            assert!(label(field).is_some(), "{field}");
        }
        assert_eq!(label("revision"), None);
    }

    #[test]
    fn texts_are_the_same_whatever_a_form_does_to_their_lines() {
        assert!(same("a\r\nb\n", "a\nb"));
        assert!(same("a\u{202e}b", "ab"));
        assert!(!same("a b", "a  b"));
    }
}
