//! The writer: the one thread that writes.
//!
//! It takes whatever waits, does it in one transaction, and answers everyone after the commit. It
//! never lingers for more (but see `queue` about patient jobs): under load the next batch gathers
//! while this one syncs. A job that fails
//! takes nobody with it: its batch is undone and done again, each job in a savepoint of its own,
//! which is dear and therefore not the usual way. When the transaction itself fails, nobody is told
//! yes, and the writer's own memory goes back with the database.

mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rusqlite::Connection;
use tokio::sync::watch;

use super::deliveries::{self, Heard};
use super::door::Door;
use super::error::Trying;
use super::intern::{self, Interner};
use super::job::{Done, Job};
use super::ledger::{self, Appender, Head};
use super::place::Place;
use super::printed::Printer;
use super::queue::Queue;
use super::schema::FolderLock;
use super::text_cache::TextCache;
use super::{StoreError, engine, files, lock, raw_bodies, redact};
use crate::clock::Clock;
use crate::domain::{Seq, Span};
use crate::metrics::Metrics;
use work::Work;

/// Most jobs in one transaction: enough that the sync is shared, and few enough that an answer
/// does not wait long for others.
const BATCH_JOBS_MAX: usize = 512;
/// Most bytes in one transaction, for the same reason. A larger job goes alone.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// How long the measured size of the files stands.
const SIZE_STANDS: Span = Span::from_seconds(5);

/// What the writer shares with everyone.
#[derive(Debug)]
pub(super) struct Shared {
    /// Jobs that wait.
    pub(super) queue: Queue<Job>,
    /// Where the ledger stands, after the commit.
    pub(super) head: watch::Sender<Head>,
    /// The same without the record time, for those who only watch the number.
    pub(super) head_seq: watch::Sender<Seq>,
    /// How far the engine is, after the commit.
    pub(super) cursor: watch::Sender<Seq>,
    /// The cursor of the last commit that took words back, since the start.
    pub(super) taken_back: AtomicU64,
    /// True when the last write succeeded and the writer lives.
    pub(super) is_writable: AtomicBool,
    /// Why the last write failed, if it did.
    pub(super) refusal: Mutex<Option<String>>,
    /// Interned texts that readers need.
    pub(super) texts: TextCache,
    /// Prints what becomes final.
    pub(super) printer: OnceLock<Arc<dyn Printer>>,
    /// See [`Clock`].
    pub(super) clock: Clock,
    /// See [`Metrics`].
    pub(super) metrics: Metrics,
    /// The database file.
    pub(super) path: PathBuf,
}

/// See the module.
pub(super) struct Writer {
    shared: Arc<Shared>,
    connection: Connection,
    memory: Memory,
    /// Where the next start will look for what we write.
    place: Place,
    /// When the files are to be measured again, on the monotonic clock.
    measure_at: Span,
    /// Set while the files may still hold what somebody took back.
    must_wipe: bool,
    /// Released last, after the connection is closed.
    _folder: FolderLock,
}

/// What the writer knows of the database without asking it.
struct Memory {
    counters: Counters,
    texts: Interner,
    door: Door,
    heard: Heard,
    raws: raw_bodies::Gathered,
}

/// The part of the memory that is put back by copying.
#[derive(Clone, Copy)]
struct Counters {
    head: Head,
    cursor: Seq,
    taken_back: Seq,
    /// Bodies in quarantine, never less than they are.
    quarantined_bytes: u64,
}

/// A moment of the memory to go back to.
struct Mark {
    counters: Counters,
    texts: intern::Mark,
    door: usize,
    heard: usize,
    raws: usize,
}

impl Memory {
    fn mark(&self) -> Mark {
        Mark {
            counters: self.counters,
            texts: self.texts.mark(),
            door: self.door.mark(),
            heard: self.heard.mark(),
            raws: self.raws.mark(),
        }
    }

