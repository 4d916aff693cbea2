//! What may have caused an incident: changes by a printed rule, services by their place in the
//! graph and the order of symptoms. Candidates, never findings.

use std::collections::BTreeSet;

use super::graph::Relation;
use super::machine::Machine;
use super::reading::{cluster_of, in_words};
use crate::domain::incident::{Candidate, CandidateKind};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::{
    Change, ChangeId, ChangeKind, ChangeReport, Incident, IncidentId, Kind, Name, Span, Timestamp,
};

/// Changes up to this long before the onset are listed.
const BEFORE_ONSET: Span = Span::from_hours(2);
/// Recovery that follows a rollback within this time speaks for what was rolled back.
const RECOVERY_AFTER_ROLLBACK: Span = Span::from_minutes(60);
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
            self.dirt.say(incident, format!("Change heard of: {}", report.summary));
        }
        id
    }

    /// Brings the changes and the candidates of an incident up to date.
    pub(super) fn refresh_causes(&mut self, id: IncidentId) {
        let Some(incident) = self.memory.incidents.get(&id) else { return };
        let mut changes: Vec<(Timestamp, ChangeId)> = self
            .memory
            .changes
            .values()
            .filter(|change| {
                incident.changes.contains(&change.id) || self.concerns(change, incident)
            })
            .map(|change| (change.report.at, change.id))
            .collect();
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
        let mut candidates = self.change_candidates(incident, &changes);
        candidates.extend(self.service_candidates(incident));
        if let Some(incident) = self.memory.incidents.get_mut(&id) {
            incident.changes = changes;
            incident.candidates = candidates;
        }
    }

    /// True when a change is near an incident in time and in the service graph.
    fn concerns(&self, change: &Change, incident: &Incident) -> bool {
        let Some(onset) = value_of(incident, Milestone::Onset).at else { return false };
        let end = value_of(incident, Milestone::Resolution).at.unwrap_or(Timestamp::MAX);
        let report = &change.report;
        if report.at < onset - BEFORE_ONSET
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
        self.memory
            .members(incident.id)
            .any(|member| cluster_of(&member.labels).is_none_or(|other| other == cluster))
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

    /// The printed rule: place in the graph, minutes before the onset, what a rollback showed.
    fn change_candidates(&self, incident: &Incident, changes: &[ChangeId]) -> Vec<Candidate> {
        let Some(onset) = value_of(incident, Milestone::Onset).at else { return Vec::new() };
        let mut candidates: Vec<Candidate> = changes
            .iter()
            .filter_map(|id| self.memory.changes.get(id))
            .filter(|change| {
                change.report.at <= onset && change.report.kind != ChangeKind::Rollback
            })
            .map(|change| self.change_candidate(incident, change, onset, changes))
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
        onset: Timestamp,
        changes: &[ChangeId],
    ) -> Candidate {
        let report = &change.report;
        let mut why = Vec::new();
        let mut score = 0.0;
        let mut add = |points: f64, text: String| {
            score += points;
            why.push(format!("{text} ({points:+.2})"));
        };
        match report.service.as_ref().and_then(|s| self.nearest(s, incident).map(|n| (s, n))) {
            Some((service, (_, None))) => {
                add(0.4, format!("{service} has alerts in this incident"))
            }
            Some((service, (other, Some(Relation::Calls(n))))) => {
                add(
                    0.35 / f64::from(n),
                    format!("{service} is called by {other}, which has alerts"),
                );
            }
            Some((service, (other, Some(Relation::CalledBy(_))))) => {
                add(0.1, format!("{service} calls {other}, which has alerts"));
            }
            None => add(0.05, "it names no service".to_owned()),
        }
        let lag = onset - report.at;
        let nearness = 0.4 * (-lag.seconds_f64() / 1800.0).exp();
        add(round(nearness), format!("{} before the onset", in_words(lag)));
        if let Some((rollback, followed)) = self.rolled_back(incident, change, changes) {
            let after = in_words(rollback - report.at);
            if followed {
                add(0.2, format!("rolled back {after} later, and recovery followed"));
            } else {
                add(-0.3, format!("rolled back {after} later, and no recovery followed"));
            }
        }
        let summary = format!("{} ({})", report.summary, report.kind);
        Candidate {
            kind: CandidateKind::Change,
            reference: change.id.to_string(),
            summary,
            score: round(score.clamp(0.0, 1.0)),
            why,
        }
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
            .members(incident.id)
            .filter_map(crate::domain::Episode::ends_at)
            .any(|end| end >= rollback && end - rollback <= RECOVERY_AFTER_ROLLBACK);
        Some((rollback, followed))
    }

    /// Services by graph position and order of symptoms: the deeper one, which others reach by
    /// their calls, and the earlier one come first.
    fn service_candidates(&self, incident: &Incident) -> Vec<Candidate> {
        let services = &incident.tally.services;
        let Some(first) = incident.tally.first.map(|first| first.at) else { return Vec::new() };
        let mut candidates: Vec<Candidate> = services
            .iter()
            .enumerate()
            .map(|(place, service)| {
                let members: Vec<_> = self
                    .memory
                    .members(incident.id)
                    .filter(|member| member.service.as_ref() == Some(service))
                    .collect();
                let callers = services
                    .iter()
                    .filter(|other| *other != service)
                    .filter(|other| {
                        matches!(
                            self.memory.graph.relation(other, service, None),
                            Some(Relation::Calls(_))
                        )
                    })
                    .count();
                let began = members.iter().map(|m| m.starts_at()).min().unwrap_or(first);
                let kinds: BTreeSet<Kind> = members.iter().map(|m| m.kind).collect();
                service_candidate(service, place, callers, services.len(), began - first, &kinds)
            })
            .collect();
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(CANDIDATES_MAX);
        candidates
    }
}

fn service_candidate(
    service: &Name,
    place: usize,
    callers: usize,
    services: usize,
    delay: Span,
    kinds: &BTreeSet<Kind>,
) -> Candidate {
    let mut why = Vec::new();
    let mut score = 0.2;
    if callers > 0 {
        let others = u32::try_from(services - 1).unwrap_or(u32::MAX);
        let reached = u32::try_from(callers).unwrap_or(u32::MAX);
        score += 0.4 * f64::from(reached) / f64::from(others.max(1));
        why.push(match services - 1 {
            1 => "the other service with alerts calls it".to_owned(),
            all if all == callers => format!("all {all} other services with alerts call it"),
            all if callers == 1 => format!("1 of {all} other services with alerts calls it"),
            all => format!("{callers} of {all} other services with alerts call it"),
        });
    }
    let order = if place == 0 {
        "the first to show symptoms".to_owned()
    } else {
        format!("symptoms {} after the first", in_words(delay))
    };
    why.push(order);
    score += 0.25 * (-delay.seconds_f64() / 1800.0).exp();
    const CAUSES: [Kind; 5] = [
        Kind::Replication,
        Kind::Availability,
        Kind::CertificateExpiry,
        Kind::Saturation,
        Kind::DataIntegrity,
    ];
    if let Some(kind) = CAUSES.into_iter().find(|kind| kinds.contains(kind)) {
        score += 0.15;
        why.push(format!("its alerts speak of {}", kind.as_str().replace('_', " ")));
    }
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    Candidate {
        kind: CandidateKind::Service,
        reference: service.to_string(),
        summary: format!("{service}: {}", kinds.join(", ").replace('_', " ")),
        score: round(score.clamp(0.0, 1.0)),
        why,
    }
}

/// Two decimals: more would claim a precision that is not there.
fn round(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}
