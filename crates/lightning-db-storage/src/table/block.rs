//! Blocks: building, reading and searching them.
//!
//! A data block, decoded, holds entries back to back, then the offset of each and of their end as
//! `u32`, then the number of entries as `u32`. The decoded bytes stand behind a copy of the block
//! header in one shared buffer, so that a block that is not compressed is read into place.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use lightning_db_types::VfsFile;

use crate::entry::{self, Entry, EntryRef};
use crate::error::{Error, Result};

use super::format::{BLOCK_HEADER_LEN, BlockHeader, BlockKind, Compression, Extent, read_exact};

/// Length of an offset and of the count, in bytes.
const NUMBER_LEN: usize = 4;
const HEADER_LEN: u32 = 32;
const _: () = assert!(HEADER_LEN as usize == BLOCK_HEADER_LEN);
/// Shared bytes that a block keeps beside its slots; it looks up longer ones in its first key.
const SHARED_LEN_MAX: usize = 24;
/// Scratch space that is kept for the next block; larger ones are given back.
const SCRATCH_LEN_MAX: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Collects entries into the raw bytes of a data block.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    entries: Vec<u8>,
    starts: Vec<u32>,
}

impl BlockBuilder {
    #[inline]
    pub(super) fn add(&mut self, entry: &[u8]) {
        self.starts.push(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.extend_from_slice(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Length of the raw block, in bytes.
    #[inline]
    pub(super) fn raw_len(&self) -> usize {
        self.entries.len() + (self.starts.len() + 2) * NUMBER_LEN
    }

    /// Appends the offsets and the count; the entries are the raw block from here on.
    pub(super) fn seal(&mut self) -> &[u8] {
        let end = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        for number in self.starts.iter().copied().chain([end, count]) {
            self.entries.extend_from_slice(&number.to_le_bytes());
        }
        &self.entries
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.starts.clear();
    }
}

/// What a search looks at first: eight bytes per entry, side by side, where the entries themselves
/// are a cache miss each.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The four bytes of the key behind those that all keys of the block share, as a number.
    prefix: u32,
    /// Start of the entry in the buffer.
    start: u32,
}

/// A decoded data block: every entry is known to be a whole encoding.
#[derive(Debug)]
pub(crate) struct Block {
    buf: Arc<[u8]>,
    /// One for each entry, and one more for their end.
    slots: Box<[Slot]>,
    /// Number of bytes that all keys begin with, and the bytes if they are few.
    shared_len: usize,
    shared: [u8; SHARED_LEN_MAX],
    /// Prefixes of the first and of the last entry.
    ends: (u32, u32),
}

impl Block {
    /// Takes a buffer of block header and raw block.
    pub(super) fn new(buf: Arc<[u8]>) -> Result<Self, &'static str> {
        let (raw, count) = buf.split_last_chunk().ok_or("a block has no count")?;
        let count = u32::from_le_bytes(*count) as usize;
        let offsets_at = (count + 1)
            .checked_mul(NUMBER_LEN)
            .and_then(|len| raw.len().checked_sub(len))
            .filter(|at| count > 0 && *at >= BLOCK_HEADER_LEN)
            .ok_or("a block has a count that does not fit")?;
        let (entries, offsets) = raw.split_at(offsets_at);
        let slot = |offset: &[u8; NUMBER_LEN]| {
            let start = u32::from_le_bytes(*offset).saturating_add(HEADER_LEN);
            Slot { prefix: 0, start }
        };
        let mut slots: Box<[Slot]> = offsets.as_chunks().0.iter().map(slot).collect();
        let end = slots.last().map(|slot| slot.start as usize);
        if slots[0].start != HEADER_LEN || end != Some(offsets_at) {
            return Err("the entries of a block do not fill it");
        }
        let key = |slots: &[Slot], at: usize| {
            let bytes = entries.get(slots[at].start as usize..slots[at + 1].start as usize)?;
            EntryRef::decode(bytes).map(|entry| entry.key)
        };
        let no_entry = "a block holds bytes that are no entry";
        let first = key(&slots, 0).ok_or(no_entry)?;
        let last = key(&slots, count - 1).ok_or(no_entry)?;
        let shared_len = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let mut shared = [0; SHARED_LEN_MAX];
        for (to, from) in shared.iter_mut().zip(&first[..shared_len]) {
            *to = *from;
        }
        for at in 0..count {
            let key = key(&slots, at).ok_or(no_entry)?;
            slots[at].prefix = prefix(key.get(shared_len..).unwrap_or_default());
        }
        let ends = (slots[0].prefix, slots[count - 1].prefix);
        Ok(Self { buf, slots, shared_len, shared, ends })
    }

    /// Gives all entries a number, while the block has one owner.
    pub(super) fn stamp(&mut self, seq: u64) {
        let Some(buf) = Arc::get_mut(&mut self.buf) else { return };
        for slot in &self.slots[..self.slots.len() - 1] {
            let start = slot.start as usize;
            buf[start..start + entry::SEQ_LEN].copy_from_slice(&seq.to_le_bytes());
        }
    }

    /// Start of an entry in the buffer; with the number of entries, their end.
    #[inline]
    pub(super) fn offset(&self, at: usize) -> usize {
        self.slots.get(at).map_or(0, |slot| slot.start as usize)
    }

    /// Number of entries: at least one.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.slots.len() - 1
    }

