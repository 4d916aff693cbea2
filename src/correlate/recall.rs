//! What has been forgotten and is needed again.
//!
//! The machine says what it wants before it handles a record, and is handed it; forgetting and
//! recalling never change a decision. What may be considered at all is bounded by the windows
//! below, in record time, whether it happens to be in memory or not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fading::Faded;
use super::machine::Machine;
use crate::domain::record::{Operation, OperationAction};
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Incident, IncidentId, IncidentState, Name,
    Record, RecordBody, Span, Timestamp,
};

/// What must be recalled from the store before a record can be handled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Incidents with all their members and the changes they name.
    pub incidents: BTreeSet<IncidentId>,
    /// All recent episodes of these alerts.
    pub alerts: BTreeSet<AlertKey>,
    /// Single episodes.
    pub episodes: BTreeSet<EpisodeId>,
    /// Single changes.
    pub changes: BTreeSet<ChangeId>,
    /// Changes by the key that their source gave.
    pub change_keys: BTreeSet<(Name, String)>,
}

impl Wants {
    /// True when nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
            && self.alerts.is_empty()
            && self.episodes.is_empty()
            && self.changes.is_empty()
            && self.change_keys.is_empty()
    }
}

/// What the store still knew of what was wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// Incidents as they stood.
    pub incidents: Vec<Incident>,
    /// Episodes as they stood.
    pub episodes: Vec<Episode>,
    /// Changes as they stood.
    pub changes: Vec<Change>,
}

impl Recalled {
    /// True when the store knew nothing of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty() && self.episodes.is_empty() && self.changes.is_empty()
    }
}

/// How long, in record time, a resolved incident stays open to what comes late.
pub(super) const INCIDENT_MEMORY: Span = Span::from_hours(24);
/// How long, in record time, a floating episode that ended can still be adopted.
pub(super) const FLOATING_MEMORY: Span = Span::from_hours(3);
/// How long, in record time, a change can still be tied to incidents that form later.
pub(super) const CHANGE_MEMORY: Span = Span::from_hours(24);
/// How long, in record time, the habits of an alert are remembered.
pub(super) const HISTORY_MEMORY: Span = Span::from_hours(24 * 8);

impl Machine {
    /// What must be recalled before `record` can be handled.
    #[must_use]
    pub fn wants(&self, record: &Record) -> Wants {
        let mut wants = Wants::default();
        match &record.body {
            RecordBody::Delivery(delivery) => {
                for word in delivery.words.iter().filter(|word| !word.is_test) {
                    self.want_alert(&word.key, &mut wants);
                    if word.key_from_labels {
                        self.want_alert(&self.key_of(word), &mut wants);
                    }
                }
                for change in &delivery.changes {
                    self.want_change_key(&change.source, change.key.as_deref(), &mut wants);
                }
            }
            RecordBody::Operation(operation) => self.want_for_operation(operation, &mut wants),
            RecordBody::Topology(_)
            | RecordBody::Rules(_)
            | RecordBody::Start(_)
            | RecordBody::Stop
            | RecordBody::Tick
            | RecordBody::Skip(_) => {}
        }
        wants
    }

    /// Hands in what was wanted. What is in memory already stays as it is there.
    pub fn recall(&mut self, wants: Wants, recalled: Recalled) {
        for incident in recalled.incidents {
            if !self.memory.incidents.contains_key(&incident.id) {
                self.memory.put_incident(incident);
            }
        }
        for episode in recalled.episodes {
            if !self.memory.episodes.contains_key(&episode.id) {
                self.memory.put_recalled(episode);
            }
        }
        for change in recalled.changes {
            if !self.memory.changes.contains_key(&change.id) {
                self.memory.put_change(change);
            }
        }
        wants.alerts.iter().for_each(|key| self.memory.knows_again(key));
        self.asked.incidents.extend(wants.incidents);
        self.asked.alerts.extend(wants.alerts);
        self.asked.episodes.extend(wants.episodes);
        self.asked.changes.extend(wants.changes);
        self.asked.change_keys.extend(wants.change_keys);
    }

    /// Drops from memory what lies outside every window. Call only when all effects are
    /// committed. Costs as much as there is to drop, however much there is.
    pub fn forget(&mut self) {
        let Some(now) = self.memory.time else { return };
        let mut changes = Vec::new();
        for faded in self.memory.fading.take(now) {
            match faded {
                Faded::Incident(id) => self.forget_incident(id, now),
                Faded::Floating(id) => self.forget_floating(id, now),
                Faded::Change(id) => changes.push(id),
            }
        }
        if changes.is_empty() {
            return;
        }
        // What an incident names stays with it, as it comes back with it.
        let incidents = self.memory.incidents.values();
        let named: BTreeSet<ChangeId> =
            incidents.flat_map(|incident| incident.changes.iter().copied()).collect();
        for id in changes {
            let is_over = |change: &Change| !is_recent(change, now) && !named.contains(&id);
            if self.memory.changes.get(&id).is_some_and(is_over) {
                self.memory.drop_change(id);
            }
        }
    }

