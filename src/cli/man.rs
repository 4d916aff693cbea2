//! `scribed man`: manual pages, for packages.

use std::path::PathBuf;

use clap::{Args, Command};

use super::console::Console;
use super::failure::Failure;

/// Arguments of `man`.
#[derive(Args, Debug)]
pub(super) struct ManArguments {
    /// Folder for the pages; it is made where it is missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes one page for the program and one for each command.
///
/// # Errors
/// When the folder or a page cannot be written.
pub(super) fn run(
    arguments: &ManArguments,
    command: Command,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(Failure::file("make the folder", folder))?;
    clap_mangen::generate_to(command, folder)
        .map_err(Failure::file("write manual pages into", folder))?;
    console.notice(&format!("Wrote manual pages into {}", folder.display()));
    Ok(())
}
