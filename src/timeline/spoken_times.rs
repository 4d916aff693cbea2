//! Times that notes speak of: `14:32`, `around 3pm`, `20 min ago`.
//!
//! A note that was given no time stands where it was written. When its words name another time, the
//! writer must know, because the line may stand in the wrong place; the words alone cannot say
//! which day or zone they mean, so nothing is moved. Called by the caveats.

use crate::domain::Timestamp;
use crate::domain::incident::Note;

/// Minutes that a named time may differ by and still be the moment of writing.
const SAME_MINUTES: i64 = 2;
/// Zones differ by whole halves of hours, nearly all of them.
const ZONE_STEP_MINUTES: i64 = 30;
/// Words before a time of day that speak of a moment.
const LEADS: [&str; 8] = ["at", "since", "from", "around", "about", "by", "ca", "near"];

/// The other time that a note names which was given none of its own.
pub(super) fn other_time(note: &Note) -> Option<String> {
    if note.at != note.received_at {
        return None;
    }
    let words: Vec<&str> = note.text.split_whitespace().take(WORDS_READ_MAX).collect();
    ago(&words).or_else(|| time_of_day(&words, note.at))
}

/// How many words of a note are read.
const WORDS_READ_MAX: usize = 200;

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// `20 min ago`, `2h ago`, `an hour ago`.
fn ago(words: &[&str]) -> Option<String> {
    let end = words.iter().position(|word| bare(word).eq_ignore_ascii_case("ago"))?;
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_one = |word: &str| word.eq_ignore_ascii_case("an") || word.eq_ignore_ascii_case("a");
    let start = (end.saturating_sub(2)..end)
        .find(|at| is_number(bare(words[*at])) || is_one(bare(words[*at])))?;
    let told: Vec<&str> = words[start..=end].iter().map(|word| bare(word)).collect();
    Some(told.join(" "))
}

/// A time of day that begins the text, or stands behind a word such as `at`; not the one of writing.
fn time_of_day(words: &[&str], written_at: Timestamp) -> Option<String> {
    let written = written_at.millis().div_euclid(60_000);
    words.iter().enumerate().find_map(|(at, word)| {
        let is_about = word.starts_with(['~', '≈']);
        let leads =
            |before: &&str| LEADS.iter().any(|lead| bare(before).eq_ignore_ascii_case(lead));
        let is_led = at == 0 || is_about || words.get(at - 1).is_some_and(leads);
        let minute = minute_of(bare(word)).filter(|_| is_led)?;
        let apart = (minute - written).rem_euclid(ZONE_STEP_MINUTES);
        let is_now = apart <= SAME_MINUTES || apart >= ZONE_STEP_MINUTES - SAME_MINUTES;
        (!is_now).then(|| bare(word).to_owned())
    })
}

/// The minute of the day that `14:32`, `14:32:10`, `3pm` or `3:15pm` names.
fn minute_of(word: &str) -> Option<i64> {
    let lower = word.to_ascii_lowercase();
    let (clock, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        (None, None) => (lower.as_str(), None),
    };
    let mut parts = clock.split(':');
    let two = |part: &str| (part.len() <= 2).then(|| part.parse::<u8>().ok()).flatten();
    let hour = two(parts.next()?).filter(|hour| *hour < 24)?;
    let minute = match (parts.next(), half) {
        (Some(minute), _) => two(minute).filter(|m| *m < 60 && minute.len() == 2)?,
        (None, Some(_)) => 0,
        (None, None) => return None,
    };
    let second = parts.next();
    if second.is_some_and(|second| two(second).is_none()) || parts.next().is_some() {
        return None;
    }
    let hour = half.map_or(hour, |half| hour % 12 + half);
    Some(i64::from(hour) * 60 + i64::from(minute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Span;
    use crate::timeline::examples;

    #[test]
    fn a_note_without_a_time_of_its_own_may_name_another() {
        let mut note = examples::bookstore().incident.notes.swap_remove(0);
        note.at = examples::at("2026-03-04", "15:10");
        note.received_at = note.at;
        let mut check = |text: &str, expect: Option<&str>| {
            note.text = text.to_owned();
            assert_eq!(other_time(&note).as_deref(), expect, "{text}");
        };
        check("14:32 restarted the pods", Some("14:32"));
        check("[14:32:10] restarted the pods", Some("14:32:10"));
        check("it began around 3:45pm", Some("3:45pm"));
        check("~2:20pm we shipped the ranker", Some("2:20pm"));
        check("20 min ago somebody ran a REINDEX", Some("20 min ago"));
        check("deployed 2h ago.", Some("2h ago"));
        check("an hour ago it was fine", Some("an hour ago"));
        // The moment of writing, on this clock or another zone's.
        check("15:09 restarted", None);
        check("20:40 restarted", None);
        // No times.
        check("processes 01:00-02:00 twice", None);
        check("ratio 4:3 at 5:7:9:1", None);
        check("long ago", None);
        check("at 3 of 4 pods", None);
        check("connect to db at 10.0.0.1:5432", None);
        note.received_at = note.at + Span::from_seconds(1);
        note.text = "14:32 restarted".to_owned();
        assert_eq!(other_time(&note), None, "it was given a time");
    }
}
