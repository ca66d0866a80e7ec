//! The inside of an open store: what all handles share.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lightning_db_types::{Clock, Rng, Vfs, VfsLock};
use parking_lot::{Mutex, RwLock};

use crate::blob::Blobs;
use crate::catalog::{Catalog, KeyspaceRecord};
use crate::commit::{CommitHooks, CommitState};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::maintenance::Work;
use crate::memtable::Memtable;
use crate::options::{MergeFilter, StoreOptions};
use crate::published::Published;
use crate::rows::{KeyspaceRows, RowCache, Ticket};
use crate::snapshot::Snapshots;
use crate::sync::ArcSwap;
use crate::table::{BlockCache, Compression, Hint, Portion, Table, hash_key};
use crate::view::{View, switch};
use crate::wal::Log;

/// One keyspace of an open store.
pub(crate) struct KeyspaceInner {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) compression: Compression,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) merge_filter: RwLock<Option<MergeFilter>>,
    pub(crate) view: ArcSwap<View>,
    pub(crate) rows: KeyspaceRows,
    /// Commit after which it is gone; `u64::MAX` while it is there.
    pub(crate) dropped_at: AtomicU64,
}

impl std::fmt::Debug for KeyspaceInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, name, .. } = self;
        f.debug_struct("KeyspaceInner").field("id", id).field("name", name).finish_non_exhaustive()
    }
}

impl KeyspaceInner {
    pub(crate) fn new(id: u32, record: &KeyspaceRecord, view: View, rows: &Arc<RowCache>) -> Self {
        Self {
            id,
            name: record.name.clone(),
            compression: record.compression,
            time_to_live: record.time_to_live,
            merge_filter: RwLock::new(None),
            view: ArcSwap::from_pointee(view),
            rows: KeyspaceRows::new(rows, id),
            dropped_at: AtomicU64::new(u64::MAX),
        }
    }

    /// Newest version of a key with a sequence number of at most `seq_max`, and the floor below
    /// which nothing exists for a reader at that number.
    ///
    /// The number is asked for when the view has been taken: see [`switch::take`].
    #[inline]
    pub(crate) fn find(
        &self,
        key: &[u8],
        seq_max: impl Fn() -> u64,
    ) -> Result<Option<(Entry, u64)>> {
        let hash = hash_key(key);
        // In this order: see `RowCache`.
        let ticket = self.rows.ticket();
        let (view, seq) = switch::take(&self.view, seq_max);
        let floor = view.floor_at(seq);
        if let Some(found) = view.active.get(key, hash, seq) {
            return Ok(Some((found, floor)));
        }
        let found = self.find_behind(&view, ticket, key, hash, seq)?;
        Ok(found.map(|found| (found, floor)))
    }

    /// The same, where the active memtable has none.
    fn find_behind(
        &self,
        view: &View,
        ticket: Ticket,
        key: &[u8],
        hash: u64,
        seq_max: u64,
    ) -> Result<Option<Entry>> {
        let frozen = view.frozen.iter().find_map(|memtable| memtable.get(key, hash, seq_max));
        if frozen.is_some() || view.runs.is_empty() {
            return Ok(frozen);
        }
        let single = view.single_table_of(key);
        let in_tables = || match single {
            Some(table) => table.get(key, hash, seq_max),
            None => view.get_in_tables(key, hash, seq_max),
        };
        match single.map(|table| table.get_recent(key, seq_max)) {
            Some(Hint::Found(found)) => return Ok(Some(found)),
            Some(Hint::Tables) => return in_tables(),
            Some(Hint::Rows) | None => {}
        }
        if let Some(row) = self.rows.get(key, hash, seq_max) {
            return Ok(Some(row));
        }
        let found = in_tables()?;
        // Only a reader of the present knows that what it found is the newest version.
        if let Some(found) = found.as_ref().filter(|_| seq_max >= view.tables_seq_max()) {
            self.rows.admit(ticket, hash, found);
        }
        Ok(found)
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped_at.load(Ordering::Acquire) != u64::MAX
    }

    pub(crate) fn check_live(&self) -> Result<()> {
        if self.is_dropped() {
            return Err(Error::KeyspaceDropped { name: self.name.clone() });
        }
        Ok(())
    }

    /// An empty view: for a new keyspace.
    pub(crate) fn empty_view(floors: Vec<u64>) -> View {
        View { active: Arc::new(Memtable::new()), frozen: Vec::new(), runs: Vec::new(), floors }
    }
}

/// Keyspaces by name and by id.
#[derive(Debug, Default)]
pub(crate) struct Keyspaces {
    pub(crate) by_name: BTreeMap<String, Arc<KeyspaceInner>>,
    pub(crate) by_id: BTreeMap<u32, Arc<KeyspaceInner>>,
}

impl Keyspaces {
    pub(crate) fn insert(&mut self, keyspace: Arc<KeyspaceInner>) {
        self.by_name.insert(keyspace.name.clone(), Arc::clone(&keyspace));
        self.by_id.insert(keyspace.id, keyspace);
    }

    pub(crate) fn remove(&mut self, keyspace: &KeyspaceInner) {
        self.by_name.remove(&keyspace.name);
        self.by_id.remove(&keyspace.id);
    }
}

/// A table that was merged away or dropped.
#[derive(Debug)]
pub(crate) struct Obsolete {
    pub(crate) table: Arc<Table>,
    /// Blobs that nothing refers to once it is gone.
    pub(crate) blobs: Vec<u64>,
}

