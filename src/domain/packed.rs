//! Episodes and explanations written small.
//!
//! Most texts of an episode (label names, services, summaries, the parts of a reason) come again
//! in thousands of others, so each may be written as a number that the caller gives, or inline.
//! The numbers mean something only together with the caller's table of texts. Called by `store`
//! for its rows and by `correlate` for its snapshots.
//!
//! The first byte names the form; a form that was ever released stays readable.

mod explanation;
mod phrase;

use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::{Error as WordError, StrDeserializer};

use super::alert::{EndKind, EpisodeEnd, EpisodeStart, Link};
use super::{
    AlertKey, Episode, EpisodeId, Fingerprint, IncidentId, Kind, Labels, Membership, Name,
    Severity, Standing, Timestamp,
};

/// The form that this release writes, and the only one it reads.
const FORM: u8 = 1;

/// What repeats change of an episode. Each of the three only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Record time of its last word.
    pub last_word_at: Timestamp,
    /// Until when the API path holds it open, if that path spoke of it.
    pub lease: Option<Timestamp>,
    /// How many deliveries spoke of it.
    pub deliveries: u64,
}

impl Heard {
    /// What was heard of an episode.
    #[must_use]
    pub const fn of(episode: &Episode) -> Self {
        Self {
            last_word_at: episode.last_word_at,
            lease: episode.lease,
            deliveries: episode.deliveries,
        }
    }
}

/// Why packed bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(&'static str);

/// Writes numbers and texts one after the other.
pub struct Packer<'a> {
    bytes: Vec<u8>,
    number: &'a mut dyn FnMut(&str) -> Option<u64>,
}

