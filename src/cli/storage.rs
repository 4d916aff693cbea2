//! Which store a command works on, for those that need no server.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::serve;
use crate::app::storage::Holdings;
use crate::config::Config;

/// Where the store is: as for `serve`, from flag, environment, file or default.
#[derive(Args, Clone, Debug)]
pub(super) struct StorageArguments {
    /// Configuration file (YAML) that names the store's folder.
    #[arg(long = "config.file", value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,
    /// Folder of the store [default: ./data].
    #[arg(long = "storage.path", value_name = "DIR")]
    pub(super) storage_path: Option<PathBuf>,
}

impl StorageArguments {
    /// The configuration that a server would have.
    ///
    /// # Errors
    /// When it does not hold.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        serve::config_for(self.config_file.clone(), self.storage_path.clone())
    }
}

/// What a database holds, in one line.
pub(super) fn holdings(holdings: &Holdings) -> String {
    let records = match holdings.first {
        None => "no records".to_owned(),
        Some(first) => format!("records {first} to {}", holdings.head),
    };
    let incidents = match holdings.incidents {
        1 => "1 incident".to_owned(),
        count => format!("{count} incidents"),
    };
    format!("{records}, {incidents}, {} bytes", holdings.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Seq;

    #[test]
    fn holdings_are_told_in_one_line() {
        let check = |first, incidents, expect: &str| {
            let what = Holdings { first, head: Seq(9), cursor: Seq(9), incidents, bytes: 4096 };
            assert_eq!(holdings(&what), expect);
        };
        check(None, 0, "no records, 0 incidents, 4096 bytes");
        check(Some(Seq(1)), 1, "records 1 to 9, 1 incident, 4096 bytes");
    }
}
