//! The wire: requests that no client library would write, and senders that take their time.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::contract::critical;
use crate::support::{Request, Server, Setup, fixtures, wait};

const INGEST: &str = "POST /api/v1/ingest/alertmanager HTTP/1.1\r\nHost: localhost\r\n";
const CLOSE: &str = "Connection: close\r\n";

/// Sends bytes as they are; gives all that comes back until the other side closes.
fn exchange(server: &Server, bytes: &[u8], half_close: bool) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    // The server may answer and close before it has read everything.
    drop(stream.write_all(bytes));
    if half_close {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers in what came back.
fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.").skip(1);
    lines.filter_map(|line| line.get(2..5)?.parse().ok()).collect()
}

fn body() -> String {
    fixtures::begun_now(critical()).to_string()
}

fn with_length(head: &str, body: &str) -> Vec<u8> {
    format!("{head}{CLOSE}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn framing_that_can_be_read_in_two_ways_is_read_in_the_safe_one_or_refused() {
    let server = Server::start();
    let body = body();
    let length = body.len();
    let chunk = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let check = |name: &str, head: &str, rest: &str, expect: &[u16]| {
        let wire = format!("{INGEST}{CLOSE}{head}\r\n{rest}");
        let answer = exchange(&server, wire.as_bytes(), false);
        assert_eq!(statuses(&answer), expect, "{name}: {answer}");
    };
    let chunked = "Transfer-Encoding: chunked\r\n";
    check("a length", &format!("Content-Length: {length}\r\n"), &body, &[200]);
    check("chunks", chunked, &chunk, &[200]);
    check(
        "one length twice",
        &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        &body,
        &[200],
    );
    check(
        "two lengths",
        &format!("Content-Length: {length}\r\nContent-Length: 3\r\n"),
        &body,
        &[400],
    );
    for wrong in ["-3", "+3", "3x", "99999999999999999999999"] {
        check(wrong, &format!("Content-Length: {wrong}\r\n"), &body, &[400]);
    }
    check("a length too short", "Content-Length: 10\r\n", &body, &[400]);
    check("no chunks", chunked, &format!("zz\r\n{body}\r\n0\r\n\r\n"), &[400]);
    check("too large a chunk", chunked, &format!("fffffffffffffffff\r\n{body}"), &[400]);
    check("another coding", "Transfer-Encoding: xchunked\r\n", &chunk, &[400]);
    check("two codings", "Transfer-Encoding: gzip, chunked\r\n", &chunk, &[415]);
    check("neither", "", "", &[400]);
    // Chunks count, and nothing after them is taken for a second request.
    for order in
        [format!("Content-Length: 5\r\n{chunked}"), format!("{chunked}Content-Length: 5\r\n")]
    {
        let smuggled = format!("{INGEST}{order}\r\n{chunk}GET /-/healthy HTTP/1.1\r\n\r\n");
        let answer = exchange(&server, smuggled.as_bytes(), false);
        assert_eq!(statuses(&answer), [200], "{order}: {answer}");
    }
}

#[test]
fn a_body_is_refused_before_it_is_sent() {
    let server = Server::start();
    let body = body();
    let head = format!("{INGEST}{CLOSE}Expect: 100-continue\r\n");
    let asked = with_length(&head, &body);
    let answer = exchange(&server, &asked, false);
    assert_eq!(statuses(&answer), [100, 200], "{answer}");
    let too_large = format!("{head}Content-Length: 99999999\r\n\r\n");
    let answer = exchange(&server, too_large.as_bytes(), false);
    assert_eq!(statuses(&answer), [413], "{answer}");
    let nowhere = too_large.replace("ingest/alertmanager", "ingest/nobody");
    assert_eq!(statuses(&exchange(&server, nowhere.as_bytes(), false)), [404]);
}

#[test]
fn who_closes_its_side_after_asking_is_answered() {
    let server = Server::start();
    let body = body();
    let answer = exchange(&server, &with_length(INGEST, &body), true);
    assert_eq!(statuses(&answer), [200], "{answer}");
    let cut = format!("{INGEST}{CLOSE}Content-Length: {}\r\n\r\n{body}", body.len() + 1);
    assert_eq!(statuses(&exchange(&server, cut.as_bytes(), true)), [400]);
    let head = exchange(&server, b"GET /-/healthy HTTP/1.1\r\nHost: localh", true);
    assert_eq!(statuses(&head), Vec::<u16>::new());
}

#[test]
fn heads_that_are_too_long_are_told_so() {
    let server = Server::start();
    let head = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let check = |rest: &str, expect: u16| {
        let answer = exchange(&server, format!("{head}{rest}\r\n").as_bytes(), false);
        assert_eq!(statuses(&answer), [expect], "{answer:.200}");
        answer
    };
    check(&format!("X-A: {}\r\n", "a".repeat(32 * 1024)), 200);
    let answer = check(&format!("X-A: {}\r\n", "a".repeat(100 * 1000)), 431);
    assert!(answer.contains("application/problem+json"), "{answer}");
    check(&"X-A: b\r\n".repeat(90), 200);
    let answer = check(&"X-A: b\r\n".repeat(120), 431);
    assert!(answer.contains("application/problem+json"), "{answer}");
    check(&"X-A: b\r\n".repeat(5000), 431);
    check(&format!("X-A: {}\r\n", "a".repeat(1 << 20)), 431);
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n", "a".repeat(100_000));
    let statuses = statuses(&exchange(&server, long.as_bytes(), false));
    assert!([[414], [431]].iter().any(|expect| statuses == expect), "{statuses:?}");
}

#[test]
fn odd_targets_and_hosts_are_not_believed() {
    let server = Server::start();
    let check = |line: &str, headers: &str, expect: u16| {
        let wire = format!("{line}\r\n{headers}{CLOSE}\r\n");
        let answer = exchange(&server, wire.as_bytes(), false);
        assert_eq!(statuses(&answer), [expect], "{line} {headers}: {answer:.300}");
    };
    let list = "/api/v1/incidents HTTP/1.1";
    let host = "Host: localhost\r\n";
    check(&format!("GET {list}"), "", 403);
    check(&format!("GET {list}"), "Host: localhost\r\nHost: localhost\r\n", 403);
    check(&format!("GET http://localhost{list}"), host, 200);
    check(&format!("GET http://localhost{list}"), "Host: evil.example\r\n", 403);
    check(&format!("GET http://evil.example{list}"), host, 403);
    check("GET /api/v1/incidents HTTP/1.0", host, 200);
    check("GET /api/v1/incidents HTTP/1.0", "", 403);
    check("GET /../../etc/passwd HTTP/1.1", host, 404);
    check("GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", host, 404);
    check("POST /api/v1/ingest/..%2f..%2fetc HTTP/1.1", host, 404);
    check("POST /api/v1/ingest/a%00b HTTP/1.1", host, 404);
    check("POST /api/v1/ingest/%ff HTTP/1.1", host, 400);
    check("GET /a\0b HTTP/1.1", host, 400);
    check("GET /-/healthy HTTP/1.1", "Host: localhost\r\nX: a\0b\r\n", 400);
    check("GET /-/healthy HTTP/1.1", "Host: localhost\r\nX : b\r\n", 400);
    check("GET /-/healthy HTTP/1.1", "Host: localhost\r\nX: b\r\n c\r\n", 400);
    check("CONNECT evil.example:443 HTTP/1.1", host, 404);
    check("TRACE / HTTP/1.1", host, 405);
    check("GET / HTTP/3.7", host, 400);
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let server = Server::start();
    let body = body();
    let post = format!("{INGEST}Content-Length: {}\r\n\r\n{body}", body.len());
    let get = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n";
    let wire = format!(
        "{get}\r\n{post}{get}\r\n{post}GET /nothing HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n"
    );
    let answer = exchange(&server, wire.as_bytes(), false);
    assert_eq!(statuses(&answer), [200, 200, 200, 200, 404], "{answer}");
}

#[test]
fn compressed_bodies_never_grow_beyond_the_limit() {
    let server = Server::start();
    let body = body().into_bytes();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let whole = gzip(&body);
    let check = |name: &str, encoding: &str, bytes: Vec<u8>, expect: u16| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager")
            .header("Content-Encoding", encoding)
            .bytes(bytes);
        assert_eq!(server.send(&request).status, expect, "{name}");
    };
    check("gzip", "gzip", whole.clone(), 200);
    check("another spelling", "X-GZIP", whole.clone(), 200);
    check("two members", "gzip", [gzip(&body[..20]), gzip(&body[20..])].concat(), 200);
    check("packed twice, told once", "gzip", gzip(&whole), 400);
    check("packed twice", "gzip, gzip", gzip(&whole), 415);
    check("cut", "gzip", whole[..whole.len() - 10].to_vec(), 400);
    check("a wrong checksum", "gzip", [&whole[..whole.len() - 8], &[0; 8]].concat(), 400);
    check("followed by something", "gzip", [&whole[..], b"garbage"].concat(), 400);
    check("empty", "gzip", vec![], 400);
    check("a bomb", "gzip", gzip(&vec![b' '; 200_000_000]), 413);
    check("a bomb of many members", "gzip", gzip(&vec![b' '; 1_000_000]).repeat(40), 413);
    for encoding in ["deflate", "br", "zstd", "compress", "nonsense"] {
        check(encoding, encoding, body.clone(), 415);
    }
    check("identity", "identity", body.clone(), 200);
}

