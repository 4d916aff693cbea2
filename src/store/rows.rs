//! Small things that every table's file needs: named parameters, integers, moments, JSON columns.

use rusqlite::Row;
use rusqlite::types::{ToSql, ToSqlOutput};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use crate::domain::Timestamp;

/// Named parameters of a statement: `named! { seq: 1, body: text }` fills `:seq` and `:body`.
macro_rules! named {
    ($($name:ident: $value:expr),* $(,)?) => {
        &[$((concat!(":", stringify!($name)), &$value as &dyn ::rusqlite::types::ToSql)),*]
            as &[(&str, &dyn ::rusqlite::types::ToSql)]
    };
}
pub(super) use named;

/// A moment as a column: nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(pub(super) Timestamp);

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.nanos().into())
    }
}

/// A number for SQLite, which knows 63 bits. None of our counters gets there.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that we wrote with [`int`].
pub(super) fn from_int(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A moment from a column.
pub(super) fn moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_nanos)
}

/// A moment from a column that may be NULL.
pub(super) fn moment_if_any(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_nanos))
}

/// A counter from a column.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get(column).map(from_int)
}

/// Writes a value for a JSON column.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Broken(format!("writing {what} as JSON failed: {error}")))
}

/// Reads a value from a JSON column.
pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Broken(format!("reading {what} back failed: {error}")))
}
