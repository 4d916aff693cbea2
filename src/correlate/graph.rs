//! The service graph, indexed for questions about distance and direction.
//!
//! Every question costs at most the number of neighbours of the less connected of two services.

use std::collections::{BTreeMap, BTreeSet};

use super::completion::{Calls, complete};
use super::marks::{Mark, Numbered, mark};
use super::traits::Traits;
use crate::domain::{Name, Topology};

/// A call of one service, to or from another, with the clusters in which it is known; none means
/// everywhere.
#[derive(Clone, Debug)]
struct Neighbour {
    service: Number,
    clusters: Box<[Mark]>,
}

/// Services are compared by their number, in the order of their names.
type Number = u32;

/// The neighbours of each service by its number, each in order.
type Neighbours = Vec<Vec<Neighbour>>;

/// Who calls whom, in one cluster or everywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    names: Vec<Name>,
    numbers: Numbered<Mark, Number>,
    callees: Neighbours,
    callers: Neighbours,
    placement: BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    services: BTreeSet<Name>,
    nodes: BTreeSet<Name>,
    clusters: BTreeSet<Name>,
    /// The nodes by name: the cluster, when they are placed in one only.
    homes: BTreeMap<Name, Option<Name>>,
}

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
        graph.number(calls);
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

    /// Gives the services numbers, and files each call with both of them.
    fn number(&mut self, calls: Calls) {
        self.names = self.services.iter().cloned().collect();
        self.callees = vec![Vec::new(); self.names.len()];
        self.callers = vec![Vec::new(); self.names.len()];
        let marks = self.names.iter().map(|name| mark([name.as_str()]));
        self.numbers = marks.zip(0..).collect();
        for ((caller, callee), clusters) in calls {
            let (Some(from), Some(to)) = (self.number_of(&caller), self.number_of(&callee)) else {
                continue;
            };
            let clusters: Box<[Mark]> = if clusters.contains(&None) {
                Box::default()
            } else {
                clusters.iter().flatten().map(|cluster| mark([cluster.as_str()])).collect()
            };
            let down = Neighbour { service: to, clusters: clusters.clone() };
            self.callees[from as usize].push(down);
            self.callers[to as usize].push(Neighbour { service: from, clusters });
        }
    }

    fn number_of(&self, service: &Name) -> Option<Number> {
        self.numbers.get(&mark([service.as_str()])).copied()
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
        self.look_up(x, y, from.cluster_mark.or(to.cluster_mark))
    }

    /// True when the service of one alert calls that of another: [`Graph::standing`] says
    /// `Calls(1)`, and takes many times as long to say what else there may be.
    pub(super) fn calls_directly(&self, from: &Traits, to: &Traits) -> bool {
        self.ends(from, to).is_some_and(|(from, to, cluster)| self.calls(from, to, cluster))
    }

    /// True when the service of one alert calls that of another, itself or through a third.
    pub(super) fn reaches(&self, from: &Traits, to: &Traits) -> bool {
        self.ends(from, to).is_some_and(|(from, to, cluster)| {
            self.calls(from, to, cluster)
                // Where both ways lead, the direct one counts: see [`Graph::related`].
                || !self.calls(to, from, cluster)
                    && self.meets((&self.callees, from), (&self.callers, to), cluster).is_some()
        })
    }

    /// True when one service calls the other, itself or through a third.
    pub(super) fn are_related(&self, from: &Traits, to: &Traits) -> bool {
        self.ends(from, to)
            .is_some_and(|(from, to, cluster)| self.related(from, to, cluster).is_some())
    }

    fn ends(&self, from: &Traits, to: &Traits) -> Option<(Number, Number, Option<Mark>)> {
        let number = |traits: &Traits| {
            let mark = traits.service_mark.filter(|_| traits.is_mapped)?;
            self.numbers.get(&mark).copied()
        };
        Some((number(from)?, number(to)?, from.cluster_mark.or(to.cluster_mark)))
    }

    fn look_up(&self, x: Mark, y: Mark, cluster: Option<Mark>) -> Standing {
        let (Some(from), Some(to)) = (self.numbers.get(&x), self.numbers.get(&y)) else {
            return Standing::Apart;
        };
        if let Some(relation) = self.related(*from, *to, cluster) {
            return Standing::Related(relation);
        }
        self.common_neighbour(*from, *to, cluster).map_or(Standing::Apart, |degree| {
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
        let cluster = cluster.map(|cluster| mark([cluster]));
        self.related(self.number_of(from)?, self.number_of(to)?, cluster)
    }

    fn related(&self, from: Number, to: Number, cluster: Option<Mark>) -> Option<Relation> {
        if self.calls(from, to, cluster) {
            return Some(Relation::Calls(1));
        }
        if self.calls(to, from, cluster) {
            return Some(Relation::CalledBy(1));
        }
        if self.meets((&self.callees, from), (&self.callers, to), cluster).is_some() {
            return Some(Relation::Calls(2));
        }
        if self.meets((&self.callers, from), (&self.callees, to), cluster).is_some() {
            return Some(Relation::CalledBy(2));
        }
        None
    }

    /// Two services that call, or are called by, one and the same third: the number of the least
    /// connected such neighbour's own neighbours.
    fn common_neighbour(&self, a: Number, b: Number, cluster: Option<Mark>) -> Option<usize> {
        let callee = self.meets((&self.callees, a), (&self.callees, b), cluster);
        let caller = self.meets((&self.callers, a), (&self.callers, b), cluster);
        match (callee, caller) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (found, None) | (None, found) => found,
        }
    }

    /// The services that this one calls directly.
    pub(super) fn callees(&self, service: &Name, cluster: Option<&str>) -> Vec<&Name> {
        let cluster = cluster.map(|cluster| mark([cluster]));
        let number = self.number_of(service);
        let callees = number.into_iter().flat_map(|number| &self.callees[number as usize]);
        callees
            .filter(|callee| callee.is_in(cluster))
            .map(|callee| &self.names[callee.service as usize])
            .collect()
    }

    fn calls(&self, caller: Number, callee: Number, cluster: Option<Mark>) -> bool {
        find(&self.callees[caller as usize], callee).is_some_and(|call| call.is_in(cluster))
    }

    /// The degree of the least connected service that stands in both sets, if any does.
    fn meets(
        &self,
        (left, a): (&Neighbours, Number),
        (right, b): (&Neighbours, Number),
        cluster: Option<Mark>,
    ) -> Option<usize> {
        let (x, y) = (&left[a as usize], &right[b as usize]);
        let (small, large) = if x.len() <= y.len() { (x, y) } else { (y, x) };
        small
            .iter()
            .filter(|middle| {
                middle.service != a
                    && middle.service != b
                    && middle.is_in(cluster)
                    && find(large, middle.service).is_some_and(|other| other.is_in(cluster))
            })
            .map(|middle| self.degree(middle.service))
            .min()
    }

    fn degree(&self, service: Number) -> usize {
        self.callees[service as usize].len() + self.callers[service as usize].len()
    }
}

impl Neighbour {
    /// True when the call is known in the cluster; an alert without one may be anywhere.
    fn is_in(&self, cluster: Option<Mark>) -> bool {
        self.clusters.is_empty() || cluster.is_none_or(|cluster| self.clusters.contains(&cluster))
    }
}

fn find(neighbours: &[Neighbour], service: Number) -> Option<&Neighbour> {
    let at = neighbours.binary_search_by_key(&service, |other| other.service).ok()?;
    neighbours.get(at)
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
        let number = |name: &str| graph.number_of(&Name::from(name)).unwrap();
        let common = |a: &str, b: &str| graph.common_neighbour(number(a), number(b), None);
        assert_eq!(common("auth", "db"), Some(3));
        assert_eq!(common("web", "db"), None);
    }
}
