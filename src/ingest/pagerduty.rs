//! PagerDuty Events v2, alerts (`/v2/enqueue`) and changes (`/v2/change/enqueue`), told apart by
//! shape: a change has no `event_action`.
//!
//! An alert is its `dedup_key` within its routing key. The routing key is a secret, so only a hash
//! of it becomes part of the namespace. A trigger for a key that fires is the same firing told
//! again, whatever its timestamp; the words say so by `key_from_labels: false`. An acknowledgement
//! is in order and changes nothing, because a person acknowledges here.

use std::borrow::Cow;

use serde_json::json;

use super::alert::{self, Pairs, content_hash};
use super::wire::{self, Object};
use super::{Envelope, Found, KEY_BYTES_MAX, Parsed, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{AlertKey, Claim, Ending, Fingerprint, Labels, Link, Name, Word, WordState};

/// Most links and images of one event that are looked at.
const LINKS_MAX: usize = 32;
/// Longest alert name in bytes; a summary may be 1024 characters long.
const ALERTNAME_BYTES_MAX: usize = 256;

/// Reads an event.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let body = Object::body(text)?;
    // Alertmanager sends `"payload": null` with a resolve.
    let payload = body.object("payload");
    let Some(action) = body.text("event_action") else {
        let payload = payload.ok_or_else(|| missing("payload"))?;
        return change_event(envelope, text, &body, &payload);
    };
    let sent_key = body.text("dedup_key");
    if sent_key.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        let problem = format!("`dedup_key` is longer than {KEY_BYTES_MAX} bytes");
        return Err(Unusable::wrong_shape(problem));
    }
    let mut found = Found::default();
    let dedup_key = match (&*action, sent_key) {
        ("trigger", sent_key) => {
            let payload = payload.as_ref().ok_or_else(|| missing("payload"))?;
            // Made from the content, so that a repeated request is the same alert.
            let key = sent_key.unwrap_or_else(|| content_hash(&[text.as_bytes()]).into());
            found.words.push(trigger(envelope, &body, payload, &key)?);
            key
        }
        ("acknowledge", Some(key)) => key,
        ("resolve", Some(key)) => {
            found.words.push(resolve(envelope, &body, payload.as_ref(), &key));
            key
        }
        ("acknowledge" | "resolve", None) => return Err(missing("dedup_key")),
        _ => {
            let problem = "`event_action` must be trigger, acknowledge or resolve";
            return Err(Unusable::wrong_shape(problem));
        }
    };
    found.sender = body.text("client_url").and_then(|url| sender(&url));
    found.reply = Some(json!({
        "status": "success",
        "message": "Event processed",
        "dedup_key": dedup_key,
    }));
    found.finish(envelope, Path::Webhook)
}

fn missing(field: &str) -> Unusable {
    Unusable::wrong_shape(format!("`{field}` is missing"))
}

fn sender(url: &str) -> Option<Name> {
    (url.len() <= super::URL_BYTES_MAX).then(|| Name::from(url))
}

/// The scope of a deduplication key: a hash of the routing key, never the key itself.
fn namespace(envelope: &Envelope<'_>, body: &Object<'_>) -> Name {
    let base = envelope.namespace_or("pagerduty");
    match body.text("routing_key") {
        None => base,
        Some(key) => {
            let hash = content_hash(&[b"routing_key", key.as_bytes()]);
            Name::new(format!("{base}/{}", &hash[..16]))
        }
    }
}

fn trigger(
    envelope: &Envelope<'_>,
    body: &Object<'_>,
    payload: &Object<'_>,
    dedup_key: &str,
) -> Result<Word, Unusable> {
    let summary = payload.text("summary").ok_or_else(|| missing("payload.summary"))?;
    let details = payload.object("custom_details");
    let labels = labels(&summary, payload, details.as_ref()).map_err(Unusable::wrong_shape)?;
    let described = details.iter().flat_map(Object::scalars);
    // The summary comes last, so that no detail of that name takes its place.
    let annotations: Pairs<'_> = described
        .take(super::ANNOTATIONS_MAX - 1)
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .chain([(Cow::Borrowed("summary"), summary.clone())])
        .collect();
    Ok(Word {
        key: AlertKey::new(namespace(envelope, body), Fingerprint::new(dedup_key)),
        key_from_labels: false,
        labels,
        annotations: annotations.into_annotations(),
        state: WordState::Firing { lease: None },
        starts_at: Claim::start(payload.text("timestamp").as_deref(), envelope.received_at),
        links: links(body),
        values: Vec::new(),
        is_test: false,
    })
}

