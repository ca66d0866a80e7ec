//! The disk as a value: every file operation of the engine goes through a [`Vfs`].
//!
//! [`RealVfs`] is the operating system. [`SimVfs`] is a disk in memory that can cut the power at
//! any step, lose, tear and reorder what was not synced, and fail or shorten any call.
//!
//! Contract, which both keep:
//! * Written bytes are visible to every later read at once; they are on the disk only after
//!   [`VfsFile::sync_data`] or [`VfsFile::sync_all`] returned `Ok`.
//! * A created, renamed or removed name is on the disk only after [`Vfs::sync_dir`] of its folder.
//! * After a failed sync nothing is known about the bytes written since the last good one.

mod mapped;
mod real;
mod sim;

pub use mapped::FileBytes;
pub use real::RealVfs;
pub use sim::{Fault, Persistence, PowerOff, SimVfs};

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How [`Vfs::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; `AlreadyExists` if the name is taken.
    CreateNew,
    /// A file of exactly `len` bytes, made if it is not there, extended or cut if it is; all its
    /// blocks are allocated before the call returns, so that a full disk is an error here and never
    /// at a later write. Writes need no system call: they go through a shared mapping and survive
    /// the end of the process, and only [`VfsFile::sync_data`] brings them, and the length of the
    /// file, to the disk.
    ///
    /// The handle holds the exclusive lock of the file: a file that is mapped, or locked by
    /// [`Vfs::lock`], is `WouldBlock` until that handle is dropped. It may be renamed or read
    /// through a plain handle, but nothing may shorten it.
    Mapped {
        /// Length of the file, in bytes; greater than zero.
        len: u64,
    },
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Last component of the path. Names that are not UTF-8 are left out of a listing.
    pub name: String,
    /// Length in bytes; zero for a folder.
    pub len: u64,
    /// Whether the name is a folder.
    pub is_dir: bool,
}

/// A disk.
pub trait Vfs: Debug + Send + Sync {
    /// Opens or makes a file, as `mode` says.
    ///
    /// # Errors
    /// Those of the operating system: `NotFound`, `AlreadyExists`, `StorageFull`, ...
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;

    /// Names of a folder, sorted.
    ///
    /// # Errors
    /// `NotFound` if the folder is not there.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes a folder and those above it; fine if they are there. New ones are on the disk when the
    /// call returns.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Renames a file, replacing the target in one step.
    ///
    /// # Errors
    /// `NotFound` if `from` is not there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file. Open handles stay usable.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Gives a file a second name; both share the bytes.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound`, or `CrossesDevices`/`Unsupported` where the disk has no links.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Whether the path names a file or folder.
    ///
    /// # Errors
    /// Those of the operating system, but for `NotFound`, which is `Ok(false)`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Brings the names of a folder to the disk.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a file, making it if needed, until the guard is dropped or the
    /// process ends.
    ///
    /// # Errors
    /// `WouldBlock` if another holder, in this process or another, has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>>;
}

/// An exclusive lock, released on drop.
pub trait VfsLock: Debug + Send + Sync {}

/// An open file. All methods take `&self`: a file may be read and written by several threads.
pub trait VfsFile: Debug + Send + Sync {
    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; otherwise those of the operating system.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `buf` at `offset`, extending the file if needed (a mapped file is never
    /// extended: writing past its end is `InvalidInput`).
    ///
    /// # Errors
    /// `StorageFull`, `WriteZero`, or what the disk says. A failed write may have been done in
    /// part.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends (with zeros) the file. A mapped file refuses with `InvalidInput`.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds no byte.
    ///
    /// # Errors
    /// Those of the operating system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All bytes, of a file that nobody writes or cuts from now on until the result is dropped: to
    /// keep that is the caller's duty. The real disk maps the file, any other copies it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn contents(&self) -> io::Result<FileBytes> {
        let len = usize::try_from(self.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(FileBytes::from(bytes))
    }

    /// Brings the bytes to the disk, and of the metadata what reading them back needs.
    ///
    /// # Errors
    /// Those of the operating system. After an error the unsynced bytes are lost to a later sync
    /// too: the caller must stop trusting the file.
    fn sync_data(&self) -> io::Result<()>;

    /// Brings bytes and metadata to the disk.
    ///
    /// # Errors
    /// As [`sync_data`](Self::sync_data).
    fn sync_all(&self) -> io::Result<()>;
}
