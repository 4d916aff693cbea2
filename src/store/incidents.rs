//! Incidents and their revisions as the machine left them, and the facts of one.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::episodes::Reasons;
use super::error::Trying;
use super::paging::Place;
use super::rows::{At, from_int, from_json, int, named, to_json};
use super::types::{EngineCommit, IncidentFilter};
use super::{StoreError, changes, episodes};
use crate::domain::facts::Revision;
use crate::domain::incident::{LifecycleKind, Opening};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::{Episode, Facts, Incident, IncidentId, IncidentState, Seq, Timestamp};

/// An incident's columns, made ready by the caller.
#[derive(Debug)]
pub(super) struct IncidentColumns {
    id: i64,
    state: &'static str,
    merged_into: Option<i64>,
    severity: &'static str,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    services: String,
    search: String,
    pinned: bool,
    /// True when its draft became final with just this revision.
    is_reviewed_now: bool,
    json: String,
}

impl IncidentColumns {
    /// With whether its draft becomes final just now.
    pub(super) fn of(incident: &Incident, is_reviewed_now: bool) -> Result<Self, StoreError> {
        let mut services = "\n".to_owned();
        for service in &incident.tally.services {
            services.push_str(service.as_str());
            services.push('\n');
        }
        let search = format!("{}\n{}{services}", incident.display_title(), incident.title);
        let merged_into = match incident.state {
            IncidentState::Merged { into } => Some(int(into.0)),
            IncidentState::Open
            | IncidentState::Acknowledged
            | IncidentState::Mitigated
            | IncidentState::Resolved => None,
        };
        Ok(Self {
            id: int(incident.id.0),
            state: incident.state.as_str(),
            merged_into,
            severity: incident.severity().as_str(),
            started_at: started_at(incident),
            ended_at: ended_at(incident),
            services,
            search: search.to_lowercase(),
            pinned: incident.pinned,
            is_reviewed_now,
            json: to_json(incident, "an incident")?,
        })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() + self.search.len() + self.services.len() + 256
    }
}

/// Its onset; for one that has none, the moment at which it opened.
fn started_at(incident: &Incident) -> Timestamp {
    value_of(incident, Milestone::Onset).at.unwrap_or(match incident.opening {
        Opening::Alert { at, .. } | Opening::Heartbeat { at, .. } | Opening::Split { at, .. } => at,
    })
}

/// Its resolution. A merged one has none of its own: it ended when it became part of the other.
fn ended_at(incident: &Incident) -> Option<Timestamp> {
    let merged_at = || {
        matches!(incident.state, IncidentState::Merged { .. }).then(|| {
            incident
                .last_event(|kind| matches!(kind, LifecycleKind::MergedInto(_)))
                .map_or(incident.as_of, |event| event.at)
        })
    };
    value_of(incident, Milestone::Resolution).at.or_else(merged_at)
}

/// Writes the newest state of an incident, as it is when everything up to `cursor` is worked in.
pub(super) fn upsert(
    connection: &Connection,
    row: &IncidentColumns,
    cursor: Seq,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO incidents (id, state, merged_into, severity, started_at, ended_at,
                                    services, search, pinned, cursor, json)
             VALUES (:id, :state, :merged_into, :severity, :started_at, :ended_at,
                     :services, :search, :pinned, :cursor, :json)
             ON CONFLICT (id) DO UPDATE SET
                 state = excluded.state, merged_into = excluded.merged_into,
                 severity = excluded.severity, started_at = excluded.started_at,
                 ended_at = excluded.ended_at, services = excluded.services,
                 search = excluded.search, pinned = excluded.pinned,
                 cursor = excluded.cursor, json = excluded.json",
        )
        .and_then(|mut upsert| {
            upsert.execute(named! {
                id: row.id, state: row.state, merged_into: row.merged_into,
                severity: row.severity, started_at: At(row.started_at),
                ended_at: row.ended_at.map(At), services: row.services, search: row.search,
                pinned: row.pinned, cursor: int(cursor.0), json: row.json,
            })
        })
        .trying("storing an incident")?;
    Ok(())
}

/// Incidents written with a cursor after a place: the last written `limit` of them, first written
/// first.
pub(super) fn changed_after(
    connection: &Connection,
    seq: Seq,
    limit: usize,
) -> Result<Vec<(Seq, IncidentId)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT cursor, id FROM (SELECT cursor, id FROM incidents WHERE cursor > :seq
                                     ORDER BY cursor DESC, id DESC LIMIT :limit)
             ORDER BY cursor, id",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { seq: int(seq.0), limit: int(limit as u64) }, |row| {
                    let (cursor, id): (i64, i64) = (row.get("cursor")?, row.get("id")?);
                    Ok((Seq(from_int(cursor)), IncidentId(from_int(id))))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .trying("finding what changed")
}

