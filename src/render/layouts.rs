//! The layouts that come with the program: which sections a report has, and in which order.
//!
//! Every layout tells the same facts. What a layout asks for and nobody can know from records is a
//! question to be answered, never a sentence that reads like a finding. A layout refers to its
//! other sections only by names that it has.

use std::collections::BTreeSet;

use super::noticed;
use super::report::{Block, Layout, Line, text, todo};
use super::sections::{self, heading, named_list, paragraph};
use super::tables;
use crate::domain::draft::{Draft, ShippedTemplate, Template};
use crate::domain::milestone::Milestone;
use crate::domain::timeline::{Entry, EntryKind, Phase, Provenance};

/// Lays out a draft. People's own templates are not laid out here; what is printed without one is
/// the default layout.
pub(super) fn lay_out(draft: &Draft) -> Vec<Block> {
    let layout = Layout::new(draft);
    let mut blocks = Vec::new();
    layout.head(&mut blocks);
    // Of a final draft it stands beside the bytes, not among them.
    if draft.finalised.is_none() {
        sections::since(&layout, &mut blocks);
    }
    match draft.template {
        Template::Shipped(ShippedTemplate::OutageReport) | Template::Own(_) => {
            outage_report(&layout, &mut blocks);
        }
        Template::Shipped(ShippedTemplate::GoogleSre) => google_sre(&layout, &mut blocks),
        Template::Shipped(ShippedTemplate::PagerDuty) => pagerduty(&layout, &mut blocks),
        Template::Shipped(ShippedTemplate::Atlassian) => atlassian(&layout, &mut blocks),
    }
    blocks
}

/// The sections of the widely used outage report, in its order.
fn outage_report(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Issue summary");
    sections::length(layout, blocks);
    sections::impact(layout, blocks, Some("Impact:"));
    sections::evidence(layout, blocks);
    sections::cause_in_short(layout, blocks);
    sections::key_moments(layout, blocks);
    heading(blocks, "Timeline");
    layout.timeline(blocks);
    heading(blocks, "Detection");
    detection_with_acknowledgement(layout, blocks);
    heading(blocks, "Root cause and resolution");
    sections::cause(layout, blocks, Some("Root cause:"));
    sections::diagnosis(layout, blocks);
    sections::resolution(layout, blocks);
    heading(blocks, "Wrong leads");
    sections::notes(layout, blocks, &layout.draft.wrong_leads);
    heading(blocks, "Escalations");
    sections::notes(layout, blocks, &layout.draft.escalations);
    heading(blocks, "Corrective and preventative measures");
    sections::measures_to_take(layout, blocks);
    heading(blocks, "Measures");
    tables::measures(layout, blocks);
    heading(blocks, "Candidate causes");
    tables::candidates(layout, blocks);
    seen_before(layout, blocks);
    heading(blocks, "Alerts");
    tables::alerts(layout, blocks);
    heading(blocks, "Open questions");
    tables::open_questions(layout, blocks);
}

/// The sections of the example postmortem in Google's SRE book.
fn google_sre(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Summary");
    sections::length(layout, blocks);
    sections::key_moments(layout, blocks);
    heading(blocks, "Impact");
    sections::impact(layout, blocks, None);
    sections::evidence(layout, blocks);
    heading(blocks, "Root causes");
    sections::cause(layout, blocks, None);
    sections::diagnosis(layout, blocks);
    heading(blocks, "Trigger");
    ask(blocks, "What set it off?");
    heading(blocks, "Candidate causes");
    tables::candidates(layout, blocks);
    seen_before(layout, blocks);
    heading(blocks, "Resolution");
    sections::resolution(layout, blocks);
    escalated(layout, blocks);
    heading(blocks, "Detection");
    detection_with_acknowledgement(layout, blocks);
    heading(blocks, "Action items");
    sections::measures_to_take(layout, blocks);
    heading(blocks, "Lessons learned");
    subheading(blocks, "What went well");
    ask(blocks, "What went well?");
    subheading(blocks, "What went wrong");
    ask(blocks, "What went wrong?");
    wrong_leads(layout, blocks);
    subheading(blocks, "Where we got lucky");
    ask(blocks, "Where did luck help?");
    heading(blocks, "Timeline");
    layout.timeline(blocks);
    supporting_data(layout, blocks, "Supporting information");
}

/// The sections of PagerDuty's template.
fn pagerduty(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Overview");
    sections::length(layout, blocks);
    sections::key_moments(layout, blocks);
    heading(blocks, "What happened");
    ask(blocks, "What happened, in a few sentences?");
    blocks.push(Block::Bullets(noticed::detection(layout)));
    heading(blocks, "Contributing factors");
    sections::cause(layout, blocks, None);
    sections::diagnosis(layout, blocks);
    heading(blocks, "Candidate causes");
    tables::candidates(layout, blocks);
    seen_before(layout, blocks);
    heading(blocks, "Resolution");
    sections::resolution(layout, blocks);
    heading(blocks, "Impact");
    sections::impact(layout, blocks, None);
    sections::evidence(layout, blocks);
    heading(blocks, "Responders");
    responders(layout, blocks);
    heading(blocks, "Timeline");
    layout.timeline(blocks);
    heading(blocks, "How did we do?");
    subheading(blocks, "What went well?");
    ask(blocks, "What went well?");
    subheading(blocks, "What did not go so well?");
    ask(blocks, "What did not go so well?");
    wrong_leads(layout, blocks);
    heading(blocks, "Action items");
    sections::measures_to_take(layout, blocks);
    heading(blocks, "Messaging");
    let told = sections::lines_of(layout, |entry| {
        entry.kind == EntryKind::Note && entry.phase == Phase::Communication
    });
    named_list(blocks, "Recorded communication:", told);
    ask(blocks, "What were colleagues told, and when?");
    ask(blocks, "What were customers told, and when?");
    supporting_data(layout, blocks, "Supporting data");
}

