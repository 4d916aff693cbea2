//! What is too old goes, and nothing else.

use super::reading::page;
use super::support::{
    TestStore, at, body, change, delivered, ended, episode, firing, incident, member, merged, over,
    raw,
};
use crate::domain::facts::Revision;
use crate::domain::{ChangeId, EpisodeId, IncidentId, RecordBody, Seq, Span, Timestamp};
use crate::store::Append;

/// Drops until nothing is left to drop.
fn retain_all(store: &TestStore, raw_before: Option<Timestamp>, before: Option<Timestamp>) {
    let mut rounds = 0;
    while store.retain(raw_before, before).unwrap() {
        rounds += 1;
        assert!(rounds < 1000, "it does not end");
    }
}

fn count(store: &TestStore, table: &'static str, expect: i64) {
    store.inspect(move |connection| {
        let rows: i64 = connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, expect, "{table}");
    });
}

#[test]
fn raw_bodies_go_by_their_true_age() {
    let store = TestStore::new();
    for n in 0..450 {
        let mut append = delivered(vec![], at(-5000));
        append.true_received_at = at(n - 450);
        append.raw = Some(raw(&[b'x'; 2000]));
        store.append_blocking(append).unwrap();
    }
    let before = store.size_bytes();
    retain_all(&store, Some(at(-50)), None);
    count(&store, "raw_bodies", 50);
    count(&store, "deliveries", 450);
    let newest = store.deliveries(&page(1, None)).unwrap();
    assert!(newest.items[0].has_raw);
    assert_eq!(store.raw(Seq(1)).unwrap(), None);
    assert!(!store.retain(Some(at(-50)), None).unwrap());
    store.close();
    assert!(store.size_bytes() < before, "the disk gets its pages back");
}

#[test]
fn large_raw_bodies_go_a_few_at_a_time_and_one_at_least() {
    let store = TestStore::new();
    // Noise, which no packing makes smaller.
    let noise = std::iter::successors(Some(1_u64), |n| {
        Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    });
    let noise: Vec<u8> = noise.map(|n| (n >> 40) as u8).take(3 << 20).collect();
    for (n, bytes) in [(1, 1 << 20), (2, 900 << 10), (3, 500 << 10), (4, 3 << 20), (5, 10)] {
        let mut append = delivered(vec![], at(n - 100));
        append.raw = Some(raw(&noise[..bytes]));
        store.append_blocking(append).unwrap();
    }
    let mut left = Vec::new();
    while store.retain(Some(at(0)), None).unwrap() {
        left.push((1..=5).filter(|n| store.raw(Seq(*n)).unwrap().is_some()).count());
    }
    assert_eq!(left, [3, 2, 1], "two megabytes at once, or one body");
    count(&store, "raw_bodies", 0);
}

#[test]
fn incidents_go_whole_once_they_ended_long_ago() {
    let store = TestStore::new();
    let revision = Revision {
        revision: 1,
        at: at(-900),
        changes: vec!["it opened".to_owned()],
        by: None,
        about_changes: Vec::new(),
        about: vec![],
    };
    let mut beside = ended(episode(5, "E", at(-890)), at(-870));
    beside.context_of = vec![IncidentId(1)];
    let mut still_beside = ended(episode(6, "F", at(-890)), at(-870));
    still_beside.context_of = vec![IncidentId(2)];
    let old_change = change(1, at(-900) - Span::from_hours(24 * 30));
    store.engine_commit(|commit| {
        commit.incidents = vec![
            over(incident(1, "old", at(-900)), at(-800)),
            incident(2, "old and still open", at(-900)),
            over(incident(3, "young", at(-300)), at(-200)),
            merged(incident(4, "part of the old one", at(-850)), 1, at(-840)),
            merged(incident(7, "part of the open one", at(-850)), 2, at(-840)),
        ];
        commit.revisions = vec![(IncidentId(1), revision.clone()), (IncidentId(2), revision)];
        commit.episodes = vec![
            ended(member(episode(1, "A", at(-900)), 1), at(-800)),
            member(episode(2, "B", at(-900)), 2),
            ended(member(episode(3, "C", at(-300)), 3), at(-200)),
            ended(episode(4, "D", at(-900)), at(-800)),
            beside,
            still_beside,
            episode(7, "fires still", at(-9000)),
            ended(episode(8, "young", at(-300)), at(-200)),
        ];
        commit.changes = vec![old_change, change(2, at(-900))];
    });
    retain_all(&store, None, Some(at(-500)));
    let incidents: Vec<bool> =
        [1, 2, 3, 4, 7].map(|id| store.incident(IncidentId(id)).unwrap().is_some()).to_vec();
    assert_eq!(incidents, [false, true, true, false, true]);
    let episodes: Vec<u64> =
        (1..=8).filter(|id| store.episode(EpisodeId(*id)).unwrap().is_some()).collect();
    assert_eq!(episodes, [2, 3, 6, 7, 8]);
    assert_eq!(store.change(ChangeId(1)).unwrap(), None);
    assert!(store.change(ChangeId(2)).unwrap().is_some());
    count(&store, "revisions", 1);
    count(&store, "context", 1);
}

