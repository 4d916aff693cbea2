//! The page that says how scribed itself is: what it has heard, what is missing.
//!
//! Caller: the table of routes.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::visit::{Visit, readable};
use super::{bytes_text, length, moment, moment_if_any};
use crate::config::Config;
use crate::domain::Timestamp;
use crate::domain::zone::Zone;
use crate::store::{HeartbeatRow, PageRequest, SourceRow, StoreError};

/// GET `/status`.
pub(super) async fn show(visit: Visit) -> Answer {
    readable!(visit);
    let shared = &visit.shared;
    let (sources, heartbeats, quarantine, counts, size, is_writable) = shared
        .read(|store| {
            let page = PageRequest { limit: 1, cursor: None };
            Ok::<_, StoreError>((
                store.sources()?,
                store.heartbeats()?,
                store.quarantined(&page)?.items,
                store.counts()?,
                store.size_bytes(),
                store.is_writable(),
            ))
        })
        .await?;
    let (zone, now) = (visit.zone(), shared.clock.now());
    // The cursor is read first, so that it never seems ahead of the head.
    let cursor = shared.store.cursor().borrow().0;
    let head = shared.store.head().borrow().0;
    let values = json!({
        "said": if shared.missing().is_some() { "not ready" } else { "ready" },
        "ticking": true,
        "missing": shared.missing(),
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": moment(shared.started_at, &zone),
        "up": length(now - shared.started_at),
        "head": head,
        "cursor": cursor,
        "store_bytes": bytes_text(size),
        "is_writable": is_writable,
        "incidents": counts.incidents,
        "floating": counts.floating,
        "sources": sources.iter().map(|row| source(row, &zone, now)).collect::<Vec<_>>(),
        "silent": silent(&shared.config(), &sources),
        "heartbeats": heartbeats.iter().map(|row| heartbeat(row, &zone, now)).collect::<Vec<_>>(),
        "has_quarantine": !quarantine.is_empty(),
    });
    visit.page("status", "status.html", values)
}

/// Sources that are configured and have never spoken.
fn silent(config: &Config, heard: &[SourceRow]) -> Vec<String> {
    let is_silent = |name: &str| !heard.iter().any(|row| row.name.as_str() == name);
    let names = config.sources.iter().map(|source| source.name.to_string());
    names.filter(|name| is_silent(name)).collect()
}

fn source(row: &SourceRow, zone: &Zone, now: Timestamp) -> Value {
    json!({
        "name": row.name,
        "last": moment(row.last_delivery_at, zone),
        "ago": length(now - row.last_delivery_at),
        "deliveries": row.deliveries,
    })
}

fn heartbeat(row: &HeartbeatRow, zone: &Zone, now: Timestamp) -> Value {
    let state = match (row.is_missed, row.deadline) {
        (true, _) => "missed",
        (false, Some(_)) => "heard",
        (false, None) => "not armed yet",
    };
    json!({
        "name": row.name,
        "last": moment(row.last_word_at, zone),
        "ago": length(now - row.last_word_at),
        "deadline": moment_if_any(row.deadline, zone),
        "state": state,
    })
}
