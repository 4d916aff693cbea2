//! The room as a whole: a text in, a configuration or all its problems out.

use std::fs;
use std::path::Path;

use super::schema::{
    BASIC_AUTH_KEYS, HEARTBEAT_KEYS, REDACTION_KEYS, SETTINGS, SOURCE_KEYS, Shape, TOKEN_KEYS,
};
use super::*;
use crate::domain::{Severity, Span};

/// The problems of one file, the folder's name cut away.
fn problems(folder: &Path, yaml: &str) -> Vec<String> {
    let path = folder.join("f.yml");
    fs::write(&path, yaml).unwrap();
    let Err(errors) = check_file(&path) else { return Vec::new() };
    let folder = format!("{}/", folder.display());
    errors.to_string().lines().map(|line| line.replace(&folder, "")).collect()
}

/// Every line of `expect` must begin a problem of `yaml`, in order, and there must be no other.
fn check(yaml: &str, expect: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "hunter2\n").unwrap();
    fs::write(folder.path().join("other"), "hunter3\n").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let found = problems(folder.path(), yaml);
    let fits = found.len() == expect.len()
        && found.iter().zip(expect).all(|(found, expect)| found.starts_with(expect));
    assert!(fits, "{yaml}\nexpected {expect:#?}\nfound {found:#?}");
    for line in found {
        assert!(!line.contains("hunter"), "a secret in: {line}");
    }
}

fn load_text(
    yaml: &str,
    environment: &[(&str, &str)],
    overrides: &Overrides,
) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yml");
    fs::write(&path, yaml).unwrap();
    let mut overrides = overrides.clone();
    overrides.config_file = Some(path);
    let environment: Vec<(String, String)> =
        environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let folder = format!("{}/", folder.path().display());
    load(&overrides, &environment).map_err(|errors| errors.to_string().replace(&folder, ""))
}

#[test]
fn the_default_is_what_the_code_says() {
    let config = Config::default_config();
    assert_eq!(config.rules, Rules::default());
    assert_eq!(config.rules.heartbeats[0].matchers.len(), 1);
    assert_eq!(config.web.listen_addresses, ["127.0.0.1:7274"]);
    assert_eq!(config.web.max_body, 16 * 1024 * 1024);
    assert!(config.web.max_connections >= 1000);
    assert_eq!(config.web.timeouts.settle, Span::from_seconds(5));
    assert_eq!(config.storage.path, Path::new("./data"));
    assert_eq!(config.storage.retention, None);
    assert_eq!(config.log, Log { level: "info".to_owned(), format: LogFormat::Logfmt });
    assert_eq!(config.timezone, "UTC");
    assert!(config.auth.anonymous.is_none() && config.auth.tokens.is_empty());
    assert!(config.sources.is_empty() && !config.replay_allow);
}

#[test]
fn every_key_stands_in_the_default_with_a_comment() {
    let lines: Vec<&str> = DEFAULT_YAML.lines().collect();
    for setting in SETTINGS.iter().filter(|setting| setting.in_file) {
        let mut from = 0;
        for (depth, part) in setting.key.split('.').enumerate() {
            let start = format!("{}{part}:", "  ".repeat(depth));
            let found = lines[from..].iter().position(|line| line.starts_with(&start));
            from += found.unwrap_or_else(|| panic!("{} is not in the default", setting.key));
        }
        let explained = lines[..from]
            .iter()
            .rev()
            .take_while(|line| !line.trim().is_empty())
            .any(|line| line.trim_start().starts_with('#'));
        assert!(explained, "{} has no comment", setting.key);
    }
    for keys in [TOKEN_KEYS, SOURCE_KEYS, BASIC_AUTH_KEYS, REDACTION_KEYS, HEARTBEAT_KEYS] {
        for key in keys {
            assert!(DEFAULT_YAML.contains(&format!(" {key}:")), "{key} is not in the default");
        }
    }
}

