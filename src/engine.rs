//! The engine: reads the ledger, feeds the machine, commits what changed together with its cursor.
//!
//! It lives on a thread of its own and meets the HTTP side only in the store. It can fail, lag or
//! be mended without the door closing: a record that it cannot digest twice is passed over by a
//! record of the ledger. Called by `app`.

mod digest;
mod pulse;
mod recall;
mod restore;
#[cfg(test)]
mod tests;
mod verify;
mod whatif;

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Clock;
use crate::correlate::{Beat, Machine, RULES_VERSION, UnreadableSnapshot};
use crate::domain::{IncidentId, Record, RecordBody, Rules, Seq, Span, Timestamp, Topology};
use crate::metrics::Metrics;
use crate::shutdown::StopSignal;
use crate::store::{Append, EngineCommit, HeartbeatRow, Hold, PackedState, Store, StoreError};
use pulse::Pulse;
pub use verify::{Check, Verdict, verify};
pub use whatif::{Answer, Brief, Change, Moved, Placement, Question, Regrouped, Since, what_if};

/// Records read at once: enough to share the cost of a commit, few enough that nobody waits long.
const BATCH_RECORDS: usize = 256;
/// A snapshot is taken when at least this many records came since the last one, …
const SNAPSHOT_EVERY_RECORDS: u64 = 20_000;
/// … or this many alerts: as many as are worked in again within half a second after a kill. …
const SNAPSHOT_EVERY_ALERTS: u64 = 50_000;
/// … Both times as much for each time that this many episodes are held: a snapshot writes all of
/// them, and what it costs must stay in proportion to what came. …
const SNAPSHOT_EPISODES: usize = 50_000;
/// … Or this much record time: what the machine had not forgotten at the newest one is not dropped,
/// however old it is.
const SNAPSHOT_EVERY: Span = Span::from_hours(24);
/// At a start, a snapshot is taken when at least this many records had to be worked through anew: a
/// process that is killed again and again must not begin from further back each time.
const SNAPSHOT_AT_START_RECORDS: u64 = 200;
/// At a start, the door waits so long for what was not worked in yet: after a kill in a storm that
/// may be a lot, and the storm goes on.
const CATCH_UP_AT_START: Span = Span::from_millis(250);
/// How often a sign of life is written, at least.
const SIGN_OF_LIFE_EVERY: Span = Span::from_seconds(5);
/// How long to wait before a failed commit or read is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long to wait at most, after many failures.
const RETRY_AFTER_AT_MOST: Duration = Duration::from_secs(2);
/// How long to wait for a request in flight before a tick is tried again.
const IN_FLIGHT_POLL: Span = Span::from_millis(10);

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store cannot be read or written.
    #[error("the engine cannot use the store: {0}")]
    Store(#[from] StoreError),
    /// The snapshot is damaged or newer, and the ledger does not reach back to its beginning.
    #[error("{0}; restore the store from a backup, or run the release that wrote it")]
    Snapshot(#[from] UnreadableSnapshot),
}

/// The engine, ready to run.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    machine: Machine,
    /// Everything up to here is handled and committed.
    cursor: Seq,
    /// Work of the machine that the store has not taken yet. While there is any, nothing else is
    /// handled: it is tried again as it is.
    uncommitted: Option<Box<EngineCommit>>,
    /// True when the machine is no longer what the ledger makes of it: it failed in the middle of
    /// a record, or was handed only a part of what it had forgotten. It is brought back before
    /// anything else is handled.
    is_machine_torn: bool,
    /// Turns that failed one after the other; the first one is told.
    failed_turns: u32,
    /// Records on which a test lets the machine panic.
    #[cfg(test)]
    fails_on: Option<fn(&Record) -> bool>,
    snapshot_at: Seq,
    /// The machine's time then.
    snapshot_time: Option<Timestamp>,
    /// Keeps retention from what was recalled, until what came of it is committed.
    hold: Option<Hold>,
    /// Alerts that were heard since then.
    alerts_since: u64,
    /// Records that must not be digested again.
    skipped: BTreeSet<Seq>,
    /// Final drafts behind this one may have to be printed; `None` when none has. A start does not
    /// know what the process before it was still to print.
    to_print_after: Option<IncidentId>,
    pulse: Pulse,
}

