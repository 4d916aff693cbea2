//! scribed: the scribe of every incident. Alerts go in, a postmortem draft comes out, while the
//! incident still runs.
//!
//! # The idea
//!
//! scribed is a ledger and a pure function over it. Everything that can change an incident is a
//! record of the ledger, durable before anyone is told "yes". The engine reads the records in
//! order and feeds them to a state machine that has no I/O and no clock; what it changes is
//! committed together with the engine's cursor. A draft is a pure function of its incident's
//! stored facts. Kill the process anywhere: the same ledger gives the same incidents and the same
//! bytes.
//!
//! # The map
//!
//! | room | what happens there | kind |
//! | --- | --- | --- |
//! | [`domain`] | the nouns and their laws | pure |
//! | [`ingest`] | bytes of a sender become a delivery | pure |
//! | [`correlate`] | records become episodes and incidents | pure |
//! | [`timeline`] | facts become entries and a draft | pure |
//! | [`render`] | a draft becomes Markdown, HTML, JSON, text, SVG; all escaping | pure |
//! | [`store`] | the only SQL: one writer, a few readers | shell |
//! | [`engine`] | the loop: ledger, machine, commit | shell |
//! | [`drafts`] | facts read, pure rooms called | shell |
//! | [`http`] | the only room that knows HTTP | shell |
//! | [`app`] | wires, starts, stops, reloads | shell |
//! | [`cli`] | one file for each command | shell |
//! | [`config`] | text becomes a valid configuration | edge |
//! | [`clock`], [`metrics`], [`shutdown`], [`telemetry`] | the only now, the only metrics, the only stop, the only log set-up | shell |
//!
//! # What holds everywhere
//!
//! - Pure rooms name no runtime, no database, no log, no file, no clock. A test reads the sources
//!   and checks it, and who imports whom.
//! - `http` and `engine` meet only in the store. Only `http` knows status codes, only `store`
//!   knows SQL, only `ingest` knows what senders write, only `render` knows HTML.
//! - Two clocks stand on everything: when it happened, as claimed, and when it was heard.
//! - Every number given to a thing that can stand in a draft is counted by the machine.
//! - Every queue, list and text has a limit.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod domain;
pub mod drafts;
pub mod engine;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod render;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod timeline;
