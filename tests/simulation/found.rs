//! Lives that broke a law once. Each stays, so that it never does again.

use scribed_disk::Fault;

use crate::operation::Operation::{self, *};

#[track_caller]
fn check(operations: &[Operation]) {
    if let Err(problem) = crate::play(operations) {
        panic!("{problem}");
    }
}

/// The engine handed a second firing to a machine that had handled the first one, could not look
/// back for the third, and began the whole batch again.
#[test]
fn a_look_back_that_fails_in_a_batch_handles_nothing_twice() {
    check(&[
        Fire { peer: 0, alerts: vec![0] },
        Turn,
        Advance { minutes: 3000 },
        Recover { peer: 0, alert: 0 },
        Turn,
        Advance { minutes: 3000 },
        Turn,
        Fire { peer: 0, alerts: vec![1] },
        Note { incident: 1 },
        Hiccup(Fault::ReadFails, 3),
        Turn,
        Turn,
        Turn,
    ]);
}

/// A store that came back from a full disk has to take the next delivery, and the engine the next
/// turn, without a restart.
#[test]
fn a_disk_that_was_full_is_used_again_once_there_is_room() {
    check(&[
        Fire { peer: 0, alerts: vec![0] },
        Disk(Fault::Full),
        Fire { peer: 0, alerts: vec![1] },
        Turn,
        Note { incident: 1 },
        Mend,
        Fire { peer: 0, alerts: vec![1] },
        Turn,
    ]);
}

/// A commit whose sync failed stayed in the system's cache. The next process found it there and
/// built on it, and a power cut then took it away with everything after it.
#[test]
fn what_a_failed_sync_left_behind_carries_nothing() {
    check(&[
        Hiccup(Fault::SyncFails, 3),
        Move { episode: 11, incident: 4 },
        Kill { changes: 0 },
        Recover { peer: 0, alert: 4 },
        PowerCut { changes: 18, luck: 599_686_465_530_146_189 },
    ]);
}

/// After hours in which nothing could be written, the first tick set the machine's now back to its
/// deadline, so that the next deadline waited once more.
#[test]
fn deadlines_that_fell_due_while_the_disk_refused_all_fire_at_once() {
    check(&[
        Fire { peer: 1, alerts: vec![1, 5, 6] },
        Mend,
        Recover { peer: 0, alert: 2 },
        Hiccup(Fault::ReadOnly, 4),
        Turn,
        Advance { minutes: 2098 },
        Disk(Fault::ReadFails),
        Turn,
        Kill { changes: 28 },
    ]);
}

/// An old end came again while a newer episode of its alert was in memory and its own was not: it
/// made a second episode of the same start.
#[test]
fn an_old_end_that_comes_again_makes_no_second_episode() {
    check(&[
        Late { alert: 1, minutes: 562 },
        Advance { minutes: 1392 },
        Turn,
        Fire { peer: 1, alerts: vec![1, 7, 1] },
        Turn,
        Fire { peer: 1, alerts: vec![2, 3, 4] },
        Again { back: 2 },
        Turn,
        Mend,
    ]);
}

/// Retention took an incident that the engine still remembered; what a person did next wrote it
/// again, without its alerts.
#[test]
fn what_the_engine_remembers_is_not_dropped() {
    check(&[
        Late { alert: 2, minutes: 71 },
        Advance { minutes: 716 },
        Fire { peer: 1, alerts: vec![1, 7, 3] },
        Mend,
        Retain { hours: 5 },
        Fire { peer: 1, alerts: vec![2, 5, 5] },
        Finalise { incident: 1 },
    ]);
}

/// After retention had dropped the beginning of the ledger, `verify` compared reviewed facts with
/// those that a replay from the snapshot can know.
#[test]
fn reviewed_facts_are_compared_only_with_a_replay_that_saw_all_of_them() {
    check(&[
        Fire { peer: 0, alerts: vec![6, 5, 4] },
        Restart,
        Advance { minutes: 758 },
        Advance { minutes: 2330 },
        Finalise { incident: 1 },
        Advance { minutes: 911 },
        Retain { hours: 64 },
    ]);
}

/// A word set a deadline that had passed already. No tick could be written for it, and it stood
/// before every later one: nothing fell due any more until the next record.
#[test]
fn a_deadline_in_the_past_keeps_no_other_from_falling_due() {
    check(&[
        Lease { alert: 3 },
        Fire { peer: 0, alerts: vec![1, 2] },
        Advance { minutes: 9 },
        Fire { peer: 0, alerts: vec![5, 3] },
        Turn,
        Hiccup(Fault::SyncFails, 6),
        Advance { minutes: 63 },
        Advance { minutes: 727 },
    ]);
}

