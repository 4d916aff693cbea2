//! Who did what, when and from where. Beside the ledger, because none of it may enter a draft.
//!
//! What became a record is noted in the commit of the record, and what came of it in the commit of
//! the engine that worked it in. Bounded: the oldest entries make room.

use rusqlite::{Connection, Row};

use super::StoreError;
use super::error::Trying;
use super::paging::Place;
use super::rows::{At, from_int, int, moment, named};
use crate::domain::record::Outcome;
use crate::domain::{IncidentId, Name, Seq, Timestamp};

/// Entries that are kept: years of people's doings, and a bound for who tries passwords.
const ENTRIES_MAX: u64 = 200_000;

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, by our clock.
    pub at: Timestamp,
    /// What: a word of a closed set, such as `incident.acknowledge`.
    pub action: &'static str,
    /// Who, as authenticated; `None` for anonymous access.
    pub principal: Option<Name>,
    /// For whom, as the request says.
    pub actor: Option<String>,
    /// From where: the address of the client.
    pub remote: String,
    /// With which program, as it says.
    pub agent: String,
    /// On which incident.
    pub incident: Option<IncidentId>,
    /// On what else: a delivery, a note, a row of the quarantine.
    pub target: Option<String>,
    /// What came of it, as far as known: `asked`, `done`, `refused`, ….
    pub outcome: &'static str,
}

impl AuditEntry {
    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        let texts =
            [self.actor.as_ref(), self.target.as_ref(), Some(&self.remote), Some(&self.agent)];
        texts.into_iter().flatten().map(String::len).sum::<usize>() + 128
    }
}

/// An entry as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: u64,
    /// See [`AuditEntry::at`].
    pub at: Timestamp,
    /// See [`AuditEntry::action`].
    pub action: String,
    /// See [`AuditEntry::principal`].
    pub principal: Option<String>,
    /// See [`AuditEntry::actor`].
    pub actor: Option<String>,
    /// See [`AuditEntry::remote`].
    pub remote: String,
    /// See [`AuditEntry::agent`].
    pub agent: String,
    /// On which incident; where it was merged, the one that goes on.
    pub incident: Option<IncidentId>,
    /// See [`AuditEntry::target`].
    pub target: Option<String>,
    /// The record of the ledger that it became.
    pub record: Option<Seq>,
    /// What came of it.
    pub outcome: String,
}

/// What the list may be narrowed to.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only by this principal or for this actor.
    pub actor: Option<String>,
    /// Only this action, or the actions below it (`incident` for `incident.acknowledge`).
    pub action: Option<String>,
    /// Only on this incident.
    pub incident: Option<IncidentId>,
    /// Only at or after this moment.
    pub since: Option<Timestamp>,
    /// Only at or before this moment.
    pub until: Option<Timestamp>,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    word: &'static str,
    incident: Option<IncidentId>,
}

impl Came {
    pub(super) const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done { incident, .. } => Self { word: "done", incident: *incident },
            Outcome::Unknown(_) => Self { word: "unknown", incident: None },
            Outcome::Conflict(_) => Self { word: "conflict", incident: None },
            Outcome::Stale { .. } => Self { word: "stale", incident: None },
        }
    }
}

/// Notes an entry, with the record that it became.
pub(super) fn insert(
    connection: &Connection,
    entry: &AuditEntry,
    record: Option<Seq>,
) -> Result<(), StoreError> {
    let what = "noting who did something";
    connection
        .prepare_cached(
            "INSERT INTO audit (at, action, principal, actor, remote, agent, incident, target,
                                record, outcome)
             VALUES (:at, :action, :principal, :actor, :remote, :agent, :incident, :target,
                     :record, :outcome)",
        )
        .and_then(|mut insert| {
            insert.execute(named! {
                at: At(entry.at), action: entry.action,
                principal: entry.principal.as_ref().map(Name::as_str), actor: entry.actor,
                remote: entry.remote, agent: entry.agent,
                incident: entry.incident.map(|id| int(id.0)), target: entry.target,
                record: record.map(|seq| int(seq.0)), outcome: entry.outcome,
            })
        })
        .trying(what)?;
    // The newest row is never dropped, so a number is never given twice.
    connection
        .prepare_cached("DELETE FROM audit WHERE number <= :last - :kept")
        .and_then(|mut delete| {
            delete.execute(named! { last: connection.last_insert_rowid(), kept: int(ENTRIES_MAX) })
        })
        .trying(what)?;
    Ok(())
}

/// Notes what came of the operation that became a record.
pub(super) fn note_outcome(
    connection: &Connection,
    record: Seq,
    came: Came,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE audit SET outcome = :outcome, incident = coalesce(:incident, incident)
             WHERE record = :record",
        )
        .and_then(|mut update| {
            update.execute(named! {
                outcome: came.word, incident: came.incident.map(|id| int(id.0)),
                record: int(record.0),
            })
        })
        .trying("noting what came of an operation")?;
    Ok(())
}

/// Entries before a place, newest first.
pub(super) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, AuditRow)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT number, at, action, principal, actor, remote, agent, incident, target, record,
                    outcome
             FROM audit
             WHERE number < :before
               AND (:incident IS NULL OR incident = :incident)
               AND (:actor IS NULL OR principal = :actor OR actor = :actor)
               AND (:action IS NULL OR action = :action
                    OR substr(action, 1, length(:action) + 1) = :action || '.')
               AND (:since IS NULL OR at >= :since)
               AND (:until IS NULL OR at <= :until)
             ORDER BY number DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(
                    named! {
                        before: place.id, incident: filter.incident.map(|id| int(id.0)),
                        actor: filter.actor, action: filter.action,
                        since: filter.since.map(At), until: filter.until.map(At),
                        limit: int(limit as u64),
                    },
                    row_of,
                )?
                .collect()
        })
        .trying("listing who did what")
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<(Place, AuditRow)> {
    let place = Place { at: 0, id: row.get("number")? };
    let number =
        |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(from_int));
    let entry = AuditRow {
        number: from_int(place.id),
        at: moment(row, "at")?,
        action: row.get("action")?,
        principal: row.get("principal")?,
        actor: row.get("actor")?,
        remote: row.get("remote")?,
        agent: row.get("agent")?,
        incident: number("incident")?.map(IncidentId),
        target: row.get("target")?,
        record: number("record")?.map(Seq),
        outcome: row.get("outcome")?,
    };
    Ok((place, entry))
}
