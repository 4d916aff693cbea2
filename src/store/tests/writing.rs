//! The way of a write: the law of record time, group commit, failures, and the end.

use std::sync::mpsc;

use super::support::{
    TestStore, at, body, delivered, episode, firing, incident, options, raw, resolved,
};
use crate::clock::Clock;
use crate::domain::record::Start;
use crate::domain::{RecordBody, Seq, Span, Timestamp};
use crate::metrics::Metrics;
use crate::store::{
    Append, Appended, DoorCounts, EngineCommit, Quarantine, RefusedAlert, SignOfLife, Store,
    StoreError,
};

fn counts(new: u64, updated: u64, repeated: u64) -> DoorCounts {
    DoorCounts { new, updated, repeated }
}

#[test]
fn what_is_appended_reads_back_in_order() {
    let store = TestStore::new();
    let bodies = [
        RecordBody::Start(Start { deaf: None }),
        body(vec![firing("A", at(-5)), resolved("B", at(-9), at(-1))]),
        body(vec![]),
        RecordBody::Stop,
    ];
    for (index, body) in bodies.iter().enumerate() {
        let append = Append {
            received_at: matches!(body, RecordBody::Delivery(_)).then(|| at(0)),
            ..Append::own(body.clone(), at(0))
        };
        let appended = store.append_blocking(append).unwrap();
        assert_eq!(appended.seq, Seq(index as u64 + 1));
    }
    let records = store.records_after(Seq(0), 100).unwrap();
    assert_eq!(records.iter().map(|r| r.body.clone()).collect::<Vec<_>>(), bodies);
    assert_eq!(
        records.iter().map(|r| r.received_at).collect::<Vec<_>>(),
        [None, Some(at(0)), Some(at(0)), None]
    );
    let piece = store.records_after(Seq(1), 2).unwrap();
    assert_eq!(piece, records[1..3]);
    assert_eq!(store.records_after(Seq(4), 2).unwrap(), []);
}

/// Appends records and compares their record times, in seconds after the beginning. The wall clock
/// stands at 100 seconds.
fn check_times(steps: &[(Step, Option<i64>)]) {
    let store = TestStore::new();
    store.clock.step_wall(Span::from_seconds(100));
    for (step, _) in steps {
        let append = match step {
            Step::Received(seconds) => delivered(vec![], at(*seconds)),
            Step::Own => Append::own(RecordBody::Stop, store.clock.now()),
            Step::Tick(seconds) => Append::tick(at(*seconds), store.clock.now()),
            Step::WallSteps(seconds) => {
                store.clock.step_wall(Span::from_seconds(*seconds));
                continue;
            }
        };
        store.append_blocking(append).unwrap();
    }
    let expect: Vec<_> = steps
        .iter()
        .filter(|(step, _)| !matches!(step, Step::WallSteps(_)))
        .map(|(_, seconds)| seconds.map(at))
        .collect();
    let records = store.records_after(Seq(0), 100).unwrap();
    assert_eq!(records.iter().map(|r| r.time).collect::<Vec<_>>(), expect, "{steps:?}");
    assert_eq!(store.last_record_time(), expect.last().copied().flatten());
}

#[derive(Debug)]
enum Step {
    Received(i64),
    Own,
    Tick(i64),
    WallSteps(i64),
}

