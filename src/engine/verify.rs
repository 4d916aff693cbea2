//! Whether the laws hold on a store: the file is sound, the ledger has no hole, and working it in
//! anew gives what is stored, byte for byte.
//!
//! It reads an archive and writes nothing. A law that cannot be checked is said to be unchecked,
//! with the reason, and never taken as kept. Called by `app` for `scribed verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{BATCH_RECORDS, EngineError, commit_of, recall, restore};
use crate::correlate::{Machine, RULES_VERSION};
use crate::domain::{Record, Seq};
use crate::store::{Archive, Comparison, Depth, Faults, Holdings, Rebuilt, RuleEpoch, compare};

/// What became of one law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The law, in a word.
    pub law: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a law holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does; the text says what was looked at.
    Holds(String),
    /// It does not.
    Broken(Faults),
    /// Nobody knows; the text says why.
    Unchecked(String),
}

/// Checks every law, in the order in which one rests on the other.
///
/// # Errors
/// When the archive cannot be read for another reason than a fault of its own.
pub fn verify(archive: &Archive) -> Result<Vec<Check>, EngineError> {
    let mut report = Report::default();
    let damage = archive.damage(Depth::Full)?;
    let is_sound = damage.is_empty();
    report.add("file", damage, "every page, index and reference is sound");
    if !is_sound {
        report.unchecked("ledger", "the file is damaged; restore a backup");
        return Ok(report.checks);
    }
    let holdings = archive.holdings()?;
    let ledger = archive.ledger_faults()?;
    let records = archive.record_faults()?;
    let can_replay = ledger.is_empty() && records.is_empty();
    report.add("ledger", ledger, &span_of(&holdings));
    report.add("records", records, "every record and every text it names can be read");
    if can_replay {
        check_replay(archive, &holdings, &mut report)?;
    } else {
        report.unchecked("replay", "the ledger has faults, so nothing can be told from it");
    }
    if holdings.cursor < holdings.head {
        report.unchecked(
            "rest of the ledger",
            &format!(
                "records {} to {} are not worked in yet; scribed does so when it runs",
                holdings.cursor.next(),
                holdings.head
            ),
        );
    }
    Ok(report.checks)
}

fn span_of(holdings: &Holdings) -> String {
    match holdings.first {
        None => "it is empty".to_owned(),
        Some(first) => {
            format!("records {first} to {} without a gap, in the order of time", holdings.head)
        }
    }
}

#[derive(Default)]
struct Report {
    checks: Vec<Check>,
}

impl Report {
    fn add(&mut self, law: &'static str, faults: Faults, holds: &str) {
        let verdict = if faults.is_empty() {
            Verdict::Holds(holds.to_owned())
        } else {
            Verdict::Broken(faults)
        };
        self.checks.push(Check { law, verdict });
    }

    fn unchecked(&mut self, law: &'static str, why: &str) {
        self.checks.push(Check { law, verdict: Verdict::Unchecked(why.to_owned()) });
    }
}

/// Where a replay finds what the machine has forgotten.
enum Memory {
    /// In what the replay itself has made so far: it began with nothing.
    Rebuilt,
    /// In the log of what was recalled then: the store has moved on since the snapshot.
    Logged(BTreeMap<Seq, Vec<u8>>),
}

/// A ledger that is worked in anew.
struct Replay<'a> {
    archive: &'a Archive,
    rebuilt: Rebuilt,
    machine: Machine,
    memory: Memory,
    skipped: BTreeSet<Seq>,
}

