//! Which sign of trouble an alert shows: finer than its kind, and used for grouping only.
//!
//! Read from the words of the alert's name, then of its summary. A name that says nothing is
//! `Other`, which takes no part in any rule. Called when an episode comes into memory.

use std::sync::LazyLock;

use super::wordlists::Wordlists;

/// A sign of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signal {
    Node,
    Dns,
    Network,
    ControlPlane,
    CertificateExpired,
    CertificateSoon,
    TlsErrors,
    ReplicationBroken,
    ReplicaLag,
    Job,
    OutOfMemory,
    Crash,
    Probe,
    Slo,
    ConnectTimeout,
    DiskFilling,
    DiskFull,
    Target,
    NotReady,
    Autoscaler,
    Eviction,
    CacheHits,
    SlowQueries,
    Connections,
    Queue,
    Latency,
    Errors,
    Down,
    Traffic,
    Cpu,
    Memory,
    Config,
    Other,
}

/// All words of one list must stand in the text; the first rule that is met wins.
const RULES: &[(Signal, &[&str])] = &[
    (Signal::Node, &["node", "down"]),
    (Signal::Node, &["node", "not ready"]),
    (Signal::Node, &["node", "unreachable"]),
    (Signal::Node, &["host", "down"]),
    (Signal::Node, &["kubelet"]),
    (Signal::Dns, &["dns"]),
    (Signal::Network, &["packet"]),
    (Signal::Network, &["network"]),
    (Signal::Network, &["availability zone"]),
    (Signal::ControlPlane, &["apiserver"]),
    (Signal::ControlPlane, &["api server"]),
    (Signal::ControlPlane, &["kube api"]),
    (Signal::ControlPlane, &["etcd"]),
    (Signal::ControlPlane, &["control plane"]),
    (Signal::CertificateExpired, &["cert", "expired"]),
    (Signal::CertificateSoon, &["cert", "expir"]),
    (Signal::TlsErrors, &["tls"]),
    (Signal::TlsErrors, &["ssl"]),
    (Signal::TlsErrors, &["handshake"]),
    (Signal::ReplicationBroken, &["replica", "stopped"]),
    (Signal::ReplicationBroken, &["replica", "broken"]),
    (Signal::ReplicationBroken, &["replica", "not running"]),
    (Signal::ReplicationBroken, &["replication", "fail"]),
    (Signal::ReplicaLag, &["replica", "lag"]),
    (Signal::ReplicaLag, &["replication"]),
    (Signal::ReplicaLag, &["replica", "behind"]),
    (Signal::ReplicaLag, &["slave", "lag"]),
    (Signal::Job, &["job"]),
    (Signal::Job, &["cron"]),
    (Signal::Job, &["backup"]),
    (Signal::OutOfMemory, &["oom"]),
    (Signal::OutOfMemory, &["out of memory"]),
    (Signal::Crash, &["crash"]),
    (Signal::Crash, &["restart"]),
    (Signal::Probe, &["probe"]),
    (Signal::Probe, &["synthetic"]),
    (Signal::Probe, &["blackbox"]),
    (Signal::Slo, &["slo "]),
    (Signal::Slo, &["burn"]),
    (Signal::Slo, &["budget"]),
    (Signal::ConnectTimeout, &["connect", "timeout"]),
    (Signal::DiskFilling, &["will fill"]),
    (Signal::DiskFilling, &["filling"]),
    (Signal::DiskFull, &["disk", "full"]),
    (Signal::DiskFull, &["volume", "full"]),
    (Signal::DiskFull, &["filesystem", "full"]),
    (Signal::DiskFull, &["out of space"]),
    (Signal::DiskFull, &["disk", "space"]),
    (Signal::Target, &["target"]),
    (Signal::Target, &["instance down"]),
    (Signal::Target, &["scrape"]),
    (Signal::NotReady, &["not ready"]),
    (Signal::NotReady, &["replicas", "unavailable"]),
    (Signal::NotReady, &["replicas", "mismatch"]),
    (Signal::Autoscaler, &["hpa"]),
    (Signal::Autoscaler, &["autoscal"]),
    (Signal::Eviction, &["evict"]),
    (Signal::CacheHits, &["cache", "hit"]),
    (Signal::SlowQueries, &["slow", "quer"]),
    (Signal::SlowQueries, &["query time"]),
    (Signal::Connections, &["connection"]),
    (Signal::Queue, &["queue"]),
    (Signal::Queue, &["backlog"]),
    (Signal::Queue, &["consumer", "lag"]),
    (Signal::Latency, &["latency"]),
    (Signal::Latency, &["slow"]),
    (Signal::Latency, &["response time"]),
    (Signal::Latency, &["timeout"]),
    (Signal::Errors, &["error"]),
    (Signal::Errors, &["5xx"]),
    (Signal::Errors, &["503"]),
    (Signal::Errors, &["fail"]),
    (Signal::Errors, &["exception"]),
    (Signal::Down, &["down"]),
    (Signal::Down, &["not responding"]),
    (Signal::Down, &["unreachable"]),
    (Signal::Down, &["unavailable"]),
    (Signal::Down, &["absent"]),
    (Signal::Traffic, &["traffic"]),
    (Signal::Traffic, &["surge"]),
    (Signal::Traffic, &["request rate"]),
    (Signal::Cpu, &["cpu"]),
    (Signal::Cpu, &["throttl"]),
    (Signal::Memory, &["memory"]),
    (Signal::Memory, &["heap"]),
    (Signal::Config, &["config"]),
    (Signal::Config, &["version"]),
    (Signal::Config, &["drift"]),
];

