//! What the machine learns from the stream: clusters of places, how rare a label pair is, how
//! busy it is, and which alerts mostly come to nothing.
//!
//! Everything here is counted along the ledger, stands in the snapshot and is bounded; what is
//! older than its stated window does not count, whether it was dropped already or not.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

use serde::{Deserialize, Serialize};

use super::marks::{Mark, Numbered, mark, pair_mark};
use super::traits::PLACES;
use crate::domain::packed::{Packer, Unpacker, Unreadable};
use crate::domain::{EpisodeId, Labels, Name, Span, Timestamp};

/// How long the cluster of a place, and an inferred cluster, is believed.
const PLACE_MEMORY: Span = Span::from_hours(24);
/// When this many series were counted, all counts are halved: old habits fade.
const SERIES_MAX: u32 = 20_000;
/// For how long an alert can still find a home, or count as making the stream busy, in record
/// time.
pub(super) const BEGUN_MEMORY: Span = Span::from_hours(24);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Learned {
    #[serde(with = "as_list")]
    clusters: BTreeMap<Name, Timestamp>,
    #[serde(skip)]
    places: Numbered<Mark, Place>,
    #[serde(with = "as_list")]
    inferred: BTreeMap<EpisodeId, (Name, Timestamp)>,
    begun: VecDeque<Begun>,
    #[serde(skip)]
    pairs: Numbered<Mark, Count>,
    series: u32,
    #[serde(with = "as_list")]
    habits: BTreeMap<Name, Habit>,
    /// As configured; not in the snapshot, which holds the configuration itself.
    #[serde(skip)]
    limits: Limits,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limits {
    /// Most places, label pairs and names, of each sort.
    entries: usize,
    /// How many of the newest alerts can still find a home, or count as making it busy.
    begun: usize,
}

/// How often alerts of one name began, and became part of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Habit {
    begun: u32,
    joined: u32,
    seen_at: Timestamp,
}

/// When an alert name began this often, its counts are halved: old habits fade.
const HABIT_MAX: u32 = 200;

/// Where a pod, instance or node was last seen; no cluster when it was seen in two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    cluster: Option<Name>,
    seen_at: Timestamp,
}

/// An alert that began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) id: EpisodeId,
    pub(super) cluster: Option<Name>,
    pub(super) heard_at: Timestamp,
}

/// In how many series a label pair was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Count {
    series: u32,
    seen_at: Timestamp,
}

impl Learned {
    /// Sets how much is kept.
    pub(super) fn limit(&mut self, entries: u32, begun: u32) {
        self.limits = Limits { entries: entries as usize, begun: begun as usize };
    }

