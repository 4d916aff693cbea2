//! Alertmanager's webhook, version 4 and whatever has its shape (the 0.34 fields
//! `notification_reason` and `routeLabels` change nothing for us).
//!
//! Each alert speaks for itself: the notification's own status and common labels are computed
//! after `max_alerts` cut the list, and are not read. The fingerprint is computed from the labels,
//! so that an alert is the same one when Prometheus tells us of it directly.

use super::alert::{self, Alert};
use super::wire::Text;
use super::{Envelope, Found, Parsed, Unusable};
use crate::domain::record::Path;
use crate::domain::{AlertKey, Claim, Ending, Labels, Link, Name, Timestamp, Word, WordState};

/// The namespace that Alertmanager and Prometheus share.
pub(super) const NAMESPACE: &str = "prometheus";

/// Reads a notification.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let namespace = envelope.namespace_or(NAMESPACE);
    let found: Found =
        alert::notification(text, |_head, alert| word(&namespace, alert, envelope.received_at))?;
    found.finish(envelope, Path::Webhook)
}

fn word(namespace: &Name, alert: Alert<'_>, received_at: Timestamp) -> Result<Word, String> {
    let is_resolved = alert.is_resolved(received_at)?;
    let starts_at = Claim::start(alert.starts_at(), received_at);
    let state = if is_resolved {
        let ends_at = Claim::end(alert.ends_at(), starts_at.at, received_at);
        WordState::Resolved { ends_at, ending: Ending::Recovered }
    } else {
        WordState::Firing { lease: None }
    };
    let labels = alert.labels.into_labels()?;
    let annotations = alert.annotations.into_annotations();
    Ok(Word {
        key: AlertKey::new(namespace.clone(), labels.fingerprint()),
        key_from_labels: true,
        links: links(alert.generator_url.as_ref(), &annotations),
        labels,
        annotations,
        state,
        starts_at,
        values: Vec::new(),
        is_test: false,
    })
}

