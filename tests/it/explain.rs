//! Why an alert is where it is: for every kind of alert one sentence with the numbers, and every
//! term behind it.

use serde_json::{Value, json};

use crate::support::server::program;
use crate::support::{Request, Server, fixtures};

/// The moment so many minutes into the day, at a second.
fn at(minute: u32, second: u32) -> String {
    format!("2026-03-02T{:02}:{:02}:{second:02}Z", minute / 60, minute % 60)
}

fn labels(alert: &str, service: &str, severity: &str) -> Value {
    json!({"alertname": alert, "severity": severity, "service": service, "cluster": "eu-1"})
}

fn deliver(server: &Server, body: &Value, received: &str) {
    let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(body);
    server.send(&request.received_at(received)).expect(200);
}

/// A firing that begins, and is over after so many minutes if any.
fn fire(server: &Server, labels: &Value, minute: u32, lasted: Option<u32>) {
    deliver(server, &fixtures::firing(labels, &at(minute, 0)), &at(minute, 20));
    if let Some(lasted) = lasted {
        let (start, end) = (at(minute, 0), at(minute + lasted, 0));
        deliver(server, &fixtures::resolved(labels, &start, &end), &at(minute + lasted, 20));
    }
}

/// The newest explanation of an alert of this name, by fingerprint.
fn explain(server: &Server, alertname: &str) -> Value {
    let alerts = server.list("/api/v1/alerts");
    let newest = alerts
        .iter()
        .filter(|alert| alert["labels"]["alertname"] == alertname)
        .max_by_key(|alert| alert["starts_at"].as_str().unwrap().to_owned())
        .unwrap_or_else(|| panic!("there is no {alertname}"));
    let id = newest["id"].as_str().unwrap();
    let told = server.get(&format!("/api/v1/alerts/{id}/explain")).expect(200).json();
    assert_eq!(told["reason"], newest["reason"]);
    told
}