/// A revision's columns, made ready by the caller.
#[derive(Debug)]
pub(super) struct RevisionColumns {
    incident: i64,
    revision: i64,
    at: Timestamp,
    json: String,
}

impl RevisionColumns {
    pub(super) fn of(incident: IncidentId, revision: &Revision) -> Result<Self, StoreError> {
        Ok(Self {
            incident: int(incident.0),
            revision: int(revision.revision),
            at: revision.at,
            json: to_json(revision, "a revision")?,
        })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() + 64
    }
}

/// Writes revisions.
pub(super) fn insert_revisions(
    connection: &Connection,
    rows: &[RevisionColumns],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let what = "storing a revision";
    let mut replace = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO revisions (incident, revision, at, json)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .trying(what)?;
    for row in rows {
        replace.execute((row.incident, row.revision, At(row.at), &row.json)).trying(what)?;
    }
    Ok(())
}

/// One incident.
pub(super) fn get(connection: &Connection, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    connection
        .prepare_cached("SELECT json FROM incidents WHERE id = :id")
        .and_then(|mut select| {
            select
                .query_row(named! { id: int(id.0) }, |row| row.get::<_, String>("json"))
                .optional()
        })
        .trying("reading an incident")?
        .map(|json| from_json(&json, &format!("incident {id}")))
        .transpose()
}

