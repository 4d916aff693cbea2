//! What an alert says, in plain words: its line in a timeline, its number, its place.
//!
//! Never invents a unit or a cause, and never prints a local time. Texts of senders are cut down
//! to one compact line here; making them harmless is the renderer's task. Callers: `timeline`,
//! whose entries and tables are made of these words, and the machine, which names alerts by them.

mod headline;

use super::change::{ChangeKind, ChangeReport};
use super::{Episode, Severity, Span};

pub use headline::headline;

/// Longest symptom text that is taken over from a sender, in characters.
const SUMMARY_CHARS_MAX: usize = 200;
/// Longest value that is taken over as it was sent, in characters.
const VALUE_CHARS_MAX: usize = 32;
/// Longest name of a place that is put into a text, in characters.
const PLACE_CHARS_MAX: usize = 80;
/// Most measured values that are listed for one alert.
const VALUES_MAX: usize = 3;
/// How many times its limit a number may be and still be of the limit's unit.
const LIMIT_PASSED_MAX: f64 = 50.0;

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

/// What an alert says, in one line: `503 responses: 85% on web (Http503High, critical)`.
#[must_use]
pub fn symptom(episode: &Episode) -> String {
    let what = placed(what(episode), episode);
    let value = value(episode).filter(|value| !names_number(&what, value));
    let (what, value) = match &value {
        Some(value) => {
            let (what, value) = with_unit(&what, value);
            (what, Some(value))
        }
        None => (what.as_str(), None),
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
    let brackets = [in_brackets, alertname, severity.map(Severity::as_str)];
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

/// The label that tells alerts of one name and service apart, with its value.
#[must_use]
pub fn place(episode: &Episode) -> Option<(&'static str, &str)> {
    ["pod", "instance", "node", "host"]
        .into_iter()
        .find_map(|label| Some((label, episode.labels.value(label)?)))
}

/// The first line of a text that says anything, white space folded, cut at a length.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    if is_one_line(text) && text.len() <= chars_max {
        return text.to_owned();
    }
    let is_break =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let line = text
        .split(is_break)
        .find(|line| line.chars().any(char::is_alphanumeric))
        .unwrap_or_else(|| text.split(is_break).next().unwrap_or_default());
    // The bound keeps the work small for a line of megabytes; folding can only shorten it.
    let head: String = line.chars().take(chars_max.saturating_mul(4)).collect();
    cut(&head.split_whitespace().collect::<Vec<_>>().join(" "), chars_max)
}

/// True for a text of ASCII that is one folded line already, as most are.
fn is_one_line(text: &str) -> bool {
    // A space at the beginning counts as one behind a space.
    let mut before = b' ';
    let is_folded = |byte: u8| {
        let is_doubled = byte == b' ' && before == b' ';
        before = byte;
        (0x20..0x7f).contains(&byte) && !is_doubled
    };
    text.bytes().all(is_folded) && !text.ends_with(' ')
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

/// The highest number that an alert's annotations or values show.
#[must_use]
pub fn peak(episode: &Episode) -> Option<f64> {
    value(episode)?.parse().ok().filter(|number: &f64| number.is_finite())
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
fn with_unit<'a>(text: &'a str, value: &str) -> (&'a str, String) {
    let named = UNITS.iter().find_map(|(words, sign)| Some((text.strip_suffix(words)?, sign)));
    match named {
        Some((rest, sign)) if value.parse::<f64>().is_ok() && !rest.trim().is_empty() => {
            (rest.trim_end_matches([',', ':', ' ']), format!("{value}{sign}"))
        }
        None => match passed_limit(text, value) {
            Some((_, unit)) => (text, format!("{value}{unit}")),
            None => (text, value.to_owned()),
        },
        Some(_) => (text, value.to_owned()),
    }
}

/// The limit that a text ends with, when the number has passed it: where it begins, and its unit.
/// `above 5%` with `7.4`, `above 2 s` with `4.8`. What is compared is of one unit, unless it was
/// scaled before it was sent: a share below one percent may be a ratio, and a number far above the
/// limit another unit.
fn passed_limit(text: &str, value: &str) -> Option<(usize, &'static str)> {
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

/// A change in one line: `Deploy on shop-web: Release 42`. A summary that begins with its kind needs
/// no other word for it: `Deploy orders 1.42`.
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
        Some(service) => format!("{what} on {service}: {summary}"),
    }
}

/// The value that an alert speaks of, with the unit that its text names.
#[must_use]
pub fn value_text(episode: &Episode) -> Option<String> {
    let value = value(episode)?;
    Some(with_unit(&what(episode), &value).1)
}

/// A number as one alert's peak, with the unit that its text names.
#[must_use]
pub fn peak_text(episode: &Episode, peak: f64) -> String {
    with_unit(&what(episode), &number(peak)).1
}

