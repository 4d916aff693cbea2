//! The only room that asks what time it is.
//!
//! Everyone else takes moments as arguments. A test hands out a clock that it turns by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::{Span, Timestamp};

/// A clock: the system's, or one that a test turns. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System { origin: Instant },
    Manual { now: Arc<AtomicI64>, monotonic: Arc<AtomicI64> },
}

impl Clock {
    /// The system's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
    pub fn system() -> Self {
        Self { source: Source::System { origin: Instant::now() } }
    }

    /// A clock that stands at `now` until it is turned.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self {
            source: Source::Manual {
                now: Arc::new(AtomicI64::new(now.nanos())),
                monotonic: Arc::new(AtomicI64::new(0)),
            },
        }
    }

    /// Wall-clock time. It can step back.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
            }
            Source::Manual { now, .. } => Timestamp::from_nanos(now.load(Ordering::SeqCst)),
        }
    }

    /// Time since this clock was made. It never steps back.
    #[must_use]
    pub fn monotonic(&self) -> Span {
        match &self.source {
            Source::System { origin } => {
                Span::from_nanos(i64::try_from(origin.elapsed().as_nanos()).unwrap_or(i64::MAX))
            }
            Source::Manual { monotonic, .. } => Span::from_nanos(monotonic.load(Ordering::SeqCst)),
        }
    }

    /// Turns a manual clock forward, wall and monotonic alike. A system clock stays as it is.
    pub fn advance(&self, span: Span) {
        if let Source::Manual { now, monotonic } = &self.source {
            now.fetch_add(span.nanos(), Ordering::SeqCst);
            monotonic.fetch_add(span.nanos().max(0), Ordering::SeqCst);
        }
    }

    /// Steps the wall clock of a manual clock, even backwards; its monotonic time stays.
    pub fn step_wall(&self, span: Span) {
        if let Source::Manual { now, .. } = &self.source {
            now.fetch_add(span.nanos(), Ordering::SeqCst);
        }
    }
}
