//! Past incidents that look like the one at hand, by a printed rule.
//!
//! An incident is known again by its traces: the first sorts of alerts that took part in it. They
//! stand in its facts, so that whatever is forgotten and recalled, both sides of a comparison are
//! the same. Compared is only when a step added a sort of alert, took alerts out, or ended the
//! incident; such a step makes a revision anyway, so nothing here adds one. The past is the newest
//! `PAST_MAX` incidents that are over, each as little as a comparison and a quotation need.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::causes::round;
use super::machine::Machine;
use crate::domain::alert::Kind;
use crate::domain::incident::{CandidateKind, NoteKind, Opening, Similar, Trace};
use crate::domain::milestone::{Milestone, value_of};
use crate::domain::{
    ChangeKind, Episode, EpisodeId, Fingerprint, Incident, IncidentId, IncidentState, Name,
    Timestamp,
};

/// Past incidents that are remembered.
const PAST_MAX: usize = 1_000;
/// Sorts of alerts by which one incident is known again.
const TRACES_MAX: usize = 32;
/// Similar incidents that are told of.
const SIMILAR_MAX: usize = 5;
/// How alike two incidents are at least when one is told of in the other.
const SIMILAR_MIN: f64 = 0.4;
/// Longest text that is quoted from another incident, in characters.
const QUOTE_CHARS_MAX: usize = 300;
/// Names that a reason lists before it counts the others.
const NAMES_MAX: usize = 3;

/// What the parts weigh; a part that one of the two cannot know is left out of the whole.
const ALERTS: f64 = 0.5;
const SERVICES: f64 = 0.2;
const KINDS: f64 = 0.1;
const CAUSES: f64 = 0.2;
/// One sort of alert in two incidents: with the same labels, on the same service, by name alone.
const SAME_LABELS: f64 = 1.0;
const SAME_SERVICE: f64 = 0.9;
const SAME_NAME: f64 = 0.5;
/// A name that so many past incidents hold says half of what a new one does.
const COMMON_AT: f64 = 10.0;
/// Candidates below this point nowhere.
const LIKELY: f64 = 0.5;

/// The incidents that are over, newest kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Past {
    incidents: BTreeMap<IncidentId, PastIncident>,
    /// How many of them hold each alert name; derived.
    names: BTreeMap<Name, u32>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PastIncident {
    id: IncidentId,
    traces: Vec<Trace>,
    causes: Causes,
    title: String,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    resolution: Option<String>,
    root_cause: Option<String>,
    mitigation: Option<String>,
}

/// Where the likely candidates point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Causes {
    origin: Option<String>,
    change: Option<(ChangeKind, Name)>,
}

impl Past {
    /// From a snapshot.
    pub(super) fn from_list(list: Vec<PastIncident>) -> Self {
        let mut past = Self::default();
        list.into_iter().for_each(|incident| past.put(incident));
        past
    }

    /// For a snapshot.
    pub(super) fn to_list(&self) -> Vec<PastIncident> {
        self.incidents.values().cloned().collect()
    }

    fn knows(&self, id: IncidentId) -> bool {
        self.incidents.contains_key(&id)
    }

    fn put(&mut self, incident: PastIncident) {
        self.remove(incident.id);
        for name in names_of(&incident.traces) {
            *self.names.entry(name.clone()).or_default() += 1;
        }
        self.incidents.insert(incident.id, incident);
        if self.incidents.len() > PAST_MAX
            && let Some(oldest) = self.incidents.keys().next().copied()
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.remove(&id) else { return };
        for name in names_of(&incident.traces) {
            if let Some(count) = self.names.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.names.remove(name);
                }
            }
        }
    }

    /// How much an alert name says: less when many past incidents hold it.
    fn rarity(&self, name: &Name) -> f64 {
        let held = f64::from(self.names.get(name).copied().unwrap_or(0));
        COMMON_AT / (COMMON_AT + held)
    }
}

