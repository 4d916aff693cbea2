//! Taking back what a person wrote: records of the ledger, facts that people reviewed, and copies
//! are rewritten, in the commit of the engine that worked the wish in.
//!
//! This is the one place that changes a record. The text goes, its hash takes its place, and the
//! rewritten ledger replays to what is stored. What is to be rewritten is found beforehand, on the
//! engine's thread, because everything that was ever written is looked through; the writer only
//! puts it in place. Nothing else writes these rows meanwhile but retention, which drops them.
//! Callers: `engine` of this room, and whoever prepares its commits.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::StoreError;
use super::error::Trying;
use super::incidents::{RevisionColumns, insert_revisions};
use super::rows::{from_int, from_json, int, moment_if_any, named, to_json};
use super::types::EngineCommit;
use super::{engine, snapshots};
use crate::domain::facts::Revision;
use crate::domain::record::Operation;
use crate::domain::words::TakenBack;
use crate::domain::{ChangeReport, Facts, Incident, IncidentId, Seq};

/// Rows as they are to be, by their numbers.
type Rows = Vec<(i64, String)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rewriting {
    /// Records of what people did.
    ledger: Rows,
    incidents: Rows,
    reviewed: Rows,
    changes: Rows,
    /// Final drafts whose documents may say it.
    documents: Vec<i64>,
    /// Names in the audit, each with what takes its place.
    names: BTreeMap<String, String>,
    /// Revisions, each with its incident.
    revisions: Vec<(i64, Revision)>,
    /// True when the ledger without the words would be worked in otherwise.
    is_basis_of_decisions: bool,
}

impl Rewriting {
    /// Finds what a commit takes back; `None` when that is nothing.
    pub(super) fn find(
        connection: &Connection,
        commit: &EngineCommit,
    ) -> Result<Option<Self>, StoreError> {
        let taken = commit.taken_back.as_slice();
        if taken.is_empty() {
            return Ok(None);
        }
        let mut found = Self {
            is_basis_of_decisions: taken.iter().any(TakenBack::is_basis_of_decisions),
            ..Self::default()
        };
        found.find_records(connection, taken, commit.cursor)?;
        found.find_changes(connection, taken)?;
        found.find_incidents(connection, taken)?;
        found.find_reviewed(connection, taken)?;
        found.find_revisions(connection, taken)?;
        found.find_names(connection, taken)?;
        Ok(Some(found))
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        let rows = [&self.ledger, &self.incidents, &self.reviewed, &self.changes];
        let texts = rows.into_iter().flatten().map(|(_, text)| text.len() + 32);
        let sentences = self.revisions.iter().flat_map(|(_, revision)| &revision.changes);
        texts.chain(sentences.map(|sentence| sentence.len() + 32)).sum()
    }

    fn find_records(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
        until: Seq,
    ) -> Result<(), StoreError> {
        let sql = "SELECT seq, body, record_time FROM ledger
                   WHERE kind = 'operation' AND seq <= :until ORDER BY seq";
        let what = "looking for the records of people";
        each_row(connection, sql, named! { until: int(until.0) }, what, |seq, body, row| {
            let time = moment_if_any(row, "record_time").trying(what)?;
            let mut operation: Operation = from_json(&body, "an operation")?;
            let mut is_changed = false;
            for taken in taken {
                is_changed |= taken.redact_record(&mut operation, time);
            }
            if is_changed {
                self.ledger.push((seq, to_json(&operation, "an operation")?));
            }
            Ok(())
        })
    }

    fn find_changes(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
    ) -> Result<(), StoreError> {
        if !taken.iter().any(TakenBack::is_everywhere) {
            return Ok(());
        }
        let sql = "SELECT id, json FROM changes WHERE source = :source ORDER BY id";
        let source = ChangeReport::OWN_SOURCE;
        let what = "looking for changes";
        each_row(connection, sql, named! { source: source }, what, |id, json, _| {
            let mut change: crate::domain::Change = from_json(&json, "a change")?;
            let mut is_changed = false;
            for taken in taken {
                is_changed |= taken.redact_change(&mut change.report);
            }
            if is_changed {
                self.changes.push((id, to_json(&change, "a change")?));
            }
            Ok(())
        })
    }

    /// Those that the commit itself brings are clean already, and are stored after these.
    fn find_incidents(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
    ) -> Result<(), StoreError> {
        let sql = "SELECT id, json FROM incidents
                   WHERE :everywhere OR instr(json, '\"similar\":[{') > 0 ORDER BY id";
        let everywhere = taken.iter().any(TakenBack::is_everywhere);
        let what = "looking for copies of redacted words";
        each_row(connection, sql, named! { everywhere: everywhere }, what, |id, json, _| {
            let mut incident: Incident = from_json(&json, "an incident")?;
            for taken in taken {
                taken.redact_copies(&mut incident);
                if taken.is_everywhere() {
                    taken.redact_incident(&mut incident);
                }
            }
            keep_if_changed(&mut self.incidents, id, &json, to_json(&incident, "an incident")?);
            Ok(())
        })
    }

