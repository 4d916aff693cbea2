//! Alerts: what a sender says (words), and what we make of it (episodes).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EpisodeId, Fingerprint, IncidentId, Name};
use super::labels::Labels;
use super::time::{Claim, Timestamp};

/// The identity of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// The scope in which the fingerprint is unique: `prometheus`, `grafana/1`, ….
    #[serde(rename = "n")]
    pub namespace: Name,
    /// The fingerprint, computed or as sent.
    #[serde(rename = "f")]
    pub fingerprint: Fingerprint,
    /// Set when a fingerprint was met with other labels than the first time, which makes it
    /// another alert: the hash of those labels.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<u64>,
}

impl AlertKey {
    /// The identity of an alert under the fingerprint it was first met with.
    #[must_use]
    pub const fn new(namespace: Name, fingerprint: Fingerprint) -> Self {
        Self { namespace, fingerprint, variant: None }
    }
}

/// How bad the sender says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to act on (`Watchdog`, `InfoInhibitor`).
    None,
    /// Good to know.
    Info,
    /// Also what a missing or unknown severity counts as.
    Warning,
    /// As bad as `Error`, in the word of other rule sets.
    High,
    /// Would page.
    Error,
    /// Would page.
    Critical,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Info, Self::Warning, Self::High, Self::Error, Self::Critical];

    /// The ranking: critical > error = high > warning > info > none.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Info => 1,
            Self::Warning => 2,
            Self::High | Self::Error => 3,
            Self::Critical => 4,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::High => "high",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads one of the words of [`Severity::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(word))
    }

    /// The worse of two; the first one among equals.
    #[must_use]
    pub const fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The signal that an alert speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Slow answers.
    Latency,
    /// Failing requests, 5xx.
    Errors,
    /// Too much or too little of it.
    Traffic,
    /// CPU, memory, disk, connections, queues near their limit.
    Saturation,
    /// Something is down, restarting or unreachable.
    Availability,
    /// Lag or failure between copies of data.
    Replication,
    /// Data lost, diverged or corrupt.
    DataIntegrity,
    /// Settings wrong or not applied.
    Config,
    /// A certificate that ends.
    CertificateExpiry,
    /// A batch, backup or scheduled job.
    JobFailure,
    /// None of these.
    Other,
}

impl Kind {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Errors => "errors",
            Self::Traffic => "traffic",
            Self::Saturation => "saturation",
            Self::Availability => "availability",
            Self::Replication => "replication",
            Self::DataIntegrity => "data_integrity",
            Self::Config => "config",
            Self::CertificateExpiry => "certificate_expiry",
            Self::JobFailure => "job_failure",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A way back to the evidence. Only `http` and `https` addresses are ever shown as links.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// What it leads to: `generator`, `dashboard`, `panel`, `silence`, `runbook`, `image`.
    pub rel: Name,
    /// The address as sent. Shared: it stands on an episode and its entries.
    pub url: Arc<str>,
}

/// One thing that one delivery says about one alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Which alert it speaks of.
    pub key: AlertKey,
    /// True when the key was made from the labels, so that the same fingerprint with other labels
    /// is another alert; false when the sender has keys of its own.
    pub key_from_labels: bool,
    /// The identifying pairs. Empty on a later word of a sender with keys of its own.
    pub labels: Labels,
    /// The descriptive pairs.
    pub annotations: Labels,
    /// Firing or over.
    pub state: WordState,
    /// When the firing began, as claimed.
    pub starts_at: Claim,
    /// Ways back to the evidence.
    pub links: Vec<Link>,
    /// Measured values by name, where the sender gives them (Grafana's refIDs).
    pub values: Vec<(Box<str>, f64)>,
    /// A sender's test of its own settings: kept, and of no consequence.
    pub is_test: bool,
}

/// What a word says of the firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WordState {
    /// It fires.
    Firing {
        /// On the API path: the moment at which it ends unless the sender says more.
        lease: Option<Timestamp>,
    },
    /// It is over.
    Resolved {
        /// When it ended, as claimed.
        ends_at: Claim,
        /// What the sender calls the end.
        ending: Ending,
    },
}

/// What a sender calls an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The condition is no longer true.
    Recovered,
    /// The rule stopped for another reason, given in the sender's word (`MissingSeries`, `Paused`,
    /// `Updated`, `RuleDeleted`). Not a recovery.
    Abandoned(Box<str>),
}

/// One continuous firing of one alert, as scribed knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Its id.
    pub id: EpisodeId,
    /// The alert that fires.
    pub key: AlertKey,
    /// Who spoke of it, in order of first word.
    pub sources: Vec<Name>,
    /// The alert's labels.
    pub labels: Labels,
    /// The annotations of the word that told of it at its worst; of several alike, of the last.
    pub annotations: Labels,
    /// Ways back to the evidence, from the last word that brought any.
    pub links: Vec<Link>,
    /// The values of the same word, by name.
    pub values: Vec<(Box<str>, f64)>,
    /// Every start that was claimed for it, the earliest first. Never empty.
    pub starts: Vec<EpisodeStart>,
    /// The earliest start's text as sent, when it could not be true.
    pub start_refused: Option<Box<str>>,
    /// How it ended; `None` while it fires.
    pub end: Option<EpisodeEnd>,
    /// Until when the API path holds it open, if that path spoke of it.
    pub lease: Option<Timestamp>,
    /// True when a webhook said that it fires and no webhook said that it is over.
    pub held_by_webhook: bool,
    /// The signal it speaks of.
    pub kind: Kind,
    /// How bad the sender says it is.
    pub severity: Severity,
    /// The service it speaks of, normalised; `None` when no label tells.
    pub service: Option<Name>,
    /// When the first word of it came in.
    pub received_at: Timestamp,
    /// Record time of the last word.
    pub last_word_at: Timestamp,
    /// How many deliveries spoke of it.
    pub deliveries: u64,
    /// How often the same firing was said to have ended and gone on.
    pub resumed: u32,
    /// What this alert was like when the episode began.
    pub standing: Standing,
    /// True for a sender's test.
    pub is_test: bool,
    /// Where it belongs.
    pub membership: Membership,
    /// Incidents that list it as context, without being a member.
    pub context_of: Vec<IncidentId>,
    /// One sentence with the numbers: why it is where it is. Never empty.
    pub reason: Box<str>,
}

/// A start that was claimed for an episode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeStart {
    /// The moment.
    pub at: Timestamp,
    /// The address of the sender that claimed it (`externalURL`), on webhooks.
    pub sender: Option<Name>,
    /// True when the API path claimed it.
    pub by_api: bool,
}

/// How an episode ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeEnd {
    /// When, in occurred time. For an unknown end: the last moment at which it was known to fire.
    pub at: Timestamp,
    /// When we heard or decided it, in record time.
    pub heard_at: Timestamp,
    /// The claimed end as sent, when it could not be true.
    pub refused: Option<Box<str>>,
    /// How we know.
    pub how: EndKind,
}

/// How we know that an episode ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// The sender said so.
    Reported,
    /// The sender said that the rule stopped for a reason that is not a recovery.
    Abandoned(Box<str>),
    /// A later firing of the same alert began, so this one was over by then. Inferred.
    Superseded,
    /// The lease of the API path ran out. Inferred.
    LeaseExpired,
    /// Nothing was heard for so long that nobody can say.
    Unknown,
}

/// Firing, over, or nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeStatus {
    /// It fires.
    Firing,
    /// It is over, reported or inferred.
    Resolved,
    /// No end was heard.
    Unknown,
}

impl EpisodeStatus {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Unknown => "unknown",
        }
    }
}

/// What an alert was like, judged from what came before the episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing special.
    #[default]
    Ordinary,
    /// Its episodes follow each other quickly.
    Flapping,
    /// It has fired for days, or many times a week.
    Chronic,
    /// An always-firing alert whose absence is the alarm.
    Heartbeat,
}

/// Where an episode belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// To no incident (yet).
    Floating,
    /// To one incident.
    Member {
        /// Which.
        incident: IncidentId,
        /// True when it fired before the incident opened and was adopted.
        lead_up: bool,
        /// True when a person put it there; the machine never moves it.
        by_person: bool,
    },
}

impl Episode {
    /// The earliest start: when it began, in occurred time.
    #[must_use]
    pub fn starts_at(&self) -> Timestamp {
        self.starts.first().map_or(self.received_at, |s| s.at)
    }

    /// The end in occurred time, if it has one.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.end.as_ref().map(|end| end.at)
    }

    /// Firing, over, or nobody knows.
    #[must_use]
    pub fn status(&self) -> EpisodeStatus {
        match self.end.as_ref().map(|end| &end.how) {
            None => EpisodeStatus::Firing,
            Some(EndKind::Unknown) => EpisodeStatus::Unknown,
            Some(
                EndKind::Reported
                | EndKind::Abandoned(_)
                | EndKind::Superseded
                | EndKind::LeaseExpired,
            ) => EpisodeStatus::Resolved,
        }
    }

    /// True while no end is known.
    #[must_use]
    pub const fn is_firing(&self) -> bool {
        self.end.is_none()
    }

    /// The incident it is a member of.
    #[must_use]
    pub const fn incident(&self) -> Option<IncidentId> {
        match self.membership {
            Membership::Floating => None,
            Membership::Member { incident, .. } => Some(incident),
        }
    }

    /// The alert's name, or its service or fingerprint where a sender gives none.
    #[must_use]
    pub fn alertname(&self) -> &str {
        self.labels
            .value("alertname")
            .or_else(|| self.service.as_ref().map(Name::as_str))
            .unwrap_or_else(|| self.key.fingerprint.as_str())
    }
}
