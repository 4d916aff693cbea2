//! References that are no servers: a bare sync, and a bare rendering.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::Failure;
use crate::rows_store;

/// Bytes of one append of the probe: what a small commit writes.
const APPEND_BYTES: usize = 16 * 1024;

/// F: the median time in milliseconds of one append to a growing file with its sync.
pub(crate) fn sync_ms(folder: &Path, appends: usize) -> Result<f64, Failure> {
    let path = folder.join("sync.probe");
    let mut file = File::create(&path)?;
    let piece = vec![0x5a; APPEND_BYTES];
    let mut times = Vec::with_capacity(appends);
    for _ in 0..appends {
        let began = Instant::now();
        file.write_all(&piece)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(path)?;
    Ok(crate::median(&times))
}

/// Best time in milliseconds of reading the entries of one incident from `sqlite-full`'s store and
/// writing them as a Markdown table.
pub(crate) fn render_ms(folder: &Path, entries: u64, rounds: usize) -> Result<f64, Failure> {
    let path = folder.join(format!("render-{entries}.db"));
    let path = path.to_string_lossy();
    rows_store::fill(&path, entries)?;
    let connection = rows_store::open(&path)?;
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let began = Instant::now();
        let text = render(&connection)?;
        best = best.min(began.elapsed().as_secs_f64() * 1000.0);
        std::hint::black_box(text);
    }
    Ok(best)
}

fn render(connection: &rusqlite::Connection) -> Result<String, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT at, status, alertname, severity, labels, annotations FROM event
         WHERE incident = 0 ORDER BY at",
    )?;
    let mut out = String::with_capacity(1 << 16);
    out.push_str("| Time | Status | Alert | Severity | Instance | Summary |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        let labels: BTreeMap<String, String> = serde_json::from_str(row.get_ref(4)?.as_str()?)?;
        let annotations: BTreeMap<String, String> =
            serde_json::from_str(row.get_ref(5)?.as_str()?)?;
        let cell = |map: &BTreeMap<String, String>, name: &str| {
            map.get(name).map_or_else(String::new, |text| text.replace('|', "\\|"))
        };
        let seconds = at / 1_000_000;
        let status = if row.get::<_, i64>(1)? == 1 { "resolved" } else { "firing" };
        writeln!(
            out,
            "| {:02}:{:02}:{:02} | {status} | {} | {} | {} | {} |",
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            row.get_ref(2)?.as_str()?,
            row.get_ref(3)?.as_str()?,
            cell(&labels, "instance"),
            cell(&annotations, "summary"),
        )?;
    }
    Ok(out)
}
