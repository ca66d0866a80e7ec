//! Building an index while writers go on.
//!
//! From the moment that the index is in the catalog every commit maintains it. The rows from before
//! are read at a snapshot taken behind that moment, sorted and added in bulk. A row that changed
//! between the snapshot and the bulk may then have an entry that it has no more: each such row is
//! brought in line once again, from its state at the snapshot to its state now. Nobody waits, and
//! nobody reads the index before it holds every row.
//!
//! A build goes on after a crash. Each commit during it notes the rows that it changes in the
//! build's log, and what was read is written as sorted runs, with a checkpoint behind each: so the
//! rows may be read at several snapshots. Before the entries are written, a last snapshot is taken:
//! the rows that the log has there are left out, as what was read of them may be old, and get their
//! entries behind the bulk; all others are as they were read. Entries that an earlier try has
//! written are dropped first. (A text index checks the rows that it is given, and does the same
//! with its own files.)

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_index::{
    Columns, Index, Loaded, Loader, LoaderOptions, Reader, RowChange, RowSet, RowStore, row_id_of,
    row_key,
};
use lightning_db_storage::CommitSubscription;
use parking_lot::Mutex;

use crate::catalog::IndexRole;
use crate::error::{Error, Result};
use crate::row::Row;
use crate::snapshot::TableSnapshot;
use crate::table::TableState;
use crate::tables::Tables;

/// Rows between two calls of the observer.
const REPORT_EVERY: u64 = 256;

/// What a build calls with what is done; it may end the build.
pub type BuildProgress<'a> = dyn FnMut(BuildStatus<'_>) -> ControlFlow<()> + 'a;

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildStatus<'a> {
    /// Name of the index.
    pub index: &'a str,
    /// What is being done.
    pub stage: BuildStage,
    /// How much of it is done: rows, or entries.
    pub done: u64,
    /// How much there is, as far as is known.
    pub total: u64,
}

/// What a build does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// Reads the rows.
    Reading,
    /// Sorts and writes the entries.
    Writing,
    /// Brings rows in line that changed meanwhile.
    CatchingUp,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildOutcome {
    /// The index holds every row, and is used from now on.
    Ready {
        /// Entries that were added for the rows from before.
        entries: u64,
    },
    /// Rows have equal keys in a unique index: each key, as text, with the numbers of two of its
    /// rows; the first 100. The index is not there, but for one that was repaired for a primary
    /// key.
    Duplicates(Vec<(String, u64, u64)>),
    /// The observer ended it. The index is not there.
    Cancelled,
}

/// What a bulk load leaves to be done.
struct Loading {
    loaded: Loaded,
    /// Rows that have changed since the snapshot.
    changed: Changed,
    /// The state whose rows were loaded.
    snapshot: TableSnapshot,
    /// Rows that were not.
    left_out: RowSet,
}

/// What is done to the entries of a row that changed meanwhile.
#[derive(Debug, Clone, Copy)]
enum CatchUp {
    /// Those of the row as it was go, those of the row as it is come.
    Replace,
    /// Those of the row as it was go.
    Remove,
    /// Those of the row as it is come.
    Add,
}

/// Numbers of the rows that have changed since it was made.
struct Changed {
    rows: Arc<Mutex<BTreeSet<u64>>>,
    _subscription: CommitSubscription,
}

impl Changed {
    fn new(tables: &Tables, table: &TableState) -> Self {
        let rows = Arc::new(Mutex::new(BTreeSet::new()));
        let (noted, keyspace) = (Arc::clone(&rows), table.rows.keyspace.name().to_owned());
        let subscription = tables.store().on_commit(move |commit| {
            let own = commit.changes().filter(|change| change.keyspace == keyspace);
            let mut ids = own.filter_map(|change| row_id_of(change.key)).peekable();
            if ids.peek().is_some() {
                noted.lock().extend(ids);
            }
        });
        Self { rows, _subscription: subscription }
    }
}

impl Tables {
    /// Builds an index that is in the catalog; takes it out again if that fails.
    pub(crate) fn build_index(
        &self,
        table: &str,
        name: &str,
        progress: &mut BuildProgress<'_>,
    ) -> Result<BuildOutcome> {
        let outcome = self.try_build(table, name, progress);
        let _changing = self.inner.changing.lock();
        match outcome {
            Ok(outcome @ BuildOutcome::Ready { .. }) => {
                self.set_ready(table, name)?;
                let state = self.inner.state.load();
                let ended = state.table(table)?.open_index(name)?.index.end_build();
                ended.map_err(Error::of_index(table))?;
                Ok(outcome)
            }
            // What the table itself needs stays in the catalog, to be built another time.
            outcome if self.is_needed(table, name) => outcome,
            // The first failure says more than one of the clean-up, which the next open repeats.
            outcome => match self.remove_index(table, name) {
                Ok(()) => outcome,
                Err(error) => outcome.and(Err(error)),
            },
        }
    }

    fn is_needed(&self, table: &str, name: &str) -> bool {
        let state = self.inner.state.load();
        let open = state.table(table).and_then(|table| table.open_index(name).map(|it| it.role));
        open.is_ok_and(|role| role != IndexRole::Declared)
    }

