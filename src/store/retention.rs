//! Dropping what is too old, a bounded piece at a time.
//!
//! A reader plans a piece, because finding it may take a while; the writer drops what the plan
//! names, looking again at whatever may have changed since. The ledger is never dropped up to the
//! newest snapshot, and its newest record always stays. A pinned incident stays with all that its
//! draft is made from, whatever asks for room.
//!
//! What is dropped is no part of the ledger, so a replay cannot know of it: an alert that comes
//! again is begun anew where it would have gone on. So nothing is dropped that a replay could still
//! find. It begins at the newest snapshot once the ledger's beginning is gone, and is told what was
//! recalled since; therefore rows go only after the ledger's beginning, only when the machine had
//! forgotten them at that snapshot, and not when they were recalled since.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;

use super::error::Trying;
use super::rows::{At, from_int, int, named, to_json};
use super::{StoreError, changes, engine, episodes, intern, ledger, snapshots, texts};
use crate::domain::{ChangeId, Episode, EpisodeId, IncidentId, Seq, Span, Timestamp};

/// Rows of raw bodies that go at once, …
const RAW_ROWS_MAX: u64 = 200;
/// … and how many bytes, if they are several: each of their pages is touched.
const RAW_BYTES_MAX: i64 = 2 << 20;
/// Ledger records that go at once.
const RECORDS_MAX: u64 = 2_000;
/// Floating episodes, changes and interned texts that go at once.
const ROWS_MAX: u64 = 1_000;
/// Incidents that go at once, each whole.
const INCIDENTS_MAX: u64 = 20;
/// Pages that are given back to the disk after each piece: 4 MiB.
const PAGES_FREED: i64 = 1_024;
/// Changes are kept this much longer than the incidents that may name them: one can be named by an
/// incident that began well after it.
const CHANGES_KEPT_LONGER: Span = Span::from_hours(7 * 24);

/// However short the retention, what ended within this much record time before the newest snapshot
/// stays: the engine remembered it then, and what it writes again must find its other half. Several
/// times the longest of its windows.
const KEPT_AT_LEAST: Span = Span::from_hours(72);

/// One piece to drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Rows of raw bodies that go.
    raw: Vec<i64>,
    /// Incidents that go with all they have.
    incidents: Vec<i64>,
    /// Floating episodes that go.
    episodes: Vec<i64>,
    /// Changes that go.
    changes: Vec<i64>,
    /// Incidents written at this record or later stay.
    untouched: Seq,
    /// Records that go: up to this one.
    ledger_until: Option<Seq>,
    /// Whether unused texts are looked for.
    with_texts: bool,
    /// Whether another piece is left.
    pub(super) has_more: bool,
}

impl Plan {
    /// True when there is nothing to drop.
    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
            && self.incidents.is_empty()
            && self.episodes.is_empty()
            && self.changes.is_empty()
            && self.ledger_until.is_none()
            && !self.with_texts
    }
}

/// Finds the next piece.
pub(super) fn plan(
    connection: &Connection,
    raw_before: Option<Timestamp>,
    before: Option<Timestamp>,
) -> Result<Plan, StoreError> {
    let mut plan = Plan::default();
    if let Some(raw_before) = raw_before {
        (plan.raw, plan.has_more) = raw_bodies(connection, raw_before)?;
    }
    if let Some(before) = before {
        let (until, has_more) = records(connection, before)?;
        plan.ledger_until = until;
        if let Some(forgotten) = Forgotten::find(connection, until)? {
            plan.rows(connection, before, &forgotten)?;
        }
        plan.has_more |= has_more
            // What an incident held on to (merged ones, context) can go after it.
            || !plan.incidents.is_empty()
            || plan.episodes.len() as u64 == ROWS_MAX
            || plan.changes.len() as u64 == ROWS_MAX;
        plan.with_texts = until.is_some() || unused_texts(connection)?;
        plan.has_more |= plan.with_texts;
    }
    Ok(plan)
}

