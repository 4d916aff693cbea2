//! The nouns of scribed and the laws that belong to them alone.
//!
//! Pure: no I/O, no clock, no randomness, no framework. Every other room speaks in these types, and
//! this room knows none of them. A value that exists here is valid; text from outside is read
//! once, at the edge, by the constructors that return a `Result`.

pub mod alert;
pub mod change;
pub mod draft;
pub mod explanation;
pub mod facts;
pub mod ids;
pub mod incident;
pub mod labels;
pub mod matcher;
pub mod milestone;
pub mod note_kind;
pub mod packed;
pub mod record;
pub mod redaction;
pub mod rules;
pub mod source;
pub mod symptom;
pub mod time;
pub mod timeline;
pub mod topology;
pub mod words;
pub mod zone;

pub use alert::{
    AlertKey, Ending, Episode, EpisodeEnd, EpisodeStart, EpisodeStatus, Kind, Link, Membership,
    Severity, Standing, Word, WordState,
};
pub use change::{Change, ChangeKind, ChangeReport};
pub use explanation::Explanation;
pub use facts::Facts;
pub use ids::{ActionId, ChangeId, EpisodeId, Fingerprint, IncidentId, Name, NoteId, Seq};
pub use incident::{Incident, IncidentState};
pub use labels::Labels;
pub use matcher::Matcher;
pub use record::{Record, RecordBody};
pub use rules::Rules;
pub use source::SourceType;
pub use time::{Claim, Span, Timestamp};
pub use topology::Topology;
pub use zone::Zone;
