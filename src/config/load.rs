//! The way from files, variables and flags to a valid [`Config`].
//!
//! Called by the command line at the start and for `check-config`, and by the application at every
//! reload with the same flags. Reads files, and writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::redaction::RedactionRule;
use crate::domain::rules::HeartbeatRule;
use crate::domain::{ChangeReport, Name, Rules, Severity, SourceType};

use super::document::{Document, Node};
use super::layers::{Layer, Layered, merge};
use super::lists::Lists;
use super::problem::{ConfigErrors, Place, Report};
use super::scalar::ListenAddress;
use super::schema::{Shape, settings_of};
use super::values::Values;
use super::web_file::{WebFile, load_web_file};
use super::{Auth, Config, DEFAULT_YAML, Source, Token};

/// The variable that names the configuration file.
const CONFIG_FILE_VARIABLE: &str = "SCRIBED_CONFIG_FILE";
/// The name under which the compiled-in default speaks.
const DEFAULT_NAME: &str = "built-in default";

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config.file`; the environment's `SCRIBED_CONFIG_FILE` when absent.
    pub config_file: Option<PathBuf>,
    /// Key path, value, and flag as typed: `("storage.path", "/var/lib/scribed",
    /// "--storage.path")`. Of a key that comes twice the last one counts.
    pub settings: Vec<(String, String, String)>,
    /// Every `--web.listen-address`; together they replace the addresses of file and environment.
    pub listen_addresses: Vec<String>,
}

impl Overrides {
    /// Adds a flag with its value, if it was given.
    pub fn set(&mut self, key: &str, value: Option<impl Into<String>>, flag: &str) {
        if let Some(value) = value {
            self.settings.push((key.to_owned(), value.into(), flag.to_owned()));
        }
    }
}

/// Makes the configuration out of default < file < environment < flag.
///
/// # Errors
/// With every problem there is, each with its place.
pub fn load(
    overrides: &Overrides,
    environment: &[(String, String)],
) -> Result<Config, ConfigErrors> {
    let mut report = Report::default();
    let file = overrides.config_file.clone().or_else(|| {
        let set = environment.iter().find(|(name, _)| name == CONFIG_FILE_VARIABLE);
        set.filter(|(_, value)| !value.is_empty()).map(|(_, value)| PathBuf::from(value))
    });
    let document = file.map(|path| Document::open(&path, &mut report));
    let environment = Layer::of_environment(environment, &mut report);
    let mut flags = Layer::default();
    for (key, value, flag) in &overrides.settings {
        flags.add_flag(key, value, flag, &mut report);
    }
    for address in &overrides.listen_addresses {
        let flag = "--web.listen-address";
        flags.add_flag("web.listen_addresses", address, flag, &mut report);
    }
    assemble(document.as_ref(), environment, flags, report)
}

/// Checks one file as `check-config` does: alone, without environment and flags.
///
/// # Errors
/// With every problem there is, each with its place.
pub fn check_file(path: &Path) -> Result<(), ConfigErrors> {
    let mut report = Report::default();
    let document = Document::open(path, &mut report);
    assemble(Some(&document), Layer::default(), Layer::default(), report).map(drop)
}

/// Checks a file of `--web.config.file` as `check-config` does, with the files that it names.
///
/// # Errors
/// With every problem there is, each with its place.
pub fn check_web_file(path: &Path) -> Result<(), ConfigErrors> {
    load_web_file(path).0.map(drop)
}

/// Lays the layers over each other and reads them.
fn assemble(
    file: Option<&Document>,
    environment: Layer,
    flags: Layer,
    mut report: Report,
) -> Result<Config, ConfigErrors> {
    let default = Document::parse(Path::new(DEFAULT_NAME), DEFAULT_YAML, &mut report);
    let default_layer = Layer::of_document(&default, &mut report);
    let file_layer = file.map(|file| Layer::of_document(file, &mut report)).unwrap_or_default();
    let layered = merge(&[default_layer, file_layer, environment, flags], &mut report);
    let listed = Listed::read(&default, file, &mut report);

    let mut values = Values::new(&layered, &mut report);
    let (web, addresses) = values.web();
    let (templates_dir, templates) = values.templates();
    let (web_file, web_problems) = read_web_file(web.config_file.as_deref());
    let config = Config {
        web,
        web_file,
        storage: values.storage(),
        log: values.log(),
        timezone: values.timezone(),
        templates_dir,
        templates,
        topology: values.topology(),
        auth: Auth {
            anonymous: values.anonymous(),
            tokens: listed.tokens,
            trusted_proxies: values.trusted_proxies(),
        },
        sources: listed.sources,
        redaction: listed.redaction,
        rules: Rules {
            alerts: values.alerts(listed.severities),
            incidents: values.incidents(listed.weights),
            heartbeats: listed.heartbeats,
        },
        replay_allow: values.replay_allow(),
    };
    scopes_must_name_sources(&config, listed.named_sources, &mut report);
    match web_problems {
        // Whom a file lets in that does not hold cannot be told.
        Some(problems) => report.add_all(problems),
        None => strangers_must_log_in(&config, addresses, &mut report),
    }
    addresses_must_differ(&config, &layered, &mut report);
    report.finish(config)
}