impl Plan {
    /// Finds incidents, alerts and changes that go.
    fn rows(
        &mut self,
        connection: &Connection,
        before: Timestamp,
        forgotten: &Forgotten,
    ) -> Result<(), StoreError> {
        let before = forgotten.since.map_or(before, |since| before.min(since));
        let kept = Kept::find(connection)?;
        self.untouched = forgotten.untouched;
        self.incidents = incidents(connection, &kept, before, forgotten.untouched)?;
        self.episodes = floating_episodes(connection, before)?;
        self.changes = changes(connection, &kept, before)?;
        if let Some(since) = forgotten.since {
            self.leave_what_was_heard(connection, since)?;
        }
        self.leave_recalled(connection)
    }

    /// What ended long ago and was told lately is remembered.
    fn leave_what_was_heard(
        &mut self,
        connection: &Connection,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let heard_at = |episode: Episode| {
            episode.end.map_or(episode.last_word_at, |end| end.heard_at.max(episode.last_word_at))
        };
        retain(&mut self.episodes, |id| {
            let episode = episodes::get(connection, self::episode(id))?;
            Ok(episode.is_none_or(|episode| heard_at(episode) < since))
        })?;
        retain(&mut self.changes, |id| {
            let change = changes::get(connection, self::change(id))?;
            Ok(change.is_none_or(|change| change.received_at < since))
        })
    }

    /// What was recalled since the newest snapshot is remembered.
    fn leave_recalled(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.incidents.is_empty() && self.episodes.is_empty() && self.changes.is_empty() {
            return Ok(());
        }
        let after = snapshots::newest_seq(connection)?.unwrap_or_default();
        let mut recalled = Recalled::default();
        for (_, bytes) in engine::recalls_after(connection, after)? {
            let more: Recalled = serde_json::from_slice(&bytes).map_err(|error| {
                StoreError::Broken(format!("a logged recall cannot be read: {error}"))
            })?;
            recalled.incidents.extend(more.incidents);
            recalled.episodes.extend(more.episodes);
            recalled.changes.extend(more.changes);
        }
        self.incidents.retain(|id| !recalled.incidents.contains(&Only { id: incident(*id) }));
        self.episodes.retain(|id| !recalled.episodes.contains(&Only { id: episode(*id) }));
        self.changes.retain(|id| !recalled.changes.contains(&Only { id: change(*id) }));
        Ok(())
    }

    /// Leaves out what the engine may be working on.
    pub(super) fn leave_rows(&mut self) {
        self.incidents.clear();
        self.episodes.clear();
        self.changes.clear();
    }
}

fn incident(id: i64) -> IncidentId {
    IncidentId(from_int(id))
}

fn episode(id: i64) -> EpisodeId {
    EpisodeId(from_int(id))
}

fn change(id: i64) -> ChangeId {
    ChangeId(from_int(id))
}

/// Keeps the ids that pass.
fn retain(
    ids: &mut Vec<i64>,
    mut passes: impl FnMut(i64) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut kept = Vec::with_capacity(ids.len());
    for id in ids.drain(..) {
        if passes(id)? {
            kept.push(id);
        }
    }
    *ids = kept;
    Ok(())
}

