//! How a store and its keyspaces are opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lightning_db_types::{Clock, RealVfs, Rng, SystemClock, SystemRng, Vfs};

use crate::error::{Error, Result};
use crate::recovery::RecoveryReport;
use crate::store::Store;
use crate::table::Compression;

/// What has happened before a commit call returns.
///
/// | level | ended process | power cut |
/// |---|---|---|
/// | `Sync` | survives | survives |
/// | `Buffered` | survives | survives when it is older than 50 ms |
/// | `Memory` | no promise | no promise |
///
/// Whatever is lost is lost from the end: a commit is never kept without all those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// Nothing; the commit reaches the disk with the next one of a higher level, or with a flush.
    Memory,
    /// The commit is in the operating system's hands; a background sync follows within 50 ms.
    Buffered,
    /// The commit is on the disk. Concurrent commits share one sync (group commit).
    #[default]
    Sync,
}

/// Who flushes and merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maintenance {
    /// Threads of the store.
    #[default]
    Background,
    /// The caller's thread: inside the write that finds a full memtable, and in
    /// [`Store::maintain`](crate::Store::maintain). Nothing then depends on thread timing, so that
    /// a run can be replayed. If that work fails, so does the write, whose change is not made.
    Stepped,
}

/// Options of [`StoreOptions::open`]; start with [`StoreOptions::new`].
#[derive(Debug, Clone)]
#[must_use = "options do nothing before `open`"]
pub struct StoreOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) memory_limit: u64,
    pub(crate) disk_limit: Option<u64>,
    pub(crate) block_size: usize,
    pub(crate) compression: Compression,
    pub(crate) change_log_limit: u64,
    pub(crate) merge_slice_size: u64,
    /// Length at which a table is closed, at the next key.
    pub(crate) table_size: u64,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) maintenance: Maintenance,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) sled_directory: bool,
}

/// Unsynced `Buffered` commits reach the disk within this time.
pub(crate) const BUFFERED_SYNC_WITHIN: Duration = Duration::from_millis(50);

const MEMORY_LIMIT_DEFAULT: u64 = 512 << 20;
const MEMORY_LIMIT_MIN: u64 = 1 << 20;
const BLOCK_SIZES: std::ops::RangeInclusive<usize> = 512..=1 << 20;

