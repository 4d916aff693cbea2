//! What goes into the store and what comes out of it.
//!
//! Plain data, no SQL and no I/O. Rows carry domain types; a caller never sees a column. Re-exported
//! by the room's root, so callers name `store::Append` and never this module.

use super::snapshots::PackedState;
use crate::domain::facts::Revision;
use crate::domain::packed::Heard;
use crate::domain::record::Outcome;
use crate::domain::words::TakenBack;
use crate::domain::{
    Change, Episode, EpisodeId, Explanation, Incident, IncidentId, Matcher, Name, RecordBody, Seq,
    Severity, Timestamp, Topology,
};

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

impl Append {
    /// One of the program's own records (start, stop, rules, skip, a configured service graph):
    /// it has no receipt and repeats the record time before it.
    #[must_use]
    pub const fn own(body: RecordBody, now: Timestamp) -> Self {
        Self { body, received_at: None, true_received_at: now, raw: None }
    }

    /// Time passed up to a deadline of the machine. Its record time is the deadline itself; it is
    /// dropped when the ledger has got there already.
    #[must_use]
    pub const fn tick(deadline: Timestamp, now: Timestamp) -> Self {
        Self {
            body: RecordBody::Tick,
            received_at: Some(deadline),
            true_received_at: now,
            raw: None,
        }
    }
}

/// A body as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawDelivery {
    /// The bytes.
    pub bytes: bytes::Bytes,
    /// The content type as sent.
    pub content_type: String,
    /// Who sent it: address and port.
    pub remote: String,
    /// Alerts of the body that could not be used, with the reason, for quarantine.
    pub refused: Vec<RefusedAlert>,
    /// How many values the redaction rules have changed.
    pub redacted: u64,
    /// The row of the quarantine that was read again and gave this.
    pub replays: Option<u64>,
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
    /// Episodes of which only repeats were heard.
    pub heard: Vec<(EpisodeId, Heard)>,
    /// See `episodes`.
    pub incidents: Vec<Incident>,
    /// See `episodes`.
    pub changes: Vec<Change>,
    /// Revisions that came to be.
    pub revisions: Vec<(IncidentId, Revision)>,
    /// How episodes were weighed; an empty one takes away what was kept.
    pub explanations: Vec<(EpisodeId, Explanation)>,
    /// What became of operations.
    pub outcomes: Vec<(Seq, Outcome)>,
    /// What was recalled from the store for each record, so that a restart before the next
    /// snapshot recalls the same (serialised by the engine).
    pub recalls: Vec<(Seq, Vec<u8>)>,
    /// The machine's state at `cursor`, when it is time for one; recalls up to here are dropped.
    pub snapshot: Option<PackedState>,
    /// The version of the rules that work in what comes after `cursor`, when it changed.
    pub rules_version: Option<u32>,
    /// Heartbeats as they stand: name, last word, deadline.
    pub heartbeats: Option<Vec<HeartbeatRow>>,
    /// The service graph, when it changed.
    pub topology: Option<Topology>,
    /// Words that go from the records up to `cursor` and from reviewed facts. Comes with a
    /// snapshot, and is the last of its records.
    pub taken_back: Vec<TakenBack>,
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
    /// How many values the redaction rules have changed.
    pub redacted: u64,
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
    /// How many values the redaction rules have changed.
    pub redacted: u64,
    /// When it was read again with success, and as which delivery.
    pub replayed: Option<(Timestamp, Seq)>,
}

/// A row of the quarantine with all that is needed to read it again.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// What the list says.
    pub row: QuarantineRow,
    /// See [`Quarantine::headers`].
    pub headers: Vec<(String, String)>,
    /// The body: its own, or that of the delivery it was part of. `None` when that is kept no more.
    pub body: Option<Vec<u8>>,
}

/// Filters and pages use these, the engine restores from them.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything up to here is in it.
    pub seq: Seq,
    /// As the engine wrote it.
    pub bytes: Vec<u8>,
}

/// By which rules a stretch of the ledger was worked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleEpoch {
    /// The first record of the stretch; it reaches to the next one's first.
    pub first: Seq,
    /// The version of the rules.
    pub version: u32,
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
    /// The bytes, as they may be kept.
    pub bytes: bytes::Bytes,
    /// How many values the redaction rules have changed.
    pub redacted: u64,
    /// Headers that the sender's form needs beside the body.
    pub headers: Vec<(String, String)>,
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

/// Counts for metrics and status.
#[derive(Clone, Debug, Default)]
pub struct StoreCounts {
    /// State word to number.
    pub incidents: Vec<(String, u64)>,
    /// Firing episodes in no incident.
    pub floating: u64,
}
