//! What the store consists of: keyspaces, tables, and the commit up to which tables hold
//! everything.
//!
//! The *manifest* is one small file, written whole and renamed into place for each change, which is
//! the moment that a flush, a merge, an ingest or a new keyspace becomes real. Beside it stands the
//! *directory*, an ordered index of the same records in sled: open reads it, and checks it against
//! the count and checksum in the manifest's head. A directory that is lost, stale or damaged is
//! made again from the manifest's body; a damaged body is made again from the directory.

mod codec;
mod directory;
mod manifest;
mod memory;
mod sled;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::Vfs;

use crate::error::{Error, Result};
use crate::options::StoreOptions;
use crate::wal::Known;

pub(crate) use codec::{KeyspaceRecord, TableRecord};
pub(crate) use manifest::{MANIFEST, MANIFEST_COPY};

use directory::{Directory, Record};
use manifest::Head;

/// How the directory of tables was found at open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DirectoryState {
    /// The store was made now.
    #[default]
    New,
    /// It was read, and agreed with the manifest.
    Intact,
    /// It was made again from the manifest.
    Rebuilt {
        /// Why it could not be used.
        reason: String,
    },
    /// It was read in place of the manifest's body, which is damaged, and which was written again.
    Replaced {
        /// What is wrong with the manifest.
        reason: String,
    },
    /// It was not looked at: the store was opened read-only.
    Unread,
}

/// Everything the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Random number of the store: a backup folder belongs to one store.
    pub(crate) store_id: u64,
    /// Commits up to this one are in tables.
    pub(crate) flushed_seq: u64,
    pub(crate) next_table_id: u64,
    pub(crate) next_keyspace_id: u32,
    pub(crate) next_blob_id: u64,
    pub(crate) keyspaces: BTreeMap<u32, KeyspaceRecord>,
    pub(crate) tables: BTreeMap<u64, TableRecord>,
}

impl Default for State {
    /// Of a new store: numbers start at one.
    fn default() -> Self {
        Self {
            store_id: 0,
            flushed_seq: 0,
            next_table_id: 1,
            next_keyspace_id: 1,
            next_blob_id: 1,
            keyspaces: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }
}

impl State {
    /// What is known of the log: it was synced up to each commit that emptied a keyspace before the
    /// manifest was written.
    pub(crate) fn known_of_log(&self) -> Known {
        let floors = self.keyspaces.values().filter_map(|keyspace| keyspace.floors.last());
        let durable_seq = floors.copied().fold(self.flushed_seq, u64::max);
        Known { floor_seq: self.flushed_seq, durable_seq }
    }

    /// Tables of a keyspace as runs, newest first: tables of one order make up a run.
    pub(crate) fn runs(
        &self,
        keyspace_id: u32,
    ) -> BTreeMap<std::cmp::Reverse<u64>, Vec<&TableRecord>> {
        let mut runs: BTreeMap<_, Vec<&TableRecord>> = BTreeMap::new();
        for table in self.tables.values().filter(|table| table.meta.keyspace_id == keyspace_id) {
            runs.entry(std::cmp::Reverse(table.order)).or_default().push(table);
        }
        for run in runs.values_mut() {
            run.sort_by(|a, b| a.first_key().cmp(b.first_key()));
        }
        runs
    }
}

/// The manifest and its directory.
#[derive(Debug)]
pub(crate) struct Catalog {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    epoch: u64,
    /// Epoch of the manifest's copy; zero if it is not known to be whole.
    copy_epoch: u64,
    state: State,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    directory: Option<Box<dyn Directory>>,
    closed: bool,
}

impl Catalog {
    /// Makes the catalog of a new store.
    pub(crate) fn create(options: &StoreOptions) -> Result<Self> {
        let mut catalog = Self {
            vfs: Arc::clone(&options.vfs),
            dir: options.path.clone(),
            epoch: 0,
            copy_epoch: 0,
            state: State { store_id: options.rng.next_u64(), ..State::default() },
            records: BTreeMap::new(),
            directory: None,
            closed: false,
        };
        let mut directory = open_directory(options, true);
        directory.reset();
        catalog.directory = Some(directory);
        catalog.edit(|_| ())?;
        Ok(catalog)
    }

