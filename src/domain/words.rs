//! A person's words, taken back for good: which they are, and what stands in their place.
//!
//! The machine, the stored facts and the ledger are rewritten by the same functions here, so that
//! the rewritten ledger replays to just the facts that are stored. Every text is replaced by its own
//! hash: texts that differed still differ, and a replay takes the same turns.

mod change;
mod person;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use self::person::Person;
use super::change::ChangeReport;
use super::facts::{Facts, Revision};
use super::ids::{ActionId, IncidentId, NoteId};
use super::incident::{Action, Incident, Note};
use super::note_kind::suggest_kind;
use super::record::{Operation, OperationAction};
use super::redaction::{MARK, words_redacted};
use super::time::Timestamp;

pub use self::change::{CHANGE_HEARD_OF, ChangeTaken};

/// Which words a person wants to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// A note, with every version of it.
    Note(NoteId),
    /// A measure, with every version of it.
    Action(ActionId),
    /// What was ever said in a field of the report.
    Field(TextField),
}

/// A field of a report that people fill with words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextField {
    /// The title.
    Title,
    /// The impact.
    Impact,
    /// The root cause.
    RootCause,
    /// The resolution.
    Resolution,
    /// Who leads.
    Lead,
}

impl TextField {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Title, Self::Impact, Self::RootCause, Self::Resolution, Self::Lead];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Impact => "impact",
            Self::RootCause => "root_cause",
            Self::Resolution => "resolution",
            Self::Lead => "lead",
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(id) => id.fmt(f),
            Self::Action(id) => id.fmt(f),
            Self::Field(field) => f.write_str(field.as_str()),
        }
    }
}

/// What is taken back, as far as it can be recognised: a record that adds something does not know
/// which number it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// The incident, and all that were merged into it: they share their words. None where it does
    /// not matter in which incident they stand.
    pub incidents: Vec<IncidentId>,
    /// Which words.
    pub which: Which,
}

/// See [`TakenBack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Notes of which some version says one of these, each by its replacement.
    Notes(BTreeSet<String>),
    /// Measures that were written down at this record time.
    Actions(BTreeSet<ActionId>, Option<Timestamp>),
    /// A field.
    Field(TextField),
    /// A person's name, everywhere, by what stands in its place.
    Person(String),
    /// A change.
    Change(ChangeTaken),
}

impl Which {
    /// What the words of one incident are recognised by; `None` when there are no such words.
    #[must_use]
    pub fn of(words: Words, incident: &Incident) -> Option<Self> {
        Some(match words {
            Words::Field(field) => Self::Field(field),
            Words::Note(id) => {
                let note = incident.notes.iter().find(|note| note.id == id)?;
                let former = note.history.iter().map(|version| &version.text);
                Self::Notes(former.chain([&note.text]).map(|text| words_redacted(text)).collect())
            }
            Words::Action(id) => {
                let at = incident.actions.iter().find(|action| action.id == id)?.recorded_at;
                let same = incident.actions.iter().filter(|action| action.recorded_at == at);
                Self::Actions(same.map(|action| action.id).collect(), Some(at))
            }
        })
    }
}

impl TakenBack {
    /// Replaces the words in an incident.
    pub fn redact_incident(&self, incident: &mut Incident) {
        match &self.which {
            Which::Notes(texts) => {
                incident.notes.iter_mut().for_each(|note| redact_note(note, texts));
            }
            Which::Actions(ids, _) => incident
                .actions
                .iter_mut()
                .filter(|action| ids.contains(&action.id))
                .for_each(redact_action),
            Which::Field(field) => {
                let report = &mut incident.report;
                redact_if_any(match field {
                    TextField::Title => &mut report.title,
                    TextField::Impact => &mut report.impact,
                    TextField::RootCause => &mut report.root_cause,
                    TextField::Resolution => &mut report.resolution,
                    TextField::Lead => &mut report.lead,
                });
            }
            Which::Person(replacement) => Person { replacement }.redact_incident(incident),
            Which::Change(taken) => taken.redact_incident(incident),
        }
    }

    /// Replaces the words in the facts that were reviewed of an incident, or what those copied.
    pub fn redact_facts(&self, facts: &mut Facts) {
        if self.is_of(facts.incident.id) {
            self.redact_incident(&mut facts.incident);
        }
        self.redact_copies(&mut facts.incident);
        for change in &mut facts.changes {
            self.redact_change(&mut change.report);
        }
    }

    /// Replaces the words in a change. False when it holds none of them.
    pub fn redact_change(&self, report: &mut ChangeReport) -> bool {
        match &self.which {
            Which::Person(replacement) => Person { replacement }.redact_change(report),
            Which::Change(taken) => taken.redact_change(report),
            Which::Notes(_) | Which::Actions(..) | Which::Field(_) => false,
        }
    }

    /// Replaces the words in what a revision says.
    pub fn redact_revision(&self, revision: &mut Revision) {
        if let Which::Change(taken) = &self.which {
            taken.redact_revision(revision);
        }
    }

