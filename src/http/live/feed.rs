//! What the listeners of the live stream share: the last events, read from the store once for all.
//!
//! The event id is the engine's cursor at which an incident was last written, so a listener that
//! comes back, even after a restart, is told every incident that changed meanwhile. Entries are
//! told to who listens at the time only. Caller: `live`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::Shared;
use super::super::answer::Problem;
use crate::domain::timeline::Entry;
use crate::domain::{Facts, Incident, IncidentId, IncidentState, Seq};
use crate::store::{Store, StoreError};
use crate::{drafts, render};

/// How many events are kept for listeners that are slow.
const EVENTS_MAX: usize = 2048;
/// How many changed incidents are told one by one; beyond, `lagged` says to read the lists.
const INCIDENTS_MAX: usize = 500;
/// For how many incidents it is remembered which entries were told.
const REMEMBERED_MAX: usize = 256;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    // An asynchronous lock, made to be held while one listener reads for all of them.
    ring: Arc<Mutex<Ring>>,
}

/// Up to where somebody has heard.
#[derive(Debug)]
pub(super) struct Place {
    next: u64,
    _listening: Arc<()>,
}

/// The last events, oldest first.
#[derive(Debug, Default)]
struct Ring {
    /// Changes up to here are in.
    until: Seq,
    events: VecDeque<String>,
    /// The number of the first event that is kept.
    first: u64,
    told: BTreeMap<IncidentId, Told>,
    /// Every place holds a clone: tells whether anybody listens.
    listeners: Arc<()>,
}

/// What was told of an incident.
#[derive(Debug)]
struct Told {
    at: Seq,
    entries: BTreeSet<u64>,
}

impl Feed {
    /// A place behind everything that happened so far.
    pub(super) async fn join(&self, now: Seq) -> Place {
        let mut ring = self.ring.lock().await;
        // While nobody listens nothing is read: what happened then is nobody's news.
        if Arc::strong_count(&ring.listeners) == 1 {
            *ring = Ring { until: now, first: ring.end(), ..Ring::default() };
        }
        Place { next: ring.end(), _listening: Arc::clone(&ring.listeners) }
    }

    /// The events after a place, which moves on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn news(
        &self,
        shared: &Shared,
        place: &mut Place,
        now: Seq,
    ) -> Result<String, Problem> {
        let mut ring = Arc::clone(&self.ring).lock_owned().await;
        if ring.until < now {
            ring = shared.read(move |store| ring.advance(store).map(|()| ring)).await?;
        }
        Ok(ring.after(place))
    }
}

impl Ring {
    /// The number of the event that comes next.
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn push(&mut self, event: String) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    /// The events after a place; `lagged` first when some are no longer kept.
    fn after(&self, place: &mut Place) -> String {
        let mut text = String::new();
        if place.next < self.first {
            text += &lagged();
            place.next = self.first;
        }
        let skip = usize::try_from(place.next - self.first).unwrap_or(usize::MAX);
        self.events.iter().skip(skip).for_each(|event| text += event);
        place.next = self.end();
        text
    }

    /// Reads what changed since.
    fn advance(&mut self, store: &Store) -> Result<(), StoreError> {
        let changed = store.incidents_changed_after(self.until, INCIDENTS_MAX)?;
        if changed.len() == INCIDENTS_MAX {
            self.push(lagged());
        }
        let mut changed = changed.into_iter().peekable();
        while let Some((seq, id)) = changed.next() {
            if let Some(facts) = store.facts(id)? {
                self.tell(&facts, seq);
            }
            // What one commit wrote shares a cursor: only its last event carries the id, so that
            // whoever is cut off before it is told all of it again.
            if changed.peek().is_none_or(|(next, _)| *next != seq) {
                self.until = self.until.max(seq);
                if let Some(last) = self.events.back_mut() {
                    *last = with_id(seq, last);
                }
            }
        }
        Ok(())
    }

