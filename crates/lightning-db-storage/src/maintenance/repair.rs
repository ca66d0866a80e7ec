//! Salvaging a damaged store: everything readable is kept, everything lost is listed.
//!
//! Damaged files go to the folder `lost+found` of the store, never away. Tables that are whole stay
//! as they are; damaged ones are written again from their good blocks; the commits of the log that
//! can be read become tables. Where a newer version was lost, an older one may show: the report
//! names the ranges.
//!
//! A manifest that is lost is made again from its copy, which is never older than the first removal
//! of a table that it names; `later` adds the commits behind it. docs/storage-format.md argues why
//! no key comes back by that which had been removed.
//!
//! Nothing of the store is changed before the new manifest is in its place.

mod later;
mod tables;

use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::Vfs;

use super::check::bytes_in;
use crate::blob::{Blobs, parse_reference};
use crate::catalog::{self, Catalog, KeyspaceRecord, MANIFEST, State};
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::options::StoreOptions;
use crate::progress::{Meter, Stage};
use crate::table::{TableOptions, TableWriter};

/// What a repair kept and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Whether the manifest was damaged, and made again from its copy and the tables.
    pub manifest_rebuilt: bool,
    /// Whether its copy was damaged too, so that all tables were taken in: names of keyspaces are
    /// lost, keys that were removed may be back, and bulk ingests may count as older than they are.
    pub manifest_copy_lost: bool,
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
    /// Damaged files that were put aside, where they are now: for who wants to look at them, or
    /// needs their space.
    pub set_aside: Vec<PathBuf>,
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

/// Where the state comes from that a repair begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The manifest.
    Manifest,
    /// Its copy: what was flushed behind it is in tables that it does not name.
    Copy,
    /// Nothing could be read.
    Nothing,
}

struct Repair<'a, 'm> {
    options: &'a StoreOptions,
    vfs: &'a dyn Vfs,
    blobs: Blobs,
    known: Known,
    /// Lowest number that no keyspace had when that was written.
    keyspaces_end: u32,
    state: State,
    report: RepairReport,
    meter: &'a mut Meter<'m>,
    /// Tables written so far, which go again if the repair fails.
    made: Vec<PathBuf>,
    /// Damaged files, which go to `lost+found` once nothing refers to them.
    damaged: Vec<PathBuf>,
}

/// See [`Store::repair`](crate::Store::repair).
pub(crate) fn repair(options: StoreOptions, meter: &mut Meter<'_>) -> Result<RepairReport> {
    let vfs = Arc::clone(&options.vfs);
    let path = options.path.clone();
    if !vfs.exists(&path.join("tables")).map_err(Error::io("look at", &path))? {
        return Err(Error::NotFound { path });
    }
    let options = options.create(false);
    let _lock = crate::recovery::take_lock(&options)?;
    let (known, state) = match Catalog::open(&options) {
        Ok(Some((mut catalog, _))) => {
            catalog.close();
            (Known::Manifest, catalog.state().clone())
        }
        Err(error @ (Error::FormatVersion { .. } | Error::Io { .. })) => return Err(error),
        Ok(None) | Err(_) => match catalog::read_copy(&*vfs, &path) {
            Ok(Some(copy)) => (Known::Copy, copy),
            Err(error @ (Error::FormatVersion { .. } | Error::Io { .. })) => return Err(error),
            Ok(None) | Err(_) => (Known::Nothing, State::default()),
        },
    };
    let report = RepairReport {
        manifest_rebuilt: known != Known::Manifest,
        manifest_copy_lost: known == Known::Nothing,
        ..RepairReport::default()
    };
    let blobs = Blobs::new(Arc::clone(&vfs), path.join("blobs"));
    let (options, vfs) = (&options, &*vfs);
    let keyspaces_end = state.next_keyspace_id;
    let (made, damaged) = (Vec::new(), Vec::new());
    let mut repair =
        Repair { options, vfs, blobs, known, keyspaces_end, state, report, meter, made, damaged };
    if let Err(error) = repair.salvage() {
        repair.undo();
        return Err(error);
    }
    repair.install()?;
    Ok(repair.report)
}

fn table_id_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".table")?, 16).ok()
}

impl Repair<'_, '_> {
    /// Reads everything, and writes again what cannot stay as it is.
    fn salvage(&mut self) -> Result<()> {
        let path = &self.options.path;
        let bytes = ["tables", "blobs", "wal"].map(|dir| bytes_in(self.vfs, &path.join(dir)));
        self.meter.begin(Stage::Salvage, bytes.iter().sum())?;
        self.skip_numbers()?;
        self.tables()?;
        let mut later = later::Later::default();
        if self.known != Known::Manifest {
            self.unnamed_tables(&mut later)?;
        }
        self.log(&mut later, bytes[2])?;
        self.write_later(later)?;
        let tables = path.join("tables");
        self.vfs.sync_dir(&tables).map_err(Error::io("sync folder", &tables))?;
        self.meter.end()
    }