#[test]
fn every_key_stands_in_the_documentation() {
    let documentation = include_str!("../../docs/configuration.md");
    for setting in SETTINGS {
        let key = format!("`{}`", setting.key);
        assert!(documentation.contains(&key), "{key} is not in docs/configuration.md");
        if setting.shape != Shape::Objects {
            let name = &setting.environment_names()[0];
            assert!(documentation.contains(name), "{name} is not in docs/configuration.md");
        }
    }
    for keys in [TOKEN_KEYS, SOURCE_KEYS, BASIC_AUTH_KEYS, REDACTION_KEYS, HEARTBEAT_KEYS] {
        for key in keys {
            assert!(documentation.contains(&format!("`{key}`")), "{key} is not documented");
        }
    }
}

#[test]
fn the_example_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for name in
        ["anna.token", "deploy.token", "prometheus.token", "alertmanager.token", "grafana.key"]
    {
        fs::write(secrets.join(name), format!("{name}-4711\n")).unwrap();
    }
    let path = folder.path().join("scribed.yml");
    fs::write(&path, include_str!("../../config/scribed.example.yml")).unwrap();
    let overrides = Overrides { config_file: Some(path), ..Overrides::default() };
    let config = load(&overrides, &[]).unwrap();
    assert_eq!(config.auth.tokens.len(), 3);
    assert_eq!(config.sources[1].hmac_secret.as_ref().unwrap().expose(), b"grafana.key-4711");
    assert_eq!(config.rules.alerts.severities[1], ("ticket".to_owned(), Severity::Warning));
    assert_eq!(config.storage.retention, Some(Span::from_hours(2 * 365 * 24)));
    let printed = format!("{config:?}");
    assert!(!printed.contains("4711"), "a secret in the debug output: {printed}");
    assert!(printed.contains("REDACTED"), "{printed}");
}

#[test]
fn a_sound_file_has_no_problem() {
    for yaml in [
        "",
        "# nothing\n",
        "web:\n",
        "web: {listen_addresses: 'localhost:1'}\n",
        "web: {listen_addresses: [':7274']}\nauth: {anonymous: none}\n",
        "web: {listen_addresses: [':7274']}\nauth: {tokens: [{name: a, token_file: token, scopes: [read]}]}\n",
        "storage: {path: /x, retention: 90d, size_limit: 1GiB}\n",
        "heartbeats: []\n",
        "alerts: {paging: [], stale_firing_window: 0}\n",
        "sources: [{name: a, type: grafana, namespace: g/1, hmac_secret_file: token, rate_limit: 0.5}]\n",
    ] {
        check(yaml, &[]);
    }
}

#[test]
fn all_problems_are_told_at_once_with_line_and_column() {
    check(
        "web:\n  listen_adresses: [':1']\n  max_body: 16MB\ntimezone: Mars/Base\nlog: {level: loud, format: xml}\nincidents:\n  quiet_period: 0\n  open_alerts: 0\n  gap_limit: forty\nstorage: none\n",
        &[
            "f.yml:2:3: web.listen_adresses: unknown key; the keys here are listen_addresses, external_url, max_body, max_connections, timeouts",
            "f.yml:3:13: web.max_body: `16MB` is not a size; write bytes",
            "f.yml:4:11: timezone: `Mars/Base` is no time zone; write an IANA name",
            "f.yml:5:14: log.level: `loud` is no level; write error",
            "f.yml:5:28: log.format: `xml` is unknown; write one of logfmt, json",
            "f.yml:7:17: incidents.quiet_period: `0` is out of bounds; write 1s to",
            "f.yml:8:16: incidents.open_alerts: `0` is not a whole number from 1 to",
            "f.yml:9:14: incidents.gap_limit: `forty` is not a duration; write it as Prometheus",
            "f.yml:10:10: storage: is one value; write a mapping with the keys path, retention",
        ],
    );
}