#[test]
fn record_time_never_goes_back_and_never_ahead_of_the_wall_clock() {
    use Step::{Own, Received, Tick, WallSteps};
    // The program's own records repeat the time before them; at the head there is none.
    check_times(&[
        (Own, None),
        (Own, None),
        (Received(10), Some(10)),
        (Own, Some(10)),
        (Received(20), Some(20)),
    ]);
    // A replay into an empty store begins at its first event; older receipts do not turn it back.
    check_times(&[(Received(-5000), Some(-5000)), (Received(-4000), Some(-4000))]);
    check_times(&[(Received(50), Some(50)), (Received(40), Some(50)), (Received(60), Some(60))]);
    // A receipt ahead of the wall clock counts as now; a wall clock that steps back holds time.
    check_times(&[(Received(5000), Some(100)), (Received(90), Some(100))]);
    check_times(&[
        (Received(100), Some(100)),
        (WallSteps(-60), None),
        (Received(100), Some(100)),
        (WallSteps(90), None),
        (Received(130), Some(130)),
        (Received(500), Some(130)),
    ]);
    // A tick has its deadline's own time.
    check_times(&[(Received(10), Some(10)), (Tick(30), Some(30)), (Received(20), Some(30))]);
}

#[test]
fn a_tick_that_the_ledger_has_reached_is_dropped() {
    let store = TestStore::new();
    store.deliver("A", at(-10));
    let tick = |seconds| store.append_blocking(Append::tick(at(seconds), at(0))).unwrap().seq;
    assert_eq!(tick(-10), Seq(1));
    assert_eq!(tick(-20), Seq(1));
    assert_eq!(store.head_seq(), 1);
    assert_eq!(tick(-5), Seq(2));
    assert_eq!(tick(-5), Seq(2));
    assert_eq!(store.last_record_time(), Some(at(-5)));
}

#[test]
fn what_waits_shares_one_commit() {
    let store = TestStore::new();
    let commits = store.metrics.store_commit.get_sample_count();
    let held = store.hold_writer();
    let answers: Vec<_> = (0..50)
        .map(|n| {
            let store = store.store.clone();
            let append = delivered(vec![firing(&format!("A{n}"), at(0))], at(0));
            std::thread::spawn(move || store.append_blocking(append).unwrap().seq)
        })
        .collect();
    while store.inner().shared.queue.depth() < 50 {
        std::thread::yield_now();
    }
    drop(held);
    let mut seqs: Vec<_> = answers.into_iter().map(|thread| thread.join().unwrap().0).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    // One for the batch that was held, one for all that waited.
    assert_eq!(store.metrics.store_commit.get_sample_count(), commits + 2);
    assert_eq!(store.metrics.store_batch.get_sample_count(), 1);
    assert_eq!(store.metrics.ledger_head.get(), 50);
}

#[test]
fn a_full_queue_says_so_and_lets_the_engine_pass() {
    let store = TestStore::with(|options| options.queue_capacity = 2);
    let held = store.hold_writer();
    let waiting: Vec<_> = (1..=2)
        .map(|depth| {
            let handle = store.store.clone();
            let thread = std::thread::spawn(move || {
                handle.append_blocking(delivered(vec![], at(0))).unwrap();
            });
            while store.inner().shared.queue.depth() < depth {
                std::thread::yield_now();
            }
            thread
        })
        .collect();
    let error = store.append_blocking(delivered(vec![], at(0))).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("2 deliveries wait")));
    let engine = store.store.clone();
    let commit = std::thread::spawn(move || engine.commit(EngineCommit::default()).unwrap());
    while store.inner().shared.queue.depth() < 3 {
        std::thread::yield_now();
    }
    drop(held);
    waiting.into_iter().for_each(|thread| thread.join().unwrap());
    commit.join().unwrap();
    assert_eq!(store.head_seq(), 2);
}

