//! Redaction: what the rules of the configuration take out of a body before anything of it is kept.
//!
//! A rule looks at labels and annotations by name. What it took out is then taken out wherever else
//! it stands in the same delivery: the sender's group, its links, other annotations, the raw body.
//! The raw body is read token by token, so that neither depth nor a broken end is a danger; what is
//! no JSON at all cannot be looked through and is withheld. Identities are made before: the same
//! alert stays the same alert. Pure. Caller: `http`, and only when there are rules.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::scan::{Piece, pieces};
use super::{Parsed, wire};
use crate::domain::redaction::{MARK, RedactionRule, words_redacted};
use crate::domain::{AlertKey, ChangeReport, Claim, Fingerprint, Labels, Name, WordState};

/// What is kept in place of a body that cannot be looked through.
pub const WITHHELD: &[u8] =
    b"withheld: there are redaction rules, and this body is not JSON that they could look through";
/// Secrets shorter than this are taken out elsewhere only where they stand in quotes, as in a
/// sender's group: a `7` stands in every body.
const ANYWHERE_BYTES_MIN: usize = 4;
/// Secrets of one body, all together; a body with more is withheld.
const SECRET_BYTES_MAX: usize = 1 << 20;

/// A body as it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The body, or [`WITHHELD`]; `None` when nothing had to be taken out.
    pub bytes: Option<Vec<u8>>,
    /// How many values were changed; a body that is withheld counts as one.
    pub values: u64,
}

/// Takes out of a delivery, and of the body that it came in, what the rules name.
#[must_use]
pub fn redact(rules: &[RedactionRule], parsed: &mut Parsed, body: &[u8]) -> Cleaned {
    let mut found = Found::new(rules);
    let delivery = &mut parsed.delivery;
    for word in &mut delivery.words {
        found.clean_labels(&mut word.labels, RedactionRule::is_for_label);
        found.clean_labels(&mut word.annotations, RedactionRule::is_for_annotation);
    }
    for change in &mut delivery.changes {
        found.clean_change(change);
    }
    let text = wire::text(body);
    found.look_through(&text);
    if found.secrets.is_empty() {
        return Cleaned { bytes: None, values: 0 };
    }
    let Some(everywhere) = found.everywhere() else {
        // What cannot be looked through for all of them is not kept.
        (delivery.group, delivery.sender) = (None, None);
        delivery.words.iter_mut().for_each(|word| word.links.clear());
        return Cleaned { bytes: Some(WITHHELD.to_vec()), values: found.values.max(1) };
    };
    for word in &mut delivery.words {
        everywhere.clean_key(&mut word.key);
        everywhere.clean_values(&mut word.labels);
        everywhere.clean_values(&mut word.annotations);
        everywhere.clean_claim(&mut word.starts_at);
        if let WordState::Resolved { ends_at, .. } = &mut word.state {
            everywhere.clean_claim(ends_at);
        }
        for link in &mut word.links {
            everywhere.clean_text(&mut link.url);
        }
    }
    delivery.changes.iter_mut().for_each(|change| everywhere.clean_change(change));
    for name in [&mut delivery.group, &mut delivery.sender].into_iter().flatten() {
        everywhere.clean_name(name);
    }
    for refused in &mut parsed.refused {
        everywhere.clean_string(&mut refused.problem);
    }
    let bytes = found.rewrite(&text, &everywhere).unwrap_or_else(|| WITHHELD.to_vec());
    Cleaned { bytes: Some(bytes), values: found.values.max(1) }
}

/// Takes out of a body that could not be used, and of what is told about it, what the rules name.
#[must_use]
pub fn redact_unusable(rules: &[RedactionRule], body: &[u8], problem: &mut String) -> Cleaned {
    let withheld = || Cleaned { bytes: Some(WITHHELD.to_vec()), values: 1 };
    let mut found = Found::new(rules);
    let text = wire::text(body);
    if !found.look_through(&text) {
        // The reader's words about it hold no more than a few of its characters.
        MARK.clone_into(problem);
        return withheld();
    }
    if found.secrets.is_empty() {
        return Cleaned { bytes: None, values: 0 };
    }
    let Some(everywhere) = found.everywhere() else {
        MARK.clone_into(problem);
        return withheld();
    };
    everywhere.clean_string(problem);
    match found.rewrite(&text, &everywhere) {
        Some(bytes) => Cleaned { bytes: Some(bytes), values: found.values },
        None => withheld(),
    }
}

