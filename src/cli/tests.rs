//! The command line as a whole: what is read, what is asked of a server, what is shown.

use clap::CommandFactory;
use serde_json::json;

use super::fake::{Asked, Fake, Reply};
use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(Into::into).collect()
}

/// Runs a command line against a server; hands back the exit code, the results, the diagnostics.
fn execute_line(fake: &Fake, line: &[&str], is_seen: bool) -> (u8, String, String) {
    let mut full: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
    full.insert(0, "scribed".into());
    full.extend(["--url".into(), fake.url.to_string()]);
    let arguments = Arguments::try_parse_from(&full).unwrap();
    let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
    let mut console = Console::captured(&mut results, &mut diagnostics, is_seen);
    let code = match execute(&arguments.command, &mut console) {
        Ok(()) => 0,
        Err(failure) => {
            console.notice(&failure.to_string());
            failure.exit_code()
        }
    };
    (code, String::from_utf8(results).unwrap(), String::from_utf8(diagnostics).unwrap())
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_is_read() {
    for line in [
        "serve",
        "serve --config.file=f --storage.path=d --web.listen-address=:1 --web.listen-address=:2 \
         --web.config.file=w --web.external-url=http://h --log.level=info --log.format=json \
         --replay.allow",
        "check-config a.yml b.yml",
        "demo",
        "demo --exit --web.listen-address=127.0.0.1:0",
        "replay a.json - --speed 2 --url http://h --token-file t --timeout 5s -o json",
        "incident list",
        "incident list service=web HighErrorRate --state open --severity critical --limit 5",
        "incident show 1 -o extended",
        "incident --url http://h show 1",
        "incident ack 1 --by ada --at 2024-06-22T15:15:00Z",
        "incident mitigate 1",
        "incident pin 1 --by ada",
        "incident unpin 1",
        "incident resolve 1",
        "incident reopen 1",
        "incident merge 2 1",
        "incident split 1 e1 e2",
        "incident split 1 e1 --by ada",
        "incident move 1 e1 e2 --by ada --at 2024-06-22T15:15:00Z",
        "incident merge 2 1 --by ada",
        "draft 1 --format=html --tz=UTC --template=outage-report --output=f --since-revision=3",
        "note 1 text --kind=diagnosis --at=1719069300 --author=ada",
        "change text --service=web --kind=rollback --at=1719069300 --author=ada --link=http://h",
        "explain e17",
        "backup out.db",
        "backup out.db --force --storage.path=d --config.file=f",
        "restore out.db --force --storage.path d",
        "verify",
        "verify --config.file=f --storage.path=d",
        "whatif --config.file=f",
        "whatif --config.file=f --since=7d --storage.path=d -o json",
        "whatif --config.file=f --since=2024-06-22T15:15:00Z -o extended",
        "completions zsh",
        "man out",
    ] {
        let line = format!("scribed {line}");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Err(error) = Arguments::try_parse_from(words(&line)) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_usage_is_exit_code_two() {
    for line in [
        "scribed",
        "scribed party",
        "scribed serve --storage.folder=x",
        "scribed replay",
        "scribed replay a.json --speed=-1",
        "scribed incident",
        "scribed incident show",
        "scribed incident show twelve",
        "scribed incident list --state=asleep",
        "scribed incident list --limit=0",
        "scribed incident split 1",
        "scribed draft 1 --format=pdf",
        "scribed note 1",
        "scribed note 1 x --at=noon",
        "scribed change x",
        "scribed explain e1 --url=ftp://h",
        "scribed explain e1 --timeout=0",
        "scribed explain e1 --timeout=fast",
        "scribed explain e1 -o yaml",
        "scribed backup",
        "scribed backup a b",
        "scribed backup a --force=maybe",
        "scribed restore",
        "scribed restore a --url=http://h",
        "scribed incident move 1",
        "scribed verify a",
        "scribed whatif --config.file=f --since=yesterday",
        "scribed whatif --config.file=f --url=http://h",
        "scribed verify --storage.folder=d",
        "scribed completions tcsh",
    ] {
        let error = Arguments::try_parse_from(words(line)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for line in ["scribed --help", "scribed --version", "scribed incident list --help"] {
        assert_eq!(Arguments::try_parse_from(words(line)).unwrap_err().exit_code(), 0, "{line}");
    }
}

#[test]
fn every_command_has_an_example() {
    fn check(command: &clap::Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(path), "{path}: {help}");
        for sub in command.get_subcommands() {
            check(sub, &format!("{path} {}", sub.get_name()));
        }
    }
    for command in Arguments::command().get_subcommands() {
        check(command, &format!("scribed {}", command.get_name()));
    }
}

fn api(asked: &Asked) -> Reply {
    let incident = json!({
        "id": 3, "title": "Shop \u{1b}]0;owned\u{7}down", "state": "resolved",
        "severity": "critical", "services": ["shop"], "alerts": {"total": 2, "firing": 0},
        "started_at": "2024-06-22T15:15:00.000Z", "resolved_at": "2024-06-22T17:00:00.000Z",
    });
    match asked.line().as_str() {
        "GET /api/v1/incidents?limit=500" => {
            Reply::json(200, r#"{"items": [{"id": 3, "a": 1}], "next_cursor": "more"}"#)
        }
        "GET /api/v1/incidents?limit=500&cursor=more" => {
            Reply::json(200, r#"{"items": [{"title": "t", "id": 2}], "next_cursor": null}"#)
        }
        "GET /api/v1/incidents/3" => Reply::json(200, incident),
        "GET /api/v1/alerts?incident=3&limit=500" => Reply::json(
            200,
            json!({"items": [{"id": "e1", "labels": {"alertname": "Http503"}, "status": "resolved",
                              "starts_at": "2024-06-22T15:15:00.000Z"}]}),
        ),
        "GET /api/v1/incidents/3/timeline" => Reply::json(
            200,
            json!({"items": [{"id": "x", "occurred_at": "2024-06-22T15:15:00.000Z",
                              "phase": "detection", "text": "It began"}]}),
        ),
        "GET /api/v1/incidents/3/draft?format=markdown" => Reply::json(200, "# Draft\x1b[2J\n"),
        "GET /api/v1/incidents/3/draft?format=json" => Reply::json(200, "{\"incident\": 3}"),
        "POST /api/v1/incidents/3/acknowledge" => Reply::json(200, incident),
        "POST /api/v1/incidents/3/resolve" => Reply::json(409, r#"{"detail": "It is resolved"}"#),
        "POST /api/v1/incidents/3/reopen" => {
            Reply::json(202, "{}").header("location", "/api/v1/incidents/3")
        }
        "POST /api/v1/incidents/3/merge" => {
            Reply::json(200, json!({"id": 3, "state": "merged", "merged_into": 1, "title": "t"}))
        }
        "POST /api/v1/incidents/3/notes" => Reply::json(
            201,
            json!({"id": "n1", "phase": "diagnosis", "occurred_at": "2024-06-22T15:15:00.000Z",
                   "text": "found it"}),
        ),
        "POST /api/v1/changes" => Reply::json(201, json!({"id": "c4"})),
        "GET /api/v1/alerts/e1/explain" => Reply::json(
            200,
            json!({"alert": "e1", "reason": "It opened incident 3 alone", "incident": 3,
                                  "starts_at": "2024-06-22T15:15:00.000Z", "ends_at": null}),
        ),
        "GET /api/v1/alerts?fingerprint=f00d&limit=500" => Reply::json(
            200,
            json!({"items": [{"id": "e0", "starts_at": "2024-06-21T15:15:00.000Z"},
                             {"id": "e1", "starts_at": "2024-06-22T15:15:00.000Z"}]}),
        ),
        _ => Reply::json(404, json!({"detail": "There is no such thing."})),
    }
}

#[test]
fn commands_ask_the_server_and_show_its_answer() {
    let fake = Fake::start(api);
    for (line, out) in [
        (
            &["incident", "ack", "3", "--by", "ada"][..],
            "Incident 3 is resolved: Shop ]0;owneddown\n",
        ),
        (&["incident", "merge", "3", "1"], "Incident 3 is part of incident 1: t\n"),
        (
            &["incident", "list", "-o", "json"],
            "{\"items\":[{\"id\": 3, \"a\": 1},{\"title\": \"t\", \"id\": 2}],\"next_cursor\":null}\n",
        ),
        (&["draft", "3"], "# Draft\u{1b}[2J\n"),
        (&["draft", "3", "-o", "json"], "{\"incident\": 3}\n"),
        (&["note", "3", "found it"], "Incident 3: diagnosis n1 at 2024-06-22 15:15 UTC\n"),
        (&["change", "v2", "--service=shop"], "Change c4\n"),
        (&["change", "v2", "--service=shop", "-o", "json"], "{\"id\":\"c4\"}\n"),
        (&["explain", "e1"], "It opened incident 3 alone\n"),
        (
            &["explain", "e1", "-o", "extended"],
            "It opened incident 3 alone\nAlert     e1\nStarted   2024-06-22 15:15 UTC\n\
             Incident  3\n",
        ),
        (&["explain", "f00d@2024-06-22T15:15:00Z"], "It opened incident 3 alone\n"),
    ] {
        assert_eq!(
            execute_line(&fake, line, false),
            (0, out.to_owned(), String::new()),
            "{line:?}"
        );
    }
}

#[test]
fn a_draft_on_a_terminal_cannot_steer_it() {
    let fake = Fake::start(api);
    assert_eq!(execute_line(&fake, &["draft", "3"], true).1, "# Draft[2J\n");
}

#[test]
fn the_extended_form_shows_alerts_and_timeline() {
    let fake = Fake::start(api);
    let (code, out, _) = execute_line(&fake, &["incident", "show", "3", "-o", "extended"], false);
    assert_eq!(code, 0);
    for part in ["Duration      1h45m", "e1     resolved", "Http503", "detection  -", "It began"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn a_refusal_is_exit_code_one_and_goes_to_diagnostics() {
    let fake = Fake::start(api);
    for (line, text) in [
        (&["incident", "resolve", "3"][..], "(409 Conflict): It is resolved"),
        (&["incident", "show", "9"], "(404 Not Found): There is no such thing"),
        (&["explain", "f00d@2024-06-20T15:15:00Z"], "its starts are 2024-06-21T15:15:00.000Z"),
    ] {
        let (code, out, err) = execute_line(&fake, line, false);
        assert_eq!((code, out.as_str()), (1, ""), "{line:?}");
        assert!(err.contains(text), "{line:?}: {err}");
    }
}

#[test]
fn what_is_taken_but_not_worked_in_is_said_beside_the_results() {
    let fake = Fake::start(api);
    let (code, out, err) = execute_line(&fake, &["incident", "reopen", "3"], false);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("not worked in yet") && err.contains("/api/v1/incidents/3"), "{err}");
}

#[test]
fn a_fingerprint_without_its_start_means_the_latest_and_says_so() {
    let fake = Fake::start(api);
    let (code, out, err) = execute_line(&fake, &["explain", "f00d"], false);
    assert_eq!((code, out.as_str()), (0, "It opened incident 3 alone\n"));
    assert!(err.contains("fired 2 times") && err.contains("e1"), "{err}");
}

#[test]
fn filters_of_a_list_stand_in_its_query() {
    let fake = Fake::start(|_| Reply::json(200, r#"{"items": []}"#));
    let line = [
        "incident",
        "list",
        "Down",
        "env!=prod",
        "--state=open",
        "--since=1719069300",
        "--query=data base",
        "--limit=7",
    ];
    let (code, out, err) = execute_line(&fake, &line, false);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "No incident matches\n"));
    assert_eq!(
        fake.lines(),
        ["GET /api/v1/incidents?state=open&since=2024-06-22T15%3A15%3A00.000Z&q=data%20base\
          &filter=alertname%3D%22Down%22&filter=env%21%3Dprod&limit=7"]
    );
}

#[test]
fn a_replay_sums_up_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("night.json");
    let event = r#"{"at": "2024-06-22T15:05:20Z", "type": "change", "change": {"summary": "s"}}"#;
    std::fs::write(&file, format!(r#"{{"events": [{event}, {event}]}}"#)).unwrap();
    let file = file.to_str().unwrap();
    for (form, out) in [
        ("simple", "Played 2 events of 1 scenario; 1 new incident\n".to_owned()),
        (
            "json",
            format!(
                "{{\"events\":2,\"incidents\":[8],\"scenarios\":[{{\"events\":2,\"file\":\"{file}\",\
                 \"incident\":null,\"name\":\"night\"}}]}}\n"
            ),
        ),
    ] {
        let mut changes = 0;
        let fake = Fake::start(move |asked| match (asked.line().as_str(), changes) {
            ("GET /api/v1/incidents?limit=500", 2) => Reply::json(200, r#"{"items": [{"id": 8}]}"#),
            ("GET /api/v1/incidents?limit=500", _) => Reply::json(200, r#"{"items": []}"#),
            ("GET /api/v1/status", _) => Reply::json(200, r#"{"head": 2, "cursor": 2}"#),
            ("POST /api/v1/changes", _) => {
                changes += 1;
                Reply::json(201, r#"{"id": "c1"}"#)
            }
            _ => Reply::json(404, "{}"),
        });
        let (code, found, err) = execute_line(&fake, &["replay", file, "-o", form], false);
        assert_eq!(code, 0, "{err}");
        assert!(found.starts_with(&out), "{found}");
        assert_eq!(err, "1/2  2024-06-22 15:05  night\n2/2  2024-06-22 15:05  night\n");
    }
}

#[test]
fn pages_and_scripts_are_written_for_packages() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
    let mut console = Console::captured(&mut results, &mut diagnostics, false);
    for line in [format!("scribed man {}", pages.display()), "scribed completions bash".to_owned()]
    {
        let arguments = Arguments::try_parse_from(words(&line)).unwrap();
        execute(&arguments.command, &mut console).unwrap();
    }
    for page in ["scribed.1", "scribed-serve.1", "scribed-incident-list.1"] {
        assert!(pages.join(page).metadata().unwrap().len() > 0, "{page}");
    }
    assert!(String::from_utf8(results).unwrap().contains("_scribed"));
}
