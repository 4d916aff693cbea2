//! What people decided, held where the incident that they decided about is not there.
//!
//! Under another configuration an alert may float that a person put beside others, or lie in
//! several incidents where there was one. No operation of the ledger says "these belong together,
//! wherever they are", so what-if says it here. Never called while the ledger is lived.

use super::machine::Machine;
use crate::domain::incident::Opening;
use crate::domain::{EpisodeId, IncidentId, Record};

impl Machine {
    /// Brings alerts together by a person's decision: into an incident that is there, else into a
    /// new one that the earliest of them opens. At the time of `record`, as a step of its own.
    /// What must be recalled for a move of them must have been handed in. `None` when none of
    /// them is known.
    pub fn gather(
        &mut self,
        record: &Record,
        into: Option<IncidentId>,
        episodes: &[EpisodeId],
    ) -> Option<IncidentId> {
        self.pass_over(record);
        let known: Vec<EpisodeId> =
            episodes.iter().copied().filter(|id| self.memory.episodes.contains_key(id)).collect();
        let first = known
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .min_by_key(|episode| (episode.starts_at(), episode.id))?;
        let opening = Opening::Alert { episode: first.id, at: first.starts_at() };
        let (first, at) = (first.id, first.starts_at());
        let incident = into
            .filter(|id| self.memory.incidents.contains_key(id))
            .unwrap_or_else(|| self.open_incident(opening, self.name_of(first), at));
        for episode in known {
            let reason = format!("Member of incident {incident}: a person put it there.");
            self.join(episode, incident, reason, true);
        }
        self.end_step();
        Some(incident)
    }
}
