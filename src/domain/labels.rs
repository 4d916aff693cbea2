//! Label sets, and the fingerprint that Alertmanager computes from them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::format_smolstr;

use super::ids::Fingerprint;
use super::redaction::MARK;

/// Names with their values, sorted by name, each name once. Cheap to clone. Used for labels and
/// for annotations alike.
#[derive(Clone, Default)]
pub struct Labels(Option<Arc<Packed>>);

/// A set in one piece of memory, because there is one for every alert of every delivery: the
/// number of pairs, where each name and each value ends in the text (name, value, name, value),
/// and the text, all names and values one behind the other. Numbers are four characters of seven
/// bits each, so that the whole is a text and a piece of it can be cut without being checked.
type Packed = str;

/// Characters of a number.
const NUMBER: usize = 4;

/// Writes a number. What ingest lets through is far below the 256 MiB that it can say.
fn push_number(number: usize, to: &mut String) {
    (0..NUMBER).for_each(|digit| to.push(char::from((number >> (7 * digit)) as u8 & 0x7f)));
}

/// Reads the number at a place, counted in numbers.
fn number_at(packed: &Packed, place: usize) -> usize {
    let digits = &packed.as_bytes()[place * NUMBER..][..NUMBER];
    digits.iter().rev().fold(0, |number, digit| number << 7 | usize::from(*digit))
}

/// How many pairs there are.
fn pairs_in(packed: &Packed) -> usize {
    number_at(packed, 0)
}

/// The names and values one behind the other.
fn text_of(packed: &Packed) -> &str {
    &packed[(1 + 2 * pairs_in(packed)) * NUMBER..]
}

