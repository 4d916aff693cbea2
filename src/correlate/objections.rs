//! What speaks against an alert that would join an incident, though some of its alerts tie it.
//!
//! Asked only of what would join: it takes a look at all witnesses, and at the latest changes.
//! Called by `grouping` only.

use super::evidence::{Scene, Side};
use super::explaining::{against_term, term};
use super::machine::Machine;
use super::recall::is_recent;
use super::testimony::Weighed;
use super::traits::cluster_of;
use super::unfolding::late_origin;
use crate::domain::explanation::Term;
use crate::domain::{Change, ChangeKind, Span, Timestamp};

/// A change this shortly before an alert of its service may well be what that alert is about.
const CHANGE_SHORTLY: Span = Span::from_minutes(12);

impl Machine {
    /// The objections, as the terms that are told. `first` is when the incident began.
    pub(super) fn objections(
        &self,
        weighed: &Weighed<'_>,
        (side, others): (Side<'_>, &[Side<'_>]),
        scene: Scene<'_>,
        first: Timestamp,
    ) -> Vec<Term> {
        let weights = self.memory.weights.of(side.traits.is_mapped);
        let against = weighed.against(side, others, scene);
        let against = against.map(|it| against_term(it, weights, scene.busy));
        let late = late_origin(side, others, (scene, weights), first);
        // Another cause that also came late is one objection, the stronger of both.
        let stronger = [against, late].into_iter().flatten();
        let stronger = stronger.min_by(|a, b| a.points.total_cmp(&b.points));
        let mut terms = Vec::from_iter(stronger);
        if weights.own_change != 0.0
            && let Some(change) = self.changed_itself(side, first)
            && !is_drawn_in(side, others, scene)
        {
            let kind = change.report.kind;
            let text = format!("its service had a change of kind {kind} since the incident began");
            terms.push(term("own_change", weights.own_change, text));
        }
        terms
    }

    /// The change of its own service that came after the beginning of an incident and shortly
    /// before an alert.
    fn changed_itself(&self, side: Side<'_>, first: Timestamp) -> Option<&Change> {
        let service = side.traits.service.as_ref()?;
        let start = side.episode.starts_at();
        self.memory
            .changes_since((start - CHANGE_SHORTLY).max(first))
            .take_while(|change| change.report.at <= start)
            .filter(|change| change.report.at > first && is_recent(change, self.now()))
            .filter(|change| {
                let kind = change.report.kind;
                matches!(kind, ChangeKind::Deploy | ChangeKind::Config | ChangeKind::Flag)
            })
            .filter(|change| change.report.service.as_ref() == Some(service))
            .find(|change| match (cluster_of(&change.report.labels), &side.traits.cluster) {
                (Some(changed), Some(own)) => changed == own.as_str(),
                _ => true,
            })
    }
}

/// True when the incident explains the alert, whatever was changed: its service is in it already,
/// or calls one that is.
fn is_drawn_in(side: Side<'_>, others: &[Side<'_>], scene: Scene<'_>) -> bool {
    others.iter().any(|other| {
        other.traits.service == side.traits.service
            || scene.graph.calls_directly(side.traits, other.traits)
    })
}
