//! Rows 1, 3, 7 and 8: what an alert costs at the door, and what it leaves on the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::OpenFlags;

use super::{Bench, DOOR, Figure, caught_up, measured, sent, usual_body};
use crate::Failure;
use crate::load::{Load, Until};

/// Alerts that come again and again, in the everyday load of repeated notifications.
const REPEATING: u64 = 5_000;

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let body = usual_body();
    for (distinct, name, cpu_goal, size_goal) in
        [(REPEATING, "5,000 repeating", 2.5, 0.3), (0, "all new", 3.5, 1.0)]
    {
        let parse = bench.reference("parse")?;
        let (_, parse_us) = measured(&parse, &bench.usual(parse.address, &body, distinct), &[])?;
        parse.stop()?;
        let rows_rate = if distinct == 0 { Some(rows_rate(bench, &body)?) } else { None };

        let folder = bench.fresh("scribed")?;
        let scribed = bench.scribed(&folder)?;
        let log = LogSize::watch(&folder.join("scribed.db-wal"));
        let load = bench.usual(scribed.address, &body, distinct);
        // What repeats has been told once when the measurement begins.
        sent(&Load { until: Until::Requests(distinct / 10 + 1), ..load.clone() })?;
        caught_up(scribed.address)?;
        let (written_before, stored_before) =
            (scribed.written_bytes(), stored_bytes(&folder.join("scribed.db"))?);
        let load = Load { first: 1 << 40, ..load };
        let (outcome, door_us) = measured(&scribed, &load, &DOOR)?;
        let rate = outcome.requests_per_second() * 10.0;
        caught_up(scribed.address)?;
        let written = scribed.written_bytes() - written_before;
        let log_mib = log.largest_mib();
        let stored = stored_bytes(&folder.join("scribed.db"))? - stored_before;
        scribed.stop()?;

        let sent = outcome.body_bytes as f64;
        bench.add(
            Figure::at_most(1, format!("CPU an alert of the door / parse, {name}"), cpu_goal, "us")
                .measured(parse_us, door_us),
        );
        if let Some(rows_rate) = rows_rate {
            let what = "durable alerts/s / sqlite-full, all new";
            bench.add(Figure::at_least(3, what, 1.7, "/s").measured(rows_rate, rate));
            bench.add(
                Figure::at_most(7, "saturated: p99.9 / F", 80.0, "ms")
                    .measured(bench.sync_ms, outcome.quantile_ms(0.999)),
            );
            bench.add(
                Figure::at_most(7, "saturated: largest write-ahead log", 16.0, "MiB")
                    .measured(f64::NAN, log_mib),
            );
            bench.add(
                Figure::at_most(7, "saturated: bytes written / payload", 4.0, "B")
                    .measured(sent / outcome.alerts as f64, written / outcome.alerts as f64),
            );
        }
        bench.add(
            Figure::at_most(8, format!("stored bytes / payload, {name}"), size_goal, "B")
                .measured(sent / outcome.alerts as f64, stored / outcome.alerts as f64),
        );
    }
    Ok(())
}

fn rows_rate(bench: &Bench, body: &str) -> Result<f64, Failure> {
    let rows = bench.reference("sqlite-full")?;
    let (outcome, _) = measured(&rows, &bench.usual(rows.address, body, 0), &[])?;
    rows.stop()?;
    Ok(outcome.requests_per_second() * 10.0)
}

/// Bytes of the database's pages, raw bodies left out: those are kept for a time of their own.
fn stored_bytes(database: &Path) -> Result<f64, Failure> {
    let connection =
        rusqlite::Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let bytes: i64 = connection.query_row(
        "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name NOT LIKE 'raw_%'",
        [],
        |row| row.get(0),
    )?;
    Ok(bytes as f64)
}

/// Watches how large a file grows.
struct LogSize {
    largest: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl LogSize {
    fn watch(path: &Path) -> Self {
        let (largest, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (path, seen, over) = (path.to_owned(), Arc::clone(&largest), Arc::clone(&is_over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let size = std::fs::metadata(&path).map_or(0, |file| file.len());
                seen.fetch_max(size, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { largest, is_over }
    }

    fn largest_mib(&self) -> f64 {
        self.largest.load(Ordering::Relaxed) as f64 / f64::from(1 << 20)
    }
}

impl Drop for LogSize {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
