//! Alerts, one episode each: listed, read, and why each is where it is.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::{self, Answer, Problem};
use super::super::auth::Reader;
use super::query::{self, LIMIT_MAX, Params};
use super::{Pairs, listed, quoted};
use crate::domain::{Episode, Explanation, Membership, Timestamp};
use crate::render;
use crate::store::{EpisodeFilter, PageRequest, Store, StoreError};

/// How many pages of an alert's episodes are searched for one start.
const PAGES_MAX: usize = 20;

/// GET `/api/v1/alerts`.
pub(super) async fn list(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    axum::extract::Query(pairs): Pairs,
) -> Answer {
    let params = Params::new(pairs);
    let (filter, page) = (query::episodes(&params)?, params.page()?);
    let page = shared.read(move |store| store.episodes(&filter, &page)).await?;
    listed(page, render::json::alert)
}

/// GET `/api/v1/alerts/{id}`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let episode = shared.read(move |store| needed(store, &id)).await?;
    answer::json(StatusCode::OK, &render::json::alert(&episode))
}

/// GET `/api/v1/alerts/{id}/explain`.
pub(super) async fn explain(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let explained = shared
        .read(move |store| {
            let (episode, explanation, nearest) = weighed(store, &id)?;
            Ok::<_, Problem>(explained(&episode, &explanation, nearest.as_ref()))
        })
        .await?;
    answer::json(StatusCode::OK, &explained)
}

/// The episode that a text names, as in [`find`].
///
/// # Errors
/// When there is none, or the store cannot be read.
fn needed(store: &Store, text: &str) -> Result<Episode, Problem> {
    find(store, text)?
        .ok_or_else(|| Problem::NotFound(format!("there is no alert {}", quoted(text))))
}

/// The episode that a text names, how it was weighed, and the alert that said the most then.
///
/// # Errors
/// As [`needed`].
pub(crate) fn weighed(
    store: &Store,
    text: &str,
) -> Result<(Episode, Explanation, Option<Episode>), Problem> {
    let episode = needed(store, text)?;
    let explanation = store.explanation(episode.id)?;
    let nearest = explanation.nearest.map(|id| store.episode(id)).transpose()?.flatten();
    Ok((episode, explanation, nearest))
}

/// The episode that a text names: its id, or an alert's fingerprint for the newest episode, or
/// `fingerprint@start` for the one that began then.
fn find(store: &Store, text: &str) -> Result<Option<Episode>, StoreError> {
    if let Ok(id) = text.parse()
        && let Some(episode) = store.episode(id)?
    {
        return Ok(Some(episode));
    }
    // A sender's own key may hold an `@`, so the whole text is tried as a fingerprint first.
    if let Some(episode) = search(store, text, |_| true)? {
        return Ok(Some(episode));
    }
    let Some((fingerprint, start)) = text.rsplit_once('@') else { return Ok(None) };
    let Ok(start) = Timestamp::parse(start) else { return Ok(None) };
    search(store, fingerprint, |episode| began(episode, start))
}

/// True when one of the starts that were claimed for it is this one, as exactly as we print it.
fn began(episode: &Episode, start: Timestamp) -> bool {
    episode.starts.iter().any(|claimed| claimed.at.millis() == start.millis())
}

/// The newest episode of a fingerprint that satisfies `wanted`.
fn search(
    store: &Store,
    fingerprint: &str,
    wanted: impl Fn(&Episode) -> bool,
) -> Result<Option<Episode>, StoreError> {
    let filter =
        EpisodeFilter { fingerprint: Some(fingerprint.to_owned()), ..EpisodeFilter::default() };
    let mut request = PageRequest { limit: LIMIT_MAX, cursor: None };
    for _ in 0..PAGES_MAX {
        let page = store.episodes(&filter, &request)?;
        if let Some(episode) = page.items.into_iter().find(&wanted) {
            return Ok(Some(episode));
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    Ok(None)
}

fn explained(episode: &Episode, explanation: &Explanation, nearest: Option<&Episode>) -> Value {
    let nearest = nearest.map(|other| {
        json!({ "alert": other.id, "alertname": other.alertname(), "service": other.service })
    });
    let terms: Vec<Value> = explanation
        .terms
        .iter()
        .map(|term| json!({ "name": term.name, "points": in_hundredths(term.points), "text": term.text }))
        .collect();
    let rivals: Vec<Value> = explanation
        .rivals
        .iter()
        .map(|rival| json!({ "incident": rival.incident, "score": in_hundredths(rival.score) }))
        .collect();
    let (is_lead_up, is_by_person) = match episode.membership {
        Membership::Floating => (false, false),
        Membership::Member { lead_up, by_person, .. } => (lead_up, by_person),
    };
    json!({
        "alert": episode.id,
        "namespace": episode.key.namespace,
        "fingerprint": episode.key.fingerprint,
        "alertname": episode.alertname(),
        "starts_at": episode.starts_at().to_string(),
        "ends_at": episode.ends_at().map(|at| at.to_string()),
        "status": episode.status().as_str(),
        "service": episode.service,
        "kind": episode.kind.as_str(),
        "severity": episode.severity.as_str(),
        "incident": episode.incident(),
        "lead_up": is_lead_up,
        "by_person": is_by_person,
        "context_of": episode.context_of,
        "standing": episode.standing,
        "reason": episode.reason,
        "weighed_against": explanation.incident,
        "nearest": nearest,
        "score": explanation.score.map(in_hundredths),
        "needed": explanation.needed.map(in_hundredths),
        "terms": terms,
        "rivals": rivals,
    })
}

/// More digits say nothing.
fn in_hundredths(points: f64) -> f64 {
    (points * 100.0).round() / 100.0
}
