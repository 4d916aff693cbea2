//! What is read: shapes, formats, lists, the stream.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{critical, expect_problem, with_incident};
use crate::support::{Request, Server, fixtures, wait};

#[test]
fn an_alert_has_the_shape_of_the_contract() {
    let server = with_incident();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    let sent = critical()["alerts"][0].clone();
    assert_eq!(alert["namespace"], "prometheus");
    assert_eq!(alert["fingerprint"], sent["fingerprint"]);
    assert_eq!(alert["sources"], json!(["alertmanager"]));
    assert_eq!(alert["labels"], sent["labels"]);
    assert_eq!(alert["annotations"], sent["annotations"]);
    assert_eq!(alert["starts_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(alert["ends_at"], Value::Null);
    assert_eq!(alert["status"], "firing");
    assert_eq!(alert["severity"], "critical");
    assert_eq!(alert["service"], "orders-db");
    assert_eq!(alert["kind"], "availability");
    assert_eq!(alert["incident"], 1);
    assert_eq!(alert["context_of"], json!([]));
    assert_eq!(alert["deliveries"], 1);
    assert_eq!(alert["links"]["generator"], sent["generatorURL"]);
    let id = alert["id"].as_str().unwrap();
    for reason in [
        alert["reason"].clone(),
        server.get_json(&format!("/api/v1/alerts/{id}/explain"))["reason"].clone(),
    ] {
        let reason = reason.as_str().expect("every alert has a reason");
        assert!(reason.contains(|c: char| c.is_ascii_digit()), "no number in: {reason}");
    }
}

#[test]
fn an_incident_has_the_shape_of_the_contract() {
    let server = with_incident();
    let answer = server.get("/api/v1/incidents/1").expect(200);
    let incident = answer.json();
    let revision = incident["revision"].as_u64().unwrap();
    let tag = answer.header("ETag").expect("an incident has an ETag").to_owned();
    assert_eq!(tag.trim_start_matches("W/"), format!("\"{revision}\""));
    assert_eq!(incident["id"], 1);
    assert_eq!(incident["state"], "open");
    assert_eq!(incident["status"], "draft");
    assert_eq!(incident["severity"], "critical");
    assert_eq!(incident["services"], json!(["orders-db"]));
    assert_eq!(incident["started_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(incident["detected_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(incident["alerts"], json!({"total": 1, "firing": 1}));
    assert_eq!(incident["actions"], json!([]));
    assert_eq!(incident["title"], "Postgres down on db-1, orders-db");
    for absent in [
        "notified_at",
        "acknowledged_at",
        "mitigated_at",
        "resolved_at",
        "merged_into",
        "follows",
        "impact",
        "root_cause",
        "resolution",
        "lead",
    ] {
        assert_eq!(incident.get(absent), Some(&Value::Null), "{absent}");
    }
    let known = Request::new("GET", "/api/v1/incidents/1").header("If-None-Match", &tag);
    server.send(&known).expect(304);
}

#[test]
fn a_draft_comes_in_every_format_and_unknown_wishes_are_refused() {
    let server = with_incident();
    let path = "/api/v1/incidents/1/draft";
    let by_query = |query: &str| server.get(&format!("{path}?{query}"));
    let accept = |accept: &str| server.send(&Request::new("GET", path).header("Accept", accept));
    for (word, media_type) in [
        ("markdown", "text/markdown"),
        ("html", "text/html"),
        ("json", "application/json"),
        ("text", "text/plain"),
    ] {
        let asked = by_query(&format!("format={word}")).expect(200);
        assert_eq!(asked.media_type(), media_type);
        let accepted = accept(media_type).expect(200);
        assert_eq!(accepted.media_type(), media_type);
        assert_eq!(asked.body, accepted.body, "{word}");
        let tag = asked.header("ETag").expect("a draft has an ETag").to_owned();
        let again = Request::new("GET", &format!("{path}?format={word}"));
        server.send(&again.header("If-None-Match", &tag)).expect(304);
    }
    assert_eq!(server.get(path).expect(200).media_type(), "text/markdown");
    assert_eq!(accept("*/*").expect(200).media_type(), "text/markdown");
    let sandbox = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
    let html = by_query("format=html").expect(200);
    assert_eq!(html.header("Content-Security-Policy"), Some(sandbox));
    let svg = server.get("/api/v1/incidents/1/timeline.svg").expect(200);
    assert_eq!(svg.media_type(), "image/svg+xml");
    assert_eq!(svg.header("Content-Security-Policy"), Some(sandbox));
    assert!(svg.text().contains("<svg"));
    by_query("template=outage-report").expect(200);
    by_query("tz=Africa/Lagos").expect(200);
    by_query("since_revision=1").expect(200);
    expect_problem(by_query("format=word"), 400);
    expect_problem(by_query("tz=Mars/Olympus"), 400);
    expect_problem(by_query("template=none-of-ours"), 400);
    expect_problem(by_query("since_revision=x"), 400);
}

#[test]
fn the_draft_as_json_has_the_shape_of_the_contract() {
    let server = with_incident();
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    let incident = server.get_json("/api/v1/incidents/1");
    assert_eq!(draft["incident"], 1);
    assert_eq!(draft["revision"], incident["revision"]);
    assert_eq!(draft["template"], "outage-report");
    assert_eq!(draft["timezone"], "UTC");
    assert_eq!(draft["title"], incident["title"]);
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["summary"]["started_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(draft["summary"]["ended_at"], Value::Null);
    assert_eq!(draft["summary"]["root_cause"], Value::Null);
    for milestone in [
        "onset",
        "detection",
        "notification",
        "acknowledgement",
        "escalation",
        "diagnosis",
        "mitigation",
        "recovery",
        "resolution",
    ] {
        assert!(draft["milestones"][milestone]["state"].is_string(), "{milestone}");
    }
    assert_eq!(draft["milestones"]["onset"]["state"], "recorded");
    assert_eq!(draft["milestones"]["resolution"]["state"], "pending");
    for measure in
        ["time_to_detect", "time_to_acknowledge", "time_to_mitigate", "time_to_resolve", "duration"]
    {
        assert!(draft["measures"][measure]["formula"].is_string(), "{measure}");
    }
    assert_eq!(draft["measures"]["time_to_detect"]["formula"], "detection - onset");
    assert_eq!(draft["measures"]["time_to_detect"]["seconds"], 0);
    assert_eq!(draft["measures"]["duration"]["state"], "pending");
    let onset = draft["milestones"]["onset"]["entry"].as_str().expect("onset has its entry");
    let timeline = draft["timeline"].as_array().unwrap();
    assert!(timeline.iter().any(|entry| entry["id"] == onset), "{timeline:?}");
    for list in [
        "wrong_leads",
        "escalations",
        "actions",
        "suggestions",
        "alerts",
        "context",
        "caveats",
        "candidate_causes",
    ] {
        assert!(draft[list].is_array(), "{list}");
    }
    let questions = draft["todo"].as_array().unwrap();
    assert!(questions.iter().any(|q| q["section"] == "root_cause"), "{questions:?}");
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let server = Server::start();
    for n in 0..7 {
        let labels = json!({"alertname": "Paged", "severity": "info", "n": n.to_string()});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    }
    server.settle();
    for path in ["/api/v1/alerts", "/api/v1/deliveries"] {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get_json(&format!("{path}?limit=3{cursor}"));
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 3);
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(ids.len(), 7, "{path}: {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 7, "{path}");
    }
    expect_problem(server.get("/api/v1/alerts?limit=many"), 400);
    expect_problem(server.get("/api/v1/alerts?cursor=%00nonsense"), 400);
}

#[test]
fn lists_can_be_narrowed() {
    let server = with_incident();
    let quiet = json!({"alertname": "Quiet", "severity": "info", "service": "elsewhere"});
    let body = fixtures::firing(&quiet, "2026-03-02T10:00:00Z");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let count = |path: &str| server.list(path).len();
    assert_eq!(count("/api/v1/alerts"), 2);
    assert_eq!(count("/api/v1/alerts?incident=1"), 1);
    assert_eq!(count("/api/v1/alerts?floating=true"), 1);
    assert_eq!(count("/api/v1/alerts?active=true"), 2);
    assert_eq!(count("/api/v1/alerts?fingerprint=3e0caab7a6eda3c8"), 1);
    assert_eq!(count("/api/v1/alerts?filter=alertname%3D%22Quiet%22"), 1);
    assert_eq!(
        count("/api/v1/alerts?filter=alertname%3D~%22Post.*%22&filter=team%3D%22storage%22"),
        1
    );
    assert_eq!(count("/api/v1/alerts?filter=alertname%21%3D%22Quiet%22"), 1);
    assert_eq!(count("/api/v1/incidents?state=open"), 1);
    assert_eq!(count("/api/v1/incidents?state=resolved"), 0);
    assert_eq!(count("/api/v1/incidents?severity=critical"), 1);
    assert_eq!(count("/api/v1/incidents?severity=warning"), 0);
    assert_eq!(count("/api/v1/incidents?service=orders-db"), 1);
    assert_eq!(count("/api/v1/incidents?service=elsewhere"), 0);
    assert_eq!(count("/api/v1/incidents?q=postgres"), 1);
    assert_eq!(count("/api/v1/incidents?q=mysql"), 0);
    assert_eq!(count("/api/v1/incidents?until=2026-03-02T09:00:00Z"), 0);
    assert_eq!(count("/api/v1/incidents?until=2026-03-02T11:00:00Z"), 1);
    assert_eq!(count("/api/v1/incidents?since=2026-03-02T11:00:00Z"), 1, "it still runs");
    assert_eq!(count("/api/v1/incidents?filter=cluster%3D%22eu-1%22"), 1);
    expect_problem(server.get("/api/v1/alerts?filter=%7Bbroken"), 400);
    expect_problem(server.get("/api/v1/incidents?since=whenever"), 400);
}

#[test]
fn the_stream_tells_of_a_new_incident() {
    let server = Server::start_at("2026-03-02T10:00:30Z");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let request = format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(lines.next().unwrap().contains("200"));
    let media_type = lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .find(|line| line.to_lowercase().starts_with("content-type:"))
        .unwrap();
    assert!(media_type.contains("text/event-stream"), "{media_type}");
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    // Signs of life keep an idle stream open for ever, so the deadline looks at each of them.
    let deadline = wait::Deadline::after(wait::PATIENCE);
    let is_told =
        lines.take_while(|_| !deadline.has_passed()).any(|line| line == "event: incident");
    assert!(is_told, "no incident came");
}
