//! The pages in a real browser, as people use them.
//!
//! Needs Debian's chromium and chromium-driver; without them the tests are passed over, but fail
//! in CI. `UPDATE_SCREENSHOTS=1 cargo test --test it -- page::pictures` makes the pictures of
//! `docs/screenshots` anew.

use std::fs;

use serde_json::{Value, json};

use crate::support::browser::{Browser, CONTROL, ENTER, ESCAPE, TAB};
use crate::support::{Request, Server, Setup, fixtures, program};

/// When the alerts of the storm begin.
const BEGAN: &str = "2026-03-02T10:00:00Z";

/// A server that lives now, as the browser does.
fn server() -> Server {
    Server::start()
}

/// Tells the server of an alert that fires since this moment.
fn fire(server: &Server, name: &str, service: &str, severity: &str) {
    let labels = json!({"alertname": name, "service": service, "severity": severity});
    let body = fixtures::firing(&labels, &fixtures::now());
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
}

/// Everything that was played for the pictures and for axe: the five outages of the demo.
fn demo(server: &Server) {
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

/// Nothing in the console, and nothing that the policy had to stop.
#[track_caller]
fn check_quiet(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:#?}");
}

#[test]
fn what_happens_shows_at_once_and_disturbs_nobody() {
    let server = server();
    let Some(browser) = Browser::start(&server.url()) else { return };
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
fn a_newcomer_finishes_an_incident_with_the_keyboard_alone() {
    let server = server();
    let Some(browser) = Browser::start(&server.url()) else { return };
    fire(&server, "HighErrorRate", "web", "critical");
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
    let server = server();
    let Some(browser) = Browser::start(&server.url()) else { return };
    fire(&server, "HighErrorRate", "web", "critical");
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
    let server = server();
    let Some(browser) = Browser::start(&server.url()) else { return };
    fire(&server, "HighErrorRate", "web", "critical");
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
fn hostile_text_is_shown_and_does_nothing() {
    let server = server();
    let Some(browser) = Browser::start(&server.url()) else { return };
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
    let server = Server::start();
    let Some(browser) = Browser::start(&server.url()) else { return };
    browser.open("/");
    assert_eq!(browser.faults(), Vec::<String>::new(), "the empty page");
    demo(&server);
    server.post("/api/v1/ingest/generic", &json!([])).expect(400);
    let delivery = server.get_json("/api/v1/deliveries")["items"][0]["id"].clone();
    let delivery = format!("/deliveries/{}", delivery.as_str().unwrap());
    let pages = [
        "/",
        "/incidents/4",
        "/incidents/4?kind=note&template=google-sre&tz=UTC",
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
            assert_eq!(browser.faults(), Vec::<String>::new(), "{page} in {scheme}");
        }
    }
    browser.open("/incidents/4");
    browser.press(None, "i");
    browser.press(None, ESCAPE);
    browser.press(None, "?");
    assert_eq!(browser.faults(), Vec::<String>::new(), "with a form and the sheet open");
    browser.width(390, 844);
    for page in
        ["/", "/incidents/4", "/alerts?show=all", "/status", "/deliveries", "/quarantine", "/audit"]
    {
        browser.open(page);
        let over = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert!(over.as_i64().unwrap() <= 0, "{page} is {over} pixels too wide for a phone");
    }
    assert_eq!(browser.faults(), Vec::<String>::new(), "on a phone");
    let not_found = |line: &String| !line.contains("/incidents/99");
    let said: Vec<String> = browser.console().into_iter().filter(not_found).collect();
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn the_chart_can_be_looked_at_closely_and_leads_to_the_entries() {
    let server = Server::start();
    let Some(browser) = Browser::start(&server.url()) else { return };
    demo(&server);
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
fn a_page_is_light_however_much_there_is() {
    let server = Server::start();
    demo(&server);
    let weigh = |path: &str| {
        let answer = server.send(&Request::new("GET", path).header("Accept-Encoding", "gzip"));
        (answer.expect(200).body.len(), server.get(path).text())
    };
    let (front, html) = weigh("/");
    let assets = html.split('"').filter(|text| text.starts_with("/assets/"));
    let assets: usize = assets.map(|path| weigh(path).0).sum();
    assert!(front + assets < 60_000, "the front page weighs {front} + {assets} bytes");
    // A storm of its own: one page shows the first entries and asks for more.
    let alerts: Vec<Value> = (0..1_500)
        .map(|number| {
            let labels = json!({"alertname": format!("Storm{}", number % 300), "service": "mesh",
                "severity": "critical", "instance": format!("m{number}")});
            fixtures::firing(
                &labels,
                &format!("2026-03-02T10:{:02}:{:02}Z", number / 60 % 60, number % 60),
            )["alerts"][0]
                .clone()
        })
        .collect();
    let mut body = fixtures::firing(&json!({"alertname": "Storm", "service": "mesh"}), BEGAN);
    body["alerts"] = json!(alerts);
    let storm = Request::new("POST", "/api/v1/ingest/alertmanager").json(&body);
    server.send(&storm.received_at("2026-03-02T10:30:00Z")).expect(200);
    server.settle();
    let id = server.get_json("/api/v1/incidents?service=mesh")["items"][0]["id"].clone();
    let (weight, html) = weigh(&format!("/incidents/{id}?fold=false"));
    assert_eq!(html.matches("class=\"entry kind-").count(), 100, "the first entries");
    assert!(html.contains("id=\"pager\""), "and how to get to the others");
    assert!(weight < 60_000, "the page of a storm weighs {weight} bytes");
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
    let check_faults = |state: &str| assert_eq!(browser.faults(), Vec::<String>::new(), "{state}");
    browser.open("/quarantine");
    check_faults("rows that can be read again");
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
    check_faults("a row that was read again");
    browser.click("#q-q2 a");
    browser.click("form[action='/quarantine/q2/replay'] button");
    browser.shows("#done", "q2 was read again");
    check_faults("a body that was read again");
    browser.click("nav a[href='/audit']");
    browser.shows("main", "quarantine.replay");
    browser.write("input[name=actor]", "nobody");
    browser.click(".filter button");
    browser.shows("main", "Nothing that fits");
    check_faults("an audit of nothing");
}

#[test]
fn an_alert_shows_what_was_weighed_and_an_incident_what_came_since_it_was_final() {
    let server = Server::start();
    let Some(browser) = Browser::start(&server.url()) else { return };
    demo(&server);
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
    assert_eq!(browser.faults(), Vec::<String>::new(), "an alert that was weighed");
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
    assert_eq!(browser.faults(), Vec::<String>::new(), "what came since it was final");
    check_quiet(&browser);
}

/// The pictures of `docs/screenshots`: by hand, since every browser draws a little differently.
#[test]
fn pictures() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_none() {
        return;
    }
    let server = Server::start();
    let Some(browser) = Browser::start(&server.url()) else { return };
    demo(&server);
    let folder = fixtures::root().join("docs/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let take = |name: &str, path: &str, scheme: &str, (width, height): (u32, u32)| {
        browser.prefers(scheme);
        browser.width(width, height);
        browser.open(path);
        fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
    };
    let (desk, phone) = ((1280, 900), (390, 844));
    take("incidents-light", "/", "light", (1280, 620));
    take("incident-light", "/incidents/4", "light", desk);
    take("incident-dark", "/incidents/4", "dark", desk);
    take("incident-phone", "/incidents/4", "light", phone);
    take("incidents-phone", "/", "dark", phone);
    take("alerts-light", "/alerts?show=all", "light", (1280, 620));
    take("status-dark", "/status", "dark", (1280, 620));
}
