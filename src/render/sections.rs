//! The sections of a report that tell the story in sentences.

use super::escape;
use super::report::{Block, Inline, Layout, Line, cell, strong, text};
use crate::domain::draft::Section;
use crate::domain::incident::{Action, ActionKind, CaveatKind, Horizon};
use crate::domain::milestone::{Measure, MeasureValue, Milestone, MilestoneValue};
use crate::domain::timeline::{Entry, EntryId, EntryKind, Phase, Provenance};
use crate::domain::{IncidentState, Timestamp};
use crate::timeline::words;

/// Begins a section.
pub(super) fn heading(blocks: &mut Vec<Block>, name: &str) {
    blocks.push(Block::Heading(2, name.to_owned()));
}

/// Adds a paragraph.
pub(super) fn paragraph(blocks: &mut Vec<Block>, line: Line) {
    blocks.push(Block::Paragraph(line));
}

/// What changed since the revision that the reader knows, or since the draft was final.
pub(super) fn since(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let Some(since) = &layout.draft.since else { return };
    heading(blocks, &format!("Changed since revision {}", since.revision));
    if since.revisions.is_empty() {
        paragraph(blocks, vec![text("Nothing.")]);
        return;
    }
    let line = |revision: &crate::domain::facts::Revision| {
        let what = revision.changes.join("; ");
        let at = layout.clocks.full(revision.at);
        vec![text(format!("Revision {} ({at}): {what}", revision.revision))]
    };
    blocks.push(Block::Bullets(since.revisions.iter().map(line).collect()));
}

/// How long, how bad, why.
pub(super) fn summary(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Issue summary");
    let summary = &layout.draft.summary;
    paragraph(blocks, duration(layout));
    let mut impact = vec![strong("Impact:"), text(" ")];
    let said = summary.impact.as_deref().map(escape::paragraphs).unwrap_or_default();
    match said.first() {
        Some(first) => impact.push(text(sentence(first.clone()))),
        None => impact.extend(layout.gap(Section::Impact)),
    }
    paragraph(blocks, impact);
    for more in said.into_iter().skip(1) {
        paragraph(blocks, vec![text(sentence(more))]);
    }
    if let Some(users) = users(layout) {
        paragraph(blocks, vec![strong("Users affected:"), text(format!(" {users}"))]);
    }
    if !summary.evidence.is_empty() {
        paragraph(
            blocks,
            vec![strong("Seen by the alerts:"), text(format!(" {}", summary.evidence))],
        );
    }
    match summary
        .root_cause
        .as_deref()
        .map(escape::paragraphs)
        .unwrap_or_default()
        .into_iter()
        .next()
    {
        Some(first) => {
            paragraph(blocks, vec![strong("Root cause:"), text(" "), text(sentence(first))])
        }
        None if layout.draft.candidate_causes.is_empty() => {
            paragraph(blocks, vec![strong("Root cause:"), text(" not known yet.")]);
        }
        None => paragraph(
            blocks,
            vec![strong("Root cause:"), text(" not known yet; see Candidate causes.")],
        ),
    }
    let pinned: Vec<Line> = layout
        .draft
        .timeline
        .iter()
        .filter(|entry| entry.pinned)
        .map(|entry| note_line(layout, entry))
        .collect();
    if !pinned.is_empty() {
        paragraph(blocks, vec![strong("Key moments:")]);
        blocks.push(Block::Bullets(pinned));
    }
}

/// A long text of a person behind its name, or the gap that waits for it.
fn long_text(
    layout: &Layout<'_>,
    blocks: &mut Vec<Block>,
    name: &str,
    said: Option<&str>,
    section: Section,
) {
    let mut paragraphs = said.map(escape::paragraphs).unwrap_or_default().into_iter();
    let mut line = vec![strong(name), text(" ")];
    match paragraphs.next() {
        Some(first) => line.push(text(sentence(first))),
        None => line.extend(layout.gap(section).or_else(|| Some(text("Not known yet.")))),
    }
    paragraph(blocks, line);
    blocks.extend(paragraphs.map(|more| Block::Paragraph(vec![text(sentence(more))])));
}

/// A person's words with a full stop where they lack an end.
fn sentence(words: String) -> String {
    if words.ends_with(char::is_alphanumeric) { words + "." } else { words }
}

