//! Snapshots of every format, and what must hold for all of them.

mod structure;

use proptest::prelude::*;

use super::escape::{self, TEXT_CHARS_MAX};
use super::{Format, draft, json, svg};
use crate::domain::draft::{Draft, ShippedTemplate, Template};
use crate::domain::{Facts, Zone};
use crate::timeline::{DraftOptions, compose, examples};

fn composed(facts: &Facts) -> Draft {
    let zone = facts.incident.report.timezone.as_deref().unwrap_or("UTC");
    let zone = Zone::parse(zone).unwrap();
    compose(facts, &DraftOptions { zone, ..DraftOptions::default() })
}

fn printed(facts: &Facts, format: Format) -> String {
    draft(&composed(facts), format)
}

#[test]
fn every_example_prints_as_it_was_reviewed() {
    for (name, facts) in examples::all() {
        insta::assert_snapshot!(format!("{name}.md"), printed(&facts, Format::Markdown));
    }
    for (name, facts) in [
        ("bookstore", examples::bookstore()),
        ("flapping", examples::flapping()),
        ("storm", examples::storm()),
        ("unresolved", examples::unresolved()),
        ("skewed", examples::skewed()),
        ("hostile", examples::hostile()),
        ("many_lanes", examples::many_lanes()),
        ("grafana_values", examples::grafana_values()),
        ("receiver_down", examples::receiver_down()),
    ] {
        insta::assert_snapshot!(format!("{name}.txt"), printed(&facts, Format::Text));
        insta::assert_snapshot!(format!("{name}.html"), printed(&facts, Format::Html));
        insta::assert_snapshot!(format!("{name}.json"), printed(&facts, Format::Json));
        insta::assert_snapshot!(format!("{name}.svg"), svg::lanes(&facts, &Zone::utc()));
    }
}

/// Facts laid out by another template than the default one.
fn laid_out(facts: &Facts, template: ShippedTemplate, format: Format) -> String {
    draft(&Draft { template: Template::Shipped(template), ..composed(facts) }, format)
}

#[test]
fn every_layout_prints_as_it_was_reviewed() {
    for template in ShippedTemplate::ALL.into_iter().skip(1) {
        let printed = laid_out(&examples::ecommerce(), template, Format::Markdown);
        insta::assert_snapshot!(format!("ecommerce-{}.md", template.as_str()), printed);
        let running = laid_out(&examples::unresolved(), template, Format::Text);
        insta::assert_snapshot!(format!("unresolved-{}.txt", template.as_str()), running);
    }
}

#[test]
fn every_layout_tells_all_that_the_records_hold() {
    for (name, facts) in examples::all() {
        let composed = composed(&facts);
        for template in ShippedTemplate::ALL {
            let text = laid_out(&facts, template, Format::Text);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let caveats = composed.caveats.iter().map(|c| &c.text);
            let notes = composed.wrong_leads.iter().chain(&composed.escalations).map(|e| &e.text);
            let actions = composed.actions.iter().map(|a| &a.draft.text);
            for told in caveats.chain(notes).chain(actions) {
                let told = escape::plain(told).split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(text.contains(&told), "{name}, {}: {told} in\n{text}", template.as_str());
            }
        }
    }
}

#[test]
fn no_layout_sends_the_reader_to_a_section_that_it_lacks() {
    for (name, facts) in examples::all() {
        for template in ShippedTemplate::ALL {
            let markdown = laid_out(&facts, template, Format::Markdown);
            let headings: Vec<&str> = markdown.lines().filter(|l| l.starts_with('#')).collect();
            let refers = markdown.contains("see Candidate causes");
            let has = headings.contains(&"## Candidate causes");
            assert!(has || !refers, "{name}, {}: {headings:?}", template.as_str());
            let mut titles = headings.clone();
            titles.retain(|title| title.starts_with("## "));
            titles.sort_unstable();
            let all = titles.len();
            titles.dedup();
            assert_eq!(titles.len(), all, "{name}, {}: {headings:?}", template.as_str());
        }
    }
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    for (name, facts) in examples::all() {
        for format in Format::ALL {
            assert_eq!(printed(&facts, format), printed(&facts.clone(), format), "{name}");
        }
    }
}

/// What a scenario expects to read, in local time.
struct Expect {
    zone: &'static str,
    times: &'static [&'static str],
    lines: &'static [&'static str],
}

