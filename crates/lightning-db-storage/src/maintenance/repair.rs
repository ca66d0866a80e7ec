//! Salvaging a damaged store: everything readable is kept, everything lost is listed.
//!
//! Damaged files go to the folder `lost+found` of the store, never away. Tables that are whole stay
//! as they are; damaged ones are written again from their good blocks; the commits of the log that
//! can be read become tables. Where a newer version was lost, an older one may show: the report
//! names the ranges.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::Vfs;

use crate::blob::{Blobs, parse_reference};
use crate::catalog::{self, Catalog, KeyspaceRecord, MANIFEST, State, TableRecord};
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::merge::{Merger, Source};
use crate::options::StoreOptions;
use crate::table::{BlockCache, Table, TableMeta, TableOptions, TableWriter};
use crate::wal::{Ops, salvage};

/// What a repair kept and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Whether the manifest was damaged, and made again from the tables.
    pub manifest_rebuilt: bool,
    /// Tables that were whole.
    pub tables_kept: u64,
    /// Damaged tables that were written again from their good blocks.
    pub tables_salvaged: u64,
    /// Entries of these.
    pub entries_salvaged: u64,
    /// Commits of the log that were read and are in tables now.
    pub commits_salvaged: u64,
    /// What was lost; empty if nothing was.
    pub lost: Vec<Lost>,
}

/// Something that a repair could not save.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// The damaged file, under its old name.
    pub path: PathBuf,
    /// What is lost.
    pub detail: String,
    /// Keyspace of the lost entries, if they are of one.
    pub keyspace: Option<String>,
    /// Lost keys come after or at this one; `None` if nothing is known.
    pub key_after: Option<Vec<u8>>,
    /// Lost keys come before or at this one; `None` if nothing is known.
    pub key_before: Option<Vec<u8>>,
}

const LOST_AND_FOUND: &str = "lost+found";

struct Repair<'a> {
    options: &'a StoreOptions,
    vfs: &'a dyn Vfs,
    blobs: Blobs,
    state: State,
    report: RepairReport,
}

/// See [`Store::repair`](crate::Store::repair).
pub(crate) fn repair(options: StoreOptions) -> Result<RepairReport> {
    let vfs = Arc::clone(&options.vfs);
    let path = options.path.clone();
    if !vfs.exists(&path.join("tables")).map_err(Error::io("look at", &path))? {
        return Err(Error::NotFound { path });
    }
    let options = options.create(false);
    let _lock = crate::recovery::take_lock(&options)?;
    let (state, rebuilt) = match Catalog::open(&options) {
        Ok(Some((mut catalog, _))) => {
            catalog.close();
            (catalog.state().clone(), false)
        }
        Err(error @ (Error::FormatVersion { .. } | Error::Io { .. })) => return Err(error),
        Ok(None) | Err(_) => (rebuild_state(&*vfs, &path)?, true),
    };
    let report = RepairReport { manifest_rebuilt: rebuilt, ..RepairReport::default() };
    let blobs = Blobs::new(Arc::clone(&vfs), path.join("blobs"));
    let mut repair = Repair { options: &options, vfs: &*vfs, blobs, state, report };
    if rebuilt {
        repair.set_aside(&path.join(MANIFEST))?;
    }
    repair.tables()?;
    repair.log()?;
    vfs.sync_dir(&path.join("tables")).map_err(Error::io("sync folder", &path))?;
    catalog::write_state(&*vfs, &path, &repair.state)?;
    repair.remove_segments()?;
    Ok(repair.report)
}

/// Makes the catalog again: keyspaces from the manifest's copy, tables from their own properties.
fn rebuild_state(vfs: &dyn Vfs, path: &Path) -> Result<State> {
    let mut state = catalog::read_copy(vfs, path).unwrap_or_default();
    let known = std::mem::take(&mut state.tables);
    let dir = path.join("tables");
    let mut metas = Vec::new();
    for name in vfs.read_dir(&dir).map_err(Error::io("list", &dir))? {
        let Some(id) = table_id_of(&name.name) else { continue };
        let path = dir.join(&name.name);
        state.next_table_id = state.next_table_id.max(id + 1);
        let meta = match Table::read_meta(vfs, &path) {
            Ok(meta) => Some(meta),
            Err(_) => Table::salvage(vfs, &path, &mut |_| Ok(()))?.meta,
        };
        // Without its properties a table is salvaged under the number that its file name gives.
        let mut meta = meta.unwrap_or(TableMeta { table_id: id, ..TableMeta::default() });
        let stamp = known.get(&id).map_or(0, |known| known.meta.stamp);
        if stamp != 0 && meta.seq_max == 0 {
            meta.stamp(stamp);
        }
        metas.push(meta);
    }
    metas.sort_by_key(|meta| (meta.seq_max, meta.table_id));
    for (age, meta) in metas.into_iter().enumerate() {
        let id = meta.keyspace_id;
        state.next_keyspace_id = state.next_keyspace_id.max(id + 1);
        state.keyspaces.entry(id).or_insert_with(|| nameless(id));
        let order = age as u64 + 1;
        state.flushed_seq = state.flushed_seq.max(meta.seq_max).max(order);
        let blob = meta.blobs.last().map_or(0, |last| last + 1);
        state.next_blob_id = state.next_blob_id.max(blob);
        state.tables.insert(meta.table_id, TableRecord { order, meta });
    }
    Ok(state)
}

