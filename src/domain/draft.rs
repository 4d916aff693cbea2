//! The draft: what the pure rooms make of an incident's facts, ready for any format.
//!
//! It holds facts and plain sentences, no markup and no local times; how they look is for the
//! renderer. Made by `timeline::compose`, printed by `render::draft`.

use super::alert::{Episode, Severity};
use super::change::Change;
use super::facts::Revision;
use super::ids::{EpisodeId, IncidentId, Name};
use super::incident::{
    Action, Candidate, Caveat, DraftStatus, Finalised, IncidentState, Related, Similar,
};
use super::milestone::{MeasureValue, MilestoneValue};
use super::time::{Span, Timestamp};
use super::timeline::{Entry, EntryId};
use super::zone::Zone;

/// How a draft is laid out. It changes the form, never the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// One that comes with the program.
    Shipped(ShippedTemplate),
    /// One of people's own, by its name.
    Own(Name),
}

impl Template {
    /// Its name in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Shipped(shipped) => shipped.as_str(),
            Self::Own(name) => name.as_str(),
        }
    }
}

impl Default for Template {
    fn default() -> Self {
        Self::Shipped(ShippedTemplate::default())
    }
}

/// The layouts that come with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShippedTemplate {
    /// The widely used report of an outage.
    #[default]
    OutageReport,
    /// The example postmortem of Google's SRE book.
    GoogleSre,
    /// PagerDuty's template: contributing factors, never one root cause.
    PagerDuty,
    /// Atlassian's template: leadup, fault, response, five whys.
    Atlassian,
}

impl ShippedTemplate {
    /// All of them, the default first.
    pub const ALL: [Self; 4] =
        [Self::OutageReport, Self::GoogleSre, Self::PagerDuty, Self::Atlassian];

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutageReport => "outage-report",
            Self::GoogleSre => "google-sre",
            Self::PagerDuty => "pagerduty",
            Self::Atlassian => "atlassian",
        }
    }

    /// Reads one of the names of [`ShippedTemplate::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == word)
    }
}

/// A postmortem as far as it can be known at one revision of its incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Of which incident.
    pub incident: IncidentId,
    /// At which revision.
    pub revision: u64,
    /// Record time of that revision.
    pub as_of: Timestamp,
    /// The zone its times are shown in.
    pub zone: Zone,
    /// How it is laid out.
    pub template: Template,
    /// What it is called.
    pub title: String,
    /// Where the incident stands.
    pub state: IncidentState,
    /// How far the review is.
    pub status: DraftStatus,
    /// How bad it was.
    pub severity: Severity,
    /// The services of its alerts, in the order in which they began to suffer.
    pub services: Vec<Name>,
    /// Who leads, if anybody said so.
    pub lead: Option<String>,
    /// The whole in a few lines.
    pub summary: Summary,
    /// Every milestone, in their usual order.
    pub milestones: Vec<MilestoneValue>,
    /// Every measure, in the order in which they are shown.
    pub measures: Vec<MeasureValue>,
    /// The story, entries alike folded together with their rows kept.
    pub timeline: Vec<Entry>,
    /// How it came to light.
    pub detection: Detection,
    /// Suspicions that were not the cause.
    pub wrong_leads: Vec<Entry>,
    /// When others were called in.
    pub escalations: Vec<Entry>,
    /// Measures that people wrote down.
    pub actions: Vec<Action>,
    /// Measures that the evidence suggests; nobody agreed to them.
    pub suggestions: Vec<Suggestion>,
    /// The incident's alerts.
    pub alerts: Vec<Episode>,
    /// Alerts beside it.
    pub context: Vec<Episode>,
    /// Changes near it.
    pub changes: Vec<Change>,
    /// What the writer must doubt.
    pub caveats: Vec<Caveat>,
    /// True when most of it was learnt long after it happened, so that delays say nothing.
    pub is_afterthought: bool,
    /// What only people know.
    pub todo: Vec<Question>,
    /// What may have caused it; evidence, not a finding.
    pub candidate_causes: Vec<Candidate>,
    /// The earlier incident of which it is a continuation.
    pub follows: Option<IncidentId>,
    /// Past incidents that look like it.
    pub similar: Vec<Similar>,
    /// Other incidents tied to it by evidence.
    pub related: Vec<Related>,
    /// Set once it is final.
    pub finalised: Option<Finalised>,
    /// True when it is printed from the facts of a final draft, but in a form that nobody reviewed.
    pub is_reprint: bool,
    /// What changed since a revision that the reader named.
    pub since: Option<Since>,
    /// Where scribed is reached; links to itself are relative without it.
    pub external_url: Option<String>,
}

/// The whole in a few lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The onset.
    pub started_at: Option<Timestamp>,
    /// The resolution.
    pub ended_at: Option<Timestamp>,
    /// From onset to resolution, when both are known and in order.
    pub duration: Option<Span>,
    /// What people said about the impact.
    pub impact: Option<String>,
    /// How many users people counted.
    pub impact_users: Option<u64>,
    /// Which share of users, in percent, people gave.
    pub impact_users_percent: Option<f64>,
    /// What the alerts say about the impact, in sentences.
    pub evidence: String,
    /// Why it happened, as people said.
    pub root_cause: Option<String>,
    /// What ended it, as people said.
    pub resolution: Option<String>,
}

/// How an incident came to light.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// The alert that should have made somebody act.
    pub episode: Option<EpisodeId>,
    /// The earliest sign before it, when there was one.
    pub first_sign: Option<EpisodeId>,
    /// True when onset and detection were read from one and the same alert, so that the time
    /// between them says nothing.
    pub onset_is_detection: bool,
}

/// A measure that the evidence suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What sort.
    pub kind: SuggestionKind,
    /// What to do, and the evidence for it.
    pub text: String,
    /// The entries that show it.
    pub entries: Vec<EntryId>,
}

/// Sorts of suggested measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuggestionKind {
    /// The first alert that would page came after the onset.
    DetectEarlier,
    /// A changed service raised no alert, or a late one.
    AlertOnCause,
    /// An alert came and went many times.
    SteadyRule,
    /// An alert without a runbook.
    Runbook,
    /// An end that was never reported.
    SendResolves,
    /// A sender left alerts out.
    RaiseLimit,
}

impl SuggestionKind {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DetectEarlier => "detect_earlier",
            Self::AlertOnCause => "alert_on_cause",
            Self::SteadyRule => "steady_rule",
            Self::Runbook => "runbook",
            Self::SendResolves => "send_resolves",
            Self::RaiseLimit => "raise_limit",
        }
    }
}

/// Something that only people know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where the answer belongs.
    pub section: Section,
    /// What to answer.
    pub question: &'static str,
}

/// Places that wait for a person's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Who leads.
    Lead,
    /// What users saw.
    Impact,
    /// Who took it, and when.
    Acknowledgement,
    /// Why it happened.
    RootCause,
    /// What ended it.
    Resolution,
    /// What is to be done.
    Actions,
}

impl Section {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Impact => "impact",
            Self::Acknowledgement => "acknowledgement",
            Self::RootCause => "root_cause",
            Self::Resolution => "resolution",
            Self::Actions => "actions",
        }
    }
}

/// What changed since a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The revision that the reader knows.
    pub revision: u64,
    /// The later ones, oldest first.
    pub revisions: Vec<Revision>,
}

impl Draft {
    /// The question that waits at a place, if any does.
    #[must_use]
    pub fn question(&self, section: Section) -> Option<&'static str> {
        self.todo.iter().find(|q| q.section == section).map(|q| q.question)
    }
}
