//! Texts that come again in what the machine holds packed, and their numbers.
//!
//! A text is given a number when it comes for the second time, so what is unique stays where it
//! is packed. Which texts have numbers depends on what was packed in which order alone, and what is
//! read back is the text. Called by `cabinet` and `snapshot`.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use hashbrown::HashTable;

/// Shorter texts take no more room where they are.
const SHORT: usize = 3;
/// Longer ones are hardly ever the same.
const LONG: usize = 1024;
/// Most bytes of texts with a number; what comes later stays where it is packed.
const TEXTS_BYTES_MAX: usize = 8 << 20;
/// What a text takes beside its bytes.
const TEXT_BYTES: usize = 48;
/// Places for what came once. A text that comes later may take the place of another.
const SEEN: usize = 32 * 1024;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    texts: Vec<Arc<str>>,
    /// Places in `texts`.
    numbers: HashTable<u32>,
    bytes: usize,
    /// A part of the hash of what came once, where another part says.
    seen: Vec<u32>,
    /// Without keys: the same texts in the same order have the same numbers.
    hashes: BuildHasherDefault<DefaultHasher>,
}

impl Dictionary {
    /// The number of a text, unless it comes for the first time.
    pub(super) fn number(&mut self, text: &str) -> Option<u64> {
        if text.len() <= SHORT || text.len() > LONG {
            return None;
        }
        let hash = self.hashes.hash_one(text);
        if let Some(number) = self.find(text, hash) {
            return Some(number);
        }
        if self.bytes > TEXTS_BYTES_MAX || !self.came_before(hash) {
            return None;
        }
        let place = u32::try_from(self.texts.len()).ok()?;
        self.texts.push(Arc::from(text));
        self.bytes += text.len() + TEXT_BYTES;
        let Self { texts, numbers, hashes, .. } = self;
        numbers.insert_unique(hash, place, |place| {
            texts.get(*place as usize).map_or(0, |text| hashes.hash_one(&**text))
        });
        Some(u64::from(place))
    }

    /// The number that a text has: where something is packed again, what is unique comes again as
    /// well.
    pub(super) fn known(&self, text: &str) -> Option<u64> {
        if text.len() <= SHORT || text.len() > LONG {
            return None;
        }
        self.find(text, self.hashes.hash_one(text))
    }

    fn find(&self, text: &str, hash: u64) -> Option<u64> {
        let is_it =
            |place: &u32| self.texts.get(*place as usize).is_some_and(|known| **known == *text);
        self.numbers.find(hash, is_it).map(|place| u64::from(*place))
    }

    /// The text of a number.
    pub(super) fn text(&self, number: u64) -> Option<Arc<str>> {
        self.texts.get(usize::try_from(number).ok()?).cloned()
    }

    /// The texts with a number, in order.
    pub(super) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// Notes that a text came; true when one with its hash did before. Where that was another, it
    /// is given a number for nothing.
    fn came_before(&mut self, hash: u64) -> bool {
        if self.seen.is_empty() {
            self.seen = vec![0; SEEN];
        }
        let place = usize::try_from(hash % SEEN as u64).unwrap_or(0);
        // Its lowest bits say where it stands already.
        let tag = u32::try_from(hash >> 32).unwrap_or(0) | 1;
        std::mem::replace(&mut self.seen[place], tag) == tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_number_from_the_second_time_on() {
        let mut dictionary = Dictionary::default();
        assert_eq!(dictionary.number("checkout"), None);
        assert_eq!(dictionary.number("checkout"), Some(0));
        assert_eq!(dictionary.number("orders-db"), None);
        assert_eq!(dictionary.number("orders-db"), Some(1));
        assert_eq!(dictionary.number("checkout"), Some(0));
        assert_eq!([dictionary.known("checkout"), dictionary.known("reviews")], [Some(0), None]);
        assert_eq!([dictionary.known("reviews"), dictionary.number("reviews")], [None, None]);
        assert_eq!(dictionary.text(1).as_deref(), Some("orders-db"));
        assert_eq!(dictionary.text(2), None);
        assert_eq!([dictionary.number("web"), dictionary.number("web")], [None, None]);
    }

    #[test]
    fn what_does_not_fit_stays_where_it_is() {
        let mut dictionary = Dictionary::default();
        let text = |n: usize| format!("{n:0LONG$}");
        for n in 0..2 * TEXTS_BYTES_MAX / LONG {
            dictionary.number(&text(n));
            dictionary.number(&text(n));
        }
        assert!(dictionary.bytes <= TEXTS_BYTES_MAX + LONG + TEXT_BYTES);
        assert_eq!(dictionary.number(&text(0)), Some(0));
    }
}