/// What the configuration asks the machine to know; becomes part of the ledger when it differs.
#[derive(Clone, Debug)]
pub struct Known {
    /// The effective grouping configuration.
    pub rules: Rules,
    /// The service graph of the configured file, if there is one.
    pub topology: Option<Topology>,
}

impl Engine {
    /// Brings the machine to where it stood, and to the head of the ledger where that is near, and
    /// writes that we are back and what the configuration says. Must be done before anything new
    /// is let in.
    ///
    /// # Errors
    /// When the store cannot be used or its snapshot cannot be read.
    pub fn prepare(
        store: Store,
        clock: Clock,
        metrics: Metrics,
        known: &Known,
    ) -> Result<Self, EngineError> {
        Self::prepare_within(CATCH_UP_AT_START, store, clock, metrics, known)
    }

    fn prepare_within(
        catch_up: Span,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        known: &Known,
    ) -> Result<Self, EngineError> {
        let restored = restore::machine(&store)?;
        let (machine, cursor, snapshot_at) =
            (restored.machine, restored.cursor, restored.snapshot_at);
        let skipped = store.skips()?.into_iter().map(|skip| skip.seq).collect();
        let pulse = Pulse::new(&clock, machine.time());
        let mut engine = Self {
            store,
            clock,
            metrics,
            machine,
            cursor,
            uncommitted: None,
            is_machine_torn: false,
            failed_turns: 0,
            #[cfg(test)]
            fails_on: None,
            snapshot_at,
            snapshot_time: restored.snapshot_time,
            hold: None,
            alerts_since: cursor.0.saturating_sub(snapshot_at.0),
            skipped,
            to_print_after: Some(IncidentId(0)),
            pulse,
        };
        engine.take_over()?;
        let is_at_head = engine.catch_up_within(catch_up)?;
        engine.announce_start()?;
        engine.announce_known(known, is_at_head)?;
        if is_at_head {
            engine.catch_up()?;
        } else {
            info!(engine.cursor = engine.cursor.0, "The engine goes on where it stood, and lags");
        }
        if engine.cursor.0 - engine.snapshot_at.0 >= SNAPSHOT_AT_START_RECORDS {
            engine.take_snapshot()?;
        }
        Ok(engine)
    }

    /// Commits the machine as it is at the cursor.
    fn take_snapshot(&mut self) -> Result<(), EngineError> {
        let snapshot = Some(packed_state(&self.machine)?);
        let commit = EngineCommit { cursor: self.cursor, snapshot, ..EngineCommit::default() };
        self.store.commit(commit)?;
        self.took_snapshot();
        Ok(())
    }

    fn took_snapshot(&mut self) {
        self.snapshot_at = self.cursor;
        self.snapshot_time = self.machine.time();
        self.alerts_since = 0;
    }

    /// Notes from which record on our rules decide, where another release's did before. What that
    /// one decided is taken as it stands, from a snapshot, and never derived anew.
    fn take_over(&mut self) -> Result<(), EngineError> {
        let former = self.store.rules_version()?;
        if former == Some(RULES_VERSION) {
            return Ok(());
        }
        if let Some(former) = former {
            info!(
                rules.former = former,
                rules.ours = RULES_VERSION,
                "Taking over from other rules"
            );
        }
        let commit = EngineCommit {
            cursor: self.cursor,
            rules_version: Some(RULES_VERSION),
            snapshot: former.map(|_| packed_state(&self.machine)).transpose()?,
            ..EngineCommit::default()
        };
        if commit.snapshot.is_some() {
            self.snapshot_at = self.cursor;
        }
        self.store.commit(commit)?;
        Ok(())
    }

