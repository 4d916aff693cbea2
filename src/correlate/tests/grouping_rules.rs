//! Section 4 of the domain page: who belongs together, and when an incident ends and returns.

use super::world::{Alert, World, minute};
use crate::domain::incident::IncidentState;
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::{IncidentId, Labels, Membership};

fn web(name: &str, start: f64) -> Alert {
    Alert::new(name, "shop-web", "critical", start)
}

#[test]
fn one_critical_alert_opens_an_incident_and_says_why() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0));
    assert_eq!(world.episode(1).incident(), Some(IncidentId(1)));
    assert!(world.episode(1).reason.contains("critical opens alone"));
    assert!(world.episode(1).reason.contains(|c: char| c.is_ascii_digit()));
}

#[test]
fn one_warning_floats_and_two_that_belong_together_open() {
    let mut world = World::new();
    world.say(0.5, &Alert::new("SlowResponses", "shop-web", "warning", 0.0));
    assert_eq!(world.episode(1).incident(), None);
    world.say(1.5, &Alert::new("QueueFull", "billing", "warning", 1.0));
    assert!(world.committed.incidents.is_empty());
    world.say(2.5, &Alert::new("HighErrorRate", "shop-web", "warning", 2.0));
    assert_eq!(world.episode(3).incident(), Some(IncidentId(1)));
    assert_eq!(world.episode(1).incident(), Some(IncidentId(1)));
    assert_eq!(world.episode(2).incident(), None);
}

#[test]
fn a_floating_alert_becomes_lead_up_and_counts_for_the_onset() {
    let mut world = World::new();
    world.say(0.5, &Alert::new("RegistrationErrorRate", "registration", "warning", 0.0));
    world.say(15.5, &Alert::new("RegistrationErrorRate", "registration", "critical", 15.0));
    let incident = world.incident(1);
    assert_eq!(value_of(incident, Milestone::Onset).at, Some(minute(0.0)));
    assert_eq!(value_of(incident, Milestone::Detection).at, Some(minute(15.0)));
    assert!(matches!(world.episode(1).membership, Membership::Member { lead_up: true, .. }));
}

#[test]
fn a_cause_that_alerts_late_joins_while_its_caller_still_fires() {
    let mut world = World::with_edges(&[("shop-web", "shop-db")]);
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(45.5, &Alert::new("ReadWriteLatency", "shop-db", "critical", 45.0));
    assert_eq!(world.episode(2).incident(), Some(IncidentId(1)));
    assert!(world.episode(2).reason.contains("shop-db is called by shop-web"));
}

#[test]
fn two_unrelated_outages_stay_two() {
    let mut world = World::with_edges(&[("shop-web", "shop-db"), ("mail", "mail-queue")]);
    world.say(0.5, &web("HighErrorRate", 0.0).label("env", "prod"));
    world.say(1.0, &Alert::new("MailDown", "mail", "critical", 0.5).label("env", "prod"));
    assert_eq!(world.committed.incidents.len(), 2);
}

#[test]
fn another_cluster_is_another_outage() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0).label("cluster", "eu"));
    world.say(1.0, &web("SlowResponses", 0.5).label("cluster", "us"));
    assert_eq!(world.committed.incidents.len(), 2);
}

#[test]
fn nothing_shared_never_matches() {
    let mut world = World::new();
    let bare = |name: &str, start| {
        let mut alert = Alert::new(name, "", "critical", start);
        alert.labels.retain(|(k, _)| k != "service");
        alert
    };
    world.say(0.5, &bare("A", 0.0));
    world.say(0.6, &bare("B", 0.0));
    assert_eq!(world.committed.incidents.len(), 2);
}

#[test]
fn an_incident_resolves_at_the_last_end_after_the_quiet_period() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(20.5, &web("HighErrorRate", 0.0).over(20.0));
    world.tick(30.0);
    assert_eq!(world.incident(1).state, IncidentState::Open);
    world.tick(30.5);
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
    let resolution = value_of(world.incident(1), Milestone::Resolution);
    assert_eq!(resolution.at, Some(minute(20.0)));
}

