//! Configuration: text in, a validated [`Config`] out.
//!
//! The YAML file is read by a parser that keeps positions; the `config` crate layers default <
//! file < environment < flag. All problems are told at once, each with its file, line and column,
//! its variable or its flag. Secrets come from files and never print. The default is a commented
//! file that is compiled in, so that documentation and defaults cannot drift apart.
//!
//! A value that is in a [`Config`] is valid; nobody checks it again. Called by the command line
//! and, for reloads, by the application.

mod document;
mod layers;
mod lists;
mod load;
mod problem;
mod proxies;
mod redaction;
mod reload;
mod scalar;
mod schema;
mod secret;
mod templates;
mod topology_file;
mod values;
mod web_file;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::redaction::RedactionRule;
use crate::domain::{Name, Rules, SourceType, Span, Topology};
use crate::render::own::OwnTemplates;

pub use load::{Overrides, check_file, check_web_file, load};
pub use problem::{ConfigErrors, Mark, Place, Problem};
pub use proxies::{Network, TrustedProxies};
pub use reload::restart_only_differences;
pub use web_file::{ClientCertificates, Tls, User, Watched, WebFile, load_web_file};

/// The commented default; the source of every default value.
pub const DEFAULT_YAML: &str = include_str!("../config/scribed.default.yml");

/// Everything that can be set, valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub web: Web,
    /// TLS, headers and users of the server. The one in force may be newer, see
    /// [`load_web_file`].
    pub web_file: WebFile,
    /// The store.
    pub storage: Storage,
    /// Logging.
    pub log: Log,
    /// The zone of drafts unless the incident or the request names one; an IANA name.
    pub timezone: String,
    /// A folder with people's own templates.
    pub templates_dir: Option<PathBuf>,
    /// What that folder held when the configuration was loaded.
    pub templates: Arc<OwnTemplates>,
    /// The service graph that `topology_file` held when the configuration was loaded.
    pub topology: Option<Topology>,
    /// Who may do what.
    pub auth: Auth,
    /// Configured senders, beside the built-in ones.
    pub sources: Vec<Source>,
    /// What is taken out of what senders say before it is kept.
    pub redaction: Vec<RedactionRule>,
    /// What the machine decides by.
    pub rules: Rules,
    /// Whether anyone who may write may state the original time of receipt.
    pub replay_allow: bool,
}

impl Config {
    /// What holds without any file, variable or flag.
    ///
    /// # Panics
    /// Never: a test loads the compiled-in default.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the text is compiled in, and a test loads it")]
    pub fn default_config() -> Self {
        load(&Overrides::default(), &[]).expect("the compiled-in default is valid")
    }
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Addresses to listen on, `host:port` or `:port`.
    pub listen_addresses: Vec<String>,
    /// How others reach us; makes links in drafts absolute.
    pub external_url: Option<String>,
    /// Longest body in bytes, also after decompression.
    pub max_body: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The file in the exporter-toolkit's form that [`Config::web_file`] was read from.
    pub config_file: Option<PathBuf>,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the headers of a request, and for a kept connection to stay idle.
    pub header: Span,
    /// For the body of a request.
    pub body: Span,
    /// For a write to be worked in before 202 is answered.
    pub settle: Span,
    /// For running requests when we stop.
    pub drain: Span,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The folder.
    pub path: PathBuf,
    /// How long incidents and the ledger are kept; for ever when absent.
    pub retention: Option<Span>,
    /// How long raw bodies are kept.
    pub raw_retention: Span,
    /// Bytes beyond which the oldest go; unlimited when absent.
    pub size_limit: Option<u64>,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Least severe level that is shown, or a filter as `tracing` reads it.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `ts=… level=… msg=…`.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// What somebody without credentials may do. `None`: everything on loopback addresses,
    /// unless tokens are configured; nothing elsewhere.
    pub anonymous: Option<Anonymous>,
    /// Bearer tokens.
    pub tokens: Vec<Token>,
    /// Who may name the user in a header.
    pub trusted_proxies: Option<TrustedProxies>,
}

/// What somebody without credentials may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anonymous {
    /// Nothing.
    None,
    /// Deliver.
    Ingest,
    /// Deliver and read.
    Read,
    /// Deliver, read, and do what people do.
    Write,
}

/// A bearer token, kept as its hash.
#[derive(Clone)]
pub struct Token {
    /// Who it is: the principal.
    pub name: Name,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// What it allows.
    pub scopes: Vec<Scope>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Deliver, to one source or to all.
    Ingest(Option<Name>),
    /// Read.
    Read,
    /// Do what people do.
    Write,
    /// State the original time of receipt.
    Replay,
    /// Raw bodies, reload.
    Admin,
}

/// A configured sender.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, as in `/api/v1/ingest/{source}`.
    pub name: Name,
    /// Its form.
    pub kind: SourceType,
    /// The scope of its fingerprints; the type's own when absent.
    pub namespace: Option<Name>,
    /// Its bearer token.
    pub token: Option<Secret>,
    /// Its user name and password.
    pub basic_auth: Option<(String, Secret)>,
    /// The key of its signatures (Grafana HMAC, GitHub).
    pub hmac_secret: Option<Secret>,
    /// Most deliveries a second.
    pub rate_limit: Option<f64>,
}

/// A secret; prints as `REDACTED`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for comparing in constant time and for signing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

#[cfg(test)]
mod tests;
