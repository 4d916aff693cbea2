//! Incidents of one alert that turn out to be part of another.
//!
//! A critical alert opens an incident at once; a moment later others may show that it belongs to
//! one that is under way. This is the only evidence on which the machine merges, and never against
//! what people did. Called by `grouping` when alerts have joined an incident.

use super::evidence::Pair;
use super::grouping::{Scored, TIE_MIN};
use super::machine::Machine;
use super::stage::Stage;
use super::weights::weights;
use crate::domain::incident::{Opening, Report};
use crate::domain::{Episode, EpisodeId, Incident, IncidentId, IncidentState, Span, Timestamp};

/// So many different alerts make an incident more than a coincidence.
const ESTABLISHED_MIN: usize = 3;
/// For so long, in record time, an incident of one alert may become part of another.
const LONE_MEMORY: Span = Span::from_minutes(15);

impl Machine {
    /// A critical alert that opened an incident by itself a moment ago, and that newcomers of an
    /// established one tie to that one: both are one story. The younger points to the older.
    pub(super) fn absorb_lone(&mut self, id: IncidentId, joined: Vec<EpisodeId>) {
        let mut survivor = id;
        let mut newcomers = joined;
        while let Some(newcomer) = newcomers.pop() {
            let Some(newcomer) = self.memory.episodes.get(&newcomer).cloned() else { continue };
            for (lone, scored) in self.lone_relatives(survivor, &newcomer) {
                let (older, younger) = (survivor.min(lone), survivor.max(lone));
                let reason = format!(
                    "Merged from incident {younger} into {older} with a score of {:.1}: {}.",
                    scored.score, scored.reason
                );
                let Some(alert) = self.memory.member_ids(lone).into_iter().next() else { continue };
                let before: Vec<(EpisodeId, String)> = self
                    .memory
                    .members(survivor)
                    .map(|member| (member.id, member.reason.clone()))
                    .collect();
                self.fold_into(younger, older, &reason, (newcomer.starts_at(), None));
                for (member, reason) in before {
                    self.set_reason(member, reason);
                }
                self.set_reason(alert, reason);
                survivor = older;
                newcomers.extend(self.adopt_floating(survivor, vec![alert]));
            }
        }
    }

    /// Incidents of one alert, opened a moment ago and touched by nobody, whose alert is tied to a
    /// newcomer of an established incident.
    fn lone_relatives(&self, id: IncidentId, newcomer: &Episode) -> Vec<(IncidentId, Scored)> {
        let Some(incident) = self.memory.incidents.get(&id) else { return Vec::new() };
        let is_established = self.memory.crowd(id).is_some_and(|c| c.series() >= ESTABLISHED_MIN);
        if !is_established {
            return Vec::new();
        }
        let stage = Stage::new(self, newcomer);
        let Some(side) = stage.side(newcomer) else { return Vec::new() };
        let scene = stage.scene(Some(id), self);
        self.memory
            .incidents
            .values()
            .rev()
            .take_while(|lone| self.now() - opened_at(lone) <= LONE_MEMORY)
            .filter(|lone| lone.id != id && self.is_lone(lone))
            // The younger one gives up its name: never one about which people said something.
            .filter(|lone| lone.id > id || is_untouched(incident))
            .filter_map(|lone| {
                let alert = self.memory.members(lone.id).next()?;
                let theirs = stage.side(alert)?;
                let tie = Pair::weigh(theirs, side, scene).score();
                let scored = self.weigh_incident(&stage, alert, incident)?;
                let needed =
                    self.memory.rules.incidents.join_score + weights(theirs.traits.is_mapped).merge;
                (tie >= TIE_MIN && scored.score >= needed && scored.is_member)
                    .then_some((lone.id, scored))
            })
            .collect()
    }

    /// True for an open incident of one alert that the machine opened and nobody touched.
    fn is_lone(&self, incident: &Incident) -> bool {
        incident.state == IncidentState::Open
            && matches!(incident.opening, Opening::Alert { .. })
            && is_untouched(incident)
            && self.memory.crowd(incident.id).is_some_and(|crowd| crowd.series() == 1)
            && self.memory.member_ids(incident.id).len() == 1
    }
}

/// Record time of the opening.
fn opened_at(incident: &Incident) -> Timestamp {
    incident.lifecycle.first().map_or(incident.as_of, |event| event.recorded_at)
}

/// True while no person did or wrote anything about an incident.
fn is_untouched(incident: &Incident) -> bool {
    incident.lifecycle.iter().all(|event| event.actor.is_none())
        && incident.notes.is_empty()
        && incident.actions.is_empty()
        && incident.report == Report::default()
}
