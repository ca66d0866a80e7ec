//! Many sorted sources as one.

use std::cmp::Ordering;

use std::ops::ControlFlow;

use crate::entry::{self, Entry};
use crate::error::Result;
use crate::memtable::{MemCursor, prefix_of};
use crate::segment::{Offer, Segment, Span};
use crate::table::RunCursor;

/// A place in one sorted source.
#[derive(Debug)]
pub(crate) enum Source {
    /// A sorted run of a memtable.
    Memory(MemCursor),
    /// A run of tables.
    Table(RunCursor),
}

impl Source {
    pub(crate) fn table(cursor: RunCursor) -> Self {
        Self::Table(cursor)
    }

    fn repeats(&self) -> bool {
        match self {
            Self::Memory(cursor) => cursor.repeats(),
            Self::Table(cursor) => cursor.repeats(),
        }
    }

    #[inline]
    fn entry(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(cursor) => cursor.entry(),
            Self::Table(cursor) => cursor.entry(),
        }
    }

    #[inline]
    fn to_entry(&self) -> Option<Entry> {
        match self {
            Self::Memory(cursor) => cursor.to_entry(),
            Self::Table(cursor) => cursor.to_entry(),
        }
    }

    #[inline]
    fn step(&mut self, forward: bool) -> Result<()> {
        match self {
            Self::Memory(cursor) if forward => cursor.next(),
            Self::Memory(cursor) => cursor.prev(),
            Self::Table(cursor) if forward => cursor.next()?,
            Self::Table(cursor) => cursor.prev()?,
        }
        Ok(())
    }
}

/// Merges sources in entry order, forward or backward: a binary heap of cursors, which costs two
/// comparisons an entry while one source runs ahead and none when there is only one.
#[derive(Debug)]
pub(crate) struct Merger {
    sources: Vec<Source>,
    /// First bytes of the key that each source of the heap stands at, while there are several: they
    /// decide most comparisons without a look at the entries.
    prefixes: Vec<u128>,
    /// Indexes of sources that stand at an entry; the first stands at the merger's entry. A source
    /// that is the only one has no need of it, and none of the prefixes.
    heap: Vec<usize>,
    forward: bool,
    /// Whether a key may come up more than once.
    repeats: bool,
}

