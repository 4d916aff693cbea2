//! Our own plain form of alerts, for scripts and for senders we do not know.
//!
//! One object, a list of such objects, or an object that holds such a list as `alerts`:
//!
//! ```json
//! {
//!   "labels": {"alertname": "BackupFailed", "service": "orders-db", "severity": "critical"},
//!   "annotations": {"summary": "The nightly backup did not finish"},
//!   "status": "firing",
//!   "starts_at": "2026-03-04T02:14:07Z",
//!   "ends_at": null,
//!   "link": "https://ci.example.test/1",
//!   "fingerprint": "backup/orders-db"
//! }
//! ```
//!
//! - `labels` must be texts, with one at least that is not empty. They are the alert's identity
//!   within its source, unless `fingerprint` gives the sender's own key; a resolve with a key may
//!   come without labels.
//! - `status` is `firing` or `resolved`. Without it the alert is over when `ends_at` has passed.
//! - Times are RFC 3339 or Unix seconds, as text or number; `startsAt` and `endsAt` are understood
//!   too. A missing start is the moment of receipt.
//! - `generatorURL` is understood for `link`.

use std::borrow::Cow;

use super::alert::{self, Pairs};
use super::wire::{self, Object};
use super::{Envelope, Found, KEY_BYTES_MAX, Parsed, Refused, Unusable};
use crate::domain::record::Path;
use crate::domain::time::is_zero_time;
use crate::domain::{AlertKey, Claim, Ending, Fingerprint, Name, Timestamp, Word, WordState};

/// Reads one alert or a list of them.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let namespace = envelope.namespace_or(envelope.source.as_str());
    let entries: Vec<&str> = if text.trim_start().starts_with('[') {
        wire::list(text)?.collect()
    } else {
        let body = Object::body(text)?;
        match body.json("alerts").filter(|_| !body.has("labels")) {
            Some(list) => wire::list(list)
                .map_err(|_| Unusable::wrong_shape("`alerts` must be a list"))?
                .collect(),
            None => vec![text],
        }
    };
    if entries.is_empty() {
        return Err(alert::no_alert());
    }
    let mut found = Found::default();
    for (index, json) in entries.into_iter().enumerate() {
        let read = Object::value(json)
            .ok_or_else(|| "it is not an object".to_owned())
            .and_then(|object| word(&namespace, &object, envelope.received_at));
        match read {
            Ok(word) => found.words.push(word),
            Err(problem) => found.refused.push(Refused { index, problem }),
        }
    }
    found.finish(envelope, Path::Webhook)
}

fn word(namespace: &Name, object: &Object<'_>, received_at: Timestamp) -> Result<Word, String> {
    let own_key = object.strict_text("fingerprint")?.filter(|key| !key.trim().is_empty());
    let start_text = time(object, ["starts_at", "startsAt"]);
    let end_text = time(object, ["ends_at", "endsAt"]);
    let is_resolved = match object.strict_text("status")?.as_deref() {
        Some("firing") => false,
        Some("resolved") => true,
        None => end_text
            .as_deref()
            .and_then(|text| Timestamp::parse_rfc3339(text).ok())
            .is_some_and(|end| end <= received_at),
        Some(_) => return Err("its `status` is neither `firing` nor `resolved`".to_owned()),
    };
    let pairs = Pairs::lenient("label", "labels", object)?;
    let labels = if is_resolved && own_key.is_some() {
        pairs.into_optional_labels()?
    } else {
        pairs.into_labels()?
    };
    let fingerprint = match &own_key {
        Some(key) if key.len() > KEY_BYTES_MAX => {
            return Err(format!("its `fingerprint` is longer than {KEY_BYTES_MAX} bytes"));
        }
        Some(key) => Fingerprint::new(key.trim()),
        None => labels.fingerprint(),
    };
    let annotations = Pairs::lenient("annotation", "annotations", object)?.into_annotations();
    let mut links = Vec::new();
    let link = match object.strict_text("link")? {
        Some(link) => Some(link),
        None => object.strict_text("generatorURL")?,
    };
    alert::add_link(&mut links, "generator", link.as_deref());
    alert::add_link(&mut links, "runbook", annotations.value("runbook_url"));
    let (starts_at, state) =
        state(is_resolved, start_text.as_deref(), end_text.as_deref(), received_at);
    Ok(Word {
        key: AlertKey::new(namespace.clone(), fingerprint),
        key_from_labels: own_key.is_none(),
        labels,
        annotations,
        state,
        starts_at,
        links,
        values: Vec::new(),
        is_test: false,
    })
}

fn state(
    is_resolved: bool,
    start_text: Option<&str>,
    end_text: Option<&str>,
    received_at: Timestamp,
) -> (Claim, WordState) {
    let starts_at = Claim::start(start_text, received_at);
    if !is_resolved {
        return (starts_at, WordState::Firing { lease: None });
    }
    if start_text.is_some() {
        let ends_at = Claim::end(end_text, starts_at.at, received_at);
        return (starts_at, WordState::Resolved { ends_at, ending: Ending::Recovered });
    }
    // A resolve that names no start speaks of whatever fires. Start and end alike say that; the
    // receipt as start would overrule an end that was stated.
    let ends_at = Claim::end(end_text, Timestamp::from_nanos(i64::MIN), received_at);
    let starts_at = Claim::plain(ends_at.at);
    (starts_at, WordState::Resolved { ends_at, ending: Ending::Recovered })
}

