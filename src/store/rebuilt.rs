//! What a ledger gives when it is worked in anew, beside what is stored.
//!
//! The engine commits into a [`Rebuilt`] as it does into the store, and recalls from it; then the
//! two are compared row by row. Nothing of it lasts. Called by `engine` for `scribed verify`.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, Rows};
use serde_json::Value;

use super::check::{Archive, Faults};
use super::engine::{self, PreparedCommit};
use super::episodes::Reasons;
use super::error::Trying;
use super::redact::Rewriting;
use super::texts::{Shelf, Texts};
use super::types::EngineCommit;
use super::{StoreError, changes, episodes, incidents, schema};
use crate::domain::{AlertKey, Change, ChangeId, Episode, EpisodeId, Facts, IncidentId, Name, Seq};

/// Longest value that is shown of a difference, in characters.
const SHOWN_MAX: usize = 80;

/// See the module.
#[derive(Debug)]
pub struct Rebuilt {
    connection: Connection,
    shelf: Shelf,
}

impl Rebuilt {
    /// Nothing yet.
    ///
    /// # Errors
    /// When its database cannot be made.
    pub fn new() -> Result<Self, StoreError> {
        let connection = schema::open_scratch()?;
        let shelf = Shelf::open(&connection)?;
        Ok(Self { connection, shelf })
    }

    /// As [`Store::commit`](super::Store::commit).
    ///
    /// # Errors
    /// When nothing of it was committed.
    pub fn commit(&mut self, commit: &EngineCommit) -> Result<(), StoreError> {
        let rewriting = Rewriting::find(&self.connection, commit)?;
        let commit = PreparedCommit::new(commit, &mut self.shelf)?.with_rewriting(rewriting);
        let what = "working the ledger in anew";
        let transaction = self.connection.transaction().trying(what)?;
        engine::store(&transaction, &commit, Seq(0), commit.cursor)?;
        transaction.commit().trying(what)?;
        self.shelf.keep();
        Ok(())
    }

    /// The connection, for whoever looks at all of it.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// As [`Store::facts`](super::Store::facts).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        incidents::facts(&self.connection, id, Reasons::Told)
    }

    /// As [`Store::episode`](super::Store::episode).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
        episodes::get(&self.connection, id)
    }

    /// As [`Store::episodes_of_alert`](super::Store::episodes_of_alert).
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn episodes_of_alert(
        &self,
        key: &AlertKey,
        limit: usize,
    ) -> Result<Vec<Episode>, StoreError> {
        episodes::of_alert(&self.connection, key, limit)
    }

    /// As [`Store::change`](super::Store::change).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError> {
        changes::get(&self.connection, id)
    }

    /// As [`Store::change_by_key`](super::Store::change_by_key).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn change_by_key(&self, source: &Name, key: &str) -> Result<Option<Change>, StoreError> {
        changes::by_key(&self.connection, source, key)
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Where they differ.
    pub faults: Faults,
    /// Rows that both have.
    pub compared: u64,
}

/// How a table is read for a comparison: two numbers that are its key and its order, the JSON, and
/// the columns that are copies of it. The column `cursor` of incidents is left out: it depends on
/// how records were batched.
struct Table {
    name: fn(i64, i64) -> String,
    sql: &'static str,
    /// Gives the JSON of a row.
    json: fn(&Row<'_>, &mut Texts<'_>) -> rusqlite::Result<Result<String, StoreError>>,
}

/// The third column as it is.
fn third(row: &Row<'_>, _: &mut Texts<'_>) -> rusqlite::Result<Result<String, StoreError>> {
    row.get(2).map(Ok)
}

/// The facts that were reviewed, with all their members and revisions. A replay that began at a
/// snapshot never saw the older of those, so it cannot write them.
const REVIEWED: Table = Table {
    name: |incident, _| format!("the reviewed facts of incident {incident}"),
    sql: "SELECT incident, 0, facts, '' FROM reviewed ORDER BY incident",
    json: third,
};

const TABLES: [Table; 6] = [
    Table {
        name: |id, _| format!("incident {id}"),
        sql: "SELECT id, 0, json, json_array(state, merged_into, severity, started_at, ended_at,
                                             services, search, pinned)
              FROM incidents ORDER BY id",
        json: third,
    },
    Table {
        name: |id, _| format!("alert e{id}"),
        sql: "SELECT e.id AS id, 0, e.packed AS packed,
                     json_array(fingerprint, starts_at, ends_at, incident, active, search),
                     max(e.last_word_at, coalesce(h.last_word_at, e.last_word_at))
                         AS last_word_at,
                     coalesce(max(e.lease, h.lease), e.lease, h.lease) AS lease,
                     max(e.deliveries, coalesce(h.deliveries, 0)) AS deliveries
              FROM episodes e LEFT JOIN heard h ON h.episode = e.id ORDER BY e.id",
        json: episodes::as_json,
    },
    Table {
        name: |id, _| format!("the explanation of alert e{id}"),
        sql: "SELECT x.episode AS episode, 0, x.packed AS packed, ''
              FROM explanations x JOIN episodes e ON e.id = x.episode ORDER BY x.episode",
        json: episodes::explanation_as_json,
    },
    Table {
        name: |id, _| format!("change c{id}"),
        sql: "SELECT id, 0, json, json_array(at, service, source, key) FROM changes ORDER BY id",
        json: third,
    },
    Table {
        name: |incident, revision| format!("revision {revision} of incident {incident}"),
        sql: "SELECT incident, revision, json, json_array(at) FROM revisions
              ORDER BY incident, revision",
        json: third,
    },
    Table {
        name: |_, _| "the service graph".to_owned(),
        sql: "SELECT only, 0, json, '' FROM topology ORDER BY only",
        json: third,
    },
];

