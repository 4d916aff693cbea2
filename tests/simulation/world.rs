//! Plays a life over the real store and engine.

use std::sync::Arc;

use scribed::clock::Clock;
use scribed::domain::draft::Template;
use scribed::domain::incident::{DraftStatus, Patch};
use scribed::domain::record::{NoteDraft, OperationAction};
use scribed::domain::redaction::words_redacted;
use scribed::domain::words::Words;
use scribed::domain::{
    ChangeId, EpisodeId, Facts, IncidentId, Name, NoteId, RecordBody, Rules, SourceType, Span,
    Timestamp,
};
use scribed::drafts::{DraftRequest, render_draft};
use scribed::engine::{Engine, Known, Verdict, verify};
use scribed::ingest::{self, Envelope};
use scribed::metrics::Metrics;
use scribed::render::Format;
use scribed::shutdown::Stopper;
use scribed::store::{
    Append, Archive, Printed, Printer, Quarantine, RawDelivery, Store, StoreError, StoreOptions,
};
use scribed_disk::{Disk, Fault};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::operation::Operation;
use crate::oracle::{self, Oracle, PERSON, operation, require};

/// Alerts of the world: name, service, severity. The last one is a heartbeat.
const ALERTS: [(&str, &str, &str); 8] = [
    ("HighErrorRate", "shop-web", "critical"),
    ("SlowResponses", "shop-web", "warning"),
    ("DbDown", "shop-db", "critical"),
    ("ReplicationLag", "shop-db", "warning"),
    ("QueueFull", "mailer", "high"),
    ("CertificateExpires", "edge", "info"),
    ("HighErrorRate", "payments", "critical"),
    ("Watchdog", "", "none"),
];
const SERVICES: [&str; 4] = ["shop-web", "shop-db", "mailer", "payments"];

/// Deadlines that may fall due at once, each with a tick and a turn of its own.
const TURNS_MAX: usize = 1_000;

type Done = Result<(), String>;

/// How the process that runs now will end, when it was told to.
#[derive(Clone, Copy, Debug)]
enum Doom {
    Kill,
    PowerCut { luck: u64 },
}

struct World {
    folder: tempfile::TempDir,
    disk: Disk,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
    running: Option<(Store, Engine)>,
    oracle: Oracle,
    fault: Fault,
    doom: Option<Doom>,
    /// Since when each alert fires, as its senders see it.
    starts: [Option<Timestamp>; ALERTS.len()],
    /// Bodies that were sent.
    sent: Vec<RecordBody>,
    notes: u32,
}

/// Prints what the notes of a final draft say, each on a line.
#[derive(Debug)]
struct NotePrinter;

impl Printer for NotePrinter {
    fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed)) {
        let [format, template, zone] = ["text", "notes", "UTC"].map(str::to_owned);
        let notes = facts.incident.notes.iter().map(|note| note.text.as_str());
        let text = notes.collect::<Vec<_>>().join("\n");
        keep(Printed { format, template, zone, text });
    }
}

/// Lines that only one of two texts has.
fn difference(before: &str, after: &str) -> Vec<String> {
    let only = |text: &str, other: &str, mark: char| -> Vec<String> {
        let others: Vec<&str> = other.lines().collect();
        let lines = text.lines().filter(|line| !others.contains(line));
        lines.map(|line| format!("{mark}{line}")).collect()
    };
    [only(before, after, '-'), only(after, before, '+')].concat()
}

/// A draft as anyone gets it who asks for nothing special.
fn plainly() -> DraftRequest {
    DraftRequest {
        format: Format::Markdown,
        zone: None,
        template: Template::default(),
        own_templates: Arc::default(),
        default_zone: "UTC".to_owned(),
        since_revision: None,
        external_url: None,
    }
}

/// Plays a life from beginning to end.
pub(crate) fn play(operations: &[Operation]) -> Done {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut world = World {
        disk: Disk::below(folder.path()),
        folder,
        clock: Clock::manual(Timestamp::parse("2026-03-02T10:00:00Z").unwrap()),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        running: None,
        oracle: Oracle::default(),
        fault: Fault::None,
        doom: None,
        starts: [None; ALERTS.len()],
        sent: Vec::new(),
        notes: 0,
    };
    world.start()?;
    for (index, operation) in operations.iter().enumerate() {
        let step = world.step(operation).and_then(|()| world.bury_the_dead());
        step.map_err(|problem| format!("{problem} (operation {index}: {operation:?})"))?;
    }
    world.end()
}

