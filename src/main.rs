//! The `scribed` program: hands its arguments to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    scribed::cli::run(std::env::args_os())
}
