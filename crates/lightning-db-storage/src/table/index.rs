//! Index of a table: one bound per data block, searched in memory.
//!
//! The bound of a block does not come before its last entry and comes before the first entry of the
//! next block. Between two keys it is the shortest key that separates them, so that indexes stay
//! small; between two versions of one key it is the last entry itself.
//!
//! Raw index block: number of blocks as `u32`; then per block stored length, raw length and end
//! of its key as `u32`; then per block the sequence number of its bound as `u64`; then the keys.

use std::cmp::Ordering;

use super::format::{BLOCK_HEADER_LEN, Extent, FILE_HEADER_LEN, u32_at};

const COUNT_LEN: usize = 4;
const BLOCK_LEN: usize = 12;
const SEQ_LEN: usize = 8;

/// Collects the bounds while a table is written.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    blocks: Vec<u8>,
    seqs: Vec<u8>,
    keys: Vec<u8>,
    count: u32,
}

impl IndexBuilder {
    /// Takes the next block: its lengths, its last entry, and the key of the entry after that, if
    /// there is one. False if the index would pass 4 GiB.
    pub(super) fn add(
        &mut self,
        lens: (u32, u32),
        last: (&[u8], u64),
        next: Option<&[u8]>,
    ) -> bool {
        let (key, seq) = bound(last, next);
        self.keys.extend_from_slice(key);
        let lens = [lens.0, lens.1];
        let Ok(key_end) = u32::try_from(self.keys.len()) else {
            return false;
        };
        for number in lens.into_iter().chain([key_end]) {
            self.blocks.extend_from_slice(&number.to_le_bytes());
        }
        self.seqs.extend_from_slice(&seq.to_le_bytes());
        self.count += 1;
        u32::try_from(self.raw_len()).is_ok()
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn raw_len(&self) -> usize {
        COUNT_LEN + self.blocks.len() + self.seqs.len() + self.keys.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.blocks);
        out.extend_from_slice(&self.seqs);
        out.extend_from_slice(&self.keys);
    }
}

/// A key and number not before `last` and before every entry of the key `next`.
fn bound<'a>(last: (&'a [u8], u64), next: Option<&'a [u8]>) -> (&'a [u8], u64) {
    let (key, seq) = last;
    let Some(next) = next.filter(|next| *next != key) else {
        return (key, seq);
    };
    let shared = key.iter().zip(next).take_while(|(a, b)| a == b).count();
    // One byte more than what is shared: above `key`, and below `next` if that goes on.
    let shortest = shared + 1;
    let short = shortest < key.len() && shortest < next.len();
    // Number zero comes after all versions of the key.
    (if short { &next[..shortest] } else { key }, 0)
}

/// Where one block stands and how it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle {
    pub(super) extent: Extent,
    pub(super) plain: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    stored_len: u32,
    raw_len: u32,
}

/// The index in memory.
#[derive(Debug)]
pub(super) struct Index {
    /// Bytes that all keys begin with.
    shared: Box<[u8]>,
    /// The eight bytes behind the shared ones, as a number: most searches need no more.
    prefixes: Box<[u64]>,
    seqs: Box<[u64]>,
    key_ends: Box<[u32]>,
    keys: Box<[u8]>,
    places: Box<[Place]>,
    end: u64,
}

impl Index {
    /// Decodes the whole of `raw`; `None` if it is no index.
    pub(super) fn decode(raw: &[u8]) -> Option<Self> {
        let count = u32_at(raw, 0)? as usize;
        let (blocks, rest) = raw[COUNT_LEN..].split_at_checked(count.checked_mul(BLOCK_LEN)?)?;
        let (seqs, keys) = rest.split_at_checked(count * SEQ_LEN)?;
        let mut places = Vec::with_capacity(count);
        let mut key_ends = Vec::with_capacity(count);
        let mut end = FILE_HEADER_LEN as u64;
        let mut key_end = 0;
        for block in blocks.as_chunks::<BLOCK_LEN>().0 {
            let place =
                Place { offset: end, stored_len: u32_at(block, 0)?, raw_len: u32_at(block, 4)? };
            end = end.checked_add(BLOCK_HEADER_LEN as u64 + u64::from(place.stored_len))?;
            places.push(place);
            let next_end = u32_at(block, 8)?;
            if next_end < key_end || next_end as usize > keys.len() {
                return None;
            }
            key_end = next_end;
            key_ends.push(key_end);
        }
        if key_end as usize != keys.len() {
            return None;
        }
        let mut index = Self {
            shared: Box::default(),
            prefixes: Box::default(),
            seqs: seqs.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect(),
            key_ends: key_ends.into(),
            keys: keys.into(),
            places: places.into(),
            end,
        };
        index.find_prefixes()?;
        Some(index)
    }