/// The ids of what was recalled for a record, of all that the engine's log says.
#[derive(Default, Deserialize)]
struct Recalled {
    incidents: BTreeSet<Only<IncidentId>>,
    episodes: BTreeSet<Only<EpisodeId>>,
    changes: BTreeSet<Only<ChangeId>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Only<T> {
    id: T,
}

/// What stays because people pinned an incident. Each is a list in JSON, as statements take it.
struct Kept {
    /// The pinned incidents, those that became part of them, and those whose alerts stand beside
    /// them: those alerts are in their drafts.
    incidents: String,
    /// The changes that those name.
    changes: String,
}

impl Kept {
    fn find(connection: &Connection) -> Result<Self, StoreError> {
        let list = |sql: &str, values: &[(&str, &dyn rusqlite::types::ToSql)]| {
            to_json(&numbers(connection, sql, values, "finding pinned incidents")?, "their numbers")
        };
        let incidents = list(
            "WITH RECURSIVE
                 family (id) AS (
                     SELECT id FROM incidents WHERE pinned = 1
                     UNION
                     SELECT i.id FROM family f JOIN incidents i ON i.merged_into = f.id),
                 kept (id) AS (
                     SELECT id FROM family
                     UNION
                     SELECT e.incident FROM family f
                         JOIN context c ON c.incident = f.id
                         JOIN episodes e ON e.id = c.episode
                         WHERE e.incident IS NOT NULL
                     UNION
                     SELECT i.id FROM kept k JOIN incidents i ON i.merged_into = k.id)
             SELECT id FROM kept ORDER BY id",
            &[],
        )?;
        let changes = list(
            "SELECT DISTINCT CAST(substr(named.value, 2) AS INTEGER)
             FROM json_each(:kept) k
                 JOIN incidents i ON i.id = k.value
                 JOIN json_each(i.json, '$.changes') named
             ORDER BY 1",
            named! { kept: incidents },
        )?;
        Ok(Self { incidents, changes })
    }
}

/// What the machine no longer remembers, nor a replay finds.
struct Forgotten {
    /// What ended, and was heard, before this; `None` when there is no ledger at all. Record time
    /// counts: a replay of an old outage lives in its own time.
    since: Option<Timestamp>,
    /// What was not written since this record.
    untouched: Seq,
}

impl Forgotten {
    /// `None` when a replay could still find everything. `until` goes from the ledger at once.
    fn find(connection: &Connection, until: Option<Seq>) -> Result<Option<Self>, StoreError> {
        let head = ledger::head(connection)?;
        if head.record_time.is_none() {
            return Ok(Some(Self { since: None, untouched: head.seq.next() }));
        }
        let is_whole = ledger::first(connection)?.is_none_or(|first| first <= Seq(1));
        if is_whole && until.is_none() {
            return Ok(None);
        }
        let Some(snapshot) = snapshots::newest_seq(connection)? else { return Ok(None) };
        let Some(taken_at) = ledger::time_of(connection, snapshot)? else { return Ok(None) };
        let since = taken_at - KEPT_AT_LEAST;
        let untouched = ledger::first_since(connection, since)?;
        Ok(Some(Self { since: Some(since), untouched }))
    }
}

/// Raw bodies by their true age, and whether more are old. They came in the order of the ledger but
/// for the moments that a request was on its way, so the search ends at the first row that is young
/// enough.
fn raw_bodies(connection: &Connection, before: Timestamp) -> Result<(Vec<i64>, bool), StoreError> {
    let rows: Vec<(i64, i64, i64)> = connection
        .prepare_cached(
            "SELECT last_seq, newest_at, length(bodies) FROM raw_bodies
             ORDER BY last_seq LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { limit: int(RAW_ROWS_MAX) }, |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect()
        })
        .trying("finding old raw bodies")?;
    let mut bytes = 0;
    let mut old = Vec::new();
    for (last, newest_at, length) in rows {
        if newest_at >= before.nanos() {
            return Ok((old, false));
        }
        bytes += length;
        if bytes > RAW_BYTES_MAX && !old.is_empty() {
            return Ok((old, true));
        }
        old.push(last);
    }
    let has_more = old.len() as u64 == RAW_ROWS_MAX;
    Ok((old, has_more))
}

/// Incidents that ended long ago and of which nothing fires on. A merged one goes after the one it became part of.
fn incidents(
    connection: &Connection,
    kept: &Kept,
    before: Timestamp,
    untouched: Seq,
) -> Result<Vec<i64>, StoreError> {
    let what = "finding old incidents";
    let sql = "SELECT id FROM incidents i
         WHERE ended_at < :before AND cursor < :untouched
           AND id NOT IN (SELECT value FROM json_each(:kept))
           AND NOT EXISTS (SELECT 1 FROM episodes e WHERE e.incident = i.id AND e.active = 1)
           AND (state = 'resolved'
                OR (state = 'merged'
                    AND NOT EXISTS (SELECT 1 FROM incidents s WHERE s.id = i.merged_into)))
         ORDER BY id LIMIT :limit";
    let limit = int(INCIDENTS_MAX);
    connection
        .prepare_cached(sql)
        .and_then(|mut select| {
            select
                .query_map(
                    named! {
                        before: At(before), untouched: int(untouched.0), kept: kept.incidents,
                        limit: limit,
                    },
                    |row| row.get(0),
                )?
                .collect()
        })
        .trying(what)
}

