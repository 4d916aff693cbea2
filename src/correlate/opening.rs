//! What becomes of an alert that no incident takes.
//!
//! It opens an incident, alone where its severity is enough or together with a floating relative,
//! or it floats and waits for one. The machine calls this after `grouping` has weighed every
//! incident at hand; what opens here adopts its lead-up there.

use super::evidence::{Pair, SERIES_MIN, Scene, gap_between};
use super::explaining::{explain_pair, rivals, term};
use super::grouping::{Scored, never_grouped};
use super::machine::Machine;
use super::recall::floats_near;
use super::stage::Stage;
use crate::domain::incident::Opening;
use crate::domain::symptom;
use crate::domain::{Episode, EpisodeId, Explanation, IncidentId, IncidentState};

/// A floating alert that is tied to one that opens an incident.
struct Relative {
    score: f64,
    id: EpisodeId,
    words: String,
    explanation: Explanation,
}

/// What ties an alert to floating ones.
struct Ties {
    /// Those that reach the score.
    relatives: Vec<Relative>,
    /// The best score of any; -∞ where nothing is shared.
    best: f64,
    /// How that came about.
    explained: Explanation,
}

impl Machine {
    /// Floating alerts that the machine may still find a home for, newest first.
    pub(super) fn floating_near(&self, episode: &Episode) -> Vec<&Episode> {
        let now = self.now();
        let traits = self.memory.traits(episode.id);
        self.memory
            .bustle
            .floating(traits.and_then(|traits| traits.cluster_mark), now)
            .filter_map(|id| self.memory.episodes.get(&id))
            .filter(|other| other.id != episode.id)
            .filter(|other| never_grouped(other).is_none() && floats_near(other, now))
            .collect()
    }

    /// The floating alerts that are tied to an episode, the strongest first.
    fn ties_to_floating(&self, episode: &Episode, needed: f64) -> Ties {
        let rules = &self.memory.rules.incidents;
        let stage = Stage::new(self, episode);
        let mut relatives: Vec<Relative> = Vec::new();
        let mut best = f64::NEG_INFINITY;
        let mut explained = Explanation::default();
        if let Some(side) = stage.side(episode) {
            let scene = stage.scene(None, self);
            let weights = self.memory.weights.of(side.traits.is_mapped);
            let doubt = weights.alone_before;
            let (habit, ..) = self.memory.learned.habit(&side.traits.alertname);
            let own = doubt * f64::from(self.times_alone(&episode.key, episode.id).min(2))
                + weights.habit * habit;
            for other in self.floating_near(episode) {
                let apart = (other.starts_at() - episode.starts_at()).abs();
                if other.key == episode.key
                    || apart > rules.lead_up
                    || gap_between(episode, other) > rules.gap_limit
                {
                    continue;
                }
                let Some(theirs) = stage.side(other) else { continue };
                let pair = Pair::weigh(side, theirs, scene);
                let (theirs_habit, ..) = self.memory.learned.habit(&theirs.traits.alertname);
                let score = pair.score() + own + weights.habit * theirs_habit;
                let more = score - pair.score();
                let more = (more.abs() >= 0.05)
                    .then(|| term("habit", more, "what became of earlier alerts of both names"));
                let explanation =
                    || explain_pair(&pair, (side, theirs), score, more.into_iter().collect());
                if score >= needed {
                    relatives.push(Relative {
                        score,
                        id: other.id,
                        words: pair.in_words(side, theirs),
                        explanation: explanation(),
                    });
                } else if score > best {
                    explained = explanation();
                }
                best = best.max(score);
            }
        }
        relatives.sort_by(|x, y| y.score.total_cmp(&x.score).then(x.id.cmp(&y.id)));
        if let Some(first) = relatives.first() {
            explained = first.explanation.clone();
        }
        Ties { relatives, best, explained }
    }

