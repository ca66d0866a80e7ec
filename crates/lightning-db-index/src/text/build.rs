//! Makes the files of an index from the rows.
//!
//! They are read at one snapshot, which the finished files stand for. With a log of the build the
//! files are committed now and then, with the number of the last row in them, and a build after a
//! crash goes on behind it: it replaces what has changed since of the rows before, which the log
//! knows, and reads the others at its own snapshot.

use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_storage::{Error as StorageError, Keyspace, Snapshot};

use super::TextIndex;
use super::disk::{Disk, DocumentBuilder, Holds};
use crate::build_log;
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::reader::Reader;

/// Rows between two calls that tell the progress of a build.
const ROWS_OF_STEP: u64 = 1_000;

/// What is known of a build before it begins.
#[derive(Debug, Default)]
pub(super) struct Build<'a> {
    /// Rows, roughly.
    expected: u64,
    log: Option<&'a Keyspace>,
    /// What the files hold already.
    resumed: Option<Resumed>,
    /// Bytes of text between two commits of a build with a log.
    commit_bytes: usize,
}

impl TextIndex {
    /// Makes the index from the rows.
    ///
    /// # Errors
    /// Those of the store; the files of the index.
    pub fn rebuild(&self) -> Result<()> {
        self.build(&Build::default(), &mut |_, _| ControlFlow::Continue(())).map(drop)
    }

    /// Makes the index from the rows; gives their number.
    fn build(
        &self,
        build: &Build<'_>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        self.build_with(&mut self.disk.lock(), build, progress)
    }

    pub(super) fn build_with(
        &self,
        disk: &mut Disk,
        build: &Build<'_>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        let snapshot = self.store.snapshot();
        if build.resumed.is_none() {
            disk.forget();
        }
        // The files must not be ahead of what a crash leaves of the store.
        match self.store.sync() {
            Ok(()) => {}
            Err(StorageError::ReadOnly) => disk.move_to_memory(),
            Err(error) => return Err(error.into()),
        }
        self.failure.take();
        let written = self.write_all(disk, &snapshot, build, progress);
        disk.close_writer();
        let published = written.and_then(|rows| self.publish(disk, snapshot.lsn()).map(|()| rows));
        // What no generation stands for must not be written on.
        published.inspect_err(|_| disk.forget())
    }

    fn write_all(
        &self,
        disk: &mut Disk,
        snapshot: &Snapshot,
        build: &Build<'_>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        let (definition, hash) = (&self.shape.definition, self.shape.hash);
        let failed = |error: tantivy::TantivyError| self.failed(&error);
        let cancelled = || Error::Cancelled { index: definition.name.clone() };
        let builder = DocumentBuilder { shape: &self.shape, schema: &self.schema };
        let from = build.resumed.filter(|_| disk.is_open());
        disk.writer(&self.shape, &self.schema, true).map_err(failed)?;
        let mut done = from.map_or(0, |from| from.rows);
        let mut stopped = progress(done, build.expected.max(done)).is_break();
        if let Some((from, log)) = from.zip(build.log) {
            self.replace_changed(disk, (snapshot, log), from.last_row)?;
        }
        let (mut last, mut bytes) = (from.map(|from| from.last_row), 0);
        let reader = Reader::Snapshot(snapshot);
        self.rows.for_each_after(reader, last, &mut |row_id, row| {
            if stopped {
                return Err(cancelled());
            }
            if let Some(last_row) =
                last.filter(|_| build.log.is_some() && bytes > build.commit_bytes)
            {
                bytes = 0;
                let holds = Holds::Part(Resumed { last_row, rows: done });
                disk.commit(holds, hash).map_err(failed)?;
            }
            last = Some(row_id);
            if definition.holds(row)? {
                self.shape.texts(row, |_, text| {
                    bytes += text.len();
                    Ok(())
                })?;
                let document = builder.document(row_id, row)?;
                disk.replace(None, Some(document)).map_err(failed)?;
                done += 1;
                if done.is_multiple_of(ROWS_OF_STEP) {
                    stopped = progress(done, build.expected.max(done)).is_break();
                }
            }
            Ok(())
        })?;
        if stopped || progress(done, done).is_break() {
            return Err(cancelled());
        }
        disk.commit(Holds::All(snapshot.lsn()), hash)
            .and_then(|()| disk.merge())
            .map_err(failed)?;
        Ok(done)
    }

    /// Writes the rows up to one anew that the log of the build has.
    fn replace_changed(
        &self,
        disk: &Disk,
        (snapshot, log): (&Snapshot, &Keyspace),
        last_row: u64,
    ) -> Result<()> {
        let builder = DocumentBuilder { shape: &self.shape, schema: &self.schema };
        let changed = build_log::changed_rows(log, snapshot)?;
        for row_id in changed.iter().take_while(|row_id| *row_id <= last_row) {
            let mut document = None;
            self.rows.get(Reader::Snapshot(snapshot), row_id, &mut |row| {
                if self.shape.definition.holds(row)? {
                    document = Some(builder.document(row_id, row)?);
                }
                Ok(())
            })?;
            let replaced = disk.replace(Some(builder.key(row_id)), document);
            replaced.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }
}

/// Checks rows that are given; the index itself is made from a snapshot of its own, since every
/// state of the rows must belong to a commit.
pub(super) struct TextLoader<'a> {
    index: &'a TextIndex,
    loading: Loading,
    rows: u64,
    resumed: Option<Resumed>,
}

impl<'a> TextLoader<'a> {
    pub(super) fn new(index: &'a TextIndex, loading: Loading) -> Self {
        let mut disk = index.disk.lock();
        let resumed = match &loading.log {
            Some(_) if !index.needs_build(index.store.last_lsn()) => {
                // The last try came to its end, but for the note of it.
                Some(Resumed { last_row: u64::MAX, rows: 0 })
            }
            Some(_) => match disk.open(&index.shape, &index.schema) {
                Some((_, Holds::Part(resumed))) => Some(resumed),
                _ => None,
            },
            None => None,
        };
        drop(disk);
        Self { index, loading, rows: 0, resumed }
    }
}

impl Loader for TextLoader<'_> {
    fn add(&mut self, _: u64, row: &dyn Columns) -> Result<()> {
        self.index.shape.validate(row)?;
        self.rows += 1;
        Ok(())
    }

    fn resumed(&self) -> Option<Resumed> {
        self.resumed
    }

    fn finish(
        self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        let Self { index, loading, rows, resumed } = *self;
        if loading.log.is_some() && !index.needs_build(index.store.last_lsn()) {
            if progress(rows, rows).is_break() {
                return Err(Error::Cancelled { index: index.shape.definition.name.clone() });
            }
            return Ok(Loaded { entries: rows, ..Loaded::default() });
        }
        let build = Build {
            expected: rows + resumed.map_or(0, |from| from.rows),
            log: loading.log.as_ref(),
            resumed,
            commit_bytes: loading.options.memory_bytes,
        };
        let entries = index.build(&build, progress)?;
        Ok(Loaded { entries, ..Loaded::default() })
    }
}
