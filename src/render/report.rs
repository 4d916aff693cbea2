//! The blocks of a report, without any markup, and the parts that stand in every layout: the head
//! and the timeline. Which sections there are is decided in `layouts`, how it looks by the writers.
//!
//! Texts here may hold words from outside; the writers escape every one of them.

use std::collections::BTreeMap;

use super::time::Clocks;
use crate::domain::draft::{Draft, Section};
use crate::domain::timeline::{Entry, EntryId, EntryKind, Phase, Provenance};
use crate::domain::{Episode, EpisodeId, IncidentState};
use crate::timeline;

/// Entries of single alerts that a timeline shows before it folds the others away: what people did
/// must not drown.
const ALERT_ENTRIES_MAX: usize = 200;

/// Services that the head names before it counts the others; the measures and alerts name them too.
const SERVICES_MAX: usize = 12;

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inline {
    /// Words.
    Text(String),
    /// Words that stand out.
    Strong(String),
    /// A gap for a person to fill, with the question to answer.
    Todo(String),
    /// Words that lead somewhere. The address is as sent: the writer judges it.
    Link { text: String, url: String },
    /// Words that lead to a page of scribed itself, by a path or a whole address.
    Home { text: String, url: String },
}

/// A line.
pub(super) type Line = Vec<Inline>;

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading: 1 is the title.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(Line),
    /// A list.
    Bullets(Vec<Line>),
    /// A list in order of rank.
    Ranked(Vec<Line>),
    /// A list of things to do, done ones ticked.
    Checklist(Vec<(bool, Line)>),
    /// A table.
    Table(Table),
    /// Rows that open at a click where the format can.
    Details { summary: String, rows: Vec<Line> },
    /// Where a chart may stand.
    Chart,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// The names of its columns.
    pub(super) head: Vec<&'static str>,
    /// Its rows, each as wide as the head.
    pub(super) rows: Vec<Vec<Line>>,
    /// The column that takes what width is left.
    pub(super) wide: usize,
}

/// Words as a part of a line.
pub(super) fn text(words: impl Into<String>) -> Inline {
    Inline::Text(words.into())
}

/// Words that stand out.
pub(super) fn strong(words: impl Into<String>) -> Inline {
    Inline::Strong(words.into())
}

/// A gap for a person to fill.
pub(super) fn todo(question: &str) -> Inline {
    Inline::Todo(question.to_owned())
}

/// The table cell that holds only words.
pub(super) fn cell(words: impl Into<String>) -> Line {
    vec![Inline::Text(words.into())]
}

/// A draft with what its layout needs at every turn.
pub(super) struct Layout<'a> {
    pub(super) draft: &'a Draft,
    /// The draft's alerts by id.
    alerts: BTreeMap<EpisodeId, &'a Episode>,
    pub(super) clocks: Clocks,
}

impl<'a> Layout<'a> {
    /// A draft, ready to be laid out.
    pub(super) fn new(draft: &'a Draft) -> Self {
        let alerts = draft.alerts.iter().map(|episode| (episode.id, episode)).collect();
        Self { draft, alerts, clocks: Clocks::for_draft(draft) }
    }