impl Machine {
    /// Notes that an alert takes part in an incident. Called where it joins.
    pub(super) fn leave_trace(&mut self, episode: EpisodeId, incident: IncidentId) {
        let (Some(episode), Some(incident)) =
            (self.memory.episodes.get(&episode), self.memory.incidents.get_mut(&incident))
        else {
            return;
        };
        if add_trace(&mut incident.traces, trace_of(episode)) {
            self.dirt.reshaped.insert(incident.id);
        }
    }

    /// Reads the traces of an incident anew after alerts were taken out of it.
    fn retrace(&mut self, id: IncidentId) {
        let mut traces = Vec::new();
        for member in self.memory.member_ids(id) {
            if let Some(member) = self.memory.episodes.get(&member) {
                add_trace(&mut traces, trace_of(member));
            }
        }
        if let Some(incident) = self.memory.incidents.get_mut(&id) {
            incident.traces = traces;
        }
    }

    /// Brings an incident's look at the past up to date after a step touched it, and its own place
    /// in the past.
    pub(super) fn refresh_similar(&mut self, id: IncidentId) {
        let is_thinned = self.dirt.thinned.remove(&id);
        if is_thinned {
            self.retrace(id);
        }
        let is_reshaped = self.dirt.reshaped.remove(&id) || is_thinned;
        let Some(incident) = self.memory.incidents.get_mut(&id) else { return };
        if let (Opening::Heartbeat { name, .. }, true) =
            (&incident.opening, incident.traces.is_empty())
        {
            let trace = Trace {
                alertname: name.clone(),
                service: None,
                kind: Kind::Availability,
                fingerprint: Fingerprint::new(name.as_str()),
            };
            incident.traces.push(trace);
        }
        let is_over = incident.state == IncidentState::Resolved;
        let ends_now = is_over && !self.memory.past.knows(id);
        if is_reshaped || ends_now || incident.revision == 0 {
            self.look_back(id);
        }
        let causes = self.likely_causes(id);
        match self.memory.incidents.get(&id).filter(|_| is_over) {
            Some(incident) => self.memory.past.put(past_of(incident, causes)),
            None => self.memory.past.remove(id),
        }
    }

    /// Compares an incident with the past.
    fn look_back(&mut self, id: IncidentId) {
        let causes = self.likely_causes(id);
        let Some(incident) = self.memory.incidents.get(&id) else { return };
        let past = &self.memory.past;
        let mut similar: Vec<Similar> = past
            .incidents
            .values()
            .filter(|other| other.id != id)
            .filter_map(|other| compare(&incident.traces, &causes, other, past))
            .collect();
        similar.sort_by(|a, b| {
            let is_told = |s: &Similar| s.resolution.is_some();
            is_told(b)
                .cmp(&is_told(a))
                .then(b.score.total_cmp(&a.score))
                .then(b.incident.cmp(&a.incident))
        });
        similar.truncate(SIMILAR_MAX);
        let known: Vec<IncidentId> = incident.similar.iter().map(|s| s.incident).collect();
        let now: Vec<IncidentId> = similar.iter().map(|s| s.incident).collect();
        if known != now {
            let words = match now.as_slice() {
                [] => "No past incident looks like this one any more".to_owned(),
                ids => {
                    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    format!("Past incidents that look like this one: {}", ids.join(", "))
                }
            };
            self.dirt.say(id, words);
        }
        if let Some(incident) = self.memory.incidents.get_mut(&id) {
            incident.similar = similar;
        }
    }

    fn likely_causes(&self, id: IncidentId) -> Causes {
        let Some(incident) = self.memory.incidents.get(&id) else { return Causes::default() };
        let likely = |kind| {
            incident.candidates.iter().find(|c| c.kind == kind).filter(|c| c.score >= LIKELY)
        };
        let change = likely(CandidateKind::Change).and_then(|candidate| {
            let known = incident.changes.iter().find(|c| c.to_string() == candidate.reference)?;
            let report = &self.memory.changes.get(known)?.report;
            Some((report.kind, report.service.clone()?))
        });
        let origin = likely(CandidateKind::Service).map(|candidate| candidate.reference.clone());
        Causes { origin, change }
    }
}

fn trace_of(episode: &Episode) -> Trace {
    Trace {
        alertname: Name::from(episode.alertname()),
        service: episode.service.clone(),
        kind: episode.kind,
        fingerprint: episode.key.fingerprint.clone(),
    }
}

