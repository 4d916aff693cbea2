//! The folder, the database file in it, and the numbered steps that bring its schema up to date.
//!
//! Steps are append-only: a released one is never edited, a change is a new file in `schema/` and a
//! new line in [`MIGRATIONS`]. `PRAGMA user_version` counts the steps taken. JSON columns belong to
//! the schema: a release that writes them otherwise brings a step that rewrites them (the ledger,
//! which is never rewritten, numbers the form of each row instead).

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;
use super::error::Trying;
use super::soundness::{self, Looked};

/// The steps, oldest first. Append only.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001_first.sql")];

/// `PRAGMA application_id`: tells our databases from other people's. The letters `scrd`.
const APPLICATION_ID: i64 = 0x7363_7264;

const DATABASE_FILE: &str = "scribed.db";
pub(super) const LOCK_FILE: &str = "scribed.lock";

/// Page cache of the writer. 8 MiB holds the upper pages of every index; rows are written in order
/// of arrival and hardly read again. Negative numbers are KiB.
const WRITER_CACHE: i64 = -8 * 1024;
/// Page cache of each reader: they are several, and read what the system has cached anyway.
const READER_CACHE: i64 = -2 * 1024;
/// Statements kept compiled by each connection: more than there are.
const STATEMENTS_KEPT: usize = 96;
/// How long a statement waits for a lock that another program (a backup, a shell) holds.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Holds the folder for this process as long as it lives.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// The lock goes with the file handle.
    _file: File,
}

/// Where the database file is.
pub(super) fn database_path(folder: &Path) -> PathBuf {
    folder.join(DATABASE_FILE)
}

/// What came of asking for a folder.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is held until this is dropped.
    Ours(FolderLock),
    /// Another process holds it; its number, or nothing where it is not told.
    Theirs(String),
}

/// Makes the folder if it is missing, and takes it for this process alone: two writers would give
/// the same number to two records.
///
/// # Errors
/// When the folder cannot be used or another process holds it.
pub(super) fn lock_folder(folder: &Path) -> Result<FolderLock, StoreError> {
    if folder.is_file() {
        return Err(StoreError::Broken(format!(
            "{} is a file; name a folder with --storage.path",
            folder.display()
        )));
    }
    make_folder(folder).trying(&format!("making the folder {}", folder.display()))?;
    match take_folder(folder)? {
        Taken::Ours(lock) => Ok(lock),
        Taken::Theirs(holder) => {
            let process =
                if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            Err(StoreError::Unavailable(format!(
                "another scribed{process} uses the folder {}; stop it or choose another \
                 --storage.path",
                folder.display()
            )))
        }
    }
}

/// Takes a folder that is there, unless another process holds it.
///
/// # Errors
/// When the folder cannot be used.
pub(super) fn take_folder(folder: &Path) -> Result<Taken, StoreError> {
    let path = folder.join(LOCK_FILE);
    let what = format!("opening {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .trying(&what)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only a help for the reader of the message; without it the message still stands.
            drop(file.take(20).read_to_string(&mut holder));
            return Ok(Taken::Theirs(holder.trim().to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(error).trying(&what),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .trying(&what)?;
    Ok(Taken::Ours(FolderLock { _file: file }))
}

/// Alerts and notes are nobody else's business: the folder is for its owner alone.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens the one writing connection and brings the schema up to date. Also says how much of the
/// file was looked at for damage.
///
/// # Errors
/// When the file cannot be used, is no database of ours, is damaged, or is newer than this release.
pub(super) fn open_writer(folder: &Path) -> Result<(Connection, Looked), StoreError> {
    let path = database_path(folder);
    let what = format!("opening the database {}", path.display());
    let mut connection = Connection::open(&path).map_err(|e| refused(&path, &e))?;
    connection.busy_timeout(BUSY_TIMEOUT).trying(&what)?;
    let version = version_of(&connection, &path)?;
    set_up_writer(&connection).trying(&what)?;
    settle_log(&connection).trying(&format!(
        "writing what the last process left in the log of {} into it",
        path.display()
    ))?;
    let looked = match version {
        0 => Looked::All,
        _ => soundness::look(&connection, &path, soundness::BEFORE_THE_DOOR)?,
    };
    migrate(&mut connection, version, MIGRATIONS)?;
    Ok((connection, looked))
}

/// Opens a connection that can only read.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_source(path)?;
    // A second lock on the door: even a wrong statement cannot write here.
    connection
        .pragma_update(None, "query_only", true)
        .trying(&format!("opening the database {} for reading", path.display()))?;
    Ok(connection)
}

/// As [`open_reader`], for a copy to be made from: it cannot write into the file either, but into
/// another one.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn open_source(path: &Path) -> Result<Connection, StoreError> {
    let what = format!("opening the database {} for reading", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).trying(&what)?;
    connection.busy_timeout(BUSY_TIMEOUT).trying(&what)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "cache_size", READER_CACHE).trying(&what)?;
    Ok(connection)
}

/// A database of the newest schema that nobody else sees and that goes with its connection. What
/// does not fit into its cache goes to a file that has no name.
///
/// # Errors
/// When it cannot be made.
pub(super) fn open_scratch() -> Result<Connection, StoreError> {
    let mut connection = Connection::open("").trying("making a database to compare with")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    migrate(&mut connection, 0, MIGRATIONS)?;
    Ok(connection)
}