impl Labels {
    /// Sorts the pairs; of a name that comes twice, the last value counts, as in JSON.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut list: Vec<(K, V)> = pairs.into_iter().collect();
        if !list.is_sorted_by(|a, b| a.0.as_ref() < b.0.as_ref()) {
            // A stable sort keeps the order of arrival among equals, so the last one can win below.
            list.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
            list.dedup_by(|later, kept| {
                let is_same = later.0.as_ref() == kept.0.as_ref();
                if is_same {
                    std::mem::swap(&mut later.1, &mut kept.1);
                }
                is_same
            });
        }
        if list.is_empty() {
            return Self::default();
        }
        let bytes: usize = list.iter().map(|(k, v)| k.as_ref().len() + v.as_ref().len()).sum();
        let mut packed = String::with_capacity((1 + 2 * list.len()) * NUMBER + bytes);
        push_number(list.len(), &mut packed);
        let mut end = 0;
        for (name, value) in &list {
            for piece in [name.as_ref(), value.as_ref()] {
                end += piece.len();
                push_number(end, &mut packed);
            }
        }
        for (name, value) in &list {
            packed.push_str(name.as_ref());
            packed.push_str(value.as_ref());
        }
        Self(Some(packed.into()))
    }

    /// Keeps one copy where another holds the same pairs.
    pub fn share(&mut self, other: &Self) {
        if self == other {
            self.0.clone_from(&other.0);
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let packed = self.0.as_deref()?;
        let text = text_of(packed);
        let mut begin = 0;
        // Sets are small: most names differ in their length already, which costs less than halving.
        for place in (1..=2 * pairs_in(packed)).step_by(2) {
            let (name_end, end) = (number_at(packed, place), number_at(packed, place + 1));
            if text.as_bytes()[begin..name_end] == *name.as_bytes() {
                return Some(&text[name_end..end]);
            }
            begin = end;
        }
        None
    }

    /// The value of a name when it is not empty: for Prometheus an empty label is an absent one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|v| !v.is_empty())
    }

    /// All pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|packed| {
            let text = text_of(packed);
            let mut begin = 0;
            let mut piece = move |place| {
                let end = number_at(packed, place);
                let piece = &text[begin..end];
                begin = end;
                piece
            };
            (0..pairs_in(packed)).map(move |pair| (piece(2 * pair + 1), piece(2 * pair + 2)))
        })
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_deref().map_or(0, pairs_in)
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// True when both may be one label set read under different redaction rules: the same names,
    /// and values that are equal unless one of them was redacted.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        self == other
            || (self.len() == other.len()
                && self.iter().zip(other.iter()).all(|((name, value), (other_name, other))| {
                    name == other_name
                        && (value == other || value.contains(MARK) || other.contains(MARK))
                }))
    }

    /// A 64-bit FNV-1a hash over the non-empty labels, sorted, `name 0xff value 0xff`: equal to
    /// the fingerprint that Alertmanager computes and sends.
    ///
    /// Source: prometheus/common, `model/signature.go`.
    #[must_use]
    pub fn hash64(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut hash = OFFSET;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
        };
        for (name, value) in self.iter().filter(|(_, v)| !v.is_empty()) {
            feed(name.as_bytes());
            feed(&[0xff]);
            feed(value.as_bytes());
            feed(&[0xff]);
        }
        hash
    }

    /// [`Labels::hash64`] in the form in which Alertmanager writes it: 16 lower-case digits.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(format_smolstr!("{:016x}", self.hash64()))
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Eq for Labels {}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    /// As lists of pairs are ordered.
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(packed) = &self.0 {
            packed.hash(state);
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(pair) = map.next_entry::<Box<str>, Box<str>>()? {
                    pairs.push(pair);
                }
                Ok(Labels::from_pairs(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_equals_the_one_alertmanager_sends() {
        let labels = Labels::from_pairs([
            ("alertname", "Http503RateHigh"),
            ("service", "bookstore-web"),
            ("severity", "critical"),
            ("env", "prod"),
            ("empty", ""),
        ]);
        assert_eq!(labels.fingerprint().as_str(), "9ba69599550c63f0");
    }

    #[test]
    fn a_redacted_value_may_stand_for_any_other() {
        let labels = |token: &str, pod: &str| Labels::from_pairs([("token", token), ("pod", pod)]);
        for (one, other, expect) in [
            (labels("a", "web"), labels("a", "web"), true),
            (labels("a", "web"), labels("[redacted]", "web"), true),
            (labels("x-[redacted]", "web"), labels("a", "web"), true),
            (labels("a", "web"), labels("b", "web"), false),
            (labels("a", "web"), labels("[redacted]", "db"), false),
            (labels("a", "web"), Labels::from_pairs([("token", "[redacted]")]), false),
        ] {
            assert_eq!(one.may_be(&other), expect, "{one:?} {other:?}");
            assert_eq!(other.may_be(&one), expect, "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_last_of_equal_names_wins() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "x"), ("b", "2")]);
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.len(), 2);
        assert_eq!(serde_json::to_string(&labels).unwrap(), r#"{"a":"x","b":"2"}"#);
        let thrice = Labels::from_pairs([("a", "1"), ("a", "2"), ("a", "3")]);
        assert_eq!(thrice.iter().collect::<Vec<_>>(), [("a", "3")]);
    }

    #[test]
    fn sets_are_equal_and_ordered_as_lists_of_pairs() {
        let set = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let sets = [
            set(&[]),
            set(&[("", "")]),
            set(&[("a", "")]),
            set(&[("a", ""), ("b", "c")]),
            set(&[("a", "b")]),
            set(&[("a", "bc")]),
            set(&[("ab", "c")]),
        ];
        for (i, a) in sets.iter().enumerate() {
            for (j, b) in sets.iter().enumerate() {
                assert_eq!((a == b, a.cmp(b)), (i == j, i.cmp(&j)), "{a:?} {b:?}");
            }
        }
        assert!(Labels::default().is_empty() && set(&[("", "")]).get("") == Some(""));
        for (name, expect) in [("a", Some("")), ("b", Some("c")), ("c", None), ("", None)] {
            assert_eq!(sets[3].get(name), expect);
        }
    }
}
