//! Plays scenarios into a running server, over HTTP, with the times at which things were received.
//!
//! Called by `replay` and `demo`. It never touches the store: what it sends is what the senders
//! and people of the scenario would have sent.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;

use super::client::{Answer, Call, Client, ClientError};
use super::failure::Failure;
use super::scenario::{FirstAlert, Scenario, Turn, merge};
use super::url::Target;
use super::wire::{Alert, Incident, Page, Progress, Receipt};
use crate::domain::{Span, Timestamp};

/// How often an event is offered to a server that is busy.
const OFFERS_MAX: u32 = 20;
/// Longest wait between two offers, whatever the server asks for.
const OFFER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the server may take to work in what it has received.
const SETTLE_LIMIT: Span = Span::from_minutes(2);
/// Longest pause between two looks at how far the server is.
const SETTLE_PAUSE_MAX: Duration = Duration::from_millis(100);
/// Items asked for in one page, the most that is given.
const PAGE_SIZE: &str = "500";

/// What a replay did.
#[derive(Debug)]
pub(super) struct Summary {
    /// How many events were sent.
    pub(super) events: usize,
    /// The incidents that were not there before, oldest first.
    pub(super) made: Vec<Incident>,
    /// For each scenario, the incident of its people, where one was needed.
    pub(super) homes: Vec<Option<u64>>,
}

/// Something to tell while it runs.
pub(super) enum Report<'a> {
    /// An event is about to be sent.
    Turn {
        /// Its place among all, counted from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// The scenario.
        scenario: &'a Scenario,
        /// The event's place in it.
        event: usize,
    },
    /// Something a person should know.
    Notice(String),
}

/// Plays scenarios.
pub(super) struct Player<'a> {
    client: &'a mut Client,
    scenarios: &'a [Scenario],
    speed: Option<f64>,
    homes: Vec<Option<u64>>,
}

impl<'a> Player<'a> {
    /// A player; without a speed it goes as fast as the server accepts.
    pub(super) fn new(
        client: &'a mut Client,
        scenarios: &'a [Scenario],
        speed: Option<f64>,
    ) -> Self {
        Self { client, scenarios, speed, homes: vec![None; scenarios.len()] }
    }

