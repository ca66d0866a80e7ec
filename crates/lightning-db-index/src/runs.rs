//! What a build gathers beyond its memory: sorted runs in keyspaces of their own, and how far it
//! has come.
//!
//! With a log of the build each run is followed by a checkpoint, and a build after a crash goes on
//! behind it; without one, runs are dropped at the end and by the next open.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use lightning_db_storage::{Keyspace, KeyspaceOptions, Range, Slice, Store};

use crate::build_log::{self, Checkpoint};
use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loading, Resumed};
use crate::planted;
use crate::row_set::RowSet;

/// Entries between two calls of the progress function.
const PROGRESS_EVERY: u64 = 1_024;

/// Where sorted entries go.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) store: &'a Store,
    pub(crate) definition: &'a IndexDefinition,
    pub(crate) keyspace: &'a Keyspace,
}

/// The runs of a build.
pub(crate) struct Runs<'a> {
    store: &'a Store,
    definition: &'a IndexDefinition,
    loading: Loading,
    written: Vec<Keyspace>,
    /// What has been read, with what is in memory.
    read: Checkpoint,
    /// Where an earlier try has stopped.
    resumed: Option<Resumed>,
    left_out: RowSet,
}

impl<'a> Runs<'a> {
    /// Those that an earlier try has left, if the build keeps a log; else none.
    pub(crate) fn open(
        store: &'a Store,
        definition: &'a IndexDefinition,
        loading: Loading,
    ) -> Result<Self> {
        let read = match &loading.log {
            Some(log) => Checkpoint::load(log)?,
            None => Checkpoint::default(),
        };
        // What came behind the checkpoint is read once more.
        build_log::drop_runs(store, definition, read.runs)?;
        let run = |number| store.open_keyspace(&build_log::run_name(definition, number));
        let written = (0..read.runs).map(run).collect::<Result<Vec<_>, _>>()?;
        let resumed = read.last_row.map(|last_row| Resumed { last_row, rows: read.rows });
        Ok(Self { store, definition, loading, written, read, resumed, left_out: RowSet::new() })
    }

    /// Whether an earlier try may have written entries into the index.
    pub(crate) fn is_again(&self) -> bool {
        self.loading.is_again
    }

    /// See [`Loader::resumed`](crate::Loader::resumed).
    pub(crate) fn resumed(&self) -> Option<Resumed> {
        self.resumed
    }

    /// What the kind has kept with the last checkpoint.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.read.kept
    }

    /// See [`Loader::leave_out`](crate::Loader::leave_out).
    pub(crate) fn leave_out(&mut self, rows: &RowSet) {
        self.left_out = rows.clone();
    }

    /// Rows of which nothing is taken from what was read.
    pub(crate) fn left_out(&self) -> &RowSet {
        &self.left_out
    }

    /// Bytes that are gathered in memory before they are written as a run.
    pub(crate) fn budget(&self) -> usize {
        self.loading.options.memory_bytes
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Entries in runs.
    pub(crate) fn entries(&self) -> u64 {
        self.read.entries
    }

    /// Notes that a row was read: what it gives is in a run, or will be in the next one.
    #[inline]
    pub(crate) fn pass(&mut self, row_id: u64) {
        self.read.last_row = Some(row_id);
        self.read.rows += 1;
    }

    /// Writes entries, which ascend, as a run, and keeps something of the kind's own with the
    /// checkpoint.
    pub(crate) fn write<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = (K, V)>,
        kept: Vec<u8>,
    ) -> Result<()> {
        let name = build_log::run_name(self.definition, self.read.runs);
        let run = self.store.keyspace(&name, KeyspaceOptions::new())?;
        self.read.runs += 1;
        self.read.kept = kept;
        let too_early = planted::is("checkpoint-before-run");
        if too_early {
            self.save()?;
        }
        self.read.entries += run.ingest(entries)?.entries;
        self.written.push(run);
        if too_early { Ok(()) } else { self.save() }
    }

    fn save(&self) -> Result<()> {
        match &self.loading.log {
            Some(log) => self.read.save(self.store, log),
            None => Ok(()),
        }
    }

    /// All entries, by key.
    pub(crate) fn merge(&self) -> Merge {
        Merge::new(&self.written)
    }

    /// Drops the runs, unless the build keeps a log: they are wanted again then, should it not come
    /// to its end.
    pub(crate) fn end(&self) -> Result<()> {
        if self.loading.log.is_some() {
            return Ok(());
        }
        build_log::drop_runs(self.store, self.definition, 0)
    }
}

/// Runs, merged.
pub(crate) struct Merge {
    runs: Vec<Range>,
    /// Next entry of each run.
    next: BinaryHeap<Reverse<(Slice, usize, Slice)>>,
    failed: Option<Error>,
}

impl Merge {
    fn new(runs: &[Keyspace]) -> Self {
        let runs: Vec<Range> = runs.iter().map(Keyspace::iter).collect();
        let mut merge = Self { next: BinaryHeap::new(), failed: None, runs };
        (0..merge.runs.len()).for_each(|run| merge.advance(run));
        merge
    }

    fn advance(&mut self, run: usize) {
        match self.runs[run].next() {
            Some(Ok((key, value))) => self.next.push(Reverse((key, run, value))),
            Some(Err(error)) => self.failed = Some(error.into()),
            None => {}
        }
    }
}

impl Iterator for Merge {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let Reverse((key, run, value)) = self.next.pop()?;
        self.advance(run);
        Some(Ok((key, value)))
    }
}

/// Writes entries, which ascend, into an index, in one commit.
pub(crate) fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    place: Place<'_>,
    mut entries: impl Iterator<Item = Result<(K, V)>>,
    total: u64,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Loaded> {
    let mut failed = None;
    let mut done = 0;
    // An ingest ends without a trace if keys are out of order, and only then.
    let guarded = std::iter::from_fn(|| {
        if failed.is_none() && done % PROGRESS_EVERY == 0 && progress(done, total).is_break() {
            failed = Some(Error::Cancelled { index: place.definition.name.clone() });
        }
        if failed.is_none() {
            match entries.next()? {
                Ok((key, value)) => {
                    done += 1;
                    return Some((Given::Entry(key), Given::Entry(value)));
                }
                Err(error) => failed = Some(error),
            }
        }
        Some((Given::Nothing, Given::Nothing))
    });
    let ingested = place.keyspace.ingest(guarded);
    if let Some(error) = failed {
        return Err(error);
    }
    let report = ingested?;
    // Whoever watches sees the end, though it cannot be called off any more.
    let _ = progress(total, total);
    Ok(Loaded { entries: report.entries, duplicates: Vec::new() })
}

/// Bytes of an entry, or nothing where there is none to give.
enum Given<T> {
    Entry(T),
    Nothing,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Given<T> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Entry(bytes) => bytes.as_ref(),
            Self::Nothing => &[],
        }
    }
}