    /// The facts of a final draft are frozen but for this.
    fn find_reviewed(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
    ) -> Result<(), StoreError> {
        let sql = "SELECT incident, facts FROM reviewed ORDER BY incident";
        let what = "looking for final drafts with redacted words";
        each_row(connection, sql, &[], what, |id, json, _| {
            let mut facts: Facts = from_json(&json, "reviewed facts")?;
            taken.iter().for_each(|taken| taken.redact_facts(&mut facts));
            let redacted = to_json(&facts, "reviewed facts")?;
            let is_of = |taken: &TakenBack| taken.incidents.contains(&IncidentId(from_int(id)));
            if keep_if_changed(&mut self.reviewed, id, &json, redacted) || taken.iter().any(is_of) {
                self.documents.push(id);
            }
            Ok(())
        })
    }

    /// A revision says who asked for it.
    fn find_revisions(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
    ) -> Result<(), StoreError> {
        let sql = "SELECT incident, json FROM revisions
                   WHERE :everywhere AND instr(json, '\"by\":') > 0";
        let everywhere = taken.iter().any(TakenBack::is_everywhere);
        let what = "looking for a name in revisions";
        each_row(connection, sql, named! { everywhere: everywhere }, what, |incident, json, _| {
            let mut revision: Revision = from_json(&json, "a revision")?;
            if taken.iter().any(|taken| taken.redact_revision(&mut revision)) {
                self.revisions.push((incident, revision));
            }
            Ok(())
        })
    }

    fn find_names(
        &mut self,
        connection: &Connection,
        taken: &[TakenBack],
    ) -> Result<(), StoreError> {
        let what = "looking for a name in the audit";
        let sql = "SELECT principal FROM audit WHERE principal IS NOT NULL
                   UNION SELECT actor FROM audit WHERE actor IS NOT NULL";
        let names: Vec<String> = connection
            .prepare_cached(sql)
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
            .trying(what)?;
        for name in names {
            if let Some(redacted) = taken.iter().find_map(|taken| taken.name_redacted(&name)) {
                let redacted = redacted.to_owned();
                self.names.insert(name, redacted);
            }
        }
        Ok(())
    }

    /// Puts the rows in place, in the transaction that is open, before what the commit brings.
    pub(super) fn store(&self, connection: &Connection) -> Result<(), StoreError> {
        let what = "redacting what is stored";
        for (sql, rows) in [
            ("UPDATE ledger SET body = :text WHERE seq = :number", &self.ledger),
            ("UPDATE incidents SET json = :text WHERE id = :number", &self.incidents),
            ("UPDATE reviewed SET facts = :text WHERE incident = :number", &self.reviewed),
            ("UPDATE changes SET json = :text WHERE id = :number", &self.changes),
        ] {
            let mut update = connection.prepare_cached(sql).trying(what)?;
            for (number, text) in rows {
                update.execute(named! { text: text, number: number }).trying(what)?;
            }
        }
        let revisions = self
            .revisions
            .iter()
            .map(|(id, revision)| RevisionColumns::of(IncidentId(from_int(*id)), revision))
            .collect::<Result<Vec<_>, _>>()?;
        insert_revisions(connection, &revisions)?;
        // They are printed anew from the facts without the words once this is committed.
        for id in &self.documents {
            connection
                .prepare_cached("DELETE FROM reviewed_documents WHERE incident = :incident")
                .and_then(|mut delete| delete.execute(named! { incident: id }))
                .trying("dropping the documents of a final draft")?;
        }
        for (name, redacted) in &self.names {
            for sql in [
                "UPDATE audit SET principal = :redacted WHERE principal = :name",
                "UPDATE audit SET actor = :redacted WHERE actor = :name",
            ] {
                connection
                    .prepare_cached(sql)
                    .and_then(|mut update| {
                        update.execute(named! { name: name, redacted: redacted })
                    })
                    .trying("redacting a name in the audit")?;
            }
        }
        Ok(())
    }

    /// Finishes it behind what the commit brought.
    pub(super) fn finish(&self, connection: &Connection, until: Seq) -> Result<(), StoreError> {
        if self.is_basis_of_decisions {
            engine::begin_epoch(connection, until.next())?;
        }
        // Older states of the machine hold the words as well; a newer one is in this commit.
        snapshots::sweep_all(connection, until)
    }
}

/// Visits rows one by one: a number, a text, and what else there is.
fn each_row(
    connection: &Connection,
    sql: &str,
    values: &[(&str, &dyn rusqlite::types::ToSql)],
    what: &str,
    mut visit: impl FnMut(i64, String, &Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(sql).trying(what)?;
    let mut rows = select.query(values).trying(what)?;
    while let Some(row) = rows.next().trying(what)? {
        visit(row.get(0).trying(what)?, row.get(1).trying(what)?, row)?;
    }
    Ok(())
}

/// False when the row is to stay as it is.
fn keep_if_changed(rows: &mut Rows, number: i64, stored: &str, text: String) -> bool {
    let is_changed = text != stored;
    if is_changed {
        rows.push((number, text));
    }
    is_changed
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
