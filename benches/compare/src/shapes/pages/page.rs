//! A leaf page: the versions of a range of keys, sorted, compressed with LZ4 when stored.
//!
//! Stored form, little-endian, after decompression: for each version its place (key and inverted
//! sequence, 24 bytes), the length of the value (4 bytes), the value. Nothing in it says where the
//! page ends: its range reaches to the next page, and what it holds beyond was moved there.

use std::ops::Range;

use anyhow::{Context as _, Result};

use crate::shapes::prototype::{Sequence, Versioned, key_of, versioned};
use crate::workload::Key;

/// Bytes of a page before it splits: 16 KiB, as the blocks of our tables.
const SIZE_MAX: usize = 16 << 10;

/// Bytes of a version beside its value: its place and its length.
const HEAD_LEN: usize = size_of::<Versioned>() + 4;

/// A page in memory.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The first key of the next page; `None` in the last page.
    pub high: Option<Key>,
    entries: Vec<(Versioned, Range<u32>)>,
    /// The values that `entries` point into, in the order in which they came.
    values: Vec<u8>,
}

impl Page {
    /// An empty page that reaches up to `high`.
    pub(super) fn new(high: Option<Key>) -> Self {
        Self { high, ..Self::default() }
    }

    /// Writes a version. One that is there already is replaced.
    pub(super) fn insert(&mut self, place: Versioned, value: &[u8]) -> Result<()> {
        let start = u32::try_from(self.values.len())?;
        self.values.extend_from_slice(value);
        let span = start..u32::try_from(self.values.len())?;
        match self.entries.binary_search_by(|(stored, _)| stored.cmp(&place)) {
            Ok(position) => self.entries[position].1 = span,
            Err(position) => self.entries.insert(position, (place, span)),
        }
        Ok(())
    }

    /// What `snapshot` sees of `key`.
    pub(super) fn newest(&self, key: &Key, snapshot: Sequence) -> Option<&[u8]> {
        let (place, value) = self.from(&versioned(key, snapshot)).next()?;
        (key_of(place) == *key).then_some(value)
    }

    /// The versions from `place` on.
    pub(super) fn from(&self, place: &Versioned) -> impl Iterator<Item = (&Versioned, &[u8])> {
        let first = self.entries.partition_point(|(stored, _)| stored < place);
        self.entries[first..].iter().map(|(place, span)| (place, self.value(span)))
    }

    fn value(&self, span: &Range<u32>) -> &[u8] {
        &self.values[span.start as usize..span.end as usize]
    }

    /// Bytes that the page takes.
    pub(super) fn size(&self) -> usize {
        self.entries.len() * HEAD_LEN + self.values.len()
    }

    /// Moves the upper half of a page that is too large to a new one and returns its first key.
    /// All versions of a key stay together, so a page of one key grows.
    pub(super) fn split(&mut self) -> Result<Option<(Key, Self)>> {
        if self.size() <= SIZE_MAX {
            return Ok(None);
        }
        let middle = key_of(&self.entries[self.entries.len() / 2].0);
        let first = key_of(&self.entries[0].0);
        let above = self.entries.iter().map(|(place, _)| key_of(place)).find(|key| *key > middle);
        let Some(low) = (if middle > first { Some(middle) } else { above }) else {
            return Ok(None);
        };
        let (mut left, mut right) = (Self::new(Some(low)), Self::new(self.high));
        for (place, value) in self.from(&[0; size_of::<Versioned>()]) {
            let half = if key_of(place) < low { &mut left } else { &mut right };
            half.insert(*place, value)?;
        }
        *self = left;
        Ok(Some((low, right)))
    }

    /// The stored form.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut plain = Vec::with_capacity(self.size());
        for (place, span) in &self.entries {
            let value = self.value(span);
            plain.extend_from_slice(place);
            plain.extend_from_slice(&u32::try_from(value.len())?.to_le_bytes());
            plain.extend_from_slice(value);
        }
        Ok(lz4_flex::block::compress_prepend_size(&plain))
    }

    /// Reads the stored form of a page that reaches up to `high`.
    pub(super) fn decode(stored: &[u8], high: Option<Key>) -> Result<Self> {
        let plain = lz4_flex::block::decompress_size_prepended(stored)?;
        let mut page = Self::new(high);
        let mut rest = plain.as_slice();
        while !rest.is_empty() {
            let (place, tail) = rest.split_first_chunk().context("a page ends in a key")?;
            let (len, tail) = tail.split_first_chunk().context("a page ends in a length")?;
            let len = u32::from_le_bytes(*len) as usize;
            let (value, tail) = tail.split_at_checked(len).context("a page ends in a value")?;
            if high.is_some_and(|high| key_of(place) >= high) {
                break;
            }
            page.insert(*place, value)?;
            rest = tail;
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::sequential_key;

    fn filled(keys: u64, versions: u64) -> Page {
        let mut page = Page::default();
        for index in 0..keys {
            for version in 1..=versions {
                let place = versioned(&sequential_key(index), version);
                page.insert(place, &[7; 100]).unwrap();
            }
        }
        page
    }

    #[test]
    fn a_full_page_splits_between_keys() {
        let mut page = filled(100, 1);
        assert!(page.split().unwrap().is_none(), "{} bytes fit", page.size());
        page = filled(50, 3);
        let (low, right) = page.split().unwrap().unwrap();
        assert_eq!((low, page.high, right.high), (sequential_key(25), Some(low), None));
        assert!(page.newest(&sequential_key(24), 3).is_some());
        assert!(page.newest(&low, 3).is_none() && right.newest(&low, 1).is_some());
        assert!(filled(1, 500).split().unwrap().is_none(), "one key stays together");
    }

    #[test]
    fn a_first_key_of_many_versions_leaves_the_others() {
        let mut page = filled(1, 200);
        page.insert(versioned(&sequential_key(1), 1), b"other").unwrap();
        let (low, right) = page.split().unwrap().unwrap();
        assert_eq!(low, sequential_key(1));
        assert_eq!(right.newest(&low, 1), Some(&b"other"[..]));
    }

    #[test]
    fn stored_pages_end_where_the_next_one_begins() {
        let stored = filled(10, 2).encode().unwrap();
        let page = Page::decode(&stored, Some(sequential_key(4))).unwrap();
        assert_eq!(page.entries.len(), 8);
        assert_eq!(page.newest(&sequential_key(3), 1), Some(&[7; 100][..]));
        assert!(Page::decode(&stored[..stored.len() - 1], None).is_err());
    }
}
