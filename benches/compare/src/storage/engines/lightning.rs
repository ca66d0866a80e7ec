//! Lightning DB's storage core.
//!
//! Buffered: `Durability::Buffered`, which survives a killed process and is on disk within
//! 50 ms. Sync: `Durability::Sync`, on disk before the commit returns, with group commit. The
//! memory limit covers everything that the store holds.

use std::path::Path;

use anyhow::Result;
use lightning_db_storage::{Durability, Keyspace, KeyspaceOptions, Store, StoreOptions};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

pub(super) struct Lightning(LightningSession);

impl Engine for Lightning {
    type Session = LightningSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let durability = match setup.level {
            Level::Buffered => Durability::Buffered,
            Level::Sync => Durability::Sync,
        };
        let options = StoreOptions::new(dir).durability(durability).memory_limit(setup.memory);
        let (store, _report) = options.open()?;
        let keyspace = store.keyspace("bench", KeyspaceOptions::default())?;
        Ok(Self(LightningSession { store, keyspace }))
    }

    fn session(&self) -> Result<LightningSession> {
        Ok(self.0.clone())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.0.store.sync()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.store.close()?)
    }
}

#[derive(Clone)]
pub(super) struct LightningSession {
    store: Store,
    keyspace: Keyspace,
}

impl Session for LightningSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.keyspace.insert(key, value)?)
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.keyspace.get_with(key, read)?)
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = self.store.batch();
        for (key, value) in entries {
            batch.insert(&self.keyspace, key, value);
        }
        batch.commit()?;
        Ok(())
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut count = 0;
        for entry in self.keyspace.range::<&Key>(start..).take(limit) {
            let (key, value) = entry?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let mut absent = None;
        let mut new = Vec::new();
        self.store.run(|transaction| {
            for key in keys {
                let Some(old) = transaction.get(&self.keyspace, key)? else {
                    absent = Some(*key);
                    continue;
                };
                bump(&old, &mut new);
                transaction.insert(&self.keyspace, key, &new)?;
            }
            Ok(())
        })?;
        absent.map_or(Ok(()), |key| Err(missing(&key)))
    }
}
