//! What must hold for timelines and drafts, whatever the facts are.

mod crowds;

use std::collections::BTreeSet;

use super::{DraftOptions, collapse, compose, entries, examples, words};
use crate::domain::Facts;
use crate::domain::draft::{Draft, Section};
use crate::domain::facts::Revision;
use crate::domain::incident::NoteKind;
use crate::domain::incident::{CaveatKind, Finalised, NoteVersion, Withdrawal};
use crate::domain::timeline::{Edge, Entry, EntryId, EntryKind, Phase, Provenance};

fn draft(facts: &Facts) -> Draft {
    compose(facts, &DraftOptions::default())
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.text.as_str()).collect()
}

fn find<'a>(entries: &'a [Entry], needle: &str) -> &'a Entry {
    let found = entries.iter().find(|entry| entry.text.contains(needle));
    found.unwrap_or_else(|| panic!("no entry says {needle:?} in {:#?}", texts(entries)))
}

#[test]
fn entries_are_in_order_and_their_ids_are_unique() {
    for (name, facts) in examples::all() {
        let all = entries(&facts);
        let key = |entry: &Entry| (entry.occurred_at, entry.phase);
        assert!(all.is_sorted_by_key(key), "{name}");
        assert!(collapse(all.clone()).is_sorted_by_key(key), "{name} folded");
        let ids: BTreeSet<&EntryId> = all.iter().map(|entry| &entry.id).collect();
        assert_eq!(ids.len(), all.len(), "{name}");
    }
}

#[test]
fn the_order_in_which_facts_are_listed_does_not_matter() {
    for (name, facts) in examples::all() {
        let mut turned = facts.clone();
        turned.changes.reverse();
        turned.incident.notes.reverse();
        assert_eq!(entries(&turned), entries(&facts), "{name}");
    }
}

#[test]
fn folding_loses_no_row() {
    for (name, facts) in examples::all() {
        let all = entries(&facts);
        let folded = collapse(all.clone());
        let rows = folded.iter().flat_map(|entry| {
            if entry.rows.is_empty() { std::slice::from_ref(entry) } else { &entry.rows }
        });
        let mut ids: Vec<EntryId> = rows.map(|row| row.id.clone()).collect();
        let mut expect: Vec<EntryId> = all.iter().map(|entry| entry.id.clone()).collect();
        ids.sort();
        expect.sort();
        assert_eq!(ids, expect, "{name}");
    }
}

#[test]
fn every_milestone_and_measure_points_at_an_entry_of_the_draft() {
    for (name, facts) in examples::all() {
        let draft = draft(&facts);
        let ids: BTreeSet<&EntryId> = draft.timeline.iter().map(|entry| &entry.id).collect();
        let milestones = draft.milestones.iter().filter_map(|m| m.entry.as_ref());
        let measures = draft.measures.iter().flat_map(|m| [m.from.as_ref(), m.to.as_ref()]);
        for id in milestones.chain(measures.flatten()) {
            assert!(ids.contains(id), "{name}: {id} is not among {ids:?}");
        }
    }
}

#[test]
fn a_storm_is_one_entry_with_all_its_rows() {
    let timeline = collapse(entries(&examples::storm()));
    let fold = find(&timeline, "HighErrorRate fired on 14 pods of checkout");
    assert_eq!((fold.count, fold.rows.len()), (14, 14));
    assert_eq!(fold.phase, Phase::Detection);
    assert_eq!(fold.ended_at, Some(fold.rows[13].occurred_at));
    let end = find(&timeline, "checkout recovered: HighErrorRate ended on 14 pods");
    assert_eq!((end.count, end.phase), (14, Phase::Recovery));
    assert!(timeline.len() < 8, "{:#?}", texts(&timeline));
}

#[test]
fn a_flap_is_one_entry_with_the_count_and_its_recovery_stays_outside() {
    let timeline = collapse(entries(&examples::flapping()));
    let fold = find(&timeline, "DiskPressure on orders-db fired 6 times");
    assert_eq!(fold.count, 6);
    let starts = fold.rows.iter().filter_map(|row| row.signal.as_ref());
    assert_eq!(starts.filter(|signal| signal.edge == Edge::Start).count(), 6);
    find(&timeline, "orders-db recovered");
}

