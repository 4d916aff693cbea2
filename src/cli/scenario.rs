//! Scenarios: an outage as a list of what was received, in JSON.
//!
//! Pure but for [`load`], which reads files. A file holds `name`, `title`, `timezone` and
//! `events`; each event has `at` (when it was received), `type`, and a field of that name (for a
//! webhook: `source` and `body`). Other fields, such as `expect`, are for other readers.

use std::io::Read;
use std::path::Path;

use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Call;
use super::url::Target;
use crate::domain::{Labels, Timestamp};

/// Longest scenario that is read.
const SCENARIO_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One outage.
#[derive(Debug)]
pub(super) struct Scenario {
    /// The file it came from, for messages.
    pub(super) file: String,
    /// Its name.
    pub(super) name: String,
    /// What a person would call it.
    pub(super) title: Option<String>,
    /// The zone in which its people live.
    pub(super) timezone: Option<String>,
    /// What was received, in the order of the file.
    pub(super) events: Vec<Event>,
    /// The alert whose incident the people of the scenario speak of.
    pub(super) first_alert: Option<FirstAlert>,
}

/// Something received.
#[derive(Debug)]
pub(super) struct Event {
    /// When.
    pub(super) at: Timestamp,
    /// When, as written.
    pub(super) at_text: String,
    /// What.
    pub(super) step: Step,
}

/// What was received.
#[derive(Debug)]
pub(super) enum Step {
    /// A service graph.
    Topology(Box<RawValue>),
    /// A delivery of a source.
    Webhook {
        /// Its name.
        source: String,
        /// What it sent.
        body: Box<RawValue>,
    },
    /// A change.
    Change(Box<RawValue>),
    /// What people do to the incident.
    Human(Deed, Box<RawValue>),
}

/// What people do to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A note.
    Note,
    /// An acknowledgement.
    Acknowledge,
    /// Fields of the report.
    Report,
    /// A measure to take.
    Action,
}

impl Step {
    /// Its name in a scenario file.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Topology(_) => "topology",
            Self::Webhook { .. } => "webhook",
            Self::Change(_) => "change",
            Self::Human(Deed::Note, _) => "note",
            Self::Human(Deed::Acknowledge, _) => "acknowledge",
            Self::Human(Deed::Report, _) => "report",
            Self::Human(Deed::Action, _) => "action",
        }
    }

    /// True when it goes to an incident, which has to be known first.
    pub(super) fn needs_incident(&self) -> bool {
        matches!(self, Self::Human(..))
    }
}

impl Event {
    /// The request that says it to a server; `incident` is where people's deeds go.
    pub(super) fn call(&self, incident: u64) -> Call {
        let (method, target, body) = match &self.step {
            Step::Topology(body) => (Method::PUT, Target::new("/api/v1/topology"), body),
            Step::Webhook { source, body } => {
                (Method::POST, Target::new("/api/v1/ingest").segment(source), body)
            }
            Step::Change(body) => (Method::POST, Target::new("/api/v1/changes"), body),
            Step::Human(deed, body) => {
                let incident = Target::incident(incident);
                let (method, target) = match deed {
                    Deed::Note => (Method::POST, incident.segment("notes")),
                    Deed::Acknowledge => (Method::POST, incident.segment("acknowledge")),
                    Deed::Report => (Method::PATCH, incident),
                    Deed::Action => (Method::POST, incident.segment("actions")),
                };
                (method, target, body)
            }
        };
        Call::send_text(method, target, body.get()).received_at(&self.at_text)
    }

    /// What it is, for messages: `note at 2024-06-22T15:18:00Z`.
    pub(super) fn describe(&self) -> String {
        format!("{} at {}", self.step.as_str(), self.at_text)
    }
}