    /// No incident takes it: it opens one, alone or with a floating relative, or it floats.
    pub(super) fn open_or_float(&mut self, episode: &Episode, weighed: &[Scored]) {
        let nearest = weighed.first();
        let rules = &self.memory.rules.incidents;
        let opens_alone = rules.open_severities.contains(&episode.severity);
        let is_mapped = self.memory.traits(episode.id).is_some_and(|traits| traits.is_mapped);
        // As long as little was heard, a coincidence is unlikely.
        let extra = if opens_alone || self.memory.learned.series() < SERIES_MIN {
            0.0
        } else {
            self.memory.weights.of(is_mapped).open
        };
        let needed = rules.join_score + extra;
        let Ties { relatives, mut best, mut explained } = self.ties_to_floating(episode, needed);
        let rivals = rivals(weighed.iter().map(|other| (other.id, other.score)));
        let enough = u32::try_from(relatives.len() + 1).unwrap_or(u32::MAX) >= rules.open_alerts;
        if opens_alone || (!relatives.is_empty() && enough) {
            let ties = match (relatives.first(), nearest) {
                (Some(Relative { score, id, words, .. }), _) => format!(
                    "tied to {} with a score of {score:.1} ({needed:.1} needed): {words}",
                    self.name_of(*id)
                ),
                (None, Some(near)) => format!(
                    "severity {} opens alone; incident {} was weighed and scored {:.1} ({needed:.1} needed)",
                    episode.severity, near.id, near.score
                ),
                (None, None) => format!(
                    "severity {} opens alone (1 alert is enough), and no incident was near",
                    episode.severity
                ),
            };
            let opener = relatives.into_iter().next();
            let weighed = opener
                .as_ref()
                .map_or_else(Explanation::default, |partner| partner.explanation.clone());
            let own = Explanation { needed: Some(needed), rivals, ..weighed };
            self.open_with(episode, &ties, own, opener);
            return;
        }
        if let Some(near) = nearest.filter(|near| near.score > best) {
            best = near.score;
            explained = near.explained(self.tell(episode, near.id).explanation, needed, &[]);
        }
        explained.needed = Some(needed);
        explained.rivals = rivals;
        let severity = episode.severity;
        let enough = format!("it takes {} alerts tied to each other", rules.open_alerts);
        let ties = if best >= needed {
            format!("the best tie scored {best:.1} ({needed:.1} needed), and {enough}")
        } else if best.is_finite() {
            format!("and the best tie scored {best:.1} ({needed:.1} needed)")
        } else {
            format!("{enough}, and it shares nothing with anything near it")
        };
        let reason = format!("In no incident: severity {severity} alone opens none, {ties}.");
        self.set_reason(episode.id, reason);
        self.explain(episode.id, explained);
    }

    fn open_with(
        &mut self,
        episode: &Episode,
        ties: &str,
        explanation: Explanation,
        partner: Option<Relative>,
    ) {
        let opening = Opening::Alert { episode: episode.id, at: episode.starts_at() };
        let title = symptom::headline(episode);
        let follows = self.former_incident(episode);
        let incident = self.open_incident(opening, title, episode.starts_at());
        let reason = format!("Opened incident {incident}: {ties}.");
        self.join(episode.id, incident, reason, false);
        let needed = explanation.needed;
        self.explain(episode.id, explanation);
        if let Some(former) = follows
            && let Some(new) = self.memory.incidents.get_mut(&incident)
        {
            new.follows = Some(former);
        }
        let mut joined = vec![episode.id];
        if let Some(Relative { score, id, words, explanation }) = partner {
            let text = format!(
                "Adopted by incident {incident} with a score of {score:.1} ({:.1} needed): {words}.",
                needed.unwrap_or_default()
            );
            self.join(id, incident, text, false);
            let nearest = Some(episode.id);
            self.explain(id, Explanation { nearest, needed, ..explanation });
            joined.push(id);
        }
        let joined = self.adopt_floating(incident, joined);
        self.absorb_lone(incident, joined);
    }

    /// The resolved incident that a new one continues: the newest one to which this alert is tied.
    fn former_incident(&self, episode: &Episode) -> Option<IncidentId> {
        let now = self.now();
        let rules = &self.memory.rules.incidents;
        let start = episode.starts_at();
        let stage = Stage::new(self, episode);
        let side = stage.side(episode)?;
        self.memory
            .incidents
            .values()
            .rev()
            .filter(|incident| self.may_be_considered(incident, now))
            .filter(|incident| {
                incident.state == IncidentState::Resolved
                    || self.recovered_before(incident, start).is_some()
            })
            .find(|incident| {
                let Some(crowd) = self.memory.crowd(incident.id) else { return false };
                if crowd.firings_of(side.traits.alert) > 0 {
                    return true;
                }
                let witnesses: Vec<&Episode> =
                    crowd.witnesses().filter_map(|id| self.memory.episodes.get(&id)).collect();
                let gap = witnesses.iter().map(|witness| gap_between(episode, witness)).min();
                // What is over says little about what begins; a tie of service or graph is
                // enough to name it.
                let scene = Scene { busy: 0.0, ..stage.scene(None, self) };
                gap.is_some_and(|gap| gap <= rules.reopen_window)
                    && witnesses.iter().filter_map(|witness| stage.side(witness)).any(|witness| {
                        Pair::weigh(side, witness, scene).ties_again(rules.join_score)
                    })
            })
            .map(|incident| incident.id)
    }
}
