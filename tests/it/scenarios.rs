//! Five published outages, replayed over HTTP with their original times: one incident each, a
//! draft that tells them right, and the same bytes at any pace and after any crash.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Request, Server, fixtures, wait};

/// How a scenario is played.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as it is taken.
    Full,
    /// With a short pause after each event, so that the program's own clock moves on.
    Paused,
    /// With a kill and a restart after every so many events.
    Killed(usize),
}

/// An outage with what its draft must show.
pub(crate) struct Scenario {
    /// Where its people are.
    pub(crate) timezone: String,
    events: Vec<Value>,
    expect: Value,
}

impl Scenario {
    /// Reads one of the fixtures.
    pub(crate) fn read(name: &str) -> Self {
        let file = fixtures::json(&format!("scenarios/{name}.json"));
        Self {
            timezone: file["timezone"].as_str().unwrap().to_owned(),
            events: file["events"].as_array().unwrap().clone(),
            expect: file["expect"].clone(),
        }
    }

    /// Texts of the notes of a kind.
    fn notes(&self, kind: &str) -> Vec<&str> {
        self.events
            .iter()
            .map(|event| &event["note"])
            .filter(|note| note["kind"] == kind)
            .map(|note| note["text"].as_str().unwrap())
            .collect()
    }

    /// What is expected, as text.
    fn text(&self, field: &str) -> Option<&str> {
        self.expect[field].as_str()
    }

