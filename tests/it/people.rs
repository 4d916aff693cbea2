//! What people do to incidents: the life cycle, notes, corrections, actions, changes, merging and
//! splitting, and what is refused.

use serde_json::{Value, json};

use crate::support::{Answer, Request, Server, fixtures};

/// What has nothing to do with each other: alert, service, cluster.
const OUTAGES: [[&str; 3]; 2] =
    [["CheckoutDown", "checkout", "eu-1"], ["IndexCorrupt", "search", "us-7"]];

/// A server with so many of the outages, each an incident from one critical alert, three hours
/// apart.
fn with_incidents(count: usize) -> Server {
    // People act five hours after the second outage began; both still go on.
    let server = Server::start_at("2026-03-02T09:00:00Z");
    for (n, [alert, service, cluster]) in OUTAGES.into_iter().take(count).enumerate() {
        let labels = json!({
            "alertname": alert, "severity": "critical", "service": service, "cluster": cluster,
        });
        let hour = 1 + 3 * n;
        let body = fixtures::firing(&labels, &format!("2026-03-02T{hour:02}:00:00Z"));
        let received = format!("2026-03-02T{hour:02}:00:20Z");
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        server.send(&request.received_at(&received)).expect(200);
    }
    server.settle();
    assert_eq!(server.list("/api/v1/incidents").len(), count);
    server
}

/// The path of an incident.
fn at(id: u64, rest: &str) -> String {
    format!("/api/v1/incidents/{id}{rest}")
}

/// The entry of a draft's timeline with this id.
fn entry(draft: &Value, id: &Value) -> Option<Value> {
    draft["timeline"].as_array().unwrap().iter().find(|entry| entry["id"] == *id).cloned()
}

