//! The server: the only room that knows HTTP.
//!
//! One connection is one task under a permit (`server`), over TLS where the web configuration says
//! so (`perimeter`); one request passes `observe` (its id, its metrics, the answer's form), the
//! router (`routes`), `gate` where there are users, an extractor of `auth` that says who may, and a
//! handler. Handlers meet the engine only in the store. Nothing here decides what an alert
//! means, formats a draft or asks the system for the time. Caller: `app`.

pub mod alertmanager;
pub mod answer;
pub mod api;
mod audit;
pub mod auth;
pub mod body;
mod desk;
pub mod gate;
pub mod health;
pub mod ingest;
pub mod live;
pub mod observe;
pub mod openapi;
pub mod ops;
pub mod pages;
pub mod perimeter;
pub mod rate;
pub mod receipt;
pub mod routes;
pub mod server;
pub mod status;
pub mod topology;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Seq, Timestamp};
use crate::metrics::Metrics;
use crate::shutdown::StopSignal;
use crate::store::{READS_AT_ONCE, Store, StoreError};

use answer::Problem;
use auth::session::Sessions;
use auth::throttle::Throttle;
use health::Health;
use perimeter::Perimeter;

/// How long a request waits until it may read.
const READ_WAIT_MAX: Duration = Duration::from_secs(10);

/// What every handler may use. Made once by `app`, shared by all connections.
#[derive(Debug)]
pub struct Shared {
    /// The store.
    pub store: Store,
    /// All metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Clock,
    /// What is ready and what is not.
    pub health: Health,
    /// Asks `app` to load the configuration again.
    pub reloader: Reloader,
    /// Says when live streams have to end.
    pub stop: StopSignal,
    /// When the process started.
    pub started_at: Timestamp,
    /// Who has logged in.
    pub sessions: Sessions,
    /// Who fails to log in too often.
    pub throttle: Throttle,
    /// TLS, headers and users in force.
    pub perimeter: Arc<Perimeter>,
    /// How much memory the bodies that are being read take.
    bodies: body::Budget,
    /// Reads that go on. Who waits for one holds no thread, and so no thread's share of memory.
    reads: Arc<Semaphore>,
    /// Whose turn it is with large incidents.
    desk: desk::Desk,
    /// The sources, with their metrics.
    targets: ingest::Targets,
    /// How fast each source may deliver.
    rates: rate::RateLimiter,
    /// Held while a body of the quarantine is read again, so that none becomes two deliveries.
    replaying: tokio::sync::Mutex<()>,
    /// The configuration in force; see [`Shared::config`].
    config: RwLock<Arc<Config>>,
}

impl Shared {
    /// Puts together what handlers use.
    #[must_use]
    pub fn new(
        store: Store,
        metrics: Metrics,
        clock: Clock,
        config: Arc<Config>,
        reloader: Reloader,
        stop: StopSignal,
    ) -> Self {
        let started_at = clock.now();
        let sessions = Sessions::new(clock.clone());
        let throttle = Throttle::new(clock.clone());
        let perimeter = Arc::new(Perimeter::new(&config, clock.clone(), metrics.clone()));
        Self {
            store,
            metrics,
            clock,
            health: Health::new(),
            reloader,
            stop,
            started_at,
            sessions,
            throttle,
            perimeter,
            bodies: body::Budget::default(),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            desk: desk::Desk::default(),
            targets: ingest::Targets::default(),
            rates: rate::RateLimiter::default(),
            replaying: tokio::sync::Mutex::default(),
            config: RwLock::new(config),
        }
    }

    /// The configuration in force. A request that asks twice may see two.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        // A poisoned lock still holds a whole `Arc`: nothing can be half written.
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force, after a reload.
    pub fn replace_config(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Why we are not ready; `None` when we are.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let stopping = self.stop.is_stopped().then(|| "we are stopping".to_owned());
        let store =
            self.store.refusal().map(|reason| format!("the store cannot be written: {reason}"));
        let reasons: Vec<String> =
            [stopping, store, self.health.missing()].into_iter().flatten().collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Reads from the store on a thread that may block.
    ///
    /// # Errors
    /// What the reading says, `Unavailable` when too many others read, and `Internal` when it
    /// panicked.
    pub async fn read<T, E, F>(&self, reading: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
        F: FnOnce(&Store) -> Result<T, E> + Send + 'static,
    {
        let turn = Arc::clone(&self.reads).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(READ_WAIT_MAX, turn).await else {
            return Err(Problem::unavailable("too many others read just now"));
        };
        let store = self.store.clone();
        let reading = move || {
            // Held until the end, also when whoever asked has gone away.
            let _turn = turn;
            reading(&store)
        };
        match tokio::task::spawn_blocking(reading).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(Problem::Internal(format!("a reading thread failed: {error}"))),
        }
    }

    /// Waits until the engine has worked in the record, at most as long as the configuration
    /// allows. False when it has not by then: the caller answers 202.
    pub async fn settled(&self, seq: Seq) -> bool {
        let mut cursor = self.store.cursor();
        let patience = self.config().web.timeouts.settle.to_std();
        let worked_in = cursor.wait_for(|cursor| *cursor >= seq);
        matches!(tokio::time::timeout(patience, worked_in).await, Ok(Ok(_)))
    }
}

/// What came of loading the configuration again: what of it holds only from the next start on, or
/// the text of what is wrong with it; then the old one stays in force.
pub type Reloaded = Result<Vec<String>, String>;

/// One wish to load the configuration again; whoever loads it answers.
pub type ReloadRequest = oneshot::Sender<Reloaded>;

/// Asks `app` to load the configuration again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloader {
    requests: mpsc::Sender<ReloadRequest>,
}

impl Reloader {
    /// A reloader, and where its requests arrive: one after the other, each to be answered by a
    /// loading that began after it was made.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (requests, receiver) = mpsc::channel(1);
        (Self { requests }, receiver)
    }

    /// Loads the configuration again and says how it went.
    ///
    /// # Errors
    /// `Unavailable` when the program stops.
    pub async fn reload(&self) -> Result<Reloaded, Problem> {
        let stopping = || Problem::unavailable("scribed is stopping");
        let (answer, answered) = oneshot::channel();
        self.requests.send(answer).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error.to_string()),
            StoreError::Broken(_) => Self::Internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
