//! What the labels of an alert tell: its service, severity, signal, and what it was like before.

use super::machine::Machine;
use crate::domain::{AlertKey, Kind, Labels, Name, Severity, Span, Standing, Word};

/// What one word's labels tell.
pub(super) struct Reading {
    pub(super) kind: Kind,
    pub(super) severity: Severity,
    pub(super) service: Option<Name>,
}

/// Jobs that only carry what others measured; they name no service.
const EXPORTERS: &[&str] = &[
    "kube-state-metrics",
    "node-exporter",
    "node_exporter",
    "node",
    "blackbox",
    "blackbox-exporter",
    "blackbox_exporter",
    "prometheus",
    "alertmanager",
    "pushgateway",
    "cadvisor",
    "kubelet",
    "scribed",
];

impl Machine {
    pub(super) fn read(&self, word: &Word) -> Reading {
        let rules = &self.memory.rules;
        let severity = rules.severity(word.labels.value(&rules.alerts.severity_label));
        Reading { kind: kind_of(word), severity, service: self.service_of(&word.labels) }
    }

    /// The service an alert speaks of. The first label that names one the graph knows wins; else
    /// the first that names any.
    fn service_of(&self, labels: &Labels) -> Option<Name> {
        let candidates: Vec<String> = self
            .memory
            .rules
            .alerts
            .service_labels
            .iter()
            .filter_map(|label| labels.value(label).and_then(|value| named_by(label, value)))
            .filter(|name| !self.memory.graph.knows_node(name))
            .collect();
        candidates
            .iter()
            .find(|name| self.memory.graph.knows(name))
            .or_else(|| candidates.first())
            .map(|name| Name::from(name.as_str()))
    }

    /// What the alert was like when this episode began, judged from what came before.
    pub(super) fn standing_of(&mut self, key: &AlertKey, word: &Word) -> Standing {
        if self.heartbeat_rule(&word.labels).is_some() {
            return Standing::Heartbeat;
        }
        let rules = self.memory.rules.alerts.clone();
        let now = self.now();
        let start = word.starts_at.at;
        let history = self.memory.histories.entry(key.clone()).or_default();
        history.touched_at = Some(now);
        history.starts.retain(|at| start - *at <= rules.flapping_window);
        let before = history.starts.len();
        history.starts.push_back(start);
        // A flapper within its own running incident goes on being a member of it.
        if self.has_running_incident(key) {
            return Standing::Ordinary;
        }
        if before >= rules.flapping_episodes as usize {
            Standing::Flapping
        } else if self.fired_for_long(key, rules.chronic_after) {
            Standing::Chronic
        } else {
            Standing::Ordinary
        }
    }

    /// True when an earlier firing of the alert lasted for so long that nobody acts on it. The
    /// claimed start of this one says nothing: an old body sent today is an import, not a habit.
    fn fired_for_long(&self, key: &AlertKey, chronic_after: Span) -> bool {
        self.memory
            .episodes_of_alert(key)
            .into_iter()
            .filter_map(|id| self.memory.episodes.get(&id))
            .filter(|episode| episode.incident().is_none())
            .any(|episode| {
                episode.ends_at().is_some_and(|end| end - episode.starts_at() >= chronic_after)
            })
    }

    fn has_running_incident(&self, key: &AlertKey) -> bool {
        self.memory
            .episodes_of_alert(key)
            .into_iter()
            .filter_map(|id| self.incident_of(id))
            .filter_map(|id| self.memory.incidents.get(&id))
            .any(|incident| incident.state.is_running())
    }
}

/// The service that one label names, if it names one.
fn named_by(label: &str, value: &str) -> Option<String> {
    let name = match label {
        "pod" => without_pod_suffix(value),
        "instance" => host_of(value)?,
        "job" => {
            let job = value.rsplit('/').next().unwrap_or(value);
            if EXPORTERS.contains(&job) {
                return None;
            }
            job.to_owned()
        }
        _ => value.to_owned(),
    };
    let name = without_variant(&name);
    (!name.is_empty()).then_some(name)
}

