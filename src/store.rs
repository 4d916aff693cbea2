//! The store: the only room that knows SQL.
//!
//! One writer thread owns the only writing connection and commits whatever waits in one
//! transaction (group commit); a small pool of read-only connections serves everyone else. Nobody
//! is told "yes" before the commit. Callers: `http` (append, reads), `engine` (ledger, commit).

use crate::domain::facts::Revision;
use crate::domain::record::Outcome;
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Facts, Incident, IncidentId, Matcher, Name,
    Record, RecordBody, Seq, Severity, Timestamp, Topology,
};

/// Handle to the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue is full, the disk refuses, or we are shutting down: try again later.
    #[error("the store cannot take it now: {0}")]
    Unavailable(String),
    /// Anything else, which a retry will not mend.
    #[error("{0}")]
    Broken(String),
}

/// Where the store lives and how much it may queue.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The folder; made if it is missing.
    pub path: std::path::PathBuf,
    /// How many appends may wait for the writer.
    pub queue_capacity: usize,
    /// How many bytes of bodies may wait for the writer.
    pub queue_bytes: usize,
}

/// Something to append to the ledger.
#[derive(Clone, Debug)]
pub struct Append {
    /// What it says.
    pub body: RecordBody,
    /// When it was received, or the original time that a replay states; `None` for the program's
    /// own records, and for a tick the deadline (see [`Append::tick`]).
    pub received_at: Option<Timestamp>,
    /// The true receipt, kept beside a stated one.
    pub true_received_at: Timestamp,
    /// The raw body and what came of it at the door; `None` for what is no delivery.
    pub raw: Option<RawDelivery>,
}

/// A body as it came in.
#[derive(Clone, Debug)]
pub struct RawDelivery {
    /// The bytes.
    pub bytes: bytes::Bytes,
    /// The content type as sent.
    pub content_type: String,
    /// Who sent it: address and port.
    pub remote: String,
    /// Alerts of the body that could not be used, with the reason, for quarantine.
    pub refused: Vec<RefusedAlert>,
}

/// One alert of a body that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAlert {
    /// Its place in the body, from 0.
    pub index: usize,
    /// Why, for people.
    pub problem: String,
}

/// What the door says of an appended delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorCounts {
    /// Firings not seen lately.
    pub new: u64,
    /// Known firings whose state changed.
    pub updated: u64,
    /// The same state again.
    pub repeated: u64,
}

/// Where an append landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the ledger. The id of a delivery is `d` and this number.
    pub seq: Seq,
    /// Counts as known at the door.
    pub counts: DoorCounts,
}

/// What the engine commits after one or more records.
#[derive(Clone, Debug, Default)]
pub struct EngineCommit {
    /// Everything up to here is worked in.
    pub cursor: Seq,
    /// Rows to write, the newest state of each thing once.
    pub episodes: Vec<Episode>,
    /// See `episodes`.
    pub incidents: Vec<Incident>,
    /// See `episodes`.
    pub changes: Vec<Change>,
    /// Revisions that came to be.
    pub revisions: Vec<(IncidentId, Revision)>,
    /// What became of operations.
    pub outcomes: Vec<(Seq, Outcome)>,
    /// What was recalled from the store for each record, so that a restart before the next
    /// snapshot recalls the same (serialised by the engine).
    pub recalls: Vec<(Seq, Vec<u8>)>,
    /// The machine's state at `cursor`, when it is time for one; recalls up to here are dropped.
    pub snapshot: Option<Vec<u8>>,
    /// Heartbeats as they stand: name, last word, deadline.
    pub heartbeats: Option<Vec<HeartbeatRow>>,
    /// The service graph, when it changed.
    pub topology: Option<Topology>,
}

/// A heartbeat as it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeartbeatRow {
    /// Its name.
    pub name: Name,
    /// The alert that beats.
    pub episode: EpisodeId,
    /// Its last word, in record time.
    pub last_word_at: Timestamp,
    /// When it is missed; `None` until armed.
    pub deadline: Option<Timestamp>,
    /// True when it was missed and has not come back.
    pub is_missed: bool,
}

