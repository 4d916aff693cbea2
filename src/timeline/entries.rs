//! Every entry of a timeline, sorted by the one key, nothing folded.

use super::{caveats, changes, episodes, gaps, words};
use crate::domain::incident::{
    LifecycleEvent, LifecycleKind, Note, NoteKind, NoteVersion, Opening,
};
use crate::domain::milestone::{self, Milestone};
use crate::domain::timeline::{Correction, Entry, EntryId, EntryKind, Phase, Provenance};
use crate::domain::{Episode, Facts, Span, Timestamp};

/// What is learnt later than this says so.
const LATE: Span = Span::from_minutes(5);
/// When most of a story was learnt later than this, it was imported or written down afterwards.
const VERY_LATE: Span = Span::from_hours(1);

/// Every entry, in order: occurred time, then phase, then the order in which we learnt of it.
#[must_use]
pub fn entries(facts: &Facts) -> Vec<Entry> {
    let lateness = Lateness::judge(facts);
    let mut rows = episodes::rows(facts, &lateness);
    let moment = |milestone| milestone::value_of(&facts.incident, milestone).at;
    let noticed = moment(Milestone::Detection).or_else(|| moment(Milestone::Onset));
    let scene = changes::Scene::of(facts);
    rows.extend(facts.changes.iter().map(|change| {
        let mut row = changes::row(change, noticed, &lateness);
        row.entry.aside = scene.aside(change);
        row
    }));
    rows.extend(
        facts
            .incident
            .notes
            .iter()
            .filter(|note| note.withdrawn.is_none() && !note.hidden)
            .map(note_row),
    );
    rows.extend(
        facts
            .incident
            .lifecycle
            .iter()
            .enumerate()
            .filter_map(|(index, event)| lifecycle_row(facts, index, event)),
    );
    rows.extend(Milestone::ALL.into_iter().filter_map(|milestone| entered_row(facts, milestone)));
    rows.extend(caveats::rows(facts));
    rows.sort_by_key(Row::key);
    gaps::mark(facts, &mut rows);
    rows.into_iter().map(|row| row.entry).collect()
}

/// An entry with what orders it among equals.
pub(super) struct Row {
    pub(super) entry: Entry,
    /// The number of what it shows: the order of arrival among things of one kind.
    pub(super) number: u64,
}

impl Row {
    pub(super) fn new(
        id: EntryId,
        kind: EntryKind,
        phase: Phase,
        at: Timestamp,
        text: String,
    ) -> Self {
        Self {
            entry: Entry {
                id,
                occurred_at: at,
                ended_at: None,
                received_at: at,
                kind,
                phase,
                text,
                actor: None,
                service: None,
                severity: None,
                provenance: Provenance::Inferred,
                count: 1,
                links: Vec::new(),
                pinned: false,
                rows: Vec::new(),
                episode: None,
                signal: None,
                corrections: Vec::new(),
                aside: None,
            },
            number: 0,
        }
    }

    /// The one sort key. Total: no two rows share kind and number.
    pub(super) fn key(&self) -> (Timestamp, Phase, Timestamp, u8, u64) {
        let kind = match self.entry.kind {
            EntryKind::Alert => 0,
            EntryKind::Change => 1,
            EntryKind::Note => 2,
            EntryKind::Lifecycle => 3,
            EntryKind::Caveat => 4,
        };
        (self.entry.occurred_at, self.entry.phase, self.entry.received_at, kind, self.number)
    }
}

/// Whether arrival times are worth showing.
pub(super) struct Lateness {
    /// How many things could be late.
    pub(super) total: usize,
    /// How many were learnt very late.
    pub(super) very_late: usize,
}

impl Lateness {
    pub(super) fn judge(facts: &Facts) -> Self {
        let delays = (facts.members.iter().map(|e| e.received_at - e.starts_at()))
            .chain(facts.changes.iter().map(|c| c.received_at - c.report.at))
            .chain(facts.incident.notes.iter().map(|n| n.received_at - n.at));
        delays.fold(Self { total: 0, very_late: 0 }, |so_far, delay| Self {
            total: so_far.total + 1,
            very_late: so_far.very_late + usize::from(delay > VERY_LATE),
        })
    }

    /// True when most of the story was learnt long afterwards, as with an import. One caveat says
    /// so then, instead of a mark on every line.
    pub(super) const fn is_afterthought(&self) -> bool {
        self.very_late >= 3 && self.very_late * 2 > self.total
    }