/// The sections of Atlassian's template.
fn atlassian(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    heading(blocks, "Incident summary");
    sections::length(layout, blocks);
    sections::cause_in_short(layout, blocks);
    sections::key_moments(layout, blocks);
    heading(blocks, "Leadup");
    leadup(layout, blocks);
    heading(blocks, "Fault");
    ask(blocks, "What did not work as it should, and how did that show?");
    sections::evidence(layout, blocks);
    heading(blocks, "Impact");
    sections::impact(layout, blocks, None);
    heading(blocks, "Detection");
    blocks.push(Block::Bullets(noticed::detection(layout)));
    ask(blocks, "How could the time to detect be cut by half?");
    heading(blocks, "Response");
    blocks.extend(noticed::acknowledgement(layout).map(Block::Paragraph));
    responders(layout, blocks);
    wrong_leads(layout, blocks);
    heading(blocks, "Recovery");
    sections::resolution(layout, blocks);
    ask(blocks, "How could the time to mitigate be cut by half?");
    heading(blocks, "Timeline");
    layout.timeline(blocks);
    heading(blocks, "Five whys");
    ask(blocks, "Why was there an impact, and why that, five times over?");
    sections::diagnosis(layout, blocks);
    heading(blocks, "Candidate causes");
    tables::candidates(layout, blocks);
    heading(blocks, "Root cause");
    sections::cause(layout, blocks, None);
    heading(blocks, "Backlog check");
    ask(blocks, "Was anything planned that would have prevented or softened it?");
    heading(blocks, "Recurrence");
    recurrence(layout, blocks);
    heading(blocks, "Lessons learned");
    ask(blocks, "What went well, what could have gone better, where did luck help?");
    heading(blocks, "Corrective actions");
    sections::measures_to_take(layout, blocks);
    supporting_data(layout, blocks, "Supporting data");
}

/// Past incidents that look alike; a section only where there are some.
fn seen_before(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    if !layout.draft.similar.is_empty() {
        heading(blocks, "Similar past incidents");
        tables::similar(layout, blocks);
    }
}

fn subheading(blocks: &mut Vec<Block>, words: &str) {
    blocks.push(Block::Heading(3, words.to_owned()));
}

/// A gap of this layout for people to fill.
fn ask(blocks: &mut Vec<Block>, question: &str) {
    paragraph(blocks, vec![todo(question)]);
}

fn detection_with_acknowledgement(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let mut lines = noticed::detection(layout);
    lines.extend(noticed::acknowledgement(layout));
    blocks.push(Block::Bullets(lines));
}

fn wrong_leads(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let lines = sections::note_lines(layout, &layout.draft.wrong_leads);
    named_list(blocks, "Wrong leads:", lines);
}

fn escalated(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let lines = sections::note_lines(layout, &layout.draft.escalations);
    named_list(blocks, "Escalations:", lines);
}

/// Whom the records show at work. Senders, pagers and the program are none of them.
fn responders(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let mut seen = BTreeSet::new();
    let is_at_work = |entry: &&Entry| {
        entry.provenance == Provenance::Entered
            && entry.kind != EntryKind::Change
            && entry.phase != Phase::Notification
    };
    let actors = layout.draft.timeline.iter().filter(is_at_work);
    let people = actors.filter_map(|entry| entry.actor.as_deref());
    let lines: Vec<Line> =
        people.filter(|actor| seen.insert(*actor)).map(|actor| vec![text(actor)]).collect();
    if lines.is_empty() {
        paragraph(blocks, vec![text("Nobody is named in the records.")]);
    }
    named_list(blocks, "Seen in the records:", lines);
    escalated(layout, blocks);
}

/// What was recorded before the onset.
fn leadup(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let onset = layout.draft.milestones.iter().find(|m| m.milestone == Milestone::Onset);
    let onset = onset.and_then(|value| value.at);
    let before = sections::lines_of(layout, |entry| {
        entry.kind != EntryKind::Caveat
            && (entry.phase == Phase::LeadUp || onset.is_some_and(|at| entry.occurred_at < at))
    });
    if before.is_empty() {
        paragraph(blocks, vec![text("Nothing was recorded before it began.")]);
    } else {
        blocks.push(Block::Bullets(before));
    }
    ask(blocks, "What led up to it?");
}

/// Earlier incidents that the records tie to this one.
fn recurrence(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let draft = layout.draft;
    if let Some(former) = draft.follows {
        paragraph(blocks, vec![text("It follows incident "), layout.home(former), text(".")]);
    }
    let related = draft.related.iter().map(|related| {
        let reason = text(format!(": {}", related.reason));
        vec![text("Incident "), layout.home(related.incident), reason]
    });
    named_list(blocks, "Related:", related.collect());
    tables::similar(layout, blocks);
    ask(blocks, "Has the same cause led to an incident before?");
}

/// The tables, and the doubts.
fn supporting_data(layout: &Layout<'_>, blocks: &mut Vec<Block>, name: &str) {
    heading(blocks, name);
    subheading(blocks, "Measures");
    tables::measures(layout, blocks);
    subheading(blocks, "Alerts");
    tables::alerts(layout, blocks);
    tables::caveats(layout, blocks);
}
