//! Snapshots of every format, and what must hold for all of them.

mod escaping;
mod sentences;
mod structure;

use super::{Format, draft, escape, json, svg};
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
    assert!(text.contains("<details><summary>1776 more entries of single alerts"), "{text}");
    assert_eq!(text.matches("- Row ").count(), 1776);
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
        (92, detected + minutes(50), "shop-db", "An answer"),
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

#[test]
fn a_draft_is_written_as_its_value_is() {
    for (name, facts) in examples::all() {
        let draft = composed(&facts);
        assert_eq!(json::draft_text(&draft), format!("{:#}\n", json::draft(&draft)), "{name}");
    }
}

#[test]
fn an_incident_in_which_nothing_fires_any_more_does_not_run() {
    let mut facts = examples::bookstore();
    facts.incident.state = crate::domain::IncidentState::Acknowledged;
    let markdown = printed(&facts, Format::Markdown);
    let length = "the last alert ended at 2024-06-22 17:00, after 1h 45m.";
    assert!(markdown.contains("**Still open**") && markdown.contains(length), "{markdown}");
    facts.members[0].end = None;
    let markdown = printed(&facts, Format::Markdown);
    assert!(markdown.contains("**Still running**") && !markdown.contains(length), "{markdown}");
}
