//! Slows down who guesses: after some wrong credentials from one address no more are looked at for a
//! while.
//!
//! Tokens and sessions have too many bits to be guessed; this is for passwords, and for the login
//! page, whose users choose what they paste. IPv6 addresses count by their network, because one
//! machine has as many as it likes. Callers: the login page and `gate`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::domain::Span;

/// Wrong credentials from one address within [`WINDOW`].
const FAILURES_MAX: u32 = 10;
/// How long they count.
const WINDOW: Span = Span::from_minutes(1);
/// Addresses that are remembered; beyond it the one that has to wait least makes room.
const ADDRESSES_MAX: usize = 10_000;
/// Bits of an IPv6 address that name a network.
const NETWORK_BITS: u32 = 64;

/// Who failed how often.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// When they are forgotten.
    until: Span,
}

impl Throttle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, failures: Mutex::default() }
    }

    /// Nothing, when credentials from this address may be looked at.
    ///
    /// # Errors
    /// The whole seconds after which they may be.
    pub fn admit(&self, address: IpAddr) -> Result<(), u32> {
        let now = self.clock.monotonic();
        match self.failures().get(&network(address)) {
            Some(known) if known.count >= FAILURES_MAX && known.until > now => {
                let seconds = known.until.seconds() - now.seconds() + 1;
                Err(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Notes wrong credentials. Every one of them makes the wait anew.
    pub fn note_failure(&self, address: IpAddr) {
        let now = self.clock.monotonic();
        let mut failures = self.failures();
        if failures.len() >= ADDRESSES_MAX {
            failures.retain(|_, known| known.until > now);
        }
        if failures.len() >= ADDRESSES_MAX
            && let Some(least) = failures.iter().min_by_key(|(_, f)| f.until).map(|(ip, _)| *ip)
        {
            failures.remove(&least);
        }
        let until = now + WINDOW;
        let known = failures.entry(network(address)).or_insert(Failures { count: 0, until });
        if known.until <= now {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.until = until;
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an address counts as.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> NETWORK_BITS << NETWORK_BITS;
            IpAddr::V6(bits.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn who_fails_too_often_waits_and_nobody_else_does() {
        let clock = Clock::manual(Timestamp::EPOCH);
        let throttle = Throttle::new(clock.clone());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..FAILURES_MAX {
            assert_eq!(throttle.admit(address("2001:db8::1")), Ok(()));
            throttle.note_failure(address("2001:db8::1"));
        }
        assert_eq!(throttle.admit(address("2001:db8::2")), Err(61), "the same network");
        assert_eq!(throttle.admit(address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(throttle.admit(address("192.0.2.1")), Ok(()));
        clock.advance(WINDOW);
        assert_eq!(throttle.admit(address("2001:db8::1")), Ok(()));
        throttle.note_failure(address("2001:db8::1"));
        assert_eq!(throttle.admit(address("2001:db8::1")), Ok(()), "the former ones are forgotten");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::new(Clock::manual(Timestamp::EPOCH));
        for number in 0..=u32::try_from(ADDRESSES_MAX).unwrap() {
            throttle.note_failure(IpAddr::V4(number.into()));
        }
        assert_eq!(throttle.failures().len(), ADDRESSES_MAX);
    }
}