    /// Writes into the ledger what the configuration says, where it differs from what is known; far
    /// from the head in any case, as what is not worked in yet may say something else.
    fn announce_known(&self, known: &Known, is_at_head: bool) -> Result<(), EngineError> {
        let has_rules = is_at_head && *self.machine.rules() == known.rules;
        if !has_rules || self.cursor == Seq(0) {
            self.append_own(RecordBody::Rules(Box::new(known.rules.clone())))?;
        }
        if let Some(topology) = &known.topology {
            let has_topology = is_at_head && self.store.topology()?.as_ref() == Some(topology);
            if !has_topology {
                self.append_own(RecordBody::Topology(topology.clone()))?;
            }
        }
        Ok(())
    }

    /// Runs until told to stop; then takes a snapshot and says that we stop in good order.
    pub fn run(mut self, stop: StopSignal, runtime: &tokio::runtime::Handle) {
        info!(engine.cursor = self.cursor.0, "The engine runs");
        while !stop.is_stopped() {
            match self.turn() {
                Ok(()) => self.wait(&stop, runtime),
                Err(_) => self.back_off(&stop, runtime),
            }
        }
        self.stop();
    }

    /// One turn of the loop: works in what waits, lets time pass where a deadline has come, and
    /// shows that we live. It never sleeps, so that a test can drive it. After an error the next
    /// turn goes on where this one stood; no record is ever handled twice.
    ///
    /// # Errors
    /// When the store cannot be read or written now.
    pub fn turn(&mut self) -> Result<(), EngineError> {
        let result =
            self.catch_up().and_then(|()| self.tick_if_due()).and_then(|()| self.print_next());
        self.show_life();
        match &result {
            Ok(()) if self.failed_turns > 0 => {
                info!(engine.cursor = self.cursor.0, "The engine can use the store again");
                self.failed_turns = 0;
            }
            Ok(()) => {}
            Err(error) => {
                // Told once: while a disk is full it would be told four times a second.
                if self.failed_turns == 0 {
                    warn!(error = %error, "The engine cannot use the store; it tries until it can");
                }
                self.failed_turns = self.failed_turns.saturating_add(1);
            }
        }
        result
    }

