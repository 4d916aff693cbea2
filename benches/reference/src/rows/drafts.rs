//! Row 10: the draft of a long incident beside a bare rendering of as many rows.

use std::time::Instant;

use super::{Bench, Figure, caught_up, sent};
use crate::load::{Load, Until};
use crate::payload::{now_seconds, outage, time};
use crate::process::get;
use crate::{Failure, probes};

/// Alerts in a body.
const PER_POST: usize = 50;
/// Times that a draft is asked for; the best counts, on both sides.
const ROUNDS: usize = 10;

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    for entries in [1_000, 10_000] {
        let entries = bench.scaled(entries, 100).max(entries.min(1_000));
        let folder = bench.fresh("render")?;
        let render_ms = probes::render_ms(&folder, entries, ROUNDS)?;
        let draft_ms = draft_ms(bench, entries)?;
        let what = format!("Markdown draft of {entries} entries");
        bench.add(if entries == 1_000 {
            Figure::at_most(10, format!("{what} / render"), 2.0, "ms").measured(render_ms, draft_ms)
        } else {
            Figure::at_most(10, what, 60.0, "ms").measured(f64::NAN, draft_ms)
        });
    }
    Ok(())
}

/// Best time of the draft of one incident with this many alerts, no two of them alike in time, so
/// that each has an entry.
fn draft_ms(bench: &Bench, entries: u64) -> Result<f64, Failure> {
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    let posts = entries / PER_POST as u64;
    let begin = now_seconds() - posts * 20 - 60;
    for post in 0..posts {
        let at = begin + post * 20;
        let body = outage(1, PER_POST, at, false);
        let headers = format!("Scribed-Received-At: {}\r\n", time(at + 1));
        sent(&Load {
            headers: &headers,
            alerts: PER_POST,
            numbers: 1,
            first: post,
            connections: 1,
            until: Until::Requests(1),
            ..bench.usual(scribed.address, &body, 0)
        })?;
    }
    caught_up(scribed.address)?;
    let path = "/api/v1/incidents/1/draft?format=markdown";
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let text = get(scribed.address, path)?;
        best = best.min(began.elapsed().as_secs_f64() * 1000.0);
        std::hint::black_box(text);
    }
    let json: serde_json::Value =
        serde_json::from_str(&get(scribed.address, "/api/v1/incidents/1/draft?format=json")?)?;
    let found: u64 = json["timeline"]
        .as_array()
        .map_or(0, |list| list.iter().filter_map(|entry| entry["count"].as_u64()).sum());
    scribed.kill()?;
    if found < entries {
        return Err(format!("the draft tells of {found} of {entries} entries").into());
    }
    Ok(best)
}
