//! What grouping needs to know of an episode, read once when it comes into memory.
//!
//! Derived from the episode, the service graph and the cluster that was inferred for it; never
//! stored, so a snapshot stays small and a restart reads the same.

use super::graph::Graph;
use super::learned::part_marks;
use super::marks::{Mark, alert_mark, mark, pair_mark};
use super::signals::Signal;
use crate::domain::{Episode, Labels, Name, Severity, redaction};

/// The parts of an episode that are weighed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Traits {
    pub(super) service: Option<Name>,
    /// The machine that it names.
    pub(super) node: Option<Name>,
    /// The host of its instance: a machine where another alert names it as one.
    pub(super) host: Option<Name>,
    pub(super) cluster: Option<Name>,
    pub(super) environment: Option<Name>,
    pub(super) namespace: Option<Name>,
    pub(super) alertname: Name,
    pub(super) signal: Signal,
    pub(super) is_critical: bool,
    /// True when it names a pod, an instance or a node: one place rather than a whole service.
    pub(super) names_a_place: bool,
    /// True when the graph knows its service, or its node when it names no service.
    pub(super) is_mapped: bool,
    /// The marks of what is compared most. Of the alert.
    pub(super) alert: Mark,
    pub(super) service_mark: Option<Mark>,
    pub(super) cluster_mark: Option<Mark>,
    /// Of the label pair `namespace`.
    pub(super) namespace_mark: Option<Mark>,
    /// Of the label pairs that no other term weighs, in order.
    pub(super) label_marks: Box<[Mark]>,
    /// Of the parts of the service's name, in order.
    pub(super) part_marks: Box<[Mark]>,
}

/// Labels that have a term of their own.
const WEIGHED: [&str; 12] = [
    "alertname",
    "severity",
    "cluster",
    "namespace",
    "service",
    "app",
    "job",
    "deployment",
    "env",
    "environment",
    "node",
    "grafana_folder",
];

impl Traits {
    /// Reads an episode. `inferred` is the cluster that was found for one that names none.
    pub(super) fn read(episode: &Episode, graph: &Graph, inferred: Option<&Name>) -> Self {
        let labels = &episode.labels;
        let name = |value: Option<&str>| value.map(Name::from);
        let summary = episode.annotations.value("summary").unwrap_or_default();
        let service = episode.service.clone();
        let cluster = name(cluster_of(labels)).or_else(|| inferred.cloned());
        let namespace = labels.value("namespace").or_else(|| labels.value("grafana_folder"));
        let mut label_marks: Box<[Mark]> = labels
            .iter()
            .filter(|(name, value)| !value.is_empty() && !WEIGHED.contains(name))
            // What was taken out of two alerts need not have been the same.
            .filter(|(_, value)| !value.contains(redaction::MARK))
            .map(|(name, value)| pair_mark(name, value))
            .collect();
        label_marks.sort_unstable();
        Self {
            alert: alert_mark(&episode.key),
            service_mark: service.as_ref().map(|service| mark([service.as_str()])),
            cluster_mark: cluster.as_ref().map(|cluster| mark([cluster.as_str()])),
            namespace_mark: namespace.map(|namespace| pair_mark("namespace", namespace)),
            label_marks,
            part_marks: service.as_ref().map(part_marks).unwrap_or_default(),
            node: name(node_of(labels, graph)),
            host: name(labels.value("instance").map(host_of)),
            cluster,
            environment: name(environment_of(labels)),
            namespace: name(namespace),
            alertname: Name::from(episode.alertname()),
            signal: Signal::read(episode.alertname(), summary),
            is_critical: episode.severity == Severity::Critical,
            names_a_place: PLACES.iter().any(|label| labels.value(label).is_some()),
            is_mapped: match &service {
                Some(service) => graph.knows(service.as_str()),
                None => node_of(labels, graph).is_some_and(|node| graph.knows_node(node)),
            },
            service,
        }
    }

    /// True when both speak of one machine, which at least one of them names as such.
    pub(super) fn shares_node(&self, other: &Self) -> bool {
        let is = |node: &Option<Name>, place: &Option<Name>| node.is_some() && node == place;
        is(&self.node, &other.node)
            || other.node.is_none() && is(&self.node, &other.host)
            || self.node.is_none() && is(&other.node, &self.host)
    }

    /// True when it speaks of a machine and of no service.
    pub(super) const fn is_about_a_node(&self) -> bool {
        self.node.is_some() && self.service.is_none()
    }
}

/// Labels that name one place.
pub(super) const PLACES: [&str; 5] = ["pod", "instance", "node", "nodename", "host"];

/// The cluster that an alert names.
pub(super) fn cluster_of(labels: &Labels) -> Option<&str> {
    labels.value("cluster").or_else(|| labels.value("k8s_cluster"))
}

/// The environment that an alert names.
pub(super) fn environment_of(labels: &Labels) -> Option<&str> {
    ["env", "environment", "stage"].into_iter().find_map(|name| labels.value(name))
}

/// The machine that an alert names: by a label of its own, or as the host of `instance` when the
/// graph knows that host as a node.
fn node_of<'a>(labels: &'a Labels, graph: &Graph) -> Option<&'a str> {
    ["node", "nodename", "host"].into_iter().find_map(|name| labels.value(name)).or_else(|| {
        let host = host_of(labels.value("instance")?);
        graph.knows_node(host).then_some(host)
    })
}

fn host_of(instance: &str) -> &str {
    instance.rsplit_once(':').map_or(instance, |(host, _)| host)
}