    /// Hands out no number that a file has, whoever made it.
    fn skip_numbers(&mut self) -> Result<()> {
        let dir = self.options.path.join("tables");
        let names = self.vfs.read_dir(&dir).map_err(Error::io("list", &dir))?;
        let tables = names.iter().filter_map(|entry| table_id_of(&entry.name)).max();
        let state = &mut self.state;
        state.next_table_id = state.next_table_id.max(tables.map_or(0, |last| last + 1));
        let blobs = self.blobs.list()?.into_iter().max();
        state.next_blob_id = state.next_blob_id.max(blobs.map_or(0, |last| last + 1));
        Ok(())
    }

    /// Makes the result real. What is removed or put aside from here on is in it, or is damage.
    fn install(&mut self) -> Result<()> {
        let path = &self.options.path;
        if self.known != Known::Manifest {
            self.set_aside(&path.join(MANIFEST))?;
        }
        catalog::write_state(self.vfs, path, &self.state)?;
        for path in std::mem::take(&mut self.damaged) {
            self.set_aside(&path)?;
        }
        self.remove_segments()
    }

    /// Removes what was written in vain.
    fn undo(&self) {
        for path in &self.made {
            // A file that stays is removed by the next open.
            let _ = self.vfs.remove_file(path);
        }
    }

    /// Moves a damaged file out of the way.
    fn set_aside(&mut self, path: &Path) -> Result<()> {
        let dir = self.options.path.join(LOST_AND_FOUND);
        self.vfs.create_dir_all(&dir).map_err(Error::io("make folder", &dir))?;
        if !self.vfs.exists(path).map_err(Error::io("look at", path))? {
            return Ok(());
        }
        // Never over what an earlier repair has put there.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut target = dir.join(&name);
        for number in 2_u32.. {
            if !self.vfs.exists(&target).map_err(Error::io("look at", &target))? {
                break;
            }
            target = dir.join(format!("{name}.{number}"));
        }
        self.vfs.rename(path, &target).map_err(Error::io("rename", path))?;
        self.vfs.sync_dir(&dir).map_err(Error::io("sync folder", &dir))?;
        self.report.set_aside.push(target);
        Ok(())
    }

    fn table_path(&self, id: u64) -> PathBuf {
        self.options.path.join("tables").join(format!("{id:016x}.table"))
    }

    fn begin_table(&mut self, keyspace_id: u32) -> Result<TableWriter> {
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
        let writer = TableWriter::create(self.vfs, &path, options)?;
        self.made.push(path);
        Ok(writer)
    }

    /// Name of a keyspace for the report.
    fn name_of(&self, keyspace_id: u32) -> Option<String> {
        self.state.keyspaces.get(&keyspace_id).map(|found| found.name.clone())
    }

    /// Whether a keyspace is there. One that was made behind all that is known gets a name; one
    /// that is not known any more was dropped.
    fn has_keyspace(&mut self, id: u32) -> bool {
        let state = &mut self.state;
        if self.known != Known::Manifest && id >= self.keyspaces_end {
            if !state.keyspaces.contains_key(&id) {
                let record = nameless(id, &state.keyspaces);
                state.keyspaces.insert(id, record);
            }
            state.next_keyspace_id = state.next_keyspace_id.max(id + 1);
        }
        state.keyspaces.contains_key(&id)
    }

    /// Compares the blob of an entry, if it has one, with its checksums.
    fn verify_blob(&mut self, entry: &EntryRef<'_>) -> Result<()> {
        if entry.kind != Kind::Blob {
            return Ok(());
        }
        self.blobs.verify(entry.value, &mut |bytes| self.meter.advance(bytes))
    }

    /// Whether the value of an entry can be read. A blob that cannot is put aside, and the entry
    /// reported as lost.
    fn keeps_value(&mut self, keyspace_id: u32, entry: &EntryRef<'_>) -> Result<bool> {
        let Err(error) = self.verify_blob(entry) else { return Ok(true) };
        if !error.is_corruption() && !error.is_missing_file() {
            return Err(error);
        }
        let path = self.blobs.path(parse_reference(entry.value).map_or(0, |(id, _)| id));
        self.damaged.push(path.clone());
        let keyspace = self.name_of(keyspace_id);
        let detail = format!("a value of more than 1 MiB: {error}");
        let (key_after, key_before) = (Some(entry.key.to_vec()), Some(entry.key.to_vec()));
        self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        Ok(false)
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

/// A keyspace whose name is lost, under one that no other has.
fn nameless(id: u32, others: &BTreeMap<u32, KeyspaceRecord>) -> KeyspaceRecord {
    let is_free = |name: &String| others.values().all(|other| other.name != *name);
    let more = (2_u32..).map(|number| format!("recovered-{id}.{number}"));
    let name = iter::once(format!("recovered-{id}")).chain(more).find(is_free);
    KeyspaceRecord {
        name: name.unwrap_or_default(),
        compression: crate::table::Compression::Lz4,
        time_to_live: None,
        floors: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspace_without_a_name_takes_one_that_no_other_has() {
        let mut keyspaces = BTreeMap::new();
        for (id, name) in [(1, "recovered-3"), (2, "recovered-3.2"), (3, "recovered-3.3")] {
            let found = nameless(3, &keyspaces);
            assert_eq!(found.name, name);
            keyspaces.insert(id, found);
        }
        assert_eq!(nameless(4, &keyspaces).name, "recovered-4");
    }
}
