//! What people decided about incidents, said again where the incidents are others.
//!
//! A decision names incidents of the stored history. What it means for alerts is looked up there:
//! which alerts the incident held at that moment. Then the decision is made anew about wherever
//! those alerts lie. What was refused then is left out, and so are texts, which group nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Replay, of};
use crate::domain::incident::{LifecycleEvent, LifecycleKind, Opening};
use crate::domain::record::{Operation, OperationAction};
use crate::domain::{
    Episode, EpisodeId, Incident, IncidentId, IncidentState, Membership, Record, RecordBody,
    Timestamp,
};
use crate::engine::EngineError;
use crate::store::{Grouping, StoreError};

/// Episodes of one alert that are looked through for the same firing.
const FIRINGS_MAX: usize = 64;

/// An incident of the stored history, and the place of an event in its life.
type EventKey = (IncidentId, usize);

/// The decisions that were made anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Decisions {
    /// Those that hold.
    pub(super) held: u64,
    /// Those about alerts that are not there.
    pub(super) without_place: u64,
    /// What of the stored history they are.
    past: BTreeSet<EventKey>,
}

/// Where some alerts lie under the other configuration.
#[derive(Debug, Default)]
struct Whereabouts {
    known: Vec<EpisodeId>,
    /// The incidents that hold any of them, with how many.
    homes: BTreeMap<IncidentId, usize>,
    /// Those in no incident.
    floating: Vec<EpisodeId>,
}

impl Whereabouts {
    /// The incident that holds the most of them; of equal ones the oldest.
    fn most(&self) -> Option<IncidentId> {
        self.homes.iter().max_by(|x, y| x.1.cmp(y.1).then(y.0.cmp(x.0))).map(|(id, _)| *id)
    }
}