    /// Adds the events of one changed incident: the incident, then what is new in its timeline.
    fn tell(&mut self, facts: &Facts, seq: Seq) {
        let incident = &facts.incident;
        let entries = drafts::entries(facts, false);
        let marks: BTreeSet<u64> = entries.iter().map(mark).collect();
        let before = self.told.insert(incident.id, Told { at: seq, entries: marks });
        let is_new = |entry: &&Entry| match &before {
            Some(told) => !told.entries.contains(&mark(entry)),
            // Of an incident met for the first time, only what its last step brought is news.
            None => incident.revision == 1 || entry.received_at >= incident.as_of,
        };
        let new: Vec<Value> = entries
            .iter()
            .filter(is_new)
            .map(|entry| {
                let mut value = render::json::entry(entry);
                value["incident"] = json!(incident.id);
                value
            })
            .collect();
        self.push(incident_event(incident));
        for value in new {
            self.push(event("entry", &value));
        }
        if self.told.len() > REMEMBERED_MAX
            && let Some(oldest) =
                self.told.iter().min_by_key(|(_, told)| told.at).map(|(id, _)| *id)
        {
            self.told.remove(&oldest);
        }
    }
}

/// The incidents that changed after a place, for one who comes back.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn missed(store: &Store, seq: Seq, now: Seq) -> Result<String, StoreError> {
    // A place ahead of the cursor is from another store.
    if seq > now {
        return Ok(lagged());
    }
    let changed = store.incidents_changed_after(seq, INCIDENTS_MAX)?;
    if changed.len() == INCIDENTS_MAX {
        return Ok(lagged());
    }
    let mut text = String::new();
    for (_, id) in &changed {
        if let Some(incident) = store.incident(*id)? {
            text += &incident_event(&incident);
        }
    }
    // An id without an event only moves the place.
    if let Some((last, _)) = changed.last() {
        text += &with_id(*last, "\n");
    }
    Ok(text)
}

fn incident_event(incident: &Incident) -> String {
    let merged_into = match incident.state {
        IncidentState::Merged { into } => Some(into),
        IncidentState::Open
        | IncidentState::Acknowledged
        | IncidentState::Mitigated
        | IncidentState::Resolved => None,
    };
    let value = json!({
        "id": incident.id,
        "revision": incident.revision,
        "state": incident.state.as_str(),
        "merged_into": merged_into,
    });
    event("incident", &value)
}

/// Some events are lost: read the lists again.
fn lagged() -> String {
    event("lagged", &json!({}))
}

/// One event. JSON holds no raw line break, so one `data` line is enough.
fn event(name: &str, value: &Value) -> String {
    format!("event: {name}\ndata: {value}\n\n")
}

/// An event that moves the listener's place, should it have to come back.
fn with_id(seq: Seq, event: &str) -> String {
    format!("id: {seq}\n{event}")
}

/// What an entry shows: a corrected one is news again.
fn mark(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&entry.id, &entry.text, entry.occurred_at, entry.ended_at, entry.count).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(events: usize) -> Ring {
        let mut ring = Ring::default();
        for number in 0..events {
            ring.push(event("incident", &json!(number)));
        }
        ring
    }

    fn check(ring: &Ring, next: u64, expect_events: usize, expect_lagged: bool) {
        let mut place = Place { next, _listening: Arc::clone(&ring.listeners) };
        let text = ring.after(&mut place);
        assert_eq!(text.matches("event: incident").count(), expect_events);
        assert_eq!(text.starts_with("event: lagged\ndata: {}\n\n"), expect_lagged);
        assert_eq!(ring.after(&mut place), "", "everything was told");
    }

    #[test]
    fn a_listener_hears_what_it_has_not_heard() {
        check(&ring(3), 0, 3, false);
        check(&ring(3), 2, 1, false);
        check(&ring(3), 3, 0, false);
    }

    #[test]
    fn a_listener_that_is_too_slow_is_told_so() {
        check(&ring(EVENTS_MAX + 5), 4, EVENTS_MAX, true);
        check(&ring(EVENTS_MAX + 5), 5, EVENTS_MAX, false);
    }

    #[test]
    fn an_event_is_one_block_whatever_the_text_holds() {
        let text = with_id(Seq(7), &event("entry", &json!({"text": "a\n\nevent: x\r\ndata: y"})));
        assert_eq!(text.matches("\n\n").count(), 1);
        assert!(text.starts_with("id: 7\nevent: entry\ndata: {"));
        assert!(!text.contains('\r'));
    }

    #[tokio::test]
    async fn a_feed_that_nobody_heard_forgets() {
        let feed = Feed::default();
        let place = feed.join(Seq(4)).await;
        assert_eq!(feed.ring.lock().await.until, Seq(4));
        let second = feed.join(Seq(9)).await;
        assert_eq!(feed.ring.lock().await.until, Seq(4), "the first one still listens");
        drop((place, second));
        let later = feed.join(Seq(20)).await;
        assert_eq!(feed.ring.lock().await.until, Seq(20));
        drop(later);
    }
}
