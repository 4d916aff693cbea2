//! The form in which Alertmanager, Grafana and Prometheus write alerts, and what becomes of its
//! parts.
//!
//! A body is read in one pass into structures that borrow from it. When that fails over anything
//! (a wrong type, a field twice, half a surrogate), the same structures are filled field by field,
//! each alert by itself, so that one bad alert never takes the others with it. Both ways give the
//! same alerts. Labels, annotations and status must have their types; a time or an address of
//! another type only counts as unreadable or absent. Callers: the files of the three senders, and
//! `generic` for the parts.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

use super::wire::{self, Object, Text};
use super::{
    ANNOTATIONS_MAX, Found, KEY_BYTES_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX,
    Reason, Refused, URL_BYTES_MAX, Unusable,
};
use crate::domain::time::is_zero_time;
use crate::domain::{Labels, Link, Name, Timestamp, Word};

/// Most pairs that are kept of an object while it is read; the larger of both limits.
const PAIRS_MAX: usize = if LABELS_MAX > ANNOTATIONS_MAX { LABELS_MAX } else { ANNOTATIONS_MAX };
/// Most measured values of one alert.
const VALUES_MAX: usize = 128;

/// One alert as sent. Which fields count is for the sender's file to say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Alert<'a> {
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) labels: Pairs<'a>,
    #[serde(borrow)]
    pub(super) annotations: Pairs<'a>,
    #[serde(borrow)]
    pub(super) starts_at: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) ends_at: Option<Text<'a>>,
    #[serde(borrow, rename = "generatorURL")]
    pub(super) generator_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) fingerprint: Option<Text<'a>>,
    #[serde(borrow, rename = "dashboardURL")]
    pub(super) dashboard_url: Option<Text<'a>>,
    #[serde(borrow, rename = "panelURL")]
    pub(super) panel_url: Option<Text<'a>>,
    #[serde(borrow, rename = "silenceURL")]
    pub(super) silence_url: Option<Text<'a>>,
    #[serde(borrow, rename = "imageURL")]
    pub(super) image_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) values: Option<Values<'a>>,
    #[serde(borrow)]
    pub(super) value_string: Option<Text<'a>>,
    pub(super) org_id: Option<i64>,
}

/// What a notification says of itself. Its own status and common labels are not here, because
/// they lie when alerts were left out.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) sender: Option<Name>,
    pub(super) group: Option<Name>,
    /// As sent, to recognise Grafana's test.
    pub(super) group_key: String,
    pub(super) truncated: u64,
    pub(super) org_id: Option<i64>,
}

/// A notification: the body of a webhook.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    #[serde(borrow)]
    alerts: Alerts<'a>,
    #[serde(borrow, default, rename = "externalURL")]
    external_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    group_key: Option<Text<'a>>,
    #[serde(default)]
    truncated_alerts: Option<u64>,
    #[serde(default)]
    org_id: Option<i64>,
}

/// Makes a word of an alert, or says why it cannot be used.
pub(super) trait MakeWord: FnMut(&Head, Alert<'_>) -> Result<Word, String> {}
impl<F: FnMut(&Head, Alert<'_>) -> Result<Word, String>> MakeWord for F {}

/// Reads a webhook's notification.
pub(super) fn notification(text: &str, mut make: impl MakeWord) -> Result<Found, Unusable> {
    if let Ok(fast) = serde_json::from_str::<Notification<'_>>(text) {
        let head = Head::new(
            fast.external_url.as_ref().map_or("", Text::as_str),
            fast.group_key.as_ref().map_or("", Text::as_str),
            fast.truncated_alerts,
            fast.org_id,
        );
        return words(head, fast.alerts.0.into_iter().map(Ok), &mut make);
    }
    let text = wire::mended(text);
    let body = Object::body(&text)?;
    let number = |name| body.scalar(name).and_then(|text| text.parse().ok());
    let head = Head::new(
        body.text("externalURL").as_deref().unwrap_or(""),
        body.text("groupKey").as_deref().unwrap_or(""),
        body.scalar("truncatedAlerts").and_then(|text| text.parse().ok()),
        number("orgId"),
    );
    match body.json("alerts") {
        Some(list) => words(head, wire::list(list)?.map(Alert::lenient), &mut make),
        None if body.has("alerts") => Err(no_alert()),
        None => Err(Unusable::wrong_shape("there is no `alerts` list in the body")),
    }
}

/// Reads a plain list of alerts.
pub(super) fn plain_list(text: &str, mut make: impl MakeWord) -> Result<Found, Unusable> {
    if let Ok(fast) = serde_json::from_str::<Alerts<'_>>(text) {
        return words(Head::default(), fast.0.into_iter().map(Ok), &mut make);
    }
    let text = wire::mended(text);
    words(Head::default(), wire::list(&text)?.map(Alert::lenient), &mut make)
}

