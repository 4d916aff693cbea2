//! The members of an incident, summarised: a few witnesses speak for thousands.
//!
//! Members of one alert name on one service, or one node, say the same about a new alert, so only
//! the first and the last of each such profile are weighed, and of at most `PROFILES_MAX`
//! profiles, the newest. A pure function of the set of members: the same after a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::traits::Traits;
use crate::domain::{AlertKey, EpisodeId, Name};

/// How many profiles of an incident are weighed.
const PROFILES_MAX: usize = 32;

/// How many profiles are looked at for where it began.
const FOUNDERS_MAX: usize = 64;

/// What members of one profile have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Profile {
    service: Option<Name>,
    node: Option<Name>,
    alertname: Name,
    namespace: Option<Name>,
    is_critical: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    profiles: BTreeMap<Profile, BTreeSet<EpisodeId>>,
    /// The last member of each profile.
    newest: BTreeMap<EpisodeId, Profile>,
    /// How many members each alert has.
    series: BTreeMap<AlertKey, u32>,
}

impl Crowd {
    /// Takes a member in.
    pub(super) fn add(&mut self, id: EpisodeId, key: &AlertKey, traits: &Traits) {
        let profile = profile_of(traits);
        let ids = self.profiles.entry(profile.clone()).or_default();
        if let Some(last) = ids.last() {
            self.newest.remove(last);
        }
        if ids.insert(id) {
            *self.series.entry(key.clone()).or_default() += 1;
        }
        if let Some(last) = ids.last() {
            self.newest.insert(*last, profile);
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, id: EpisodeId, key: &AlertKey, traits: &Traits) {
        let profile = profile_of(traits);
        let Some(ids) = self.profiles.get_mut(&profile) else { return };
        if let Some(last) = ids.last() {
            self.newest.remove(last);
        }
        if ids.remove(&id)
            && let Some(count) = self.series.get_mut(key)
        {
            *count -= 1;
            if *count == 0 {
                self.series.remove(key);
            }
        }
        match ids.last() {
            Some(last) => {
                self.newest.insert(*last, profile);
            }
            None => {
                self.profiles.remove(&profile);
            }
        }
    }

    /// The members that are weighed.
    pub(super) fn witnesses(&self) -> impl Iterator<Item = EpisodeId> {
        self.newest.iter().rev().take(PROFILES_MAX).flat_map(|(last, profile)| {
            let first = self.profiles.get(profile).and_then(BTreeSet::first).copied();
            first.into_iter().filter(move |first| first != last).chain([*last])
        })
    }

    /// The first member of each profile, of the profiles that came first.
    pub(super) fn founders(&self) -> impl Iterator<Item = EpisodeId> {
        let mut first: Vec<EpisodeId> =
            self.profiles.values().filter_map(BTreeSet::first).copied().collect();
        first.sort_unstable();
        first.into_iter().take(FOUNDERS_MAX)
    }

    /// How many different alerts it holds.
    pub(super) fn series(&self) -> usize {
        self.series.len()
    }

    /// How many namespaces its profiles stand in.
    pub(super) fn namespaces(&self) -> usize {
        let names: BTreeSet<&Name> = self
            .newest
            .values()
            .rev()
            .take(PROFILES_MAX)
            .filter_map(|p| p.namespace.as_ref())
            .collect();
        names.len()
    }

    /// How many firings of one alert it holds.
    pub(super) fn firings_of(&self, key: &AlertKey) -> u32 {
        self.series.get(key).copied().unwrap_or(0)
    }

    /// True when it holds one alert only, which fired three times or more: a flapper of its own.
    pub(super) fn is_one_flapper(&self) -> bool {
        self.series.len() == 1 && self.series.values().all(|count| *count >= 3)
    }

    /// True when nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

fn profile_of(traits: &Traits) -> Profile {
    Profile {
        service: traits.service.clone(),
        node: if traits.service.is_none() { traits.node.clone() } else { None },
        alertname: traits.alertname.clone(),
        namespace: traits.namespace.clone(),
        is_critical: traits.is_critical,
    }
}
