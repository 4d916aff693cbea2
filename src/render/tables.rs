//! The sections of a report that are tables and lists of evidence.

use hashbrown::HashMap;

use super::escape;
use super::report::{Block, Inline, Layout, Line, Table, cell, strong, text};
use super::sections::{named_list, paragraph, sentence};
use crate::domain::draft::{Draft, Question};
use crate::domain::incident::{CandidateKind, Caveat, CaveatKind, Similar};
use crate::domain::milestone::{Measure, MeasureValue, Milestone, MilestoneState, MilestoneValue};
use crate::domain::timeline::{EntryId, Provenance};
use crate::domain::{Episode, EpisodeStatus};
use crate::timeline::{CAUSE_SCORE_MIN, words};

/// Most rows of the table of alerts; the others are counted, and all are in the JSON draft.
const ALERT_ROWS_MAX: usize = 200;
/// Most candidates of one kind that are listed, of those for which anything speaks. All are in the
/// JSON draft.
const CANDIDATES_MAX: usize = 5;
/// So few are all listed when something speaks for one of them.
const CANDIDATES_FEW: usize = 3;

/// The milestones and the lengths between them, each with where it comes from.
pub(super) fn measures(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let row_name = |entry: Option<&EntryId>| {
        entry
            .and_then(|id| layout.row_of(id))
            .map_or_else(|| "-".to_owned(), |row| format!("row {row}"))
    };
    let measured = |value: &MeasureValue| -> Vec<Line> {
        let length = length_in_words(layout.draft, value);
        let unknown = || match value.state {
            MilestoneState::Pending => "pending".to_owned(),
            _ => "not recorded".to_owned(),
        };
        let mut length = vec![strong(length.unwrap_or_else(unknown))];
        if value.measure == Measure::TimeToDetect && layout.draft.detection.onset_is_detection {
            // A zero that was never measured must not read like a fast detection.
            length.push(text(" (same alert)"));
        }
        vec![
            cell(measure_name(value.measure)),
            length,
            cell(value.measure.formula()),
            cell(row_name(value.from.as_ref())),
            cell(row_name(value.to.as_ref())),
        ]
    };
    blocks.push(Block::Table(Table {
        head: vec!["Measure", "Length", "Formula", "From", "To"],
        rows: layout.draft.measures.iter().map(measured).collect(),
        wide: 2,
    }));
    let marked = |value: &MilestoneValue| -> Vec<Line> {
        let when = match (value.at, value.state) {
            (Some(at), _) => layout.clocks.exact(at),
            (None, MilestoneState::Pending) => "pending".to_owned(),
            (None, _) => "not recorded".to_owned(),
        };
        let mut how = value.provenance.map_or("-", Provenance::as_str).to_owned();
        if let (Some(Provenance::Entered), Some(at), Some(derived)) =
            (value.provenance, value.at, value.derived)
            && at != derived
        {
            how = format!("{how}; the records say {}", layout.clocks.exact(derived));
        }
        let name = words::capital(value.milestone.as_str());
        vec![cell(name), cell(when), cell(how), cell(row_name(value.entry.as_ref()))]
    };
    blocks.push(Block::Table(Table {
        head: vec!["Milestone", "Time", "How we know", "Where"],
        rows: layout.draft.milestones.iter().map(marked).collect(),
        wide: 2,
    }));
}

/// How long, where that is known: `2h 5m`, `at least 2h 5m`, `invalid: -5m`.
pub(super) fn length_in_words(draft: &Draft, value: &MeasureValue) -> Option<String> {
    let length = words::duration(value.length?);
    match value.state {
        MilestoneState::Recorded if is_least(draft, value.measure) => {
            Some(format!("at least {length}"))
        }
        MilestoneState::Recorded => Some(length),
        MilestoneState::Invalid => Some(format!("invalid: {length}")),
        _ => None,
    }
}

/// True for a length that reaches to an end which nobody reported.
pub(super) fn is_least(draft: &Draft, measure: Measure) -> bool {
    draft.summary.is_end_unknown && measure.between().1 == Milestone::Resolution
}

const fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::TimeToDetect => "Time to detect (TTD)",
        Measure::TimeToAcknowledge => "Time to acknowledge (TTA)",
        Measure::TimeToMitigate => "Time to mitigate (TTM)",
        Measure::TimeToResolve => "Time to resolve (TTR)",
        Measure::Duration => "Duration",
    }
}