/// A resolve may come without payload; it ends now, whatever fires under its key.
fn resolve(
    envelope: &Envelope<'_>,
    body: &Object<'_>,
    payload: Option<&Object<'_>>,
    dedup_key: &str,
) -> Word {
    let at = Claim::plain(envelope.received_at);
    let annotations: Pairs<'_> = payload
        .and_then(|payload| payload.text("summary"))
        .map(|summary| (Cow::Borrowed("summary"), summary))
        .into_iter()
        .collect();
    Word {
        key: AlertKey::new(namespace(envelope, body), Fingerprint::new(dedup_key)),
        key_from_labels: false,
        labels: Labels::default(),
        annotations: annotations.into_annotations(),
        state: WordState::Resolved { ends_at: at.clone(), ending: Ending::Recovered },
        starts_at: at,
        links: links(body),
        values: Vec::new(),
        is_test: false,
    }
}

/// The labels of an alert, under the names that rule sets use. The service is what the details
/// call so, else the component.
fn labels(
    summary: &str,
    payload: &Object<'_>,
    details: Option<&Object<'_>>,
) -> Result<Labels, String> {
    let first_line = summary.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let name = alert::cut(Cow::Borrowed(first_line), ALERTNAME_BYTES_MAX);
    let service =
        details.and_then(|details| details.text("service")).or_else(|| payload.text("component"));
    let detail = |field| details.and_then(|details| details.text(field));
    [
        ("alertname", Some(name)),
        ("severity", payload.text("severity")),
        ("instance", payload.text("source")),
        ("service", service),
        ("component", payload.text("component")),
        ("group", payload.text("group")),
        ("class", payload.text("class")),
        ("cluster", detail("cluster")),
        ("env", detail("env")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((Cow::Borrowed(name), value?)))
    .collect::<Pairs<'_>>()
    .into_labels()
}

/// The client's page, and the links and images of the event.
fn links(body: &Object<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    alert::add_link(&mut links, "generator", body.text("client_url").as_deref());
    for link in objects(body, "links") {
        let is_runbook =
            link.text("text").is_some_and(|text| text.to_lowercase().contains("runbook"));
        let rel = if is_runbook { "runbook" } else { "link" };
        alert::add_link(&mut links, rel, link.text("href").as_deref());
    }
    for image in objects(body, "images") {
        alert::add_link(&mut links, "image", image.text("src").as_deref());
    }
    links
}

/// The objects of a list; no list is an empty one.
fn objects<'a>(body: &Object<'a>, field: &str) -> Vec<Object<'a>> {
    let Some(Ok(list)) = body.json(field).map(wire::list) else { return Vec::new() };
    list.take(LINKS_MAX).filter_map(Object::value).collect()
}

