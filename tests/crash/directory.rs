//! The directory of tables, which sled keeps on the real disk, is lost, stale or damaged.
//!
//! Each time the store opens with the same data, makes the directory again from the manifest, and
//! says so; the next opening finds it intact.

use std::fs;
use std::path::{Path, PathBuf};

use lightning_db_storage::{DirectoryState, KeyspaceOptions, Maintenance, Store, StoreOptions};

/// Most bytes of the directory that are flipped, one at a time.
const FLIPS_MAX: usize = 300;

fn open(dir: &Path) -> (Store, DirectoryState) {
    let (store, report) = StoreOptions::new(dir).maintenance(Maintenance::Stepped).open().unwrap();
    (store, report.directory)
}

/// A closed store with tables in two keyspaces and commits in the log.
fn make_store(dir: &Path) {
    let (store, found) = open(dir);
    assert_eq!(found, DirectoryState::New);
    for name in ["cities", "rivers"] {
        let keyspace = store.keyspace(name, KeyspaceOptions::new()).unwrap();
        keyspace.insert("in a table", name).unwrap();
        store.checkpoint().unwrap();
        keyspace.insert("in the log", name).unwrap();
    }
    store.close().unwrap();
}

/// Opens the store, checks its data, closes it, and says how the directory was found.
fn reopen(dir: &Path) -> DirectoryState {
    let (store, found) = open(dir);
    assert_eq!(store.keyspaces(), ["cities", "rivers"]);
    for name in ["cities", "rivers"] {
        let keyspace = store.open_keyspace(name).unwrap();
        for key in ["in a table", "in the log"] {
            assert_eq!(keyspace.get(key).unwrap().as_deref(), Some(name.as_bytes()), "{key}");
        }
        assert_eq!(keyspace.len().unwrap(), 2);
    }
    store.close().unwrap();
    found
}

fn assert_rebuilt(found: &DirectoryState, because: &str) {
    match found {
        DirectoryState::Rebuilt { reason } => assert!(reason.contains(because), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// Files of the directory, in a fixed order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn lost_directory_is_made_again_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path();
    make_store(store);
    assert_eq!(reopen(store), DirectoryState::Intact);
    fs::remove_dir_all(store.join("directory")).unwrap();
    assert!(matches!(reopen(store), DirectoryState::Rebuilt { .. }));
    assert_eq!(reopen(store), DirectoryState::Intact);
    fs::remove_file(store.join("directory.seal")).unwrap();
    assert_rebuilt(&reopen(store), "not closed cleanly");
    assert_eq!(reopen(store), DirectoryState::Intact);
}

#[test]
fn stale_directory_is_made_again_and_reported() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = dir.path();
    make_store(store);
    copy_dir(&store.join("directory"), &old.path().join("directory"));
    fs::copy(store.join("directory.seal"), old.path().join("directory.seal")).unwrap();
    let (open_store, _) = open(store);
    open_store.checkpoint().unwrap();
    open_store.close().unwrap();
    // An older directory under its own good seal, as from a backup of some of the files.
    fs::remove_dir_all(store.join("directory")).unwrap();
    copy_dir(&old.path().join("directory"), &store.join("directory"));
    fs::copy(old.path().join("directory.seal"), store.join("directory.seal")).unwrap();
    assert_rebuilt(&reopen(store), "does not agree with the manifest");
    assert_eq!(reopen(store), DirectoryState::Intact);
}

#[test]
fn flipped_bit_in_the_directory_or_its_seal_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path();
    make_store(store);
    let all = |store: &Path| {
        let mut all = files(&store.join("directory"));
        all.push(store.join("directory.seal"));
        all
    };
    let len: usize = all(store).iter().map(|path| fs::read(path).unwrap().len()).sum();
    // Every 7th byte, or fewer of a large directory.
    let stride = 7.max(len / FLIPS_MAX);
    let mut flips = 0;
    for at in (0..len).step_by(stride).chain([len - 1]) {
        // The files are new ones after each rebuild, and may have other lengths.
        let mut left = at;
        for path in all(store) {
            let mut bytes = fs::read(&path).unwrap();
            if left < bytes.len() {
                bytes[left] ^= 1 << (at % 8);
                fs::write(&path, bytes).unwrap();
                flips += 1;
                assert_rebuilt(&reopen(store), "its files have changed");
                break;
            }
            left -= bytes.len();
        }
    }
    println!("{flips} bits of {len} bytes flipped");
    assert_eq!(reopen(store), DirectoryState::Intact);
}

#[test]
fn damaged_manifest_body_is_made_again_from_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path();
    make_store(store);
    let manifest = store.join("manifest");
    let mut bytes = fs::read(&manifest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&manifest, bytes).unwrap();
    assert!(matches!(reopen(store), DirectoryState::Replaced { .. }));
    assert_eq!(reopen(store), DirectoryState::Intact);
}
