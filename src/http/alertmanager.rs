//! Alertmanager's v2 API, as far as Prometheus, amtool and karma need it: alerts come in, the
//! status and the firing alerts go out. Groups, silences and receivers are not ours.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{Answer, Problem, json as json_answer};
use super::auth::Reader;
use super::ingest::prometheus;
use crate::domain::{Episode, Matcher, Span};
use crate::store::{EpisodeFilter, PageRequest, Store, StoreError};

/// The name under which we stand in `receivers`.
const RECEIVER: &str = "scribed";
/// Rows that are read from the store at a time.
const PAGE_ROWS: usize = 500;
/// Rows in one answer; Alertmanager's form has no pages.
const ROWS_MAX: usize = 10_000;

/// The paths of Alertmanager's API.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v2/alerts", post(prometheus).put(prometheus).get(alerts))
        .route("/api/v2/status", get(status))
}

async fn status(State(shared): State<Arc<Shared>>, _: Reader) -> Answer {
    let version = env!("CARGO_PKG_VERSION");
    json_answer(
        StatusCode::OK,
        &json!({
            "cluster": { "status": "disabled", "peers": [] },
            "config": { "original": "" },
            "uptime": shared.started_at.to_string(),
            "versionInfo": {
                "version": version,
                "revision": "",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            },
        }),
    )
}

async fn alerts(
    State(shared): State<Arc<Shared>>,
    _: Reader,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let wish = Wish::read(&query)?;
    // What nobody heard of for so long counts as over, so until then it is said to last.
    let lasts = shared.config().rules.alerts.stale_after;
    let rows = match wish {
        Wish::Nothing => Vec::new(),
        Wish::Firing(matchers) => shared.read(move |store| firing(store, matchers)).await?,
    };
    let rows: Vec<Value> = rows.iter().map(|episode| row(episode, lasts)).collect();
    json_answer(StatusCode::OK, &rows)
}

/// What a query asks for.
#[derive(Debug, PartialEq)]
enum Wish {
    /// Only alerts in states that we do not have.
    Nothing,
    /// Firing alerts that satisfy all of these.
    Firing(Vec<Matcher>),
}

impl Wish {
    fn read(query: &[(String, String)]) -> Result<Self, Problem> {
        let mut matchers = Vec::new();
        for (name, value) in query {
            match name.as_str() {
                // None of ours is silenced, inhibited or unprocessed.
                "active" if value == "false" => return Ok(Self::Nothing),
                "filter" => {
                    let list = Matcher::parse_list(value)
                        .map_err(|error| Problem::Invalid(error.to_string()))?;
                    matchers.extend(list);
                }
                _ => {}
            }
        }
        Ok(Self::Firing(matchers))
    }
}

fn firing(store: &Store, matchers: Vec<Matcher>) -> Result<Vec<Episode>, StoreError> {
    let filter = EpisodeFilter { active: true, matchers, ..EpisodeFilter::default() };
    let mut page = PageRequest { limit: PAGE_ROWS, cursor: None };
    let mut rows = Vec::new();
    loop {
        let found = store.episodes(&filter, &page)?;
        rows.extend(found.items);
        page.cursor = found.next_cursor;
        if page.cursor.is_none() || rows.len() >= ROWS_MAX {
            return Ok(rows);
        }
    }
}

fn row(episode: &Episode, lasts: Span) -> Value {
    let generator = episode.links.iter().find(|link| link.rel.as_str() == "generator");
    json!({
        "labels": episode.labels,
        "annotations": episode.annotations,
        "receivers": [{ "name": RECEIVER }],
        "fingerprint": episode.key.fingerprint,
        "startsAt": episode.starts_at().to_string(),
        "updatedAt": episode.last_word_at.to_string(),
        "endsAt": episode.lease.unwrap_or(episode.last_word_at + lasts).to_string(),
        "generatorURL": generator.map_or("", |link| &link.url),
        "status": { "state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": [] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_firing_alerts_are_ours_to_show() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let matchers = |text: &str| Matcher::parse_list(text).unwrap();
        for (query, expect) in [
            (vec![], Wish::Firing(vec![])),
            (vec![pair("silenced", "false"), pair("active", "true")], Wish::Firing(vec![])),
            (vec![pair("active", "false")], Wish::Nothing),
            (vec![pair("filter", "a=\"b\"")], Wish::Firing(matchers("a=\"b\""))),
        ] {
            assert_eq!(Wish::read(&query), Ok(expect), "{query:?}");
        }
    }
}
