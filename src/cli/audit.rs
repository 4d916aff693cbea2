//! `scribed audit`: who did what, when and from where.

use clap::Args;
use serde::Deserialize;

use super::arguments::{Form, ServerArguments, ShowArguments, moment};
use super::client::Call;
use super::console::Console;
use super::failure::Failure;
use super::text::{Table, clean_line};
use super::url::Target;
use super::wire::Page;
use crate::domain::Timestamp;

/// Arguments of `audit`.
#[derive(Args, Debug)]
pub(super) struct AuditArguments {
    /// Only by this principal, or for this person.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this, such as `note.add`, or all below it, such as `note`.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only on this incident.
    #[arg(long, value_name = "ID")]
    incident: Option<u64>,
    /// Only at this time or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

/// An entry as the server writes it.
#[derive(Debug, Deserialize)]
struct Audited {
    at: String,
    action: String,
    principal: Option<String>,
    actor: Option<String>,
    remote: String,
    user_agent: String,
    incident: Option<u64>,
    target: Option<String>,
    outcome: String,
}

impl AuditArguments {
    fn target(&self) -> Target {
        let mut target = Target::new("/api/v1/audit").query("limit", &self.limit.to_string());
        let moments = [("since", self.since), ("until", self.until)]
            .map(|(name, at)| (name, at.map(|at| at.to_string())));
        let words = [
            ("actor", self.actor.clone()),
            ("action", self.action.clone()),
            ("incident", self.incident.map(|id| id.to_string())),
        ];
        for (name, value) in words.into_iter().chain(moments) {
            if let Some(value) = value {
                target = target.query(name, &value);
            }
        }
        target
    }
}

/// Lists who did what.
///
/// # Errors
/// When the server does not say.
pub(super) async fn run(
    arguments: &AuditArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let answer = client.call(&Call::get(arguments.target())).await?;
    if arguments.show.form == Form::Json {
        return console.json(&answer.body);
    }
    let page: Page<Audited> = answer.read()?;
    let is_extended = arguments.show.form == Form::Extended;
    let mut table = if is_extended {
        Table::new(&["Time", "Who", "From", "What", "Incident", "Outcome", "Program"])
    } else {
        Table::new(&["Time", "Who", "From", "What", "Incident", "Outcome"])
    };
    for entry in &page.items {
        let who = entry.principal.as_deref().unwrap_or("anonymous");
        let actor = entry.actor.as_ref().map(|actor| format!(" for {actor}")).unwrap_or_default();
        let target = entry.target.as_ref().map(|t| format!(" {t}")).unwrap_or_default();
        let mut cells = vec![
            clean_line(&entry.at),
            clean_line(&format!("{who}{actor}")),
            clean_line(&entry.remote),
            clean_line(&format!("{}{target}", entry.action)),
            entry.incident.map_or_else(String::new, |id| id.to_string()),
            clean_line(&entry.outcome),
        ];
        if is_extended {
            cells.push(clean_line(&entry.user_agent));
        }
        table.row(cells);
    }
    if table.is_empty() {
        console.notice("Nobody did such a thing.");
        return Ok(());
    }
    console.block(&table.render())
}
