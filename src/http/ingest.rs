//! The door: bodies of senders come in here and are answered 200 once they are durable.
//!
//! The order is fixed: who sends it, whether there is room, when it was received, the body, its
//! signature, what it says, the commit, the answer. A body that nothing can be made of is put in
//! quarantine and answered 400, so that it shows in the sender's own failure metric; what may
//! succeed later is answered 503. The door never waits for the engine and never redirects.

mod target;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tracing::error;

use super::Shared;
use super::answer::{Answer, Problem, json as json_answer, json_text};
use super::auth::{Known, source};
use super::body::{self, Received};
use super::receipt::{Receipt, receipt};
use super::server::Connection;
use crate::domain::alert::{Word, WordState};
use crate::domain::{Name, RecordBody, Seq, SourceType, Timestamp};
use crate::ingest::{self, Envelope, Parsed, Reason, Unusable};
use crate::store::{DoorCounts, Quarantine, RawDelivery, RefusedAlert};
pub use target::Targets;
use target::{Meters, Target};

/// Records that the engine may lag behind before the door closes: far more than it works in within
/// a minute, far less than would keep the next morning from being told.
const BACKLOG_RECORDS_MAX: u64 = 200_000;
/// A content type is kept with the raw body; a longer one is cut.
const CONTENT_TYPE_CHARS_MAX: usize = 200;
/// Why a body is in quarantine that could not even be decompressed.
const BAD_ENCODING: &str = "bad_encoding";
/// Why a single alert is in quarantine.
const ONE_ALERT: &str = "alert";
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

/// What came of a delivery.
#[derive(Clone, Debug)]
struct Delivered {
    /// Its place in the ledger.
    seq: Seq,
    counts: DoorCounts,
    refused: Vec<RefusedAlert>,
    /// What only this sender wants to know.
    reply: Option<Value>,
}

impl Delivered {
    /// The answer in our own form, with what the sender wants to know beside it.
    fn answer(self) -> Answer {
        if self.refused.is_empty() && self.reply.is_none() {
            return Ok(json_text(StatusCode::OK, self.plain_answer()));
        }
        let errors: Vec<Value> = self
            .refused
            .iter()
            .map(|refused| json!({ "index": refused.index, "detail": refused.problem }))
            .collect();
        let mut members = json!({
            "delivery": delivery_id(self.seq),
            "alerts": {
                "new": self.counts.new,
                "updated": self.counts.updated,
                "repeated": self.counts.repeated,
                "rejected": self.refused.len(),
            },
            "errors": errors,
        });
        if let (Some(ours), Some(Value::Object(theirs))) = (members.as_object_mut(), self.reply) {
            for (name, value) in theirs {
                ours.entry(name).or_insert(value);
            }
        }
        json_answer(StatusCode::OK, &members)
    }

    /// The same answer where all is well, which is the usual one: numbers need no JSON writer.
    fn plain_answer(&self) -> String {
        let DoorCounts { new, updated, repeated } = self.counts;
        let mut text = String::with_capacity(128);
        // Writing into a text cannot fail.
        write!(
            text,
            "{{\"alerts\":{{\"new\":{new},\"rejected\":0,\"repeated\":{repeated},\
             \"updated\":{updated}}},\"delivery\":\"{}\",\"errors\":[]}}",
            delivery_id(self.seq)
        )
        .ok();
        text
    }

    /// The answer that programs written for another receiver wait for. The room that knows the
    /// sender's form has written it.
    fn answer_in_senders_form(self, status: StatusCode) -> Answer {
        match &self.reply {
            Some(reply) => json_answer(status, reply),
            None => self.answer(),
        }
    }
}

