//! A disk that remembers its calls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lightning_db_types::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Opens an existing file.
    Open,
    /// Makes a file.
    Create,
    /// Maps a log segment.
    Map,
    /// Lists a folder, looks for a name, or asks for a length.
    Look,
    /// Makes folders.
    CreateDir,
    /// Renames; the path is the old name.
    Rename,
    /// Removes a name.
    Remove,
    /// Links a file.
    Link,
    /// Syncs a folder.
    SyncDir,
    /// Takes the lock.
    Lock,
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Changes the length.
    SetLen,
    /// Syncs a file.
    Sync,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCall {
    /// What.
    pub kind: CallKind,
    /// Of which file or folder.
    pub path: PathBuf,
    /// Length of a read, in bytes; zero otherwise.
    pub read_len: u64,
}

/// A disk around another one that notes every call, in order: its n-th note is the n-th call that
/// a simulated disk counts.
#[derive(Debug, Clone)]
pub struct TracedVfs {
    inner: Arc<dyn Vfs>,
    calls: Arc<Mutex<Vec<TracedCall>>>,
}

impl TracedVfs {
    /// Wraps a disk.
    pub fn new(inner: Arc<dyn Vfs>) -> Self {
        Self { inner, calls: Arc::default() }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<TracedCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Length of the longest read so far, in bytes.
    pub fn read_len_max(&self) -> u64 {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|call| call.read_len).max().unwrap_or(0)
    }

    fn note(&self, kind: CallKind, path: &Path) {
        note(&self.calls, kind, path, 0);
    }
}

fn note(calls: &Mutex<Vec<TracedCall>>, kind: CallKind, path: &Path, read_len: u64) {
    let call = TracedCall { kind, path: path.to_owned(), read_len };
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
}

impl Vfs for TracedVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let kind = match mode {
            OpenMode::Read | OpenMode::Write => CallKind::Open,
            OpenMode::CreateNew => CallKind::Create,
            OpenMode::Mapped { .. } => CallKind::Map,
        };
        self.note(kind, path);
        let inner = self.inner.open(path, mode)?;
        let calls = Arc::clone(&self.calls);
        Ok(Arc::new(TracedFile { inner, path: path.to_owned(), calls }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.note(CallKind::Look, path);
        self.inner.read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.note(CallKind::CreateDir, path);
        self.inner.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(CallKind::Rename, from);
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.note(CallKind::Remove, path);
        self.inner.remove_file(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(CallKind::Link, from);
        self.inner.hard_link(from, to)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.note(CallKind::Look, path);
        self.inner.exists(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.note(CallKind::SyncDir, path);
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.note(CallKind::Lock, path);
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct TracedFile {
    inner: Arc<dyn VfsFile>,
    path: PathBuf,
    calls: Arc<Mutex<Vec<TracedCall>>>,
}

impl VfsFile for TracedFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        note(&self.calls, CallKind::Read, &self.path, buf.len() as u64);
        self.inner.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        note(&self.calls, CallKind::Write, &self.path, 0);
        self.inner.write_all_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        note(&self.calls, CallKind::SetLen, &self.path, 0);
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        note(&self.calls, CallKind::Look, &self.path, 0);
        self.inner.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        note(&self.calls, CallKind::Sync, &self.path, 0);
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        note(&self.calls, CallKind::Sync, &self.path, 0);
        self.inner.sync_all()
    }
}
