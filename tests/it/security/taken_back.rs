//! Words of people that are taken back for good: gone from the files, and every law still holds.

use serde_json::{Value, json};

use super::{files_with, run, stdout, verify};
use crate::contract::{expect_problem, with_incident};
use crate::support::{Request, Server, Setup, fixtures};

const SECRET: &str = "the-password-is-hunter2";

/// Panics if the words are anywhere in the store.
#[track_caller]
fn expect_gone(server: &Server, words: &str) {
    assert_eq!(files_with(&server.folder().join("store"), words), Vec::<String>::new());
}

fn is_redacted(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with("[redacted, sha256 ") && text.len() == 83)
}

#[test]
fn a_note_is_gone_with_all_its_versions() {
    let server = with_incident();
    let note = json!({"text": format!("Escalated: {SECRET}"), "author": "ada"});
    server.post("/api/v1/incidents/1/notes", &note).expect(201);
    let kind = server.get_json("/api/v1/incidents/1/notes/n1")["note_kind"].clone();
    // Enough around it to spread rows and versions over the pages of the file.
    for number in 0..40 {
        let filler = json!({"text": format!("note {number} {}", "x".repeat(900))});
        server.post("/api/v1/incidents/1/notes", &filler).expect(201);
    }
    let patch = json!({"text": format!("Corrected: {SECRET}!")});
    server.patch("/api/v1/incidents/1/notes/n1", &patch).expect(200);
    server.patch("/api/v1/incidents/1", &json!({"status": "final"})).expect(200);
    server.post("/api/v1/incidents/1/notes", &json!({"text": "Said later"})).expect(201);
    assert!(!files_with(&server.folder().join("store"), SECRET).is_empty());
    verify(&server);

    let said = stdout(&run(&server, &["redact", "1", "--note=n1", "--by=ada"]));
    assert!(said.contains("redacted"), "{said}");
    let note = server.get_json("/api/v1/incidents/1/notes/n1");
    assert!(is_redacted(&note["text"]), "{note}");
    assert!(is_redacted(&note["history"][0]["text"]), "{note}");
    assert_ne!(note["text"], note["history"][0]["text"]);
    assert_eq!(note["note_kind"], kind, "what was suggested from the words stays");
    for format in ["markdown", "html", "json", "text"] {
        let draft = server.get(&format!("/api/v1/incidents/1/draft?format={format}")).text();
        assert!(!draft.contains(SECRET), "{format}");
    }
    assert!(server.get("/api/v1/incidents/1/draft").text().contains("[redacted"));
    expect_gone(&server, SECRET);
    verify(&server);
    // Once more changes nothing but the revision.
    server.post("/api/v1/incidents/1/notes/n1/redact", &json!({})).expect(200);
    verify(&server);
}

#[test]
fn after_a_kill_the_words_are_still_gone_and_the_laws_hold() {
    let mut server = with_incident();
    server.post("/api/v1/incidents/1/notes", &json!({"text": SECRET})).expect(201);
    server.post("/api/v1/incidents/1/notes/n1/redact", &json!({})).expect(200);
    server.kill();
    server.start_again();
    server.settle();
    let note = server.get_json("/api/v1/incidents/1/notes/n1");
    assert!(is_redacted(&note["text"]), "{note}");
    expect_gone(&server, SECRET);
    verify(&server);
    // A backup made now does not hold them either.
    stdout(&run_in(&server, &["backup", "copy.db", "--storage.path=store"]));
    assert_eq!(files_with(server.folder(), SECRET), Vec::<String>::new());
}

fn run_in(server: &Server, arguments: &[&str]) -> std::process::Output {
    crate::support::server::program(server.folder()).args(arguments).output().unwrap()
}

