//! Raw bodies: packed by whoever received them, stored beside their deliveries, unpacked when read.
//!
//! They are most of what is written, and the first to be dropped. What a sender repeats in each of
//! its alerts takes little, and pages that are not written cost nothing.

use std::cell::RefCell;

use lz4_flex::block::{self, CompressTable};
use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::rows::{int, named};
use super::types::{RawDelivery, RefusedAlert};
use crate::domain::Seq;

/// A raw body as it is stored, with what is told of it beside: packed where that makes it smaller.
#[derive(Debug)]
pub(super) struct PackedRaw {
    /// How long it was.
    pub(super) bytes: u64,
    packing: i64,
    body: bytes::Bytes,
    pub(super) content_type: String,
    pub(super) remote: String,
    pub(super) refused: Vec<RefusedAlert>,
    pub(super) redacted: u64,
    pub(super) replays: Option<u64>,
}

/// Stored as it came.
const PACKING_NONE: i64 = 0;
/// One LZ4 block with its length before it.
const PACKING_LZ4: i64 = 1;

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

    /// Stores it with its delivery.
    pub(super) fn store(&self, connection: &Connection, seq: Seq) -> Result<(), StoreError> {
        connection
            .prepare_cached("INSERT INTO raw_bodies (seq, packing, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((int(seq.0), self.packing, &self.body[..])))
            .trying("storing a raw body")
            .map(drop)
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

/// Unpacks a stored body.
fn unpacked(packing: i64, body: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    match packing {
        PACKING_NONE => Ok(body),
        PACKING_LZ4 => block::decompress_size_prepended(&body)
            .map_err(|error| StoreError::Broken(format!("a raw body cannot be unpacked: {error}"))),
        other => Err(StoreError::Broken(format!(
            "a raw body is packed in the unknown way {other}; a newer release may know it"
        ))),
    }
}

/// The raw body of a delivery, while it is kept.
pub(super) fn raw(connection: &Connection, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT packing, body FROM raw_bodies WHERE seq = :seq")
        .and_then(|mut select| {
            select
                .query_row(named! { seq: int(seq.0) }, |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .trying("reading a raw body")?
        .map(|(packing, body)| unpacked(packing, body))
        .transpose()
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
            assert_eq!(unpacked(raw.packing, raw.body.to_vec()).unwrap(), body);
        };
        // One after the other, so that each is packed in what the one before it left behind.
        for length in [0, 3, 200, 9_000, 70, KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1, 100_000, 200] {
            check(&text[..length], length > 32);
            check(&noise[..length.min(noise.len())], false);
        }
    }
}
