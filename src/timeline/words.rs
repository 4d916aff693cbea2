//! Plain words for what alerts and numbers say.
//!
//! Never invents a unit or a cause, and never prints a local time. What single alerts say is told
//! by the domain, which the machine needs as well.

use crate::domain::EpisodeStatus;

pub use crate::domain::symptom::{
    Figure, PLACE_CHARS_MAX, PLACES, cut, detail, duration, figure, is_milder, name, number,
    one_line, place, subject, symptom,
};

/// Longest reason that is taken over from a sender, in characters.
const REASON_CHARS_MAX: usize = 200;

/// `1 alert`, `14 alerts`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// Like [`list`], naming the first few and counting the others.
#[must_use]
pub fn short_list<S: AsRef<str>>(items: &[S], max: usize) -> String {
    if items.len() <= max {
        return list(items);
    }
    let shown: Vec<&str> = items.iter().take(max).map(AsRef::as_ref).collect();
    format!("{} and {} more", shown.join(", "), items.len() - max)
}

/// `a, b, c`; of more than so many `a, b, c and 4 more`.
#[must_use]
pub fn named<S: AsRef<str>>(items: &[S], max: usize) -> String {
    if items.len() > max {
        return short_list(items, max);
    }
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// The same text with its first letter as a capital.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A sender's reason for an end that is not a recovery, in plain words.
#[must_use]
pub fn abandoned(reason: &str) -> String {
    match reason {
        "MissingSeries" => "its data went missing (MissingSeries)".to_owned(),
        "Paused" => "the rule was paused (Paused)".to_owned(),
        "Updated" => "the rule was changed (Updated)".to_owned(),
        "RuleDeleted" => "the rule was deleted (RuleDeleted)".to_owned(),
        other => one_line(other, REASON_CHARS_MAX),
    }
}

/// How an alert stands, in words for a table.
#[must_use]
pub const fn status(status: EpisodeStatus) -> &'static str {
    match status {
        EpisodeStatus::Firing => "still firing",
        EpisodeStatus::Resolved => "ended",
        EpisodeStatus::Unknown => "end unknown",
    }
}
