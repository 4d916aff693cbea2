//! The store: the only room that knows SQL.
//!
//! One writer thread owns the only writing connection and commits whatever waits in one
//! transaction (group commit); a small pool of read-only connections serves everyone else. Nobody
//! is told "yes" before the commit. Callers: `http` (append, reads), `engine` (ledger, commit),
//! `drafts` (facts), `app` (open, retention, close, backup).
//!
//! Where to look:
//!
//! | file | what |
//! | --- | --- |
//! | `types`, `error` | what goes in and comes out |
//! | `schema`, `soundness` | folder, file, migrations; whether it is damaged |
//! | `inner`, `queue`, `job`, `writer`, `place` | the way of a write |
//! | `ledger`, `ledger_form`, `intern`, `text_cache`, `numbers`, `door` | appending, and reading back |
//! | `deliveries`, `raw_bodies`, `incidents`, `episodes`, `texts`, `changes`, `engine`, `snapshots`, `audit` | one file for each group of tables |
//! | `reading`, `readers`, `paging` | every read, and its way |
//! | `retention`, `redact` | dropping what is too old, and what a person takes back |
//! | `backup`, `check`, `rebuilt`, `grouping` | copies, whether the laws hold, and what another configuration gives; without a writer |
//!
//! Reads block, so call them from a thread that may block (`spawn_blocking`).

mod audit;
mod backup;
mod changes;
mod check;
mod deliveries;
mod door;
mod engine;
mod episodes;
mod error;
mod files;
mod generations;
mod grouping;
mod holding;
mod incidents;
mod inflight;
mod inner;
mod intern;
mod job;
mod ledger;
mod ledger_form;
mod numbers;
mod paging;
mod place;
mod printed;
mod queue;
mod raw_bodies;
mod readers;
mod reading;
mod rebuilt;
mod redact;
mod retention;
mod rows;
mod schema;
mod snapshots;
mod soundness;
mod text_cache;
mod texts;
mod types;
mod writer;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

pub use audit::{AuditEntry, AuditFilter, AuditRow};
pub use backup::{Restored, back_up, restore};
pub use check::{Archive, Depth, Faults, Holdings};
pub use error::StoreError;
pub use grouping::Grouping;
pub use holding::Hold;
pub use inflight::InFlight;
pub use printed::{Printed, Printer};
pub use readers::READS_AT_ONCE;
pub use rebuilt::{Comparison, Rebuilt, compare};
pub use snapshots::PackedState;
pub use types::{
    Append, Appended, ChangeFilter, DeliveryRow, DoorCounts, EngineCommit, EpisodeFilter,
    HeartbeatRow, IncidentFilter, Page, PageRequest, Quarantine, QuarantineRow, Quarantined,
    RawDelivery, RefusedAlert, RuleEpoch, SignOfLife, Snapshot, SourceRow, StoreCounts,
    StoreOptions,
};

use self::engine::PreparedCommit;
use self::inner::{Inner, writer_is_gone};
use self::job::{Job, Reply};
use self::ledger::PreparedAppend;
use self::printed::Final;
use self::queue::Terms;
use self::redact::Rewriting;
use self::soundness::Looked;
use crate::clock::Clock;
use crate::domain::{Facts, IncidentId, Timestamp};
use crate::metrics::Metrics;

/// Every value of the label `operation`; each starts at 0, so that an alert on the rate works from
/// the first failure.
const OPERATIONS: [&str; 6] = ["open", "append", "commit", "read", "checkpoint", "retention"];
/// What a job without a body takes while it waits.
const SMALL_JOB_BYTES: usize = 128;

