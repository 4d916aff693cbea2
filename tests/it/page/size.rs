//! The pages when there is much to show. What takes time is printed, and never judged.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{check_quiet, play_demo, visited};
use crate::support::browser::{Browser, ENTER};
use crate::support::{Request, Server, fixtures};

/// The most that a first page may weigh as it goes over the wire, in bytes.
const FIRST_PAGE_BYTES_MAX: usize = 60_000;
/// How many entries the longest timeline has.
const ENTRIES: usize = 10_000;
/// More elements than this are no window any more.
const ELEMENTS_MAX: u64 = 6_000;
/// Shifts below this are good, says <https://web.dev/articles/cls>; ours are far below.
const LAYOUT_SHIFT_MAX: f64 = 0.01;

/// What a page weighs over the wire, and its text.
fn weighed(server: &Server, path: &str) -> (usize, String) {
    let request = Request::new("GET", path).header("Accept-Encoding", "gzip");
    (server.send(&request).expect(200).body.len(), server.get(path).text())
}

/// What begins `second` seconds after ten.
fn moment(second: usize) -> String {
    format!("2026-03-02T{:02}:{:02}:{:02}Z", 10 + second / 3600, second / 60 % 60, second % 60)
}

/// One incident of 10,000 firings, ten each second, the last of which is the needle.
fn play_storm(server: &Server) {
    let alerts: Vec<Value> = (1..=ENTRIES)
        .map(|number| {
            let name =
                if number == ENTRIES { "Needle".into() } else { format!("Storm{}", number % 250) };
            let labels = json!({"alertname": name, "service": "mesh", "severity": "critical",
                "instance": format!("m{number}")});
            fixtures::firing(&labels, &moment(number / 10))["alerts"][0].take()
        })
        .collect();
    let mut body = fixtures::firing(&json!({"alertname": "Storm", "service": "mesh"}), &moment(0));
    body["alerts"] = json!(alerts);
    let storm = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
    server.send(&storm.received_at(&moment(ENTRIES / 10 + 30))).expect(200);
    server.settle();
}

/// Lets every page count how far its parts are pushed about.
fn watch_shifts(browser: &Browser) {
    let source = "window.shift = 0; new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({type: 'layout-shift', buffered: true});";
    browser.chrome("Page.addScriptToEvaluateOnNewDocument", &json!({"source": source}));
}

/// Opens a page, prints what the browser measured, and checks what is no matter of time.
#[track_caller]
fn check_opens_light(browser: &Browser, path: &str) {
    browser.open(path);
    browser.until("document.querySelector('#live').textContent === 'live'");
    let read = |script: &str| browser.run(&format!("return {script}"));
    let navigation = "performance.getEntriesByType('navigation')[0]";
    let elements = read("document.querySelectorAll('*').length").as_u64().unwrap();
    let bytes = read(&format!("{navigation}.encodedBodySize")).as_u64().unwrap();
    let shift = read("window.shift").as_f64().unwrap();
    let answered = read(&format!("Math.round({navigation}.responseStart)"));
    let painted = read("Math.round(performance.getEntriesByType('paint')[0]?.startTime)");
    println!(
        "{path}: {elements} elements, {bytes} bytes over the wire, answered after {answered} ms, \
         painted after {painted} ms, layout shift {shift:.4}"
    );
    assert!(elements < ELEMENTS_MAX, "{path} has {elements} elements");
    assert!(bytes < FIRST_PAGE_BYTES_MAX as u64, "{path} weighs {bytes} bytes");
    assert!(shift < LAYOUT_SHIFT_MAX, "{path} shifts by {shift}");
}

/// The lines that the page shows, of how many.
fn lines(browser: &Browser) -> String {
    browser.text("#pager b")
}

