//! What every request passes, whatever it asks: an id, its metrics, and the form of its answer.
//!
//! The id is given out here, counted, never taken from the request. A handler that panics is
//! answered 500 and takes nothing else down. Query strings never reach the log, for people put
//! secrets there. Labels come from the route that matched, never from the path.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::{debug, error, warn};

use super::answer::Problem;
use crate::clock::Clock;
use crate::domain::Span;
use crate::metrics::Metrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What every answer says to a browser that shows it, unless the answer knows better: nothing in it
/// runs or loads, nobody frames it, no other site reads it, no cache keeps it.
const SAFE: [(HeaderName, HeaderValue); 7] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];
/// The text of a refusal of axum's own, such as an unreadable query string.
const REFUSAL_BYTES_MAX: usize = 4096;

/// What the layer needs.
#[derive(Debug)]
pub struct Observer {
    metrics: Metrics,
    clock: Clock,
    /// Tells the requests of one process from those of another.
    process: i64,
    count: AtomicU64,
    put_off: PutOff,
}

impl Observer {
    /// Counts requests from here on.
    #[must_use]
    pub fn new(metrics: Metrics, clock: Clock) -> Self {
        let process = clock.now().millis();
        Self { metrics, clock, process, count: AtomicU64::default(), put_off: PutOff::default() }
    }

    fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells of a request that was put off, but not of each.
    fn log_put_off(&self, detail: &str, id: &str, route: &str) {
        match self.put_off.told_at(self.clock.monotonic()) {
            Some(others) => {
                warn!(request.id = %id, http.route = route, detail, others, "A request was put off");
            }
            None => debug!(request.id = %id, http.route = route, detail, "A request was put off"),
        }
    }
}

/// How often the log tells of requests that were put off: on a full disk all are, and the log may
/// be on it too.
const PUT_OFF_EVERY: Span = Span::from_seconds(10);

/// Which of the requests that were put off the log tells of.
#[derive(Debug, Default)]
struct PutOff {
    /// When the next one is told, on the monotonic clock, in nanoseconds.
    next: AtomicI64,
    /// How many were not told since the last one.
    untold: AtomicU64,
}

impl PutOff {
    /// How many others were put off since the last one that was told; `None` for those.
    fn told_at(&self, now: Span) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let after = (now + PUT_OFF_EVERY).nanos();
        let is_due = now.nanos() >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_due {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

/// The layer.
pub async fn observe(
    State(observer): State<Arc<Observer>>,
    request: Request,
    next: Next,
) -> Response {
    let id = observer.next_id();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = method_label(request.method());
    let path = request.uri().path().to_owned();
    let began = observer.clock.monotonic();

    let response = match (CatchPanic { future: Box::pin(next.run(request)) }).await {
        Ok(response) => finish(response, &observer, &id, &route).await,
        Err(panic) => {
            let problem = Problem::Internal(format!("a handler panicked: {}", message(&*panic)));
            log_problem(&problem, &observer, &id, &route);
            problem.render(Some(&id))
        }
    };

    let took = observer.clock.monotonic().seconds_f64() - began.seconds_f64();
    let status = response.status();
    observer.metrics.http_requests.with_label_values(&[&route, method, status.as_str()]).inc();
    observer.metrics.http_duration.with_label_values(&[&route]).observe(took);
    debug!(
        request.id = %id,
        http.method = method,
        http.path = ?path,
        http.status = status.as_u16(),
        duration_seconds = took,
        "Answered a request"
    );
    with_headers(response, &id)
}

/// The closed set of methods that may be a label; a client can invent any other.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Gives a problem the id of its request, and every bare refusal the form of a problem.
async fn finish(mut response: Response, observer: &Observer, id: &str, route: &str) -> Response {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare_refusal(&response) => {
            let (parts, body) = response.into_parts();
            let problem = from_refusal(parts.status, body).await;
            response = Response::from_parts(parts, Body::empty());
            problem
        }
        None => return response,
    };
    log_problem(&problem, observer, id, route);
    let mut rendered = problem.render(Some(id));
    // What the router or the handler said beside it stays: `Allow` above all.
    for (name, value) in response.headers() {
        let is_of_the_old_body = [CONTENT_TYPE, http::header::CONTENT_LENGTH].contains(name);
        if !is_of_the_old_body && !rendered.headers().contains_key(name) {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    rendered
}

/// True for an error that says nothing, or only plain text: one of axum's extractors refused.
fn is_bare_refusal(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    (status.is_client_error() || status.is_server_error())
        && kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

async fn from_refusal(status: StatusCode, body: Body) -> Problem {
    let text = axum::body::to_bytes(body, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    match status {
        StatusCode::UNAUTHORIZED => Problem::Unauthenticated(text),
        StatusCode::FORBIDDEN => Problem::Forbidden(text),
        StatusCode::NOT_FOUND => Problem::NotFound(text),
        StatusCode::METHOD_NOT_ALLOWED => Problem::MethodNotAllowed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::UnsupportedMedia(text),
        StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(text),
        status if status.is_client_error() => Problem::Invalid(text),
        status => Problem::Internal(format!("{status}: {text}")),
    }
}

fn log_problem(problem: &Problem, observer: &Observer, id: &str, route: &str) {
    match problem {
        Problem::Internal(cause) => {
            error!(request.id = %id, http.route = route, cause, "A request failed");
        }
        Problem::Misconfigured(detail) => {
            error!(request.id = %id, detail, "The configuration could not be loaded");
        }
        Problem::BadTemplate(detail) => {
            error!(request.id = %id, http.route = route, detail, "A draft could not be printed");
        }
        Problem::Unavailable { detail, .. } => observer.log_put_off(detail, id, route),
        Problem::Invalid(detail)
        | Problem::Unusable(detail)
        | Problem::Unauthenticated(detail)
        | Problem::Forbidden(detail)
        | Problem::NotFound(detail)
        | Problem::Conflict(detail)
        | Problem::UnsupportedMedia(detail) => {
            debug!(request.id = %id, http.route = route, detail, "A request was refused");
        }
        Problem::MethodNotAllowed
        | Problem::Stale { .. }
        | Problem::TooLarge { .. }
        | Problem::HeadTooLarge { .. }
        | Problem::TooManyAttempts { .. } => {
            debug!(request.id = %id, http.route = route, ?problem, "A request was refused");
        }
    }
}

fn with_headers(mut response: Response, id: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    for (name, value) in SAFE {
        headers.entry(name).or_insert(value);
    }
    response
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// A future whose panics are values. Nothing of it is used again after one, so that nothing half
/// done is seen: that makes the assertion of unwind safety true.
struct CatchPanic<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.future.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_requests_that_are_put_off_one_in_ten_seconds_is_told_with_the_number_of_the_others()
    {
        let put_off = PutOff::default();
        let at = |seconds| put_off.told_at(Span::from_seconds(seconds));
        let told = [0, 1, 2, 9, 10, 11, 30, 41].map(at);
        assert_eq!(told, [Some(0), None, None, None, Some(3), None, Some(1), Some(0)]);
    }
}
