//! What an alert says is wrong: the one of its texts that can be shown, made readable.
//!
//! A template that was not filled in says nothing, so the next text is asked; dumps that public
//! rule sets append are left out, and numbers are written as people write them. Words stay as they
//! were sent. Pure words, like the room.

use super::value::number;
use super::{Episode, headline, one_line};

/// Longest symptom text that is taken over from a sender, in characters.
const SUMMARY_CHARS_MAX: usize = 200;
/// Annotations that say what is wrong, best first.
const TEXTS: [&str; 4] = ["summary", "title", "message", "description"];

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
    annotated(episode)
        .find(|text| text.chars().any(char::is_alphanumeric))
        .unwrap_or_else(|| headline::spaced(alertname))
}

/// The texts of an alert, one line of each, best first, without those that are left unfilled.
pub(super) fn annotated(episode: &Episode) -> impl Iterator<Item = String> {
    TEXTS
        .into_iter()
        .filter_map(|name| episode.annotations.value(name))
        .map(without_dump)
        .filter(|line| !is_leftover(line))
}

/// True for a text in which a template was not filled in: `{{ $value }}`, `<no value>`,
/// `%!f(string=)`, `${labels.pod}`.
pub(super) fn is_leftover(text: &str) -> bool {
    // Most texts hold none of these; the quick look saves them the slow ones.
    if !text.bytes().any(|byte| matches!(byte, b'{' | b'<' | b'[' | b'%' | b'$')) {
        return false;
    }
    let is_go_error = || {
        text.match_indices("%!").any(|(at, _)| {
            let mut rest = text[at + 2..].chars();
            rest.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '(')
                && text[at + 2..].contains('(')
        })
    };
    let pairs = [("{{", "}}"), ("${", "}")];
    let is_open =
        |(open, close): (&str, &str)| text.split_once(open).is_some_and(|(_, t)| t.contains(close));
    pairs.into_iter().any(is_open)
        || ["<no value>", "[no value]", "<nil>", "$labels.", "$values."]
            .iter()
            .any(|mark| text.contains(mark))
        || text.contains("%!") && is_go_error()
}

/// One line of an annotation, without the dumps that public rule sets append:
/// ` (instance db-1:9187)`, `VALUE = …`, `LABELS = …`.
fn without_dump(text: &str) -> String {
    let line = one_line(text, SUMMARY_CHARS_MAX);
    let mut line = line.as_str();
    // Most texts hold no dump; the quick look saves them five slow ones.
    if line.bytes().any(|byte| matches!(byte, b'=' | b':')) {
        for dump in ["VALUE =", "VALUE=", "LABELS =", "LABELS=", "LABELS:"] {
            line = line.split(dump).next().unwrap_or_default();
        }
    }
    let line = line.trim_end();
    let dumped_at = if line.ends_with(')') { line.rfind(" (instance ") } else { None };
    let line = dumped_at.map_or(line, |start| &line[..start]);
    let line = tidied(line.trim_end_matches(['.', ':', ',', ' ']));
    if line.contains(['<', '*']) { without_markup(&line) } else { line }
}

/// Tags that senders dress their texts with.
const TAGS: [&str; 15] = [
    "a", "b", "br", "code", "div", "em", "font", "h1", "h2", "h3", "i", "p", "span", "strong", "u",
];

/// The words of a text without the marks that would make them bold or a link elsewhere: here they
/// would only be read. Every other mark stays.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['<', '*']) {
        plain.push_str(&rest[..start]);
        let from = &rest[start..];
        let marked = if from.starts_with("**") { Some(2) } else { tag_bytes(from) };
        let end = marked.unwrap_or(1);
        if marked.is_none() {
            plain.push_str(&from[..1]);
        }
        rest = &from[end..];
    }
    plain.push_str(rest);
    one_line(&plain, SUMMARY_CHARS_MAX)
}

/// How long the tag is that a text begins with: `<b>`, `</b>`, `<br/>`, `<a href="…">`.
fn tag_bytes(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('<')?;
    let end = inner.find('>')?;
    let tag = inner[..end].trim_start_matches('/');
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next()?;
    TAGS.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(end + 2)
}

