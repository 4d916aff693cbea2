//! Real bodies for the tests of this room, and short ways to read them.

use super::{Envelope, Parsed, Reason, Unusable, read};
use crate::domain::{Name, SourceType, Timestamp};

/// A body of `tests/fixtures/payloads`.
macro_rules! payload {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/payloads/", $path))
            .as_slice()
    };
}
pub(crate) use payload;

/// When the bodies of the tests are received: a few minutes after what they tell.
pub(crate) fn received_at() -> Timestamp {
    at("2026-03-02T10:01:00Z")
}

/// A moment.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Reads a body as the built-in source of a type would.
pub(crate) fn try_read(kind: SourceType, body: &[u8]) -> Result<Parsed, Unusable> {
    read_with(kind, &[], body)
}

/// Reads a body that comes with headers.
pub(crate) fn read_with(
    kind: SourceType,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Parsed, Unusable> {
    let source = Name::from(kind.as_str());
    let headers: Vec<(String, String)> =
        headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let envelope = Envelope {
        source: &source,
        kind,
        namespace: None,
        received_at: received_at(),
        headers: &headers,
    };
    read(&envelope, body)
}

/// Reads a body that must be usable.
pub(crate) fn parse(kind: SourceType, body: &[u8]) -> Parsed {
    try_read(kind, body).unwrap_or_else(|error| panic!("{error}"))
}

/// The reason for which a body is unusable.
pub(crate) fn reason(kind: SourceType, body: &[u8]) -> Reason {
    try_read(kind, body).expect_err("the body should be unusable").reason
}

/// Every real body, with the type that reads it.
pub(crate) const ALL: &[(SourceType, &[u8])] = &[
    (SourceType::Alertmanager, payload!("alertmanager/01-firing-one.json")),
    (SourceType::Alertmanager, payload!("alertmanager/02-firing-three.json")),
    (SourceType::Alertmanager, payload!("alertmanager/03-firing-with-one-resolved.json")),
    (SourceType::Alertmanager, payload!("alertmanager/04-all-resolved.json")),
    (SourceType::Alertmanager, payload!("alertmanager/09-truncated.json")),
    (SourceType::Alertmanager, payload!("alertmanager/14-no-annotations-minimal-labels.json")),
    (SourceType::Alertmanager, payload!("alertmanager/18-watchdog.json")),
    (SourceType::Alertmanager, payload!("alertmanager/20-v0.34-route-labels.json")),
    (SourceType::Alertmanager, payload!("bad/17-ends-before-starts.json")),
    (SourceType::Alertmanager, payload!("bad/19-invalid-utf8.json")),
    (SourceType::Alertmanager, payload!("bad/25-duplicate-keys.json")),
    (SourceType::Alertmanager, payload!("bad/29-html-script.json")),
    (SourceType::Alertmanager, payload!("bad/30-markdown-breakers.json")),
    (SourceType::Alertmanager, payload!("recorded/alertmanager-mix/0001.body.json")),
    (SourceType::Grafana, payload!("grafana/01-firing-one.json")),
    (SourceType::Grafana, payload!("grafana/03-firing-with-resolved.json")),
    (SourceType::Grafana, payload!("grafana/05-datasource-nodata.json")),
    (SourceType::Grafana, payload!("grafana/08-missing-series-resolved.json")),
    (SourceType::Grafana, payload!("grafana/09-test-contact-point.json")),
    (SourceType::Grafana, payload!("grafana/16-custom-payload-default.json")),
    (SourceType::Prometheus, payload!("am-api-v2/01-firing.json")),
    (SourceType::Prometheus, payload!("am-api-v2/03-resolved-and-firing.json")),
    (SourceType::Prometheus, payload!("am-api-v2/04-curl-minimal.json")),
    (SourceType::Prometheus, payload!("am-api-v2/06-vmalert.json")),
    (SourceType::Pagerduty, payload!("pagerduty/01-trigger.json")),
    (SourceType::Pagerduty, payload!("pagerduty/03-acknowledge.json")),
    (SourceType::Pagerduty, payload!("pagerduty/04-resolve.json")),
    (SourceType::Pagerduty, payload!("pagerduty/05-change.json")),
    (SourceType::Cloudevents, payload!("cloudevents/01-structured.json")),
    (SourceType::Github, payload!("github/10-synthetic-workflow_run-failure.json")),
    (SourceType::Github, payload!("github/11-synthetic-deployment_status.json")),
    (SourceType::Argocd, ARGOCD),
    (SourceType::UptimeKuma, UPTIME_KUMA),
    (
        SourceType::Annotations,
        br#"{"time":1772445480000,"tags":["deploy","service:orders"],"text":"Deploy"}"#,
    ),
    (
        SourceType::Generic,
        br#"[{"labels":{"alertname":"X"},"starts_at":1772445600,"link":"https://x.test"}]"#,
    ),
];

/// An Argo CD notification with the application as it serialises it.
pub(crate) const ARGOCD: &[u8] = br#"{"app":{"metadata":{"name":"orders"},"spec":{"project":"shop",
 "destination":{"namespace":"prod","name":"eu-1"}},"status":{"sync":{"status":"Synced","revision":"9f2c1e7ab0"},
 "operationState":{"phase":"Succeeded","startedAt":"2026-03-02T09:57:00Z","finishedAt":"2026-03-02T09:58:12Z",
 "syncResult":{"revision":"9f2c1e7ab0"}}}}}"#;

/// An Uptime Kuma notification of a monitor that is down.
pub(crate) const UPTIME_KUMA: &[u8] = br#"{"heartbeat":{"monitorID":7,"status":0,
 "time":"2026-03-02 10:00:30.123","msg":"connect ECONNREFUSED","important":true,"duration":60,"ping":null,
 "timezone":"Europe/Berlin","timezoneOffset":"+01:00","localDateTime":"2026-03-02 11:00:30"},
 "monitor":{"id":7,"name":"Shop","url":"https://probe:secret@shop.example.test/health?x=1","hostname":null,
 "type":"http","tags":[{"name":"service","value":"shop-web"},{"name":"public"}]},
 "msg":"[Shop] [Down] connect ECONNREFUSED"}"#;
