//! Identifiers. Each is a type of its own, so that one can never be handed in for another.
//!
//! Whatever can stand in a draft is counted by the machine or made from content; numbers given at
//! the door (ledger numbers, deliveries) never appear there.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// A record's place in the ledger; the first record is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an incident, counted from 1 in the order in which they opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for IncidentId {
    type Err = UnreadableId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| UnreadableId { expected: "an incident number such as 12" })
    }
}

/// The text is not an identifier of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnreadableId {
    expected: &'static str,
}

/// Declares an identifier that is a counted number behind one letter, such as `e17`.
macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = UnreadableId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($letter)
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or(UnreadableId { expected: $expected })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

counted_id!(
    /// One continuous firing of one alert.
    EpisodeId, "e", "an episode id such as e17"
);
counted_id!(
    /// A change told to us.
    ChangeId, "c", "a change id such as c3"
);
counted_id!(
    /// A note that a person attached to an incident.
    NoteId, "n", "a note id such as n5"
);
counted_id!(
    /// A corrective or preventative measure of an incident.
    ActionId, "a", "an action id such as a2"
);

/// A short shared text: a source, a namespace, a service, a sender's address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub Arc<str>);

impl Name {
    /// Wraps a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// What tells the alerts of one namespace apart: 16 hexadecimal digits where it comes from the
/// labels, the sender's own key elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(SmolStr);

impl Fingerprint {
    /// Wraps a key as its sender wrote it. One of up to 23 bytes takes no memory of its own.
    pub fn new(text: impl Into<SmolStr>) -> Self {
        Self(text.into())
    }

    /// The 16 lower-case digits of a number.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize];
        }
        Self::new(std::str::from_utf8(&digits).unwrap_or_default())
    }

    /// The number that it writes, where it is 16 lower-case digits.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        number_in(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number that 16 lower-case digits write.
pub(super) fn number_in(digits: &str) -> Option<u64> {
    let is_number = digits.len() == 16
        && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    u64::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_of_sixteen_digits_is_a_number() {
        for (text, expect) in [
            ("9ba69599550c63f0", Some(0x9ba6_9599_550c_63f0)),
            ("0000000000000000", Some(0)),
            ("9BA69599550C63F0", None),
            ("+ba69599550c63f0", None),
            ("9ba6", None),
            ("", None),
        ] {
            let fingerprint = Fingerprint::new(text);
            assert_eq!(fingerprint.number(), expect, "{text}");
            if let Some(number) = expect {
                assert_eq!(Fingerprint::of_number(number), fingerprint);
            }
        }
    }

    #[test]
    fn counted_ids_read_back_what_they_print() {
        let id = EpisodeId(17);
        assert_eq!(id.to_string(), "e17");
        assert_eq!("e17".parse::<EpisodeId>(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"e17\"");
        for bad in ["17", "e", "e-1", "c17", "e+1", ""] {
            assert!(bad.parse::<EpisodeId>().is_err(), "{bad}");
        }
    }
}
