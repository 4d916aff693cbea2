//! Which alerts were ever forgotten, roughly: it errs only by saying yes.
//!
//! Most alerts that are not in memory were never heard of, and asking the store for each would cost
//! more than everything else. Bloom filters, one after the other, each of a fixed size; when there
//! are too many of them the answer is always yes. Stands in the snapshot.

use super::marks::Mark;
use crate::domain::packed::{Packer, Unpacker, Unreadable};

/// Alerts in one filter, …
const ALERTS_MAX: u64 = 100_000;
/// … and its words of 64 bits: ten bits for each alert, which gives one false yes in a hundred.
const WORDS: usize = 16 * 1024;
/// Bits that each alert sets.
const BITS: u32 = 7;
/// Most filters: 2 MiB.
const FILTERS_MAX: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    filters: Vec<Vec<u64>>,
    /// Alerts in the last one.
    newest: u64,
    is_full: bool,
}

impl Filter {
    /// An alert was forgotten.
    pub(super) fn add(&mut self, alert: Mark) {
        if self.may_hold(alert) {
            return;
        }
        if self.filters.is_empty() || self.newest >= ALERTS_MAX {
            if self.filters.len() >= FILTERS_MAX {
                *self = Self { is_full: true, ..Self::default() };
                return;
            }
            self.filters.push(vec![0; WORDS]);
            self.newest = 0;
        }
        self.newest += 1;
        if let Some(filter) = self.filters.last_mut() {
            for (word, bit) in places(alert) {
                filter[word] |= bit;
            }
        }
    }

    /// False when an alert was never forgotten.
    pub(super) fn may_hold(&self, alert: Mark) -> bool {
        self.is_full
            || self
                .filters
                .iter()
                .any(|filter| places(alert).all(|(word, bit)| filter[word] & bit != 0))
    }

    /// For a snapshot.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        packer.count(u64::from(self.is_full));
        packer.count(self.newest);
        packer.count(self.filters.len() as u64);
        self.filters.iter().flatten().for_each(|word| packer.word(*word));
    }

    /// From a snapshot.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Unreadable> {
        let (is_full, newest) = (unpacker.count()? == 1, unpacker.count()?);
        let filters = (0..unpacker.count()?.min(FILTERS_MAX as u64))
            .map(|_| (0..WORDS).map(|_| unpacker.word()).collect())
            .collect::<Result<_, _>>()?;
        Ok(Self { filters, newest, is_full })
    }
}

/// The bits of an alert, by two halves of its mark.
fn places(alert: Mark) -> impl Iterator<Item = (usize, u64)> {
    let spread = alert.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (first, step) = (spread ^ (spread >> 32), (alert >> 17) | 1);
    (0..u64::from(BITS)).map(move |n| {
        let place = first.wrapping_add(n.wrapping_mul(step)) % (WORDS as u64 * 64);
        (usize::try_from(place / 64).unwrap_or(0), 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::marks::mark;

    #[test]
    fn it_knows_all_that_was_added_and_hardly_anything_else() {
        let alert = |n: usize| mark([n.to_string().as_str()]);
        let mut filter = Filter::default();
        assert!(!filter.may_hold(alert(0)));
        (0..20_000).for_each(|n| filter.add(alert(n)));
        assert!((0..20_000).all(|n| filter.may_hold(alert(n))));
        let wrong = (20_000..40_000).filter(|n| filter.may_hold(alert(*n))).count();
        assert!(wrong < 100, "{wrong}");
    }
}
