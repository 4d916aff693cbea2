//! What an alert says, in plain words: its line in a timeline, its number, its place.
//!
//! Never invents a unit or a cause, and never prints a local time. Texts of senders are cut down
//! to one compact line here; making them harmless is the renderer's task. Callers: `timeline`,
//! whose entries and tables are made of these words, and the machine, which names alerts by them.

mod headline;
mod text;
mod value;

use std::borrow::Cow;

use super::change::{ChangeKind, ChangeReport};
use super::{Episode, Severity, Span};
use value::{value, with_unit};

pub use headline::headline;
pub use text::what;
pub use value::{Figure, figure, is_milder, number, value_text};

/// Longest name of a place that is put into a text, in characters.
pub const PLACE_CHARS_MAX: usize = 80;
/// Labels that say where an alert fires, best first.
pub const PLACES: [&str; 4] = ["pod", "instance", "node", "host"];
/// Labels that say which part of a place or service an alert is about, best first.
const PARTS: [&str; 11] = [
    "mountpoint",
    "persistentvolumeclaim",
    "queue",
    "topic",
    "datname",
    "database",
    "ingress",
    "job_name",
    "cronjob",
    "device",
    "interface",
];

/// A length as people write it: `1h 45m`, `4h`, `5d 19h 30m`, `45s`. Seconds are left out from one
/// day on.
#[must_use]
pub fn duration(span: Span) -> String {
    let total = span.abs().seconds();
    let (days, hours, minutes, seconds) =
        (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
    let seconds = if days > 0 { 0 } else { seconds };
    let mut text = String::with_capacity(16);
    for (count, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm'), (seconds, 's')] {
        if count > 0 {
            text.push_str(match (text.is_empty(), span.is_negative()) {
                (true, true) => "-",
                (true, false) => "",
                (false, _) => " ",
            });
            text.push_str(&count.to_string());
            text.push(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `topic invoices`: a label that tells an alert from others.
#[must_use]
pub fn detail(label: &str, value: &str) -> String {
    format!("{label} {}", one_line(value, PLACE_CHARS_MAX))
}

/// What an alert says, in one line: `503 responses: 85% on web (Http503High, critical)`. A detail
/// tells it from others of its name; else the part of the service that it is about does.
#[must_use]
pub fn symptom(episode: &Episode, detail: Option<&str>) -> String {
    let what = placed(what(episode), episode);
    let value = value(episode).filter(|value| !names_number(&what, value));
    let (what, value) = match &value {
        Some(value) => {
            let (what, value) = with_unit(&what, value);
            (what, Some(value))
        }
        None => (&*what, None),
    };
    let service = whereabouts(episode).filter(|name| !names_word(what, name));
    let mut text = String::with_capacity(what.len() + 64);
    text.push_str(what);
    let mut in_brackets = service;
    if let Some(value) = &value {
        // A text that has its colon already says its number without another.
        text.push_str(if what.contains(": ") { " " } else { ": " });
        text.push_str(value);
    }
    if let Some(service) = in_brackets.take_if(|_| !what.contains(" on ")) {
        text.push_str(" on ");
        text.push_str(service);
    }
    let alertname = episode.alertname();
    let alertname = Some(alertname).filter(|name| !what.eq_ignore_ascii_case(name));
    let severity = Some(episode.severity).filter(|severity| *severity != Severity::None);
    let part = detail.is_none().then(|| part(episode)).flatten();
    let detail = detail.or(part.as_deref()).filter(|detail| {
        let value = detail.split_once(' ').map_or(*detail, |(_, value)| value);
        !text.contains(value) && in_brackets != Some(value)
    });
    let brackets = [in_brackets, alertname, detail, severity.map(Severity::as_str)];
    let mut mark = " (";
    for words in brackets.into_iter().flatten() {
        text.push_str(mark);
        text.push_str(words);
        mark = ", ";
    }
    if mark != " (" {
        text.push(')');
    }
    text
}

/// An alert's name with its service: `DiskFull on orders-db`.
#[must_use]
pub fn subject(episode: &Episode) -> String {
    match &episode.service {
        Some(service) if service.as_str() != episode.alertname() => {
            format!("{} on {service}", episode.alertname())
        }
        Some(_) | None => episode.alertname().to_owned(),
    }
}

/// As [`subject`]; an alert of no service is told by its place: `KubeNodeNotReady on node-7`.
#[must_use]
pub fn name(episode: &Episode) -> String {
    match (&episode.service, place(episode)) {
        (None, Some((_, place))) => format!("{} on {place}", episode.alertname()),
        (_, _) => subject(episode),
    }
}

/// The service, else the pod, instance or node: where a reader looks first.
fn whereabouts(episode: &Episode) -> Option<&str> {
    let service = episode.service.as_ref().map(|service| service.as_str());
    service.or_else(|| place(episode).map(|(_, place)| place))
}

/// Where an alert fires, with the label that says so.
#[must_use]
pub fn place(episode: &Episode) -> Option<(&'static str, &str)> {
    PLACES.into_iter().find_map(|label| Some((label, episode.labels.value(label)?)))
}

/// The part of a place or service that an alert is about: `mountpoint /var/lib/db`.
fn part(episode: &Episode) -> Option<String> {
    // One pass over the labels: most alerts have none of these.
    let rank = |label: &str| PARTS.iter().position(|part| *part == label);
    let parts = episode.labels.iter().filter(|(_, value)| !value.is_empty());
    let parts = parts.filter_map(|(label, value)| Some((rank(label)?, value)));
    parts.min().map(|(rank, value)| detail(PARTS[rank], value))
}

/// The first line of a text that says anything, white space folded, cut at a length.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    folded(text, chars_max).into_owned()
}

/// As [`one_line`]; most texts are one already and are not copied.
fn folded(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.len() <= chars_max && is_one_line(text) {
        return Cow::Borrowed(text);
    }
    let is_break =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let line = text
        .split(is_break)
        .find(|line| line.chars().any(char::is_alphanumeric))
        .unwrap_or_else(|| text.split(is_break).next().unwrap_or_default());
    // The bound keeps the work small for a line of megabytes; folding can only shorten it.
    let head: String = line.chars().take(chars_max.saturating_mul(4)).collect();
    Cow::Owned(cut(&head.split_whitespace().collect::<Vec<_>>().join(" "), chars_max))
}

/// True for a text of ASCII that is one folded line already, as most are. Looks at every byte
/// instead of stopping early, so that the compiler can look at many at once.
fn is_one_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    let behind = bytes.get(1..).unwrap_or_default();
    let is_plain = bytes.iter().fold(true, |all, byte| all & (0x20..0x7f).contains(byte));
    let is_doubled =
        bytes.iter().zip(behind).fold(false, |any, (a, b)| any | ((*a == b' ') & (*b == b' ')));
    is_plain && !is_doubled && !text.starts_with(' ') && !text.ends_with(' ')
}

/// The text, or its beginning with an ellipsis when it is longer.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let head: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", head.trim_end())
}

/// A change in one line: `Deploy on shop-web: Release 42`. A summary that begins with its kind needs
/// no other word for it, and one that names the service no other name: `Deploy orders 1.42`.
#[must_use]
pub fn change(report: &ChangeReport) -> String {
    let what = match report.kind {
        ChangeKind::Deploy => "Deploy",
        ChangeKind::Rollback => "Rollback",
        ChangeKind::Config => "Configuration change",
        ChangeKind::Flag => "Feature flag",
        ChangeKind::Scaling => "Scaling",
        ChangeKind::Maintenance => "Maintenance",
        ChangeKind::Other => "Change",
    };
    let (summary, service) = (&report.summary, report.service.as_ref().map(|s| s.as_str()));
    let says_kind = summary.get(..what.len()).is_some_and(|head| head.eq_ignore_ascii_case(what))
        && !summary[what.len()..].starts_with(char::is_alphanumeric);
    match service {
        None if says_kind => summary.clone(),
        Some(service) if says_kind && names_word(summary, service) => summary.clone(),
        None => format!("{what}: {summary}"),
        Some(service) if names_word(summary, service) => format!("{what}: {summary}"),
        Some(service) => format!("{what} on {service}: {summary}"),
    }
}

/// True when the text names this number already.
fn names_number(text: &str, value: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|token| !token.is_empty() && token.trim_matches('.') == value)
}

/// True when the text names this word, in any case, not as a part of a longer one. A dash of a name
/// may be a space or an underscore in the text: `eftpos-gateway` is named by `EFTPOS gateway`.
fn names_word(text: &str, word: &str) -> bool {
    let is_gap = |c: char| matches!(c, '-' | '_' | ' ');
    if text.is_ascii() && word.is_ascii() && !word.is_empty() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        let free = |b: Option<&u8>| b.is_none_or(|b| !b.is_ascii_alphanumeric());
        let same = |a: u8, b: u8| {
            a.eq_ignore_ascii_case(&b) || is_gap(char::from(a)) && is_gap(char::from(b))
        };
        let first = word[0];
        return text.windows(word.len()).enumerate().any(|(start, found)| {
            same(found[0], first)
                && found.iter().zip(word).all(|(a, b)| same(*a, *b))
                && free(start.checked_sub(1).and_then(|before| text.get(before)))
                && free(text.get(start + word.len()))
        });
    }
    let folded = |text: &str| text.to_lowercase().replace(is_gap, " ");
    let (text, word) = (folded(text), folded(word));
    text.match_indices(&word).any(|(start, found)| {
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        free(text[..start].chars().next_back()) && free(text[start + found.len()..].chars().next())
    })
}

