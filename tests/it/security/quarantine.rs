//! What could not be used: looked at, and read again once it can be.

use std::fs;

use serde_json::{Value, json};

use super::{run, stdout, verify};
use crate::contract::{critical, expect_problem};
use crate::support::{Request, Server, Setup};

fn post(server: &Server, path: &str) -> crate::support::Answer {
    server.send(&Request::new("POST", path))
}

#[test]
fn a_body_is_read_again_once_it_can_be() {
    // A source of the wrong type, as after a slip in the configuration.
    let server =
        Setup::new().replay().config("sources:\n  - {name: eu, type: prometheus}\n").start();
    let body = critical().to_string();
    let request = Request::new("POST", "/api/v1/ingest/eu")
        .header("Content-Type", "application/json")
        .received_at("2026-03-02T10:00:30Z")
        .bytes(body.clone());
    server.send(&request).expect(400);
    let row = server.get_json("/api/v1/quarantine/q1");
    assert_eq!(row["reason"], "wrong_shape", "{row}");
    assert_eq!(row["received_at"], "2026-03-02T10:00:30.000Z");
    let raw = server.get("/api/v1/quarantine/q1/raw").expect(200);
    assert_eq!(raw.text(), body);
    assert_eq!(raw.media_type(), "application/octet-stream");
    assert!(raw.header("Content-Disposition").unwrap().starts_with("attachment"));
    assert_eq!(stdout(&run(&server, &["quarantine", "show", "q1"])), body);
    expect_problem(post(&server, "/api/v1/quarantine/q1/replay"), 409);
    assert_eq!(server.get_json("/api/v1/quarantine/q1")["replayed_as"], Value::Null);

    fs::write(server.config_file(), "sources:\n  - {name: eu, type: alertmanager}\n").unwrap();
    post(&server, "/-/reload").expect(200);
    let answer = post(&server, "/api/v1/quarantine/q1/replay").expect(200).json();
    assert_eq!(answer["result"], "delivered", "{answer}");
    assert_eq!(answer["alerts"]["new"], 1);
    let delivery = answer["delivery"].clone();
    server.settle();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["received_at"], "2026-03-02T10:00:30.000Z", "as received when it was");
    let row = server.get_json("/api/v1/quarantine/q1");
    assert_eq!(row["replayed_as"], delivery);
    assert!(row["replayed_at"].is_string());
    // However often it is asked for, it is one delivery.
    for _ in 0..3 {
        let again = post(&server, "/api/v1/quarantine/q1/replay").expect(200).json();
        assert_eq!((&again["result"], &again["delivery"]), (&json!("delivered_before"), &delivery));
    }
    server.settle();
    assert_eq!(server.list("/api/v1/deliveries").len(), 1);
    assert_eq!(server.list("/api/v1/alerts")[0]["deliveries"], 1);
    let audit = server.get_json("/api/v1/audit?action=quarantine");
    let deeds: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(deeds, ["done", "refused", "done", "done"]);
    verify(&server);
}

#[test]
fn many_at_once_become_one_delivery() {
    let server = Setup::new().config("sources:\n  - {name: eu, type: prometheus}\n").start();
    let request = Request::new("POST", "/api/v1/ingest/eu").json(&critical());
    server.send(&request).expect(400);
    fs::write(server.config_file(), "sources:\n  - {name: eu, type: alertmanager}\n").unwrap();
    post(&server, "/-/reload").expect(200);
    let results: Vec<Value> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| post(&server, "/api/v1/quarantine/q1/replay").expect(200).json())
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let new = results.iter().filter(|answer| answer["result"] == "delivered").count();
    assert_eq!(new, 1, "{results:?}");
    assert!(results.iter().all(|answer| answer["delivery"] == results[0]["delivery"]));
    assert_eq!(server.list("/api/v1/deliveries").len(), 1);
}

#[test]
fn an_old_firing_that_is_read_again_does_not_undo_what_came_after_it() {
    let server = Setup::new()
        .replay()
        .config("sources:\n  - {name: eu, type: prometheus, namespace: prometheus}\n")
        .start();
    let firing = Request::new("POST", "/api/v1/ingest/eu").json(&critical());
    server.send(&firing.received_at("2026-03-02T10:00:30Z")).expect(400);
    let mut resolved = critical();
    resolved["alerts"][0]["status"] = json!("resolved");
    resolved["alerts"][0]["endsAt"] = json!("2026-03-02T10:10:00Z");
    let resolve = Request::new("POST", "/api/v1/ingest/alertmanager").json(&resolved);
    server.send(&resolve.received_at("2026-03-02T10:10:30Z")).expect(200);
    // Hours pass.
    let other = json!({"summary": "later"});
    let later = Request::new("POST", "/api/v1/changes").json(&other);
    server.send(&later.received_at("2026-03-02T15:00:00Z")).expect(201);
    let yaml = "sources:\n  - {name: eu, type: alertmanager, namespace: prometheus}\n";
    fs::write(server.config_file(), yaml).unwrap();
    post(&server, "/-/reload").expect(200);
    post(&server, "/api/v1/quarantine/q1/replay").expect(200);
    server.settle();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["status"], "resolved", "{alerts:?}");
    verify(&server);
}

#[test]
fn what_still_cannot_be_read_says_why_and_stands_in_no_way() {
    let server = Server::start();
    let mut body = critical();
    body["alerts"].as_array_mut().unwrap().push(json!(42));
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    let refused = Request::new("POST", "/api/v1/ingest/grafana").bytes("not json");
    server.send(&refused).expect(400);
    server.post("/api/v1/changes", &json!({"summary": ""})).expect(400);
    server.settle();
    let rows = server.list("/api/v1/quarantine");
    assert_eq!(rows.len(), 3);
    for row in &rows {
        let id = row["id"].as_str().unwrap();
        expect_problem(post(&server, &format!("/api/v1/quarantine/{id}/replay")), 409);
    }
    // The body of a single alert is the one that it came in.
    let raw = server.get("/api/v1/quarantine/q1/raw").expect(200);
    assert_eq!(raw.json(), body);
    for missing in ["q99", "1", "d1", "q-1", "q99999999999999999999"] {
        expect_problem(server.get(&format!("/api/v1/quarantine/{missing}")), 404);
        expect_problem(post(&server, &format!("/api/v1/quarantine/{missing}/replay")), 404);
    }
    let listed = stdout(&run(&server, &["quarantine", "list"]));
    assert!(listed.contains("not_json") && listed.contains("q2"), "{listed}");
    let output = run(&server, &["quarantine", "replay", "--all"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(server.list("/api/v1/alerts").len(), 1);
}
