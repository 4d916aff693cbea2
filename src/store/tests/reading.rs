//! The way of a read: facts, lists, pages, lookups.

use super::support::{
    TestStore, at, change, ended, episode, firing, incident, key, member, merged, over,
};
use crate::domain::facts::Revision;
use crate::domain::milestone::Milestone;
use crate::domain::record::Outcome;
use crate::domain::topology::{Edge, Topology};
use crate::domain::{ChangeId, EpisodeId, Incident, IncidentId, Matcher, Name, Seq, Severity};
use crate::store::{
    ChangeFilter, EngineCommit, EpisodeFilter, HeartbeatRow, IncidentFilter, PageRequest,
};

pub(super) fn page(limit: usize, cursor: Option<String>) -> PageRequest {
    PageRequest { limit, cursor }
}

#[test]
fn facts_hold_what_the_engine_committed() {
    let store = TestStore::new();
    let mut story = incident(1, "Checkout fails", at(-60));
    story.changes = vec![ChangeId(2), ChangeId(1), ChangeId(9)];
    let mut beside = episode(3, "C", at(-70));
    beside.context_of = vec![IncidentId(1), IncidentId(2)];
    let members = [
        member(episode(2, "B", at(-60)), 1),
        member(episode(1, "A", at(-60)), 1),
        member(episode(4, "D", at(-90)), 1),
    ];
    let revision = |number, words: &str| Revision {
        revision: number,
        at: at(-60),
        changes: vec![words.to_owned()],
        by: None,
        about_changes: Vec::new(),
        about: vec![],
    };
    store.engine_commit(|commit| {
        commit.incidents = vec![story.clone()];
        commit.episodes = members.to_vec();
        commit.episodes.push(beside.clone());
        commit.changes = vec![change(1, at(-100)), change(2, at(-200)), change(3, at(-50))];
        commit.revisions = vec![
            (IncidentId(1), revision(2, "an alert joined")),
            (IncidentId(1), revision(1, "it opened")),
            (IncidentId(2), revision(1, "another one")),
        ];
    });
    let facts = store.facts(IncidentId(1)).unwrap().unwrap();
    assert_eq!(facts.incident, story);
    assert_eq!(facts.members, [members[2].clone(), members[1].clone(), members[0].clone()]);
    assert_eq!(facts.context, std::slice::from_ref(&beside));
    assert_eq!(facts.changes, [change(2, at(-200)), change(1, at(-100))]);
    assert_eq!(facts.revisions, [revision(1, "it opened"), revision(2, "an alert joined")]);
    assert_eq!(store.facts(IncidentId(2)).unwrap(), None);
    let mut printable = facts.clone();
    assert!(printable.members.iter().all(|member| !member.reason.is_empty()));
    printable.members.iter_mut().for_each(|member| member.reason = Box::default());
    assert_eq!(store.facts_to_print(IncidentId(1)).unwrap(), Some(printable));
    // The newest state of a thing replaces the former one, its links included.
    beside.context_of = vec![];
    store.engine_commit(|commit| {
        commit.episodes = vec![beside.clone(), ended(members[1].clone(), at(-1))];
    });
    let facts = store.facts(IncidentId(1)).unwrap().unwrap();
    assert_eq!(facts.context, []);
    assert_eq!(facts.members[1].ends_at(), Some(at(-1)));
    assert_eq!(store.members(IncidentId(1)).unwrap(), facts.members);
    assert_eq!(store.episode(EpisodeId(3)).unwrap(), Some(beside));
    assert_eq!(store.episode(EpisodeId(99)).unwrap(), None);
}

#[test]
fn a_record_has_one_snapshot_however_often_it_is_taken() {
    let store = TestStore::new();
    store.deliver("A", at(-9));
    // Of the same record is of the same state; pieces of two must never stand side by side.
    for state in [vec![1; 40], vec![2; 50]] {
        store.engine_commit(|commit| commit.snapshot = Some(state));
        assert_eq!(store.snapshot().unwrap().unwrap().bytes, vec![1; 40]);
    }
    store.deliver("B", at(-8));
    store.engine_commit(|commit| commit.snapshot = Some(vec![3; 60]));
    assert_eq!(store.snapshot().unwrap().unwrap().bytes, vec![3; 60]);
}

