//! What is done to a store from outside a server: copies, and the check of its laws.
//!
//! Thin: the commands hand in a configuration, the rooms do the work.

use std::path::Path;

use super::AppError;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{self, Known, Question};
use crate::store::{self, Archive};

pub use crate::engine::{
    Answer, Brief, Change, Check, Moved, Placement, Regrouped, Since, Verdict,
};
pub use crate::store::{Faults, Holdings, Restored};

/// Writes a copy of the configured store into a file; a server may be running on it.
///
/// # Errors
/// See [`store::back_up`].
pub fn back_up(config: &Config, destination: &Path, replace: bool) -> Result<Holdings, AppError> {
    Ok(store::back_up(&config.storage.path, destination, replace)?)
}

/// Puts a backup in the place of the configured store.
///
/// # Errors
/// See [`store::restore`].
pub fn restore(
    config: &Config,
    source: &Path,
    replace: bool,
    clock: &Clock,
) -> Result<Restored, AppError> {
    Ok(store::restore(source, &config.storage.path, replace, clock.now())?)
}

/// Checks every law on the configured store; while a server runs there, on a copy.
///
/// # Errors
/// When there is no store or it cannot be read.
pub fn verify(config: &Config) -> Result<Vec<Check>, AppError> {
    let archive = Archive::of_store(&config.storage.path)?;
    Ok(engine::verify(&archive)?)
}

/// Works the ledger of the configured store in under that configuration, and tells what would
/// differ, with at most `moves_max` of the alerts that move. A server may be running on the store,
/// which is left as it is. `progress` is told how many records of how many are done.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub fn what_if(
    config: &Config,
    since: Since,
    moves_max: usize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Answer, AppError> {
    let known = Known { rules: config.rules.clone(), topology: config.topology.clone() };
    let archive = Archive::glimpse(&config.storage.path)?;
    Ok(engine::what_if(&archive, &Question { known, since, moves_max }, progress)?)
}