    /// A moment as the scenario's people read it on their clocks.
    fn local(&self, time: &str) -> String {
        let time: jiff::Timestamp = time.parse().unwrap();
        time.in_tz(&self.timezone).unwrap().strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// Fingerprint and start of the first alert among events.
fn first_alert(events: &[Value]) -> (String, jiff::Timestamp) {
    let alert = events
        .iter()
        .find(|event| event["type"] == "webhook")
        .map(|event| &event["body"]["alerts"][0])
        .expect("a scenario has an alert");
    let start = alert["startsAt"].as_str().unwrap().parse().unwrap();
    (alert["fingerprint"].as_str().unwrap().to_owned(), start)
}

/// The incident that holds an alert.
fn incident_of(client: &Client, (fingerprint, start): &(String, jiff::Timestamp)) -> u64 {
    client.settle();
    client
        .list(&format!("/api/v1/alerts?fingerprint={fingerprint}"))
        .iter()
        .find(|episode| {
            episode["starts_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() == *start
        })
        .and_then(|episode| episode["incident"].as_u64())
        .expect("the first alert is in an incident")
}

/// Sends one event, as received when it was received.
fn send(client: &Client, event: &Value, first: &(String, jiff::Timestamp)) {
    let kind = event["type"].as_str().unwrap();
    let of_incident =
        |rest: &str| format!("/api/v1/incidents/{}{rest}", incident_of(client, first));
    let (method, path, body) = match kind {
        "topology" => ("PUT", "/api/v1/topology".to_owned(), &event["topology"]),
        "webhook" => {
            let source = event["source"].as_str().unwrap();
            ("POST", format!("/api/v1/ingest/{source}"), &event["body"])
        }
        "change" => ("POST", "/api/v1/changes".to_owned(), &event["change"]),
        "note" => ("POST", of_incident("/notes"), &event["note"]),
        "acknowledge" => ("POST", of_incident("/acknowledge"), &event["acknowledge"]),
        "report" => ("PATCH", of_incident(""), &event["report"]),
        "action" => ("POST", of_incident("/actions"), &event["action"]),
        other => panic!("an event of a new type: {other}"),
    };
    let request = Request::new(method, &path).json(body).received_at(event["at"].as_str().unwrap());
    let answer = client.send(&request);
    assert!((200..300).contains(&answer.status), "{event}: {} {}", answer.status, answer.text());
}

/// Plays a scenario into a new server; returns it with the incident's number.
pub(crate) fn play(scenario: &Scenario, pace: Pace) -> (Server, u64) {
    let mut server = Server::start();
    let first = first_alert(&scenario.events);
    for (n, event) in scenario.events.iter().enumerate() {
        send(&server, event, &first);
        match pace {
            Pace::Full => {}
            Pace::Paused => wait::pause(Duration::from_millis(25)),
            Pace::Killed(every) => {
                if n % every == every - 1 {
                    server.kill();
                    server.start_again();
                }
            }
        }
    }
    let id = incident_of(&server, &first);
    (server, id)
}

/// A draft in one format, in the scenario's zone.
pub(crate) fn draft(server: &Server, id: u64, scenario: &Scenario, format: &str) -> String {
    let zone = &scenario.timezone;
    server
        .get(&format!("/api/v1/incidents/{id}/draft?format={format}&tz={zone}"))
        .expect(200)
        .text()
}

/// The lines of the Markdown draft's timeline.
fn timeline_section(markdown: &str) -> Vec<&str> {
    let is_heading = |line: &str| line.starts_with("## ");
    let lines: Vec<&str> = markdown
        .lines()
        .skip_while(|line| !(is_heading(line) && line.contains("Timeline")))
        .skip(1)
        .take_while(|line| !is_heading(line))
        .collect();
    assert!(!lines.is_empty(), "no timeline in\n{markdown}");
    lines
}

/// Whether the timeline shows a moment, given as `HH:MM` or `MM-DD HH:MM`; a date may stand in the
/// line or in a line above.
fn shows(timeline: &[&str], moment: &str) -> bool {
    let (date, time) = match moment.split_once(' ') {
        Some((date, time)) => (Some(date), time),
        None => (None, moment),
    };
    let is_date = regex::Regex::new(r"\d{4}-(\d\d-\d\d)").unwrap();
    let mut current = None;
    timeline.iter().any(|line| {
        if let Some(found) = is_date.captures(line) {
            current = Some(found[1].to_owned());
        }
        line.contains(time) && date.is_none_or(|date| current.as_deref() == Some(date))
    })
}

/// A length as drafts write it, in seconds: `5d 19h 30m`.
fn seconds(length: &str) -> u64 {
    length
        .split(' ')
        .map(|part| {
            let (number, unit) = part.split_at(part.len() - 1);
            let unit = match unit {
                "d" => 86_400,
                "h" => 3600,
                "m" => 60,
                "s" => 1,
                other => panic!("an unknown unit: {other}"),
            };
            number.parse::<u64>().unwrap() * unit
        })
        .sum()
}

/// Checks what a draft tells against what the scenario expects.
fn expect_told(scenario: &Scenario, server: &Server, id: u64) {
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(json!(incidents.len()), scenario.expect["incidents"], "{incidents:?}");
    assert_eq!(incidents[0]["state"], "resolved");
    assert_eq!(incidents[0]["severity"], scenario.expect["severity"]);

    let markdown = draft(server, id, scenario, "markdown");
    let section = timeline_section(&markdown);
    for moment in scenario.expect["timeline_local"].as_array().unwrap() {
        let moment = moment.as_str().unwrap();
        assert!(shows(&section, moment), "{moment} is not in\n{markdown}");
    }
    assert!(markdown.contains(scenario.text("duration").unwrap()), "{markdown}");
    let zone = zone_label(scenario);
    assert_eq!(markdown.matches(&zone).count(), 1, "{zone} in\n{markdown}");

    let json: Value = serde_json::from_str(&draft(server, id, scenario, "json")).unwrap();
    expect_times(scenario, &json);
    expect_story(scenario, &json);
    let plain = draft(server, id, scenario, "text");
    // Plain text is broken into lines that fit a terminal.
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in scenario.notes("wrong-lead").into_iter().chain(scenario.notes("escalation")) {
        assert!(words.contains(text), "{text} in\n{plain}");
    }
}

/// The zone as the draft names it: `Africa/Lagos (WAT, UTC+01:00)`.
fn zone_label(scenario: &Scenario) -> String {
    let local: jiff::civil::DateTime =
        scenario.text("started_local").unwrap().replace(' ', "T").parse().unwrap();
    let offset = local.in_tz(&scenario.timezone).unwrap().strftime("%:z").to_string();
    let label = scenario.text("tz_label").unwrap();
    format!("{} ({label}, UTC{offset})", scenario.timezone)
}

/// Checks ends, milestones and measures.
fn expect_times(scenario: &Scenario, draft: &Value) {
    let summary = &draft["summary"];
    let local = |value: &Value| scenario.local(value.as_str().unwrap());
    assert_eq!(local(&summary["started_at"]), scenario.text("started_local").unwrap());
    assert_eq!(local(&summary["ended_at"]), scenario.text("ended_local").unwrap());
    assert_eq!(summary["duration_seconds"], seconds(scenario.text("duration").unwrap()));
    for (field, milestone) in [
        ("detected_local", "detection"),
        ("notified_local", "notification"),
        ("acknowledged_local", "acknowledgement"),
    ] {
        if let Some(expected) = scenario.text(field) {
            let found = local(&draft["milestones"][milestone]["at"]);
            assert!(found.ends_with(expected), "{milestone} at {found}, not {expected}");
        }
    }
    for measure in ["time_to_detect", "time_to_acknowledge", "duration"] {
        let found = &draft["measures"][measure];
        match scenario.expect.get(measure) {
            Some(Value::String(length)) => {
                assert_eq!(found["state"], "recorded", "{measure}: {found}");
                assert_eq!(found["seconds"], seconds(length), "{measure}: {found}");
            }
            Some(_) => assert_ne!(found["state"], "recorded", "{measure}: {found}"),
            None => {}
        }
    }
}

/// Checks the entries: phases, order, leads, escalations, changes, repeats, actions.
fn expect_story(scenario: &Scenario, draft: &Value) {
    let timeline = draft["timeline"].as_array().unwrap();
    for phase in scenario.expect["phases"].as_array().unwrap() {
        let is_there = if phase == "change" {
            timeline.iter().any(|entry| entry["kind"] == "change")
        } else {
            timeline.iter().any(|entry| entry["phase"] == *phase)
        };
        assert!(is_there, "no entry of {phase} in {timeline:#?}");
    }
    let times: Vec<&str> =
        timeline.iter().map(|entry| entry["occurred_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "out of order: {times:?}");
    for (kind, list) in [("wrong-lead", "wrong_leads"), ("escalation", "escalations")] {
        for text in scenario.notes(kind) {
            assert!(draft[list].to_string().contains(text), "{text} is not in {list}");
        }
    }
    for event in scenario.events.iter().filter(|event| event["type"] == "change") {
        let summary = event["change"]["summary"].as_str().unwrap();
        let at: jiff::Timestamp = event["change"]["at"].as_str().unwrap().parse().unwrap();
        let is_in_place = timeline.iter().any(|entry| {
            entry["kind"] == "change"
                && entry["text"].as_str().unwrap().contains(summary)
                && entry["occurred_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() == at
        });
        assert!(is_in_place, "{summary} is not at {at} in {timeline:#?}");
    }
    if let Some(summary) = scenario.text("probable_cause_change") {
        let causes = draft["candidate_causes"].as_array().unwrap();
        let best = causes.iter().find(|cause| cause["kind"] == "change").expect("a change");
        assert!(best["summary"].as_str().unwrap().starts_with(summary), "{causes:#?}");
    }
    if scenario.expect["resends_not_repeated"] == true {
        expect_no_repeats(scenario, timeline);
    }
    let actions = scenario.events.iter().filter(|event| event["type"] == "action").count();
    assert_eq!(draft["actions"].as_array().unwrap().len(), actions);
}

/// Checks that alerts have entries only where their states changed.
fn expect_no_repeats(scenario: &Scenario, timeline: &[Value]) {
    let changes: Vec<jiff::Timestamp> = scenario
        .events
        .iter()
        .filter_map(|event| event["body"]["alerts"].as_array())
        .flatten()
        .flat_map(|alert| [&alert["startsAt"], &alert["endsAt"]])
        .map(|time| time.as_str().unwrap().parse().unwrap())
        .collect();
    for entry in timeline.iter().filter(|entry| entry["kind"] == "alert") {
        let at: jiff::Timestamp = entry["occurred_at"].as_str().unwrap().parse().unwrap();
        assert!(changes.contains(&at), "a repeat has an entry: {entry}");
    }
    let mut ids: Vec<&str> = timeline.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

/// Plays a scenario at every pace, checks what is told, and that all paces tell it in the same
/// bytes.
fn check(name: &str) {
    let scenario = Scenario::read(name);
    let (server, id) = play(&scenario, Pace::Full);
    expect_told(&scenario, &server, id);
    let formats = ["markdown", "html", "json", "text"];
    let lived = formats.map(|format| draft(&server, id, &scenario, format));
    for pace in [Pace::Paused, Pace::Killed(5)] {
        let (other, other_id) = play(&scenario, pace);
        assert_eq!(other_id, id, "{pace:?}");
        for (format, expected) in formats.iter().zip(&lived) {
            let found = draft(&other, id, &scenario, format);
            assert!(
                found == *expected,
                "{format} differs when {pace:?}:\n{}",
                diff(expected, &found)
            );
        }
    }
}

/// The first lines in which two texts differ.
pub(crate) fn diff(left: &str, right: &str) -> String {
    left.lines()
        .zip(right.lines())
        .filter(|(left, right)| left != right)
        .take(5)
        .map(|(left, right)| format!("- {left}\n+ {right}\n"))
        .collect()
}

#[test]
fn food_delivery_a_warning_before_the_page_and_a_late_all_clear() {
    check("food-delivery");
}

#[test]
fn replication_failure_six_days_with_repeats() {
    check("replication-failure");
}

#[test]
fn bookstore_503_three_symptoms_through_two_services() {
    check("bookstore-503");
}

#[test]
fn accounts_outage_a_change_learnt_of_hours_late() {
    check("accounts-outage");
}

#[test]
fn ecommerce_cascade_a_decoy_and_a_recovery_in_steps() {
    check("ecommerce-cascade");
}

#[test]
fn five_outages_in_one_store_stay_five() {
    let scenarios: Vec<Scenario> = [
        "replication-failure",
        "food-delivery",
        "accounts-outage",
        "ecommerce-cascade",
        "bookstore-503",
    ]
    .map(Scenario::read)
    .into();
    let server = Server::start();
    // They lie months apart, so one after the other is the order of time.
    for scenario in &scenarios {
        let first = first_alert(&scenario.events);
        for event in &scenario.events {
            send(&server, event, &first);
        }
    }
    server.settle();
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), scenarios.len(), "{incidents:#?}");
    for scenario in &scenarios {
        let id = incident_of(&server, &first_alert(&scenario.events));
        let json: Value = serde_json::from_str(&draft(&server, id, scenario, "json")).unwrap();
        expect_times(scenario, &json);
        expect_story(scenario, &json);
    }
}

#[test]
fn a_draft_is_there_from_the_first_alert_and_says_as_of_when() {
    let scenario = Scenario::read("bookstore-503");
    let first = first_alert(&scenario.events);
    let server = Server::start();
    for event in &scenario.events {
        send(&server, event, &first);
        if event["type"] == "webhook" {
            break;
        }
    }
    let id = incident_of(&server, &first);
    let markdown = draft(&server, id, &scenario, "markdown");
    assert!(shows(&timeline_section(&markdown), "15:15"), "{markdown}");
    assert!(markdown.contains("TODO"), "{markdown}");
    assert!(!markdown.contains("Settings corrected"), "{markdown}");
}

#[test]
fn what_changed_since_a_revision_can_be_asked() {
    let scenario = Scenario::read("accounts-outage");
    let (server, id) = play(&scenario, Pace::Full);
    let revision =
        server.get_json(&format!("/api/v1/incidents/{id}"))["revision"].as_u64().unwrap();
    assert!(revision > 1);
    let since = |revision: u64| {
        server
            .get(&format!("/api/v1/incidents/{id}/draft?since_revision={revision}"))
            .expect(200)
            .text()
    };
    assert_ne!(since(1), server.get(&format!("/api/v1/incidents/{id}/draft")).text());
    assert_ne!(since(1), since(revision));
}