#[test]
fn an_incident_goes_through_its_life_by_hand() {
    let server = with_incidents(1);
    let go = |word: &str, body: Value| server.post(&at(1, word), &body).expect(200).json();
    let incident = go("/acknowledge", json!({"by": "ana", "at": "2026-03-02T01:05:00Z"}));
    assert_eq!(incident["state"], "acknowledged");
    assert_eq!(incident["acknowledged_at"], "2026-03-02T01:05:00.000Z");
    let incident = go("/mitigate", json!({"by": "ana", "at": "2026-03-02T01:30:00Z"}));
    assert_eq!(incident["state"], "mitigated");
    assert_eq!(incident["mitigated_at"], "2026-03-02T01:30:00.000Z");
    let incident = go("/resolve", json!({"by": "ana", "at": "2026-03-02T02:00:00Z"}));
    assert_eq!(incident["state"], "resolved");
    assert_eq!(incident["resolved_at"], "2026-03-02T02:00:00.000Z");
    assert_eq!(server.post(&at(1, "/acknowledge"), &json!({})).status, 409);
    assert_eq!(server.post(&at(1, "/resolve"), &json!({})).status, 409);
    let incident = go("/reopen", json!({"by": "ben"}));
    assert!(["open", "acknowledged", "mitigated"].contains(&incident["state"].as_str().unwrap()));
    assert_eq!(incident["resolved_at"], Value::Null);
    assert_eq!(server.post(&at(1, "/reopen"), &json!({})).status, 409);

    let draft = server.get_json(&at(1, "/draft?format=json"));
    assert_eq!(draft["measures"]["time_to_acknowledge"]["seconds"], 300);
    let actors: Vec<&str> = draft["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "lifecycle")
        .filter_map(|entry| entry["actor"].as_str())
        .collect();
    assert!(actors.contains(&"ana") && actors.contains(&"ben"), "{actors:?}");
}

#[test]
fn what_is_not_there_or_not_possible_is_refused_with_the_right_word() {
    let server = with_incidents(1);
    let untouched = server.get_json(&at(1, ""));
    let status = |answer: Answer| {
        assert_eq!(answer.media_type(), "application/problem+json");
        answer.status
    };
    for word in ["/acknowledge", "/mitigate", "/resolve", "/reopen"] {
        assert_eq!(status(server.post(&at(99, word), &json!({}))), 404, "{word}");
    }
    assert_eq!(status(server.post(&at(99, "/notes"), &json!({"text": "x"}))), 404);
    assert_eq!(status(server.patch(&at(99, ""), &json!({"lead": "ana"}))), 404);
    assert_eq!(status(server.patch(&at(1, "/notes/n99"), &json!({"text": "x"}))), 404);
    assert_eq!(status(server.patch(&at(1, "/actions/a99"), &json!({"done": true}))), 404);
    assert_eq!(status(server.post(&at(1, "/merge"), &json!({"into": 99}))), 404);
    assert_eq!(status(server.post(&at(1, "/split"), &json!({"alerts": ["e99"]}))), 404);
    let into_itself = status(server.post(&at(1, "/merge"), &json!({"into": 1})));
    assert!([400, 409].contains(&into_itself), "{into_itself}");
    for (path, body) in [
        ("/notes", json!({})),
        ("/notes", json!({"text": ""})),
        ("/notes", json!({"text": "x", "kind": "poem"})),
        ("/notes", json!({"text": "x", "at": "noon"})),
        ("/actions", json!({"kind": "task"})),
        ("/actions", json!({"text": "x", "kind": "wish"})),
        ("/actions", json!({"text": "x", "kind": "task", "horizon": "someday"})),
        ("/acknowledge", json!({"at": "noon"})),
        ("/merge", json!({})),
        ("/split", json!({"alerts": []})),
    ] {
        assert_eq!(status(server.post(&at(1, path), &body)), 400, "{path} {body}");
    }
    for body in [
        json!({"severity": "terrible"}),
        json!({"timezone": "Mars/Olympus"}),
        json!({"status": "done"}),
        json!({"started_at": "noon"}),
        json!({"impact_users_percent": "many"}),
    ] {
        assert_eq!(status(server.patch(&at(1, ""), &body)), 400, "{body}");
    }
    let broken = Request::new("POST", &at(1, "/notes"))
        .header("Content-Type", "application/json")
        .bytes("{");
    assert_eq!(status(server.send(&broken)), 400);
    assert_eq!(server.get_json(&at(1, "")), untouched, "nothing of it changed anything");
}

#[test]
fn a_write_for_another_revision_is_refused() {
    let server = with_incidents(1);
    let tag = |path: &str| server.get(path).expect(200).header("ETag").unwrap().to_owned();
    let seen = tag(&at(1, ""));
    let patch = |tag: &str, lead: &str| {
        let request = Request::new("PATCH", &at(1, "")).json(&json!({"lead": lead}));
        server.send(&request.header("If-Match", tag))
    };
    let answer = patch(&seen, "ana").expect(200);
    assert_eq!(answer.json()["lead"], "ana");
    assert_eq!(patch(&seen, "ben").status, 412);
    assert_eq!(server.get_json(&at(1, ""))["lead"], "ana");
    patch(&tag(&at(1, "")), "ben").expect(200);
    patch("*", "eve").expect(200);
}

#[test]
fn what_people_report_wins_and_null_takes_it_back() {
    let server = with_incidents(1);
    let patch = |body: Value| server.patch(&at(1, ""), &body).expect(200).json();
    let report = json!({
        "title": "The shop was down", "severity": "high", "impact": "Nobody could buy",
        "impact_users": 20_000, "impact_users_percent": 80.5, "root_cause": "A wrong setting",
        "resolution": "The setting was corrected", "timezone": "Africa/Lagos", "lead": "ana",
        "started_at": "2026-03-02T00:50:00Z",
    });
    let incident = patch(report.clone());
    for field in ["title", "severity", "impact", "root_cause", "resolution", "timezone", "lead"] {
        assert_eq!(incident[field], report[field], "{field}");
    }
    assert_eq!(incident["started_at"], "2026-03-02T00:50:00.000Z");
    let draft = server.get_json(&at(1, "/draft?format=json"));
    assert_eq!(draft["title"], "The shop was down");
    assert_eq!(draft["timezone"], "Africa/Lagos");
    assert_eq!(draft["summary"]["started_at"], "2026-03-02T00:50:00.000Z");
    assert_eq!(draft["milestones"]["onset"]["provenance"], "entered");
    assert_eq!(draft["measures"]["time_to_detect"]["seconds"], 600);
    let markdown = server.get(&at(1, "/draft")).text();
    for text in
        ["The shop was down", "Nobody could buy", "A wrong setting", "80.5", "(WAT, UTC+01:00)"]
    {
        assert!(markdown.contains(text), "{text} in\n{markdown}");
    }
    let incident = patch(json!({"title": null, "root_cause": null, "started_at": null}));
    assert!(incident["title"].as_str().unwrap().contains("CheckoutDown"), "{incident}");
    assert_eq!(incident["root_cause"], Value::Null);
    assert_eq!(incident["started_at"], "2026-03-02T01:00:00.000Z");
    assert_eq!(incident["impact"], "Nobody could buy");
}

#[test]
fn a_note_takes_its_place_by_the_time_it_speaks_of() {
    let server = with_incidents(1);
    let note = |body: Value| server.post(&at(1, "/notes"), &body).expect(201).json();
    let late = note(json!({
        "text": "Database team called", "kind": "escalation", "author": "ana",
        "at": "2026-03-02T01:20:00Z",
    }));
    assert_eq!(late["kind"], "note");
    assert_eq!(late["phase"], "escalation");
    assert_eq!(late["occurred_at"], "2026-03-02T01:20:00.000Z");
    assert_eq!(late["actor"], "ana");
    assert_eq!(late["provenance"], "entered");
    let early = note(json!({
        "text": "Suspected the network, it was not", "kind": "wrong-lead",
        "at": "2026-03-02T01:10:00Z",
    }));
    let draft = server.get_json(&at(1, "/draft?format=json"));
    let place = |id: &Value| {
        let timeline = draft["timeline"].as_array().unwrap();
        timeline.iter().position(|entry| entry["id"] == *id).unwrap()
    };
    assert!(place(&early["id"]) < place(&late["id"]));
    assert!(draft["escalations"].to_string().contains("Database team called"));
    assert!(draft["wrong_leads"].to_string().contains("Suspected the network"));
    assert_eq!(draft["milestones"]["escalation"]["at"], "2026-03-02T01:20:00.000Z");
    assert_eq!(server.get_json(&at(1, ""))["state"], "open", "a note never changes the state");
}

#[test]
fn the_kind_of_a_note_is_suggested_and_marked_as_inferred() {
    let server = with_incidents(1);
    let note =
        |text: &str| server.post(&at(1, "/notes"), &json!({"text": text})).expect(201).json();
    let escalation = note("Escalated to the database team");
    assert_eq!(escalation["phase"], "escalation");
    assert_eq!(escalation["provenance"], "inferred");
}

#[test]
fn a_note_is_corrected_and_withdrawn_without_being_lost() {
    let server = with_incidents(1);
    let body = json!({"text": "First wording", "kind": "diagnosis", "at": "2026-03-02T01:10:00Z"});
    let id = server.post(&at(1, "/notes"), &body).expect(201).json()["id"].clone();
    let path = at(1, &format!("/notes/{}", id.as_str().unwrap()));
    let correction = json!({"text": "Second wording", "at": "2026-03-02T01:12:00Z"});
    server.patch(&path, &correction).expect(200);
    let draft = server.get_json(&at(1, "/draft?format=json"));
    let corrected = entry(&draft, &id).expect("the entry keeps its id");
    assert!(corrected["text"].as_str().unwrap().contains("Second wording"), "{corrected}");
    assert_eq!(corrected["occurred_at"], "2026-03-02T01:12:00.000Z");
    assert!(draft.to_string().contains("First wording"), "the original stays visible");

    let answer = server.send(&Request::new("DELETE", &path));
    assert!([200, 204].contains(&answer.status), "{}", answer.status);
    let markdown = server.get(&at(1, "/draft")).text();
    assert!(!markdown.contains("Second wording"), "a withdrawn note is out of the draft");
    let draft = server.get_json(&at(1, "/draft?format=json"));
    assert_ne!(draft["milestones"]["diagnosis"]["state"], "recorded");
}

#[test]
fn measures_to_take_are_kept_with_the_incident() {
    let server = with_incidents(1);
    let body = json!({
        "text": "Alert on replication lag", "kind": "task", "horizon": "short-term",
        "owner": "ana", "due": "2026-04-01", "link": "https://tracker.example.test/1",
    });
    let action = server.post(&at(1, "/actions"), &body).expect(201).json();
    let id = action["id"].as_str().unwrap().to_owned();
    let improvement = json!({"text": "Review settings", "kind": "improvement", "horizon": null});
    server.post(&at(1, "/actions"), &improvement).expect(201);
    server.patch(&at(1, &format!("/actions/{id}")), &json!({"done": true})).expect(200);
    let actions = server.get_json(&at(1, ""))["actions"].clone();
    assert_eq!(actions.as_array().unwrap().len(), 2);
    for field in ["text", "kind", "horizon", "owner", "link"] {
        assert_eq!(actions[0][field], body[field], "{field}");
    }
    assert_eq!(actions[0]["done"], true);
    assert_eq!(actions[1]["done"], false);
    let markdown = server.get(&at(1, "/draft")).text();
    for text in ["Alert on replication lag", "Review settings"] {
        assert!(markdown.contains(text), "{text} in\n{markdown}");
    }
}

#[test]
fn a_change_is_told_once_per_key_and_shows_near_its_incident() {
    let server = with_incidents(1);
    let change = json!({
        "at": "2026-03-02T00:50:00Z", "kind": "config", "service": "checkout",
        "summary": "Pool size halved", "author": "ci", "link": "https://ci.example.test/7",
        "labels": {"cluster": "eu-1"}, "key": "ci-7",
    });
    let first = server.post("/api/v1/changes", &change).expect(201).json();
    let again = server.post("/api/v1/changes", &change);
    assert!([200, 201].contains(&again.status), "{}", again.status);
    assert_eq!(again.json()["id"], first["id"]);
    server.settle();
    let changes = server.list("/api/v1/changes");
    assert_eq!(changes.len(), 1);
    for field in ["kind", "service", "summary", "author", "link", "labels", "key"] {
        assert_eq!(changes[0][field], change[field], "{field}");
    }
    assert_eq!(changes[0]["id"], first["id"]);
    assert_eq!(changes[0]["at"], "2026-03-02T00:50:00.000Z");
    assert_eq!(changes[0]["ends_at"], Value::Null);
    let draft = server.get_json(&at(1, "/draft?format=json"));
    let causes = draft["candidate_causes"].as_array().unwrap();
    let candidate = causes.iter().find(|cause| cause["kind"] == "change").expect("a change");
    assert_eq!(candidate["ref"], first["id"]);
    assert!(candidate["summary"].as_str().unwrap().starts_with("Pool size halved"));
    let timeline = draft["timeline"].as_array().unwrap();
    assert_eq!(timeline[0]["kind"], "change", "it happened before the first alert");
    assert_eq!(server.post("/api/v1/changes", &json!({"kind": "deploy"})).status, 400);
    let unknown = json!({"kind": "miracle", "summary": "x"});
    assert_eq!(server.post("/api/v1/changes", &unknown).status, 400);
}

#[test]
fn a_merged_incident_points_to_the_other_one_and_writes_reach_it() {
    let server = with_incidents(2);
    server.post(&at(2, "/notes"), &json!({"text": "Written on the younger"})).expect(201);
    server.post(&at(2, "/merge"), &json!({"into": 1})).expect(200);
    let younger = server.get_json(&at(2, ""));
    assert_eq!(younger["state"], "merged");
    assert_eq!(younger["merged_into"], 1);
    let elder = server.get_json(&at(1, ""));
    assert_eq!(elder["alerts"]["total"], 2);
    assert_eq!(elder["state"], "open");
    assert_eq!(server.list("/api/v1/incidents").len(), 1);
    assert_eq!(server.list("/api/v1/incidents?state=merged").len(), 1);
    for alert in server.list("/api/v1/alerts") {
        assert_eq!(alert["incident"], 1);
    }
    server.post(&at(2, "/acknowledge"), &json!({"by": "ana"})).expect(200);
    assert_eq!(server.get_json(&at(1, ""))["state"], "acknowledged");
    let markdown = server.get(&at(1, "/draft")).text();
    assert!(markdown.contains("Written on the younger"), "{markdown}");
}

#[test]
fn alerts_are_split_off_and_moved_and_the_machine_leaves_them_there() {
    let server = with_incidents(2);
    server.post(&at(2, "/merge"), &json!({"into": 1})).expect(200);
    let alert = |name: &str| {
        let path = format!("/api/v1/alerts?filter=alertname%3D%22{name}%22");
        server.list(&path).remove(0)
    };
    let id = alert("IndexCorrupt")["id"].clone();
    let made = server.post(&at(1, "/split"), &json!({"alerts": [id.clone()]}));
    assert!([200, 201].contains(&made.status), "{}", made.status);
    let split = made.json()["id"].as_u64().unwrap();
    assert!(split > 2);
    assert_eq!(alert("IndexCorrupt")["incident"], split);
    server.post(&at(1, "/alerts"), &json!({"alerts": [id]})).expect(200);
    assert_eq!(alert("IndexCorrupt")["incident"], 1);
    let reason = alert("IndexCorrupt")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
}

#[test]
fn a_final_draft_stays_as_it_was_reviewed() {
    let server = with_incidents(1);
    server.patch(&at(1, ""), &json!({"status": "in_review"})).expect(200);
    let incident = server.patch(&at(1, ""), &json!({"status": "final"})).expect(200).json();
    assert_eq!(incident["status"], "final");
    server.post(&at(1, "/notes"), &json!({"text": "Came to light later"})).expect(201);
    let markdown = server.get(&at(1, "/draft")).text();
    if let Some(place) = markdown.find("Came to light later") {
        let before = markdown[..place].to_lowercase();
        assert!(before.contains("since final"), "later truth stands apart:\n{markdown}");
    }
}

#[test]
fn a_pin_shows_on_the_incident_and_is_no_part_of_its_story() {
    let server = with_incidents(2);
    let draft = |id: u64| {
        let answer = server.get(&at(id, "/draft")).expect(200);
        (answer.header("etag").map(str::to_owned), answer.text())
    };
    server.patch(&at(1, ""), &json!({"status": "final"})).expect(200);
    let (live, reviewed) = (draft(2), draft(1));
    for (id, drafted) in [(1, reviewed), (2, live)] {
        let before = server.get(&at(id, "")).expect(200);
        let tag = before.header("etag").unwrap().to_owned();
        let before = before.json();
        assert_eq!(before["pinned"], false);
        let mut pinned = server.patch(&at(id, ""), &json!({"pinned": true})).expect(200).json();
        assert_eq!(pinned["pinned"], true);
        let known = Request::new("GET", &at(id, "")).header("If-None-Match", &tag);
        let answer = server.send(&known).expect(200);
        assert_eq!(answer.header("etag").unwrap(), format!("\"{}-pinned\"", before["revision"]));
        assert_eq!(draft(id), drafted, "not a byte of it");
        // Whoever read it as pinned may write to it.
        let write = Request::new("PATCH", &at(id, ""))
            .header("If-Match", answer.header("etag").unwrap())
            .json(&json!({"pinned": null}));
        assert_eq!(server.send(&write).expect(200).json(), before, "null takes it back");
        pinned["pinned"] = false.into();
        assert_eq!(pinned, before, "nothing else changed");
    }
    assert_eq!(server.patch(&at(1, ""), &json!({"pinned": "yes"})).status, 400);

    // Pinned if either was; a wish about the younger is one about the older.
    server.patch(&at(2, ""), &json!({"pinned": true})).expect(200);
    server.post(&at(2, "/merge"), &json!({"into": 1})).expect(200);
    assert_eq!(server.get_json(&at(1, ""))["pinned"], true);
    server.patch(&at(2, ""), &json!({"pinned": false})).expect(200);
    assert_eq!(server.get_json(&at(1, ""))["pinned"], false);
    assert_eq!(server.get_json(&at(2, ""))["pinned"], false);
}
