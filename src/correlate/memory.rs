//! What the machine remembers, and how that survives a restart.
//!
//! Bounded by what is open or recent: the rest is in the store and comes back by `recall`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::alerts::{ByAlert, Firings};
use super::bustle::Bustle;
use super::cabinet::Cabinet;
use super::crowd::Crowd;
use super::deadlines::{Deadline, Deadlines};
use super::fading::Fading;
use super::filter::Filter;
use super::graph::Graph;
use super::heartbeats::Heartbeat;
use super::histories::Histories;
use super::learned::Learned;
use super::marks::{ByEpisode, alert_mark};
use super::similar::Past;
use super::stage::is_planned;
use super::sums::{Counted, Sums};
use super::traits::Traits;
use super::weights::Tables;
use crate::domain::incident::Tally;
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Incident, IncidentId, Name, Rules, Timestamp,
    Topology,
};

/// Everything the machine remembers. The maps are ordered, so that no decision can depend on the
/// accidents of hashing; the one hash map is only ever asked by key.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) rules: Rules,
    /// Record time: the machine's only clock.
    pub(super) time: Option<Timestamp>,
    pub(super) counters: Counters,
    pub(super) episodes: Cabinet,
    pub(super) incidents: BTreeMap<IncidentId, Incident>,
    pub(super) changes: BTreeMap<ChangeId, Change>,
    pub(super) topology: Topology,
    pub(super) deadlines: Deadlines,
    pub(super) heartbeats: BTreeMap<EpisodeId, Heartbeat>,
    pub(super) histories: Histories,
    pub(super) learned: Learned,
    /// Record time at which each source last told of something that had just happened.
    pub(super) live_at: BTreeMap<Name, Timestamp>,
    /// Alerts that the store may know and this does not.
    pub(super) forgotten: Filter,
    /// Incidents that are over, for comparison.
    pub(super) past: Past,
    // What follows is derived from the above.
    pub(super) weights: Tables,
    pub(super) graph: Graph,
    pub(super) bustle: Bustle,
    /// Counts how often the graph or a change became another.
    pub(super) surroundings_version: u64,
    /// On what the candidates of an incident were last ranked.
    pub(super) grounds: BTreeMap<IncidentId, Ground>,
    changes_by_time: BTreeSet<(Timestamp, ChangeId)>,
    /// What may be forgotten, and when.
    pub(super) fading: Fading,
    crowds: BTreeMap<IncidentId, Crowd>,
    sums: BTreeMap<IncidentId, Sums>,
    /// How each member stands in the sums of its incident.
    counted: ByEpisode<(IncidentId, Counted)>,
    planned: BTreeSet<ChangeId>,
    by_alert: ByAlert<Firings>,
    /// Alerts of which some episodes are in memory and others may be forgotten.
    half_known: HashSet<AlertKey>,
    by_incident: BTreeMap<IncidentId, BTreeSet<EpisodeId>>,
    floating: BTreeSet<EpisodeId>,
    by_change_key: HashMap<(Name, String), ChangeId>,
}

/// What the candidates of an incident are ranked on. While it stands, so does the ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// See [`Crowd::founders_version`].
    pub(super) founders: u64,
    /// See [`Memory::surroundings_version`].
    pub(super) surroundings: u64,
    /// How often its services changed.
    pub(super) services: u64,
    pub(super) onset: Option<Timestamp>,
    pub(super) changes: Vec<ChangeId>,
}

/// The last number given to each kind of thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) incident: u64,
    pub(super) episode: u64,
    pub(super) change: u64,
    pub(super) note: u64,
    pub(super) action: u64,
}