    /// True when the words may stand in this incident.
    #[must_use]
    pub fn is_of(&self, incident: IncidentId) -> bool {
        self.is_everywhere() || self.incidents.contains(&incident)
    }

    /// True when they may stand in any incident.
    #[must_use]
    pub const fn is_everywhere(&self) -> bool {
        matches!(self.which, Which::Person(_) | Which::Change(_))
    }

    /// True when the machine went by the words, so that a ledger without them would be worked in
    /// otherwise.
    #[must_use]
    pub const fn is_basis_of_decisions(&self) -> bool {
        matches!(self.which, Which::Change(_))
    }

    fn person(&self) -> Option<Person<'_>> {
        match &self.which {
            Which::Person(replacement) => Some(Person { replacement }),
            Which::Notes(_) | Which::Actions(..) | Which::Field(_) | Which::Change(_) => None,
        }
    }

    /// Replaces what another incident copied of the words when it looked for similar ones. What was
    /// copied when is not known any more, so the field goes whatever it says. False when it copied
    /// nothing.
    pub fn redact_copies(&self, incident: &mut Incident) -> bool {
        let mut is_changed = false;
        let mut clear = |text: Option<&mut String>| {
            if let Some(text) = text.filter(|text| *text != MARK) {
                MARK.clone_into(text);
                is_changed = true;
            }
        };
        let family = &self.incidents;
        for similar in incident.similar.iter_mut().filter(|s| family.contains(&s.incident)) {
            match self.which {
                Which::Notes(_) => clear(similar.mitigation.as_mut()),
                Which::Field(TextField::Title) => clear(Some(&mut similar.title)),
                Which::Field(TextField::RootCause) => clear(similar.root_cause.as_mut()),
                Which::Field(TextField::Resolution) => clear(similar.resolution.as_mut()),
                Which::Field(TextField::Impact | TextField::Lead)
                | Which::Actions(..)
                | Which::Person(_)
                | Which::Change(_) => {}
            }
        }
        is_changed
    }

    /// Replaces the words in a record of this record time. False when it holds none of them.
    pub fn redact_record(&self, operation: &mut Operation, time: Option<Timestamp>) -> bool {
        match (&self.which, &mut operation.action) {
            (Which::Person(replacement), _) => Person { replacement }.redact_record(operation),
            (Which::Change(taken), OperationAction::ReportChange(report)) => {
                taken.redact_change(report)
            }
            (_, action) => self.redact_action(action, time),
        }
    }

    fn redact_action(&self, action: &mut OperationAction, time: Option<Timestamp>) -> bool {
        if !action.incident().is_some_and(|id| self.incidents.contains(&id)) {
            return false;
        }
        match (&self.which, action) {
            (Which::Notes(texts), OperationAction::AddNote(_, draft))
                if texts.contains(&words_redacted(&draft.text)) =>
            {
                // What was suggested from the words would not be suggested from their hash.
                draft.suggested = draft.suggested.or_else(|| Some(suggest_kind(&draft.text)));
                redact(&mut draft.text);
                true
            }
            (Which::Notes(texts), OperationAction::CorrectNote(_, _, patch)) => {
                let text = patch.text.as_mut();
                text.filter(|text| texts.contains(&words_redacted(text))).map(redact).is_some()
            }
            (Which::Actions(_, at), OperationAction::AddAction(_, draft)) if *at == time => {
                redact(&mut draft.text);
                [&mut draft.owner, &mut draft.due, &mut draft.link]
                    .into_iter()
                    .for_each(redact_if_any);
                true
            }
            (Which::Actions(ids, _), OperationAction::PatchAction(_, id, patch))
                if ids.contains(id) =>
            {
                redact_if_any(&mut patch.text);
                [&mut patch.owner, &mut patch.due, &mut patch.link]
                    .into_iter()
                    .flatten()
                    .for_each(redact_if_any);
                true
            }
            (Which::Field(field), OperationAction::Patch(_, patch)) => {
                let said = match field {
                    TextField::Title => &mut patch.title,
                    TextField::Impact => &mut patch.impact,
                    TextField::RootCause => &mut patch.root_cause,
                    TextField::Resolution => &mut patch.resolution,
                    TextField::Lead => &mut patch.lead,
                };
                said.as_mut().map(redact_if_any).is_some()
            }
            _ => false,
        }
    }
}

fn redact(text: &mut String) {
    *text = words_redacted(text);
}

fn redact_if_any(text: &mut Option<String>) {
    text.iter_mut().for_each(redact);
}

fn redact_note(note: &mut Note, texts: &BTreeSet<String>) {
    let versions = note.history.iter_mut().map(|version| &mut version.text);
    versions
        .chain([&mut note.text])
        .filter(|text| texts.contains(&words_redacted(text)))
        .for_each(redact);
}

fn redact_action(action: &mut Action) {
    let draft = &mut action.draft;
    redact(&mut draft.text);
    [&mut draft.owner, &mut draft.due, &mut draft.link].into_iter().for_each(redact_if_any);
}
