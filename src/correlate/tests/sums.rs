//! What members add up to, summed anew: the sums that are kept must always say the same.

use std::collections::BTreeSet;

use crate::correlate::Machine;
use crate::domain::alert::EndKind;
use crate::domain::incident::{Moment, Tally};
use crate::domain::{
    ChangeId, Episode, EpisodeEnd, EpisodeId, IncidentId, Membership, Name, Rules, Severity,
    Timestamp,
};

/// Called by the machine itself at each step of every test.
pub(in crate::correlate) fn check(machine: &Machine, id: IncidentId) {
    let memory = &machine.memory;
    let anew = tally_of(memory.members(id), &memory.rules);
    assert_eq!(memory.incidents[&id].tally, anew, "incident {id}");
}

/// Candidates that were not ranked anew must be those that a new ranking gives.
pub(in crate::correlate) fn check_candidates(
    machine: &Machine,
    id: IncidentId,
    changes: &[ChangeId],
) {
    let incident = &machine.memory.incidents[&id];
    assert_eq!(incident.changes, changes, "incident {id}");
    assert_eq!(incident.candidates, machine.rank_candidates(incident, changes), "incident {id}");
}

/// What members add up to.
fn tally_of<'a>(members: impl Iterator<Item = &'a Episode>, rules: &Rules) -> Tally {
    let mut tally = Tally::default();
    let mut services: Vec<(Timestamp, EpisodeId, &Name)> = Vec::new();
    for member in members {
        tally.total += 1;
        let start = Moment { at: member.starts_at(), episode: member.id };
        tally.first = earlier(tally.first, start);
        let lead_up = matches!(member.membership, Membership::Member { lead_up: true, .. });
        if !lead_up && rules.would_page(member.severity) {
            tally.first_paging = earlier(tally.first_paging, start);
        }
        match &member.end {
            None => tally.firing += 1,
            Some(EpisodeEnd { at, how, .. }) => {
                tally.last_end = later(tally.last_end, Moment { at: *at, episode: member.id });
                tally.has_unknown_end |= *how == EndKind::Unknown;
            }
        }
        tally.severity = Some(
            tally.severity.map_or(member.severity, |worst: Severity| worst.worse(member.severity)),
        );
        if let Some(service) = &member.service {
            services.push((start.at, member.id, service));
        }
    }
    services.sort_unstable();
    let mut seen = BTreeSet::new();
    tally.services = services
        .into_iter()
        .filter(|(_, _, service)| seen.insert(*service))
        .map(|(_, _, service)| service.clone())
        .collect();
    tally
}

fn earlier(known: Option<Moment>, new: Moment) -> Option<Moment> {
    let is_new = known.is_none_or(|known| (new.at, new.episode) < (known.at, known.episode));
    if is_new { Some(new) } else { known }
}

fn later(known: Option<Moment>, new: Moment) -> Option<Moment> {
    let is_new = known.is_none_or(|known| (new.at, new.episode) > (known.at, known.episode));
    if is_new { Some(new) } else { known }
}
