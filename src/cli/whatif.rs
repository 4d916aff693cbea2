//! `scribed whatif`: what the stored deliveries would have become under another configuration.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::{Form, ShowArguments};
use super::console::Console;
use super::failure::Failure;
use super::serve;
use super::text::{Table, count, minute, minute_utc};
use crate::app::storage::{self, Answer, Brief, Change, Moved, Placement, Regrouped, Since};
use crate::domain::{Span, Timestamp};

/// Alerts that move, told one by one where nobody asked for more.
const MOVES_SHOWN: usize = 20;
/// Alerts that move, told one by one at all.
const MOVES_MAX: usize = 10_000;

/// Arguments of `whatif`.
#[derive(Args, Debug)]
pub(super) struct WhatIfArguments {
    /// The other configuration (YAML); it also names the store's folder.
    #[arg(long = "config.file", env = "SCRIBED_CONFIG_FILE", required = true, value_name = "FILE")]
    config_file: PathBuf,
    /// Folder of the store [default: as the configuration says, else ./data].
    #[arg(long = "storage.path", value_name = "DIR")]
    storage_path: Option<PathBuf>,
    /// From when on it counts: a time, or a duration before the newest record; what was decided
    /// before stays as it was decided [default: from the beginning].
    #[arg(long, value_name = "TIME|DURATION", value_parser = since)]
    since: Option<Since>,
    #[command(flatten)]
    show: ShowArguments,
}

/// Replays, and tells the difference.
///
/// # Errors
/// When the configuration does not hold, or the store cannot be read.
pub(super) fn run(arguments: &WhatIfArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let config =
        serve::config_for(Some(arguments.config_file.clone()), arguments.storage_path.clone())?;
    let since = arguments.since.unwrap_or(Since::Beginning);
    let answer = storage::what_if(&config, since, MOVES_MAX, &mut |done, total| {
        if console.can_draw() {
            console.draw(&format!("{done}/{total} records"));
        }
    });
    if console.can_draw() {
        console.clear();
    }
    let answer = answer.map_err(Failure::store)?;
    tell_doubts(&answer, console);
    match arguments.show.form {
        Form::Json => console.json(to_json(&answer).to_string().as_bytes()),
        form => tell(&answer, form, console),
    }
}

/// What the reader of the difference must know.
fn tell_doubts(answer: &Answer, console: &mut Console<'_>) {
    if let Some(first) = answer.begins_at {
        console.notice(&format!(
            "The ledger begins at record {first}; what came before was dropped, so nothing learnt \
             from it counts, and alerts of then are left out"
        ));
    }
    if answer.decisions_without_place > 0 {
        console.notice(&format!(
            "{} of people found none of their alerts",
            count_of(answer.decisions_without_place, "decision")
        ));
    }
    if let (Some(since), Some((_, last))) = (answer.since, answer.span)
        && since > last
    {
        console.notice(&format!("The newest record is of {last}, which is before {since}"));
    }
}

fn tell(answer: &Answer, form: Form, console: &mut Console<'_>) -> Result<(), Failure> {
    let stored: usize = answer.groups.iter().map(|group| group.stored.len()).sum();
    let derived: usize = answer.groups.iter().map(|group| group.derived.len()).sum();
    let when = answer.span.map_or(String::new(), |(first, last)| {
        format!(" of {} to {} UTC", minute(first), minute(last))
    });
    let from = answer
        .since
        .map_or(String::new(), |at| format!(", the configuration in force from {}", minute(at)));
    console.line(&format!("Replayed {}{when}{from}", count_of(answer.records, "record")))?;
    if answer.decisions > 0 {
        console.line(&format!("{} of people hold", count_of(answer.decisions, "decision")))?;
    }
    let differing = answer.groups.iter().filter(|group| group.change != Change::Same).count();
    if differing == 0 && answer.moves_total == 0 {
        return console.line(&format!(
            "No difference: {} the same",
            match stored {
                1 => "the 1 incident stays".to_owned(),
                stored => format!("all {stored} incidents stay"),
            }
        ));
    }
    console.line(&format!(
        "{} stored, {} under this configuration: {}",
        count(stored, "incident"),
        derived,
        counts(answer)
            .map(|(word, number)| format!("{number} {word}"))
            .collect::<Vec<_>>()
            .join(", ")
    ))?;
    console.line("")?;
    console.block(&table(answer, form).render())?;
    for group in &answer.groups {
        if let ([now], false) = (group.derived.as_slice(), group.differs.is_empty()) {
            console.line(&format!("what-if {}: {}", now.id, group.differs.join("; ")))?;
        }
    }
    if answer.moves_total > 0 {
        tell_moves(answer, form, console)?;
    }
    Ok(())
}

/// How many groups there are of each sort, without the sorts that do not occur.
fn counts(answer: &Answer) -> impl Iterator<Item = (&'static str, usize)> {
    Change::ALL
        .into_iter()
        .map(|change| {
            (change.as_str(), answer.groups.iter().filter(|g| g.change == change).count())
        })
        .filter(|(_, number)| *number > 0)
}

