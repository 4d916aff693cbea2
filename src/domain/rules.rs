//! The effective grouping configuration: what the machine decides by.
//!
//! It is part of the ledger (written when it differs), so that a replay decides alike. Settings
//! that only concern rendering or the server are not here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alert::Severity;
use super::ids::Name;
use super::matcher::Matcher;
use super::time::Span;

/// Everything that steers episodes and grouping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// How alerts are read.
    pub alerts: AlertRules,
    /// How incidents form, end and return.
    pub incidents: IncidentRules,
    /// Always-firing alerts whose absence is the alarm.
    pub heartbeats: Vec<HeartbeatRule>,
}

/// How alerts are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRules {
    /// The label that holds the severity.
    pub severity_label: String,
    /// Words that stand for one of our severities beside their own names, such as `page`.
    pub severities: Vec<(String, Severity)>,
    /// Severities that would page somebody.
    pub paging: Vec<Severity>,
    /// Labels that may name the service, best first.
    pub service_labels: Vec<String>,
    /// Silence after which a firing ends with its end unknown.
    pub stale_after: Span,
    /// How long after an end an old firing on a webhook is taken for a late copy.
    pub stale_firing_window: Span,
    /// How many episodes of one alert within `flapping_window` make a flapper.
    pub flapping_episodes: u32,
    /// See `flapping_episodes`.
    pub flapping_window: Span,
    /// An alert that has fired for this long is chronic.
    pub chronic_after: Span,
    /// This many firings within `alone_window` that stayed alone make a flapper as well.
    pub alone_firings: u32,
    /// See `alone_firings`.
    pub alone_window: Span,
    /// How far apart two senders of one firing may state its start, on webhooks.
    pub peer_window: Span,
    /// Words after which the rhythm of a heartbeat counts as known.
    pub heartbeat_words: u32,
    /// How many of its longest intervals a heartbeat may stay silent, where nothing is configured.
    pub heartbeat_intervals: u32,
    /// The shortest silence that is learnt.
    pub heartbeat_least: Span,
}

/// How incidents form, end and return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentRules {
    /// Record time without a firing member after which an incident resolves.
    pub quiet_period: Span,
    /// Occurred time after recovery in which a member that fires again reopens it.
    pub reopen_window: Span,
    /// How long before the opening an alert may have fired to become lead-up.
    pub lead_up: Span,
    /// Longest distance from the last moment at which a member was firing to a new member.
    pub gap_limit: Span,
    /// Longest distance from the first member to a new one.
    pub duration_limit: Span,
    /// How many alerts with evidence for each other open an incident.
    pub open_alerts: u32,
    /// Severities of which one alert alone opens an incident.
    pub open_severities: Vec<Severity>,
    /// Log-odds that a membership needs.
    pub join_score: f64,
    /// A floating alert heard this shortly before needs no more to be adopted than a new one.
    pub settling_window: Span,
    /// The stretch of record time in which other alerts make it busy.
    pub busy_window: Span,
    /// How many of the strongest pairs count.
    pub witnesses: u32,
    /// How long before the onset a change is listed and weighed as a candidate.
    pub change_window: Span,
    /// How many of the newest alerts can be adopted, or make it busy.
    pub lead_up_candidates: u32,
    /// How many places, label pairs and names are remembered, of each sort.
    pub learnt_entries: u32,
    /// Points that take the place of our own, by the names in [`WEIGHTS`].
    pub weights: BTreeMap<String, f64>,
}

/// The names of all pieces of evidence whose points can be set, in the order of their table.
pub const WEIGHTS: [&str; 58] = [
    "bias",
    "quiet",
    "same_alert",
    "same_service",
    "climbs",
    "descends",
    "second_call",
    "siblings",
    "wrong_order",
    "not_a_symptom",
    "two_causes",
    "same_node",
    "placed",
    "placed_other",
    "other_node",
    "shared_ground",
    "same_alertname",
    "one_message",
    "same_namespace",
    "alike_names",
    "rare_label",
    "critical",
    "unknown_cluster",
    "gap",
    "apart",
    "apart_slow",
    "together",
    "one_maintained",
    "both_maintained",
    "age",
    "age_free_minutes",
    "company",
    "wide",
    "alone_before",
    "partly_over",
    "open",
    "adopt",
    "merge",
    "busy_free",
    "busy_at",
    "order_tolerance",
    "habit",
    "load",
    "other_alertname",
    "late_ground",
    "climb_tolerance",
    "return_gap",
    "return_recovered",
    "explained",
    "second_cause",
    "unreached",
    "cold_cache",
    "apart_filling",
    "strain_alone",
    "late_cause",
    "own_change",
    "unknown_tied",
    "late_origin",
];

