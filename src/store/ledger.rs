//! The ledger: appending with the law of record time, and reading back.
//!
//! `record_time(n) = max(record_time(n-1), min(received_at, wall clock at commit))`; what has no
//! receipt repeats the record time before it; a tick carries its deadline's own time.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::StoreError;
use super::audit::{self, AuditEntry};
use super::deliveries::{self, InsertDeliveries, NewDelivery};
use super::door::{Door, Eye, Sighting};
use super::error::Trying;
use super::intern::{InsertTexts, Interner, TextHasher};
use super::ledger_form::{self, Encoded};
use super::raw_bodies::PackedRaw;
use super::rows::{At, count, from_int, int, moment_if_any, named};
use super::text_cache::{StoredTexts, TextCache};
use super::types::{Append, Appended, DoorCounts};
use crate::domain::record::Skip;
use crate::domain::{Name, Record, RecordBody, Seq, Timestamp};

/// Bodies that are read at once. A word takes some eighty bytes in its record, and ten times as many
/// once it is read, with what the engine makes of it.
const READ_BYTES_MAX: usize = 128 << 10;
/// What a waiting append takes beside its texts and its raw body.
const APPEND_BYTES: usize = 256;

/// Where the ledger stands. Restored as a whole when a transaction is rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: Seq,
    pub(super) record_time: Option<Timestamp>,
}

/// An append, made ready by the caller, so that the writer only has to number and to store it.
#[derive(Debug)]
pub(super) struct PreparedAppend {
    kind: &'static str,
    body: Encoded,
    /// The hash of each text that the body refers to.
    hashes: Vec<u64>,
    received_at: Option<Timestamp>,
    true_received_at: Timestamp,
    is_tick: bool,
    sightings: Vec<Sighting>,
    delivery: Option<NewDelivery>,
    raw: Option<PackedRaw>,
    audit: Option<AuditEntry>,
}

impl PreparedAppend {
    /// Does all that needs no writer: the form, the hashes, the packing of the raw body.
    pub(super) fn new(append: Append, eye: &Eye, hasher: &TextHasher) -> Result<Self, StoreError> {
        let delivery = append.body.delivery();
        let sightings = delivery
            .map(|delivery| delivery.words.iter().map(|word| eye.see(word)).collect())
            .unwrap_or_default();
        let delivery = delivery.map(NewDelivery::of);
        let kind = ledger_form::kind(&append.body);
        let is_tick = matches!(append.body, RecordBody::Tick);
        let body = ledger_form::encode(append.body)?;
        Ok(Self {
            kind,
            hashes: body.texts().iter().map(|text| hasher.hash(text)).collect(),
            body,
            received_at: append.received_at,
            true_received_at: append.true_received_at,
            is_tick,
            sightings,
            delivery,
            raw: append.raw.map(PackedRaw::new),
            audit: None,
        })
    }

    /// The same, with who asked for it.
    pub(super) fn audited(self, entry: AuditEntry) -> Self {
        Self { audit: Some(entry), ..self }
    }

    /// From whom and when a delivery came.
    pub(super) fn source(&self) -> Option<(&Name, Timestamp)> {
        let received_at = self.received_at.unwrap_or(self.true_received_at);
        self.delivery.as_ref().map(|delivery| (delivery.source(), received_at))
    }

    /// The raw body of a delivery, and when it truly came.
    pub(super) fn raw(&self) -> Option<(&PackedRaw, Timestamp)> {
        self.raw.as_ref().map(|raw| (raw, self.true_received_at))
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        APPEND_BYTES
            + self.body.bytes()
            + self.raw.as_ref().map_or(0, PackedRaw::waiting_bytes)
            + self.audit.as_ref().map_or(0, AuditEntry::bytes)
    }
}

/// Where the ledger stands in the database.
pub(super) fn head(connection: &Connection) -> Result<Head, StoreError> {
    connection
        .query_row("SELECT seq, record_time FROM ledger ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(Head {
                seq: Seq(count(row, "seq")?),
                record_time: moment_if_any(row, "record_time")?,
            })
        })
        .optional()
        .trying("finding the head of the ledger")
        .map(Option::unwrap_or_default)
}

