//! Wires everything, starts it in order, and stops it in the reverse order.
//!
//! The one place that spawns long-lived tasks and threads (beside the server's connections). A
//! task that ends early ends the process with an error: a supervisor restarts what is broken,
//! nothing here pretends to run. Called by `cli`.

mod clock_watch;
mod reload;
pub mod storage;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Config, ConfigErrors};
use crate::drafts::{Press, PressSettings};
use crate::engine::{Engine, EngineError, Known};
use crate::http::health::Part;
use crate::http::{self, ReloadRequest, Reloaded, Reloader, Shared};
use crate::metrics::Metrics;
use crate::shutdown::Stopper;
use crate::store::{Store, StoreError, StoreOptions};

/// Loads the configuration again, with the flags and variables of the start.
pub type LoadConfig = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// Jobs that may wait for the writer.
const STORE_QUEUE_JOBS: usize = 4_096;
/// Bytes of bodies that may wait for the writer.
const STORE_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Why the program cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store cannot be opened or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {problem}; is another scribed running there?")]
    Listen {
        /// As configured.
        address: String,
        /// What the system says.
        problem: std::io::Error,
    },
    /// The system refuses a thread or a signal handler.
    #[error("the system refuses {what}: {problem}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it says.
        problem: std::io::Error,
    },
    /// A long-lived part ended although nobody told it to.
    #[error("{0} ended unexpectedly; the log says why")]
    Ended(&'static str),
}

/// A running scribed.
pub struct Running {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    press: Arc<Press>,
    load: LoadConfig,
    reload_requests: mpsc::Receiver<ReloadRequest>,
    server: JoinHandle<()>,
    server_stopper: Stopper,
    upkeep: JoinHandle<()>,
    engine_ended: oneshot::Receiver<()>,
    engine_stopper: Stopper,
    damage: mpsc::Receiver<StoreError>,
}

/// Starts everything: store, engine at the head of the ledger or near it, sockets, server.
///
/// # Errors
/// When a part cannot start; whatever had started is dropped again.
pub async fn start(config: Config, load: LoadConfig, clock: Clock) -> Result<Running, AppError> {
    let metrics = Metrics::new();
    metrics
        .build_info
        .with_label_values(&[env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION")])
        .set(1);
    let known = Known { rules: config.rules.clone(), topology: config.topology.clone() };
    let listeners = listen(&config).await?;
    let addresses = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
    let options = StoreOptions {
        path: config.storage.path.clone(),
        queue_capacity: STORE_QUEUE_JOBS,
        queue_bytes: STORE_QUEUE_BYTES,
    };
    let press = Arc::new(Press::new(press_settings(&config)));
    let (store, engine) = {
        let press = Arc::clone(&press);
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            let store = Store::open(options, clock.clone(), metrics.clone())?;
            // Before the engine works anything in: it may find a draft that becomes final.
            store.print_with(press);
            let engine = Engine::prepare(store.clone(), clock, metrics, &known)?;
            Ok::<_, AppError>((store, engine))
        });
        prepared.await.map_err(|_| AppError::Ended("the start of the engine"))??
    };
    let (server_stopper, server_stop) = Stopper::new();
    let (engine_stopper, engine_stop) = Stopper::new();
    let (reloader, reload_requests) = Reloader::channel();
    let shared = Arc::new(Shared::new(
        store,
        metrics,
        clock,
        Arc::new(config),
        reloader,
        server_stop.clone(),
    ));
    let (ended, engine_ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("scribed-engine".to_owned())
        .spawn(move || {
            give_way();
            engine.run(engine_stop, &runtime);
            // Dropped unsent when the engine panics, which the other side hears as well.
            ended.send(()).ok();
        })
        .map_err(|problem| AppError::System { what: "a thread for the engine", problem })?;
    shared.health.ready(Part::Engine);
    http::ingest::prime_metrics(&shared);
    reload::note_success(&shared);
    let server =
        tokio::spawn(http::server::serve(Arc::clone(&shared), listeners, server_stop.clone()));
    // It ends with the server.
    drop(tokio::spawn(clock_watch::run(Arc::clone(&shared), server_stop.clone())));
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&shared), server_stop));
    let damage = look_for_damage(shared.store.clone());
    Ok(Running {
        addresses,
        shared,
        press,
        load,
        reload_requests,
        server,
        server_stopper,
        upkeep,
        engine_ended,
        engine_stopper,
        damage,
    })
}

/// Looks for damage while the door is open already. A store that is found damaged then ends the
/// process as one that is found damaged before.
fn look_for_damage(store: Store) -> mpsc::Receiver<StoreError> {
    let (found, damage) = mpsc::channel(1);
    drop(tokio::task::spawn_blocking(move || {
        match store.look_for_damage() {
            Ok(()) => {}
            // Nobody listens while the process stops, and the next start will find it.
            Err(error @ StoreError::Broken(_)) => drop(found.blocking_send(error)),
            // The disk did not give it now, which reads and writes tell as well.
            Err(error) => warn!(%error, "The store could not be looked at for damage"),
        }
    }));
    damage
}

