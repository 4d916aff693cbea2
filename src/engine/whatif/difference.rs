//! How two groupings of the same alerts differ: which incidents stay, split, merge, come and go.
//!
//! Pure. It knows only how many alerts lie in which incident on either side. Called by `whatif`.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::IncidentId;

/// Where an alert lies on one side; `None` is no incident.
pub(super) type Home = Option<IncidentId>;

/// How many alerts lie here on the one side and there on the other.
pub(super) type Overlap = BTreeMap<(Home, Home), u64>;

/// What became of some incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The same alerts in one incident.
    Same,
    /// One incident still, with other alerts in it, or told otherwise.
    Changed,
    /// One became several.
    Split,
    /// Several became one.
    Merged,
    /// Several became several others.
    Regrouped,
    /// There was none.
    New,
    /// There is none.
    Gone,
}

impl Change {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Same,
        Self::Changed,
        Self::Split,
        Self::Merged,
        Self::Regrouped,
        Self::New,
        Self::Gone,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Split => "split",
            Self::Merged => "merged",
            Self::Regrouped => "regrouped",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// Incidents of both sides that share alerts, directly or through each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) change: Change,
    /// As stored, by number.
    pub(super) stored: Vec<IncidentId>,
    /// As derived under the other configuration, by number.
    pub(super) derived: Vec<IncidentId>,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// By what changed, and by number.
    pub(super) groups: Vec<Group>,
    /// Which incident goes on as which: the one with which it shares the most alerts.
    goes_on_as: BTreeMap<IncidentId, IncidentId>,
}

impl Difference {
    /// The stored incident that goes on as this one.
    pub(super) fn goes_on_from(&self, derived: IncidentId) -> Option<IncidentId> {
        self.goes_on_as.iter().find(|(_, as_this)| **as_this == derived).map(|(id, _)| *id)
    }

    /// True when an alert in `stored` would move by being in `derived`.
    pub(super) fn is_move(&self, stored: Home, derived: Home) -> bool {
        match (stored, derived) {
            (None, None) => false,
            (Some(stored), Some(derived)) => self.goes_on_as.get(&stored) != Some(&derived),
            (Some(_), None) | (None, Some(_)) => true,
        }
    }
}

/// Compares the two sides.
pub(super) fn difference(overlap: &Overlap) -> Difference {
    let goes_on_as = pair_up(overlap);
    let mut groups: Vec<Group> = connected(overlap)
        .into_iter()
        .map(|(stored, derived)| {
            let change = match (stored.len(), derived.len()) {
                (0, _) => Change::New,
                (_, 0) => Change::Gone,
                (1, 1) if !has_floating(overlap, stored[0], derived[0]) => Change::Same,
                (1, 1) => Change::Changed,
                (1, _) => Change::Split,
                (_, 1) => Change::Merged,
                _ => Change::Regrouped,
            };
            Group { change, stored, derived }
        })
        .collect();
    groups.sort_by(|x, y| {
        let key = |group: &Group| (group.change, group.stored.clone(), group.derived.clone());
        key(x).cmp(&key(y))
    });
    Difference { groups, goes_on_as }
}

/// True when an alert floats on the one side that belongs to the incident on the other.
fn has_floating(overlap: &Overlap, stored: IncidentId, derived: IncidentId) -> bool {
    overlap.contains_key(&(Some(stored), None)) || overlap.contains_key(&(None, Some(derived)))
}