/// A number without noise: whole, or with up to three decimals.
#[must_use]
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || (text == "0" && value != 0.0) {
        format!("{value:e}")
    } else {
        text.to_owned()
    }
}
/// What is wrong, in the sender's words, without the service and the numbers.
#[must_use]
pub fn what(episode: &Episode) -> String {
    let alertname = episode.alertname();
    if let (true, Some(rule)) =
        (alertname.starts_with("Datasource"), episode.labels.value("rulename"))
    {
        // Grafana's own alerts carry the annotations of a rule that could not be evaluated.
        let trouble = if alertname == "DatasourceNoData" { "No data for" } else { "Error in" };
        return format!("{trouble} rule {}", one_line(rule, SUMMARY_CHARS_MAX));
    }
    ["summary", "title", "message", "description"]
        .into_iter()
        .filter_map(|name| episode.annotations.value(name))
        .map(without_dump)
        .find(|text| text.chars().any(char::is_alphanumeric))
        .unwrap_or_else(|| headline::spaced(alertname))
}

/// One line of an annotation, without the dumps that public rule sets append:
/// ` (instance db-1:9187)`, `VALUE = …`, `LABELS = …`.
fn without_dump(text: &str) -> String {
    let line = one_line(text, SUMMARY_CHARS_MAX);
    let mut line = line.as_str();
    // Most texts hold no dump; the quick look saves them five slow ones.
    if line.contains("VALUE") || line.contains("LABELS") {
        for dump in ["VALUE =", "VALUE=", "LABELS =", "LABELS=", "LABELS:"] {
            line = line.split(dump).next().unwrap_or_default();
        }
    }
    let line = line.trim_end();
    let dumped_at = if line.ends_with(')') { line.rfind(" (instance ") } else { None };
    let line = dumped_at.map_or(line, |start| &line[..start]);
    line.trim_end_matches(['.', ':', ',', ' ']).to_owned()
}

/// The value that an alert speaks of: its annotation, a dump in its texts, or measured values.
fn value(episode: &Episode) -> Option<String> {
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
        // A rule's yes or no says nothing.
        tidy_value(rest.split_whitespace().next()?).filter(|value| value != "0" && value != "1")
    })
}

/// Of several values those that are a rule's yes or no (0 or 1) say nothing.
fn measured(values: &[(Box<str>, f64)]) -> Option<String> {
    let finite = || values.iter().filter(|(_, value)| value.is_finite());
    let mut telling: Vec<_> = finite().filter(|(_, v)| *v != 0.0 && *v != 1.0).collect();
    if telling.is_empty() {
        telling = finite().collect();
    }
    match telling.as_slice() {
        [] => None,
        [(_, value)] => Some(number(*value)),
        several => {
            let named: Vec<String> = several
                .iter()
                .take(VALUES_MAX)
                .map(|(name, value)| {
                    format!("{} = {}", one_line(name, VALUE_CHARS_MAX), number(*value))
                })
                .collect();
            Some(named.join(", "))
        }
    }
}

fn tidy_value(text: &str) -> Option<String> {
    let text = one_line(text, VALUE_CHARS_MAX + 1);
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Some(number(value)),
        Ok(_) => None,
        Err(_) if text.is_empty() || text.chars().count() > VALUE_CHARS_MAX => None,
        Err(_) => Some(text),
    }
}

/// True when the text names this number already.
fn names_number(text: &str, value: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|token| !token.is_empty() && token.trim_matches('.') == value)
}

/// True when the text names this word, in any case, not as a part of a longer one.
fn names_word(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() && !word.is_empty() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        let free = |b: Option<&u8>| b.is_none_or(|b| !b.is_ascii_alphanumeric());
        let first = word[0];
        return text.windows(word.len()).enumerate().any(|(start, found)| {
            found[0].eq_ignore_ascii_case(&first)
                && found.eq_ignore_ascii_case(word)
                && free(start.checked_sub(1).and_then(|before| text.get(before)))
                && free(text.get(start + word.len()))
        });
    }
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    text.match_indices(&word).any(|(start, found)| {
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        free(text[..start].chars().next_back()) && free(text[start + found.len()..].chars().next())
    })
}

/// Puts the name of a thing behind the word for it that a text begins with: `Node is not ready` of
/// `node-7` becomes `Node node-7 is not ready`.
fn placed(text: String, episode: &Episode) -> String {
    let mut words = text.splitn(3, ' ');
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return text };
    let is_told_of = PREDICATES.iter().any(|word| second.eq_ignore_ascii_case(word));
    let thing = THINGS.iter().find(|(noun, _)| is_told_of && first.eq_ignore_ascii_case(noun));
    let name = thing.and_then(|(_, label)| episode.labels.value(label));
    match name.filter(|name| !names_word(&text, name)) {
        Some(name) => {
            let name = one_line(name, PLACE_CHARS_MAX);
            format!("{first} {name}{}", &text[first.len()..])
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
