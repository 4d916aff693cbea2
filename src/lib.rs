//! scribed: the scribe of every incident.
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod shutdown;
pub mod store;
