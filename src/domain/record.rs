//! The ledger's records: everything that can change an incident.

use serde::{Deserialize, Serialize};

use super::alert::Word;
use super::change::ChangeReport;
use super::ids::{ActionId, ChangeId, EpisodeId, IncidentId, Name, NoteId, Seq};
use super::incident::{ActionDraft, ActionPatch, NoteKind, Patch};
use super::rules::Rules;
use super::time::{Span, Timestamp};
use super::topology::Topology;
use super::words::Words;

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place.
    pub seq: Seq,
    /// The machine's clock: never decreases along the ledger, never ahead of the wall clock.
    /// `None` only for the program's own records at the head of an empty store.
    pub time: Option<Timestamp>,
    /// When it was received: our clock at the socket, or the original time that a replay states.
    /// `None` for the program's own records.
    pub received_at: Option<Timestamp>,
    /// What it says.
    pub body: RecordBody,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordBody {
    /// A body that a sender delivered.
    Delivery(Delivery),
    /// A person's doing.
    Operation(Box<Operation>),
    /// A new service graph.
    Topology(Topology),
    /// The effective grouping configuration, written when it differs from the last one.
    Rules(Box<Rules>),
    /// The program started.
    Start(Start),
    /// The program stopped in good order.
    Stop,
    /// Time passed up to a deadline of the machine.
    Tick,
    /// A record that the machine could not digest twice is passed over.
    Skip(Skip),
}

impl RecordBody {
    /// The delivery that it is, if it is one.
    #[must_use]
    pub const fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Delivery(delivery) => Some(delivery),
            Self::Operation(_)
            | Self::Topology(_)
            | Self::Rules(_)
            | Self::Start(_)
            | Self::Stop
            | Self::Tick
            | Self::Skip(_) => None,
        }
    }
}

/// What one delivery brought, in our words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The configured sender.
    pub source: Name,
    /// How it speaks.
    pub path: Path,
    /// The sender's own address (`externalURL`): tells HA peers apart.
    pub sender: Option<Name>,
    /// The sender's grouping key, opaque.
    pub group: Option<Name>,
    /// How many alerts the sender left out.
    pub truncated: u64,
    /// How many alerts of the body could not be used and stand in quarantine.
    pub rejected: u64,
    /// What it says about alerts.
    pub words: Vec<Word>,
    /// Which changes it tells of.
    pub changes: Vec<ChangeReport>,
}

/// How a sender speaks, which decides what its silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Notifications: states its firing once, and again after the repeat interval.
    Webhook,
    /// Prometheus' own way to an Alertmanager: each firing carries a lease and is renewed.
    Api,
}

/// The program started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The stretch in which we were deaf, in machine time; `None` on a new store.
    pub deaf: Option<DeafStretch>,
}

/// A stretch in which nothing could be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeafStretch {
    /// The last sign of life.
    pub from: Timestamp,
    /// Ready again.
    pub until: Timestamp,
}

impl DeafStretch {
    /// A stretch up to this long leaves no trace: no entry, no revision, no moved deadline.
    pub const NEGLIGIBLE: Span = Span::from_minutes(1);

    /// How long it was.
    #[must_use]
    pub fn length(self) -> Span {
        self.until - self.from
    }

    /// True when it must be told.
    #[must_use]
    pub fn is_notable(self) -> bool {
        self.length() > Self::NEGLIGIBLE
    }
}

/// A record that is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Which record.
    pub seq: Seq,
    /// Why, for people.
    pub problem: String,
}

/// A person's doing, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The authenticated principal; `None` for anonymous access.
    pub principal: Option<Name>,
    /// For whom it was done (`by`, `author`), as the request says.
    pub actor: Option<String>,
    /// When it happened, as claimed; the receipt when nothing was said.
    pub at: Option<Timestamp>,
    /// The revision that the person had seen (`If-Match`), if it said so.
    pub if_revision: Option<u64>,
    /// What is to be done.
    pub action: OperationAction,
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationAction {
    /// Somebody has taken it.
    Acknowledge(IncidentId),
    /// The impact has stopped.
    Mitigate(IncidentId),
    /// It is over.
    Resolve(IncidentId),
    /// It is not over after all.
    Reopen(IncidentId),
    /// Facts that only people know, and corrections.
    Patch(IncidentId, Box<Patch>),
    /// Two incidents are one story.
    Merge {
        /// The one that ends.
        incident: IncidentId,
        /// The one that goes on.
        into: IncidentId,
    },
    /// Some alerts are a story of their own.
    Split(IncidentId, Vec<EpisodeId>),
    /// Some alerts belong to this incident.
    Move(IncidentId, Vec<EpisodeId>),
    /// Text for the timeline.
    AddNote(IncidentId, NoteDraft),
    /// A correction of a note; the history stays.
    CorrectNote(IncidentId, NoteId, NotePatch),
    /// A note is taken back; the history stays.
    WithdrawNote(IncidentId, NoteId),
    /// A measure to take.
    AddAction(IncidentId, ActionDraft),
    /// A measure changed.
    PatchAction(IncidentId, ActionId, ActionPatch),
    /// A change told by a person or a hook in our own form.
    ReportChange(ChangeReport),
    /// Words are taken back for good: their hash takes their place, in earlier records too.
    Redact(IncidentId, Words),
    /// A person's name is taken back for good, everywhere. It is named by what takes its place.
    RedactPerson(String),
    /// The words of a change that was told in our own form are taken back for good.
    RedactChange(ChangeId),
}

impl OperationAction {
    /// The incident it acts on.
    #[must_use]
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Acknowledge(id)
            | Self::Mitigate(id)
            | Self::Resolve(id)
            | Self::Reopen(id)
            | Self::Patch(id, _)
            | Self::Merge { incident: id, .. }
            | Self::Split(id, _)
            | Self::Move(id, _)
            | Self::AddNote(id, _)
            | Self::CorrectNote(id, _, _)
            | Self::WithdrawNote(id, _)
            | Self::AddAction(id, _)
            | Self::PatchAction(id, _, _)
            | Self::Redact(id, _) => Some(*id),
            Self::ReportChange(_) | Self::RedactPerson(_) | Self::RedactChange(_) => None,
        }
    }
}

/// A note as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteDraft {
    /// The text.
    pub text: String,
    /// What sort; suggested from the text when the person gave none.
    pub kind: Option<NoteKind>,
    /// What was suggested from the text before it was redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested: Option<NoteKind>,
}

/// A correction of a note: what is `Some` replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotePatch {
    /// The corrected text.
    pub text: Option<String>,
    /// The corrected kind.
    pub kind: Option<NoteKind>,
    /// The corrected time it speaks of.
    pub at: Option<Timestamp>,
    /// Shown first and never folded.
    pub pinned: Option<bool>,
    /// Left out of drafts.
    pub hidden: Option<bool>,
}

/// What became of an operation, stored with the engine's cursor for whoever waits for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done. Names what it made or acted on.
    Done {
        /// The incident acted on or made (the survivor, for a merged one).
        incident: Option<IncidentId>,
        /// What was made: a note, action or change id, as text.
        made: Option<String>,
    },
    /// There is no such thing; the text names it.
    Unknown(String),
    /// The state does not allow it; the text says which and why.
    Conflict(String),
    /// `If-Match` named another revision; this is the current one.
    Stale {
        /// The revision as it is.
        revision: u64,
    },
}