    /// Plays everything, merged by time, and waits until it is worked in.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses an event.
    pub(super) async fn play(
        mut self,
        report: &mut dyn FnMut(Report<'_>),
    ) -> Result<Summary, Failure> {
        let known: BTreeSet<u64> = self.incidents().await?.iter().map(|i| i.id).collect();
        let turns = merge(self.scenarios);
        let mut before: Option<Timestamp> = None;
        for (index, turn) in turns.iter().enumerate() {
            let scenario = &self.scenarios[turn.scenario];
            let at = scenario.events[turn.event].at;
            if let (Some(before), Some(speed)) = (before, self.speed) {
                tokio::time::sleep(pause(before, at, speed)).await;
            }
            before = Some(at);
            report(Report::Turn {
                number: index + 1,
                total: turns.len(),
                scenario,
                event: turn.event,
            });
            self.take(*turn, report).await.map_err(|problem| Failure::Event {
                file: scenario.file.clone(),
                event: turn.event + 1,
                what: scenario.events[turn.event].describe(),
                problem,
            })?;
        }
        self.settle().await?;
        let mut made: Vec<Incident> = self.incidents().await?;
        made.retain(|incident| !known.contains(&incident.id));
        made.sort_by_key(|incident| incident.id);
        Ok(Summary { events: turns.len(), made, homes: self.homes })
    }

    /// Sends one event, to its incident where it needs one.
    async fn take(&mut self, turn: Turn, report: &mut dyn FnMut(Report<'_>)) -> Result<(), String> {
        let scenario = &self.scenarios[turn.scenario];
        let event = &scenario.events[turn.event];
        let mut incident = 0;
        if event.step.needs_incident() {
            let is_first = self.homes[turn.scenario].is_none();
            incident = self.home(scenario).await?;
            self.homes[turn.scenario] = Some(incident);
            if is_first {
                self.introduce(scenario, incident, &event.at_text).await.map_err(explain)?;
            }
        }
        let answer = self.offer(&event.call(incident)).await.map_err(explain)?;
        // Only deliveries answer with a list of errors; for all others it is empty.
        let receipt: Receipt = answer.read().unwrap_or_default();
        for error in receipt.errors {
            report(Report::Notice(format!(
                "event {} of {} ({}): the server kept the delivery but not all of it: {error}",
                turn.event + 1,
                scenario.file,
                event.describe(),
            )));
        }
        Ok(())
    }

    /// The incident that holds the first alert, once everything sent is worked in. It is looked
    /// up each time: the alert may float at first, and incidents are merged and split.
    async fn home(&mut self, scenario: &Scenario) -> Result<u64, String> {
        let first = scenario.first_alert.as_ref().ok_or(
            "no webhook of this scenario holds an alert with labels, so its incident is unknown",
        )?;
        self.settle().await.map_err(explain)?;
        let mut is_known = false;
        for fingerprint in &first.fingerprints {
            let target = Target::new("/api/v1/alerts")
                .query("fingerprint", fingerprint)
                .query("limit", PAGE_SIZE);
            let page: Page<Alert> = self.client.read(target).await.map_err(explain)?;
            is_known |= !page.items.is_empty();
            if let Some(incident) = pick(&page.items, first).and_then(|alert| alert.incident) {
                return Ok(incident);
            }
        }
        let name = first.fingerprints.join(" or ");
        Err(if is_known {
            format!("its first alert ({name}) belongs to no incident, so there is nobody to tell")
        } else {
            format!("the server does not know its first alert ({name})")
        })
    }

    /// Gives the incident the zone and the title of its scenario, where it has others.
    async fn introduce(
        &mut self,
        scenario: &Scenario,
        incident: u64,
        at: &str,
    ) -> Result<(), ClientError> {
        let now: Incident = self.client.read(Target::incident(incident)).await?;
        let mut patch = serde_json::Map::new();
        if let Some(zone) = &scenario.timezone
            && now.timezone.as_deref().unwrap_or("UTC") != zone
        {
            patch.insert("timezone".to_owned(), zone.as_str().into());
        }
        if let Some(title) = &scenario.title
            && now.title != *title
        {
            patch.insert("title".to_owned(), title.as_str().into());
        }
        if patch.is_empty() {
            return Ok(());
        }
        let body = serde_json::Value::Object(patch);
        let call = Call::send(http::Method::PATCH, Target::incident(incident), &body);
        self.offer(&call.received_at(at)).await.map(drop)
    }

    /// Sends a request, again and again while the server is busy.
    async fn offer(&mut self, call: &Call) -> Result<Answer, ClientError> {
        let mut offers = 1;
        loop {
            match self.client.call(call).await {
                Err(error) if offers < OFFERS_MAX => match error.retry_after() {
                    Some(wait) => tokio::time::sleep(wait.min(OFFER_PAUSE_MAX)).await,
                    None => return Err(error),
                },
                result => return result,
            }
            offers += 1;
        }
    }

    /// Waits until the server has worked in all that it has received by now.
    async fn settle(&mut self) -> Result<(), ClientError> {
        let url = self.client.url().to_string();
        let wait = async {
            let mut pause = Duration::from_millis(1);
            let mut goal = None;
            loop {
                let now: Progress = self.client.read(Target::new("/api/v1/status")).await?;
                if now.cursor >= *goal.get_or_insert(now.head) {
                    return Ok(());
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(SETTLE_PAUSE_MAX);
            }
        };
        match tokio::time::timeout(SETTLE_LIMIT.to_std(), wait).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Unsettled { url, limit: SETTLE_LIMIT }),
        }
    }

    /// Every incident there is.
    async fn incidents(&mut self) -> Result<Vec<Incident>, ClientError> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let target = Target::new("/api/v1/incidents")
                .query("limit", PAGE_SIZE)
                .query_opt("cursor", cursor.as_deref());
            let page: Page<Incident> = self.client.read(target).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                _ => return Ok(all),
            }
        }
    }
}

/// The episode that the scenario means: the one with its start, else the one that began nearest
/// to it (the earliest start counts, which need not be the one that was sent).
fn pick<'a>(alerts: &'a [Alert], first: &FirstAlert) -> Option<&'a Alert> {
    let Some(start) = first.starts_at else {
        return alerts.first();
    };
    alerts.iter().min_by_key(|alert| {
        alert.starts_at.map_or(Span::from_nanos(i64::MAX), |at| (at - start).abs())
    })
}

/// How long to wait between two events; events that lie back in time follow at once.
fn pause(before: Timestamp, at: Timestamp, speed: f64) -> Duration {
    let seconds = (at - before).seconds_f64() / speed;
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO)
}

/// A client's error in the words of a replay.
fn explain(error: ClientError) -> String {
    match error.status() {
        Some(StatusCode::FORBIDDEN) => format!(
            "{error}; stating the time of receipt needs --replay.allow on the server, or the \
             scope replay"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
