//! Texts that come again and again are stored once and named by a number.
//!
//! This is compression, not identity: a text may be stored twice, and nothing is ever looked up by
//! text in the database, so no index with random keys stands in the way of a commit. The writer
//! remembers, within bounds, what it stored lately, as the values that the texts say: a repeat is found
//! without being written as text again. A hash that is found counts only when the whole value is the
//! same, so two texts with the same hash stay two.
//!
//! An **epoch** is what makes the texts removable: it begins with an empty memory, so ledger rows
//! from its first record on can only name texts from its first number on. Once retention has
//! dropped every older record, the older texts go too.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use rusqlite::{CachedStatement, Connection};

use super::StoreError;
use super::error::Trying;
use super::ledger_form::Text;
use super::numbers::{ENTRY_BYTES, Numbers};
use super::rows::{from_int, int, named};
use crate::domain::{Name, Seq};

/// The memory's bound. 5,000 series of an everyday load take about 4 MiB.
const REMEMBERED_BYTES_MAX: usize = 16 << 20;
/// An epoch ends after this many records even when nothing new was stored, so that texts which are
/// repeated for years do not keep everything older than them alive.
const EPOCH_RECORDS_MAX: u64 = 1_000_000;

/// Makes the hashes by which texts are found. Callers hash on their own threads, so that the one
/// writer need not; cheap to clone, and all clones hash alike.
#[derive(Clone, Debug, Default)]
pub(super) struct TextHasher {
    keys: DefaultHashBuilder,
}

impl TextHasher {
    pub(super) fn hash(&self, text: &Text) -> u64 {
        self.keys.hash_one(text)
    }
}

/// A text that is remembered.
#[derive(Debug)]
struct Known {
    hash: u64,
    text: Text,
    /// What it takes.
    length: usize,
    id: u64,
}

/// What must be put back when a transaction is rolled back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    next_id: u64,
    epoch: Option<Seq>,
}

/// The writer's memory of what it stored. See the module.
#[derive(Debug)]
pub(super) struct Interner {
    known: HashTable<Known>,
    /// The pieces of texts: names, values.
    pieces: Numbers,
    known_bytes: usize,
    known_bytes_max: usize,
    next_id: u64,
    /// The first record of the running epoch; `None` until a text is stored after a start.
    epoch: Option<Seq>,
    /// What the open transaction stores.
    fresh: Vec<(u64, Text)>,
}

impl Interner {
    /// Begins with an empty memory, behind what is stored.
    pub(super) fn open(connection: &Connection) -> Result<Self, StoreError> {
        let newest: i64 = connection
            .query_row("SELECT coalesce(max(id), 0) FROM interned", [], |row| row.get(0))
            .trying("finding the newest interned text")?;
        Ok(Self {
            known: HashTable::new(),
            pieces: Numbers::default(),
            known_bytes: 0,
            known_bytes_max: REMEMBERED_BYTES_MAX,
            next_id: from_int(newest) + 1,
            epoch: None,
            fresh: Vec::new(),
        })
    }

    /// What was stored since this was asked last, for whoever will read it.
    pub(super) fn take_fresh(&mut self) -> Vec<(u64, Text)> {
        std::mem::take(&mut self.fresh)
    }

    /// Ends the epoch when its time has come; asked before the texts of a record are stored, never
    /// among them.
    pub(super) fn begin_record(&mut self, seq: Seq) {
        let is_old = self.epoch.is_some_and(|first| seq.0 - first.0 >= EPOCH_RECORDS_MAX);
        if is_old || self.known_bytes + self.pieces.bytes() > self.known_bytes_max {
            self.forget();
        }
    }

    /// The number of a text, storing it unless it is remembered.
    pub(super) fn intern(
        &mut self,
        insert: &mut InsertTexts<'_>,
        seq: Seq,
        (hash, text): (u64, &Text),
    ) -> Result<u64, StoreError> {
        if let Some(known) = self.known.find(hash, |known| known.text == *text) {
            return Ok(known.id);
        }
        if self.epoch.is_none() {
            insert.begin_epoch(self.next_id, seq)?;
            self.epoch = Some(seq);
        }
        let (pieces, next, mut fresh) = (&mut self.pieces, &mut self.next_id, Vec::new());
        let stored = text.write(&mut |piece| pieces.number(piece, next, &mut fresh));
        for (id, piece) in fresh {
            insert.text(id, &Text::Name(Name::from(&*piece)).write(&mut |_| None))?;
        }
        let id = self.next_id;
        insert.text(id, &stored)?;
        self.next_id += 1;
        let length = text.bytes();
        self.known_bytes += length + ENTRY_BYTES;
        let known = Known { hash, text: text.clone(), length, id };
        self.known.insert_unique(hash, known, |known| known.hash);
        self.fresh.push((id, text.clone()));
        Ok(id)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { next_id: self.next_id, epoch: self.epoch }
    }