impl StoreOptions {
    /// Options for the store in the folder `path`: durability `Sync`, 512 MiB of memory, no disk
    /// limit, blocks of 16 KiB, LZ4, made if it is not there.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            durability: Durability::Sync,
            memory_limit: MEMORY_LIMIT_DEFAULT,
            disk_limit: None,
            block_size: 16 << 10,
            compression: Compression::Lz4,
            change_log_limit: 16 << 20,
            merge_slice_size: 128 << 20,
            table_size: 32 << 20,
            read_only: false,
            create: true,
            maintenance: Maintenance::Background,
            vfs: Arc::new(RealVfs::new()),
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SystemRng::new()),
            sled_directory: true,
        }
    }

    /// Level of commits that name none.
    pub fn durability(mut self, level: Durability) -> Self {
        self.durability = level;
        self
    }

    /// Budget for memtables and caches, in bytes; at least 1 MiB.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Bytes on the disk past which writes are refused with [`Error::DiskLimit`]. Merges may go
    /// past it for a moment, since each step writes new files before the old ones go.
    pub fn disk_limit(mut self, bytes: u64) -> Self {
        self.disk_limit = Some(bytes);
        self
    }

    /// Uncompressed size of a block, in bytes; 512 to 1 MiB.
    pub fn block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes;
        self
    }

    /// Compression of keyspaces that name none.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Bytes of log kept for change readers after their commits are in tables; 16 MiB by default.
    pub fn change_log_limit(mut self, bytes: u64) -> Self {
        self.change_log_limit = bytes;
        self
    }

    /// Bytes of entries that one step of a merge takes in, at most and but for the versions of its
    /// last key; 128 MiB by default, never zero. A merge needs about as much free disk, and
    /// more urgent work waits for one step at most.
    pub fn merge_slice_size(mut self, bytes: u64) -> Self {
        self.merge_slice_size = bytes;
        self
    }

    /// Reads the last checkpoint and the synced log, taking no lock and changing no file: works
    /// beside a process that has the store open, and shows the state at the time of the call.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether to make the store if the folder holds none; otherwise [`Error::NotFound`].
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Who flushes and merges.
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// The disk. Any disk but the real one keeps its directory of tables in memory, since sled
    /// reaches the real disk only.
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self.sled_directory = false;
        self
    }

    /// The clock, read for expiry and for waiting times.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The randomness, used for log salts and retry jitter.
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.rng = rng;
        self
    }

    /// Opens the store, replaying what the log holds above the last checkpoint.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is in use, [`Error::Corrupt`] if bytes are damaged (nothing is
    /// changed then), [`Error::NotFound`], [`Error::FormatVersion`], [`Error::InvalidOption`],
    /// [`Error::Io`].
    pub fn open(self) -> Result<(Store, RecoveryReport)> {
        self.validate()?;
        Store::open_with(&self)
    }

    fn validate(&self) -> Result<()> {
        let invalid = |option, detail| Err(Error::InvalidOption { option, detail });
        if self.memory_limit < MEMORY_LIMIT_MIN {
            let detail = format!("{} is below the minimum, {MEMORY_LIMIT_MIN}", self.memory_limit);
            return invalid("memory_limit", detail);
        }
        if !BLOCK_SIZES.contains(&self.block_size) {
            let detail = format!("{} is not within {BLOCK_SIZES:?}", self.block_size);
            return invalid("block_size", detail);
        }
        if self.merge_slice_size == 0 {
            let detail = "a step of a merge must take something in".to_owned();
            return invalid("merge_slice_size", detail);
        }
        Ok(())
    }

    /// Bytes in the active memtable at which it is frozen.
    pub(crate) fn memtable_size(&self) -> u64 {
        (self.memory_limit / 15).clamp(68 << 10, 64 << 20)
    }

    /// Bytes for decoded blocks and cached rows, at the least.
    pub(crate) fn cache_size(&self) -> u64 {
        self.memory_limit * 3 / 5
    }

    /// What the caches may have besides while at most one memtable waits for its flush: half of
    /// what is free then, since allocators give back late what memtables had.
    pub(crate) fn idle_memtable_size(&self) -> u64 {
        self.memory_limit / 10
    }

    /// Bytes in a log segment.
    pub(crate) fn segment_size(&self) -> u64 {
        (self.memory_limit / 16).clamp(64 << 10, 64 << 20)
    }
}

/// Decides at a merge whether an entry stays: `true` keeps it. Called with key and value, only for
/// versions that no open snapshot can see, from a thread of the store.
pub type MergeFilter = Arc<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;

/// Options of one keyspace. They are stored with it, but for the merge filter, which is code and
/// is given anew at each opening.
#[derive(Clone, Default)]
#[must_use = "options do nothing before `Store::keyspace`"]
pub struct KeyspaceOptions {
    pub(crate) compression: Option<Compression>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) merge_filter: Option<MergeFilter>,
}

impl KeyspaceOptions {
    /// The store's compression, no time to live, no merge filter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compression of blocks written from now on.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Entries inserted without a time to live of their own expire after this time.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// Drops entries at merges.
    pub fn merge_filter(mut self, filter: MergeFilter) -> Self {
        self.merge_filter = Some(filter);
        self
    }
}

impl fmt::Debug for KeyspaceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyspaceOptions")
            .field("compression", &self.compression)
            .field("time_to_live", &self.time_to_live)
            .field("merge_filter", &self.merge_filter.is_some())
            .finish()
    }
}
