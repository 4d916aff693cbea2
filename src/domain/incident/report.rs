//! What people report about an incident: their words, which win over everything derived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::alert::Severity;
use crate::domain::milestone::Milestone;
use crate::domain::time::Timestamp;

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
    /// See [`Incident::pinned`](crate::domain::Incident::pinned), which no report holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
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
