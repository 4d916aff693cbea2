//! Copies of a store, the way back, and what a check finds amiss.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::support::{TestStore, at, delivered, firing, incident, options, raw};
use crate::clock::Clock;
use crate::domain::{IncidentId, Seq};
use crate::metrics::Metrics;
use crate::store::soundness::Looked;
use crate::store::{Append, Archive, Depth, Faults, Store, StoreError, back_up, restore};

/// A store with some records and an incident, closed.
fn closed_store() -> tempfile::TempDir {
    let store = TestStore::new();
    for n in 0..20 {
        let mut append = delivered(vec![firing(&format!("A{n}"), at(0))], at(n));
        append.raw = Some(raw(&[b'x'; 3000]));
        store.append_blocking(append).unwrap();
    }
    store.engine_commit(|commit| commit.incidents = vec![incident(1, "shop is down", at(0))]);
    let TestStore { store, folder, .. } = store;
    store.close();
    folder
}

fn database(folder: &Path) -> PathBuf {
    folder.join("scribed.db")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>, part: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(part), "`{error}` lacks `{part}`");
}

#[test]
fn a_backup_is_one_moment_while_the_writer_goes_on() {
    let store = TestStore::new();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("copy.db");
    store.deliver("first", at(0));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let mut append = delivered(vec![firing(&format!("A{n}"), at(0))], at(n));
                append.raw = Some(raw(&[b'x'; 5000]));
                store.append_blocking(append).unwrap();
            }
        });
        for _ in 0..8 {
            let before = store.head_seq();
            let held = back_up(store.folder.path(), &target, true).unwrap();
            let after = store.head_seq();
            assert!((before..=after).contains(&held.head.0), "{before} {held:?} {after}");
            assert_eq!(held.first, Some(Seq(1)));
            assert_eq!(held.bytes, target.metadata().unwrap().len());
            let archive = Archive::open(&target).unwrap();
            assert_eq!(archive.damage(Depth::Full).unwrap(), Faults::default());
            assert_eq!(archive.record_faults().unwrap(), Faults::default());
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(names(outside.path()), ["copy.db"], "nothing else is left behind");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_backup_never_takes_a_place_that_is_not_its_own() {
    let folder = closed_store();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("copy.db");
    let folder = folder.path();
    std::fs::write(&target, "precious").unwrap();
    refused(back_up(folder, &target, false), "--force");
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    back_up(folder, &target, true).unwrap();
    refused(back_up(folder, outside.path(), true), "is a folder");
    let devices = tempfile::tempdir().unwrap();
    let socket = devices.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    refused(back_up(folder, &socket, true), "is a device or the like");
    assert_eq!(names(devices.path()), ["socket"], "it is left alone");
    refused(restore(&target, &target, true, at(0)), "is a file; name a folder");
    refused(back_up(folder, &database(folder), true), "the store's own folder");
    refused(back_up(folder, &outside.path().join("no/copy.db"), false), "finding the folder");
    refused(back_up(outside.path(), &outside.path().join("b.db"), false), "there is no store");
    assert_eq!(names(outside.path()), ["copy.db"]);
}

#[test]
fn a_damaged_store_gives_no_backup_and_a_damaged_backup_is_not_restored() {
    let folder = closed_store();
    let outside = tempfile::tempdir().unwrap();
    let good = outside.path().join("good.db");
    back_up(folder.path(), &good, false).unwrap();
    damage(&database(folder.path()));
    back_up(folder.path(), &outside.path().join("bad.db"), false).unwrap_err();
    assert_eq!(names(outside.path()), ["good.db"]);

    damage(&good);
    let target = outside.path().join("store");
    restore(&good, &target, false, at(0)).unwrap_err();
    assert!(!target.exists(), "the backup is looked at before anything is touched");
    std::fs::write(&good, "no database at all").unwrap();
    refused(restore(&good, &target, false, at(0)), "not a database");
    refused(restore(outside.path(), &target, false, at(0)), "is a folder");
    refused(restore(&target, &target, false, at(0)), "there is no file");
}

/// Overwrites a page in the middle.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up() {
    let folder = closed_store();
    let outside = tempfile::tempdir().unwrap();
    let backup = outside.path().join("copy.db");
    let held = back_up(folder.path(), &backup, false).unwrap();
    let target = outside.path().join("new/store");
    let restored = restore(&backup, &target, false, at(0)).unwrap();
    assert_eq!((restored.holdings, restored.put_aside), (held, None));
    assert_eq!(names(&target), ["scribed.db", "scribed.lock"]);
    let store = TestStore::with(|options| options.path.clone_from(&target));
    assert_eq!(store.head_seq(), 20);
    assert_eq!(store.incident(IncidentId(1)).unwrap().unwrap().title, "shop is down");
    assert_eq!(store.raw(Seq(20)).unwrap().unwrap().len(), 3000);
    assert_eq!(store.deliver("next", at(30)), Seq(21));
}

