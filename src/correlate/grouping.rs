//! Which incident an alert belongs to, if any.
//!
//! A new alert is weighed against the witnesses of every incident near it, and joins the best one
//! that reaches the score; else `opening` decides. Whoever joins calls the floating alerts that it
//! is tied to. One placement costs at most the witnesses of the incidents at hand and the newest
//! floating alerts, however many members there are.

use super::evidence::{Pair, Side, gap_between};
use super::explaining::{explain_pair, explained_term, rivals, term};
use super::machine::Machine;
use super::membership::opening_moment;
use super::reading::in_words;
use super::stage::Stage;
use super::sums::Sums;
use super::testimony::weigh_against;
use crate::domain::alert::EndKind;
use crate::domain::explanation;
use crate::domain::{
    Episode, EpisodeId, Explanation, Incident, IncidentId, IncidentState, Severity, Span, Standing,
    Timestamp,
};

/// A floating alert is weighed again when somebody joins to whom it is tied with at least this.
pub(super) const TIE_MIN: f64 = -1.0;

/// An incident that an alert was weighed against.
#[derive(Clone, Copy)]
pub(super) struct Scored {
    pub(super) id: IncidentId,
    pub(super) score: f64,
    /// By what it is chosen among those that reach the score. Less than the score where an alert
    /// fires again: its old incident is first choice only while nothing nearer explains it.
    rank: f64,
    /// True when a call, the service, the node or the alert itself ties it.
    is_tied: bool,
    /// True when it was a member before.
    is_member_again: bool,
    /// False when it began too long before the incident to be more than context.
    pub(super) is_member: bool,
}

impl Scored {
    /// What is kept of it, where it was chosen among `all`.
    pub(super) fn explained(&self, tale: Explanation, needed: f64, all: &[Self]) -> Explanation {
        let others = all.iter().filter(|other| other.id != self.id);
        Explanation {
            incident: Some(self.id),
            score: Some(self.score),
            needed: Some(needed),
            rivals: rivals(others.map(|other| (other.id, other.score))),
            ..tale
        }
    }
}

/// How a score came about. Words are costly and most scores are never told of, so only the choice
/// is weighed again for them.
#[derive(Default)]
pub(super) struct Tale {
    pub(super) reason: String,
    pub(super) explanation: Explanation,
}

impl Machine {
    /// Finds a home for an episode that was just begun, and says why.
    pub(super) fn place(&mut self, id: EpisodeId) {
        self.learn_place(id);
        let Some(episode) = self.memory.episodes.get(&id).cloned() else { return };
        if let Some(why) = never_grouped(&episode) {
            self.list_as_context(&episode, why);
            return;
        }
        let now = self.now();
        self.memory.begin(id, now);
        let mut scored = self.weigh_incidents(&episode);
        scored.sort_by(|a, b| b.rank.total_cmp(&a.rank).then(a.id.cmp(&b.id)));
        let needed = self.memory.rules.incidents.join_score;
        let (mut fitting, other): (Vec<Scored>, Vec<Scored>) =
            scored.into_iter().partition(|s| s.score >= needed);
        // What fires again leaves its old incident only for one to which it is tied.
        if let Some(own) = fitting.iter().position(|s| s.is_member_again)
            && fitting[..own].iter().all(|nearer| !nearer.is_tied)
        {
            fitting[..=own].rotate_right(1);
        }
        let fits = fitting.len();
        let scored = [fitting, other].concat();
        match scored[..fits].first() {
            Some(best) => {
                let Tale { reason, explanation } = self.tell(&episode, best.id);
                let explanation = best.explained(explanation, needed, &scored);
                if !best.is_member {
                    self.add_context(id, best.id, too_old(best.id, best.score, &reason));
                    self.explain(id, explanation);
                    return;
                }
                let reason = format!(
                    "Member of incident {} with a score of {:.1} ({needed:.1} needed): {reason}.",
                    best.id, best.score
                );
                self.join(id, best.id, reason, false);
                self.explain(id, explanation);
                let scores: Vec<(IncidentId, f64)> =
                    scored[..fits].iter().map(|s| (s.id, s.score)).collect();
                self.relate(&scores);
                let joined = self.adopt_floating(best.id, vec![id]);
                self.absorb_lone(best.id, joined);
            }
            None => self.open_or_float(&episode, &scored),
        }
    }

    /// Weighs an episode against every incident that may take it.
    fn weigh_incidents(&self, episode: &Episode) -> Vec<Scored> {
        let now = self.now();
        let stage = Stage::new(self, episode);
        self.memory
            .incidents
            .values()
            .filter(|incident| self.may_be_considered(incident, now))
            .filter_map(|incident| self.weigh_incident(&stage, episode, incident, None))
            .collect()
    }

