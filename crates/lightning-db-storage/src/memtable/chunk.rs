//! Sorted versions packed into chunks.

use std::cmp::Ordering;
use std::sync::Arc;

use super::ordered::{PointerRun, prefix_of};
use crate::entry::{self, Entry};

/// A chunk is closed when it has grown to this many bytes: what a slice handed out keeps alive.
const CHUNK_LEN: usize = 16 << 10;

/// Entries back to back.
#[derive(Debug)]
struct Chunk {
    buf: Arc<[u8]>,
    /// Where each entry starts, and where the last one ends.
    starts: Vec<u32>,
    /// Prefix of the first key.
    prefix: u128,
    /// Position of its first entry in the run.
    first: usize,
}

impl Chunk {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline]
    fn range(&self, at: usize) -> std::ops::Range<usize> {
        self.starts[at] as usize..self.starts[at + 1] as usize
    }

    fn entry(&self, at: usize) -> &[u8] {
        &self.buf[self.range(at)]
    }
}

/// Immutable versions in entry order.
#[derive(Debug, Default)]
pub(crate) struct ChunkRun {
    chunks: Vec<Chunk>,
    len: usize,
    /// Whether some key has several versions.
    repeats: bool,
}

/// Packs entries that come in order.
#[derive(Default)]
struct Packer {
    run: ChunkRun,
    bytes: Vec<u8>,
    starts: Vec<u32>,
    last_key: Vec<u8>,
}

impl Packer {
    fn add(&mut self, encoded: &[u8]) {
        let key = entry::key_of(encoded);
        self.run.repeats |= key == &self.last_key[..] && self.run.len + self.starts.len() > 0;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.bytes.len() + encoded.len() > CHUNK_LEN && !self.bytes.is_empty() {
            self.close();
        }
        self.starts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(encoded);
    }

    fn close(&mut self) {
        let Some(first) = self.starts.first().map(|_| self.run.len) else { return };
        let entries = self.starts.len();
        let first_end = self.starts.get(1).map_or(self.bytes.len(), |end| *end as usize);
        let prefix = prefix_of(entry::key_of(&self.bytes[..first_end]));
        self.starts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        let starts = std::mem::take(&mut self.starts);
        self.run.chunks.push(Chunk { buf: Arc::from(&self.bytes[..]), starts, prefix, first });
        self.run.len += entries;
        self.bytes.clear();
    }

    fn finish(mut self) -> ChunkRun {
        self.close();
        self.run
    }
}

impl ChunkRun {
    pub(super) fn copy(sorted: &PointerRun) -> Self {
        let mut packer = Packer::default();
        for encoded in sorted.iter() {
            packer.add(encoded);
        }
        packer.finish()
    }

    pub(super) fn merge(a: &Self, b: &Self) -> Self {
        let mut packer = Packer::default();
        let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            let second = entry::compare(left, right) == Ordering::Greater;
            if let Some(next) = if second { b.next() } else { a.next() } {
                packer.add(next);
            }
        }
        a.chain(b).for_each(|encoded| packer.add(encoded));
        packer.finish()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|at| chunk.entry(at)))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Chunk and place in it of the first version at or after (key, seq).
    fn find(&self, key: &[u8], seq: u64) -> (usize, usize) {
        let prefix = prefix_of(key);
        let before = |chunk: &Chunk| {
            let first = chunk.prefix.cmp(&prefix);
            first.then_with(|| entry::compare_at(chunk.entry(0), key, seq)) == Ordering::Less
        };
        let after = self.chunks.partition_point(before);
        let Some(chunk) = after.checked_sub(1) else { return (0, 0) };
        let (mut low, mut high) = (0, self.chunks[chunk].len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if entry::compare_at(self.chunks[chunk].entry(middle), key, seq) == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (chunk, low)
    }

    /// First version at or after (key, seq).
    pub(super) fn first_from(self: &Arc<Self>, key: &[u8], seq: u64) -> Option<Entry> {
        let mut cursor = ChunkCursor::new(Arc::clone(self));
        cursor.stand(cursor.position(key, seq));
        cursor.to_entry()
    }
}

/// A place in a run of chunks.
#[derive(Debug)]
pub(crate) struct ChunkCursor {
    run: Arc<ChunkRun>,
    /// Index of the chunk; out of bounds while it stands at no entry.
    chunk: usize,
    at: usize,
    /// Where the entry stands in the chunk.
    start: usize,
    end: usize,
    /// Position in the run when it left it at either end: `usize::MAX` or the length.
    outside: usize,
}

impl ChunkCursor {
    pub(super) fn new(run: Arc<ChunkRun>) -> Self {
        Self { run, chunk: usize::MAX, at: 0, start: 0, end: 0, outside: usize::MAX }
    }

    pub(super) fn len(&self) -> usize {
        self.run.len
    }

    /// Whether some key of the run has several versions.
    pub(super) fn repeats(&self) -> bool {
        self.run.repeats
    }

    /// Position in the run of the first version at or after (key, seq).
    pub(super) fn position(&self, key: &[u8], seq: u64) -> usize {
        let (chunk, at) = self.run.find(key, seq);
        self.run.chunks.get(chunk).map_or(0, |chunk| chunk.first + at)
    }

    /// To a position; outside of the run it stands at no entry.
    pub(super) fn stand(&mut self, position: usize) {
        if position >= self.run.len {
            (self.chunk, self.outside) = (usize::MAX, position);
            return;
        }
        self.chunk = self.run.chunks.partition_point(|chunk| chunk.first <= position) - 1;
        let chunk = &self.run.chunks[self.chunk];
        self.at = position - chunk.first;
        std::ops::Range { start: self.start, end: self.end } = chunk.range(self.at);
    }

    fn place(&self) -> usize {
        self.run.chunks.get(self.chunk).map_or(self.outside, |chunk| chunk.first + self.at)
    }

    #[inline]
    pub(super) fn next(&mut self) {
        if let Some(chunk) = self.run.chunks.get(self.chunk)
            && let Some(end) = chunk.starts.get(self.at + 2)
        {
            self.at += 1;
            (self.start, self.end) = (self.end, *end as usize);
            return;
        }
        self.stand(self.place().wrapping_add(1));
    }

    #[inline]
    pub(super) fn prev(&mut self) {
        if let Some(chunk) = self.run.chunks.get(self.chunk)
            && let Some(at) = self.at.checked_sub(1)
        {
            self.at = at;
            (self.start, self.end) = (chunk.starts[at] as usize, self.start);
            return;
        }
        self.stand(self.place().wrapping_sub(1));
    }

    #[inline]
    pub(super) fn entry(&self) -> Option<&[u8]> {
        let chunk = self.run.chunks.get(self.chunk)?;
        chunk.buf.get(self.start..self.end)
    }

    #[inline]
    pub(super) fn to_entry(&self) -> Option<Entry> {
        let chunk = self.run.chunks.get(self.chunk)?;
        Some(Entry::part(Arc::clone(&chunk.buf), self.start..self.end))
    }
}
