//! Moments as a report shows them: in one zone, with dates, seconds and zone names only where a
//! reader needs them.

use crate::domain::draft::Draft;
use crate::domain::timeline::Entry;
use crate::domain::zone::{OffsetChange, WallClock};
use crate::domain::{Span, Timestamp, Zone};

/// A day of a calendar: year, month and day.
type Day = (i16, i8, i8);

/// How the times of one report are written.
#[derive(Clone, Debug)]
pub struct Clocks {
    zone: Zone,
    /// The only day that the report touches, when there is only one: year, month and day.
    only_day: Option<Day>,
    /// Minutes in which several things happened at different seconds, in order.
    busy_minutes: Vec<i64>,
    /// Changes of the zone's offset inside the report.
    changes: Vec<OffsetChange>,
    first: Option<Timestamp>,
    /// True when lengths are told to the second: then the moments that they lie between are too.
    is_exact: bool,
}

/// From this length on seconds say nothing.
const EXACT_MAX: Span = Span::from_hours(24);

impl Clocks {
    /// For a whole draft.
    #[must_use]
    pub fn for_draft(draft: &Draft) -> Self {
        let milestones = draft.milestones.iter().filter_map(|milestone| milestone.at);
        let mut clocks = Self::new(draft.zone.clone(), moments(&draft.timeline).chain(milestones));
        // One that still runs reaches to the moment of its revision, where nothing else may stand.
        if draft.summary.ended_at.is_none() {
            let today = draft.zone.wall_clock(draft.as_of).day();
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
        let mut seconds: Vec<i64> = Vec::new();
        let (mut first, mut last) = (None, None);
        for at in moments {
            seconds.push(at.millis().div_euclid(1_000));
            first = Some(first.map_or(at, |first: Timestamp| first.min(at)));
            last = Some(last.map_or(at, |last: Timestamp| last.max(at)));
        }
        let (changes, only_day) = match (first, last) {
            (Some(first), Some(last)) => {
                // Whatever lies between two moments of one day is of that day.
                let day = zone.wall_clock(first).day();
                let is_only = zone.wall_clock(last).day() == day;
                (zone.changes_between(first, last), is_only.then_some(day))
            }
            _ => (Vec::new(), None),
        };
        seconds.sort_unstable();
        seconds.dedup();
        let minute = |second: i64| second.div_euclid(60);
        let pairs = seconds.windows(2).filter(|pair| minute(pair[0]) == minute(pair[1]));
        let mut busy_minutes: Vec<i64> = pairs.map(|pair| minute(pair[0])).collect();
        busy_minutes.dedup();
        let is_exact = first.zip(last).is_some_and(|(first, last)| last - first < EXACT_MAX);
        Self { zone, only_day, busy_minutes, changes, first, is_exact }
    }

    /// A time in a row or a sentence: `15:05`, with the date when the report touches several days.
    #[must_use]
    pub fn short(&self, at: Timestamp) -> String {
        let mut text = String::with_capacity(24);
        self.push_short(&mut text, at);
        text
    }

    /// As [`Clocks::short`], behind what is written already.
    pub fn push_short(&self, out: &mut String, at: Timestamp) {
        let wall = self.zone.wall_clock(at);
        if self.only_day != Some(wall.day()) {
            wall.push_date(out);
            out.push(' ');
        }
        self.push_time_of_day(out, at, wall);
    }

    /// As [`Clocks::short`], with its seconds where lengths are measured from it.
    #[must_use]
    pub fn exact(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        let mut text = String::with_capacity(24);
        if self.only_day != Some(wall.day()) {
            wall.push_date(&mut text);
            text.push(' ');
        }
        self.push_time(&mut text, at, wall, self.is_exact);
        text
    }

    /// A time with its date: `2024-06-22 15:05`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        let mut text = wall.date();
        text.push(' ');
        self.push_time_of_day(&mut text, at, wall);
        text
    }

    /// The exact time with its date, and UTC beside it where the zone is another.
    #[must_use]
    pub fn full_with_utc(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        let mut full = wall.date();
        full.push(' ');
        self.push_time(&mut full, at, wall, self.is_exact);
        if self.zone.offset_at(at).seconds == 0 {
            return full;
        }
        let utc = Zone::utc().wall_clock(at);
        let date = if wall.day() == utc.day() { String::new() } else { format!("{} ", utc.date()) };
        let mut time = utc.minutes();
        if self.is_exact && utc.second != 0 {
            utc.push_seconds(&mut time);
        }
        format!("{full} ({date}{time} UTC)")
    }

    /// A stretch: `02:14–02:20`, `2023-07-29 14:00 – 2023-08-02 10:00`.
    #[must_use]
    pub fn range(&self, from: Timestamp, to: Timestamp) -> String {
        let (start, end) = (self.short(from), self.short(to));
        let same_day = self.zone.wall_clock(from).day() == self.zone.wall_clock(to).day();
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
        let mut text = String::new();
        self.push_time_of_day(&mut text, at, self.zone.wall_clock(at));
        text
    }

    fn push_time_of_day(&self, out: &mut String, at: Timestamp, wall: WallClock) {
        let minute = at.millis().div_euclid(60_000);
        let is_busy = wall.second != 0 && self.busy_minutes.binary_search(&minute).is_ok();
        self.push_time(out, at, wall, is_busy);
    }

    fn push_time(&self, out: &mut String, at: Timestamp, wall: WallClock, with_seconds: bool) {
        wall.push_minutes(out);
        if with_seconds && wall.second != 0 {
            wall.push_seconds(out);
        }
        if !self.changes.is_empty() {
            out.push(' ');
            out.push_str(&self.zone.offset_at(at).abbreviation);
        }
    }
}

fn moments(entries: &[Entry]) -> impl Iterator<Item = Timestamp> {
    entries.iter().flat_map(|entry| {
        let rows = entry.rows.iter().map(|row| row.occurred_at);
        [Some(entry.occurred_at), entry.ended_at].into_iter().flatten().chain(rows)
    })
}
