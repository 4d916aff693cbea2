//! Copies of a store: made while a server runs, checked, and put back.
//!
//! A copy is written by SQLite itself from a connection that can only read, so it is one moment of
//! the store whatever the writer does meanwhile, and the writer waits for nobody. It holds no more
//! than the store does: what was dropped is not in it. No file of a store is ever copied as a file.
//! Called by `app` for the commands `backup` and `restore`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::check::{Archive, Holdings};
use super::error::Trying;
use super::rows::named;
use super::schema;
use crate::domain::Timestamp;

/// How the folders begin into which `restore` moves what it replaces.
const REPLACED: &str = "replaced-";

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the store holds now.
    pub holdings: Holdings,
    /// Where the database that was there before is now.
    pub put_aside: Option<PathBuf>,
}

/// Writes a copy of a store into a file, while a server may be running on it. The file is there
/// whole and checked, or not at all.
///
/// # Errors
/// When there is no store, the file exists and is not to be replaced, it cannot be written, or what
/// was copied is not sound.
pub fn back_up(folder: &Path, destination: &Path, replace: bool) -> Result<Holdings, StoreError> {
    let database = database_in(folder)?;
    expect_free(folder, destination, replace)?;
    let partial = Partial::beside(destination)?;
    copy(&database, partial.path())?;
    let holdings = check(partial.path())?;
    expect_free(folder, destination, replace)?;
    partial.install(destination)?;
    Ok(holdings)
}

/// Puts a backup into a store's folder. The backup is checked first; a database that is there is
/// moved aside, and nothing is deleted.
///
/// # Errors
/// When the backup is not sound, a scribed runs on the folder, the folder holds something and it is
/// not to be replaced, or the disk refuses. The store is then as it was before.
pub fn restore(
    source: &Path,
    folder: &Path,
    replace: bool,
    now: Timestamp,
) -> Result<Restored, StoreError> {
    let what = format!("reading the backup {}", source.display());
    if !source.try_exists().trying(&what)? {
        return Err(StoreError::Broken(format!(
            "there is no file {}; name the one that `scribed backup` wrote",
            source.display()
        )));
    }
    if fs::metadata(source).trying(&what)?.is_dir() {
        return Err(StoreError::Broken(format!(
            "{} is a folder; name the file that `scribed backup` wrote",
            source.display()
        )));
    }
    check(source)?;
    let _lock = schema::lock_folder(folder)?;
    if !replace && let Some(name) = first_entry(folder)? {
        return Err(StoreError::Broken(format!(
            "the folder {} is not empty (it holds {name}); choose another --storage.path, or give \
             --force to move its database aside",
            folder.display()
        )));
    }
    let database = schema::database_path(folder);
    let partial = Partial::beside(&database)?;
    copy(source, partial.path())?;
    let holdings = check(partial.path())?;
    let put_aside = put_aside(folder, now)?;
    partial.install(&database)?;
    Ok(Restored { holdings, put_aside })
}

/// The database of a store that is there.
///
/// # Errors
/// When there is none.
pub(super) fn database_in(folder: &Path) -> Result<PathBuf, StoreError> {
    let database = schema::database_path(folder);
    if database.is_file() {
        return Ok(database);
    }
    Err(StoreError::Broken(format!(
        "there is no store in {}; name its folder with --storage.path",
        folder.display()
    )))
}

/// Writes what a database holds at this moment into an empty file. Pages that the database no
/// longer uses stay behind.
///
/// # Errors
/// When it cannot be read, or the file cannot be written.
pub(super) fn copy(database: &Path, into: &Path) -> Result<(), StoreError> {
    let Some(target) = into.to_str() else {
        return Err(StoreError::Broken(format!(
            "{} cannot be written to: its name is not UTF-8",
            into.display()
        )));
    };
    let source = schema::open_source(database)?;
    schema::version_of(&source, database)?;
    source
        .execute("VACUUM INTO :target", named! { target: target })
        .trying(&format!("copying {} to {target}", database.display()))
        .map(drop)
}

fn check(path: &Path) -> Result<Holdings, StoreError> {
    let archive = Archive::open(path)?;
    archive.expect_sound()?;
    archive.holdings()
}

