//! Eight public postmortems, minute by minute, told to the program as it would have heard of them.
//!
//! What monitoring or a user said first is an alert, what was shipped is a change, everything else
//! is a note without a kind. Counted is what a postmortem cannot do without, in what the program
//! makes of it: kinds suggested from the words, order, and the moments that matter most.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Request, Server, fixtures};

/// Kinds that a postmortem cannot do without.
const NEEDED: [&str; 4] = ["detection", "diagnosis", "mitigation", "resolution"];
/// How far an entry may lie from the one it matches, in seconds.
const TOLERANCE_SECONDS: f64 = 120.0;
/// What is reached at least: the harmonic mean of precision and recall.
const FLOOR: f64 = 0.8;

/// An entry: when, and of which kind.
#[derive(Clone, Debug)]
struct Entry {
    at: Timestamp,
    kind: String,
}

fn postmortems() -> Vec<Value> {
    let text = String::from_utf8(fixtures::bytes("timelines/timelines.jsonl")).unwrap();
    let mut all: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    all.sort_by_key(|incident| moment(&incident["detected_at"]));
    all
}

fn moment(time: &Value) -> Timestamp {
    time.as_str().unwrap().parse().unwrap()
}

/// The entries as people wrote them.
fn written(incident: &Value) -> Vec<Entry> {
    let entry = |entry: &Value| Entry {
        at: moment(&entry["time"]),
        kind: entry["kind"].as_str().unwrap().to_owned(),
    };
    incident["entries"].as_array().unwrap().iter().map(entry).collect()
}

/// Tells the program a postmortem; returns the number of its incident.
fn tell(server: &Server, incident: &Value) -> u64 {
    let name = incident["incident"].as_str().unwrap();
    let labels = json!({"alertname": "Trouble", "service": name, "severity": "critical"});
    let detected = moment(&incident["detected_at"]);
    let post = |path: &str, at: Timestamp, body: &Value| {
        let request = Request::new("POST", path).json(body).received_at(&at.to_string());
        server.send(&request)
    };
    let alerts = "/api/v1/ingest/alertmanager";
    post(alerts, detected, &fixtures::firing(&labels, &detected.to_string())).expect(200);
    server.settle();
    let id = server.list("/api/v1/incidents")[0]["id"].as_u64().unwrap();
    let mut is_detected = false;
    let mut last = detected;
    for entry in incident["entries"].as_array().unwrap() {
        let (at, text) = (moment(&entry["time"]), &entry["text"]);
        last = last.max(at);
        match entry["kind"].as_str().unwrap() {
            "detection" if !is_detected => is_detected = true,
            "trigger" => {
                let body = json!({"summary": text, "service": name, "at": entry["time"]});
                post("/api/v1/changes", last, &body).expect(201);
            }
            _ => {
                let body = json!({"text": text, "at": entry["time"]});
                post(&format!("/api/v1/incidents/{id}/notes"), last, &body).expect(201);
            }
        }
    }
    let end = moment(&incident["resolved_at"]);
    let body = fixtures::resolved(&labels, &detected.to_string(), &end.to_string());
    post(alerts, last.max(end), &body).expect(200);
    // Time passes, so that the quiet period ends.
    let later = last.max(end) + SignedDuration::from_hours(1);
    let other = json!({"alertname": "Other", "service": "other", "severity": "info"});
    post(alerts, later, &fixtures::firing(&other, &later.to_string())).expect(200);
    server.settle();
    id
}

/// The entries as the program tells them.
fn told(server: &Server, id: u64) -> Vec<Entry> {
    let timeline = server.get_json(&format!("/api/v1/incidents/{id}/timeline?collapse=false"));
    let entry = |entry: &Value| Entry {
        at: moment(&entry["occurred_at"]),
        kind: entry["phase"].as_str().unwrap().to_owned(),
    };
    timeline["items"].as_array().unwrap().iter().map(entry).collect()
}

/// Pairs of entries that speak of the same moment, each used once, the nearest and those of one
/// kind first.
fn matched(truth: &[Entry], told: &[Entry]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (i, a) in truth.iter().enumerate() {
        for (j, b) in told.iter().enumerate() {
            let apart = a.at.duration_since(b.at).as_secs_f64().abs();
            if apart <= TOLERANCE_SECONDS {
                let odd = if a.kind == b.kind { 0.0 } else { 0.001 + TOLERANCE_SECONDS / 10.0 };
                pairs.push((apart + odd, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
    pairs.retain(|(_, i, j)| {
        let is_free = !left.contains(i) && !right.contains(j);
        if is_free {
            left.insert(*i);
            right.insert(*j);
        }
        is_free
    });
    pairs.into_iter().map(|(_, i, j)| (i, j)).collect()
}

#[test]
fn the_program_finds_what_a_postmortem_needs() {
    let server = Server::start();
    let is_needed = |entry: &&Entry| NEEDED.contains(&entry.kind.as_str());
    let (mut found, mut truly, mut claimed) = (0, 0, 0);
    let mut apart: Vec<i64> = Vec::new();
    for incident in postmortems() {
        let name = incident["incident"].as_str().unwrap();
        let id = tell(&server, &incident);
        let (truth, told) = (written(&incident), told(&server, id));
        assert!(told.is_sorted_by_key(|entry| entry.at), "{name} is out of order");
        let right = matched(&truth, &told).into_iter();
        found += right
            .filter(|(i, j)| truth[*i].kind == told[*j].kind && is_needed(&&truth[*i]))
            .count();
        truly += truth.iter().filter(is_needed).count();
        claimed += told.iter().filter(is_needed).count();
        let draft = server.get_json(&format!("/api/v1/incidents/{id}/draft?format=json"));
        let at = |milestone: &str| draft["milestones"][milestone]["at"].clone();
        assert_eq!(moment(&at("detection")), moment(&incident["detected_at"]), "{name}");
        assert_eq!(moment(&at("resolution")), moment(&incident["resolved_at"]), "{name}");
        if !at("diagnosis").is_null() {
            let off = moment(&at("diagnosis")).duration_since(moment(&incident["diagnosed_at"]));
            apart.push(off.as_secs().abs());
        }
    }
    let score = 2.0 * f64::from(found as u32) / f64::from((truly + claimed) as u32);
    assert!(score >= FLOOR, "{score:.3}: {found} found of {truly}, {claimed} claimed");
    apart.sort_unstable();
    assert!(apart.len() >= 6, "the cause was found in {} of 8", apart.len());
    assert!(apart[apart.len() / 2] <= 60, "seconds between the diagnoses: {apart:?}");
}

#[test]
fn entries_match_once_and_the_nearest_of_one_kind_first() {
    let entry = |seconds: i64, kind: &str| Entry {
        at: Timestamp::from_second(seconds).unwrap(),
        kind: kind.to_owned(),
    };
    let truth = [entry(0, "a"), entry(0, "b"), entry(500, "a")];
    let told = [entry(0, "b"), entry(5, "a"), entry(700, "a")];
    let mut pairs = matched(&truth, &told);
    pairs.sort_unstable();
    assert_eq!(pairs, [(0, 1), (1, 0)]);
}
