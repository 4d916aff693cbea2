//! What the engine commits: rows of incidents, episodes and changes, together with its cursor, the
//! end of a snapshot, what it recalled, and what became of operations. Also the sign of life.
//!
//! Rows are made ready (as JSON) on the engine's own thread; the writer only stores them.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::audit::{self, Came};
use super::changes::{self, ChangeColumns};
use super::episodes::{self, EpisodeColumns};
use super::error::Trying;
use super::incidents::{self, IncidentColumns, RevisionColumns};
use super::printed::Final;
use super::redact::Rewriting;
use super::rows::{At, count, from_json, int, moment, moment_if_any, named, to_json};
use super::snapshots::{self, Piece};
use super::texts::{NewTexts, Shelf};
use super::types::{EngineCommit, HeartbeatRow, RuleEpoch, SignOfLife};
use crate::domain::packed::Heard;
use crate::domain::record::Outcome;
use crate::domain::{EpisodeId, Incident, Seq, Topology};

/// Outcomes that are kept. A person waits seconds for one; a script may come back later.
const OUTCOMES_KEPT: u64 = 10_000;

/// A commit of the engine, ready to be stored.
#[derive(Debug)]
pub(super) struct PreparedCommit {
    pub(super) cursor: Seq,
    texts: NewTexts,
    episodes: Vec<EpisodeColumns>,
    heard: Vec<(EpisodeId, Heard)>,
    incidents: Vec<IncidentColumns>,
    finals: Vec<Final>,
    changes: Vec<ChangeColumns>,
    revisions: Vec<RevisionColumns>,
    explanations: Vec<(EpisodeId, Option<Vec<u8>>)>,
    outcomes: Vec<(Seq, String, Came)>,
    recalls: Vec<(Seq, Vec<u8>)>,
    /// What is still to be stored of its snapshot; empty where it has none.
    snapshot: Vec<Piece>,
    rules_version: Option<u32>,
    heartbeats: Option<Vec<(String, String)>>,
    topology: Option<String>,
    rewriting: Option<Rewriting>,
}

impl PreparedCommit {
    /// Texts of its episodes go to the shelf, which must hear what became of the commit.
    pub(super) fn new(commit: &EngineCommit, shelf: &mut Shelf) -> Result<Self, StoreError> {
        let newest = shelf.newest_episode();
        let episodes =
            commit.episodes.iter().map(|episode| EpisodeColumns::of(episode, shelf)).collect();
        let explanations = commit
            .explanations
            .iter()
            .map(|(id, explanation)| (*id, episodes::packed(explanation, shelf)))
            .collect();
        Ok(Self {
            cursor: commit.cursor,
            texts: shelf.fresh(newest),
            episodes,
            heard: commit.heard.clone(),
            incidents: each(&commit.incidents, |incident| {
                IncidentColumns::of(incident, is_reviewed_now(commit, incident))
            })?,
            finals: Vec::new(),
            changes: each(&commit.changes, ChangeColumns::of)?,
            revisions: each(&commit.revisions, |(id, revision)| {
                RevisionColumns::of(*id, revision)
            })?,
            explanations,
            outcomes: each(&commit.outcomes, |(seq, outcome)| {
                Ok((*seq, to_json(outcome, "an outcome")?, Came::of(outcome)))
            })?,
            recalls: commit.recalls.clone(),
            snapshot: commit
                .snapshot
                .as_ref()
                .map(|state| Piece::all_of(commit.cursor, state))
                .unwrap_or_default(),
            rules_version: commit.rules_version,
            heartbeats: commit
                .heartbeats
                .as_ref()
                .map(|rows| {
                    each(rows, |row| Ok((row.name.to_string(), to_json(row, "a heartbeat")?)))
                })
                .transpose()?,
            topology: commit
                .topology
                .as_ref()
                .map(|topology| to_json(topology, "the service graph"))
                .transpose()?,
            rewriting: None,
        })
    }

    /// With what is kept of the drafts that it makes final, made before the writer is asked.
    pub(super) fn with_finals(self, finals: Vec<Final>) -> Self {
        Self { finals, ..self }
    }

    /// With what is to be rewritten because of it, found before the writer is asked.
    pub(super) fn with_rewriting(self, rewriting: Option<Rewriting>) -> Self {
        Self { rewriting, ..self }
    }

    /// The pieces of its snapshot that go ahead of it, each in a transaction of its own.
    pub(super) fn take_pieces(&mut self) -> Vec<Piece> {
        let last = self.snapshot.len().saturating_sub(1);
        self.snapshot.drain(..last).collect()
    }

    /// The same, without its snapshot.
    pub(super) fn without_snapshot(&mut self) {
        self.snapshot.clear();
    }

    /// True when a snapshot comes with it.
    pub(super) fn has_snapshot(&self) -> bool {
        !self.snapshot.is_empty()
    }

