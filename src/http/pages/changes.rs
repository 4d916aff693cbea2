//! The changes that were told: deploys, settings, flags. Evidence, never asserted as a cause.
//!
//! Caller: the table of routes.

use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::{self, Params};
use super::visit::{Visit, readable};
use super::{counted, moment, moment_if_any};
use crate::domain::Change;
use crate::domain::zone::Zone;
use crate::render::escape;
use crate::store::{ChangeFilter, PageRequest};

/// GET `/changes`.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let params = visit.params();
    let (filter, page) = match read(&params) {
        Ok(read) => read,
        Err(problem) => return visit.problem(problem, "/changes"),
    };
    let page = visit.shared.read(move |store| store.changes(&filter, &page)).await?;
    let zone = visit.zone();
    let rows: Vec<Value> = page.items.iter().map(|change| row(change, &zone)).collect();
    let values = json!({
        "said": counted(rows.len(), "change"),
        "changes": rows,
        "service": params.all("service").next().unwrap_or_default(),
        "next": page.next_cursor.as_deref().map(|cursor| params.with("cursor", Some(cursor))),
        "is_later_page": params.all("cursor").next().is_some(),
        "newest": params.with("cursor", None),
    });
    visit.page("changes", "changes.html", values)
}

fn read(params: &Params) -> Result<(ChangeFilter, PageRequest), Problem> {
    Ok((query::changes(params)?, params.page()?))
}

fn row(change: &Change, zone: &Zone) -> Value {
    let report = &change.report;
    let link = report.link.as_deref().filter(|url| escape::url(url).is_some());
    json!({
        "id": change.id,
        "at": moment(report.at, zone),
        "ends_at": moment_if_any(report.ends_at, zone),
        "kind": report.kind.as_str(),
        "service": report.service,
        "summary": report.summary,
        "author": report.author,
        "source": report.source,
        "link": link,
    })
}