fn words<'a>(
    head: Head,
    alerts: impl Iterator<Item = Result<Alert<'a>, String>>,
    make: &mut impl MakeWord,
) -> Result<Found, Unusable> {
    let mut words = Vec::with_capacity(alerts.size_hint().0);
    let mut refused = Vec::new();
    for (index, alert) in alerts.enumerate() {
        match alert.and_then(|alert| make(&head, alert)) {
            Ok(word) => words.push(word),
            Err(problem) => refused.push(Refused { index, problem }),
        }
    }
    if words.is_empty() && refused.is_empty() {
        return Err(no_alert());
    }
    Ok(Found {
        sender: head.sender,
        group: head.group,
        truncated: head.truncated,
        words,
        refused,
        ..Found::default()
    })
}

/// The error for a list without anything in it.
pub(super) fn no_alert() -> Unusable {
    Unusable { reason: Reason::NoAlert, problem: "the list of alerts is empty".to_owned() }
}

impl Head {
    fn new(sender: &str, group_key: &str, truncated: Option<u64>, org_id: Option<i64>) -> Self {
        Self {
            sender: (!sender.is_empty() && sender.len() <= URL_BYTES_MAX)
                .then(|| Name::from(sender)),
            group: group(group_key),
            group_key: group_key.to_owned(),
            truncated: truncated.unwrap_or(0),
            org_id,
        }
    }
}

/// A group key, which is only ever compared; a long one is as good by its hash.
fn group(key: &str) -> Option<Name> {
    match key.len() {
        0 => None,
        1..=KEY_BYTES_MAX => Some(Name::from(key)),
        _ => Some(Name::new(content_hash(&[key.as_bytes()]))),
    }
}

/// 128 bits of a SHA-256 over some parts, in hexadecimal: a key made from content.
pub(super) fn content_hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl<'a> Alert<'a> {
    /// Reads one alert field by field.
    fn lenient(json: &'a str) -> Result<Self, String> {
        let object = Object::value(json).ok_or("it is not an object")?;
        let text = |name| object.text(name).map(Text);
        Ok(Self {
            // A status of another type is kept as written, to be refused where it counts.
            status: object
                .json("status")
                .map(|json| Text(wire::string(json).unwrap_or(Cow::Borrowed(json)))),
            labels: Pairs::lenient("label", "labels", &object)?,
            annotations: Pairs::lenient("annotation", "annotations", &object)?,
            starts_at: time(&object, "startsAt"),
            ends_at: time(&object, "endsAt"),
            generator_url: text("generatorURL"),
            fingerprint: text("fingerprint"),
            dashboard_url: text("dashboardURL"),
            panel_url: text("panelURL"),
            silence_url: text("silenceURL"),
            image_url: text("imageURL"),
            values: object.object("values").map(|values| Values::lenient(&values)),
            value_string: text("valueString"),
            org_id: object.scalar("orgId").and_then(|text| text.parse().ok()),
        })
    }

    /// Whether it is over: as its status says, or, without one, by its end having passed.
    pub(super) fn is_resolved(&self, received_at: Timestamp) -> Result<bool, String> {
        match self.status.as_ref().map(Text::as_str) {
            Some("firing") => Ok(false),
            Some("resolved") => Ok(true),
            None => Ok(self
                .ends_at()
                .filter(|text| !is_zero_time(text))
                .and_then(|text| Timestamp::parse_rfc3339(text).ok())
                .is_some_and(|end| end <= received_at)),
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                Err(format!("its status `{shown}` is neither `firing` nor `resolved`"))
            }
        }
    }

    pub(super) fn starts_at(&self) -> Option<&str> {
        self.starts_at.as_ref().map(Text::as_str)
    }

    pub(super) fn ends_at(&self) -> Option<&str> {
        self.ends_at.as_ref().map(Text::as_str)
    }
}

/// A time as sent, whatever its type: a claim that cannot be read is kept, not refused.
fn time<'a>(object: &Object<'a>, name: &str) -> Option<Text<'a>> {
    object.json(name).map(|json| Text(wire::string(json).unwrap_or(Cow::Borrowed(json))))
}

/// A list of alerts; null is an empty one, as Go writes it.
struct Alerts<'a>(Vec<Alert<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Alerts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AlertsVisitor;

        impl<'de> Visitor<'de> for AlertsVisitor {
            type Value = Alerts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of alerts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Alerts<'de>, A::Error> {
                wire::capped(seq).map(Alerts)
            }
        }

        deserializer.deserialize_seq(AlertsVisitor)
    }
}

/// Names with values, in the order in which they were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs<'a> {
    list: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// True when there were more than are kept.
    is_cut: bool,
}