/// Ended episodes of no incident that stand beside none either.
fn floating_episodes(connection: &Connection, before: Timestamp) -> Result<Vec<i64>, StoreError> {
    numbers(
        connection,
        "SELECT id FROM episodes e
         WHERE incident IS NULL AND active = 0 AND ends_at < :before
           AND NOT EXISTS (SELECT 1 FROM context c WHERE c.episode = e.id)
         ORDER BY id LIMIT :limit",
        named! { before: At(before), limit: int(ROWS_MAX) },
        "finding old alerts",
    )
}

/// Changes that are older than every other incident that is kept, with a margin, and that no
/// pinned one names.
fn changes(
    connection: &Connection,
    kept: &Kept,
    before: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let oldest: Option<i64> = connection
        .query_row(
            "SELECT min(started_at) FROM incidents
             WHERE id NOT IN (SELECT value FROM json_each(:kept))",
            named! { kept: kept.incidents },
            |row| row.get(0),
        )
        .trying("finding the oldest incident")?;
    let oldest = oldest.map_or(before, |at| Timestamp::from_nanos(at).min(before));
    numbers(
        connection,
        "SELECT id FROM changes
         WHERE at < :before AND id NOT IN (SELECT value FROM json_each(:kept))
         ORDER BY at LIMIT :limit",
        named! {
            before: At(oldest - CHANGES_KEPT_LONGER), kept: kept.changes, limit: int(ROWS_MAX),
        },
        "finding old changes",
    )
}

fn numbers(
    connection: &Connection,
    sql: &str,
    values: &[(&str, &dyn rusqlite::types::ToSql)],
    what: &str,
) -> Result<Vec<i64>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_map(values, |row| row.get(0))?.collect())
        .trying(what)
}

