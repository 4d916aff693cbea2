//! What the pages show: live, in the chart, of bodies that could not be used, of an alert.

use std::fs;

use serde_json::{Value, json};

use super::{check_accessible, check_quiet, fire, visited, visited_demo};
use crate::support::browser::{Browser, ENTER};
use crate::support::{Request, Setup, fixtures};

#[test]
fn what_happens_shows_at_once_and_disturbs_nobody() {
    let Some((server, browser)) = visited() else { return };
    browser.open("/");
    assert!(browser.text(".empty").contains("/api/v1/ingest/alertmanager"));
    browser.until("document.querySelector('#live').textContent === 'live'");
    // The page that is there stays: a mark on it, a half-written search, the focus.
    browser.run("window.mark = 'kept'");
    browser.write("input[name=q]", "web");
    fire(&server, "HighErrorRate", "web", "critical");
    browser.until("document.querySelector('#i-1')");
    assert_eq!(browser.run("return window.mark"), "kept");
    assert_eq!(browser.run("return document.activeElement.name"), "q");
    assert_eq!(browser.run("return document.activeElement.value"), "web");
    server.post("/api/v1/incidents/1/acknowledge", &json!({"by": "Ada"})).expect(200);
    browser.until("document.querySelector('#i-1').innerText.includes('Ada')");
    browser.open("/incidents/1");
    browser.until("document.querySelector('#live').textContent === 'live'");
    browser.write("#note textarea", "half a note");
    server.post("/api/v1/incidents/1/notes", &json!({"text": "Seen by another"})).expect(201);
    browser.until("document.querySelector('#entries').innerText.includes('Seen by another')");
    assert_eq!(browser.run("return document.querySelector('#note textarea').value"), "half a note");
    browser.until("document.querySelector('#paper').innerText.includes('Seen by another')");
    check_quiet(&browser);
}

#[test]
fn the_chart_can_be_looked_at_closely_and_leads_to_the_entries() {
    let Some((_server, browser)) = visited_demo() else { return };
    browser.open("/incidents/4");
    let from = browser.run("return document.querySelector('#chart').dataset.from");
    browser.press(None, "+");
    browser.until("document.querySelector('[data-look=whole]')");
    assert_ne!(browser.run("return document.querySelector('#chart').dataset.from"), from);
    assert!(browser.run("return location.search").as_str().unwrap().contains("from="));
    browser.press(None, "0");
    browser.until("!document.querySelector('[data-look=whole]')");
    browser.run("document.querySelector('#chart a').focus()");
    let both = browser.text("#reading");
    assert!(both.contains(" UTC)"), "both clocks are shown: {both}");
    browser.press(None, ENTER);
    browser.until("document.querySelector('#entries li:target')");
    check_quiet(&browser);
}

#[test]
fn what_could_not_be_used_is_read_again_by_a_button_and_stands_in_the_audit() {
    // A source of the wrong type, as after a slip in the configuration.
    let server = Setup::new().config("sources:\n  - {name: eu, type: prometheus}\n").start();
    let Some(browser) = Browser::start(&server.url()) else { return };
    let labels = json!({"alertname": "HighErrorRate", "service": "web", "severity": "critical"});
    let body = fixtures::firing(&labels, &fixtures::now());
    server.post("/api/v1/ingest/eu", &body).expect(400);
    let labels = json!({"alertname": "SlowResponses", "service": "web", "severity": "warning"});
    // Another body: the same one is kept once.
    let body = fixtures::firing(&labels, &fixtures::now());
    server.post("/api/v1/ingest/eu", &body).expect(400);
    browser.open("/quarantine");
    check_accessible(&browser, "rows that can be read again");
    browser.click("#q-q1 form button");
    browser.until("document.querySelector('h1').innerText === 'Not possible now'");
    browser.shows("main", "it still cannot be used");
    fs::write(server.config_file(), "sources:\n  - {name: eu, type: alertmanager}\n").unwrap();
    server.send(&Request::new("POST", "/-/reload")).expect(200);
    browser.open("/quarantine?replayed=q1");
    assert!(
        browser.run("return document.querySelector('#done')").is_null(),
        "an address is no deed"
    );
    browser.click("#q-q1 form button");
    browser.shows("#done", "q1 was read again");
    browser.shows("#q-q1", "read again");
    check_accessible(&browser, "a row that was read again");
    browser.click("#q-q2 a");
    browser.click("form[action='/quarantine/q2/replay'] button");
    browser.shows("#done", "q2 was read again");
    check_accessible(&browser, "a body that was read again");
    browser.click("nav a[href='/audit']");
    browser.shows("main", "quarantine.replay");
    browser.write("input[name=actor]", "nobody");
    browser.click(".filter button");
    browser.shows("main", "Nothing that fits");
    check_accessible(&browser, "an audit of nothing");
}

#[test]
fn an_alert_shows_what_was_weighed_and_an_incident_what_came_since_it_was_final() {
    let Some((server, browser)) = visited_demo() else { return };
    let alerts = server.list("/api/v1/alerts?incident=4");
    let explained = |alert: &Value| {
        server.get_json(&format!("/api/v1/alerts/{}/explain", alert["id"].as_str().unwrap()))
    };
    let found = alerts.iter().map(explained).find(|explained| explained["score"].is_number());
    let explained = found.expect("an alert that was weighed");
    browser.open(&format!("/alerts/{}", explained["alert"].as_str().unwrap()));
    let terms = explained["terms"].as_array().unwrap();
    let shown = browser.run("return document.querySelectorAll('#terms tbody tr').length");
    assert_eq!(shown, terms.len());
    for term in terms {
        browser.shows("#terms", term["text"].as_str().unwrap());
    }
    browser.shows("#terms tfoot", &format!("{:+.2} needed", explained["needed"].as_f64().unwrap()));
    check_accessible(&browser, "an alert that was weighed");
    server.patch("/api/v1/incidents/4", &json!({"status": "final"})).expect(200);
    server.settle();
    browser.open("/incidents/4");
    browser.shows("#final", "Nothing came since");
    server.post("/api/v1/incidents/4/notes", &json!({"text": "Found the disk"})).expect(201);
    server.settle();
    browser.open("/incidents/4");
    browser.shows("#since-final summary", "1 revision since it was final");
    browser.click("#since-final summary");
    browser.shows("#since-final", "Note added");
    check_accessible(&browser, "what came since it was final");
    check_quiet(&browser);
}
