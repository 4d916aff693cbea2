//! No text from outside forges structure: every format is read by a parser that is not ours, once
//! with hostile text in every place and once with a harmless word there, and both must have the
//! same headings, tables, rows, links and elements.

use html5gum::{Token, Tokenizer};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::super::{Format, svg};
use super::laid_out;
use crate::domain::draft::ShippedTemplate;
use crate::domain::incident::{Caveat, CaveatKind, Similar};
use crate::domain::{Facts, IncidentId, Labels, Link, Name, Zone};
use crate::timeline::examples;

/// What has been used against renderers of Markdown, HTML, SVG, terminals and spreadsheets.
const FRAGMENTS: &[&str] = &[
    "# Heading",
    "## Timeline",
    "Heading\n===",
    "Heading\n---",
    "\n\n",
    "\r\n",
    "\u{2028}",
    "\u{b}",
    "- item",
    "* item",
    "+ item",
    "1. item",
    "1) item",
    "- [ ] task",
    "> quote",
    "    code",
    "\t",
    "```",
    "~~~",
    "`code`",
    "``",
    "| a | b |",
    "|---|---|",
    "\n| --- |\n",
    "\\|",
    "\\",
    "***bold***",
    "__bold__",
    "_i_",
    "~~gone~~",
    "[link](http://evil.example)",
    "[link]: http://evil.example",
    "[link][ref]",
    "![image](http://evil.example/p.png)",
    "[x](javascript:alert(1))",
    "](http://evil.example)",
    "<http://evil.example>",
    "<mailto:a@evil.example>",
    "www.evil.example",
    "mailto:a@evil.example",
    "javascript:alert(1)",
    "[^1]",
    "[^1]: note",
    "$x$",
    "$$x$$",
    "{{7*7}}",
    "{% raw %}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml?>",
    "</td></tr></table>",
    "</summary></details>",
    "</style><svg onload=alert(1)>",
    "</title>",
    "</desc>",
    "\" onmouseover=\"alert(1)",
    "' x='",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "&amp;",
    "&",
    "&#x202e;",
    "&nbsp;",
    "@everyone",
    ":boom:",
    "\u{202e}drow\u{202c}",
    "\u{200b}",
    "\u{feff}",
    "\u{0}",
    "\u{1b}[31m",
    "\u{1b}]0;title\u{7}",
    "\u{9b}2J",
    "=HYPERLINK(\"http://evil.example\")",
    "<details><summary>",
    "<br>",
    "  \n",
    "\\\n",
    "---",
    "***",
    "===",
    ":::",
    "\u{e0041}",
    "e\u{301}",
    "日本語",
];

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,6}",
    ];
    let joint = prop::sample::select(&["", " ", "\n", "a"][..]);
    prop::collection::vec((part, joint), 1..6).prop_map(|parts| {
        let text: String = parts.iter().flat_map(|(part, joint)| [part.as_str(), joint]).collect();
        // Something to read is left, so that nothing falls away as blank in one of the two.
        format!("{text}zzz")
    })
}

/// An outage with a text wherever a stranger could have put one.
fn told_with(text: &str) -> Facts {
    let mut facts = examples::bookstore();
    let words = || text.to_owned();
    let incident = &mut facts.incident;
    incident.title = words();
    let report = &mut incident.report;
    report.title = None;
    (report.lead, report.timezone) = (Some(words()), None);
    // Paragraphs are a structure that a person may give to a long text, and are told apart.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    report.impact = Some(flat.clone());
    report.root_cause = Some(flat.clone());
    report.resolution = Some(flat);
    for note in &mut incident.notes {
        (note.text, note.author) = (words(), Some(words()));
    }
    for action in &mut incident.actions {
        let draft = &mut action.draft;
        (draft.text, draft.owner, draft.due) = (words(), Some(words()), Some(words()));
        draft.link = Some(words());
    }
    for event in &mut incident.lifecycle {
        event.actor = event.actor.as_ref().map(|_| words());
    }
    for candidate in &mut incident.candidates {
        (candidate.summary, candidate.why) = (words(), vec![words()]);
    }
    incident.tally.services = vec![Name::new(text)];
    incident.caveats = vec![Caveat {
        kind: CaveatKind::Skipped,
        at: incident.as_of,
        until: None,
        recorded_at: incident.as_of,
        text: words(),
    }];
    incident.similar = vec![Similar {
        incident: IncidentId(3),
        title: words(),
        started_at: None,
        ended_at: None,
        score: 0.5,
        why: vec![words()],
        resolution: Some(words()),
        root_cause: Some(words()),
        mitigation: None,
    }];
    for episode in &mut facts.members {
        let instance = episode.labels.value("instance").unwrap_or("i").to_owned();
        let pairs = [("alertname", text), ("job", text), ("instance", instance.as_str())];
        episode.labels = Labels::from_pairs(pairs);
        let pairs = [("summary", text), ("value", text), ("runbook_url", text)];
        episode.annotations = Labels::from_pairs(pairs);
        episode.service = Some(Name::new(text));
        episode.reason = words().into();
        episode.links = vec![Link { rel: Name::from("generator"), url: text.into() }];
        episode.sources = vec![Name::new(text)];
    }
    for change in &mut facts.changes {
        let report = &mut change.report;
        (report.summary, report.author) = (words(), Some(words()));
        (report.link, report.service) = (Some(words()), Some(Name::new(text)));
    }
    facts
}