/// One kind of heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatRule {
    /// Its name in metrics and status.
    pub name: Name,
    /// Which alerts it is about; all must match.
    pub matchers: Vec<Matcher>,
    /// How long it may stay silent; learnt from its own rhythm when absent.
    pub within: Option<Span>,
}

impl Rules {
    /// The severity that a label value stands for: unknown and missing ones count as warning.
    #[must_use]
    pub fn severity(&self, value: Option<&str>) -> Severity {
        let Some(value) = value else { return Severity::Warning };
        self.alerts
            .severities
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(value))
            .map(|(_, severity)| *severity)
            .or_else(|| Severity::from_word(value))
            .unwrap_or(Severity::Warning)
    }

    /// True when an alert of this severity would page somebody.
    #[must_use]
    pub fn would_page(&self, severity: Severity) -> bool {
        self.alerts.paging.contains(&severity)
    }
}

impl Default for Rules {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            alerts: AlertRules {
                severity_label: "severity".to_owned(),
                severities: vec![("page".to_owned(), Severity::Critical)],
                paging: vec![Severity::Critical, Severity::Error, Severity::High],
                service_labels: names(&[
                    "service",
                    "service_name",
                    "svc",
                    "app",
                    "app_name",
                    "application",
                    "app_kubernetes_io_name",
                    "deployment",
                    "statefulset",
                    "daemonset",
                    "workload",
                    "sloth_service",
                    "job",
                    "pod",
                    "instance",
                    "namespace",
                ]),
                stale_after: Span::from_hours(13),
                stale_firing_window: Span::from_minutes(10),
                flapping_episodes: 6,
                flapping_window: Span::from_hours(2),
                chronic_after: Span::from_hours(48),
                alone_firings: 2,
                alone_window: Span::from_hours(2),
                peer_window: Span::from_seconds(30),
                heartbeat_words: 3,
                heartbeat_intervals: 3,
                heartbeat_least: Span::from_minutes(5),
            },
            incidents: IncidentRules {
                quiet_period: Span::from_minutes(10),
                reopen_window: Span::from_hours(1),
                lead_up: Span::from_hours(1),
                gap_limit: Span::from_minutes(40),
                duration_limit: Span::from_hours(24),
                open_alerts: 2,
                open_severities: vec![Severity::Critical],
                join_score: 0.0,
                settling_window: Span::from_minutes(5),
                busy_window: Span::from_hours(2),
                witnesses: 12,
                change_window: Span::from_hours(2),
                lead_up_candidates: 1_024,
                learnt_entries: 20_000,
                weights: BTreeMap::new(),
            },
            heartbeats: vec![HeartbeatRule::watchdog()],
        }
    }
}

impl HeartbeatRule {
    /// The heartbeats of kube-prometheus, of common dead-man set-ups and of
    /// awesome-prometheus-alerts, by name because their severities differ.
    fn watchdog() -> Self {
        #[expect(clippy::expect_used, reason = "the text is a constant, and a test reads it")]
        let matcher = Matcher::parse(
            r#"alertname=~"Watchdog|DeadMansSwitch|PrometheusAlertmanagerE2eDeadManSwitch""#,
        )
        .expect("the default heartbeat is a matcher");
        Self { name: Name::from("watchdog"), matchers: vec![matcher], within: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::Labels;
    use super::*;

    #[test]
    fn the_usual_heartbeats_are_known_without_configuration() {
        let rules = Rules::default();
        let is_heartbeat = |name: &str| {
            let labels = Labels::from_pairs([("alertname", name)]);
            rules.heartbeats.iter().any(|rule| rule.matchers.iter().all(|m| m.matches(&labels)))
        };
        for (name, expect) in [
            ("Watchdog", true),
            ("DeadMansSwitch", true),
            ("PrometheusAlertmanagerE2eDeadManSwitch", true),
            ("WatchdogBarks", false),
            ("", false),
        ] {
            assert_eq!(is_heartbeat(name), expect, "{name}");
        }
    }
}
