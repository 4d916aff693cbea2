//! The command line against a running server: what it prints, and how it ends.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::{Server, fixtures, server};

/// Runs a client command against a server.
fn run(server: &Server, arguments: &[&str]) -> Output {
    server::program(server.folder())
        .args(arguments)
        .args(["--url", &server.url()])
        .output()
        .expect("the program runs")
}

/// What it printed, when it ended well.
#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_commands_of_people_do_what_the_api_does() {
    let server = Server::start();
    let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();

    assert!(stdout(&run(&server, &["incident", "list"])).contains("Postgres down on db-1"));
    let listed: Value =
        serde_json::from_str(&stdout(&run(&server, &["incident", "list", "-o", "json"]))).unwrap();
    assert!(listed.to_string().contains("Postgres down on db-1"), "{listed}");
    assert!(stdout(&run(&server, &["incident", "show", "1"])).contains("Postgres down on db-1"));
    stdout(&run(&server, &["incident", "ack", "1"]));
    assert_eq!(server.get_json("/api/v1/incidents/1")["state"], "acknowledged");
    let told = stdout(&run(&server, &["incident", "pin", "1", "--by=ana"]));
    assert_eq!(told, "Incident 1 is pinned: Postgres down on db-1, orders-db\n");
    assert_eq!(server.get_json("/api/v1/incidents/1")["pinned"], true);
    let listed = stdout(&run(&server, &["incident", "list", "-o", "extended"]));
    assert!(listed.contains("PINNED") && listed.contains(" yes "), "{listed}");
    assert!(stdout(&run(&server, &["incident", "unpin", "1"])).contains(" is not pinned: "));
    assert_eq!(server.get_json("/api/v1/incidents/1")["pinned"], false);
    stdout(&run(
        &server,
        &["note", "1", "Database team called", "--kind=escalation", "--author=ana"],
    ));
    stdout(&run(&server, &["change", "Pool size halved", "--service=orders-db", "--kind=config"]));
    assert_eq!(server.list("/api/v1/changes").len(), 1);
    let explained = stdout(&run(&server, &["explain", "3e0caab7a6eda3c8"]));
    assert!(explained.contains(|c: char| c.is_ascii_digit()), "{explained}");
    server.settle();

    let served = server.get("/api/v1/incidents/1/draft?tz=Africa/Lagos").text();
    assert_eq!(stdout(&run(&server, &["draft", "1", "--tz=Africa/Lagos"])), served);
    assert!(served.contains("Database team called"));
    let file = server.folder().join("draft.html");
    let output = format!("--output={}", file.display());
    stdout(&run(&server, &["draft", "1", "--format=html", &output]));
    let html = server.get("/api/v1/incidents/1/draft?format=html").text();
    assert_eq!(fs::read_to_string(file).unwrap(), html);
}

#[test]
fn failures_and_wrong_usage_have_their_own_exit_codes() {
    let server = Server::start();
    let code = |arguments: &[&str]| {
        let output = run(&server, arguments);
        assert!(output.stdout.is_empty(), "diagnostics go to stderr");
        assert!(!output.stderr.is_empty(), "a failure is told");
        output.status.code()
    };
    assert_eq!(code(&["incident", "show", "99"]), Some(1));
    assert_eq!(code(&["draft", "99"]), Some(1));
    assert_eq!(code(&["draft", "99", "--format=word"]), Some(2));
    // Only the server can judge these.
    assert_eq!(code(&["incident", "list", "{"]), Some(2));
    assert_eq!(code(&["incident", "list", "--severity=loud"]), Some(2));
    assert_eq!(code(&["incident", "dance", "1"]), Some(2));
    let nobody = format!("http://127.0.0.1:{}", server::free_port());
    let output = server::program(server.folder())
        .args(["incident", "list", "--url", &nobody])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn check_config_tells_every_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        let output = server::program(folder.path()).args(["check-config", name]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = check("good.yml", "timezone: Africa/Lagos\nstorage:\n  path: ./data\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("SUCCESS"), "{text}");
    let (code, text) = check(
        "bad.yml",
        "timezone: Mars/Olympus\nincidents:\n  quiet_period: soon\nno_such_key: 1\n",
    );
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("FAILED"), "{text}");
    for hint in ["Mars/Olympus", "quiet_period", "no_such_key", ":4:"] {
        assert!(text.contains(hint), "no {hint} in {text}");
    }
}

#[test]
fn a_server_with_a_bad_configuration_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.yml"), "no_such_key: 1\n").unwrap();
    let output =
        server::program(folder.path()).args(["serve", "--config.file=bad.yml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no_such_key"));
}