#[test]
fn two_firings_far_apart_are_no_flap() {
    let mut story = examples::Story::new("2026-03-04", "x");
    for (start, end) in [("01:00", "01:05"), ("03:00", "03:05"), ("05:00", "05:05")] {
        let severity = crate::domain::Severity::Critical;
        story.alert("Slow", "api", severity, start).ended(end);
    }
    let timeline = collapse(entries(&story.resolved("06:00")));
    assert!(timeline.iter().all(|entry| entry.rows.is_empty()), "{:#?}", texts(&timeline));
    find(&timeline, "Again: Slow");
}

#[test]
fn no_recovery_is_claimed_where_none_was_seen() {
    for facts in [examples::unresolved(), examples::skewed()] {
        for entry in entries(&facts).iter().filter(|entry| entry.kind == EntryKind::Caveat) {
            assert_ne!(entry.phase, Phase::Recovery, "{}", entry.text);
        }
    }
    let all = entries(&examples::skewed());
    assert!(texts(&all).iter().all(|text| !text.contains("worker recovered")));
    let lease = find(&all, "LeaseOnly on api ended");
    assert_eq!(lease.provenance, Provenance::Inferred);
    let kinds: Vec<CaveatKind> =
        draft(&examples::skewed()).caveats.iter().map(|caveat| caveat.kind).collect();
    for kind in [CaveatKind::EndUnknown, CaveatKind::ImpossibleTime, CaveatKind::Late] {
        assert!(kinds.contains(&kind), "{kind:?} not in {kinds:?}");
    }
}

#[test]
fn what_was_learnt_late_says_so_and_by_how_much() {
    find(&entries(&examples::accounts()), "without approval (learnt 1h 53m later)");
    let all = entries(&examples::bookstore());
    assert!(texts(&all).iter().all(|text| !text.contains("later)")), "{:#?}", texts(&all));
}

#[test]
fn an_import_is_one_caveat_and_not_a_mark_on_every_line() {
    let mut facts = examples::bookstore();
    let later = crate::domain::Span::from_hours(24 * 300);
    for episode in &mut facts.members {
        episode.received_at = episode.received_at + later;
    }
    for note in &mut facts.incident.notes {
        note.received_at = note.received_at + later;
    }
    let all = entries(&facts);
    assert!(texts(&all).iter().all(|text| !text.contains("later)")), "{:#?}", texts(&all));
    let caveats = draft(&facts).caveats;
    assert!(caveats.iter().any(|caveat| caveat.text.contains("imported")), "{caveats:#?}");
}

#[test]
fn long_silence_is_an_entry_only_while_something_fires() {
    let all = entries(&examples::replication());
    let gap = find(&all, "Nothing new was recorded for 3d 20h, while 2 alerts kept firing");
    assert_eq!(gap.kind, EntryKind::Caveat);
    let mut facts = examples::replication();
    for episode in &mut facts.members {
        episode.end.as_mut().unwrap().at = episode.starts_at();
    }
    assert!(texts(&entries(&facts)).iter().all(|text| !text.contains("Nothing new was recorded")));
}

#[test]
fn withdrawn_and_hidden_notes_are_left_out() {
    let mut facts = examples::bookstore();
    let notes = entries(&facts).iter().filter(|e| e.kind == EntryKind::Note).count();
    facts.incident.notes[0].hidden = true;
    facts.incident.notes[1].withdrawn = Some(Withdrawal { at: facts.incident.as_of, by: None });
    assert_eq!(entries(&facts).iter().filter(|e| e.kind == EntryKind::Note).count(), notes - 2);
}

#[test]
fn a_corrected_note_shows_how_it_stood_before() {
    let mut facts = examples::bookstore();
    let as_of = facts.incident.as_of;
    let note = &mut facts.incident.notes[3];
    let version = |text: &str, kind| NoteVersion {
        text: text.to_owned(),
        kind,
        at: note.at,
        corrected_at: as_of,
        corrected_by: Some("dana".to_owned()),
    };
    let text = note.text.clone();
    note.history = vec![
        version("Database team caled", NoteKind::Observation),
        version(&text, NoteKind::Observation),
    ];
    let id = EntryId::note(note.id);
    let all = entries(&facts);
    let entry = all.iter().find(|entry| entry.id == id).unwrap();
    let words: Vec<String> =
        entry.corrections.iter().map(|c| c.words(|at| at.to_string()[11..16].to_owned())).collect();
    assert_eq!(
        words,
        [
            "corrected 17:15 by dana, before: \"Database team caled\"",
            "corrected 17:15 by dana, before: as observation",
        ]
    );
}

