//! The files of tantivy on the disk of the store.
//!
//! Files are written once, from front to back, and are whole on the disk when tantivy ends them;
//! `meta.json` and the list of files are replaced as a whole. Locks are held in memory: another
//! process is kept away by the lock of the store, and one that only reads takes none.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use lightning_db_storage::Error as StorageError;
use lightning_db_types::{OpenMode, Vfs, VfsFile};
use parking_lot::{Condvar, Mutex, RwLock};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// The file whose change makes a commit.
pub(super) const META: &str = "meta.json";
/// What a file that replaces another is called until then.
const PART: &str = ".part";

/// The last call that the disk refused: tantivy does not tell of all, and of some without a cause.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<StorageError>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<StorageError> {
        self.0.lock().take()
    }

    fn note(&self, operation: &'static str, path: &Path, error: &io::Error) {
        // The error itself goes to tantivy.
        let source = error.raw_os_error().map_or_else(
            || io::Error::new(error.kind(), error.to_string()),
            io::Error::from_raw_os_error,
        );
        let path = path.to_owned();
        *self.0.lock() = Some(StorageError::Io { operation, path, source });
    }
}

/// A folder of a [`Vfs`].
#[derive(Debug, Clone)]
pub(super) struct StoreDirectory {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    failure: Failure,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Files that are open, so that each is in memory once.
    opened: Mutex<HashMap<PathBuf, Weak<OwnedBytes>>>,
    /// Set when the folder belongs to a later index; held by whoever changes a file.
    retired: RwLock<bool>,
    locks: Mutex<HashSet<PathBuf>>,
    unlocked: Condvar,
}

impl StoreDirectory {
    pub(super) fn new(vfs: &Arc<dyn Vfs>, folder: &Path, failure: &Failure) -> Self {
        Self {
            vfs: Arc::clone(vfs),
            folder: folder.to_owned(),
            failure: failure.clone(),
            shared: Arc::default(),
        }
    }

    /// Makes the folder, empty.
    pub(super) fn create(&self) -> io::Result<()> {
        self.remove()?;
        self.watched("create", &self.folder, self.vfs.create_dir_all(&self.folder))
    }

    /// Ends all changes through this directory, those of threads that tantivy leaves behind too.
    pub(super) fn retire(&self) {
        *self.shared.retired.write() = true;
    }

    /// Makes a change, unless the folder belongs to somebody else by now.
    fn change<T>(&self, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let retired = self.shared.retired.read();
        if *retired {
            return Err(io::Error::other("the index was made anew"));
        }
        change()
    }

    /// Removes all files. The folder stays, empty.
    pub(super) fn remove(&self) -> io::Result<()> {
        let entries = match self.vfs.read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listed => self.watched("list", &self.folder, listed)?,
        };
        // Without this file nothing of the rest counts, so it goes first.
        let (meta, rest): (Vec<_>, Vec<_>) =
            entries.iter().filter(|entry| !entry.is_dir).partition(|entry| entry.name == META);
        for entry in meta.into_iter().chain(rest) {
            let path = self.folder.join(&entry.name);
            self.watched("remove", &path, self.vfs.remove_file(&path))?;
        }
        self.watched("sync", &self.folder, self.vfs.sync_dir(&self.folder))
    }

    /// Passes a result on, and remembers it if it is a failure.
    fn watched<T>(
        &self,
        operation: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> io::Result<T> {
        result.inspect_err(|error| self.failure.note(operation, path, error))
    }

    fn read(&self, path: &Path) -> Result<OwnedBytes, OpenReadError> {
        let full = self.folder.join(path);
        let read = self.vfs.open(&full, OpenMode::Read).and_then(|file| file.contents());
        match read {
            Ok(contents) => Ok(OwnedBytes::new(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OpenReadError::FileDoesNotExist(path.to_owned()))
            }
            Err(error) => {
                self.failure.note("read", &full, &error);
                Err(OpenReadError::wrap_io_error(error, path.to_owned()))
            }
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let full = self.folder.join(path);
        let mut part = full.clone().into_os_string();
        part.push(PART);
        let part = PathBuf::from(part);
        match self.vfs.remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.vfs.open(&part, OpenMode::CreateNew)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        self.vfs.rename(&part, &full)?;
        if path == Path::new(META) {
            // What the commit no longer names is removed next.
            self.vfs.sync_dir(&self.folder)?;
        }
        Ok(())
    }
}

impl Directory for StoreDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let mut opened = self.shared.opened.lock();
        if let Some(bytes) = opened.get(path).and_then(Weak::upgrade) {
            return Ok(bytes);
        }
        let bytes = Arc::new(self.read(path)?);
        opened.retain(|_, bytes| bytes.strong_count() > 0);
        opened.insert(path.to_owned(), Arc::downgrade(&bytes));
        Ok(bytes)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let full = self.folder.join(path);
        self.shared.opened.lock().remove(path);
        self.change(|| self.vfs.remove_file(&full)).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return DeleteError::FileDoesNotExist(path.to_owned());
            }
            // It stays in the list of files, and is removed another time.
            DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() }
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        let full = self.folder.join(path);
        self.watched("look for", &full, self.vfs.exists(&full))
            .map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    /// A commit that failed, or was cut short, leaves files whose names the next one takes again:
    /// they are replaced, since nothing that counts has such a name.
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let full = self.folder.join(path);
        let created = self.change(|| match self.vfs.open(&full, OpenMode::CreateNew) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.shared.opened.lock().remove(path);
                self.vfs.remove_file(&full)?;
                self.vfs.open(&full, OpenMode::CreateNew)
            }
            created => created,
        });
        match self.watched("create", &full, created) {
            Ok(file) => {
                let failure = self.failure.clone();
                let writer = FileWriter { file, path: full, failure, len: 0 };
                Ok(BufWriter::new(Box::new(writer)))
            }
            Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_owned())),
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.read(path).map(|bytes| bytes.to_vec())
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let replaced = self.change(|| self.replace(path, data));
        self.watched("replace", &self.folder.join(path), replaced)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.watched("sync", &self.folder, self.vfs.sync_dir(&self.folder))
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let mut locks = self.shared.locks.lock();
        while locks.contains(&lock.filepath) {
            if !lock.is_blocking {
                return Err(LockError::LockBusy);
            }
            self.shared.unlocked.wait(&mut locks);
        }
        locks.insert(lock.filepath.clone());
        let held = Held { shared: Arc::clone(&self.shared), path: lock.filepath.clone() };
        Ok(DirectoryLock::from(Box::new(held)))
    }

    /// Nobody asks: readers are told by the one who commits.
    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// A lock, released on drop.
struct Held {
    shared: Arc<Shared>,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.locks.lock().remove(&self.path);
        self.shared.unlocked.notify_all();
    }
}

/// Writes a file from front to back.
struct FileWriter {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    failure: Failure,
    len: u64,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_all_at(bytes, self.len);
        written.inspect_err(|error| self.failure.note("write", &self.path, error))?;
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for FileWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let synced = self.file.sync_data();
        synced.inspect_err(|error| self.failure.note("sync", &self.path, error))
    }
}
