//! redb 4.
//!
//! Buffered: `Durability::None`, which is visible at once but lost with the process until the
//! next durable commit. Sync: `Durability::Immediate`, one `fdatasync` a commit.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use redb::ReadableTable as _;
use redb::{Builder, Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

pub(super) struct Redb {
    database: Arc<Database>,
    durability: Durability,
}

impl Engine for Redb {
    type Session = RedbSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let mut builder = Builder::new();
        builder.set_cache_size(usize::try_from(setup.memory)?);
        let database = builder.create(dir.join("bench.redb"))?;
        let first = database.begin_write()?;
        first.open_table(TABLE)?;
        first.commit()?;
        let durability = match setup.level {
            Level::Buffered => Durability::None,
            Level::Sync => Durability::Immediate,
        };
        Ok(Self { database: Arc::new(database), durability })
    }

    fn session(&self) -> Result<RedbSession> {
        Ok(RedbSession { database: Arc::clone(&self.database), durability: self.durability })
    }

    fn flush(&self) -> Result<()> {
        let mut durable = self.database.begin_write()?;
        durable.set_durability(Durability::Immediate)?;
        durable.commit()?;
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}

pub(super) struct RedbSession {
    database: Arc<Database>,
    durability: Durability,
}

impl RedbSession {
    fn begin(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        Ok(transaction)
    }
}

impl Session for RedbSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let transaction = self.begin()?;
        transaction.open_table(TABLE)?.insert(key.as_slice(), value)?;
        transaction.commit()?;
        Ok(())
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key.as_slice())?.map(|value| read(value.value())))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in entries {
                table.insert(key.as_slice(), *value)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for entry in table.range(start.as_slice()..)?.take(limit) {
            let (key, value) = entry?;
            visit(key.value(), value.value());
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let mut new = Vec::new();
            for key in keys {
                let old = table.get(key.as_slice())?.ok_or_else(|| missing(key))?;
                bump(old.value(), &mut new);
                drop(old);
                table.insert(key.as_slice(), new.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
