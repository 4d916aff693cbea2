//! Bodies that senders really send, and small ones made for a test.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file below `tests/fixtures`.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// The bytes of a file below `tests/fixtures`.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|e| panic!("fixture {name}: {e}"))
}

/// A JSON file below `tests/fixtures`.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|e| panic!("fixture {name}: {e}"))
}

/// This moment, as senders write it.
pub(crate) fn now() -> String {
    scribed::clock::Clock::system().now().to_string()
}

/// A webhook body whose alerts begin now: for servers that take the time of receipt from their
/// own clock, to which an alert that began months ago is no news.
pub(crate) fn begun_now(mut body: Value) -> Value {
    for alert in body["alerts"].as_array_mut().expect("a webhook has alerts") {
        alert["startsAt"] = json!(now());
    }
    body
}

/// A webhook body of Alertmanager with one firing alert.
pub(crate) fn firing(labels: &Value, starts_at: &str) -> Value {
    webhook(labels, "firing", starts_at, "0001-01-01T00:00:00Z")
}

/// A webhook body of Alertmanager with one alert that has ended.
pub(crate) fn resolved(labels: &Value, starts_at: &str, ends_at: &str) -> Value {
    webhook(labels, "resolved", starts_at, ends_at)
}

/// A webhook body of Alertmanager with one alert.
fn webhook(labels: &Value, status: &str, starts_at: &str, ends_at: &str) -> Value {
    json!({
        "version": "4", "receiver": "scribed", "status": status,
        "groupKey": format!("{{}}:{{alertname={}}}", labels["alertname"]),
        "truncatedAlerts": 0, "externalURL": "http://alertmanager.example.test:9093",
        "groupLabels": {"alertname": labels["alertname"]}, "commonLabels": labels,
        "commonAnnotations": {},
        "alerts": [{
            "status": status, "labels": labels,
            "annotations": {"summary": format!("{} is wrong", labels["alertname"].as_str().unwrap_or("?"))},
            "startsAt": starts_at, "endsAt": ends_at,
            "generatorURL": "http://prometheus.example.test:9090/graph?g0.expr=up&g0.tab=1",
        }],
    })
}
