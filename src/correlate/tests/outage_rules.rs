//! The patterns of real outages: what stays one story, and what never is.

use super::world::{Alert, World, minute};
use crate::domain::{IncidentId, Membership, Standing};

fn of(name: &str, service: &str, severity: &str, start: f64) -> Alert {
    Alert::new(name, service, severity, start)
}

/// Alerts of one cluster that have nothing to do with each other, one every few minutes.
fn make_busy(world: &mut World, from: f64) {
    for (index, at) in [0.0, 3.0, 6.0, 9.0, 12.0].into_iter().enumerate() {
        let (name, service) = (format!("Odd{index}"), format!("elsewhere{index}"));
        world.say(from + at + 0.5, &of(&name, &service, "warning", from + at));
    }
}

#[test]
fn three_symptoms_of_one_cause_through_two_services_are_one() {
    let mut world = World::with_edges(&[("bookstore-web", "bookstore-db")]);
    world.say(0.5, &of("Http503RateHigh", "bookstore-web", "critical", 0.0));
    world.say(45.5, &of("DatabaseConnectionTimeouts", "bookstore-db", "critical", 45.0));
    world.say(65.5, &of("ReplicationLagHigh", "bookstore-db", "warning", 65.0));
    assert_eq!(world.committed.incidents.len(), 1);
    assert!(world.episodes().iter().all(|e| e.incident() == Some(IncidentId(1))));
}

#[test]
fn a_cause_may_alert_eighty_minutes_after_a_symptom_that_still_fires() {
    let mut world = World::with_edges(&[("registration", "database")]);
    world.say(0.3, &of("RegistrationErrorRate", "registration", "warning", 0.0));
    world.say(15.3, &of("RegistrationErrorRate", "registration", "critical", 15.0));
    world.say(100.3, &of("DatabaseSyncErrors", "database", "warning", 100.0));
    assert_eq!(world.committed.incidents.len(), 1);
    assert_eq!(world.episode(3).incident(), Some(IncidentId(1)));
    assert!(matches!(world.episode(1).membership, Membership::Member { lead_up: true, .. }));
}

#[test]
fn a_cause_that_alerts_after_the_symptom_ended_does_not_join() {
    let mut world = World::with_edges(&[("registration", "database")]);
    world.say(0.3, &of("RegistrationErrorRate", "registration", "critical", 0.0));
    world.say(20.3, &of("RegistrationErrorRate", "registration", "critical", 0.0).over(20.0));
    world.say(90.3, &of("DatabaseSyncErrors", "database", "warning", 90.0));
    assert_eq!(world.episode(2).incident(), None);
}

#[test]
fn days_of_repeats_stay_one_incident() {
    let mut world = World::with_edges(&[("app", "database")]);
    let latency = of("DatabaseLatencyHigh", "database", "critical", 0.0);
    let down = of("AppUnavailable", "app", "critical", 20.0);
    world.say(0.5, &latency);
    world.say(20.5, &down);
    for half_day in 1..12 {
        world.say(f64::from(half_day) * 720.0, &latency);
        world.say(f64::from(half_day) * 720.0 + 20.0, &down);
    }
    assert_eq!(world.committed.incidents.len(), 1);
    assert_eq!(world.incident(1).tally.total, 2);
}

#[test]
fn time_between_starts_counts_as_far_as_coincidence_is_likely() {
    let edges = [("shop-web", "shop-db")];
    let late = of("ReadWriteLatency", "shop-db", "warning", 45.0);
    let mut quiet = World::with_edges(&edges);
    quiet.say(0.5, &of("HighErrorRate", "shop-web", "critical", 0.0));
    quiet.say(45.5, &late);
    assert_eq!(quiet.episode(2).incident(), Some(IncidentId(1)));
    let mut busy = World::with_edges(&edges);
    busy.say(0.5, &of("HighErrorRate", "shop-web", "critical", 0.0));
    make_busy(&mut busy, 20.0);
    busy.say(45.5, &late);
    let placed = busy.episodes().into_iter().next_back().unwrap();
    assert_eq!(placed.incident(), None, "{}", placed.reason);
}

