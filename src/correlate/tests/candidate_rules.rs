//! Where an incident may have begun, and which change may have caused it.

use super::world::{Alert, World, minute};
use crate::domain::incident::CandidateKind;
use crate::domain::record::OperationAction;
use crate::domain::{ChangeKind, ChangeReport, Labels, Name};

fn changed(kind: ChangeKind, service: &str, at: f64, key: &str) -> OperationAction {
    OperationAction::ReportChange(ChangeReport {
        key: Some(key.into()),
        at: minute(at),
        ends_at: None,
        kind,
        service: Some(Name::from(service)),
        summary: key.to_owned(),
        author: None,
        link: None,
        labels: Labels::default(),
        source: Name::from("api"),
    })
}

/// The candidates of one kind of the first incident, best first.
fn candidates(world: &World, kind: CandidateKind) -> Vec<String> {
    let all = world.incident(1).candidates.iter();
    let of_kind = all.filter(|candidate| candidate.kind == kind);
    of_kind.map(|candidate| candidate.reference.clone()).collect()
}

#[test]
fn packets_lost_at_several_machines_point_at_the_network_between_them() {
    for (nodes, expect) in [(&["n1", "n2"][..], "network"), (&["n1"][..], "node:n1")] {
        let mut world = World::new();
        for (index, node) in nodes.iter().enumerate() {
            let at = 0.2 * f64::from(u32::try_from(index).unwrap());
            let mut lost = Alert::new("NodeNetworkPacketLoss", "", "critical", at);
            lost.labels.retain(|(name, _)| name != "service");
            world.say(at + 0.5, &lost.label("node", node));
        }
        for (index, service) in ["shop-web", "mail-api", "billing-db"].into_iter().enumerate() {
            let at = 1.5 + 0.2 * f64::from(u32::try_from(index).unwrap());
            world.say(at, &Alert::new("HighLatency", service, "warning", 1.0));
        }
        assert_eq!(candidates(&world, CandidateKind::Service)[0], expect, "{nodes:?}");
    }
}

#[test]
fn a_primary_that_says_nothing_takes_the_word_of_its_replica() {
    for (sign, expect) in [("ReplicationStopped", "shop-db"), ("HighLatency", "shop-db-replica")] {
        let edges = [
            ("shop-api", "shop-db"),
            ("shop-api", "shop-db-replica"),
            ("shop-db-replica", "shop-db"),
        ];
        let mut world = World::with_edges(&edges);
        let deploy = changed(ChangeKind::Config, "shop-db", -3.0, "parameters");
        world.act(0.1, deploy);
        world.say(0.5, &Alert::new(sign, "shop-db-replica", "warning", 0.0));
        world.say(1.5, &Alert::new("HighErrorRate", "shop-api", "critical", 1.0));
        assert_eq!(candidates(&world, CandidateKind::Service)[0], expect, "{sign}");
    }
}

#[test]
fn what_fills_up_is_rather_blamed_on_a_change_of_an_hour_ago_than_of_a_minute_ago() {
    for (sign, expect) in [("MemoryNearLimit", "older"), ("HighLatency", "newer")] {
        let mut world = World::new();
        world.act(0.1, changed(ChangeKind::Deploy, "shop-api", -50.0, "older"));
        world.act(0.2, changed(ChangeKind::Deploy, "shop-api", -2.0, "newer"));
        world.say(0.5, &Alert::new(sign, "shop-api", "warning", 0.0));
        world.say(3.5, &Alert::new("HighErrorRate", "shop-api", "critical", 3.0));
        let first = candidates(&world, CandidateKind::Change).remove(0);
        let named = world.committed.changes.values().find(|c| c.id.to_string() == first).unwrap();
        assert_eq!(named.report.summary, expect, "{sign}");
    }
}
