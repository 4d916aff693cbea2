//! What the writer does within one transaction: a batch of jobs, together or each by itself.

use rusqlite::Connection;

use super::{Memory, Shared, statement};
use crate::store::job::{Done, Job};
use crate::store::ledger::{Appender, PreparedAppend};
use crate::store::types::{Appended, Quarantine};
use crate::store::{StoreError, audit, deliveries, engine, retention, snapshots};

/// The transaction that is open, and what goes with it.
pub(super) struct Work<'a> {
    pub(super) shared: &'a Shared,
    pub(super) connection: &'a Connection,
    pub(super) appender: Appender<'a>,
    /// Rolled back together with the database, by whoever rolls that back.
    pub(super) memory: &'a mut Memory,
    pub(super) must_wipe: &'a mut bool,
}

impl Work<'_> {
    /// Does all jobs, one behind the other; `None` when one of them failed.
    pub(super) fn do_together(
        &mut self,
        batch: &[Job],
    ) -> Result<Option<Vec<Result<Done, StoreError>>>, StoreError> {
        let mut results = Vec::with_capacity(batch.len());
        for job in batch {
            match self.perform(job) {
                Ok(done) => results.push(Ok(done)),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(results))
    }

    /// Does one job in a savepoint of its own. The outer result says whether the transaction still
    /// stands: a job that failed takes the others with it only when it could not be undone.
    pub(super) fn attempt(&mut self, job: &Job) -> Result<Result<Done, StoreError>, StoreError> {
        let mark = self.memory.mark();
        statement(self.connection, "SAVEPOINT job")?;
        let result = self.perform(job);
        let Err(failure) = &result else {
            statement(self.connection, "RELEASE job")?;
            return Ok(result);
        };
        self.memory.roll_back(&mark);
        self.shared.metrics.store_errors.with_label_values(&[job.operation()]).inc();
        if self.connection.is_autocommit() {
            // SQLite has rolled everything back by itself, as it does on a full disk.
            return Err(StoreError::Unavailable(failure.reason().to_owned()));
        }
        statement(self.connection, "ROLLBACK TO job")?;
        statement(self.connection, "RELEASE job")?;
        Ok(result)
    }

    fn perform(&mut self, job: &Job) -> Result<Done, StoreError> {
        match job {
            Job::Append(append, _) => self.append(append).map(Done::Appended),
            Job::Quarantine(body, _) => self.quarantine(body).map(Done::Number),
            Job::Audit(entry, _) => {
                audit::insert(self.connection, entry, None).map(|()| Done::Nothing)
            }
            Job::Commit(commit, _) => self.commit(commit).map(|()| Done::Nothing),
            Job::Piece(piece, _) => piece.store(self.connection).map(|()| Done::Nothing),
            Job::Sweep(_) => snapshots::sweep(self.connection).map(Done::Number),
            Job::Print(kept, _) => kept.store_documents(self.connection).map(|()| Done::Nothing),
            Job::Sign(sign, _) => {
                engine::note_sign_of_life(self.connection, *sign).map(|()| Done::Nothing)
            }
            Job::Retain(plan, _) => {
                retention::carry_out(self.connection, plan).map(|()| Done::Nothing)
            }
            #[cfg(test)]
            Job::Inspect(inspection, _) => {
                inspection.inspect(self.connection);
                Ok(Done::Nothing)
            }
        }
    }

    fn append(&mut self, append: &PreparedAppend) -> Result<Appended, StoreError> {
        let wall = self.shared.clock.now();
        let Memory { counters, texts, door, heard, raws } = &mut *self.memory;
        let appended = self.appender.append(&mut counters.head, texts, door, append, wall)?;
        if let Some((source, received_at)) = append.source() {
            heard.add(source, received_at);
        }
        if let Some((raw, received_at)) = append.raw() {
            raws.add(appended.seq, received_at, raw);
        }
        Ok(appended)
    }

    fn quarantine(&mut self, body: &Quarantine) -> Result<u64, StoreError> {
        let number = deliveries::quarantine(self.connection, body)?;
        let bytes = &mut self.memory.counters.quarantined_bytes;
        *bytes += body.bytes.len() as u64;
        if deliveries::is_over_bound(*bytes) {
            deliveries::bound_quarantine_bytes(self.connection)?;
            *bytes = deliveries::quarantined_bytes(self.connection)?;
        }
        Ok(number)
    }

    fn commit(&mut self, commit: &engine::PreparedCommit) -> Result<(), StoreError> {
        let counters = &mut self.memory.counters;
        engine::store(self.connection, commit, counters.cursor, counters.head.seq)?;
        counters.cursor = commit.cursor;
        if commit.takes_back() {
            counters.taken_back = commit.cursor;
            *self.must_wipe = true;
        }
        Ok(())
    }
}
