//! `scribed serve`, and the one place where this room reaches the configuration and the server:
//! everything of them that a command needs goes through the functions at the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::failure::Failure;
use crate::app;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigErrors, Overrides};
use crate::telemetry;

/// Arguments of `serve`. Only what was really given counts; the environment (`SCRIBED_…`), the
/// file and the defaults lie below, and are read where the configuration is.
#[derive(Args, Clone, Debug, Default)]
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

    /// What was given, each with the key of the configuration that it overrides and the flag as a
    /// person types it. The file and the listen addresses are handed on beside these.
    fn settings(&self) -> Vec<(&'static str, String, &'static str)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
        [
            ("storage.path", path(&self.storage_path), "--storage.path"),
            ("web.config_file", path(&self.web_config_file), "--web.config.file"),
            ("web.external_url", self.external_url.clone(), "--web.external-url"),
            ("log.level", self.log_level.clone(), "--log.level"),
            ("log.format", self.log_format.clone(), "--log.format"),
            ("replay.allow", self.replay_allow.map(|is| is.to_string()), "--replay.allow"),
        ]
        .into_iter()
        .filter_map(|(key, value, flag)| Some((key, value?, flag)))
        .collect()
    }
}

/// A server inside this process.
pub(super) struct Inside {
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
    running: app::Running,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the configuration does not hold, or the server cannot start or fails.
pub(super) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let load = loader(arguments, std::env::vars().collect());
    let config = load().map_err(configuration)?;
    let clock = Clock::system();
    telemetry::init(&config.log, clock.clone()).map_err(server)?;
    // The name tells the CPU time of the server from that of the writer and the engine.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("scribed-http")
        .build()?;
    runtime.block_on(app::serve(config, load, clock)).map_err(server)
}

/// The configuration that a server started here would have, for commands that work on its store.
///
/// # Errors
/// When it does not hold.
pub(super) fn config_for(
    config_file: Option<PathBuf>,
    storage_path: Option<PathBuf>,
) -> Result<Config, Failure> {
    let arguments = ServeArguments { config_file, storage_path, ..ServeArguments::default() };
    loader(&arguments, std::env::vars().collect())().map_err(configuration)
}

/// Checks one configuration file; the error lists every problem, one a line.
pub(super) fn check_file(path: &Path) -> Result<(), String> {
    config::check_file(path).map_err(|errors| errors.to_string())
}

/// Checks one file for `--web.config.file`; the error lists every problem, one a line.
pub(super) fn check_web_file(path: &Path) -> Result<(), String> {
    config::check_web_file(path).map_err(|errors| errors.to_string())
}

/// Starts a server inside this process; environment and files of the user have no say in it.
///
/// # Errors
/// When it cannot start.
pub(super) async fn start(arguments: &ServeArguments) -> Result<Inside, Failure> {
    let load = loader(arguments, Vec::new());
    let config = load().map_err(configuration)?;
    let running = app::start(config, load, Clock::system()).await.map_err(server)?;
    Ok(Inside { addresses: running.addresses.clone(), running })
}

impl Inside {
    /// Stops it and waits until all is written.
    ///
    /// # Errors
    /// When it did not end well.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.running.stop().await.map_err(server)
    }
}

/// What loads the configuration, now and at every reload: the same flags and variables.
fn loader(arguments: &ServeArguments, environment: Vec<(String, String)>) -> app::LoadConfig {
    let mut overrides = Overrides {
        config_file: arguments.config_file.clone(),
        listen_addresses: arguments.listen_addresses.clone(),
        ..Overrides::default()
    };
    for (key, value, flag) in arguments.settings() {
        overrides.set(key, Some(value), flag);
    }
    Box::new(move || config::load(&overrides, &environment))
}

fn configuration(errors: ConfigErrors) -> Failure {
    Failure::Configuration(errors.to_string())
}

fn server(error: impl std::fmt::Display) -> Failure {
    Failure::Server(error.to_string())
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

    fn read(line: &str) -> ServeArguments {
        Line::try_parse_from(line.split(' ')).unwrap().arguments
    }

    #[test]
    fn only_flags_that_were_given_override() {
        for (line, expect) in [
            ("serve", vec![]),
            ("serve --config.file=a.yml --web.listen-address=:1", vec![]),
            ("serve --storage.path b", vec![("storage.path", "b", "--storage.path")]),
            (
                "serve --web.config.file=w.yml --web.external-url=http://h",
                vec![
                    ("web.config_file", "w.yml", "--web.config.file"),
                    ("web.external_url", "http://h", "--web.external-url"),
                ],
            ),
            (
                "serve --log.format=json --log.level=debug --replay.allow",
                vec![
                    ("log.level", "debug", "--log.level"),
                    ("log.format", "json", "--log.format"),
                    ("replay.allow", "true", "--replay.allow"),
                ],
            ),
            ("serve --replay.allow=false", vec![("replay.allow", "false", "--replay.allow")]),
        ] {
            let settings = read(line).settings();
            let found: Vec<_> = settings.iter().map(|(k, v, f)| (*k, v.as_str(), *f)).collect();
            assert_eq!(found, expect, "{line}");
        }
    }

    #[test]
    fn the_file_and_every_address_are_kept() {
        let arguments =
            read("serve --config.file=a.yml --web.listen-address=:1 --web.listen-address=[::1]:2");
        assert_eq!(arguments.config_file, Some("a.yml".into()));
        assert_eq!(arguments.listen_addresses, [":1", "[::1]:2"]);
    }

    #[test]
    fn the_demo_has_a_folder_and_an_address_of_its_own_and_allows_replays() {
        let arguments = ServeArguments::for_demo(Path::new("/tmp/x"), "127.0.0.1:0".into());
        assert_eq!(
            arguments.settings(),
            [
                ("storage.path", "/tmp/x".to_owned(), "--storage.path"),
                ("replay.allow", "true".to_owned(), "--replay.allow"),
            ]
        );
        assert_eq!(arguments.listen_addresses, ["127.0.0.1:0"]);
    }

    #[test]
    fn unknown_formats_and_stray_words_are_refused() {
        for line in ["serve --log.format=xml", "serve here", "serve --replay.allow=perhaps"] {
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