    /// Learns from the labels of an alert that was not heard of before.
    pub(super) fn count_series(&mut self, labels: &Labels, service: Option<&Name>, now: Timestamp) {
        self.series += 1;
        let parts = service.map(part_marks).unwrap_or_default();
        let pairs = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| pair_mark(name, value));
        for pair in pairs.chain(parts) {
            let count = self.pairs.entry(pair).or_insert(Count { series: 0, seen_at: now });
            count.series += 1;
            count.seen_at = now;
        }
        if self.series >= SERIES_MAX {
            self.series /= 2;
            self.pairs.values_mut().for_each(|count| count.series /= 2);
            self.pairs.retain(|_, count| count.series > 0);
        }
        bound(&mut self.pairs, self.limits.entries, |count| count.seen_at);
    }

    /// How rare a label pair is: `ln((n + 2) / (df + 1))`, 0 when every series has it.
    pub(super) fn rarity(&self, pair: Mark) -> f64 {
        let found = self.pairs.get(&pair).map_or(1, |count| count.series);
        (f64::from(self.series.max(1) + 2) / f64::from(found + 1)).ln().max(0.0)
    }

    /// How rare the rarest of the marks is that stand in both lists, which are in order; `None`
    /// when none does.
    pub(super) fn rarest_shared(&self, a: &[Mark], b: &[Mark]) -> Option<f64> {
        let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
        let mut rarest: Option<f64> = None;
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            match x.cmp(y) {
                Ordering::Less => drop(a.next()),
                Ordering::Greater => drop(b.next()),
                Ordering::Equal => {
                    let rarity = self.rarity(**x);
                    rarest = Some(rarest.map_or(rarity, |known| known.max(rarity)));
                    a.next();
                    b.next();
                }
            }
        }
        rarest
    }

    /// How many series were counted, as a measure of how much is known.
    pub(super) const fn series(&self) -> u32 {
        self.series
    }

    /// Learns where places are, from an alert that names its cluster.
    pub(super) fn place(&mut self, labels: &Labels, cluster: &str, now: Timestamp) {
        let cluster = Name::from(cluster);
        self.clusters.insert(cluster.clone(), now);
        bound_names(&mut self.clusters, self.limits.entries, |seen_at| *seen_at);
        for value in PLACES.iter().filter_map(|label| labels.value(label)) {
            let place = self
                .places
                .entry(mark([value]))
                .or_insert(Place { cluster: Some(cluster.clone()), seen_at: now });
            let is_stale = now - place.seen_at > PLACE_MEMORY;
            if is_stale {
                place.cluster = Some(cluster.clone());
            } else if place.cluster.as_ref() != Some(&cluster) {
                place.cluster = None;
            }
            place.seen_at = now;
        }
        bound(&mut self.places, self.limits.entries, |place| place.seen_at);
    }

    /// The cluster in which the places of an alert were seen, if it is one only.
    pub(super) fn cluster_by_place(&self, labels: &Labels, now: Timestamp) -> Option<Name> {
        PLACES
            .iter()
            .filter_map(|label| labels.value(label))
            .filter_map(|value| self.places.get(&mark([value])))
            .filter(|place| now - place.seen_at <= PLACE_MEMORY)
            .find_map(|place| place.cluster.clone())
    }

    /// The one cluster, of those heard of or in the graph, that a text names as a word.
    pub(super) fn cluster_in_texts<'a>(
        &'a self,
        texts: &Labels,
        in_graph: impl Iterator<Item = &'a Name>,
        now: Timestamp,
    ) -> Option<Name> {
        let heard = self
            .clusters
            .iter()
            .filter(|(_, seen_at)| now - **seen_at <= PLACE_MEMORY)
            .map(|(name, _)| name);
        let mut found: Option<&Name> = None;
        for cluster in heard.chain(in_graph) {
            let named = texts.iter().any(|(_, text)| has_word(text, cluster.as_str()));
            match found {
                _ if !named => {}
                None => found = Some(cluster),
                Some(known) if known == cluster => {}
                Some(_) => return None,
            }
        }
        found.cloned()
    }

    /// Keeps the cluster that was found for an episode.
    pub(super) fn infer(&mut self, id: EpisodeId, cluster: Name, now: Timestamp) {
        self.inferred.insert(id, (cluster, now));
    }

    /// The cluster that was found for an episode.
    pub(super) fn inferred(&self, id: EpisodeId) -> Option<&Name> {
        self.inferred.get(&id).map(|(cluster, _)| cluster)
    }

    /// Drops what was inferred too long ago, and returns it.
    pub(super) fn fade(&mut self, now: Timestamp) -> Vec<(EpisodeId, Name)> {
        let mut faded = Vec::new();
        while let Some(entry) = self.inferred.first_entry()
            && now - entry.get().1 > PLACE_MEMORY
        {
            let (id, (cluster, _)) = entry.remove_entry();
            faded.push((id, cluster));
        }
        faded
    }

    /// Counts an alert that became part of something.
    pub(super) fn count_joined(&mut self, alertname: &Name) {
        if let Some(habit) = self.habits.get_mut(alertname) {
            habit.joined += 1;
        }
    }

    /// What the past of an alert name says of the next one: above 0 when its alerts mostly become
    /// part of something, below when they mostly stay alone, between -1 and 1.
    pub(super) fn habit(&self, alertname: &Name) -> (f64, u32, u32) {
        const EXAMPLES: f64 = 6.0;
        let Some(habit) = self.habits.get(alertname) else { return (0.0, 0, 0) };
        let (begun, joined) = (habit.begun.saturating_sub(1), habit.joined.min(habit.begun));
        let (all, part) = (f64::from(begun), f64::from(joined.min(begun)));
        let share = (part + EXAMPLES * 0.35) / (all + EXAMPLES);
        let points = (share / (1.0 - share)).ln() - (0.35_f64 / 0.65).ln();
        (points.clamp(-1.0, 1.0), joined, begun)
    }

    /// Notes that an alert began which could be part of something. Returns those that are no
    /// longer among the newest.
    pub(super) fn begin(
        &mut self,
        id: EpisodeId,
        alertname: Name,
        cluster: Option<Name>,
        heard_at: Timestamp,
    ) -> Vec<Begun> {
        let habit = self.habits.entry(alertname).or_insert(Habit {
            begun: 0,
            joined: 0,
            seen_at: heard_at,
        });
        habit.begun += 1;
        habit.seen_at = heard_at;
        if habit.begun >= HABIT_MAX {
            habit.begun /= 2;
            habit.joined /= 2;
        }
        bound_names(&mut self.habits, self.limits.entries, |habit| habit.seen_at);
        self.begun.push_back(Begun { id, cluster, heard_at });
        let too_many = self.begun.len().saturating_sub(self.limits.begun);
        self.begun.drain(..too_many).collect()
    }

    /// The newest alerts that could be part of something, oldest first.
    pub(super) fn begun(&self) -> impl DoubleEndedIterator<Item = &Begun> {
        self.begun.iter()
    }

    /// All but what is many, for a snapshot.
    pub(super) fn without_many(&self) -> Self {
        Self {
            clusters: self.clusters.clone(),
            places: Numbered::default(),
            inferred: self.inferred.clone(),
            begun: self.begun.clone(),
            pairs: Numbered::default(),
            series: self.series,
            habits: self.habits.clone(),
            limits: self.limits,
        }
    }

    /// What is many, for a snapshot.
    pub(super) fn pack_many(&self, packer: &mut Packer<'_>, base: Timestamp) {
        packer.count(self.places.len() as u64);
        for (mark, place) in sorted(&self.places) {
            packer.word(*mark);
            packer.count(u64::from(place.cluster.is_some()));
            if let Some(cluster) = &place.cluster {
                packer.text(cluster.as_str());
            }
            packer.moment(place.seen_at, base);
        }
        packer.count(self.pairs.len() as u64);
        for (mark, count) in sorted(&self.pairs) {
            packer.word(*mark);
            packer.count(u64::from(count.series));
            packer.moment(count.seen_at, base);
        }
    }

    /// What is many, from a snapshot.
    pub(super) fn unpack_many(
        &mut self,
        unpacker: &mut Unpacker<'_>,
        base: Timestamp,
    ) -> Result<(), Unreadable> {
        for _ in 0..unpacker.count()? {
            let mark = unpacker.word()?;
            let is_known = unpacker.count()? == 1;
            let cluster = if is_known { Some(Name(unpacker.text()?)) } else { None };
            self.places.insert(mark, Place { cluster, seen_at: unpacker.moment(base)? });
        }
        for _ in 0..unpacker.count()? {
            let mark = unpacker.word()?;
            let series = u32::try_from(unpacker.count()?).unwrap_or(u32::MAX);
            self.pairs.insert(mark, Count { series, seen_at: unpacker.moment(base)? });
        }
        Ok(())
    }

    /// True when alerts of two clusters were heard lately.
    pub(super) fn has_clusters(&self, now: Timestamp) -> bool {
        self.clusters.values().filter(|seen_at| now - **seen_at <= PLACE_MEMORY).nth(1).is_some()
    }
}