    /// Reads the catalog; `None` if the folder holds no store.
    pub(crate) fn open(options: &StoreOptions) -> Result<Option<(Self, DirectoryState)>> {
        let path = options.path.join(MANIFEST);
        let Some((head, body)) = manifest::read(&*options.vfs, &path)? else { return Ok(None) };
        let mut directory = open_directory(options, options.read_only);
        let listed =
            if options.read_only { None } else { Some(load_checked(&mut *directory, head)) };
        let (records, found) = match (listed, body) {
            (None, Ok(records)) => (records, DirectoryState::Unread),
            (Some(Ok(records)), Ok(_)) => (records, DirectoryState::Intact),
            (Some(Err(reason)), Ok(records)) => (records, DirectoryState::Rebuilt { reason }),
            (Some(Ok(records)), Err(damage)) => {
                (records, DirectoryState::Replaced { reason: damage.to_string() })
            }
            (_, Err(damage)) => return Err(damage),
        };
        let mut catalog = Self {
            vfs: Arc::clone(&options.vfs),
            dir: options.path.clone(),
            epoch: head.epoch,
            copy_epoch: 0,
            state: codec::decode(&records, &path)?,
            records: records.into_iter().collect(),
            directory: (!options.read_only).then_some(directory),
            closed: false,
        };
        catalog.settle(&found)?;
        Ok(Some((catalog, found)))
    }

    /// Mends whichever of the two copies could not be read.
    fn settle(&mut self, found: &DirectoryState) -> Result<()> {
        match found {
            DirectoryState::Rebuilt { .. } => {
                if let Some(directory) = &mut self.directory {
                    directory.reset();
                    let all =
                        self.records.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
                    directory.apply(all.collect());
                }
                Ok(())
            }
            DirectoryState::Replaced { .. } => self.edit(|_| ()),
            _ => Ok(()),
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Changes the catalog. When this returns, the change is on the disk; if it fails, the change
    /// has not happened here, and nothing is known about the disk.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        self.check_open()?;
        let mut state = self.state.clone();
        change(&mut state);
        let records = codec::encode(&state);
        let head = Head { epoch: self.epoch + 1, ..Head::of(&records) };
        manifest::write(&*self.vfs, &self.dir, MANIFEST, head, &records)?;
        if state.keyspaces != self.state.keyspaces || unwritten(&state).ne(unwritten(&self.state)) {
            // What a repair cannot learn from tables: names and options of keyspaces, the commits
            // of bulk ingests, and how far merges have come.
            manifest::write(&*self.vfs, &self.dir, MANIFEST_COPY, head, &records)?;
            self.copy_epoch = head.epoch;
        }
        if let Some(directory) = &mut self.directory {
            directory.apply(difference(&self.records, &records));
        }
        (self.epoch, self.state, self.records) = (head.epoch, state, records);
        Ok(())
    }

    /// Brings the manifest's copy up to the manifest, before the first file is removed that only an
    /// older copy names: from what the copy names, and from later flushes, a repair makes a lost
    /// manifest again.
    pub(crate) fn refresh_copy(&mut self) -> Result<()> {
        self.check_open()?;
        if self.copy_epoch != self.epoch {
            let head = Head { epoch: self.epoch, ..Head::of(&self.records) };
            manifest::write(&*self.vfs, &self.dir, MANIFEST_COPY, head, &self.records)?;
            self.copy_epoch = self.epoch;
        }
        Ok(())
    }

    /// Writes the copy again if it is damaged, or if a crash came between a change of keyspaces and
    /// its copy.
    pub(crate) fn mend_copy(&mut self) -> Result<()> {
        let state = &self.state;
        match read_copy(&*self.vfs, &self.dir) {
            Ok(Some(copy))
                if copy.keyspaces == state.keyspaces && unwritten(&copy).eq(unwritten(state)) =>
            {
                Ok(())
            }
            Err(error) if !error.is_corruption() => Err(error),
            _ => self.refresh_copy(),
        }
    }

    /// Hands out a number for a table. After a crash a number may come again that no manifest
    /// names: its file is removed at open.
    pub(crate) fn take_table_id(&mut self) -> Result<u64> {
        self.check_open()?;
        self.state.next_table_id += 1;
        Ok(self.state.next_table_id - 1)
    }

    /// Hands out a number for a blob.
    pub(crate) fn take_blob_id(&mut self) -> Result<u64> {
        self.check_open()?;
        self.state.next_blob_id += 1;
        Ok(self.state.next_blob_id - 1)
    }

    /// Hands out only numbers above `id` from now on: a blob of a commit that is in the log alone
    /// has a number that the manifest has not heard of.
    pub(crate) fn skip_blob_id(&mut self, id: u64) {
        self.state.next_blob_id = self.state.next_blob_id.max(id + 1);
    }

    /// Fails once it was closed: the folder may have been opened by another process then, which
    /// hands out the same numbers, and work that has not ended must not touch its files.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// Closes the directory so that the next open can use it, and refuses all later changes.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        if let Some(mut directory) = self.directory.take() {
            directory.close();
        }
    }
}

