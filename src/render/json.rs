//! The JSON shapes of the contract. Fields may be added; the names that are there are promises.
//!
//! Times are RFC 3339 in UTC with milliseconds. Labels and annotations are data and stay as sent;
//! lines made for people are made plain, as in every other format.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::escape::{plain, url};
use super::tables::is_least;
use super::time::Clocks;
use crate::domain::alert::EndKind;
use crate::domain::draft::{Draft, Since, Suggestion, Summary};
use crate::domain::facts::Revision;
use crate::domain::incident::{Action, ActionKind, Candidate, Caveat, Finalised, Similar};
use crate::domain::milestone::{self, MeasureValue, Milestone, MilestoneValue};
use crate::domain::timeline::{Entry, Provenance};
use crate::domain::{
    Change, Episode, EpisodeStatus, Incident, IncidentState, Link, Timestamp, Zone,
};
use crate::timeline::words;

fn time(at: Timestamp) -> Value {
    Value::String(at.to_string())
}

fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// An incident in the zone that it names, else UTC.
#[must_use]
pub fn incident(incident: &Incident) -> Value {
    incident_in(incident, "UTC")
}

/// An incident in the zone that it names, else the one given.
#[must_use]
pub fn incident_in(incident: &Incident, default_zone: &str) -> Value {
    let report = &incident.report;
    let merged_into = match incident.state {
        IncidentState::Merged { into } => json!(into.0),
        IncidentState::Open
        | IncidentState::Acknowledged
        | IncidentState::Mitigated
        | IncidentState::Resolved => Value::Null,
    };
    let mut shape = json!({
        "id": incident.id.0,
        "title": plain(incident.display_title()),
        "state": incident.state.as_str(),
        "status": report.status.as_str(),
        "severity": incident.severity().as_str(),
        "services": names(&incident.tally.services),
        "timezone": report.timezone.as_deref().unwrap_or(default_zone),
        "alerts": {"total": incident.tally.total, "firing": incident.tally.firing},
        "merged_into": merged_into,
        "follows": incident.follows.map(|id| id.0),
        "related": incident
            .related
            .iter()
            .map(|r| json!({"incident": r.incident.0, "reason": plain(&r.reason)}))
            .collect::<Vec<_>>(),
        "similar": incident.similar.iter().map(similar).collect::<Vec<_>>(),
        "pinned": incident.pinned,
        "revision": incident.revision,
        "as_of": time(incident.as_of),
        "final": incident.finalised.as_ref().map(finalised),
        "impact": report.impact,
        "impact_users": report.impact_users,
        "impact_users_percent": report.impact_users_percent,
        "root_cause": report.root_cause,
        "resolution": report.resolution,
        "lead": report.lead,
        "actions": incident.actions.iter().map(action).collect::<Vec<_>>(),
    });
    if let Value::Object(fields) = &mut shape {
        for milestone in Milestone::ALL {
            let at = milestone::value_of(incident, milestone).at;
            fields.insert(milestone.field().to_owned(), time_or_null(at));
        }
    }
    shape
}

/// One episode of an alert.
#[must_use]
pub fn alert(episode: &Episode) -> Value {
    let mut links = Map::new();
    for link in &episode.links {
        if let Some(address) = url(&link.url) {
            links.entry(link.rel.as_str()).or_insert_with(|| address.as_str().into());
        }
    }
    let status = episode.status();
    // An end that nobody heard of is no end.
    let ends_at = episode.ends_at().filter(|_| status != EpisodeStatus::Unknown);
    let ending = episode.end.as_ref().map(|end| match end.how {
        EndKind::Reported => "reported",
        EndKind::Abandoned(_) => "abandoned",
        EndKind::Superseded => "superseded",
        EndKind::LeaseExpired => "lease_expired",
        EndKind::Unknown => "unknown",
    });
    let ending_reason = episode.end.as_ref().and_then(|end| match &end.how {
        EndKind::Abandoned(reason) => Some(reason.as_ref()),
        EndKind::Reported | EndKind::Superseded | EndKind::LeaseExpired | EndKind::Unknown => None,
    });
    json!({
        "id": episode.id.to_string(),
        "namespace": episode.key.namespace.as_str(),
        "fingerprint": episode.key.fingerprint.as_str(),
        "sources": names(&episode.sources),
        "labels": episode.labels,
        "annotations": episode.annotations,
        "values": episode
            .values
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value)))
            .collect::<Map<_, _>>(),
        "starts_at": time(episode.starts_at()),
        "ends_at": time_or_null(ends_at),
        "last_known_firing_at":
            time_or_null(episode.ends_at().filter(|_| status == EpisodeStatus::Unknown)),
        "status": status.as_str(),
        "ending": ending,
        "ending_reason": ending_reason,
        "received_at": time(episode.received_at),
        "kind": episode.kind.as_str(),
        "severity": episode.severity.as_str(),
        "service": episode.service.as_ref().map(|s| s.as_str()),
        "incident": episode.incident().map(|id| id.0),
        "context_of": episode.context_of.iter().map(|id| id.0).collect::<Vec<_>>(),
        "reason": episode.reason,
        "deliveries": episode.deliveries,
        "links": links,
    })
}

