//! The player against a server that behaves as far as a replay needs it.

use serde_json::{Value, json};

use super::super::fake::{Asked, Fake, Reply};
use super::super::scenario::parse;
use super::*;

/// A warning that floats until a critical alert opens incident 7, then what people do.
const STORY: &str = r#"{
    "name": "story", "title": "Sign-up broken", "timezone": "Africa/Lagos",
    "events": [
        {"at": "2024-01-30T11:00:30Z", "type": "webhook", "source": "alertmanager", "body":
            {"alerts": [{"fingerprint": "aa", "labels": {"alertname": "A"},
                         "startsAt": "2024-01-30T11:00:00Z"}]}},
        {"at": "2024-01-30T11:15:30Z", "type": "webhook", "source": "alertmanager", "body":
            {"alerts": [{"fingerprint": "bb", "labels": {"alertname": "B"},
                         "startsAt": "2024-01-30T11:15:00Z"}]}},
        {"at": "2024-01-30T11:25:00Z", "type": "acknowledge", "acknowledge": {"by": "x"}},
        {"at": "2024-01-30T11:26:00Z", "type": "note", "note": {"text": "n"}}
    ]
}"#;

/// As much of a server as a replay needs.
#[derive(Default)]
struct Server {
    deliveries: usize,
    engine_lag: u64,
    busy: usize,
    zone: Option<String>,
    title: Option<String>,
    rejects: bool,
}

impl Server {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let path = asked.target.split('?').next().unwrap();
        let is_open = self.deliveries >= 2;
        match (asked.method.as_str(), path) {
            ("GET", "/api/v1/status") => {
                let cursor = 9 - self.engine_lag;
                self.engine_lag = self.engine_lag.saturating_sub(1);
                Reply::json(200, json!({"head": 9, "cursor": cursor}))
            }
            ("GET", "/api/v1/incidents") => {
                let items: Vec<Value> = if is_open {
                    vec![json!({"id": 7}), json!({"id": 3})]
                } else {
                    vec![json!({"id": 3})]
                };
                Reply::json(200, json!({"items": items, "next_cursor": null}))
            }
            ("GET", "/api/v1/alerts") => {
                let incident = is_open.then_some(7);
                Reply::json(
                    200,
                    json!({"items": [
                        {"id": "e9", "starts_at": "2024-01-29T11:00:00.000Z", "incident": 3},
                        {"id": "e1", "starts_at": "2024-01-30T11:00:00.000Z", "incident": incident},
                    ]}),
                )
            }
            ("GET", "/api/v1/incidents/7") => Reply::json(
                200,
                json!({"id": 7, "timezone": self.zone.as_deref().unwrap_or("UTC"),
                       "title": self.title.as_deref().unwrap_or("A on web")}),
            ),
            ("POST", "/api/v1/ingest/alertmanager") if self.busy > 0 => {
                self.busy -= 1;
                Reply::json(503, "{}").header("retry-after", "0")
            }
            ("POST", "/api/v1/ingest/alertmanager") => {
                self.deliveries += 1;
                let errors =
                    if self.rejects { vec![json!({"problem": "no labels"})] } else { vec![] };
                Reply::json(200, json!({"delivery": "d", "errors": errors}))
            }
            ("POST" | "PATCH", _) if path.starts_with("/api/v1/incidents/7") => {
                Reply::json(200, json!({"id": 7}))
            }
            _ => Reply::json(404, json!({"detail": "no such thing"})),
        }
    }
}

/// Plays a story and hands back the outcome, the writes with their times, and the notices.
fn play(mut server: Server, story: &str) -> (Result<Summary, Failure>, Vec<String>, Vec<String>) {
    let fake = Fake::start(move |asked| server.answer(asked));
    let scenarios = [parse("story.json", story).unwrap()];
    let mut notices = Vec::new();
    let mut client = fake.client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome =
        runtime.block_on(Player::new(&mut client, &scenarios, None).play(&mut |report| {
            if let Report::Notice(text) = report {
                notices.push(text);
            }
        }));
    let writes = fake
        .asked()
        .iter()
        .filter(|asked| asked.method != "GET")
        .map(|asked| {
            let at = asked.header("scribed-received-at").to_owned();
            let body = if asked.method == "PATCH" { asked.body.as_str() } else { "" };
            format!("{} {at} {body}", asked.line()).trim_end().to_owned()
        })
        .collect();
    (outcome, writes, notices)
}