/// Takes out of a change in our own form what the rules name.
pub fn redact_change(rules: &[RedactionRule], change: &mut ChangeReport) {
    let mut found = Found::new(rules);
    found.clean_change(change);
    if let Some(everywhere) = found.everywhere() {
        everywhere.clean_change(change);
    }
}

/// What the rules found so far.
struct Found<'a> {
    rules: &'a [RedactionRule],
    secrets: BTreeSet<String>,
    values: u64,
}

impl<'a> Found<'a> {
    fn new(rules: &'a [RedactionRule]) -> Self {
        Self { rules, secrets: BTreeSet::new(), values: 0 }
    }

    /// The value as the rules leave it, those of which `is_for` says so; `None` when they leave it
    /// as it is. What they take out is noted.
    fn clean(&mut self, value: &str, is_for: impl Fn(&RedactionRule) -> bool) -> Option<String> {
        let mut current = Cow::Borrowed(value);
        for rule in self.rules.iter().filter(|rule| is_for(rule)) {
            let replaced = match rule.regex.replace_all(&current, rule.replacement.as_str()) {
                Cow::Borrowed(_) => continue,
                Cow::Owned(replaced) => replaced,
            };
            for found in rule.regex.captures_iter(&current) {
                self.note(rule, &found);
            }
            current = Cow::Owned(replaced);
        }
        match current {
            Cow::Owned(changed) if changed != value => {
                self.values += 1;
                Some(changed)
            }
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        }
    }

    /// Notes what a match takes out: all of it, unless the replacement keeps groups of it.
    fn note(&mut self, rule: &RedactionRule, found: &regex::Captures<'_>) {
        let Some(whole) = found.get(0).filter(|whole| !whole.is_empty()) else { return };
        let mut kept = String::new();
        found.expand(&rule.replacement, &mut kept);
        // Where groups are kept, the secret is what lies between them.
        let mut parts = vec![whole.as_str()];
        for group in found.iter().skip(1).flatten().filter(|group| !group.is_empty()) {
            if kept.contains(group.as_str()) {
                parts = parts.into_iter().flat_map(|part| part.split(group.as_str())).collect();
            }
        }
        for part in parts.into_iter().filter(|part| !part.trim().is_empty() && *part != MARK) {
            self.secrets.insert(part.to_owned());
        }
    }

    fn clean_labels(&mut self, labels: &mut Labels, is_for: fn(&RedactionRule, &str) -> bool) {
        let changed: Vec<(String, String)> = labels
            .iter()
            .filter_map(|(name, value)| {
                let cleaned = self.clean(value, |rule| is_for(rule, name))?;
                Some((name.to_owned(), cleaned))
            })
            .collect();
        replace(labels, changed);
    }

    /// A change's labels are labels; its summary, author and link count as annotations.
    fn clean_change(&mut self, change: &mut ChangeReport) {
        self.clean_labels(&mut change.labels, RedactionRule::is_for_label);
        let mut clean = |name: &str, value: &mut String| {
            if let Some(cleaned) = self.clean(value, |rule| rule.is_for_annotation(name)) {
                *value = cleaned;
            }
        };
        clean("summary", &mut change.summary);
        for (name, value) in [("author", &mut change.author), ("link", &mut change.link)] {
            value.iter_mut().for_each(|value| clean(name, value));
        }
    }

    /// A value of the raw body, where names do not say whether they are of labels or annotations.
    fn clean_member(&mut self, name: &str, value: &str) -> Option<String> {
        self.clean(value, |rule| rule.is_for_label(name) || rule.is_for_annotation(name))
    }

    /// Notes what the rules find in a body. False when it is no JSON.
    fn look_through(&mut self, text: &str) -> bool {
        let (in_delivery, mut is_json) = (std::mem::take(&mut self.values), false);
        for piece in pieces(text) {
            match piece {
                Piece::Value { name, value, .. } => {
                    is_json = true;
                    drop(self.clean_member(&name, &value));
                }
                Piece::Other(_) => is_json = true,
                Piece::NoJson => return false,
            }
        }
        // What was found in the delivery itself is found here again.
        self.values = self.values.max(in_delivery);
        is_json
    }

