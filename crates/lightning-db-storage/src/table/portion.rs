//! A table as a run has it: whole, or from a key on.

use std::sync::Arc;

use super::{Table, TableMeta};
use crate::error::Result;
use crate::segment::Span;

/// Entries of a segment, about: as many as whoever keeps columns works on at once.
const SEGMENT_ENTRIES: u64 = 1_024;
const SEGMENT_BLOCKS_MAX: u64 = 64;

/// A table, or what a merge under way has left of it.
///
/// A merge goes through its runs from the first key to the last, slice by slice. A table that lies
/// across the end of a slice stays, and its keys before that end no longer count: they are in the
/// tables that the slice has written. The manifest has the first key that counts.
#[derive(Debug, Clone)]
pub(crate) struct Portion {
    pub(crate) table: Arc<Table>,
    /// First key that counts; empty if all do, since no key comes before the empty one.
    from: Box<[u8]>,
}

impl Portion {
    /// The keys of a table from `from` on; an empty key leaves it whole.
    pub(crate) fn new(table: Arc<Table>, from: &[u8]) -> Self {
        Self { table, from: from.into() }
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        self.table.meta()
    }

    /// The key before which nothing counts; `None` if the whole table does.
    #[inline]
    pub(crate) fn bound(&self) -> Option<&[u8]> {
        if self.from.is_empty() { None } else { Some(&self.from) }
    }

    /// The segment that begins with a block, for a reader of a number and a floor: `None` if none
    /// does, or the reader does not see each of its entries as a value, or an entry may not come
    /// before `limit`.
    pub(crate) fn span(
        &self,
        block: usize,
        limit: Option<&[u8]>,
        (seq, floor): (u64, u64),
    ) -> Result<Option<Span>> {
        let meta = self.meta();
        if self.bound().is_some() || !meta.is_plain() || meta.seq_max > seq || meta.seq_min < floor
        {
            return Ok(None);
        }
        let index = self.table.index()?;
        let len = segment_len(meta.entries, index.count());
        let blocks = block..index.count().min(block + len);
        if !block.is_multiple_of(len) || blocks.is_empty() {
            return Ok(None);
        }
        let (last, _) = index.bound(blocks.end - 1);
        let comes_before = limit.is_none_or(|limit| last < limit);
        Ok(comes_before.then_some(Span { table: self.table.owner, blocks }))
    }

    /// A key that no key of it comes before: the first one, or the bound.
    #[inline]
    pub(crate) fn first_key(&self) -> &[u8] {
        self.bound().unwrap_or(&self.table.meta.key_min)
    }

    /// Its last key.
    #[inline]
    pub(crate) fn last_key(&self) -> &[u8] {
        &self.table.meta.key_max
    }
}

impl From<Arc<Table>> for Portion {
    fn from(table: Arc<Table>) -> Self {
        Self { table, from: Box::default() }
    }
}

/// Blocks of the segments of a table of so many entries and blocks.
fn segment_len(entries: u64, blocks: usize) -> usize {
    let per_block = (entries / blocks.max(1) as u64).max(1);
    let len = (SEGMENT_ENTRIES / per_block).clamp(1, SEGMENT_BLOCKS_MAX);
    usize::try_from(len).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_have_about_as_many_entries_whatever_their_length() {
        assert_eq!(segment_len(600_000, 6_000), 10);
        assert_eq!(segment_len(1_000, 1_000), 64);
        assert_eq!(segment_len(1_000_000, 10), 1);
        assert_eq!(segment_len(0, 0), 64);
    }
}
