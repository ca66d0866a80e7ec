//! What the sweeps of this suite have found, each on its own.

use std::path::Path;
use std::sync::Arc;

use lightning_db_storage::{KeyspaceOptions, Store, StoreOptions};
use lightning_db_tests::store_options;
use lightning_db_types::{Persistence, SimClock, SimVfs};

fn options(disk: &SimVfs) -> StoreOptions {
    store_options(Arc::new(disk.clone()), &SimClock::default(), 1, disk.steps())
}

fn open(disk: &SimVfs) -> Store {
    options(disk).open().unwrap().0
}

fn closed_store() -> SimVfs {
    let disk = SimVfs::new();
    let store = open(&disk);
    let cities = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
    cities.insert("andorra", "Vila").unwrap();
    store.close().unwrap();
    disk
}

/// Symptom: a store did not open after a power cut while it started a segment of the log.
/// Mechanism: the header was lost and the durable note, in the next sector, was kept, or a write
/// of the header was cut short; the segment was taken for a damaged one. Fix: a segment without a
/// good header and without records was never used.
#[test]
fn segment_that_was_being_made_is_left_out() {
    let whole = closed_store().file_bytes(Path::new("/db/wal/0000000000000001.log")).unwrap();
    for kept in [0..0, 0..32, 512..544, 300..700] {
        let disk = closed_store();
        let mut segment = vec![0; 64 << 10];
        segment[kept.clone()].copy_from_slice(&whole[kept.clone()]);
        disk.set_file_bytes(Path::new("/db/wal/0000000000000002.log"), &segment).unwrap();
        let store = open(&disk);
        let cities = store.open_keyspace("cities").unwrap();
        assert_eq!(cities.get("andorra").unwrap().as_deref(), Some(&b"Vila"[..]), "{kept:?}");
    }
}

/// Symptom: a read-only opening after a power cut showed a part of what an emptied keyspace had
/// held. Mechanism: the manifest knew the commit that emptied it, but the log's durable note of
/// that commit was lost, so that the reader stopped before it. Fix: the manifest's word counts as
/// a note.
#[test]
fn read_only_opening_after_a_power_cut_shows_a_cleared_keyspace_empty() {
    let disk = closed_store();
    let store = open(&disk);
    let cities = store.open_keyspace("cities").unwrap();
    store.checkpoint().unwrap();
    cities.clear().unwrap();
    let image = disk.crashed(Persistence::None, 0);
    let (reader, report) = options(&image).read_only(true).open().unwrap();
    assert_eq!(report.last_lsn, store.last_lsn());
    assert_eq!(reader.open_keyspace("cities").unwrap().len().unwrap(), 0);
}

/// Symptom: after the repair of a store whose manifest was damaged, keys had the values from
/// before a bulk ingest. Mechanism: the tables of an ingest do not say which commit added them,
/// and counted as the oldest. Fix: the copy of the manifest that a repair reads knows the commits
/// of ingests.
#[test]
fn repaired_store_has_the_values_of_a_bulk_ingest() {
    let disk = closed_store();
    let store = open(&disk);
    store.checkpoint().unwrap();
    let cities = store.open_keyspace("cities").unwrap();
    cities.ingest([("andorra", "la Vella")]).unwrap();
    store.close().unwrap();
    disk.set_file_bytes(Path::new("/db/manifest"), b"no longer a manifest").unwrap();
    assert!(options(&disk).open().is_err_and(|error| error.is_corruption()));
    let report = Store::repair(options(&disk)).unwrap();
    assert!(report.manifest_rebuilt && report.lost.is_empty(), "{report:?}");
    let cities = open(&disk).open_keyspace("cities").unwrap();
    assert_eq!(cities.get("andorra").unwrap().as_deref(), Some(&b"la Vella"[..]));
}
