//! `scribed change`: tells of a deploy, a rollback, a new setting.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::arguments::{Form, ServerArguments, ShowArguments, filled, moment};
use super::console::Console;
use super::failure::Failure;
use super::incident::pending;
use super::url::Target;
use super::wire::Made;
use crate::domain::Timestamp;
use crate::domain::change::ChangeKind;

/// Arguments of `change`.
#[derive(Args, Debug)]
pub(super) struct ChangeArguments {
    /// What was changed, in a few words.
    #[arg(value_name = "SUMMARY", value_parser = filled)]
    summary: String,
    /// Which service.
    #[arg(long, value_name = "NAME", value_parser = filled)]
    service: String,
    /// What sort of change.
    #[arg(
        long,
        default_value = "deploy",
        value_parser = PossibleValuesParser::new(ChangeKind::ALL.map(ChangeKind::as_str))
    )]
    kind: String,
    /// When it was made; now unless given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Who made it.
    #[arg(long, value_name = "NAME", value_parser = filled)]
    author: Option<String>,
    /// Where more of it stands.
    #[arg(long, value_name = "URL", value_parser = filled)]
    link: Option<String>,
    /// A key of your own; the same key again is the same change.
    #[arg(long, value_name = "KEY", value_parser = filled)]
    key: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

impl ChangeArguments {
    fn body(&self) -> serde_json::Value {
        serde_json::json!({
            "summary": self.summary,
            "service": self.service,
            "kind": self.kind,
            "at": self.at.map(|at| at.to_string()),
            "author": self.author,
            "link": self.link,
            "key": self.key,
        })
    }
}

/// Tells the change.
///
/// # Errors
/// When the server does not take it.
pub(super) async fn run(
    arguments: &ChangeArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let answer = client.post(Target::new("/api/v1/changes"), &arguments.body()).await?;
    if answer.is_pending() {
        console.notice(&pending(&answer));
        return Ok(());
    }
    match arguments.show.form {
        Form::Json => console.json(&answer.body),
        Form::Simple => console.line(&format!("Change {}", answer.read::<Made>()?.id)),
        Form::Extended => console.line(&format!(
            "Change {}: {} of {}: {}",
            answer.read::<Made>()?.id,
            arguments.kind,
            arguments.service,
            arguments.summary
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ChangeArguments,
    }

    #[test]
    fn a_change_is_a_deploy_unless_said_otherwise() {
        for (line, expect) in [
            (
                vec!["change", "v1.2", "--service=web"],
                r#"{"at":null,"author":null,"key":null,"kind":"deploy","link":null,"service":"web","summary":"v1.2"}"#,
            ),
            (
                vec!["change", "x", "--service=db", "--kind=config", "--key=k", "--at=1719069300"],
                r#"{"at":"2024-06-22T15:15:00.000Z","author":null,"key":"k","kind":"config","link":null,"service":"db","summary":"x"}"#,
            ),
        ] {
            let line = Line::try_parse_from(line).unwrap();
            assert_eq!(line.arguments.body().to_string(), expect);
        }
    }

    #[test]
    fn a_change_needs_its_service_and_a_known_kind() {
        for line in [vec!["change", "x"], vec!["change", "x", "--service=web", "--kind=party"]] {
            assert!(Line::try_parse_from(line).is_err());
        }
    }
}