#[test]
fn a_pinned_incident_stays_with_all_that_its_draft_is_made_from() {
    let month = Span::from_hours(24 * 30);
    let long_ago = at(-9_000) - month;
    let store = TestStore::new();
    let old = |id: u64, title: &str| over(incident(id, title, long_ago), long_ago);
    let revision = Revision {
        revision: 1,
        at: long_ago,
        changes: vec!["it opened".to_owned()],
        by: None,
        about_changes: Vec::new(),
        about: vec![],
    };
    let of = |id: u64, name: &str| ended(episode(id, name, long_ago), long_ago);
    let beside = |mut episode: crate::domain::Episode| {
        episode.context_of = vec![IncidentId(1)];
        episode
    };
    let mut pinned = old(1, "pinned");
    pinned.pinned = true;
    pinned.changes = vec![ChangeId(1)];
    store.engine_commit(|commit| {
        commit.incidents = vec![
            pinned.clone(),
            merged(incident(2, "part of it", long_ago), 1, long_ago),
            old(3, "beside it"),
            old(4, "not pinned"),
            over(incident(5, "young", at(-300)), at(-200)),
        ];
        commit.revisions = (1..=4).map(|id| (IncidentId(id), revision.clone())).collect();
        commit.episodes = vec![
            member(of(1, "A"), 1),
            beside(member(of(2, "B"), 3)),
            member(of(3, "C"), 3),
            member(of(4, "D"), 4),
            beside(of(5, "E")),
            of(6, "F"),
        ];
        commit.changes = vec![
            change(1, long_ago - month),
            change(2, long_ago - month),
            // It would stay beside an incident as old that is kept for its age.
            change(3, long_ago),
        ];
    });
    let facts = store.facts(IncidentId(1)).unwrap();
    let incidents = |expect: &[u64]| {
        let is_there = |id: &u64| store.incident(IncidentId(*id)).unwrap().is_some();
        assert_eq!((1..=5).filter(is_there).collect::<Vec<_>>(), expect);
    };
    let changes = |expect: &[u64]| {
        let is_there = |id: &u64| store.change(ChangeId(*id)).unwrap().is_some();
        assert_eq!((1..=3).filter(is_there).collect::<Vec<_>>(), expect);
    };
    retain_all(&store, None, Some(at(-500)));
    incidents(&[1, 2, 3, 5]);
    changes(&[1]);
    count(&store, "revisions", 3);
    assert_eq!(store.facts(IncidentId(1)).unwrap(), facts, "every byte of the draft stays");

    // Without its pin it goes like all the others.
    pinned.pinned = false;
    store.engine_commit(|commit| commit.incidents = vec![pinned]);
    retain_all(&store, None, Some(at(-500)));
    incidents(&[5]);
    changes(&[]);
    count(&store, "episodes", 0);
    count(&store, "context", 0);
}

#[test]
fn the_ledger_goes_up_to_the_newest_snapshot_whose_record_stays() {
    let store = TestStore::new();
    for n in 0..10 {
        let mut append = delivered(vec![firing(&format!("A{n}"), at(-900))], at(-900 + n));
        append.raw = Some(raw(b"{}"));
        store.append_blocking(append).unwrap();
    }
    retain_all(&store, None, Some(at(0)));
    count(&store, "ledger", 10);
    store.engine_commit(|commit| {
        commit.cursor = Seq(6);
        commit.snapshot = Some(vec![1].into());
    });
    retain_all(&store, None, Some(at(-897)));
    assert_eq!(store.records_after(Seq(0), 1).unwrap()[0].seq, Seq(4));
    retain_all(&store, None, Some(at(0)));
    assert_eq!(store.records_after(Seq(0), 1).unwrap()[0].seq, Seq(6));
    assert_eq!(store.oldest_record_time().unwrap(), Some(at(-895)));
    count(&store, "deliveries", 5);
    count(&store, "raw_bodies", 5);
    store.engine_commit(|commit| commit.snapshot = Some(vec![2].into()));
    retain_all(&store, None, Some(at(0)));
    count(&store, "ledger", 1);
    let store = store.reopen();
    assert_eq!(store.head_seq(), 10);
    assert_eq!(store.last_record_time(), Some(at(-891)));
}

