//! A ledger in a vector, and a machine over it. Time is whatever the test says.

use std::collections::BTreeMap;

use crate::correlate::{Effects, Machine, Recalled, Wants};
use crate::domain::facts::Revision;
use crate::domain::incident::NoteKind;
use crate::domain::record::{Delivery, NoteDraft, Operation, OperationAction, Outcome, Path};
use crate::domain::topology::Edge;
use crate::domain::{
    AlertKey, Change, ChangeId, Claim, Ending, Episode, EpisodeId, Explanation, Incident,
    IncidentId, Labels, Name, Record, RecordBody, Seq, Span, Timestamp, Topology, Word, WordState,
};

/// Minutes after the beginning of a test, as a moment.
pub(super) fn minute(minutes: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "tests count minutes")]
    let millis = (minutes * 60_000.0) as i64;
    Timestamp::parse("2026-03-02T10:00:00Z").unwrap() + Span::from_millis(millis)
}

/// The store's part: everything that was ever committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Committed {
    pub(super) episodes: BTreeMap<EpisodeId, Episode>,
    pub(super) incidents: BTreeMap<IncidentId, Incident>,
    pub(super) changes: BTreeMap<ChangeId, Change>,
    pub(super) explanations: BTreeMap<EpisodeId, Explanation>,
    pub(super) revisions: Vec<(IncidentId, Revision)>,
    pub(super) outcomes: BTreeMap<Seq, Outcome>,
}

impl Committed {
    pub(super) fn take(&mut self, effects: Effects) {
        self.episodes.extend(effects.episodes.into_iter().map(|e| (e.id, e)));
        for (id, heard) in effects.heard {
            let episode = self.episodes.get_mut(&id).unwrap();
            episode.last_word_at = heard.last_word_at;
            episode.lease = heard.lease;
            episode.deliveries = heard.deliveries;
        }
        self.incidents.extend(effects.incidents.into_iter().map(|i| (i.id, i)));
        self.changes.extend(effects.changes.into_iter().map(|c| (c.id, c)));
        self.explanations.extend(effects.explanations);
        self.revisions.extend(effects.revisions);
        self.outcomes.extend(effects.outcomes);
    }

    pub(super) fn look_up(&self, wants: &Wants) -> Recalled {
        let mut recalled = Recalled::default();
        for id in &wants.incidents {
            if let Some(incident) = self.incidents.get(id) {
                recalled.incidents.push(incident.clone());
                recalled
                    .changes
                    .extend(incident.changes.iter().filter_map(|c| self.changes.get(c)).cloned());
            }
            recalled
                .episodes
                .extend(self.episodes.values().filter(|e| e.incident() == Some(*id)).cloned());
        }
        for key in &wants.alerts {
            recalled.episodes.extend(self.episodes.values().filter(|e| e.key == *key).cloned());
        }
        for id in &wants.episodes {
            recalled.episodes.extend(self.episodes.get(id).cloned());
        }
        for (source, key) in &wants.change_keys {
            recalled.changes.extend(
                self.changes
                    .values()
                    .filter(|c| c.report.source == *source && c.report.key.as_ref() == Some(key))
                    .cloned(),
            );
        }
        recalled
    }
}

/// A machine with its ledger.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) ledger: Vec<Record>,
    pub(super) committed: Committed,
}

impl World {
    pub(super) fn new() -> Self {
        Self { machine: Machine::new(), ledger: Vec::new(), committed: Committed::default() }
    }

    pub(super) fn with_edges(edges: &[(&str, &str)]) -> Self {
        let mut world = Self::new();
        let edges = edges
            .iter()
            .map(|(caller, callee)| Edge {
                caller: Name::from(*caller),
                callee: Name::from(*callee),
                cluster: None,
            })
            .collect();
        let topology = Topology { edges, placement: vec![] };
        world.append(minute(0.0), RecordBody::Topology(topology));
        world
    }

    /// Appends a record received at a time and handles it at once.
    pub(super) fn append(&mut self, at: Timestamp, body: RecordBody) -> Seq {
        let last = self.ledger.last().and_then(|record| record.time);
        let time = last.map_or(at, |last| last.max(at));
        let seq = Seq(self.ledger.len() as u64 + 1);
        let record = Record { seq, time: Some(time), received_at: Some(at), body };
        self.ledger.push(record.clone());
        self.handle(&record);
        seq
    }

