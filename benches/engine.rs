//! What a record costs the engine, from the ledger to the committed effects.
//!
//! `cargo bench --bench engine [-- PART]`: runs every part, or those whose name holds PART. Each
//! prints CPU time (of this process's own threads, so a busy machine disturbs it little), not wall
//! time, and the growth of resident memory.
//!
//! - `machine`: the pure machine alone, with few and many open incidents, active alerts and
//!   services in the graph, for repeats, new alerts and a storm of one alert a record.
//! - `store`: the ledger is filled first; then the engine works it in, with its commits.
//! - `restart`: how long the engine takes to be ready on a store, after a stop and after a kill.
//!
//! A harness of its own: the figures are sums over many records with state that grows, which is
//! not what frameworks for small functions measure.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::path::Path;

use scribed::clock::Clock;
use scribed::correlate::{Effects, Machine, Recalled};
use scribed::domain::alert::Link;
use scribed::domain::record::{Delivery, Path as SenderPath};
use scribed::domain::topology::Edge;
use scribed::domain::{
    AlertKey, Claim, Ending, Labels, Name, Record, RecordBody, Rules, Seq, Span, Timestamp,
    Topology, Word, WordState,
};
use scribed::engine::{Engine, Known};
use scribed::metrics::Metrics;
use scribed::store::{Append, Store, StoreOptions};

/// Alerts of one delivery, unless a part says otherwise.
const ALERTS_A_RECORD: usize = 10;
/// Records between two commits.
const BATCH_RECORDS: usize = 256;

fn main() {
    let parts: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part));
    if is_wanted("machine") {
        machine_alone();
    }
    if is_wanted("store") {
        engine_with_store();
    }
    if is_wanted("restart") {
        restart();
    }
}

/// The size of what runs while it is measured.
#[derive(Clone, Copy)]
struct Scale {
    incidents: usize,
    active: usize,
    services: usize,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    /// Active alerts are said again.
    Repeat,
    /// Alerts never heard of, spread over the services with incidents.
    New,
    /// Alerts never heard of, of any service of the graph.
    NewAnywhere,
    /// New alerts of one service, one a record.
    Storm,
    /// Active alerts end.
    End,
}

impl Load {
    const ALL: [Self; 5] = [Self::Repeat, Self::New, Self::NewAnywhere, Self::Storm, Self::End];

    const fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeats",
            Self::New => "new, in incidents",
            Self::NewAnywhere => "new, anywhere",
            Self::Storm => "storm, 1 a record",
            Self::End => "ends",
        }
    }

    const fn alerts_a_record(self) -> usize {
        match self {
            Self::Storm => 1,
            Self::Repeat | Self::New | Self::NewAnywhere | Self::End => ALERTS_A_RECORD,
        }
    }
}

/// A sequence of numbers without a pattern, the same in each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides.max(1) as u64).unwrap()
    }
}

const SYLLABLES: [&str; 16] = [
    "ba", "do", "fe", "gi", "ka", "lo", "mu", "ne", "pi", "qua", "ro", "su", "ti", "vo", "xe", "zu",
];

/// A name that shares no part with any other: likeness of names is evidence.
fn service_name(index: usize) -> String {
    let mut name = String::from("s");
    let mut rest = index + 16;
    while rest > 0 {
        name.push_str(SYLLABLES[rest % 16]);
        rest /= 16;
    }
    name
}

/// Every service calls two others: a wide, flat graph like a real one.
fn graph(services: usize, dice: &mut Dice) -> Topology {
    let mut edges = Vec::new();
    for caller in 0..services {
        for _ in 0..2 {
            let callee = dice.throw(services);
            if callee != caller {
                edges.push(Edge {
                    caller: Name::from(service_name(caller).as_str()),
                    callee: Name::from(service_name(callee).as_str()),
                    cluster: None,
                });
            }
        }
    }
    Topology { edges, placement: Vec::new() }
}

