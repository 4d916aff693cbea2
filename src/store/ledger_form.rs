//! How a record's body is written down.
//!
//! The ledger is append-only and is never rewritten, so its form is a promise: each row names the
//! number of the form it is written in (column `form`), and a form that was ever released stays
//! readable. Within a form fields may be added when they have a default; a test pins the text.
//!
//! A delivery is written with one-letter fields and refers to interned texts: a repeat of an alert
//! is about fifty bytes. Everything else is rare and written as the domain writes it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::rows::{from_json, to_json};
use crate::domain::alert::Link;
use crate::domain::record::{Delivery, Path};
use crate::domain::{
    AlertKey, ChangeReport, Claim, Ending, Labels, Name, RecordBody, Timestamp, Word, WordState,
};

/// The form that this release writes, and the newest it can read.
pub(super) const FORM: i64 = 1;

/// A body, ready to be written but for the numbers of its texts.
#[derive(Debug)]
pub(super) enum Encoded {
    /// Refers to texts by their place in the list.
    Delivery(DeliveryForm, Vec<String>),
    /// The text itself.
    Plain(String),
}

/// A delivery. Numbers are those of interned texts.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeliveryForm {
    /// Source.
    #[serde(rename = "s")]
    source: Name,
    /// True on the API path.
    #[serde(rename = "i", default, skip_serializing_if = "is_default")]
    by_api: bool,
    /// Sender's address: a [`TextSort::Name`].
    #[serde(rename = "x", default, skip_serializing_if = "is_default")]
    sender: Option<u64>,
    /// Group: a [`TextSort::Name`].
    #[serde(rename = "g", default, skip_serializing_if = "is_default")]
    group: Option<u64>,
    /// Alerts that the sender left out.
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    truncated: u64,
    /// Alerts in quarantine.
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    rejected: u64,
    /// Words.
    #[serde(rename = "w", default, skip_serializing_if = "is_default")]
    words: Vec<WordForm>,
    /// Changes, as the domain writes them: they are rare.
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    changes: Vec<ChangeReport>,
}

/// A word. It fires unless it has an end.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct WordForm {
    /// Key and labels: a [`TextSort::Series`].
    #[serde(rename = "k")]
    series: u64,
    /// Annotations: a [`TextSort::Labels`]; none when there are none.
    #[serde(rename = "a", default, skip_serializing_if = "is_default")]
    annotations: Option<u64>,
    /// Links: a [`TextSort::Links`]; none when there are none.
    #[serde(rename = "l", default, skip_serializing_if = "is_default")]
    links: Option<u64>,
    /// Start.
    #[serde(rename = "t")]
    starts_at: Timestamp,
    /// The start as sent, when it was refused.
    #[serde(rename = "tr", default, skip_serializing_if = "is_default")]
    start_refused: Option<Box<str>>,
    /// Lease of a firing.
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    lease: Option<Timestamp>,
    /// End of a resolve.
    #[serde(rename = "e", default, skip_serializing_if = "is_default")]
    ends_at: Option<Timestamp>,
    /// The end as sent, when it was refused.
    #[serde(rename = "er", default, skip_serializing_if = "is_default")]
    end_refused: Option<Box<str>>,
    /// The sender's word for an end that is no recovery.
    #[serde(rename = "q", default, skip_serializing_if = "is_default")]
    abandoned: Option<Box<str>>,
    /// Values by name.
    #[serde(rename = "v", default, skip_serializing_if = "is_default")]
    values: Vec<(Box<str>, f64)>,
    /// True for a sender's test.
    #[serde(rename = "z", default, skip_serializing_if = "is_default")]
    is_test: bool,
}

/// What a word is about: the part that all words of an alert share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    #[serde(flatten)]
    key: AlertKey,
    #[serde(rename = "y", default, skip_serializing_if = "is_default")]
    key_from_labels: bool,
    #[serde(rename = "l")]
    labels: Labels,
}

/// What an interned text is read as. The same text may be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TextSort {
    Series,
    Labels,
    Links,
    Name,
}

/// An interned text, read.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Series(Arc<Series>),
    Labels(Labels),
    Links(Arc<[Link]>),
    Name(Name),
}