/// The newest schema that this release knows, which is the one it writes.
pub(super) const fn newest() -> usize {
    MIGRATIONS.len()
}

/// What a database of a schema consists of, as written there: tables and indexes, by name.
///
/// # Errors
/// When it cannot be read.
pub(super) fn parts(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
        .and_then(|mut select| {
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .trying("reading the schema")
}

/// As [`parts`], as the steps up to `version` make them.
///
/// # Errors
/// When they cannot be made.
pub(super) fn parts_of_version(version: usize) -> Result<Vec<(String, String)>, StoreError> {
    let mut connection =
        Connection::open_in_memory().trying("making a database to compare with")?;
    migrate(&mut connection, 0, MIGRATIONS.get(..version).unwrap_or(MIGRATIONS))?;
    parts(&connection)
}

/// Moves what a former process left in the write-ahead log into the database, and syncs it there.
///
/// A sync that failed can leave commits in the system's cache which the disk does not have, and
/// which no later sync of the log brings there. A process that ended then hands them to this one,
/// which would build on them. Written again, they are durable, or we do not start.
fn settle_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Only counts on a new file, before anything else is written: retention can then give pages
    // back to the disk, piece by piece.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // Readers never wait for the writer, nor it for them.
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    // A 200 is a promise: each commit reaches the disk before it is answered. Group commit pays.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // SQLite's own default, said here because it was measured: a larger log has a longer tail, and
    // a thread of its own for checkpoints lets the log grow without end under load.
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    // What is deleted is overwritten: what a person takes back must stay neither between the rows of
    // a page, nor behind what is written next into a page that was free (which `FAST` allows). Only
    // rows that shrink or go pay for it, and the ledger has none.
    connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    // A raw body cannot outlive its delivery.
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    // Savepoints keep their journal in memory rather than in files of their own.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// How many steps the file has taken; 0 for a new one.
///
/// # Errors
/// When the file is no database of ours, is damaged, or is newer than this release.
pub(super) fn version_of(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let read = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = read("PRAGMA application_id").map_err(|e| refused(path, &e))?;
    let version = read("PRAGMA user_version").map_err(|e| refused(path, &e))?;
    let tables = read("SELECT count(*) FROM sqlite_schema").map_err(|e| refused(path, &e))?;
    let is_new = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !is_new {
        return Err(StoreError::Broken(format!(
            "{} is a database of another program; choose another file, or another --storage.path",
            path.display()
        )));
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(StoreError::Broken(format!(
            "{} has schema {version}, and this release knows schemas up to {known}; use the \
             release that wrote it, or a newer one, or restore a backup made before the upgrade",
            path.display()
        ))),
    }
}

fn migrate(connection: &mut Connection, from: usize, steps: &[&str]) -> Result<(), StoreError> {
    for (index, step) in steps.iter().enumerate().skip(from) {
        let number = index + 1;
        let what = format!("bringing the database to schema {number}");
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).trying(&what)?;
        transaction.execute_batch(step).trying(&what)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).trying(&what)?;
        transaction.pragma_update(None, "user_version", number as i64).trying(&what)?;
        transaction.commit().trying(&what)?;
    }
    Ok(())
}

/// Why a file could not be read as a database at all.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(NotADatabase | DatabaseCorrupt) => StoreError::Broken(format!(
            "{} is no database or is damaged ({error}); put a backup in its place with `scribed restore`, \
             or move the file away to begin anew",
            path.display()
        )),
        _ => StoreError::Unavailable(format!(
            "opening the database {} failed: {error}; check the folder and the rights on it",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_open(prepare: impl FnOnce(&Path), expect: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        prepare(&database_path(folder.path()));
        let error = open_writer(folder.path()).unwrap_err().to_string();
        for part in expect {
            assert!(error.contains(part), "`{error}` lacks `{part}`");
        }
    }

    #[test]
    fn what_is_no_store_of_ours_is_refused_with_what_to_do() {
        let garbage = "this is no database, whatever its name says. ".repeat(200);
        check_open(|path| std::fs::write(path, &garbage).unwrap(), &["no database", "move the"]);
        check_open(
            |path| {
                Connection::open(path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
            },
            &["another program", "--storage.path"],
        );
        check_open(
            |path| {
                let newer = Connection::open(path).unwrap();
                newer.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
                newer.pragma_update(None, "user_version", 4711).unwrap();
            },
            &["schema 4711", &format!("up to {}", MIGRATIONS.len()), "newer one"],
        );
    }

    #[test]
    fn a_store_of_every_released_schema_is_brought_up_to_date() {
        for released in 0..=MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = database_path(folder.path());
            let mut old = Connection::open(&path).unwrap();
            migrate(&mut old, 0, &MIGRATIONS[..released]).unwrap();
            drop(old);
            let (connection, _) = open_writer(folder.path()).unwrap();
            assert_eq!(version_of(&connection, &path).unwrap(), MIGRATIONS.len());
        }
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert!(migrate(&mut connection, 0, &steps).is_err());
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
        let version: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
    }

    #[test]
    fn a_folder_is_held_by_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock_folder(folder.path()).unwrap();
        let error = lock_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another scribed (process "), "{error}");
        drop(first);
        lock_folder(folder.path()).unwrap();
    }
}
