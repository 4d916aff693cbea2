//! CloudEvents 1.0 over HTTP, as changes: structured, binary (`ce-*` headers) and batch.
//!
//! An event is the same event when source and id are. What it is about is its subject, unless the
//! data name a service. The kind of change is guessed from the type, the way CDEvents and most CI
//! systems write it. An empty batch is in order.

use std::borrow::Cow;

use super::alert::content_hash;
use super::wire::{self, Object, percent_decoded};
use super::{Envelope, Found, KEY_BYTES_MAX, Parsed, Refused, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{ChangeReport, Name};

/// The attributes of an event, wherever they were written.
#[derive(Default)]
struct Event<'a> {
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    data: Option<Object<'a>>,
}

/// Reads an event or a batch of them.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let content_type = envelope.header("content-type").unwrap_or("").trim().to_ascii_lowercase();
    // The batch is asked for first, because its type begins with the other one.
    let is_batch = content_type.starts_with("application/cloudevents-batch");
    let is_structured = content_type.starts_with("application/cloudevents");
    let is_binary = envelope.header("ce-id").or(envelope.header("ce-type")).is_some();
    if is_binary && !is_structured {
        return one(envelope, binary(envelope, text), Unusable::wrong_shape);
    }
    if is_batch || (!is_structured && text.trim_start().starts_with('[')) {
        return batch(envelope, text);
    }
    one(envelope, structured(&Object::body(text)?), Unusable::wrong_shape)
}

fn one(
    envelope: &Envelope<'_>,
    event: Event<'_>,
    refuse: impl Fn(String) -> Unusable,
) -> Result<Parsed, Unusable> {
    let report = change_of(envelope, &event).map_err(refuse)?;
    Found::change(report).finish(envelope, Path::Webhook)
}

fn batch(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let mut found = Found::default();
    for (index, json) in wire::list(text)?.enumerate() {
        let read = Object::value(json)
            .ok_or_else(|| "it is not an object".to_owned())
            .and_then(|object| change_of(envelope, &structured(&object)));
        match read {
            Ok(report) => found.changes.push(report),
            Err(problem) => found.refused.push(Refused { index, problem }),
        }
    }
    found.finish(envelope, Path::Webhook)
}

fn structured<'a>(object: &Object<'a>) -> Event<'a> {
    Event {
        id: object.text("id"),
        source: object.text("source"),
        kind: object.text("type"),
        subject: object.text("subject"),
        time: object.text("time"),
        data: object.object("data"),
    }
}

/// The attributes are headers, the body is the data, which may be anything.
fn binary<'a>(envelope: &Envelope<'_>, text: &'a str) -> Event<'a> {
    let attribute = |name: &str| {
        let value = percent_decoded(envelope.header(name)?);
        (!value.trim().is_empty()).then_some(Cow::Owned(value))
    };
    Event {
        id: attribute("ce-id"),
        source: attribute("ce-source"),
        kind: attribute("ce-type"),
        subject: attribute("ce-subject"),
        time: attribute("ce-time"),
        data: Object::value(text),
    }
}

fn change_of(envelope: &Envelope<'_>, event: &Event<'_>) -> Result<ChangeReport, String> {
    let needed = |value: &Option<Cow<'_, str>>, name: &str| match value {
        Some(value) => Ok(value.clone().into_owned()),
        None => Err(format!("its attribute `{name}` is missing")),
    };
    let (id, source) = (needed(&event.id, "id")?, needed(&event.source, "source")?);
    let kind = needed(&event.kind, "type")?;
    let of_data = |fields: &[&str]| event.data.as_ref().and_then(|data| data.first_of(fields));
    let subject = event.subject.clone().map(Cow::into_owned);
    let service = of_data(&["service", "app", "application", "component"])
        .map(Cow::into_owned)
        .or_else(|| subject.clone());
    let told = of_data(&["summary", "message", "title", "description"]);
    let composed = || {
        let version = of_data(&["version", "revision"]);
        let what = [subject.as_deref(), version.as_deref()];
        let what: Vec<&str> = what.into_iter().flatten().collect();
        if what.is_empty() { kind.clone() } else { format!("{kind}: {}", what.join(" ")) }
    };
    let mut report = change::report(envelope, &told.map_or_else(composed, Cow::into_owned));
    report.at = change::claimed(event.time.as_deref(), envelope.received_at);
    report.kind = change::suggest_kind(&kind);
    report.service = service.map(|service| Name::new(change::name(service.into())));
    report.author = of_data(&["author", "actor", "user"]).map(change::name);
    report.link = change::link(of_data(&["link", "url", "html_url"]));
    let attributes = [("type", Cow::Borrowed(&*kind)), ("source", Cow::Borrowed(&*source))];
    report.labels = change::labels(event.data.iter().flat_map(Object::scalars).chain(attributes));
    report.key = Some(key(&source, &id));
    Ok(report)
}