    /// ` (learnt 1h 53m later)`, or nothing when it came in time.
    pub(super) fn mark(&self, at: Timestamp, received_at: Timestamp) -> String {
        if self.is_afterthought() {
            return String::new();
        }
        delay(at, received_at).map_or_else(String::new, |delay| format!(" (learnt {delay} later)"))
    }
}

/// How much later something was learnt, when that is worth a word: `1h 53m`.
#[must_use]
pub fn delay(at: Timestamp, received_at: Timestamp) -> Option<String> {
    let delay = received_at - at;
    (delay > LATE).then(|| words::duration(delay))
}

/// The part of the story that a note of a kind belongs to.
const fn phase_of(kind: NoteKind) -> Phase {
    match kind {
        NoteKind::Observation | NoteKind::Investigation => Phase::Investigation,
        NoteKind::Notification => Phase::Notification,
        NoteKind::WrongLead => Phase::WrongLead,
        NoteKind::Escalation => Phase::Escalation,
        NoteKind::Diagnosis => Phase::Diagnosis,
        NoteKind::Decision => Phase::Decision,
        NoteKind::Communication => Phase::Communication,
        NoteKind::Mitigation => Phase::Mitigation,
        NoteKind::Recovery => Phase::Recovery,
        NoteKind::Resolution => Phase::Resolution,
    }
}

/// A note keeps the person's words as they are; a delay shows in its two clocks.
fn note_row(note: &Note) -> Row {
    let mut row = Row::new(
        EntryId::note(note.id),
        EntryKind::Note,
        phase_of(note.kind),
        note.at,
        note.text.clone(),
    );
    row.number = note.id.0;
    row.entry.received_at = note.received_at;
    row.entry.actor.clone_from(&note.author);
    row.entry.provenance =
        if note.kind_inferred { Provenance::Inferred } else { Provenance::Entered };
    row.entry.pinned = note.pinned;
    row.entry.corrections = note
        .history
        .iter()
        .zip(note.history.iter().skip(1).map(Some).chain([None]))
        .map(|(version, next)| correction(version, next, note))
        .collect();
    row
}

/// How a note stood before one correction: what differs from the version after it.
fn correction(version: &NoteVersion, next: Option<&NoteVersion>, note: &Note) -> Correction {
    let (text, at, kind) =
        next.map_or((&note.text, note.at, note.kind), |v| (&v.text, v.at, v.kind));
    Correction {
        corrected_at: version.corrected_at,
        by: version.corrected_by.clone(),
        text: Some(&version.text).filter(|former| *former != text).cloned(),
        at: Some(version.at).filter(|former| *former != at),
        kind: Some(version.kind).filter(|former| *former != kind),
    }
}

fn lifecycle_row(facts: &Facts, index: usize, event: &LifecycleEvent) -> Option<Row> {
    let by_person = event.actor.is_some();
    let (phase, text) = match &event.kind {
        LifecycleKind::Opened => opened(&facts.incident.opening)?,
        LifecycleKind::Acknowledged => (Phase::Investigation, "Acknowledged".to_owned()),
        LifecycleKind::Mitigated => {
            (Phase::Mitigation, "Mitigated: the impact has stopped".to_owned())
        }
        LifecycleKind::Resolved if by_person => (Phase::Resolution, "Resolved".to_owned()),
        LifecycleKind::Resolved if a_person_says_when_it_was_over(facts, event.at) => {
            (Phase::Recovery, "All alerts have ended".to_owned())
        }
        LifecycleKind::Resolved if facts.incident.tally.has_unknown_end => {
            (Phase::Resolution, "Closed: nothing more was heard of what still fired".to_owned())
        }
        // Learnt later than the incident was closed.
        LifecycleKind::Resolved if fired_on(facts, event.at) => {
            (Phase::Resolution, "Closed: nothing more was heard of what still fired".to_owned())
        }
        LifecycleKind::Resolved => {
            (Phase::Resolution, "Resolved: all alerts have ended".to_owned())
        }
        LifecycleKind::Reopened(reason) => (Phase::Symptom, format!("Reopened: {reason}")),
        LifecycleKind::MergedInto(id) => {
            (Phase::Decision, format!("Merged into incident {id}, which goes on with the story"))
        }
        LifecycleKind::Absorbed(id) => {
            (Phase::Decision, format!("Incident {id} became part of this one"))
        }
        LifecycleKind::SplitInto(id) => {
            (Phase::Decision, format!("Alerts were split off into incident {id}"))
        }
        LifecycleKind::MovedIn(episodes) => {
            let moved = words::count(episodes.len(), "alert");
            (Phase::Decision, format!("{} moved in from elsewhere", words::capital(&moved)))
        }
    };
    let at = match event.kind {
        LifecycleKind::Reopened(_) => reopened_at(facts, index, event),
        _ => event.at,
    };
    let mut row = Row::new(EntryId::lifecycle(index), EntryKind::Lifecycle, phase, at, text);
    row.number = index as u64;
    row.entry.received_at = event.recorded_at;
    row.entry.actor.clone_from(&event.actor);
    row.entry.provenance = match (&event.kind, by_person) {
        (_, true) => Provenance::Entered,
        (LifecycleKind::Opened, false) => Provenance::Observed,
        (_, false) => Provenance::Inferred,
    };
    Some(row)
}

