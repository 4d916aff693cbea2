//! The sections of a report that tell the story in sentences.

use super::escape;
use super::report::{Block, Inline, Layout, Line, cell, strong, text};
use crate::domain::draft::Section;
use crate::domain::facts::Revision;
use crate::domain::incident::{Action, ActionKind, CaveatKind, Horizon};
use crate::domain::milestone::{Measure, MeasureValue, Milestone, MilestoneValue};
use crate::domain::timeline::{Entry, EntryId, EntryKind, Phase};
use crate::domain::{Episode, IncidentState, Span, Timestamp};
use crate::timeline::words;

/// What helped against an alert shows in its end within this.
const EFFECT_SEEN_WITHIN: Span = Span::from_hours(1);
/// Longest diagnosis that the summary quotes, in characters.
const DIAGNOSIS_CHARS_MAX: usize = 200;
/// Most changes of one list; the timeline has them all.
const CHANGES_MAX: usize = 10;

/// Begins a section.
pub(super) fn heading(blocks: &mut Vec<Block>, name: &str) {
    blocks.push(Block::Heading(2, name.to_owned()));
}

/// Adds a paragraph.
pub(super) fn paragraph(blocks: &mut Vec<Block>, line: Line) {
    blocks.push(Block::Paragraph(line));
}

/// What changed since the revision that the reader knows.
pub(super) fn since(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let Some(since) = &layout.draft.since else { return };
    let all: Vec<&Revision> = since.revisions.iter().collect();
    changed(layout, blocks, &format!("Changed since revision {}", since.revision), &all);
}

/// What changed around a final draft: up to it, as far as the reader does not know it, and since.
pub(super) fn later(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let (Some(since), Some(reviewed)) = (&layout.draft.since, &layout.draft.finalised) else {
        return;
    };
    let (before, after): (Vec<&Revision>, Vec<&Revision>) =
        since.revisions.iter().partition(|revision| revision.revision <= reviewed.revision);
    if !before.is_empty() {
        let name = format!("Changed since revision {}", since.revision);
        changed(layout, blocks, &name, &before);
    }
    let name = format!("Since final (revision {})", reviewed.revision);
    changed(layout, blocks, &name, &after);
}

fn changed(layout: &Layout<'_>, blocks: &mut Vec<Block>, name: &str, revisions: &[&Revision]) {
    heading(blocks, name);
    if revisions.is_empty() {
        paragraph(blocks, vec![text("Nothing.")]);
        return;
    }
    let line = |revision: &&Revision| {
        let what = revision.changes.join("; ");
        let at = layout.clocks.full(revision.at);
        vec![text(format!("Revision {} ({at}): {what}", revision.revision))]
    };
    blocks.push(Block::Bullets(revisions.iter().map(line).collect()));
}

/// How long it lasted.
pub(super) fn length(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    paragraph(blocks, duration(layout));
}

/// What people said about the impact, and whom it hit; without a name where the heading says it.
pub(super) fn impact(layout: &Layout<'_>, blocks: &mut Vec<Block>, name: Option<&str>) {
    let summary = &layout.draft.summary;
    long_text(layout, blocks, name, summary.impact.as_deref(), Section::Impact);
    if let Some(users) = users(layout) {
        paragraph(blocks, vec![strong("Users affected:"), text(format!(" {users}"))]);
    }
}

/// What the alerts say about the impact.
pub(super) fn evidence(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let evidence = &layout.draft.summary.evidence;
    if !evidence.is_empty() {
        paragraph(blocks, vec![strong("Seen by the alerts:"), text(format!(" {evidence}"))]);
    }
}

/// Why it happened, in one line, or where to look.
pub(super) fn cause_in_short(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let said = layout.draft.summary.root_cause.as_deref().map(escape::paragraphs);
    let is_note = |e: &&Entry| e.phase == Phase::Diagnosis && e.kind == EntryKind::Note;
    let noted = layout.draft.timeline.iter().rev().find(is_note);
    let line = match (said.unwrap_or_default().into_iter().next(), noted) {
        (Some(first), _) => format!(" {}", sentence(first)),
        (None, Some(noted)) => {
            let noted_at = layout.clocks.short(noted.occurred_at);
            let words = words::one_line(&noted.text, DIAGNOSIS_CHARS_MAX);
            format!(" not stated yet; the last diagnosis, noted at {noted_at}: {}", sentence(words))
        }
        (None, None) if layout.draft.candidate_causes.is_empty() => " not known yet.".to_owned(),
        (None, None) => " not known yet; see Candidate causes.".to_owned(),
    };
    paragraph(blocks, vec![strong("Root cause:"), text(line)]);
}

