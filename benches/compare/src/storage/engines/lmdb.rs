//! LMDB through heed.
//!
//! Buffered: `MDB_NOSYNC`; pages are written on each commit, so they survive the process, and a
//! power loss can leave the file damaged. Sync: the default, one `fdatasync` and one synchronous
//! write of the meta page. LMDB has no cache of its own: the page cache is not limited.

use std::ops::Bound;
use std::path::Path;

use anyhow::{Result, anyhow};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

/// Address space, not memory: above what any scenario stores.
const MAP_SIZE: usize = 64 << 30;

pub(super) struct Lmdb(LmdbSession);

impl Engine for Lmdb {
    type Session = LmdbSession;

    #[expect(unsafe_code, reason = "a memory-mapped environment is unsafe to open by contract")]
    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_SIZE);
        if setup.level == Level::Buffered {
            // SAFETY: without sync a power loss can damage the file, which the benchmark deletes.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: the folder was made for this run, and nothing else touches it.
        let env = unsafe { options.open(dir)? };
        let create = env.write_txn()?;
        let created = env.create_databases_and_commit(create, |opener, transaction| {
            let database = opener.create_database::<Bytes, Bytes>(transaction, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(database))
        })?;
        let database = created.commit().ok_or_else(|| anyhow!("LMDB made no database"))?;
        Ok(Self(LmdbSession { env, database }))
    }

    fn session(&self) -> Result<LmdbSession> {
        Ok(self.0.clone())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.0.env.force_sync()?)
    }

    fn close(self) -> Result<()> {
        self.flush()?;
        self.0.env.prepare_for_closing().wait();
        Ok(())
    }
}

#[derive(Clone)]
pub(super) struct LmdbSession {
    env: Env,
    database: Database<'static, Bytes, Bytes>,
}

impl Session for LmdbSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.database.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let transaction = self.env.read_txn()?;
        Ok(self.database.get(&transaction, key)?.map(read))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in entries {
            self.database.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let from = (Bound::Included(start.as_slice()), Bound::Unbounded);
        let transaction = self.env.read_txn()?;
        let mut count = 0;
        for entry in self.database.range(&transaction, &from)?.take(limit) {
            let (key, value) = entry?;
            visit(key, value);
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        let mut new = Vec::new();
        for key in keys {
            let old = self.database.get(&transaction, key)?.ok_or_else(|| missing(key))?;
            bump(old, &mut new);
            self.database.put(&mut transaction, key, &new)?;
        }
        Ok(transaction.commit()?)
    }
}
