//! Row 2: what an alert costs the whole process, the engine caught up, while many alerts fire in
//! many incidents.

use super::{Bench, Figure, caught_up, measured, sent, usual_body};
use crate::Failure;
use crate::load::{Load, Until};
use crate::payload::{now_seconds, outage, time};
use crate::process::Server;

/// Alerts of each outage that runs while we measure.
const ALERTS: usize = 100;

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let body = usual_body();
    let incidents = bench.scaled(100, 5);
    for (distinct, name, goal) in [(5_000, "5,000 repeating", 5.0), (0, "all new", 8.0)] {
        let parse = bench.reference("parse")?;
        let (_, parse_us) = measured(&parse, &bench.usual(parse.address, &body, distinct), &[])?;
        parse.stop()?;

        let scribed = bench.scribed(&bench.fresh("scribed")?)?;
        outages(bench, &scribed, incidents, 600)?;
        let usual = bench.usual(scribed.address, &body, distinct);
        // What repeats is known when the measurement begins.
        sent(&Load { until: Until::Requests(distinct / 10 + 1), ..usual.clone() })?;
        caught_up(scribed.address)?;
        let requests = bench.scaled(10_000, 20);
        let before = scribed.cpu_seconds(&[]);
        let outcome = sent(&Load { first: 1 << 40, until: Until::Requests(requests), ..usual })?;
        caught_up(scribed.address)?;
        let us = (scribed.cpu_seconds(&[]) - before) * 1e6 / outcome.alerts as f64;
        scribed.kill()?;
        bench.add(
            Figure::at_most(
                2,
                format!(
                    "CPU an alert of the whole process / parse, {incidents} incidents open, {name}"
                ),
                goal,
                "us",
            )
            .measured(parse_us, us),
        );
    }
    Ok(())
}

/// Lets outages begin, one behind the other, that still run.
pub(super) fn outages(
    bench: &Bench,
    scribed: &Server,
    count: u64,
    seconds_apart: u64,
) -> Result<(), Failure> {
    let now = now_seconds();
    for number in 0..count {
        let at = now - (count - number) * seconds_apart;
        let body = outage(number, ALERTS, at - 30, false);
        let headers = format!("Scribed-Received-At: {}\r\n", time(at));
        sent(&Load {
            headers: &headers,
            alerts: ALERTS,
            numbers: 1,
            connections: 1,
            until: Until::Requests(1),
            ..bench.usual(scribed.address, &body, 0)
        })?;
    }
    caught_up(scribed.address)
}
