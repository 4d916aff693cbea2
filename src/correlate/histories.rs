//! How alerts behaved before: enough to tell a flapper from an outage.
//!
//! Bounded in two generations: what was touched since the younger one began is in it; when it is
//! full, it becomes the older one, and what was in that is forgotten. A pure function of the order
//! in which alerts were heard, so forgetting here is the same for any batches and crashes.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::{AlertKey, Timestamp};

/// Alerts in one generation. At least this many of the last alerts heard are remembered.
const GENERATION_MAX: usize = 50_000;

/// How an alert behaved before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    /// When its episodes began, oldest first, within the flapping window.
    pub(super) starts: VecDeque<Timestamp>,
    /// Record time of its newest word.
    pub(super) touched_at: Option<Timestamp>,
    /// Record time at which it was last heard firing, or ending, after days in no incident.
    #[serde(default)]
    pub(super) long_firing_at: Option<Timestamp>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    young: BTreeMap<AlertKey, History>,
    old: BTreeMap<AlertKey, History>,
}

impl Histories {
    /// The history of an alert, for writing: it counts as touched.
    pub(super) fn touch(&mut self, key: &AlertKey) -> &mut History {
        if !self.young.contains_key(key) {
            if self.young.len() >= GENERATION_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            let known = self.old.remove(key).unwrap_or_default();
            self.young.insert(key.clone(), known);
        }
        self.young.entry(key.clone()).or_default()
    }

    /// How many alerts are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// For a snapshot.
    pub(super) fn to_lists(&self) -> [Vec<(AlertKey, History)>; 2] {
        [&self.young, &self.old]
            .map(|all| all.iter().map(|(key, history)| (key.clone(), history.clone())).collect())
    }

    /// From a snapshot.
    pub(super) fn from_lists([young, old]: [Vec<(AlertKey, History)>; 2]) -> Self {
        Self { young: young.into_iter().collect(), old: old.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fingerprint, Name};

    #[test]
    fn what_was_touched_lately_outlives_what_was_not() {
        let key = |n: usize| AlertKey::new(Name::from("p"), Fingerprint::new(n.to_string()));
        let mut histories = Histories::default();
        let at = Timestamp::from_seconds(7);
        histories.touch(&key(0)).touched_at = Some(at);
        histories.touch(&key(1)).touched_at = Some(at);
        for n in 2..=GENERATION_MAX {
            histories.touch(&key(n));
        }
        assert_eq!(histories.touch(&key(0)).touched_at, Some(at));
        for n in 0..GENERATION_MAX {
            histories.touch(&key(GENERATION_MAX + n));
        }
        assert_eq!(histories.touch(&key(0)).touched_at, Some(at));
        assert_eq!(histories.touch(&key(1)).touched_at, None);
        assert!(histories.len() <= 2 * GENERATION_MAX);
    }
}
