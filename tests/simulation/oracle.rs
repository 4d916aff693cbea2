//! What must be true, kept apart from how scribed does it.

use std::collections::{BTreeMap, BTreeSet};

use scribed::domain::record::{Operation, OperationAction, Outcome};
use scribed::domain::redaction::{is_words_redacted, words_redacted};
use scribed::domain::{
    EpisodeId, Incident, IncidentId, IncidentState, Membership, Name, Record, RecordBody, Seq,
    Span, Timestamp,
};
use scribed::store::{EpisodeFilter, IncidentFilter, PageRequest, Store};

/// Fails the life with a reason.
macro_rules! require {
    ($holds:expr, $($reason:tt)+) => {
        if !$holds {
            return Err(format!($($reason)+));
        }
    };
}
pub(crate) use require;

/// What was told and answered.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// What was answered with a place.
    answered: BTreeMap<Seq, RecordBody>,
    /// What was cut before its answer: it may be there or not.
    unsure: Vec<RecordBody>,
    /// What a wall clock would show that steps forward with ours and never back. A tick may be
    /// ahead of a clock that was set back, because its time has truly passed.
    latest: Option<Timestamp>,
    /// Everything before this may be gone because of its age.
    dropped_before: Seq,
    /// True when retention ran: ended alerts and incidents may be gone.
    has_dropped: bool,
    /// What notes said that somebody asked to be taken back, last of all.
    asked_back: Vec<String>,
    /// The same by the record that asks for it, once that is answered.
    gone: BTreeMap<Seq, String>,
}

impl Oracle {
    pub(crate) fn saw(&mut self, wall: Timestamp) {
        self.latest = self.latest.max(Some(wall));
    }

    pub(crate) fn passed(&mut self, span: Span) {
        self.latest = self.latest.map(|latest| latest + span);
    }

    pub(crate) fn answered(&mut self, seq: Seq, body: RecordBody) {
        if is_note_redaction(&body)
            && let Some(text) = self.asked_back.pop()
        {
            self.gone.insert(seq, text);
        }
        self.answered.insert(seq, body);
    }

    /// What a note says is asked to be taken back with the next record.
    pub(crate) fn asked_back(&mut self, text: &str) {
        self.asked_back = vec![text.to_owned()];
    }

