//! Whether the files that the writer holds open are still those that the next start will find.
//!
//! Who deletes or replaces the files of a running store leaves us with files without a name: SQLite
//! writes to them, and everything that was answered is gone with the process. So the writer looks
//! before each batch, which costs three looks into a folder. Called by `writer`.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::schema::LOCK_FILE;

/// The database, its write-ahead log, and the lock of the folder.
#[derive(Debug)]
pub(super) struct Place {
    files: [Placed; 3],
}

/// A file, and which one it was when it was first seen.
#[derive(Debug)]
struct Placed {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Tells a file from every other one on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

impl Place {
    /// The files of a store that has just been opened.
    pub(super) fn of(database: &Path) -> Self {
        let mut log = OsString::from(database);
        log.push("-wal");
        let placed = |path: PathBuf| Placed { path, identity: None };
        let lock = database.with_file_name(LOCK_FILE);
        let mut place =
            Self { files: [placed(database.to_owned()), placed(log.into()), placed(lock)] };
        place.note_new();
        place
    }

    /// Notes which files those are that were not there before: the log comes with the first write.
    pub(super) fn note_new(&mut self) {
        for file in self.files.iter_mut().filter(|file| file.identity.is_none()) {
            file.identity = std::fs::metadata(&file.path).ok().map(|found| Identity::of(&found));
        }
    }

    /// # Errors
    /// When a file is gone, or another one stands in its place. A folder that cannot be looked into
    /// just now is for SQLite to complain about.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for file in &self.files {
            let Some(identity) = file.identity else { continue };
            let is_in_place = match std::fs::metadata(&file.path) {
                Ok(found) => Identity::of(&found) == identity,
                Err(error) => error.kind() != ErrorKind::NotFound,
            };
            if !is_in_place {
                return Err(StoreError::Unavailable(format!(
                    "{} was moved, deleted or replaced while scribed runs on it; put it back, or \
                     restart scribed on what is there",
                    file.path.display()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_are_moved_or_replaced_are_missed_until_they_are_back() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("scribed.db");
        let aside = folder.path().join("aside");
        for name in ["scribed.db", LOCK_FILE] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut place = Place::of(&database);
        place.check().unwrap();
        fs::write(folder.path().join("scribed.db-wal"), "").unwrap();
        place.note_new();
        for name in ["scribed.db", "scribed.db-wal", LOCK_FILE] {
            let path = folder.path().join(name);
            fs::rename(&path, &aside).unwrap();
            assert!(place.check().is_err(), "{name} is gone");
            fs::write(&path, "").unwrap();
            place.note_new();
            let told = place.check().unwrap_err().to_string();
            assert!(told.contains(name) && told.contains("put it back"), "{told}");
            fs::rename(&aside, &path).unwrap();
            place.check().unwrap();
        }
    }
}
