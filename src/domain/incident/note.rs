//! Notes: what people write for the timeline, with every correction kept.

use serde::{Deserialize, Serialize};

use crate::domain::ids::NoteId;
use crate::domain::time::Timestamp;

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