/// One alert, with about as much text as real ones have.
fn word(
    alertname: &str,
    (cluster, service): (&str, &str),
    number: usize,
    severity: &str,
    start: Timestamp,
) -> Word {
    let pod = format!("{service}-7c9d8b6f5-x{number:06}");
    let instance = format!("10.{}.{}.{}:9100", number / 65536, number / 256 % 256, number % 256);
    let labels = Labels::from_pairs([
        ("alertname", alertname),
        ("cluster", cluster),
        ("namespace", service),
        ("service", service),
        ("severity", severity),
        ("pod", &pod),
        ("job", "kubernetes-pods"),
        ("instance", &instance),
    ]);
    let annotations = Labels::from_pairs([
        ("summary", format!("{alertname} in {service}: 5xx ratio above 5% for 10 minutes")),
        (
            "description",
            format!(
                "The ratio of 5xx responses of {service} is 17.3% (threshold 5%).\n  Current value: 0.173402\n  \"job\" = kubernetes-pods"
            ),
        ),
        ("runbook_url", format!("https://runbooks.example.com/{service}/{alertname}")),
    ]);
    Word {
        key: AlertKey::new(Name::from("prometheus"), labels.fingerprint()),
        key_from_labels: true,
        labels,
        annotations,
        state: WordState::Firing { lease: None },
        starts_at: Claim::plain(start),
        links: vec![Link {
            rel: Name::from("generator"),
            url: "http://prometheus.example.com:9090/graph?g0.expr=rate%28http_requests_total%7Bcode%3D~%225..%22%7D%5B5m%5D%29+%3E+0.05&g0.tab=1".into(),
        }],
        values: Vec::new(),
        is_test: false,
    }
}

fn delivery(words: Vec<Word>) -> RecordBody {
    RecordBody::Delivery(Delivery {
        source: Name::from("alertmanager"),
        path: SenderPath::Webhook,
        sender: Some(Name::from("http://alertmanager.example.com:9093")),
        group: None,
        truncated: 0,
        rejected: 0,
        words,
        changes: Vec::new(),
    })
}

const NAMES: [&str; 8] = [
    "HighErrorRate",
    "KubePodCrashLooping",
    "NodeFilesystemAlmostOutOfSpace",
    "TargetDown",
    "CPUThrottlingHigh",
    "PrometheusRuleFailures",
    "EtcdHighCommitDurations",
    "LatencyP99High",
];

/// Makes the records of a scenario.
struct Maker {
    dice: Dice,
    now: Timestamp,
    scale: Scale,
    numbers: usize,
    active: Vec<Word>,
    /// The services in which incidents run, far from each other in the graph, with their clusters:
    /// four incidents in each.
    stricken: Vec<(String, String)>,
}

impl Maker {
    fn new(scale: Scale) -> Self {
        let now = Timestamp::parse("2026-03-02T10:00:00Z").unwrap();
        let stride = scale.services / scale.incidents.max(1);
        let stricken = (0..scale.incidents)
            .map(|i| (format!("cluster-{}", i / 4), service_name(i * stride.max(1))))
            .collect();
        Self { dice: Dice(7), now, scale, numbers: 0, active: Vec::new(), stricken }
    }

    fn fresh(&mut self, (cluster, service): (String, String), severity: &str) -> Word {
        self.numbers += 1;
        let name = NAMES[self.dice.throw(NAMES.len())];
        word(name, (&cluster, &service), self.numbers, severity, self.now)
    }

