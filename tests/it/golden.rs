//! Stores that releases wrote, kept as they were: each must open, migrate, hold every law and give
//! the drafts that people had reviewed in it, byte for byte.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it -- golden` writes the store of this version; a version that
//! is released is never written again.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Output;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::server::{Setup, program};
use crate::support::{Server, fixtures};

/// Small enough to be kept for every release.
const BYTES_MAX: usize = 300 * 1024;
const NOTE: &str = "The connection pool was undersized for the new release";
/// A word of it: a line of plain text may break between two.
const WORD: &str = "undersized";

fn folder() -> PathBuf {
    fixtures::path("stores")
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output: Output = program(folder).args(arguments).output().expect("the program runs");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// What must be the same for ever: which incidents there are, and what people made of them.
fn told(server: &Server) -> Value {
    let mut incidents = server.list("/api/v1/incidents");
    incidents.sort_by_key(|incident| incident["id"].as_u64());
    let kept = [
        "id",
        "title",
        "state",
        "status",
        "severity",
        "services",
        "started_at",
        "resolved_at",
        "alerts",
        "root_cause",
        "pinned",
    ];
    let shape = |incident: &Value| {
        kept.iter().map(|name| ((*name).to_owned(), incident[*name].clone())).collect::<Value>()
    };
    incidents.iter().map(shape).collect()
}

fn reviewed(server: &Server) -> String {
    server.get("/api/v1/incidents/1/draft?format=markdown").expect(200).text()
}

/// Two outages, one of them reviewed, as this release keeps them.
fn write(version: &str) {
    let server = Server::start();
    for name in ["bookstore-503", "ecommerce-cascade"] {
        let file = fixtures::path(&format!("scenarios/{name}.json"));
        run(server.folder(), &["replay", file.to_str().unwrap(), "--url", &server.url()]);
    }
    server.settle();
    server.post("/api/v1/incidents/1/notes", &json!({"text": NOTE})).expect(201);
    let words = json!({"root_cause": NOTE, "impact": "One reader in five saw an error"});
    server.patch("/api/v1/incidents/1", &words).expect(200);
    server.patch("/api/v1/incidents/1", &json!({"status": "final"})).expect(200);
    server.post("/api/v1/incidents/2/notes", &json!({"text": NOTE})).expect(201);
    server.patch("/api/v1/incidents/2", &json!({"pinned": true})).expect(200);
    run(server.folder(), &["backup", "copy.db", "--storage.path=store"]);
    fs::create_dir_all(folder()).unwrap();
    let file = |ending: &str| folder().join(format!("{version}.{ending}"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&fs::read(server.folder().join("copy.db")).unwrap()).unwrap();
    fs::write(file("db.gz"), packed.finish().unwrap()).unwrap();
    fs::write(file("json"), format!("{:#}\n", told(&server))).unwrap();
    fs::write(file("md"), reviewed(&server)).unwrap();
}

/// The versions of which there is a store.
fn versions() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut versions: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_suffix(".db.gz")?.to_owned())).collect();
    versions.sort();
    versions
}

#[test]
fn a_store_of_every_release_opens_with_what_was_reviewed_in_it_and_holds_every_law() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        write(env!("CARGO_PKG_VERSION"));
    }
    let versions = versions();
    assert!(versions.contains(&env!("CARGO_PKG_VERSION").to_owned()), "{versions:?}");
    for version in versions {
        let file = |ending: &str| fs::read(folder().join(format!("{version}.{ending}"))).unwrap();
        let packed = file("db.gz");
        assert!(packed.len() <= BYTES_MAX, "{version}: {} bytes", packed.len());
        let mut bytes = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("store")).unwrap();
        fs::write(home.path().join("store/scribed.db"), bytes).unwrap();

        let server = Setup::new().start_in(home);
        server.settle();
        assert_eq!(told(&server), serde_json::from_slice::<Value>(&file("json")).unwrap());
        assert_eq!(reviewed(&server).into_bytes(), file("md"), "{version}: it was final");
        for format in ["markdown", "html", "json", "text"] {
            let path = format!("/api/v1/incidents/2/draft?format={format}");
            assert!(server.get(&path).expect(200).text().contains(WORD), "{version}: {format}");
        }
        // And it goes on from there.
        let body = fixtures::begun_now(fixtures::json("payloads/alertmanager/01-firing-one.json"));
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
        server.settle();
        let said = run(server.folder(), &["verify", "--storage.path=store"]);
        assert!(said.contains("SUCCESS: file") && !said.contains("FAILED"), "{version}: {said}");
    }
}
