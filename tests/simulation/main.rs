//! A life of scribed, made up from a seed: alerts, people, clocks that step, disks that fail, kills
//! and power cuts, over the real store on a disk that forgets, with the real engine and machine.
//!
//! A life is a list of operations (`operation`), played by `world`, which asks `oracle` again and
//! again whether the laws hold:
//!
//! - what was answered is in the ledger, at its place, once; nothing else is but what was cut before
//!   its answer; record time never goes back and never runs ahead;
//! - while the disk refuses, the answer is "try again" and nothing else, reading goes on, and the
//!   first thing after it is mended succeeds, without a restart;
//! - working the ledger in anew gives what is stored, byte for byte (`scribed verify`), and a draft
//!   is the same after a kill;
//! - what was taken back is read nowhere any more, and final drafts have their documents again;
//! - every incident has a cause that was told; every alert that was told is there; what people
//!   wrote and where they put an alert stays.
//!
//! Not a failure: an operation without an answer that turns out to be there, and one that is not.
//! The same seed gives the same list; the moments at which SQLite moves its log into the database
//! are SQLite's own and the same again.
//!
//! ```sh
//! cargo test --test simulation                                      # a few dozen lives
//! SIMULATION_SEEDS=10000 cargo test --release --test simulation     # many
//! SIMULATION_FIRST=4711 SIMULATION_SEEDS=1 cargo test --test simulation
//! ```
//!
//! In the lives from seed 1,000,001 on words are taken back as well.
//! A life that breaks a law is made as short as it can be and printed as a literal; it then belongs
//! into `found`.

#![expect(clippy::unwrap_used, reason = "a failure is the finding")]

mod dice;
mod found;
mod operation;
mod oracle;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use operation::Operation;

/// Lives that every run of the tests tries.
const SEEDS: u64 = 48;
/// Lives in which words are taken back that every run tries.
const SEEDS_TAKING_BACK: u64 = 24;
/// Attempts to make a failing life shorter.
const SHRINKS_MAX: usize = 400;
/// Lives at once: the machine's processors are few, and the lives do not share anything.
const THREADS: u64 = 2;

/// Plays a life; what broke, if anything did.
fn play(operations: &[Operation]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| world::play(operations))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("it panicked: {}", text.unwrap_or_default()))
    })
}

/// The shortest list that still breaks a law, by leaving out ever smaller pieces.
fn shrink(mut operations: Vec<Operation>) -> (Vec<Operation>, String) {
    let mut problem =
        play(&operations).err().unwrap_or_else(|| "it does not fail again".to_owned());
    let mut attempts = 0;
    let mut piece = operations.len() / 2;
    while piece > 0 && attempts < SHRINKS_MAX {
        let mut at = 0;
        while at < operations.len() && attempts < SHRINKS_MAX {
            let mut shorter = operations.clone();
            shorter.drain(at..(at + piece).min(operations.len()));
            attempts += 1;
            match play(&shorter) {
                // Another fault on the way is a find of its own, for another day.
                Err(other) if sort_of(&other) == sort_of(&problem) => {
                    (operations, problem) = (shorter, other);
                }
                Err(_) | Ok(()) => at += piece,
            }
        }
        piece /= 2;
    }
    (operations, problem)
}

/// What tells one sort of failure from another: its words without numbers.
fn sort_of(problem: &str) -> String {
    problem.chars().filter(|c| c.is_alphabetic()).take(20).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => default,
    }
}

#[test]
fn no_life_breaks_a_law() {
    live(number("SIMULATION_FIRST", 1), number("SIMULATION_SEEDS", SEEDS));
}

#[test]
fn no_life_in_which_words_are_taken_back_breaks_a_law() {
    live(operation::TAKING_BACK, SEEDS_TAKING_BACK);
}

/// Plays so many lives from a seed on.
#[track_caller]
#[expect(clippy::print_stdout, reason = "who plays many lives wants to know which ones")]
fn live(first: u64, seeds: u64) {
    let last = first + seeds;
    let next = AtomicU64::new(first);
    let failures: Vec<(u64, String)> = std::thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= last || failures.len() > 4 {
                    return failures;
                }
                if let Err(problem) = play(&operation::life(seed)) {
                    failures.push((seed, problem));
                }
            }
        };
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let Some((seed, _)) = failures.first() else {
        println!("{} lives from seed {first} on broke no law", last - first);
        return;
    };
    let (shortest, problem) = shrink(operation::life(*seed));
    panic!(
        "seed {seed} breaks a law: {problem}\nall: {failures:#?}\nThe shortest list:\n\
         &{shortest:?}"
    );
}
