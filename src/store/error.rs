//! What can go wrong in the store, told so that a person knows what to do.
//!
//! The rest of the room works with `rusqlite::Error` as little as it can: every statement says what
//! it was [`Trying`] to do, and the error becomes one of two: a retry may help, or it will not.

use rusqlite::ErrorCode;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue is full, the disk refuses, or we are shutting down: try again later.
    #[error("the store cannot take it now: {0}")]
    Unavailable(String),
    /// Anything else, which a retry will not mend.
    #[error("{0}")]
    Broken(String),
}

impl StoreError {
    /// The reason without the frame that `Display` puts around it, for use inside another one.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Unavailable(reason) | Self::Broken(reason) => reason,
        }
    }
}

/// Says what was tried when it failed.
pub(super) trait Trying<T> {
    /// Turns the error into ours; `what` is an action such as `reading incident 12`.
    fn trying(self, what: &str) -> Result<T, StoreError>;
}

impl<T> Trying<T> for Result<T, rusqlite::Error> {
    fn trying(self, what: &str) -> Result<T, StoreError> {
        self.map_err(|error| from_sqlite(what, &error))
    }
}

impl<T> Trying<T> for Result<T, std::io::Error> {
    fn trying(self, what: &str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::Unavailable(format!("{what} failed: {error}")))
    }
}

fn from_sqlite(what: &str, error: &rusqlite::Error) -> StoreError {
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Broken(format!("{what} failed: {error}"));
    };
    match code {
        ErrorCode::DiskFull => StoreError::Unavailable(format!(
            "{what} failed because the disk is full; free some space or shorten the retention"
        )),
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed => StoreError::Unavailable(format!(
            "{what} failed: {error}; check the disk and the rights on the store's folder"
        )),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Unavailable(format!(
            "{what} failed: {error}; another program holds the database, end it"
        )),
        ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => {
            StoreError::Unavailable(format!("{what} failed: {error}"))
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Broken(format!(
            "{what} failed: {error}; the database is damaged, restore a backup or move the file \
             away to begin anew"
        )),
        _ => StoreError::Broken(format!("{what} failed: {error}")),
    }
}
