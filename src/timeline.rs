//! The timeline: facts in, ordered lines out, and the draft composed from them.
//!
//! Pure: the same facts give the same bytes; it never asks a clock, never fails, and turns doubts
//! into caveats. It knows no format; texts it makes are plain and may hold words from outside, so
//! the renderer escapes them. Called by `drafts` and by whoever shows a timeline.

mod caveats;
mod changes;
mod collapse;
mod compose;
mod entries;
mod episodes;
#[cfg(test)]
pub(crate) mod examples;
mod gaps;
mod impact;
mod revisions;
mod spoken_times;
mod suggestions;
#[cfg(test)]
mod tests;
pub mod words;

pub use changes::CAUSE_SCORE_MIN;
pub use collapse::{changes_told, collapse};
pub use compose::{DraftOptions, compose, compose_from, since};
pub use entries::{delay, entries};
pub use revisions::told;
