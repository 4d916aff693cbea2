//! scribed: the scribe of every incident.
pub mod clock;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod render;
pub mod shutdown;
pub mod store;
pub mod timeline;
