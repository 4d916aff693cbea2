//! Raw bodies: packed by whoever received them, stored beside their deliveries, unpacked when read.
//!
//! They are most of what is written, and the first to be dropped. What a sender repeats in each of
//! its alerts takes little, and pages that are not written cost nothing: those of one commit share
//! a row, one behind the other, because a page of 4 KiB holds only one row of 2,100 bytes.

use std::cell::RefCell;

use lz4_flex::block::{self, CompressTable};
use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::rows::{At, count, int, named};
use super::types::{RawDelivery, RefusedAlert};
use crate::domain::{Seq, Timestamp};

/// A raw body as it is stored, with what is told of it beside: packed where that makes it smaller.
#[derive(Debug)]
pub(super) struct PackedRaw {
    /// How long it was.
    pub(super) bytes: u64,
    packing: u8,
    body: bytes::Bytes,
    pub(super) content_type: String,
    pub(super) remote: String,
    pub(super) refused: Vec<RefusedAlert>,
    pub(super) redacted: u64,
    pub(super) replays: Option<u64>,
}

/// Stored as it came.
const PACKING_NONE: u8 = 0;
/// One LZ4 block with its length before it.
const PACKING_LZ4: u8 = 1;

impl PackedRaw {
    pub(super) fn new(raw: RawDelivery) -> Self {
        let bytes = raw.bytes.len() as u64;
        let (packing, body) = match packed(&raw.bytes) {
            Some(packed) => (PACKING_LZ4, packed),
            None => (PACKING_NONE, raw.bytes),
        };
        let RawDelivery { content_type, remote, refused, redacted, replays, .. } = raw;
        Self { bytes, packing, body, content_type, remote, refused, redacted, replays }
    }

    /// What it takes while it waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.body.len()
    }
}

/// A body up to this length is packed in memory that its thread keeps for the next one. A table or
/// a piece of some kilobytes for each body costs more than the packing.
const KEPT_BYTES_MAX: usize = 32 << 10;

thread_local! {
    static PRESS: RefCell<(CompressTable, Vec<u8>)> = RefCell::default();
}

/// The body as one LZ4 block with its length before it, where that is shorter. The copy has the
/// size of what is kept, while it waits.
fn packed(body: &[u8]) -> Option<bytes::Bytes> {
    if body.len() > KEPT_BYTES_MAX {
        let packed = block::compress_prepend_size(body);
        return (packed.len() < body.len()).then(|| bytes::Bytes::copy_from_slice(&packed));
    }
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    PRESS.with_borrow_mut(|(table, out)| {
        let room = length.len() + block::get_maximum_output_size(body.len());
        if out.len() < room {
            out.resize(room, 0);
        }
        out[..length.len()].copy_from_slice(&length);
        let packed = block::compress_into_with_table(body, &mut out[length.len()..], table).ok()?;
        let packed = &out[..length.len() + packed];
        (packed.len() < body.len()).then(|| bytes::Bytes::copy_from_slice(packed))
    })
}

/// A row takes at most this much, or one body: whoever reads one of them reads the row.
const ROW_BYTES: usize = 256 << 10;
/// What stands before a body in its row: the number of its delivery, how it is packed, its length.
const HEAD_BYTES: usize = 8 + 1 + 4;

/// Raw bodies of the deliveries of the open transaction.
#[derive(Debug, Default)]
pub(super) struct Gathered(Vec<GatheredBody>);

#[derive(Debug)]
struct GatheredBody {
    seq: Seq,
    received_at: Timestamp,
    packing: u8,
    body: bytes::Bytes,
}

impl Gathered {
    /// Takes the body of a delivery, which came at this moment. Deliveries come in the order of
    /// their numbers.
    pub(super) fn add(&mut self, seq: Seq, received_at: Timestamp, raw: &PackedRaw) {
        let PackedRaw { packing, body, .. } = raw;
        self.0.push(GatheredBody { seq, received_at, packing: *packing, body: body.clone() });
    }

    /// A place to roll back to.
    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Forgets what came since the mark.
    pub(super) fn roll_back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Stores them, in as few rows as their bound allows.
    pub(super) fn store(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut row = Row::default();
        for body in self.0.drain(..) {
            if row.bodies.len() + body.body.len() > ROW_BYTES {
                std::mem::take(&mut row).store(connection)?;
            }
            row.add(&body)?;
        }
        row.store(connection)
    }
}

