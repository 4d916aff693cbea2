//! Who may do what: anonymous access, tokens, credentials of sources, stated times of receipt.

use std::fs;

use serde_json::json;

use super::{critical, expect_problem, with_incident};
use crate::support::{Request, Server, Setup, fixtures, server, wait};

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
    let body = fixtures::begun_now(critical());
    let post = |path: &str| Request::new("POST", path).json(&body);
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
    let acknowledge = Request::new("POST", "/api/v1/incidents/1/acknowledge").json(&json!({}));
    assert_eq!(ask("reader", acknowledge.clone()), 403);
    assert_eq!(ask("writer", acknowledge), 200);
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
