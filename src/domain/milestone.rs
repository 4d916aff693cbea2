//! Milestones of an incident, and the measures between them.
//!
//! What people say wins; what is derived stays visible by its provenance; a negative measure is
//! invalid and shown as such, never clamped.

use serde::{Deserialize, Serialize};

use super::incident::{Incident, IncidentState, LifecycleKind, NoteKind, Opening};
use super::time::{Span, Timestamp};
use super::timeline::{EntryId, Provenance};

/// A moment that a postmortem speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    /// It began to fail.
    Onset,
    /// The first signal that somebody should act.
    Detection,
    /// Somebody was told.
    Notification,
    /// Somebody took it.
    Acknowledgement,
    /// Others were called in.
    Escalation,
    /// The cause was found.
    Diagnosis,
    /// The impact stopped.
    Mitigation,
    /// Everything works again.
    Recovery,
    /// It is over.
    Resolution,
}

impl Milestone {
    /// All of them, in their usual order.
    pub const ALL: [Self; 9] = [
        Self::Onset,
        Self::Detection,
        Self::Notification,
        Self::Acknowledgement,
        Self::Escalation,
        Self::Diagnosis,
        Self::Mitigation,
        Self::Recovery,
        Self::Resolution,
    ];

    /// The word for it in drafts and formulas.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Onset => "onset",
            Self::Detection => "detection",
            Self::Notification => "notification",
            Self::Acknowledgement => "acknowledgement",
            Self::Escalation => "escalation",
            Self::Diagnosis => "diagnosis",
            Self::Mitigation => "mitigation",
            Self::Recovery => "recovery",
            Self::Resolution => "resolution",
        }
    }

    /// The field that sets it in a PATCH and shows it on an incident.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Onset => "started_at",
            Self::Detection => "detected_at",
            Self::Notification => "notified_at",
            Self::Acknowledgement => "acknowledged_at",
            Self::Escalation => "escalated_at",
            Self::Diagnosis => "diagnosed_at",
            Self::Mitigation => "mitigated_at",
            Self::Recovery => "recovered_at",
            Self::Resolution => "resolved_at",
        }
    }
}

/// Where a milestone or a measure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneState {
    /// Known.
    Recorded,
    /// May still come.
    Pending,
    /// Did not happen, or nobody wrote it down, and the incident is over.
    NotApplicable,
    /// Contradicts another milestone.
    Invalid,
}

impl MilestoneState {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Pending => "pending",
            Self::NotApplicable => "not_applicable",
            Self::Invalid => "invalid",
        }
    }
}

/// A milestone with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneValue {
    /// Which.
    pub milestone: Milestone,
    /// Where it stands.
    pub state: MilestoneState,
    /// When; `Some` exactly when recorded or invalid.
    pub at: Option<Timestamp>,
    /// How we know.
    pub provenance: Option<Provenance>,
    /// The timeline entry it was taken from.
    pub entry: Option<EntryId>,
    /// What would stand here had no person said otherwise.
    pub derived: Option<Timestamp>,
}

/// A length between two milestones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureValue {
    /// Which.
    pub measure: Measure,
    /// Where it stands.
    pub state: MilestoneState,
    /// How long, negative when invalid; `None` while not known.
    pub length: Option<Span>,
    /// The entry it begins at.
    pub from: Option<EntryId>,
    /// The entry it ends at.
    pub to: Option<EntryId>,
}

/// A length that a postmortem speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// TTD.
    TimeToDetect,
    /// TTA.
    TimeToAcknowledge,
    /// TTM.
    TimeToMitigate,
    /// TTR.
    TimeToResolve,
    /// From onset to resolution.
    Duration,
}

impl Measure {
    /// All of them, in the order in which drafts show them.
    pub const ALL: [Self; 5] = [
        Self::TimeToDetect,
        Self::TimeToAcknowledge,
        Self::TimeToMitigate,
        Self::TimeToResolve,
        Self::Duration,
    ];