#[test]
fn a_job_that_fails_takes_nobody_with_it() {
    let store = TestStore::new();
    store.deliver("A", at(-9));
    let held = store.hold_writer();
    let queue = |depth: usize, work: Box<dyn FnOnce(Store) -> Result<(), StoreError> + Send>| {
        let handle = store.store.clone();
        let thread = std::thread::spawn(move || work(handle));
        while store.inner().shared.queue.depth() < depth {
            std::thread::yield_now();
        }
        thread
    };
    let append = |seconds| -> Box<dyn FnOnce(Store) -> Result<(), StoreError> + Send> {
        let mut append = delivered(vec![firing(&format!("B{seconds}"), at(0))], at(seconds));
        append.raw = Some(raw(b"body"));
        Box::new(move |store| store.append_blocking(append).map(drop))
    };
    let first = queue(1, append(-8));
    let bad = queue(
        2,
        Box::new(|store| {
            let incidents = vec![incident(1, "half a commit", at(0))];
            store.commit(EngineCommit { cursor: Seq(99), incidents, ..EngineCommit::default() })
        }),
    );
    let last = queue(3, append(-7));
    drop(held);
    first.join().unwrap().unwrap();
    let error = bad.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("from 0 to 99 while the ledger ends at 2"), "{error}");
    last.join().unwrap().unwrap();
    assert_eq!(store.head_seq(), 3);
    assert_eq!(*store.cursor().borrow(), Seq(0));
    assert_eq!(store.incident(crate::domain::IncidentId(1)).unwrap(), None);
    assert_eq!(store.records_after(Seq(0), 9).unwrap().len(), 3);
    assert!(store.is_writable());
    // Each is stored once, though the first was done twice.
    store.inspect(|connection| {
        let sql = "SELECT count(*), sum(length(bodies)) FROM raw_bodies WHERE first_seq > 1";
        let stored = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(stored, (1_i64, 2_i64 * (13 + 4)));
    });
}

#[test]
fn the_cursor_never_goes_back() {
    let store = TestStore::new();
    store.deliver("A", at(-9));
    store.deliver("B", at(-8));
    store.engine_commit(|commit| commit.cursor = Seq(2));
    assert_eq!(*store.cursor().borrow(), Seq(2));
    let back = store.commit(EngineCommit { cursor: Seq(1), ..EngineCommit::default() });
    assert!(matches!(back, Err(StoreError::Broken(_))));
    store.engine_commit(|commit| commit.cursor = Seq(2));
    assert_eq!(*store.reopen().cursor().borrow(), Seq(2));
}

/// Lets the database grow by this many pages at most, as a full disk would.
fn limit_growth(store: &TestStore, pages: i64) {
    store.inspect(move |connection| {
        let count: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = if pages == i64::MAX { pages } else { count + pages };
        connection
            .query_row(&format!("PRAGMA max_page_count = {}", most.min(1 << 30)), [], |_| Ok(()))
            .unwrap();
    });
}

#[test]
fn a_full_disk_says_no_to_everyone_and_is_recovered_from() {
    let store = TestStore::new();
    let append = |name: &str, bytes: usize| {
        let mut append = delivered(vec![firing(name, at(-9))], at(-9));
        // Noise, which no packing makes smaller.
        let noise = std::iter::successors(Some(1_u64), |n| {
            Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        });
        let noise: Vec<u8> = noise.map(|n| (n >> 40) as u8).take(bytes).collect();
        append.raw = Some(raw(&noise));
        store.append_blocking(append)
    };
    append("before", 10).unwrap();
    limit_growth(&store, 4);
    let error = append("lost", 1 << 20).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("disk is full")));
    assert!(!store.is_writable());
    assert!(store.metrics.store_errors.with_label_values(&["commit"]).get() > 0);
    assert_eq!(store.head_seq(), 1);
    limit_growth(&store, i64::MAX);
    // The memories went back as well: the number is given again, the texts are stored again, and
    // the alert is new again.
    let again = append("lost", 700_000).unwrap();
    assert_eq!(again, Appended { seq: Seq(2), counts: counts(1, 0, 0) });
    assert_eq!(store.raw(Seq(2)).unwrap().map(|body| body.len()), Some(700_000));
    assert!(store.is_writable());
    let records = store.records_after(Seq(0), 9).unwrap();
    assert_eq!(records[1].body, body(vec![firing("lost", at(-9))]));
    assert_eq!(store.reopen().records_after(Seq(0), 9).unwrap(), records);
}

