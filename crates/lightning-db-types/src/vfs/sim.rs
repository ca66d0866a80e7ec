//! A disk in memory that loses power, tears writes and fails calls, all replayable from a seed.

mod crash;
mod disk;
mod file;
mod inode;
mod names;

pub use crash::Persistence;
pub use disk::{Fault, PowerOff};

use super::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};
use crate::rng::SeededRng;
use disk::{Call, Disk, clean};
use file::{SimFile, SimLock};
use inode::NodeRef;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A deterministic disk in memory. Clones are handles of the same disk.
///
/// *What survives.* A file keeps what its last successful sync covered. Of what was written since,
/// a power cut keeps as much as the [`Persistence`] says; with [`Persistence::Random`] each write
/// is kept, lost or torn in sectors of 512 bytes on its own, in any order. Names are kept by
/// [`sync_dir`](Vfs::sync_dir) of their folder: a file that was synced but whose name was not is
/// gone, and a rename that was not synced happened or did not, as one. A rename between folders
/// needs both synced. Made folders are durable at once. A mapped file is as long on the disk
/// as it was opened, with its bytes as they were, from the moment its open returned.
///
/// *Power cuts.* Every changing call (write, length, sync, creating or mapping open, rename,
/// remove, link, folder, folder sync, lock) is a step. From the step given to
/// [`cut_at_step`](Self::cut_at_step) on every call fails with [`PowerOff`];
/// [`power_cut`](Self::power_cut) then starts the disk again with what survived. Handles and locks
/// of the time before are dead. The death of a process alone is [`Persistence::All`].
///
/// *Faults.* [`fail_at`](Self::fail_at) makes one call fail. After a failed sync the bytes it was
/// to write are kept or lost at random, still readable, and no later sync brings the lost ones
/// back, as with the page cache of Linux. A failed folder sync changes nothing.
///
/// Not simulated: permissions, symbolic links, files beyond 4 GiB, bits that rot on their own (use
/// [`set_file_bytes`](Self::set_file_bytes)). Names that are no UTF-8 are left out of listings.
///
/// # Examples
/// ```
/// use lightning_db_types::{OpenMode, Persistence, SimVfs, Vfs, VfsFile};
/// use std::path::Path;
///
/// let disk = SimVfs::new();
/// let file = disk.open(Path::new("/log"), OpenMode::CreateNew)?;
/// disk.sync_dir(Path::new("/"))?;
/// file.write_all_at(b"kept", 0)?;
/// file.sync_data()?;
/// file.write_all_at(b"lost", 4)?;
///
/// disk.power_cut(Persistence::None, 7);
/// assert_eq!(disk.file_bytes(Path::new("/log"))?, b"kept");
/// assert!(file.len().is_err(), "the handle died with the power");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimVfs {
    disk: Arc<Mutex<Disk>>,
}

impl SimVfs {
    /// An empty disk of unlimited size.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty disk whose failed syncs lose bytes by this seed.
    pub fn with_seed(seed: u64) -> Self {
        Self::from_disk(Disk::new(seed))
    }

    fn from_disk(disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Sets how many bytes the files may hold together; `None` is no limit.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.disk.lock().capacity = capacity_bytes;
    }

    /// Bytes that the files hold together, those removed but still open among them.
    pub fn used_bytes(&self) -> u64 {
        self.disk.lock().used
    }

    /// Changing calls so far; the next one has this index.
    pub fn steps(&self) -> u64 {
        self.disk.lock().steps
    }

    /// Calls so far, reads and opens among them; the next one has this index.
    pub fn calls(&self) -> u64 {
        self.disk.lock().calls
    }

    /// Cuts the power when the step of this index begins: it and every later call fail with
    /// [`PowerOff`]. A step in the past cuts at the next one.
    pub fn cut_at_step(&self, step: u64) {
        self.disk.lock().cut_at_step = Some(step);
    }

