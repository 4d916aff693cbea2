//! The page that says who did what.
//!
//! Only for who administers: it holds addresses of people. Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Extension, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::api::Pairs;
use super::super::api::query::{self, Params};
use super::super::auth::Admin;
use super::{Pages, default_zone, frame, merged, moment};
use crate::domain::zone::Zone;
use crate::store::AuditRow;

/// GET `/audit`; takes the parameters of the API.
pub(super) async fn list(
    visitor: Result<Admin, Problem>,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    axum::extract::Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer {
    if let Err(problem) = visitor {
        return pages.turned_away(&shared, &headers, problem);
    }
    let params = Params::new(pairs);
    let (filter, asked) = match (query::audit(&params), params.page()) {
        (Ok(filter), Ok(asked)) => (filter, asked),
        (Err(invalid), _) | (_, Err(invalid)) => {
            return pages.problem(&shared, &headers, invalid.into(), "/audit");
        }
    };
    let page = shared.read(move |store| store.audited(&filter, &asked)).await?;
    let zone = default_zone(&shared);
    let next = page.next_cursor.as_deref().map(|next| params.with("cursor", Some(next)));
    let values = json!({
        "rows": page.items.iter().map(|row| shown(row, &zone)).collect::<Vec<_>>(),
        "next": next,
    });
    let frame = frame(&shared, &headers, "audit", &zone);
    pages.page(StatusCode::OK, "audit.html", merged(frame, values))
}

fn shown(row: &AuditRow, zone: &Zone) -> Value {
    json!({
        "at": moment(row.at, zone),
        "action": row.action,
        "principal": row.principal,
        "actor": row.actor,
        "remote": row.remote,
        "agent": row.agent,
        "incident": row.incident,
        "target": row.target,
        "outcome": row.outcome,
    })
}
