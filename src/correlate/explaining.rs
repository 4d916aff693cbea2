//! What a placement weighed, kept for whoever asks why.
//!
//! The terms sum up to the score, and carry the names under which the configuration sets them.
//! Called by `grouping`; it decides nothing.

use std::borrow::Cow;

use super::evidence::{Pair, Side, Term};
use super::machine::Machine;
use super::reading::in_words;
use super::testimony::Against;
use super::weights::Weights;
use crate::domain::explanation::{self, Explanation, Rival};
use crate::domain::{EpisodeId, IncidentId, Name};

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

/// What the cause of an incident says against an alert, as far as coincidence is likely.
pub(super) fn against_term(against: Against, weights: &Weights, busy: f64) -> explanation::Term {
    let (name, points, text) = match against {
        Against::SecondCause => {
            ("second_cause", weights.second_cause, "another cause is known already")
        }
        Against::Unreached => {
            ("unreached", weights.unreached, "it does not reach the cause by its calls")
        }
    };
    term(name, points * busy, text)
}

/// What the nearest alert lost because another one explains it; nothing where it lost nothing.
pub(super) fn explained_term(points: f64) -> Option<explanation::Term> {
    let text = "another service that the nearest calls explains it already";
    (points != 0.0).then(|| term("explained", points, text))
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

impl Pair<'_> {
    /// The terms in words, strongest first: `db is called by web (+4.8)`.
    pub(super) fn in_words(&self, a: Side<'_>, b: Side<'_>) -> String {
        let mut terms = self.terms().to_vec();
        terms.sort_by(|x, y| y.1.abs().total_cmp(&x.1.abs()));
        let words: Vec<String> = terms
            .iter()
            .take(5)
            .map(|(term, points)| format!("{} ({points:+.1})", describe(*term, a, b)))
            .collect();
        words.join(", ")
    }
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

/// A piece of evidence in words.
fn describe(term: Term, a: Side<'_>, b: Side<'_>) -> Cow<'static, str> {
    let service = |side: Side<'_>| {
        side.traits.service.as_ref().map_or_else(|| "it".to_owned(), ToString::to_string)
    };
    let (x, y) = (service(a), service(b));
    match term {
        Term::SameAlert => "it is the same alert".into(),
        Term::SameService => format!("same service {x}").into(),
        Term::Load { calls: true } => format!("{x} calls {y}, and brings the traffic").into(),
        Term::Load { calls: false } => {
            format!("{x} is called by {y}, which brings the traffic").into()
        }
        Term::Calls(1) => format!("{x} calls {y}").into(),
        Term::CalledBy(1) => format!("{x} is called by {y}").into(),
        Term::Calls(n) => format!("{x} reaches {y} through {n} calls").into(),
        Term::CalledBy(n) => format!("{x} is reached by {y} through {n} calls").into(),
        Term::Siblings => "both stand beside one service without calling each other".into(),
        Term::ColdCache => "what a cache no longer answers falls on the store beside it".into(),
        Term::WrongOrder(span) => format!("the caller alerted {} before", in_words(span)).into(),
        Term::NotASymptom => "the caller shows no symptom of a call".into(),
        Term::TwoCauses => "both look like causes, at two places".into(),
        Term::StrainAlone => "one is strained by itself, and nothing ties them".into(),
        Term::LateCause(span) => {
            format!("one broke {} after the other, and nothing ties them", in_words(span)).into()
        }
        Term::SameNode => {
            let node = a.traits.node.as_ref().or(b.traits.node.as_ref());
            format!("same node {}", node.map_or("?", Name::as_str)).into()
        }
        Term::Placed => "one names the node on which the other runs".into(),
        Term::OtherNode => "another node".into(),
        Term::SharedGround => "one is about what the whole cluster stands on".into(),
        Term::SameAlertname => format!("same alert name {}", a.traits.alertname).into(),
        Term::OneMessage => "told in one message, begun at one moment".into(),
        Term::SameNamespace => "same namespace or folder".into(),
        Term::AlikeNames => format!("alike names {x} and {y}").into(),
        Term::RareLabel => "a rare label in common".into(),
        Term::Critical => "severity critical".into(),
        Term::UnknownCluster | Term::UnknownClusterTied => "the cluster of one is unknown".into(),
        Term::ClusterDiffers => "clusters differ".into(),
        Term::EnvironmentDiffers => "environments differ".into(),
        Term::Gap(gap) => format!("{} between the firings", in_words(gap)).into(),
        Term::Apart(apart) | Term::ApartSlow(apart) | Term::ApartFilling(apart) => {
            format!("began {} apart while much else went on", in_words(apart)).into()
        }
        Term::Together(apart) => format!("began {} apart", in_words(apart)).into(),
        Term::OneMaintained => "planned work explains only one of them".into(),
        Term::BothMaintained => "planned work explains both".into(),
        Term::Quiet => "little else goes on".into(),
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
        Term::ColdCache => "cold_cache",
        Term::WrongOrder(_) => "wrong_order",
        Term::NotASymptom => "not_a_symptom",
        Term::TwoCauses => "two_causes",
        Term::StrainAlone => "strain_alone",
        Term::LateCause(_) => "late_cause",
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
        Term::UnknownClusterTied => "unknown_tied",
        Term::ClusterDiffers => "cluster_differs",
        Term::EnvironmentDiffers => "environment_differs",
        Term::Gap(_) => "gap",
        Term::Apart(_) => "apart",
        Term::ApartSlow(_) => "apart_slow",
        Term::ApartFilling(_) => "apart_filling",
        Term::Together(_) => "together",
        Term::OneMaintained => "one_maintained",
        Term::BothMaintained => "both_maintained",
        Term::Quiet => "quiet",
    }
}
