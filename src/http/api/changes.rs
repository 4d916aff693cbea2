//! Changes in our own form: told and listed.
//!
//! A change is told like an alert is delivered: a body that nothing can be made of is kept in
//! quarantine, unknown fields are ignored. It is worked in like an operation, because its id is
//! counted by the machine. Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::answer::{self, Answer, Problem};
use super::super::auth::{Reader, Reporter};
use super::super::ingest::{UnusableBody, quarantine};
use super::super::{Shared, body};
use super::operations::{Asked, Settled, Write};
use super::query::{self, Params};
use super::{Pairs, listed};
use crate::domain::record::OperationAction;
use crate::domain::{ChangeId, ChangeReport, Name};
use crate::{ingest, render};

/// The source that changes in our own form come from.
const SOURCE: &str = ChangeReport::OWN_SOURCE;
/// Where changes are read.
pub(super) const PATH: &str = "/api/v1/changes";

/// GET `/api/v1/changes`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let params = Params::new(pairs);
    let (filter, page) = (query::changes(&params)?, params.page()?);
    let page = shared.read(move |store| store.changes(&filter, &page)).await?;
    listed(page, render::json::change)
}

/// POST and PUT `/api/v1/changes`.
pub(super) async fn report(
    Reporter(principal): Reporter,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let write = Write::begin(Arc::clone(&shared), principal, &headers)?;
    let mut received = body::receive(&shared, &headers, body, body::API_BYTES_MAX).await?;
    let bytes = received.decoded(body::API_BYTES_MAX)?;
    let mut report = match ingest::read_change(&bytes, write.received_at()) {
        Ok(report) => report,
        Err(unusable) => {
            let reason = unusable.reason.as_str();
            let source = Name::from(SOURCE);
            let problem = unusable.problem.clone();
            let body = UnusableBody { reason, problem, bytes, headers: Vec::new() };
            quarantine(&shared, &source, write.received_at(), body).await;
            return Err(Problem::Unusable(unusable.problem));
        }
    };
    let config = shared.config();
    if !config.redaction.is_empty() {
        ingest::redaction::redact_change(&config.redaction, &mut report);
    }
    let action = OperationAction::ReportChange(report);
    match write.perform(Asked { action, actor: None, at: None }).await? {
        Settled::Later => answer::accepted(PATH),
        Settled::Done { made, .. } => {
            let id = made.as_deref().and_then(|made| made.parse().ok());
            let id = id.ok_or_else(|| Problem::Internal("a change was given no id".to_owned()))?;
            answered(&shared, StatusCode::CREATED, id).await
        }
    }
}

/// The change as it stands.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn answered(shared: &Shared, status: StatusCode, id: ChangeId) -> Answer {
    let change = shared.read(move |store| store.change(id)).await?;
    let value = change.as_ref().map_or_else(|| json!({ "id": id }), render::json::change);
    answer::json(status, &value)
}