/// One row for each incident of each side; what stays the same only where more is asked for.
fn table(answer: &Answer, form: Form) -> Table {
    let mut table =
        Table::new(&["CHANGE", "INCIDENT", "WHAT-IF", "STATE", "STARTED", "ALERTS", "TITLE"]);
    let is_told = |group: &&Regrouped| group.change != Change::Same || form == Form::Extended;
    for group in answer.groups.iter().filter(is_told) {
        let mut change = group.change.as_str().to_owned();
        let is_pair = matches!(group.change, Change::Same | Change::Changed);
        if let (true, [was], [now]) = (is_pair, &group.stored[..], &group.derived[..]) {
            table.row(row(&change, Some(was), Some(now)));
            continue;
        }
        for brief in &group.stored {
            table.row(row(&std::mem::take(&mut change), Some(brief), None));
        }
        for brief in &group.derived {
            table.row(row(&std::mem::take(&mut change), None, Some(brief)));
        }
    }
    table
}

fn row(change: &str, was: Option<&Brief>, now: Option<&Brief>) -> Vec<String> {
    let id = |brief: Option<&Brief>| brief.map(|b| b.id.to_string()).unwrap_or_default();
    let both = |tell: fn(&Brief) -> String| match (was.map(tell), now.map(tell)) {
        (Some(was), Some(now)) if was != now => format!("{was} -> {now}"),
        (Some(told), _) | (None, Some(told)) => told,
        (None, None) => String::new(),
    };
    vec![
        change.to_owned(),
        id(was),
        id(now),
        both(|brief| brief.state.to_owned()),
        both(|brief| brief.started_at.map(minute).unwrap_or_default()),
        both(|brief| brief.alerts.to_string()),
        both(|brief| brief.title.clone()),
    ]
}

fn tell_moves(answer: &Answer, form: Form, console: &mut Console<'_>) -> Result<(), Failure> {
    let verb = if answer.moves_total == 1 { "moves" } else { "move" };
    console.line("")?;
    console.line(&format!("{} {verb}:", count_of(answer.moves_total, "alert")))?;
    let shown = if form == Form::Extended { MOVES_MAX } else { MOVES_SHOWN };
    for moved in answer.moves.iter().take(shown) {
        let name = match &moved.service {
            Some(service) => format!("{} on {service}", moved.alertname),
            None => moved.alertname.clone(),
        };
        console.line(&format!(
            "{} {name}, {}: {} -> {}",
            moved.id,
            minute_utc(Some(moved.starts_at)),
            home(moved.stored.as_ref(), "incident"),
            home(moved.derived.as_ref(), "what-if"),
        ))?;
        console.line(&format!("    was: {}", reason(moved.stored.as_ref())))?;
        console.line(&format!("    now: {}", reason(moved.derived.as_ref())))?;
    }
    let left = answer.moves_total - (answer.moves.len().min(shown) as u64);
    if left > 0 {
        let how = if form == Form::Extended { "" } else { "; -o extended tells of them" };
        console.line(&format!("… and {} more{how}", count_of(left, "alert")))?;
    }
    Ok(())
}

fn home(placement: Option<&Placement>, noun: &str) -> String {
    match placement.and_then(|placement| placement.incident) {
        Some(id) => format!("{noun} {id}"),
        None => "no incident".to_owned(),
    }
}

fn reason(placement: Option<&Placement>) -> &str {
    placement.map_or("There is no such firing there.", |placement| &placement.reason)
}

fn to_json(answer: &Answer) -> Value {
    let counts: serde_json::Map<String, Value> =
        counts(answer).map(|(word, number)| (word.to_owned(), json!(number))).collect();
    json!({
        "records": answer.records,
        "from": answer.span.map(|(first, _)| first.to_string()),
        "until": answer.span.map(|(_, last)| last.to_string()),
        "since": answer.since.map(|at| at.to_string()),
        "begins_at_record": answer.begins_at.map(|seq| seq.0),
        "decisions": {
            "held": answer.decisions,
            "without_place": answer.decisions_without_place,
        },
        "counts": counts,
        "incidents": answer.groups.iter().map(group_json).collect::<Vec<_>>(),
        "moves": answer.moves.iter().map(moved_json).collect::<Vec<_>>(),
        "moves_total": answer.moves_total,
    })
}

fn group_json(group: &Regrouped) -> Value {
    let side = |briefs: &[Brief]| -> Vec<Value> {
        let brief = |brief: &Brief| {
            json!({
                "id": brief.id.0,
                "title": brief.title,
                "state": brief.state,
                "severity": brief.severity.as_str(),
                "alerts": brief.alerts,
                "started_at": brief.started_at.map(|at| at.to_string()),
                "ended_at": brief.ended_at.map(|at| at.to_string()),
            })
        };
        briefs.iter().map(brief).collect()
    };
    json!({
        "change": group.change.as_str(),
        "stored": side(&group.stored),
        "what_if": side(&group.derived),
        "differs": group.differs,
    })
}

