//! Seven public postmortems, minute by minute: how well kinds are suggested from the words alone.
//!
//! What monitoring said is an alert and what was shipped is a change, as the program would hear of
//! them; everything else is a note without a kind. Counted is what a postmortem cannot do without.

use std::collections::BTreeSet;

use jiff::Timestamp;
use scribed::domain::note_kind::suggest_kind;
use serde_json::Value;

use crate::support::fixtures;

/// Kinds that a postmortem cannot do without.
const NEEDED: [&str; 4] = ["detection", "diagnosis", "mitigation", "resolution"];
/// How far an entry may lie from the one it matches, in seconds.
const TOLERANCE_SECONDS: f64 = 120.0;
/// What is reached at least: the harmonic mean of precision and recall.
const FLOOR: f64 = 0.75;

/// An entry: when, and of which kind.
#[derive(Clone, Debug)]
struct Entry {
    at: Timestamp,
    kind: String,
}

/// The entries of each postmortem: as people wrote them, and as the program would tell them.
fn postmortems() -> Vec<(Vec<Entry>, Vec<Entry>)> {
    let text = String::from_utf8(fixtures::bytes("timelines/timelines.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let incident: Value = serde_json::from_str(line).unwrap();
            let mut is_detected = false;
            incident["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| {
                    let at = entry["time"].as_str().unwrap().parse().unwrap();
                    let kind = entry["kind"].as_str().unwrap().to_owned();
                    let told = match kind.as_str() {
                        "detection" if is_detected => "symptom",
                        "detection" => "detection",
                        "trigger" => "change",
                        _ => suggest_kind(entry["text"].as_str().unwrap()).as_str(),
                    };
                    is_detected |= kind == "detection";
                    let told = Entry { at, kind: told.to_owned() };
                    (Entry { at, kind }, told)
                })
                .unzip()
        })
        .collect()
}

/// Pairs of entries that speak of the same moment, each used once, the nearest and those of one
/// kind first.
fn matched(truth: &[Entry], told: &[Entry]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (i, a) in truth.iter().enumerate() {
        for (j, b) in told.iter().enumerate() {
            let apart = a.at.duration_since(b.at).as_secs_f64().abs();
            if apart <= TOLERANCE_SECONDS {
                let odd = if a.kind == b.kind { 0.0 } else { 0.001 + TOLERANCE_SECONDS / 10.0 };
                pairs.push((apart + odd, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
    pairs.retain(|(_, i, j)| {
        let is_free = !left.contains(i) && !right.contains(j);
        if is_free {
            left.insert(*i);
            right.insert(*j);
        }
        is_free
    });
    pairs.into_iter().map(|(_, i, j)| (i, j)).collect()
}

#[test]
fn kinds_suggested_from_the_words_find_what_a_postmortem_needs() {
    let is_needed = |entry: &&Entry| NEEDED.contains(&entry.kind.as_str());
    let (mut found, mut truly, mut claimed) = (0, 0, 0);
    for (truth, told) in postmortems() {
        let right = matched(&truth, &told).into_iter();
        found += right
            .filter(|(i, j)| truth[*i].kind == told[*j].kind && is_needed(&&truth[*i]))
            .count();
        truly += truth.iter().filter(is_needed).count();
        claimed += told.iter().filter(is_needed).count();
    }
    let score = 2.0 * f64::from(found as u32) / f64::from((truly + claimed) as u32);
    assert!(score >= FLOOR, "{score:.3}: {found} found of {truly}, {claimed} claimed");
}

#[test]
fn entries_match_once_and_the_nearest_of_one_kind_first() {
    let entry = |seconds: i64, kind: &str| Entry {
        at: Timestamp::from_second(seconds).unwrap(),
        kind: kind.to_owned(),
    };
    let truth = [entry(0, "a"), entry(0, "b"), entry(500, "a")];
    let told = [entry(0, "b"), entry(5, "a"), entry(700, "a")];
    let mut pairs = matched(&truth, &told);
    pairs.sort_unstable();
    assert_eq!(pairs, [(0, 1), (1, 0)]);
}
