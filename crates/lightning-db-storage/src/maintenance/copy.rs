//! Backup and restore: copying the files of one state of a store.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::{OpenMode, Vfs};

use crate::catalog::{self, Catalog, State};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::maintenance::check::{CheckReport, Depth, check_beside_a_writer};
use crate::options::StoreOptions;
use crate::progress::{Meter, Observer, Stage};
use crate::store::Store;
use crate::view::View;

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
/// Folders of a store that hold files of a state.
const FOLDERS: [&str; 2] = ["tables", "blobs"];

impl Engine {
    /// See [`Store::backup`].
    pub(crate) fn backup(&self, dir: &Path, meter: &mut Meter<'_>) -> Result<BackupReport> {
        if dir == self.path {
            let detail = "a backup needs a folder of its own".to_owned();
            return Err(Error::InvalidOption { option: "backup folder", detail });
        }
        if self.log.get().is_some() {
            meter
                .begin(Stage::Flush, self.commit.lock().active_bytes + self.work.frozen_bytes())?;
            self.checkpoint()?;
            meter.end()?;
        }
        let (state, _held) = {
            let _merge = self.work.merge_turn.lock();
            self.hold_tables()
        };
        copy_state(&self.path, dir, &state, &self.options, meter)
    }

    /// The state of the catalog, and the views with its tables: these stay on the disk while they
    /// are held, whatever is merged or dropped meanwhile. The caller holds the merge turn.
    pub(super) fn hold_tables(&self) -> (State, Vec<Arc<View>>) {
        // An ingest is in the catalog a moment before it is in a view, and so is a flush.
        let _commit = self.commit.lock();
        let _flush = self.work.flush_turn.lock();
        let keyspaces = self.live_keyspaces();
        let views = keyspaces.iter().map(|keyspace| keyspace.view.load_full()).collect();
        (self.catalog.lock().state().clone(), views)
    }
}

impl Store {
    /// Makes a store in the folder of `options` from a backup; the folder must be empty or not be
    /// there. Every block of the backup is checked first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if `backup` holds none, [`Error::Corrupt`] if it is damaged,
    /// [`Error::InvalidOption`] if the folder is not empty, [`Error::Io`]. What was copied is
    /// removed then.
    pub fn restore(backup: impl AsRef<Path>, options: &StoreOptions) -> Result<BackupReport> {
        restore(backup.as_ref(), options, &mut Meter::unobserved())
    }

    /// [`restore`](Self::restore) under an observer: stages [`Check`](Stage::Check),
    /// [`Copy`](Stage::Copy).
    ///
    /// # Errors
    /// As [`restore`](Self::restore); [`Error::Cancelled`].
    pub fn restore_with(
        backup: impl AsRef<Path>,
        options: &StoreOptions,
        observer: &mut Observer<'_>,
    ) -> Result<BackupReport> {
        restore(backup.as_ref(), options, &mut Meter::new(observer))
    }
}

fn restore(backup: &Path, options: &StoreOptions, meter: &mut Meter<'_>) -> Result<BackupReport> {
    let source = StoreOptions { path: backup.to_owned(), ..options.clone() };
    let source = source.read_only(true);
    // Before the check, which may take long.
    refuse_files(&*options.vfs, &options.path)?;
    let report = check_beside_a_writer(source.clone(), Depth::Deep, meter)?;
    let CheckReport { problems, .. } = report;
    if let Some(problem) = problems.into_iter().next() {
        return Err(Error::corrupt(&problem.path, 0, problem.detail));
    }
    let Some((catalog, _)) = Catalog::open(&source)? else {
        return Err(Error::NotFound { path: source.path });
    };
    copy_state(&source.path, &options.path, catalog.state(), options, meter)
}

/// Fails if a folder holds anything but the empty folders of a copy that was not finished.
fn refuse_files(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    if !vfs.exists(path).map_err(Error::io("look at", path))? {
        return Ok(());
    }
    for name in vfs.read_dir(path).map_err(Error::io("list", path))? {
        let inner = path.join(&name.name);
        let is_part = name.is_dir && FOLDERS.iter().chain(&["wal"]).any(|part| *part == name.name);
        if !is_part || !vfs.read_dir(&inner).map_err(Error::io("list", &inner))?.is_empty() {
            let detail = format!("{} is not empty", path.display());
            return Err(Error::InvalidOption { option: "restore folder", detail });
        }
    }
    Ok(())
}