/// One sentence: a capital, a number, a full stop, nothing twice.
#[track_caller]
fn is_a_sentence(reason: &str) {
    let first = reason.chars().next().unwrap();
    assert!(first.is_uppercase(), "{reason}");
    assert!(reason.ends_with('.') && !reason.ends_with(".."), "{reason}");
    assert!(reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
    for wrong in ["  ", ";;", ",,", ": .", "NaN", "inf", "1 times", "1 or more"] {
        assert!(!reason.contains(wrong), "`{wrong}` is in: {reason}");
    }
}

#[track_caller]
fn check(server: &Server, alertname: &str, expect: &[&str]) -> Value {
    let told = explain(server, alertname);
    let reason = told["reason"].as_str().unwrap();
    is_a_sentence(reason);
    for part in expect {
        assert!(reason.contains(part), "{alertname}: `{part}` is not in: {reason}");
    }
    told
}

#[test]
fn every_kind_of_alert_says_why_it_is_where_it_is() {
    let server = Server::start();
    let graph = json!({"edges": [{"caller": "shop-web", "callee": "shop-db"}]});
    server
        .send(&Request::new("PUT", "/api/v1/topology").json(&graph).received_at(&at(0, 0)))
        .expect(200);
    let watchdog = json!({"alertname": "Watchdog", "severity": "none"});
    // What comes and goes by itself.
    let flapper = json!({
        "alertname": "MailQueue", "severity": "warning", "service": "mail", "cluster": "ap-3",
    });
    for minute in [0, 20, 40, 60] {
        fire(&server, &flapper, minute, Some(3));
    }
    deliver(&server, &fixtures::firing(&watchdog, &at(60, 0)), &at(60, 20));
    // A sign before the outage, the outage, and what has nothing to do with it.
    fire(&server, &labels("ReplicationLag", "shop-db", "warning"), 80, None);
    fire(&server, &labels("DbDown", "shop-db", "critical"), 90, None);
    fire(&server, &labels("HighErrorRate", "shop-web", "warning"), 92, None);
    let other = json!({"alertname": "CertExpiresSoon", "severity": "warning", "cluster": "ca-5"});
    fire(&server, &other, 93, None);
    let far = json!({
        "alertname": "IndexCorrupt", "severity": "critical", "service": "search", "cluster": "us-7",
    });
    fire(&server, &far, 94, None);
    let twin = json!({
        "alertname": "IndexSlow", "severity": "critical", "service": "search", "cluster": "us-7",
    });
    fire(&server, &twin, 95, None);
    server.settle();

    let told = check(&server, "MailQueue", &["In no incident", "flaps"]);
    assert_eq!(told["incident"], Value::Null);
    check(&server, "Watchdog", &["heartbeat", "3 words"]);
    let told = check(&server, "DbDown", &["Opened incident"]);
    let shop = told["incident"].clone();
    let told = check(&server, "ReplicationLag", &["incident", "needed"]);
    assert_eq!(told["incident"], shop);
    let told = check(&server, "HighErrorRate", &["shop-web calls shop-db", "0.0 needed"]);
    assert_eq!(told["incident"], shop);
    weighs_in_full(&told);
    check(&server, "CertExpiresSoon", &["In no incident", "severity warning"]);
    check(&server, "IndexCorrupt", &["Opened incident", "severity critical opens alone"]);
    let search = check(&server, "IndexSlow", &["same service search"])["incident"].clone();

    // And what people decide.
    let id = |name: &str| explain(&server, name)["alert"].clone();
    let post = |path: String, body: Value| {
        let answer = server.post(&format!("/api/v1/incidents/{path}"), &body);
        assert!(answer.status < 300, "{path}: {}", answer.text());
    };
    post(format!("{search}/alerts"), json!({"alerts": [id("CertExpiresSoon")]}));
    let told = check(&server, "CertExpiresSoon", &["a person put it there"]);
    assert_eq!((&told["by_person"], &told["terms"]), (&json!(true), &json!([])));
    post(format!("{search}/split"), json!({"alerts": [id("IndexSlow")]}));
    let told = check(&server, "IndexSlow", &["a person split it off from"]);
    assert_eq!(told["terms"], json!([]));
    post(format!("{search}/merge"), json!({"into": shop}));
    check(&server, "IndexCorrupt", &["a person merged"]);
    is_told_on_the_command_line(&server, &explain(&server, "HighErrorRate"));
}

/// The terms are all there, the strongest first, and sum up to the score.
fn weighs_in_full(told: &Value) {
    let terms = told["terms"].as_array().unwrap();
    let points: Vec<f64> = terms.iter().map(|term| term["points"].as_f64().unwrap()).collect();
    assert!(points.len() >= 4, "{told:#}");
    assert!(points.is_sorted_by(|x, y| x.abs() >= y.abs()), "{points:?}");
    let (sum, score) = (points.iter().sum::<f64>(), told["score"].as_f64().unwrap());
    assert!((sum - score).abs() < 0.2, "{sum} and {score}");
    assert!(score >= told["needed"].as_f64().unwrap());
    assert_eq!(told["weighed_against"], told["incident"]);
    assert!(terms.iter().any(|term| term["name"] == "climbs"), "{told:#}");
    assert!(told["rivals"].is_array());
}

fn is_told_on_the_command_line(server: &Server, told: &Value) {
    let run = |arguments: &[&str]| {
        let output = program(server.folder())
            .args(arguments)
            .args(["--url", &server.url()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = |name: &str| told[name].as_str().unwrap();
    let by_start = format!("{}@{}", text("fingerprint"), text("starts_at"));
    for alert in [text("alert"), text("fingerprint"), &by_start] {
        assert_eq!(run(&["explain", alert]), format!("{}\n", text("reason")), "{alert}");
    }
    let full = run(&["explain", text("alert"), "-o", "extended"]);
    for expect in ["POINTS", "climbs", "shop-web calls shop-db", "Needed"] {
        assert!(full.contains(expect), "`{expect}` is not in\n{full}");
    }
    let parsed: Value =
        serde_json::from_str(&run(&["explain", text("alert"), "-o", "json"])).unwrap();
    assert_eq!(parsed, *told);
}
