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
//! | `schema` | folder, file, migrations |
//! | `inner`, `queue`, `job`, `writer` | the way of a write |
//! | `ledger`, `ledger_form`, `intern`, `door` | appending, and reading back |
//! | `deliveries`, `incidents`, `episodes`, `texts`, `changes`, `engine`, `audit` | one file for each group of tables |
//! | `readers`, `paging` | the way of a read |
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
mod paging;
mod printed;
mod queue;
mod readers;
mod rebuilt;
mod redact;
mod retention;
mod rows;
mod schema;
mod texts;
mod types;
mod writer;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

pub use audit::{AuditEntry, AuditFilter, AuditRow};
pub use backup::{Restored, back_up, restore};
pub use check::{Archive, Depth, Faults, Holdings};
pub use error::StoreError;
pub use grouping::Grouping;
pub use holding::Hold;
pub use inflight::InFlight;
pub use printed::{Printed, Printer};
pub use rebuilt::{Comparison, Rebuilt, Scope, compare};
pub use types::{
    Append, Appended, ChangeFilter, DeliveryRow, DoorCounts, EngineCommit, EpisodeFilter,
    HeartbeatRow, IncidentFilter, Page, PageRequest, Quarantine, QuarantineRow, Quarantined,
    RawDelivery, RefusedAlert, RuleEpoch, SignOfLife, Snapshot, SourceRow, StoreCounts,
    StoreOptions,
};

