//! Episodes as the machine left them.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::StoreError;
use super::error::Trying;
use super::numbers::unpack;
use super::paging::Place;
use super::rows::{At, count, from_int, int, moment, moment_if_any, named};
use super::texts::{Shelf, Texts};
use super::types::EpisodeFilter;
use crate::domain::packed::{Heard, Packer, fingerprint_number};
use crate::domain::{AlertKey, Episode, EpisodeId, Explanation, IncidentId, Matcher, Timestamp};

/// What is read of an episode; see [`episode_of`]. The columns that repeats change stand in two places.
pub(super) const COLUMNS: &str = "e.id AS id, e.packed AS packed,
    max(e.last_word_at, coalesce(h.last_word_at, e.last_word_at)) AS last_word_at,
    coalesce(max(e.lease, h.lease), e.lease, h.lease) AS lease,
    max(e.deliveries, coalesce(h.deliveries, 0)) AS deliveries";

/// An episode's columns, made ready by the caller.
#[derive(Debug)]
pub(super) struct EpisodeColumns {
    id: i64,
    fingerprint: i64,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    incident: Option<i64>,
    is_active: bool,
    search: String,
    heard: Heard,
    packed: Vec<u8>,
    context_of: Vec<i64>,
}

impl EpisodeColumns {
    pub(super) fn of(episode: &Episode, shelf: &mut Shelf) -> Self {
        shelf.saw(episode.id);
        let mut number = |text: &str| shelf.number(text);
        let mut packer = Packer::new(&mut number);
        packer.episode(episode);
        Self {
            id: int(episode.id.0),
            fingerprint: number_of(episode.key.fingerprint.as_str()),
            starts_at: episode.starts_at(),
            ends_at: episode.ends_at(),
            incident: episode.incident().map(|id| int(id.0)),
            is_active: episode.is_firing(),
            search: episode.alertname().to_lowercase(),
            heard: Heard::of(episode),
            packed: packer.finish(),
            context_of: episode.context_of.iter().map(|id| int(id.0)).collect(),
        }
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.packed.len() + 256
    }
}

fn number_of(fingerprint: &str) -> i64 {
    fingerprint_number(fingerprint).cast_signed()
}

/// Writes the newest state of episodes.
pub(super) fn upsert(connection: &Connection, rows: &[EpisodeColumns]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let what = "storing an episode";
    // Prepared once, and without names: a storm writes thousands.
    let mut upsert = connection
        .prepare_cached(
            "INSERT INTO episodes (id, fingerprint, starts_at, ends_at, incident, active, search,
                                   last_word_at, lease, deliveries, packed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                 starts_at = excluded.starts_at, ends_at = excluded.ends_at,
                 incident = excluded.incident, active = excluded.active,
                 search = excluded.search, last_word_at = excluded.last_word_at,
                 lease = excluded.lease, deliveries = excluded.deliveries,
                 packed = excluded.packed",
        )
        .trying(what)?;
    let mut forget =
        connection.prepare_cached("DELETE FROM context WHERE episode = ?1").trying(what)?;
    let mut note = connection
        .prepare_cached("INSERT OR IGNORE INTO context (incident, episode) VALUES (?1, ?2)")
        .trying(what)?;
    for row in rows {
        upsert
            .execute((
                row.id,
                row.fingerprint,
                At(row.starts_at),
                row.ends_at.map(At),
                row.incident,
                row.is_active,
                &row.search,
                At(row.heard.last_word_at),
                row.heard.lease.map(At),
                int(row.heard.deliveries),
                &row.packed,
            ))
            .trying(what)?;
        forget.execute((row.id,)).trying(what)?;
        for incident in &row.context_of {
            note.execute((incident, row.id)).trying(what)?;
        }
    }
    Ok(())
}

/// Writes what repeats change.
pub(super) fn hear(
    connection: &Connection,
    repeats: &[(EpisodeId, Heard)],
) -> Result<(), StoreError> {
    if repeats.is_empty() {
        return Ok(());
    }
    let what = "storing a repeat";
    let mut replace = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO heard (episode, last_word_at, lease, deliveries)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .trying(what)?;
    for (id, heard) in repeats {
        let Heard { last_word_at, lease, deliveries } = heard;
        replace
            .execute((int(id.0), At(*last_word_at), lease.map(At), int(*deliveries)))
            .trying(what)?;
    }
    Ok(())
}