impl Memory {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        let rules = Rules::default();
        let mut learned = Learned::default();
        learned.limit(rules.incidents.learnt_entries, rules.incidents.lead_up_candidates);
        Self {
            weights: Tables::with(&rules.incidents.weights),
            rules,
            time: None,
            counters: Counters::default(),
            episodes: Cabinet::default(),
            incidents: BTreeMap::new(),
            changes: BTreeMap::new(),
            topology: Topology::default(),
            deadlines: Deadlines::default(),
            heartbeats: BTreeMap::new(),
            histories: Histories::default(),
            learned,
            live_at: BTreeMap::new(),
            forgotten: Filter::default(),
            past: Past::default(),
            graph: Graph::default(),
            bustle: Bustle::default(),
            surroundings_version: 0,
            grounds: BTreeMap::new(),
            changes_by_time: BTreeSet::new(),
            fading: Fading::default(),
            crowds: BTreeMap::new(),
            sums: BTreeMap::new(),
            counted: ByEpisode::default(),
            planned: BTreeSet::new(),
            by_alert: ByAlert::default(),
            half_known: HashSet::new(),
            by_incident: BTreeMap::new(),
            floating: BTreeSet::new(),
            by_change_key: HashMap::new(),
        }
    }

    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.weights = Tables::with(&rules.incidents.weights);
        self.learned.limit(rules.incidents.learnt_entries, rules.incidents.lead_up_candidates);
        self.rules = rules;
        self.surroundings_version += 1;
        self.count_begun();
    }

    /// Counts anew what began lately: after a restart, or when other windows count.
    pub(super) fn count_begun(&mut self) {
        self.bustle = Bustle::default();
        for begun in self.learned.begun() {
            let incident = self.episodes.get(&begun.id).and_then(Episode::incident);
            self.bustle.begin(begun, incident);
        }
    }

    pub(super) fn set_topology(&mut self, topology: Topology) {
        let former_graph = std::mem::replace(&mut self.graph, Graph::new(&topology));
        self.topology = topology;
        self.surroundings_version += 1;
        for id in self.episodes.ids() {
            let inferred = self.learned.inferred(id);
            let read = |episode| Traits::read(episode, &former_graph, inferred);
            if let Some(former) = self.episodes.get(&id).map(read) {
                self.traits_changed(id, &former);
            }
            self.episodes.tidy();
        }
    }

    /// What grouping needs of an episode.
    pub(super) fn traits(&self, id: EpisodeId) -> Option<&Traits> {
        self.episodes.traits(id, &self.graph, &self.learned)
    }

    /// Keeps the cluster that was found for an episode.
    pub(super) fn infer(&mut self, id: EpisodeId, cluster: Name, now: Timestamp) {
        let Some(former) = self.traits(id).cloned() else { return };
        self.learned.infer(id, cluster, now);
        self.traits_changed(id, &former);
    }

    /// Drops clusters that were found too long ago.
    pub(super) fn fade_inferred(&mut self, now: Timestamp) {
        for (id, cluster) in self.learned.fade(now) {
            let read = |episode| Traits::read(episode, &self.graph, Some(&cluster));
            if let Some(former) = self.episodes.get(&id).map(read) {
                self.traits_changed(id, &former);
            }
        }
    }

    /// What is read out of an episode is another: the graph or its inferred cluster changed.
    fn traits_changed(&mut self, id: EpisodeId, former: &Traits) {
        self.episodes.forget_traits(id);
        let Some(incident) = self.episodes.get(&id).and_then(Episode::incident) else { return };
        let Some(traits) = self.episodes.traits(id, &self.graph, &self.learned) else { return };
        if former != traits {
            let crowd = self.crowds.entry(incident).or_default();
            crowd.remove(id, former);
            crowd.add(id, traits);
            crowd.founder_changed();
        }
    }

    /// The summary of an incident's members.
    pub(super) fn crowd(&self, id: IncidentId) -> Option<&Crowd> {
        self.crowds.get(&id)
    }

    fn leave_crowd(&mut self, id: EpisodeId, incident: IncidentId) {
        let traits = self.episodes.traits(id, &self.graph, &self.learned);
        if let (Some(crowd), Some(traits)) = (self.crowds.get_mut(&incident), traits) {
            crowd.remove(id, traits);
            if crowd.is_empty() {
                self.crowds.remove(&incident);
                self.grounds.remove(&incident);
            }
        }
    }

    /// Adds an episode, new or recalled, with its indexes.
    pub(super) fn put_episode(&mut self, mut episode: Episode) {
        let firings = self.by_alert.get_or_put(&episode.key, || Firings::One(episode.id));
        // An alert that comes and goes says the same each time.
        if let Some(last) = firings.as_slice().last().and_then(|id| self.episodes.get(id)) {
            episode.labels.share(&last.labels);
            episode.annotations.share(&last.annotations);
        }
        firings.add(episode.id);
        match episode.incident() {
            Some(incident) => {
                self.by_incident.entry(incident).or_default().insert(episode.id);
            }
            None => {
                self.floating.insert(episode.id);
            }
        }
        let (id, incident) = (episode.id, episode.incident());
        self.episodes.insert(id, episode);
        if let Some(incident) = incident
            && let Some(traits) = self.episodes.traits(id, &self.graph, &self.learned)
        {
            let crowd = self.crowds.entry(incident).or_default();
            crowd.add(id, traits);
            crowd.founder_changed();
        }
        self.recount(id);
    }

    /// Adds an incident that was restored or recalled.
    pub(super) fn put_incident(&mut self, incident: Incident) {
        self.fading.incident(&incident);
        self.incidents.insert(incident.id, incident);
    }

    /// Brings the sums up to date after an episode's start, end or membership changed.
    pub(super) fn recount(&mut self, id: EpisodeId) {
        let Some(episode) = self.episodes.get(&id) else { return };
        let before = self.counted.get(&id).copied();
        let after = episode.incident().map(|to| (to, Counted::of(episode, &self.rules)));
        if before == after && before.is_some() {
            return;
        }
        match (before, after) {
            (Some((from, before)), Some((to, after))) if from == to => {
                if let Some(crowd) = self.crowds.get_mut(&to).filter(|crowd| crowd.is_founder(id)) {
                    crowd.founder_changed();
                }
                if let Some(sums) = self.sums.get_mut(&to) {
                    sums.replace(episode, before, after);
                }
            }
            _ => {
                if let Some((from, before)) = before {
                    take_from(&mut self.sums, from, episode, before);
                }
                if let Some((to, after)) = after {
                    self.sums.entry(to).or_default().add(episode, after);
                }
            }
        }
        match after {
            Some(after) => self.counted.insert(id, after),
            None => {
                self.counted.remove(&id);
                self.fading.floating(episode);
            }
        }
    }

    /// Brings all sums up to date after the rules changed.
    pub(super) fn recount_all(&mut self) {
        for id in self.counted.ids() {
            self.recount(id);
            self.episodes.tidy();
        }
    }

    /// What the members of an incident add up to; `None` when it has none.
    pub(super) fn sums(&self, id: IncidentId) -> Option<&Sums> {
        self.sums.get(&id)
    }

    /// Writes into an incident what its members add up to.
    pub(super) fn write_tally(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        match self.sums.get_mut(&id) {
            Some(sums) => sums.write(&mut incident.tally),
            None => incident.tally = Tally::default(),
        }
    }

    /// Re-files an episode after its membership changed from `before`.
    pub(super) fn refile(&mut self, id: EpisodeId, before: Option<IncidentId>) {
        match before {
            Some(incident) => {
                if let Some(members) = self.by_incident.get_mut(&incident) {
                    members.remove(&id);
                }
                self.leave_crowd(id, incident);
            }
            None => {
                self.floating.remove(&id);
            }
        }
        match self.episodes.get(&id).and_then(Episode::incident) {
            Some(incident) => {
                self.by_incident.entry(incident).or_default().insert(id);
                if let Some(traits) = self.episodes.traits(id, &self.graph, &self.learned) {
                    self.crowds.entry(incident).or_default().add(id, traits);
                }
            }
            None => {
                self.floating.insert(id);
            }
        }
        self.bustle.moved(id, self.episodes.get(&id).and_then(Episode::incident));
        self.recount(id);
    }

    /// Notes that an alert began which could be part of something.
    pub(super) fn begin(&mut self, id: EpisodeId, now: Timestamp) {
        let Some(traits) = self.episodes.traits(id, &self.graph, &self.learned) else { return };
        let (alertname, cluster) = (traits.alertname.clone(), traits.cluster.clone());
        for gone in self.learned.begin(id, alertname, cluster, now) {
            self.bustle.leave(gone.id);
        }
        if let Some(begun) = self.learned.begun().next_back() {
            self.bustle.begin(begun, self.episodes.get(&id).and_then(Episode::incident));
        }
    }

    /// A member's start, annotations or values changed: what is told of its incident's beginning
    /// may be another.
    pub(super) fn member_changed(&mut self, id: EpisodeId) {
        // What its name does not say is read out of its annotations.
        self.episodes.forget_traits(id);
        let incident = self.episodes.get(&id).and_then(Episode::incident);
        if let Some(crowd) = incident.and_then(|incident| self.crowds.get_mut(&incident))
            && crowd.is_founder(id)
        {
            crowd.founder_changed();
        }
    }

    /// Changes that take things away on purpose.
    pub(super) fn planned_changes(&self) -> impl Iterator<Item = &Change> {
        self.planned.iter().filter_map(|id| self.changes.get(id))
    }

    pub(super) fn put_change(&mut self, change: Change) {
        if is_planned(change.report.kind, &change.report.summary) {
            self.planned.insert(change.id);
        } else {
            self.planned.remove(&change.id);
        }
        if let Some(key) = &change.report.key {
            self.by_change_key.insert((change.report.source.clone(), key.clone()), change.id);
        }
        self.fading.change(&change);
        self.surroundings_version += 1;
        self.changes_by_time.insert((change.report.at, change.id));
        if let Some(before) = self.changes.insert(change.id, change.clone())
            && before.report.at != change.report.at
        {
            self.changes_by_time.remove(&(before.report.at, before.id));
        }
    }

    /// The episodes of an alert that are in memory, in order of their starts.
    pub(super) fn episodes_of_alert(&self, key: &AlertKey) -> Cow<'_, [EpisodeId]> {
        let firings = self.firings_of(key);
        if firings.len() < 2 {
            return Cow::Borrowed(firings);
        }
        let mut ids = firings.to_vec();
        ids.sort_by_key(|id| (self.episodes.get(id).map(Episode::starts_at), *id));
        Cow::Owned(ids)
    }

    /// As [`Memory::episodes_of_alert`], in the order in which they came into memory.
    pub(super) fn firings_of(&self, key: &AlertKey) -> &[EpisodeId] {
        self.by_alert.get(key).map_or(&[], Firings::as_slice)
    }

    /// False when no episode of the alert was ever forgotten.
    pub(super) fn may_have_forgotten(&self, key: &AlertKey) -> bool {
        self.forgotten.may_hold(alert_mark(key))
    }

    /// True when the alert is in memory, with every episode of it that is ever looked at.
    pub(super) fn knows_alert(&self, key: &AlertKey) -> bool {
        self.by_alert.contains_key(key) && !self.half_known.contains(key)
    }

    /// After a restart: what had been forgotten of the alerts in memory stands in the filter.
    pub(super) fn half_know(&mut self) {
        let forgotten = &self.forgotten;
        let alerts = self.by_alert.in_order().map(|(key, _)| key);
        self.half_known = alerts.filter(|key| forgotten.may_hold(alert_mark(key))).collect();
    }

    /// Adds an episode that was recalled with something else, such as its incident: others of the
    /// same alert may still be forgotten.
    pub(super) fn put_recalled(&mut self, episode: Episode) {
        if !self.by_alert.contains_key(&episode.key) && self.may_have_forgotten(&episode.key) {
            self.half_known.insert(episode.key.clone());
        }
        self.put_episode(episode);
    }

    /// The alert's episodes were recalled.
    pub(super) fn knows_again(&mut self, key: &AlertKey) {
        self.half_known.remove(key);
    }

    /// The members of an incident, in order of id.
    #[cfg(test)]
    pub(super) fn members(&self, id: IncidentId) -> impl Iterator<Item = &Episode> {
        self.by_incident
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|episode| self.episodes.get(episode))
    }

    /// The ids of the members of an incident.
    pub(super) fn member_ids(&self, id: IncidentId) -> Vec<EpisodeId> {
        self.by_incident.get(&id).into_iter().flatten().copied().collect()
    }

    /// The change that a source told under this key.
    pub(super) fn change_by_key(&self, source: &Name, key: &str) -> Option<ChangeId> {
        self.by_change_key.get(&(source.clone(), key.to_owned())).copied()
    }

    /// Drops an episode with its indexes and deadlines.
    pub(super) fn drop_episode(&mut self, id: EpisodeId) {
        if let Some(incident) = self.episodes.get(&id).and_then(Episode::incident) {
            self.leave_crowd(id, incident);
        }
        let Some(episode) = self.episodes.remove(&id) else { return };
        if let Some((incident, counted)) = self.counted.remove(&id) {
            take_from(&mut self.sums, incident, &episode, counted);
        }
        self.forgotten.add(alert_mark(&episode.key));
        if let Some(firings) = self.by_alert.get_mut(&episode.key) {
            if let Some(left) = firings.without(id) {
                *firings = left;
                self.half_known.insert(episode.key.clone());
            } else {
                self.by_alert.remove(&episode.key);
                self.half_known.remove(&episode.key);
            }
        }
        if let Some(incident) = episode.incident()
            && let Some(members) = self.by_incident.get_mut(&incident)
        {
            members.remove(&id);
            if members.is_empty() {
                self.by_incident.remove(&incident);
            }
        }
        self.floating.remove(&id);
        self.deadlines.clear(Deadline::Lease(id));
        self.deadlines.clear(Deadline::Stale(id));
    }

    /// Drops a change with its index.
    pub(super) fn drop_change(&mut self, id: ChangeId) {
        self.planned.remove(&id);
        self.surroundings_version += 1;
        let Some(change) = self.changes.remove(&id) else { return };
        self.changes_by_time.remove(&(change.report.at, id));
        if let Some(key) = change.report.key {
            self.by_change_key.remove(&(change.report.source, key));
        }
    }

    /// Changes that happened at a moment or later.
    pub(super) fn changes_since(&self, at: Timestamp) -> impl Iterator<Item = &Change> {
        let since = self.changes_by_time.range((at, ChangeId(0))..);
        since.filter_map(|(_, id)| self.changes.get(id))
    }

    /// The next number of an episode.
    pub(super) fn next_episode(&mut self) -> EpisodeId {
        self.counters.episode += 1;
        EpisodeId(self.counters.episode)
    }

    /// The newest episode: during its beginning, the one at hand.
    pub(super) const fn newest_episode(&self) -> EpisodeId {
        EpisodeId(self.counters.episode)
    }

    /// The next number of an incident.
    pub(super) fn next_incident(&mut self) -> IncidentId {
        self.counters.incident += 1;
        IncidentId(self.counters.incident)
    }

    /// The next number of a change.
    pub(super) fn next_change(&mut self) -> ChangeId {
        self.counters.change += 1;
        ChangeId(self.counters.change)
    }
}

fn take_from(
    sums: &mut BTreeMap<IncidentId, Sums>,
    incident: IncidentId,
    member: &Episode,
    counted: Counted,
) {
    if let Some(of_incident) = sums.get_mut(&incident) {
        of_incident.remove(member, counted);
        if of_incident.is_empty() {
            sums.remove(&incident);
        }
    }
}
