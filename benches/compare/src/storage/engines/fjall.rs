//! fjall 3, opened as its optimistic transactional database. Single operations and batches go
//! to the plain keyspace inside, which is its fast path; read-modify-writes are transactions.
//!
//! Buffered: the journal is written on each commit and not synced. Sync: the same and
//! `persist(SyncAll)`, one `fsync` a commit. The memory covers the block cache and two memtables
//! of the default 64 MiB.

use std::path::Path;

use anyhow::Result;
use fjall::{
    KeyspaceCreateOptions, OptimisticTxDatabase, OptimisticTxKeyspace, PersistMode, Readable as _,
};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

const MEMTABLES_SIZE: u64 = 128 << 20;

pub(super) struct Fjall(FjallSession);

impl Engine for Fjall {
    type Session = FjallSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let cache = setup.memory.saturating_sub(MEMTABLES_SIZE).max(8 << 20);
        let database = OptimisticTxDatabase::builder(dir).cache_size(cache).open()?;
        let keyspace = database.keyspace("bench", KeyspaceCreateOptions::default)?;
        let persist = (setup.level == Level::Sync).then_some(PersistMode::SyncAll);
        Ok(Self(FjallSession { database, keyspace, persist }))
    }

    fn session(&self) -> Result<FjallSession> {
        Ok(self.0.clone())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.0.database.persist(PersistMode::SyncAll)?)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}

#[derive(Clone)]
pub(super) struct FjallSession {
    database: OptimisticTxDatabase,
    keyspace: OptimisticTxKeyspace,
    persist: Option<PersistMode>,
}

impl Session for FjallSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.keyspace.inner().insert(key.as_slice(), value)?;
        if let Some(mode) = self.persist {
            self.database.persist(mode)?;
        }
        Ok(())
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.keyspace.inner().get(key)?.map(|value| read(&value)))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = self.database.inner().batch();
        if self.persist.is_some() {
            batch = batch.durability(self.persist);
        }
        for (key, value) in entries {
            batch.insert(self.keyspace.inner(), key.as_slice(), *value);
        }
        Ok(batch.commit()?)
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut count = 0;
        for guard in self.keyspace.inner().range::<&Key, _>(start..).take(limit) {
            let (key, value) = guard.into_inner()?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let mut new = Vec::new();
        loop {
            let mut transaction = self.database.write_tx()?;
            if self.persist.is_some() {
                transaction = transaction.durability(self.persist);
            }
            for key in keys {
                let old = transaction.get(&self.keyspace, key)?.ok_or_else(|| missing(key))?;
                bump(&old, &mut new);
                transaction.insert(&self.keyspace, key.as_slice(), new.as_slice());
            }
            if transaction.commit()?.is_ok() {
                return Ok(());
            }
        }
    }
}
