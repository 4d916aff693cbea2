//! Who is in an incident: the one place where membership changes.
//!
//! Called by `grouping` for what the machine decides and by `operations` for what people decide.
//! It weighs nothing.

use super::machine::Machine;
use super::saying;
use crate::domain::incident::{LifecycleKind, Opening, Related, Report};
use crate::domain::{
    EpisodeId, Explanation, Incident, IncidentId, IncidentState, Membership, Timestamp,
};

impl Machine {
    /// Makes an incident without members.
    pub(super) fn open_incident(
        &mut self,
        opening: Opening,
        title: String,
        at: Timestamp,
    ) -> IncidentId {
        let id = self.memory.next_incident();
        let incident = Incident::new(id, opening, title, self.now());
        self.memory.incidents.insert(id, incident);
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
        episode.reason = reason.into();
        self.dirt.explanations.insert(id, Explanation::default());
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
        let said = self.memory.episodes.get(&id).map(|episode| saying::joined(&name, episode));
        self.dirt.say(incident, said.unwrap_or_default());
        self.leave_trace(id, incident);
        if !by_person
            && self.memory.crowd(incident).is_some_and(|crowd| crowd.series() >= 2)
            && let Some(alertname) = self.memory.traits(id).map(|traits| traits.alertname.clone())
        {
            self.memory.learned.count_joined(&alertname);
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
        episode.reason = reason.into();
        self.dirt.explanations.insert(id, Explanation::default());
        self.dirt.episodes.insert(id);
        let name = self.name_of(id);
        self.dirt.say(incident, format!("{name} is listed as context"));
    }

    pub(super) fn set_reason(&mut self, id: EpisodeId, reason: String) {
        if let Some(episode) = self.memory.episodes.get_mut(&id)
            && *episode.reason != *reason
        {
            episode.reason = reason.into();
            self.dirt.explanations.insert(id, Explanation::default());
            self.dirt.episodes.insert(id);
        }
    }

    /// Two incidents are one story: the younger points to the older, and what people wrote in both
    /// is kept. By a person when `actor` names one, else by the machine.
    pub(super) fn fold_into(
        &mut self,
        younger: IncidentId,
        older: IncidentId,
        reason: &str,
        (at, actor): (Timestamp, Option<String>),
    ) {
        for episode in self.memory.member_ids(younger) {
            let lead_up = matches!(
                self.memory.episodes.get(&episode).map(|e| &e.membership),
                Some(Membership::Member { lead_up: true, .. })
            );
            let told = self.memory.episodes.get(&episode).map(|e| e.reason.clone());
            let explained = self.dirt.explanations.get(&episode).cloned();
            self.join(episode, older, reason.to_owned(), actor.is_some());
            if let Some(moved) = self.memory.episodes.get_mut(&episode)
                && let Membership::Member { lead_up: flag, .. } = &mut moved.membership
            {
                *flag |= lead_up;
            }
            if actor.is_none() {
                // What tied it to the others of its incident still does.
                told.into_iter().for_each(|told| self.set_reason(episode, told.into()));
                match explained {
                    Some(explained) => self.explain(episode, explained),
                    None => drop(self.dirt.explanations.remove(&episode)),
                }
            }
            self.memory.recount(episode);
        }
        let Some(ended) = self.memory.incidents.get_mut(&younger) else { return };
        ended.state = IncidentState::Merged { into: older };
        // It is kept as long as the other, on which everything written to it acts from now on.
        let pinned = std::mem::take(&mut ended.pinned);
        let (notes, actions, caveats, changes, report) = (
            std::mem::take(&mut ended.notes),
            std::mem::take(&mut ended.actions),
            ended.caveats.clone(),
            ended.changes.clone(),
            ended.report.clone(),
        );
        let acknowledged: Vec<_> = ended
            .lifecycle
            .iter()
            .filter(|e| matches!(e.kind, LifecycleKind::Acknowledged | LifecycleKind::Mitigated))
            .cloned()
            .collect();
        let Some(survivor) = self.memory.incidents.get_mut(&older) else { return };
        survivor.pinned |= pinned;
        survivor.notes.extend(notes);
        survivor.notes.sort_by_key(|note| note.id);
        survivor.actions.extend(actions);
        survivor.actions.sort_by_key(|action| action.id);
        survivor.lifecycle.extend(acknowledged);
        for caveat in caveats {
            if !survivor.caveats.contains(&caveat) {
                survivor.caveats.push(caveat);
            }
        }
        for change in changes {
            if !survivor.changes.contains(&change) {
                survivor.changes.push(change);
            }
        }
        fill(&mut survivor.report, report);
        survivor.related.retain(|related| related.incident != younger);
        self.record_event(older, LifecycleKind::Absorbed(younger), at, actor.clone());
        self.record_event(younger, LifecycleKind::MergedInto(older), at, actor);
        self.dirt.say(older, format!("Incident {younger} was merged into this one"));
        self.dirt.say(younger, format!("The incident was merged into {older}"));
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

/// What the younger of two merged incidents reported counts where the older said nothing.
fn fill(report: &mut Report, other: Report) {
    report.title = report.title.take().or(other.title);
    report.severity = report.severity.or(other.severity);
    report.impact = report.impact.take().or(other.impact);
    report.impact_users = report.impact_users.or(other.impact_users);
    report.impact_users_percent = report.impact_users_percent.or(other.impact_users_percent);
    report.root_cause = report.root_cause.take().or(other.root_cause);
    report.resolution = report.resolution.take().or(other.resolution);
    report.timezone = report.timezone.take().or(other.timezone);
    report.lead = report.lead.take().or(other.lead);
    for (milestone, at) in other.milestones {
        report.milestones.entry(milestone).or_insert(at);
    }
}
