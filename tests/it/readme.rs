//! The README's commands and paths exist, and its first steps do what it says.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::contract::unnamed;
use crate::support::{Server, fixtures, server};

/// Every Markdown file that shows commands.
const DOCUMENTS: [&str; 3] = ["README.md", "docs/operations.md", "docs/architecture.md"];

/// The lines of all shell blocks of a Markdown file, with `\` at the end of a line joined.
fn shell_lines(name: &str) -> Vec<String> {
    let text = fs::read_to_string(fixtures::root().join(name)).unwrap();
    let mut lines = Vec::new();
    let mut is_shell = false;
    let mut pending = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_shell = line == "```sh";
        } else if is_shell {
            pending.push_str(line.trim_end_matches('\\').trim());
            pending.push(' ');
            if !line.ends_with('\\') {
                lines.push(std::mem::take(&mut pending).trim().to_owned());
            }
        }
    }
    lines
}

#[test]
fn commands_that_documents_show_exist_with_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let command = regex::Regex::new(r"(?:^|[\s/(])scribed ([a-z][a-z-]+)( [a-z]+)?").unwrap();
    let flag = regex::Regex::new(r"(?:^|\s)(--[a-z][a-z.-]+)").unwrap();
    let mut seen = 0;
    for line in DOCUMENTS.iter().flat_map(|name| shell_lines(name)) {
        let Some(found) = command.captures(&line) else { continue };
        let mut arguments = vec![found[1].to_owned()];
        if &found[1] == "incident" {
            arguments.extend(found.get(2).map(|word| word.as_str().trim().to_owned()));
        }
        arguments.push("--help".to_owned());
        let output = server::program(folder.path()).args(&arguments).output().unwrap();
        assert!(output.status.success(), "{line}");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        for flag in flag.captures_iter(&line) {
            assert!(help.contains(&flag[1]), "{line}: no {} in\n{help}", &flag[1]);
        }
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} commands found");
}

#[test]
fn paths_that_documents_show_exist() {
    let server = Server::start();
    let api = server.get_json("/api/v1/openapi.json");
    let known: Vec<String> = api["paths"].as_object().unwrap().keys().map(|p| unnamed(p)).collect();
    let url = regex::Regex::new(r"http://(?:127\.0\.0\.1|localhost):7274(/[^\s'\x22?]*)").unwrap();
    for line in DOCUMENTS.iter().flat_map(|name| shell_lines(name)) {
        for found in url.captures_iter(&line) {
            let parts: Vec<&str> = found[1].split('/').collect();
            let is_known = known.iter().any(|path| {
                let path: Vec<&str> = path.split('/').collect();
                path.len() == parts.len()
                    && path.iter().zip(&parts).all(|(known, part)| *known == "{}" || known == part)
            });
            assert!(is_known || &found[1] == "/", "{} in: {line}", &found[1]);
        }
    }
}

#[test]
fn files_that_documents_point_to_exist() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    for name in DOCUMENTS.iter().chain(&["CHANGELOG.md"]) {
        let file = fixtures::root().join(name);
        let text = fs::read_to_string(&file).unwrap();
        for found in link.captures_iter(&text) {
            let target = file.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{name} points to {}", &found[1]);
        }
    }
}

#[test]
fn the_first_steps_of_the_readme_lead_to_a_draft() {
    let lines = shell_lines("README.md");
    let step = |beginning: &str| {
        lines
            .iter()
            .find(|line| line.contains("curl") && line.contains(beginning))
            .unwrap_or_else(|| panic!("the README shows no curl to {beginning}"))
    };
    let server = Server::start();
    let run = |line: &str| {
        let line = line.replace("http://127.0.0.1:7274", &server.url());
        let output =
            Command::new("sh").args(["-ec", &line]).current_dir(fixtures::root()).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let answer: Value = serde_json::from_str(&run(step("/api/v1/ingest/alertmanager"))).unwrap();
    assert_eq!(answer["alerts"]["new"], 1, "{answer}");
    server.settle();
    let draft = run(step("/api/v1/incidents/1/draft"));
    assert_eq!(draft, server.get("/api/v1/incidents/1/draft").text());
    assert!(draft.contains("PostgresDown"), "{draft}");
    let change: Value = serde_json::from_str(&run(step("/api/v1/changes"))).unwrap();
    assert!(change["id"].is_string(), "{change}");
}

#[test]
fn the_excerpt_of_a_draft_is_from_a_real_draft() {
    let readme = fs::read_to_string(fixtures::root().join("README.md")).unwrap();
    let excerpt = readme
        .split("<!-- draft-example:begin -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- draft-example:end -->").next())
        .expect("the README has an excerpt");
    let server = Server::start();
    let scenario = fixtures::path("scenarios/bookstore-503.json");
    let output = server::program(server.folder())
        .args(["replay", scenario.to_str().unwrap(), "--url", &server.url()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    server.settle();
    let draft = server.get("/api/v1/incidents/1/draft").expect(200).text();
    let mut seen = 0;
    for line in excerpt.lines().map(str::trim) {
        // Fences belong to the README; an ellipsis says that lines are left out.
        if line.is_empty() || line.starts_with("````") || line == "…" {
            continue;
        }
        assert!(draft.lines().any(|told| told.trim() == line), "not in the draft: {line}\n{draft}");
        seen += 1;
    }
    assert!(seen >= 10, "the excerpt has {seen} lines");
}
