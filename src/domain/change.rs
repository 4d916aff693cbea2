//! Changes: deploys, rollbacks, settings, flags. Evidence, never asserted as the cause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{ChangeId, Name};
use super::labels::Labels;
use super::time::Timestamp;

/// What sort of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A new version.
    Deploy,
    /// Back to an older version or setting.
    Rollback,
    /// Settings.
    Config,
    /// A feature flag.
    Flag,
    /// More or fewer of something.
    Scaling,
    /// Planned work.
    Maintenance,
    /// Anything else.
    Other,
}

impl ChangeKind {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 7] = [
        Self::Deploy,
        Self::Rollback,
        Self::Config,
        Self::Flag,
        Self::Scaling,
        Self::Maintenance,
        Self::Other,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Config => "config",
            Self::Flag => "flag",
            Self::Scaling => "scaling",
            Self::Maintenance => "maintenance",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change as it was told to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// Who told us: a source.
    pub source: Name,
    /// When it happened, as claimed.
    pub at: Timestamp,
    /// When it was over, for changes that take a while.
    pub ends_at: Option<Timestamp>,
    /// What sort.
    pub kind: ChangeKind,
    /// The service it touches.
    pub service: Option<Name>,
    /// What it is, in one line.
    pub summary: String,
    /// Who made it.
    pub author: Option<String>,
    /// Where to read more.
    pub link: Option<String>,
    /// More about it, such as `cluster` and `env`.
    pub labels: Labels,
    /// The teller's own key; the same key again is the same change, told anew.
    pub key: Option<String>,
}

impl ChangeReport {
    /// The source of what is told in our own form; no sender can be given this name.
    pub const OWN_SOURCE: &str = "api";

    /// True when it was told in our own form, so that it stands in the ledger as a person's doing.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.source.as_str() == Self::OWN_SOURCE
    }

    /// What it is called as a candidate cause: its own summary first.
    #[must_use]
    pub fn candidate_summary(&self) -> String {
        format!("{} ({})", self.summary, self.kind)
    }
}

/// A change as scribed knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// What was told.
    pub report: ChangeReport,
    /// When we first heard of it.
    pub received_at: Timestamp,
}
