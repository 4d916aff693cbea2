//! A final draft is the bytes that were reviewed, whatever is learnt later and wherever it runs;
//! and a past incident is known again, with what resolved it.

use serde_json::{Value, json};

use crate::support::{Answer, Request, Server, Setup, fixtures};

const FORMATS: [&str; 4] = ["markdown", "html", "json", "text"];
const LAYOUTS: [&str; 5] = ["outage-report", "google-sre", "pagerduty", "atlassian", "mine"];

/// A template of people's own.
const MINE: &str = "# {{ title }} is {{ status }} at {{ revision }}\n";

fn at(id: u64, rest: &str) -> String {
    format!("/api/v1/incidents/{id}{rest}")
}

/// A server with one incident that lived from 10:00 to 10:30, resolved, and a template.
fn with_incident() -> Server {
    let setup = Setup::new().replay().config("templates: {dir: .}\n").file("mine.md.jinja", MINE);
    let server = setup.start();
    outage(&server, "2026-03-02");
    server
}

/// One outage on a day, resolved when it returns.
fn outage(server: &Server, day: &str) {
    let labels =
        json!({"alertname": "CheckoutDown", "service": "checkout", "severity": "critical"});
    let (start, end) = (format!("{day}T10:00:00Z"), format!("{day}T10:30:00Z"));
    let say = |body: &Value, time: &str| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(body);
        server.send(&request.received_at(&format!("{day}T{time}Z"))).expect(200);
    };
    say(&fixtures::firing(&labels, &start), "10:00:20");
    say(&fixtures::resolved(&labels, &start, &end), "10:30:20");
    // Time passes, so that the quiet period ends.
    let other = json!({"alertname": "Other", "service": "mail", "severity": "info"});
    say(&fixtures::firing(&other, &format!("{day}T11:00:00Z")), "11:00:00");
    server.settle();
}

/// A write that was made at a moment.
fn write(server: &Server, method: &str, path: &str, time: &str, body: &Value) -> Answer {
    server.send(&Request::new(method, path).json(body).received_at(time))
}

/// Every document of the incident that can be had: its address and its text.
fn documents(server: &Server) -> Vec<(String, Answer)> {
    let drafts = FORMATS.iter().flat_map(|format| {
        let layouts = LAYOUTS
            .iter()
            .filter(move |layout| **layout != "mine" || matches!(*format, "markdown" | "json"));
        layouts.map(move |layout| at(1, &format!("/draft?format={format}&template={layout}")))
    });
    drafts
        .chain([at(1, "/timeline.svg")])
        .map(|path| {
            let answer = server.get(&path).expect(200);
            (path, answer)
        })
        .collect()
}

fn texts(server: &Server) -> Vec<(String, String)> {
    documents(server).into_iter().map(|(path, answer)| (path, answer.text())).collect()
}

#[test]
fn every_document_of_a_final_draft_keeps_its_bytes() {
    let mut server = with_incident();
    let time = "2026-03-02T12:00:00Z";
    write(&server, "PATCH", &at(1, ""), time, &json!({"status": "final"})).expect(200);
    let reviewed = texts(&server);
    assert!(reviewed[0].1.contains("- **Status:** final, revision"), "{}", reviewed[0].1);
    for (path, answer) in documents(&server) {
        assert_eq!(answer.header("Scribed-Draft"), Some("final"), "{path}");
        assert_eq!(answer.header("Scribed-Since-Final"), Some("0"), "{path}");
    }

    let later = "2026-03-02T12:30:00Z";
    let note = json!({"text": "Came to light later", "at": "2026-03-02T10:10:00Z"});
    write(&server, "POST", &at(1, "/notes"), later, &note).expect(201);
    write(&server, "PATCH", &at(1, ""), later, &json!({"root_cause": "Another"})).expect(200);
    assert_eq!(texts(&server), reviewed);
    for (path, answer) in documents(&server) {
        assert_eq!(answer.header("Scribed-Since-Final"), Some("2"), "{path}");
    }

    // Neither another template nor another address nor another zone of the program touches them.
    server.kill();
    std::fs::write(server.folder().join("mine.md.jinja"), "# Other\n").unwrap();
    let config =
        "templates: {dir: .}\ntimezone: Asia/Tokyo\nweb: {external_url: https://s.example}\n";
    std::fs::write(server.config_file(), config).unwrap();
    server.start_again();
    assert_eq!(texts(&server), reviewed);
}

