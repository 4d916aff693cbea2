//! The number that an alert speaks of, with the unit that its sender names.
//!
//! From its annotation, a dump in its texts, measured values, or a figure that its texts state.
//! Units are never guessed, and what is no number (`NaN`, `+Inf`) is none. Pure words, like the
//! room.

use std::borrow::Cow;

use super::text::{is_leftover, line, texts, what};
use super::{Episode, one_line};

/// Longest value that is taken over as it was sent, in characters.
const VALUE_CHARS_MAX: usize = 32;
/// Most measured values that are listed for one alert.
const VALUES_MAX: usize = 3;
/// How many times its limit a number may be and still be of the limit's unit.
const LIMIT_PASSED_MAX: f64 = 50.0;
/// Numbers from here on are grouped by thousands.
const GROUPED_FROM: f64 = 1e6;
/// Numbers from here on are written with an exponent.
const EXPONENT_FROM: f64 = 1e15;

/// A number that an alert shows. How it is written and which way it is worse are found out when
/// they are asked for: of a thousand alerts of a rule, one is told.
#[derive(Clone, Debug)]
pub struct Figure<'e> {
    /// The number, in the unit of its text.
    pub number: f64,
    episode: &'e Episode,
    origin: Origin<'e>,
}

/// Where a number was found.
#[derive(Clone, Debug)]
enum Origin<'e> {
    /// In an annotation of its own, a dump or among measured values, as it was sent.
    Value(String),
    /// In a line of a text that states it with its unit.
    Line(Cow<'e, str>, &'static str),
}

/// The number that an alert's annotations, values or texts show.
#[must_use]
pub fn figure(episode: &Episode) -> Option<Figure<'_>> {
    let told = value(episode).and_then(|value| {
        let (number, _) = leading_number(&value)?;
        Some(Figure { number, episode, origin: Origin::Value(value) })
    });
    // What has no digit states no number, which is seen before anything is made of it.
    let lines =
        || texts(episode).filter(|text| text.bytes().any(|b| b.is_ascii_digit())).filter_map(line);
    told.or_else(|| {
        lines().find_map(|line| {
            let (number, unit) = stated(&line)?;
            Some(Figure { number, episode, origin: Origin::Line(line, unit) })
        })
    })
}

impl Figure<'_> {
    /// The number with its unit: `85%`, `4.8 s`, `1.15 GiB`.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.origin {
            Origin::Value(value) => {
                let what = what(self.episode);
                // A text that states the same number names its unit.
                match stated(&what).filter(|(stated, _)| number(*stated) == number(self.number)) {
                    Some((_, unit)) => with_its_unit(self.number, unit),
                    None => with_unit(&what, value).1,
                }
            }
            Origin::Line(_, unit) => with_its_unit(self.number, unit),
        }
    }

    /// True when less of it is worse, as of space that is left.
    #[must_use]
    pub fn is_worse_low(&self) -> bool {
        let line = match &self.origin {
            Origin::Value(_) => "",
            Origin::Line(line, _) => line,
        };
        is_worse_low(line)
            || is_worse_low(&what(self.episode))
            || is_worse_low(&super::headline::spaced(self.episode.alertname()))
    }
}

/// True when a number says less trouble than another of the same rule.
#[must_use]
pub fn is_milder(now: f64, before: f64, is_worse_low: bool) -> bool {
    if is_worse_low { now > before } else { now < before }
}

/// Words of a text that speaks of something of which little is left, …
const LITTLE: [&str; 5] = ["left", "free", "remaining", "below", "low"];
/// … and pairs of them.
const LITTLE_PAIRS: [(&str, &str); 4] =
    [("less", "than"), ("fewer", "than"), ("expires", "in"), ("expire", "in")];

fn is_worse_low(text: &str) -> bool {
    // Marks may follow a word: `5% free,` and `low: 3`.
    let is = |word: &str, known: &str| {
        word.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known))
            && !word[known.len()..].starts_with(char::is_alphanumeric)
    };
    let mut before = "";
    text.split(' ').any(|word| {
        let is_low = LITTLE.iter().any(|known| is(word, known))
            || LITTLE_PAIRS.iter().any(|(first, then)| is(before, first) && is(word, then));
        before = word;
        is_low
    })
}

