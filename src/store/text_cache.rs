//! Interned texts that readers of the ledger need, as values.
//!
//! The writer leaves here what it has just committed, so that the engine, which reads it a moment
//! later, neither asks the database nor makes a second copy of it. Most of it is read that once and
//! goes when the engine has passed it. What is read again is kept for as long as it is asked for.

use std::collections::VecDeque;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension};

use super::error::Trying;
use super::generations::Generations;
use super::ledger_form::{Text, TextSort, Texts};
use super::rows::{int, named};
use super::{StoreError, lock};

/// Weight of texts in each of the two generations, and of those that wait to be read first: 20,000
/// everyday series.
const TEXTS_BYTES_MAX: usize = 8 << 20;
/// What a text takes beside its bytes.
const TEXT_BYTES: usize = 64;
/// Texts are read nearly in the order of their numbers: those this far behind were passed.
const PASSED_BY: u64 = 1_024;

/// Interned texts that were written or read lately, shared by all.
#[derive(Debug)]
pub(super) struct TextCache {
    texts: Mutex<Generations<(u64, TextSort), (Text, usize)>>,
    fresh: Mutex<Fresh>,
}

/// What was stored lately, in order of number, up to a weight. What the reader has passed makes room
/// for what comes; where there is none, a reader that is so far behind asks the database.
#[derive(Debug, Default)]
struct Fresh {
    texts: VecDeque<FreshText>,
    weight: usize,
    /// The newest that was ever read: what is newer is read for the first time.
    newest_read: u64,
}

#[derive(Debug)]
struct FreshText {
    id: u64,
    text: Text,
    was_read: bool,
}

impl Fresh {
    fn add(&mut self, stored: Vec<(u64, Text)>) {
        for (id, text) in stored {
            let weight = weight_of(&text);
            while self.weight + weight > TEXTS_BYTES_MAX
                && let Some(oldest) = self.texts.front()
                && oldest.id.saturating_add(PASSED_BY) < self.newest_read
            {
                self.weight -= weight_of(&oldest.text);
                self.texts.pop_front();
            }
            let is_next = self.texts.back().is_none_or(|newest| newest.id < id);
            if is_next && self.weight + weight <= TEXTS_BYTES_MAX {
                self.weight += weight;
                self.texts.push_back(FreshText { id, text, was_read: false });
            }
        }
    }

    /// The text, and whether it was read from here before.
    fn find(&mut self, (id, sort): (u64, TextSort)) -> Option<(Text, bool)> {
        let place = self.texts.binary_search_by_key(&id, |fresh| fresh.id).ok()?;
        let fresh = self.texts.get_mut(place).filter(|fresh| fresh.text.sort() == sort)?;
        self.newest_read = self.newest_read.max(id);
        Some((fresh.text.clone(), std::mem::replace(&mut fresh.was_read, true)))
    }

    /// Notes that a text was read elsewhere; true when that was hardly the first time.
    fn is_again(&mut self, id: u64) -> bool {
        let is_again = id <= self.newest_read;
        self.newest_read = self.newest_read.max(id);
        is_again
    }
}

impl Default for TextCache {
    fn default() -> Self {
        Self { texts: Mutex::new(Generations::new(TEXTS_BYTES_MAX)), fresh: Mutex::default() }
    }
}

impl TextCache {
    /// Remembers texts with their numbers, now that they are stored, until they were read.
    pub(super) fn learn(&self, stored: Vec<(u64, Text)>) {
        lock(&self.fresh).add(stored);
    }

    /// The text, if it is remembered.
    fn find(&self, key: (u64, TextSort)) -> Option<Text> {
        let mut filed = lock(&self.texts);
        let Some((text, weight)) = filed.get(&key).cloned() else {
            let (text, is_again) = lock(&self.fresh).find(key)?;
            if is_again {
                let weight = weight_of(&text);
                filed.insert(key, (text.clone(), weight), weight);
            }
            return Some(text);
        };
        if filed.is_ageing(&key) {
            filed.insert(key, (text.clone(), weight), weight);
        }
        Some(text)
    }

