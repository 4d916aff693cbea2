//! How a record's body is written down.
//!
//! The ledger is append-only and is never rewritten, so its form is a promise: each row names the
//! number of the form it is written in (column `form`), and a form that was ever released stays
//! readable. Within a form fields may be added when they have a default; a test pins the text.
//!
//! A delivery is written with one-letter fields and refers to interned texts, which are packed and
//! name their own pieces by number: a repeat of an alert is about fifty bytes, a new one some hundred
//! and fifty. Everything else is rare and written as the domain writes it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::numbers::unpack;
use super::rows::{from_json, to_json};
use crate::domain::alert::Link;
use crate::domain::packed::{Packer, Unpacker, Unreadable};
use crate::domain::record::{Delivery, Path};
use crate::domain::{
    AlertKey, ChangeReport, Claim, Ending, Labels, Name, RecordBody, Timestamp, Word, WordState,
};

/// The form that this release writes, and the newest it can read.
pub(super) const FORM: i64 = 1;

/// A body, ready to be written but for the numbers of its texts: those are known to the writer
/// alone, who only has to put them where they belong.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// The body without the numbers.
    body: String,
    /// Where the number of each text belongs in it.
    places: Vec<usize>,
    /// What it refers to. It is written as a text only when the store does not know it yet.
    texts: Vec<Text>,
}

/// A delivery. Numbers are those of interned texts.
#[derive(Debug, Deserialize)]
pub(super) struct DeliveryForm {
    /// Source.
    #[serde(rename = "s")]
    source: Name,
    /// True on the API path.
    #[serde(rename = "i", default)]
    by_api: bool,
    /// Sender's address: a [`TextSort::Name`].
    #[serde(rename = "x", default)]
    sender: Option<u64>,
    /// Group: a [`TextSort::Name`].
    #[serde(rename = "g", default)]
    group: Option<u64>,
    /// Alerts that the sender left out.
    #[serde(rename = "t", default)]
    truncated: u64,
    /// Alerts in quarantine.
    #[serde(rename = "r", default)]
    rejected: u64,
    /// Words.
    #[serde(rename = "w", default)]
    words: Vec<WordForm>,
    /// Changes, as the domain writes them: they are rare.
    #[serde(rename = "c", default)]
    changes: Vec<ChangeReport>,
}

/// A word. It fires unless it has an end.
#[derive(Debug, Deserialize)]
struct WordForm {
    /// Key and labels: a [`TextSort::Series`].
    #[serde(rename = "k")]
    series: u64,
    /// Annotations: a [`TextSort::Labels`]; none when there are none.
    #[serde(rename = "a", default)]
    annotations: Option<u64>,
    /// Links: a [`TextSort::Links`]; none when there are none.
    #[serde(rename = "l", default)]
    links: Option<u64>,
    /// Start.
    #[serde(rename = "t")]
    starts_at: Timestamp,
    /// The start as sent, when it was refused.
    #[serde(rename = "tr", default)]
    start_refused: Option<Box<str>>,
    /// Lease of a firing.
    #[serde(rename = "u", default)]
    lease: Option<Timestamp>,
    /// End of a resolve.
    #[serde(rename = "e", default)]
    ends_at: Option<Timestamp>,
    /// The end as sent, when it was refused.
    #[serde(rename = "er", default)]
    end_refused: Option<Box<str>>,
    /// The sender's word for an end that is no recovery.
    #[serde(rename = "q", default)]
    abandoned: Option<Box<str>>,
    /// Values by name.
    #[serde(rename = "v", default)]
    values: Vec<(Box<str>, f64)>,
    /// True for a sender's test.
    #[serde(rename = "z", default)]
    is_test: bool,
}

/// What a word is about: the part that all words of an alert share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Series {
    key: AlertKey,
    key_from_labels: bool,
    labels: Labels,
}

impl Series {
    fn pack(&self, to: &mut Packer<'_>) {
        to.key(&self.key);
        to.count(u64::from(self.key_from_labels));
        to.labels(&self.labels);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, Unreadable> {
        let key = from.key()?;
        let key_from_labels = from.count()? == 1;
        Ok(Self { key, key_from_labels, labels: from.labels()? })
    }
}

/// What an interned text is read as. The same text may be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TextSort {
    Series,
    Labels,
    Links,
    Name,
}

/// What an interned text says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Text {
    Series(Arc<Series>),
    Labels(Labels),
    Links(Arc<[Link]>),
    Name(Name),
}

impl Text {
    /// Reads a stored text; `find` gives the pieces that it names by number.
    pub(super) fn read(
        sort: TextSort,
        packed: &[u8],
        find: &mut dyn FnMut(u64) -> Result<Option<Arc<str>>, StoreError>,
    ) -> Result<Self, StoreError> {
        let what = || "reading an interned text".to_owned();
        unpack(packed, find, what, |from| match sort {
            TextSort::Series => Series::unpack(from).map(|series| Self::Series(series.into())),
            TextSort::Labels => from.labels().map(Self::Labels),
            TextSort::Links => from.links().map(|links| Self::Links(links.into())),
            TextSort::Name => from.text().map(|text| Self::Name(Name(text))),
        })
    }

    /// What to store; `number` gives pieces that come again their numbers.
    pub(super) fn write(&self, number: &mut dyn FnMut(&str) -> Option<u64>) -> Vec<u8> {
        let mut to = Packer::new(number);
        match self {
            Self::Series(series) => series.pack(&mut to),
            Self::Labels(labels) => to.labels(labels),
            Self::Links(links) => to.links(links),
            Self::Name(name) => to.inline(name.as_str()),
        }
        to.finish()
    }

