//! The house rules that a compiler does not check: who imports whom, which rooms are pure, how
//! long a file may be, and that names in documents and alert rules exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::fixtures::root;

/// Who may import whom; `lib` and what is not listed may import nothing of ours. The nouns are for
/// everyone, since they import nothing themselves.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["app", "config", "telemetry", "clock", "domain"]),
    (
        "app",
        &["http", "engine", "drafts", "store", "metrics", "clock", "shutdown", "config", "domain"],
    ),
    (
        "http",
        &[
            "drafts", "store", "ingest", "render", "domain", "metrics", "clock", "shutdown",
            "config",
        ],
    ),
    ("engine", &["store", "correlate", "domain", "metrics", "clock", "shutdown", "config"]),
    ("drafts", &["store", "timeline", "domain", "render", "metrics", "clock", "config"]),
    ("store", &["domain", "metrics", "clock", "shutdown", "config"]),
    ("render", &["timeline", "domain"]),
    ("ingest", &["domain"]),
    ("correlate", &["domain"]),
    ("timeline", &["domain"]),
    // A validated configuration holds the machine's rules and people's templates, parsed; the clock
    // tells our moments; a log has both.
    ("config", &["domain", "render"]),
    ("clock", &["domain"]),
    ("telemetry", &["config", "clock"]),
];

/// Rooms without I/O, clock, threads or frameworks.
const PURE: [&str; 5] = ["domain", "ingest", "correlate", "timeline", "render"];

/// What a pure room never names.
const FORBIDDEN: [&str; 15] = [
    "tokio",
    "hyper",
    "axum",
    "rusqlite",
    "prometheus::",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "crate::clock",
];

/// True when a room has a module of its own that is called like a crate of others: its name then
/// means that module.
fn is_own_module(room: &str, word: &str) -> bool {
    root().join(format!("src/{room}/{}.rs", word.trim_end_matches("::"))).exists()
}

/// Longest file, in lines without tests.
const LINES_MAX: usize = 700;

/// A source file without comments, text and tests.
struct Source {
    path: PathBuf,
    room: String,
    code: String,
    lines: usize,
}

/// All source files of the program, tests left out.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    assert!(!files.is_empty());
    let tests: Vec<PathBuf> = files.iter().flat_map(|path| test_modules(path)).collect();
    files
        .iter()
        .filter(|path| !tests.iter().any(|test| path.starts_with(test)))
        .map(|path| read(path))
        .collect()
}

/// Adds the Rust files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Files and folders of the modules that a file declares for its tests alone.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let folder = match path.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs") => path.with_file_name(""),
        _ => path.with_extension(""),
    };
    let declared = regex::Regex::new(r"(?m)^#\[cfg\(test\)\]\n(?:pub\S* )?mod (\w+);").unwrap();
    declared
        .captures_iter(&fs::read_to_string(path).unwrap())
        .flat_map(|found| [folder.join(format!("{}.rs", &found[1])), folder.join(&found[1])])
        .collect()
}

/// Reads a file and takes comments, text and its tests out.
fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let relative = path.strip_prefix(root().join("src")).unwrap().to_path_buf();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    let room = first.trim_end_matches(".rs").to_owned();
    let code = without_tests(&without_comments_and_text(&text));
    let lines = without_tests(&text).lines().count();
    Source { path: relative, room, code, lines }
}

/// Everything before the module with the tests, which stands last in a file.
fn without_tests(text: &str) -> String {
    let begin = regex::Regex::new(r"(?m)^#\[cfg\(test\)\]\s*\n(?:#\[.*\n)*mod \w+ \{").unwrap();
    begin.find(text).map_or(text, |found| &text[..found.start()]).to_owned()
}

/// The code alone: comments, strings and characters become blanks, lines stay.
fn without_comments_and_text(text: &str) -> String {
    let pattern = regex::Regex::new(
        r##"(?s)//[^\n]*|/\*.*?\*/|b?r#+".*?"#+|b?r"[^"]*"|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]{1,8}?|[^'\\\n])'"##,
    )
    .unwrap();
    pattern
        .replace_all(text, |found: &regex::Captures<'_>| {
            let lines = found[0].matches('\n').count();
            if lines == 0 { " ".to_owned() } else { "\n".repeat(lines) }
        })
        .into_owned()
}

/// The rooms that a file names: `crate::room`, also in lists, and `super::room` in a room's root.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let single = regex::Regex::new(r"\b(?:crate|scribed)::([a-z_]+)\b").unwrap();
    rooms.extend(single.captures_iter(&source.code).map(|found| found[1].to_owned()));
    let list = regex::Regex::new(r"\b(?:crate|scribed)::\{([^;]*)\}").unwrap();
    for found in list.captures_iter(&source.code) {
        rooms.extend(heads(&found[1]));
    }
    // From a file of the first level, `super` is the crate; one level down, `super::super` is.
    let depth = source.path.components().count();
    let up = regex::Regex::new(&format!(r"\b(?:super::){{{depth}}}([a-z_]+)\b")).unwrap();
    rooms.extend(up.captures_iter(&source.code).map(|found| found[1].to_owned()));
    rooms.retain(|room| root().join(format!("src/{room}.rs")).exists());
    rooms.remove(&source.room);
    rooms
}

