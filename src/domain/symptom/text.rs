//! What an alert says is wrong: the one of its texts that can be shown, made readable.
//!
//! A template that was not filled in says nothing, so the next text is asked; dumps that public
//! rule sets append are left out, and numbers are written as people write them. Words stay as they
//! were sent. Pure words, like the room.

use std::borrow::Cow;

use super::value::number;
use super::{Episode, folded, headline, one_line};

/// Longest symptom text that is taken over from a sender, in characters.
const SUMMARY_CHARS_MAX: usize = 200;
/// Annotations that say what is wrong, best first.
const TEXTS: [&str; 4] = ["summary", "title", "message", "description"];

/// What is wrong, in the sender's words, without the service and the numbers.
#[must_use]
pub fn what(episode: &Episode) -> Cow<'_, str> {
    let alertname = episode.alertname();
    if let (true, Some(rule)) =
        (alertname.starts_with("Datasource"), episode.labels.value("rulename"))
    {
        // Grafana's own alerts carry the annotations of a rule that could not be evaluated.
        let trouble = if alertname == "DatasourceNoData" { "No data for" } else { "Error in" };
        return format!("{trouble} rule {}", one_line(rule, SUMMARY_CHARS_MAX)).into();
    }
    annotated(episode)
        .find(|text| text.chars().any(char::is_alphanumeric))
        .unwrap_or_else(|| headline::spaced(alertname).into())
}

/// The texts of an alert, best first.
pub(super) fn texts(episode: &Episode) -> impl Iterator<Item = &str> {
    TEXTS.into_iter().filter_map(|name| episode.annotations.value(name))
}

/// One line of each text of an alert, best first, without those that are left unfilled.
pub(super) fn annotated(episode: &Episode) -> impl Iterator<Item = Cow<'_, str>> {
    texts(episode).filter_map(line)
}

/// The line of a text that can be shown, unless it is left unfilled.
pub(super) fn line(text: &str) -> Option<Cow<'_, str>> {
    Some(without_dump(text)).filter(|line| !is_leftover(line))
}

/// True for a text in which a template was not filled in: `{{ $value }}`, `<no value>`,
/// `%!f(string=)`, `${labels.pod}`.
pub(super) fn is_leftover(text: &str) -> bool {
    let is_mark = |byte: u8| matches!(byte, b'{' | b'<' | b'[' | b'%' | b'$');
    // Every alert's texts come through here, and most hold none of these.
    if !text.bytes().fold(false, |any, byte| any | is_mark(byte)) {
        return false;
    }
    text.bytes().enumerate().filter(|(_, byte)| is_mark(*byte)).any(|(at, byte)| {
        let (mark, behind) = (&text[at..], &text[at + 1..]);
        let begins = |words: &[&str]| words.iter().any(|word| mark.starts_with(word));
        match byte {
            b'{' => behind.strip_prefix('{').is_some_and(|inner| inner.contains("}}")),
            b'<' => begins(&["<no value>", "<nil>"]),
            b'[' => begins(&["[no value]"]),
            b'%' => behind.strip_prefix('!').is_some_and(is_go_error),
            _ => {
                behind.strip_prefix('{').is_some_and(|inner| inner.contains('}'))
                    || begins(&["$labels.", "$values."])
            }
        }
    })
}

/// True behind the `%!` of what Go's formatting prints for a value that does not fit.
fn is_go_error(behind: &str) -> bool {
    behind.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(') && behind.contains('(')
}

/// One line of an annotation, without the dumps that public rule sets append:
/// ` (instance db-1:9187)`, `VALUE = …`, `LABELS = …`.
fn without_dump(text: &str) -> Cow<'_, str> {
    match folded(text, SUMMARY_CHARS_MAX) {
        Cow::Borrowed(line) => bare(line),
        Cow::Owned(line) => Cow::Owned(bare(&line).into_owned()),
    }
}

fn bare(line: &str) -> Cow<'_, str> {
    let line = dump_start(line).map_or(line, |start| &line[..start]).trim_end();
    let dumped_at = if line.ends_with(')') { line.rfind(" (instance ") } else { None };
    let line = dumped_at.map_or(line, |start| &line[..start]);
    let line = tidied(line.trim_end_matches(['.', ':', ',', ' ']));
    if line.contains(['<', '*']) { Cow::Owned(without_markup(&line)) } else { line }
}

/// Where a dump begins: `VALUE = 7`, `VALUE=7`, `LABELS = map[…]`, `LABELS: …`.
fn dump_start(line: &str) -> Option<usize> {
    let mut marks = line.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':'));
    marks.find_map(|(at, mark)| {
        let head = &line[..at];
        let (head, names) = match mark {
            b'=' => (head.strip_suffix(' ').unwrap_or(head), ["VALUE", "LABELS"].as_slice()),
            _ => (head, ["LABELS"].as_slice()),
        };
        names.iter().find_map(|name| head.strip_suffix(name)).map(str::len)
    })
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
pub(super) fn tidied(text: &str) -> Cow<'_, str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    if !text.bytes().any(|b| b == b'.') {
        return Cow::Borrowed(text);
    }
    let mut tidy = String::new();
    // How much of the text is tidied already, and how much is looked at.
    let (mut done, mut seen) = (0, 0);
    while let Some(distance) = text[seen..].find(|c: char| c.is_ascii_digit()) {
        let start = seen + distance;
        let from = &text[start..];
        let is_begun = text[..start].chars().next_back().is_some_and(|c| is_part(c) || c == '-');
        let length = noisy_number(from).filter(|_| !is_begun);
        seen = start
            + length.unwrap_or_else(|| from.find(|c: char| !is_part(c)).unwrap_or(from.len()));
        let noisy = length.and_then(|length| from[..length].parse::<f64>().ok());
        if let Some(value) = noisy {
            tidy.push_str(&text[done..start]);
            tidy.push_str(&number(value));
            done = seen;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    tidy.push_str(&text[done..]);
    Cow::Owned(tidy)
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