/// The first alert of a scenario: what is needed to find its episode on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirstAlert {
    /// As sent, and as computed from the labels; a source may count by either.
    pub(super) fingerprints: Vec<String>,
    /// When it began.
    pub(super) starts_at: Option<Timestamp>,
}

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScenarioError {
    /// The file.
    #[error("cannot read {file}: {source}")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not JSON, or not the shape.
    #[error("{file} is not a scenario: {problem}")]
    Shape {
        /// Which file.
        file: String,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// One event.
    #[error("{file} is not a scenario: event {event}: {problem}")]
    Event {
        /// Which file.
        file: String,
        /// Its place, counted from 1.
        event: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl ScenarioError {
    /// True when the file is there but wrong.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Shape { .. } | Self::Event { .. } => true,
        }
    }
}

/// The file as written.
#[derive(Deserialize)]
struct ScenarioText {
    name: Option<String>,
    title: Option<String>,
    timezone: Option<String>,
    events: Vec<EventText>,
}

/// An event as written.
#[derive(Deserialize)]
struct EventText {
    at: String,
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
    body: Option<Box<RawValue>>,
    topology: Option<Box<RawValue>>,
    change: Option<Box<RawValue>>,
    note: Option<Box<RawValue>>,
    acknowledge: Option<Box<RawValue>>,
    report: Option<Box<RawValue>>,
    action: Option<Box<RawValue>>,
}

/// Reads scenario files; `-` is standard input.
///
/// # Errors
/// When one cannot be read or is not a scenario.
pub(super) fn load(paths: &[std::path::PathBuf]) -> Result<Vec<Scenario>, ScenarioError> {
    paths
        .iter()
        .map(|path| {
            let is_input = path == Path::new("-");
            let file = if is_input { "standard input".into() } else { path.display().to_string() };
            let text = read_text(path)
                .map_err(|source| ScenarioError::File { file: file.clone(), source })?;
            parse(&file, &text)
        })
        .collect()
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    let mut text = String::new();
    let length = reader.take(SCENARIO_BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > SCENARIO_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Reads one scenario.
///
/// # Errors
/// When the text is not one.
pub(super) fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let shape = |problem: String| ScenarioError::Shape { file: file.to_owned(), problem };
    let written: ScenarioText =
        serde_json::from_str(text).map_err(|error| shape(error.to_string()))?;
    if written.events.is_empty() {
        return Err(shape("it has no events".to_owned()));
    }
    let mut events = Vec::with_capacity(written.events.len());
    for (index, event) in written.events.into_iter().enumerate() {
        events.push(read_event(event).map_err(|problem| ScenarioError::Event {
            file: file.to_owned(),
            event: index + 1,
            problem,
        })?);
    }
    let name = written.name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let stem = Path::new(file).file_stem();
        stem.map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
    });
    let first_alert = events.iter().find_map(|event| match &event.step {
        Step::Webhook { body, .. } => first_alert(body),
        Step::Topology(_) | Step::Change(_) | Step::Human(..) => None,
    });
    Ok(Scenario {
        file: file.to_owned(),
        name,
        title: written.title.filter(|title| !title.is_empty()),
        timezone: written.timezone.filter(|zone| !zone.is_empty()),
        events,
        first_alert,
    })
}

fn read_event(event: EventText) -> Result<Event, String> {
    let at = Timestamp::parse_rfc3339(&event.at).map_err(|error| format!("`at`: {error}"))?;
    let needed = |value: Option<Box<RawValue>>, field: &str| {
        value.ok_or_else(|| format!("a {} needs the field `{field}`", event.kind))
    };
    let step = match event.kind.as_str() {
        "topology" => Step::Topology(needed(event.topology, "topology")?),
        "webhook" => Step::Webhook {
            body: needed(event.body, "body")?,
            source: event
                .source
                .filter(|source| !source.is_empty())
                .ok_or("a webhook needs the field `source`")?,
        },
        "change" => Step::Change(needed(event.change, "change")?),
        "note" => Step::Human(Deed::Note, needed(event.note, "note")?),
        "acknowledge" => Step::Human(Deed::Acknowledge, needed(event.acknowledge, "acknowledge")?),
        "report" => Step::Human(Deed::Report, needed(event.report, "report")?),
        "action" => Step::Human(Deed::Action, needed(event.action, "action")?),
        other => {
            return Err(format!(
                "`{other}` is not a type; it is topology, webhook, change, note, acknowledge, \
                 report or action"
            ));
        }
    };
    Ok(Event { at, at_text: event.at.trim().to_owned(), step })
}