    /// Forgets what was stored since the mark, because the database has forgotten it.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        if self.next_id != mark.next_id {
            self.fresh.retain(|(id, _)| *id < mark.next_id);
            self.known.retain(|known| known.id < mark.next_id);
            self.known_bytes = self.known.iter().map(|known| known.length + ENTRY_BYTES).sum();
            self.pieces.forget_from(mark.next_id);
        }
        if self.epoch != mark.epoch {
            // Whatever is still remembered belongs to the epoch that is in force again, or the
            // memory is empty because that epoch was ended: beginning another one is always right.
            self.forget();
        }
        self.next_id = mark.next_id;
    }

    fn forget(&mut self) {
        self.known.clear();
        self.known_bytes = 0;
        self.pieces.clear();
        self.epoch = None;
    }

    /// Makes the memory small enough to see it turn.
    #[cfg(test)]
    pub(super) fn limit_to(&mut self, bytes: usize) {
        self.known_bytes_max = bytes;
    }
}

/// Stores texts, with a statement that is prepared once for a transaction.
pub(super) struct InsertTexts<'c> {
    connection: &'c Connection,
    insert: CachedStatement<'c>,
}

impl<'c> InsertTexts<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        let insert = connection
            .prepare_cached("INSERT INTO interned (id, packed) VALUES (?1, ?2)")
            .trying("preparing to store texts")?;
        Ok(Self { connection, insert })
    }

    fn text(&mut self, id: u64, packed: &[u8]) -> Result<(), StoreError> {
        self.insert.execute((int(id), packed)).trying("storing a text").map(drop)
    }

    fn begin_epoch(&self, first: u64, seq: Seq) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO intern_epochs (first_id, first_seq) VALUES (:id, :seq)",
            )
            .and_then(|mut insert| insert.execute(named! { id: int(first), seq: int(seq.0) }))
            .trying("beginning an epoch of interned texts")
            .map(drop)
    }
}

/// Drops the texts that no record from `first_kept` on can name; returns how many.
pub(super) fn drop_unused(
    connection: &Connection,
    first_kept: Seq,
    limit: u64,
) -> Result<usize, StoreError> {
    let first_id: Option<i64> = connection
        .query_row(
            "SELECT max(first_id) FROM intern_epochs WHERE first_seq <= :seq",
            named! { seq: int(first_kept.0) },
            |row| row.get(0),
        )
        .trying("finding the oldest epoch in use")?;
    let Some(first_id) = first_id else { return Ok(0) };
    drop_before(connection, ("interned", "intern_epochs", "first_id"), first_id, limit)
}