    /// What must have happened before: the graph, the incidents, the active alerts.
    fn prelude(&mut self) -> Vec<(Timestamp, RecordBody)> {
        let mut bodies = Vec::new();
        let topology = graph(self.scale.services, &mut self.dice);
        bodies.push((self.now, RecordBody::Topology(topology)));
        // Alerts of one moment are evidence for each other; so each incident has its own.
        for service in self.stricken.clone() {
            self.now = self.now + Span::from_seconds(1200 / self.stricken.len() as i64);
            let opener = self.fresh(service, "critical");
            self.active.push(opener.clone());
            bodies.push((self.now, delivery(vec![opener])));
        }
        while self.active.len() < self.scale.active {
            let mut words = Vec::new();
            for _ in 0..ALERTS_A_RECORD.min(self.scale.active - self.active.len()) {
                let at = self.active.len() % self.stricken.len().max(1);
                let service = self.stricken[at].clone();
                words.push(self.fresh(service, "warning"));
                self.active.push(words.last().unwrap().clone());
            }
            self.now = self.now + Span::from_millis(100);
            bodies.push((self.now, delivery(words)));
        }
        bodies
    }

    fn next(&mut self, load: Load) -> (Timestamp, RecordBody) {
        self.now = self.now + Span::from_millis(10);
        let words = (0..load.alerts_a_record())
            .map(|_| match load {
                Load::Repeat => {
                    let at = self.dice.throw(self.active.len());
                    self.active[at].clone()
                }
                Load::New => {
                    let at = self.dice.throw(self.stricken.len());
                    let service = self.stricken[at].clone();
                    self.fresh(service, "warning")
                }
                Load::NewAnywhere => {
                    let cluster = format!("cluster-{}", self.dice.throw(self.scale.incidents / 4));
                    let service = (cluster, service_name(self.dice.throw(self.scale.services)));
                    self.fresh(service, "warning")
                }
                Load::Storm => {
                    let service = self.stricken[0].clone();
                    self.fresh(service, "warning")
                }
                Load::End => {
                    let at = self.dice.throw(self.active.len());
                    let mut word = self.active[at].clone();
                    let ends_at = Claim::plain(self.now);
                    word.state = WordState::Resolved { ends_at, ending: Ending::Recovered };
                    word
                }
            })
            .collect();
        (self.now, delivery(words))
    }
}

/// The machine over a ledger in memory; what it forgets is gone.
#[derive(Default)]
struct Alone {
    machine: Machine,
    seq: u64,
    effects: usize,
}

impl Alone {
    fn work(&mut self, bodies: Vec<(Timestamp, RecordBody)>) {
        for (index, (time, body)) in bodies.into_iter().enumerate() {
            self.seq += 1;
            let record =
                Record { seq: Seq(self.seq), time: Some(time), received_at: Some(time), body };
            loop {
                let wants = self.machine.wants(&record);
                if wants.is_empty() {
                    break;
                }
                self.machine.recall(wants, Recalled::default());
            }
            self.machine.handle(&record);
            if index % BATCH_RECORDS == BATCH_RECORDS - 1 {
                self.commit();
            }
        }
        self.commit();
    }

    fn commit(&mut self) {
        let Effects { episodes, .. } = self.machine.take_effects();
        self.effects += episodes.len();
        self.machine.forget();
    }
}

fn machine_alone() {
    println!("\n## The machine alone: CPU per alert in us\n");
    println!("| load | incidents | active | services | us per alert | ratio to the first row |");
    println!("|---|---|---|---|---|---|");
    for load in Load::ALL {
        let mut first = None;
        for (incidents, active, services) in [
            (10, 100, 50),
            (10, 100, 5_000),
            (10, 10_000, 50),
            (10, 10_000, 5_000),
            (100, 10_000, 5_000),
            (100, 1_000, 5_000),
        ] {
            let scale = Scale { incidents, active, services };
            let mut maker = Maker::new(scale);
            let mut alone = Alone::default();
            let prelude = maker.prelude();
            alone.work(prelude);
            let records = 10_000 / load.alerts_a_record();
            let bodies: Vec<_> = (0..records).map(|_| maker.next(load)).collect();
            let opened = alone.machine.holdings().running_incidents;
            let before = cpu();
            alone.work(bodies);
            let cost = (cpu() - before) * 1e6 / (records * load.alerts_a_record()) as f64;
            let ratio = cost / *first.get_or_insert(cost);
            println!(
                "| {} | {opened} | {active} | {services} | {cost:.1} | {ratio:.2} |",
                load.name()
            );
        }
    }
}

