//! What the machine changed, to be committed with the cursor.

use std::collections::{BTreeMap, BTreeSet};

use super::saying::{About, Sentence};
use crate::domain::facts::Revision;
use crate::domain::packed::Heard;
use crate::domain::record::Outcome;
use crate::domain::words::{TakenBack, Words};
use crate::domain::{
    Change, ChangeId, Episode, EpisodeId, Explanation, Incident, IncidentId, Name, Seq, Timestamp,
    Topology,
};

/// Drained by the engine after one or more records: the newest state of each thing once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Episodes that changed.
    pub episodes: Vec<Episode>,
    /// Episodes of which only repeats were heard.
    pub heard: Vec<(EpisodeId, Heard)>,
    /// Incidents that changed.
    pub incidents: Vec<Incident>,
    /// Changes that were told, or told anew.
    pub changes: Vec<Change>,
    /// Revisions that came to be, in order.
    pub revisions: Vec<(IncidentId, Revision)>,
    /// How episodes were weighed that got another place; empty where nothing was.
    pub explanations: Vec<(EpisodeId, Explanation)>,
    /// What became of operations.
    pub outcomes: Vec<(Seq, Outcome)>,
    /// All heartbeats, when one of them changed.
    pub heartbeats: Option<Vec<Beat>>,
    /// The service graph, when it changed.
    pub topology: Option<Topology>,
    /// Words that are to go from earlier records.
    pub taken_back: Vec<TakenBack>,
}

/// A heartbeat as it stands, for status and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its name.
    pub name: Name,
    /// The alert that beats.
    pub episode: EpisodeId,
    /// Its last word, in record time.
    pub last_word_at: Timestamp,
    /// When it is missed; `None` until armed.
    pub deadline: Option<Timestamp>,
    /// True when it was missed and has not come back.
    pub is_missed: bool,
}

/// What changed since the last drain.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirt {
    pub(super) episodes: BTreeSet<EpisodeId>,
    /// Episodes of which a word was heard, as often as there were words.
    pub(super) heard: Vec<EpisodeId>,
    pub(super) incidents: BTreeSet<IncidentId>,
    pub(super) changes: BTreeSet<ChangeId>,
    pub(super) revisions: Vec<(IncidentId, Revision)>,
    pub(super) explanations: BTreeMap<EpisodeId, Explanation>,
    pub(super) outcomes: Vec<(Seq, Outcome)>,
    pub(super) heartbeats: bool,
    pub(super) topology: bool,
    /// A draft became final.
    pub(super) finalised: bool,
    pub(super) taken_back: Vec<TakenBack>,
    /// Incidents out of which the running step took alerts.
    pub(super) thinned: BTreeSet<IncidentId>,
    /// Incidents to which the running step added a sort of alert.
    pub(super) reshaped: BTreeSet<IncidentId>,
    /// What the running step changed about each incident, in words; becomes one revision each.
    pub(super) step: BTreeMap<IncidentId, Vec<Sentence>>,
    /// Who asked for the running step.
    pub(super) by: Option<String>,
}

impl Dirt {
    /// Says that the running step changes the facts of an incident.
    pub(super) fn say(&mut self, incident: IncidentId, words: impl Into<String>) {
        self.step.entry(incident).or_default().push((words.into(), About::Nothing));
    }

    /// As [`Dirt::say`], of words that a person wrote.
    pub(super) fn say_of_words(&mut self, incident: IncidentId, words: String, of: Words) {
        self.step.entry(incident).or_default().push((words, About::Words(of)));
    }

    /// As [`Dirt::say`], of a change.
    pub(super) fn say_of_change(&mut self, incident: IncidentId, words: String, of: ChangeId) {
        self.step.entry(incident).or_default().push((words, About::Change(of)));
    }
}
