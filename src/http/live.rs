//! The live stream: server-sent events that say what changed, so that a page can read it again.
//!
//! Events are hints, not the truth: whoever misses some is told `lagged` and reads the lists. One
//! reading of the store serves all listeners (`feed`). A listener that is slow holds up nobody: the
//! body is produced when the connection takes it. Streams end when the server stops. Caller:
//! `api::routes`.

mod feed;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Frame;
use tokio::sync::watch;

use super::Shared;
use super::answer::{Answer, Problem};
use super::api::query::Params;
use super::api::route_table;
use super::auth::Reader;
use crate::domain::Seq;
use crate::shutdown::StopSignal;
use feed::{Feed, Place};

/// A comment this often keeps proxies from taking the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long changes are gathered before they are told: many records often change one incident.
const GATHERING: Duration = Duration::from_millis(100);
/// What a browser waits before it comes back.
const GREETING: &str = "retry: 2000\n: scribed\n\n";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

route_table! {
    "/api/v1/stream": get stream;
}

/// The route of the stream, with the feed that its listeners share.
pub fn routes() -> axum::Router<Arc<Shared>> {
    table().layer(Extension(Feed::default()))
}

/// GET `/api/v1/stream`.
async fn stream(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Extension(feed): Extension<Feed>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Answer {
    let params = Params::new(pairs);
    // A browser sends the header when it comes back; a page that was just made knows its place
    // from the page.
    let heard_until = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .or(params.one("last_event_id")?)
        .and_then(|text| text.trim().parse().ok())
        .map(Seq);
    let listener = Listener::join(shared, feed, heard_until).await?;
    let mut response = Response::new(Body::new(Stream::new(listener)));
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx buffers answers unless told not to.
    sent.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// One who listens.
struct Listener {
    shared: Arc<Shared>,
    feed: Feed,
    place: Place,
    cursor: watch::Receiver<Seq>,
    stop: StopSignal,
    /// What goes out before anything new.
    first: Option<String>,
}

impl Listener {
    /// Joins the feed, and reads up what was missed since `heard_until`.
    async fn join(
        shared: Arc<Shared>,
        feed: Feed,
        heard_until: Option<Seq>,
    ) -> Result<Self, Problem> {
        let mut cursor = shared.store.cursor();
        let now = *cursor.borrow_and_update();
        let place = feed.join(now).await;
        let mut first = GREETING.to_owned();
        if let Some(seq) = heard_until {
            first += &shared.read(move |store| feed::missed(store, seq, now)).await?;
        }
        let stop = shared.stop.clone();
        Ok(Self { shared, feed, place, cursor, stop, first: Some(first) })
    }

    /// The next piece of the stream; `None` when it ends.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first.into(), self));
        }
        // What did not fit into the last piece.
        let rest = self.feed.kept(&self.shared, &mut self.place).await;
        if !rest.is_empty() {
            return Some((rest.into(), self));
        }
        let heartbeat = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(heartbeat);
        loop {
            tokio::select! {
                () = self.stop.stopped() => return None,
                () = &mut heartbeat => return Some((": still here\n\n".into(), self)),
                changed = self.cursor.changed() => changed.ok()?,
            }
            let gathering = GATHERING.max(self.feed.rest().await);
            tokio::select! {
                () = self.stop.stopped() => return None,
                () = tokio::time::sleep(gathering) => {}
            }
            let now = *self.cursor.borrow_and_update();
            // A stream has no way to tell an error: it ends, and the browser comes back.
            let text = self.feed.news(&self.shared, &mut self.place, now).await.ok()?;
            if !text.is_empty() {
                return Some((text.into(), self));
            }
        }
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Listener)>> + Send>>;

/// A body whose pieces come from a listener, one after the other.
struct Stream {
    /// `None` once it has ended.
    next: Option<Next>,
}

impl Stream {
    fn new(listener: Listener) -> Self {
        Self { next: Some(Box::pin(listener.next())) }
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        match next.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.next = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some((bytes, listener))) => {
                self.next = Some(Box::pin(listener.next()));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }
}
