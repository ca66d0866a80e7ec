//! Work that is done now and then: in a thread, or by whoever calls for it.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use lightning_db_index::{Reader, row_id_of};
use lightning_db_storage::Maintenance;
use parking_lot::{Condvar, Mutex};

use crate::catalog::IndexState;
use crate::error::{Error, Result};
use crate::row::RowView;
use crate::statistics::{self, Collected};
use crate::table::TableState;
use crate::tables::{Inner, Tables};

/// How long the thread rests.
const REST: Duration = Duration::from_secs(5);

/// What [`Tables::upkeep`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpkeepReport {
    /// Rows removed whose time had come.
    pub rows_ended: u64,
    /// Indexes that had something to fold, merge or write.
    pub indexes: u64,
    /// Tables whose rows were read for statistics.
    pub analyzed: u64,
}

impl Tables {
    /// Removes rows that have ended, lets each index fold, merge and write what it has gathered,
    /// and keeps the statistics: those of a table of which a third has changed are made anew.
    ///
    /// # Errors
    /// Those of the store and of the indexes; what comes first ends it.
    pub fn upkeep(&self) -> Result<UpkeepReport> {
        let mut report =
            UpkeepReport { rows_ended: self.remove_ended()?, ..UpkeepReport::default() };
        let state = self.inner.state.load_full();
        for (name, table) in &state.tables {
            // A build brings its index in order by itself.
            for open in table.indexes.iter().filter(|open| open.state == IndexState::Ready) {
                match open.index.upkeep() {
                    Ok(true) => report.indexes += 1,
                    Ok(false) => {}
                    // The index was dropped meanwhile.
                    Err(_) if !self.is_open(table) => break,
                    Err(error) => return Err(Error::of_index(name)(error)),
                }
            }
            if table.statistics.wants_analysis() {
                self.analyze_state(table)?;
                report.analyzed += 1;
            }
        }
        self.inner.save_statistics(true)?;
        Ok(report)
    }

    fn is_open(&self, table: &Arc<TableState>) -> bool {
        let state = self.inner.state.load();
        state.tables.get(table.name()).is_some_and(|now| Arc::ptr_eq(now, table))
    }

    /// Reads all rows of a table and makes its statistics anew.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of the store.
    pub fn analyze(&self, table: &str) -> Result<()> {
        let table = Arc::clone(self.inner.state.load().table(table)?);
        self.analyze_state(&table)
    }

    fn analyze_state(&self, table: &TableState) -> Result<()> {
        let snapshot = {
            // No commit is between the snapshot and the statistics that have seen it.
            let _gate = self.inner.gate.write();
            table.statistics.begin_analysis();
            self.inner.store.snapshot()
        };
        let mut found = Collected::default();
        let mut read = || {
            let rows = Reader::Snapshot(&snapshot).range::<&[u8]>(&table.rows.keyspace, ..);
            for item in rows {
                let (key, stored) = item.map_err(Error::of_index(table.name()))?;
                let schema = table.rows.schema.load();
                let row = RowView::new(&schema, row_id_of(&key).unwrap_or(0), &stored)?;
                found.analyze(&schema, &row, table.statistics.rng());
            }
            Ok(())
        };
        let outcome = read();
        table.statistics.end_analysis(outcome.is_ok().then_some(found));
        outcome
    }
}

impl Inner {
    /// Writes the statistics that have changed into the catalog.
    fn save_statistics(&self, only_much: bool) -> Result<()> {
        let state = self.state.load_full();
        let mut batch = self.store.batch();
        for table in state.tables.values() {
            if let Some(bytes) = table.statistics.to_save(only_much) {
                batch.insert(&self.catalog, statistics::key(table.id()), bytes);
            }
        }
        if !batch.is_empty() {
            batch.commit()?;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What is not saved is made anew after the next open.
        let _ = self.save_statistics(false);
    }
}

/// The thread. Dropping this ends it, and waits for what it is doing.
#[derive(Debug)]
pub(crate) struct Upkeep {
    ending: Arc<Ending>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Ending {
    is_wanted: Mutex<bool>,
    changed: Condvar,
}

impl Upkeep {
    /// Starts the thread, unless the store's maintenance is stepped. Without a thread, for which
    /// the system may have no room, upkeep is up to the caller.
    pub(crate) fn start(inner: &Arc<Inner>) -> Option<Arc<Self>> {
        if inner.store.maintenance() == Maintenance::Stepped {
            return None;
        }
        let ending = Arc::new(Ending::default());
        let (seen, tables) = (Arc::clone(&ending), Arc::downgrade(inner));
        let thread = std::thread::Builder::new().name("lightning-tables".to_owned());
        let thread = thread.spawn(move || run(&seen, &tables)).ok()?;
        Some(Arc::new(Self { ending, thread: Mutex::new(Some(thread)) }))
    }
}

fn run(ending: &Ending, tables: &Weak<Inner>) {
    loop {
        let mut is_wanted = ending.is_wanted.lock();
        if !*is_wanted {
            ending.changed.wait_for(&mut is_wanted, REST);
        }
        if *is_wanted {
            return;
        }
        drop(is_wanted);
        let Some(inner) = tables.upgrade() else { return };
        // What failed now is tried again after the next rest, and by the writes that need it.
        let _ = Tables::of_inner(inner).upkeep();
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        *self.ending.is_wanted.lock() = true;
        self.ending.changed.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}
