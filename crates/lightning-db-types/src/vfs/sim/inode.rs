//! The bytes of one file: those on the disk, those a reader sees, and what lies between.

use parking_lot::Mutex;
use std::sync::Arc;

/// Unit in which a disk writes: after a power cut each one is old or new, never mixed.
pub(super) const SECTOR_BYTES: u64 = 512;

pub(super) type NodeRef = Arc<Mutex<Inode>>;

/// A file without its names.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// Order of creation; unlike the address it is the same in each run.
    pub(super) id: u64,
    /// What the last sync covered.
    pub(super) durable: Vec<u8>,
    /// What readers see.
    pub(super) current: Vec<u8>,
    /// Changes since the last sync, oldest first.
    pub(super) log: Vec<Change>,
    /// Names that lead here now.
    pub(super) links: u64,
    /// Open handles.
    pub(super) handles: u64,
    /// Whether a lock or a mapping holds the file.
    pub(super) locked: bool,
}

/// A change that no sync has covered.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Place in the order of all changes of the disk.
    pub(super) seq: u64,
    pub(super) kind: ChangeKind,
}

#[derive(Debug, Clone)]
pub(super) enum ChangeKind {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Inode {
    pub(super) fn new(id: u64) -> NodeRef {
        Arc::new(Mutex::new(Self { id, ..Self::default() }))
    }

    /// Whether the file takes room: one that is neither named nor open does not.
    pub(super) fn is_held(&self) -> bool {
        self.links > 0 || self.handles > 0
    }

    pub(super) fn write(&mut self, seq: u64, offset: usize, bytes: &[u8]) {
        write_at(&mut self.current, offset, bytes);
        let kind = ChangeKind::Write { offset, bytes: bytes.to_vec() };
        self.log.push(Change { seq, kind });
    }

    pub(super) fn set_len(&mut self, seq: u64, len: usize) {
        self.current.resize(len, 0);
        self.log.push(Change { seq, kind: ChangeKind::SetLen(len) });
    }

    /// Brings the changes to the disk.
    ///
    /// The log is played rather than `current` copied, because a failed sync may have dropped
    /// changes that readers still see and that must stay lost.
    pub(super) fn sync(&mut self) {
        for change in self.log.drain(..) {
            match change.kind {
                ChangeKind::Write { offset, bytes } => write_at(&mut self.durable, offset, &bytes),
                ChangeKind::SetLen(len) => self.durable.resize(len, 0),
            }
        }
    }
}

/// Writes into an image, filling any gap before with zeros.
pub(super) fn write_at(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}