impl World {
    fn step(&mut self, operation: &Operation) -> Done {
        self.oracle.saw(self.clock.now());
        match operation {
            Operation::Fire { peer, alerts } => self.fire(*peer, alerts),
            Operation::Recover { peer, alert } => self.recover(*peer, *alert),
            Operation::Again { back } => match self.sent.len() {
                0 => Ok(()),
                sent => {
                    let body = self.sent[sent - 1 - usize::from(*back) % sent].clone();
                    self.append(body)
                }
            },
            Operation::Late { alert, minutes } => self.late(*alert, *minutes),
            Operation::Lease { alert } => self.lease(*alert),
            Operation::Broken { bytes } => self.broken(usize::from(*bytes)),
            Operation::Change { service, key } => self.change(*service, *key),
            Operation::Topology { edges } => self.topology(*edges),
            Operation::Advance { minutes } => {
                self.pass(Span::from_minutes((*minutes).into()));
                Ok(())
            }
            Operation::StepWall { minutes } => {
                self.clock.step_wall(Span::from_minutes((*minutes).into()));
                Ok(())
            }
            Operation::Turn => self.turn(),
            Operation::Draft { incident } => self.draft(*incident),
            Operation::Retain { hours } => self.retain(*hours),
            Operation::Restart => self.restart(),
            Operation::Kill { changes } => self.doom(Doom::Kill, *changes),
            Operation::PowerCut { changes, luck } => {
                self.doom(Doom::PowerCut { luck: *luck }, *changes)
            }
            Operation::Disk(fault) => {
                self.fault = *fault;
                self.disk.set(*fault);
                Ok(())
            }
            Operation::Hiccup(fault, times) => {
                self.fault = *fault;
                self.disk.set_for(*fault, (*times).into());
                Ok(())
            }
            Operation::Mend => self.mend(),
            person => self.decide(person),
        }
    }

    /// Time passes.
    fn pass(&mut self, span: Span) {
        self.clock.advance(span);
        self.oracle.passed(span);
        self.oracle.saw(self.clock.now());
    }

    /// What a person asks for.
    fn decide(&mut self, wish: &Operation) -> Done {
        let id = |incident: u8| IncidentId(incident.into());
        let action = match wish {
            Operation::Note { incident } => {
                self.notes += 1;
                let text = format!("note {}", self.notes);
                OperationAction::AddNote(
                    id(*incident),
                    NoteDraft { text, kind: None, suggested: None },
                )
            }
            Operation::Acknowledge { incident } => OperationAction::Acknowledge(id(*incident)),
            Operation::Resolve { incident } => OperationAction::Resolve(id(*incident)),
            Operation::Reopen { incident } => OperationAction::Reopen(id(*incident)),
            Operation::Merge { incident, into } => {
                OperationAction::Merge { incident: id(*incident), into: id(*into) }
            }
            Operation::Split { incident } => {
                let Some((store, _)) = &self.running else { return Ok(()) };
                let Ok(members) = store.members(id(*incident)) else { return Ok(()) };
                let Some(last) = members.last() else { return Ok(()) };
                OperationAction::Split(id(*incident), vec![last.id])
            }
            Operation::Move { episode, incident } => {
                OperationAction::Move(id(*incident), vec![EpisodeId(u64::from(*episode))])
            }
            Operation::Finalise { incident } => {
                let patch = Patch { status: Some(Some(DraftStatus::Final)), ..Patch::default() };
                OperationAction::Patch(id(*incident), Box::new(patch))
            }
            Operation::RedactNote { note } => {
                let Some((store, _)) = &self.running else { return Ok(()) };
                let Ok(incidents) = oracle::incidents(store) else { return Ok(()) };
                let note = NoteId((*note).into());
                let found = incidents
                    .iter()
                    .find_map(|i| Some((i.id, i.notes.iter().find(|known| known.id == note)?)));
                let Some((incident, found)) = found else { return Ok(()) };
                self.oracle.asked_back(&found.text);
                OperationAction::Redact(incident, Words::Note(note))
            }
            Operation::RedactChange { change } => {
                OperationAction::RedactChange(ChangeId((*change).into()))
            }
            Operation::RedactPerson => OperationAction::RedactPerson(words_redacted(PERSON)),
            _ => return Ok(()),
        };
        self.append(operation(action))
    }

