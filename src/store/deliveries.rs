//! Deliveries as they came in: their rows, raw bodies, sources, and the quarantine.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::StoreError;
use super::error::Trying;
use super::paging::Place;
use super::raw_bodies::{self, PackedRaw};
use super::rows::{At, count, from_int, from_json, int, moment, moment_if_any, named, to_json};
use super::types::{DeliveryRow, Quarantine, QuarantineRow, Quarantined, SourceRow};
use crate::domain::record::Delivery;
use crate::domain::{Name, Seq, Timestamp};

/// The quarantine holds at most this many rows …
const QUARANTINE_ROWS_MAX: u64 = 1_000;
/// … and this many bytes of bodies. The oldest go first.
const QUARANTINE_BYTES_MAX: u64 = 64 << 20;
/// One body cannot push everything else out of the quarantine: of its refused alerts, this many
/// get a row. The number of all of them stands in the delivery's row.
const REFUSED_ROWS_MAX: usize = 200;
/// The reason of a refused alert, beside those of whole bodies.
const REASON_ALERT: &str = "alert";

/// What the list of deliveries says of one, beside its receipt.
#[derive(Debug)]
pub(super) struct NewDelivery {
    source: Name,
    alerts: u64,
    rejected: u64,
    is_test: bool,
}

impl NewDelivery {
    pub(super) fn of(delivery: &Delivery) -> Self {
        Self {
            source: delivery.source.clone(),
            alerts: delivery.words.len() as u64,
            rejected: delivery.rejected,
            is_test: !delivery.words.is_empty() && delivery.words.iter().all(|word| word.is_test),
        }
    }

    pub(super) const fn source(&self) -> &Name {
        &self.source
    }
}

/// Sources that delivered within the open transaction, with the receipt of each delivery.
#[derive(Debug, Default)]
pub(super) struct Heard(Vec<(Name, Timestamp)>);

impl Heard {
    pub(super) fn add(&mut self, source: &Name, received_at: Timestamp) {
        self.0.push((source.clone(), received_at));
    }

    /// A place to roll back to.
    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Forgets what was heard since the mark.
    pub(super) fn roll_back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Notes each source once, whatever it delivered.
    pub(super) fn store(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut sources: BTreeMap<Name, (Timestamp, u64)> = BTreeMap::new();
        for (source, at) in self.0.drain(..) {
            let (last, count) = sources.entry(source).or_insert((at, 0));
            *last = at.max(*last);
            *count += 1;
        }
        for (source, (at, deliveries)) in sources {
            connection
                .prepare_cached(
                    "INSERT INTO sources (name, last_delivery_at, deliveries)
                     VALUES (:name, :at, :count)
                     ON CONFLICT (name) DO UPDATE SET
                         last_delivery_at = max(last_delivery_at, excluded.last_delivery_at),
                         deliveries = deliveries + excluded.deliveries",
                )
                .and_then(|mut upsert| {
                    upsert.execute(named! {
                        name: source.as_str(), at: At(at), count: int(deliveries)
                    })
                })
                .trying("noting a source")?;
        }
        Ok(())
    }
}

/// Where and when a delivery was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) truly: Timestamp,
}

/// Stores deliveries, with a statement that is prepared once for a transaction.
pub(super) struct InsertDeliveries<'c> {
    connection: &'c Connection,
    insert: CachedStatement<'c>,
}

impl<'c> InsertDeliveries<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        let insert = connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, source, received_at, true_received_at, bytes,
                                         content_type, remote, alerts, rejected, is_test,
                                         redacted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .trying("preparing to store deliveries")?;
        Ok(Self { connection, insert })
    }

    /// Stores what belongs to a delivery beside its ledger row, all but its raw body.
    pub(super) fn delivery(
        &mut self,
        delivery: &NewDelivery,
        receipt: Receipt,
        raw: Option<&PackedRaw>,
    ) -> Result<(), StoreError> {
        self.insert
            .execute((
                int(receipt.seq.0),
                delivery.source.as_str(),
                At(receipt.received_at),
                At(receipt.truly),
                int(raw.map_or(0, |raw| raw.bytes)),
                raw.map_or("", |raw| raw.content_type.as_str()),
                raw.map_or("", |raw| raw.remote.as_str()),
                int(delivery.alerts),
                int(delivery.rejected),
                delivery.is_test,
                int(raw.map_or(0, |raw| raw.redacted)),
            ))
            .trying("storing a delivery")?;
        raw.map_or(Ok(()), |raw| note_fate(self.connection, delivery, receipt, raw))
    }
}

/// Notes in the quarantine which alerts of a delivery were refused, and what became of a body that
/// was read again.
fn note_fate(
    connection: &Connection,
    delivery: &NewDelivery,
    receipt: Receipt,
    raw: &PackedRaw,
) -> Result<(), StoreError> {
    for refused in raw.refused.iter().take(REFUSED_ROWS_MAX) {
        let row = NewQuarantine {
            source: &delivery.source,
            received_at: receipt.received_at,
            reason: REASON_ALERT,
            problem: &refused.problem,
            delivery: Some(receipt.seq),
            place: Some(refused.index as u64),
            bytes: raw.bytes,
            redacted: raw.redacted,
            headers: "[]",
            body: None,
        };
        insert_quarantine(connection, &row)?;
    }
    if !raw.refused.is_empty() {
        bound_quarantine_rows(connection)?;
    }
    if let Some(number) = raw.replays {
        note_replay(connection, number, receipt)?;
    }
    Ok(())
}

