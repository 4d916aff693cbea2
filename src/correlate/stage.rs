//! What one placement looks at besides the alerts themselves, gathered once.

use super::evidence::{Scene, Side};
use super::machine::Machine;
use super::marks::Mark;
use super::traits::Traits;
use crate::domain::{
    AlertKey, ChangeKind, Episode, EpisodeId, IncidentId, Kind, Name, Span, Timestamp,
};

/// Planned work explains what begins from shortly before it was told …
const WORK_BEFORE: Span = Span::from_minutes(1);
/// … until it should be done.
const WORK_LASTS: Span = Span::from_minutes(20);

/// From here on it makes no difference how many more there are.
const OTHERS_MAX: usize = 100;

/// Nothing is divided by less, whatever is configured.
const BUSY_AT_MIN: f64 = 0.01;

/// See the module.
pub(super) struct Stage<'a> {
    machine: &'a Machine,
    /// Planned work, with its cluster.
    work: Vec<(Timestamp, Option<&'a str>)>,
    /// The alert, and its cluster.
    subject: (EpisodeId, Option<Mark>),
    busy_free: f64,
    busy_at: f64,
    has_clusters: bool,
}

impl<'a> Stage<'a> {
    /// Gathers it for the placement of an episode.
    pub(super) fn new(machine: &'a Machine, episode: &Episode) -> Self {
        let memory = &machine.memory;
        let now = machine.now();
        let traits = memory.traits(episode.id);
        let subject = (episode.id, traits.and_then(|traits| traits.cluster_mark));
        let work = memory
            .planned_changes()
            .map(|change| (change.report.at, change.report.labels.value("cluster")))
            .collect();
        Self {
            machine,
            work,
            subject,
            busy_free: memory.weights.of(true).busy_free,
            busy_at: memory.weights.of(traits.is_some_and(|traits| traits.is_mapped)).busy_at,
            has_clusters: memory.learned.has_clusters(now),
        }
    }

    /// An episode as one side of a pair.
    pub(super) fn side<'e>(&self, episode: &'e Episode) -> Option<Side<'e>>
    where
        'a: 'e,
    {
        let traits: &'a Traits = self.machine.memory.traits(episode.id)?;
        Some(Side { episode, traits, is_maintained: self.is_maintained(episode, traits) })
    }

    /// The scene of a pair, for an incident or between floating alerts.
    pub(super) fn scene(&self, incident: Option<IncidentId>, machine: &'a Machine) -> Scene<'a> {
        let (id, cluster) = self.subject;
        let others = machine.memory.bustle.others(cluster, id, incident).min(OTHERS_MAX);
        #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
        let busy =
            ((others as f64 - self.busy_free) / self.busy_at.max(BUSY_AT_MIN)).clamp(0.0, 1.0);
        Scene {
            graph: &machine.memory.graph,
            learned: &machine.memory.learned,
            weights: &machine.memory.weights,
            witnesses: machine.memory.rules.incidents.witnesses as usize,
            busy,
            has_clusters: self.has_clusters,
        }
    }

    /// True when planned work on its cluster explains that a place is not there.
    fn is_maintained(&self, episode: &Episode, traits: &Traits) -> bool {
        if self.work.is_empty() || !traits.names_a_place || episode.kind != Kind::Availability {
            return false;
        }
        let start = episode.starts_at();
        self.work.iter().any(|(at, cluster)| {
            let is_here = match (cluster, &traits.cluster) {
                (Some(x), Some(y)) => *x == y.as_str(),
                _ => true,
            };
            is_here && start >= *at - WORK_BEFORE && start - *at <= WORK_LASTS
        })
    }
}

/// True for work that was planned: it takes things away on purpose.
pub(super) fn is_planned(kind: ChangeKind, summary: &str) -> bool {
    const WORDS: [&str; 4] = ["drain", "maintenance", "planned", "reboot"];
    let text = summary.to_lowercase();
    kind == ChangeKind::Maintenance || WORDS.iter().any(|word| text.contains(word))
}

impl Machine {
    /// Learns from the labels of a new episode where things are, and finds its cluster.
    pub(super) fn learn_place(&mut self, id: EpisodeId) {
        let now = self.now();
        let window = self.memory.rules.incidents.busy_window;
        self.memory.bustle.advance(now, window);
        self.memory.fade_inferred(now);
        let Some(episode) = self.memory.episodes.get(&id) else { return };
        let (labels, annotations) = (episode.labels.clone(), episode.annotations.clone());
        let memory = &mut self.memory;
        match super::traits::cluster_of(&labels) {
            Some(cluster) => memory.learned.place(&labels, cluster, now),
            None => {
                let traits = memory.traits(id);
                let node = traits.and_then(|traits| traits.node.as_ref()).map(Name::as_str);
                let found = node
                    .and_then(|node| memory.graph.cluster_of_node(node).cloned())
                    .or_else(|| memory.learned.cluster_by_place(&labels, now))
                    .or_else(|| {
                        let clusters = memory.graph.clusters();
                        memory.learned.cluster_in_texts(&annotations, clusters, now)
                    });
                if let Some(cluster) = found {
                    memory.infer(id, cluster, now);
                }
            }
        }
    }

    /// True when another alert of its incident fired when it began, or later.
    fn has_company(&self, episode: &Episode, others: impl Iterator<Item = EpisodeId>) -> bool {
        others.filter_map(|id| self.memory.episodes.get(&id)).any(|other| {
            other.key != episode.key && other.ends_at().is_none_or(|end| end >= episode.starts_at())
        })
    }

    /// How many earlier firings of the same alert, heard within the configured window, stayed
    /// alone.
    pub(super) fn times_alone(&self, key: &AlertKey, newest: EpisodeId) -> u32 {
        let now = self.now();
        let window = self.memory.rules.alerts.alone_window;
        let is_alone = |other: &Episode| match other.incident() {
            None => true,
            Some(incident) => self.memory.crowd(incident).is_some_and(|crowd| {
                crowd.series() < 2 || !self.has_company(other, crowd.witnesses())
            }),
        };
        let count = self
            .memory
            .firings_of(key)
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .filter(|other| other.id < newest && now - other.received_at <= window)
            .filter(|other| is_alone(other))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}
