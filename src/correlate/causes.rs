//! What may have caused an incident: changes by a printed rule, services by their place in the
//! graph and the order of symptoms. Candidates, never findings.

use std::collections::BTreeSet;

use super::crowd::Crowd;
use super::graph::Relation;
use super::machine::Machine;
use super::membership::opening_moment;
use super::memory::Ground;
use super::origins::Origin;
use super::reading::in_words;
use super::saying;
use super::signals::spaced;
use super::stage::is_planned;
use super::sums::Sums;
use super::traits::cluster_of;
use crate::domain::incident::{Candidate, CandidateKind};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::{
    Change, ChangeId, ChangeKind, ChangeReport, Incident, IncidentId, Name, Span, Timestamp,
};

/// Recovery that follows a rollback within this time speaks for what was rolled back.
const RECOVERY_AFTER_ROLLBACK: Span = Span::from_minutes(60);
/// A change can be heard of a moment after what it broke.
const AFTER_ONSET: Span = Span::from_seconds(30);
/// What fills up was not filled by a change within this time …
const FILLS_AFTER_MINUTES: f64 = 15.0;
/// … and may well have been by one so long before.
const FILLS_WITHIN_MINUTES: f64 = 60.0;
/// The points from which a change is worth being looked at first.
const LIKELY_CHANGE: f64 = 3.0;
/// How many candidates of each kind are kept.
const CANDIDATES_MAX: usize = 10;

impl Machine {
    /// Takes a change in; the same key of the same source again is the same change, told anew.
    pub(super) fn learn_change(
        &mut self,
        report: &ChangeReport,
        received_at: Timestamp,
    ) -> ChangeId {
        let known =
            report.key.as_deref().and_then(|key| self.memory.change_by_key(&report.source, key));
        let id = match known {
            Some(id) => {
                let unchanged =
                    self.memory.changes.get(&id).is_some_and(|change| change.report == *report);
                if unchanged {
                    return id;
                }
                id
            }
            None => self.memory.next_change(),
        };
        let first_received_at =
            self.memory.changes.get(&id).map_or(received_at, |change| change.received_at);
        let change = Change { id, report: report.clone(), received_at: first_received_at };
        let touched: Vec<IncidentId> = self
            .memory
            .incidents
            .values()
            .filter(|incident| self.may_be_considered(incident, self.now()))
            .filter(|incident| incident.changes.contains(&id) || self.concerns(&change, incident))
            .map(|incident| incident.id)
            .collect();
        self.memory.put_change(change);
        self.dirt.changes.insert(id);
        for incident in touched {
            // Named at once: told late, it may be no longer recent when the step ends.
            if let Some(incident) = self.memory.incidents.get_mut(&incident)
                && !incident.changes.contains(&id)
            {
                incident.changes.push(id);
            }
            let said = saying::change(report, received_at, known.is_some());
            self.dirt.say_of_change(incident, said, id);
        }
        id
    }

    /// Brings the changes and the candidates of an incident up to date.
    pub(super) fn refresh_causes(&mut self, id: IncidentId) {
        let Some(incident) = self.memory.incidents.get(&id) else { return };
        let onset = value_of(incident, Milestone::Onset).at;
        let known = incident.changes.iter().filter_map(|id| self.memory.changes.get(id));
        // One that is still in memory only because nobody has forgotten it yet does not count:
        // whether and when we forget must not show.
        let new = onset
            .into_iter()
            .flat_map(|onset| {
                self.memory.changes_since(onset - self.memory.rules.incidents.change_window)
            })
            .filter(|change| !incident.changes.contains(&change.id))
            .filter(|change| super::recall::is_recent(change, self.now()))
            .filter(|change| self.concerns(change, incident));
        let mut changes: Vec<(Timestamp, ChangeId)> =
            known.chain(new).map(|change| (change.report.at, change.id)).collect();
        // One that is no longer in memory stays where it was.
        let forgotten: Vec<ChangeId> = incident
            .changes
            .iter()
            .copied()
            .filter(|known| !self.memory.changes.contains_key(known))
            .collect();
        changes.sort_unstable();
        let changes: Vec<ChangeId> =
            forgotten.into_iter().chain(changes.into_iter().map(|(_, id)| id)).collect();
        let ground = Ground {
            founders: self.memory.crowd(id).map_or(0, Crowd::founders_version),
            surroundings: self.memory.surroundings_version,
            services: self.memory.sums(id).map_or(0, Sums::services_version),
            onset,
            changes,
        };
        let stands = self.memory.grounds.get(&id) == Some(&ground)
            && !ground.changes.iter().any(|id| self.is_rollback(*id));
        if stands {
            #[cfg(test)]
            super::tests::sums::check_candidates(self, id, &ground.changes);
            return;
        }
        let changes = ground.changes.clone();
        let candidates = self.rank_candidates(incident, &changes);
        if let Some(incident) = self.memory.incidents.get_mut(&id) {
            incident.changes = changes;
            incident.candidates = candidates;
            self.memory.grounds.insert(id, ground);
        }
    }

