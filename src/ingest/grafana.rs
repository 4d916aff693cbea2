//! Grafana's webhook contact point (unified alerting), default or custom payload.
//!
//! The fingerprint is taken as sent, because Grafana computes it over labels that it then hides,
//! and it is unique within an organisation. A resolve whose `grafana_state_reason` says that the
//! rule stopped (its series vanished, it was paused, changed or deleted) is no recovery. The test
//! of a contact point never resolves and must open nothing. `values` are measured numbers by
//! refID. They are missing when one of them is no number, and from old releases; `valueString`,
//! which says the same for people, is read then.

use super::alert::{self, Alert, Head};
use super::wire::Text;
use super::{Envelope, KEY_BYTES_MAX, Parsed, Unusable, alertmanager};
use crate::domain::record::Path;
use crate::domain::{
    AlertKey, Claim, Ending, Fingerprint, Labels, Link, Name, Timestamp, Word, WordState,
};

/// Reasons that say how Grafana treated missing data or an error, and not that the rule stopped.
/// They come in lists too, such as `NoData, KeepLast`.
const TREATED_AS: [&str; 3] = ["NoData", "Error", "KeepLast"];

/// Values that are read from a text for people, and the longest of their names.
const VALUES_MAX: usize = 16;
const VALUE_NAME_BYTES_MAX: usize = 64;

/// Reads a notification.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let mut namespaces = Namespaces { base: envelope.namespace_or("grafana"), last: None };
    let mut found = alert::notification(text, |head, alert| {
        let namespace = namespaces.of(alert.org_id.or(head.org_id));
        word(namespace, head, alert, envelope.received_at)
    })?;
    found.is_test = !found.words.is_empty() && found.words.iter().all(|word| word.is_test);
    found.finish(envelope, Path::Webhook)
}

/// One namespace for each organisation. The alerts of a body are nearly always of one, which is
/// remembered.
struct Namespaces {
    base: Name,
    last: Option<(i64, Name)>,
}

impl Namespaces {
    /// The namespace of an organisation; the bare one when a custom payload leaves it out.
    fn of(&mut self, org_id: Option<i64>) -> Name {
        let Some(org_id) = org_id else { return self.base.clone() };
        match &self.last {
            Some((last, name)) if *last == org_id => name.clone(),
            _ => {
                let name = Name::new(format!("{}/{org_id}", self.base));
                self.last = Some((org_id, name.clone()));
                name
            }
        }
    }
}

fn word(
    namespace: Name,
    head: &Head,
    mut alert: Alert<'_>,
    received_at: Timestamp,
) -> Result<Word, String> {
    let is_resolved = alert.is_resolved(received_at)?;
    let starts_at = Claim::start(alert.starts_at(), received_at);
    let ends_at = Claim::end(alert.ends_at(), starts_at.at, received_at);
    let labels = std::mem::take(&mut alert.labels).into_labels()?;
    let annotations = std::mem::take(&mut alert.annotations).into_annotations();
    let state = if is_resolved {
        WordState::Resolved { ends_at, ending: ending(&annotations) }
    } else {
        WordState::Firing { lease: None }
    };
    let fingerprint = match alert.fingerprint.as_ref().map(Text::as_str).filter(|f| !f.is_empty()) {
        Some(sent) if sent.len() > KEY_BYTES_MAX => {
            return Err(format!("its fingerprint is longer than {KEY_BYTES_MAX} bytes"));
        }
        Some(sent) => Fingerprint::new(sent),
        None => labels.fingerprint(),
    };
    Ok(Word {
        is_test: is_contact_point_test(head, &labels, &annotations, &fingerprint),
        key: AlertKey::new(namespace, fingerprint),
        key_from_labels: true,
        links: links(&alert, &annotations),
        labels,
        annotations,
        state,
        starts_at,
        values: values(&mut alert),
    })
}

fn values(alert: &mut Alert<'_>) -> Vec<(Box<str>, f64)> {
    let values = alert.values.take().map(|values| values.into_list()).unwrap_or_default();
    let told = alert.value_string.as_ref().map(Text::as_str).filter(|_| values.is_empty());
    told.map(told_values).unwrap_or(values)
}