    /// Fills in what is shared and the prefixes; `None` if the bounds are not ascending.
    fn find_prefixes(&mut self) -> Option<()> {
        let count = self.count();
        if (1..count).any(|at| self.compare(at - 1, self.key(at), self.seqs[at]) != Ordering::Less)
        {
            return None;
        }
        if let Some(last) = count.checked_sub(1) {
            let (first, last) = (self.key(0), self.key(last));
            let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
            self.shared = first[..shared].into();
        }
        let shared = self.shared.len();
        self.prefixes = (0..count).map(|at| prefix(&self.key(at)[shared..])).collect();
        Some(())
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Offset behind the last data block.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    #[inline]
    pub(super) fn handle(&self, at: usize) -> Option<Handle> {
        let place = self.places.get(at)?;
        let len = BLOCK_HEADER_LEN as u64 + u64::from(place.stored_len);
        let extent = Extent { offset: place.offset, len };
        Some(Handle { extent, plain: place.stored_len == place.raw_len })
    }

    #[inline]
    fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.key_ends[before] as usize);
        &self.keys[start..self.key_ends[at] as usize]
    }

    /// The bound of a block.
    pub(super) fn bound(&self, at: usize) -> (&[u8], u64) {
        (self.key(at), self.seqs[at])
    }

    #[inline]
    fn compare(&self, at: usize, key: &[u8], seq: u64) -> Ordering {
        self.key(at).cmp(key).then_with(|| seq.cmp(&self.seqs[at]))
    }

    /// The one block that may hold the first entry that does not come before the key and number;
    /// the number of blocks if all entries do. If no entry of the block is the one, it is the first
    /// of the next block.
    #[inline]
    pub(super) fn find(&self, key: &[u8], seq: u64) -> usize {
        let shared = self.shared.len();
        let Some((head, tail)) = key.split_at_checked(shared) else {
            let less = key <= &self.shared[..key.len()];
            return if less { 0 } else { self.count() };
        };
        match head.cmp(&self.shared) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.count(),
            Ordering::Equal => {}
        }
        let wanted = prefix(tail);
        let first = self.prefixes.partition_point(|prefix| *prefix < wanted);
        if self.prefixes.get(first) != Some(&wanted) {
            return first;
        }
        let equal = self.prefixes[first..].partition_point(|prefix| *prefix == wanted);
        let (mut from, mut to) = (first, first + equal);
        while from < to {
            let middle = from.midpoint(to);
            if self.compare(middle, key, seq) == Ordering::Less {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// Bytes held in memory.
    pub(super) fn memory(&self) -> usize {
        let per_block = size_of::<Place>() + size_of::<u64>() * 2 + size_of::<u32>();
        self.shared.len() + self.keys.len() + self.count() * per_block
    }
}

/// First eight bytes as a number that orders as they do; shorter keys are filled with zeros.
#[inline]
fn prefix(key: &[u8]) -> u64 {
    if let Some(chunk) = key.first_chunk() {
        return u64::from_be_bytes(*chunk);
    }
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_separates_two_entries_with_few_bytes() {
        let check = |last: &[u8], next: &[u8], expected: &[u8]| {
            let (key, seq) = bound((last, 7), Some(next));
            assert_eq!((key, seq), (expected, 0));
            assert!(last <= key && key < next);
        };
        check(b"apple pie", b"banana", b"b");
        check(b"apple pie", b"apricot", b"apr");
        check(b"apple", b"apple pie", b"apple");
        check(b"a1", b"a2", b"a1");
        check(b"a10", b"a2", b"a10");
        assert_eq!(bound((b"a", 7), Some(b"a")), (&b"a"[..], 7));
        assert_eq!(bound((b"long key", 7), None), (&b"long key"[..], 7));
    }

    #[test]
    fn find_gives_the_first_bound_not_before_the_target() {
        let keys: [&[u8]; 8] =
            [b"k", b"k", b"k1", b"k1\0", b"k100000000", b"k100000009", b"kz", b"kz"];
        let seqs = [9, 3, 0, 0, 0, 5, 7, 2];
        let mut builder = IndexBuilder::default();
        for (key, seq) in keys.into_iter().zip(seqs) {
            assert!(builder.add((10, 20), (key, seq), None));
        }
        let mut raw = Vec::new();
        builder.encode(&mut raw);
        assert_eq!(raw.len(), builder.raw_len());
        let index = Index::decode(&raw).unwrap();
        let targets: [&[u8]; 9] =
            [b"", b"a", b"k", b"k0", b"k1", b"k1\0\0", b"k100000009", b"kz", b"l"];
        for key in targets {
            for seq in 0..12 {
                let expected = (0..8).find(|at| index.compare(*at, key, seq) != Ordering::Less);
                assert_eq!(index.find(key, seq), expected.unwrap_or(8), "{key:?} {seq}");
            }
        }
        assert_eq!(index.end(), 64 + 8 * (32 + 10));
    }

    #[test]
    fn damaged_indexes_decode_to_nothing() {
        let mut builder = IndexBuilder::default();
        builder.add((1, 1), (b"b", 1), None);
        builder.add((1, 1), (b"c", 1), None);
        let mut raw = Vec::new();
        builder.encode(&mut raw);
        assert!(Index::decode(&raw).is_some());
        for len in 0..raw.len() {
            assert!(Index::decode(&raw[..len]).is_none(), "cut to {len} bytes");
        }
        let last = raw.len() - 1;
        raw[last] = b'a';
        assert!(Index::decode(&raw).is_none(), "bounds are not ascending");
    }
}
