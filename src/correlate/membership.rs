//! Who is in an incident: the one place where membership changes.
//!
//! Called by `grouping` for what the machine decides and by `operations` for what people decide.
//! It weighs nothing.

use super::machine::Machine;
use crate::domain::incident::{LifecycleKind, Opening, Related};
use crate::domain::{EpisodeId, Incident, IncidentId, IncidentState, Membership, Timestamp};

impl Machine {
    /// Makes an incident without members.
    pub(super) fn open_incident(
        &mut self,
        opening: Opening,
        title: String,
        at: Timestamp,
    ) -> IncidentId {
        let id = self.memory.next_incident();
        let now = self.now();
        self.memory.incidents.insert(
            id,
            Incident {
                id,
                revision: 0,
                as_of: now,
                opening,
                state: IncidentState::Open,
                title,
                lifecycle: Vec::new(),
                tally: crate::domain::incident::Tally::default(),
                report: crate::domain::incident::Report::default(),
                notes: Vec::new(),
                actions: Vec::new(),
                caveats: Vec::new(),
                follows: None,
                related: Vec::new(),
                changes: Vec::new(),
                candidates: Vec::new(),
                traces: Vec::new(),
                similar: Vec::new(),
                finalised: None,
            },
        );
        self.record_event(id, LifecycleKind::Opened, at, None);
        self.dirt.say(id, "The incident opened");
        id
    }

    /// Makes an episode a member.
    pub(super) fn join(
        &mut self,
        id: EpisodeId,
        incident: IncidentId,
        reason: String,
        by_person: bool,
    ) {
        let opened_at = self.memory.incidents.get(&incident).map(opening_moment);
        let paging = self.memory.rules.alerts.paging.clone();
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        let before = episode.incident();
        let start = episode.starts_at();
        let lead_up =
            opened_at.is_some_and(|opened| start < opened) && !paging.contains(&episode.severity);
        episode.membership = Membership::Member { incident, lead_up, by_person };
        episode.reason = reason;
        episode.context_of.retain(|other| *other != incident);
        let is_firing = episode.is_firing();
        self.memory.refile(id, before);
        self.dirt.episodes.insert(id);
        if let Some(former) = before.filter(|former| *former != incident) {
            let name = self.name_of(id);
            self.dirt.say(former, format!("{name} was taken out"));
            self.dirt.thinned.insert(former);
        }
        let name = self.name_of(id);
        self.dirt.say(incident, format!("{name} joined"));
        self.leave_trace(id, incident);
        if !by_person
            && self.memory.crowd(incident).is_some_and(|crowd| crowd.series() >= 2)
            && let Some(traits) = self.memory.traits.get(&id)
        {
            self.memory.learned.count_joined(&traits.alertname);
        }
        if is_firing {
            self.reopen_if_resolved(incident, start, &format!("{name} fires again"));
        }
    }

    pub(super) fn add_context(&mut self, id: EpisodeId, incident: IncidentId, reason: String) {
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        if !episode.context_of.contains(&incident) {
            episode.context_of.push(incident);
        }
        episode.reason = reason;
        self.dirt.episodes.insert(id);
        let name = self.name_of(id);
        self.dirt.say(incident, format!("{name} is listed as context"));
    }

    pub(super) fn set_reason(&mut self, id: EpisodeId, reason: String) {
        if let Some(episode) = self.memory.episodes.get_mut(&id) {
            episode.reason = reason;
            self.dirt.episodes.insert(id);
        }
    }

    /// An alert that fits several incidents ties them to each other.
    pub(super) fn relate(&mut self, fitting: &[(IncidentId, f64)]) {
        let Some((best, others)) = fitting.split_first() else { return };
        for other in others {
            self.link_related(best.0, other.0, best.1, other.1);
            self.link_related(other.0, best.0, other.1, best.1);
        }
    }

    fn link_related(&mut self, from: IncidentId, to: IncidentId, own: f64, theirs: f64) {
        let Some(incident) = self.memory.incidents.get_mut(&from) else { return };
        if incident.related.iter().any(|related| related.incident == to) {
            return;
        }
        let reason =
            format!("one alert fits both, with scores of {own:.1} here and {theirs:.1} there");
        incident.related.push(Related { incident: to, reason });
        self.dirt.say(from, format!("Incident {to} is related"));
    }
}

/// The moment from which lead-up is counted backwards.
pub(super) fn opening_moment(incident: &Incident) -> Timestamp {
    match &incident.opening {
        Opening::Alert { at, .. } | Opening::Heartbeat { at, .. } | Opening::Split { at, .. } => {
            *at
        }
    }
}
