//! What a power cut leaves on the disk.

use super::disk::Disk;
use super::inode::{Change, ChangeKind, Inode, NodeRef, SECTOR_BYTES, write_at};
use super::names::{NameMap, Names};
use crate::rng::{Rng, SeededRng};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// How much of what was not synced a power cut keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// Nothing: the disk wrote only when a sync made it.
    None,
    /// All: the disk wrote everything in time, as when only the process died.
    All,
    /// All changes of all files and folders up to a random moment, and a part of the write at it.
    Prefix,
    /// Each write is kept, lost or torn by sectors on its own, later ones without earlier ones too.
    /// Each operation on names is kept or lost, but never without the earlier ones on its names.
    Random,
}

/// A [`Persistence`] with the moment chosen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    None,
    All,
    Before(u64),
    Random,
}

impl Keep {
    /// Whether a change that cannot be torn is kept.
    fn keeps(self, seq: u64, rng: &dyn Rng) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Before(end) => seq < end,
            Self::Random => rng.one_in(2),
        }
    }
}

/// The disk after the power came back.
pub(super) fn after_power_cut(disk: &Disk, persistence: Persistence, rng: &SeededRng) -> Disk {
    let keep = match persistence {
        Persistence::None => Keep::None,
        Persistence::All => Keep::All,
        Persistence::Prefix => {
            let first = first_pending(disk);
            Keep::Before(first + rng.below(disk.next_seq - first + 1))
        }
        Persistence::Random => Keep::Random,
    };
    let survived = surviving_names(&disk.names, keep, rng);
    let by_id: BTreeMap<u64, &NodeRef> =
        survived.values().map(|node| (node.lock().id, node)).collect();
    let mut used = 0;
    let mut nodes = BTreeMap::new();
    for (id, node) in by_id {
        let bytes = surviving_bytes(&node.lock(), keep, rng);
        used += bytes.len() as u64;
        let fresh = Inode::new(id);
        let mut inode = fresh.lock();
        inode.durable.clone_from(&bytes);
        inode.current = bytes;
        drop(inode);
        nodes.insert(id, fresh);
    }
    let mut names = NameMap::new();
    for (path, node) in &survived {
        if let Some(fresh) = nodes.get(&node.lock().id) {
            fresh.lock().links += 1;
            names.insert(path.clone(), Arc::clone(fresh));
        }
    }
    let dirs = disk.names.dirs.clone();
    Disk {
        names: Names { dirs, current: names.clone(), durable: names, pending: Vec::new() },
        epoch: disk.epoch + 1,
        cut_at_step: None,
        faults: BTreeMap::new(),
        powered_off: false,
        used,
        rng: Arc::new(SeededRng::new(rng.next_u64())),
        ..*disk
    }
}

/// Order of the oldest change that is not on the disk, of those in reach of a name.
fn first_pending(disk: &Disk) -> u64 {
    let ops = disk.names.pending.iter();
    let named = ops.clone().map(|op| &op.node).chain(disk.names.durable.values());
    let of_files = named.filter_map(|node| node.lock().log.first().map(|change| change.seq)).min();
    let of_names = ops.map(|op| op.seq).min();
    of_files.into_iter().chain(of_names).min().unwrap_or(disk.next_seq)
}

fn surviving_names(names: &Names, keep: Keep, rng: &dyn Rng) -> NameMap {
    let mut survived = names.durable.clone();
    // Names with a lost operation: later ones on them are lost too, since a folder is written in
    // order as far as one name goes.
    let mut lost: BTreeSet<&PathBuf> = BTreeSet::new();
    for op in &names.pending {
        if keep.keeps(op.seq, rng) && !op.names().any(|name| lost.contains(name)) {
            op.apply(&mut survived);
        } else {
            lost.extend(op.names());
        }
    }
    survived
}

/// The bytes of a file that are on the disk after a power cut or a failed sync.
pub(super) fn surviving_bytes(inode: &Inode, keep: Keep, rng: &dyn Rng) -> Vec<u8> {
    let mut image = inode.durable.clone();
    // End of a length that was lost: what is written before it does not bring the length back.
    let mut lost_len = 0;
    for Change { seq, kind } in &inode.log {
        match (kind, keep) {
            (ChangeKind::Write { offset, bytes }, Keep::Random)
                if (image.len() + 1..=lost_len).contains(&(offset + bytes.len())) => {}
            (ChangeKind::Write { offset, bytes }, Keep::Random) => {
                write_randomly(&mut image, *offset, bytes, rng);
            }
            (ChangeKind::Write { offset, bytes }, Keep::Before(end)) if *seq == end => {
                let mut sectors_left = rng.below(sectors_of(*offset, bytes.len()) + 1);
                write_sectors(&mut image, *offset, bytes, || {
                    let kept = sectors_left > 0;
                    sectors_left = sectors_left.saturating_sub(1);
                    kept
                });
            }
            (ChangeKind::SetLen(len), keep) if keep.keeps(*seq, rng) => image.resize(*len, 0),
            (ChangeKind::SetLen(len), _) => lost_len = *len,
            (ChangeKind::Write { offset, bytes }, keep) if keep.keeps(*seq, rng) => {
                write_at(&mut image, *offset, bytes);
            }
            (ChangeKind::Write { .. }, _) => {}
        }
    }
    image
}

fn write_randomly(image: &mut Vec<u8>, offset: usize, bytes: &[u8], rng: &dyn Rng) {
    match rng.below(3) {
        0 => write_at(image, offset, bytes),
        1 => write_sectors(image, offset, bytes, || rng.one_in(2)),
        _ => {}
    }
    // The length is metadata and may have reached the disk without the bytes: they read as zeros.
    if image.len() < offset + bytes.len() && rng.one_in(2) {
        image.resize(offset + bytes.len(), 0);
    }
}

/// Number of sectors that a range touches.
fn sectors_of(offset: usize, len: usize) -> u64 {
    let (start, end) = (offset as u64, (offset + len) as u64);
    end.div_ceil(SECTOR_BYTES) - start / SECTOR_BYTES
}

/// Writes those sectors for which `kept` says so, asked in order.
fn write_sectors(
    image: &mut Vec<u8>,
    mut offset: usize,
    mut bytes: &[u8],
    mut kept: impl FnMut() -> bool,
) {
    let sector = usize::try_from(SECTOR_BYTES).unwrap_or(usize::MAX);
    while !bytes.is_empty() {
        let (part, rest) = bytes.split_at(bytes.len().min(sector - offset % sector));
        if kept() {
            write_at(image, offset, part);
        }
        offset += part.len();
        bytes = rest;
    }
}