/// Appends records in the transaction that is open, with statements that are prepared once for it.
pub(super) struct Appender<'c> {
    connection: &'c Connection,
    record: CachedStatement<'c>,
    texts: InsertTexts<'c>,
    deliveries: InsertDeliveries<'c>,
}

impl<'c> Appender<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        let record = connection
            .prepare_cached(
                "INSERT INTO ledger (seq, record_time, received_at, true_received_at, kind, form,
                                     body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .trying("preparing to append to the ledger")?;
        let texts = InsertTexts::prepare(connection)?;
        let deliveries = InsertDeliveries::prepare(connection)?;
        Ok(Self { connection, record, texts, deliveries })
    }

    /// Appends one record. `head` moves on only when all is written; the caller rolls back the
    /// memories of `texts` and `door` on an error.
    pub(super) fn append(
        &mut self,
        head: &mut Head,
        texts: &mut Interner,
        door: &mut Door,
        append: &PreparedAppend,
        wall: Timestamp,
    ) -> Result<Appended, StoreError> {
        if append.is_tick && is_reached(*head, append.received_at) {
            return Ok(Appended { seq: head.seq, counts: DoorCounts::default() });
        }
        let seq = head.seq.next();
        let record_time = record_time(*head, append, wall);
        texts.begin_record(seq);
        let numbers = append
            .hashes
            .iter()
            .copied()
            .zip(append.body.texts())
            .map(|text| texts.intern(&mut self.texts, seq, text))
            .collect::<Result<Vec<_>, _>>()?;
        self.record
            .execute((
                int(seq.0),
                record_time.map(At),
                append.received_at.map(At),
                At(append.true_received_at),
                append.kind,
                ledger_form::FORM,
                &*append.body.finish(&numbers),
            ))
            .trying("appending to the ledger")?;
        if let Some(delivery) = &append.delivery {
            let received_at = append.received_at.unwrap_or(append.true_received_at);
            let receipt = deliveries::Receipt { seq, received_at, truly: append.true_received_at };
            self.deliveries.delivery(delivery, receipt, append.raw.as_ref())?;
        }
        if let Some(entry) = &append.audit {
            audit::insert(self.connection, entry, Some(seq))?;
        }
        let counts = door.count(&append.sightings);
        *head = Head { seq, record_time };
        Ok(Appended { seq, counts })
    }
}

/// True when a tick for the deadline would say nothing new.
fn is_reached(head: Head, deadline: Option<Timestamp>) -> bool {
    match (head.record_time, deadline) {
        (Some(now), Some(deadline)) => now >= deadline,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// The law of record time.
fn record_time(head: Head, append: &PreparedAppend, wall: Timestamp) -> Option<Timestamp> {
    let own = match append.received_at {
        None => return head.record_time,
        Some(deadline) if append.is_tick => deadline,
        Some(received_at) => received_at.min(wall),
    };
    Some(head.record_time.map_or(own, |before| before.max(own)))
}

/// A row of the ledger as it is stored.
struct StoredRecord {
    seq: Seq,
    time: Option<Timestamp>,
    received_at: Option<Timestamp>,
    kind: String,
    form: i64,
    body: String,
}

impl StoredRecord {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: Seq(count(row, "seq")?),
            time: moment_if_any(row, "record_time")?,
            received_at: moment_if_any(row, "received_at")?,
            kind: row.get("kind")?,
            form: row.get("form")?,
            body: row.get("body")?,
        })
    }

    fn read(self, texts: &mut StoredTexts<'_>) -> Result<Record, StoreError> {
        let body =
            ledger_form::decode(&self.kind, self.form, &self.body, texts).map_err(|error| {
                let told =
                    format!("record {} of the ledger cannot be read: {}", self.seq, error.reason());
                match error {
                    StoreError::Unavailable(_) => StoreError::Unavailable(told),
                    StoreError::Broken(_) => StoreError::Broken(told),
                }
            })?;
        Ok(Record { seq: self.seq, time: self.time, received_at: self.received_at, body })
    }
}

/// Records behind a place, oldest first: at most `limit`, and not many bytes at once.
pub(super) fn after(
    connection: &Connection,
    cache: &TextCache,
    seq: Seq,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    after_each(connection, cache, seq, limit)?.into_iter().map(|(_, record)| record).collect()
}