    /// One of the draft's alerts.
    pub(super) fn alert(&self, id: EpisodeId) -> Option<&'a Episode> {
        self.alerts.get(&id).copied()
    }

    /// The address of an incident's page.
    pub(super) fn home(&self, incident: crate::domain::IncidentId) -> Inline {
        let base = self.draft.external_url.as_deref().unwrap_or_default().trim_end_matches('/');
        Inline::Home { text: incident.to_string(), url: format!("{base}/incidents/{incident}") }
    }

    /// The gap that waits at a place, if one does.
    pub(super) fn gap(&self, section: Section) -> Option<Inline> {
        self.draft.question(section).map(todo)
    }

    /// The title, and what stands under it in every layout.
    pub(super) fn head(&self, blocks: &mut Vec<Block>) {
        let draft = self.draft;
        blocks.push(Block::Heading(1, draft.title.clone()));
        let key = |name: &str| strong(format!("{name}:"));
        let mut lines: Vec<Line> = Vec::new();
        let status = draft.status.as_str().replace('_', " ");
        let form = if draft.is_reprint {
            "; printed anew from the facts that were reviewed, in a form that was not"
        } else {
            ""
        };
        let revision = draft.revision;
        lines.push(vec![key("Status"), text(format!(" {status}, revision {revision}{form}"))]);
        let mut state = vec![key("State"), text(format!(" {}", draft.state.as_str()))];
        match draft.state {
            IncidentState::Merged { into } => {
                state.extend([text(" into incident "), self.home(into)]);
            }
            IncidentState::Open | IncidentState::Acknowledged | IncidentState::Mitigated => {
                state.push(text(format!(", as of {}", self.clocks.full(draft.as_of))));
            }
            IncidentState::Resolved => {}
        }
        lines.push(state);
        lines.push(vec![key("Severity"), text(format!(" {}", draft.severity))]);
        let services: Vec<&str> = draft.services.iter().map(|s| s.as_str()).collect();
        if !services.is_empty() {
            let services = timeline::words::named(&services, SERVICES_MAX);
            lines.push(vec![key("Services"), text(format!(" {services}"))]);
        }
        let lead = draft.lead.as_ref().map(text).or_else(|| self.gap(Section::Lead));
        lines.extend(lead.map(|lead| vec![key("Lead"), text(" "), lead]));
        let zone = self.clocks.zone_label(draft.as_of);
        lines.push(vec![key("Times"), text(format!(" {zone}"))]);
        let mut incident = vec![key("Incident"), text(" "), self.home(draft.incident)];
        if let Some(former) = draft.follows {
            incident.extend([text(", follows incident "), self.home(former)]);
        }
        lines.push(incident);
        for related in &draft.related {
            let reason = text(format!(" ({})", related.reason));
            lines.push(vec![
                key("Related"),
                text(" incident "),
                self.home(related.incident),
                reason,
            ]);
        }
        blocks.push(Block::Bullets(lines));
    }

    /// The story as a table, with the chart and the rows that were folded.
    pub(super) fn timeline(&self, blocks: &mut Vec<Block>) {
        let entries = &self.draft.timeline;
        if entries.is_empty() {
            blocks.push(Block::Paragraph(vec![text("Nothing was recorded.")]));
            return;
        }
        let mut shifts = self.clocks.changes().iter().peekable();
        let mut rows = Vec::with_capacity(entries.len());
        let (mut single_alerts, mut folded_away) = (0, Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            if is_single_alert(entry) {
                single_alerts += 1;
                if single_alerts > ALERT_ENTRIES_MAX {
                    folded_away.push((index, entry));
                    continue;
                }
            }
            while let Some(shift) = shifts.next_if(|shift| shift.at <= entry.occurred_at) {
                rows.push(self.shift_row(shift));
            }
            rows.push(self.entry_row(index, entry));
        }
        rows.extend(shifts.map(|shift| self.shift_row(shift)));
        blocks.push(Block::Table(Table {
            head: vec!["#", "Time", "Phase", "What happened", "Source"],
            rows,
            wide: 3,
        }));
        blocks.push(Block::Chart);
        if !folded_away.is_empty() {
            let line = |(index, entry): &(usize, &Entry)| {
                let mut words = format!("Row {}: ", index + 1);
                self.clocks.push_short(&mut words, entry.occurred_at);
                words.push(' ');
                words.push_str(&entry.text);
                vec![text(words)]
            };
            let number = timeline::words::count(folded_away.len(), "more entry");
            let number = number.replace("entrys", "entries");
            let summary = format!("{number} of single alerts, left out above");
            let rows = folded_away.iter().map(line).collect();
            blocks.push(Block::Details { summary, rows });
        }
        for (index, entry) in entries.iter().enumerate().filter(|(_, e)| !e.rows.is_empty()) {
            let summary =
                format!("Row {}: {} ({} entries)", index + 1, entry.text, entry.rows.len());
            let rows = entry.rows.iter().map(|row| self.folded_row(row)).collect();
            blocks.push(Block::Details { summary, rows });
        }
    }

    fn entry_row(&self, index: usize, entry: &Entry) -> Vec<Line> {
        let mut what = if entry.pinned {
            vec![strong(self.words(entry))]
        } else {
            vec![text(self.words(entry))]
        };
        for correction in &entry.corrections {
            let words = correction.words(|at| self.clocks.short(at));
            what.push(text(format!(" [{words}]")));
        }
        vec![
            cell((index + 1).to_string()),
            cell(self.when(entry)),
            cell(phase(entry)),
            what,
            self.source(entry),
        ]
    }

    fn shift_row(&self, shift: &crate::domain::zone::OffsetChange) -> Vec<Line> {
        let forward = shift.after.seconds > shift.before.seconds;
        let by = i64::from(shift.after.seconds) - i64::from(shift.before.seconds);
        let text = format!(
            "Clocks go {} by {}: {} ({}) until here, {} ({}) from here on",
            if forward { "forward" } else { "back" },
            timeline::words::duration(crate::domain::Span::from_seconds(by.abs())),
            shift.before.abbreviation,
            shift.before,
            shift.after.abbreviation,
            shift.after,
        );
        vec![cell(""), cell(self.clocks.short(shift.at)), cell("Clock"), cell(text), cell("")]
    }

    /// A row of a fold, with the pod or instance that tells it from the others.
    fn folded_row(&self, entry: &Entry) -> Line {
        let place = entry.signal.as_ref().and_then(|signal| signal.place.as_ref());
        let place = place.filter(|(_, place)| !entry.text.contains(place.as_str()));
        let place_bytes = place.map_or(0, |(label, place)| label.as_str().len() + place.len() + 3);
        let mut words = String::with_capacity(24 + entry.text.len() + place_bytes);
        self.clocks.push_short(&mut words, entry.occurred_at);
        words.push(' ');
        words.push_str(&entry.text);
        if let Some((label, place)) = place {
            for part in [", ", label.as_str(), " ", place] {
                words.push_str(part);
            }
        }
        vec![text(words)]
    }

    /// What an entry says, with the delay of a note that was written later.
    fn words(&self, entry: &Entry) -> String {
        match self.delay(entry) {
            Some(delay) => format!("{} ({delay})", entry.text),
            None => entry.text.clone(),
        }
    }

    /// `written 6m later`, of a note that was.
    pub(super) fn delay(&self, entry: &Entry) -> Option<String> {
        let is_note = entry.kind == EntryKind::Note && !self.draft.is_afterthought;
        let delay = timeline::delay(entry.occurred_at, entry.received_at).filter(|_| is_note);
        delay.map(|delay| format!("written {delay} later"))
    }

    /// When an entry happened: a moment, or a stretch.
    pub(super) fn when(&self, entry: &Entry) -> String {
        match entry.ended_at {
            Some(until) => self.clocks.range(entry.occurred_at, until),
            None => self.clocks.short(entry.occurred_at),
        }
    }

    /// Who says so: a person, a sender, or scribed itself.
    fn source(&self, entry: &Entry) -> Line {
        let sender = || {
            let episode = self.alert(entry.episode?)?;
            let names: Vec<&str> = episode.sources.iter().map(|s| s.as_str()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let mut who = match (&entry.actor, entry.provenance) {
            (Some(actor), _) => actor.clone(),
            (None, Provenance::Entered) => "a person".to_owned(),
            (None, _) => sender().unwrap_or_else(|| "scribed".to_owned()),
        };
        match (entry.kind, entry.provenance) {
            (EntryKind::Note, Provenance::Inferred) => who.push_str(" (phase suggested)"),
            (EntryKind::Alert | EntryKind::Caveat, Provenance::Inferred)
                if entry.episode.is_some() =>
            {
                who = "scribed (inferred)".to_owned();
            }
            (_, _) => {}
        }
        match entry.links.iter().find(|link| link.rel.as_str() == "change") {
            Some(link) => vec![Inline::Link { text: who, url: link.url.to_string() }],
            None => vec![text(who)],
        }
    }

    /// Where an entry stands in the timeline, for tables that refer to it.
    pub(super) fn row_of(&self, id: &EntryId) -> Option<usize> {
        let holds = |entry: &Entry| entry.id == *id || entry.rows.iter().any(|row| row.id == *id);
        self.draft.timeline.iter().position(holds).map(|index| index + 1)
    }
}

/// True for the beginning or the end of one alert that says nothing more than that.
fn is_single_alert(entry: &Entry) -> bool {
    entry.kind == EntryKind::Alert
        && entry.rows.is_empty()
        && !entry.pinned
        && entry.phase != Phase::Detection
}

/// The part of the story, as a reader calls it.
pub(super) fn phase(entry: &Entry) -> &'static str {
    match (entry.kind, entry.phase) {
        (EntryKind::Change, _) => "Change",
        (EntryKind::Caveat, _) => "Caveat",
        (_, Phase::LeadUp) => "Lead-up",
        (_, Phase::Detection) => "Detection",
        (_, Phase::Symptom) => "Symptom",
        (_, Phase::Notification) => "Notification",
        (_, Phase::Communication) => "Communication",
        (_, Phase::Investigation) => "Investigation",
        (_, Phase::WrongLead) => "Wrong lead",
        (_, Phase::Escalation) => "Escalation",
        (_, Phase::Diagnosis) => "Diagnosis",
        (_, Phase::Decision) => "Decision",
        (_, Phase::Mitigation) => "Mitigation",
        (_, Phase::Recovery) => "Recovery",
        (_, Phase::Resolution) => "Resolution",
    }
}