#[test]
fn values_of_another_shape_are_told() {
    check("- a\n", &["f.yml:1:1: configuration: is a list; write a mapping with the keys web"]);
    check("timezone: [UTC]\n", &["f.yml:1:11: timezone: is a list; write one value"]);
    check("sources: {a: b}\n", &["f.yml:1:10: sources: is a mapping; write a list"]);
    check("sources: [a]\n", &["f.yml:1:11: sources[0]: is one value; write a mapping"]);
    check("alerts: {paging: {a: b}}\n", &["f.yml:1:18: alerts.paging: is a mapping; write a list"]);
    check("alerts: {paging: [[a]]}\n", &["f.yml:1:19: alerts.paging[0]: is a list; write one"]);
    check(
        "alerts: {severities: [a]}\n",
        &["f.yml:1:22: alerts.severities: is a list; write a map"],
    );
    check("web: {listen_addresses: []}\n", &["f.yml:1:25: web.listen_addresses: is empty; write"]);
    check("storage: {path: ''}\n", &["f.yml:1:17: storage.path: is empty; write a folder"]);
    check("\"a\\nb\": 1\n", &["f.yml:1:1: a\\nb: unknown key"]);
}

#[test]
fn a_file_that_is_no_configuration_is_told() {
    check("a: [1\n", &["f.yml:1:4: this is not YAML: unclosed bracket"]);
    check("timezone: UTC\ntimezone: UTC\n", &["f.yml:2:1: duplicate key `timezone`"]);
    let missing = check_file(Path::new("/nowhere/f.yml")).unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/f.yml: cannot be read: No such file"), "{missing}");
}

#[test]
fn who_can_be_reached_from_elsewhere_must_say_whom_it_lets_in() {
    for address in [":7274", "0.0.0.0:7274", "[::]:7274", "scribed.example.org:7274"] {
        let expect = format!(
            "f.yml:1:26: web.listen_addresses: `{address}` can be reached from other machines"
        );
        check(&format!("web: {{listen_addresses: ['{address}']}}\n"), &[&expect]);
    }
    check(
        "web: {listen_addresses: ['127.0.0.1:1', '127.0.0.1:1', x]}\n",
        &[
            "f.yml:1:41: web.listen_addresses: `127.0.0.1:1` comes twice; keep one",
            "f.yml:1:56: web.listen_addresses: `x` has no port",
        ],
    );
}

#[test]
fn tokens_are_checked_field_by_field() {
    check(
        "auth:\n  anonymous: everything\n  tokens:\n    - name: a b\n      token_file: none\n      scopes: [fly, 'ingest:nobody', 'ingest:api', 'ingest:grafana']\n    - token_sha256: hunter2\n      scopes: []\n    - name: c\n      token: hunter2\n    - name: d\n      token_file: token\n      token_sha256: aa\n      scopes: [read]\n",
        &[
            "f.yml:2:14: auth.anonymous: `everything` is unknown; write one of none, ingest, read, write",
            "f.yml:4:13: auth.tokens[0].name: `a b` cannot be a name",
            "f.yml:5:19: auth.tokens[0].token_file: the secret file ",
            "f.yml:6:16: auth.tokens[0].scopes: `fly` is no scope; write some of ingest, ingest:SOURCE",
            "f.yml:6:21: auth.tokens[0].scopes: ingest:nobody names no source",
            "f.yml:7:7: auth.tokens[1].name: is missing",
            "f.yml:7:21: auth.tokens[1].token_sha256: is not a SHA-256 hash but 7 characters",
            "f.yml:8:15: auth.tokens[1].scopes: is missing",
            "f.yml:9:7: auth.tokens[2]: has no token; write token_file or token_sha256",
            "f.yml:9:7: auth.tokens[2].scopes: is missing",
            "f.yml:10:7: auth.tokens[2].token: unknown key; the keys here are name, token_file",
            "f.yml:11:7: auth.tokens[3]: has both token_file and token_sha256; keep one",
        ],
    );
    check(
        "auth:\n  tokens:\n    - {name: a, token_file: token, scopes: [read]}\n    - {name: a, token_file: other, scopes: [read]}\n    - {name: b, token_file: token, scopes: [read]}\n    - {name: c, token_file: empty, scopes: [read]}\n",
        &[
            "f.yml:4:14: auth.tokens[1].name: `a` comes twice",
            "f.yml:5:7: auth.tokens[2]: is the token of a again",
            "f.yml:6:29: auth.tokens[3].token_file: the secret file ",
        ],
    );
}