impl Text {
    /// Reads a stored text.
    pub(super) fn read(sort: TextSort, text: &str) -> Result<Self, StoreError> {
        let what = "an interned text";
        Ok(match sort {
            TextSort::Series => Self::Series(from_json(text, what)?),
            TextSort::Labels => Self::Labels(from_json(text, what)?),
            TextSort::Links => Self::Links(from_json(text, what)?),
            TextSort::Name => Self::Name(Name::from(text)),
        })
    }
}

/// Finds interned texts by number.
pub(super) trait Texts {
    /// The text, read as what it is.
    fn text(&mut self, id: u64, sort: TextSort) -> Result<Text, StoreError>;
}

/// The word for a body in the column `kind`.
pub(super) fn kind(body: &RecordBody) -> &'static str {
    match body {
        RecordBody::Delivery(_) => "delivery",
        RecordBody::Operation(_) => "operation",
        RecordBody::Topology(_) => "topology",
        RecordBody::Rules(_) => "rules",
        RecordBody::Start(_) => "start",
        RecordBody::Stop => "stop",
        RecordBody::Tick => "tick",
        RecordBody::Skip(_) => "skip",
    }
}

/// Writes a body down, all but the numbers of its texts.
pub(super) fn encode(body: &RecordBody) -> Result<Encoded, StoreError> {
    let what = "a record";
    Ok(match body {
        RecordBody::Delivery(delivery) => return encode_delivery(delivery),
        RecordBody::Operation(operation) => Encoded::Plain(to_json(operation, what)?),
        RecordBody::Topology(topology) => Encoded::Plain(to_json(topology, what)?),
        RecordBody::Rules(rules) => Encoded::Plain(to_json(rules, what)?),
        RecordBody::Start(start) => Encoded::Plain(to_json(start, what)?),
        RecordBody::Skip(skip) => Encoded::Plain(to_json(skip, what)?),
        RecordBody::Stop | RecordBody::Tick => Encoded::Plain(String::new()),
    })
}

/// Reads a body.
pub(super) fn decode(
    kind: &str,
    form: i64,
    text: &str,
    texts: &mut impl Texts,
) -> Result<RecordBody, StoreError> {
    if form != FORM {
        return Err(StoreError::Broken(format!(
            "it is written in form {form}, and this release reads form {FORM}; use the release \
             that wrote it, or a newer one"
        )));
    }
    let what = "a record";
    Ok(match kind {
        "delivery" => RecordBody::Delivery(decode_delivery(from_json(text, what)?, texts)?),
        "operation" => RecordBody::Operation(from_json(text, what)?),
        "topology" => RecordBody::Topology(from_json(text, what)?),
        "rules" => RecordBody::Rules(from_json(text, what)?),
        "start" => RecordBody::Start(from_json(text, what)?),
        "skip" => RecordBody::Skip(from_json(text, what)?),
        "stop" => RecordBody::Stop,
        "tick" => RecordBody::Tick,
        other => {
            return Err(StoreError::Broken(format!(
                "it is of the unknown kind `{other}`; a newer release may know it"
            )));
        }
    })
}

fn encode_delivery(delivery: &Delivery) -> Result<Encoded, StoreError> {
    let mut texts = Vec::with_capacity(2 + 3 * delivery.words.len());
    let mut refer = |text: String| {
        texts.push(text);
        texts.len() as u64 - 1
    };
    let mut words = Vec::with_capacity(delivery.words.len());
    for word in &delivery.words {
        words.push(encode_word(word, &mut refer)?);
    }
    let form = DeliveryForm {
        source: delivery.source.clone(),
        by_api: delivery.path == Path::Api,
        sender: delivery.sender.as_ref().map(|name| refer(name.to_string())),
        group: delivery.group.as_ref().map(|name| refer(name.to_string())),
        truncated: delivery.truncated,
        rejected: delivery.rejected,
        words,
        changes: delivery.changes.clone(),
    };
    Ok(Encoded::Delivery(form, texts))
}

