//! Waiting for a state, with a deadline that is there to end a broken test, not to measure.

use std::time::{Duration, Instant};

/// Long enough for a crowded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A moment after which waiting is given up.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// A deadline that lies this far ahead.
    #[expect(clippy::disallowed_methods, reason = "a deadline for other processes is real time")]
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// True when waiting is to be given up.
    #[expect(clippy::disallowed_methods, reason = "a deadline for other processes is real time")]
    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Lets other processes run for a moment.
pub(crate) fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Looks again and again until there is something to see; panics with `what` after a minute.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// As [`until`], with a patience of one's own.
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Deadline::after(patience);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(!deadline.has_passed(), "waited {patience:?} in vain for: {what}");
        pause(PAUSE);
    }
}
