//! Which incident an alert belongs to, if any.

use super::evidence::{gap_between, weigh_against};
use super::machine::Machine;
use super::reading::in_words;
use super::recall::floats_near;
use crate::domain::incident::{LifecycleKind, Opening, Related};
use crate::domain::{
    Episode, EpisodeId, Incident, IncidentId, IncidentState, Membership, Severity, Standing,
    Timestamp,
};

/// An incident that an alert was weighed against.
struct Scored {
    id: IncidentId,
    score: f64,
    reason: String,
}

impl Machine {
    /// Finds a home for an episode that was just begun, and says why.
    pub(super) fn place(&mut self, id: EpisodeId) {
        let Some(episode) = self.memory.episodes.get(&id).cloned() else { return };
        if let Some(why) = never_grouped(&episode) {
            self.list_as_context(&episode, why);
            return;
        }
        let mut scored = self.weigh_incidents(&episode);
        scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let needed = self.memory.rules.incidents.join_score;
        let (fitting, other): (Vec<Scored>, Vec<Scored>) =
            scored.into_iter().partition(|s| s.score >= needed);
        if let Some(best) = fitting.first() {
            let reason = format!(
                "Member of incident {} with a score of {:.1} ({needed:.1} needed): {}.",
                best.id, best.score, best.reason
            );
            self.join(id, best.id, reason, false);
            self.relate(&fitting);
            self.adopt_floating(best.id);
            return;
        }
        self.open_or_float(&episode, other.first());
    }

    /// Weighs an episode against every incident that may take it.
    fn weigh_incidents(&self, episode: &Episode) -> Vec<Scored> {
        let now = self.now();
        self.memory
            .incidents
            .values()
            .filter(|incident| self.may_be_considered(incident, now))
            .filter_map(|incident| self.weigh_incident(episode, incident))
            .collect()
    }

    fn weigh_incident(&self, episode: &Episode, incident: &Incident) -> Option<Scored> {
        let rules = &self.memory.rules.incidents;
        let is_member_again = self.memory.members(incident.id).any(|m| m.key == episode.key);
        let start = episode.starts_at();
        if !is_member_again {
            // Within one record the tally lags behind the members that just joined.
            let first = self.memory.members(incident.id).map(Episode::starts_at).min()?;
            let is_near = self
                .memory
                .members(incident.id)
                .any(|member| gap_between(episode, member) <= rules.gap_limit);
            if !is_near || (start - first).abs() > rules.duration_limit {
                return None;
            }
        }
        // Full recovery: only a member that fires again continues it, within the window.
        let recovered_at = self.recovered_before(incident, start);
        if incident.state == IncidentState::Resolved || recovered_at.is_some() {
            let since = start - recovered_at.or(incident.tally.last_end.map(|end| end.at))?;
            if !is_member_again || since > rules.reopen_window {
                return None;
            }
        }
        let members = self.memory.members(incident.id);
        let weighed = weigh_against(episode, members, &self.memory.graph);
        let (witness, pair) = weighed.witness?;
        let reason =
            format!("{}; nearest {}", pair.in_words(episode, witness), self.name_of(witness.id));
        Some(Scored { id: incident.id, score: weighed.score, reason })
    }

    /// When everything in an incident had ended before `start`: the last end.
    fn recovered_before(&self, incident: &Incident, start: Timestamp) -> Option<Timestamp> {
        let mut last = None;
        for member in self.memory.members(incident.id) {
            let end = member.ends_at()?;
            last = last.max(Some(end));
        }
        last.filter(|end| *end < start)
    }

    /// No incident takes it: it opens one, alone or with a floating relative, or it floats.
    fn open_or_float(&mut self, episode: &Episode, nearest: Option<&Scored>) {
        let rules = &self.memory.rules.incidents;
        let needed = rules.join_score;
        let opens_alone = rules.open_severities.contains(&episode.severity);
        let now = self.now();
        let floating: Vec<&Episode> = self
            .memory
            .floating()
            .filter(|other| other.key != episode.key && never_grouped(other).is_none())
            .filter(|other| {
                floats_near(other, now) && gap_between(episode, other) <= rules.gap_limit
            })
            .collect();
        let weighed = weigh_against(episode, floating.iter().copied(), &self.memory.graph);
        let relatives = floating
            .iter()
            .filter(|other| {
                weigh_against(episode, std::iter::once(**other), &self.memory.graph).score >= needed
            })
            .count();
        let enough = u32::try_from(relatives + 1).unwrap_or(u32::MAX) >= rules.open_alerts;
        if opens_alone || (relatives > 0 && enough) {
            let ties = match weighed.witness {
                Some((witness, pair)) if weighed.score >= needed => format!(
                    "tied to {} with a score of {:.1} ({needed:.1} needed): {}",
                    self.name_of(witness.id),
                    weighed.score,
                    pair.in_words(episode, witness)
                ),
                _ => match nearest {
                    Some(near) => format!(
                        "severity {} opens alone; incident {} was weighed and scored {:.1} ({needed:.1} needed)",
                        episode.severity, near.id, near.score
                    ),
                    None => format!(
                        "severity {} opens alone (1 alert is enough), and no incident was near",
                        episode.severity
                    ),
                },
            };
            self.open_with(episode, &ties);
        } else {
            let reason = match nearest.map(|n| n.score).or(Some(weighed.score)) {
                Some(score) if score.is_finite() => format!(
                    "In no incident: severity {} alone opens none, and the best tie scored {score:.1} ({needed:.1} needed).",
                    episode.severity
                ),
                _ => format!(
                    "In no incident: severity {} alone opens none, and it shares nothing with 1 or more others near it.",
                    episode.severity
                ),
            };
            self.set_reason(episode.id, reason);
        }
    }