/// Writes a state as the manifest of a folder: for a backup or a repair.
pub(crate) fn write_state(vfs: &dyn Vfs, dir: &Path, state: &State) -> Result<()> {
    let records = codec::encode(state);
    let head = Head { epoch: 1, ..Head::of(&records) };
    manifest::write(vfs, dir, MANIFEST_COPY, head, &records)?;
    manifest::write(vfs, dir, MANIFEST, head, &records)
}

/// The state as the manifest's copy has it; `None` if there is no copy.
pub(crate) fn read_copy(vfs: &dyn Vfs, dir: &Path) -> Result<Option<State>> {
    let path = dir.join(MANIFEST_COPY);
    let Some((_, body)) = manifest::read(vfs, &path)? else { return Ok(None) };
    codec::decode(&body?, &path).map(Some)
}

/// What tables do not say of themselves: the commits of bulk ingests, and the keys from which on
/// tables count.
fn unwritten(state: &State) -> impl Iterator<Item = (u64, u64, &[u8])> {
    let told = |table: &TableRecord| table.meta.stamp != 0 || !table.from.is_empty();
    let tables = state.tables.iter().filter(move |(_, table)| told(table));
    tables.map(|(id, table)| (*id, table.meta.stamp, &table.from[..]))
}

fn open_directory(options: &StoreOptions, in_memory: bool) -> Box<dyn Directory> {
    if options.sled_directory && !(in_memory && options.read_only) {
        Box::new(self::sled::SledDirectory::new(&options.path))
    } else {
        Box::new(memory::MemoryDirectory::new(Arc::clone(&options.vfs), &options.path))
    }
}

fn load_checked(directory: &mut dyn Directory, head: Head) -> Result<Vec<Record>, String> {
    let records = directory.load()?;
    let found =
        Head { epoch: head.epoch, ..Head::of_iter(records.iter().map(|(k, v)| (&k[..], &v[..]))) };
    if found == head { Ok(records) } else { Err("it does not agree with the manifest".into()) }
}

type Edit = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn difference(old: &BTreeMap<Vec<u8>, Vec<u8>>, new: &BTreeMap<Vec<u8>, Vec<u8>>) -> Edit {
    let put = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let put = put.map(|(key, value)| (key.clone(), Some(value.clone())));
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), None));
    put.chain(removed).collect()
}

/// Folder of the directory, beside the manifest.
fn directory_path(store: &Path) -> PathBuf {
    store.join("directory")
}

#[cfg(test)]
mod tests;
