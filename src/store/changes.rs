//! Changes told to us, as the machine left them.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::paging::Place;
use super::rows::{At, from_json, int, named, to_json};
use super::types::ChangeFilter;
use crate::domain::{Change, ChangeId, Name};

/// A change's columns, made ready by the caller.
#[derive(Debug)]
pub(super) struct ChangeColumns {
    change: Change,
    json: String,
}

impl ChangeColumns {
    pub(super) fn of(change: &Change) -> Result<Self, StoreError> {
        Ok(Self { change: change.clone(), json: to_json(change, "a change")? })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        2 * self.json.len() + 128
    }
}

/// Writes the newest state of a change.
pub(super) fn upsert(connection: &Connection, row: &ChangeColumns) -> Result<(), StoreError> {
    let report = &row.change.report;
    connection
        .prepare_cached(
            "INSERT INTO changes (id, at, service, source, key, json)
             VALUES (:id, :at, :service, :source, :key, :json)
             ON CONFLICT (id) DO UPDATE SET
                 at = excluded.at, service = excluded.service, source = excluded.source,
                 key = excluded.key, json = excluded.json",
        )
        .and_then(|mut upsert| {
            upsert.execute(named! {
                id: int(row.change.id.0), at: At(report.at),
                service: report.service.as_ref().map(Name::as_str),
                source: report.source.as_str(), key: report.key, json: row.json,
            })
        })
        .trying("storing a change")?;
    Ok(())
}

/// One change.
pub(super) fn get(connection: &Connection, id: ChangeId) -> Result<Option<Change>, StoreError> {
    connection
        .prepare_cached("SELECT json FROM changes WHERE id = :id")
        .and_then(|mut select| {
            select
                .query_row(named! { id: int(id.0) }, |row| row.get::<_, String>("json"))
                .optional()
        })
        .trying("reading a change")?
        .map(|json| from_json(&json, &format!("change {id}")))
        .transpose()
}

/// The change that a source told under a key of its own; the newest, should there be several.
pub(super) fn by_key(
    connection: &Connection,
    source: &Name,
    key: &str,
) -> Result<Option<Change>, StoreError> {
    connection
        .prepare_cached(
            "SELECT json FROM changes WHERE key = :key AND source = :source
             ORDER BY id DESC LIMIT 1",
        )
        .and_then(|mut select| {
            select
                .query_row(named! { key: key, source: source.as_str() }, |row| {
                    row.get::<_, String>("json")
                })
                .optional()
        })
        .trying("reading a change")?
        .map(|json| from_json(&json, "a change"))
        .transpose()
}

/// Changes before a place, newest first.
pub(super) fn list(
    connection: &Connection,
    filter: &ChangeFilter,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, Change)>, StoreError> {
    let rows: Vec<(Place, String)> = connection
        .prepare_cached(
            "SELECT id, at, json FROM changes
             WHERE (at, id) < (:at, :id)
               AND (:service IS NULL OR service = :service)
               AND (:since IS NULL OR at >= :since)
               AND (:until IS NULL OR at <= :until)
             ORDER BY at DESC, id DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(
                    named! {
                        at: place.at, id: place.id, service: filter.service,
                        since: filter.since.map(At), until: filter.until.map(At),
                        limit: int(limit as u64),
                    },
                    |row| Ok((Place { at: row.get("at")?, id: row.get("id")? }, row.get("json")?)),
                )?
                .collect()
        })
        .trying("listing changes")?;
    rows.into_iter()
        .map(|(place, json)| Ok((place, from_json(&json, &format!("change c{}", place.id))?)))
        .collect()
}
