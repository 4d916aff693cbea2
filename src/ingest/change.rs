//! Changes: our own form (`POST /api/v1/changes`), and what the files of hooks need to make one.
//!
//! Our own form is strict, because a person or script reads the answer. Hooks are read with
//! tolerance: what they do not say is left out, a time that cannot be is replaced by the receipt.
//! A kind that a hook does not name is guessed from its words.

use std::borrow::Cow;

use super::alert::cut;
use super::wire::{self, Object};
use super::{
    Envelope, KEY_BYTES_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX,
    SUMMARY_CHARS_MAX, URL_BYTES_MAX, Unusable, alert,
};
use crate::domain::{ChangeKind, ChangeReport, Claim, Labels, Name, Timestamp};

/// Longest author, service and other short text of a change in bytes.
const SHORT_BYTES_MAX: usize = 1024;

/// Reads a change in our own form.
pub(super) fn read(text: &str, received_at: Timestamp) -> Result<ChangeReport, Unusable> {
    strict(&Object::body(text)?, received_at).map_err(Unusable::wrong_shape)
}

fn strict(body: &Object<'_>, received_at: Timestamp) -> Result<ChangeReport, String> {
    let summary = body.strict_text("summary")?.unwrap_or_default();
    let summary = summary.trim();
    if summary.is_empty() {
        return Err("`summary` is missing; say in one line what was changed".to_owned());
    }
    if summary.chars().count() > SUMMARY_CHARS_MAX {
        return Err(format!("`summary` is longer than {SUMMARY_CHARS_MAX} characters"));
    }
    let at = moment(body, "at")?.unwrap_or(received_at);
    let ends_at = moment(body, "ends_at")?;
    if ends_at.is_some_and(|end| end < at) {
        return Err("`ends_at` is before `at`".to_owned());
    }
    let kind = match body.strict_text("kind")? {
        None => ChangeKind::Other,
        Some(word) => kind_from_word(&word).ok_or_else(|| {
            let words: Vec<&str> = ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`kind` must be one of {}", words.join(", "))
        })?,
    };
    let labels = alert::Pairs::lenient("label", "labels", body)
        .and_then(alert::Pairs::into_optional_labels)
        .map_err(|problem| format!("`labels` cannot be used: {problem}"))?;
    Ok(ChangeReport {
        source: Name::from(ChangeReport::OWN_SOURCE),
        at,
        ends_at,
        kind,
        service: short(body, "service", SHORT_BYTES_MAX)?.map(Name::new),
        summary: summary.to_owned(),
        author: short(body, "author", SHORT_BYTES_MAX)?,
        link: short(body, "link", URL_BYTES_MAX)?,
        labels,
        key: short(body, "key", KEY_BYTES_MAX)?,
    })
}

