//! What is wrong with a request that can be read but not meant: one enum for queries and bodies.
//!
//! Never knows status codes; `answer` turns every one of these into 400. Each message names the
//! field, says what was there and what to write instead.

use std::borrow::Cow;

/// A request that nobody can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// The body is JSON of another shape.
    #[error("the body is {found}; send one JSON object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A field that the endpoint does not know.
    #[error("unknown field `{field}`; known are {known}")]
    UnknownField {
        /// As sent, shortened.
        field: String,
        /// What could have been written, separated by commas.
        known: String,
    },
    /// A field that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field or parameter holds something else than it should.
    #[error("`{place}` must be {expected}, not {found}")]
    Wrong {
        /// Which field or parameter.
        place: Cow<'static, str>,
        /// What it should hold.
        expected: Cow<'static, str>,
        /// What it holds, shortened.
        found: String,
    },
    /// A text is longer than anybody writes.
    #[error("`{place}` is {bytes} bytes long; the limit is {limit}")]
    TooLong {
        /// Which field.
        place: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A text holds nothing.
    #[error("`{0}` must not be empty; leave it out, or write null where it may be taken back")]
    Empty(&'static str),
    /// A parameter that holds one value came more than once.
    #[error("the parameter `{0}` may be given once only")]
    Repeated(&'static str),
    /// A matcher in `filter` cannot be read.
    #[error("`filter`: {0}")]
    Matcher(String),
    /// No name of a time zone.
    #[error("`{place}` must be the IANA name of a time zone such as Africa/Lagos, not {found}")]
    Zone {
        /// Which field or parameter.
        place: &'static str,
        /// As sent, shortened.
        found: String,
    },
    /// `Accept` names nothing that we can make.
    #[error("`Accept` names no format that a draft has; known are {0}")]
    Unacceptable(String),
    /// `If-Match` names more than one revision.
    #[error("`If-Match` must name one revision such as \"17\", or be *")]
    IfMatch,
}

/// How much of a stranger's text an error repeats.
const QUOTED_CHARS: usize = 64;

/// A stranger's text as an error repeats it: in quotes, shortened.
pub(crate) fn quoted(text: &str) -> String {
    let mut kept: String = text.chars().take(QUOTED_CHARS).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    format!("`{kept}`")
}

/// One list for people: `a, b, c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}