#[test]
fn a_restore_deletes_nothing_and_never_disturbs_a_running_server() {
    let folder = closed_store();
    let outside = tempfile::tempdir().unwrap();
    let backup = outside.path().join("copy.db");
    back_up(folder.path(), &backup, false).unwrap();

    let store = TestStore::new();
    store.deliver("only here", at(0));
    let path = store.folder.path().to_owned();
    refused(restore(&backup, &path, true, at(5)), "another scribed");
    assert_eq!(store.deliver("goes on", at(1)), Seq(2));

    // A copy of the folder as a killed server leaves it: what was written is in the log.
    let killed = outside.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    for name in ["scribed.db", "scribed.db-wal"] {
        std::fs::copy(path.join(name), killed.join(name)).unwrap();
    }
    refused(restore(&backup, &killed, false, at(5)), "not empty (it holds scribed.db)");
    let restored = restore(&backup, &killed, true, at(5)).unwrap();
    assert_eq!(restored.holdings.head, Seq(20));
    let aside = restored.put_aside.unwrap();
    assert_eq!(aside.parent(), Some(killed.as_path()));
    let former = Archive::open(&database(&aside)).unwrap();
    assert_eq!(former.holdings().unwrap().head, Seq(2), "with what was in the log");
    assert_eq!(names(&killed).len(), 3, "{:?}", names(&killed));
    std::fs::remove_file(database(&killed)).unwrap();
    let again = restore(&backup, &killed, false, at(6)).unwrap();
    assert_eq!(again.put_aside, None, "what a restore put aside is in nobody's way");
}

#[test]
fn a_damaged_database_is_put_aside_as_it_is() {
    let folder = closed_store();
    let outside = tempfile::tempdir().unwrap();
    let backup = outside.path().join("copy.db");
    back_up(folder.path(), &backup, false).unwrap();
    std::fs::write(database(folder.path()), "what is left of it").unwrap();
    let restored = restore(&backup, folder.path(), true, at(5)).unwrap();
    let aside = restored.put_aside.unwrap();
    assert_eq!(std::fs::read(database(&aside)).unwrap(), b"what is left of it");
    assert_eq!(Archive::of_store(folder.path()).unwrap().holdings().unwrap().head, Seq(20));
}

/// Tampers with a store and looks for the fault.
#[track_caller]
fn check(tamper: &str, find: fn(&Archive) -> Result<Faults, StoreError>, expect: &[&str]) {
    let folder = closed_store();
    let connection = Connection::open(database(folder.path())).unwrap();
    connection.execute_batch(tamper).unwrap();
    drop(connection);
    let faults = find(&Archive::of_store(folder.path()).unwrap()).unwrap();
    assert_eq!(faults.count, expect.len() as u64, "{tamper}: {faults:?}");
    for part in expect {
        assert!(faults.told.iter().any(|told| told.contains(part)), "{part}: {faults:?}");
    }
}

