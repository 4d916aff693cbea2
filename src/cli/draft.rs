//! `scribed draft`: the postmortem draft of an incident.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::arguments::{Form, ServerArguments, filled};
use super::client::Call;
use super::console::Console;
use super::failure::Failure;
use super::url::Target;

/// Arguments of `draft`.
#[derive(Args, Debug)]
pub(super) struct DraftArguments {
    /// Number of the incident.
    #[arg(value_name = "ID")]
    id: u64,
    /// The form of the document; Markdown unless given.
    #[arg(long, value_enum)]
    format: Option<DraftFormat>,
    /// Zone of all times, an IANA name; the incident's own unless given.
    #[arg(long, value_name = "ZONE", value_parser = filled)]
    tz: Option<String>,
    /// Which template: outage-report unless given, google-sre, pagerduty, atlassian, or one of
    /// the server's own.
    #[arg(long, value_name = "NAME", value_parser = filled)]
    template: Option<String>,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also say what changed since this revision.
    #[arg(long, value_name = "NUMBER")]
    since_revision: Option<u64>,
    /// `json` means --format=json; the others change nothing in a document.
    #[arg(short = 'o', value_enum, default_value_t = Form::Simple, value_name = "FORM")]
    form: Form,
    #[command(flatten)]
    server: ServerArguments,
}

/// The form of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DraftFormat {
    /// For a repository or a wiki.
    Markdown,
    /// For a browser.
    Html,
    /// For a program.
    Json,
    /// For a mail.
    Text,
}

impl DraftFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

impl DraftArguments {
    fn format(&self) -> DraftFormat {
        match (self.format, self.form) {
            (Some(format), _) => format,
            (None, Form::Json) => DraftFormat::Json,
            (None, Form::Simple | Form::Extended) => DraftFormat::Markdown,
        }
    }

    fn target(&self) -> Target {
        draft_target(self.id, self.format().as_str())
            .query_opt("tz", self.tz.as_deref())
            .query_opt("template", self.template.as_deref())
            .query_opt("since_revision", self.since_revision.map(|n| n.to_string()).as_deref())
    }
}

/// Where a draft is.
pub(super) fn draft_target(id: u64, format: &str) -> Target {
    Target::incident(id).segment("draft").query("format", format)
}

/// Fetches a draft.
///
/// # Errors
/// When the server does not give it, or the file cannot be written.
pub(super) async fn run(
    arguments: &DraftArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let answer = client.call(&Call::get(arguments.target())).await?;
    if let Some(later) = answer.since_final.filter(|later| *later > 0)
        && arguments.since_revision.is_none()
    {
        let things =
            if later == 1 { "1 revision".to_owned() } else { format!("{later} revisions") };
        console.notice(&format!(
            "The draft is final; {things} came since, which --since-revision lists"
        ));
    }
    match arguments.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            replace(path, &answer.body).map_err(Failure::file("write", path))?;
            console.notice(&format!("Wrote the draft to {}", path.display()));
            Ok(())
        }
        None if arguments.format() == DraftFormat::Json => console.json(&answer.body),
        None => console.document(&answer.body),
    }
}

/// Writes a file as a whole: a reader sees the old one or the new one, never half of it.
/// What is not a plain file, such as `/dev/stdout`, is written to directly.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if path.symlink_metadata().is_ok_and(|known| !known.is_file()) {
        return std::fs::write(path, bytes);
    }
    let mut name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // The first error is the one to tell; a left-over part is only untidy.
        drop(std::fs::remove_file(&part));
    }
    written
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: DraftArguments,
    }

    #[test]
    fn what_is_asked_for_stands_in_the_query() {
        for (line, query) in [
            ("draft 3", "format=markdown"),
            ("draft 3 -o json", "format=json"),
            ("draft 3 -o json --format=html", "format=html"),
            ("draft 3 --tz=Africa/Lagos", "format=markdown&tz=Africa%2FLagos"),
            (
                "draft 3 --format text --template google-sre --since-revision 4",
                "format=text&template=google-sre&since_revision=4",
            ),
        ] {
            let line = Line::try_parse_from(line.split(' ')).unwrap();
            let expect = format!("/api/v1/incidents/3/draft?{query}");
            assert_eq!(line.arguments.target().as_str(), expect);
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("draft.md");
        for text in ["first, and longer", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace(&folder.path().join("no/such/place.md"), b"x").is_err());
    }
}