/// What may have caused it, by rule.
pub(super) fn candidates(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let all = &layout.draft.candidate_causes;
    if all.is_empty() {
        paragraph(blocks, vec![text("None: no change or service stands out.")]);
        return;
    }
    let lead =
        "Ranked by rule from the records. Candidates, not findings: people confirm or refute them.";
    paragraph(blocks, vec![text(lead)]);
    for (kind, name) in [(CandidateKind::Change, "Changes"), (CandidateKind::Service, "Services")] {
        let of_kind = || all.iter().filter(|candidate| candidate.kind == kind);
        // Of a few, what speaks against one is worth reading as well.
        let is_short = of_kind().count() <= CANDIDATES_FEW
            && of_kind().any(|candidate| candidate.score >= CAUSE_SCORE_MIN);
        let lines: Vec<Line> = of_kind()
            .filter(|candidate| is_short || candidate.score >= CAUSE_SCORE_MIN)
            .take(CANDIDATES_MAX)
            .map(|candidate| {
                let why = candidate.why.join("; ");
                let why = if why.is_empty() { String::new() } else { format!(" Why: {why}.") };
                let row = layout.row_of(&EntryId(candidate.reference.clone()));
                let where_to = match (candidate.kind, row) {
                    (CandidateKind::Change, Some(row)) => format!("row {row}, "),
                    (CandidateKind::Change, None) | (CandidateKind::Service, _) => String::new(),
                };
                vec![
                    strong(candidate.summary.clone()),
                    text(format!(" ({where_to}score {:.2}).{why}", candidate.score)),
                ]
            })
            .collect();
        let (shown, weighed) = (lines.len(), of_kind().count());
        if weighed == 0 {
            continue;
        }
        blocks.push(Block::Heading(3, name.to_owned()));
        if shown > 0 {
            blocks.push(Block::Ranked(lines));
        }
        let words = match (shown, weighed - shown) {
            (_, 0) => continue,
            (0, 1) => format!("One was weighed; its score is below {CAUSE_SCORE_MIN}."),
            (0, more) => format!("{more} were weighed; their scores are below {CAUSE_SCORE_MIN}."),
            (_, more) => format!("And {more} more with lower scores; the JSON draft has them all."),
        };
        paragraph(blocks, vec![text(words)]);
    }
}

/// Past incidents that look like this one, each with what ended it then. Nothing when there is none.
pub(super) fn similar(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let all = &layout.draft.similar;
    if all.is_empty() {
        return;
    }
    let lead = "Ranked by rule, those of which it is written what ended them first. Likeness is a \
                hint, not a finding.";
    paragraph(blocks, vec![text(lead)]);
    blocks.push(Block::Ranked(all.iter().map(|similar| similar_line(layout, similar)).collect()));
}

fn similar_line(layout: &Layout<'_>, similar: &Similar) -> Line {
    let began = similar.started_at.map(|at| format!("began {}", layout.clocks.full(at)));
    let length = match (similar.started_at, similar.ended_at) {
        (Some(from), Some(to)) if to >= from => {
            Some(format!("lasted {}", words::duration(to - from)))
        }
        _ => None,
    };
    let about: Vec<String> =
        began.into_iter().chain(length).chain([format!("score {:.2}", similar.score)]).collect();
    let mut line = vec![
        text("Incident "),
        layout.home(similar.incident),
        text(": "),
        strong(similar.title.clone()),
        text(format!(" ({}). ", about.join(", "))),
    ];
    let told = [
        ("Resolution then:", similar.resolution.as_ref()),
        ("Last mitigation noted then:", similar.mitigation.as_ref()),
        ("Root cause then:", similar.root_cause.as_ref()),
    ];
    let mut is_told = false;
    for (name, words) in told.into_iter().filter_map(|(name, words)| Some((name, words?))) {
        is_told = true;
        line.extend([strong(name), text(format!(" {} ", sentence(words.clone())))]);
    }
    if !is_told {
        line.push(text("Nobody wrote what ended it. "));
    }
    line.push(text(format!("Why: {}.", similar.why.join("; "))));
    line
}

