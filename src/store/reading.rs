//! Every read of the store, as the rest of the program asks for it.
//!
//! Each takes a connection of the pool, so it sees one committed moment and never waits for the
//! writer. It blocks its thread.

use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::episodes::Reasons;
use super::{
    AuditFilter, AuditRow, ChangeFilter, DeliveryRow, EpisodeFilter, HeartbeatRow, IncidentFilter,
    Page, PageRequest, Printed, QuarantineRow, Quarantined, SignOfLife, Snapshot, SourceRow, Store,
    StoreCounts, StoreError, audit, changes, deliveries, engine, episodes, files, incidents,
    ledger, lock, paging, printed, raw_bodies, snapshots,
};
use crate::domain::record::{Outcome, Skip};
use crate::domain::{
    AlertKey, Change, ChangeId, Episode, EpisodeId, Explanation, Facts, Incident, IncidentId, Name,
    Record, Seq, Timestamp, Topology,
};

impl Store {
    /// The head of the ledger, live.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Seq> {
        self.inner.shared.head_seq.subscribe()
    }

    /// The engine's cursor, live.
    #[must_use]
    pub fn cursor(&self) -> watch::Receiver<Seq> {
        self.inner.shared.cursor.subscribe()
    }

    /// The engine's cursor with which words were last taken back, since the start. Whatever was
    /// read before that may hold them, and is not to be shown from then on.
    #[must_use]
    pub fn taken_back(&self) -> Seq {
        Seq(self.inner.shared.taken_back.load(Ordering::Acquire))
    }

    /// How many records the engine has not worked in.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let (head, cursor) =
            (self.inner.shared.head_seq.borrow().0, self.inner.shared.cursor.borrow().0);
        head.saturating_sub(cursor)
    }

    /// Records after a place, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_after(&self, seq: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        let texts = &self.inner.shared.texts;
        self.inner.read(|connection| ledger::after(connection, texts, seq, limit))
    }

    /// All skip records of the ledger, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn skips(&self) -> Result<Vec<Skip>, StoreError> {
        self.inner.read(ledger::skips)
    }

    /// Record time of the head.
    #[must_use]
    pub fn last_record_time(&self) -> Option<Timestamp> {
        self.inner.shared.head.borrow().record_time
    }

    /// Record time of the oldest record that is kept, for a limit on the size that drops the
    /// oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn oldest_record_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.read(ledger::oldest)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.inner.read(snapshots::newest)
    }

    /// What was recalled for records after a place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recalls_after(&self, seq: Seq) -> Result<Vec<(Seq, Vec<u8>)>, StoreError> {
        self.inner.read(|connection| engine::recalls_after(connection, seq))
    }

    /// The last sign of life of the process before this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sign_of_life(&self) -> Result<Option<SignOfLife>, StoreError> {
        Ok(self.inner.sign_of_life)
    }

    /// What became of an operation; `None` while it is not worked in, or long after.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outcome(&self, seq: Seq) -> Result<Option<Outcome>, StoreError> {
        self.inner.read(|connection| engine::outcome(connection, seq))
    }

    /// One incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.inner.read(|connection| incidents::get(connection, id))
    }

    /// One incident with everything it refers to, read in one transaction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn facts(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        self.inner.read(|connection| incidents::facts(connection, id, Reasons::Told))
    }

    /// As [`Store::facts`], without the reasons of the members: no shipped document prints them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn facts_to_print(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        self.inner.read(|connection| incidents::facts(connection, id, Reasons::LeftOut))
    }

    /// The facts that people had reviewed when they last called the incident's draft final.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reviewed(&self, id: IncidentId) -> Result<Option<Facts>, StoreError> {
        self.inner.read(|connection| incidents::reviewed(connection, id))
    }

    /// A document of a final draft as it was printed then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn printed(
        &self,
        id: IncidentId,
        format: &str,
        template: &str,
    ) -> Result<Option<Printed>, StoreError> {
        self.inner.read(|connection| printed::get(connection, id, format, template))
    }

    /// Incidents, newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not one of ours.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        page: &PageRequest,
    ) -> Result<Page<Incident>, StoreError> {
        paging::fill(
            page,
            |place, limit| {
                self.inner.read(|connection| incidents::list(connection, filter, place, limit))
            },
            |incident| {
                if filter.matchers.is_empty() {
                    return Ok(true);
                }
                self.inner.read(|connection| {
                    episodes::any_member_matches(connection, incident.id, &filter.matchers)
                })
            },
        )
    }

    /// Incidents that were written with a cursor after this place, the last written `limit` of
    /// them, with that cursor; the first written first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incidents_changed_after(
        &self,
        seq: Seq,
        limit: usize,
    ) -> Result<Vec<(Seq, IncidentId)>, StoreError> {
        self.inner.read(|connection| incidents::changed_after(connection, seq, limit))
    }

    /// One episode.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episode(&self, id: EpisodeId) -> Result<Option<Episode>, StoreError> {
        self.inner.read(|connection| episodes::get(connection, id))
    }

    /// How an episode was weighed for the place it has; empty where nothing was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn explanation(&self, id: EpisodeId) -> Result<Explanation, StoreError> {
        self.inner.read(|connection| episodes::explanation(connection, id))
    }

    /// Episodes, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn episodes(
        &self,
        filter: &EpisodeFilter,
        page: &PageRequest,
    ) -> Result<Page<Episode>, StoreError> {
        paging::fill(
            page,
            |place, limit| {
                self.inner.read(|connection| episodes::list(connection, filter, place, limit))
            },
            |episode| Ok(filter.matchers.iter().all(|matcher| matcher.matches(&episode.labels))),
        )
    }

    /// All members of an incident, by start and id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn members(&self, id: IncidentId) -> Result<Vec<Episode>, StoreError> {
        self.inner.read(|connection| episodes::members(connection, id, Reasons::Told))
    }

    /// The newest episodes of an alert, newest start first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episodes_of_alert(
        &self,
        key: &AlertKey,
        limit: usize,
    ) -> Result<Vec<Episode>, StoreError> {
        self.inner.read(|connection| episodes::of_alert(connection, key, limit))
    }

    /// One change.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change(&self, id: ChangeId) -> Result<Option<Change>, StoreError> {
        self.inner.read(|connection| changes::get(connection, id))
    }

    /// The change that a source told under a key of its own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn change_by_key(&self, source: &Name, key: &str) -> Result<Option<Change>, StoreError> {
        self.inner.read(|connection| changes::by_key(connection, source, key))
    }

    /// Changes, newest first by the moment at which they happened.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn changes(
        &self,
        filter: &ChangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Change>, StoreError> {
        self.list(page, |connection, place, limit| changes::list(connection, filter, place, limit))
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn deliveries(&self, page: &PageRequest) -> Result<Page<DeliveryRow>, StoreError> {
        self.list(page, deliveries::list)
    }

    /// The raw body of a delivery, while it is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn raw(&self, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(|connection| raw_bodies::raw(connection, seq))
    }

    /// The quarantine, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn quarantined(&self, page: &PageRequest) -> Result<Page<QuarantineRow>, StoreError> {
        self.list(page, deliveries::quarantined)
    }

    /// One row of the quarantine, with the body that it is about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn quarantined_one(&self, number: u64) -> Result<Option<Quarantined>, StoreError> {
        self.inner.read(|connection| deliveries::quarantined_one(connection, number))
    }

    /// What people and administrators did, newest first.
    ///
    /// # Errors
    /// As [`Store::incidents`].
    pub fn audited(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        self.list(page, |connection, place, limit| audit::list(connection, filter, place, limit))
    }

    /// The service graph as last set.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn topology(&self) -> Result<Option<Topology>, StoreError> {
        self.inner.read(engine::topology)
    }

    /// Heartbeats as they stand.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heartbeats(&self) -> Result<Vec<HeartbeatRow>, StoreError> {
        self.inner.read(engine::heartbeats)
    }

    /// Sources with their last word.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.inner.read(deliveries::sources)
    }

    /// How many incidents are in each state, and how many firing episodes float.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<StoreCounts, StoreError> {
        self.inner.read(|connection| {
            Ok(StoreCounts {
                incidents: incidents::count_by_state(connection)?,
                floating: episodes::count_floating(connection)?,
            })
        })
    }

    /// Size of the store's files, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        files::size(&self.inner.shared.path)
    }

    /// True when the last write succeeded and the writer lives.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.inner.shared.is_writable.load(Ordering::Acquire)
    }

    /// Why the last write failed, for people; `None` while writes succeed.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.is_writable() {
            return None;
        }
        let reason = lock(&self.inner.shared.refusal).clone();
        Some(reason.unwrap_or_else(|| "its writer has ended; restart scribed".to_owned()))
    }

    /// The rules by which the engine works this store's records in; `None` before it ever did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_version(&self) -> Result<Option<u32>, StoreError> {
        let epochs = self.inner.read(engine::rule_epochs)?;
        Ok(epochs.last().map(|epoch| epoch.version))
    }

    /// A list that SQL can filter alone.
    fn list<T>(
        &self,
        page: &PageRequest,
        rows: impl Fn(
            &rusqlite::Connection,
            paging::Place,
            usize,
        ) -> Result<Vec<(paging::Place, T)>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        paging::fill(
            page,
            |place, limit| self.inner.read(|connection| rows(connection, place, limit)),
            |_| Ok(true),
        )
    }
}