    /// Whether a change was taken back depends on the ends of all members.
    fn is_rollback(&self, id: ChangeId) -> bool {
        let change = self.memory.changes.get(&id);
        change.is_some_and(|change| change.report.kind == ChangeKind::Rollback)
    }

    /// What may have caused an incident, best first within each kind.
    pub(super) fn rank_candidates(
        &self,
        incident: &Incident,
        changes: &[ChangeId],
    ) -> Vec<Candidate> {
        let origins = self.rank_origins(incident, changes);
        let mut candidates = self.change_candidates(incident, changes, &origins);
        candidates.extend(origins.into_iter().take(CANDIDATES_MAX).map(Origin::into_candidate));
        candidates
    }

    /// True when a change is near an incident in time and in the service graph.
    fn concerns(&self, change: &Change, incident: &Incident) -> bool {
        let Some(onset) = value_of(incident, Milestone::Onset).at else { return false };
        let end = value_of(incident, Milestone::Resolution).at.unwrap_or(Timestamp::MAX);
        let report = &change.report;
        if report.at < onset - self.memory.rules.incidents.change_window
            || report.at > end
            || !self.same_cluster(report, incident)
        {
            return false;
        }
        match &report.service {
            None => true,
            Some(service) => self.nearest(service, incident).is_some(),
        }
    }

    fn same_cluster(&self, report: &ChangeReport, incident: &Incident) -> bool {
        let Some(cluster) = cluster_of(&report.labels) else { return true };
        self.memory.sums(incident.id).is_some_and(|sums| sums.may_be_in(cluster))
    }

