//! The layer itself: SQLite's file methods, each asking the disk first.
//!
//! Safety of the whole: SQLite hands every method a pointer to a file that `open` has filled in,
//! and no two threads use one file at once. The real file lies in the same allocation, right
//! behind ours, because `szOsFile` asks for room for both.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi::{
    self, SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs,
};

use crate::{Disk, Operation, Verdict};

/// A file as SQLite sees it; the real one lies behind it.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// The disk it is on and its path; null where it is on none.
    place: *mut Place,
}

struct Place {
    disk: Disk,
    path: PathBuf,
}

/// The system's own layer, and ours, which is a copy of it but for two methods.
struct Layers {
    real: *mut sqlite3_vfs,
    ours: sqlite3_vfs,
}

// SAFETY: both are written once, before SQLite knows of them, and only read afterwards (but for the
// link to the next layer, which SQLite guards with its own lock).
unsafe impl Send for Layers {}
// SAFETY: as above.
unsafe impl Sync for Layers {}

static LAYERS: OnceLock<Box<Layers>> = OnceLock::new();

/// Makes our layer SQLite's default, once for this process.
pub(crate) fn install() {
    LAYERS.get_or_init(|| {
        // SAFETY: initialising is allowed at any time, and the default layer always exists then.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), SQLITE_OK);
            let real = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!real.is_null(), "SQLite has a file system");
            let mut ours = *real;
            ours.pNext = ptr::null_mut();
            ours.zName = c"scribed-disk".as_ptr();
            ours.szOsFile = c_int::try_from(size_of::<File>()).unwrap() + (*real).szOsFile;
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            let layers = Box::new(Layers { real, ours });
            let pointer = ptr::addr_of!(layers.ours).cast_mut();
            assert_eq!(ffi::sqlite3_vfs_register(pointer, 1), SQLITE_OK);
            layers
        }
    });
}

fn real_layer() -> *mut sqlite3_vfs {
    LAYERS.get().map_or(ptr::null_mut(), |layers| layers.real)
}

/// The methods of our files. Version 2: files are never mapped into memory, so every byte passes
/// here.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn path_of(name: *const std::ffi::c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: names that SQLite hands in end with a zero.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let path = path_of(name);
    let disk = path.as_deref().and_then(Disk::of);
    // SAFETY: SQLite allocated `szOsFile` bytes at `file`.
    unsafe {
        (*file).pMethods = ptr::null();
        if let Some(disk) = &disk
            && let Verdict::Fails(code) | Verdict::Torn(code) = disk.state().judge(Operation::Open)
        {
            return code;
        }
        let real = real_of(file);
        (*real).pMethods = ptr::null();
        let layer = real_layer();
        let Some(real_open) = (*layer).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = real_open(layer, name, real, flags, out_flags);
        if code != SQLITE_OK {
            return code;
        }
        let place =
            disk.zip(path).map(|(disk, path)| Box::into_raw(Box::new(Place { disk, path })));
        (*file.cast::<File>()).place = place.unwrap_or(ptr::null_mut());
        (*file).pMethods = &raw const METHODS;
    }
    SQLITE_OK
}

unsafe extern "C" fn delete(
    _: *mut sqlite3_vfs,
    name: *const std::ffi::c_char,
    sync_folder: c_int,
) -> c_int {
    let path = path_of(name);
    if let Some(path) = &path
        && let Some(disk) = Disk::of(path)
    {
        let mut state = disk.state();
        if let Verdict::Fails(code) | Verdict::Torn(code) = state.judge(Operation::Delete) {
            return code;
        }
        state.forget(path);
    }
    let layer = real_layer();
    // SAFETY: the real layer lives as long as the process.
    unsafe { (*layer).xDelete.map_or(ffi::SQLITE_IOERR, |delete| delete(layer, name, sync_folder)) }
}

