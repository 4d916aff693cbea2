//! The web file in force: TLS, headers and users, which change without a restart.
//!
//! Whoever asks for it after a second has passed looks first whether its files have changed, and
//! reads them anew if so. What does not hold is logged once and changes nothing. Whether we speak
//! TLS at all is decided at the start: no slip in a file may make us serve in the clear. Callers:
//! the server for each connection, `gate` for each request, `app` at a reload.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info};

use super::auth::users::Passwords;
use crate::clock::Clock;
use crate::config::{Config, Watched, WebFile, load_web_file};
use crate::domain::Span;
use crate::metrics::Metrics;

/// How often the files are looked at, at most.
const LOOK_EVERY: Span = Span::from_seconds(1);

/// What the web file says, and whether it still does.
#[derive(Debug)]
pub struct Perimeter {
    /// The file; there may be none, and then nothing ever changes.
    path: Option<PathBuf>,
    clock: Clock,
    metrics: Metrics,
    /// Passwords that were found right.
    pub passwords: Passwords,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_force: Arc<WebFile>,
    /// The files as they were when they were last read, also in vain.
    watched: Watched,
    next_look: Span,
    /// Set while the files do not hold.
    is_stale: bool,
}

impl Perimeter {
    /// The web file of a configuration, in force from now on.
    #[must_use]
    pub fn new(config: &Config, clock: Clock, metrics: Metrics) -> Self {
        let in_force = Arc::new(config.web_file.clone());
        let state = State {
            watched: in_force.watched.clone(),
            in_force,
            next_look: clock.monotonic() + LOOK_EVERY,
            is_stale: false,
        };
        Self {
            path: config.web.config_file.clone(),
            clock,
            metrics,
            passwords: Passwords::default(),
            state: Mutex::new(state),
        }
    }

    /// The web file in force. May look at the files first, on a thread that may block.
    pub async fn in_force(&self) -> Arc<WebFile> {
        if let Some((path, watched)) = self.to_be_looked_at() {
            let look = move || watched.has_changed().then(|| load_web_file(&path));
            match tokio::task::spawn_blocking(look).await {
                Ok(None) => {}
                Ok(Some((read, watched))) => {
                    let result = read.map_err(|errors| errors.to_string());
                    self.take_over(result.and_then(|file| self.replace(file)), watched);
                }
                Err(error) => error!(%error, "The web configuration could not be looked at"),
            }
        }
        Arc::clone(&self.state().in_force)
    }

    /// Nothing, when a web file may take the place of the one in force.
    ///
    /// # Errors
    /// Why it may not, for people.
    pub fn may_replace(&self, file: &WebFile) -> Result<(), String> {
        match (self.state().in_force.tls.is_some(), file.tls.is_some()) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => Err("tls_server_config is gone from the web configuration; only a \
                                  restart ends TLS"
                .to_owned()),
            (false, true) => Err("tls_server_config came into the web configuration; only a \
                                  restart begins TLS"
                .to_owned()),
        }
    }

    /// Puts another web file in force.
    ///
    /// # Errors
    /// As [`Perimeter::may_replace`].
    pub fn replace(&self, file: WebFile) -> Result<(), String> {
        self.may_replace(&file)?;
        let mut state = self.state();
        state.watched = file.watched.clone();
        state.in_force = Arc::new(file);
        Ok(())
    }

    /// The files, when it is time to look at them; whoever gets them does so for all others.
    fn to_be_looked_at(&self) -> Option<(PathBuf, Watched)> {
        let path = self.path.clone()?;
        let now = self.clock.monotonic();
        let mut state = self.state();
        if now < state.next_look {
            return None;
        }
        state.next_look = now + LOOK_EVERY;
        Some((path, state.watched.clone()))
    }

    /// Tells how a change of the files went.
    fn take_over(&self, result: Result<(), String>, watched: Watched) {
        let succeeded = &self.metrics.config_last_reload_successful;
        let is_ok = result.is_ok();
        match result {
            Ok(()) => info!("The web configuration changed and is in force"),
            Err(problem) => error!(
                error = %problem,
                "The web configuration changed and does not hold; the former one stays in force"
            ),
        }
        let mut state = self.state();
        // They are read again when they change again, not before.
        state.watched = watched;
        if !is_ok {
            succeeded.set(0);
        } else if state.is_stale {
            succeeded.set(1);
        }
        state.is_stale = !is_ok;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock still holds whole values: nothing can be half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Overrides, load};
    use crate::domain::Timestamp;

    /// Who may log in.
    async fn users(perimeter: &Perimeter) -> Vec<String> {
        perimeter.in_force().await.users.iter().map(|user| user.name.to_string()).collect()
    }

    #[tokio::test]
    async fn a_changed_file_is_in_force_within_a_second_and_a_broken_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let hash = bcrypt::hash_with_salt("p", 4, [7; 16]).unwrap().to_string();
        let text = |name: &str| format!("basic_auth_users:\n  {name}: {hash}\n");
        fs::write(&path, text("ada")).unwrap();
        let mut overrides = Overrides::default();
        overrides.set("web.config_file", Some(path.display().to_string()), "--web.config.file");
        let config = load(&overrides, &[]).unwrap();
        let (clock, metrics) = (Clock::manual(Timestamp::EPOCH), Metrics::new());
        let perimeter = Perimeter::new(&config, clock.clone(), metrics.clone());
        metrics.config_last_reload_successful.set(1);

        fs::write(&path, text("grace")).unwrap();
        assert_eq!(users(&perimeter).await, ["ada"], "too early to look");
        clock.advance(LOOK_EVERY);
        assert_eq!(users(&perimeter).await, ["grace"]);

        for broken in ["basic_auth_users: {mallory: hunter2}\n", "tls_server_config: {}\n"] {
            fs::write(&path, broken).unwrap();
            clock.advance(LOOK_EVERY);
            assert_eq!(users(&perimeter).await, ["grace"], "{broken}");
            assert_eq!(metrics.config_last_reload_successful.get(), 0);
        }
        fs::remove_file(&path).unwrap();
        clock.advance(LOOK_EVERY);
        assert_eq!(users(&perimeter).await, ["grace"]);

        fs::write(&path, text("margaret")).unwrap();
        clock.advance(LOOK_EVERY);
        assert_eq!(users(&perimeter).await, ["margaret"]);
        assert_eq!(metrics.config_last_reload_successful.get(), 1);
    }
}
