//! Evidence between two alerts, and between an alert and a group of others.
//!
//! Every shared fact adds or takes points (log-odds). The points of a pair are a probability; the
//! strongest pairs with one incident are independent witnesses (noisy-or). Each point has a name:
//! the reason of a membership is the list of its terms. Called by `grouping` only.

use super::graph::{Graph, Relation, Standing};
use super::learned::Learned;
use super::signals::Signal;
use super::traits::Traits;
use super::untied::{LOAD_TOLERANCE, is_cold_cache, weigh_untied};
use super::weights::{Tables, Weights};
use crate::domain::{Episode, Name, Span, Timestamp};

/// From here on a time between two starts weighs in full against the order of a cascade.
const ORDER_SPAN_SECONDS: f64 = 600.0;
/// The same for what a cluster stands on: all of it suffers at once.
const GROUND_SPAN_SECONDS: f64 = 180.0;
/// Alerts that begin within about this are one burst.
const BURST_SECONDS: f64 = 120.0;
/// The same alert is no longer simply the same story when it began this long before.
const LONG_AGO: Span = Span::from_hours(1);
/// Two that a direct tie joins and that begin within this are hardly in two clusters.
const SOON: Span = Span::from_minutes(5);
/// Starts at most this far apart are one moment: a scrape and an evaluation.
pub(super) const ONE_MOMENT: Span = Span::from_minutes(1);
/// With fewer series than this, nothing is known about how common a label pair is.
pub(super) const SERIES_MIN: u32 = 20;

/// One named piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    SameAlert,
    SameService,
    Calls(u32),
    /// The traffic of the caller explains the callee; true when it calls, false when it is called.
    Load {
        calls: bool,
    },
    CalledBy(u32),
    Siblings,
    ColdCache,
    WrongOrder(Span),
    NotASymptom,
    TwoCauses,
    StrainAlone,
    LateCause(Span),
    SameNode,
    Placed,
    OtherNode,
    SharedGround,
    SameAlertname,
    OneMessage,
    SameNamespace,
    AlikeNames,
    RareLabel,
    Critical,
    UnknownCluster,
    UnknownClusterTied,
    ClusterDiffers,
    EnvironmentDiffers,
    Gap(Span),
    Apart(Span),
    /// Where one builds up or shows late, and where the earlier fills up at the service of both.
    ApartSlow(Span),
    ApartFilling(Span),
    Together(Span),
    OneMaintained,
    BothMaintained,
    Quiet,
}

/// One of the two alerts of a pair.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) episode: &'a Episode,
    pub(super) traits: &'a Traits,
    /// True when planned work on its cluster explains it.
    pub(super) is_maintained: bool,
}

/// What both alerts of a pair stand in.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) graph: &'a Graph,
    pub(super) learned: &'a Learned,
    /// What each piece of evidence is worth.
    pub(super) weights: &'a Tables,
    /// How many of the strongest pairs count: more of them say nothing new.
    pub(super) witnesses: usize,
    /// How much else goes on: 0 when nothing, 1 when a coincidence is likely.
    pub(super) busy: f64,
    /// True when more than one cluster is known, so that an unknown one is a doubt.
    pub(super) has_clusters: bool,
}

/// What ties two alerts, or keeps them apart.
#[derive(Clone, Debug)]
pub(super) struct Pair<'w> {
    weights: &'w Weights,
    /// Empty when only the score is asked for, as it is for all but the few that are told.
    terms: Vec<(Term, f64)>,
    keeps_terms: bool,
    /// The points of all terms, and whether there is any, and any above 0.
    points: f64,
    has_terms: bool,
    has_positive: bool,
    /// True when something is shared beyond time and severity.
    is_related: bool,
    /// True when a direct call, the service, the node or the alert itself ties them.
    is_tied: bool,
    /// True when the traffic of one explains the other.
    is_load: bool,
    /// True when the second directly calls the service of the first.
    is_below: bool,
    /// True when the caller only shows strain of its own, which no call brings about.
    is_unlike: bool,
    /// True when both are at one service or one machine.
    is_one_place: bool,
}