#[test]
fn strange_json_gets_its_documented_answer() {
    let server = Server::start();
    let good = body();
    let named = |name: &str| good.replace("PostgresDown", name);
    let check = |name: &str, body: &[u8], expect: u16| {
        let request = Request::new("POST", "/api/v1/ingest/alertmanager").bytes(body);
        let answer = server.send(&request);
        assert_eq!(answer.status, expect, "{name}: {}", answer.text());
    };
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        good.replacen('{', &format!("{{\"deep\": {open}1{close}, "), 1)
    };
    check("deep lists", deep("[", "]").as_bytes(), 200);
    check("deep objects", deep("{\"a\":", "}").as_bytes(), 200);
    check("a number beyond all", good.replacen('{', "{\"x\": 1e99999, ", 1).as_bytes(), 200);
    for count in ["1e400", "-5", "99999999999999999999", "\"7\"", "null", "{}"] {
        let body = good.replacen('{', &format!("{{\"truncatedAlerts\": {count}, "), 1);
        check(count, body.as_bytes(), 200);
    }
    check("a byte order mark", format!("\u{feff}{good}").as_bytes(), 200);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check("UTF-16", &utf16, 400);
    check("half a surrogate pair", named("A\\ud800").as_bytes(), 200);
    check("an escaped NUL", named("A\\u0000").as_bytes(), 200);
    check("a NUL", named("A\0").as_bytes(), 400);
    let mut bad = named("A#").into_bytes();
    let place = bad.iter().position(|byte| *byte == b'#').unwrap();
    bad[place] = 0xff;
    check("no UTF-8", &bad, 200);
    check("NaN", good.replacen('{', "{\"x\": NaN, ", 1).as_bytes(), 400);
    check("two bodies", format!("{good}{good}").as_bytes(), 400);
    check("something behind", format!("{good}x").as_bytes(), 400);
    check("null", b"null", 400);
    check("blanks", b" \n\t ", 400);
    server.settle();
    // Whatever it was, it is shown as text, and the server goes on.
    for alert in server.list("/api/v1/alerts") {
        assert!(alert["labels"]["alertname"].is_string(), "{alert}");
    }
    server.get("/-/ready").expect(200);
}

