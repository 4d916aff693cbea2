//! The episodes that the machine holds: few open, all others packed.
//!
//! An alert that fires for days is heard of every few hours, and most of what is known of it is
//! not looked at then: packed it takes a tenth. What is asked for is opened and stays open while
//! it is used; what was not looked at lately is packed again, which is noticed by nobody. What
//! grouping reads out of an episode goes with the open one. Called by `memory`.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;

use super::dictionary::Dictionary;
use super::graph::Graph;
use super::learned::Learned;
use super::marks::Numbered;
use super::sheets::{Place, Sheets};
use super::traits::Traits;
use crate::domain::packed::{Heard, Packer, Unpacker, Unreadable};
use crate::domain::{Episode, EpisodeId, Timestamp};

/// How many episodes may be open between two records; few in tests, so that they are packed there.
const OPEN_MAX: usize = if cfg!(test) { 3 } else { 8 * 1024 };
/// When there are more, this many stay open.
const OPEN_KEPT: usize = OPEN_MAX / 4 * 3;
/// When this many were taken out, and more than are left, all are packed anew: texts that only they
/// held are dropped.
const REMOVED_MIN: usize = if cfg!(test) { 5 } else { 4 * 1024 };

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Cabinet {
    slots: Numbered<EpisodeId, Slot>,
    packed: Sheets,
    dictionary: Dictionary,
    /// Those that are open, in the order in which they were opened or last given another chance.
    /// Some may have been taken out or packed since.
    open: RefCell<VecDeque<EpisodeId>>,
    /// How many were taken out since all were packed anew.
    removed: usize,
}

/// One episode: open, packed, or both.
#[derive(Clone, Debug, Default)]
struct Slot {
    open: OnceCell<Box<Open>>,
    /// None while it was never packed. Behind the time when the open one says so.
    packed: Option<Place>,
}

#[derive(Clone, Debug)]
struct Open {
    episode: Episode,
    traits: OnceCell<Box<Traits>>,
    /// True when the packed one says less.
    is_changed: bool,
    /// Looked at since the last round.
    is_used: Cell<bool>,
}

impl Open {
    fn new(episode: Episode, is_changed: bool) -> Box<Self> {
        Box::new(Self { episode, traits: OnceCell::new(), is_changed, is_used: Cell::new(true) })
    }
}

impl Cabinet {
    /// The episode, opened if it was packed.
    pub(super) fn get(&self, id: &EpisodeId) -> Option<&Episode> {
        self.open(*id).map(|open| &open.episode)
    }

    /// The episode for a change. What was read out of it stays as it was.
    pub(super) fn get_mut(&mut self, id: &EpisodeId) -> Option<&mut Episode> {
        self.open(*id)?;
        let open = self.slots.get_mut(id)?.open.get_mut()?;
        open.is_changed = true;
        Some(&mut open.episode)
    }

    /// What grouping reads out of an episode.
    pub(super) fn traits(
        &self,
        id: EpisodeId,
        graph: &Graph,
        learned: &Learned,
    ) -> Option<&Traits> {
        let open = self.open(id)?;
        let read = || Box::new(Traits::read(&open.episode, graph, learned.inferred(id)));
        Some(open.traits.get_or_init(read))
    }

    /// What was read out of an episode does not hold any more.
    pub(super) fn forget_traits(&mut self, id: EpisodeId) {
        if let Some(open) = self.slots.get_mut(&id).and_then(|slot| slot.open.get_mut()) {
            open.traits = OnceCell::new();
        }
    }

    fn open(&self, id: EpisodeId) -> Option<&Open> {
        let slot = self.slots.get(&id)?;
        if let Some(open) = slot.open.get() {
            open.is_used.set(true);
            return Some(open);
        }
        // We have packed it ourselves, so it can be read.
        let episode = self.unpack(id, slot)?;
        self.open.borrow_mut().push_back(id);
        Some(slot.open.get_or_init(|| Open::new(episode, false)))
    }

    pub(super) fn contains_key(&self, id: &EpisodeId) -> bool {
        self.slots.contains_key(id)
    }

    pub(super) fn insert(&mut self, id: EpisodeId, episode: Episode) {
        let slot = Slot { open: Open::new(episode, true).into(), packed: None };
        if let Some(place) = self.slots.insert(id, slot).and_then(|former| former.packed) {
            self.packed.take_away(place);
        }
        self.open.get_mut().push_back(id);
    }

