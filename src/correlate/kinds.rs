//! The kind of signal that an alert speaks of, from its name, its texts and its expression.
//!
//! Words only, in the order in which they tell most: a name that says nothing is followed by the
//! summary, the description and the expression. What no rule knows is `other`. Called when a
//! first word is read; the kind of an episode never changes.

use std::sync::LazyLock;

use super::signals::spaced;
use super::wordlists::Wordlists;
use crate::domain::{Kind, Word};

/// All words of one list must stand in the text; the first kind with such a list wins, so the
/// telling signals come first and the vague words last.
const RULES: &[(Kind, &[&[&str]])] = &[
    (
        Kind::CertificateExpiry,
        &[
            &["cert", "expir"],
            &["cert", "revoked"],
            &["certificate"],
            &["tls", "expir"],
            &["ssl", "expir"],
            &["x509"],
            &["cert will"],
        ],
    ),
    (
        Kind::Replication,
        &[
            &["replication lag"],
            &["replication"],
            &["replica", " lag"],
            &["replica", "behind"],
            &["replica member"],
            &["secondary", "behind"],
            &["slave"],
            &["synchronisation lag"],
            &["synchronization lag"],
            &["standby", " lag"],
        ],
    ),
    (
        Kind::DataIntegrity,
        &[
            &["corrupt"],
            &["inconsisten"],
            &["diverg"],
            &["data loss"],
            &["checksum"],
            &["duplicate timestamp"],
            &["out of sync data"],
            &["sync error"],
        ],
    ),
    (
        Kind::Config,
        &[
            &["config", "mismatch"],
            &["version mismatch"],
            &["config", "reload"],
            &["config", "drift"],
            &["config map"],
            &["configmap"],
            &["misconfig"],
            &["drift"],
            &["unapplied"],
            &["migrations"],
        ],
    ),
    (
        Kind::Latency,
        &[
            &["latency"],
            &["slow"],
            &["response time"],
            &["duration"],
            &["scrape time"],
            &["p99"],
            &["p95"],
            &["round trip"],
            &["high time"],
            &["time too high"],
            &["query time"],
            &["long running"],
        ],
    ),
    (
        Kind::Saturation,
        &[
            &["queue size"],
            &["queue", "long"],
            &["queue", "full"],
            &["queue length"],
            &["backlog"],
            &["cpu"],
            &["memory"],
            &["heap"],
            &["disk full"],
            &["disk low"],
            &["disk", "fill"],
            &["filling"],
            &["filesystem"],
            &["out of space"],
            &["space usage"],
            &["disk space"],
            &["saturation"],
            &["saturat"],
            &["throttl"],
            &["at capacity"],
            &["capacity"],
            &["max", "replicas"],
            &["maxed"],
            &["stall"],
            &["pressure"],
            &["too many connection"],
            &["connections"],
            &["threads"],
            &["cursors"],
            &["evict"],
            &[" load"],
            &["utilization"],
            &["utilisation"],
            &["inode"],
            &["oom"],
            &["overload"],
            &["pool", "exhaust"],
            &["pending"],
            &["consumer lag"],
            &["kafka lag"],
            &[" lag"],
            &["quota"],
            &["limit"],
            &["usage"],
            &["buffer"],
            &["low", "disk"],
            &["almost full"],
            &["volume full"],
            &["queue"],
            &["near limit"],
            &["cache hit"],
            &["hit ratio"],
            &["hit rate"],
            &["hpa"],
            &["overload"],
        ],
    ),
    (
        Kind::Errors,
        &[
            &["error"],
            &["panic"],
            &["reject"],
            &["5xx"],
            &["4xx"],
            &["503"],
            &["500"],
            &["dropped"],
            &["drops"],
            &["deadlock"],
            &["exception"],
            &["auth failure"],
            &["failures"],
            &["too large"],
            &["burn"],
            &["budget"],
            &["fault"],
            &["timeout"],
        ],
    ),
    (
        Kind::JobFailure,
        &[
            &["job", "fail"],
            &["cron"],
            &["backup"],
            &["batch"],
            &["job not completed"],
            &["last success"],
        ],
    ),
    (
        Kind::Availability,
        &[
            &["down"],
            &["absent"],
            &["missing"],
            &["unavailable"],
            &["unreachable"],
            &["not ready"],
            &["notready"],
            &["restart"],
            &["crash"],
            &["unhealthy"],
            &["not healthy"],
            &["offline"],
            &["no leader"],
            &["no master"],
            &[" master"],
            &[" leader"],
            &["not running"],
            &["disconnect"],
            &["not connected"],
            &["not satisfied"],
            &["mismatch"],
            &["outage"],
            &["dead"],
            &["lost"],
            &["health"],
            &["liveness"],
            &["availability"],
            &["stopped"],
            &["not distributed"],
            &["probe"],
            &["synthetic"],
            &["not responding"],
            &["scrape", "old"],
            &["too old"],
            &["target"],
        ],
    ),
    (Kind::Errors, &[&["fail"]]),
    (
        Kind::Traffic,
        &[
            &["traffic"],
            &["request rate"],
            &["requests per"],
            &["throughput"],
            &["surge"],
            &["anomal"],
        ],
    ),
    (Kind::Config, &[&["config"], &["version"]]),
];

