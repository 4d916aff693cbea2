//! The engine over a real store, killed and restarted at any point.

mod failing;
mod printing;
mod verifying;

use proptest::prelude::*;

use super::{CATCH_UP_AT_START, Engine, Known};
use crate::clock::Clock;
use crate::domain::incident::{DraftStatus, NoteKind, Patch};
use crate::domain::record::{Delivery, NoteDraft, Operation, OperationAction, Path, Skip, Start};
use crate::domain::{
    AlertKey, Claim, Ending, Facts, IncidentId, IncidentState, Labels, Name, Record, RecordBody,
    Rules, Seq, Span, Timestamp, Word, WordState,
};
use crate::metrics::Metrics;
use crate::store::{Append, Store, StoreOptions};

/// A store in a folder of its own, and a clock that the test turns.
struct House {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl House {
    fn new() -> Self {
        let now = Timestamp::parse("2026-03-02T10:00:00Z").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::manual(now) }
    }

    fn open(&self) -> (Store, Engine) {
        self.open_within(CATCH_UP_AT_START)
    }

    fn open_within(&self, catch_up: Span) -> (Store, Engine) {
        let options = StoreOptions {
            path: self.folder.path().to_owned(),
            queue_capacity: 64,
            queue_bytes: 1 << 20,
        };
        let store = Store::open(options, self.clock.clone(), Metrics::new()).unwrap();
        let known = Known { rules: Rules::default(), topology: None };
        let (clock, metrics) = (self.clock.clone(), Metrics::new());
        let engine =
            Engine::prepare_within(catch_up, store.clone(), clock, metrics, &known).unwrap();
        (store, engine)
    }

    fn append(&self, store: &Store, body: RecordBody) -> Seq {
        let now = self.clock.now();
        let append = Append { body, received_at: Some(now), true_received_at: now, raw: None };
        store.append_blocking(append).unwrap().seq
    }
}

/// One thing that happens, and how long after the one before.
#[derive(Clone, Debug)]
struct Step {
    pause_minutes: i64,
    alert: usize,
    what: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![8 => 0..15i64, 1 => 30..90i64, 1 => 1500..2000i64];
    let step = (pause, 0..3usize, 0..10u8).prop_map(|(pause_minutes, alert, what)| Step {
        pause_minutes,
        alert,
        what,
    });
    prop::collection::vec(step, 1..20)
}

fn body_of(step: &Step, now: Timestamp) -> RecordBody {
    let incident = IncidentId(1);
    let action = match step.what {
        0..=3 => return word(step.alert, now, None),
        4..=6 => return word(step.alert, now - Span::from_minutes(20), Some(now)),
        7 => OperationAction::AddNote(
            incident,
            NoteDraft {
                text: "seen".to_owned(),
                kind: Some(NoteKind::Observation),
                suggested: None,
            },
        ),
        8 => OperationAction::Acknowledge(incident),
        _ => {
            let patch = Patch { status: Some(Some(DraftStatus::Final)), ..Patch::default() };
            OperationAction::Patch(incident, Box::new(patch))
        }
    };
    let operation = Operation {
        principal: None,
        actor: Some("ann".to_owned()),
        at: None,
        if_revision: None,
        action,
    };
    RecordBody::Operation(Box::new(operation))
}

fn word(alert: usize, start: Timestamp, end: Option<Timestamp>) -> RecordBody {
    let (name, severity) =
        [("HighErrorRate", "critical"), ("SlowResponses", "warning"), ("DbDown", "critical")]
            [alert];
    let labels =
        Labels::from_pairs([("alertname", name), ("service", "shop-web"), ("severity", severity)]);
    let state = match end {
        None => WordState::Firing { lease: None },
        Some(end) => WordState::Resolved { ends_at: Claim::plain(end), ending: Ending::Recovered },
    };
    RecordBody::Delivery(Delivery {
        source: Name::from("alertmanager"),
        path: Path::Webhook,
        sender: Some(Name::from("http://am:9093")),
        group: None,
        truncated: 0,
        rejected: 0,
        words: vec![Word {
            key: AlertKey::new(Name::from("prometheus"), labels.fingerprint()),
            key_from_labels: true,
            labels,
            annotations: Labels::default(),
            state,
            starts_at: Claim::plain(start),
            links: vec![],
            values: vec![],
            is_test: false,
        }],
        changes: vec![],
    })
}

