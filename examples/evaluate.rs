//! Plays an evaluation stream through ingest and machine, without server or store, and writes
//! what became of each alert: `evaluate STREAM PRED.json [--no-topology]`.
//!
//! A stream is a folder with `deliveries.jsonl`, `changes.json` and `topology.json`, or a file
//! `NAME.jsonl` of single alerts with `NAME.topology.json` and perhaps `NAME.changes.json`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::collections::BTreeMap;

use scribed::correlate::{Effects, Machine, Recalled};
use scribed::domain::incident::CandidateKind;
use scribed::domain::record::{Operation, OperationAction};
use scribed::domain::{
    Change, ChangeId, Episode, EpisodeId, Incident, IncidentId, Labels, Name, Record, RecordBody,
    Seq, SourceType, Timestamp,
};
use scribed::ingest::{self, Envelope};
use serde_json::{Value, json};

#[derive(Default)]
struct Kept {
    episodes: BTreeMap<EpisodeId, Episode>,
    incidents: BTreeMap<IncidentId, Incident>,
    changes: BTreeMap<ChangeId, Change>,
}

impl Kept {
    fn take(&mut self, effects: Effects) {
        self.episodes.extend(effects.episodes.into_iter().map(|e| (e.id, e)));
        self.incidents.extend(effects.incidents.into_iter().map(|i| (i.id, i)));
        self.changes.extend(effects.changes.into_iter().map(|c| (c.id, c)));
    }
}

/// Where a stream's files are.
struct Stream {
    deliveries: String,
    changes: String,
    topology: String,
    is_real: bool,
}

impl Stream {
    fn at(path: &str) -> Self {
        match path.strip_suffix(".jsonl") {
            Some(base) => Self {
                deliveries: path.to_owned(),
                changes: format!("{base}.changes.json"),
                topology: format!("{base}.topology.json"),
                is_real: true,
            },
            None => Self {
                deliveries: format!("{path}/deliveries.jsonl"),
                changes: format!("{path}/changes.json"),
                topology: format!("{path}/topology.json"),
                is_real: false,
            },
        }
    }

    /// The bodies by arrival, with the fingerprint that a real stream's truth knows beside ours.
    fn bodies(&self, known_as: &mut BTreeMap<String, String>) -> Vec<(Timestamp, Value)> {
        let mut bodies = Vec::new();
        for line in std::fs::read_to_string(&self.deliveries).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let at = Timestamp::parse(row["t"].as_str().unwrap()).unwrap();
            let body = if self.is_real { single(&row, known_as) } else { row["body"].clone() };
            bodies.push((at, body));
        }
        bodies
    }
}

/// One alert of a real stream as Alertmanager would deliver it.
fn single(row: &Value, known_as: &mut BTreeMap<String, String>) -> Value {
    let mut labels = row["labels"].as_object().unwrap().clone();
    // The truth's own reading of the kind is no label of the alert.
    labels.remove("kind");
    let pairs = labels.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap()));
    let fingerprint = Labels::from_pairs(pairs).fingerprint().to_string();
    known_as.insert(fingerprint.clone(), row["fingerprint"].as_str().unwrap().to_owned());
    let ends_at = row["endsAt"].as_str().unwrap_or("0001-01-01T00:00:00Z");
    let name = labels["alertname"].as_str().unwrap();
    let service = labels.get("service").and_then(Value::as_str).unwrap_or_default();
    json!({"version": "4", "receiver": "scribed", "status": row["status"],
        "groupLabels": {"alertname": name, "service": service}, "commonLabels": labels,
        "commonAnnotations": row["annotations"], "externalURL": "http://alertmanager:9093",
        "groupKey": format!("{{}}:{{alertname=\"{name}\", service=\"{service}\"}}"),
        "truncatedAlerts": 0,
        "alerts": [{"status": row["status"], "labels": labels, "annotations": row["annotations"],
            "startsAt": row["startsAt"], "endsAt": ends_at, "generatorURL": "",
            "fingerprint": fingerprint}]})
}

fn fingerprint_of(episode: &Episode, known_as: &BTreeMap<String, String>) -> String {
    let ours = episode.key.fingerprint.to_string();
    known_as.get(&ours).cloned().unwrap_or(ours)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stream = Stream::at(&arguments[0]);
    let mut known_as = BTreeMap::new();
    let with_graph = !arguments.iter().any(|a| a == "--no-topology");
    let events = events_of(&stream, &mut known_as, with_graph);
    let count = events.len();
    let kept = play(events);
    let prediction = prediction(&kept, &known_as);
    std::fs::write(&arguments[1], prediction.to_string()).unwrap();
    println!(
        "{count} records, {} episodes, {} incidents",
        kept.episodes.len(),
        kept.incidents.len()
    );
}