/// Puts the name of a thing behind the word for it that a text begins with: `Node is not ready` of
/// `node-7` becomes `Node node-7 is not ready`.
fn placed<'t>(text: Cow<'t, str>, episode: &Episode) -> Cow<'t, str> {
    let mut words = text.splitn(3, ' ');
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return text };
    let is_told_of = PREDICATES.iter().any(|word| second.eq_ignore_ascii_case(word));
    let thing = THINGS.iter().find(|(noun, _)| is_told_of && first.eq_ignore_ascii_case(noun));
    let name = thing.and_then(|(_, label)| episode.labels.value(label));
    match name.filter(|name| !names_word(&text, name)) {
        Some(name) => {
            let name = one_line(name, PLACE_CHARS_MAX);
            Cow::Owned(format!("{first} {name}{}", &text[first.len()..]))
        }
        None => text,
    }
}

/// Words for things, with the label that names the thing.
const THINGS: [(&str, &str); 10] = [
    ("node", "node"),
    ("pod", "pod"),
    ("instance", "instance"),
    ("target", "instance"),
    ("host", "host"),
    ("deployment", "deployment"),
    ("statefulset", "statefulset"),
    ("daemonset", "daemonset"),
    ("job", "job_name"),
    ("device", "device"),
];

/// What follows such a word when the text speaks of one thing, and not of their number, say.
const PREDICATES: [&str; 16] = [
    "is",
    "was",
    "has",
    "did",
    "does",
    "cannot",
    "not",
    "in",
    "down",
    "failed",
    "failing",
    "crash",
    "unreachable",
    "unready",
    "restarted",
    "disappeared",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_told_by_its_first_line_that_says_anything_folded_and_cut() {
        for (text, expect) in [
            ("web is down", "web is down"),
            ("web  is down", "web is down"),
            (" web is down", "web is down"),
            ("web is down ", "web is down"),
            ("web\tis down", "web is down"),
            ("\n---\r\nweb is down\nsince noon", "web is down"),
            ("web is down, so are others", "web is down, so are…"),
            ("größer  als fünf", "größer als fünf"),
            ("", ""),
            (" ", ""),
            ("\u{1b}", "\u{1b}"),
        ] {
            assert_eq!(one_line(text, 20), expect, "{text:?}");
        }
    }
}
