//! The words of a change that was told in our own form, taken back: its summary, who made it, and
//! where to read more. Its service, kind, times, labels and key stay, for the machine goes by them.
//!
//! The machine goes by the summary too (planned work, words in common with the alerts), so what it
//! decided while it knew the words is kept as it stands and never derived anew: see `engine` of the
//! store, which notes from which record on.

use crate::domain::change::ChangeReport;
use crate::domain::facts::Revision;
use crate::domain::ids::ChangeId;
use crate::domain::incident::{CandidateKind, Incident};
use crate::domain::redaction::words_redacted;

/// What a revision says about a change begins with this, and its summary follows.
pub const CHANGE_HEARD_OF: &str = "Change heard of: ";

/// A change whose words are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeTaken {
    /// Which.
    id: ChangeId,
    /// What is left of it.
    left: ChangeReport,
}

impl ChangeTaken {
    /// Whatever the change says now.
    #[must_use]
    pub fn new(id: ChangeId, report: &ChangeReport) -> Self {
        Self { id, left: without_words(report) }
    }

    /// True for each report of this change: those under its key, and whatever says the same.
    fn is_meant(&self, report: &ChangeReport) -> bool {
        let is_told_anew = self.left.key.is_some() && report.key == self.left.key;
        report.source == self.left.source && (is_told_anew || without_words(report) == self.left)
    }

    pub(super) fn redact_change(&self, report: &mut ChangeReport) -> bool {
        let left = without_words(report);
        let is_changed = self.is_meant(report) && *report != left;
        if is_changed {
            *report = left;
        }
        is_changed
    }

    /// A candidate cause says the summary, with the kind behind it.
    pub(super) fn redact_incident(&self, incident: &mut Incident) {
        let reference = self.id.to_string();
        for candidate in &mut incident.candidates {
            if candidate.kind == CandidateKind::Change && candidate.reference == reference {
                candidate.summary = self.left.candidate_summary();
            }
        }
    }

    /// What a revision says of it.
    pub(super) fn redact_revision(&self, revision: &mut Revision) {
        for text in &mut revision.changes {
            let summary = text.strip_prefix(CHANGE_HEARD_OF).map(words_redacted);
            if let Some(summary) = summary.filter(|summary| *summary == self.left.summary) {
                *text = format!("{CHANGE_HEARD_OF}{summary}");
            }
        }
    }
}

fn without_words(report: &ChangeReport) -> ChangeReport {
    let redacted = |text: &Option<String>| text.as_deref().map(words_redacted);
    ChangeReport {
        summary: words_redacted(&report.summary),
        author: redacted(&report.author),
        link: redacted(&report.link),
        ..report.clone()
    }
}