#[test]
fn what_came_since_final_stands_behind_the_reviewed_bytes() {
    let server = with_incident();
    let time = "2026-03-02T12:00:00Z";
    write(&server, "PATCH", &at(1, ""), time, &json!({"status": "final", "by": "ana"})).expect(200);
    let reviewed = texts(&server);
    let revision = server.get_json(&at(1, ""))["final"]["revision"].as_u64().unwrap();
    let later = "2026-03-02T12:30:00Z";
    write(&server, "POST", &at(1, "/notes"), later, &json!({"text": "Late"})).expect(201);
    for (path, text) in reviewed.iter().filter(|(path, _)| !path.ends_with("svg")) {
        let with = server.get(&format!("{path}&since_revision={revision}")).expect(200);
        assert_eq!(with.header("Scribed-Draft"), Some("final"), "{path}");
        let with = with.text();
        if path.contains("json") {
            let (mut now, before): (Value, Value) =
                (serde_json::from_str(&with).unwrap(), serde_json::from_str(text).unwrap());
            let since = now.as_object_mut().unwrap().insert("since".to_owned(), Value::Null);
            assert_eq!(now, before, "{path}");
            let words = since.unwrap()["revisions"][0]["changes"][0].clone();
            assert!(words.as_str().unwrap().starts_with("Note"), "{path}: {words}");
            continue;
        }
        let name = format!("Since final (revision {revision})");
        assert!(with.contains(&name), "{path}:\n{with}");
        let head = text.trim_end_matches("</main>\n</body>\n</html>\n");
        assert!(with.starts_with(head), "{path}:\n{with}");
    }
}

#[test]
fn a_final_draft_in_another_form_says_that_nobody_reviewed_it() {
    let server = with_incident();
    let time = "2026-03-02T12:00:00Z";
    write(&server, "PATCH", &at(1, ""), time, &json!({"status": "final"})).expect(200);
    let later = json!({"text": "Came to light later"});
    write(&server, "POST", &at(1, "/notes"), time, &later).expect(201);
    let answer = server.get(&at(1, "/draft?tz=Africa/Lagos")).expect(200);
    assert_eq!(answer.header("Scribed-Draft"), Some("reprinted"));
    let text = answer.text();
    assert!(text.contains("printed anew from the facts that were reviewed"), "{text}");
    assert!(text.contains("2026-03-02 11:00 (10:00 UTC)"), "{text}");
    assert!(!text.contains("Came to light later"), "{text}");
    let same = server.get(&at(1, "/draft?tz=UTC")).expect(200);
    assert_eq!(same.header("Scribed-Draft"), Some("final"));
}

#[test]
fn a_draft_taken_back_from_final_lives_again_and_freezes_anew() {
    let server = with_incident();
    let set = |minute: &str, body: &Value| {
        let time = format!("2026-03-02T12:{minute}:00Z");
        write(&server, "PATCH", &at(1, ""), &time, body).expect(200);
    };
    set("00", &json!({"status": "final"}));
    let first = texts(&server);
    set("01", &json!({"status": "draft"}));
    set("02", &json!({"root_cause": "A late insight"}));
    assert!(server.get(&at(1, "/draft")).text().contains("A late insight"));
    set("03", &json!({"status": "final"}));
    let second = texts(&server);
    assert_ne!(first, second);
    assert!(second[0].1.contains("A late insight"), "{}", second[0].1);
}

#[test]
fn a_past_incident_is_known_again_with_what_resolved_it() {
    let server = with_incident();
    let body = json!({"resolution": "Failed over to the replica", "root_cause": "A full disk"});
    write(&server, "PATCH", &at(1, ""), "2026-03-02T12:00:00Z", &body).expect(200);
    outage(&server, "2026-03-20");
    let incident = server.list("/api/v1/incidents").remove(0);
    assert_eq!(incident["similar"][0]["incident"], 1, "{incident}");
    let id = incident["id"].as_u64().unwrap();
    let draft = server.get_json(&at(id, "/draft?format=json"));
    let similar = &draft["similar"][0];
    assert_eq!(similar["resolution"], "Failed over to the replica");
    assert_eq!(similar["root_cause"], "A full disk");
    assert!(similar["score"].as_f64().unwrap() > 0.9, "{similar}");
    assert!(similar["why"][0].as_str().unwrap().contains("CheckoutDown on checkout"), "{similar}");
    for layout in &LAYOUTS[..4] {
        for format in ["markdown", "html", "text"] {
            let path = at(id, &format!("/draft?format={format}&template={layout}"));
            let text = server.get(&path).text();
            assert!(text.contains("Failed over to the replica"), "{layout} {format}:\n{text}");
        }
    }
}
