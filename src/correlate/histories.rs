//! How alerts behaved before: enough to tell a flapper from an outage.
//!
//! Bounded in two generations: what was touched since the younger one began is in it; when it is
//! full, it becomes the older one, and what was in that is forgotten. A pure function of the order
//! in which alerts were heard, so forgetting here is the same for any batches and crashes.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::packed::{Packer, Unpacker, Unreadable};
use crate::domain::{AlertKey, Timestamp};

/// Alerts in one generation. At least this many of the last alerts heard are remembered.
const GENERATION_MAX: usize = 50_000;

/// How an alert behaved before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// When its episodes began, oldest first, within the flapping window.
    pub(super) starts: VecDeque<Timestamp>,
    /// Record time of its newest word.
    pub(super) touched_at: Option<Timestamp>,
    /// Record time at which it was last heard firing, or ending, after days in no incident.
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
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        let Self { young, old } = self;
        young.entry(key.clone()).or_insert_with(|| old.remove(key).unwrap_or_default())
    }

    /// How many alerts are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// For a snapshot.
    pub(super) fn pack(&self, packer: &mut Packer<'_>, base: Timestamp) {
        for generation in [&self.young, &self.old] {
            packer.count(generation.len() as u64);
            for (key, history) in generation {
                packer.key(key);
                packer.count(history.starts.len() as u64);
                history.starts.iter().for_each(|start| packer.moment(*start, base));
                packer.moment_if_any(history.touched_at, base);
                packer.moment_if_any(history.long_firing_at, base);
            }
        }
    }

    /// From a snapshot.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>, base: Timestamp) -> Result<Self, Unreadable> {
        let mut generation = || {
            (0..unpacker.count()?)
                .map(|_| {
                    let key = unpacker.key()?;
                    let starts = (0..unpacker.count()?)
                        .map(|_| unpacker.moment(base))
                        .collect::<Result<_, _>>()?;
                    let touched_at = unpacker.moment_if_any(base)?;
                    let long_firing_at = unpacker.moment_if_any(base)?;
                    Ok((key, History { starts, touched_at, long_firing_at }))
                })
                .collect::<Result<_, _>>()
        };
        Ok(Self { young: generation()?, old: generation()? })
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
