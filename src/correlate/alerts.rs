//! What is remembered of each alert, by its identity, written small.
//!
//! Nearly all alerts have a fingerprint of 16 digits, which is a number, and a namespace that they
//! share with thousands: 16 bytes say which they are. Equal keys are equal alerts, never a hash.
//! Called by `memory` and `histories`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use crate::domain::{AlertKey, EpisodeId, Fingerprint, Name};

/// Something of each alert. Only ever asked by key, or gone through in the order of the alerts.
#[derive(Clone, Debug)]
pub(super) struct ByAlert<T> {
    values: HashMap<Key, T>,
    namespaces: Namespaces,
}

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Plain { namespace: u32, fingerprint: u64 },
    Other(Box<AlertKey>),
}

/// Numbers of namespaces, of which there are few.
#[derive(Clone, Debug, Default)]
struct Namespaces {
    names: Vec<Name>,
    numbers: BTreeMap<Name, u32>,
}

impl Namespaces {
    /// The identity as it stands in the map; `None` when nothing of its namespace does.
    fn find(&self, key: &AlertKey) -> Option<Key> {
        match (key.fingerprint.number(), key.variant) {
            (Some(fingerprint), None) => {
                let namespace = *self.numbers.get(&key.namespace)?;
                Some(Key::Plain { namespace, fingerprint })
            }
            (_, _) => Some(Key::Other(Box::new(key.clone()))),
        }
    }

    /// The same, for one that is to be put in.
    fn make(&mut self, key: &AlertKey) -> Key {
        if let Some(known) = self.find(key) {
            return known;
        }
        if let Ok(number) = u32::try_from(self.names.len()) {
            self.names.push(key.namespace.clone());
            self.numbers.insert(key.namespace.clone(), number);
        }
        self.find(key).unwrap_or_else(|| Key::Other(Box::new(key.clone())))
    }

    fn name(&self, number: u32) -> Option<&Name> {
        self.names.get(number as usize)
    }

    fn alert(&self, key: &Key) -> Option<AlertKey> {
        match key {
            Key::Plain { namespace, fingerprint } => {
                let namespace = self.name(*namespace)?.clone();
                Some(AlertKey::new(namespace, Fingerprint::of_number(*fingerprint)))
            }
            Key::Other(key) => Some((**key).clone()),
        }
    }

    /// The order of namespaces and numbers, and behind them of all others.
    fn order(&self, a: &Key, b: &Key) -> Ordering {
        match (a, b) {
            (
                Key::Plain { namespace: x, fingerprint: n },
                Key::Plain { namespace: y, fingerprint: m },
            ) => {
                let names =
                    if x == y { Ordering::Equal } else { self.name(*x).cmp(&self.name(*y)) };
                names.then(n.cmp(m))
            }
            (Key::Plain { .. }, Key::Other(_)) => Ordering::Less,
            (Key::Other(_), Key::Plain { .. }) => Ordering::Greater,
            (Key::Other(a), Key::Other(b)) => a.cmp(b),
        }
    }
}

impl<T> Default for ByAlert<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), namespaces: Namespaces::default() }
    }
}

impl<T> ByAlert<T> {
    pub(super) fn get(&self, key: &AlertKey) -> Option<&T> {
        self.values.get(&self.namespaces.find(key)?)
    }

    pub(super) fn get_mut(&mut self, key: &AlertKey) -> Option<&mut T> {
        self.values.get_mut(&self.namespaces.find(key)?)
    }

    pub(super) fn contains_key(&self, key: &AlertKey) -> bool {
        self.get(key).is_some()
    }

    /// What is there, or what is made.
    pub(super) fn get_or_put(&mut self, key: &AlertKey, make: impl FnOnce() -> T) -> &mut T {
        self.values.entry(self.namespaces.make(key)).or_insert_with(make)
    }

    pub(super) fn remove(&mut self, key: &AlertKey) -> Option<T> {
        self.values.remove(&self.namespaces.find(key)?)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// All of them, in an order that the alerts alone give.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (AlertKey, &T)> {
        let mut list: Vec<(&Key, &T)> = self.values.iter().collect();
        list.sort_unstable_by(|(a, _), (b, _)| self.namespaces.order(a, b));
        list.into_iter().filter_map(|(key, value)| Some((self.namespaces.alert(key)?, value)))
    }
}

/// The episodes of an alert, in the order in which they came into memory: most have one.
#[expect(clippy::box_collection, reason = "most have one, and that one is to take little")]
#[derive(Clone, Debug)]
pub(super) enum Firings {
    /// The only one.
    One(EpisodeId),
    /// Some.
    Many(Box<Vec<EpisodeId>>),
}

impl Firings {
    pub(super) fn as_slice(&self) -> &[EpisodeId] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    /// Adds one, once.
    pub(super) fn add(&mut self, id: EpisodeId) {
        match self {
            Self::One(first) if *first != id => *self = Self::Many(Box::new(vec![*first, id])),
            Self::Many(ids) if !ids.contains(&id) => ids.push(id),
            Self::One(_) | Self::Many(_) => {}
        }
    }

    /// Without one; `None` when no other is left.
    pub(super) fn without(&self, id: EpisodeId) -> Option<Self> {
        let mut left = self.as_slice().iter().copied().filter(|other| *other != id);
        let mut firings = Self::One(left.next()?);
        left.for_each(|other| firings.add(other));
        Some(firings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, fingerprint: &str, variant: Option<u64>) -> AlertKey {
        AlertKey { variant, ..AlertKey::new(namespace.into(), Fingerprint::new(fingerprint)) }
    }

    #[test]
    fn alerts_are_told_apart_by_all_of_their_identity_and_come_back_in_order() {
        let mut map = ByAlert::default();
        let keys = [
            key("grafana/1", "00000000000000aa", None),
            key("grafana/1", "00000000000000ab", None),
            key("prometheus", "00000000000000aa", None),
            key("prometheus", "00000000000000aa", Some(7)),
            key("prometheus", "00000000000000AA", None),
            key("prometheus", "an own key", None),
        ];
        for (number, key) in keys.iter().enumerate().rev() {
            assert!(map.get(key).is_none());
            *map.get_or_put(key, || 0) += number;
        }
        assert_eq!(map.len(), keys.len());
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(map.get(key), Some(&number));
        }
        let found: Vec<(AlertKey, usize)> = map.in_order().map(|(k, n)| (k, *n)).collect();
        let expect = [0, 1, 2, 4, 3, 5].map(|n| (keys[n].clone(), n));
        assert_eq!(found[..3], expect[..3]);
        assert_eq!(found.len(), expect.len());
        assert_eq!(map.remove(&keys[2]), Some(2));
        assert!(!map.contains_key(&keys[2]) && map.contains_key(&keys[3]));
    }

    #[test]
    fn firings_keep_the_order_in_which_they_came() {
        let ids = |numbers: &[u64]| numbers.iter().copied().map(EpisodeId).collect::<Vec<_>>();
        let mut firings = Firings::One(EpisodeId(5));
        ids(&[5, 2, 9, 2]).into_iter().for_each(|id| firings.add(id));
        assert_eq!(firings.as_slice(), ids(&[5, 2, 9]));
        let left = firings.without(EpisodeId(5)).unwrap();
        assert_eq!(left.as_slice(), ids(&[2, 9]));
        let left = left.without(EpisodeId(9)).unwrap();
        assert_eq!(left.as_slice(), ids(&[2]));
        assert!(left.without(EpisodeId(2)).is_none());
    }
}
