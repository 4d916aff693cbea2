//! Words that are taken back for good: out of everything that the machine holds.
//!
//! What it has forgotten is rewritten by whoever keeps it, by the same functions of the domain.
//! Caller: `operations`.

use super::machine::Machine;
use super::operations::Refused;
use crate::domain::incident::LifecycleKind;
use crate::domain::record::Outcome;
use crate::domain::words::{ChangeTaken, TakenBack, Which, Words};
use crate::domain::{ChangeId, IncidentId};

impl Machine {
    /// Takes words back for good. Always a revision, whether they had been taken back before or
    /// not: a replay finds them gone already, and has to count the same.
    pub(super) fn redact(
        &mut self,
        id: IncidentId,
        words: Words,
    ) -> Result<Option<String>, Refused> {
        let which = Which::of(words, self.incident(id)?)
            .ok_or_else(|| Outcome::Unknown(format!("Incident {id} has no {words}")))?;
        let taken = TakenBack { incidents: self.family(id), which };
        for id in &taken.incidents {
            if let Some(incident) = self.memory.incidents.get_mut(id) {
                taken.redact_incident(incident);
                self.dirt.say(*id, format!("Redacted: {words}"));
            }
        }
        // The rows of those that copied them are rewritten by whoever keeps them.
        for incident in self.memory.incidents.values_mut() {
            taken.redact_copies(incident);
        }
        self.dirt.taken_back.push(taken);
        Ok(None)
    }

    /// Takes a name back for good. No revision of anything: in how many incidents it stood is for
    /// whoever keeps them to find out, and names carry no fact but who it was.
    pub(super) fn redact_person(&mut self, replacement: &str) -> Outcome {
        let which = Which::Person(replacement.to_owned());
        self.take_back_everywhere(TakenBack { incidents: Vec::new(), which });
        Outcome::Done { incident: None, made: None }
    }

    /// Takes the words of a change back for good, without a revision as well.
    pub(super) fn redact_change(&mut self, id: ChangeId) -> Result<Outcome, Refused> {
        let change = self
            .memory
            .changes
            .get(&id)
            .ok_or_else(|| Outcome::Unknown(format!("There is no change {id}")))?;
        if !change.report.is_own() {
            return Err(Outcome::Conflict(format!(
                "Change {id} came from the source {}; its words are taken out by redaction rules, \
                 before they are stored",
                change.report.source
            )));
        }
        let which = Which::Change(ChangeTaken::new(id, &change.report));
        self.take_back_everywhere(TakenBack { incidents: Vec::new(), which });
        Ok(Outcome::Done { incident: None, made: Some(id.to_string()) })
    }

    /// Takes words back out of everything that is in memory.
    fn take_back_everywhere(&mut self, taken: TakenBack) {
        for incident in self.memory.incidents.values_mut() {
            taken.redact_incident(incident);
        }
        for (_, revision) in &mut self.dirt.revisions {
            taken.redact_revision(revision);
        }
        let mut changed = Vec::new();
        for change in self.memory.changes.values_mut() {
            if !taken.is_basis_of_decisions() {
                taken.redact_change(&mut change.report);
                continue;
            }
            let mut change = change.clone();
            if taken.redact_change(&mut change.report) {
                changed.push(change);
            }
        }
        // What is derived from it is derived anew.
        for change in changed {
            self.memory.drop_change(change.id);
            self.memory.put_change(change);
        }
        self.dirt.taken_back.push(taken);
    }

    /// An incident and all that were merged into it.
    pub(super) fn family(&self, id: IncidentId) -> Vec<IncidentId> {
        let mut family = vec![id];
        let mut next = 0;
        while let Some(id) = family.get(next).copied() {
            let events = self.memory.incidents.get(&id).map_or(&[][..], |i| &i.lifecycle);
            for event in events {
                if let LifecycleKind::Absorbed(younger) = event.kind
                    && !family.contains(&younger)
                {
                    family.push(younger);
                }
            }
            next += 1;
        }
        family
    }
}
