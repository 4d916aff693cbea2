//! Interned texts that readers of the ledger need, as values.
//!
//! The writer puts in what it has just committed, so that the engine, which reads it a moment later,
//! neither asks the database nor makes a second copy of it. What was forgotten since is read again.

use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension};

use super::error::Trying;
use super::generations::Generations;
use super::ledger_form::{Text, TextSort, Texts};
use super::rows::{int, named};
use super::{StoreError, lock};

/// Weight of texts in each of the two generations: 20,000 everyday series.
const TEXTS_BYTES_MAX: usize = 8 << 20;
/// What a text takes beside its bytes.
const TEXT_BYTES: usize = 64;

/// Interned texts that were written or read lately, shared by all.
#[derive(Debug)]
pub(super) struct TextCache {
    texts: Mutex<Filed>,
    unfiled: Mutex<Unfiled>,
}

/// What the writer has stored since somebody looked for what is not filed, up to the weight of one
/// generation: a reader that is further behind asks the database.
#[derive(Debug, Default)]
struct Unfiled {
    texts: Vec<(u64, Text)>,
    weight: usize,
}

type Filed = Generations<(u64, TextSort), (Text, usize)>;

impl Default for TextCache {
    fn default() -> Self {
        Self { texts: Mutex::new(Generations::new(TEXTS_BYTES_MAX)), unfiled: Mutex::default() }
    }
}

impl TextCache {
    /// Remembers texts with their numbers, now that they are stored. Whoever reads files them: the
    /// one writer has better things to do.
    pub(super) fn learn(&self, stored: Vec<(u64, Text)>) {
        let weight: usize = stored.iter().map(|(_, text)| weight_of(text)).sum();
        let mut unfiled = lock(&self.unfiled);
        if unfiled.weight + weight <= TEXTS_BYTES_MAX {
            unfiled.weight += weight;
            unfiled.texts.extend(stored);
        }
    }

    /// The text, if it is remembered.
    fn find(&self, key: (u64, TextSort)) -> Option<Text> {
        let mut filed = lock(&self.texts);
        if filed.get(&key).is_none() {
            let unfiled = std::mem::take(&mut *lock(&self.unfiled));
            unfiled.texts.into_iter().for_each(|(id, text)| file(&mut filed, id, text));
        }
        let (text, weight) = filed.get(&key).cloned()?;
        if filed.is_ageing(&key) {
            filed.insert(key, (text.clone(), weight), weight);
        }
        Some(text)
    }
}

fn weight_of(text: &Text) -> usize {
    text.bytes() + TEXT_BYTES
}

fn file(filed: &mut Filed, id: u64, text: Text) {
    let weight = weight_of(&text);
    filed.insert((id, text.sort()), (text, weight), weight);
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
        file(&mut lock(&self.cache.texts), id, text.clone());
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
        let connection = schema::open_writer(folder.path()).unwrap();
        let cache = TextCache::default();
        let name = |text: &str| Text::Name(Name::from(text));
        let read = |id| StoredTexts::new(&connection, &cache).text(id, TextSort::Name);
        cache.learn(vec![(1, name("checkout")), (2, name("orders"))]);
        assert_eq!(read(2).unwrap(), name("orders"));
        assert_eq!(read(1).unwrap(), name("checkout"));
        // A batch that does not fit beside what waits is left to the database, which has none here.
        let long = "x".repeat(TEXTS_BYTES_MAX / 2);
        cache.learn(vec![(3, name(&long))]);
        cache.learn(vec![(4, name(&long))]);
        cache.learn(vec![(5, name("after"))]);
        assert_eq!(read(5).unwrap(), name("after"));
        assert!(read(3).is_ok() && read(4).is_err());
    }
}
