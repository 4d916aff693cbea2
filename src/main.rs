//! The `scribed` program.

fn main() {}
