//! A bounded cache that forgets what was not asked for lately.
//!
//! Two generations: what is new or asked for lives in the young one; when that is full it becomes
//! the old one, and the former old one is dropped. It approximates "least recently used" without a
//! list to keep in order. Losing an entry must never be more than a missed saving.

use std::hash::Hash;

use hashbrown::HashMap;

/// See the module. `weight_max` bounds each of the two generations.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_weight: usize,
    weight_max: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Generations<K, V> {
    pub(super) fn new(weight_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_weight: 0, weight_max }
    }

    /// The value, if it is still known. Only [`Generations::insert`] makes an entry young again, as
    /// only the caller knows what it weighs.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// True when the next turn of the generations would drop the entry.
    pub(super) fn is_ageing(&self, key: &K) -> bool {
        !self.young.contains_key(key)
    }

    /// Puts an entry into the young generation; the value it had before is returned.
    pub(super) fn insert(&mut self, key: K, value: V, weight: usize) -> Option<V> {
        if self.young_weight.saturating_add(weight) > self.weight_max {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        let before = self.old.remove(&key);
        let replaced = self.young.insert(key, value);
        if replaced.is_none() {
            self.young_weight += weight;
        }
        replaced.or(before)
    }

    /// Forgets an entry. Its weight stays counted until the next turn, which only comes sooner.
    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// How many entries are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_again_outlives_what_is_not() {
        let mut cache = Generations::new(4);
        for n in 0..100 {
            cache.insert(n, n, 1);
            cache.insert(1000, 0, 1);
        }
        assert!(cache.len() <= 8, "{}", cache.len());
        assert_eq!(cache.get(&1000), Some(&0));
        assert_eq!(cache.get(&99), Some(&99));
        assert_eq!(cache.get(&0), None);
    }

    #[test]
    fn insert_returns_what_was_known_in_either_generation() {
        let mut cache = Generations::new(2);
        assert_eq!(cache.insert("a", 1, 1), None);
        assert_eq!(cache.insert("a", 2, 1), Some(1));
        cache.insert("b", 1, 1);
        cache.insert("c", 1, 1);
        assert!(cache.is_ageing(&"a"));
        assert_eq!(cache.insert("a", 3, 1), Some(2));
        cache.remove(&"a");
        assert_eq!(cache.get(&"a"), None);
    }
}