/// An optional text with a limit; an empty one counts as absent.
fn short(body: &Object<'_>, name: &str, bytes_max: usize) -> Result<Option<String>, String> {
    let Some(text) = body.strict_text(name)? else { return Ok(None) };
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(format!("`{name}` is longer than {bytes_max} bytes"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// An optional time: RFC 3339 or Unix seconds, as text or number.
fn moment(body: &Object<'_>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(json) = body.json(name) else { return Ok(None) };
    let text = wire::scalar(json).ok_or_else(|| format!("`{name}` must be a time"))?;
    Timestamp::parse(&text).map(Some).map_err(|error| format!("`{name}` cannot be read: {error}"))
}

fn kind_from_word(word: &str) -> Option<ChangeKind> {
    ChangeKind::ALL.into_iter().find(|kind| kind.as_str() == word)
}

/// A change of which a hook said nothing but the summary.
pub(super) fn report(envelope: &Envelope<'_>, text: &str) -> ChangeReport {
    ChangeReport {
        source: envelope.source.clone(),
        at: envelope.received_at,
        ends_at: None,
        kind: ChangeKind::Other,
        service: None,
        summary: summary(text),
        author: None,
        link: None,
        labels: Labels::default(),
        key: None,
    }
}

/// One line out of a hook's text: the first with something in it.
fn summary(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(no text)");
    match line.char_indices().nth(SUMMARY_CHARS_MAX) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

/// A time that a hook claims; the receipt where it cannot be read or be true.
pub(super) fn claimed(text: Option<&str>, received_at: Timestamp) -> Timestamp {
    Claim::start(text, received_at).at
}

/// A hook's name for a service or person, cut to its limit.
pub(super) fn name(text: Cow<'_, str>) -> String {
    cut(text, SHORT_BYTES_MAX).trim().to_owned()
}

/// A hook's address, unless it is too long to be whole.
pub(super) fn link(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|url| url.len() <= URL_BYTES_MAX).map(|url| url.trim().to_owned())
}

/// What a hook says beside, as labels within the limits; empty ones are left out.
pub(super) fn labels<'n, 'v>(pairs: impl IntoIterator<Item = (&'n str, Cow<'v, str>)>) -> Labels {
    Labels::from_pairs(
        pairs
            .into_iter()
            .filter(|(name, value)| {
                let fits = name.len() <= LABEL_NAME_BYTES_MAX && !name.is_empty();
                fits && !value.trim().is_empty()
            })
            .take(LABELS_MAX)
            .map(|(name, value)| (name, cut(value, LABEL_VALUE_BYTES_MAX))),
    )
}

/// What sort of change some text speaks of. The more telling words come first: a deploy that is
/// a rollback is a rollback, and a deploy of settings is a deploy.
pub(super) fn suggest_kind(text: &str) -> ChangeKind {
    const WORDS: [(ChangeKind, &[&str]); 6] = [
        (ChangeKind::Rollback, &["rollback", "rolledback", "rollingback", "revert"]),
        (ChangeKind::Maintenance, &["maintenance"]),
        (ChangeKind::Flag, &["flag", "featureflag", "toggle"]),
        (ChangeKind::Scaling, &["scale", "scaling", "autoscal", "upscal", "downscal"]),
        (ChangeKind::Deploy, &["deploy", "release", "rollout", "rolledout", "publish", "upgrade"]),
        (ChangeKind::Config, &["config", "setting"]),
    ];
    // "rolled back" is one word in types such as `service.rolledback`.
    let text =
        text.to_lowercase().replace("roll back", "rollback").replace("rolled back", "rollback");
    let tokens: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    WORDS
        .into_iter()
        .find(|(_, words)| {
            tokens.iter().any(|token| words.iter().any(|word| token.starts_with(word)))
        })
        .map_or(ChangeKind::Other, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Reason, read_change};

    fn received() -> Timestamp {
        Timestamp::parse("2026-03-02T10:00:00Z").unwrap()
    }

    #[test]
    fn a_change_in_our_own_form_is_read_whole() {
        let change = read_change(
            br#"{"at":"2026-03-02T09:00:00+01:00","ends_at":1772439300.5,"kind":"config",
                "service":"db","summary":" Pool size raised ","author":"dba","link":"https://x.test/1",
                "labels":{"env":"prod","empty":""},"key":"k1","more":[1]}"#,
            received(),
        )
        .unwrap();
        assert_eq!(change.at.to_string(), "2026-03-02T08:00:00.000Z");
        assert_eq!(change.ends_at.unwrap().to_string(), "2026-03-02T08:15:00.500Z");
        assert_eq!(change.kind, ChangeKind::Config);
        assert_eq!(change.service, Some(Name::from("db")));
        assert_eq!(change.summary, "Pool size raised");
        assert_eq!(change.labels, Labels::from_pairs([("env", "prod")]));
        assert_eq!((change.source.as_str(), change.key.as_deref()), ("api", Some("k1")));
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        let change = read_change(
            br#"{"summary":"x","at":null,"ends_at":null,"kind":null,"service":"","author":null,
                "link":null,"labels":null,"key":null}"#,
            received(),
        )
        .unwrap();
        assert_eq!((change.at, change.ends_at), (received(), None));
        assert_eq!((change.kind, change.service, change.key), (ChangeKind::Other, None, None));
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (body, expect) in [
            (r"{}", "`summary` is missing"),
            (r#"{"summary":"  "}"#, "`summary` is missing"),
            (r#"{"summary":5}"#, "`summary` must be a text"),
            (r#"{"summary":"x","at":"yesterday"}"#, "`at` cannot be read"),
            (r#"{"summary":"x","at":[1]}"#, "`at` must be a time"),
            (r#"{"summary":"x","at":20,"ends_at":10}"#, "`ends_at` is before `at`"),
            (r#"{"summary":"x","kind":"Deploy!"}"#, "`kind` must be one of deploy, rollback"),
            (r#"{"summary":"x","kind":1}"#, "`kind` must be a text"),
            (r#"{"summary":"x","service":{}}"#, "`service` must be a text"),
            (r#"{"summary":"x","labels":[]}"#, "`labels` cannot be used"),
            (r#"{"summary":"x","labels":{"a":1}}"#, "label `a` is not a text"),
            (r"[]", "not an object"),
        ] {
            let error = read_change(body.as_bytes(), received()).unwrap_err();
            assert_eq!(error.reason, Reason::WrongShape, "{body}");
            assert!(error.problem.contains(expect), "{body}: {}", error.problem);
        }
        assert_eq!(read_change(b"", received()).unwrap_err().reason, Reason::NotJson);
    }

    #[test]
    fn a_kind_is_guessed_from_the_words() {
        for (text, expect) in [
            ("com.example.deployment.finished", ChangeKind::Deploy),
            ("Deploy orders 1.42.0", ChangeKind::Deploy),
            ("dev.cdevents.service.rolledback.0.1.1", ChangeKind::Rollback),
            ("Deploy: roll back to 1.41", ChangeKind::Rollback),
            ("Reverted the release", ChangeKind::Rollback),
            ("feature-flag checkout.v2 on", ChangeKind::Flag),
            ("Autoscaling group changed", ChangeKind::Scaling),
            ("Scala build", ChangeKind::Other),
            ("Planned maintenance", ChangeKind::Maintenance),
            ("configmap updated", ChangeKind::Config),
            ("CI", ChangeKind::Other),
            ("", ChangeKind::Other),
        ] {
            assert_eq!(suggest_kind(text), expect, "{text}");
        }
    }
}
