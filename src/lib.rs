//! scribed: the scribe of every incident.
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod domain;
pub mod engine;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod render;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod timeline;
