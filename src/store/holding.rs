//! Who may touch the rows of what is over: the engine, from when it looks back until what came of
//! it is committed, or retention while it drops some. Never both: an incident that the engine has
//! just recalled would be written again without its alerts.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Holding {
    is_taken: Mutex<bool>,
    given_back: Condvar,
}

/// Given back when dropped.
#[derive(Debug)]
pub struct Hold(Arc<Holding>);

impl Holding {
    /// Waits until nobody else holds them.
    pub(super) fn take(self: &Arc<Self>) -> Hold {
        let free = lock(&self.is_taken);
        let waited = self.given_back.wait_while(free, |is_taken| *is_taken);
        *waited.unwrap_or_else(PoisonError::into_inner) = true;
        Hold(Arc::clone(self))
    }

    /// `None` when somebody else holds them for so long.
    pub(super) fn take_within(self: &Arc<Self>, patience: Duration) -> Option<Hold> {
        let free = lock(&self.is_taken);
        let waited = self.given_back.wait_timeout_while(free, patience, |is_taken| *is_taken);
        let (mut is_taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *is_taken {
            return None;
        }
        *is_taken = true;
        Some(Hold(Arc::clone(self)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *lock(&self.0.is_taken) = false;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_and_a_drop_gives_back() {
        let holding = Arc::new(Holding::default());
        let hold = holding.take();
        assert!(holding.take_within(Duration::ZERO).is_none());
        drop(hold);
        let hold = holding.take_within(Duration::ZERO);
        assert!(hold.is_some() && holding.take_within(Duration::ZERO).is_none());
        drop(hold);
        drop(holding.take());
    }
}
