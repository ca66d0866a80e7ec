//! All tables of a store: opening them, and beginning reads and writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use lightning_db_index::{Index, IndexDefinition, Reader};
use lightning_db_storage::{Keyspace, KeyspaceOptions, Store, TransactionOptions};
use parking_lot::{Mutex, RwLock};

use crate::catalog::{self, IndexRecord, IndexState};
use crate::error::{Error, Result};
use crate::snapshot::TableSnapshot;
use crate::statistics::TableStatistics;
use crate::table::{Table, TableState, rows_keyspace};
use crate::transaction::TableTransaction;
use crate::upkeep::Upkeep;

/// Tries of [`Tables::run`].
pub(crate) const ATTEMPTS_MAX: u32 = 64;

/// All tables of a store. Cheap to clone; any thread may use it.
///
/// A change of the tables is a commit of its own, or part of a transaction's; it ends the other
/// transactions that were open on a table that it changes with a conflict. There is one `Tables`
/// for a store: a second one would know nothing of the first one's changes.
#[derive(Debug, Clone)]
pub struct Tables {
    pub(crate) inner: Arc<Inner>,
    /// Ends the thread with the last handle.
    _upkeep: Option<Arc<Upkeep>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) catalog: Keyspace,
    /// The newest state; what readers and transactions begin with.
    pub(crate) state: ArcSwap<State>,
    /// Held by commits together, and alone by a change of the catalog while it is made: a commit
    /// then never meets a table that is another than the one its entries were made for.
    pub(crate) gate: RwLock<()>,
    /// One change of the catalog at a time.
    pub(crate) changing: Mutex<()>,
    /// Held while numbers of tables and indexes are taken.
    pub(crate) numbering: Mutex<()>,
    pub(crate) options: TablesOptions,
}

/// The version of the next state.
static VERSION: AtomicU64 = AtomicU64::new(1);

/// All tables at one moment, by name.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// A number that no other state of this process has.
    pub(crate) version: u64,
    pub(crate) tables: BTreeMap<String, Arc<TableState>>,
    /// The same by number.
    by_id: BTreeMap<u32, Arc<TableState>>,
    /// For each table that foreign keys name, who names it and by which of its keys.
    children: BTreeMap<String, Vec<(Arc<TableState>, usize)>>,
}

impl State {
    pub(crate) fn new(tables: BTreeMap<String, Arc<TableState>>) -> Self {
        let mut children = BTreeMap::<String, Vec<_>>::new();
        for table in tables.values() {
            for (at, key) in table.schema.record.foreign_keys.iter().enumerate() {
                children.entry(key.table.clone()).or_default().push((Arc::clone(table), at));
            }
        }
        let by_id = tables.values().map(|table| (table.id(), Arc::clone(table))).collect();
        Self { version: VERSION.fetch_add(1, Ordering::Relaxed), tables, by_id, children }
    }

    /// Tables with a foreign key to a table, and the position of the key among theirs.
    pub(crate) fn children(&self, table: &str) -> &[(Arc<TableState>, usize)] {
        self.children.get(table).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Arc<TableState>> {
        let not_found = || Error::NotFound { what: "table", name: name.to_owned() };
        self.tables.get(name).ok_or_else(not_found)
    }

    pub(crate) fn by_id(&self, id: u32) -> Option<&Arc<TableState>> {
        self.by_id.get(&id)
    }

    /// What a table that was looked up at another time is in this state: it may have had other
    /// columns, indexes, and another name.
    pub(crate) fn current(&self, table: &Table) -> Result<&Arc<TableState>> {
        let not_found = || Error::NotFound { what: "table", name: table.name().to_owned() };
        self.by_id.get(&table.state.id()).ok_or_else(not_found)
    }
}

/// Options of [`Tables::open_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TablesOptions {
    /// Bytes of entries that the build of an index gathers in memory before it writes them as a
    /// sorted run, or to the files of a text index, which is also how much it reads again after a
    /// crash. 64 MiB.
    pub build_memory: usize,
}

impl Default for TablesOptions {
    fn default() -> Self {
        Self { build_memory: 64 << 20 }
    }
}

impl TablesOptions {
    /// These, with another budget of memory for builds.
    #[must_use]
    pub fn build_memory(mut self, bytes: usize) -> Self {
        self.build_memory = bytes;
        self
    }
}

/// What [`Tables::open`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Indexes whose build had not ended: they are built by the next
    /// [`finish_builds`](Tables::finish_builds), and not used before. They go on behind what was
    /// last written of them.
    pub unfinished_indexes: Vec<String>,
    /// Keyspaces of tables and indexes that were being made or dropped when the process ended;
    /// they are removed.
    pub leftovers_removed: Vec<String>,
}

impl Tables {
    /// Whether a store has tables, or had some. Opening them would make the place for them.
    pub fn are_in(store: &Store) -> bool {
        store.open_keyspace(catalog::KEYSPACE).is_ok()
    }

    /// Opens the tables of a store, with all their indexes.
    ///
    /// Unless the store's maintenance is stepped, a thread does what
    /// [`upkeep`](Self::upkeep) does every few seconds, until the last handle is dropped.
    ///
    /// # Errors
    /// Those of the store, and a catalog that cannot be read.
    pub fn open(store: &Store) -> Result<(Self, OpenReport)> {
        Self::open_with(store, TablesOptions::default())
    }