static LISTS: LazyLock<Wordlists> =
    LazyLock::new(|| Wordlists::new(RULES.iter().map(|(_, words)| *words)));

impl Signal {
    /// Reads the name, and the summary when the name says nothing.
    pub(super) fn read(alertname: &str, summary: &str) -> Self {
        let name = spaced(alertname);
        Self::in_words(&name)
            .or_else(|| Self::in_words(&summary.to_lowercase()))
            .unwrap_or(Self::Other)
    }

    fn in_words(text: &str) -> Option<Self> {
        LISTS.first_in(text).and_then(|list| RULES.get(list)).map(|(signal, _)| *signal)
    }

    /// What users and callers of a broken service see: it climbs the calls.
    pub(super) const fn is_symptom(self) -> bool {
        matches!(
            self,
            Self::Latency
                | Self::Errors
                | Self::Slo
                | Self::Probe
                | Self::Queue
                | Self::ConnectTimeout
                | Self::TlsErrors
                | Self::ReplicaLag
                | Self::Job
        )
    }

    /// What breaks by itself: two of them at different places are rarely one story.
    pub(super) const fn is_cause(self) -> bool {
        matches!(
            self,
            Self::Down
                | Self::DiskFull
                | Self::CertificateExpired
                | Self::ReplicationBroken
                | Self::Node
                | Self::Dns
                | Self::Network
                | Self::OutOfMemory
                | Self::Crash
                | Self::Target
                | Self::Traffic
        )
    }

    /// What a service has with itself, whatever becomes of those that it calls.
    pub(super) const fn is_strain(self) -> bool {
        matches!(
            self,
            Self::Cpu
                | Self::Memory
                | Self::DiskFilling
                | Self::Autoscaler
                | Self::Eviction
                | Self::CacheHits
        )
    }

    /// What nothing else brings about, however much suffers: no network fills a disk.
    pub(super) const fn is_of_its_own(self) -> bool {
        matches!(self, Self::DiskFull | Self::CertificateExpired)
    }

    /// Copying between a replica and its primary.
    pub(super) const fn is_replication(self) -> bool {
        matches!(self, Self::ReplicationBroken | Self::ReplicaLag)
    }

    /// What everything in a cluster stands on.
    pub(super) const fn is_shared_ground(self) -> bool {
        matches!(self, Self::Dns | Self::Network | Self::ControlPlane)
    }

    /// What a service shows when the machine under it dies.
    pub(super) const fn is_loss_of_place(self) -> bool {
        matches!(self, Self::Target | Self::NotReady | Self::Down | Self::Crash | Self::OutOfMemory)
    }

    /// The same of a machine that is gone for good: what crashes again and again still runs.
    pub(super) const fn is_gone_with_its_machine(self) -> bool {
        matches!(self, Self::Target | Self::NotReady | Self::Down)
    }

