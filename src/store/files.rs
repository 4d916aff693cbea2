//! The files of the store, measured.

use std::ffi::OsString;
use std::path::Path;

/// Bytes of the database, its write-ahead log and the index of that log. What is not there counts
/// as nothing.
pub(super) fn size(database: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .into_iter()
        .map(|suffix| {
            let mut name = OsString::from(database);
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |file| file.len())
        })
        .sum()
}