impl Obsolete {
    /// A table of a keyspace that was dropped, with its blobs.
    pub(crate) fn dropped(portion: &Portion) -> Self {
        let table = Arc::clone(&portion.table);
        Self { blobs: table.meta().blobs.clone(), table }
    }
}

/// See the head of this file.
///
/// Locks, in the order in which one thread may take them: `compact_turn`, `merge_turn`, `commit`,
/// `flush_turn`, `catalog`, `views`, `work`; the registries `keyspaces` and `snapshots` are taken
/// last, briefly.
pub(crate) struct Engine {
    pub(crate) path: PathBuf,
    pub(crate) options: StoreOptions,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// Newest commit that readers may see.
    pub(crate) visible: crate::sync::AtomicU64,
    pub(crate) published: Published,
    /// Serialises commits: number, log, memtables and visibility agree because one thread does all.
    pub(crate) commit: Mutex<CommitState>,
    pub(crate) hooks: Arc<CommitHooks>,
    /// `None` if the store is read-only.
    pub(crate) log: OnceLock<Log>,
    pub(crate) keyspaces: RwLock<Keyspaces>,
    pub(crate) snapshots: Snapshots,
    pub(crate) catalog: Mutex<Catalog>,
    /// Held while a keyspace's view is replaced by one derived from it.
    pub(crate) views: crate::sync::Mutex<()>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) rows: Arc<RowCache>,
    pub(crate) blobs: Blobs,
    /// Tables that no view holds; their files go when the last reader has gone.
    pub(crate) obsolete: Mutex<Vec<Obsolete>>,
    /// Bytes of tables on the disk, as of the last change of the catalog or of `obsolete`.
    pub(crate) table_bytes: AtomicU64,
    pub(crate) work: Arc<Work>,
    pub(crate) closed: AtomicBool,
    /// Held for its drop.
    pub(crate) lock: Mutex<Option<Box<dyn VfsLock>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the handles of an open store share. The store closes when the last of them goes, and its
/// drop waits for that: the threads hold the engine too, and one that is at work would otherwise
/// keep the folder locked behind it.
#[derive(Debug)]
pub(crate) struct OpenEngine {
    engine: Arc<Engine>,
}

impl OpenEngine {
    pub(crate) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self { engine: Arc::new(engine) })
    }

    /// Starts the threads, unless nothing is ever written.
    pub(crate) fn start(&self) -> Result<()> {
        if self.options.read_only { Ok(()) } else { self.engine.start_threads() }
    }
}

impl Deref for OpenEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for OpenEngine {
    fn drop(&mut self) {
        // An error has nowhere to go; the log is whole up to the last sync, and replay sees to it.
        let _ = self.engine.close();
    }
}

impl Engine {
    pub(crate) fn log(&self) -> Result<&Log> {
        self.log.get().ok_or(Error::ReadOnly)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    pub(crate) fn tables_dir(&self) -> PathBuf {
        self.path.join("tables")
    }

    pub(crate) fn table_path(&self, table_id: u64) -> PathBuf {
        self.tables_dir().join(format!("{table_id:016x}.table"))
    }

    /// Replaces a keyspace's view by one made from it.
    pub(crate) fn update_view(&self, keyspace: &KeyspaceInner, change: impl FnOnce(&mut View)) {
        switch::replace(&self.views, &keyspace.view, change);
    }

    /// All keyspaces that are there, by id.
    pub(crate) fn live_keyspaces(&self) -> Vec<Arc<KeyspaceInner>> {
        self.keyspaces.read().by_id.values().map(Arc::clone).collect()
    }

    /// Counts the bytes of tables again.
    pub(crate) fn count_table_bytes(&self) {
        let live: u64 = {
            let catalog = self.catalog.lock();
            catalog.state().tables.values().map(|table| table.meta.file_len).sum()
        };
        let gone: u64 = self.obsolete.lock().iter().map(|gone| gone.table.meta().file_len).sum();
        self.table_bytes.store(live + gone, Ordering::Release);
    }

    /// Fails if the store is past its disk limit. Takes no lock but the log's.
    pub(crate) fn check_disk_limit(&self) -> Result<()> {
        let Some(limit) = self.options.disk_limit else { return Ok(()) };
        let log = self.log.get().map_or(0, Log::len);
        let used = self.table_bytes.load(Ordering::Acquire) + log + self.blobs.bytes();
        if used > limit { Err(Error::DiskLimit { used, limit }) } else { Ok(()) }
    }

    /// Removes files of tables and blobs that nobody reads any more.
    ///
    /// # Errors
    /// Those of a change of the manifest; the files stay then.
    pub(crate) fn remove_obsolete(&self) -> Result<()> {
        if self.log.get().is_some_and(|log| log.check().is_err()) {
            // The manifest on the disk may still name them.
            return Ok(());
        }
        let unused: Vec<_> = self
            .obsolete
            .lock()
            .extract_if(.., |gone| Arc::strong_count(&gone.table) == 1)
            .collect();
        if !unused.is_empty() {
            // An older copy and the new one are both sound before the first file is gone, so that a
            // failure costs nothing but this attempt.
            let refreshed = self.catalog.lock().refresh_copy();
            if let Err(error) = refreshed {
                self.obsolete.lock().extend(unused);
                return Err(error);
            }
        }
        for gone in unused {
            // A file that stays is removed by the next open: the manifest does not name it.
            let _ = self.vfs.remove_file(gone.table.path());
            self.blobs.retire(&gone.blobs);
        }
        self.blobs.remove_obsolete();
        self.count_table_bytes();
        Ok(())
    }
}
