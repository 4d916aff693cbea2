//! What becomes of text from outside: plain words stay readable, and nothing structural is left.
//! `structure` holds whole documents against parsers that are not ours.

use proptest::prelude::*;

use super::super::escape::{self, TEXT_CHARS_MAX};
use super::super::report::Block;
use super::super::{Format, markdown, svg};
use super::printed;
use crate::domain::{Facts, Zone};
use crate::timeline::examples;

#[test]
fn a_heading_keeps_the_number_that_it_begins_with() {
    let heading = Block::Heading(1, "1. shop-web is down".to_owned());
    assert_eq!(markdown::print(&[heading]), "# 1. shop-web is down\n");
}

#[test]
fn only_web_addresses_become_links() {
    let check = |address: &str, expect: Option<&str>| {
        assert_eq!(escape::url(address).as_ref().map(escape::Escaped::as_str), expect, "{address}");
    };
    check("http://a.example.test:9090/g?x=1&y=2", Some("http://a.example.test:9090/g?x=1&y=2"));
    check("HTTPS://a/", Some("https://a/"));
    check("http://a/(x)[y]<z>\"'", Some("http://a/%28x%29%5By%5D%3Cz%3E%22%27"));
    check("http://[::1]:9090/x", Some("http://[::1]:9090/x"));
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil",
        "http:/x",
        "http://",
        "ftp://a/x",
        "http://good@evil/",
        "http://a b/",
        "http://a/\u{202e}x",
        "mailto:a@b",
        "",
    ] {
        check(bad, None);
    }
}

#[test]
fn markdown_keeps_plain_words_readable_and_disarms_the_rest() {
    let check = |text: &str, expect: &str| {
        assert_eq!(escape::markdown(text).as_str(), expect, "{text:?}");
    };
    check("about 85% of users (est.), A & B - c", "about 85% of users (est.), A & B - c");
    check("snake_case_name and _emphasis_", "snake_case_name and \\_emphasis\\_");
    check("see http://a.example.test/x", "see http://a.example.test/x");
    check("a | b", "a \\| b");
    check("&amp; <b>", "&amp;amp; &lt;b&gt;");
    check("[x](http://evil)", "\\[x\\]\\(http://evil)");
    check("ping @dana at a@b.test", "ping @&#8203;dana at a@&#8203;b.test");
    check(":boom: at 12:30:45", ":&#8203;boom: at 12:30:45");
    check("ftp://x mailto:y", "ftp:&#8203;//x mailto:&#8203;y");
    check("line\r\n\r\n## Timeline", "line \\#\\# Timeline");
    check("a\u{202e}b\u{200b}c\u{1b}[31m", "abc\\[31m");
    assert_eq!(escape::markdown_block("1. one").as_str(), "1\\. one");
    // A template may go on with a blank.
    assert_eq!(escape::markdown_block("1)").as_str(), "1\\)");
    assert_eq!(escape::markdown_block("18.3% fail").as_str(), "18.3% fail");
    assert_eq!(escape::markdown_block("- [ ] x").as_str(), "\\- \\[ \\] x");
}

#[test]
fn long_text_is_cut_and_says_so() {
    let text = escape::plain(&"x".repeat(TEXT_CHARS_MAX + 1)).into_owned();
    assert_eq!(text.chars().count(), TEXT_CHARS_MAX);
    assert!(text.ends_with('…'));
}

/// Text as an attacker would choose it: arbitrary, and rich in markup.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "|",
        "\n",
        "\r\n",
        "# ",
        "- ",
        "1. ",
        "```",
        "`",
        "*",
        "_",
        "~~",
        "[x](y)",
        "![i](z)",
        "<b>",
        "</td>",
        "<!--",
        "-->",
        "&lt;",
        "\\",
        "\u{202e}",
        "\u{200b}",
        "\u{1b}[0m",
        "@a",
        ":+1:",
        "http://x",
        "javascript:",
        "---",
        "===",
        "> ",
        "| --- |",
        "a",
        " ",
        "\u{2028}",
        "\u{85}",
        "\"",
        "'",
        "$x$",
        "{{x}}",
        "\t",
        "\u{e0041}",
        "é",
        "漢",
    ]);
    let mixed = prop::collection::vec(
        prop_oneof![pieces.prop_map(str::to_owned), any::<char>().prop_map(String::from)],
        0..40,
    );
    mixed.prop_map(|parts| parts.concat())
}