#[test]
fn what_comes_and_goes_alone_is_muted_and_glues_nothing() {
    let mut world = World::new();
    let bout = |start| of("CpuHigh", "mail", "warning", start);
    for start in [0.0, 20.0] {
        world.say(start + 0.5, &bout(start));
        world.say(start + 2.5, &bout(start).over(start + 2.0));
    }
    world.say(40.5, &of("MailErrors", "mail", "warning", 40.0));
    world.say(41.5, &bout(41.0));
    assert!(world.committed.incidents.is_empty());
    assert_eq!(world.episodes().into_iter().next_back().unwrap().standing, Standing::Flapping);
    // Two hours later it is an alert like any other.
    world.say(200.5, &of("MailErrors", "mail", "warning", 200.0));
    world.say(201.5, &bout(201.0));
    assert_eq!(world.committed.incidents.len(), 1);
}

#[test]
fn severity_none_never_opens_nor_joins() {
    let mut world = World::new();
    world.say(0.5, &of("HighErrorRate", "shop-web", "critical", 0.0));
    world.say(1.5, &of("Info", "shop-web", "none", 1.0));
    assert_eq!(world.episode(2).incident(), None);
    assert_eq!(world.episode(2).context_of, vec![IncidentId(1)]);
}

#[test]
fn what_began_long_before_is_context_and_no_member() {
    let mut world = World::new();
    world.say(0.5, &of("SlowResponses", "shop-web", "warning", 0.0));
    world.say(180.5, &of("HighErrorRate", "shop-web", "critical", 180.0));
    assert_eq!(world.episode(1).incident(), None);
    assert_eq!(world.episode(1).context_of, vec![IncidentId(1)]);
}

#[test]
fn an_alert_without_a_cluster_is_placed_by_its_pod() {
    let mut world = World::new();
    let web = |name: &str, start: f64| {
        of(name, "web", "critical", start).label("pod", "web-7d9c5b6f4-x2x9z")
    };
    world.say(0.5, &of("Other", "x", "warning", 0.0).label("cluster", "us"));
    world.say(1.5, &web("HighErrorRate", 1.0).label("cluster", "eu"));
    world.say(2.5, &web("SlowResponses", 2.0));
    assert_eq!(world.episode(3).incident(), world.episode(2).incident());
    assert!(!world.episode(3).reason.contains("unknown"), "{}", world.episode(3).reason);
}

#[test]
fn a_storm_of_one_alert_is_one_incident() {
    let mut world = World::new();
    for pod in 0..300 {
        let start = f64::from(pod) / 60.0;
        let alert = of("PodDown", "web", "critical", start).label("pod", &format!("web-{pod}"));
        world.say(start + 0.1, &alert);
    }
    assert_eq!(world.committed.incidents.len(), 1);
    assert_eq!(world.incident(1).tally.total, 300);
    assert_eq!(world.incident(1).tally.first.unwrap().at, minute(0.0));
}

#[test]
fn a_lone_critical_alert_becomes_part_of_an_incident_that_is_shown_to_hold_it() {
    let mut world = World::with_edges(&[("shop-web", "shop-api"), ("shop-api", "shop-db")]);
    world.say(0.5, &of("DbDown", "shop-db", "critical", 0.0));
    world.say(2.5, &of("HighErrorRate", "shop-web", "critical", 2.0));
    world.say(3.0, &of("SlowResponses", "shop-web", "warning", 2.5));
    world.say(3.5, &of("HighErrorRate", "shop-api", "critical", 1.5));
    world.say(4.0, &of("SlowResponses", "shop-api", "warning", 1.8));
    let incidents: Vec<_> = world.episodes().iter().map(|e| e.incident()).collect();
    assert!(incidents.iter().all(|id| *id == Some(IncidentId(1))), "{incidents:?}");
}

#[test]
fn an_alert_that_bridges_two_incidents_does_not_merge_them() {
    let edges = [("shop-web", "shop-api"), ("shop-web", "mail-api")];
    let mut world = World::with_edges(&edges);
    world.say(0.5, &of("HighErrorRate", "shop-api", "critical", 0.0));
    world.say(0.6, &of("MailDown", "mail-api", "critical", 0.0));
    world.say(2.5, &of("HighErrorRate", "shop-web", "critical", 2.0));
    let incident = world.episode(3).incident().unwrap();
    assert_ne!(world.episode(1).incident(), world.episode(2).incident());
    assert_eq!(world.incident(incident.0).related.len(), 1);
}

