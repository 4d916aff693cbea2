//! What all handles of one store share: the way to the writer and to the readers, and the end of
//! both.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::door::{Door, Eye};
use super::error::Trying;
use super::holding::Holding;
use super::intern::TextHasher;
use super::job::{Job, Reply};
use super::ledger::Head;
use super::queue::{Queue, Terms};
use super::readers::Readers;
use super::soundness::Looked;
use super::text_cache::TextCache;
use super::texts::Shelf;
use super::types::{SignOfLife, StoreOptions};
use super::writer::{Shared, Writer};
use super::{StoreError, engine, inflight, lock, schema};
use crate::clock::Clock;
use crate::domain::Seq;
use crate::metrics::Metrics;

/// See the module.
#[derive(Debug)]
pub(super) struct Inner {
    /// Shared with the writer.
    pub(super) shared: Arc<Shared>,
    /// Connections that can only read.
    pub(super) readers: Readers,
    /// What the engine's commits have named lately.
    pub(super) shelf: Mutex<Shelf>,
    /// Makes the door's sightings.
    pub(super) eye: Eye,
    /// Makes the hashes of texts.
    pub(super) hasher: TextHasher,
    /// Whose turn it is with the rows of what is over.
    pub(super) holding: Arc<Holding>,
    /// Requests that may still append.
    pub(super) in_flight: inflight::Registry,
    /// As it stood when we opened.
    pub(super) sign_of_life: Option<SignOfLife>,
    /// How much of the file was looked at for damage when we opened.
    pub(super) looked: Looked,
    /// The writer, until it is joined.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    /// See [`Store::open`](super::Store::open).
    pub(super) fn open(
        options: StoreOptions,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let folder = schema::lock_folder(&options.path)?;
        let (connection, looked) = schema::open_writer(&options.path)?;
        let sign_of_life = engine::sign_of_life(&connection)?;
        let eye = Eye::default();
        let door = Door::open(&connection, &eye)?;
        let capacity = i64::try_from(options.queue_capacity).unwrap_or(i64::MAX);
        metrics.store_queue_capacity.set(capacity);
        let path = schema::database_path(&options.path);
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_capacity, options.queue_bytes),
            head: watch::Sender::new(Head::default()),
            head_seq: watch::Sender::new(Seq::default()),
            cursor: watch::Sender::new(Seq::default()),
            taken_back: AtomicU64::default(),
            is_writable: AtomicBool::new(true),
            refusal: Mutex::new(None),
            texts: TextCache::default(),
            printer: OnceLock::new(),
            clock,
            metrics,
            path: path.clone(),
        });
        let shelf = Shelf::open(&connection)?;
        let writer = Writer::new(Arc::clone(&shared), connection, door, folder)?;
        let readers = Readers::open(path)?;
        let thread = std::thread::Builder::new()
            .name("scribed-writer".to_owned())
            .spawn(move || writer.run())
            .trying("starting the writer's thread")?;
        Ok(Self {
            shared,
            readers,
            shelf: Mutex::new(shelf),
            eye,
            hasher: TextHasher::default(),
            holding: Arc::default(),
            in_flight: inflight::Registry::default(),
            sign_of_life,
            looked,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs a read in one transaction and counts its failure.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers
            .read(work)
            .inspect_err(|_| self.shared.metrics.store_errors.with_label_values(&["read"]).inc())
    }

    /// Queues a job.
    pub(super) fn push(&self, job: Job, bytes: usize, terms: Terms) -> Result<(), StoreError> {
        let depth = self.shared.queue.push(job, bytes, terms)?;
        self.shared.metrics.store_queue_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Queues a job and blocks until it is answered.
    pub(super) fn ask<T>(
        &self,
        bytes: usize,
        terms: Terms,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.push(job(Reply::Thread(reply)), bytes, terms)?;
        answer.recv().unwrap_or_else(|_| Err(writer_is_gone()))
    }

    /// See [`Store::close`](super::Store::close).
    pub(super) fn close(&self) {
        self.shared.queue.close();
        // Held while joining, so that whoever closes second waits as well.
        let mut thread = lock(&self.thread);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "The store's writer ended by a fault; the database is as last committed"
            );
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// The answer when nobody is left to give one.
pub(super) fn writer_is_gone() -> StoreError {
    StoreError::Unavailable("its writer has ended; restart scribed".to_owned())
}
