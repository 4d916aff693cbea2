//! The rows of docs/performance.md: what is measured, in which order, and against what.
//!
//! A pass measures each row once, the reference directly beside ours; passes follow each other, so
//! that noise of the machine falls on both sides, and the table shows medians over them. What takes
//! long and hardly varies (memory, start, growth) is measured in the first pass only.

mod door;
mod drafts;
mod latency;
mod memory;
mod pages;
mod peers;
mod start;
mod whole;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::load::{self, Load, Outcome, Until};
use crate::process::{Server, free_address, get};
use crate::{Failure, payload, probes, table};

/// Threads of scribed that a delivery passes before it is answered.
const DOOR: [&str; 2] = ["scribed-http", "scribed-writer"];
/// How long the engine may take to work in a load.
const PATIENCE: Duration = Duration::from_secs(1800);

/// One measured figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The row of the table.
    pub(crate) row: u32,
    /// What of it; unique.
    pub(crate) what: String,
    /// The limit.
    pub(crate) goal: f64,
    /// True when less is better.
    pub(crate) at_most: bool,
    /// The unit of `reference` and `ours`.
    pub(crate) unit: &'static str,
    /// The reference; not a number where the goal is absolute.
    pub(crate) reference: f64,
    /// Ours.
    pub(crate) ours: f64,
}

impl Figure {
    /// A ratio that must not be larger than the goal.
    fn at_most(row: u32, what: impl Into<String>, goal: f64, unit: &'static str) -> Self {
        let what = what.into();
        Self { row, what, goal, at_most: true, unit, reference: f64::NAN, ours: f64::NAN }
    }

    /// A ratio that must not be smaller than the goal.
    fn at_least(row: u32, what: impl Into<String>, goal: f64, unit: &'static str) -> Self {
        Self { at_most: false, ..Self::at_most(row, what, goal, unit) }
    }

    /// With what was measured.
    fn measured(self, reference: f64, ours: f64) -> Self {
        Self { reference, ours, ..self }
    }

    /// What is held against the goal: the ratio, or the figure itself where there is no reference.
    pub(crate) fn value(&self) -> f64 {
        if self.reference.is_nan() { self.ours } else { self.ours / self.reference }
    }
}

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    scribed: PathBuf,
    folder: PathBuf,
    scale: Scale,
    only: Vec<u32>,
    compare: Option<PathBuf>,
    save: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self {
            scribed: PathBuf::new(),
            folder: PathBuf::new(),
            scale: Scale::FULL,
            only: Vec::new(),
            compare: None,
            save: None,
        };
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("--scribed", path) => options.scribed = path.into(),
                ("--folder", path) => options.folder = path.into(),
                ("--quick", "") => options.scale = Scale::QUICK,
                ("--smoke", "") => options.scale = Scale::SMOKE,
                ("--compare", path) => options.compare = Some(path.into()),
                ("--save", path) => options.save = Some(path.into()),
                ("--only", list) => {
                    options.only =
                        list.split(',').map(str::parse).collect::<Result<_, _>>().map_err(
                            |_| format!("--only takes numbers of rows, and not `{list}`"),
                        )?;
                }
                _ => return Err(format!("unknown option {word}\n{}", crate::USAGE).into()),
            }
        }
        if options.scribed.as_os_str().is_empty() || options.folder.as_os_str().is_empty() {
            return Err(crate::USAGE.into());
        }
        Ok(options)
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    passes: usize,
    /// Length of one measured window.
    window: Duration,
    warm_up: Duration,
    /// Divides what would take minutes: stored alerts, incidents.
    divisor: u64,
    /// Syncs of the probe.
    syncs: usize,
}

impl Scale {
    /// About half an hour.
    const FULL: Self = Self {
        passes: 3,
        window: Duration::from_secs(4),
        warm_up: Duration::from_millis(700),
        divisor: 1,
        syncs: 1500,
    };
    /// About three minutes, for work on the program.
    const QUICK: Self = Self {
        passes: 1,
        window: Duration::from_millis(1500),
        warm_up: Duration::from_millis(400),
        divisor: 20,
        syncs: 500,
    };
    /// Some ten seconds, to see that it runs at all.
    const SMOKE: Self = Self {
        passes: 1,
        window: Duration::from_millis(100),
        warm_up: Duration::from_millis(50),
        divisor: 2000,
        syncs: 20,
    };
}

/// What all measurements use.
struct Bench {
    scribed: PathBuf,
    own: PathBuf,
    folder: PathBuf,
    scale: Scale,
    figures: Vec<Figure>,
    /// F of this pass, in milliseconds.
    sync_ms: f64,
}

type Measurement = fn(&mut Bench) -> Result<(), Failure>;

