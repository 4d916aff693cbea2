//! Prometheus' own way to an Alertmanager: a list of alerts at `/api/v2/alerts`, as Prometheus,
//! vmalert, the rulers of Mimir and Loki, and amtool send it.
//!
//! Firing or over is told by `endsAt` alone: in the future it is a lease that the sender renews,
//! in the past the firing is over. What is missing is filled in as Alertmanager does: without an
//! end the lease is five minutes, without a start it began when it was received, or ended.

use super::alert::{self, Alert};
use super::{Envelope, Parsed, Unusable, alertmanager};
use crate::domain::record::Path;
use crate::domain::time::is_zero_time;
use crate::domain::{AlertKey, Claim, Ending, Name, Span, Timestamp, Word, WordState};

/// How long a firing without an end holds: Alertmanager's `resolve_timeout`.
const LEASE_DEFAULT: Span = Span::from_minutes(5);

/// Reads a list of alerts.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let namespace = envelope.namespace_or(alertmanager::NAMESPACE);
    let found =
        alert::plain_list(text, |_head, alert| word(&namespace, alert, envelope.received_at))?;
    found.finish(envelope, Path::Api)
}

fn word(namespace: &Name, alert: Alert<'_>, received_at: Timestamp) -> Result<Word, String> {
    let end_text = alert.ends_at().filter(|text| !is_zero_time(text));
    let end = end_text.and_then(|text| Timestamp::parse_rfc3339(text).ok());
    let starts_at = match alert.starts_at().filter(|text| !is_zero_time(text)) {
        Some(text) => Claim::start(Some(text), received_at),
        None => Claim::plain(end.map_or(received_at, |end| end.min(received_at))),
    };
    let state = match end {
        Some(end) if end <= received_at => WordState::Resolved {
            ends_at: Claim::end(end_text, starts_at.at, received_at),
            ending: Ending::Recovered,
        },
        // An end that cannot be read promises nothing, like none at all.
        _ => WordState::Firing { lease: Some(end.unwrap_or(received_at + LEASE_DEFAULT)) },
    };
    let labels = alert.labels.into_labels()?;
    let annotations = alert.annotations.into_annotations();
    Ok(Word {
        key: AlertKey::new(namespace.clone(), labels.fingerprint()),
        key_from_labels: true,
        links: alertmanager::links(alert.generator_url.as_ref(), &annotations),
        labels,
        annotations,
        state,
        starts_at,
        values: Vec::new(),
        is_test: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Prometheus;
    use crate::domain::record::Path;
    use crate::domain::{Claim, Ending, Name, WordState};
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, payload, reason};

    #[test]
    fn an_end_ahead_is_a_lease_and_an_end_behind_an_end() {
        // Received at 10:01:00.
        let lease = |text| WordState::Firing { lease: Some(at(text)) };
        let over = |text| WordState::Resolved {
            ends_at: Claim::plain(at(text)),
            ending: Ending::Recovered,
        };
        for (times, start, state) in [
            (
                r#""startsAt":"2026-03-02T10:00:00Z","endsAt":"2026-03-02T10:04:00Z""#,
                "2026-03-02T10:00:00Z",
                lease("2026-03-02T10:04:00Z"),
            ),
            (
                r#""startsAt":"2026-03-02T10:00:00Z","endsAt":"2026-03-02T10:01:00Z""#,
                "2026-03-02T10:00:00Z",
                over("2026-03-02T10:01:00Z"),
            ),
            (
                r#""endsAt":"2026-03-02T09:30:00Z""#,
                "2026-03-02T09:30:00Z",
                over("2026-03-02T09:30:00Z"),
            ),
            (
                r#""endsAt":"2026-03-02T10:30:00Z""#,
                "2026-03-02T10:01:00Z",
                lease("2026-03-02T10:30:00Z"),
            ),
            (
                r#""status":{"state":"active"}"#,
                "2026-03-02T10:01:00Z",
                lease("2026-03-02T10:06:00Z"),
            ),
            (
                r#""startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z""#,
                "2026-03-02T10:01:00Z",
                lease("2026-03-02T10:06:00Z"),
            ),
            (r#""endsAt":"soon""#, "2026-03-02T10:01:00Z", lease("2026-03-02T10:06:00Z")),
        ] {
            let body = format!(r#"[{{"labels":{{"alertname":"X"}},{times}}}]"#);
            let words = parse(Prometheus, body.as_bytes()).delivery.words;
            assert_eq!(words[0].starts_at, Claim::plain(at(start)), "{times}");
            assert_eq!(words[0].state, state, "{times}");
        }
    }

    #[test]
    fn an_alert_is_the_same_one_that_alertmanager_tells() {
        let direct = parse(Prometheus, payload!("am-api-v2/01-firing.json")).delivery;
        let told = parse(
            crate::domain::SourceType::Alertmanager,
            payload!("alertmanager/01-firing-one.json"),
        );
        assert_eq!((direct.path, direct.sender), (Path::Api, None));
        assert_eq!(direct.words[0].key, told.delivery.words[0].key);
        assert_eq!(direct.words[0].labels, told.delivery.words[0].labels);
    }

    #[test]
    fn what_others_send_is_read_too() {
        let words = parse(Prometheus, payload!("am-api-v2/06-vmalert.json")).delivery.words;
        assert_eq!(words[0].starts_at.at.nanos() % 1_000_000_000, 123);
        assert_eq!(words[0].links[0].rel, Name::from("generator"));
        assert_eq!(parse(Prometheus, payload!("am-api-v2/04-curl-minimal.json")).refused, []);
        let mixed = parse(Prometheus, br#"[{"labels":{"a":1}},{"labels":{"a":"b"}}]"#);
        assert_eq!((mixed.delivery.words.len(), mixed.refused[0].index), (1, 0));
    }

    #[test]
    fn what_is_no_list_of_alerts_is_refused() {
        assert_eq!(reason(Prometheus, b"[]"), Reason::NoAlert);
        assert_eq!(reason(Prometheus, b"{}"), Reason::WrongShape);
        assert_eq!(reason(Prometheus, b"[{}]"), Reason::NoAlert);
        assert_eq!(reason(Prometheus, b"[{]"), Reason::NotJson);
    }
}
