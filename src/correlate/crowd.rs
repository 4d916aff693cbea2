//! The members of an incident, summarised: a few witnesses speak for thousands.
//!
//! Members of one alert name on one service, or one node, say the same about a new alert, so only
//! the first and the last of each such profile are weighed, and of at most `PROFILES_MAX`
//! profiles, the newest. A pure function of the set of members: the same after a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{Mark, Numbered, mark};
use super::traits::Traits;
use crate::domain::{EpisodeId, Name};

/// How many profiles of an incident are weighed.
const PROFILES_MAX: usize = 32;

/// How many profiles are looked at for where it began.
const FOUNDERS_MAX: usize = 64;

/// An alert that fired so often in one incident is a flapper there.
pub(super) const FLAPPER_MIN: u32 = 3;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    /// The members of each profile.
    profiles: Numbered<Mark, BTreeSet<EpisodeId>>,
    /// By the last member of each profile.
    newest: BTreeMap<EpisodeId, Newest>,
    /// The first member of each profile.
    firsts: BTreeSet<EpisodeId>,
    /// How many members each alert has.
    series: Numbered<Mark, u32>,
    /// How many members are known to be in each cluster, or in none.
    clusters: Numbered<Option<Mark>, u32>,
    /// Counts how often the founders changed.
    founders_version: u64,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    first: EpisodeId,
    namespace: Option<Mark>,
}

impl Crowd {
    /// Takes a member in.
    pub(super) fn add(&mut self, id: EpisodeId, traits: &Traits) {
        let profile = profile_of(traits);
        let ids = self.profiles.entry(profile).or_default();
        let before = ids.first().copied().zip(ids.last().copied());
        if ids.insert(id) {
            *self.series.entry(traits.alert).or_default() += 1;
            *self.clusters.entry(traits.cluster_mark).or_default() += 1;
        }
        let after = ids.first().copied().zip(ids.last().copied());
        self.refile(before, after, traits.namespace_mark);
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, id: EpisodeId, traits: &Traits) {
        let profile = profile_of(traits);
        let Some(ids) = self.profiles.get_mut(&profile) else { return };
        let before = ids.first().copied().zip(ids.last().copied());
        if ids.remove(&id) {
            take_one(&mut self.series, traits.alert);
            take_one(&mut self.clusters, traits.cluster_mark);
        }
        let after = ids.first().copied().zip(ids.last().copied());
        if after.is_none() {
            self.profiles.remove(&profile);
        }
        self.refile(before, after, traits.namespace_mark);
    }

    /// Files the first and last member of a profile anew.
    fn refile(
        &mut self,
        before: Option<(EpisodeId, EpisodeId)>,
        after: Option<(EpisodeId, EpisodeId)>,
        namespace: Option<Mark>,
    ) {
        if before == after {
            return;
        }
        if let Some((_, last)) = before {
            self.newest.remove(&last);
        }
        if let Some((first, last)) = after {
            self.newest.insert(last, Newest { first, namespace });
        }
        let (before, after) = (before.map(|(first, _)| first), after.map(|(first, _)| first));
        if before != after {
            let is_founder = |firsts: &BTreeSet<EpisodeId>, id: EpisodeId| {
                firsts.iter().nth(FOUNDERS_MAX).is_none_or(|next| id < *next)
            };
            let mut has_changed = before.is_some_and(|id| is_founder(&self.firsts, id));
            before.map(|id| self.firsts.remove(&id));
            self.firsts.extend(after);
            has_changed |= after.is_some_and(|id| is_founder(&self.firsts, id));
            self.founders_version += u64::from(has_changed);
        }
    }

    /// The members that are weighed.
    pub(super) fn witnesses(&self) -> impl Iterator<Item = EpisodeId> {
        self.newest.iter().rev().take(PROFILES_MAX).flat_map(|(last, profile)| {
            let first = Some(profile.first).filter(move |first| first != last);
            first.into_iter().chain([*last])
        })
    }

    /// The first member of each profile, of the profiles that came first.
    pub(super) fn founders(&self) -> impl Iterator<Item = EpisodeId> {
        self.firsts.iter().copied().take(FOUNDERS_MAX)
    }

    /// Counts how often what [`Crowd::founders`] gives changed.
    pub(super) const fn founders_version(&self) -> u64 {
        self.founders_version
    }

    /// True when the member is a founder.
    pub(super) fn is_founder(&self, id: EpisodeId) -> bool {
        self.firsts.contains(&id)
    }

    /// Says that a founder itself changed.
    pub(super) const fn founder_changed(&mut self) {
        self.founders_version += 1;
    }

    /// How many different alerts it holds.
    pub(super) fn series(&self) -> usize {
        self.series.len()
    }

    /// True when an alert can be tied to one of its members at all: clusters that differ keep apart
    /// everything but firings of one alert.
    pub(super) fn may_take(&self, traits: &Traits) -> bool {
        traits.cluster_mark.is_none()
            || self.clusters.contains_key(&traits.cluster_mark)
            || self.clusters.contains_key(&None)
            || self.series.contains_key(&traits.alert)
    }

    /// How many namespaces its profiles stand in.
    pub(super) fn namespaces(&self) -> usize {
        let newest = self.newest.values().rev().take(PROFILES_MAX);
        newest.filter_map(|profile| profile.namespace).collect::<BTreeSet<Mark>>().len()
    }

    /// How many firings of one alert it holds.
    pub(super) fn firings_of(&self, alert: Mark) -> u32 {
        self.series.get(&alert).copied().unwrap_or(0)
    }

    /// True when an alert fired in it so often that it flaps.
    pub(super) fn has_flapper(&self, alert: Mark) -> bool {
        self.firings_of(alert) >= FLAPPER_MIN
    }

    /// True when it holds one alert only, and that is a flapper.
    pub(super) fn is_one_flapper(&self) -> bool {
        self.series.len() == 1 && self.series.values().all(|count| *count >= FLAPPER_MIN)
    }

    /// True when nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

fn take_one<K: Eq + std::hash::Hash>(counts: &mut Numbered<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// What members of one profile have in common.
fn profile_of(traits: &Traits) -> Mark {
    let node = if traits.service.is_none() { traits.node.as_ref() } else { None };
    let severity = if traits.is_critical { "critical" } else { "" };
    mark([text(traits.service.as_ref()), text(node), traits.alertname.as_str()])
        ^ mark([text(traits.namespace.as_ref()), severity]).rotate_left(1)
}

fn text(name: Option<&Name>) -> &str {
    name.map_or("", Name::as_str)
}
