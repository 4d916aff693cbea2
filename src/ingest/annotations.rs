//! Grafana's annotation API, as changes: what deploy hooks already send.
//!
//! The JSON form has `text` and times in milliseconds, the Graphite form `what` and a time in
//! seconds; the shape tells them apart. Tags such as `service:orders` or `env=prod` become labels.

use std::borrow::Cow;

use serde_json::json;

use super::alert::content_hash;
use super::wire::{self, Object};
use super::{Envelope, Found, LABELS_MAX, Parsed, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{ChangeReport, Claim, Name, Timestamp};

/// Reads an annotation.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let body = Object::body(text)?;
    let (mut report, message) = match (body.text("text"), body.text("what")) {
        (Some(what), _) => {
            let mut report = report(envelope, &body, &what, None);
            report.at = millis(&body, "time", envelope.received_at).unwrap_or(report.at);
            report.ends_at =
                millis(&body, "timeEnd", envelope.received_at).filter(|end| *end > report.at);
            (report, "Annotation added")
        }
        (None, Some(what)) => {
            let mut report = report(envelope, &body, &what, body.text("data"));
            let when = body.scalar("when").and_then(|when| Timestamp::parse(&when).ok());
            report.at = plausible(when, envelope.received_at).unwrap_or(report.at);
            (report, "Graphite annotation added")
        }
        (None, None) => {
            return Err(Unusable::wrong_shape("`text` (or `what`, in Graphite's form) is missing"));
        }
    };
    let hash = content_hash(&[text.as_bytes()]);
    let has_time = body.json("time").or(body.json("when")).is_some();
    // The same bytes with a time of their own are the same change; without one they may be two.
    report.key = has_time.then(|| hash.clone());
    // Grafana answers with a number; one from the content is stable over repeats. 13 hexadecimal
    // digits stay exact in a floating-point number.
    let id = u64::from_str_radix(&hash[..13], 16).unwrap_or(1);
    let found =
        Found { reply: Some(json!({"message": message, "id": id})), ..Found::change(report) };
    found.finish(envelope, Path::Webhook)
}

fn report(
    envelope: &Envelope<'_>,
    body: &Object<'_>,
    what: &str,
    data: Option<Cow<'_, str>>,
) -> ChangeReport {
    let tags = tags(body);
    let mut report = change::report(envelope, what);
    report.kind = change::suggest_kind(&format!("{} {what}", tags.join(" ")));
    let mut plain = Vec::new();
    let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for tag in &tags {
        match tag.split_once([':', '=']) {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                pairs.push((name.trim(), Cow::Borrowed(value.trim())));
            }
            _ => plain.push(tag.as_ref()),
        }
    }
    let of = |names: &[&str]| {
        pairs.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value.clone())
    };
    report.service = of(&["service", "app"]).map(|service| Name::new(change::name(service)));
    report.author = of(&["author", "user"]).map(change::name);
    let plain = (!plain.is_empty()).then(|| ("tags", Cow::Owned(plain.join(" "))));
    let data = data.map(|data| ("data", data));
    let dashboard = body.text("dashboardUID").map(|uid| ("dashboard_uid", uid));
    report.labels = change::labels(pairs.into_iter().chain(plain).chain(data).chain(dashboard));
    report
}

/// The tags: a list, or words with spaces between them.
fn tags<'a>(body: &Object<'a>) -> Vec<Cow<'a, str>> {
    let Some(json) = body.json("tags") else { return Vec::new() };
    match wire::string(json) {
        Some(words) => words
            .split_whitespace()
            .take(LABELS_MAX)
            .map(|word| Cow::Owned(word.to_owned()))
            .collect(),
        None => match wire::list(json) {
            Ok(list) => list.take(LABELS_MAX).filter_map(wire::string).collect(),
            Err(_) => Vec::new(),
        },
    }
}

/// A time in milliseconds; zero is none.
fn millis(body: &Object<'_>, field: &str, received_at: Timestamp) -> Option<Timestamp> {
    let millis: i64 = body.scalar(field)?.parse().ok()?;
    plausible(Some(Timestamp::from_millis(millis)), received_at)
}

/// The time, unless it is zero or further ahead than a sender's clock can be wrong.
fn plausible(time: Option<Timestamp>, received_at: Timestamp) -> Option<Timestamp> {
    time.filter(|at| *at > Timestamp::EPOCH && *at - received_at <= Claim::FUTURE_LIMIT)
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Annotations;
    use crate::domain::{ChangeKind, Name};
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, reason, received_at};

    #[test]
    fn the_json_form_counts_in_milliseconds() {
        let parsed = parse(
            Annotations,
            br#"{"dashboardUID":"d1","panelId":2,"time":1772445492000,"timeEnd":1772445552500,
                "tags":["deploy","service:orders","env=prod","v1.42"],"text":"orders 1.42.0\nby CI"}"#,
        );
        let change = &parsed.delivery.changes[0];
        assert_eq!((change.summary.as_str(), change.kind), ("orders 1.42.0", ChangeKind::Deploy));
        assert_eq!(change.at, at("2026-03-02T09:58:12Z"));
        assert_eq!(change.ends_at, Some(at("2026-03-02T09:59:12.5Z")));
        assert_eq!(change.service, Some(Name::from("orders")));
        assert_eq!(change.labels.get("env"), Some("prod"));
        assert_eq!(change.labels.get("tags"), Some("deploy v1.42"));
        let reply = parsed.reply.unwrap();
        assert_eq!(reply["message"], "Annotation added");
        assert!(reply["id"].as_u64().unwrap() > 0);
    }

    #[test]
    fn the_graphite_form_counts_in_seconds() {
        for tags in [r#""deploy service:orders""#, r#"["deploy","service:orders"]"#] {
            let body = format!(
                r#"{{"what":"Release 1.42","tags":{tags},"when":1772445492,"data":"details"}}"#
            );
            let parsed = parse(Annotations, body.as_bytes());
            let change = &parsed.delivery.changes[0];
            assert_eq!((change.at, change.kind), (at("2026-03-02T09:58:12Z"), ChangeKind::Deploy));
            assert_eq!(change.service, Some(Name::from("orders")));
            assert_eq!(change.labels.get("data"), Some("details"));
            assert_eq!(parsed.reply.unwrap()["message"], "Graphite annotation added");
        }
    }

    #[test]
    fn without_a_time_it_happened_when_it_was_received() {
        for body in [
            r#"{"text":"x"}"#,
            r#"{"text":"x","time":0}"#,
            r#"{"text":"x","time":"now"}"#,
            r#"{"text":"x","time":99999999999999}"#,
            r#"{"what":"x","tags":7}"#,
        ] {
            let change = parse(Annotations, body.as_bytes()).delivery.changes.remove(0);
            assert_eq!(change.at, received_at(), "{body}");
        }
        let change = parse(Annotations, br#"{"text":"x"}"#).delivery.changes.remove(0);
        assert_eq!(change.key, None);
    }

    #[test]
    fn a_text_is_needed() {
        assert_eq!(reason(Annotations, br#"{"tags":["deploy"]}"#), Reason::WrongShape);
        assert_eq!(reason(Annotations, br#"{"text":5}"#), Reason::WrongShape);
    }
}
