//! `RocksDB`, opened as its optimistic transaction database.
//!
//! Buffered: the write-ahead log is written on each commit and not synced. Sync: `sync = true`,
//! with its group commit. The memory covers the block cache and two write buffers of the default
//! 64 MiB; Bloom filters of 10 bits a key are on, compression is the default (snappy).

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rocksdb::{
    BlockBasedOptions, Cache, ErrorKind, OptimisticTransactionDB, OptimisticTransactionOptions,
    Options, WriteBatchWithTransaction, WriteOptions,
};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

const WRITE_BUFFERS_SIZE: u64 = 128 << 20;

pub(super) struct RocksDb {
    db: Arc<OptimisticTransactionDB>,
    level: Level,
}

impl Engine for RocksDb {
    type Session = RocksDbSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let cache = setup.memory.saturating_sub(WRITE_BUFFERS_SIZE).max(8 << 20);
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(usize::try_from(cache)?)?);
        tables.set_bloom_filter(10.0, false);
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        options.increase_parallelism(i32::try_from(crate::process::cores())?);
        Ok(Self { db: Arc::new(OptimisticTransactionDB::open(&options, dir)?), level: setup.level })
    }

    fn session(&self) -> Result<RocksDbSession> {
        let mut options = WriteOptions::default();
        options.set_sync(self.level == Level::Sync);
        Ok(RocksDbSession { db: Arc::clone(&self.db), options })
    }

    fn flush(&self) -> Result<()> {
        Ok(self.db.flush_wal(true)?)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}

pub(super) struct RocksDbSession {
    db: Arc<OptimisticTransactionDB>,
    options: WriteOptions,
}

impl Session for RocksDbSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.options)?)
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.db.get_pinned(key)?.map(|value| read(&value)))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut batch = WriteBatchWithTransaction::<true>::default();
        for (key, value) in entries {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.options)?)
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut cursor = self.db.raw_iterator();
        cursor.seek(start);
        let mut count = 0;
        while count < limit {
            let Some((key, value)) = cursor.item() else {
                break;
            };
            visit(key, value);
            count += 1;
            cursor.next();
        }
        cursor.status()?;
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let optimistic = OptimisticTransactionOptions::default();
        let mut new = Vec::new();
        loop {
            let transaction = self.db.transaction_opt(&self.options, &optimistic);
            for key in keys {
                let old = transaction.get_pinned_for_update(key, true)?;
                bump(&old.ok_or_else(|| missing(key))?, &mut new);
                transaction.put(key, &new)?;
            }
            match transaction.commit() {
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::TryAgain) => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}
