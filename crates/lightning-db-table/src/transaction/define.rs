//! Changes of the tables: seen by their transaction at once, and by all others with its commit.
//!
//! A changed table is one that the state of the transaction has otherwise than the state that it
//! began with; the commit writes the records of these to the catalog, beside the rows. Keyspaces
//! of new tables and indexes are made at once. Those that no state names when the transaction ends
//! are removed then, or by the next open.
//!
//! A table that was there before is claimed by the transaction that changes its columns, until that
//! ends: indexes read the rows of all its states by way of the newest columns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning_db_index::{Index, IndexDefinition, Reader, RowChange, RowStore};
use lightning_db_storage::{CommitOutcome, Isolation, Transaction};

use super::{TableTransaction, Written};
use crate::alter::Alteration;
use crate::build::stored_row;
use crate::catalog::{self, IndexRecord, IndexRole, IndexState, TableRecord};
use crate::definition;
use crate::error::{Error, Result};
use crate::schema::TableDefinition;
use crate::spec::IndexSpec;
use crate::statistics;
use crate::table::{Table, TableState, primary_index, rows_keyspace};
use crate::tables::{Inner, State};

/// What a transaction has changed of the tables. Dropped without a commit, it is taken back.
#[derive(Debug)]
pub(super) struct Defined {
    inner: Arc<Inner>,
    /// The tables without the changes.
    before: Arc<State>,
    /// Keyspaces that one of the states names, but perhaps not the one that stays.
    places: Vec<Place>,
    claimed: Vec<Arc<TableState>>,
    /// The tables with the changes, once these are committed.
    after: Option<Arc<State>>,
}

/// Whose keyspaces these are.
#[derive(Debug)]
enum Place {
    Table(u32),
    Index(IndexDefinition),
}

impl Place {
    fn of_table(record: &TableRecord) -> impl Iterator<Item = Self> {
        let indexes = record.indexes.iter().map(|index| Self::Index(index.definition.clone()));
        indexes.chain([Self::Table(record.id)])
    }

    fn is_in(&self, state: &State) -> bool {
        match self {
            Self::Table(id) => state.by_id(*id).is_some(),
            Self::Index(definition) => state.tables.values().any(|table| {
                table.indexes.iter().any(|open| open.index.definition().id == definition.id)
            }),
        }
    }
}

