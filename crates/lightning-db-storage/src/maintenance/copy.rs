//! Backup and restore: copying the files of one state of a store.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use lightning_db_types::{OpenMode, Vfs};

use crate::catalog::{self, Catalog, State};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::maintenance::check::CheckReport;
use crate::options::StoreOptions;
use crate::store::Store;

/// What a backup did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BackupReport {
    /// Newest commit that the backup holds.
    pub lsn: u64,
    /// Files copied.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Files that an earlier backup had copied.
    pub files_kept: u64,
}

const COPY_BUFFER: usize = 1 << 20;

impl Engine {
    /// See [`Store::backup`].
    pub(crate) fn backup(&self, dir: &Path) -> Result<BackupReport> {
        if dir == self.path {
            let detail = "a backup needs a folder of its own".to_owned();
            return Err(Error::InvalidOption { option: "backup folder", detail });
        }
        if self.log.get().is_some() {
            self.checkpoint()?;
        }
        // The tables stay on the disk while they are held, whatever is merged meanwhile.
        let (state, _held) = {
            let _merge = self.work.merge_turn.lock();
            let _flush = self.work.flush_turn.lock();
            let views: Vec<_> =
                self.live_keyspaces().iter().map(|keyspace| keyspace.view.load_full()).collect();
            (self.catalog.lock().state().clone(), views)
        };
        copy_state(&*self.vfs, &self.path, dir, &state, &self.options)
    }
}

impl Store {
    /// Makes a store in the folder of `options` from a backup; the folder must be empty or not be
    /// there. Every block of the backup is checked first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if `backup` holds none, [`Error::Corrupt`] if it is damaged,
    /// [`Error::InvalidOption`] if the folder is not empty, [`Error::Io`].
    pub fn restore(backup: impl AsRef<Path>, options: &StoreOptions) -> Result<BackupReport> {
        let source = StoreOptions { path: backup.as_ref().to_owned(), ..options.clone() };
        let source = source.read_only(true);
        let CheckReport { problems, .. } = Self::check_files(source.clone(), true)?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(Error::corrupt(&problem.path, 0, problem.detail));
        }
        let (vfs, path) = (&*options.vfs, &options.path);
        let there = vfs.exists(path).map_err(Error::io("look at", path))?;
        if there && !vfs.read_dir(path).map_err(Error::io("list", path))?.is_empty() {
            let detail = format!("{} is not empty", path.display());
            return Err(Error::InvalidOption { option: "restore folder", detail });
        }
        let Some((catalog, _)) = Catalog::open(&source)? else {
            return Err(Error::NotFound { path: source.path });
        };
        copy_state(vfs, &source.path, path, catalog.state(), options)
    }
}

/// Copies the files of a state that are not there yet, then the manifest, then removes files that
/// belong to an older state: at each moment the folder holds a whole state or none.
fn copy_state(
    vfs: &dyn Vfs,
    from: &Path,
    to: &Path,
    state: &State,
    options: &StoreOptions,
) -> Result<BackupReport> {
    for dir in [to.to_owned(), to.join("tables"), to.join("blobs"), to.join("wal")] {
        vfs.create_dir_all(&dir).map_err(Error::io("make folder", &dir))?;
    }
    let target = StoreOptions { path: to.to_owned(), sled_directory: false, ..options.clone() };
    refuse_foreign(&target, state)?;
    let mut report = BackupReport { lsn: state.flushed_seq, ..BackupReport::default() };
    let tables = state.tables.keys().map(|id| format!("{id:016x}.table"));
    let blobs = state.tables.values().flat_map(|table| &table.meta.blobs);
    let blobs: BTreeSet<String> = blobs.map(|id| format!("{id:016x}.blob")).collect();
    for (dir, names) in [("tables", tables.collect::<BTreeSet<_>>()), ("blobs", blobs)] {
        let (source, target) = (from.join(dir), to.join(dir));
        for name in &names {
            copy_file(vfs, &source.join(name), &target.join(name), &mut report)?;
        }
        vfs.sync_dir(&target).map_err(Error::io("sync folder", &target))?;
    }
    catalog::write_state(vfs, to, state)?;
    for dir in ["tables", "blobs"] {
        remove_others(vfs, &to.join(dir), state)?;
    }
    Ok(report)
}

/// Fails if the folder holds another store, or something that is none.
fn refuse_foreign(target: &StoreOptions, state: &State) -> Result<()> {
    let refuse = |detail: String| Err(Error::InvalidOption { option: "backup folder", detail });
    let path = &target.path;
    match Catalog::open(&target.clone().read_only(true)) {
        Ok(Some((other, _))) if other.state().store_id != state.store_id => {
            refuse(format!("{} holds another store", path.display()))
        }
        Ok(_) => Ok(()),
        // A damaged backup is replaced by a good one: its files are compared before they are kept.
        Err(error) if error.is_corruption() => Ok(()),
        Err(error) => Err(error),
    }
}

fn copy_file(vfs: &dyn Vfs, from: &Path, to: &Path, report: &mut BackupReport) -> Result<()> {
    let source = vfs.open(from, OpenMode::Read).map_err(Error::io("open", from))?;
    let len = source.len().map_err(Error::io("measure", from))?;
    // Tables and blobs never change, and carry their numbers: a file of the same name and length
    // is the same file.
    if let Ok(old) = vfs.open(to, OpenMode::Read)
        && old.len().map_err(Error::io("measure", to))? == len
    {
        report.files_kept += 1;
        return Ok(());
    }
    let temporary = to.with_extension("copy");
    match vfs.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary)(error));
        }
        _ => {}
    }
    let target =
        vfs.open(&temporary, OpenMode::CreateNew).map_err(Error::io("make", &temporary))?;
    let mut buffer = vec![0; COPY_BUFFER];
    let mut at = 0;
    while at < len {
        let take = usize::try_from(len - at).unwrap_or(COPY_BUFFER).min(COPY_BUFFER);
        source.read_exact_at(&mut buffer[..take], at).map_err(Error::io("read", from))?;
        target.write_all_at(&buffer[..take], at).map_err(Error::io("write", &temporary))?;
        at += take as u64;
    }
    target.sync_all().map_err(Error::io("sync", &temporary))?;
    vfs.rename(&temporary, to).map_err(Error::io("rename", &temporary))?;
    report.files_copied += 1;
    report.bytes_copied += len;
    Ok(())
}

fn remove_others(vfs: &dyn Vfs, dir: &Path, state: &State) -> Result<()> {
    let blobs: BTreeSet<u64> =
        state.tables.values().flat_map(|table| table.meta.blobs.iter().copied()).collect();
    for entry in vfs.read_dir(dir).map_err(Error::io("list", dir))? {
        let (stem, extension) = entry.name.split_once('.').unwrap_or((&entry.name, ""));
        let id = u64::from_str_radix(stem, 16).unwrap_or(0);
        let wanted = match extension {
            "table" => state.tables.contains_key(&id),
            "blob" => blobs.contains(&id),
            _ => false,
        };
        if !wanted {
            let path = dir.join(entry.name);
            vfs.remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