    /// An incident goes whole or stays whole: what its members add up to must not depend on who of
    /// them was forgotten. A member that fires on in one resolved by hand still has deadlines.
    fn forget_incident(&mut self, id: IncidentId, now: Timestamp) {
        let Some(incident) = self.memory.incidents.get(&id) else { return };
        let fires_on = self.memory.sums(id).is_some_and(|sums| sums.firing() > 0);
        if fires_on || self.may_be_considered(incident, now) {
            return;
        }
        for change in &incident.changes {
            if let Some(change) = self.memory.changes.get(change) {
                self.memory.fading.change(change);
            }
        }
        for episode in self.memory.member_ids(id) {
            self.memory.drop_episode(episode);
        }
        self.memory.incidents.remove(&id);
        self.memory.grounds.remove(&id);
    }

    fn forget_floating(&mut self, id: EpisodeId, now: Timestamp) {
        let is_over = |episode: &Episode| {
            episode.incident().is_none()
                && !floats_near(episode, now)
                && !self.memory.heartbeats.contains_key(&id)
        };
        if self.memory.episodes.get(&id).is_some_and(is_over) {
            self.memory.drop_episode(id);
        }
    }

    /// True while new evidence may still be weighed against an incident.
    pub(super) fn may_be_considered(&self, incident: &Incident, now: Timestamp) -> bool {
        match incident.state {
            IncidentState::Open | IncidentState::Acknowledged | IncidentState::Mitigated => true,
            IncidentState::Resolved => now - incident.as_of <= INCIDENT_MEMORY,
            IncidentState::Merged { .. } => false,
        }
    }

    fn want_alert(&self, key: &AlertKey, wants: &mut Wants) {
        if !self.memory.knows_alert(key) {
            if !self.asked.alerts.contains(key) && self.memory.may_have_forgotten(key) {
                wants.alerts.insert(key.clone());
            }
            return;
        }
        for id in self.memory.episodes_of_alert(key).iter() {
            if let Some(incident) = self.memory.episodes.get(id).and_then(Episode::incident) {
                self.want_incident(incident, wants);
            }
        }
    }

    /// Wants an incident and, through it, the one into which it was merged.
    fn want_incident(&self, id: IncidentId, wants: &mut Wants) {
        match self.memory.incidents.get(&id) {
            Some(incident) => {
                if let IncidentState::Merged { into } = incident.state {
                    self.want_incident(into, wants);
                }
            }
            None if id.0 >= 1
                && id.0 <= self.memory.counters.incident
                && !self.asked.incidents.contains(&id) =>
            {
                wants.incidents.insert(id);
            }
            None => {}
        }
    }

    fn want_change_key(&self, source: &Name, key: Option<&str>, wants: &mut Wants) {
        let Some(key) = key else { return };
        let full = (source.clone(), key.to_owned());
        if self.memory.change_by_key(source, key).is_none()
            && !self.asked.change_keys.contains(&full)
        {
            wants.change_keys.insert(full);
        }
    }

    fn want_for_operation(&self, operation: &Operation, wants: &mut Wants) {
        if let Some(id) = operation.action.incident() {
            self.want_incident(id, wants);
        }
        match &operation.action {
            OperationAction::Merge { into, .. } => self.want_incident(*into, wants),
            OperationAction::Move(_, episodes) | OperationAction::Split(_, episodes) => {
                for id in episodes {
                    match self.memory.episodes.get(id) {
                        Some(episode) => {
                            if let Some(incident) = episode.incident() {
                                self.want_incident(incident, wants);
                            }
                        }
                        None if !self.asked.episodes.contains(id) => {
                            wants.episodes.insert(*id);
                        }
                        None => {}
                    }
                }
            }
            // What was merged into it has the same words.
            OperationAction::Redact(id, _) => {
                let survivor = self.survivor(*id).unwrap_or(*id);
                self.family(survivor).into_iter().for_each(|id| self.want_incident(id, wants));
            }
            OperationAction::ReportChange(change) => {
                self.want_change_key(&change.source, change.key.as_deref(), wants);
            }
            OperationAction::RedactChange(id) => {
                if !self.memory.changes.contains_key(id) && !self.asked.changes.contains(id) {
                    wants.changes.insert(*id);
                }
            }
            OperationAction::Acknowledge(_)
            | OperationAction::Mitigate(_)
            | OperationAction::Resolve(_)
            | OperationAction::Reopen(_)
            | OperationAction::Patch(..)
            | OperationAction::AddNote(..)
            | OperationAction::CorrectNote(..)
            | OperationAction::WithdrawNote(..)
            | OperationAction::AddAction(..)
            | OperationAction::PatchAction(..)
            // The rows of those that are not in memory are rewritten by whoever keeps them.
            | OperationAction::RedactPerson(_) => {}
        }
    }
}

/// True while a change can still be tied to an incident that does not name it yet.
pub(super) fn is_recent(change: &Change, now: Timestamp) -> bool {
    now - change.received_at <= CHANGE_MEMORY
}

/// True while a floating episode can still find a home.
pub(super) fn floats_near(episode: &Episode, now: Timestamp) -> bool {
    match &episode.end {
        None => true,
        Some(end) => now - end.heard_at <= FLOATING_MEMORY,
    }
}