/// The first names of the items of an import list: `{a::b, c}` gives a and c.
fn heads(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut items = vec![String::new()];
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            other if depth == 0 => items.last_mut().expect("never empty").push(other),
            _ => {}
        }
    }
    items
        .iter()
        .map(|item| item.trim().split("::").next().unwrap_or("").trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

#[test]
fn rooms_import_only_whom_they_may() {
    let mut broken = Vec::new();
    for source in sources() {
        let allowed = MAY_IMPORT
            .iter()
            .find(|(room, _)| *room == source.room)
            .map_or(&[] as &[&str], |(_, allowed)| allowed);
        for room in imports(&source) {
            if !allowed.contains(&room.as_str()) {
                broken.push(format!("src/{} imports {room}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pure_rooms_name_nothing_of_the_outer_world() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        for (number, line) in source.code.lines().enumerate() {
            for word in FORBIDDEN
                .iter()
                .filter(|word| line.contains(**word) && !is_own_module(&source.room, word))
            {
                broken.push(format!("src/{}:{} names {word}", source.path.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn files_can_be_held_in_mind() {
    let too_long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines > LINES_MAX)
        .map(|source| {
            format!("src/{}: {} lines without tests", source.path.display(), source.lines)
        })
        .collect();
    assert!(too_long.is_empty(), "split {too_long:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    for source in sources() {
        let text = fs::read_to_string(root().join("src").join(&source.path)).unwrap();
        assert!(text.starts_with("//!"), "src/{} does not begin with //!", source.path.display());
    }
}

/// Every `scribed_…` metric that a text names, without the suffixes of histograms.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let name = regex::Regex::new(r"\bscribed_[a-z_]+\b").unwrap();
    name.find_iter(text)
        .map(|found| {
            let found = found.as_str();
            ["_bucket", "_count", "_sum"]
                .into_iter()
                .find_map(|suffix| found.strip_suffix(suffix))
                .unwrap_or(found)
                .to_owned()
        })
        .collect()
}

#[test]
fn metrics_in_alert_rules_and_documents_exist() {
    let declared = metrics_in(&fs::read_to_string(root().join("src/metrics.rs")).unwrap());
    for file in ["deploy/prometheus/scribed.rules.yml", "docs/operations.md", "README.md"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let unknown: Vec<_> = metrics_in(&text).difference(&declared).cloned().collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let operations = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let told = metrics_in(&operations);
    let untold: Vec<_> = declared.difference(&told).collect();
    assert!(untold.is_empty(), "docs/operations.md does not explain {untold:?}");
}

#[test]
fn every_alert_rule_of_ours_says_what_to_do() {
    let rules = fs::read_to_string(root().join("deploy/prometheus/scribed.rules.yml")).unwrap();
    let operations = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let tests =
        fs::read_to_string(root().join("deploy/prometheus/scribed.rules.test.yml")).unwrap();
    let alert = regex::Regex::new(r"- alert: (\w+)").unwrap();
    for found in alert.captures_iter(&rules) {
        assert!(
            operations.contains(&format!("### {}", &found[1])),
            "{} is not explained",
            &found[1]
        );
        assert!(tests.matches(&found[1]).count() >= 2, "{} is not tested", &found[1]);
    }
}

#[test]
fn every_key_of_the_default_configuration_is_documented() {
    let defaults = fs::read_to_string(root().join("config/scribed.default.yml")).unwrap();
    let reference = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let key = regex::Regex::new(r"^[ #-]*([a-z_]+):(?: |$)").unwrap();
    for line in defaults.lines() {
        // A key that is not set by default stands behind a `#` without a blank.
        let is_prose = line.trim_start().starts_with("# ");
        if let Some(found) = key.captures(line).filter(|_| !is_prose) {
            assert!(reference.contains(&found[1]), "{} is not in docs/configuration.md", &found[1]);
        }
    }
}

#[test]
fn the_reader_of_sources_sees_code_alone() {
    let check = |code: &str, rooms: &[&str]| {
        let source = Source {
            path: "http/ingest.rs".into(),
            room: "http".to_owned(),
            code: without_tests(&without_comments_and_text(code)),
            lines: 0,
        };
        let found = imports(&source);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), rooms, "{code}");
    };
    check("use crate::store::Store;", &["store"]);
    check("use crate::{clock, domain::{Name, Seq}, store::Store};", &["clock", "domain", "store"]);
    check("use super::super::metrics::Metrics;", &["metrics"]);
    check("// use crate::store::Store;\n/* crate::store */ let x = \"crate::store\";", &[]);
    check("let x = r#\"crate::store\"#; let y = '\"'; crate::domain::f();", &["domain"]);
    check("fn f<'a>(x: &'a str) { crate::domain::g(x) }", &["domain"]);
    check("use crate::http::Shared;", &[]);
    check("a();\n#[cfg(test)]\nmod tests {\n use crate::store::Store;\n}", &[]);
}
