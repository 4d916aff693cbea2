//! scribed: the scribe of every incident.
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod shutdown;
pub mod store;