#[test]
fn the_engines_own_things_are_kept_and_pruned() {
    let store = TestStore::new();
    for n in 0..6 {
        store.deliver(&format!("A{n}"), at(n - 10));
    }
    assert_eq!(store.snapshot().unwrap().map(|s| s.seq), None);
    for seq in 1..=4 {
        store.engine_commit(|commit| {
            commit.cursor = Seq(seq);
            commit.recalls = vec![(Seq(seq), vec![1, 2, 3])];
            commit.snapshot = (seq <= 3).then(|| vec![u8::try_from(seq).unwrap()]);
            let made = Some(format!("n{seq}"));
            commit.outcomes = vec![(Seq(seq), Outcome::Done { incident: None, made })];
        });
    }
    let snapshot = store.snapshot().unwrap().unwrap();
    assert_eq!((snapshot.seq, snapshot.bytes), (Seq(3), vec![3]));
    assert_eq!(store.recalls_after(Seq(0)).unwrap(), [(Seq(4), vec![1, 2, 3])]);
    assert_eq!(store.recalls_after(Seq(4)).unwrap(), []);
    let outcome = Outcome::Done { incident: None, made: Some("n2".to_owned()) };
    assert_eq!(store.outcome(Seq(2)).unwrap(), Some(outcome));
    assert_eq!(store.outcome(Seq(5)).unwrap(), None);
    store.inspect(|connection| {
        let kept: i64 =
            connection.query_row("SELECT count(*) FROM snapshots", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1);
    });
    let beat = HeartbeatRow {
        name: Name::from("watchdog"),
        episode: EpisodeId(1),
        last_word_at: at(-5),
        deadline: Some(at(60)),
        is_missed: false,
    };
    let edges = vec![Edge { caller: "web".into(), callee: "db".into(), cluster: None }];
    let topology = Topology { edges, placement: vec![] };
    store.engine_commit(|commit| {
        commit.heartbeats = Some(vec![beat.clone(), beat.clone()]);
        commit.topology = Some(topology.clone());
    });
    store.engine_commit(|commit| commit.heartbeats = Some(vec![beat.clone()]));
    assert_eq!(store.heartbeats().unwrap(), [beat]);
    assert_eq!(store.topology().unwrap(), Some(topology));
}

/// Three incidents: 1 resolved, 2 open and renamed, 3 merged into 2, 4 open.
fn incidents() -> TestStore {
    let store = TestStore::new();
    let first = over(incident(1, "Checkout errors", at(-900)), at(-800));
    let mut second = incident(2, "Slow search", at(-500));
    second.report.title = Some("Größere Störung 100% of_users".to_owned());
    second.report.severity = Some(Severity::Warning);
    second.tally.services = vec![Name::from("search")];
    let third = merged(incident(3, "Slow search too", at(-400)), 2, at(-300));
    let fourth = incident(4, "Disk fills", at(-100));
    store.engine_commit(|commit| {
        commit.incidents = vec![first, second, third, fourth];
        commit.episodes = vec![
            ended(member(episode(1, "HighErrorRate", at(-900)), 1), at(-800)),
            member(episode(2, "SlowQueries", at(-500)), 2),
            member(episode(3, "SlowQueries", at(-400)), 2),
            member(episode(4, "DiskFull", at(-100)), 4),
        ];
    });
    store
}

fn check_incidents(store: &TestStore, filter: &IncidentFilter, expect: &[u64]) {
    let page = store.incidents(filter, &page(50, None)).unwrap();
    let ids: Vec<u64> = page.items.iter().map(|incident: &Incident| incident.id.0).collect();
    assert_eq!(ids, expect, "{filter:?}");
    assert_eq!(page.next_cursor, None);
}