/// Whether episodes are read with the sentences that say why each is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reasons {
    Told,
    /// Left empty, for those who print none: composing them is half of reading.
    LeftOut,
}

/// Makes an episode of a row with the columns of [`COLUMNS`], by their places and not their names:
/// a long incident has ten thousand rows.
fn episode_of(
    row: &Row<'_>,
    texts: &mut Texts<'_>,
    reasons: Reasons,
) -> rusqlite::Result<Result<Episode, StoreError>> {
    let heard = Heard {
        last_word_at: Timestamp::from_nanos(row.get(2)?),
        lease: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_nanos),
        deliveries: from_int(row.get(4)?),
    };
    let id = EpisodeId(from_int(row.get(0)?));
    Ok(unpack_episode(id, heard, row.get_ref(1)?.as_blob()?, texts, reasons))
}

fn unpack_episode(
    id: EpisodeId,
    heard: Heard,
    packed: &[u8],
    texts: &mut Texts<'_>,
    reasons: Reasons,
) -> Result<Episode, StoreError> {
    unpack(
        packed,
        &mut |number| texts.text(number),
        || format!("reading episode {id} back"),
        |from| match reasons {
            Reasons::Told => from.episode(id, heard),
            Reasons::LeftOut => from.episode_without_reason(id, heard),
        },
    )
}

fn by_start(mut episodes: Vec<Episode>) -> Vec<Episode> {
    // They come by id, which is nearly the order wanted: cheaper here than in the database, which
    // would carry the whole rows about.
    if !episodes.is_sorted_by_key(|episode| (episode.starts_at(), episode.id)) {
        episodes.sort_by_key(|episode| (episode.starts_at(), episode.id));
    }
    episodes
}

/// Reads episodes; `rest` is the statement behind `FROM episodes e LEFT JOIN heard h …`.
fn read(
    connection: &Connection,
    rest: &str,
    values: impl Params,
    what: &str,
    reasons: Reasons,
) -> Result<Vec<Episode>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM episodes e LEFT JOIN heard h ON h.episode = e.id {rest}");
    let mut select = connection.prepare_cached(&sql).trying(what)?;
    let mut rows = select.query(values).trying(what)?;
    let mut texts = Texts::new(connection);
    let mut episodes = Vec::new();
    while let Some(row) = rows.next().trying(what)? {
        episodes.push(episode_of(row, &mut texts, reasons).trying(what)??);
    }
    Ok(episodes)
}

