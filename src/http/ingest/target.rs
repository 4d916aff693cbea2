//! Where deliveries are for, with the metrics that each counts on: looked up for every request,
//! made once for every configuration.
//!
//! A metric is found by its labels with a hash and a lock; here that is done once for each source,
//! not a dozen times for each body. Only sources that exist are remembered, so nobody can fill the
//! memory by asking for others. Caller: `ingest`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::{Gauge, Histogram, IntCounter};

use crate::config::{Config, Source};
use crate::domain::{Name, SourceType};
use crate::ingest;
use crate::metrics::Metrics;

/// Where a delivery is for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: Name,
    pub(super) kind: SourceType,
    /// Its configuration, if it has any.
    pub(super) source: Option<Source>,
    pub(super) meters: Meters,
}

/// The metrics of one source.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) accepted: IntCounter,
    pub(super) rejected: IntCounter,
    pub(super) unavailable: IntCounter,
    pub(super) alerts_new: IntCounter,
    pub(super) alerts_updated: IntCounter,
    pub(super) alerts_repeated: IntCounter,
    pub(super) alerts_rejected: IntCounter,
    pub(super) ingest_duration: Histogram,
    pub(super) event_lag: Histogram,
    pub(super) last_delivery: Gauge,
}

impl Meters {
    fn new(metrics: &Metrics, source: &str) -> Self {
        let deliveries = |outcome| metrics.deliveries.with_label_values(&[source, outcome]);
        let alerts = |outcome| metrics.alerts.with_label_values(&[source, outcome]);
        Self {
            accepted: deliveries("accepted"),
            rejected: deliveries("rejected"),
            unavailable: deliveries("unavailable"),
            alerts_new: alerts("new"),
            alerts_updated: alerts("updated"),
            alerts_repeated: alerts("repeated"),
            alerts_rejected: alerts("rejected"),
            ingest_duration: metrics.ingest_duration.with_label_values(&[source]),
            event_lag: metrics.event_lag.with_label_values(&[source]),
            last_delivery: metrics.source_last_delivery.with_label_values(&[source]),
        }
    }
}

impl Target {
    fn new(metrics: &Metrics, name: Name, kind: SourceType, source: Option<Source>) -> Arc<Self> {
        let meters = Meters::new(metrics, name.as_str());
        Arc::new(Self { name, kind, source, meters })
    }

    fn configured(config: &Config, metrics: &Metrics, name: &str) -> Option<Arc<Self>> {
        let source = config.sources.iter().find(|source| source.name.as_str() == name)?.clone();
        Some(Self::new(metrics, source.name.clone(), source.kind, Some(source)))
    }
}

/// The targets that were asked for under one configuration.
#[derive(Debug, Default)]
pub struct Targets {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// They hold for this configuration alone.
    config: Option<Arc<Config>>,
    /// By the name of the path.
    named: HashMap<String, Arc<Target>>,
    /// Of paths that have no name in them.
    of_paths: HashMap<SourceType, Arc<Target>>,
}

impl Targets {
    /// The source of this name: a configured one before a built-in one.
    pub(super) fn named(
        &self,
        config: &Arc<Config>,
        metrics: &Metrics,
        name: &str,
    ) -> Option<Arc<Target>> {
        if let Some(target) = self.find(config, |known| known.named.get(name)) {
            return Some(target);
        }
        let target = Target::configured(config, metrics, name).or_else(|| {
            let kind =
                SourceType::from_word(name).filter(|kind| ingest::BUILT_IN.contains(kind))?;
            Some(Target::new(metrics, Name::from(name), kind, None))
        })?;
        self.keep(config, |known| known.named.insert(name.to_owned(), Arc::clone(&target)));
        Some(target)
    }

    /// The source of a path that has no name in it: a configured one of the type's own name, or
    /// the built-in one.
    pub(super) fn of_path(
        &self,
        config: &Arc<Config>,
        metrics: &Metrics,
        kind: SourceType,
    ) -> Arc<Target> {
        if let Some(target) = self.find(config, |known| known.of_paths.get(&kind)) {
            return target;
        }
        let target = Target::configured(config, metrics, kind.as_str())
            .filter(|target| target.kind == kind)
            .unwrap_or_else(|| Target::new(metrics, Name::from(kind.as_str()), kind, None));
        self.keep(config, |known| known.of_paths.insert(kind, Arc::clone(&target)));
        target
    }

    fn find(
        &self,
        config: &Arc<Config>,
        look: impl FnOnce(&Known) -> Option<&Arc<Target>>,
    ) -> Option<Arc<Target>> {
        // A poisoned lock still holds whole entries: nothing can be half written.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_current = known.config.as_ref().is_some_and(|of| Arc::ptr_eq(of, config));
        look(&known).filter(|_| is_current).cloned()
    }

    fn keep<T>(&self, config: &Arc<Config>, put: impl FnOnce(&mut Known) -> T) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.config.as_ref().is_some_and(|of| Arc::ptr_eq(of, config)) {
            *known = Known { config: Some(Arc::clone(config)), ..Known::default() };
        }
        put(&mut known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    #[test]
    fn a_target_is_made_once_for_each_configuration_and_only_where_there_is_a_source() {
        let (metrics, targets) = (Metrics::new(), Targets::default());
        let config = || Arc::new(load(&Overrides::default(), &[]).unwrap());
        let (one, other) = (config(), config());
        let first = targets.named(&one, &metrics, "grafana").unwrap();
        assert!(Arc::ptr_eq(&first, &targets.named(&one, &metrics, "grafana").unwrap()));
        assert!(!Arc::ptr_eq(&first, &targets.named(&other, &metrics, "grafana").unwrap()));
        assert!(targets.named(&other, &metrics, "prometheus").is_none());
        assert_eq!(
            targets.of_path(&other, &metrics, SourceType::Prometheus).kind.as_str(),
            "prometheus"
        );
        for number in 0..10 {
            assert!(targets.named(&other, &metrics, &number.to_string()).is_none());
        }
        assert_eq!(targets.known.read().unwrap().named.len(), 1);
    }
}