    fn try_build(
        &self,
        table: &str,
        name: &str,
        progress: &mut BuildProgress<'_>,
    ) -> Result<BuildOutcome> {
        let state = Arc::clone(self.inner.state.load().table(table)?);
        let index = Arc::clone(&state.open_index(name)?.index);
        let Loading { loaded, changed, snapshot, left_out } = match self
            .load(&state, &index, progress)
        {
            Err(Error::Index { source: lightning_db_index::Error::Cancelled { .. }, .. }) => {
                return Ok(BuildOutcome::Cancelled);
            }
            loading => loading?,
        };
        if !loaded.duplicates.is_empty() {
            return Ok(BuildOutcome::Duplicates(loaded.duplicates));
        }
        // A transaction from before has not seen the entries that were added in bulk, and misses
        // a duplicate among them.
        self.end_transactions(table)?;
        let ids = std::mem::take(&mut *changed.rows.lock());
        let fresh = ids.iter().copied().filter(|row_id| !left_out.contains(*row_id));
        let fresh: Vec<u64> = fresh.collect();
        // A key of a unique index may have gone from one of these rows to another: all give up
        // what they had before any gets what it has.
        let steps: &[CatchUp] = if index.definition().is_unique() {
            &[CatchUp::Remove, CatchUp::Add]
        } else {
            &[CatchUp::Replace]
        };
        let work = steps.iter().flat_map(|step| fresh.iter().map(move |row_id| (*step, *row_id)));
        let work = work.chain(left_out.iter().map(|row_id| (CatchUp::Add, row_id)));
        let total = (fresh.len() * steps.len()) as u64 + left_out.len();
        for (done, (step, row_id)) in (0..).zip(work) {
            let status = BuildStatus { index: name, stage: BuildStage::CatchingUp, done, total };
            if progress(status).is_break() {
                return Ok(BuildOutcome::Cancelled);
            }
            match self.bring_in_line(table, &index, &snapshot, row_id, step) {
                Err(Error::Index {
                    source: lightning_db_index::Error::Unique { key, existing, .. },
                    ..
                }) => return Ok(BuildOutcome::Duplicates(vec![(key, existing, row_id)])),
                outcome => outcome?,
            }
        }
        Ok(BuildOutcome::Ready { entries: loaded.entries })
    }

    /// Adds the rows to an index in bulk, and says which are to be brought in line behind it.
    fn load(
        &self,
        table: &TableState,
        index: &Index,
        progress: &mut BuildProgress<'_>,
    ) -> Result<Loading> {
        let of_index = || Error::of_index(table.name());
        let name = &*index.definition().name;
        let options = LoaderOptions::default().memory_bytes(self.inner.options.build_memory);
        let mut loader = index.loader_with(options).map_err(of_index())?;
        // What changes from here on is noted in the log of the build.
        read(table, &mut *loader, (name, &self.snapshot()), progress)?;
        // In this order: what the snapshot does not see, the list will have.
        let changed = Changed::new(self, table);
        let snapshot = self.snapshot();
        let left_out = index.changed_rows(snapshot.snapshot()).map_err(of_index())?;
        loader.leave_out(&left_out);
        let mut report = |done, total: u64| {
            let stage = BuildStage::Writing;
            progress(BuildStatus { index: name, stage, done, total: total.max(done) })
        };
        let written = loader.finish(&mut report).map_err(of_index())?;
        Ok(Loading { loaded: written, changed, snapshot, left_out })
    }

    /// Brings the entries of a row that has changed since a snapshot in line with what it is now.
    fn bring_in_line(
        &self,
        table: &str,
        index: &Index,
        snapshot: &TableSnapshot,
        row_id: u64,
        step: CatchUp,
    ) -> Result<()> {
        let then = snapshot.table(table)?;
        let old = match step {
            CatchUp::Add => None,
            _ => stored_row(&then.state, Reader::Snapshot(snapshot.snapshot()), row_id)?,
        };
        self.run(|transaction| {
            let now = transaction.table(table)?;
            let new = match step {
                CatchUp::Remove => None,
                _ => {
                    stored_row(&now.state, Reader::Transaction(transaction.transaction()), row_id)?
                }
            };
            let change = RowChange {
                row_id,
                old: old.as_ref().map(|row| row as &dyn Columns),
                new: new.as_ref().map(|row| row as &dyn Columns),
            };
            let maintained = index.maintain_again(transaction.storage(), &change);
            // No statement of a table sees to what was left to the commit.
            let verified =
                maintained.and_then(|()| index.verify_deferred(transaction.transaction()));
            verified.map_err(Error::of_index(table))
        })
    }
}

/// A row as it stands, whether it has ended or not.
pub(crate) fn stored_row(
    table: &TableState,
    reader: Reader<'_>,
    row_id: u64,
) -> Result<Option<Row>> {
    let stored = reader.get(&table.rows.keyspace, row_key(row_id));
    let stored = stored.map_err(Error::of_index(table.name()))?;
    stored.map(|stored| Row::new(&table.schema, row_id, stored)).transpose()
}

/// Gives a loader the rows of a snapshot that it has not had.
fn read(
    table: &TableState,
    loader: &mut dyn Loader,
    (index, snapshot): (&str, &TableSnapshot),
    progress: &mut BuildProgress<'_>,
) -> Result<()> {
    let total = table.rows.keyspace.approximate_len();
    let rows: &dyn RowStore = &*table.rows;
    let resumed = loader.resumed();
    let (last, mut done) = (resumed.map(|of| of.last_row), resumed.map_or(0, |of| of.rows));
    let mut unreported = 0;
    let reader = Reader::Snapshot(snapshot.snapshot());
    let read = rows.for_each_after(reader, last, &mut |row_id, row| {
        if u64::is_multiple_of(unreported, REPORT_EVERY) {
            let (stage, total) = (BuildStage::Reading, total.max(done));
            if progress(BuildStatus { index, stage, done, total }).is_break() {
                return Err(lightning_db_index::Error::Cancelled { index: index.to_owned() });
            }
        }
        done += 1;
        unreported += 1;
        loader.add(row_id, row)
    });
    read.map_err(Error::of_index(table.name()))
}