    fn roll_back(&mut self, mark: &Mark) {
        self.counters = mark.counters;
        self.texts.roll_back(mark.texts);
        self.door.roll_back(mark.door);
        self.heard.roll_back(mark.heard);
        self.raws.roll_back(mark.raws);
    }
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: Connection,
        door: Door,
        folder: FolderLock,
    ) -> Result<Self, StoreError> {
        let counters = Counters {
            head: ledger::head(&connection)?,
            cursor: engine::cursor(&connection)?,
            taken_back: Seq::default(),
            quarantined_bytes: deliveries::quarantined_bytes(&connection)?,
        };
        let texts = Interner::open(&connection)?;
        let place = Place::of(&shared.path);
        let (heard, raws) = (Heard::default(), raw_bodies::Gathered::default());
        let memory = Memory { counters, texts, door, heard, raws };
        let writer = Self {
            shared,
            connection,
            memory,
            place,
            measure_at: Span::ZERO,
            must_wipe: false,
            _folder: folder,
        };
        writer.publish();
        Ok(writer)
    }

    /// Works until the queue is closed and empty, then leaves a tidy database behind.
    pub(super) fn run(mut self) {
        // Also on a panic: whoever waits is answered by its reply being dropped, and nobody can
        // queue for a writer that is gone.
        let shared = Arc::clone(&self.shared);
        let _end = OnEnd(&shared);
        while let Some(batch) = self.shared.queue.take(BATCH_JOBS_MAX, BATCH_BYTES_MAX) {
            self.work(batch);
        }
        self.checkpoint();
    }

    fn work(&mut self, batch: Vec<Job>) {
        let shared = Arc::clone(&self.shared);
        let started = shared.clock.monotonic();
        shared.metrics.store_queue_depth.set(shared.queue.depth().try_into().unwrap_or(i64::MAX));
        let before = self.memory.mark();
        match self.place.check().and_then(|()| self.transact(&batch, &before)) {
            Ok(results) => {
                self.place.note_new();
                self.memory.door.keep();
                // Before the head is told, at which the engine begins to read.
                shared.texts.learn(self.memory.texts.take_fresh());
                let records = self.memory.counters.head.seq.0 - before.counters.head.seq.0;
                if records > 0 {
                    #[expect(clippy::cast_precision_loss, reason = "at most 512 records")]
                    shared.metrics.store_batch.observe(records as f64);
                }
                // Before anybody is told that it is gone.
                if self.must_wipe {
                    self.must_wipe = !self.wipe();
                }
                let now = shared.clock.monotonic();
                let took = Span::from_nanos(now.nanos() - started.nanos());
                shared.metrics.store_commit.observe(took.seconds_f64());
                self.publish();
                if !shared.is_writable.swap(true, Ordering::AcqRel) {
                    *lock(&shared.refusal) = None;
                    tracing::info!("The store can be written again");
                }
                batch.into_iter().zip(results).for_each(|(job, result)| job.answer(result));
            }
            Err(error) => {
                self.memory.roll_back(&before);
                shared.metrics.store_errors.with_label_values(&["commit"]).inc();
                *lock(&shared.refusal) = Some(error.reason().to_owned());
                // Told once: on a full disk every delivery fails, and the log may be on it too.
                if shared.is_writable.swap(false, Ordering::AcqRel) {
                    tracing::error!(
                        error = %error, jobs = batch.len(),
                        "The store cannot be written; senders are told to try again until it can"
                    );
                }
                batch.into_iter().for_each(|job| job.refuse(error.reason()));
            }
        }
        self.measure();
    }

    /// Does all jobs in one transaction, and says what came of each. On an error nothing of it is
    /// kept.
    fn transact(
        &mut self,
        batch: &[Job],
        before: &Mark,
    ) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
        let together = self.within_transaction(|work| work.do_together(batch))?;
        if let Some(results) = together {
            return Ok(results);
        }
        self.memory.roll_back(before);
        self.within_transaction(|work| {
            batch.iter().map(|job| work.attempt(job)).collect::<Result<Vec<_>, _>>().map(Some)
        })
        .map(Option::unwrap_or_default)
    }

    /// Does some work in one transaction. It is undone when it fails, and when it comes to nothing.
    fn within_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Work<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let result = statement(&self.connection, "BEGIN IMMEDIATE").and_then(|()| {
            let done = work(&mut Work {
                shared: &self.shared,
                connection: &self.connection,
                appender: Appender::prepare(&self.connection)?,
                memory: &mut self.memory,
                must_wipe: &mut self.must_wipe,
            })?;
            if done.is_some() {
                self.memory.heard.store(&self.connection)?;
                self.memory.raws.store(&self.connection)?;
                statement(&self.connection, "COMMIT")?;
            }
            Ok(done)
        });
        if !matches!(result, Ok(Some(_)))
            && !self.connection.is_autocommit()
            && let Err(error) = statement(&self.connection, "ROLLBACK")
        {
            tracing::error!(error = %error, "The store could not roll back");
        }
        result
    }

    /// Tells everyone where the ledger and the engine stand. The record time and what was taken
    /// back go first, so that whoever is woken by the numbers finds them.
    fn publish(&self) {
        let Counters { head, cursor, taken_back, .. } = self.memory.counters;
        self.shared.taken_back.store(taken_back.0, Ordering::Release);
        self.shared.head.send_replace(head);
        self.shared.head_seq.send_if_modified(|seq| std::mem::replace(seq, head.seq) != head.seq);
        self.shared.cursor.send_if_modified(|seq| std::mem::replace(seq, cursor) != cursor);
        let gauge = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
        self.shared.metrics.ledger_head.set(gauge(head.seq));
        self.shared.metrics.engine_cursor.set(gauge(cursor));
    }

    fn measure(&mut self) {
        let now = self.shared.clock.monotonic();
        if now >= self.measure_at {
            let bytes = files::size(&self.shared.path);
            self.shared.metrics.store_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            self.measure_at = Span::from_nanos(now.nanos().saturating_add(SIZE_STANDS.nanos()));
        }
    }

    /// Takes what was deleted out of the files. False when readers were in the way; the next batch
    /// tries again.
    fn wipe(&self) -> bool {
        let emptied = redact::wipe(&self.connection).and_then(|()| {
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
                .trying("emptying the write-ahead log")
        });
        match emptied {
            Ok(is_busy) => is_busy == 0,
            Err(error) => {
                self.shared.metrics.store_errors.with_label_values(&["checkpoint"]).inc();
                tracing::warn!(
                    error = %error,
                    "What was redacted may still stand in free space of the files; trying again"
                );
                false
            }
        }
    }

    /// Moves the write-ahead log into the database, so that the next start has nothing to recover.
    fn checkpoint(&self) {
        let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = done {
            self.shared.metrics.store_errors.with_label_values(&["checkpoint"]).inc();
            tracing::warn!(
                error = %error,
                "The store could not empty its write-ahead log; the next start will"
            );
        }
    }
}

/// Says that the writer is gone, however it went.
struct OnEnd<'a>(&'a Shared);

impl Drop for OnEnd<'_> {
    fn drop(&mut self) {
        self.0.is_writable.store(false, Ordering::Release);
        self.0.queue.abandon();
    }
}

fn statement(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .trying("writing to the database")
        .map(drop)
}
