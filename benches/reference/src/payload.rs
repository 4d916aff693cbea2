//! Bodies as Alertmanager sends them, with marks where the load generator writes a fingerprint.
//!
//! A mark is sixteen bytes wide and stands wherever an alert differs from all others, so that a
//! body keeps its length and no time goes into formatting.

/// Sixteen bytes that are written over with hexadecimal digits before each sending.
pub(crate) const MARK: &str = "FPFPFPFPFPFPFPFP";

const NAMES: [&str; 8] = [
    "HighErrorRate",
    "KubePodCrashLooping",
    "NodeFilesystemAlmostOutOfSpace",
    "TargetDown",
    "CPUThrottlingHigh",
    "PrometheusRuleFailures",
    "EtcdHighCommitDurations",
    "LatencyP99High",
];
const NAMESPACES: [&str; 5] = ["payments", "checkout", "search", "identity", "platform-infra"];
const CLUSTERS: [&str; 2] = ["eu-west-1-prod", "us-east-1-prod"];
const SEVERITIES: [&str; 2] = ["critical", "warning"];

/// Who is to read a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Alertmanager's webhook: what scribed and its references take.
    Webhook,
    /// `POST /api/v2/alerts` of an Alertmanager: the same alerts as a list.
    AlertmanagerApi,
}

/// A small generator of repeatable noise (a linear congruence), for values that differ.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.next(list.len() as u64)).unwrap_or(0);
        list.get(index).copied().unwrap_or_default()
    }
}

/// A body with this many alerts: eight labels and three annotations each, about 830 bytes.
pub(crate) fn body(form: Form, alerts: usize) -> String {
    let mut noise = Noise(42);
    let list: Vec<serde_json::Value> =
        (0..alerts).map(|index| alert(form, &mut noise, index)).collect();
    let body = match form {
        Form::AlertmanagerApi => serde_json::Value::Array(list),
        Form::Webhook => serde_json::json!({
            "version": "4",
            "groupKey": "{}:{alertname=\"HighErrorRate\", cluster=\"eu-west-1-prod\"}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "timeline",
            "groupLabels": {"alertname": "HighErrorRate", "cluster": "eu-west-1-prod"},
            "commonLabels": {"cluster": "eu-west-1-prod", "job": "kubernetes-pods"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.com:9093",
            "alerts": list,
        }),
    };
    body.to_string()
}

fn alert(form: Form, noise: &mut Noise, index: usize) -> serde_json::Value {
    let name = NAMES[index % NAMES.len()];
    let namespace = noise.pick(&NAMESPACES);
    let percent = noise.next(3500) + 500;
    let labels = serde_json::json!({
        "alertname": name,
        "cluster": noise.pick(&CLUSTERS),
        "namespace": namespace,
        "service": format!("{namespace}-api"),
        "severity": noise.pick(&SEVERITIES),
        "pod": format!("{namespace}-api-7c9d8b6f5-{:05x}", noise.next(1 << 20)),
        "job": "kubernetes-pods",
        "instance": format!("{MARK}.node.internal:9100"),
    });
    let annotations = serde_json::json!({
        "summary": format!("{name} in {namespace}: 5xx ratio above 5% for 10 minutes"),
        "description": format!(
            "The ratio of 5xx responses of {namespace}-api is {}.{:02}% (threshold 5%).\n  \
             Current value: 0.{:06}\n  \"job\" = kubernetes-pods",
            percent / 100, percent % 100, noise.next(1_000_000)
        ),
        "runbook_url": format!("https://runbooks.example.com/{namespace}/{name}"),
    });
    let generator = "http://prometheus.example.com:9090/graph?g0.expr=rate%28http_requests_total\
                     %7Bcode%3D~%225..%22%7D%5B5m%5D%29+%3E+0.05&g0.tab=1";
    let mut alert = serde_json::json!({
        "labels": labels, "annotations": annotations, "generatorURL": generator,
    });
    // Without times Alertmanager takes now and its own resolve timeout.
    if let (Form::Webhook, Some(members)) = (form, alert.as_object_mut()) {
        let (minute, second) = (index % 60, index * 7 % 60);
        let starts_at = format!("2025-06-01T12:{minute:02}:{second:02}.{:03}Z", noise.next(1000));
        for (member, text) in [
            ("status", "firing"),
            ("startsAt", starts_at.as_str()),
            ("endsAt", "0001-01-01T00:00:00Z"),
            ("fingerprint", MARK),
        ] {
            members.insert(member.to_owned(), text.into());
        }
    }
    alert
}

/// An outage of its own: alerts of one service that no other outage names, at a time of its own.
/// The one mark of the body tells outages of the same number apart.
pub(crate) fn outage(number: u64, alerts: usize, at_seconds: u64, is_resolved: bool) -> String {
    let (starts_at, ends_at) = (time(at_seconds), time(at_seconds + 240));
    let list: Vec<serde_json::Value> = (0..alerts)
        .map(|index| {
            serde_json::json!({
                "status": if is_resolved { "resolved" } else { "firing" },
                "labels": {
                    "alertname": format!("{}{number}", NAMES[index % NAMES.len()]),
                    "service": format!("service-{number}"),
                    "cluster": format!("cluster-{number}"),
                    "severity": SEVERITIES[index % SEVERITIES.len()],
                    "instance": format!("{MARK}-{index}:9100"),
                },
                "annotations": {
                    "summary": format!("Check {index} of service-{number} fails"),
                    "description": format!("Instance {index} has failed for five minutes"),
                },
                "startsAt": starts_at,
                "endsAt": if is_resolved { ends_at.as_str() } else { "0001-01-01T00:00:00Z" },
                "generatorURL": format!("http://prometheus.example.com:9090/graph?g0.expr={number}"),
                "fingerprint": MARK,
            })
        })
        .collect();
    serde_json::json!({
        "version": "4",
        "groupKey": format!("{{}}:{{service=\"service-{number}\"}}"),
        "status": "firing",
        "receiver": "timeline",
        "externalURL": "http://alertmanager.example.com:9093",
        "alerts": list,
    })
    .to_string()
}

/// Seconds since the Unix epoch, now.
pub(crate) fn now_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment as RFC 3339.
pub(crate) fn time(unix_seconds: u64) -> String {
    let (days, rest) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days since 0000-03-01, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = ((month + 2) % 12 + 1, era * 400 + year_of_era + u64::from(month >= 10));
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_as_large_as_those_of_the_goals_and_its_marks_lie_together() {
        for (form, marks) in [(Form::Webhook, 2), (Form::AlertmanagerApi, 1)] {
            let body = body(form, 10);
            assert!((6_000..9_000).contains(&body.len()), "{}", body.len());
            assert_eq!(body.matches(MARK).count(), marks * 10);
        }
    }

    #[test]
    fn a_moment_is_written_as_in_the_calendar() {
        for (seconds, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_772_590_447, "2026-03-04T02:14:07Z"),
        ] {
            assert_eq!(time(seconds), expect);
        }
    }
}
