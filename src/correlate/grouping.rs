//! Which incident an alert belongs to, if any.
//!
//! A new alert is weighed against the witnesses of every incident near it, and joins the best one
//! that reaches the score; else it opens one, alone or with a floating relative, or it floats.
//! Whoever joins calls the floating alerts that it is tied to. One placement costs at most the
//! witnesses of the incidents at hand and the newest floating alerts, however many members there
//! are.

use super::evidence::{Pair, Scene, gap_between, weigh_against};
use super::learned::BUSY_WINDOW;
use super::machine::Machine;
use super::membership::opening_moment;
use super::reading::in_words;
use super::recall::floats_near;
use super::stage::Stage;
use super::weights::weights;
use crate::domain::alert::EndKind;
use crate::domain::incident::Opening;
use crate::domain::{
    Episode, EpisodeId, Incident, IncidentId, IncidentState, Membership, Severity, Span, Standing,
    Timestamp,
};

/// Alerts that came in this shortly before are still settling: they need no more than a new one.
const SETTLING: Span = Span::from_minutes(5);
/// A floating alert is weighed again when somebody joins to whom it is tied with at least this.
pub(super) const TIE_MIN: f64 = -1.0;

/// An alert that fired this often within two hours returns again and again.
const RETURNS_MAX: usize = 2;

/// An incident that an alert was weighed against.
pub(super) struct Scored {
    id: IncidentId,
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
    pub(super) reason: String,
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
        if let Some(traits) = self.memory.traits.get(&id) {
            self.memory.learned.begin(id, traits, now);
        }
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
                let joined = self.adopt_floating(best.id, vec![id]);
                self.absorb_lone(best.id, joined);
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

    pub(super) fn weigh_incident(
        &self,
        stage: &Stage<'_>,
        episode: &Episode,
        incident: &Incident,
    ) -> Option<Scored> {
        let rules = &self.memory.rules.incidents;
        let crowd = self.memory.crowd(incident.id)?;
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
        let side = stage.side(episode)?;
        let scene = stage.scene(Some(incident.id), self);
        let others = witnesses.iter().filter_map(|witness| stage.side(witness));
        let weighed = weigh_against(side, others, scene);
        let (witness, pair) = weighed.witness?;
        if !is_member_again && !pair.is_tied() && self.returns(episode) {
            return None;
        }
        let mut reason = format!(
            "{}; nearest {}",
            pair.in_words(side, witness),
            self.name_of(witness.episode.id)
        );
        let (points, words) = self.weigh_state(
            stage,
            episode,
            incident.id,
            start - first,
            (over, witnesses.len()),
            pair.busy(scene),
        );
        let mut score = weighed.score;
        let rank = if is_member_again && crowd.series() < 2 {
            score
        } else if is_member_again {
            let weights = weights(side.traits.is_mapped);
            let gap = self.ended_before(episode, incident.id).seconds_f64() / 600.0;
            let recovered = f64::from(u8::from(recovered_at.is_some()));
            score + points + weights.return_gap * gap + weights.return_recovered * recovered
        } else {
            score += points;
            reason.push_str(&words);
            score
        };
        let is_member = is_member_again || opening_moment(incident) - start <= rules.lead_up;
        let is_tied = pair.is_tied();
        Some(Scored { id: incident.id, score, rank, is_tied, is_member_again, is_member, reason })
    }

    /// True when an alert of the incident fires again within the reopen window of its last end.
    fn fires_again(&self, episode: &Episode, incident: IncidentId) -> bool {
        let window = self.memory.rules.incidents.reopen_window;
        self.memory.crowd(incident).is_some_and(|crowd| crowd.firings_of(&episode.key) > 0)
            && self
                .memory
                .episodes_of_alert(&episode.key)
                .into_iter()
                .filter_map(|id| self.memory.episodes.get(&id))
                .filter(|other| other.id != episode.id && other.incident() == Some(incident))
                .any(|other| episode.starts_at() - last_seen_firing(other) <= window)
    }

    /// True for an alert that returns again and again to an incident of several: that it once was
    /// in it says little about what it is in now.
    fn returns(&self, episode: &Episode) -> bool {
        let (start, now) = (episode.starts_at(), self.now());
        let before = self
            .memory
            .episodes_of_alert(&episode.key)
            .into_iter()
            .filter_map(|id| self.memory.episodes.get(&id))
            .filter(|other| other.starts_at() < start && now - other.received_at <= BUSY_WINDOW)
            .count();
        before >= RETURNS_MAX
    }

