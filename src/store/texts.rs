//! The texts of packed episodes: what comes again is stored once and named by a number.
//!
//! Nothing is looked up by text in the database. As in `intern`, an **epoch** makes texts removable: it begins with an empty memory, so
//! an episode that was first written after its beginning names only texts from there on.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::error::Trying;
use super::numbers::{ENTRY_BYTES, Numbers};
use super::rows::{from_int, int, named};
use super::{StoreError, intern};
use crate::domain::EpisodeId;

/// The memory's bound, in bytes of texts.
const KNOWN_BYTES_MAX: usize = 4 << 20;

/// The memory of whoever packs. See the module.
#[derive(Debug)]
pub(super) struct Shelf {
    numbers: Numbers,
    next: u64,
    newest_episode: u64,
    /// Given out since the last commit.
    fresh: Vec<(u64, Box<str>)>,
    /// False until an epoch was begun since the memory was empty.
    is_begun: bool,
}

/// What must be stored with the episodes that name it.
#[derive(Debug, Default)]
pub(super) struct NewTexts {
    /// The first text of an epoch, with the newest episode before it.
    epoch: Option<(u64, u64)>,
    texts: Vec<(u64, Box<str>)>,
}

impl Shelf {
    /// Begins with an empty memory, behind what is stored.
    pub(super) fn open(connection: &Connection) -> Result<Self, StoreError> {
        let newest = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
                .trying("finding the newest text")
                .map(|newest| newest.map_or(0, from_int))
        };
        Ok(Self {
            numbers: Numbers::default(),
            next: newest("SELECT max(id) FROM texts")? + 1,
            newest_episode: newest("SELECT max(id) FROM episodes")?,
            fresh: Vec::new(),
            is_begun: false,
        })
    }

    /// The number of a text, unless it comes for the first time.
    pub(super) fn number(&mut self, text: &str) -> Option<u64> {
        self.numbers.number(text, &mut self.next, &mut self.fresh)
    }

    /// Says that an episode is written.
    pub(super) fn saw(&mut self, id: EpisodeId) {
        self.newest_episode = self.newest_episode.max(id.0);
    }

    /// What was given out and must be stored.
    pub(super) fn fresh(&self, newest_before: u64) -> NewTexts {
        let first = self.fresh.first().map(|(number, _)| *number);
        let epoch = first.filter(|_| !self.is_begun).map(|first| (first, newest_before));
        NewTexts { epoch, texts: self.fresh.clone() }
    }

    /// The newest episode that was written.
    pub(super) const fn newest_episode(&self) -> u64 {
        self.newest_episode
    }

    /// It was stored.
    pub(super) fn keep(&mut self) {
        self.is_begun |= !self.fresh.is_empty();
        self.fresh.clear();
        if self.numbers.bytes() > KNOWN_BYTES_MAX {
            self.numbers.clear();
            self.is_begun = false;
        }
    }

    /// It was not stored.
    pub(super) fn undo(&mut self) {
        if let Some((first, _)) = self.fresh.first() {
            self.next = *first;
            self.numbers.forget_from(*first);
        }
        self.fresh.clear();
    }
}

impl NewTexts {
    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.texts.iter().map(|(_, text)| text.len() + ENTRY_BYTES).sum()
    }

    /// Stores them.
    pub(super) fn store(&self, connection: &Connection) -> Result<(), StoreError> {
        if let Some((first, newest)) = self.epoch {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO text_epochs (first_text, last_episode)
                     VALUES (:first, :newest)",
                )
                .and_then(|mut insert| {
                    insert.execute(named! { first: int(first), newest: int(newest) })
                })
                .trying("beginning an epoch of texts")?;
        }
        if self.texts.is_empty() {
            return Ok(());
        }
        let mut replace = connection
            .prepare_cached("INSERT OR REPLACE INTO texts (id, text) VALUES (?1, ?2)")
            .trying("storing a text")?;
        for (number, text) in &self.texts {
            replace.execute((int(*number), text)).trying("storing a text")?;
        }
        Ok(())
    }
}

/// The texts that one read asks for, each read once.
pub(super) struct Texts<'a> {
    connection: &'a Connection,
    // Asked for some twenty times an episode, by numbers of our own.
    read: hashbrown::HashMap<u64, Arc<str>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, read: hashbrown::HashMap::new() }
    }

    /// The text of a number, if there is one.
    pub(super) fn text(&mut self, number: u64) -> Result<Option<Arc<str>>, StoreError> {
        if let Some(text) = self.read.get(&number) {
            return Ok(Some(Arc::clone(text)));
        }
        let text: Option<Arc<str>> = self
            .connection
            .prepare_cached("SELECT text FROM texts WHERE id = :id")
            .and_then(|mut select| {
                select.query_row(named! { id: int(number) }, |row| row.get(0)).optional()
            })
            .trying("reading a text")?;
        if let Some(text) = &text {
            self.read.insert(number, Arc::clone(text));
        }
        Ok(text)
    }
}

/// Drops texts that no episode names any more; returns how many.
pub(super) fn drop_unused(connection: &Connection, limit: u64) -> Result<usize, StoreError> {
    let oldest: Option<i64> = connection
        .query_row("SELECT min(id) FROM episodes", [], |row| row.get(0))
        .trying("finding the oldest alert")?;
    let first: Option<i64> = connection
        .query_row(
            "SELECT max(first_text) FROM text_epochs WHERE last_episode < :oldest",
            named! { oldest: oldest.unwrap_or(i64::MAX) },
            |row| row.get(0),
        )
        .trying("finding the oldest epoch of texts in use")?;
    let Some(first) = first else { return Ok(0) };
    intern::drop_before(connection, ("texts", "text_epochs", "first_text"), first, limit)
}
