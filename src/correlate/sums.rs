//! What the members of an incident add up to, kept member by member.
//!
//! A step touches a few members of an incident that may have thousands, so nothing here is ever
//! summed anew: each member is counted as it stands, and counted again when it changes. A pure
//! function of the set of members: the same after a restart. Called by `memory` only.

use std::collections::{BTreeMap, BTreeSet};

use super::traits::cluster_of;
use crate::domain::alert::EndKind;
use crate::domain::incident::{Moment, Tally};
use crate::domain::{Episode, EpisodeId, Membership, Name, Rules, Severity, Span, Timestamp};

/// Members by a moment, equal moments by id.
type Moments = BTreeSet<(Timestamp, EpisodeId)>;

/// The parts of a member that can change while it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    start: Timestamp,
    end: Option<Ended>,
    /// It would page, and is no lead-up.
    is_paging: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    at: Timestamp,
    heard_at: Timestamp,
    is_unknown: bool,
}

impl Counted {
    /// A member as it stands.
    pub(super) fn of(member: &Episode, rules: &Rules) -> Self {
        let lead_up = matches!(member.membership, Membership::Member { lead_up: true, .. });
        Self {
            start: member.starts_at(),
            end: member.end.as_ref().map(|end| Ended {
                at: end.at,
                heard_at: end.heard_at,
                is_unknown: end.how == EndKind::Unknown,
            }),
            is_paging: !lead_up && rules.would_page(member.severity),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    total: u64,
    unknown_ends: u64,
    /// By service, or by none.
    starts: BTreeMap<Option<Name>, Moments>,
    /// The first member of each service.
    firsts: Moments,
    paging: Moments,
    ends: Moments,
    /// When the ends were heard.
    heard: Moments,
    severities: BTreeMap<u8, u64>,
    /// Those of the one rank that two severities share.
    high: BTreeSet<EpisodeId>,
    error: BTreeSet<EpisodeId>,
    clusters: BTreeMap<Option<Name>, u64>,
    /// True when the services, or their order, changed since the tally was last written.
    services_changed: bool,
    /// Counts how often they did.
    services_version: u64,
}

impl Sums {
    /// Counts a member in.
    pub(super) fn add(&mut self, member: &Episode, counted: Counted) {
        let id = member.id;
        self.total += 1;
        self.change_starts(member, |starts| starts.insert((counted.start, id)));
        if counted.is_paging {
            self.paging.insert((counted.start, id));
        }
        if let Some(end) = counted.end {
            self.ends.insert((end.at, id));
            self.heard.insert((end.heard_at, id));
            self.unknown_ends += u64::from(end.is_unknown);
        }
        *self.severities.entry(member.severity.rank()).or_default() += 1;
        match member.severity {
            Severity::High => drop(self.high.insert(id)),
            Severity::Error => drop(self.error.insert(id)),
            Severity::None | Severity::Info | Severity::Warning | Severity::Critical => {}
        }
        *self.clusters.entry(cluster_of(&member.labels).map(Name::from)).or_default() += 1;
    }

    /// Takes a member out, as it was counted in.
    pub(super) fn remove(&mut self, member: &Episode, counted: Counted) {
        let id = member.id;
        self.total -= 1;
        self.change_starts(member, |starts| starts.remove(&(counted.start, id)));
        self.paging.remove(&(counted.start, id));
        if let Some(end) = counted.end {
            self.ends.remove(&(end.at, id));
            self.heard.remove(&(end.heard_at, id));
            self.unknown_ends -= u64::from(end.is_unknown);
        }
        take_one(&mut self.severities, &member.severity.rank());
        self.high.remove(&id);
        self.error.remove(&id);
        take_one(&mut self.clusters, &cluster_of(&member.labels).map(Name::from));
    }

    fn change_starts(&mut self, member: &Episode, change: impl FnOnce(&mut Moments) -> bool) {
        if !self.starts.contains_key(&member.service) {
            self.starts.insert(member.service.clone(), Moments::new());
        }
        let Some(starts) = self.starts.get_mut(&member.service) else { return };
        let before = starts.first().copied();
        change(starts);
        let after = starts.first().copied();
        if before != after {
            before.map(|first| self.firsts.remove(&first));
            self.firsts.extend(after);
            self.services_changed = true;
            self.services_version += 1;
        }
        if after.is_none() {
            self.starts.remove(&member.service);
        }
    }

    /// Counts a member as it stands now, in the place of how it was counted before.
    pub(super) fn replace(&mut self, member: &Episode, before: Counted, after: Counted) {
        let id = member.id;
        if before.start != after.start {
            self.change_starts(member, |starts| {
                starts.remove(&(before.start, id));
                starts.insert((after.start, id))
            });
        }
        if (before.start, before.is_paging) != (after.start, after.is_paging) {
            self.paging.remove(&(before.start, id));
            if after.is_paging {
                self.paging.insert((after.start, id));
            }
        }
        if before.end == after.end {
            return;
        }
        if let Some(end) = before.end {
            self.ends.remove(&(end.at, id));
            self.heard.remove(&(end.heard_at, id));
            self.unknown_ends -= u64::from(end.is_unknown);
        }
        if let Some(end) = after.end {
            self.ends.insert((end.at, id));
            self.heard.insert((end.heard_at, id));
            self.unknown_ends += u64::from(end.is_unknown);
        }
    }

    /// True when nobody is counted.
    pub(super) const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Counts how often the services, or their order, changed.
    pub(super) const fn services_version(&self) -> u64 {
        self.services_version
    }

    /// How many members fire.
    pub(super) fn firing(&self) -> u64 {
        self.total - self.ends.len() as u64
    }

    /// The last end, once all have ended.
    pub(super) fn recovered_at(&self) -> Option<Timestamp> {
        if self.firing() > 0 { None } else { self.ends.last().map(|(at, _)| *at) }
    }

    /// When an end was last heard.
    pub(super) fn last_heard_at(&self) -> Option<Timestamp> {
        self.heard.last().map(|(at, _)| *at)
    }

    /// True when some member ended at `from` or up to `within` after.
    pub(super) fn ends_within(&self, from: Timestamp, within: Span) -> bool {
        self.ends.range((from, EpisodeId(0))..).next().is_some_and(|(at, _)| *at - from <= within)
    }

    /// True when some member is in the cluster, or names none.
    pub(super) fn may_be_in(&self, cluster: &str) -> bool {
        self.clusters.contains_key(&None) || self.clusters.contains_key(&Some(Name::from(cluster)))
    }

    /// Writes what they add up to. The services are written only when they changed: they can be
    /// many, and most steps leave them as they are.
    pub(super) fn write(&mut self, tally: &mut Tally) {
        let moment = |(at, episode): &(Timestamp, EpisodeId)| Moment { at: *at, episode: *episode };
        let services = std::mem::take(&mut tally.services);
        *tally = Tally {
            total: self.total,
            firing: self.firing(),
            first: self.firsts.first().map(moment),
            first_paging: self.paging.first().map(moment),
            last_end: self.ends.last().map(moment),
            has_unknown_end: self.unknown_ends > 0,
            severity: self.worst(),
            services,
        };
        if std::mem::take(&mut self.services_changed) {
            let mut by_first: Vec<_> = self
                .starts
                .iter()
                .filter_map(|(service, starts)| Some((starts.first()?, service.as_ref()?)))
                .collect();
            by_first.sort_unstable();
            tally.services = by_first.into_iter().map(|(_, service)| service.clone()).collect();
        }
    }

    /// The worst severity; of two with one rank, that of the first member.
    fn worst(&self) -> Option<Severity> {
        let rank = *self.severities.last_key_value()?.0;
        if rank == Severity::Error.rank() {
            return Some(match (self.high.first(), self.error.first()) {
                (Some(high), Some(error)) if high < error => Severity::High,
                (Some(_), None) => Severity::High,
                (_, Some(_)) | (None, None) => Severity::Error,
            });
        }
        Severity::ALL.into_iter().find(|severity| severity.rank() == rank)
    }
}

fn take_one<K: Ord>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
