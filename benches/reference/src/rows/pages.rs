//! Row 12: people look at pages while alerts pour in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Bench, Figure, caught_up, sent, usual_body, whole};
use crate::Failure;
use crate::load::{Load, quantile};
use crate::process::get;

/// Between two looks at a page.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let body = usual_body();
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    whole::outages(bench, &scribed, bench.scaled(100, 5), 600)?;
    let usual = bench.usual(scribed.address, &body, 5_000);
    let peak = sent(&usual)?.requests_per_second();
    caught_up(scribed.address)?;

    let half = Load { rate: peak / 2.0, ..usual };
    let is_over = AtomicBool::new(false);
    let (outcome, looks) = std::thread::scope(|scope| {
        let looking = ["/", "/incidents/1"].map(|page| {
            let is_over = &is_over;
            scope.spawn(move || look(scribed.address, page, is_over))
        });
        let outcome = sent(&half);
        is_over.store(true, Ordering::Relaxed);
        let looks: Vec<Vec<u32>> =
            looking.into_iter().map(|thread| thread.join().unwrap_or_default()).collect();
        (outcome, looks)
    });
    let outcome = outcome?;
    scribed.kill()?;
    for (name, times) in ["list of incidents", "page of an incident"].into_iter().zip(&looks) {
        bench.add(
            Figure::at_most(12, format!("{name} at half the peak: p99"), 50.0, "ms")
                .measured(f64::NAN, quantile(times, 0.99)),
        );
    }
    let slower = (1.0 - outcome.requests_per_second() / half.rate) * 100.0;
    bench.add(
        Figure::at_most(12, "ingest slows by, while pages are read", 10.0, "%")
            .measured(f64::NAN, slower.max(0.0)),
    );
    Ok(())
}

/// Asks for a page again and again; sorted times in microseconds.
fn look(address: std::net::SocketAddr, page: &str, is_over: &AtomicBool) -> Vec<u32> {
    let mut times = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let time = match get(address, page) {
            Ok(_) => u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX),
            // A page that is not served counts as one that never came.
            Err(_) => u32::MAX,
        };
        times.push(time);
        std::thread::sleep(LOOK_EVERY);
    }
    times.sort_unstable();
    times
}
