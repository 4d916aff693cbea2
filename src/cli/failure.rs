//! Why a command ended without doing what it was asked, and the exit code that says so.
//!
//! Every command returns a [`Failure`]; only `cli.rs` turns it into text and an exit code.

use std::io;
use std::path::PathBuf;

use super::client::ClientError;
use super::scenario::ScenarioError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server could not be asked, or did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A scenario file cannot be played.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// One event of a scenario was not taken.
    #[error("cannot play event {event} of {file} ({what}): {problem}")]
    Event {
        /// The scenario file.
        file: String,
        /// Its place in the file, counted from 1.
        event: usize,
        /// What sort of event, and its time.
        what: String,
        /// What went wrong.
        problem: String,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    File {
        /// What was tried, such as `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input or output failed.
    #[error("cannot use standard input or output: {0}")]
    Stream(#[from] io::Error),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The configuration does not hold; the text lists every problem.
    #[error("{0}")]
    Configuration(String),
    /// The server inside this process did not start or did not stop well.
    #[error("{0}")]
    Server(String),
    /// A store could not be copied or put back, or a law does not hold on it.
    #[error("{0}")]
    Store(String),
}

impl Failure {
    /// The exit code: 1 when it failed, 2 for wrong usage or bad configuration, and 0 where the
    /// reader of our output went away, which is how `scribed … | head` ends.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Client(error) if error.is_usage() => 2,
            Self::Scenario(error) if error.is_usage() => 2,
            Self::Configuration(_) => 2,
            Self::Client(_)
            | Self::Scenario(_)
            | Self::Event { .. }
            | Self::File { .. }
            | Self::Stream(_)
            | Self::NotFound(_)
            | Self::Server(_)
            | Self::Store(_) => 1,
        }
    }

    /// A failure that has to do with a store, for `map_err`.
    pub(super) fn store(problem: impl std::fmt::Display) -> Self {
        Self::Store(problem.to_string())
    }

    /// A failure to use a file, for `map_err`.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_is_two_failure_is_one_and_a_closed_pipe_is_none() {
        for (failure, code) in [
            (Failure::Configuration(String::new()), 2),
            (Failure::NotFound(String::new()), 1),
            (Failure::store("the disk is full"), 1),
            (Failure::Stream(io::ErrorKind::BrokenPipe.into()), 0),
            (Failure::Stream(io::ErrorKind::StorageFull.into()), 1),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
        }
    }
}
