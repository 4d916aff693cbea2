//! The timeline and the chart on the page of an incident.
//!
//! A page shows a window of the lines, however many there are; the address says where it stands, and
//! every entry can be reached: line by line, by a time, by a filter, from the chart. Caller:
//! `incident`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::api::query::encode;
use super::view::{KINDS, Place, View};
use super::{counted, links, moment, moment_if_any};
use crate::domain::incident::{Incident, Note, NoteKind};
use crate::domain::timeline::{Entry, EntryId, EntryKind, Phase};
use crate::domain::zone::Zone;
use crate::domain::{Facts, Span, Timestamp};
use crate::drafts;
use crate::render::figure::{Figure, Stretch, figure};

/// More services than this are not offered as a filter one by one.
const SERVICES_MAX: usize = 200;
/// How many entries of one fold a page shows, and of all its folds; the others are a click away.
const FOLD_ROWS_MAX: usize = 20;
const FOLDED_MAX: usize = 200;
/// How many lines stand before the one that the address asks for.
const LINES_BEFORE: usize = 4;
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
    let mut rows = if view.is_folded { drafts::folded(wanted) } else { wanted };
    if view.is_newest_first {
        rows.reverse();
    }
    let window = Window::of(&rows, view, zone);
    let count = rows.len();
    let rows = &rows[window.first..window.last];
    let opened = opened(rows);
    let shown: BTreeSet<&EntryId> = rows
        .iter()
        .zip(&opened)
        .flat_map(|(row, count)| row.rows[..*count].iter().chain([row]).map(|entry| &entry.id))
        .collect();
    // A mark of the chart leads to its line, whatever the filters leave out.
    let unfiltered = [("kind", None), ("service", None), ("q", None), ("fold", Some("false"))];
    let everything = view.anew(&unfiltered);
    let and = if everything.is_empty() { "" } else { "&" };
    let address = |id: &EntryId| {
        if shown.contains(id) {
            format!("#t-{id}")
        } else {
            format!("?{everything}{and}at={}#t-{id}", encode(&id.0))
        }
    };
    let chart = figure(facts, &all, zone, view.stretch, &address);
    let notes: BTreeMap<String, &Note> =
        facts.incident.notes.iter().map(|note| (note.id.to_string(), note)).collect();
    let day_of = |at: Timestamp| zone.wall_clock(at).date();
    let days: BTreeSet<String> = rows.iter().map(|row| day_of(row.occurred_at)).collect();
    let values = json!({
        "rows": rows.iter().zip(&opened).map(|(row, count)| line(row, *count, view, zone, &notes))
            .collect::<Vec<_>>(),
        "has_days": days.len() > 1,
        "total": counted(total, "entry").replace("entrys", "entries"),
        "pager": (count > rows.len()).then(|| window.pager(count, view)),
        "is_filtered": view.is_filtered(),
        "is_folded": view.is_folded,
        "is_newest_first": view.is_newest_first,
        "turned": view.anew(&[("order", (!view.is_newest_first).then_some("newest"))]),
        "folding": view.anew(&[("fold", view.is_folded.then_some("false"))]),
        "unfiltered": view.anew(&[("kind", None), ("service", None), ("q", None)]),
        "kinds": KINDS.map(EntryKind::as_str),
        "services": services,
        "asked": {
            "kind": view.asked("kind"), "service": view.asked("service"), "q": view.asked("q"),
            "when": view.asked("when"),
        },
        "kept": kept(view),
        "chart": chart.as_ref().map(|chart| looks(chart, view, zone)),
        "note_kinds": NoteKind::ALL.map(NoteKind::as_str),
        "hidden": hidden(&facts.incident, zone),
    });
    Timeline { values, chart: chart.map(|chart| chart.svg).unwrap_or_default(), total }
}

/// The lines that a page shows.
struct Window {
    /// The first of them, counted from 0.
    first: usize,
    /// The one behind the last.
    last: usize,
}

impl Window {
    /// The window at the place that a view asks for.
    fn of(rows: &[Entry], view: &View, zone: &Zone) -> Self {
        let latest = rows.len().saturating_sub(view.rows);
        let first = match &view.place {
            Place::Line(line) => line.saturating_sub(1).min(rows.len().saturating_sub(1)),
            Place::Entry(id) => {
                let holds = |row: &Entry| row.id.0 == *id || row.rows.iter().any(|r| r.id.0 == *id);
                let line = rows.iter().position(holds).unwrap_or(0);
                line.saturating_sub(LINES_BEFORE.min(view.rows / 2)).min(latest)
            }
            Place::Time(text) => line_at(rows, view, zone, text).min(latest),
        };
        Self { first, last: rows.len().min(first + view.rows) }
    }

    /// Where the lines around the window are found.
    fn pager(&self, count: usize, view: &View) -> Value {
        let from = |first: usize| view.placed("start", &(first + 1).to_string());
        let is_before = self.first > 0;
        let is_behind = self.last < count;
        // The last page is as full as the others and overlaps the one before.
        let end = count.saturating_sub(view.rows);
        json!({
            "first": self.first + 1,
            "last": self.last,
            "count": count,
            "begin": is_before.then(|| from(0)),
            "before": is_before.then(|| from(self.first.saturating_sub(view.rows))),
            "behind": is_behind.then(|| from(self.last)),
            "end": is_behind.then(|| from(end)),
        })
    }
}