/// Definitions, which are committed with the writes of the transaction.
impl TableTransaction {
    /// Makes a table with its indexes.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Definition`], [`Error::NotFound`] for what a foreign key names;
    /// those of the store.
    ///
    /// # Examples
    /// ```
    /// use lightning_db_storage::Store;
    /// use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition, Tables};
    /// # let dir = tempfile::tempdir()?;
    /// let (store, _) = Store::open(dir.path())?;
    /// let (tables, _) = Tables::open(&store)?;
    /// let mut transaction = tables.transaction();
    /// let notes = TableDefinition::new("notes")
    ///     .column(ColumnDefinition::new("id", ColumnType::I64))
    ///     .column(ColumnDefinition::new("text", ColumnType::Text))
    ///     .primary_key([0]);
    /// let notes = transaction.create_table(notes)?;
    /// transaction.insert(&notes, [("id", 1_i64.into()), ("text", "begun".into())])?;
    /// assert!(tables.names().is_empty());
    /// assert!(transaction.commit()?.is_committed());
    /// assert_eq!(tables.names(), ["notes"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_table(&mut self, definition: TableDefinition) -> Result<Table> {
        definition::check(&definition, &self.state)?;
        let mut tables = self.state.tables.clone();
        // Transactions that do not know of the new table's rows might remove one that these name.
        for key in &definition.foreign_keys {
            if let Some(named) = tables.get_mut(&key.table) {
                *named = Arc::new(TableState::clone(named));
            }
        }
        let record = self.inner.record(definition)?;
        self.defined().places.extend(Place::of_table(&record));
        let table = Arc::new(TableState::open(&self.inner.store, record, None)?);
        tables.insert(table.name().to_owned(), Arc::clone(&table));
        self.redefine(tables);
        Ok(Table { state: table })
    }

    /// Drops a table with its indexes. Snapshots that are open still read it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Definition`] if a foreign key of another table names it.
    pub fn drop_table(&mut self, name: &str) -> Result<()> {
        let table = Arc::clone(self.state.table(name)?);
        definition::check_unreferenced(&self.state, name)?;
        self.defined().places.extend(Place::of_table(&table.schema.record));
        let mut tables = self.state.tables.clone();
        tables.remove(name);
        self.redefine(tables);
        Ok(())
    }

    /// Changes a table without rewriting its rows.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exists`], [`Error::Definition`], [`Error::Changing`]; those of
    /// the store.
    pub fn alter_table(&mut self, name: &str, alteration: Alteration) -> Result<Table> {
        let before = Arc::clone(self.state.table(name)?);
        let record = alteration.apply(&before, &self.state)?;
        if !self.has_made(&before) {
            self.defined().claim(&before)?;
        }
        let state = self.replace(&before, record)?;
        Ok(Table { state })
    }

    /// Adds an index with the rows that are there. Its entries are writes of the transaction, and
    /// stay in memory until the commit: an index of a large table is better made by
    /// [`Tables::create_index`](crate::Tables::create_index).
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotFound`], [`Error::Unique`], [`Error::Index`];
    /// [`Error::Definition`] unless the transaction is serializable or has made the table; those of
    /// the store.
    pub fn create_index(&mut self, table: &str, spec: IndexSpec) -> Result<()> {
        definition::check_index_name(&self.state, &spec.name)?;
        let before = Arc::clone(self.state.table(table)?);
        definition::check_index(&before.schema.record, &spec)?;
        if self.isolation != Isolation::Serializable && !self.has_made(&before) {
            let detail = format!(
                "index {}: rows that others add meanwhile would not be in it; make it in a \
                 serializable transaction, or in none",
                spec.name
            );
            return Err(Error::Definition { table: table.to_owned(), detail });
        }
        let definition = self.inner.numbered(spec)?;
        let mut record = before.schema.record.clone();
        let (state, role) = (IndexState::Ready, IndexRole::Declared);
        self.defined().places.push(Place::Index(definition.clone()));
        record.indexes.push(IndexRecord { definition, state, role });
        let tables = Arc::clone(&self.state);
        let after = self.replace(&before, record)?;
        let savepoint = self.transaction.savepoint();
        let filled = self.fill(&after);
        if filled.is_err() {
            self.transaction.rollback_to(savepoint)?;
            self.return_to(tables);
        }
        self.transaction.release(savepoint)?;
        filled
    }

    /// Drops an index.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Definition`] if the table or a foreign key cannot be without
    /// it; those of the store.
    pub fn drop_index(&mut self, table: &str, name: &str) -> Result<()> {
        definition::check_index_is_free(&self.state, table, name)?;
        let before = Arc::clone(self.state.table(table)?);
        let mut record = before.schema.record.clone();
        let dropped = record.indexes.extract_if(.., |index| index.definition.name == name);
        let dropped: Vec<Place> = dropped.map(|index| Place::Index(index.definition)).collect();
        self.defined().places.extend(dropped);
        self.replace(&before, record).map(drop)
    }

    fn defined(&mut self) -> &mut Defined {
        let (inner, before) = (&self.inner, &self.state);
        self.defined.get_or_insert_with(|| {
            let (inner, before) = (Arc::clone(inner), Arc::clone(before));
            let (places, claimed, after) = (Vec::new(), Vec::new(), None);
            Box::new(Defined { inner, before, places, claimed, after })
        })
    }

    fn has_made(&self, table: &TableState) -> bool {
        self.defined.as_ref().is_some_and(|it| it.before.by_id(table.id()).is_none())
    }

    /// Makes a table one with another record.
    fn replace(
        &mut self,
        before: &Arc<TableState>,
        record: TableRecord,
    ) -> Result<Arc<TableState>> {
        self.defined();
        let after = Arc::new(TableState::open(&self.inner.store, record, Some(&**before))?);
        let mut tables = self.state.tables.clone();
        tables.remove(before.name());
        tables.insert(after.name().to_owned(), Arc::clone(&after));
        self.redefine(tables);
        Ok(after)
    }

    fn redefine(&mut self, tables: BTreeMap<String, Arc<TableState>>) {
        self.return_to(Arc::new(State::new(tables)));
    }

    /// Adds the rows of a table to its last index.
    fn fill(&mut self, table: &Arc<TableState>) -> Result<()> {
        let Some(open) = table.indexes.last() else { return Ok(()) };
        let (rows, mut ids): (&dyn RowStore, _) = (&*table.rows, Vec::new());
        let noted =
            rows.for_each_after(Reader::Transaction(&self.transaction), None, &mut |id, _| {
                ids.push(id);
                Ok(())
            });
        noted.map_err(Error::of_index(table.name()))?;
        for row_id in ids {
            let row = stored_row(table, Reader::Transaction(&self.transaction), row_id)?;
            let Some(row) = row else { continue };
            self.maintain(table, open, &RowChange { row_id, old: None, new: Some(&row) })?;
        }
        // What it leaves to the commit is verified there.
        let written = || Written { table: Arc::clone(table), before: HashMap::default() };
        self.written.entry(table.id()).or_insert_with(written);
        Ok(())
    }
}