/// The kinds of lines of a Markdown document, with the number of cells of table rows.
fn skeleton(markdown: &str) -> Vec<String> {
    let shape = |line: &str| {
        let mut bars = 0;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    chars.next();
                }
                '|' => bars += 1,
                _ => {}
            }
        }
        let marks: String =
            line.chars().take_while(|c| matches!(c, '#' | '-' | '>' | '+' | '=' | '`')).collect();
        let number = line.starts_with(|c: char| c.is_ascii_digit());
        let tags = line.matches('<').count();
        format!("{marks} {number} {bars} {tags} {}", line.is_empty())
    };
    markdown.lines().map(shape).collect()
}

/// The bookstore with one text everywhere that text comes from outside.
fn saying(text: &str) -> Facts {
    let mut facts = examples::bookstore();
    let text = format!("x{text}");
    facts.incident.title.clone_from(&text);
    facts.incident.report.lead = Some(text.clone());
    facts.incident.notes[0].text.clone_from(&text);
    facts.incident.notes[0].author = Some(text.clone());
    facts.incident.notes[2].text.clone_from(&text);
    facts.incident.actions[0].draft.text.clone_from(&text);
    facts.incident.actions[0].draft.owner = Some(text.clone());
    facts.incident.candidates[0].summary.clone_from(&text);
    facts.incident.candidates[0].why = vec![text.clone()];
    facts.changes[0].report.summary.clone_from(&text);
    facts.changes[0].report.author = Some(text.clone());
    facts.changes[0].report.link = Some(text.clone());
    let pairs = [("alertname", text.as_str()), ("instance", text.as_str())];
    facts.members[0].labels = crate::domain::Labels::from_pairs(pairs);
    facts.members[0].annotations = crate::domain::Labels::from_pairs([("summary", text.as_str())]);
    facts.context = vec![facts.members[2].clone()];
    facts.context[0].reason = text.as_str().into();
    facts
}

fn is_invisible(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_changes_the_structure_of_a_document(text in nasty()) {
        let (benign, facts) = (saying("y"), saying(&text));
        let markdown = |facts| printed(facts, Format::Markdown);
        prop_assert_eq!(skeleton(&markdown(&facts)), skeleton(&markdown(&benign)));
        let tags = |facts| printed(facts, Format::Html).matches('<').count();
        prop_assert_eq!(tags(&facts), tags(&benign));
        for format in [Format::Markdown, Format::Html, Format::Text] {
            prop_assert!(!printed(&facts, format).chars().any(is_invisible));
        }
        let chart = svg::lanes(&facts, &Zone::utc());
        prop_assert_eq!(chart.matches('<').count(), svg::lanes(&benign, &Zone::utc()).matches('<').count());
    }

    #[test]
    fn escaped_text_holds_nothing_structural(text in nasty()) {
        let html = escape::html(&text).to_string();
        prop_assert!(!html.contains(['<', '>', '"', '\'']));
        let plain = escape::plain(&text);
        prop_assert!(!plain.chars().any(|c| is_invisible(c) || c == '\n'));
        prop_assert_eq!(escape::plain(&plain).into_owned(), plain.clone().into_owned());
        let markdown = escape::markdown(&text).to_string();
        let mut chars = markdown.chars();
        while let Some(c) = chars.next() {
            if c == '\\' {
                prop_assert!(chars.next().is_some_and(|c| c.is_ascii_punctuation()));
            } else {
                prop_assert!(!matches!(c, '`' | '*' | '[' | ']' | '|' | '~' | '<' | '>' | '$' | '\n'), "{}", markdown);
            }
        }
    }

    #[test]
    fn durations_and_numbers_never_panic(nanos in any::<i64>(), value in any::<f64>()) {
        let span = crate::domain::Span::from_nanos(nanos);
        prop_assert!(!crate::timeline::words::duration(span).is_empty());
        prop_assert!(!crate::timeline::words::number(value).is_empty());
    }
}
