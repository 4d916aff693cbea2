//! What is done to a parser with any bytes, and what must hold then. Never a panic, and never more
//! than the law below each target.
//!
//! One list for two runners: `tests/parsers` replays and mutates the corpus with every `cargo test`,
//! and the targets in `fuzz/` hand in what coverage finds.

use scribed::correlate::Machine;
use scribed::domain::{Matcher, Name, Record, RecordBody, Seq, SourceType, Span, Timestamp, Zone};
use scribed::ingest::{self, Envelope, Parsed};
use scribed::render::escape;
use scribed::render::own::{OwnTemplates, TemplateFile};

/// A target: its name, what it does, and which fixtures are its corpus.
pub struct Target {
    /// As in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Panics when a law does not hold.
    pub run: fn(&[u8]),
    /// Files and folders below the repository's root.
    pub corpus: &'static [&'static str],
}

macro_rules! targets {
    ($($name:ident: $corpus:expr;)+) => {
        /// All of them.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: $name, corpus: &$corpus }),+];
    };
}

targets! {
    alertmanager: ["tests/fixtures/payloads/alertmanager", "tests/fixtures/payloads/bad"];
    grafana: ["tests/fixtures/payloads/grafana"];
    prometheus: ["tests/fixtures/payloads/am-api-v2"];
    pagerduty: ["tests/fixtures/payloads/pagerduty"];
    cloudevents: ["tests/fixtures/payloads/cloudevents"];
    github: ["tests/fixtures/payloads/github"];
    argocd: ["tests/fixtures/payloads/bad", "fuzz/seeds/argocd"];
    uptime_kuma: ["tests/fixtures/payloads/bad", "fuzz/seeds/uptime_kuma"];
    annotations: ["fuzz/seeds/annotations"];
    generic: ["tests/fixtures/payloads/bad", "fuzz/seeds/generic"];
    change: ["fuzz/seeds/change"];
    topology: ["fuzz/seeds/topology"];
    matchers: ["fuzz/seeds/matchers"];
    durations: ["fuzz/seeds/durations"];
    times: ["fuzz/seeds/times"];
    zones: ["fuzz/seeds/zones"];
    configuration: ["config/scribed.default.yml", "config/scribed.example.yml"];
    web_file: ["fuzz/seeds/web_file"];
    templates: ["docs/templates"];
    escapes: ["tests/fixtures/payloads/bad", "README.md"];
    signatures: ["fuzz/seeds/signatures"];
    snapshots: ["fuzz/seeds/snapshots"];
}

/// When everything is received.
fn now() -> Timestamp {
    Timestamp::from_seconds(1_772_445_600)
}

fn read(kind: SourceType, headers: &[(String, String)], bytes: &[u8]) {
    let source = Name::from(kind.as_str());
    let envelope = Envelope { source: &source, kind, namespace: None, received_at: now(), headers };
    let Ok(parsed) = ingest::read(&envelope, bytes) else { return };
    digest(parsed);
}

/// What was read can be written into the ledger and read back, and the machine digests it, also
/// the second time, and gives the same whether it was snapshot in between or not.
fn digest(parsed: Parsed) {
    let body = RecordBody::Delivery(parsed.delivery);
    let json = serde_json::to_string(&body).expect("a record is written");
    let again: RecordBody = serde_json::from_str(&json).expect("a record is read");
    assert_eq!(again, body, "a record reads back as it was written");
    let mut machine = Machine::new();
    let record = |seq, body: &RecordBody| Record {
        seq: Seq(seq),
        time: Some(now()),
        received_at: Some(now()),
        body: body.clone(),
    };
    machine.handle(&record(1, &RecordBody::Rules(Box::default())));
    machine.handle(&record(2, &body));
    drop(machine.take_effects());
    let snapshot = machine.snapshot().expect("a snapshot is written");
    let mut restored = Machine::restore(&snapshot).expect("a snapshot is read");
    for machine in [&mut machine, &mut restored] {
        machine.handle(&record(3, &body));
        drop(machine.take_effects());
    }
    assert_eq!(machine.snapshot().ok(), restored.snapshot().ok(), "a snapshot is the whole state");
}

/// Bodies of Alertmanager.
pub fn alertmanager(bytes: &[u8]) {
    read(SourceType::Alertmanager, &[], bytes);
}

/// Bodies of Grafana.
pub fn grafana(bytes: &[u8]) {
    read(SourceType::Grafana, &[], bytes);
}

/// Bodies of Prometheus' own way to an Alertmanager.
pub fn prometheus(bytes: &[u8]) {
    read(SourceType::Prometheus, &[], bytes);
}

/// Events of PagerDuty, changes too.
pub fn pagerduty(bytes: &[u8]) {
    read(SourceType::Pagerduty, &[], bytes);
}

/// CloudEvents: whole, and with their attributes in headers, which the first line then holds.
pub fn cloudevents(bytes: &[u8]) {
    read(SourceType::Cloudevents, &[], bytes);
    let (line, body) = first_line(bytes);
    let text = String::from_utf8_lossy(line);
    let names = ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-subject"];
    let headers: Vec<(String, String)> = names
        .iter()
        .zip(text.split(','))
        .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
        .collect();
    read(SourceType::Cloudevents, &headers, body);
}