/// The newest firing alerts with their starts, newest first.
pub(super) fn firing(
    connection: &Connection,
    limit: u64,
) -> Result<Vec<(AlertKey, Timestamp)>, StoreError> {
    let what = "reading what fires";
    let rows: Vec<(Vec<u8>, i64)> = connection
        .prepare(
            "SELECT packed, starts_at FROM episodes WHERE active = 1 ORDER BY id DESC LIMIT :limit",
        )
        .and_then(|mut select| {
            select
                .query_map(named! { limit: int(limit) }, |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .trying(what)?;
    let mut texts = Texts::new(connection);
    rows.iter()
        .map(|(packed, starts_at)| {
            let mut find = |number| texts.text(number);
            let (_, key) =
                unpack(packed, &mut find, || what.to_owned(), |from| from.episode_key())?;
            Ok((key, Timestamp::from_nanos(*starts_at)))
        })
        .collect()
}

/// An episode of a row with the columns `packed`, `last_word_at` and `deliveries`, as JSON.
pub(super) fn as_json(
    row: &Row<'_>,
    texts: &mut Texts<'_>,
) -> rusqlite::Result<Result<String, StoreError>> {
    let heard = Heard {
        last_word_at: moment(row, "last_word_at")?,
        lease: moment_if_any(row, "lease")?,
        deliveries: count(row, "deliveries")?,
    };
    let packed = row.get_ref("packed")?.as_blob()?;
    let id = EpisodeId(count(row, "id")?);
    let episode = unpack_episode(id, heard, packed, texts, Reasons::Told);
    Ok(episode.and_then(|episode| super::rows::to_json(&episode, "an episode")))
}

/// One episode.
pub(super) fn get(connection: &Connection, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
    let found = read(
        connection,
        "WHERE e.id = :id",
        named! { id: int(id.0) },
        "reading an episode",
        Reasons::Told,
    )?;
    Ok(found.into_iter().next())
}

/// An explanation as it is stored; none where nothing was weighed.
pub(super) fn packed(explanation: &Explanation, shelf: &mut Shelf) -> Option<Vec<u8>> {
    if explanation.is_empty() {
        return None;
    }
    let mut number = |text: &str| shelf.number(text);
    let mut packer = Packer::new(&mut number);
    packer.explanation(explanation);
    Some(packer.finish())
}

fn unpacked(id: i64, packed: &[u8], texts: &mut Texts<'_>) -> Result<Explanation, StoreError> {
    unpack(
        packed,
        &mut |number| texts.text(number),
        || format!("reading the explanation of episode {id} back"),
        |from| from.explanation(),
    )
}

/// Keeps how episodes were weighed, or that nothing was.
pub(super) fn explain(
    connection: &Connection,
    explanations: &[(EpisodeId, Option<Vec<u8>>)],
) -> Result<(), StoreError> {
    if explanations.is_empty() {
        return Ok(());
    }
    let what = "storing an explanation";
    let mut replace = connection
        .prepare_cached("INSERT OR REPLACE INTO explanations (episode, packed) VALUES (?1, ?2)")
        .trying(what)?;
    let mut forget =
        connection.prepare_cached("DELETE FROM explanations WHERE episode = ?1").trying(what)?;
    for (id, packed) in explanations {
        match packed {
            Some(packed) => replace.execute((int(id.0), packed)),
            None => forget.execute((int(id.0),)),
        }
        .trying(what)?;
    }
    Ok(())
}

/// How an episode was weighed; empty where nothing was.
pub(super) fn explanation(
    connection: &Connection,
    id: EpisodeId,
) -> Result<Explanation, StoreError> {
    connection
        .prepare_cached("SELECT packed FROM explanations WHERE episode = :id")
        .and_then(|mut select| {
            select.query_row(named! { id: int(id.0) }, |row| row.get::<_, Vec<u8>>(0)).optional()
        })
        .trying("reading an explanation")?
        .map_or_else(
            || Ok(Explanation::default()),
            |packed| unpacked(int(id.0), &packed, &mut Texts::new(connection)),
        )
}

/// An explanation of a row with the columns `episode` and `packed`, as JSON.
pub(super) fn explanation_as_json(
    row: &Row<'_>,
    texts: &mut Texts<'_>,
) -> rusqlite::Result<Result<String, StoreError>> {
    let (id, packed): (i64, Vec<u8>) = (row.get("episode")?, row.get("packed")?);
    Ok(unpacked(id, &packed, texts)
        .and_then(|explanation| super::rows::to_json(&explanation, "an explanation")))
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
pub(super) fn members(
    connection: &Connection,
    id: IncidentId,
    reasons: Reasons,
) -> Result<Vec<Episode>, StoreError> {
    let what = "reading the members of an incident";
    let members = read(
        connection,
        "WHERE e.incident = :incident",
        named! { incident: int(id.0) },
        what,
        reasons,
    )?;
    Ok(by_start(members))
}

/// Episodes listed beside an incident, by start and id.
pub(super) fn context(connection: &Connection, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
    read(
        connection,
        "WHERE e.id IN (SELECT episode FROM context WHERE incident = :incident)
         ORDER BY e.starts_at, e.id",
        named! { incident: int(id.0) },
        "reading the context of an incident",
        Reasons::Told,
    )
}

/// The newest episodes of an alert, newest start first.
pub(super) fn of_alert(
    connection: &Connection,
    key: &AlertKey,
    limit: usize,
) -> Result<Vec<Episode>, StoreError> {
    let mut found = Vec::new();
    for id in with_fingerprint(connection, key.fingerprint.as_str(), i64::MAX)? {
        found.extend(get(connection, EpisodeId(from_int(id)))?.filter(|e| e.key == *key));
    }
    found.sort_by_key(|episode| std::cmp::Reverse((episode.starts_at(), episode.id)));
    found.truncate(limit);
    Ok(found)
}

/// Episodes before a place whose fingerprint has the same number, newest first: one search in each
/// bucket of the index.
fn with_fingerprint(
    connection: &Connection,
    fingerprint: &str,
    before: i64,
) -> Result<Vec<i64>, StoreError> {
    let what = "reading the episodes of an alert";
    let ends: (Option<i64>, Option<i64>) = connection
        .prepare_cached("SELECT (SELECT min(id) FROM episodes), (SELECT max(id) FROM episodes)")
        .and_then(|mut select| select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
        .trying(what)?;
    let (Some(oldest), Some(newest)) = ends else { return Ok(Vec::new()) };
    let mut select = connection
        .prepare_cached(
            "SELECT id FROM episodes
             WHERE id >> 12 = :bucket AND fingerprint = :fingerprint AND id < :before
             ORDER BY id DESC",
        )
        .trying(what)?;
    let number = number_of(fingerprint);
    let mut ids: Vec<i64> = Vec::new();
    for bucket in ((oldest >> 12)..=(newest.min(before) >> 12)).rev() {
        let values = named! { bucket: bucket, fingerprint: number, before: before };
        let found: Vec<i64> =
            select.query_map(values, |row| row.get(0)).and_then(Iterator::collect).trying(what)?;
        ids.extend(found);
    }
    Ok(ids)
}

/// Episodes before a place, newest first. Matchers are not looked at.
pub(super) fn list(
    connection: &Connection,
    filter: &EpisodeFilter,
    place: Place,
    limit: usize,
) -> Result<Vec<(Place, Episode)>, StoreError> {
    let what = "listing episodes";
    if let Some(fingerprint) = &filter.fingerprint {
        return with_place(list_of_fingerprint(connection, filter, fingerprint, place, limit)?);
    }
    // Only what is asked for stands in the statement, so that the index for it can be used.
    let mut sql = "WHERE e.id < :before".to_owned();
    let incident = filter.incident.map(|id| int(id.0));
    let limit = int(limit as u64);
    let mut values: Vec<(&str, &dyn rusqlite::ToSql)> =
        vec![(":before", &place.id), (":limit", &limit)];
    if incident.is_some() {
        sql.push_str(" AND e.incident = :incident");
        values.push((":incident", &incident));
    }
    if filter.floating {
        sql.push_str(" AND e.incident IS NULL");
    }
    if filter.active {
        sql.push_str(" AND e.active = 1");
    }
    sql.push_str(" ORDER BY e.id DESC LIMIT :limit");
    with_place(read(connection, &sql, &values[..], what, Reasons::Told)?)
}

fn with_place(episodes: Vec<Episode>) -> Result<Vec<(Place, Episode)>, StoreError> {
    Ok(episodes.into_iter().map(|e| (Place { at: 0, id: int(e.id.0) }, e)).collect())
}

/// As [`list`], of those with one fingerprint, which are few.
fn list_of_fingerprint(
    connection: &Connection,
    filter: &EpisodeFilter,
    fingerprint: &str,
    place: Place,
    limit: usize,
) -> Result<Vec<Episode>, StoreError> {
    let mut found = Vec::new();
    for id in with_fingerprint(connection, fingerprint, place.id)? {
        let is_wanted = |episode: &Episode| {
            episode.key.fingerprint.as_str() == fingerprint
                && filter.incident.is_none_or(|id| episode.incident() == Some(id))
                && (!filter.floating || episode.incident().is_none())
                && (!filter.active || episode.is_firing())
        };
        found.extend(get(connection, EpisodeId(from_int(id)))?.filter(is_wanted));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// True when one member of an incident satisfies all matchers.
pub(super) fn any_member_matches(
    connection: &Connection,
    id: IncidentId,
    matchers: &[Matcher],
) -> Result<bool, StoreError> {
    let members = members(connection, id, Reasons::LeftOut)?;
    Ok(members.iter().any(|e| matchers.iter().all(|matcher| matcher.matches(&e.labels))))
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