/// When a reopening belongs into the story: before the resolution that followed on it, which lies
/// in the past where an end was heard after all.
fn reopened_at(facts: &Facts, index: usize, event: &LifecycleEvent) -> Timestamp {
    let mut later = facts.incident.lifecycle.iter().skip(index + 1);
    let resolved = later.find(|event| event.kind == LifecycleKind::Resolved);
    resolved.map_or(event.at, |resolved| event.at.min(resolved.at))
}

/// True when a member is known to have gone on firing beyond a moment.
fn fired_on(facts: &Facts, at: Timestamp) -> bool {
    let goes_on = |e: &Episode| e.starts_at() <= at && e.ends_at().is_none_or(|end| end > at);
    facts.members.iter().any(goes_on)
}

/// True when a person gave the time of the resolution, or noted at or after the last end that it is
/// over: then that is the resolution, and the end of the alerts a part of it.
fn a_person_says_when_it_was_over(facts: &Facts, ended_at: Timestamp) -> bool {
    let incident = &facts.incident;
    let is_told = |note: &Note| {
        note.kind == NoteKind::Resolution
            && note.at >= ended_at
            && note.withdrawn.is_none()
            && !note.hidden
    };
    incident.report.milestones.contains_key(&Milestone::Resolution)
        || incident.notes.iter().any(is_told)
}

/// How the opening is told. Where an alert opened the incident, its own entry does.
fn opened(opening: &Opening) -> Option<(Phase, String)> {
    match opening {
        Opening::Alert { .. } => None,
        Opening::Heartbeat { name, last_word_at, at, .. } if at > last_word_at => Some((
            Phase::Detection,
            format!("Heartbeat {name} missed: silent for {}", words::duration(*at - *last_word_at)),
        )),
        Opening::Heartbeat { name, .. } => {
            Some((Phase::Detection, format!("Heartbeat {name} said that it ended")))
        }
        Opening::Split { from, .. } => {
            Some((Phase::Decision, format!("Split off from incident {from}")))
        }
    }
}

/// A milestone that a person set, with its distance from what would stand there otherwise.
fn entered_row(facts: &Facts, milestone: Milestone) -> Option<Row> {
    let at = *facts.incident.report.milestones.get(&milestone)?;
    let derived = milestone::value_of(&facts.incident, milestone).derived;
    let phase = match milestone {
        Milestone::Onset => Phase::Symptom,
        Milestone::Detection => Phase::Detection,
        Milestone::Notification => Phase::Notification,
        Milestone::Acknowledgement => Phase::Investigation,
        Milestone::Escalation => Phase::Escalation,
        Milestone::Diagnosis => Phase::Diagnosis,
        Milestone::Mitigation => Phase::Mitigation,
        Milestone::Recovery => Phase::Recovery,
        Milestone::Resolution => Phase::Resolution,
    };
    let distance = derived.filter(|derived| *derived != at).map(|derived| {
        let side = if at < derived { "before" } else { "after" };
        format!(
            ", {} {side} the time derived from the records",
            words::duration((at - derived).abs())
        )
    });
    let name = words::capital(milestone.as_str());
    let text = format!("{name} set by a person{}", distance.unwrap_or_default());
    let mut row = Row::new(EntryId::milestone(milestone), EntryKind::Lifecycle, phase, at, text);
    // When it was set is not kept; it is known at this revision.
    row.entry.received_at = facts.incident.as_of;
    row.entry.provenance = Provenance::Entered;
    // Behind the events, which are counted from 0.
    row.number = u64::MAX - Milestone::ALL.len() as u64 + milestone as u64;
    Some(row)
}
