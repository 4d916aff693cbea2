//! What scribed is measured beside, and the program that measures.
//!
//! `benches/run` builds it and calls `rows`; `serve` is what `rows` starts as its references.
//! Nothing of the product is linked here: it is driven from outside, as users drive it.

mod load;
mod payload;
mod probes;
mod process;
mod rows;
mod rows_store;
mod server;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// Why a measurement could not be made. It is a program for people at a terminal: a sentence does.
type Failure = Box<dyn Error>;

const USAGE: &str = "usage:
  scribed-reference rows --scribed=PATH --folder=DIR [--quick | --smoke] [--only=1,3,7]
                         [--compare=FILE] [--save=FILE]
  scribed-reference serve echo|parse|sqlite-full ADDRESS DATABASE
  scribed-reference load ADDRESS ALERTS_A_POST CONNECTIONS DISTINCT SECONDS";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve", mode, address, database] => address
            .parse()
            .map_err(|error| format!("`{address}` is no address: {error}").into())
            .and_then(|address| server::serve(mode, address, database)),
        ["rows", options @ ..] => rows::Options::read(options).and_then(|o| rows::run(&o)),
        ["load", rest @ ..] => pour(rest),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A closed loop against a server that somebody started: for profiling.
fn pour(words: &[&str]) -> Result<(), Failure> {
    let [address, alerts, connections, distinct, seconds] = words else {
        return Err(USAGE.into());
    };
    let alerts = alerts.parse()?;
    let body = payload::body(payload::Form::Webhook, alerts);
    let load = load::Load {
        address: address.parse()?,
        path: "/api/v1/ingest/alertmanager",
        headers: "",
        body: &body,
        alerts,
        numbers: alerts,
        connections: connections.parse()?,
        distinct: distinct.parse()?,
        first: 0,
        rate: 0.0,
        warm_up: Duration::ZERO,
        until: load::Until::Time(Duration::from_secs(seconds.parse()?)),
    };
    let outcome = load::run(&load, || {})?;
    say(&format!(
        "{:.0} alerts/s, p50 {:.2} ms, p99 {:.2} ms, {} refused",
        outcome.requests_per_second() * alerts as f64,
        outcome.quantile_ms(0.5),
        outcome.quantile_ms(0.99),
        outcome.refused
    ));
    Ok(())
}

/// The middle of some figures; not a number of none.
fn median(figures: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|f| f.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

#[expect(clippy::print_stderr, reason = "the one place that complains to the terminal")]
fn complain(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the one place that prints results")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_passes_over_what_is_no_number() {
        assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
