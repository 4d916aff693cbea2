//! How an incident is described in a test: a line an alert, a change, a note.

use crate::domain::alert::{EndKind, EpisodeEnd, EpisodeStart};
use crate::domain::change::{Change, ChangeKind, ChangeReport};
use crate::domain::facts::Revision;
use crate::domain::incident::{
    Action, ActionDraft, ActionKind, Candidate, CandidateKind, Caveat, CaveatKind, Horizon,
    Incident, IncidentState, LifecycleEvent, LifecycleKind, Moment, Note, NoteKind, Opening,
    Report, Tally,
};
use crate::domain::{
    ActionId, AlertKey, ChangeId, Episode, EpisodeId, Facts, IncidentId, Kind, Labels, Link,
    Membership, Name, NoteId, Severity, Span, Standing, Timestamp,
};

/// An incident, being described.
pub(crate) struct Story {
    pub(super) day: &'static str,
    pub(super) facts: Facts,
    lead_up: Span,
}

/// An alert, being described.
pub(crate) struct Firing<'a>(&'a mut Episode, &'static str);

/// A moment: `2024-06-22T15:05:00Z`, or a time of the story's day: `15:05`, `15:05:20`.
pub(crate) fn at(day: &str, text: &str) -> Timestamp {
    let text = match text.len() {
        5 => format!("{day}T{text}:00Z"),
        8 => format!("{day}T{text}Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse(&text).unwrap()
}

impl Firing<'_> {
    pub(crate) fn says(self, summary: &str, value: &str) -> Self {
        let old: Vec<(String, String)> =
            self.0.annotations.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let new =
            [("summary".to_owned(), summary.to_owned()), ("value".to_owned(), value.to_owned())];
        self.0.annotations = Labels::from_pairs(old.into_iter().chain(new));
        self
    }

    pub(crate) fn annotated(self, name: &str, value: &str) -> Self {
        let pairs = self.0.annotations.iter().chain([(name, value)]);
        self.0.annotations = Labels::from_pairs(pairs);
        self
    }

    pub(crate) fn labelled(self, name: &str, value: &str) -> Self {
        self.0.labels = Labels::from_pairs(self.0.labels.iter().chain([(name, value)]));
        self.0.key = AlertKey::new(self.0.key.namespace.clone(), self.0.labels.fingerprint());
        self
    }

    pub(crate) fn generated_by(self, url: &str) -> Self {
        self.0.links.push(Link { rel: Name::from("generator"), url: url.into() });
        self
    }

    pub(crate) fn from(self, source: &str) -> Self {
        self.0.sources = vec![Name::from(source)];
        self
    }

    pub(crate) fn heard(self, text: &str) -> Self {
        self.0.received_at = at(self.1, text);
        self
    }

    pub(crate) fn ended(self, text: &str) -> Self {
        self.ended_how(text, EndKind::Reported)
    }

    pub(crate) fn ended_how(self, text: &str, how: EndKind) -> Self {
        let end = at(self.1, text);
        self.0.end = Some(EpisodeEnd {
            at: end,
            heard_at: end + Span::from_seconds(30),
            refused: None,
            how,
        });
        self
    }

    pub(crate) fn edit(self, edit: impl FnOnce(&mut Episode)) -> Self {
        edit(self.0);
        self
    }
}

impl Story {
    pub(crate) fn new(day: &'static str, title: &str) -> Self {
        let start = at(day, "00:00");
        let opening = Opening::Alert { episode: EpisodeId(1), at: start };
        let opened = Incident::new(IncidentId(12), opening, title.to_owned(), start);
        let incident = Incident { revision: 17, ..opened };
        let facts = Facts {
            incident,
            members: Vec::new(),
            context: Vec::new(),
            changes: Vec::new(),
            revisions: vec![Revision {
                revision: 1,
                at: start,
                changes: vec!["Opened".to_owned()],
            }],
        };
        Self { day, facts, lead_up: Span::from_hours(1) }
    }

    pub(crate) fn alert(
        &mut self,
        name: &str,
        service: &str,
        severity: Severity,
        starts: &str,
    ) -> Firing<'_> {
        let number = self.facts.members.len() as u64 + 1;
        let start = at(self.day, starts);
        let labels = Labels::from_pairs([
            ("alertname", name),
            ("service", service),
            ("severity", severity.as_str()),
            ("env", "prod"),
        ]);
        self.facts.members.push(Episode {
            id: EpisodeId(number),
            key: AlertKey::new(Name::from("prometheus"), labels.fingerprint()),
            sources: vec![Name::from("alertmanager")],
            labels,
            annotations: Labels::default(),
            links: Vec::new(),
            values: Vec::new(),
            starts: vec![EpisodeStart { at: start, sender: None, by_api: false }],
            start_refused: None,
            end: None,
            lease: None,
            held_by_webhook: true,
            kind: Kind::Other,
            severity,
            service: (!service.is_empty()).then(|| Name::from(service)),
            received_at: start + Span::from_seconds(30),
            last_word_at: start + Span::from_seconds(30),
            deliveries: 1,
            resumed: 0,
            standing: Standing::Ordinary,
            is_test: false,
            membership: Membership::Member {
                incident: IncidentId(12),
                lead_up: false,
                by_person: false,
            },
            context_of: Vec::new(),
            reason: "Opened the incident: 1 critical alert is enough".into(),
        });
        Firing(self.facts.members.last_mut().unwrap(), self.day)
    }

    pub(crate) fn change(
        &mut self,
        when: &str,
        heard: &str,
        kind: ChangeKind,
        service: &str,
        summary: &str,
        author: &str,
    ) -> &mut Self {
        let number = self.facts.changes.len() as u64 + 1;
        self.facts.changes.push(Change {
            id: ChangeId(number),
            report: ChangeReport {
                source: Name::from("api"),
                at: at(self.day, when),
                ends_at: None,
                kind,
                service: Some(Name::from(service)),
                summary: summary.to_owned(),
                author: Some(author.to_owned()),
                link: None,
                labels: Labels::default(),
                key: None,
            },
            received_at: at(self.day, heard),
        });
        self
    }

    pub(crate) fn note(
        &mut self,
        when: &str,
        kind: NoteKind,
        text: &str,
        author: &str,
    ) -> &mut Self {
        let when = at(self.day, when);
        let number = self.facts.incident.notes.len() as u64 + 1;
        self.facts.incident.notes.push(Note {
            id: NoteId(number),
            text: text.to_owned(),
            kind,
            kind_inferred: false,
            at: when,
            received_at: when + Span::from_seconds(60),
            author: Some(author.to_owned()),
            pinned: false,
            hidden: false,
            withdrawn: None,
            history: Vec::new(),
        });
        self
    }

    pub(crate) fn event(
        &mut self,
        when: &str,
        kind: LifecycleKind,
        actor: Option<&str>,
    ) -> &mut Self {
        let when = at(self.day, when);
        self.facts.incident.lifecycle.push(LifecycleEvent {
            kind,
            at: when,
            recorded_at: when,
            actor: actor.map(str::to_owned),
        });
        self
    }

    pub(crate) fn acknowledged(&mut self, when: &str, by: &str) -> &mut Self {
        self.facts.incident.state = IncidentState::Acknowledged;
        self.event(when, LifecycleKind::Acknowledged, Some(by))
    }

    pub(crate) fn report(&mut self, edit: impl FnOnce(&mut Report)) -> &mut Self {
        edit(&mut self.facts.incident.report);
        self
    }

    pub(crate) fn action(
        &mut self,
        text: &str,
        kind: ActionKind,
        horizon: Option<Horizon>,
    ) -> &mut Self {
        let number = self.facts.incident.actions.len() as u64 + 1;
        self.facts.incident.actions.push(Action {
            id: ActionId(number),
            draft: ActionDraft {
                text: text.to_owned(),
                kind,
                horizon,
                owner: None,
                due: None,
                link: None,
                done: false,
            },
            recorded_at: at(self.day, "00:00"),
        });
        self
    }

    pub(crate) fn candidate(
        &mut self,
        kind: CandidateKind,
        reference: &str,
        summary: &str,
        score: f64,
        why: &[&str],
    ) -> &mut Self {
        self.facts.incident.candidates.push(Candidate {
            kind,
            reference: reference.to_owned(),
            summary: summary.to_owned(),
            score,
            why: why.iter().map(|w| (*w).to_owned()).collect(),
        });
        self
    }

    pub(crate) fn caveat(
        &mut self,
        when: &str,
        until: Option<&str>,
        kind: CaveatKind,
        text: &str,
    ) -> &mut Self {
        let when = at(self.day, when);
        self.facts.incident.caveats.push(Caveat {
            kind,
            at: when,
            until: until.map(|until| at(self.day, until)),
            recorded_at: when,
            text: text.to_owned(),
        });
        self
    }

    /// The facts while it runs.
    pub(crate) fn running(mut self, as_of: &str) -> Facts {
        self.facts.incident.as_of = at(self.day, as_of);
        self.add_up();
        self.facts
    }

    /// The facts after every alert has ended.
    pub(crate) fn resolved(mut self, as_of: &str) -> Facts {
        self.add_up();
        let end = self.facts.incident.tally.last_end.unwrap().at;
        self.facts.incident.as_of = at(self.day, as_of);
        self.facts.incident.state = IncidentState::Resolved;
        self.facts.incident.lifecycle.push(LifecycleEvent {
            kind: LifecycleKind::Resolved,
            at: end,
            recorded_at: end + Span::from_minutes(10),
            actor: None,
        });
        self.facts
    }

    /// What the machine would have counted, sorted as the store sorts.
    fn add_up(&mut self) {
        let facts = &mut self.facts;
        facts.members.sort_by_key(|e| (e.starts_at(), e.id));
        facts.changes.sort_by_key(|c| (c.report.at, c.id));
        let moment = |e: &Episode| Moment { at: e.starts_at(), episode: e.id };
        let pages = |e: &&Episode| e.severity.rank() >= Severity::Error.rank();
        let paging = facts.members.iter().find(pages).map(moment);
        let detected_at = paging.map(|p| p.at);
        let lead_up = self.lead_up;
        for episode in &mut facts.members {
            let is_early = detected_at
                .is_some_and(|at| episode.starts_at() < at && at - episode.starts_at() <= lead_up);
            if let Membership::Member { lead_up, .. } = &mut episode.membership {
                *lead_up = is_early;
            }
        }
        let mut services: Vec<Name> = Vec::new();
        for service in facts.members.iter().filter_map(|e| e.service.clone()) {
            if !services.contains(&service) {
                services.push(service);
            }
        }
        let firing = facts.members.iter().filter(|e| e.is_firing()).count() as u64;
        let last = facts.members.iter().filter_map(|e| Some((e.ends_at()?, e.id))).max();
        facts.incident.tally = Tally {
            total: facts.members.len() as u64,
            firing,
            first: facts.members.first().map(moment),
            first_paging: paging,
            last_end: last.filter(|_| firing == 0).map(|(at, episode)| Moment { at, episode }),
            has_unknown_end: facts
                .members
                .iter()
                .any(|e| e.end.as_ref().is_some_and(|end| end.how == EndKind::Unknown)),
            severity: facts.members.iter().map(|e| e.severity).reduce(Severity::worse),
            services,
        };
        let opener = paging.or(facts.incident.tally.first);
        if let (Some(opener), Opening::Alert { .. }) = (opener, &facts.incident.opening) {
            facts.incident.opening = Opening::Alert { episode: opener.episode, at: opener.at };
            let event = LifecycleEvent {
                kind: LifecycleKind::Opened,
                at: opener.at,
                recorded_at: opener.at + Span::from_seconds(30),
                actor: None,
            };
            facts.incident.lifecycle.insert(0, event);
        }
    }
}
