//! No bytes make the room panic, and what it lets through keeps the limits.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixtures::{ALL, parse, read_with, received_at};
use super::{LABELS_MAX, Parsed, Unusable, read_change, read_topology};
use crate::domain::SourceType;

/// Headers that lead into every branch.
const HEADERS: [&[(&str, &str)]; 5] = [
    &[],
    &[("content-type", "application/cloudevents+json")],
    &[("content-type", "application/cloudevents-batch+json")],
    &[("ce-id", "1"), ("ce-source", "%ff"), ("ce-type", "deploy"), ("ce-time", "x")],
    &[("x-github-event", "push"), ("x-github-delivery", "1")],
];

fn check(read: &Result<Parsed, Unusable>) {
    let Ok(parsed) = read else { return };
    assert_eq!(parsed.delivery.rejected, parsed.refused.len() as u64);
    for word in &parsed.delivery.words {
        assert!(!word.key.fingerprint.as_str().is_empty());
        assert!(!word.key_from_labels || !word.labels.is_empty());
        assert!(word.labels.len() <= LABELS_MAX);
        assert!(word.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        assert!(word.values.iter().all(|(_, value)| value.is_finite()));
        assert!(word.starts_at.at - received_at() <= crate::domain::Claim::FUTURE_LIMIT);
    }
    assert!(parsed.delivery.changes.iter().all(|change| !change.summary.is_empty()));
}

fn read_every_way(body: &[u8]) {
    for kind in SourceType::ALL {
        for headers in HEADERS {
            check(&read_with(kind, headers, body));
        }
    }
    if let Ok(change) = read_change(body, received_at()) {
        assert!(!change.summary.is_empty());
    }
    if let Ok(graph) = read_topology(body) {
        assert!(graph.edges.iter().all(|edge| !edge.caller.as_str().is_empty()));
    }
}

#[test]
fn every_real_body_is_usable_by_its_reader_and_harmless_to_the_others() {
    for (kind, body) in ALL {
        parse(*kind, body);
        read_every_way(body);
    }
}

/// JSON of the shape that senders use, with their field names and wrong types mixed in.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "firing",
            "resolved",
            "2026-03-02T10:00:00Z",
            "trigger",
            "0001-01-01T00:00:00Z"
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "alerts",
        "labels",
        "annotations",
        "status",
        "startsAt",
        "endsAt",
        "starts_at",
        "ends_at",
        "fingerprint",
        "values",
        "orgId",
        "groupKey",
        "truncatedAlerts",
        "payload",
        "summary",
        "event_action",
        "dedup_key",
        "routing_key",
        "links",
        "custom_details",
        "heartbeat",
        "monitor",
        "monitorID",
        "tags",
        "name",
        "value",
        "id",
        "source",
        "type",
        "data",
        "app",
        "text",
        "what",
        "time",
        "when",
        "edges",
        "caller",
        "callee",
        "placement",
        "nodes",
        "at",
        "workflow_run",
        "action",
        "repository",
        "release",
        "deployment_status",
        "ref",
        "",
    ]);
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name.clone(), inner), 0..8).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_do_no_harm(body in vec(any::<u8>(), 0..256)) {
        read_every_way(&body);
    }

    #[test]
    fn json_of_any_shape_does_no_harm(value in json()) {
        read_every_way(value.to_string().as_bytes());
    }

    #[test]
    fn damaged_real_bodies_do_no_harm(
        index in 0..ALL.len(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (kind, body) = ALL[index];
        let mut body = body.to_vec();
        for (place, byte) in edits {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if is_cut {
            body.truncate(cut.index(body.len()));
        }
        for headers in HEADERS {
            check(&read_with(kind, headers, &body));
        }
    }
}
