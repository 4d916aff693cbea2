//! How incidents end and return, and what their members add up to.

use super::deadlines::Deadline;
use super::machine::Machine;
use super::sums::Sums;
use crate::domain::incident::{LifecycleEvent, LifecycleKind, Opening};
use crate::domain::{EpisodeId, IncidentId, IncidentState, Name, Timestamp};

impl Machine {
    /// Notes something that happened to an incident.
    pub(super) fn record_event(
        &mut self,
        id: IncidentId,
        kind: LifecycleKind,
        at: Timestamp,
        actor: Option<String>,
    ) {
        let recorded_at = self.now();
        if let Some(incident) = self.memory.incidents.get_mut(&id) {
            incident.lifecycle.push(LifecycleEvent { kind, at, recorded_at, actor });
        }
    }

    /// Brings everything derived up to date after a step touched the incident.
    pub(super) fn refresh(&mut self, id: IncidentId) {
        if !self.memory.incidents.contains_key(&id) {
            return;
        }
        self.memory.write_tally(id);
        #[cfg(test)]
        super::tests::sums::check(self, id);
        self.refresh_causes(id);
        self.set_quiet_deadline(id);
    }

    /// An incident whose members have all ended resolves after the quiet period, counted from the
    /// moment at which the last end was heard.
    fn set_quiet_deadline(&mut self, id: IncidentId) {
        let Some(incident) = self.memory.incidents.get(&id) else { return };
        let period = self.memory.rules.incidents.quiet_period;
        let is_heartbeat = matches!(incident.opening, Opening::Heartbeat { .. });
        let is_waiting = incident.state.is_running()
            && incident.tally.firing == 0
            && incident.tally.total > 0
            && !self.is_held_open(id);
        if is_waiting {
            let heard_at = self.memory.sums(id).and_then(Sums::last_heard_at).unwrap_or(self.now());
            self.memory.deadlines.set(Deadline::Quiet(id), heard_at + period, period);
        } else if !is_heartbeat || !incident.state.is_running() {
            self.memory.deadlines.clear(Deadline::Quiet(id));
        }
    }

    /// True when a person reopened it and no person resolved it since: the machine never undoes
    /// what a person decided.
    fn is_held_open(&self, id: IncidentId) -> bool {
        self.memory.incidents.get(&id).is_some_and(|incident| {
            incident
                .last_event(|kind| {
                    matches!(kind, LifecycleKind::Reopened(_) | LifecycleKind::Resolved)
                })
                .is_some_and(|event| {
                    matches!(event.kind, LifecycleKind::Reopened(_)) && event.actor.is_some()
                })
        })
    }

    /// The quiet period passed: it is over since the last end, not since the end of waiting.
    pub(super) fn resolve_quiet(&mut self, id: IncidentId) {
        let Some(incident) = self.memory.incidents.get_mut(&id) else { return };
        if !incident.state.is_running() || incident.tally.firing > 0 {
            return;
        }
        let at = match (&incident.opening, incident.tally.last_end) {
            (_, Some(end)) => end.at,
            _ => incident.as_of,
        };
        incident.state = IncidentState::Resolved;
        self.record_event(id, LifecycleKind::Resolved, at, None);
        self.dirt.say(id, "The incident resolved: all alerts ended and stayed so");
    }

    /// A heartbeat spoke again: its incident resolves when it stays so for the quiet period.
    pub(super) fn heartbeat_returned(&mut self, id: IncidentId, name: &Name) {
        let now = self.now();
        let period = self.memory.rules.incidents.quiet_period;
        if self.memory.incidents.get(&id).is_some_and(|incident| incident.state.is_running()) {
            self.memory.deadlines.set(Deadline::Quiet(id), now + period, period);
            self.dirt.say(id, format!("Heartbeat {name} was heard again"));
        }
    }

    /// An episode that had ended goes on: its incident, resolved by the machine, reopens.
    pub(super) fn go_on(&mut self, episode: EpisodeId, reason: &str, at: Timestamp) {
        let Some(id) = self.incident_of(episode) else { return };
        // A manual resolve holds for the episodes that were known when it was said.
        let by_person = self.memory.incidents.get(&id).is_some_and(|incident| {
            incident
                .last_event(|kind| *kind == LifecycleKind::Resolved)
                .is_some_and(|event| event.actor.is_some())
        });
        if !by_person {
            self.reopen_if_resolved(id, at, reason);
        }
    }

    /// Reopens a resolved incident.
    pub(super) fn reopen_if_resolved(&mut self, id: IncidentId, at: Timestamp, reason: &str) {
        let Some(incident) = self.memory.incidents.get_mut(&id) else { return };
        if incident.state != IncidentState::Resolved {
            return;
        }
        incident.state = state_before_resolution(&incident.lifecycle);
        self.record_event(id, LifecycleKind::Reopened(reason.to_owned()), at, None);
        self.dirt.say(id, format!("The incident reopened: {reason}"));
    }
}

/// A reopened incident is as far as people had brought it, but no longer mitigated.
pub(super) fn state_before_resolution(lifecycle: &[LifecycleEvent]) -> IncidentState {
    if lifecycle.iter().any(|event| event.kind == LifecycleKind::Acknowledged) {
        IncidentState::Acknowledged
    } else {
        IncidentState::Open
    }
}
