//! Every deadline of the machine, in one table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::record::DeafStretch;
use crate::domain::{EpisodeId, IncidentId, Span, Timestamp};

/// What falls due. The order among deadlines of one moment is the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Deadline {
    /// The API path promised word of this episode by now.
    Lease(EpisodeId),
    /// Nothing was heard of this episode for so long that its end is unknown.
    Stale(EpisodeId),
    /// This heartbeat should have spoken.
    Heartbeat(EpisodeId),
    /// This incident has been quiet for long enough to be over.
    Quiet(IncidentId),
}

/// A deadline with its moment and the length it was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    at: Timestamp,
    period: Span,
}

/// The table: at most one moment for each deadline.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    due: BTreeMap<Deadline, Due>,
    order: BTreeSet<(Timestamp, Deadline)>,
}

impl Deadlines {
    /// A deadline that fell due while we were deaf is put off by at least this much.
    const DEAF_GRACE: Span = Span::from_minutes(5);

    /// Sets or moves a deadline. `period` is the length that it was set for.
    pub(super) fn set(&mut self, deadline: Deadline, at: Timestamp, period: Span) {
        self.clear(deadline);
        self.due.insert(deadline, Due { at, period });
        self.order.insert((at, deadline));
    }

    /// Takes a deadline away.
    pub(super) fn clear(&mut self, deadline: Deadline) {
        if let Some(due) = self.due.remove(&deadline) {
            self.order.remove(&(due.at, deadline));
        }
    }

    /// When a deadline falls due.
    pub(super) fn get(&self, deadline: Deadline) -> Option<Timestamp> {
        self.due.get(&deadline).map(|due| due.at)
    }

    /// When the next one falls due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that is due by `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Deadline)> {
        let (at, deadline) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(deadline);
        Some((at, deadline))
    }

    /// Puts off what fell due while nobody could have been heard: our own silence must never end
    /// an alert, close an incident or miss a heartbeat.
    pub(super) fn put_off(&mut self, deaf: DeafStretch) {
        let missed: Vec<Deadline> = self
            .order
            .iter()
            .take_while(|(at, _)| *at <= deaf.until)
            .map(|(_, deadline)| *deadline)
            .collect();
        for deadline in missed {
            if let Some(due) = self.due.get(&deadline).copied() {
                let at = deaf.until + due.period.max(Self::DEAF_GRACE);
                self.set(deadline, at, due.period);
            }
        }
    }

    /// All of them, for a snapshot.
    pub(super) fn to_list(&self) -> Vec<(Deadline, Timestamp, Span)> {
        self.due.iter().map(|(deadline, due)| (*deadline, due.at, due.period)).collect()
    }

    /// From a snapshot.
    pub(super) fn from_list(list: Vec<(Deadline, Timestamp, Span)>) -> Self {
        let mut deadlines = Self::default();
        for (deadline, at, period) in list {
            deadlines.set(deadline, at, period);
        }
        deadlines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_fall_due_in_order_and_move_when_set_again() {
        let at = Timestamp::from_seconds;
        let mut deadlines = Deadlines::default();
        deadlines.set(Deadline::Stale(EpisodeId(1)), at(50), Span::ZERO);
        deadlines.set(Deadline::Quiet(IncidentId(1)), at(20), Span::ZERO);
        deadlines.set(Deadline::Stale(EpisodeId(1)), at(10), Span::ZERO);
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop(at(30)), Some((at(10), Deadline::Stale(EpisodeId(1)))));
        assert_eq!(deadlines.pop(at(30)), Some((at(20), Deadline::Quiet(IncidentId(1)))));
        assert_eq!(deadlines.pop(at(30)), None);
    }

    #[test]
    fn what_fell_due_while_deaf_is_put_off_by_its_period_or_five_minutes() {
        let at = Timestamp::from_seconds;
        let mut deadlines = Deadlines::default();
        deadlines.set(Deadline::Quiet(IncidentId(1)), at(100), Span::from_minutes(10));
        deadlines.set(Deadline::Lease(EpisodeId(1)), at(150), Span::from_minutes(4));
        deadlines.set(Deadline::Stale(EpisodeId(2)), at(5000), Span::from_hours(13));
        deadlines.put_off(DeafStretch { from: at(90), until: at(1000) });
        assert_eq!(deadlines.get(Deadline::Quiet(IncidentId(1))), Some(at(1600)));
        assert_eq!(deadlines.get(Deadline::Lease(EpisodeId(1))), Some(at(1300)));
        assert_eq!(deadlines.get(Deadline::Stale(EpisodeId(2))), Some(at(5000)));
    }
}
