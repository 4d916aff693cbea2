//! No secret is ever said: not in the log, an answer, a page, or the store.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::files_with;
use crate::contract::critical;
use crate::support::{Request, Setup, fixtures, server};

const SECRETS: [(&str, &str); 6] = [
    ("token", "SECRET-token-of-anna"),
    ("source-token", "SECRET-token-of-source"),
    ("password", "SECRET-password-of-source"),
    ("grafana-key", "SECRET-key-of-grafana"),
    ("github-key", "SECRET-key-of-github"),
    ("wrong", "SECRET-that-is-wrong"),
];

const CONFIG: &str = "auth:\n  tokens:\n    - {name: anna, token_file: token, scopes: [ingest, read, write, replay, admin]}\n\
sources:\n  - {name: eu, type: alertmanager, token_file: source-token}\n  \
- {name: us, type: alertmanager, basic_auth: {username: am, password_file: password}}\n  \
- {name: g, type: grafana, hmac_secret_file: grafana-key}\n  \
- {name: h, type: github, hmac_secret_file: github-key}\n";

#[test]
fn no_secret_is_ever_said() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for (name, secret) in SECRETS {
        fs::write(secrets.join(name), secret).unwrap();
    }
    let config = SECRETS.iter().fold(CONFIG.to_owned(), |config, (name, _)| {
        config.replace(&format!("_file: {name}"), &format!("_file: {}/{name}", secrets.display()))
    });
    let server = Setup::new().config(&config).flag("--log.level=trace").start();
    let mut said = String::new();
    let mut ask = |request: Request| {
        let answer = server.send(&request);
        said += &String::from_utf8_lossy(&answer.body);
        answer
    };
    let token = SECRETS[0].1;
    let bearer = |secret: &str| format!("Bearer {secret}");
    let anna = |request: Request| request.header("Authorization", &bearer(token));
    let body = fixtures::begun_now(critical());
    for (_, secret) in SECRETS {
        for path in
            ["/api/v1/ingest/eu", "/api/v1/ingest/us", "/api/v1/ingest/g", "/api/v1/ingest/h"]
        {
            ask(Request::new("POST", path).json(&body).header("Authorization", &bearer(secret)));
            let query = format!("{path}?token={secret}&api_key={secret}");
            ask(Request::new("POST", &query).json(&body));
            ask(Request::new("POST", path).json(&body).header("X-Hub-Signature-256", secret));
            ask(Request::new("POST", path)
                .json(&body)
                .header("X-Grafana-Alerting-Signature", secret));
        }
        ask(Request::new("GET", "/api/v1/incidents").header("Authorization", &bearer(secret)));
        ask(Request::new("GET", "/api/v1/incidents")
            .header("Cookie", &format!("scribed_session={secret}")));
        ask(Request::new("GET", "/api/v1/incidents").header("Authorization", secret));
        let form = Request::new("POST", "/login")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .bytes(format!("token={secret}"));
        ask(form);
        ask(anna(Request::new("GET", &format!("/api/v1/incidents?limit=x&token={secret}"))));
    }
    ask(anna(Request::new("POST", "/-/reload"))).expect(200);
    // A configuration that is wrong tells what, and no secret.
    fs::write(server.config_file(), config.replace("scopes: [", "scopes: [nonsense, ")).unwrap();
    assert_eq!(ask(anna(Request::new("POST", "/-/reload"))).status, 500);
    for path in ["/status", "/api/v1/status", "/metrics", "/login", "/audit", "/api/v1/audit"] {
        ask(anna(Request::new("GET", path)));
    }
    said += &server.log();
    for (name, secret) in SECRETS {
        assert!(!said.contains(secret), "{name} is said");
        let store = files_with(&server.folder().join("store"), secret);
        assert_eq!(store, Vec::<String>::new(), "{name}");
    }
    drop(server);
    check_config_is_silent(folder.path(), &config);
}

fn check_config_is_silent(folder: &std::path::Path, config: &str) {
    let file = folder.join("bad.yml");
    let broken = config.replace("type: grafana", "type: grafanna").replace("am,", "'a:m',");
    fs::write(&file, broken).unwrap();
    let output = server::program(folder).args(["check-config", "bad.yml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = format!("{output:?}");
    assert!(text.contains("grafanna") && !text.contains("SECRET"), "{text}");
}

#[test]
fn the_files_of_the_store_are_for_their_owner_alone() {
    let server = crate::contract::with_incident();
    server.post("/api/v1/incidents/1/notes", &json!({"text": "x"})).expect(201);
    let store = server.folder().join("store");
    let output = Command::new("sh")
        .args(["-c", &format!("stat -c %a '{}'", store.display())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "700");
}
