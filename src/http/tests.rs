//! The door on a real store in a temporary folder, asked through the router.

use std::io::Write as _;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::server::Connection;
use super::*;
use crate::config::{Auth, Scope, Secret, Source};
use crate::domain::{Name, SourceType, Span};
use crate::shutdown::Stopper;
use crate::store::{EngineCommit, PageRequest, StoreOptions};

const FIRING: &str = r#"{"version":"4","status":"firing","receiver":"r","groupKey":"{}:{}","externalURL":"http://am","alerts":[{"status":"firing","labels":{"alertname":"Down","service":"web"},"annotations":{},"startsAt":"2026-03-04T01:59:00Z","endsAt":"0001-01-01T00:00:00Z"}]}"#;

struct House {
    router: Router,
    shared: Arc<Shared>,
    clock: Clock,
    _stopper: Stopper,
    _folder: tempfile::TempDir,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl House {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::parse("2026-03-04T02:00:00Z").unwrap());
        let metrics = Metrics::new();
        let options = StoreOptions {
            path: folder.path().to_owned(),
            queue_capacity: 100,
            queue_bytes: 1 << 24,
        };
        let store = Store::open(options, clock.clone(), metrics.clone()).unwrap();
        let mut config = Config::default_config();
        config.web.max_body = 64 * 1024;
        // Nothing works anything in here, so a write that waits for the engine waits this long.
        config.web.timeouts.settle = Span::from_millis(1);
        change(&mut config);
        let (stopper, stop) = Stopper::new();
        let (reloader, _) = Reloader::channel();
        let config = Arc::new(config);
        let shared = Arc::new(Shared::new(store, metrics, clock.clone(), config, reloader, stop));
        ingest::prime_metrics(&shared);
        Self { router: routes::router(&shared), shared, clock, _stopper: stopper, _folder: folder }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answered {
        let connection = Connection {
            remote: ([127, 0, 0, 1], 9).into(),
            is_on_loopback: true,
            is_encrypted: false,
            client: None,
        };
        let mut request =
            Request::builder().method(method).uri(path).header("host", "127.0.0.1:7274");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.extension(connection).body(body.into()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answered { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answered {
        self.ask("POST", path, &[], body).await
    }

    async fn metrics(&self) -> String {
        let answered = self.ask("GET", "/metrics", &[], "").await;
        assert_eq!(answered.status, 200);
        answered.body.as_str().unwrap().to_owned()
    }
}

fn source(name: &str, kind: SourceType) -> Source {
    Source {
        name: Name::from(name),
        kind,
        namespace: None,
        token: None,
        basic_auth: None,
        hmac_secret: None,
        rate_limit: None,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_delivery_is_answered_200_once_it_is_in_the_ledger() {
    let house = House::new(|_| {});
    let answered = house.post("/api/v1/ingest/alertmanager", FIRING).await;
    assert_eq!(
        answered.body,
        json!({
            "delivery": "d1",
            "alerts": {"new": 1, "updated": 0, "repeated": 0, "rejected": 0},
            "errors": [],
        })
    );
    assert_eq!((answered.status, house.shared.store.head().borrow().0), (200, 1));
    let again = house.ask("PUT", "/api/v1/ingest/alertmanager", &[], FIRING).await;
    assert_eq!(again.body["alerts"]["repeated"], 1);
    assert_eq!(house.shared.store.raw(Seq(1)).unwrap().as_deref(), Some(FIRING.as_bytes()));
    let metrics = house.metrics().await;
    for line in [
        r#"scribed_deliveries_total{outcome="accepted",source="alertmanager"} 2"#,
        r#"scribed_deliveries_total{outcome="rejected",source="grafana"} 0"#,
        r#"scribed_alerts_total{outcome="repeated",source="alertmanager"} 1"#,
        r#"scribed_event_lag_seconds_sum{source="alertmanager"} 60"#,
        r#"scribed_event_lag_seconds_count{source="alertmanager"} 1"#,
        r#"scribed_quarantined_total{reason="not_json"} 0"#,
        r#"scribed_http_requests_total{method="PUT",route="/api/v1/ingest/{source}",status="200"} 1"#,
        r"scribed_ledger_head 2",
        r#"scribed_incidents{state="open"} 0"#,
        r"# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_quarantined_and_answered_400() {
    let house = House::new(|_| {});
    for (path, body) in [
        ("/api/v1/ingest/alertmanager", "{\"alerts\": [{"),
        ("/api/v1/ingest/alertmanager", "{}"),
        ("/api/v1/ingest/grafana", ""),
        ("/api/v2/alerts", "{}"),
    ] {
        let answered = house.post(path, body).await;
        assert_eq!(answered.status, 400, "{path} {body}");
        assert_eq!(answered.body["type"], "/problems/unusable-body", "{path} {body}");
    }
    let page = PageRequest { limit: 50, cursor: None };
    assert_eq!(house.shared.store.quarantined(&page).unwrap().items.len(), 4);
    assert_eq!(house.shared.store.head().borrow().0, 0);
}

#[tokio::test]
async fn every_sender_has_its_path_and_its_answer() {
    let house = House::new(|config| {
        config.sources = vec![source("my-am", SourceType::Alertmanager)];
    });
    let api = r#"[{"labels":{"alertname":"Down"},"startsAt":"2026-03-04T01:59:00Z"}]"#;
    let trigger = r#"{"routing_key":"k","event_action":"trigger","dedup_key":"d","payload":{"summary":"s","source":"h","severity":"critical"}}"#;
    let change = r#"{"routing_key":"k","payload":{"summary":"deployed","source":"ci"}}"#;
    let note = r#"{"text":"deployed","tags":["deploy"],"time":1772589600000}"#;
    let graphite = r#"{"what":"deployed","tags":"deploy web","when":1772589600}"#;
    for (path, body, status, member) in [
        ("/api/v1/ingest/my-am", FIRING, 200, json!({"delivery": "d1"})),
        ("/api/v2/alerts", api, 200, json!({"delivery": "d2"})),
        ("/v2/enqueue", trigger, 202, json!({"status": "success", "dedup_key": "d"})),
        ("/v2/change/enqueue", change, 202, json!({"status": "success"})),
        ("/api/annotations", note, 200, json!({"message": "Annotation added"})),
        (
            "/api/annotations/graphite",
            graphite,
            200,
            json!({"message": "Graphite annotation added"}),
        ),
        ("/api/v1/ingest/pagerduty", trigger, 404, json!({"status": 404})),
        ("/api/v1/ingest/alertmanager/", FIRING, 404, json!({"status": 404})),
        ("/api/v1/ingest/unknown", FIRING, 404, json!({"status": 404})),
    ] {
        let answered = house.post(path, body).await;
        assert_eq!(answered.status, status, "{path} {}", answered.body);
        for (name, value) in member.as_object().unwrap() {
            assert_eq!(&answered.body[name], value, "{path} {}", answered.body);
        }
    }
    let added = house.post("/api/annotations", note).await;
    assert!(added.body["id"].is_u64(), "{}", added.body);
    let get = house.ask("GET", "/api/v1/ingest/alertmanager", &[], "").await;
    assert_eq!((get.status, &get.headers["allow"]), (405, &"POST,PUT".parse().unwrap()));
}

#[tokio::test]
async fn bodies_are_bounded_as_sent_and_as_unpacked() {
    let house = House::new(|_| {});
    let limit = house.shared.config().web.max_body;
    let path = "/api/v1/ingest/alertmanager";
    let padded = |length: usize| format!("{FIRING}{}", " ".repeat(length - FIRING.len()));
    let packed = |bytes: &[u8]| Body::from(gzip(bytes));
    let zipped = [("content-encoding", "gzip")];
    for (headers, body, expect) in [
        (&[][..], Body::from(padded(limit)), 200),
        (&[], Body::from(padded(limit + 1)), 413),
        (&zipped, packed(padded(limit).as_bytes()), 200),
        (&zipped, packed(padded(limit + 1).as_bytes()), 413),
        (&zipped, packed(&vec![b' '; 32 * 1024 * 1024]), 413),
        (&zipped, Body::from(FIRING), 400),
        (&[("content-encoding", "br")], Body::from(FIRING), 415),
        (&[("content-type", "text/plain")], Body::from(FIRING), 200),
    ] {
        assert_eq!(house.ask("POST", path, headers, body).await.status, expect, "{headers:?}");
    }
}

/// A body that never comes.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_put_off_and_never_408() {
    let house = House::new(|config| config.web.timeouts.body = Span::from_millis(1));
    let answered = house.post("/api/v1/ingest/alertmanager", Body::new(Never)).await;
    assert_eq!((answered.status, &answered.headers["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(house.shared.store.oldest_in_flight(), None);
}

#[tokio::test]
async fn a_stated_receipt_counts_and_the_true_one_is_kept() {
    let house = House::new(|config| config.replay_allow = true);
    let path = "/api/v1/ingest/alertmanager";
    let stated = [("scribed-received-at", "2026-03-04T01:59:30Z")];
    assert_eq!(house.ask("POST", path, &stated, FIRING).await.status, 200);
    let ahead = [("scribed-received-at", "2026-03-04T02:01:01Z")];
    assert_eq!(house.ask("POST", path, &ahead, FIRING).await.status, 400);
    let page = PageRequest { limit: 50, cursor: None };
    let row = house.shared.store.deliveries(&page).unwrap().items.remove(0);
    assert_eq!(row.received_at.to_string(), "2026-03-04T01:59:30.000Z");
    assert_eq!(row.true_received_at.to_string(), "2026-03-04T02:00:00.000Z");
    assert_eq!(house.shared.store.oldest_in_flight(), None);
    let strict = House::new(|_| {});
    assert_eq!(strict.ask("POST", path, &stated, FIRING).await.status, 403);
}

#[tokio::test]
async fn a_source_beyond_its_rate_is_put_off_and_never_429() {
    let house = House::new(|config| {
        config.sources =
            vec![Source { rate_limit: Some(0.5), ..source("slow", SourceType::Alertmanager) }];
    });
    let path = "/api/v1/ingest/slow";
    assert_eq!(house.post(path, FIRING).await.status, 200);
    let answered = house.post(path, FIRING).await;
    assert_eq!((answered.status, &answered.headers["retry-after"]), (503, &"2".parse().unwrap()));
    house.clock.advance(Span::from_seconds(2));
    assert_eq!(house.post(path, FIRING).await.status, 200);
}

#[tokio::test]
async fn a_signed_source_takes_only_signed_bodies() {
    let house = House::new(|config| {
        config.sources = vec![Source {
            hmac_secret: Some(Secret::new(b"test-hmac-secret".to_vec())),
            ..source("grafana", SourceType::Grafana)
        }];
    });
    let body = include_str!("../../tests/fixtures/grafana/01-firing-one.json");
    let signature = "9f970d8d52a66a96f9e20735d75b2b064a7bae7ae17af98a1169d797fb97647b";
    let path = "/api/v1/ingest/grafana";
    let signed = [("x-grafana-alerting-signature", signature)];
    assert_eq!(house.ask("POST", path, &signed, body).await.status, 200);
    for (headers, body) in [(&[][..], body), (&signed, &body[1..])] {
        let answered = house.ask("POST", path, headers, body.to_owned()).await;
        assert_eq!(answered.status, 401);
        assert_eq!(answered.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn foreign_pages_and_hosts_get_nowhere() {
    let house = House::new(|_| {});
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("host", "rebound.example"),
    ] {
        for (method, path) in [
            ("POST", "/api/v1/ingest/alertmanager"),
            ("GET", "/api/v1/status"),
            ("POST", "/-/reload"),
        ] {
            let answered = house.ask(method, path, &[header], FIRING).await;
            assert_eq!(answered.status, 403, "{method} {path} {header:?}");
        }
        let open = house.ask("GET", "/-/healthy", &[header], "").await;
        assert_eq!(open.status, 200, "{header:?}");
    }
}

#[tokio::test]
async fn tokens_open_what_their_scopes_say() {
    let house = House::new(|config| {
        let token = |name, scopes: &[Scope]| auth::tests::token(name, name, scopes);
        config.auth = Auth {
            anonymous: None,
            tokens: vec![token("reader", &[Scope::Read]), token("sender", &[Scope::Ingest(None)])],
            ..Auth::default()
        };
    });
    for (token, expect) in
        [("Bearer reader", [200, 200, 403]), ("Bearer sender", [403, 403, 200]), ("x", [401; 3])]
    {
        let headers = [("authorization", token)];
        let status = house.ask("GET", "/api/v1/status", &headers, "").await.status;
        let metrics = house.ask("GET", "/metrics", &headers, "").await.status;
        let ingest =
            house.ask("POST", "/api/v1/ingest/alertmanager", &headers, FIRING).await.status;
        assert_eq!([status, metrics, ingest], expect, "{token}");
    }
}

#[tokio::test]
async fn the_service_graph_is_answered_when_it_is_worked_in() {
    let house = House::new(|_| {});
    let path = "/api/v1/topology";
    let empty = house.ask("GET", path, &[], "").await;
    assert_eq!((empty.status, &empty.body["edges"]), (200, &json!([])));
    let graph = json!({"edges": [{"caller": "web", "callee": "db"}]});
    let later = house.ask("PUT", path, &[], graph.to_string()).await;
    assert_eq!((later.status, &later.headers["location"]), (202, &path.parse().unwrap()));
    let commit = EngineCommit { cursor: Seq(2), ..EngineCommit::default() };
    house.post("/api/v1/ingest/alertmanager", FIRING).await;
    house.shared.store.commit(commit).unwrap();
    assert_eq!(house.ask("PUT", path, &[], "{\"edges\": 1}").await.status, 400);
}

#[tokio::test]
async fn operators_get_their_answers() {
    let house = House::new(|_| {});
    let ready = house.ask("GET", "/-/ready", &[], "").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE.as_u16());
    assert_eq!(ready.body["detail"], "the engine is starting; the server is starting");
    house.shared.health.ready(health::Part::Engine);
    house.shared.health.ready(health::Part::Server);
    assert_eq!(house.ask("GET", "/-/ready", &[], "").await.status, 200);
    assert_eq!(house.ask("HEAD", "/-/healthy", &[], "").await.status, 200);
    assert_eq!(house.ask("GET", "/-/reload", &[], "").await.status, 405);
    house.post("/api/v1/ingest/alertmanager", FIRING).await;
    let status = house.ask("GET", "/api/v1/status", &[], "").await.body;
    assert_eq!((&status["head"], &status["cursor"]), (&json!(1), &json!(0)));
    assert_eq!(status["sources"][0]["type"], "alertmanager");
    assert_eq!(status["sources"][0]["last_delivery_at"], "2026-03-04T02:00:00.000Z");
    let alertmanager = house.ask("GET", "/api/v2/status", &[], "").await.body;
    assert_eq!(alertmanager["uptime"], "2026-03-04T02:00:00.000Z");
    assert_eq!(house.ask("GET", "/api/v2/alerts", &[], "").await.body, json!([]));
}

#[tokio::test]
async fn who_waits_to_read_holds_no_thread() {
    let house = House::new(|_| {});
    let (begun, begins) = std::sync::mpsc::channel();
    let read = |_| {
        let (end, go_on) = std::sync::mpsc::channel::<()>();
        let (shared, begun) = (Arc::clone(&house.shared), begun.clone());
        let reading = move |_: &Store| {
            begun.send(()).ok();
            // Until its other end is dropped.
            go_on.recv().ok();
            Ok::<_, StoreError>(())
        };
        (end, tokio::spawn(async move { shared.read(reading).await }))
    };
    let (ends, running): (Vec<_>, Vec<_>) = (0..READS_AT_ONCE).map(read).unzip();
    let all_began = move || begins.iter().take(READS_AT_ONCE).count();
    assert_eq!(tokio::task::spawn_blocking(all_began).await.unwrap(), READS_AT_ONCE);

    let mut last = std::pin::pin!(house.shared.read(|_| Ok::<_, StoreError>(())));
    assert!(tokio::time::timeout(Duration::ZERO, last.as_mut()).await.is_err(), "it waits");
    assert_eq!(house.shared.reads.available_permits(), 0);
    drop(ends);
    last.await.unwrap();
    for reading in running {
        reading.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_metrics_are_shown_however_many_others_read() {
    let house = House::new(|_| {});
    house.post("/api/v1/ingest/alertmanager", FIRING).await;
    let all = u32::try_from(READS_AT_ONCE).unwrap();
    let _reading = house.shared.reads.acquire_many(all).await.unwrap();
    assert!(house.metrics().await.contains("scribed_ledger_head 1\n"));
}
