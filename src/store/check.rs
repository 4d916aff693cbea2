//! A database looked at from outside: a backup, or a store that no server holds.
//!
//! Everything here only reads. What is found amiss is told for people and never mended. Called by
//! `backup` (is this copy sound?) and, through the room's root, by `engine` (do the laws hold?).

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::Trying;
use super::ledger;
use super::rows::from_int;
use super::schema::{self, FolderLock};
use super::text_cache::TextCache;
use super::types::{RuleEpoch, Snapshot};
use super::{StoreError, backup, engine, snapshots};
use crate::domain::record::Skip;
use crate::domain::{Record, Seq};

/// Faults of one sort that are told in words; the others are counted.
const FAULTS_TOLD: u64 = 10;
/// Records that are read at once.
const RECORDS_AT_ONCE: usize = 1_000;

/// What was found amiss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first ones, in words.
    pub told: Vec<String>,
    /// How many there are in all.
    pub count: u64,
}

impl Faults {
    /// Adds one.
    pub(super) fn add(&mut self, fault: impl Into<String>) {
        if self.count < FAULTS_TOLD {
            self.told.push(fault.into());
        }
        self.count += 1;
    }

    /// True when nothing is amiss.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// How closely the file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every page and every row.
    Quick,
    /// Every entry of every index and every reference as well.
    Full,
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// The oldest record that is kept.
    pub first: Option<Seq>,
    /// The newest record.
    pub head: Seq,
    /// Up to where the engine has worked.
    pub cursor: Seq,
    /// How many incidents.
    pub incidents: u64,
    /// How long the file is.
    pub bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Archive {
    connection: Connection,
    texts: TextCache,
    path: PathBuf,
    version: usize,
    /// The file, when it was only made to be looked at.
    _partial: Option<backup::Partial>,
    /// The store's folder, when this is the store itself.
    _folder: Option<FolderLock>,
}

impl Archive {
    /// Opens a database file, such as a backup.
    ///
    /// # Errors
    /// When it is no database of ours, cannot be read, or is newer than this release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_reader(path)?;
        let version = schema::version_of(&connection, path)?;
        if version == 0 {
            return Err(StoreError::Broken(format!(
                "{} is empty: nothing was ever stored in it",
                path.display()
            )));
        }
        let path = path.to_owned();
        let texts = TextCache::default();
        Ok(Self { connection, texts, path, version, _partial: None, _folder: None })
    }

    /// Opens a store's database and keeps servers from starting on it; while a server runs there,
    /// a copy of it is made, looked at, and removed in the end.
    ///
    /// # Errors
    /// When there is no store, or it cannot be read or copied.
    pub fn of_store(folder: &Path) -> Result<Self, StoreError> {
        let database = backup::database_in(folder)?;
        match schema::take_folder(folder)? {
            schema::Taken::Ours(lock) => Ok(Self { _folder: Some(lock), ..Self::open(&database)? }),
            schema::Taken::Theirs(_) => {
                let partial = backup::Partial::beside(&database)?;
                backup::copy(&database, partial.path())?;
                let archive = Self::open(partial.path())?;
                Ok(Self { _partial: Some(partial), ..archive })
            }
        }
    }

    /// Looks at one moment of a store, whether a server runs there or not: nothing is locked,
    /// written or copied. As long as it is looked at, a server's write-ahead log only grows.
    ///
    /// # Errors
    /// When there is no store, or it cannot be read.
    pub fn glimpse(folder: &Path) -> Result<Self, StoreError> {
        let archive = Self::open(&backup::database_in(folder)?)?;
        // The moment is that of the first read after this.
        let what = "reading one moment of the store";
        archive.connection.execute_batch("BEGIN").trying(what)?;
        ledger::head(&archive.connection)?;
        Ok(archive)
    }

    /// True when it was written by a release whose rows look the same as ours.
    #[must_use]
    pub fn is_of_this_release(&self) -> bool {
        self.version == schema::newest()
    }

