//! The blocks that a thread read last: reads in key order find their next key there.
//!
//! Point reads in key order would otherwise pay for filter, index and cache at every key. A thread
//! remembers a block of each of a few tables, so that reads of one may come between those of
//! another; a key within it is answered from it. While that works, a key behind its end goes to the
//! tables, which brings the next block; while it does not, cached rows come first, and only one
//! read in [`PROBE_EVERY`] goes to the tables to see whether keys come in order.

use std::cell::RefCell;
use std::sync::Arc;

use super::Table;
use super::block::Block;
use crate::entry::{self, Entry};

/// Tables of which a thread remembers a block, at most.
const TABLES: usize = 8;
/// One read in so many tries the tables first.
const PROBE_EVERY: u32 = 64;
/// Reads that may miss the block before the order is given up.
const PATIENCE: u32 = 4;

thread_local! {
    /// By number of the table in its cache, of which the lowest bits count.
    static RECENT: RefCell<[Recent; TABLES]> = const {
        RefCell::new([const { Recent::of(0) }; TABLES])
    };
}

#[derive(Debug)]
struct Recent {
    /// The cache that the table belongs to: a store has one. Another store starts afresh, so that
    /// what it does depends on its own reads alone.
    cache: u64,
    /// Table of the block, by its number in the cache: numbers are never used twice.
    owner: u64,
    block: Option<Arc<Block>>,
    patience: u32,
    reads: u32,
}

impl Recent {
    const fn of(cache: u64) -> Self {
        Self { cache, owner: 0, block: None, patience: 0, reads: 0 }
    }

    /// What is remembered for a table; what is of another store is forgotten.
    #[inline]
    fn of_table<'r>(all: &'r mut [Self; TABLES], table: &Table) -> &'r mut Self {
        let place = usize::try_from(table.owner % TABLES as u64).unwrap_or(0);
        let recent = &mut all[place];
        let cache = table.cache.id();
        if recent.cache != cache {
            *recent = Self::of(cache);
        }
        recent
    }
}

/// Where to look for a key.
#[derive(Debug)]
pub(crate) enum Hint {
    /// Here it is: the newest version within the snapshot in this table.
    Found(Entry),
    /// In the tables, remembering the block.
    Tables,
    /// In the cached rows first.
    Rows,
}

impl Table {
    /// Looks into the block of this table that this thread read last.
    #[inline]
    pub(crate) fn get_recent(&self, key: &[u8], seq_max: u64) -> Hint {
        RECENT.with_borrow_mut(|all| {
            let recent = Recent::of_table(all, self);
            if recent.owner == self.owner
                && let Some(block) = &recent.block
                && let Some(found) = find_within(block, key, seq_max)
            {
                recent.patience = PATIENCE;
                return Hint::Found(found);
            }
            recent.reads = recent.reads.wrapping_add(1);
            if recent.patience > 0 {
                recent.patience -= 1;
                return Hint::Tables;
            }
            if recent.reads.is_multiple_of(PROBE_EVERY) { Hint::Tables } else { Hint::Rows }
        })
    }

    /// Remembers a block of this table for the thread's next read.
    pub(super) fn remember(&self, block: Arc<Block>) {
        RECENT.with_borrow_mut(|all| {
            let recent = Recent::of_table(all, self);
            recent.owner = self.owner;
            recent.block = Some(block);
        });
    }
}

/// The newest version of a key that can only be in this block: keys of the first entry may have
/// newer versions in the block before.
#[inline]
fn find_within(block: &Block, key: &[u8], seq_max: u64) -> Option<Entry> {
    if key <= entry::key_of(block.entry(0)) || key > entry::key_of(block.entry(block.count() - 1)) {
        return None;
    }
    let at = block.lower_bound(key, seq_max);
    let (start, end) = (block.offset(at), block.offset(at + 1));
    (at < block.count() && entry::key_of(block.bytes(start, end)) == key)
        .then(|| block.shared(start, end))
}

#[cfg(test)]
mod tests {
    use super::super::{BlockCache, Compression, TableOptions, TableWriter};
    use super::*;
    use crate::entry::{EntryRef, Kind};
    use lightning_db_types::SimVfs;
    use std::path::Path;

    /// A table of one key in a store of its own.
    fn table(value: &[u8]) -> Table {
        let (disk, path) = (SimVfs::new(), Path::new("/t"));
        let options = TableOptions {
            table_id: 1,
            keyspace_id: 1,
            block_size: 4096,
            compression: Compression::Off,
            created_unix_ms: 0,
        };
        let mut writer = TableWriter::create(&disk, path, options).unwrap();
        for key in [&b"a"[..], b"b"] {
            let entry = EntryRef { key, seq: 1, kind: Kind::Put, expires_at_ms: 0, value };
            writer.add(Entry::new(&entry).bytes()).unwrap();
        }
        let meta = writer.finish().unwrap();
        Table::open(&disk, path, meta, Arc::new(BlockCache::new(1 << 20))).unwrap()
    }

    #[test]
    fn remembered_block_answers_for_its_own_store_only() {
        let (first, second) = (table(b"first"), table(b"second"));
        first.get(b"b", super::super::hash_key(b"b"), u64::MAX).unwrap().unwrap();
        let Hint::Found(found) = first.get_recent(b"b", u64::MAX) else { panic!("not remembered") };
        assert_eq!(found.get().value, b"first");
        assert!(matches!(second.get_recent(b"b", u64::MAX), Hint::Rows));
        assert!(matches!(first.get_recent(b"b", u64::MAX), Hint::Rows), "forgotten since");
    }

    #[test]
    fn first_key_of_a_block_is_left_to_the_tables() {
        let first = table(b"v");
        first.get(b"a", super::super::hash_key(b"a"), u64::MAX).unwrap().unwrap();
        assert!(matches!(first.get_recent(b"a", u64::MAX), Hint::Rows));
        assert!(matches!(first.get_recent(b"c", u64::MAX), Hint::Rows));
    }
}
