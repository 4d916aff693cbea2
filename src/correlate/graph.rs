//! The service graph, indexed for questions about distance and direction.
//!
//! Every question costs at most the number of neighbours of the less connected of two services.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::completion::{Calls, complete};
use super::marks::{Mark, Numbered};
use super::traits::Traits;
use crate::domain::{Name, Topology};

/// The neighbours of a service, each with the clusters in which the call is known; no cluster
/// means everywhere.
type Neighbours = BTreeMap<Name, Vec<Option<Name>>>;

/// Who calls whom, in one cluster or everywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    callees: BTreeMap<Name, Neighbours>,
    callers: BTreeMap<Name, Neighbours>,
    placement: BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    services: BTreeSet<Name>,
    nodes: BTreeSet<Name>,
    clusters: BTreeSet<Name>,
    /// The nodes by name: the cluster, when they are placed in one only.
    homes: BTreeMap<Name, Option<Name>>,
    /// Answers that were given already: a storm asks the same again and again.
    answers: RefCell<Numbered<(Mark, Mark, Mark), Standing>>,
}

/// Answers that are remembered.
const ANSWERS_MAX: usize = 50_000;

/// How one service stands to another one, in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// One reaches the other.
    Related(Relation),
    /// They stand beside a third service of so many neighbours.
    Siblings(u32),
    /// The graph ties them not at all.
    Apart,
}

/// How one service stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It reaches the other through this many calls: trouble of the other climbs to it.
    Calls(u32),
    /// The other reaches it through this many calls.
    CalledBy(u32),
}

impl Graph {
    /// Indexes a graph.
    pub(super) fn new(topology: &Topology) -> Self {
        let mut graph = Self::default();
        let mut calls = Calls::new();
        let mut homes: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for edge in &topology.edges {
            let (caller, callee) = (edge.caller.clone(), edge.callee.clone());
            graph.services.extend([caller.clone(), callee.clone()]);
            if let Some(cluster) = &edge.cluster {
                graph.clusters.insert(cluster.clone());
                for service in [&caller, &callee] {
                    homes.entry(service.clone()).or_default().insert(cluster.clone());
                }
            }
            calls.entry((caller, callee)).or_default().insert(edge.cluster.clone());
        }
        for placement in &topology.placement {
            if let Some(cluster) = &placement.cluster {
                homes.entry(placement.service.clone()).or_default().insert(cluster.clone());
            }
        }
        complete(&mut calls, &homes);
        for ((caller, callee), clusters) in calls {
            let clusters: Vec<Option<Name>> = clusters.into_iter().collect();
            let down = graph.callees.entry(caller.clone()).or_default();
            down.insert(callee.clone(), clusters.clone());
            graph.callers.entry(callee).or_default().insert(caller, clusters);
        }
        for placement in &topology.placement {
            graph.services.insert(placement.service.clone());
            graph.clusters.extend(placement.cluster.clone());
            for node in &placement.nodes {
                graph.nodes.insert(node.clone());
                graph
                    .homes
                    .entry(node.clone())
                    .and_modify(|home| {
                        if *home != placement.cluster {
                            *home = None;
                        }
                    })
                    .or_insert_with(|| placement.cluster.clone());
                graph
                    .placement
                    .entry(placement.service.clone())
                    .or_default()
                    .push((node.clone(), placement.cluster.clone()));
            }
        }
        graph
    }

    /// True when the graph names this service.
    pub(super) fn knows(&self, service: &str) -> bool {
        self.services.contains(&Name::from(service))
    }

    /// True when the graph names this node.
    pub(super) fn knows_node(&self, node: &str) -> bool {
        self.nodes.contains(&Name::from(node))
    }