impl Merger {
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        let repeats = sources.len() > 1 || sources.iter().any(Source::repeats);
        let several = if sources.len() == 1 { 0 } else { sources.len() };
        let (heap, prefixes) = (Vec::with_capacity(several), vec![0; several]);
        Self { sources, prefixes, heap, forward: true, repeats }
    }

    /// Whether a key may come up more than once.
    #[inline]
    pub(crate) fn repeats(&self) -> bool {
        self.repeats
    }

    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.place(true, |source| match source {
            Source::Memory(cursor) => {
                cursor.seek_first();
                Ok(())
            }
            Source::Table(cursor) => cursor.seek_first(),
        })
    }

    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.place(false, |source| match source {
            Source::Memory(cursor) => {
                cursor.seek_last();
                Ok(())
            }
            Source::Table(cursor) => cursor.seek_last(),
        })
    }

    /// To the first entry at or after (key, seq); then goes forward.
    pub(crate) fn seek(&mut self, key: &[u8], seq: u64) -> Result<()> {
        self.place(true, |source| match source {
            Source::Memory(cursor) => {
                cursor.seek(key, seq);
                Ok(())
            }
            Source::Table(cursor) => cursor.seek(key, seq),
        })
    }

    /// To the last entry before (key, seq); then goes backward.
    pub(crate) fn seek_back(&mut self, key: &[u8], seq: u64) -> Result<()> {
        self.place(false, |source| match source {
            Source::Memory(cursor) => {
                cursor.seek_back(key, seq);
                Ok(())
            }
            Source::Table(cursor) => cursor.seek_back(key, seq),
        })
    }

    fn place(
        &mut self,
        forward: bool,
        mut seek: impl FnMut(&mut Source) -> Result<()>,
    ) -> Result<()> {
        self.forward = forward;
        if let [only] = &mut self.sources[..] {
            return seek(only);
        }
        self.heap.clear();
        for index in 0..self.sources.len() {
            seek(&mut self.sources[index])?;
            if let Some(entry) = self.sources[index].entry() {
                self.prefixes[index] = prefix_of(entry::key_of(entry));
                self.heap.push(index);
            }
        }
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
        Ok(())
    }

    /// The entry it stands at; `None` at the end.
    #[inline]
    pub(crate) fn entry(&self) -> Option<&[u8]> {
        self.first()?.entry()
    }

    /// The source that stands at the merger's entry.
    #[inline]
    fn first(&self) -> Option<&Source> {
        self.first_number().map(|first| &self.sources[first])
    }

    #[inline]
    fn first_number(&self) -> Option<usize> {
        if self.sources.len() == 1 { Some(0) } else { self.heap.first().copied() }
    }

    /// The entry it stands at, sharing its buffer.
    #[inline]
    pub(crate) fn to_entry(&self) -> Option<Entry> {
        self.first()?.to_entry()
    }

    /// The cursor of the table that it stands in, going forward, if all that is left of its block
    /// comes before whatever is next in the other sources: these entries are next, each the only
    /// one of its key.
    #[inline]
    pub(crate) fn alone(&mut self) -> Option<&mut RunCursor> {
        if !self.forward {
            return None;
        }
        let first = if self.sources.len() == 1 { 0 } else { *self.heap.first()? };
        let Source::Table(cursor) = &self.sources[first] else { return None };
        let (block, _) = cursor.block().filter(|_| !cursor.repeats())?;
        let last = entry::key_of(block.entry(block.count() - 1));
        let is_first = self.next_of_others().is_none_or(|key| last < key);
        match &mut self.sources[first] {
            Source::Table(cursor) if is_first => Some(cursor),
            _ => None,
        }
    }

    /// The key that is next in the sources behind the first.
    #[inline]
    fn next_of_others(&self) -> Option<&[u8]> {
        // The second of all is below the first in the heap.
        let others = self.heap.iter().skip(1).take(2);
        others.filter_map(|other| self.sources[*other].entry().map(entry::key_of)).min()
    }

    /// Offers the segments at which the cursor of a table stands, going forward, where all of them
    /// comes before whatever is next in the other sources, to a reader of a number and a floor; see
    /// [`RunCursor::offer`].
    pub(crate) fn offer(
        &mut self,
        reader: (u64, u64),
        take: &mut dyn FnMut(Segment) -> Offer,
    ) -> Result<ControlFlow<(), Option<Span>>> {
        let Some(first) = self.first_number().filter(|_| self.forward) else {
            return Ok(ControlFlow::Continue(None));
        };
        let Source::Table(cursor) = &self.sources[first] else {
            return Ok(ControlFlow::Continue(None));
        };
        if !cursor.begins_block() {
            return Ok(ControlFlow::Continue(None));
        }
        let limit = self.next_of_others().map(<[u8]>::to_vec);
        let Source::Table(cursor) = &mut self.sources[first] else {
            return Ok(ControlFlow::Continue(None));
        };
        let offered = cursor.offer(limit.as_deref(), reader, take)?;
        self.settle(first);
        Ok(offered)
    }

    /// Table and block that the cursor of its entry stands in.
    pub(crate) fn block_place(&self) -> Option<(u64, usize)> {
        match self.first()? {
            Source::Table(cursor) => cursor.place(),
            Source::Memory(_) => None,
        }
    }

    /// To the next entry of its direction.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        if let [only] = &mut self.sources[..] {
            // At its end it would turn round.
            return if only.entry().is_some() { only.step(self.forward) } else { Ok(()) };
        }
        let Some(&first) = self.heap.first() else { return Ok(()) };
        self.sources[first].step(self.forward)?;
        self.settle(first);
        Ok(())
    }

    /// Puts the first source, which has moved, where it belongs.
    #[inline]
    fn settle(&mut self, first: usize) {
        match self.sources[first].entry() {
            Some(_) if self.heap.len() <= 1 => return,
            Some(entry) => self.prefixes[first] = prefix_of(entry::key_of(entry)),
            None if self.heap.is_empty() => return,
            None => {
                self.heap.swap_remove(0);
            }
        }
        self.sift_down(0);
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut child = 2 * at + 1;
            if child >= self.heap.len() {
                return;
            }
            if child + 1 < self.heap.len() && self.comes_first(child + 1, child) {
                child += 1;
            }
            if !self.comes_first(child, at) {
                return;
            }
            self.heap.swap(at, child);
            at = child;
        }
    }

    /// Whether heap place `a` belongs before heap place `b`.
    #[inline]
    fn comes_first(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.heap[a], self.heap[b]);
        let order = self.prefixes[a].cmp(&self.prefixes[b]);
        let order = if order.is_eq() { self.compare(a, b) } else { order };
        order == if self.forward { Ordering::Less } else { Ordering::Greater }
    }

    /// Of two sources whose prefixes are alike.
    #[inline(never)]
    fn compare(&self, a: usize, b: usize) -> Ordering {
        match (self.sources[a].entry(), self.sources[b].entry()) {
            (Some(left), Some(right)) => entry::compare(left, right),
            _ => Ordering::Equal,
        }
    }
}