#[test]
fn what_returns_again_and_again_with_others_is_a_new_incident_the_third_time() {
    let mut world = World::new();
    let errors = |start| of("HighErrorRate", "shop-web", "critical", start);
    let slow = |start| of("SlowResponses", "shop-web", "critical", start);
    for (round, expect) in [(0.0, 1), (12.0, 1), (24.0, 2)] {
        world.say(round + 0.5, &errors(round));
        world.say(round + 0.6, &slow(round));
        world.say(round + 4.5, &errors(round).over(round + 4.0));
        world.say(round + 4.6, &slow(round).over(round + 4.0));
        let newest = world.episodes().into_iter().next_back().unwrap();
        assert_eq!(newest.incident(), Some(IncidentId(expect)), "{}", newest.reason);
    }
    assert_eq!(world.incident(2).follows, Some(IncidentId(1)));
}

#[test]
fn load_explains_only_what_comes_with_it_or_after_it() {
    for (traffic_at, expect) in [(1.0, true), (10.0, false)] {
        let mut world = World::with_edges(&[("shop-web", "shop-db")]);
        make_busy(&mut world, 0.0);
        world.say(20.5, &of("SlowQueries", "shop-db", "warning", 20.0));
        let at = 20.0 + traffic_at;
        world.say(at + 0.5, &of("TrafficSurge", "shop-web", "warning", at));
        let placed = world.episodes().into_iter().next_back().unwrap();
        assert_eq!(placed.incident().is_some(), expect, "{}", placed.reason);
    }
}

/// A critical alert that fires on, and one that comes and goes beside it.
fn returning(service: &str, minutes_apart: f64, times: u32) -> World {
    let mut world = World::with_edges(&[("shop-web", "shop-db")]);
    let down = of("HighErrorRate", "shop-web", "critical", 0.0);
    world.say(0.5, &down);
    for round in 0..times {
        let start = 1.0 + f64::from(round) * minutes_apart;
        world.say(start + 0.2, &of("Slow", service, "warning", start));
        world.say(start + 2.5, &of("Slow", service, "warning", start).over(start + 2.0));
        world.say(start + 3.0, &down);
    }
    world
}

#[test]
fn a_member_that_comes_and_goes_is_context_after_its_third_firing() {
    let world = returning("shop-db", 8.0, 5);
    let own: Vec<_> = world.episodes().into_iter().filter(|e| e.alertname() == "Slow").collect();
    assert!(own[..3].iter().all(|e| e.incident() == Some(IncidentId(1))));
    for later in &own[3..] {
        assert_eq!((later.incident(), later.standing), (None, Standing::Flapping));
        assert!(later.context_of.contains(&IncidentId(1)), "{}", later.reason);
    }
}

#[test]
fn a_member_that_returns_every_hour_goes_on_being_one() {
    let world = returning("shop-web", 60.0, 6);
    assert!(world.episodes().iter().all(|e| e.incident() == Some(IncidentId(1))));
}

#[test]
fn two_weak_warnings_open_no_incident_where_many_alerts_come_and_go() {
    let shop = || World::with_edges(&[("shop-web", "shop-db")]);
    let pair = |world: &mut World, at: f64| {
        world.say(at + 0.5, &of("ErrorsHigh", "shop-web", "warning", at));
        world.say(at + 2.5, &of("QueriesSlow", "shop-db", "warning", at + 2.0));
        world.committed.incidents.len()
    };
    assert_eq!(pair(&mut shop(), 0.0), 1, "who has heard of little takes what there is");
    let mut known = shop();
    for number in 0..25_u8 {
        let (name, service) = (format!("Odd{number}"), format!("elsewhere{number}"));
        let start = f64::from(number) * 200.0;
        known.say(start + 0.5, &of(&name, &service, "warning", start));
        known.say(start + 3.5, &of(&name, &service, "warning", start).over(start + 3.0));
    }
    assert_eq!(pair(&mut known, 6_000.0), 0);
}

#[test]
fn the_host_of_an_instance_is_a_node_where_another_alert_names_it_as_one() {
    let beside = |instance: &str| {
        let mut world = World::new();
        let node = Alert::new("NodeDown", "", "critical", 0.0).label("node", "node-7");
        world.say(0.5, &node);
        let alert = of("SlowResponses", "mail", "warning", 1.0).label("instance", instance);
        world.say(1.5, &alert);
        world.episode(2).incident()
    };
    assert_eq!(beside("node-7:9100"), Some(IncidentId(1)));
    assert_eq!(beside("node-8:9100"), None);
}