#[test]
fn sources_are_checked_field_by_field() {
    check(
        "sources:\n  - name: a/b\n    type: nagios\n    namespace: '//'\n    rate_limit: 0\n    basic_auth: {username: 'u:v', password: hunter2}\n  - {name: a, type: generic}\n  - {name: a, type: alertmanager, hmac_secret_file: token}\n  - {}\n",
        &[
            "f.yml:2:11: sources[0].name: `a/b` cannot be a name",
            "f.yml:3:11: sources[0].type: `nagios` is unknown; write one of alertmanager, grafana",
            "f.yml:4:16: sources[0].namespace: `//` cannot be a namespace",
            "f.yml:5:17: sources[0].rate_limit: `0` is no rate; write deliveries a second above 0",
            "f.yml:6:17: sources[0].basic_auth.password_file: is missing",
            "f.yml:6:28: sources[0].basic_auth.username: `u:v` holds a colon",
            "f.yml:6:35: sources[0].basic_auth.password: unknown key; the keys here are username",
            "f.yml:8:5: sources[2].hmac_secret_file: a source of type alertmanager does not sign",
            "f.yml:8:12: sources[2].name: `a` comes twice",
            "f.yml:9:5: sources[3].name: is missing",
            "f.yml:9:5: sources[3].type: is missing",
        ],
    );
}

#[test]
fn no_sender_is_given_the_name_of_our_own_form() {
    check(
        "sources:\n  - {name: api, type: cloudevents}\n",
        &[
            "f.yml:2:12: sources[0].name: `api` is the source of what comes in our own form, at /api",
        ],
    );
    let tokens = "auth: {tokens: [{name: hook, token_sha256: 5b11618c2e44027877d0cd0921ed166b9f176f50587fc91e7534dd2946db77d6, scopes: ['ingest:api']}]}\n";
    check(tokens, &[]);
}

#[test]
fn heartbeats_and_severities_are_checked() {
    check(
        "heartbeats:\n  - {name: a, within: 0, matchers: []}\n  - {name: a, matchers: 'x=\"y\"'}\n  - {name: b}\n  - {name: c, matchers: ['{}']}\n  - {name: d, matchers: ['a=~\"[\"', b=1]}\nalerts:\n  severities: {page: awful, Page: high}\n  paging: [bad]\n",
        &[
            "f.yml:2:23: heartbeats[0].within: `0` is out of bounds",
            "f.yml:2:36: heartbeats[0].matchers: is missing; write matchers",
            "f.yml:3:12: heartbeats[1].name: `a` comes twice",
            "f.yml:4:5: heartbeats[2].matchers: is missing",
            "f.yml:5:25: heartbeats[3].matchers: is missing",
            "f.yml:6:26: heartbeats[4].matchers: `a=~\"[\"` is not a matcher: ",
            "f.yml:8:22: alerts.severities.page: `awful` is no severity; write one of critical",
            "f.yml:9:12: alerts.paging: `bad` is no severity",
        ],
    );
    check(
        "alerts:\n  severities: {page: critical, Page: high}\n",
        &["f.yml:2:32: alerts.severities.Page: comes twice"],
    );
}

#[test]
fn paths_must_exist_where_they_are_read() {
    check(
        "templates: {dir: none}\ntopology_file: none.yml\n",
        &[
            "f.yml:1:18: templates.dir: there is no folder none; create it",
            "f.yml:2:16: topology_file: there is no file none.yml; create it",
        ],
    );
}

