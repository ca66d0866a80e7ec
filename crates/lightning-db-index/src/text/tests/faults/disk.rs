//! A simulated disk that is harmed at one call of the files of a text index.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lightning_db_types::{DirEntry, Fault, OpenMode, SimVfs, Vfs, VfsFile, VfsLock};

#[derive(Debug, Clone, Copy)]
pub(super) enum Harm {
    Fault(Fault),
    Cut,
}

/// The disk. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct HarmedText {
    inner: SimVfs,
    harm: Harm,
    at: u64,
    calls: Arc<AtomicU64>,
    harmless: Arc<AtomicBool>,
}

impl HarmedText {
    pub(super) fn new(inner: &SimVfs, at: u64, harm: Harm) -> Self {
        Self { inner: inner.clone(), harm, at, calls: Arc::default(), harmless: Arc::default() }
    }

    /// Whether the call was made.
    pub(super) fn is_done(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at
    }

    /// Does no harm from now on.
    pub(super) fn disarm(&self) {
        self.harmless.store(true, Ordering::SeqCst);
    }

    /// Counts a call; `changes` is false for one that only reads.
    fn count(&self, changes: bool) {
        let harmful = matches!(self.harm, Harm::Fault(_)) || changes;
        let harmless = !harmful || self.harmless.load(Ordering::SeqCst);
        if harmless || self.calls.fetch_add(1, Ordering::SeqCst) != self.at {
            return;
        }
        match self.harm {
            Harm::Fault(fault) => self.inner.fail_at(self.inner.calls(), fault),
            Harm::Cut => self.inner.cut_at_step(self.inner.steps()),
        }
    }

    fn count_of(&self, path: &Path, changes: bool) {
        if is_text(path) {
            self.count(changes);
        }
    }
}

fn is_text(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "text")
}

impl Vfs for HarmedText {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.count_of(path, mode == OpenMode::CreateNew);
        let file = self.inner.open(path, mode)?;
        Ok(if is_text(path) { Arc::new(HarmedFile { file, disk: self.clone() }) } else { file })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.count_of(path, false);
        self.inner.read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.count_of(path, true);
        self.inner.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count_of(to, true);
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.count_of(path, true);
        self.inner.remove_file(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count_of(to, true);
        self.inner.hard_link(from, to)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.count_of(path, false);
        self.inner.exists(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.count_of(path, true);
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct HarmedFile {
    file: Arc<dyn VfsFile>,
    disk: HarmedText,
}

impl VfsFile for HarmedFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.count(false);
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.disk.count(true);
        self.file.write_all_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.count(true);
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.count(false);
        self.file.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.count(true);
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.count(true);
        self.file.sync_all()
    }
}
