//! Parts of files that never change, as whoever reads much keeps what it has made of them.
//!
//! A segment is a few blocks of a table, side by side, which a reader sees as they are: each entry
//! is a value, none is newer than the reader, and nothing of another table or of a memtable lies
//! between them. What was made of it once is true for all readers to whom it is offered.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::range::Range;

/// Names a segment of an open store: no other has the name as long as the store is open, also when
/// its file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Number of the open table, which no other has.
    pub(crate) table: u64,
    /// First block.
    pub(crate) block: u32,
}

/// What a [`Visitor`] makes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Its keys and values are wanted.
    Read,
    /// It is passed over: the visitor has what it needs of it.
    Pass,
    /// Nothing more is wanted.
    Break,
}

/// Takes what a range has, in key order.
pub trait Visitor {
    /// Takes a key and its value.
    fn visit(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()>;

    /// Decides on a segment. If it is read, all that is visited until
    /// [`leave`](Self::leave) is called is of it, and all of it is.
    fn enter(&mut self, segment: Segment) -> Offer;

    /// The segment that was entered to be read has ended.
    fn leave(&mut self) -> ControlFlow<()>;
}

/// A segment within its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) table: u64,
    pub(crate) blocks: std::ops::Range<usize>,
}

impl Span {
    pub(crate) fn segment(&self) -> Segment {
        Segment { table: self.table, block: u32::try_from(self.blocks.start).unwrap_or(u32::MAX) }
    }

    /// Whether it has a block of a table.
    fn has(&self, (table, block): (u64, usize)) -> bool {
        self.table == table && self.blocks.contains(&block)
    }
}

impl Range {
    /// As [`visit`](Self::visit), and offers segments before it reads them. There are some in
    /// ranges up to the last key; how many depends on what was written and merged since. The range
    /// ends with it, also where the visitor breaks.
    ///
    /// # Errors
    /// As an item.
    pub fn visit_segments(&mut self, visitor: &mut impl Visitor) -> Result<ControlFlow<()>> {
        let visited = self.visit_and_offer(visitor);
        self.end();
        visited
    }

    fn visit_and_offer(&mut self, visitor: &mut impl Visitor) -> Result<ControlFlow<()>> {
        let mut reading: Option<Span> = None;
        while self.is_ready()? {
            let place = self.place();
            if reading.take_if(|span| !place.is_some_and(|place| span.has(place))).is_some()
                && visitor.leave().is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if reading.is_none() {
                match self.offer(&mut |segment| visitor.enter(segment))? {
                    ControlFlow::Continue(span) => reading = span,
                    ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                }
            }
            let place = self.place();
            if self.visit_block(&mut |key, value| visitor.visit(key, value))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.place() != place {
                continue;
            }
            if !self.advance()? {
                break;
            }
            if let Some((key, value)) = self.current()
                && visitor.visit(key, value).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(if reading.is_some() { visitor.leave() } else { ControlFlow::Continue(()) })
    }
}

#[cfg(test)]
mod tests;