/// Incidents after a number, in order.
pub(super) fn after(
    connection: &Connection,
    after: IncidentId,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let rows: Vec<(i64, String)> = connection
        .prepare_cached("SELECT id, json FROM incidents WHERE id > :after ORDER BY id LIMIT :limit")
        .and_then(|mut select| {
            let values = named! { after: int(after.0), limit: int(limit as u64) };
            select.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .trying("reading incidents")?;
    rows.iter().map(|(id, json)| from_json(json, &format!("incident {id}"))).collect()
}

/// One incident with everything it refers to. All of it is of one moment when the connection is in
/// a transaction.
pub(super) fn facts(
    connection: &Connection,
    id: IncidentId,
    reasons: Reasons,
) -> Result<Option<Facts>, StoreError> {
    let Some(incident) = get(connection, id)? else { return Ok(None) };
    let mut changes = incident
        .changes
        .iter()
        .filter_map(|id| changes::get(connection, *id).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    changes.sort_by_key(|change| (change.report.at, change.id));
    Ok(Some(Facts {
        members: episodes::members(connection, id, reasons)?,
        context: episodes::context(connection, id)?,
        changes,
        revisions: revisions(connection, id)?,
        incident,
    }))
}

/// The facts of an incident as they will be when a commit is stored. What is stored must be what
/// the engine committed before.
pub(super) fn facts_after(
    connection: &Connection,
    commit: &EngineCommit,
    incident: &Incident,
) -> Result<Facts, StoreError> {
    let id = incident.id;
    let newer: BTreeMap<_, _> = commit.episodes.iter().map(|e| (e.id, e)).collect();
    let heard: BTreeMap<_, _> = commit.heard.iter().copied().collect();
    let after = |stored: Vec<Episode>, is_listed: &dyn Fn(&Episode) -> bool| {
        let mut list: Vec<Episode> =
            stored.into_iter().filter(|episode| !newer.contains_key(&episode.id)).collect();
        list.extend(commit.episodes.iter().filter(|episode| is_listed(episode)).cloned());
        for episode in &mut list {
            if let Some(heard) = heard.get(&episode.id) {
                episode.last_word_at = episode.last_word_at.max(heard.last_word_at);
                episode.lease = episode.lease.max(heard.lease);
                episode.deliveries = episode.deliveries.max(heard.deliveries);
            }
        }
        list.sort_by_key(|episode| (episode.starts_at(), episode.id));
        list
    };
    let mut changes = Vec::with_capacity(incident.changes.len());
    for change in &incident.changes {
        match commit.changes.iter().find(|newer| newer.id == *change) {
            Some(newer) => changes.push(newer.clone()),
            None => changes.extend(changes::get(connection, *change)?),
        }
    }
    changes.sort_by_key(|change| (change.report.at, change.id));
    let mut all: BTreeMap<u64, Revision> =
        revisions(connection, id)?.into_iter().map(|r| (r.revision, r)).collect();
    let own = commit.revisions.iter().filter(|(of, _)| *of == id);
    all.extend(own.map(|(_, revision)| (revision.revision, revision.clone())));
    Ok(Facts {
        incident: incident.clone(),
        members: after(episodes::members(connection, id, Reasons::Told)?, &|e| {
            e.incident() == Some(id)
        }),
        context: after(episodes::context(connection, id)?, &|e| e.context_of.contains(&id)),
        changes,
        revisions: all.into_values().collect(),
    })
}

/// Keeps the facts of an incident whose draft has just become final, from what is stored. The
/// engine commits such a record alone or last, so that nothing later is among them.
pub(super) fn freeze(connection: &Connection, row: &IncidentColumns) -> Result<(), StoreError> {
    if !row.is_reviewed_now {
        return Ok(());
    }
    let id = IncidentId(from_int(row.id));
    let Some(facts) = facts(connection, id, Reasons::Told)? else { return Ok(()) };
    store_reviewed(connection, id, &to_json(&facts, "reviewed facts")?)
}

/// Keeps the facts of a final draft.
pub(super) fn store_reviewed(
    connection: &Connection,
    id: IncidentId,
    json: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reviewed (incident, facts) VALUES (:incident, :facts)",
        )
        .and_then(|mut insert| insert.execute(named! { incident: int(id.0), facts: json }))
        .trying("keeping the facts of a final draft")
        .map(drop)
}

/// The facts that people had reviewed when they last called the draft final.
pub(super) fn reviewed(
    connection: &Connection,
    id: IncidentId,
) -> Result<Option<Facts>, StoreError> {
    connection
        .prepare_cached("SELECT facts FROM reviewed WHERE incident = :incident")
        .and_then(|mut select| {
            select
                .query_row(named! { incident: int(id.0) }, |row| row.get::<_, String>("facts"))
                .optional()
        })
        .trying("reading the facts of a final draft")?
        .map(|json| from_json(&json, "reviewed facts"))
        .transpose()
}

fn revisions(connection: &Connection, id: IncidentId) -> Result<Vec<Revision>, StoreError> {
    let rows: Vec<String> = connection
        .prepare_cached("SELECT json FROM revisions WHERE incident = :incident ORDER BY revision")
        .and_then(|mut select| {
            select.query_map(named! { incident: int(id.0) }, |row| row.get("json"))?.collect()
        })
        .trying("reading the revisions of an incident")?;
    rows.iter().map(|json| from_json(json, "a revision")).collect()
}

/// Incidents before a place, newest first. Matchers are not looked at.
pub(super) fn list(
    connection: &Connection,
    filter: &IncidentFilter,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, Incident)>, StoreError> {
    let words =
        |words: Vec<&str>| (!words.is_empty()).then(|| to_json(&words, "a filter")).transpose();
    let states = words(filter.states.iter().map(String::as_str).collect())?;
    let severities = words(filter.severities.iter().map(|severity| severity.as_str()).collect())?;
    let service = filter.service.as_ref().map(|service| format!("\n{service}\n"));
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let rows: Vec<(i64, String)> = connection
        .prepare_cached(
            "SELECT id, json FROM incidents i
             WHERE id < :before
               AND CASE WHEN :states IS NULL THEN state <> 'merged'
                   ELSE state IN (SELECT value FROM json_each(:states)) END
               AND (:severities IS NULL
                    OR severity IN (SELECT value FROM json_each(:severities)))
               AND (:service IS NULL OR instr(services, :service) > 0)
               AND (:since IS NULL OR ended_at IS NULL OR ended_at >= :since)
               AND (:until IS NULL OR started_at <= :until)
               AND (:text IS NULL OR instr(search, :text) > 0 OR EXISTS (
                    SELECT 1 FROM episodes e
                    WHERE e.incident = i.id AND instr(e.search, :text) > 0))
             ORDER BY id DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(
                    named! {
                        before: place.id, states: states, severities: severities,
                        service: service, since: filter.since.map(At),
                        until: filter.until.map(At), text: text, limit: int(limit as u64),
                    },
                    |row| Ok((row.get("id")?, row.get("json")?)),
                )?
                .collect()
        })
        .trying("listing incidents")?;
    rows.into_iter()
        .map(|(id, json)| Ok((Place { at: 0, id }, from_json(&json, &format!("incident {id}"))?)))
        .collect()
}

/// How many incidents are in each state, by state.
pub(super) fn count_by_state(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    connection
        .prepare_cached("SELECT state, count(*) FROM incidents GROUP BY state ORDER BY state")
        .and_then(|mut select| {
            select.query_map([], |row| Ok((row.get(0)?, from_int(row.get(1)?))))?.collect()
        })
        .trying("counting incidents")
}