/// What the file of `--web.config.file` asks for, and what is wrong with it.
fn read_web_file(path: Option<&Path>) -> (WebFile, Option<ConfigErrors>) {
    match path.map(|path| load_web_file(path).0) {
        None => (WebFile::default(), None),
        Some(Ok(file)) => (file, None),
        Some(Err(problems)) => (WebFile::default(), Some(problems)),
    }
}

/// What only files can say.
#[derive(Default)]
struct Listed {
    tokens: Vec<Token>,
    named_sources: Vec<(Name, Place, String)>,
    sources: Vec<Source>,
    redaction: Vec<RedactionRule>,
    heartbeats: Vec<HeartbeatRule>,
    severities: Vec<(String, Severity)>,
    weights: BTreeMap<String, f64>,
}

impl Listed {
    /// Reads each list from the file if it stands there, else from the default.
    fn read(default: &Document, file: Option<&Document>, report: &mut Report) -> Self {
        let mut listed = Self::default();
        // Unknown keys were told when the layers were made; here they would only come again.
        let mut told = Report::default();
        let mut nodes: Vec<(&str, &Document, &Node)> = Vec::new();
        for document in [Some(default), file].into_iter().flatten() {
            for (setting, node) in settings_of(document, &mut told) {
                if setting.shape == Shape::Objects {
                    nodes.retain(|(key, ..)| *key != setting.key);
                    nodes.push((setting.key, document, node));
                }
            }
        }
        for (key, document, node) in nodes {
            let mut lists = Lists::new(document, report);
            match key {
                "auth.tokens" => (listed.tokens, listed.named_sources) = lists.tokens(node),
                "sources" => listed.sources = lists.sources(node),
                "redaction" => listed.redaction = lists.redaction(node),
                "heartbeats" => listed.heartbeats = lists.heartbeats(node),
                "incidents.weights" => listed.weights = lists.weights(node),
                _ => listed.severities = lists.severities(node),
            }
        }
        listed
    }
}

/// A scope for a source that does not exist would never allow anything.
fn scopes_must_name_sources(
    config: &Config,
    named_sources: Vec<(Name, Place, String)>,
    report: &mut Report,
) {
    for (name, place, key) in named_sources {
        // No configuration names the source of what comes in our own form.
        let is_built_in = name.as_str() == ChangeReport::OWN_SOURCE
            || SourceType::from_word(name.as_str()).is_some();
        if !is_built_in && !config.sources.iter().any(|source| source.name == name) {
            let text =
                format!("ingest:{name} names no source; configure it under sources, or correct it");
            report.add(place, key, text);
        }
    }
}

/// Who can be reached from elsewhere must say whom it lets in.
fn strangers_must_log_in(
    config: &Config,
    addresses: Vec<(ListenAddress, Place)>,
    report: &mut Report,
) {
    let auth = &config.auth;
    if auth.anonymous.is_some()
        || !auth.tokens.is_empty()
        || auth.trusted_proxies.is_some()
        || config.web_file.keeps_strangers_out()
    {
        return;
    }
    for (address, place) in addresses.into_iter().filter(|(address, _)| !address.is_loopback) {
        let text = format!(
            "`{}` can be reached from other machines, and everybody could do everything; \
             configure auth.tokens, or users or client certificates in --web.config.file, or say \
             with auth.anonymous what strangers may do, or listen on a loopback address such as 127.0.0.1:7274",
            address.text
        );
        report.add(place, "web.listen_addresses", text);
    }
}

/// The same address twice cannot be listened on; port 0 is a new port each time.
fn addresses_must_differ(config: &Config, layered: &Layered, report: &mut Report) {
    let texts = layered.many("web.listen_addresses");
    for (index, text) in texts.iter().enumerate().skip(1) {
        let is_twice = texts[..index].iter().any(|earlier| earlier.text == text.text);
        let is_known = config.web.listen_addresses.contains(&text.text);
        if is_twice && is_known && !text.text.ends_with(":0") {
            let problem = format!("`{}` comes twice; keep one", text.text);
            report.add(text.place.clone(), "web.listen_addresses", problem);
        }
    }
}