    /// What it holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holdings(&self) -> Result<Holdings, StoreError> {
        let incidents = self
            .connection
            .query_row("SELECT count(*) FROM incidents", [], |row| row.get(0))
            .trying("counting incidents")
            .map(from_int)?;
        let what = format!("measuring {}", self.path.display());
        Ok(Holdings {
            first: ledger::first(&self.connection)?,
            head: ledger::head(&self.connection)?.seq,
            cursor: engine::cursor(&self.connection)?,
            incidents,
            bytes: std::fs::metadata(&self.path).trying(&what)?.len(),
        })
    }

    /// By which rules its records were worked in, in the order of the ledger.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rule_epochs(&self) -> Result<Vec<RuleEpoch>, StoreError> {
        engine::rule_epochs(&self.connection)
    }

    /// What is damaged in the file itself. After a fault nothing else of it can be believed.
    ///
    /// # Errors
    /// When it cannot be looked at for another reason than damage.
    pub fn damage(&self, depth: Depth) -> Result<Faults, StoreError> {
        let mut faults = Faults::default();
        let pragma = match depth {
            Depth::Quick => "PRAGMA quick_check(100)",
            Depth::Full => "PRAGMA integrity_check(100)",
        };
        match texts(&self.connection, pragma) {
            Ok(lines) => {
                lines.iter().filter(|line| *line != "ok").for_each(|line| faults.add(line));
            }
            Err(error) if is_damage(&error) => faults.add(error.to_string()),
            Err(error) => return Err(error).trying("checking the file"),
        }
        if faults.is_empty() {
            self.compare_schema(&mut faults)?;
        }
        if faults.is_empty() && depth == Depth::Full {
            let lost = texts(
                &self.connection,
                "SELECT 'a row of ' || \"table\" || ' refers to a row of ' || parent ||
                        ' that is not there' FROM pragma_foreign_key_check",
            );
            lost.trying("checking the references")?.into_iter().for_each(|line| faults.add(line));
        }
        Ok(faults)
    }

    fn compare_schema(&self, faults: &mut Faults) -> Result<(), StoreError> {
        let (found, expected) =
            (schema::parts(&self.connection)?, schema::parts_of_version(self.version)?);
        for (name, sql) in &expected {
            match found.iter().find(|(known, _)| known == name) {
                None => faults.add(format!("{name} is missing")),
                Some((_, found)) if found != sql => {
                    faults.add(format!("{name} is not as schema {} makes it", self.version));
                }
                Some(_) => {}
            }
        }
        for (name, _) in &found {
            if !expected.iter().any(|(known, _)| known == name) {
                faults.add(format!("{name} is not of ours"));
            }
        }
        Ok(())
    }

    /// Where the ledger breaks its laws: numbers without a gap, times that never go back, one row
    /// among the deliveries for each delivery, and a cursor that does not run ahead.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ledger_faults(&self) -> Result<Faults, StoreError> {
        let mut faults = Faults::default();
        self.follow_ledger(&mut faults).trying("reading the ledger")?;
        let (head, cursor) =
            (ledger::head(&self.connection)?.seq, engine::cursor(&self.connection)?);
        if cursor > head {
            faults.add(format!(
                "the engine has worked up to record {cursor}, and the ledger ends at {head}"
            ));
        }
        let unlisted = texts(
            &self.connection,
            "SELECT 'record ' || seq || ' is a delivery, and is not among the deliveries'
             FROM ledger WHERE kind = 'delivery' AND seq NOT IN (SELECT seq FROM deliveries)
             UNION ALL
             SELECT 'delivery ' || seq || ' is not in the ledger'
             FROM deliveries WHERE seq NOT IN (SELECT seq FROM ledger WHERE kind = 'delivery')",
        );
        unlisted.trying("reading the deliveries")?.into_iter().for_each(|line| faults.add(line));
        Ok(faults)
    }

    fn follow_ledger(&self, faults: &mut Faults) -> rusqlite::Result<()> {
        let mut select =
            self.connection.prepare("SELECT seq, record_time FROM ledger ORDER BY seq")?;
        let mut rows = select.query([])?;
        let mut before: Option<(i64, Option<i64>)> = None;
        while let Some(row) = rows.next()? {
            let (seq, time): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
            if let Some((seq_before, time_before)) = before {
                match seq - seq_before {
                    1 => {}
                    2 => faults.add(format!("record {} is missing", seq - 1)),
                    _ => {
                        faults.add(format!("records {} to {} are missing", seq_before + 1, seq - 1))
                    }
                }
                // Nothing is less than any time, as with the records at the head of an empty store.
                if time < time_before {
                    faults.add(format!("the time of record {seq} lies before that of the last"));
                }
            }
            before = Some((seq, time));
        }
        Ok(())
    }

    /// Records that cannot be read, such as those that refer to a text that is not there.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn record_faults(&self) -> Result<Faults, StoreError> {
        let mut faults = Faults::default();
        let mut at = Seq(0);
        loop {
            let records = ledger::after_each(&self.connection, &self.texts, at, RECORDS_AT_ONCE)?;
            let Some((last, _)) = records.last() else { return Ok(faults) };
            at = *last;
            for (_, record) in records {
                if let Err(error) = record {
                    faults.add(error.reason());
                }
            }
        }
    }

    /// Records after a place, oldest first.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn records_after(&self, seq: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        ledger::after(&self.connection, &self.texts, seq, limit)
    }

    /// All skip records of the ledger, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn skips(&self) -> Result<Vec<Skip>, StoreError> {
        ledger::skips(&self.connection)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        snapshots::newest(&self.connection)
    }

    /// What was recalled for records after a place.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn recalls_after(&self, seq: Seq) -> Result<Vec<(Seq, Vec<u8>)>, StoreError> {
        engine::recalls_after(&self.connection, seq)
    }

    /// The connection, for a comparison with another database.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Refuses a copy that is not sound.
    ///
    /// # Errors
    /// When it is damaged or its ledger has a hole.
    pub(super) fn expect_sound(&self) -> Result<(), StoreError> {
        for faults in [self.damage(Depth::Quick)?, self.ledger_faults()?] {
            if let Some(first) = faults.told.first() {
                let others = match faults.count - 1 {
                    0 => String::new(),
                    others => format!(", and {others} more"),
                };
                return Err(StoreError::Broken(format!(
                    "{} is not sound: {first}{others}",
                    self.path.display()
                )));
            }
        }
        Ok(())
    }
}

/// The first column of every row, as text.
fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
