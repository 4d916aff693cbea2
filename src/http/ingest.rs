//! The door: bodies of senders come in here and are answered 200 once they are durable.
//!
//! The order is fixed: who sends it, whether there is room, when it was received, the body, its
//! signature, what it says, the commit, the answer. A body that nothing can be made of is put in
//! quarantine and answered 400, so that it shows in the sender's own failure metric; what may
//! succeed later is answered 503. The door never waits for the engine and never redirects.

mod counted;
mod delivered;
pub(super) mod replay;
mod target;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use tracing::error;

use super::Shared;
use super::answer::{Answer, Problem};
use super::auth::{Known, source};
use super::body::{self, Received};
use super::receipt::{Receipt, receipt};
use super::server::Connection;
use crate::config::Config;
use crate::domain::redaction::RedactionRule;
use crate::domain::{Name, RecordBody, SourceType, Timestamp};
use crate::ingest::{self, Envelope, Parsed, Unusable, redaction};
use crate::store::{AuditEntry, Quarantine, RawDelivery, RefusedAlert};
pub use counted::prime_metrics;
use counted::{count, lags_seconds};
use delivered::Delivered;
pub(super) use delivered::{delivery_id, delivery_seq};
use target::Target;
pub use target::Targets;

/// Records that the engine may lag behind before the door closes: far more than it works in within
/// a minute, far less than would keep the next morning from being told.
const BACKLOG_RECORDS_MAX: u64 = 200_000;
/// A content type is kept with the raw body; a longer one is cut.
const CONTENT_TYPE_CHARS_MAX: usize = 200;
/// Why a body is in quarantine that could not even be decompressed.
const BAD_ENCODING: &str = "bad_encoding";
/// What a sender may be called besides the names in the configuration and [`ingest::BUILT_IN`].
const SOURCES_OF_OTHER_PATHS: [SourceType; 3] =
    [SourceType::Prometheus, SourceType::Pagerduty, SourceType::Annotations];

/// The paths of deliveries, whose handlers know the credentials of a source.
pub const PATHS: [&str; 6] = [
    "/api/v1/ingest/{source}",
    "/v2/enqueue",
    "/v2/change/enqueue",
    "/api/annotations",
    "/api/annotations/graphite",
    "/api/v2/alerts",
];

/// The paths of senders.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/ingest/{source}", post(by_name).put(by_name))
        .route("/v2/enqueue", post(pagerduty).put(pagerduty))
        .route("/v2/change/enqueue", post(pagerduty).put(pagerduty))
        .route("/api/annotations", post(annotation).put(annotation))
        .route("/api/annotations/graphite", post(annotation).put(annotation))
}

async fn by_name(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    let target =
        shared.targets.named(&shared.config(), &shared.metrics, &name).ok_or_else(|| {
            let name: String = name.chars().take(100).collect();
            Problem::NotFound(format!("there is no source `{name}`; configure it under `sources`"))
        })?;
    deliver(&shared, target, request).await?.answer()
}

/// A delivery on Prometheus' own way to an Alertmanager. vmalert takes nothing but a plain 200.
pub(super) async fn prometheus(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    deliver_on_path(&shared, SourceType::Prometheus, request).await?.answer()
}

async fn pagerduty(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    deliver_on_path(&shared, SourceType::Pagerduty, request)
        .await?
        .answer_in_senders_form(StatusCode::ACCEPTED)
}

async fn annotation(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    deliver_on_path(&shared, SourceType::Annotations, request)
        .await?
        .answer_in_senders_form(StatusCode::OK)
}

async fn deliver_on_path(
    shared: &Arc<Shared>,
    kind: SourceType,
    request: Request,
) -> Result<Delivered, Problem> {
    let target = shared.targets.of_path(&shared.config(), &shared.metrics, kind);
    deliver(shared, target, request).await
}

/// Takes a delivery in, and counts what came of it.
async fn deliver(
    shared: &Arc<Shared>,
    target: Arc<Target>,
    request: Request,
) -> Result<Delivered, Problem> {
    let (parts, body) = request.into_parts();
    let result = take_in(shared, &target, &parts, body).await;
    let meters = &target.meters;
    let outcome = match &result {
        Ok(_) => &meters.accepted,
        Err(problem) if problem.status().is_client_error() => &meters.rejected,
        Err(_) => &meters.unavailable,
    };
    outcome.inc();
    result
}