    /// What it is read as.
    pub(super) const fn sort(&self) -> TextSort {
        match self {
            Self::Series(_) => TextSort::Series,
            Self::Labels(_) => TextSort::Labels,
            Self::Links(_) => TextSort::Links,
            Self::Name(_) => TextSort::Name,
        }
    }

    /// What it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let of_labels =
            |labels: &Labels| labels.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        match self {
            Self::Series(series) => of_labels(&series.labels),
            Self::Labels(labels) => of_labels(labels),
            Self::Links(links) => links.iter().map(|link| link.url.len() + 32).sum(),
            Self::Name(name) => name.as_str().len(),
        }
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
pub(super) fn encode(body: RecordBody) -> Result<Encoded, StoreError> {
    let what = "a record";
    let plain = |body| Encoded { body, ..Encoded::default() };
    Ok(match body {
        RecordBody::Delivery(delivery) => return encode_delivery(delivery),
        RecordBody::Operation(operation) => plain(to_json(&operation, what)?),
        RecordBody::Topology(topology) => plain(to_json(&topology, what)?),
        RecordBody::Rules(rules) => plain(to_json(&rules, what)?),
        RecordBody::Start(start) => plain(to_json(&start, what)?),
        RecordBody::Skip(skip) => plain(to_json(&skip, what)?),
        RecordBody::Stop | RecordBody::Tick => Encoded::default(),
    })
}

impl Encoded {
    /// What it refers to, in order.
    pub(super) fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.texts.iter().map(Text::bytes).sum::<usize>()
    }

    /// The body with the numbers of the stored texts, which are given in their order.
    pub(super) fn finish(&self, numbers: &[u64]) -> Cow<'_, str> {
        if self.places.is_empty() {
            return Cow::Borrowed(&self.body);
        }
        let mut out = String::with_capacity(self.body.len() + 12 * self.places.len());
        let mut from = 0;
        for (at, number) in self.places.iter().zip(numbers) {
            out.push_str(&self.body[from..*at]);
            push_number(&mut out, *number);
            from = *at;
        }
        out.push_str(&self.body[from..]);
        Cow::Owned(out)
    }
}

/// A delivery on its way to an [`Encoded`]. Bytes until it is whole, as the JSON writer gives them.
#[derive(Debug)]
struct Writing {
    body: Vec<u8>,
    places: Vec<usize>,
    texts: Vec<Text>,
}

impl Writing {
    fn finish(self) -> Result<Encoded, StoreError> {
        let body = String::from_utf8(self.body)
            .map_err(|error| StoreError::Broken(format!("writing a delivery failed: {error}")))?;
        Ok(Encoded { body, places: self.places, texts: self.texts })
    }

    fn push(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }

    /// Writes a member that refers to a text.
    fn refer(&mut self, member: &str, text: Text) {
        self.push(member);
        self.places.push(self.body.len());
        self.texts.push(text);
    }

    /// Writes a member with its value.
    fn member<T: Serialize + ?Sized>(&mut self, member: &str, value: &T) -> Result<(), StoreError> {
        self.push(member);
        serde_json::to_writer(&mut self.body, value).map_err(|error| {
            StoreError::Broken(format!("writing a delivery as JSON failed: {error}"))
        })
    }

    /// Writes a member unless its value is the one that its absence stands for.
    fn optional<T: Serialize + Default + PartialEq>(
        &mut self,
        member: &str,
        value: &T,
    ) -> Result<(), StoreError> {
        if is_default(value) { Ok(()) } else { self.member(member, value) }
    }
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

fn encode_delivery(delivery: Delivery) -> Result<Encoded, StoreError> {
    let count = delivery.words.len();
    let mut out = Writing {
        body: Vec::with_capacity(256 + 64 * count),
        places: Vec::with_capacity(2 + 3 * count),
        texts: Vec::with_capacity(2 + 3 * count),
    };
    out.member("{\"s\":", &delivery.source)?;
    if delivery.path == Path::Api {
        out.push(",\"i\":true");
    }
    for (member, name) in [(",\"x\":", delivery.sender), (",\"g\":", delivery.group)] {
        if let Some(name) = name {
            out.refer(member, Text::Name(name));
        }
    }
    out.optional(",\"t\":", &delivery.truncated)?;
    out.optional(",\"r\":", &delivery.rejected)?;
    for (index, word) in delivery.words.into_iter().enumerate() {
        out.push(if index == 0 { ",\"w\":[" } else { "," });
        encode_word(word, &mut out)?;
    }
    if count > 0 {
        out.push("]");
    }
    out.optional(",\"c\":", &delivery.changes)?;
    out.push("}");
    out.finish()
}

fn encode_word(word: Word, out: &mut Writing) -> Result<(), StoreError> {
    let Word {
        key,
        key_from_labels,
        labels,
        annotations,
        state,
        starts_at,
        links,
        values,
        is_test,
    } = word;
    out.refer("{\"k\":", Text::Series(Arc::new(Series { key, key_from_labels, labels })));
    if !annotations.is_empty() {
        out.refer(",\"a\":", Text::Labels(annotations));
    }
    if !links.is_empty() {
        out.refer(",\"l\":", Text::Links(links.into()));
    }
    out.member(",\"t\":", &starts_at.at)?;
    out.optional(",\"tr\":", &starts_at.refused)?;
    match &state {
        WordState::Firing { lease } => out.optional(",\"u\":", lease)?,
        WordState::Resolved { ends_at, ending } => {
            out.member(",\"e\":", &ends_at.at)?;
            out.optional(",\"er\":", &ends_at.refused)?;
            if let Ending::Abandoned(reason) = ending {
                out.member(",\"q\":", reason)?;
            }
        }
    }
    out.optional(",\"v\":", &values)?;
    out.optional(",\"z\":", &is_test)?;
    out.push("}");
    Ok(())
}

/// Appends a number in decimal digits.
fn push_number(out: &mut String, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
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