/// The number that a text begins with, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    if let Ok(number) = text.parse::<f64>() {
        return Some((number, "")).filter(|_| number.is_finite());
    }
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || *at == 0 && *c == '-'))
        .map_or(text.len(), |(at, _)| at);
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest.trim()))
}

/// Units that a figure in a text has, so that it is a measured one and no count or name.
const STATED_UNITS: [&str; 10] = ["%", "ms", "s", "KiB", "MiB", "GiB", "TiB", "MB", "GB", "TB"];

/// Words before a figure that make it a limit or a stretch of time.
const LIMITS: [&str; 34] = [
    "than",
    "above",
    "over",
    "below",
    "under",
    "exceeds",
    "exceed",
    "exceeded",
    "beyond",
    "least",
    "most",
    "threshold",
    "limit",
    "target",
    "objective",
    "slo",
    "timeout",
    "within",
    "for",
    "last",
    "past",
    "next",
    "every",
    "after",
    "before",
    "in",
    "since",
    "until",
    "of",
    "per",
    ">",
    "<",
    ">=",
    "<=",
];

/// The first figure with a unit that a line states as measured: `18.3%` of `18.3% of requests
/// fail`, and nothing of `more than 5% of requests fail`.
fn stated(line: &str) -> Option<(f64, &'static str)> {
    let is_edge = |c: char| matches!(c, '(' | ')' | ',' | ';' | ':' | '"');
    let mut words = line.split(' ').map(|word| word.trim_matches(is_edge)).peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let is_limit = || LIMITS.iter().any(|limit| before.eq_ignore_ascii_case(limit));
        if let Some((value, unit)) =
            is_number.then(|| leading_number(word)).flatten().filter(|_| !is_limit())
        {
            let unit =
                if unit.is_empty() { words.peek().copied().unwrap_or_default() } else { unit };
            if let Some(unit) = STATED_UNITS.iter().find(|known| **known == unit) {
                return Some((value, unit));
            }
        }
        before = word;
    }
    None
}

fn with_its_unit(value: f64, unit: &str) -> String {
    let space = if unit == "%" { "" } else { " " };
    format!("{}{space}{unit}", number(value))
}

/// The unit that a sender names at the end of its text, as its number is followed by.
const UNITS: [(&str, &str); 6] = [
    (" in percent", "%"),
    (" in milliseconds", " ms"),
    (" in seconds", " s"),
    (" in minutes", " min"),
    (" in hours", " h"),
    (" in bytes", " B"),
];

/// Moves a unit that a text ends with behind the number: `Load in percent` and `99` become `Load`
/// and `99%`. Units are never guessed, and words stay as they are.
pub(super) fn with_unit<'a>(text: &'a str, value: &str) -> (&'a str, String) {
    let named = UNITS.iter().find_map(|(words, sign)| Some((text.strip_suffix(words)?, *sign)));
    let shown = || shown(value);
    match named {
        Some((rest, sign)) if value.parse::<f64>().is_ok() && !rest.trim().is_empty() => {
            let rest = rest.trim_end_matches([',', ':', ' ']);
            match value.parse().ok().filter(|_| sign == " B").and_then(in_bytes) {
                Some(size) => (rest, size),
                None => (rest, format!("{}{sign}", shown())),
            }
        }
        None => match passed_limit(text, value) {
            Some((_, unit)) => (text, format!("{}{unit}", shown())),
            None => (text, shown()),
        },
        Some(_) => (text, shown()),
    }
}

/// A plain number for people: `1,234,567,800`. Anything else as it is.
fn shown(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(parsed) if parsed.abs() >= GROUPED_FROM && parsed.abs() < EXPONENT_FROM => {
            let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
            let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
            let mut grouped = String::from(sign);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
        }
        Ok(_) | Err(_) => value.to_owned(),
    }
}

/// Bytes in the largest unit of which there is at least one; nothing for less than 1 KiB.
fn in_bytes(bytes: f64) -> Option<String> {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let (power, unit) = units.into_iter().find(|(power, _)| bytes.abs() >= 2_f64.powi(*power))?;
    let size = format!("{:.2}", bytes / 2_f64.powi(power));
    Some(format!("{} {unit}", size.trim_end_matches('0').trim_end_matches('.')))
}