    /// What fills up over an hour rather than breaks at once.
    pub(super) const fn builds_up(self) -> bool {
        matches!(self, Self::Memory | Self::OutOfMemory | Self::DiskFilling | Self::DiskFull)
    }

    /// What tells of filling up while it goes on; a kill for want of memory may come at once.
    pub(super) const fn is_filling_up(self) -> bool {
        matches!(self, Self::Memory | Self::DiskFilling | Self::DiskFull)
    }

    /// What trouble begins with: it explains what comes after it.
    pub(super) const fn begins_trouble(self) -> bool {
        matches!(
            self,
            Self::Node
                | Self::Dns
                | Self::Network
                | Self::ControlPlane
                | Self::DiskFull
                | Self::DiskFilling
                | Self::CertificateExpired
                | Self::ReplicationBroken
                | Self::Memory
                | Self::Traffic
                | Self::Target
                | Self::Down
                | Self::CacheHits
                | Self::SlowQueries
        )
    }

    /// What takes its time to show: a queue grows, a job has its hour, a budget burns down.
    pub(super) const fn shows_late(self) -> bool {
        matches!(self, Self::Queue | Self::Job | Self::Slo | Self::Autoscaler | Self::Eviction)
    }

    /// How likely it is itself the cause rather than a consequence, 0 to 3, below 0 for what only
    /// ever shows the trouble of others.
    pub(super) const fn strength_as_cause(self) -> f64 {
        match self {
            Self::Node
            | Self::Dns
            | Self::Network
            | Self::ControlPlane
            | Self::CertificateExpired
            | Self::DiskFull => 3.0,
            Self::Down | Self::OutOfMemory | Self::ReplicationBroken => 2.0,
            Self::Target | Self::Traffic => 1.5,
            Self::Crash | Self::Memory | Self::ReplicaLag => 1.0,
            Self::DiskFilling | Self::NotReady | Self::CacheHits => 0.5,
            Self::Cpu
            | Self::Autoscaler
            | Self::Eviction
            | Self::SlowQueries
            | Self::Connections => 0.25,
            Self::Errors
            | Self::Latency
            | Self::Queue
            | Self::Job
            | Self::TlsErrors
            | Self::CertificateSoon
            | Self::Config
            | Self::Other => 0.0,
            Self::ConnectTimeout => -0.5,
            Self::Slo | Self::Probe => -1.0,
        }
    }
}

/// `HighErrorRate` as `high error rate`, `DNSServfail` as `dns servfail`: lower case, with a space
/// before each word of a camel-case name.
pub(super) fn spaced(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut text = String::with_capacity(name.len() + 8);
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|i| characters[i]);
        let after = characters.get(index + 1);
        let begins_word = character.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        if begins_word {
            text.push(' ');
        }
        if matches!(character, '_' | '-' | '.' | '/') {
            text.push(' ');
        } else {
            text.extend(character.to_lowercase());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_from_the_words_of_the_name() {
        for (name, expect) in [
            ("DNSServfailRate", Signal::Dns),
            ("KubeNodeNotReady", Signal::Node),
            ("KubePodNotReady", Signal::NotReady),
            ("TLSCertExpiring14d", Signal::CertificateSoon),
            ("Certificate has expired", Signal::CertificateExpired),
            ("UpstreamTLSErrors", Signal::TlsErrors),
            ("PostgresReplicationLag", Signal::ReplicaLag),
            ("ReplicaSQLThreadNotRunning", Signal::ReplicationBroken),
            ("DBConnectionTimeouts", Signal::ConnectTimeout),
            ("SLOBurnRate14x", Signal::Slo),
            ("FilesystemAlmostOutOfSpace", Signal::DiskFull),
            ("Volume filling up", Signal::DiskFilling),
            ("Http503RateHigh", Signal::Errors),
            ("HighRequestLatency", Signal::Latency),
            ("FooBar", Signal::Other),
        ] {
            assert_eq!(Signal::read(name, ""), expect, "{name}");
        }
    }

    #[test]
    fn camel_case_is_split_into_words() {
        assert_eq!(spaced("HTTPErrorRate_high"), "http error rate high");
        assert_eq!(spaced("OOMKills"), "oom kills");
    }
}
