//! Maintenance on the caller's thread: whose failure is whose.

use std::sync::Arc;

use lightning_db_storage::{Error, Keyspace, KeyspaceOptions, Store, StoreOptions};
use lightning_db_tests::store_options;
use lightning_db_types::{Fault, SimClock, SimVfs};

fn options(disk: &SimVfs) -> StoreOptions {
    store_options(Arc::new(disk.clone()), &SimClock::default(), 1, disk.steps())
}

/// Inserts until a commit has filled the memtable; gives the number of keys.
fn fill(store: &Store, keyspace: &Keyspace) -> u32 {
    for number in 0..10_000_u32 {
        keyspace.insert(number.to_be_bytes(), [7; 500]).unwrap();
        if store.statistics().memory.frozen_memtables > 0 {
            return number + 1;
        }
    }
    panic!("the memtable has room for all of it");
}

#[test]
fn failed_flush_is_the_error_of_the_write_that_is_not_made() {
    let disk = SimVfs::new();
    let (store, _) = options(&disk).open().unwrap();
    let keyspace = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
    // The commit that fills the memtable is made, whatever becomes of the flush.
    let keys = fill(&store, &keyspace);
    let last = store.last_lsn();
    disk.fail_at(disk.calls(), Fault::Eio);
    let refused = keyspace.insert("refused", "value");
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    assert_eq!(store.last_lsn(), last);
    assert_eq!(keyspace.get("refused").unwrap(), None);

    // The next write flushes first, and is made.
    keyspace.insert("made", "value").unwrap();
    let check = |keyspace: &Keyspace| {
        assert_eq!(keyspace.len().unwrap(), u64::from(keys) + 1);
        assert!(keyspace.contains("made").unwrap() && !keyspace.contains("refused").unwrap());
    };
    check(&keyspace);
    assert_eq!(store.statistics().memory.frozen_memtables, 0);
    drop((store, keyspace));
    check(&options(&disk).open().unwrap().0.open_keyspace("cities").unwrap());
}

#[test]
fn failed_flush_is_the_error_of_the_call_that_steps_maintenance() {
    let disk = SimVfs::new();
    let (store, _) = options(&disk).open().unwrap();
    let keyspace = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
    let keys = fill(&store, &keyspace);
    disk.fail_at(disk.calls(), Fault::Eio);
    assert!(matches!(store.maintain(), Err(Error::Io { .. })));
    assert_eq!(keyspace.len().unwrap(), u64::from(keys));
    store.maintain().unwrap();
    assert_eq!(store.statistics().memory.frozen_memtables, 0);
    assert_eq!(keyspace.len().unwrap(), u64::from(keys));
}