/// How much the engine's thread gives way, as `nice` counts it: a third of the time of a thread that
/// wants the same processor.
#[cfg(target_os = "linux")]
const ENGINE_NICENESS: i32 = 5;

/// While a storm wants more than the processors have, what was sent is stored first and understood
/// afterwards: nobody waits for the engine, and senders wait for their answers. Linux alone counts
/// niceness by thread.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(problem) = rustix::process::nice(ENGINE_NICENESS) {
        tracing::debug!(%problem, "The engine's thread does not give way to others");
    }
}

/// What final drafts are printed with.
fn press_settings(config: &Config) -> PressSettings {
    PressSettings {
        default_zone: config.timezone.clone(),
        own_templates: Arc::clone(&config.templates),
        external_url: config.web.external_url.clone(),
    }
}

async fn listen(config: &Config) -> Result<Vec<TcpListener>, AppError> {
    let mut listeners = Vec::new();
    for address in &config.web.listen_addresses {
        let listener = http::server::bind(address)
            .await
            .map_err(|problem| AppError::Listen { address: address.clone(), problem })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// What the system tells a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, AppError> {
        let on = |kind, what| signal(kind).map_err(|problem| AppError::System { what, problem });
        Ok(Self {
            terminate: on(SignalKind::terminate(), "a handler for SIGTERM")?,
            interrupt: on(SignalKind::interrupt(), "a handler for SIGINT")?,
            hangup: on(SignalKind::hangup(), "a handler for SIGHUP")?,
        })
    }
}

/// Starts and serves until SIGTERM or SIGINT; a second one ends the process at once.
///
/// # Errors
/// When it cannot start, or a part ends unexpectedly.
pub async fn serve(config: Config, load: LoadConfig, clock: Clock) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let mut running = start(config, load, clock).await?;
    for address in &running.addresses {
        info!(address = %address, "Listening");
    }
    let ended = running.until_ended(&mut signals).await;
    info!("Stopping");
    let stopping = running.stop();
    tokio::select! {
        stopped = stopping => ended.and(stopped),
        _ = signals.terminate.recv() => hurried(),
        _ = signals.interrupt.recv() => hurried(),
    }
}

fn hurried() -> Result<(), AppError> {
    warn!("Told to stop a second time; leaving at once. The next start finishes what was begun");
    std::process::exit(1)
}

impl Running {
    /// Answers wishes to reload for as long as nothing else drives this, as in `demo`.
    pub async fn attend(&mut self) {
        while let Some(request) = self.reload_requests.recv().await {
            let result = self.reload().await;
            drop(request.send(result));
        }
    }

    /// Answers wishes to reload until told to stop.
    ///
    /// # Errors
    /// When a part ended although nobody told it to, or the store is damaged.
    async fn until_ended(&mut self, signals: &mut Signals) -> Result<(), AppError> {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hangup.recv() => {
                    // The log tells how it went.
                    drop(self.reload().await);
                }
                Some(request) = self.reload_requests.recv() => {
                    let result = self.reload().await;
                    // Whoever asked may have gone; the log tells how it went.
                    drop(request.send(result));
                }
                _ = &mut self.server => return Err(AppError::Ended("the server")),
                _ = &mut self.engine_ended => return Err(AppError::Ended("the engine")),
                Some(error) = self.damage.recv() => return Err(error.into()),
            }
        }
    }

    async fn reload(&self) -> Reloaded {
        let reloaded = reload::reload(&self.shared, &self.load).await;
        self.press.set(press_settings(&self.shared.config()));
        reloaded
    }

    /// Stops in order: no new connections, streams ended, requests drained, the engine's batch
    /// finished, the writer's work committed and checkpointed.
    ///
    /// # Errors
    /// When a part did not end well.
    pub async fn stop(self) -> Result<(), AppError> {
        // Whoever waits for a reload is told that there will be none.
        drop(self.reload_requests);
        self.server_stopper.stop();
        if !self.server.is_finished() {
            self.server.await.map_err(|_| AppError::Ended("the server"))?;
        }
        self.upkeep.abort();
        self.engine_stopper.stop();
        // An error means that the engine's thread is gone, which is what we wait for.
        drop(self.engine_ended.await);
        let store = self.shared.store.clone();
        tokio::task::spawn_blocking(move || store.close())
            .await
            .map_err(|_| AppError::Ended("the writer"))?;
        info!("Stopped");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn damage_that_is_found_behind_the_door_ends_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default_config();
        config.storage.path = folder.path().to_owned();
        config.web.listen_addresses = vec!["127.0.0.1:0".to_owned()];
        let load: LoadConfig = Box::new(|| Ok(Config::default_config()));
        let mut running = start(config, load, Clock::system()).await.unwrap();
        let (found, damage) = mpsc::channel(1);
        running.damage = damage;
        found.send(StoreError::Broken("page 7 is damaged".to_owned())).await.unwrap();
        let mut signals = Signals::listen().unwrap();
        // So that it fails, and does not wait for ever, when nobody listens for damage.
        let ended =
            tokio::time::timeout(Duration::from_secs(60), running.until_ended(&mut signals));
        assert_eq!(ended.await.unwrap().unwrap_err().to_string(), "page 7 is damaged");
        running.stop().await.unwrap();
    }
}
