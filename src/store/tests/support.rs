//! A store in a folder of its own with a clock that is turned by hand, and sample things.

use std::sync::mpsc;

use crate::clock::Clock;
use crate::domain::alert::{EndKind, EpisodeEnd, EpisodeStart, Membership, Standing};
use crate::domain::incident::{
    IncidentState, LifecycleEvent, LifecycleKind, Moment, Opening, Report, Tally,
};
use crate::domain::record::{Delivery, Path};
use crate::domain::{
    AlertKey, Change, ChangeId, ChangeKind, ChangeReport, Claim, Ending, Episode, EpisodeId,
    Incident, IncidentId, Kind, Labels, Name, RecordBody, Seq, Severity, Span, Timestamp, Word,
    WordState,
};
use crate::metrics::Metrics;
use crate::store::inner::Inner;
use crate::store::job::{Inspection, Job, Reply};
use crate::store::queue::Terms;
use crate::store::{Append, EngineCommit, RawDelivery, Store, StoreOptions};

/// A store, its folder, its clock and its metrics.
pub(super) struct TestStore {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) folder: tempfile::TempDir,
}

impl std::ops::Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// So many seconds after the moment at which every test begins.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_590_000 + seconds)
}

pub(super) fn options(folder: &tempfile::TempDir) -> StoreOptions {
    StoreOptions { path: folder.path().to_owned(), queue_capacity: 1024, queue_bytes: 64 << 20 }
}

impl TestStore {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(adjust: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(at(0));
        let metrics = Metrics::new();
        let mut options = options(&folder);
        adjust(&mut options);
        let store = Store::open(options, clock.clone(), metrics.clone()).unwrap();
        Self { store, clock, metrics, folder }
    }

    /// Ends this store and opens its folder again.
    pub(super) fn reopen(self) -> Self {
        let Self { store, clock, folder, .. } = self;
        drop(store);
        let metrics = Metrics::new();
        let store = Store::open(options(&folder), clock.clone(), metrics.clone()).unwrap();
        Self { store, clock, metrics, folder }
    }

    /// The head's number.
    pub(super) fn head_seq(&self) -> u64 {
        self.head().borrow().0
    }

    /// Lets the writer run something on its connection, in the batch but outside any savepoint's
    /// undoing.
    pub(super) fn inspect(&self, work: impl FnOnce(&rusqlite::Connection) + Send + 'static) {
        let inspection = Inspection::new(work);
        self.store.inner.ask(0, Terms::Free, |reply| Job::Inspect(inspection, reply)).unwrap();
    }

    /// Holds the writer until what is returned is dropped; what is queued meanwhile becomes one
    /// batch.
    pub(super) fn hold_writer(&self) -> Held {
        let (release, released) = mpsc::channel::<()>();
        let (entered, is_held) = mpsc::channel();
        let inspection = Inspection::new(move |_| {
            entered.send(()).unwrap();
            // Ends with an error when the sender is dropped, which is the signal.
            assert!(released.recv().is_err());
        });
        let (reply, _) = mpsc::sync_channel(1);
        let job = Job::Inspect(inspection, Reply::Thread(reply));
        self.store.inner.push(job, 0, Terms::Free).unwrap();
        is_held.recv().unwrap();
        Held { _release: release }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.store.inner
    }

    /// Appends a delivery with one firing word.
    pub(super) fn deliver(&self, name: &str, received_at: Timestamp) -> Seq {
        self.append_blocking(delivered(vec![firing(name, at(0))], received_at)).unwrap().seq
    }

    /// Commits what `fill` puts into a commit at the head.
    pub(super) fn engine_commit(&self, fill: impl FnOnce(&mut EngineCommit)) {
        let mut commit = EngineCommit { cursor: *self.head().borrow(), ..EngineCommit::default() };
        fill(&mut commit);
        self.commit(commit).unwrap();
    }
}

/// See [`TestStore::hold_writer`].
pub(super) struct Held {
    _release: mpsc::Sender<()>,
}

pub(super) fn labels(name: &str) -> Labels {
    Labels::from_pairs([
        ("alertname", name),
        ("cluster", "eu-west-1"),
        ("env", "prod"),
        ("job", "kubernetes-pods"),
        ("namespace", "shop"),
        ("pod", "checkout-7d9f8b6c5-x2x4z"),
        ("service", "checkout"),
        ("severity", "critical"),
    ])
}

pub(super) fn key(name: &str) -> AlertKey {
    AlertKey::new(Name::from("prometheus"), labels(name).fingerprint())
}

pub(super) fn firing(name: &str, starts_at: Timestamp) -> Word {
    Word {
        key: key(name),
        key_from_labels: true,
        labels: labels(name),
        annotations: Labels::from_pairs([
            ("summary", "The checkout service answers more than 5% of requests with an error"),
            ("runbook_url", "https://runbooks.example.org/checkout/high-error-rate"),
        ]),
        state: WordState::Firing { lease: None },
        starts_at: Claim::plain(starts_at),
        links: vec![],
        values: vec![],
        is_test: false,
    }
}

