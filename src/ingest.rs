//! Ingest: the bytes of a sender become words about alerts and reports of changes.
//!
//! Pure: the same envelope and bytes always give the same result, and no bytes make it panic. One
//! file per kind of sender; `wire` reads JSON for all of them, `alert` the form that Alertmanager,
//! Grafana and Prometheus share. Bodies are recognised by shape, never by their version, and
//! unknown fields are ignored. It never asks a clock, never talks to anybody and knows no HTTP
//! status. Caller: `http`.
//!
//! What cannot be used is set aside with a reason that a person can act on: one alert of a body as
//! a [`Refused`], a whole body as an [`Unusable`]. A time never makes an alert unusable
//! ([`crate::domain::Claim`]).

mod alert;
mod alertmanager;
mod annotations;
mod argocd;
mod change;
mod cloudevents;
mod generic;
mod github;
mod grafana;
mod pagerduty;
mod prometheus;
pub mod redaction;
mod scan;
mod topology;
mod uptime_kuma;
mod wire;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod robustness;

use crate::domain::record::{Delivery, Path};
use crate::domain::{ChangeReport, Name, SourceType, Timestamp, Topology, Word};

/// Most alerts or events in one body. Alertmanager writes about 550 bytes an alert, so this is
/// three times what fits into the default limit of a body.
pub const ALERTS_MAX: usize = 100_000;
/// Most labels of one alert; more make it unusable.
pub const LABELS_MAX: usize = 128;
/// Longest label or annotation name in bytes; a longer label makes its alert unusable.
pub const LABEL_NAME_BYTES_MAX: usize = 1024;
/// Longest label value in bytes; a longer one makes its alert unusable. A longer annotation is cut.
pub const LABEL_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Most annotations of one alert; the ones after that are left out.
pub const ANNOTATIONS_MAX: usize = 128;
/// Longest key of a sender's own (fingerprint, deduplication key, key of a change) in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest address kept as a link; a cut address would lead astray, so a longer one is left out.
pub const URL_BYTES_MAX: usize = 16 * 1024;
/// Longest summary of a change in characters.
pub const SUMMARY_CHARS_MAX: usize = 1000;
/// Most edges, and most placements, of a service graph.
pub const EDGES_MAX: usize = 100_000;

/// The types that are served without configuration, at `/api/v1/ingest/{type}`.
pub const BUILT_IN: &[SourceType] = &[
    SourceType::Alertmanager,
    SourceType::Grafana,
    SourceType::Cloudevents,
    SourceType::Github,
    SourceType::Argocd,
    SourceType::UptimeKuma,
    SourceType::Generic,
];

/// What is known of a body before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The source that sent it.
    pub source: &'a Name,
    /// How the source speaks.
    pub kind: SourceType,
    /// The configured scope of its fingerprints, instead of the one of its type.
    pub namespace: Option<&'a Name>,
    /// When it was received, possibly as stated by a replay.
    pub received_at: Timestamp,
    /// Headers with lower-case names: `content-type`, `ce-*`, `x-github-event` and
    /// `x-github-delivery` are looked at.
    pub headers: &'a [(String, String)],
}

impl<'a> Envelope<'a> {
    /// The value of a header; the name in lower case.
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The configured namespace, or the one given.
    fn namespace_or(&self, default: &str) -> Name {
        self.namespace.cloned().unwrap_or_else(|| Name::from(default))
    }
}

/// What a body says.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What goes into the ledger. Without words and changes for what is in order and says nothing,
    /// such as GitHub's ping.
    pub delivery: Delivery,
    /// What could not be used, for quarantine.
    pub refused: Vec<Refused>,
    /// True when the whole body is a sender's test of its own settings.
    pub is_test: bool,
    /// Fields of the answer that this sender expects, such as PagerDuty's `dedup_key`.
    pub reply: Option<serde_json::Value>,
}

/// One alert or event of a body that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the body, from 0.
    pub index: usize,
    /// Why, for people.
    pub problem: String,
}

