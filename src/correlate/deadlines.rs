//! Every deadline of the machine, in one table.
//!
//! A firing alert puts its deadline off with each word, so a deadline that moves to a later moment
//! stays filed under the earlier one, and is filed anew when that comes to the front. Whoever asks
//! sees only true moments.

use std::collections::BTreeSet;

use super::marks::Numbered;
use crate::domain::packed::{Packer, Unpacker, Unreadable};
use crate::domain::record::DeafStretch;
use crate::domain::{EpisodeId, IncidentId, Span, Timestamp};

/// What falls due. The order among deadlines of one moment is the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Timestamp,
    period: Span,
    /// Where it stands in the order: never later than `at`.
    filed_at: Timestamp,
}

/// The table: at most one moment for each deadline.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    due: Numbered<Deadline, Due>,
    /// The first one always stands at its true moment.
    order: BTreeSet<(Timestamp, Deadline)>,
}

impl Deadlines {
    /// A deadline that fell due while we were deaf is put off by at least this much.
    const DEAF_GRACE: Span = Span::from_minutes(5);

    /// Sets or moves a deadline. `period` is the length that it was set for.
    pub(super) fn set(&mut self, deadline: Deadline, at: Timestamp, period: Span) {
        let is_first = self.order.first().is_some_and(|(_, first)| *first == deadline);
        if let Some(due) = self.due.get_mut(&deadline).filter(|due| due.filed_at <= at) {
            (due.at, due.period) = (at, period);
            if is_first {
                self.settle();
            }
            return;
        }
        self.clear(deadline);
        self.due.insert(deadline, Due { at, period, filed_at: at });
        self.order.insert((at, deadline));
    }

    /// Takes a deadline away.
    pub(super) fn clear(&mut self, deadline: Deadline) {
        if let Some(due) = self.due.remove(&deadline) {
            self.order.remove(&(due.filed_at, deadline));
            self.settle();
        }
    }

    /// Files what stands at the front anew, until the first one stands at its true moment.
    fn settle(&mut self) {
        while let Some((filed_at, deadline)) = self.order.first().copied()
            && let Some(due) = self.due.get_mut(&deadline)
            && due.at > filed_at
        {
            due.filed_at = due.at;
            let at = due.at;
            self.order.remove(&(filed_at, deadline));
            self.order.insert((at, deadline));
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
            if let Some(due) = self.due.get(&deadline).copied().filter(|due| due.at <= deaf.until) {
                let at = deaf.until + due.period.max(Self::DEAF_GRACE);
                self.set(deadline, at, due.period);
            }
        }
    }

    /// All of them, for a snapshot.
    pub(super) fn pack(&self, packer: &mut Packer<'_>, base: Timestamp) {
        let mut list: Vec<(&Deadline, &Due)> = self.due.iter().collect();
        list.sort_unstable_by_key(|(deadline, _)| **deadline);
        packer.count(list.len() as u64);
        for (deadline, due) in list {
            let (sort, number) = match deadline {
                Deadline::Lease(id) => (0, id.0),
                Deadline::Stale(id) => (1, id.0),
                Deadline::Heartbeat(id) => (2, id.0),
                Deadline::Quiet(id) => (3, id.0),
            };
            packer.count(sort);
            packer.count(number);
            packer.moment(due.at, base);
            packer.moment(Timestamp::EPOCH + due.period, Timestamp::EPOCH);
        }
    }

    /// From a snapshot.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>, base: Timestamp) -> Result<Self, Unreadable> {
        let mut deadlines = Self::default();
        for _ in 0..unpacker.count()? {
            let (sort, number) = (unpacker.count()?, unpacker.count()?);
            let deadline = match sort {
                0 => Deadline::Lease(EpisodeId(number)),
                1 => Deadline::Stale(EpisodeId(number)),
                2 => Deadline::Heartbeat(EpisodeId(number)),
                _ => Deadline::Quiet(IncidentId(number)),
            };
            let at = unpacker.moment(base)?;
            let period = unpacker.moment(Timestamp::EPOCH)? - Timestamp::EPOCH;
            deadlines.set(deadline, at, period);
        }
        Ok(deadlines)
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
        deadlines.set(Deadline::Stale(EpisodeId(1)), at(40), Span::ZERO);
        deadlines.set(Deadline::Stale(EpisodeId(2)), at(50), Span::ZERO);
        deadlines.set(Deadline::Stale(EpisodeId(1)), at(60), Span::ZERO);
        deadlines.set(Deadline::Stale(EpisodeId(2)), at(70), Span::ZERO);
        assert_eq!(deadlines.next(), Some(at(60)));
        assert_eq!(deadlines.pop(at(60)), Some((at(60), Deadline::Stale(EpisodeId(1)))));
        assert_eq!(deadlines.next(), Some(at(70)));
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
