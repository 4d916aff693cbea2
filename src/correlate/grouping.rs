//! Which incident an alert belongs to, if any.
//!
//! A new alert is weighed against the witnesses of every incident near it, and joins the best one
//! that reaches the score; else it opens one, alone or with a floating relative, or it floats.
//! Whoever joins calls the floating alerts that it is tied to. One placement costs at most the
//! witnesses of the incidents at hand and the newest floating alerts, however many members there
//! are.

use super::evidence::{Pair, Scene, gap_between, weigh_against};
use super::machine::Machine;
use super::membership::opening_moment;
use super::reading::in_words;
use super::recall::floats_near;
use super::stage::Stage;
use super::sums::Sums;
use crate::domain::alert::EndKind;
use crate::domain::incident::Opening;
use crate::domain::{
    Episode, EpisodeId, Incident, IncidentId, IncidentState, Severity, Span, Standing, Timestamp,
};

/// A floating alert is weighed again when somebody joins to whom it is tied with at least this.
const TIE_MIN: f64 = -1.0;

/// An incident that an alert was weighed against.
struct Scored {
    id: IncidentId,
    score: f64,
    /// False when it began too long before the incident to be more than context.
    is_member: bool,
    reason: String,
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
        scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let needed = self.memory.rules.incidents.join_score;
        let (fitting, other): (Vec<Scored>, Vec<Scored>) =
            scored.into_iter().partition(|s| s.score >= needed);
        match fitting.first() {
            Some(best) if best.is_member => {
                let reason = format!(
                    "Member of incident {} with a score of {:.1} ({needed:.1} needed): {}.",
                    best.id, best.score, best.reason
                );
                self.join(id, best.id, reason, false);
                let scores: Vec<(IncidentId, f64)> =
                    fitting.iter().map(|s| (s.id, s.score)).collect();
                self.relate(&scores);
                self.adopt_floating(best.id, vec![id]);
            }
            Some(best) => {
                let text = too_old(best.id, best.score, &best.reason);
                self.add_context(id, best.id, text);
            }
            None => self.open_or_float(&episode, other.first()),
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
            .filter_map(|incident| self.weigh_incident(&stage, episode, incident))
            .collect()
    }