/// A body of which nothing can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unusable {
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub problem: String,
}

/// Why nothing of a body can be used: a closed set, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is not JSON; an empty body is not either.
    NotJson,
    /// It is JSON of another shape than this sender's.
    WrongShape,
    /// It holds no alert that can be used.
    NoAlert,
    /// It holds more than we take in one piece.
    TooMany,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NotJson, Self::WrongShape, Self::NoAlert, Self::TooMany];

    /// The word for it in metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::WrongShape => "wrong_shape",
            Self::NoAlert => "no_alert",
            Self::TooMany => "too_many",
        }
    }
}

impl Unusable {
    fn wrong_shape(problem: impl Into<String>) -> Self {
        Self { reason: Reason::WrongShape, problem: problem.into() }
    }
}

/// Reads a body as its sender means it.
///
/// # Errors
/// When nothing of it can be used.
pub fn read(envelope: &Envelope<'_>, body: &[u8]) -> Result<Parsed, Unusable> {
    let text = wire::text(body);
    match envelope.kind {
        SourceType::Alertmanager => alertmanager::read(envelope, &text),
        SourceType::Grafana => grafana::read(envelope, &text),
        SourceType::Prometheus => prometheus::read(envelope, &text),
        SourceType::Pagerduty => pagerduty::read(envelope, &wire::mended(&text)),
        SourceType::Cloudevents => cloudevents::read(envelope, &wire::mended(&text)),
        SourceType::Github => github::read(envelope, &wire::mended(&text)),
        SourceType::Argocd => argocd::read(envelope, &wire::mended(&text)),
        SourceType::UptimeKuma => uptime_kuma::read(envelope, &wire::mended(&text)),
        SourceType::Annotations => annotations::read(envelope, &wire::mended(&text)),
        SourceType::Generic => generic::read(envelope, &wire::mended(&text)),
    }
}

/// Reads a change in our own form: the body of `POST /api/v1/changes`.
///
/// # Errors
/// When it is not JSON, lacks a summary, or a field has the wrong type; the text names the field.
pub fn read_change(body: &[u8], received_at: Timestamp) -> Result<ChangeReport, Unusable> {
    change::read(&wire::mended(&wire::text(body)), received_at)
}

/// Reads a service graph: the body of `PUT /api/v1/topology`.
///
/// # Errors
/// When it is not JSON, or an edge or placement is incomplete; the text names it.
pub fn read_topology(body: &[u8]) -> Result<Topology, Unusable> {
    topology::read(&wire::mended(&wire::text(body)))
}

/// What a sender's file found in a body; becomes a [`Parsed`].
#[derive(Debug, Default)]
struct Found {
    sender: Option<Name>,
    group: Option<Name>,
    truncated: u64,
    words: Vec<Word>,
    changes: Vec<ChangeReport>,
    refused: Vec<Refused>,
    is_test: bool,
    reply: Option<serde_json::Value>,
}

impl Found {
    /// Exactly one change.
    fn change(change: ChangeReport) -> Self {
        Self { changes: vec![change], ..Self::default() }
    }

    /// The result, unless there was something and none of it can be used.
    fn finish(self, envelope: &Envelope<'_>, path: Path) -> Result<Parsed, Unusable> {
        if let (true, true, Some(first)) =
            (self.words.is_empty(), self.changes.is_empty(), self.refused.first())
        {
            let problem = if self.refused.len() == 1 {
                format!("the only entry of the body cannot be used: {}", first.problem)
            } else {
                let count = self.refused.len();
                format!("none of the {count} entries can be used; the first: {}", first.problem)
            };
            return Err(Unusable { reason: Reason::NoAlert, problem });
        }
        Ok(Parsed {
            delivery: Delivery {
                source: envelope.source.clone(),
                path,
                sender: self.sender,
                group: self.group,
                truncated: self.truncated,
                rejected: self.refused.len() as u64,
                words: self.words,
                changes: self.changes,
            },
            refused: self.refused,
            is_test: self.is_test,
            reply: self.reply,
        })
    }
}
