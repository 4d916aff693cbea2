//! Who did what, when and from where.
//!
//! Only for who administers: it holds addresses of people. Caller: the table of routes.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::Answer;
use super::super::auth::Admin;
use super::query::{self, Params};
use super::{Pairs, listed};
use crate::store::AuditRow;

/// GET `/api/v1/audit`.
pub(super) async fn list(
    Admin(_): Admin,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let params = Params::new(pairs);
    let (filter, page) = (query::audit(&params)?, params.page()?);
    let page = shared.read(move |store| store.audited(&filter, &page)).await?;
    listed(page, entry)
}

/// An entry as the API writes it.
fn entry(row: &AuditRow) -> Value {
    json!({
        "id": row.number.to_string(),
        "at": row.at.to_string(),
        "action": row.action,
        "principal": row.principal,
        "actor": row.actor,
        "remote": row.remote,
        "user_agent": row.agent,
        "incident": row.incident,
        "target": row.target,
        "record": row.record.map(|seq| seq.0),
        "outcome": row.outcome,
    })
}
