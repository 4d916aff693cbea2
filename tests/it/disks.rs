//! Real disks that are full or read-only: small ones in memory, mounted for a test. Needs root, and
//! passes with a word on stderr where nothing can be mounted; `tests/simulation` injects the same
//! faults below SQLite on every machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::server::{Setup, free_port, program};
use crate::support::{Request, Server, fixtures, wait};

/// A disk that is unmounted in the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one, if this process may.
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &at);
        if !mounted {
            eprintln!("passed over: nothing can be mounted here");
        }
        mounted.then_some(Self(at))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0), "remount {options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is being killed may still hold it.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

/// Delivers alert after alert until one is not answered 200; the last answer.
fn fill(server: &Server, kept: &mut Vec<String>) -> crate::support::Answer {
    loop {
        let name = format!("n{}", kept.len());
        let labels = json!({"alertname": "Durable", "severity": "info", "n": name});
        let mut body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        // The raw body is kept as well, so that the disk is soon full.
        body["padding"] = json!("x".repeat(20_000));
        let answer = server
            .try_send(&Request::new("POST", "/api/v1/ingest/alertmanager").json(&body))
            .unwrap();
        if answer.status != 200 {
            return answer;
        }
        kept.push(name);
        assert!(kept.len() < 10_000, "a small disk does not fill up");
    }
}

#[test]
fn a_full_disk_is_answered_503_and_used_again_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("store"), "size=3m") else { return };
    let mut server = Setup::new().replay().start_in(folder);
    let mut kept = Vec::new();
    let refused = fill(&server, &mut kept);
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains("disk is full"), "{}", refused.text());
    let ready = server.get("/-/ready").expect(503).text();
    assert!(ready.contains("disk is full"), "{ready}");
    // Everything that only reads goes on.
    for path in ["/-/healthy", "/metrics", "/api/v1/incidents", "/api/v1/alerts", "/api/v1/status"]
    {
        server.get(path).expect(200);
    }
    disk.remount("size=64m");
    wait::until("the store to be used again", || {
        (server.get("/-/ready").status == 200).then_some(())
    });
    for _ in 0..20 {
        let name = format!("n{}", kept.len());
        let labels = json!({"alertname": "Durable", "severity": "info", "n": name});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
        kept.push(name);
    }
    server.settle();
    let there = server.list("/api/v1/alerts");
    for name in &kept {
        let count = there.iter().filter(|alert| alert["labels"]["n"] == *name).count();
        assert_eq!(count, 1, "{name} of {}", kept.len());
    }
    // Full once more: it can be stopped all the same.
    disk.remount("size=1m");
    fill(&server, &mut kept);
    server.signal("TERM");
    assert!(server.wait().success());
    disk.remount("size=64m");
    let output =
        program(server.folder()).args(["verify", "--storage.path=store"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_start_on_a_read_only_disk_or_a_damaged_store_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || {
        let address = format!("--web.listen-address=127.0.0.1:{}", free_port());
        let output = program(folder.path())
            .args(["serve", "--storage.path=store", &address])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let store = folder.path().join("store");
    if let Some(disk) = SmallDisk::mount(store.clone(), "size=1m") {
        disk.remount("ro");
        let said = refused();
        assert!(said.contains("Read-only file system"), "{said}");
    }
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("scribed.db"), "this was a database once. ".repeat(500)).unwrap();
    let said = refused();
    assert!(said.contains("scribed restore") && said.contains("move"), "{said}");
}

#[test]
fn a_store_with_a_damaged_page_is_refused_with_what_to_do() {
    let mut server = Server::start();
    for n in 0..200 {
        let labels = json!({"alertname": "Durable", "severity": "info", "n": n.to_string()});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let path = server.folder().join("store/scribed.db");
    let mut bytes = fs::read(&path).unwrap();
    // Pages in the middle of the file: its header and schema stay readable.
    let (from, until) = (bytes.len() / 4096 / 3 * 4096, bytes.len() / 4096 / 2 * 4096);
    bytes[from..until].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let address = format!("--web.listen-address=127.0.0.1:{}", free_port());
    let output = program(server.folder())
        .args(["serve", "--storage.path=store", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("damaged") && said.contains("scribed restore"), "{said}");
}
