//! The door: what is sent in, what is answered, what is refused.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use super::{critical, expect_problem};
use crate::support::{Request, Server, Setup, external, fixtures, wait};

#[test]
fn a_delivery_is_answered_with_what_is_known_at_the_door() {
    let server = Server::start();
    let ask = |body: &str| {
        let answer = server.post(
            "/api/v1/ingest/alertmanager",
            &fixtures::json(&format!("payloads/alertmanager/{body}.json")),
        );
        let answer = answer.expect(200).json();
        server.settle();
        assert!(answer["delivery"].is_string(), "{answer}");
        assert_eq!(answer["errors"], json!([]));
        let count = |word: &str| answer["alerts"][word].as_u64().unwrap();
        [count("new"), count("updated"), count("repeated"), count("rejected")]
    };
    assert_eq!(ask("02-firing-three"), [3, 0, 0, 0]);
    assert_eq!(ask("02-firing-three"), [0, 0, 3, 0]);
    assert_eq!(ask("03-firing-with-one-resolved"), [0, 1, 2, 0]);
    assert_eq!(ask("04-all-resolved"), [0, 2, 0, 0]);
}

#[test]
fn every_built_in_sender_is_heard_without_configuration() {
    let server = Server::start();
    let send = |method: &str, path: &str, fixture: &str, headers: &[(&str, &str)], status: u16| {
        let mut request = Request::new(method, path)
            .header("Content-Type", "application/json")
            .bytes(fixtures::bytes(&format!("payloads/{fixture}")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.send(&request).expect(status)
    };
    send("POST", "/api/v1/ingest/alertmanager", "alertmanager/01-firing-one.json", &[], 200);
    send("PUT", "/api/v1/ingest/alertmanager", "alertmanager/20-v0.34-route-labels.json", &[], 200);
    send("POST", "/api/v1/ingest/grafana", "grafana/01-firing-one.json", &[], 200);
    send("PUT", "/api/v1/ingest/grafana", "grafana/16-custom-payload-default.json", &[], 200);
    send("POST", "/api/v2/alerts", "am-api-v2/06-vmalert.json", &[], 200);
    send("POST", "/api/v2/alerts", "am-api-v2/04-curl-minimal.json", &[], 200);
    let event = [("Content-Type", "application/cloudevents+json")];
    send("POST", "/api/v1/ingest/cloudevents", "cloudevents/01-structured.json", &event, 200);
    let headers =
        String::from_utf8(fixtures::bytes("payloads/cloudevents/02-binary.headers")).unwrap();
    let binary: Vec<(&str, &str)> = headers.lines().filter_map(|l| l.split_once(": ")).collect();
    send("POST", "/api/v1/ingest/cloudevents", "cloudevents/02-binary.json", &binary, 200);
    let run = [("X-GitHub-Event", "workflow_run"), ("X-GitHub-Delivery", "1")];
    send(
        "POST",
        "/api/v1/ingest/github",
        "github/10-synthetic-workflow_run-failure.json",
        &run,
        200,
    );
    let status = [("X-GitHub-Event", "deployment_status"), ("X-GitHub-Delivery", "2")];
    send(
        "POST",
        "/api/v1/ingest/github",
        "github/11-synthetic-deployment_status.json",
        &status,
        200,
    );

    let answer = send("POST", "/v2/enqueue", "pagerduty/01-trigger.json", &[], 202).json();
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["dedup_key"], "orders-db/down");
    send("POST", "/v2/enqueue", "pagerduty/03-acknowledge.json", &[], 202);
    send("POST", "/v2/enqueue", "pagerduty/04-resolve.json", &[], 202);
    send("POST", "/v2/change/enqueue", "pagerduty/05-change.json", &[], 202);

    let annotation =
        json!({"time": 1_772_445_492_000_i64, "tags": ["deploy"], "text": "orders 1.42"});
    let answer = server.post("/api/annotations", &annotation).expect(200).json();
    assert!(!answer["id"].is_null(), "{answer}");
    let graphite = json!({"what": "orders 1.43", "tags": "deploy orders", "when": 1_772_445_500});
    server.post("/api/annotations/graphite", &graphite).expect(200);

    server.settle();
    let changes = server.list("/api/v1/changes");
    for summary in ["Deploy orders 1.42.0", "orders 1.42", "orders 1.43"] {
        assert!(
            changes.iter().any(|c| c["summary"].as_str().unwrap().contains(summary)),
            "{summary} in {changes:?}"
        );
    }
    assert!(changes.len() >= 6, "{changes:?}");
}

#[test]
fn a_body_that_cannot_be_used_is_refused_and_kept_once() {
    let server = Server::start();
    let bodies: [&[u8]; 6] = [
        b"not json",
        b"{\"alerts\": []}",
        b"[]",
        b"\"text\"",
        &fixtures::bytes("payloads/bad/03-truncated-json.json"),
        b"",
    ];
    for body in bodies {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(body);
        expect_problem(server.send(&request), 400);
    }
    assert_eq!(server.list("/api/v1/quarantine").len(), bodies.len());
    // Alertmanager sends a body that is refused again and again.
    let again = Request::new("POST", "/api/v1/ingest/alertmanager").bytes(bodies[0]);
    expect_problem(server.send(&again), 400);
    assert_eq!(server.list("/api/v1/quarantine").len(), bodies.len());
    assert_eq!(server.list("/api/v1/deliveries").len(), 0);
    assert_eq!(server.list("/api/v1/alerts").len(), 0);
}

#[test]
fn one_unusable_alert_does_not_spoil_the_others() {
    let server = Server::start();
    let mut body = critical();
    body["alerts"].as_array_mut().unwrap().push(json!(42));
    let answer = server.post("/api/v1/ingest/alertmanager", &body).expect(200).json();
    assert_eq!(answer["alerts"]["new"], 1, "{answer}");
    assert_eq!(answer["alerts"]["rejected"], 1, "{answer}");
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
    server.settle();
    assert_eq!(server.list("/api/v1/alerts").len(), 1);
    assert_eq!(server.list("/api/v1/quarantine").len(), 1);
}

#[test]
fn strange_bodies_of_real_senders_never_break_the_door() {
    let server = Server::start();
    for entry in fs::read_dir(fixtures::path("payloads/bad")).unwrap() {
        let file = entry.unwrap().path();
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(fs::read(&file).unwrap());
        let status = server.send(&request).status;
        assert!([200, 400].contains(&status), "{status} for {}", file.display());
    }
    server.settle();
    server.get("/-/ready").expect(200);
}

#[test]
fn paths_and_methods_that_are_not_there_say_so_and_never_redirect() {
    let server = Server::start();
    let body = critical();
    expect_problem(server.post("/api/v1/ingest/nobody", &body), 404);
    expect_problem(server.get("/api/v1/nothing"), 404);
    expect_problem(server.get("/api/v1/incidents/999"), 404);
    expect_problem(server.get("/api/v1/incidents/999/draft"), 404);
    expect_problem(server.get("/api/v1/alerts/e999/explain"), 404);
    let answer = server.get("/api/v1/ingest/alertmanager");
    assert!(answer.header("Allow").is_some_and(|allow| allow.contains("POST")));
    expect_problem(answer, 405);
    expect_problem(server.get("/-/reload"), 405);
    expect_problem(server.send(&Request::new("DELETE", "/api/v1/incidents/1")), 405);
    // A redirected POST becomes a GET without a body, which its sender counts as delivered.
    let answer = server.post("/api/v1/ingest/alertmanager/", &body);
    assert!(!(300..400).contains(&answer.status), "{}", answer.status);
}

#[test]
fn bodies_have_a_limit_before_and_after_decompression() {
    let server = Server::start();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let request = |encoding: Option<&str>, body: Vec<u8>| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(body);
        encoding.map_or(request.clone(), |e| request.header("Content-Encoding", e))
    };
    let body = critical().to_string().into_bytes();
    server.send(&request(Some("gzip"), gzip(&body))).expect(200);
    expect_problem(server.send(&request(Some("gzip"), gzip(&vec![b' '; 17 << 20]))), 413);
    expect_problem(server.send(&request(Some("zstd"), body.clone())), 415);
    expect_problem(server.send(&request(Some("gzip"), body)), 400);
    // Whoever sends more than is taken may find the connection closed before the answer is read.
    let too_large = request(None, vec![b' '; (16 << 20) + 1]);
    let answer =
        wait::until("an answer to a body that is too large", || server.try_send(&too_large).ok());
    expect_problem(answer, 413);
}

