//! What the stored ledger would have become under another configuration.
//!
//! The ledger is worked in anew, from its beginning, by this release's rules; nothing is written
//! but a scratch database. What people decided about incidents is a constraint that holds there as
//! well: see `decisions`. In the end both groupings are laid beside each other. It reads one
//! moment of the store and needs no server. Called by `app`.

mod decisions;
mod difference;
mod report;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{BATCH_RECORDS, EngineError, Known, commit_of, recall};
use crate::correlate::Machine;
use crate::domain::{EpisodeId, IncidentId, Record, RecordBody, Seq, Span, Timestamp};
use crate::store::{Archive, Rebuilt, StoreError};
use decisions::Decisions;
pub use difference::Change;
pub use report::{Brief, Moved, Placement, Regrouped};

/// From when on the other configuration counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the beginning of the ledger.
    Beginning,
    /// From this moment of record time on; before it the ledger's own holds.
    Time(Timestamp),
    /// From this long before the newest record on.
    Ago(Span),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The other configuration.
    pub known: Known,
    /// From when on it counts.
    pub since: Since,
    /// How many of the alerts that move are told one by one.
    pub moves_max: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How many records were worked in.
    pub records: u64,
    /// The time of the first of them that has one, and that of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// From when on the other configuration counted, unless from the beginning.
    pub since: Option<Timestamp>,
    /// The first record, where the ledger's beginning was dropped.
    pub begins_at: Option<Seq>,
    /// How many of people's decisions hold in it.
    pub decisions: u64,
    /// How many of them are about incidents whose alerts it does not know.
    pub decisions_without_place: u64,
    /// What became of the incidents.
    pub groups: Vec<Regrouped>,
    /// The alerts that move, as many as asked for, by their starts.
    pub moves: Vec<Moved>,
    /// How many move in all.
    pub moves_total: u64,
}

/// Answers it. `progress` is told now and then how many records of how many are worked in.
///
/// # Errors
/// When the store cannot be read, or the machine fails on a record.
pub fn what_if(
    archive: &Archive,
    question: &Question,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Answer, EngineError> {
    if !archive.is_of_this_release() {
        return Err(StoreError::Broken(
            "the store was written by an older release; start this one on it, then ask again"
                .to_owned(),
        )
        .into());
    }
    let holdings = archive.holdings()?;
    let first = holdings.first.unwrap_or(Seq(1));
    let since = match question.since {
        Since::Beginning => None,
        Since::Time(at) => Some(at),
        Since::Ago(span) => {
            let newest = archive.records_after(Seq(holdings.cursor.0.saturating_sub(1)), 1)?;
            newest.first().and_then(|record| record.time).map(|time| time - span)
        }
    };
    let mut replay = Replay {
        archive,
        known: &question.known,
        since,
        is_in_force: false,
        rebuilt: Rebuilt::new()?,
        machine: Machine::new(),
        skipped: archive.skips()?.into_iter().map(|skip| skip.seq).collect(),
        decisions: Decisions::default(),
        records: 0,
        span: None,
    };
    replay.run(Seq(first.0 - 1), holdings.cursor, progress)?;
    let begins_at = (first > Seq(1)).then_some(first);
    let heard_since = begins_at.and(replay.span).map(|(first, _)| first);
    let (groups, moves, moves_total) = report::compare(
        archive.grouping(),
        replay.rebuilt.grouping(),
        report::Scope { heard_since, ended_since: since, moves_max: question.moves_max },
    )?;
    Ok(Answer {
        records: replay.records,
        span: replay.span,
        since,
        begins_at,
        decisions: replay.decisions.held,
        decisions_without_place: replay.decisions.without_place,
        groups,
        moves,
        moves_total,
    })
}

/// A ledger that is worked in under another configuration.
struct Replay<'a> {
    archive: &'a Archive,
    known: &'a Known,
    since: Option<Timestamp>,
    is_in_force: bool,
    rebuilt: Rebuilt,
    machine: Machine,
    skipped: BTreeSet<Seq>,
    decisions: Decisions,
    records: u64,
    span: Option<(Timestamp, Timestamp)>,
}

impl Replay<'_> {
    fn run(
        &mut self,
        from: Seq,
        until: Seq,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), EngineError> {
        let total = until.0.saturating_sub(from.0);
        let mut at = from;
        while at < until {
            let records = self.archive.records_after(at, BATCH_RECORDS)?;
            if records.is_empty() {
                break;
            }
            for record in records.iter().take_while(|record| record.seq <= until) {
                self.come_into_force(record)?;
                self.work_in(record)?;
                at = record.seq;
                self.records += 1;
                if let Some(time) = record.time {
                    self.span = Some((self.span.map_or(time, |(first, _)| first), time));
                }
            }
            self.commit(at)?;
            self.machine.forget();
            progress(self.records, total);
        }
        Ok(())
    }

    fn commit(&mut self, at: Seq) -> Result<(), EngineError> {
        Ok(self.rebuilt.commit(&commit_of(&mut self.machine, at))?)
    }

    /// From here on the other configuration counts, if it is time.
    fn come_into_force(&mut self, next: &Record) -> Result<(), EngineError> {
        if self.is_in_force || self.since.is_some_and(|since| next.time < Some(since)) {
            return Ok(());
        }
        self.is_in_force = true;
        let rules = RecordBody::Rules(Box::new(self.known.rules.clone()));
        self.handle(&Record { time: self.machine.time(), received_at: None, ..of(next, rules) })?;
        if let Some(topology) = &self.known.topology {
            let graph = RecordBody::Topology(topology.clone());
            self.handle(&Record {
                time: self.machine.time(),
                received_at: None,
                ..of(next, graph)
            })?;
        }
        Ok(())
    }

    fn work_in(&mut self, record: &Record) -> Result<(), EngineError> {
        if self.skipped.contains(&record.seq) {
            self.machine.pass_over(record);
            return Ok(());
        }
        match &record.body {
            // The other configuration stands in their place.
            RecordBody::Rules(_) if self.is_in_force => self.pass_time(record),
            RecordBody::Topology(_) if self.is_in_force && self.known.topology.is_some() => {
                self.pass_time(record)
            }
            RecordBody::Operation(operation) => self.hold(record, operation),
            _ => self.handle(record),
        }
    }

    /// Time goes on, and nothing else happens.
    fn pass_time(&mut self, record: &Record) -> Result<(), EngineError> {
        self.handle(&of(record, RecordBody::Tick))
    }

    fn handle(&mut self, record: &Record) -> Result<(), EngineError> {
        recall::for_record(&mut self.machine, record, &self.rebuilt)?;
        if catch_unwind(AssertUnwindSafe(|| self.machine.handle(record))).is_err() {
            return Err(StoreError::Broken(format!(
                "record {} cannot be worked in under this configuration",
                record.seq
            ))
            .into());
        }
        Ok(())
    }

    /// Brings alerts together as a person decided.
    fn gather(
        &mut self,
        record: &Record,
        into: Option<IncidentId>,
        episodes: &[EpisodeId],
    ) -> Result<(), EngineError> {
        let moved = decisions::move_of(record, into.unwrap_or(IncidentId(0)), episodes);
        recall::for_record(&mut self.machine, &moved, &self.rebuilt)?;
        self.machine.gather(&of(record, RecordBody::Tick), into, episodes);
        Ok(())
    }
}

/// The record, saying something else.
fn of(record: &Record, body: RecordBody) -> Record {
    Record { seq: record.seq, time: record.time, received_at: record.received_at, body }
}