impl<'a> Pairs<'a> {
    fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if self.list.len() < PAIRS_MAX {
            self.list.push((name, value));
        } else {
            self.is_cut = true;
        }
    }

    /// Reads a field of texts; says which one is none. `one` is what to call one of them.
    pub(super) fn lenient(one: &str, field: &str, object: &Object<'a>) -> Result<Self, String> {
        let mut pairs = Self::default();
        let Some(json) = object.json(field) else { return Ok(pairs) };
        let object =
            Object::value(json).ok_or_else(|| format!("its `{field}` are not an object"))?;
        for (name, json) in object.fields() {
            let shown = || name.chars().take(64).collect::<String>();
            let value = wire::string(json)
                .ok_or_else(|| format!("the value of its {one} `{}` is not a text", shown()))?;
            pairs.push(Cow::Owned(name.to_owned()), value);
        }
        Ok(pairs)
    }

    /// Labels, without empty ones: for every sender an empty label is an absent one.
    pub(super) fn into_labels(self) -> Result<Labels, String> {
        let labels = self.into_optional_labels()?;
        if labels.is_empty() { Err("it has no label with a value".to_owned()) } else { Ok(labels) }
    }

    /// As [`Pairs::into_labels`], for alerts that may come without labels.
    pub(super) fn into_optional_labels(self) -> Result<Labels, String> {
        if self.is_cut || self.list.len() > LABELS_MAX {
            return Err(format!("it has more than {LABELS_MAX} labels"));
        }
        for (name, value) in &self.list {
            if name.is_empty() {
                return Err("one of its labels has no name".to_owned());
            }
            if name.len() > LABEL_NAME_BYTES_MAX {
                return Err(format!(
                    "the name of one of its labels is longer than {LABEL_NAME_BYTES_MAX} bytes"
                ));
            }
            if value.len() > LABEL_VALUE_BYTES_MAX {
                return Err(format!(
                    "the value of its label `{name}` is longer than {LABEL_VALUE_BYTES_MAX} bytes"
                ));
            }
        }
        // Empty ones go after equal names were settled, or an earlier value would come back.
        let labels = Labels::from_pairs(self.list);
        if labels.iter().all(|(_, value)| !value.is_empty()) {
            return Ok(labels);
        }
        Ok(Labels::from_pairs(labels.iter().filter(|(_, value)| !value.is_empty())))
    }

    /// Annotations, cut to their limits: they only describe, and the body is kept as sent.
    pub(super) fn into_annotations(self) -> Labels {
        Labels::from_pairs(
            self.list
                .into_iter()
                .filter(|(name, _)| !name.is_empty() && name.len() <= LABEL_NAME_BYTES_MAX)
                .take(ANNOTATIONS_MAX)
                .map(|(name, value)| (name, cut(value, LABEL_VALUE_BYTES_MAX))),
        )
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Cow<'a, str>)> for Pairs<'a> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>>(pairs: I) -> Self {
        let mut all = Self::default();
        for (name, value) in pairs {
            all.push(name, value);
        }
        all
    }
}

/// The text up to a number of bytes, with a sign where something is missing.
pub(super) fn cut(text: Cow<'_, str>, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.floor_char_boundary(bytes_max - '…'.len_utf8());
    Cow::Owned(format!("{}…", &text[..end]))
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                // Few alerts have more; growing from there is rare.
                let mut pairs = Pairs { list: Vec::with_capacity(16), is_cut: false };
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push(name.0, value.0);
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// Measured values by name. Null stands for what is no number in JSON.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values<'a>(Vec<(Cow<'a, str>, f64)>);

impl<'a> Values<'a> {
    /// Keeps what is a number.
    fn lenient(object: &Object<'a>) -> Self {
        Self(
            object
                .fields()
                .filter_map(|(name, json)| {
                    let value: f64 = serde_json::from_str(json).ok()?;
                    Some((Cow::Owned(name.to_owned()), value))
                })
                .take(VALUES_MAX)
                .collect(),
        )
    }

    /// Sorted by name, so that the sender's order does not matter.
    pub(super) fn into_list(self) -> Vec<(Box<str>, f64)> {
        let mut list: Vec<(Box<str>, f64)> = self
            .0
            .into_iter()
            .filter(|(name, value)| value.is_finite() && name.len() <= LABEL_NAME_BYTES_MAX)
            .map(|(name, value)| (name.into(), value))
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;

        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    if values.len() == VALUES_MAX {
                        map.next_value::<IgnoredAny>()?;
                    } else if let Some(value) = map.next_value::<Option<f64>>()? {
                        values.push((name.0, value));
                    }
                }
                Ok(Values(values))
            }
        }

        deserializer.deserialize_map(ValuesVisitor)
    }
}

/// Adds a way back to the evidence, if there is an address and it is not too long to be whole.
pub(super) fn add_link(links: &mut Vec<Link>, rel: &str, url: Option<&str>) {
    let Some(url) = url.map(str::trim) else { return };
    let is_known = links.iter().any(|link| link.rel.as_str() == rel && &*link.url == url);
    if !url.is_empty() && url.len() <= URL_BYTES_MAX && !is_known {
        links.push(Link { rel: rel_name(rel), url: url.into() });
    }
}

/// What a link leads to. There are few such names and many links, so each name exists once.
fn rel_name(rel: &str) -> Name {
    static KNOWN: LazyLock<[Name; 6]> = LazyLock::new(|| {
        ["generator", "runbook", "dashboard", "panel", "silence", "image"].map(Name::from)
    });
    let known = KNOWN.iter().find(|name| name.as_str() == rel);
    known.cloned().unwrap_or_else(|| Name::from(rel))
}

#[cfg(test)]
mod tests;