/// Everything that happens in a stream, by the time at which it is heard.
fn events_of(
    stream: &Stream,
    known_as: &mut BTreeMap<String, String>,
    with_graph: bool,
) -> Vec<(Timestamp, RecordBody)> {
    let mut events: Vec<(Timestamp, RecordBody)> = Vec::new();
    for (at, body) in stream.bodies(known_as) {
        let is_grafana = body["version"] == "1";
        let kind = if is_grafana { SourceType::Grafana } else { SourceType::Alertmanager };
        let source = Name::from(kind.as_str());
        let envelope =
            Envelope { source: &source, kind, namespace: None, received_at: at, headers: &[] };
        let parsed = ingest::read(&envelope, &serde_json::to_vec(&body).unwrap()).unwrap();
        events.push((at, RecordBody::Delivery(parsed.delivery)));
    }
    let changes = std::fs::read_to_string(&stream.changes).unwrap_or_else(|_| "[]".to_owned());
    let changes: Vec<Value> = serde_json::from_str(&changes).unwrap();
    events.extend(changes.iter().map(reported));
    events.sort_by_key(|(at, _)| *at);
    let first = events[0].0;
    events.insert(0, (first, RecordBody::Rules(Box::default())));
    if with_graph {
        let topology: Value =
            serde_json::from_str(&std::fs::read_to_string(&stream.topology).unwrap()).unwrap();
        let topology = json!({"edges": topology["edges"], "placement": topology["placement"]});
        let topology = ingest::read_topology(topology.to_string().as_bytes()).unwrap();
        events.insert(0, (first, RecordBody::Topology(topology)));
    }
    events
}

/// A change as somebody reports it.
fn reported(change: &Value) -> (Timestamp, RecordBody) {
    let at = Timestamp::parse(change["t"].as_str().unwrap()).unwrap();
    let kind = match change["kind"].as_str().unwrap_or_default() {
        "infra" => "scaling",
        known @ ("deploy" | "config" | "flag") => known,
        _ => "other",
    };
    let labels: BTreeMap<&str, &Value> = ["cluster", "env"]
        .into_iter()
        .filter_map(|key| change.get(key).filter(|v| v.is_string()).map(|v| (key, v)))
        .collect();
    let mut body = json!({"at": change["t"], "kind": kind,
        "summary": change.get("title").or(change.get("summary")).cloned().unwrap_or("change".into()),
        "key": change["id"], "labels": labels});
    if let Some(service) = change.get("service").filter(|v| v.is_string()) {
        body["service"] = service.clone();
    }
    let report = ingest::read_change(&serde_json::to_vec(&body).unwrap(), at).unwrap();
    let action = OperationAction::ReportChange(report);
    let operation = Operation { principal: None, actor: None, at: None, if_revision: None, action };
    (at, RecordBody::Operation(Box::new(operation)))
}

/// Plays events into a fresh machine.
fn play(events: Vec<(Timestamp, RecordBody)>) -> Kept {
    let mut machine = Machine::new();
    let mut kept = Kept::default();
    for (index, (at, body)) in events.into_iter().enumerate() {
        let record =
            Record { seq: Seq(index as u64 + 1), time: Some(at), received_at: Some(at), body };
        loop {
            let wants = machine.wants(&record);
            if wants.is_empty() {
                break;
            }
            machine.recall(wants, Recalled::default());
        }
        machine.handle(&record);
        kept.take(machine.take_effects());
    }
    kept
}

/// What became of each alert, in the form that `score.py` reads, with the reasons beside it.
fn prediction(kept: &Kept, known_as: &BTreeMap<String, String>) -> Value {
    let assign: BTreeMap<String, Option<String>> = kept
        .episodes
        .values()
        .map(|e| {
            (
                format!("{}|{}", fingerprint_of(e, known_as), e.starts_at()),
                e.incident().map(|i| i.to_string()),
            )
        })
        .collect();
    let key = |id: &str| {
        let known = id.parse().ok().and_then(|id: ChangeId| kept.changes.get(&id));
        known.and_then(|c| c.report.key.clone()).unwrap_or_default()
    };
    let of = |incident: &Incident, kind: CandidateKind| -> Vec<String> {
        incident.candidates.iter().filter(|c| c.kind == kind).map(|c| c.reference.clone()).collect()
    };
    let roots: BTreeMap<String, Vec<String>> = kept
        .incidents
        .values()
        .map(|i| (i.id.to_string(), of(i, CandidateKind::Service)))
        .collect();
    let causes: BTreeMap<String, Vec<String>> = kept
        .incidents
        .values()
        .map(|i| {
            (i.id.to_string(), of(i, CandidateKind::Change).iter().map(|id| key(id)).collect())
        })
        .collect();
    let reasons: BTreeMap<String, &str> = kept
        .episodes
        .values()
        .map(|e| {
            let key = format!("{}|{}", fingerprint_of(e, known_as), e.starts_at());
            (key, &*e.reason)
        })
        .collect();
    let why: BTreeMap<String, Vec<Value>> = kept
        .incidents
        .values()
        .map(|i| {
            let list = i.candidates.iter().map(|c| {
                let reference = match c.kind {
                    CandidateKind::Change => key(&c.reference),
                    CandidateKind::Service => c.reference.clone(),
                };
                json!({"ref": reference, "score": c.score, "why": c.why})
            });
            (i.id.to_string(), list.collect())
        })
        .collect();
    json!({"assign": assign, "reasons": reasons, "root_causes": roots,
        "changes": causes, "why": why})
}