    /// How the score of an episode against an incident came about.
    pub(super) fn tell(&self, episode: &Episode, incident: IncidentId) -> Tale {
        let mut tale = Tale::default();
        if let Some(incident) = self.memory.incidents.get(&incident) {
            self.weigh_incident(&Stage::new(self, episode), episode, incident, Some(&mut tale));
        }
        tale
    }

    pub(super) fn weigh_incident(
        &self,
        stage: &Stage<'_>,
        episode: &Episode,
        incident: &Incident,
        tale: Option<&mut Tale>,
    ) -> Option<Scored> {
        let rules = &self.memory.rules.incidents;
        let side = stage.side(episode)?;
        let crowd = self.memory.crowd(incident.id).filter(|crowd| crowd.may_take(side.traits))?;
        let is_member_again = self.fires_again(episode, incident.id);
        if !is_member_again && (incident.state == IncidentState::Resolved || crowd.is_one_flapper())
        {
            return None;
        }
        let start = episode.starts_at();
        let witnesses: Vec<&Episode> =
            crowd.witnesses().filter_map(|id| self.memory.episodes.get(&id)).collect();
        let first = witnesses.iter().map(|witness| witness.starts_at()).min()?;
        let first = incident.tally.first.map_or(first, |known| known.at.min(first));
        let is_near = witnesses.iter().any(|w| gap_between(episode, w) <= rules.gap_limit);
        if !is_member_again && (!is_near || (start - first).abs() > rules.duration_limit) {
            return None;
        }
        // Full recovery: only a member that fires again continues it, within the window.
        let is_over = |witness: &&&Episode| witness.ends_at().is_some_and(|end| end < start);
        let over = witnesses.iter().filter(is_over).count();
        let recovered_at =
            if over == witnesses.len() { self.recovered_before(incident, start) } else { None };
        if incident.state == IncidentState::Resolved || recovered_at.is_some() {
            let since = start - recovered_at.or(incident.tally.last_end.map(|end| end.at))?;
            let goes_on = crowd.series() < 2 || !self.returns(episode);
            if !is_member_again || since > rules.reopen_window || !goes_on {
                return None;
            }
        }
        let scene = stage.scene(Some(incident.id), self);
        let others: Vec<Side<'_>> = witnesses.iter().filter_map(|w| stage.side(w)).collect();
        let weighed = weigh_against(side, &others, scene);
        let (witness, pair) = weighed.witness.clone()?;
        if !is_member_again && !pair.is_tied() && self.returns(episode) {
            return None;
        }
        let mut score = weighed.score;
        let mut rank = score;
        let mut state: Vec<_> = explained_term(weighed.explained).into_iter().collect();
        let is_lone_again = is_member_again && crowd.series() < 2;
        if !is_lone_again {
            let over = (over, witnesses.len());
            // What fires again is judged by its old incident alone; its state only ranks it.
            let mut terms = (tale.is_some() && !is_member_again).then(Vec::new);
            let age = (start - first, pair.busy(scene));
            let mut points =
                self.weigh_state(stage, episode, incident.id, age, over, terms.as_mut());
            let would_join = !is_member_again && rank + points >= rules.join_score;
            if would_join {
                let against = self.objections(&weighed, (side, &others), scene, first);
                points += against.iter().map(|told| told.points).sum::<f64>();
                terms.iter_mut().for_each(|terms| terms.extend(against.iter().cloned()));
            }
            rank += points;
            if is_member_again {
                let weights = self.memory.weights.of(side.traits.is_mapped);
                let gap = self.ended_before(episode, incident.id).seconds_f64() / 600.0;
                let recovered = f64::from(u8::from(recovered_at.is_some()));
                rank += weights.return_gap * gap + weights.return_recovered * recovered;
            } else {
                score = rank;
            }
            state.extend(terms.into_iter().flatten().filter(|told| told.points != 0.0));
        }
        if let Some(tale) = tale {
            let name = self.name_of(witness.episode.id);
            tale.reason = format!("{}; nearest {name}", pair.in_words(side, witness));
            for explanation::Term { points, text, .. } in &state {
                tale.reason.push_str(&format!("; {text} ({points:+.1})"));
            }
            let others = weighed.score - pair.score() - weighed.explained;
            let mut more = Vec::from_iter(beside_the_nearest(weighed.witnesses, others));
            more.extend(state);
            tale.explanation = explain_pair(&pair, (side, witness), score, more);
        }
        let is_member = is_member_again || opening_moment(incident) - start <= rules.lead_up;
        let is_tied = pair.is_tied();
        Some(Scored { id: incident.id, score, rank, is_tied, is_member_again, is_member })
    }

