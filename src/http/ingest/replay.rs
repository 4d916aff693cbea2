//! Reading a body of the quarantine again: after an upgrade that understands it, or once its source
//! is configured.
//!
//! It becomes a delivery that was received when the body was, so that it takes its place by the
//! time of its events, and it becomes one only once, however often it is asked for. Caller: `api`.

use std::sync::Arc;

use super::{Came, Kept, Read, Shared, Target, append, read_bytes, require_room};
use crate::domain::{Seq, SourceType};
use crate::http::answer::Problem;
use crate::http::audit::{self, Deed};
use crate::http::auth::Principal;
use crate::http::receipt::Receipt;
use crate::ingest::redaction::WITHHELD;
use crate::store::{DoorCounts, Quarantined, RefusedAlert};

/// What came of it.
pub(in crate::http) struct Replayed {
    /// The delivery that it became.
    pub(in crate::http) seq: Seq,
    /// False when it had become one before.
    pub(in crate::http) is_new: bool,
    /// Counts as known at the door, when it is new.
    pub(in crate::http) counts: Option<DoorCounts>,
    /// What of it still cannot be used.
    pub(in crate::http) refused: Vec<RefusedAlert>,
}

/// Reads a row of the quarantine again. `None` when there is no such row.
///
/// # Errors
/// `Conflict` when it still cannot be used, `Unavailable` when the store does not take it now.
pub(in crate::http) async fn replay(
    shared: &Shared,
    principal: &Principal,
    number: u64,
) -> Result<Option<Replayed>, Problem> {
    // Held across the commit, which is what makes the row say that it was read.
    let _one_at_a_time = shared.replaying.lock().await;
    let found = shared.read(move |store| store.quarantined_one(number)).await?;
    let Some(Quarantined { row, headers, body }) = found else { return Ok(None) };
    if let Some((_, seq)) = row.replayed {
        return Ok(Some(Replayed { seq, is_new: false, counts: None, refused: Vec::new() }));
    }
    let name = format!("q{number}");
    let body = body.filter(|body| body != WITHHELD).ok_or_else(|| {
        Problem::Conflict(format!("the body of {name} is not kept, so it cannot be read again"))
    })?;
    let target = target(shared, row.source.as_str())?;
    require_room(shared, &target)?;
    let true_at = shared.clock.now();
    let receipt =
        Receipt { stated: row.received_at, true_at, in_flight: shared.store.receive(true_at) };
    let (kept, parsed) = match read(shared, &target, &headers, body, &row).await? {
        Ok(read) => read,
        Err(problem) => {
            audit::note(shared, principal, Deed::Replay, Some(name), "refused").await?;
            return Err(Problem::Conflict(problem));
        }
    };
    let entry = audit::of_deed(shared, principal, Deed::Replay, Some(name), "done");
    let content_type = headers.into_iter().find(|(name, _)| name == "content-type");
    let came = Came {
        kept,
        content_type: content_type.map(|(_, value)| value).unwrap_or_default(),
        remote: String::new(),
        replays: Some((number, entry)),
    };
    let delivered = append(shared, &target, came, receipt, parsed).await?;
    Ok(Some(Replayed {
        seq: delivered.seq,
        is_new: true,
        counts: Some(delivered.counts),
        refused: delivered.refused,
    }))
}

/// Where the body was for.
fn target(shared: &Shared, source: &str) -> Result<Arc<Target>, Problem> {
    let (config, metrics, targets) = (shared.config(), &shared.metrics, &shared.targets);
    let by_path = || {
        let kind = SourceType::from_word(source)?;
        let is_path = super::SOURCES_OF_OTHER_PATHS.contains(&kind);
        is_path.then(|| targets.of_path(&config, metrics, kind))
    };
    targets.named(&config, metrics, source).or_else(by_path).ok_or_else(|| {
        Problem::Conflict(format!(
            "the body was for `{source}`, which is no source whose bodies can be read again; \
             configure it under `sources`, or send the body anew"
        ))
    })
}

/// What the body says today, or why it still says nothing that was not used before.
async fn read(
    shared: &Shared,
    target: &Arc<Target>,
    headers: &[(String, String)],
    body: Vec<u8>,
    row: &crate::store::QuarantineRow,
) -> Result<Result<(Kept, crate::ingest::Parsed), String>, Problem> {
    let (config, target, headers) = (shared.config(), Arc::clone(target), headers.to_vec());
    let received_at = row.received_at;
    let read = tokio::task::spawn_blocking(move || {
        read_bytes(&config, &target, &headers, body.into(), received_at)
    })
    .await
    .map_err(|error| Problem::Internal(format!("a parsing thread failed: {error}")))?;
    Ok(match read {
        Read::Unusable(_, _, problem) => Err(format!("it still cannot be used: {problem}")),
        Read::Parsed(kept, parsed) => {
            let still = row.index.and_then(|index| {
                parsed.refused.iter().find(|refused| refused.index as u64 == index)
            });
            match still {
                Some(refused) => Err(format!("it still cannot be used: {}", refused.problem)),
                None => Ok((kept, *parsed)),
            }
        }
    })
}
