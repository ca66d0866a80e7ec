//! Decoded blocks in memory, shared by all tables of a store.
//!
//! A block stands in its own place of its table, so that a read finds it by its number: one line of
//! memory, where a hash table shared by all tables takes three or four. Which blocks go when memory
//! is full is decided as in S3-FIFO: new blocks come to a small queue and leave it soon unless they
//! are read again; those that are read again, or come back soon after they left, stay in a long
//! queue until nobody has read them for a whole turn of it. So a scan passes through without taking
//! the place of what is read all the time. Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are
//! all you need for cache eviction", SOSP 2023.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::block::Block;
use crate::hits::Hits;

/// This share of the memory is for blocks that came lately.
const NEW_SHARE: u64 = 10;
/// New blocks that were read again more often than this stay.
const USES_TO_STAY: u8 = 1;
/// Reads of a block are counted up to here.
const USES_MAX: u8 = 3;

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
    /// What is held, in the order of leaving. Locked where a block comes or goes, not by reads.
    queues: Mutex<Queues>,
    hits: Hits,
    owners: AtomicU64,
    id: u64,
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl BlockCache {
    /// A cache that holds up to `capacity_bytes`; with zero it holds nothing.
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let queues = Queues { capacity: capacity_bytes, ..Queues::default() };
        let id = CACHES.fetch_add(1, Ordering::Relaxed);
        let owners = AtomicU64::new(0);
        Self { queues: Mutex::new(queues), hits: Hits::default(), owners, id }
    }

    /// Holds so many bytes from now on; what is too much goes.
    pub(crate) fn set_capacity(&self, capacity_bytes: u64) {
        let mut queues = self.queues.lock();
        queues.capacity = capacity_bytes;
        queues.make_room(0);
    }

    /// Number of this cache, of no other in the process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Counts since the start, and the bytes held now.
    pub(crate) fn stats(&self) -> CacheStats {
        let [hits, misses] = self.hits.read();
        CacheStats { hits, misses, bytes: self.queues.lock().bytes() }
    }

    /// A number for an open table. It is never given twice, so that a block can not be taken for
    /// one of an earlier table of the same id.
    pub(super) fn owner(&self) -> u64 {
        self.owners.fetch_add(1, Ordering::Relaxed)
    }
}

/// The blocks of a table that are in memory. They leave the cache with it.
#[derive(Debug)]
pub(super) struct TableBlocks {
    cache: Arc<BlockCache>,
    places: Arc<Places>,
}

/// A place for each block of a table.
#[derive(Debug)]
struct Places {
    blocks: Box<[RwLock<Option<Arc<Block>>>]>,
    /// Beside the blocks, not among them: notes of 64 blocks share a few lines of memory.
    notes: Box<[Note]>,
}

/// What is known of a block, whether it is held or not.
#[derive(Debug, Default)]
struct Note {
    /// Reads since it came, or since it was last looked at, up to [`USES_MAX`].
    uses: AtomicU8,
    /// How many new blocks had left when it did; zero if it did not. Only changed with the queues.
    left: AtomicU32,
}

impl TableBlocks {
    /// Places for so many blocks, all of them empty.
    pub(super) fn new(cache: &Arc<BlockCache>, count: usize) -> Self {
        let places = Places {
            blocks: (0..count).map(|_| RwLock::default()).collect(),
            notes: (0..count).map(|_| Note::default()).collect(),
        };
        Self { cache: Arc::clone(cache), places: Arc::new(places) }
    }

    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<Arc<Block>> {
        let found = self.peek(number);
        self.cache.hits.count(found.is_some());
        if let Some(note) = self.places.notes.get(number) {
            let uses = note.uses.load(Ordering::Relaxed);
            if uses < USES_MAX {
                note.uses.store(uses + 1, Ordering::Relaxed);
            }
        }
        found
    }

    /// As [`get`](Self::get), but neither the counters nor the order of leaving change.
    #[inline]
    pub(super) fn peek(&self, number: usize) -> Option<Arc<Block>> {
        self.places.blocks.get(number)?.read().clone()
    }

