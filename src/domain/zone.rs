//! Time zones by IANA name, for showing moments to people.
//!
//! Rules come from the table compiled into the program and never from the machine it runs on, so
//! that the same release gives the same bytes everywhere. Never decides what time it is.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::time::Timestamp;

/// A zone that moments are shown in.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// How far a zone is from UTC at a moment, and what it is called then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Seconds to add to UTC.
    pub seconds: i32,
    /// `WAT`, `EDT`; for zones without a name of their own a number such as `+03`.
    pub abbreviation: String,
}

/// A moment at which a zone's offset changes, such as the begin of daylight saving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetChange {
    /// When.
    pub at: Timestamp,
    /// Until then.
    pub before: Offset,
    /// From then on.
    pub after: Offset,
}

/// A moment as the clocks on a wall show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallClock {
    /// Year.
    pub year: i16,
    /// Month, from 1.
    pub month: i8,
    /// Day of the month, from 1.
    pub day: i8,
    /// Hour, from 0.
    pub hour: i8,
    /// Minute.
    pub minute: i8,
    /// Second.
    pub second: i8,
}

/// The text is not the name of a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a time zone; write an IANA name such as UTC or Africa/Lagos")]
pub struct UnknownZone {
    name: String,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Finds a zone by its IANA name, in any case.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone { name: name.chars().take(64).collect() };
        let rules = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The offset that holds at a moment.
    #[must_use]
    pub fn offset_at(&self, at: Timestamp) -> Offset {
        let info = self.rules.to_offset_info(at.to_jiff());
        Offset { seconds: info.offset().seconds(), abbreviation: info.abbreviation().to_owned() }
    }

    /// The wall clock at a moment.
    #[must_use]
    pub fn wall_clock(&self, at: Timestamp) -> WallClock {
        let parts = self.rules.to_datetime(at.to_jiff());
        WallClock {
            year: parts.year(),
            month: parts.month(),
            day: parts.day(),
            hour: parts.hour(),
            minute: parts.minute(),
            second: parts.second(),
        }
    }

    /// The zone with the name and offset that hold at a moment: `Africa/Lagos (WAT, UTC+01:00)`.
    #[must_use]
    pub fn label_at(&self, at: Timestamp) -> String {
        let offset = self.offset_at(at);
        format!("{} ({}, {offset})", self.name, offset.abbreviation)
    }

    /// A moment as people write it, on the clocks of this zone: `2026-03-04 02:14`, with or without
    /// seconds, or `02:14` alone, which means the last time that the clocks showed it before `now`.
    /// `None` when it is no such text, or the clocks never showed it.
    #[must_use]
    pub fn read(&self, text: &str, now: Timestamp) -> Option<Timestamp> {
        let text = text.trim().replace(' ', "T");
        let moment = |date: Date, time: Time| {
            let moment = self.rules.to_ambiguous_timestamp(date.to_datetime(time));
            let nanos = moment.compatible().ok()?.as_nanosecond();
            i64::try_from(nanos).ok().map(Timestamp::from_nanos)
        };
        if text.contains('T') {
            let whole: DateTime = text.parse().ok()?;
            return moment(whole.date(), whole.time());
        }
        let time: Time = text.parse().ok()?;
        let today = self.rules.to_datetime(now.to_jiff()).date();
        let at = moment(today, time)?;
        if at <= now { Some(at) } else { moment(today.yesterday().ok()?, time) }
    }

    /// Every change of the offset after `from`, up to and with `to`, in order.
    #[must_use]
    pub fn changes_between(&self, from: Timestamp, to: Timestamp) -> Vec<OffsetChange> {
        let mut before = self.offset_at(from);
        let mut changes = Vec::new();
        // A zone changes its offset a few times a year at most; the limit only guards the loop.
        for transition in self.rules.following(from.to_jiff()).take(1_000) {
            let Ok(nanos) = i64::try_from(transition.timestamp().as_nanosecond()) else { break };
            let at = Timestamp::from_nanos(nanos);
            if at > to {
                break;
            }
            let after = self.offset_at(at);
            if after.seconds != before.seconds {
                changes.push(OffsetChange { at, before, after: after.clone() });
            }
            before = after;
        }
        changes
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Offset {
    /// `UTC+01:00`; seconds only where a zone of old has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.seconds < 0 { '-' } else { '+' };
        let seconds = self.seconds.unsigned_abs();
        write!(f, "UTC{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if !seconds.is_multiple_of(60) {
            write!(f, ":{:02}", seconds % 60)?;
        }
        Ok(())
    }
}

impl WallClock {
    /// Year, month and day.
    #[must_use]
    pub const fn day(&self) -> (i16, i8, i8) {
        (self.year, self.month, self.day)
    }