impl Replay<'_> {
    /// Makes a decision anew.
    pub(super) fn hold(
        &mut self,
        record: &Record,
        operation: &Operation,
    ) -> Result<(), EngineError> {
        use OperationAction as Do;
        let Some(asked) = operation.action.incident() else { return self.handle(record) };
        // What is looked up below must be there.
        self.commit(record.seq)?;
        let Some(time) = record.time else { return Ok(()) };
        let events = self.events_of(asked, &operation.action, time)?;
        let has_place = match &operation.action {
            Do::Acknowledge(_) | Do::Mitigate(_) | Do::Resolve(_) | Do::Reopen(_) => {
                self.hold_state(record, operation, asked)?
            }
            // It was refused.
            Do::Split(..) | Do::Move(..) | Do::Merge { .. } if events.is_empty() => {
                return self.pass_time(record);
            }
            Do::Split(_, episodes) => self.hold_split(record, episodes)?,
            Do::Move(_, episodes) => self.hold_move(record, asked, episodes)?,
            Do::Merge { into, .. } => self.hold_merge(record, asked, *into)?,
            Do::Patch(..)
            | Do::AddNote(..)
            | Do::CorrectNote(..)
            | Do::WithdrawNote(..)
            | Do::AddAction(..)
            | Do::PatchAction(..)
            | Do::ReportChange(_)
            | Do::Redact(..)
            | Do::RedactPerson(_)
            | Do::RedactChange(_) => return self.pass_time(record),
        };
        self.decisions.past.extend(events);
        if has_place {
            self.decisions.held += 1;
        } else {
            self.decisions.without_place += 1;
        }
        self.commit(record.seq)
    }

    /// Acknowledged, mitigated, resolved, reopened: every incident that is mostly made of the
    /// alerts that were meant. One that is already so refuses it, which changes nothing.
    fn hold_state(
        &mut self,
        record: &Record,
        operation: &Operation,
        asked: IncidentId,
    ) -> Result<bool, EngineError> {
        let parts = self.parts(asked)?;
        for part in &parts {
            let action = match &operation.action {
                OperationAction::Acknowledge(_) => OperationAction::Acknowledge(*part),
                OperationAction::Mitigate(_) => OperationAction::Mitigate(*part),
                OperationAction::Reopen(_) => OperationAction::Reopen(*part),
                _ => OperationAction::Resolve(*part),
            };
            self.handle(&doing(record, operation, action))?;
        }
        if parts.is_empty() {
            self.pass_time(record)?;
        }
        Ok(!parts.is_empty())
    }

    /// These alerts are a story of their own.
    fn hold_split(&mut self, record: &Record, episodes: &[EpisodeId]) -> Result<bool, EngineError> {
        let split = self.whereabouts(&self.stored(episodes)?)?;
        let home = split.most();
        if let (Some(home), 1, true) = (home, split.homes.len(), split.floating.is_empty()) {
            let members = self.rebuilt.grouping().members(home)?;
            if members.iter().all(|member| split.known.contains(&member.id)) {
                // They are among themselves already, and shall stay there.
                self.gather(record, Some(home), &split.known)?;
            } else {
                let action = OperationAction::Split(home, split.known);
                self.handle(&doing_it(record, action))?;
            }
            return Ok(true);
        }
        self.gather(record, None, &split.known)?;
        Ok(!split.known.is_empty())
    }

    /// These alerts belong to the alerts of that incident.
    fn hold_move(
        &mut self,
        record: &Record,
        asked: IncidentId,
        episodes: &[EpisodeId],
    ) -> Result<bool, EngineError> {
        let mut moved = self.whereabouts(&self.stored(episodes)?)?;
        let company = self.whereabouts(&self.members_then(asked)?)?;
        let target = company.most().or(self.heartbeat_incident(asked)?);
        if target.is_none() {
            moved.known.extend(company.known);
        }
        self.gather(record, target, &moved.known)?;
        Ok(!moved.known.is_empty())
    }

    /// The alerts of both incidents are one story.
    fn hold_merge(
        &mut self,
        record: &Record,
        asked: IncidentId,
        into: IncidentId,
    ) -> Result<bool, EngineError> {
        let mut members = self.members_then(asked)?;
        members.extend(self.members_then(into)?);
        let all = self.whereabouts(&members)?;
        let meant: BTreeSet<EpisodeId> = all.known.iter().copied().collect();
        let mut whole: Vec<IncidentId> = Vec::new();
        let mut single = all.floating;
        for home in all.homes.into_keys() {
            let there = self.rebuilt.grouping().members(home)?;
            let ours: Vec<EpisodeId> =
                there.iter().map(|member| member.id).filter(|id| meant.contains(id)).collect();
            // An incident that is mostly about something else only gives away what was meant.
            if ours.len() * 2 >= there.len() { whole.push(home) } else { single.extend(ours) }
        }
        for id in [asked, into] {
            whole.extend(self.heartbeat_incident(id)?);
        }
        whole.sort_unstable();
        whole.dedup();
        let target = whole.first().copied();
        for (into, incident) in whole.iter().skip(1).filter_map(|id| Some((target?, *id))) {
            self.handle(&doing_it(record, OperationAction::Merge { incident, into }))?;
        }
        self.gather(record, target, &single)?;
        Ok(target.is_some() || !single.is_empty())
    }

    /// The incidents that are mostly made of what `asked` held then.
    fn parts(&self, asked: IncidentId) -> Result<Vec<IncidentId>, EngineError> {
        let meant = self.whereabouts(&self.members_then(asked)?)?;
        let mut parts: Vec<IncidentId> = self.heartbeat_incident(asked)?.into_iter().collect();
        for (home, count) in meant.homes {
            if count * 2 >= self.rebuilt.grouping().members(home)?.len() {
                parts.push(home);
            }
        }
        Ok(parts)
    }

    /// The events by which the stored history tells that it was done; none when it was refused.
    fn events_of(
        &self,
        asked: IncidentId,
        action: &OperationAction,
        time: Timestamp,
    ) -> Result<Vec<EventKey>, StoreError> {
        let is_it = |kind: &LifecycleKind| match action {
            OperationAction::Split(..) => matches!(kind, LifecycleKind::SplitInto(_)),
            OperationAction::Move(_, episodes) => {
                matches!(kind, LifecycleKind::MovedIn(moved) if moved == episodes)
            }
            OperationAction::Merge { .. } => {
                matches!(kind, LifecycleKind::Absorbed(_) | LifecycleKind::MergedInto(_))
            }
            _ => false,
        };
        let mut id = asked;
        loop {
            let Some(incident) = self.archive.grouping().incident(id)? else {
                return Ok(Vec::new());
            };
            let found = incident.lifecycle.iter().enumerate().find(|(index, event)| {
                event.recorded_at == time
                    && is_it(&event.kind)
                    && !self.decisions.past.contains(&(id, *index))
            });
            if let Some((index, event)) = found {
                let mut events = vec![(id, index)];
                // A merge stands with both.
                if let LifecycleKind::Absorbed(other) | LifecycleKind::MergedInto(other) =
                    event.kind
                {
                    events.extend(self.merge_event(other, id)?);
                }
                return Ok(events);
            }
            // The younger points to the older, so this ends.
            let IncidentState::Merged { into } = incident.state else { return Ok(Vec::new()) };
            id = into;
        }
    }

    /// Where the history of `id` tells that it and `other` became one.
    fn merge_event(
        &self,
        id: IncidentId,
        other: IncidentId,
    ) -> Result<Option<EventKey>, StoreError> {
        let Some(incident) = self.archive.grouping().incident(id)? else { return Ok(None) };
        let is_it = |event: &LifecycleEvent| match event.kind {
            LifecycleKind::Absorbed(it) | LifecycleKind::MergedInto(it) => it == other,
            _ => false,
        };
        Ok(incident.lifecycle.iter().position(is_it).map(|index| (id, index)))
    }

    /// True when an event of the stored history lies behind what is worked in.
    fn is_past(&self, id: IncidentId, index: usize, event: &LifecycleEvent) -> bool {
        self.decisions.past.contains(&(id, index))
            || self.span.is_some_and(|(first, _)| event.recorded_at < first)
    }

    /// What a stored incident held before the decision at hand, as far as can be told.
    fn members_then(&self, asked: IncidentId) -> Result<Vec<Episode>, StoreError> {
        let stored = self.archive.grouping();
        let mut id = asked;
        let incident = loop {
            let Some(incident) = stored.incident(id)? else { return Ok(Vec::new()) };
            let mut events = incident.lifecycle.iter().enumerate();
            let into = events.find_map(|(index, event)| match event.kind {
                LifecycleKind::MergedInto(into) if self.is_past(id, index, event) => Some(into),
                _ => None,
            });
            match into {
                Some(into) => id = into,
                None => break incident,
            }
        };
        let mut held: BTreeMap<EpisodeId, Episode> = BTreeMap::new();
        let mut add = |episodes: Vec<Episode>| {
            held.extend(episodes.into_iter().map(|episode| (episode.id, episode)));
        };
        add(stored.members(id)?);
        let mut later: BTreeSet<EpisodeId> = BTreeSet::new();
        for (index, event) in incident.lifecycle.iter().enumerate() {
            let is_past = self.is_past(id, index, event);
            match &event.kind {
                LifecycleKind::MovedIn(episodes) if !is_past => later.extend(episodes),
                LifecycleKind::SplitInto(new) if !is_past => {
                    add(stored.members(*new)?.into_iter().filter(by_person).collect());
                }
                LifecycleKind::Absorbed(younger) => {
                    let Some(opener) = stored.incident(*younger)?.as_ref().and_then(opener) else {
                        continue;
                    };
                    if is_past {
                        add(stored.episode(opener)?.into_iter().collect());
                    } else {
                        later.insert(opener);
                    }
                }
                _ => {}
            }
        }
        if let Some(opener) = opener(&incident) {
            add(stored.episode(opener)?.into_iter().collect());
            later.remove(&opener);
        }
        Ok(held.into_values().filter(|episode| !later.contains(&episode.id)).collect())
    }

    /// The incident of the same absence of a heartbeat.
    fn heartbeat_incident(&self, stored: IncidentId) -> Result<Option<IncidentId>, StoreError> {
        let Some(known) = self.archive.grouping().incident(stored)? else { return Ok(None) };
        let Some(absence) = absence(&known) else { return Ok(None) };
        let mut at = IncidentId(0);
        loop {
            let incidents = self.rebuilt.grouping().incidents_after(at, super::BATCH_RECORDS)?;
            let Some(last) = incidents.last() else { return Ok(None) };
            at = last.id;
            let found = incidents.iter().find(|i| self::absence(i).as_ref() == Some(&absence));
            if let Some(found) = found {
                return Ok(Some(found.id));
            }
        }
    }

    fn stored(&self, episodes: &[EpisodeId]) -> Result<Vec<Episode>, StoreError> {
        let found = episodes.iter().map(|id| self.archive.grouping().episode(*id));
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn whereabouts(&self, stored: &[Episode]) -> Result<Whereabouts, StoreError> {
        let mut found = Whereabouts::default();
        for episode in stored {
            let Some(same) = counterpart(self.rebuilt.grouping(), episode)? else { continue };
            if found.known.contains(&same.id) {
                continue;
            }
            found.known.push(same.id);
            match same.incident() {
                Some(home) => *found.homes.entry(home).or_default() += 1,
                None => found.floating.push(same.id),
            }
        }
        Ok(found)
    }
}