#[test]
fn ten_thousand_entries_open_in_a_window_and_every_one_can_be_reached() {
    let Some((server, browser)) = visited() else { return };
    play_storm(&server);
    watch_shifts(&browser);
    check_opens_light(&browser, "/incidents/1");
    check_opens_light(&browser, "/incidents/1?fold=false");
    let total = browser.text("#timeline .quiet");
    assert!(total.starts_with("100"), "{total}");
    assert_eq!(lines(&browser), "1–100");
    // The draft stands beside it, whatever its length.
    browser.shows("#paper", "more rows, which the draft itself has");
    browser.click("[data-page=behind]");
    browser.until("document.querySelector('#pager b').innerText === '101–200'");
    browser.click("[data-page=end]");
    browser.shows("#entries", "Needle");
    browser.until("!document.querySelector('[data-page=end]')");
    // Back leads through the windows.
    browser.run("history.back()");
    browser.until("document.querySelector('#pager b').innerText === '101–200'");
    // j goes on from the last line of a window.
    browser.run("[...document.querySelectorAll('#entries > li')].pop().querySelector('a').focus()");
    browser.press(None, "j");
    browser.until("document.querySelector('#pager b').innerText === '201–300'");
    // A time, a text, a fold, and a mark of the chart.
    browser.write("input[name=when]", "10:08:20");
    browser.press(None, ENTER);
    browser.until("document.querySelector('#entries li time').innerText === '10:08:20'");
    browser.write("form.compact input[name=q]", "needle");
    browser.run("document.querySelector('input[name=when]').value = ''");
    browser.click("form.compact button");
    browser.until("document.querySelectorAll('#entries > li').length === 1");
    browser.shows("#entries", "Needle");
    browser.open("/incidents/1");
    browser.click("#entries .in-one");
    browser.until("document.querySelector('#entries > li:target')");
    browser.open("/incidents/1?start=101");
    browser.run("document.querySelector('#chart a').focus()");
    browser.press(None, ENTER);
    browser.until("document.querySelector('#entries > li:target')");
    check_reached_without_script(&browser);
    check_quiet(&browser);
}

/// The same ways are links and forms, which need no script.
#[track_caller]
fn check_reached_without_script(browser: &Browser) {
    browser.without_script();
    browser.open("/incidents/1?fold=false");
    browser.click("#pager-below [data-page=end]");
    browser.shows("#entries", "Needle");
    browser.write("form.compact input[name=q]", "needle");
    browser.click("form.compact button");
    browser.until("document.querySelectorAll('#entries > li').length === 1");
    browser.click(".arrange a:last-child");
    browser.write("input[name=when]", "10:08:20");
    browser.click("form.compact button");
    browser.until("document.querySelector('#entries li time').innerText === '10:08:20'");
}

#[test]
fn a_thousand_incidents_are_paged_by_a_cursor() {
    const INCIDENTS: usize = 1_000;
    let Some((server, browser)) = visited() else { return };
    // A troubled year: a server of its own breaks down every eight hours.
    for number in 0..INCIDENTS {
        let hour = number * 8;
        let day = format!("2025-{:02}-{:02}", 1 + hour / 24 / 28 % 12, 1 + hour / 24 % 28);
        let day = if hour / 24 / 28 < 12 { day } else { day.replace("2025", "2026") };
        let labels = json!({"alertname": format!("Outage{number}"), "severity": "critical",
            "service": format!("service-{number}"), "instance": format!("host-{number}")});
        let at = |minute: usize| format!("{day}T{:02}:{minute:02}:00Z", hour % 24);
        let body = fixtures::resolved(&labels, &at(0), &at(5));
        let ended = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
        server.send(&ended.received_at(&at(6))).expect(200);
    }
    server.settle();
    watch_shifts(&browser);
    check_opens_light(&browser, "/");
    let mut seen = BTreeSet::new();
    let mut path = "/".to_owned();
    loop {
        let (bytes, html) = weighed(&server, &path);
        assert!(bytes < FIRST_PAGE_BYTES_MAX, "{path} weighs {bytes} bytes");
        let rows = html.split("id=\"i-").skip(1).filter_map(|row| row.split('"').next());
        seen.extend(rows.map(str::to_owned));
        let next = html.split("<a rel=\"next\" href=\"").nth(1);
        let Some(next) = next.and_then(|rest| rest.split('"').next()) else { break };
        path = format!("/{}", next.replace("&amp;", "&"));
    }
    assert_eq!(seen.len(), INCIDENTS);
    browser.click("a[rel=next]");
    browser.shows("main", "Newest");
    check_quiet(&browser);
}

#[test]
fn the_first_page_with_its_style_and_script_is_light() {
    let server = Server::start();
    play_demo(&server);
    let (front, html) = weighed(&server, "/");
    let assets = html.split('"').filter(|text| text.starts_with("/assets/"));
    let assets: usize = assets.map(|path| weighed(&server, path).0).sum();
    println!("the first page: {front} bytes, its style, script and icon: {assets}");
    assert!(front + assets < FIRST_PAGE_BYTES_MAX, "it weighs {front} + {assets} bytes");
}
