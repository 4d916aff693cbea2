//! What people decide, and what comes of it.

use super::world::{Alert, World, minute};
use crate::domain::incident::{IncidentState, NoteKind, Patch};
use crate::domain::milestone::{Measure, Milestone, MilestoneState, measures};
use crate::domain::record::{OperationAction, Outcome};
use crate::domain::{EpisodeId, IncidentId, Span};

fn one_incident() -> World {
    let mut world = World::new();
    world.say(0.5, &Alert::new("HighErrorRate", "shop-web", "critical", 0.0));
    world
}

#[test]
fn the_life_cycle_refuses_what_is_impossible() {
    let mut world = one_incident();
    let id = IncidentId(1);
    let conflict = |outcome: &Outcome| matches!(outcome, Outcome::Conflict(_));
    assert!(conflict(&world.act(1.0, OperationAction::Reopen(id))));
    assert!(!conflict(&world.act(2.0, OperationAction::Acknowledge(id))));
    assert!(conflict(&world.act(3.0, OperationAction::Acknowledge(id))));
    assert!(!conflict(&world.act(4.0, OperationAction::Mitigate(id))));
    assert!(!conflict(&world.act(5.0, OperationAction::Resolve(id))));
    assert!(conflict(&world.act(6.0, OperationAction::Mitigate(id))));
    assert!(!conflict(&world.act(7.0, OperationAction::Reopen(id))));
    assert_eq!(world.incident(1).state, IncidentState::Acknowledged);
    let unknown = world.act(8.0, OperationAction::Resolve(IncidentId(9)));
    assert!(matches!(unknown, Outcome::Unknown(_)));
}

#[test]
fn what_a_person_reopened_the_machine_does_not_resolve() {
    let mut world = one_incident();
    world.say(10.0, &Alert::new("HighErrorRate", "shop-web", "critical", 0.0).over(9.0));
    world.tick(21.0);
    world.act(22.0, OperationAction::Reopen(IncidentId(1)));
    world.tick(200.0);
    assert_eq!(world.incident(1).state, IncidentState::Open);
}

#[test]
fn a_manual_resolve_holds_for_the_episodes_known_then() {
    let mut world = one_incident();
    world.act(1.0, OperationAction::Resolve(IncidentId(1)));
    world.say(5.0, &Alert::new("HighErrorRate", "shop-web", "critical", 0.0));
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
}

#[test]
fn explicit_milestones_win_and_negative_measures_are_invalid() {
    let mut world = one_incident();
    world.act(5.0, OperationAction::Acknowledge(IncidentId(1)));
    let mut patch = Patch::default();
    patch.milestones.insert(Milestone::Detection, Some(minute(8.0)));
    world.act(6.0, OperationAction::Patch(IncidentId(1), Box::new(patch)));
    let measures = measures(world.incident(1));
    let of = |measure| measures.iter().find(|m| m.measure == measure).unwrap();
    assert_eq!(of(Measure::TimeToDetect).length, Some(Span::from_minutes(8)));
    let acknowledge = of(Measure::TimeToAcknowledge);
    assert_eq!(acknowledge.state, MilestoneState::Invalid);
    assert!(acknowledge.length.unwrap().is_negative());
    assert_eq!(of(Measure::TimeToResolve).state, MilestoneState::Pending);
}

#[test]
fn merging_keeps_what_people_wrote_and_the_younger_points_to_the_older() {
    let mut world = one_incident();
    world.say(1.0, &Alert::new("MailDown", "mail", "critical", 0.5));
    world.note(2.0, 1, NoteKind::Observation, "one");
    world.note(3.0, 2, NoteKind::Observation, "two");
    let outcome =
        world.act(4.0, OperationAction::Merge { incident: IncidentId(1), into: IncidentId(2) });
    assert_eq!(outcome, Outcome::Done { incident: Some(IncidentId(1)), made: None });
    assert_eq!(world.incident(2).state, IncidentState::Merged { into: IncidentId(1) });
    assert_eq!(world.incident(1).notes.len(), 2);
    assert_eq!(world.episode(2).incident(), Some(IncidentId(1)));
    // Writes to the younger act on the older.
    world.note(5.0, 2, NoteKind::Observation, "three");
    assert_eq!(world.incident(1).notes.len(), 3);
}

#[test]
fn splitting_and_moving_are_obeyed() {
    let mut world = one_incident();
    world.say(1.0, &Alert::new("SlowResponses", "shop-web", "warning", 0.5));
    let outcome = world.act(2.0, OperationAction::Split(IncidentId(1), vec![EpisodeId(2)]));
    assert!(matches!(outcome, Outcome::Done { incident: Some(IncidentId(2)), .. }));
    assert_eq!(world.episode(2).incident(), Some(IncidentId(2)));
    world.act(3.0, OperationAction::Move(IncidentId(1), vec![EpisodeId(2)]));
    assert_eq!(world.episode(2).incident(), Some(IncidentId(1)));
    let all = vec![EpisodeId(1), EpisodeId(2)];
    let refused = world.act(4.0, OperationAction::Split(IncidentId(1), all));
    assert!(matches!(refused, Outcome::Conflict(_)));
}

#[test]
fn corrections_keep_the_history_and_withdrawn_notes_stay() {
    let mut world = one_incident();
    let made = world.note(1.0, 1, NoteKind::Observation, "web is slow");
    let Outcome::Done { made: Some(note), .. } = made else { panic!("{made:?}") };
    let note = note.parse().unwrap();
    let patch = crate::domain::record::NotePatch {
        text: Some("db is slow".to_owned()),
        ..Default::default()
    };
    world.act(2.0, OperationAction::CorrectNote(IncidentId(1), note, patch));
    world.act(3.0, OperationAction::WithdrawNote(IncidentId(1), note));
    let known = &world.incident(1).notes[0];
    assert_eq!(known.text, "db is slow");
    assert_eq!(known.history[0].text, "web is slow");
    assert!(known.withdrawn.is_some());
}
