//! Past incidents that look like the one at hand.

use super::world::{Alert, World, minute};
use crate::domain::incident::{IncidentState, NoteKind, Patch, Similar};
use crate::domain::record::OperationAction;
use crate::domain::{EpisodeId, IncidentId};

/// A day between two outages, so that none continues another.
const DAY: f64 = 24.0 * 60.0;

/// Critical alerts by name and service that fire for 20 minutes; one incident.
fn outage(world: &mut World, at: f64, alerts: &[(&str, &str)]) -> u64 {
    for (name, service) in alerts {
        world.say(at, &Alert::new(name, service, "critical", at));
    }
    for (name, service) in alerts {
        world.say(at + 20.0, &Alert::new(name, service, "critical", at).over(at + 20.0));
    }
    world.tick(at + 40.0);
    let id = world.committed.incidents.len() as u64;
    assert_eq!(world.incident(id).state, IncidentState::Resolved);
    id
}

fn report(world: &mut World, at: f64, id: u64, patch: Patch) {
    world.act(at, OperationAction::Patch(IncidentId(id), Box::new(patch)));
}

fn similar(world: &World, id: u64) -> Vec<u64> {
    world.incident(id).similar.iter().map(|similar| similar.incident.0).collect()
}

fn one(world: &World, id: u64) -> Similar {
    let [one] = world.incident(id).similar.as_slice() else {
        panic!("{:?}", world.incident(id).similar)
    };
    one.clone()
}

const SHOP: [(&str, &str); 2] = [("HighErrorRate", "shop-web"), ("SlowResponses", "shop-web")];

#[test]
fn the_same_alerts_again_are_known_with_what_resolved_them() {
    let mut world = World::new();
    outage(&mut world, 0.0, &SHOP);
    let patch = Patch {
        resolution: Some(Some("Rolled back\nthe release".to_owned())),
        root_cause: Some(Some("A bad release".to_owned())),
        ..Patch::default()
    };
    report(&mut world, 60.0, 1, patch);
    outage(&mut world, DAY, &SHOP);
    let found = one(&world, 2);
    assert_eq!(found.incident, IncidentId(1));
    assert_eq!(found.score, 1.0);
    assert_eq!(found.resolution.as_deref(), Some("Rolled back the release"));
    assert_eq!(found.root_cause.as_deref(), Some("A bad release"));
    assert_eq!((found.started_at, found.ended_at), (Some(minute(0.0)), Some(minute(20.0))));
    assert_eq!(
        found.why[0],
        "both alerts here fired then too: HighErrorRate on shop-web, SlowResponses on shop-web, \
         2 with the same labels (+0.50)"
    );
}

#[test]
fn it_is_told_with_the_first_alert_and_makes_no_revision_of_its_own() {
    let mut world = World::new();
    outage(&mut world, 0.0, &SHOP);
    world.say(DAY, &Alert::new("HighErrorRate", "shop-web", "critical", DAY));
    assert_eq!(similar(&world, 2), [1]);
    assert_eq!(world.incident(2).revision, 1);
    let told = &world.committed.revisions.last().unwrap().1.changes;
    assert!(
        told.iter().any(|words| words == "Past incidents that look like this one: 1"),
        "{told:?}"
    );
}

#[test]
fn what_shares_no_alert_is_not_similar() {
    let mut world = World::new();
    outage(&mut world, 0.0, &[("DbDown", "shop-db")]);
    outage(&mut world, DAY, &[("MailQueue", "mail")]);
    outage(&mut world, 2.0 * DAY, &[("DbDown", "billing-db")]);
    assert_eq!(similar(&world, 2), [0; 0]);
    assert_eq!(similar(&world, 3), [0; 0], "a name alone says too little");
}

#[test]
fn those_with_a_written_resolution_come_first_then_the_more_alike_then_the_newer() {
    let mut world = World::new();
    outage(&mut world, 0.0, &[("HighErrorRate", "shop-web"), ("DiskFull", "shop-web")]);
    let patch = Patch { resolution: Some(Some("Disk grown".to_owned())), ..Patch::default() };
    report(&mut world, 60.0, 1, patch);
    outage(&mut world, DAY, &SHOP);
    outage(&mut world, 2.0 * DAY, &SHOP);
    outage(&mut world, 3.0 * DAY, &SHOP);
    assert_eq!(similar(&world, 4), [1, 3, 2]);
}

#[test]
fn without_a_resolution_the_last_mitigation_stands_in() {
    let mut world = World::new();
    world.say(0.0, &Alert::new("DbDown", "shop-db", "critical", 0.0));
    world.note(5.0, 1, NoteKind::Mitigation, "Restarted");
    world.note(8.0, 1, NoteKind::Mitigation, "Failed over to the replica");
    world.say(20.0, &Alert::new("DbDown", "shop-db", "critical", 0.0).over(20.0));
    world.tick(40.0);
    outage(&mut world, DAY, &[("DbDown", "shop-db")]);
    assert_eq!(one(&world, 2).mitigation.as_deref(), Some("Failed over to the replica"));
}

#[test]
fn an_incident_that_runs_again_or_was_merged_is_no_past() {
    let mut world = World::new();
    outage(&mut world, 0.0, &[("DbDown", "shop-db")]);
    world.act(50.0, OperationAction::Reopen(IncidentId(1)));
    outage(&mut world, 3.0 * DAY, &[("DbDown", "shop-db")]);
    assert_eq!(similar(&world, 2), [0; 0]);
}

#[test]
fn alerts_that_were_taken_out_count_no_more() {
    let mut world = World::new();
    outage(&mut world, 0.0, &[("DbDown", "shop-db")]);
    let at = DAY;
    world.say(at, &Alert::new("HighErrorRate", "shop-web", "critical", at).label("team", "a1"));
    world.say(at, &Alert::new("DbDown", "shop-db", "critical", at).label("team", "a1"));
    let same_story = world.episode(2).incident() == world.episode(3).incident();
    assert!(same_story, "the two share a rare label");
    assert_eq!(similar(&world, 2), [1]);
    world.act(at + 1.0, OperationAction::Split(IncidentId(2), vec![EpisodeId(3)]));
    assert_eq!(similar(&world, 3), [1]);
    assert_eq!(similar(&world, 2), [0; 0]);
}

#[test]
fn an_old_incident_told_of_later_is_remembered_with_what_was_written() {
    let mut world = World::new();
    outage(&mut world, 0.0, &SHOP);
    // Long forgotten by then, and recalled for the writing.
    world.tick(10.0 * DAY);
    world.machine.forget();
    let patch = Patch { resolution: Some(Some("More memory".to_owned())), ..Patch::default() };
    report(&mut world, 10.0 * DAY + 1.0, 1, patch);
    outage(&mut world, 11.0 * DAY, &SHOP);
    assert_eq!(one(&world, 2).resolution.as_deref(), Some("More memory"));
}