impl<'w> Pair<'w> {
    /// Weighs all evidence between two alerts.
    pub(super) fn weigh(a: Side<'_>, b: Side<'_>, scene: Scene<'w>) -> Self {
        Self::weigh_with(a, b, scene, true)
    }

    /// As [`Pair::weigh`], without what is needed to tell of it.
    pub(super) fn weigh_briefly(a: Side<'_>, b: Side<'_>, scene: Scene<'w>) -> Self {
        Self::weigh_with(a, b, scene, false)
    }

    fn weigh_with(a: Side<'_>, b: Side<'_>, scene: Scene<'w>, keeps_terms: bool) -> Self {
        let is_mapped = a.traits.is_mapped && b.traits.is_mapped;
        let is_same_alert = a.traits.alert == b.traits.alert && a.episode.key == b.episode.key;
        let mut pair = Self {
            weights: scene.weights.of(is_mapped),
            terms: if keeps_terms { Vec::with_capacity(12) } else { Vec::new() },
            keeps_terms,
            points: 0.0,
            has_terms: false,
            has_positive: false,
            is_related: false,
            is_tied: false,
            is_load: false,
            is_below: false,
            is_unlike: false,
            is_one_place: is_same_alert,
        };
        if pair.keep_apart(a.traits, b.traits) && !is_same_alert {
            return pair;
        }
        // It fires again where the other fired before it. A firing that was over before the other
        // began says no more than that of any alert.
        let returns = is_same_alert && a.episode.starts_at() >= b.episode.starts_at();
        if returns {
            pair.tie(Term::SameAlert, pair.weights.same_alert);
        }
        pair.weigh_services(a, b, scene);
        pair.weigh_nodes(a.traits, b.traits, scene.graph);
        pair.weigh_names(a, b, scene);
        // One of several clusters is a label that not every alert has.
        let is_same_cluster = scene.has_clusters
            && a.traits.cluster.is_some()
            && a.traits.cluster == b.traits.cluster;
        pair.is_related = is_same_cluster || pair.has_positive;
        if !pair.is_related {
            return pair;
        }
        if !pair.is_tied
            && !pair.is_load
            && let Some((term, points)) = weigh_untied(a, b, pair.weights)
        {
            pair.add(term, points);
        }
        pair.weigh_circumstances(a, b, scene);
        let busy = pair.busy(scene);
        pair.weigh_time(a, b, returns, busy);
        pair
    }

    /// Known clusters or environments that differ: nothing outweighs that.
    fn keep_apart(&mut self, a: &Traits, b: &Traits) -> bool {
        if matches!((&a.environment, &b.environment), (Some(x), Some(y)) if x != y) {
            self.add(Term::EnvironmentDiffers, -8.0);
        }
        if matches!((a.cluster_mark, b.cluster_mark), (Some(x), Some(y)) if x != y) {
            self.add(Term::ClusterDiffers, -8.0);
        }
        self.has_terms
    }