/// The id of a delivery.
fn delivery_id(seq: Seq) -> String {
    format!("d{seq}")
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

    let read =
        read_body(target, envelope_headers(&parts.headers), received, receipt.stated, bytes_max)
            .await?;
    let (bytes, parsed) = match read {
        Read::Parsed(bytes, parsed) => (bytes, *parsed),
        Read::Unusable(bytes, reason, problem) => {
            quarantine(shared, &target.name, receipt.stated, reason, &problem, bytes).await;
            return Err(Problem::Unusable(problem));
        }
    };
    let delivered = append(shared, target, parts, receipt, bytes, parsed).await?;
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

/// A body that was taken apart.
enum Read {
    Parsed(Bytes, Box<Parsed>),
    /// With the reason as a metric's label and as a sentence.
    Unusable(Bytes, &'static str, String),
}

/// Decompresses and parses; a heavy body on a thread that may be busy for a while.
async fn read_body(
    target: &Arc<Target>,
    headers: Vec<(String, String)>,
    mut received: Received,
    received_at: Timestamp,
    bytes_max: usize,
) -> Result<Read, Problem> {
    if !received.is_heavy() {
        return parse(target, &headers, &mut received, received_at, bytes_max);
    }
    let target = Arc::clone(target);
    tokio::task::spawn_blocking(move || {
        parse(&target, &headers, &mut received, received_at, bytes_max)
    })
    .await
    .unwrap_or_else(|error| Err(Problem::Internal(format!("a parsing thread failed: {error}"))))
}

fn parse(
    target: &Target,
    headers: &[(String, String)],
    received: &mut Received,
    received_at: Timestamp,
    bytes_max: usize,
) -> Result<Read, Problem> {
    let bytes = match received.decoded(bytes_max) {
        Ok(bytes) => bytes,
        Err(Problem::Unusable(problem)) => {
            return Ok(Read::Unusable(received.wire.clone(), BAD_ENCODING, problem));
        }
        Err(other) => return Err(other),
    };
    let envelope = Envelope {
        source: &target.name,
        kind: target.kind,
        namespace: target.source.as_ref().and_then(|source| source.namespace.as_ref()),
        received_at,
        headers,
    };
    Ok(match ingest::read(&envelope, &bytes) {
        Ok(parsed) => Read::Parsed(bytes, Box::new(parsed)),
        Err(Unusable { reason, problem }) => Read::Unusable(bytes, reason.as_str(), problem),
    })
}

/// Keeps a body that could not be used. A failure to do so changes nothing for the sender: no
/// retry makes the body a better one.
pub(super) async fn quarantine(
    shared: &Shared,
    source: &Name,
    received_at: Timestamp,
    reason: &'static str,
    problem: &str,
    bytes: Bytes,
) {
    shared.metrics.quarantined.with_label_values(&[reason]).inc();
    let body = Quarantine {
        source: source.clone(),
        received_at,
        reason,
        problem: problem.to_owned(),
        bytes,
    };
    if let Err(error) = shared.store.quarantine(body).await {
        error!(source = %source, %error, "An unusable body could not be put in quarantine");
    }
}

/// Commits what the delivery says, together with its bytes as the parser saw them.
async fn append(
    shared: &Shared,
    target: &Target,
    parts: &Parts,
    receipt: Receipt,
    bytes: Bytes,
    parsed: Parsed,
) -> Result<Delivered, Problem> {
    let Parsed { delivery, refused, reply, .. } = parsed;
    let refused: Vec<RefusedAlert> = refused
        .into_iter()
        .map(|refused| RefusedAlert { index: refused.index, problem: refused.problem })
        .collect();
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let remote = parts.extensions.get::<Connection>().map(|connection| connection.remote);
    let raw = RawDelivery {
        bytes,
        content_type: String::from_utf8_lossy(content_type)
            .chars()
            .take(CONTENT_TYPE_CHARS_MAX)
            .collect(),
        remote: remote.map_or_else(String::new, |address| address.to_string()),
        refused: refused.clone(),
    };
    let received_at = receipt.stated;
    let lags = lags_seconds(&delivery.words, received_at);
    let appended = receipt.append_raw(shared, RecordBody::Delivery(delivery), Some(raw)).await?;
    count(shared, &target.meters, received_at, appended.counts, &refused, lags);
    Ok(Delivered { seq: appended.seq, counts: appended.counts, refused, reply })
}

/// How late each word is: receipt less what it tells of. The shortest come first.
fn lags_seconds(words: &[Word], received_at: Timestamp) -> Vec<f64> {
    let mut lags: Vec<f64> = words
        .iter()
        .filter(|word| !word.is_test)
        .map(|word| {
            let told = match &word.state {
                WordState::Firing { .. } => &word.starts_at,
                WordState::Resolved { ends_at, .. } => ends_at,
            };
            (received_at - told.at).seconds_f64().max(0.0)
        })
        .collect();
    lags.sort_unstable_by(f64::total_cmp);
    lags
}

fn count(
    shared: &Shared,
    meters: &Meters,
    received_at: Timestamp,
    counts: DoorCounts,
    refused: &[RefusedAlert],
    lags: Vec<f64>,
) {
    let rejected = refused.len() as u64;
    meters.alerts_new.inc_by(counts.new);
    meters.alerts_updated.inc_by(counts.updated);
    meters.alerts_repeated.inc_by(counts.repeated);
    meters.alerts_rejected.inc_by(rejected);
    if rejected > 0 {
        shared.metrics.quarantined.with_label_values(&[ONE_ALERT]).inc_by(rejected);
    }
    // A state counts once. What is told for the first time is younger than what is told again, so
    // it is the shortest lags that are measured.
    let fresh = usize::try_from(counts.new + counts.updated).unwrap_or(usize::MAX);
    for lag in lags.into_iter().take(fresh) {
        meters.event_lag.observe(lag);
    }
    meters.last_delivery.set(received_at.seconds_f64());
}

/// A length as a measure; no body is long enough to lose precision.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float by definition")]
const fn precise(bytes: usize) -> f64 {
    bytes as f64
}

/// Makes the counters of failures exist before the first failure, so that a rate over them works.
/// To be called once at the start, and after a reload.
pub fn prime_metrics(shared: &Shared) {
    let config = shared.config();
    let built_in = ingest::BUILT_IN.iter().chain(&SOURCES_OF_OTHER_PATHS).map(|kind| kind.as_str());
    for source in config.sources.iter().map(|source| source.name.as_str()).chain(built_in) {
        for outcome in ["accepted", "rejected", "unavailable"] {
            shared.metrics.deliveries.with_label_values(&[source, outcome]).inc_by(0);
        }
    }
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    for reason in reasons.chain([BAD_ENCODING, ONE_ALERT]) {
        shared.metrics.quarantined.with_label_values(&[reason]).inc_by(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::labels::Labels;
    use crate::domain::{AlertKey, Claim, Fingerprint};

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

    #[test]
    fn the_answer_tells_the_counts_the_errors_and_what_the_sender_needs() {
        let delivered = Delivered {
            seq: Seq(17),
            counts: DoorCounts { new: 1, updated: 0, repeated: 2 },
            refused: vec![RefusedAlert { index: 3, problem: "no labels".to_owned() }],
            reply: Some(json!({ "dedup_key": "k", "delivery": "never mine" })),
        };
        let plain = Delivered { refused: Vec::new(), reply: None, ..delivered.clone() };
        let response = delivered.answer().unwrap();
        let body = crate::http::answer::tests::read(response);
        assert_eq!(
            body,
            json!({
                "delivery": "d17",
                "alerts": { "new": 1, "updated": 0, "repeated": 2, "rejected": 1 },
                "errors": [{ "index": 3, "detail": "no labels" }],
                "dedup_key": "k",
            })
        );
        assert_eq!(
            crate::http::answer::tests::read(plain.answer().unwrap()),
            json!({
                "delivery": "d17",
                "alerts": { "new": 1, "updated": 0, "repeated": 2, "rejected": 0 },
                "errors": [],
            })
        );
    }

    #[test]
    fn lag_is_measured_from_what_a_word_tells_of() {
        let received = Timestamp::from_seconds(1000);
        let word = |start: i64, end: Option<i64>, is_test: bool| Word {
            key: AlertKey::new(Name::from("prometheus"), Fingerprint::new("f")),
            key_from_labels: true,
            labels: Labels::default(),
            annotations: Labels::default(),
            state: match end {
                None => WordState::Firing { lease: None },
                Some(end) => WordState::Resolved {
                    ends_at: Claim::plain(Timestamp::from_seconds(end)),
                    ending: crate::domain::alert::Ending::Recovered,
                },
            },
            starts_at: Claim::plain(Timestamp::from_seconds(start)),
            links: Vec::new(),
            values: Vec::new(),
            is_test,
        };
        let words = [
            word(900, None, false),
            word(500, Some(990), false),
            word(1005, None, false),
            word(0, None, true),
        ];
        assert_eq!(lags_seconds(&words, received), [0.0, 10.0, 100.0]);
    }
}
