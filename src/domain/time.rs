//! Moments, spans, and what senders claim about time.
//!
//! A moment is UTC with nanoseconds. Nothing here asks a clock: "now" is always an argument.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A moment: nanoseconds since the Unix epoch, UTC, from the year 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The last moment that can be held.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the epoch, held inside the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From whole seconds since the epoch, held inside the range.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the epoch with their fraction, as Prometheus writes times.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float by definition")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Reads RFC 3339 with any offset and up to nine decimals.
    ///
    /// # Errors
    /// When the text is not a moment, or lies outside the years 1677 to 2262 (Go's zero time
    /// `0001-01-01T00:00:00Z` does; see [`Claim`] for what becomes of it).
    pub fn parse_rfc3339(text: &str) -> Result<Self, UnreadableTime> {
        let unreadable = || UnreadableTime { text: text.chars().take(64).collect() };
        let moment: jiff::Timestamp = text.trim().parse().map_err(|_| unreadable())?;
        i64::try_from(moment.as_nanosecond()).map(Self).map_err(|_| unreadable())
    }

    /// Reads RFC 3339 or Unix seconds with an optional fraction: the times that the API takes.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, UnreadableTime> {
        let trimmed = text.trim();
        let is_number = !trimmed.is_empty()
            && trimmed.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        if is_number && !trimmed[1..].contains('-') {
            let unreadable = || UnreadableTime { text: trimmed.chars().take(64).collect() };
            let (whole, fraction) = trimmed.split_once('.').unwrap_or((trimmed, ""));
            let seconds: i64 = whole.parse().map_err(|_| unreadable())?;
            let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
            let nanos: i64 = digits.parse().map_err(|_| unreadable())?;
            let signed = if whole.starts_with('-') { -nanos } else { nanos };
            return seconds
                .checked_mul(NANOS_PER_SECOND)
                .and_then(|n| n.checked_add(signed))
                .map(Self)
                .ok_or_else(unreadable);
        }
        Self::parse_rfc3339(trimmed)
    }

    /// The moment for jiff, which knows the zones.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// `self + span`, held inside the range.
    #[must_use]
    pub const fn saturating_add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// `self - span`, held inside the range.
    #[must_use]
    pub const fn saturating_sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-03-04T02:14:07.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            parts.year(),
            parts.month(),
            parts.day(),
            parts.hour(),
            parts.minute(),
            parts.second(),
            self.0.rem_euclid(NANOS_PER_SECOND) / 1_000_000
        )
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        self.saturating_add(span)
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        self.saturating_sub(span)
    }
}

impl Sub for Timestamp {
    type Output = Span;

