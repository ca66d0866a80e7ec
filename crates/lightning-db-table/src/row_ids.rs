//! Numbers for rows that have no whole number as their key.
//!
//! Numbers are leased from the catalog in blocks, in a commit of their own: what is left of a block
//! at a crash is never used, and no number is used twice.

use lightning_db_storage::{Keyspace, Store};
use parking_lot::Mutex;

use crate::error::Result;

/// Numbers in a lease.
const LEASE: u64 = 1_024;

/// Gives out the numbers of one table.
#[derive(Debug)]
pub(crate) struct RowIds {
    key: Vec<u8>,
    leased: Mutex<std::ops::Range<u64>>,
}

impl RowIds {
    pub(crate) fn new(table_id: u32) -> Self {
        let key = [b"row-ids/", &table_id.to_be_bytes()[..]].concat();
        Self { key, leased: Mutex::new(0..0) }
    }

    /// Key of the catalog that holds the end of the last lease.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// A number that was never given out. One lock; every 1,024th call commits a lease.
    pub(crate) fn next(&self, store: &Store, catalog: &Keyspace) -> Result<u64> {
        let mut leased = self.leased.lock();
        if leased.is_empty() {
            let start = store.run(|transaction| {
                let end = transaction.get(catalog, &self.key)?;
                let end = end.as_deref().and_then(<[u8]>::first_chunk);
                let start = end.map_or(1, |end| u64::from_be_bytes(*end));
                transaction.insert(catalog, &self.key, (start + LEASE).to_be_bytes())?;
                Ok(start)
            })?;
            *leased = start..start + LEASE;
        }
        let next = leased.start;
        leased.start += 1;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lightning_db_storage::{Durability, KeyspaceOptions, StoreOptions};

    use super::*;

    #[test]
    fn no_number_is_given_out_twice_by_threads_or_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let options = StoreOptions::new(dir.path()).durability(Durability::Memory);
            let (store, _) = options.open().unwrap();
            let catalog = store.keyspace("catalog", KeyspaceOptions::new()).unwrap();
            let ids = RowIds::new(3);
            let given: Vec<u64> = std::thread::scope(|scope| {
                let give = || (0..1_500).map(|_| ids.next(&store, &catalog).unwrap()).collect();
                let threads = [scope.spawn(give), scope.spawn(give)];
                threads
                    .into_iter()
                    .flat_map(|thread| -> Vec<u64> { thread.join().unwrap() })
                    .collect()
            });
            for id in given {
                assert!(seen.insert(id), "{id} was given out twice");
            }
        }
    }
}
