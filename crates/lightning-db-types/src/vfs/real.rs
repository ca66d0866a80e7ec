//! The disk of the operating system. Unix only; Linux is what the durability claims are made for.

use super::mapped::{FileBytes, MappedFile};
use super::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// The file system of the machine.
///
/// # Examples
/// ```
/// use lightning_db_types::{OpenMode, RealVfs, Vfs, VfsFile};
/// # let dir = tempfile::tempdir()?;
/// let vfs = RealVfs::new();
/// let path = dir.path().join("file");
/// let file = vfs.open(&path, OpenMode::CreateNew)?;
/// file.write_all_at(b"hello", 0)?;
/// file.sync_data()?;
/// vfs.sync_dir(dir.path())?;
/// assert_eq!(file.len()?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RealVfs;

impl RealVfs {
    /// The disk; all values are the same.
    pub fn new() -> Self {
        Self
    }
}

impl Vfs for RealVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
            OpenMode::Mapped { len } => {
                let file = options.write(true).create(true).truncate(false).open(path)?;
                return Ok(Arc::new(MappedFile::new(file, len)?));
            }
        }
        Ok(Arc::new(PlainFile { file: options.open(path)? }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(or_working_folder(path))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let meta = match fs::metadata(entry.path()) {
                Ok(meta) => meta,
                // Removed since the listing began, or a link to nowhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = meta.is_dir();
            entries.push(DirEntry { name, len: if is_dir { 0 } else { meta.len() }, is_dir });
        }
        entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        // If a look fails, making the folder will too, and say why.
        let is_missing = |dir: &Path| !fs::exists(dir).unwrap_or(true);
        let made: Vec<&Path> = path
            .ancestors()
            .take_while(|&dir| !dir.as_os_str().is_empty() && is_missing(dir))
            .collect();
        fs::create_dir_all(path)?;
        for parent in made.iter().rev().filter_map(|dir| dir.parent()) {
            self.sync_dir(parent)?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(or_working_folder(path))?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is locked by another holder", path.display());
                Err(io::Error::new(io::ErrorKind::WouldBlock, text))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The empty path, parent of a bare file name, is the working folder.
fn or_working_folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The lock belongs to the open file, so it ends when this is dropped or the process ends.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl VfsLock for RealLock {}

#[derive(Debug)]
struct PlainFile {
    file: File,
}

impl VfsFile for PlainFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn contents(&self) -> io::Result<FileBytes> {
        FileBytes::map(&self.file)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl VfsFile for MappedFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        MappedFile::read_exact_at(self, buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        MappedFile::write_all_at(self, buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let text = format!("set_len({len}) of a mapped file");
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(MappedFile::len(self))
    }

    fn sync_data(&self) -> io::Result<()> {
        MappedFile::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        MappedFile::sync_all(self)
    }
}
