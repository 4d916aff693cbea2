//! The outside of scribed: paths, statuses, headers, shapes. What people do to incidents is in
//! [`super::people`], what becomes of alerts in [`super::episodes`].

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Request, Server, Setup, external, fixtures, server, wait};

/// An alert that opens an incident by itself.
fn critical() -> Value {
    fixtures::json("payloads/alertmanager/01-firing-one.json")
}

/// Sends the alert that opens an incident, and waits for the incident.
fn with_incident() -> Server {
    let server = Server::start();
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    server.settle();
    server.get("/api/v1/incidents/1").expect(200);
    server
}

/// Panics unless the answer is a problem in the form of RFC 9457.
#[track_caller]
fn expect_problem(answer: Answer, status: u16) {
    let answer = answer.expect(status);
    assert_eq!(answer.media_type(), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for field in ["type", "title", "detail", "request_id"] {
        assert!(problem[field].is_string(), "{field} in {problem}");
    }
}

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
    let client = Client { address: "127.0.0.1:7274".parse().unwrap() };
    wait::until("the server to be ready on its default port", || {
        assert!(process.ended().is_none(), "ended: {}", process.log());
        client.try_send(&Request::new("GET", "/-/ready")).ok().filter(|a| a.status == 200)
    });
    client.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    assert!(folder.path().join("data").is_dir());
}

#[test]
fn a_delivery_is_answered_with_what_is_known_at_the_door() {
    let server = Server::start();
    let ask = |body: &str| {
        let answer = server.post(
            "/api/v1/ingest/alertmanager",
            &fixtures::json(&format!("payloads/alertmanager/{body}.json")),
        );
        let answer = answer.expect(200).json();
        server.settle();
        assert!(answer["delivery"].is_string(), "{answer}");
        assert_eq!(answer["errors"], json!([]));
        let count = |word: &str| answer["alerts"][word].as_u64().unwrap();
        [count("new"), count("updated"), count("repeated"), count("rejected")]
    };
    assert_eq!(ask("02-firing-three"), [3, 0, 0, 0]);
    assert_eq!(ask("02-firing-three"), [0, 0, 3, 0]);
    assert_eq!(ask("03-firing-with-one-resolved"), [0, 1, 2, 0]);
    assert_eq!(ask("04-all-resolved"), [0, 2, 0, 0]);
}

