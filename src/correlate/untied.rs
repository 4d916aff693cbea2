//! What two alerts say of each other where no call, service or machine ties them.
//!
//! Trouble travels as symptoms: a slow store makes slow callers. A service that is merely strained,
//! or breaks after the other suffered, is rarely a part of it unless something ties the two. Called
//! by `evidence` only.

use super::evidence::{ONE_MOMENT, Side, Term};
use super::signals::Signal;
use super::weights::Weights;
use crate::domain::Span;

/// What suffers from load may alert this long before the load itself does.
pub(super) const LOAD_TOLERANCE: Span = Span::from_minutes(2);

/// What speaks against two alerts of two places that nothing ties.
pub(super) fn weigh_untied(a: Side<'_>, b: Side<'_>, weights: &Weights) -> Option<(Term, f64)> {
    if a.traits.service == b.traits.service {
        return None;
    }
    let is_strained = |side: Side<'_>| {
        let signal = side.traits.signal;
        signal.is_strain()
            || matches!(signal, Signal::SlowQueries | Signal::Connections | Signal::Crash)
    };
    if is_strained(a) || is_strained(b) {
        // Services of one namespace mostly do call each other.
        let namespace = a.traits.namespace_mark;
        let is_apart = namespace.is_none() || namespace != b.traits.namespace_mark;
        return is_apart.then_some((Term::StrainAlone, weights.strain_alone));
    }
    let late = |cause: Side<'_>, other: Side<'_>| {
        let signal = cause.traits.signal;
        // What is down may well be down because of others.
        let breaks = signal.is_cause() && !signal.is_shared_ground() && signal != Signal::Down;
        let late = cause.episode.starts_at() - other.episode.starts_at();
        (breaks && late > ONE_MOMENT).then_some((Term::LateCause(late), weights.late_cause))
    };
    late(a, b).or_else(|| late(b, a))
}

/// True for a cache that lost its contents and a store that is called beside it: what the cache no
/// longer answers falls on the store.
pub(super) fn is_cold_cache(a: Side<'_>, b: Side<'_>) -> bool {
    let explains = |cache: Side<'_>, store: Side<'_>| {
        let is_loaded = matches!(
            store.traits.signal,
            Signal::SlowQueries | Signal::Connections | Signal::Cpu | Signal::Latency
        );
        let delay = store.episode.starts_at() - cache.episode.starts_at();
        let is_in_order = delay + LOAD_TOLERANCE >= Span::ZERO;
        let is_cold = matches!(cache.traits.signal, Signal::CacheHits | Signal::Eviction);
        is_cold && is_loaded && is_in_order
    };
    explains(a, b) || explains(b, a)
}
