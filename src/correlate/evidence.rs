//! Evidence between two alerts, and between an alert and an incident.
//!
//! Every shared fact adds or takes points (log-odds). The points of a pair are a probability; the
//! strongest pairs with one incident are combined as independent witnesses (noisy-or). Each point
//! has a name, so the reason of a membership is the list of its terms.

use super::graph::{Graph, Relation};
use super::reading::{cluster_of, environment_of, in_words, node_of};
use crate::domain::{Episode, Severity, Span, Timestamp};

/// Two alerts about which nothing is known are most likely not the same trouble.
const BIAS: f64 = -4.0;
const SAME_ALERT: f64 = 8.0;
const SAME_SERVICE: f64 = 4.75;
const DIRECT_CALL: f64 = 4.75;
const SECOND_CALL: f64 = 2.25;
const SAME_NODE: f64 = 3.5;
const RUNS_ON_NODE: f64 = 4.25;
const SAME_ALERTNAME: f64 = 1.75;
const SAME_NAMESPACE: f64 = 1.25;
const ALIKE_NAMES: f64 = 1.0;
const CLUSTER_DIFFERS: f64 = -8.0;
const ENVIRONMENT_DIFFERS: f64 = -6.0;
const BOTH_CRITICAL: f64 = 0.75;
/// For every ten minutes between the two firings.
const GAP: f64 = -2.5;
/// Two starts within about two minutes.
const TOGETHER: f64 = 0.75;
/// For every half hour between the two starts, while the earlier one still fires.
const OLD: f64 = -0.25;
/// Witnesses that count.
const STRONGEST_PAIRS: usize = 12;
/// A pair's probability never becomes certainty.
const PROBABILITY_MAX: f64 = 0.999;

/// One named piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    SameAlert,
    SameService,
    Calls(u32),
    CalledBy(u32),
    SameNode,
    RunsOnNode,
    SameAlertname,
    SameNamespace,
    AlikeNames,
    ClusterDiffers,
    EnvironmentDiffers,
    BothCritical,
    Gap(Span),
    Together(Span),
    Old(Span),
}

/// What ties two alerts, or keeps them apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    terms: Vec<(Term, f64)>,
    /// True when something is shared beyond time and severity.
    is_related: bool,
}

impl Pair {
    /// Weighs all evidence between two alerts.
    pub(super) fn weigh(a: &Episode, b: &Episode, graph: &Graph) -> Self {
        let mut pair = Self::default();
        if pair.keep_apart(a, b) {
            return pair;
        }
        pair.weigh_identity(a, b);
        pair.weigh_services(a, b, graph);
        pair.is_related = pair.terms.iter().any(|(_, points)| *points > 0.0);
        pair.weigh_time(a, b);
        if a.severity == Severity::Critical && b.severity == Severity::Critical {
            pair.add(Term::BothCritical, BOTH_CRITICAL);
        }
        pair
    }

    /// Known clusters or environments that differ; true when nothing can outweigh that.
    fn keep_apart(&mut self, a: &Episode, b: &Episode) -> bool {
        let differ =
            |x: Option<&str>, y: Option<&str>| matches!((x, y), (Some(x), Some(y)) if x != y);
        if differ(environment_of(&a.labels), environment_of(&b.labels)) {
            self.add(Term::EnvironmentDiffers, ENVIRONMENT_DIFFERS);
        }
        if differ(cluster_of(&a.labels), cluster_of(&b.labels)) {
            self.add(Term::ClusterDiffers, CLUSTER_DIFFERS);
        }
        !self.terms.is_empty() && a.key != b.key
    }

    fn weigh_identity(&mut self, a: &Episode, b: &Episode) {
        if a.key == b.key {
            self.add(Term::SameAlert, SAME_ALERT);
            return;
        }
        let shared = |name: &str| {
            a.labels.value(name).is_some_and(|value| b.labels.value(name) == Some(value))
        };
        if shared("alertname") {
            self.add(Term::SameAlertname, SAME_ALERTNAME);
        }
        if node_of(&a.labels).is_some_and(|node| node_of(&b.labels) == Some(node)) {
            self.add(Term::SameNode, SAME_NODE);
        }
        if shared("namespace") || shared("grafana_folder") {
            self.add(Term::SameNamespace, SAME_NAMESPACE);
        }
    }

    fn weigh_services(&mut self, a: &Episode, b: &Episode, graph: &Graph) {
        if let (Some(x), Some(y)) = (&a.service, &b.service) {
            if x == y {
                self.add(Term::SameService, SAME_SERVICE);
                return;
            }
            let cluster = cluster_of(&a.labels).or_else(|| cluster_of(&b.labels));
            match graph.relation(x, y, cluster) {
                Some(Relation::Calls(1)) => self.add(Term::Calls(1), DIRECT_CALL),
                Some(Relation::CalledBy(1)) => self.add(Term::CalledBy(1), DIRECT_CALL),
                Some(Relation::Calls(n)) => self.add(Term::Calls(n), SECOND_CALL),
                Some(Relation::CalledBy(n)) => self.add(Term::CalledBy(n), SECOND_CALL),
                None if share_a_part(x.as_str(), y.as_str()) => {
                    self.add(Term::AlikeNames, ALIKE_NAMES);
                }
                None => {}
            }
        }
        let runs = |service: &Episode, node: &Episode| {
            let cluster = cluster_of(&service.labels).or_else(|| cluster_of(&node.labels));
            match (&service.service, node_of(&node.labels)) {
                (Some(name), Some(node)) => graph.runs_on(name, node, cluster),
                _ => false,
            }
        };
        if (a.service.is_none() && runs(b, a)) || (b.service.is_none() && runs(a, b)) {
            self.add(Term::RunsOnNode, RUNS_ON_NODE);
        }
    }

