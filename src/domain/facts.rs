//! All facts that a timeline or a draft is made from.

use super::alert::Episode;
use super::change::Change;
use super::incident::Incident;
use super::words::Words;

/// One incident with everything it refers to, read at one moment.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// The incident.
    pub incident: Incident,
    /// Its members, by start and id.
    pub members: Vec<Episode>,
    /// Episodes listed beside it without being members, by start and id.
    pub context: Vec<Episode>,
    /// The changes it names, by the moment at which they happened and id.
    pub changes: Vec<Change>,
    /// What its revisions changed, oldest first.
    pub revisions: Vec<Revision>,
}

/// What one revision changed, in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// Its record time.
    pub at: super::time::Timestamp,
    /// Who asked for it, when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What changed, one sentence each. [`Revision::SLOT`] stands where a sentence names the person
    /// or a change: both can be taken back, so neither is kept in the sentence.
    pub changes: Vec<String>,
    /// Which of these sentences speak of words that a person wrote, by their place. The words are
    /// not kept here, because they can be taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<(usize, Words)>,
    /// Which of them name a change, by their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about_changes: Vec<(usize, super::ids::ChangeId)>,
}

impl Revision {
    /// Stands in a sentence for what is put there when somebody reads it. A control character,
    /// which no output shows: a sender that writes it gains a name in its own sentence at most.
    pub const SLOT: char = '\u{1a}';
}
