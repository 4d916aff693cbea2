//! Every key there is: the one table that the file, the environment, the flags and the tests of
//! the documentation are held against.
//!
//! Called by `layers`, which reads files and environments by it.

use super::document::{Body, Document, Node};
use super::problem::Report;

/// What environment variables of ours begin with.
pub(super) const PREFIX: &str = "SCRIBED_";

/// A key of the configuration.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its path, such as `storage.path`.
    pub(super) key: &'static str,
    /// What its value looks like.
    pub(super) shape: Shape,
    /// Whether the file may hold it.
    pub(super) in_file: bool,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value.
    One,
    /// A list of values; in the environment separated by commas.
    Many,
    /// A list of objects, or a mapping with free keys: only the file can say it.
    Objects,
}

const fn one(key: &'static str) -> Setting {
    Setting { key, shape: Shape::One, in_file: true }
}

const fn many(key: &'static str) -> Setting {
    Setting { key, shape: Shape::Many, in_file: true }
}

const fn objects(key: &'static str) -> Setting {
    Setting { key, shape: Shape::Objects, in_file: true }
}

/// All keys, in the order of the documentation.
pub(super) const SETTINGS: &[Setting] = &[
    many("web.listen_addresses"),
    one("web.external_url"),
    one("web.max_body"),
    one("web.max_connections"),
    one("web.timeouts.header"),
    one("web.timeouts.body"),
    one("web.timeouts.settle"),
    one("web.timeouts.drain"),
    // The file of the exporter-toolkit is named on the command line, as its users expect.
    Setting { key: "web.config_file", shape: Shape::One, in_file: false },
    one("storage.path"),
    one("storage.retention"),
    one("storage.raw_retention"),
    one("storage.size_limit"),
    one("log.level"),
    one("log.format"),
    one("timezone"),
    one("templates.dir"),
    one("topology_file"),
    one("auth.anonymous"),
    objects("auth.tokens"),
    objects("sources"),
    objects("heartbeats"),
    one("alerts.severity_label"),
    objects("alerts.severities"),
    many("alerts.paging"),
    many("alerts.service_labels"),
    one("alerts.stale_after"),
    one("alerts.stale_firing_window"),
    one("alerts.flapping_episodes"),
    one("alerts.flapping_window"),
    one("alerts.chronic_after"),
    one("alerts.alone_firings"),
    one("alerts.alone_window"),
    one("alerts.peer_window"),
    one("alerts.heartbeat_words"),
    one("alerts.heartbeat_intervals"),
    one("alerts.heartbeat_least"),
    one("incidents.quiet_period"),
    one("incidents.reopen_window"),
    one("incidents.lead_up"),
    one("incidents.gap_limit"),
    one("incidents.duration_limit"),
    one("incidents.open_alerts"),
    many("incidents.open_severities"),
    one("incidents.join_score"),
    one("incidents.settling_window"),
    one("incidents.busy_window"),
    one("incidents.witnesses"),
    one("incidents.change_window"),
    one("incidents.lead_up_candidates"),
    one("incidents.learnt_entries"),
    objects("incidents.weights"),
    one("replay.allow"),
];

/// Keys of one item of `auth.tokens`.
pub(super) const TOKEN_KEYS: &[&str] = &["name", "token_file", "token_sha256", "scopes"];
/// Keys of one item of `sources`.
pub(super) const SOURCE_KEYS: &[&str] =
    &["name", "type", "namespace", "token_file", "basic_auth", "hmac_secret_file", "rate_limit"];
/// Keys of `basic_auth` of a source.
pub(super) const BASIC_AUTH_KEYS: &[&str] = &["username", "password_file"];
/// Keys of one item of `heartbeats`.
pub(super) const HEARTBEAT_KEYS: &[&str] = &["name", "matchers", "within"];

/// The setting of a key.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

impl Setting {
    /// The environment variables that set it, the documented one first.
    pub(super) fn environment_names(&self) -> Vec<String> {
        let by_key = format!("{PREFIX}{}", self.key.replace('.', "_").to_uppercase());
        match self.key {
            // The flag is named in the singular, as in all of the Prometheus family.
            "web.listen_addresses" => vec!["SCRIBED_WEB_LISTEN_ADDRESS".to_owned(), by_key],
            _ => vec![by_key],
        }
    }
}

/// True when keys live below this path.
fn is_section(path: &str) -> bool {
    SETTINGS.iter().any(|s| s.in_file && s.key.strip_prefix(path).is_some_and(is_below))
}

fn is_below(rest: &str) -> bool {
    rest.starts_with('.')
}

/// The names that may stand directly below a path; the top is the empty path.
fn names_below(path: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = SETTINGS
        .iter()
        .filter(|setting| setting.in_file)
        .filter_map(|setting| {
            if path.is_empty() {
                Some(setting.key)
            } else {
                setting.key.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
            }
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    names.dedup();
    names
}

/// The settings that a document holds, without those that are null.
pub(super) fn settings_of<'d>(
    document: &'d Document,
    report: &mut Report,
) -> Vec<(&'static Setting, &'d Node)> {
    let mut found = Vec::new();
    if let Some(root) = &document.root {
        walk(document, root, "", &mut found, report);
    }
    found
}

fn walk<'d>(
    document: &'d Document,
    node: &'d Node,
    path: &str,
    found: &mut Vec<(&'static Setting, &'d Node)>,
    report: &mut Report,
) {
    let entries = match &node.body {
        Body::Map(entries) => entries,
        Body::Null => return,
        Body::Scalar(_) | Body::List(_) => {
            let names = names_below(path).join(", ");
            let text = format!("is {}; write a mapping with the keys {names}", node.shape());
            let key = if path.is_empty() { "configuration" } else { path };
            report.add(document.place(node.mark), key, text);
            return;
        }
    };
    for entry in entries {
        let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        if let Some(setting) = setting(&key).filter(|setting| setting.in_file) {
            if !entry.node.is_null() {
                found.push((setting, &entry.node));
            }
        } else if is_section(&key) {
            walk(document, &entry.node, &key, found, report);
        } else {
            report.add(document.place(entry.mark), key, unknown_key(&names_below(path)));
        }
    }
}

/// The message for a key that is not one of `known`.
pub(super) fn unknown_key(known: &[&str]) -> String {
    format!("unknown key; the keys here are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_are_told_once() {
        assert_eq!(names_below("log"), ["level", "format"]);
        assert_eq!(names_below("web.timeouts"), ["header", "body", "settle", "drain"]);
        assert_eq!(
            names_below("web"),
            ["listen_addresses", "external_url", "max_body", "max_connections", "timeouts"]
        );
        assert!(is_section("web.timeouts"));
        assert!(!is_section("timezone"));
        assert!(!is_section("we"));
    }

    #[test]
    fn environment_names_follow_the_key() {
        let names = |key| setting(key).unwrap().environment_names();
        assert_eq!(names("storage.path"), ["SCRIBED_STORAGE_PATH"]);
        assert_eq!(names("web.timeouts.header"), ["SCRIBED_WEB_TIMEOUTS_HEADER"]);
        assert_eq!(
            names("web.listen_addresses"),
            ["SCRIBED_WEB_LISTEN_ADDRESS", "SCRIBED_WEB_LISTEN_ADDRESSES"]
        );
    }
}