    /// True when something must not be found in the files any more.
    pub(super) const fn takes_back(&self) -> bool {
        self.rewriting.is_some()
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes()
            + self.episodes.iter().map(EpisodeColumns::bytes).sum::<usize>()
            + self.heard.len() * std::mem::size_of::<(EpisodeId, Heard)>()
            + self.incidents.iter().map(IncidentColumns::bytes).sum::<usize>()
            + self.finals.iter().map(Final::bytes).sum::<usize>()
            + self.changes.iter().map(ChangeColumns::bytes).sum::<usize>()
            + self.rewriting.as_ref().map_or(0, Rewriting::bytes)
            + self.revisions.iter().map(RevisionColumns::bytes).sum::<usize>()
            + self
                .explanations
                .iter()
                .map(|(_, packed)| packed.as_ref().map_or(0, Vec::len))
                .sum::<usize>()
            + self.recalls.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
            + self.snapshot.iter().map(Piece::bytes).sum::<usize>()
    }
}

/// The incidents whose drafts a commit makes final.
pub(super) fn reviewed_now(commit: &EngineCommit) -> impl Iterator<Item = &Incident> {
    commit.incidents.iter().filter(|incident| is_reviewed_now(commit, incident))
}

/// A pin comes without a revision, and what was reviewed stays as it was then.
fn is_reviewed_now(commit: &EngineCommit, incident: &Incident) -> bool {
    let reviewed = incident.finalised.as_ref().map(|reviewed| reviewed.revision);
    reviewed == Some(incident.revision)
        && commit
            .revisions
            .iter()
            .any(|(id, revision)| (*id, revision.revision) == (incident.id, incident.revision))
}

fn each<T, U>(
    list: &[T],
    make: impl FnMut(&T) -> Result<U, StoreError>,
) -> Result<Vec<U>, StoreError> {
    list.iter().map(make).collect()
}

/// Stores a commit in the transaction that is open.
///
/// # Errors
/// Also when the cursor would go back or stand beyond the head: both mean that somebody works on
/// another ledger than this one, and nothing of it may be kept.
pub(super) fn store(
    connection: &Connection,
    commit: &PreparedCommit,
    cursor: Seq,
    head: Seq,
) -> Result<(), StoreError> {
    if commit.cursor < cursor || commit.cursor > head {
        return Err(StoreError::Broken(format!(
            "the engine's cursor cannot go from {cursor} to {} while the ledger ends at {head}; \
             restart scribed so that it begins from its last snapshot",
            commit.cursor
        )));
    }
    if let Some(rewriting) = &commit.rewriting {
        rewriting.store(connection)?;
    }
    commit
        .incidents
        .iter()
        .try_for_each(|row| incidents::upsert(connection, row, commit.cursor))?;
    commit.texts.store(connection)?;
    episodes::upsert(connection, &commit.episodes)?;
    episodes::explain(connection, &commit.explanations)?;
    episodes::hear(connection, &commit.heard)?;
    commit.changes.iter().try_for_each(|row| changes::upsert(connection, row))?;
    incidents::insert_revisions(connection, &commit.revisions)?;
    if commit.finals.is_empty() {
        // Of a store that is worked in anew, beside the one in use.
        commit.incidents.iter().try_for_each(|row| incidents::freeze(connection, row))?;
    } else {
        commit.finals.iter().try_for_each(|kept| kept.store(connection))?;
    }
    if let Some(rewriting) = &commit.rewriting {
        rewriting.finish(connection, commit.cursor)?;
    }
    for (seq, json, came) in &commit.outcomes {
        connection
            .prepare_cached("INSERT OR REPLACE INTO outcomes (seq, json) VALUES (:seq, :json)")
            .and_then(|mut insert| insert.execute(named! { seq: int(seq.0), json: json }))
            .trying("storing an outcome")?;
        audit::note_outcome(connection, *seq, *came)?;
    }
    for (seq, recalled) in &commit.recalls {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO recalls (seq, recalled) VALUES (:seq, :recalled)",
            )
            .and_then(|mut insert| insert.execute(named! { seq: int(seq.0), recalled: recalled }))
            .trying("storing what was recalled")?;
    }
    if let Some(last) = commit.snapshot.last() {
        commit.snapshot.iter().try_for_each(|piece| piece.store(connection))?;
        snapshots::keep(connection, last)?;
        tidy(connection, commit.cursor)?;
    }
    if let Some(version) = commit.rules_version {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO rule_epochs (first_seq, version) VALUES (:first, :version)",
            )
            .and_then(|mut insert| {
                insert.execute(named! { first: int(commit.cursor.next().0), version: version })
            })
            .trying("storing the version of the rules")?;
    }
    if let Some(rows) = &commit.heartbeats {
        store_heartbeats(connection, rows)?;
    }
    if let Some(json) = &commit.topology {
        connection
            .prepare_cached("INSERT OR REPLACE INTO topology (only, json) VALUES (1, :json)")
            .and_then(|mut insert| insert.execute(named! { json: json }))
            .trying("storing the service graph")?;
    }
    connection
        .prepare_cached("UPDATE engine SET cursor = :cursor WHERE only = 1")
        .and_then(|mut update| update.execute(named! { cursor: int(commit.cursor.0) }))
        .trying("storing the engine's cursor")?;
    Ok(())
}

