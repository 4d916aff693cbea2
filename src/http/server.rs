//! The server: accepts connections and serves each one in a task of its own, within limits.
//!
//! A connection takes a permit *before* it is accepted, so that whoever is beyond the limit waits
//! in the kernel's queue instead of being turned away. Time is bounded at every point: for the
//! headers and between requests (hyper's timer, which also ends a connection that never sends
//! anything), for the TLS handshake (`tls`), for the body (`body`), for the answer and for the
//! close (`socket`). In the clear we speak HTTP/1.1 only; over TLS a client may choose HTTP/2,
//! which has an own watch over silent connections (`http2`). Caller: `app`.

mod files;
mod http2;
mod socket;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tower::ServiceExt;
use tracing::{debug, error, info, warn};

use super::gate::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::health::Part;
use super::perimeter::Perimeter;
use super::{Shared, routes};
use crate::config::Tls;
use crate::domain::Name;
use crate::metrics::Metrics;
use crate::shutdown::StopSignal;
use socket::Socket;

/// What hyper reads of a head before it gives up: more than [`HEAD_BYTES_MAX`], so that a head that
/// is too long is refused by us, in the form of all our refusals.
const HEAD_BUFFER_BYTES: usize = 2 * HEAD_BYTES_MAX;
/// Likewise for the number of headers.
const PARSED_HEADERS_MAX: usize = 2 * HEADERS_MAX;
/// How much longer than a body may take requests may stand still: a live stream of ours beats every
/// fifteen seconds.
const STALL_MARGIN: Duration = Duration::from_secs(60);
/// First pause after an accept error that concerns us all, such as too many open files.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is known of the connection that a request came on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    /// True when we listen on a loopback address only, which decides what needs no credentials.
    pub is_on_loopback: bool,
    /// True when it is TLS.
    pub is_encrypted: bool,
    /// The name in the client's certificate, if it showed one that was checked.
    pub client: Option<Name>,
}

/// What bounds the server.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at once, over all listeners.
    connections_max: usize,
    /// For the headers of a request, for a handshake, and for a kept connection to stay idle.
    header_timeout: Duration,
    /// For the requests of a connection to make any progress, over HTTP/2.
    stall_timeout: Duration,
    /// For running requests when we stop.
    drain_deadline: Duration,
}

/// What the server needs of the rest of the program.
#[derive(Clone, Debug)]
struct Surroundings {
    /// Says how connections are encrypted.
    perimeter: Arc<Perimeter>,
    metrics: Metrics,
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
        stall_timeout: web.timeouts.body.to_std() + STALL_MARGIN,
        drain_deadline: web.timeouts.drain.to_std(),
    };
    files::make_room(limits.connections_max);
    let router = routes::router(&shared);
    shared.health.ready(Part::Server);
    let surroundings =
        Surroundings { perimeter: Arc::clone(&shared.perimeter), metrics: shared.metrics.clone() };
    serve_router(router, limits, &surroundings, listeners, stop).await;
    shared.health.not_ready(Part::Server, "the server has stopped");
}

async fn serve_router(
    router: Router,
    limits: Limits,
    surroundings: &Surroundings,
    listeners: Vec<TcpListener>,
    stop: StopSignal,
) {
    // Every listener holds a permit while it waits, which must not take one from the connections.
    let permits = Arc::new(Semaphore::new(limits.connections_max + listeners.len()));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let acceptor = Acceptor {
            router: router.clone(),
            surroundings: surroundings.clone(),
            limits,
            permits: Arc::clone(&permits),
        };
        loops.spawn(acceptor.run(listener, stop.clone()));
    }
    while let Some(ended) = loops.join_next().await {
        report(ended);
    }
}

fn http1_builder(header_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Without a timer every timeout of hyper is inert.
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // A client that has said all it wants to say may close its side and wait for the answer.
        .half_close(true)
        .max_headers(PARSED_HEADERS_MAX)
        .max_buf_size(HEAD_BUFFER_BYTES);
    builder
}

/// The accept loop of one listener.
struct Acceptor {
    router: Router,
    surroundings: Surroundings,
    limits: Limits,
    permits: Arc<Semaphore>,
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
                    let connection =
                        Connection { remote, is_on_loopback, is_encrypted: false, client: None };
                    let accepted = Accepted {
                        router: self.router.clone(),
                        surroundings: self.surroundings.clone(),
                        limits: self.limits,
                        connection,
                        watcher: graceful.watcher(),
                        stop: stop.clone(),
                        _open: Open::new(self.surroundings.metrics.http_connections.clone()),
                        _permit: permit,
                    };
                    tasks.spawn(accepted.serve(stream));
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
        drain(graceful, tasks, self.limits.drain_deadline).await;
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, remote) = listener.accept().await?;
        Ok((stream, remote, permit))
    }
}

/// One accepted connection.
struct Accepted {
    router: Router,
    surroundings: Surroundings,
    limits: Limits,
    connection: Connection,
    watcher: Watcher,
    stop: StopSignal,
    /// Counts it as open.
    _open: Open,
    /// Its place among the connections.
    _permit: OwnedSemaphorePermit,
}

impl Accepted {
    /// The connection from its first byte to its last.
    async fn serve(mut self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY was refused");
        }
        let remote = self.connection.remote;
        let file = self.surroundings.perimeter.in_force().await;
        let ended = match &file.tls {
            None => self.serve_http1(Socket::new(stream)).await,
            Some(tls) => match self.shake_hands(stream, tls).await {
                Some(stream) if tls::has_chosen_http2(&stream) => self.serve_http2(stream).await,
                Some(stream) => self.serve_http1(stream).await,
                None => Ok(()),
            },
        };
        if let Err(error) = ended {
            debug!(%error, %remote, "A connection ended early");
        }
    }

    /// The stream over TLS; `None` when the handshake failed, or we stop.
    async fn shake_hands(&mut self, stream: TcpStream, tls: &Tls) -> Option<tls::Stream> {
        let shaken = tokio::select! {
            () = self.stop.stopped() => return None,
            shaken = tls::shake_hands(stream, tls, self.limits.header_timeout) => shaken,
        };
        match shaken {
            Ok(stream) => {
                self.connection.is_encrypted = true;
                self.connection.client = tls::client(&stream, tls);
                Some(stream)
            }
            Err(error) => {
                if error.is_failure() {
                    self.surroundings.metrics.tls_handshake_errors.inc();
                }
                debug!(%error, remote = %self.connection.remote, "A TLS handshake failed");
                None
            }
        }
    }

    async fn serve_http1<S>(self, stream: S) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, connection) = (self.router, self.connection);
        let service = service_fn(move |request: Request<Incoming>| {
            router.clone().oneshot(with_connection(request, connection.clone()))
        });
        let builder = http1_builder(self.limits.header_timeout);
        self.watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await
    }

    /// The watcher is kept until the end, so that a stop waits for the connection.
    async fn serve_http2(self, stream: tls::Stream) -> hyper::Result<()> {
        let Self { router, connection, watcher, stop, limits, .. } = self;
        let ended = http2::serve(stream, router, connection, limits, stop).await;
        drop(watcher);
        ended
    }
}

/// A request as the router takes it, with what is known of its connection.
fn with_connection<B>(request: Request<B>, connection: Connection) -> Request<Body>
where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(connection);
    request
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
