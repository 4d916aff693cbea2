//! A small pool of connections that can only read.
//!
//! Callers block while they hold one, so they come from threads that may block. A read is short: a
//! reader that lingers keeps the write-ahead log from being reused.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::{StoreError, lock, schema};

/// How many reads people may have going on at once. Reading is bound by the processor; more would
/// not be faster.
pub const READS_AT_ONCE: usize = 4;
/// How many reads go on at once: the engine's is one more, so that it waits for nobody.
const READERS: usize = READS_AT_ONCE + 1;
/// How long a caller waits for a connection before it is told to come again.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Idle or lent.
    opened: usize,
}

/// A connection that goes back to the pool by itself.
struct Lent<'a> {
    pool: &'a Readers,
    connection: Option<Connection>,
}

impl Readers {
    /// Opens the first connection, so that a file which cannot be read is found at once.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let first = schema::open_reader(&path)?;
        let idle = Idle { connections: vec![first], opened: 1 };
        Ok(Self { path, idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Runs a read in one transaction, so that all its statements see the same moment.
    ///
    /// # Errors
    /// The read's own, or `Unavailable` when no connection came free.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        use super::error::Trying;
        let mut lent = self.lend()?;
        let connection = lent.connection.as_mut().ok_or_else(no_reader)?;
        let transaction = connection.transaction().trying("beginning to read")?;
        let answer = work(&transaction);
        transaction.finish().trying("ending a read")?;
        answer
    }

    fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let mut idle = lock(&self.idle);
        if idle.connections.is_empty() && idle.opened < READERS {
            idle.opened += 1;
            drop(idle);
            return match schema::open_reader(&self.path) {
                Ok(connection) => Ok(Lent { pool: self, connection: Some(connection) }),
                Err(error) => {
                    lock(&self.idle).opened -= 1;
                    Err(error)
                }
            };
        }
        let (mut idle, _) = self
            .returned
            .wait_timeout_while(idle, WAIT_MAX, |idle| idle.connections.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let connection = idle.connections.pop().ok_or_else(no_reader)?;
        Ok(Lent { pool: self, connection: Some(connection) })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            lock(&self.pool.idle).connections.push(connection);
            self.pool.returned.notify_one();
        }
    }
}

fn no_reader() -> StoreError {
    StoreError::Unavailable(format!(
        "all {READERS} readers have been busy for {} s, try again soon",
        WAIT_MAX.as_secs()
    ))
}
