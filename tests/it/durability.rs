//! What was answered 200 is never lost: the process is killed under load, and everything that was
//! answered is there afterwards, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Client, Request, Server, fixtures, wait};

/// Senders at once.
const SENDERS: usize = 4;

/// Sends deliveries, each with an alert of its own, until it is told to stop or nobody answers.
/// Notes the delivery and the alert of every 200.
fn send_until_cut(
    client: Client,
    sender: &str,
    stop: &AtomicBool,
    answered: &AtomicUsize,
    kept: &Mutex<Vec<(String, String)>>,
) {
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let alert = format!("{sender}-{n}");
        let labels = json!({"alertname": "Durable", "severity": "info", "n": alert});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        let Ok(answer) = client.try_send(&request) else { return };
        if answer.status == 200 {
            let delivery = answer.json()["delivery"].as_str().unwrap().to_owned();
            kept.lock().unwrap().push((delivery, alert));
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn everything_answered_200_survives_kills_under_load_exactly_once() {
    let mut server = Server::start();
    let kept = Mutex::new(Vec::new());
    // Early and late in the life of a process, and in the middle of its batches.
    let answers_before_kills = [1, 40, 150, 90, 7, 260, 20].into_iter().cycle();
    let rounds = std::env::var("KILL_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    for (round, answers_before_kill) in answers_before_kills.take(rounds).enumerate() {
        let stop = AtomicBool::new(false);
        let answered = AtomicUsize::new(0);
        let client = *server;
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (stop, answered, kept) = (&stop, &answered, &kept);
                scope.spawn(move || {
                    send_until_cut(client, &format!("{round}-{sender}"), stop, answered, kept);
                });
            }
            wait::until("enough deliveries to be answered", || {
                (answered.load(Ordering::SeqCst) >= answers_before_kill).then_some(())
            });
            server.kill();
            stop.store(true, Ordering::SeqCst);
        });
        server.start_again();
        server.settle();
        expect_all_once(&server, &kept.lock().unwrap());
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let verified = crate::support::server::program(server.folder())
        .args(["verify", "--storage.path=store"])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    println!(
        "{rounds} kills, {} deliveries answered 200, each there once",
        kept.lock().unwrap().len()
    );
}

/// Checks that each delivery and each alert is there exactly once.
fn expect_all_once(server: &Server, kept: &[(String, String)]) {
    let mut deliveries = BTreeMap::<String, usize>::new();
    for delivery in server.list("/api/v1/deliveries") {
        *deliveries.entry(delivery["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut alerts = BTreeMap::<String, usize>::new();
    for alert in server.list("/api/v1/alerts") {
        *alerts.entry(alert["labels"]["n"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(alert["deliveries"], 1, "{alert}");
    }
    let ids: BTreeSet<&String> = kept.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), kept.len(), "two deliveries were answered with the same id");
    for (delivery, alert) in kept {
        assert_eq!(deliveries.get(delivery), Some(&1), "delivery {delivery} of {}", kept.len());
        assert_eq!(alerts.get(alert), Some(&1), "alert {alert} of {}", kept.len());
    }
    // What was cut before its answer may be there as well, but never twice.
    assert!(alerts.values().all(|count| *count == 1), "{alerts:?}");
    assert_eq!(alerts.len(), deliveries.len());
}

#[test]
fn a_kill_between_receipt_and_working_in_loses_no_word_of_people() {
    let mut server = Server::start_at("2026-03-02T10:00:30Z");
    let body = fixtures::json("payloads/alertmanager/01-firing-one.json");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.kill();
    server.start_again();
    server.settle();
    server.post("/api/v1/incidents/1/notes", &json!({"text": "Kept"})).expect(201);
    let before = server.get("/api/v1/incidents/1/draft").expect(200).text();
    assert!(before.contains("Kept"));
    server.kill();
    server.start_again();
    server.settle();
    assert_eq!(server.get("/api/v1/incidents/1/draft").expect(200).text(), before);
}

#[test]
fn two_programs_never_share_a_store() {
    let server = Server::start();
    let store = format!("--storage.path={}", server.folder().join("store").display());
    let address = format!("--web.listen-address=127.0.0.1:{}", crate::support::server::free_port());
    let output = crate::support::server::program(server.folder())
        .args(["serve", &store, &address])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty());
    server.get("/-/ready").expect(200);
}

#[test]
fn a_store_that_is_taken_away_is_no_place_to_keep_anything_until_it_is_back() {
    let server = Server::start();
    let deliver = |name: &str| {
        let labels = json!({"alertname": name, "severity": "info"});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.send(&Request::new("POST", "/api/v1/ingest/alertmanager").json(&body))
    };
    deliver("Before").expect(200);
    let (store, aside) = (server.folder().join("store"), server.folder().join("aside"));
    std::fs::rename(&store, &aside).unwrap();
    let refused = deliver("Away").expect(503);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains("was moved, deleted or replaced"), "{}", refused.text());
    server.get("/-/healthy").expect(200);
    assert!(server.get("/-/ready").expect(503).text().contains("put it back"));
    std::fs::rename(&aside, &store).unwrap();
    deliver("Back").expect(200);
    server.get("/-/ready").expect(200);
    // Another one with the same name is not ours.
    std::fs::rename(store.join("scribed.db"), store.join("kept")).unwrap();
    std::fs::copy(store.join("kept"), store.join("scribed.db")).unwrap();
    deliver("Replaced").expect(503);
    std::fs::rename(store.join("kept"), store.join("scribed.db")).unwrap();
    deliver("Again").expect(200);
}
