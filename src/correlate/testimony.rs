//! What the witnesses of an incident say together about an alert.
//!
//! Each witness is weighed by itself; the strongest are combined as independent witnesses
//! (noisy-or). A caller whose trouble another callee explains already says less about the next
//! callee, and an incident that has its cause takes a second one less readily: two outages that
//! meet at a shared front door stay two. Called by `grouping` only.

use super::evidence::{Pair, Scene, Side};
use super::signals::Signal;
use crate::domain::Span;

/// A pair's probability never becomes certainty.
const PROBABILITY_MAX: f64 = 0.999;

/// A witness below this hardly counts, explained or not.
const SAYS_LITTLE: f64 = -2.0;
/// Starts at most this far apart are one moment, whichever of both was told first.
const ONE_MOMENT: Span = Span::from_minutes(1);

/// The evidence that ties an alert to a set of others.
pub(super) struct Weighed<'a> {
    /// Log-odds of all witnesses together.
    pub(super) score: f64,
    /// How many witnesses it was made from.
    pub(super) witnesses: usize,
    /// The strongest witness, with its evidence.
    pub(super) witness: Option<(Side<'a>, Pair<'a>)>,
    /// Points that it lost because something else explains it already.
    pub(super) explained: f64,
    /// Those that look like causes, none of them at its place.
    causes: Vec<Side<'a>>,
}

/// What the cause that the others have already says against an alert.
#[derive(Clone, Copy)]
pub(super) enum Against {
    /// It looks like another cause, at another place.
    SecondCause,
    /// It shows a symptom of something else: its service does not reach the cause by calls.
    Unreached,
}

/// Weighs an alert against others, as independent witnesses.
pub(super) fn weigh_against<'a>(
    alert: Side<'_>,
    others: &[Side<'a>],
    scene: Scene<'a>,
) -> Weighed<'a> {
    let explained = scene.weights.of(true).explained;
    let mut causes: Vec<Side<'a>> = Vec::new();
    let mut is_at_cause = false;
    let mut pairs: Vec<(f64, Side<'a>, f64)> = Vec::with_capacity(others.len());
    for other in others.iter().filter(|other| other.episode.id != alert.episode.id) {
        let pair = Pair::weigh_briefly(alert, *other, scene);
        if other.traits.signal.is_cause() {
            is_at_cause |= pair.is_one_place();
            causes.push(*other);
        }
        let is_explained = pair.is_below()
            && pair.score() > SAYS_LITTLE
            && is_explained(alert, *other, others, scene);
        let lost = if is_explained { explained } else { 0.0 };
        let score = pair.score() + lost;
        if score.is_finite() {
            pairs.push((score, *other, lost));
        }
    }
    // Ids break ties, so that the choice of the witness never depends on the order of arrival.
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.episode.id.cmp(&y.1.episode.id)));
    pairs.truncate(scene.witnesses);
    let doubt: f64 =
        pairs.iter().map(|(score, ..)| 1.0 - probability(*score).min(PROBABILITY_MAX)).product();
    let score = if pairs.is_empty() { f64::NEG_INFINITY } else { ((1.0 - doubt) / doubt).ln() };
    let witnesses = pairs.len();
    let witness = pairs.first().map(|(_, other, _)| (*other, Pair::weigh(alert, *other, scene)));
    let explained = pairs.first().map_or(0.0, |(.., lost)| *lost);
    if is_at_cause {
        causes.clear();
    }
    Weighed { score, witnesses, witness, explained, causes }
}

