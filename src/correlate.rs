//! From records to incidents: the state machine.
//!
//! Fully deterministic. It does no I/O, asks no clock and knows no store: time comes with the
//! records, and what it has forgotten is handed back to it when it asks. The engine drives it:
//!
//! 1. `wants(&record)` says what must be recalled from the store before the record can be
//!    handled; `recall` hands it in. Repeat until nothing is wanted.
//! 2. `handle(&record)` advances time to the record, firing every deadline that falls due on the
//!    way in order, and then works the record in. It cannot fail.
//! 3. `take_effects()` drains what changed, to be committed together with the cursor.
//! 4. `next_deadline()` says when time alone will change something; the engine then appends a
//!    tick to the ledger.
//! 5. `forget()`, after a commit, drops from memory what nothing can touch soon. Whether and when
//!    it is called never changes a decision: only what lies inside stated windows is considered.
//!
//! Rooms inside, in the order in which a record passes them:
//!
//! | files | what |
//! | --- | --- |
//! | `machine`, `deadlines`, `effects` | what is called from outside, what time changes, what comes out |
//! | `memory`, `cabinet`, `sheets`, `dictionary`, `alerts` | what is in memory, and how little room it takes |
//! | `recall`, `held`, `snapshot`, `filter` | how what was forgotten or lost returns |
//! | `episodes`, `heartbeats` | what a word says about a firing |
//! | `reading`, `kinds`, `signals`, `wordlists`, `traits`, `marks` | what names, labels and texts tell |
//! | `graph`, `completion` | who calls whom |
//! | `learned`, `fading`, `histories`, `bustle` | what the stream teaches, and forgets |
//! | `crowd`, `sums`, `stage` | what a placement looks at |
//! | `evidence`, `untied`, `testimony`, `weights`, `explaining` | what ties two alerts, and how it is told |
//! | `grouping`, `objections`, `unfolding`, `opening`, `membership`, `lone` | which incident an alert belongs to |
//! | `lifecycle`, `operations` | how incidents end and return, and what people do |
//! | `causes`, `origins`, `similar` | what may have caused it, and what looks alike |

mod alerts;
mod bustle;
mod cabinet;
mod causes;
mod completion;
mod crowd;
mod deadlines;
mod dictionary;
mod effects;
mod episodes;
mod evidence;
mod explaining;
mod fading;
mod filter;
mod graph;
mod grouping;
mod heartbeats;
mod held;
mod histories;
mod kinds;
mod learned;
mod lifecycle;
mod lone;
mod machine;
mod marks;
mod membership;
mod memory;
mod objections;
mod opening;
mod operations;
mod origins;
mod reading;
mod recall;
mod saying;
mod sheets;
mod signals;
mod similar;
mod snapshot;
mod stage;
mod sums;
mod taking_back;
mod testimony;
#[cfg(test)]
mod tests;
mod traits;
mod unfolding;
mod untied;
mod weights;
mod wordlists;

pub use effects::{Beat, Effects};
pub use machine::{Holdings, Machine, RULES_VERSION, UnreadableSnapshot};
pub use recall::{Recalled, Wants};