/// The last record of the next piece, and whether there may be another one behind it.
fn records(connection: &Connection, before: Timestamp) -> Result<(Option<Seq>, bool), StoreError> {
    let Some(snapshot) = snapshots::newest_seq(connection)? else { return Ok((None, false)) };
    let head = ledger::head(connection)?.seq;
    let oldest: Vec<(i64, Option<i64>)> = connection
        .prepare_cached("SELECT seq, record_time FROM ledger ORDER BY seq LIMIT :limit")
        .and_then(|mut select| {
            select
                .query_map(named! { limit: int(RECORDS_MAX) }, |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
        .trying("finding old records")?;
    // Record time never goes back, so the old records stand together at the beginning.
    let last = oldest
        .iter()
        .take_while(|(seq, at)| {
            at.is_none_or(|at| at < before.nanos())
                // Its time tells what the machine had forgotten then.
                && from_int(*seq) < snapshot.0
                && from_int(*seq) < head.0
        })
        .last()
        // The program's own records at the head of an empty store have no age: they go with the
        // first one that has, so that a ledger of which nothing is old stays whole.
        .filter(|(_, at)| at.is_some() || oldest.len() as u64 == RECORDS_MAX);
    let has_more = oldest.last() == last && oldest.len() as u64 == RECORDS_MAX;
    Ok((last.map(|(seq, _)| Seq(from_int(*seq))), has_more))
}

/// True when there are texts that no record can name any more.
fn unused_texts(connection: &Connection) -> Result<bool, StoreError> {
    let Some(first) = ledger::first(connection)? else { return Ok(false) };
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM interned WHERE id <
                 (SELECT max(first_id) FROM intern_epochs WHERE first_seq <= :seq))",
            named! { seq: int(first.0) },
            |row| row.get(0),
        )
        .trying("finding unused texts")
}

/// Drops a piece in the transaction that is open.
pub(super) fn carry_out(connection: &Connection, plan: &Plan) -> Result<(), StoreError> {
    each(
        connection,
        "DELETE FROM raw_bodies WHERE last_seq = :id",
        &plan.raw,
        "dropping raw bodies",
    )?;
    // The engine may have looked back since.
    let mut plan = plan.clone();
    plan.leave_recalled(connection)?;
    // Somebody may have pinned one since the plan was made.
    let kept = Kept::find(connection)?;
    for id in &plan.incidents {
        drop_incident(connection, &kept, plan.untouched, *id)?;
    }
    each(
        connection,
        "DELETE FROM episodes WHERE id = :id AND incident IS NULL AND active = 0",
        &plan.episodes,
        "dropping old alerts",
    )?;
    for id in &plan.changes {
        let delete = "DELETE FROM changes
                      WHERE id = :id AND id NOT IN (SELECT value FROM json_each(:kept))";
        connection
            .prepare_cached(delete)
            .and_then(|mut delete| delete.execute(named! { id: id, kept: kept.changes }))
            .trying("dropping old changes")?;
    }
    if let Some(until) = plan.ledger_until {
        let what = "dropping old deliveries";
        ledger::drop_until(connection, until)?;
        connection
            .execute("DELETE FROM deliveries WHERE seq <= :until", named! { until: int(until.0) })
            .trying(what)?;
    }
    if plan.with_texts
        && let Some(first) = ledger::first(connection)?
    {
        intern::drop_unused(connection, first, ROWS_MAX)?;
    }
    if !plan.incidents.is_empty() || !plan.episodes.is_empty() {
        texts::drop_unused(connection, ROWS_MAX)?;
    }
    free_pages(connection)
}

/// Gives free pages back to the disk, so that the file shrinks with what it holds.
fn free_pages(connection: &Connection) -> Result<(), StoreError> {
    let what = "giving free pages back to the disk";
    let mut vacuum =
        connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_FREED})")).trying(what)?;
    let mut rows = vacuum.query([]).trying(what)?;
    while rows.next().trying(what)?.is_some() {}
    Ok(())
}

fn each(connection: &Connection, sql: &str, ids: &[i64], what: &str) -> Result<(), StoreError> {
    for id in ids {
        connection
            .prepare_cached(sql)
            .and_then(|mut delete| delete.execute(named! { id: id }))
            .trying(what)?;
    }
    Ok(())
}

/// An incident goes whole, unless it was reopened or pinned since the plan was made.
fn drop_incident(
    connection: &Connection,
    kept: &Kept,
    untouched: Seq,
    id: i64,
) -> Result<(), StoreError> {
    let what = "dropping an old incident";
    let is_over: Option<bool> = connection
        .prepare_cached(
            "SELECT state IN ('resolved', 'merged') AND cursor < :untouched
                    AND id NOT IN (SELECT value FROM json_each(:kept))
             FROM incidents WHERE id = :id",
        )
        .and_then(|mut select| {
            let untouched = int(untouched.0);
            select
                .query_row(named! { id: id, kept: kept.incidents, untouched: untouched }, |row| {
                    row.get(0)
                })
                .optional()
        })
        .trying(what)?;
    if is_over != Some(true) {
        return Ok(());
    }
    for sql in [
        "DELETE FROM context WHERE episode IN (SELECT id FROM episodes WHERE incident = :id)",
        "DELETE FROM episodes WHERE incident = :id",
        "DELETE FROM context WHERE incident = :id",
        "DELETE FROM revisions WHERE incident = :id",
        "DELETE FROM reviewed WHERE incident = :id",
        "DELETE FROM reviewed_documents WHERE incident = :id",
        "DELETE FROM incidents WHERE id = :id",
    ] {
        connection
            .prepare_cached(sql)
            .and_then(|mut delete| delete.execute(named! { id: id }))
            .trying(what)?;
    }
    Ok(())
}