/// Events of GitHub, of each sort.
pub fn github(bytes: &[u8]) {
    for event in ["deployment", "deployment_status", "push", "release", "workflow_run", "ping"] {
        read(SourceType::Github, &[("x-github-event".to_owned(), event.to_owned())], bytes);
    }
}

/// Notifications of Argo CD.
pub fn argocd(bytes: &[u8]) {
    read(SourceType::Argocd, &[], bytes);
}

/// Notifications of Uptime Kuma.
pub fn uptime_kuma(bytes: &[u8]) {
    read(SourceType::UptimeKuma, &[], bytes);
}

/// Annotations as Grafana takes them, and Graphite's events.
pub fn annotations(bytes: &[u8]) {
    read(SourceType::Annotations, &[], bytes);
}

/// Bodies in the generic form.
pub fn generic(bytes: &[u8]) {
    read(SourceType::Generic, &[], bytes);
}

/// Changes in our own form.
pub fn change(bytes: &[u8]) {
    drop(ingest::read_change(bytes, now()));
}

/// Service graphs.
pub fn topology(bytes: &[u8]) {
    if let Ok(topology) = ingest::read_topology(bytes) {
        let record = Record {
            seq: Seq(1),
            time: Some(now()),
            received_at: Some(now()),
            body: RecordBody::Topology(topology),
        };
        Machine::new().handle(&record);
    }
}

/// Matchers: what is read is printed so that it reads the same.
pub fn matchers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(matcher) = Matcher::parse(text) {
        let printed = matcher.to_string();
        let again = Matcher::parse(&printed).expect("a printed matcher is read");
        assert_eq!(again.to_string(), printed);
        assert_eq!((again.name(), again.value()), (matcher.name(), matcher.value()));
    }
    drop(Matcher::parse_list(text));
}

/// Durations: what is read is printed so that it reads the same.
pub fn durations(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(span) = Span::parse(text) else { return };
    let whole = Span::from_seconds(span.seconds());
    if span == whole && !span.is_negative() {
        assert_eq!(Span::parse(&span.to_string()).ok(), Some(span), "{text:?} prints as {span}");
    }
}

/// Times: what is read is printed so that it reads the same, to the millisecond.
pub fn times(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for read in [Timestamp::parse(text).ok(), Timestamp::parse_rfc3339(text).ok()] {
        let Some(time) = read else { continue };
        let again = Timestamp::parse(&time.to_string()).map(Timestamp::millis);
        assert_eq!(again.ok(), Some(time.millis()), "{text:?} prints as {time}");
    }
}

/// Time zones.
pub fn zones(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(zone) = Zone::parse(text) {
        assert!(!zone.label_at(now()).is_empty());
    }
}

/// Configuration files.
pub fn configuration(bytes: &[u8]) {
    in_file(bytes, |path| scribed::config::check_file(path).is_ok());
}

/// Web configuration files.
pub fn web_file(bytes: &[u8]) {
    in_file(bytes, |path| scribed::config::check_web_file(path).is_ok());
}

/// People's own templates: read, with what they may not do refused.
pub fn templates(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    for name in ["own.md", "own.html"] {
        let file = TemplateFile { name: name.to_owned(), text: text.clone() };
        drop(OwnTemplates::read(vec![file]));
    }
}

/// Escaping leaves nothing raw.
pub fn escapes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let html = escape::html(&text);
    assert!(!html.as_str().contains(['<', '>', '"', '\'']), "{html:?}");
    let terminal = escape::terminal(&text);
    assert!(!terminal.as_str().contains('\u{1b}'), "{terminal:?}");
    let markdown = escape::markdown(&text);
    assert!(!markdown.as_str().contains(['\n', '\r', '\u{1b}']), "{markdown:?}");
    drop(escape::markdown_block(&text));
    drop(escape::html_in_markdown(&text));
    if let Some(url) = escape::url(&text) {
        let lower = url.as_str().to_ascii_lowercase();
        assert!(lower.starts_with("http://") || lower.starts_with("https://"), "{url:?}");
        assert!(!url.as_str().contains([' ', '\n', '<', '"']), "{url:?}");
    }
}

/// Signatures: the first line is the header, the second the timestamp, the rest the body.
pub fn signatures(bytes: &[u8]) {
    let (signature, rest) = first_line(bytes);
    let (timestamp, body) = first_line(rest);
    let secret = scribed::config::Secret::new(b"secret".to_vec());
    for names in [
        ("x-grafana-alerting-signature", "x-grafana-alerting-signature-timestamp"),
        ("x-hub-signature-256", "x-unused"),
    ] {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [(names.0, signature), (names.1, timestamp)] {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                headers.insert(name, value);
            }
        }
        scribed::http::auth::signature::verify(&secret, &headers, body, now()).ok();
    }
}

/// Snapshots of the machine: refused, or read whole.
pub fn snapshots(bytes: &[u8]) {
    if let Ok(machine) = Machine::restore(bytes) {
        let snapshot = machine.snapshot().expect("a snapshot is written");
        assert!(Machine::restore(&snapshot).is_ok());
    }
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Hands a parser that reads files one with these bytes.
fn in_file(bytes: &[u8], work: impl FnOnce(&std::path::Path) -> bool) {
    let name = format!("scribed-parsers-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name.replace(['(', ')'], "-"));
    std::fs::write(&path, bytes).expect("a temporary file is written");
    work(&path);
    std::fs::remove_file(&path).ok();
}