/// Checks what `topology_file` may hold; `Err` begins the one problem, told under the file's name.
fn check_topology(text: &str, expect: Result<usize, &str>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.yml"), text).unwrap();
    let found = problems(folder.path(), "topology_file: t.yml\n");
    match expect {
        Ok(edges) => {
            assert_eq!(found, Vec::<String>::new(), "{text}");
            let mut overrides = Overrides::default();
            let path = folder.path().join("t.yml").display().to_string();
            overrides.set("topology_file", Some(path), "--topology-file");
            let topology = load(&overrides, &[]).unwrap().topology.unwrap();
            assert_eq!(topology.edges.len(), edges, "{text}");
        }
        Err(problem) => {
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].starts_with(problem), "{text}: {found:?}");
        }
    }
}

#[test]
fn the_service_graph_is_checked_with_the_configuration_that_names_it() {
    check_topology("edges:\n  - {caller: web, callee: ' db ', weight: 1}\nowner: ana\n", Ok(1));
    check_topology(r#"{"edges": [{"caller": "web", "callee": "db", "cluster": null}]}"#, Ok(1));
    check_topology("placement:\n  - {service: db, nodes: [n1]}\n", Ok(0));
    check_topology("edges: []\nplacement: null\n", Ok(0));
    check_topology(
        "edges:\n  - {caller: web}\n",
        Err("t.yml:2:6: topology_file: missing field `callee`"),
    );
    check_topology("edges: 5\n", Err("t.yml:1:8: topology_file: "));
    check_topology("edges: [\n", Err("t.yml:"));
    check_topology(
        "edges:\n  - {caller: web, callee: db}\n  - {caller: ' ', callee: db}\n",
        Err("t.yml: topology_file: `edges[1]`: `caller` is empty"),
    );
    check_topology("{}\n", Err("t.yml: topology_file: `edges` is missing"));
}

#[test]
fn the_stronger_layer_wins_and_is_named_when_it_is_wrong() {
    let mut overrides = Overrides::default();
    overrides.set("storage.path", Some("/flag"), "--storage.path");
    overrides.set("log.level", None::<String>, "--log.level");
    let yaml = "storage: {path: /file}\nlog: {level: debug}\ntimezone: UTC\n";
    let environment = [
        ("SCRIBED_STORAGE_PATH", "/environment"),
        ("SCRIBED_LOG_LEVEL", "warn"),
        ("SCRIBED_REPLAY_ALLOW", "true"),
        ("SCRIBED_INCIDENTS_QUIET_PERIOD", "3m"),
        ("HOME", "/root"),
    ];
    let config = load_text(yaml, &environment, &overrides).unwrap();
    assert_eq!(config.storage.path, Path::new("/flag"));
    assert_eq!(config.log.level, "warn");
    assert!(config.replay_allow);
    assert_eq!(config.rules.incidents.quiet_period, Span::from_minutes(3));

    overrides.set("log.format", Some("xml"), "--log.format");
    overrides.listen_addresses = vec![":7274".to_owned(), "127.0.0.1:1".to_owned()];
    let environment = [("SCRIBED_TIMEZONE", "Mars/Base"), ("SCRIBED_WEB_MAX_BODY", "much")];
    let errors = load_text("sources: [{}]\n", &environment, &overrides).unwrap_err();
    let begins = [
        "f.yml:1:11: sources[0].name: is missing",
        "f.yml:1:11: sources[0].type: is missing",
        "environment variable SCRIBED_TIMEZONE: timezone: `Mars/Base` is no time zone",
        "environment variable SCRIBED_WEB_MAX_BODY: web.max_body: `much` is not a size",
        "flag --log.format: log.format: `xml` is unknown",
        "flag --web.listen-address: web.listen_addresses: `:7274` can be reached from other",
    ];
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), begins.len(), "{errors}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
}

#[test]
fn the_environment_names_the_file_when_no_flag_does() {
    let environment = vec![("SCRIBED_CONFIG_FILE".to_owned(), "/nowhere/e.yml".to_owned())];
    let error = load(&Overrides::default(), &environment).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/e.yml: cannot be read"), "{error}");
    let overrides =
        Overrides { config_file: Some("/nowhere/f.yml".into()), ..Overrides::default() };
    let error = load(&overrides, &environment).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/f.yml: cannot be read"), "{error}");
}