/// The links that every sender of this family gives.
pub(super) fn links(generator_url: Option<&Text<'_>>, annotations: &Labels) -> Vec<Link> {
    let mut links = Vec::new();
    alert::add_link(&mut links, "generator", generator_url.map(Text::as_str));
    alert::add_link(&mut links, "runbook", annotations.value("runbook_url"));
    links
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Alertmanager;
    use crate::domain::record::Path;
    use crate::domain::{Claim, Ending, Link, Name, WordState};
    use crate::ingest::fixtures::{at, parse, payload};

    #[test]
    fn a_firing_alert_is_read_whole() {
        let parsed = parse(Alertmanager, payload!("alertmanager/01-firing-one.json"));
        let delivery = &parsed.delivery;
        assert_eq!((delivery.source.as_str(), delivery.path), ("alertmanager", Path::Webhook));
        assert_eq!(delivery.sender, Some(Name::from("http://alertmanager.example.test:9093")));
        assert_eq!(
            delivery.group,
            Some(Name::from(r#"{}:{alertname="PostgresDown", cluster="eu-1"}"#))
        );
        assert_eq!((delivery.truncated, delivery.rejected, parsed.is_test), (0, 0, false));
        let [word] = delivery.words.as_slice() else { panic!("one word") };
        assert_eq!(word.key.namespace, Name::from("prometheus"));
        assert_eq!(word.key.fingerprint.as_str(), "3e0caab7a6eda3c8");
        assert!(word.key_from_labels && !word.is_test);
        assert_eq!((word.labels.len(), word.labels.get("team")), (8, Some("storage")));
        assert_eq!(word.annotations.get("summary"), Some("Postgres down on db-1"));
        assert_eq!(word.starts_at, Claim::plain(at("2026-03-02T10:00:00Z")));
        assert_eq!(word.state, WordState::Firing { lease: None });
        let link = |rel, url: &str| Link { rel: Name::from(rel), url: url.into() };
        assert_eq!(
            word.links,
            [
                link(
                    "generator",
                    "http://prometheus.example.test:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
                ),
                link("runbook", "https://runbooks.example.test/pg-down"),
            ]
        );
    }

    #[test]
    fn the_fingerprint_is_computed_as_alertmanager_does() {
        for body in [
            payload!("alertmanager/02-firing-three.json"),
            payload!("alertmanager/18-watchdog.json"),
            payload!("recorded/alertmanager-firing/0001.body.json"),
            payload!("recorded/alertmanager-ha/0001.body.json"),
            payload!("recorded/alertmanager-mix/0003.body.json"),
            payload!("recorded/alertmanager-trunc/0002.body.json"),
        ] {
            let sent: serde_json::Value = serde_json::from_slice(body).unwrap();
            let words = parse(Alertmanager, body).delivery.words;
            assert_eq!(words.len(), sent["alerts"].as_array().unwrap().len());
            for (word, sent) in words.iter().zip(sent["alerts"].as_array().unwrap()) {
                assert_eq!(word.key.fingerprint.as_str(), sent["fingerprint"].as_str().unwrap());
            }
        }
    }

    #[test]
    fn each_alert_speaks_for_itself() {
        let words = parse(Alertmanager, payload!("alertmanager/03-firing-with-one-resolved.json"))
            .delivery
            .words;
        let firing: Vec<bool> =
            words.iter().map(|word| matches!(word.state, WordState::Firing { .. })).collect();
        assert_eq!(firing, [true, false, true]);
        assert_eq!(
            words[1].state,
            WordState::Resolved {
                ends_at: Claim::plain(at("2026-03-02T10:07:31.512Z")),
                ending: Ending::Recovered,
            }
        );
    }

    #[test]
    fn alerts_that_were_left_out_are_counted() {
        for (body, expect) in [
            (payload!("alertmanager/09-truncated.json"), 5),
            (payload!("recorded/alertmanager-trunc/0001.body.json"), 3),
        ] {
            assert_eq!(parse(Alertmanager, body).delivery.truncated, expect);
        }
    }

    #[test]
    fn an_end_before_the_start_is_kept_and_replaced() {
        let words = parse(Alertmanager, payload!("bad/17-ends-before-starts.json")).delivery.words;
        let WordState::Resolved { ends_at, .. } = &words[0].state else { panic!("resolved") };
        assert_eq!(ends_at.at, at("2026-03-02T10:00:00Z"));
        assert_eq!(ends_at.refused.as_deref(), Some("2026-03-02T09:00:00Z"));
    }

    #[test]
    fn odd_but_sound_bodies_are_kept() {
        let words = |body| parse(Alertmanager, body).delivery.words;
        let lossy = words(payload!("bad/19-invalid-utf8.json"));
        assert!(lossy[0].annotations.get("summary").unwrap().contains('\u{fffd}'));
        assert_eq!(words(payload!("bad/25-duplicate-keys.json")).len(), 1);
        let script = words(payload!("bad/29-html-script.json"));
        assert_eq!(script[0].labels.get("instance"), Some("\"><script>alert(1)</script>"));
        assert_eq!(words(payload!("alertmanager/20-v0.34-route-labels.json")).len(), 2);
        let minimal = words(payload!("alertmanager/14-no-annotations-minimal-labels.json"));
        assert!(minimal[0].annotations.is_empty() && minimal[0].links.is_empty());
        let with_mark = [b"\xef\xbb\xbf", payload!("alertmanager/01-firing-one.json")].concat();
        assert_eq!(words(&with_mark).len(), 1);
    }

    #[test]
    fn without_a_status_the_end_decides() {
        for (end, is_over) in [
            ("2026-03-02T10:00:30Z", true),
            ("2026-03-02T10:05:00Z", false),
            ("0001-01-01T00:00:00Z", false),
            ("soon", false),
        ] {
            let body = format!(r#"{{"alerts":[{{"labels":{{"a":"b"}},"endsAt":"{end}"}}]}}"#);
            let words = parse(Alertmanager, body.as_bytes()).delivery.words;
            assert_eq!(matches!(words[0].state, WordState::Resolved { .. }), is_over, "{end}");
        }
    }
}
