//! What the tests share: the running program, a small HTTP client, waiting, fixtures.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod external;
pub(crate) mod fixtures;
pub(crate) mod server;
pub(crate) mod wait;

pub(crate) use client::{Answer, Client, Request};
pub(crate) use server::{Server, Setup, program};
