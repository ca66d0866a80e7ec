//! Writes generations: at open and in upkeep.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use lightning_db_storage::{Error as StorageError, Snapshot};

use super::TextIndex;
use super::build::Build;
use super::disk::{Disk, DocumentBuilder, Holds};
use super::generation::Generation;
use super::overlay::{Queue, Stored};
use crate::error::Result;
use crate::reader::Reader;
use crate::row::row_key;

/// A generation is written when so many changes wait,
const CHANGES_MAX: usize = 10_000;
/// or so many bytes,
const BYTES_MAX: usize = 16 << 20;
/// or the oldest for so long.
const AGE_MAX: Duration = Duration::from_secs(1);
/// At so many times these amounts, the writers do it themselves.
const HELD_BACK_AT: usize = 4;

/// A row to be written: its bytes, or `None` if it is to be removed.
type Write = (u64, Option<Row>);

enum Row {
    Bytes(Arc<[u8]>),
    /// To be read from the snapshot.
    Large,
}

impl TextIndex {
    /// Opens the files, and gathers what the log has beyond them. If they cannot be used, the first
    /// reader makes the index again, or the upkeep, whichever comes first.
    pub(super) fn bring_up(&self) -> Result<()> {
        let mut disk = self.disk.lock();
        let found = disk.open(&self.shape, &self.schema);
        let mut overlay = self.overlay.write();
        if let Some((searcher, Holds::All(lsn))) = found
            && lsn <= self.store.last_lsn()
        {
            match self.logged_since(lsn) {
                Ok(mut queue) => {
                    if let Ok(generation) = Generation::new(searcher, lsn, &self.schema, None) {
                        overlay.publish(Arc::new(generation), &self.shape, 0);
                        overlay.take_over(&mut queue, u64::MAX);
                        return Ok(());
                    }
                }
                Err(StorageError::ChangesDropped { .. } | StorageError::ReadOnly) => {}
                Err(error) => return Err(error.into()),
            }
        }
        disk.forget();
        let snapshot = self.store.snapshot();
        if Reader::Snapshot(&snapshot).range::<&[u8]>(self.rows.keyspace(), ..).next().is_none() {
            let empty = Generation::empty(snapshot.lsn(), &self.schema);
            overlay.publish(Arc::new(empty), &self.shape, 0);
        }
        Ok(())
    }

    /// What commits changed behind `lsn`, up to the first that the hook has seen.
    fn logged_since(&self, lsn: u64) -> lightning_db_storage::Result<Queue> {
        let mut queue = Queue::default();
        let hooked = self.subscription.lsn();
        if lsn >= self.store.last_lsn() {
            return Ok(queue);
        }
        // A store that may only be read has no log to ask, and no hook that is called.
        let mut changes = self.store.changes(lsn + 1)?;
        while let Some(set) = changes.next_change()? {
            if set.lsn > hooked {
                break;
            }
            queue.take_logged(self.rows.keyspace().name(), &set);
        }
        Ok(queue)
    }

    /// Whether no generation leads to a commit.
    pub(super) fn needs_build(&self, lsn: u64) -> bool {
        let overlay = self.overlay.read();
        let breaks = &self.queue.lock().breaks;
        overlay.generation_for(lsn).is_none() || breaks.iter().any(|at| *at <= lsn)
    }

    /// Makes the index for a reader that found none, unless somebody does already.
    pub(super) fn build_for_reader(&self) -> Result<()> {
        let Some(mut disk) = self.disk.try_lock() else { return Ok(()) };
        // The reader may just be older than all generations.
        if !self.needs_build(self.store.last_lsn()) {
            return Ok(());
        }
        self.build_with(&mut disk, &Build::default(), &mut |_, _| ControlFlow::Continue(()))
            .map(drop)
    }

    /// Shows the last commit to readers.
    pub(super) fn publish(&self, disk: &Disk, lsn: u64) -> Result<()> {
        let Some(searcher) = disk.searcher().map_err(|error| self.failed(&error))? else {
            return Ok(());
        };
        let before = self.overlay.read().generations.last().map(Arc::clone);
        let generation = Generation::new(searcher, lsn, &self.schema, before.as_deref());
        let generation = Arc::new(generation.map_err(|error| self.failed(&error))?);
        let mut overlay = self.overlay.write();
        overlay.take_over(&mut self.queue.lock(), lsn);
        overlay.publish(generation, &self.shape, self.store.oldest_reader_lsn());
        Ok(())
    }

