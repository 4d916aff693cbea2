//! Episodes as the machine left them.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Deserialize;

use super::StoreError;
use super::error::Trying;
use super::paging::Place;
use super::rows::{At, from_int, from_json, int, named, to_json};
use super::types::EpisodeFilter;
use crate::domain::{
    AlertKey, Episode, EpisodeId, Explanation, IncidentId, Labels, Matcher, Timestamp,
};

/// An episode's columns, made ready by the caller.
#[derive(Debug)]
pub(super) struct EpisodeColumns {
    id: i64,
    key: AlertKey,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    status: &'static str,
    incident: Option<i64>,
    is_active: bool,
    service: Option<String>,
    search: String,
    json: String,
    context_of: Vec<i64>,
}

impl EpisodeColumns {
    pub(super) fn of(episode: &Episode) -> Result<Self, StoreError> {
        Ok(Self {
            id: int(episode.id.0),
            key: episode.key.clone(),
            starts_at: episode.starts_at(),
            ends_at: episode.ends_at(),
            status: episode.status().as_str(),
            incident: episode.incident().map(|id| int(id.0)),
            is_active: episode.is_firing(),
            service: episode.service.as_ref().map(ToString::to_string),
            search: episode.alertname().to_lowercase(),
            json: to_json(episode, "an episode")?,
            context_of: episode.context_of.iter().map(|id| int(id.0)).collect(),
        })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() + 256
    }
}

/// Writes the newest state of an episode.
pub(super) fn upsert(connection: &Connection, row: &EpisodeColumns) -> Result<(), StoreError> {
    let what = "storing an episode";
    connection
        .prepare_cached(
            "INSERT INTO episodes (id, namespace, fingerprint, variant, starts_at, ends_at, status,
                                   incident, active, service, search, json)
             VALUES (:id, :namespace, :fingerprint, :variant, :starts_at, :ends_at, :status,
                     :incident, :active, :service, :search, :json)
             ON CONFLICT (id) DO UPDATE SET
                 namespace = excluded.namespace, fingerprint = excluded.fingerprint,
                 variant = excluded.variant, starts_at = excluded.starts_at,
                 ends_at = excluded.ends_at, status = excluded.status,
                 incident = excluded.incident, active = excluded.active,
                 service = excluded.service, search = excluded.search, json = excluded.json",
        )
        .and_then(|mut upsert| {
            upsert.execute(named! {
                id: row.id, namespace: row.key.namespace.as_str(),
                fingerprint: row.key.fingerprint.as_str(),
                variant: row.key.variant.map(u64::cast_signed),
                starts_at: At(row.starts_at), ends_at: row.ends_at.map(At), status: row.status,
                incident: row.incident, active: row.is_active, service: row.service,
                search: row.search, json: row.json,
            })
        })
        .trying(what)?;
    connection
        .prepare_cached("DELETE FROM context WHERE episode = :id")
        .and_then(|mut delete| delete.execute(named! { id: row.id }))
        .trying(what)?;
    for incident in &row.context_of {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO context (incident, episode) VALUES (:incident, :id)",
            )
            .and_then(|mut insert| insert.execute(named! { incident: incident, id: row.id }))
            .trying(what)?;
    }
    Ok(())
}

/// One episode.
pub(super) fn get(connection: &Connection, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
    connection
        .prepare_cached("SELECT json FROM episodes WHERE id = :id")
        .and_then(|mut select| select.query_row(named! { id: int(id.0) }, json_column).optional())
        .trying("reading an episode")?
        .map(|json| from_json(&json, &format!("episode {id}")))
        .transpose()
}

/// Keeps how an episode was weighed, or that nothing was.
pub(super) fn explain(
    connection: &Connection,
    id: EpisodeId,
    json: Option<&str>,
) -> Result<(), StoreError> {
    let what = "storing an explanation";
    match json {
        Some(json) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO explanations (episode, json) VALUES (:id, :json)",
            )
            .and_then(|mut insert| insert.execute(named! { id: int(id.0), json: json })),
        None => connection
            .prepare_cached("DELETE FROM explanations WHERE episode = :id")
            .and_then(|mut delete| delete.execute(named! { id: int(id.0) })),
    }
    .trying(what)
    .map(drop)
}

/// How an episode was weighed; empty where nothing was.
pub(super) fn explanation(
    connection: &Connection,
    id: EpisodeId,
) -> Result<Explanation, StoreError> {
    connection
        .prepare_cached("SELECT json FROM explanations WHERE episode = :id")
        .and_then(|mut select| select.query_row(named! { id: int(id.0) }, json_column).optional())
        .trying("reading an explanation")?
        .map_or_else(
            || Ok(Explanation::default()),
            |json| from_json(&json, &format!("the explanation of episode {id}")),
        )
}

