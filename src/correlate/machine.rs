//! The machine itself: time, records, steps.

use super::deadlines::Deadline;
use super::effects::{Beat, Dirt, Effects};
use super::memory::Memory;
use super::recall::Wants;
use super::saying::{self, About, Figures, Sentence};
use super::snapshot;
use crate::domain::facts::Revision;
use crate::domain::incident::{Caveat, CaveatKind};
use crate::domain::packed::Heard;
use crate::domain::record::{DeafStretch, Delivery};
use crate::domain::{Incident, IncidentId, Record, RecordBody, Span, Timestamp};

/// Names the rules by which records become incidents. A release that decides otherwise counts it
/// up; a snapshot of older rules is taken over as it stands and never derived anew.
pub const RULES_VERSION: u32 = 1;

/// The state machine. See the room's documentation for how to drive it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) memory: Memory,
    pub(super) dirt: Dirt,
    /// What was asked of the store for the record at hand, whether it knew it or not.
    pub(super) asked: Wants,
}

/// What a machine holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Incidents that run, or ended so lately that something late may still concern them.
    pub incidents: usize,
    /// Incidents that run.
    pub running_incidents: usize,
    /// Episodes that fire, or ended lately.
    pub episodes: usize,
    /// Alerts whose habits are remembered.
    pub histories: usize,
    /// Changes that can still be tied to an incident, or are.
    pub changes: usize,
}

/// A snapshot that this release cannot read.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot of the engine cannot be read: {0}")]
pub struct UnreadableSnapshot(String);

