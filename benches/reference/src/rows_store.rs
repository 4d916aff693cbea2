//! The store of `sqlite-full`: a row for each alert, three indices, group commit, and a sync before
//! the answer. What one would write first, done well.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::Failure;
use crate::server::Notification;

/// Requests in one transaction at most.
const BATCH_MAX: usize = 512;
const QUEUE_MAX: usize = 4096;
const INSERT: &str = "INSERT INTO event (fingerprint, incident, at, status, alertname, severity,
    starts_at, labels, annotations, url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// An alert, ready to be stored.
struct Row {
    fingerprint: i64,
    incident: i64,
    is_resolved: bool,
    alertname: String,
    severity: String,
    starts_at: String,
    labels: String,
    annotations: String,
    url: String,
}

type Job = (Vec<Row>, oneshot::Sender<bool>);

/// The way to the writer.
pub(crate) struct Rows {
    jobs: SyncSender<Job>,
}

impl Rows {
    pub(crate) fn start(path: &str) -> Result<Self, Failure> {
        let connection = open(path)?;
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            if let Err(error) = write(&connection, &queue) {
                crate::complain(&format!("sqlite-full: {error}"));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Stores the alerts; true once they are durable.
    pub(crate) async fn store(&self, notification: Notification) -> bool {
        // Rows are made on the connection's task, so that the one writer only binds them.
        let incident = hash(notification.group_key.as_bytes());
        let rows = notification.alerts.into_iter().map(|alert| Row {
            fingerprint: u64::from_str_radix(&alert.fingerprint, 16).map_or(0, u64::cast_signed),
            incident,
            is_resolved: alert.status == "resolved",
            alertname: alert.labels.get("alertname").cloned().unwrap_or_default(),
            severity: alert.labels.get("severity").cloned().unwrap_or_default(),
            labels: serde_json::to_string(&alert.labels).unwrap_or_default(),
            annotations: serde_json::to_string(&alert.annotations).unwrap_or_default(),
            starts_at: alert.starts_at,
            url: alert.generator_url,
        });
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send((rows.collect(), reply)).is_ok() && answer.await.unwrap_or(false)
    }
}

/// Opens the database of `sqlite-full`, empty or not.
pub(crate) fn open(path: &str) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL,
             incident INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL,
             alertname TEXT, severity TEXT, starts_at TEXT, labels TEXT, annotations TEXT, url TEXT);
         CREATE INDEX IF NOT EXISTS event_by_alert ON event (fingerprint);
         CREATE INDEX IF NOT EXISTS event_by_incident ON event (incident, at);
         CREATE INDEX IF NOT EXISTS event_by_time ON event (at);",
    )?;
    Ok(connection)
}

fn write(connection: &Connection, queue: &Receiver<Job>) -> rusqlite::Result<()> {
    let mut at = 0_i64;
    let mut batch: Vec<Job> = Vec::new();
    while let Ok(first) = queue.recv() {
        batch.push(first);
        batch.extend(queue.try_iter().take(BATCH_MAX - 1));
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for row in batch.iter().flat_map(|(rows, _)| rows) {
            at += 1;
            insert(connection, row, at)?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        for (_, reply) in batch.drain(..) {
            // Whoever asked may have gone.
            reply.send(true).ok();
        }
    }
    Ok(())
}

fn insert(connection: &Connection, row: &Row, at: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached(INSERT)?.execute(params![
        row.fingerprint,
        row.incident,
        at,
        row.is_resolved,
        row.alertname,
        row.severity,
        row.starts_at,
        row.labels,
        row.annotations,
        row.url,
    ])
}

/// Puts this many alerts of one incident into an empty database, for the reference of drafts.
pub(crate) fn fill(path: &str, alerts: u64) -> Result<(), Failure> {
    let connection = open(path)?;
    let body = crate::payload::body(crate::payload::Form::Webhook, 100);
    let notification: Notification = serde_json::from_str(&body)?;
    connection.execute_batch("BEGIN")?;
    for (number, alert) in (0..alerts).zip(notification.alerts.iter().cycle()) {
        let row = Row {
            fingerprint: number.wrapping_mul(0x9e37_79b9_7f4a_7c15).cast_signed(),
            incident: 0,
            is_resolved: number % 5 == 4,
            alertname: alert.labels.get("alertname").cloned().unwrap_or_default(),
            severity: alert.labels.get("severity").cloned().unwrap_or_default(),
            starts_at: alert.starts_at.clone(),
            labels: serde_json::to_string(&alert.labels)?,
            annotations: serde_json::to_string(&alert.annotations)?,
            url: alert.generator_url.clone(),
        };
        insert(&connection, &row, number.cast_signed() * 1_000_000)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// FNV-1a: any hash will do.
fn hash(bytes: &[u8]) -> i64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
        .cast_signed()
}