/// Copies the files of a state that are not there yet, then the manifest, then removes files that
/// belong to an older state: at each moment the folder holds a whole state or none.
fn copy_state(
    from: &Path,
    to: &Path,
    state: &State,
    options: &StoreOptions,
    meter: &mut Meter<'_>,
) -> Result<BackupReport> {
    let vfs = &*options.vfs;
    for dir in [to.to_owned(), to.join("tables"), to.join("blobs"), to.join("wal")] {
        vfs.create_dir_all(&dir).map_err(Error::io("make folder", &dir))?;
    }
    let target = StoreOptions { path: to.to_owned(), sled_directory: false, ..options.clone() };
    refuse_foreign(&target, state)?;
    let report = BackupReport { lsn: state.flushed_seq, ..BackupReport::default() };
    let mut copy = Copy { vfs, from, to, meter, report, made: Vec::new() };
    if let Err(error) = copy.files(state) {
        copy.undo();
        return Err(error);
    }
    let report = copy.report;
    catalog::write_state(vfs, to, state)?;
    for dir in FOLDERS {
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
        // A damaged backup is replaced by a good one.
        Err(error) if error.is_corruption() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A copy under way.
struct Copy<'a, 'm> {
    vfs: &'a dyn Vfs,
    from: &'a Path,
    to: &'a Path,
    meter: &'a mut Meter<'m>,
    report: BackupReport,
    /// Files that no earlier backup had.
    made: Vec<PathBuf>,
}

impl Copy<'_, '_> {
    /// Copies the files of a state that are not there yet, and brings them to the disk.
    fn files(&mut self, state: &State) -> Result<()> {
        let tables = state.tables.keys().map(|id| format!("{id:016x}.table"));
        let blobs = state.tables.values().flat_map(|table| &table.meta.blobs);
        let blobs = blobs.map(|id| format!("{id:016x}.blob")).collect();
        let mut missing = Vec::new();
        for (dir, names) in FOLDERS.into_iter().zip([tables.collect::<BTreeSet<_>>(), blobs]) {
            let source = lens(self.vfs, &self.from.join(dir))?;
            let there = lens(self.vfs, &self.to.join(dir))?;
            for name in names {
                let (len, old) = (source.get(&name).copied(), there.get(&name).copied());
                let (ours, theirs) =
                    (self.from.join(dir).join(&name), self.to.join(dir).join(&name));
                if len.is_some() && len == old && same_ends(self.vfs, &ours, &theirs)? {
                    self.report.files_kept += 1;
                } else {
                    missing.push((dir, name, len.unwrap_or(0), old.is_none()));
                }
            }
        }
        self.meter.begin(Stage::Copy, missing.iter().map(|(_, _, len, _)| len).sum())?;
        for (dir, name, _, is_new) in missing {
            let (from, to) = (self.from.join(dir).join(&name), self.to.join(dir).join(&name));
            self.file(&from, &to)?;
            if is_new {
                self.made.push(to);
            }
        }
        for dir in FOLDERS {
            let dir = self.to.join(dir);
            self.vfs.sync_dir(&dir).map_err(Error::io("sync folder", &dir))?;
        }
        self.meter.end()
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<()> {
        let vfs = self.vfs;
        let source = vfs.open(from, OpenMode::Read).map_err(Error::io("open", from))?;
        let len = source.len().map_err(Error::io("measure", from))?;
        let temporary = to.with_extension("copy");
        match vfs.remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary)(error));
            }
            _ => {}
        }
        let target =
            vfs.open(&temporary, OpenMode::CreateNew).map_err(Error::io("make", &temporary))?;
        self.made.push(temporary.clone());
        let mut buffer = vec![0; COPY_BUFFER];
        let mut at = 0;
        while at < len {
            let take = usize::try_from(len - at).unwrap_or(COPY_BUFFER).min(COPY_BUFFER);
            source.read_exact_at(&mut buffer[..take], at).map_err(Error::io("read", from))?;
            target.write_all_at(&buffer[..take], at).map_err(Error::io("write", &temporary))?;
            at += take as u64;
            self.meter.advance(take as u64)?;
        }
        target.sync_all().map_err(Error::io("sync", &temporary))?;
        vfs.rename(&temporary, to).map_err(Error::io("rename", &temporary))?;
        self.made.pop();
        self.report.files_copied += 1;
        self.report.bytes_copied += len;
        Ok(())
    }

    /// Removes what was copied in vain. An earlier backup is as it was: only a damaged file of it
    /// may have been replaced, by the right one.
    fn undo(self) {
        for path in &self.made {
            // A file that stays is copied over, or removed, by the next backup.
            let _ = self.vfs.remove_file(path);
        }
    }
}

/// Bytes at each end of a file that are compared.
const END_LEN: u64 = 4 << 10;