/// The kinds of all lists, in their order, …
static KINDS: LazyLock<Vec<Kind>> =
    LazyLock::new(|| RULES.iter().flat_map(|(kind, lists)| lists.iter().map(|_| *kind)).collect());
/// … and the lists.
static LISTS: LazyLock<Wordlists> =
    LazyLock::new(|| Wordlists::new(RULES.iter().flat_map(|(_, lists)| lists.iter().copied())));

/// Names of alerts that speak of the alerting itself.
const OTHER: &[&str] = &["Watchdog", "DatasourceNoData", "DatasourceError"];

/// The kind of an alert.
pub(super) fn kind_of(word: &Word) -> Kind {
    let text = |name: &str| word.annotations.value(name).unwrap_or_default();
    let expression = word
        .links
        .iter()
        .find(|link| link.rel.as_str() == "generator")
        .and_then(|link| expression_of(&link.url))
        .unwrap_or_default();
    kind_in(
        word.labels.value("alertname").unwrap_or_default(),
        &[text("summary"), text("description"), text("message"), &expression],
    )
}

/// The kind that a name tells, else the first text that tells any.
fn kind_in(alertname: &str, texts: &[&str]) -> Kind {
    if OTHER.contains(&alertname) {
        return Kind::Other;
    }
    std::iter::once(spaced(alertname))
        .chain(texts.iter().map(|text| text.to_lowercase()))
        .find_map(|text| {
            // A word that begins with a space must not stand inside another word.
            LISTS.first_in(&format!(" {text}")).and_then(|list| KINDS.get(list).copied())
        })
        .unwrap_or(Kind::Other)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
            ("DatabaseConnectionTimeouts", Kind::Errors),
            ("DatabaseSyncErrors", Kind::DataIntegrity),
            ("PostgresDown", Kind::Availability),
            ("DatabaseMemoryHigh", Kind::Saturation),
            ("SslCertificateExpiringSoon", Kind::CertificateExpiry),
            ("FeatureFlagsX", Kind::Other),
            ("Watchdog", Kind::Other),
        ] {
            assert_eq!(kind_in(name, &[]), expect, "{name}");
        }
    }

    /// 130 rules of public repositories, labelled by hand; a second kind may be as right.
    #[test]
    fn kinds_of_public_rules_reach_the_goal() {
        let rules = include_str!("../../tests/fixtures/kinds/alert_kinds.jsonl");
        let (mut right, mut all) = (0.0, 0.0);
        let mut tally: BTreeMap<String, [f64; 3]> = BTreeMap::new();
        for line in rules.lines() {
            let rule: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| rule[name].as_str().unwrap_or_default();
            let found =
                kind_in(text("name"), &[text("summary"), text("description"), text("expr")]);
            let alternatives = rule["kind_alt"].as_array().unwrap();
            let is_right = found.as_str() == text("kind")
                || alternatives.iter().any(|kind| kind == found.as_str());
            all += 1.0;
            right += f64::from(u8::from(is_right));
            let expect = tally.entry(text("kind").to_owned()).or_default();
            expect[0] += f64::from(u8::from(is_right));
            expect[2] += f64::from(u8::from(!is_right));
            if !is_right {
                tally.entry(found.as_str().to_owned()).or_default()[1] += 1.0;
            }
        }
        let f1: Vec<f64> = tally
            .values()
            .map(|[hit, wrong, missed]| 2.0 * hit / (2.0 * hit + wrong + missed))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "eleven kinds")]
        let macro_f1 = f1.iter().sum::<f64>() / f1.len() as f64;
        println!("lenient {:.3}, macro-F1 {macro_f1:.3}", right / all);
        assert!(right / all >= 0.85, "lenient {:.3}", right / all);
        assert!(macro_f1 >= 0.75, "macro-F1 {macro_f1:.3}");
    }
}