fn encode_word(word: &Word, refer: &mut impl FnMut(String) -> u64) -> Result<WordForm, StoreError> {
    let series = Series {
        key: word.key.clone(),
        key_from_labels: word.key_from_labels,
        labels: word.labels.clone(),
    };
    let (lease, ends_at, end_refused, abandoned) = match &word.state {
        WordState::Firing { lease } => (*lease, None, None, None),
        WordState::Resolved { ends_at, ending } => {
            let abandoned = match ending {
                Ending::Recovered => None,
                Ending::Abandoned(reason) => Some(reason.clone()),
            };
            (None, Some(ends_at.at), ends_at.refused.clone(), abandoned)
        }
    };
    Ok(WordForm {
        series: refer(to_json(&series, "a label set")?),
        annotations: (!word.annotations.is_empty())
            .then(|| to_json(&word.annotations, "annotations"))
            .transpose()?
            .map(&mut *refer),
        links: (!word.links.is_empty())
            .then(|| to_json(&word.links, "links"))
            .transpose()?
            .map(&mut *refer),
        starts_at: word.starts_at.at,
        start_refused: word.starts_at.refused.clone(),
        lease,
        ends_at,
        end_refused,
        abandoned,
        values: word.values.clone(),
        is_test: word.is_test,
    })
}

impl DeliveryForm {
    /// Puts the numbers of the stored texts where their places in the list stood, and writes it.
    pub(super) fn finish(mut self, numbers: &[u64]) -> Result<String, StoreError> {
        let number = |place: &mut u64| {
            // A place always lies in the list it was counted from.
            *place = usize::try_from(*place).ok().and_then(|at| numbers.get(at)).map_or(0, |n| *n);
        };
        self.sender.iter_mut().chain(self.group.iter_mut()).for_each(number);
        for word in &mut self.words {
            number(&mut word.series);
            word.annotations.iter_mut().chain(word.links.iter_mut()).for_each(number);
        }
        to_json(&self, "a delivery")
    }
}

fn decode_delivery(form: DeliveryForm, texts: &mut impl Texts) -> Result<Delivery, StoreError> {
    let mut name = |id: Option<u64>| match id {
        None => Ok(None),
        Some(id) => match texts.text(id, TextSort::Name)? {
            Text::Name(name) => Ok(Some(name)),
            Text::Series(_) | Text::Labels(_) | Text::Links(_) => Err(wrong_sort(id)),
        },
    };
    let (sender, group) = (name(form.sender)?, name(form.group)?);
    Ok(Delivery {
        source: form.source,
        path: if form.by_api { Path::Api } else { Path::Webhook },
        sender,
        group,
        truncated: form.truncated,
        rejected: form.rejected,
        words: form
            .words
            .into_iter()
            .map(|word| decode_word(word, texts))
            .collect::<Result<_, _>>()?,
        changes: form.changes,
    })
}

fn decode_word(form: WordForm, texts: &mut impl Texts) -> Result<Word, StoreError> {
    let Text::Series(series) = texts.text(form.series, TextSort::Series)? else {
        return Err(wrong_sort(form.series));
    };
    let annotations = match form.annotations {
        None => Labels::default(),
        Some(id) => match texts.text(id, TextSort::Labels)? {
            Text::Labels(labels) => labels,
            Text::Series(_) | Text::Links(_) | Text::Name(_) => return Err(wrong_sort(id)),
        },
    };
    let links = match form.links {
        None => Vec::new(),
        Some(id) => match texts.text(id, TextSort::Links)? {
            Text::Links(links) => links.to_vec(),
            Text::Series(_) | Text::Labels(_) | Text::Name(_) => return Err(wrong_sort(id)),
        },
    };
    let state = match form.ends_at {
        None => WordState::Firing { lease: form.lease },
        Some(at) => WordState::Resolved {
            ends_at: Claim { at, refused: form.end_refused },
            ending: form.abandoned.map_or(Ending::Recovered, Ending::Abandoned),
        },
    };
    Ok(Word {
        key: series.key.clone(),
        key_from_labels: series.key_from_labels,
        labels: series.labels.clone(),
        annotations,
        state,
        starts_at: Claim { at: form.starts_at, refused: form.start_refused },
        links,
        values: form.values,
        is_test: form.is_test,
    })
}

fn wrong_sort(id: u64) -> StoreError {
    StoreError::Broken(format!("text {id} was read as another sort than was asked for"))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
