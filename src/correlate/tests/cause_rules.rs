//! Two outages that meet at a shared service, and what an incident takes in beside its cause.

use std::collections::BTreeSet;

use super::world::{Alert, World};
use crate::domain::{Episode, IncidentId, Standing};

/// A shop whose front calls an application, which calls a login and a database of its own; the
/// stream is busy with others.
fn busy_shop() -> World {
    let mut world = World::with_edges(&[
        ("shop-web", "shop-api"),
        ("shop-api", "login"),
        ("shop-api", "shop-db"),
        ("news-api", "news-db"),
        ("mail", "mail-queue"),
    ]);
    for (n, start) in [0.0, 1.0, 2.0].into_iter().enumerate() {
        world.say(start + 0.2, &Alert::new(&format!("Noise{n}"), "mail", "warning", start));
    }
    world
}

fn alert(name: &str, service: &str, start: f64) -> Alert {
    Alert::new(name, service, "critical", start)
}

/// Where the firings of a service are, in the order in which they were heard.
fn incidents_of(world: &World, service: &str) -> Vec<Option<IncidentId>> {
    let episodes = world.committed.episodes.values();
    let of = episodes.filter(|e| e.service.as_ref().is_some_and(|s| s.as_str() == service));
    of.map(Episode::incident).collect()
}

fn incident_of(world: &World, service: &str) -> Option<IncidentId> {
    incidents_of(world, service)[0]
}

#[test]
fn a_second_cause_below_a_caller_that_another_cause_explains_is_an_outage_of_its_own() {
    let mut world = busy_shop();
    world.say(10.2, &alert("CertificateExpired", "login", 10.0));
    world.say(12.2, &alert("HighErrorRate", "shop-api", 12.0));
    world.say(15.2, &alert("DiskFull", "shop-db", 15.0));
    assert_eq!(incident_of(&world, "login"), incident_of(&world, "shop-api"));
    assert_ne!(incident_of(&world, "shop-db"), incident_of(&world, "login"));
}

#[test]
fn a_caller_that_another_service_explains_says_less_about_the_next_one_below_it() {
    let reason_with = |cause: Option<&Alert>| {
        let mut world = World::with_edges(&[
            ("shop-api", "login"),
            ("shop-api", "shop-db"),
            ("news-api", "news-db"),
        ]);
        cause.into_iter().for_each(|cause| {
            world.say(10.2, cause);
        });
        world.say(12.2, &alert("HighErrorRate", "shop-api", 12.0));
        world.say(13.2, &alert("HighLatency", "shop-db", 13.0));
        world.committed.episodes.values().next_back().unwrap().reason.to_string()
    };
    let told = "another service that the nearest calls explains it already (-1.0)";
    let expired = alert("CertificateExpired", "login", 10.0);
    assert!(reason_with(Some(&expired)).contains(told), "{}", reason_with(Some(&expired)));
    let elsewhere = alert("CertificateExpired", "news-db", 10.0);
    for cause in [None, Some(&elsewhere)] {
        assert!(!reason_with(cause).contains("explains"), "{}", reason_with(cause));
    }
}

#[test]
fn what_does_not_reach_the_cause_by_its_calls_is_weighed_for_less_where_much_goes_on() {
    let reason_at = |service: &str| {
        let mut world = busy_shop();
        world.say(10.2, &alert("CertificateExpired", "login", 10.0));
        world.say(10.4, &alert("HighErrorRate", "shop-api", 10.2));
        world.say(10.8, &alert("HighErrorRate", service, 10.4));
        world.committed.episodes.values().next_back().unwrap().reason.to_string()
    };
    let beside = reason_at("shop-db");
    assert!(beside.contains("it does not reach the cause by its calls (-1.5)"), "{beside}");
    let above = reason_at("shop-web");
    assert!(!above.contains("does not reach"), "{above}");
}

#[test]
fn a_cause_below_a_caller_that_nothing_explains_joins_it() {
    let mut world = busy_shop();
    world.say(12.2, &alert("HighErrorRate", "shop-api", 12.0));
    world.say(13.2, &alert("DiskFull", "shop-db", 11.5));
    assert_eq!(incident_of(&world, "shop-db"), incident_of(&world, "shop-api"));
}

#[test]
fn what_fell_after_the_service_that_it_calls_is_no_second_cause() {
    let mut world = busy_shop();
    world.say(10.2, &alert("DiskFull", "shop-db", 10.0));
    world.say(11.2, &alert("HighErrorRate", "shop-api", 11.0));
    world.say(12.2, &alert("PodCrashLooping", "shop-api", 12.0));
    let shop: BTreeSet<_> =
        ["shop-db", "shop-api"].map(|s| incidents_of(&world, s)).concat().into_iter().collect();
    assert_eq!(shop, BTreeSet::from([incident_of(&world, "shop-db")]));
}

#[test]
fn an_alert_that_is_over_does_not_join_because_it_fires_again_in_an_incident() {
    let mut world = busy_shop();
    let latency = |start| Alert::new("HighLatency", "shop-web", "warning", start);
    world.say(3.2, &latency(3.0));
    world.say(5.2, &latency(3.0).over(5.0));
    world.say(40.2, &alert("HighErrorRate", "shop-api", 40.0));
    world.say(41.2, &latency(41.0));
    let firings: Vec<_> = world
        .committed
        .episodes
        .values()
        .filter(|e| e.alertname() == "HighLatency")
        .map(|e| e.incident())
        .collect();
    assert_eq!(firings, [None, incident_of(&world, "shop-api")]);
}

#[test]
fn a_flapper_that_opened_an_outage_of_many_does_not_keep_it_open() {
    let mut world = busy_shop();
    let target = |start| alert("TargetDown", "shop-db", start);
    world.say(10.2, &target(10.0));
    for (name, service) in
        [("HighErrorRate", "shop-api"), ("HighLatency", "shop-api"), ("ProbeFailed", "shop-web")]
    {
        world.say(12.2, &alert(name, service, 12.0));
    }
    world.say(14.2, &target(10.0).over(14.0));
    for name in ["HighErrorRate", "HighLatency"] {
        world.say(15.2, &alert(name, "shop-api", 12.0).over(15.0));
    }
    // Of the end of ProbeFailed nobody tells.
    for start in [20.0, 45.0, 80.0, 100.0] {
        world.say(start + 0.2, &target(start));
        world.say(start + 2.2, &target(start).over(start + 2.0));
    }
    let last = world.committed.episodes.values().next_back().unwrap();
    let reasons: Vec<_> = world.committed.episodes.values().map(|e| &e.reason).collect();
    assert_eq!(last.standing, Standing::Flapping, "{reasons:#?}");
    assert_eq!(last.incident(), None);
}
