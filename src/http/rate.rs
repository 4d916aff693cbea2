//! A token bucket for each source that has a rate limit.
//!
//! Time comes as an argument. There is a bucket for each configured name at most, so the table
//! cannot be grown from outside. Caller: `ingest`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::{Name, Span};

/// All buckets.
#[derive(Debug, Default)]
pub struct RateLimiter {
    buckets: Mutex<HashMap<Name, Bucket>>,
}

/// What one source has left.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Span,
}

impl RateLimiter {
    /// Takes one delivery's worth. A source may save up one second's worth, and one delivery at
    /// least.
    ///
    /// `now` is monotonic time.
    ///
    /// # Errors
    /// The whole seconds after which there will be one.
    pub fn take(&self, source: &Name, per_second: f64, now: Span) -> Result<(), u32> {
        let capacity = per_second.max(1.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket =
            buckets.entry(source.clone()).or_insert(Bucket { tokens: capacity, filled_at: now });
        let elapsed_seconds = now.seconds_f64() - bucket.filled_at.seconds_f64();
        bucket.tokens = (bucket.tokens + elapsed_seconds.max(0.0) * per_second).min(capacity);
        bucket.filled_at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(whole_seconds((1.0 - bucket.tokens) / per_second))
    }
}

/// Rounded up, from one second to an hour.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is held between 1 and 3600 first, and NaN becomes 3600"
)]
fn whole_seconds(seconds: f64) -> u32 {
    if seconds < 3600.0 { seconds.ceil().max(1.0) as u32 } else { 3600 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_deliver_at_its_rate_and_save_up_one_second() {
        let limiter = RateLimiter::default();
        let source = Name::from("am");
        let take = |at_ms: i64| limiter.take(&source, 2.0, Span::from_millis(at_ms));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Err(1));
        assert_eq!(take(400), Err(1));
        assert_eq!(take(500), Ok(()));
        assert_eq!(take(500), Err(1));
        // A long rest saves up no more than one second's worth.
        assert_eq!(take(60_000), Ok(()));
        assert_eq!(take(60_000), Ok(()));
        assert_eq!(take(60_000), Err(1));
    }

    #[test]
    fn a_rate_below_one_a_second_says_how_long_to_wait() {
        let limiter = RateLimiter::default();
        let slow = Name::from("slow");
        let take = |at_ms: i64| limiter.take(&slow, 0.1, Span::from_millis(at_ms));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Err(10));
        assert_eq!(take(7_500), Err(3));
        assert_eq!(take(10_000), Ok(()));
    }

    #[test]
    fn sources_do_not_share() {
        let limiter = RateLimiter::default();
        for name in ["one", "two"] {
            assert_eq!(limiter.take(&Name::from(name), 1.0, Span::ZERO), Ok(()));
        }
    }
}