    /// Puts a block into its place, unless another thread did, or it is longer than all that the
    /// cache may hold.
    pub(super) fn insert(&self, number: usize, block: &Arc<Block>) {
        let mut queues = self.cache.queues.lock();
        let bytes = block.memory() as u64;
        let Some(place) = self.places.blocks.get(number) else { return };
        if bytes > queues.capacity || place.read().is_some() {
            return;
        }
        queues.make_room(bytes);
        *place.write() = Some(Arc::clone(block));
        queues.admit(Held { places: Arc::clone(&self.places), number, bytes });
    }

    /// Bytes that the places take, without their blocks.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.places.blocks) + size_of_val(&*self.places.notes)
    }
}

impl Drop for TableBlocks {
    fn drop(&mut self) {
        self.cache.queues.lock().forget(&self.places);
    }
}

/// A block that is held.
#[derive(Debug)]
struct Held {
    places: Arc<Places>,
    number: usize,
    bytes: u64,
}

impl Held {
    fn note(&self) -> &Note {
        &self.places.notes[self.number]
    }

    fn empty_place(&self) {
        *self.places.blocks[self.number].write() = None;
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
struct Queues {
    new: Queue,
    staying: Queue,
    /// How many new blocks have left, counted round without zero.
    left: u32,
    capacity: u64,
}

impl Queues {
    fn bytes(&self) -> u64 {
        self.new.bytes + self.staying.bytes
    }

    fn admit(&mut self, held: Held) {
        let note = held.note();
        note.uses.store(0, Ordering::Relaxed);
        let left = note.left.swap(0, Ordering::Relaxed);
        let since = self.left.wrapping_sub(left) as usize;
        if left != 0 && since < self.staying.held.len() {
            self.staying.push(held);
        } else {
            self.new.push(held);
        }
    }

    /// Lets blocks go until there is room for so many bytes.
    fn make_room(&mut self, bytes: u64) {
        while self.bytes() + bytes > self.capacity {
            let from_new =
                self.new.bytes > self.capacity / NEW_SHARE || self.staying.held.is_empty();
            let someone = if from_new { self.end_of_new() } else { self.end_of_staying() };
            if !someone {
                return;
            }
        }
    }

    /// The oldest new block stays for longer, or goes. False if there is none.
    fn end_of_new(&mut self) -> bool {
        let Some(held) = self.new.pop() else { return false };
        let note = held.note();
        if note.uses.swap(0, Ordering::Relaxed) > USES_TO_STAY {
            self.staying.push(held);
        } else {
            self.left = self.left.checked_add(1).unwrap_or(1);
            note.left.store(self.left, Ordering::Relaxed);
            held.empty_place();
        }
        true
    }

    /// The first block in the long queue goes to its end if it was read since, or goes for good.
    /// False if there is none.
    fn end_of_staying(&mut self) -> bool {
        let Some(held) = self.staying.pop() else { return false };
        let uses = &held.note().uses;
        if let Some(fewer) = uses.load(Ordering::Relaxed).checked_sub(1) {
            uses.store(fewer, Ordering::Relaxed);
            self.staying.push(held);
        } else {
            held.empty_place();
        }
        true
    }

    /// Lets the blocks of a table go.
    fn forget(&mut self, places: &Arc<Places>) {
        self.new.forget(places);
        self.staying.forget(places);
    }
}

/// Blocks in the order in which they came, and the memory that they take.
#[derive(Debug, Default)]
struct Queue {
    held: VecDeque<Held>,
    bytes: u64,
}

impl Queue {
    fn push(&mut self, held: Held) {
        self.bytes += held.bytes;
        self.held.push_back(held);
    }

    fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.bytes -= held.bytes;
        Some(held)
    }

    fn forget(&mut self, places: &Arc<Places>) {
        let mut bytes = 0;
        self.held.retain(|held| {
            let other = !Arc::ptr_eq(&held.places, places);
            bytes += if other { held.bytes } else { 0 };
            other
        });
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests;