/// The limit that a text ends with, when the number has passed it: where it begins, and its unit.
/// `above 5%` with `7.4`, `above 2 s` with `4.8`. What is compared is of one unit, unless it was
/// scaled before it was sent: a share below one percent may be a ratio, and a number far above the
/// limit another unit.
pub(super) fn passed_limit(text: &str, value: &str) -> Option<(usize, &'static str)> {
    let units = [("%", "%"), (" ms", " ms"), ("ms", " ms"), (" s", " s"), ("s", " s")];
    let (rest, unit) =
        units.iter().find_map(|(end, unit)| Some((text.strip_suffix(end)?, *unit)))?;
    let words = rest.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' '));
    let comparisons = [" above", " over", " is more than", " more than", " exceeds", " >"];
    let before = comparisons.iter().find_map(|comparison| words.strip_suffix(comparison))?;
    let limit: f64 = rest[words.len()..].trim().parse().ok()?;
    let value: f64 = value.parse().ok().filter(|value| *value > limit)?;
    let is_same_unit = if unit == "%" {
        limit >= 1.0 && value <= 100.0
    } else {
        value <= limit * LIMIT_PASSED_MAX
    };
    is_same_unit.then_some((before.len(), unit))
}

/// The value that an alert speaks of, with the unit that its text names.
#[must_use]
pub fn value_text(episode: &Episode) -> Option<String> {
    let value = value(episode)?;
    Some(with_unit(&what(episode), &value).1)
}

/// A number without noise: whole, with up to three decimals, or with two digits that say something.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() >= EXPONENT_FROM {
        return format!("{value:e}");
    }
    let trimmed = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    let text = trimmed(format!("{value:.3}"));
    if text != "-0" && (text != "0" || value == 0.0) {
        return text;
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 1e-6 { format!("{value:e}") } else { trimmed(format!("{value:.6}")) }
}

/// The value that an alert speaks of: its annotation, a dump in its texts, or measured values.
pub(super) fn value(episode: &Episode) -> Option<String> {
    let annotated = ["value", "current_value", "VALUE"]
        .into_iter()
        .find_map(|name| episode.annotations.value(name))
        .and_then(tidy_value);
    let told = annotated.or_else(|| dumped(episode));
    told.or_else(|| measured(&episode.values).filter(|_| !says_enough(&what(episode))))
}

/// True for a text that has its number, or tells of something that is or is not: what a sender
/// measured for it besides would only confuse.
fn says_enough(text: &str) -> bool {
    const STATES: [&str; 8] = [
        " down",
        " failed",
        " fails",
        " unreachable",
        " not ready",
        " expired",
        " stopped",
        " missing",
    ];
    let is_figure = |word: &str| {
        let word = word.trim_matches(|c: char| matches!(c, '(' | ')' | ',' | ';'));
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        unit.len() < word.len() && matches!(unit, "%" | "s" | "ms" | "x" | "/s" | "min" | "h" | "d")
    };
    STATES.iter().any(|state| text.ends_with(state)) || text.split(' ').any(is_figure)
}

fn dumped(episode: &Episode) -> Option<String> {
    ["description", "summary", "message"].into_iter().find_map(|name| {
        let text = episode.annotations.value(name).filter(|text| text.contains('='))?;
        let (_, rest) = text.split_once("VALUE =").or_else(|| text.split_once("VALUE="))?;
        // A rule's yes or no says nothing, nor does what is almost none.
        tidy_value(rest.split_whitespace().next()?)
            .filter(|value| value.parse().is_ok_and(|v: f64| v.abs() >= 0.001 && v != 1.0))
    })
}

/// Of several values those that are a rule's yes or no (0 or 1) say nothing, and one number that
/// stands under several names is one.
fn measured(values: &[(Box<str>, f64)]) -> Option<String> {
    let finite = || values.iter().filter(|(_, value)| value.is_finite());
    let mut telling: Vec<_> = finite().filter(|(_, v)| *v != 0.0 && *v != 1.0).collect();
    if telling.is_empty() {
        telling = finite().collect();
    }
    let first = telling.first()?;
    if telling.iter().all(|(_, value)| number(*value) == number(first.1)) {
        return Some(number(first.1));
    }
    let named = telling.iter().take(VALUES_MAX).map(|(name, value)| {
        format!("{} = {}", one_line(name, VALUE_CHARS_MAX), shown(&number(*value)))
    });
    Some(named.collect::<Vec<_>>().join(", "))
}