/// A snapshot makes what was recalled before it needless; old outcomes go on the same occasion.
fn tidy(connection: &Connection, seq: Seq) -> Result<(), StoreError> {
    let what = "storing a snapshot";
    connection
        .execute("DELETE FROM recalls WHERE seq <= :seq", named! { seq: int(seq.0) })
        .trying(what)?;
    connection
        .execute(
            "DELETE FROM outcomes WHERE seq <=
             (SELECT seq FROM outcomes ORDER BY seq DESC LIMIT 1 OFFSET :kept)",
            named! { kept: int(OUTCOMES_KEPT) },
        )
        .trying(what)?;
    Ok(())
}

fn store_heartbeats(connection: &Connection, rows: &[(String, String)]) -> Result<(), StoreError> {
    let what = "storing the heartbeats";
    connection.execute("DELETE FROM heartbeats", []).trying(what)?;
    for (name, json) in rows {
        connection
            .prepare_cached("INSERT INTO heartbeats (name, json) VALUES (:name, :json)")
            .and_then(|mut insert| insert.execute(named! { name: name, json: json }))
            .trying(what)?;
    }
    Ok(())
}

/// Up to where the engine has worked.
pub(super) fn cursor(connection: &Connection) -> Result<Seq, StoreError> {
    connection
        .query_row("SELECT cursor FROM engine WHERE only = 1", [], |row| count(row, "cursor"))
        .trying("reading the engine's cursor")
        .map(Seq)
}

/// From this record on the same rules go by other words than before.
pub(super) fn begin_epoch(connection: &Connection, first: Seq) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR REPLACE INTO rule_epochs (first_seq, version)
             SELECT :first, version FROM rule_epochs ORDER BY first_seq DESC LIMIT 1",
            named! { first: int(first.0) },
        )
        .trying("noting from where on words are not known any more")?;
    Ok(())
}

/// By which rules records were worked in, in the order of the ledger.
pub(super) fn rule_epochs(connection: &Connection) -> Result<Vec<RuleEpoch>, StoreError> {
    connection
        .prepare_cached("SELECT first_seq, version FROM rule_epochs ORDER BY first_seq")
        .and_then(|mut select| {
            select
                .query_map([], |row| {
                    Ok(RuleEpoch {
                        first: Seq(count(row, "first_seq")?),
                        version: row.get("version")?,
                    })
                })?
                .collect()
        })
        .trying("reading the versions of the rules")
}

/// What was recalled for records behind a place.
pub(super) fn recalls_after(
    connection: &Connection,
    seq: Seq,
) -> Result<Vec<(Seq, Vec<u8>)>, StoreError> {
    connection
        .prepare_cached("SELECT seq, recalled FROM recalls WHERE seq > :seq ORDER BY seq")
        .and_then(|mut select| {
            select
                .query_map(named! { seq: int(seq.0) }, |row| {
                    Ok((Seq(count(row, "seq")?), row.get("recalled")?))
                })?
                .collect()
        })
        .trying("reading what was recalled")
}

/// What became of an operation.
pub(super) fn outcome(connection: &Connection, seq: Seq) -> Result<Option<Outcome>, StoreError> {
    connection
        .prepare_cached("SELECT json FROM outcomes WHERE seq = :seq")
        .and_then(|mut select| {
            select
                .query_row(named! { seq: int(seq.0) }, |row| row.get::<_, String>("json"))
                .optional()
        })
        .trying("reading an outcome")?
        .map(|json| from_json(&json, "an outcome"))
        .transpose()
}

/// The service graph as last set.
pub(super) fn topology(connection: &Connection) -> Result<Option<Topology>, StoreError> {
    connection
        .query_row("SELECT json FROM topology", [], |row| row.get::<_, String>("json"))
        .optional()
        .trying("reading the service graph")?
        .map(|json| from_json(&json, "the service graph"))
        .transpose()
}

/// Heartbeats as they stand, in the engine's order.
pub(super) fn heartbeats(connection: &Connection) -> Result<Vec<HeartbeatRow>, StoreError> {
    let rows: Vec<String> = connection
        .prepare_cached("SELECT json FROM heartbeats ORDER BY place")
        .and_then(|mut select| select.query_map([], |row| row.get("json"))?.collect())
        .trying("reading the heartbeats")?;
    rows.iter().map(|json| from_json(json, "a heartbeat")).collect()
}

/// The last sign of life.
pub(super) fn sign_of_life(connection: &Connection) -> Result<Option<SignOfLife>, StoreError> {
    connection
        .query_row("SELECT wall_at, machine_at FROM sign_of_life", [], |row| {
            Ok(SignOfLife {
                wall: moment(row, "wall_at")?,
                machine: moment_if_any(row, "machine_at")?,
            })
        })
        .optional()
        .trying("reading the last sign of life")
}

/// Writes a sign of life.
pub(super) fn note_sign_of_life(
    connection: &Connection,
    sign: SignOfLife,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO sign_of_life (only, wall_at, machine_at)
             VALUES (1, :wall, :machine)",
        )
        .and_then(|mut insert| {
            insert.execute(named! { wall: At(sign.wall), machine: sign.machine.map(At) })
        })
        .trying("writing a sign of life")?;
    Ok(())
}
