//! The pages in a real browser.

use std::fs;
use std::process::Command;

use crate::support::external::{self, Process};
use crate::support::{Server, fixtures, wait};

/// Flags that keep a headless browser to itself.
const QUIET: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Loads a page in the browser and returns what its document has become.
fn load(browser: &std::path::Path, server: &Server, path: &str, wish: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command
        .args(QUIET)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--window-size=1280,1600")
        .arg(wish)
        .arg(format!("{}{path}", server.url()))
        .current_dir(profile.path());
    let mut process = Process::start(profile.path(), "browser", &mut command);
    let status = wait::until("the browser to load the page", || process.ended());
    assert!(status.success(), "{}", process.log());
    process.log()
}

#[test]
fn a_browser_shows_the_incident_on_the_front_page_and_on_its_own() {
    let Some([browser]) = external::programs(["chromium"]) else { return };
    let server = Server::start_at("2026-03-02T10:00:30Z");
    let body = fixtures::json("payloads/alertmanager/01-firing-one.json");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let title = server.get_json("/api/v1/incidents/1")["title"].as_str().unwrap().to_owned();
    for path in ["/", "/incidents/1"] {
        let document = load(&browser, &server, path, "--dump-dom");
        assert!(document.contains(&title), "{title} is not on {path}:\n{document}");
        assert!(document.contains("</html>"), "{document}");
    }
    let picture = server.folder().join("page.png");
    load(&browser, &server, "/incidents/1", &format!("--screenshot={}", picture.display()));
    let bytes = fs::read(picture).expect("a picture was taken");
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000, "{} bytes", bytes.len());
}
