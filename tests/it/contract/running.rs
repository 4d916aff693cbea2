//! Running it: defaults, health, metrics, reload, signals, the description of the API.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use super::{critical, unnamed, with_incident};
use crate::support::{Client, Request, Server, Setup, external, fixtures, server, wait};

#[test]
fn without_flags_it_listens_on_loopback_7274_and_stores_in_data() {
    // The one test with a fixed port: it is the default that is tested.
    let Ok(probe) = std::net::TcpListener::bind("127.0.0.1:7274") else {
        return external::pass_over("port 7274 is taken");
    };
    drop(probe);
    let folder = tempfile::tempdir().unwrap();
    let mut command = server::program(folder.path());
    let mut process = external::Process::start(folder.path(), "serve", command.arg("serve"));
    let client = Client::new("127.0.0.1:7274".parse().unwrap());
    wait::until("the server to be ready on its default port", || {
        assert!(process.ended().is_none(), "ended: {}", process.log());
        client.try_send(&Request::new("GET", "/-/ready")).ok().filter(|a| a.status == 200)
    });
    client.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    assert!(folder.path().join("data").is_dir());
}

#[test]
fn the_engine_tells_when_it_has_caught_up() {
    let server = with_incident();
    let status = server.settle();
    assert!(status["head"].as_u64().unwrap() > 0);
    assert_eq!(status["head"], status["cursor"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["sources"].to_string().contains("alertmanager"), "{status}");
}

#[test]
fn metrics_that_the_contract_names_are_there() {
    let server = with_incident();
    let watchdog = fixtures::json("payloads/alertmanager/18-watchdog.json");
    server.post("/api/v1/ingest/alertmanager", &watchdog).expect(200);
    server.post("/api/v1/ingest/alertmanager", &json!({})).expect(400);
    server.get("/api/v1/incidents/1/draft").expect(200);
    server.settle();
    let names = [
        "scribed_build_info",
        "scribed_deliveries_total",
        "scribed_delivery_bytes_bucket",
        "scribed_alerts_total",
        "scribed_ingest_duration_seconds_bucket",
        "scribed_event_lag_seconds_bucket",
        "scribed_quarantined_total",
        "scribed_store_commit_seconds_bucket",
        "scribed_store_batch_records_bucket",
        "scribed_store_queue_depth",
        "scribed_store_queue_capacity",
        "scribed_store_errors_total",
        "scribed_store_bytes",
        "scribed_ledger_head",
        "scribed_engine_cursor",
        "scribed_engine_lag_seconds",
        "scribed_engine_skipped_total",
        "scribed_incidents",
        "scribed_floating_alerts",
        "scribed_drafts_total",
        "scribed_draft_duration_seconds_bucket",
        "scribed_source_last_delivery_timestamp_seconds",
        "scribed_heartbeat_last_seen_timestamp_seconds",
        "scribed_http_requests_total",
        "scribed_http_request_duration_seconds_bucket",
        "scribed_config_last_reload_successful",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ];
    let answer = server.get("/metrics").expect(200);
    assert_eq!(answer.media_type(), "text/plain");
    let text = answer.text();
    let value = |line: &str| {
        text.lines()
            .find(|l| l.starts_with(line))
            .and_then(|l| l.rsplit(' ').next())
            .unwrap_or_else(|| panic!("no {line} in\n{text}"))
            .parse::<f64>()
            .unwrap()
    };
    for name in names {
        assert!(
            text.lines()
                .any(|l| { l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) }),
            "no {name} in\n{text}"
        );
    }
    let fine = value("scribed_alerts_total{outcome=\"new\",source=\"alertmanager\"}");
    assert!(fine >= 1.0, "{fine}");
    assert!((value("scribed_incidents{state=\"open\"}") - 1.0).abs() < f64::EPSILON);
    assert!(value("scribed_config_last_reload_successful") > 0.0);
    for secret in ["PostgresDown", "db-1:9187", "3e0caab7a6eda3c8"] {
        assert!(!text.contains(secret), "a metric has {secret} as a label");
    }
}

#[test]
fn the_description_of_the_api_knows_every_path_of_the_contract() {
    let server = Server::start();
    let api = server.get_json("/api/v1/openapi.json");
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    let known: Vec<String> = api["paths"].as_object().unwrap().keys().map(|p| unnamed(p)).collect();
    for path in [
        "/api/v1/ingest/{}",
        "/api/v2/alerts",
        "/v2/enqueue",
        "/v2/change/enqueue",
        "/api/annotations",
        "/api/annotations/graphite",
        "/api/v1/changes",
        "/api/v1/topology",
        "/api/v1/incidents",
        "/api/v1/incidents/{}",
        "/api/v1/incidents/{}/acknowledge",
        "/api/v1/incidents/{}/mitigate",
        "/api/v1/incidents/{}/resolve",
        "/api/v1/incidents/{}/reopen",
        "/api/v1/incidents/{}/merge",
        "/api/v1/incidents/{}/split",
        "/api/v1/incidents/{}/alerts",
        "/api/v1/incidents/{}/notes",
        "/api/v1/incidents/{}/notes/{}",
        "/api/v1/incidents/{}/actions",
        "/api/v1/incidents/{}/actions/{}",
        "/api/v1/incidents/{}/timeline",
        "/api/v1/incidents/{}/timeline.svg",
        "/api/v1/incidents/{}/draft",
        "/api/v1/alerts",
        "/api/v1/alerts/{}/explain",
        "/api/v1/deliveries",
        "/api/v1/deliveries/{}/raw",
        "/api/v1/quarantine",
        "/api/v1/status",
        "/api/v1/stream",
        "/-/healthy",
        "/-/ready",
        "/-/reload",
        "/metrics",
    ] {
        assert!(known.iter().any(|k| k == path), "{path} is not described");
    }
}