#[test]
fn a_limit_of_its_own_can_be_configured() {
    let server = Setup::new().config("web:\n  max_body: 2048\n").start();
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    let large = json!({"alerts": [], "padding": "x".repeat(4096)});
    expect_problem(server.post("/api/v1/ingest/alertmanager", &large), 413);
}

#[test]
fn it_answers_as_an_alertmanager_would() {
    let server = Server::start();
    let status = server.get_json("/api/v2/status");
    for field in ["cluster", "versionInfo", "config", "uptime"] {
        assert!(!status[field].is_null(), "{field} in {status}");
    }
    let request = Request::new("POST", "/api/v2/alerts")
        .json(&json!([{"labels": {"alertname": "Manual", "severity": "warning"}}]));
    let answer = server.send(&request);
    assert_eq!(answer.status, 200, "vmalert accepts nothing but 200");
    server.settle();
    let alerts = server.get_json("/api/v2/alerts");
    let alerts = alerts.as_array().expect("Alertmanager answers with an array");
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"]["alertname"], "Manual");
    assert_eq!(alerts[0]["status"]["state"], "active");
    for field in ["annotations", "receivers", "fingerprint", "startsAt", "updatedAt", "endsAt"] {
        assert!(!alerts[0][field].is_null(), "{field} in {alerts:?}");
    }
    let not_an_array = Request::new("POST", "/api/v2/alerts").json(&json!({"labels": {}}));
    assert_eq!(server.send(&not_an_array).status, 400);
    if let Some([amtool]) = external::programs(["amtool"]) {
        let output = Command::new(amtool)
            .args(["alert", "query", "--output=json", "--alertmanager.url", &server.url()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("Manual"), "{output:?}");
    }
}

#[test]
fn the_service_graph_is_replaced_as_a_whole() {
    let server = Server::start();
    let graph = |callee: &str| json!({"edges": [{"caller": "web", "callee": callee}]});
    let put = |body: &Value| server.send(&Request::new("PUT", "/api/v1/topology").json(body));
    for callee in ["db", "cache"] {
        let answer = put(&graph(callee));
        assert!((200..300).contains(&answer.status), "{}", answer.status);
        server.settle();
        let stored = server.get_json("/api/v1/topology");
        assert_eq!(stored["edges"].as_array().unwrap().len(), 1);
        assert_eq!(stored["edges"][0]["caller"], "web");
        assert_eq!(stored["edges"][0]["callee"], callee);
    }
    expect_problem(put(&json!({"edges": [{"caller": "web"}]})), 400);
}

#[test]
fn raw_bodies_come_back_as_they_were_sent_and_as_nothing_else() {
    let server = Server::start();
    let body = fixtures::bytes("payloads/bad/29-html-script.json");
    let request = Request::new("POST", "/api/v1/ingest/alertmanager")
        .header("Content-Type", "application/json")
        .bytes(body.clone());
    let id = server.send(&request).expect(200).json()["delivery"].as_str().unwrap().to_owned();
    let deliveries = server.list("/api/v1/deliveries");
    assert_eq!(deliveries[0]["id"], json!(id));
    let raw = server.get(&format!("/api/v1/deliveries/{id}/raw")).expect(200);
    assert_eq!(raw.body, body);
    assert_eq!(raw.media_type(), "application/octet-stream");
    assert_eq!(raw.header("X-Content-Type-Options"), Some("nosniff"));
    assert!(raw.header("Content-Disposition").unwrap().starts_with("attachment"));
}

#[test]
fn text_from_outside_stays_text() {
    let server = Server::start();
    for fixture in ["bad/29-html-script.json", "bad/30-markdown-breakers.json"] {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(fixtures::bytes(&format!("payloads/{fixture}")));
        server.send(&request).expect(200);
    }
    server.settle();
    for incident in server.list("/api/v1/incidents") {
        let id = incident["id"].as_u64().unwrap();
        let html = server.get(&format!("/api/v1/incidents/{id}/draft?format=html")).text();
        let page = server.get(&format!("/incidents/{id}")).text();
        let svg = server.get(&format!("/api/v1/incidents/{id}/timeline.svg")).text();
        for (place, text) in [("draft", html), ("page", page), ("svg", svg)] {
            for forbidden in ["<script>alert", "<img src=x", "javascript:"] {
                assert!(!text.contains(forbidden), "{forbidden} in {place} {id}");
            }
        }
    }
}