#[test]
fn relative_paths_are_meant_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yml");
    fs::write(&path, "storage: {path: data}\n").unwrap();
    let mut overrides = Overrides { config_file: Some(path), ..Overrides::default() };
    let storage = load(&overrides, &[]).unwrap().storage;
    assert_eq!(storage.path, folder.path().join("data"));
    overrides.set("storage.path", Some("data"), "--storage.path");
    assert_eq!(load(&overrides, &[]).unwrap().storage.path, Path::new("data"));
}

#[test]
fn a_web_config_file_is_never_silently_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let mut overrides = Overrides::default();
    overrides.set("web.config_file", Some(path.display().to_string()), "--web.config.file");
    let error = load(&overrides, &[]).unwrap_err().to_string();
    assert!(error.contains("web.yml: cannot be read"), "{error}");
    fs::write(&path, "tls_server_config:\n  cert_file: x\nbasic_auth_users:\n  a: hunter2\n")
        .unwrap();
    let error = load(&overrides, &[]).unwrap_err().to_string();
    assert!(error.contains("web.yml:2:3: tls_server_config.key_file: is missing"), "{error}");
    assert!(error.contains("web.yml:4:6: basic_auth_users.a: is no bcrypt hash"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    fs::write(&path, "# nothing asked for\n").unwrap();
    assert_eq!(load(&overrides, &[]).unwrap().web.config_file, Some(path));
}

#[test]
fn users_of_the_web_config_file_keep_strangers_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let mut overrides = Overrides::default();
    overrides.set("web.config_file", Some(path.display().to_string()), "--web.config.file");
    overrides.listen_addresses = vec![":7274".to_owned()];
    fs::write(&path, "").unwrap();
    let error = load(&overrides, &[]).unwrap_err().to_string();
    assert!(error.contains("can be reached from other machines"), "{error}");
    let hash = bcrypt::hash_with_salt("p", 4, [7; 16]).unwrap();
    fs::write(&path, format!("basic_auth_users: {{ada: {hash}}}\n")).unwrap();
    assert_eq!(load(&overrides, &[]).unwrap().web_file.users[0].name, Name::from("ada"));
}

