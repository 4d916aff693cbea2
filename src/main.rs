//! The `scribed` program: hands its arguments to the command line.

use std::process::ExitCode;

/// Gives back to the system what a large draft took; see docs/reliability.md, "Memory".
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    scribed::cli::run(std::env::args_os())
}
