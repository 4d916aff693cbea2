//! `scribed note`: attaches a note to an incident.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::arguments::{Form, ServerArguments, ShowArguments, filled, moment};
use super::console::Console;
use super::failure::Failure;
use super::incident::pending;
use super::text::minute_utc;
use super::url::Target;
use super::wire::Entry;
use crate::domain::Timestamp;
use crate::domain::incident::NoteKind;

/// Arguments of `note`.
#[derive(Args, Debug)]
pub(super) struct NoteArguments {
    /// Number of the incident.
    #[arg(value_name = "ID")]
    id: u64,
    /// What to write down.
    #[arg(value_name = "TEXT", value_parser = filled)]
    text: String,
    /// What it speaks of; suggested from the text unless given.
    #[arg(long, value_parser = PossibleValuesParser::new(NoteKind::ALL.map(NoteKind::as_str)))]
    kind: Option<String>,
    /// The time it speaks of; now unless given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Who says so [default: the token's name, else the login name].
    #[arg(long, value_name = "NAME", value_parser = filled)]
    author: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

impl NoteArguments {
    fn body(&self, author: Option<String>) -> serde_json::Value {
        serde_json::json!({
            "text": self.text,
            "kind": self.kind,
            "at": self.at.map(|at| at.to_string()),
            "author": author,
        })
    }
}

/// Attaches the note.
///
/// # Errors
/// When the server does not take it.
pub(super) async fn run(
    arguments: &NoteArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let target = Target::incident(arguments.id).segment("notes");
    let answer = client
        .post(target, &arguments.body(arguments.server.person(arguments.author.as_deref())))
        .await?;
    if answer.is_pending() {
        console.notice(&pending(&answer));
        return Ok(());
    }
    if arguments.show.form == Form::Json {
        return console.json(&answer.body);
    }
    let entry: Entry = answer.read()?;
    let phase = entry.phase.as_deref().unwrap_or("note");
    let at = minute_utc(entry.occurred_at);
    console.line(&format!("Incident {}: {phase} {} at {at}", arguments.id, entry.id))?;
    if arguments.show.form == Form::Extended {
        console.line(&entry.text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: NoteArguments,
    }

    #[test]
    fn absent_fields_are_null_and_times_are_rfc3339() {
        for (line, expect) in [
            (
                vec!["note", "3", " Traffic is normal "],
                r#"{"at":null,"author":null,"kind":null,"text":"Traffic is normal"}"#,
            ),
            (
                vec!["note", "3", "x", "--kind=wrong-lead", "--at=1719069300", "--author=ada"],
                r#"{"at":"2024-06-22T15:15:00.000Z","author":"ada","kind":"wrong-lead","text":"x"}"#,
            ),
        ] {
            let line = Line::try_parse_from(line).unwrap();
            assert_eq!(line.arguments.body(line.arguments.author.clone()).to_string(), expect);
        }
    }
}
