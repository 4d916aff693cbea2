//! Arguments that several commands share: which server, how the answer is shown, and the parsers
//! of single values.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::client::{Client, read_token};
use super::failure::Failure;
use super::trust;
use super::url::{DEFAULT_URL, ServerUrl};
use crate::domain::{Span, Timestamp};

/// Which server, and as whom.
#[derive(Args, Clone, Debug)]
pub(super) struct ServerArguments {
    /// Address of the server.
    #[arg(long, env = "SCRIBED_URL", default_value = DEFAULT_URL, value_name = "URL", global = true)]
    pub(super) url: ServerUrl,
    /// File with the bearer token.
    #[arg(long, env = "SCRIBED_TOKEN_FILE", value_name = "FILE", global = true)]
    pub(super) token_file: Option<PathBuf>,
    /// File with the authorities (PEM) that a server with an https URL must come from [default:
    /// those of the system].
    #[arg(long, env = "SCRIBED_CA_FILE", value_name = "FILE", global = true)]
    pub(super) ca_file: Option<PathBuf>,
    /// Longest wait for one answer, such as 10s or 1m30s.
    #[arg(
        long,
        env = "SCRIBED_TIMEOUT",
        default_value = "30s",
        value_name = "DURATION",
        value_parser = positive_span,
        global = true
    )]
    pub(super) timeout: Span,
}

impl ServerArguments {
    /// A client for that server.
    ///
    /// # Errors
    /// When the token file, or the file of authorities, cannot be used.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        let client = Client::new(self.url.clone(), token, self.timeout);
        if self.url.is_encrypted() {
            return Ok(client.over_tls(trust::connector(self.ca_file.as_deref())?));
        }
        Ok(client)
    }

    /// Who does it: as given, else nobody where a token says who it is, else whoever is logged in
    /// here.
    pub(super) fn person(&self, given: Option<&str>) -> Option<String> {
        match (given, &self.token_file) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(_)) => None,
            (None, None) => login_name(|name| std::env::var(name).ok()),
        }
    }
}

/// How an answer is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct ShowArguments {
    /// How the answer is shown.
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t = Form::Simple,
        value_name = "FORM",
        global = true
    )]
    pub(super) form: Form,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// The few things that matter.
    #[default]
    Simple,
    /// More of them.
    Extended,
    /// The server's own JSON.
    Json,
}

/// The login name, as the environment tells it.
fn login_name(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["USER", "LOGNAME"].into_iter().filter_map(variable).find_map(|name| filled(&name).ok())
}

/// A time: RFC 3339 or Unix seconds.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// A Prometheus duration longer than nothing.
pub(super) fn positive_span(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    if span > Span::ZERO { Ok(span) } else { Err("a duration longer than 0 is needed".to_owned()) }
}

/// Text with something in it.
pub(super) fn filled(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_name_is_the_first_that_says_something() {
        let check = |variables: &[(&str, &str)], expect: Option<&str>| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
            };
            assert_eq!(login_name(variable).as_deref(), expect, "{variables:?}");
        };
        check(&[("USER", "ada"), ("LOGNAME", "root")], Some("ada"));
        check(&[("USER", " "), ("LOGNAME", "ben")], Some("ben"));
        check(&[], None);
    }
}
