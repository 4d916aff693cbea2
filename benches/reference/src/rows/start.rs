//! Rows 11 and 13: a full store, to start from and to go on with.

use std::path::Path;
use std::time::Instant;

use super::{Bench, Figure, caught_up, memory, sent, usual_body};
use crate::Failure;
use crate::load::{Load, Until};
use crate::payload::{Form, now_seconds, outage, time};
use crate::process::{Server, get};

/// Alerts of an outage, and how often they are told.
const ALERTS: usize = 10;
const TOLD: u64 = 10;

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    starts(bench)?;
    growth(bench)
}

fn starts(bench: &mut Bench) -> Result<(), Failure> {
    let incidents = bench.scaled(10_000, 5);
    let folder = bench.fresh("full")?;
    let scribed = bench.scribed(&folder)?;
    fill(bench, &scribed, incidents)?;
    scribed.stop()?;

    let alerts = incidents * TOLD * ALERTS as u64;
    let state = format!("{alerts} alerts and {incidents} incidents");
    let (scribed, clean_ms) = ready(bench, &folder)?;
    let what = format!("ready with {state}, after a clean stop");
    bench.add(Figure::at_most(11, what, 100.0, "ms").measured(f64::NAN, clean_ms));

    let body = usual_body();
    sent(&bench.usual(scribed.address, &body, 5_000))?;
    scribed.kill()?;
    let (scribed, killed_ms) = ready(bench, &folder)?;
    scribed.kill()?;
    let what = format!("ready with {state}, after SIGKILL under load");
    bench.add(Figure::at_most(11, what, 1000.0, "ms").measured(f64::NAN, killed_ms));
    Ok(())
}

/// Outages of the past, each over before the next begins.
fn fill(bench: &Bench, scribed: &Server, incidents: u64) -> Result<(), Failure> {
    let begin = now_seconds() - (incidents + 1) * 3600;
    for number in 0..incidents {
        let at = begin + number * 3600;
        for (is_resolved, told, heard) in [(false, TOLD - 1, 60), (true, 1, 300)] {
            let body = outage(number, ALERTS, at, is_resolved);
            let headers = format!("Scribed-Received-At: {}\r\n", time(at + heard));
            sent(&Load {
                headers: &headers,
                numbers: 1,
                distinct: 1,
                connections: 3,
                until: Until::Requests(told),
                ..bench.usual(scribed.address, &body, 1)
            })?;
        }
    }
    caught_up(scribed.address)
}

/// Starts on a folder; returns the server and how long it took until it was ready.
fn ready(bench: &Bench, folder: &Path) -> Result<(Server, f64), Failure> {
    let began = Instant::now();
    let scribed = bench.scribed(folder)?;
    while get(scribed.address, "/-/ready").is_err() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok((scribed, began.elapsed().as_secs_f64() * 1000.0))
}

fn growth(bench: &mut Bench) -> Result<(), Failure> {
    let series = bench.scaled(20_000, 1_000);
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    let few = bench.scaled(100_000, 2_000);
    memory::feed(bench, &scribed, Form::Webhook, few, series)?;
    let early = cpu(bench, &scribed, series)?;
    let many = bench.scaled(10_000_000, 20_000);
    memory::feed(bench, &scribed, Form::Webhook, many, series)?;
    let late = cpu(bench, &scribed, series)?;
    scribed.kill()?;
    let what = format!("CPU an alert at {many} stored alerts / at {few}");
    bench.add(Figure::at_most(13, what, 1.3, "us").measured(early, late));
    Ok(())
}

/// CPU microseconds an alert of the whole process, the engine caught up before and after.
fn cpu(bench: &Bench, scribed: &Server, series: u64) -> Result<f64, Failure> {
    caught_up(scribed.address)?;
    let before = scribed.cpu_seconds(&[]);
    let body = usual_body();
    let load = bench.usual(scribed.address, &body, series);
    let requests = bench.scaled(10_000, 20);
    let load = Load { until: Until::Requests(requests), ..load };
    let outcome = sent(&load)?;
    caught_up(scribed.address)?;
    Ok((scribed.cpu_seconds(&[]) - before) * 1e6 / outcome.alerts as f64)
}
