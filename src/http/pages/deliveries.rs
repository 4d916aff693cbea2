//! What came in at the door: deliveries, and the bodies as they came.
//!
//! Bodies are strangers' bytes: only for who administers, shown as text and nothing else. Callers:
//! the table of routes, and `quarantine` for what its pages have in common with these.

use axum::extract::Path;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::invalid::quoted;
use super::super::audit::{self, Deed};
use super::super::auth::Need;
use super::super::ingest::{delivery_id, delivery_seq};
use super::visit::{Visit, readable};
use super::{bytes_text, counted, moment};
use crate::domain::zone::Zone;
use crate::store::{DeliveryRow, Page, PageRequest};

/// How much of a body is shown; the API has all of it.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// GET `/deliveries`.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let page = match page(&visit) {
        Ok(page) => page,
        Err(problem) => return visit.problem(problem, "/deliveries"),
    };
    let page = visit.shared.read(move |store| store.deliveries(&page)).await?;
    let zone = visit.zone();
    let rows: Vec<Value> = page.items.iter().map(|row| delivery(row, &zone)).collect();
    let values = listed(&visit, &page, rows, "delivery");
    visit.page("deliveries", "deliveries.html", values)
}

/// The page of a list that the address asks for.
///
/// # Errors
/// When its parameters cannot be read.
pub(super) fn page(visit: &Visit) -> Result<PageRequest, Problem> {
    Ok(visit.params().page()?)
}

/// What every list of the door shows: its rows, and the way to older ones.
pub(super) fn listed<T>(visit: &Visit, page: &Page<T>, rows: Vec<Value>, noun: &str) -> Value {
    let params = visit.params();
    json!({
        "said": counted(rows.len(), noun),
        "rows": rows,
        "may_see_bodies": visit.may(&Need::Admin),
        "next": page.next_cursor.as_deref().map(|cursor| params.with("cursor", Some(cursor))),
        "is_later_page": params.all("cursor").next().is_some(),
        "newest": params.with("cursor", None),
    })
}

/// GET `/deliveries/{id}`: the body as it came.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    readable!(visit);
    let missing = || Problem::NotFound(format!("there is no body of a delivery {}", quoted(&id)));
    let Some(seq) = delivery_seq(&id).filter(|_| visit.may(&Need::Admin)) else {
        return visit.problem(refusal(&visit, missing()), "/deliveries");
    };
    let found = visit.shared.read(move |store| store.raw(seq)).await?;
    let Some(bytes) = found else { return visit.problem(missing(), "/deliveries") };
    noted(&visit, Deed::ViewRaw, delivery_id(seq)).await?;
    let raw = format!("/api/v1/deliveries/{}/raw", delivery_id(seq));
    let body = body(&format!("Delivery {}", delivery_id(seq)), &bytes, &raw, "/deliveries");
    visit.page("deliveries", "body.html", body)
}

/// Writes down who looked at a body.
///
/// # Errors
/// When the store does not take it.
pub(super) async fn noted(visit: &Visit, deed: Deed, target: String) -> Result<(), Problem> {
    let principal = visit.who.as_ref().map_err(Clone::clone)?;
    audit::note(&visit.shared, principal, deed, Some(target), "done").await
}

/// What somebody is told who asks for a body: that they may not, or that it is not there.
pub(super) fn refusal(visit: &Visit, missing: Problem) -> Problem {
    let principal = visit.who.as_ref().ok();
    principal.and_then(|who| who.require(&Need::Admin).err()).unwrap_or(missing)
}

/// A body for the template: laid out where it is JSON, cut where it is long.
pub(super) fn body(title: &str, bytes: &[u8], raw: &str, back: &str) -> Value {
    let cut = &bytes[..bytes.len().min(BODY_BYTES_MAX)];
    let pretty = serde_json::from_slice::<Value>(bytes)
        .ok()
        .filter(|_| bytes.len() <= BODY_BYTES_MAX)
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    json!({
        "title": title,
        "size": bytes_text(bytes.len() as u64),
        "is_cut": cut.len() < bytes.len(),
        "is_pretty": pretty.is_some(),
        "text": pretty.unwrap_or_else(|| String::from_utf8_lossy(cut).into_owned()),
        "raw": raw,
        "back": back,
    })
}

fn delivery(row: &DeliveryRow, zone: &Zone) -> Value {
    json!({
        "id": delivery_id(row.seq),
        "source": row.source,
        "at": moment(row.received_at, zone),
        "size": bytes_text(row.bytes),
        "alerts": row.alerts,
        "rejected": row.rejected,
        "remote": row.remote,
        "is_test": row.is_test,
        "has_raw": row.has_raw,
    })
}
