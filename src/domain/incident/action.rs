//! Measures to take after an incident.

use serde::{Deserialize, Serialize};

use super::report::present;
use crate::domain::ids::ActionId;
use crate::domain::time::Timestamp;

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
