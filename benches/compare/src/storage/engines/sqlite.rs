//! `SQLite` through rusqlite, in WAL mode, one connection a thread, statements prepared once.
//!
//! Buffered: `synchronous = OFF`; the log is written on each commit. Sync: `synchronous = FULL`,
//! one sync a commit. Each connection has an eighth of the memory as its page cache, and twice
//! the memory is mapped, as the kernel's page cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{Key, bump};

const GET: &str = "SELECT v FROM bench WHERE k = ?1";
const PUT: &str =
    "INSERT INTO bench (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";
const SCAN: &str = "SELECT k, v FROM bench WHERE k >= ?1 ORDER BY k LIMIT ?2";

pub(super) struct Sqlite {
    path: PathBuf,
    setup: Setup,
}

impl Engine for Sqlite {
    type Session = SqliteSession;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let store = Self { path: dir.join("bench.sqlite"), setup: *setup };
        let connection = store.connect(setup.level)?;
        // Small rows belong in the primary key's tree; large ones would crowd it.
        let tail = if setup.value_len < 1_000 { " WITHOUT ROWID" } else { "" };
        connection.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS bench (k BLOB PRIMARY KEY, v BLOB NOT NULL){tail}"
        ))?;
        Ok(store)
    }

    fn session(&self) -> Result<SqliteSession> {
        Ok(SqliteSession { connection: self.connect(self.setup.level)? })
    }

    fn flush(&self) -> Result<()> {
        let connection = self.connect(Level::Sync)?;
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        ensure!(busy == 0, "SQLite could not checkpoint its log");
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}

impl Sqlite {
    fn connect(&self, level: Level) -> Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_mins(2))?;
        let synchronous = match level {
            Level::Buffered => "OFF",
            Level::Sync => "FULL",
        };
        let cache_kib = self.setup.memory / 8 / 1024;
        let mapped = self.setup.memory * 2;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
             PRAGMA cache_size = -{cache_kib}; PRAGMA mmap_size = {mapped}; \
             PRAGMA temp_store = MEMORY"
        ))?;
        Ok(connection)
    }
}

pub(super) struct SqliteSession {
    connection: Connection,
}

impl Session for SqliteSession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.connection.prepare_cached(PUT)?.execute((key.as_slice(), value))?;
        Ok(())
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let mut statement = self.connection.prepare_cached(GET)?;
        let found =
            statement.query_row([key.as_slice()], |row| Ok(read(row.get_ref(0)?.as_blob()?)));
        Ok(found.optional()?)
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statement = transaction.prepare_cached(PUT)?;
            for (key, value) in entries {
                statement.execute((key.as_slice(), *value))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(SCAN)?;
        let mut rows = statement.query((start.as_slice(), i64::try_from(limit)?))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
            count += 1;
        }
        Ok(count)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut get = transaction.prepare_cached(GET)?;
            let mut put = transaction.prepare_cached(PUT)?;
            let mut new = Vec::new();
            for key in keys {
                let read = get.query_row([key.as_slice()], |row| {
                    bump(row.get_ref(0)?.as_blob()?, &mut new);
                    Ok(())
                });
                read.optional()?.ok_or_else(|| missing(key))?;
                put.execute((key.as_slice(), new.as_slice()))?;
            }
        }
        Ok(transaction.commit()?)
    }
}
