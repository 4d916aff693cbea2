//! What must not be kept: rules that take parts out of what senders say, and the mark that stands
//! in their place.
//!
//! The mark also tells the machine that two label sets may be the same one, read under different
//! rules. Rules are read by `config` and carried out by `ingest`.

use std::fmt;

use regex::Regex;
use sha2::{Digest, Sha256};

use super::ids::Name;

/// Stands wherever something was taken out; every replacement holds it.
pub const MARK: &str = "[redacted]";
/// What the text begins with that stands for a person's words; the hash of them follows.
const WORDS_BEGIN: &str = "[redacted, sha256 ";
/// Hexadecimal digits of the hash.
const HASH_DIGITS: usize = 64;

/// One rule of the configuration.
#[derive(Clone, Debug)]
pub struct RedactionRule {
    /// What it is called.
    pub name: Name,
    /// Labels whose values it looks at, by whole name.
    pub labels: Option<Regex>,
    /// Annotations whose values it looks at, by whole name.
    pub annotations: Option<Regex>,
    /// What it takes out of the values.
    pub regex: Regex,
    /// What it puts there; groups of the expression as `${1}`.
    pub replacement: String,
}

impl RedactionRule {
    /// True when it looks at the values of this label.
    #[must_use]
    pub fn is_for_label(&self, name: &str) -> bool {
        self.labels.as_ref().is_some_and(|names| names.is_match(name))
    }

    /// True when it looks at the values of this annotation.
    #[must_use]
    pub fn is_for_annotation(&self, name: &str) -> bool {
        self.annotations.as_ref().is_some_and(|names| names.is_match(name))
    }
}

/// What stands in place of a person's words: their hash, so that a copy that somebody still has can
/// be recognised. Words that were redacted already stay as they are.
#[must_use]
pub fn words_redacted(words: &str) -> String {
    if is_words_redacted(words) {
        return words.to_owned();
    }
    format!("{WORDS_BEGIN}{}]", Hex(&Sha256::digest(words.as_bytes())))
}

/// True for what [`words_redacted`] made.
#[must_use]
pub fn is_words_redacted(words: &str) -> bool {
    words.strip_prefix(WORDS_BEGIN).and_then(|rest| rest.strip_suffix(']')).is_some_and(|hash| {
        hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_by_their_hash_once() {
        let once = words_redacted("hunter2");
        assert_eq!(
            once,
            "[redacted, sha256 \
             f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7]"
        );
        assert_eq!(words_redacted(&once), once);
        assert!(!is_words_redacted("[redacted, sha256 no]"));
        assert_ne!(words_redacted("a"), words_redacted("b"));
    }
}
