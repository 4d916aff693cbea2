//! A reverse proxy that names its users.

use serde_json::json;

use crate::contract::expect_problem;
use crate::support::{Request, Setup, server};

#[test]
fn a_trusted_proxy_names_the_user_and_nobody_else_does() {
    let trusted = Setup::new()
        .config("auth: {trusted_proxies: {addresses: [127.0.0.1], user_header: X-User}}\n")
        .start();
    let get = |path: &str| Request::new("GET", path);
    expect_problem(trusted.send(&get("/api/v1/incidents")), 401);
    let ada = |request: Request| request.header("X-User", "ada@example.org");
    trusted.send(&ada(get("/api/v1/incidents"))).expect(200);
    let change = Request::new("POST", "/api/v1/changes").json(&json!({"summary": "deployed"}));
    // Behind the proxy the host is the one that people type.
    let change = ada(change).header("Host", "scribed.example.org");
    trusted.send(&change.clone().header("Origin", "https://scribed.example.org")).expect(201);
    expect_problem(trusted.send(&change.clone().header("Origin", "https://evil.example")), 403);
    expect_problem(trusted.send(&change.header("Sec-Fetch-Site", "cross-site")), 403);
    expect_problem(trusted.send(&ada(get("/api/v1/audit"))), 403);
    expect_problem(trusted.send(&get("/metrics")), 401);

    let other = Setup::new()
        .config("auth: {trusted_proxies: {addresses: [192.0.2.1], user_header: X-User}}\n")
        .start();
    expect_problem(other.send(&ada(get("/api/v1/incidents"))), 401);
}

#[test]
fn the_audit_tells_the_client_behind_the_proxy() {
    let server = Setup::new()
        .config("auth: {trusted_proxies: {addresses: [127.0.0.1], scopes: [read, write, admin]}}\n")
        .start();
    let ada = |request: Request| {
        request.header("X-Forwarded-User", "ada").header("X-Forwarded-For", "10.9.9.9, 192.0.2.7")
    };
    let change = Request::new("POST", "/api/v1/changes").json(&json!({"summary": "deployed"}));
    server.send(&ada(change)).expect(201);
    let audit = server.send(&ada(Request::new("GET", "/api/v1/audit"))).expect(200).json();
    assert_eq!(audit["items"][0]["principal"], "ada");
    assert_eq!(audit["items"][0]["remote"], "192.0.2.7");
}

#[test]
fn a_proxy_is_authentication_enough_to_listen_beyond_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scribed.yml");
    let check = |yaml: &str| {
        std::fs::write(&file, yaml).unwrap();
        let output = server::program(folder.path()).args(["check-config", "scribed.yml"]).output();
        output.unwrap().status.code()
    };
    let open = "web: {listen_addresses: [':7274']}\n";
    assert_eq!(check(open), Some(2));
    let proxies = "auth: {trusted_proxies: {addresses: [10.0.0.7]}}\n";
    assert_eq!(check(&format!("{open}{proxies}")), Some(0));
    assert_eq!(check(&format!("{open}auth: {{trusted_proxies: {{addresses: []}}}}\n")), Some(2));
}
