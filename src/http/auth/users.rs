//! Users with passwords, of the web configuration.
//!
//! Checking a password is meant to be slow, so it runs on threads that may block, a few at a time,
//! and a password that was found right is remembered as a hash, until its user's entry changes. An
//! unknown user costs as much as a known one, so that time does not tell them apart. Never logs a
//! name or a password. Caller: `gate`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::config::{Scope, User};
use crate::domain::Name;
use crate::http::answer::Problem;

/// Passwords that are remembered; beyond it the oldest is checked anew.
const REMEMBERED_MAX: usize = 1000;
/// Passwords that are checked at once, so that guessing does not take all cores.
const CHECKS_AT_ONCE: usize = 2;
/// How long a request waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest password that is looked at; bcrypt itself reads no more than 72 bytes.
const PASSWORD_BYTES_MAX: usize = 1024;

/// What a request says about users; stands in its extensions when there are any users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// It presents no user name and password that is for us.
    Absent,
    /// It presents wrong ones.
    Refused,
    /// It is from this user.
    User(Name),
}

/// What a user may do: all but state original times of receipt.
#[must_use]
pub fn scopes() -> Vec<Scope> {
    vec![Scope::Ingest(None), Scope::Read, Scope::Write, Scope::Admin]
}

/// Checks passwords, and remembers the right ones.
#[derive(Debug)]
pub struct Passwords {
    right: Mutex<VecDeque<[u8; 32]>>,
    turns: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { right: Mutex::default(), turns: Semaphore::new(CHECKS_AT_ONCE) }
    }
}

impl Passwords {
    /// Whom a user name and password belong to.
    ///
    /// # Errors
    /// `Unavailable` when too many others are being checked.
    pub async fn check(
        &self,
        users: &[User],
        name: &[u8],
        password: Vec<u8>,
    ) -> Result<Login, Problem> {
        let Some(dearest) = users.iter().map(|user| user.cost).max() else {
            return Ok(Login::Refused);
        };
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(Login::Refused);
        }
        let user = users.iter().find(|user| user.name.as_str().as_bytes() == name);
        let key = user.map(|user| key(user, &password));
        if let Some((user, key)) = user.zip(key)
            && self.is_remembered(&key)
        {
            return Ok(Login::User(user.name.clone()));
        }
        let turn = tokio::time::timeout(TURN_WAIT_MAX, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Problem::unavailable("too many passwords are being checked"));
        };
        if let Some((user, key)) = user.zip(key)
            && self.is_remembered(&key)
        {
            // Another request of the same user had its turn before.
            return Ok(Login::User(user.name.clone()));
        }
        let hash = user.map_or_else(|| stand_in(dearest), |user| user.hash.expose().to_vec());
        let is_right = tokio::task::spawn_blocking(move || fits(&password, &hash))
            .await
            .map_err(|error| Problem::Internal(format!("a password thread failed: {error}")))?;
        match user.zip(key).filter(|_| is_right) {
            Some((user, key)) => {
                self.remember(key);
                Ok(Login::User(user.name.clone()))
            }
            None => Ok(Login::Refused),
        }
    }

    fn is_remembered(&self, key: &[u8; 32]) -> bool {
        self.right().contains(key)
    }

    fn remember(&self, key: [u8; 32]) {
        let mut right = self.right();
        if right.len() >= REMEMBERED_MAX {
            right.pop_front();
        }
        right.push_back(key);
    }

    fn right(&self) -> MutexGuard<'_, VecDeque<[u8; 32]>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under what a right password is remembered. The entry's own hash is part of it, so that a new
/// password ends the old one at once.
fn key(user: &User, password: &[u8]) -> [u8; 32] {
    let password = Sha256::digest(password);
    let name = Sha256::digest(user.name.as_str().as_bytes());
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update(user.hash.expose());
    digest.update(password);
    digest.finalize().into()
}

fn fits(password: &[u8], hash: &[u8]) -> bool {
    std::str::from_utf8(hash).is_ok_and(|hash| bcrypt::verify(password, hash).unwrap_or(false))
}

/// A hash that no password fits, of the same work as real ones.
fn stand_in(cost: u32) -> Vec<u8> {
    const SALT_AND_HASH: &str = "abcdefghijklmnopqrstuuZ9YRpGhR4o7Nm0cXbq1wKt5VdE2sLfW";
    format!("$2b${cost:02}${SALT_AND_HASH}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;
    use crate::config::Secret;

    const COST: u32 = 4;

    fn user(name: &str, password: &str) -> User {
        let hash = bcrypt::hash_with_salt(password, COST, [7; 16]).unwrap().to_string();
        User { name: Name::from(name), hash: Secret::new(hash.into_bytes()), cost: COST }
    }

    #[test]
    fn the_stand_in_is_a_hash_like_any_other() {
        for cost in [4, 16] {
            let hash = String::from_utf8(stand_in(cost)).unwrap();
            assert_eq!(bcrypt::HashParts::from_str(&hash).unwrap().get_cost(), cost);
        }
        assert!(!fits(b"", &stand_in(4)));
    }

    #[test]
    fn hashes_of_other_programs_are_understood() {
        // Made by crypt(3) of Debian.
        let hash = b"$2y$10$X0h1gDsPszWURQaxFh.zouNLAcwJbq/eJZX8PFUFp1.eQroNZanaa";
        assert!(fits(b"open sesame", hash));
        assert!(!fits(b"open sesamE", hash));
    }

    #[tokio::test]
    async fn a_user_is_known_by_the_password() {
        let users = [user("ada", "p"), user("grace", "q")];
        let passwords = Passwords::default();
        let ada = Login::User(Name::from("ada"));
        for (name, password, expect) in [
            ("ada", "p", ada.clone()),
            ("ada", "p", ada),
            ("grace", "q", Login::User(Name::from("grace"))),
            ("ada", "q", Login::Refused),
            ("ada", "", Login::Refused),
            ("eve", "p", Login::Refused),
            ("", "", Login::Refused),
        ] {
            let got = passwords.check(&users, name.as_bytes(), password.into()).await.unwrap();
            assert_eq!(got, expect, "{name} {password}");
        }
        assert_eq!(passwords.right().len(), 2);
        // A new password ends the old one, remembered or not.
        let users = [user("ada", "new")];
        let got = passwords.check(&users, b"ada", b"p".to_vec()).await.unwrap();
        assert_eq!(got, Login::Refused);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let passwords = Passwords::default();
        for number in 0..=REMEMBERED_MAX {
            passwords.remember(key(&user("ada", "p"), &number.to_be_bytes()));
        }
        assert_eq!(passwords.right().len(), REMEMBERED_MAX);
    }
}