/// Notes in the quarantine what became of a row.
fn note_replay(connection: &Connection, number: u64, receipt: Receipt) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE quarantine SET replayed_at = :at, replayed_as = :seq WHERE number = :number",
        )
        .and_then(|mut update| {
            update.execute(named! {
                at: At(receipt.truly), seq: int(receipt.seq.0), number: int(number),
            })
        })
        .trying("noting what became of a body in quarantine")?;
    Ok(())
}

/// Deliveries older than a place, newest first.
pub(super) fn list(
    connection: &Connection,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, DeliveryRow)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT seq, source, received_at, true_received_at, bytes, content_type, remote,
                    alerts, rejected, is_test, redacted,
                    bytes > 0 AND coalesce(
                        (SELECT r.first_seq FROM raw_bodies r WHERE r.last_seq >= d.seq
                         ORDER BY r.last_seq LIMIT 1) <= d.seq, 0) AS has_raw
             FROM deliveries d WHERE seq < :before ORDER BY seq DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { before: place.id, limit: int(limit as u64) }, delivery_row)?
                .collect()
        })
        .trying("listing deliveries")
}

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<(Place, DeliveryRow)> {
    let place = Place { at: 0, id: row.get("seq")? };
    let delivery = DeliveryRow {
        seq: Seq(from_int(place.id)),
        source: Name::from(row.get_ref("source")?.as_str()?),
        received_at: moment(row, "received_at")?,
        true_received_at: moment(row, "true_received_at")?,
        bytes: count(row, "bytes")?,
        content_type: row.get("content_type")?,
        remote: row.get("remote")?,
        alerts: count(row, "alerts")?,
        rejected: count(row, "rejected")?,
        is_test: row.get("is_test")?,
        has_raw: row.get("has_raw")?,
        redacted: count(row, "redacted")?,
    };
    Ok((place, delivery))
}

/// Sources with their last word, by name.
pub(super) fn sources(connection: &Connection) -> Result<Vec<SourceRow>, StoreError> {
    connection
        .prepare_cached("SELECT name, last_delivery_at, deliveries FROM sources ORDER BY name")
        .and_then(|mut select| {
            select
                .query_map([], |row| {
                    Ok(SourceRow {
                        name: Name::from(row.get_ref("name")?.as_str()?),
                        last_delivery_at: moment(row, "last_delivery_at")?,
                        deliveries: count(row, "deliveries")?,
                    })
                })?
                .collect()
        })
        .trying("listing sources")
}

/// A row for the quarantine.
struct NewQuarantine<'a> {
    source: &'a Name,
    received_at: Timestamp,
    reason: &'a str,
    problem: &'a str,
    delivery: Option<Seq>,
    place: Option<u64>,
    bytes: u64,
    redacted: u64,
    headers: &'a str,
    body: Option<&'a [u8]>,
}

/// Puts a body in quarantine, within bounds; returns its number. The same body of the same source
/// is kept once: Alertmanager sends what was refused again every group interval.
pub(super) fn quarantine(
    connection: &Connection,
    quarantine: &Quarantine,
) -> Result<u64, StoreError> {
    if let Some(number) = kept_already(connection, quarantine)? {
        return Ok(number);
    }
    let headers = to_json(&quarantine.headers, "headers")?;
    let row = NewQuarantine {
        source: &quarantine.source,
        received_at: quarantine.received_at,
        reason: quarantine.reason,
        problem: &quarantine.problem,
        delivery: None,
        place: None,
        bytes: quarantine.bytes.len() as u64,
        redacted: quarantine.redacted,
        headers: &headers,
        body: Some(&quarantine.bytes),
    };
    let number = insert_quarantine(connection, &row)?;
    bound_quarantine_rows(connection)?;
    Ok(number)
}

/// The row of the same body. Lengths are compared first, so that hardly a body is read.
fn kept_already(
    connection: &Connection,
    quarantine: &Quarantine,
) -> Result<Option<u64>, StoreError> {
    connection
        .prepare_cached(
            "SELECT number FROM quarantine
             WHERE bytes = :bytes AND source = :source AND body = :body LIMIT 1",
        )
        .and_then(|mut select| {
            select
                .query_row(
                    named! {
                        bytes: int(quarantine.bytes.len() as u64),
                        source: quarantine.source.as_str(), body: &quarantine.bytes[..],
                    },
                    |row| row.get(0),
                )
                .optional()
        })
        .trying("looking for a body in quarantine")
        .map(|number| number.map(from_int))
}