/// Source and id, which together are unique.
fn key(source: &str, id: &str) -> String {
    let key = format!("{source} {id}");
    if key.len() <= KEY_BYTES_MAX { key } else { content_hash(&[source.as_bytes(), id.as_bytes()]) }
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Cloudevents;
    use crate::domain::{ChangeKind, ChangeReport, Name};
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, payload, read_with, reason};

    const BATCH: &[(&str, &str)] =
        &[("content-type", "application/cloudevents-batch+json; charset=utf-8")];

    fn binary() -> ChangeReport {
        let text = std::str::from_utf8(payload!("cloudevents/02-binary.headers")).unwrap();
        let lower: Vec<(String, &str)> = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        let headers: Vec<(&str, &str)> = lower.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        read_with(Cloudevents, &headers, payload!("cloudevents/02-binary.json"))
            .unwrap()
            .delivery
            .changes
            .remove(0)
    }

    #[test]
    fn a_structured_event_is_read_whole() {
        let change = parse(Cloudevents, payload!("cloudevents/01-structured.json"))
            .delivery
            .changes
            .remove(0);
        assert_eq!(change.summary, "com.example.deployment.finished: orders 1.42.0");
        assert_eq!((change.kind, change.at), (ChangeKind::Deploy, at("2026-03-02T09:58:12Z")));
        assert_eq!(change.service, Some(Name::from("orders")));
        assert_eq!(change.labels.get("environment"), Some("prod"));
        assert_eq!(change.key.as_deref(), Some("/ci/orders c-1"));
    }

    #[test]
    fn headers_of_a_binary_event_are_decoded_once() {
        let change = binary();
        assert_eq!(change.service, Some(Name::from("Euro € 😀")));
        assert_eq!(change.at, at("2026-03-02T09:58:12Z"));
        assert_eq!(change.key.as_deref(), Some("/ci/orders c-2"));
        assert_eq!(change.labels.get("version"), Some("1.42.0"));
    }

    #[test]
    fn a_batch_keeps_what_is_sound_and_may_be_empty() {
        let body = br#"[{"specversion":"1.0","id":"1","source":"s","type":"t"},{"id":"2"},3]"#;
        for headers in [BATCH, &[]] {
            let parsed = read_with(Cloudevents, headers, body).unwrap();
            assert_eq!((parsed.delivery.changes.len(), parsed.refused.len()), (1, 2));
            let empty = read_with(Cloudevents, headers, b"[]").unwrap();
            assert!(empty.delivery.changes.is_empty() && empty.refused.is_empty());
        }
        let error = read_with(Cloudevents, BATCH, b"{}").unwrap_err();
        assert_eq!(error.reason, Reason::WrongShape);
    }

    #[test]
    fn the_attributes_that_make_an_event_are_needed() {
        for body in [r#"{"id":"1","source":"s"}"#, r#"{"type":"t","source":"s"}"#, "{}", "7"] {
            assert_eq!(reason(Cloudevents, body.as_bytes()), Reason::WrongShape, "{body}");
        }
        assert_eq!(reason(Cloudevents, b""), Reason::NotJson);
        let headers = [("ce-id", "1"), ("ce-source", "s"), ("ce-type", "t")];
        assert!(read_with(Cloudevents, &headers, b"").is_ok());
    }
}