    /// Nearness is measured to the nearest moment at which the other one was *firing*: a caller
    /// that still fires is near, however long ago it began.
    fn weigh_time(&mut self, a: &Episode, b: &Episode) {
        let gap = gap_between(a, b);
        let apart = (a.starts_at() - b.starts_at()).abs();
        // When the same alert fires again, the reopen window alone decides.
        if gap > Span::ZERO && a.key != b.key {
            self.add(Term::Gap(gap), GAP * gap.seconds_f64() / 600.0);
        }
        let together = TOGETHER * (-apart.seconds_f64() / 120.0).exp();
        if together >= 0.05 {
            self.add(Term::Together(apart), together);
        }
        let half_hours = (apart.seconds_f64() / 1800.0).floor().min(8.0);
        if half_hours >= 1.0 {
            self.add(Term::Old(apart), OLD * half_hours);
        }
    }

    fn add(&mut self, term: Term, points: f64) {
        self.terms.push((term, points));
    }

    /// Log-odds that both are the same trouble; nothing shared never matches.
    pub(super) fn score(&self) -> f64 {
        if !self.is_related {
            return f64::NEG_INFINITY;
        }
        BIAS + self.terms.iter().map(|(_, points)| points).sum::<f64>()
    }

    /// The terms in words, strongest first: `its service db is called by web (+4.8)`.
    pub(super) fn in_words(&self, a: &Episode, b: &Episode) -> String {
        let mut terms = self.terms.clone();
        terms.sort_by(|x, y| y.1.abs().total_cmp(&x.1.abs()));
        let words: Vec<String> = terms
            .iter()
            .take(5)
            .map(|(term, points)| format!("{} ({points:+.1})", describe(*term, a, b)))
            .collect();
        words.join(", ")
    }
}

fn describe(term: Term, a: &Episode, b: &Episode) -> String {
    let service = |episode: &Episode| {
        episode.service.as_ref().map_or_else(|| "it".to_owned(), ToString::to_string)
    };
    let (x, y) = (service(a), service(b));
    match term {
        Term::SameAlert => "it is the same alert".to_owned(),
        Term::SameService => format!("same service {x}"),
        Term::Calls(1) => format!("{x} calls {y}"),
        Term::CalledBy(1) => format!("{x} is called by {y}"),
        Term::Calls(n) => format!("{x} reaches {y} through {n} calls"),
        Term::CalledBy(n) => format!("{x} is reached by {y} through {n} calls"),
        Term::SameNode => format!("same node {}", node_of(&a.labels).unwrap_or("?")),
        Term::RunsOnNode => "one names the node on which the other runs".to_owned(),
        Term::SameAlertname => format!("same alert name {}", a.alertname()),
        Term::SameNamespace => "same namespace or folder".to_owned(),
        Term::AlikeNames => format!("alike names {x} and {y}"),
        Term::ClusterDiffers => "clusters differ".to_owned(),
        Term::EnvironmentDiffers => "environments differ".to_owned(),
        Term::BothCritical => "both critical".to_owned(),
        Term::Gap(gap) => format!("{} between the firings", in_words(gap)),
        Term::Together(apart) => format!("began {} apart", in_words(apart)),
        Term::Old(apart) => format!("began {} apart", in_words(apart)),
    }
}

/// `shop-web` and `shop-db` share a part of at least four letters.
fn share_a_part(a: &str, b: &str) -> bool {
    let parts = |name: &str| -> Vec<String> {
        name.split(['-', '_', '.', '/']).filter(|p| p.len() >= 4).map(str::to_lowercase).collect()
    };
    let theirs = parts(b);
    parts(a).iter().any(|part| theirs.contains(part))
}

/// Time between two firings; none where they overlap. An open one reaches to the end of time.
pub(super) fn gap_between(a: &Episode, b: &Episode) -> Span {
    let end = |episode: &Episode| episode.ends_at().unwrap_or(Timestamp::MAX);
    let a_after_b = a.starts_at() - end(b);
    let b_after_a = b.starts_at() - end(a);
    a_after_b.max(b_after_a).max(Span::ZERO)
}

/// The evidence that ties an alert to a set of others.
pub(super) struct Weighed<'a> {
    /// Log-odds of all witnesses together.
    pub(super) score: f64,
    /// The strongest witness, with its evidence.
    pub(super) witness: Option<(&'a Episode, Pair)>,
}

/// Weighs an alert against others, as independent witnesses.
pub(super) fn weigh_against<'a>(
    alert: &Episode,
    others: impl Iterator<Item = &'a Episode>,
    graph: &Graph,
) -> Weighed<'a> {
    let mut pairs: Vec<(f64, &Episode, Pair)> = others
        .filter(|other| other.id != alert.id)
        .map(|other| {
            let pair = Pair::weigh(alert, other, graph);
            (pair.score(), other, pair)
        })
        .filter(|(score, ..)| score.is_finite())
        .collect();
    // Ids break ties, so that the choice of the witness never depends on the order of arrival.
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.id.cmp(&y.1.id)));
    pairs.truncate(STRONGEST_PAIRS);
    let doubt: f64 =
        pairs.iter().map(|(score, ..)| 1.0 - probability(*score).min(PROBABILITY_MAX)).product();
    let score = if pairs.is_empty() { f64::NEG_INFINITY } else { ((1.0 - doubt) / doubt).ln() };
    let witness = pairs.into_iter().next().map(|(_, other, pair)| (other, pair));
    Weighed { score, witness }
}

fn probability(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}