#[test]
fn the_door_counts_new_updated_and_repeated() {
    let store = TestStore::new();
    let leased = |seconds| {
        let mut word = firing("B", at(-9));
        word.state = crate::domain::WordState::Firing { lease: Some(at(seconds)) };
        word
    };
    let check = |store: &TestStore, words, expect| {
        let appended = store.append_blocking(delivered(words, at(-1))).unwrap();
        assert_eq!(appended.counts, expect);
    };
    check(&store, vec![firing("A", at(-9)), leased(10)], counts(2, 0, 0));
    check(&store, vec![firing("A", at(-9)), leased(20)], counts(0, 0, 2));
    check(&store, vec![firing("A", at(-5)), resolved("B", at(-9), at(-2))], counts(1, 1, 0));
    check(&store, vec![resolved("B", at(-9), at(-2))], counts(0, 0, 1));
    check(&store, vec![resolved("B", at(-9), at(-1))], counts(0, 1, 0));
    // After a start, what fires is remembered from the episodes.
    store.engine_commit(|commit| commit.episodes = vec![episode(1, "A", at(-5))]);
    let store = store.reopen();
    check(&store, vec![firing("A", at(-5)), firing("C", at(-5))], counts(1, 0, 1));
}

#[test]
fn a_repeated_alert_is_stored_in_few_bytes() {
    let store = TestStore::new();
    let words: Vec<_> = (0..10).map(|n| firing(&format!("A{n}"), at(-9))).collect();
    for _ in 0..100 {
        store.append_blocking(delivered(words.clone(), at(-1))).unwrap();
    }
    store.inspect(|connection| {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let per_alert = number("SELECT length(body) FROM ledger WHERE seq = 100") / 10;
        assert!(per_alert <= 60, "{per_alert} bytes an alert");
        // Ten label sets, one set of annotations, the sender, and the group; and what came twice
        // in them.
        assert_eq!(number("SELECT count(*) FROM interned"), 13 + 13);
    });
    let records = store.records_after(Seq(99), 1).unwrap();
    assert_eq!(records[0].body, body(words));
}

#[test]
fn deliveries_keep_their_body_and_their_refused_alerts() {
    let store = TestStore::new();
    let mut append = delivered(vec![firing("A", at(-9))], at(-9));
    let mut delivery = raw(b"{\"alerts\":[]}");
    delivery.refused =
        vec![RefusedAlert { index: 3, problem: "it has no labels; give it one".to_owned() }];
    append.raw = Some(delivery);
    append.true_received_at = at(0);
    let seq = store.append_blocking(append).unwrap().seq;
    let page = store.deliveries(&super::reading::page(10, None)).unwrap();
    let row = &page.items[0];
    assert_eq!((row.seq, row.source.as_str(), row.bytes), (seq, "alertmanager", 13));
    assert_eq!((row.received_at, row.true_received_at), (at(-9), at(0)));
    assert_eq!((row.alerts, row.is_test, row.has_raw), (1, false, true));
    assert_eq!(store.raw(seq).unwrap().as_deref(), Some(&b"{\"alerts\":[]}"[..]));
    assert_eq!(store.raw(Seq(99)).unwrap(), None);
    let quarantined = store.quarantined(&super::reading::page(10, None)).unwrap().items;
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].delivery, Some(seq));
    assert_eq!(quarantined[0].index, Some(3));
    assert_eq!(quarantined[0].reason, "alert");
    let sources = store.sources().unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!((sources[0].last_delivery_at, sources[0].deliveries), (at(-9), 1));
}