#[test]
fn only_what_nobody_said_is_asked() {
    let sections = |facts: &Facts| -> Vec<Section> {
        draft(facts).todo.iter().map(|question| question.section).collect()
    };
    assert_eq!(sections(&examples::bookstore()), [Section::Lead]);
    assert_eq!(sections(&examples::replication()), [Section::Lead, Section::Acknowledgement],);
    assert_eq!(
        sections(&examples::unresolved()),
        [Section::Lead, Section::Impact, Section::RootCause, Section::Actions],
    );
}

#[test]
fn suggestions_follow_from_evidence() {
    let told = |facts: &Facts| -> String {
        draft(facts).suggestions.iter().map(|s| s.text.clone()).collect::<Vec<_>>().join("\n")
    };
    let bookstore = told(&examples::bookstore());
    assert!(bookstore.contains("Alert on bookstore-db sooner"), "{bookstore}");
    assert!(bookstore.contains("Link runbooks"), "{bookstore}");
    let food = told(&examples::food_delivery());
    assert!(food.contains("Detect earlier: the first alert that would page came 15m"), "{food}");
    assert!(told(&examples::flapping()).contains("DiskPressure on orders-db fired 6 times"));
    assert!(told(&examples::skewed()).contains("Send resolves"));
    assert!(told(&examples::unresolved()).contains("Raise max_alerts"));
    assert_eq!(told(&examples::storm()), "", "nothing to suggest where all is well");
}

#[test]
fn a_draft_says_what_changed_since_a_revision() {
    let mut facts = examples::bookstore();
    let revision = |revision: u64| Revision {
        revision,
        at: facts.incident.as_of,
        changes: vec![format!("Change {revision}")],
        about: Vec::new(),
        by: None,
        about_changes: Vec::new(),
    };
    let later = [revision(16), revision(17)];
    facts.revisions.extend(later);
    let since = |revision| {
        let options = DraftOptions { since_revision: Some(revision), ..DraftOptions::default() };
        let since = compose(&facts, &options).since.unwrap();
        since.revisions.iter().map(|r| r.revision).collect::<Vec<_>>()
    };
    assert_eq!(since(1), [16, 17]);
    assert_eq!(since(16), [17]);
    assert!(since(17).is_empty());
    facts.incident.finalised = Some(Finalised { revision: 16, at: facts.incident.as_of, by: None });
    assert_eq!(draft(&facts).since, None, "what came since final stands beside the draft");
}

#[test]
fn a_person_s_milestone_is_an_entry_with_its_distance_from_the_derived_one() {
    let all = entries(&examples::accounts());
    let onset = find(&all, "Onset set by a person, 5m before the time derived from the records");
    assert_eq!(onset.provenance, Provenance::Entered);
}

#[test]
fn a_symptom_is_told_in_the_sender_s_words_without_its_dumps() {
    let check = |labels: &[(&str, &str)], annotations: &[(&str, &str)], expect: &str| {
        let mut episode = examples::bookstore().members.swap_remove(0);
        let mut all = vec![("alertname", "HighErrorRate")];
        all.extend(labels);
        episode.labels = crate::domain::Labels::from_pairs(all);
        episode.annotations = crate::domain::Labels::from_pairs(annotations.iter().copied());
        episode.service = Some(crate::domain::Name::from("checkout"));
        assert_eq!(words::symptom(&episode, None), expect);
    };
    check(
        &[],
        &[("summary", "Errors in percent"), ("value", "7.50")],
        "Errors: 7.5% on checkout (HighErrorRate, critical)",
    );
    check(
        &[],
        &[("summary", "checkout fails at 7.5%"), ("value", "7.5")],
        "checkout fails at 7.5% (HighErrorRate, critical)",
    );
    check(
        &[],
        &[
            ("summary", "Host out of memory (instance n1:9100)"),
            ("description", "x\n  VALUE = 3.14159\n  LABELS = map[a:b]"),
        ],
        "Host out of memory: 3.142 on checkout (HighErrorRate, critical)",
    );
    check(
        &[],
        &[("description", "Too many errors VALUE = 9 LABELS = map[]")],
        "Too many errors: 9 on checkout (HighErrorRate, critical)",
    );
    check(&[], &[], "High error rate on checkout (HighErrorRate, critical)");
    check(
        &[],
        &[("summary", "```\nreal words")],
        "real words on checkout (HighErrorRate, critical)",
    );
    check(
        &[("alertname", "DatasourceNoData"), ("rulename", "High CPU")],
        &[("summary", "CPU high on ")],
        "No data for rule High CPU on checkout (DatasourceNoData, critical)",
    );
}