#[test]
fn incidents_are_filtered_as_the_filter_says() {
    let store = incidents();
    let all = IncidentFilter::default;
    let check = |filter: IncidentFilter, expect: &[u64]| check_incidents(&store, &filter, expect);
    check(all(), &[4, 2, 1]);
    let states = |words: &[&str]| IncidentFilter {
        states: words.iter().map(|word| (*word).to_owned()).collect(),
        ..all()
    };
    check(states(&["merged"]), &[3]);
    check(states(&["open", "merged"]), &[4, 3, 2]);
    check(states(&["resolved"]), &[1]);
    check(states(&["nonsense"]), &[]);
    check(IncidentFilter { severities: vec![Severity::Warning], ..all() }, &[2]);
    check(
        IncidentFilter { severities: vec![Severity::Warning, Severity::Critical], ..all() },
        &[4, 2, 1],
    );
    let service = |name: &str| IncidentFilter { service: Some(name.to_owned()), ..all() };
    check(service("search"), &[2]);
    check(service("checkout"), &[4, 1]);
    check(service("check"), &[]);
    let text = |text: &str| IncidentFilter { text: Some(text.to_owned()), ..all() };
    for (words, expect) in [
        ("DISK", &[4][..]),
        ("größere störung", &[2]),
        ("slow search", &[2]),
        ("100%", &[2]),
        ("1%0", &[]),
        ("of_users", &[2]),
        ("ofXusers", &[]),
        ("checkout-DB", &[4, 1]),
        ("slowqueries", &[2]),
        ("", &[4, 2, 1]),
    ] {
        check(text(words), expect);
    }
}

#[test]
fn an_incident_overlaps_a_stretch_that_touches_it() {
    let store = incidents();
    for (since, until, expect) in [
        (Some(-800), None, &[4, 2, 1][..]),
        (Some(-799), None, &[4, 2]),
        (None, Some(-100), &[4, 2, 1]),
        (None, Some(-101), &[2, 1]),
        (Some(-850), Some(-850), &[1]),
        (Some(-700), Some(-600), &[]),
    ] {
        let filter = IncidentFilter {
            since: since.map(at),
            until: until.map(at),
            ..IncidentFilter::default()
        };
        check_incidents(&store, &filter, expect);
    }
    let filter = IncidentFilter {
        states: vec!["merged".to_owned()],
        since: Some(at(-299)),
        ..IncidentFilter::default()
    };
    check_incidents(&store, &filter, &[]);
}

#[test]
fn what_people_say_of_the_onset_moves_the_incident() {
    let store = incidents();
    let mut fourth = store.incident(IncidentId(4)).unwrap().unwrap();
    fourth.report.milestones.insert(Milestone::Onset, at(-2000));
    store.engine_commit(|commit| commit.incidents = vec![fourth]);
    let filter = IncidentFilter { until: Some(at(-1500)), ..IncidentFilter::default() };
    check_incidents(&store, &filter, &[4]);
}

#[test]
fn matchers_look_at_the_labels() {
    let store = incidents();
    let none = Matcher::parse_list("alertname=\"NoSuchAlert\"").unwrap();
    let filter = IncidentFilter { matchers: none.clone(), ..IncidentFilter::default() };
    check_incidents(&store, &filter, &[]);
    let filter = EpisodeFilter { matchers: none, ..EpisodeFilter::default() };
    assert_eq!(store.episodes(&filter, &page(10, None)).unwrap().items, []);
}