fn probability(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// True when what a caller suffers is explained without the alert below it: another service that
/// it calls was in trouble before, with which the alert has nothing to do.
fn is_explained(alert: Side<'_>, caller: Side<'_>, others: &[Side<'_>], scene: Scene<'_>) -> bool {
    others.iter().any(|other| {
        other.episode.starts_at() - caller.episode.starts_at() <= ONE_MOMENT
            && other.traits.service != caller.traits.service
            && other.traits.service != alert.traits.service
            && scene.graph.calls_directly(caller.traits, other.traits)
            && !scene.graph.are_related(alert.traits, other.traits)
    })
}

impl Weighed<'_> {
    /// What speaks against an alert, though some of the others tie it. Asked only of what would
    /// join: it takes a look at all of them.
    pub(super) fn against(
        &self,
        alert: Side<'_>,
        others: &[Side<'_>],
        scene: Scene<'_>,
    ) -> Option<Against> {
        against(alert, &self.causes, others, scene)
    }
}

fn against(
    alert: Side<'_>,
    causes: &[Side<'_>],
    others: &[Side<'_>],
    scene: Scene<'_>,
) -> Option<Against> {
    if causes.is_empty() {
        return None;
    }
    let own = alert.traits.signal;
    // What a cluster stands on, and a machine as far as we know, explains all but what comes by
    // itself.
    let explains = |cause: &Side<'_>| {
        let other = cause.traits.signal;
        let is_ground = other.is_shared_ground() || cause.traits.service.is_none();
        is_ground && !own.is_of_its_own()
            || own.is_shared_ground() && !other.is_of_its_own()
            || copies(alert, *cause, scene)
            || own.is_loss_of_place() && falls_with(alert, *cause, scene)
    };
    if causes.iter().any(explains) {
        return None;
    }
    if own.is_cause() || own.is_shared_ground() || own.builds_up() {
        return Some(Against::SecondCause);
    }
    if !alert.traits.is_mapped || alert.traits.service.is_none() {
        return None;
    }
    // Load goes down the calls, and a primary suffers from its replica.
    let explains = |cause: &Side<'_>| {
        let other = cause.traits.signal;
        other == Signal::Traffic || other.is_replication() || !cause.traits.is_mapped
    };
    let is_explained = causes.iter().any(explains) || reaches_any(alert, causes, others, scene);
    (!is_explained).then_some(Against::Unreached)
}

/// True for a service that calls the one of a cause and fell after it: a process that cannot reach
/// its database may crash.
fn falls_with(alert: Side<'_>, cause: Side<'_>, scene: Scene<'_>) -> bool {
    cause.episode.starts_at() - alert.episode.starts_at() <= ONE_MOMENT
        && scene.graph.calls_directly(alert.traits, cause.traits)
}

/// True for a replica and its primary, which suffer from each other.
fn copies(alert: Side<'_>, cause: Side<'_>, scene: Scene<'_>) -> bool {
    (alert.traits.signal.is_replication() || cause.traits.signal.is_replication())
        && (scene.graph.calls_directly(alert.traits, cause.traits)
            || scene.graph.calls_directly(cause.traits, alert.traits))
}

/// True when the service of an alert reaches that of a cause by calls, itself or through a member.
/// Members of one service say the same.
fn reaches_any(
    alert: Side<'_>,
    causes: &[Side<'_>],
    others: &[Side<'_>],
    scene: Scene<'_>,
) -> bool {
    let calls = |from: Side<'_>, to: &Side<'_>| scene.graph.reaches(from.traits, to.traits);
    let causes = one_of_each_place(causes);
    causes.iter().any(|cause| calls(alert, cause)) || {
        let others = one_of_each_place(others);
        let mut called = others.iter().filter(|other| calls(alert, other));
        called.any(|other| causes.iter().any(|cause| calls(*other, cause)))
    }
}

fn one_of_each_place<'a>(sides: &[Side<'a>]) -> Vec<Side<'a>> {
    let mut places: Vec<Side<'a>> = Vec::with_capacity(sides.len());
    for side in sides {
        let place = |side: &Side<'_>| (side.traits.service_mark, side.traits.cluster_mark);
        if !places.iter().any(|known| place(known) == place(side)) {
            places.push(*side);
        }
    }
    places
}
