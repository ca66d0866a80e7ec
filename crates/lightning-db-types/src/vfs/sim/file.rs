//! Handles and locks of a simulated disk.

use super::disk::{Call, Disk, bad_descriptor};
use super::inode::NodeRef;
use crate::vfs::mapped::past_the_end;
use crate::vfs::{OpenMode, VfsFile, VfsLock};
use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::io;
use std::sync::Arc;

/// An open file of a [`SimVfs`](super::SimVfs).
pub(super) struct SimFile {
    disk: Arc<Mutex<Disk>>,
    node: NodeRef,
    epoch: u64,
    mode: OpenMode,
}

impl SimFile {
    pub(super) fn new(disk: Arc<Mutex<Disk>>, node: NodeRef, epoch: u64, mode: OpenMode) -> Self {
        Self { disk, node, epoch, mode }
    }

    /// The disk, if this handle is not from before a power cut.
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock();
        disk.check_epoch(self.epoch)?;
        Ok(disk)
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk()?;
        let fault = disk.count(Call::Step)?;
        disk.sync(&self.node, fault)
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.check_epoch(self.epoch).is_err() {
            return;
        }
        if let OpenMode::Mapped { .. } = self.mode {
            self.node.lock().locked = false;
        }
        disk.close(&self.node);
    }
}

impl VfsFile for SimFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk()?.begin(Call::Read)?;
        let inode = self.node.lock();
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buf.len())?));
        let Some(bytes) = range.and_then(|range| inode.current.get(range)) else {
            // An empty read fits anywhere, as on the real disk.
            return if buf.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        };
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        let fault = disk.count(Call::Step)?;
        match self.mode {
            OpenMode::Read => return Err(bad_descriptor()),
            OpenMode::Mapped { len } => {
                if offset.checked_add(buf.len() as u64).is_none_or(|end| end > len) {
                    return Err(past_the_end(buf.len(), offset, len));
                }
            }
            OpenMode::Write | OpenMode::CreateNew => {}
        }
        disk.write(&self.node, buf, offset, fault)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.begin(Call::Step)?;
        match self.mode {
            OpenMode::Read | OpenMode::Mapped { .. } => Err(io::ErrorKind::InvalidInput.into()),
            OpenMode::Write | OpenMode::CreateNew => disk.set_len(&self.node, len),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.disk()?.begin(Call::Read)?;
        Ok(self.node.lock().current.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

/// A lock of a [`SimVfs`](super::SimVfs). A power cut makes new files, so one from before it frees
/// nothing that matters.
#[derive(Debug)]
pub(super) struct SimLock {
    node: NodeRef,
}

impl SimLock {
    pub(super) fn new(node: NodeRef) -> Self {
        Self { node }
    }
}

impl VfsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.node.lock().locked = false;
    }
}