    fn weigh_incident(
        &self,
        stage: &Stage<'_>,
        episode: &Episode,
        incident: &Incident,
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
            if !is_member_again || since > rules.reopen_window {
                return None;
            }
        }
        let scene = stage.scene(Some(incident.id), self);
        let others = witnesses.iter().filter_map(|witness| stage.side(witness));
        let weighed = weigh_against(side, others, scene);
        let (witness, pair) = weighed.witness?;
        let mut score = weighed.score;
        // Only what reaches the score is ever told of.
        let mut reason = String::new();
        let mut tell = |score: f64, words: &dyn Fn(&mut String)| {
            if score >= rules.join_score {
                let name = self.name_of(witness.episode.id);
                reason = format!("{}; nearest {name}", pair.in_words(side, witness));
                words(&mut reason);
            }
        };
        if is_member_again {
            tell(score, &|_| ());
        } else {
            let state = |words: Option<&mut String>| {
                let over = (over, witnesses.len());
                let busy = pair.busy(scene);
                self.weigh_state(stage, episode, incident.id, start - first, over, busy, words)
            };
            score += state(None);
            tell(score, &|reason| {
                state(Some(reason));
            });
        }
        let is_member = is_member_again || opening_moment(incident) - start <= rules.lead_up;
        Some(Scored { id: incident.id, score, is_member, reason })
    }

    /// True when an alert of the incident fires again within the reopen window of its last end.
    fn fires_again(&self, episode: &Episode, incident: IncidentId) -> bool {
        let window = self.memory.rules.incidents.reopen_window;
        self.memory
            .firings_of(&episode.key)
            .iter()
            .filter_map(|id| self.memory.episodes.get(id))
            .filter(|other| other.id != episode.id && other.incident() == Some(incident))
            .any(|other| episode.starts_at() - last_seen_firing(other) <= window)
    }

    /// What the state of an incident adds or takes: its age, its size, how much of it is over,
    /// and how often the alert came to nothing before.
    fn weigh_state(
        &self,
        stage: &Stage<'_>,
        episode: &Episode,
        incident: IncidentId,
        age: Span,
        (over, of): (usize, usize),
        busy: f64,
        mut told: Option<&mut String>,
    ) -> f64 {
        let is_mapped = stage.side(episode).is_some_and(|side| side.traits.is_mapped);
        let weights = self.memory.weights.of(is_mapped);
        let mut points = 0.0;
        let mut add = |value: f64, text: std::fmt::Arguments<'_>| {
            if value.abs() >= 0.05 {
                points += value;
                if let Some(told) = told.as_deref_mut() {
                    told.push_str(&format!("; {text} ({value:+.1})"));
                }
            }
        };
        let minutes = age.seconds_f64() / 60.0 - weights.age_free_minutes;
        if minutes > 0.0 {
            let points = weights.age * busy * minutes / 10.0;
            add(points, format_args!("the incident is {} old", in_words(age)));
        }
        if let Some(traits) = self.memory.traits.get(&episode.id) {
            let (habit, joined, begun) = self.memory.learned.habit(&traits.alertname);
            add(
                weights.habit * habit,
                format_args!("{joined} of {begun} alerts of this name were part of something"),
            );
        }
        let Some(crowd) = self.memory.crowd(incident) else { return points };
        if crowd.series() >= 2 {
            add(weights.company, format_args!("{} alerts are in it", crowd.series()));
        }
        if crowd.namespaces() >= 3 {
            add(weights.wide, format_args!("it spans {} namespaces", crowd.namespaces()));
        }
        #[expect(clippy::cast_precision_loss, reason = "witnesses are a few dozen")]
        let share = over as f64 / of.max(1) as f64;
        add(weights.partly_over * share, format_args!("{over} of {of} witnesses are over"));
        let alone = self.times_alone(&episode.key, episode.id);
        add(
            weights.alone_before * f64::from(alone.min(2)),
            format_args!("it stayed alone {alone} times before"),
        );
        points
    }

    /// When everything in an incident had ended before `start`: the last end.
    fn recovered_before(&self, incident: &Incident, start: Timestamp) -> Option<Timestamp> {
        let last = self.memory.sums(incident.id).and_then(Sums::recovered_at);
        last.filter(|end| *end < start)
    }

    /// Floating alerts that the machine may still find a home for, newest first.
    fn floating_near(&self, episode: &Episode) -> Vec<&Episode> {
        let now = self.now();
        let traits = self.memory.traits.get(&episode.id);
        self.memory
            .bustle
            .floating(traits.and_then(|traits| traits.cluster_mark), now)
            .filter_map(|id| self.memory.episodes.get(&id))
            .filter(|other| other.id != episode.id)
            .filter(|other| never_grouped(other).is_none() && floats_near(other, now))
            .collect()
    }

    /// No incident takes it: it opens one, alone or with a floating relative, or it floats.
    fn open_or_float(&mut self, episode: &Episode, nearest: Option<&Scored>) {
        let rules = &self.memory.rules.incidents;
        let needed = rules.join_score;
        let opens_alone = rules.open_severities.contains(&episode.severity);
        let stage = Stage::new(self, episode);
        let mut relatives: Vec<(f64, EpisodeId, String)> = Vec::new();
        let mut best = f64::NEG_INFINITY;
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
                best = best.max(score);
                if score >= needed {
                    relatives.push((score, other.id, pair.in_words(side, theirs)));
                }
            }
        }
        relatives.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        let enough = u32::try_from(relatives.len() + 1).unwrap_or(u32::MAX) >= rules.open_alerts;
        if opens_alone || (!relatives.is_empty() && enough) {
            let ties = match (relatives.first(), nearest) {
                (Some((score, other, words)), _) => format!(
                    "tied to {} with a score of {score:.1} ({needed:.1} needed): {words}",
                    self.name_of(*other)
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
            self.open_with(episode, &ties, opener);
            return;
        }
        let best = nearest.map_or(best, |near| near.score.max(best));
        let reason = if best.is_finite() {
            format!(
                "In no incident: severity {} alone opens none, and the best tie scored {best:.1} ({needed:.1} needed).",
                episode.severity
            )
        } else {
            format!(
                "In no incident: severity {} alone opens none, and it shares nothing with 1 or more others near it.",
                episode.severity
            )
        };
        self.set_reason(episode.id, reason);
    }

    fn open_with(
        &mut self,
        episode: &Episode,
        ties: &str,
        partner: Option<(f64, EpisodeId, String)>,
    ) {
        let opening = Opening::Alert { episode: episode.id, at: episode.starts_at() };
        let title = self.name_of(episode.id);
        let follows = self.former_incident(episode);
        let incident = self.open_incident(opening, title, episode.starts_at());
        let reason = format!("Opened incident {incident}: {ties}.");
        self.join(episode.id, incident, reason, false);
        if let Some(former) = follows
            && let Some(new) = self.memory.incidents.get_mut(&incident)
        {
            new.follows = Some(former);
        }
        let mut joined = vec![episode.id];
        if let Some((score, id, words)) = partner {
            let text =
                format!("Adopted by incident {incident} with a score of {score:.1}: {words}.");
            self.join(id, incident, text, false);
            joined.push(id);
        }
        self.adopt_floating(incident, joined);
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

    /// Takes in floating alerts that belong to an incident which `joined` have just entered: what
    /// began within `lead_up` before becomes a member, older relatives are listed as context.
    pub(super) fn adopt_floating(&mut self, id: IncidentId, mut joined: Vec<EpisodeId>) {
        while let Some(newcomer) = joined.pop() {
            let Some(newcomer) = self.memory.episodes.get(&newcomer).cloned() else { continue };
            for (episode, reason, is_member) in self.next_adoptions(id, &newcomer) {
                if is_member {
                    self.join(episode, id, reason, false);
                    joined.push(episode);
                } else {
                    self.add_context(episode, id, reason);
                }
            }
        }
    }

    fn next_adoptions(&self, id: IncidentId, newcomer: &Episode) -> Vec<(EpisodeId, String, bool)> {
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
                let scored = self.weigh_incident(&stage, other, incident)?;
                let theirs = stage.side(other)?;
                let is_settling = now - other.received_at <= rules.settling_window;
                let weights = self.memory.weights.of(theirs.traits.is_mapped);
                let extra = if is_settling { 0.0 } else { weights.adopt };
                let needed = rules.join_score + extra;
                (scored.score >= needed).then(|| {
                    let reason = if scored.is_member {
                        format!(
                            "Adopted by incident {id} with a score of {:.1} ({needed:.1} needed): {}.",
                            scored.score, scored.reason
                        )
                    } else {
                        too_old(id, scored.score, &scored.reason)
                    };
                    (other.id, reason, scored.is_member)
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
                let text = format!(
                    "Context of incident {}, not a member: {why}; score {:.1}: {}.",
                    best.id, best.score, best.reason
                );
                self.add_context(episode.id, best.id, text);
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
fn never_grouped(episode: &Episode) -> Option<&'static str> {
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
