//! Rows 5 and 6: how long a sender waits, in syncs of this disk.

use super::{Bench, Figure, sent, usual_body};
use crate::Failure;
use crate::load::Load;
use crate::payload::{Form, body};

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let ten = usual_body();
    for (alerts_per_second, name) in [(5_000.0, "5,000"), (25_000.0, "25,000")] {
        let scribed = bench.scribed(&bench.fresh("scribed")?)?;
        let load = Load { rate: alerts_per_second / 10.0, ..bench.usual(scribed.address, &ten, 0) };
        let outcome = sent(&load)?;
        scribed.kill()?;
        for (share, quantile, goal) in [(0.5, "p50", 3.0), (0.99, "p99", 20.0)] {
            bench.add(
                Figure::at_most(5, format!("{name} alerts/s: {quantile} / F"), goal, "ms")
                    .measured(bench.sync_ms, outcome.quantile_ms(share)),
            );
        }
    }
    let one = body(Form::Webhook, 1);
    let scribed = bench.scribed(&bench.fresh("scribed")?)?;
    let usual = bench.usual(scribed.address, &one, 0);
    let outcome = sent(&Load { alerts: 1, numbers: 1, connections: 1, ..usual })?;
    scribed.kill()?;
    bench.add(
        Figure::at_most(6, "a lone connection, one alert: p50 / F", 2.0, "ms")
            .measured(bench.sync_ms, outcome.quantile_ms(0.5)),
    );
    Ok(())
}
