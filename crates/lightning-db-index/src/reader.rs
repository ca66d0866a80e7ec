//! What an index reads from: a snapshot, or a transaction with its own writes.

use std::ops::{Bound, ControlFlow, RangeBounds};

use lightning_db_storage::{
    Keyspace, Range, Slice, Snapshot, Transaction, TransactionRange, Visitor,
};

use crate::error::Result;

/// A state of the store. Copying it costs nothing.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// One commit's state.
    Snapshot(&'a Snapshot),
    /// A transaction's snapshot with its own writes laid over it. What is read is noted for
    /// conflicts.
    Transaction(&'a Transaction),
}

impl<'a> Reader<'a> {
    /// Number of the last commit that it sees.
    pub fn lsn(self) -> u64 {
        match self {
            Self::Snapshot(snapshot) => snapshot.lsn(),
            Self::Transaction(transaction) => transaction.lsn(),
        }
    }

    /// The transaction, if it is one.
    pub fn transaction(self) -> Option<&'a Transaction> {
        match self {
            Self::Snapshot(_) => None,
            Self::Transaction(transaction) => Some(transaction),
        }
    }

    /// Value of a key.
    ///
    /// # Errors
    /// Those of the store.
    pub fn get(self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        Ok(match self {
            Self::Snapshot(snapshot) => snapshot.get(keyspace, key)?,
            Self::Transaction(transaction) => transaction.get(keyspace, key)?,
        })
    }

    /// Keys and values within bounds, from both ends.
    pub fn range<K: AsRef<[u8]>>(
        self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> ReaderRange {
        match self {
            Self::Snapshot(snapshot) => ReaderRange::Snapshot(snapshot.range(keyspace, range)),
            Self::Transaction(transaction) => {
                ReaderRange::Transaction(transaction.range(keyspace, range))
            }
        }
    }

    /// As [`range`](Self::range), with bounds that it takes over.
    pub fn range_owned(
        self,
        keyspace: &Keyspace,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> ReaderRange {
        match self {
            Self::Snapshot(snapshot) => {
                ReaderRange::Snapshot(snapshot.range_owned(keyspace, bounds))
            }
            Self::Transaction(transaction) => {
                ReaderRange::Transaction(transaction.range_owned(keyspace, bounds))
            }
        }
    }

    /// Keys and values whose keys start with `prefix`.
    pub fn prefix(self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> ReaderRange {
        match self {
            Self::Snapshot(snapshot) => ReaderRange::Snapshot(snapshot.prefix(keyspace, prefix)),
            Self::Transaction(transaction) => {
                ReaderRange::Transaction(transaction.prefix(keyspace, prefix))
            }
        }
    }
}

/// Keys and values of a range, as a [`Reader`] sees them.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each range")]
#[derive(Debug)]
pub enum ReaderRange {
    /// Of a snapshot.
    Snapshot(Range),
    /// Of a transaction.
    Transaction(TransactionRange),
}

impl ReaderRange {
    /// Goes to the next key; [`current`](Self::current) then lends it with its value, until the
    /// next call.
    ///
    /// # Errors
    /// Those of the store; the range then ends.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        Ok(match self {
            Self::Snapshot(range) => range.advance()?,
            Self::Transaction(range) => range.advance()?,
        })
    }

    /// Calls `visit` with each key that is left and its value, until it breaks: the fastest way
    /// over many.
    ///
    /// # Errors
    /// Those of the store; the range then ends.
    #[inline]
    pub fn visit(
        &mut self,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        Ok(match self {
            Self::Snapshot(range) => range.visit(&mut visit)?,
            Self::Transaction(range) => range.visit(&mut visit)?,
        })
    }

    /// As [`visit`](Self::visit), and offers segments before they are read: parts of files that
    /// never change, of which whoever reads much may have kept what it needs. Not for a part of a
    /// table: only ranges up to the last key have segments.
    ///
    /// # Errors
    /// Those of the store; the range ends in any case.
    pub fn visit_segments(&mut self, visitor: &mut impl Visitor) -> Result<ControlFlow<()>> {
        Ok(match self {
            Self::Snapshot(range) => range.visit_segments(visitor)?,
            Self::Transaction(range) => range.visit_segments(visitor)?,
        })
    }

    /// The key that was gone to, and its value.
    #[inline]
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Snapshot(range) => range.current(),
            Self::Transaction(range) => range.current(),
        }
    }
}

impl Iterator for ReaderRange {
    type Item = Result<(Slice, Slice)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let item = match self {
            Self::Snapshot(range) => range.next(),
            Self::Transaction(range) => range.next(),
        };
        item.map(|item| item.map_err(Into::into))
    }
}

impl DoubleEndedIterator for ReaderRange {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let item = match self {
            Self::Snapshot(range) => range.next_back(),
            Self::Transaction(range) => range.next_back(),
        };
        item.map(|item| item.map_err(Into::into))
    }
}