#[test]
fn a_batch_takes_records_until_their_words_are_too_many_and_one_at_least() {
    let one = word(0, Timestamp::from_seconds(0), None);
    let RecordBody::Delivery(one) = one else { unreachable!() };
    let record = |words: usize| Record {
        seq: Seq(1),
        time: None,
        received_at: None,
        body: RecordBody::Delivery(Delivery {
            words: vec![one.words[0].clone(); words],
            ..one.clone()
        }),
    };
    for (words, expect) in [
        (&[][..], 1),
        (&[3000, 1][..], 1),
        (&[1024, 1][..], 1),
        (&[1000, 24, 1][..], 2),
        (&[0, 0, 0][..], 3),
        (&[10, 2000, 10][..], 1),
    ] {
        let records: Vec<Record> = words.iter().copied().map(record).collect();
        assert_eq!(super::digest::batch_length(&records, 1_024), expect, "{words:?}");
    }
}

#[test]
fn a_start_far_behind_the_head_opens_the_door_and_works_the_rest_in_afterwards() {
    let house = House::new();
    let (store, mut engine) = house.open();
    let began = house.clock.now();
    house.append(&store, word(0, began, None));
    engine.turn().unwrap();
    for n in 0..1_300 {
        house.append(&store, word(n % 3, began, None));
        house.clock.advance(Span::from_seconds(1));
    }
    // What waits to be worked in says other rules than the configuration at the next start.
    let mut others = Rules::default();
    others.incidents.quiet_period = Span::from_minutes(7);
    house.append(&store, RecordBody::Rules(Box::new(others)));
    let last_heard = store.last_record_time();
    drop((engine, store));
    let (store, mut engine) = house.open_within(Span::ZERO);
    let head = *store.head().borrow();
    assert!(engine.cursor < head, "{:?} of {head:?}", engine.cursor);
    assert!(engine.lags_behind(&[]));
    assert!(engine.metrics.engine_lag.get() > 1_000.0, "{}", engine.metrics.engine_lag.get());
    assert_eq!(engine.snapshot_at, engine.cursor, "the next start begins from here");
    let records = store.records_after(Seq(head.0 - 2), 9).unwrap();
    let RecordBody::Start(Start { deaf: Some(deaf) }) = &records[0].body else {
        panic!("{records:?}");
    };
    assert_eq!(Some(deaf.from), last_heard, "it was not deaf to what waits");
    engine.turn().unwrap();
    assert_eq!(engine.cursor, *store.head().borrow());
    assert!(!engine.lags_behind(&[]));
    assert_eq!(*engine.machine.rules(), Rules::default());
    assert!(store.facts(IncidentId(1)).unwrap().is_some());
}

#[test]
fn what_stands_behind_a_final_draft_in_its_batch_is_not_lost() {
    let house = House::new();
    let (store, mut engine) = house.open();
    let now = house.clock.now();
    let step = |alert, what| body_of(&Step { pause_minutes: 0, alert, what }, now);
    house.append(&store, step(0, 0));
    house.append(&store, step(0, 9));
    // In one batch with the final draft, at which the machine asks for a commit.
    house.append(&store, step(1, 0));
    // Too many words for the same batch.
    let RecordBody::Delivery(mut storm) = word(2, now, None) else { unreachable!() };
    storm.words = vec![storm.words[0].clone(); 1_024];
    house.append(&store, RecordBody::Delivery(storm));
    engine.catch_up().unwrap();
    let facts = store.facts(IncidentId(1)).unwrap().unwrap();
    assert_eq!(facts.members.len(), 3);
    let reviewed = store.reviewed(IncidentId(1)).unwrap().unwrap();
    assert_eq!(reviewed.members.len(), 1, "final before the others were heard of");
}

