//! The timeline and the chart on the page of an incident.
//!
//! A page shows the first entries of a view and says how many there are; the address asks for more.
//! Caller: `incident`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::view::{KINDS, ROWS, ROWS_MAX, View};
use super::{counted, links, moment, moment_if_any};
use crate::domain::incident::{Incident, Note, NoteKind};
use crate::domain::timeline::{Entry, EntryId, EntryKind};
use crate::domain::zone::Zone;
use crate::domain::{Facts, Span, Timestamp};
use crate::drafts;
use crate::render::figure::{Figure, Stretch, figure};

/// More services than this are not offered as a filter one by one.
const SERVICES_MAX: usize = 200;
/// The shortest stretch that the chart is drawn over, in seconds.
const STRETCH_MIN: i64 = 60;

/// A timeline for the page.
pub(super) struct Timeline {
    /// Values for the template.
    pub(super) values: Value,
    /// The chart; empty when there is nothing to draw.
    pub(super) chart: String,
    /// How many entries there are in all.
    pub(super) total: usize,
}

/// Makes the timeline of an incident in a view.
pub(super) fn timeline(facts: &Facts, view: &View, zone: &Zone) -> Timeline {
    let all = drafts::entries(facts, false);
    let total = all.len();
    let services: BTreeSet<String> = all
        .iter()
        .filter_map(|entry| entry.service.as_ref().map(ToString::to_string))
        .take(SERVICES_MAX)
        .collect();
    let wanted: Vec<Entry> = all.iter().filter(|entry| view.wants(entry)).cloned().collect();
    let wanted_count = wanted.len();
    let mut rows = if view.is_folded { drafts::folded(wanted) } else { wanted };
    if view.is_newest_first {
        rows.reverse();
    }
    let row_count = rows.len();
    rows.truncate(view.rows);
    let shown: BTreeSet<&EntryId> = rows
        .iter()
        .flat_map(|row| std::iter::once(&row.id).chain(row.rows.iter().map(|r| &r.id)))
        .collect();
    let everything = view.with(&[
        ("rows", Some(&ROWS_MAX.to_string())),
        ("kind", None),
        ("service", None),
        ("q", None),
    ]);
    let address = |id: &EntryId| {
        if shown.contains(id) { format!("#t-{id}") } else { format!("?{everything}#t-{id}") }
    };
    let chart = figure(facts, &all, zone, view.stretch, &address);
    let notes: BTreeMap<String, &Note> =
        facts.incident.notes.iter().map(|note| (note.id.to_string(), note)).collect();
    let day_of = |at: Timestamp| zone.wall_clock(at).date();
    let days: BTreeSet<String> = rows.iter().map(|row| day_of(row.occurred_at)).collect();
    let more = (row_count > rows.len()).then(|| {
        let next = (view.rows + 4 * ROWS).min(ROWS_MAX).to_string();
        json!({ "query": view.with(&[("rows", Some(&next))]), "left": row_count - rows.len() })
    });
    let values = json!({
        "rows": rows.iter().map(|row| entry(row, zone, &notes)).collect::<Vec<_>>(),
        "has_days": days.len() > 1,
        "total": counted(total, "entry").replace("entrys", "entries"),
        "found": wanted_count,
        "more": more,
        "is_filtered": view.is_filtered(),
        "is_folded": view.is_folded,
        "is_newest_first": view.is_newest_first,
        "turned": view.with(&[("order", (!view.is_newest_first).then_some("newest"))]),
        "folding": view.with(&[("fold", view.is_folded.then_some("false"))]),
        "unfiltered": view.with(&[("kind", None), ("service", None), ("q", None)]),
        "kinds": KINDS.map(EntryKind::as_str),
        "services": services,
        "asked": { "kind": view.asked("kind"), "service": view.asked("service"), "q": view.asked("q") },
        "kept": kept(view),
        "chart": chart.as_ref().map(|chart| looks(chart, view, zone)),
        "note_kinds": NoteKind::ALL.map(NoteKind::as_str),
        "hidden": hidden(&facts.incident, zone),
    });
    Timeline { values, chart: chart.map(|chart| chart.svg).unwrap_or_default(), total }
}

/// What the filters carry along of the view.
fn kept(view: &View) -> Vec<(&'static str, &str)> {
    ["tz", "template", "order", "fold", "from", "to"]
        .into_iter()
        .map(|name| (name, view.asked(name)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn entry(entry: &Entry, zone: &Zone, notes: &BTreeMap<String, &Note>) -> Value {
    let note = notes.get(&entry.id.0).filter(|_| entry.kind == EntryKind::Note);
    let heard = entry.received_at - entry.occurred_at;
    json!({
        "id": entry.id,
        "at": moment(entry.occurred_at, zone),
        "until": moment_if_any(entry.ended_at.filter(|end| *end != entry.occurred_at), zone),
        "heard": (heard > Span::from_minutes(2)).then(|| super::length(heard)),
        "heard_at": entry.received_at.to_string(),
        "kind": entry.kind.as_str(),
        "phase": entry.phase.as_str(),
        "severity": entry.severity.map(|severity| severity.as_str()),
        "text": entry.text,
        "actor": entry.actor,
        "service": entry.service,
        "provenance": entry.provenance.as_str(),
        "count": entry.count,
        "pinned": entry.pinned,
        "alert": entry.episode.map(|id| id.to_string()),
        "links": links(&entry.links),
        "rows": entry.rows.iter().map(|row| self::entry(row, zone, notes)).collect::<Vec<_>>(),
        "corrections": entry.corrections,
        "note": note.map(|note| json!({
            "text": note.text,
            "kind": note.kind.as_str(),
            "at": super::report::local(note.at, zone),
        })),
    })
}

/// Notes that the timeline leaves out: hidden ones, which can be shown again, and withdrawn ones.
fn hidden(incident: &Incident, zone: &Zone) -> Vec<Value> {
    let is_left_out = |note: &&Note| note.hidden || note.withdrawn.is_some();
    incident
        .notes
        .iter()
        .filter(is_left_out)
        .map(|note| {
            json!({
                "id": note.id,
                "at": moment(note.at, zone),
                "text": note.text,
                "is_withdrawn": note.withdrawn.is_some(),
            })
        })
        .collect()
}

/// Where the chart can be looked at from: closer, from further away, to the left and right.
fn looks(chart: &Figure, view: &View, zone: &Zone) -> Value {
    let (from, to) = chart.shown;
    let span = (to - from).seconds();
    let at = |share: i64| from + Span::from_seconds(span * share / 8);
    let look = |(from, to): Stretch| {
        view.with(&[("from", Some(&from.to_string())), ("to", Some(&to.to_string()))])
    };
    let is_whole = view.stretch.is_none();
    json!({
        "closer": (span > STRETCH_MIN).then(|| look((at(2), at(6)))),
        "further": (!is_whole).then(|| look((at(-4), at(12)))),
        "left": (!is_whole).then(|| look((at(-4), at(4)))),
        "right": (!is_whole).then(|| look((at(4), at(12)))),
        "whole": (!is_whole).then(|| view.with(&[("from", None), ("to", None)])),
        "base": view.with(&[("from", None), ("to", None)]),
        "lanes_left_out": chart.lanes_left_out,
        "zone": zone.label_at(from),
    })
}

/// Where the chart is read as a picture of its own.
pub(super) fn picture(id: crate::domain::IncidentId, zone: &Zone) -> String {
    let zone = super::super::api::query::encode(zone.name());
    format!("{}/timeline.svg?tz={zone}", super::super::api::incident_path(id))
}
