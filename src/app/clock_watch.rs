//! Tells people when the wall clock was set, which explains times that otherwise make no sense.
//!
//! Nothing depends on it: no record's time goes back, and deadlines go by the monotonic clock. But
//! what people do is written down by the wall clock, so a wrong one is wrong in drafts. Callers:
//! `app`, and `upkeep`, which drops nothing for its age while the clock may be wrong.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::clock::Clock;
use crate::domain::{Span, Timestamp};
use crate::http::Shared;
use crate::shutdown::StopSignal;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// What a clock that is kept right by and by never moves in between.
const STEP_LEAST: Span = Span::from_seconds(2);

/// Watches until told to stop.
pub(super) async fn run(shared: Arc<Shared>, mut stop: StopSignal) {
    if let Some(newest) = ahead(shared.store.last_record_time(), &shared.clock) {
        warn!(
            newest_record = %newest,
            "The clock stands before the newest record of the store; is it right? Times of receipt \
             go by it, deadlines by the records"
        );
    }
    let mut watch = Watch::new(&shared.clock);
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match watch.step(&shared.clock) {
            Some(step) if step < Span::ZERO => warn!(
                by = %step.abs(),
                "The clock was set back; times of receipt go by it, deadlines do not"
            ),
            Some(step) => warn!(
                by = %step,
                "The clock was set ahead, or the machine slept; times of receipt go by it, \
                 deadlines do not"
            ),
            None => {}
        }
    }
}

/// The newest record's time, when the clock has not reached it.
fn ahead(newest: Option<Timestamp>, clock: &Clock) -> Option<Timestamp> {
    newest.filter(|newest| *newest - clock.now() >= STEP_LEAST)
}

/// How the wall clock stood against the monotonic one.
pub(super) struct Watch {
    wall: Timestamp,
    monotonic: Span,
}

impl Watch {
    /// Looks for the first time.
    pub(super) fn new(clock: &Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// By how much the wall clock was set since the last look.
    pub(super) fn step(&mut self, clock: &Clock) -> Option<Span> {
        let before = std::mem::replace(self, Self::new(clock));
        let step = (self.wall - before.wall) - (self.monotonic - before.monotonic);
        (step.abs() >= STEP_LEAST).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_once_and_time_that_passes_never() {
        let clock = Clock::manual(Timestamp::from_seconds(1_772_590_000));
        let mut watch = Watch::new(&clock);
        clock.advance(Span::from_hours(10));
        assert_eq!(watch.step(&clock), None);
        clock.step_wall(Span::from_hours(-1));
        clock.advance(Span::from_seconds(5));
        assert_eq!(watch.step(&clock), Some(Span::from_hours(-1)));
        assert_eq!(watch.step(&clock), None);
        clock.step_wall(Span::from_hours(24));
        assert_eq!(watch.step(&clock), Some(Span::from_hours(24)));
        clock.step_wall(Span::from_seconds(1));
        assert_eq!(watch.step(&clock), None, "that is how a clock is put right");
    }

    #[test]
    fn a_clock_that_stands_before_the_ledger_is_noticed() {
        let clock = Clock::manual(Timestamp::from_seconds(1_772_590_000));
        let newest = clock.now() + Span::from_hours(1);
        assert_eq!(ahead(Some(newest), &clock), Some(newest));
        clock.advance(Span::from_hours(1));
        assert_eq!(ahead(Some(newest), &clock), None);
        assert_eq!(ahead(None, &clock), None);
    }
}