impl Defined {
    /// Takes care that nobody else changes the columns of a table until the transaction ends.
    fn claim(&mut self, table: &Arc<TableState>) -> Result<()> {
        if self.claimed.iter().any(|claimed| claimed.id() == table.id()) {
            return Ok(());
        }
        let _changing = self.inner.changing.lock();
        let changing = || Error::Changing { table: table.name().to_owned() };
        let is_now =
            self.before.by_id(table.id()).is_some_and(|it| is_same(it, &self.inner.state.load()));
        if !is_now || table.rows.claimed.swap(true, Ordering::Relaxed) {
            return Err(changing());
        }
        self.claimed.push(Arc::clone(table));
        Ok(())
    }

    /// Has indexes read the rows of claimed tables with the columns that these have in a state.
    pub(super) fn read_as_in(&self, state: &State) {
        for table in self.claimed.iter().filter_map(|claimed| state.by_id(claimed.id())) {
            table.rows.schema.store(Arc::clone(&table.schema));
        }
    }

    /// Commits a transaction with the changes that lead to `after`, unless one of the tables in it
    /// that it depends on is another by now. `written` are those that it wrote.
    pub(super) fn commit(
        mut self,
        mut transaction: Transaction,
        after: &Arc<State>,
        written: &[u32],
    ) -> Result<CommitOutcome> {
        let inner = Arc::clone(&self.inner);
        // These end before what is left is removed.
        let _changing = inner.changing.lock();
        let _gate = inner.gate.write();
        let now = inner.state.load_full();
        let Some(tables) = self.merged(&now, after, written) else {
            return Ok(CommitOutcome::Conflict);
        };
        for table in after.tables.values().filter(|table| !is_same(table, &self.before)) {
            let record = &table.schema.record;
            let key = catalog::table_key(record.id);
            transaction.insert(&inner.catalog, key, catalog::encode(record))?;
        }
        let removed = self.before.tables.values().filter(|it| after.by_id(it.id()).is_none());
        for table in removed {
            transaction.remove(&inner.catalog, catalog::table_key(table.id()))?;
            transaction.remove(&inner.catalog, table.row_ids.key())?;
            transaction.remove(&inner.catalog, table.serial.key())?;
            transaction.remove(&inner.catalog, statistics::key(table.id()))?;
        }
        let outcome = transaction.commit()?;
        if outcome.is_committed() {
            inner.state.store(Arc::new(State::new(tables)));
            self.after = Some(Arc::clone(after));
        }
        Ok(outcome)
    }