    /// What was taken back is nowhere to be read, whoever is asked.
    pub(crate) fn check_gone(&self, store: &Store) -> Result<(), String> {
        let records = ledger(store)?;
        for record in &records {
            let Some(asked) = doing(record) else { continue };
            let outcome = store.outcome(record.seq).map_err(|error| error.to_string())?;
            if !matches!(outcome, Some(Outcome::Done { .. })) {
                continue;
            }
            let mut said =
                records.iter().take_while(|earlier| earlier.seq <= record.seq).filter_map(doing);
            match &asked.action {
                OperationAction::RedactPerson(_) => {
                    let name = Some(Name::from(PERSON));
                    let is_clean = said.all(|operation| operation.principal != name);
                    require!(is_clean, "{PERSON} was taken back by record {}", record.seq);
                }
                OperationAction::RedactChange(id) => {
                    let change = store.change(*id).map_err(|error| error.to_string())?;
                    let Some(key) = change.and_then(|change| change.report.key) else { continue };
                    let is_clean = said.all(|operation| match &operation.action {
                        OperationAction::ReportChange(report)
                            if report.key == Some(key.clone()) =>
                        {
                            is_words_redacted(&report.summary)
                        }
                        _ => true,
                    });
                    require!(is_clean, "the words of change {id} are in the ledger");
                }
                OperationAction::Redact(..) => {
                    let Some(text) = self.gone.get(&record.seq) else { continue };
                    let is_said = said.any(|operation| {
                        matches!(&operation.action,
                            OperationAction::AddNote(_, draft) if draft.text == *text)
                    });
                    require!(!is_said, "{text:?} was taken back, and is in the ledger");
                    check_note_gone(store, text)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn unsure(&mut self, body: RecordBody) {
        self.unsure.push(body);
    }

    /// Retention ran: what is before the first record that is left may be gone.
    pub(crate) fn dropped(&mut self, store: &Store, is_readable: bool) -> Result<(), String> {
        self.has_dropped = true;
        if !is_readable {
            self.dropped_before = Seq(u64::MAX);
            return Ok(());
        }
        let first = store.records_after(Seq(0), 1).map_err(|error| error.to_string())?;
        self.dropped_before = first.first().map_or(self.dropped_before, |record| record.seq);
        Ok(())
    }

    /// The ledger holds what was answered, once, and nothing that was never said.
    pub(crate) fn check_ledger(&self, store: &Store) -> Result<(), String> {
        let records = ledger(store)?;
        let mut unsure: Vec<&RecordBody> = self.unsure.iter().collect();
        let mut time = None;
        let mut expected = records.first().map_or(Seq(1), |record| record.seq);
        require!(expected <= self.dropped_before.max(Seq(1)), "the ledger begins at {expected}");
        for record in &records {
            require!(record.seq == expected, "record {expected} is missing");
            expected = expected.next();
            require!(record.time >= time, "the time of record {} goes back", record.seq);
            time = record.time;
            require!(record.time <= self.latest, "record {} is ahead of the clock", record.seq);
            if let Some(body) = self.answered.get(&record.seq) {
                require!(
                    is_as_told(body, &record.body),
                    "record {} is another one: {:?} instead of {body:?}",
                    record.seq,
                    record.body
                );
            } else if is_from_outside(&record.body) {
                let at = unsure.iter().position(|body| is_as_told(body, &record.body));
                let Some(at) = at else {
                    return Err(format!("record {} was never said: {:?}", record.seq, record.body));
                };
                unsure.swap_remove(at);
            }
        }
        let last = self.answered.keys().next_back();
        require!(last.is_none_or(|last| *last < expected), "record {last:?} was answered, is lost");
        Ok(())
    }

    /// What the engine made of it, once it has worked everything in.
    pub(crate) fn check_incidents(&self, store: &Store) -> Result<(), String> {
        let told = self.told(store)?;
        let incidents = incidents(store)?;
        let by_id: BTreeMap<IncidentId, &Incident> = incidents.iter().map(|i| (i.id, i)).collect();
        let page = PageRequest { limit: 500, cursor: None };
        let episodes = store
            .episodes(&EpisodeFilter::default(), &page)
            .map_err(|error| error.to_string())?
            .items;
        let mut firings = BTreeSet::new();
        for episode in &episodes {
            let key = episode.key.clone();
            require!(told.contains(&key), "alert {} was never told", episode.id);
            let first = episode.starts.first().map(|start| start.at);
            require!(firings.insert((key, first)), "alert {} stands there twice", episode.id);
        }
        if !self.has_dropped {
            for key in &told {
                let is_there = episodes.iter().any(|episode| episode.key == *key);
                require!(is_there, "alert {key:?} was told and is not there");
            }
        }
        // People may take every alert out of an incident.
        let has_moves = self.answered.values().any(|body| {
            let RecordBody::Operation(operation) = body else { return false };
            matches!(operation.action, OperationAction::Move(..) | OperationAction::Split(..))
        });
        for incident in &incidents {
            let members = store.members(incident.id).map_err(|error| error.to_string())?;
            let is_merged = matches!(incident.state, IncidentState::Merged { .. });
            let is_heartbeat =
                matches!(incident.opening, scribed::domain::incident::Opening::Heartbeat { .. });
            require!(
                is_merged || is_heartbeat || !members.is_empty() || self.has_dropped || has_moves,
                "incident {} came from nothing",
                incident.id
            );
        }
        self.check_decisions(store, &by_id)
    }

    /// What people wrote and decided.
    fn check_decisions(
        &self,
        store: &Store,
        incidents: &BTreeMap<IncidentId, &Incident>,
    ) -> Result<(), String> {
        let mut placed: BTreeMap<EpisodeId, IncidentId> = BTreeMap::new();
        for record in ledger(store)? {
            let RecordBody::Operation(operation) = &record.body else { continue };
            let outcome = store.outcome(record.seq).map_err(|error| error.to_string())?;
            let Some(Outcome::Done { incident, made }) = outcome else {
                require!(outcome.is_some(), "operation {} has no outcome", record.seq);
                continue;
            };
            let Some(incident) = incident.filter(|id| incidents.contains_key(id)) else { continue };
            match &operation.action {
                OperationAction::AddNote(_, draft) => {
                    let is_kept = incidents
                        .values()
                        .any(|incident| incident.notes.iter().any(|note| note.text == draft.text));
                    require!(is_kept, "note {made:?} of incident {incident} is lost");
                }
                OperationAction::Split(_, episodes) | OperationAction::Move(_, episodes) => {
                    placed.extend(episodes.iter().map(|episode| (*episode, incident)));
                }
                _ => {}
            }
        }
        for (id, decided) in placed {
            let episode = store.episode(id).map_err(|error| error.to_string())?;
            let Some(episode) = episode else { continue };
            let Membership::Member { incident, by_person, .. } = episode.membership else {
                return Err(format!("alert {id} was put into incident {decided} and floats"));
            };
            let (is, was) = (survivor(incidents, incident), survivor(incidents, decided));
            require!(is == was && by_person, "alert {id} was put into {was}, and is in {is}");
        }
        Ok(())
    }

    /// Every alert of the ledger, and of what retention may have taken.
    fn told(&self, store: &Store) -> Result<BTreeSet<scribed::domain::AlertKey>, String> {
        let records = ledger(store)?;
        let bodies = records.iter().map(|record| &record.body);
        let gone = self.answered.values().chain(&self.unsure);
        let mut told = BTreeSet::new();
        let is_whole = !self.has_dropped;
        for body in bodies.chain(gone.filter(|_| !is_whole)) {
            if let RecordBody::Delivery(delivery) = body {
                told.extend(delivery.words.iter().map(|word| word.key.clone()));
            }
        }
        Ok(told)
    }
}

/// All incidents, merged ones too.
pub(crate) fn incidents(store: &Store) -> Result<Vec<Incident>, String> {
    let page = PageRequest { limit: 500, cursor: None };
    let states = ["open", "acknowledged", "mitigated", "resolved", "merged"];
    let filter =
        IncidentFilter { states: states.map(str::to_owned).to_vec(), ..IncidentFilter::default() };
    store.incidents(&filter, &page).map(|page| page.items).map_err(|error| error.to_string())
}

fn survivor(incidents: &BTreeMap<IncidentId, &Incident>, id: IncidentId) -> IncidentId {
    match incidents.get(&id).map(|incident| incident.state) {
        Some(IncidentState::Merged { into }) => survivor(incidents, into),
        _ => id,
    }
}

fn ledger(store: &Store) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map_or(Seq(0), |record| record.seq);
        let more = store.records_after(after, 1000).map_err(|error| error.to_string())?;
        if more.is_empty() {
            return Ok(records);
        }
        records.extend(more);
    }
}

const fn is_from_outside(body: &RecordBody) -> bool {
    matches!(body, RecordBody::Delivery(_) | RecordBody::Operation(_) | RecordBody::Topology(_))
}

/// A person's doing, if the record is one.
fn doing(record: &Record) -> Option<&Operation> {
    match &record.body {
        RecordBody::Operation(operation) => Some(operation),
        _ => None,
    }
}

/// No note says it, none that was frozen, and no document.
fn check_note_gone(store: &Store, text: &str) -> Result<(), String> {
    let says = |incident: &Incident| incident.notes.iter().any(|note| note.text == text);
    for incident in incidents(store)? {
        require!(!says(&incident), "{text:?} was taken back, and is a note");
        let frozen = store.reviewed(incident.id).map_err(|error| error.to_string())?;
        let is_frozen = frozen.is_some_and(|facts| says(&facts.incident));
        require!(!is_frozen, "{text:?} was taken back, and is frozen");
        let printed =
            store.printed(incident.id, "text", "notes").map_err(|error| error.to_string())?;
        let is_printed = printed.is_some_and(|p| p.text.lines().any(|line| line == text));
        require!(!is_printed, "{text:?} was taken back, and is printed");
    }
    Ok(())
}

const fn is_note_redaction(body: &RecordBody) -> bool {
    let RecordBody::Operation(operation) = body else { return false };
    matches!(operation.action, OperationAction::Redact(..))
}

/// True when a record says what was told, but for what was taken back of it.
fn is_as_told(told: &RecordBody, stored: &RecordBody) -> bool {
    let (RecordBody::Operation(told), RecordBody::Operation(stored)) = (told, stored) else {
        return told == stored;
    };
    let mut told = (**told).clone();
    if stored.principal.as_ref().is_some_and(|name| is_words_redacted(name.as_str())) {
        told.principal.clone_from(&stored.principal);
    }
    match (&mut told.action, &stored.action) {
        (OperationAction::AddNote(_, told), OperationAction::AddNote(_, stored))
            if stored.text == words_redacted(&told.text) =>
        {
            *told = stored.clone();
        }
        (OperationAction::ReportChange(told), OperationAction::ReportChange(stored))
            if stored.summary == words_redacted(&told.summary) =>
        {
            *told = stored.clone();
        }
        _ => {}
    }
    told == **stored
}

/// Who does everything that people do.
pub(crate) const PERSON: &str = "ann";

/// A person's doing.
pub(crate) fn operation(action: OperationAction) -> RecordBody {
    RecordBody::Operation(Box::new(Operation {
        principal: Some(Name::from(PERSON)),
        actor: None,
        at: None,
        if_revision: None,
        action,
    }))
}
