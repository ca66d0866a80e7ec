//! A cursor over a run: tables whose key ranges are ascending and do not overlap.

use std::sync::Arc;

use crate::entry::Entry;
use crate::error::Result;

use super::Table;
use super::block::Block;

/// Stands at an entry of a run, before the first, or behind the last.
///
/// It begins unpositioned: seek first. Past either end, `next` and `prev` turn round: after the
/// last entry, `prev` gives the last. After an error the cursor is unpositioned, and a step leaves
/// it so.
#[derive(Debug)]
pub(crate) struct RunCursor {
    tables: Arc<[Arc<Table>]>,
    fill: bool,
    /// Table and block of `block`.
    table: usize,
    number: usize,
    block: Option<Arc<Block>>,
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
    pub(crate) fn new(tables: Arc<[Arc<Table>]>) -> Self {
        Self {
            tables,
            fill: true,
            table: 0,
            number: 0,
            block: None,
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
        self.tables.iter().any(|table| table.meta.older > 0)
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
        self.enter_forward(0, 0)
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
        let Some(block) = self.load(table, number)? else {
            return self.enter_forward(table, number);
        };
        let at = block.lower_bound(key, seq);
        if at == block.count() {
            return self.enter_forward(table, number + 1);
        }
        self.stand(table, number, block, at);
        Ok(())
    }

    /// Goes to the last entry that comes before the key and number.
    pub(crate) fn seek_back(&mut self, key: &[u8], seq: u64) -> Result<()> {
        self.leave(Side::Unpositioned);
        let (table, number) = self.find(key, seq)?;
        let Some(block) = self.load(table, number)? else {
            return self.enter_back(table, number);
        };
        match block.lower_bound(key, seq).checked_sub(1) {
            Some(at) => self.stand(table, number, block, at),
            None => return self.enter_back(table, number),
        }
        Ok(())
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
            && self.at > 0
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
        let table = self.tables.partition_point(|table| &table.meta.key_max[..] < key);
        match self.tables.get(table) {
            Some(found) => Ok((table, found.parts()?.index.find(key, seq))),
            None => Ok((table, 0)),
        }
    }

    /// Reads a block; `None` if the run has none of this place.
    #[inline]
    fn load(&self, table: usize, number: usize) -> Result<Option<Arc<Block>>> {
        let Some(table) = self.tables.get(table) else {
            return Ok(None);
        };
        let parts = table.parts()?;
        if number >= parts.index.count() {
            return Ok(None);
        }
        table.block(parts, number, self.fill).map(Some)
    }

    /// Goes to the first entry of a block, or of the first one after that place.
    fn enter_forward(&mut self, mut table: usize, mut number: usize) -> Result<()> {
        while table < self.tables.len() {
            if let Some(block) = self.load(table, number)? {
                self.stand(table, number, block, 0);
                return Ok(());
            }
            (table, number) = (table + 1, 0);
        }
        self.leave(Side::Behind);
        Ok(())
    }

    /// Goes to the last entry of the block before a place.
    fn enter_back(&mut self, mut table: usize, mut number: usize) -> Result<()> {
        loop {
            if let Some(before) = number.checked_sub(1)
                && let Some(block) = self.load(table, before)?
            {
                let at = block.count() - 1;
                self.stand(table, before, block, at);
                return Ok(());
            }
            let Some(before) = table.checked_sub(1) else {
                break;
            };
            table = before;
            number = self.tables[table].parts()?.index.count();
        }
        self.leave(Side::Before);
        Ok(())
    }

    #[inline]
    fn stand(&mut self, table: usize, number: usize, block: Arc<Block>, at: usize) {
        self.table = table;
        self.number = number;
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
