//! Plays an evaluation stream through ingest and machine, without server or store, and writes
//! what became of each alert: `evaluate STREAM-FOLDER PRED.json [--no-topology]`.
//!
//! A stream folder holds `deliveries.jsonl`, `changes.json` and `topology.json`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::collections::BTreeMap;

use scribed::correlate::{Effects, Machine, Recalled};
use scribed::domain::incident::CandidateKind;
use scribed::domain::record::{Operation, OperationAction};
use scribed::domain::{
    Change, ChangeId, Episode, EpisodeId, Incident, IncidentId, Name, Record, RecordBody, Rules,
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = &arguments[0];
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let mut events: Vec<(Timestamp, RecordBody)> = Vec::new();
    for line in read("deliveries.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let at = Timestamp::parse(row["t"].as_str().unwrap()).unwrap();
        let is_grafana = row["body"]["version"] == "1";
        let kind = if is_grafana { SourceType::Grafana } else { SourceType::Alertmanager };
        let source = Name::from(kind.as_str());
        let envelope =
            Envelope { source: &source, kind, namespace: None, received_at: at, headers: &[] };
        let body = serde_json::to_vec(&row["body"]).unwrap();
        let parsed = ingest::read(&envelope, &body).unwrap();
        events.push((at, RecordBody::Delivery(parsed.delivery)));
    }
    let changes: Vec<Value> = serde_json::from_str(&read("changes.json")).unwrap();
    for change in &changes {
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
        let operation =
            Operation { principal: None, actor: None, at: None, if_revision: None, action };
        events.push((at, RecordBody::Operation(Box::new(operation))));
    }
    events.sort_by_key(|(at, _)| *at);
    let first = events[0].0;
    events.insert(0, (first, RecordBody::Rules(Box::new(Rules::default()))));
    if !arguments.iter().any(|a| a == "--no-topology") {
        let topology = ingest::read_topology(read("topology.json").as_bytes()).unwrap();
        events.insert(0, (first, RecordBody::Topology(topology)));
    }
    let mut machine = Machine::new();
    let mut kept = Kept::default();
    let count = events.len();
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
    let assign: BTreeMap<String, Option<String>> = kept
        .episodes
        .values()
        .map(|e| {
            (
                format!("{}|{}", e.key.fingerprint, e.starts_at()),
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
    let prediction = json!({"assign": assign, "root_causes": roots, "changes": causes});
    std::fs::write(&arguments[1], prediction.to_string()).unwrap();
    println!(
        "{count} records, {} episodes, {} incidents",
        kept.episodes.len(),
        kept.incidents.len()
    );
}