/// Adds a sort of alert that is not there yet; tells whether it did.
fn add_trace(traces: &mut Vec<Trace>, new: Trace) -> bool {
    let is_known = traces.iter().any(|t| t.alertname == new.alertname && t.service == new.service);
    if is_known || traces.len() >= TRACES_MAX {
        return false;
    }
    traces.push(new);
    true
}

fn names_of(traces: &[Trace]) -> BTreeSet<&Name> {
    traces.iter().map(|trace| &trace.alertname).collect()
}

/// What the past keeps of an incident that is over.
fn past_of(incident: &Incident, causes: Causes) -> PastIncident {
    let report = &incident.report;
    let quote = |text: Option<&String>| text.and_then(|text| quoted(text));
    let resolution = quote(report.resolution.as_ref());
    let mitigation = incident
        .notes
        .iter()
        .filter(|note| note.kind == NoteKind::Mitigation)
        .filter(|note| note.withdrawn.is_none() && !note.hidden)
        .max_by_key(|note| (note.at, note.id))
        .and_then(|note| quoted(&note.text))
        .filter(|_| resolution.is_none());
    PastIncident {
        id: incident.id,
        traces: incident.traces.clone(),
        causes,
        title: quoted(incident.display_title()).unwrap_or_default(),
        started_at: value_of(incident, Milestone::Onset).at,
        ended_at: value_of(incident, Milestone::Resolution).at,
        resolution,
        root_cause: quote(report.root_cause.as_ref()),
        mitigation,
    }
}

/// A text on one line, cut to what is quoted; nothing when it is blank.
fn quoted(text: &str) -> Option<String> {
    let head: String = text.chars().take(QUOTE_CHARS_MAX * 4).collect();
    let line = head.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return None;
    }
    match line.char_indices().nth(QUOTE_CHARS_MAX) {
        None => Some(line),
        Some((end, _)) => Some(format!("{}…", line[..end].trim_end())),
    }
}

/// One term of the rule: its share of a weight, and the reason in words.
struct Term {
    weight: f64,
    share: f64,
    words: String,
}

/// The rule. `None` when no alert is shared or they are not alike enough.
fn compare(
    traces: &[Trace],
    causes: &Causes,
    other: &PastIncident,
    past: &Past,
) -> Option<Similar> {
    let alerts = shared_alerts(traces, &other.traces, past)?;
    let terms: Vec<Term> = [
        Some(alerts),
        shared_services(traces, &other.traces),
        shared_kinds(traces, &other.traces),
        shared_causes(causes, &other.causes),
    ]
    .into_iter()
    .flatten()
    .collect();
    let whole: f64 = terms.iter().map(|term| term.weight).sum();
    let score: f64 = terms.iter().map(|term| term.weight * term.share).sum::<f64>() / whole;
    if score < SIMILAR_MIN {
        return None;
    }
    let why = terms
        .iter()
        .filter(|term| term.share > 0.0)
        .map(|term| format!("{} ({:+.2})", term.words, term.weight * term.share / whole))
        .collect();
    Some(Similar {
        incident: other.id,
        title: other.title.clone(),
        started_at: other.started_at,
        ended_at: other.ended_at,
        score: round(score),
        why,
        resolution: other.resolution.clone(),
        root_cause: other.root_cause.clone(),
        mitigation: other.mitigation.clone(),
    })
}

