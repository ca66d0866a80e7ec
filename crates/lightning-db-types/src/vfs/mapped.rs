//! Files in memory, to write and to read: the only unsafe code of Lightning DB.
//!
//! A write to a mapped file is a copy, with no system call, and survives the end of the process,
//! because the pages belong to the kernel. Three things can go wrong with a mapping; each is shut
//! out here, so that [`MappedFile`] is safe to use:
//!
//! * *A page with no block behind it.* Touching a hole on a full disk, or a page past the end of a
//!   file that was cut, raises SIGBUS and kills the process. So every block is allocated before the
//!   file is mapped, the mapping is exactly as long as the file, and nothing here can cut the file.
//! * *Another mapping of the same file*, which would be memory that changes under a reference. The
//!   file's exclusive lock is held as long as the mapping lives: a second open as mapped, from this
//!   or another process, is `WouldBlock`.
//! * *A reference that outlives a change.* No slice of the mapping leaves this module: callers can
//!   only copy in and out, with checked bounds, under one mutex.
//!
//! What remains is a foreign program that ignores the lock and cuts or writes the file. Cutting it
//! kills us by SIGBUS; writing it is damage like any other, which checksums find.
//!
//! [`FileBytes`] is a file that has been written and is only read from then on, as a slice: of a
//! mapping that cannot be written, or of a copy. The mapping takes no lock and keeps no descriptor,
//! since there may be thousands. That nobody writes or cuts such a file is the promise of whoever
//! asks for it ([`VfsFile::contents`](super::VfsFile::contents)): they are files that are made
//! under a name of their own, ended, and removed as a whole. A page that the disk cannot read back
//! is a SIGBUS as well.
#![expect(
    unsafe_code,
    reason = "mapping a file is unsafe; the module head argues why this is sound"
)]

use memmap2::{Mmap, MmapMut, MmapOptions};
use parking_lot::Mutex;
use stable_deref_trait::StableDeref;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt;

/// From this length on a system call is cheaper than the page faults of a copy.
const CALLED_LEN_MIN: usize = 16 << 10;

/// All bytes of a file that nobody writes any more; they stay readable when its name is removed.
pub struct FileBytes(Source);

enum Source {
    Mapped(Mmap),
    Copied(Box<[u8]>),
}

impl FileBytes {
    /// Maps a file for reading; costs no memory of its own.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::from(Vec::new()));
        }
        // SAFETY: the mapping is private to this value, is only read, and is of a file that is
        // neither written nor cut while it lives, as the module head says.
        let map = unsafe { MmapOptions::new().map(file)? };
        Ok(Self(Source::Mapped(map)))
    }
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Copied(bytes.into_boxed_slice()))
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Mapped(map) => map,
            Source::Copied(bytes) => bytes,
        }
    }
}

impl fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBytes").field("len", &self.len()).finish_non_exhaustive()
    }
}

// SAFETY: the bytes are in a mapping or on the heap, and so stay where they are when this value is
// moved; nothing but its drop changes or frees them.
unsafe impl StableDeref for FileBytes {}

/// A file whose bytes are read and written through a shared mapping of its whole length.
#[derive(Debug)]
pub(super) struct MappedFile {
    map: Mutex<MmapMut>,
    len: u64,
    // Held for the lock that keeps other mappings away, and for syncs.
    file: File,
}

impl MappedFile {
    /// Locks the file, gives it exactly `len` bytes with all blocks allocated, and maps it. The
    /// length is on the disk with the first sync, as the bytes are.
    ///
    /// # Errors
    /// `InvalidInput` if `len` is zero or too large for memory, `WouldBlock` if the file is locked
    /// or mapped elsewhere, `StorageFull`, or what the operating system says.
    pub(super) fn new(file: File, len: u64) -> io::Result<Self> {
        let len_in_memory =
            usize::try_from(len).ok().filter(|&n| n > 0 && isize::try_from(n).is_ok());
        let Some(map_len) = len_in_memory else {
            let text = format!("a mapped file of {len} bytes; it must be 1 to isize::MAX bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
            TryLockError::Error(error) => error,
        })?;
        let old_len = file.metadata()?.len();
        if old_len > len {
            file.set_len(len)?;
        }
        allocate(&file, old_len.min(len), len)?;
        // SAFETY: the file is locked against any other mapping of ours, is exactly `map_len` long
        // with no holes, is never cut while `self` lives, and its bytes leave only as copies.
        let map = unsafe { MmapOptions::new().len(map_len).map_mut(&file)? };
        Ok(Self { map: Mutex::new(map), len, file })
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// `UnexpectedEof` if the range is not inside the file.
    pub(super) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let map = self.map.lock();
        let range = range_of(offset, buf.len());
        let Some(from) = range.and_then(|range| map.get(range)) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        buf.copy_from_slice(from);
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside the file; nothing is written then.
    pub(super) fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut map = self.map.lock();
        let range = range_of(offset, buf.len());
        let Some(to) = range.and_then(|range| map.get_mut(range)) else {
            return Err(past_the_end(buf.len(), offset, self.len));
        };
        if buf.len() >= CALLED_LEN_MIN {
            // The kernel fills whole new pages without reading or clearing them first, which a
            // copy through the mapping makes it do. Both ways lead to the same pages, and the lock
            // keeps them apart.
            return self.file.write_all_at(buf, offset);
        }
        to.copy_from_slice(buf);
        Ok(())
    }

    /// Brings the bytes to the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.flush_where_needed()?;
        self.file.sync_data()
    }

    /// Brings bytes and metadata to the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn sync_all(&self) -> io::Result<()> {
        self.flush_where_needed()?;
        self.file.sync_all()
    }

    /// On Linux a file sync writes the dirty pages of shared mappings too, so there is no need to
    /// stop writers for an `msync`; POSIX does not promise that, so elsewhere it is called.
    fn flush_where_needed(&self) -> io::Result<()> {
        if cfg!(target_os = "linux") { Ok(()) } else { self.map.lock().flush() }
    }
}

fn range_of(offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(len)?)
}

/// The error of a write that a mapped file has no room for.
pub(super) fn past_the_end(count: usize, offset: u64, len: u64) -> io::Error {
    let text = format!("writing {count} bytes at {offset} in a mapped file of {len} bytes");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Gives blocks to all of the first `len` bytes and zeros to those from `old_len` on.
fn allocate(file: &File, old_len: u64, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        loop {
            match fallocate(file, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                // The file system cannot do it: write the blocks instead.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    rewrite(file, old_len, len)?;
    // Only now is a block sure to read as what was written, whatever stood there before.
    file.sync_all()
}

/// Allocates by writing: the bytes that are there are written back in place, because some of them
/// may be holes, and zeros follow.
fn rewrite(file: &File, old_len: u64, len: u64) -> io::Result<()> {
    const CHUNK: usize = 1 << 16;
    let mut buf = vec![0_u8; CHUNK];
    let mut offset = 0_u64;
    while offset < len {
        let count = usize::try_from(len - offset).unwrap_or(CHUNK).min(CHUNK);
        let chunk = &mut buf[..count];
        chunk.fill(0);
        let old = usize::try_from(old_len.saturating_sub(offset)).unwrap_or(count).min(count);
        file.read_exact_at(&mut chunk[..old], offset)?;
        file.write_all_at(chunk, offset)?;
        offset += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