#[test]
fn fields_and_measures_are_gone_too() {
    let server = with_incident();
    for (field, words) in [
        ("title", format!("{SECRET} title")),
        ("impact", format!("{SECRET} impact")),
        ("root_cause", format!("{SECRET} one")),
        ("root_cause", format!("{SECRET} two")),
        ("resolution", format!("{SECRET} resolution")),
        ("lead", format!("{SECRET} lead")),
    ] {
        server.patch("/api/v1/incidents/1", &json!({field: words})).expect(200);
    }
    server.patch("/api/v1/incidents/1", &json!({"lead": null})).expect(200);
    let action = json!({
        "text": SECRET, "kind": "task", "owner": format!("{SECRET} owner"),
        "link": format!("https://tickets.example/{SECRET}"),
    });
    server.post("/api/v1/incidents/1/actions", &action).expect(201);
    let patch = json!({"text": format!("{SECRET} again")});
    server.patch("/api/v1/incidents/1/actions/a1", &patch).expect(200);
    server.patch("/api/v1/incidents/1", &json!({"status": "final"})).expect(200);

    for field in ["title", "impact", "root_cause", "resolution", "lead"] {
        let body = json!({"field": field, "by": "ada"});
        server.post("/api/v1/incidents/1/redact", &body).expect(200);
    }
    let incident = server.post("/api/v1/incidents/1/actions/a1/redact", &json!({})).expect(200);
    let incident = incident.json();
    for field in ["title", "impact", "root_cause", "resolution"] {
        assert!(is_redacted(&incident[field]), "{field} in {incident}");
    }
    assert_eq!(incident["lead"], Value::Null, "what was taken back before stays so");
    assert!(is_redacted(&incident["actions"][0]["text"]), "{incident}");
    expect_gone(&server, SECRET);
    verify(&server);
    // A clean word takes its place.
    let incident = server.patch("/api/v1/incidents/1", &json!({"title": "Orders database down"}));
    assert_eq!(incident.expect(200).json()["title"], "Orders database down");
    verify(&server);
}

#[test]
fn what_was_merged_loses_the_words_as_well() {
    let server = Server::start_at("2026-03-02T09:00:00Z");
    for (alert, service, hour) in [("CheckoutDown", "checkout", 1), ("IndexCorrupt", "search", 4)] {
        let labels = json!({"alertname": alert, "severity": "critical", "service": service});
        let body = fixtures::firing(&labels, &format!("2026-03-02T{hour:02}:00:00Z"));
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        server.send(&request.received_at(&format!("2026-03-02T{hour:02}:00:20Z"))).expect(200);
    }
    server.settle();
    server.patch("/api/v1/incidents/2", &json!({"root_cause": SECRET})).expect(200);
    server.post("/api/v1/incidents/2/notes", &json!({"text": SECRET})).expect(201);
    server.post("/api/v1/incidents/2/merge", &json!({"into": 1})).expect(200);
    assert_eq!(server.get_json("/api/v1/incidents/1")["root_cause"], SECRET);
    server.post("/api/v1/incidents/1/redact", &json!({"field": "root_cause"})).expect(200);
    server.post("/api/v1/incidents/2/notes/n1/redact", &json!({})).expect(200);
    for id in [1, 2] {
        let incident = server.get_json(&format!("/api/v1/incidents/{id}"));
        assert!(is_redacted(&incident["root_cause"]), "{incident}");
    }
    expect_gone(&server, SECRET);
    verify(&server);
}

#[test]
fn incidents_that_copied_the_words_lose_them_too() {
    let server = Server::start_at("2026-03-10T09:00:00Z");
    let fire = |day: u32| {
        let labels =
            json!({"alertname": "CheckoutDown", "severity": "critical", "service": "checkout"});
        let body = fixtures::firing(&labels, &format!("2026-03-{day:02}T01:00:00Z"));
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        server.send(&request.received_at(&format!("2026-03-{day:02}T01:00:20Z"))).expect(200);
        server.settle();
    };
    let at = |request: Request, time: &str| server.send(&request.received_at(time)).expect(200);
    fire(2);
    let words = json!({"root_cause": SECRET, "resolution": format!("{SECRET} two")});
    at(Request::new("PATCH", "/api/v1/incidents/1").json(&words), "2026-03-02T01:10:00Z");
    let over = Request::new("POST", "/api/v1/incidents/1/resolve").json(&json!({}));
    at(over, "2026-03-02T01:20:00Z");
    fire(6);
    let draft = server.get_json("/api/v1/incidents/2/draft?format=json");
    assert!(draft.to_string().contains(SECRET), "the second knows of the first: {draft}");
    server.patch("/api/v1/incidents/2", &json!({"status": "final"})).expect(200);
    for field in ["root_cause", "resolution"] {
        server.post("/api/v1/incidents/1/redact", &json!({"field": field})).expect(200);
    }
    let draft = server.get("/api/v1/incidents/2/draft").text();
    assert!(!draft.contains(SECRET), "{draft}");
    expect_gone(&server, SECRET);
    verify(&server);
}

