//! How the pages look: to a screen reader, on a phone, in the dark, on paper, with hostile text.

use std::fs;

use serde_json::json;

use super::{check_accessible, check_quiet, fire, play_demo, visited, visited_demo};
use crate::support::browser::ESCAPE;
use crate::support::{Request, fixtures};

/// The screen of a phone, in pixels.
const PHONE: (u32, u32) = (390, 844);

#[test]
fn hostile_text_is_shown_and_does_nothing() {
    let Some((server, browser)) = visited() else { return };
    let hostile = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>\u{202e}';--{{7*7}}";
    fire(&server, hostile, hostile, "critical");
    let note = json!({"text": hostile, "author": hostile});
    server.post("/api/v1/incidents/1/notes", &note).expect(201);
    let report =
        json!({"impact": hostile, "root_cause": hostile, "title": hostile, "lead": hostile});
    server.patch("/api/v1/incidents/1", &report).expect(200);
    let body = Request::new("POST", "/api/v1/ingest/alertmanager").bytes(hostile);
    server.send(&body).expect(400);
    for page in
        ["/", "/incidents/1", "/alerts?show=all", "/alerts/e1", "/quarantine/q1", "/quarantine"]
    {
        browser.open(page);
        let is_shown = page == "/quarantine" || browser.text("main").contains("window.hacked");
        assert!(is_shown, "{page} does not show it");
        assert!(browser.run("return window.hacked").is_null(), "{page} runs it");
        assert_eq!(
            browser.run("return document.querySelectorAll('main img, main script').length"),
            0
        );
    }
    check_quiet(&browser);
}

#[test]
fn pages_have_no_fault_of_accessibility_and_fit_a_phone() {
    let Some((server, browser)) = visited() else { return };
    browser.open("/");
    check_accessible(&browser, "the empty page");
    play_demo(&server);
    // One that runs, and looks like one before.
    fire(&server, "DatabaseOverloaded", "shop-db", "critical");
    server.post("/api/v1/ingest/generic", &json!([])).expect(400);
    let delivery = server.get_json("/api/v1/deliveries")["items"][0]["id"].clone();
    let delivery = format!("/deliveries/{}", delivery.as_str().unwrap());
    let pages = [
        "/",
        "/incidents/4",
        "/incidents/4?kind=note&template=google-sre&tz=UTC",
        "/incidents/4?rows=5&start=6&fold=false",
        "/incidents/6",
        "/alerts?show=all",
        "/alerts/e1",
        "/changes",
        "/deliveries",
        delivery.as_str(),
        "/quarantine",
        "/quarantine/q1",
        "/audit",
        "/audit?actor=nobody",
        "/status",
        "/login",
        "/incidents/99",
    ];
    for scheme in ["light", "dark"] {
        browser.prefers(scheme);
        for page in pages {
            // A hostile colour is as bad in the dark, but structure is the same in both.
            if scheme == "dark" && !matches!(page, "/" | "/incidents/4" | "/status") {
                continue;
            }
            browser.open(page);
            check_accessible(&browser, &format!("{page} in {scheme}"));
        }
    }
    browser.open("/incidents/4");
    browser.press(None, "i");
    browser.press(None, ESCAPE);
    browser.press(None, "?");
    check_accessible(&browser, "with a form and the sheet open");
    // A page that is too wide makes the browser of a phone pretend a wider screen.
    browser.width(PHONE.0, PHONE.1);
    for page in
        ["/", "/incidents/4", "/alerts?show=all", "/status", "/deliveries", "/quarantine", "/audit"]
    {
        browser.open(page);
        browser.run("document.querySelectorAll('details').forEach((part) => part.open = true)");
        let width = browser.run("return document.documentElement.scrollWidth");
        assert_eq!(width, PHONE.0, "{page} with everything opened on a phone");
    }
    check_accessible(&browser, "on a phone");
    let not_found = |line: &String| !line.contains("/incidents/99");
    let said: Vec<String> = browser.console().into_iter().filter(not_found).collect();
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn on_paper_there_is_the_draft_and_nothing_to_click() {
    let Some((_server, browser)) = visited_demo() else { return };
    browser.open("/incidents/4");
    browser.chrome("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    let shown = browser.run(
        "return [...document.querySelectorAll('body *')].filter((part) => part.checkVisibility() &&
           part.matches('button, input, select, textarea, summary, nav, header, footer, dialog'))
           .map((part) => part.outerHTML)",
    );
    assert_eq!(shown, json!([]), "what only a screen needs");
    assert!(browser.text("#paper").contains("Corrective and preventative measures"));
    let cut = browser.run(
        "const paper = document.querySelector('#paper');
         return paper.scrollHeight - paper.clientHeight",
    );
    assert_eq!(cut, 0, "nothing of the draft is cut off");
    check_quiet(&browser);
}

/// The pictures of `docs/screenshots`: by hand, since every browser draws a little differently.
#[test]
fn pictures() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_none() {
        return;
    }
    let Some((_server, browser)) = visited_demo() else { return };
    let folder = fixtures::root().join("docs/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let take = |name: &str, path: &str, scheme: &str, (width, height): (u32, u32)| {
        browser.prefers(scheme);
        browser.width(width, height);
        browser.open(path);
        fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
    };
    let (desk, phone) = ((1280, 900), PHONE);
    take("incidents-light", "/", "light", (1280, 620));
    take("incident-light", "/incidents/4", "light", desk);
    take("incident-dark", "/incidents/4", "dark", desk);
    take("incident-phone", "/incidents/4", "light", phone);
    take("incidents-phone", "/", "dark", phone);
    take("alerts-light", "/alerts?show=all", "light", (1280, 620));
    take("status-dark", "/status", "dark", (1280, 620));
}
