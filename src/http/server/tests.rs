//! The server on a loopback port, with handlers that wait for what the test says.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::shutdown::Stopper;

/// Long enough never to be reached.
const LONG: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits {
    connections_max: 100,
    header_timeout: LONG,
    stall_timeout: LONG,
    drain_deadline: LONG,
};

struct Running {
    address: SocketAddr,
    stopper: Stopper,
    server: JoinHandle<()>,
    connections: IntGauge,
    /// Told by the handler of `/wait` when it was called.
    called: Arc<Notify>,
    /// Lets one call of `/wait` go on.
    release: Arc<Notify>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let (called, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (called_in, release_in) = (Arc::clone(&called), Arc::clone(&release));
        let count = Arc::new(AtomicU32::new(0));
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route(
                "/wait",
                get(move || async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    called_in.notify_one();
                    release_in.notified().await;
                    "waited"
                }),
            )
            // Answers without reading the body.
            .route("/refuse", post(|| async { http::StatusCode::PAYLOAD_TOO_LARGE }));
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = Stopper::new();
        let (config, clock) = (Config::default_config(), Clock::manual(Timestamp::EPOCH));
        let metrics = Metrics::new();
        let connections = metrics.http_connections.clone();
        let perimeter = Arc::new(Perimeter::new(&config, clock, metrics.clone()));
        let surroundings = Surroundings { perimeter, metrics };
        let server = tokio::spawn(async move {
            serve_router(router, limits, &surroundings, vec![listener], stop).await;
        });
        Self { address, stopper, server, connections, called, release }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything until the server closes.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The head and body of one answer, which has a `content-length`.
async fn read_one(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "the server closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return text;
        }
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let running = Running::start(LIMITS).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        send(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(read_one(&mut stream).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_connection_that_does_not_send_its_headers_is_closed() {
    let header_timeout = Duration::from_millis(50);
    let running = Running::start(Limits { header_timeout, ..LIMITS }).await;
    let mut silent = running.connect().await;
    let mut slow = running.connect().await;
    send(&mut slow, "GET / HTTP/1.1\r\nhost:").await;
    let mut idle = running.connect().await;
    send(&mut idle, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(read_one(&mut idle).await.ends_with("hello"));
    for stream in [&mut silent, &mut slow, &mut idle] {
        assert!(!read_all(stream).await.contains("200 OK"));
    }
}

#[tokio::test]
async fn who_is_beyond_the_limit_waits_for_a_permit() {
    let running = Running::start(Limits { connections_max: 1, ..LIMITS }).await;
    let mut first = running.connect().await;
    send(&mut first, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    running.called.notified().await;
    // The kernel takes the second connection and its request; nobody answers it yet.
    let mut second = running.connect().await;
    send(&mut second, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(running.connections.get(), 1);
    running.release.notify_one();
    assert!(read_one(&mut first).await.ends_with("waited"));
    drop(first);
    assert!(read_all(&mut second).await.ends_with("hello"));
}

/// Each takes two open files here, for both ends are ours; the thousand of the contract would not
/// fit into the usual limit of a test.
#[tokio::test]
async fn hundreds_of_connections_are_served_at_once() {
    let running = Running::start(Limits { connections_max: 400, ..LIMITS }).await;
    let mut streams = Vec::new();
    for _ in 0..400 {
        streams.push(running.connect().await);
    }
    for stream in &mut streams {
        send(stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    for stream in &mut streams {
        assert!(read_one(stream).await.ends_with("hello"));
    }
    assert_eq!(running.connections.get(), 400);
}

#[tokio::test]
async fn running_requests_end_before_the_server_does() {
    let running = Running::start(LIMITS).await;
    let mut stream = running.connect().await;
    let mut idle = running.connect().await;
    send(&mut idle, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_one(&mut idle).await;
    send(&mut stream, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    running.called.notified().await;
    running.stopper.stop();
    // The idle connection is closed, and new ones are refused, while the request still runs.
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!running.server.is_finished());
    running.release.notify_one();
    assert!(read_all(&mut stream).await.ends_with("waited"));
    drop((stream, idle));
    running.server.await.unwrap();
    assert_eq!(running.connections.get(), 0);
}

#[tokio::test]
async fn what_runs_beyond_the_drain_deadline_is_cut_off() {
    let drain_deadline = Duration::from_millis(50);
    let running = Running::start(Limits { drain_deadline, ..LIMITS }).await;
    let mut stream = running.connect().await;
    send(&mut stream, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    running.called.notified().await;
    running.stopper.stop();
    running.server.await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    assert_eq!(running.connections.get(), 0);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_its_sender() {
    let running = Running::start(LIMITS).await;
    let mut stream = running.connect().await;
    // As many senders do: everything is written first, then the answer is read.
    let length = 8 * 1024 * 1024;
    send(
        &mut stream,
        &format!("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"),
    )
    .await;
    stream.write_all(&vec![b'x'; length]).await.unwrap();
    assert!(read_one(&mut stream).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn too_large_headers_are_refused() {
    let running = Running::start(LIMITS).await;
    let mut stream = running.connect().await;
    let header = format!("x-large: {}\r\n", "x".repeat(8 * HEAD_BYTES_MAX));
    send(&mut stream, &format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n")).await;
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 431"));
}
