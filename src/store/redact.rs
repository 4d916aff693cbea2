//! Taking back what a person wrote: the record of the ledger and the facts that people reviewed are
//! rewritten, in the commit of the engine that worked the wish in.
//!
//! This is the one place that changes a record. The text goes, its hash takes its place, and the
//! rewritten ledger replays to what is stored. Caller: `engine` of this room.

use rusqlite::Connection;

use super::StoreError;
use super::error::Trying;
use super::rows::{from_int, from_json, int, moment_if_any, named, to_json};
use crate::domain::record::Operation;
use crate::domain::words::TakenBack;
use crate::domain::{Facts, Incident, IncidentId, Seq, Timestamp};

/// Rewrites what was written up to a record.
pub(super) fn carry_out(
    connection: &Connection,
    taken: &TakenBack,
    until: Seq,
) -> Result<(), StoreError> {
    for (seq, time, body) in operations(connection, until)? {
        let mut operation: Operation = from_json(&body, "an operation")?;
        if taken.redact_record(&mut operation.action, time) {
            let body = to_json(&operation, "an operation")?;
            connection
                .prepare_cached("UPDATE ledger SET body = :body WHERE seq = :seq")
                .and_then(|mut update| update.execute(named! { body: body, seq: seq }))
                .trying("redacting a record")?;
        }
    }
    // The documents of a final draft go, and are printed anew from the facts without the words once
    // this is committed.
    taken.incidents.iter().try_for_each(|id| {
        redact_reviewed(connection, taken, *id)?;
        drop_documents(connection, *id)
    })?;
    redact_copies(connection, taken)?;
    // Older states of the machine hold the words as well; a newer one is in this commit.
    connection
        .execute("DELETE FROM snapshots WHERE seq < :seq", named! { seq: int(until.0) })
        .trying("dropping older snapshots")?;
    Ok(())
}

/// A record of a person's doing: its place, its record time and its body.
type StoredOperation = (i64, Option<Timestamp>, String);

fn operations(connection: &Connection, until: Seq) -> Result<Vec<StoredOperation>, StoreError> {
    connection
        .prepare_cached(
            "SELECT seq, record_time, body FROM ledger
             WHERE kind = 'operation' AND seq <= :until ORDER BY seq",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { until: int(until.0) }, |row| {
                    Ok((row.get("seq")?, moment_if_any(row, "record_time")?, row.get("body")?))
                })?
                .collect()
        })
        .trying("looking for the records of people")
}

/// The facts of a final draft are frozen but for this.
fn redact_reviewed(
    connection: &Connection,
    taken: &TakenBack,
    id: IncidentId,
) -> Result<(), StoreError> {
    let Some(mut facts): Option<Facts> = super::incidents::reviewed(connection, id)? else {
        return Ok(());
    };
    taken.redact_incident(&mut facts.incident);
    let json = to_json(&facts, "reviewed facts")?;
    connection
        .prepare_cached("UPDATE reviewed SET facts = :facts WHERE incident = :incident")
        .and_then(|mut update| update.execute(named! { facts: json, incident: int(id.0) }))
        .trying("redacting a final draft")?;
    Ok(())
}

/// Other incidents may have copied the words when they looked for similar ones, and so may the
/// facts that people reviewed of them.
fn redact_copies(connection: &Connection, taken: &TakenBack) -> Result<(), StoreError> {
    let what = "looking for copies of redacted words";
    for (id, json) in rows_with_similar(connection, "SELECT id, json FROM incidents", "json")? {
        let mut incident: Incident = from_json(&json, "an incident")?;
        if taken.redact_copies(&mut incident) {
            let json = to_json(&incident, "an incident")?;
            connection
                .prepare_cached("UPDATE incidents SET json = :json WHERE id = :id")
                .and_then(|mut update| update.execute(named! { json: json, id: id }))
                .trying(what)?;
        }
    }
    for (id, json) in
        rows_with_similar(connection, "SELECT incident, facts FROM reviewed", "facts")?
    {
        let mut facts: Facts = from_json(&json, "reviewed facts")?;
        if taken.redact_copies(&mut facts.incident) {
            let json = to_json(&facts, "reviewed facts")?;
            connection
                .prepare_cached("UPDATE reviewed SET facts = :facts WHERE incident = :id")
                .and_then(|mut update| update.execute(named! { facts: json, id: id }))
                .trying(what)?;
            drop_documents(connection, IncidentId(from_int(id)))?;
        }
    }
    Ok(())
}

/// The rows of incidents that name similar ones.
fn rows_with_similar(
    connection: &Connection,
    select: &str,
    column: &str,
) -> Result<Vec<(i64, String)>, StoreError> {
    connection
        .prepare(&format!("{select} WHERE instr({column}, '\"similar\":[{{') > 0"))
        .and_then(|mut select| {
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .trying("looking for copies of redacted words")
}

fn drop_documents(connection: &Connection, id: IncidentId) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM reviewed_documents WHERE incident = :incident")
        .and_then(|mut delete| delete.execute(named! { incident: int(id.0) }))
        .trying("dropping the documents of a final draft")?;
    Ok(())
}

/// Gives the pages back to the disk that hold what was deleted before. What stands between the rows
/// of pages in use is zeroes (`secure_delete`).
pub(super) fn wipe(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare("PRAGMA incremental_vacuum")
        .and_then(|mut vacuum| {
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        })
        .trying("giving free pages back to the disk")
}
