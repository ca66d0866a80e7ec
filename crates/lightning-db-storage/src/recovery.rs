//! Opening a store: what is on the disk becomes an engine.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use lightning_db_types::VfsLock;
use parking_lot::{Mutex, RwLock};

use crate::blob::{Blobs, parse_reference};
use crate::catalog::{Catalog, DirectoryState, TableRecord};
use crate::commit::CommitState;
use crate::engine::{Engine, KeyspaceInner, Keyspaces, OpenEngine};
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::memtable::ENTRY_OVERHEAD;
use crate::options::StoreOptions;
use crate::published::Published;
use crate::rows::RowCache;
use crate::snapshot::Snapshots;
use crate::table::{BlockCache, Portion};
use crate::view::Run;
use crate::wal::{Log, Ops, Replayed, replay};

/// What [`StoreOptions::open`](crate::StoreOptions::open) found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether the store was made now.
    pub created: bool,
    /// Number of the last commit that is there.
    pub last_lsn: u64,
    /// Commits read from the log, above the last checkpoint.
    pub commits_replayed: u64,
    /// Whether the log ended in a record that was not whole, above all that was synced: the power
    /// went, or the process ended, while it was written. It was left out.
    pub torn_tail: bool,
    /// Files that belong to nothing, left by an interrupted flush or merge, and removed.
    pub leftovers_removed: u64,
    /// How the directory of tables was found.
    pub directory: DirectoryState,
}

const LOCK: &str = "lock";
const WAL: &str = "wal";
const TABLES: &str = "tables";
const BLOBS: &str = "blobs";

/// Opens the store of `options`, or makes it.
pub(crate) fn open(options: StoreOptions) -> Result<(Arc<OpenEngine>, RecoveryReport)> {
    let vfs = Arc::clone(&options.vfs);
    let path = options.path.clone();
    let may_create = options.create && !options.read_only;
    if !may_create && !vfs.exists(&path).map_err(Error::io("look at", &path))? {
        return Err(Error::NotFound { path });
    }
    let lock = if options.read_only { None } else { Some(take_lock(&options)?) };
    let mut report = RecoveryReport::default();
    let catalog = match Catalog::open(&options)? {
        Some((catalog, directory)) => {
            report.directory = directory;
            catalog
        }
        None if may_create => {
            refuse_to_overwrite(&options)?;
            report.created = true;
            Catalog::create(&options)?
        }
        None => return Err(Error::NotFound { path }),
    };
    let engine = OpenEngine::new(Engine {
        visible: crate::sync::AtomicU64::new(0),
        published: Published::default(),
        commit: Mutex::default(),
        hooks: Arc::default(),
        log: OnceLock::new(),
        keyspaces: RwLock::default(),
        snapshots: Snapshots::default(),
        catalog: Mutex::new(catalog),
        views: crate::sync::Mutex::default(),
        cache: Arc::new(BlockCache::new(options.cache_size() / 2)),
        rows: RowCache::new(options.cache_size() / 2),
        blobs: Blobs::new(Arc::clone(&vfs), path.join(BLOBS)),
        obsolete: Mutex::default(),
        table_bytes: AtomicU64::new(0),
        work: Arc::default(),
        closed: AtomicBool::new(false),
        lock: Mutex::new(lock),
        clock: Arc::clone(&options.clock),
        rng: Arc::clone(&options.rng),
        vfs,
        path,
        options,
    });
    engine.recover(&mut report)?;
    engine.start()?;
    Ok((engine, report))
}

/// Makes the folders and takes the lock.
pub(crate) fn take_lock(options: &StoreOptions) -> Result<Box<dyn VfsLock>> {
    let (vfs, path) = (&options.vfs, &options.path);
    if options.create {
        for dir in [path.clone(), path.join(WAL), path.join(TABLES), path.join(BLOBS)] {
            vfs.create_dir_all(&dir).map_err(Error::io("make folder", &dir))?;
        }
        vfs.sync_dir(path).map_err(Error::io("sync folder", path))?;
    }
    let file = path.join(LOCK);
    vfs.lock(&file).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { path: path.clone() },
        io::ErrorKind::NotFound => Error::NotFound { path: path.clone() },
        _ => Error::io("lock", &file)(error),
    })
}

/// A folder with tables or a log but without a manifest has lost it: a new store must not be made
/// on top. A crash while a store is made leaves neither.
fn refuse_to_overwrite(options: &StoreOptions) -> Result<()> {
    for dir in [TABLES, WAL] {
        let dir = options.path.join(dir);
        let names = options.vfs.read_dir(&dir).map_err(Error::io("list", &dir))?;
        if names.iter().any(|name| name.len > 0) {
            let manifest = options.path.join(crate::catalog::MANIFEST);
            return Err(Error::corrupt(&manifest, 0, "the manifest is missing, but data is there"));
        }
    }
    Ok(())
}

