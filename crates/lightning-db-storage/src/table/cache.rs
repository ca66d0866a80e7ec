//! Decoded blocks in memory, shared by all tables of a store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::block::Block;
use crate::hits::Hits;

/// Blocks are about this long: what the cache makes room for at the start.
const BLOCK_LEN_TYPICAL: u64 = 16 << 10;
/// Shards below this would refuse blocks that are a little longer than usual.
const SHARD_LEN_MIN: u64 = 1 << 20;
const SHARDS_MAX: u64 = 64;

/// Which block: the table's number in this cache, and the block's number in the table.
pub(super) type Place = (u64, u32);

#[derive(Debug, Clone)]
struct ByMemory;

impl Weighter<Place, Arc<Block>> for ByMemory {
    fn weight(&self, _place: &Place, block: &Arc<Block>) -> u64 {
        block.memory() as u64
    }
}

type Blocks = Cache<Place, Arc<Block>, ByMemory, FixedState, DefaultLifecycle<Place, Arc<Block>>>;

/// How well the cache does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Reads that found their block.
    pub(crate) hits: u64,
    /// Reads that went to the disk.
    pub(crate) misses: u64,
    /// Memory of the blocks held, in bytes.
    pub(crate) bytes: u64,
}

/// Number of the next cache: one for each of the process, since what a thread remembers of one is
/// void for all others.
static CACHES: AtomicU64 = AtomicU64::new(1);

/// A cache of decoded blocks, limited by their memory.
pub(crate) struct BlockCache {
    /// `None` for a capacity of zero.
    blocks: Option<Blocks>,
    hits: Hits,
    capacity: AtomicU64,
    owners: AtomicU64,
    id: u64,
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl BlockCache {
    /// A cache that holds up to about `capacity_bytes`; with zero it holds nothing.
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let items =
            usize::try_from(capacity_bytes.div_ceil(BLOCK_LEN_TYPICAL)).unwrap_or(usize::MAX);
        let shards = (capacity_bytes / SHARD_LEN_MIN).clamp(1, SHARDS_MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(capacity_bytes)
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let blocks = options.ok().filter(|_| capacity_bytes > 0).map(|options| {
            let hasher = FixedState::default();
            Cache::with_options(options, ByMemory, hasher, DefaultLifecycle::default())
        });
        let id = CACHES.fetch_add(1, Ordering::Relaxed);
        let (capacity, owners) = (AtomicU64::new(capacity_bytes), AtomicU64::new(0));
        Self { blocks, hits: Hits::default(), capacity, owners, id }
    }

    /// Holds so many bytes from now on; what is too much goes.
    pub(crate) fn set_capacity(&self, capacity_bytes: u64) {
        let before = self.capacity.swap(capacity_bytes, Ordering::Relaxed);
        if let Some(blocks) = self.blocks.as_ref().filter(|_| before != capacity_bytes) {
            blocks.set_capacity(capacity_bytes);
        }
    }

    /// Number of this cache, of no other in the process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Counts since the start, and the bytes held now.
    pub(crate) fn stats(&self) -> CacheStats {
        let [hits, misses] = self.hits.read();
        CacheStats { hits, misses, bytes: self.blocks.as_ref().map_or(0, Cache::weight) }
    }

    /// A number for an open table. It is never given twice, so that a block can not be taken for
    /// one of an earlier table of the same id.
    pub(super) fn owner(&self) -> u64 {
        self.owners.fetch_add(1, Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<Arc<Block>> {
        let found = self.blocks.as_ref().and_then(|blocks| blocks.get(&place));
        self.hits.count(found.is_some());
        found
    }

    /// As [`get`](Self::get), but neither the counters nor the order of eviction change.
    pub(super) fn peek(&self, place: Place) -> Option<Arc<Block>> {
        self.blocks.as_ref()?.peek(&place)
    }

    pub(super) fn insert(&self, place: Place, block: &Arc<Block>) {
        if let Some(blocks) = &self.blocks {
            blocks.insert(place, Arc::clone(block));
        }
    }

    /// Drops the blocks of a table.
    pub(super) fn remove(&self, owner: u64, count: u32) {
        if let Some(blocks) = self.blocks.as_ref().filter(|blocks| !blocks.is_empty()) {
            for number in 0..count {
                blocks.remove(&(owner, number));
            }
        }
    }
}
