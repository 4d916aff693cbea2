//! Whether we are ready, and what is missing if not.
//!
//! The door, health and metrics stay up whatever the answer is: readiness tells a load balancer
//! and a person, it stops nothing. Parts report themselves; `/-/ready` reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A part that has to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The engine has caught up after the start, and runs.
    Engine,
    /// The server takes connections and is not told to stop.
    Server,
}

/// What is ready and what is not.
#[derive(Debug)]
pub struct Health {
    missing: Mutex<BTreeMap<Part, String>>,
}

impl Health {
    /// Nothing is ready yet.
    #[must_use]
    pub fn new() -> Self {
        let missing = BTreeMap::from([
            (Part::Engine, "the engine is starting".to_owned()),
            (Part::Server, "the server is starting".to_owned()),
        ]);
        Self { missing: Mutex::new(missing) }
    }

    /// The part is ready.
    pub fn ready(&self, part: Part) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(&part);
    }

    /// The part is not ready, for this reason.
    pub fn not_ready(&self, part: Part, reason: impl Into<String>) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(part, reason.into());
    }

    /// Why we are not ready; `None` when we are.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let reasons: Vec<&str> = missing.values().map(String::as_str).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_ready_when_every_part_is() {
        let health = Health::new();
        health.ready(Part::Server);
        assert_eq!(health.missing().as_deref(), Some("the engine is starting"));
        health.ready(Part::Engine);
        assert_eq!(health.missing(), None);
        health.not_ready(Part::Server, "the server is stopping");
        assert_eq!(health.missing().as_deref(), Some("the server is stopping"));
    }
}