    /// The name of its field in the draft.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeToDetect => "time_to_detect",
            Self::TimeToAcknowledge => "time_to_acknowledge",
            Self::TimeToMitigate => "time_to_mitigate",
            Self::TimeToResolve => "time_to_resolve",
            Self::Duration => "duration",
        }
    }

    /// The milestones it is taken between: from, to.
    #[must_use]
    pub const fn between(self) -> (Milestone, Milestone) {
        match self {
            Self::TimeToDetect => (Milestone::Onset, Milestone::Detection),
            Self::TimeToAcknowledge => (Milestone::Detection, Milestone::Acknowledgement),
            Self::TimeToMitigate => (Milestone::Onset, Milestone::Mitigation),
            Self::TimeToResolve | Self::Duration => (Milestone::Onset, Milestone::Resolution),
        }
    }

    /// How it is computed: `detection - onset`.
    #[must_use]
    pub fn formula(self) -> String {
        let (from, to) = self.between();
        format!("{} - {}", to.as_str(), from.as_str())
    }
}

/// A derived time, how we know it, and the entry that shows it.
type Derived = (Timestamp, Provenance, EntryId);

/// Every milestone of an incident, in the order of [`Milestone::ALL`].
#[must_use]
pub fn milestones(incident: &Incident) -> Vec<MilestoneValue> {
    Milestone::ALL.into_iter().map(|milestone| value_of(incident, milestone)).collect()
}

/// One milestone of an incident.
#[must_use]
pub fn value_of(incident: &Incident, milestone: Milestone) -> MilestoneValue {
    let derived = derive(incident, milestone);
    let derived_at = derived.as_ref().map(|(at, ..)| *at);
    let (state, at, provenance, entry) = match incident.report.milestones.get(&milestone) {
        Some(at) => (
            MilestoneState::Recorded,
            Some(*at),
            Some(Provenance::Entered),
            Some(EntryId::milestone(milestone)),
        ),
        None => match derived {
            Some((at, provenance, entry)) => {
                (MilestoneState::Recorded, Some(at), Some(provenance), Some(entry))
            }
            None if incident.state.is_running() => (MilestoneState::Pending, None, None, None),
            None => (MilestoneState::NotApplicable, None, None, None),
        },
    };
    MilestoneValue { milestone, state, at, provenance, entry, derived: derived_at }
}

/// Every measure of an incident, in the order of [`Measure::ALL`].
#[must_use]
pub fn measures(incident: &Incident) -> Vec<MeasureValue> {
    Measure::ALL.into_iter().map(|measure| measure_of(incident, measure)).collect()
}

fn measure_of(incident: &Incident, measure: Measure) -> MeasureValue {
    let (from, to) = measure.between();
    let (from, to) = (value_of(incident, from), value_of(incident, to));
    let (state, length) = match (from.at, to.at) {
        (Some(a), Some(b)) if b < a => (MilestoneState::Invalid, Some(b - a)),
        (Some(a), Some(b)) => (MilestoneState::Recorded, Some(b - a)),
        _ if incident.state.is_running() => (MilestoneState::Pending, None),
        _ => (MilestoneState::NotApplicable, None),
    };
    MeasureValue { measure, state, length, from: from.entry, to: to.entry }
}

fn derive(incident: &Incident, milestone: Milestone) -> Option<Derived> {
    match milestone {
        Milestone::Onset => onset(incident),
        Milestone::Detection => detection(incident),
        Milestone::Notification => first_note(incident, NoteKind::Notification),
        Milestone::Acknowledgement => lifecycle(incident, &LifecycleKind::Acknowledged, true),
        Milestone::Escalation => first_note(incident, NoteKind::Escalation),
        Milestone::Diagnosis => last_note(incident, NoteKind::Diagnosis, None),
        Milestone::Mitigation => lifecycle(incident, &LifecycleKind::Mitigated, false)
            .or_else(|| last_note(incident, NoteKind::Mitigation, recovery_at(incident))),
        Milestone::Recovery => recovery(incident),
        Milestone::Resolution => resolution(incident),
    }
}

