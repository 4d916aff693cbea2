//! Facts built by hand for tests: the five outages of the scenarios, and the hard shapes.

use std::collections::BTreeMap;

use crate::domain::alert::{EndKind, EpisodeEnd, EpisodeStart};
use crate::domain::change::{Change, ChangeKind, ChangeReport};
use crate::domain::facts::Revision;
use crate::domain::incident::{
    Action, ActionDraft, ActionKind, Candidate, CandidateKind, Caveat, CaveatKind, Horizon,
    Incident, IncidentState, LifecycleEvent, LifecycleKind, Moment, Note, NoteKind, Opening,
    Report, Similar, Tally,
};
use crate::domain::{
    ActionId, AlertKey, ChangeId, Episode, EpisodeId, Facts, IncidentId, Kind, Labels, Link,
    Membership, Name, NoteId, Severity, Span, Standing, Timestamp,
};

/// An incident, being described.
pub(crate) struct Story {
    day: &'static str,
    facts: Facts,
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
        let incident = Incident {
            id: IncidentId(12),
            revision: 17,
            as_of: start,
            opening: Opening::Alert { episode: EpisodeId(1), at: start },
            state: IncidentState::Open,
            title: title.to_owned(),
            lifecycle: Vec::new(),
            tally: Tally::default(),
            report: Report::default(),
            notes: Vec::new(),
            actions: Vec::new(),
            caveats: Vec::new(),
            follows: None,
            related: Vec::new(),
            changes: Vec::new(),
            candidates: Vec::new(),
            traces: Vec::new(),
            similar: Vec::new(),
            finalised: None,
            pinned: false,
        };
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
            reason: "Opened the incident: 1 critical alert is enough".to_owned(),
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

const IMPROVEMENT: ActionKind = ActionKind::Improvement;
const TASK: ActionKind = ActionKind::Task;

/// Scenario `bookstore-503`.
pub(crate) fn bookstore() -> Facts {
    let mut s = Story::new("2024-06-22", "Http503RateHigh on bookstore-web");
    s.alert("Http503RateHigh", "bookstore-web", Severity::Critical, "15:15")
        .says("503 responses: share of requests in percent", "85")
        .generated_by("http://prometheus:9090/graph?g0.expr=Http503RateHigh&g0.tab=1")
        .ended("17:00");
    s.alert("DatabaseConnectionTimeouts", "bookstore-db", Severity::Critical, "16:00")
        .says("Connection timeouts to bookstore-db-0 per second", "42")
        .labelled("instance", "bookstore-db-0")
        .generated_by("http://prometheus:9090/graph?g0.expr=DatabaseConnectionTimeouts&g0.tab=1")
        .ended("16:55");
    s.alert("ReplicationLagHigh", "bookstore-db", Severity::Warning, "16:20")
        .says("Replica is behind, in seconds", "310")
        .labelled("instance", "bookstore-db-1")
        .ended("16:44");
    let db = "database team";
    let config = ChangeKind::Config;
    s.change("15:05", "15:05:20", config, "bookstore-db", "Routine update of the replication settings", db)
        .change("16:35", "16:35:20", config, "bookstore-db", "Replication settings corrected", db)
        .note("15:17", NoteKind::Notification, "On-call engineer paged by the monitoring system", "monitoring")
        .acknowledged("15:20", "on-call")
        .note("15:20", NoteKind::Investigation, "Web server logs read", "on-call")
        .note("15:30", NoteKind::WrongLead, "Traffic surge assumed; server capacity raised, without effect", "on-call")
        .note("15:45", NoteKind::Investigation, "Traffic is normal; attention turns to the database", "on-call")
        .note("16:15", NoteKind::Escalation, "Database team called", "on-call")
        .note("16:25", NoteKind::Diagnosis, "Replication is misconfigured since the update", db)
        .note("16:36", NoteKind::Mitigation, "Settings corrected, but the site stays down", db)
        .note("16:45", NoteKind::Mitigation, "Caches cleared and services restarted", "on-call")
        .note("17:00", NoteKind::Resolution, "Site works again in full", "on-call")
        .report(|r| {
            r.impact_users_percent = Some(85.0);
            r.impact = Some("The whole bookstore was down; about 85% of users could neither browse nor buy".into());
            r.root_cause = Some("Replication settings broken by a routine update led to replication lag, connection timeouts and a cascade up to the web tier".into());
            r.resolution = Some("Settings corrected, caches cleared, services restarted".into());
        })
        .action("Validate database configuration before it is deployed", IMPROVEMENT, None)
        .action("Add a staging environment for database changes", IMPROVEMENT, None)
        .action("Alert on replication lag and connection timeouts", TASK, None)
        .action("Write rollback procedures for database changes", TASK, None)
        .action("Audit database configuration regularly", TASK, None)
        .candidate(CandidateKind::Change, "c1", "Routine update of the replication settings (config on bookstore-db)", 0.87,
            &["bookstore-web calls bookstore-db", "10m before the onset", "still in place when the incident began"])
        .candidate(CandidateKind::Service, "bookstore-db", "bookstore-db", 0.74, &["bookstore-web calls it", "2 of 3 alerts"])
        .candidate(CandidateKind::Service, "bookstore-web", "bookstore-web", 0.26, &["first symptom at the onset"]);
    s.resolved("17:15")
}

/// Scenario `food-delivery`, in Africa/Lagos (UTC+1).
pub(crate) fn food_delivery() -> Facts {
    let mut s = Story::new("2024-01-30", "RegistrationErrorRate on registration");
    s.alert("RegistrationErrorRate", "registration", Severity::Warning, "11:00")
        .says("Error rate of user registration above 5%", "7.4")
        .ended("14:00");
    s.alert("RegistrationErrorRate", "registration", Severity::Critical, "11:15")
        .says("Error rate of user registration above 20%", "31")
        .ended("14:00");
    s.alert("DatabaseSyncErrors", "database", Severity::Warning, "12:40")
        .says("Synchronisation errors on db-1", "12")
        .labelled("instance", "db-1")
        .ended("13:45");
    let db = "database team";
    s.change(
        "13:30",
        "13:30:20",
        ChangeKind::Config,
        "database",
        "Synchronisation settings corrected",
        db,
    )
    .acknowledged("11:25", "on-call")
    .note(
        "11:25",
        NoteKind::Investigation,
        "Team begins to look into the registration errors",
        "on-call",
    )
    .note(
        "11:50",
        NoteKind::Diagnosis,
        "Database logs show that settings are not what the code expects",
        "on-call",
    )
    .note("12:30", NoteKind::Escalation, "Database team asked to help", "on-call")
    .note("13:00", NoteKind::Diagnosis, "Database synchronisation settings found to be wrong", db)
    .note("13:30", NoteKind::Mitigation, "Database synchronisation fixed", db)
    .note("14:00", NoteKind::Recovery, "Database performance is back to normal", db)
    .note("14:30", NoteKind::Resolution, "Service confirmed fully restored", "on-call")
    .report(|r| {
        r.timezone = Some("Africa/Lagos".into());
        r.impact = Some(
            "Front end and back end of the site could not be linked; user registration failed"
                .into(),
        );
        r.root_cause =
            Some("Wrong database synchronisation settings, not caught for want of testing".into());
        r.resolution = Some("Synchronisation settings corrected".into());
        r.milestones = BTreeMap::from([(
            crate::domain::milestone::Milestone::Resolution,
            at("2024-01-30", "14:30"),
        )]);
    })
    .action("Tighten change management for database configuration", IMPROVEMENT, None)
    .action("Improve real-time monitoring of database performance", IMPROVEMENT, None)
    .action("Review recent database configuration changes", TASK, Some(Horizon::Immediate))
    .action("Test database changes before they are deployed", TASK, Some(Horizon::ShortTerm))
    .action("Plan for unexpected database load", TASK, Some(Horizon::LongTerm))
    .candidate(
        CandidateKind::Service,
        "database",
        "database",
        0.6,
        &["registration calls it", "its alert came 100m after the onset"],
    );
    s.resolved("14:45")
}

/// Scenario `accounts-outage`, in America/New_York (UTC-5 then).
#[expect(clippy::too_many_lines, reason = "one fact a line")]
pub(crate) fn accounts() -> Facts {
    let mut s = Story::new("2024-03-04", "DatabaseQueryLatencyHigh on accounts-db");
    s.alert("DatabaseQueryLatencyHigh", "accounts-db", Severity::Critical, "15:05")
        .says("p99 query latency in seconds", "9.1")
        .ended("18:50");
    s.alert("DatabaseQueryErrors", "accounts-db", Severity::Critical, "15:05")
        .says("Query error rate in percent", "38")
        .ended("18:30");
    s.alert("LoginFailures", "accounts", Severity::Critical, "15:12")
        .says("Failed logins in percent", "75")
        .ended("19:00");
    s.alert("DatabaseMemoryHigh", "accounts-db", Severity::Warning, "16:20")
        .says("Memory of the database in percent", "97")
        .ended("18:20");
    let team = "incident team";
    let engineers = "database engineering";
    s.change(
        "14:52",
        "16:45",
        ChangeKind::Config,
        "accounts-db",
        "Cache settings changed without approval",
        "unknown",
    )
    .change(
        "18:00",
        "18:00:20",
        ChangeKind::Rollback,
        "accounts-db",
        "Cache settings rolled back",
        engineers,
    )
    .acknowledged("15:10", team)
    .note(
        "15:10",
        NoteKind::Investigation,
        "Incident team assembled; database performance examined",
        team,
    )
    .note(
        "15:15",
        NoteKind::Communication,
        "Customer support sees complaints about account access rise",
        "customer support",
    )
    .note(
        "15:30",
        NoteKind::WrongLead,
        "DDoS suspected; counter-measures brought no improvement",
        team,
    )
    .note(
        "16:00",
        NoteKind::Investigation,
        "Network ruled out; database configuration examined",
        team,
    )
    .note(
        "16:45",
        NoteKind::Diagnosis,
        "A change of the cache settings without approval has driven memory use up",
        team,
    )
    .note("17:30", NoteKind::Escalation, "Database engineering asked for an urgent rollback", team)
    .note("18:00", NoteKind::Mitigation, "Rollback begun; error rate and latency fall", engineers)
    .note("19:00", NoteKind::Resolution, "Service confirmed restored; review scheduled", team)
    .report(|r| {
        r.timezone = Some("America/New_York".into());
        r.impact_users_percent = Some(75.0);
        r.impact = Some(
            "75% of users could not reach their accounts: time-outs and errors at login".into(),
        );
        r.root_cause =
            Some("An unapproved change of the database cache settings used up the memory".into());
        r.resolution = Some("Settings rolled back".into());
        r.milestones = BTreeMap::from([(
            crate::domain::milestone::Milestone::Onset,
            at("2024-03-04", "15:00"),
        )]);
    })
    .action("Require review and approval for every production change", IMPROVEMENT, None)
    .action("Alert on unusual database memory use", TASK, None)
    .candidate(
        CandidateKind::Change,
        "c1",
        "Cache settings changed without approval (config on accounts-db)",
        0.9,
        &[
            "same service as the first alert",
            "8m before the onset",
            "rolled back at the end, and recovery followed",
        ],
    );
    s.resolved("19:15")
}

/// Scenario `ecommerce-cascade`, in America/New_York (UTC-4 then).
pub(crate) fn ecommerce() -> Facts {
    let mut s = Story::new("2024-06-08", "HighErrorRate on shop-web");
    for (name, service, severity, start, end, summary, value) in [
        (
            "HighErrorRate",
            "shop-web",
            Severity::Critical,
            "14:30",
            "16:45",
            "Requests that fail, in percent",
            "64",
        ),
        (
            "SlowResponses",
            "shop-web",
            Severity::Warning,
            "14:30",
            "16:45",
            "p95 response time in seconds",
            "8.5",
        ),
        (
            "DatabaseReadWriteLatency",
            "shop-db",
            Severity::Critical,
            "15:15",
            "16:30",
            "Read and write latency in milliseconds",
            "2400",
        ),
        (
            "ReplicationLag",
            "shop-db",
            Severity::Critical,
            "15:30",
            "16:25",
            "Secondary is behind, in seconds",
            "640",
        ),
        (
            "DatabaseOverloaded",
            "shop-db",
            Severity::Critical,
            "15:50",
            "16:28",
            "Load of the primary in percent",
            "99",
        ),
    ] {
        s.alert(name, service, severity, start).says(summary, value).from("grafana").ended(end);
    }
    let (web, db) = ("web team", "database team");
    s.change("13:40", "13:40:20", ChangeKind::Deploy, "shop-web", "Release of the shop front end", web)
        .change("14:12", "14:12:20", ChangeKind::Config, "shop-db", "Replication parameter changed", db)
        .change("15:00", "15:00:20", ChangeKind::Rollback, "shop-web", "Release rolled back", web)
        .change("16:15", "16:15:20", ChangeKind::Config, "shop-db", "Replication reconfigured, reads spread over the cluster", db)
        .note("14:35", NoteKind::Notification, "Engineering team notified by the on-call system", "on-call system")
        .acknowledged("14:40", "on-call")
        .note("14:40", NoteKind::Investigation, "Web servers and load balancer examined", "on-call")
        .note("15:00", NoteKind::WrongLead, "Recent release suspected and rolled back, without improvement", "on-call")
        .note("15:20", NoteKind::Escalation, "Database team called: latency of reads and writes is abnormal", "on-call")
        .note("15:35", NoteKind::Diagnosis, "Replication lag and inconsistent data found", db)
        .note("16:00", NoteKind::Diagnosis, "A wrong replication parameter makes secondaries fall behind and overloads the primary", db)
        .note("16:15", NoteKind::Mitigation, "Replication being reconfigured, load being balanced", db)
        .note("16:30", NoteKind::Recovery, "Site partly reachable again", "on-call")
        .note("16:45", NoteKind::Resolution, "All services restored", "on-call")
        .report(|r| {
            r.timezone = Some("America/New_York".into());
            r.impact_users_percent = Some(80.0);
            r.impact_users = Some(20_000);
            r.impact = Some("The site was out of reach; about 80% of users, an estimated 20,000, could neither browse nor buy".into());
            r.root_cause = Some("A replication parameter was set wrongly: secondaries fell behind and the primary was overloaded".into());
            r.resolution = Some("Replication reconfigured and reads spread over the cluster".into());
        })
        .action("Drill disaster recovery", IMPROVEMENT, None)
        .action("Load-test every two weeks", TASK, None);
    s.resolved("17:00")
}

/// Scenario `replication-failure`: six days.
pub(crate) fn replication() -> Facts {
    let mut s = Story::new("2023-07-29", "DatabaseLatencyHigh on database");
    s.alert("DatabaseLatencyHigh", "database", Severity::Critical, "09:00")
        .says("p99 latency of db-primary above 2 s", "4.8")
        .labelled("instance", "db-primary")
        .ended("2023-08-04T04:25:00Z")
        .edit(|e| e.deliveries = 12);
    s.alert("AppUnavailable", "app", Severity::Critical, "09:20")
        .says("Share of users that cannot reach the platform", "74")
        .ended("2023-08-04T04:30:00Z")
        .edit(|e| e.deliveries = 12);
    let db = "database team";
    s.change("2023-08-04T03:30:00Z", "2023-08-04T03:30:20Z", ChangeKind::Config, "database", "Replica configured like the primary", db)
        .note("09:30", NoteKind::Investigation, "Application servers examined first, as the reports speak of latency", "on-call")
        .note("14:00", NoteKind::WrongLead, "A running server maintenance task and recent application changes suspected; neither was the cause", "on-call")
        .note("2023-08-02T10:00:00Z", NoteKind::Escalation, "Handed to the database team after code and servers were ruled out", "on-call")
        .note("2023-08-03T22:00:00Z", NoteKind::Diagnosis, "Primary and replica run with different settings; replication has failed and the data has diverged", db)
        .note("2023-08-04T03:45:00Z", NoteKind::Mitigation, "Data copied from primary to replica by hand", db)
        .note("2023-08-04T04:30:00Z", NoteKind::Resolution, "Replica is up to date; platform reachable", db)
        .report(|r| {
            r.impact_users_percent = Some(74.0);
            r.impact = Some("74% of users could not reach the platform; critical services down".into());
            r.root_cause = Some("Configuration mismatch between primary and replica database".into());
            r.resolution = Some("Replica configured like the primary, data synchronised by hand".into());
        })
        .action("Detect configuration drift between components", IMPROVEMENT, None)
        .action("Automate synchronisation of replicas", TASK, None);
    s.resolved("2023-08-04T05:10:00Z")
}

/// One rule fires on fourteen pods within six minutes, and ends on all of them.
pub(crate) fn storm() -> Facts {
    let mut s = Story::new("2026-03-04", "HighErrorRate on checkout");
    for pod in 0..14_u8 {
        let start = format!("02:{:02}:{:02}", 14 + pod / 2, (pod % 2) * 30);
        let end = format!("02:{:02}:{:02}", 50 + pod / 4, pod);
        s.alert("HighErrorRate", "checkout", Severity::Critical, &start)
            .says(
                &format!("Error rate of checkout-7d9f-{pod} above 5%"),
                &format!("{}.5", 11 + pod),
            )
            .labelled("pod", &format!("checkout-7d9f-{pod}"))
            .annotated("runbook_url", "https://runbooks.example.test/errors")
            .ended(&end);
    }
    s.acknowledged("02:21", "dana");
    s.resolved("03:10")
}

/// One alert comes and goes six times, then ends for good.
pub(crate) fn flapping() -> Facts {
    let mut s = Story::new("2026-03-04", "DiskPressure on orders-db");
    s.alert("OrdersFailing", "orders", Severity::Critical, "10:02")
        .says("Failed orders in percent", "12")
        .ended("11:05");
    for round in 0..6 {
        let (start, end) = (format!("10:{:02}", round * 9), format!("10:{:02}", round * 9 + 4));
        s.alert("DiskPressure", "orders-db", Severity::Warning, &start)
            .says("Disk pressure on n1 (instance n1:9100)", "0.93")
            .labelled("instance", "n1:9100")
            .ended(&end);
    }
    s.resolved("11:20")
}

/// Still running, nothing said by people, one alert left out by its sender.
pub(crate) fn unresolved() -> Facts {
    let mut s = Story::new("2026-03-04", "PostgresDown on orders-db");
    s.alert("PostgresDown", "orders-db", Severity::Critical, "02:14:07")
        .annotated("summary", "Postgres down on db-1")
        .annotated("description", "No answer for 2 minutes.\n  VALUE = 0\n  LABELS = map[a:b]");
    s.alert("HighLatency", "orders", Severity::Warning, "02:14:40")
        .annotated(
            "description",
            "p99 latency of orders is high\n  VALUE = 4.25\n  LABELS = map[a:b]",
        )
        .ended_how("02:40", EndKind::Abandoned("MissingSeries".into()));
    s.caveat(
        "02:15",
        None,
        CaveatKind::Truncated,
        "alertmanager left 7 alerts out of a delivery (max_alerts)",
    )
    .caveat(
        "02:30",
        Some("02:41"),
        CaveatKind::Deaf,
        "scribed was down for 11m and may have missed something",
    );
    s.running("03:00")
}

/// Clocks that cannot be right, words that came late, ends that nobody heard of.
pub(crate) fn skewed() -> Facts {
    let mut s = Story::new("2026-03-04", "ApiErrors on api");
    s.alert("ApiErrors", "api", Severity::Critical, "12:00")
        .says("Errors of api in percent", "7")
        .edit(|e| e.start_refused = Some("0001-01-01T00:00:00Z".into()))
        .ended("12:40")
        .edit(|e| e.end.as_mut().unwrap().refused = Some("2026-03-03T00:00:00Z".into()));
    s.alert("QueueGrows", "worker", Severity::Warning, "12:05")
        .says("Queue of worker", "1200")
        .heard("12:31")
        .ended_how("12:20", EndKind::Unknown);
    s.alert("LeaseOnly", "api", Severity::Warning, "12:10")
        .ended_how("12:25", EndKind::LeaseExpired);
    s.change("11:30", "12:50", ChangeKind::Deploy, "api", "Release 4.2", "ci");
    s.note("12:15", NoteKind::Investigation, "Looks like the release", "dana");
    let note = s.facts.incident.notes.last_mut().unwrap();
    note.received_at = at("2026-03-04", "13:40");
    note.kind_inferred = true;
    s.resolved("13:40")
}

/// Text that tries to forge structure wherever text can stand.
pub(crate) fn hostile() -> Facts {
    const MARKDOWN: &str = "``` \n| a | b |\n|---|---|\n# Resolved\n---\n- [x] done\n<!-- --> [click](http://evil.example.test) ![i](http://evil.example.test/p.png)\n[^1]: x";
    const MIX: &str = "# Resolved | 1 | <script>alert(1)</script> **bold** @everyone :boom: javascript:alert(1) \u{202e}gnp.exe\u{200b}\u{1b}[31m\n\n## Timeline\n- 10:00 fake entry";
    let mut s = Story::new("2026-03-02", MIX);
    s.alert("PostgresDown", "\"><script>alert(1)</script>", Severity::Critical, "10:00")
        .says(MARKDOWN, "| 5 |")
        .labelled("instance", "\"><script>alert(1)</script>")
        .annotated("runbook_url", "javascript:alert(1)")
        .generated_by("javascript:alert(1)")
        .ended("10:30");
    s.alert("Second", "db", Severity::Warning, "10:05")
        .says("line\r\n\r\n## Timeline\r\n- 10:00 fake entry", "1")
        .generated_by(
            "http://prometheus.example.test:9090/graph?g0.expr=up)[x](http://evil&g0.tab=1",
        )
        .ended("10:30");
    s.change("09:50", "09:50", ChangeKind::Deploy, "db", MIX, MIX)
        .note("10:10", NoteKind::WrongLead, MIX, MIX)
        .note("10:11", NoteKind::Observation, "1. one\n2. two", "- [ ] x")
        .report(|r| {
            r.impact = Some(MIX.into());
            r.root_cause = Some("- a\n- b\n\n1. c\n\n=====\n\n> quote".into());
            r.lead = Some("<b>@lead</b>".into());
        })
        .action(MIX, TASK, None)
        .candidate(CandidateKind::Change, "c1", MIX, 0.5, &[MIX]);
    s.facts.changes[0].report.link = Some("javascript:alert(1)".into());
    s.facts.incident.actions[0].draft.link = Some("https://tickets.example.test/1".into());
    s.resolved("10:45")
}

/// Over the night in which New York turns its clocks forward.
pub(crate) fn daylight_saving() -> Facts {
    let mut s = Story::new("2024-03-10", "JobLate on billing");
    s.alert("JobLate", "billing", Severity::Critical, "06:30")
        .says("Invoices late, in minutes", "25")
        .ended("08:10");
    s.note("06:50", NoteKind::Investigation, "Scheduler looked at", "dana")
        .note(
            "07:05",
            NoteKind::Diagnosis,
            "The job waits for 02:30, which does not exist tonight",
            "dana",
        )
        .acknowledged("06:40", "dana");
    s.report(|r| r.timezone = Some("America/New_York".into()));
    s.resolved("08:20")
}

/// A heartbeat that stayed away.
pub(crate) fn heartbeat() -> Facts {
    let mut s = Story::new("2026-03-04", "Heartbeat watchdog missed");
    s.facts.incident.opening = Opening::Heartbeat {
        name: Name::from("watchdog"),
        episode: EpisodeId(99),
        last_word_at: at("2026-03-04", "02:00"),
        at: at("2026-03-04", "02:07:30"),
    };
    s.event("02:07:30", LifecycleKind::Opened, None);
    s.running("02:20")
}

/// One rule fires on forty services within four minutes.
pub(crate) fn many_lanes() -> Facts {
    let mut s = Story::new("2026-03-05", "GatewayTimeout on service-00");
    for number in 0..40_u8 {
        let start = format!("11:{:02}:{:02}", number / 10, (number % 10) * 6);
        let end = format!("11:{:02}", 30 + number / 10);
        let severity = if number % 4 == 0 { Severity::Critical } else { Severity::Warning };
        s.alert("GatewayTimeout", &format!("service-{number:02}"), severity, &start)
            .says("Upstream does not answer", "30")
            .annotated("runbook_url", "https://runbooks.example.test/gateway")
            .ended(&end);
    }
    s.note("11:12", NoteKind::Mitigation, "Gateway rolled back", "dana");
    s.acknowledged("11:06", "dana");
    s.resolved("11:45")
}

/// A disk that fills again, as it did twice before.
pub(crate) fn seen_before() -> Facts {
    let mut s = Story::new("2026-03-06", "DiskFull on orders-db");
    s.alert("DiskFull", "orders-db", Severity::Critical, "08:00")
        .says("Disk of orders-db is full", "99%")
        .ended("08:40");
    let similar = |incident: u64, day: &str, score: f64| Similar {
        incident: IncidentId(incident),
        title: "DiskFull on orders-db".to_owned(),
        started_at: Some(Timestamp::parse(&format!("{day}T08:00:00Z")).unwrap()),
        ended_at: Some(Timestamp::parse(&format!("{day}T09:10:00Z")).unwrap()),
        score,
        why: vec![
            "1 of 1 alerts here fired then too: DiskFull on orders-db, 1 with the same labels \
             (+0.62)"
                .to_owned(),
        ],
        resolution: None,
        root_cause: None,
        mitigation: None,
    };
    s.facts.incident.similar = vec![
        Similar {
            resolution: Some("Old archives deleted, disk doubled".to_owned()),
            root_cause: Some("Archiving had stopped".to_owned()),
            ..similar(3, "2026-01-10", 0.9)
        },
        Similar {
            mitigation: Some("Old archives deleted".to_owned()),
            ..similar(7, "2026-02-14", 1.0)
        },
    ];
    s.resolved("09:00")
}

/// Every example by name.
pub(crate) fn all() -> Vec<(&'static str, Facts)> {
    vec![
        ("bookstore", bookstore()),
        ("food_delivery", food_delivery()),
        ("accounts", accounts()),
        ("ecommerce", ecommerce()),
        ("replication", replication()),
        ("storm", storm()),
        ("flapping", flapping()),
        ("unresolved", unresolved()),
        ("skewed", skewed()),
        ("hostile", hostile()),
        ("daylight_saving", daylight_saving()),
        ("heartbeat", heartbeat()),
        ("many_lanes", many_lanes()),
        ("seen_before", seen_before()),
    ]
}