async fn take_in(
    shared: &Arc<Shared>,
    target: &Arc<Target>,
    parts: &Parts,
    body: Body,
) -> Result<Delivered, Problem> {
    let config = shared.config();
    let known = Known { auth: &config.auth, sessions: &shared.sessions };
    let admission = source::admit(known, parts, &target.name, target.source.as_ref())?;
    require_room(shared, target)?;
    let receipt = receipt(shared, &parts.headers, &admission.principal)?;
    let bytes_max = config.web.max_body;
    let received = body::receive(shared, &parts.headers, body, bytes_max).await?;
    let began = shared.clock.monotonic();
    admission.check_signature(&parts.headers, &received.wire, receipt.stated)?;
    shared.metrics.delivery_bytes.observe(precise(received.wire.len()));

    let headers = envelope_headers(&parts.headers);
    let read =
        read_body(Arc::clone(&config), target, headers.clone(), received, receipt.stated).await?;
    let (kept, parsed) = match read {
        Read::Parsed(kept, parsed) => (kept, *parsed),
        Read::Unusable(bytes, reason, problem) => {
            let unusable = UnusableBody { reason, problem: problem.clone(), bytes, headers };
            quarantine(shared, &target.name, receipt.stated, unusable).await;
            return Err(Problem::Unusable(problem));
        }
    };
    let came = Came::of(parts, kept);
    let delivered = append(shared, target, came, receipt, parsed).await?;
    let took = shared.clock.monotonic().seconds_f64() - began.seconds_f64();
    target.meters.ingest_duration.observe(took);
    Ok(delivered)
}

/// Nothing, when the source keeps to its rate and the engine is not hopelessly behind.
fn require_room(shared: &Shared, target: &Target) -> Result<(), Problem> {
    if let Some(rate) = target.source.as_ref().and_then(|source| source.rate_limit) {
        shared.rates.take(&target.name, rate, shared.clock.monotonic()).map_err(
            |retry_after_seconds| Problem::Unavailable {
                detail: format!("the source {} is beyond its rate limit", target.name),
                retry_after_seconds,
            },
        )?;
    }
    let backlog = shared.store.backlog();
    if backlog > BACKLOG_RECORDS_MAX {
        return Err(Problem::unavailable(format!("the engine is {backlog} records behind")));
    }
    Ok(())
}

/// The headers that a sender's form may need, names in lower case.
fn envelope_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            name.starts_with("ce-")
                || matches!(name, "content-type" | "x-github-event" | "x-github-delivery")
        })
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// A body as it may be kept.
struct Kept {
    bytes: Bytes,
    /// How many values the redaction rules have changed.
    redacted: u64,
}

