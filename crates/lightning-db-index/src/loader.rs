//! Building an index: rows in bulk, and what a crash has left of it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning_db_expression::Columns;
use lightning_db_storage::{
    Error as StorageError, Keyspace, KeyspaceOptions, Snapshot, Store, Transaction,
};

use crate::build_log;
use crate::definition::IndexDefinition;
use crate::error::Result;
use crate::index::Index;
use crate::row::{RowChange, RowStore, row_key};
use crate::row_set::RowSet;

/// Rows of a table in bulk; see [`Index::loader`].
pub trait Loader {
    /// Adds a row. Rows come by ascending number.
    ///
    /// # Errors
    /// If the row cannot be indexed.
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()>;

    /// Notes a row that is not in the index.
    fn pass(&mut self, _row_id: u64) {}

    /// Where an earlier try has stopped; `None` if this one begins anew.
    fn resumed(&self) -> Option<Resumed> {
        None
    }

    /// Has rows left out when the entries are written: they have changed since they were read, or
    /// may have.
    fn leave_out(&mut self, _rows: &RowSet) {}

    /// Writes what was added, in one commit. `progress` is called with entries done and in all, and
    /// may end it.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled), those of the store; nothing is written then.
    fn finish(
        self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded>;
}

/// Where a load goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// The last row that was added: those behind it are wanted.
    pub last_row: u64,
    /// Rows up to it.
    pub rows: u64,
}

/// What a [`Loader`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// Entries written.
    pub entries: u64,
    /// Keys of a unique index that several rows have, with two of them; the first 100. If there
    /// are any, nothing was written.
    pub duplicates: Vec<(String, u64, u64)>,
}

/// Options of [`Index::loader_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoaderOptions {
    /// Bytes of entries that are gathered in memory before they are written as a sorted run, or,
    /// for a text index, to its files. 64 MiB.
    pub memory_bytes: usize,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20 }
    }
}

impl LoaderOptions {
    /// These, with another budget of memory.
    #[must_use]
    pub fn memory_bytes(mut self, memory_bytes: usize) -> Self {
        self.memory_bytes = memory_bytes;
        self
    }
}

/// How a kind loads rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loading {
    pub(crate) options: LoaderOptions,
    /// Where the build is noted, if it is.
    pub(crate) log: Option<Keyspace>,
    /// Whether an earlier try may have written entries.
    pub(crate) is_again: bool,
}

impl Index {
    /// Takes rows in bulk, for an index that is being built and that nobody reads yet. Rows that
    /// change meanwhile must be given to [`maintain_again`](Self::maintain_again) behind it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn loader(&self) -> Result<Box<dyn Loader + '_>> {
        self.loader_with(LoaderOptions::default())
    }

    /// [`loader`](Self::loader) with options.
    ///
    /// # Errors
    /// Those of the store.
    pub fn loader_with(&self, options: LoaderOptions) -> Result<Box<dyn Loader + '_>> {
        let log = self.log.get().cloned();
        let is_again = log.is_some() && self.is_tried.swap(true, Ordering::Relaxed);
        let inner = self.kind().loader(Loading { options, log, is_again })?;
        Ok(Box::new(Conditional { definition: self.definition(), inner }))
    }

    /// Opens an index that is to be built, or whose build a crash has cut short, and
    /// [begins](Self::begin_build) its build. It holds what commits bring from now on, and is not
    /// to be asked before its loader has brought the rows from before.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_building(
        store: &Store,
        definition: Arc<IndexDefinition>,
        rows: Arc<dyn RowStore>,
    ) -> Result<Self> {
        let index = Self::open_as(store, definition, rows, true)?;
        index.begin_build()?;
        Ok(index)
    }

    /// Begins a build that goes on behind a crash: from now on [`note_change`](Self::note_change)
    /// must be called with each row that a commit changes. Where there is something of an earlier
    /// try, the loader goes on with it; its runs are left where they are until
    /// [`end_build`](Self::end_build).
    ///
    /// # Errors
    /// Those of the store.
    pub fn begin_build(&self) -> Result<()> {
        if self.keeps_log() {
            return Ok(());
        }
        match self.store.keyspace(&build_log::name(self.definition()), KeyspaceOptions::new()) {
            Ok(log) => drop(self.log.set(log)),
            // Nobody builds it then.
            Err(StorageError::ReadOnly) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether a build has begun that goes on behind a crash.
    pub fn keeps_log(&self) -> bool {
        self.log.get().is_some()
    }

    /// Notes in a transaction that it changes a row, if the index keeps a log.
    ///
    /// # Errors
    /// Those of the store.
    pub fn note_change(&self, transaction: &mut Transaction, row_id: u64) -> Result<()> {
        let Some(log) = self.log.get() else { return Ok(()) };
        match transaction.insert(log, row_key(row_id), b"") {
            // The build has ended.
            Err(StorageError::KeyspaceDropped { .. }) => Ok(()),
            noted => Ok(noted?),
        }
    }

    /// The rows that were noted up to a snapshot: none of their entries is taken from what was
    /// read, see [`Loader::leave_out`].
    ///
    /// # Errors
    /// Those of the store.
    pub fn changed_rows(&self, snapshot: &Snapshot) -> Result<RowSet> {
        match self.log.get() {
            Some(log) => build_log::changed_rows(log, snapshot),
            None => Ok(RowSet::new()),
        }
    }

    /// Brings the entries of a row in line behind a bulk load: the change is one that the load did
    /// not know of, and that [`maintain`](Self::maintain) may have seen already.
    ///
    /// # Errors
    /// As [`maintain`](Self::maintain).
    pub fn maintain_again(
        &self,
        transaction: &mut Transaction,
        change: &RowChange<'_>,
    ) -> Result<()> {
        self.kind().doubt_counts();
        self.maintain(transaction, change)
    }

    /// Drops what a build kept to go on: it has ended, and the catalog says so.
    ///
    /// # Errors
    /// Those of the store.
    pub fn end_build(&self) -> Result<()> {
        Self::forget_build(&self.store, self.definition())
    }

    /// [`end_build`](Self::end_build) of an index that is not open.
    ///
    /// # Errors
    /// Those of the store.
    pub fn forget_build(store: &Store, definition: &IndexDefinition) -> Result<()> {
        let log = build_log::name(definition);
        if store.open_keyspace(&log).is_ok() {
            // In this order: runs without a log are dropped by the next open.
            build_log::drop_keyspace(store, &log)?;
            build_log::drop_runs(store, definition, 0)?;
        }
        Ok(())
    }

    /// Makes what a crash has left of a build ready for the next one, before the index is opened:
    /// what can be used stays. Its entries go: some may be of rows that have changed since, and a
    /// unique index would refuse rows because of them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn recover_build(store: &Store, definition: &IndexDefinition) -> Result<()> {
        if store.open_keyspace(&build_log::name(definition)).is_err() {
            return Self::drop(store, definition);
        }
        build_log::drop_others(store, definition)
    }
}

/// Gives a loader the rows that fulfil the index's condition.
struct Conditional<'a> {
    definition: &'a IndexDefinition,
    inner: Box<dyn Loader + 'a>,
}

impl Loader for Conditional<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        if self.definition.holds(row)? {
            return self.inner.add(row_id, row);
        }
        self.inner.pass(row_id);
        Ok(())
    }

    fn resumed(&self) -> Option<Resumed> {
        self.inner.resumed()
    }

    fn leave_out(&mut self, rows: &RowSet) {
        self.inner.leave_out(rows);
    }

    fn finish(
        self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        self.inner.finish(progress)
    }
}