/// Refuses a place that is taken, and any in the folder of the store: a backup there would be lost
/// together with what it is to save, or even take its place.
fn expect_free(folder: &Path, destination: &Path, replace: bool) -> Result<(), StoreError> {
    let parent = parent_of(destination);
    let is_inside = fs::canonicalize(parent)
        .and_then(|parent| Ok(parent.starts_with(fs::canonicalize(folder)?)))
        .trying(&format!("finding the folder {}", parent.display()))?;
    let shown = destination.display();
    let refusal = if is_inside {
        format!("{shown} lies in the store's own folder; choose another one, best on another disk")
    } else if destination.is_dir() {
        format!("{shown} is a folder; name a file")
    } else if fs::metadata(destination).is_ok_and(|there| !there.is_file()) {
        // Replacing a device would take it away from the whole machine.
        format!("{shown} is a device or the like; name a plain file")
    } else if !replace && fs::symlink_metadata(destination).is_ok() {
        format!("{shown} exists; choose another name, or give --force to replace it")
    } else {
        return Ok(());
    };
    Err(StoreError::Broken(refusal))
}

/// Something that a folder holds, when it holds more than a lock and what former restores put
/// aside.
fn first_entry(folder: &Path) -> Result<Option<String>, StoreError> {
    let what = format!("reading the folder {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).trying(&what)? {
        names.push(entry.trying(&what)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.into_iter().find(|name| name != schema::LOCK_FILE && !name.starts_with(REPLACED)))
}

/// Puts the database of a folder, if there is one, into a folder of its own beside. Its name stays
/// in place until the new one takes it, so that a power cut leaves one of the two.
fn put_aside(folder: &Path, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    let database = schema::database_path(folder);
    tidy(&database);
    let files: Vec<PathBuf> = ["", "-wal", "-shm"]
        .into_iter()
        .map(|suffix| with_suffix(&database, suffix))
        .filter(|path| fs::symlink_metadata(path).is_ok())
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    // Colons are not allowed in names everywhere.
    let aside = folder.join(format!("{REPLACED}{}", now.to_string().replace(':', "-")));
    let what = format!("moving the former database to {}", aside.display());
    fs::create_dir(&aside).trying(&what)?;
    for file in &files {
        let Some(name) = file.file_name() else { continue };
        let target = aside.join(name);
        if *file == database {
            // Where the disk knows no second names, a plain move has to do.
            fs::hard_link(file, &target).or_else(|_| fs::rename(file, &target)).trying(&what)?;
        } else {
            fs::rename(file, &target).trying(&what)?;
        }
    }
    sync(&aside).and_then(|()| sync(folder)).trying(&what)?;
    Ok(Some(aside))
}

/// Moves the write-ahead log into its database, so that one file is the whole of it. Only a help:
/// a damaged database is put aside with its log as they are.
fn tidy(database: &Path) {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    if let Ok(connection) = rusqlite::Connection::open_with_flags(database, flags) {
        drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes what was written durable; for a folder, the names in it.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A file that is not finished. It goes when this is dropped, unless it was installed.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    is_installed: bool,
}

impl Partial {
    /// An empty file for its owner alone, in the folder of the one that it is to become.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn beside(finished: &Path) -> Result<Self, StoreError> {
        let path = with_suffix(finished, &format!(".{}.partial", std::process::id()));
        let what = format!("writing {}", path.display());
        // Of this name is only what a process of our number left behind when it was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).trying(&what);
            }
            Ok(()) | Err(_) => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).trying(&what)?;
        Ok(Self { path, is_installed: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, after all of it has reached the disk.
    fn install(mut self, finished: &Path) -> Result<(), StoreError> {
        let what = format!("writing {}", finished.display());
        sync(&self.path).trying(&what)?;
        fs::rename(&self.path, finished).trying(&what)?;
        self.is_installed = true;
        sync(parent_of(finished)).trying(&what)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_installed {
            // What cannot be removed stays behind under a name that says what it is.
            drop(fs::remove_file(&self.path));
        }
    }
}
