//! What templates may see and do, and what they may not.

use super::*;
use crate::domain::draft::Template;
use crate::domain::{Facts, Name, Zone};
use crate::timeline::{DraftOptions, compose, examples};

fn file(name: &str, text: &str) -> TemplateFile {
    TemplateFile { name: name.to_owned(), text: text.to_owned() }
}

fn composed(facts: &Facts) -> Draft {
    let template = Template::Own(Name::from("t"));
    let zone = Zone::parse("Africa/Lagos").unwrap();
    compose(facts, &DraftOptions { zone, template, ..DraftOptions::default() })
}

/// What a Markdown template makes of the bookstore's outage.
fn printed(text: &str) -> Result<String, String> {
    let templates = OwnTemplates::read(vec![file("t.md.jinja", text)])
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<String>())?;
    templates
        .print(&composed(&examples::bookstore()), Format::Markdown)
        .map_err(|fault| fault.to_string())
}

#[test]
fn a_template_sees_the_json_draft() {
    for (text, expect) in [
        ("# {{ title }}", "# Http503RateHigh on bookstore-web\n"),
        ("{{ template }} {{ incident }} {{ severity }}", "t 12 critical\n"),
        ("{{ summary.duration_seconds | duration }}", "1h 45m\n"),
        ("{{ measures.time_to_acknowledge.seconds | duration }}", "5m\n"),
        ("{{ summary.started_at | local }}", "2024-06-22 16:15\n"),
        (
            "{{ summary.started_at | local(short=true) }} {{ timezone_label }}",
            "16:15 Africa/Lagos (WAT, UTC+01:00)\n",
        ),
        ("{{ milestones.escalation.at | local(short=true) }}", "17:15\n"),
        ("{{ lead }}|{{ lead | default('nobody', true) }}", "|nobody\n"),
        ("{% for s in services %}\n- {{ s }}\n{% endfor %}", "- bookstore-web\n- bookstore-db\n"),
        ("{{ timeline | length }}", "19\n"),
        ("{{ follows | duration }}{{ follows | local }}{{ follows | url }}", "\n"),
    ] {
        assert_eq!(printed(text).as_deref(), Ok(expect), "{text}");
    }
}

#[test]
fn a_broken_template_is_told_with_file_and_line() {
    for (text, expect) in [
        ("a\n{{ titel }}", "t.md.jinja:2: undefined value"),
        ("a\n\n{% if titel %}{% endif %}", "t.md.jinja:3: undefined value"),
        ("{{ title | shout }}", "t.md.jinja:1: unknown filter"),
        ("{{ title | tojson }}", "t.md.jinja:1: unknown filter"),
        (
            "{{ title | local }}",
            "t.md.jinja:1: invalid operation: local takes one of the draft's times",
        ),
        (
            "{{ title | duration }}",
            "t.md.jinja:1: invalid operation: duration takes a number of seconds",
        ),
        (
            "{{ 1e300 | duration }}",
            "t.md.jinja:1: invalid operation: duration takes a number of seconds",
        ),
        ("{% include 'other.md.jinja' %}", "t.md.jinja:1: template not found"),
        ("{% include '../../etc/passwd' %}", "t.md.jinja:1: template not found"),
        ("{% for %}", "t.md.jinja:1: syntax error"),
    ] {
        let problem = printed(text).unwrap_err();
        assert!(problem.starts_with(expect), "{text}: {problem}");
    }
}

#[test]
fn a_fault_inside_a_part_names_the_part() {
    let files = vec![
        file("t.md.jinja", "a\n{% include '_part.md.jinja' %}"),
        file("_part.md.jinja", "b\nc\n{{ nothing }}"),
    ];
    let templates = OwnTemplates::read(files).unwrap();
    assert_eq!(templates.names().collect::<Vec<_>>(), ["t"]);
    let fault = templates.print(&composed(&examples::bookstore()), Format::Markdown).unwrap_err();
    assert!(fault.to_string().starts_with("_part.md.jinja:3: undefined value"), "{fault}");
}

#[test]
fn templates_of_one_format_do_not_see_those_of_another() {
    let files = vec![
        file("t.md.jinja", "{% include '_part.txt.jinja' %}"),
        file("_part.txt.jinja", "{{ title }}"),
    ];
    let templates = OwnTemplates::read(files).unwrap();
    let fault = templates.print(&composed(&examples::bookstore()), Format::Markdown).unwrap_err();
    assert!(fault.problem.starts_with("template not found"), "{fault}");
}

