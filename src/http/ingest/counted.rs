//! What the door counts: alerts by what became of them, and how late they are told.

use crate::domain::Timestamp;
use crate::domain::alert::{Word, WordState};
use crate::http::Shared;
use crate::ingest::{self, Reason};
use crate::store::{DoorCounts, RefusedAlert};

use super::target::Meters;
use super::{BAD_ENCODING, SOURCES_OF_OTHER_PATHS};

/// Why a single alert is in quarantine.
const ONE_ALERT: &str = "alert";

/// How late each word is: receipt less what it tells of. The shortest come first.
pub(super) fn lags_seconds(words: &[Word], received_at: Timestamp) -> Vec<f64> {
    let mut lags: Vec<f64> = words
        .iter()
        .filter(|word| !word.is_test)
        .map(|word| {
            let told = match &word.state {
                WordState::Firing { .. } => &word.starts_at,
                WordState::Resolved { ends_at, .. } => ends_at,
            };
            (received_at - told.at).seconds_f64().max(0.0)
        })
        .collect();
    lags.sort_unstable_by(f64::total_cmp);
    lags
}

/// Counts what came of a delivery.
pub(super) fn count(
    shared: &Shared,
    meters: &Meters,
    received_at: Timestamp,
    counts: DoorCounts,
    refused: &[RefusedAlert],
    lags: Vec<f64>,
) {
    let rejected = refused.len() as u64;
    meters.alerts_new.inc_by(counts.new);
    meters.alerts_updated.inc_by(counts.updated);
    meters.alerts_repeated.inc_by(counts.repeated);
    meters.alerts_rejected.inc_by(rejected);
    if rejected > 0 {
        shared.metrics.quarantined.with_label_values(&[ONE_ALERT]).inc_by(rejected);
    }
    // A state counts once. What is told for the first time is younger than what is told again, so
    // it is the shortest lags that are measured.
    let fresh = usize::try_from(counts.new + counts.updated).unwrap_or(usize::MAX);
    for lag in lags.into_iter().take(fresh) {
        meters.event_lag.observe(lag);
    }
    meters.last_delivery.set(received_at.seconds_f64());
}

/// Makes the counters of failures exist before the first failure, so that a rate over them works.
/// To be called once at the start, and after a reload.
pub fn prime_metrics(shared: &Shared) {
    let config = shared.config();
    let built_in = ingest::BUILT_IN.iter().chain(&SOURCES_OF_OTHER_PATHS).map(|kind| kind.as_str());
    for source in config.sources.iter().map(|source| source.name.as_str()).chain(built_in) {
        for outcome in ["accepted", "rejected", "unavailable"] {
            shared.metrics.deliveries.with_label_values(&[source, outcome]).inc_by(0);
        }
    }
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    for reason in reasons.chain([BAD_ENCODING, ONE_ALERT]) {
        shared.metrics.quarantined.with_label_values(&[reason]).inc_by(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::labels::Labels;
    use crate::domain::{AlertKey, Claim, Fingerprint, Name};

    #[test]
    fn lag_is_measured_from_what_a_word_tells_of() {
        let received = Timestamp::from_seconds(1000);
        let word = |start: i64, end: Option<i64>, is_test: bool| Word {
            key: AlertKey::new(Name::from("prometheus"), Fingerprint::new("f")),
            key_from_labels: true,
            labels: Labels::default(),
            annotations: Labels::default(),
            state: match end {
                None => WordState::Firing { lease: None },
                Some(end) => WordState::Resolved {
                    ends_at: Claim::plain(Timestamp::from_seconds(end)),
                    ending: crate::domain::alert::Ending::Recovered,
                },
            },
            starts_at: Claim::plain(Timestamp::from_seconds(start)),
            links: Vec::new(),
            values: Vec::new(),
            is_test,
        };
        let words = [
            word(900, None, false),
            word(500, Some(990), false),
            word(1005, None, false),
            word(0, None, true),
        ];
        assert_eq!(lags_seconds(&words, received), [0.0, 10.0, 100.0]);
    }
}
