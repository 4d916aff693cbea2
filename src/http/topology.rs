//! The service graph: `PUT /api/v1/topology` replaces it, GET returns it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::get;
use http::StatusCode;

use super::answer::{Answer, Problem, accepted, json};
use super::audit::Deed;
use super::auth::{Reader, Reporter};
use super::ingest::{UnusableBody, quarantine};
use super::receipt::receipt;
use super::{Shared, audit, body};
use crate::domain::{ChangeReport, Name, RecordBody};
use crate::ingest::read_topology;

const PATH: &str = "/api/v1/topology";

/// The path of the service graph.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new().route(PATH, get(show).put(replace).post(replace))
}

async fn show(State(shared): State<Arc<Shared>>, _: Reader) -> Answer {
    let topology = shared.read(|store| store.topology()).await?;
    json(StatusCode::OK, &topology.unwrap_or_default())
}

async fn replace(
    State(shared): State<Arc<Shared>>,
    Reporter(principal): Reporter,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let receipt = receipt(&shared, &parts.headers, &principal)?;
    let bytes_max = shared.config().web.max_body;
    let mut received = body::receive(&shared, &parts.headers, body, bytes_max).await?;
    let bytes = received.decoded(bytes_max)?;
    let topology = match read_topology(&bytes) {
        Ok(topology) => topology,
        Err(unusable) => {
            let source = Name::from(ChangeReport::OWN_SOURCE);
            let reason = unusable.reason.as_str();
            let problem = unusable.problem.clone();
            let body = UnusableBody { reason, problem, bytes, headers: Vec::new() };
            quarantine(&shared, &source, receipt.stated, body).await;
            return Err(Problem::Unusable(unusable.problem));
        }
    };
    let entry = audit::of_deed(&shared, &principal, Deed::ReplaceTopology, None, "done");
    let body = RecordBody::Topology(topology.clone());
    let appended = receipt.append_audited(&shared, body, None, entry).await?;
    if !shared.settled(appended.seq).await {
        return accepted(PATH);
    }
    json(StatusCode::OK, &topology)
}