impl<'a> Packer<'a> {
    /// Begins with nothing. `number` gives a text its number, or none for one to be written inline.
    pub fn new(number: &'a mut dyn FnMut(&str) -> Option<u64>) -> Self {
        Self { bytes: Vec::with_capacity(256), number }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A number, the shorter the smaller it is.
    pub fn count(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    /// A moment, as its distance from another.
    pub fn moment(&mut self, at: Timestamp, base: Timestamp) {
        let distance = at.nanos().wrapping_sub(base.nanos());
        self.count((distance.cast_unsigned() << 1) ^ (distance >> 63).cast_unsigned());
    }

    /// A moment that may be missing.
    pub fn moment_if_any(&mut self, at: Option<Timestamp>, base: Timestamp) {
        self.count(u64::from(at.is_some()));
        if let Some(at) = at {
            self.moment(at, base);
        }
    }

    /// Eight bytes as they are.
    pub fn word(&mut self, word: u64) {
        self.bytes.extend(word.to_le_bytes());
    }

    /// A text, by its number where it has one.
    pub fn text(&mut self, text: &str) {
        match (self.number)(text) {
            Some(number) => self.count(number << 1 | 1),
            None => self.inline(text),
        }
    }

    /// A text, never by a number.
    pub fn inline(&mut self, text: &str) {
        self.count((text.len() as u64) << 1);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn text_if_any(&mut self, text: Option<&str>) {
        self.count(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// The identity of an alert. Most fingerprints are 16 digits, which are 8 bytes.
    pub fn key(&mut self, key: &AlertKey) {
        let digits = digits_of(key.fingerprint.as_str());
        self.count(u64::from(digits.is_some()) | u64::from(key.variant.is_some()) << 1);
        self.text(key.namespace.as_str());
        match digits {
            Some(digits) => self.word(digits),
            None => self.inline(key.fingerprint.as_str()),
        }
        if let Some(variant) = key.variant {
            self.word(variant);
        }
    }

    /// Names with their values.
    pub fn labels(&mut self, labels: &Labels) {
        self.count(labels.len() as u64);
        for (name, value) in labels.iter() {
            self.text(name);
            self.text(value);
        }
    }

    /// Ways back to the evidence.
    pub fn links(&mut self, links: &[Link]) {
        self.count(links.len() as u64);
        for link in links {
            self.text(link.rel.as_str());
            self.text(&link.url);
        }
    }

    /// An episode, all but its id and what repeats change.
    pub fn episode(&mut self, episode: &Episode) {
        let base = episode.received_at;
        self.bytes.push(FORM);
        self.moment(base, Timestamp::EPOCH);
        self.key(&episode.key);
        self.count(episode.sources.len() as u64);
        episode.sources.iter().for_each(|source| self.text(source.as_str()));
        self.labels(&episode.labels);
        self.labels(&episode.annotations);
        self.links(&episode.links);
        self.count(episode.values.len() as u64);
        for (name, value) in &episode.values {
            self.text(name);
            self.word(value.to_bits());
        }
        self.count(episode.starts.len() as u64);
        for start in &episode.starts {
            self.moment(start.at, base);
            self.count(u64::from(start.by_api));
            self.text_if_any(start.sender.as_ref().map(Name::as_str));
        }
        self.text_if_any(episode.start_refused.as_deref());
        self.end(episode.end.as_ref(), base);
        self.count(u64::from(episode.held_by_webhook) | u64::from(episode.is_test) << 1);
        self.text(episode.kind.as_str());
        self.text(episode.severity.as_str());
        self.text_if_any(episode.service.as_ref().map(Name::as_str));
        self.count(u64::from(episode.resumed));
        self.count(match episode.standing {
            Standing::Ordinary => 0,
            Standing::Flapping => 1,
            Standing::Chronic => 2,
            Standing::Heartbeat => 3,
        });
        match episode.membership {
            Membership::Floating => self.count(0),
            Membership::Member { incident, lead_up, by_person } => {
                self.count(1 | u64::from(lead_up) << 1 | u64::from(by_person) << 2);
                self.count(incident.0);
            }
        }
        self.count(episode.context_of.len() as u64);
        episode.context_of.iter().for_each(|incident| self.count(incident.0));
        // The parts of a reason come again, the whole hardly ever.
        let parts: Vec<&str> = episode.reason.split_inclusive([',', ';', ':']).collect();
        self.count(parts.len() as u64);
        parts.into_iter().for_each(|part| self.phrase(part));
    }

    fn end(&mut self, end: Option<&EpisodeEnd>, base: Timestamp) {
        let Some(end) = end else { return self.count(0) };
        self.count(match &end.how {
            EndKind::Reported => 1,
            EndKind::Abandoned(_) => 2,
            EndKind::Superseded => 3,
            EndKind::LeaseExpired => 4,
            EndKind::Unknown => 5,
        });
        if let EndKind::Abandoned(reason) = &end.how {
            self.text(reason);
        }
        self.moment(end.at, base);
        self.moment(end.heard_at, base);
        self.text_if_any(end.refused.as_deref());
    }
}

/// A text as it is read.
enum Piece<'a> {
    /// From the caller's table.
    Shared(Arc<str>),
    /// From the bytes themselves.
    Inline(&'a str),
}

impl AsRef<str> for Piece<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Shared(text) => text,
            Self::Inline(text) => text,
        }
    }
}

/// Reads what a [`Packer`] wrote.
pub struct Unpacker<'a> {
    bytes: &'a [u8],
    text: &'a mut dyn FnMut(u64) -> Option<Arc<str>>,
}

impl<'a> Unpacker<'a> {
    /// Begins at the first byte. `text` gives the text of a number.
    pub fn new(bytes: &'a [u8], text: &'a mut dyn FnMut(u64) -> Option<Arc<str>>) -> Self {
        Self { bytes, text }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable("it is cut"))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// See [`Packer::count`].
    ///
    /// # Errors
    /// As all of these: when the bytes end early or are not what was to be read.
    pub fn count(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable("a number in it is too long"))
    }

    /// A number of things of which each takes a byte at least.
    fn many(&mut self) -> Result<usize, Unreadable> {
        let count = usize::try_from(self.count()?).unwrap_or(usize::MAX);
        if count > self.bytes.len() { Err(Unreadable("it is cut")) } else { Ok(count) }
    }

