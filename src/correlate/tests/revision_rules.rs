//! What a revision says: the thing that changed, from what, to what, and by whom.

use super::world::{Alert, World, minute};
use crate::domain::change::{ChangeKind, ChangeReport};
use crate::domain::facts::Revision;
use crate::domain::incident::{ActionDraft, ActionKind, DraftStatus, NoteKind, Patch};
use crate::domain::milestone::Milestone;
use crate::domain::record::{NotePatch, OperationAction};
use crate::domain::words::{TextField, Words};
use crate::domain::{IncidentId, Name, NoteId, Severity};

const ID: IncidentId = IncidentId(1);

fn one_incident() -> World {
    let mut world = World::new();
    world.say(0.5, &Alert::new("HighErrorRate", "shop-web", "error", 0.0).label("pod", "a"));
    world.say(0.6, &Alert::new("HighErrorRate", "shop-web", "error", 0.0).label("pod", "b"));
    world
}

/// The sentences of the newest revision, as they are read: who asked for it, or which change it is,
/// stands beside them.
fn newest(world: &World) -> String {
    let Some((_, newest)) = world.committed.revisions.last() else { return String::new() };
    let slot = match (newest.about_changes.as_slice(), &newest.by) {
        ([(0, change)], None) => format!("[{change}]"),
        ([], by) => by.clone().unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    newest.changes.join("; ").replace(Revision::SLOT, &slot)
}

#[test]
fn what_people_set_is_said_with_old_and_new_value() {
    let mut world = one_incident();
    let mut check = |patch: Patch, expect: &str| {
        world.act(1.0, OperationAction::Patch(ID, Box::new(patch)));
        assert_eq!(newest(&world), expect);
    };
    let severity = |severity| Patch { severity: Some(severity), ..Patch::default() };
    check(severity(Some(Severity::Warning)), "Severity set from error to warning by ann");
    check(severity(None), "Severity taken back by ann, was warning");
    let status = Patch { status: Some(Some(DraftStatus::InReview)), ..Patch::default() };
    check(status, "Status set from draft to in review by ann");
    let users = |users| Patch { impact_users: Some(users), ..Patch::default() };
    check(users(Some(500)), "Users affected set to 500 by ann");
    check(users(Some(20)), "Users affected set from 500 to 20 by ann");
    let onset = |at| Patch { milestones: [(Milestone::Onset, at)].into(), ..Patch::default() };
    check(
        onset(Some(minute(-10.0))),
        "Onset set from 2026-03-02 10:00 UTC to 2026-03-02 09:50 UTC by ann",
    );
    check(onset(None), "Onset taken back by ann, was 2026-03-02 09:50 UTC");
    let both = Patch {
        timezone: Some(Some("Africa/Lagos".to_owned())),
        root_cause: Some(Some("A wrong setting".to_owned())),
        ..Patch::default()
    };
    check(both, "Root cause set by ann; Time zone set to Africa/Lagos by ann");
}

#[test]
fn words_of_people_are_pointed_at_and_never_kept() {
    let mut world = one_incident();
    let said = "the secret word";
    world.note(1.0, 1, NoteKind::Observation, said);
    assert_eq!(newest(&world), "Note added by ann (observation)");
    let cause = Patch { root_cause: Some(Some(said.to_owned())), ..Patch::default() };
    world.act(2.0, OperationAction::Patch(ID, Box::new(cause)));
    let action = ActionDraft {
        text: said.to_owned(),
        kind: ActionKind::Task,
        horizon: None,
        owner: Some(said.to_owned()),
        due: None,
        link: None,
        done: false,
    };
    world.act(3.0, OperationAction::AddAction(ID, action));
    let patch = NotePatch {
        kind: Some(NoteKind::Diagnosis),
        at: Some(minute(0.5)),
        pinned: Some(true),
        ..NotePatch::default()
    };
    world.act(4.0, OperationAction::CorrectNote(ID, NoteId(1), patch));
    assert_eq!(
        newest(&world),
        "Note changed by ann (kind from observation to diagnosis, time from 2026-03-02 10:01 UTC to \
         2026-03-02 10:00:30 UTC, pinned)"
    );
    world.act(5.0, OperationAction::WithdrawNote(ID, NoteId(1)));
    let revisions = &world.committed.revisions;
    assert!(!format!("{revisions:?}").contains(said));
    let about: Vec<Words> =
        revisions.iter().flat_map(|(_, r)| r.about.iter().map(|(_, of)| *of)).collect();
    let note = Words::Note(NoteId(1));
    let action = Words::Action(crate::domain::ActionId(1));
    assert_eq!(about, [note, Words::Field(TextField::RootCause), action, note, note]);
}

#[test]
fn what_alerts_move_is_said_with_old_and_new_value() {
    let mut world = one_incident();
    let latency = |severity, start| Alert::new("HighLatency", "shop-web", severity, start);
    world.say(2.0, &latency("critical", 1.0));
    assert_eq!(
        newest(&world),
        "HighLatency on shop-web joined; Severity rose from error to critical"
    );
    world.say(9.0, &latency("warning", -2.0).label("pod", "a"));
    assert_eq!(
        newest(&world),
        "HighLatency on shop-web joined, heard 11m after it began; \
         Onset moved from 2026-03-02 10:00 UTC to 2026-03-02 09:58 UTC"
    );
    world.say(10.0, &latency("critical", 1.0).measured(7.0));
    world.say(11.0, &latency("critical", 1.0).measured(12.5));
    assert_eq!(newest(&world), "HighLatency on shop-web rose from 7 to 12.5");
    world.say(30.0, &latency("critical", 1.0).over(12.0));
    assert_eq!(newest(&world), "HighLatency on shop-web ended, heard 18m after it did");
}

#[test]
fn a_change_is_pointed_at_and_said_with_its_delay() {
    let mut world = one_incident();
    let report = ChangeReport {
        key: Some("42".into()),
        at: minute(-30.0),
        ends_at: None,
        kind: ChangeKind::Deploy,
        service: Some(Name::from("shop-web")),
        summary: "Release\n 42".to_owned(),
        author: None,
        link: None,
        labels: crate::domain::Labels::default(),
        source: Name::from("api"),
    };
    let told = |world: &mut World, summary: &str| {
        let report = ChangeReport { summary: summary.to_owned(), ..report.clone() };
        world.act(1.0, OperationAction::ReportChange(report));
        newest(world)
    };
    assert_eq!(told(&mut world, "Release\n 42"), "[c1], heard 31m after it was made");
    assert_eq!(
        told(&mut world, "Release 42, canary"),
        "Told anew: [c1], heard 31m after it was made"
    );
}
