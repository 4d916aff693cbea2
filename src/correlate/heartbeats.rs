//! Alerts that always fire, and whose absence is the alarm.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::deadlines::Deadline;
use super::machine::Machine;
use crate::domain::incident::Opening;
use crate::domain::rules::AlertRules;
use crate::domain::{EpisodeId, IncidentId, Labels, Name, Span, Timestamp};

/// Intervals from which the rhythm is learnt.
const INTERVALS_REMEMBERED: usize = 5;

/// What is known of one heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heartbeat {
    pub(super) name: Name,
    pub(super) last_word_at: Timestamp,
    words: u64,
    intervals: VecDeque<Span>,
    /// The incident that its absence opened, until it speaks again.
    pub(super) missed_by: Option<IncidentId>,
}

impl Heartbeat {
    /// How long it may stay silent: as configured for it, else some times the longest of the last
    /// five intervals, and no less than the least.
    fn within(&self, configured: Option<Span>, rules: &AlertRules) -> Span {
        configured.unwrap_or_else(|| {
            let longest = self.intervals.iter().max().copied().unwrap_or(Span::ZERO);
            longest.times(i64::from(rules.heartbeat_intervals)).max(rules.heartbeat_least)
        })
    }
}

impl Machine {
    /// The heartbeat rule that an alert matches, if it is one.
    pub(super) fn heartbeat_rule(&self, labels: &Labels) -> Option<usize> {
        self.memory.rules.heartbeats.iter().position(|rule| {
            !rule.matchers.is_empty() && rule.matchers.iter().all(|matcher| matcher.matches(labels))
        })
    }

    /// A word of a heartbeat: renews its deadline, or, when it says that it ended, raises the
    /// alarm.
    pub(super) fn hear_heartbeat(&mut self, id: EpisodeId, is_over: bool) {
        let now = self.now();
        let Some(episode) = self.memory.episodes.get(&id) else { return };
        let Some(rule) = self.heartbeat_rule(&episode.labels) else { return };
        let rule = self.memory.rules.heartbeats[rule].clone();
        let key = episode.key.clone();
        // A heartbeat's episodes share one rhythm: the newest episode carries it on.
        let former = self
            .memory
            .heartbeats
            .keys()
            .copied()
            .find(|other| self.memory.episodes.get(other).is_some_and(|e| e.key == key));
        let mut heartbeat = match former {
            Some(former) => {
                self.memory.deadlines.clear(Deadline::Heartbeat(former));
                self.memory.heartbeats.remove(&former).unwrap_or_else(|| fresh(&rule.name, now))
            }
            None => fresh(&rule.name, now),
        };
        if heartbeat.words > 0 {
            heartbeat.intervals.push_back(now - heartbeat.last_word_at);
            if heartbeat.intervals.len() > INTERVALS_REMEMBERED {
                heartbeat.intervals.pop_front();
            }
        }
        heartbeat.words += 1;
        heartbeat.name = rule.name.clone();
        let last_word_before = heartbeat.last_word_at;
        heartbeat.last_word_at = now;
        let rules = &self.memory.rules.alerts;
        let is_armed = rule.within.is_some() || heartbeat.words >= u64::from(rules.heartbeat_words);
        let within = heartbeat.within(rule.within, rules);
        let missed_by = heartbeat.missed_by;
        if !is_over {
            heartbeat.missed_by = None;
        }
        self.memory.heartbeats.insert(id, heartbeat);
        if let Some(former) = former.and_then(|former| self.memory.episodes.get(&former)) {
            self.memory.fading.floating(former);
        }
        self.dirt.heartbeats = true;
        if is_over {
            if is_armed && missed_by.is_none() {
                self.raise_heartbeat(id, last_word_before);
            }
            return;
        }
        if is_armed {
            self.memory.deadlines.set(Deadline::Heartbeat(id), now + within, within);
        }
        if let Some(incident) = missed_by {
            self.heartbeat_returned(incident, &rule.name);
        }
    }

    /// The deadline passed without a word.
    pub(super) fn miss_heartbeat(&mut self, id: EpisodeId) {
        let Some(heartbeat) = self.memory.heartbeats.get(&id) else { return };
        let last_word_at = heartbeat.last_word_at;
        self.raise_heartbeat(id, last_word_at);
    }

    fn raise_heartbeat(&mut self, id: EpisodeId, last_word_at: Timestamp) {
        let at = self.now();
        let Some(name) = self.memory.heartbeats.get(&id).map(|h| h.name.clone()) else { return };
        let title = format!("Heartbeat {name} is missing");
        let opening = Opening::Heartbeat { name, episode: id, last_word_at, at };
        let incident = self.open_incident(opening, title, at);
        if let Some(heartbeat) = self.memory.heartbeats.get_mut(&id) {
            heartbeat.missed_by = Some(incident);
        }
        self.dirt.heartbeats = true;
    }
}

fn fresh(name: &Name, now: Timestamp) -> Heartbeat {
    Heartbeat {
        name: name.clone(),
        last_word_at: now,
        words: 0,
        intervals: VecDeque::new(),
        missed_by: None,
    }
}
