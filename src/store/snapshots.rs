//! Snapshots of the machine: written in pieces, so that no delivery waits behind a whole one.
//!
//! Each piece but the last is a transaction of its own, in which deliveries go along; the last one
//! comes with the commit that the snapshot belongs to, and only then it counts. What a crash left
//! behind, and the snapshot before, count for nothing and are swept away, a piece at a time as
//! well: what is deleted is overwritten, which costs as much as writing it did.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::rows::{count, from_int, int, named};
use super::types::Snapshot;
use crate::domain::Seq;

/// What a piece holds before it is packed, to about a third: one transaction takes of it what a
/// busy one takes of deliveries.
const PIECE_BYTES: usize = 512 << 10;

/// A state of the machine, packed while it is handed in: it is never there as a whole.
#[derive(Clone, Debug, Default)]
pub struct PackedState {
    pieces: Vec<Bytes>,
    /// What is not packed yet.
    rest: Vec<u8>,
}

impl PackedState {
    /// Adds what comes next.
    pub fn add(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let (fits, behind) = part.split_at(part.len().min(PIECE_BYTES - self.rest.len()));
            self.rest.extend_from_slice(fits);
            part = behind;
            if self.rest.len() == PIECE_BYTES {
                self.pieces.push(packed(&self.rest));
                self.rest.clear();
            }
        }
    }

    /// Says that it is whole.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() || self.pieces.is_empty() {
            self.pieces.push(packed(&rest));
        }
        self
    }
}

fn packed(bytes: &[u8]) -> Bytes {
    Bytes::from(lz4_flex::block::compress_prepend_size(bytes))
}

#[cfg(test)]
impl From<Vec<u8>> for PackedState {
    fn from(bytes: Vec<u8>) -> Self {
        let mut state = Self::default();
        state.add(&bytes);
        state.finish()
    }
}

/// A part of a snapshot, as it is stored.
#[derive(Debug)]
pub(super) struct Piece {
    seq: Seq,
    place: u64,
    bytes: Bytes,
}

impl Piece {
    /// The machine's state at a record, in pieces: one at least.
    pub(super) fn all_of(seq: Seq, state: &PackedState) -> Vec<Self> {
        let pieces = state.pieces.iter().zip(0..);
        pieces.map(|(bytes, place)| Self { seq, place, bytes: bytes.clone() }).collect()
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Stores it. The same again, after a commit that failed, changes nothing.
    pub(super) fn store(&self, connection: &Connection) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO snapshots (seq, place, piece) VALUES (:seq, :place, :piece)",
            )
            .and_then(|mut insert| {
                insert.execute(named! {
                    seq: int(self.seq.0), place: int(self.place), piece: &self.bytes[..]
                })
            })
            .trying("storing a snapshot")
            .map(drop)
    }
}

/// From now on the snapshot of this last piece counts, and no other.
pub(super) fn keep(connection: &Connection, last: &Piece) -> Result<(), StoreError> {
    let what = "keeping a snapshot";
    let seq = int(last.seq.0);
    // A crash may have left more pieces of an attempt at the same record.
    connection
        .prepare_cached("DELETE FROM snapshots WHERE seq = :seq AND place > :last")
        .and_then(|mut delete| delete.execute(named! { seq: seq, last: int(last.place) }))
        .trying(what)?;
    connection
        .prepare_cached("UPDATE engine SET snapshot = :seq WHERE only = 1")
        .and_then(|mut update| update.execute(named! { seq: seq }))
        .trying(what)
        .map(drop)
}

/// Deletes a piece that counts for nothing; returns how many are left.
pub(super) fn sweep(connection: &Connection) -> Result<u64, StoreError> {
    let what = "dropping an old snapshot";
    let found: Option<(i64, u64)> = connection
        .prepare_cached(
            "SELECT s.rowid AS id, count(*) OVER () AS pieces FROM snapshots s, engine
             WHERE s.seq IS NOT engine.snapshot ORDER BY s.seq, s.place LIMIT 1",
        )
        .and_then(|mut select| {
            select.query_row([], |row| Ok((row.get("id")?, count(row, "pieces")?))).optional()
        })
        .trying(what)?;
    let Some((id, pieces)) = found else { return Ok(0) };
    connection
        .prepare_cached("DELETE FROM snapshots WHERE rowid = :id")
        .and_then(|mut delete| delete.execute(named! { id: id }))
        .trying(what)?;
    Ok(pieces - 1)
}

/// Deletes all that counts for nothing at once: words that were taken back may stand in it.
pub(super) fn sweep_all(connection: &Connection, kept: Seq) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM snapshots WHERE seq <> :kept",
        "UPDATE engine SET snapshot = NULL WHERE snapshot <> :kept",
    ] {
        connection.execute(sql, named! { kept: int(kept.0) }).trying("dropping older snapshots")?;
    }
    Ok(())
}

