//! Leaf pages of sorted records in sled 0.34.7, with a write-back cache of pages and a log.
//!
//! A commit is one buffered write to the log and an insert into cached pages; a page goes to sled
//! when it leaves the cache, when it splits, and at a checkpoint, after which the log starts over.
//! A killed process loses nothing. sled is the index of the pages: a key belongs to the page with
//! the greatest first key that is not above it. Half the memory is for our pages, half for sled.

mod cache;
mod log;
mod page;

use std::ops::Bound;
use std::path::Path;

use anyhow::{Context as _, Result};
use sled::{Config, Db, Mode, Tree};

use super::prototype::{Newest, Prototype, Sequence, key_of, versioned};
use super::records::{read_sequence, write_sequence};
use crate::workload::{KEY_LEN, Key};
use cache::Cache;
use log::Log;
use page::Page;

/// Bytes of the log at which a checkpoint is made: as much as a write buffer of the LSM trees.
const LOG_SIZE_MAX: u64 = 64 << 20;

pub(super) struct Pages {
    db: Db,
    meta: Tree,
    leaves: Leaves,
    log: Log,
    last: Sequence,
}

impl Prototype for Pages {
    fn open(dir: &Path, memory: u64) -> Result<Self> {
        let config = Config::new().path(dir.join("pages")).cache_capacity(memory / 2);
        let db = config.mode(Mode::HighThroughput).open()?;
        let meta = db.open_tree("meta")?;
        let mut last = read_sequence(&meta)?;
        let cache = Cache::new(usize::try_from(memory / 2)?);
        let mut leaves = Leaves { tree: db.open_tree("leaves")?, cache };
        let log = Log::open(&dir.join("log"), |sequence, key, value| {
            // A page that was written after the commit holds it already: the same place, the
            // same value, so writing it again changes nothing.
            last = last.max(sequence);
            leaves.insert(sequence, key, value)
        })?;
        Ok(Self { db, meta, leaves, log, last })
    }

    fn commit(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let sequence = self.last + 1;
        self.log.append(sequence, entries)?;
        for (key, value) in entries {
            self.leaves.insert(sequence, key, value)?;
        }
        self.last = sequence;
        if self.log.len() > LOG_SIZE_MAX { self.checkpoint() } else { Ok(()) }
    }

    fn last(&self) -> Sequence {
        self.last
    }

    fn get_at<R>(
        &mut self,
        key: &Key,
        snapshot: Sequence,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.leaves.page_of(key)?.newest(key, snapshot).map(read))
    }

    fn scan_at(
        &mut self,
        start: &Key,
        limit: usize,
        snapshot: Sequence,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut newest = Newest::new(snapshot);
        let from = versioned(start, Sequence::MAX);
        let (mut next, mut count) = (Some(*start), 0);
        while let Some(key) = next {
            let page = self.leaves.page_of(&key)?;
            for (place, value) in page.from(&from) {
                if count == limit {
                    return Ok(count);
                }
                if newest.picks(place) {
                    visit(&key_of(place), value);
                    count += 1;
                }
            }
            next = page.high;
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        self.log.sync()
    }

    fn close(&mut self) -> Result<()> {
        self.checkpoint()
    }
}

impl Pages {
    /// Brings sled up to date and starts the log over. It is done on the path of a commit, so the
    /// latencies show it; a product would do it beside.
    fn checkpoint(&mut self) -> Result<()> {
        let tree = &self.leaves.tree;
        self.leaves.cache.clean(|low, page| store(tree, low, page))?;
        write_sequence(&self.meta, self.last)?;
        self.db.flush()?;
        self.log.clear()
    }
}

/// The pages, in memory and in sled.
struct Leaves {
    tree: Tree,
    cache: Cache,
}

impl Leaves {
    fn insert(&mut self, sequence: Sequence, key: &Key, value: &[u8]) -> Result<()> {
        let low = self.find(key)?;
        let right = self.cache.change(&low, |page| {
            page.insert(versioned(key, sequence), value)?;
            page.split()
        })?;
        if let Some((low, right)) = right {
            // Before the left half can reach sled without it. Until then the old page there still
            // holds these versions, and what lies above `low` in it is not looked at any more.
            store(&self.tree, &low, &right)?;
            self.cache.add(low, right);
        }
        Ok(())
    }

    fn page_of(&mut self, key: &Key) -> Result<&Page> {
        let low = self.find(key)?;
        self.cache.read(&low)
    }

    /// Brings the page that `key` belongs to into the cache and returns its first key.
    fn find(&mut self, key: &Key) -> Result<Key> {
        if let Some(low) = self.cache.low_of(key) {
            return Ok(low);
        }
        while let Some(evicted) = self.cache.evict() {
            if let Some(page) = evicted.page {
                store(&self.tree, &evicted.low, &page)?;
            }
        }
        let Some(entry) = self.tree.range(..=key.as_slice()).next_back() else {
            // The first page is not in sled before it is written. It has no neighbour then, since
            // a split writes only the right half: so the next page says where it ends.
            let high = self.first_above(None)?;
            self.cache.add([0; KEY_LEN], Page::new(high));
            return Ok([0; KEY_LEN]);
        };
        let (low, stored) = entry?;
        let low = page_key(&low)?;
        let high = self.first_above(Some(&low))?;
        self.cache.add(low, Page::decode(&stored, high)?);
        Ok(low)
    }

    /// The first key of the page after the one at `low`, or of the first page of all.
    fn first_above(&self, low: Option<&Key>) -> Result<Option<Key>> {
        let above = low.map_or(Bound::Unbounded, |low| Bound::Excluded(low.as_slice()));
        let next = self.tree.range::<&[u8], _>((above, Bound::Unbounded)).next();
        next.map(|entry| page_key(&entry?.0)).transpose()
    }
}

fn store(tree: &Tree, low: &Key, page: &Page) -> Result<()> {
    tree.insert(low, page.encode()?)?;
    Ok(())
}

fn page_key(bytes: &[u8]) -> Result<Key> {
    bytes.try_into().context("a page has a key of a wrong length")
}
