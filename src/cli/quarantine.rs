//! `scribed quarantine`: what could not be used, and reading it again.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::arguments::{Form, ServerArguments, ShowArguments};
use super::client::{Call, Client};
use super::console::Console;
use super::failure::Failure;
use super::text::{Table, clean_line, count};
use super::url::Target;
use super::wire::Page;

const PATH: &str = "/api/v1/quarantine";
/// Rows of one page of the list, by contract the most.
const PAGE_ROWS: &str = "500";

/// Arguments of `quarantine`.
#[derive(Args, Debug)]
pub(super) struct QuarantineArguments {
    #[command(subcommand)]
    command: QuarantineCommand,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// List what could not be used, newest first.
    #[command(after_help = "Example:\n  scribed quarantine list")]
    List,
    /// Print a body as it came; needs the scope admin.
    #[command(after_help = "Example:\n  scribed quarantine show q3 > body.json")]
    Show {
        /// Id of the row.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Read bodies again, as received when they were; needs the scope admin.
    #[command(after_help = "A body becomes a delivery once, however often this is asked for.\n\n\
        Examples, after an upgrade or a new source in the configuration:\n  \
        scribed quarantine replay q3\n  scribed quarantine replay --all")]
    Replay {
        /// Ids of the rows.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// Every row that was not read again yet.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

/// A row as the server writes it.
#[derive(Debug, Deserialize)]
struct Quarantined {
    id: String,
    source: String,
    received_at: String,
    reason: String,
    problem: String,
    #[serde(default)]
    replayed_as: Option<String>,
}

/// What came of reading it again.
#[derive(Debug, Deserialize)]
struct Replayed {
    result: String,
    delivery: String,
}

/// Does what is asked for.
///
/// # Errors
/// When the server refuses, or a body still cannot be used.
pub(super) async fn run(
    arguments: &QuarantineArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let form = arguments.show.form;
    match &arguments.command {
        QuarantineCommand::List => list(&mut client, form, console).await,
        QuarantineCommand::Show { id } => {
            let target = Target::new(PATH).segment(id).segment("raw");
            let answer = client.call(&Call::get(target)).await?;
            console.document(&answer.body)
        }
        QuarantineCommand::Replay { ids, all } => {
            let ids = if *all { unread(&mut client).await? } else { ids.clone() };
            replay(&mut client, &ids, form, console).await
        }
    }
}

async fn list(client: &mut Client, form: Form, console: &mut Console<'_>) -> Result<(), Failure> {
    let answer = client.call(&Call::get(Target::new(PATH).query("limit", PAGE_ROWS))).await?;
    if form == Form::Json {
        return console.json(&answer.body);
    }
    let page: Page<Quarantined> = answer.read()?;
    let mut table = Table::new(&["ID", "RECEIVED (UTC)", "SOURCE", "REASON", "READ AS", "PROBLEM"]);
    for row in &page.items {
        table.row([
            clean_line(&row.id),
            clean_line(&row.received_at),
            clean_line(&row.source),
            clean_line(&row.reason),
            clean_line(row.replayed_as.as_deref().unwrap_or_default()),
            clean_line(&row.problem),
        ]);
    }
    if table.is_empty() {
        console.notice("The quarantine is empty");
        return Ok(());
    }
    console.block(&table.render())
}

/// Every row that did not become a delivery, oldest first, so that they come in as they were sent.
async fn unread(client: &mut Client) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let target =
            Target::new(PATH).query("limit", PAGE_ROWS).query_opt("cursor", cursor.as_deref());
        let page: Page<Quarantined> = client.read(target).await?;
        let is_unread = |row: &Quarantined| row.replayed_as.is_none();
        ids.extend(page.items.into_iter().filter(is_unread).map(|row| row.id));
        let is_stuck = page.next_cursor == cursor;
        cursor = page.next_cursor;
        if cursor.is_none() || is_stuck {
            ids.reverse();
            return Ok(ids);
        }
    }
}

async fn replay(
    client: &mut Client,
    ids: &[String],
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut refused = None;
    let mut delivered = 0;
    for id in ids {
        let target = Target::new(PATH).segment(id).segment("replay");
        match client.post(target, &json!({})).await {
            Ok(answer) if form == Form::Json => console.json(&answer.body)?,
            Ok(answer) => {
                let replayed: Replayed = answer.read()?;
                let result = replayed.result.replace('_', " ");
                let line = format!("{id}: {result} as {}", replayed.delivery);
                console.line(&clean_line(&line))?;
            }
            // One that still cannot be used stands in the way of no other.
            Err(error) if error.status() == Some(http::StatusCode::CONFLICT) && ids.len() > 1 => {
                console.notice(&format!("{id}: {error}"));
                refused = Some(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        delivered += 1;
    }
    if ids.len() > 1 {
        console.notice(&format!("{} of {} read", delivered, count(ids.len(), "row")));
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}
