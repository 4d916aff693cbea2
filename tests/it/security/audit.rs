//! Who did what, when and from where.

use serde_json::{Value, json};

use super::{BOSS, run, stdout};
use crate::contract::{critical, expect_problem, with_incident};
use crate::support::{Request, Server, Setup, fixtures};

const BEARER: &str = "Bearer the-token-of-boss";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> crate::support::Answer {
    let request = Request::new(method, path)
        .header("Authorization", BEARER)
        .header("User-Agent", "the-program/1");
    server.send(&body.map_or(request.clone(), |body| request.json(body)))
}

/// What was done, oldest first: action, principal, actor, incident, target, outcome.
fn deeds(server: &Server, query: &str) -> Vec<Value> {
    let answer = ask(server, "GET", &format!("/api/v1/audit?limit=500{query}"), None);
    let mut rows = answer.expect(200).json()["items"].as_array().unwrap().clone();
    rows.reverse();
    rows
}

#[test]
fn every_deed_is_noted_with_who_and_from_where() {
    let server = Setup::new().config(BOSS).start();
    let body = fixtures::begun_now(critical());
    ask(&server, "POST", "/api/v1/ingest/alertmanager", Some(&body)).expect(200);
    crate::support::wait::until("the incident", || {
        (ask(&server, "GET", "/api/v1/incidents/1", None).status == 200).then_some(())
    });
    let by = json!({"by": "Ada"});
    ask(&server, "POST", "/api/v1/incidents/1/acknowledge", Some(&by)).expect(200);
    ask(&server, "POST", "/api/v1/incidents/1/acknowledge", Some(&by)).expect(409);
    let note = json!({"text": "not for the audit", "author": "Ben"});
    ask(&server, "POST", "/api/v1/incidents/1/notes", Some(&note)).expect(201);
    ask(&server, "PATCH", "/api/v1/incidents/1", Some(&json!({"title": "T"}))).expect(200);
    ask(&server, "GET", "/api/v1/deliveries/d3/raw", None).expect(200);
    ask(&server, "POST", "/-/reload", None).expect(200);
    ask(&server, "PUT", "/api/v1/topology", Some(&json!({"edges": []}))).expect(200);
    ask(&server, "POST", "/api/v1/incidents/1/notes/n1/redact", Some(&by)).expect(200);

    let rows = deeds(&server, "");
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            assert_eq!(row["principal"], "boss");
            assert_eq!(row["remote"], "127.0.0.1");
            assert_eq!(row["user_agent"], "the-program/1");
            let incident = row["incident"].as_u64().map_or("-".to_owned(), |id| id.to_string());
            let words = [word("action"), word("actor"), incident, word("target"), word("outcome")];
            words.join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "incident.acknowledge Ada 1 - done",
            "incident.acknowledge Ada 1 - conflict",
            "note.add Ben 1 - done",
            "incident.patch - 1 - done",
            "delivery.view_raw - - d3 done",
            "configuration.reload - - - done",
            "topology.replace - - - done",
            "incident.redact Ada 1 n1 done",
        ]
    );
    assert!(!json!(rows).to_string().contains("not for the audit"));
    assert_eq!(deeds(&server, "&actor=Ben").len(), 1);
    assert_eq!(deeds(&server, "&actor=boss").len(), told.len());
    assert_eq!(deeds(&server, "&incident=1").len(), 5);
    assert_eq!(deeds(&server, "&action=incident").len(), 4);
    assert_eq!(deeds(&server, "&action=note.add").len(), 1);
    assert_eq!(deeds(&server, "&until=2020-01-01T00:00:00Z").len(), 0);
    assert_eq!(deeds(&server, "&since=2020-01-01T00:00:00Z").len(), told.len());
    let page = ask(&server, "GET", "/api/v1/audit?limit=2", None).json();
    assert_eq!(page["items"][0]["action"], "incident.redact");
    let next = page["next_cursor"].as_str().unwrap();
    let page = ask(&server, "GET", &format!("/api/v1/audit?limit=2&cursor={next}"), None).json();
    assert_eq!(page["items"][0]["action"], "configuration.reload");
    expect_problem(ask(&server, "GET", "/api/v1/audit?since=x", None), 400);
    let html = ask(&server, "GET", "/audit?incident=1", None).expect(200).text();
    assert!(html.contains("incident.acknowledge") && html.contains("the-program/1"), "{html}");

    expect_problem(server.get("/api/v1/audit"), 401);
    assert_eq!(server.get("/audit").status, 401);
}

#[test]
fn none_of_it_stands_in_a_draft() {
    let server = with_incident();
    let request = Request::new("POST", "/api/v1/incidents/1/acknowledge")
        .header("User-Agent", "the-program/1")
        .json(&json!({}));
    server.send(&request).expect(200);
    for format in ["markdown", "json"] {
        let draft = server.get(&format!("/api/v1/incidents/1/draft?format={format}")).text();
        assert!(!draft.contains("the-program") && !draft.contains("127.0.0.1"), "{draft}");
    }
    let said = stdout(&run(&server, &["audit", "--incident=1", "-o", "extended"]));
    assert!(said.contains("incident.acknowledge") && said.contains("the-program/1"), "{said}");
}

#[test]
fn logging_in_is_noted_and_guessing_is_slowed_down() {
    let server = Setup::new().config(BOSS).start();
    let log_in = |token: &str| {
        let request = Request::new("POST", "/login")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .bytes(format!("token={token}&next=https://evil.example/"));
        server.send(&request)
    };
    let answer = log_in("the-token-of-boss").expect(303);
    assert_eq!(answer.header("Location"), Some("/"), "nothing leads elsewhere");
    let cookie = answer.header("Set-Cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    for _ in 0..10 {
        log_in("guess").expect(401);
    }
    let answer = log_in("the-token-of-boss");
    assert!(answer.header("Retry-After").is_some());
    expect_problem(answer, 429);
    // Senders and whoever has a token are not held up by it.
    ask(&server, "GET", "/api/v1/incidents", None).expect(200);
    let rows = deeds(&server, "&action=session");
    let outcomes: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[0], "done");
    assert_eq!(outcomes[1..], ["refused"; 10]);
    assert_eq!(rows[0]["principal"], "boss");
    assert_eq!(rows[1]["principal"], Value::Null);
}
