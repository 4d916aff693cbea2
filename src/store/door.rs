//! What the door remembers, so that an answer can say how much of a delivery was new.
//!
//! Counts only: nothing is decided by them, the machine has its own memory. Entries are pairs of
//! 64-bit hashes with random keys; a collision would miscount one alert of one answer.

use std::hash::{BuildHasher, RandomState};

use rusqlite::Connection;

use super::generations::Generations;
use super::types::DoorCounts;
use super::{StoreError, episodes};
use crate::domain::{AlertKey, Timestamp, Word, WordState};

/// Firings in each of the two generations: about 2 MiB at most.
const REMEMBERED_MAX: usize = 50_000;
/// How many firing episodes are remembered from before a start.
const WARM_MAX: u64 = 20_000;

/// A word as the door sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// Hash of the alert and the start.
    firing: u64,
    /// Hash of the state and the end. A lease is no part of it: a renewal is a repeat.
    state: u64,
}

/// Makes sightings with the same keys as the memory; cheap to clone, used by every caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Eye {
    keys: RandomState,
}

impl Eye {
    pub(super) fn see(&self, word: &Word) -> Sighting {
        let ends_at = match &word.state {
            WordState::Firing { .. } => None,
            WordState::Resolved { ends_at, .. } => Some(ends_at.at),
        };
        self.sighting(&word.key, word.starts_at.at, ends_at)
    }

    fn sighting(
        &self,
        key: &AlertKey,
        starts_at: Timestamp,
        ends_at: Option<Timestamp>,
    ) -> Sighting {
        Sighting {
            firing: self.keys.hash_one((key, starts_at)),
            state: self.keys.hash_one(ends_at),
        }
    }
}

/// The writer's memory. See the module.
#[derive(Debug)]
pub(super) struct Door {
    seen: Generations<u64, u64>,
    /// What this transaction changed, for putting it back: the firing and its state before.
    changed: Vec<(u64, Option<u64>)>,
}

impl Door {
    /// Remembers the newest firing episodes, so that their repeats after a start count as repeats.
    pub(super) fn open(connection: &Connection, eye: &Eye) -> Result<Self, StoreError> {
        let mut door = Self { seen: Generations::new(REMEMBERED_MAX), changed: Vec::new() };
        // Oldest first, so that the newest are forgotten last.
        for (key, starts_at) in episodes::firing(connection, WARM_MAX)?.into_iter().rev() {
            let sighting = eye.sighting(&key, starts_at, None);
            door.seen.insert(sighting.firing, sighting.state, 1);
        }
        Ok(door)
    }

    /// Counts the words of one delivery and remembers them.
    pub(super) fn count(&mut self, sightings: &[Sighting]) -> DoorCounts {
        let mut counts = DoorCounts::default();
        for sighting in sightings {
            let before = self.seen.insert(sighting.firing, sighting.state, 1);
            self.changed.push((sighting.firing, before));
            match before {
                None => counts.new += 1,
                Some(state) if state == sighting.state => counts.repeated += 1,
                Some(_) => counts.updated += 1,
            }
        }
        counts
    }

    /// A place to roll back to.
    pub(super) fn mark(&self) -> usize {
        self.changed.len()
    }

    /// Forgets what was seen since the mark.
    pub(super) fn roll_back(&mut self, mark: usize) {
        for (firing, before) in self.changed.drain(mark..).rev() {
            match before {
                None => self.seen.remove(&firing),
                Some(state) => {
                    self.seen.insert(firing, state, 1);
                }
            }
        }
    }

    /// What was seen is stored now.
    pub(super) fn keep(&mut self) {
        self.changed.clear();
    }
}
