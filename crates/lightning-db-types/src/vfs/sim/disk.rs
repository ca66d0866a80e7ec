//! The state of a simulated disk: counters, faults, power, room, and the operations on it.

use super::crash::{self, Keep};
use super::inode::{Inode, NodeRef};
use super::names::Names;
use crate::rng::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files are held in memory, so a wild offset must not ask for all of it.
const FILE_BYTES_MAX: u64 = 1 << 32;

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error of the device, `EIO`; the call has no effect, but for a sync, which may lose bytes.
    Eio,
    /// The disk is full, `ENOSPC`; as above.
    Enospc,
    /// Half of the bytes of a write are written, then it fails with `WriteZero`. Other calls fail
    /// as by [`Eio`](Self::Eio).
    ShortWrite,
}

impl Fault {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(if self == Self::Enospc { ENOSPC } else { EIO })
    }
}

const EIO: i32 = 5;
const EBADF: i32 = 9;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;

/// The simulated disk has no power, or the handle is of the time before a power cut.
///
/// It is the inner error of an [`io::Error`] of kind `Other`; [`PowerOff::is`] finds it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the power of the simulated disk is off")]
pub struct PowerOff;

impl PowerOff {
    /// Whether a disk error says that the power is off.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).is_some()
    }
}

/// What a call is, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Step,
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) names: Names,
    /// Grows at each power cut; handles of an earlier one are dead.
    pub(super) epoch: u64,
    pub(super) calls: u64,
    pub(super) steps: u64,
    pub(super) cut_at_step: Option<u64>,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) powered_off: bool,
    pub(super) capacity: Option<u64>,
    pub(super) used: u64,
    /// Order of the next change.
    pub(super) next_seq: u64,
    pub(super) next_id: u64,
    /// Decides what a failed sync loses.
    pub(super) rng: Arc<SeededRng>,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Names::default(),
            epoch: 0,
            calls: 0,
            steps: 0,
            cut_at_step: None,
            faults: BTreeMap::new(),
            powered_off: false,
            capacity: None,
            used: 0,
            next_seq: 0,
            next_id: 0,
            rng: Arc::new(SeededRng::new(seed)),
        }
    }

    /// Counts a call and says whether and how it fails.
    pub(super) fn count(&mut self, call: Call) -> io::Result<Option<Fault>> {
        if call == Call::Step && self.cut_at_step.is_some_and(|cut| self.steps >= cut) {
            self.powered_off = true;
        }
        if self.powered_off {
            return Err(io::Error::other(PowerOff));
        }
        if call == Call::Step {
            self.steps += 1;
        }
        self.calls += 1;
        Ok(self.faults.remove(&(self.calls - 1)))
    }

    /// As [`count`](Self::count), for a call that a fault leaves without effect.
    pub(super) fn begin(&mut self, call: Call) -> io::Result<()> {
        self.count(call)?.map_or(Ok(()), |fault| Err(fault.error()))
    }

    pub(super) fn check_epoch(&self, epoch: u64) -> io::Result<()> {
        if epoch == self.epoch { Ok(()) } else { Err(io::Error::other(PowerOff)) }
    }

    fn seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    fn new_node(&mut self) -> NodeRef {
        self.next_id += 1;
        Inode::new(self.next_id - 1)
    }

    /// Makes an empty file.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<NodeRef> {
        self.names.check_parent(path)?;
        let node = self.new_node();
        node.lock().links = 1;
        let seq = self.seq();
        self.names.change(seq, &node, None, Some(path));
        Ok(node)
    }

    /// The file, made if it is not there.
    fn open_or_create(&mut self, path: &Path) -> io::Result<NodeRef> {
        if self.names.is_dir(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        match self.names.file(path) {
            Some(node) => Ok(Arc::clone(node)),
            None => self.create(path),
        }
    }

    /// Opens a file of exactly `len` bytes.
    pub(super) fn open_mapped(&mut self, path: &Path, len: u64) -> io::Result<NodeRef> {
        let target = usize::try_from(len).ok().filter(|&n| n > 0 && len <= FILE_BYTES_MAX);
        let Some(target) = target else {
            let text = format!("a mapped file of {len} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let node = self.open_or_create(path)?;
        let mut inode = node.lock();
        if inode.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.account(inode.current.len() as u64, len)?;
        if inode.current.len() != target {
            let seq = self.seq();
            inode.set_len(seq, target);
        }
        inode.locked = true;
        drop(inode);
        Ok(node)
    }

    /// Takes the lock of a file.
    pub(super) fn lock(&mut self, path: &Path) -> io::Result<NodeRef> {
        let node = self.open_or_create(path)?;
        let mut inode = node.lock();
        if inode.locked {
            let text = format!("{} is locked by another holder", path.display());
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        }
        inode.locked = true;
        drop(inode);
        Ok(node)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.names.is_dir(from) || self.names.is_dir(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // In the order in which a kernel looks: both folders, then the name.
        self.names.check_parent(from)?;
        self.names.check_parent(to)?;
        let node = Arc::clone(self.names.open(from)?);
        let replaced = self.names.file(to).cloned();
        if replaced.as_ref().is_some_and(|old| Arc::ptr_eq(old, &node)) {
            // POSIX: two names of one file stay as they are.
            return Ok(());
        }
        let seq = self.seq();
        self.names.change(seq, &node, Some(from), Some(to));
        if let Some(old) = replaced {
            self.unlink(&old);
        }
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        if self.names.is_dir(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let node = Arc::clone(self.names.open(path)?);
        let seq = self.seq();
        self.names.change(seq, &node, Some(path), None);
        self.unlink(&node);
        Ok(())
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.names.is_dir(from) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let node = Arc::clone(self.names.open(from)?);
        self.names.check_parent(to)?;
        if self.names.exists(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let seq = self.seq();
        self.names.change(seq, &node, None, Some(to));
        node.lock().links += 1;
        Ok(())
    }

    fn unlink(&mut self, node: &NodeRef) {
        let mut inode = node.lock();
        inode.links -= 1;
        if !inode.is_held() {
            self.used -= inode.current.len() as u64;
        }
    }

    /// Gives back the room of a file that has lost its last handle.
    pub(super) fn close(&mut self, node: &NodeRef) {
        let mut inode = node.lock();
        inode.handles -= 1;
        if !inode.is_held() {
            self.used -= inode.current.len() as u64;
        }
    }

    /// Writes, in half if a fault says so. The range must fit the limits of a file.
    pub(super) fn write(
        &mut self,
        node: &NodeRef,
        buf: &[u8],
        offset: u64,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        let bytes = match fault {
            None => buf,
            Some(Fault::ShortWrite) => &buf[..buf.len() / 2],
            Some(fault) => return Err(fault.error()),
        };
        let mut inode = node.lock();
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= FILE_BYTES_MAX);
        let (Some(end), Ok(start)) = (end, usize::try_from(offset)) else {
            return Err(io::Error::from_raw_os_error(EFBIG));
        };
        if !bytes.is_empty() {
            let old_len = inode.current.len() as u64;
            self.account(old_len, end.max(old_len))?;
            let seq = self.seq();
            inode.write(seq, start, bytes);
        }
        if fault.is_some() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    pub(super) fn set_len(&mut self, node: &NodeRef, len: u64) -> io::Result<()> {
        let mut inode = node.lock();
        let (Ok(target), true) = (usize::try_from(len), len <= FILE_BYTES_MAX) else {
            return Err(io::Error::from_raw_os_error(EFBIG));
        };
        self.account(inode.current.len() as u64, len)?;
        let seq = self.seq();
        inode.set_len(seq, target);
        Ok(())
    }

    /// Brings a file to the disk, or by a fault a random part of it.
    pub(super) fn sync(&mut self, node: &NodeRef, fault: Option<Fault>) -> io::Result<()> {
        let mut inode = node.lock();
        let Some(fault) = fault else {
            inode.sync();
            return Ok(());
        };
        inode.durable = crash::surviving_bytes(&inode, Keep::Random, &*self.rng);
        // The pages count as clean now: what was lost is not tried again.
        inode.log.clear();
        Err(fault.error())
    }

    /// A file for [`SimVfs::set_file_bytes`](super::SimVfs::set_file_bytes), its name durable.
    pub(super) fn plant(&mut self, path: &Path) -> io::Result<NodeRef> {
        let node = self.open_or_create(path)?;
        self.names.settle(BTreeSet::from([path.to_path_buf()]));
        Ok(node)
    }

    /// Replaces the bytes of a file, durably and without limits.
    pub(super) fn replace(&mut self, node: &NodeRef, bytes: &[u8]) {
        let mut inode = node.lock();
        self.used = self.used - inode.current.len() as u64 + bytes.len() as u64;
        inode.log.clear();
        inode.current = bytes.to_vec();
        inode.durable = bytes.to_vec();
    }

    /// Takes or gives back room for a file whose length changes.
    fn account(&mut self, old_len: u64, new_len: u64) -> io::Result<()> {
        let used = self.used - old_len + new_len;
        if new_len > old_len && self.capacity.is_some_and(|capacity| used > capacity) {
            return Err(Fault::Enospc.error());
        }
        self.used = used;
        Ok(())
    }
}

/// The path as the disk keeps it: without `.` and doubled separators.
pub(super) fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

pub(super) fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(EBADF)
}