impl Engine {
    fn recover(&self, report: &mut RecoveryReport) -> Result<()> {
        self.open_keyspaces()?;
        self.count_table_bytes();
        self.balance_caches();
        let known = self.catalog.lock().state().known_of_log();
        let wal = self.path.join(WAL);
        let mut blobs = BTreeSet::new();
        let mut active_bytes = 0;
        let read_only = self.options.read_only;
        let mut replayed = replay(&*self.vfs, &wal, known, read_only, &mut |seq, ops| {
            active_bytes += self.apply(seq, ops, &mut blobs)?;
            Ok(())
        })?;
        report.commits_replayed = replayed.commits;
        report.torn_tail = replayed.torn_tail;
        report.last_lsn = replayed.last_seq;
        let mut state = CommitState::default();
        (state.active_bytes, state.last_seq) = (active_bytes, replayed.last_seq);
        if !read_only {
            report.leftovers_removed = self.remove_leftovers(&mut replayed, &mut blobs)?;
            let segment_size = self.options.segment_size();
            let (log, writer) = Log::start(
                Arc::clone(&self.vfs),
                &wal,
                Arc::clone(&self.rng),
                segment_size,
                std::mem::take(&mut replayed.segments),
                replayed.last_seq,
            )?;
            state.writer = Some(writer);
            let _ = self.log.set(log);
        }
        *self.commit.lock() = state;
        self.visible.store(replayed.last_seq, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    fn open_keyspaces(&self) -> Result<()> {
        let catalog = self.catalog.lock();
        let state = catalog.state();
        let mut keyspaces = Keyspaces::default();
        for (id, record) in &state.keyspaces {
            let mut view = KeyspaceInner::empty_view(record.floors.clone());
            for (order, records) in state.runs(*id) {
                let open = |record: &TableRecord| -> Result<Portion> {
                    let table = Arc::new(self.open_table(&record.meta)?);
                    Ok(Portion::new(table, &record.from))
                };
                let tables = records.into_iter().map(open).collect::<Result<_>>()?;
                view.runs.push(Run::new(order.0, tables));
            }
            keyspaces.insert(Arc::new(KeyspaceInner::new(*id, record, view, &self.rows)));
        }
        *self.keyspaces.write() = keyspaces;
        Ok(())
    }

    /// Puts a commit of the log into the memtables. Changes of keyspaces that are no longer there
    /// are left out: dropping one is recorded in the manifest, not in the log.
    fn apply(&self, seq: u64, ops: Ops<'_>, blobs: &mut BTreeSet<u64>) -> Result<u64> {
        let keyspaces = self.keyspaces.read();
        let mut bytes = 0;
        for op in ops.flatten() {
            let Some(entry) = EntryRef::decode_without_seq(seq, op.entry) else {
                let path = self.path.join(WAL);
                return Err(Error::corrupt(&path, 0, format!("commit {seq} cannot be read")));
            };
            let Some(keyspace) = keyspaces.by_id.get(&op.keyspace_id) else { continue };
            if matches!(entry.kind, Kind::Clear | Kind::Ingest) {
                continue;
            }
            if entry.kind == Kind::Blob {
                blobs.extend(parse_reference(entry.value).map(|(id, _)| id));
            }
            let encoded = entry.encode_shared();
            bytes += encoded.len() as u64 + ENTRY_OVERHEAD;
            keyspace.view.load().active.insert(encoded);
        }
        Ok(bytes)
    }

    /// Removes files that neither the manifest nor the log refers to, and log segments that were
    /// left out or are no longer needed.
    fn remove_leftovers(&self, replayed: &mut Replayed, blobs: &mut BTreeSet<u64>) -> Result<u64> {
        let mut leftovers = std::mem::take(&mut replayed.leftovers);
        let last = replayed
            .segments
            .back()
            .map_or(u64::MAX, |last| last.last_seq.load(std::sync::atomic::Ordering::Acquire));
        if last < replayed.last_seq {
            // Tables are ahead of the log: it starts anew behind them.
            leftovers.extend(replayed.segments.iter().map(|segment| segment.path.clone()));
            replayed.segments = VecDeque::new();
        }
        let (tables, mut live_blobs) = {
            let catalog = self.catalog.lock();
            let tables: BTreeSet<u64> = catalog.state().tables.keys().copied().collect();
            let metas = catalog.state().tables.values();
            let blobs: BTreeSet<u64> =
                metas.flat_map(|table| table.meta.blobs.iter().copied()).collect();
            (tables, blobs)
        };
        live_blobs.append(blobs);
        self.catalog.lock().mend_copy()?;
        let dir = self.tables_dir();
        let names = self.vfs.read_dir(&dir).map_err(Error::io("list", &dir))?;
        for name in names {
            let stem = name.name.strip_suffix(".table");
            let id = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
            if id.is_some_and(|id| !tables.contains(&id)) {
                self.catalog.lock().refresh_copy()?;
                leftovers.push(dir.join(name.name));
            }
        }
        let listed = self.blobs.list()?;
        if let Some(last) = listed.iter().max() {
            self.catalog.lock().skip_blob_id(*last);
        }
        let unused = listed.into_iter().filter(|id| !live_blobs.contains(id));
        leftovers.extend(unused.map(|id| self.blobs.path(id)));
        for path in &leftovers {
            self.vfs.remove_file(path).map_err(Error::io("remove", path))?;
        }
        if !leftovers.is_empty() {
            for dir in [self.path.join(WAL), dir, self.path.join(BLOBS)] {
                self.vfs.sync_dir(&dir).map_err(Error::io("sync folder", &dir))?;
            }
        }
        Ok(leftovers.len() as u64)
    }
}
