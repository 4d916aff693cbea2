//! Both groupings beside each other: the incidents that differ, and the alerts that move.
//!
//! Alerts are streamed, twice; what is kept is a line for each incident and the alerts that are
//! told.

use std::collections::BTreeMap;

use super::decisions::{absence, counterpart};
use super::difference::{Change, Difference, Home, Overlap, difference};
use crate::domain::{Episode, EpisodeId, Incident, IncidentId, IncidentState, Severity, Timestamp};
use crate::store::{Grouping, StoreError};

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 256;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Alerts that came in before this are not in the ledger any more.
    pub(super) heard_since: Option<Timestamp>,
    /// Incidents that had ended before this are left out.
    pub(super) ended_since: Option<Timestamp>,
    /// How many moved alerts are told.
    pub(super) moves_max: usize,
}

/// An incident in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Brief {
    /// Its number, on its own side.
    pub id: IncidentId,
    /// Its name.
    pub title: String,
    /// Where it stands, in the word of the API.
    pub state: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How many alerts are in it.
    pub alerts: u64,
    /// The earliest start.
    pub started_at: Option<Timestamp>,
    /// The last end, once it is over.
    pub ended_at: Option<Timestamp>,
}

/// What became of some incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Regrouped {
    /// In a word.
    pub change: Change,
    /// As they are stored.
    pub stored: Vec<Brief>,
    /// As they would be.
    pub derived: Vec<Brief>,
    /// What else differs of one that goes on, in words.
    pub differs: Vec<String>,
}

/// An alert that moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// Its number in the store, or else in the other grouping.
    pub id: EpisodeId,
    /// The alert's name.
    pub alertname: String,
    /// Its service.
    pub service: Option<String>,
    /// Its fingerprint.
    pub fingerprint: String,
    /// When it began.
    pub starts_at: Timestamp,
    /// Where it is, and why.
    pub stored: Option<Placement>,
    /// Where it would be, and why.
    pub derived: Option<Placement>,
}

/// Where an alert is, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The incident, on its own side.
    pub incident: Option<IncidentId>,
    /// The reason.
    pub reason: String,
}

/// Lays two groupings beside each other.
pub(super) fn compare(
    stored: Grouping<'_>,
    derived: Grouping<'_>,
    scope: Scope,
) -> Result<(Vec<Regrouped>, Vec<Moved>, u64), StoreError> {
    let (mut ours, mut theirs) = (briefs(stored)?, briefs(derived)?);
    let mut overlap = Overlap::new();
    let mut count = |was: Home, now: Home| *overlap.entry((was, now)).or_default() += 1;
    for_each_alert(stored, derived, scope, &mut |here, there| {
        count(here.and_then(Episode::incident), there.and_then(Episode::incident));
    })?;
    for (absence, id) in &ours.absences {
        count(Some(*id), theirs.absences.get(absence).copied());
    }
    for id in theirs.absences.iter().filter(|(x, _)| !ours.absences.contains_key(x)).map(|x| x.1) {
        count(None, Some(*id));
    }
    let difference = difference(&overlap);
    let is_in_scope = |brief: &Brief| {
        scope.ended_since.is_none_or(|since| brief.ended_at.is_none_or(|end| end >= since))
    };
    let mut groups = Vec::new();
    for group in &difference.groups {
        let pick = |side: &mut Side, ids: &[IncidentId]| -> Vec<Brief> {
            ids.iter().filter_map(|id| side.briefs.remove(id)).collect()
        };
        let stored = pick(&mut ours, &group.stored);
        let mut derived = pick(&mut theirs, &group.derived);
        for brief in &mut derived {
            // It goes by the name that people gave it.
            let former = difference.goes_on_from(brief.id);
            if let Some(former) = stored.iter().find(|other| Some(other.id) == former) {
                brief.title.clone_from(&former.title);
            }
        }
        if stored.iter().chain(&derived).any(is_in_scope) {
            groups.push(regrouped(group.change, stored, derived));
        }
    }
    groups.sort_by_key(|group| group.change);
    let told: Told = groups
        .iter()
        .flat_map(|g| {
            g.stored.iter().map(|b| (true, b.id)).chain(g.derived.iter().map(|b| (false, b.id)))
        })
        .collect();
    let (moves, total) = moves(stored, derived, scope, &difference, &told)?;
    Ok((groups, moves, total))
}

/// The incidents that are told of: of the store (true) and of the other grouping.
type Told = std::collections::BTreeSet<(bool, IncidentId)>;

/// What one side holds of incidents.
struct Side {
    briefs: BTreeMap<IncidentId, Brief>,
    /// Incidents of absent heartbeats, which hold no alert.
    absences: BTreeMap<(String, Timestamp), IncidentId>,
}