#[test]
fn every_built_in_sender_is_heard_without_configuration() {
    let server = Server::start();
    let send = |method: &str, path: &str, fixture: &str, headers: &[(&str, &str)], status: u16| {
        let mut request = Request::new(method, path)
            .header("Content-Type", "application/json")
            .bytes(fixtures::bytes(&format!("payloads/{fixture}")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.send(&request).expect(status)
    };
    send("POST", "/api/v1/ingest/alertmanager", "alertmanager/01-firing-one.json", &[], 200);
    send("PUT", "/api/v1/ingest/alertmanager", "alertmanager/20-v0.34-route-labels.json", &[], 200);
    send("POST", "/api/v1/ingest/grafana", "grafana/01-firing-one.json", &[], 200);
    send("PUT", "/api/v1/ingest/grafana", "grafana/16-custom-payload-default.json", &[], 200);
    send("POST", "/api/v2/alerts", "am-api-v2/06-vmalert.json", &[], 200);
    send("POST", "/api/v2/alerts", "am-api-v2/04-curl-minimal.json", &[], 200);
    let event = [("Content-Type", "application/cloudevents+json")];
    send("POST", "/api/v1/ingest/cloudevents", "cloudevents/01-structured.json", &event, 200);
    let headers = String::from_utf8(fixtures::bytes("payloads/cloudevents/02-binary.headers")).unwrap();
    let binary: Vec<(&str, &str)> = headers.lines().filter_map(|l| l.split_once(": ")).collect();
    send("POST", "/api/v1/ingest/cloudevents", "cloudevents/02-binary.json", &binary, 200);
    let run = [("X-GitHub-Event", "workflow_run"), ("X-GitHub-Delivery", "1")];
    send("POST", "/api/v1/ingest/github", "github/10-synthetic-workflow_run-failure.json", &run, 200);
    let status = [("X-GitHub-Event", "deployment_status"), ("X-GitHub-Delivery", "2")];
    send("POST", "/api/v1/ingest/github", "github/11-synthetic-deployment_status.json", &status, 200);

    let answer = send("POST", "/v2/enqueue", "pagerduty/01-trigger.json", &[], 202).json();
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["dedup_key"], "orders-db/down");
    send("POST", "/v2/enqueue", "pagerduty/03-acknowledge.json", &[], 202);
    send("POST", "/v2/enqueue", "pagerduty/04-resolve.json", &[], 202);
    send("POST", "/v2/change/enqueue", "pagerduty/05-change.json", &[], 202);

    let annotation = json!({"time": 1_772_445_492_000_i64, "tags": ["deploy"], "text": "orders 1.42"});
    let answer = server.post("/api/annotations", &annotation).expect(200).json();
    assert!(!answer["id"].is_null(), "{answer}");
    let graphite = json!({"what": "orders 1.43", "tags": "deploy orders", "when": 1_772_445_500});
    server.post("/api/annotations/graphite", &graphite).expect(200);

    server.settle();
    let changes = server.list("/api/v1/changes");
    for summary in ["Deploy orders 1.42.0", "orders 1.42", "orders 1.43"] {
        assert!(
            changes.iter().any(|c| c["summary"].as_str().unwrap().contains(summary)),
            "{summary} in {changes:?}"
        );
    }
    assert!(changes.len() >= 6, "{changes:?}");
}

#[test]
fn a_body_that_cannot_be_used_is_refused_and_kept_once() {
    let server = Server::start();
    let bodies: [&[u8]; 6] = [
        b"not json",
        b"{\"alerts\": []}",
        b"[]",
        b"\"text\"",
        &fixtures::bytes("payloads/bad/03-truncated-json.json"),
        b"",
    ];
    for body in bodies {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(body);
        expect_problem(server.send(&request), 400);
    }
    assert_eq!(server.list("/api/v1/quarantine").len(), bodies.len());
    // Alertmanager sends a body that is refused again and again.
    let again = Request::new("POST", "/api/v1/ingest/alertmanager").bytes(bodies[0]);
    expect_problem(server.send(&again), 400);
    assert_eq!(server.list("/api/v1/quarantine").len(), bodies.len());
    assert_eq!(server.list("/api/v1/deliveries").len(), 0);
    assert_eq!(server.list("/api/v1/alerts").len(), 0);
}

#[test]
fn one_unusable_alert_does_not_spoil_the_others() {
    let server = Server::start();
    let mut body = critical();
    body["alerts"].as_array_mut().unwrap().push(json!(42));
    let answer = server.post("/api/v1/ingest/alertmanager", &body).expect(200).json();
    assert_eq!(answer["alerts"]["new"], 1, "{answer}");
    assert_eq!(answer["alerts"]["rejected"], 1, "{answer}");
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
    server.settle();
    assert_eq!(server.list("/api/v1/alerts").len(), 1);
    assert_eq!(server.list("/api/v1/quarantine").len(), 1);
}

#[test]
fn strange_bodies_of_real_senders_never_break_the_door() {
    let server = Server::start();
    for entry in fs::read_dir(fixtures::path("payloads/bad")).unwrap() {
        let file = entry.unwrap().path();
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(fs::read(&file).unwrap());
        let status = server.send(&request).status;
        assert!([200, 400].contains(&status), "{status} for {}", file.display());
    }
    server.settle();
    server.get("/-/ready").expect(200);
}

#[test]
fn paths_and_methods_that_are_not_there_say_so_and_never_redirect() {
    let server = Server::start();
    let body = critical();
    expect_problem(server.post("/api/v1/ingest/nobody", &body), 404);
    expect_problem(server.get("/api/v1/nothing"), 404);
    expect_problem(server.get("/api/v1/incidents/999"), 404);
    expect_problem(server.get("/api/v1/incidents/999/draft"), 404);
    expect_problem(server.get("/api/v1/alerts/e999/explain"), 404);
    let answer = server.get("/api/v1/ingest/alertmanager");
    assert!(answer.header("Allow").is_some_and(|allow| allow.contains("POST")));
    expect_problem(answer, 405);
    expect_problem(server.get("/-/reload"), 405);
    expect_problem(server.send(&Request::new("DELETE", "/api/v1/incidents/1")), 405);
    // A redirected POST becomes a GET without a body, which its sender counts as delivered.
    let answer = server.post("/api/v1/ingest/alertmanager/", &body);
    assert!(!(300..400).contains(&answer.status), "{}", answer.status);
}

#[test]
fn bodies_have_a_limit_before_and_after_decompression() {
    let server = Server::start();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let request = |encoding: Option<&str>, body: Vec<u8>| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(body);
        encoding.map_or(request.clone(), |e| request.header("Content-Encoding", e))
    };
    let body = critical().to_string().into_bytes();
    server.send(&request(Some("gzip"), gzip(&body))).expect(200);
    expect_problem(server.send(&request(Some("gzip"), gzip(&vec![b' '; 17 << 20]))), 413);
    expect_problem(server.send(&request(Some("zstd"), body.clone())), 415);
    expect_problem(server.send(&request(Some("gzip"), body)), 400);
    // Whoever sends more than is taken may find the connection closed before the answer is read.
    let too_large = request(None, vec![b' '; (16 << 20) + 1]);
    let answer = wait::until("an answer to a body that is too large", || {
        server.try_send(&too_large).ok()
    });
    expect_problem(answer, 413);
}