/// The text with its numbers as people write them: `18.333333333333332%` as `18.333%`,
/// `1.5e+06` as `1500000`. Versions, addresses and everything else stay.
pub(super) fn tidied(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    if !text.bytes().any(|b| b == b'.') {
        return text.to_owned();
    }
    let mut tidy = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        tidy.push_str(before);
        let is_begun = before.chars().next_back().is_some_and(|c| is_part(c) || c == '-');
        let length = noisy_number(from).filter(|_| !is_begun);
        let end = length.unwrap_or_else(|| from.find(|c: char| !is_part(c)).unwrap_or(from.len()));
        let (word, after) = from.split_at(end);
        match word.parse::<f64>().ok().filter(|_| length.is_some()) {
            Some(value) => tidy.push_str(&number(value)),
            None => tidy.push_str(word),
        }
        rest = after;
    }
    tidy.push_str(rest);
    tidy
}

/// How long the number at the beginning is, when it has an exponent or more than three decimals,
/// and is a number: a unit of letters may follow, no other digit or point.
fn noisy_number(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let decimals = text[whole..].strip_prefix('.').map_or(0, digits);
    let mut end = if decimals > 0 { whole + 1 + decimals } else { whole };
    let exponent = ["e+", "e-"].iter().find_map(|sign| {
        let power = text[end..].strip_prefix(sign).map(digits)?;
        (power > 0).then_some(sign.len() + power)
    });
    end += exponent.unwrap_or(0);
    let unit = text[end..].bytes().take_while(u8::is_ascii_alphabetic).count();
    let next = text[end + unit..].chars().next();
    let is_over = unit <= 3
        && !next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && !text[end + unit..]
            .strip_prefix('.')
            .is_some_and(|t| t.starts_with(|c: char| c.is_alphanumeric()));
    ((exponent.is_some() || decimals > 3) && is_over).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Labels, packed};

    #[test]
    fn a_template_that_was_not_filled_in_says_nothing() {
        for text in [
            "Group {{ $labels.group }} lags",
            "Lag of [no value] is high",
            "<no value> requests are slow",
            "Latency is %!f(string=<no value>)s",
            "Latency is %!s(MISSING)",
            "${labels.instance} is down",
            "pod $labels.pod restarts",
        ] {
            assert!(is_leftover(text), "{text}");
        }
        for text in ["100%! Disk is full", "a {b} c", "costs $5", "5% {", "{{ open", "50%!"] {
            assert!(!is_leftover(text), "{text}");
        }
    }

    #[test]
    fn the_first_text_that_can_be_shown_says_what_is_wrong() {
        let check = |annotations: &[(&str, &str)], expect: &str| {
            let episode = Episode {
                labels: Labels::from_pairs([("alertname", "ConsumerLagHigh")]),
                annotations: Labels::from_pairs(annotations.iter().copied()),
                ..packed::tests::episode()
            };
            assert_eq!(what(&episode), expect, "{annotations:?}");
        };
        let unfilled = ("summary", "{{ $labels.group }} lags");
        check(&[unfilled, ("description", "Orders wait.")], "Orders wait");
        check(&[unfilled, ("description", "<no value> orders wait")], "Consumer lag high");
        check(&[("summary", "lag is 12.300000000000001s")], "lag is 12.3s");
        let dressed = "**CRITICAL** <b>Checkout</b> is <a href=\"https://x\">down</a><br/>";
        check(&[("summary", dressed)], "CRITICAL Checkout is down");
        for plain in ["5 < 7 and 9 > 8", "<script>x</script>", "a * b", "<bad", "Vec<u8>"] {
            check(&[("summary", plain)], plain);
        }
    }

    #[test]
    fn numbers_in_a_text_are_written_as_people_write_them() {
        for (text, expect) in [
            ("18.333333333333332% fail", "18.333% fail"),
            (
                "uses 1.2345678e+09 bytes (limit 1.073741824e+09)",
                "uses 1234567800 bytes (limit 1073741824)",
            ),
            ("took 12.34567s", "took 12.346s"),
            ("about 0.00012345 of it.", "about 0.000123 of it."),
            // No numbers, or good ones.
            ("from 10.20.30.40:9100", "from 10.20.30.40:9100"),
            ("release 1.23456.7", "release 1.23456.7"),
            ("v1.23456 is out", "v1.23456 is out"),
            ("5.25% and 1.5 s", "5.25% and 1.5 s"),
            ("id 3.14159-rc1", "id 3.14159-rc1"),
            ("pod web-1.23456", "pod web-1.23456"),
            ("größer als 5", "größer als 5"),
        ] {
            assert_eq!(tidied(text), expect);
        }
    }
}
