//! The drafts in `docs/examples` are what the program makes of the five outages, byte for byte.
//!
//! After a change of words, write them anew with `UPDATE_EXAMPLES=1 cargo test --test it examples`
//! and read the difference.

use std::fs;
use std::path::PathBuf;

use crate::scenarios::{Pace, Scenario, diff, draft, play};
use crate::support::fixtures::root;

/// Set to write the examples anew.
const UPDATE: &str = "UPDATE_EXAMPLES";

/// The outages that are shown, by the name of their fixture.
const OUTAGES: [&str; 5] = [
    "accounts-outage",
    "bookstore-503",
    "ecommerce-cascade",
    "food-delivery",
    "replication-failure",
];
/// The one that is shown as a page as well.
const SHOWN_AS_PAGE: &str = "bookstore-503";
/// The one whose chart is shown as well.
const SHOWN_AS_CHART: &str = "ecommerce-cascade";

fn folder() -> PathBuf {
    root().join("docs/examples")
}

/// What the program makes of an outage, with the names of the files that hold it.
fn made(name: &str) -> Vec<(String, String)> {
    let scenario = Scenario::read(name);
    let (server, id) = play(&scenario, Pace::Full);
    let mut files = vec![(format!("{name}.md"), draft(&server, id, &scenario, "markdown"))];
    if name == SHOWN_AS_PAGE {
        files.push((format!("{name}.html"), draft(&server, id, &scenario, "html")));
    }
    if name == SHOWN_AS_CHART {
        let zone = &scenario.timezone;
        let chart = server.get(&format!("/api/v1/incidents/{id}/timeline.svg?tz={zone}"));
        files.push((format!("{name}.svg"), chart.expect(200).text()));
    }
    files
}

fn check(name: &str) {
    for (file, text) in made(name) {
        let path = folder().join(&file);
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == text,
            "docs/examples/{file} is not what the program makes; if the new one is right, set \
             {UPDATE}=1:\n{}",
            diff(&stored, &text)
        );
    }
}

#[test]
fn the_five_outages_stand_as_made() {
    OUTAGES.into_iter().for_each(check);
}

#[test]
fn the_index_names_every_example_and_no_other() {
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    let link = regex::Regex::new(r"\]\(([a-z0-9-]+\.(?:md|html|svg))\)").unwrap();
    let mut named: Vec<String> = link.captures_iter(&index).map(|f| f[1].to_owned()).collect();
    let mut there: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    named.sort();
    there.sort();
    assert_eq!(named, there);
}