    fn weigh_services(&mut self, a: Side<'_>, b: Side<'_>, scene: Scene<'_>) {
        let (Some(x), Some(y)) = (&a.traits.service, &b.traits.service) else { return };
        let weights = self.weights;
        if x == y {
            self.is_one_place = true;
            self.tie(Term::SameService, weights.same_service);
            return;
        }
        let (caller, callee, steps, term) = match scene.graph.standing(a.traits, b.traits) {
            Standing::Apart => return,
            Standing::Related(Relation::Calls(n)) => (a, b, n, Term::Calls(n)),
            Standing::Related(Relation::CalledBy(n)) => (b, a, n, Term::CalledBy(n)),
            Standing::Siblings(_) if is_cold_cache(a, b) => {
                self.add(Term::ColdCache, weights.cold_cache);
                return;
            }
            Standing::Siblings(degree) => {
                let share = 1.0 / (f64::from(degree) + 2.0).log2();
                self.add(Term::Siblings, weights.siblings * share);
                return;
            }
        };
        let headstart = callee.episode.starts_at() - caller.episode.starts_at();
        // Load goes down the calls, where every other trouble climbs, and explains only what
        // comes with it or after it.
        if caller.traits.signal == Signal::Traffic && headstart + LOAD_TOLERANCE >= Span::ZERO {
            self.is_load = true;
            if steps == 1 {
                self.is_one_place = true;
                self.add(Term::Load { calls: matches!(term, Term::Calls(_)) }, weights.load);
            } else {
                self.add(term, weights.second_call);
            }
            return;
        }
        let is_in_order = headstart.seconds_f64() <= weights.order_tolerance;
        let climbs = headstart.seconds_f64() <= weights.climb_tolerance;
        let points = match steps {
            1 if climbs => weights.climbs,
            1 => weights.descends,
            _ => weights.second_call,
        };
        if steps == 1 {
            self.is_below = matches!(term, Term::CalledBy(_));
            self.tie(term, points);
        } else {
            self.add(term, points);
        }
        // A replica and its primary suffer from each other, whichever shows it first.
        if caller.traits.signal.is_replication() && steps == 1 {
            return;
        }
        if !is_in_order {
            let busy = if steps == 1 { scene.busy } else { 1.0 };
            let share = (headstart.seconds_f64() / ORDER_SPAN_SECONDS).min(1.0);
            let points = weights.wrong_order * share * busy;
            self.add(Term::WrongOrder(headstart), if steps > 1 { points / 2.0 } else { points });
        }
        if !caller.traits.signal.is_symptom() {
            self.is_unlike = caller.traits.signal.is_strain();
            self.add(Term::NotASymptom, weights.not_a_symptom);
        }
    }

    fn weigh_nodes(&mut self, a: &Traits, b: &Traits, graph: &Graph) {
        let weights = self.weights;
        let shares_node = a.shares_node(b);
        if shares_node {
            self.is_one_place = true;
            self.tie(Term::SameNode, weights.same_node);
        } else if a.node.is_some()
            && b.node.is_some()
            && (a.is_about_a_node() || b.is_about_a_node())
        {
            self.add(Term::OtherNode, weights.other_node);
        }
        for (node, service) in [(a, b), (b, a)] {
            let (Some(name), Some(at)) = (&service.service, &node.node) else { continue };
            let cluster = node.cluster.as_ref().or(service.cluster.as_ref()).map(Name::as_str);
            if !node.is_about_a_node()
                || service.node.is_some()
                || !graph.runs_on(name, at.as_str(), cluster)
            {
                continue;
            }
            self.is_one_place = true;
            if service.signal.is_gone_with_its_machine() {
                self.tie(Term::Placed, weights.placed);
            } else {
                self.tie(Term::Placed, weights.placed_other);
            }
        }
        let is_same_place = a.service.is_some() && a.service == b.service || shares_node;
        // Traffic that explains traffic is one surge.
        let is_one_surge = self.is_load && a.signal == b.signal;
        if a.signal.is_cause() && b.signal.is_cause() && !is_same_place && !is_one_surge {
            self.add(Term::TwoCauses, weights.two_causes);
        }
    }

