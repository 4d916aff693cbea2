//! What alerts say of each other where nothing ties them, and what speaks against a member.

use super::world::{Alert, World, minute};
use crate::domain::record::OperationAction;
use crate::domain::topology::{Edge, Placement};
use crate::domain::{ChangeKind, ChangeReport, Explanation, Labels, Name, RecordBody, Topology};

const SHOP: [(&str, &str); 5] = [
    ("shop-web", "shop-api"),
    ("shop-api", "shop-db"),
    ("shop-api", "shop-cache"),
    ("shop-api", "login"),
    ("mail", "mail-queue"),
];

/// A stream in which enough goes on for a coincidence, in two clusters.
fn busy(edges: &[(&str, &str)]) -> World {
    let mut world = World::with_edges(edges);
    for n in 0..3 {
        let start = f64::from(n);
        let noise = Alert::new(&format!("Noise{n}"), "stock", "warning", start);
        world.say(start + 0.2, &noise.label("cluster", "us"));
        let noise = Alert::new(&format!("Noise{n}"), "mail-queue", "warning", start);
        world.say(start + 0.3, &noise.label("cluster", "eu"));
    }
    world
}

fn alert(name: &str, service: &str, severity: &str, start: f64) -> Alert {
    Alert::new(name, service, severity, start).label("cluster", "eu")
}

/// How the newest alert was weighed.
fn weighed(world: &World) -> &Explanation {
    world.committed.explanations.values().next_back().unwrap()
}

/// The points of one piece of evidence about the newest alert, in hundredths.
fn points(world: &World, name: &str) -> Option<i64> {
    let term = weighed(world).terms.iter().find(|term| term.name == name)?;
    #[expect(clippy::cast_possible_truncation, reason = "a few points")]
    let hundredths = (term.points * 100.0).round() as i64;
    Some(hundredths)
}

fn change(kind: ChangeKind, service: &str, at: f64) -> OperationAction {
    OperationAction::ReportChange(ChangeReport {
        key: None,
        at: minute(at),
        ends_at: None,
        kind,
        service: Some(Name::from(service)),
        summary: "Release 42".to_owned(),
        author: None,
        link: None,
        labels: Labels::default(),
        source: Name::from("api"),
    })
}

#[test]
fn a_cache_that_lost_its_contents_explains_the_load_of_a_store_beside_it() {
    for (cache_at, sign, expect) in [
        (10.0, "PostgresSlowQueries", Some(200)),
        (10.0, "CertificateExpiresSoon", None),
        // The store suffered long before.
        (20.0, "PostgresSlowQueries", None),
    ] {
        let mut world = busy(&SHOP);
        let mut said = [
            (cache_at, alert("CacheHitRatioLow", "shop-cache", "warning", cache_at)),
            (12.0, alert(sign, "shop-db", "warning", 12.0)),
        ];
        said.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at, alert) in said {
            world.say(at + 0.2, &alert);
        }
        assert_eq!(points(&world, "cold_cache"), expect, "{cache_at} {sign}");
    }
}

#[test]
fn what_fills_up_may_alert_long_before_its_own_service_breaks() {
    for (sign, expect) in [("MemoryNearLimit", "apart_filling"), ("CpuThrottlingHigh", "apart")] {
        let mut world = busy(&SHOP);
        world.say(10.2, &alert(sign, "shop-api", "critical", 10.0));
        world.say(22.2, &alert("HighErrorRate", "shop-api", "warning", 22.0));
        let names = ["apart", "apart_slow", "apart_filling"];
        let told: Vec<&str> =
            names.into_iter().filter(|name| points(&world, name).is_some()).collect();
        assert_eq!(told, [expect], "{sign}");
    }
}

#[test]
fn a_strain_or_a_late_cause_elsewhere_is_no_part_of_it_where_no_graph_ties_them() {
    for (sign, start, namespace, expect) in [
        ("CpuThrottlingHigh", 11.0, "", Some("strain_alone")),
        ("CacheHitRatioLow", 9.0, "", Some("strain_alone")),
        ("CpuThrottlingHigh", 11.0, "shop", None),
        ("PodCrashLooping", 9.5, "", Some("strain_alone")),
        ("OOMKills", 13.0, "", Some("late_cause")),
        ("OOMKills", 9.5, "", None),
        ("ServiceDown", 13.0, "", None),
        ("HighLatency", 13.0, "", None),
    ] {
        let mut world = busy(&[]);
        let errors = alert("HighErrorRate", "shop-web", "critical", 10.0);
        world.say(10.2, &errors.label("namespace", "shop"));
        let other = alert(sign, "billing", "warning", start);
        let other = if namespace.is_empty() { other } else { other.label("namespace", namespace) };
        world.say(start.max(10.3) + 0.2, &other);
        let names = ["strain_alone", "late_cause"];
        let told = names.into_iter().find(|name| points(&world, name).is_some());
        assert_eq!(told, expect, "{sign} at {start} in {namespace:?}: {:?}", weighed(&world));
    }
}