/// Drops at most `limit` rows that came before `first`, and the epochs that began before it; for a
/// table of texts, the table of its epochs, and the column that says where an epoch begins.
pub(super) fn drop_before(
    connection: &Connection,
    (texts, epochs, begins): (&str, &str, &str),
    first: i64,
    limit: u64,
) -> Result<usize, StoreError> {
    let rows = format!(
        "DELETE FROM {texts} WHERE id IN
         (SELECT id FROM {texts} WHERE id < :first ORDER BY id LIMIT :limit)"
    );
    let dropped = connection
        .execute(&rows, named! { first: first, limit: int(limit) })
        .trying("dropping unused texts")?;
    connection
        .execute(&format!("DELETE FROM {epochs} WHERE {begins} < :first"), named! { first: first })
        .trying("dropping old epochs of texts")?;
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;
    use crate::store::ledger_form::TextSort;
    use crate::store::schema;

    /// A database in a folder that goes with it.
    fn database() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = schema::open_writer(folder.path()).unwrap();
        (folder, connection)
    }

    /// All with one hash: texts are told apart by themselves.
    fn intern(texts: &mut Interner, connection: &Connection, seq: u64, text: &str) -> u64 {
        texts
            .intern(
                &mut InsertTexts::prepare(connection).unwrap(),
                Seq(seq),
                (0, &Text::Name(Name::from(text))),
            )
            .unwrap()
    }

    fn stored(connection: &Connection) -> Vec<(i64, String)> {
        let mut select = connection.prepare("SELECT id, packed FROM interned ORDER BY id").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap)
            .map(|(id, packed): (i64, Vec<u8>)| {
                match Text::read(TextSort::Name, &packed, &mut |_| Ok(None)).unwrap() {
                    Text::Name(name) => (id, name.to_string()),
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    }

    fn epochs(connection: &Connection) -> Vec<(i64, i64)> {
        let mut select =
            connection.prepare("SELECT first_id, first_seq FROM intern_epochs").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_text_is_stored_once_until_the_memory_is_full() {
        let (_folder, connection) = database();
        let mut texts = Interner::open(&connection).unwrap();
        texts.limit_to(2 * ENTRY_BYTES);
        let mut add = |seq, text: &str| {
            texts.begin_record(Seq(seq));
            intern(&mut texts, &connection, seq, text)
        };
        assert_eq!([add(1, "a"), add(1, "a"), add(2, "b")], [1, 1, 2]);
        // Two texts and what they take beside fill the memory: the third record begins anew.
        assert_eq!([add(3, "a"), add(4, "a")], [3, 3]);
        assert_eq!(epochs(&connection), [(1, 1), (3, 3)]);
        assert_eq!(stored(&connection).len(), 3);
    }

    #[test]
    fn an_epoch_ends_after_many_records_even_when_nothing_is_new() {
        let (_folder, connection) = database();
        let mut texts = Interner::open(&connection).unwrap();
        let mut add = |seq| {
            texts.begin_record(Seq(seq));
            intern(&mut texts, &connection, seq, "a")
        };
        let last = EPOCH_RECORDS_MAX;
        assert_eq!([add(1), add(last), add(last + 1), add(last + 2)], [1, 1, 2, 2]);
    }

    #[test]
    fn a_roll_back_forgets_what_the_database_forgot() {
        let (_folder, connection) = database();
        let mut texts = Interner::open(&connection).unwrap();
        intern(&mut texts, &connection, 1, "a");
        let mark = texts.mark();
        connection.execute_batch("SAVEPOINT job").unwrap();
        assert_eq!(intern(&mut texts, &connection, 2, "b"), 2);
        connection.execute_batch("ROLLBACK TO job; RELEASE job").unwrap();
        texts.roll_back(mark);
        assert_eq!(intern(&mut texts, &connection, 2, "c"), 2);
        assert_eq!(intern(&mut texts, &connection, 2, "b"), 3);
        assert_eq!(intern(&mut texts, &connection, 2, "a"), 1);
        let expect = [(1, "a"), (2, "c"), (3, "b")].map(|(id, text)| (id, text.to_owned()));
        assert_eq!(stored(&connection), expect);
    }

    #[test]
    fn a_roll_back_over_the_beginning_of_an_epoch_begins_it_again() {
        let (_folder, connection) = database();
        let mut texts = Interner::open(&connection).unwrap();
        intern(&mut texts, &connection, 1, "a");
        texts.limit_to(0);
        let mark = texts.mark();
        connection.execute_batch("SAVEPOINT job").unwrap();
        texts.begin_record(Seq(2));
        assert_eq!(intern(&mut texts, &connection, 2, "a"), 2);
        connection.execute_batch("ROLLBACK TO job; RELEASE job").unwrap();
        texts.roll_back(mark);
        assert_eq!(intern(&mut texts, &connection, 2, "b"), 2);
        assert_eq!(epochs(&connection), [(1, 1), (2, 2)]);
    }

    #[test]
    fn a_piece_that_was_not_stored_is_not_named() {
        let (_folder, connection) = database();
        let mut texts = Interner::open(&connection).unwrap();
        let add = |texts: &mut Interner, pod: &str| {
            let labels = Labels::from_pairs([("service", "checkout"), ("pod", pod)]);
            texts
                .intern(
                    &mut InsertTexts::prepare(&connection).unwrap(),
                    Seq(1),
                    (0, &Text::Labels(labels)),
                )
                .unwrap()
        };
        assert_eq!(add(&mut texts, "a"), 1);
        let mark = texts.mark();
        connection.execute_batch("SAVEPOINT job").unwrap();
        // What comes twice is stored as a piece: the name and the value of the service.
        assert_eq!(add(&mut texts, "b"), 4);
        connection.execute_batch("ROLLBACK TO job; RELEASE job").unwrap();
        texts.roll_back(mark);
        assert_eq!([add(&mut texts, "c"), add(&mut texts, "d")], [4, 5]);
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM interned"), 5);
    }
}