#[test]
fn slow_senders_are_cut_off_and_hurt_nobody() {
    let server = Setup::new().config("web:\n  timeouts: {header: 1s, body: 1s}\n").start();
    // They hold their connections with half a head, half a body, and nothing at all.
    let slow: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let begun = match number % 3 {
                0 => "GET /-/healthy HTTP/1.1\r\nHos".to_owned(),
                1 => format!("{INGEST}Content-Length: 1000\r\n\r\n{{"),
                _ => String::new(),
            };
            stream.write_all(begun.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        let answer = exchange(&server, &with_length(INGEST, &body()), false);
        assert_eq!(statuses(&answer), [200], "{answer}");
        server.get("/metrics").expect(200);
    }
    for (number, mut stream) in slow.into_iter().enumerate() {
        stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let expect: &[u16] = if number % 3 == 1 { &[503] } else { &[] };
        assert_eq!(statuses(&answer), expect, "{number}: {answer}");
    }
}

#[test]
fn a_flood_on_one_source_leaves_the_others_and_the_metrics_answering() {
    let server = Setup::new()
        .config(
            "sources:\n  - {name: flood, type: alertmanager, rate_limit: 5}\n  \
             - {name: calm, type: alertmanager}\n",
        )
        .start();
    let flood = Request::new("POST", "/api/v1/ingest/flood").json(&fixtures::begun_now(critical()));
    let calm = Request::new("POST", "/api/v1/ingest/calm").json(&fixtures::begun_now(critical()));
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .map(|_| server.send(&flood))
                        .map(|a| {
                            let wait = a.header("Retry-After").map(str::to_owned);
                            (a.status, wait)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for _ in 0..20 {
            server.send(&calm).expect(200);
            server.get("/metrics").expect(200);
        }
        let answers: Vec<_> = floods.into_iter().flat_map(|f| f.join().unwrap()).collect();
        let refused: Vec<_> = answers.iter().filter(|(status, _)| *status == 503).collect();
        assert!(answers.iter().all(|(status, _)| [200, 503].contains(status)), "{answers:?}");
        assert!(refused.len() > 100, "{}", refused.len());
        assert!(refused.iter().all(|(_, wait)| wait.as_deref() == Some("1")), "{refused:?}");
    });
    server.settle();
}

