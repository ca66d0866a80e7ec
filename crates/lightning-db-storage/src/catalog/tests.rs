//! The manifest and its directory: each heals the other, and damage is never believed.

use std::fs;
use std::path::Path;

use super::*;
use crate::table::{Compression, TableMeta};

fn keyspace(name: &str) -> KeyspaceRecord {
    KeyspaceRecord {
        name: name.to_owned(),
        compression: Compression::Lz4,
        time_to_live: None,
        floors: vec![3, 9],
    }
}

/// A closed catalog of two keyspaces and a table.
fn make(dir: &Path) -> (StoreOptions, State) {
    let options = StoreOptions::new(dir);
    let mut catalog = Catalog::create(&options).unwrap();
    catalog
        .edit(|state| {
            state.flushed_seq = 12;
            state.keyspaces.insert(1, keyspace("a"));
            state.keyspaces.insert(2, keyspace("b"));
            let meta = TableMeta { table_id: 7, keyspace_id: 1, ..TableMeta::default() };
            state.tables.insert(7, TableRecord { order: 12, from: b"m".to_vec(), meta });
        })
        .unwrap();
    catalog.edit(|state| drop(state.keyspaces.remove(&2))).unwrap();
    let state = catalog.state().clone();
    catalog.close();
    (options, state)
}

fn reopen(options: &StoreOptions) -> (State, DirectoryState) {
    let (mut catalog, found) = Catalog::open(options).unwrap().unwrap();
    let state = catalog.state().clone();
    catalog.close();
    (state, found)
}

#[test]
fn closed_catalog_is_read_from_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (options, state) = make(dir.path());
    assert_eq!(reopen(&options), (state.clone(), DirectoryState::Intact));
    assert_eq!(reopen(&options), (state, DirectoryState::Intact));
}

#[test]
fn lost_unsealed_and_changed_directories_are_rebuilt() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        |dir| fs::remove_dir_all(dir.join("directory")).unwrap(),
        |dir| fs::remove_file(dir.join("directory.seal")).unwrap(),
        |dir| {
            let db = dir.join("directory/db");
            let mut bytes = fs::read(&db).unwrap();
            bytes[100] ^= 1;
            fs::write(&db, bytes).unwrap();
        },
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let (options, state) = make(dir.path());
        damage(dir.path());
        let (found, how) = reopen(&options);
        assert_eq!(found, state);
        assert!(matches!(how, DirectoryState::Rebuilt { .. }), "{how:?}");
        assert_eq!(reopen(&options), (state, DirectoryState::Intact));
    }
}

#[test]
fn stale_directory_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _) = make(dir.path());
    let kept = dir.path().join("directory.seal");
    let seal = fs::read(&kept).unwrap();
    let old = tempfile::tempdir().unwrap();
    fs::rename(dir.path().join("directory"), old.path().join("directory")).unwrap();
    let (mut catalog, _) = Catalog::open(&options).unwrap().unwrap();
    catalog.edit(|state| state.flushed_seq = 99).unwrap();
    catalog.close();
    fs::remove_dir_all(dir.path().join("directory")).unwrap();
    fs::rename(old.path().join("directory"), dir.path().join("directory")).unwrap();
    fs::write(&kept, seal).unwrap();
    let (state, how) = reopen(&options);
    assert_eq!(state.flushed_seq, 99);
    let reason = "it does not agree with the manifest".to_owned();
    assert_eq!(how, DirectoryState::Rebuilt { reason });
}

#[test]
fn every_flipped_bit_of_the_manifest_is_an_error_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let (options, state) = make(dir.path());
    let manifest = dir.path().join(MANIFEST);
    let whole = fs::read(&manifest).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&manifest, &bytes).unwrap();
        match Catalog::open(&options.clone().read_only(true)) {
            Ok(Some((catalog, _))) => assert_eq!(*catalog.state(), state, "byte {at}"),
            Ok(None) => panic!("byte {at}: no store"),
            Err(_) => {}
        }
    }
    // With the directory whole, a damaged body is written again.
    let mut bytes = whole;
    let last = bytes.len() - 1;
    bytes[last] ^= 4;
    fs::write(&manifest, &bytes).unwrap();
    let (found, how) = reopen(&options);
    assert_eq!(found, state);
    assert!(matches!(how, DirectoryState::Replaced { .. }), "{how:?}");
    assert_eq!(reopen(&options), (state, DirectoryState::Intact));
}
