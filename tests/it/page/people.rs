//! What people do on the page of an incident: by keys, by mouse, without script, two at once.

use serde_json::{Value, json};

use super::{check_quiet, fire, play_demo, visited_in_trouble};
use crate::support::browser::{CONTROL, ENTER, ESCAPE, TAB};
use crate::support::{Request, Server};

#[test]
fn a_newcomer_who_has_only_the_page_takes_the_draft_away() {
    // The most clicks that it may take; typing a line takes its time anyhow.
    const CLICKS_MAX: usize = 7;
    let Some((server, browser)) = visited_in_trouble() else { return };
    let origin = json!({"origin": server.url(), "permissions": ["clipboardReadWrite"]});
    browser.chrome("Browser.grantPermissions", &origin);
    let clock = || browser.run("return Date.now()").as_i64().unwrap();
    let begun = clock();
    let mut clicks = 0;
    let mut click = |selector: &str| {
        clicks += 1;
        browser.click(selector);
    };
    browser.open("/");
    click("#i-1 a");
    browser
        .until("document.querySelector('#title') && document.querySelector('#live').textContent");
    click(".steps .strong");
    browser.shows("#done", "Acknowledged");
    click("#note textarea");
    browser.press(None, "Blamed the cache, it was not the cache");
    // A list is chosen from by its first letters.
    click("#note select");
    browser.press(None, &format!("wrong{ENTER}"));
    click("#note button");
    browser.until("document.querySelector('#entries .phase-wrong-lead')");
    click(".steps [value=resolve]");
    browser.shows("#done", "Resolved");
    click("[data-copy-url]");
    browser.shows("[data-copy-url]", "Copied");
    println!("{clicks} clicks, {} ms by a browser that never waits", clock() - begun);
    assert!(clicks <= CLICKS_MAX, "{clicks} clicks");
    let taken = browser.run_until_called("navigator.clipboard.readText().then(arguments[0])");
    let draft = server.get("/api/v1/incidents/1/draft").expect(200).text();
    assert_eq!(taken, draft.as_str(), "what was taken away is the draft");
    assert!(draft.contains("Blamed the cache"), "{draft}");
    check_quiet(&browser);
}

#[test]
fn a_newcomer_finishes_an_incident_with_the_keyboard_alone() {
    let Some((server, browser)) = visited_in_trouble() else { return };
    browser.open("/");
    browser.until("document.querySelector('#live').textContent");
    browser.press(None, "?");
    browser.until("document.querySelector('#keys').open");
    browser.press(None, ESCAPE);
    browser.until("!document.querySelector('#keys').open");
    browser.press(None, &format!("j{ENTER}"));
    browser
        .until("document.querySelector('#title') && document.querySelector('#live').textContent");
    browser.press(None, "a");
    browser.until("document.querySelector('.state-acknowledged')");
    browser.press(None, "n");
    browser.until("document.activeElement.name === 'text'");
    browser.press(None, "Restarted the cache, no use");
    browser.press(None, TAB);
    browser.press(None, "wrong");
    browser.press(None, TAB);
    browser.press(None, "00:00");
    browser.press(Some(CONTROL), ENTER);
    browser.until("document.querySelector('#entries .phase-wrong-lead')");
    browser.press(None, ESCAPE);
    browser.press(None, "i");
    browser.until("document.activeElement.name === 'value'");
    browser.press(None, "Half of all visitors saw errors");
    browser.press(Some(CONTROL), ENTER);
    browser.until("document.querySelector('#f-impact .said').innerText.includes('Half of all')");
    browser.press(None, "m");
    browser.until("document.querySelector('#dialog').open");
    browser.press(None, ENTER);
    browser.until("document.querySelector('.state-mitigated')");
    browser.press(None, "r");
    browser.until("document.querySelector('.state-resolved')");
    browser.press(None, "z");
    browser.until("document.querySelector('.steps [value=resolve]')");
    browser.press(None, "r");
    browser.until("document.querySelector('.steps [value=reopen]')");
    // What the draft takes away is what the page shows.
    let draft = server.get("/api/v1/incidents/1/draft").expect(200).text();
    assert!(
        draft.contains("Restarted the cache, no use") && draft.contains("Half of all"),
        "{draft}"
    );
    let shown = browser.text("#paper");
    assert!(
        shown.contains("Restarted the cache, no use") && shown.contains("Half of all"),
        "{shown}"
    );
    let saved = browser.run("return document.querySelector('.take a[download$=\".md\"]').href");
    assert!(saved.as_str().unwrap().contains("format=markdown"), "{saved}");
    browser.press(None, "gs");
    browser.until("location.pathname === '/status'");
    check_quiet(&browser);
}