fn onset(incident: &Incident) -> Option<Derived> {
    if let Some(first) = incident.tally.first {
        // Of several that began at once, the one that made somebody act.
        let detected = detection(incident).filter(|(at, ..)| *at == first.at);
        let entry = detected.map(|(.., entry)| entry);
        let entry = entry.unwrap_or_else(|| EntryId::episode_start(first.episode));
        return Some((first.at, Provenance::Inferred, entry));
    }
    match &incident.opening {
        Opening::Heartbeat { last_word_at, .. } => {
            Some((*last_word_at, Provenance::Inferred, EntryId::lifecycle(0)))
        }
        Opening::Alert { at, episode } => {
            Some((*at, Provenance::Inferred, EntryId::episode_start(*episode)))
        }
        Opening::Split { .. } => None,
    }
}

fn detection(incident: &Incident) -> Option<Derived> {
    if let Some(paging) = incident.tally.first_paging {
        return Some((paging.at, Provenance::Reported, EntryId::episode_start(paging.episode)));
    }
    match &incident.opening {
        Opening::Alert { at, episode } => {
            Some((*at, Provenance::Reported, EntryId::episode_start(*episode)))
        }
        Opening::Heartbeat { at, .. } => Some((*at, Provenance::Observed, EntryId::lifecycle(0))),
        Opening::Split { .. } => incident
            .tally
            .first
            .map(|first| (first.at, Provenance::Reported, EntryId::episode_start(first.episode))),
    }
}

/// The moment at which the last member ended, once nothing fires.
fn recovery_at(incident: &Incident) -> Option<Timestamp> {
    (incident.tally.firing == 0).then_some(incident.tally.last_end?.at)
}

fn recovery(incident: &Incident) -> Option<Derived> {
    let moment = incident.tally.last_end?;
    (incident.tally.firing == 0).then(|| {
        let provenance = if incident.tally.has_unknown_end {
            Provenance::Inferred
        } else {
            Provenance::Reported
        };
        (moment.at, provenance, EntryId::episode_end(moment.episode))
    })
}

/// A person's word, else the last end of a member: waiting for quiet is not part of an incident.
fn resolution(incident: &Incident) -> Option<Derived> {
    if !matches!(incident.state, IncidentState::Resolved) {
        return None;
    }
    let event = incident.last_event(|kind| *kind == LifecycleKind::Resolved)?;
    if event.actor.is_some() {
        return lifecycle(incident, &LifecycleKind::Resolved, false);
    }
    recovery(incident)
        .map(|(at, _, entry)| (at, Provenance::Inferred, entry))
        .or_else(|| lifecycle(incident, &LifecycleKind::Resolved, false))
}

/// The first or last event of a kind, as a derived time. A person's doing is entered, the
/// machine's is inferred.
fn lifecycle(incident: &Incident, kind: &LifecycleKind, first: bool) -> Option<Derived> {
    let mut events = incident.lifecycle.iter().enumerate().filter(|(_, event)| event.kind == *kind);
    let (index, event) = if first { events.next() } else { events.next_back() }?;
    let provenance = if event.actor.is_some() { Provenance::Entered } else { Provenance::Inferred };
    Some((event.at, provenance, EntryId::lifecycle(index)))
}

fn first_note(incident: &Incident, kind: NoteKind) -> Option<Derived> {
    notes(incident, kind).min_by_key(|note| (note.at, note.id)).map(note_derived)
}

fn last_note(incident: &Incident, kind: NoteKind, until: Option<Timestamp>) -> Option<Derived> {
    notes(incident, kind)
        .filter(|note| until.is_none_or(|until| note.at <= until))
        .max_by_key(|note| (note.at, note.id))
        .map(note_derived)
}

fn note_derived(note: &super::incident::Note) -> Derived {
    let provenance = if note.kind_inferred { Provenance::Inferred } else { Provenance::Entered };
    (note.at, provenance, EntryId::note(note.id))
}

fn notes(incident: &Incident, kind: NoteKind) -> impl Iterator<Item = &super::incident::Note> + '_ {
    incident
        .notes
        .iter()
        .filter(move |note| note.kind == kind && note.withdrawn.is_none() && !note.hidden)
}
