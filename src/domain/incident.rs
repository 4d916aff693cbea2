//! Incidents: a set of episodes treated as one story, and what people said about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alert::Severity;
use super::ids::{ActionId, ChangeId, EpisodeId, IncidentId, Name, NoteId};
use super::milestone::Milestone;
use super::time::Timestamp;

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
    /// The facts that people reviewed, once the draft is final, and what came later.
    pub finalised: Option<Finalised>,
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

/// What people reported about an incident. `None` means: nobody said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// A better name.
    pub title: Option<String>,
    /// How bad it was.
    pub severity: Option<Severity>,
    /// What users saw.
    pub impact: Option<String>,
    /// How many users.
    pub impact_users: Option<u64>,
    /// Which share of users, in percent.
    pub impact_users_percent: Option<f64>,
    /// Why it happened.
    pub root_cause: Option<String>,
    /// What ended it.
    pub resolution: Option<String>,
    /// The zone of the people involved, an IANA name.
    pub timezone: Option<String>,
    /// Who leads.
    pub lead: Option<String>,
    /// How far the review is.
    pub status: DraftStatus,
    /// Times that people gave.
    pub milestones: BTreeMap<Milestone, Timestamp>,
}

/// How far the review of a draft is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftStatus {
    /// Being written.
    #[default]
    Draft,
    /// Being read by others.
    InReview,
    /// Reviewed and frozen.
    Final,
}

impl DraftStatus {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InReview => "in_review",
            Self::Final => "final",
        }
    }
}

/// A change to a report. Outer `None`: untouched; `Some(None)`: taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// See [`Report::title`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    /// See [`Report::severity`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub severity: Option<Option<Severity>>,
    /// See [`Report::impact`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub impact: Option<Option<String>>,
    /// See [`Report::impact_users`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub impact_users: Option<Option<u64>>,
    /// See [`Report::impact_users_percent`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub impact_users_percent: Option<Option<f64>>,
    /// See [`Report::root_cause`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<Option<String>>,
    /// See [`Report::resolution`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Option<String>>,
    /// See [`Report::timezone`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Option<String>>,
    /// See [`Report::lead`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub lead: Option<Option<String>>,
    /// See [`Report::status`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<Option<DraftStatus>>,
    /// Times given (`Some`) or taken back (`None`).
    pub milestones: BTreeMap<Milestone, Option<Timestamp>>,
}

/// Tells an absent field from `null`: a field that is there becomes `Some`, whatever it holds.
pub mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the inner value.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    /// Reads a field that is there.
    ///
    /// # Errors
    /// The deserializer's own.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

/// What a person wrote for the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// The text as it stands.
    pub text: String,
    /// What sort, as it stands.
    pub kind: NoteKind,
    /// True when the kind was suggested from the text.
    pub kind_inferred: bool,
    /// The time it speaks of, as it stands.
    pub at: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// Who wrote it, or for whom.
    pub author: Option<String>,
    /// Shown first and never folded.
    pub pinned: bool,
    /// Left out of drafts.
    pub hidden: bool,
    /// Set when it was taken back, with who did it.
    pub withdrawn: Option<Withdrawal>,
    /// How it stood before each correction, oldest first.
    pub history: Vec<NoteVersion>,
}

/// A note was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// When, in record time.
    pub at: Timestamp,
    /// By whom.
    pub by: Option<String>,
}

/// A note as it stood before a correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteVersion {
    /// The former text.
    pub text: String,
    /// The former kind.
    pub kind: NoteKind,
    /// The former time.
    pub at: Timestamp,
    /// When it was corrected, in record time.
    pub corrected_at: Timestamp,
    /// Who corrected it.
    pub corrected_by: Option<String>,
}

/// What a note speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Something seen.
    Observation,
    /// Somebody was told by a system.
    Notification,
    /// Looking into it.
    Investigation,
    /// A suspicion that was not the cause.
    WrongLead,
    /// Others were called in.
    Escalation,
    /// The cause was found.
    Diagnosis,
    /// A choice was made.
    Decision,
    /// Users or others were told.
    Communication,
    /// Something was done against it.
    Mitigation,
    /// Something works again.
    Recovery,
    /// It is over.
    Resolution,
}

