//! Row 9: memory.

use std::time::Duration;

use super::{Bench, Figure, caught_up, peers, sent};
use crate::Failure;
use crate::load::{Load, Until};
use crate::payload::{Form, body};
use crate::process::Server;

/// Alerts in a body: the fastest way to many.
const PER_POST: usize = 100;

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let (stored, series) = (bench.scaled(1_000_000, 2_000), bench.scaled(20_000, 1_000));
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    feed(bench, &scribed, Form::Webhook, stored, series)?;
    caught_up(scribed.address)?;
    let (now, most) = scribed.memory_mib();
    scribed.kill()?;
    let what = format!("memory after {stored} alerts of {series} series");
    bench.add(Figure::at_most(9, what, 96.0, "MiB").measured(f64::NAN, now));
    let what = format!("most memory on the way to {stored} alerts");
    bench.add(Figure::at_most(9, what, 192.0, "MiB").measured(f64::NAN, most));

    let firing = bench.scaled(100_000, 1_000);
    let Some(peer) = peers::start(bench)? else { return Ok(()) };
    feed(bench, &peer, Form::AlertmanagerApi, firing, 0)?;
    let (peer_mib, _) = peer.memory_mib();
    peer.kill()?;
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    feed(bench, &scribed, Form::Webhook, firing, 0)?;
    caught_up(scribed.address)?;
    let (mib, _) = scribed.memory_mib();
    scribed.kill()?;
    let what = format!("memory with {firing} alerts firing / Alertmanager");
    bench.add(Figure::at_most(9, what, 0.4, "MiB").measured(peer_mib, mib));
    Ok(())
}

/// Sends this many alerts, as fast as they are answered.
pub(super) fn feed(
    bench: &Bench,
    server: &Server,
    form: Form,
    alerts: u64,
    series: u64,
) -> Result<(), Failure> {
    let body = body(form, PER_POST);
    let path = match form {
        Form::Webhook => "/api/v1/ingest/alertmanager",
        Form::AlertmanagerApi => "/api/v2/alerts",
    };
    let load = Load {
        path,
        alerts: PER_POST,
        numbers: PER_POST,
        connections: 16,
        warm_up: Duration::ZERO,
        until: Until::Requests(alerts / PER_POST as u64),
        ..bench.usual(server.address, &body, series)
    };
    sent(&load).map(drop)
}