/// The first alert in a body of Alertmanager's or Grafana's form.
fn first_alert(body: &RawValue) -> Option<FirstAlert> {
    #[derive(Deserialize)]
    struct Body {
        alerts: Vec<AlertText>,
    }
    #[derive(Deserialize)]
    struct AlertText {
        fingerprint: Option<String>,
        #[serde(default)]
        labels: Labels,
        #[serde(rename = "startsAt")]
        starts_at: Option<String>,
    }
    let body: Body = serde_json::from_str(body.get()).ok()?;
    let alert = body.alerts.into_iter().next()?;
    let computed = alert.labels.fingerprint().as_str().to_owned();
    let mut fingerprints: Vec<String> =
        alert.fingerprint.into_iter().filter(|sent| !sent.is_empty()).collect();
    if !fingerprints.contains(&computed) {
        fingerprints.push(computed);
    }
    let starts_at = alert.starts_at.and_then(|text| Timestamp::parse_rfc3339(&text).ok());
    Some(FirstAlert { fingerprints, starts_at })
}

/// One event of one scenario, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which scenario.
    pub(super) scenario: usize,
    /// Which of its events.
    pub(super) event: usize,
}

/// All events in the order of receipt; of one moment, in the order of the files and of each file.
pub(super) fn merge(scenarios: &[Scenario]) -> Vec<Turn> {
    let mut turns: Vec<(Timestamp, Turn)> = Vec::new();
    for (scenario, list) in scenarios.iter().enumerate() {
        for (event, received) in list.events.iter().enumerate() {
            turns.push((received.at, Turn { scenario, event }));
        }
    }
    turns.sort_by_key(|(at, _)| *at);
    turns.into_iter().map(|(_, turn)| turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{
        "name": "small", "title": "Small outage", "timezone": "Africa/Lagos",
        "events": [
            {"at": "2024-01-30T11:00:00Z", "type": "topology", "topology": {"edges": []}},
            {"at": "2024-01-30T11:00:30Z", "type": "webhook", "source": "alertmanager",
             "body": {"alerts": [{"labels": {"alertname": "A"}, "startsAt": "2024-01-30T11:00:00Z"}]}},
            {"at": "2024-01-30T11:01:00Z", "type": "change", "change": {"summary": "s"}},
            {"at": "2024-01-30T11:02:00Z", "type": "acknowledge", "acknowledge": {"by": "x"}},
            {"at": "2024-01-30T11:03:00Z", "type": "note", "note": {"text": "n"}},
            {"at": "2024-01-30T11:04:00Z", "type": "report", "report": {"impact": "i"}},
            {"at": "2024-01-30T11:05:00Z", "type": "action", "action": {"text": "a"}}
        ],
        "expect": {"incidents": 1}
    }"#;

    #[test]
    fn each_type_becomes_its_request() {
        let scenario = parse("small.json", SMALL).unwrap();
        let calls: Vec<String> =
            scenario.events.iter().map(|event| format!("{:?}", event.call(4))).collect();
        for (call, (method, path, body)) in calls.iter().zip([
            ("PUT", "/api/v1/topology\"", r#"edges"#),
            ("POST", "/api/v1/ingest/alertmanager\"", r#"alertname"#),
            ("POST", "/api/v1/changes\"", r#"summary"#),
            ("POST", "/api/v1/incidents/4/acknowledge\"", r#"by"#),
            ("POST", "/api/v1/incidents/4/notes\"", r#"text"#),
            ("PATCH", "/api/v1/incidents/4\"", r#"impact"#),
            ("POST", "/api/v1/incidents/4/actions\"", r#"text"#),
        ]) {
            assert!(call.contains(&format!("method: {method}")), "{call}");
            assert!(call.contains(path) && call.contains(body), "{call}");
            assert!(call.contains("2024-01-30T11:0"), "{call}");
        }
    }

    #[test]
    fn the_first_alert_is_known_by_the_sent_and_the_computed_fingerprint() {
        let computed = Labels::from_pairs([("alertname", "A")]).fingerprint().as_str().to_owned();
        for (sent, expect) in [
            ("", vec![computed.clone()]),
            (
                r#""fingerprint": "0a09d3fcf0a0f756","#,
                vec!["0a09d3fcf0a0f756".into(), computed.clone()],
            ),
            (&*format!(r#""fingerprint": "{computed}","#), vec![computed.clone()]),
        ] {
            let body = format!(
                r#"{{"alerts": [{{{sent} "labels": {{"alertname": "A"}},
                    "startsAt": "2024-01-30T11:00:00Z"}}]}}"#
            );
            let found = first_alert(&RawValue::from_string(body).unwrap()).unwrap();
            assert_eq!(found.fingerprints, expect);
            assert_eq!(found.starts_at, Timestamp::parse("2024-01-30T11:00:00Z").ok());
        }
        let other = RawValue::from_string(r#"{"heartbeat": null}"#.into()).unwrap();
        assert_eq!(first_alert(&other), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_event() {
        let event = |text: &str| format!(r#"{{"events": [{text}]}}"#);
        for (text, parts) in [
            ("{".to_owned(), ["f.json", "line 1"]),
            (event(""), ["f.json", "no events"]),
            (event(r#"{"at": "yesterday", "type": "note", "note": {}}"#), ["event 1", "`at`"]),
            (event(r#"{"at": "2024-01-30T11:00:00Z", "type": "note"}"#), ["event 1", "`note`"]),
            (
                event(r#"{"at": "2024-01-30T11:00:00Z", "type": "webhook", "body": {}}"#),
                ["event 1", "`source`"],
            ),
            (event(r#"{"at": "2024-01-30T11:00:00Z", "type": "party"}"#), ["event 1", "`party`"]),
        ] {
            let error = parse("f.json", &text).unwrap_err();
            assert!(error.is_usage());
            let error = error.to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn the_name_is_the_files_where_none_is_given() {
        let text = r#"{"events": [{"at": "2024-01-30T11:00:00Z", "type": "note", "note": {}}]}"#;
        assert_eq!(parse("some/where/night.json", text).unwrap().name, "night");
        assert_eq!(parse("-", text).unwrap().name, "-");
    }

    #[test]
    fn files_are_merged_by_time_and_ties_keep_the_order_of_files_and_events() {
        let scenario = |minutes: &[u8]| {
            let events: Vec<String> = minutes
                .iter()
                .map(|minute| {
                    format!(
                        r#"{{"at": "2024-01-30T11:{minute:02}:00Z", "type": "note", "note": {{}}}}"#
                    )
                })
                .collect();
            parse("f.json", &format!(r#"{{"events": [{}]}}"#, events.join(","))).unwrap()
        };
        let turns = merge(&[scenario(&[3, 5, 5]), scenario(&[1, 5])]);
        let order: Vec<(usize, usize)> = turns.iter().map(|t| (t.scenario, t.event)).collect();
        assert_eq!(order, [(1, 0), (0, 0), (0, 1), (0, 2), (1, 1)]);
    }

    #[test]
    fn the_fixtures_are_scenarios() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scenarios");
        for (name, events) in [
            ("accounts-outage", 26),
            ("bookstore-503", 25),
            ("ecommerce-cascade", 34),
            ("food-delivery", 25),
            ("replication-failure", 41),
        ] {
            let path = folder.join(format!("{name}.json"));
            let scenario = &load(&[path]).unwrap()[0];
            assert_eq!((scenario.name.as_str(), scenario.events.len()), (name, events));
            assert!(scenario.first_alert.is_some(), "{name}");
        }
    }
}
