//! What could not be used: listed, looked at, and read again after an upgrade or a mended
//! configuration.
//!
//! Bodies are strangers' bytes: only for who administers, never shown by a browser. Caller: the
//! table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::audit::{self, Deed};
use super::super::auth::{Admin, Reader};
use super::super::ingest::delivery_id;
use super::super::ingest::replay::{self, Replayed};
use super::query::Params;
use super::{Pairs, attachment, listed, quoted};
use crate::store::QuarantineRow;

/// GET `/api/v1/quarantine`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let page = Params::new(pairs).page()?;
    let page = shared.read(move |store| store.quarantined(&page)).await?;
    listed(page, row)
}

/// GET `/api/v1/quarantine/{id}`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let number = number(&id)?;
    let found = shared.read(move |store| store.quarantined_one(number)).await?;
    answer::json(StatusCode::OK, &row(&found.ok_or_else(|| missing(&id))?.row))
}

/// GET `/api/v1/quarantine/{id}/raw`: the body, or that of the delivery it was part of.
pub(super) async fn raw(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let number = number(&id)?;
    let found = shared.read(move |store| store.quarantined_one(number)).await?;
    let body = found.and_then(|found| found.body).ok_or_else(|| missing(&id))?;
    let name = format!("q{number}");
    audit::note(&shared, &principal, Deed::ViewQuarantined, Some(name.clone()), "done").await?;
    attachment(body, &format!("quarantine-{name}.bin"))
}

/// POST `/api/v1/quarantine/{id}/replay`.
pub(super) async fn replay(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let number = number(&id)?;
    let replayed = replay::replay(&shared, &principal, number).await?;
    let Replayed { seq, is_new, counts, refused } = replayed.ok_or_else(|| missing(&id))?;
    let counts = counts.map(|counts| {
        json!({
            "new": counts.new,
            "updated": counts.updated,
            "repeated": counts.repeated,
            "rejected": refused.len(),
        })
    });
    let errors: Vec<Value> = refused
        .iter()
        .map(|refused| json!({ "index": refused.index, "detail": refused.problem }))
        .collect();
    answer::json(
        StatusCode::OK,
        &json!({
            "id": format!("q{number}"),
            "result": if is_new { "delivered" } else { "delivered_before" },
            "delivery": delivery_id(seq),
            "alerts": counts,
            "errors": errors,
        }),
    )
}

/// The number that an id of the quarantine names.
///
/// # Errors
/// `NotFound` when it is no such id.
pub(crate) fn number(id: &str) -> Result<u64, Problem> {
    let digits = id.strip_prefix('q').filter(|d| d.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse::<i64>().ok())
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| missing(id))
}

/// The problem of a body that is not there.
pub(crate) fn missing(id: &str) -> Problem {
    Problem::NotFound(format!("there is no body {} in quarantine, or no more", quoted(id)))
}

fn row(row: &QuarantineRow) -> Value {
    json!({
        "id": format!("q{}", row.number),
        "source": row.source,
        "received_at": row.received_at.to_string(),
        "reason": row.reason,
        "problem": row.problem,
        "delivery": row.delivery.map(delivery_id),
        "index": row.index,
        "bytes": row.bytes,
        "redacted": row.redacted,
        "replayed_at": row.replayed.map(|(at, _)| at.to_string()),
        "replayed_as": row.replayed.map(|(_, seq)| delivery_id(seq)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_quarantine_read_back() {
        assert_eq!(number("q17"), Ok(17));
        for bad in ["17", "q", "q-1", "q+1", "d17", "q99999999999999999999"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
