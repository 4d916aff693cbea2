//! From deliveries to episodes: what Alertmanager, Grafana and Prometheus really do on the wire,
//! mostly as recorded, and what must come of it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Request, Server, Setup, fixtures};

/// Plays a folder of recorded deliveries with the times at which they came.
fn play_recorded(server: &Server, folder: &str) {
    let folder = fixtures::path("payloads/recorded").join(folder);
    let mut bodies: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".body.json"))
        .collect();
    bodies.sort();
    for body in bodies {
        let meta = body.to_string_lossy().replace(".body.json", ".meta.json");
        let meta: Value = serde_json::from_slice(&fs::read(meta).unwrap()).unwrap();
        let received = meta["recv_unix"].as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century fit")]
        let received = jiff::Timestamp::from_millisecond((received * 1000.0).round() as i64);
        send_bytes(
            server,
            "alertmanager",
            &fs::read(&body).unwrap(),
            &received.unwrap().to_string(),
        );
    }
    server.settle();
}

/// Sends a body to a source as received at a moment.
fn send_bytes(server: &Server, source: &str, body: &[u8], received_at: &str) {
    let request = Request::new("POST", &format!("/api/v1/ingest/{source}"))
        .header("Content-Type", "application/json")
        .bytes(body);
    server.send(&request.received_at(received_at)).expect(200);
}

/// Sends JSON to Alertmanager's webhook as received at a moment of 2 March 2026.
fn send(server: &Server, body: &Value, time: &str) {
    send_bytes(server, "alertmanager", body.to_string().as_bytes(), &on_the_day(time));
}

/// Sends a fixture to a source as received at a moment of 2 March 2026.
fn send_fixture(server: &Server, source: &str, name: &str, time: &str) {
    send_bytes(server, source, &fixtures::bytes(&format!("payloads/{name}")), &on_the_day(time));
}

/// Sends a fixture the way Prometheus does, as received at a moment of 2 March 2026.
fn send_api(server: &Server, name: &str, time: &str) {
    let request = Request::new("POST", "/api/v2/alerts")
        .header("Content-Type", "application/json")
        .bytes(fixtures::bytes(&format!("payloads/am-api-v2/{name}")));
    server.send(&request.received_at(&on_the_day(time))).expect(200);
}

/// A moment of 2 March 2026.
fn on_the_day(time: &str) -> String {
    format!("2026-03-02T{time}Z")
}

/// A record of no importance, which lets time pass up to a moment.
fn let_time_pass(server: &Server, received_at: &str) {
    let labels = json!({"alertname": "Bystander", "severity": "info", "at": received_at});
    let body = fixtures::resolved(&labels, "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z");
    send_bytes(server, "alertmanager", body.to_string().as_bytes(), received_at);
    server.settle();
}

/// Episodes of an alert as `(starts_at, ends_at, status)`, by start.
fn episodes(server: &Server, alert: &str) -> Vec<(String, Option<String>, String)> {
    server.settle();
    let mut episodes: Vec<_> = server
        .list(&format!("/api/v1/alerts?filter=alertname%3D%22{}%22", alert.replace(' ', "%20")))
        .iter()
        .map(|episode| {
            let text = |field: &str| episode[field].as_str().map(str::to_owned);
            (text("starts_at").unwrap(), text("ends_at"), text("status").unwrap())
        })
        .collect();
    episodes.sort();
    episodes
}

/// Panics unless these are the alert's episodes: times of day, and status.
#[track_caller]
fn expect_episodes(
    server: &Server,
    alert: &str,
    day: &str,
    expected: &[(&str, Option<&str>, &str)],
) {
    let moment = |time: &str| format!("{day}T{time}Z");
    let expected: Vec<_> = expected
        .iter()
        .map(|(from, to, status)| (moment(from), to.map(moment), (*status).to_owned()))
        .collect();
    assert_eq!(episodes(server, alert), expected);
}

/// The day on which the traffic was recorded.
const RECORDED: &str = "2026-11-21";
/// The day of the other fixtures.
const MADE: &str = "2026-03-02";

#[test]
fn a_resolve_with_an_earlier_start_ends_the_firing_that_it_covers() {
    let server = Server::start();
    play_recorded(&server, "alertmanager-firing");
    let expected = [("02:02:37.146", Some("02:03:37.146"), "resolved")];
    expect_episodes(&server, "DiskFull", RECORDED, &expected);
}

