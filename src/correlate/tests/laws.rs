//! The laws of the domain page, section 2, on random histories.

use proptest::prelude::*;

use super::world::{Alert, Committed, World, feed, minute};
use crate::correlate::Machine;
use crate::domain::explanation::Term;
use crate::domain::incident::NoteKind;
use crate::domain::record::{DeafStretch, NoteDraft, Operation, OperationAction, Path, Start};
use crate::domain::{
    ChangeKind, ChangeReport, IncidentId, Labels, Membership, Name, Record, RecordBody, Seq,
    Timestamp,
};

/// One thing that happens, some minutes after the one before.
#[derive(Clone, Debug)]
enum Step {
    Fire { alert: usize, ago: u8, twin: bool },
    Lease { alert: usize },
    Resolve { alert: usize, lasted: u8 },
    Note { incident: u64 },
    Act { incident: u64, what: u8 },
    Change { key: u8, happened: u8, hours_ago: u8 },
    Restart,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<(u16, Step)>> {
    let step = prop_oneof![
        4 => (0..6usize, 0..5u8, any::<bool>())
            .prop_map(|(alert, ago, twin)| Step::Fire { alert, ago, twin }),
        2 => (0..6usize).prop_map(|alert| Step::Lease { alert }),
        4 => (0..6usize, 0..30u8).prop_map(|(alert, lasted)| Step::Resolve { alert, lasted }),
        1 => (1..4u64).prop_map(|incident| Step::Note { incident }),
        1 => (1..4u64, 0..5u8).prop_map(|(incident, what)| Step::Act { incident, what }),
        2 => (0..6u8, 0..100u8, prop_oneof![2 => Just(0u8), 1 => 20..60u8])
            .prop_map(|(key, happened, hours_ago)| Step::Change { key, happened, hours_ago }),
        1 => Just(Step::Restart),
        1 => Just(Step::Wait),
    ];
    // Mostly minutes; now and then more than a day, so that memory is outlived.
    let pause = prop_oneof![8 => 0..15u16, 1 => 30..120u16, 1 => 1400..3000u16];
    prop::collection::vec((pause, step), 1..40)
}

fn alert(index: usize, start: f64) -> Alert {
    let (name, service, severity) = [
        ("HighErrorRate", "shop-web", "critical"),
        ("SlowResponses", "shop-web", "warning"),
        ("DbDown", "shop-db", "critical"),
        ("ReplicationLag", "shop-db", "warning"),
        ("MailQueue", "mail", "warning"),
        ("Watchdog", "", "none"),
    ][index];
    let alert = Alert::new(name, service, severity, start);
    // Some name their cluster, some only a pod that was seen in one, so that what is inferred and
    // learnt is put to the test as well.
    match index {
        0 => alert.label("pod", "shop-web-1"),
        1 => alert.label("pod", "shop-web-1").label("cluster", "eu"),
        2 => alert.label("cluster", "eu"),
        4 => alert.label("cluster", "us"),
        _ => alert,
    }
}

/// Plays the steps without ticks; returns the ledger.
fn play(steps: &[(u16, Step)]) -> World {
    let mut world = World::with_edges(&[("shop-web", "shop-db")]);
    let mut now = 0.0;
    for (pause, step) in steps {
        now += f64::from(*pause);
        match step {
            Step::Fire { alert: index, ago, twin } => {
                let sender = if *twin { "http://am-1:9093" } else { "http://am-0:9093" };
                let alert = alert(*index, now - f64::from(*ago));
                world.say_as(now, &alert, sender, Path::Webhook);
            }
            Step::Lease { alert: index } => {
                let alert = alert(*index, now - 1.0).leased(now + 4.0);
                world.say_as(now, &alert, "", Path::Api);
            }
            Step::Resolve { alert: index, lasted } => {
                let alert = alert(*index, now - f64::from(*lasted)).over(now);
                world.say(now, &alert);
            }
            Step::Note { incident } => {
                world.note(now, *incident, NoteKind::Observation, "seen");
            }
            Step::Act { incident, what } => {
                let id = IncidentId(*incident);
                let action = match what {
                    0 => OperationAction::Acknowledge(id),
                    1 => OperationAction::Mitigate(id),
                    2 => OperationAction::Resolve(id),
                    3 => OperationAction::Reopen(id),
                    _ => OperationAction::Merge { incident: id, into: IncidentId(1) },
                };
                world.act(now, action);
            }
            Step::Change { key, happened, hours_ago } => {
                // Its receipt may be stated, as a replay of an older outage does.
                let received_at = minute(now - 60.0 * f64::from(*hours_ago));
                let report = change(*key, minute(now - f64::from(*happened)));
                world.append(received_at, operation(OperationAction::ReportChange(report)));
            }
            Step::Restart => {
                let until = minute(now);
                let from = minute(now - f64::from(*pause));
                let deaf = Some(DeafStretch { from, until });
                world.append_own(RecordBody::Start(Start { deaf }));
            }
            Step::Wait => {
                // A record that only lets time pass.
                let draft = NoteDraft { text: "x".to_owned(), kind: None, suggested: None };
                let nothing = OperationAction::AddNote(IncidentId(999), draft);
                world.append(minute(now), operation(nothing));
            }
        }
    }
    world
}

/// A change of the shop; of half of them the sender says which one it is.
fn change(key: u8, at: Timestamp) -> ChangeReport {
    ChangeReport {
        source: Name::from("api"),
        at,
        ends_at: None,
        kind: if key == 5 { ChangeKind::Rollback } else { ChangeKind::Deploy },
        service: Some(Name::from(if key.is_multiple_of(2) { "shop-web" } else { "shop-db" })),
        summary: format!("change {key}"),
        author: None,
        link: None,
        labels: Labels::default(),
        key: (key < 3).then(|| format!("release-{key}")),
    }
}

fn operation(action: OperationAction) -> RecordBody {
    RecordBody::Operation(Box::new(Operation {
        principal: None,
        actor: None,
        at: None,
        if_revision: None,
        action,
    }))
}

impl World {
    /// A record of the program's own: it repeats the time before it.
    fn append_own(&mut self, body: RecordBody) {
        let time = self.ledger.last().and_then(|record| record.time);
        let seq = Seq(self.ledger.len() as u64 + 1);
        let record = Record { seq, time, received_at: None, body };
        self.ledger.push(record.clone());
        self.handle(&record);
    }
}

fn replay(ledger: &[Record], mut between: impl FnMut(&mut Machine, &Committed)) -> Committed {
    let mut machine = Machine::new();
    let mut committed = Committed::default();
    for record in ledger {
        feed(&mut machine, record, &committed);
        committed.take(machine.take_effects());
        between(&mut machine, &committed);
    }
    committed
}

/// Everything but numbers of the ledger, which ticks shift.
fn story(committed: Committed) -> Committed {
    Committed { outcomes: std::collections::BTreeMap::new(), ..committed }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_and_forgetting_at_every_record_change_nothing(steps in steps()) {
        let world = play(&steps);
        let again = replay(&world.ledger, |machine, _| {
            machine.forget();
            *machine = Machine::restore(&machine.snapshot().unwrap()).unwrap();
        });
        prop_assert_eq!(again, world.committed);
    }

    #[test]
    fn batches_of_any_size_give_the_same(steps in steps(), size in 2..7usize) {
        let world = play(&steps);
        let mut machine = Machine::new();
        let mut committed = Committed::default();
        for batch in world.ledger.chunks(size) {
            for record in batch {
                feed(&mut machine, record, &committed);
            }
            committed.take(machine.take_effects());
            machine.forget();
        }
        prop_assert_eq!(committed, world.committed);
    }

    #[test]
    fn ticks_add_nothing_that_the_next_record_would_not_have_caused(steps in steps()) {
        let world = play(&steps);
        let mut ticked = Machine::new();
        let mut committed = Committed::default();
        for record in &world.ledger {
            while let (Some(deadline), Some(time)) = (ticked.next_deadline(), record.time) {
                if deadline > time || ticked.time().is_none_or(|now| deadline < now) {
                    break;
                }
                let tick = Record {
                    seq: Seq(0),
                    time: Some(deadline),
                    received_at: None,
                    body: RecordBody::Tick,
                };
                feed(&mut ticked, &tick, &committed);
            }
            feed(&mut ticked, record, &committed);
            committed.take(ticked.take_effects());
        }
        prop_assert_eq!(story(committed), story(world.committed));
    }

    #[test]
    fn every_alert_has_one_place_and_a_reason(steps in steps()) {
        let world = play(&steps);
        for episode in world.committed.episodes.values() {
            prop_assert!(episode.reason.contains(|c: char| c.is_ascii_digit()));
            prop_assert!(!episode.starts.is_empty());
            prop_assert!(episode.ends_at().is_none_or(|end| end >= episode.starts_at()));
            if let Some(incident) = episode.incident() {
                prop_assert!(world.committed.incidents.contains_key(&incident));
                prop_assert!(!episode.context_of.contains(&incident));
            }
        }
        for incident in world.committed.incidents.values() {
            let members = world.committed.episodes.values()
                .filter(|e| e.incident() == Some(incident.id)).count();
            prop_assert_eq!(incident.tally.total, members as u64);
        }
    }

    #[test]
    fn the_terms_of_an_explanation_sum_up_to_its_score(steps in steps()) {
        let world = play(&steps);
        for (id, explanation) in &world.committed.explanations {
            let episode = &world.committed.episodes[id];
            let by_person =
                matches!(episode.membership, Membership::Member { by_person: true, .. });
            prop_assert!(explanation.is_empty() || !by_person);
            if explanation.terms.is_empty() {
                continue;
            }
            let sum: f64 = explanation.terms.iter().map(|term| term.points).sum();
            let score = explanation.score.unwrap_or(f64::NAN);
            prop_assert!((sum - score).abs() < 0.2, "{sum} and {score}: {explanation:?}");
            let strength = |term: &Term| term.points.abs();
            prop_assert!(explanation.terms.is_sorted_by(|x, y| strength(x) >= strength(y)));
            prop_assert!(explanation.rivals.is_sorted_by(|x, y| x.score >= y.score));
            if explanation.incident.is_some() && episode.incident().is_some() {
                prop_assert_eq!(explanation.incident, episode.incident());
                prop_assert!(explanation.score >= explanation.needed);
            }
        }
    }

    #[test]
    fn revisions_count_without_a_gap(steps in steps()) {
        let world = play(&steps);
        for incident in world.committed.incidents.values() {
            let numbers: Vec<u64> = world.committed.revisions.iter()
                .filter(|(id, _)| *id == incident.id).map(|(_, r)| r.revision).collect();
            let expect: Vec<u64> = (1..=incident.revision).collect();
            prop_assert_eq!(numbers, expect);
        }
    }
}