/// When the commit of the first record failed, no later turn set the machine's now.
#[test]
fn a_commit_that_failed_once_keeps_no_deadline_from_falling_due() {
    check(&[
        Hiccup(Fault::SyncFails, 4),
        Lease { alert: 6 },
        Advance { minutes: 8 },
        Restart,
        Again { back: 1 },
    ]);
}

/// An alert's member came back with its incident, and was taken for all there is of that alert: a
/// floating firing of it, which had ended unknown and now went on, was begun a second time.
#[test]
fn an_alert_that_came_back_with_its_incident_is_not_taken_for_all_of_it() {
    check(&[
        Lease { alert: 2 },
        Recover { peer: 0, alert: 3 },
        Advance { minutes: 41 },
        Advance { minutes: 39 },
        Fire { peer: 1, alerts: vec![3] },
        Advance { minutes: 2649 },
        Lease { alert: 4 },
        Turn,
        Fire { peer: 0, alerts: vec![2] },
        Fire { peer: 1, alerts: vec![4, 3, 1] },
    ]);
}

/// The engine was days of record time behind the newest record, from which retention measured what
/// it remembers.
#[test]
fn what_an_engine_that_lags_remembers_is_not_dropped() {
    check(&[
        Fire { peer: 0, alerts: vec![5, 3] },
        Advance { minutes: 2253 },
        Fire { peer: 1, alerts: vec![7, 4, 7] },
        Turn,
        Advance { minutes: 2044 },
        Hiccup(Fault::ReadOnly, 4),
        Turn,
        Advance { minutes: 2531 },
        Fire { peer: 1, alerts: vec![4, 7, 4] },
        Fire { peer: 0, alerts: vec![3, 2] },
        Recover { peer: 1, alert: 3 },
        Retain { hours: 18 },
    ]);
}

/// Retention dropped an alert of which the ledger still told from its beginning; then it fired on,
/// which was a new alert for the engine and the old one for a replay.
#[test]
fn an_alert_goes_only_when_no_replay_finds_it() {
    check(&[
        Fire { peer: 1, alerts: vec![3, 7] },
        Advance { minutes: 2486 },
        Advance { minutes: 1840 },
        Fire { peer: 0, alerts: vec![0, 1] },
        Kill { changes: 0 },
        Fire { peer: 0, alerts: vec![3, 7, 7] },
        Retain { hours: 34 },
        Advance { minutes: 2034 },
        Fire { peer: 1, alerts: vec![2] },
    ]);
}

/// The same with an end that came after the alert was dropped.
#[test]
fn an_end_that_comes_after_days_finds_its_alert() {
    check(&[
        Fire { peer: 1, alerts: vec![6, 4] },
        Advance { minutes: 1890 },
        Advance { minutes: 2971 },
        Fire { peer: 0, alerts: vec![0, 7, 6] },
        Mend,
        Retain { hours: 4 },
        Recover { peer: 0, alert: 4 },
    ]);
}

/// The snapshot was taken before the machine forgot what lay outside every window by then, so that
/// retention dropped what it still held.
#[test]
fn what_a_snapshot_holds_is_not_dropped() {
    check(&[
        Fire { peer: 0, alerts: vec![4, 2, 6] },
        Advance { minutes: 2982 },
        Fire { peer: 0, alerts: vec![1, 5] },
        Turn,
        Fire { peer: 0, alerts: vec![5, 1, 1] },
        Kill { changes: 38 },
        Advance { minutes: 2919 },
        Fire { peer: 1, alerts: vec![4, 0] },
        Turn,
        Retain { hours: 22 },
        Fire { peer: 1, alerts: vec![2, 6, 7] },
    ]);
}

/// A text of a record could not be read because the disk refused; that was told as damage, which no
/// retry mends.
#[test]
fn a_text_that_the_disk_does_not_give_now_is_no_damage() {
    check(&[
        Fire { peer: 0, alerts: vec![7] },
        Advance { minutes: 2134 },
        Turn,
        Advance { minutes: 1738 },
        Topology { edges: 1 },
        Turn,
        Recover { peer: 1, alert: 5 },
        Disk(Fault::Full),
        Retain { hours: 52 },
        Disk(Fault::ReadFails),
        Turn,
    ]);
}
