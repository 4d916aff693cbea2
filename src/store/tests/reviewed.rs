//! Drafts that become final: what is frozen, what is printed, and that nobody waits for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::support::{TestStore, at, change, delivered, ended, episode, incident, member};
use crate::domain::facts::Revision;
use crate::domain::incident::Finalised;
use crate::domain::packed::Heard;
use crate::domain::words::{TakenBack, TextField, Which};
use crate::domain::{ChangeId, EpisodeId, Facts, Incident, IncidentId};
use crate::store::{EngineCommit, Printed, Printer};

/// An incident that becomes final at a revision.
fn reviewed(mut incident: Incident, revision: u64) -> Incident {
    incident.revision = revision;
    incident.finalised = Some(Finalised { revision, at: at(0), by: None });
    incident
}

fn revision(number: u64, words: &str) -> (IncidentId, Revision) {
    let changes = vec![words.to_owned()];
    (IncidentId(1), Revision { revision: number, at: at(-60), changes })
}

/// Prints one document, and waits before it for whoever holds the other ends.
#[derive(Debug)]
struct Waiting {
    begun: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Printer for Waiting {
    fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed)) {
        self.begun.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        keep(document(&facts.incident.title));
    }
}

fn document(text: &str) -> Printed {
    let [format, template, zone] = ["markdown", "outage-report", "UTC"].map(str::to_owned);
    Printed { format, template, zone, text: text.repeat(1_000) }
}

#[test]
fn what_is_frozen_is_what_is_stored() {
    let store = TestStore::new();
    let mut story = incident(1, "Checkout fails", at(-60));
    story.changes = vec![ChangeId(2), ChangeId(1), ChangeId(9)];
    let members = ["A", "B", "C"]
        .into_iter()
        .zip(1..)
        .map(|(name, id)| member(episode(id, name, at(-60)), 1));
    let members: Vec<_> = members.collect();
    let mut beside = episode(4, "D", at(-70));
    beside.context_of = vec![IncidentId(1)];
    store.engine_commit(|commit| {
        commit.incidents = vec![story.clone()];
        commit.episodes = members.clone();
        commit.episodes.push(beside.clone());
        commit.changes = vec![change(1, at(-100)), change(2, at(-200))];
        commit.revisions = vec![revision(1, "it opened")];
    });
    // The commit that makes it final brings more than that: one member ends, one leaves, one comes,
    // one is heard again, and so does the change that nobody knew.
    let mut newcomer = member(episode(5, "E", at(-300)), 1);
    newcomer.context_of = vec![IncidentId(2)];
    let mut left = members[1].clone();
    left.membership = crate::domain::Membership::Floating;
    left.context_of = vec![IncidentId(1)];
    beside.context_of = vec![];
    let heard = Heard { last_word_at: at(-5), lease: Some(at(90)), deliveries: 7 };
    store.engine_commit(|commit| {
        commit.incidents = vec![reviewed(story.clone(), 3)];
        commit.episodes = vec![ended(members[0].clone(), at(-1)), left, beside, newcomer];
        commit.heard = vec![(EpisodeId(3), heard)];
        commit.changes = vec![change(9, at(-150))];
        commit.revisions = vec![revision(3, "its draft is final"), revision(2, "an alert joined")];
    });
    let frozen = store.reviewed(IncidentId(1)).unwrap().unwrap();
    assert_eq!(Some(&frozen), store.facts(IncidentId(1)).unwrap().as_ref());
    let ids =
        |episodes: &[crate::domain::Episode]| episodes.iter().map(|e| e.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&frozen.members), ids(&frozen.context)), (vec![5, 1, 3], vec![2]));
    assert_eq!((frozen.changes.len(), frozen.revisions.len()), (3, 3));
    assert_eq!(frozen.members[2].deliveries, 7);
}

