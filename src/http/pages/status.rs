//! The page that says how scribed itself is: what it has heard, what is missing.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Extension, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::Shared;
use super::super::answer::Answer;
use super::{Pages, Visitor, default_zone, frame, merged, moment, moment_if_any};
use crate::domain::zone::Zone;
use crate::store::{HeartbeatRow, PageRequest, QuarantineRow, SourceRow, StoreError};

/// How many refused bodies are shown.
const QUARANTINE_MAX: usize = 20;

/// GET `/status`.
pub(super) async fn show(
    visitor: Visitor,
    State(shared): State<Arc<Shared>>,
    Extension(pages): Extension<Pages>,
    headers: HeaderMap,
) -> Answer {
    if let Err(problem) = visitor {
        return pages.turned_away(&shared, &headers, problem);
    }
    let (sources, heartbeats, quarantine, counts, size, is_writable) = shared
        .read(|store| {
            let page = PageRequest { limit: QUARANTINE_MAX, cursor: None };
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
    let zone = default_zone(&shared);
    // The cursor is read first, so that it never seems ahead of the head.
    let cursor = shared.store.cursor().borrow().0;
    let head = shared.store.head().borrow().0;
    let values = json!({
        "missing": shared.missing(),
        "version": env!("CARGO_PKG_VERSION"),
        "head": head,
        "cursor": cursor,
        "store_bytes": bytes_text(size),
        "is_writable": is_writable,
        "incidents": counts.incidents,
        "floating": counts.floating,
        "sources": sources.iter().map(|row| source(row, &zone)).collect::<Vec<_>>(),
        "heartbeats": heartbeats.iter().map(|row| heartbeat(row, &zone)).collect::<Vec<_>>(),
        "quarantine": quarantine.iter().map(|row| refused(row, &zone)).collect::<Vec<_>>(),
    });
    pages.page(
        StatusCode::OK,
        "status.html",
        merged(frame(&shared, &headers, "status", &zone), values),
    )
}

fn source(row: &SourceRow, zone: &Zone) -> Value {
    json!({
        "name": row.name,
        "last": moment(row.last_delivery_at, zone),
        "deliveries": row.deliveries,
    })
}

fn heartbeat(row: &HeartbeatRow, zone: &Zone) -> Value {
    let state = match (row.is_missed, row.deadline) {
        (true, _) => "missed",
        (false, Some(_)) => "heard",
        (false, None) => "not armed yet",
    };
    json!({
        "name": row.name,
        "last": moment(row.last_word_at, zone),
        "deadline": moment_if_any(row.deadline, zone),
        "state": state,
    })
}

fn refused(row: &QuarantineRow, zone: &Zone) -> Value {
    json!({
        "at": moment(row.received_at, zone),
        "source": row.source,
        "problem": row.problem,
    })
}

/// A size in its largest unit of which there is at least one, with one decimal.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_one_unit() {
        for (bytes, expect) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(bytes_text(bytes), expect);
        }
    }
}
