//! Drafts as they were when they became final: their facts, and every document printed from them.
//!
//! A later release prints the same facts otherwise; what people reviewed are these bytes. They are
//! stored in the transaction that makes the draft final, so that there is never the one without the
//! other, but made before it, on the engine's thread: the documents of a long outage take seconds,
//! and meanwhile the writer must go on taking what comes to the door.
//!
//! When words are taken back, the commit that does it drops the documents that may say them, so
//! nobody is served those any more; they are printed anew afterwards, from the facts without the
//! words, again on the engine's thread. That a final draft has no documents is all there is to
//! know about what is still to be done, so a kill between the two is made good by the next start.
//!
//! They are no part of what a replay gives: the facts are. How a draft is printed is for whoever
//! opened the store to say.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::error::Trying;
use super::incidents;
use super::rows::{from_int, from_json, int, named, to_json};
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
    /// Gives each document away, from the facts that were reviewed.
    fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed));
}

/// A document as it is stored: packed, since those of a long outage are a hundred megabytes that
/// say the same.
#[derive(Debug)]
struct Packed {
    format: String,
    template: String,
    zone: String,
    text: Vec<u8>,
}

/// What is kept of a draft that becomes final.
#[derive(Debug)]
pub(super) struct Final {
    incident: IncidentId,
    facts: String,
    documents: Vec<Packed>,
}

impl Final {
    /// The documents of a final draft made anew from what is frozen of it, as it is stored.
    pub(super) fn anew(
        incident: IncidentId,
        facts: String,
        printer: &dyn Printer,
    ) -> Result<Self, StoreError> {
        let documents = documents(from_json(&facts, "reviewed facts")?, printer);
        Ok(Self { incident, facts, documents })
    }

    /// Everything that is kept of an incident, from its facts.
    pub(super) fn of(facts: Facts, printer: Option<&dyn Printer>) -> Result<Self, StoreError> {
        let (incident, json) = (facts.incident.id, to_json(&facts, "reviewed facts")?);
        let documents = printer.map(|printer| documents(facts, printer)).unwrap_or_default();
        Ok(Self { incident, facts: json, documents })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.facts.len() + self.documents.iter().map(|one| one.text.len() + 128).sum::<usize>()
    }

    /// Stores it in the transaction that is open.
    pub(super) fn store(&self, connection: &Connection) -> Result<(), StoreError> {
        incidents::store_reviewed(connection, self.incident, &self.facts)?;
        store(connection, self.incident, &self.documents)
    }

    /// Stores the documents in the transaction that is open, unless what they were printed from is
    /// frozen no more.
    pub(super) fn store_documents(&self, connection: &Connection) -> Result<(), StoreError> {
        let is_current = connection
            .prepare_cached("SELECT 1 FROM reviewed WHERE incident = :incident AND facts = :facts")
            .and_then(|mut select| {
                select.exists(named! { incident: int(self.incident.0), facts: self.facts })
            })
            .trying("looking for the facts of a final draft")?;
        if !is_current {
            return Ok(());
        }
        store(connection, self.incident, &self.documents)
    }
}

/// All documents, packed. None when the printer fails: the facts are frozen all the same.
fn documents(facts: Facts, printer: &dyn Printer) -> Vec<Packed> {
    let id = facts.incident.id;
    let mut documents = Vec::new();
    let mut keep = |printed: Printed| {
        let Printed { format, template, zone, text } = printed;
        let text = lz4_flex::block::compress_prepend_size(text.as_bytes());
        documents.push(Packed { format, template, zone, text });
    };
    // A fault of a printer must not take its thread with it.
    if catch_unwind(AssertUnwindSafe(|| printer.print(facts, &mut keep))).is_err() {
        tracing::error!(
            incident.id = id.0,
            "A final draft could not be printed; it is printed from its reviewed facts when asked \
             for. Please report it with this log"
        );
        return Vec::new();
    }
    documents
}

fn store(connection: &Connection, id: IncidentId, documents: &[Packed]) -> Result<(), StoreError> {
    let what = "keeping the documents of a final draft";
    connection
        .prepare_cached("DELETE FROM reviewed_documents WHERE incident = :incident")
        .and_then(|mut delete| delete.execute(named! { incident: int(id.0) }))
        .trying(what)?;
    for document in documents {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO reviewed_documents
                     (incident, format, template, zone, packed)
                 VALUES (:incident, :format, :template, :zone, :packed)",
            )
            .and_then(|mut insert| {
                insert.execute(named! {
                    incident: int(id.0), format: document.format, template: document.template,
                    zone: document.zone, packed: document.text,
                })
            })
            .trying(what)?;
    }
    Ok(())
}

/// The first final draft behind a number of which no document is kept, with its frozen facts as they
/// are stored.
pub(super) fn without_documents(
    connection: &Connection,
    after: IncidentId,
) -> Result<Option<(IncidentId, String)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT incident, facts FROM reviewed r
             WHERE incident > :after
               AND NOT EXISTS (SELECT 1 FROM reviewed_documents d WHERE d.incident = r.incident)
             ORDER BY incident LIMIT 1",
        )
        .and_then(|mut select| {
            select
                .query_row(named! { after: int(after.0) }, |row| {
                    Ok((IncidentId(from_int(row.get(0)?)), row.get(1)?))
                })
                .optional()
        })
        .trying("looking for final drafts to print")
}

/// One document of a final draft.
pub(super) fn get(
    connection: &Connection,
    id: IncidentId,
    format: &str,
    template: &str,
) -> Result<Option<Printed>, StoreError> {
    let what = "reading a document of a final draft";
    let found: Option<(String, Vec<u8>)> = connection
        .prepare_cached(
            "SELECT zone, packed FROM reviewed_documents
             WHERE incident = :incident AND format = :format AND template = :template",
        )
        .and_then(|mut select| {
            let values = named! { incident: int(id.0), format: format, template: template };
            select.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .trying(what)?;
    let Some((zone, packed)) = found else { return Ok(None) };
    let text = lz4_flex::block::decompress_size_prepended(&packed)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| StoreError::Broken(format!("{what} failed: it cannot be unpacked")))?;
    Ok(Some(Printed { format: format.to_owned(), template: template.to_owned(), zone, text }))
}
