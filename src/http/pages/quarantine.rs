//! What could not be used: listed, looked at, and read again.
//!
//! Reading again goes through the same code as in the API, only by who administers. That it was done
//! is told from the row itself, so that no forged address can claim it; only the number of alerts
//! that still cannot be used comes with the address. Caller: the table of routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::quarantine::{missing, number};
use super::super::api::query::encode;
use super::super::audit::Deed;
use super::super::auth::{FormAdmin, Need, Principal};
use super::super::ingest::delivery_id;
use super::super::ingest::replay as door;
use super::super::{Shared, body};
use super::deliveries::{self, listed, noted, page, refusal};
use super::forms::{Form, require_own, see};
use super::visit::{Visit, readable};
use super::{bytes_text, counted, merged, moment};
use crate::domain::zone::Zone;
use crate::ingest::redaction::WITHHELD;
use crate::store::{QuarantineRow, Quarantined};

/// GET `/quarantine`.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let page = match page(&visit) {
        Ok(page) => page,
        Err(problem) => return visit.problem(problem, "/quarantine"),
    };
    let told = visit.params().all("replayed").next().and_then(|id| number(id).ok());
    let (page, told) = visit
        .shared
        .read(move |store| {
            let told = told.map(|number| store.quarantined_one(number)).transpose()?.flatten();
            Ok::<_, Problem>((store.quarantined(&page)?, told))
        })
        .await?;
    let zone = visit.zone();
    let rows: Vec<Value> = page.items.iter().map(|row| refused(row, &zone)).collect();
    let params = visit.params();
    let more = json!({
        "replayed": told.and_then(|told| replayed(&visit, &told.row)),
        "cursor": params.all("cursor").next(),
    });
    let values = merged(listed(&visit, &page, rows, "body"), more);
    visit.page("deliveries", "quarantine.html", values)
}

/// GET `/quarantine/{id}`: the body that could not be used.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    readable!(visit);
    let number = match number(&id) {
        Ok(number) if visit.may(&Need::Admin) => number,
        Ok(_) => return visit.problem(refusal(&visit, missing(&id)), "/quarantine"),
        Err(problem) => return visit.problem(refusal(&visit, problem), "/quarantine"),
    };
    let found = visit.shared.read(move |store| store.quarantined_one(number)).await?;
    let Some(Quarantined { row, body: Some(bytes), .. }) = found else {
        return visit.problem(missing(&id), "/quarantine");
    };
    noted(&visit, Deed::ViewQuarantined, id.clone()).await?;
    let raw = format!("/api/v1/quarantine/{id}/raw");
    let shown = deliveries::body(&format!("Quarantined body {id}"), &bytes, &raw, "/quarantine");
    let is_told = visit.params().all("replayed").next().is_some();
    let more = json!({
        "row": refused(&row, &visit.zone()),
        "is_kept": bytes != WITHHELD,
        "replayed": if is_told { replayed(&visit, &row) } else { None },
    });
    visit.page("deliveries", "body.html", merged(shown, more))
}

/// POST `/quarantine/{id}/replay`: reads a body again, and says what came of it on the page that
/// the form stood on.
pub(super) async fn replay(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let (mut parts, received) = request.into_parts();
    let who = FormAdmin::from_request_parts(&mut parts, &shared).await;
    let who = who.map(|FormAdmin(principal)| principal);
    let visit = Visit::of(&parts, shared, who.clone());
    let result = match who {
        Ok(principal) => read_again(&visit, &principal, &id, received).await,
        Err(problem) => Err(problem),
    };
    result.or_else(|problem| visit.problem(problem, "/quarantine"))
}

async fn read_again(visit: &Visit, principal: &Principal, id: &str, received: Body) -> Answer {
    let shared = &visit.shared;
    let mut received =
        body::receive(shared, visit.headers(), received, body::API_BYTES_MAX).await?;
    let form = Form::read(&received.decoded(body::API_BYTES_MAX)?);
    require_own(visit, &form)?;
    let done = door::replay(shared, principal, number(id)?).await?.ok_or_else(|| missing(id))?;
    let left = done.refused.len();
    let said = format!("replayed={}&left={left}", encode(id));
    if form.one("back") == Some("body") {
        return see(&format!("/quarantine/{}?{said}", encode(id)));
    }
    let cursor = form.one("cursor").map(|cursor| format!("cursor={}&", encode(cursor)));
    see(&format!("/quarantine?{}{said}", cursor.unwrap_or_default()))
}

/// What came of reading a row again, when it was.
fn replayed(visit: &Visit, row: &QuarantineRow) -> Option<Value> {
    let (_, seq) = row.replayed?;
    let params = visit.params();
    let left = params.all("left").next().and_then(|left| left.parse::<usize>().ok());
    let left = left.filter(|left| *left > 0);
    Some(json!({
        "id": format!("q{}", row.number),
        "delivery": delivery_id(seq),
        "left": left.map(|left| counted(left, "alert")),
    }))
}

fn refused(row: &QuarantineRow, zone: &Zone) -> Value {
    let replayed = row
        .replayed
        .map(|(at, seq)| json!({ "at": moment(at, zone), "delivery": delivery_id(seq) }));
    json!({
        "id": format!("q{}", row.number),
        "at": moment(row.received_at, zone),
        "source": row.source,
        "reason": row.reason,
        "problem": row.problem,
        "delivery": row.delivery.map(delivery_id),
        "size": bytes_text(row.bytes),
        "redacted": usize::try_from(row.redacted).ok().filter(|count| *count > 0)
            .map(|count| counted(count, "value")),
        "replayed": replayed,
    })
}