#[test]
fn a_persons_name_is_gone_from_everywhere_and_other_names_stay() {
    let mut server = with_incident();
    let by = |name: &str| json!({ "by": name });
    server.post("/api/v1/incidents/1/acknowledge", &by("Ada Lovelace")).expect(200);
    let note = json!({"text": "Looking", "author": "Ada Lovelace"});
    server.post("/api/v1/incidents/1/notes", &note).expect(201);
    let patch = json!({"text": "Looking at it", "by": "Ada Lovelace"});
    server.patch("/api/v1/incidents/1/notes/n1", &patch).expect(200);
    let note = json!({"text": "Too", "author": "Ada"});
    server.post("/api/v1/incidents/1/notes", &note).expect(201);
    let gone = Request::new("DELETE", "/api/v1/incidents/1/notes/n2").json(&by("Ada Lovelace"));
    server.send(&gone).expect(204);
    let action = json!({"text": "Mend it", "kind": "task", "owner": "Ada Lovelace"});
    server.post("/api/v1/incidents/1/actions", &action).expect(201);
    server.patch("/api/v1/incidents/1/actions/a1", &json!({"owner": "Bob"})).expect(200);
    server.patch("/api/v1/incidents/1/actions/a1", &json!({"owner": "Ada Lovelace"})).expect(200);
    let change = json!({"summary": "Release 4", "service": "checkout", "author": "Ada Lovelace"});
    server.post("/api/v1/changes", &change).expect(201);
    let patch = json!({"lead": "Ada Lovelace", "status": "final", "by": "Ada Lovelace"});
    server.patch("/api/v1/incidents/1", &patch).expect(200);
    let draft = |server: &Server| server.get("/api/v1/incidents/1/draft").text();
    assert!(draft(&server).contains("Ada Lovelace"));
    verify(&server);

    let said = stdout(&run(&server, &["redact", "--person=Ada Lovelace", "--by=Ada Lovelace"]));
    assert!(said.contains("redacted"), "{said}");
    expect_gone(&server, "Ada Lovelace");
    let (draft, incident) = (draft(&server), server.get_json("/api/v1/incidents/1"));
    assert!(!draft.contains("Lovelace") && draft.contains("[redacted"), "{draft}");
    assert!(is_redacted(&incident["lead"]) && is_redacted(&incident["actions"][0]["owner"]));
    let note = server.get_json("/api/v1/incidents/1/notes/n1");
    assert!(is_redacted(&note["actor"]), "{note}");
    assert_eq!(server.get_json("/api/v1/incidents/1/notes/n2")["actor"], "Ada");
    assert!(is_redacted(&server.get_json("/api/v1/changes")["items"][0]["author"]));
    let audit = server.get_json("/api/v1/audit?limit=500");
    let deeds = audit["items"].as_array().unwrap();
    assert_eq!(deeds[0]["action"], "person.redact");
    assert!(is_redacted(&deeds[0]["target"]) && is_redacted(&deeds[0]["actor"]), "{audit}");
    assert!(deeds.iter().all(|deed| deed["actor"] != "Ada Lovelace"), "{audit}");
    verify(&server);
    server.kill();
    server.start_again();
    server.settle();
    expect_gone(&server, "Ada Lovelace");
    verify(&server);
}

