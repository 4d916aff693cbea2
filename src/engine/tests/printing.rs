//! Documents of final drafts, printed anew after words were taken back, also after a kill.

use std::sync::Arc;

use super::*;
use crate::domain::NoteId;
use crate::domain::words::Words;
use crate::store::{Printed, Printer};

const SECRET: &str = "hunter2";

/// Prints what the notes say.
#[derive(Debug)]
struct Notes;

impl Printer for Notes {
    fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed)) {
        let [format, template, zone] = ["text", "notes", "UTC"].map(str::to_owned);
        let text = facts.incident.notes.iter().map(|note| note.text.as_str()).collect();
        keep(Printed { format, template, zone, text });
    }
}

fn open(house: &House) -> (Store, Engine) {
    let (store, engine) = house.open();
    store.print_with(Arc::new(Notes));
    (store, engine)
}

fn printed(store: &Store) -> Option<String> {
    store.printed(IncidentId(1), "text", "notes").unwrap().map(|printed| printed.text)
}

fn say(house: &House, store: &Store, action: OperationAction) {
    let operation = Operation { principal: None, actor: None, at: None, if_revision: None, action };
    house.append(store, RecordBody::Operation(Box::new(operation)));
}

/// A final draft with a note, which is then taken back; the process is killed before it prints.
fn taken_back() -> House {
    let house = House::new();
    let (store, mut engine) = open(&house);
    house.append(&store, word(0, house.clock.now(), None));
    let note = NoteDraft { text: SECRET.to_owned(), kind: None, suggested: None };
    say(&house, &store, OperationAction::AddNote(IncidentId(1), note));
    let patch = Patch { status: Some(Some(DraftStatus::Final)), ..Patch::default() };
    say(&house, &store, OperationAction::Patch(IncidentId(1), Box::new(patch)));
    engine.turn().unwrap();
    assert_eq!(printed(&store).as_deref(), Some(SECRET));
    say(&house, &store, OperationAction::Redact(IncidentId(1), Words::Note(NoteId(1))));
    engine.catch_up().unwrap();
    assert_eq!(printed(&store), None);
    house
}

fn check_printed(store: &Store) {
    let text = printed(store).unwrap();
    assert!(text.starts_with("[redacted, sha256 ") && !text.contains(SECRET), "{text}");
}

#[test]
fn a_turn_prints_what_lost_its_documents() {
    let house = taken_back();
    let (store, mut engine) = open(&house);
    let note = NoteDraft { text: "later".to_owned(), kind: None, suggested: None };
    say(&house, &store, OperationAction::AddNote(IncidentId(1), note));
    engine.turn().unwrap();
    check_printed(&store);
    assert_eq!(engine.store.print_next(IncidentId(0)).unwrap(), None);
}

#[test]
fn after_a_kill_the_next_process_prints_it() {
    let house = taken_back();
    let (store, mut engine) = open(&house);
    assert_eq!(printed(&store), None);
    engine.turn().unwrap();
    check_printed(&store);
}
