//! The pages in memory: written back when they leave, picked by a clock hand in key order.

use std::collections::BTreeMap;
use std::ops::Bound;

use anyhow::{Context as _, Result};

use super::page::Page;
use crate::workload::Key;

/// A page and what became of it since it was loaded.
#[derive(Debug)]
struct Cached {
    page: Page,
    /// Whether sled has an older state of it.
    is_dirty: bool,
    /// Whether it was looked at since the hand last passed.
    is_used: bool,
}

/// Pages by their first key.
#[derive(Debug)]
pub(super) struct Cache {
    pages: BTreeMap<Key, Cached>,
    size: usize,
    size_max: usize,
    /// Where the hand stands: pages above it are asked first.
    hand: Key,
}

impl Cache {
    /// An empty cache that is full at `size_max` bytes.
    pub(super) const fn new(size_max: usize) -> Self {
        Self { pages: BTreeMap::new(), size: 0, size_max, hand: [0; size_of::<Key>()] }
    }

    /// The first key of the page that `key` belongs to, if that page is here.
    pub(super) fn low_of(&self, key: &Key) -> Option<Key> {
        let (low, cached) = self.pages.range(..=*key).next_back()?;
        cached.page.high.is_none_or(|high| *key < high).then_some(*low)
    }

    /// Takes in a page as it is in sled.
    pub(super) fn add(&mut self, low: Key, page: Page) {
        self.size += page.size();
        self.pages.insert(low, Cached { page, is_dirty: false, is_used: true });
    }

    /// Reads the page at `low`, which must be here.
    pub(super) fn read(&mut self, low: &Key) -> Result<&Page> {
        Ok(&self.at(low)?.page)
    }

    /// Changes the page at `low`, which must be here.
    pub(super) fn change<R>(
        &mut self,
        low: &Key,
        change: impl FnOnce(&mut Page) -> Result<R>,
    ) -> Result<R> {
        let cached = self.at(low)?;
        let before = cached.page.size();
        let result = change(&mut cached.page);
        cached.is_dirty = true;
        let after = cached.page.size();
        self.size = self.size - before + after;
        result
    }

    fn at(&mut self, low: &Key) -> Result<&mut Cached> {
        let cached = self.pages.get_mut(low).context("a page left the cache while it was used")?;
        cached.is_used = true;
        Ok(cached)
    }

    /// Takes a page out where the cache is over its limit. One that comes out dirty is returned
    /// to be written.
    pub(super) fn evict(&mut self) -> Option<Evicted> {
        while self.size > self.size_max && self.pages.len() > 1 {
            let above = (Bound::Excluded(self.hand), Bound::Unbounded);
            let Some((low, cached)) = self.pages.range_mut(above).next() else {
                self.hand = [0; size_of::<Key>()];
                // The range above leaves out the first page, whose key is zero: it stays.
                continue;
            };
            self.hand = *low;
            if std::mem::take(&mut cached.is_used) {
                continue;
            }
            let low = *low;
            let cached = self.pages.remove(&low)?;
            self.size -= cached.page.size();
            return Some(Evicted { low, page: cached.is_dirty.then_some(cached.page) });
        }
        None
    }

    /// Hands every dirty page to `write`. They are clean after that.
    pub(super) fn clean(&mut self, mut write: impl FnMut(&Key, &Page) -> Result<()>) -> Result<()> {
        for (low, cached) in &mut self.pages {
            if cached.is_dirty {
                write(low, &cached.page)?;
                cached.is_dirty = false;
            }
        }
        Ok(())
    }
}

/// A page that left the cache.
#[derive(Debug)]
pub(super) struct Evicted {
    /// Its first key.
    pub low: Key,
    /// The page itself, where sled has an older state of it.
    pub page: Option<Page>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::prototype::versioned;
    use crate::workload::sequential_key;

    fn page(index: u64) -> Page {
        let mut page = Page::new(Some(sequential_key(index + 1)));
        page.insert(versioned(&sequential_key(index), 1), &[0; 72]).unwrap();
        page
    }

    #[test]
    fn unused_pages_leave_first_and_changed_ones_are_handed_out() {
        let mut cache = Cache::new(300);
        for index in 0..4 {
            cache.add(sequential_key(index), page(index));
        }
        assert_eq!(cache.low_of(&sequential_key(3)), Some(sequential_key(3)));
        assert_eq!(cache.low_of(&sequential_key(4)), None);
        // The first round of the hand finds all of them used.
        let first = cache.evict().unwrap();
        assert_eq!((first.low, first.page.is_none()), (sequential_key(0), true));
        assert!(cache.evict().is_none(), "three pages fit");
        cache.change(&sequential_key(1), |_| Ok(())).unwrap();
        cache.add(sequential_key(0), page(0));
        let second = cache.evict().unwrap();
        assert_eq!((second.low, second.page.is_none()), (sequential_key(2), true));
        cache.add(sequential_key(2), page(2));
        let third = cache.evict().unwrap();
        assert_eq!(third.low, sequential_key(3));
        cache.add(sequential_key(3), page(3));
        let fourth = cache.evict().unwrap();
        assert!(fourth.low == sequential_key(1) && fourth.page.is_some(), "{fourth:?}");
    }

    #[test]
    fn cleaned_pages_are_written_once() {
        let mut cache = Cache::new(300);
        cache.add(sequential_key(0), page(0));
        cache.change(&sequential_key(0), |_| Ok(())).unwrap();
        let mut written = 0;
        for _ in 0..2 {
            let count = |_: &Key, _: &Page| {
                written += 1;
                Ok(())
            };
            cache.clean(count).unwrap();
        }
        assert_eq!(written, 1);
    }
}
