//! The merged layers to the typed parts of a [`Config`](super::Config): all keys that hold one
//! value or a plain list.
//!
//! Reading never stops at a problem: it goes to the report, a stand-in takes the place of the
//! value, and the caller throws the whole away when the report is not empty. Called by `load`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::rules::{AlertRules, IncidentRules};
use crate::domain::{Severity, Span, Topology};
use crate::render::own::OwnTemplates;

use super::layers::{Layered, Text};
use super::problem::{Place, Report};
use super::scalar::{self, ListenAddress};
use super::{Anonymous, Log, LogFormat, Storage, Timeouts, Web};
use super::{templates, topology_file};

const MILLISECOND: Span = Span::from_millis(1);
const SECOND: Span = Span::from_seconds(1);
const DAY: Span = Span::from_hours(24);
/// An alert that ended is remembered for three hours where nothing keeps it.
const ALONE_MOST: Span = Span::from_hours(3);
/// Starts further apart are two firings, whoever tells them.
const PEER_MOST: Span = Span::from_minutes(10);
/// Longest duration of any key: longer ones are a slip of the pen.
const TEN_YEARS: Span = Span::from_hours(10 * 365 * 24);
/// Longest time that a person or a client waits for us.
const AN_HOUR: Span = Span::from_hours(1);
/// What the API promises: a write answers within this time.
const SETTLE_MOST: Span = Span::from_seconds(5);
const MEBIBYTE: u64 = 1 << 20;
const EXBIBYTE: u64 = 1 << 60;

/// Reads typed values.
pub(super) struct Values<'a> {
    layered: &'a Layered,
    report: &'a mut Report,
}

impl<'a> Values<'a> {
    /// Reads from the merged layers.
    pub(super) fn new(layered: &'a Layered, report: &'a mut Report) -> Self {
        Self { layered, report }
    }

    /// The server. The addresses come back a second time with what is known of each.
    pub(super) fn web(&mut self) -> (Web, Vec<(ListenAddress, Place)>) {
        let addresses = self.list("web.listen_addresses", scalar::listen_address);
        if addresses.is_empty() {
            self.must_not_be_empty("web.listen_addresses", "write at least one address");
        }
        let max_body = self.value("web.max_body", |t| scalar::size(t, 1, 1 << 30)).unwrap_or(0);
        let web = Web {
            listen_addresses: addresses.iter().map(|(a, _)| a.text.clone()).collect(),
            external_url: self.optional("web.external_url", scalar::external_url),
            max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
            max_connections: self.count("web.max_connections", 1, 1_000_000) as usize,
            timeouts: Timeouts {
                header: self.span("web.timeouts.header", MILLISECOND, AN_HOUR),
                body: self.span("web.timeouts.body", MILLISECOND, AN_HOUR),
                settle: self.span("web.timeouts.settle", MILLISECOND, SETTLE_MOST),
                drain: self.span("web.timeouts.drain", Span::ZERO, AN_HOUR),
            },
            config_file: self.path("web.config_file"),
        };
        (web, addresses)
    }

    /// The store.
    pub(super) fn storage(&mut self) -> Storage {
        let path = self.path("storage.path");
        if path.is_none() {
            self.must_not_be_empty("storage.path", "write a folder such as ./data");
        }
        Storage {
            path: path.unwrap_or_default(),
            retention: self.optional("storage.retention", |t| scalar::span(t, SECOND, TEN_YEARS)),
            raw_retention: self.span("storage.raw_retention", SECOND, TEN_YEARS),
            size_limit: self
                .optional("storage.size_limit", |t| scalar::size(t, MEBIBYTE, EXBIBYTE)),
        }
    }