/// The same firing of the same alert in another grouping. Its number is mostly the same.
pub(super) fn counterpart(
    there: Grouping<'_>,
    episode: &Episode,
) -> Result<Option<Episode>, StoreError> {
    let is_same = |other: &Episode| {
        other.key == episode.key
            && other.starts.iter().any(|x| episode.starts.iter().any(|y| x.at == y.at))
    };
    if let Some(other) = there.episode(episode.id)?.filter(|other| is_same(other)) {
        return Ok(Some(other));
    }
    let firings = there.episodes_of_alert(&episode.key, FIRINGS_MAX)?;
    Ok(firings.into_iter().find(is_same))
}

/// The absence of a heartbeat that an incident is about.
pub(super) fn absence(incident: &Incident) -> Option<(String, Timestamp)> {
    match &incident.opening {
        Opening::Heartbeat { name, last_word_at, .. } => Some((name.to_string(), *last_word_at)),
        Opening::Alert { .. } | Opening::Split { .. } => None,
    }
}

/// A record that moves alerts, for what must be recalled for it.
pub(super) fn move_of(record: &Record, into: IncidentId, episodes: &[EpisodeId]) -> Record {
    doing_it(record, OperationAction::Move(into, episodes.to_vec()))
}

fn doing(record: &Record, operation: &Operation, action: OperationAction) -> Record {
    // The revisions are others.
    let operation = Operation { if_revision: None, action, ..operation.clone() };
    of(record, RecordBody::Operation(Box::new(operation)))
}

fn doing_it(record: &Record, action: OperationAction) -> Record {
    let (principal, actor, at) = match &record.body {
        RecordBody::Operation(operation) => {
            (operation.principal.clone(), operation.actor.clone(), operation.at)
        }
        _ => (None, None, None),
    };
    let operation = Operation { principal, actor, at, if_revision: None, action };
    of(record, RecordBody::Operation(Box::new(operation)))
}

/// The alert that opened an incident.
fn opener(incident: &Incident) -> Option<EpisodeId> {
    match incident.opening {
        Opening::Alert { episode, .. } => Some(episode),
        Opening::Heartbeat { .. } | Opening::Split { .. } => None,
    }
}

fn by_person(episode: &Episode) -> bool {
    matches!(episode.membership, Membership::Member { by_person: true, .. })
}
