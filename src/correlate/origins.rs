//! Where an incident may have begun: services and machines, ranked by a printed rule.
//!
//! Each candidate gets points for what its alerts speak of, for how many of the others reach it
//! by their calls, for being early, and for a change of its own shortly before. Candidates, never
//! findings. Called by `causes` whenever an incident changed; looks at the first alerts of at most
//! a few dozen profiles, so its cost does not grow with the members.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::round;
use super::graph::Relation;
use super::machine::Machine;
use super::reading::in_words;
use super::signals::Signal;
use super::traits::Traits;
use crate::domain::incident::{Candidate, CandidateKind};
use crate::domain::{Change, ChangeId, Episode, Incident, Kind, Name, Span, Timestamp};

/// How many services and machines are ranked.
const RANKED_MAX: usize = 24;
/// Strength as a cause of data that is wrong: as much as of something that is down.
const WRONG_DATA: f64 = 2.0;
/// Taken from a service whose load is only that of one that it calls.
const LOAD_PASSED_ON: f64 = -1.0;
/// A change of its own this shortly before speaks for a service …
const CHANGE_SHORTLY: Span = Span::from_minutes(12);
/// … and a little even this long before.
const CHANGE_BEFORE: Span = Span::from_minutes(90);

/// Said of a primary whose replica tells of it.
const REPLICATES: &str = "its replica's alerts speak of replication";
/// What lies between machines, where several of them lose packets: none of them is to blame.
const NETWORK: &str = "network";

/// A place where it may have begun.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// A service, or `node:NAME`.
    pub(super) reference: String,
    points: f64,
    /// Its share among all candidates.
    pub(super) probability: f64,
    /// True when its alerts speak of something that fills up slowly.
    pub(super) fills_up: bool,
    summary: String,
    why: Vec<String>,
}

impl Origin {
    pub(super) fn into_candidate(self) -> Candidate {
        Candidate {
            kind: CandidateKind::Service,
            reference: self.reference,
            summary: self.summary,
            score: round(self.probability),
            why: self.why,
        }
    }
}

/// What the alerts of one place add up to.
struct Place<'a> {
    name: Name,
    is_node: bool,
    began: Option<Timestamp>,
    strength: f64,
    is_critical: bool,
    has_shared_ground: bool,
    /// True when its load is what is unusual: that goes down the calls.
    has_traffic: bool,
    /// The strongest word about copying from a primary, which may be at fault as well.
    replication: f64,
    alerts: usize,
    kinds: BTreeSet<Kind>,
    members: Vec<(&'a Episode, &'a Traits)>,
}

impl<'a> Place<'a> {
    fn new(name: &Name, is_node: bool) -> Self {
        Self {
            name: name.clone(),
            is_node,
            began: None,
            strength: f64::NEG_INFINITY,
            is_critical: false,
            has_shared_ground: false,
            has_traffic: false,
            replication: f64::NEG_INFINITY,
            alerts: 0,
            kinds: BTreeSet::new(),
            members: Vec::new(),
        }
    }

    fn add(&mut self, episode: &'a Episode, traits: &'a Traits) {
        let start = episode.starts_at();
        self.began = Some(self.began.map_or(start, |known| known.min(start)));
        self.strength = self.strength.max(strength_of(episode, traits));
        self.is_critical |= traits.is_critical;
        self.has_shared_ground |= traits.signal.is_shared_ground();
        self.has_traffic |= traits.signal == Signal::Traffic;
        if traits.signal.is_replication() {
            self.replication = self.replication.max(traits.signal.strength_as_cause());
        }
        self.alerts += 1;
        self.kinds.insert(episode.kind);
        self.members.push((episode, traits));
    }

    fn reference(&self) -> String {
        if self.is_node { format!("node:{}", self.name) } else { self.name.to_string() }
    }
}

/// How likely an alert speaks of a cause. Data that is wrong is nobody's consequence, whatever the
/// alert is called; the name says the rest.
fn strength_of(episode: &Episode, traits: &Traits) -> f64 {
    let by_name = traits.signal.strength_as_cause();
    if episode.kind == Kind::DataIntegrity { by_name.max(WRONG_DATA) } else { by_name }
}