/// A body that was taken apart.
enum Read {
    Parsed(Kept, Box<Parsed>),
    /// With the reason as a metric's label and as a sentence.
    Unusable(Bytes, &'static str, String),
}

/// Decompresses and parses; a heavy body on a thread that may be busy for a while.
async fn read_body(
    config: Arc<Config>,
    target: &Arc<Target>,
    headers: Vec<(String, String)>,
    mut received: Received,
    received_at: Timestamp,
) -> Result<Read, Problem> {
    if !received.is_heavy() {
        return parse(&config, target, &headers, &mut received, received_at);
    }
    let target = Arc::clone(target);
    tokio::task::spawn_blocking(move || {
        parse(&config, &target, &headers, &mut received, received_at)
    })
    .await
    .unwrap_or_else(|error| Err(Problem::Internal(format!("a parsing thread failed: {error}"))))
}

fn parse(
    config: &Config,
    target: &Target,
    headers: &[(String, String)],
    received: &mut Received,
    received_at: Timestamp,
) -> Result<Read, Problem> {
    let bytes = match received.decoded(config.web.max_body) {
        Ok(bytes) => bytes,
        Err(Problem::Unusable(problem)) => {
            return Ok(Read::Unusable(received.wire.clone(), BAD_ENCODING, problem));
        }
        Err(other) => return Err(other),
    };
    Ok(read_bytes(config, target, headers, bytes, received_at))
}

/// What the bytes of a body say, with what may be kept of them.
fn read_bytes(
    config: &Config,
    target: &Target,
    headers: &[(String, String)],
    bytes: Bytes,
    received_at: Timestamp,
) -> Read {
    let envelope = Envelope {
        source: &target.name,
        kind: target.kind,
        namespace: target.source.as_ref().and_then(|source| source.namespace.as_ref()),
        received_at,
        headers,
    };
    match ingest::read(&envelope, &bytes) {
        Ok(mut parsed) => {
            let kept = redacted(&config.redaction, &mut parsed, bytes);
            Read::Parsed(kept, Box::new(parsed))
        }
        Err(Unusable { reason, problem }) => Read::Unusable(bytes, reason.as_str(), problem),
    }
}

/// Takes out of a delivery what the rules name, and gives the body as it may be kept.
fn redacted(rules: &[RedactionRule], parsed: &mut Parsed, bytes: Bytes) -> Kept {
    if rules.is_empty() {
        return Kept { bytes, redacted: 0 };
    }
    let cleaned = redaction::redact(rules, parsed, &bytes);
    Kept { bytes: cleaned.bytes.map_or(bytes, Bytes::from), redacted: cleaned.values }
}

/// A body of which nothing can be used, and why.
pub(super) struct UnusableBody {
    /// For metrics.
    pub(super) reason: &'static str,
    /// For people.
    pub(super) problem: String,
    pub(super) bytes: Bytes,
    /// What the sender's form needs beside the body.
    pub(super) headers: Vec<(String, String)>,
}

/// Keeps a body that could not be used. A failure to do so changes nothing for the sender: no
/// retry makes the body a better one.
pub(super) async fn quarantine(
    shared: &Shared,
    source: &Name,
    received_at: Timestamp,
    unusable: UnusableBody,
) {
    let UnusableBody { reason, mut problem, mut bytes, mut headers } = unusable;
    shared.metrics.quarantined.with_label_values(&[reason]).inc();
    let config = shared.config();
    let mut redacted = 0;
    if !config.redaction.is_empty() {
        let cleaned = redaction::redact_unusable(&config.redaction, &bytes, &mut problem);
        redacted = cleaned.values;
        if let Some(cleaned) = cleaned.bytes {
            // Headers may say again what the body says.
            headers.retain(|(name, _)| !name.starts_with("ce-"));
            bytes = Bytes::from(cleaned);
        }
    }
    let source = source.clone();
    let body = Quarantine {
        source: source.clone(),
        received_at,
        reason,
        problem,
        bytes,
        redacted,
        headers,
    };
    if let Err(error) = shared.store.quarantine(body).await {
        error!(source = %source, %error, "An unusable body could not be put in quarantine");
    }
}

/// How a delivery came, and what is kept of its body.
struct Came {
    kept: Kept,
    content_type: String,
    remote: String,
    /// The row of the quarantine that is read again, with who asked for it.
    replays: Option<(u64, AuditEntry)>,
}

impl Came {
    fn of(parts: &Parts, kept: Kept) -> Self {
        let content_type =
            parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let remote = parts.extensions.get::<Connection>().map(|connection| connection.remote);
        Self {
            kept,
            content_type: String::from_utf8_lossy(content_type)
                .chars()
                .take(CONTENT_TYPE_CHARS_MAX)
                .collect(),
            remote: remote.map_or_else(String::new, |address| address.to_string()),
            replays: None,
        }
    }
}

/// Commits what the delivery says, together with its bytes as the parser saw them.
async fn append(
    shared: &Shared,
    target: &Target,
    came: Came,
    receipt: Receipt,
    parsed: Parsed,
) -> Result<Delivered, Problem> {
    let Parsed { delivery, refused, reply, .. } = parsed;
    let refused: Vec<RefusedAlert> = refused
        .into_iter()
        .map(|refused| RefusedAlert { index: refused.index, problem: refused.problem })
        .collect();
    let (replays, entry) = came.replays.unzip();
    let raw = RawDelivery {
        bytes: came.kept.bytes,
        content_type: came.content_type,
        remote: came.remote,
        refused: refused.clone(),
        redacted: came.kept.redacted,
        replays,
    };
    let received_at = receipt.stated;
    let lags = lags_seconds(&delivery.words, received_at);
    let body = RecordBody::Delivery(delivery);
    let appended = match entry {
        None => receipt.append_raw(shared, body, Some(raw)).await?,
        Some(entry) => receipt.append_audited(shared, body, Some(raw), entry).await?,
    };
    count(shared, &target.meters, received_at, appended.counts, &refused, lags);
    Ok(Delivered { seq: appended.seq, counts: appended.counts, refused, reply })
}

/// A length as a measure; no body is long enough to lose precision.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float by definition")]
const fn precise(bytes: usize) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_that_a_form_needs_reach_the_parser() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Content-Type", "application/json"),
            ("Authorization", "Bearer secret"),
            ("CE-Type", "com.example"),
            ("X-GitHub-Event", "push"),
            ("X-Other", "1"),
        ] {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let mut names: Vec<String> =
            envelope_headers(&headers).into_iter().map(|(n, _)| n).collect();
        names.sort();
        assert_eq!(names, ["ce-type", "content-type", "x-github-event"]);
    }
}