    fn open_with(&mut self, episode: &Episode, ties: &str) {
        let opening = Opening::Alert { episode: episode.id, at: episode.starts_at() };
        let title = self.name_of(episode.id);
        let follows = self.former_incident(episode);
        let incident = self.open_incident(opening, title, episode.starts_at());
        let reason = format!("Opened incident {incident}: {ties}.");
        self.join(episode.id, incident, reason, false);
        if let Some(former) = follows
            && let Some(new) = self.memory.incidents.get_mut(&incident)
        {
            new.follows = Some(former);
        }
        self.adopt_floating(incident);
    }

    /// The resolved incident that a new one continues: the newest one to which this alert is tied.
    fn former_incident(&self, episode: &Episode) -> Option<IncidentId> {
        let now = self.now();
        let needed = self.memory.rules.incidents.join_score;
        self.memory
            .incidents
            .values()
            .rev()
            .filter(|incident| self.may_be_considered(incident, now))
            .filter(|incident| {
                self.recovered_before(incident, episode.starts_at()).is_some()
                    || incident.state == IncidentState::Resolved
            })
            .find(|incident| {
                let gap = self
                    .memory
                    .members(incident.id)
                    .map(|member| gap_between(episode, member))
                    .min();
                let is_member_again =
                    self.memory.members(incident.id).any(|m| m.key == episode.key);
                let members = self.memory.members(incident.id);
                is_member_again
                    || (gap.is_some_and(|gap| gap <= self.memory.rules.incidents.reopen_window)
                        && weigh_against(episode, members, &self.memory.graph).score >= needed)
            })
            .map(|incident| incident.id)
    }

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
        }
        let name = self.name_of(id);
        self.dirt.say(incident, format!("{name} joined"));
        if is_firing {
            self.reopen_if_resolved(incident, start, &format!("{name} fires again"));
        }
    }

    /// Takes in floating alerts that belong to an incident: what began within `lead_up` before
    /// becomes a member, older relatives are listed as context.
    pub(super) fn adopt_floating(&mut self, id: IncidentId) {
        loop {
            let found = self.next_adoption(id);
            if found.is_empty() {
                return;
            }
            for (episode, score, reason, is_member) in found {
                if is_member {
                    let text =
                        format!("Adopted by incident {id} with a score of {score:.1}: {reason}.");
                    self.join(episode, id, text, false);
                } else {
                    let text = format!(
                        "Context of incident {id}: it began too long before to be a member, score {score:.1}: {reason}."
                    );
                    self.add_context(episode, id, text);
                }
            }
        }
    }

    fn next_adoption(&self, id: IncidentId) -> Vec<(EpisodeId, f64, String, bool)> {
        let Some(incident) = self.memory.incidents.get(&id) else { return Vec::new() };
        let rules = &self.memory.rules.incidents;
        let (now, opened) = (self.now(), opening_moment(incident));
        self.memory
            .floating()
            .filter(|episode| never_grouped(episode).is_none() && floats_near(episode, now))
            .filter(|episode| !episode.context_of.contains(&id))
            .filter_map(|episode| {
                let near = self.memory.members(id).any(|member| {
                    gap_between(episode, member) <= rules.gap_limit.max(rules.lead_up)
                });
                let members = self.memory.members(id);
                let weighed = weigh_against(episode, members, &self.memory.graph);
                let (witness, pair) = weighed.witness?;
                (near && weighed.score >= rules.join_score).then(|| {
                    let is_member = opened - episode.starts_at() <= rules.lead_up;
                    let reason = format!(
                        "{}; nearest {}",
                        pair.in_words(episode, witness),
                        self.name_of(witness.id)
                    );
                    (episode.id, weighed.score, reason, is_member)
                })
            })
            .collect()
    }

    /// An alert that neither opens, glues nor prolongs is shown beside the incident it is tied to.
    fn list_as_context(&mut self, episode: &Episode, why: &str) {
        let needed = self.memory.rules.incidents.join_score;
        let best = self
            .weigh_incidents(episode)
            .into_iter()
            .filter(|scored| scored.score >= needed)
            .max_by(|a, b| a.score.total_cmp(&b.score).then(b.id.cmp(&a.id)));
        match best {
            Some(best) => {
                let text = format!(
                    "Context of incident {}, not a member: {why}; score {:.1}: {}.",
                    best.id, best.score, best.reason
                );
                self.add_context(episode.id, best.id, text);
            }
            None => {
                let age = in_words(episode.received_at - episode.starts_at());
                self.set_reason(
                    episode.id,
                    format!("In no incident: {why} (first heard {age} after it began)."),
                );
            }
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
    fn relate(&mut self, fitting: &[Scored]) {
        let Some((best, others)) = fitting.split_first() else { return };
        for other in others {
            self.link_related(best.id, other.id, best.score, other.score);
            self.link_related(other.id, best.id, other.score, best.score);
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

/// Why an alert is never weighed for membership.
fn never_grouped(episode: &Episode) -> Option<&'static str> {
    match episode.standing {
        Standing::Heartbeat => Some("a heartbeat never joins one"),
        Standing::Chronic => Some("it has fired for days, which opens and glues nothing"),
        Standing::Flapping => Some("it flaps, which opens and glues nothing"),
        Standing::Ordinary if episode.severity == Severity::None => {
            Some("severity none asks nobody to act")
        }
        Standing::Ordinary => None,
    }
}