#[test]
fn health_readiness_and_pages_answer() {
    let server = with_incident();
    server.get("/-/healthy").expect(200);
    server.get("/-/ready").expect(200);
    server.send(&Request::new("HEAD", "/-/healthy")).expect(200);
    for page in ["/", "/incidents/1", "/alerts", "/status", "/login"] {
        let answer = server.get(page).expect(200);
        assert_eq!(answer.media_type(), "text/html", "{page}");
        assert!(answer.header("Content-Security-Policy").is_some(), "{page}");
    }
    assert!(server.get("/").text().contains("Postgres down on db-1"));
    server.get("/incidents/999").expect(404);
}

#[test]
fn a_reload_takes_the_new_file_and_a_bad_file_changes_nothing() {
    let server = Setup::new().config("timezone: UTC\n").start();
    let body = fixtures::begun_now(critical());
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let zone = || server.get_json("/api/v1/incidents/1/draft?format=json")["timezone"].clone();
    let reload = || server.send(&Request::new("POST", "/-/reload"));
    let gauge = || {
        let text = server.get("/metrics").text();
        text.lines().any(|line| line == "scribed_config_last_reload_successful 1")
    };
    assert_eq!(zone(), "UTC");

    fs::write(server.config_file(), "timezone: Africa/Lagos\n").unwrap();
    reload().expect(200);
    assert_eq!(zone(), "Africa/Lagos");
    assert!(gauge());

    fs::write(server.config_file(), "timezone: Africa/Lagos\nno_such_key: 1\n").unwrap();
    let answer = reload();
    assert!(answer.status >= 400, "{}", answer.status);
    assert!(answer.text().contains("no_such_key"), "{}", answer.text());
    assert_eq!(zone(), "Africa/Lagos");
    assert!(!gauge());

    let yaml = "topology_file: graph.yml\n";
    fs::write(server.config_file().with_file_name("graph.yml"), "edges: [{caller: a}]\n").unwrap();
    fs::write(server.config_file(), yaml).unwrap();
    let told = reload().expect(500).text();
    assert!(told.contains("topology_file: missing field `callee`"), "{told}");

    fs::write(server.config_file(), "web: {max_connections: 9}\n").unwrap();
    let told = reload().expect(200).text();
    assert!(told.contains("web.max_connections is 4096 until scribed is restarted"), "{told}");
    // Who asks while another one is served is served as well.
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| reload().status)).collect();
        let answered: Vec<u16> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        assert_eq!(answered, [200; 8]);
    });

    fs::write(server.config_file(), "timezone: Asia/Tokyo\n").unwrap();
    server.signal("HUP");
    wait::until("SIGHUP to reload", || (zone() == "Asia/Tokyo" && gauge()).then_some(()));
}

#[test]
fn sigterm_ends_it_in_good_order_with_streams_and_idle_connections_open() {
    let mut server = with_incident();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(
            format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes(),
        )
        .unwrap();
    let mut first = [0_u8; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let idle = TcpStream::connect(server.address).unwrap();
    let before = server.get("/api/v1/incidents/1/draft").expect(200).text();

    server.signal("TERM");
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    drop((stream, idle));

    server.start_again();
    server.settle();
    assert_eq!(server.get("/api/v1/incidents/1/draft").expect(200).text(), before);
}

#[test]
fn a_request_that_is_under_way_at_the_end_is_finished_or_refused() {
    let mut server = Server::start();
    let body = critical().to_string();
    let (begin, rest) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /api/v1/ingest/alertmanager HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    // Another answer shows that the server had time to take up the first request.
    server.get("/-/ready").expect(200);
    server.signal("TERM");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let is_taken = answer.starts_with("HTTP/1.1 200");
    assert!(is_taken || answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
    server.start_again();
    server.settle();
    assert_eq!(server.list("/api/v1/alerts").len(), usize::from(is_taken));
}

#[test]
fn promtool_has_nothing_to_say_about_our_metrics() {
    let Some([promtool]) = external::programs(["promtool"]) else { return };
    let server = with_incident();
    let file = server.folder().join("metrics");
    fs::write(&file, server.get("/metrics").expect(200).body).unwrap();
    let output = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