#[test]
fn episodes_are_filtered_as_the_filter_says() {
    let store = TestStore::new();
    store.engine_commit(|commit| {
        commit.episodes = vec![
            ended(episode(1, "A", at(-90)), at(-80)),
            member(episode(2, "B", at(-70)), 1),
            ended(member(episode(3, "A", at(-60)), 1), at(-50)),
            episode(4, "A", at(-40)),
        ];
    });
    let all = EpisodeFilter::default;
    let check = |filter: EpisodeFilter, expect: &[u64]| {
        let page = store.episodes(&filter, &page(50, None)).unwrap();
        let ids: Vec<u64> = page.items.iter().map(|episode| episode.id.0).collect();
        assert_eq!(ids, expect, "{filter:?}");
    };
    check(all(), &[4, 3, 2, 1]);
    check(EpisodeFilter { incident: Some(IncidentId(1)), ..all() }, &[3, 2]);
    check(EpisodeFilter { floating: true, ..all() }, &[4, 1]);
    check(EpisodeFilter { active: true, ..all() }, &[4, 2]);
    check(EpisodeFilter { active: true, floating: true, ..all() }, &[4]);
    let fingerprint = Some(key("A").fingerprint.to_string());
    check(EpisodeFilter { fingerprint: fingerprint.clone(), ..all() }, &[4, 3, 1]);
    check(EpisodeFilter { fingerprint, active: true, ..all() }, &[4]);
    let of_alert = |limit| -> Vec<u64> {
        let episodes = store.episodes_of_alert(&key("A"), limit).unwrap();
        episodes.iter().map(|episode| episode.id.0).collect()
    };
    assert_eq!(of_alert(10), [4, 3, 1]);
    assert_eq!(of_alert(2), [4, 3]);
    let mut variant = key("A");
    variant.variant = Some(u64::MAX);
    assert_eq!(store.episodes_of_alert(&variant, 10).unwrap(), []);
    let mut other = episode(5, "A", at(-30));
    other.key = variant.clone();
    store.engine_commit(|commit| commit.episodes = vec![other.clone()]);
    assert_eq!(store.episodes_of_alert(&variant, 10).unwrap(), [other]);
    assert_eq!(of_alert(10), [4, 3, 1]);
    let counts = store.counts().unwrap();
    assert_eq!(counts.floating, 2);
}

#[test]
fn counts_are_by_state() {
    let counts = incidents().counts().unwrap();
    let expect = [("merged", 1), ("open", 2), ("resolved", 1)];
    assert_eq!(counts.incidents, expect.map(|(state, count)| (state.to_owned(), count)));
    assert_eq!(counts.floating, 0);
}

#[test]
fn changes_are_listed_by_the_moment_at_which_they_happened() {
    let store = TestStore::new();
    let mut elsewhere = change(4, at(-10));
    elsewhere.report.service = None;
    store.engine_commit(|commit| {
        commit.changes =
            vec![change(1, at(-30)), change(2, at(-90)), change(3, at(-30)), elsewhere];
    });
    let list = |filter: &ChangeFilter, limit, cursor| {
        let page = store.changes(filter, &page(limit, cursor)).unwrap();
        (page.items.iter().map(|change| change.id.0).collect::<Vec<_>>(), page.next_cursor)
    };
    let all = ChangeFilter::default();
    let (first, cursor) = list(&all, 2, None);
    assert_eq!(first, [4, 3]);
    let (second, cursor) = list(&all, 2, cursor);
    assert_eq!((second, cursor), (vec![1, 2], None));
    let service = Some("checkout".to_owned());
    assert_eq!(list(&ChangeFilter { service, ..all.clone() }, 9, None).0, [3, 1, 2]);
    let (since, until) = (Some(at(-30)), Some(at(-30)));
    assert_eq!(list(&ChangeFilter { since, until, ..all }, 9, None).0, [3, 1]);
    let by_key = |source: &str, key| store.change_by_key(&Name::from(source), key).unwrap();
    assert_eq!(by_key("api", "release-2"), Some(change(2, at(-90))));
    assert_eq!(by_key("github", "release-2"), None);
    assert_eq!(store.change(ChangeId(1)).unwrap(), Some(change(1, at(-30))));
    assert_eq!(store.change(ChangeId(7)).unwrap(), None);
}

#[test]
fn pages_of_incidents_meet_without_gap() {
    let store = TestStore::new();
    store.engine_commit(|commit| {
        commit.incidents =
            (1..=25).map(|id| incident(id, "A", at(i64::try_from(id).unwrap()))).collect();
    });
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.incidents(&IncidentFilter::default(), &page(10, cursor)).unwrap();
        seen.extend(page.items.iter().map(|incident| incident.id.0));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let foreign = page(10, Some("o:10".to_owned()));
    let error = store.incidents(&IncidentFilter::default(), &foreign).unwrap_err().to_string();
    assert!(error.contains("next_cursor"), "{error}");
}

#[test]
fn an_empty_commit_only_moves_the_cursor() {
    let store = TestStore::new();
    store.append_blocking(super::support::delivered(vec![firing("A", at(0))], at(0))).unwrap();
    store.commit(EngineCommit { cursor: Seq(1), ..EngineCommit::default() }).unwrap();
    assert_eq!(*store.cursor().borrow(), Seq(1));
}
