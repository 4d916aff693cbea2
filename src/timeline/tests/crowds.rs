//! Many alerts of one rule: what tells them apart, and how they become one line.

use super::{draft, find, texts};
use crate::domain::incident::{LifecycleKind, NoteKind};
use crate::domain::timeline::Phase;
use crate::domain::{EpisodeId, Facts, Severity};
use crate::timeline::examples::Story;
use crate::timeline::{collapse, entries};

/// Alerts of one rule and service, with a start and labels each; all end at noon.
fn crowd(severity: Severity, alerts: &[(&str, &[(&str, &str)])]) -> Facts {
    let mut story = Story::new("2026-03-04", "Trouble");
    for (start, labels) in alerts {
        let mut alert = story.alert("ProbeFailed", "shop", severity, start);
        for (name, value) in *labels {
            alert = alert.labelled(name, value);
        }
        alert.annotated("summary", "Probe failed").ended("12:00");
    }
    story.resolved("12:30")
}

#[test]
fn alerts_of_one_name_are_told_apart_by_the_label_that_does_it_best() {
    let check = |alerts: &[&[(&str, &str)]], start: &str, end: &str| {
        let alerts: Vec<_> = alerts.iter().map(|labels| ("10:00", *labels)).collect();
        let all = entries(&crowd(Severity::Critical, &alerts));
        assert_eq!(all[0].text, start, "{alerts:?}");
        find(&all, end);
    };
    let alone = "Probe failed on shop (ProbeFailed, critical)";
    check(&[&[]], alone, "shop recovered: ProbeFailed ended after 2h");
    // The pod, instance or node where it differs.
    check(
        &[&[("pod", "shop-1"), ("region", "eu")], &[("pod", "shop-2"), ("region", "us")]],
        "Probe failed on shop (ProbeFailed, pod shop-1, critical)",
        "ProbeFailed on shop (shop-1) ended after 2h",
    );
    // Another label where it does not, the one with the shortest values.
    check(
        &[
            &[("instance", "https://shop"), ("probe", "probe-eu"), ("region", "eu")],
            &[("instance", "https://shop"), ("probe", "probe-us"), ("region", "us")],
        ],
        "Probe failed on shop (ProbeFailed, region eu, critical)",
        "ProbeFailed on shop (region eu) ended after 2h",
    );
    // What differs and says nothing.
    check(
        &[&[("uid", "1"), ("replica", "a")], &[("uid", "2"), ("replica", "b")]],
        alone,
        "ProbeFailed on shop ended after 2h",
    );
    // One alert names the part that it is about.
    check(
        &[&[("mountpoint", "/var"), ("device", "sda1")]],
        "Probe failed on shop (ProbeFailed, mountpoint /var, critical)",
        "shop recovered: ProbeFailed ended after 2h",
    );
}

#[test]
fn a_storm_names_what_it_hit() {
    let regions = ["eu", "us", "sa"].map(|region| [("region", region)]);
    let alerts: Vec<_> = regions.iter().map(|labels| ("10:00", labels.as_slice())).collect();
    let folded = collapse(entries(&crowd(Severity::Critical, &alerts)));
    find(&folded, "ProbeFailed fired on 3 regions of shop (eu, us and sa) (critical)");
    find(&folded, "shop recovered: ProbeFailed ended on 3 regions");
    let statuses = ["proxy", "status"].map(|label| ["a", "b", "c"].map(|value| [(label, value)]));
    for (labels, expect) in statuses.iter().zip(["3 proxies of shop", "3 values of status of shop"])
    {
        let alerts: Vec<_> = labels.iter().map(|labels| ("10:00", labels.as_slice())).collect();
        find(&collapse(entries(&crowd(Severity::Critical, &alerts))), expect);
    }
}