    pub(super) fn remove(&mut self, id: &EpisodeId) -> Option<Episode> {
        let slot = self.slots.remove(id)?;
        self.removed += 1;
        let unpacked = if slot.open.get().is_none() { self.unpack(*id, &slot) } else { None };
        if let Some(place) = slot.packed {
            self.packed.take_away(place);
        }
        slot.open.into_inner().map(|open| open.episode).or(unpacked)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All ids, in order.
    pub(super) fn ids(&self) -> Vec<EpisodeId> {
        let mut ids: Vec<EpisodeId> = self.slots.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// All episodes in order of id, each as it is and no longer than it is looked at.
    pub(super) fn each(&self, mut look: impl FnMut(&Episode)) {
        for id in self.ids() {
            let Some(slot) = self.slots.get(&id) else { continue };
            match slot.open.get() {
                Some(open) => look(&open.episode),
                None => {
                    if let Some(episode) = self.unpack(id, slot) {
                        look(&episode);
                    }
                }
            }
        }
    }

    /// Packs what was not looked at lately, if too much is open. Called between two records, and
    /// wherever all are gone through.
    pub(super) fn tidy(&mut self) {
        let Self { slots, packed, dictionary, open: order, removed } = self;
        let order = order.get_mut();
        if order.len() > OPEN_MAX {
            // Whoever was looked at is asked once more, so this ends.
            while order.len() > OPEN_KEPT
                && let Some(id) = order.pop_front()
            {
                let Some(slot) = slots.get_mut(&id) else { continue };
                match slot.open.get() {
                    Some(open) if open.is_used.take() => order.push_back(id),
                    _ => slot.close(packed, dictionary),
                }
            }
        }
        if *removed > slots.len().max(REMOVED_MIN) {
            self.pack_anew();
        } else if packed.is_full_of_holes() {
            let former = std::mem::take(packed);
            for slot in slots.values_mut() {
                let bytes = slot.packed.and_then(|place| former.get(place));
                slot.packed = bytes.and_then(|bytes| packed.put(bytes));
            }
        }
    }

    /// Packs everything with a new dictionary.
    fn pack_anew(&mut self) {
        self.removed = 0;
        let dictionary = std::mem::take(&mut self.dictionary);
        let packed = std::mem::take(&mut self.packed);
        for id in self.ids() {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            let former = slot.packed.take().and_then(|place| packed.get(place));
            if let Some(open) = slot.open.get_mut() {
                open.is_changed = true;
            } else if let Some(Ok(episode)) = former.map(|bytes| unpack(id, bytes, &dictionary)) {
                let number = &mut |text: &str| self.dictionary.number(text);
                slot.packed = self.packed.put(&pack(&episode, number));
            }
        }
    }

    fn unpack(&self, id: EpisodeId, slot: &Slot) -> Option<Episode> {
        unpack(id, self.packed.get(slot.packed?)?, &self.dictionary).ok()
    }
}

impl Slot {
    fn close(&mut self, packed: &mut Sheets, dictionary: &mut Dictionary) {
        if let Some(open) = self.open.take()
            && open.is_changed
        {
            self.packed = match self.packed {
                Some(former) => {
                    let again = pack(&open.episode, &mut |text| dictionary.known(text));
                    packed.replace(former, &again)
                }
                None => packed.put(&pack(&open.episode, &mut |text| dictionary.number(text))),
            };
        }
    }
}

fn pack(episode: &Episode, number: &mut dyn FnMut(&str) -> Option<u64>) -> Vec<u8> {
    let mut packer = Packer::new(number);
    packer.moment(episode.last_word_at, Timestamp::EPOCH);
    packer.moment_if_any(episode.lease, episode.last_word_at);
    packer.count(episode.deliveries);
    packer.episode(episode);
    packer.finish()
}

fn unpack(id: EpisodeId, packed: &[u8], dictionary: &Dictionary) -> Result<Episode, Unreadable> {
    let mut text = |number| dictionary.text(number);
    let mut unpacker = Unpacker::new(packed, &mut text);
    let last_word_at = unpacker.moment(Timestamp::EPOCH)?;
    let heard = Heard {
        last_word_at,
        lease: unpacker.moment_if_any(last_word_at)?,
        deliveries: unpacker.count()?,
    };
    unpacker.episode(id, heard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::packed::tests::episode;

    fn numbered(number: u64) -> Episode {
        let reason = format!("Alone: number {number} of its kind.").into();
        Episode { id: EpisodeId(number), deliveries: number + 1, reason, ..episode() }
    }

    /// Many more than may be open.
    fn full(count: u64) -> Cabinet {
        let mut cabinet = Cabinet::default();
        for number in 0..count {
            cabinet.insert(EpisodeId(number), numbered(number));
            cabinet.tidy();
        }
        cabinet
    }

    fn open_ones(cabinet: &Cabinet) -> usize {
        cabinet.slots.values().filter(|slot| slot.open.get().is_some()).count()
    }

    #[test]
    fn what_was_packed_is_what_it_was() {
        let cabinet = full(40);
        assert!(open_ones(&cabinet) <= OPEN_MAX);
        let mut seen = Vec::new();
        cabinet.each(|episode| seen.push(episode.clone()));
        assert_eq!(seen, (0..40).map(numbered).collect::<Vec<_>>());
        assert!(open_ones(&cabinet) <= OPEN_MAX, "looking at all opens none");
        for number in 0..40 {
            assert_eq!(cabinet.get(&EpisodeId(number)), Some(&numbered(number)));
        }
        assert_eq!(cabinet.get(&EpisodeId(40)), None);
    }

    #[test]
    fn a_change_is_packed_with_the_rest() {
        let mut cabinet = full(40);
        for round in 1..4 {
            for number in 0..40 {
                cabinet.get_mut(&EpisodeId(number)).unwrap().resumed = round;
                cabinet.tidy();
            }
            assert!(open_ones(&cabinet) <= OPEN_MAX);
            let expect = |number| Episode { resumed: round, ..numbered(number) };
            cabinet.each(|episode| assert_eq!(*episode, expect(episode.id.0)));
        }
    }

    #[test]
    fn what_is_taken_out_leaves_the_others_as_they_were() {
        let mut cabinet = full(40);
        for number in (0..40).filter(|number| number % 4 != 0) {
            assert_eq!(cabinet.remove(&EpisodeId(number)), Some(numbered(number)));
            cabinet.tidy();
        }
        assert_eq!(cabinet.len(), 10);
        assert!(cabinet.removed < 30, "all were packed anew");
        cabinet.each(|episode| assert_eq!(*episode, numbered(episode.id.0)));
    }
}
