//! What lies outside every window soon, in the order in which it gets there.
//!
//! Forgetting looks only at what has come due, never at all there is. An entry says that something
//! may be forgotten then; whether it may is looked up when the time has come, so an entry that no
//! longer holds does no harm. Derived: a restart makes it anew.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::recall::{CHANGE_MEMORY, FLOATING_MEMORY, INCIDENT_MEMORY};
use crate::domain::{
    Change, ChangeId, Episode, EpisodeId, Incident, IncidentId, IncidentState, Timestamp,
};

/// Something that may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Faded {
    Incident(IncidentId),
    Floating(EpisodeId),
    Change(ChangeId),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Fading {
    due: BinaryHeap<Reverse<(Timestamp, Faded)>>,
}

impl Fading {
    /// An incident changed: it may be forgotten some time after it was over.
    pub(super) fn incident(&mut self, incident: &Incident) {
        match incident.state {
            IncidentState::Open | IncidentState::Acknowledged | IncidentState::Mitigated => {}
            IncidentState::Resolved => {
                self.add(incident.as_of + INCIDENT_MEMORY, Faded::Incident(incident.id));
            }
            IncidentState::Merged { .. } => {
                self.add(Timestamp::EPOCH, Faded::Incident(incident.id));
            }
        }
    }

    /// An episode in no incident changed: it may be forgotten some time after its end.
    pub(super) fn floating(&mut self, episode: &Episode) {
        if let Some(end) = &episode.end {
            self.add(end.heard_at + FLOATING_MEMORY, Faded::Floating(episode.id));
        }
    }

    /// A change was told, or nothing names it any more.
    pub(super) fn change(&mut self, change: &Change) {
        self.add(change.received_at + CHANGE_MEMORY, Faded::Change(change.id));
    }

    /// Takes everything that came due before `now`.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<Faded> {
        let mut taken = Vec::new();
        while let Some(Reverse((at, _))) = self.due.peek()
            && *at < now
        {
            taken.extend(self.due.pop().map(|Reverse((_, faded))| faded));
        }
        taken
    }

    fn add(&mut self, at: Timestamp, faded: Faded) {
        self.due.push(Reverse((at, faded)));
    }
}