/// One row of either side.
struct Compared {
    key: (i64, i64),
    json: String,
    copies: String,
}

impl Compared {
    fn next(
        rows: &mut Rows<'_>,
        table: &Table,
        texts: &mut Texts<'_>,
    ) -> rusqlite::Result<Option<Self>> {
        let mut read = |row: &Row<'_>| {
            Ok(Self {
                key: (row.get(0)?, row.get(1)?),
                // What cannot be read differs from what can, and says why.
                json: (table.json)(row, texts)?.unwrap_or_else(|error| error.to_string()),
                copies: row.get(3)?,
            })
        };
        rows.next()?.map(&mut read).transpose()
    }
}

/// Compares what is stored with what the ledger gives. `is_whole` says that all of the ledger was
/// worked in, so that what is stored besides is a fault. Retention drops only what no replay finds,
/// so whatever the ledger gives must be stored.
///
/// # Errors
/// When one of the two cannot be read.
pub fn compare(
    archive: &Archive,
    rebuilt: &Rebuilt,
    is_whole: bool,
) -> Result<Comparison, StoreError> {
    let mut comparison = Comparison::default();
    let reviewed = is_whole.then_some(&REVIEWED);
    for table in TABLES.iter().chain(reviewed) {
        compare_table(table, archive.connection(), &rebuilt.connection, is_whole, &mut comparison)
            .trying("comparing what is stored with the ledger")?;
    }
    Ok(comparison)
}

/// Walks along both sides in the order of their keys.
fn compare_table(
    table: &Table,
    stored: &Connection,
    rebuilt: &Connection,
    is_whole: bool,
    comparison: &mut Comparison,
) -> rusqlite::Result<()> {
    let (mut our_texts, mut their_texts) = (Texts::new(stored), Texts::new(rebuilt));
    let (mut stored, mut rebuilt) = (stored.prepare(table.sql)?, rebuilt.prepare(table.sql)?);
    let mut stored = stored.query([])?;
    let mut rebuilt = rebuilt.query([])?;
    let mut ours = Compared::next(&mut stored, table, &mut our_texts)?;
    let mut theirs = Compared::next(&mut rebuilt, table, &mut their_texts)?;
    loop {
        let key = match (&ours, &theirs) {
            (None, None) => return Ok(()),
            (Some(row), None) | (None, Some(row)) => row.key,
            (Some(ours), Some(theirs)) => ours.key.min(theirs.key),
        };
        let here = ours.take_if(|row| row.key == key);
        let there = theirs.take_if(|row| row.key == key);
        let name = || (table.name)(key.0, key.1);
        match (&here, &there) {
            (Some(here), Some(there)) => {
                comparison.compared += 1;
                if let Some(difference) = difference(here, there) {
                    comparison.faults.add(format!("{}: {difference}", name()));
                }
            }
            (Some(_), None) if is_whole => comparison
                .faults
                .add(format!("{} is stored, and the ledger does not tell of it", name())),
            (None, Some(_)) => comparison
                .faults
                .add(format!("{} is not stored, and the ledger tells of it", name())),
            (Some(_) | None, None) => {}
        }
        if here.is_some() {
            ours = Compared::next(&mut stored, table, &mut our_texts)?;
        }
        if there.is_some() {
            theirs = Compared::next(&mut rebuilt, table, &mut their_texts)?;
        }
    }
}

/// How a stored row differs from the one that the ledger gives.
fn difference(stored: &Compared, rebuilt: &Compared) -> Option<String> {
    if stored.json != rebuilt.json {
        let (Ok(left), Ok(right)) = (
            serde_json::from_str::<Value>(&stored.json),
            serde_json::from_str::<Value>(&rebuilt.json),
        ) else {
            return Some("what is stored cannot be read".to_owned());
        };
        return Some(
            first_difference("", &left, &right)
                .unwrap_or_else(|| "it is written otherwise than we write it".to_owned()),
        );
    }
    (stored.copies != rebuilt.copies).then(|| {
        format!(
            "its columns for lists are {} in the store, and {} by the ledger",
            shown(&stored.copies),
            shown(&rebuilt.copies)
        )
    })
}

/// The first place at which two values differ, with both, in words.
fn first_difference(path: &str, stored: &Value, rebuilt: &Value) -> Option<String> {
    match (stored, rebuilt) {
        _ if stored == rebuilt => None,
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                one_of_two(&path, left.get(key), right.get(key))
            })
        }
        (Value::Array(left), Value::Array(right)) => (0..left.len().max(right.len()))
            .find_map(|at| one_of_two(&format!("{path}[{at}]"), left.get(at), right.get(at))),
        _ => Some(format!(
            "{path} is {} in the store, and {} by the ledger",
            shown(&stored.to_string()),
            shown(&rebuilt.to_string())
        )),
    }
}

/// As [`first_difference`], where one of the two may be missing.
fn one_of_two(path: &str, stored: Option<&Value>, rebuilt: Option<&Value>) -> Option<String> {
    match (stored, rebuilt) {
        (Some(stored), Some(rebuilt)) => first_difference(path, stored, rebuilt),
        (Some(stored), None) => Some(format!(
            "{path} is {} in the store, and is not there by the ledger",
            shown(&stored.to_string())
        )),
        (None, Some(rebuilt)) => Some(format!(
            "{path} is not there in the store, and {} by the ledger",
            shown(&rebuilt.to_string())
        )),
        (None, None) => None,
    }
}

/// A value cut to what a person can take in.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
