//! Handing records to the machine, and what happens when it fails on one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::{error, warn};

use super::{Engine, EngineError, alerts_in, has_own_time, recall};
use crate::domain::record::Skip;
use crate::domain::{Record, RecordBody};
use crate::store::StoreError;

/// Words about alerts that are handled before a commit, if they came in several records. What they
/// change is written in one piece, and deliveries wait behind it: few, while we keep up.
const BATCH_ALERTS: u64 = 128;
/// The same while we lag: each commit writes the same upper pages anew, and many words share them.
const BATCH_ALERTS_LAGGING: u64 = 1_024;
/// Records that wait behind those in hand when we lag: some tenths of a second of a storm.
const LAG_RECORDS: u64 = 1_000;

impl Engine {
    /// Handles some records, as many at once as a commit takes. Those behind one at which the
    /// machine asks for a commit are left for later.
    pub(super) fn digest_in_batches(&mut self, records: &[Record]) -> Result<(), EngineError> {
        let alerts_max =
            if self.lags_behind(records) { BATCH_ALERTS_LAGGING } else { BATCH_ALERTS };
        let mut rest = records;
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(batch_length(rest, alerts_max));
            rest = behind;
            if self.digest(batch)? {
                if batch.last().is_some_and(|last| self.cursor < last.seq) {
                    break;
                }
                continue;
            }
            // One of them failed: alone, each is tried once more, and the one that fails again
            // is passed over.
            for record in batch {
                if !self.digest(std::slice::from_ref(record))? {
                    self.pass_over(record)?;
                }
            }
        }
        Ok(())
    }

    /// True when much waits behind what was read.
    pub(super) fn lags_behind(&self, read: &[Record]) -> bool {
        let last = read.last().map_or(self.cursor, |record| record.seq);
        self.store.head().borrow().0.saturating_sub(last.0) >= LAG_RECORDS
    }

    /// Handles some records, all unless the machine asks for a commit in between, and commits what
    /// they changed. Returns false, with the machine as it was before, when one of them cannot be
    /// digested.
    fn digest(&mut self, records: &[Record]) -> Result<bool, EngineError> {
        let mut cursor = self.cursor;
        let mut recalls = Vec::new();
        if self.hold.is_none() {
            self.hold = Some(self.store.hold_rows());
        }
        for record in records {
            match self.work_in(record) {
                Ok(Some(recalled)) => recalls.extend(recalled.map(|bytes| (record.seq, bytes))),
                Ok(None) => {
                    error!(record.seq = record.seq.0, "A record could not be worked in");
                    self.is_machine_torn = true;
                    self.mend()?;
                    return Ok(false);
                }
                Err(error) => {
                    self.is_machine_torn = true;
                    if cursor == self.cursor {
                        return Err(error);
                    }
                    // What was handled before it must not be handled again, so it is committed;
                    // the next attempt begins at this record.
                    warn!(error = %error, "The engine could not look back; it tries again");
                    break;
                }
            }
            cursor = record.seq;
            self.alerts_since += alerts_in(record);
            if self.machine.asks_for_commit() {
                break;
            }
            // In a storm the others want the processor as well, and they have senders that wait:
            // being nicer is not enough, for a thread that runs keeps its slice of milliseconds.
            std::thread::yield_now();
        }
        self.observe_lag(records);
        // Before the commit, which may fail: the machine has come this far in any case.
        if let Some(time) = self.machine.time().filter(|_| records.iter().any(has_own_time)) {
            self.pulse.beat(&self.clock, time);
        }
        self.commit(cursor, recalls)?;
        Ok(true)
    }

    /// Hands the machine one record. `None` when it failed on it and is torn now; else what it had
    /// forgotten and was told again, serialised, to be kept until the next snapshot.
    #[expect(clippy::option_option, reason = "failed, nothing recalled, and recalled are three")]
    fn work_in(&mut self, record: &Record) -> Result<Option<Option<Vec<u8>>>, EngineError> {
        let is_skipped = self.skipped.contains(&record.seq);
        let Self { machine, store, .. } = self;
        #[cfg(test)]
        let fails_on = self.fails_on;
        let worked = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!fails_on.is_some_and(|fails_on| fails_on(record)), "as the test wishes");
            let found = recall::for_record(machine, record, store)?;
            if is_skipped {
                machine.pass_over(record);
            } else {
                machine.handle(record);
            }
            Ok::<_, EngineError>(found)
        }));
        let Ok(found) = worked else { return Ok(None) };
        let found = found?;
        if found.is_empty() {
            return Ok(Some(None));
        }
        serde_json::to_vec(&found)
            .map(|bytes| Some(Some(bytes)))
            .map_err(|error| StoreError::Broken(error.to_string()).into())
    }

    fn pass_over(&mut self, record: &Record) -> Result<(), EngineError> {
        error!(
            record.seq = record.seq.0,
            "A record could not be worked in twice and is passed over; please report it with this log"
        );
        let problem = "the machine failed on it twice".to_owned();
        self.append_own(RecordBody::Skip(Skip { seq: record.seq, problem }))?;
        self.metrics.engine_skipped.inc();
        self.skipped.insert(record.seq);
        self.digest(std::slice::from_ref(record))?;
        Ok(())
    }
}

/// How many of the first records are handled before a commit that takes so many words: one at
/// least.
pub(super) fn batch_length(records: &[Record], alerts_max: u64) -> usize {
    let mut alerts = 0;
    let fits = |record: &&Record| {
        alerts += alerts_in(record);
        alerts <= alerts_max
    };
    records.iter().take_while(fits).count().max(1)
}