    /// Waits a little longer after each failure, and not at all once told to stop.
    fn back_off(&self, stop: &StopSignal, runtime: &tokio::runtime::Handle) {
        let pause = RETRY_AFTER.saturating_mul(self.failed_turns).min(RETRY_AFTER_AT_MOST);
        let mut stop = stop.clone();
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.stopped() => {}
            }
        });
    }

    /// Prints one of the final drafts whose documents were dropped together with words that were
    /// taken back. One at a time: what comes meanwhile is worked in between.
    fn print_next(&mut self) -> Result<(), EngineError> {
        if let Some(after) = self.to_print_after {
            self.to_print_after = self.store.print_next(after)?;
        }
        Ok(())
    }

    /// Handles everything up to the head of the ledger.
    fn catch_up(&mut self) -> Result<(), EngineError> {
        while !self.catch_up_a_little()? {}
        Ok(())
    }

    /// The same for so long, and what one read gives in any case; returns true at the head.
    fn catch_up_within(&mut self, at_most: Span) -> Result<bool, EngineError> {
        let began = self.clock.monotonic();
        loop {
            if self.catch_up_a_little()? {
                return Ok(true);
            }
            if self.clock.monotonic() - began >= at_most {
                return Ok(false);
            }
        }
    }

    /// Handles what one read of the ledger gives; returns true when that was nothing.
    fn catch_up_a_little(&mut self) -> Result<bool, EngineError> {
        self.commit_rest()?;
        if self.is_machine_torn {
            self.mend()?;
        }
        let records = self.store.records_after(self.cursor, BATCH_RECORDS)?;
        if records.is_empty() {
            self.metrics.engine_lag.set(0.0);
            return Ok(true);
        }
        self.digest_in_batches(&records)?;
        Ok(false)
    }

    /// Makes the machine again what the ledger makes of it up to the cursor.
    fn mend(&mut self) -> Result<(), EngineError> {
        self.machine = restore::machine(&self.store)?.machine;
        self.is_machine_torn = false;
        Ok(())
    }

    /// Commits what the machine changed.
    fn commit(&mut self, cursor: Seq, recalls: Vec<(Seq, Vec<u8>)>) -> Result<(), EngineError> {
        let mut commit = EngineCommit { recalls, ..commit_of(&mut self.machine, cursor) };
        // What is to go must not stay in an older snapshot.
        let takes_back = !commit.taken_back.is_empty();
        if takes_back || self.is_snapshot_due(commit.cursor) {
            // Its effects stand in the commit, and nothing is looked up before that is stored. What
            // lies outside every window now must not stay in the snapshot: retention may drop it.
            self.machine.forget();
            match packed_state(&self.machine) {
                Ok(snapshot) => commit.snapshot = Some(snapshot),
                // The effects are out of the machine: they must reach the store all the same.
                Err(error) => warn!(error = %error, "No snapshot was taken; a later one will be"),
            }
        }
        self.uncommitted = Some(Box::new(commit));
        self.commit_rest()
    }

    /// True when working in again what came since the last snapshot would take long, or when that
    /// one keeps retention from too much.
    fn is_snapshot_due(&self, cursor: Seq) -> bool {
        let age = || Some(self.machine.time()? - self.snapshot_time?);
        if age().is_some_and(|age| age >= SNAPSHOT_EVERY) {
            return true;
        }
        let (records, alerts) = (cursor.0 - self.snapshot_at.0, self.alerts_since);
        let came = (records / SNAPSHOT_EVERY_RECORDS).max(alerts / SNAPSHOT_EVERY_ALERTS);
        came > 0 && came >= (self.machine.holdings().episodes / SNAPSHOT_EPISODES) as u64
    }

    /// Commits what is left of an earlier attempt. A commit that fails is tried again as it is: a
    /// record is never handled twice.
    fn commit_rest(&mut self) -> Result<(), EngineError> {
        let Some(commit) = &self.uncommitted else { return Ok(()) };
        self.store.commit(&**commit)?;
        let (cursor, has_snapshot) = (commit.cursor, commit.snapshot.is_some());
        if !commit.taken_back.is_empty() {
            self.to_print_after = Some(IncidentId(0));
        }
        self.uncommitted = None;
        self.cursor = cursor;
        self.hold = None;
        if has_snapshot {
            self.took_snapshot();
        }
        // Without a snapshot, its age counts from the first record that has a time.
        self.snapshot_time = self.snapshot_time.or(self.machine.time());
        // Only now is everything that may be forgotten safe in the store.
        self.machine.forget();
        Ok(())
    }

    /// Appends a record of the program's own, which has no time of its own.
    fn append_own(&self, body: RecordBody) -> Result<(), EngineError> {
        let append =
            Append { body, received_at: None, true_received_at: self.clock.now(), raw: None };
        self.store.append_blocking(append)?;
        Ok(())
    }

    fn announce_start(&mut self) -> Result<(), EngineError> {
        // What was received is not deaf, whether it is worked in or not.
        let heard = self.machine.time().max(self.store.last_record_time());
        let start = self.pulse.start_after(&self.clock, self.store.sign_of_life()?, heard);
        self.append_own(RecordBody::Start(start))?;
        Ok(())
    }

    /// Writes a tick when a deadline has come and nothing received before it is still in flight.
    fn tick_if_due(&mut self) -> Result<(), EngineError> {
        let Some(deadline) = self.machine.next_deadline() else { return Ok(()) };
        let Some(now) = self.pulse.now(&self.clock) else { return Ok(()) };
        if now < deadline {
            return Ok(());
        }
        let due_on_the_wall = self.clock.now() - (now - deadline);
        if self.store.oldest_in_flight().is_some_and(|oldest| oldest <= due_on_the_wall) {
            return Ok(());
        }
        let append = Append {
            body: RecordBody::Tick,
            received_at: Some(deadline),
            true_received_at: self.clock.now(),
            raw: None,
        };
        self.store.append_blocking(append)?;
        Ok(())
    }

    fn show_life(&mut self) {
        if !self.pulse.is_sign_due(&self.clock, SIGN_OF_LIFE_EVERY) {
            return;
        }
        let sign = self.pulse.sign(&self.clock);
        match self.store.note_sign_of_life(sign) {
            Ok(()) => self.pulse.signed(&self.clock),
            Err(error) => warn!(error = %error, "A sign of life was not written"),
        }
    }

    /// Sleeps until there is something to do: a new record, a deadline, a sign of life, the stop.
    fn wait(&self, stop: &StopSignal, runtime: &tokio::runtime::Handle) {
        let mut head = self.store.head();
        if *head.borrow_and_update() != self.cursor || self.to_print_after.is_some() {
            return;
        }
        let mut longest = SIGN_OF_LIFE_EVERY;
        if let (Some(deadline), Some(now)) =
            (self.machine.next_deadline(), self.pulse.now(&self.clock))
        {
            // A deadline that is due but held up by a request in flight is polled.
            longest = longest.min((deadline - now).max(IN_FLIGHT_POLL));
        }
        let mut stop = stop.clone();
        runtime.block_on(async {
            tokio::select! {
                _ = head.changed() => {}
                () = tokio::time::sleep(longest.to_std()) => {}
                () = stop.stopped() => {}
            }
        });
    }

    /// How long ago the oldest of these was received, as the records count time: from the newest
    /// one, or from now where that is later.
    fn observe_lag(&self, records: &[Record]) {
        let oldest = records.iter().find_map(|record| record.time);
        let now = self.pulse.now(&self.clock).max(self.store.last_record_time());
        if let (Some(oldest), Some(now)) = (oldest, now) {
            self.metrics.engine_lag.set((now - oldest).seconds_f64().max(0.0));
        }
    }

    /// Says that we stop in good order and takes a snapshot, so that the next start is quick.
    pub fn stop(mut self) {
        if let Err(error) = self.append_own(RecordBody::Stop).and_then(|()| self.catch_up()) {
            warn!(error = %error, "The engine could not finish the ledger; the next start will");
            return;
        }
        let snapshot = match packed_state(&self.machine) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                warn!(error = %error, "No snapshot was taken; the next start replays the ledger");
                return;
            }
        };
        let commit = EngineCommit {
            cursor: self.cursor,
            snapshot: Some(snapshot),
            ..EngineCommit::default()
        };
        if let Err(error) = self.store.commit(commit) {
            warn!(error = %error, "No snapshot was committed; the next start replays the ledger");
        }
        let sign = self.pulse.sign(&self.clock);
        if let Err(error) = self.store.note_sign_of_life(sign) {
            warn!(error = %error, "The last sign of life was not written");
        }
        info!(engine.cursor = self.cursor.0, "The engine stopped");
    }
}