    /// See [`Packer::moment`].
    ///
    /// # Errors
    /// See [`Unpacker::count`].
    pub fn moment(&mut self, base: Timestamp) -> Result<Timestamp, Unreadable> {
        let number = self.count()?;
        let distance = (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
        Ok(Timestamp::from_nanos(base.nanos().wrapping_add(distance)))
    }

    /// See [`Packer::moment_if_any`].
    ///
    /// # Errors
    /// See [`Unpacker::count`].
    pub fn moment_if_any(&mut self, base: Timestamp) -> Result<Option<Timestamp>, Unreadable> {
        if self.count()? == 0 { Ok(None) } else { self.moment(base).map(Some) }
    }

    /// See [`Packer::word`].
    ///
    /// # Errors
    /// See [`Unpacker::count`].
    pub fn word(&mut self) -> Result<u64, Unreadable> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }

    /// See [`Packer::text`].
    ///
    /// # Errors
    /// Also when nobody knows the text of a number.
    pub fn text(&mut self) -> Result<Arc<str>, Unreadable> {
        match self.piece()? {
            Piece::Shared(text) => Ok(text),
            Piece::Inline(text) => Ok(Arc::from(text)),
        }
    }

    /// As [`Unpacker::text`], without a copy of what is written inline.
    fn piece(&mut self) -> Result<Piece<'a>, Unreadable> {
        let number = self.count()?;
        if number & 1 == 1 {
            let text = (self.text)(number >> 1);
            return text.map(Piece::Shared).ok_or(Unreadable("a text that it names is missing"));
        }
        let length = usize::try_from(number >> 1).unwrap_or(usize::MAX);
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Piece::Inline).map_err(|_| Unreadable("a text in it is none"))
    }

    fn text_if_any(&mut self) -> Result<Option<Arc<str>>, Unreadable> {
        if self.count()? == 0 { Ok(None) } else { self.text().map(Some) }
    }

    /// See [`Packer::key`].
    ///
    /// # Errors
    /// See [`Unpacker::count`].
    pub fn key(&mut self) -> Result<AlertKey, Unreadable> {
        let flags = self.count()?;
        let namespace = Name(self.text()?);
        let fingerprint = if flags & 1 == 1 {
            Fingerprint::new(digits_text(self.word()?, &mut [0; 16]))
        } else {
            Fingerprint::new(self.text()?)
        };
        let variant = if flags & 2 == 2 { Some(self.word()?) } else { None };
        Ok(AlertKey { namespace, fingerprint, variant })
    }

    /// See [`Packer::labels`].
    ///
    /// # Errors
    /// See [`Unpacker::text`].
    pub fn labels(&mut self) -> Result<Labels, Unreadable> {
        let count = self.many()?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((self.piece()?, self.piece()?));
        }
        Ok(Labels::from_pairs(pairs))
    }

    fn each<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let count = self.many()?;
        (0..count).map(|_| one(self)).collect()
    }

    /// See [`Packer::links`].
    ///
    /// # Errors
    /// See [`Unpacker::text`].
    pub fn links(&mut self) -> Result<Vec<Link>, Unreadable> {
        self.each(|own| Ok(Link { rel: Name(own.text()?), url: own.text()? }))
    }

    /// See [`Packer::episode`]; the id and what repeats change are kept beside it.
    ///
    /// # Errors
    /// Also when it is written in a form that this release does not know.
    pub fn episode(&mut self, id: EpisodeId, heard: Heard) -> Result<Episode, Unreadable> {
        let mut episode = self.episode_without_reason(id, heard)?;
        episode.reason = self.reason()?;
        Ok(episode)
    }

    /// As [`Unpacker::episode`] for those who do not tell why it is where it is: the sentence is
    /// half the work. What is left to read is the reason.
    ///
    /// # Errors
    /// See [`Unpacker::episode`].
    pub fn episode_without_reason(
        &mut self,
        id: EpisodeId,
        heard: Heard,
    ) -> Result<Episode, Unreadable> {
        let Heard { last_word_at, lease, deliveries } = heard;
        let (base, key) = self.episode_key()?;
        let sources = self.each(|own| own.text().map(Name))?;
        let (labels, annotations) = (self.labels()?, self.labels()?);
        let links = self.links()?;
        let values =
            self.each(|own| Ok((own.piece()?.as_ref().into(), f64::from_bits(own.word()?))))?;
        let starts = self.each(|own| {
            let at = own.moment(base)?;
            let by_api = own.count()? == 1;
            Ok(EpisodeStart { at, sender: own.text_if_any()?.map(Name), by_api })
        })?;
        let start_refused = self.text_if_any()?.map(|text| Box::from(&*text));
        let end = self.end(base)?;
        let flags = self.count()?;
        let kind = Kind::deserialize(StrDeserializer::<WordError>::new(self.piece()?.as_ref()))
            .map_err(|_| Unreadable("it is of an unknown kind"))?;
        let severity = Severity::from_word(self.piece()?.as_ref())
            .ok_or(Unreadable("it has an unknown severity"))?;
        Ok(Episode {
            id,
            key,
            sources,
            labels,
            annotations,
            links,
            values,
            starts,
            start_refused,
            end,
            lease,
            held_by_webhook: flags & 1 == 1,
            is_test: flags & 2 == 2,
            kind,
            severity,
            service: self.text_if_any()?.map(Name),
            received_at: base,
            last_word_at,
            deliveries,
            resumed: u32::try_from(self.count()?).unwrap_or(u32::MAX),
            standing: match self.count()? {
                0 => Standing::Ordinary,
                1 => Standing::Flapping,
                2 => Standing::Chronic,
                3 => Standing::Heartbeat,
                _ => return Err(Unreadable("it has an unknown standing")),
            },
            membership: match self.count()? {
                0 => Membership::Floating,
                flags => Membership::Member {
                    incident: IncidentId(self.count()?),
                    lead_up: flags & 2 == 2,
                    by_person: flags & 4 == 4,
                },
            },
            context_of: self.each(|own| own.count().map(IncidentId))?,
            reason: Box::default(),
        })
    }

    fn reason(&mut self) -> Result<Box<str>, Unreadable> {
        let count = self.many()?;
        let mut reason = String::with_capacity(128);
        for _ in 0..count {
            self.push_phrase(&mut reason)?;
        }
        Ok(reason.into())
    }

    /// The beginning of an episode: when its first word came in, and the alert that fires.
    ///
    /// # Errors
    /// See [`Unpacker::episode`].
    pub fn episode_key(&mut self) -> Result<(Timestamp, AlertKey), Unreadable> {
        if self.take(1)?[0] != FORM {
            return Err(Unreadable("it is written in a form that this release does not know"));
        }
        Ok((self.moment(Timestamp::EPOCH)?, self.key()?))
    }

    fn end(&mut self, base: Timestamp) -> Result<Option<EpisodeEnd>, Unreadable> {
        let how = match self.count()? {
            0 => return Ok(None),
            1 => EndKind::Reported,
            2 => EndKind::Abandoned(Box::from(&*self.text()?)),
            3 => EndKind::Superseded,
            4 => EndKind::LeaseExpired,
            5 => EndKind::Unknown,
            _ => return Err(Unreadable("it ended in an unknown way")),
        };
        let (at, heard_at) = (self.moment(base)?, self.moment(base)?);
        let refused = self.text_if_any()?.map(|text| Box::from(&*text));
        Ok(Some(EpisodeEnd { at, heard_at, refused, how }))
    }
}

/// The number that a fingerprint of 16 lower-case digits writes.
fn digits_of(fingerprint: &str) -> Option<u64> {
    let is_digits = fingerprint.len() == 16
        && fingerprint.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    u64::from_str_radix(fingerprint, 16).ok().filter(|_| is_digits)
}

/// The 16 lower-case digits of a number.
fn digits_text(number: u64, digits: &mut [u8; 16]) -> &str {
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize];
    }
    std::str::from_utf8(digits).unwrap_or_default()
}

/// A number for a fingerprint, by which it is found again: the number it writes, or a hash.
#[must_use]
pub fn fingerprint_number(fingerprint: &str) -> u64 {
    digits_of(fingerprint)
        .unwrap_or_else(|| Labels::from_pairs([("fingerprint", fingerprint)]).hash64())
}

#[cfg(test)]
pub(super) mod tests;
