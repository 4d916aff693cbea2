//! Moments as a report shows them: in one zone, with dates, seconds and zone names only where a
//! reader needs them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::draft::Draft;
use crate::domain::timeline::Entry;
use crate::domain::zone::OffsetChange;
use crate::domain::{Timestamp, Zone};

/// How the times of one report are written.
#[derive(Clone, Debug)]
pub struct Clocks {
    zone: Zone,
    /// The only day that the report touches, when there is only one.
    only_day: Option<String>,
    /// Minutes in which several things happened at different seconds.
    busy_minutes: BTreeSet<i64>,
    /// Changes of the zone's offset inside the report.
    changes: Vec<OffsetChange>,
    first: Option<Timestamp>,
}

impl Clocks {
    /// For a whole draft.
    #[must_use]
    pub fn for_draft(draft: &Draft) -> Self {
        let milestones = draft.milestones.iter().filter_map(|milestone| milestone.at);
        let mut clocks = Self::new(draft.zone.clone(), moments(&draft.timeline).chain(milestones));
        // One that still runs reaches to the moment of its revision, where nothing else may stand.
        if draft.summary.ended_at.is_none() {
            let today = draft.zone.wall_clock(draft.as_of).date();
            clocks.only_day = clocks.only_day.filter(|day| *day == today);
        }
        clocks
    }

    /// For a list of entries.
    #[must_use]
    pub fn for_entries(zone: Zone, entries: &[Entry]) -> Self {
        Self::new(zone, moments(entries))
    }

    fn new(zone: Zone, moments: impl Iterator<Item = Timestamp>) -> Self {
        let mut days = BTreeSet::new();
        let mut minutes: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        let (mut first, mut last) = (None, None);
        for at in moments {
            days.insert(zone.wall_clock(at).date());
            let seconds = at.millis().div_euclid(1_000);
            minutes.entry(seconds.div_euclid(60)).or_default().insert(seconds.rem_euclid(60));
            first = Some(first.map_or(at, |first: Timestamp| first.min(at)));
            last = Some(last.map_or(at, |last: Timestamp| last.max(at)));
        }
        let changes = match (first, last) {
            (Some(first), Some(last)) => zone.changes_between(first, last),
            _ => Vec::new(),
        };
        let only_day = if days.len() == 1 { days.pop_first() } else { None };
        let busy_minutes =
            minutes.into_iter().filter(|(_, s)| s.len() > 1).map(|(minute, _)| minute).collect();
        Self { zone, only_day, busy_minutes, changes, first }
    }

    /// A time in a row or a sentence: `15:05`, with the date when the report touches several days.
    #[must_use]
    pub fn short(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        let date = wall.date();
        let time = self.time_of_day(at);
        if self.only_day.as_ref() == Some(&date) { time } else { format!("{date} {time}") }
    }

    /// A time with its date: `2024-06-22 15:05`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        format!("{} {}", self.zone.wall_clock(at).date(), self.time_of_day(at))
    }

    /// Like [`Clocks::full`], with UTC beside it where the zone is another.
    #[must_use]
    pub fn full_with_utc(&self, at: Timestamp) -> String {
        let full = self.full(at);
        if self.zone.offset_at(at).seconds == 0 {
            return full;
        }
        let (here, utc) = (self.zone.wall_clock(at).date(), Zone::utc().wall_clock(at));
        let date = if here == utc.date() { String::new() } else { format!("{} ", utc.date()) };
        format!("{full} ({date}{} UTC)", utc.minutes())
    }

    /// A stretch: `02:14–02:20`, `2023-07-29 14:00 – 2023-08-02 10:00`.
    #[must_use]
    pub fn range(&self, from: Timestamp, to: Timestamp) -> String {
        let (start, end) = (self.short(from), self.short(to));
        let same_day = self.zone.wall_clock(from).date() == self.zone.wall_clock(to).date();
        if start == end {
            start
        } else if same_day {
            format!("{start}–{}", self.time_of_day(to))
        } else {
            format!("{start} – {end}")
        }
    }

    /// The zone in the form `Africa/Lagos (WAT, UTC+01:00)`, as it is where the report begins, and
    /// what becomes of it.
    #[must_use]
    pub fn zone_label(&self, otherwise: Timestamp) -> String {
        let mut label = self.zone.label_at(self.first.unwrap_or(otherwise));
        for change in &self.changes {
            label = format!("{label}, from {} on ({})", self.full(change.at), change.after);
        }
        label
    }

    /// Changes of the zone's offset inside the report.
    #[must_use]
    pub fn changes(&self) -> &[OffsetChange] {
        &self.changes
    }

    fn time_of_day(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        let mut time = wall.minutes();
        let minute = at.millis().div_euclid(60_000);
        if wall.second != 0 && self.busy_minutes.contains(&minute) {
            time = format!("{time}:{:02}", wall.second);
        }
        if !self.changes.is_empty() {
            time = format!("{time} {}", self.zone.offset_at(at).abbreviation);
        }
        time
    }
}

fn moments(entries: &[Entry]) -> impl Iterator<Item = Timestamp> {
    entries.iter().flat_map(|entry| {
        let rows = entry.rows.iter().map(|row| row.occurred_at);
        [Some(entry.occurred_at), entry.ended_at].into_iter().flatten().chain(rows)
    })
}