/// A change.
#[must_use]
pub fn change(change: &Change) -> Value {
    let report = &change.report;
    json!({
        "id": change.id.to_string(),
        "key": report.key,
        "source": report.source.as_str(),
        "at": time(report.at),
        "ends_at": time_or_null(report.ends_at),
        "received_at": time(change.received_at),
        "kind": report.kind.as_str(),
        "service": report.service.as_ref().map(|s| s.as_str()),
        "summary": report.summary,
        "author": report.author,
        "link": report.link.as_deref().and_then(url).map(|l| l.as_str().to_owned()),
        "labels": report.labels,
    })
}

/// A timeline entry; a folded one holds its rows.
#[must_use]
pub fn entry(entry: &Entry) -> Value {
    let mut shape = entry_without_rows(entry);
    shape["rows"] = entry.rows.iter().map(self::entry).collect();
    shape
}

fn entry_without_rows(entry: &Entry) -> Value {
    let corrections: Vec<_> = entry
        .corrections
        .iter()
        .map(|c| plain(&c.words(|at| at.to_string())).into_owned())
        .collect();
    json!({
        "id": entry.id.0,
        "occurred_at": time(entry.occurred_at),
        "ended_at": time_or_null(entry.ended_at),
        "received_at": time(entry.received_at),
        "kind": entry.kind.as_str(),
        "phase": entry.phase.as_str(),
        "text": plain(&entry.text),
        "actor": entry.actor.as_deref().map(plain),
        "service": entry.service.as_ref().map(|s| s.as_str()),
        "severity": entry.severity.map(|s| s.as_str()),
        "provenance": entry.provenance.as_str(),
        "count": entry.count,
        "links": entry.links.iter().filter_map(link).collect::<Vec<_>>(),
        "pinned": entry.pinned,
        "alert": entry.episode.map(|id| id.to_string()),
        "corrections": corrections,
        "rows": [],
    })
}

/// The times of an entry in a zone, beside the ones in UTC.
fn add_local_times(shape: &mut Value, entry: &Entry, zone: &Zone) {
    let local = |at: Timestamp| {
        let wall = zone.wall_clock(at);
        json!(format!(
            "{}T{}:{:02}{}",
            wall.date(),
            wall.minutes(),
            wall.second,
            zone.offset_at(at).to_string().trim_start_matches("UTC")
        ))
    };
    let ended = entry.ended_at.map_or(Value::Null, local);
    let occurred = local(entry.occurred_at);
    shape["occurred_at_local"] = occurred;
    shape["ended_at_local"] = ended;
}

/// Entries that are written one after the other: as one value, those of a long outage would take
/// many times the memory of their text.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    /// The entries.
    pub list: &'a [Entry],
    /// The zone in which times stand beside the ones in UTC; those of folded rows do not.
    pub zone: Option<&'a Zone>,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.list.iter().map(|entry| OneEntry { entry, zone: self.zone }))
    }
}

struct OneEntry<'a> {
    entry: &'a Entry,
    zone: Option<&'a Zone>,
}

impl Serialize for OneEntry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut shape = entry_without_rows(self.entry);
        if let Some(zone) = self.zone {
            add_local_times(&mut shape, self.entry, zone);
        }
        with_lists(shape, to, |name| {
            let rows = Entries { list: &self.entry.rows, zone: None };
            (name == "rows").then_some(Listed::Entries(rows))
        })
    }
}

/// A list that is written item by item in the place of a field.
enum Listed<'a> {
    Entries(Entries<'a>),
    Alerts(&'a [Episode]),
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Entries(entries) => entries.serialize(to),
            Self::Alerts(list) => to.collect_seq(list.iter().map(alert)),
        }
    }
}

