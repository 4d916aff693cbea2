//! Looks for damage in the database file, for a bounded time.
//!
//! A large file takes minutes to be read, and an outage does not wait: before the door opens it is
//! looked at for a moment only, which is enough for all of a small one, and then for a second more
//! behind it. `scribed verify` looks at all of it. Callers: `schema` at the opening, `app` behind
//! the door by way of [`Store::look_for_damage`](super::Store::look_for_damage).

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::StoreError;
use super::error::Trying;
use super::schema::refused;

/// How long the door stays shut for it.
pub(super) const BEFORE_THE_DOOR: Duration = Duration::from_millis(10);
/// How long it is looked at while work goes on. The log cannot begin anew under a reader, so it is
/// not for long.
pub(super) const BEHIND_THE_DOOR: Duration = Duration::from_secs(1);

/// How much was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// The whole file.
    All,
    /// What could be read in time.
    Part,
}

/// Looks for damage, at most for so long.
///
/// # Errors
/// `Broken` for what is damaged, with what to do.
pub(super) fn look(
    connection: &Connection,
    path: &Path,
    at_most: Duration,
) -> Result<Looked, StoreError> {
    let interrupt = connection.get_interrupt_handle();
    let (finished, is_finished) = mpsc::channel::<()>();
    let watch = std::thread::Builder::new().name("scribed-watch".to_owned()).spawn(move || {
        if is_finished.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let what = format!("looking for damage in {}", path.display());
    let watch = watch.trying(&what)?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(finished);
    // It only waits; and it must not interrupt what comes next.
    drop(watch.join());
    match found {
        Ok(answer) if answer == "ok" => Ok(Looked::All),
        Ok(answer) => Err(StoreError::Broken(format!(
            "{} is damaged ({}); put a backup in its place with `scribed restore`, or move \
             the file away to begin anew",
            path.display(),
            // Before what it found SQLite says in which database.
            answer.lines().last().unwrap_or_default()
        ))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(Looked::Part)
        }
        Err(error) => Err(refused(path, &error)),
    }
}
