//! Every parser with its corpus, and with what luck makes of it: the fuzz targets of `fuzz/` without
//! a fuzzer, so that every `cargo test` tries them on any toolchain. Seeded, and bounded by number.
//!
//! ```sh
//! PARSER_ROUNDS=100000 cargo test --release --test parsers    # longer
//! fuzz/run 60                                                 # led by coverage
//! ```

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failure is the finding")]

#[expect(unreachable_pub, reason = "the fuzz crate uses the same file from outside")]
mod targets;

use std::path::{Path, PathBuf};

use targets::{TARGETS, Target};

/// Mutations of each target in every run.
const ROUNDS: u64 = 300;
/// A mutated body is at most this long.
const BYTES_MAX: usize = 64 * 1024;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().for_each(|path| collect(path, files));
    } else {
        files.push(path.to_owned());
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for place in target.corpus {
        let path = root().join(place);
        assert!(path.exists(), "{place} of {} is not there", target.name);
        collect(&path, &mut files);
    }
    // What the fuzzer found worth keeping.
    let found = root().join("fuzz/found").join(target.name);
    if found.exists() {
        collect(&found, &mut files);
    }
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Text that parsers stumble over.
const MORSELS: [&[u8]; 16] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\u0000",
    b"null",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"\xff\xfe",
    "\u{202e}".as_bytes(),
    b"0001-01-01T00:00:00Z",
    b"\n",
    b"{{",
    b"99999999999999d",
];

/// Something like the corpus, but not quite.
fn mutate(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let morsel = MORSELS[dice.below(MORSELS.len())];
                drop(bytes.splice(at..at, morsel.iter().copied()));
            }
            3 => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece.repeat(dice.below(20))));
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let morsel = MORSELS[dice.below(MORSELS.len())];
                drop(bytes.splice(at..end, morsel.iter().copied()));
            }
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

#[test]
fn no_bytes_break_a_parser() {
    let rounds = std::env::var("PARSER_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let attempt = |bytes: &[u8], what: &str| {
            let run = std::panic::AssertUnwindSafe(|| (target.run)(bytes));
            if std::panic::catch_unwind(run).is_err() {
                let kept = std::env::temp_dir().join(format!("scribed-{}-crash", target.name));
                std::fs::write(&kept, bytes).unwrap();
                panic!("{}: {what} breaks it; the bytes are in {}", target.name, kept.display());
            }
        };
        corpus.iter().for_each(|bytes| attempt(bytes, "its corpus"));
        let mut dice = Dice(rounds);
        for round in 0..rounds {
            attempt(&mutate(&mut dice, &corpus), &format!("round {round}"));
        }
    }
}

#[test]
fn every_target_is_a_fuzz_target_too() {
    let folder = root().join("fuzz/fuzz_targets");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let mut named: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    named.sort_unstable();
    assert_eq!(there, named);
}
