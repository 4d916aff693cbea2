//! `scribed completions`: a script that teaches a shell our commands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::console::Console;
use super::failure::Failure;

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArguments {
    /// For which shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Writes the script to standard output.
///
/// # Errors
/// When standard output is closed or fails.
pub(super) fn run(
    arguments: &CompletionsArguments,
    mut command: Command,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "scribed", &mut script);
    console.document(&script)
}