/// What gives which rows. Each is a function of its own, and of some only one pass is made.
const MEASUREMENTS: [(&[u32], bool, Measurement); 8] = [
    (&[1, 3, 7, 8], false, door::measure),
    (&[4], false, peers::measure),
    (&[5, 6], false, latency::measure),
    (&[2], false, whole::measure),
    (&[10], false, drafts::measure),
    (&[12], false, pages::measure),
    (&[9], true, memory::measure),
    (&[11, 13], true, start::measure),
];

/// Measures all rows, or those that were asked for, and prints the table.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    std::fs::create_dir_all(&options.folder)?;
    let mut bench = Bench {
        scribed: options.scribed.clone(),
        own: std::env::current_exe()?,
        folder: options.folder.clone(),
        scale: options.scale,
        figures: Vec::new(),
        sync_ms: f64::NAN,
    };
    for pass in 0..bench.scale.passes {
        bench.sync_ms = probes::sync_ms(&bench.folder, bench.scale.syncs)?;
        crate::complain(&format!("pass {}: F = {:.3} ms", pass + 1, bench.sync_ms));
        for (rows, once, measure) in MEASUREMENTS {
            let is_wanted =
                options.only.is_empty() || rows.iter().any(|row| options.only.contains(row));
            if !is_wanted || (once && pass > 0) {
                continue;
            }
            let began = Instant::now();
            measure(&mut bench).map_err(|failure| format!("rows {rows:?}: {failure}"))?;
            crate::complain(&format!("  rows {rows:?} in {} s", began.elapsed().as_secs()));
        }
    }
    let figures = table::medians(&bench.figures);
    let kept = options.compare.as_deref().map(table::read).transpose()?.unwrap_or_default();
    crate::say(&table::text(&figures, &kept));
    if let Some(path) = &options.save {
        table::save(path, &figures)?;
    }
    Ok(())
}

impl Bench {
    fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// A number that is one in a full run and less in a quick one, but at least `least`.
    fn scaled(&self, full: u64, least: u64) -> u64 {
        (full / self.scale.divisor).max(least)
    }

    /// An empty folder for a server.
    fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// scribed as shipped, on a folder.
    fn scribed(&self, folder: &Path) -> Result<Server, Failure> {
        let address = free_address()?;
        let mut command = Command::new(&self.scribed);
        command
            .arg("serve")
            .arg(format!("--storage.path={}", folder.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--replay.allow");
        Server::start(&mut command, address, &self.folder.join("scribed.log"))
    }

    /// One of our reference servers, on a fresh store.
    fn reference(&self, mode: &str) -> Result<Server, Failure> {
        let folder = self.fresh(mode)?;
        let address = free_address()?;
        let mut command = Command::new(&self.own);
        command.arg("serve").arg(mode).arg(address.to_string()).arg(folder.join("rows.db"));
        Server::start(&mut command, address, &self.folder.join("reference.log"))
    }

    /// The usual load: 10 alerts a POST, 64 connections, as fast as it is answered.
    fn usual<'a>(&self, address: SocketAddr, body: &'a str, distinct: u64) -> Load<'a> {
        Load {
            address,
            path: "/api/v1/ingest/alertmanager",
            headers: "",
            body,
            alerts: 10,
            numbers: 10,
            connections: 64,
            distinct,
            first: 0,
            rate: 0.0,
            warm_up: self.scale.warm_up,
            until: Until::Time(self.scale.window),
        }
    }
}

/// Sends a load; returns what came of it and the CPU microseconds an alert of the named threads
/// within the window.
fn measured(server: &Server, load: &Load<'_>, threads: &[&str]) -> Result<(Outcome, f64), Failure> {
    let mut readings = Vec::new();
    let outcome = load::run(load, || readings.push(server.cpu_seconds(threads)))?;
    require_answers(&outcome)?;
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
        return Err("the load ended before its window opened".into());
    };
    let alerts = (outcome.answered * load.alerts as u64) as f64;
    Ok((outcome, (last - first) * 1e6 / alerts))
}

/// Sends a load that is not measured itself.
fn sent(load: &Load<'_>) -> Result<Outcome, Failure> {
    let outcome = load::run(load, || {})?;
    require_answers(&outcome)?;
    Ok(outcome)
}

fn require_answers(outcome: &Outcome) -> Result<(), Failure> {
    if outcome.alerts == 0 {
        return Err(
            format!("no request was answered 2xx, and {} otherwise", outcome.refused).into()
        );
    }
    if outcome.refused > 0 {
        crate::complain(&format!("  {} requests were not answered 2xx", outcome.refused));
    }
    Ok(())
}

/// Waits until the engine has worked in everything received.
fn caught_up(address: SocketAddr) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let status: serde_json::Value = serde_json::from_str(&get(address, "/api/v1/status")?)?;
        let (head, cursor) = (status["head"].as_u64(), status["cursor"].as_u64());
        if head.is_some() && head == cursor {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("the engine is at {cursor:?} of {head:?}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The usual body: 10 alerts.
fn usual_body() -> String {
    payload::body(payload::Form::Webhook, 10)
}