fn duration(layout: &Layout<'_>) -> Line {
    let summary = &layout.draft.summary;
    let clocks = &layout.clocks;
    let is_running = layout.draft.state.is_running();
    let is_uncertain = layout.draft.caveats.iter().any(|c| c.kind == CaveatKind::EndUnknown);
    let doubt = if is_uncertain { " The end is uncertain: see Open questions." } else { "" };
    match (summary.started_at, summary.ended_at) {
        (Some(start), Some(end)) => {
            let ends = format!(
                "from {} to {}.{doubt}",
                clocks.full_with_utc(start),
                clocks.full_with_utc(end)
            );
            match summary.duration {
                Some(length) => vec![
                    text("It lasted "),
                    strong(words::duration(length)),
                    text(format!(", {ends}")),
                ],
                None => {
                    vec![text(format!("{} The end lies before the start.", words::capital(&ends)))]
                }
            }
        }
        (Some(start), None) if is_running => vec![
            strong("Still running"),
            text(format!(
                ", since {}: {} so far.{doubt}",
                clocks.full_with_utc(start),
                words::duration(layout.draft.as_of.max(start) - start)
            )),
        ],
        (Some(start), None) => {
            vec![text(format!(
                "It began at {}; its end is not known.",
                clocks.full_with_utc(start)
            ))]
        }
        (None, _) => vec![text("Its beginning is not known.")],
    }
}

fn users(layout: &Layout<'_>) -> Option<String> {
    let summary = &layout.draft.summary;
    let percent = summary.impact_users_percent.map(|p| format!("{}%", words::number(p)));
    match (summary.impact_users.map(thousands), percent) {
        (Some(users), Some(percent)) => Some(format!("{users} ({percent})")),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn milestone<'a>(layout: &Layout<'a>, which: Milestone) -> Option<&'a MilestoneValue> {
    layout.draft.milestones.iter().find(|value| value.milestone == which)
}

fn milestone_at(layout: &Layout<'_>, which: Milestone) -> Option<Timestamp> {
    milestone(layout, which)?.at
}

fn measure<'a>(layout: &Layout<'a>, which: Measure) -> Option<&'a MeasureValue> {
    layout.draft.measures.iter().find(|value| value.measure == which)
}

/// How it came to light, and how soon somebody acted.
pub(super) fn detection(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Detection");
    let clocks = &layout.clocks;
    let draft = layout.draft;
    let find = |id: Option<_>| layout.alert(id?);
    let mut lines: Vec<Line> = Vec::new();
    let detected = milestone(layout, Milestone::Detection);
    match (detected.and_then(|m| m.at), find(draft.detection.episode)) {
        (Some(at), _) if detected.is_some_and(|m| m.provenance == Some(Provenance::Entered)) => {
            lines.push(vec![text(format!("Detected at {} (set by a person).", clocks.short(at)))]);
        }
        (Some(at), Some(alert)) => {
            let sources: Vec<&str> = alert.sources.iter().map(|s| s.as_str()).collect();
            lines.push(vec![text(format!(
                "Detected at {} by the alert {} ({}, from {}).",
                clocks.short(at),
                words::subject(alert),
                alert.severity,
                words::list(&sources)
            ))]);
        }
        (Some(at), None) => {
            let told = detected.and_then(|m| entry_text(layout, m.entry.as_ref()?));
            let told = told.map_or_else(String::new, |told| format!(": {told}"));
            lines.push(vec![text(format!("Detected at {}{told}.", clocks.short(at)))]);
        }
        (None, _) => lines.push(vec![text("When it was detected is not known.")]),
    }
    if let Some(first) = find(draft.detection.first_sign) {
        lines.push(vec![text(format!(
            "The first sign was {} ({}) at {}.",
            words::subject(first),
            first.severity,
            clocks.short(first.starts_at())
        ))]);
    }
    if draft.detection.onset_is_detection {
        lines.push(vec![text(
            "The onset is read from the same alert, so how long users suffered before it is not \
             known.",
        )]);
    } else if let Some(length) = measure(layout, Measure::TimeToDetect).and_then(|m| m.length) {
        lines.push(vec![text(format!("Time to detect: {}.", words::duration(length)))]);
    }
    if let Some(at) = milestone_at(layout, Milestone::Notification) {
        lines.push(vec![text(format!("First notification at {}.", clocks.short(at)))]);
    }
    lines.extend(acknowledgement(layout));
    blocks.push(Block::Bullets(lines));
}

fn acknowledgement(layout: &Layout<'_>) -> Option<Line> {
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
    let length = measure(layout, Measure::TimeToAcknowledge).and_then(|m| m.length);
    let length = length.map_or_else(String::new, |length| {
        format!("; time to acknowledge: {}", words::duration(length))
    });
    Some(vec![text(format!("Acknowledged at {}{by}{length}.", layout.clocks.short(value.at?)))])
}

fn entry_text<'a>(layout: &Layout<'a>, id: &EntryId) -> Option<&'a str> {
    layout.draft.timeline.iter().find(|entry| entry.id == *id).map(|entry| entry.text.as_str())
}

/// A note with its time and author.
fn note_line(layout: &Layout<'_>, entry: &Entry) -> Line {
    let by = entry.actor.as_ref().map_or_else(String::new, |actor| format!(" ({actor})"));
    vec![text(format!("{}: {}{by}", layout.when(entry), entry.text))]
}