/// `web-7d9c5b6f4-x2x9z` and `db-0` without what the controller added.
fn without_pod_suffix(pod: &str) -> String {
    let parts: Vec<&str> = pod.split('-').collect();
    let is_hash = |part: &str| {
        part.len() >= 5
            && part.len() <= 10
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    let is_ordinal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let keep = match parts.as_slice() {
        [.., set, pod] if parts.len() > 2 && is_hash(set) && pod.len() == 5 => parts.len() - 2,
        [.., last] if parts.len() > 1 && (is_hash(last) || is_ordinal(last)) => parts.len() - 1,
        _ => parts.len(),
    };
    parts[..keep].join("-")
}

/// The host of an address without its port, unless it is a bare IP address, which names nothing.
fn host_of(instance: &str) -> Option<String> {
    let rest = instance.split_once("://").map_or(instance, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    if authority.starts_with('[') {
        return None;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_ip = host.bytes().all(|b| b.is_ascii_digit() || b == b'.') || host.contains(':');
    (!is_ip && !host.is_empty() && host != "localhost").then(|| without_pod_suffix(host))
}

/// Variants of one service count as that service: `-v2`, `-canary`, `-blue`, `-primary`, ….
fn without_variant(name: &str) -> String {
    const VARIANTS: &[&str] = &["canary", "blue", "green", "primary", "stable"];
    match name.rsplit_once('-') {
        Some((base, last)) if !base.is_empty() => {
            let is_version = last.len() >= 2
                && last.starts_with('v')
                && last[1..].bytes().all(|b| b.is_ascii_digit());
            if VARIANTS.contains(&last) || is_version { base.to_owned() } else { name.to_owned() }
        }
        _ => name.to_owned(),
    }
}

/// Words in an alert's name, expression or text, and the signal they speak of. The first rule
/// that finds one of its words wins, so the more telling signals come first.
const KIND_WORDS: &[(Kind, &[&str])] = &[
    (Kind::CertificateExpiry, &["cert", "certificate", "tls expir", "x509"]),
    (
        Kind::Replication,
        &[
            "replication",
            "replica lag",
            "replica is behind",
            "replica behind",
            "replicationlag",
            "replicalag",
            "slave lag",
            "secondary is behind",
            "wal lag",
        ],
    ),
    (
        Kind::DataIntegrity,
        &["corrupt", "inconsisten", "diverg", "data loss", "checksum", "sync error", "syncerror"],
    ),
    (
        Kind::JobFailure,
        &[
            "job fail",
            "jobfail",
            "cronjob",
            "cron job",
            "backup",
            "batch",
            "jobnotcompleted",
            "job did not",
        ],
    ),
    (
        Kind::Latency,
        &[
            "latency",
            "slow",
            "response time",
            "duration",
            "p99",
            "p95",
            "quantile",
            "timeout",
            "time-out",
        ],
    ),
    (
        Kind::Errors,
        &[
            "error",
            "5xx",
            "503",
            "500",
            "502",
            "504",
            "failure",
            "failed",
            "fail",
            "exception",
            "burn",
            "budget",
            "unavailable responses",
        ],
    ),
    (
        Kind::Availability,
        &[
            "down",
            "absent",
            "unavailable",
            "unreachable",
            "not ready",
            "notready",
            "crash",
            "restart",
            "oom",
            "missing",
            "offline",
            "healthy",
            "stopped",
            "up ==",
        ],
    ),
    (
        Kind::Saturation,
        &[
            "cpu",
            "memory",
            "disk",
            "full",
            "filesystem",
            "space",
            "saturat",
            "quota",
            "throttl",
            "queue",
            "backlog",
            "connections",
            "load",
            "pool",
            "overload",
            "inode",
            "capacity",
            "usage",
            "lag",
        ],
    ),
    (Kind::Config, &["config", "reload", "drift", "mismatch", "misconfig"]),
    (
        Kind::Traffic,
        &[
            "traffic",
            "request rate",
            "requests per",
            "throughput",
            "rps",
            "qps",
            "surge",
            "drop in",
        ],
    ),
];

/// The signal that an alert speaks of: from its name first, then its expression, then its texts.
fn kind_of(word: &Word) -> Kind {
    let name = word.labels.value("alertname").unwrap_or_default();
    if matches!(name, "DatasourceNoData" | "DatasourceError") {
        return Kind::Other;
    }
    let spaced = split_camel_case(name);
    let expression = word
        .links
        .iter()
        .find(|link| link.rel.as_str() == "generator")
        .and_then(|link| expression_of(&link.url))
        .unwrap_or_default();
    let summary = word.annotations.value("summary").unwrap_or_default();
    [name, spaced.as_str(), summary, expression.as_str()]
        .into_iter()
        .find_map(kind_in)
        .unwrap_or(Kind::Other)
}

fn kind_in(text: &str) -> Option<Kind> {
    let lower = text.to_lowercase();
    KIND_WORDS
        .iter()
        .find(|(_, words)| words.iter().any(|word| lower.contains(word)))
        .map(|(kind, _)| *kind)
}

/// `HighErrorRate` as `high error rate`.
fn split_camel_case(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        if character.is_uppercase() && !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.extend(character.to_lowercase());
    }
    spaced
}

/// The PromQL in a generator URL of Prometheus: the form-decoded `g0.expr`.
fn expression_of(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("g0.expr="))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let text = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(text, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The cluster that an alert names, and its environment.
pub(super) fn cluster_of(labels: &Labels) -> Option<&str> {
    labels.value("cluster").or_else(|| labels.value("k8s_cluster"))
}

/// The environment that an alert names.
pub(super) fn environment_of(labels: &Labels) -> Option<&str> {
    ["env", "environment", "stage"].into_iter().find_map(|name| labels.value(name))
}

/// The machine that an alert names.
pub(super) fn node_of(labels: &Labels) -> Option<&str> {
    ["node", "nodename", "host", "instance"].into_iter().find_map(|name| labels.value(name))
}

/// A length in words for reasons: `45s`, `12m`, `3h 5m`.
pub(super) fn in_words(span: Span) -> String {
    let seconds = span.abs().seconds();
    if seconds < 60 {
        return format!("{seconds}s");
    }
    let minutes = seconds / 60;
    let parts = [(minutes / 1440, "d"), (minutes / 60 % 24, "h"), (minutes % 60, "m")];
    let told = parts.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_from_whatever_label_there_is() {
        for (label, value, expect) in [
            ("service", "shop-web", Some("shop-web")),
            ("service", "shop-web-v2", Some("shop-web")),
            ("app", "cart-canary", Some("cart")),
            ("pod", "cart-7d9c5b6f4-x2x9z", Some("cart")),
            ("pod", "orders-db-0", Some("orders-db")),
            ("instance", "db-1:9187", Some("db")),
            ("instance", "10.0.0.3:9100", None),
            ("instance", "[::1]:9100", None),
            ("job", "monitoring/kube-state-metrics", None),
            ("job", "orders", Some("orders")),
        ] {
            assert_eq!(named_by(label, value).as_deref(), expect, "{label}={value}");
        }
    }

    #[test]
    fn expressions_are_read_from_generator_urls() {
        let url = "http://p:9090/graph?g0.expr=vector%2842%29+%3E+1&g0.tab=1";
        assert_eq!(expression_of(url).as_deref(), Some("vector(42) > 1"));
        assert_eq!(expression_of("http://p:9090/graph?g0.expr=%2"), None);
    }

    #[test]
    fn kinds_follow_the_words_of_the_name_first() {
        for (name, expect) in [
            ("Http503RateHigh", Kind::Errors),
            ("ReplicationLagHigh", Kind::Replication),
            ("DatabaseConnectionTimeouts", Kind::Latency),
            ("PostgresDown", Kind::Availability),
            ("DatabaseMemoryHigh", Kind::Saturation),
            ("SslCertificateExpiringSoon", Kind::CertificateExpiry),
        ] {
            assert_eq!(
                kind_in(name).or_else(|| kind_in(&split_camel_case(name))),
                Some(expect),
                "{name}"
            );
        }
    }
}