#[tokio::test]
async fn the_quarantine_is_bounded() {
    let store = TestStore::new();
    // The same body is kept once, so each one begins with a number of its own.
    let quarantine = |number: u32, bytes: usize| {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(bytes, b'{');
        Quarantine {
            source: "grafana".into(),
            received_at: at(0),
            reason: "not_json",
            problem: "it is no JSON; send JSON".to_owned(),
            bytes: body.into(),
            redacted: 0,
            headers: vec![],
        }
    };
    assert_eq!(store.quarantine(quarantine(0, 4)).await.unwrap(), "q1");
    assert_eq!(store.quarantine(quarantine(0, 4)).await.unwrap(), "q1");
    assert_eq!(store.quarantined_one(1).unwrap().unwrap().body, Some(vec![0; 4]));
    for number in 1..=1005 {
        store.quarantine(quarantine(number, 4)).await.unwrap();
    }
    let count = || {
        let mut count = 0;
        let mut cursor = None;
        loop {
            let page = store.quarantined(&super::reading::page(400, cursor)).unwrap();
            count += page.items.len();
            cursor = page.next_cursor;
            if cursor.is_none() {
                return count;
            }
        }
    };
    assert_eq!(count(), 1000);
    for number in 2001..=2005 {
        store.quarantine(quarantine(number, 15 << 20)).await.unwrap();
    }
    assert_eq!(count(), 4, "four bodies of 15 MiB keep the bound of 64 MiB");
    assert_eq!(store.quarantine(quarantine(3000, 4)).await.unwrap(), "q1012");
}

#[test]
fn a_sign_of_life_is_that_of_the_process_before() {
    let store = TestStore::new();
    assert_eq!(store.sign_of_life().unwrap(), None);
    let sign = SignOfLife { wall: at(5), machine: Some(at(3)) };
    store.note_sign_of_life(SignOfLife { wall: at(1), machine: None }).unwrap();
    store.note_sign_of_life(sign).unwrap();
    assert_eq!(store.sign_of_life().unwrap(), None);
    let store = store.reopen();
    assert_eq!(store.sign_of_life().unwrap(), Some(sign));
    assert_eq!(store.head_seq(), 0, "it is no record");
}

#[test]
fn long_records_are_read_a_few_at_a_time_and_none_is_left_out() {
    let store = TestStore::new();
    let sent = 40;
    for number in 0..sent {
        let words = (0..200).map(|word| firing(&format!("A{number}-{word}"), at(-9))).collect();
        store.append_blocking(delivered(words, at(-9))).unwrap();
    }
    let (mut at_once, mut read) = (Vec::new(), Vec::new());
    loop {
        let after = read.last().copied().unwrap_or_default();
        let records = store.records_after(after, 100).unwrap();
        if records.is_empty() {
            break;
        }
        at_once.push(records.len());
        read.extend(records.iter().map(|record| record.seq));
    }
    assert_eq!(read, (1..=sent).map(Seq).collect::<Vec<_>>());
    assert!(at_once.len() > 1 && at_once[0] > 1, "{at_once:?}");
}

#[test]
fn a_request_in_flight_is_known_until_it_is_done() {
    let store = TestStore::new();
    let late = store.receive(at(2));
    let early = store.receive(at(1));
    assert_eq!(store.oldest_in_flight(), Some(at(1)));
    drop(early);
    assert_eq!(store.oldest_in_flight(), Some(at(2)));
    drop(late);
    assert_eq!(store.oldest_in_flight(), None);
}

#[test]
fn everything_is_there_after_a_start_whichever_way_it_ended() {
    let store = TestStore::new();
    store.deliver("A", at(-3));
    store.engine_commit(|commit| commit.incidents = vec![incident(1, "A", at(-3))]);
    let store = store.reopen();
    assert_eq!(store.last_record_time(), Some(at(-3)));
    store.deliver("B", at(-2));
    store.close();
    let refused = store.append_blocking(delivered(vec![], at(0))).unwrap_err().to_string();
    assert!(refused.contains("closing"), "{refused}");
    assert!(!store.is_writable());
    assert_eq!(store.records_after(Seq(0), 9).unwrap().len(), 2, "reads still work");
    store.close();
    let store = store.reopen();
    assert_eq!(store.head_seq(), 2);
    assert_eq!(store.last_record_time(), Some(at(-2)));
    assert_eq!(store.deliver("C", at(-5)), Seq(3));
    assert_eq!(store.last_record_time(), Some(at(-2)));
    let records = store.records_after(Seq(0), 9).unwrap();
    assert_eq!(records[2].body, body(vec![firing("C", at(0))]));
}

