//! The server: accepts connections and serves each one in a task of its own, within limits.
//!
//! A connection takes a permit *before* it is accepted, so that whoever is beyond the limit waits
//! in the kernel's queue instead of being turned away. Time is bounded at every point: for the
//! headers and between requests (hyper's timer, which also ends a connection that never sends
//! anything), for the body (`body`), for the answer and for the close (`socket`). HTTP/1.1 only.
//! Caller: `app`.

mod files;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prometheus::IntGauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tower::ServiceExt;
use tracing::{debug, error, info, warn};

use super::health::Part;
use super::{Shared, routes};
use crate::shutdown::StopSignal;
use socket::Socket;

/// Headers of one request, all together, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of one request.
const HEADERS_MAX: usize = 100;
/// First pause after an accept error that concerns us all, such as too many open files.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is known of the connection that a request came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    /// True when we listen on a loopback address only, which decides what needs no credentials.
    pub is_on_loopback: bool,
}

/// What bounds the server.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at once, over all listeners.
    connections_max: usize,
    /// For the headers of a request, and for a kept connection to stay idle.
    header_timeout: Duration,
    /// For running requests when we stop.
    drain_deadline: Duration,
}

/// Binds an address: `host:port`, or `:port` for all interfaces.
///
/// # Errors
/// When the address cannot be read or is taken.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        // One socket takes IPv6 and IPv4 where the system has IPv6 at all.
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
        },
        None => TcpListener::bind(address).await,
    }
}

/// Serves on all listeners until stop is said, then lets running requests end, as long as the
/// configuration allows, and cuts off the rest.
pub async fn serve(shared: Arc<Shared>, listeners: Vec<TcpListener>, stop: StopSignal) {
    let config = shared.config();
    let web = &config.web;
    let limits = Limits {
        connections_max: web.max_connections,
        header_timeout: web.timeouts.header.to_std(),
        drain_deadline: web.timeouts.drain.to_std(),
    };
    files::make_room(limits.connections_max);
    let router = routes::router(&shared);
    let connections = shared.metrics.http_connections.clone();
    shared.health.ready(Part::Server);
    serve_router(router, limits, connections, listeners, stop).await;
    shared.health.not_ready(Part::Server, "the server has stopped");
}

async fn serve_router(
    router: Router,
    limits: Limits,
    connections: IntGauge,
    listeners: Vec<TcpListener>,
    stop: StopSignal,
) {
    // Every listener holds a permit while it waits, which must not take one from the connections.
    let permits = Arc::new(Semaphore::new(limits.connections_max + listeners.len()));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let acceptor = Acceptor {
            router: router.clone(),
            builder: builder(limits.header_timeout),
            permits: Arc::clone(&permits),
            connections: connections.clone(),
            drain_deadline: limits.drain_deadline,
        };
        loops.spawn(acceptor.run(listener, stop.clone()));
    }
    while let Some(ended) = loops.join_next().await {
        report(ended);
    }
}

fn builder(header_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Without a timer every timeout of hyper is inert.
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
}

/// The accept loop of one listener.
struct Acceptor {
    router: Router,
    builder: http1::Builder,
    permits: Arc<Semaphore>,
    connections: IntGauge,
    drain_deadline: Duration,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, mut stop: StopSignal) {
        let is_on_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let mut pause = PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    report(ended);
                    continue;
                }
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, remote, permit)) => {
                    pause = PAUSE_MIN;
                    let connection = Connection { remote, is_on_loopback };
                    tasks.spawn(self.serve(stream, connection, permit, graceful.watcher()));
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!(%error, "A connection broke off before it was accepted");
                }
                Err(error) => {
                    warn!(%error, pause_ms = pause.as_millis(), "No connection can be accepted; trying again");
                    tokio::select! {
                        () = stop.stopped() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        // From here on, new connections are refused at once.
        drop(listener);
        drain(graceful, tasks, self.drain_deadline).await;
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, remote) = listener.accept().await?;
        Ok((stream, remote, permit))
    }

    /// One connection from its first byte to its last.
    fn serve(
        &self,
        stream: TcpStream,
        connection: Connection,
        permit: OwnedSemaphorePermit,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> impl Future<Output = ()> + use<> {
        let router = self.router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection);
            router.clone().oneshot(request)
        });
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY was refused");
        }
        let serving = watcher
            .watch(self.builder.serve_connection(TokioIo::new(Socket::new(stream)), service));
        let open = Open::new(self.connections.clone());
        async move {
            if let Err(error) = serving.await {
                debug!(%error, remote = %connection.remote, "A connection ended early");
            }
            drop(open);
            drop(permit);
        }
    }
}

/// Counts a connection as open until it is dropped, also when its task is cut off.
struct Open(IntGauge);

impl Open {
    fn new(connections: IntGauge) -> Self {
        connections.inc();
        Self(connections)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Lets running requests end, and cuts off what has not by the deadline.
async fn drain(graceful: GracefulShutdown, mut tasks: JoinSet<()>, deadline: Duration) {
    if tokio::time::timeout(deadline, graceful.shutdown()).await.is_err() {
        info!(connections = tasks.len(), "Connections are cut off at the drain deadline");
    }
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "A task of the server panicked");
    }
}

/// True for errors of the one connection that was about to be accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
