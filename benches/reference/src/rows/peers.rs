//! Row 4: a real Alertmanager, which keeps alerts in memory only, beside ours, which keeps them on
//! the disk before it answers.

use std::path::PathBuf;
use std::process::Command;

use super::{Bench, DOOR, Figure, measured};
use crate::load::Load;
use crate::payload::{Form, body};
use crate::process::{Server, free_address};
use crate::{Failure, complain};

/// Where Debian puts it, and its name elsewhere.
const PROGRAMS: [&str; 2] = ["/usr/bin/prometheus-alertmanager", "/usr/bin/alertmanager"];
/// Nothing is sent on while we measure.
const SETTINGS: &str =
    "route: {receiver: nobody, group_wait: 1h, group_interval: 1h}\nreceivers: [{name: nobody}]\n";

pub(super) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    for per_post in [10, 100] {
        let Some(peer) = start(bench)? else {
            complain("  no Alertmanager here; tests/setup.sh installs Debian's");
            return Ok(());
        };
        let list = body(Form::AlertmanagerApi, per_post);
        let load = load(bench, &peer, &list, per_post);
        let load = Load { path: "/api/v2/alerts", ..load };
        let (peer_outcome, peer_us) = measured(&peer, &load, &[])?;
        peer.kill()?;

        let scribed = bench.scribed(&bench.fresh("scribed")?)?;
        let notification = body(Form::Webhook, per_post);
        let load = self::load(bench, &scribed, &notification, per_post);
        let (outcome, door_us) = measured(&scribed, &load, &DOOR)?;
        scribed.kill()?;

        let rates = [&peer_outcome, &outcome].map(|o| o.requests_per_second() * per_post as f64);
        let what = format!("durable alerts/s / Alertmanager in memory, {per_post} a POST");
        bench.add(Figure::at_least(4, what, 2.0, "/s").measured(rates[0], rates[1]));
        let what = format!("CPU an alert of the door / Alertmanager, {per_post} a POST");
        bench.add(Figure::at_most(4, what, 0.35, "us").measured(peer_us, door_us));
    }
    Ok(())
}

fn load<'a>(bench: &Bench, server: &Server, body: &'a str, per_post: usize) -> Load<'a> {
    Load { alerts: per_post, numbers: per_post, ..bench.usual(server.address, body, 0) }
}

/// Starts an Alertmanager that talks to nobody; `None` where there is none.
pub(super) fn start(bench: &Bench) -> Result<Option<Server>, Failure> {
    let Some(program) = PROGRAMS.map(PathBuf::from).into_iter().find(|path| path.exists()) else {
        return Ok(None);
    };
    let folder = bench.fresh("alertmanager")?;
    let settings = folder.join("alertmanager.yml");
    std::fs::write(&settings, SETTINGS)?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", settings.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .arg("--log.level=error");
    Server::start(&mut command, address, &bench.folder.join("alertmanager.log")).map(Some)
}
