//! Incidents of one alert that turn out to be part of another.
//!
//! A critical alert opens an incident at once; a moment later others may show that it belongs to
//! one that is under way. This is the only evidence on which the machine merges, and never against
//! what people did. Called by `grouping` when alerts have joined an incident.

use super::evidence::Pair;
use super::grouping::{TIE_MIN, Tale};
use super::machine::Machine;
use super::stage::Stage;
use crate::domain::incident::{Opening, Report};
use crate::domain::{
    Episode, EpisodeId, Explanation, Incident, IncidentId, IncidentState, Span, Timestamp,
};

/// So many different alerts make an incident more than a coincidence.
const ESTABLISHED_MIN: usize = 3;
/// For so long, in record time, an incident of one alert may become part of another.
const LONE_MEMORY: Span = Span::from_minutes(15);

/// How well the alert of a lone incident fits another one.
struct Told {
    score: f64,
    needed: f64,
    tale: Tale,
}

impl Machine {
    /// A critical alert that opened an incident by itself a moment ago, and that newcomers of an
    /// established one tie to that one: both are one story. The younger points to the older.
    pub(super) fn absorb_lone(&mut self, id: IncidentId, joined: Vec<EpisodeId>) {
        let mut survivor = id;
        let mut newcomers = joined;
        while let Some(newcomer) = newcomers.pop() {
            let Some(newcomer) = self.memory.episodes.get(&newcomer).cloned() else { continue };
            for (lone, scored) in self.lone_relatives(survivor, &newcomer) {
                let Some(alert) = self.memory.member_ids(lone).into_iter().next() else { continue };
                let (older, younger) = (survivor.min(lone), survivor.max(lone));
                let Told { score, needed, tale } = scored;
                let reason = format!(
                    "Merged from incident {younger} into {older} with a score of {score:.1} \
                     ({needed:.1} needed): {}.",
                    tale.reason
                );
                self.fold_into(younger, older, &reason, (newcomer.starts_at(), None));
                self.set_reason(alert, reason);
                let explanation = Explanation {
                    incident: Some(older),
                    score: Some(score),
                    needed: Some(needed),
                    ..tale.explanation
                };
                self.explain(alert, explanation);
                survivor = older;
                newcomers.extend(self.adopt_floating(survivor, vec![alert]));
            }
        }
    }

    /// Incidents of one alert, opened a moment ago and touched by nobody, whose alert is tied to a
    /// newcomer of an established incident.
    fn lone_relatives(&self, id: IncidentId, newcomer: &Episode) -> Vec<(IncidentId, Told)> {
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
                let alert = self.memory.member_ids(lone.id).into_iter().next()?;
                let alert = self.memory.episodes.get(&alert)?;
                let theirs = stage.side(alert)?;
                let tie = Pair::weigh(theirs, side, scene).score();
                let mut tale = Tale::default();
                let scored = self.weigh_incident(&stage, alert, incident, Some(&mut tale))?;
                let weights = self.memory.weights.of(theirs.traits.is_mapped);
                let needed = self.memory.rules.incidents.join_score + weights.merge;
                let told = Told { score: scored.score, needed, tale };
                (tie >= TIE_MIN && scored.score >= needed && scored.is_member)
                    .then_some((lone.id, told))
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