    /// True when an alert of the incident fires again within the reopen window of its last end.
    fn fires_again(&self, episode: &Episode, incident: IncidentId) -> bool {
        let window = self.memory.rules.incidents.reopen_window;
        self.memory
            .firings_of(&episode.key)
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .filter(|other| other.id != episode.id && other.incident() == Some(incident))
            .filter(|other| other.starts_at() <= episode.starts_at())
            .any(|other| episode.starts_at() - last_seen_firing(other) <= window)
    }

    /// True for an alert that returns again and again to an incident of several: that it once was
    /// in it says little about what it is in now.
    fn returns(&self, episode: &Episode) -> bool {
        let (start, now) = (episode.starts_at(), self.now());
        let rules = &self.memory.rules;
        let before = self
            .memory
            .firings_of(&episode.key)
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .filter(|other| {
                other.starts_at() < start && now - other.received_at <= rules.alerts.alone_window
            })
            .count();
        before >= rules.alerts.alone_firings as usize
    }

    /// How long an alert that fires again had been over in an incident.
    fn ended_before(&self, episode: &Episode, incident: IncidentId) -> Span {
        self.memory
            .firings_of(&episode.key)
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .filter(|other| other.id != episode.id && other.incident() == Some(incident))
            .map(|other| (episode.starts_at() - last_seen_firing(other)).max(Span::ZERO))
            .min()
            .unwrap_or(Span::ZERO)
    }

    /// What the state of an incident adds or takes: its age, its size, how much of it is over,
    /// and how often the alert came to nothing before.
    fn weigh_state(
        &self,
        stage: &Stage<'_>,
        episode: &Episode,
        incident: IncidentId,
        (age, busy): (Span, f64),
        (over, of): (usize, usize),
        mut told: Option<&mut Vec<explanation::Term>>,
    ) -> f64 {
        let is_mapped = stage.side(episode).is_some_and(|side| side.traits.is_mapped);
        let weights = self.memory.weights.of(is_mapped);
        let mut points = 0.0;
        let mut add = |name: &'static str, value: f64, text: &dyn Fn() -> String| {
            if value.abs() >= 0.05 {
                points += value;
                if let Some(told) = told.as_deref_mut() {
                    told.push(term(name, value, text()));
                }
            }
        };
        let minutes = age.seconds_f64() / 60.0 - weights.age_free_minutes;
        if minutes > 0.0 {
            let value = weights.age * busy * minutes / 10.0;
            add("age", value, &|| format!("the incident is {} old", in_words(age)));
        }
        if let Some(traits) = self.memory.traits(episode.id) {
            let (habit, joined, begun) = self.memory.learned.habit(&traits.alertname);
            add("habit", weights.habit * habit, &|| {
                format!("{joined} of {begun} alerts of this name were part of something")
            });
        }
        let Some(crowd) = self.memory.crowd(incident) else { return points };
        if crowd.series() >= 2 {
            add("company", weights.company, &|| format!("{} alerts are in it", crowd.series()));
        }
        if weights.wide != 0.0 && crowd.namespaces() >= 3 {
            let text = || format!("it spans {} namespaces", crowd.namespaces());
            add("wide", weights.wide, &text);
        }
        #[expect(clippy::cast_precision_loss, reason = "witnesses are a few dozen")]
        let share = over as f64 / of.max(1) as f64;
        add("partly_over", weights.partly_over * share, &|| {
            format!("{over} of {of} witnesses are over")
        });
        let alone = self.times_alone(&episode.key, episode.id);
        add("alone_before", weights.alone_before * f64::from(alone.min(2)), &|| match alone {
            1 => "it stayed alone once before".to_owned(),
            alone => format!("it stayed alone {alone} times before"),
        });
        points
    }

    /// When everything in an incident had ended before `start`: the last end.
    pub(super) fn recovered_before(
        &self,
        incident: &Incident,
        start: Timestamp,
    ) -> Option<Timestamp> {
        let last = self.memory.sums(incident.id).and_then(Sums::recovered_at);
        last.filter(|end| *end < start)
    }

    /// Takes in floating alerts that belong to an incident which `joined` have just entered: what
    /// began within `lead_up` before becomes a member, older relatives are listed as context.
    pub(super) fn adopt_floating(
        &mut self,
        id: IncidentId,
        mut joined: Vec<EpisodeId>,
    ) -> Vec<EpisodeId> {
        let mut all = joined.clone();
        while let Some(newcomer) = joined.pop() {
            let Some(newcomer) = self.memory.episodes.get(&newcomer).cloned() else { continue };
            for (episode, reason, is_member, explanation) in self.next_adoptions(id, &newcomer) {
                if is_member {
                    self.join(episode, id, reason, false);
                    joined.push(episode);
                    all.push(episode);
                } else {
                    self.add_context(episode, id, reason);
                }
                self.explain(episode, explanation);
            }
        }
        all
    }

    fn next_adoptions(
        &self,
        id: IncidentId,
        newcomer: &Episode,
    ) -> Vec<(EpisodeId, String, bool, Explanation)> {
        let Some(incident) = self.memory.incidents.get(&id) else { return Vec::new() };
        let rules = &self.memory.rules.incidents;
        let now = self.now();
        let stage = Stage::new(self, newcomer);
        let Some(side) = stage.side(newcomer) else { return Vec::new() };
        let scene = stage.scene(Some(id), self);
        self.floating_near(newcomer)
            .into_iter()
            .filter(|other| !other.context_of.contains(&id))
            .filter(|other| {
                stage.side(other).is_some_and(|theirs| {
                    Pair::weigh(theirs, side, scene).score() >= TIE_MIN
                })
            })
            .filter_map(|other| {
                let mut tale = Tale::default();
                let scored = self.weigh_incident(&stage, other, incident, Some(&mut tale))?;
                let theirs = stage.side(other)?;
                let is_settling = now - other.received_at <= rules.settling_window;
                let weights = self.memory.weights.of(theirs.traits.is_mapped);
                let extra = if is_settling { 0.0 } else { weights.adopt };
                let needed = rules.join_score + extra;
                (scored.score >= needed).then(|| {
                    let reason = if scored.is_member {
                        format!(
                            "Adopted by incident {id} with a score of {:.1} ({needed:.1} needed): {}.",
                            scored.score, tale.reason
                        )
                    } else {
                        too_old(id, scored.score, &tale.reason)
                    };
                    let explanation = scored.explained(tale.explanation, needed, &[]);
                    (other.id, reason, scored.is_member, explanation)
                })
            })
            .collect()
    }

    /// An alert that neither opens, glues nor prolongs is shown beside the incident it is tied to.
    fn list_as_context(&mut self, episode: &Episode, why: &str) {
        let needed = self.memory.rules.incidents.join_score;
        let best = self
            .weigh_incidents(episode)
            .into_iter()
            .filter(|scored| scored.score >= needed)
            .max_by(|a, b| a.score.total_cmp(&b.score).then(b.id.cmp(&a.id)));
        match best {
            Some(best) => {
                let Tale { reason, explanation } = self.tell(episode, best.id);
                let text = format!(
                    "Context of incident {}, not a member: {why}; score {:.1}: {reason}.",
                    best.id, best.score
                );
                let explanation = best.explained(explanation, needed, &[]);
                self.add_context(episode.id, best.id, text);
                self.explain(episode.id, explanation);
            }
            None => {
                let age = in_words(episode.received_at - episode.starts_at());
                self.set_reason(
                    episode.id,
                    format!("In no incident: {why} (first heard {age} after it began)."),
                );
            }
        }
    }
}