    /// [`open`](Self::open) with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(store: &Store, options: TablesOptions) -> Result<(Self, OpenReport)> {
        let catalog = store.keyspace(catalog::KEYSPACE, KeyspaceOptions::new())?;
        let snapshot = store.snapshot();
        let schemas = catalog::load(Reader::Snapshot(&snapshot), &catalog)?;
        let mut report = OpenReport::default();
        remove_leftovers(store, &schemas, &mut report)?;
        let mut tables = BTreeMap::new();
        for (name, schema) in schemas {
            for IndexRecord { definition, state, .. } in &schema.record.indexes {
                match state {
                    IndexState::Building => {
                        report.unfinished_indexes.push(definition.name.clone());
                        recover(store, definition)?;
                    }
                    IndexState::Ready => {
                        Index::forget_build(store, definition).map_err(Error::catalog)?;
                    }
                }
            }
            let statistics = TableStatistics::load(&catalog, schema.record.id)?;
            let table = TableState::open(store, schema.record.clone(), None)?;
            table.statistics.restore(statistics, table.rows.keyspace.approximate_len());
            tables.insert(name, Arc::new(table));
        }
        let inner = Arc::new(Inner {
            store: store.clone(),
            catalog,
            state: ArcSwap::from_pointee(State::new(tables)),
            gate: RwLock::new(()),
            changing: Mutex::new(()),
            numbering: Mutex::new(()),
            options,
        });
        let upkeep = Upkeep::start(&inner);
        Ok((Self { inner, _upkeep: upkeep }, report))
    }

    /// Handle for work that ends by itself: it does not keep the thread going.
    pub(crate) fn of_inner(inner: Arc<Inner>) -> Self {
        Self { inner, _upkeep: None }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Names of all tables, in order.
    pub fn names(&self) -> Vec<String> {
        self.inner.state.load().tables.keys().cloned().collect()
    }

    /// A table as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn table(&self, name: &str) -> Result<Table> {
        self.inner.state.load().table(name).map(|state| Table { state: Arc::clone(state) })
    }

    /// The state of all tables now, with their columns and indexes of now.
    pub fn snapshot(&self) -> TableSnapshot {
        let _gate = self.inner.gate.read();
        TableSnapshot::new(self.inner.store.snapshot(), self.inner.state.load_full())
    }

    /// A serializable transaction at the store's durability level.
    pub fn transaction(&self) -> TableTransaction {
        self.transaction_with(TransactionOptions::default())
    }

    /// A transaction.
    pub fn transaction_with(&self, options: TransactionOptions) -> TableTransaction {
        let _gate = self.inner.gate.read();
        let transaction = self.inner.store.transaction_with(options);
        TableTransaction::new(&self.inner, transaction, options, self.inner.state.load_full())
    }

    /// Runs `body` in a serializable transaction and commits it; after a conflict, runs it again on
    /// a new snapshot, up to 64 times.
    ///
    /// # Errors
    /// Those of `body`, which end it without a commit; those of a commit;
    /// [`Contention`](lightning_db_storage::Error::Contention) if every try ended in a conflict.
    pub fn run<T>(&self, body: impl FnMut(&mut TableTransaction) -> Result<T>) -> Result<T> {
        self.run_with(TransactionOptions::default(), body)
    }

    /// [`run`](Self::run) with options.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with<T>(
        &self,
        options: TransactionOptions,
        mut body: impl FnMut(&mut TableTransaction) -> Result<T>,
    ) -> Result<T> {
        for attempt in 0..ATTEMPTS_MAX {
            let mut transaction = self.transaction_with(options);
            let value = body(&mut transaction)?;
            if transaction.commit()?.is_committed() {
                return Ok(value);
            }
            self.inner.store.back_off(attempt);
        }
        Err(lightning_db_storage::Error::Contention { attempts: ATTEMPTS_MAX }.into())
    }
}

/// Leaves of an index whose build was cut short what the next build can use.
fn recover(store: &Store, definition: &IndexDefinition) -> Result<()> {
    match Index::recover_build(store, definition) {
        // Nobody writes, and nobody asks the index.
        Err(lightning_db_index::Error::Storage(lightning_db_storage::Error::ReadOnly)) => Ok(()),
        recovered => recovered.map_err(Error::catalog),
    }
}

/// Removes keyspaces of tables and indexes that the catalog does not name.
fn remove_leftovers(
    store: &Store,
    schemas: &catalog::Schemas,
    report: &mut OpenReport,
) -> Result<()> {
    let tables = schemas.values().map(|schema| rows_keyspace(schema.record.id));
    let tables: Vec<String> = tables.collect();
    let indexes = schemas.values().flat_map(|schema| &schema.record.indexes);
    let indexes: Vec<String> = indexes.map(|index| index.definition.keyspace_prefix()).collect();
    for name in store.keyspaces() {
        let of_table = name.starts_with("table/") && !tables.contains(&name);
        let of_index = name.starts_with("index/")
            && !indexes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        if of_table || of_index {
            match store.drop_keyspace(&name) {
                // They do no harm to a reader.
                Err(lightning_db_storage::Error::ReadOnly) => {}
                removed => {
                    removed?;
                    report.leftovers_removed.push(name);
                }
            }
        }
    }
    Ok(())
}