#[test]
fn a_limit_of_its_own_can_be_configured() {
    let server = Setup::new().config("web:\n  max_body: 2048\n").start();
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    let large = json!({"alerts": [], "padding": "x".repeat(4096)});
    expect_problem(server.post("/api/v1/ingest/alertmanager", &large), 413);
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
            text.lines().any(|l| {
                l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            }),
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

/// A path with its parameters' names left out.
pub(crate) fn unnamed(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect::<Vec<_>>()
        .join("/")
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
    assert!(server.get("/").text().contains("PostgresDown"));
    server.get("/incidents/999").expect(404);
}

#[test]
fn a_reload_takes_the_new_file_and_a_bad_file_changes_nothing() {
    let server = Setup::new().config("timezone: UTC\n").start();
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    server.settle();
    let zone = || server.get_json("/api/v1/incidents/1/draft?format=json")["timezone"].clone();
    let reload = || server.send(&Request::new("POST", "/-/reload"));
    let gauge = || {
        let text = server.get("/metrics").text();
        text.contains("scribed_config_last_reload_successful 1")
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

    fs::write(server.config_file(), "timezone: Asia/Tokyo\n").unwrap();
    server.signal("HUP");
    wait::until("SIGHUP to reload", || (zone() == "Asia/Tokyo" && gauge()).then_some(()));
}

#[test]
fn sigterm_ends_it_in_good_order_with_streams_and_idle_connections_open() {
    let mut server = with_incident();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes())
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
fn anonymous_access_is_for_loopback_alone() {
    let server = with_incident();
    let port = server.address.port();
    let check = |header: &str, value: &str, status: u16| {
        let request = Request::new("GET", "/api/v1/incidents").header(header, value);
        assert_eq!(server.send(&request).status, status, "{header}: {value}");
    };
    check("Host", &format!("127.0.0.1:{port}"), 200);
    check("Host", &format!("localhost:{port}"), 200);
    check("Host", "localhost", 200);
    check("Host", &format!("[::1]:{port}"), 200);
    check("Host", "scribed.example.test", 403);
    check("Host", "127.0.0.1.example.test", 403);
    check("X-Forwarded-For", "192.0.2.1", 403);
    check("X-Forwarded-Host", "localhost", 403);
    check("X-Forwarded-Proto", "https", 403);
    check("Forwarded", "for=192.0.2.1", 403);
    check("Origin", "https://evil.example.test", 403);
    check("Origin", "null", 403);
    check("Origin", &format!("http://127.0.0.1:{port}"), 200);
    check("Sec-Fetch-Site", "cross-site", 403);
    check("Sec-Fetch-Site", "same-origin", 200);
    check("Sec-Fetch-Site", "none", 200);

    let foreign = |method: &str, path: &str| {
        let request = Request::new(method, path).header("Host", "scribed.example.test");
        server.send(&request.json(&critical()))
    };
    expect_problem(foreign("POST", "/api/v1/ingest/alertmanager"), 403);
    expect_problem(foreign("POST", "/api/v1/incidents/1/acknowledge"), 403);
    expect_problem(foreign("POST", "/-/reload"), 403);
    assert_eq!(server.get_json("/api/v1/incidents/1")["state"], "open");
    for open in ["/-/healthy", "/-/ready"] {
        let request = Request::new("GET", open).header("Host", "scribed.example.test");
        server.send(&request).expect(200);
    }
}

#[test]
fn tokens_allow_what_their_scopes_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut tokens = String::new();
    for (name, scopes) in [
        ("sender", "[\"ingest:alertmanager\"]"),
        ("reader", "[read]"),
        ("writer", "[read, write]"),
        ("player", "[ingest, replay]"),
        ("boss", "[admin, read]"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, format!("token-of-{name}\n")).unwrap();
        tokens += &format!(
            "    - name: {name}\n      token_file: {}\n      scopes: {scopes}\n",
            file.display()
        );
    }
    let server = Setup::new().config(&format!("auth:\n  tokens:\n{tokens}")).start();
    let ask = |who: &str, request: Request| {
        let bearer = format!("Bearer token-of-{who}");
        server.send(&request.header("Authorization", &bearer)).status
    };
    let post = |path: &str| Request::new("POST", path).json(&critical());
    let get = |path: &str| Request::new("GET", path);

    expect_problem(server.post("/api/v1/ingest/alertmanager", &critical()), 401);
    expect_problem(server.get("/api/v1/incidents"), 401);
    assert_eq!(ask("nobody", get("/api/v1/incidents")), 401);
    assert_eq!(ask("sender", post("/api/v1/ingest/alertmanager")), 200);
    assert_eq!(ask("sender", post("/api/v1/ingest/grafana")), 403);
    assert_eq!(ask("sender", get("/api/v1/incidents")), 403);
    assert_eq!(ask("reader", post("/api/v1/ingest/alertmanager")), 403);
    assert_eq!(ask("reader", get("/api/v1/incidents")), 200);
    wait::until("the incident to open", || {
        (ask("reader", get("/api/v1/incidents/1")) == 200).then_some(())
    });
    assert_eq!(ask("reader", post("/api/v1/incidents/1/acknowledge")), 403);
    assert_eq!(ask("writer", post("/api/v1/incidents/1/acknowledge")), 200);
    assert_eq!(ask("reader", get("/api/v1/deliveries/d1/raw")), 403);
    assert_eq!(ask("reader", post("/-/reload")), 403);
    assert_eq!(ask("boss", post("/-/reload")), 200);
    let stated = post("/api/v1/ingest/alertmanager").received_at("2026-03-02T10:00:01Z");
    assert_eq!(ask("sender", stated.clone()), 403);
    assert_eq!(ask("player", stated), 200);
    for open in ["/-/healthy", "/-/ready"] {
        server.get(open).expect(200);
    }
}

#[test]
fn a_source_of_its_own_has_its_own_credentials() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "the-token").unwrap();
    fs::write(folder.path().join("secret"), "the-secret").unwrap();
    let at = folder.path().display();
    let server = Setup::new()
        .config(&format!(
            "sources:\n  - name: eu\n    type: alertmanager\n    token_file: {at}/token\n  \
             - name: signed\n    type: grafana\n    hmac_secret_file: {at}/secret\n"
        ))
        .start();
    let request = Request::new("POST", "/api/v1/ingest/eu").json(&critical());
    assert_eq!(server.send(&request).status, 401);
    assert_eq!(server.send(&request.clone().header("Authorization", "Bearer no")).status, 401);
    server.send(&request.header("Authorization", "Bearer the-token")).expect(200);

    use hmac::{KeyInit as _, Mac as _};
    let body = fixtures::bytes("payloads/grafana/01-firing-one.json");
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"the-secret").unwrap();
    mac.update(&body);
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::new("POST", "/api/v1/ingest/signed")
        .header("Content-Type", "application/json")
        .bytes(body);
    let header = "X-Grafana-Alerting-Signature";
    assert_eq!(server.send(&request).status, 401);
    assert_eq!(server.send(&request.clone().header(header, &"0".repeat(64))).status, 401);
    server.send(&request.header(header, &signature)).expect(200);
}