impl NoteKind {
    /// All of them, in the order of the domain page.
    pub const ALL: [Self; 11] = [
        Self::Observation,
        Self::Notification,
        Self::Investigation,
        Self::WrongLead,
        Self::Escalation,
        Self::Diagnosis,
        Self::Decision,
        Self::Communication,
        Self::Mitigation,
        Self::Recovery,
        Self::Resolution,
    ];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observation => "observation",
            Self::Notification => "notification",
            Self::Investigation => "investigation",
            Self::WrongLead => "wrong-lead",
            Self::Escalation => "escalation",
            Self::Diagnosis => "diagnosis",
            Self::Decision => "decision",
            Self::Communication => "communication",
            Self::Mitigation => "mitigation",
            Self::Recovery => "recovery",
            Self::Resolution => "resolution",
        }
    }
}

/// A measure to take after the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// What is to be done.
    #[serde(flatten)]
    pub draft: ActionDraft,
    /// When it was written down, in record time.
    pub recorded_at: Timestamp,
}

/// A measure as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionDraft {
    /// What is to be done.
    pub text: String,
    /// Something to get better at, or something to do.
    pub kind: ActionKind,
    /// By when, roughly.
    pub horizon: Option<Horizon>,
    /// Who does it.
    pub owner: Option<String>,
    /// By when, as the person wrote it (a date).
    pub due: Option<String>,
    /// The ticket.
    pub link: Option<String>,
    /// Done.
    pub done: bool,
}

/// A change of a measure. Outer `None`: untouched; `Some(None)`: taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionPatch {
    /// See [`ActionDraft::text`].
    pub text: Option<String>,
    /// See [`ActionDraft::kind`].
    pub kind: Option<ActionKind>,
    /// See [`ActionDraft::horizon`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub horizon: Option<Option<Horizon>>,
    /// See [`ActionDraft::owner`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Option<String>>,
    /// See [`ActionDraft::due`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub due: Option<Option<String>>,
    /// See [`ActionDraft::link`].
    #[serde(with = "present", skip_serializing_if = "Option::is_none")]
    pub link: Option<Option<String>>,
    /// See [`ActionDraft::done`].
    pub done: Option<bool>,
}

/// Two sorts of measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionKind {
    /// Something to get better at.
    Improvement,
    /// Something to do.
    Task,
}

/// By when a task is to be done, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Horizon {
    /// Now.
    Immediate,
    /// In weeks.
    ShortTerm,
    /// In months.
    LongTerm,
}

impl Horizon {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::ShortTerm => "short-term",
            Self::LongTerm => "long-term",
        }
    }
}

/// A doubt that the writer of the postmortem must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caveat {
    /// What sort.
    pub kind: CaveatKind,
    /// When it concerns, in occurred time.
    pub at: Timestamp,
    /// Until when, for stretches.
    pub until: Option<Timestamp>,
    /// When we learnt of it, in record time.
    pub recorded_at: Timestamp,
    /// One sentence for people.
    pub text: String,
}

/// Sorts of doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaveatKind {
    /// The sender left alerts out.
    Truncated,
    /// scribed was down and may have missed something.
    Deaf,
    /// A resolve was withdrawn because the alert went on firing.
    ResolveWithdrawn,
    /// A fingerprint was met with other labels.
    FingerprintReused,
    /// A record could not be worked in.
    Skipped,
    /// No end was heard.
    EndUnknown,
    /// A claimed time could not be true.
    ImpossibleTime,
    /// A sender's message came much later than what it tells of.
    Late,
    /// Nothing was heard for a long stretch.
    Silence,
    /// The end was not a recovery.
    NotRecovered,
}

impl CaveatKind {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Deaf => "deaf",
            Self::ResolveWithdrawn => "resolve_withdrawn",
            Self::FingerprintReused => "fingerprint_reused",
            Self::Skipped => "skipped",
            Self::EndUnknown => "end_unknown",
            Self::ImpossibleTime => "impossible_time",
            Self::Late => "late",
            Self::Silence => "silence",
            Self::NotRecovered => "not_recovered",
        }
    }
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