/// The label name under which parts of service names are counted; no label can have it.
const PART: &str = "service part";

/// The marks of the parts of a service name that can be shared, in order: `shop-web` has `shop`
/// and `web`.
pub(super) fn part_marks(name: &Name) -> Box<[Mark]> {
    let mut parts: Vec<Mark> = name
        .as_str()
        .split(['-', '_', '.', '/'])
        .filter(|part| part.len() >= 2)
        .map(|part| pair_mark(PART, &part.to_lowercase()))
        .collect();
    parts.sort_unstable();
    parts.dedup();
    parts.into()
}

/// True when the text holds the word, with no letter, digit or dash at either side.
fn has_word(text: &str, word: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            !text[..at].ends_with(continues) && !text[at + word.len()..].starts_with(continues)
        })
}

/// Drops the oldest quarter when there are too many, equal ages by key.
fn bound<K: Ord + Copy + Hash, V, S: BuildHasher>(
    map: &mut HashMap<K, V, S>,
    most: usize,
    seen_at: impl Fn(&V) -> Timestamp,
) {
    if map.len() > most {
        let mut ages: Vec<(Timestamp, K)> = map.iter().map(|(k, v)| (seen_at(v), *k)).collect();
        ages.sort_unstable();
        let too_many = map.len() - most;
        for (_, key) in ages.into_iter().take(too_many + most / 4) {
            map.remove(&key);
        }
    }
}