#[test]
fn an_open_address_without_authentication_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("--web.listen-address=0.0.0.0:{}", server::free_port());
    let output = server::program(folder.path()).args(["serve", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("auth"), "{text}");
}

#[test]
fn the_time_of_receipt_can_be_stated_only_where_that_is_allowed() {
    let send = |server: &Server, time: &str| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").json(&critical());
        server.send(&request.received_at(time))
    };
    let strict = Setup::new().start();
    expect_problem(send(&strict, "2026-03-02T10:00:01Z"), 403);
    assert_eq!(strict.list("/api/v1/deliveries").len(), 0);

    let server = Server::start();
    expect_problem(send(&server, "yesterday"), 400);
    expect_problem(send(&server, "2999-01-01T00:00:00Z"), 400);
    send(&server, "2026-03-02T10:00:01Z").expect(200);
    server.settle();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts[0]["received_at"], "2026-03-02T10:00:01.000Z");
    assert_eq!(alerts[0]["starts_at"], "2026-03-02T10:00:00.000Z");
}

#[test]
fn an_alert_has_the_shape_of_the_contract() {
    let server = with_incident();
    let alerts = server.list("/api/v1/alerts");
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    let sent = critical()["alerts"][0].clone();
    assert_eq!(alert["namespace"], "prometheus");
    assert_eq!(alert["fingerprint"], sent["fingerprint"]);
    assert_eq!(alert["sources"], json!(["alertmanager"]));
    assert_eq!(alert["labels"], sent["labels"]);
    assert_eq!(alert["annotations"], sent["annotations"]);
    assert_eq!(alert["starts_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(alert["ends_at"], Value::Null);
    assert_eq!(alert["status"], "firing");
    assert_eq!(alert["severity"], "critical");
    assert_eq!(alert["service"], "orders-db");
    assert_eq!(alert["kind"], "availability");
    assert_eq!(alert["incident"], 1);
    assert_eq!(alert["context_of"], json!([]));
    assert_eq!(alert["deliveries"], 1);
    assert_eq!(alert["links"]["generator"], sent["generatorURL"]);
    let id = alert["id"].as_str().unwrap();
    for reason in [
        alert["reason"].clone(),
        server.get_json(&format!("/api/v1/alerts/{id}/explain"))["reason"].clone(),
    ] {
        let reason = reason.as_str().expect("every alert has a reason");
        assert!(reason.contains(|c: char| c.is_ascii_digit()), "no number in: {reason}");
    }
}

#[test]
fn an_incident_has_the_shape_of_the_contract() {
    let server = with_incident();
    let answer = server.get("/api/v1/incidents/1").expect(200);
    let incident = answer.json();
    let revision = incident["revision"].as_u64().unwrap();
    let tag = answer.header("ETag").expect("an incident has an ETag").to_owned();
    assert_eq!(tag.trim_start_matches("W/"), format!("\"{revision}\""));
    assert_eq!(incident["id"], 1);
    assert_eq!(incident["state"], "open");
    assert_eq!(incident["status"], "draft");
    assert_eq!(incident["severity"], "critical");
    assert_eq!(incident["services"], json!(["orders-db"]));
    assert_eq!(incident["started_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(incident["detected_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(incident["alerts"], json!({"total": 1, "firing": 1}));
    assert_eq!(incident["actions"], json!([]));
    assert!(incident["title"].as_str().unwrap().contains("PostgresDown"), "{incident}");
    for absent in [
        "notified_at",
        "acknowledged_at",
        "mitigated_at",
        "resolved_at",
        "merged_into",
        "follows",
        "impact",
        "root_cause",
        "resolution",
        "lead",
    ] {
        assert_eq!(incident.get(absent), Some(&Value::Null), "{absent}");
    }
    let known = Request::new("GET", "/api/v1/incidents/1").header("If-None-Match", &tag);
    server.send(&known).expect(304);
}

#[test]
fn a_draft_comes_in_every_format_and_unknown_wishes_are_refused() {
    let server = with_incident();
    let path = "/api/v1/incidents/1/draft";
    let by_query = |query: &str| server.get(&format!("{path}?{query}"));
    let accept = |accept: &str| server.send(&Request::new("GET", path).header("Accept", accept));
    for (word, media_type) in [
        ("markdown", "text/markdown"),
        ("html", "text/html"),
        ("json", "application/json"),
        ("text", "text/plain"),
    ] {
        let asked = by_query(&format!("format={word}")).expect(200);
        assert_eq!(asked.media_type(), media_type);
        let accepted = accept(media_type).expect(200);
        assert_eq!(accepted.media_type(), media_type);
        assert_eq!(asked.body, accepted.body, "{word}");
        let tag = asked.header("ETag").expect("a draft has an ETag").to_owned();
        let again = Request::new("GET", &format!("{path}?format={word}"));
        server.send(&again.header("If-None-Match", &tag)).expect(304);
    }
    assert_eq!(server.get(path).expect(200).media_type(), "text/markdown");
    assert_eq!(accept("*/*").expect(200).media_type(), "text/markdown");
    let sandbox = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
    let html = by_query("format=html").expect(200);
    assert_eq!(html.header("Content-Security-Policy"), Some(sandbox));
    let svg = server.get("/api/v1/incidents/1/timeline.svg").expect(200);
    assert_eq!(svg.media_type(), "image/svg+xml");
    assert_eq!(svg.header("Content-Security-Policy"), Some(sandbox));
    assert!(svg.text().contains("<svg"));
    by_query("template=outage-report").expect(200);
    by_query("tz=Africa/Lagos").expect(200);
    by_query("since_revision=1").expect(200);
    expect_problem(by_query("format=word"), 400);
    expect_problem(by_query("tz=Mars/Olympus"), 400);
    expect_problem(by_query("template=none-of-ours"), 400);
    expect_problem(by_query("since_revision=x"), 400);
}

#[test]
fn the_draft_as_json_has_the_shape_of_the_contract() {
    let server = with_incident();
    let draft = server.get_json("/api/v1/incidents/1/draft?format=json");
    let incident = server.get_json("/api/v1/incidents/1");
    assert_eq!(draft["incident"], 1);
    assert_eq!(draft["revision"], incident["revision"]);
    assert_eq!(draft["template"], "outage-report");
    assert_eq!(draft["timezone"], "UTC");
    assert_eq!(draft["title"], incident["title"]);
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["summary"]["started_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(draft["summary"]["ended_at"], Value::Null);
    assert_eq!(draft["summary"]["root_cause"], Value::Null);
    for milestone in [
        "onset",
        "detection",
        "notification",
        "acknowledgement",
        "escalation",
        "diagnosis",
        "mitigation",
        "recovery",
        "resolution",
    ] {
        assert!(draft["milestones"][milestone]["state"].is_string(), "{milestone}");
    }
    assert_eq!(draft["milestones"]["onset"]["state"], "recorded");
    assert_eq!(draft["milestones"]["resolution"]["state"], "pending");
    for measure in
        ["time_to_detect", "time_to_acknowledge", "time_to_mitigate", "time_to_resolve", "duration"]
    {
        assert!(draft["measures"][measure]["formula"].is_string(), "{measure}");
    }
    assert_eq!(draft["measures"]["time_to_detect"]["formula"], "detection - onset");
    assert_eq!(draft["measures"]["time_to_detect"]["seconds"], 0);
    assert_eq!(draft["measures"]["duration"]["state"], "pending");
    let onset = draft["milestones"]["onset"]["entry"].as_str().expect("onset has its entry");
    let timeline = draft["timeline"].as_array().unwrap();
    assert!(timeline.iter().any(|entry| entry["id"] == onset), "{timeline:?}");
    for list in [
        "wrong_leads",
        "escalations",
        "actions",
        "suggestions",
        "alerts",
        "context",
        "caveats",
        "candidate_causes",
    ] {
        assert!(draft[list].is_array(), "{list}");
    }
    let questions = draft["todo"].as_array().unwrap();
    assert!(questions.iter().any(|q| q["section"] == "root_cause"), "{questions:?}");
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let server = Server::start();
    for n in 0..7 {
        let labels = json!({"alertname": "Paged", "severity": "info", "n": n.to_string()});
        let body = fixtures::firing(&labels, "2026-03-02T10:00:00Z");
        server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    }
    server.settle();
    for path in ["/api/v1/alerts", "/api/v1/deliveries"] {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get_json(&format!("{path}?limit=3{cursor}"));
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 3);
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(ids.len(), 7, "{path}: {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 7, "{path}");
    }
    expect_problem(server.get("/api/v1/alerts?limit=many"), 400);
    expect_problem(server.get("/api/v1/alerts?cursor=%00nonsense"), 400);
}

#[test]
fn lists_can_be_narrowed() {
    let server = with_incident();
    let quiet = json!({"alertname": "Quiet", "severity": "info", "service": "elsewhere"});
    let body = fixtures::firing(&quiet, "2026-03-02T10:00:00Z");
    server.post("/api/v1/ingest/alertmanager", &body).expect(200);
    server.settle();
    let count = |path: &str| server.list(path).len();
    assert_eq!(count("/api/v1/alerts"), 2);
    assert_eq!(count("/api/v1/alerts?incident=1"), 1);
    assert_eq!(count("/api/v1/alerts?floating=true"), 1);
    assert_eq!(count("/api/v1/alerts?active=true"), 2);
    assert_eq!(count("/api/v1/alerts?fingerprint=3e0caab7a6eda3c8"), 1);
    assert_eq!(count("/api/v1/alerts?filter=alertname%3D%22Quiet%22"), 1);
    assert_eq!(count("/api/v1/alerts?filter=alertname%3D~%22Post.*%22&filter=team%3D%22storage%22"), 1);
    assert_eq!(count("/api/v1/alerts?filter=alertname%21%3D%22Quiet%22"), 1);
    assert_eq!(count("/api/v1/incidents?state=open"), 1);
    assert_eq!(count("/api/v1/incidents?state=resolved"), 0);
    assert_eq!(count("/api/v1/incidents?severity=critical"), 1);
    assert_eq!(count("/api/v1/incidents?severity=warning"), 0);
    assert_eq!(count("/api/v1/incidents?service=orders-db"), 1);
    assert_eq!(count("/api/v1/incidents?service=elsewhere"), 0);
    assert_eq!(count("/api/v1/incidents?q=postgres"), 1);
    assert_eq!(count("/api/v1/incidents?q=mysql"), 0);
    assert_eq!(count("/api/v1/incidents?until=2026-03-02T09:00:00Z"), 0);
    assert_eq!(count("/api/v1/incidents?until=2026-03-02T11:00:00Z"), 1);
    assert_eq!(count("/api/v1/incidents?since=2026-03-02T11:00:00Z"), 1, "it still runs");
    assert_eq!(count("/api/v1/incidents?filter=cluster%3D%22eu-1%22"), 1);
    expect_problem(server.get("/api/v1/alerts?filter=%7Bbroken"), 400);
    expect_problem(server.get("/api/v1/incidents?since=whenever"), 400);
}

#[test]
fn raw_bodies_come_back_as_they_were_sent_and_as_nothing_else() {
    let server = Server::start();
    let body = fixtures::bytes("payloads/bad/29-html-script.json");
    let request = Request::new("POST", "/api/v1/ingest/alertmanager")
        .header("Content-Type", "application/json")
        .bytes(body.clone());
    let id = server.send(&request).expect(200).json()["delivery"].as_str().unwrap().to_owned();
    let deliveries = server.list("/api/v1/deliveries");
    assert_eq!(deliveries[0]["id"], json!(id));
    let raw = server.get(&format!("/api/v1/deliveries/{id}/raw")).expect(200);
    assert_eq!(raw.body, body);
    assert_eq!(raw.media_type(), "application/octet-stream");
    assert_eq!(raw.header("X-Content-Type-Options"), Some("nosniff"));
    assert!(raw.header("Content-Disposition").unwrap().starts_with("attachment"));
}

#[test]
fn text_from_outside_stays_text() {
    let server = Server::start();
    for fixture in ["bad/29-html-script.json", "bad/30-markdown-breakers.json"] {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Type", "application/json")
            .bytes(fixtures::bytes(&format!("payloads/{fixture}")));
        server.send(&request).expect(200);
    }
    server.settle();
    for incident in server.list("/api/v1/incidents") {
        let id = incident["id"].as_u64().unwrap();
        let html = server.get(&format!("/api/v1/incidents/{id}/draft?format=html")).text();
        let page = server.get(&format!("/incidents/{id}")).text();
        let svg = server.get(&format!("/api/v1/incidents/{id}/timeline.svg")).text();
        for (place, text) in [("draft", html), ("page", page), ("svg", svg)] {
            for forbidden in ["<script>alert", "<img src=x", "javascript:"] {
                assert!(!text.contains(forbidden), "{forbidden} in {place} {id}");
            }
        }
    }
}

#[test]
fn the_service_graph_is_replaced_as_a_whole() {
    let server = Server::start();
    let graph = |callee: &str| json!({"edges": [{"caller": "web", "callee": callee}]});
    let put = |body: &Value| server.send(&Request::new("PUT", "/api/v1/topology").json(body));
    for callee in ["db", "cache"] {
        let answer = put(&graph(callee));
        assert!((200..300).contains(&answer.status), "{}", answer.status);
        server.settle();
        let stored = server.get_json("/api/v1/topology");
        assert_eq!(stored["edges"].as_array().unwrap().len(), 1);
        assert_eq!(stored["edges"][0]["caller"], "web");
        assert_eq!(stored["edges"][0]["callee"], callee);
    }
    expect_problem(put(&json!({"edges": [{"caller": "web"}]})), 400);
}

#[test]
fn it_answers_as_an_alertmanager_would() {
    let server = Server::start();
    let status = server.get_json("/api/v2/status");
    for field in ["cluster", "versionInfo", "config", "uptime"] {
        assert!(!status[field].is_null(), "{field} in {status}");
    }
    let request = Request::new("POST", "/api/v2/alerts")
        .json(&json!([{"labels": {"alertname": "Manual", "severity": "warning"}}]));
    let answer = server.send(&request);
    assert_eq!(answer.status, 200, "vmalert accepts nothing but 200");
    server.settle();
    let alerts = server.get_json("/api/v2/alerts");
    let alerts = alerts.as_array().expect("Alertmanager answers with an array");
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"]["alertname"], "Manual");
    assert_eq!(alerts[0]["status"]["state"], "active");
    for field in ["annotations", "receivers", "fingerprint", "startsAt", "updatedAt", "endsAt"] {
        assert!(!alerts[0][field].is_null(), "{field} in {alerts:?}");
    }
    let not_an_array = Request::new("POST", "/api/v2/alerts").json(&json!({"labels": {}}));
    assert_eq!(server.send(&not_an_array).status, 400);
    if let Some([amtool]) = external::programs(["amtool"]) {
        let output = Command::new(amtool)
            .args(["alert", "query", "--output=json", "--alertmanager.url", &server.url()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("Manual"), "{output:?}");
    }
}

#[test]
fn the_stream_tells_of_a_new_incident() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let request = format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(lines.next().unwrap().contains("200"));
    let media_type = lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .find(|line| line.to_lowercase().starts_with("content-type:"))
        .unwrap();
    assert!(media_type.contains("text/event-stream"), "{media_type}");
    server.post("/api/v1/ingest/alertmanager", &critical()).expect(200);
    assert!(lines.any(|line| line == "event: incident"), "the stream ended without an incident");
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