/// The blocks, links and marks of a Markdown text, without the words.
fn markdown_structure(text: &str) -> Vec<String> {
    let mut options = Options::all();
    // Dashes and quotes are words, and a caret raises nothing on GitHub and GitLab.
    options.remove(Options::ENABLE_SMART_PUNCTUATION | Options::ENABLE_SUPERSCRIPT);
    Parser::new_ext(text, options)
        .filter_map(|event| match event {
            Event::Text(_) | Event::SoftBreak => None,
            Event::Start(Tag::Link { dest_url, .. }) => Some(format!("link {dest_url}")),
            Event::Start(Tag::Heading { level, .. }) => Some(format!("heading {level}")),
            // Our own folds; what they hold is HTML.
            Event::Html(html) | Event::InlineHtml(html) => {
                Some(format!("html {:?}", html_structure(&html)))
            }
            other => Some(format!("{other:?}")),
        })
        .collect()
}

/// The tags of an HTML text with the names of their attributes and where links lead.
fn html_structure(text: &str) -> Vec<String> {
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Tokenizer::new(text)
        .filter_map(|token| match token.unwrap() {
            Token::String(_) | Token::Doctype(_) => None,
            Token::StartTag(tag) => {
                let attributes = tag.attributes.iter().map(|(name, value)| {
                    match read(name).as_str() {
                        // Whether a column is narrow depends on its words.
                        "class" => "class".to_owned(),
                        "href" => format!("href={}", read(value)),
                        name => name.to_owned(),
                    }
                });
                let is_cell = ["td", "th"].contains(&read(&tag.name).as_str());
                let attributes: Vec<String> =
                    attributes.filter(|name| !is_cell || name != "class").collect();
                let end = if tag.self_closing { "/>" } else { ">" };
                Some(format!("<{} {attributes:?}{end}", read(&tag.name)))
            }
            Token::EndTag(tag) => Some(format!("</{}>", read(&tag.name))),
            other => Some(format!("{other:?}")),
        })
        .collect()
}

/// The elements of an XML text with the names of their attributes.
fn xml_structure(text: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(text).unwrap();
    let name = |node: roxmltree::Node<'_, '_>| {
        let attributes: Vec<&str> = node.attributes().map(|a| a.name()).collect();
        format!("{} {attributes:?}", node.tag_name().name())
    };
    document.descendants().filter(|node| !node.is_text()).map(name).collect()
}

/// The rules under headings and the marks of lists.
fn text_structure(text: &str) -> Vec<String> {
    let marks = ["- ", "  - ", "[ ] ", "[x] "];
    text.lines()
        .filter_map(|line| {
            let is_rule = line.len() > 2 && line.chars().all(|c| c == '=' || c == '-');
            let mark = marks.iter().find(|mark| line.starts_with(**mark));
            if is_rule { Some(line[..1].to_owned()) } else { mark.map(|m| (*m).to_owned()) }
        })
        .collect()
}

fn check(text: &str, layout: ShippedTemplate) {
    let (bad, good) = (told_with(text), told_with("wordzzz"));
    let both = |format| (laid_out(&bad, layout, format), laid_out(&good, layout, format));
    let (markdown, expect) = both(Format::Markdown);
    assert_eq!(markdown_structure(&markdown), markdown_structure(&expect), "{text:?}\n{markdown}");
    let (html, expect) = both(Format::Html);
    assert_eq!(html_structure(&html), html_structure(&expect), "{text:?}\n{html}");
    let (plain, expect) = both(Format::Text);
    assert_eq!(text_structure(&plain), text_structure(&expect), "{text:?}\n{plain}");
    let (chart, expect) = (svg::lanes(&bad, &Zone::utc()), svg::lanes(&good, &Zone::utc()));
    assert_eq!(xml_structure(&chart), xml_structure(&expect), "{text:?}\n{chart}");
    let json: serde_json::Value =
        serde_json::from_str(&laid_out(&bad, layout, Format::Json)).unwrap();
    assert_eq!(json["timeline"].as_array().map(Vec::len), Some(good_rows(&good, layout)));
    for text in [&markdown, &html, &plain, &chart] {
        let is_steering = |c: char| c.is_control() && c != '\n';
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(|c| is_steering(c) || turns(c)), "{text:?}");
    }
}

fn good_rows(facts: &Facts, layout: ShippedTemplate) -> usize {
    let json: serde_json::Value =
        serde_json::from_str(&laid_out(facts, layout, Format::Json)).unwrap();
    json["timeline"].as_array().unwrap().len()
}

#[test]
fn every_known_trick_stays_text_in_every_format() {
    for fragment in FRAGMENTS {
        check(&format!("{fragment}zzz"), ShippedTemplate::OutageReport);
        check(&format!("{fragment} zzz"), ShippedTemplate::OutageReport);
        check(&format!("a\n{fragment}\nzzz"), ShippedTemplate::Atlassian);
    }
}

#[test]
fn every_chart_is_xml_and_every_page_is_html() {
    for (name, facts) in examples::all() {
        let chart = svg::lanes(&facts, &Zone::utc());
        let document = roxmltree::Document::parse(&chart).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg", "{name}");
        for part in ["title", "desc"] {
            let is_part = |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == part;
            assert!(root.children().any(|node| is_part(&node)), "{name} has no {part}");
        }
        let page = html_structure(&laid_out(&facts, ShippedTemplate::PagerDuty, Format::Html));
        let mut open: Vec<&str> = Vec::new();
        for tag in &page {
            let name = tag.trim_start_matches(['<', '/']).split([' ', '>']).next().unwrap();
            assert!(!tag.starts_with("Error"), "{tag}");
            if tag.starts_with("</") {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with("/>") && name != "meta" {
                open.push(name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_mixture_of_tricks_forges_structure(text in hostile(), layout in 0..4usize) {
        check(&text, ShippedTemplate::ALL[layout]);
    }
}
