//! The page of alerts that fire: those in no incident first, each with the reason.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Extension, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::Answer;
use super::{Pages, Visitor, alert, default_zone, frame, merged};
use crate::domain::{Episode, Membership};
use crate::store::{EpisodeFilter, PageRequest, StoreError};

/// How many alerts of each sort are shown.
const ALERTS_MAX: usize = 200;

/// GET `/alerts`.
pub(super) async fn list(
    visitor: Visitor,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    headers: HeaderMap,
) -> Answer {
    if let Err(problem) = visitor {
        return pages.turned_away(&shared, &headers, problem);
    }
    let (floating, active) = shared
        .read(|store| {
            let page = PageRequest { limit: ALERTS_MAX, cursor: None };
            let active = EpisodeFilter { active: true, ..EpisodeFilter::default() };
            let floating = EpisodeFilter { floating: true, ..active.clone() };
            Ok::<_, StoreError>((
                store.episodes(&floating, &page)?,
                store.episodes(&active, &page)?,
            ))
        })
        .await?;
    let zone = default_zone(&shared);
    let is_cut = floating.next_cursor.is_some() || active.next_cursor.is_some();
    let rows = |episodes: &mut dyn Iterator<Item = &Episode>| -> Vec<Value> {
        episodes.map(|episode| alert(episode, &zone)).collect()
    };
    let is_member = |episode: &&Episode| episode.membership != Membership::Floating;
    let values = json!({
        "floating": rows(&mut floating.items.iter()),
        "members": rows(&mut active.items.iter().filter(is_member)),
        "is_cut": is_cut,
    });
    pages.page(
        StatusCode::OK,
        "alerts.html",
        merged(frame(&shared, &headers, "alerts", &zone), values),
    )
}
