//! Label sets, and the fingerprint that Alertmanager computes from them.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::Fingerprint;
use super::redaction::MARK;

/// Names with their values, sorted by name, each name once. Cheap to clone. Used for labels and
/// for annotations alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl Labels {
    /// Sorts the pairs; of a name that comes twice, the last value counts, as in JSON.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        let mut list: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        // A stable sort keeps the order of arrival among equals, so the last one can win below.
        list.sort_by(|a, b| a.0.cmp(&b.0));
        let mut unique: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(list.len());
        for pair in list {
            match unique.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                _ => unique.push(pair),
            }
        }
        Self(unique.into())
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(name)).ok().map(|i| &*self.0[i].1)
    }

    /// The value of a name when it is not empty: for Prometheus an empty label is an absent one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|v| !v.is_empty())
    }

    /// All pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        Fingerprint::new(format!("{:016x}", self.hash64()))
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
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(pair) = map.next_entry::<String, String>()? {
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
    }
}