#[test]
fn the_words_of_a_change_are_gone_and_what_was_decided_with_them_stays() {
    let mut server = with_incident();
    let tell = |summary: &str| {
        let change = json!({
            "summary": format!("{SECRET} {summary}"), "service": "orders-db", "key": "release-4",
            "at": "2026-03-02T09:55:00Z",
            "author": format!("{SECRET} author"), "link": format!("https://ci.example/{SECRET}"),
        });
        server.post("/api/v1/changes", &change).expect(201).json()["id"].clone()
    };
    let id = tell("planned");
    assert_eq!(tell("in place"), id);
    server.patch("/api/v1/incidents/1", &json!({"status": "final"})).expect(200);
    assert!(server.get("/api/v1/incidents/1/draft").text().contains(SECRET));
    let candidates = |server: &Server| {
        let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
        let causes = draft["candidate_causes"].as_array().unwrap().iter();
        causes.map(|cause| (cause["ref"].clone(), cause["score"].clone())).collect::<Vec<_>>()
    };
    let before = candidates(&server);
    assert!(before.iter().any(|(reference, _)| *reference == id), "{before:?}");

    let said = stdout(&run(&server, &["redact", &format!("--change={}", id.as_str().unwrap())]));
    assert!(said.contains("redacted"), "{said}");
    let change = &server.get_json("/api/v1/changes")["items"][0];
    for field in ["summary", "author"] {
        assert!(is_redacted(&change[field]), "{field} in {change}");
    }
    assert_eq!(change["link"], Value::Null, "a hash leads nowhere");
    assert_eq!((&change["service"], &change["key"]), (&json!("orders-db"), &json!("release-4")));
    assert_eq!(candidates(&server), before);
    for format in ["markdown", "html", "json", "text"] {
        let path = format!("/api/v1/incidents/1/draft?format={format}&since_revision=1");
        assert!(!server.get(&path).text().contains(SECRET), "{format}");
    }
    expect_gone(&server, SECRET);
    verify(&server);
    server.kill();
    server.start_again();
    server.settle();
    assert_eq!(candidates(&server), before);
    expect_gone(&server, SECRET);
    verify(&server);
    // It can be told anew, without what must not be kept.
    let clean = json!({"summary": "Release 4", "service": "orders-db", "key": "release-4"});
    assert_eq!(server.post("/api/v1/changes", &clean).expect(201).json()["id"], id);
    verify(&server);
}

#[test]
fn a_change_of_a_sender_is_not_for_taking_back() {
    let server = with_incident();
    let hook = json!({"text": "Deploy 7", "tags": ["deploy"], "time": 1_772_445_600_000_u64});
    server.post("/api/annotations", &hook).expect(200);
    server.settle();
    let id = server.get_json("/api/v1/changes")["items"][0]["id"].clone();
    let path = format!("/api/v1/changes/{}/redact", id.as_str().unwrap());
    expect_problem(server.post(&path, &json!({})), 409);
    expect_problem(server.post("/api/v1/changes/c99/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/changes/99/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/redact", &json!({})), 400);
    expect_problem(server.post("/api/v1/redact", &json!({"person": " "})), 400);
    verify(&server);
}

#[test]
fn only_administrators_take_words_back_and_only_those_that_are_there() {
    let server = with_incident();
    expect_problem(server.post("/api/v1/incidents/1/notes/n9/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/incidents/1/notes/x/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/incidents/9/notes/n1/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/incidents/1/actions/a9/redact", &json!({})), 404);
    expect_problem(server.post("/api/v1/incidents/1/redact", &json!({})), 400);
    let unknown = json!({"field": "severity"});
    expect_problem(server.post("/api/v1/incidents/1/redact", &unknown), 400);
    verify(&server);

    let server = Setup::new().config(super::BOSS).start();
    let ask = |token: &str| {
        let request = Request::new("POST", "/api/v1/incidents/1/notes/n1/redact");
        server.send(&request.header("Authorization", token)).status
    };
    assert_eq!(ask("Bearer the-token-of-boss"), 404);
    assert_eq!(ask("Bearer no"), 401);
}