#[test]
fn events_go_out_with_their_times_and_peoples_deeds_to_the_incident_of_the_first_alert() {
    let (outcome, writes, notices) = play(Server { engine_lag: 3, ..Server::default() }, STORY);
    let summary = outcome.unwrap();
    assert_eq!(
        writes,
        [
            "POST /api/v1/ingest/alertmanager 2024-01-30T11:00:30Z",
            "POST /api/v1/ingest/alertmanager 2024-01-30T11:15:30Z",
            "PATCH /api/v1/incidents/7 2024-01-30T11:25:00Z \
             {\"timezone\":\"Africa/Lagos\",\"title\":\"Sign-up broken\"}",
            "POST /api/v1/incidents/7/acknowledge 2024-01-30T11:25:00Z",
            "POST /api/v1/incidents/7/notes 2024-01-30T11:26:00Z",
        ]
    );
    assert_eq!((summary.events, summary.homes), (4, vec![Some(7)]));
    assert_eq!(summary.made.iter().map(|incident| incident.id).collect::<Vec<_>>(), [7]);
    assert!(notices.is_empty());
}

#[test]
fn zone_and_title_are_not_sent_again_where_they_are_so_already() {
    let server = Server {
        zone: Some("Africa/Lagos".into()),
        title: Some("Sign-up broken".into()),
        ..Server::default()
    };
    let (outcome, writes, _) = play(server, STORY);
    outcome.unwrap();
    assert!(!writes.iter().any(|line| line.starts_with("PATCH")), "{writes:?}");
}

#[test]
fn a_busy_server_is_offered_the_event_again() {
    let (outcome, writes, _) = play(Server { busy: 3, ..Server::default() }, STORY);
    outcome.unwrap();
    let first = "POST /api/v1/ingest/alertmanager 2024-01-30T11:00:30Z";
    assert_eq!(writes.iter().filter(|line| *line == first).count(), 4);
}

#[test]
fn a_server_that_stays_busy_is_given_up_on_with_file_event_and_answer() {
    let (outcome, _, _) = play(Server { busy: usize::MAX, ..Server::default() }, STORY);
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    let text = failure.to_string();
    for part in ["event 1 of story.json", "webhook at 2024-01-30T11:00:30Z", "503"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn alerts_that_the_server_could_not_use_are_told() {
    let (outcome, _, notices) = play(Server { rejects: true, ..Server::default() }, STORY);
    outcome.unwrap();
    assert_eq!(notices.len(), 2);
    assert!(notices[0].contains("event 1 of story.json") && notices[0].contains("no labels"));
}

#[test]
fn a_deed_without_an_incident_is_an_error_and_never_dropped() {
    let floating = STORY.replacen("2024-01-30T11:25:00Z", "2024-01-30T11:10:00Z", 1);
    let (outcome, _, _) = play(Server::default(), &floating);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("event 3 of story.json (acknowledge"), "{text}");
    assert!(text.contains("belongs to no incident"), "{text}");
}

#[test]
fn the_episode_is_the_one_with_the_start_or_the_nearest() {
    let alerts: Vec<Alert> = serde_json::from_str(
        r#"[{"id": "e1", "starts_at": "2024-01-30T11:00:00.000Z"},
            {"id": "e2", "starts_at": "2024-01-30T12:00:00.000Z"}, {"id": "e3"}]"#,
    )
    .unwrap();
    for (start, expect) in [
        (Some("2024-01-30T12:00:00Z"), Some("e2")),
        (Some("2024-01-30T11:00:29Z"), Some("e1")),
        (None, Some("e1")),
    ] {
        let starts_at = start.map(|text| Timestamp::parse(text).unwrap());
        let first = FirstAlert { fingerprints: vec![], starts_at };
        assert_eq!(pick(&alerts, &first).map(|alert| alert.id.as_str()), expect);
    }
}

#[test]
fn a_pace_divides_the_time_between_events() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let (early, late) = (at("2024-01-30T11:00:00Z"), at("2024-01-30T12:00:00Z"));
    for (before, after, speed, millis) in [
        (early, late, 1.0, 3_600_000),
        (early, late, 60.0, 60_000),
        (early, late, 0.5, 7_200_000),
        (late, early, 1.0, 0),
        (early, late, f64::MIN_POSITIVE, 0),
    ] {
        assert_eq!(pause(before, after, speed), Duration::from_millis(millis));
    }
}