/// A time under either of its names, in RFC 3339 where it was Unix seconds. What cannot be read
/// stays as sent; zero and empty times are absent.
fn time<'a>(object: &Object<'a>, names: [&str; 2]) -> Option<Cow<'a, str>> {
    let json = names.iter().find_map(|name| object.json(name))?;
    let text = wire::string(json).unwrap_or(Cow::Borrowed(json));
    if is_zero_time(text.trim()) {
        return None;
    }
    match (Timestamp::parse_rfc3339(&text), Timestamp::parse(&text)) {
        (Err(_), Ok(unix)) => Some(Cow::Owned(unix.to_jiff().to_string())),
        _ => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceType::Generic;
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, reason, received_at};

    fn words(body: &str) -> Vec<Word> {
        parse(Generic, body.as_bytes()).delivery.words
    }

    #[test]
    fn one_alert_or_a_list_of_them() {
        let one = words(
            r#"{"labels":{"alertname":"X","severity":"critical"},"annotations":{"summary":"s"},
                "starts_at":"2026-03-02T09:59:00Z","link":"https://x.test/1","more":{}}"#,
        );
        assert_eq!(one[0].key.namespace, Name::from("generic"));
        assert_eq!(one[0].key.fingerprint, one[0].labels.fingerprint());
        assert_eq!(one[0].state, WordState::Firing { lease: None });
        assert_eq!(one[0].starts_at, Claim::plain(at("2026-03-02T09:59:00Z")));
        assert_eq!(one[0].links[0].rel, Name::from("generator"));
        let many = r#" [{"labels":{"a":"1"}},{"labels":{"a":1}},7]"#;
        let parsed = parse(Generic, many.as_bytes());
        let refused: Vec<usize> = parsed.refused.iter().map(|refused| refused.index).collect();
        assert_eq!((parsed.delivery.words.len(), refused), (1, vec![1, 2]));
        let held = r#"{"version":"1","alerts":[{"labels":{"a":"1"},"generatorURL":"https://x.test/2"},
            {"labels":{"a":"2"}}]}"#;
        let held = words(held);
        assert_eq!((held.len(), held[0].links.len()), (2, 1));
        assert_eq!(reason(Generic, br#"{"alerts":[]}"#), Reason::NoAlert);
        assert_eq!(reason(Generic, br#"{"alerts":{}}"#), Reason::WrongShape);
    }

    #[test]
    fn times_are_rfc_3339_or_unix_seconds_under_both_names() {
        for start in [
            r#""starts_at":"2026-03-02T10:00:00Z""#,
            r#""startsAt":"2026-03-02T11:00:00+01:00""#,
            r#""startsAt":1772445600"#,
            r#""starts_at":"1772445600.000""#,
        ] {
            let word = words(&format!(r#"{{"labels":{{"a":"b"}},{start}}}"#)).remove(0);
            assert_eq!(word.starts_at, Claim::plain(at("2026-03-02T10:00:00Z")), "{start}");
        }
        for start in
            [r#""starts_at":null"#, r#""starts_at":"""#, r#""starts_at":"0001-01-01T00:00:00Z""#]
        {
            let word = words(&format!(r#"{{"labels":{{"a":"b"}},{start}}}"#)).remove(0);
            assert_eq!(word.starts_at, Claim::plain(received_at()), "{start}");
        }
        let word = words(r#"{"labels":{"a":"b"},"starts_at":"noon"}"#).remove(0);
        assert_eq!(word.starts_at.refused.as_deref(), Some("noon"));
    }

    #[test]
    fn an_end_is_told_by_status_or_time() {
        for (fields, start, end) in [
            (r#""status":"resolved""#, "2026-03-02T10:01:00Z", Some("2026-03-02T10:01:00Z")),
            (
                r#""ends_at":"2026-03-02T10:00:30Z""#,
                "2026-03-02T10:00:30Z",
                Some("2026-03-02T10:00:30Z"),
            ),
            (
                r#""status":"resolved","starts_at":1772445600,"ends_at":1772445630"#,
                "2026-03-02T10:00:00Z",
                Some("2026-03-02T10:00:30Z"),
            ),
            (r#""ends_at":"2026-03-02T11:00:00Z""#, "2026-03-02T10:01:00Z", None),
        ] {
            let word = words(&format!(r#"{{"labels":{{"a":"b"}},{fields}}}"#)).remove(0);
            assert_eq!(word.starts_at, Claim::plain(at(start)), "{fields}");
            let read = match word.state {
                WordState::Resolved { ends_at, .. } => Some(ends_at),
                WordState::Firing { .. } => None,
            };
            assert_eq!(read, end.map(|end| Claim::plain(at(end))), "{fields}");
        }
    }

    #[test]
    fn a_key_of_its_own_needs_no_labels_to_resolve() {
        let resolve = words(r#"{"fingerprint":"backup/db","status":"resolved"}"#).remove(0);
        assert_eq!(resolve.key.fingerprint.as_str(), "backup/db");
        assert!(!resolve.key_from_labels && resolve.labels.is_empty());
        let body = br#"{"fingerprint":"backup/db","status":"firing"}"#;
        assert_eq!(reason(Generic, body), Reason::NoAlert);
    }

    #[test]
    fn wrong_types_are_refused() {
        for body in [
            r#"{"labels":"x"}"#,
            r#"{"labels":{"a":"b"},"status":1}"#,
            r#"{"labels":{"a":"b"},"status":"ok"}"#,
            r#"{"labels":{"a":"b"},"link":{}}"#,
            r#"{"labels":{"a":"b"},"fingerprint":5}"#,
            "[]",
        ] {
            assert_eq!(reason(Generic, body.as_bytes()), Reason::NoAlert, "{body}");
        }
        assert_eq!(reason(Generic, b"5"), Reason::WrongShape);
    }
}
