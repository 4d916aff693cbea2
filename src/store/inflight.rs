//! Requests that were received and may still append.
//!
//! A tick for a deadline may be written only when nothing received before that deadline is still on
//! its way, or the record would come after a decision that it should have prevented. `http` takes a
//! guard per request; `engine` asks for the oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::domain::Timestamp;

/// How many requests are in flight, by receipt. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    requests: Arc<Mutex<BTreeMap<Timestamp, usize>>>,
}

/// Keeps a request counted as in flight until it is dropped; see
/// [`Store::receive`](super::Store::receive).
#[derive(Debug)]
#[must_use = "the request counts as in flight only while the guard lives"]
pub struct InFlight {
    registry: Registry,
    at: Timestamp,
}

impl Registry {
    pub(super) fn receive(&self, at: Timestamp) -> InFlight {
        *lock(&self.requests).entry(at).or_default() += 1;
        InFlight { registry: self.clone(), at }
    }

    pub(super) fn oldest(&self) -> Option<Timestamp> {
        lock(&self.requests).first_key_value().map(|(at, _)| *at)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = lock(&self.registry.requests);
        if let Some(count) = requests.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_request_counts_until_its_guard_is_dropped() {
        const fn is_send<T: Send>() {}
        const { is_send::<InFlight>() };
        let registry = Registry::default();
        assert_eq!(registry.oldest(), None);
        let at = Timestamp::from_seconds;
        let (late, early, twin) =
            (registry.receive(at(20)), registry.receive(at(10)), registry.receive(at(10)));
        assert_eq!(registry.oldest(), Some(at(10)));
        drop(early);
        assert_eq!(registry.oldest(), Some(at(10)), "two requests share the moment");
        drop(twin);
        assert_eq!(registry.oldest(), Some(at(20)));
        drop(late);
        assert_eq!(registry.oldest(), None);
    }
}