/// What the other members add to the nearest one, or what doubt takes from a pair that is as good
/// as certain.
fn beside_the_nearest(witnesses: usize, points: f64) -> Option<explanation::Term> {
    let text = match witnesses {
        0 | 1 => "no single alert is taken for certain".to_owned(),
        2 => "1 more of its alerts speaks for it".to_owned(),
        more => format!("{} more of its alerts speak for it", more - 1),
    };
    (points.abs() >= 0.05).then(|| term("witnesses", points, text))
}

fn too_old(incident: IncidentId, score: f64, reason: &str) -> String {
    format!(
        "Context of incident {incident}: it began too long before to be a member, score {score:.1}: {reason}."
    )
}

/// The last moment at which an episode is known to have fired: where only a later firing ended it,
/// nobody said that it lasted until then.
fn last_seen_firing(episode: &Episode) -> Timestamp {
    match &episode.end {
        None => Timestamp::MAX,
        Some(end) if end.how == EndKind::Superseded => {
            end.at.min(episode.last_word_at.max(episode.starts_at()))
        }
        Some(end) => end.at,
    }
}

/// Why an alert is never weighed for membership.
pub(super) fn never_grouped(episode: &Episode) -> Option<&'static str> {
    match episode.standing {
        Standing::Heartbeat => Some("a heartbeat never joins one"),
        Standing::Chronic => Some("it has fired for days, which opens and glues nothing"),
        Standing::Flapping => Some("it flaps, which opens and glues nothing"),
        Standing::Ordinary if episode.severity == Severity::None => {
            Some("severity none asks nobody to act")
        }
        Standing::Ordinary => None,
    }
}