/// Handle to the store; cheap to clone. The writer ends with the last one.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens or makes a store, brings its schema up to date, starts the writer thread.
    ///
    /// # Errors
    /// When the folder cannot be used, another process holds it, or the schema is newer than ours.
    pub fn open(options: StoreOptions, clock: Clock, metrics: Metrics) -> Result<Self, StoreError> {
        for operation in OPERATIONS {
            metrics.store_errors.with_label_values(&[operation]).inc_by(0);
        }
        let errors = metrics.store_errors.with_label_values(&["open"]);
        Inner::open(options, clock, metrics)
            .inspect_err(|_| errors.inc())
            .map(|inner| Self { inner: Arc::new(inner) })
    }

    /// Looks on for damage where the opening had no time for all of the file: for a second at most,
    /// and for nothing when it had.
    ///
    /// # Errors
    /// `Broken` for what is damaged, with what to do.
    pub fn look_for_damage(&self) -> Result<(), StoreError> {
        if self.inner.looked == Looked::All {
            return Ok(());
        }
        let path = &self.inner.shared.path;
        let connection = schema::open_source(path)?;
        soundness::look(&connection, path, soundness::BEHIND_THE_DOOR).map(drop)
    }

    /// Says that a request was received at `at` (true time) and may still append; ticks for
    /// deadlines after `at` wait until the guard is dropped.
    pub fn receive(&self, at: Timestamp) -> InFlight {
        self.inner.in_flight.receive(at)
    }

    /// Receipt of the oldest request that is still in flight.
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<Timestamp> {
        self.inner.in_flight.oldest()
    }

    /// Appends a record; returns after the commit.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full, the disk refuses, or the store is closing.
    pub async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.write(PreparedAppend::new(append, &self.inner.eye, &self.inner.hasher)?).await
    }

    /// As [`Store::append`], and notes in the same commit who asked for it.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn append_audited(
        &self,
        append: Append,
        entry: AuditEntry,
    ) -> Result<Appended, StoreError> {
        let append = PreparedAppend::new(append, &self.inner.eye, &self.inner.hasher)?;
        self.write(append.audited(entry)).await
    }

    async fn write(&self, append: PreparedAppend) -> Result<Appended, StoreError> {
        let bytes = append.bytes();
        let (reply, answer) = oneshot::channel();
        let job = Job::Append(Box::new(append), Reply::Task(reply));
        self.inner.push(job, bytes, Terms::Bounded)?;
        let written = answer.await.unwrap_or_else(|_| Err(writer_is_gone()))?;
        Ok(written.appended)
    }

    /// Notes something that somebody did and that is no record of the ledger.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let bytes = SMALL_JOB_BYTES + entry.bytes();
        self.inner.push(Job::Audit(Box::new(entry), Reply::Task(reply)), bytes, Terms::Bounded)?;
        answer.await.unwrap_or_else(|_| Err(writer_is_gone()))
    }

    /// As [`Store::append`], for threads of our own. A tick whose deadline the ledger has already
    /// reached is dropped and answers with the head.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_blocking(&self, append: Append) -> Result<Appended, StoreError> {
        let append = Box::new(PreparedAppend::new(append, &self.inner.eye, &self.inner.hasher)?);
        let bytes = append.bytes();
        let written = self.inner.ask(bytes, Terms::Bounded, |reply| Job::Append(append, reply))?;
        Ok(written.appended)
    }

    /// Keeps a body that could not be used, within bounds; returns its id.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn quarantine(&self, quarantine: Quarantine) -> Result<String, StoreError> {
        let bytes = SMALL_JOB_BYTES + quarantine.bytes.len() + quarantine.problem.len();
        let (reply, answer) = oneshot::channel();
        self.inner.push(Job::Quarantine(quarantine, Reply::Task(reply)), bytes, Terms::Bounded)?;
        let number = answer.await.unwrap_or_else(|_| Err(writer_is_gone()))?;
        Ok(format!("q{number}"))
    }

    /// Commits the engine's effects and its cursor in one transaction.
    ///
    /// # Errors
    /// When nothing of it was committed.
    pub fn commit(&self, commit: impl Borrow<EngineCommit>) -> Result<(), StoreError> {
        let commit = commit.borrow();
        let finals = self.finals(commit)?;
        let rewriting = match commit.taken_back.as_slice() {
            [] => None,
            _ => self.inner.read(|connection| Rewriting::find(connection, commit))?,
        };
        let mut shelf = lock(&self.inner.shelf);
        let result = PreparedCommit::new(commit, &mut shelf).and_then(|commit| {
            self.store_prepared(commit.with_finals(finals).with_rewriting(rewriting))
        });
        match &result {
            Ok(()) => shelf.keep(),
            Err(_) => shelf.undo(),
        }
        result
    }

    /// Has a commit stored: a snapshot piece by piece ahead of it, and what then counts for nothing
    /// swept away behind it.
    fn store_prepared(&self, mut commit: PreparedCommit) -> Result<(), StoreError> {
        let has_snapshot = commit.has_snapshot();
        if has_snapshot && self.inner.read(snapshots::newest_seq)? == Some(commit.cursor) {
            // Of the same record, so of the same state: its pieces must not be mixed with others.
            commit.without_snapshot();
        }
        for piece in commit.take_pieces() {
            let bytes = SMALL_JOB_BYTES + piece.bytes();
            self.inner.ask(bytes, Terms::Free, |reply| Job::Piece(Box::new(piece), reply))?;
        }
        let is_caught_up = *self.head().borrow() == commit.cursor;
        let terms = if is_caught_up && !has_snapshot { Terms::Patient } else { Terms::Free };
        let bytes = SMALL_JOB_BYTES + commit.bytes();
        self.inner.ask(bytes, terms, |reply| Job::Commit(Box::new(commit), reply))?;
        // What cannot be swept now is swept with the next one.
        while has_snapshot
            && self.inner.ask(SMALL_JOB_BYTES, Terms::Free, Job::Sweep).is_ok_and(|left| left > 0)
        {
        }
        Ok(())
    }

    /// What is kept of the drafts that a commit makes final, while the writer goes on.
    fn finals(&self, commit: &EngineCommit) -> Result<Vec<Final>, StoreError> {
        let mut reviewed = engine::reviewed_now(commit).peekable();
        if reviewed.peek().is_none() {
            return Ok(Vec::new());
        }
        let facts: Vec<Facts> = self.inner.read(|connection| {
            reviewed.map(|incident| incidents::facts_after(connection, commit, incident)).collect()
        })?;
        let printer = self.inner.shared.printer.get().map(AsRef::as_ref);
        facts.into_iter().map(|facts| Final::of(facts, printer)).collect()
    }

    /// Says who prints drafts that become final. The first word holds.
    pub fn print_with(&self, printer: Arc<dyn Printer>) {
        self.inner.shared.printer.get_or_init(|| printer);
    }

    /// Prints the next final draft behind a number of which no document is kept, as it is after
    /// words were taken back; tells which, and `None` when there is none, or nobody prints.
    ///
    /// # Errors
    /// When it cannot be read, or was not stored.
    pub fn print_next(&self, after: IncidentId) -> Result<Option<IncidentId>, StoreError> {
        let Some(printer) = self.inner.shared.printer.get() else { return Ok(None) };
        let found = self.inner.read(|connection| printed::without_documents(connection, after))?;
        let Some((incident, facts)) = found else { return Ok(None) };
        let kept = Final::anew(incident, facts, printer.as_ref())?;
        let bytes = SMALL_JOB_BYTES + kept.bytes();
        self.inner.ask(bytes, Terms::Free, |reply| Job::Print(Box::new(kept), reply))?;
        Ok(Some(incident))
    }

    /// Writes a sign of life, outside the ledger.
    ///
    /// # Errors
    /// When it was not written.
    pub fn note_sign_of_life(&self, sign: SignOfLife) -> Result<(), StoreError> {
        self.inner.ask(SMALL_JOB_BYTES, Terms::Free, |reply| Job::Sign(sign, reply))
    }

    /// Drops raw bodies that are older than `raw_before` and ledger, incidents and episodes that
    /// ended before `before`, a bounded piece at a time; returns true when more is left.
    ///
    /// # Errors
    /// When nothing was dropped.
    pub fn retain(
        &self,
        raw_before: Option<Timestamp>,
        before: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let plan = self.inner.read(|connection| retention::plan(connection, raw_before, before))?;
        if plan.is_empty() {
            return Ok(false);
        }
        let has_more = plan.has_more;
        let mut plan = Box::new(plan);
        let hold = self.inner.holding.take_within(HOLD_WAIT_MAX);
        if hold.is_none() {
            plan.leave_rows();
        }
        self.inner.ask(SMALL_JOB_BYTES, Terms::Free, |reply| Job::Retain(plan, reply))?;
        Ok(has_more)
    }

    /// Keeps retention from the rows of what is over while the engine works on some that it looked
    /// up: until what came of it is committed. Waits while retention drops a piece.
    pub fn hold_rows(&self) -> Hold {
        self.inner.holding.take()
    }

    /// Takes nothing more, commits what waits, checkpoints, and ends the writer. Blocks until that
    /// is done. Reads still work afterwards.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// How long retention waits for the engine to commit what it works on; else rows go next time.
const HOLD_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(1);

/// Locks, also after a panic elsewhere: what our locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
