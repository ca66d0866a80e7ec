//! A cursor over a run: tables whose key ranges are ascending and do not overlap.
//!
//! Of a table that counts from a key on, the cursor never shows what comes before that key. The
//! bound is looked at when a block is entered, never at a step within one.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::entry::Entry;
use crate::error::Result;
use crate::segment::{Offer, Segment, Span};

use super::block::Block;
use super::portion::Portion;

/// Stands at an entry of a run, before the first, or behind the last.
///
/// It begins unpositioned: seek first. Past either end, `next` and `prev` turn round: after the
/// last entry, `prev` gives the last. After an error the cursor is unpositioned, and a step leaves
/// it so.
#[derive(Debug)]
pub(crate) struct RunCursor {
    tables: Arc<[Portion]>,
    fill: bool,
    /// Table and block of `block`.
    table: usize,
    number: usize,
    block: Option<Arc<Block>>,
    /// Index of the first entry of the block that counts.
    first: usize,
    /// Index of the entry in the block, and its bytes there.
    at: usize,
    start: usize,
    end: usize,
    side: Side,
}

/// Where a cursor without an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Unpositioned,
    Before,
    Behind,
}

impl RunCursor {
    pub(crate) fn new(tables: Arc<[Portion]>) -> Self {
        Self {
            tables,
            fill: true,
            table: 0,
            number: 0,
            block: None,
            first: 0,
            at: 0,
            start: 0,
            end: 0,
            side: Side::Unpositioned,
        }
    }

    /// Whether blocks that are read go into the cache; they do unless told otherwise. A merge reads
    /// every block once and would drive the others out.
    #[must_use]
    pub(crate) fn with_cache_fill(self, fill: bool) -> Self {
        Self { fill, ..self }
    }

    /// Whether some key has several versions.
    pub(crate) fn repeats(&self) -> bool {
        self.tables.iter().any(|portion| portion.meta().older > 0)
    }

    /// The encoded entry; `None` past either end.
    #[inline]
    pub(crate) fn entry(&self) -> Option<&[u8]> {
        self.block.as_ref().map(|block| block.bytes(self.start, self.end))
    }

    /// The entry, sharing the memory of its block.
    #[inline]
    pub(crate) fn to_entry(&self) -> Option<Entry> {
        self.block.as_ref().map(|block| block.shared(self.start, self.end))
    }

