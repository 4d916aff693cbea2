//! What the labels of an alert tell: its service, severity, signal, and what it was like before.

use super::crowd::FLAPPER_MIN;
use super::kinds::kind_of;
use super::machine::Machine;
use super::marks::alert_mark;
use super::recall::HISTORY_MEMORY;
use crate::domain::incident::Opening;
use crate::domain::{
    AlertKey, EpisodeId, IncidentId, Kind, Labels, Name, Severity, Span, Standing, Timestamp, Word,
    WordState,
};

/// What one word's labels tell.
pub(super) struct Reading {
    pub(super) kind: Kind,
    pub(super) severity: Severity,
    pub(super) service: Option<Name>,
}

/// A member of which we heard within this time keeps a flapper of its incident company.
const COMPANY_MEMORY: Span = Span::from_hours(1);

/// With fewer different alerts than this, the one that opened an incident is all of its story.
const STORY_MIN: usize = 3;
/// What is told this soon after it happened is told live.
const LIVE_LAG: Span = Span::from_minutes(30);
/// How long a source counts as live after such a word.
const LIVE_MEMORY: Span = Span::from_hours(24);

/// Jobs that only carry what others measured; they name no service.
const EXPORTERS: &[&str] = &[
    "kube-state-metrics",
    "node",
    "blackbox",
    "prometheus",
    "alertmanager",
    "pushgateway",
    "cadvisor",
    "kubelet",
    "snmp",
    "ipmi",
    "icmp",
    "telegraf",
    "federate",
    "scribed",
];
/// What the name of such a job may end with: charts put the name of their release in front.
const EXPORTER_ENDS: &[&str] =
    &["-kube-state-metrics", "-kubelet", "-cadvisor", "-pushgateway", "exporter"];
/// Labels with which a scrape names whom it asked.
const SCRAPE_LABELS: &[&str] = &["service", "job", "app", "app_kubernetes_io_name"];
/// Prometheus puts this in front of a scraped label that is called like one of its own.
const EXPORTED: &str = "exported_";

impl Machine {
    pub(super) fn read(&self, word: &Word) -> Reading {
        let rules = &self.memory.rules;
        let severity = rules.severity(word.labels.value(&rules.alerts.severity_label));
        Reading { kind: kind_of(word), severity, service: self.service_of(&word.labels) }
    }

    /// The service an alert speaks of. The first label that names one the graph knows wins; else
    /// the first that names any. What was measured names its own labels before the scrape does.
    fn service_of(&self, labels: &Labels) -> Option<Name> {
        let has_exported = labels.iter().any(|(name, _)| name.starts_with(EXPORTED));
        let measured = |label: &str| {
            has_exported.then(|| labels.value(&format!("{EXPORTED}{label}"))).flatten()
        };
        let mut first = None;
        for label in &self.memory.rules.alerts.service_labels {
            // The namespace of an alert about a machine is that of whoever watches it.
            if label == "namespace" && names_a_node(labels) {
                continue;
            }
            let value = measured(label).or_else(|| labels.value(label));
            let Some(name) = value.and_then(|value| named_by(label, value)) else { continue };
            if self.memory.graph.knows_node(&name) {
                continue;
            }
            if let Some(known) = self.known_as(&name) {
                return Some(known);
            }
            first.get_or_insert(name);
        }
        first.map(|name| Name::from(name.as_str()))
    }

    /// The name under which the graph knows a service. Pods and hosts cannot carry the underscore
    /// that a service may have, so either dash will do.
    fn known_as(&self, name: &str) -> Option<Name> {
        let knows = |name: &str| self.memory.graph.knows(name).then(|| Name::from(name));
        let with = |from: char, to: &str| {
            name.contains(from).then(|| name.replace(from, to)).and_then(|name| knows(&name))
        };
        knows(name).or_else(|| with('-', "_")).or_else(|| with('_', "-"))
    }

    /// What the alert was like when this episode began, judged from what came before.
    pub(super) fn standing_of(
        &mut self,
        key: &AlertKey,
        word: &Word,
        source: &Name,
        received_at: Timestamp,
    ) -> Standing {
        if self.heartbeat_rule(&word.labels).is_some() {
            return Standing::Heartbeat;
        }
        let flapping_window = self.memory.rules.alerts.flapping_window;
        let now = self.now();
        let start = word.starts_at.at;
        let history = self.memory.histories.touch(key);
        let is_new = history.touched_at.is_none_or(|at| now - at > HISTORY_MEMORY);
        history.touched_at = Some(now);
        history.starts.retain(|at| start - at <= flapping_window);
        let before = history.starts.len();
        let long_firing_at = history.long_firing_at;
        history.starts.push_back(start);
        if is_new {
            let service = self.service_of(&word.labels);
            self.memory.learned.count_series(&word.labels, service.as_ref(), now);
        }
        let rules = &self.memory.rules;
        let alone = self.times_alone(key, self.memory.newest_episode());
        // Within its own running incident it goes on being a member, as long as others fire too; a
        // flapper that is the last to return prolongs nothing. Who comes and goes in it quickly has
        // become a flapper there, and is context from then on, lest a fault that is over go on for
        // ever. What opened the incident, and is all of it, is its story however often it returns.
        let own = self.running_incident(key);
        let flaps = before >= rules.alerts.flapping_episodes as usize
            || before >= FLAPPER_MIN as usize && own.is_some_and(|id| self.flaps_in(id, key));
        let stays = |id| {
            let is_all = self.memory.crowd(id).is_some_and(|crowd| crowd.series() < STORY_MIN);
            let has_company = self.fires_without(id, key);
            self.opened(id, key) && (is_all || has_company) || !flaps && has_company
        };
        if own.is_some_and(stays) {
            return Standing::Ordinary;
        }
        let fired_for_long = long_firing_at.is_some_and(|at| now - at <= HISTORY_MEMORY);
        if flaps || alone >= rules.alerts.alone_firings {
            Standing::Flapping
        } else if fired_for_long
            || (received_at - start >= rules.alerts.chronic_after && self.is_live(source))
        {
            Standing::Chronic
        } else {
            Standing::Ordinary
        }
    }