    /// Writes a generation if enough waits, or lets the writer go if nothing does.
    pub(super) fn keep_up(&self) -> Result<bool> {
        if self.needs_build(self.store.last_lsn()) {
            self.rebuild()?;
            return Ok(true);
        }
        let (changes, bytes, since) = self.waiting();
        if changes == 0 {
            return Ok(self.disk.lock().close_writer());
        }
        let now = self.store.clock().monotonic();
        let since = since.unwrap_or_else(|| *self.queue.lock().since.get_or_insert(now));
        let due =
            changes >= CHANGES_MAX || bytes >= BYTES_MAX || now.saturating_sub(since) >= AGE_MAX;
        if due { self.flush() } else { Ok(false) }
    }

    fn waiting(&self) -> (usize, usize, Option<Duration>) {
        let overlay = self.overlay.read();
        let applied = overlay.generations.last().map_or(0, |of| of.applied);
        let (changes, bytes) = overlay.waiting(applied);
        let queue = self.queue.lock();
        (changes + queue.changes.len(), bytes + queue.bytes, queue.since)
    }

    /// A writer that is far ahead waits for the upkeep, by doing it.
    pub(super) fn hold_back(&self) -> Result<()> {
        let queued = {
            let queue = self.queue.lock();
            (queue.changes.len(), queue.bytes)
        };
        if queued.0 < HELD_BACK_AT * CHANGES_MAX && queued.1 < HELD_BACK_AT * BYTES_MAX {
            return Ok(());
        }
        self.flush().map(drop)
    }

    /// Writes what commits have changed into a generation now; says whether there was something.
    ///
    /// # Errors
    /// Those of the store, and of the files of the index; nothing is lost then.
    pub fn flush(&self) -> Result<bool> {
        let mut disk = self.disk.lock();
        let snapshot = self.store.snapshot();
        let lsn = snapshot.lsn();
        let (generation, writes) = {
            let mut overlay = self.overlay.write();
            overlay.take_over(&mut self.queue.lock(), lsn);
            match overlay.generation_for(lsn).map(Arc::clone) {
                Some(generation) => {
                    let changes = overlay.last_changes(generation.applied, lsn);
                    let writes = changes.into_iter().map(|change| {
                        let row = match &change.stored {
                            Stored::Removed => None,
                            Stored::Row(bytes) => Some(Row::Bytes(Arc::clone(bytes))),
                            Stored::Large => Some(Row::Large),
                        };
                        (change.row_id, row)
                    });
                    (Some(generation), writes.collect::<Vec<Write>>())
                }
                None => (None, Vec::new()),
            }
        };
        let Some(generation) = generation.filter(|of| of.searcher.is_none() || disk.is_open())
        else {
            let go_on = &mut |_, _| ControlFlow::Continue(());
            self.build_with(&mut disk, &Build::default(), go_on)?;
            return Ok(true);
        };
        if writes.is_empty() {
            return Ok(false);
        }
        self.failure.take();
        let written = self.write_generation(&mut disk, &generation, &snapshot, &writes);
        if let Err(error) = written {
            // The changes are still gathered, as far as no generation holds them.
            let applied = self.overlay.read().generations.last().map_or(0, |of| of.applied);
            disk.recover(applied, self.shape.hash);
            return Err(error);
        }
        Ok(true)
    }

    fn write_generation(
        &self,
        disk: &mut Disk,
        generation: &Generation,
        snapshot: &Snapshot,
        writes: &[Write],
    ) -> Result<()> {
        self.write_changes(disk, generation, snapshot, writes)?;
        self.publish(disk, snapshot.lsn())?;
        if disk.merge().map_err(|error| self.failed(&error))? {
            self.publish(disk, snapshot.lsn())?;
        }
        Ok(())
    }

    fn write_changes(
        &self,
        disk: &mut Disk,
        generation: &Generation,
        snapshot: &Snapshot,
        rows: &[Write],
    ) -> Result<()> {
        let failed = |error| self.failed(&error);
        let builder = DocumentBuilder { shape: &self.shape, schema: &self.schema };
        // A generation must not be ahead of what a crash leaves of the store.
        self.store.sync()?;
        disk.writer(&self.shape, &self.schema, false).map_err(failed)?;
        for (row_id, row) in rows {
            if generation.holds(&self.schema, *row_id).map_err(failed)? {
                disk.replace(Some(builder.key(*row_id)), None).map_err(failed)?;
            }
            let read;
            let stored: &[u8] = match row {
                None => continue,
                Some(Row::Bytes(bytes)) => bytes,
                Some(Row::Large) => {
                    read = snapshot.get(self.rows.keyspace(), row_key(*row_id))?;
                    let Some(read) = &read else { continue };
                    read
                }
            };
            self.rows.decode(stored, &mut |row| {
                if self.shape.definition.holds(row)? {
                    let document = builder.document(*row_id, row)?;
                    disk.replace(None, Some(document)).map_err(failed)?;
                }
                Ok(())
            })?;
        }
        disk.commit(Holds::All(snapshot.lsn()), self.shape.hash).map_err(failed)
    }
}
