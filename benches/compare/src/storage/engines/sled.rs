//! sled 0.34.7.
//!
//! Buffered: `insert`; a thread writes the log out every 500 ms. Sync: `insert` and `flush`,
//! which on Linux is `sync_file_range` and does not reach past a volatile disk cache: the figure
//! is weaker than what it is compared with.

use std::path::Path;

use anyhow::{Result, anyhow};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{Batch, Config, Db, Mode};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

pub(super) struct Sled {
    db: Db,
    level: Level,
}

impl Engine for Sled {
    type Session = SledSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let config = Config::new().path(dir).cache_capacity(setup.memory);
        Ok(Self { db: config.mode(Mode::HighThroughput).open()?, level: setup.level })
    }

    fn session(&self) -> Result<SledSession> {
        Ok(SledSession { db: self.db.clone(), level: self.level })
    }

    fn flush(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}

pub(super) struct SledSession {
    db: Db,
    level: Level,
}

impl SledSession {
    fn committed(&self) -> Result<()> {
        if self.level == Level::Sync {
            self.db.flush()?;
        }
        Ok(())
    }
}

impl Session for SledSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        self.committed()
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.db.get(key)?.map(|value| read(&value)))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in entries {
            batch.insert(key, *value);
        }
        self.db.apply_batch(batch)?;
        self.committed()
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut count = 0;
        for entry in self.db.range::<&Key, _>(start..).take(limit) {
            let (key, value) = entry?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let result = self.db.transaction(|tree| {
            let mut new = Vec::new();
            for key in keys {
                let old = tree.get(key)?;
                let old = old.ok_or_else(|| ConflictableTransactionError::Abort(missing(key)))?;
                bump(&old, &mut new);
                tree.insert(key, new.as_slice())?;
            }
            Ok(())
        });
        result.map_err(|error| match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => anyhow!(error),
        })?;
        self.committed()
    }
}