/// A row of the table, as it grows.
#[derive(Default)]
struct Row {
    first: Option<Seq>,
    last: Seq,
    newest_at: Option<Timestamp>,
    bodies: Vec<u8>,
}

impl Row {
    fn add(&mut self, body: &GatheredBody) -> Result<(), StoreError> {
        let length = u32::try_from(body.body.len()).map_err(|_| {
            StoreError::Broken(format!("a raw body of {} bytes cannot be stored", body.body.len()))
        })?;
        self.first.get_or_insert(body.seq);
        self.last = body.seq;
        self.newest_at = self.newest_at.max(Some(body.received_at));
        self.bodies.reserve(HEAD_BYTES + body.body.len());
        self.bodies.extend_from_slice(&body.seq.0.to_le_bytes());
        self.bodies.push(body.packing);
        self.bodies.extend_from_slice(&length.to_le_bytes());
        self.bodies.extend_from_slice(&body.body);
        Ok(())
    }

    fn store(self, connection: &Connection) -> Result<(), StoreError> {
        let (Some(first), Some(newest_at)) = (self.first, self.newest_at) else { return Ok(()) };
        connection
            .prepare_cached(
                "INSERT INTO raw_bodies (last_seq, first_seq, newest_at, bodies)
                 VALUES (:last, :first, :newest_at, :bodies)",
            )
            .and_then(|mut insert| {
                insert.execute(named! {
                    last: int(self.last.0), first: int(first.0), newest_at: At(newest_at),
                    bodies: self.bodies,
                })
            })
            .trying("storing raw bodies")
            .map(drop)
    }
}

/// The body of a delivery among those of its row, and how it is packed.
fn find(mut bodies: &[u8], seq: Seq) -> Result<Option<(u8, &[u8])>, StoreError> {
    while !bodies.is_empty() {
        let (delivery, packing, body, rest) = split(bodies)
            .ok_or_else(|| StoreError::Broken("a row of raw bodies ends too soon".to_owned()))?;
        if delivery == seq.0 {
            return Ok(Some((packing, body)));
        }
        bodies = rest;
    }
    Ok(None)
}

/// The first body of some: its delivery, its packing, itself, and what comes after it.
fn split(bodies: &[u8]) -> Option<(u64, u8, &[u8], &[u8])> {
    let (delivery, bodies) = bodies.split_first_chunk()?;
    let (packing, bodies) = bodies.split_first()?;
    let (length, bodies) = bodies.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (body, rest) = bodies.split_at_checked(length)?;
    Some((u64::from_le_bytes(*delivery), *packing, body, rest))
}

/// Unpacks a stored body.
fn unpacked(packing: u8, body: &[u8]) -> Result<Vec<u8>, StoreError> {
    match packing {
        PACKING_NONE => Ok(body.to_vec()),
        PACKING_LZ4 => block::decompress_size_prepended(body)
            .map_err(|error| StoreError::Broken(format!("a raw body cannot be unpacked: {error}"))),
        other => Err(StoreError::Broken(format!(
            "a raw body is packed in the unknown way {other}; a newer release may know it"
        ))),
    }
}

