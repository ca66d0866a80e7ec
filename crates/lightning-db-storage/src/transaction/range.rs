//! A range of the snapshot with the transaction's own writes laid over it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::reads::ReadSet;
use crate::error::Result;
use crate::range::Range;
use crate::segment::Visitor;
use crate::slice::Slice;

type Item = Result<(Slice, Slice)>;

/// An item that was looked at and not given yet.
#[derive(Debug, Default)]
enum Ahead {
    #[default]
    Unknown,
    Item((Slice, Slice)),
    End,
}

impl Ahead {
    fn known(item: Option<(Slice, Slice)>) -> Self {
        item.map_or(Self::End, Self::Item)
    }

    fn key(&self) -> Option<&Slice> {
        match self {
            Self::Item((key, _)) => Some(key),
            Self::Unknown | Self::End => None,
        }
    }

    /// Takes the item, after which the next one is unknown.
    fn take(&mut self) -> Option<(Slice, Slice)> {
        match std::mem::take(self) {
            Self::Item(item) => Some(item),
            Self::Unknown | Self::End => None,
        }
    }
}

/// Keys and values of a range, as a transaction sees them; see
/// [`Transaction::range`](crate::Transaction::range).
#[derive(Debug)]
pub struct TransactionRange {
    base: Range,
    /// Next item of the snapshot from each end.
    front: Ahead,
    back: Ahead,
    /// The transaction's writes in the range, ascending; `None` for a removed key.
    own: VecDeque<(Slice, Option<Slice>)>,
    reads: Option<(Arc<Mutex<ReadSet>>, usize)>,
    ended: bool,
    /// Whether there never were own writes in it: all comes from the snapshot.
    is_base: bool,
    /// What was gone to, if it does not stand where the snapshot's range does.
    lent: Option<(Slice, Slice)>,
}

impl TransactionRange {
    pub(super) fn new(
        base: Range,
        own: VecDeque<(Slice, Option<Slice>)>,
        reads: Option<(Arc<Mutex<ReadSet>>, usize)>,
    ) -> Self {
        let (front, back, is_base) = (Ahead::Unknown, Ahead::Unknown, own.is_empty());
        Self { base, front, back, own, reads, ended: false, is_base, lent: None }
    }

    /// As [`Range::advance`].
    ///
    /// # Errors
    /// As an item: the range then ends.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if !self.is_base {
            self.lent = self.next().transpose()?;
            return Ok(self.lent.is_some());
        }
        if self.ended {
            return Ok(false);
        }
        let found = self.base.advance();
        self.ended = !matches!(found, Ok(true));
        if let Some((reads, slot)) = &self.reads {
            reads.lock().note_front(*slot, self.base.current().map(|(key, _)| key));
        }
        found
    }

    /// As [`Range::visit`].
    ///
    /// # Errors
    /// As an item: the range then ends.
    pub fn visit(
        &mut self,
        visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        if self.is_base && !self.ended {
            let outcome = self.base.visit(visit);
            self.ended = !matches!(outcome, Ok(ControlFlow::Break(())));
            if let Some((reads, slot)) = &self.reads {
                let last = self.base.current().filter(|_| !self.ended);
                reads.lock().note_front(*slot, last.map(|(key, _)| key));
            }
            return outcome;
        }
        while self.advance()? {
            if let Some((key, value)) = self.current()
                && visit(key, value).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// As [`Range::visit_segments`]. Where the transaction has written, there are no segments. It
    /// counts as read up to its end.
    ///
    /// # Errors
    /// As an item.
    pub fn visit_segments(&mut self, visitor: &mut impl Visitor) -> Result<ControlFlow<()>> {
        if !self.is_base || self.ended {
            let visited = self.visit(&mut |key, value| visitor.visit(key, value));
            (self.ended, self.lent) = (true, None);
            return visited;
        }
        if let Some((reads, slot)) = &self.reads {
            reads.lock().note_front(*slot, None);
        }
        self.ended = true;
        self.base.visit_segments(visitor)
    }

    /// As [`Range::current`].
    #[inline]
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        match &self.lent {
            Some((key, value)) => Some((key, value)),
            None if self.is_base => self.base.current(),
            None => None,
        }
    }

    fn advance_front(&mut self) -> Result<Option<(Slice, Slice)>> {
        loop {
            if matches!(self.front, Ahead::Unknown) {
                // When the snapshot is used up from this end, its last item may wait at the other.
                let next = self.base.next().transpose()?;
                self.front = Ahead::known(next.or_else(|| self.back.take()));
            }
            let base = self.front.key();
            let own_first = match (base, self.own.front()) {
                (None, None) => return Ok(None),
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(base), Some((own, _))) => {
                    if base == own {
                        self.front = Ahead::Unknown;
                        true
                    } else {
                        own < base
                    }
                }
            };
            if !own_first {
                return Ok(self.front.take());
            }
            if let Some((key, Some(value))) = self.own.pop_front() {
                return Ok(Some((key, value)));
            }
        }
    }

    fn advance_back(&mut self) -> Result<Option<(Slice, Slice)>> {
        loop {
            if matches!(self.back, Ahead::Unknown) {
                let next = self.base.next_back().transpose()?;
                self.back = Ahead::known(next.or_else(|| self.front.take()));
            }
            let base = self.back.key();
            let own_first = match (base, self.own.back()) {
                (None, None) => return Ok(None),
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(base), Some((own, _))) => {
                    if base == own {
                        self.back = Ahead::Unknown;
                        true
                    } else {
                        own > base
                    }
                }
            };
            if !own_first {
                return Ok(self.back.take());
            }
            if let Some((key, Some(value))) = self.own.pop_back() {
                return Ok(Some((key, value)));
            }
        }
    }

    fn finish(&mut self, found: Result<Option<(Slice, Slice)>>, forward: bool) -> Option<Item> {
        let found = found.transpose();
        self.ended = !matches!(found, Some(Ok(_)));
        if let Some((reads, slot)) = &self.reads {
            let key = match &found {
                Some(Ok((key, _))) => Some(&key[..]),
                _ => None,
            };
            let mut reads = reads.lock();
            if forward {
                reads.note_front(*slot, key);
            } else {
                reads.note_back(*slot, key);
            }
        }
        found
    }
}

impl Iterator for TransactionRange {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.lent = None;
        if self.ended {
            return None;
        }
        let found = if self.is_base { self.base.next().transpose() } else { self.advance_front() };
        self.finish(found, true)
    }
}

impl DoubleEndedIterator for TransactionRange {
    fn next_back(&mut self) -> Option<Item> {
        self.lent = None;
        if self.ended {
            return None;
        }
        let found =
            if self.is_base { self.base.next_back().transpose() } else { self.advance_back() };
        self.finish(found, false)
    }
}

impl Drop for TransactionRange {
    fn drop(&mut self) {
        if let Some((reads, slot)) = &self.reads {
            reads.lock().end_range(*slot);
        }
    }
}

impl std::iter::FusedIterator for TransactionRange {}