fn change_event(
    envelope: &Envelope<'_>,
    text: &str,
    body: &Object<'_>,
    payload: &Object<'_>,
) -> Result<Parsed, Unusable> {
    let summary = payload.text("summary").ok_or_else(|| missing("payload.summary"))?;
    let details = payload.object("custom_details");
    let mut report = change::report(envelope, &summary);
    let timestamp = payload.text("timestamp");
    report.at = change::claimed(timestamp.as_deref(), envelope.received_at);
    report.kind = change::suggest_kind(&summary);
    report.service = details
        .as_ref()
        .and_then(|details| details.text("service"))
        .map(|service| Name::new(change::name(service)));
    report.link = objects(body, "links").first().and_then(|link| change::link(link.text("href")));
    let source = payload.text("source").map(|source| ("source", source));
    report.labels = change::labels(details.iter().flat_map(Object::scalars).chain(source));
    // The same bytes with a time of their own are the same change; without one they may be two.
    report.key = timestamp.map(|_| content_hash(&[text.as_bytes()]));
    let found = Found {
        reply: Some(json!({"status": "success", "message": "Change event processed"})),
        ..Found::change(report)
    };
    found.finish(envelope, Path::Webhook)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ChangeKind;
    use crate::domain::SourceType::Pagerduty;
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, payload, reason, received_at};

    #[test]
    fn a_trigger_is_read_whole() {
        let parsed = parse(Pagerduty, payload!("pagerduty/01-trigger.json"));
        let word = &parsed.delivery.words[0];
        assert_eq!(word.key.fingerprint.as_str(), "orders-db/down");
        assert!(!word.key_from_labels);
        assert_eq!(word.starts_at, Claim::plain(at("2026-03-02T10:00:00.315Z")));
        assert_eq!(
            word.labels,
            Labels::from_pairs([
                ("alertname", "Postgres down on db-1"),
                ("class", "availability"),
                ("component", "postgres"),
                ("group", "orders"),
                ("instance", "db-1.prod"),
                ("service", "postgres"),
                ("severity", "critical"),
            ])
        );
        assert_eq!(word.annotations.get("summary"), Some("Postgres down on db-1"));
        assert_eq!(word.annotations.get("load avg"), Some("0.75"));
        let rels: Vec<&str> = word.links.iter().map(|link| link.rel.as_str()).collect();
        assert_eq!(rels, ["generator", "runbook", "image"]);
        let reply = parsed.reply.as_ref().unwrap();
        assert_eq!(
            (&reply["status"], &reply["dedup_key"]),
            (&"success".into(), &"orders-db/down".into())
        );
    }

    #[test]
    fn the_routing_key_is_scope_and_secret() {
        let namespace = |routing_key: &str| {
            let body = format!(
                r#"{{"routing_key":"{routing_key}","event_action":"resolve","dedup_key":"k"}}"#
            );
            let parsed = parse(Pagerduty, body.as_bytes());
            assert!(!format!("{parsed:?}").contains(routing_key));
            parsed.delivery.words[0].key.namespace.to_string()
        };
        let first = namespace("0123456789abcdef0123456789abcdef");
        assert!(first.starts_with("pagerduty/") && first.len() == "pagerduty/".len() + 16);
        assert_ne!(first, namespace("0123456789abcdef0123456789abcdee"));
    }

    #[test]
    fn a_resolve_ends_what_fires_and_an_acknowledgement_does_nothing() {
        let trigger = parse(Pagerduty, payload!("pagerduty/01-trigger.json"));
        let resolve = parse(Pagerduty, payload!("pagerduty/04-resolve.json"));
        let word = &resolve.delivery.words[0];
        assert_eq!(word.key, trigger.delivery.words[0].key);
        let now = Claim::plain(received_at());
        assert_eq!(word.starts_at, now);
        assert_eq!(word.state, WordState::Resolved { ends_at: now, ending: Ending::Recovered });
        let acknowledge = parse(Pagerduty, payload!("pagerduty/03-acknowledge.json"));
        assert!(acknowledge.delivery.words.is_empty());
        assert_eq!(acknowledge.reply.unwrap()["dedup_key"], "orders-db/down");
    }

    #[test]
    fn a_key_that_is_not_given_comes_from_the_content() {
        let key = |source: &str| {
            let body = format!(
                r#"{{"routing_key":"r","event_action":"trigger",
                    "payload":{{"summary":"s","source":"{source}","severity":"info"}}}}"#
            );
            let parsed = parse(Pagerduty, body.as_bytes());
            let key = parsed.delivery.words[0].key.fingerprint.to_string();
            assert_eq!(parsed.reply.unwrap()["dedup_key"], key);
            key
        };
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("b"));
    }

    #[test]
    fn a_change_is_told_by_its_shape() {
        let parsed = parse(Pagerduty, payload!("pagerduty/05-change.json"));
        let change = &parsed.delivery.changes[0];
        assert_eq!(change.summary, "Deploy orders 1.42.0");
        assert_eq!((change.kind, change.at), (ChangeKind::Deploy, at("2026-03-02T09:58:12Z")));
        assert_eq!(change.link.as_deref(), Some("https://ci.example.test/2"));
        assert_eq!(change.labels.get("build_number"), Some("2"));
        assert!(change.key.is_some() && parsed.delivery.words.is_empty());
        let untimed = parse(Pagerduty, br#"{"payload":{"summary":"x"}}"#);
        assert_eq!(untimed.delivery.changes[0].key, None);
    }

    #[test]
    fn what_pagerduty_would_refuse_is_refused() {
        for body in [
            r#"{"event_action":"trigger"}"#,
            r#"{"event_action":"trigger","payload":{"source":"x"}}"#,
            r#"{"event_action":"resolve"}"#,
            r#"{"event_action":"snooze","dedup_key":"k"}"#,
            r#"{"dedup_key":"k"}"#,
            r#"{"payload":{"summary":" "}}"#,
            "[]",
        ] {
            assert_eq!(reason(Pagerduty, body.as_bytes()), Reason::WrongShape, "{body}");
        }
    }
}
