//! The fuzz targets, for libFuzzer. What they do stands in `tests/parsers/targets.rs`, which every
//! `cargo test` runs without a fuzzer.

#[path = "../tests/parsers/targets.rs"]
pub mod targets;
