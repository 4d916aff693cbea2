//! A disk for tests that fills up, fails, and forgets what was not synced.
//!
//! SQLite asks a "VFS" for every file operation. [`Disk::below`] puts a layer over the system's
//! own one and makes it SQLite's default for this process, so the program under test is run as it
//! is, without any seam. Files outside every disk's folder are passed through untouched.
//!
//! Three things can be done to a disk: let operations fail ([`Fault`]), let it stop dead after so
//! many more writes (the process then has crashed, at any point of a commit), and let it come back
//! either with all that was written (a killed process) or only with what was synced and a chosen
//! part of the rest, torn at sectors (a power cut).
//!
//! It is a crate of its own because SQLite is C: this is the only unsafe code near scribed, and the
//! program itself forbids any. Used by `tests/simulation`, and never part of the program.

mod files;
mod layer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use files::Journal;

/// What goes wrong until it is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// No file can grow; half of a write that would have grown it is done.
    Full,
    /// Nothing can be written, as after the system has mounted it read-only.
    ReadOnly,
    /// What is written is taken, but no sync succeeds, and what it was to make durable is not.
    SyncFails,
    /// Nothing can be read.
    ReadFails,
}

/// A simulated disk: everything below one folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    folder: PathBuf,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    fault: Fault,
    /// Operations that may still fail; `None` is for ever.
    faults_left: Option<u32>,
    /// Changes of files until everything stops.
    changes_left: Option<u32>,
    is_dead: bool,
    journals: HashMap<PathBuf, Journal>,
    /// Changes of files since the beginning.
    changes: u64,
}

/// What an operation is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write { grows: bool },
    Sync,
    Truncate,
    Delete,
    Open,
}

/// How an operation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As asked.
    Done,
    /// It fails with this code, and nothing was done.
    Fails(i32),
    /// Half of it is done before it fails.
    Torn(i32),
}

static DISKS: RwLock<Vec<(PathBuf, Disk)>> = RwLock::new(Vec::new());

impl Disk {
    /// A disk that holds everything below a folder, sound for now.
    ///
    /// # Panics
    /// When the folder does not exist.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        layer::install();
        let folder = folder.canonicalize().expect("the folder of a disk exists");
        let disk = Self { state: Arc::default(), folder: folder.clone() };
        let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
        disks.push((folder, disk.clone()));
        disk
    }

    /// The disk on which a file is.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let disks = DISKS.read().unwrap_or_else(PoisonError::into_inner);
        disks.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, disk)| disk.clone())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets operations fail from now on until another fault is set.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.faults_left) = (fault, None);
    }

    /// Lets the next so many operations fail that the fault is about.
    pub fn set_for(&self, fault: Fault, operations: u32) {
        let mut state = self.state();
        (state.fault, state.faults_left) = (fault, Some(operations));
    }

    /// Stops everything dead after so many more changes of files.
    pub fn stop_after(&self, changes: u32) {
        let mut state = self.state();
        if changes == 0 {
            state.is_dead = true;
        }
        state.changes_left = Some(changes);
    }

    /// True when it has stopped dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// How many changes of files there were so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Comes back sound after the process was killed: all that was written is there. The program
    /// must have closed every file.
    pub fn come_back(&self) {
        let mut state = self.state();
        (state.fault, state.faults_left) = (Fault::None, None);
        (state.changes_left, state.is_dead) = (None, false);
    }

    /// Comes back sound after a power cut: what was synced is there, and of the rest what `keep`
    /// says, asked once for each sector of each write. The program must have closed every file.
    ///
    /// # Panics
    /// When the files cannot be written for real.
    pub fn come_back_after_power_cut(&self, mut keep: impl FnMut() -> bool) {
        let mut state = self.state();
        let mut paths: Vec<PathBuf> = state.journals.keys().cloned().collect();
        paths.sort();
        for path in paths {
            let Some(journal) = state.journals.remove(&path) else { continue };
            let Ok(image) = std::fs::read(&path) else { continue };
            let left = journal.after_power_cut(image, &mut keep);
            std::fs::write(&path, left).expect("the image after the power cut is written");
        }
        drop(state);
        // The index of the log lives in memory that is shared by processes; none is left.
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with("-shm") {
                drop(std::fs::remove_file(entry.path()));
            }
        }
        self.come_back();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The list and this one: nobody else can reach it any more.
        if Arc::strong_count(&self.state) == 2 {
            let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = disks.iter().position(|(folder, _)| *folder == self.folder) {
                let gone = disks.swap_remove(at);
                drop(disks);
                // Its own drop finds a count of two again, and nothing in the list.
                drop(gone);
            }
        }
    }
}

impl State {
    /// Decides how an operation ends, and counts it.
    pub(crate) fn judge(&mut self, operation: Operation) -> Verdict {
        use rusqlite::ffi;
        let generic = match operation {
            Operation::Read => ffi::SQLITE_IOERR_READ,
            Operation::Write { .. } => ffi::SQLITE_IOERR_WRITE,
            Operation::Sync => ffi::SQLITE_IOERR_FSYNC,
            Operation::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
            Operation::Delete => ffi::SQLITE_IOERR_DELETE,
            Operation::Open => ffi::SQLITE_CANTOPEN,
        };
        if self.is_dead {
            return Verdict::Fails(generic);
        }
        let is_change = !matches!(operation, Operation::Read | Operation::Open);
        if is_change {
            self.changes += 1;
            if let Some(left) = &mut self.changes_left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.is_dead = true;
                    return Verdict::Torn(generic);
                }
            }
        }
        let verdict = match (self.fault, operation) {
            (Fault::Full, Operation::Write { grows: true }) => Verdict::Torn(ffi::SQLITE_FULL),
            (Fault::ReadOnly, Operation::Read | Operation::Open) => Verdict::Done,
            (Fault::ReadOnly, _)
            | (Fault::SyncFails, Operation::Sync)
            | (Fault::ReadFails, Operation::Read) => Verdict::Fails(generic),
            _ => Verdict::Done,
        };
        if verdict != Verdict::Done
            && let Some(left) = &mut self.faults_left
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                (self.fault, self.faults_left) = (Fault::None, None);
            }
        }
        verdict
    }

    pub(crate) fn journal(&mut self, path: &Path) -> &mut Journal {
        self.journals.entry(path.to_owned()).or_default()
    }

    pub(crate) fn forget(&mut self, path: &Path) {
        self.journals.remove(path);
    }
}