#[test]
fn a_flag_that_sets_nothing_is_told() {
    let mut overrides = Overrides::default();
    overrides.set("storage.pfad", Some("x"), "--storage.pfad");
    let error = load(&overrides, &[]).unwrap_err().to_string();
    assert!(error.starts_with("flag --storage.pfad: storage.pfad: is no setting"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_and_no_variable_makes_the_reading_panic(
        text in r#"([a-z]{1,9}|[:\-\[\]{}&*!|>'"%@` \n#,]|[0-9]{1,3}|auth|sources|web|\PC){0,60}"#,
        value in "\\PC{0,20}",
    ) {
        let environment: Vec<(String, String)> = SETTINGS
            .iter()
            .flat_map(|setting| setting.environment_names())
            .map(|name| (name, value.clone()))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yml");
        fs::write(&path, text).unwrap();
        let overrides = Overrides { config_file: Some(path), ..Overrides::default() };
        if let Err(errors) = load(&overrides, &environment) {
            proptest::prop_assert!(!errors.problems().is_empty());
        }
    }
}

#[test]
fn every_problem_of_a_redaction_rule_is_told() {
    check(
        "redaction:\n  - {name: a, regex: 'x('}\n  - {name: a, labels: '[', regex: x}\n  \
         - {name: b, regex: x, replacement: gone}\n  \
         - {name: c, regex: '(x)', replacement: '${1}[redacted]${2}'}\n  - {regex: x, word: y}\n",
        &[
            "f.yml:2:22: redaction[0].regex: `x(` is no regular expression that we take",
            "f.yml:3:23: redaction[1].labels: `[` is no regular expression that we take",
            "f.yml:4:38: redaction[2].replacement: `gone` must hold [redacted]",
            "f.yml:5:5: redaction[3].replacement: names the group ${2}, which regex does not have",
            "f.yml:6:5: redaction[4].name: is missing",
            "f.yml:6:16: redaction[4].word: unknown key",
        ],
    );
}

#[test]
fn a_redaction_rule_looks_at_what_it_names_and_else_at_everything() {
    let yaml = "redaction:\n  - {name: a, regex: x}\n  - {name: b, labels: 'to|ken', regex: x}\n";
    let rules = load_text(yaml, &[], &Overrides::default()).unwrap().redaction;
    let looks =
        |at: usize, name: &str| (rules[at].is_for_label(name), rules[at].is_for_annotation(name));
    assert_eq!(looks(0, "any"), (true, true));
    assert_eq!(looks(1, "to"), (true, false));
    assert_eq!(looks(1, "token"), (false, false));
    assert_eq!(rules[0].replacement, "[redacted]");
}

#[test]
fn trusted_proxies_are_read_as_a_whole() {
    let text = |yaml: &str| load_text(yaml, &[], &Overrides::default());
    assert_eq!(text("").unwrap().auth.trusted_proxies, None);
    let yaml =
        "web: {listen_addresses: [':7274']}\nauth: {trusted_proxies: {addresses: [10.0.0.7]}}\n";
    let proxies = text(yaml).unwrap().auth.trusted_proxies.unwrap();
    assert!(proxies.contains("10.0.0.7".parse().unwrap()));
    assert_eq!(proxies.user_header, "x-forwarded-user");
    assert_eq!(proxies.scopes, [Scope::Read, Scope::Write]);
    check(
        "auth:\n  trusted_proxies:\n    addresses: [here]\n    user_header: Host\n    \
         scopes: [replay]\n",
        &[
            "f.yml:3:17: auth.trusted_proxies.addresses: `here` is no address",
            "f.yml:4:18: auth.trusted_proxies.user_header: `Host` cannot be the header of a user",
            "f.yml:5:14: auth.trusted_proxies.scopes: a user of a proxy cannot have the scope replay",
        ],
    );
}

#[test]
fn weights_are_checked_by_name_and_number() {
    let check = |text: &str, expect: Result<&[(&str, f64)], &str>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yml");
        std::fs::write(&path, text).unwrap();
        let overrides = Overrides { config_file: Some(path), ..Overrides::default() };
        match (load(&overrides, &[]), expect) {
            (Ok(config), Ok(expect)) => {
                let expect = expect.iter().map(|(name, points)| ((*name).to_owned(), *points));
                assert_eq!(config.rules.incidents.weights, expect.collect(), "{text}");
            }
            (Err(errors), Err(expect)) => {
                let told = errors.to_string();
                assert!(told.contains(expect), "{text}: {told}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    };
    check(
        "incidents: {weights: {same_node: 4, gap: -1.5}}",
        Ok(&[("gap", -1.5), ("same_node", 4.0)]),
    );
    check("incidents: {weights: {}}", Ok(&[]));
    check("incidents: {weights: {same_node: }}", Ok(&[]));
    check(
        "incidents:\n  weights:\n    same_nod: 4\n",
        Err(
            "f.yml:3:5: incidents.weights.same_nod: no evidence has this name; write one of bias, ",
        ),
    );
    check(
        "incidents:\n  weights:\n    gap: far\n",
        Err("f.yml:3:10: incidents.weights.gap: `far` is not a number"),
    );
    check("incidents: {weights: 3}", Err("is one value; write a mapping such as same_node: 4"));
}

#[test]
fn every_weight_that_can_be_set_is_documented() {
    let page = include_str!("../../docs/correlation.md");
    for name in crate::domain::rules::WEIGHTS {
        assert!(page.contains(&format!("`{name}`")), "docs/correlation.md does not tell of {name}");
    }
}
