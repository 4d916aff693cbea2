//! The life of a store beyond one server: backed up while it runs, put back elsewhere, checked.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::support::server::{Setup, program};
use crate::support::{Server, fixtures};

/// Runs a command of the program in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().expect("the program runs")
}

/// What it printed, when it ended well.
#[track_caller]
fn done(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// What it said, when it failed with this code.
#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// Drafts of all incidents in all formats.
fn drafts(server: &Server) -> Vec<String> {
    let incidents = server.list("/api/v1/incidents");
    assert!(!incidents.is_empty());
    let formats = ["markdown", "html", "json", "text"];
    let path =
        |id: &serde_json::Value, format| format!("/api/v1/incidents/{id}/draft?format={format}");
    incidents
        .iter()
        .flat_map(|incident| formats.map(|format| path(&incident["id"], format)))
        .map(|path| server.get(&path).expect(200).text())
        .collect()
}

#[test]
fn a_backup_of_a_running_server_serves_the_same_drafts_elsewhere() {
    let server = Server::start();
    let folder = server.folder();
    for name in ["bookstore-503", "ecommerce-cascade"] {
        let file = fixtures::path(&format!("scenarios/{name}.json"));
        done(&run(folder, &["replay", file.to_str().unwrap(), "--url", &server.url()]));
    }
    server.settle();
    server.post("/api/v1/incidents/1/notes", &json!({"text": "Kept as well"})).expect(201);
    server.patch("/api/v1/incidents/2", &json!({"pinned": true})).expect(200);
    let before = drafts(&server);

    let said = done(&run(folder, &["backup", "copy.db", "--storage.path=store"]));
    assert!(said.contains("copy.db") && said.contains(" incident"), "{said}");
    let said = done(&run(folder, &["verify", "--storage.path=store"]));
    assert!(said.contains("SUCCESS: replay") && !said.contains("FAILED"), "{said}");
    // The server goes on as if nothing had been.
    server.post("/api/v1/incidents/1/notes", &json!({"text": "Too late"})).expect(201);

    let other = tempfile::tempdir().unwrap();
    let copy = folder.join("copy.db");
    let copy = copy.to_str().unwrap();
    done(&run(other.path(), &["restore", copy, "--storage.path=store"]));
    let said = done(&run(other.path(), &["verify", "--storage.path=store"]));
    assert!(said.contains("SUCCESS: replay") && !said.contains("FAILED"), "{said}");
    let restored = Setup::new().start_in(other);
    restored.settle();
    assert_eq!(drafts(&restored), before);
    assert_eq!(restored.get_json("/api/v1/incidents/2")["pinned"], true);
    let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
    restored.post("/api/v1/ingest/alertmanager", &body).expect(200);
    restored.settle();
    done(&run(restored.folder(), &["verify", "--storage.path=store"]));
}

#[test]
fn a_killed_server_leaves_a_store_that_verifies() {
    let mut server = Server::start();
    for n in 0..20 {
        let labels = json!({"alertname": "Durable", "severity": "critical", "n": n.to_string()});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    }
    server.kill();
    let said = done(&run(server.folder(), &["verify", "--storage.path=store"]));
    assert!(said.contains("SUCCESS: ledger"), "{said}");
    done(&run(server.folder(), &["backup", "copy.db", "--storage.path=store"]));
    server.start_again();
    server.settle();
    server.signal("TERM");
    assert!(server.wait().success());
    let said = done(&run(server.folder(), &["verify", "--storage.path=store"]));
    assert!(!said.contains("NOT CHECKED"), "{said}");
}

#[test]
fn a_restore_refuses_what_it_would_destroy_and_then_destroys_nothing() {
    let mut server = Server::start();
    let folder = server.folder().to_owned();
    let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    done(&run(&folder, &["backup", "copy.db", "--storage.path=store"]));
    let said = failed(&run(&folder, &["backup", "copy.db", "--storage.path=store"]), 1);
    assert!(said.contains("--force"), "{said}");
    done(&run(&folder, &["backup", "copy.db", "--force", "--storage.path=store"]));

    let said = failed(&run(&folder, &["restore", "copy.db", "--storage.path=store", "--force"]), 1);
    assert!(said.contains("another scribed"), "{said}");
    server.get("/-/ready").expect(200);
    server.signal("TERM");
    assert!(server.wait().success());
    let said = failed(&run(&folder, &["restore", "copy.db", "--storage.path=store"]), 1);
    assert!(said.contains("not empty"), "{said}");
    let said = done(&run(&folder, &["restore", "copy.db", "--storage.path=store", "--force"]));
    let aside = said.split("The former database is in ").nth(1).unwrap().trim();
    done(&run(&folder, &["verify", &format!("--storage.path={aside}")]));
    server.start_again();
    server.settle();
    assert_eq!(server.list("/api/v1/incidents").len(), 1);
}

#[test]
fn a_store_is_found_where_a_server_would_find_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = failed(&run(folder, &["verify"]), 1);
    assert!(said.contains("./data"), "the default: {said}");
    assert!(!folder.join("data").exists(), "looking makes nothing");
    let output = program(folder)
        .args(["backup", "copy.db"])
        .env("SCRIBED_STORAGE_PATH", "elsewhere")
        .output()
        .unwrap();
    assert!(failed(&output, 1).contains("elsewhere"));
    fs::write(folder.join("scribed.yml"), "storage: {path: from-file}\n").unwrap();
    let said = failed(&run(folder, &["verify", "--config.file=scribed.yml"]), 1);
    assert!(said.contains("from-file"), "{said}");
    fs::write(folder.join("bad.yml"), "storage: {folder: x}\n").unwrap();
    failed(&run(folder, &["verify", "--config.file=bad.yml"]), 2);
    failed(&run(folder, &["backup"]), 2);
    failed(&run(folder, &["restore", "no-such.db", "--storage.path=new"]), 1);
    assert!(!folder.join("new").exists());
}