/// Which incidents to list; everything `None` or empty lists all but merged ones.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// States to keep, as API words; empty keeps all but `merged`.
    pub states: Vec<String>,
    /// Severities to keep; empty keeps all.
    pub severities: Vec<Severity>,
    /// Only with this service.
    pub service: Option<String>,
    /// Only those still running at or after this moment.
    pub since: Option<Timestamp>,
    /// Only those begun at or before this moment.
    pub until: Option<Timestamp>,
    /// Text in title, services or alert names, any case.
    pub text: Option<String>,
    /// All must match the labels of one member at least.
    pub matchers: Vec<Matcher>,
}

/// Which episodes to list; everything `None` or false lists all.
#[derive(Clone, Debug, Default)]
pub struct EpisodeFilter {
    /// Only members of this incident.
    pub incident: Option<IncidentId>,
    /// Only this fingerprint.
    pub fingerprint: Option<String>,
    /// Only those in no incident.
    pub floating: bool,
    /// Only those that fire.
    pub active: bool,
    /// All must match the labels.
    pub matchers: Vec<Matcher>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// Where a page begins and how long it may be.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// At most this many rows.
    pub limit: usize,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A delivery as listed.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its place in the ledger.
    pub seq: Seq,
    /// From whom.
    pub source: Name,
    /// Receipt, possibly stated.
    pub received_at: Timestamp,
    /// True receipt.
    pub true_received_at: Timestamp,
    /// How long the body was.
    pub bytes: u64,
    /// The content type as sent.
    pub content_type: String,
    /// Who sent it.
    pub remote: String,
    /// How many alerts were used.
    pub alerts: u64,
    /// How many were refused.
    pub rejected: u64,
    /// True when it was a sender's test of its settings.
    pub is_test: bool,
    /// Whether the raw body is still kept.
    pub has_raw: bool,
}

/// A body, or one alert of a body, that could not be used.
#[derive(Clone, Debug)]
pub struct QuarantineRow {
    /// Its number; the id is `q` and this.
    pub number: u64,
    /// From whom (the path's source).
    pub source: Name,
    /// When it came.
    pub received_at: Timestamp,
    /// Closed set for metrics: `not_json`, `wrong_shape`, `no_alert`, `alert`, ….
    pub reason: String,
    /// For people.
    pub problem: String,
    /// The delivery it was part of, when the rest was used.
    pub delivery: Option<Seq>,
    /// The alert's place in that body.
    pub index: Option<u64>,
    /// How long the body was.
    pub bytes: u64,
}

/// Filters and pages use these, the engine restores from them.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything up to here is in it.
    pub seq: Seq,
    /// As the engine wrote it.
    pub bytes: Vec<u8>,
}

/// The last sign of life: what the clock said, and what the machine's now was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// Wall clock.
    pub wall: Timestamp,
    /// The machine's now.
    pub machine: Option<Timestamp>,
}

/// A body that could not be used at all.
#[derive(Clone, Debug)]
pub struct Quarantine {
    /// From whom (the path's source).
    pub source: Name,
    /// When it came.
    pub received_at: Timestamp,
    /// Closed set, for metrics.
    pub reason: &'static str,
    /// For people.
    pub problem: String,
    /// The bytes.
    pub bytes: bytes::Bytes,
}

/// What the list of changes may be narrowed to.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Only of this service.
    pub service: Option<String>,
    /// Only at or after this moment.
    pub since: Option<Timestamp>,
    /// Only at or before this moment.
    pub until: Option<Timestamp>,
}

/// What a source last did.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Its name.
    pub name: Name,
    /// When it last delivered (receipt, possibly stated).
    pub last_delivery_at: Timestamp,
    /// How many deliveries are on record.
    pub deliveries: u64,
}

/// Keeps a request counted as in flight until it is dropped; see [`Store::receive`].
#[derive(Debug)]
pub struct InFlight {}

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    reason = "the signatures come first"
)]
impl Store {
    /// Opens or makes a store, brings its schema up to date, starts the writer thread.
    ///
    /// # Errors
    /// When the folder cannot be used, another process holds it, or the schema is newer than ours.
    pub fn open(
        options: StoreOptions,
        clock: crate::clock::Clock,
        metrics: crate::metrics::Metrics,
    ) -> Result<Self, StoreError> {
        todo!()
    }

    /// Says that a request was received at `at` (true time) and may still append; ticks for
    /// deadlines after `at` wait until the guard is dropped.
    pub fn receive(&self, at: Timestamp) -> InFlight {
        todo!()
    }

