//! A person's name, taken back wherever it says who did, wrote, leads or is to do something.
//!
//! The name goes by its hash: the record that takes it back must not say it. Names carry no
//! decision of the machine, so a ledger without one replays to the same incidents without it. Not
//! in words: a note that names somebody is taken back as a note.

use super::TakenBack;
use crate::domain::change::ChangeReport;
use crate::domain::ids::Name;
use crate::domain::incident::Incident;
use crate::domain::record::{Operation, OperationAction};
use crate::domain::redaction::words_redacted;

/// Replaces one name.
pub(super) struct Person<'a> {
    /// What stands in its place: the hash of the name.
    pub(super) replacement: &'a str,
}

impl Person<'_> {
    fn is_meant(&self, name: &str) -> bool {
        name != self.replacement && words_redacted(name) == self.replacement
    }

    /// Replaces a name if it is this one. False when it is not.
    fn replace(&self, name: &mut Option<String>) -> bool {
        let is_meant = name.as_deref().is_some_and(|name| self.is_meant(name));
        if is_meant {
            *name = Some(self.replacement.to_owned());
        }
        is_meant
    }

    /// Whoever did something to an incident, wrote in it, leads it, or has a measure to take.
    pub(super) fn redact_incident(&self, incident: &mut Incident) {
        for event in &mut incident.lifecycle {
            self.replace(&mut event.actor);
        }
        for note in &mut incident.notes {
            self.replace(&mut note.author);
            if let Some(withdrawal) = &mut note.withdrawn {
                self.replace(&mut withdrawal.by);
            }
            for version in &mut note.history {
                self.replace(&mut version.corrected_by);
            }
        }
        for action in &mut incident.actions {
            self.replace(&mut action.draft.owner);
        }
        self.replace(&mut incident.report.lead);
        if let Some(finalised) = &mut incident.finalised {
            self.replace(&mut finalised.by);
        }
    }

    /// Whoever made a change that was told in our own form.
    pub(super) fn redact_change(&self, report: &mut ChangeReport) -> bool {
        report.is_own() && self.replace(&mut report.author)
    }

    /// Whoever asked for something, and whoever it names.
    pub(super) fn redact_record(&self, operation: &mut Operation) -> bool {
        let mut is_changed = self.replace(&mut operation.actor);
        if operation.principal.as_ref().is_some_and(|name| self.is_meant(name.as_str())) {
            operation.principal = Some(Name::from(self.replacement));
            is_changed = true;
        }
        is_changed
            | match &mut operation.action {
                OperationAction::Patch(_, patch) => {
                    patch.lead.as_mut().is_some_and(|lead| self.replace(lead))
                }
                OperationAction::AddAction(_, draft) => self.replace(&mut draft.owner),
                OperationAction::PatchAction(_, _, patch) => {
                    patch.owner.as_mut().is_some_and(|owner| self.replace(owner))
                }
                OperationAction::ReportChange(report) => self.redact_change(report),
                _ => false,
            }
    }
}

impl TakenBack {
    /// What stands in place of a name, for those places that this room does not know; `None` when
    /// another sort of words is taken back, or this is not the name.
    #[must_use]
    pub fn name_redacted(&self, name: &str) -> Option<&str> {
        let person = self.person()?;
        person.is_meant(name).then_some(person.replacement)
    }
}