    /// Logging.
    pub(super) fn log(&mut self) -> Log {
        let formats = [("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)];
        Log {
            level: self.value("log.level", scalar::log_filter).unwrap_or_default(),
            format: self
                .value("log.format", |text| scalar::word(text, &formats))
                .unwrap_or(LogFormat::Logfmt),
        }
    }

    /// The zone of drafts.
    pub(super) fn timezone(&mut self) -> String {
        self.value("timezone", scalar::zone).unwrap_or_default()
    }

    /// The folder of people's own templates, and what it holds.
    pub(super) fn templates(&mut self) -> (Option<PathBuf>, Arc<OwnTemplates>) {
        let Some(path) = self.path("templates.dir") else { return (None, Arc::default()) };
        self.must_exist("templates.dir", path.is_dir(), &path, "folder");
        let held = if path.is_dir() {
            templates::read(&path, "templates.dir", self.report)
        } else {
            Arc::default()
        };
        (Some(path), held)
    }

    /// The service graph, out of its file.
    pub(super) fn topology(&mut self) -> Option<Topology> {
        let path = self.path("topology_file")?;
        self.must_exist("topology_file", path.is_file(), &path, "file");
        if path.is_file() { topology_file::read(&path, "topology_file", self.report) } else { None }
    }

    /// What somebody without credentials may do.
    pub(super) fn anonymous(&mut self) -> Option<Anonymous> {
        let words = [
            ("none", Anonymous::None),
            ("ingest", Anonymous::Ingest),
            ("read", Anonymous::Read),
            ("write", Anonymous::Write),
        ];
        self.optional("auth.anonymous", |text| scalar::word(text, &words))
    }

    /// Whether anyone who may write may state the original time of receipt.
    pub(super) fn replay_allow(&mut self) -> bool {
        self.value("replay.allow", scalar::truth).unwrap_or_default()
    }

    /// How alerts are read.
    pub(super) fn alerts(&mut self, severities: Vec<(String, Severity)>) -> AlertRules {
        let service_labels = self.distinct("alerts.service_labels", scalar::filled);
        if service_labels.is_empty() {
            self.must_not_be_empty("alerts.service_labels", "write at least one label");
        }
        AlertRules {
            severity_label: self.value("alerts.severity_label", scalar::filled).unwrap_or_default(),
            severities,
            paging: self.distinct("alerts.paging", scalar::severity),
            service_labels,
            stale_after: self.span("alerts.stale_after", SECOND, TEN_YEARS),
            stale_firing_window: self.span("alerts.stale_firing_window", Span::ZERO, TEN_YEARS),
            flapping_episodes: self.count("alerts.flapping_episodes", 2, 10_000),
            flapping_window: self.span("alerts.flapping_window", SECOND, TEN_YEARS),
            chronic_after: self.span("alerts.chronic_after", SECOND, TEN_YEARS),
            alone_firings: self.count("alerts.alone_firings", 1, 10_000),
            alone_window: self.span("alerts.alone_window", Span::ZERO, ALONE_MOST),
            peer_window: self.span("alerts.peer_window", Span::ZERO, PEER_MOST),
            heartbeat_words: self.count("alerts.heartbeat_words", 2, 1_000),
            heartbeat_intervals: self.count("alerts.heartbeat_intervals", 1, 1_000),
            heartbeat_least: self.span("alerts.heartbeat_least", SECOND, TEN_YEARS),
        }
    }

    /// How incidents form, end and return.
    pub(super) fn incidents(&mut self, weights: BTreeMap<String, f64>) -> IncidentRules {
        IncidentRules {
            quiet_period: self.span("incidents.quiet_period", SECOND, TEN_YEARS),
            reopen_window: self.span("incidents.reopen_window", Span::ZERO, TEN_YEARS),
            lead_up: self.span("incidents.lead_up", Span::ZERO, TEN_YEARS),
            gap_limit: self.span("incidents.gap_limit", SECOND, TEN_YEARS),
            duration_limit: self.span("incidents.duration_limit", SECOND, TEN_YEARS),
            open_alerts: self.count("incidents.open_alerts", 1, 10_000),
            open_severities: self.distinct("incidents.open_severities", scalar::severity),
            join_score: self
                .value("incidents.join_score", |text| scalar::number(text, -100.0, 100.0))
                .unwrap_or_default(),
            settling_window: self.span("incidents.settling_window", Span::ZERO, DAY),
            busy_window: self.span("incidents.busy_window", Span::ZERO, DAY),
            witnesses: self.count("incidents.witnesses", 1, 64),
            change_window: self.span("incidents.change_window", Span::ZERO, DAY),
            lead_up_candidates: self.count("incidents.lead_up_candidates", 16, 100_000),
            learnt_entries: self.count("incidents.learnt_entries", 100, 1_000_000),
            weights,
        }
    }

    fn span(&mut self, key: &str, least: Span, most: Span) -> Span {
        self.value(key, |text| scalar::span(text, least, most)).unwrap_or_default()
    }

    fn count(&mut self, key: &str, least: u32, most: u32) -> u32 {
        self.value(key, |text| scalar::count(text, least, most)).unwrap_or_default()
    }

    /// A value that every configuration has, from the default at least.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.layered.one(key)?;
        read(&text.text).map_err(|problem| self.report.add(text.place.clone(), key, problem)).ok()
    }

    /// A value that may be absent; the empty text on the command line takes it away.
    fn optional<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.layered.one(key).filter(|text| !text.text.is_empty())?;
        self.value(key, read)
    }

    /// A path; relative ones in a file are meant from the folder of the file.
    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.layered.one(key).filter(|text| !text.text.is_empty())?;
        Some(resolve(&text.place, &text.text))
    }

    fn list<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<(T, Place)> {
        let mut values = Vec::new();
        for Text { text, place } in self.layered.many(key) {
            match read(text) {
                Ok(value) => values.push((value, place.clone())),
                Err(problem) => self.report.add(place.clone(), key, problem),
            }
        }
        values
    }

    /// A list in which a value that comes again counts once.
    pub(super) fn distinct<T: PartialEq>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut values: Vec<T> = Vec::new();
        for (value, _) in self.list(key, read) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// Notes that a key is empty where it must not be, unless a worse problem stands there.
    fn must_not_be_empty(&mut self, key: &str, advice: &str) {
        if self.layered.many(key).iter().all(|text| text.text.is_empty()) {
            self.note(key, &format!("is empty; {advice}"));
        }
    }

    fn must_exist(&mut self, key: &str, exists: bool, path: &Path, what: &str) {
        if !exists {
            let shown = path.display();
            self.note(key, &format!("there is no {what} {shown}; create it or correct the path"));
        }
    }

    /// Notes a problem with the value that stands at a key.
    fn note(&mut self, key: &str, text: &str) {
        if let Some(place) = self.layered.place(key) {
            self.report.add(place.clone(), key, text);
        }
    }
}

/// A path as the place means it: from the folder of the file it stands in, else from the folder in
/// which the program runs.
pub(super) fn resolve(place: &Place, text: &str) -> PathBuf {
    match place {
        Place::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(text),
        Place::Environment(_) | Place::Flag(_) => PathBuf::from(text),
    }
}