/// A record's place, and the record unless it cannot be read.
pub(super) type ReadRecord = (Seq, Result<Record, StoreError>);

/// As [`after`], and a record that cannot be read stands in the way of no other.
pub(super) fn after_each(
    connection: &Connection,
    cache: &TextCache,
    seq: Seq,
    limit: usize,
) -> Result<Vec<ReadRecord>, StoreError> {
    let rows = connection
        .prepare_cached(
            "SELECT seq, record_time, received_at, kind, form, body FROM ledger
             WHERE seq > :seq ORDER BY seq LIMIT :limit",
        )
        .and_then(|mut select| {
            let mut bytes = 0;
            let mut read = Vec::new();
            let mut rows = select.query(named! { seq: int(seq.0), limit: int(limit as u64) })?;
            while bytes < READ_BYTES_MAX
                && let Some(row) = rows.next()?
            {
                let record = StoredRecord::of(row)?;
                bytes += record.body.len();
                read.push(record);
            }
            Ok(read)
        })
        .trying("reading the ledger")?;
    let mut texts = StoredTexts::new(connection, cache);
    Ok(rows.into_iter().map(|row| (row.seq, row.read(&mut texts))).collect())
}

/// All skip records, in order. A partial index holds just these.
pub(super) fn skips(connection: &Connection) -> Result<Vec<Skip>, StoreError> {
    let what = "reading which records are passed over";
    let bodies = connection
        .prepare_cached("SELECT body FROM ledger WHERE kind = 'skip' ORDER BY seq")
        .and_then(|mut select| {
            select
                .query_map([], |row| row.get::<_, String>("body"))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .trying(what)?;
    bodies
        .iter()
        .map(|body| {
            serde_json::from_str(body)
                .map_err(|error| StoreError::Broken(format!("{what} failed: {error}")))
        })
        .collect()
}

/// Record time of the oldest record that has one.
pub(super) fn oldest(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    connection
        .query_row(
            "SELECT record_time FROM ledger WHERE record_time IS NOT NULL ORDER BY seq LIMIT 1",
            [],
            |row| row.get(0).map(Timestamp::from_nanos),
        )
        .optional()
        .trying("finding the oldest record")
}

/// Drops records up to a place; returns how many. The newest record always stays, because it
/// carries the count and the record time.
pub(super) fn drop_until(connection: &Connection, until: Seq) -> Result<usize, StoreError> {
    connection
        .execute(
            "DELETE FROM ledger WHERE seq <= :until AND seq < (SELECT max(seq) FROM ledger)",
            named! { until: int(until.0) },
        )
        .trying("dropping old records")
}

/// The first record that is still kept.
pub(super) fn first(connection: &Connection) -> Result<Option<Seq>, StoreError> {
    connection
        .query_row("SELECT min(seq) FROM ledger", [], |row| row.get::<_, Option<i64>>(0))
        .trying("finding the first record")
        .map(|seq| seq.map(|seq| Seq(from_int(seq))))
}

/// The record time of a record, if it is there and has one.
pub(super) fn time_of(connection: &Connection, seq: Seq) -> Result<Option<Timestamp>, StoreError> {
    connection
        .prepare_cached("SELECT record_time FROM ledger WHERE seq = :seq")
        .and_then(|mut select| {
            select
                .query_row(named! { seq: int(seq.0) }, |row| moment_if_any(row, "record_time"))
                .optional()
        })
        .trying("finding records by their time")
        .map(Option::flatten)
}

/// The first record of this time or a later one, or the place behind the head. Record time never
/// goes back, so halving finds it without an index.
pub(super) fn first_since(connection: &Connection, time: Timestamp) -> Result<Seq, StoreError> {
    let (mut low, mut high) =
        (first(connection)?.unwrap_or_default(), head(connection)?.seq.next());
    while low < high {
        let middle = Seq(low.0 + (high.0 - low.0) / 2);
        if time_of(connection, middle)?.is_some_and(|at| at >= time) {
            high = middle;
        } else {
            low = middle.next();
        }
    }
    Ok(low)
}