fn briefs(grouping: Grouping<'_>) -> Result<Side, StoreError> {
    let mut side = Side { briefs: BTreeMap::new(), absences: BTreeMap::new() };
    let mut at = IncidentId(0);
    loop {
        let incidents = grouping.incidents_after(at, ROWS_AT_ONCE)?;
        let Some(last) = incidents.last() else { return Ok(side) };
        at = last.id;
        for incident in &incidents {
            // What was merged is part of the survivor.
            if matches!(incident.state, IncidentState::Merged { .. }) {
                continue;
            }
            if let Some(absence) = absence(incident) {
                side.absences.insert(absence, incident.id);
            }
            side.briefs.insert(incident.id, brief(incident));
        }
    }
}

fn brief(incident: &Incident) -> Brief {
    let is_over = !incident.state.is_running();
    Brief {
        id: incident.id,
        title: incident.display_title().to_owned(),
        state: incident.state.as_str(),
        severity: incident.severity(),
        alerts: incident.tally.total,
        started_at: incident.tally.first.map(|first| first.at),
        ended_at: incident.tally.last_end.map(|end| end.at).filter(|_| is_over),
    }
}

/// What is the same set of alerts may still be told otherwise.
fn regrouped(change: Change, stored: Vec<Brief>, derived: Vec<Brief>) -> Regrouped {
    let mut differs = Vec::new();
    if let ([was], [now]) = (stored.as_slice(), derived.as_slice()) {
        let mut tell = |what: &str, was: String, now: String| {
            if was != now {
                differs.push(format!("{what} {was} becomes {now}"));
            }
        };
        let time = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| at.to_string());
        tell("state", was.state.to_owned(), now.state.to_owned());
        tell("severity", was.severity.to_string(), now.severity.to_string());
        tell("start", time(was.started_at), time(now.started_at));
        tell("end", time(was.ended_at), time(now.ended_at));
    }
    let change = match change {
        Change::Same if !differs.is_empty() => Change::Changed,
        change => change,
    };
    Regrouped { change, stored, derived, differs }
}

fn moves(
    stored: Grouping<'_>,
    derived: Grouping<'_>,
    scope: Scope,
    difference: &Difference,
    told: &Told,
) -> Result<(Vec<Moved>, u64), StoreError> {
    let mut moves = Vec::new();
    let mut total = 0;
    for_each_alert(stored, derived, scope, &mut |here, there| {
        let home = |episode: Option<&Episode>| episode.and_then(Episode::incident);
        let (was, now) = (home(here), home(there));
        let is_told = [(true, was), (false, now)]
            .into_iter()
            .any(|(side, home)| home.is_some_and(|id| told.contains(&(side, id))));
        if !difference.is_move(was, now) || !is_told {
            return;
        }
        total += 1;
        if moves.len() < scope.moves_max {
            moves.extend(here.or(there).map(|episode| moved(episode, here, there)));
        }
    })?;
    moves.sort_by_key(|moved: &Moved| (moved.starts_at, moved.id));
    Ok((moves, total))
}

fn moved(episode: &Episode, here: Option<&Episode>, there: Option<&Episode>) -> Moved {
    let placement = |episode: &Episode| Placement {
        incident: episode.incident(),
        reason: episode.reason.to_string(),
    };
    Moved {
        id: episode.id,
        alertname: episode.alertname().to_owned(),
        service: episode.service.as_ref().map(ToString::to_string),
        fingerprint: episode.key.fingerprint.to_string(),
        starts_at: episode.starts_at(),
        stored: here.map(placement),
        derived: there.map(placement),
    }
}

/// Every alert of either side with its like on the other: first those of the store, then those
/// that only the other grouping knows.
fn for_each_alert(
    stored: Grouping<'_>,
    derived: Grouping<'_>,
    scope: Scope,
    then: &mut dyn FnMut(Option<&Episode>, Option<&Episode>),
) -> Result<(), StoreError> {
    let mut at = EpisodeId(0);
    loop {
        let episodes = stored.episodes_after(at, ROWS_AT_ONCE)?;
        let Some(last) = episodes.last() else { break };
        at = last.id;
        for episode in &episodes {
            let is_in_ledger = scope.heard_since.is_none_or(|since| episode.received_at >= since);
            if is_in_ledger {
                then(Some(episode), counterpart(derived, episode)?.as_ref());
            }
        }
    }
    at = EpisodeId(0);
    loop {
        let episodes = derived.episodes_after(at, ROWS_AT_ONCE)?;
        let Some(last) = episodes.last() else { return Ok(()) };
        at = last.id;
        for episode in &episodes {
            if counterpart(stored, episode)?.is_none() {
                then(None, Some(episode));
            }
        }
    }
}
