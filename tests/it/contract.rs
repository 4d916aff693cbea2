//! The outside of scribed: paths, statuses, headers, shapes. What people do to incidents is in
//! [`super::people`], what becomes of alerts in [`super::episodes`].

mod access;
mod door;
mod reading;
mod running;

use serde_json::Value;

use crate::support::{Answer, Server, fixtures};

/// An alert that opens an incident by itself.
pub(crate) fn critical() -> Value {
    fixtures::json("payloads/alertmanager/01-firing-one.json")
}

/// Sends the alert that opens an incident, and waits for the incident.
pub(crate) fn with_incident() -> Server {
    let server = Server::start_at("2026-03-02T10:00:30Z");
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    server.settle();
    server.get("/api/v1/incidents/1").expect(200);
    server
}

/// Panics unless the answer is a problem in the form of RFC 9457.
#[track_caller]
pub(crate) fn expect_problem(answer: Answer, status: u16) {
    let answer = answer.expect(status);
    assert_eq!(answer.media_type(), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for field in ["type", "title", "detail", "request_id"] {
        assert!(problem[field].is_string(), "{field} in {problem}");
    }
}

/// A path with its parameters' names left out.
pub(crate) fn unnamed(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}