#[test]
fn every_answer_tells_a_browser_to_be_careful() {
    let server = crate::contract::with_incident();
    let inline = regex::Regex::new(r"(?i)<script(?:\s[^>]*)?>[^<]|\son\w+=|<style").unwrap();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/incidents/1"),
        ("GET", "/alerts"),
        ("GET", "/status"),
        ("GET", "/audit"),
        ("GET", "/login"),
        ("GET", "/assets/app.js"),
        ("GET", "/nothing"),
        ("GET", "/api/v1/incidents"),
        ("GET", "/api/v1/incidents/1/draft?format=html"),
        ("GET", "/api/v1/incidents/1/timeline.svg"),
        ("GET", "/api/v1/deliveries/d1/raw"),
        ("POST", "/api/v1/ingest/nobody"),
        ("GET", "/metrics"),
        ("GET", "/-/healthy"),
    ] {
        let answer = server.send(&Request::new(method, path));
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(header("X-Frame-Options"), "DENY", "{path}");
        assert_eq!(header("Cross-Origin-Resource-Policy"), "same-origin", "{path}");
        assert!(!header("Referrer-Policy").is_empty() && !header("Cache-Control").is_empty());
        let policy = header("Content-Security-Policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
        assert!(!scripts.unwrap_or_default().contains("unsafe"), "{path}: {policy}");
        if answer.media_type() == "text/html" && !path.contains("draft") {
            let html = answer.text();
            assert!(!inline.is_match(&html), "{path} runs something of its own");
        }
    }
}

#[test]
fn a_thousand_connections_and_ten_thousand_alerts_stay_within_the_stated_memory() {
    let server = Server::start();
    let idle: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let alert = |number: usize| {
        serde_json::json!({
            "status": "firing", "startsAt": "2026-03-02T10:00:00Z",
            "labels": {
                "alertname": "Crowd", "severity": "warning", "service": format!("s{}", number % 50),
                "pod": format!("pod-{number}"), "namespace": "shop", "cluster": "eu-1",
                "instance": format!("10.0.{}.{}:9100", number / 250, number % 250), "job": "node",
            },
            "annotations": {"description": "x".repeat(200)},
        })
    };
    let alerts: Vec<Value> = (0..10_000).map(alert).collect();
    let body = serde_json::json!({"version": "4", "alerts": alerts});
    let request = Request::new("POST", "/api/v1/ingest/alertmanager")
        .json(&body)
        .received_at("2026-03-02T10:00:30Z");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| server.send(&request).expect(200));
        }
    });
    server.get("/metrics").expect(200);
    let peak = server.resident_peak_bytes();
    assert!(peak < MEMORY_BYTES_MAX, "{} MiB", peak >> 20);
    drop(idle);
}

/// What docs/security.md states.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
