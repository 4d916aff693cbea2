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
    texts: Mutex<Generations<(u64, TextSort), (Text, usize)>>,
}

impl Default for TextCache {
    fn default() -> Self {
        Self { texts: Mutex::new(Generations::new(TEXTS_BYTES_MAX)) }
    }
}

impl TextCache {
    /// Remembers texts with their numbers, now that they are stored.
    pub(super) fn learn(&self, stored: impl ExactSizeIterator<Item = (u64, Text)>) {
        if stored.len() == 0 {
            return;
        }
        let mut cache = lock(&self.texts);
        for (id, text) in stored {
            let weight = text.bytes() + TEXT_BYTES;
            cache.insert((id, text.sort()), (text, weight), weight);
        }
    }

    /// The text, if it is remembered.
    fn find(&self, key: (u64, TextSort)) -> Option<Text> {
        let mut cache = lock(&self.texts);
        let (text, weight) = cache.get(&key).cloned()?;
        if cache.is_ageing(&key) {
            cache.insert(key, (text.clone(), weight), weight);
        }
        Some(text)
    }
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
        self.cache.learn([(id, text.clone())].into_iter());
        Ok(text)
    }
}
