//! A record on which the machine fails, from the door to the draft.

use super::*;
use crate::engine::verify;
use crate::store::Archive;

/// True for what speaks of the database.
fn speaks_of_the_database(record: &crate::domain::Record) -> bool {
    let RecordBody::Delivery(delivery) = &record.body else { return false };
    delivery.words.iter().any(|word| word.labels.get("alertname") == Some("DbDown"))
}

#[test]
fn a_record_on_which_the_machine_panics_is_passed_over_and_the_door_stays_open() {
    let house = House::new();
    let (store, mut engine) = house.open();
    engine.fails_on = Some(speaks_of_the_database);
    house.append(&store, word(0, house.clock.now(), None));
    engine.turn().unwrap();
    // In one batch, so that those before and behind it have to be saved from it.
    house.append(&store, word(1, house.clock.now(), None));
    let poison = house.append(&store, word(2, house.clock.now(), None));
    house.append(&store, word(1, house.clock.now(), None));
    engine.turn().unwrap();
    assert_eq!(engine.metrics.engine_skipped.get(), 1);
    assert_eq!(*store.cursor().borrow(), *store.head().borrow());
    assert_eq!(store.skips().unwrap()[0].seq, poison);

    let facts = store.facts(IncidentId(1)).unwrap().unwrap();
    let names: Vec<_> = facts.members.iter().filter_map(|m| m.labels.get("alertname")).collect();
    assert_eq!(names, ["HighErrorRate", "SlowResponses"]);
    let told = facts.incident.caveats.iter().filter(|c| c.text.contains("passed over")).count();
    assert_eq!(told, 1, "{:?}", facts.incident.caveats);

    // The door: what comes next is taken and worked in.
    house.append(&store, word(0, house.clock.now(), Some(house.clock.now())));
    engine.turn().unwrap();
    assert_eq!(*store.cursor().borrow(), *store.head().borrow());

    // A release that could digest it does not change what was told.
    let before = story(&store);
    drop((engine, store));
    let (store, engine) = house.open();
    assert_eq!(story(&store), before);
    drop((engine, store));
    let archive = Archive::of_store(house.folder.path()).unwrap();
    for check in verify(&archive).unwrap() {
        assert!(matches!(check.verdict, crate::engine::Verdict::Holds(_)), "{check:?}");
    }
}