#[test]
fn two_who_write_the_same_field_see_both_versions_and_lose_neither() {
    let Some((server, browser)) = visited_in_trouble() else { return };
    let patch = |body: Value| drop(server.patch("/api/v1/incidents/1", &body).expect(200));
    patch(json!({"root_cause": "unknown"}));
    browser.open("/incidents/1");
    browser.until("document.querySelector('#live').textContent === 'live'");
    let field = "#f-root_cause textarea";
    browser.click("#f-root_cause summary");
    browser.run(&format!("document.querySelector('{field}').value = ''"));
    browser.write(field, "My cause");
    patch(json!({"root_cause": "Their cause", "impact": "Their impact"}));
    browser.until("document.querySelector('#f-impact .said').innerText.includes('Their impact')");
    browser.click("#f-root_cause form button");
    browser.until("document.querySelector('#dialog').open");
    let asked = browser.text("#dialog");
    assert!(asked.contains("Their cause"), "{asked}");
    assert_eq!(browser.run("return document.querySelector('#dialog textarea').value"), "My cause");
    let cause = || server.get_json("/api/v1/incidents/1")["root_cause"].clone();
    assert_eq!(cause(), "Their cause", "nothing was overwritten");
    browser.write("#dialog textarea", " and theirs");
    browser.click("#dialog .strong");
    browser
        .until("document.querySelector('#f-root_cause .said').innerText === 'My cause and theirs'");
    assert_eq!(cause(), "My cause and theirs");
    // Another field that changed meanwhile is no conflict.
    browser.click("#f-lead summary");
    browser.write("#f-lead input[name=value]", "Ada");
    patch(json!({"impact": "Changed again"}));
    browser.click("#f-lead form button");
    browser.until("document.querySelector('#f-lead .said').innerText === 'Ada'");
    // The browser itself tells of the answer that asks.
    let said = browser.console();
    assert!(said.iter().all(|line| line.contains("status of 412")), "{said:#?}");
}

#[test]
fn everything_can_be_done_without_script() {
    let Some((server, browser)) = visited_in_trouble() else { return };
    fire(&server, "SlowResponses", "web", "critical");
    browser.without_script();
    browser.open("/?filter=severity%3D%22critical%22");
    browser.click("#i-1 a");
    browser.click(".steps [value=acknowledge]");
    browser.shows("#done", "Acknowledged");
    browser.write("#note textarea", "Looked at the wrong graph");
    browser.run("document.querySelector('#note select').value = 'wrong-lead'");
    browser.click("#note button");
    browser.shows("#entries", "Looked at the wrong graph");
    browser.click("#entries .kind-note summary");
    browser.click("#entries .kind-note [value=pin]");
    browser.shows("#entries .pinned", "Looked at the wrong graph");
    browser.click("#f-impact summary");
    browser.write("#f-impact textarea", "One in two");
    browser.click("#f-impact form button");
    browser.shows("#f-impact .said", "One in two");
    browser.click(".steps [value=mitigate]");
    browser.click("#ask .strong");
    browser.shows("#done", "Mitigated");
    browser.click(".steps [value=resolve]");
    browser.shows("#done", "Resolved");
    browser.click("#undo button");
    browser.shows("#done", "Reopened");
    browser.click("[id^=a-] input[type=checkbox]");
    browser.click("#move [value=split]");
    browser.until("location.pathname === '/incidents/2'");
    browser.click("#undo button");
    browser.until("location.pathname === '/incidents/1'");
    browser.shows("#done", "Merged");
    browser.click("#theme button");
    browser.until("document.documentElement.dataset.theme === 'dark'");
    check_quiet(&browser);
}

#[test]
fn a_time_without_a_date_means_the_night_of_the_incident() {
    let server = Server::start();
    play_demo(&server);
    let note = |at: &str| {
        let form = format!("text=Seen+at+{at}&zone=America/New_York&at={at}");
        let sent = Request::new("POST", "/incidents/4/notes").bytes(form);
        let sent = sent.header("Content-Type", "application/x-www-form-urlencoded");
        server.send(&sent).expect(303);
        let entries = server.get_json("/api/v1/incidents/4/timeline?collapse=false");
        let entries = entries["items"].as_array().unwrap().clone();
        let made = |entry: &&Value| entry["text"] == format!("Seen at {at}");
        entries.iter().find(made).unwrap()["occurred_at"].clone()
    };
    // It ran on one day from 10:30 to 12:45 there.
    for (at, expect) in [
        ("11:07", "2024-06-08T15:07:00.000Z"),
        ("15:00", "2024-06-08T19:00:00.000Z"),
        ("09:30", "2024-06-08T13:30:00.000Z"),
        ("2024-06-07 23:00", "2024-06-08T03:00:00.000Z"),
    ] {
        assert_eq!(note(at), expect, "{at}");
    }
}