/// The first line from a time on, in the order of the view. A time of the day without a date means
/// the last one before the end of the timeline.
fn line_at(rows: &[Entry], view: &View, zone: &Zone, text: &str) -> usize {
    let latest = rows.iter().map(|row| row.occurred_at).max();
    let at = latest
        .and_then(|latest| zone.read(text, latest).or_else(|| Timestamp::parse(text.trim()).ok()));
    let Some(at) = at else { return 0 };
    let is_there = |row: &Entry| {
        if view.is_newest_first { row.occurred_at <= at } else { row.occurred_at >= at }
    };
    rows.iter().position(is_there).unwrap_or(rows.len())
}

/// How many entries of each fold the page holds.
fn opened(rows: &[Entry]) -> Vec<usize> {
    let mut left = FOLDED_MAX;
    let count = |row: &Entry| {
        let count = row.rows.len().min(FOLD_ROWS_MAX).min(left);
        left -= count;
        count
    };
    rows.iter().map(count).collect()
}

/// A line with the first entries that it folds.
fn line(
    row: &Entry,
    opened: usize,
    view: &View,
    zone: &Zone,
    notes: &BTreeMap<String, &Note>,
) -> Value {
    let mut values = entry(row, zone, notes);
    let folded = row.rows[..opened].iter().map(|row| entry(row, zone, notes));
    values["rows"] = folded.collect::<Vec<_>>().into();
    values["left"] = row.rows.get(opened).map_or(Value::Null, |next| {
        let unfolded = [("fold", Some("false")), ("at", Some(next.id.0.as_str()))];
        json!({ "count": row.rows.len() - opened, "query": view.anew(&unfolded), "id": next.id })
    });
    values
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
    // The text of an alert or a change says by itself when it was learnt late.
    let heard = entry.received_at - entry.occurred_at;
    let is_late = entry.kind == EntryKind::Note && heard > Span::from_minutes(2);
    json!({
        "id": entry.id,
        "at": moment(entry.occurred_at, zone),
        "until": moment_if_any(entry.ended_at.filter(|end| *end != entry.occurred_at), zone),
        "heard": is_late.then(|| super::length(heard)),
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
        "rows": [],
        "left": null,
        // The end of a firing leads to what its begin leads to; once is enough.
        "is_end": entry.kind == EntryKind::Alert && entry.phase == Phase::Recovery,
        "corrections": entry
            .corrections
            .iter()
            .map(|correction| correction.words(|at| super::report::local(at, zone)))
            .collect::<Vec<_>>(),
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
    let zone = encode(zone.name());
    format!("{}/timeline.svg?tz={zone}", super::super::api::incident_path(id))
}

#[cfg(test)]
mod tests {
    use super::super::super::api::query::Params;
    use super::*;
    use crate::timeline::examples;

    /// The timeline as an address asks for it.
    fn asked(facts: &Facts, query: &str) -> Value {
        let pair = |pair: &str| {
            pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let params = Params::new(query.split('&').filter_map(pair).collect());
        timeline(facts, &View::read(params).unwrap(), &Zone::utc()).values
    }

    fn ids(values: &Value) -> Vec<String> {
        let rows = values["rows"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn windows_lead_through_every_entry_once_and_in_order() {
        let facts = examples::storm();
        let all = ids(&asked(&facts, "fold=false"));
        assert!(all.len() > 20, "{}", all.len());
        for order in ["oldest", "newest"] {
            let mut query = format!("fold=false&rows=7&order={order}");
            let mut walked = Vec::new();
            loop {
                let values = asked(&facts, &query);
                walked.extend(ids(&values));
                match values["pager"]["behind"].as_str() {
                    Some(next) => query = next.to_owned(),
                    None => break,
                }
            }
            if order == "newest" {
                walked.reverse();
            }
            assert_eq!(walked, all, "{order}");
        }
    }

    #[test]
    fn every_entry_and_every_time_has_a_window() {
        let facts = examples::storm();
        let all = ids(&asked(&facts, "fold=false"));
        for id in &all {
            let values = asked(&facts, &format!("fold=false&rows=5&at={id}"));
            assert!(ids(&values).contains(id), "{id}");
            assert_eq!(ids(&values).len(), 5, "a window is full");
        }
        let first = |query: &str| {
            asked(&facts, query)["rows"][0]["at"]["clock"].as_str().unwrap().to_owned()
        };
        assert!(*first("fold=false&rows=3&when=02:16:00") >= *"02:16:00");
        assert_eq!(first("fold=false&rows=3&when=nonsense"), first("fold=false&rows=3"));
    }

    #[test]
    fn of_a_fold_the_begin_is_shown_and_the_rest_is_led_to() {
        let facts = examples::storm();
        let values = asked(&facts, "");
        for row in values["rows"].as_array().unwrap() {
            let shown = row["rows"].as_array().unwrap().len();
            assert!(shown <= FOLD_ROWS_MAX);
            if let Some(left) = row["left"]["count"].as_u64() {
                let values = asked(&facts, row["left"]["query"].as_str().unwrap());
                assert!(ids(&values).contains(&row["left"]["id"].as_str().unwrap().to_owned()));
                assert_eq!(shown as u64 + left, row["count"].as_u64().unwrap());
            }
        }
    }
}