/// Why, how it was found, what was done, what ended it.
pub(super) fn cause_and_resolution(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Root cause and resolution");
    let summary = &layout.draft.summary;
    long_text(layout, blocks, "Root cause:", summary.root_cause.as_deref(), Section::RootCause);
    let lines = |is: &dyn Fn(&Entry) -> bool| -> Vec<Line> {
        layout.draft.timeline.iter().filter(|e| is(e)).map(|e| note_line(layout, e)).collect()
    };
    let found = lines(&|e| e.phase == Phase::Diagnosis && e.kind == EntryKind::Note);
    if !found.is_empty() {
        paragraph(blocks, vec![strong("How it was found:")]);
        blocks.push(Block::Bullets(found));
    }
    let done = lines(&|e| {
        e.phase == Phase::Mitigation && e.kind != EntryKind::Caveat && !is_set_milestone(e)
    });
    if !done.is_empty() {
        paragraph(blocks, vec![strong("What was done:")]);
        blocks.push(Block::Bullets(done));
    }
    match layout.draft.state {
        IncidentState::Open | IncidentState::Acknowledged | IncidentState::Mitigated
            if summary.resolution.is_none() =>
        {
            paragraph(
                blocks,
                vec![strong("Resolution:"), text(" not yet; the incident still runs.")],
            );
        }
        _ => long_text(
            layout,
            blocks,
            "Resolution:",
            summary.resolution.as_deref(),
            Section::Resolution,
        ),
    }
}

fn is_set_milestone(entry: &Entry) -> bool {
    Milestone::ALL.iter().any(|m| entry.id == EntryId::milestone(*m))
}

/// Suspicions that were not the cause.
pub(super) fn wrong_leads(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Wrong leads");
    notes(layout, blocks, &layout.draft.wrong_leads);
}

/// When others were called in.
pub(super) fn escalations(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Escalations");
    notes(layout, blocks, &layout.draft.escalations);
}

fn notes(layout: &Layout<'_>, blocks: &mut Vec<Block>, entries: &[Entry]) {
    if entries.is_empty() {
        paragraph(blocks, vec![text("None recorded.")]);
    } else {
        blocks.push(Block::Bullets(entries.iter().map(|e| note_line(layout, e)).collect()));
    }
}

/// What people want to do, and what the evidence suggests.
pub(super) fn measures_to_take(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Corrective and preventative measures");
    let draft = layout.draft;
    if let Some(gap) = layout.gap(Section::Actions) {
        paragraph(blocks, vec![gap]);
    }
    let of = |kind, horizon: Option<Option<Horizon>>| -> Vec<(bool, Line)> {
        draft
            .actions
            .iter()
            .filter(|a| a.draft.kind == kind && horizon.is_none_or(|h| a.draft.horizon == h))
            .map(|a| (a.draft.done, action_line(a)))
            .collect()
    };
    let improvements = of(ActionKind::Improvement, None);
    if !improvements.is_empty() {
        blocks.push(Block::Heading(3, "Improvements".to_owned()));
        blocks.push(Block::Checklist(improvements));
    }
    let tasks = of(ActionKind::Task, None);
    if !tasks.is_empty() {
        blocks.push(Block::Heading(3, "Tasks".to_owned()));
        let horizons = [
            (Some(Horizon::Immediate), "Immediate"),
            (Some(Horizon::ShortTerm), "Short-term"),
            (Some(Horizon::LongTerm), "Long-term"),
            (None, "Without a horizon"),
        ];
        let undated = of(ActionKind::Task, Some(None)).len();
        for (horizon, name) in horizons {
            let tasks_then = of(ActionKind::Task, Some(horizon));
            if tasks_then.is_empty() {
                continue;
            }
            if undated < tasks.len() {
                paragraph(blocks, vec![strong(format!("{name}:"))]);
            }
            blocks.push(Block::Checklist(tasks_then));
        }
    }
    if !draft.suggestions.is_empty() {
        blocks.push(Block::Heading(3, "Suggested by the evidence".to_owned()));
        paragraph(blocks, vec![text("Made by rule from the records; nobody has agreed to these.")]);
        let lines = draft.suggestions.iter().map(|s| cell(s.text.clone())).collect();
        blocks.push(Block::Bullets(lines));
    }
}

fn action_line(action: &Action) -> Line {
    let mut about = Vec::new();
    about.extend(action.draft.owner.clone());
    about.extend(action.draft.due.as_ref().map(|due| format!("due {due}")));
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    let mut line = vec![text(format!("{}{about}", action.draft.text))];
    if let Some(url) = &action.draft.link {
        line.extend([text(" "), Inline::Link { text: "ticket".to_owned(), url: url.clone() }]);
    }
    line
}