/// Writes an object, and lists in the place of some of its fields.
fn with_lists<'a, S: Serializer>(
    shape: Value,
    to: S,
    list: impl Fn(&str) -> Option<Listed<'a>>,
) -> Result<S::Ok, S::Error> {
    let Value::Object(fields) = shape else { return shape.serialize(to) };
    let mut map = to.serialize_map(Some(fields.len()))?;
    for (name, value) in &fields {
        match list(name) {
            Some(list) => map.serialize_entry(name, &list)?,
            None => map.serialize_entry(name, value)?,
        }
    }
    map.end()
}

/// A measure to take.
#[must_use]
pub fn action(action: &Action) -> Value {
    let draft = &action.draft;
    json!({
        "id": action.id.to_string(),
        "text": draft.text,
        "kind": match draft.kind {
            ActionKind::Improvement => "improvement",
            ActionKind::Task => "task",
        },
        "horizon": draft.horizon.map(|h| h.as_str()),
        "owner": draft.owner,
        "due": draft.due,
        "link": draft.link.as_deref().and_then(url).map(|l| l.as_str().to_owned()),
        "done": draft.done,
        "recorded_at": time(action.recorded_at),
    })
}

/// A draft.
#[must_use]
pub fn draft(draft: &Draft) -> Value {
    let mut shape = draft_without_lists(draft);
    shape["timeline"] = entries(&draft.timeline).into();
    shape["alerts"] = draft.alerts.iter().map(alert).collect();
    shape["context"] = draft.context.iter().map(alert).collect();
    shape
}

/// A draft as text, its long lists written item by item.
pub(super) fn draft_text(draft: &Draft) -> String {
    // Writing into memory fails for no value of ours; one that could not be written would be shown
    // whole, the slow way.
    serde_json::to_string_pretty(&Whole(draft))
        .unwrap_or_else(|_| format!("{:#}", self::draft(draft)))
        + "\n"
}

struct Whole<'a>(&'a Draft);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let draft = self.0;
        with_lists(draft_without_lists(draft), to, |name| match name {
            "timeline" => Some(Listed::Entries(Entries { list: &draft.timeline, zone: None })),
            "alerts" => Some(Listed::Alerts(&draft.alerts)),
            "context" => Some(Listed::Alerts(&draft.context)),
            _ => None,
        })
    }
}

fn draft_without_lists(draft: &Draft) -> Value {
    json!({
        "incident": draft.incident.0,
        "revision": draft.revision,
        "as_of": time(draft.as_of),
        "template": draft.template.as_str(),
        "timezone": draft.zone.name(),
        "timezone_label": Clocks::for_draft(draft).zone_label(draft.as_of),
        "title": plain(&draft.title),
        "status": draft.status.as_str(),
        "state": draft.state.as_str(),
        "severity": draft.severity.as_str(),
        "services": names(&draft.services),
        "lead": draft.lead.as_deref().map(plain),
        "summary": summary(&draft.summary),
        "milestones": draft
            .milestones
            .iter()
            .map(|m| (m.milestone.as_str().to_owned(), milestone(m)))
            .collect::<Map<_, _>>(),
        "measures": draft
            .measures
            .iter()
            .map(|m| (m.measure.as_str().to_owned(), measure(m, is_least(draft, m.measure))))
            .collect::<Map<_, _>>(),
        "timeline": [],
        "detection": {
            "alert": draft.detection.episode.map(|id| id.to_string()),
            "first_sign": draft.detection.first_sign.map(|id| id.to_string()),
            "onset_is_detection": draft.detection.onset_is_detection,
        },
        "wrong_leads": entries(&draft.wrong_leads),
        "escalations": entries(&draft.escalations),
        "actions": draft.actions.iter().map(action).collect::<Vec<_>>(),
        "suggestions": draft.suggestions.iter().map(suggestion).collect::<Vec<_>>(),
        "alerts": [],
        "context": [],
        "changes": draft.changes.iter().map(change).collect::<Vec<_>>(),
        "caveats": draft.caveats.iter().map(caveat).collect::<Vec<_>>(),
        "todo": draft
            .todo
            .iter()
            .map(|q| json!({"section": q.section.as_str(), "question": q.question}))
            .collect::<Vec<_>>(),
        "candidate_causes": draft.candidate_causes.iter().map(candidate).collect::<Vec<_>>(),
        "similar": draft.similar.iter().map(similar).collect::<Vec<_>>(),
        "follows": draft.follows.map(|id| id.0),
        "final": draft.finalised.as_ref().map(finalised),
        "reprinted": draft.is_reprint,
        "since": draft.since.as_ref().map(since),
    })
}

