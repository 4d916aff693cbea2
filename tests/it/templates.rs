//! Layouts of drafts: those that come with the program, and people's own from a folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::fixtures::{firing, root};
use crate::support::server::PROGRAM;
use crate::support::{Client, Request, Server, Setup};
use serde_json::json;

/// A server with templates of people's own and one incident.
fn with_templates(folder: &Path) -> Server {
    let config = format!("templates: {{dir: {}}}\n", folder.display());
    let server = Setup::new().config(&config).replay().start();
    let labels = json!({"alertname": "Down", "service": "web", "severity": "critical"});
    let alert = Request::new("POST", "/api/v1/ingest/alertmanager")
        .json(&firing(&labels, "2026-03-02T10:00:00Z"))
        .received_at("2026-03-02T10:00:10Z");
    server.send(&alert).expect(200);
    server.settle();
    server
}

fn draft(client: &Client, query: &str) -> String {
    client.get(&format!("/api/v1/incidents/1/draft?{query}")).expect(200).text()
}

#[test]
fn every_shipped_layout_is_there_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_templates(folder.path());
    for (name, heading) in [
        ("outage-report", "Issue summary"),
        ("google-sre", "Lessons learned"),
        ("pagerduty", "Contributing factors"),
        ("atlassian", "Five whys"),
    ] {
        for format in ["markdown", "html", "text"] {
            let text = draft(&server, &format!("template={name}&format={format}"));
            assert!(text.contains(heading), "{name} as {format}:\n{text}");
        }
        let path = format!("/api/v1/incidents/1/draft?format=json&template={name}");
        assert_eq!(server.get_json(&path)["template"], name);
    }
}

#[test]
fn the_example_of_the_documentation_works() {
    let server = with_templates(&root().join("docs/templates"));
    let query = "template=short&tz=Africa/Lagos";
    let text = draft(&server, query);
    assert!(
        text.starts_with("# Down is wrong on web\n\nIt still runs, since 2026-03-02 11:00.\n"),
        "{text}"
    );
    assert!(text.contains("All times are in Africa/Lagos (WAT, UTC+01:00).\n"), "{text}");
    assert!(text.contains("\n- 11:00 Down is wrong on web (Down, critical)\n"), "{text}");
    assert!(text.contains("\nNothing is agreed yet.\n"), "{text}");
    assert_eq!(draft(&server, query), text);
    let path = "/api/v1/incidents/1/draft?template=short&format=json";
    assert_eq!(server.get_json(path)["template"], "short");
    let problem = server.get("/api/v1/incidents/1/draft?template=short&format=html").expect(400);
    assert!(problem.text().contains("markdown, json"), "{}", problem.text());
    let problem = server.get("/api/v1/incidents/1/draft?template=longer").expect(400);
    assert!(problem.text().contains("atlassian, short"), "{}", problem.text());
}

#[test]
fn a_template_that_does_not_fit_is_a_clear_problem_and_a_reload_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.md.jinja");
    fs::write(&path, "# {{ title }}\n{{ titel }}\n").unwrap();
    let server = with_templates(folder.path());
    let problem = server.get("/api/v1/incidents/1/draft?template=ours").expect(500);
    assert_eq!(problem.json()["type"], "/problems/template");
    let detail = problem.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("ours.md.jinja:2: undefined value"), "{detail}");

    fs::write(&path, "# {{ title }\n").unwrap();
    let refused = server.send(&Request::new("POST", "/-/reload")).expect(500);
    assert!(refused.text().contains("ours.md.jinja:1:"), "{}", refused.text());
    server.get("/api/v1/incidents/1/draft?template=ours").expect(500);

    fs::write(&path, "# {{ title }}\n").unwrap();
    server.send(&Request::new("POST", "/-/reload")).expect(200);
    assert_eq!(draft(&server, "template=ours"), "# Down is wrong on web\n");
}

#[test]
fn a_broken_template_refuses_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ours.html.jinja"), "<p>\n{% if %}\n").unwrap();
    let config = folder.path().join("scribed.yml");
    fs::write(&config, "templates: {dir: .}\n").unwrap();
    for command in ["check-config", "serve"] {
        let flag = format!("--config.file={}", config.display());
        let path = config.display().to_string();
        let argument = if command == "serve" { flag } else { path };
        let run = Command::new(PROGRAM).args([command, &argument]).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{run:?}");
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("ours.html.jinja:2:"), "{command}: {said}");
    }
}
