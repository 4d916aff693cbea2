//! `GET /api/v1/status`: how far the engine is, who has spoken last, what is missing.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{Answer, json as json_answer};
use super::auth::Reader;
use crate::config::Config;
use crate::domain::SourceType;
use crate::store::{HeartbeatRow, SourceRow, StoreError};

/// The path of the status.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/api/v1/status", get(status))
}

async fn status(State(shared): State<Arc<Shared>>, _: Reader) -> Answer {
    let (sources, heartbeats, bytes) = shared
        .read(|store| {
            Ok::<_, StoreError>((store.sources()?, store.heartbeats()?, store.size_bytes()))
        })
        .await?;
    // The cursor is read first: a head that moves on in between never makes it look ahead.
    let cursor = shared.store.cursor().borrow().0;
    let head = shared.store.head().borrow().0;
    let config = shared.config();
    let missing = shared.missing();
    json_answer(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": shared.started_at.to_string(),
            "now": shared.clock.now().to_string(),
            "head": head,
            "cursor": cursor,
            "ready": missing.is_none(),
            "not_ready_because": missing,
            "sources": source_list(&config, &sources),
            "heartbeats": heartbeats.iter().map(heartbeat).collect::<Vec<Value>>(),
            "storage": { "path": config.storage.path, "bytes": bytes },
            "config": {
                "timezone": config.timezone,
                "external_url": config.web.external_url,
                "body_bytes_max": config.web.max_body,
            },
        }),
    )
}

/// Everyone who has spoken, and everyone configured who has not.
fn source_list(config: &Config, rows: &[SourceRow]) -> Vec<Value> {
    let kind_of = |name: &str| {
        let configured = config.sources.iter().find(|source| source.name.as_str() == name);
        configured.map(|source| source.kind).or_else(|| SourceType::from_word(name))
    };
    let heard = rows.iter().map(|row| {
        json!({
            "name": row.name,
            "type": kind_of(row.name.as_str()).map(SourceType::as_str),
            "last_delivery_at": row.last_delivery_at.to_string(),
            "deliveries": row.deliveries,
        })
    });
    let silent =
        config.sources.iter().filter(|source| !rows.iter().any(|row| row.name == source.name)).map(
            |source| {
                json!({
                    "name": source.name,
                    "type": source.kind.as_str(),
                    "last_delivery_at": null,
                    "deliveries": 0,
                })
            },
        );
    heard.chain(silent).collect()
}

fn heartbeat(row: &HeartbeatRow) -> Value {
    json!({
        "name": row.name,
        "alert": row.episode,
        "last_seen_at": row.last_word_at.to_string(),
        "deadline": row.deadline.map(|deadline| deadline.to_string()),
        "missed": row.is_missed,
    })
}