/// Everything that a draft can be made of.
fn story(store: &Store) -> Vec<(Option<Facts>, Option<Facts>)> {
    (1..=20)
        .map(|id| (store.facts(IncidentId(id)).unwrap(), store.reviewed(IncidentId(id)).unwrap()))
        .take_while(|(facts, _)| facts.is_some())
        .collect()
}

/// Plays the steps; after those that `kills` names, the engine is dropped where it stands, before
/// or after it has worked the record in, and everything is opened again.
fn play(steps: &[Step], kills: &[(usize, bool)]) -> Vec<(Option<Facts>, Option<Facts>)> {
    let house = House::new();
    let (mut store, mut engine) = house.open();
    for (index, step) in steps.iter().enumerate() {
        house.clock.advance(Span::from_minutes(step.pause_minutes));
        house.append(&store, body_of(step, house.clock.now()));
        let kill = kills.iter().find(|(at, _)| *at == index);
        if kill.is_none_or(|(_, is_after)| *is_after) {
            engine.catch_up().unwrap();
        }
        if kill.is_some() {
            drop(engine);
            drop(store);
            (store, engine) = house.open();
        }
    }
    engine.catch_up().unwrap();
    story(&store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_crash_points_give_the_same_incidents(
        steps in steps(),
        kills in prop::collection::vec((0..20usize, any::<bool>()), 0..4),
    ) {
        prop_assert_eq!(play(&steps, &kills), play(&steps, &[]));
    }
}

#[test]
fn a_quiet_incident_resolves_by_a_tick_and_not_while_a_request_is_in_flight() {
    let house = House::new();
    let (store, mut engine) = house.open();
    house.append(&store, word(0, house.clock.now(), None));
    house.clock.advance(Span::from_minutes(20));
    let end = house.clock.now();
    house.append(&store, word(0, end - Span::from_minutes(20), Some(end)));
    engine.catch_up().unwrap();
    let state = |store: &Store| store.incident(IncidentId(1)).unwrap().unwrap().state;
    house.clock.advance(Span::from_minutes(9));
    let in_flight = store.receive(house.clock.now());
    house.clock.advance(Span::from_minutes(2));
    engine.tick_if_due().unwrap();
    engine.catch_up().unwrap();
    assert_eq!(state(&store), IncidentState::Open, "a word may still be on its way");
    drop(in_flight);
    engine.tick_if_due().unwrap();
    engine.catch_up().unwrap();
    assert_eq!(state(&store), IncidentState::Resolved);
}

#[test]
fn our_own_absence_closes_nothing_and_is_told() {
    let house = House::new();
    let (store, mut engine) = house.open();
    house.append(&store, word(0, house.clock.now(), None));
    engine.catch_up().unwrap();
    engine.show_life();
    drop(engine);
    drop(store);
    // Longer than any silence after which an alert's end would be unknown.
    house.clock.advance(Span::from_hours(20));
    let (store, mut engine) = house.open();
    engine.tick_if_due().unwrap();
    engine.catch_up().unwrap();
    let incident = store.incident(IncidentId(1)).unwrap().unwrap();
    assert_eq!(incident.state, IncidentState::Open);
    assert_eq!(incident.tally.firing, 1);
    assert!(incident.caveats[0].text.contains("20h"), "{:?}", incident.caveats);
}

#[test]
fn a_record_that_is_to_be_skipped_is_passed_over_and_told() {
    let house = House::new();
    let (store, mut engine) = house.open();
    house.append(&store, word(0, house.clock.now(), None));
    engine.catch_up().unwrap();
    let seq = house.append(&store, word(2, house.clock.now(), None));
    let skip = RecordBody::Skip(Skip { seq, problem: "the machine failed on it twice".to_owned() });
    engine.append_own(skip).unwrap();
    drop(engine);
    drop(store);
    let (store, _engine) = house.open();
    let facts = store.facts(IncidentId(1)).unwrap().unwrap();
    assert_eq!(facts.members.len(), 1);
    assert!(facts.incident.caveats[0].text.contains("passed over"));
}