    fn weigh_names(&mut self, a: Side<'_>, b: Side<'_>, scene: Scene<'_>) {
        let weights = self.weights;
        let (x, y) = (a.traits, b.traits);
        let is_one_cluster = x.cluster == y.cluster && (x.cluster.is_some() || !scene.has_clusters);
        let is_ground = x.signal.is_shared_ground() || y.signal.is_shared_ground();
        let is_of_its_own = x.signal.is_of_its_own() || y.signal.is_of_its_own();
        if is_one_cluster && is_ground && !is_of_its_own {
            self.add(Term::SharedGround, weights.shared_ground);
            let (ground, other) = if x.signal.is_shared_ground() { (a, b) } else { (b, a) };
            let late = ground.episode.starts_at() - other.episode.starts_at();
            if !other.traits.signal.is_shared_ground()
                && late.seconds_f64() > weights.order_tolerance
            {
                let share = (late.seconds_f64() / GROUND_SPAN_SECONDS).min(1.0);
                self.add(Term::WrongOrder(late), weights.late_ground * share * scene.busy);
            }
        }
        if x.alertname == y.alertname {
            let points = if x.signal.is_symptom() || x.signal.is_loss_of_place() {
                weights.same_alertname
            } else {
                weights.other_alertname
            };
            self.add(Term::SameAlertname, points);
            if is_one_message(a.episode, b.episode) {
                self.tie(Term::OneMessage, weights.one_message);
            }
        }
        if let Some(namespace) = x.namespace_mark
            && y.namespace_mark == Some(namespace)
        {
            let share = if scene.learned.series() < SERIES_MIN {
                1.0
            } else {
                scene.learned.rarity(namespace).min(1.0)
            };
            self.add(Term::SameNamespace, weights.same_namespace * share);
        }
        if let Some(rarity) = scene.learned.rarest_shared(&x.part_marks, &y.part_marks) {
            self.add(Term::AlikeNames, weights.alike_names * rarity.min(3.0) / 2.0);
        }
        if weights.rare_label != 0.0 {
            let rarest = scene.learned.rarest_shared(&x.label_marks, &y.label_marks).unwrap_or(0.0);
            if rarest > 0.0 && scene.learned.series() >= SERIES_MIN {
                self.add(Term::RareLabel, weights.rare_label * rarest.min(3.0) / 3.0);
            }
        }
    }

    fn weigh_circumstances(&mut self, a: Side<'_>, b: Side<'_>, scene: Scene<'_>) {
        let weights = self.weights;
        let critical = f64::from(u8::from(a.traits.is_critical) + u8::from(b.traits.is_critical));
        self.add(Term::Critical, weights.critical * critical / 2.0);
        let is_unknown = a.traits.cluster.is_none() || b.traits.cluster.is_none();
        if scene.has_clusters && is_unknown {
            let is_soon = (a.episode.starts_at() - b.episode.starts_at()).abs() <= SOON;
            let (term, points) = if self.is_tied && is_soon {
                (Term::UnknownClusterTied, weights.unknown_tied)
            } else {
                (Term::UnknownCluster, weights.unknown_cluster)
            };
            self.add(term, points);
        }
        match (a.is_maintained, b.is_maintained) {
            (true, true) => self.add(Term::BothMaintained, weights.both_maintained),
            (true, false) | (false, true) => self.add(Term::OneMaintained, weights.one_maintained),
            (false, false) => {}
        }
        // What is over, or only strained by itself, is no part of what goes on.
        let overlaps = gap_between(a.episode, b.episode) == Span::ZERO;
        if self.is_tied && overlaps && !self.is_unlike {
            self.add(Term::Quiet, weights.quiet * (1.0 - scene.busy));
        }
    }

    /// Nearness is measured to the nearest moment at which the other one was *firing*: a caller
    /// that still fires is near. The time between the starts counts as far as coincidence is
    /// likely, which is when much else goes on.
    fn weigh_time(&mut self, a: Side<'_>, b: Side<'_>, returns: bool, busy: f64) {
        let weights = self.weights;
        let is_slow = self.is_tied && is_slow(a, b);
        let fills_up = is_slow && fills_up_itself(a, b);
        let (a, b) = (a.episode, b.episode);
        let apart = (a.starts_at() - b.starts_at()).abs();
        // When the same alert fires again soon, the reopen window alone decides.
        if !returns || apart > LONG_AGO {
            let gap = gap_between(a, b);
            self.add(Term::Gap(gap), weights.gap * gap.seconds_f64() / 600.0);
            let rest = (apart - gap).seconds_f64().max(0.0);
            let (term, points) = if fills_up {
                (Term::ApartFilling(apart), weights.apart_filling)
            } else if is_slow {
                (Term::ApartSlow(apart), weights.apart_slow)
            } else {
                (Term::Apart(apart), weights.apart)
            };
            self.add(term, points * busy * rest / 600.0);
        }
        let together = (-apart.seconds_f64() / BURST_SECONDS).exp();
        self.add(Term::Together(apart), weights.together * together);
    }

