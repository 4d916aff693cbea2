//! `scribed restore`: puts a backup in the place of a store.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::failure::Failure;
use super::storage::{StorageArguments, holdings};
use crate::app::storage;
use crate::clock::Clock;

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub(super) struct RestoreArguments {
    /// File that `scribed backup` wrote.
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// Go on when the folder is not empty; a database that is there is moved aside.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    storage: StorageArguments,
}

/// Puts the backup in place and tells what the store holds now, and where the former one is.
///
/// # Errors
/// When the backup is not sound or was not put in place; the store is then as it was.
pub(super) fn run(arguments: &RestoreArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let RestoreArguments { source, force, storage } = arguments;
    let config = storage.config()?;
    let restored =
        storage::restore(&config, source, *force, &Clock::system()).map_err(Failure::store)?;
    console.line(&format!(
        "Restored {} to {}: {}",
        source.display(),
        config.storage.path.display(),
        holdings(&restored.holdings)
    ))?;
    match restored.put_aside {
        None => Ok(()),
        Some(aside) => console.line(&format!("The former database is in {}", aside.display())),
    }
}
