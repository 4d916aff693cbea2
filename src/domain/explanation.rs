//! How an alert was weighed when it got its place: every term, the threshold, and the rivals.
//!
//! Kept beside the episode, whose `reason` says the same in one sentence.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ids::{EpisodeId, IncidentId};

/// See the module. Empty where nothing was weighed: a person decided, or a rule that does not ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The incident it was weighed against; `None` where that was a floating alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// The alert that said the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<EpisodeId>,
    /// The sum of the terms, in log-odds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<f64>,
    /// Every term, the strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// Other incidents that were weighed, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Rival>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Its name, as in `incidents.weights`; or `witnesses`, for what the other members add.
    #[serde(rename = "n")]
    pub name: Cow<'static, str>,
    /// What it adds or takes.
    #[serde(rename = "p")]
    pub points: f64,
    /// In words.
    #[serde(rename = "t")]
    pub text: Cow<'static, str>,
}

/// Another incident that was weighed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// Which.
    #[serde(rename = "i")]
    pub incident: IncidentId,
    /// What it scored.
    #[serde(rename = "s")]
    pub score: f64,
}

impl Explanation {
    /// True when nothing was weighed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, no finer than anybody reads it. Scores are cut, not rounded, so that what was not
    /// enough does not look as if it were.
    #[must_use]
    pub fn in_thousandths(mut self) -> Self {
        let rounded = |points: f64| (points * 1000.0).round() / 1000.0;
        let cut = |points: f64| (points * 1000.0).floor() / 1000.0;
        self.score = self.score.map(cut);
        self.needed = self.needed.map(rounded);
        self.terms.iter_mut().for_each(|term| term.points = rounded(term.points));
        self.rivals.iter_mut().for_each(|rival| rival.score = cut(rival.score));
        self
    }

    /// Puts the terms in order: the strongest first, equal ones by name.
    pub fn sort(&mut self) {
        self.terms.sort_by(|x, y| {
            y.points.abs().total_cmp(&x.points.abs()).then_with(|| x.name.cmp(&y.name))
        });
    }
}