    /// True when a direct call, the service, the node or the alert itself ties them.
    pub(super) const fn is_tied(&self) -> bool {
        self.is_tied
    }

    /// True when the service of the second directly calls that of the first.
    pub(super) const fn is_below(&self) -> bool {
        self.is_below
    }

    /// True when both are at one service, at one machine, or in one wave of load.
    pub(super) const fn is_one_place(&self) -> bool {
        self.is_one_place
    }

    /// How likely coincidence is: without a direct tie always.
    pub(super) const fn busy(&self, scene: Scene<'_>) -> f64 {
        if self.is_tied { scene.busy } else { 1.0 }
    }

    fn add(&mut self, term: Term, points: f64) {
        if points.abs() >= 0.005 {
            self.points += points;
            self.has_terms = true;
            self.has_positive |= points > 0.0;
            if self.keeps_terms {
                self.terms.push((term, points));
            }
        }
    }

    fn tie(&mut self, term: Term, points: f64) {
        self.is_tied = true;
        self.add(term, points);
    }

    /// Log-odds that both are the same trouble; nothing shared never matches.
    pub(super) fn score(&self) -> f64 {
        if !self.is_related {
            return f64::NEG_INFINITY;
        }
        self.weights.bias + self.points
    }

    /// What stands before any evidence.
    pub(super) const fn bias(&self) -> f64 {
        self.weights.bias
    }

    /// All evidence, in the order in which it was found.
    pub(super) fn terms(&self) -> &[(Term, f64)] {
        &self.terms
    }

    /// True when all but time ties them.
    pub(super) fn ties_again(&self, needed: f64) -> bool {
        let timeless = |term: &Term| {
            !matches!(
                term,
                Term::Gap(_)
                    | Term::Apart(_)
                    | Term::ApartSlow(_)
                    | Term::ApartFilling(_)
                    | Term::WrongOrder(_)
            )
        };
        let points: f64 =
            self.terms.iter().filter(|(term, _)| timeless(term)).map(|(_, points)| points).sum();
        self.is_related && self.weights.bias + points >= needed
    }
}

/// True when one message of a sender told of both, and both began at one moment: the sender's own
/// group speaks of one event.
fn is_one_message(a: &Episode, b: &Episode) -> bool {
    a.received_at == b.received_at
        && a.sources.first() == b.sources.first()
        && (a.starts_at() - b.starts_at()).abs() <= ONE_MOMENT
}

/// True when the earlier of two builds up, or the later one takes its time to show.
fn is_slow(a: Side<'_>, b: Side<'_>) -> bool {
    let (first, last) = in_order(a, b);
    first.traits.signal.builds_up() || last.traits.signal.shows_late()
}

/// True when the earlier of two fills up the service that both are about.
fn fills_up_itself(a: Side<'_>, b: Side<'_>) -> bool {
    let (first, _) = in_order(a, b);
    let is_one_service = a.traits.service.is_some() && a.traits.service == b.traits.service;
    is_one_service && first.traits.signal.builds_up()
}

fn in_order<'a>(a: Side<'a>, b: Side<'a>) -> (Side<'a>, Side<'a>) {
    let a_is_first = (a.episode.starts_at(), a.episode.id) <= (b.episode.starts_at(), b.episode.id);
    if a_is_first { (a, b) } else { (b, a) }
}

/// Time between two firings; none where they overlap. An open one reaches to the end of time.
pub(super) fn gap_between(a: &Episode, b: &Episode) -> Span {
    let end = |episode: &Episode| episode.ends_at().unwrap_or(Timestamp::MAX);
    let a_after_b = a.starts_at() - end(b);
    let b_after_a = b.starts_at() - end(a);
    a_after_b.max(b_after_a).max(Span::ZERO)
}
