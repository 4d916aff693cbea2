//! The file of `--web.config.file`, in the form of the exporter-toolkit of Prometheus.
//!
//! This build ends no TLS and checks no passwords by that file. Whoever names it relies on it, so
//! everything in it that we would leave undone refuses the start. Called by `load`.

use std::path::Path;

use super::document::{Body, Document};
use super::problem::Report;

/// The flag, for messages.
const KEY: &str = "web.config_file";

/// Notes everything in the file that would not be heeded. An empty file asks for nothing.
pub(super) fn check(path: &Path, report: &mut Report) {
    let document = Document::open(path, report);
    let Some(root) = &document.root else { return };
    let Body::Map(entries) = &root.body else {
        if !root.is_null() {
            let text = format!("is {}; write the web configuration of Prometheus", root.shape());
            report.add(document.place(root.mark), KEY, text);
        }
        return;
    };
    for entry in entries.iter().filter(|entry| !entry.node.is_null()) {
        let advice = match entry.key.as_str() {
            "tls_server_config" => "this build has no TLS; let a proxy in front end it",
            "basic_auth_users" => "users with passwords are not supported; use auth.tokens",
            "http_server_config" => "these settings of HTTP are not supported; remove them",
            "rate_limit" => "this rate limit is not supported; use rate_limit of a source",
            _ => "unknown key; remove it",
        };
        let text = format!("{}: {advice}, and start without --web.config.file", entry.key);
        report.add(document.place(entry.mark), KEY, text);
    }
}