#[test]
fn the_door_stays_open_while_a_final_draft_is_printed() {
    let store = TestStore::new();
    let ((begun, is_begun), (go_on, may_go_on)) = (channel(), channel());
    store.print_with(Arc::new(Waiting { begun, go_on: Mutex::new(may_go_on) }));
    let story = reviewed(incident(1, "Checkout fails", at(-60)), 2);
    std::thread::scope(|scope| {
        let commit = EngineCommit {
            incidents: vec![story],
            revisions: vec![revision(2, "its draft is final")],
            ..EngineCommit::default()
        };
        let committed = scope.spawn(|| store.commit(commit));
        is_begun.recv().unwrap();
        // Nothing of it is seen before all of it is there, and deliveries are taken meanwhile.
        store.append_blocking(delivered(vec![], at(0))).unwrap();
        assert_eq!(store.incident(IncidentId(1)).unwrap(), None);
        go_on.send(()).unwrap();
        committed.join().unwrap().unwrap();
    });
    let kept = store.printed(IncidentId(1), "markdown", "outage-report").unwrap();
    assert_eq!(kept, Some(document("Checkout fails")));
    assert_eq!(store.printed(IncidentId(1), "text", "outage-report").unwrap(), None);
}

#[test]
fn what_was_taken_back_is_served_no_more_and_the_door_stays_open_while_it_is_printed_anew() {
    let store = TestStore::new();
    let ((begun, is_begun), (go_on, may_go_on)) = (channel(), channel());
    store.print_with(Arc::new(Waiting { begun, go_on: Mutex::new(may_go_on) }));
    let mut story = reviewed(incident(1, "Checkout fails", at(-60)), 2);
    story.report.lead = Some("hunter2".to_owned());
    go_on.send(()).unwrap();
    store.engine_commit(|commit| {
        commit.incidents = vec![story.clone()];
        commit.revisions = vec![revision(2, "its draft is final")];
    });
    is_begun.recv().unwrap();
    assert_eq!(store.print_next(IncidentId(0)).unwrap(), None, "nothing is left to print");

    let taken = TakenBack { incidents: vec![IncidentId(1)], which: Which::Field(TextField::Lead) };
    taken.redact_incident(&mut story);
    story.revision = 3;
    store.engine_commit(|commit| {
        commit.incidents = vec![story];
        commit.revisions = vec![revision(3, "Redacted: lead")];
        commit.taken_back = vec![taken];
    });
    let kept = || store.printed(IncidentId(1), "markdown", "outage-report").unwrap();
    assert_eq!(kept(), None, "what was printed may say it");
    let frozen = store.reviewed(IncidentId(1)).unwrap().unwrap().incident.report.lead;
    assert!(frozen.is_some_and(|lead| lead.starts_with("[redacted, sha256 ")));
    assert!(is_begun.try_recv().is_err(), "nothing is printed in the commit");
    std::thread::scope(|scope| {
        let printed = scope.spawn(|| store.print_next(IncidentId(0)));
        is_begun.recv().unwrap();
        store.append_blocking(delivered(vec![], at(0))).unwrap();
        assert_eq!(kept(), None);
        go_on.send(()).unwrap();
        assert_eq!(printed.join().unwrap().unwrap(), Some(IncidentId(1)));
    });
    assert_eq!(kept(), Some(document("Checkout fails")));
    assert_eq!(store.print_next(IncidentId(0)).unwrap(), None);
}

#[test]
fn a_printer_that_fails_takes_nothing_with_it() {
    #[derive(Debug)]
    struct Failing;
    impl Printer for Failing {
        fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed)) {
            keep(document("half"));
            assert!(facts.members.len() > 1_000, "as the test wishes");
        }
    }
    let store = TestStore::new();
    store.print_with(Arc::new(Failing));
    store.engine_commit(|commit| {
        commit.incidents = vec![reviewed(incident(1, "Checkout fails", at(-60)), 2)];
        commit.revisions = vec![revision(2, "its draft is final")];
    });
    assert!(store.reviewed(IncidentId(1)).unwrap().is_some());
    // Whoever prints what is left gets past it.
    assert_eq!(store.print_next(IncidentId(0)).unwrap(), Some(IncidentId(1)));
    assert_eq!(store.print_next(IncidentId(1)).unwrap(), None);
    assert_eq!(store.printed(IncidentId(1), "markdown", "outage-report").unwrap(), None);
}