/// Whether two files of one length begin and end alike. Tables and blobs never change, and carry
/// their numbers; a table also says when it was made, at its end, which tells it from one of the
/// same number that was made after an older backup had been restored.
fn same_ends(vfs: &dyn Vfs, one: &Path, other: &Path) -> Result<bool> {
    let ends = |path: &Path| -> Result<Vec<u8>> {
        let file = vfs.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let len = file.len().map_err(Error::io("measure", path))?;
        let take = len.min(END_LEN);
        let mut bytes = vec![0; 2 * usize::try_from(take).unwrap_or(0)];
        let (first, last) = bytes.split_at_mut(usize::try_from(take).unwrap_or(0));
        file.read_exact_at(first, 0).map_err(Error::io("read", path))?;
        file.read_exact_at(last, len - take).map_err(Error::io("read", path))?;
        Ok(bytes)
    };
    // One that cannot be read is copied again.
    Ok(ends(other).ok() == Some(ends(one)?))
}

/// Names and lengths of the files of a folder.
fn lens(vfs: &dyn Vfs, dir: &Path) -> Result<BTreeMap<String, u64>> {
    let names = vfs.read_dir(dir).map_err(Error::io("list", dir))?;
    Ok(names.into_iter().map(|entry| (entry.name, entry.len)).collect())
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use lightning_db_types::{Rng, SeededRng, SimVfs};

    use super::*;
    use crate::options::{KeyspaceOptions, Maintenance};
    use crate::progress::Progress;

    fn options(disk: &SimVfs, path: &str) -> StoreOptions {
        let options = StoreOptions::new(path).vfs(Arc::new(disk.clone()));
        options.maintenance(Maintenance::Stepped).memory_limit(1 << 20)
    }

    /// A store with tables of some megabytes.
    fn filled(disk: &SimVfs) -> Store {
        let (store, _) = options(disk, "/db").open().unwrap();
        let cities = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
        for number in 0..40_u32 {
            // Bytes that do not compress.
            let rng = SeededRng::new(u64::from(number));
            let value: Vec<u8> = (0..11_000).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
            cities.insert(number.to_be_bytes(), value).unwrap();
        }
        store
    }

    fn files_in(disk: &SimVfs, dir: &str) -> Vec<PathBuf> {
        disk.files().into_iter().filter(|path| path.starts_with(dir)).collect()
    }

    /// Breaks off in the middle of a stage.
    fn in_the_middle(stage: Stage) -> impl FnMut(Progress) -> ControlFlow<()> {
        move |report| {
            let is_there = report.stage == stage && report.done > report.total / 3;
            if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    #[test]
    fn cancelled_backup_leaves_no_file_or_the_earlier_backup() {
        let disk = SimVfs::new();
        let store = filled(&disk);
        let cancelled = store.backup_with("/backup", &mut in_the_middle(Stage::Copy));
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
        assert!(files_in(&disk, "/backup").is_empty());

        store.backup("/backup").unwrap();
        let before = files_in(&disk, "/backup");
        store.open_keyspace("cities").unwrap().remove(7_u32.to_be_bytes()).unwrap();
        store.compact().unwrap();
        let cancelled = store.backup_with("/backup", &mut in_the_middle(Stage::Copy));
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
        assert_eq!(files_in(&disk, "/backup"), before);
        assert!(Store::check_files(options(&disk, "/backup"), Depth::Deep).unwrap().is_ok());
        assert_eq!(open_len(&disk, "/backup"), 40);
    }

    fn open_len(disk: &SimVfs, path: &str) -> u64 {
        let (store, _) = options(disk, path).read_only(true).open().unwrap();
        store.open_keyspace("cities").unwrap().len().unwrap()
    }

    #[test]
    fn cancelled_restore_can_be_done_again() {
        let disk = SimVfs::new();
        filled(&disk).backup("/backup").unwrap();
        for stage in [Stage::Check, Stage::Copy] {
            let target = options(&disk, "/restored");
            let cancelled = Store::restore_with("/backup", &target, &mut in_the_middle(stage));
            assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
            assert!(files_in(&disk, "/restored").is_empty());
        }
        Store::restore("/backup", &options(&disk, "/restored")).unwrap();
        assert_eq!(open_len(&disk, "/restored"), 40);
    }

    #[test]
    fn check_tells_how_far_it_has_come() {
        let disk = SimVfs::new();
        let store = filled(&disk);
        store.checkpoint().unwrap();
        let mut seen = Vec::new();
        let report = store.check_with(Depth::Deep, &mut |progress| {
            seen.push(progress);
            ControlFlow::Continue(())
        });
        assert!(report.unwrap().is_ok());
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        assert!(first.done == 0 && first.total > 1 << 20 && last.done == last.total, "{seen:?}");
        assert!(seen.is_sorted_by_key(|progress| progress.done), "{seen:?}");
        let cancelled = store.check_with(Depth::Deep, &mut in_the_middle(Stage::Check));
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    }
}
