//! Texts that came again, and the numbers by which packed rows name them.
//!
//! A text is given a number when it comes for the second time, so what is unique stays in its row.
//! Compression, not identity: two numbers may name the same text. Callers: `texts` for what the
//! engine commits, `intern` for the ledger; each keeps the numbers of a database table of its own.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// What an entry takes beside its text, roughly.
pub(super) const ENTRY_BYTES: usize = 48;
/// Texts that came once are remembered up to this many.
const SEEN_MAX: usize = 64 * 1024;
/// Shorter texts take no more room inline.
const SHORT: usize = 3;
/// Longer ones are hardly ever the same.
const LONG: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    known: HashMap<Box<str>, u64>,
    bytes: usize,
    seen: HashSet<u64>,
    hashes: RandomState,
}

impl Numbers {
    /// The number of a text, unless it comes for the first time. One that is given now is the next
    /// free one, and stands in `fresh` for who must store it.
    pub(super) fn number(
        &mut self,
        text: &str,
        next: &mut u64,
        fresh: &mut Vec<(u64, Box<str>)>,
    ) -> Option<u64> {
        if let Some(number) = self.known.get(text) {
            return Some(*number);
        }
        if text.len() <= SHORT || text.len() > LONG {
            return None;
        }
        if self.seen.insert(self.hashes.hash_one(text)) {
            if self.seen.len() > SEEN_MAX {
                self.seen.clear();
            }
            return None;
        }
        let number = *next;
        *next += 1;
        self.bytes += text.len() + ENTRY_BYTES;
        self.known.insert(text.into(), number);
        fresh.push((number, text.into()));
        Some(number)
    }

    /// What is remembered takes this much.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the numbers from `first` on, because they were not stored.
    pub(super) fn forget_from(&mut self, first: u64) {
        self.known.retain(|_, number| *number < first);
        self.bytes = self.known.keys().map(|text| text.len() + ENTRY_BYTES).sum();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.bytes = 0;
        self.seen.clear();
    }
}
