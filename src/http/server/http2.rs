//! HTTP/2 on one connection, after TLS.
//!
//! hyper waits for ever for a client that never begins, that is silent between requests, or that
//! gives no room for an answer; for HTTP/1 its timer and our socket see to that. Here a pulse does:
//! every request, head and part of an answer is a beat, and a connection without one for too long
//! is ended. And an answer before the end of the body (413, 401) would reset the stream, which makes
//! clients drop the answer: so the rest is read and thrown away, as `socket` does for HTTP/1.
//! Caller: the parent.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt;

use super::socket::{LINGER_MAX, LINGER_PAUSE_MAX};
use super::{Connection, HEAD_BYTES_MAX, Limits, with_connection};
use crate::shutdown::StopSignal;

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 100;
/// How long a client has to leave after it was told to.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Serves the requests of a connection until it ends, is silent for too long, or we stop.
pub(super) async fn serve<S>(
    stream: S,
    router: Router,
    connection: Connection,
    limits: Limits,
    mut stop: StopSignal,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Pulse::default();
    let service = service_fn({
        let pulse = pulse.clone();
        move |request| answer(router.clone(), request, connection.clone(), pulse.begin())
    });
    let mut serving = pin!(builder().serve_connection(TokioIo::new(stream), service));
    let mut is_ending = false;
    loop {
        // Either patience may end first, for a request may begin or end while we sleep.
        let next_look = Instant::now() + limits.header_timeout.min(limits.stall_timeout);
        tokio::select! {
            ended = serving.as_mut() => return ended,
            () = stop.stopped(), if !is_ending => {
                is_ending = true;
                serving.as_mut().graceful_shutdown();
            }
            () = sleep_until(pulse.deadline(limits).min(next_look)) => {
                if pulse.deadline(limits) > Instant::now() {
                    continue;
                }
                serving.as_mut().graceful_shutdown();
                return timeout(GOODBYE_MAX, serving).await.unwrap_or(Ok(()));
            }
        }
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

/// Answers one request, which is under way until the last part of its answer is taken.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    connection: Connection,
    under_way: UnderWay,
) -> Result<Response, Infallible> {
    let request = request.map(|body| Upload(Some(body)));
    let response = router.oneshot(with_connection(request, connection)).await?;
    under_way.0.beat();
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            under_way.0.beat();
            frame
        }))
    }))
}

/// The body of a request, which is read to its end also when nobody wants it.
struct Upload(Option<Incoming>);

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let left_over = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left_over, Handle::try_current()) {
            // Bounded in time, and over at once when its connection is.
            runtime.spawn(timeout(LINGER_MAX, discard(body)));
        }
    }
}

/// Throws away what comes in, until the end, an error, or a pause.
async fn discard(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_PAUSE_MAX, body.frame()).await {}
}

/// What a connection last did.
#[derive(Clone, Default)]
struct Pulse(Arc<Mutex<Beats>>);

struct Beats {
    requests: usize,
    last: Instant,
}

impl Default for Beats {
    fn default() -> Self {
        Self { requests: 0, last: Instant::now() }
    }
}

impl Pulse {
    fn begin(&self) -> UnderWay {
        let mut beats = self.beats();
        beats.requests += 1;
        beats.last = Instant::now();
        UnderWay(self.clone())
    }

    fn beat(&self) {
        self.beats().last = Instant::now();
    }

    /// When the connection has been silent for too long, as things stand.
    fn deadline(&self, limits: Limits) -> Instant {
        let beats = self.beats();
        let patience =
            if beats.requests == 0 { limits.header_timeout } else { limits.stall_timeout };
        beats.last + patience
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, until its answer is gone.
struct UnderWay(Pulse);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut beats = self.0.beats();
        beats.requests -= 1;
        beats.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::shutdown::Stopper;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    /// A served connection, our end of it, and what stops the server.
    fn served(
        header_timeout: Duration,
        stall_timeout: Duration,
    ) -> (DuplexStream, JoinHandle<()>, Stopper) {
        let (ours, theirs) = duplex(64 * 1024);
        let refuse = || async { http::StatusCode::PAYLOAD_TOO_LARGE };
        let endless = || async { Body::new(Endless) };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/big", get(endless))
            .route("/refuse", post(refuse));
        let remote = ([127, 0, 0, 1], 9).into();
        let connection =
            Connection { remote, is_on_loopback: true, is_encrypted: true, client: None };
        let limits =
            Limits { connections_max: 1, header_timeout, stall_timeout, drain_deadline: LONG };
        let (stopper, stop) = Stopper::new();
        let server = tokio::spawn(async move {
            serve(theirs, router, connection, limits, stop).await.ok();
        });
        (ours, server, stopper)
    }

    /// Asks for a path and gives the answer before its body was read.
    async fn asked(
        ours: DuplexStream,
        path: &str,
    ) -> (http::Response<Incoming>, JoinHandle<()>, impl Sized) {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours))
                .await
                .unwrap();
        let client = tokio::spawn(async move { connection.await.unwrap_or_default() });
        let request = Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap();
        (sender.send_request(request).await.unwrap(), client, sender)
    }

    /// A body without end.
    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
        }
    }

    #[tokio::test]
    async fn a_client_that_never_begins_is_left() {
        let (mut ours, server, _stopper) = served(SHORT, LONG);
        server.await.unwrap();
        ours.read_to_end(&mut Vec::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_asks_nothing_more_is_left() {
        let (ours, server, _stopper) = served(SHORT, LONG);
        let (answer, client, _sender) = asked(ours, "/").await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
        server.await.unwrap();
        client.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_answer_is_left() {
        let (ours, server, _stopper) = served(LONG, SHORT);
        let (answer, _client, _sender) = asked(ours, "/big").await;
        server.await.unwrap();
        drop(answer);
    }

    #[tokio::test]
    async fn a_stop_ends_an_idle_connection() {
        let (ours, server, stopper) = served(LONG, LONG);
        let (answer, _client, _sender) = asked(ours, "/").await;
        answer.into_body().collect().await.unwrap();
        stopper.stop();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_before_the_end_of_the_body_resets_nothing() {
        let (ours, _server, _stopper) = served(LONG, LONG);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours))
                .await
                .unwrap();
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        // Far more than the window of a stream: it is taken only if somebody reads it.
        let sent = Arc::new(AtomicUsize::new(0));
        let body = Counted { left: 1024, sent: Arc::clone(&sent) };
        let request = Request::post("https://localhost/refuse").body(Body::new(body)).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), http::StatusCode::PAYLOAD_TOO_LARGE);
        answer.into_body().collect().await.unwrap();
        while sent.load(Ordering::SeqCst) < 1024 {
            tokio::task::yield_now().await;
        }
    }

    /// A body of this many parts, which counts those that were taken.
    struct Counted {
        left: usize,
        sent: Arc<AtomicUsize>,
    }

    impl hyper::body::Body for Counted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.sent.fetch_add(1, Ordering::SeqCst);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
        }
    }
}
