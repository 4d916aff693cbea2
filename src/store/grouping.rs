//! Alerts and incidents as one database holds them: a store, or a ledger worked in anew.
//!
//! Only reads. Called by `engine` for what-if, which lays two of them beside each other.

use rusqlite::Connection;

use super::check::Archive;
use super::episodes::Reasons;
use super::rebuilt::Rebuilt;
use super::{StoreError, episodes, incidents};
use crate::domain::{AlertKey, Episode, EpisodeId, Incident, IncidentId};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Grouping<'a> {
    connection: &'a Connection,
}

impl Archive {
    /// How its alerts are grouped.
    #[must_use]
    pub fn grouping(&self) -> Grouping<'_> {
        Grouping { connection: self.connection() }
    }
}

impl Rebuilt {
    /// How its alerts are grouped.
    #[must_use]
    pub fn grouping(&self) -> Grouping<'_> {
        Grouping { connection: self.connection() }
    }
}

impl Grouping<'_> {
    /// One incident.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn incident(self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        incidents::get(self.connection, id)
    }

    /// Incidents after a number, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn incidents_after(
        self,
        id: IncidentId,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        incidents::after(self.connection, id, limit)
    }

    /// The members of an incident, by start.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn members(self, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
        episodes::members(self.connection, id, Reasons::Told)
    }

    /// One episode.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn episode(self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
        episodes::get(self.connection, id)
    }

    /// The newest episodes of an alert.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn episodes_of_alert(
        self,
        key: &AlertKey,
        limit: usize,
    ) -> Result<Vec<Episode>, StoreError> {
        episodes::of_alert(self.connection, key, limit)
    }

    /// Episodes after a number, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn episodes_after(self, id: EpisodeId, limit: usize) -> Result<Vec<Episode>, StoreError> {
        episodes::after(self.connection, id, limit)
    }
}