/// The alerts, those alike in one row, and those beside the incident.
pub(super) fn alerts(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let draft = layout.draft;
    if draft.alerts.is_empty() {
        paragraph(blocks, vec![text("None.")]);
    } else {
        let mut groups: Vec<Vec<&Episode>> = Vec::new();
        let mut places = HashMap::new();
        for episode in &draft.alerts {
            let alike = (episode.alertname(), episode.service.as_ref(), episode.severity.rank());
            let place = *places.entry(alike).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(episode),
                None => groups.push(vec![episode]),
            }
        }
        let rows =
            groups.iter().take(ALERT_ROWS_MAX).map(|group| alert_row(layout, group)).collect();
        blocks.push(Block::Table(Table {
            head: vec!["Alert", "Service", "Severity", "Firings", "Began", "Ended", "Runbook"],
            rows,
            wide: 0,
        }));
        if groups.len() > ALERT_ROWS_MAX {
            let more = groups.len() - ALERT_ROWS_MAX;
            paragraph(blocks, vec![text(format!("And {more} more; the JSON draft has them all."))]);
        }
    }
    if !draft.context.is_empty() {
        blocks.push(Block::Heading(3, "Beside the incident".to_owned()));
        paragraph(blocks, vec![text("Not counted as its alerts.")]);
        let line = |episode: &Episode| {
            let end = episode.ends_at().map_or_else(
                || words::status(episode.status()).to_owned(),
                |end| layout.clocks.full(end),
            );
            let from = layout.clocks.full(episode.starts_at());
            vec![text(format!(
                "{}, {from} to {end}: {}",
                words::symptom(episode, None),
                episode.reason
            ))]
        };
        let shown = draft.context.iter().take(ALERT_ROWS_MAX);
        blocks.push(Block::Bullets(shown.map(line).collect()));
    }
}

fn alert_row(layout: &Layout<'_>, group: &[&Episode]) -> Vec<Line> {
    let clocks = &layout.clocks;
    let Some(first) = group.first() else { return Vec::new() };
    let began = group.iter().map(|e| e.starts_at()).min().unwrap_or_else(|| first.starts_at());
    let firing = group.iter().filter(|e| e.is_firing()).count();
    let unknown = group.iter().any(|e| e.status() == EpisodeStatus::Unknown);
    let last_end = group.iter().filter_map(|e| e.ends_at()).max();
    let ended = match (firing, last_end) {
        (0, Some(end)) if unknown => format!("unknown, last known at {}", clocks.short(end)),
        (0, Some(end)) => clocks.short(end),
        (firing, _) if group.len() > 1 => format!("{firing} still firing"),
        (_, _) => "still firing".to_owned(),
    };
    let name = first.alertname().to_owned();
    let link = |rel: &str| {
        let links = group.iter().flat_map(|e| &e.links);
        links.filter(|link| link.rel.as_str() == rel).find_map(|link| escape::url(&link.url))
    };
    let to = |text: &str, url: &dyn ToString| Inline::Link {
        text: text.to_owned(),
        url: url.to_string(),
    };
    let mut name = match link("generator") {
        Some(url) => vec![to(&name, &url)],
        None => cell(name),
    };
    // The panel is a part of the dashboard.
    let view = ["panel", "dashboard"].into_iter().find_map(|rel| Some(to(rel, &link(rel)?)));
    name.extend(view.into_iter().flat_map(|view| [text(", "), view]));
    let annotated = ["runbook_url", "runbook"]
        .iter()
        .find_map(|n| group.iter().find_map(|e| escape::url(e.annotations.value(n)?)));
    let runbook = match link("runbook").or(annotated) {
        Some(url) => vec![Inline::Link { text: "runbook".to_owned(), url: url.to_string() }],
        None => cell("none"),
    };
    let service = match (&first.service, words::place(first)) {
        (Some(service), _) => service.as_str(),
        // What has no service is known by its node, where that is one.
        (None, Some(place)) if group.iter().all(|e| words::place(e) == Some(place)) => place.1,
        (None, _) => "-",
    };
    vec![
        name,
        cell(service),
        cell(first.severity.as_str()),
        cell(group.len().to_string()),
        cell(clocks.short(began)),
        cell(ended),
        runbook,
    ]
}

/// What only people know, and what the records cannot say.
pub(super) fn open_questions(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let draft = layout.draft;
    if draft.todo.is_empty() && draft.caveats.is_empty() {
        paragraph(blocks, vec![text("None.")]);
        return;
    }
    if !draft.todo.is_empty() {
        let line = |q: &Question| {
            let section = words::capital(&q.section.as_str().replace('_', " "));
            vec![strong(format!("{section}:")), text(format!(" {}", q.question))]
        };
        blocks.push(Block::Bullets(draft.todo.iter().map(line).collect()));
    }
    caveats(layout, blocks);
}

/// What the records cannot say; nothing when there is no doubt.
pub(super) fn caveats(layout: &Layout<'_>, blocks: &mut Vec<Block>) {
    let draft = layout.draft;
    let line = |caveat: &Caveat| {
        let when = match caveat.until {
            Some(until) => layout.clocks.range(caveat.at, until),
            None => layout.clocks.short(caveat.at),
        };
        let text_only = caveat.kind == CaveatKind::Late && draft.is_afterthought;
        let when = if text_only { String::new() } else { format!("{when}: ") };
        vec![text(format!("{when}{}", caveat.text))]
    };
    let lines = draft.caveats.iter().map(line).collect();
    named_list(blocks, "What the records cannot say:", lines);
}