#[test]
fn a_firing_that_another_peer_sends_late_does_not_reopen() {
    let server = Server::start();
    play_recorded(&server, "alertmanager-ha");
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["status"], "resolved");
    assert_eq!(alerts[0]["starts_at"], "2026-11-21T02:03:50.819Z");
    // The peers' clocks are two milliseconds apart.
    let end = alerts[0]["ends_at"].as_str().unwrap();
    assert!(["2026-11-21T02:04:25.835Z", "2026-11-21T02:04:25.837Z"].contains(&end), "{end}");
    assert_eq!(alerts[0]["deliveries"], 4);
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["alerts"], json!({"total": 1, "firing": 0}));
    let timeline = server.get_json("/api/v1/incidents/1/timeline?collapse=false");
    let starts = entries(&timeline)
        .iter()
        .filter(|entry| entry["kind"] == "alert" && entry["occurred_at"] == alerts[0]["starts_at"])
        .count();
    assert_eq!(starts, 1, "repeats never add entries: {timeline}");
}

/// The entries of a timeline's answer.
fn entries(timeline: &Value) -> Vec<Value> {
    timeline["items"].as_array().or_else(|| timeline.as_array()).expect("a timeline").clone()
}

#[test]
fn each_firing_of_a_flapping_alert_is_an_episode_and_the_unheard_end_is_inferred() {
    let server = Server::start();
    play_recorded(&server, "alertmanager-flap");
    let expected = [
        ("02:03:15.141", Some("02:03:19.142"), "resolved"),
        ("02:03:22.144", Some("02:03:29.148"), "resolved"),
        ("02:03:29.148", Some("02:03:33.150"), "resolved"),
        ("02:03:42.155", Some("02:03:46.157"), "resolved"),
    ];
    expect_episodes(&server, "DiskFull", RECORDED, &expected);
    assert_eq!(server.list("/api/v1/incidents").len(), 1);
    let timeline = server.get_json("/api/v1/incidents/1/timeline?collapse=false");
    assert!(
        entries(&timeline).iter().any(|entry| {
            entry["occurred_at"] == "2026-11-21T02:03:29.148Z" && entry["provenance"] == "inferred"
        }),
        "{timeline}"
    );
}

#[test]
fn every_alert_of_a_shrinking_group_ends_at_its_own_time() {
    let server = Server::start();
    play_recorded(&server, "alertmanager-mix");
    let from = "02:02:44.923";
    let expected = [
        (from, Some("02:03:23.142"), "resolved"),
        (from, Some("02:03:37.144"), "resolved"),
        (from, Some("02:03:37.144"), "resolved"),
    ];
    expect_episodes(&server, "DiskFull", RECORDED, &expected);
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1, "one outage: {incidents:?}");
    assert_eq!(incidents[0]["alerts"], json!({"total": 3, "firing": 0}));
}

#[test]
fn alerts_that_the_sender_cut_off_are_a_caveat_in_the_draft() {
    let server = Server::start();
    play_recorded(&server, "alertmanager-trunc");
    assert_eq!(server.list("/api/v1/alerts").len(), 2);
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    let caveats = draft["caveats"].as_array().unwrap();
    assert!(caveats.iter().any(|caveat| caveat.to_string().contains('3')), "{caveats:?}");
    let entry = draft["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["kind"] == "caveat")
        .expect("the caveat stands in the timeline");
    let text = entry["text"].as_str().unwrap();
    assert!(text.contains('3'), "{text}");
    assert!(server.get("/api/v1/incidents/1/draft").text().contains(text), "{text}");
}

#[test]
fn old_bodies_sent_without_their_times_still_make_an_incident() {
    let server = Setup::new().start();
    let body = fixtures::json("payloads/alertmanager/02-firing-three.json");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    let body = fixtures::json("payloads/alertmanager/04-all-resolved.json");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1, "{:#?}", server.list("/api/v1/alerts"));
    assert_eq!(incidents[0]["started_at"], "2026-03-02T10:00:00.000Z");
}

#[test]
fn a_later_start_is_a_new_episode() {
    let server = Server::start();
    send_fixture(&server, "alertmanager", "alertmanager/01-firing-one.json", "10:00:30");
    send_fixture(&server, "alertmanager", "alertmanager/05-repeat.json", "10:05:30");
    send_fixture(&server, "alertmanager", "alertmanager/04-all-resolved.json", "10:12:30");
    send_fixture(&server, "alertmanager", "alertmanager/06-refire-new-startsAt.json", "10:40:30");
    let db_1 = server.settle();
    assert_eq!(db_1["head"], db_1["cursor"]);
    let of_db_1 = server.list("/api/v1/alerts?filter=instance%3D%22db-1%3A9187%22");
    let mut starts: Vec<&str> =
        of_db_1.iter().map(|episode| episode["starts_at"].as_str().unwrap()).collect();
    starts.sort_unstable();
    assert_eq!(starts, ["2026-03-02T10:00:00.000Z", "2026-03-02T10:40:00.000Z"]);
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1, "a member that fires again within the hour goes on");
}