#[test]
#[expect(clippy::too_many_lines, reason = "five outages with everything that is expected of them")]
fn the_five_outages_show_every_time_and_length_that_is_expected() {
    let check = |name: &str, facts: &Facts, expect: &Expect| {
        for format in [Format::Markdown, Format::Text, Format::Html] {
            let text = printed(facts, format).split_whitespace().collect::<Vec<_>>().join(" ");
            for needle in expect.times {
                assert!(text.contains(needle), "{name} {format:?} lacks {needle}:\n{text}");
            }
        }
        let text = printed(facts, Format::Markdown);
        assert_eq!(text.matches(expect.zone).count(), 1, "{name}: the zone is named once");
        for line in expect.lines {
            assert!(text.contains(line), "{name} lacks {line}:\n{text}");
        }
    };
    check(
        "bookstore",
        &examples::bookstore(),
        &Expect {
            zone: "UTC (UTC, UTC+00:00)",
            times: &[
                "15:05",
                "15:15",
                "15:17",
                "15:20",
                "15:30",
                "15:45",
                "16:00",
                "16:15",
                "16:20",
                "16:25",
                "16:35",
                "16:45",
                "17:00",
                "2024-06-22 15:15",
                "2024-06-22 17:00",
            ],
            lines: &["**1h 45m**", "(TTA) | **5m**", "Routine update of the replication settings"],
        },
    );
    check(
        "food_delivery",
        &examples::food_delivery(),
        &Expect {
            zone: "Africa/Lagos (WAT, UTC+01:00)",
            times: &[
                "12:00",
                "12:15",
                "12:25",
                "12:50",
                "13:30",
                "14:00",
                "14:30",
                "15:00",
                "15:30",
                "2024-01-30 12:00 (11:00 UTC)",
                "2024-01-30 15:30 (14:30 UTC)",
            ],
            lines: &["**3h 30m**", "(TTD) | **15m**", "(TTA) | **10m**"],
        },
    );
    check(
        "accounts",
        &examples::accounts(),
        &Expect {
            zone: "America/New_York (EST, UTC-05:00)",
            times: &[
                "09:52",
                "10:05",
                "10:10",
                "10:15",
                "10:30",
                "11:00",
                "11:45",
                "12:30",
                "13:00",
                "14:00",
                "2024-03-04 10:00",
                "2024-03-04 14:00",
            ],
            lines: &["**4h**", "(TTD) | **5m**", "(TTA) | **5m**", "(learnt 1h 53m later)"],
        },
    );
    check(
        "ecommerce",
        &examples::ecommerce(),
        &Expect {
            zone: "America/New_York (EDT, UTC-04:00)",
            times: &[
                "10:12", "10:30", "10:35", "10:40", "11:00", "11:20", "11:35", "12:00", "12:15",
                "12:30", "12:45",
            ],
            lines: &["**2h 15m**", "(TTA) | **10m**", "20,000 (80%)"],
        },
    );
    check(
        "replication",
        &examples::replication(),
        &Expect {
            zone: "UTC (UTC, UTC+00:00)",
            times: &[
                "07-29 09:00",
                "07-29 09:20",
                "07-29 09:30",
                "07-29 14:00",
                "08-02 10:00",
                "08-03 22:00",
                "08-04 03:30",
                "08-04 03:45",
                "08-04 04:30",
            ],
            lines: &["**5d 19h 30m**", "(TTA) | **not recorded**"],
        },
    );
}

#[test]
fn a_change_of_the_offset_is_pointed_out() {
    let text = printed(&examples::daylight_saving(), Format::Markdown);
    for needle in ["(EST, UTC-05:00)", "UTC-04:00", "Clocks go forward by 1h", "03:05 EDT"] {
        assert!(text.contains(needle), "{needle}:\n{text}");
    }
}

#[test]
fn links_to_scribed_are_relative_unless_its_address_is_known() {
    let facts = examples::bookstore();
    assert!(printed(&facts, Format::Markdown).contains("[12](/incidents/12)"));
    let external_url = Some("https://scribed.example.test/".to_owned());
    let options = DraftOptions { external_url, ..DraftOptions::default() };
    let text = draft(&compose(&facts, &options), Format::Markdown);
    assert!(text.contains("[12](https://scribed.example.test/incidents/12)"), "{text}");
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let facts = examples::bookstore();
    let has = |value: &serde_json::Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(value.get(field).is_some(), "{field} is not in {value:#}");
        }
    };
    has(
        &json::incident(&facts.incident),
        "id title state status severity services started_at detected_at notified_at \
         acknowledged_at mitigated_at resolved_at timezone alerts merged_into follows revision \
         impact root_cause resolution lead actions",
    );
    has(
        &json::alert(&facts.members[0]),
        "id namespace fingerprint sources labels annotations starts_at ends_at status received_at \
         kind severity service incident context_of reason deliveries links",
    );
    has(
        &json::change(&facts.changes[0]),
        "id key at ends_at received_at kind service summary author link labels",
    );
    let draft = json::draft(&composed(&facts));
    has(
        &draft,
        "incident revision template timezone title status summary milestones measures timeline \
         wrong_leads escalations actions suggestions alerts context caveats todo candidate_causes",
    );
    has(&draft["summary"], "started_at ended_at duration_seconds impact root_cause");
    has(
        &draft["timeline"][0],
        "id occurred_at ended_at received_at kind phase text actor service provenance count links pinned",
    );
    has(&draft["measures"]["duration"], "state seconds formula from to");
    has(&draft["milestones"]["onset"], "state at provenance entry");
    assert_eq!(draft["summary"]["duration_seconds"], 6300);
    assert_eq!(draft["measures"]["time_to_acknowledge"]["seconds"], 300);
}