    /// An alert in Alertmanager's form.
    fn alert(&self, alert: u8, start: Timestamp, end: Option<Timestamp>) -> Value {
        let (name, service, severity) = ALERTS[usize::from(alert)];
        json!({
            "status": if end.is_some() { "resolved" } else { "firing" },
            "labels": {"alertname": name, "service": service, "severity": severity, "job": service},
            "annotations": {"summary": format!("{name} on {service}")},
            "startsAt": start.to_string(),
            "endsAt": end.map_or("0001-01-01T00:00:00Z".to_owned(), |end| end.to_string()),
        })
    }

    fn deliver(&mut self, peer: u8, alerts: &[Value], truncated: u64) -> Done {
        let body = json!({
            "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "scribed",
            "externalURL": format!("http://am-{peer}:9093"), "truncatedAlerts": truncated,
            "alerts": alerts,
        });
        self.send(SourceType::Alertmanager, &body)
    }

    fn send(&mut self, kind: SourceType, body: &Value) -> Done {
        let source = Name::from(kind.as_str());
        let envelope = Envelope {
            source: &source,
            kind,
            namespace: None,
            received_at: self.clock.now(),
            headers: &[],
        };
        let parsed = ingest::read(&envelope, body.to_string().as_bytes())
            .map_err(|error| format!("a body of ours cannot be read: {error}"))?;
        let body = RecordBody::Delivery(parsed.delivery);
        self.sent.push(body.clone());
        self.append(body)
    }

    fn fire(&mut self, peer: u8, alerts: &[u8]) -> Done {
        let now = self.clock.now();
        let mut list = Vec::new();
        for alert in alerts {
            let start = *self.starts[usize::from(*alert)].get_or_insert(now);
            list.push(self.alert(*alert, start, None));
        }
        self.deliver(peer, &list, u64::from(alerts.len() == 3))
    }

    fn recover(&mut self, peer: u8, alert: u8) -> Done {
        let now = self.clock.now();
        let start = self.starts[usize::from(alert)].take().unwrap_or(now - Span::from_minutes(5));
        let over = self.alert(alert, start.min(now), Some(now));
        self.deliver(peer, &[over], 0)
    }

    fn late(&mut self, alert: u8, minutes: u16) -> Done {
        let start = self.clock.now() - Span::from_minutes(i64::from(minutes) + 6);
        self.deliver(0, &[self.alert(alert, start, None)], 0)?;
        let over = self.alert(alert, start, Some(start + Span::from_minutes(5)));
        self.deliver(0, &[over], 0)
    }

    fn lease(&mut self, alert: u8) -> Done {
        let now = self.clock.now();
        let start = *self.starts[usize::from(alert)].get_or_insert(now);
        let alert = self.alert(alert, start, Some(now + Span::from_minutes(4)));
        self.send(SourceType::Prometheus, &json!([alert]))
    }

    fn change(&mut self, service: u8, key: u8) -> Done {
        let body = json!({
            "summary": format!("release {key}"), "service": SERVICES[usize::from(service)],
            "key": format!("k{key}"), "kind": "deploy",
        });
        let change = ingest::read_change(body.to_string().as_bytes(), self.clock.now())
            .map_err(|error| error.to_string())?;
        self.append(operation(OperationAction::ReportChange(change)))
    }

    fn topology(&mut self, edges: u8) -> Done {
        let edges: Vec<Value> = (0..usize::from(edges))
            .map(|edge| json!({"caller": SERVICES[edge], "callee": SERVICES[(edge + 1) % 4]}))
            .collect();
        let body = json!({"edges": edges}).to_string();
        let topology = ingest::read_topology(body.as_bytes()).map_err(|e| e.to_string())?;
        self.append(RecordBody::Topology(topology))
    }