#[test]
fn a_scenario_is_replayed_into_a_running_server() {
    let server = Server::start();
    let file = fixtures::path("scenarios/bookstore-503.json");
    stdout(&run(&server, &["replay", file.to_str().unwrap()]));
    server.settle();
    let incidents = server.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["state"], "resolved");
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    assert_eq!(draft["summary"]["duration_seconds"], 6300);
}

#[test]
fn every_client_command_speaks_json_and_keeps_its_streams_apart() {
    let server = Server::start();
    let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    for command in [
        &["incident", "list"][..],
        &["incident", "ack", "1"],
        &["incident", "mitigate", "1"],
        &["incident", "resolve", "1"],
        &["incident", "reopen", "1"],
        &["incident", "pin", "1"],
        &["incident", "move", "1", "e1"],
        &["incident", "show", "1"],
        &["note", "1", "Looking at the disk"],
        &["change", "Disk enlarged", "--service=orders-db"],
        &["explain", "e1"],
        &["draft", "1"],
    ] {
        let output = run(&server, &[command, &["-o", "json"]].concat());
        let told = stdout(&output);
        assert!(serde_json::from_str::<Value>(&told).is_ok(), "{command:?}: {told}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command:?}");
    }
    for form in ["simple", "extended"] {
        let told = stdout(&run(&server, &["incident", "show", "1", "-o", form]));
        assert!(!told.starts_with('{'), "{told}");
    }
    let by_variable = server::program(server.folder())
        .args(["incident", "list"])
        .env("SCRIBED_URL", server.url())
        .output()
        .unwrap();
    assert!(stdout(&by_variable).contains("Postgres down on db-1"));
}

#[test]
fn who_acts_is_named_by_flag_or_login() {
    let server = Server::start();
    let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let run_as = |user: &str, arguments: &[&str]| {
        let url = server.url();
        let mut command = server::program(server.folder());
        stdout(&command.env("USER", user).args(arguments).args(["--url", &url]).output().unwrap())
    };
    run_as("ada", &["incident", "ack", "1"]);
    run_as("ada", &["incident", "mitigate", "1", "--by=ben"]);
    run_as("ada", &["note", "1", "It was the disk"]);
    let timeline = server.list("/api/v1/incidents/1/timeline");
    let actors: Vec<&str> = timeline.iter().filter_map(|entry| entry["actor"].as_str()).collect();
    assert_eq!(actors.iter().filter(|actor| **actor == "ada").count(), 2, "{timeline:#?}");
    assert_eq!(actors.iter().filter(|actor| **actor == "ben").count(), 1, "{timeline:#?}");
}

#[test]
fn several_files_are_checked_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yml"), "timezone: UTC\n").unwrap();
    fs::write(
        folder.path().join("b.yml"),
        "incidents:\n  witnesses: 0\n  weights:\n    same_nod: 4\n    gap: far\n",
    )
    .unwrap();
    let output = server::program(folder.path())
        .args(["check-config", "a.yml", "b.yml", "missing.yml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stdout).unwrap();
    for expect in [
        "SUCCESS: a.yml\nFAILED: b.yml\n",
        "  b.yml:2:14: incidents.witnesses: `0` is not a whole number from 1 to 64\n",
        "  b.yml:4:5: incidents.weights.same_nod: no evidence has this name",
        "  b.yml:5:10: incidents.weights.gap: `far` is not a number",
        "FAILED: missing.yml\n",
    ] {
        assert!(told.contains(expect), "`{expect}` is not in\n{told}");
    }
    assert!(String::from_utf8(output.stderr).unwrap().contains("2 of 3 files"));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        stdout(&server::program(folder.path()).args(arguments).output().unwrap())
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        for command in ["check-config", "whatif", "explain", "verify"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    run(&["man", "pages"]);
    for page in ["scribed.1", "scribed-whatif.1", "scribed-incident-move.1", "scribed-serve.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page} is missing");
    }
}