    /// Makes the call of this index fail once. A call in the past never comes.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.disk.lock().faults.insert(call, fault);
    }

    /// Forgets the faults that have not struck and the cut that has not come.
    pub fn clear_faults(&self) {
        let mut disk = self.disk.lock();
        disk.faults.clear();
        disk.cut_at_step = None;
    }

    /// Whether the power is off.
    pub fn is_powered_off(&self) -> bool {
        self.disk.lock().powered_off
    }

    /// Cuts the power if it is on, decides what survived, and starts the disk again.
    ///
    /// Faults and cuts to come are forgotten; the counters go on.
    pub fn power_cut(&self, persistence: Persistence, seed: u64) {
        let mut disk = self.disk.lock();
        *disk = crash::after_power_cut(&disk, persistence, &SeededRng::new(seed));
    }

    /// The disk as [`power_cut`](Self::power_cut) would leave it, as a disk of its own: this one
    /// goes on, so that many outcomes of one moment can be looked at.
    #[must_use]
    pub fn crashed(&self, persistence: Persistence, seed: u64) -> Self {
        let disk = self.disk.lock();
        Self::from_disk(crash::after_power_cut(&disk, persistence, &SeededRng::new(seed)))
    }

    /// The bytes of a file as a reader sees them. No call is counted, and the power may be off.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    pub fn file_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let disk = self.disk.lock();
        let path = clean(path);
        let node = disk.names.open(&path)?;
        let bytes = node.lock().current.clone();
        Ok(bytes)
    }

    /// Puts bytes on the disk, durably, making the file and its folders if needed: to plant damage
    /// or a file of an older version. No call is counted, no limit is checked, and open handles
    /// see the new bytes.
    ///
    /// # Errors
    /// `IsADirectory` if the path is a folder, `NotADirectory` if it leads through a file.
    pub fn set_file_bytes(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let path = clean(path);
        if let Some(parent) = path.parent() {
            disk.names.create_dir_all(parent)?;
        }
        let node = disk.plant(&path)?;
        disk.replace(&node, bytes);
        Ok(())
    }

    /// Paths of all files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        self.disk.lock().names.files().cloned().collect()
    }

    fn file(&self, disk: &mut Disk, node: NodeRef, mode: OpenMode) -> Arc<dyn VfsFile> {
        node.lock().handles += 1;
        Arc::new(SimFile::new(Arc::clone(&self.disk), node, disk.epoch, mode))
    }
}

impl Default for SimVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.disk.lock();
        let mut out = f.debug_struct("SimVfs");
        out.field("steps", &disk.steps).field("calls", &disk.calls);
        out.field("powered_off", &disk.powered_off).finish_non_exhaustive()
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut disk = self.disk.lock();
        let path = clean(path);
        let creates = matches!(mode, OpenMode::CreateNew | OpenMode::Mapped { .. });
        disk.begin(if creates { Call::Step } else { Call::Read })?;
        let node = match mode {
            OpenMode::Read | OpenMode::Write => {
                if disk.names.is_dir(&path) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                Arc::clone(disk.names.open(&path)?)
            }
            OpenMode::CreateNew => {
                if disk.names.exists(&path) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                disk.create(&path)?
            }
            OpenMode::Mapped { len } => disk.open_mapped(&path, len)?,
        };
        Ok(self.file(&mut disk, node, mode))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Read)?;
        disk.names.list(&clean(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        disk.names.create_dir_all(&clean(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        disk.rename(&clean(from), &clean(to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        disk.remove_file(&clean(path))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        disk.hard_link(&clean(from), &clean(to))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Read)?;
        let path = clean(path);
        if disk.names.exists(&path) {
            return Ok(true);
        }
        let error = disk.names.missing(&path);
        if error.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(error) }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        disk.names.sync_dir(&clean(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Step)?;
        let node = disk.lock(&clean(path))?;
        Ok(Box::new(SimLock::new(node)))
    }
}

#[cfg(test)]
mod tests;
