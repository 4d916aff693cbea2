//! The page that says who did what.
//!
//! Only for who administers: it holds addresses of people. Caller: the table of routes.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::{self, Params};
use super::super::auth::Need;
use super::templates::Markup;
use super::visit::{Made, Visit, readable};
use super::{counted, moment};
use crate::domain::zone::Zone;
use crate::store::{AuditFilter, AuditRow, PageRequest};

/// GET `/audit`; takes the parameters of the API.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let needed = visit.who.as_ref().map_err(Clone::clone).and_then(|who| who.require(&Need::Admin));
    if let Err(problem) = needed {
        return visit.problem(problem, "/");
    }
    let params = visit.params();
    let (status, problem, read) = match read(&params) {
        Ok(read) => (StatusCode::OK, None, Some(read)),
        Err(Problem::Invalid(detail)) => (StatusCode::BAD_REQUEST, Some(detail), None),
        Err(other) => return visit.problem(other, "/audit"),
    };
    let zone = visit.zone();
    let (rows, next): (Vec<Value>, _) = match read {
        None => (Vec::new(), None),
        Some((filter, asked)) => {
            let page = visit.shared.read(move |store| store.audited(&filter, &asked)).await?;
            (page.items.iter().map(|row| shown(row, &zone)).collect(), page.next_cursor)
        }
    };
    let asked = |name: &'static str| params.all(name).next().unwrap_or_default().to_owned();
    let values = json!({
        "said": counted(rows.len(), "row"),
        "rows": rows,
        "problem": problem,
        "actor": asked("actor"),
        "action": asked("action"),
        "incident": asked("incident"),
        "next": next.as_deref().map(|next| params.with("cursor", Some(next))),
        "is_later_page": params.all("cursor").next().is_some(),
        "newest": params.with("cursor", None),
    });
    let markup = Markup::default();
    visit.made(status, Made { name: "audit", template: "audit.html", values, zone, markup })
}

fn read(params: &Params) -> Result<(AuditFilter, PageRequest), Problem> {
    Ok((query::audit(params)?, params.page()?))
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
