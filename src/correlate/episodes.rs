//! What a word says about a firing: which episode it belongs to, and what it changes there.
//!
//! The rules are those of the domain page, section 3. A word belongs to a known episode when its
//! start is one of that episode's, or when the two overlap in one of three stated ways; else it
//! tells of another episode of the same alert, older or newer.

use super::deadlines::Deadline;
use super::machine::Machine;
use super::saying;
use crate::domain::alert::{EndKind, EpisodeEnd, EpisodeStart};
use crate::domain::incident::CaveatKind;
use crate::domain::record::{Delivery, Path};
use crate::domain::symptom;
use crate::domain::{
    AlertKey, Claim, Ending, Episode, EpisodeId, IncidentId, Membership, Name, Standing, Timestamp,
    Word, WordState,
};

/// A word with what its delivery says about it.
#[derive(Clone, Copy)]
struct Heard<'a> {
    word: &'a Word,
    path: Path,
    source: &'a Name,
    sender: Option<&'a Name>,
    received_at: Timestamp,
}

/// Where a word belongs.
enum Match {
    /// To this episode.
    Known(EpisodeId),
    /// To an episode not known yet; `ends_by` is the start of the next one, if there is one.
    New { ends_by: Option<Timestamp> },
}

impl Machine {
    /// Takes a word in. Returns the incident that its episode belongs to.
    pub(super) fn observe(
        &mut self,
        word: &Word,
        delivery: &Delivery,
        received_at: Timestamp,
    ) -> Option<IncidentId> {
        let heard = Heard {
            word,
            path: delivery.path,
            source: &delivery.source,
            sender: delivery.sender.as_ref(),
            received_at,
        };
        let key = self.key_of(word);
        let id = match self.find(&key, heard) {
            Match::Known(id) => {
                self.hear_again(id, heard);
                id
            }
            Match::New { ends_by } => self.begin(key, heard, ends_by)?,
        };
        self.note_liveness(word, heard.source, received_at);
        self.note_long_firing(id);
        self.after_word(id, heard)
    }

    /// The identity of the alert that a word speaks of: the same fingerprint with other labels is
    /// another alert.
    pub(super) fn key_of(&self, word: &Word) -> AlertKey {
        if !word.key_from_labels {
            return word.key.clone();
        }
        let first = self
            .memory
            .episodes_of_alert(&word.key)
            .first()
            .and_then(|id| self.memory.episodes.get(id));
        match first {
            Some(episode) if !episode.labels.may_be(&word.labels) => {
                AlertKey { variant: Some(word.labels.hash64()), ..word.key.clone() }
            }
            _ => word.key.clone(),
        }
    }

    fn find(&self, key: &AlertKey, heard: Heard<'_>) -> Match {
        let ids = self.memory.episodes_of_alert(key);
        let episodes: Vec<&Episode> =
            ids.iter().filter_map(|id| self.memory.episodes.get(id)).collect();
        let start = heard.word.starts_at.at;
        let exact = episodes.iter().rev().find(|e| e.starts.iter().any(|s| s.at == start));
        if let Some(episode) = exact {
            return Match::Known(episode.id);
        }
        if let Some(episode) = episodes.iter().rev().find(|e| self.overlaps(e, heard)) {
            return Match::Known(episode.id);
        }
        let next = episodes.iter().map(|e| e.starts_at()).filter(|at| *at > start).min();
        Match::New { ends_by: next }
    }

    /// The ways in which a word with another start still speaks of an episode.
    fn overlaps(&self, episode: &Episode, heard: Heard<'_>) -> bool {
        // A sender with keys of its own says with the key what is one firing; its times are those
        // of its messages.
        let by_own_key = !heard.word.key_from_labels && episode.is_firing();
        by_own_key
            || self.overlaps_by_lease(episode, heard)
            || self.overlaps_by_peer(episode, heard)
            || overlaps_by_resolve(episode, heard)
    }

    /// (a) One of both came by the API path, and the start lies before the open lease's end.
    fn overlaps_by_lease(&self, episode: &Episode, heard: Heard<'_>) -> bool {
        let episode_by_api = episode.starts.iter().any(|s| s.by_api);
        if !episode.is_firing() || !(heard.path == Path::Api || episode_by_api) {
            return false;
        }
        let (start, word_end) = match &heard.word.state {
            WordState::Firing { lease } => (heard.word.starts_at.at, *lease),
            WordState::Resolved { ends_at, .. } => (heard.word.starts_at.at, Some(ends_at.at)),
        };
        // Without a lease of its own, an episode that a webhook holds open is open-ended.
        let starts_before_end = episode.lease.is_none_or(|lease| start < lease);
        let ends_after_start = word_end.is_none_or(|end| end >= episode.starts_at());
        starts_before_end && ends_after_start
    }