    /// Goes to the first entry of the run.
    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.leave(Side::Unpositioned);
        let number = self.first_block(0)?;
        self.enter_forward(0, number)
    }

    /// Goes to the last entry of the run.
    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.leave(Side::Unpositioned);
        self.enter_back(self.tables.len(), 0)
    }

    /// Goes to the first entry that does not come before the key and number. `u64::MAX` comes
    /// before all versions of the key.
    pub(crate) fn seek(&mut self, key: &[u8], seq: u64) -> Result<()> {
        self.leave(Side::Unpositioned);
        let (table, number) = self.find(key, seq)?;
        let Some((block, first)) = self.load(table, number)? else {
            return self.enter_forward(table, number);
        };
        let at = block.lower_bound(key, seq).max(first);
        if at == block.count() {
            return self.enter_forward(table, number + 1);
        }
        self.stand(table, number, block, first, at);
        Ok(())
    }

    /// Goes to the last entry that comes before the key and number.
    pub(crate) fn seek_back(&mut self, key: &[u8], seq: u64) -> Result<()> {
        self.leave(Side::Unpositioned);
        let (table, number) = self.find(key, seq)?;
        let Some((block, first)) = self.load(table, number)? else {
            return self.enter_back(table, number);
        };
        let behind = block.lower_bound(key, seq);
        if behind <= first {
            return self.enter_back(table, number);
        }
        self.stand(table, number, block, first, behind - 1);
        Ok(())
    }

    /// The block that it stands in, and the place of its entry there.
    #[inline]
    pub(crate) fn block(&self) -> Option<(&Block, usize)> {
        self.block.as_deref().map(|block| (block, self.at))
    }

    /// Goes to another entry of the block.
    pub(crate) fn go_to(&mut self, at: usize) {
        if let Some(block) = &self.block {
            (self.start, self.end) = (block.offset(at), block.offset(at + 1));
            self.at = at;
        }
    }

    /// Table, by its number in the cache, and block that it stands in.
    #[inline]
    pub(crate) fn place(&self) -> Option<(u64, usize)> {
        self.block.as_ref().map(|_| (self.tables[self.table].table.owner, self.number))
    }

    /// Whether it stands at the first entry of a block.
    #[inline]
    pub(crate) fn begins_block(&self) -> bool {
        self.block.is_some() && self.at == 0
    }

    /// Offers the segments from here on, which all come before `limit`, one after the other, and
    /// goes behind those that are passed without a look at their blocks. Gives the one that is to
    /// be read, if there is one: the cursor stands at its first entry.
    pub(crate) fn offer(
        &mut self,
        limit: Option<&[u8]>,
        reader: (u64, u64),
        take: &mut dyn FnMut(Segment) -> Offer,
    ) -> Result<ControlFlow<(), Option<Span>>> {
        let (mut table, mut number) = (self.table, self.number);
        let offered = loop {
            let Some(portion) = self.tables.get(table) else {
                break ControlFlow::Continue(None);
            };
            if number == portion.table.index()?.count() {
                table += 1;
                number = self.first_block(table)?;
                continue;
            }
            let Some(span) = portion.span(number, limit, reader)? else {
                break ControlFlow::Continue(None);
            };
            match take(span.segment()) {
                Offer::Pass => number = span.blocks.end,
                Offer::Read => break ControlFlow::Continue(Some(span)),
                Offer::Break => break ControlFlow::Break(()),
            }
        };
        if (table, number) != (self.table, self.number) {
            self.leave(Side::Unpositioned);
            self.enter_forward(table, number)?;
        }
        Ok(offered)
    }

    /// Goes to the entry after this one.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<()> {
        if let Some(block) = &self.block
            && self.at + 1 < block.count()
        {
            self.at += 1;
            self.start = self.end;
            self.end = block.offset(self.at + 1);
            return Ok(());
        }
        self.next_block()
    }

    /// Goes to the entry before this one.
    #[inline]
    pub(crate) fn prev(&mut self) -> Result<()> {
        if let Some(block) = &self.block
            && self.at > self.first
        {
            self.at -= 1;
            self.end = self.start;
            self.start = block.offset(self.at);
            return Ok(());
        }
        self.prev_block()
    }

    fn next_block(&mut self) -> Result<()> {
        if self.block.is_some() {
            let (table, number) = (self.table, self.number + 1);
            self.leave(Side::Unpositioned);
            return self.enter_forward(table, number);
        }
        if self.side == Side::Before { self.seek_first() } else { Ok(()) }
    }

    fn prev_block(&mut self) -> Result<()> {
        if self.block.is_some() {
            let (table, number) = (self.table, self.number);
            self.leave(Side::Unpositioned);
            return self.enter_back(table, number);
        }
        if self.side == Side::Behind { self.seek_last() } else { Ok(()) }
    }

    /// Table and block that may hold the first entry not before the key and number. If the block is
    /// not there, that entry is the first of what follows.
    fn find(&self, key: &[u8], seq: u64) -> Result<(usize, usize)> {
        let table = self.tables.partition_point(|portion| portion.last_key() < key);
        match self.tables.get(table) {
            Some(found) => {
                let number = found.table.index()?.find(key, seq);
                Ok((table, number.max(self.first_block(table)?)))
            }
            None => Ok((table, 0)),
        }
    }

    /// The first block of a table with entries that count.
    #[inline]
    fn first_block(&self, table: usize) -> Result<usize> {
        match self.tables.get(table).and_then(|found| Some((found, found.bound()?))) {
            Some((found, bound)) => Ok(found.table.index()?.find(bound, u64::MAX)),
            None => Ok(0),
        }
    }

    /// Reads a block, and finds its first entry that counts; `None` if the run has none of this
    /// place. The block must not lie before the first one of its table.
    #[inline]
    fn load(&self, table: usize, number: usize) -> Result<Option<(Arc<Block>, usize)>> {
        let Some(portion) = self.tables.get(table) else {
            return Ok(None);
        };
        let loaded = portion.table.loaded()?;
        if number >= loaded.parts.index.count() {
            return Ok(None);
        }
        let block = portion.table.block(loaded, number, self.fill)?;
        let first = portion.bound().map_or(0, |bound| block.lower_bound(bound, u64::MAX));
        Ok(Some((block, first)))
    }

    /// Goes to the first entry that counts of a block, or of the first one after that place.
    fn enter_forward(&mut self, mut table: usize, mut number: usize) -> Result<()> {
        while table < self.tables.len() {
            match self.load(table, number)? {
                Some((block, first)) if first < block.count() => {
                    self.stand(table, number, block, first, first);
                    return Ok(());
                }
                // The bound lies behind the last entry of this block.
                Some(_) => number += 1,
                None => {
                    table += 1;
                    number = self.first_block(table)?;
                }
            }
        }
        self.leave(Side::Behind);
        Ok(())
    }

    /// Goes to the last entry that counts of the block before a place.
    fn enter_back(&mut self, mut table: usize, mut number: usize) -> Result<()> {
        loop {
            if number > self.first_block(table)?
                && let Some((block, first)) = self.load(table, number - 1)?
                && first < block.count()
            {
                let at = block.count() - 1;
                self.stand(table, number - 1, block, first, at);
                return Ok(());
            }
            let Some(before) = table.checked_sub(1) else {
                break;
            };
            table = before;
            number = self.tables[table].table.index()?.count();
        }
        self.leave(Side::Before);
        Ok(())
    }

    #[inline]
    fn stand(&mut self, table: usize, number: usize, block: Arc<Block>, first: usize, at: usize) {
        self.table = table;
        self.number = number;
        self.first = first;
        self.at = at;
        self.start = block.offset(at);
        self.end = block.offset(at + 1);
        self.block = Some(block);
    }

    fn leave(&mut self, side: Side) {
        self.block = None;
        self.side = side;
    }
}