    pub(super) fn handle(&mut self, record: &Record) {
        feed(&mut self.machine, record, &self.committed);
        let effects = self.machine.take_effects();
        self.committed.take(effects);
    }

    /// Lets time pass up to a moment, as ticks do.
    pub(super) fn tick(&mut self, at: f64) {
        self.append(minute(at), RecordBody::Tick);
    }

    pub(super) fn say(&mut self, at: f64, alert: &Alert) -> Seq {
        self.say_as(at, alert, "http://am-0:9093", Path::Webhook)
    }

    pub(super) fn say_as(&mut self, at: f64, alert: &Alert, sender: &str, path: Path) -> Seq {
        let delivery = Delivery {
            source: Name::from(if path == Path::Api { "prometheus" } else { "alertmanager" }),
            path,
            sender: (path == Path::Webhook).then(|| Name::from(sender)),
            group: None,
            truncated: 0,
            rejected: 0,
            words: vec![alert.word()],
            changes: vec![],
        };
        self.append(minute(at), RecordBody::Delivery(delivery))
    }

    /// A person's doing; returns what became of it.
    pub(super) fn act(&mut self, at: f64, action: OperationAction) -> Outcome {
        let operation = Operation {
            principal: None,
            actor: Some("ann".to_owned()),
            at: None,
            if_revision: None,
            action,
        };
        let seq = self.append(minute(at), RecordBody::Operation(Box::new(operation)));
        self.committed.outcomes[&seq].clone()
    }

    pub(super) fn note(&mut self, at: f64, incident: u64, kind: NoteKind, text: &str) -> Outcome {
        let draft = NoteDraft { text: text.to_owned(), kind: Some(kind), suggested: None };
        self.act(at, OperationAction::AddNote(IncidentId(incident), draft))
    }

    pub(super) fn episodes(&self) -> Vec<&Episode> {
        self.committed.episodes.values().collect()
    }

    pub(super) fn episode(&self, id: u64) -> &Episode {
        &self.committed.episodes[&EpisodeId(id)]
    }

    pub(super) fn incident(&self, id: u64) -> &Incident {
        &self.committed.incidents[&IncidentId(id)]
    }
}

/// Recalls what is wanted, then handles.
pub(super) fn feed(machine: &mut Machine, record: &Record, committed: &Committed) {
    loop {
        let wants = machine.wants(record);
        if wants.is_empty() {
            break;
        }
        let recalled = committed.look_up(&wants);
        machine.recall(wants, recalled);
    }
    machine.handle(record);
}

/// An alert as a test writes it.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) labels: Vec<(String, String)>,
    pub(super) start: f64,
    pub(super) end: Option<f64>,
    pub(super) lease: Option<f64>,
    pub(super) ending: Ending,
    pub(super) value: Option<f64>,
}

impl Alert {
    pub(super) fn new(name: &str, service: &str, severity: &str, start: f64) -> Self {
        Self {
            labels: [("alertname", name), ("service", service), ("severity", severity)]
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            start,
            end: None,
            lease: None,
            ending: Ending::Recovered,
            value: None,
        }
    }

    pub(super) fn measured(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    pub(super) fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn from(mut self, start: f64) -> Self {
        self.start = start;
        self.end = None;
        self
    }

    pub(super) fn over(mut self, end: f64) -> Self {
        self.end = Some(end);
        self
    }

    pub(super) fn leased(mut self, lease: f64) -> Self {
        self.lease = Some(lease);
        self.end = None;
        self
    }

    fn word(&self) -> Word {
        let labels = Labels::from_pairs(self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let state = match self.end {
            Some(end) => WordState::Resolved {
                ends_at: Claim::plain(minute(end)),
                ending: self.ending.clone(),
            },
            None => WordState::Firing { lease: self.lease.map(minute) },
        };
        Word {
            key: AlertKey::new(Name::from("prometheus"), labels.fingerprint()),
            key_from_labels: true,
            labels,
            annotations: Labels::default(),
            state,
            starts_at: Claim::plain(minute(self.start)),
            links: vec![],
            values: self.value.map(|value| ("B".into(), value)).into_iter().collect(),
            is_test: false,
        }
    }
}
