//! What keeps strangers out and secrets in: the wire, redaction, the audit, the quarantine, and
//! that no secret is ever said.

mod audit;
mod proxies;
mod quarantine;
mod redaction;
mod secrets;
mod taken_back;
mod wire;

use std::path::Path;
use std::process::Output;

use crate::support::{Server, server};

/// A configuration with one token that may do everything, `the-token-of-boss`.
pub(crate) const BOSS: &str = "auth:\n  tokens:\n    - name: boss\n      \
     token_sha256: b115aa88f8661561e8191de9daefd82dd8d3c5cdcfbc3fd3cbe02c721c3c0d44\n      \
     scopes: [ingest, read, write, replay, admin]\n";

/// Every file in a folder that holds this text.
pub(crate) fn files_with(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Runs a command against a server, with a token or without.
pub(crate) fn run(server: &Server, arguments: &[&str]) -> Output {
    server::program(server.folder())
        .args(arguments)
        .args(["--url", &server.url()])
        .output()
        .expect("the program runs")
}

/// What it printed, when it ended well.
#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Panics unless every law holds on the store of a server.
#[track_caller]
pub(crate) fn verify(server: &Server) {
    let output = server::program(server.folder())
        .args(["verify", "--storage.path=store"])
        .output()
        .expect("the program runs");
    let said = stdout(&output);
    assert!(said.contains("SUCCESS: replay") && !said.contains("FAILED"), "{said}");
}