impl Machine {
    /// A machine that has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: Memory::new(), dirt: Dirt::default(), asked: Wants::default() }
    }

    /// Its whole state between two records.
    ///
    /// # Errors
    /// As [`Machine::snapshot_by_parts`].
    pub fn snapshot(&self) -> Result<Vec<u8>, UnreadableSnapshot> {
        let mut bytes = Vec::new();
        self.snapshot_by_parts(&mut |part| bytes.extend_from_slice(part))?;
        Ok(bytes)
    }

    /// The same, handed out part by part: it can be larger than all else that is in memory.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which would be a fault of ours.
    pub fn snapshot_by_parts(&self, take: &mut dyn FnMut(&[u8])) -> Result<(), UnreadableSnapshot> {
        take(format!("{RULES_VERSION}\n").as_bytes());
        snapshot::write(&self.memory, take).map_err(UnreadableSnapshot)
    }

    /// The machine as it was when the snapshot was taken.
    ///
    /// # Errors
    /// When the bytes are not a snapshot of this or an older release.
    pub fn restore(bytes: &[u8]) -> Result<Self, UnreadableSnapshot> {
        let broken = |problem: &str| UnreadableSnapshot(problem.to_owned());
        let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(|| broken("it is cut"))?;
        let version: u32 = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| broken("it has no version"))?;
        if version > RULES_VERSION {
            return Err(UnreadableSnapshot(format!(
                "it was written by newer rules ({version}, this release knows {RULES_VERSION})"
            )));
        }
        let memory = snapshot::read(&bytes[end + 1..]).map_err(UnreadableSnapshot)?;
        Ok(Self { memory, dirt: Dirt::default(), asked: Wants::default() })
    }

    /// Record time of the last record, and the machine's only clock.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.memory.time
    }

    /// When time alone will change something next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.memory.deadlines.next()
    }

    /// The effective grouping configuration as the ledger has it.
    #[must_use]
    pub fn rules(&self) -> &crate::domain::Rules {
        &self.memory.rules
    }

    /// True when what was handled last must be committed before anything else is handled: the
    /// facts of a draft that became final are kept as they stand then.
    #[must_use]
    pub fn asks_for_commit(&self) -> bool {
        self.dirt.finalised || !self.dirt.taken_back.is_empty()
    }

    /// How much it holds in memory.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let memory = &self.memory;
        Holdings {
            incidents: memory.incidents.len(),
            running_incidents: self.running_incidents().len(),
            episodes: memory.episodes.len(),
            histories: memory.histories.len(),
            changes: memory.changes.len(),
        }
    }

    /// Works one record in.
    pub fn handle(&mut self, record: &Record) {
        if let Some(time) = record.time {
            self.advance(time);
        }
        match &record.body {
            RecordBody::Delivery(delivery) => {
                self.hear(delivery, record.received_at.unwrap_or(self.now()));
            }
            RecordBody::Operation(operation) => {
                let received_at = record.received_at.unwrap_or(self.now());
                let outcome = self.operate(operation, received_at);
                self.dirt.outcomes.push((record.seq, outcome));
            }
            RecordBody::Topology(topology) => {
                self.memory.set_topology(topology.clone());
                self.dirt.topology = true;
            }
            RecordBody::Rules(rules) => {
                self.memory.set_rules((**rules).clone());
                self.memory.recount_all();
            }
            RecordBody::Start(start) => {
                if let Some(deaf) = start.deaf {
                    self.wake(deaf);
                }
            }
            RecordBody::Skip(_) => self.tell_skip(),
            RecordBody::Stop | RecordBody::Tick => {}
        }
        self.end_step();
        // A word can set a deadline that has passed already, such as an old lease of an alert that
        // a webhook renews. No tick can be written for it, since the ledger has reached its time,
        // and it would stand before every later one.
        if let Some(now) = self.memory.time {
            self.advance(now);
        }
        self.asked = Wants::default();
        self.memory.episodes.tidy();
    }

    /// Passes a record over that cannot be digested: time still advances.
    pub fn pass_over(&mut self, record: &Record) {
        if let Some(time) = record.time {
            self.advance(time);
        }
        if matches!(record.body, RecordBody::Operation(_)) {
            self.dirt.outcomes.push((
                record.seq,
                crate::domain::record::Outcome::Conflict(
                    "this could not be worked in and was skipped; the log says why".to_owned(),
                ),
            ));
        }
        self.asked = Wants::default();
    }

    /// What changed since the last call, the newest state of each thing once.
    pub fn take_effects(&mut self) -> Effects {
        let mut dirt = std::mem::take(&mut self.dirt);
        let memory = &self.memory;
        dirt.heard.sort_unstable();
        dirt.heard.dedup();
        Effects {
            heard: dirt
                .heard
                .iter()
                .filter(|id| !dirt.episodes.contains(id))
                .filter_map(|id| Some((*id, Heard::of(memory.episodes.get(id)?))))
                .collect(),
            episodes: dirt
                .episodes
                .iter()
                .filter_map(|id| memory.episodes.get(id))
                .cloned()
                .collect(),
            incidents: dirt
                .incidents
                .iter()
                .filter_map(|id| memory.incidents.get(id))
                .cloned()
                .collect(),
            changes: dirt.changes.iter().filter_map(|id| memory.changes.get(id)).cloned().collect(),
            revisions: dirt.revisions,
            explanations: dirt.explanations.into_iter().collect(),
            outcomes: dirt.outcomes,
            heartbeats: dirt.heartbeats.then(|| self.beats()),
            topology: dirt.topology.then(|| memory.topology.clone()),
            taken_back: dirt.taken_back,
        }
    }

    /// "Now" in record time. Only asked while a record or a deadline is at hand, which both have a
    /// time; the program's own records at the head of an empty store touch nothing that asks.
    pub(super) fn now(&self) -> Timestamp {
        self.memory.time.unwrap_or(Timestamp::EPOCH)
    }

    /// Advances time, firing every deadline that falls due on the way, each as a step of its own.
    fn advance(&mut self, to: Timestamp) {
        while let Some((at, deadline)) = self.memory.deadlines.pop(to) {
            // A deadline that was put off or set in the past still fires at a moment that has
            // come: time never goes back.
            let at = self.memory.time.map_or(at, |now| now.max(at));
            self.memory.time = Some(at);
            self.fire(deadline);
            self.end_step();
        }
        self.memory.time = Some(self.memory.time.map_or(to, |now| now.max(to)));
    }

    fn fire(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Lease(id) => self.end_by_lease(id),
            Deadline::Stale(id) => self.end_unknown(id),
            Deadline::Heartbeat(id) => self.miss_heartbeat(id),
            Deadline::Quiet(id) => self.resolve_quiet(id),
        }
    }

    /// Closes a step: derived facts are brought up to date, and every incident that it touched
    /// gets one revision.
    pub(super) fn end_step(&mut self) {
        let touched: Vec<IncidentId> = self.dirt.step.keys().copied().collect();
        for id in touched {
            let before = self.memory.incidents.get(&id).map(Figures::of);
            self.refresh(id);
            let after = self.memory.incidents.get(&id).filter(|incident| incident.revision > 0);
            if let (Some(before), Some(after)) = (before, after) {
                let moved = saying::derived(&before, after);
                moved.into_iter().for_each(|words| self.dirt.say(id, words));
            }
            self.refresh_similar(id);
        }
        let (now, by) = (self.now(), self.dirt.by.take());
        for (id, changes) in std::mem::take(&mut self.dirt.step) {
            let Some(incident) = self.memory.incidents.get_mut(&id) else { continue };
            incident.revision += 1;
            incident.as_of = now;
            self.memory.fading.incident(incident);
            self.dirt.incidents.insert(id);
            self.dirt.revisions.push((id, revision(incident, now, by.clone(), changes)));
        }
    }

    fn hear(&mut self, delivery: &Delivery, received_at: Timestamp) {
        let mut touched: Vec<IncidentId> = Vec::new();
        for word in delivery.words.iter().filter(|word| !word.is_test) {
            if let Some(incident) = self.observe(word, delivery, received_at) {
                touched.push(incident);
            }
        }
        for change in &delivery.changes {
            self.learn_change(change, received_at);
        }
        if delivery.truncated > 0 {
            touched.sort_unstable();
            touched.dedup();
            for id in touched {
                self.tell_truncation(id, delivery, received_at);
            }
        }
    }

    fn tell_truncation(&mut self, id: IncidentId, delivery: &Delivery, received_at: Timestamp) {
        let (count, source) = (delivery.truncated, &delivery.source);
        let alerts = if count == 1 { "1 alert".to_owned() } else { format!("{count} alerts") };
        let text = format!("{source} left {alerts} out of a message (truncatedAlerts)");
        self.add_caveat(id, CaveatKind::Truncated, received_at, None, text);
    }

    fn wake(&mut self, deaf: DeafStretch) {
        if !deaf.is_notable() {
            return;
        }
        self.memory.deadlines.put_off(deaf);
        let length = Span::from_seconds(deaf.length().seconds());
        let text =
            format!("scribed was not running for {length}; what was sent then may be missing");
        for id in self.running_incidents() {
            self.add_caveat(id, CaveatKind::Deaf, deaf.from, Some(deaf.until), text.clone());
        }
    }

    /// Tells every running incident. The number of the record stays in the log: ledger numbers
    /// never stand in a draft.
    fn tell_skip(&mut self) {
        let now = self.now();
        for id in self.running_incidents() {
            let text = "One received message could not be worked in and was passed over";
            self.add_caveat(id, CaveatKind::Skipped, now, None, text.to_owned());
        }
    }

    pub(super) fn running_incidents(&self) -> Vec<IncidentId> {
        self.memory
            .incidents
            .values()
            .filter(|incident| incident.state.is_running())
            .map(|incident| incident.id)
            .collect()
    }

    /// Adds a doubt, once: the same words at the same time are the same doubt.
    pub(super) fn add_caveat(
        &mut self,
        id: IncidentId,
        kind: CaveatKind,
        at: Timestamp,
        until: Option<Timestamp>,
        text: String,
    ) {
        let recorded_at = self.now();
        let Some(incident) = self.memory.incidents.get_mut(&id) else { return };
        let is_known = incident.caveats.iter().any(|known| {
            known.kind == kind
                && known.text == text
                && (kind == CaveatKind::Truncated || known.at == at)
        });
        if is_known {
            return;
        }
        self.dirt.say(id, format!("Caveat: {text}"));
        incident.caveats.push(Caveat { kind, at, until, recorded_at, text });
    }

    fn beats(&self) -> Vec<Beat> {
        self.memory
            .heartbeats
            .iter()
            .map(|(episode, heartbeat)| Beat {
                name: heartbeat.name.clone(),
                episode: *episode,
                last_word_at: heartbeat.last_word_at,
                deadline: self.memory.deadlines.get(Deadline::Heartbeat(*episode)),
                is_missed: heartbeat.missed_by.is_some(),
            })
            .collect()
    }
}

/// The revision that an incident has just reached.
fn revision(
    incident: &Incident,
    at: Timestamp,
    by: Option<String>,
    said: Vec<Sentence>,
) -> Revision {
    let mut revision = Revision {
        revision: incident.revision,
        at,
        by,
        changes: Vec::with_capacity(said.len()),
        about: Vec::new(),
        about_changes: Vec::new(),
    };
    for (place, (words, about)) in said.into_iter().enumerate() {
        revision.changes.push(words);
        match about {
            About::Nothing => {}
            About::Words(of) => revision.about.push((place, of)),
            About::Change(of) => revision.about_changes.push((place, of)),
        }
    }
    revision
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}