use self::inner::{Inner, writer_is_gone};
use self::job::{Job, Reply};
use self::ledger::PreparedAppend;
use self::queue::Bounds;
use crate::clock::Clock;
use crate::domain::record::{Outcome, Skip};
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Explanation, Facts, Incident, IncidentId, Name,
    Record, Seq, Timestamp, Topology,
};
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
        let append = Box::new(PreparedAppend::new(append, &self.inner.eye, &self.inner.hasher)?);
        let bytes = append.bytes();
        let (reply, answer) = oneshot::channel();
        self.inner.push(Job::Append(append, Reply::Task(reply)), bytes, Bounds::Hold)?;
        answer.await.unwrap_or_else(|_| Err(writer_is_gone()))
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
        let append = append.audited(entry);
        let bytes = append.bytes();
        let (reply, answer) = oneshot::channel();
        let job = Job::Append(Box::new(append), Reply::Task(reply));
        self.inner.push(job, bytes, Bounds::Hold)?;
        answer.await.unwrap_or_else(|_| Err(writer_is_gone()))
    }

    /// Notes something that somebody did and that is no record of the ledger.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let bytes = SMALL_JOB_BYTES + entry.bytes();
        self.inner.push(Job::Audit(Box::new(entry), Reply::Task(reply)), bytes, Bounds::Hold)?;
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
        self.inner.ask(bytes, Bounds::Hold, |reply| Job::Append(append, reply))
    }

    /// Keeps a body that could not be used, within bounds; returns its id.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn quarantine(&self, quarantine: Quarantine) -> Result<String, StoreError> {
        let bytes = SMALL_JOB_BYTES + quarantine.bytes.len() + quarantine.problem.len();
        let (reply, answer) = oneshot::channel();
        self.inner.push(Job::Quarantine(quarantine, Reply::Task(reply)), bytes, Bounds::Hold)?;
        let number = answer.await.unwrap_or_else(|_| Err(writer_is_gone()))?;
        Ok(format!("q{number}"))
    }

    /// Commits the engine's effects and its cursor in one transaction.
    ///
    /// # Errors
    /// When nothing of it was committed.
    pub fn commit(&self, commit: impl Borrow<EngineCommit>) -> Result<(), StoreError> {
        let mut shelf = lock(&self.inner.shelf);
        let result = engine::PreparedCommit::new(commit.borrow(), &mut shelf).and_then(|commit| {
            let bytes = SMALL_JOB_BYTES + commit.bytes();
            self.inner.ask(bytes, Bounds::Pass, |reply| Job::Commit(Box::new(commit), reply))
        });
        match &result {
            Ok(()) => shelf.keep(),
            Err(_) => shelf.undo(),
        }
        result
    }

    /// The head of the ledger, live.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Seq> {
        self.inner.shared.head_seq.subscribe()
    }

    /// The engine's cursor, live.
    #[must_use]
    pub fn cursor(&self) -> watch::Receiver<Seq> {
        self.inner.shared.cursor.subscribe()
    }

    /// How many records the engine has not worked in.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let (head, cursor) =
            (self.inner.shared.head_seq.borrow().0, self.inner.shared.cursor.borrow().0);
        head.saturating_sub(cursor)
    }

    /// Records after a place, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_after(&self, seq: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.inner.read(|connection| ledger::after(connection, &self.inner.texts, seq, limit))
    }

    /// All skip records of the ledger, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn skips(&self) -> Result<Vec<Skip>, StoreError> {
        self.inner.read(ledger::skips)
    }

    /// Record time of the head.
    #[must_use]
    pub fn last_record_time(&self) -> Option<Timestamp> {
        self.inner.shared.head.borrow().record_time
    }

    /// Record time of the oldest record that is kept, for a limit on the size that drops the
    /// oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn oldest_record_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.read(ledger::oldest)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.inner.read(engine::snapshot)
    }

    /// What was recalled for records after a place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recalls_after(&self, seq: Seq) -> Result<Vec<(Seq, Vec<u8>)>, StoreError> {
        self.inner.read(|connection| engine::recalls_after(connection, seq))
    }

    /// The last sign of life of the process before this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sign_of_life(&self) -> Result<Option<SignOfLife>, StoreError> {
        Ok(self.inner.sign_of_life)
    }

    /// Writes a sign of life, outside the ledger.
    ///
    /// # Errors
    /// When it was not written.
    pub fn note_sign_of_life(&self, sign: SignOfLife) -> Result<(), StoreError> {
        self.inner.ask(SMALL_JOB_BYTES, Bounds::Pass, |reply| Job::Sign(sign, reply))
    }

    /// What became of an operation; `None` while it is not worked in, or long after.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outcome(&self, seq: Seq) -> Result<Option<Outcome>, StoreError> {
        self.inner.read(|connection| engine::outcome(connection, seq))
    }

    /// One incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.inner.read(|connection| incidents::get(connection, id))
    }

    /// One incident with everything it refers to, read in one transaction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        self.inner.read(|connection| incidents::facts(connection, id))
    }

    /// The facts that people had reviewed when they last called the incident's draft final.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reviewed(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        self.inner.read(|connection| incidents::reviewed(connection, id))
    }

    /// Says who prints drafts that become final. The first word holds.
    pub fn print_with(&self, printer: Arc<dyn Printer>) {
        self.inner.shared.printer.get_or_init(|| printer);
    }

    /// A document of a final draft as it was printed then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn printed(
        &self,
        id: IncidentId,
        format: &str,
        template: &str,
    ) -> Result<Option<Printed>, StoreError> {
        self.inner.read(|connection| printed::get(connection, id, format, template))
    }

    /// Incidents, newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not one of ours.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        page: &PageRequest,
    ) -> Result<Page<Incident>, StoreError> {
        paging::fill(
            page,
            |place, limit| {
                self.inner.read(|connection| incidents::list(connection, filter, place, limit))
            },
            |incident| {
                if filter.matchers.is_empty() {
                    return Ok(true);
                }
                self.inner.read(|connection| {
                    episodes::any_member_matches(connection, incident.id, &filter.matchers)
                })
            },
        )
    }

    /// Incidents that were written with a cursor after this place, the last written `limit` of
    /// them, with that cursor; the first written first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incidents_changed_after(
        &self,
        seq: Seq,
        limit: usize,
    ) -> Result<Vec<(Seq, IncidentId)>, StoreError> {
        self.inner.read(|connection| incidents::changed_after(connection, seq, limit))
    }

    /// One episode.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
        self.inner.read(|connection| episodes::get(connection, id))
    }

    /// How an episode was weighed for the place it has; empty where nothing was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn explanation(&self, id: EpisodeId) -> Result<Explanation, StoreError> {
        self.inner.read(|connection| episodes::explanation(connection, id))
    }

    /// Episodes, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn episodes(
        &self,
        filter: &EpisodeFilter,
        page: &PageRequest,
    ) -> Result<Page<Episode>, StoreError> {
        paging::fill(
            page,
            |place, limit| {
                self.inner.read(|connection| episodes::list(connection, filter, place, limit))
            },
            |episode| Ok(filter.matchers.iter().all(|matcher| matcher.matches(&episode.labels))),
        )
    }

    /// All members of an incident, by start and id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn members(&self, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
        self.inner.read(|connection| episodes::members(connection, id))
    }

    /// The newest episodes of an alert, newest start first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episodes_of_alert(
        &self,
        key: &AlertKey,
        limit: usize,
    ) -> Result<Vec<Episode>, StoreError> {
        self.inner.read(|connection| episodes::of_alert(connection, key, limit))
    }

    /// One change.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError> {
        self.inner.read(|connection| changes::get(connection, id))
    }

    /// The change that a source told under a key of its own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change_by_key(&self, source: &Name, key: &str) -> Result<Option<Change>, StoreError> {
        self.inner.read(|connection| changes::by_key(connection, source, key))
    }

    /// Changes, newest first by the moment at which they happened.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn changes(
        &self,
        filter: &ChangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Change>, StoreError> {
        self.list(page, |connection, place, limit| changes::list(connection, filter, place, limit))
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn deliveries(&self, page: &PageRequest) -> Result<Page<DeliveryRow>, StoreError> {
        self.list(page, deliveries::list)
    }

    /// The raw body of a delivery, while it is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn raw(&self, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(|connection| deliveries::raw(connection, seq))
    }

    /// The quarantine, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn quarantined(&self, page: &PageRequest) -> Result<Page<QuarantineRow>, StoreError> {
        self.list(page, deliveries::quarantined)
    }

    /// One row of the quarantine, with the body that it is about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn quarantined_one(&self, number: u64) -> Result<Option<Quarantined>, StoreError> {
        self.inner.read(|connection| deliveries::quarantined_one(connection, number))
    }

    /// What people and administrators did, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn audited(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        self.list(page, |connection, place, limit| audit::list(connection, filter, place, limit))
    }

    /// The service graph as last set.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn topology(&self) -> Result<Option<Topology>, StoreError> {
        self.inner.read(engine::topology)
    }

    /// Heartbeats as they stand.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heartbeats(&self) -> Result<Vec<HeartbeatRow>, StoreError> {
        self.inner.read(engine::heartbeats)
    }

    /// Sources with their last word.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.inner.read(deliveries::sources)
    }

    /// How many incidents are in each state, and how many firing episodes float.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<StoreCounts, StoreError> {
        self.inner.read(|connection| {
            Ok(StoreCounts {
                incidents: incidents::count_by_state(connection)?,
                floating: episodes::count_floating(connection)?,
            })
        })
    }

    /// Size of the store's files, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        files::size(&self.inner.shared.path)
    }

    /// True when the last write succeeded and the writer lives.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.inner.shared.is_writable.load(Ordering::Acquire)
    }

    /// Why the last write failed, for people; `None` while writes succeed.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.is_writable() {
            return None;
        }
        let reason = lock(&self.inner.shared.refusal).clone();
        Some(reason.unwrap_or_else(|| "its writer has ended; restart scribed".to_owned()))
    }

    /// The rules by which the engine works this store's records in; `None` before it ever did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_version(&self) -> Result<Option<u32>, StoreError> {
        let epochs = self.inner.read(engine::rule_epochs)?;
        Ok(epochs.last().map(|epoch| epoch.version))
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
        self.inner.ask(SMALL_JOB_BYTES, Bounds::Pass, |reply| Job::Retain(plan, reply))?;
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

    /// A list that SQL can filter alone.
    fn list<T>(
        &self,
        page: &PageRequest,
        rows: impl Fn(
            &rusqlite::Connection,
            paging::Place,
            usize,
        ) -> Result<Vec<(paging::Place, T)>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        paging::fill(
            page,
            |place, limit| self.inner.read(|connection| rows(connection, place, limit)),
            |_| Ok(true),
        )
    }
}

/// How long retention waits for the engine to commit what it works on; else rows go next time.
const HOLD_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(1);

/// Locks, also after a panic elsewhere: what our locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