/// In the order of the keys.
fn sorted<V>(map: &Numbered<Mark, V>) -> Vec<(&Mark, &V)> {
    let mut list: Vec<(&Mark, &V)> = map.iter().collect();
    list.sort_unstable_by_key(|(mark, _)| **mark);
    list
}

/// As [`bound`], for what is few.
fn bound_names<V>(map: &mut BTreeMap<Name, V>, most: usize, seen_at: impl Fn(&V) -> Timestamp) {
    if map.len() > most {
        let mut ages: Vec<(Timestamp, Name)> =
            map.iter().map(|(k, v)| (seen_at(v), k.clone())).collect();
        ages.sort_unstable();
        let too_many = map.len() - most;
        for (_, key) in ages.into_iter().take(too_many + most / 4) {
            map.remove(&key);
        }
    }
}

/// Maps as lists of pairs: JSON has only text as keys.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter())
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned() -> Learned {
        let mut learned = Learned::default();
        learned.limit(1_000, 100);
        learned
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|(k, v)| (*k, *v)))
    }

    #[test]
    fn a_place_seen_in_one_cluster_tells_it_and_in_two_tells_nothing() {
        let mut learned = learned();
        let at = Timestamp::from_seconds;
        let alert = labels(&[("pod", "web-1")]);
        learned.place(&alert, "eu", at(0));
        assert_eq!(learned.cluster_by_place(&alert, at(10)), Some(Name::from("eu")));
        assert_eq!(learned.cluster_by_place(&alert, at(100_000)), None);
        learned.place(&alert, "us", at(20));
        assert_eq!(learned.cluster_by_place(&alert, at(30)), None);
    }

    #[test]
    fn a_cluster_in_a_text_counts_as_a_whole_word_and_alone() {
        let mut learned = learned();
        let at = Timestamp::from_seconds(0);
        for cluster in ["prod-eu-1", "prod-eu-12"] {
            learned.place(&Labels::default(), cluster, at);
        }
        let find = |text: &str| {
            learned.cluster_in_texts(&labels(&[("description", text)]), [].into_iter(), at)
        };
        assert_eq!(find("down (cluster prod-eu-1, x)"), Some(Name::from("prod-eu-1")));
        assert_eq!(find("prod-eu-12 is down"), Some(Name::from("prod-eu-12")));
        assert_eq!(find("prod-eu-1 and prod-eu-12"), None);
        assert_eq!(find("my-prod-eu-1"), None);
    }

    #[test]
    fn what_every_series_has_is_not_rare() {
        let mut learned = learned();
        for pod in 0..50 {
            let pod = format!("p{pod}");
            let alert = labels(&[("env", "prod"), ("pod", &pod)]);
            learned.count_series(&alert, None, Timestamp::EPOCH);
        }
        assert!(learned.rarity(pair_mark("env", "prod")) < 0.05);
        assert!(learned.rarity(pair_mark("pod", "p1")) > 3.0);
    }
}