/// A final draft as JSON with what came later in its field `since`, which was empty; the rest stays
/// as it is.
pub(super) fn with_since(text: String, draft: &Draft) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&text) else { return text };
    fields.insert("since".to_owned(), draft.since.as_ref().map_or(Value::Null, since));
    format!("{:#}\n", Value::Object(fields))
}

fn since(since: &Since) -> Value {
    json!({
        "revision": since.revision,
        "revisions": since.revisions.iter().map(revision).collect::<Vec<_>>(),
    })
}

fn finalised(finalised: &Finalised) -> Value {
    json!({
        "revision": finalised.revision,
        "at": time(finalised.at),
        "by": finalised.by,
    })
}

fn similar(similar: &Similar) -> Value {
    json!({
        "incident": similar.incident.0,
        "title": plain(&similar.title),
        "started_at": time_or_null(similar.started_at),
        "ended_at": time_or_null(similar.ended_at),
        "score": similar.score,
        "why": similar.why.iter().map(|why| plain(why)).collect::<Vec<_>>(),
        "resolution": similar.resolution.as_deref().map(plain),
        "root_cause": similar.root_cause.as_deref().map(plain),
        "mitigation": similar.mitigation.as_deref().map(plain),
    })
}

fn summary(summary: &Summary) -> Value {
    let seen = Some(summary.evidence.as_str()).filter(|evidence| !evidence.is_empty());
    let (impact, provenance) = match (summary.impact.as_deref(), seen) {
        (Some(said), _) => (Some(said), Some(Provenance::Entered)),
        (None, Some(seen)) => (Some(seen), Some(Provenance::Inferred)),
        (None, None) => (None, None),
    };
    json!({
        "started_at": time_or_null(summary.started_at),
        "ended_at": time_or_null(summary.ended_at),
        "duration_seconds": summary.duration.map(|d| d.seconds()),
        "impact": impact.map(plain),
        "impact_provenance": provenance.map(|p| p.as_str()),
        "impact_users": summary.impact_users,
        "impact_users_percent": summary.impact_users_percent,
        "evidence": plain(&summary.evidence),
        "root_cause": summary.root_cause,
        "resolution": summary.resolution,
    })
}

fn suggestion(suggestion: &Suggestion) -> Value {
    json!({
        "kind": suggestion.kind.as_str(),
        "text": plain(&suggestion.text),
        "entries": suggestion.entries.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(),
    })
}

fn revision(revision: &Revision) -> Value {
    json!({
        "revision": revision.revision,
        "at": time(revision.at),
        "changes": revision.changes.iter().map(|words| plain(words)).collect::<Vec<_>>(),
    })
}

fn entries(list: &[Entry]) -> Vec<Value> {
    list.iter().map(entry).collect()
}

fn milestone(value: &MilestoneValue) -> Value {
    json!({
        "state": value.state.as_str(),
        "at": time_or_null(value.at),
        "provenance": value.provenance.map(|p| p.as_str()),
        "entry": value.entry.as_ref().map(|id| id.0.as_str()),
        "derived_at": time_or_null(value.derived),
    })
}

fn measure(value: &MeasureValue, is_least: bool) -> Value {
    json!({
        "state": value.state.as_str(),
        "at_least": is_least,
        "seconds": value.length.map(|l| l.seconds()),
        "text": value.length.map(words::duration),
        "formula": value.measure.formula(),
        "from": value.from.as_ref().map(|id| id.0.as_str()),
        "to": value.to.as_ref().map(|id| id.0.as_str()),
    })
}

fn caveat(caveat: &Caveat) -> Value {
    json!({
        "kind": caveat.kind.as_str(),
        "at": time(caveat.at),
        "until": time_or_null(caveat.until),
        "recorded_at": time(caveat.recorded_at),
        "text": plain(&caveat.text),
    })
}

fn candidate(candidate: &Candidate) -> Value {
    let why: Vec<_> = candidate.why.iter().map(|w| plain(w)).collect();
    json!({
        "kind": candidate.kind,
        "ref": candidate.reference,
        "summary": plain(&candidate.summary),
        "score": candidate.score,
        "why": why,
    })
}

fn link(link: &Link) -> Option<Value> {
    Some(json!({"rel": link.rel.as_str(), "url": url(&link.url)?.as_str()}))
}

fn names(list: &[crate::domain::Name]) -> Vec<&str> {
    list.iter().map(|name| name.as_str()).collect()
}