fn check_replay(
    archive: &Archive,
    holdings: &Holdings,
    report: &mut Report,
) -> Result<(), EngineError> {
    let law = "replay";
    if !archive.is_of_this_release() {
        let why = "the store was written by an older release; start this one on it, then verify";
        report.unchecked(law, why);
        return Ok(());
    }
    let epochs = archive.rule_epochs()?;
    let ours = epochs.last().copied();
    if let Some(theirs) = ours.filter(|epoch| epoch.version != RULES_VERSION) {
        let why = format!(
            "its records were worked in by rules {}, and this release has rules {RULES_VERSION}; \
             verify it with the release that wrote it, or start this one on it first",
            theirs.version
        );
        report.unchecked(law, &why);
        return Ok(());
    }
    let decided_since = ours.filter(|_| epochs.len() > 1).map_or(Seq(1), |epoch| epoch.first);
    let is_kept_whole = holdings.first.is_none_or(|first| first == Seq(1));
    let is_whole = is_kept_whole && decided_since == Seq(1);
    let begun = if is_whole {
        Ok((Machine::new(), Memory::Rebuilt, Seq(0)))
    } else {
        from_snapshot(archive, decided_since)?
    };
    let (machine, memory, from) = match begun {
        Ok(begun) => begun,
        Err(why) => {
            report.unchecked(law, &why);
            return Ok(());
        }
    };
    let skipped = archive.skips()?.into_iter().map(|skip| skip.seq).collect();
    let mut replay = Replay { archive, rebuilt: Rebuilt::new()?, machine, memory, skipped };
    if let Some(record) = replay.run(from, holdings.cursor)? {
        report.unchecked(law, &format!("record {record} cannot be worked in"));
        return Ok(());
    }
    let comparison = compare(archive, &replay.rebuilt, is_whole)?;
    let worked_in = holdings.cursor.0.saturating_sub(from.0);
    report.add(law, comparison.faults.clone(), &told(&comparison, worked_in));
    if decided_since > Seq(1) {
        let how = decided_otherwise(&epochs);
        report.unchecked(
            "history",
            &format!(
                "what was worked in before record {decided_since} was decided {how} and is never \
                 derived anew; what changed since record {from} was compared"
            ),
        );
    }
    if !is_kept_whole {
        report.unchecked(
            "history",
            &format!(
                "the ledger's beginning was dropped, so only what changed since the snapshot at \
                 record {from} was compared"
            ),
        );
    }
    Ok(())
}

/// How the records before the last epoch were worked in.
fn decided_otherwise(epochs: &[RuleEpoch]) -> String {
    let theirs: Vec<String> = epochs
        .iter()
        .filter(|epoch| epoch.version != RULES_VERSION)
        .map(|epoch| format!("{} from record {}", epoch.version, epoch.first))
        .collect();
    if theirs.is_empty() {
        return "when words of a change were known that were taken back since".to_owned();
    }
    format!("by other rules ({})", theirs.join(", "))
}

/// A machine as the snapshot tells it, from where it goes on; else why that cannot be.
fn from_snapshot(
    archive: &Archive,
    decided_since: Seq,
) -> Result<Result<(Machine, Memory, Seq), String>, EngineError> {
    let Some(snapshot) = archive.snapshot()? else {
        let why = "the ledger's beginning cannot be used, and there is no snapshot";
        return Ok(Err(why.to_owned()));
    };
    if snapshot.seq.next() < decided_since {
        return Ok(Err("the snapshot of the change of rules is not there".to_owned()));
    }
    let logged = archive.recalls_after(snapshot.seq)?.into_iter().collect();
    let machine = Machine::restore(&snapshot.bytes).map_err(|error| error.to_string());
    Ok(machine.map(|machine| (machine, Memory::Logged(logged), snapshot.seq)))
}

fn told(comparison: &Comparison, worked_in: u64) -> String {
    format!(
        "{worked_in} records worked in anew by rules {RULES_VERSION} give the {} rows that are \
         stored, byte for byte",
        comparison.compared
    )
}

impl Replay<'_> {
    /// Works the ledger in from one place up to another. Returns the record at which it failed.
    fn run(&mut self, from: Seq, until: Seq) -> Result<Option<Seq>, EngineError> {
        let mut at = from;
        while at < until {
            let records = self.archive.records_after(at, BATCH_RECORDS)?;
            if records.is_empty() {
                break;
            }
            for record in records.iter().take_while(|record| record.seq <= until) {
                if !self.work_in(record)? {
                    return Ok(Some(record.seq));
                }
                at = record.seq;
                if self.machine.asks_for_commit() {
                    break;
                }
            }
            self.rebuilt.commit(&commit_of(&mut self.machine, at))?;
            if matches!(self.memory, Memory::Rebuilt) {
                self.machine.forget();
            }
        }
        Ok(None)
    }

    /// Returns false when the machine fails on it.
    fn work_in(&mut self, record: &Record) -> Result<bool, EngineError> {
        match &self.memory {
            Memory::Rebuilt => drop(recall::for_record(&mut self.machine, record, &self.rebuilt)?),
            Memory::Logged(logged) => {
                restore::recall_again(&mut self.machine, record, logged.get(&record.seq))?;
            }
        }
        if self.skipped.contains(&record.seq) {
            self.machine.pass_over(record);
            return Ok(true);
        }
        Ok(catch_unwind(AssertUnwindSafe(|| self.machine.handle(record))).is_ok())
    }
}