fn open(folder: &Path) -> (Store, Clock) {
    let options =
        StoreOptions { path: folder.to_owned(), queue_capacity: 4096, queue_bytes: 64 << 20 };
    let clock = Clock::system();
    (Store::open(options, clock.clone(), Metrics::new()).unwrap(), clock)
}

fn append(store: &Store, at: Timestamp, body: RecordBody) {
    let append = Append { body, received_at: Some(at), true_received_at: at, raw: None };
    store.append_blocking(append).unwrap();
}

fn prepare(store: &Store, clock: &Clock) -> Engine {
    let known = Known { rules: Rules::default(), topology: None };
    Engine::prepare(store.clone(), clock.clone(), Metrics::new(), &known).unwrap()
}

/// Fills a ledger without an engine, a few hundred alerts in each transaction's record.
fn fill(store: &Store, bodies: Vec<(Timestamp, RecordBody)>) {
    bodies.into_iter().for_each(|(at, body)| append(store, at, body));
}

fn engine_with_store() {
    println!("\n## Engine and store: CPU per alert in us, from the ledger to the commit\n");
    println!("| load | alerts | us per alert | bytes of the store per alert | RSS MiB |");
    println!("|---|---|---|---|---|");
    let scale = Scale { incidents: 100, active: 10_000, services: 5_000 };
    for (load, alerts) in [
        (Load::Repeat, 200_000),
        (Load::New, 50_000),
        (Load::NewAnywhere, 50_000),
        (Load::Storm, 10_000),
        (Load::End, 50_000),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (store, clock) = open(folder.path());
        let mut maker = Maker::new(scale);
        fill(&store, maker.prelude());
        drop(prepare(&store, &clock));
        let ledger_before = size(folder.path());
        for _ in 0..alerts / load.alerts_a_record() {
            let (at, body) = maker.next(load);
            append(&store, at, body);
        }
        let filled = size(folder.path());
        let before = cpu();
        drop(prepare(&store, &clock));
        let cost = (cpu() - before) * 1e6 / alerts as f64;
        let worked = size(folder.path());
        println!(
            "| {} | {alerts} | {cost:.1} | {} ledger + {} engine | {:.0} |",
            load.name(),
            (filled - ledger_before) / alerts as u64,
            (worked - filled) / alerts as u64,
            resident_mib(),
        );
    }
}

fn restart() {
    println!("\n## Restart with 1M alerts and 10,000 incidents in the store\n");
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = open(folder.path());
    let scale = Scale { incidents: 10_000, active: 20_000, services: 20_000 };
    let mut maker = Maker::new(scale);
    fill(&store, maker.prelude());
    for _ in 0..1_000_000 / ALERTS_A_RECORD {
        let (at, body) = maker.next(Load::Repeat);
        append(&store, at, body);
    }
    let before = cpu();
    let engine = prepare(&store, &clock);
    println!("worked in: {:.2} s of CPU, RSS {:.0} MiB", cpu() - before, resident_mib());
    drop(engine);
    drop(store);
    let wall = Clock::system();
    let (store, clock) = open(folder.path());
    let engine = prepare(&store, &clock);
    println!("ready after a kill: {:.0} ms", wall.monotonic().seconds_f64() * 1e3);
    engine.stop();
    drop(store);
    let wall = Clock::system();
    let (store, clock) = open(folder.path());
    drop(prepare(&store, &clock));
    println!("ready after a clean stop: {:.0} ms", wall.monotonic().seconds_f64() * 1e3);
}

/// CPU time of all threads of this process, in seconds.
fn cpu() -> f64 {
    let mut nanos = 0_u64;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path().join("schedstat");
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        nanos += text.split(' ').next().unwrap().parse::<u64>().unwrap();
    }
    nanos as f64 / 1e9
}

fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / f64::from(1 << 20)
}

/// Bytes of the database, its log included.
fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