#[test]
fn a_stale_firing_counts_only_for_a_while() {
    let server = Server::start();
    let labels = json!({"alertname": "Stale", "severity": "critical", "service": "web"});
    let firing = fixtures::firing(&labels, &on_the_day("10:00:00"));
    let resolved = fixtures::resolved(&labels, &on_the_day("10:00:00"), &on_the_day("10:05:00"));
    send(&server, &firing, "10:00:30");
    send(&server, &resolved, "10:05:30");
    send(&server, &firing, "10:09:00");
    let ended = [("10:00:00.000", Some("10:05:00.000"), "resolved")];
    expect_episodes(&server, "Stale", MADE, &ended);
    // Eleven minutes after the end it is no late copy: the resolve was wrong.
    send(&server, &firing, "10:16:30");
    expect_episodes(&server, "Stale", MADE, &[("10:00:00.000", None, "firing")]);
}

#[test]
fn a_resolve_of_an_alert_that_was_never_heard_firing_is_an_episode() {
    let server = Server::start();
    let labels = json!({"alertname": "Missed", "severity": "critical", "service": "web"});
    let resolved = fixtures::resolved(&labels, &on_the_day("10:00:00"), &on_the_day("10:05:00"));
    send(&server, &resolved, "10:05:30");
    let expected = [("10:00:00.000", Some("10:05:00.000"), "resolved")];
    expect_episodes(&server, "Missed", MADE, &expected);
}

#[test]
fn an_end_that_never_comes_is_unknown() {
    let server = Server::start();
    let labels = json!({"alertname": "Silenced", "severity": "critical", "service": "web"});
    send(&server, &fixtures::firing(&labels, &on_the_day("01:00:00")), "01:00:30");
    let_time_pass(&server, &on_the_day("13:59:00"));
    expect_episodes(&server, "Silenced", MADE, &[("01:00:00.000", None, "firing")]);
    let_time_pass(&server, &on_the_day("14:30:00"));
    let ended = episodes(&server, "Silenced");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].2, "unknown");
    assert_eq!(server.get_json("/api/v1/incidents/1")["state"], "resolved");
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    assert!(!draft["caveats"].as_array().unwrap().is_empty(), "{draft}");
}

#[test]
fn claims_that_cannot_be_true_never_lose_an_alert() {
    let server = Server::start();
    let firing = |name: &str, start: &str| {
        let labels = json!({"alertname": name, "severity": "warning"});
        send(&server, &fixtures::firing(&labels, start), "10:00:30");
    };
    firing("YearOne", "0001-01-01T00:00:00Z");
    firing("FarAhead", "2999-01-01T00:00:00Z");
    firing("Unreadable", "yesterday");
    for name in ["YearOne", "FarAhead", "Unreadable"] {
        expect_episodes(&server, name, MADE, &[("10:00:30.000", None, "firing")]);
    }
    send_fixture(&server, "alertmanager", "bad/17-ends-before-starts.json", "10:01:00");
    let expected = [("10:00:00.000", Some("10:00:00.000"), "resolved")];
    expect_episodes(&server, "PostgresDown", MADE, &expected);
}

