//! The machine driven by hand, in virtual time.

mod candidate_rules;
mod cause_rules;
mod episode_rules;
mod grouping_laws;
mod grouping_rules;
mod laws;
mod operation_rules;
mod outage_rules;
mod revision_rules;
mod similar_rules;
pub(super) mod sums;
mod untied_rules;
mod world;
