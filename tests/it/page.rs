//! The pages in a real browser, as people use them.
//!
//! Needs Debian's chromium and chromium-driver; without them the tests are passed over, but fail
//! in CI. `UPDATE_SCREENSHOTS=1 cargo test --test it -- page::looks::pictures` makes the pictures
//! of `docs/screenshots` anew.

mod looks;
mod people;
mod shown;
mod size;

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::{Server, fixtures, program};

/// A server that lives now, as the browser does, and a browser that visits it; `None` where there
/// is no browser.
fn visited() -> Option<(Server, Browser)> {
    let server = Server::start();
    let browser = Browser::start(&server.url())?;
    Some((server, browser))
}

/// Tells the server of an alert that fires since this moment.
fn fire(server: &Server, name: &str, service: &str, severity: &str) {
    let labels = json!({"alertname": name, "service": service, "severity": severity});
    let body = fixtures::firing(&labels, &fixtures::now());
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
}

/// A server with one critical incident that began just now, visited.
fn visited_in_trouble() -> Option<(Server, Browser)> {
    let (server, browser) = visited()?;
    fire(&server, "HighErrorRate", "web", "critical");
    Some((server, browser))
}

/// Plays the five outages of the demo.
fn play_demo(server: &Server) {
    let mut command = program(server.folder());
    command.args(["replay", "--url", &server.url()]);
    for name in [
        "replication-failure",
        "food-delivery",
        "accounts-outage",
        "ecommerce-cascade",
        "bookstore-503",
    ] {
        command.arg(fixtures::root().join(format!("src/demo/{name}.json")));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.settle();
}

/// A server with the five outages of the demo, visited.
fn visited_demo() -> Option<(Server, Browser)> {
    let (server, browser) = visited()?;
    play_demo(&server);
    Some((server, browser))
}

/// Nothing in the console, and nothing that the policy had to stop.
#[track_caller]
fn check_quiet(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:#?}");
}

/// Axe finds nothing wrong with the page.
#[track_caller]
fn check_accessible(browser: &Browser, page: &str) {
    assert_eq!(browser.faults(), Vec::<String>::new(), "{page}");
}
