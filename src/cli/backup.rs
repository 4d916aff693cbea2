//! `scribed backup`: a checked copy of the store, while a server may be running on it.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::failure::Failure;
use super::storage::{StorageArguments, holdings};
use crate::app::storage;

/// Arguments of `backup`.
#[derive(Args, Debug)]
pub(super) struct BackupArguments {
    /// File to write.
    #[arg(value_name = "DEST")]
    destination: PathBuf,
    /// Replace the file when it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    storage: StorageArguments,
}

/// Writes the copy and tells what it holds.
///
/// # Errors
/// When it was not written, or what was copied is not sound.
pub(super) fn run(arguments: &BackupArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let BackupArguments { destination, force, storage } = arguments;
    let held = storage::back_up(&storage.config()?, destination, *force).map_err(Failure::store)?;
    console.line(&format!("Wrote {}: {}", destination.display(), holdings(&held)))
}