    /// How a service stands to the nearest service of an incident: `None` when not at all; `Some`
    /// of the incident's service and the relation, which is absent when it is that service.
    fn nearest<'a>(
        &self,
        service: &Name,
        incident: &'a Incident,
    ) -> Option<(&'a Name, Option<Relation>)> {
        if let Some(same) = incident.tally.services.iter().find(|other| *other == service) {
            return Some((same, None));
        }
        incident
            .tally
            .services
            .iter()
            .filter_map(|other| {
                self.memory
                    .graph
                    .relation(other, service, None)
                    .map(|relation| (other, Some(relation)))
            })
            .min_by_key(|(_, relation)| match relation {
                Some(Relation::Calls(n)) => 2 * n,
                Some(Relation::CalledBy(n)) => 2 * n + 1,
                None => 0,
            })
    }

    /// The printed rule: how likely its service is the origin, place in the graph, minutes before
    /// the onset, sort of change, words in common, what a rollback showed.
    fn change_candidates(
        &self,
        incident: &Incident,
        changes: &[ChangeId],
        origins: &[Origin],
    ) -> Vec<Candidate> {
        let Some(onset) = value_of(incident, Milestone::Onset).at else { return Vec::new() };
        let words = self.words_of(incident);
        // What was changed between the lead-up and the alert that opened it may be the cause too.
        let opened = opening_moment(incident).max(onset);
        let mut candidates: Vec<Candidate> = changes
            .iter()
            .filter_map(|id| self.memory.changes.get(id))
            .filter(|change| {
                change.report.at <= opened + AFTER_ONSET
                    && change.report.kind != ChangeKind::Rollback
            })
            .map(|change| {
                let symptom = if change.report.at <= onset { onset } else { opened };
                self.change_candidate(incident, change, symptom, (changes, origins, &words))
            })
            .collect();
        // A stable sort: of equal scores the later change comes last, as it stands in the list.
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(CANDIDATES_MAX);
        candidates
    }

    fn change_candidate(
        &self,
        incident: &Incident,
        change: &Change,
        symptom: Timestamp,
        (changes, origins, words): (&[ChangeId], &[Origin], &BTreeSet<String>),
    ) -> Candidate {
        let report = &change.report;
        let mut why = Vec::new();
        let mut score = 0.0;
        let mut add = |points: f64, text: String| {
            if points.abs() >= 0.05 {
                score += points;
                why.push(format!("{text} ({points:+.2})"));
            }
        };
        match &report.service {
            None => add(-3.0, "it names no service".to_owned()),
            Some(service) => {
                for (points, text) in self.place_of(service, incident, origins) {
                    add(points, text);
                }
            }
        }
        let lag = (symptom - report.at).seconds_f64().max(0.0) / 60.0;
        let nearness = nearness(lag, origins.first().is_some_and(|top| top.fills_up));
        let is_onset = value_of(incident, Milestone::Onset).at == Some(symptom);
        let moment = if is_onset { "the onset" } else { "the alert that opened it" };
        let side = if report.at <= symptom { "before" } else { "after" };
        add(nearness, format!("{} {side} {moment}", in_words(symptom - report.at)));
        let sort = match report.kind {
            ChangeKind::Deploy => 1.0,
            ChangeKind::Config => 0.5,
            ChangeKind::Flag => -0.25,
            ChangeKind::Scaling => -0.75,
            ChangeKind::Maintenance | ChangeKind::Rollback | ChangeKind::Other => 0.0,
        };
        add(sort, format!("a change of kind {}", report.kind));
        if is_planned(report.kind, &report.summary) {
            add(-1.5, "planned work".to_owned());
        }
        let shared = words_in(&report.summary).intersection(words).count().min(2);
        let words = if shared == 1 { "word" } else { "words" };
        #[expect(clippy::cast_precision_loss, reason = "at most 2")]
        add(0.75 * shared as f64, format!("{shared} {words} in common with the alerts"));
        if let Some((rollback, followed)) = self.rolled_back(incident, change, changes) {
            let after = in_words(rollback - report.at);
            if followed {
                add(1.0, format!("rolled back {after} later, and recovery followed"));
            } else {
                add(-1.5, format!("rolled back {after} later, and no recovery followed"));
            }
        }
        let summary = report.candidate_summary();
        Candidate {
            kind: CandidateKind::Change,
            reference: change.id.to_string(),
            summary,
            // Half marks the score from which a change is worth being looked at first.
            score: round(1.0 / (1.0 + (LIKELY_CHANGE - score).exp())),
            why,
        }
    }

    /// What the service of a change says: whether it is the likely origin, or one that it calls.
    fn place_of(
        &self,
        service: &Name,
        incident: &Incident,
        origins: &[Origin],
    ) -> Vec<(f64, String)> {
        let mut terms = Vec::new();
        let has_alerts = incident.tally.services.contains(service);
        if let Some(origin) = origins.iter().find(|origin| origin.reference == service.as_str()) {
            let share = 3.5 * origin.probability;
            terms
                .push((share, format!("{service} ranks as origin with {:.2}", origin.probability)));
        }
        let Some(top) = origins.first() else { return terms };
        if top.reference == service.as_str() {
            terms.push((0.75, format!("{service} is the first candidate")));
        }
        if has_alerts {
            terms.push((0.25, format!("{service} has alerts in this incident")));
        }
        let is_other = top.reference != service.as_str();
        let relation = is_other
            .then(|| self.memory.graph.relation(&Name::from(top.reference.as_str()), service, None))
            .flatten();
        match relation {
            Some(Relation::Calls(n)) => {
                // One that shows nothing is a weaker guess.
                let points = if has_alerts { 2.0 } else { 1.0 } / f64::from(n);
                terms.push((points, format!("{service} is called by {}", top.reference)));
            }
            Some(Relation::CalledBy(_)) | None if !has_alerts => {
                terms.push((-1.25, format!("{service} has no alerts here")));
            }
            Some(Relation::CalledBy(_)) | None => {}
        }
        terms
    }

    /// The words of the alerts of an incident.
    fn words_of(&self, incident: &Incident) -> BTreeSet<String> {
        let Some(crowd) = self.memory.crowd(incident.id) else { return BTreeSet::new() };
        crowd
            .founders()
            .filter_map(|id| self.memory.episodes.get(&id))
            .flat_map(|episode| {
                let summary = episode.annotations.value("summary").unwrap_or_default();
                let kind = episode.kind.as_str().replace('_', " ");
                words_in(&format!("{} {summary} {kind}", spaced(episode.alertname())))
            })
            .collect()
    }

    /// When the change was rolled back during the incident, and whether recovery followed: the
    /// first end of a member after it, within an hour and before the next rollback.
    fn rolled_back(
        &self,
        incident: &Incident,
        change: &Change,
        changes: &[ChangeId],
    ) -> Option<(Timestamp, bool)> {
        let rollback = changes
            .iter()
            .filter_map(|id| self.memory.changes.get(id))
            .filter(|other| other.report.kind == ChangeKind::Rollback)
            .filter(|other| other.report.service == change.report.service)
            .map(|other| other.report.at)
            .find(|at| *at > change.report.at)?;
        let followed = self
            .memory
            .sums(incident.id)
            .is_some_and(|sums| sums.ends_within(rollback, RECOVERY_AFTER_ROLLBACK));
        Some((rollback, followed))
    }
}

/// How well the minutes between a change and the onset fit. Most trouble shows at once; what fills
/// up needs its time, so a change just before has not filled it.
fn nearness(lag_minutes: f64, fills_up: bool) -> f64 {
    if fills_up {
        let soon = (1.0 - lag_minutes / FILLS_AFTER_MINUTES).max(0.0);
        let late = (lag_minutes - FILLS_WITHIN_MINUTES).max(0.0);
        -2.0 * soon - 0.5 * (1.0 + late / 5.0).log2()
    } else {
        -(1.0 + lag_minutes / 5.0).log2()
    }
}

/// The words of at least five letters of a text, without what says nothing.
fn words_in(text: &str) -> BTreeSet<String> {
    const EMPTY: [&str; 6] = ["service", "alert", "above", "below", "error", "errors"];
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() >= 5 && !EMPTY.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Two decimals: more would claim a precision that is not there.
pub(super) fn round(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}
