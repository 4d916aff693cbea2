//! How alerts behaved before: enough to tell a flapper from an outage.
//!
//! Bounded in two generations: what was touched since the younger one began is in it; when it is
//! full, it becomes the older one, and what was in that is forgotten. A pure function of the order
//! in which alerts were heard, so forgetting here is the same for any batches and crashes.

use std::collections::VecDeque;

use super::alerts::ByAlert;
use crate::domain::packed::{Packer, Unpacker, Unreadable};
use crate::domain::{AlertKey, Timestamp};

/// Alerts in one generation. At least this many of the last alerts heard are remembered.
const GENERATION_MAX: usize = 50_000;

/// How an alert behaved before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// When its episodes began, oldest first, within the flapping window.
    pub(super) starts: Starts,
    /// Record time of its newest word.
    pub(super) touched_at: Option<Timestamp>,
    /// Record time at which it was last heard firing, or ending, after days in no incident.
    pub(super) long_firing_at: Option<Timestamp>,
}

/// Moments, oldest first: of most alerts there is one.
#[expect(clippy::box_collection, reason = "most have one, and that one is to take little")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Starts {
    #[default]
    None,
    One(Timestamp),
    Many(Box<VecDeque<Timestamp>>),
}

impl Starts {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(moments) => moments.len(),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Timestamp) -> bool) {
        match self {
            Self::One(moment) if !keep(*moment) => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(moments) => moments.retain(|moment| keep(*moment)),
        }
    }

    pub(super) fn push_back(&mut self, new: Timestamp) {
        match self {
            Self::None => *self = Self::One(new),
            Self::One(first) => *self = Self::Many(Box::new(VecDeque::from([*first, new]))),
            Self::Many(moments) => moments.push_back(new),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Timestamp> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(moment) => (Some(*moment), None),
            Self::Many(moments) => (None, Some(moments.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    young: ByAlert<History>,
    old: ByAlert<History>,
}

impl Histories {
    /// The history of an alert, for writing: it counts as touched.
    pub(super) fn touch(&mut self, key: &AlertKey) -> &mut History {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        let Self { young, old } = self;
        young.get_or_put(key, || old.remove(key).unwrap_or_default())
    }

    /// How many alerts are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// For a snapshot.
    pub(super) fn pack(&self, packer: &mut Packer<'_>, base: Timestamp) {
        for generation in [&self.young, &self.old] {
            packer.count(generation.len() as u64);
            for (key, history) in generation.in_order() {
                packer.key(&key);
                packer.count(history.starts.len() as u64);
                history.starts.iter().for_each(|start| packer.moment(start, base));
                packer.moment_if_any(history.touched_at, base);
                packer.moment_if_any(history.long_firing_at, base);
            }
        }
    }

    /// From a snapshot.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>, base: Timestamp) -> Result<Self, Unreadable> {
        let mut generation = || {
            let mut generation = ByAlert::default();
            for _ in 0..unpacker.count()? {
                let key = unpacker.key()?;
                let mut starts = Starts::None;
                for _ in 0..unpacker.count()? {
                    starts.push_back(unpacker.moment(base)?);
                }
                let touched_at = unpacker.moment_if_any(base)?;
                let long_firing_at = unpacker.moment_if_any(base)?;
                let history = History { starts, touched_at, long_firing_at };
                *generation.get_or_put(&key, History::default) = history;
            }
            Ok(generation)
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