fn tidy_value(text: &str) -> Option<String> {
    let text = one_line(text, VALUE_CHARS_MAX + 1);
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Some(number(value)),
        Ok(_) => None,
        Err(_) if text.is_empty() || text.chars().count() > VALUE_CHARS_MAX => None,
        Err(_) if is_leftover(&text) => None,
        Err(_) => Some(super::text::tidied(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Labels, packed};

    fn episode(annotations: &[(&str, &str)], values: &[(&str, f64)]) -> Episode {
        Episode {
            labels: Labels::from_pairs([("alertname", "Trouble")]),
            annotations: Labels::from_pairs(annotations.iter().copied()),
            values: values.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
            ..packed::tests::episode()
        }
    }

    #[test]
    fn numbers_are_written_without_noise() {
        for (value, expect) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.5, "7.5"),
            (1_234_567_800.0, "1234567800"),
            (93.412_345_6, "93.412"),
            (0.000_31, "0.00031"),
            (-0.0003, "-0.0003"),
            (0.000_000_04, "4e-8"),
            (1e300, "1e300"),
        ] {
            assert_eq!(number(value), expect);
        }
    }

    #[test]
    fn an_alert_s_figure_is_its_value_with_the_unit_that_is_named() {
        let check = |annotations: &[(&str, &str)], values: &[(&str, f64)], expect: Option<&str>| {
            let episode = episode(annotations, values);
            let text = figure(&episode).map(|figure| figure.text());
            assert_eq!(text.as_deref(), expect, "{annotations:?} {values:?}");
        };
        check(&[("value", "85%")], &[], Some("85%"));
        check(&[("value", "17.333333333333332%")], &[], Some("17.333%"));
        check(&[("summary", "Heap in bytes"), ("value", "1.2345678e+09")], &[], Some("1.15 GiB"));
        check(&[("summary", "Sent in bytes"), ("value", "812")], &[], Some("812 B"));
        check(&[("summary", "Lag"), ("value", "1.2345678e+09")], &[], Some("1,234,567,800"));
        check(&[("summary", "42.8571% fail"), ("value", "42.8571")], &[], Some("42.857%"));
        check(&[("summary", "3% of 5 fail"), ("value", "5")], &[], Some("5"));
        check(
            &[("summary", "Lag")],
            &[("A", 48211.5), ("B", 48211.5), ("C", 1.0)],
            Some("48211.5"),
        );
        for none in ["NaN", "+Inf", "-Inf", "<no value>", "[no value]", "{{ $value }}", ""] {
            check(&[("summary", "Lag"), ("value", none)], &[], None);
        }
        check(&[("summary", "Lag")], &[("A", f64::NAN), ("B", f64::INFINITY)], None);
        // What a text states, and not the limits it names.
        for (text, expect) in [
            ("18.3% of requests fail", Some("18.3%")),
            ("p95 latency is 4.21s (threshold 800ms)", Some("4.21 s")),
            ("resolution failures 43.7 % of requests, last 5m", Some("43.7%")),
            ("uses 7.9GiB of 8GiB", Some("7.9 GiB")),
            ("more than 5% of requests fail", None),
            ("disk has less than 3% space left", None),
            ("down for 30s", None),
            ("did not answer within 10s", None),
            ("3 of 8 tills offline", None),
        ] {
            check(&[("summary", text)], &[], expect);
        }
        check(
            &[("summary", "Filesystem is filling up"), ("description", "has only 4.12% left")],
            &[],
            Some("4.12%"),
        );
    }

    #[test]
    fn what_is_milder_than_before_is_told_by_the_direction_of_its_words() {
        let check = |summary: &str, before: &str, now: &str, expect: bool| {
            let of = |value| episode(&[("summary", summary), ("value", value)], &[]);
            let (now, before) = (of(now), of(before));
            let (now, before) = (figure(&now).unwrap(), figure(&before).unwrap());
            let is_milder = is_milder(now.number, before.number, now.is_worse_low());
            assert_eq!(is_milder, expect, "{summary}");
        };
        check("Error rate", "85", "12", true);
        check("Error rate", "12", "85", false);
        check("Error rate", "12", "12", false);
        check("Space left on the disk", "4", "12", true);
        check("Space left on the disk", "12", "4", false);
        check("Leftovers in the queue", "12", "4", true);
        let told = [("summary", "Filesystem fills up"), ("description", "only 4.12% space left")];
        let told = episode(&told, &[]);
        assert!(figure(&told).unwrap().is_worse_low(), "by the text that states it");
    }
}
