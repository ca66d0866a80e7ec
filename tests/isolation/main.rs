//! Which anomalies concurrent transactions can show, and which never.
//!
//! | module | holds |
//! |---|---|
//! | `histories` | histories of many threads, judged by the `adya` checker |
//! | `checker` | whether that checker finds the anomalies that were put into a history by hand |
//! | `anomalies` | each classic anomaly, as two transactions that take turns |
//! | `phantoms` | ranges, which the checker does not know, and defects planted into the store |
//! | `counters` | ranges over two keyspaces, with savepoints, by many threads |
//!
//! `ISOLATION_SEED=n` starts the histories at another seed; a failure names the seed.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod anomalies;
mod checker;
mod counters;
mod histories;
mod phantoms;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use lightning_db_storage::{Keyspace, KeyspaceOptions, Store, StoreOptions};
use tempfile::TempDir;

/// Planted defects are of the whole process: who plants one is alone.
static DEFECTS: RwLock<()> = RwLock::new(());

/// Held by tests of the store as it is.
fn without_defects() -> RwLockReadGuard<'static, ()> {
    DEFECTS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Held by tests that plant a defect.
fn with_defects() -> RwLockWriteGuard<'static, ()> {
    DEFECTS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Seed at which the histories of this run start.
fn first_seed() -> u64 {
    std::env::var("ISOLATION_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// A store on the real disk, with its threads, so small that it flushes and merges all the time.
struct Bench {
    store: Store,
    keyspace: Keyspace,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(dir.path().join("store"));
        let options = options.durability(lightning_db_storage::Durability::Buffered);
        let (store, _) = options.memory_limit(1 << 20).open().unwrap();
        let keyspace = store.keyspace("registers", KeyspaceOptions::new()).unwrap();
        Self { store, keyspace, _dir: dir }
    }
}