impl Machine {
    /// The places where an incident may have begun, most likely first.
    pub(super) fn rank_origins(&self, incident: &Incident, changes: &[ChangeId]) -> Vec<Origin> {
        let Some(crowd) = self.memory.crowd(incident.id) else { return Vec::new() };
        let members: Vec<(&Episode, &Traits)> = crowd
            .founders()
            .filter_map(|id| self.memory.episodes.get(&id).zip(self.memory.traits(id)))
            .collect();
        let Some(first) = members.iter().map(|(episode, _)| episode.starts_at()).min() else {
            return Vec::new();
        };
        let cluster = members.iter().find_map(|(_, traits)| traits.cluster.clone());
        let places = self.places(&members, cluster.as_ref());
        let changes: Vec<&Change> =
            changes.iter().filter_map(|id| self.memory.changes.get(id)).collect();
        let mut origins: Vec<Origin> = places
            .iter()
            .map(|place| {
                self.rank(place, &places, (first, members.len()), cluster.as_ref(), &changes)
            })
            .collect();
        // References break ties, so that equal points have one order.
        origins.sort_by(|x, y| {
            y.points.total_cmp(&x.points).then_with(|| x.reference.cmp(&y.reference))
        });
        let best = origins.first().map_or(0.0, |origin| origin.points);
        let sum: f64 = origins.iter().map(|origin| (origin.points - best).exp()).sum();
        for origin in &mut origins {
            origin.probability = (origin.points - best).exp() / sum;
        }
        origins
    }

