//! What has to be done now and then: retention by age and by size.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::clock_watch::Watch;
use crate::clock::Clock;
use crate::domain::{Span, Timestamp};
use crate::http::Shared;
use crate::shutdown::StopSignal;
use crate::store::{Store, StoreError};

/// How often old things are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// A clock that is set ahead by this much may be wrong, …
const STEP_DOUBTED: Span = Span::from_hours(1);
/// … and then nothing is dropped for its age for this long: what is gone does not come back when
/// the clock does.
const DOUBTED_FOR: Span = Span::from_hours(24);
/// How much of the oldest time goes at once while the store is over its size.
const SIZE_STEP: Span = Span::from_hours(24);

/// Drops what is older than the configuration keeps, a bounded piece at a time, until told to
/// stop. Ingest goes on in between.
pub(super) async fn run(shared: Arc<Shared>, mut stop: StopSignal) {
    let mut doubt = Doubt::new(&shared.clock);
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        while !stop.is_stopped() && retain(&shared, &mut doubt).await {}
    }
}

/// Whether the clock may be wrong.
struct Doubt {
    watch: Watch,
    /// By the monotonic clock; `None` while there is no doubt.
    until: Option<Span>,
}

impl Doubt {
    fn new(clock: &Clock) -> Self {
        Self { watch: Watch::new(clock), until: None }
    }

    /// The time, unless it is doubted.
    fn now(&mut self, clock: &Clock) -> Option<Timestamp> {
        let monotonic = clock.monotonic();
        match self.watch.step(clock) {
            Some(step) if step >= STEP_DOUBTED => {
                self.until = Some(monotonic + DOUBTED_FOR);
                warn!(by = %step, "The clock was set far ahead; for a day nothing goes for its age");
            }
            // It came back.
            Some(step) if step.abs() >= STEP_DOUBTED => self.until = None,
            _ => {}
        }
        self.until = self.until.filter(|until| monotonic < *until);
        self.until.is_none().then(|| clock.now())
    }
}

/// One piece; true when more is left.
async fn retain(shared: &Shared, doubt: &mut Doubt) -> bool {
    let config = shared.config();
    let now = doubt.now(&shared.clock);
    let raw_before = now.map(|now| now - config.storage.raw_retention);
    let before = now.and_then(|now| Some(now - config.storage.retention?));
    let size_limit = config.storage.size_limit;
    let retained = shared
        .read(move |store| {
            Ok::<_, StoreError>(store.retain(raw_before, before)? || shrink(store, size_limit)?)
        })
        .await;
    retained.unwrap_or_else(|_| {
        warn!("Old data could not be dropped; it is tried again in a minute");
        false
    })
}

/// Drops the oldest day while the store is over its size; true when that helped and it still is.
fn shrink(store: &Store, size_limit: Option<u64>) -> Result<bool, StoreError> {
    let Some(limit) = size_limit else { return Ok(false) };
    let size = store.size_bytes();
    let Some(oldest) = store.oldest_record_time()?.filter(|_| size > limit) else {
        return Ok(false);
    };
    let before = oldest + SIZE_STEP;
    while store.retain(Some(before), Some(before))? {}
    // What runs and what the last snapshot needs stays: then nothing moved, and a minute later
    // it is tried again.
    let has_moved = store.oldest_record_time()? != Some(oldest) || store.size_bytes() < size;
    Ok(has_moved && store.size_bytes() > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{Delivery, Path};
    use crate::domain::{Name, RecordBody};
    use crate::metrics::Metrics;
    use crate::store::{Append, RawDelivery, StoreOptions};

    /// Bytes that no packing makes smaller, the same each time.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_clock_that_is_set_far_ahead_is_not_believed_for_a_day() {
        let clock = Clock::manual(Timestamp::from_seconds(1_772_590_000));
        let mut doubt = Doubt::new(&clock);
        clock.advance(Span::from_hours(100));
        assert_eq!(doubt.now(&clock), Some(clock.now()), "time that passes is believed");
        clock.step_wall(Span::from_minutes(59));
        assert_eq!(doubt.now(&clock), Some(clock.now()));
        clock.step_wall(Span::from_hours(9_000));
        assert_eq!(doubt.now(&clock), None);
        clock.advance(Span::from_hours(23));
        assert_eq!(doubt.now(&clock), None);
        clock.step_wall(Span::from_hours(-9_000));
        assert_eq!(doubt.now(&clock), Some(clock.now()), "it came back");
        clock.step_wall(Span::from_hours(2));
        assert_eq!(doubt.now(&clock), None);
        clock.advance(Span::from_hours(24));
        assert_eq!(doubt.now(&clock), Some(clock.now()), "it stayed so");
    }

    #[test]
    fn a_store_over_its_size_drops_its_oldest_day() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::parse("2026-03-10T00:00:00Z").unwrap();
        let options = StoreOptions {
            path: folder.path().to_owned(),
            queue_capacity: 16,
            queue_bytes: 1 << 24,
        };
        let store = Store::open(options, Clock::manual(now), Metrics::new()).unwrap();
        // Bodies of four days, half a mebibyte each.
        for day in 0..4 {
            let at = now - Span::from_hours(24 * (5 - day));
            let delivery = Delivery {
                source: Name::from("alertmanager"),
                path: Path::Webhook,
                sender: None,
                group: None,
                truncated: 0,
                rejected: 0,
                words: vec![],
                changes: vec![],
            };
            let raw = RawDelivery {
                bytes: noise(1 << 19).into(),
                content_type: "application/json".to_owned(),
                remote: "127.0.0.1:1".to_owned(),
                refused: vec![],
                redacted: 0,
                replays: None,
            };
            let append = Append {
                body: RecordBody::Delivery(delivery),
                received_at: Some(at),
                true_received_at: at,
                raw: Some(raw),
            };
            store.append_blocking(append).unwrap();
        }
        let has_raw = |store: &Store, seq| store.raw(crate::domain::Seq(seq)).unwrap().is_some();
        assert!(!shrink(&store, None).unwrap());
        assert!(!shrink(&store, Some(1 << 30)).unwrap());
        assert!(has_raw(&store, 1));
        shrink(&store, Some(1 << 20)).unwrap();
        assert!(!has_raw(&store, 1), "the oldest day is gone");
        assert!(has_raw(&store, 4), "the newest stays");
    }
}
