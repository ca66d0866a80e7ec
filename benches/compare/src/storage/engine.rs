//! What a storage engine must do to take part.

use std::path::Path;

use anyhow::Result;

use crate::workload::Key;

/// What a commit survives. Each engine file says how its engine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// No sync on the path of a commit.
    Buffered,
    /// On disk before the commit returns.
    Sync,
}

impl Level {
    /// The name in a row.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::Sync => "sync",
        }
    }
}

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// What commits survive.
    pub level: Level,
    /// Bytes for caches and write buffers together.
    pub memory: u64,
    /// Bytes of the values that will be written.
    pub value_len: usize,
}

/// A store of one engine, shared by all threads.
pub(crate) trait Engine: Sized + Send + Sync + 'static {
    /// What one thread works with.
    type Session: Session;

    /// Opens the store in the existing folder `dir`, and makes it where there is none.
    fn open(dir: &Path, setup: &Setup) -> Result<Self>;

    /// A session for one more thread.
    fn session(&self) -> Result<Self::Session>;

    /// Returns when everything accepted so far is on disk.
    fn flush(&self) -> Result<()>;

    /// Closes the store as an application would. No session is alive any more.
    fn close(self) -> Result<()>;
}

/// The operations. Each one is a commit, or a read transaction, of its own.
pub(crate) trait Session {
    /// Inserts or replaces.
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;

    /// Hands the value of `key` to `read`, without a copy where the engine can.
    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>>;

    /// Inserts or replaces all of `entries` in one atomic commit.
    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()>;

    /// Hands up to `limit` entries from `start` on, in ascending order, to `visit`, and returns
    /// how many there were.
    fn scan(&mut self, start: &Key, limit: usize, visit: impl FnMut(&[u8], &[u8]))
    -> Result<usize>;

    /// Reads each of `keys` and writes it back changed by [`bump`](crate::workload::bump), all in
    /// one serializable transaction. A conflict is tried again. Keys that do not exist are an
    /// error.
    fn update(&mut self, keys: &[Key]) -> Result<()>;
}

/// The error of [`Session::update`] for a key that must exist.
pub(crate) fn missing(key: &Key) -> anyhow::Error {
    anyhow::anyhow!("key {} is missing", String::from_utf8_lossy(key))
}