/// What people pinned.
pub(super) fn key_moments(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let pinned = lines_of(layout, |entry| entry.pinned);
    named_list(blocks, "Key moments:", pinned);
}

/// Lines of the timeline that are picked for a section.
pub(super) fn lines_of(layout: &Layout<'_>, is_picked: impl Fn(&Entry) -> bool) -> Vec<Line> {
    let picked = layout.draft.timeline.iter().filter(|entry| is_picked(entry));
    picked.map(|entry| note_line(layout, entry)).collect()
}

/// A list behind its name; nothing when it is empty.
pub(super) fn named_list(blocks: &mut Vec<Block>, name: &str, lines: Vec<Line>) {
    if !lines.is_empty() {
        paragraph(blocks, vec![strong(name)]);
        blocks.push(Block::Bullets(lines));
    }
}

/// Changes behind their name, the first of them where there are many.
fn changed_list(blocks: &mut Vec<Block>, name: &str, mut lines: Vec<Line>) {
    let more = lines.len().saturating_sub(CHANGES_MAX);
    lines.truncate(CHANGES_MAX);
    if more > 0 {
        lines.push(vec![text(format!("And {more} more; the timeline has them all."))]);
    }
    named_list(blocks, name, lines);
}

/// A long text of a person behind its name, if it has one, or the gap that waits for it.
fn long_text(
    layout: &Layout<'_>,
    blocks: &mut Vec<Block>,
    name: Option<&str>,
    said: Option<&str>,
    section: Section,
) {
    let mut paragraphs = said.map(escape::paragraphs).unwrap_or_default().into_iter();
    let mut line = name.map_or_else(Vec::new, |name| vec![strong(name), text(" ")]);
    match paragraphs.next() {
        Some(first) => line.push(text(sentence(first))),
        None => line.extend(layout.gap(section).or_else(|| Some(text("Not known yet.")))),
    }
    paragraph(blocks, line);
    blocks.extend(paragraphs.map(|more| Block::Paragraph(vec![text(sentence(more))])));
}

/// A person's words with a full stop where they lack an end.
pub(super) fn sentence(words: String) -> String {
    if words.ends_with(char::is_alphanumeric) { words + "." } else { words }
}

fn duration(layout: &Layout<'_>) -> Line {
    let summary = &layout.draft.summary;
    let clocks = &layout.clocks;
    let is_running = layout.draft.state.is_running();
    let is_uncertain = layout.draft.caveats.iter().any(|c| c.kind == CaveatKind::EndUnknown);
    let doubt =
        if is_uncertain { " The end is uncertain: see what the records cannot say." } else { "" };
    let at_least = if summary.is_end_unknown { "at least " } else { "" };
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
                    strong(format!("{at_least}{}", words::duration(length))),
                    text(format!(", {ends}")),
                ],
                None => {
                    vec![text(format!("{} The end lies before the start.", words::capital(&ends)))]
                }
            }
        }
        (Some(start), None) if is_running => {
            let since = clocks.full_with_utc(start);
            match last_end(layout) {
                // Between the last end and the end of the wait for quiet.
                Some(end) => vec![
                    strong("Still open"),
                    text(format!(
                        ", since {since}; the last alert ended at {}, after {}.{doubt}",
                        clocks.full_with_utc(end),
                        words::duration(end - start)
                    )),
                ],
                None => vec![
                    strong("Still running"),
                    text(format!(
                        ", since {since}: {} so far.{doubt}",
                        words::duration(layout.draft.as_of.max(start) - start)
                    )),
                ],
            }
        }
        (Some(start), None) => {
            vec![text(format!(
                "It began at {}; its end is not known.",
                clocks.full_with_utc(start)
            ))]
        }
        (None, _) => vec![text("Its beginning is not known.")],
    }
}

/// The last end of an alert, when none fires any more.
fn last_end(layout: &Layout<'_>) -> Option<Timestamp> {
    let alerts = &layout.draft.alerts;
    let is_quiet = alerts.iter().all(|alert| !alert.is_firing());
    alerts.iter().filter_map(Episode::ends_at).max().filter(|_| is_quiet)
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

pub(super) fn milestone<'a>(layout: &Layout<'a>, which: Milestone) -> Option<&'a MilestoneValue> {
    layout.draft.milestones.iter().find(|value| value.milestone == which)
}

pub(super) fn milestone_at(layout: &Layout<'_>, which: Milestone) -> Option<Timestamp> {
    milestone(layout, which)?.at
}

pub(super) fn measure<'a>(layout: &Layout<'a>, which: Measure) -> Option<&'a MeasureValue> {
    layout.draft.measures.iter().find(|value| value.measure == which)
}

