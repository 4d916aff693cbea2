//! Texts that came again, and the numbers by which packed rows name them.
//!
//! A text is given a number when it comes for the second time, so what is unique stays in its row.
//! Compression, not identity: two numbers may name the same text. Callers: `texts` for what the
//! engine commits, `intern` for the ledger; each keeps the numbers of a database table of its own.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::StoreError;
use crate::domain::packed::{Unpacker, Unreadable};

/// What an entry takes beside its text, roughly.
pub(super) const ENTRY_BYTES: usize = 48;
/// Texts that came once are remembered up to this many.
const SEEN_MAX: usize = 64 * 1024;
/// Shorter texts take no more room inline.
const SHORT: usize = 3;
/// Longer ones are hardly ever the same.
const LONG: usize = 1024;

/// Reads what was packed, with texts that `find` looks up by number; `what` is an action such as
/// `reading episode 12 back`. A text that cannot be looked up just now is told as that, and not as
/// damage, which no retry mends.
pub(super) fn unpack<T>(
    packed: &[u8],
    find: &mut dyn FnMut(u64) -> Result<Option<Arc<str>>, StoreError>,
    what: impl FnOnce() -> String,
    read: impl FnOnce(&mut Unpacker<'_>) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    let mut failure = None;
    let mut text = |number| {
        find(number).unwrap_or_else(|error| {
            failure = Some(error);
            None
        })
    };
    let result = read(&mut Unpacker::new(packed, &mut text));
    match failure {
        Some(error) => Err(error),
        None => result.map_err(|error| StoreError::Broken(format!("{} failed: {error}", what()))),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading back a text that has the number 7 gives.
    fn read(
        found: impl Fn() -> Result<Option<Arc<str>>, StoreError>,
    ) -> Result<Arc<str>, StoreError> {
        let mut number = |_: &str| Some(7);
        let mut packer = crate::domain::packed::Packer::new(&mut number);
        packer.text("checkout");
        unpack(&packer.finish(), &mut |_| found(), || "reading it".to_owned(), |from| from.text())
    }

    #[test]
    fn a_text_that_the_disk_does_not_give_now_is_no_damage() {
        assert_eq!(&*read(|| Ok(Some("checkout".into()))).unwrap(), "checkout");
        let error = read(|| Err(StoreError::Unavailable("the disk".to_owned()))).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let error = read(|| Ok(None)).unwrap_err();
        assert!(matches!(&error, StoreError::Broken(told) if told.starts_with("reading it")));
    }
}