fn moved_json(moved: &Moved) -> Value {
    let placement = |placement: &Option<Placement>| {
        placement.as_ref().map(|placement| {
            json!({
                "incident": placement.incident.map(|id| id.0),
                "reason": placement.reason,
            })
        })
    };
    json!({
        "alert": moved.id.to_string(),
        "alertname": moved.alertname,
        "service": moved.service,
        "fingerprint": moved.fingerprint,
        "starts_at": moved.starts_at.to_string(),
        "stored": placement(&moved.stored),
        "what_if": placement(&moved.derived),
    })
}

fn count_of(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// A time, or a duration before the newest record.
fn since(text: &str) -> Result<Since, String> {
    if let Ok(span) = Span::parse(text) {
        return Ok(Since::Ago(span));
    }
    Timestamp::parse(text).map(Since::Time).map_err(|_| {
        "write a time such as 2026-03-04T02:14:07Z, or a duration such as 7d".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EpisodeId, IncidentId, Severity};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn brief(id: u64, alerts: u64) -> Brief {
        Brief {
            id: IncidentId(id),
            title: "DbDown on db".to_owned(),
            state: "resolved",
            severity: Severity::Critical,
            alerts,
            started_at: Some(at("2026-03-04T02:10:00Z")),
            ended_at: Some(at("2026-03-04T03:00:00Z")),
        }
    }

    fn answer(groups: Vec<Regrouped>, moves: Vec<Moved>) -> Answer {
        Answer {
            records: 12,
            span: Some((at("2026-03-04T02:10:00Z"), at("2026-03-04T04:00:00Z"))),
            since: None,
            begins_at: None,
            decisions: 0,
            decisions_without_place: 0,
            groups,
            moves_total: moves.len() as u64,
            moves,
        }
    }

    fn split() -> Answer {
        let group = Regrouped {
            change: Change::Split,
            stored: vec![brief(1, 3)],
            derived: vec![brief(1, 2), brief(2, 1)],
            differs: vec![],
        };
        let same = Regrouped {
            change: Change::Same,
            stored: vec![brief(2, 1)],
            derived: vec![brief(3, 1)],
            differs: vec![],
        };
        let placed = |id, reason: &str| {
            Some(Placement { incident: Some(IncidentId(id)), reason: reason.to_owned() })
        };
        let moved = Moved {
            id: EpisodeId(3),
            alertname: "WebSlow".to_owned(),
            service: Some("web".to_owned()),
            fingerprint: "f".to_owned(),
            starts_at: at("2026-03-04T02:55:00Z"),
            stored: placed(1, "Member of incident 1."),
            derived: placed(2, "Opened incident 2."),
        };
        answer(vec![same, group], vec![moved])
    }

    fn check(answer: &Answer, form: Form, expect: &str) {
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        tell(answer, form, &mut Console::captured(&mut results, &mut diagnostics, false)).unwrap();
        assert_eq!(String::from_utf8(results).unwrap(), expect);
    }

    #[test]
    fn no_difference_is_said() {
        let same = Regrouped {
            change: Change::Same,
            stored: vec![brief(1, 3)],
            derived: vec![brief(1, 3)],
            differs: vec![],
        };
        check(
            &answer(vec![same], vec![]),
            Form::Simple,
            "Replayed 12 records of 2026-03-04 02:10 to 2026-03-04 04:00 UTC\n\
             No difference: the 1 incident stays the same\n",
        );
    }

    #[test]
    fn a_split_is_told_with_the_alerts_that_move_and_both_reasons() {
        check(
            &split(),
            Form::Simple,
            "Replayed 12 records of 2026-03-04 02:10 to 2026-03-04 04:00 UTC\n\
             2 incidents stored, 3 under this configuration: 1 same, 1 split\n\n\
             CHANGE  INCIDENT  WHAT-IF  STATE     STARTED           ALERTS  TITLE\n\
             split   1         -        resolved  2026-03-04 02:10  3       DbDown on db\n\
             -       -         1        resolved  2026-03-04 02:10  2       DbDown on db\n\
             -       -         2        resolved  2026-03-04 02:10  1       DbDown on db\n\n\
             1 alert moves:\n\
             e3 WebSlow on web, 2026-03-04 02:55 UTC: incident 1 -> what-if 2\n    \
             was: Member of incident 1.\n    \
             now: Opened incident 2.\n",
        );
    }

    #[test]
    fn json_holds_both_sides() {
        let told = to_json(&split());
        assert_eq!(told["counts"], json!({"same": 1, "split": 1}));
        assert_eq!(told["incidents"][1]["what_if"][1]["id"], 2);
        assert_eq!(told["moves"][0]["stored"]["incident"], 1);
        assert_eq!(told["moves"][0]["what_if"]["reason"], "Opened incident 2.");
    }

    #[test]
    fn since_is_a_time_or_a_duration() {
        assert_eq!(since("7d"), Ok(Since::Ago(Span::from_hours(7 * 24))));
        assert_eq!(since("2026-03-04T02:10:00Z"), Ok(Since::Time(at("2026-03-04T02:10:00Z"))));
        assert_eq!(since("1772590200"), Ok(Since::Time(at("2026-03-04T02:10:00Z"))));
        assert!(since("yesterday").is_err());
    }
}
