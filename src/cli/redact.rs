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
    /// Number of the incident; none for a person or a change.
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["person", "change"],
        conflicts_with_all = ["person", "change"]
    )]
    id: Option<u64>,
    /// Id of a note.
    #[arg(long, value_name = "NOTE", group = "words")]
    note: Option<String>,
    /// Id of a measure.
    #[arg(long, value_name = "ACTION", group = "words")]
    action: Option<String>,
    /// A field of the report, with everything that was ever said in it.
    #[arg(long, group = "words", value_parser = PossibleValuesParser::new(TextField::ALL.map(TextField::as_str)))]
    field: Option<String>,
    /// A person's name, wherever it says who did, wrote or leads something.
    #[arg(long, value_name = "NAME", group = "words", value_parser = filled)]
    person: Option<String>,
    /// Id of a change that was told in our own form: its summary, author and link.
    #[arg(long, value_name = "CHANGE", group = "words")]
    change: Option<String>,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", value_parser = filled)]
    by: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

impl RedactArguments {
    /// What is taken back from, in words.
    fn place(&self) -> String {
        match (&self.change, self.id) {
            (Some(change), _) => format!("Change {change}"),
            (None, Some(id)) => format!("Incident {id}"),
            (None, None) => "Everywhere".to_owned(),
        }
    }

    /// Where the wish goes, and what it says.
    fn wish(&self) -> (Target, Value) {
        if let Some(person) = &self.person {
            return (Target::new("/api/v1/redact"), json!({ "by": self.by, "person": person }));
        }
        if let Some(change) = &self.change {
            let target = Target::new("/api/v1/changes").segment(change).segment("redact");
            return (target, json!({ "by": self.by }));
        }
        let incident = Target::incident(self.id.unwrap_or_default());
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
    console.line(&format!("{}: redacted; the hash of the words stays", arguments.place()))?;
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
            (
                vec!["redact", "--person=Ada Lovelace"],
                "/api/v1/redact",
                r#"{"by":null,"person":"Ada Lovelace"}"#,
            ),
            (
                vec!["redact", "--change=c7", "--by=ada"],
                "/api/v1/changes/c7/redact",
                r#"{"by":"ada"}"#,
            ),
        ] {
            let (target, wish) = Line::try_parse_from(line).unwrap().arguments.wish();
            assert_eq!((target.as_str(), wish.to_string().as_str()), (path, body));
        }
        for wrong in [
            vec!["redact", "3"],
            vec!["redact", "3", "--note=n1", "--action=a1"],
            vec!["redact", "3", "--field=nonsense"],
            vec!["redact", "--note=n1"],
            vec!["redact", "3", "--person=ada"],
            vec!["redact", "--person=ada", "--change=c1"],
        ] {
            assert!(Line::try_parse_from(wrong).is_err());
        }
    }
}
