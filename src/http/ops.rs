//! What operators and their tools ask: is it alive, is it ready, its metrics, load the
//! configuration again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use tracing::{info, warn};

use super::answer::{Answer, Problem};
use super::audit::Deed;
use super::auth::{Admin, Scraper};
use super::{Shared, audit};
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

/// Prometheus' text format.
const METRICS_FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How long a scrape waits for what is read from the store: well below the patience of whoever
/// scrapes, who is to hear of a flood of readers above all.
const REFRESH_WAIT_MAX: Duration = Duration::from_secs(1);

/// Every state that the gauge of incidents shows, also while it is zero.
const INCIDENT_STATES: [&str; 5] = ["open", "acknowledged", "mitigated", "resolved", "merged"];

/// The paths of operators.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
        .route("/metrics", get(metrics))
}

async fn healthy() -> &'static str {
    "scribed is healthy.\n"
}

async fn ready(State(shared): State<Arc<Shared>>) -> Answer {
    match shared.missing() {
        None => Ok("scribed is ready.\n".into_response()),
        Some(reason) => Err(Problem::unavailable(reason)),
    }
}

async fn reload(State(shared): State<Arc<Shared>>, Admin(principal): Admin) -> Answer {
    let who = principal.name().map_or("anonymous", |name| name.as_str());
    info!(principal = who, "A reload of the configuration was asked for");
    let result = shared.reloader.reload().await?;
    let outcome = if result.is_ok() { "done" } else { "failed" };
    if let Err(problem) = audit::note(&shared, &principal, Deed::Reload, None, outcome).await {
        // It is loaded, whether that can be noted or not.
        warn!(?problem, "A reload could not be noted in the audit");
    }
    match result {
        Ok(later) => {
            let lines = later.iter().map(|setting| format!("Needs a restart: {setting}.\n"));
            let text: String = std::iter::once("The configuration was loaded.\n".to_owned())
                .chain(lines)
                .collect();
            Ok(text.into_response())
        }
        Err(reason) => Err(Problem::Misconfigured(format!(
            "the configuration was not loaded, the old one holds: {reason}"
        ))),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, _: Scraper) -> Answer {
    let metrics = shared.metrics.clone();
    let refreshed = shared.read(move |store| refresh(store, &metrics));
    // What is counted as it happens is shown all the same.
    match tokio::time::timeout(REFRESH_WAIT_MAX, refreshed).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => warn!(?problem, "Metrics that are read from the store are old"),
        Err(_) => warn!("Metrics that are read from the store are old: too many others read"),
    }
    let text = shared
        .metrics
        .encode()
        .map_err(|error| Problem::Internal(format!("metrics cannot be encoded: {error}")))?;
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, METRICS_FORMAT);
    Ok(response)
}

/// Sets the gauges that say what is in the store; nobody else sets these.
fn refresh(store: &Store, metrics: &Metrics) -> Result<(), StoreError> {
    metrics.store_bytes.set(whole(store.size_bytes()));
    metrics.ledger_head.set(whole(store.head().borrow().0));
    metrics.engine_cursor.set(whole(store.cursor().borrow().0));
    let counts = store.counts()?;
    for state in INCIDENT_STATES {
        let number = counts.incidents.iter().find(|(word, _)| word == state).map_or(0, |(_, n)| *n);
        metrics.incidents.with_label_values(&[state]).set(whole(number));
    }
    metrics.floating_alerts.set(whole(counts.floating));
    for source in store.sources()? {
        let gauge = metrics.source_last_delivery.with_label_values(&[source.name.as_str()]);
        gauge.set(source.last_delivery_at.seconds_f64());
    }
    for heartbeat in store.heartbeats()? {
        let gauge = metrics.heartbeat_last_seen.with_label_values(&[heartbeat.name.as_str()]);
        gauge.set(heartbeat.last_word_at.seconds_f64());
    }
    Ok(())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
