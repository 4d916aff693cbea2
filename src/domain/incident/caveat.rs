//! Doubts that the writer of a postmortem must know.

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

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
