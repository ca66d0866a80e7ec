//! How the memory for caches is shared between decoded blocks and rows.
//!
//! Blocks that all fit serve every read, and a row that is cached beside its block takes memory
//! twice. Rows pay where the blocks do not fit: a row that is read often is kept without the
//! hundred others of its block. So blocks get what they need if that is there, and the less of them
//! fit the more goes to rows, up to a half.
//!
//! Memtables that are not there lend half of their memory: a store that is only read uses what
//! writers need at their fastest. Indexes and filters of tables stay in memory once they are used,
//! so that their bytes come off.

use crate::engine::Engine;
use crate::options::StoreOptions;
use crate::table::{FILTER_BITS_PER_KEY, TableMeta};

/// What a block takes besides its entries: so small a part of them covers it.
const BLOCK_SLACK: u64 = 32;
/// Bytes of an entry's place in a decoded block.
const ENTRY_PLACE_LEN: u64 = 8;
/// Bytes of a block's places in the index, but for its key, and among the blocks in memory.
const INDEX_PLACE_LEN: u64 = 60;
/// Rows have at least this share.
const ROWS_MIN: u64 = 16;
/// Blocks of so many times the memory leave half of it to rows.
const BLOCKS_FAR: u64 = 4;

/// Capacities, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheSizes {
    pub(crate) blocks: u64,
    pub(crate) rows: u64,
}

impl CacheSizes {
    /// Shares so much memory, where all blocks together would take `decoded` bytes.
    pub(crate) fn new(memory: u64, decoded: u64) -> Self {
        let needed = decoded.saturating_add(decoded / BLOCK_SLACK);
        let (most, least) = (memory - memory / ROWS_MIN, memory / 2);
        let far = memory.saturating_mul(BLOCKS_FAR);
        let blocks = if needed <= most {
            needed.max(least)
        } else {
            // Falls from all that rows may leave to half.
            let over = needed.min(far) - most;
            let span = (far - most).max(1);
            most - mul_div(most - least, over, span)
        };
        Self { blocks, rows: memory - blocks }
    }
}

fn mul_div(value: u64, by: u64, of: u64) -> u64 {
    let product = u128::from(value) * u128::from(by) / u128::from(of);
    u64::try_from(product).unwrap_or(u64::MAX)
}

impl Engine {
    /// Gives the caches the memory that they may have now.
    pub(crate) fn balance_caches(&self) {
        let (mut decoded, mut indexes) = (0, 0);
        for table in self.catalog.lock().state().tables.values() {
            decoded += table.meta.raw_len + table.meta.entries * ENTRY_PLACE_LEN;
            indexes += index_len(&table.meta, self.options.block_size);
        }
        let memory = cache_memory(&self.options, self.work.frozen_len(), indexes);
        let sizes = CacheSizes::new(memory, decoded);
        self.cache.set_capacity(sizes.blocks);
        self.rows.set_capacity(sizes.rows);
    }
}

/// Bytes that index and filter of a table take in memory, about.
fn index_len(meta: &TableMeta, block_size: usize) -> u64 {
    let key_len = meta.key_min.len().min(meta.key_max.len()) as u64;
    let blocks = meta.raw_len / block_size as u64 + 1;
    meta.entries * FILTER_BITS_PER_KEY / 8 + blocks * (INDEX_PLACE_LEN + key_len)
}

/// Bytes for both caches beside so many frozen memtables, and indexes of tables that take so much.
/// Half of the share stays, whatever they take: without blocks in memory indexes are no use.
fn cache_memory(options: &StoreOptions, frozen: usize, indexes: u64) -> u64 {
    let lent = if frozen <= 1 { options.idle_memtable_size() } else { 0 };
    let share = options.cache_size();
    (share + lent).saturating_sub(indexes).max(share / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn blocks_that_fit_get_what_they_need() {
        let none = CacheSizes::new(160 * MIB, 0);
        assert_eq!(none, CacheSizes { blocks: 80 * MIB, rows: 80 * MIB });
        let most = CacheSizes::new(160 * MIB, 128 * MIB);
        assert_eq!(most, CacheSizes { blocks: 132 * MIB, rows: 28 * MIB });
    }

    #[test]
    fn indexes_of_tables_come_off_what_caches_may_have() {
        let options = StoreOptions::new("/").memory_limit(150 * MIB);
        let memory = |frozen, indexes| cache_memory(&options, frozen, indexes * MIB) / MIB;
        assert_eq!([memory(2, 0), memory(1, 0)], [90, 105]);
        assert_eq!([memory(2, 30), memory(1, 30)], [60, 75]);
        assert_eq!([memory(2, 80), memory(1, 1_000)], [45, 45]);
        let meta = TableMeta {
            entries: 8_000,
            raw_len: 16 * 1_024,
            key_min: vec![0; 4],
            key_max: vec![1; 8],
            ..TableMeta::default()
        };
        assert_eq!(index_len(&meta, 1_024), 10_000 + 17 * 64);
    }

    #[test]
    fn blocks_that_do_not_fit_leave_more_to_rows_the_more_they_are() {
        let blocks = |decoded| CacheSizes::new(160 * MIB, decoded * MIB).blocks;
        let shares: Vec<u64> = [146, 150, 200, 400, 560, 570, 10_000].map(blocks).into();
        assert!(shares.is_sorted_by(|one, next| one >= next), "{shares:?}");
        assert!(shares[2] > 120 * MIB, "{shares:?}");
        assert_eq!(shares[6], 80 * MIB);
        for memory in [0, 1, 15, 16, 1 << 40] {
            let sizes = CacheSizes::new(memory, 1 << 30);
            assert_eq!(sizes.blocks + sizes.rows, memory, "{sizes:?}");
            assert!(sizes.blocks >= memory / 2, "{sizes:?}");
        }
        assert_eq!(CacheSizes::new(u64::MAX, u64::MAX).blocks, u64::MAX / 2);
    }
}
