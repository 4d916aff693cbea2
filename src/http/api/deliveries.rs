//! What came in at the door: deliveries and their raw bodies.
//!
//! Raw bodies are strangers' bytes: only for who administers, never shown by a browser. Caller:
//! the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::audit::{self, Deed};
use super::super::auth::{Admin, Reader};
use super::super::ingest::{delivery_id, delivery_seq};
use super::query::Params;
use super::{Pairs, attachment, listed, quoted};
use crate::store::DeliveryRow;

/// GET `/api/v1/deliveries`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let page = Params::new(pairs).page()?;
    let page = shared.read(move |store| store.deliveries(&page)).await?;
    listed(page, delivery)
}

/// GET `/api/v1/deliveries/{id}/raw`.
pub(super) async fn raw(
    Admin(principal): Admin,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let missing = || {
        Problem::NotFound(format!("there is no raw body of a delivery {}, or no more", quoted(&id)))
    };
    let seq = delivery_seq(&id).ok_or_else(missing)?;
    let bytes = shared.read(move |store| store.raw(seq)).await?.ok_or_else(missing)?;
    audit::note(&shared, &principal, Deed::ViewRaw, Some(delivery_id(seq)), "done").await?;
    attachment(bytes, &format!("delivery-{}.bin", delivery_id(seq)))
}

fn delivery(row: &DeliveryRow) -> Value {
    json!({
        "id": delivery_id(row.seq),
        "source": row.source,
        "received_at": row.received_at.to_string(),
        "true_received_at": row.true_received_at.to_string(),
        "bytes": row.bytes,
        "content_type": row.content_type,
        "remote": row.remote,
        "alerts": row.alerts,
        "rejected": row.rejected,
        "is_test": row.is_test,
        "has_raw": row.has_raw,
        "redacted": row.redacted,
    })
}