/// The numbers of `[ var='B' labels={instance=web-1} value=93.4 ], [ var='C' labels={} value=1 ]`.
fn told_values(text: &str) -> Vec<(Box<str>, f64)> {
    let one = |part: &str| {
        let (_, rest) = part.split_once("var='")?;
        let (name, rest) = rest.split_once("' ")?;
        let (_, value) = rest.rsplit_once(" value=")?;
        let value: f64 = value.trim_end_matches([' ', ']', ',']).parse().ok()?;
        (value.is_finite() && name.len() <= VALUE_NAME_BYTES_MAX).then(|| (name.into(), value))
    };
    text.split("[ ").filter_map(one).take(VALUES_MAX).collect()
}

/// What Grafana calls the end.
fn ending(annotations: &Labels) -> Ending {
    let reason = annotations.get("grafana_state_reason").unwrap_or("").trim();
    let says_nothing =
        reason.split(',').map(str::trim).all(|part| part.is_empty() || TREATED_AS.contains(&part));
    if says_nothing { Ending::Recovered } else { Ending::Abandoned(reason.into()) }
}

/// True for the test of a contact point. Its labels can be changed by the person who tests, but
/// not its group key, which is `<receiver>-<fingerprint>-<unix seconds>` instead of a route.
fn is_contact_point_test(
    head: &Head,
    labels: &Labels,
    annotations: &Labels,
    fingerprint: &Fingerprint,
) -> bool {
    let has_its_labels = labels.get("alertname") == Some("TestAlert")
        && labels.get("instance") == Some("Grafana")
        && annotations.get("summary") == Some("Notification test");
    let has_its_key = || {
        let Some((rest, seconds)) = head.group_key.rsplit_once('-') else { return false };
        let Some((_receiver, key)) = rest.rsplit_once('-') else { return false };
        !head.group_key.starts_with('{')
            && !seconds.is_empty()
            && seconds.bytes().all(|b| b.is_ascii_digit())
            && key == fingerprint.as_str()
    };
    has_its_labels || has_its_key()
}