fn nameless(id: u32) -> KeyspaceRecord {
    KeyspaceRecord {
        name: format!("recovered-{id}"),
        compression: crate::table::Compression::Lz4,
        time_to_live: None,
        floors: Vec::new(),
    }
}

fn table_id_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".table")?, 16).ok()
}

impl Repair<'_> {
    fn table_path(&self, id: u64) -> PathBuf {
        self.options.path.join("tables").join(format!("{id:016x}.table"))
    }

    /// Moves a damaged file out of the way.
    fn set_aside(&self, path: &Path) -> Result<()> {
        let dir = self.options.path.join(LOST_AND_FOUND);
        self.vfs.create_dir_all(&dir).map_err(Error::io("make folder", &dir))?;
        if !self.vfs.exists(path).map_err(Error::io("look at", path))? {
            return Ok(());
        }
        let target = dir.join(path.file_name().unwrap_or_default());
        self.vfs.rename(path, &target).map_err(Error::io("rename", path))?;
        self.vfs.sync_dir(&dir).map_err(Error::io("sync folder", &dir))
    }

    fn tables(&mut self) -> Result<()> {
        let cache = Arc::new(BlockCache::new(0));
        for (id, record) in self.state.tables.clone() {
            let path = self.table_path(id);
            let opened = Table::open(self.vfs, &path, record.meta.clone(), Arc::clone(&cache));
            let verified = opened.and_then(|table| table.verify(true));
            match verified.and_then(|_| self.verify_blobs(&path, &record.meta)) {
                Ok(()) => self.report.tables_kept += 1,
                Err(error) if error.is_corruption() || error.is_missing_file() => {
                    self.salvage_table(&path, &record)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Compares the blobs of a whole table with their checksums.
    fn verify_blobs(&self, path: &Path, meta: &TableMeta) -> Result<()> {
        if meta.blobs.is_empty() {
            return Ok(());
        }
        Table::salvage(self.vfs, path, &mut |entry| {
            EntryRef::decode(entry).map_or(Ok(()), |entry| self.verify_blob(&entry))
        })
        .map(drop)
    }

    /// Compares the blob of an entry, if it has one, with its checksums.
    fn verify_blob(&self, entry: &EntryRef<'_>) -> Result<()> {
        if entry.kind == Kind::Blob { self.blobs.verify(entry.value) } else { Ok(()) }
    }

    /// Leaves out entries whose values cannot be read.
    fn without_lost_values(
        &mut self,
        keyspace_id: u32,
        entries: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut kept = Vec::with_capacity(entries.len());
        for bytes in entries {
            let Some(entry) = EntryRef::decode(&bytes) else { continue };
            if self.keeps_value(keyspace_id, &entry)? {
                kept.push(bytes);
            }
        }
        Ok(kept)
    }

    /// Whether the value of an entry can be read. A blob that cannot is put aside, and the entry
    /// reported as lost.
    fn keeps_value(&mut self, keyspace_id: u32, entry: &EntryRef<'_>) -> Result<bool> {
        let Err(error) = self.verify_blob(entry) else { return Ok(true) };
        if !error.is_corruption() && !error.is_missing_file() {
            return Err(error);
        }
        let path = self.blobs.path(parse_reference(entry.value).map_or(0, |(id, _)| id));
        self.set_aside(&path)?;
        let keyspace = self.state.keyspaces.get(&keyspace_id).map(|found| found.name.clone());
        let detail = format!("a value of more than 1 MiB: {error}");
        let (key_after, key_before) = (Some(entry.key.to_vec()), Some(entry.key.to_vec()));
        self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        Ok(false)
    }

    /// Writes a table again from its good blocks.
    fn salvage_table(&mut self, path: &Path, record: &TableRecord) -> Result<()> {
        let old = &record.meta;
        let keyspace = self.state.keyspaces.get(&old.keyspace_id).map(|found| found.name.clone());
        let mut lost = |detail: String, key_after, key_before| {
            let (path, keyspace) = (path.to_owned(), keyspace.clone());
            self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        };
        self.state.tables.remove(&old.table_id);
        if !self.vfs.exists(path).map_err(Error::io("look at", path))? {
            let (from, to) = (old.key_min.clone(), old.key_max.clone());
            lost("the table is missing".into(), Some(from), Some(to));
            return Ok(());
        }
        let mut entries = Vec::new();
        let salvaged = Table::salvage(self.vfs, path, &mut |entry| {
            entries.push(entry.to_vec());
            Ok(())
        })?;
        for range in salvaged.lost {
            let detail = format!("{} bytes at {} cannot be read", range.len, range.offset);
            lost(detail, range.key_after, range.key_before);
        }
        let entries = self.without_lost_values(old.keyspace_id, entries)?;
        self.report.tables_salvaged += 1;
        self.report.entries_salvaged += entries.len() as u64;
        let meta = self.write_table(old.keyspace_id, entries.iter().map(|entry| &entry[..]))?;
        if let Some(mut meta) = meta {
            if old.stamp != 0 && meta.seq_max == 0 {
                meta.stamp(old.stamp);
            }
            self.state.tables.insert(meta.table_id, TableRecord { order: record.order, meta });
        }
        self.set_aside(path)
    }

    fn write_table<'e>(
        &mut self,
        keyspace_id: u32,
        entries: impl Iterator<Item = &'e [u8]>,
    ) -> Result<Option<TableMeta>> {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return Ok(None);
        }
        let table_id = self.state.next_table_id;
        self.state.next_table_id += 1;
        let compression = self.state.keyspaces.get(&keyspace_id).map(|found| found.compression);
        let options = TableOptions {
            table_id,
            keyspace_id,
            block_size: self.options.block_size,
            compression: compression.unwrap_or(self.options.compression),
            created_unix_ms: self.options.clock.now_unix_ms(),
        };
        let path = self.table_path(table_id);
        if self.vfs.exists(&path).map_err(Error::io("look at", &path))? {
            // Left by a flush or merge that the manifest does not know.
            self.vfs.remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        let mut writer = TableWriter::create(self.vfs, &path, options)?;
        for entry in entries {
            writer.add(entry)?;
        }
        writer.finish().map(Some)
    }

    /// Brings the commits of the log that can be read into tables.
    fn log(&mut self) -> Result<()> {
        let floor = self.state.flushed_seq;
        let mut memtables: BTreeMap<u32, Memtable> = BTreeMap::new();
        let keyspaces = &self.state.keyspaces;
        let found = salvage(self.vfs, &self.options.path.join("wal"), floor, &mut |seq,
                                                                                   ops: Ops<
            '_,
        >| {
            for op in ops.flatten() {
                let entry = EntryRef::decode_without_seq(seq, op.entry);
                let entry = entry.filter(|entry| !matches!(entry.kind, Kind::Clear | Kind::Ingest));
                if let Some(entry) = entry.filter(|_| keyspaces.contains_key(&op.keyspace_id)) {
                    let memtable = memtables.entry(op.keyspace_id).or_insert_with(Memtable::new);
                    memtable.insert(entry.encode_shared());
                }
            }
            Ok(())
        })?;
        self.report.commits_salvaged = found.commits;
        for (path, detail) in found.lost {
            let (keyspace, key_after, key_before) = (None, None, None);
            self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        }
        // A commit that emptied a keyspace may be lost: no later one may take its number.
        let known = self.state.known_of_log().durable_seq;
        self.state.flushed_seq = known.max(found.last_seq);
        for (id, memtable) in memtables {
            let sources = memtable.flush_cursors().into_iter().map(Source::Memory).collect();
            let mut merger = Merger::new(sources);
            merger.seek_first()?;
            let mut entries = Vec::new();
            while let Some(entry) = merger.entry() {
                entries.push(entry.to_vec());
                merger.step()?;
            }
            let entries = self.without_lost_values(id, entries)?;
            if let Some(meta) = self.write_table(id, entries.iter().map(|entry| &entry[..]))? {
                let order = self.state.flushed_seq;
                self.state.tables.insert(meta.table_id, TableRecord { order, meta });
            }
        }
        Ok(())
    }

    /// All that could be read of the log is in tables; segments with damage are kept aside.
    fn remove_segments(&mut self) -> Result<()> {
        let wal = self.options.path.join("wal");
        for path in crate::wal::list_segments(self.vfs, &wal)? {
            if self.report.lost.iter().any(|lost| lost.path == path) {
                self.set_aside(&path)?;
            } else {
                self.vfs.remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        self.vfs.sync_dir(&wal).map_err(Error::io("sync folder", &wal))
    }
}
