//! What the listeners of the live stream share: the last events, read from the store once for all.
//!
//! The event id is the engine's cursor at which an incident was last written, so a listener that
//! comes back, even after a restart, is told every incident that changed meanwhile. Entries are
//! told to who listens at the time only. Caller: `live`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};

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
/// For how many incidents it is remembered which entries were told, …
const REMEMBERED_MAX: usize = 256;
/// … and how many entries of all of them; those of the incident that was told last are remembered
/// in any case.
const ENTRIES_MAX: usize = 200_000;
/// What one listener is handed at once, but for an event that is longer.
const PIECE_BYTES: usize = 64 * 1024;
/// How long to wait for a turn with an incident. Who listens is told of it without its entries
/// then; they are told with its next change.
const TURN_WAIT: Duration = Duration::from_secs(1);
/// How much longer than reading the news took to leave the store alone afterwards: a long incident
/// that changes all the time must not be read all the time.
const REST_FACTOR: u32 = 3;
/// The longest such rest.
const REST_MAX: Duration = Duration::from_secs(5);

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
    /// No event that is kept says what was taken back up to here.
    clean_since: Seq,
    /// How long to leave the store alone after the last reading.
    rest: Duration,
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

    /// The next events after a place, which moves on, of those that were read already.
    pub(super) async fn kept(&self, shared: &Shared, place: &mut Place) -> String {
        let mut ring = self.ring.lock().await;
        ring.take_back(shared.store.taken_back());
        ring.after(place)
    }

    /// As [`Feed::kept`], of all there are now.
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
        ring.take_back(shared.store.taken_back());
        if ring.until < now {
            let began = shared.clock.monotonic();
            ring = advance(ring, shared).await?;
            ring.rest = rest_after((shared.clock.monotonic() - began).to_std());
            // Words may have been taken back while it was read.
            ring.take_back(shared.store.taken_back());
        }
        Ok(ring.after(place))
    }

    /// How long to leave the store alone before the news are asked for again.
    pub(super) async fn rest(&self) -> Duration {
        self.ring.lock().await.rest
    }
}

/// How long to rest after a reading that took so long.
fn rest_after(took: Duration) -> Duration {
    took.saturating_mul(REST_FACTOR).min(REST_MAX)
}

/// Reads what changed since, each incident under a turn of its own. The ring is handed to whoever
/// reads and back; when the listener goes away meanwhile, what it holds is whole.
async fn advance(
    mut ring: OwnedMutexGuard<Ring>,
    shared: &Shared,
) -> Result<OwnedMutexGuard<Ring>, Problem> {
    let until = ring.until;
    let changed =
        shared.read(move |store| store.incidents_changed_after(until, INCIDENTS_MAX)).await?;
    if changed.len() == INCIDENTS_MAX {
        ring.push(lagged());
    }
    let mut patience = TURN_WAIT;
    let mut changed = changed.into_iter().peekable();
    while let Some((seq, id)) = changed.next() {
        ring = match shared.turn_within(id, patience).await {
            Ok(turn) => {
                let reading = move |store: &Store| {
                    if let Some(facts) = store.facts(id)? {
                        ring.tell(&facts, seq);
                    }
                    Ok::<_, StoreError>(ring)
                };
                turn.read(shared, reading).await?
            }
            Err(_) => {
                patience = Duration::ZERO;
                let reading = move |store: &Store| {
                    if let Some(incident) = store.incident(id)? {
                        ring.push(incident_event(&incident));
                    }
                    Ok::<_, StoreError>(ring)
                };
                shared.read(reading).await?
            }
        };
        // What one commit wrote shares a cursor: only its last event carries the id, so that
        // whoever is cut off before it is told all of it again.
        if changed.peek().is_none_or(|(next, _)| *next != seq) {
            ring.reach(seq);
        }
    }
    Ok(ring)
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

    /// Drops every event that was read before words were last taken back, at `seq`: some may hold
    /// them. Who has not heard the events is told `lagged`, and reads what is there now.
    fn take_back(&mut self, seq: Seq) {
        if self.clean_since < seq {
            self.clean_since = seq;
            self.first = self.end();
            self.events.clear();
        }
    }

    /// Everything that was written up to here is told.
    fn reach(&mut self, seq: Seq) {
        self.until = self.until.max(seq);
        if let Some(last) = self.events.back_mut() {
            *last = with_id(seq, last);
        }
    }

    /// The next events after a place; `lagged` first when some are no longer kept.
    fn after(&self, place: &mut Place) -> String {
        let mut text = String::new();
        if place.next < self.first {
            text += &lagged();
            place.next = self.first;
        }
        let skip = usize::try_from(place.next - self.first).unwrap_or(usize::MAX);
        for event in self.events.iter().skip(skip) {
            if !text.is_empty() && text.len() + event.len() > PIECE_BYTES {
                break;
            }
            text += event;
            place.next += 1;
        }
        text
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
        self.forget();
    }

    /// Drops what was told longest ago, until what is remembered is within its bounds.
    fn forget(&mut self) {
        let entries = |told: &BTreeMap<IncidentId, Told>| {
            told.values().map(|told| told.entries.len()).sum::<usize>()
        };
        while self.told.len() > 1
            && (self.told.len() > REMEMBERED_MAX || entries(&self.told) > ENTRIES_MAX)
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
    fn a_listener_is_handed_bounded_pieces_and_misses_nothing() {
        let mut ring = Ring::default();
        for bytes in [1, PIECE_BYTES, 10, PIECE_BYTES / 2, PIECE_BYTES / 3, PIECE_BYTES / 3] {
            ring.push(event("entry", &json!("x".repeat(bytes))));
        }
        let mut place = Place { next: 0, _listening: Arc::clone(&ring.listeners) };
        let pieces: Vec<String> = std::iter::repeat_with(|| ring.after(&mut place))
            .take_while(|piece| !piece.is_empty())
            .collect();
        let events = |piece: &String| piece.matches("event: entry").count();
        assert_eq!(pieces.iter().map(events).collect::<Vec<_>>(), [1, 1, 3, 1]);
        assert_eq!(pieces.concat(), ring.events.iter().cloned().collect::<String>());
    }

    #[test]
    fn what_was_told_is_remembered_within_bounds() {
        let mut ring = Ring::default();
        let entries = |from: u64, count: usize| (from..).take(count).collect::<BTreeSet<_>>();
        for (id, count) in [(1, ENTRIES_MAX / 2), (2, ENTRIES_MAX / 2), (3, 1), (4, 10)] {
            ring.told.insert(IncidentId(id), Told { at: Seq(id), entries: entries(0, count) });
            ring.forget();
        }
        assert_eq!(ring.told.keys().map(|id| id.0).collect::<Vec<_>>(), [2, 3, 4]);
        let at = Seq(9);
        ring.told.insert(IncidentId(9), Told { at, entries: entries(0, ENTRIES_MAX + 1) });
        ring.forget();
        assert_eq!(ring.told.keys().map(|id| id.0).collect::<Vec<_>>(), [9], "the newest stays");
    }

    #[test]
    fn after_a_long_reading_the_store_is_left_alone_for_a_while() {
        let rest = |millis| rest_after(Duration::from_millis(millis)).as_millis();
        assert_eq!((rest(0), rest(20), rest(60_000)), (0, 60, 5_000));
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
