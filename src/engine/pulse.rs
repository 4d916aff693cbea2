//! The machine's "now" between records, and the signs of life that carry it across a restart.
//!
//! It decides only when a tick is due, and never enters the time of another record.

use crate::clock::Clock;
use crate::domain::record::{DeafStretch, Start};
use crate::domain::{Span, Timestamp};
use crate::store::SignOfLife;

/// Runs on from the last record time at the pace of the monotonic clock.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Record time, and the monotonic moment at which it was reached.
    anchor: Option<(Timestamp, Span)>,
    last_sign: Option<Span>,
}

impl Pulse {
    pub(super) fn new(clock: &Clock, time: Option<Timestamp>) -> Self {
        Self { anchor: time.map(|time| (time, clock.monotonic())), last_sign: None }
    }

    /// A record was reached.
    pub(super) fn beat(&mut self, clock: &Clock, time: Timestamp) {
        self.anchor = Some((time, clock.monotonic()));
    }

    /// The machine's now; none before the first record with a time.
    pub(super) fn now(&self, clock: &Clock) -> Option<Timestamp> {
        self.anchor.map(|(time, at)| time + (clock.monotonic() - at))
    }

    pub(super) fn sign(&self, clock: &Clock) -> SignOfLife {
        SignOfLife { wall: clock.now(), machine: self.now(clock) }
    }

    pub(super) fn is_sign_due(&self, clock: &Clock, every: Span) -> bool {
        self.last_sign.is_none_or(|last| clock.monotonic() - last >= every)
    }

    pub(super) fn signed(&mut self, clock: &Clock) {
        self.last_sign = Some(clock.monotonic());
    }

    /// The start record after a stretch of deafness, and the machine's now after it: the last
    /// sign of life runs on by the wall time that has passed since.
    pub(super) fn start_after(
        &mut self,
        clock: &Clock,
        sign: Option<SignOfLife>,
        time: Option<Timestamp>,
    ) -> Start {
        let (Some(sign), Some(time)) = (sign, time) else { return Start { deaf: None } };
        let Some(machine) = sign.machine else { return Start { deaf: None } };
        let passed = (clock.now() - sign.wall).max(Span::ZERO);
        let from = machine.max(time);
        let until = (machine + passed).max(from);
        self.anchor = Some((until, clock.monotonic()));
        Start { deaf: Some(DeafStretch { from, until }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_runs_on_across_a_restart_by_the_wall_time_since_the_last_sign() {
        let at = Timestamp::from_seconds;
        let clock = Clock::manual(at(10_000));
        // A replay of an old incident: machine time lies far behind the wall.
        let sign = SignOfLife { wall: at(9_700), machine: Some(at(500)) };
        let mut pulse = Pulse::new(&clock, Some(at(490)));
        let start = pulse.start_after(&clock, Some(sign), Some(at(490)));
        assert_eq!(start.deaf, Some(DeafStretch { from: at(500), until: at(800) }));
        clock.advance(Span::from_seconds(7));
        assert_eq!(pulse.now(&clock), Some(at(807)));
    }

    #[test]
    fn a_wall_clock_that_stepped_back_makes_no_negative_stretch() {
        let at = Timestamp::from_seconds;
        let clock = Clock::manual(at(9_000));
        let sign = SignOfLife { wall: at(9_700), machine: Some(at(500)) };
        let mut pulse = Pulse::new(&clock, Some(at(600)));
        let start = pulse.start_after(&clock, Some(sign), Some(at(600)));
        assert_eq!(start.deaf, Some(DeafStretch { from: at(600), until: at(600) }));
    }
}