/// The real file behind ours.
///
/// # Safety
/// `file` must be one that SQLite allocated for our layer.
unsafe fn real_of(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: `szOsFile` asked for room for both.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// Where the file is.
///
/// # Safety
/// `file` must be one that `open` has filled in and `close` has not ended.
unsafe fn place_of<'a>(file: *mut sqlite3_file) -> Option<&'a Place> {
    // SAFETY: `open` wrote the pointer, and `close` frees it last of all.
    unsafe { (*file.cast::<File>()).place.as_ref() }
}

/// Calls a method of the real file.
macro_rules! really {
    ($file:ident, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: SQLite calls methods only on files that `open` has filled in, and the real file
        // was opened by the real layer, which gives every method up to version 2.
        unsafe {
            let real = real_of($file);
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = really!(file, xClose);
    // SAFETY: `open` made the box, and nobody uses the file after this.
    unsafe {
        let place = std::mem::replace(&mut (*file.cast::<File>()).place, ptr::null_mut());
        if !place.is_null() {
            drop(Box::from_raw(place));
        }
    }
    code
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: see the module.
    if let Some(place) = unsafe { place_of(file) }
        && let Verdict::Fails(code) | Verdict::Torn(code) =
            place.disk.state().judge(Operation::Read)
    {
        return code;
    }
    really!(file, xRead, buffer, amount, offset)
}

/// How long the real file is.
fn length_of(file: *mut sqlite3_file) -> usize {
    let mut length: sqlite3_int64 = 0;
    let code = really!(file, xFileSize, &raw mut length);
    if code == SQLITE_OK { usize::try_from(length).unwrap_or(0) } else { 0 }
}

/// What stands in the real file, as far as it reaches.
fn content(file: *mut sqlite3_file, at: usize, length: usize) -> Vec<u8> {
    let length = length.min(length_of(file).saturating_sub(at));
    let mut bytes = vec![0_u8; length];
    let (Ok(amount), Ok(offset)) = (c_int::try_from(length), sqlite3_int64::try_from(at)) else {
        return Vec::new();
    };
    if amount > 0 {
        really!(file, xRead, bytes.as_mut_ptr().cast(), amount, offset);
    }
    bytes
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: see the module.
    let Some(place) = (unsafe { place_of(file) }) else {
        return really!(file, xWrite, buffer, amount, offset);
    };
    let (Ok(at), Ok(bytes)) = (usize::try_from(offset), usize::try_from(amount)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    let length_before = length_of(file);
    let mut state = place.disk.state();
    let verdict = state.judge(Operation::Write { grows: at + bytes > length_before });
    let (written, code) = match verdict {
        Verdict::Done => (bytes, SQLITE_OK),
        Verdict::Torn(code) => (bytes / 2, code),
        Verdict::Fails(code) => return code,
    };
    if written > 0 {
        let before = content(file, at, written);
        // SAFETY: SQLite hands in `amount` bytes, and `written` is no more.
        let after = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), written) }.to_vec();
        let Ok(amount) = c_int::try_from(written) else { return ffi::SQLITE_IOERR_WRITE };
        let truly = really!(file, xWrite, buffer, amount, offset);
        if truly != SQLITE_OK {
            return truly;
        }
        state.journal(&place.path).wrote(at, before, after, length_before);
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: see the module.
    if let Some(place) = unsafe { place_of(file) } {
        let mut state = place.disk.state();
        if let Verdict::Fails(code) | Verdict::Torn(code) = state.judge(Operation::Truncate) {
            return code;
        }
        let length_before = length_of(file);
        let length = usize::try_from(size).unwrap_or(0);
        let tail = content(file, length, length_before.saturating_sub(length));
        state.journal(&place.path).truncated(length, tail, length_before);
    }
    really!(file, xTruncate, size)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // Nothing is really synced: the journal knows what a power cut would take, and tests are quick.
    // SAFETY: see the module.
    if let Some(place) = unsafe { place_of(file) } {
        let mut state = place.disk.state();
        let verdict = state.judge(Operation::Sync);
        let is_dead = state.is_dead;
        if !is_dead {
            state.journal(&place.path).synced(verdict == Verdict::Done);
        }
        if let Verdict::Fails(code) | Verdict::Torn(code) = verdict {
            return code;
        }
    }
    SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    really!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    really!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    really!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    really!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(
    file: *mut sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    // The hint that a file will grow may allocate for real, behind the journal's back.
    if operation == ffi::SQLITE_FCNTL_SIZE_HINT || operation == ffi::SQLITE_FCNTL_CHUNK_SIZE {
        return ffi::SQLITE_NOTFOUND;
    }
    really!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    really!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // Among them that a write leaves what stands beside it alone, which the journal keeps to.
    really!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    page_size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    really!(file, xShmMap, page, page_size, extend, out)
}

unsafe extern "C" fn shm_lock(
    file: *mut sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    really!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: see the module.
    unsafe {
        let real = real_of(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: see the module.
    let is_dead = unsafe { place_of(file) }.is_some_and(|place| place.disk.state().is_dead);
    let delete = if is_dead { 0 } else { delete };
    really!(file, xShmUnmap, delete)
}