    /// The clusters that the graph names.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &Name> {
        self.clusters.iter()
    }

    /// The cluster of a node, when the graph places it in one only.
    pub(super) fn cluster_of_node(&self, node: &str) -> Option<&Name> {
        self.homes.get(&Name::from(node))?.as_ref()
    }

    /// True when the service runs on the node.
    pub(super) fn runs_on(&self, service: &Name, node: &str, cluster: Option<&str>) -> bool {
        self.placement.get(service).is_some_and(|nodes| {
            nodes
                .iter()
                .any(|(name, at)| name.as_str() == node && same_cluster(at.as_ref(), cluster))
        })
    }

    /// How the service of one alert stands to that of another, in the cluster of either.
    pub(super) fn standing(&self, from: &Traits, to: &Traits) -> Standing {
        let (Some(x), Some(y)) = (from.service_mark, to.service_mark) else {
            return Standing::Apart;
        };
        if !from.is_mapped || !to.is_mapped {
            return Standing::Apart;
        }
        let key = (x, y, from.cluster_mark.or(to.cluster_mark).unwrap_or(0));
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let standing = self.look_up(from, to);
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(key, standing);
        standing
    }

    fn look_up(&self, from: &Traits, to: &Traits) -> Standing {
        let (Some(x), Some(y)) = (&from.service, &to.service) else { return Standing::Apart };
        let cluster = from.cluster.as_ref().or(to.cluster.as_ref()).map(Name::as_str);
        if let Some(relation) = self.relation(x, y, cluster) {
            return Standing::Related(relation);
        }
        self.common_neighbour(x, y, cluster).map_or(Standing::Apart, |degree| {
            Standing::Siblings(u32::try_from(degree).unwrap_or(u32::MAX))
        })
    }

    /// How `from` stands to `to`, by the shortest way of at most two calls; calls before callers.
    pub(super) fn relation(
        &self,
        from: &Name,
        to: &Name,
        cluster: Option<&str>,
    ) -> Option<Relation> {
        if self.calls(from, to, cluster) {
            return Some(Relation::Calls(1));
        }
        if self.calls(to, from, cluster) {
            return Some(Relation::CalledBy(1));
        }
        if self.meets(&self.callees, from, &self.callers, to, cluster).is_some() {
            return Some(Relation::Calls(2));
        }
        if self.meets(&self.callers, from, &self.callees, to, cluster).is_some() {
            return Some(Relation::CalledBy(2));
        }
        None
    }

    /// Two services that call, or are called by, one and the same third: the number of the least
    /// connected such neighbour's own neighbours.
    pub(super) fn common_neighbour(
        &self,
        a: &Name,
        b: &Name,
        cluster: Option<&str>,
    ) -> Option<usize> {
        let callee = self.meets(&self.callees, a, &self.callees, b, cluster);
        let caller = self.meets(&self.callers, a, &self.callers, b, cluster);
        match (callee, caller) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (found, None) | (None, found) => found,
        }
    }

    /// The services that this one calls directly.
    pub(super) fn callees(&self, service: &Name, cluster: Option<&str>) -> Vec<&Name> {
        near(&self.callees, service, cluster)
    }

    fn calls(&self, caller: &Name, callee: &Name, cluster: Option<&str>) -> bool {
        self.callees
            .get(caller)
            .and_then(|callees| callees.get(callee))
            .is_some_and(|clusters| holds(clusters, cluster))
    }

    /// The degree of the least connected service that stands in both sets, if any does.
    fn meets(
        &self,
        left: &BTreeMap<Name, Neighbours>,
        a: &Name,
        right: &BTreeMap<Name, Neighbours>,
        b: &Name,
        cluster: Option<&str>,
    ) -> Option<usize> {
        let (x, y) = (left.get(a)?, right.get(b)?);
        let (small, large) = if x.len() <= y.len() { (x, y) } else { (y, x) };
        small
            .iter()
            .filter(|(middle, clusters)| {
                *middle != a
                    && *middle != b
                    && holds(clusters, cluster)
                    && large.get(*middle).is_some_and(|others| holds(others, cluster))
            })
            .map(|(middle, _)| self.degree(middle))
            .min()
    }

    fn degree(&self, service: &Name) -> usize {
        self.callees.get(service).map_or(0, BTreeMap::len)
            + self.callers.get(service).map_or(0, BTreeMap::len)
    }
}

fn near<'a>(
    edges: &'a BTreeMap<Name, Neighbours>,
    service: &Name,
    cluster: Option<&str>,
) -> Vec<&'a Name> {
    edges
        .get(service)
        .into_iter()
        .flatten()
        .filter(|(_, clusters)| holds(clusters, cluster))
        .map(|(name, _)| name)
        .collect()
}

/// True when a call is known in the cluster.
fn holds(clusters: &[Option<Name>], cluster: Option<&str>) -> bool {
    clusters.iter().any(|known| same_cluster(known.as_ref(), cluster))
}

/// An edge without a cluster holds everywhere; an alert without one may be anywhere.
fn same_cluster(edge: Option<&Name>, cluster: Option<&str>) -> bool {
    match (edge, cluster) {
        (Some(edge), Some(cluster)) => edge.as_str() == cluster,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::topology::Edge;

    #[test]
    fn relations_have_direction_and_end_after_two_calls() {
        let edge = |caller: &str, callee: &str, cluster: Option<&str>| Edge {
            caller: Name::from(caller),
            callee: Name::from(callee),
            cluster: cluster.map(Name::from),
        };
        let graph = Graph::new(&Topology {
            edges: vec![
                edge("web", "cart", None),
                edge("cart", "db", Some("eu")),
                edge("db", "disk", None),
                edge("cart", "auth", None),
            ],
            placement: vec![],
        });
        let relation =
            |a: &str, b: &str, cluster| graph.relation(&Name::from(a), &Name::from(b), cluster);
        assert_eq!(relation("web", "cart", None), Some(Relation::Calls(1)));
        assert_eq!(relation("db", "web", Some("eu")), Some(Relation::CalledBy(2)));
        assert_eq!(relation("db", "web", Some("us")), None);
        assert_eq!(relation("web", "disk", None), None);
        let common =
            |a: &str, b: &str| graph.common_neighbour(&Name::from(a), &Name::from(b), None);
        assert_eq!(common("auth", "db"), Some(3));
        assert_eq!(common("web", "db"), None);
    }
}
