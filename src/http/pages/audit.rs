//! The page that says who did what.
//!
//! Only for who administers: it holds addresses of people. Caller: the table of routes.

use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::{self, Params};
use super::super::auth::Need;
use super::moment;
use super::visit::{Visit, readable};
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
    let (filter, asked) = match read(&params) {
        Ok(read) => read,
        Err(problem) => return visit.problem(problem, "/audit"),
    };
    let page = visit.shared.read(move |store| store.audited(&filter, &asked)).await?;
    let zone = visit.zone();
    let values = json!({
        "rows": page.items.iter().map(|row| shown(row, &zone)).collect::<Vec<_>>(),
        "next": page.next_cursor.as_deref().map(|next| params.with("cursor", Some(next))),
    });
    visit.page("audit", "audit.html", values)
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