    #[inline]
    pub(super) fn bytes(&self, start: usize, end: usize) -> &[u8] {
        self.buf.get(start..end).unwrap_or_default()
    }

    /// The entry's encoding.
    #[inline]
    pub(crate) fn entry(&self, at: usize) -> &[u8] {
        self.bytes(self.offset(at), self.offset(at + 1))
    }

    /// The bytes as an entry that shares the buffer.
    #[inline]
    pub(super) fn shared(&self, start: usize, end: usize) -> Entry {
        Entry::part(Arc::clone(&self.buf), start..end)
    }

    /// Index of the first entry that does not come before the key and number; the number of entries
    /// if all do.
    #[inline]
    pub(super) fn lower_bound(&self, key: &[u8], seq: u64) -> usize {
        let count = self.count();
        let shared = match self.shared.get(..self.shared_len) {
            Some(shared) => shared,
            None => &entry::key_of(self.entry(0))[..self.shared_len],
        };
        let Some((head, tail)) = key.split_at_checked(self.shared_len) else {
            return if key <= &shared[..key.len()] { 0 } else { count };
        };
        match head.cmp(shared) {
            Ordering::Less => return 0,
            Ordering::Greater => return count,
            Ordering::Equal => {}
        }
        let (wanted, slots) = (prefix(tail), &self.slots[..count]);
        let mut from = self.first_at_least(wanted);
        if slots.get(from).is_none_or(|slot| slot.prefix != wanted) {
            return from;
        }
        // Most often one entry has this prefix; versions of a key, and keys alike in it, are more.
        let rest = &slots[from + 1..];
        let mut to = match rest.first() {
            Some(slot) if slot.prefix == wanted => {
                from + 1 + rest.partition_point(|slot| slot.prefix == wanted)
            }
            _ => from + 1,
        };
        while from < to {
            let middle = from.midpoint(to);
            if entry::compare_at(self.entry(middle), key, seq) == Ordering::Less {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// First slot whose prefix is not below this one; the number of entries if all are.
    ///
    /// Begins where the prefix would stand if all were as far apart, which is where numbers in a
    /// row do, and goes on in steps twice as long each: one cache miss for them, and at most twice
    /// the probes of a binary search for others.
    #[inline]
    fn first_at_least(&self, wanted: u32) -> usize {
        let (slots, (first, last)) = (&self.slots[..self.count()], self.ends);
        if wanted <= first {
            return 0;
        }
        if wanted > last {
            return slots.len();
        }
        let below = |at: usize| slots.get(at).is_some_and(|slot| slot.prefix < wanted);
        let part = u64::from(wanted - first) * (slots.len() as u64 - 1);
        let guess = usize::try_from(part / u64::from(last - first)).unwrap_or(0);
        // From here on the answer lies behind `from`, or is it, and not behind `to`.
        let (mut from, mut to, mut step) = (guess, guess, 1);
        if below(guess) {
            from += 1;
            to = from;
            while below(to) {
                from = to + 1;
                to += step;
                step *= 2;
            }
            to = to.min(slots.len() - 1);
        } else {
            while from > 0 && !below(from - 1) {
                to = from - 1;
                from = to.saturating_sub(step);
                step *= 2;
            }
        }
        from + slots[from..to].partition_point(|slot| slot.prefix < wanted)
    }

    /// Bytes held in memory.
    pub(super) fn memory(&self) -> usize {
        self.buf.len() + self.slots.len() * size_of::<Slot>() + size_of::<Self>()
    }
}

/// First four bytes as a number that orders as they do; shorter keys are filled with zeros.
#[inline]
fn prefix(key: &[u8]) -> u32 {
    if let Some(chunk) = key.first_chunk() {
        return u32::from_be_bytes(*chunk);
    }
    let mut bytes = [0; 4];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u32::from_be_bytes(bytes)
}

/// What a block must say about itself to be the one asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) table_id: u64,
    pub(super) number: u32,
    pub(super) kind: BlockKind,
    pub(super) extent: Extent,
    /// Whether the stored bytes are the raw ones; `None` if not known before reading.
    pub(super) plain: Option<bool>,
}

/// Reads a block, checks it, and returns its header followed by its raw bytes.
///
/// The extent must lie within the file: it bounds what is allocated before the checksum is known to
/// hold.
pub(super) fn read_block(
    file: &dyn VfsFile,
    path: &Path,
    expected: &Expected,
) -> Result<Arc<[u8]>> {
    let Extent { offset, len } = expected.extent;
    let len = usize::try_from(len)
        .map_err(|_| Error::corrupt(path, offset, "a block is longer than memory can be"))?;
    if expected.plain == Some(true) {
        let mut buf = zeroed(len);
        if let Some(bytes) = Arc::get_mut(&mut buf) {
            read_exact(file, path, bytes, offset)?;
        }
        check_block(path, expected, &buf)?;
        return Ok(buf);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(len, 0);
        let decoded = read_exact(file, path, scratch, offset)
            .and_then(|()| check_block(path, expected, scratch))
            .and_then(|header| {
                decompress(&header, scratch).map_err(|detail| Error::corrupt(path, offset, detail))
            });
        if scratch.len() > SCRATCH_LEN_MAX {
            *scratch = Vec::new();
        }
        decoded
    })
}

/// Checks that `bytes`, a header and stored bytes, are the block that is expected.
fn check_block(path: &Path, expected: &Expected, bytes: &[u8]) -> Result<BlockHeader> {
    let corrupt = |detail: &str| Err(Error::corrupt(path, expected.extent.offset, detail));
    let Some(header) = BlockHeader::decode(bytes) else {
        return corrupt("there is no block here");
    };
    if !BlockHeader::checksum_holds(bytes) {
        return corrupt("checksum of a block is wrong");
    }
    let same = header.table_id == expected.table_id
        && header.number == expected.number
        && header.kind == expected.kind
        && header.len() == expected.extent.len
        && expected.plain.is_none_or(|plain| plain == (header.compression == Compression::Off));
    if same { Ok(header) } else { corrupt("a block of another table or place stands here") }
}

/// Decodes a header and stored bytes whose checksum holds.
pub(super) fn decompress(header: &BlockHeader, bytes: &[u8]) -> Result<Arc<[u8]>, &'static str> {
    if header.compression == Compression::Off {
        return Ok(bytes.into());
    }
    let (head, stored) = bytes.split_at_checked(BLOCK_HEADER_LEN).ok_or("a block is cut")?;
    let mut buf = zeroed(BLOCK_HEADER_LEN + header.raw_len as usize);
    if let Some((to_head, to_raw)) =
        Arc::get_mut(&mut buf).and_then(|buf| buf.split_at_mut_checked(BLOCK_HEADER_LEN))
    {
        to_head.copy_from_slice(head);
        let len = lz4_flex::block::decompress_into(stored, to_raw);
        if len.ok() != Some(header.raw_len as usize) {
            return Err("a block does not decompress to its length");
        }
    }
    Ok(buf)
}

