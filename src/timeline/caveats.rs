//! Doubts that the writer must know: the stored ones, and those that the facts show.

use std::collections::BTreeSet;

use super::entries::{Lateness, Row};
use super::{spoken_times, words};
use crate::domain::alert::EndKind;
use crate::domain::incident::{Caveat, CaveatKind, Note};
use crate::domain::timeline::{Entry, EntryId, EntryKind, Phase, Provenance};
use crate::domain::{Episode, Facts, Span};

/// How many alerts one caveat names before it counts the others.
const NAMES_MAX: usize = 3;
/// A change that was learnt later than this is a doubt about the story told until then.
const LATE_CHANGE: Span = Span::from_minutes(30);

/// The stored caveats as entries. Those that belong to an episode are told by its own entries.
pub(super) fn rows(facts: &Facts) -> Vec<Row> {
    let stored = facts.incident.caveats.iter().enumerate();
    stored
        .map(|(index, caveat)| {
            let mut row = Row::new(
                EntryId::caveat(index),
                EntryKind::Caveat,
                Phase::Investigation,
                caveat.at,
                caveat.text.clone(),
            );
            row.number = index as u64;
            row.entry.ended_at = caveat.until.filter(|until| *until > caveat.at);
            row.entry.received_at = caveat.recorded_at;
            row.entry.provenance = match caveat.kind {
                CaveatKind::Truncated => Provenance::Reported,
                CaveatKind::Deaf
                | CaveatKind::FingerprintReused
                | CaveatKind::Skipped
                | CaveatKind::ImpossibleTime
                | CaveatKind::Late
                | CaveatKind::Silence => Provenance::Observed,
                CaveatKind::ResolveWithdrawn
                | CaveatKind::EndUnknown
                | CaveatKind::NotRecovered => Provenance::Inferred,
            };
            row
        })
        .collect()
}

/// All caveats of a draft, the stored and the derived ones, in order of time.
pub(super) fn all(facts: &Facts, timeline: &[Entry]) -> Vec<Caveat> {
    let mut caveats = facts.incident.caveats.clone();
    caveats.extend(ends_unknown(facts));
    caveats.extend(not_recovered(facts));
    caveats.extend(impossible_times(facts));
    caveats.extend(late(facts));
    caveats.extend(other_times(facts));
    caveats.extend(silences(timeline));
    caveats.sort_by_key(|caveat| (caveat.at, caveat.recorded_at));
    caveats
}

/// One caveat for all the alerts given, or none.
fn about<'a>(
    kind: CaveatKind,
    episodes: impl Iterator<Item = &'a Episode>,
    sentence: impl Fn(String, usize) -> String,
) -> Option<Caveat> {
    let episodes: Vec<&Episode> = episodes.collect();
    let first = episodes.first()?;
    let mut seen = BTreeSet::new();
    let names = episodes.iter().map(|episode| words::name(episode));
    let names: Vec<String> = names.filter(|name| seen.insert(name.clone())).collect();
    let at = |episode: &Episode| episode.ends_at().unwrap_or_else(|| episode.starts_at());
    Some(Caveat {
        kind,
        at: episodes.iter().map(|e| at(e)).min().unwrap_or_else(|| at(first)),
        until: None,
        recorded_at: episodes
            .iter()
            .map(|e| e.end.as_ref().map_or(e.received_at, |end| end.heard_at))
            .max()
            .unwrap_or(first.received_at),
        text: sentence(words::short_list(&names, NAMES_MAX), episodes.len()),
    })
}

fn ends_unknown(facts: &Facts) -> Option<Caveat> {
    let unknown = facts
        .members
        .iter()
        .filter(|e| e.end.as_ref().is_some_and(|end| end.how == EndKind::Unknown));
    about(CaveatKind::EndUnknown, unknown, |names, number| match number {
        1 => format!("The end of {names} was never reported; when it recovered is not known"),
        _ => format!("{number} ends were never reported ({names}); when they came is not known"),
    })
}

fn not_recovered(facts: &Facts) -> Option<Caveat> {
    let abandoned = facts
        .members
        .iter()
        .filter(|e| e.end.as_ref().is_some_and(|end| matches!(end.how, EndKind::Abandoned(_))));
    about(CaveatKind::NotRecovered, abandoned, |names, _| {
        format!("Stopped firing for another reason than a recovery: {names}")
    })
}

fn impossible_times(facts: &Facts) -> Option<Caveat> {
    let impossible = facts.members.iter().filter(|e| {
        e.start_refused.is_some() || e.end.as_ref().is_some_and(|end| end.refused.is_some())
    });
    about(CaveatKind::ImpossibleTime, impossible, |names, _| {
        format!(
            "Sent with times that cannot be, which were replaced: {names}. Check the sender's clock"
        )
    })
}

fn late(facts: &Facts) -> Vec<Caveat> {
    let lateness = Lateness::judge(facts);
    if lateness.is_afterthought() {
        let text = format!(
            "{} of {} records came in more than 1h after what they tell of, so this story was \
             imported or written down afterwards; delays are not marked line by line",
            lateness.very_late, lateness.total
        );
        let as_of = facts.incident.as_of;
        let caveat =
            Caveat { kind: CaveatKind::Late, at: as_of, until: None, recorded_at: as_of, text };
        return vec![caveat];
    }
    let changes = facts.changes.iter().filter(|c| c.received_at - c.report.at > LATE_CHANGE);
    changes
        .map(|change| Caveat {
            kind: CaveatKind::Late,
            at: change.report.at,
            until: None,
            recorded_at: change.received_at,
            text: format!(
                "The change \"{}\" was learnt {} after it was made; earlier drafts did not show it",
                words::one_line(&change.report.summary, 120),
                words::duration(change.received_at - change.report.at)
            ),
        })
        .collect()
}

/// Notes that stand where they were written and speak of another time.
fn other_times(facts: &Facts) -> Option<Caveat> {
    let told = facts.incident.notes.iter().filter(|note| note.withdrawn.is_none() && !note.hidden);
    let spoken: Vec<(&Note, String)> =
        told.filter_map(|note| Some((note, spoken_times::other_time(note)?))).collect();
    let first = spoken.iter().map(|(note, _)| *note).min_by_key(|note| (note.at, note.id))?;
    let times: Vec<String> = spoken.iter().map(|(_, time)| format!("\"{time}\"")).collect();
    let (notes, verb, which) = match spoken.len() {
        1 => ("A note", "stands", "it was written and speaks"),
        _ => ("Notes", "stand", "they were written and speak"),
    };
    Some(Caveat {
        kind: CaveatKind::Late,
        at: first.at,
        until: None,
        recorded_at: spoken.iter().map(|(note, _)| note.received_at).max()?,
        text: format!(
            "{notes} {verb} where {which} of another time ({}); correct the time of what \
             happened then",
            words::short_list(&times, NAMES_MAX)
        ),
    })
}

/// The gaps that the timeline shows.
fn silences(timeline: &[Entry]) -> Vec<Caveat> {
    timeline
        .iter()
        .filter(|entry| super::gaps::is_gap(entry))
        .map(|entry| Caveat {
            kind: CaveatKind::Silence,
            at: entry.occurred_at,
            until: entry.ended_at,
            recorded_at: entry.received_at,
            text: entry.text.clone(),
        })
        .collect()
}