#[test]
fn measured_values_leave_out_a_rule_s_yes_or_no() {
    let check = |values: &[(&str, f64)], expect: &str| {
        let mut episode = examples::bookstore().members.swap_remove(0);
        episode.annotations = crate::domain::Labels::from_pairs([("summary", "CPU")]);
        episode.values = values.iter().map(|(name, value)| ((*name).into(), *value)).collect();
        let text = words::symptom(&episode, None);
        assert!(text.starts_with(expect), "{text}");
    };
    check(&[("B", 93.4), ("C", 1.0)], "CPU: 93.4 on");
    check(&[("A", 5.0), ("B", 93.4)], "CPU: A = 5, B = 93.4 on");
    check(&[("C", 0.0)], "CPU: 0 on");
    check(&[("B", f64::NAN)], "CPU on bookstore-web (");
}

#[test]
fn what_has_its_number_or_only_is_or_is_not_takes_no_measured_value() {
    let check = |summary: &str, expect: &str| {
        let mut episode = examples::bookstore().members.swap_remove(0);
        episode.annotations = crate::domain::Labels::from_pairs([("summary", summary)]);
        episode.values = vec![("B".into(), 5.5)];
        let text = words::symptom(&episode, None);
        assert!(text.starts_with(expect), "{text}");
    };
    check("target n1:9100 is down", "target n1:9100 is down on");
    check("web is returning 3.4% errors", "web is returning 3.4% errors on");
    check("3.4/s time-outs", "3.4/s time-outs on");
    check("5xx responses", "5xx responses: 5.5 on");
    check("Errors on port 8080", "Errors on port 8080: 5.5");
}

#[test]
fn lengths_are_written_as_people_write_them() {
    for (seconds, expect) in [
        (0, "0s"),
        (45, "45s"),
        (300, "5m"),
        (6_300, "1h 45m"),
        (14_400, "4h"),
        (39 * 60 + 13, "39m 13s"),
        (502_200, "5d 19h 30m"),
        (-300, "-5m"),
    ] {
        assert_eq!(words::duration(crate::domain::Span::from_seconds(seconds)), expect);
    }
}

#[test]
fn a_note_keeps_its_words_however_late_it_was_written() {
    let facts = examples::skewed();
    let entry = entries(&facts).into_iter().find(|e| e.kind == EntryKind::Note).unwrap();
    assert_eq!(entry.text, facts.incident.notes[0].text);
}

#[test]
fn one_rule_on_many_services_is_one_entry_that_opens_to_all() {
    let folded = collapse(entries(&examples::many_lanes()));
    let start = find(&folded, "GatewayTimeout fired on 40 services: service-00, service-01");
    assert_eq!((start.count, start.rows.len(), start.phase), (40, 40, Phase::Detection));
    assert!(start.text.ends_with("and 37 more (critical)"), "{}", start.text);
    let end = find(&folded, "GatewayTimeout ended on 40 services");
    assert_eq!((end.rows.len(), end.service.as_ref()), (40, None));
}

#[test]
fn a_number_takes_the_unit_of_the_limit_that_it_has_passed() {
    let check = |summary: &str, value: &str, expect: &str| {
        let mut episode = examples::bookstore().members.swap_remove(0);
        episode.annotations =
            crate::domain::Labels::from_pairs([("summary", summary), ("value", value)]);
        let text = words::symptom(&episode, None);
        assert!(text.starts_with(expect), "{text}");
    };
    check("Errors above 5%", "7.4", "Errors above 5%: 7.4% on");
    check("p99 latency above 2 s", "4.8", "p99 latency above 2 s: 4.8 s on");
    check("Latency over 300ms", "812.5", "Latency over 300ms: 812.5 ms on");
    check("Errors are more than 5 %", "31", "Errors are more than 5 %: 31% on");
    // A ratio, a count, and what lies on the other side are no shares in percent.
    for (summary, value) in [
        ("Errors above 5%", "0.074"),
        ("Errors above 5%", "740"),
        ("Errors above 0.1%", "0.3"),
        ("Free space below 5%", "3"),
        ("Latency above 2 s", "4800"),
        ("Rollout at 50%", "70"),
    ] {
        check(summary, value, &format!("{summary}: {value} on"));
    }
}
