//! Incidents: a set of episodes treated as one story, and what people said about it.

mod action;
mod caveat;
mod note;
mod report;
mod similar;

use serde::{Deserialize, Serialize};

use super::alert::Severity;
use super::ids::{ChangeId, EpisodeId, IncidentId, Name};
use super::time::Timestamp;

pub use action::{Action, ActionDraft, ActionKind, ActionPatch, Horizon};
pub use caveat::{Caveat, CaveatKind};
pub use note::{Note, NoteKind, NoteVersion, Withdrawal};
pub use report::{DraftStatus, Patch, Report, present};
pub use similar::{Similar, Trace};

/// One incident: everything about it but its episodes and changes, which are kept beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// Counts the steps that changed its facts; the first is 1.
    pub revision: u64,
    /// Record time of the revision.
    pub as_of: Timestamp,
    /// What opened it.
    pub opening: Opening,
    /// Where it stands.
    pub state: IncidentState,
    /// A name made from what opened it; people can give a better one in `report`.
    pub title: String,
    /// What happened to it, in the order in which we learnt of it.
    pub lifecycle: Vec<LifecycleEvent>,
    /// What its members add up to.
    pub tally: Tally,
    /// What people reported; their word wins over everything derived.
    pub report: Report,
    /// What people wrote, in the order of arrival.
    pub notes: Vec<Note>,
    /// Measures to take, in the order of arrival.
    pub actions: Vec<Action>,
    /// Doubts the writer must know, which the episodes themselves do not show.
    pub caveats: Vec<Caveat>,
    /// The earlier incident of which it is a continuation.
    pub follows: Option<IncidentId>,
    /// Other incidents tied to it by evidence, with the reason.
    pub related: Vec<Related>,
    /// Changes near it in time and in the service graph, by the moment at which they happened.
    pub changes: Vec<ChangeId>,
    /// What may have caused it: best first within each kind.
    pub candidates: Vec<Candidate>,
    /// What it is known again by: the first sorts of alerts that took part in it.
    pub traces: Vec<Trace>,
    /// Past incidents that look like it: those of which it is written what ended them first.
    pub similar: Vec<Similar>,
    /// The facts that people reviewed, once the draft is final, and what came later.
    pub finalised: Option<Finalised>,
    /// A person wants it kept, however old it gets. No part of the story: it stands in no draft,
    /// and setting it is no revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// What opened an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// An alert.
    Alert {
        /// The episode that made it an incident.
        episode: EpisodeId,
        /// When that episode began, in occurred time.
        at: Timestamp,
    },
    /// A heartbeat that stayed away, or said that it ended.
    Heartbeat {
        /// The heartbeat's name.
        name: Name,
        /// The heartbeat's own episode, which never is a member.
        episode: EpisodeId,
        /// Its last word before.
        last_word_at: Timestamp,
        /// When it was missed.
        at: Timestamp,
    },
    /// A person took alerts out of another incident.
    Split {
        /// From which one.
        from: IncidentId,
        /// When.
        at: Timestamp,
    },
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has taken it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// The impact has stopped, the fault has not been mended.
    Mitigated,
    /// It is over.
    Resolved,
    /// It is part of another one's story.
    Merged {
        /// Which.
        into: IncidentId,
    },
}

impl IncidentState {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
            Self::Merged { .. } => "merged",
        }
    }

    /// True while it runs.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Mitigated)
    }
}

/// Something that happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleEvent {
    /// What.
    pub kind: LifecycleKind,
    /// When, in occurred time.
    pub at: Timestamp,
    /// When we learnt or decided it, in record time.
    pub recorded_at: Timestamp,
    /// Who did it; `None` when the machine did.
    pub actor: Option<String>,
}

/// What can happen to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleKind {
    /// It began to be an incident.
    Opened,
    /// Somebody took it.
    Acknowledged,
    /// The impact stopped.
    Mitigated,
    /// It is over: all alerts ended and stayed so, or a person said so.
    Resolved,
    /// It went on, for the reason given.
    Reopened(String),
    /// It became part of another incident.
    MergedInto(IncidentId),
    /// Another incident became part of it.
    Absorbed(IncidentId),
    /// Alerts were taken out into a new incident.
    SplitInto(IncidentId),
    /// Alerts were moved in by a person.
    MovedIn(Vec<EpisodeId>),
}

/// What the members of an incident add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many members.
    pub total: u64,
    /// How many of them fire.
    pub firing: u64,
    /// The earliest start among members, lead-up included.
    pub first: Option<Moment>,
    /// The earliest start of a member that would page, lead-up left out.
    pub first_paging: Option<Moment>,
    /// The last end, known once nothing fires. For unknown ends, the last known firing.
    pub last_end: Option<Moment>,
    /// True when some member's end is unknown.
    pub has_unknown_end: bool,
    /// The worst severity among members.
    pub severity: Option<Severity>,
    /// The services of the members, in the order in which they began to suffer.
    pub services: Vec<Name>,
}

/// A time with the episode that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, in occurred time.
    pub at: Timestamp,
    /// Which episode.
    pub episode: EpisodeId,
}

/// Another incident tied to this one by evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Which.
    pub incident: IncidentId,
    /// Why, with the numbers.
    pub reason: String,
}

/// Something that may have caused an incident. Evidence, never a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// A change or a service.
    pub kind: CandidateKind,
    /// A change id, a service name, or `node:NAME`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// In one line; for a change its own summary comes first.
    pub summary: String,
    /// From 0 to 1; only the order means something.
    pub score: f64,
    /// The rule's terms, in words, with the numbers.
    pub why: Vec<String>,
}

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// A change told to us.
    Change,
    /// A service, or a node.
    Service,
}

/// The facts that people reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finalised {
    /// The revision that was reviewed.
    pub revision: u64,
    /// When it became final, in record time.
    pub at: Timestamp,
    /// By whom.
    pub by: Option<String>,
}

impl Incident {
    /// One that has just opened: nothing is known of it but what opened it.
    #[must_use]
    pub fn new(id: IncidentId, opening: Opening, title: String, as_of: Timestamp) -> Self {
        Self {
            id,
            revision: 0,
            as_of,
            opening,
            state: IncidentState::Open,
            title,
            lifecycle: Vec::new(),
            tally: Tally::default(),
            report: Report::default(),
            notes: Vec::new(),
            actions: Vec::new(),
            caveats: Vec::new(),
            follows: None,
            related: Vec::new(),
            changes: Vec::new(),
            candidates: Vec::new(),
            traces: Vec::new(),
            similar: Vec::new(),
            finalised: None,
            pinned: false,
        }
    }

    /// The name that people gave, else the derived one.
    #[must_use]
    pub fn display_title(&self) -> &str {
        self.report.title.as_deref().unwrap_or(&self.title)
    }

    /// The severity that people gave, else the worst among members, else warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.report.severity.or(self.tally.severity).unwrap_or(Severity::Warning)
    }

    /// The last event of a kind.
    pub fn last_event(&self, is: impl Fn(&LifecycleKind) -> bool) -> Option<&LifecycleEvent> {
        self.lifecycle.iter().rev().find(|event| is(&event.kind))
    }
}
