//! Turns at what takes memory in the measure of an incident: its drafts, its timeline, its page.
//!
//! A draft of ten thousand alerts takes a hundred megabytes while it is made, and a thousand people
//! may ask for it at once, in the middle of the storm. So all of them together hold at most so many
//! alerts; who comes later waits, and is told to come again when that takes too long. Answers that
//! are large are counted until the last byte is out, because a peer may read slowly. Callers:
//! handlers that read all facts of an incident.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use super::answer::{Answer, Problem};
use crate::domain::IncidentId;
use crate::store::{Store, StoreError};

/// Alerts of all incidents that are being read or printed at once. One incident that has more
/// takes the whole desk: it is printed alone.
const ALERTS_AT_ONCE: u32 = 20_000;
/// What the smallest incident counts for, so that there are at most two hundred at once.
const ALERTS_AT_LEAST: u32 = 100;
/// How long to wait for a turn.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// All large answers that are on their way together. One is let through however large it is.
const ANSWERS_BYTES: usize = 256 * 1024 * 1024;
/// Smaller answers are not counted: a thousand of them are a quarter of the bound.
const LARGE_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    turns: Arc<Semaphore>,
    /// Bytes of large answers that are not sent yet.
    answers: Arc<AtomicUsize>,
}

/// A turn; given back when its last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    _permit: Arc<OwnedSemaphorePermit>,
    answers: Arc<AtomicUsize>,
}

impl Default for Desk {
    fn default() -> Self {
        let turns = Arc::new(Semaphore::new(ALERTS_AT_ONCE as usize));
        Self { turns, answers: Arc::default() }
    }
}

impl Desk {
    /// Waits for a turn with an incident of so many alerts.
    async fn turn(&self, alerts: u64, wait_max: Duration) -> Result<Turn, Problem> {
        let wanted = u32::try_from(alerts).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(ALERTS_AT_LEAST, ALERTS_AT_ONCE);
        let permit = Arc::clone(&self.turns).acquire_many_owned(wanted);
        match tokio::time::timeout(wait_max, permit).await {
            Ok(Ok(permit)) => {
                Ok(Turn { _permit: Arc::new(permit), answers: Arc::clone(&self.answers) })
            }
            Ok(Err(_)) | Err(_) => Err(Problem::unavailable(
                "too many drafts and timelines of large incidents are being made",
            )),
        }
    }
}

impl Shared {
    /// Waits for a turn at the facts of an incident.
    ///
    /// # Errors
    /// When the store cannot be read, or others take too long.
    pub(super) async fn turn(&self, id: IncidentId) -> Result<Turn, Problem> {
        self.turn_within(id, WAIT_MAX).await
    }

    /// As [`Shared::turn`], for those who have little time.
    ///
    /// # Errors
    /// As [`Shared::turn`].
    pub(super) async fn turn_within(
        &self,
        id: IncidentId,
        wait_max: Duration,
    ) -> Result<Turn, Problem> {
        let alerts = self
            .read(move |store| {
                let incident = store.incident(id)?;
                Ok::<_, StoreError>(incident.map_or(0, |incident| incident.tally.total))
            })
            .await?;
        self.desk.turn(alerts, wait_max).await
    }
}

impl Turn {
    /// Reads from the store. The turn is held until the reading is over, also when the client has
    /// gone away meanwhile.
    ///
    /// # Errors
    /// As [`Shared::read`].
    pub(super) async fn read<T, E, F>(&self, shared: &Shared, reading: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
        F: FnOnce(&Store) -> Result<T, E> + Send + 'static,
    {
        let held = self.clone();
        shared
            .read(move |store| {
                let _held = held;
                reading(store)
            })
            .await
    }

    /// Counts an answer, if it is large, until it is sent or given up.
    ///
    /// # Errors
    /// When too much waits to be read by others.
    pub(super) fn answer(&self, response: Response) -> Answer {
        let bytes = response.body().size_hint().exact().unwrap_or(0);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes < LARGE_BYTES {
            return Ok(response);
        }
        let others = self.answers.fetch_add(bytes, Ordering::Relaxed);
        let share = Share { answers: Arc::clone(&self.answers), bytes };
        if others > 0 && others.saturating_add(bytes) > ANSWERS_BYTES {
            return Err(Problem::unavailable("too many large answers wait to be read"));
        }
        Ok(response.map(|body| Body::new(Counted { body, _share: share })))
    }
}

/// Counts an answer until it is dropped.
#[derive(Debug)]
struct Share {
    answers: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.answers.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The body of a large answer.
#[derive(Debug)]
struct Counted {
    body: Body,
    _share: Share,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> Response {
        Response::new(Body::from(vec![b'x'; bytes]))
    }

    #[tokio::test]
    async fn all_at_the_desk_hold_so_many_alerts_and_the_next_one_is_told_to_come_again() {
        let desk = Desk::default();
        let turn = |alerts| desk.turn(alerts, Duration::ZERO);
        let first = turn(12_000).await.unwrap();
        let second = turn(8_000).await.unwrap();
        assert!(matches!(turn(1).await, Err(Problem::Unavailable { .. })));
        let kept = first.clone();
        drop(first);
        assert!(turn(1).await.is_err(), "a clone is still at work");
        drop(kept);
        drop(second);
        let whole = turn(1_000_000).await.unwrap();
        assert!(turn(1).await.is_err());
        drop(whole);
        assert!(turn(0).await.is_ok());
    }

    #[tokio::test]
    async fn large_answers_are_counted_until_they_are_sent_and_one_always_goes_through() {
        let desk = Desk::default();
        let turn = desk.turn(1, WAIT_MAX).await.unwrap();
        let small = turn.answer(text(LARGE_BYTES - 1)).unwrap();
        assert_eq!(desk.answers.load(Ordering::Relaxed), 0);
        let large = turn.answer(text(ANSWERS_BYTES + 1)).unwrap();
        assert!(matches!(turn.answer(text(LARGE_BYTES)), Err(Problem::Unavailable { .. })));
        assert!(turn.answer(text(LARGE_BYTES - 1)).is_ok(), "small ones are not counted");
        assert_eq!(large.body().size_hint().exact(), Some(ANSWERS_BYTES as u64 + 1));
        drop((small, large));
        assert!(turn.answer(text(LARGE_BYTES)).is_ok());
        assert_eq!(desk.answers.load(Ordering::Relaxed), 0);
    }
}