/// The newest snapshot.
pub(super) fn newest(connection: &Connection) -> Result<Option<Snapshot>, StoreError> {
    let what = "reading the newest snapshot";
    let Some(seq) = newest_seq(connection)? else { return Ok(None) };
    let pieces: Vec<(u64, Vec<u8>)> = connection
        .prepare_cached("SELECT place, piece FROM snapshots WHERE seq = :seq ORDER BY place")
        .and_then(|mut select| {
            select
                .query_map(named! { seq: int(seq.0) }, |row| {
                    Ok((count(row, "place")?, row.get("piece")?))
                })?
                .collect()
        })
        .trying(what)?;
    let broken = |why: String| StoreError::Broken(format!("{what} failed: {why}"));
    if pieces.iter().zip(0..).any(|((place, _), expect)| *place != expect) {
        return Err(broken("a piece of it is missing".to_owned()));
    }
    let mut bytes = Vec::new();
    for (_, piece) in pieces {
        let piece = lz4_flex::block::decompress_size_prepended(&piece)
            .map_err(|error| broken(error.to_string()))?;
        bytes.extend(piece);
    }
    Ok(Some(Snapshot { seq, bytes }))
}

/// Up to where the newest snapshot reaches.
pub(super) fn newest_seq(connection: &Connection) -> Result<Option<Seq>, StoreError> {
    connection
        .query_row("SELECT snapshot FROM engine WHERE only = 1", [], |row| {
            row.get::<_, Option<i64>>(0)
        })
        .trying("finding the newest snapshot")
        .map(|seq| seq.map(|seq| Seq(from_int(seq))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables as the schema makes them.
    fn tables() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE engine (only INTEGER PRIMARY KEY, cursor INTEGER, snapshot INTEGER);
                 INSERT INTO engine VALUES (1, 0, NULL);
                 CREATE TABLE snapshots (seq INTEGER NOT NULL, place INTEGER NOT NULL,
                     piece BLOB NOT NULL, PRIMARY KEY (seq, place)) STRICT",
            )
            .unwrap();
        connection
    }

    /// A state that cannot be packed into less, so that it takes this many pieces.
    fn state(pieces: usize, salt: u64) -> Vec<u8> {
        let words = u64::try_from((pieces - 1) * PIECE_BYTES / 8 + 20).unwrap();
        let mixed = |n: u64| (n ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        (0..words).flat_map(|n| mixed(mixed(n)).to_le_bytes()).collect()
    }

    fn kept(connection: &Connection) -> Option<(Seq, Vec<u8>)> {
        newest(connection).unwrap().map(|snapshot| (snapshot.seq, snapshot.bytes))
    }

    fn left(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM snapshots", [], |row| row.get(0)).unwrap()
    }

    fn store(connection: &Connection, seq: Seq, state: &[u8]) {
        let pieces = Piece::all_of(seq, &state.to_vec().into());
        pieces.iter().try_for_each(|piece| piece.store(connection)).unwrap();
        keep(connection, pieces.last().unwrap()).unwrap();
    }

    #[test]
    fn a_snapshot_counts_once_it_is_whole_and_the_one_before_until_then() {
        let connection = tables();
        assert_eq!(kept(&connection), None);
        let (first, second) = (state(3, 1), state(4, 2));
        store(&connection, Seq(5), &first);
        let pieces = Piece::all_of(Seq(9), &second.clone().into());
        assert_eq!(pieces.len(), 4);
        for piece in &pieces {
            piece.store(&connection).unwrap();
            assert_eq!(kept(&connection), Some((Seq(5), first.clone())), "{}", piece.place);
        }
        keep(&connection, pieces.last().unwrap()).unwrap();
        assert_eq!(kept(&connection), Some((Seq(9), second.clone())));
        for expect in [2, 1, 0, 0] {
            assert_eq!(sweep(&connection).unwrap(), expect);
            assert_eq!(kept(&connection), Some((Seq(9), second.clone())));
        }
        assert_eq!(left(&connection), 4);
    }

    #[test]
    fn what_a_crash_left_of_an_attempt_counts_for_nothing() {
        let connection = tables();
        for piece in Piece::all_of(Seq(9), &state(4, 1).into()) {
            piece.store(&connection).unwrap();
        }
        let again = state(2, 2);
        store(&connection, Seq(9), &again);
        assert_eq!(kept(&connection), Some((Seq(9), again)));
        assert_eq!(left(&connection), 2);
    }

    #[test]
    fn where_words_were_taken_back_no_older_piece_stays() {
        let connection = tables();
        store(&connection, Seq(5), &state(2, 1));
        sweep_all(&connection, Seq(7)).unwrap();
        assert_eq!(kept(&connection), None);
        assert_eq!(left(&connection), 0);
        let newer = state(1, 2);
        store(&connection, Seq(7), &newer);
        sweep_all(&connection, Seq(7)).unwrap();
        assert_eq!(kept(&connection), Some((Seq(7), newer)));
    }

    #[test]
    fn a_piece_that_is_missing_is_told_as_damage() {
        let connection = tables();
        store(&connection, Seq(5), &state(3, 1));
        connection.execute("DELETE FROM snapshots WHERE place = 1", []).unwrap();
        let error = newest(&connection).unwrap_err().to_string();
        assert!(error.contains("a piece of it is missing"), "{error}");
    }
}