    /// Keeps a text that was read from the database, unless that was for the first time.
    fn file(&self, id: u64, text: &Text) {
        if lock(&self.fresh).is_again(id) {
            let weight = weight_of(text);
            lock(&self.texts).insert((id, text.sort()), (text.clone(), weight), weight);
        }
    }
}

fn weight_of(text: &Text) -> usize {
    text.bytes() + TEXT_BYTES
}

/// Interned texts as one read sees them.
pub(super) struct StoredTexts<'a> {
    connection: &'a Connection,
    cache: &'a TextCache,
}

impl<'a> StoredTexts<'a> {
    pub(super) const fn new(connection: &'a Connection, cache: &'a TextCache) -> Self {
        Self { connection, cache }
    }
}

impl Texts for StoredTexts<'_> {
    fn text(&mut self, id: u64, sort: TextSort) -> Result<Text, StoreError> {
        if let Some(text) = self.cache.find((id, sort)) {
            return Ok(text);
        }
        let stored: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT packed FROM interned WHERE id = :id")
            .and_then(|mut select| {
                select.query_row(named! { id: int(id) }, |row| row.get(0)).optional()
            })
            .trying("reading a text")?;
        let stored = stored.ok_or_else(|| {
            StoreError::Broken(format!("it refers to text {id}, which is not in the store"))
        })?;
        let mut piece = |id| {
            Ok(match self.text(id, TextSort::Name)? {
                Text::Name(name) => Some(name.0),
                Text::Series(_) | Text::Labels(_) | Text::Links(_) => None,
            })
        };
        let text = Text::read(sort, &stored, &mut piece)?;
        self.cache.file(id, &text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Name;
    use crate::store::schema;

    #[test]
    fn what_was_just_stored_is_read_without_the_database_and_within_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = schema::open_writer(folder.path()).unwrap();
        let cache = TextCache::default();
        let name = |text: &str| Text::Name(Name::from(text));
        let read = |id| StoredTexts::new(&connection, &cache).text(id, TextSort::Name);
        cache.learn(vec![(1, name("checkout")), (2, name("orders"))]);
        assert_eq!(read(2).unwrap(), name("orders"));
        assert_eq!(read(1).unwrap(), name("checkout"));
        // What does not fit beside what waits is left to the database, which has none here.
        let long = "x".repeat(TEXTS_BYTES_MAX / 2);
        cache.learn(vec![(3, name(&long)), (4, name(&long)), (5, name("after"))]);
        assert_eq!(read(5).unwrap(), name("after"));
        assert!(read(3).is_ok() && read(4).is_err());
        // What was passed makes room, and what was read again is kept all the same.
        let far = 10 * PASSED_BY;
        cache.learn(vec![(far, name("later")), (2, name("an old number"))]);
        assert!(read(far).is_ok() && read(2).unwrap() == name("orders"));
        cache.learn(vec![(far + 1, name(&long))]);
        assert!(read(far + 1).is_ok() && read(2).is_ok() && read(5).is_ok());
        assert!(read(3).is_err(), "read once, and passed");
        // What was not passed does not.
        cache.learn(vec![(2 * far, name(&long))]);
        assert!(read(2 * far).is_err() && read(far + 1).is_ok());
    }

    #[test]
    fn what_is_read_from_the_database_again_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = schema::open_writer(folder.path()).unwrap();
        let cache = TextCache::default();
        let read = |id| StoredTexts::new(&connection, &cache).text(id, TextSort::Name);
        let stored = Text::Name(Name::from("checkout"));
        let packed = stored.write(&mut |_| None);
        connection.execute("INSERT INTO interned (id, packed) VALUES (1, ?1)", [packed]).unwrap();
        assert_eq!([read(1).unwrap(), read(1).unwrap()], [stored.clone(), stored.clone()]);
        let packed = stored.write(&mut |_| None);
        connection.execute("INSERT INTO interned (id, packed) VALUES (2, ?1)", [packed]).unwrap();
        assert_eq!(read(2).unwrap(), stored);
        connection.execute("DELETE FROM interned", []).unwrap();
        assert_eq!(read(1).unwrap(), stored);
        assert!(read(2).is_err(), "read once, which most texts are");
    }
}