    /// The tables as they are now, with the changes. `None` if there is a conflict.
    fn merged(
        &self,
        now: &State,
        after: &State,
        written: &[u32],
    ) -> Option<BTreeMap<String, Arc<TableState>>> {
        let mut tables = now.tables.clone();
        for table in self.before.tables.values() {
            let is_changed = after.by_id(table.id()).is_none_or(|it| !Arc::ptr_eq(it, table));
            if !is_changed && !written.contains(&table.id()) {
                continue;
            }
            if !is_same(table, now) {
                return None;
            }
            if is_changed {
                tables.remove(table.name());
            }
        }
        let indexes = tables.values().flat_map(|table| &table.indexes);
        let mut indexes: Vec<String> =
            indexes.map(|open| open.index.definition().name.clone()).collect();
        indexes.sort_unstable();
        for table in after.tables.values().filter(|table| !is_same(table, &self.before)) {
            let mut names = table.indexes.iter().map(|open| &open.index.definition().name);
            let is_taken = names.any(|name| indexes.binary_search(name).is_ok());
            if is_taken || tables.insert(table.name().to_owned(), Arc::clone(table)).is_some() {
                return None;
            }
        }
        Some(tables)
    }
}

/// Whether a state has a table as it is here.
fn is_same(table: &Arc<TableState>, state: &State) -> bool {
    state.by_id(table.id()).is_some_and(|known| Arc::ptr_eq(known, table))
}

impl Drop for Defined {
    fn drop(&mut self) {
        // Nobody else has changed the columns meanwhile.
        self.read_as_in(&self.inner.state.load());
        for claimed in &self.claimed {
            claimed.rows.claimed.store(false, Ordering::Relaxed);
        }
        let left = self.after.as_ref().unwrap_or(&self.before);
        for place in self.places.iter().filter(|place| !place.is_in(left)) {
            // What cannot be removed now is removed by the next open.
            let _ = match place {
                Place::Table(id) => self.inner.store.drop_keyspace(&rows_keyspace(*id)).is_ok(),
                Place::Index(definition) => Index::drop(&self.inner.store, definition).is_ok(),
            };
        }
    }
}

/// Numbers of tables and indexes, which no other ever gets.
impl Inner {
    /// The record of a new table, whose indexes hold all of its no rows.
    fn record(&self, definition: TableDefinition) -> Result<TableRecord> {
        self.with_ids(|take| {
            let mut record = TableRecord {
                id: take(),
                columns: definition::columns(definition.columns),
                name: definition.name,
                version: 0,
                primary_key: definition.primary_key,
                foreign_keys: definition.foreign_keys,
                checks: definition.checks,
                indexes: Vec::new(),
                expires_at: definition.expires_at,
                serial: definition.serial,
            };
            let mut indexes = Vec::new();
            if definition::needs_primary_index(&record) {
                indexes.push((primary_index(&record, take()), IndexRole::Primary));
            }
            if let Some(column) = record.expires_at {
                let expiry = definition::expiry_index(&record, column, take());
                indexes.push((expiry, IndexRole::Expiry));
            }
            let declared = definition.indexes.into_iter();
            indexes.extend(declared.map(|spec| (spec.with_id(take()), IndexRole::Declared)));
            let state = IndexState::Ready;
            let ready = |(definition, role)| IndexRecord { definition, state, role };
            record.indexes = indexes.into_iter().map(ready).collect();
            record
        })
    }

    fn numbered(&self, spec: IndexSpec) -> Result<IndexDefinition> {
        self.with_ids(|take| spec.with_id(take()))
    }

    /// Makes something with numbers, which are saved as used before it is.
    pub(crate) fn with_ids<T>(&self, make: impl FnOnce(&mut dyn FnMut() -> u32) -> T) -> Result<T> {
        let _numbering = self.numbering.lock();
        let next = self.catalog.get(catalog::NEXT_ID_KEY)?;
        let next = next.as_deref().and_then(<[u8]>::first_chunk);
        let mut next = next.map_or(1, |next| u32::from_be_bytes(*next));
        let numbered = make(&mut || {
            next += 1;
            next - 1
        });
        self.catalog.insert(catalog::NEXT_ID_KEY, next.to_be_bytes())?;
        Ok(numbered)
    }
}