    /// How long an alert that fires again had been over in an incident.
    fn ended_before(&self, episode: &Episode, incident: IncidentId) -> Span {
        self.memory
            .episodes_of_alert(&episode.key)
            .into_iter()
            .filter_map(|id| self.memory.episodes.get(&id))
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
        age: Span,
        (over, of): (usize, usize),
        busy: f64,
    ) -> (f64, String) {
        let is_mapped = stage.side(episode).is_some_and(|side| side.traits.is_mapped);
        let weights = weights(is_mapped);
        let mut points = 0.0;
        let mut words = String::new();
        let mut add = |value: f64, text: String| {
            if value.abs() >= 0.05 {
                points += value;
                words.push_str(&format!("; {text} ({value:+.1})"));
            }
        };
        let minutes = age.seconds_f64() / 60.0 - weights.age_free_minutes;
        if minutes > 0.0 {
            let text = format!("the incident is {} old", in_words(age));
            add(weights.age * busy * minutes / 10.0, text);
        }
        if let Some(traits) = self.memory.traits.get(&episode.id) {
            let (habit, joined, begun) = self.memory.learned.habit(&traits.alertname);
            add(
                weights.habit * habit,
                format!("{joined} of {begun} alerts of this name were part of something"),
            );
        }
        let Some(crowd) = self.memory.crowd(incident) else { return (points, words) };
        if crowd.series() >= 2 {
            add(weights.company, format!("{} alerts are in it", crowd.series()));
        }
        if crowd.namespaces() >= 3 {
            add(weights.wide, format!("it spans {} namespaces", crowd.namespaces()));
        }
        #[expect(clippy::cast_precision_loss, reason = "witnesses are a few dozen")]
        let share = over as f64 / of.max(1) as f64;
        add(weights.partly_over * share, format!("{over} of {of} witnesses are over"));
        let alone = self.times_alone(&episode.key, episode.id);
        add(
            weights.alone_before * f64::from(alone.min(2)),
            format!("it stayed alone {alone} times before"),
        );
        (points, words)
    }

    /// When everything in an incident had ended before `start`: the last end.
    fn recovered_before(&self, incident: &Incident, start: Timestamp) -> Option<Timestamp> {
        let mut last = None;
        for member in self.memory.members(incident.id) {
            let end = member.ends_at()?;
            last = last.max(Some(end));
        }
        last.filter(|end| *end < start)
    }

    /// Floating alerts that the machine may still find a home for, newest first.
    fn floating_near(&self, episode: &Episode) -> Vec<&Episode> {
        let now = self.now();
        let traits = self.memory.traits.get(&episode.id);
        let cluster = traits.and_then(|traits| traits.cluster.as_ref());
        self.memory
            .learned
            .begun_near(cluster, now)
            .filter_map(|begun| self.memory.episodes.get(&begun.id))
            .filter(|other| other.id != episode.id && other.membership == Membership::Floating)
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
            let doubt = weights(side.traits.is_mapped).alone_before;
            let (habit, ..) = self.memory.learned.habit(&side.traits.alertname);
            let own = doubt * f64::from(self.times_alone(&episode.key, episode.id).min(2))
                + weights(side.traits.is_mapped).habit * habit;
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
                let score =
                    pair.score() + own + weights(side.traits.is_mapped).habit * theirs_habit;
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
                if crowd.firings_of(&episode.key) > 0 {
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
    pub(super) fn adopt_floating(
        &mut self,
        id: IncidentId,
        mut joined: Vec<EpisodeId>,
    ) -> Vec<EpisodeId> {
        let mut all = joined.clone();
        while let Some(newcomer) = joined.pop() {
            let Some(newcomer) = self.memory.episodes.get(&newcomer).cloned() else { continue };
            for (episode, reason, is_member) in self.next_adoptions(id, &newcomer) {
                if is_member {
                    self.join(episode, id, reason, false);
                    joined.push(episode);
                    all.push(episode);
                } else {
                    self.add_context(episode, id, reason);
                }
            }
        }
        all
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
                let is_settling = now - other.received_at <= SETTLING;
                let extra = if is_settling { 0.0 } else { weights(theirs.traits.is_mapped).adopt };
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
