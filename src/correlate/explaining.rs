//! What a placement weighed, kept for whoever asks why.
//!
//! The terms sum up to the score, and carry the names under which the configuration sets them.
//! Called by `grouping`; it decides nothing.

use std::borrow::Cow;

use super::evidence::{Pair, Side, Term, describe};
use super::machine::Machine;
use crate::domain::explanation::{self, Explanation, Rival};
use crate::domain::{EpisodeId, IncidentId};

/// How many rivals are kept.
const RIVALS_MAX: usize = 10;

/// A term as it is kept.
pub(super) fn term(
    name: &'static str,
    points: f64,
    text: impl Into<Cow<'static, str>>,
) -> explanation::Term {
    explanation::Term { name: Cow::Borrowed(name), points, text: text.into() }
}

/// A pair of alerts, weighed, and what `more` adds to it.
pub(super) fn explain_pair(
    pair: &Pair<'_>,
    (a, b): (Side<'_>, Side<'_>),
    score: f64,
    more: Vec<explanation::Term>,
) -> Explanation {
    let mut terms = vec![term("bias", pair.bias(), "two alerts are rarely one trouble")];
    terms.extend(
        pair.terms().iter().map(|(t, points)| term(name_of(*t), *points, describe(*t, a, b))),
    );
    terms.extend(more);
    let mut explained = Explanation {
        nearest: Some(b.episode.id),
        score: Some(score),
        terms,
        ..Default::default()
    };
    explained.sort();
    explained
}

/// The rivals of a choice, the best first.
pub(super) fn rivals(scores: impl Iterator<Item = (IncidentId, f64)>) -> Vec<Rival> {
    let mut rivals: Vec<Rival> = scores
        .filter(|(_, score)| score.is_finite())
        .map(|(incident, score)| Rival { incident, score })
        .collect();
    rivals.sort_by(|x, y| y.score.total_cmp(&x.score).then(x.incident.cmp(&y.incident)));
    rivals.truncate(RIVALS_MAX);
    rivals
}

impl Machine {
    /// Keeps how an episode was weighed, in the place of what was kept before.
    pub(super) fn explain(&mut self, id: EpisodeId, explanation: Explanation) {
        self.dirt.explanations.insert(id, explanation.in_thousandths());
    }
}

/// The weight that a term is made from.
const fn name_of(term: Term) -> &'static str {
    match term {
        Term::SameAlert => "same_alert",
        Term::SameService => "same_service",
        Term::Load { .. } => "load",
        Term::Calls(1) => "climbs",
        Term::CalledBy(1) => "descends",
        Term::Calls(_) | Term::CalledBy(_) => "second_call",
        Term::Siblings => "siblings",
        Term::WrongOrder(_) => "wrong_order",
        Term::NotASymptom => "not_a_symptom",
        Term::TwoCauses => "two_causes",
        Term::SameNode => "same_node",
        Term::Placed => "placed",
        Term::OtherNode => "other_node",
        Term::SharedGround => "shared_ground",
        Term::SameAlertname => "same_alertname",
        Term::OneMessage => "one_message",
        Term::SameNamespace => "same_namespace",
        Term::AlikeNames => "alike_names",
        Term::RareLabel => "rare_label",
        Term::Critical => "critical",
        Term::UnknownCluster => "unknown_cluster",
        Term::ClusterDiffers => "cluster_differs",
        Term::EnvironmentDiffers => "environment_differs",
        Term::Gap(_) => "gap",
        Term::Apart(_) => "apart",
        Term::Together(_) => "together",
        Term::OneMaintained => "one_maintained",
        Term::BothMaintained => "both_maintained",
        Term::Quiet => "quiet",
    }
}
