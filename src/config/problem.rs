//! What is wrong with a configuration, and where.
//!
//! A problem never carries a secret: the readers hand in only what may be shown. Called by every
//! file of this room; the command line prints the whole list.

use std::fmt;
use std::path::PathBuf;

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Where a value came from. The order is the order of the layers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file, and the spot in it unless the file as a whole is meant.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The spot.
        mark: Option<Mark>,
    },
    /// An environment variable.
    Environment(String),
    /// A flag as it was typed.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, mark: None } => write!(f, "{}", path.display()),
            Self::File { path, mark: Some(mark) } => {
                write!(f, "{}:{}:{}", path.display(), mark.line, mark.column)
            }
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where the bad value came from.
    pub place: Place,
    /// The key, such as `storage.path`; empty when no single key is meant.
    pub key: String,
    /// What is wrong, what was found, and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.text)
        } else {
            write!(f, "{}: {}: {}", self.place, plain(&self.key), self.text)
        }
    }
}

/// Everything that is wrong with a configuration, in the order of layers and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems; there is at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects problems while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Notes a problem.
    pub(super) fn add(&mut self, place: Place, key: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem { place, key: key.into(), text: text.into() });
    }

    /// Notes what another reading found.
    pub(super) fn add_all(&mut self, errors: ConfigErrors) {
        self.problems.extend(errors.problems);
    }

    /// The value when nothing was wrong, else all the problems.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigErrors> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort();
        self.problems.dedup();
        Err(ConfigErrors { problems: self.problems })
    }
}

/// A value from outside inside a message: quoted, short, without control characters.
pub(super) fn quote(text: &str) -> String {
    format!("`{}`", plain(text))
}

/// A text from outside, short and without control characters, so that it cannot forge a line.
fn plain(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    let mut shown = String::with_capacity(text.len().min(SHOWN_CHARS_MAX));
    for character in text.chars().take(SHOWN_CHARS_MAX) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