    /// Receipt of the oldest request that is still in flight.
    pub fn oldest_in_flight(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Appends a record; returns after the commit.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full, the disk refuses, or the store is closing.
    pub async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        todo!()
    }

    /// As [`Store::append`], for threads of our own. A tick whose deadline the ledger has already
    /// reached is dropped and answers with the head.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_blocking(&self, append: Append) -> Result<Appended, StoreError> {
        todo!()
    }

    /// Keeps a body that could not be used, within bounds; returns its id.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn quarantine(&self, quarantine: Quarantine) -> Result<String, StoreError> {
        todo!()
    }

    /// Commits the engine's effects and its cursor in one transaction.
    ///
    /// # Errors
    /// When nothing of it was committed.
    pub fn commit(&self, commit: EngineCommit) -> Result<(), StoreError> {
        todo!()
    }

    /// The head of the ledger, live.
    pub fn head(&self) -> tokio::sync::watch::Receiver<Seq> {
        todo!()
    }

    /// The engine's cursor, live.
    pub fn cursor(&self) -> tokio::sync::watch::Receiver<Seq> {
        todo!()
    }

    /// Records after a place, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_after(&self, seq: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        todo!()
    }

    /// All skip records of the ledger, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn skips(&self) -> Result<Vec<crate::domain::record::Skip>, StoreError> {
        todo!()
    }

    /// Record time of the head, and the wall time at which it was committed in this process.
    pub fn last_record_time(&self) -> Option<Timestamp> {
        todo!()
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        todo!()
    }

    /// What was recalled for records after a place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recalls_after(&self, seq: Seq) -> Result<Vec<(Seq, Vec<u8>)>, StoreError> {
        todo!()
    }

    /// The last sign of life of the process before this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sign_of_life(&self) -> Result<Option<SignOfLife>, StoreError> {
        todo!()
    }

    /// Writes a sign of life, outside the ledger.
    ///
    /// # Errors
    /// When it was not written.
    pub fn note_sign_of_life(&self, sign: SignOfLife) -> Result<(), StoreError> {
        todo!()
    }

    /// What became of an operation; `None` while it is not worked in, or long after.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outcome(&self, seq: Seq) -> Result<Option<Outcome>, StoreError> {
        todo!()
    }

    /// One incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        todo!()
    }

    /// One incident with everything it refers to, read in one transaction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        todo!()
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
        todo!()
    }

    /// One episode.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
        todo!()
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
        todo!()
    }

    /// All members of an incident, by start and id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn members(&self, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
        todo!()
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
        todo!()
    }

    /// One change.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError> {
        todo!()
    }

    /// The change that a source told under a key of its own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change_by_key(&self, source: &Name, key: &str) -> Result<Option<Change>, StoreError> {
        todo!()
    }

    /// Changes, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn changes(
        &self,
        filter: &ChangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Change>, StoreError> {
        todo!()
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn deliveries(&self, page: &PageRequest) -> Result<Page<DeliveryRow>, StoreError> {
        todo!()
    }

    /// The raw body of a delivery, while it is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn raw(&self, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }

    /// The quarantine, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn quarantined(&self, page: &PageRequest) -> Result<Page<QuarantineRow>, StoreError> {
        todo!()
    }

    /// The service graph as last set.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn topology(&self) -> Result<Option<Topology>, StoreError> {
        todo!()
    }

    /// Heartbeats as they stand.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heartbeats(&self) -> Result<Vec<HeartbeatRow>, StoreError> {
        todo!()
    }

    /// Sources with their last word.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        todo!()
    }

    /// How many incidents are in each state, and how many firing episodes float.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<StoreCounts, StoreError> {
        todo!()
    }

    /// Size of the store's files, in bytes.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// True when the last write succeeded and the writer lives.
    pub fn is_writable(&self) -> bool {
        todo!()
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
        todo!()
    }

    /// Takes nothing more, commits what waits, checkpoints, and ends the writer.
    pub fn close(&self) {
        todo!()
    }
}

/// Counts for metrics and status.
#[derive(Clone, Debug, Default)]
pub struct StoreCounts {
    /// State word to number.
    pub incidents: Vec<(String, u64)>,
    /// Firing episodes in no incident.
    pub floating: u64,
}