    /// The signed span from `earlier` to `self`.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// The text is not a moment that can be held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time; write RFC 3339 such as 2026-03-04T02:14:07Z, or Unix seconds")]
pub struct UnreadableTime {
    text: String,
}

/// A length of time in nanoseconds; negative when it runs backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// From minutes.
    #[must_use]
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_seconds(minutes.saturating_mul(60))
    }

    /// From hours.
    #[must_use]
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded towards zero.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / NANOS_PER_SECOND
    }

    /// Seconds with their fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "scores and metrics are floats by definition")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The same length without its direction.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// True when it runs backwards.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// `self` taken `times` times.
    #[must_use]
    pub const fn times(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// The standard library's form; a negative span becomes zero.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads a Prometheus duration: `90s`, `10m`, `1h30m`, `13h`, `2w`, `0`.
    ///
    /// Units are `y` (365 days), `w`, `d`, `h`, `m`, `s`, `ms`, each at most once and in that
    /// order. Source: the grammar of durations in the Prometheus configuration documentation.
    ///
    /// # Errors
    /// When the text is not such a duration or is longer than 292 years.
    pub fn parse(text: &str) -> Result<Self, UnreadableSpan> {
        const UNITS: [(&str, i64); 7] = [
            ("y", 365 * 24 * 3_600_000),
            ("w", 7 * 24 * 3_600_000),
            ("d", 24 * 3_600_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
            ("ms", 1),
        ];
        let unreadable = || UnreadableSpan { text: text.chars().take(64).collect() };
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let mut rest = text;
        let mut millis: i64 = 0;
        let mut next_unit = 0;
        while !rest.is_empty() {
            let digits_end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(unreadable)?;
            let number: i64 = rest[..digits_end].parse().map_err(|_| unreadable())?;
            rest = &rest[digits_end..];
            let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let position = UNITS[next_unit..]
                .iter()
                .position(|(name, _)| *name == &rest[..unit_end])
                .ok_or_else(unreadable)?;
            let (_, unit_millis) = UNITS[next_unit + position];
            next_unit += position + 1;
            millis = number
                .checked_mul(unit_millis)
                .and_then(|part| millis.checked_add(part))
                .ok_or_else(unreadable)?;
            rest = &rest[unit_end..];
        }
        if text.is_empty() {
            return Err(unreadable());
        }
        millis.checked_mul(1_000_000).map(Self).ok_or_else(unreadable)
    }
}

impl fmt::Display for Span {
    /// As Prometheus writes it: `1h30m`, `90s` as `1m30s`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut millis = self.0.unsigned_abs() / 1_000_000;
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in
            [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
        {
            let count = millis / size;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                millis %= size;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    /// As whole nanoseconds: what is stored must come back exactly.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self)
    }
}

/// The text is not a Prometheus duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration; write it as Prometheus does, such as 90s, 10m, 1h30m or 13h")]
pub struct UnreadableSpan {
    text: String,
}

/// A time as a sender claimed it: what is used for computing, and the claim itself where it
/// could not be true.
///
/// Losing an alert over a clock is worse than a replaced time, so a claim never fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What is used for computing.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// The text as sent, when `at` stands in for it.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<str>>,
}

impl Claim {
    /// How far a claim may lie ahead of its receipt before it counts as impossible.
    pub const FUTURE_LIMIT: Span = Span::from_hours(24);

    /// A claim that is taken as it is.
    #[must_use]
    pub const fn plain(at: Timestamp) -> Self {
        Self { at, refused: None }
    }

    /// A start. Absent, zero (year 1), unreadable, or more than a day ahead of the receipt: the
    /// receipt stands in.
    #[must_use]
    pub fn start(text: Option<&str>, received_at: Timestamp) -> Self {
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            return Self::plain(received_at);
        };
        match Timestamp::parse_rfc3339(text) {
            Ok(at) if at - received_at <= Self::FUTURE_LIMIT => Self::plain(at),
            Ok(_) | Err(_) => Self { at: received_at, refused: Some(shorten(text)) },
        }
    }

    /// The end of a resolve. Unreadable, or more than a day ahead of the receipt: the receipt
    /// stands in; before the start: the start does. Never before the start.
    #[must_use]
    pub fn end(text: Option<&str>, starts_at: Timestamp, received_at: Timestamp) -> Self {
        let stand_in = received_at.max(starts_at);
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            return Self::plain(stand_in);
        };
        match Timestamp::parse_rfc3339(text) {
            Ok(at) if at - received_at > Self::FUTURE_LIMIT => {
                Self { at: stand_in, refused: Some(shorten(text)) }
            }
            Ok(at) if at < starts_at => Self { at: starts_at, refused: Some(shorten(text)) },
            Ok(at) => Self::plain(at),
            Err(_) => Self { at: stand_in, refused: Some(shorten(text)) },
        }
    }
}

/// A refused claim is kept as sent, up to a length that no real time has.
fn shorten(text: &str) -> Box<str> {
    text.chars().take(64).collect::<String>().into_boxed_str()
}

/// True for Go's zero time, which Alertmanager and Grafana send as the end of a firing alert.
#[must_use]
pub fn is_zero_time(text: &str) -> bool {
    text.is_empty() || text.starts_with("0001-01-01T00:00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc3339_or_unix_seconds() {
        for (text, expect) in [
            ("2026-03-04T02:14:07Z", "2026-03-04T02:14:07.000Z"),
            ("2026-03-04T07:44:07.123456789+05:30", "2026-03-04T02:14:07.123Z"),
            ("1772590447", "2026-03-04T02:14:07.000Z"),
            ("1772590447.25", "2026-03-04T02:14:07.250Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), expect, "{text}");
        }
        for bad in ["", "yesterday", "2026-03-04", "0001-01-01T00:00:00Z", "1.2.3", "12-3", "-"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_follow_prometheus() {
        for (text, expect) in [
            ("0", Span::ZERO),
            ("90s", Span::from_seconds(90)),
            ("1h30m", Span::from_minutes(90)),
            ("13h", Span::from_hours(13)),
            ("1w", Span::from_hours(168)),
            ("1y", Span::from_hours(365 * 24)),
            ("150ms", Span::from_millis(150)),
        ] {
            assert_eq!(Span::parse(text), Ok(expect), "{text}");
        }
        for bad in ["", "5", "m", "1m1h", "1m1m", "1.5h", "-1m", "1 m", "99999999999999y"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Span::from_seconds(5400).to_string(), "1h30m");
    }

    #[test]
    fn impossible_claims_are_replaced_and_kept() {
        let received = Timestamp::parse("2026-03-04T02:00:00Z").unwrap();
        let start = |text| Claim::start(text, received);
        assert_eq!(start(None), Claim::plain(received));
        assert_eq!(start(Some("0001-01-01T00:00:00Z")).at, received);
        assert_eq!(start(Some("2026-03-09T00:00:00Z")).at, received);
        assert_eq!(start(Some("nonsense")).refused.as_deref(), Some("nonsense"));
        assert_eq!(start(Some("2026-03-04T20:00:00Z")).refused, None);
        let end = |text| Claim::end(Some(text), received, received);
        assert_eq!(end("2026-03-04T01:00:00Z").at, received);
        assert!(end("2026-03-04T01:00:00Z").refused.is_some());
        assert_eq!(end("2026-03-04T02:30:00Z").refused, None);
    }
}
