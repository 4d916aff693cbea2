//! The real Prometheus and the real Alertmanager in front of scribed: a service gets slow, fails
//! and falls behind, recovers, and the draft tells it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::external::{self, Process};
use crate::support::{Client, Request, Server, Setup, server, wait};

/// A service whose metrics a test turns bad and good.
struct Shop {
    port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

/// What the service shows.
#[derive(Default)]
struct State {
    is_broken: AtomicBool,
    is_gone: AtomicBool,
    failures: AtomicU64,
}

impl State {
    /// The metrics of this moment; every look at a broken shop finds more failures.
    fn metrics(&self) -> String {
        let is_broken = self.is_broken.load(Ordering::SeqCst);
        if is_broken {
            self.failures.fetch_add(50, Ordering::SeqCst);
        }
        let (latency, lag) = if is_broken { (2.5, 90) } else { (0.05, 0) };
        format!(
            "# TYPE shop_latency_seconds gauge\nshop_latency_seconds {latency}\n\
             # TYPE shop_responses_total counter\nshop_responses_total{{code=\"503\"}} {}\n\
             # TYPE shop_replication_lag_seconds gauge\nshop_replication_lag_seconds {lag}\n",
            self.failures.load(Ordering::SeqCst)
        )
    }
}

impl Shop {
    /// Opens, in good order.
    fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_gone.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever hangs up early asks again.
                drop(stream.and_then(|stream| answer(stream, &shared)));
            }
        });
        Self { port, state, thread: Some(thread) }
    }

    /// Turns everything bad or good.
    fn set_broken(&self, is_broken: bool) {
        self.state.is_broken.store(is_broken, Ordering::SeqCst);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.state.is_gone.store(true, Ordering::SeqCst);
        // A last visitor wakes the thread, so that it sees that it is over.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Answers one request with the metrics of this moment.
fn answer(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    for line in BufReader::new(stream.try_clone()?).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let body = state.metrics();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Rules for what can be wrong with the shop.
const RULES: &str = r#"
groups:
  - name: shop
    rules:
      - alert: ShopLatencyHigh
        expr: shop_latency_seconds > 1
        labels: {severity: critical, service: shop-web}
        annotations: {summary: "The shop answers slowly", value: "{{ $value }}"}
      - alert: Shop503RateHigh
        expr: rate(shop_responses_total{code="503"}[5s]) > 1
        labels: {severity: critical, service: shop-web}
        annotations: {summary: "The shop answers 503", value: "{{ $value }}"}
      - alert: ReplicationLagHigh
        expr: shop_replication_lag_seconds > 30
        labels: {severity: warning, service: shop-db}
        annotations: {summary: "The replica is behind", value: "{{ $value }}"}
"#;

/// The alerts of [`RULES`].
const ALERTS: [&str; 3] = ["ReplicationLagHigh", "Shop503RateHigh", "ShopLatencyHigh"];

/// Starts an Alertmanager that sends everything to scribed.
fn alertmanager(binary: &Path, folder: &Path, scribed: &Server) -> (Process, Client) {
    let config = format!(
        "route:\n  receiver: scribed\n  group_by: [alertname]\n  group_wait: 1s\n  \
         group_interval: 2s\n  repeat_interval: 1h\nreceivers:\n  - name: scribed\n    \
         webhook_configs:\n      - url: {}/api/v1/ingest/alertmanager\n        send_resolved: true\n",
        scribed.url()
    );
    let file = folder.join("alertmanager.yml");
    fs::write(&file, config).unwrap();
    let client = Client::new((Ipv4Addr::LOCALHOST, server::free_port()).into());
    let mut command = Command::new(binary);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
        .arg(format!("--web.listen-address={}", client.address))
        .arg("--cluster.listen-address=");
    (ready(Process::start(folder, "alertmanager", &mut command), client), client)
}

/// Starts a Prometheus that watches the shop and tells both Alertmanager and scribed.
fn prometheus(binary: &Path, folder: &Path, shop: &Shop, receivers: [&Client; 2]) -> Process {
    fs::write(folder.join("rules.yml"), RULES).unwrap();
    let [alertmanager, scribed] = receivers.map(|client| client.address);
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         alerting:\n  alertmanagers:\n    - static_configs: [{{targets: [\"{alertmanager}\"]}}]\n    \
         - static_configs: [{{targets: [\"{scribed}\"]}}]\n\
         scrape_configs:\n  - job_name: shop\n    static_configs: [{{targets: [\"127.0.0.1:{}\"]}}]\n  \
         - job_name: scribed\n    static_configs: [{{targets: [\"{scribed}\"]}}]\n",
        shop.port
    );
    let file = folder.join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let client = Client::new((Ipv4Addr::LOCALHOST, server::free_port()).into());
    let mut command = Command::new(binary);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={}", client.address));
    ready(Process::start(folder, "prometheus", &mut command), client)
}

/// Waits until a program of the Prometheus family is ready.
fn ready(mut process: Process, client: Client) -> Process {
    wait::until("Prometheus or Alertmanager to be ready", || {
        assert!(process.ended().is_none(), "ended: {}", process.log());
        let answer = client.try_send(&Request::new("GET", "/-/ready"));
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    });
    process
}

/// Names of the alerts that are as a test wants them, sorted.
fn names(alerts: &[Value], is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut names: Vec<String> = alerts
        .iter()
        .filter(|alert| is_wanted(alert))
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn an_outage_seen_by_prometheus_becomes_one_incident_with_a_draft() {
    let Some([prometheus_binary, alertmanager_binary]) =
        external::programs(["prometheus", "prometheus-alertmanager"])
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let scribed = Setup::new().config("incidents:\n  quiet_period: 3s\n").start();
    let graph = json!({"edges": [{"caller": "shop-web", "callee": "shop-db"}]});
    scribed.send(&Request::new("PUT", "/api/v1/topology").json(&graph));
    let shop = Shop::open();
    let (_alertmanager, am_client) = alertmanager(&alertmanager_binary, folder.path(), &scribed);
    let _prometheus = prometheus(&prometheus_binary, folder.path(), &shop, [&am_client, &scribed]);

    shop.set_broken(true);
    let is_heard_twice = |alert: &Value| {
        alert["status"] == "firing" && alert["sources"].as_array().is_some_and(|s| s.len() == 2)
    };
    wait::until("all alerts to be heard from both senders", || {
        (names(&scribed.list("/api/v1/alerts"), is_heard_twice) == ALERTS).then_some(())
    });
    let alerts = scribed.list("/api/v1/alerts");
    assert_eq!(alerts.len(), ALERTS.len(), "each is one alert: {alerts:#?}");
    let incidents = scribed.list("/api/v1/incidents");
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert!(alerts.iter().all(|alert| alert["incident"] == 1), "{alerts:#?}");
    assert_eq!(incidents[0]["state"], "open");
    let early = scribed.get("/api/v1/incidents/1/draft").expect(200).text();
    assert!(early.contains("ShopLatencyHigh"), "{early}");

    shop.set_broken(false);
    wait::until("the incident to be resolved", || {
        (scribed.get_json("/api/v1/incidents/1")["state"] == "resolved").then_some(())
    });
    let alerts = scribed.list("/api/v1/alerts");
    assert_eq!(names(&alerts, |alert| alert["status"] == "resolved"), ALERTS, "{alerts:#?}");
    expect_story(&scribed, &alerts);
}

/// Checks incident, timeline and draft of the outage that is over.
fn expect_story(scribed: &Server, alerts: &[Value]) {
    let incident = scribed.get_json("/api/v1/incidents/1");
    assert_eq!(incident["severity"], "critical");
    assert_eq!(incident["alerts"], json!({"total": 3, "firing": 0}));
    let mut services: Vec<&str> =
        incident["services"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    services.sort_unstable();
    assert_eq!(services, ["shop-db", "shop-web"]);
    let times = |field: &str| {
        let mut times: Vec<Value> = alerts.iter().map(|alert| alert[field].clone()).collect();
        times.sort_by_key(ToString::to_string);
        times
    };
    assert_eq!(incident["started_at"], times("starts_at")[0]);
    assert_eq!(incident["resolved_at"], times("ends_at")[ALERTS.len() - 1]);
    let draft = scribed.get_json("/api/v1/incidents/1/draft?format=json");
    let timeline = draft["timeline"].as_array().unwrap();
    let markdown = scribed.get("/api/v1/incidents/1/draft").expect(200).text();
    for name in ALERTS {
        assert!(markdown.contains(name), "{name} in\n{markdown}");
        let entries =
            timeline.iter().filter(|entry| entry["text"].as_str().unwrap().contains(name)).count();
        assert!(entries >= 1, "{name} in {timeline:#?}");
    }
    assert_eq!(draft["measures"]["duration"]["state"], "recorded");
    let causes = draft["candidate_causes"].as_array().unwrap();
    assert!(causes.iter().all(|cause| cause["kind"] != "change"), "nobody told of a change");
}