#[test]
fn a_service_changed_since_the_incident_began_is_more_likely_a_trouble_of_its_own() {
    use ChangeKind::{Deploy, Flag, Scaling};
    for (service, changed, kind, changed_at, expect) in [
        ("login", "login", Deploy, 11.0, Some(-300)),
        ("login", "login", Flag, 11.0, Some(-300)),
        ("login", "login", Scaling, 11.0, None),
        ("login", "shop-db", Deploy, 11.0, None),
        // Before the incident began.
        ("login", "login", Deploy, 9.0, None),
        // The incident explains its callers, whatever was changed.
        ("shop-web", "shop-web", Deploy, 11.0, None),
    ] {
        let mut world = busy(&SHOP);
        let say = |world: &mut World, name: &str, service: &str, severity: &str, at: f64| {
            world.say(at + 0.2, &alert(name, service, severity, at).label("namespace", "shop"));
        };
        say(&mut world, "HighErrorRate", "shop-api", "critical", 10.0);
        say(&mut world, "HighLatency", "shop-api", "warning", 10.1);
        world.act(f64::max(changed_at, 11.0), change(kind, changed, changed_at));
        say(&mut world, "HighErrorRate", service, "warning", 11.5);
        let told = points(&world, "own_change");
        assert_eq!(told, expect, "{service}, {changed} changed at {changed_at}: {kind}");
    }
}

#[test]
fn a_crash_is_not_what_becomes_of_a_service_whose_machine_died() {
    for (sign, expect) in [("PodCrashLooping", Some(200)), ("TargetDown", Some(825))] {
        let mut world = World::new();
        let place = Placement {
            service: Name::from("shop-db"),
            nodes: vec![Name::from("n1")],
            cluster: None,
        };
        let topology = Topology { edges: vec![], placement: vec![place] };
        world.append(minute(0.0), RecordBody::Topology(topology));
        let mut died = Alert::new("NodeDown", "", "critical", 1.0).label("node", "n1");
        died.labels.retain(|(name, _)| name != "service");
        world.say(1.2, &died);
        world.say(2.2, &Alert::new(sign, "shop-db", "warning", 2.0));
        assert_eq!(points(&world, "placed"), expect, "{sign}: {:?}", weighed(&world));
    }
}

/// The cluster of `busy`, with the machines of two services.
fn busy_with_machines() -> World {
    let mut world = busy(&[]);
    let call = |(caller, callee): &(&str, &str)| Edge {
        caller: Name::from(*caller),
        callee: Name::from(*callee),
        cluster: None,
    };
    let place = |(service, node): (&str, &str)| Placement {
        service: Name::from(service),
        nodes: vec![Name::from(node)],
        cluster: None,
    };
    let topology = Topology {
        edges: SHOP.iter().map(call).collect(),
        placement: [("login", "n1"), ("shop-db", "n2")].map(place).into(),
    };
    world.append(minute(5.0), RecordBody::Topology(topology));
    world
}

#[test]
fn what_trouble_begins_with_explains_nothing_that_was_there_minutes_before() {
    for (first, sign, place, start, expect) in [
        // In full from ten minutes on, the half of it at five.
        (("HighErrorRate", "login"), "NodeDown", "n1", 20.0, Some(-1000)),
        (("HighErrorRate", "login"), "NodeDown", "n1", 15.0, Some(-500)),
        (("HighErrorRate", "login"), "CoreDNSErrorsHigh", "coredns", 15.0, Some(-500)),
        (("HighErrorRate", "login"), "MemoryNearLimit", "login", 15.0, Some(-500)),
        // Checks and their waiting times differ.
        (("HighErrorRate", "login"), "NodeDown", "n1", 13.5, None),
        // What lost its place shows the end of its machine before the machine does.
        (("TargetDown", "login"), "NodeDown", "n1", 15.0, None),
        // So does a caller, or the service itself, of what broke.
        (("HighErrorRate", "shop-api"), "FilesystemAlmostOutOfSpace", "shop-db", 15.0, None),
        // What others suffer from it comes after it.
        (("HighErrorRate", "login"), "HighErrorRate", "shop-api", 15.0, None),
    ] {
        let mut world = busy_with_machines();
        let say = |world: &mut World, (name, service): (&str, &str), severity: &str, at: f64| {
            let mut said = alert(name, service, severity, at).label("namespace", "shop");
            if name.starts_with("Node") {
                said.labels.retain(|(label, _)| label != "service");
                said = said.label("node", service);
            }
            world.say(at + 0.2, &said);
        };
        say(&mut world, first, "critical", 10.0);
        // What came a moment ago ties it well enough for an objection to be asked for.
        let mut near_at = 11.0;
        while near_at < start {
            let near = alert(&format!("HighLatency{near_at}"), "login", "critical", near_at);
            world.say(near_at + 0.2, &near.label("namespace", "shop").label("node", "n1"));
            near_at += 1.0;
        }
        say(&mut world, (sign, place), "warning", start);
        let told = points(&world, "late_origin");
        assert_eq!(told, expect, "{first:?}, {sign} at {start}: {:?}", weighed(&world));
    }
}

#[test]
fn a_direct_tie_to_what_began_a_moment_ago_tells_the_cluster() {
    for (edges, service, start, expect) in [
        (&SHOP[..], "shop-api", 11.0, ("unknown_tied", -75)),
        (&SHOP[..], "shop-web", 12.0, ("unknown_tied", -75)),
        (&SHOP[..], "shop-api", 16.0, ("unknown_cluster", -275)),
        (&SHOP[..], "mail", 11.0, ("unknown_cluster", -275)),
        // Without a graph nothing but the name ties them, which every cluster has.
        (&[], "shop-api", 11.0, ("unknown_tied", -375)),
    ] {
        let mut world = busy(edges);
        let first = alert("HighErrorRate", "shop-api", "critical", 10.0);
        world.say(10.2, &first.label("namespace", "shop"));
        let bare = Alert::new("HighLatency", service, "warning", start);
        world.say(start + 0.2, &bare.label("namespace", "shop"));
        let names = ["unknown_cluster", "unknown_tied"];
        let told = names.into_iter().find_map(|name| Some((name, points(&world, name)?)));
        assert_eq!(told, Some(expect), "{service} at {start}: {:?}", weighed(&world));
    }
}