    /// Services with alerts, machines that alerts are about, and silent services that most of the
    /// others call.
    fn places<'a>(
        &self,
        members: &[(&'a Episode, &'a Traits)],
        cluster: Option<&Name>,
    ) -> Vec<Place<'a>> {
        let mut places: Vec<Place<'a>> = Vec::new();
        let lossy: BTreeSet<&Name> =
            members.iter().filter_map(|(_, traits)| lossy_machine(traits)).collect();
        let network = (lossy.len() >= 2).then(|| Name::from(NETWORK));
        let mut named: BTreeMap<&Name, usize> = BTreeMap::new();
        for (_, traits) in members {
            if let Some(node) = &traits.node {
                *named.entry(node).or_default() += 1;
            }
        }
        for (episode, traits) in members {
            let node = traits.node.as_ref().filter(|node| {
                traits.is_about_a_node() || named.get(node).is_some_and(|n| *n >= 2)
            });
            let between = network.as_ref().filter(|_| lossy_machine(traits).is_some());
            let both = match between {
                Some(network) => [(Some(network), false), (None, true)],
                None => [(traits.service.as_ref(), false), (node, true)],
            };
            for (name, is_node) in both.into_iter().filter_map(|(n, k)| n.map(|n| (n, k))) {
                let known = places.iter().position(|p| p.is_node == is_node && p.name == *name);
                match known {
                    Some(index) => places[index].add(episode, traits),
                    None if places.len() < RANKED_MAX => {
                        let mut place = Place::new(name, is_node);
                        place.add(episode, traits);
                        places.push(place);
                    }
                    None => {}
                }
            }
        }
        let silent = self.silent_callees(&places, cluster);
        places.extend(silent.iter().map(|name| Place::new(name, false)));
        places
    }

    /// Services without alerts that at least two, and half, of those with alerts call.
    fn silent_callees(&self, places: &[Place<'_>], cluster: Option<&Name>) -> Vec<Name> {
        let mut calls: BTreeMap<&Name, usize> = BTreeMap::new();
        let services: Vec<&Place<'_>> = places.iter().filter(|place| !place.is_node).collect();
        for place in &services {
            for callee in self.memory.graph.callees(&place.name, cluster.map(Name::as_str)) {
                *calls.entry(callee).or_default() += 1;
            }
        }
        calls
            .into_iter()
            .filter(|(name, count)| {
                *count >= 2
                    && count * 2 >= services.len()
                    && services.iter().all(|place| place.name != **name)
            })
            .map(|(name, _)| name.clone())
            .take(RANKED_MAX)
            .collect()
    }

    fn rank(
        &self,
        place: &Place<'_>,
        places: &[Place<'_>],
        (first, alerts): (Timestamp, usize),
        cluster: Option<&Name>,
        changes: &[&Change],
    ) -> Origin {
        let mut points = 0.0;
        let mut why = Vec::new();
        let mut add = |value: f64, text: String| {
            if value.abs() >= 0.05 {
                points += value;
                why.push(format!("{text} ({value:+.2})"));
            }
        };
        let others: Vec<&Place<'_>> = places
            .iter()
            .filter(|other| !other.is_node && other.alerts > 0)
            .filter(|other| place.is_node || other.name != place.name)
            .collect();
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (reaching, near) = self.reach(place, &others, cluster);
        if !others.is_empty() {
            let share = count(reaching) / count(others.len());
            let text = reach_in_words(place, reaching, others.len());
            add(1.5 * share, text);
        }
        // Whole numbers are services that it calls; a half is one at two calls.
        let calls = match near {
            1.0 => "it calls a service with alerts".to_owned(),
            near if near.fract() == 0.0 => format!("it calls {near} services with alerts"),
            near => {
                format!("its calls reach {near:.1} services with alerts, those at two calls half")
            }
        };
        add(-0.5 * near.min(2.0), calls);
        match place.began {
            None => {
                let copied = self.replicated_by(place, &others, cluster);
                if copied > 0.0 {
                    add(0.75 * copied, REPLICATES.to_owned());
                } else {
                    add(-1.0, "it has no alert of its own".to_owned());
                }
            }
            Some(began) => {
                let copied = self.replicated_by(place, &others, cluster);
                if copied > place.strength {
                    add(0.75 * copied, REPLICATES.to_owned());
                } else {
                    let text = format!("its alerts speak of {}", kinds_in_words(&place.kinds));
                    add(0.75 * place.strength, text);
                }
                let delay = began - first;
                let late = (delay.seconds_f64() / 300.0).min(4.0);
                add(-0.25 * late, format!("symptoms {} after the first", in_words(delay)));
                if delay == Span::ZERO {
                    add(0.25, "the first to show symptoms".to_owned());
                }
                let share = count(place.alerts) / count(alerts.max(1));
                add(1.5 * share, format!("{} of {alerts} alerts", place.alerts));
                if place.is_critical {
                    add(1.0, "critical".to_owned());
                }
                self.weigh_ground(place, &others, &mut add);
                if let Some(name) = self.passes_load_to(place, &others, cluster) {
                    add(
                        LOAD_PASSED_ON,
                        format!("its load is that of {name} alone, which it calls"),
                    );
                }
            }
        }
        if let Some(change) = own_change(place, changes, first) {
            let lag = first - change.report.at;
            let value = if lag <= CHANGE_SHORTLY { 1.5 } else { 0.5 };
            add(value, format!("changed {} before the first alert", in_words(lag)));
        }
        let kinds = kinds_in_words(&place.kinds);
        let reference = place.reference();
        let summary = if place.alerts == 0 {
            format!("{reference}: no alert of its own")
        } else {
            format!("{reference}: {kinds}")
        };
        let fills_up = place.members.iter().any(|(_, traits)| traits.signal.is_filling_up());
        Origin { reference, points, probability: 0.0, fills_up, summary, why }
    }

    /// How many of the others reach a place, and how many alerting services it calls itself (those
    /// at two calls count half).
    fn reach(
        &self,
        place: &Place<'_>,
        others: &[&Place<'_>],
        cluster: Option<&Name>,
    ) -> (usize, f64) {
        let cluster = cluster.map(Name::as_str);
        let graph = &self.memory.graph;
        if place.is_node {
            let placed = others
                .iter()
                .filter(|other| {
                    graph.runs_on(&other.name, place.name.as_str(), cluster)
                        || other.members.iter().any(|(_, t)| t.node.as_ref() == Some(&place.name))
                })
                .count();
            return (placed, 0.0);
        }
        let relations: Vec<Option<Relation>> =
            others.iter().map(|other| graph.relation(&other.name, &place.name, cluster)).collect();
        // Load goes down the calls: those that it reaches suffer from it.
        let suffers = |relation: &Option<Relation>| match relation {
            Some(Relation::CalledBy(_)) => place.has_traffic,
            Some(Relation::Calls(_)) => !place.has_traffic,
            None => false,
        };
        let direct: BTreeSet<&Name> = others
            .iter()
            .zip(&relations)
            .filter(|(_, relation)| suffers(relation))
            .map(|(other, _)| &other.name)
            .collect();
        let reaching = others
            .iter()
            .filter(|other| {
                direct.contains(&other.name)
                    || !place.has_traffic
                        && graph
                            .callees(&other.name, cluster)
                            .into_iter()
                            .any(|callee| direct.contains(callee))
            })
            .count();
        if place.has_traffic {
            return (reaching, 0.0);
        }
        let near = relations
            .iter()
            .map(|relation| match relation {
                Some(Relation::CalledBy(1)) => 1.0,
                Some(Relation::CalledBy(_)) => 0.5,
                Some(Relation::Calls(_)) | None => 0.0,
            })
            .sum();
        (reaching, near)
    }

    /// The one service with unusual load that a place with unusual load calls: what goes through a
    /// front door to one service only is a matter of that service.
    fn passes_load_to<'p>(
        &self,
        place: &Place<'_>,
        others: &[&'p Place<'_>],
        cluster: Option<&Name>,
    ) -> Option<&'p Name> {
        if !place.has_traffic || place.is_node {
            return None;
        }
        let callees = self.memory.graph.callees(&place.name, cluster.map(Name::as_str));
        let mut loaded =
            others.iter().filter(|other| other.has_traffic && callees.contains(&&other.name));
        loaded.next().filter(|_| loaded.next().is_none()).map(|other| &other.name)
    }

    /// What the alerts of its replicas say of a primary: they copy from it by calling it.
    fn replicated_by(
        &self,
        place: &Place<'_>,
        others: &[&Place<'_>],
        cluster: Option<&Name>,
    ) -> f64 {
        let cluster = cluster.map(Name::as_str);
        others
            .iter()
            .filter(|other| other.replication.is_finite() && !place.is_node)
            .filter(|other| {
                let relation = self.memory.graph.relation(&other.name, &place.name, cluster);
                relation == Some(Relation::Calls(1))
            })
            .map(|other| other.replication)
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// What a whole cluster stands on explains many families of services at once.
    fn weigh_ground(
        &self,
        place: &Place<'_>,
        others: &[&Place<'_>],
        add: &mut impl FnMut(f64, String),
    ) {
        if !place.has_shared_ground || others.len() < 3 {
            return;
        }
        let families: BTreeSet<&str> =
            others.iter().filter_map(|other| other.name.as_str().split('-').next()).collect();
        let share = f64::from(u32::try_from(families.len().min(3)).unwrap_or(3)) / 3.0;
        add(1.75 * share, format!("the cluster stands on it, {} families suffer", families.len()));
    }
}

/// The newest change of a place's own before the onset.
fn own_change<'a>(
    place: &Place<'_>,
    changes: &[&'a Change],
    first: Timestamp,
) -> Option<&'a Change> {
    changes
        .iter()
        .rev()
        .filter(|change| !place.is_node && change.report.service.as_ref() == Some(&place.name))
        .find(|change| {
            let lag = first - change.report.at;
            lag >= Span::ZERO && lag <= CHANGE_BEFORE
        })
        .copied()
}

/// The machine of an alert that speaks of its network and of no service.
fn lossy_machine(traits: &Traits) -> Option<&Name> {
    let is_lossy = traits.signal == Signal::Network && traits.service.is_none();
    traits.node.as_ref().filter(|_| is_lossy)
}

fn reach_in_words(place: &Place<'_>, reaching: usize, all: usize) -> String {
    let who = match (reaching, all) {
        (1, 1) => "the other service with alerts".to_owned(),
        (reaching, all) => format!("{reaching} of {all} other services with alerts"),
    };
    let verb = match (place.is_node, place.has_traffic, reaching == 1) {
        (true, _, true) => "runs on it",
        (true, _, false) => "run on it",
        (false, true, true) => "is reached by its calls, down which load goes",
        (false, true, false) => "are reached by its calls, down which load goes",
        (false, false, true) => "reaches it by its calls",
        (false, false, false) => "reach it by their calls",
    };
    format!("{who} {verb}")
}

fn kinds_in_words(kinds: &BTreeSet<Kind>) -> String {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    kinds.join(", ").replace('_', " ")
}
