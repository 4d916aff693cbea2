//! Sessions of people who logged in with a token, so that a browser need not keep it.
//!
//! They live in memory and end with the process. A session names a token of the configuration and
//! nothing more: what it may do is looked up at every request, so that a token that is taken away
//! takes its sessions along. The cookie is kept as its hash. Randomness comes from the system's
//! generator; no id that can stand in a draft is made here.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::credentials::same_secret;
use crate::clock::Clock;
use crate::domain::{Name, Span};

/// The header in which a script repeats the token of its session. A form sends it as a field.
pub const CSRF_HEADER: &str = "x-csrf-token";
const COOKIE_NAME: &str = "scribed_session";
/// A working day, and the night of an incident.
const LASTS: Span = Span::from_hours(24);
/// Beyond it the oldest session ends.
const SESSIONS_MAX: usize = 1000;
const SECRET_BYTES: usize = 32;

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    clock: Clock,
    open: Mutex<HashMap<[u8; 32], Session>>,
}

/// One session.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The name of the token that was used to log in.
    pub token: Name,
    /// What a change made by way of this session must repeat, which no other site can know.
    pub csrf: String,
    opened_at: Span,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Session {
    /// True when the request repeats the session's own token against forged requests.
    #[must_use]
    pub fn is_repeated(&self, presented: &[u8]) -> bool {
        same_secret(self.csrf.as_bytes(), presented).into()
    }
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// Opens a session and returns the `Set-Cookie` header for it. `is_secure` says that people
    /// reach us by https, so that the cookie must never go over http.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn open(&self, token: &Name, is_secure: bool) -> io::Result<HeaderValue> {
        let (secret, csrf) = (random_text()?, random_text()?);
        let session = Session { token: token.clone(), csrf, opened_at: self.clock.monotonic() };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, s)| s.opened_at).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(Sha256::digest(secret.as_bytes()).into(), session);
        let secure = if is_secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!(
            "{COOKIE_NAME}={secret}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
            LASTS.seconds()
        ))
        .map_err(io::Error::other)
    }

    /// The session that a request belongs to.
    #[must_use]
    pub fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let key = key(headers)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(&key)?;
        let ends_at = session.opened_at.seconds_f64() + LASTS.seconds_f64();
        if self.clock.monotonic().seconds_f64() < ends_at {
            return Some(session.clone());
        }
        open.remove(&key);
        None
    }

    /// Ends the session of a request and returns the `Set-Cookie` header that takes its cookie.
    #[must_use]
    pub fn close(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(key) = key(headers) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        HeaderValue::from_static("scribed_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }
}

/// The hash of the cookie, under which its session is kept.
fn key(headers: &HeaderMap) -> Option<[u8; 32]> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let secret = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))?;
    Some(Sha256::digest(secret.as_bytes()).into())
}

/// Nobody can guess it: 256 bits of the system's generator.
fn random_text() -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::with_capacity(2 * SECRET_BYTES);
    for byte in bytes {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::Timestamp;

    /// The headers that a browser sends after it got this `Set-Cookie`.
    pub(in crate::http::auth) fn cookie_of(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("theme=dark; {pair}").parse().unwrap());
        headers
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends() {
        let clock = Clock::manual(Timestamp::EPOCH);
        let sessions = Sessions::new(clock.clone());
        let set_cookie = sessions.open(&Name::from("ada"), true).unwrap();
        let text = set_cookie.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{text}");
        let headers = cookie_of(&set_cookie);
        let session = sessions.find(&headers).unwrap();
        assert_eq!(session.token, Name::from("ada"));
        assert!(session.is_repeated(session.csrf.as_bytes()));
        assert!(!session.is_repeated(b"guess"));
        assert_eq!(sessions.find(&HeaderMap::new()), None);
        clock.advance(LASTS);
        assert_eq!(sessions.find(&headers), None);
    }

    #[test]
    fn logging_out_ends_the_session() {
        let sessions = Sessions::new(Clock::manual(Timestamp::EPOCH));
        let headers = cookie_of(&sessions.open(&Name::from("ada"), false).unwrap());
        assert!(sessions.close(&headers).to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(sessions.find(&headers), None);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let clock = Clock::manual(Timestamp::EPOCH);
        let sessions = Sessions::new(clock.clone());
        let first = cookie_of(&sessions.open(&Name::from("first"), false).unwrap());
        clock.advance(Span::from_seconds(1));
        let second = cookie_of(&sessions.open(&Name::from("second"), false).unwrap());
        clock.advance(Span::from_seconds(1));
        for _ in 2..=SESSIONS_MAX {
            sessions.open(&Name::from("later"), false).unwrap();
        }
        assert_eq!(sessions.find(&first), None);
        assert!(sessions.find(&second).is_some());
    }
}