#[test]
fn texts_go_once_no_record_can_name_them() {
    let store = TestStore::new();
    for n in 0..5 {
        store.deliver(&format!("A{n}"), at(-900 + n));
    }
    // Each start begins an epoch, so what is stored from here on names younger texts only.
    let store = store.reopen();
    for n in 5..8 {
        store.deliver(&format!("A{n}"), at(-900 + n));
    }
    count(&store, "intern_epochs", 2);
    let before = store.records_after(Seq(5), 9).unwrap();
    store.engine_commit(|commit| commit.snapshot = Some(vec![1].into()));
    retain_all(&store, None, Some(at(-896)));
    count(&store, "ledger", 4);
    count(&store, "intern_epochs", 2);
    retain_all(&store, None, Some(at(-895)));
    count(&store, "ledger", 3);
    count(&store, "intern_epochs", 1);
    // Three label sets, the annotations, the sender, the group, and pieces that came twice.
    count(&store, "interned", 6 + 13);
    let store = store.reopen();
    assert_eq!(store.records_after(Seq(0), 9).unwrap(), before);
    assert_eq!(before[2].body, body(vec![firing("A7", at(0))]));
}

#[test]
fn a_ledger_of_which_nothing_is_old_stays_whole() {
    let store = TestStore::new();
    for _ in 0..2 {
        store.append_blocking(Append::own(RecordBody::Stop, at(0))).unwrap();
    }
    store.deliver("A", at(-10));
    store.deliver("B", at(-9));
    store.engine_commit(|commit| commit.snapshot = Some(vec![1].into()));
    store.deliver("C", at(0));
    retain_all(&store, None, Some(at(-20)));
    count(&store, "ledger", 5);
    retain_all(&store, None, Some(at(-5)));
    // The snapshot's record and the newest one.
    count(&store, "ledger", 2);
}

/// What ended long ago goes only where no replay finds it: see the module of retention.
#[test]
fn rows_go_after_the_ledgers_beginning_and_what_was_recalled_or_heard_lately_stays() {
    let hour = |n: i64| at(-9_000) + Span::from_hours(n - 300);
    let store = TestStore::new();
    store.deliver("A", hour(0));
    store.engine_commit(|commit| {
        commit.cursor = Seq(1);
        let mut late = ended(episode(3, "told late", hour(0)), hour(1));
        late.last_word_at = hour(90);
        commit.episodes = vec![
            ended(episode(1, "old", hour(0)), hour(1)),
            ended(episode(2, "recalled", hour(0)), hour(1)),
            late,
            ended(episode(4, "young", hour(0)), hour(40)),
        ];
    });
    let left = |store: &TestStore| -> Vec<u64> {
        (1..=4).filter(|id| store.episode(EpisodeId(*id)).unwrap().is_some()).collect()
    };
    store.deliver("B", hour(100));
    retain_all(&store, None, Some(hour(99)));
    assert_eq!(left(&store), [1, 2, 3, 4], "the ledger tells of all of them");
    store.engine_commit(|commit| {
        commit.cursor = Seq(2);
        commit.snapshot = Some(vec![1].into());
    });
    store.deliver("C", hour(200));
    store.engine_commit(|commit| {
        commit.cursor = Seq(3);
        commit.recalls =
            vec![(Seq(3), br#"{"incidents":[],"episodes":[{"id":"e2"}],"changes":[]}"#.to_vec())];
    });
    retain_all(&store, None, Some(hour(0)));
    assert_eq!(left(&store), [1, 2, 3, 4], "nothing of the ledger is old enough");
    retain_all(&store, None, Some(hour(99)));
    assert_eq!(left(&store), [2, 3, 4]);
    store.engine_commit(|commit| {
        commit.cursor = Seq(3);
        commit.snapshot = Some(vec![2].into());
    });
    retain_all(&store, None, Some(hour(99)));
    assert!(left(&store).is_empty());
}

#[test]
fn while_the_engine_holds_what_it_recalled_only_raw_bodies_go() {
    let store = TestStore::new();
    store.engine_commit(|commit| {
        commit.episodes = vec![ended(episode(1, "old", at(-900)), at(-800))];
    });
    let hold = store.hold_rows();
    store.retain(None, Some(at(-500))).unwrap();
    count(&store, "episodes", 1);
    drop(hold);
    retain_all(&store, None, Some(at(-500)));
    count(&store, "episodes", 0);
}