/// Sorts of alerts that both have, each as alike as it is and as telling as it is rare.
fn shared_alerts(ours: &[Trace], theirs: &[Trace], past: &Past) -> Option<Term> {
    let mut is_met = vec![false; theirs.len()];
    let (mut shared, mut whole, mut same_labels) = (0.0, 0.0, 0_usize);
    let mut names: Vec<String> = Vec::new();
    for trace in ours {
        let rarity = past.rarity(&trace.alertname);
        whole += rarity;
        let best = theirs
            .iter()
            .enumerate()
            .filter(|(index, _)| !is_met[*index])
            .map(|(index, other)| (index, likeness(trace, other)))
            .filter(|(_, likeness)| *likeness > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some((index, likeness)) = best {
            is_met[index] = true;
            shared += rarity * likeness;
            same_labels += usize::from(trace.fingerprint == theirs[index].fingerprint);
            names.push(match &trace.service {
                Some(service) if trace.service == theirs[index].service => {
                    format!("{} on {service}", trace.alertname)
                }
                Some(_) | None => trace.alertname.to_string(),
            });
        }
    }
    let unmet = theirs.iter().zip(&is_met).filter(|(_, is_met)| !**is_met);
    whole += unmet.map(|(other, _)| past.rarity(&other.alertname)).sum::<f64>();
    if names.is_empty() {
        return None;
    }
    let labels = if same_labels > 0 {
        format!(", {same_labels} with the same labels")
    } else {
        String::new()
    };
    let words = format!(
        "{} here fired then too: {}{labels}",
        share_of(names.len(), ours.len(), "alert", "alerts"),
        listed(&names)
    );
    Some(Term { weight: ALERTS, share: shared / whole, words })
}

fn likeness(ours: &Trace, theirs: &Trace) -> f64 {
    if ours.alertname != theirs.alertname {
        0.0
    } else if ours.service != theirs.service {
        SAME_NAME
    } else if ours.fingerprint != theirs.fingerprint {
        SAME_SERVICE
    } else {
        SAME_LABELS
    }
}

fn shared_services(ours: &[Trace], theirs: &[Trace]) -> Option<Term> {
    let of = |traces: &[Trace]| -> BTreeSet<String> {
        traces.iter().filter_map(|t| t.service.as_ref().map(ToString::to_string)).collect()
    };
    in_common(SERVICES, ("service", "services"), &of(ours), &of(theirs))
}

fn shared_kinds(ours: &[Trace], theirs: &[Trace]) -> Option<Term> {
    let of = |traces: &[Trace]| -> BTreeSet<String> {
        traces.iter().map(|t| t.kind.as_str().replace('_', " ")).collect()
    };
    in_common(KINDS, ("kind of signal", "kinds of signal"), &of(ours), &of(theirs))
}

/// `2 of 3 alerts`, `all 3 alerts`, `both alerts`, `the one alert`.
fn share_of(number: usize, all: usize, one: &str, many: &str) -> String {
    match (number, all) {
        (1, 1) => format!("the one {one}"),
        (2, 2) => format!("both {many}"),
        (number, all) if number == all => format!("all {all} {many}"),
        (number, all) => format!("{number} of {all} {many}"),
    }
}

/// How much of two sets is in both; nothing when one of them is empty.
fn in_common(
    weight: f64,
    (one, many): (&str, &str),
    ours: &BTreeSet<String>,
    theirs: &BTreeSet<String>,
) -> Option<Term> {
    if ours.is_empty() || theirs.is_empty() {
        return None;
    }
    let both: Vec<String> = ours.intersection(theirs).cloned().collect();
    let all = ours.union(theirs).count();
    let words = match both.len() {
        0 => format!("no {one} in common"),
        number => format!("{} in common: {}", share_of(number, all, one, many), listed(&both)),
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 64")]
    let share = both.len() as f64 / all as f64;
    Some(Term { weight, share, words })
}

/// Whether the likely candidates point to the same place; nothing when one points nowhere.
fn shared_causes(ours: &Causes, theirs: &Causes) -> Option<Term> {
    let mut points = Vec::new();
    let mut words = Vec::new();
    if let (Some(a), Some(b)) = (&ours.origin, &theirs.origin) {
        points.push(a == b);
        if a == b {
            words.push(format!("{a} is the first candidate in both"));
        }
    }
    if let (Some(a), Some(b)) = (&ours.change, &theirs.change) {
        points.push(a == b);
        if a == b {
            words.push(format!("a change of kind {} on {} came before both", a.0, a.1));
        }
    }
    if points.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 2")]
    let share = points.iter().filter(|same| **same).count() as f64 / points.len() as f64;
    Some(Term { weight: CAUSES, share, words: words.join(" and ") })
}

/// The first few names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    match names.len().checked_sub(NAMES_MAX) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        Some(_) | None => shown.join(", "),
    }
}