fn insert_quarantine(connection: &Connection, row: &NewQuarantine<'_>) -> Result<u64, StoreError> {
    // The newest row is never dropped, so a number is never given twice.
    connection
        .prepare_cached(
            "INSERT INTO quarantine
                 (source, received_at, reason, problem, delivery, place, bytes, redacted, headers,
                  body)
             VALUES (:source, :received_at, :reason, :problem, :delivery, :place, :bytes,
                     :redacted, :headers, :body)",
        )
        .and_then(|mut insert| {
            insert.execute(named! {
                source: row.source.as_str(), received_at: At(row.received_at),
                reason: row.reason, problem: row.problem,
                delivery: row.delivery.map(|seq| int(seq.0)), place: row.place.map(int),
                bytes: int(row.bytes), redacted: int(row.redacted), headers: row.headers,
                body: row.body,
            })
        })
        .trying("putting a body in quarantine")?;
    Ok(from_int(connection.last_insert_rowid()))
}

/// Numbers follow each other without a gap, so the number bounds the rows.
fn bound_quarantine_rows(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM quarantine
             WHERE number <= (SELECT max(number) FROM quarantine) - :rows",
        )
        .and_then(|mut delete| delete.execute(named! { rows: int(QUARANTINE_ROWS_MAX) }))
        .trying("bounding the quarantine")?;
    Ok(())
}

/// How many bytes of bodies stand in quarantine.
pub(super) fn quarantined_bytes(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row("SELECT coalesce(sum(length(body)), 0) FROM quarantine", [], |row| row.get(0))
        .map(from_int)
        .trying("measuring the quarantine")
}

/// Drops the oldest rows until the bodies keep their bound. Asked from time to time rather than
/// for each body, because it reads the whole quarantine.
pub(super) fn bound_quarantine_bytes(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM quarantine WHERE number <= (
                 SELECT max(number) FROM (
                     SELECT number, sum(length(body)) OVER (ORDER BY number DESC) AS newer_bytes
                     FROM quarantine)
                 WHERE newer_bytes > :bytes)
             AND number < (SELECT max(number) FROM quarantine)",
        )
        .and_then(|mut delete| delete.execute(named! { bytes: int(QUARANTINE_BYTES_MAX) }))
        .trying("bounding the quarantine")?;
    Ok(())
}

/// True when the bodies in quarantine, plus what was just added, may be over their bound.
pub(super) const fn is_over_bound(bytes: u64) -> bool {
    bytes > QUARANTINE_BYTES_MAX
}

/// The quarantine before a place, newest first.
pub(super) fn quarantined(
    connection: &Connection,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, QuarantineRow)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT number, source, received_at, reason, problem, delivery, place, bytes, redacted,
                    replayed_at, replayed_as
             FROM quarantine WHERE number < :before ORDER BY number DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { before: place.id, limit: int(limit as u64) }, quarantine_row)?
                .collect()
        })
        .trying("listing the quarantine")
}

fn quarantine_row(row: &Row<'_>) -> rusqlite::Result<(Place, QuarantineRow)> {
    let place = Place { at: 0, id: row.get("number")? };
    let quarantined = QuarantineRow {
        number: from_int(place.id),
        source: Name::from(row.get_ref("source")?.as_str()?),
        received_at: moment(row, "received_at")?,
        reason: row.get("reason")?,
        problem: row.get("problem")?,
        delivery: row.get::<_, Option<i64>>("delivery")?.map(|seq| Seq(from_int(seq))),
        index: row.get::<_, Option<i64>>("place")?.map(from_int),
        bytes: count(row, "bytes")?,
        redacted: count(row, "redacted")?,
        replayed: moment_if_any(row, "replayed_at")?
            .zip(row.get::<_, Option<i64>>("replayed_as")?.map(|seq| Seq(from_int(seq)))),
    };
    Ok((place, quarantined))
}

/// One row of the quarantine, with the body that it is about.
pub(super) fn quarantined_one(
    connection: &Connection,
    number: u64,
) -> Result<Option<Quarantined>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT number, source, received_at, reason, problem, delivery, place, bytes, redacted,
                    replayed_at, replayed_as, headers,
                    body,
                    (SELECT content_type FROM deliveries d WHERE d.seq = delivery) AS content_type
             FROM quarantine WHERE number = :number",
        )
        .and_then(|mut select| {
            select
                .query_row(named! { number: int(number) }, |row| {
                    let (_, quarantined) = quarantine_row(row)?;
                    let headers: String = row.get("headers")?;
                    let content_type: Option<String> = row.get("content_type")?;
                    Ok((quarantined, headers, content_type, row.get::<_, Option<Vec<u8>>>("body")?))
                })
                .optional()
        })
        .trying("reading a row of the quarantine")?;
    let Some((row, headers, content_type, body)) = found else { return Ok(None) };
    // The body of a single alert is the one of its delivery.
    let body = row.delivery.map_or(Ok(body), |seq| raw_bodies::raw(connection, seq))?;
    let mut headers: Vec<(String, String)> = from_json(&headers, "headers")?;
    headers.extend(content_type.map(|value| ("content-type".to_owned(), value)));
    Ok(Some(Quarantined { row, headers, body }))
}
