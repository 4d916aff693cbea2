//! Texts as numbers: what is compared thousands of times for each alert is compared as a mark.
//!
//! A mark is a hash of fixed meaning (FNV-1a, 64 bits), so it is the same in every run and on
//! every machine. Two texts with one mark count as one text for evidence; nothing that identifies
//! an alert or an incident rests on a mark.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::domain::{AlertKey, EpisodeId};

/// See the module.
pub(super) type Mark = u64;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The mark of some texts one after the other; `a`, `bc` is not `ab`, `c`.
pub(super) fn mark<'a>(texts: impl IntoIterator<Item = &'a str>) -> Mark {
    let mut hash = OFFSET;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

/// The mark of a name with its value.
pub(super) fn pair_mark(name: &str, value: &str) -> Mark {
    mark([name, value])
}

/// The mark of an alert.
pub(super) fn alert_mark(key: &AlertKey) -> Mark {
    mark([key.namespace.as_str(), key.fingerprint.as_str()]) ^ key.variant.unwrap_or(0)
}

/// A map by numbers that are counted or are marks. Only ever asked by key.
pub(super) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads counted numbers and marks; nobody outside chooses where a number falls but by making
/// alerts, of which each is bounded anyway.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Something small of each episode, in no order.
#[derive(Clone, Debug)]
pub(super) struct ByEpisode<T>(Numbered<EpisodeId, T>);

impl<T> Default for ByEpisode<T> {
    fn default() -> Self {
        Self(Numbered::default())
    }
}

impl<T> ByEpisode<T> {
    pub(super) fn get(&self, id: &EpisodeId) -> Option<&T> {
        self.0.get(id)
    }

    pub(super) fn insert(&mut self, id: EpisodeId, value: T) {
        self.0.insert(id, value);
    }

    pub(super) fn remove(&mut self, id: &EpisodeId) -> Option<T> {
        self.0.remove(id)
    }

    /// All ids, in order.
    pub(super) fn ids(&self) -> Vec<EpisodeId> {
        let mut ids: Vec<EpisodeId> = self.0.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_in_every_release() {
        // Snapshots hold marks, so their meaning is a promise.
        assert_eq!(pair_mark("env", "prod"), mark(["env", "prod"]));
        assert_ne!(mark(["a", "bc"]), mark(["ab", "c"]));
        assert_eq!(mark([]), 0xcbf2_9ce4_8422_2325);
    }
}