    /// True when the source has lately told of things that had just happened. Then an alert that
    /// began days ago has really fired for days; else it may be an old body that is imported.
    fn is_live(&self, source: &Name) -> bool {
        let now = self.now();
        self.memory.live_at.get(source).is_some_and(|at| now - *at <= LIVE_MEMORY)
    }

    /// Remembers that a source tells of what has just happened.
    pub(super) fn note_liveness(&mut self, word: &Word, source: &Name, received_at: Timestamp) {
        let claimed = match &word.state {
            WordState::Firing { .. } => word.starts_at.at,
            WordState::Resolved { ends_at, .. } => ends_at.at,
        };
        if received_at - claimed <= LIVE_LAG {
            let now = self.now();
            self.memory.live_at.insert(source.clone(), now);
        }
    }

    /// Remembers that an alert in no incident has been firing for so long that nobody acts on it.
    pub(super) fn note_long_firing(&mut self, id: EpisodeId) {
        let now = self.now();
        let Some(episode) = self.memory.episodes.get(&id) else { return };
        let length = episode.ends_at().unwrap_or(now) - episode.starts_at();
        let is_long = length >= self.memory.rules.alerts.chronic_after;
        if is_long && episode.incident().is_none() && self.is_live_somewhere(id) {
            let history = self.memory.histories.touch(&episode.key);
            history.long_firing_at = Some(now);
            history.touched_at = Some(now);
        }
    }

    fn is_live_somewhere(&self, id: EpisodeId) -> bool {
        let Some(episode) = self.memory.episodes.get(&id) else { return false };
        episode.sources.iter().any(|source| self.is_live(source))
    }

    /// The newest running incident that an alert is a member of.
    fn running_incident(&self, key: &AlertKey) -> Option<IncidentId> {
        self.memory
            .firings_of(key)
            .iter()
            .filter_map(|id| self.incident_of(*id))
            .filter(|id| self.memory.incidents.get(id).is_some_and(|i| i.state.is_running()))
            .max()
    }

    /// True for the alert that opened the incident.
    fn opened(&self, id: IncidentId, key: &AlertKey) -> bool {
        let opener = self.memory.incidents.get(&id).and_then(|incident| match incident.opening {
            Opening::Alert { episode, .. } => self.memory.episodes.get(&episode),
            Opening::Heartbeat { .. } | Opening::Split { .. } => None,
        });
        opener.is_some_and(|episode| episode.key == *key)
    }

    /// True when the alert has fired in the incident again and again.
    fn flaps_in(&self, id: IncidentId, key: &AlertKey) -> bool {
        self.memory.crowd(id).is_some_and(|crowd| crowd.has_flapper(alert_mark(key)))
    }

    /// True when another alert of the incident fires, of which we heard lately.
    fn fires_without(&self, id: IncidentId, key: &AlertKey) -> bool {
        let now = self.now();
        let Some(crowd) = self.memory.crowd(id) else { return false };
        crowd.witnesses().filter_map(|member| self.memory.episodes.get(&member)).any(|member| {
            member.key != *key && member.is_firing() && now - member.last_word_at <= COMPANY_MEMORY
        })
    }
}

/// True when a label of its own names a machine.
fn names_a_node(labels: &Labels) -> bool {
    ["node", "nodename", "host"].into_iter().any(|name| labels.value(name).is_some())
}

/// The service that one label names, if it names one.
fn named_by(label: &str, value: &str) -> Option<String> {
    let name = match label {
        "pod" => without_pod_suffix(value),
        "instance" => host_of(value)?,
        "job" => value.rsplit('/').next().unwrap_or(value).to_owned(),
        _ => value.to_owned(),
    };
    if SCRAPE_LABELS.contains(&label) && is_exporter(&name) {
        return None;
    }
    let name = without_variant(&name);
    (!name.is_empty()).then_some(name)
}

/// True for the name of what only carries others' numbers: `prom-stack-kube-state-metrics`,
/// `redis_exporter`, `blackbox-http`.
fn is_exporter(name: &str) -> bool {
    EXPORTERS.contains(&name)
        || EXPORTER_ENDS.iter().any(|end| name.ends_with(end))
        || name.strip_prefix("blackbox").is_some_and(|rest| rest.starts_with(['-', '_']))
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
            ("job", "redis_exporter", None),
            ("job", "blackbox-http", None),
            ("service", "prom-stack-kube-state-metrics", None),
            ("service", "prom-stack-kubelet", None),
            ("deployment", "prom-stack-kube-state-metrics", Some("prom-stack-kube-state-metrics")),
            ("service", "exports", Some("exports")),
            ("service", "node", None),
        ] {
            assert_eq!(named_by(label, value).as_deref(), expect, "{label}={value}");
        }
    }
}
