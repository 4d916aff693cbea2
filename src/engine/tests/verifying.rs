//! Working the ledger in anew gives what is stored, and whoever changes either is found out.

use proptest::prelude::*;

use super::*;
use crate::engine::{Check, Verdict, verify};
use crate::store::Archive;

/// Plays the steps with kills between them, and leaves the store as the last process did.
fn lived(steps: &[Step], kills: &[usize]) -> House {
    let house = House::new();
    let (mut store, mut engine) = house.open();
    for (index, step) in steps.iter().enumerate() {
        house.clock.advance(Span::from_minutes(step.pause_minutes));
        house.append(&store, body_of(step, house.clock.now()));
        if kills.contains(&index) {
            drop(engine);
            drop(store);
            (store, engine) = house.open();
        }
        engine.catch_up().unwrap();
    }
    engine.catch_up().unwrap();
    house
}

/// An outage of three alerts with a note and a final draft.
fn outage() -> Vec<Step> {
    [(1, 0, 0), (1, 1, 0), (2, 0, 7), (5, 2, 1), (20, 0, 9), (1, 0, 4), (1, 1, 4), (1, 2, 4)]
        .map(|(pause_minutes, alert, what)| Step { pause_minutes, alert, what })
        .into()
}

fn checks(house: &House) -> Vec<Check> {
    let archive = Archive::of_store(house.folder.path()).unwrap();
    verify(&archive).unwrap()
}

/// Faults by law; everything else must hold or be unchecked.
fn broken(checks: &[Check]) -> Vec<(&'static str, Vec<String>)> {
    let faults = |check: &Check| match &check.verdict {
        Verdict::Broken(faults) => Some((check.law, faults.told.clone())),
        Verdict::Holds(_) | Verdict::Unchecked(_) => None,
    };
    checks.iter().filter_map(faults).collect()
}

fn unchecked(checks: &[Check]) -> Vec<(&'static str, String)> {
    let reason = |check: &Check| match &check.verdict {
        Verdict::Unchecked(why) => Some((check.law, why.clone())),
        Verdict::Holds(_) | Verdict::Broken(_) => None,
    };
    checks.iter().filter_map(reason).collect()
}

fn tamper(house: &House, sql: &str) {
    let path = house.folder.path().join("scribed.db");
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_what_is_stored(
        steps in steps(),
        kills in prop::collection::vec(0..20usize, 0..4),
    ) {
        let checks = checks(&lived(&steps, &kills));
        prop_assert_eq!(broken(&checks), vec![]);
        prop_assert_eq!(unchecked(&checks), vec![]);
        prop_assert_eq!(checks.len(), 4);
    }
}

#[test]
fn every_row_that_was_changed_behind_the_ledger_is_found() {
    for (sql, expect) in [
        (
            "UPDATE incidents SET json = replace(json, '\"revision\":', '\"revision\":9')",
            "incident 1: ",
        ),
        ("UPDATE incidents SET state = 'merged'", "incident 1: its columns for lists"),
        ("DELETE FROM incidents", "incident 1 is not stored"),
        ("UPDATE episodes SET packed = x'07' WHERE id = 2", "alert e2: what is stored cannot be"),
        ("UPDATE episodes SET deliveries = 99 WHERE id = 2", "alert e2: deliveries is 99"),
        ("DELETE FROM episodes WHERE id = 3", "alert e3 is not stored"),
        ("INSERT INTO changes VALUES (7, 0, NULL, 's', NULL, '{}')", "change c7 is stored, and"),
        ("DELETE FROM revisions WHERE revision = 2", "revision 2 of incident 1 is not stored"),
        (
            "UPDATE revisions SET json = replace(json, 'changes', 'changed') WHERE revision = 1",
            "revision 1 of incident 1: changed is",
        ),
        ("UPDATE reviewed SET facts = facts || ' '", "the reviewed facts of incident 1: it is"),
    ] {
        let house = lived(&outage(), &[]);
        tamper(&house, sql);
        let broken = broken(&checks(&house));
        assert_eq!(broken.len(), 1, "{sql}: {broken:?}");
        let (law, told) = &broken[0];
        assert_eq!(*law, "replay");
        assert!(told.iter().any(|fault| fault.starts_with(expect)), "{sql}: {told:?}");
    }
}

#[test]
fn a_word_that_was_changed_in_the_ledger_is_found() {
    let house = lived(&outage(), &[]);
    tamper(
        &house,
        "UPDATE interned SET packed = unhex(replace(hex(packed), hex('DbDown'), hex('DbUpUp')))",
    );
    let broken = broken(&checks(&house));
    assert!(broken[0].1.iter().any(|fault| fault.contains("DbUpUp")), "{broken:?}");
}

