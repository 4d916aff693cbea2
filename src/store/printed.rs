//! Drafts as they were printed when they became final.
//!
//! A later release prints the same facts otherwise; what people reviewed are these bytes. They are
//! printed and stored in the transaction that makes the draft final, so that there is never the one
//! without the other. They are no part of what a replay gives: the facts are, and they are kept
//! beside (see `incidents`). How a draft is printed is for whoever opened the store to say.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::incidents;
use super::rows::{int, named};
use crate::domain::{Facts, IncidentId};

/// One document of a final draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// In which form: the word of the API, or `svg` for the chart.
    pub format: String,
    /// In which layout; empty where a form has none.
    pub template: String,
    /// The zone of its times: an IANA name.
    pub zone: String,
    /// The document.
    pub text: String,
}

/// Prints every document of a draft that becomes final.
pub trait Printer: fmt::Debug + Send + Sync {
    /// All documents, from the facts that were reviewed. Runs inside the writer's transaction: it
    /// must not ask the store.
    fn print(&self, facts: &Facts) -> Vec<Printed>;
}

/// Prints and keeps the documents of an incident whose facts have just been frozen.
pub(super) fn keep(
    connection: &Connection,
    id: IncidentId,
    printer: &dyn Printer,
) -> Result<(), StoreError> {
    let Some(facts) = incidents::reviewed(connection, id)? else { return Ok(()) };
    let what = "keeping the documents of a final draft";
    // A fault of a printer must not take the writer with it: the facts are frozen all the same.
    let Ok(documents) = catch_unwind(AssertUnwindSafe(|| printer.print(&facts))) else {
        tracing::error!(
            incident.id = id.0,
            "A final draft could not be printed; it is printed from its reviewed facts when asked \
             for. Please report it with this log"
        );
        return Ok(());
    };
    connection
        .prepare_cached("DELETE FROM reviewed_documents WHERE incident = :incident")
        .and_then(|mut delete| delete.execute(named! { incident: int(id.0) }))
        .trying(what)?;
    for document in documents {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO reviewed_documents (incident, format, template, zone, text)
                 VALUES (:incident, :format, :template, :zone, :text)",
            )
            .and_then(|mut insert| {
                insert.execute(named! {
                    incident: int(id.0), format: document.format, template: document.template,
                    zone: document.zone, text: document.text,
                })
            })
            .trying(what)?;
    }
    Ok(())
}

/// One document of a final draft.
pub(super) fn get(
    connection: &Connection,
    id: IncidentId,
    format: &str,
    template: &str,
) -> Result<Option<Printed>, StoreError> {
    connection
        .prepare_cached(
            "SELECT zone, text FROM reviewed_documents
             WHERE incident = :incident AND format = :format AND template = :template",
        )
        .and_then(|mut select| {
            select
                .query_row(
                    named! { incident: int(id.0), format: format, template: template },
                    |row| {
                        Ok(Printed {
                            format: format.to_owned(),
                            template: template.to_owned(),
                            zone: row.get("zone")?,
                            text: row.get("text")?,
                        })
                    },
                )
                .optional()
        })
        .trying("reading a document of a final draft")
}