/// The machine's state, as the store takes it.
fn packed_state(machine: &Machine) -> Result<PackedState, UnreadableSnapshot> {
    let mut state = PackedState::default();
    machine.snapshot_by_parts(&mut |part| state.add(part))?;
    Ok(state.finish())
}

/// What the machine changed since the last commit, as the store takes it.
fn commit_of(machine: &mut Machine, cursor: Seq) -> EngineCommit {
    let effects = machine.take_effects();
    let heartbeats = effects.heartbeats.map(|beats| {
        let row = |beat: Beat| HeartbeatRow {
            name: beat.name,
            episode: beat.episode,
            last_word_at: beat.last_word_at,
            deadline: beat.deadline,
            is_missed: beat.is_missed,
        };
        beats.into_iter().map(row).collect()
    });
    EngineCommit {
        cursor,
        episodes: effects.episodes,
        heard: effects.heard,
        incidents: effects.incidents,
        changes: effects.changes,
        revisions: effects.revisions,
        explanations: effects.explanations,
        outcomes: effects.outcomes,
        topology: effects.topology,
        taken_back: effects.taken_back,
        heartbeats,
        ..EngineCommit::default()
    }
}

/// How many words about alerts a record brings.
fn alerts_in(record: &Record) -> u64 {
    record.body.delivery().map_or(0, |delivery| delivery.words.len() as u64)
}

/// The program's own records repeat the time before them, and a tick says only that a deadline has
/// passed, perhaps long ago: after hours on a full disk it must not set "now" back to the deadline.
fn has_own_time(record: &Record) -> bool {
    record.received_at.is_some() && !matches!(record.body, RecordBody::Tick)
}