    /// Finds all secrets in any text. `None` when they are too many.
    fn everywhere(&self) -> Option<Everywhere> {
        let mut texts = BTreeSet::new();
        for secret in &self.secrets {
            for written in ways_to_write(secret) {
                if secret.len() >= ANYWHERE_BYTES_MIN {
                    texts.insert(written);
                } else {
                    texts.insert(format!("\"{written}\""));
                    texts.insert(format!("\\\"{written}\\\""));
                    texts.insert(format!("%22{written}%22"));
                }
            }
        }
        if texts.iter().map(String::len).sum::<usize>() > SECRET_BYTES_MAX {
            return None;
        }
        let texts: Vec<String> = texts.into_iter().collect();
        let finder =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&texts).ok()?;
        Some(Everywhere { marks: vec![MARK; texts.len()], finder })
    }

    /// The body without what was found. `None` when it is no JSON.
    fn rewrite(&mut self, text: &str, everywhere: &Everywhere) -> Option<Vec<u8>> {
        let mut out = String::with_capacity(text.len());
        let values = self.values;
        for piece in pieces(text) {
            match piece {
                Piece::Other(as_sent) => out.push_str(as_sent),
                Piece::NoJson => return None,
                Piece::Value { name, value, as_sent } => {
                    let cleaned = self.clean_member(&name, &value);
                    let kept = cleaned.as_deref().unwrap_or(&value);
                    match everywhere.cleaned(kept).or_else(|| cleaned.clone()) {
                        Some(changed) => out.push_str(&serde_json::to_string(&changed).ok()?),
                        None => out.push_str(as_sent),
                    }
                }
            }
        }
        self.values = values;
        Some(out.into_bytes())
    }
}

/// The ways in which a secret may stand elsewhere: as it is, in quotes inside quotes, in an address.
fn ways_to_write(secret: &str) -> Vec<String> {
    let escaped = |space: &str, upper: bool| {
        secret.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b' ' => out.push_str(space),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(char::from(byte));
                }
                _ if upper => out.push_str(&format!("%{byte:02X}")),
                _ => out.push_str(&format!("%{byte:02x}")),
            }
            out
        })
    };
    vec![
        secret.to_owned(),
        secret.replace('\\', "\\\\").replace('"', "\\\""),
        escaped("+", true),
        escaped("%20", true),
        escaped("+", false),
        escaped("%20", false),
    ]
}

/// Finds secrets in any text.
struct Everywhere {
    finder: AhoCorasick,
    marks: Vec<&'static str>,
}

impl Everywhere {
    /// The text without secrets; `None` when there are none in it.
    fn cleaned(&self, text: &str) -> Option<String> {
        self.finder.is_match(text).then(|| self.finder.replace_all(text, &self.marks))
    }

    fn clean_string(&self, text: &mut String) {
        if let Some(cleaned) = self.cleaned(text) {
            *text = cleaned;
        }
    }

    fn clean_text<T: AsRef<str> + From<String>>(&self, text: &mut T) {
        if let Some(cleaned) = self.cleaned(text.as_ref()) {
            *text = cleaned.into();
        }
    }

    fn clean_name(&self, name: &mut Name) {
        if let Some(cleaned) = self.cleaned(name.as_str()) {
            *name = Name::from(cleaned.as_str());
        }
    }

    /// A sender's own key that holds a secret becomes a hash, which is the same each time.
    fn clean_key(&self, key: &mut AlertKey) {
        if self.finder.is_match(key.fingerprint.as_str()) {
            key.fingerprint = Fingerprint::new(words_redacted(key.fingerprint.as_str()));
        }
    }

    fn clean_claim(&self, claim: &mut Claim) {
        if let Some(refused) = &mut claim.refused {
            self.clean_text(refused);
        }
    }

    fn clean_values(&self, labels: &mut Labels) {
        let changed: Vec<(String, String)> = labels
            .iter()
            .filter_map(|(name, value)| Some((name.to_owned(), self.cleaned(value)?)))
            .collect();
        replace(labels, changed);
    }

    fn clean_change(&self, change: &mut ChangeReport) {
        self.clean_values(&mut change.labels);
        self.clean_string(&mut change.summary);
        if let Some(key) = change.key.as_mut().filter(|key| self.finder.is_match(key.as_str())) {
            *key = words_redacted(key);
        }
        for text in [&mut change.author, &mut change.link].into_iter().flatten() {
            self.clean_string(text);
        }
    }
}

/// Puts other values in the place of some.
fn replace(labels: &mut Labels, changed: Vec<(String, String)>) {
    if !changed.is_empty() {
        let kept = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        // Of a name that comes twice the last value counts.
        *labels = Labels::from_pairs(kept.chain(changed).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests;