    fn broken(&mut self, bytes: usize) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        let quarantine = Quarantine {
            source: Name::from("alertmanager"),
            received_at: self.clock.now(),
            reason: "not_json",
            problem: "it is no JSON".to_owned(),
            bytes: vec![b'x'; bytes].into(),
            redacted: 0,
            headers: Vec::new(),
        };
        let result = self.runtime.block_on(store.quarantine(quarantine));
        self.expect_try_again("quarantine", result.as_ref().err())
    }

    /// Says something to the store, as the door does.
    fn append(&mut self, body: RecordBody) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        let now = self.clock.now();
        let raw = matches!(body, RecordBody::Delivery(_)).then(|| RawDelivery {
            bytes: vec![b'r'; 300].into(),
            content_type: "application/json".to_owned(),
            remote: "127.0.0.1:9".to_owned(),
            refused: vec![],
            redacted: 0,
            replays: None,
        });
        let append =
            Append { body: body.clone(), received_at: Some(now), true_received_at: now, raw };
        match store.append_blocking(append) {
            Ok(appended) => self.oracle.answered(appended.seq, body),
            Err(error) => {
                self.oracle.unsure(body);
                self.expect_try_again("append", Some(&error))?;
            }
        }
        Ok(())
    }

    /// An error is fine while the disk is not, and then it says that one should try again.
    fn expect_try_again(&self, what: &str, error: Option<&StoreError>) -> Done {
        let Some(error) = error else { return Ok(()) };
        require!(
            self.fault != Fault::None || self.disk.is_dead(),
            "{what} failed on a sound disk: {error}"
        );
        require!(
            matches!(error, StoreError::Unavailable(_)),
            "{what} is not told to try again: {error}"
        );
        Ok(())
    }

    fn turn(&mut self) -> Done {
        let Some((_, engine)) = &mut self.running else { return Ok(()) };
        let result = engine.turn();
        let error = match &result {
            Ok(()) => None,
            Err(scribed::engine::EngineError::Store(error)) => Some(error),
            Err(error) => return Err(error.to_string()),
        };
        self.expect_try_again("a turn", error)
    }

    fn draft(&self, incident: u8) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        let id = IncidentId(incident.into());
        let rendered = render_draft(store, id, &plainly());
        let may_fail = self.fault == Fault::ReadFails || self.disk.is_dead();
        match rendered {
            Err(error) if !may_fail => Err(format!("draft {incident} cannot be read: {error}")),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn retain(&mut self, hours: u16) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        let before = self.clock.now() - Span::from_hours(hours.into());
        for _ in 0..20 {
            match store.retain(Some(before), Some(before)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.expect_try_again("retention", Some(&error))?;
                    break;
                }
            }
        }
        // It may have been cut after its commit.
        let is_readable = self.fault != Fault::ReadFails && !self.disk.is_dead();
        self.oracle.dropped(store, is_readable)
    }

    fn doom(&mut self, doom: Doom, changes: u8) -> Done {
        self.doom = Some(doom);
        self.disk.stop_after(changes.into());
        Ok(())
    }

    /// When the disk has stopped dead, the process is gone; it is started again.
    fn bury_the_dead(&mut self) -> Done {
        if !self.disk.is_dead() {
            return Ok(());
        }
        self.running = None;
        match self.doom.take() {
            Some(Doom::PowerCut { luck }) => {
                let mut dice = Dice::new(luck);
                let odds = dice.below(4);
                self.disk.come_back_after_power_cut(|| dice.below(3) < odds);
            }
            Some(Doom::Kill) | None => self.disk.come_back(),
        }
        self.fault = Fault::None;
        self.start()
    }

    fn restart(&mut self) -> Done {
        if let Some((store, engine)) = self.running.take() {
            let (stopper, stop) = Stopper::new();
            stopper.stop();
            engine.run(stop, self.runtime.handle());
            store.close();
        }
        if self.disk.is_dead() {
            return self.bury_the_dead();
        }
        self.start()
    }

    /// Starts the program. On a disk that refuses it may fail, and must succeed once that is over.
    fn start(&mut self) -> Done {
        self.oracle.saw(self.clock.now());
        match self.open() {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                let is_told = matches!(error, StoreError::Unavailable(_));
                let is_sound = self.fault == Fault::None && !self.disk.is_dead();
                require!(is_told && !is_sound, "the start failed: {error}");
                if self.disk.is_dead() {
                    // Killed while it was starting.
                    return self.bury_the_dead();
                }
                self.disk.set(Fault::None);
                self.fault = Fault::None;
                return self.start();
            }
        }
        self.check_ledger()
    }

    fn open(&self) -> Result<(Store, Engine), StoreError> {
        let options = StoreOptions {
            path: self.folder.path().to_owned(),
            queue_capacity: 64,
            queue_bytes: 1 << 20,
        };
        let store = Store::open(options, self.clock.clone(), Metrics::new())?;
        store.print_with(Arc::new(NotePrinter));
        let known = Known { rules: Rules::default(), topology: None };
        match Engine::prepare(store.clone(), self.clock.clone(), Metrics::new(), &known) {
            Ok(engine) => Ok((store, engine)),
            Err(scribed::engine::EngineError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Broken(error.to_string())),
        }
    }

    fn check_ledger(&self) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        if self.fault == Fault::ReadFails || self.disk.is_dead() {
            return Ok(());
        }
        self.oracle.check_ledger(store)
    }

    /// The disk is sound again, and the program is as if nothing had been.
    fn mend(&mut self) -> Done {
        if self.disk.is_dead() {
            return Ok(());
        }
        self.disk.set(Fault::None);
        self.fault = Fault::None;
        // A sign of life is due then, which is the first thing that is written.
        self.pass(Span::from_seconds(10));
        self.oracle.saw(self.clock.now());
        self.settle()
    }

    /// The engine works in all there is, on a sound disk, without time passing.
    fn settle(&mut self) -> Done {
        // Each turn may write a tick, which the next one works in.
        for _ in 0..TURNS_MAX {
            self.turn()?;
            let Some((store, _)) = &self.running else { return Ok(()) };
            if self.disk.is_dead() || *store.head().borrow() == *store.cursor().borrow() {
                break;
            }
        }
        self.check_ledger()?;
        let Some((store, _)) = &self.running else { return Ok(()) };
        if self.disk.is_dead() {
            return Ok(());
        }
        let (head, cursor) = (*store.head().borrow(), *store.cursor().borrow());
        require!(cursor == head, "the engine stands at {cursor} of {head} on a sound disk");
        require!(store.is_writable(), "the store says that it cannot be written");
        self.oracle.check_incidents(store)?;
        self.oracle.check_gone(store)
    }

    /// Every final draft has its documents, once the engine had the time.
    fn check_printed(&mut self) -> Done {
        let Some((store, _)) = &self.running else { return Ok(()) };
        let finals: Vec<IncidentId> = oracle::incidents(store)?
            .iter()
            .filter(|incident| incident.finalised.is_some())
            .map(|incident| incident.id)
            .collect();
        for _ in 0..=finals.len() {
            self.turn()?;
        }
        let Some((store, _)) = &self.running else { return Ok(()) };
        for id in finals {
            let printed = store.printed(id, "text", "notes").map_err(|error| error.to_string())?;
            require!(printed.is_some(), "final draft {id} has no documents");
        }
        self.oracle.check_gone(store)
    }

    fn drafts(&self) -> Result<Vec<String>, String> {
        let Some((store, _)) = &self.running else { return Err("nothing runs".to_owned()) };
        let incidents = oracle::incidents(store)?;
        let render = |id| match render_draft(store, id, &plainly()) {
            Ok(Some(draft)) => Ok(draft.text),
            Ok(None) => Err(format!("incident {id} has no draft")),
            Err(error) => Err(format!("draft {id} cannot be read: {error}")),
        };
        incidents.iter().map(|incident| render(incident.id)).collect()
    }

    /// Everything is mended, and the laws are looked at once more.
    fn end(mut self) -> Done {
        self.mend()?;
        self.bury_the_dead()?;
        self.disk.come_back();
        self.mend()?;
        let before = self.drafts()?;
        // Killed without a word, and no time passes in which something could fall due.
        self.disk.stop_after(0);
        self.bury_the_dead()?;
        self.settle()?;
        self.check_printed()?;
        let after = self.drafts()?;
        require!(
            after == before,
            "a draft is another one after a kill: {:?}",
            difference(&before.concat(), &after.concat())
        );
        self.running = None;
        let archive = Archive::of_store(self.folder.path()).map_err(|e| e.to_string())?;
        for check in verify(&archive).map_err(|error| error.to_string())? {
            if let Verdict::Broken(faults) = check.verdict {
                return Err(format!("law {}: {faults:?}", check.law));
            }
        }
        Ok(())
    }
}
