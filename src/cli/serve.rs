//! `scribed serve`, and the one place where this room reaches into the program: everything of the
//! configuration and of the server that a command needs goes through the functions at the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::failure::Failure;

/// Arguments of `serve`. Only what was really given counts; the environment (`SCRIBED_…`), the
/// file and the defaults lie below, and are read where the configuration is.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServeArguments {
    /// Configuration file (YAML).
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Folder of the store [default: ./data].
    #[arg(long = "storage.path", value_name = "DIR")]
    storage_path: Option<PathBuf>,
    /// Address to listen on; give it again for more [default: 127.0.0.1:7274].
    #[arg(long = "web.listen-address", value_name = "ADDR")]
    listen_addresses: Vec<String>,
    /// TLS and basic authentication, in the exporter-toolkit's form.
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<PathBuf>,
    /// How others reach this server; makes links in drafts absolute.
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// Least severe level that is logged: trace, debug, info, warn or error [default: info].
    #[arg(long = "log.level", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look [default: logfmt].
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        value_parser = PossibleValuesParser::new(["logfmt", "json"])
    )]
    log_format: Option<String>,
    /// Let anyone who may write state the original time of receipt.
    #[arg(
        long = "replay.allow",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    replay_allow: Option<bool>,
}

impl ServeArguments {
    /// What `demo` starts with: its own folder and address, and replays allowed.
    pub(super) fn for_demo(folder: &Path, address: String) -> Self {
        Self {
            storage_path: Some(folder.to_owned()),
            listen_addresses: vec![address],
            replay_allow: Some(true),
            ..Self::default()
        }
    }
}

/// A server inside this process.
pub(super) struct Inside {
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the configuration does not hold, or the server cannot start or fails.
pub(super) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    Err(unwired(&format!("serve with {arguments:?}")))
}

/// Checks one configuration file; the error lists every problem, one a line.
pub(super) fn check_file(path: &Path) -> Result<(), String> {
    Err(unwired(&format!("check {}", path.display())).to_string())
}

/// Starts a server inside this process; environment and files of the user have no say in it.
///
/// # Errors
/// When it cannot start.
pub(super) async fn start(arguments: &ServeArguments) -> Result<Inside, Failure> {
    Err(unwired(&format!("start with {arguments:?}")))
}

impl Inside {
    /// Stops it and waits until all is written.
    ///
    /// # Errors
    /// When it did not end well.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        Ok(())
    }
}

fn unwired(what: &str) -> Failure {
    Failure::Server(format!("this build has no server: cannot {what}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ServeArguments,
    }

    #[test]
    fn only_flags_that_were_given_override() {
        let none = ServeArguments::default();
        for (line, expect) in [
            ("serve", none.clone()),
            (
                "serve --config.file=a.yml --storage.path b",
                ServeArguments {
                    config_file: Some("a.yml".into()),
                    storage_path: Some("b".into()),
                    ..none.clone()
                },
            ),
            (
                "serve --web.listen-address=:1 --web.listen-address=[::1]:2",
                ServeArguments {
                    listen_addresses: vec![":1".into(), "[::1]:2".into()],
                    ..none.clone()
                },
            ),
            (
                "serve --web.config.file=w.yml --web.external-url=http://h --log.level=debug",
                ServeArguments {
                    web_config_file: Some("w.yml".into()),
                    external_url: Some("http://h".into()),
                    log_level: Some("debug".into()),
                    ..none.clone()
                },
            ),
            (
                "serve --log.format=json --replay.allow",
                ServeArguments {
                    log_format: Some("json".into()),
                    replay_allow: Some(true),
                    ..none.clone()
                },
            ),
            ("serve --replay.allow=false", ServeArguments { replay_allow: Some(false), ..none }),
        ] {
            let line = line.split(' ');
            assert_eq!(Line::try_parse_from(line).unwrap().arguments, expect);
        }
    }

    #[test]
    fn unknown_formats_and_stray_words_are_refused() {
        for line in ["serve --log.format=xml", "serve here", "serve --replay.allow=perhaps"] {
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