#[test]
fn closing_empties_the_write_ahead_log() {
    let store = TestStore::new();
    store.deliver("A", at(-3));
    let log = store.folder.path().join("scribed.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    assert!(store.size_bytes() > 0);
    store.close();
    assert_eq!(std::fs::metadata(&log).map_or(0, |file| file.len()), 0);
}

#[test]
fn what_waits_at_closing_is_still_committed() {
    let store = TestStore::new();
    let held = store.hold_writer();
    let handle = store.store.clone();
    let waiting =
        std::thread::spawn(move || handle.append_blocking(delivered(vec![], at(0))).unwrap());
    while store.inner().shared.queue.depth() < 1 {
        std::thread::yield_now();
    }
    let handle = store.store.clone();
    let closing = std::thread::spawn(move || handle.close());
    drop(held);
    assert_eq!(waiting.join().unwrap().seq, Seq(1));
    closing.join().unwrap();
}

#[test]
fn a_folder_is_used_by_one_store_at_a_time() {
    let store = TestStore::new();
    let open = |store: &TestStore| {
        Store::open(options(&store.folder), Clock::manual(at(0)), Metrics::new())
    };
    let error = open(&store).unwrap_err().to_string();
    assert!(error.contains("another scribed") && error.contains("--storage.path"), "{error}");
    store.close();
    open(&store).unwrap();
}

#[test]
fn a_writer_that_dies_answers_with_unavailable() {
    let store = TestStore::new();
    let (reply, answer) = mpsc::sync_channel(1);
    let held = store.hold_writer();
    let inspection = crate::store::job::Inspection::new(|_| panic!("a fault that a test makes"));
    let job = crate::store::job::Job::Inspect(inspection, crate::store::job::Reply::Thread(reply));
    store.inner().push(job, 0, crate::store::queue::Terms::Free).unwrap();
    drop(held);
    assert!(answer.recv().is_err());
    // The queue closes as the thread unwinds.
    while store.is_writable() {
        std::thread::yield_now();
    }
    let after = store.append_blocking(delivered(vec![], at(0)));
    assert!(matches!(after, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_watcher_of_the_head_is_woken_after_the_commit() {
    let store = TestStore::new();
    let mut head = store.head();
    assert_eq!(*head.borrow_and_update(), Seq(0));
    let appended = store.append(delivered(vec![firing("A", at(-1))], at(-1))).await.unwrap();
    assert!(head.has_changed().unwrap());
    assert_eq!(*head.borrow_and_update(), appended.seq);
    assert_eq!(store.last_record_time(), Some(at(-1)));
    let times: Vec<Option<Timestamp>> =
        store.records_after(Seq(0), 9).unwrap().iter().map(|record| record.time).collect();
    assert_eq!(times, [Some(at(-1))]);
}

#[test]
fn what_was_answered_survives_a_kill() {
    let store = TestStore::new();
    for n in 0..20 {
        store.deliver(&format!("A{n}"), at(n - 30));
    }
    store.engine_commit(|commit| commit.cursor = Seq(15));
    // The files as they stand are what a killed process leaves behind.
    let left = tempfile::tempdir().unwrap();
    for name in ["scribed.db", "scribed.db-wal"] {
        std::fs::copy(store.folder.path().join(name), left.path().join(name)).unwrap();
    }
    let again = Store::open(options(&left), Clock::manual(at(0)), Metrics::new()).unwrap();
    assert_eq!(*again.head().borrow(), Seq(20));
    assert_eq!(*again.cursor().borrow(), Seq(15));
    assert_eq!(again.records_after(Seq(0), 99).unwrap(), store.records_after(Seq(0), 99).unwrap());
}