#[test]
fn a_member_that_fires_again_within_the_window_reopens_and_later_is_a_new_incident() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(20.5, &web("HighErrorRate", 0.0).over(20.0));
    world.tick(31.0);
    world.say(60.5, &web("HighErrorRate", 60.0));
    assert_eq!(world.incident(1).state, IncidentState::Open);
    assert_eq!(world.committed.incidents.len(), 1);
    world.say(70.5, &web("HighErrorRate", 60.0).over(70.0));
    world.tick(81.0);
    world.say(200.5, &web("HighErrorRate", 200.0));
    assert_eq!(world.committed.incidents.len(), 2);
    assert_eq!(world.incident(2).follows, Some(IncidentId(1)));
}

#[test]
fn another_alert_after_full_recovery_is_a_new_incident_that_names_the_former() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(20.5, &web("HighErrorRate", 0.0).over(20.0));
    world.say(25.5, &web("SlowResponses", 25.0));
    assert_eq!(world.committed.incidents.len(), 2);
    assert_eq!(world.incident(2).follows, Some(IncidentId(1)));
}

#[test]
fn a_flapper_outside_an_incident_opens_nothing() {
    let mut world = World::new();
    let flapper = |start| Alert::new("DiskFull", "node-x", "warning", start);
    for round in 0..7 {
        let start = f64::from(round) * 10.0;
        world.say(start + 0.5, &flapper(start));
        world.say(start + 1.5, &flapper(start).over(start + 1.0));
    }
    let seventh = world.episodes().into_iter().next_back().unwrap();
    assert!(seventh.reason.contains("flaps"), "{}", seventh.reason);
}

#[test]
fn every_alert_has_a_reason_with_a_number() {
    let mut world = World::with_edges(&[("shop-web", "shop-db")]);
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(0.6, &Alert::new("DbSlow", "shop-db", "warning", 0.2));
    world.say(0.7, &Alert::new("Lonely", "other", "warning", 0.2));
    world.say(0.8, &Alert::new("Watchdog", "", "none", -100.0));
    for episode in world.episodes() {
        assert!(episode.reason.contains(|c: char| c.is_ascii_digit()), "{:?}", episode.reason);
    }
}

#[test]
fn what_lies_outside_every_window_is_forgotten() {
    let mut world = World::new();
    world.say(0.5, &web("HighErrorRate", 0.0));
    world.say(20.5, &web("HighErrorRate", 0.0).over(20.0));
    world.say(30.0, &Alert::new("QueueFull", "billing", "warning", 29.0).over(29.5));
    world.tick(31.0 + 24.0 * 60.0 - 5.0);
    world.machine.forget();
    assert_eq!(world.machine.memory.incidents.len(), 1, "it may still be reopened by late truth");
    world.tick(31.0 + 24.0 * 60.0 + 5.0);
    world.machine.forget();
    assert_eq!(world.machine.memory.incidents.len(), 0);
    assert_eq!(world.machine.memory.episodes.len(), 0);
}

#[test]
fn a_service_is_known_by_either_dash() {
    for (known, label, value) in [
        ("order_api", "pod", "order-api-7d9c5b6f4-x2x9z"),
        ("order-api", "app", "order_api"),
        ("order-api", "app", "order-api"),
    ] {
        let mut world = World::with_edges(&[("shop-web", known)]);
        world.say(0.5, &Alert::new("Slow", "", "critical", 0.0).label(label, value));
        let service = world.episode(1).service.as_ref();
        assert_eq!(service.map(|name| name.as_str()), Some(known), "{label}={value}");
    }
}

#[test]
fn what_grouping_reads_out_of_an_alert_follows_its_newest_texts() {
    let mut world = World::new();
    world.say(0.5, &web("Custom", 0.0));
    let id = world.episode(1).id;
    let memory = &mut world.machine.memory;
    let before = memory.traits(id).unwrap().signal;
    let told = Labels::from_pairs([("summary", "Disk is full")]);
    memory.episodes.get_mut(&id).unwrap().annotations = told;
    memory.member_changed(id);
    assert_ne!(memory.traits(id).unwrap().signal, before, "as after a restart");
}
