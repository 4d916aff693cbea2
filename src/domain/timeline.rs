//! Timeline entries: one line each, with both clocks and where it comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::alert::{AlertKey, Link, Severity};
use super::ids::{ChangeId, EpisodeId, Name, NoteId};
use super::incident::NoteKind;
use super::milestone::Milestone;
use super::time::Timestamp;

/// The id of an entry, made from what it shows, so that it survives every re-reading.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub String);

impl EntryId {
    /// The beginning of an episode.
    #[must_use]
    pub fn episode_start(id: EpisodeId) -> Self {
        Self(format!("{id}-start"))
    }

    /// The end of an episode.
    #[must_use]
    pub fn episode_end(id: EpisodeId) -> Self {
        Self(format!("{id}-end"))
    }

    /// A change.
    #[must_use]
    pub fn change(id: ChangeId) -> Self {
        Self(id.to_string())
    }

    /// A note.
    #[must_use]
    pub fn note(id: NoteId) -> Self {
        Self(id.to_string())
    }

    /// The life-cycle event at a place in the incident's list.
    #[must_use]
    pub fn lifecycle(index: usize) -> Self {
        Self(format!("life-{}", index + 1))
    }

    /// The caveat at a place in the incident's list.
    #[must_use]
    pub fn caveat(index: usize) -> Self {
        Self(format!("caveat-{}", index + 1))
    }

    /// A milestone that a person gave.
    #[must_use]
    pub fn milestone(milestone: Milestone) -> Self {
        Self(format!("entered-{}", milestone.as_str()))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// The sender said so.
    Reported,
    /// We measured it.
    Observed,
    /// We derived it.
    Inferred,
    /// A person wrote it.
    Entered,
}

impl Provenance {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Observed => "observed",
            Self::Inferred => "inferred",
            Self::Entered => "entered",
        }
    }
}

/// What an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// An alert began or ended.
    Alert,
    /// A change.
    Change,
    /// A person's words.
    Note,
    /// Something that happened to the incident.
    Lifecycle,
    /// A doubt.
    Caveat,
}

impl EntryKind {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Change => "change",
            Self::Note => "note",
            Self::Lifecycle => "lifecycle",
            Self::Caveat => "caveat",
        }
    }
}

/// Which part of the story an entry belongs to, in the order used for sorting equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the start: changes and early warnings.
    LeadUp,
    /// The first signal that somebody should act.
    Detection,
    /// A new sign of the trouble.
    Symptom,
    /// Somebody was told.
    Notification,
    /// Users or others were told or spoke up.
    Communication,
    /// Somebody looks into it.
    Investigation,
    /// A suspicion that was not the cause.
    WrongLead,
    /// Others were called in.
    Escalation,
    /// The cause was found.
    Diagnosis,
    /// A choice was made.
    Decision,
    /// Something was done against it.
    Mitigation,
    /// Something works again.
    Recovery,
    /// It is over.
    Resolution,
}

impl Phase {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeadUp => "lead-up",
            Self::Detection => "detection",
            Self::Symptom => "symptom",
            Self::Notification => "notification",
            Self::Communication => "communication",
            Self::Investigation => "investigation",
            Self::WrongLead => "wrong-lead",
            Self::Escalation => "escalation",
            Self::Diagnosis => "diagnosis",
            Self::Decision => "decision",
            Self::Mitigation => "mitigation",
            Self::Recovery => "recovery",
            Self::Resolution => "resolution",
        }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Until when, for folded entries and stretches.
    pub ended_at: Option<Timestamp>,
    /// When we learnt of it.
    pub received_at: Timestamp,
    /// What it shows.
    pub kind: EntryKind,
    /// Which part of the story.
    pub phase: Phase,
    /// One line for people; plain text, from outside in parts, so it must be escaped.
    pub text: String,
    /// Who did it.
    pub actor: Option<String>,
    /// Which service it speaks of.
    pub service: Option<Name>,
    /// The severity, for alerts.
    pub severity: Option<Severity>,
    /// How we know.
    pub provenance: Provenance,
    /// How many alerts, or firings of one alert, it folds together; 1 for a plain one.
    pub count: u64,
    /// Ways to the evidence.
    pub links: Vec<Link>,
    /// A person pinned it.
    pub pinned: bool,
    /// The rows that it folds together, in order; empty for a plain one.
    pub rows: Vec<Entry>,
    /// The alert it speaks of, for alert entries.
    pub episode: Option<EpisodeId>,
    /// What tells alert entries alike, so that they can be folded; `None` for others.
    pub signal: Option<Signal>,
    /// How a note stood before its corrections, oldest first.
    pub corrections: Vec<Correction>,
    /// Why it is left out where there are many like it.
    pub aside: Option<Aside>,
}

/// How a note stood before one correction: what was different then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// When it was corrected, in record time.
    pub corrected_at: Timestamp,
    /// By whom.
    pub by: Option<String>,
    /// The former text.
    pub text: Option<String>,
    /// The former time.
    pub at: Option<Timestamp>,
    /// The former kind.
    pub kind: Option<NoteKind>,
}

impl Correction {
    /// In words, with moments as the reader's clock shows them: `corrected 17:15 by dana, before:
    /// "cache cleard" at 16:45`.
    #[must_use]
    pub fn words(&self, moment: impl Fn(Timestamp) -> String) -> String {
        let by = self.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let former: Vec<String> = [
            self.text.as_ref().map(|text| format!("\"{text}\"")),
            self.at.map(|at| format!("at {}", moment(at))),
            self.kind.map(|kind| format!("as {}", kind.as_str())),
        ]
        .into_iter()
        .flatten()
        .collect();
        format!("corrected {}{by}, before: {}", moment(self.corrected_at), former.join(" "))
    }
}

/// Why a change is left out of a timeline that tells of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    /// It was made on a service that has no alerts in the incident.
    Elsewhere,
    /// It was made when no alert fired on its service any more, or yet.
    AtRest,
    /// It was made long before the onset.
    LongBefore,
}

/// Which alert an entry is about, and which end of its firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The alert's identity.
    pub key: AlertKey,
    /// The alert's name.
    pub alertname: Name,
    /// What tells it from others of its name and service, with the label that says so: its pod,
    /// instance or node, or a region, a topic, a queue.
    pub place: Option<(Name, String)>,
    /// Which end of the firing.
    pub edge: Edge,
}

/// One of the two ends of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// It began.
    Start,
    /// It ended.
    End,
}
