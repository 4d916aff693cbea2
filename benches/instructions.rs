//! One piece of work, done again and again, for counting its instructions:
//! `instructions parse|append|step|draft TIMES`.
//!
//! Instructions repeat where times do not. `benches/instructions.sh` runs this under callgrind with
//! two numbers of times and takes the difference, so that setting up does not count.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use scribed::clock::Clock;
use scribed::correlate::{Machine, Recalled};
use scribed::domain::draft::Template;
use scribed::domain::{Facts, Name, Record, RecordBody, Seq, SourceType, Span, Timestamp};
use scribed::ingest::{self, Envelope, Parsed};
use scribed::metrics::Metrics;
use scribed::render::{self, Format};
use scribed::store::{Append, RawDelivery, Store, StoreOptions};
use scribed::timeline::{self, DraftOptions};
use serde_json::json;

/// Alerts of a body.
const ALERTS: usize = 10;
/// Entries of the draft.
const ENTRIES: u64 = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let times = arguments.get(1).and_then(|times| times.parse().ok()).unwrap_or(1);
    match arguments.first().map(String::as_str) {
        Some("parse") => parse(times),
        Some("append") => append(times),
        Some("step") => step(times),
        Some("draft") => draft(times),
        _ => println!("usage: instructions parse|append|step|draft TIMES"),
    }
}

fn begin() -> Timestamp {
    Timestamp::parse("2026-03-02T10:00:00Z").unwrap()
}

/// A body of ten alerts; every second body repeats the one before.
fn body(number: u64) -> Vec<u8> {
    let number = number / 2;
    let alerts: Vec<_> = (0..ALERTS)
        .map(|index| {
            json!({
                "status": "firing",
                "labels": {
                    "alertname": format!("HighErrorRate{index}"), "cluster": "eu-west-1",
                    "namespace": "payments", "service": "payments-api", "severity": "critical",
                    "pod": format!("payments-api-7c9d8b6f5-{number}"), "job": "kubernetes-pods",
                    "instance": format!("{number:016x}.node.internal:9100"),
                },
                "annotations": {
                    "summary": "HighErrorRate in payments: 5xx ratio above 5% for 10 minutes",
                    "description": "The ratio of 5xx responses of payments-api is 12.34%\n\"job\"",
                    "runbook_url": "https://runbooks.example.test/payments/HighErrorRate",
                },
                "startsAt": begin().to_string(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example.test:9090/graph?g0.expr=up+%3D%3D+0",
                "fingerprint": format!("{number:016x}"),
            })
        })
        .collect();
    let body = json!({"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0,
        "status": "firing", "receiver": "scribed", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://alertmanager.example.test:9093",
        "alerts": alerts});
    serde_json::to_vec(&body).unwrap()
}

fn read(bytes: &[u8], received_at: Timestamp) -> Parsed {
    let source = Name::from("alertmanager");
    let envelope = Envelope {
        source: &source,
        kind: SourceType::Alertmanager,
        namespace: None,
        received_at,
        headers: &[],
    };
    ingest::read(&envelope, bytes).unwrap()
}

fn parse(times: u64) {
    let bytes = body(0);
    for _ in 0..times {
        std::hint::black_box(read(std::hint::black_box(&bytes), begin()));
    }
}

fn append(times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { path: folder.path().to_owned(), queue_capacity: 16, queue_bytes: 1 << 20 };
    let store = Store::open(options, Clock::system(), Metrics::new()).unwrap();
    for number in 0..times {
        let bytes = body(number);
        let delivery = read(&bytes, begin()).delivery;
        let raw = RawDelivery {
            bytes: bytes.into(),
            content_type: "application/json".to_owned(),
            remote: "127.0.0.1:1".to_owned(),
            refused: Vec::new(),
        };
        let append = Append {
            body: RecordBody::Delivery(delivery),
            received_at: Some(begin()),
            true_received_at: begin(),
            raw: Some(raw),
        };
        store.append_blocking(append).unwrap();
    }
    store.close();
}

/// The records of as many deliveries, two seconds apart.
fn records(times: u64) -> impl Iterator<Item = Record> {
    (0..times).map(|number| {
        let at = begin() + Span::from_seconds(2).times(number.cast_signed());
        let body = RecordBody::Delivery(read(&body(number), at).delivery);
        Record { seq: Seq(number + 1), time: Some(at), received_at: Some(at), body }
    })
}

fn handle(machine: &mut Machine, record: &Record) {
    loop {
        let wants = machine.wants(record);
        if wants.is_empty() {
            break;
        }
        machine.recall(wants, Recalled::default());
    }
    machine.handle(record);
}

fn step(times: u64) {
    let mut machine = Machine::new();
    for record in records(times) {
        handle(&mut machine, &record);
        std::hint::black_box(machine.take_effects());
        machine.forget();
    }
}

fn draft(times: u64) {
    let mut machine = Machine::new();
    for record in records(2 * ENTRIES / ALERTS as u64) {
        handle(&mut machine, &record);
    }
    let effects = machine.take_effects();
    let incident = effects.incidents.into_iter().next().unwrap();
    let members = effects.episodes.into_iter().filter(|e| e.incident() == Some(incident.id));
    let facts = Facts {
        members: members.collect(),
        incident,
        context: Vec::new(),
        changes: Vec::new(),
        revisions: Vec::new(),
    };
    let options = DraftOptions {
        zone: scribed::domain::zone::Zone::default(),
        template: Template::default(),
        since_revision: None,
        external_url: None,
    };
    for _ in 0..times {
        let draft = timeline::compose(std::hint::black_box(&facts), &options);
        std::hint::black_box(render::draft(&draft, Format::Markdown));
    }
}
