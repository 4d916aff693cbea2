//! Every metric of scribed, and nothing else declares one.
//!
//! Label values come from closed sets: source names of the configuration, routes, words of enums.
//! Never an alert name, an instance, a fingerprint or an incident number.

mod process;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// From half a millisecond, below which no disk syncs, to the five seconds after which a sender
/// has given up.
const COMMIT_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Event lag: from the blink of a healthy pipeline to the days of an import.
const LAG_BUCKETS: &[f64] =
    &[0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// Bodies: one alert is about a kilobyte, the limit is 16 MiB by default.
const BYTES_BUCKETS: &[f64] =
    &[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];
/// Records that share one commit.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $type:ident $name:literal $([$($label:literal),*])? $({$buckets:ident})?;)*) => {
        /// All metrics; cheap to clone, made once.
        #[derive(Clone, Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $field: $type,)*
        }

        impl Metrics {
            /// Declares them all in a registry of their own.
            ///
            /// # Panics
            /// Never: names are unique and valid, which a test shows.
            #[must_use]
            pub fn new() -> Self {
                let registry = Registry::new();
                $(let $field = metrics!(@make $type, $name, concat!($($help),+), [$($($label),*)?], $($buckets)?)
                    .expect("a metric's name is valid");
                registry.register(Box::new($field.clone())).expect("a metric's name is unique");)*
                let process = process::ProcessMetrics::new().expect("a metric's name is valid");
                registry.register(Box::new(process)).expect("a metric's name is unique");
                Self { registry, $($field,)* }
            }
        }
    };
    (@make Histogram, $name:literal, $help:expr, [], $buckets:ident) => {
        Histogram::with_opts(HistogramOpts::new($name, $help.trim()).buckets($buckets.to_vec()))
    };
    (@make HistogramVec, $name:literal, $help:expr, [$($label:literal),+], $buckets:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help.trim()).buckets($buckets.to_vec()), &[$($label),+])
    };
    (@make $type:ident, $name:literal, $help:expr, [],) => { $type::new($name, $help.trim()) };
    (@make $type:ident, $name:literal, $help:expr, [$($label:literal),+],) => {
        $type::new(Opts::new($name, $help.trim()), &[$($label),+])
    };
}

metrics! {
    /// Version of scribed; the value is always 1.
    build_info: IntGaugeVec "scribed_build_info" ["version", "rustversion"];
    /// Bodies received, by source and outcome (accepted, rejected, unavailable).
    deliveries: IntCounterVec "scribed_deliveries_total" ["source", "outcome"];
    /// Size of the bodies received, in bytes.
    delivery_bytes: Histogram "scribed_delivery_bytes" {BYTES_BUCKETS};
    /// Alerts received, by source and outcome (new, updated, repeated, rejected), as known at the door.
    alerts: IntCounterVec "scribed_alerts_total" ["source", "outcome"];
    /// Time from the last byte of a body to its answer, in seconds.
    ingest_duration: HistogramVec "scribed_ingest_duration_seconds" ["source"] {COMMIT_BUCKETS};
    /// Time from an alert's start or end to its receipt, in seconds; each state once.
    event_lag: HistogramVec "scribed_event_lag_seconds" ["source"] {LAG_BUCKETS};
    /// Bodies and alerts put in quarantine, by reason.
    quarantined: IntCounterVec "scribed_quarantined_total" ["reason"];
    /// Time of one commit of the writer, in seconds.
    store_commit: Histogram "scribed_store_commit_seconds" {COMMIT_BUCKETS};
    /// Ledger records that shared one commit.
    store_batch: Histogram "scribed_store_batch_records" {BATCH_BUCKETS};
    /// Jobs that wait for the writer.
    store_queue_depth: IntGauge "scribed_store_queue_depth";
    /// Jobs that may wait for the writer.
    store_queue_capacity: IntGauge "scribed_store_queue_capacity";
    /// Failures of the store, by operation (open, append, commit, read, checkpoint, retention).
    store_errors: IntCounterVec "scribed_store_errors_total" ["operation"];
    /// Size of the store's files, in bytes.
    store_bytes: IntGauge "scribed_store_bytes";
    /// The newest record of the ledger.
    ledger_head: IntGauge "scribed_ledger_head";
    /// The newest record that the engine has worked in.
    engine_cursor: IntGauge "scribed_engine_cursor";
    /// Age of the oldest record that the engine has not worked in, in seconds.
    engine_lag: Gauge "scribed_engine_lag_seconds";
    /// Records that the engine could not digest and passed over.
    engine_skipped: IntCounter "scribed_engine_skipped_total";
    /// Incidents, by state.
    incidents: IntGaugeVec "scribed_incidents" ["state"];
    /// Firing alerts that belong to no incident.
    floating_alerts: IntGauge "scribed_floating_alerts";
    /// Drafts rendered, by format.
    drafts: IntCounterVec "scribed_drafts_total" ["format"];
    /// Time to load and render a draft, in seconds.
    draft_duration: Histogram "scribed_draft_duration_seconds" {COMMIT_BUCKETS};
    /// When a source last delivered, in Unix seconds.
    source_last_delivery: GaugeVec "scribed_source_last_delivery_timestamp_seconds" ["source"];
    /// When a heartbeat was last heard, in Unix seconds.
    heartbeat_last_seen: GaugeVec "scribed_heartbeat_last_seen_timestamp_seconds" ["heartbeat"];
    /// HTTP requests, by route, method and status.
    http_requests: IntCounterVec "scribed_http_requests_total" ["route", "method", "status"];
    /// Time to answer an HTTP request, in seconds.
    http_duration: HistogramVec "scribed_http_request_duration_seconds" ["route"] {COMMIT_BUCKETS};
    /// Open connections.
    http_connections: IntGauge "scribed_http_connections";
    /// TLS handshakes that failed: no TLS at all, no common version, no or a wrong certificate of the client, too slow.
    tls_handshake_errors: IntCounter "scribed_tls_handshake_errors_total";
    /// Whether the last reload of the configuration succeeded.
    config_last_reload_successful: IntGauge "scribed_config_last_reload_successful";
    /// When the configuration was last loaded, in Unix seconds.
    config_last_reload_success_timestamp: Gauge "scribed_config_last_reload_success_timestamp_seconds";
}

impl Metrics {
    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// When a metric cannot be encoded, which would be a fault of ours.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_prefix_and_a_help_text() {
        let text = Metrics::new().encode().unwrap();
        for line in text.lines().filter(|l| l.starts_with("# HELP")) {
            let mut words = line.split(' ').skip(2);
            let name = words.next().unwrap();
            assert!(name.starts_with("scribed_") || name.starts_with("process_"), "{line}");
            assert!(words.next().is_some(), "{line}");
        }
    }
}