#[test]
fn series_that_went_missing_in_grafana_end_without_a_recovery() {
    let server = Server::start();
    send_fixture(&server, "grafana", "grafana/01-firing-one.json", "10:00:30");
    send_fixture(&server, "grafana", "grafana/08-missing-series-resolved.json", "10:20:30");
    let expected = [("10:00:00.000", Some("10:20:00.000"), "resolved")];
    expect_episodes(&server, "High CPU", MADE, &expected);
    let_time_pass(&server, &on_the_day("10:45:00"));
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    let end = draft["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["occurred_at"] == "2026-03-02T10:20:00.000Z")
        .expect("the end has its entry")
        .clone();
    assert_ne!(end["phase"], "recovery", "{end}");
    assert!(end["text"].as_str().unwrap().contains("MissingSeries"), "{end}");
}

#[test]
fn a_test_of_a_contact_point_opens_nothing() {
    let server = Server::start();
    send_fixture(&server, "grafana", "grafana/09-test-contact-point.json", "10:00:30");
    server.settle();
    assert_eq!(server.list("/api/v1/deliveries").len(), 1);
    assert_eq!(server.list("/api/v1/incidents").len(), 0);
    assert_eq!(server.list("/api/v1/alerts?active=true").len(), 0);
}

#[test]
fn a_lease_that_is_not_renewed_ends_its_episode() {
    let server = Server::start();
    send_api(&server, "01-firing.json", "10:00:00");
    send_api(&server, "02-resend.json", "10:01:05");
    let_time_pass(&server, &on_the_day("10:05:00"));
    expect_episodes(&server, "PostgresDown", MADE, &[("10:00:00.000", None, "firing")]);
    let_time_pass(&server, &on_the_day("10:06:00"));
    let expected = [("10:00:00.000", Some("10:05:05.000"), "resolved")];
    expect_episodes(&server, "PostgresDown", MADE, &expected);
}

#[test]
fn an_explicit_end_by_the_api_ends_at_its_time() {
    let server = Server::start();
    send_api(&server, "01-firing.json", "10:00:00");
    send_api(&server, "03-resolved-and-firing.json", "10:07:32");
    let expected =
        [("10:00:00.000", Some("10:07:31.512"), "resolved"), ("10:03:00.000", None, "firing")];
    // The lease had run out at 10:04; an explicit end beats a timeout.
    expect_episodes(&server, "PostgresDown", MADE, &expected);
}

#[test]
fn webhook_and_api_tell_of_one_alert() {
    let server = Server::start();
    send_api(&server, "01-firing.json", "10:00:01");
    send_fixture(&server, "alertmanager", "alertmanager/01-firing-one.json", "10:00:30");
    server.settle();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let mut sources: Vec<&str> =
        alerts[0]["sources"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["alertmanager", "prometheus"]);
    assert_eq!(alerts[0]["deliveries"], 2);
    // The lease ends nothing that a webhook still holds firing.
    let_time_pass(&server, &on_the_day("10:30:00"));
    expect_episodes(&server, "PostgresDown", MADE, &[("10:00:00.000", None, "firing")]);
}

#[test]
fn a_heartbeat_is_no_incident_until_it_stays_away() {
    let server = Server::start();
    for time in ["10:00:00", "10:01:00", "10:02:00", "10:03:00"] {
        send_fixture(&server, "alertmanager", "alertmanager/18-watchdog.json", time);
    }
    let_time_pass(&server, &on_the_day("10:07:30"));
    assert_eq!(server.list("/api/v1/incidents").len(), 0);
    assert!(server.settle()["heartbeats"].as_array().is_some_and(|list| list.len() == 1));
    // Three intervals are less than the least patience of five minutes.
    let_time_pass(&server, &on_the_day("10:08:30"));
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["detected_at"], "2026-03-02T10:08:00.000Z");
    let heartbeat = server.list("/api/v1/alerts?filter=alertname%3D%22Watchdog%22");
    assert_eq!(heartbeat[0]["incident"], Value::Null, "it never joins an incident");
}

#[test]
fn an_alert_of_a_changed_rule_is_another_alert() {
    let server = Server::start();
    let labels = |severity: &str| json!({"alertname": "Errors", "severity": severity, "service": "web", "cluster": "eu-1"});
    send(&server, &fixtures::firing(&labels("warning"), &on_the_day("10:00:00")), "10:00:30");
    server.settle();
    assert_eq!(server.list("/api/v1/incidents").len(), 0, "one warning floats");
    send(&server, &fixtures::firing(&labels("critical"), &on_the_day("10:10:00")), "10:10:30");
    server.settle();
    assert_eq!(server.list("/api/v1/alerts").len(), 2);
    let incident = server.get_json("/api/v1/incidents/1");
    assert_eq!(incident["alerts"]["total"], 2, "the warning is adopted as lead-up");
    assert_eq!(incident["started_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(incident["detected_at"], "2026-03-02T10:10:00.000Z");
}

#[test]
fn repeats_are_counted_and_an_incident_ends_at_its_last_end() {
    let server = Server::start();
    let labels = json!({"alertname": "Errors", "severity": "critical", "service": "web"});
    let firing = fixtures::firing(&labels, &on_the_day("10:00:00"));
    for time in ["10:00:30", "10:05:30", "10:10:30", "10:10:30"] {
        send(&server, &firing, time);
    }
    let end = fixtures::resolved(&labels, &on_the_day("10:00:00"), &on_the_day("10:14:00"));
    send(&server, &end, "10:15:00");
    server.settle();
    assert_eq!(server.list("/api/v1/alerts")[0]["deliveries"], 5);
    let_time_pass(&server, &on_the_day("10:24:00"));
    assert_eq!(server.get_json("/api/v1/incidents/1")["state"], "open", "it was quiet for 9m");
    let_time_pass(&server, &on_the_day("10:25:30"));
    let incident = server.get_json("/api/v1/incidents/1");
    assert_eq!(incident["state"], "resolved");
    assert_eq!(incident["resolved_at"], "2026-03-02T10:14:00.000Z");
}
