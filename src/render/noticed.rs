//! How an incident came to light, and who took it: sentences with both clocks.
//!
//! Texts here may hold words from outside; the writers escape every one of them.

use super::report::{Layout, Line, text};
use super::sections::{measure, milestone, milestone_at};
use super::tables::length_in_words;
use crate::domain::Episode;
use crate::domain::draft::Section;
use crate::domain::milestone::{Measure, Milestone};
use crate::domain::timeline::{EntryId, Provenance};
use crate::timeline::{self, words};

/// How it came to light.
pub(super) fn detection(layout: &Layout<'_>) -> Vec<Line> {
    let clocks = &layout.clocks;
    let draft = layout.draft;
    let find = |id: Option<_>| layout.alert(id?);
    let mut lines: Vec<Line> = Vec::new();
    let detected = milestone(layout, Milestone::Detection);
    match (detected.and_then(|m| m.at), find(draft.detection.episode)) {
        (Some(at), _) if detected.is_some_and(|m| m.provenance == Some(Provenance::Entered)) => {
            lines.push(vec![text(format!("Detected at {} (set by a person).", clocks.exact(at)))]);
        }
        (Some(at), Some(alert)) => {
            let sources: Vec<&str> = alert.sources.iter().map(|s| s.as_str()).collect();
            lines.push(vec![text(format!(
                "Detected at {} by the alert {} ({}, from {}).",
                clocks.exact(at),
                words::name(alert),
                alert.severity,
                words::list(&sources)
            ))]);
        }
        (Some(at), None) => {
            let told = detected.and_then(|m| entry_text(layout, m.entry.as_ref()?));
            let told = told.map_or_else(String::new, |told| format!(": {told}"));
            lines.push(vec![text(format!("Detected at {}{told}.", clocks.exact(at)))]);
        }
        (None, _) => lines.push(vec![text("When it was detected is not known.")]),
    }
    lines.extend(find(draft.detection.episode).and_then(|alert| heard_late(layout, alert)));
    if let Some(first) = find(draft.detection.first_sign) {
        lines.push(vec![text(format!(
            "The first sign was {} ({}) at {}.",
            words::name(first),
            first.severity,
            clocks.exact(first.starts_at())
        ))]);
    }
    if draft.detection.onset_is_detection {
        lines.push(vec![text(
            "The onset is read from the same alert, so how long users suffered before it is not \
             known.",
        )]);
    } else if let Some(length) = length(layout, Measure::TimeToDetect) {
        lines.push(vec![text(format!("Time to detect: {length}."))]);
    }
    if let Some(at) = milestone_at(layout, Milestone::Notification) {
        lines.push(vec![text(format!("First notification at {}.", clocks.exact(at)))]);
    }
    lines
}

/// When the alert that should have made somebody act was heard of, where that was late.
fn heard_late(layout: &Layout<'_>, alert: &Episode) -> Option<Line> {
    let delay = timeline::delay(alert.starts_at(), alert.received_at)?;
    if layout.draft.is_afterthought {
        return None;
    }
    let heard = layout.clocks.exact(alert.received_at);
    Some(vec![text(format!("The alert was heard of at {heard}, {delay} after it began to fire."))])
}

/// Who took it, and how soon.
pub(super) fn acknowledgement(layout: &Layout<'_>) -> Option<Line> {
    let Some(value) = milestone(layout, Milestone::Acknowledgement).filter(|v| v.at.is_some())
    else {
        let gap = layout.gap(Section::Acknowledgement);
        return match gap {
            Some(gap) => Some(vec![text("No acknowledgement was recorded. "), gap]),
            None if layout.draft.state.is_running() => {
                Some(vec![text("Nobody has acknowledged it yet.")])
            }
            None => None,
        };
    };
    let by = value
        .entry
        .as_ref()
        .and_then(|id| layout.draft.timeline.iter().find(|e| e.id == *id)?.actor.clone())
        .map_or_else(String::new, |actor| format!(" by {actor}"));
    let length = length(layout, Measure::TimeToAcknowledge)
        .map_or_else(String::new, |length| format!("; time to acknowledge: {length}"));
    Some(vec![text(format!("Acknowledged at {}{by}{length}.", layout.clocks.exact(value.at?)))])
}

fn entry_text<'a>(layout: &Layout<'a>, id: &EntryId) -> Option<&'a str> {
    layout.draft.timeline.iter().find(|entry| entry.id == *id).map(|entry| entry.text.as_str())
}

fn length(layout: &Layout<'_>, which: Measure) -> Option<String> {
    measure(layout, which).and_then(|value| length_in_words(layout.draft, value))
}