#[test]
fn what_began_as_a_storm_is_one_line_with_the_alert_that_made_somebody_act() {
    let pods = ["1", "2", "3", "4"].map(|pod| [("pod", pod)]);
    let starts = ["10:00", "10:01", "10:02", "10:03"];
    let alerts: Vec<_> = starts.into_iter().zip(pods.iter().map(|pod| pod.as_slice())).collect();
    let mut facts = crowd(Severity::Warning, &alerts);
    let opened = |facts: &mut Facts, number: usize| {
        let (at, episode) = (facts.members[number].starts_at(), EpisodeId(number as u64 + 1));
        facts.incident.opening = crate::domain::incident::Opening::Alert { episode, at };
    };
    opened(&mut facts, 1);
    let folded = collapse(entries(&facts));
    assert_eq!(folded[0].text, "ProbeFailed fired on 4 pods of shop (warning)");
    assert_eq!(folded[0].phase, Phase::Detection);
    assert_eq!(draft(&facts).timeline[0].rows.len(), 4);
}

#[test]
fn one_rule_on_the_pods_of_many_services_is_one_line() {
    let mut story = Story::new("2026-03-04", "Trouble");
    for service in 0..8 {
        for pod in 0..3 {
            let name = format!("s{service}");
            story
                .alert("PodNotReady", &name, Severity::Critical, "10:00")
                .labelled("pod", &format!("{name}-{pod}"))
                .ended("10:30");
        }
    }
    let folded = collapse(entries(&story.resolved("11:00")));
    find(&folded, "PodNotReady fired on 24 pods of 8 services: s0, s1, s2 and 5 more (critical)");
    find(&folded, "PodNotReady ended on 24 pods of 8 services: s0, s1, s2 and 5 more");
    assert_eq!(folded.len(), 4, "with peak and resolution: {:#?}", texts(&folded));
}

#[test]
fn an_end_that_was_heard_after_all_stands_in_its_place() {
    let mut story = Story::new("2026-03-04", "Trouble");
    story.alert("Slow", "shop", Severity::Critical, "08:00").ended("09:00");
    story.alert("Low", "shop", Severity::Warning, "08:30").ended("11:00");
    story.event("09:00", LifecycleKind::Resolved, None).event(
        "11:02",
        LifecycleKind::Reopened("the end of Low on shop was heard after all".to_owned()),
        None,
    );
    let all = entries(&story.resolved("12:00"));
    let last: Vec<&str> = texts(&all).into_iter().rev().take(3).collect();
    assert_eq!(
        last,
        [
            "Resolved: all alerts have ended",
            "shop recovered: Low ended after 2h 30m",
            "Reopened: the end of Low on shop was heard after all",
        ]
    );
    find(&all, "Closed: nothing more was heard of what still fired");
}

#[test]
fn ends_in_a_row_that_bring_no_service_back_are_one_line() {
    let check = |services: [&str; 4], note: bool, expect: Option<&str>| {
        let mut story = Story::new("2026-03-04", "Trouble");
        let ends = ["11:00", "11:08", "11:16", "11:20"];
        for ((name, service), end) in
            ["Slow", "Errors", "Lag", "Down"].iter().zip(services).zip(ends)
        {
            story.alert(name, service, Severity::Critical, "10:00").ended(end);
        }
        for service in services {
            story.alert("Last", service, Severity::Critical, "10:00").ended("11:40");
        }
        if note {
            story.note("11:10", NoteKind::Observation, "Still slow", "dana");
        }
        let folded = collapse(entries(&story.resolved("12:00")));
        let row = folded.iter().find(|entry| entry.text.contains("alerts ended"));
        assert_eq!(row.map(|row| row.text.as_str()), expect, "{:#?}", texts(&folded));
        find(&folded, &format!("{} recovered: Last ended after 1h 40m", services[0]));
    };
    check(["shop"; 4], false, Some("4 alerts ended on shop: Slow, Errors, Lag and Down"));
    check(
        ["shop", "mail", "shop", "mail"],
        false,
        Some("4 alerts ended: Slow on shop, Errors on mail, Lag on shop and Down on mail"),
    );
    check(["shop"; 4], true, None);
}
