//! A table as a run has it: whole, or from a key on.

use std::sync::Arc;

use super::{Table, TableMeta};

/// A table, or what a merge under way has left of it.
///
/// A merge goes through its runs from the first key to the last, slice by slice. A table that lies
/// across the end of a slice stays, and its keys before that end no longer count: they are in the
/// tables that the slice has written. The manifest has the first key that counts.
#[derive(Debug, Clone)]
pub(crate) struct Portion {
    pub(crate) table: Arc<Table>,
    /// First key that counts; empty if all do, since no key comes before the empty one.
    from: Box<[u8]>,
}

impl Portion {
    /// The keys of a table from `from` on; an empty key leaves it whole.
    pub(crate) fn new(table: Arc<Table>, from: &[u8]) -> Self {
        Self { table, from: from.into() }
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        self.table.meta()
    }

    /// The key before which nothing counts; `None` if the whole table does.
    #[inline]
    pub(crate) fn bound(&self) -> Option<&[u8]> {
        if self.from.is_empty() { None } else { Some(&self.from) }
    }

    /// A key that no key of it comes before: the first one, or the bound.
    #[inline]
    pub(crate) fn first_key(&self) -> &[u8] {
        self.bound().unwrap_or(&self.table.meta.key_min)
    }

    /// Its last key.
    #[inline]
    pub(crate) fn last_key(&self) -> &[u8] {
        &self.table.meta.key_max
    }
}

impl From<Arc<Table>> for Portion {
    fn from(table: Arc<Table>) -> Self {
        Self { table, from: Box::default() }
    }
}
