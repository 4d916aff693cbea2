//! Every path, put together from the rooms that serve it.
//!
//! A path has one spelling: a trailing slash is another, unknown path, and nothing is ever
//! redirected (a redirected POST comes back as a GET without its body, which its sender takes for
//! delivered).

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::Uri;

use super::answer::Problem;
use super::gate::{dress, guard};
use super::observe::{Observer, observe};
use super::{Shared, alertmanager, api, ingest, ops, pages, status, topology};

/// The router of the whole server.
pub fn router(shared: &Arc<Shared>) -> Router {
    let rooms = Router::new()
        .merge(ingest::routes())
        .merge(alertmanager::routes())
        .merge(topology::routes())
        .merge(status::routes())
        .merge(ops::routes())
        .merge(api::routes())
        .merge(pages::routes());
    let observer = Observer::new(shared.metrics.clone(), shared.clock.clone());
    let rooms = with_refusals(rooms).layer(from_fn_with_state(Arc::clone(shared), guard));
    observed(rooms, observer)
        .layer(from_fn_with_state(Arc::clone(shared), dress))
        .with_state(Arc::clone(shared))
}

/// Adds answers for what has no handler. Layers come afterwards, for they hold for what was added
/// before.
fn with_refusals<S: Clone + Send + Sync + 'static>(rooms: Router<S>) -> Router<S> {
    rooms.fallback(unknown_path).method_not_allowed_fallback(wrong_method)
}

/// Adds what every answer has, whoever gives it.
fn observed<S: Clone + Send + Sync + 'static>(rooms: Router<S>, observer: Observer) -> Router<S> {
    rooms.layer(from_fn_with_state(Arc::new(observer), observe))
}

async fn unknown_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::NotFound(format!("there is nothing at {path}"))
}

async fn wrong_method() -> Problem {
    Problem::MethodNotAllowed
}

#[cfg(test)]
mod tests;
