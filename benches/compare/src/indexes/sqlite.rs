//! How `SQLite` is opened here.

use std::path::Path;

use anyhow::Result;
use rusqlite::Connection;

use super::lightning::MEMORY;

/// Opens a database in `dir` that has as much memory as ours.
pub(crate) fn open(dir: &Path) -> Result<Connection> {
    open_with(dir, MEMORY)
}

/// Opens a database in `dir`: a write-ahead log that is written on each commit and synced by none,
/// half of so many bytes of memory as page cache, and the file mapped up to as many.
pub(crate) fn open_with(dir: &Path, memory: u64) -> Result<Connection> {
    let connection = Connection::open(dir.join("bench.sqlite"))?;
    let cache_kib = memory / 2 / 1024;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -{cache_kib}; \
         PRAGMA mmap_size = {memory}; PRAGMA temp_store = MEMORY"
    ))?;
    Ok(connection)
}

/// A number as `SQLite` keeps it: signed.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}
