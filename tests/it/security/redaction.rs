//! Redaction rules: what they take out is nowhere in what scribed keeps, says or logs.

use serde_json::{Value, json};

use super::{files_with, verify};
use crate::support::{Request, Server, Setup};

const SECRET: &str = "hunter2-tls-key";
const RULES: &str = "redaction:\n  - {name: tokens, labels: token, regex: '.+'}\n  \
     - name: passwords\n    annotations: description\n    regex: '(password=)\\S+'\n    \
     replacement: '${1}[redacted]'\n";

fn body(status: &str, token: &str) -> Value {
    json!({
        "version": "4", "status": status, "receiver": "r",
        "groupKey": format!("{{}}:{{token=\"{token}\"}}"),
        "groupLabels": {"token": token}, "commonLabels": {"token": token},
        "commonAnnotations": {"description": format!("password={token}-2 for ada")},
        "externalURL": "http://am.example",
        "alerts": [{
            "status": status,
            "labels": {"alertname": "Leaky", "severity": "critical", "service": "vault", "token": token},
            "annotations": {"description": format!("password={token}-2 for ada"), "summary": format!("{token} leaks")},
            "startsAt": "2026-03-02T10:00:00Z",
            "endsAt": if status == "resolved" { "2026-03-02T10:05:00Z" } else { "0001-01-01T00:00:00Z" },
            "generatorURL": format!("http://prometheus.example/graph?g0.expr=up%7Btoken%3D%22{token}%22%7D"),
        }],
    })
}

fn send(server: &Server, body: &Value, at: &str) {
    let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(body);
    server.send(&request.received_at(at)).expect(200);
    server.settle();
}

fn everything_said(server: &Server) -> String {
    let mut said = String::new();
    for path in [
        "/api/v1/incidents/1",
        "/api/v1/incidents/1/timeline",
        "/api/v1/incidents/1/draft",
        "/api/v1/incidents/1/draft?format=json",
        "/api/v1/alerts",
        "/api/v1/alerts/e1/explain",
        "/api/v1/deliveries",
        "/api/v1/deliveries/d4/raw",
        "/api/v1/quarantine",
        "/api/v1/status",
        "/incidents/1",
        "/metrics",
    ] {
        let answer = server.get(path);
        said += &String::from_utf8_lossy(&answer.body);
    }
    said + &server.log()
}

#[test]
fn a_secret_in_an_alert_is_nowhere_to_be_found() {
    let server = Setup::new().replay().config(RULES).flag("--log.level=trace").start();
    send(&server, &body("firing", SECRET), "2026-03-02T10:00:10Z");
    send(&server, &body("resolved", SECRET), "2026-03-02T10:05:10Z");
    // Bodies that cannot be used: of another shape, broken off, no JSON, no gzip.
    let whole = body("firing", SECRET).to_string();
    let refused = [
        json!({"alerts": 7, "token": SECRET}).to_string().into_bytes(),
        whole.as_bytes()[..whole.find("\"startsAt\"").unwrap()].to_vec(),
        format!("token={SECRET}").into_bytes(),
    ];
    for bytes in refused {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").bytes(bytes);
        server.send(&request).expect(400);
    }
    let no_gzip = Request::new("POST", "/api/v1/ingest/alertmanager")
        .header("Content-Encoding", "gzip")
        .bytes(format!("token={SECRET}"));
    server.send(&no_gzip).expect(400);
    let change = json!({"summary": "key rotated", "labels": {"token": SECRET}});
    server.post("/api/v1/changes", &change).expect(201);
    server.settle();

    let said = everything_said(&server);
    assert!(!said.contains(SECRET), "it is said somewhere");
    assert_eq!(files_with(server.folder(), SECRET), Vec::<String>::new());
    let alert = &server.list("/api/v1/alerts")[0];
    assert_eq!(alert["labels"]["token"], "[redacted]");
    assert_eq!(alert["annotations"]["description"], "password=[redacted] for ada");
    assert_eq!(alert["annotations"]["summary"], "[redacted] leaks");
    assert_eq!(alert["status"], "resolved", "the resolve is of the same alert: {alert}");
    let deliveries = server.list("/api/v1/deliveries");
    assert!(deliveries.iter().all(|d| d["redacted"].as_u64() > Some(0)), "{deliveries:?}");
    let kept = server.list("/api/v1/quarantine");
    // What is withheld of two bodies looks the same, and is kept once.
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|row| row["redacted"].as_u64() > Some(0)), "{kept:?}");
    let raw = server.get("/api/v1/deliveries/d4/raw").expect(200).json();
    assert_eq!(raw["alerts"][0]["labels"]["alertname"], "Leaky");
    assert_eq!(raw["groupLabels"]["token"], "[redacted]");
    verify(&server);
}

#[test]
fn a_rule_that_comes_and_goes_does_not_split_an_alert() {
    let mut server = Setup::new().replay().config("# no rules\n").start();
    let rules = |server: &Server, yaml: &str| {
        std::fs::write(server.config_file(), yaml).unwrap();
        server.post("/-/reload", &json!({})).expect(200);
    };
    send(&server, &body("firing", SECRET), "2026-03-02T10:00:10Z");
    rules(&server, RULES);
    send(&server, &body("firing", SECRET), "2026-03-02T10:01:10Z");
    server.kill();
    server.start_again();
    send(&server, &body("firing", SECRET), "2026-03-02T10:02:10Z");
    rules(&server, "# none again\n");
    send(&server, &body("resolved", SECRET), "2026-03-02T10:05:10Z");
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["status"], "resolved");
    assert_eq!(alerts[0]["deliveries"], 4);
}

#[test]
fn alerts_that_differ_only_in_a_secret_stay_two() {
    let server = Setup::new().replay().config(RULES).start();
    send(&server, &body("firing", "first-secret"), "2026-03-02T10:00:10Z");
    send(&server, &body("firing", "second-secret"), "2026-03-02T10:00:20Z");
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 2);
    assert_ne!(alerts[0]["fingerprint"], alerts[1]["fingerprint"]);
    assert_eq!(alerts[0]["labels"], alerts[1]["labels"]);
}

#[test]
fn without_rules_bodies_are_kept_as_sent() {
    let server = Server::start();
    send(&server, &body("firing", SECRET), "2026-03-02T10:00:10Z");
    let delivery = &server.list("/api/v1/deliveries")[0];
    assert_eq!(delivery["redacted"], 0);
    let id = delivery["id"].as_str().unwrap();
    let raw = server.get(&format!("/api/v1/deliveries/{id}/raw")).expect(200);
    assert_eq!(raw.body, body("firing", SECRET).to_string().into_bytes());
}
