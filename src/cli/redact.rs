//! `scribed redact`: takes back for good what a person wrote.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::arguments::{Form, ServerArguments, ShowArguments, filled};
use super::console::Console;
use super::failure::Failure;
use super::incident::pending;
use super::url::Target;
use crate::domain::words::TextField;

/// Arguments of `redact`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("words").required(true))]
pub(super) struct RedactArguments {
    /// Number of the incident.
    #[arg(value_name = "ID")]
    id: u64,
    /// Id of a note.
    #[arg(long, value_name = "NOTE", group = "words")]
    note: Option<String>,
    /// Id of a measure.
    #[arg(long, value_name = "ACTION", group = "words")]
    action: Option<String>,
    /// A field of the report, with everything that was ever said in it.
    #[arg(long, group = "words", value_parser = PossibleValuesParser::new(TextField::ALL.map(TextField::as_str)))]
    field: Option<String>,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", value_parser = filled)]
    by: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

impl RedactArguments {
    /// Where the wish goes, and what it says.
    fn wish(&self) -> (Target, Value) {
        let incident = Target::incident(self.id);
        match (&self.note, &self.action, &self.field) {
            (Some(note), ..) => (
                incident.segment("notes").segment(note).segment("redact"),
                json!({ "by": self.by }),
            ),
            (None, Some(action), _) => (
                incident.segment("actions").segment(action).segment("redact"),
                json!({ "by": self.by }),
            ),
            (None, None, field) => {
                (incident.segment("redact"), json!({ "by": self.by, "field": field }))
            }
        }
    }
}

/// Takes the words back.
///
/// # Errors
/// When the server does not do it.
pub(super) async fn run(
    arguments: &RedactArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let (target, body) = arguments.wish();
    let answer = client.post(target, &body).await?;
    if answer.is_pending() {
        console.notice(&pending(&answer));
        return Ok(());
    }
    if arguments.show.form == Form::Json {
        return console.json(&answer.body);
    }
    console.line(&format!("Incident {}: redacted; the hash of the words stays", arguments.id))?;
    console.notice("Backups made before still hold them");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: RedactArguments,
    }

    #[test]
    fn one_sort_of_words_is_taken_back_at_a_time() {
        for (line, path, body) in [
            (
                vec!["redact", "3", "--note=n7", "--by=ada"],
                "/api/v1/incidents/3/notes/n7/redact",
                r#"{"by":"ada"}"#,
            ),
            (
                vec!["redact", "3", "--action=a1"],
                "/api/v1/incidents/3/actions/a1/redact",
                r#"{"by":null}"#,
            ),
            (
                vec!["redact", "3", "--field=root_cause"],
                "/api/v1/incidents/3/redact",
                r#"{"by":null,"field":"root_cause"}"#,
            ),
        ] {
            let (target, wish) = Line::try_parse_from(line).unwrap().arguments.wish();
            assert_eq!((target.as_str(), wish.to_string().as_str()), (path, body));
        }
        for wrong in [
            vec!["redact", "3"],
            vec!["redact", "3", "--note=n1", "--action=a1"],
            vec!["redact", "3", "--field=nonsense"],
        ] {
            assert!(Line::try_parse_from(wrong).is_err());
        }
    }
}