/// Episodes after a place, by id.
pub(super) fn after(
    connection: &Connection,
    after: EpisodeId,
    limit: usize,
) -> Result<Vec<Episode>, StoreError> {
    let ids: Vec<i64> = connection
        .prepare_cached("SELECT id FROM episodes WHERE id > :after ORDER BY id LIMIT :limit")
        .and_then(|mut select| {
            select
                .query_map(named! { after: int(after.0), limit: int(limit as u64) }, |row| {
                    row.get(0)
                })?
                .collect()
        })
        .trying("reading episodes")?;
    let mut episodes = Vec::with_capacity(ids.len());
    for id in ids {
        episodes.extend(get(connection, EpisodeId(from_int(id)))?);
    }
    Ok(episodes)
}

/// Members of an incident, by start and id.
pub(super) fn members(connection: &Connection, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
    connection
        .prepare_cached(
            "SELECT json FROM episodes WHERE incident = :incident ORDER BY starts_at, id",
        )
        .and_then(|mut select| {
            select.query_map(named! { incident: int(id.0) }, json_column)?.collect()
        })
        .trying("reading the members of an incident")
        .and_then(episodes_from)
}

/// Episodes listed beside an incident, by start and id.
pub(super) fn context(connection: &Connection, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
    connection
        .prepare_cached(
            "SELECT e.json AS json FROM context c JOIN episodes e ON e.id = c.episode
             WHERE c.incident = :incident ORDER BY e.starts_at, e.id",
        )
        .and_then(|mut select| {
            select.query_map(named! { incident: int(id.0) }, json_column)?.collect()
        })
        .trying("reading the context of an incident")
        .and_then(episodes_from)
}

/// The newest episodes of an alert, newest start first.
pub(super) fn of_alert(
    connection: &Connection,
    key: &AlertKey,
    limit: usize,
) -> Result<Vec<Episode>, StoreError> {
    connection
        .prepare_cached(
            "SELECT json FROM episodes
             WHERE fingerprint = :fingerprint AND namespace = :namespace AND variant IS :variant
             ORDER BY starts_at DESC, id DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(
                    named! {
                        fingerprint: key.fingerprint.as_str(), namespace: key.namespace.as_str(),
                        variant: key.variant.map(u64::cast_signed), limit: int(limit as u64),
                    },
                    json_column,
                )?
                .collect()
        })
        .trying("reading the episodes of an alert")
        .and_then(episodes_from)
}

/// Episodes before a place, newest first. Matchers are not looked at.
pub(super) fn list(
    connection: &Connection,
    filter: &EpisodeFilter,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, Episode)>, StoreError> {
    // Only what is asked for stands in the statement, so that the index for it can be used.
    let mut sql = "SELECT id, json FROM episodes WHERE id < :before".to_owned();
    let incident = filter.incident.map(|id| int(id.0));
    let limit = int(limit as u64);
    let mut values: Vec<(&str, &dyn rusqlite::ToSql)> =
        vec![(":before", &place.id), (":limit", &limit)];
    if incident.is_some() {
        sql.push_str(" AND incident = :incident");
        values.push((":incident", &incident));
    }
    if filter.fingerprint.is_some() {
        sql.push_str(" AND fingerprint = :fingerprint");
        values.push((":fingerprint", &filter.fingerprint));
    }
    if filter.floating {
        sql.push_str(" AND incident IS NULL");
    }
    if filter.active {
        sql.push_str(" AND active = 1");
    }
    sql.push_str(" ORDER BY id DESC LIMIT :limit");
    let rows: Vec<(i64, String)> = connection
        .prepare_cached(&sql)
        .and_then(|mut select| {
            select.query_map(&values[..], |row| Ok((row.get("id")?, row.get("json")?)))?.collect()
        })
        .trying("listing episodes")?;
    rows.into_iter()
        .map(|(id, json)| Ok((Place { at: 0, id }, from_json(&json, &format!("episode e{id}"))?)))
        .collect()
}

/// True when one member of an incident satisfies all matchers.
pub(super) fn any_member_matches(
    connection: &Connection,
    id: IncidentId,
    matchers: &[Matcher],
) -> Result<bool, StoreError> {
    /// Only the labels are read: members can be many, and the rest is large.
    #[derive(Deserialize)]
    struct Labelled {
        labels: Labels,
    }
    let what = "reading the labels of an incident's members";
    let mut select = connection
        .prepare_cached("SELECT json FROM episodes WHERE incident = :incident ORDER BY id")
        .trying(what)?;
    let mut rows = select.query(named! { incident: int(id.0) }).trying(what)?;
    while let Some(row) = rows.next().trying(what)? {
        let member: Labelled = from_json(&json_column(row).trying(what)?, "an episode")?;
        if matchers.iter().all(|matcher| matcher.matches(&member.labels)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many firing episodes are in no incident.
pub(super) fn count_floating(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row(
            "SELECT count(*) FROM episodes WHERE active = 1 AND incident IS NULL",
            [],
            |row| row.get(0).map(super::rows::from_int),
        )
        .trying("counting floating alerts")
}

fn json_column(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get("json")
}

fn episodes_from(rows: Vec<String>) -> Result<Vec<Episode>, StoreError> {
    rows.iter().map(|json| from_json(json, "an episode")).collect()
}