#[test]
fn a_ledger_with_a_hole_proves_nothing() {
    let house = lived(&outage(), &[]);
    tamper(
        &house,
        "DELETE FROM raw_bodies; DELETE FROM deliveries WHERE seq = 4;
         DELETE FROM ledger WHERE seq = 4",
    );
    let checks = checks(&house);
    assert_eq!(broken(&checks), [("ledger", vec!["record 4 is missing".to_owned()])]);
    assert_eq!(unchecked(&checks)[0].0, "replay");
}

#[test]
fn after_the_beginning_was_dropped_only_what_came_later_is_compared() {
    let house = House::new();
    let (store, mut engine) = house.open();
    for step in outage().iter().take(3) {
        house.clock.advance(Span::from_minutes(step.pause_minutes));
        house.append(&store, body_of(step, house.clock.now()));
    }
    engine.catch_up().unwrap();
    // With a snapshot in the end.
    engine.stop();
    while store.retain(None, Some(house.clock.now() - Span::from_minutes(1))).unwrap() {}
    drop(store);
    let (store, mut engine) = house.open();
    house.clock.advance(Span::from_minutes(1));
    house.append(&store, word(2, house.clock.now(), None));
    engine.catch_up().unwrap();
    drop((engine, store));
    let clean = checks(&house);
    assert_eq!(broken(&clean), []);
    assert_eq!(unchecked(&clean)[0].0, "history", "{clean:?}");
    tamper(&house, "UPDATE episodes SET active = 0 WHERE id = 3");
    assert_eq!(broken(&checks(&house))[0].0, "replay");
}

#[test]
fn what_was_dropped_because_of_its_age_is_told_and_no_fault() {
    // By the snapshot that is taken once a day of record time.
    let house = lived(&outage(), &[]);
    let (store, mut engine) = house.open();
    // The first word lets the quiet period end: the incident is written a last time then.
    for pause_hours in [1, 96] {
        house.clock.advance(Span::from_hours(pause_hours));
        house.append(&store, word(1, house.clock.now(), None));
        engine.catch_up().unwrap();
    }
    while store.retain(None, Some(house.clock.now() - Span::from_hours(1))).unwrap() {}
    assert!(store.incident(IncidentId(1)).unwrap().is_none());
    drop((engine, store));
    let told = checks(&house);
    assert_eq!(broken(&told), []);
    assert!(unchecked(&told)[0].1.contains("beginning was dropped"), "{told:?}");
}

#[test]
fn a_record_that_was_passed_over_is_passed_over_again() {
    let house = lived(&outage(), &[]);
    let (store, engine) = house.open();
    let seq = house.append(&store, word(2, house.clock.now(), None));
    engine.append_own(RecordBody::Skip(Skip { seq, problem: "it failed".to_owned() })).unwrap();
    drop((engine, store));
    drop(house.open());
    let checks = checks(&house);
    assert_eq!((broken(&checks), unchecked(&checks)), (vec![], vec![]));
}

#[test]
fn what_other_rules_decided_is_kept_and_not_derived_anew() {
    let house = lived(&outage(), &[]);
    // As a release with other rules would have left it: the same records, another incident.
    tamper(
        &house,
        "UPDATE rule_epochs SET version = 0;
         UPDATE incidents SET json = replace(json, '\"title\":\"', '\"title\":\"Old: ')",
    );
    let before = checks(&house);
    assert_eq!(broken(&before), []);
    assert!(unchecked(&before)[0].1.contains("rules 0"), "{before:?}");
    let (store, mut engine) = house.open();
    house.append(&store, word(2, house.clock.now(), None));
    engine.catch_up().unwrap();
    assert_eq!(store.rules_version().unwrap(), Some(crate::correlate::RULES_VERSION));
    drop((engine, store));
    let after = checks(&house);
    assert_eq!(broken(&after), []);
    let (law, why) = &unchecked(&after)[0];
    assert!(*law == "history" && why.contains("0 from record 1"), "{after:?}");
}

#[test]
fn what_is_not_worked_in_yet_is_told() {
    let house = lived(&outage(), &[]);
    let (store, engine) = house.open();
    house.append(&store, word(0, house.clock.now(), None));
    drop((engine, store));
    let told = checks(&house);
    assert_eq!(broken(&told), []);
    assert_eq!(unchecked(&told)[0].0, "rest of the ledger");
}