/// Pairs the incidents of both sides, the largest overlap first, each at most once.
fn pair_up(overlap: &Overlap) -> BTreeMap<IncidentId, IncidentId> {
    let mut shared: Vec<(u64, IncidentId, IncidentId)> = overlap
        .iter()
        .filter_map(|((stored, derived), count)| Some((*count, (*stored)?, (*derived)?)))
        .collect();
    shared.sort_by(|x, y| y.0.cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut taken = BTreeSet::new();
    let mut pairs = BTreeMap::new();
    for (_, stored, derived) in shared {
        if !pairs.contains_key(&stored) && taken.insert(derived) {
            pairs.insert(stored, derived);
        }
    }
    pairs
}

/// One side of a group, and the other.
type Sides = (Vec<IncidentId>, Vec<IncidentId>);

/// The incidents of both sides, those together that share alerts.
fn connected(overlap: &Overlap) -> Vec<Sides> {
    let mut by_stored: BTreeMap<IncidentId, BTreeSet<IncidentId>> = BTreeMap::new();
    let mut by_derived: BTreeMap<IncidentId, BTreeSet<IncidentId>> = BTreeMap::new();
    for (stored, derived) in overlap.keys() {
        if let Some(stored) = stored {
            by_stored.entry(*stored).or_default().extend(derived);
        }
        if let Some(derived) = derived {
            by_derived.entry(*derived).or_default().extend(stored);
        }
    }
    let mut groups = Vec::new();
    while let Some((first, _)) = by_stored.first_key_value() {
        let mut sides: (BTreeSet<IncidentId>, BTreeSet<IncidentId>) = Default::default();
        let mut left = vec![*first];
        while let Some(stored) = left.pop() {
            let Some(derived) = by_stored.remove(&stored) else { continue };
            sides.0.insert(stored);
            for derived in derived {
                if sides.1.insert(derived) {
                    left.extend(by_derived.remove(&derived).into_iter().flatten());
                }
            }
        }
        groups.push((sides.0.into_iter().collect(), sides.1.into_iter().collect()));
    }
    groups.extend(by_derived.into_keys().map(|derived| (Vec::new(), vec![derived])));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One alert for each pair of numbers; 0 is no incident.
    fn overlap(alerts: &[(u64, u64)]) -> Overlap {
        let home = |number: u64| (number > 0).then_some(IncidentId(number));
        let mut overlap = Overlap::new();
        for (stored, derived) in alerts {
            *overlap.entry((home(*stored), home(*derived))).or_default() += 1;
        }
        overlap
    }

    fn check(alerts: &[(u64, u64)], expect: &[&str], moved: &[(u64, u64)]) {
        let difference = difference(&overlap(alerts));
        let show =
            |ids: &[IncidentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let groups: Vec<String> = difference
            .groups
            .iter()
            .map(|g| format!("{} {}>{}", g.change.as_str(), show(&g.stored), show(&g.derived)))
            .collect();
        assert_eq!(groups, expect, "{alerts:?}");
        let home = |number: u64| (number > 0).then_some(IncidentId(number));
        let found: Vec<(u64, u64)> = alerts
            .iter()
            .copied()
            .filter(|(s, d)| difference.is_move(home(*s), home(*d)))
            .collect();
        assert_eq!(found, moved, "{alerts:?}");
    }

    #[test]
    fn numbers_alone_are_no_difference() {
        check(&[], &[], &[]);
        check(&[(0, 0)], &[], &[]);
        check(&[(1, 1), (1, 1), (2, 3), (0, 0)], &["same 1>1", "same 2>3"], &[]);
    }

    #[test]
    fn floating_alerts_that_join_or_leave_change_an_incident() {
        check(&[(1, 1), (0, 1)], &["changed 1>1"], &[(0, 1)]);
        check(&[(1, 1), (1, 0)], &["changed 1>1"], &[(1, 0)]);
    }

    #[test]
    fn an_incident_comes_goes_splits_and_merges() {
        check(&[(0, 4), (0, 4)], &["new >4"], &[(0, 4), (0, 4)]);
        check(&[(4, 0)], &["gone 4>"], &[(4, 0)]);
        // The larger part goes on; of equal parts the one with the smaller number.
        check(&[(1, 1), (1, 2), (1, 2)], &["split 1>1,2"], &[(1, 1)]);
        check(&[(1, 1), (1, 2), (1, 0)], &["split 1>1,2"], &[(1, 2), (1, 0)]);
        check(&[(1, 1), (2, 1), (2, 1)], &["merged 1,2>1"], &[(1, 1)]);
    }

    #[test]
    fn one_alert_that_changes_sides_regroups_both_and_is_all_that_moves() {
        check(&[(1, 1), (1, 1), (1, 2), (2, 2), (2, 2)], &["regrouped 1,2>1,2"], &[(1, 2)]);
    }

    #[test]
    fn groups_come_by_what_changed_and_by_number() {
        check(
            &[(3, 9), (0, 5), (2, 0), (1, 1), (1, 2), (4, 4), (0, 4)],
            &["same 3>9", "changed 4>4", "split 1>1,2", "new >5", "gone 2>"],
            &[(0, 5), (2, 0), (1, 2), (0, 4)],
        );
    }
}