/// The raw body of a delivery, while it is kept.
pub(super) fn raw(connection: &Connection, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
    let bodies: Option<(u64, Vec<u8>)> = connection
        .prepare_cached(
            "SELECT first_seq, bodies FROM raw_bodies
             WHERE last_seq >= :seq ORDER BY last_seq LIMIT 1",
        )
        .and_then(|mut select| {
            select
                .query_row(named! { seq: int(seq.0) }, |row| {
                    Ok((count(row, "first_seq")?, row.get("bodies")?))
                })
                .optional()
        })
        .trying("reading a raw body")?;
    let Some((_, bodies)) = bodies.filter(|(first, _)| *first <= seq.0) else { return Ok(None) };
    find(&bodies, seq)?.map(|(packing, body)| unpacked(packing, body)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_length_is_packed_where_that_makes_it_smaller() {
        let noise: Vec<u8> =
            (0..1_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        let text = b"{\"alerts\":[{\"labels\":{}}]}".repeat(4_000);
        let check = |body: &[u8], is_packed: bool| {
            let raw = RawDelivery {
                bytes: bytes::Bytes::copy_from_slice(body),
                ..RawDelivery::default()
            };
            let raw = PackedRaw::new(raw);
            assert_eq!(raw.packing == PACKING_LZ4, is_packed, "{} bytes", body.len());
            assert_eq!(raw.bytes, body.len() as u64);
            assert_eq!(unpacked(raw.packing, &raw.body).unwrap(), body);
        };
        // One after the other, so that each is packed in what the one before it left behind.
        for length in [0, 3, 200, 9_000, 70, KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1, 100_000, 200] {
            check(&text[..length], length > 32);
            check(&noise[..length.min(noise.len())], false);
        }
    }

    /// The table as the schema makes it, without what it refers to.
    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE raw_bodies (last_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL,
                     newest_at INTEGER NOT NULL, bodies BLOB NOT NULL) STRICT",
            )
            .unwrap();
        connection
    }

    fn packed_raw(body: &[u8]) -> PackedRaw {
        let bytes = bytes::Bytes::copy_from_slice(body);
        PackedRaw::new(RawDelivery { bytes, ..RawDelivery::default() })
    }

    #[test]
    fn bodies_of_one_commit_share_rows_and_each_is_found_by_its_delivery() {
        let connection = table();
        let body =
            |n: u64| vec![u8::try_from(n % 251).unwrap(); 1 + 40 * usize::try_from(n).unwrap()];
        let noise =
            Vec::from_iter((0..70_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()));
        let mut gathered = Gathered::default();
        // Numbers 4, 8, … belong to records that are no deliveries.
        for n in (1..40).filter(|n| n % 4 != 0) {
            gathered.add(
                Seq(n),
                Timestamp::from_nanos(-i64::try_from(n).unwrap()),
                &packed_raw(&body(n)),
            );
        }
        let mark = gathered.mark();
        gathered.add(Seq(40), Timestamp::from_nanos(9), &packed_raw(b"undone"));
        gathered.roll_back(mark);
        gathered.add(Seq(41), Timestamp::from_nanos(5), &packed_raw(&noise));
        gathered.add(Seq(42), Timestamp::from_nanos(4), &packed_raw(b"next row"));
        gathered.store(&connection).unwrap();
        gathered.store(&connection).unwrap();
        for n in (1..40).filter(|n| n % 4 != 0) {
            assert_eq!(raw(&connection, Seq(n)).unwrap(), Some(body(n)), "{n}");
        }
        assert_eq!(raw(&connection, Seq(41)).unwrap(), Some(noise));
        assert_eq!(raw(&connection, Seq(42)).unwrap(), Some(b"next row".to_vec()));
        for none in [0, 4, 8, 36, 40, 43] {
            assert_eq!(raw(&connection, Seq(none)).unwrap(), None, "{none}");
        }
        let rows = connection
            .prepare("SELECT first_seq, last_seq, newest_at FROM raw_bodies ORDER BY 1")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<rusqlite::Result<Vec<(i64, i64, i64)>>>()
            .unwrap();
        assert_eq!(rows, [(1, 39, -1), (41, 41, 5), (42, 42, 4)]);
    }

    #[test]
    fn a_row_that_was_cut_is_told_as_damage() {
        let mut row = Row::default();
        let at = Timestamp::from_nanos(0);
        for (seq, body) in [(Seq(1), &b"one"[..]), (Seq(2), b"two")] {
            let body = bytes::Bytes::copy_from_slice(body);
            row.add(&GatheredBody { seq, received_at: at, packing: PACKING_NONE, body }).unwrap();
        }
        let whole = row.bodies;
        assert_eq!(find(&whole, Seq(2)).unwrap(), Some((PACKING_NONE, &b"two"[..])));
        for length in 1..whole.len() {
            let found = find(&whole[..length], Seq(2));
            let is_cut_between = length == HEAD_BYTES + 3;
            assert_eq!(found.is_err(), !is_cut_between, "{length}");
        }
    }
}
