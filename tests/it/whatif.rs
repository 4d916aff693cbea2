//! What-if: the ledger under another configuration, the store left as it is, people's decisions
//! held.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::program;
use crate::support::{Request, Server, fixtures};

/// Asks what a configuration would change in the store of a folder.
fn what_if(folder: &Path, yaml: &str, more: &[&str]) -> Value {
    let (code, told, said) = ask(folder, yaml, &[&["-o", "json"], more].concat());
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&told).expect("it tells JSON")
}

/// Exit code, results and diagnostics.
fn ask(folder: &Path, yaml: &str, more: &[&str]) -> (i32, String, String) {
    fs::write(folder.join("new.yml"), yaml).unwrap();
    let output = program(folder)
        .args(["whatif", "--config.file=new.yml", "--storage.path=store"])
        .args(more)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A server that has lived through the five outages.
fn with_outages() -> Server {
    let server = Server::start();
    let mut command = program(server.folder());
    command.args(["replay", "--url", &server.url()]);
    let mut names: Vec<_> = fs::read_dir(fixtures::path("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    let output = command.args(names).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    server.settle();
    server
}

/// Alerts of one cluster, each with its service, severity, and the minute at which it begins.
fn with_alerts(alerts: &[(&str, &str, &str, u32)]) -> Server {
    let server = Server::start_at("2026-03-02T09:00:00Z");
    for (alert, service, severity, minute) in alerts {
        let labels = json!({
            "alertname": alert, "severity": severity, "service": service, "cluster": "eu-1",
        });
        let at = |second| format!("2026-03-02T{:02}:{:02}:{second}Z", 1 + minute / 60, minute % 60);
        let body = fixtures::firing(&labels, &at("00"));
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        server.send(&request.received_at(&at("20"))).expect(200);
    }
    server.settle();
    server
}

/// What every file of a folder holds.
fn bytes_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// The incident that holds an alert, by its id.
fn home(server: &Server, alertname: &str) -> (String, Value) {
    let alerts = server.list("/api/v1/alerts");
    let alert = alerts.iter().find(|a| a["labels"]["alertname"] == alertname).expect(alertname);
    (alert["id"].as_str().unwrap().to_owned(), alert["incident"].clone())
}

#[test]
fn the_same_configuration_changes_nothing_and_touches_nothing() {
    let mut server = with_outages();
    let folder = server.folder().to_owned();
    // While the server runs …
    let told = what_if(&folder, "{}", &[]);
    let incidents = server.list("/api/v1/incidents").len();
    assert_eq!(told["counts"], json!({"same": incidents}), "{told:#}");
    assert_eq!(told["moves"], json!([]));
    assert_eq!(told["decisions"]["without_place"], 0);
    // … and when none does, byte for byte.
    server.signal("TERM");
    assert!(server.wait().success());
    let before = bytes_of(&folder.join("store"));
    let (code, told, said) = ask(&folder, "{}", &[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        told.contains(&format!("No difference: all {incidents} incidents stay the same")),
        "{told}"
    );
    assert_eq!(said, "");
    let after = bytes_of(&folder.join("store"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    // SQLite's index of its log notes who reads, and is nothing that lasts.
    for (name, bytes) in before.iter().filter(|(name, _)| !name.ends_with("-shm")) {
        assert!(after[name] == *bytes, "what-if changed {name}");
    }
}

#[test]
fn a_higher_score_takes_the_outages_apart() {
    let server = with_outages();
    let told = what_if(server.folder(), "incidents: {join_score: 20, reopen_window: 0}", &[]);
    let before = server.list("/api/v1/incidents").len();
    let count = |side: &str| -> usize {
        told["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group[side].as_array().unwrap().len())
            .sum()
    };
    assert_eq!(count("stored"), before, "{told:#}");
    assert!(count("what_if") > 0);
    assert_ne!(told["counts"], json!({"same": before}), "{told:#}");
    assert_eq!(told["moves"].as_array().unwrap().len() as u64, told["moves_total"]);
    for moved in told["moves"].as_array().unwrap() {
        for side in ["stored", "what_if"] {
            let reason = moved[side]["reason"].as_str().unwrap();
            assert!(reason.chars().any(|c| c.is_ascii_digit()), "{reason}");
        }
    }
}

#[test]
fn who_opens_alone_decides_what_comes_and_goes() {
    let server = with_alerts(&[
        ("CheckoutDown", "checkout", "critical", 0),
        ("IndexSlow", "search", "warning", 5),
    ]);
    assert_eq!(server.list("/api/v1/incidents").len(), 1);
    let folder = server.folder();
    let told = what_if(folder, "incidents: {open_severities: []}", &[]);
    assert_eq!(told["counts"], json!({"gone": 1}), "{told:#}");
    assert_eq!(told["moves"][0]["stored"]["incident"], 1);
    assert_eq!(told["moves"][0]["what_if"]["incident"], Value::Null);
    let told = what_if(folder, "incidents: {open_severities: [critical, warning]}", &[]);
    assert_eq!(told["counts"], json!({"same": 1, "new": 1}), "{told:#}");
    let (_, shown, _) = ask(folder, "incidents: {open_severities: [critical, warning]}", &[]);
    for expect in [
        "1 incident stored, 2 under this configuration: 1 same, 1 new",
        "1 alert moves:",
        "was: In no incident",
        "now: Opened incident 2",
    ] {
        assert!(shown.contains(expect), "`{expect}` is not in\n{shown}");
    }
    // Only from then on: nothing came later.
    let told =
        what_if(folder, "incidents: {open_severities: []}", &["--since=2026-03-02T02:00:00Z"]);
    assert_eq!(told["moves_total"], 0, "{told:#}");
    let told = what_if(folder, "incidents: {open_severities: []}", &["--since=1d"]);
    assert_eq!(told["moves_total"], 1, "{told:#}");
}

#[test]
fn what_people_decided_holds_under_another_configuration() {
    let server = with_alerts(&[
        ("CheckoutDown", "checkout", "critical", 0),
        ("CheckoutSlow", "checkout", "critical", 2),
        ("IndexCorrupt", "search", "critical", 90),
        ("MailQueue", "mail", "warning", 95),
        ("CartErrors", "cart", "critical", 200),
    ]);
    let (slow, checkout) = home(&server, "CheckoutSlow");
    assert_eq!(checkout, home(&server, "CheckoutDown").1);
    let (mail, floating) = home(&server, "MailQueue");
    assert_eq!(floating, Value::Null);
    let (_, search) = home(&server, "IndexCorrupt");
    let (_, cart) = home(&server, "CartErrors");
    for (path, body) in [
        (format!("{checkout}/split"), json!({"alerts": [slow]})),
        (format!("{search}/alerts"), json!({"alerts": [mail]})),
        (format!("{cart}/merge"), json!({"into": search})),
        (format!("{search}/resolve"), json!({"by": "ada"})),
    ] {
        let answer = server.post(&format!("/api/v1/incidents/{path}"), &body);
        assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text());
    }
    let folder = server.folder();
    // Nothing opens by itself, nothing ties to anything: what people put together stays together.
    let told = what_if(folder, "incidents: {open_severities: [], join_score: 100}", &[]);
    assert_eq!(told["decisions"], json!({"held": 4, "without_place": 0}), "{told:#}");
    let of = |name: &str| {
        let moves = told["moves"].as_array().unwrap();
        moves.iter().find(|m| m["alertname"] == name).cloned().unwrap_or(Value::Null)
    };
    // Only what no person spoke of floats.
    assert_eq!(of("CheckoutDown")["what_if"]["incident"], Value::Null, "{told:#}");
    for name in ["CheckoutSlow", "IndexCorrupt", "MailQueue", "CartErrors"] {
        assert_eq!(of(name), Value::Null, "{told:#}");
    }
    assert_eq!(told["counts"], json!({"same": 2, "gone": 1}), "{told:#}");
    // The other way round: what people took apart stays apart.
    let told = what_if(folder, "incidents: {join_score: -100, gap_limit: 12h}", &[]);
    let (mut checkout, mut split) = (Value::Null, Value::Null);
    for group in told["incidents"].as_array().unwrap() {
        for brief in group["what_if"].as_array().unwrap() {
            match brief["title"].as_str().unwrap() {
                title if title.starts_with("CheckoutDown") => checkout = brief["id"].clone(),
                title if title.starts_with("CheckoutSlow") => split = brief["id"].clone(),
                _ => {}
            }
        }
    }
    assert_ne!(checkout, Value::Null, "{told:#}");
    assert_ne!(split, Value::Null, "{told:#}");
    assert_ne!(checkout, split);
}

#[test]
fn wrong_use_is_two_and_no_store_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = program(folder.path()).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["whatif"]).0, 2);
    let (code, said) = run(&["whatif", "--config.file=nowhere.yml"]);
    assert_eq!(code, 2, "{said}");
    fs::write(folder.path().join("bad.yml"), "incidents: {gap_limit: far}").unwrap();
    let (code, said) = run(&["whatif", "--config.file=bad.yml"]);
    assert_eq!(code, 2);
    assert!(said.contains("bad.yml:1:24: incidents.gap_limit"), "{said}");
    fs::write(folder.path().join("good.yml"), "{}").unwrap();
    let (code, said) = run(&["whatif", "--config.file=good.yml"]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no store in"), "{said}");
    assert!(!folder.path().join("data").exists(), "it made a folder");
}