#[test]
fn work_and_output_are_bounded() {
    let busy = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert_eq!(
        printed(busy).unwrap_err(),
        "t.md.jinja:1: it takes too much work; is a loop in a loop?"
    );
    let long = format!("{{% for a in range(9999) %}}{}{{% endfor %}}", "x".repeat(2_000));
    assert!(printed(&long).unwrap_err().contains("it makes more than"), "too long");
    let deep = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert!(printed(deep).is_err());
    let itself = "{% include 't.md.jinja' %}";
    assert!(printed(itself).is_err());
}

#[test]
fn the_name_of_a_file_says_name_and_format() {
    for (name, expect) in [
        ("ours.md.jinja", Some(("ours", Format::Markdown))),
        ("Our-own_2.html.jinja", Some(("Our-own_2", Format::Html))),
        ("ours.txt.jinja", Some(("ours", Format::Text))),
        ("ours.jinja", None),
        ("ours.json.jinja", None),
        (".md.jinja", None),
        ("two words.md.jinja", None),
        ("a.b.md.jinja", None),
        ("outage-report.md.jinja", None),
    ] {
        let found = meaning(name).ok();
        let found = found.as_ref().map(|(name, format)| (name.as_str(), *format));
        assert_eq!(found, expect, "{name}");
    }
}

/// Text from outside that would be markup in every format.
const HOSTILE: &str = "# <b>x</b> | [a](http://b) **c**\n- d\u{202e}\u{1b}[31m";

#[test]
fn what_a_template_prints_is_harmless_in_its_format() {
    let mut facts = examples::bookstore();
    facts.incident.report.impact = Some(HOSTILE.to_owned());
    facts.incident.report.root_cause = Some(HOSTILE.to_owned());
    let body = "{{ summary.root_cause }}|{{ summary.root_cause | e }}\
                {% set x %}{{ summary.root_cause }}{% endset %}{{ x }}\
                {{ [summary.root_cause] | join(', ') }}{{ [summary.root_cause] }}\
                {{ summary.root_cause ~ 'y' }}{{ summary.root_cause | upper }}\
                {{ summary.root_cause | md | e }}";
    for (ending, format) in ENDINGS {
        let files = vec![file(&format!("t{ending}.jinja"), body)];
        let templates = OwnTemplates::read(files).unwrap();
        let text = templates.print(&composed(&facts), format).unwrap();
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        match format {
            Format::Markdown => {
                assert!(!text.contains("<b>") && !text.starts_with("# "), "{text}");
                assert!(!text.contains(" **c**") && !text.contains(" [a]"), "{text}");
            }
            Format::Html => assert!(!text.contains("<b>"), "{text}"),
            Format::Text | Format::Json => {}
        }
    }
}

#[test]
fn links_lead_to_the_web_only() {
    for (text, expect) in [
        (
            "[x]({{ 'https://a.example/?b=1&c=2)' | url }})",
            "[x](https://a.example/?b=1&amp;c=2%29)\n",
        ),
        ("[x]({{ 'javascript:alert(1)' | url }})", "[x]()\n"),
        ("{% if not 'ftp://a' | url %}none{% endif %}", "none\n"),
    ] {
        assert_eq!(printed(text).as_deref(), Ok(expect), "{text}");
    }
}

#[test]
fn paragraphs_of_a_long_text_can_be_told_apart() {
    let mut facts = examples::bookstore();
    facts.incident.report.root_cause = Some("one\n\ntwo *x*".to_owned());
    let text = "{% for p in summary.root_cause | paragraphs %}\n> {{ p }}\n{% endfor %}";
    let templates = OwnTemplates::read(vec![file("t.md.jinja", text)]).unwrap();
    let printed = templates.print(&composed(&facts), Format::Markdown).unwrap();
    assert_eq!(printed, "> one\n> two \\*x\\*\n");
}

#[test]
fn the_same_draft_gives_the_same_bytes() {
    let text = "{{ measures }}{{ alerts }}{{ milestones | items | list }}";
    assert_eq!(printed(text), printed(text));
    assert!(printed(text).is_ok());
}

#[test]
fn ten_thousand_entries_told_in_full_take_a_part_of_what_a_document_may() {
    let text = "{% for e in timeline %}\n- {{ loop.index }} {{ e.occurred_at | local(short=true) }} \
        {{ e.phase }} {{ e.kind }}: {{ e.text }}{% if e.actor %} ({{ e.actor }}){% endif %} \
        {{ e.service | default('-', true) }} {{ e.count }}\n{% endfor %}";
    let mut draft = composed(&examples::bookstore());
    let entries = draft.timeline.clone();
    draft.timeline = entries.iter().cycle().take(10_000).cloned().collect();
    for (times, is_printed) in [(3, true), (9, false)] {
        let file = file("t.md.jinja", &text.repeat(times));
        let printed = OwnTemplates::read(vec![file]).unwrap().print(&draft, Format::Markdown);
        assert_eq!(printed.is_ok(), is_printed, "{times}: {:?}", printed.err());
    }
}
