//! Programs of others that some tests need.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The paths of all the programs named, or `None` after saying that the test is passed over.
///
/// # Panics
/// In CI (the environment variable `CI` is set), where nothing may be passed over.
pub(crate) fn programs<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = names.map(|name| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    });
    let missing: Vec<&str> = names
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Some(found.map(|path| path.expect("none is missing")));
    }
    pass_over(&format!("missing: {} (tests/setup.sh installs them)", missing.join(", ")));
    None
}

/// Says that a test is passed over, and why.
///
/// # Panics
/// In CI, where nothing may be passed over.
pub(crate) fn pass_over(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("PASSED OVER: {reason}");
}

/// A process of somebody else's program; killed when dropped, its log printed when the test
/// failed.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; its output goes to `<folder>/<name>.log`.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).expect("a log can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be shared"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Self { child, log }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("it can be waited for")
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {}\n{}\n---", self.log.display(), self.log());
        }
    }
}