pub(super) fn resolved(name: &str, starts_at: Timestamp, ends_at: Timestamp) -> Word {
    let state = WordState::Resolved { ends_at: Claim::plain(ends_at), ending: Ending::Recovered };
    Word { state, ..firing(name, starts_at) }
}

pub(super) fn body(words: Vec<Word>) -> RecordBody {
    RecordBody::Delivery(Delivery {
        source: Name::from("alertmanager"),
        path: Path::Webhook,
        sender: Some(Name::from("http://alertmanager-0:9093")),
        group: Some(Name::from("{}:{alertname=\"HighErrorRate\"}")),
        truncated: 0,
        rejected: 0,
        words,
        changes: vec![],
    })
}

pub(super) fn delivered(words: Vec<Word>, received_at: Timestamp) -> Append {
    Append {
        body: body(words),
        received_at: Some(received_at),
        true_received_at: received_at,
        raw: None,
    }
}

pub(super) fn raw(bytes: &[u8]) -> RawDelivery {
    RawDelivery {
        bytes: bytes::Bytes::copy_from_slice(bytes),
        content_type: "application/json".to_owned(),
        remote: "127.0.0.1:4711".to_owned(),
        refused: vec![],
        redacted: 0,
        replays: None,
    }
}

pub(super) fn episode(id: u64, name: &str, starts_at: Timestamp) -> Episode {
    Episode {
        id: EpisodeId(id),
        key: key(name),
        sources: vec![Name::from("alertmanager")],
        labels: labels(name),
        annotations: Labels::default(),
        links: vec![],
        values: vec![("B".into(), 0.1 + 0.2)],
        starts: vec![EpisodeStart { at: starts_at, sender: None, by_api: false }],
        start_refused: None,
        end: None,
        lease: None,
        held_by_webhook: true,
        kind: Kind::Errors,
        severity: Severity::Critical,
        service: Some(Name::from("checkout")),
        received_at: starts_at,
        last_word_at: starts_at,
        deliveries: 1,
        resumed: 0,
        standing: Standing::Ordinary,
        is_test: false,
        membership: Membership::Floating,
        context_of: vec![],
        reason: "1 alert that would page".into(),
    }
}

pub(super) fn ended(mut episode: Episode, ends_at: Timestamp) -> Episode {
    episode.end =
        Some(EpisodeEnd { at: ends_at, heard_at: ends_at, refused: None, how: EndKind::Reported });
    episode
}

pub(super) fn member(mut episode: Episode, incident: u64) -> Episode {
    episode.membership =
        Membership::Member { incident: IncidentId(incident), lead_up: false, by_person: false };
    episode
}

/// An open incident whose first member began at a moment.
pub(super) fn incident(id: u64, title: &str, starts_at: Timestamp) -> Incident {
    let first = Moment { at: starts_at, episode: EpisodeId(id) };
    Incident {
        id: IncidentId(id),
        revision: 1,
        as_of: starts_at,
        opening: Opening::Alert { episode: EpisodeId(id), at: starts_at },
        state: IncidentState::Open,
        title: title.to_owned(),
        lifecycle: vec![event(LifecycleKind::Opened, starts_at)],
        tally: Tally {
            total: 1,
            firing: 1,
            first: Some(first),
            severity: Some(Severity::Critical),
            services: vec![Name::from("checkout"), Name::from("checkout-db")],
            ..Tally::default()
        },
        report: Report::default(),
        notes: vec![],
        actions: vec![],
        caveats: vec![],
        follows: None,
        related: vec![],
        changes: vec![],
        candidates: vec![],
        traces: vec![],
        similar: vec![],
        finalised: None,
        pinned: false,
    }
}

fn event(kind: LifecycleKind, at: Timestamp) -> LifecycleEvent {
    LifecycleEvent { kind, at, recorded_at: at, actor: None }
}

pub(super) fn over(mut incident: Incident, ends_at: Timestamp) -> Incident {
    incident.state = IncidentState::Resolved;
    incident.lifecycle.push(event(LifecycleKind::Resolved, ends_at));
    incident
}

pub(super) fn merged(mut incident: Incident, into: u64, merged_at: Timestamp) -> Incident {
    incident.state = IncidentState::Merged { into: IncidentId(into) };
    incident.lifecycle.push(event(LifecycleKind::MergedInto(IncidentId(into)), merged_at));
    incident
}

pub(super) fn change(id: u64, happened_at: Timestamp) -> Change {
    Change {
        id: ChangeId(id),
        report: ChangeReport {
            source: Name::from("api"),
            at: happened_at,
            ends_at: None,
            kind: ChangeKind::Deploy,
            service: Some(Name::from("checkout")),
            summary: format!("deploy {id}"),
            author: None,
            link: None,
            labels: Labels::default(),
            key: Some(format!("release-{id}")),
        },
        received_at: happened_at + Span::from_seconds(1),
    }
}
