//! Grouping from raw bodies to incidents: ingest and machine together, without server or store.

use std::collections::{BTreeMap, BTreeSet};

use scribed::correlate::{Machine, Recalled};
use scribed::domain::record::{Operation, OperationAction};
use scribed::domain::{
    Episode, EpisodeId, Name, Record, RecordBody, Rules, Seq, SourceType, Timestamp,
};
use scribed::ingest::{self, Envelope};
use serde_json::Value;

/// Events with the time of their receipt, in order.
type Events = Vec<(Timestamp, RecordBody)>;

fn delivery(at: Timestamp, kind: SourceType, body: &Value) -> RecordBody {
    let source = Name::from(kind.as_str());
    let envelope =
        Envelope { source: &source, kind, namespace: None, received_at: at, headers: &[] };
    let body = serde_json::to_vec(body).unwrap();
    RecordBody::Delivery(ingest::read(&envelope, &body).unwrap().delivery)
}

fn topology(value: &Value) -> RecordBody {
    RecordBody::Topology(ingest::read_topology(value.to_string().as_bytes()).unwrap())
}

/// Plays events into a fresh machine with the default rules; returns every episode as it ended.
fn play(mut events: Events) -> BTreeMap<EpisodeId, Episode> {
    events.insert(0, (events[0].0, RecordBody::Rules(Box::new(Rules::default()))));
    let mut machine = Machine::new();
    let mut episodes = BTreeMap::new();
    for (index, (at, body)) in events.into_iter().enumerate() {
        let seq = Seq(index as u64 + 1);
        let record = Record { seq, time: Some(at), received_at: Some(at), body };
        loop {
            let wants = machine.wants(&record);
            if wants.is_empty() {
                break;
            }
            machine.recall(wants, Recalled::default());
        }
        machine.handle(&record);
        episodes.extend(machine.take_effects().episodes.into_iter().map(|e| (e.id, e)));
    }
    episodes
}

fn scenario(name: &str) -> Events {
    let path = format!("{}/tests/fixtures/scenarios/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let scenario: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut events = Events::new();
    for event in scenario["events"].as_array().unwrap() {
        let at = Timestamp::parse(event["at"].as_str().unwrap()).unwrap();
        match event["type"].as_str().unwrap() {
            "topology" => events.push((at, topology(&event["topology"]))),
            "webhook" => {
                let kind = match event["source"].as_str().unwrap() {
                    "grafana" => SourceType::Grafana,
                    _ => SourceType::Alertmanager,
                };
                events.push((at, delivery(at, kind, &event["body"])));
            }
            "change" => {
                let body = serde_json::to_vec(&event["change"]).unwrap();
                let action = OperationAction::ReportChange(ingest::read_change(&body, at).unwrap());
                let operation =
                    Operation { principal: None, actor: None, at: None, if_revision: None, action };
                events.push((at, RecordBody::Operation(Box::new(operation))));
            }
            _ => {}
        }
    }
    events
}

#[test]
fn each_outage_of_the_scenarios_is_one_incident() {
    for name in [
        "accounts-outage",
        "bookstore-503",
        "ecommerce-cascade",
        "food-delivery",
        "replication-failure",
    ] {
        let episodes = play(scenario(name));
        let incidents: BTreeSet<_> = episodes.values().map(Episode::incident).collect();
        let reasons: Vec<_> = episodes.values().map(|e| (e.alertname(), &e.reason)).collect();
        assert_eq!(incidents.len(), 1, "{name}: {reasons:#?}");
        assert!(incidents.iter().all(Option::is_some), "{name}: {reasons:#?}");
    }
}
