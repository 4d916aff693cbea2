//! From the last snapshot to the cursor: the machine as it was, without its effects.

use std::collections::{BTreeMap, BTreeSet};

use super::{BATCH_RECORDS, EngineError};
use crate::correlate::{Machine, Recalled};
use crate::domain::{Record, Seq, Timestamp};
use crate::store::{Store, StoreError};

/// The machine at the cursor, and from where it came.
pub(super) struct Restored {
    pub(super) machine: Machine,
    pub(super) cursor: Seq,
    pub(super) snapshot_at: Seq,
    /// The machine's time at the snapshot; at its first record, when there is none.
    pub(super) snapshot_time: Option<Timestamp>,
}

/// Brings the machine to the cursor.
///
/// Between the snapshot and the cursor everything was committed already, so effects are dropped,
/// and what was recalled then is recalled again from the log of recalls, not from the store, which
/// has moved on since.
pub(super) fn machine(store: &Store) -> Result<Restored, EngineError> {
    let cursor = *store.cursor().borrow();
    let (mut machine, snapshot_at) = match store.snapshot()? {
        Some(snapshot) => (Machine::restore(&snapshot.bytes)?, snapshot.seq),
        None => (Machine::new(), Seq(0)),
    };
    let skipped: BTreeSet<Seq> = store.skips()?.into_iter().map(|skip| skip.seq).collect();
    let recalls: BTreeMap<Seq, Vec<u8>> = store.recalls_after(snapshot_at)?.into_iter().collect();
    let mut at = snapshot_at;
    let mut snapshot_time = machine.time();
    while at < cursor {
        let records = store.records_after(at, BATCH_RECORDS)?;
        let Some(last) = records.last().map(|record| record.seq) else { break };
        for record in records.iter().take_while(|record| record.seq <= cursor) {
            recall_again(&mut machine, record, recalls.get(&record.seq))?;
            if skipped.contains(&record.seq) {
                machine.pass_over(record);
            } else {
                machine.handle(record);
            }
            snapshot_time = snapshot_time.or(machine.time());
        }
        at = last;
    }
    drop(machine.take_effects());
    Ok(Restored { machine, cursor, snapshot_at, snapshot_time })
}

/// Hands the machine what was recalled for a record when it was handled first.
pub(super) fn recall_again(
    machine: &mut Machine,
    record: &Record,
    logged: Option<&Vec<u8>>,
) -> Result<(), EngineError> {
    let mut recalled = match logged {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| {
            StoreError::Broken(format!("a logged recall cannot be read: {error}"))
        })?,
        None => Recalled::default(),
    };
    loop {
        let wants = machine.wants(record);
        if wants.is_empty() {
            return Ok(());
        }
        machine.recall(wants, std::mem::take(&mut recalled));
    }
}
