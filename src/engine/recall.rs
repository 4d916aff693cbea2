//! What the machine has forgotten and needs again, looked up in whatever keeps its work.

use super::EngineError;
use crate::correlate::{Machine, Recalled, Wants};
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Facts, IncidentId, Name, Record,
};
use crate::store::{Rebuilt, Store, StoreError};

/// Episodes of one alert that are recalled, newest first.
const EPISODES_RECALLED: usize = 64;

/// Keeps what was committed, and finds it again.
pub(super) trait Kept {
    fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError>;
    fn episodes_of_alert(&self, key: &AlertKey, limit: usize) -> Result<Vec<Episode>, StoreError>;
    fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError>;
    fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError>;
    fn change_by_key(&self, source: &Name, key: &str) -> Result<Option<Change>, StoreError>;
}

/// Each method is the type's own of that name.
macro_rules! kept_by {
    ($keeper:ty) => {
        impl Kept for $keeper {
            fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
                self.facts(id)
            }

            fn episodes_of_alert(
                &self,
                key: &AlertKey,
                limit: usize,
            ) -> Result<Vec<Episode>, StoreError> {
                self.episodes_of_alert(key, limit)
            }

            fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
                self.episode(id)
            }

            fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError> {
                self.change(id)
            }

            fn change_by_key(
                &self,
                source: &Name,
                key: &str,
            ) -> Result<Option<Change>, StoreError> {
                self.change_by_key(source, key)
            }
        }
    };
}
kept_by!(Store);
kept_by!(Rebuilt);

/// Hands the machine everything that it wants before it handles a record; returns what was found.
pub(super) fn for_record(
    machine: &mut Machine,
    record: &Record,
    kept: &impl Kept,
) -> Result<Recalled, EngineError> {
    let mut found = Recalled::default();
    loop {
        let wants = machine.wants(record);
        if wants.is_empty() {
            return Ok(found);
        }
        let recalled = look_up(&wants, kept)?;
        found.incidents.extend(recalled.incidents.iter().cloned());
        found.episodes.extend(recalled.episodes.iter().cloned());
        found.changes.extend(recalled.changes.iter().cloned());
        machine.recall(wants, recalled);
    }
}

fn look_up(wants: &Wants, kept: &impl Kept) -> Result<Recalled, EngineError> {
    let mut recalled = Recalled::default();
    for id in &wants.incidents {
        if let Some(facts) = kept.facts(*id)? {
            recalled.incidents.push(facts.incident);
            recalled.episodes.extend(facts.members);
            recalled.changes.extend(facts.changes);
        }
    }
    for key in &wants.alerts {
        recalled.episodes.extend(kept.episodes_of_alert(key, EPISODES_RECALLED)?);
    }
    for id in &wants.episodes {
        recalled.episodes.extend(kept.episode(*id)?);
    }
    for id in &wants.changes {
        recalled.changes.extend(kept.change(*id)?);
    }
    for (source, key) in &wants.change_keys {
        recalled.changes.extend(kept.change_by_key(source, key)?);
    }
    Ok(recalled)
}
