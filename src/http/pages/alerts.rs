//! The alerts: floating ones first, then those in incidents; and each on a page of its own, with
//! the reason why it is where it is.
//!
//! Caller: the table of routes.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::alerts as api;
use super::super::api::query::{self, Params};
use super::templates::Markup;
use super::visit::{Made, Visit, readable};
use super::{alert, counted, merged, moment};
use crate::domain::{Episode, Explanation, Membership, Standing};
use crate::render::json as shapes;
use crate::store::{EpisodeFilter, PageRequest};

/// GET `/alerts`: the floating ones that fire, unless the address asks for others.
pub(super) async fn list(visit: Visit) -> Answer {
    readable!(visit);
    let params = visit.params();
    let (status, problem, read) = match read(&params) {
        Ok(read) => (StatusCode::OK, None, Some(read)),
        Err(Problem::Invalid(detail)) => (StatusCode::BAD_REQUEST, Some(detail), None),
        Err(other) => return visit.problem(other, "/alerts"),
    };
    let zone = visit.zone();
    let (rows, next) = match read {
        None => (Vec::new(), None),
        Some((filter, page)) => {
            let page = visit.shared.read(move |store| store.episodes(&filter, &page)).await?;
            let rows = page.items.iter().map(|episode| alert(episode, &zone)).collect();
            (rows, page.next_cursor)
        }
    };
    let rows: Vec<Value> = rows;
    let asked = |name: &'static str| params.all(name).next().unwrap_or_default().to_owned();
    let values = json!({
        "said": counted(rows.len(), "alert"),
        "watch": "all",
        "alerts": rows,
        "next": next.as_deref().map(|cursor| params.with("cursor", Some(cursor))),
        "is_later_page": params.all("cursor").next().is_some(),
        "newest": params.with("cursor", None),
        "problem": problem,
        "which": which(&params),
        "incident": asked("incident"),
        "filter": params.all("filter").collect::<Vec<_>>().join(", "),
    });
    let markup = Markup::default();
    visit.made(status, Made { name: "alerts", template: "alerts.html", values, zone, markup })
}

/// Which alerts are asked for: `floating` and firing, all `firing` ones, or `all`.
fn which(params: &Params) -> &'static str {
    let is_of_incident = params.all("incident").next().is_some();
    match params.all("show").next() {
        Some("all") => "all",
        Some("firing") => "firing",
        Some(_) | None if is_of_incident => "all",
        Some(_) | None => "floating",
    }
}

fn read(params: &Params) -> Result<(EpisodeFilter, PageRequest), Problem> {
    let which = which(params);
    let filter = EpisodeFilter {
        floating: which == "floating",
        active: which != "all",
        ..query::episodes(params)?
    };
    Ok((filter, params.page()?))
}

/// GET `/alerts/{id}`.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    readable!(visit);
    let found = visit.shared.read(move |store| api::weighed(store, &id));
    let (episode, explanation, nearest) = match found.await {
        Ok(found) => found,
        Err(problem) => return visit.problem(problem, "/alerts"),
    };
    let zone = visit.zone();
    let shape = shapes::alert(&episode);
    let more = json!({
        "annotations": episode.annotations.iter().collect::<Vec<_>>(),
        "values": episode.values,
        "namespace": episode.key.namespace,
        "fingerprint": episode.key.fingerprint,
        "sources": episode.sources,
        "received_at": moment(episode.received_at, &zone),
        "last_word_at": moment(episode.last_word_at, &zone),
        "starts": episode.starts.iter().map(|start| moment(start.at, &zone)).collect::<Vec<_>>(),
        "ending": shape["ending"],
        "ending_reason": shape["ending_reason"],
        "context_of": episode.context_of,
        "standing": standing(&episode),
        "weighed": weighed(&explanation, nearest.as_ref()),
        "is_by_person": matches!(episode.membership, Membership::Member { by_person: true, .. }),
        "is_lead_up": matches!(episode.membership, Membership::Member { lead_up: true, .. }),
    });
    let values = json!({ "alert": merged(alert(&episode, &zone), more) });
    visit.page("alerts", "alert.html", values)
}

/// What was weighed, in numbers; nothing, when nothing was.
fn weighed(explanation: &Explanation, nearest: Option<&Episode>) -> Option<Value> {
    if explanation.is_empty() {
        return None;
    }
    let terms = explanation.terms.iter().map(
        |term| json!({ "name": term.name.replace('_', " "), "points": signed(term.points), "text": term.text }),
    );
    let rivals = explanation
        .rivals
        .iter()
        .map(|rival| json!({ "incident": rival.incident, "score": signed(rival.score) }));
    let nearest = nearest.map(
        |other| json!({ "id": other.id, "name": other.alertname(), "service": other.service }),
    );
    Some(json!({
        "incident": explanation.incident,
        "nearest": nearest,
        "score": explanation.score.map(signed),
        "needed": explanation.needed.map(signed),
        "is_enough": explanation.score.zip(explanation.needed).map(|(score, needed)| score >= needed),
        "terms": terms.collect::<Vec<_>>(),
        "rivals": rivals.collect::<Vec<_>>(),
    }))
}

/// Points with their sign, in hundredths: more digits say nothing.
fn signed(points: f64) -> String {
    // What rounds to nothing is not negative.
    let hundredths = (points * 100.0).round() / 100.0;
    format!("{:+.2}", if hundredths == 0.0 { 0.0 } else { hundredths })
}

/// What an alert is known for, where that decides about it.
const fn standing(episode: &Episode) -> Option<&'static str> {
    match episode.standing {
        Standing::Ordinary => None,
        Standing::Flapping => Some("flapping: it fires and ends again and again"),
        Standing::Chronic => Some("chronic: it fires for days, or many times a week"),
        Standing::Heartbeat => Some("a heartbeat: its absence is the alarm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_a_sign_and_nothing_is_not_negative() {
        let check = |points: f64, expect: &str| assert_eq!(signed(points), expect, "{points}");
        check(1.234, "+1.23");
        check(-0.5, "-0.50");
        check(-0.001, "+0.00");
    }
}