/// A shared buffer that can be filled in place while it has one owner.
fn zeroed(len: usize) -> Arc<[u8]> {
    std::iter::repeat_n(0, len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;

    /// Keys of eight bytes in a block, each with the versions 1 and 2.
    fn block(numbers: &[u64]) -> Block {
        let mut builder = BlockBuilder::default();
        for number in numbers {
            for seq in [2, 1] {
                let key = &number.to_be_bytes()[..];
                let entry = EntryRef { key, seq, kind: Kind::Put, expires_at_ms: 0, value: b"v" };
                builder.add(&entry.encode_shared());
            }
        }
        Block::new([&[0; BLOCK_HEADER_LEN], builder.seal()].concat().into()).unwrap()
    }

    #[test]
    fn search_finds_the_first_entry_not_before_however_keys_are_spread() {
        let dense: Vec<u64> = (1_000..1_200).collect();
        let skewed: Vec<u64> = (0..60).map(|bit| (1 << bit) + 3).collect();
        let far: Vec<u64> = (0..100).chain([u64::MAX - 1, u64::MAX]).collect();
        let clusters: Vec<u64> =
            (0..9_u64).flat_map(|at| (0..20).map(move |it| at.pow(9) * 1_000_000 + it)).collect();
        for numbers in [dense, skewed, far, clusters, vec![7], vec![7, 8]] {
            let block = block(&numbers);
            let around =
                |number: &u64| [number.saturating_sub(1), *number, number.saturating_add(1)];
            for wanted in numbers.iter().flat_map(around) {
                for seq in 0..4 {
                    let key = wanted.to_be_bytes();
                    let is_before =
                        |at: &usize| entry::compare_at(block.entry(*at), &key, seq).is_lt();
                    let expected = (0..block.count()).take_while(is_before).count();
                    assert_eq!(block.lower_bound(&key, seq), expected, "{wanted} in {numbers:?}");
                }
            }
        }
    }
}