#[test]
fn an_unknown_end_is_no_end_in_json() {
    let facts = examples::skewed();
    let unknown = facts.members.iter().map(json::alert).find(|a| a["status"] == "unknown").unwrap();
    assert!(unknown["ends_at"].is_null(), "{unknown:#}");
    assert!(unknown["last_known_firing_at"].is_string(), "{unknown:#}");
}

#[test]
fn the_chart_stays_whole_with_two_hundred_lanes() {
    let mut story = examples::Story::new("2026-03-04", "Everything at once");
    for service in 0..200 {
        let severity = crate::domain::Severity::Warning;
        story.alert("Slow", &format!("service-{service}"), severity, "02:00").ended("02:30");
    }
    let chart = svg::lanes(&story.resolved("03:00"), &Zone::utc());
    assert_eq!(chart.matches("<rect class=\"warning\"").count(), 200);
    assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
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
    facts.context[0].reason.clone_from(&text);
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

#[test]
fn a_draft_that_still_runs_on_another_day_shows_dates() {
    let mut facts = examples::unresolved();
    let began = facts.members[0].starts_at();
    facts.incident.as_of = began + crate::domain::Span::from_hours(24 * 30);
    let draft = crate::timeline::compose(&facts, &DraftOptions::default());
    let row = super::draft(&draft, Format::Markdown);
    let date = began.to_string()[..10].to_owned();
    assert!(row.contains(&format!("| 1 | {date} ")), "{row}");
}

/// So many different alerts on so many services, each on its own.
fn crowd(number: u32) -> Facts {
    let mut story = examples::Story::new("2026-03-04", "Everything at once");
    for n in 0..number {
        let (hour, minute, second) = (2 + n / 3600 % 20, n / 60 % 60, n % 60);
        let start = format!("{hour:02}:{minute:02}:{second:02}");
        let severity = crate::domain::Severity::Warning;
        let service = format!("service-{}", n % 977);
        story.alert(&format!("Alert{n}"), &service, severity, &start).ended("23:30");
    }
    story.resolved("23:45")
}

#[test]
fn what_people_did_does_not_drown_among_thousands_of_alerts() {
    let mut facts = crowd(1_000);
    let note = examples::bookstore().incident.notes.swap_remove(0);
    facts.incident.notes = vec![note];
    let text = printed(&facts, Format::Markdown);
    let table: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(table.len() < 700, "{}", table.len());
    assert!(table.iter().any(|row| row.contains(&facts.incident.notes[0].text)));
    assert!(text.contains("<details><summary>1799 more entries of single alerts"), "{text}");
    assert_eq!(text.matches("- Row ").count(), 1799);
}

#[test]
fn an_end_that_nobody_reported_gives_a_least_length() {
    let facts = examples::skewed();
    let text = printed(&facts, Format::Text);
    assert!(text.contains("It lasted at least "), "{text}");
    let json = json::draft(&composed(&facts));
    assert_eq!(json["measures"]["duration"]["at_least"], true);
    let reported = json::draft(&composed(&examples::bookstore()));
    assert_eq!(reported["measures"]["duration"]["at_least"], false);
}

#[test]
fn the_parts_of_an_incident_are_shaded_and_described() {
    let chart = svg::lanes(&examples::food_delivery(), &Zone::utc());
    for part in ["undetected 11:00–11:15 (15m)", "until mitigated", "until resolved"] {
        assert!(chart.contains(part), "{part}: {chart}");
    }
    assert_eq!(chart.matches("band\"").count(), 3, "{chart}");
}

#[test]
fn what_only_happened_meanwhile_is_no_answer() {
    let mut facts = examples::ecommerce();
    let (detected, over) =
        (facts.members[0].starts_at(), facts.incident.tally.last_end.unwrap().at);
    let minutes = crate::domain::Span::from_minutes;
    let mut change = facts.changes[0].clone();
    for (number, at, service, summary) in [
        (91, detected + minutes(20), "mail", "Elsewhere"),
        (92, detected + minutes(20), "shop-db", "An answer"),
        (93, over + minutes(5), "shop-db", "Too late"),
    ] {
        change.id = crate::domain::ChangeId(number);
        change.report.at = at;
        change.report.service = Some(service.into());
        change.report.summary = summary.to_owned();
        facts.changes.push(change.clone());
    }
    // What was changed between the first sign and the detection answers nothing either.
    facts.members[0].starts[0].at = detected - minutes(30);
    facts.members[0].severity = crate::domain::Severity::Warning;
    facts.incident.tally.first.as_mut().unwrap().at = detected - minutes(30);
    let markdown = printed(&facts, Format::Markdown);
    let (story, rest) = markdown.split_once("## Root cause and resolution").unwrap();
    let (answers, _) = rest.split_once("## Wrong leads").unwrap();
    for summary in ["Elsewhere", "Too late", "Replication parameter changed"] {
        assert!(story.contains(summary), "{summary} in {story}");
        assert!(!answers.contains(summary), "{summary} in {answers}");
    }
    assert!(answers.contains("An answer"), "{answers}");
}
