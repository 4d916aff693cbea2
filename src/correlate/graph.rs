//! The service graph, indexed for questions about distance and direction.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{Name, Topology};

/// Who calls whom, in one cluster or everywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    callees: BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    callers: BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    placement: BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    services: BTreeSet<Name>,
    nodes: BTreeSet<Name>,
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
    /// Distances beyond this say nothing.
    const FARTHEST: u32 = 2;

    /// Indexes a graph.
    pub(super) fn new(topology: &Topology) -> Self {
        let mut graph = Self::default();
        for edge in &topology.edges {
            let (caller, callee) = (edge.caller.clone(), edge.callee.clone());
            graph.services.extend([caller.clone(), callee.clone()]);
            let cluster = edge.cluster.clone();
            graph
                .callees
                .entry(caller.clone())
                .or_default()
                .push((callee.clone(), cluster.clone()));
            graph.callers.entry(callee).or_default().push((caller, cluster));
        }
        for placement in &topology.placement {
            graph.services.insert(placement.service.clone());
            for node in &placement.nodes {
                graph.nodes.insert(node.clone());
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

    /// True when the service runs on the node.
    pub(super) fn runs_on(&self, service: &Name, node: &str, cluster: Option<&str>) -> bool {
        self.placement.get(service).is_some_and(|nodes| {
            nodes
                .iter()
                .any(|(name, at)| name.as_str() == node && same_cluster(at.as_ref(), cluster))
        })
    }

    /// How `from` stands to `to`, by the shortest way of at most two calls; calls before callers.
    pub(super) fn relation(
        &self,
        from: &Name,
        to: &Name,
        cluster: Option<&str>,
    ) -> Option<Relation> {
        let down = distance(&self.callees, from, to, cluster);
        let up = distance(&self.callers, from, to, cluster);
        match (down, up) {
            (Some(d), Some(u)) if u < d => Some(Relation::CalledBy(u)),
            (Some(d), _) => Some(Relation::Calls(d)),
            (None, Some(u)) => Some(Relation::CalledBy(u)),
            (None, None) => None,
        }
    }
}

/// An edge without a cluster holds everywhere; an alert without one may be anywhere.
fn same_cluster(edge: Option<&Name>, cluster: Option<&str>) -> bool {
    match (edge, cluster) {
        (Some(edge), Some(cluster)) => edge.as_str() == cluster,
        _ => true,
    }
}

fn distance(
    edges: &BTreeMap<Name, Vec<(Name, Option<Name>)>>,
    from: &Name,
    to: &Name,
    cluster: Option<&str>,
) -> Option<u32> {
    let mut seen = BTreeSet::from([from]);
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((service, steps)) = queue.pop_front() {
        if steps == Graph::FARTHEST {
            continue;
        }
        for (next, edge_cluster) in edges.get(service).into_iter().flatten() {
            if !same_cluster(edge_cluster.as_ref(), cluster) || !seen.insert(next) {
                continue;
            }
            if next == to {
                return Some(steps + 1);
            }
            queue.push_back((next, steps + 1));
        }
    }
    None
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
            ],
            placement: vec![],
        });
        let relation =
            |a: &str, b: &str, cluster| graph.relation(&Name::from(a), &Name::from(b), cluster);
        assert_eq!(relation("web", "cart", None), Some(Relation::Calls(1)));
        assert_eq!(relation("db", "web", Some("eu")), Some(Relation::CalledBy(2)));
        assert_eq!(relation("db", "web", Some("us")), None);
        assert_eq!(relation("web", "disk", None), None);
    }
}