fn links(alert: &Alert<'_>, annotations: &Labels) -> Vec<Link> {
    let mut links = alertmanager::links(alert.generator_url.as_ref(), annotations);
    for (rel, url) in [
        ("dashboard", &alert.dashboard_url),
        ("panel", &alert.panel_url),
        ("silence", &alert.silence_url),
        ("image", &alert.image_url),
    ] {
        alert::add_link(&mut links, rel, url.as_ref().map(Text::as_str));
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceType::Grafana;
    use crate::ingest::fixtures::{at, parse, payload, received_at};

    #[test]
    fn a_firing_alert_is_read_whole() {
        for body in [
            payload!("grafana/01-firing-one.json"),
            payload!("grafana/16-custom-payload-default.json"),
        ] {
            let parsed = parse(Grafana, body);
            let word = &parsed.delivery.words[0];
            assert_eq!(word.key.namespace, Name::from("grafana/1"));
            assert_eq!(word.key.fingerprint.as_str(), "57ae2e110e5acbcd");
            assert_ne!(word.key.fingerprint, word.labels.fingerprint());
            assert_eq!(word.values, [("B".into(), 93.4), ("C".into(), 1.0)]);
            let rels: Vec<&str> = word.links.iter().map(|link| link.rel.as_str()).collect();
            assert_eq!(rels, ["generator", "runbook", "silence"]);
            assert_eq!(
                parsed.delivery.sender,
                Some(Name::from("http://grafana.example.test:3000/"))
            );
            assert!(!parsed.is_test);
        }
    }

    #[test]
    fn a_resolve_says_whether_it_is_a_recovery() {
        let ending = |body: &[u8]| match &parse(Grafana, body).delivery.words[0].state {
            WordState::Resolved { ending, .. } => ending.clone(),
            WordState::Firing { .. } => panic!("resolved"),
        };
        assert_eq!(ending(payload!("grafana/04-resolved.json")), Ending::Recovered);
        assert_eq!(
            ending(payload!("grafana/08-missing-series-resolved.json")),
            Ending::Abandoned("MissingSeries".into())
        );
        for (reason, is_recovery) in [
            ("Paused", false),
            ("Updated", false),
            ("RuleDeleted", false),
            ("SomethingNew", false),
            ("NoData, Paused", false),
            ("", true),
            ("NoData", true),
            ("Error", true),
            ("KeepLast", true),
            ("NoData, KeepLast", true),
        ] {
            let body = format!(
                r#"{{"alerts":[{{"status":"resolved","labels":{{"a":"b"}},
                    "annotations":{{"grafana_state_reason":"{reason}"}}}}]}}"#
            );
            assert_eq!(ending(body.as_bytes()) == Ending::Recovered, is_recovery, "{reason}");
        }
    }

    #[test]
    fn the_test_of_a_contact_point_is_known_by_labels_or_by_its_group_key() {
        let sent = parse(Grafana, payload!("grafana/09-test-contact-point.json"));
        assert!(sent.is_test && sent.delivery.words[0].is_test);
        for (key, labels, is_test) in [
            ("web hook-57c6d9296de2ad39-1772445600", "My own test", true),
            ("web-hook-57c6d9296de2ad39-", "My own test", false),
            ("hook-0000000000000000-1772445600", "My own test", false),
            ("{}:{a=\\\"x-57c6d9296de2ad39-17\\\"}", "My own test", false),
            ("", "TestAlert", false),
        ] {
            let body = format!(
                r#"{{"groupKey":"{key}","alerts":[{{"status":"firing","fingerprint":"57c6d9296de2ad39",
                    "labels":{{"alertname":"{labels}"}}}}]}}"#
            );
            assert_eq!(parse(Grafana, body.as_bytes()).is_test, is_test, "{key}");
        }
    }

    #[test]
    fn organisations_are_apart_and_a_namespace_can_be_configured() {
        let body = br#"{"orgId":2,"alerts":[{"labels":{"a":"b"},"orgId":3},{"labels":{"a":"b"}}]}"#;
        let names = |namespace: Option<&Name>, body: &[u8]| -> Vec<String> {
            let source = Name::from("g");
            let envelope = Envelope {
                source: &source,
                kind: Grafana,
                namespace,
                received_at: received_at(),
                headers: &[],
            };
            let words = crate::ingest::read(&envelope, body).unwrap().delivery.words;
            words.iter().map(|word| word.key.namespace.to_string()).collect()
        };
        assert_eq!(names(None, body), ["grafana/3", "grafana/2"]);
        assert_eq!(names(Some(&Name::from("eu")), body), ["eu/3", "eu/2"]);
        assert_eq!(names(None, br#"{"alerts":[{"labels":{"a":"b"}}]}"#), ["grafana"]);
    }

    #[test]
    fn missing_and_odd_values_do_no_harm() {
        let no_data = parse(Grafana, payload!("grafana/05-datasource-nodata.json"));
        assert!(no_data.delivery.words[0].values.is_empty());
        let body = br#"{"alerts":[{"labels":{"a":"b"},"values":{"B":"NaN","C":null,"A":2}}]}"#;
        let words = parse(Grafana, body).delivery.words;
        assert_eq!(words[0].values, [("A".into(), 2.0)]);
        assert_eq!(words[0].key.fingerprint, words[0].labels.fingerprint());
    }

    #[test]
    fn numbers_are_read_from_their_text_where_they_are_told_only_there() {
        let check = |values: &str, text: &str, expect: &[(&str, f64)]| {
            let text = serde_json::Value::from(text);
            let body = format!(
                r#"{{"alerts":[{{"labels":{{"a":"b"}},"values":{values},"valueString":{text}}}]}}"#
            );
            let words = parse(Grafana, body.as_bytes()).delivery.words;
            let expect: Vec<(Box<str>, f64)> =
                expect.iter().map(|(name, value)| ((*name).into(), *value)).collect();
            assert_eq!(words[0].values, expect, "{text}");
        };
        let both = "[ var='B' labels={instance=web-1, x=a value=7} value=93.4 ], [ var='C' metric='m' labels={} value=1 ]";
        check("null", both, &[("B", 93.4), ("C", 1.0)]);
        check(r#"{"A":2}"#, both, &[("A", 2.0)]);
        check(
            "null",
            "[ var='B' labels={} value=NaN ], [ var='C' labels={} value=1 ]",
            &[("C", 1.0)],
        );
        for odd in ["", "no numbers", "[ var='B", "[ var='B' labels={} value= ]", "[ [ [ value=3 ]"]
        {
            check("null", odd, &[]);
        }
    }

    #[test]
    fn start_and_end_may_be_the_same() {
        let body = br#"{"alerts":[{"status":"resolved","labels":{"a":"b"},
            "startsAt":"2026-03-02T10:00:30Z","endsAt":"2026-03-02T10:00:30Z"}]}"#;
        let words = parse(Grafana, body).delivery.words;
        assert_eq!(words[0].starts_at.at, at("2026-03-02T10:00:30Z"));
        assert_eq!(
            words[0].state,
            WordState::Resolved {
                ends_at: Claim::plain(at("2026-03-02T10:00:30Z")),
                ending: Ending::Recovered,
            }
        );
    }
}
