//! Sentences of a report that depend on when things were heard, and how exactly.

use super::printed;
use crate::domain::alert::EndKind;
use crate::domain::incident::{CaveatKind, NoteKind};
use crate::domain::{Facts, Link, Name, Severity};
use crate::render::Format;
use crate::timeline::examples::Story;

/// A report of one outage of a service, with what a test adds to it.
fn report(tell: impl FnOnce(&mut Story)) -> String {
    let mut story = Story::new("2026-03-04", "shop is down");
    tell(&mut story);
    printed(&story.resolved("20:00"), Format::Markdown)
}

fn has(report: &str, sentence: &str) {
    assert!(report.contains(sentence), "{sentence:?} is not in {report}");
}

#[test]
fn lengths_and_the_moments_they_lie_between_agree_to_the_second() {
    let told = report(|story| {
        story.alert("Down", "shop", Severity::Critical, "10:00:20").ended("10:03:05");
    });
    has(&told, "It lasted **2m 45s**, from 2026-03-04 10:00:20 to 2026-03-04 10:03:05.");
    has(&told, "| Onset | 10:00:20 | inferred | row 1 |");
    has(&told, "| 1 | 10:00 | Detection |");
    let days = report(|story| {
        story.alert("Down", "shop", Severity::Critical, "10:00:20").ended("2026-03-05T12:00:05Z");
    });
    has(&days, "from 2026-03-04 10:00 to 2026-03-05 12:00.");
}

#[test]
fn an_alert_that_was_heard_of_late_says_so_on_both_clocks() {
    let told = |heard: &str, deaf: bool| {
        report(|story| {
            story
                .alert("Down", "shop", Severity::Critical, "10:00")
                .heard(heard)
                .ended_how("13:00", EndKind::Reported);
            if deaf {
                story.caveat("11:00", Some("12:01"), CaveatKind::Deaf, "scribed was down for 1h");
            }
        })
    };
    let late = told("12:02", false);
    has(&late, "- The alert was heard of at 12:02, 2h 2m after it began to fire.");
    has(&late, "Deliver alerts sooner: Down on shop was heard of 2h 2m after it began to fire.");
    assert!(!told("10:04", false).contains("was heard of"));
    let deaf = told("12:02", true);
    has(&deaf, "heard of at 12:02");
    assert!(!deaf.contains("Deliver alerts sooner"), "that was our doing");
}

#[test]
fn a_length_that_cannot_be_is_called_invalid_wherever_it_is_told() {
    let told = report(|story| {
        story.alert("Down", "shop", Severity::Critical, "10:00").ended("13:00");
        story.acknowledged("09:01", "ana");
    });
    has(&told, "; time to acknowledge: invalid: -59m.");
    has(&told, "**invalid: -59m**");
}

#[test]
fn of_alerts_that_began_at_once_the_one_that_pages_is_the_first_sign() {
    let told = report(|story| {
        story.alert("Slow", "shop", Severity::Warning, "10:00").ended("11:00");
        story.alert("Down", "shop", Severity::Critical, "10:00").ended("11:00");
    });
    has(&told, "The onset is read from the same alert");
    has(&told, "**0s** (same alert)");
    assert!(!told.contains("The first sign was"), "{told}");
}

#[test]
fn what_nobody_would_be_paged_for_is_not_said_to_page() {
    let mut story = Story::new("2026-03-04", "shop is slow");
    story.alert("Lag", "shop", Severity::Warning, "10:00").ended("11:00");
    story.alert("Slow", "shop", Severity::Warning, "10:05").ended("11:00");
    let mut facts: Facts = story.resolved("12:00");
    let (episode, at) = (facts.members[1].id, facts.members[1].starts_at());
    facts.incident.opening = crate::domain::incident::Opening::Alert { episode, at };
    has(
        &printed(&facts, Format::Markdown),
        "Detect earlier: the alert that opened it came 5m after the onset; Lag on shop (warning) \
         had fired before it.",
    );
}

#[test]
fn a_cause_that_nobody_stated_points_at_the_last_diagnosis() {
    let told = report(|story| {
        story.alert("Down", "shop", Severity::Critical, "10:00").ended("11:00");
        story.note("10:20", NoteKind::Diagnosis, "The disk is full", "dana");
        story.note("10:40", NoteKind::Diagnosis, "Logs were never rotated", "dana");
    });
    has(
        &told,
        "**Root cause:** not stated yet; the last diagnosis, noted at 10:40: Logs were never \
         rotated.",
    );
    has(&told, "**Root cause:** **TODO** (Why did it happen?)");
}

#[test]
fn the_sender_s_panel_stands_beside_its_rule() {
    let told = report(|story| {
        let links = [("generator", "rule"), ("dashboard", "d"), ("panel", "d?viewPanel=2")];
        let links = links.map(|(rel, path)| Link {
            rel: Name::from(rel),
            url: format!("https://grafana.example.test/{path}").into(),
        });
        story
            .alert("Down", "shop", Severity::Critical, "10:00")
            .edit(|alert| alert.links = links.to_vec())
            .ended("11:00");
    });
    has(
        &told,
        "| [Down](https://grafana.example.test/rule), \
         [panel](https://grafana.example.test/d?viewPanel=2) | shop |",
    );
}