    /// (b) On webhooks: a start at most `peer_window` away was stated by another sender, and the
    /// word's start is not after the episode's end.
    fn overlaps_by_peer(&self, episode: &Episode, heard: Heard<'_>) -> bool {
        if heard.path != Path::Webhook || !self.is_open_or_fresh(episode) {
            return false;
        }
        let start = heard.word.starts_at.at;
        let window = self.memory.rules.alerts.peer_window;
        let stated_by_peer = episode.starts.iter().any(|known| {
            !known.by_api
                && known.sender.as_ref() != heard.sender
                && (known.at - start).abs() <= window
        });
        stated_by_peer && episode.ends_at().is_none_or(|end| start <= end)
    }

    /// Open, or closed within the stale-firing window.
    fn is_open_or_fresh(&self, episode: &Episode) -> bool {
        let window = self.memory.rules.alerts.stale_firing_window;
        episode.end.as_ref().is_none_or(|end| self.now() - end.heard_at <= window)
    }

    /// A word for an episode that is known.
    fn hear_again(&mut self, id: EpisodeId, heard: Heard<'_>) {
        let now = self.now();
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        episode.deliveries += 1;
        episode.last_word_at = now;
        self.dirt.heard.push(id);
        if !episode.sources.contains(heard.source) {
            episode.sources.push(heard.source.clone());
            self.dirt.episodes.insert(id);
        }
        let before = self.memory.episodes.get(&id).map(Episode::starts_at);
        self.add_start(id, heard);
        match &heard.word.state {
            WordState::Firing { lease } => self.hear_firing(id, heard, *lease),
            WordState::Resolved { ends_at, ending } => {
                self.hear_end(id, heard, ends_at, ending);
            }
        }
        self.take_details(id, heard);
        let after = self.memory.episodes.get(&id).map(Episode::starts_at);
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            self.say_of(id, |name| {
                let (was, is) = (saying::moment(before), saying::moment(after));
                format!("{name} began earlier than known: at {is}, not at {was}")
            });
        }
    }

    /// Keeps a start as an alias; the earliest comes first. The zero-length interval of Grafana's
    /// resolve states no start.
    fn add_start(&mut self, id: EpisodeId, heard: Heard<'_>) {
        let start = heard.word.starts_at.at;
        if let WordState::Resolved { ends_at, .. } = &heard.word.state
            && ends_at.at == start
        {
            return;
        }
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        let by_api = heard.path == Path::Api;
        let is_known = episode
            .starts
            .iter()
            .any(|s| s.at == start && s.by_api == by_api && s.sender.as_ref() == heard.sender);
        if is_known {
            return;
        }
        let alias = EpisodeStart { at: start, sender: heard.sender.cloned(), by_api };
        let place = episode.starts.partition_point(|s| s.at <= start);
        if place == 0 {
            episode.start_refused.clone_from(&heard.word.starts_at.refused);
        }
        episode.starts.insert(place, alias);
        self.dirt.episodes.insert(id);
        self.memory.recount(id);
    }

    /// Links of the newest word that brings any; annotations and values of the one that was worst.
    ///
    /// A firing is told by what it was like at its worst: a later word with a milder number leaves
    /// it, and so does a resolve, whose texts and values are those of a service that works again.
    fn take_details(&mut self, id: EpisodeId, heard: Heard<'_>) {
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        let word = heard.word;
        if !word.links.is_empty() && episode.links != word.links {
            episode.links.clone_from(&word.links);
            self.dirt.episodes.insert(id);
        }
        let is_firing = matches!(word.state, WordState::Firing { .. });
        let is_bare = episode.annotations.is_empty() && episode.values.is_empty();
        let is_reworded = !word.annotations.is_empty() && episode.annotations != word.annotations;
        let is_measured_anew = !word.values.is_empty() && episode.values != word.values;
        if !(is_firing || is_bare) || !(is_reworded || is_measured_anew) {
            return;
        }
        let is_told = episode.incident().is_some();
        let before = is_told.then(|| saying::Told::of(episode));
        let worst = symptom::figure(episode).map(|figure| figure.number);
        let (annotations, values) = (episode.annotations.clone(), episode.values.clone());
        if is_reworded {
            episode.annotations = word.annotations.clone();
        }
        if is_measured_anew {
            episode.values.clone_from(&word.values);
        }
        let is_milder = match (symptom::figure(episode), worst) {
            (Some(now), Some(worst)) => symptom::is_milder(now.number, worst, now.is_worse_low()),
            (_, _) => false,
        };
        if is_milder {
            (episode.annotations, episode.values) = (annotations, values);
            return;
        }
        let after = is_told.then(|| saying::Told::of(episode));
        self.dirt.episodes.insert(id);
        self.memory.member_changed(id);
        if let (Some(before), Some(after)) = (before, after) {
            self.say_of(id, |name| saying::news(name, &before, &after));
        }
    }

    fn hear_firing(&mut self, id: EpisodeId, heard: Heard<'_>, lease: Option<Timestamp>) {
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        let window = self.memory.rules.alerts.stale_firing_window;
        let now = self.memory.time.unwrap_or(heard.received_at);
        let resumes = match &episode.end {
            None => true,
            Some(end) => match end.how {
                // Over because a later one began: a firing of it is an old copy.
                EndKind::Superseded => false,
                EndKind::Unknown | EndKind::LeaseExpired => {
                    lease.is_none_or(|lease| lease > end.at)
                }
                EndKind::Reported | EndKind::Abandoned(_) => match heard.path {
                    // One that was received before the end was heard is an old copy, however late it
                    // comes in.
                    Path::Webhook => now.min(heard.received_at) - end.heard_at > window,
                    Path::Api => lease.is_none_or(|lease| lease > end.at),
                },
            },
        };
        if !resumes {
            return;
        }
        let ended = episode.end.take();
        let was_held = episode.held_by_webhook;
        if heard.path == Path::Webhook {
            episode.held_by_webhook = true;
        }
        if ended.is_some() || was_held != episode.held_by_webhook {
            self.dirt.episodes.insert(id);
        }
        if let Some(lease) = lease {
            episode.lease = Some(episode.lease.map_or(lease, |known| known.max(lease)));
        }
        if let Some(end) = ended {
            episode.resumed += 1;
            self.memory.recount(id);
            self.resume(id, &end, heard.received_at);
        }
    }

    /// An episode that had ended goes on.
    fn resume(&mut self, id: EpisodeId, end: &EpisodeEnd, received_at: Timestamp) {
        let name = self.name_of(id);
        if matches!(end.how, EndKind::Reported | EndKind::Abandoned(_))
            && let Some(incident) = self.incident_of(id)
        {
            let text = format!("{name} was reported over and then fired on; the end was withdrawn");
            self.add_caveat(
                incident,
                CaveatKind::ResolveWithdrawn,
                end.at,
                Some(received_at),
                text,
            );
        }
        self.say_of(id, |name| format!("{name} fires on"));
        self.go_on(id, &format!("{name} fires on"), received_at);
    }

    fn hear_end(&mut self, id: EpisodeId, heard: Heard<'_>, claimed: &Claim, ending: &Ending) {
        let now = self.now();
        let next = self.next_start(id);
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        if heard.path == Path::Webhook && episode.held_by_webhook {
            episode.held_by_webhook = false;
            self.dirt.episodes.insert(id);
        }
        let mut at = claimed.at.max(episode.starts_at());
        let how = match ending {
            Ending::Recovered => EndKind::Reported,
            Ending::Abandoned(reason) => EndKind::Abandoned(reason.clone()),
        };
        let reopens = match &episode.end {
            None => false,
            Some(end) => match end.how {
                // The latest explicit end wins, as in Alertmanager's own merging; that makes the
                // order in which two peers are heard irrelevant.
                EndKind::Reported | EndKind::Abandoned(_) if at <= end.at => return,
                EndKind::Reported | EndKind::Abandoned(_) => false,
                EndKind::Superseded => {
                    at = next.map_or(at, |next| at.min(next));
                    false
                }
                EndKind::Unknown | EndKind::LeaseExpired => true,
            },
        };
        let heard_at = match &episode.end {
            Some(end) if !reopens => end.heard_at,
            _ => now,
        };
        episode.end = Some(EpisodeEnd { at, heard_at, refused: claimed.refused.clone(), how });
        self.dirt.episodes.insert(id);
        self.memory.recount(id);
        self.say_of(id, |name| saying::ended(name, at, heard_at));
        if reopens {
            let reason = format!("the end of {} was heard after all", self.name_of(id));
            self.go_on(id, &reason, heard.received_at);
        }
    }

    /// The start of the next episode of the same alert.
    fn next_start(&self, id: EpisodeId) -> Option<Timestamp> {
        let episode = self.memory.episodes.get(&id)?;
        self.memory
            .episodes_of_alert(&episode.key)
            .into_iter()
            .filter_map(|other| self.memory.episodes.get(&other))
            .map(Episode::starts_at)
            .filter(|at| *at > episode.starts_at())
            .min()
    }

    /// A first word: makes the episode, and ends an older one that was still open.
    fn begin(
        &mut self,
        key: AlertKey,
        heard: Heard<'_>,
        ends_by: Option<Timestamp>,
    ) -> Option<EpisodeId> {
        let word = heard.word;
        // A sender with keys of its own may end what was never begun; there is nothing to show.
        if word.labels.is_empty() && matches!(word.state, WordState::Resolved { .. }) {
            return None;
        }
        if ends_by.is_none() {
            self.supersede(&key, word.starts_at.at);
        }
        let now = self.now();
        let (end, lease) = match &word.state {
            WordState::Firing { lease } => match ends_by {
                Some(next) => (
                    Some(EpisodeEnd {
                        at: next,
                        heard_at: now,
                        refused: None,
                        how: EndKind::Superseded,
                    }),
                    *lease,
                ),
                None => (None, *lease),
            },
            WordState::Resolved { ends_at, ending } => {
                let how = match ending {
                    Ending::Recovered => EndKind::Reported,
                    Ending::Abandoned(reason) => EndKind::Abandoned(reason.clone()),
                };
                let at = ends_by.map_or(ends_at.at, |next| ends_at.at.min(next));
                let refused = ends_at.refused.clone();
                (Some(EpisodeEnd { at, heard_at: now, refused, how }), None)
            }
        };
        let id = self.memory.next_episode();
        let reading = self.read(word);
        let standing = self.standing_of(&key, word, heard.source, heard.received_at);
        let episode = Episode {
            id,
            key,
            sources: vec![heard.source.clone()],
            labels: word.labels.clone(),
            annotations: word.annotations.clone(),
            links: word.links.clone(),
            values: word.values.clone(),
            starts: vec![EpisodeStart {
                at: word.starts_at.at,
                sender: heard.sender.cloned(),
                by_api: heard.path == Path::Api,
            }],
            start_refused: word.starts_at.refused.clone(),
            held_by_webhook: end.is_none() && heard.path == Path::Webhook,
            end,
            lease,
            kind: reading.kind,
            severity: reading.severity,
            service: reading.service,
            received_at: heard.received_at,
            last_word_at: now,
            deliveries: 1,
            resumed: 0,
            standing,
            is_test: false,
            membership: Membership::Floating,
            context_of: Vec::new(),
            reason: Box::default(),
        };
        self.memory.put_episode(episode);
        self.dirt.episodes.insert(id);
        Some(id)
    }

    /// A later firing began: whatever of the same alert was still open was over by then.
    fn supersede(&mut self, key: &AlertKey, start: Timestamp) {
        let now = self.now();
        for id in self.memory.episodes_of_alert(key) {
            let Some(episode) = self.memory.episodes.get_mut(&id) else { continue };
            if !episode.is_firing() {
                continue;
            }
            let at = start.max(episode.starts_at());
            episode.end =
                Some(EpisodeEnd { at, heard_at: now, refused: None, how: EndKind::Superseded });
            episode.held_by_webhook = false;
            self.memory.recount(id);
            self.dirt.episodes.insert(id);
            self.memory.deadlines.clear(Deadline::Lease(id));
            self.memory.deadlines.clear(Deadline::Stale(id));
            self.say_of(id, |name| format!("{name} began anew, so the firing before was over"));
        }
    }

    /// Deadlines, heartbeats and grouping after any word.
    fn after_word(&mut self, id: EpisodeId, heard: Heard<'_>) -> Option<IncidentId> {
        self.set_deadlines(id);
        let episode = self.memory.episodes.get(&id)?;
        if episode.standing == Standing::Heartbeat {
            let is_over = matches!(heard.word.state, WordState::Resolved { .. });
            let words = self.memory.rules.alerts.heartbeat_words;
            let reason = format!(
                "In no incident: a heartbeat never joins one; its silence is the alarm, armed after {words} words."
            );
            self.set_reason(id, reason);
            self.hear_heartbeat(id, is_over);
            return None;
        }
        if episode.reason.is_empty() {
            self.place(id);
            self.tell_reused_fingerprint(id);
        }
        self.incident_of(id)
    }

    fn tell_reused_fingerprint(&mut self, id: EpisodeId) {
        let Some(episode) = self.memory.episodes.get(&id) else { return };
        if episode.key.variant.is_none() {
            return;
        }
        let (at, fingerprint) = (episode.received_at, episode.key.fingerprint.clone());
        if let Some(incident) = episode.incident() {
            let text = format!(
                "Fingerprint {fingerprint} was met with other labels before; it is treated as another alert"
            );
            self.add_caveat(incident, CaveatKind::FingerprintReused, at, None, text);
        }
    }

    fn set_deadlines(&mut self, id: EpisodeId) {
        let Some(episode) = self.memory.episodes.get(&id) else { return };
        let stale_after = self.memory.rules.alerts.stale_after;
        if !episode.is_firing() || episode.standing == Standing::Heartbeat {
            self.memory.deadlines.clear(Deadline::Lease(id));
            self.memory.deadlines.clear(Deadline::Stale(id));
            return;
        }
        let last_word_at = episode.last_word_at;
        let lease = episode.lease;
        self.memory.deadlines.set(Deadline::Stale(id), last_word_at + stale_after, stale_after);
        if let Some(lease) = lease {
            self.memory.deadlines.set(Deadline::Lease(id), lease, lease - last_word_at);
        }
    }

    /// The API path promised word by now. A lease ends nothing that a webhook still holds firing.
    pub(super) fn end_by_lease(&mut self, id: EpisodeId) {
        let now = self.now();
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        if !episode.is_firing() || episode.held_by_webhook {
            return;
        }
        let at = episode.lease.unwrap_or(now).max(episode.starts_at());
        episode.end =
            Some(EpisodeEnd { at, heard_at: now, refused: None, how: EndKind::LeaseExpired });
        self.memory.recount(id);
        self.dirt.episodes.insert(id);
        self.memory.deadlines.clear(Deadline::Stale(id));
        self.say_of(id, |name| format!("{name} was no longer renewed by its sender"));
    }

    /// Nothing was heard for so long that nobody can say whether it fires.
    pub(super) fn end_unknown(&mut self, id: EpisodeId) {
        let now = self.now();
        let Some(episode) = self.memory.episodes.get_mut(&id) else { return };
        if !episode.is_firing() {
            return;
        }
        let at = episode.last_word_at.max(episode.starts_at());
        episode.held_by_webhook = false;
        episode.end = Some(EpisodeEnd { at, heard_at: now, refused: None, how: EndKind::Unknown });
        self.memory.recount(id);
        self.dirt.episodes.insert(id);
        self.memory.deadlines.clear(Deadline::Lease(id));
        self.say_of(id, |name| format!("{name} was not heard of for too long; its end is unknown"));
    }

    /// Says that the incident of an episode, if it has one, changes in this step.
    pub(super) fn say_of(&mut self, id: EpisodeId, words: impl FnOnce(&str) -> String) {
        if let Some(incident) = self.incident_of(id) {
            let text = words(&self.name_of(id));
            self.dirt.say(incident, text);
        }
    }

    /// An alert as sentences name it: `HighErrorRate on shop-web`, `KubeNodeNotReady on node-7`.
    pub(super) fn name_of(&self, id: EpisodeId) -> String {
        self.memory.episodes.get(&id).map_or_else(|| id.to_string(), symptom::name)
    }

    pub(super) fn incident_of(&self, id: EpisodeId) -> Option<IncidentId> {
        self.memory.episodes.get(&id).and_then(Episode::incident)
    }
}

/// (c) A resolve whose interval holds the open episode's start, or one without length (Grafana),
/// which closes the open episode; said again, it is a repeat of the end it gave.
fn overlaps_by_resolve(episode: &Episode, heard: Heard<'_>) -> bool {
    let WordState::Resolved { ends_at, .. } = &heard.word.state else { return false };
    let (start, end) = (heard.word.starts_at.at, ends_at.at);
    if start == end {
        return episode.ends_at().map_or(episode.starts_at() <= end, |known| known == end);
    }
    episode.is_firing() && start <= episode.starts_at() && episode.starts_at() <= end
}