/// A note with its time and author.
fn note_line(layout: &Layout<'_>, entry: &Entry) -> Line {
    let about: Vec<String> = entry.actor.iter().cloned().chain(layout.delay(entry)).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    vec![text(format!("{}: {}{about}", layout.when(entry), entry.text))]
}

/// Why it happened, as people said; without a name where the heading says it.
pub(super) fn cause(layout: &Layout<'_>, blocks: &mut Vec<Block>, name: Option<&str>) {
    let said = layout.draft.summary.root_cause.as_deref();
    long_text(layout, blocks, name, said, Section::RootCause);
}

/// How the cause was found.
pub(super) fn diagnosis(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let found = lines_of(layout, |e| e.phase == Phase::Diagnosis && e.kind == EntryKind::Note);
    named_list(blocks, "How it was found:", found);
}

/// What was done, and what ended it.
pub(super) fn resolution(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let summary = &layout.draft.summary;
    let is_done = |e: &Entry| {
        e.phase == Phase::Mitigation
            && e.kind != EntryKind::Caveat
            && !is_set_milestone(e)
            && (e.kind != EntryKind::Change || may_be_an_answer(layout, e))
    };
    let is_change = |e: &Entry| e.kind == EntryKind::Change;
    let done = lines_of(layout, |e| is_done(e) && !is_change(e));
    named_list(blocks, "What was done:", done);
    // Whether a change was made because of the incident its sender does not say.
    for (sought, name) in [
        (Sequel::Ends, "Changes after which alerts of the service ended within an hour:"),
        (Sequel::NoEnd, "Changes after which no alert of the service ended within an hour:"),
        (Sequel::Open, "Changes made within the last hour, while alerts of the service fired:"),
    ] {
        let is_such = |e: &Entry| is_done(e) && is_change(e) && sequel(layout, e) == Some(sought);
        changed_list(blocks, name, lines_of(layout, is_such));
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
            Some("Resolution:"),
            summary.resolution.as_deref(),
            Section::Resolution,
        ),
    }
}

/// True for a change that may have been made because of the incident: after it was detected, before
/// it was over, and on a service that it hit. Others only happened to be made meanwhile; they stand
/// in the timeline.
fn may_be_an_answer(layout: &Layout<'_>, change: &Entry) -> bool {
    let at = change.occurred_at;
    milestone_at(layout, Milestone::Detection).is_none_or(|detected| at >= detected)
        && layout.draft.summary.ended_at.is_none_or(|end| at <= end)
        && change.service.as_ref().is_none_or(|service| layout.draft.services.contains(service))
}

/// What alerts did after a change that was made while they fired.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sequel {
    /// One of them ended within an hour.
    Ends,
    /// None did.
    NoEnd,
    /// The hour is not over, and none has ended yet.
    Open,
}

/// What followed on a change, by the alerts of its service that fired then; where none of its
/// service did, by all. `None` when none fired at all. Of what people noted they say themselves how
/// it went.
fn sequel(layout: &Layout<'_>, change: &Entry) -> Option<Sequel> {
    let (at, until) = (change.occurred_at, change.occurred_at + EFFECT_SEEN_WITHIN);
    let draft = layout.draft;
    let fired =
        |alert: &&Episode| alert.starts_at() <= at && alert.ends_at().is_none_or(|end| end >= at);
    let mut asked: Vec<&Episode> = draft.alerts.iter().filter(fired).collect();
    let is_own = |alert: &Episode| change.service.is_some() && alert.service == change.service;
    if asked.iter().any(|alert| is_own(alert)) {
        asked.retain(|alert| is_own(alert));
    }
    if asked.is_empty() {
        None
    } else if asked.iter().any(|alert| alert.ends_at().is_some_and(|end| end <= until)) {
        Some(Sequel::Ends)
    } else if draft.state.is_running() && draft.as_of < until {
        Some(Sequel::Open)
    } else {
        Some(Sequel::NoEnd)
    }
}

fn is_set_milestone(entry: &Entry) -> bool {
    Milestone::ALL.iter().any(|m| entry.id == EntryId::milestone(*m))
}

/// Notes of one kind, or that there are none.
pub(super) fn notes(layout: &Layout<'_>, blocks: &mut Vec<Block>, entries: &[Entry]) {
    if entries.is_empty() {
        paragraph(blocks, vec![text("None recorded.")]);
    } else {
        blocks.push(Block::Bullets(note_lines(layout, entries)));
    }
}

/// Notes with their times and authors.
pub(super) fn note_lines(layout: &Layout<'_>, entries: &[Entry]) -> Vec<Line> {
    entries.iter().map(|entry| note_line(layout, entry)).collect()
}

/// What people want to do, and what the evidence suggests.
pub(super) fn measures_to_take(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
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