#[test]
fn every_broken_law_of_the_ledger_is_found() {
    let ledger = Archive::ledger_faults;
    check("SELECT 1", ledger, &[]);
    check(
        "DELETE FROM raw_bodies; DELETE FROM ledger WHERE seq < 5;
           DELETE FROM deliveries WHERE seq < 5",
        ledger,
        &[],
    );
    check(
        "DELETE FROM ledger WHERE seq = 7",
        ledger,
        &["record 7 is missing", "delivery 7 is not in the ledger"],
    );
    check(
        "DELETE FROM ledger WHERE seq IN (7, 8, 9); DELETE FROM raw_bodies;
         DELETE FROM deliveries WHERE seq IN (7, 8, 9)",
        ledger,
        &["records 7 to 9 are missing"],
    );
    check(
        "UPDATE ledger SET record_time = record_time - 5000000000 WHERE seq = 9",
        ledger,
        &["the time of record 9"],
    );
    check("UPDATE ledger SET record_time = NULL WHERE seq = 9", ledger, &["of record 9"]);
    check(
        "DELETE FROM raw_bodies; DELETE FROM deliveries WHERE seq = 3",
        ledger,
        &["record 3 is a delivery, and is not among"],
    );
    check("UPDATE engine SET cursor = 99", ledger, &["worked up to record 99"]);
}

#[test]
fn a_record_that_cannot_be_read_is_found_and_hides_no_other() {
    let records = Archive::record_faults;
    check("SELECT 1", records, &[]);
    check(
        "DELETE FROM interned WHERE instr(packed, CAST('A7' AS BLOB));
         UPDATE ledger SET body = '{' WHERE seq = 12",
        records,
        &["record 8 of the ledger", "record 12 of the ledger"],
    );
}

#[test]
fn damage_of_the_file_is_found() {
    let full: fn(&Archive) -> _ = |archive| archive.damage(Depth::Full);
    check("SELECT 1", full, &[]);
    check("DROP INDEX episodes_active", full, &["episodes_active is missing"]);
    check(
        "CREATE TRIGGER t AFTER INSERT ON ledger BEGIN DELETE FROM outcomes; END",
        full,
        &["t is not of ours"],
    );
    check(
        "PRAGMA foreign_keys = OFF; DELETE FROM deliveries WHERE seq = 3",
        full,
        &["a row of raw_bodies refers to a row of deliveries"],
    );
    let folder = closed_store();
    damage(&database(folder.path()));
    let archive = Archive::of_store(folder.path()).unwrap();
    assert!(!archive.damage(Depth::Quick).unwrap().is_empty());
}

#[test]
fn what_was_not_looked_at_before_the_door_opened_is_looked_at_behind_it() {
    let folder = closed_store();
    let mut store = Store::open(options(&folder), Clock::manual(at(0)), Metrics::new()).unwrap();
    damage(&database(folder.path()));
    // However much the opening had time for.
    let mut looked = |looked| {
        std::sync::Arc::get_mut(&mut store.inner).unwrap().looked = looked;
        store.look_for_damage()
    };
    looked(Looked::All).unwrap();
    let error = looked(Looked::Part).unwrap_err();
    assert!(matches!(error, StoreError::Broken(_)), "{error}");
    assert!(error.to_string().contains("scribed restore"), "{error}");
}

#[test]
fn a_running_store_is_looked_at_through_a_copy_that_goes_away() {
    let store = TestStore::new();
    store.append_blocking(Append::own(crate::domain::RecordBody::Stop, at(0))).unwrap();
    let folder = store.folder.path().to_owned();
    let archive = Archive::of_store(&folder).unwrap();
    let with_copy = names(&folder);
    store.append_blocking(Append::own(crate::domain::RecordBody::Stop, at(0))).unwrap();
    assert_eq!(archive.holdings().unwrap().head, Seq(1));
    drop(archive);
    let gone: Vec<String> =
        with_copy.into_iter().filter(|name| !names(&folder).contains(name)).collect();
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].ends_with(".partial"), "{gone:?}");
}
