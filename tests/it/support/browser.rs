//! A real Chromium, driven over WebDriver as a person would use it.
//!
//! WebDriver is JSON over HTTP, so the tests' own client speaks it. Chrome's own commands go
//! through it as well, for what only they can do: no script, another width, dark colours.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};

use super::client::{Answer, Client, Request};
use super::external::{self, Process};
use super::server::free_port;
use super::wait;

/// What `Enter`, `Escape` and others are in WebDriver.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const CONTROL: &str = "\u{e009}";

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Flags that keep a headless browser to itself.
const QUIET: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--window-size=1280,900",
];

/// One browser with a profile of its own; ended when dropped.
pub(crate) struct Browser {
    driver: Client,
    session: String,
    base: String,
    // Ended before its folder goes.
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser that visits a server; `None` after saying so when there is none here.
    pub(crate) fn start(base: &str) -> Option<Self> {
        let [chromium, chromedriver] = external::programs(["chromium", "chromedriver"])?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new(chromedriver);
        command.arg(format!("--port={port}")).current_dir(folder.path());
        // What the browser leaves behind goes with the folder.
        command.env("TMPDIR", folder.path()).env("HOME", folder.path());
        let mut process = Process::start(folder.path(), "chromedriver", &mut command);
        let driver = Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        wait::until("chromedriver to be ready", || {
            assert!(process.ended().is_none(), "{}", process.log());
            let answer = driver.try_send(&Request::new("GET", "/status")).ok()?;
            (answer.json()["value"]["ready"] == true).then_some(())
        });
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let arguments: Vec<&str> = QUIET.into_iter().chain([profile.as_str()]).collect();
        let wish = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = driver.post("/session", &wish).expect(200).json();
        let session = answer["value"]["sessionId"].as_str().expect("a session").to_owned();
        let base = base.to_owned();
        Some(Self { driver, session, base, _process: process, _folder: folder })
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.driver.post(&format!("/session/{}/{path}", self.session), body);
        let value = answer.json()["value"].clone();
        assert_eq!(answer.status, 200, "{path}: {value:#}");
        value
    }

    /// A command of Chrome's own.
    #[track_caller]
    pub(crate) fn chrome(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens a page of the server.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) {
        self.post("url", &json!({"url": format!("{}{path}", self.base)}));
    }

    /// Runs a script in the page: the body of a function.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a script that calls its last argument with what it finds.
    #[track_caller]
    pub(crate) fn run_until_called(&self, script: &str) -> Value {
        self.post("execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression is true in the page; returns its value.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> Value {
        wait::until(expression, || {
            let value = self.run(&format!("return {expression}"));
            (!value.is_null() && value != false && value != "").then_some(value)
        })
    }

    /// Waits for an element.
    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let path = format!("/session/{}/element", self.session);
        let body = json!({"using": "css selector", "value": selector});
        wait::until(&format!("an element {selector}"), || {
            let found = self.driver.post(&path, &body).json();
            found["value"][ELEMENT].as_str().map(str::to_owned)
        })
    }

    /// Does something with what a selector names, again when a page takes the place of another
    /// just then.
    #[track_caller]
    fn with<T>(
        &self,
        selector: &str,
        act: impl Fn(&str) -> Answer,
        read: impl Fn(&Value) -> T,
    ) -> T {
        wait::until(selector, || {
            let element = self.element(selector);
            let answer = act(&format!("/session/{}/element/{element}", self.session));
            let value = answer.json()["value"].clone();
            if value["error"] == "stale element reference" {
                return None;
            }
            assert_eq!(answer.status, 200, "{selector}: {value:#}");
            Some(read(&value))
        })
    }

    /// Clicks on what a selector names.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let click = |path: &str| self.driver.post(&format!("{path}/click"), &json!({}));
        self.with(selector, click, |_| ());
    }

    /// Waits until what a selector names shows a text.
    #[track_caller]
    pub(crate) fn shows(&self, selector: &str, text: &str) {
        self.until(&format!("document.querySelector({selector:?})?.innerText.includes({text:?})"));
    }

    /// Writes into a field, behind what it holds.
    #[track_caller]
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// Presses keys, one after the other, wherever the focus is; `held` stays down.
    #[track_caller]
    pub(crate) fn press(&self, held: Option<&str>, keys: &str) {
        let key = |kind: &str, key: &str| json!({"type": kind, "value": key});
        let mut actions: Vec<Value> = held.map(|held| key("keyDown", held)).into_iter().collect();
        for pressed in keys.chars().map(String::from) {
            actions.extend([key("keyDown", &pressed), key("keyUp", &pressed)]);
        }
        actions.extend(held.map(|held| key("keyUp", held)));
        self.post(
            "actions",
            &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}),
        );
    }

    /// The text of what a selector names.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = |path: &str| self.driver.get(&format!("{path}/text"));
        self.with(selector, text, |value| value.as_str().unwrap_or_default().to_owned())
    }

    /// What the console says since it was last asked, without what the test itself causes.
    #[track_caller]
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("a list").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Lets pages run no script from now on. What the test runs still works.
    #[track_caller]
    pub(crate) fn without_script(&self) {
        self.chrome("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }

    /// Shows pages as on a screen of this width.
    #[track_caller]
    pub(crate) fn width(&self, width: u32, height: u32) {
        let is_phone = width < 600;
        self.chrome(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}),
        );
    }

    /// Shows pages to somebody who likes `light` or `dark`.
    #[track_caller]
    pub(crate) fn prefers(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.chrome("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    /// What axe finds wrong with the page, one line each.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<String> {
        let axe = String::from_utf8(super::fixtures::bytes("axe/axe.min.js")).unwrap();
        self.run(&format!("if (!window.axe) {{ {axe} }}"));
        let found = self.run_until_called(
            "const done = arguments[arguments.length - 1];
             axe.run(document, {resultTypes: ['violations']}).then(
               (found) => done(found.violations.flatMap((fault) => fault.nodes.map((node) =>
                 `${fault.id}: ${node.target.join(' ')}: ${node.failureSummary}`))),
               (error) => done([String(error)]));",
        );
        let found = found.as_array().expect("a list").iter();
        found.map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A picture of what the window shows, as PNG.
    #[track_caller]
    pub(crate) fn picture(&self) -> Vec<u8> {
        let answer = self.driver.get_json(&format!("/session/{}/screenshot", self.session));
        bytes_of_base64(answer["value"].as_str().expect("a picture"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session; both may be gone already.
        drop(self.driver.try_send(&Request::new("DELETE", &format!("/session/{}", self.session))));
    }
}

/// Decodes base64, in which WebDriver sends pictures.
fn bytes_of_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit))
            << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

#[test]
fn base64_is_decoded() {
    for (text, expect) in [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc")] {
        assert_eq!(bytes_of_base64(text), expect.as_bytes());
    }
}
