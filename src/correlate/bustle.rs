//! What began lately, counted: how much else goes on, and who may still find a home.
//!
//! Derived from the list of the newest alerts that `learned` keeps and from where each of them is
//! now, so that a placement asks for a number instead of walking the list. Called by `memory`
//! (which tells it of every move) and `stage`.

use std::collections::{BTreeSet, VecDeque};

use super::learned::{BEGUN_MEMORY, Begun};
use super::marks::{Mark, Numbered, mark};
use crate::domain::{EpisodeId, IncidentId, Span, Timestamp};

/// One of the newest alerts.
#[derive(Clone, Copy, Debug)]
struct Newcomer {
    cluster: Option<Mark>,
    incident: Option<IncidentId>,
    heard_at: Timestamp,
    /// False once it began too long ago to make the stream busy.
    is_counted: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Bustle {
    newcomers: Numbered<EpisodeId, Newcomer>,
    /// Those that are in no incident.
    floating: BTreeSet<EpisodeId>,
    /// Those within the busy window, oldest first.
    counted: VecDeque<(Timestamp, EpisodeId)>,
    /// How many of them by cluster, and by cluster and incident.
    by_cluster: Numbered<Option<Mark>, usize>,
    by_incident: Numbered<(Option<Mark>, Option<IncidentId>), usize>,
}

impl Bustle {
    /// An alert began.
    pub(super) fn begin(&mut self, begun: &Begun, incident: Option<IncidentId>) {
        let cluster = begun.cluster.as_ref().map(|cluster| mark([cluster.as_str()]));
        let heard_at = begun.heard_at;
        self.newcomers.insert(begun.id, Newcomer { cluster, incident, heard_at, is_counted: true });
        if incident.is_none() {
            self.floating.insert(begun.id);
        }
        self.counted.push_back((begun.heard_at, begun.id));
        self.count(cluster, incident, true);
    }

    /// It is no longer among the newest.
    pub(super) fn leave(&mut self, id: EpisodeId) {
        let Some(newcomer) = self.newcomers.remove(&id) else { return };
        self.floating.remove(&id);
        if newcomer.is_counted {
            // It is the oldest, unless an id came twice.
            match self.counted.front() {
                Some((_, first)) if *first == id => drop(self.counted.pop_front()),
                _ => self.counted.retain(|(_, other)| *other != id),
            }
            self.count(newcomer.cluster, newcomer.incident, false);
        }
    }

    /// It is in this incident now, or in none.
    pub(super) fn moved(&mut self, id: EpisodeId, to: Option<IncidentId>) {
        let Some(newcomer) = self.newcomers.get_mut(&id) else { return };
        let before = std::mem::replace(newcomer, Newcomer { incident: to, ..*newcomer });
        if to.is_none() {
            self.floating.insert(id);
        } else {
            self.floating.remove(&id);
        }
        if before.is_counted {
            self.count(before.cluster, before.incident, false);
            self.count(before.cluster, to, true);
        }
    }

    /// Time passed: what began before the busy window counts no more.
    pub(super) fn advance(&mut self, now: Timestamp, window: Span) {
        while let Some((heard_at, id)) = self.counted.front().copied()
            && now - heard_at > window.min(BEGUN_MEMORY)
        {
            self.counted.pop_front();
            if let Some(newcomer) = self.newcomers.get_mut(&id) {
                newcomer.is_counted = false;
                let Newcomer { cluster, incident, .. } = *newcomer;
                self.count(cluster, incident, false);
            }
        }
    }

    fn count(&mut self, cluster: Option<Mark>, incident: Option<IncidentId>, is_in: bool) {
        let change = |count: &mut usize| {
            *count = if is_in { *count + 1 } else { count.saturating_sub(1) };
            *count == 0
        };
        if change(self.by_cluster.entry(cluster).or_default()) {
            self.by_cluster.remove(&cluster);
        }
        let key = (cluster, incident);
        if change(self.by_incident.entry(key).or_default()) {
            self.by_incident.remove(&key);
        }
    }

    /// How many began within the busy window in a cluster, or may have, besides `but` and those
    /// that are in an incident.
    pub(super) fn others(
        &self,
        cluster: Option<Mark>,
        but: EpisodeId,
        besides: Option<IncidentId>,
    ) -> usize {
        let is_left_out = |incident: Option<IncidentId>| besides.is_some() && incident == besides;
        let clusters: Vec<Option<Mark>> = match cluster {
            None => self.by_cluster.keys().copied().collect(),
            Some(_) => vec![cluster, None],
        };
        let of = |cluster: &Option<Mark>| {
            let all = self.by_cluster.get(cluster).copied().unwrap_or(0);
            let out = match besides {
                None => 0,
                Some(_) => self.by_incident.get(&(*cluster, besides)).copied().unwrap_or(0),
            };
            all - out
        };
        let own = self.newcomers.get(&but).is_some_and(|own| {
            own.is_counted && clusters.contains(&own.cluster) && !is_left_out(own.incident)
        });
        clusters.iter().map(of).sum::<usize>() - usize::from(own)
    }

    /// Those in no incident that began lately in a cluster, or may have, newest first.
    pub(super) fn floating(
        &self,
        cluster: Option<Mark>,
        now: Timestamp,
    ) -> impl Iterator<Item = EpisodeId> {
        self.floating.iter().rev().copied().filter(move |id| {
            self.newcomers.get(id).is_some_and(|other| {
                now - other.heard_at <= BEGUN_MEMORY
                    && !matches!((other.cluster, cluster), (Some(x), Some(y)) if x != y)
            })
        })
    }
}