    /// `2024-06-22`.
    #[must_use]
    pub fn date(&self) -> String {
        let mut text = String::with_capacity(24);
        self.push_date(&mut text);
        text
    }

    /// As [`WallClock::date`], behind what is written already.
    pub fn push_date(&self, out: &mut String) {
        match u8::try_from(self.year / 100) {
            Ok(century) if century < 100 && self.year >= 0 => {
                push_two(out, century);
                push_two(out, u8::try_from(self.year % 100).unwrap_or_default());
            }
            _ => out.push_str(&format!("{:04}", self.year)),
        }
        out.push('-');
        push_two(out, self.month.unsigned_abs());
        out.push('-');
        push_two(out, self.day.unsigned_abs());
    }

    /// `15:05`.
    #[must_use]
    pub fn minutes(&self) -> String {
        let mut text = String::with_capacity(8);
        self.push_minutes(&mut text);
        text
    }

    /// As [`WallClock::minutes`], behind what is written already.
    pub fn push_minutes(&self, out: &mut String) {
        push_two(out, self.hour.unsigned_abs());
        out.push(':');
        push_two(out, self.minute.unsigned_abs());
    }

    /// The seconds behind [`WallClock::minutes`]: `:07`.
    pub fn push_seconds(&self, out: &mut String) {
        out.push(':');
        push_two(out, self.second.unsigned_abs());
    }
}

/// A number below 100 with two digits. A draft of a long outage holds tens of thousands of times.
fn push_two(out: &mut String, number: u8) {
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_zone_is_labelled_with_name_abbreviation_and_offset() {
        for (zone, moment, expect) in [
            ("Africa/Lagos", "2024-01-30T11:00:00Z", "Africa/Lagos (WAT, UTC+01:00)"),
            ("america/new_york", "2024-03-04T15:00:00Z", "America/New_York (EST, UTC-05:00)"),
            ("America/New_York", "2024-06-08T15:00:00Z", "America/New_York (EDT, UTC-04:00)"),
            ("Asia/Kolkata", "2024-06-08T15:00:00Z", "Asia/Kolkata (IST, UTC+05:30)"),
            ("America/St_Johns", "2024-01-08T15:00:00Z", "America/St_Johns (NST, UTC-03:30)"),
            ("UTC", "2024-06-08T15:00:00Z", "UTC (UTC, UTC+00:00)"),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().label_at(at(moment)), expect);
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = Zone::parse("Africa/Lagos").unwrap();
        let now = at("2026-03-04T02:30:00Z");
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(zone.read(text, now), expect.map(at), "{text}");
        };
        check("2026-03-04 02:14", Some("2026-03-04T01:14:00Z"));
        check("2026-03-04T02:14:07", Some("2026-03-04T01:14:07Z"));
        check(" 03:29 ", Some("2026-03-04T02:29:00Z"));
        check("03:31", Some("2026-03-03T02:31:00Z"));
        for bad in ["", "now", "2", "25:00", "2026-02-30 02:14", "2026-03-04"] {
            check(bad, None);
        }
    }

    #[test]
    fn unknown_zones_are_refused() {
        for bad in ["", "Mars/Olympus", "../../etc/passwd", "Local", "UTC+1"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn changes_of_the_offset_are_found_in_both_directions() {
        let zone = Zone::parse("America/New_York").unwrap();
        let year = zone.changes_between(at("2024-01-01T00:00:00Z"), at("2024-12-31T00:00:00Z"));
        let told: Vec<String> = year
            .iter()
            .map(|c| format!("{} {} -> {}", c.at, c.before.abbreviation, c.after))
            .collect();
        assert_eq!(
            told,
            [
                "2024-03-10T07:00:00.000Z EST -> UTC-04:00",
                "2024-11-03T06:00:00.000Z EDT -> UTC-05:00"
            ]
        );
        assert!(Zone::utc().changes_between(Timestamp::EPOCH, Timestamp::MAX).is_empty());
    }
}
