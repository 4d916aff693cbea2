//! Past incidents that look like one, and what an incident is known again by.

use serde::{Deserialize, Serialize};

use crate::domain::alert::Kind;
use crate::domain::ids::{Fingerprint, IncidentId, Name};
use crate::domain::time::Timestamp;

/// One sort of alert that took part in an incident: enough to know it again in another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The alert's name.
    pub alertname: Name,
    /// The service it spoke of.
    pub service: Option<Name>,
    /// The signal it spoke of.
    pub kind: Kind,
    /// The alert that was the first of its sort.
    pub fingerprint: Fingerprint,
}

/// A past incident that looks like this one. A hint where to look, never a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similar {
    /// Which.
    pub incident: IncidentId,
    /// What it was called when they were compared.
    pub title: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How alike they are, from 0 to 1.
    pub score: f64,
    /// The terms of the rule, in words, with the numbers.
    pub why: Vec<String>,
    /// What people wrote had ended it.
    pub resolution: Option<String>,
    /// Why it happened, as people wrote.
    pub root_cause: Option<String>,
    /// The last thing that was done against it by its notes, where nobody wrote what ended it.
    pub mitigation: Option<String>,
}
