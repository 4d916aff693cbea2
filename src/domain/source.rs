//! What kinds of senders there are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The form in which a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceType {
    /// Alertmanager's webhook, version 4.
    Alertmanager,
    /// Grafana's webhook contact point (unified alerting).
    Grafana,
    /// Prometheus, vmalert and rulers, as if we were an Alertmanager (`/api/v2/alerts`).
    Prometheus,
    /// PagerDuty Events v2.
    Pagerduty,
    /// CloudEvents 1.0, as changes.
    Cloudevents,
    /// GitHub webhooks, as changes.
    Github,
    /// Argo CD notifications, as changes.
    Argocd,
    /// Uptime Kuma.
    UptimeKuma,
    /// Grafana's annotation API, as changes.
    Annotations,
    /// Our own plain form of alerts, for scripts.
    Generic,
}

impl SourceType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Alertmanager,
        Self::Grafana,
        Self::Prometheus,
        Self::Pagerduty,
        Self::Cloudevents,
        Self::Github,
        Self::Argocd,
        Self::UptimeKuma,
        Self::Annotations,
        Self::Generic,
    ];

    /// The word for it in configuration, and the name of the built-in source of this type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Prometheus => "prometheus",
            Self::Pagerduty => "pagerduty",
            Self::Cloudevents => "cloudevents",
            Self::Github => "github",
            Self::Argocd => "argocd",
            Self::UptimeKuma => "uptime-kuma",
            Self::Annotations => "annotations",
            Self::Generic => "generic",
        }
    }

    /// Reads the word of [`SourceType::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
