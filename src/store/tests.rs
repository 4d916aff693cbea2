//! The store as its callers see it, over real SQLite in a temporary folder.

mod copies;
mod reading;
mod retaining;
mod reviewed;
mod support;
mod writing;
