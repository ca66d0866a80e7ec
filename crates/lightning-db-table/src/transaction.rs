//! Writing rows: row, index entries and constraints in one commit.

mod define;
mod savepoint;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lightning_db_index::{Columns, Reader, RowChange, row_id_of, row_key};
use lightning_db_storage::{
    CommitOutcome, Isolation, Savepoint, Slice, Transaction, TransactionOptions,
};
use lightning_db_types::Value;

use crate::catalog::{IndexRole, IndexState};
use crate::error::{Error, Result, RowName};
use crate::foreign_keys;
use crate::row::Row;
use crate::serial;
use crate::snapshot::{TableReader, TableSnapshot};
use crate::statistics::Change;
use crate::table::{Identity, OpenIndex, Table, TableState, shown};
use crate::tables::{Inner, State};
use crate::values::{self, IntoRow, Values};
use define::Defined;

/// Reads of one state of all tables, and writes that are committed together.
///
/// A statement that fails leaves nothing behind; the transaction may go on. A conflict is found at
/// commit.
#[derive(Debug)]
#[must_use = "a transaction does nothing before `commit`"]
pub struct TableTransaction {
    inner: Arc<Inner>,
    state: Arc<State>,
    transaction: Transaction,
    isolation: Isolation,
    now_ms: u64,
    /// Tables that it wrote, by number.
    written: BTreeMap<u32, Written>,
    /// What it has changed of the tables.
    defined: Option<Box<Defined>>,
    /// The tables at each savepoint, the newest last.
    savepoints: Vec<(Savepoint, Arc<State>)>,
}

/// What a transaction wrote to a table.
#[derive(Debug)]
struct Written {
    table: Arc<TableState>,
    /// Rows that it changed, as they were before it.
    before: HashMap<u64, Option<Slice>, foldhash::fast::RandomState>,
}

impl TableTransaction {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        transaction: Transaction,
        options: TransactionOptions,
        state: Arc<State>,
    ) -> Self {
        let (inner, written) = (Arc::clone(inner), BTreeMap::new());
        let now_ms = transaction.unix_ms();
        let (isolation, defined, savepoints) = (options.isolation, None, Vec::new());
        Self { inner, state, transaction, isolation, now_ms, written, defined, savepoints }
    }

    /// Number of the state of the definitions that it sees; see
    /// [`TableSnapshot::version`](crate::TableSnapshot::version).
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// Names of all tables, in order.
    pub fn names(&self) -> Vec<String> {
        self.state.tables.keys().cloned().collect()
    }

    /// A table as it is for this transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn table(&self, name: &str) -> Result<Table> {
        self.state.table(name).map(|state| Table { state: Arc::clone(state) })
    }

    /// Reads of one table, the transaction's own writes among them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the table is not there for this transaction.
    pub fn read(&self, table: &Table) -> Result<TableReader<'_>> {
        self.state.current(table).map(|table| self.read_state(table))
    }

    pub(crate) fn read_state<'a>(&'a self, table: &'a Arc<TableState>) -> TableReader<'a> {
        TableReader { table, reader: Reader::Transaction(&self.transaction), now_ms: self.now_ms }
    }

    /// The state that it reads: without its own writes, and noted for no conflict.
    pub fn snapshot(&self) -> TableSnapshot {
        TableSnapshot::new(self.transaction.snapshot(), Arc::clone(&self.state))
    }

    /// The transaction of the store beneath, for keyspaces that are no tables.
    pub fn storage(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(crate) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// What a table is for this transaction.
    fn current(&self, table: &Table) -> Result<Arc<TableState>> {
        self.state.current(table).map(Arc::clone)
    }

    /// Adds a row; gives its number.
    ///
    /// # Errors
    /// [`Error::Duplicate`], [`Error::Unique`], [`Error::Value`], [`Error::Check`],
    /// [`Error::ForeignKey`], [`Error::Index`]; those of the store.
    pub fn insert(&mut self, table: &Table, row: impl IntoRow) -> Result<u64> {
        let table = self.current(table)?;
        let values = self.new_values(&table, row)?;
        self.statement(&table, |this, table| this.insert_values(table, &values))
    }

    /// Adds rows; gives their numbers. All of them, or none.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_many<R: IntoRow>(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Vec<u64>> {
        let table = self.current(table)?;
        self.statement(&table, |this, table| {
            let insert = |row| this.insert_values(table, &this.new_values(table, row)?);
            rows.into_iter().map(insert).collect()
        })
    }

    /// Adds a row, or replaces the one with its primary key; gives its number.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); [`Error::Definition`] if the table has no primary key.
    pub fn upsert(&mut self, table: &Table, row: impl IntoRow) -> Result<u64> {
        let table = self.current(table)?;
        let values = self.new_values(&table, row)?;
        let key = key_of(&table, &values);
        self.statement(&table, |this, table| match this.find_live(table, &key)? {
            Some(old) => this.replace_values(table, &old, &values),
            None => this.insert_values(table, &values),
        })
    }

    /// Replaces the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn update(&mut self, table: &Table, key: &[Value], row: impl IntoRow) -> Result<bool> {
        let table = self.current(table)?;
        let values = values::of_insert(&table, row, |_| Ok(()))?;
        self.statement(&table, |this, table| match this.find_live(table, key)? {
            Some(old) => this.replace_values(table, &old, &values).map(|_| true),
            None => Ok(false),
        })
    }

    /// Sets some columns of the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn patch(&mut self, table: &Table, key: &[Value], row: impl IntoRow) -> Result<bool> {
        let table = self.current(table)?;
        self.statement(&table, |this, table| match this.find_live(table, key)? {
            Some(old) => {
                let values = values::of_patch(table, values_of(table, &old), row)?;
                this.replace_values(table, &old, &values).map(|_| true)
            }
            None => Ok(false),
        })
    }

    /// Sets some columns of a row; says whether there is one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn patch_row(&mut self, table: &Table, row_id: u64, row: impl IntoRow) -> Result<bool> {
        let table = self.current(table)?;
        self.statement(&table, |this, table| match this.read_state(table).get_by_id(row_id)? {
            Some(old) => {
                let values = values::of_patch(table, values_of(table, &old), row)?;
                this.replace_values(table, &old, &values).map(|_| true)
            }
            None => Ok(false),
        })
    }

    /// Removes the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// [`Error::ForeignKey`] if a row names it that may not lose it; those of the store.
    pub fn delete(&mut self, table: &Table, key: &[Value]) -> Result<bool> {
        let table = self.current(table)?;
        self.statement(&table, |this, table| match this.find_live(table, key)? {
            Some(old) => this.remove_values(table, &old).map(|()| true),
            None => Ok(false),
        })
    }

    /// Removes a row, also one that has ended; says whether there was one.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn remove_row(&mut self, table: &Table, row_id: u64) -> Result<bool> {
        let table = self.current(table)?;
        self.statement(&table, |this, table| this.remove_by_id(table, row_id))
    }

    /// Runs a statement, and takes back what it wrote if it fails.
    fn statement<T>(
        &mut self,
        table: &Arc<TableState>,
        run: impl FnOnce(&mut Self, &Arc<TableState>) -> Result<T>,
    ) -> Result<T> {
        let savepoint = self.transaction.savepoint();
        let outcome = run(self, table);
        if outcome.is_err() {
            self.transaction.rollback_to(savepoint)?;
        }
        self.transaction.release(savepoint)?;
        outcome
    }

    /// Commits, unless another commit since the snapshot stands against it, or a table that it
    /// wrote has been changed.
    ///
    /// # Errors
    /// Those of the store, and of deferred constraints; nothing is changed then.
    pub fn commit(self) -> Result<CommitOutcome> {
        let mut changes = Vec::with_capacity(self.written.len());
        for Written { table, before } in self.written.values() {
            for open in &table.indexes {
                let verified = open.index.verify_deferred(&self.transaction);
                verified.map_err(Error::of_index(table.name()))?;
            }
            changes.push((Arc::clone(table), self.changes_of(table, before)));
        }
        let Self { inner, state, transaction, written, defined, .. } = self;
        let outcome = if let Some(defined) = defined {
            let written: Vec<u32> = written.into_keys().collect();
            defined.commit(transaction, &state, &written)?
        } else {
            let _gate = inner.gate.read();
            let now = inner.state.load();
            let is_now = |table: &Arc<TableState>| {
                now.tables.get(table.name()).is_some_and(|now| Arc::ptr_eq(now, table))
            };
            if !changes.iter().all(|(table, _)| is_now(table)) {
                return Ok(CommitOutcome::Conflict);
            }
            transaction.commit()?
        };
        if outcome.is_committed() {
            for (table, changes) in &changes {
                table.statistics.apply(&table.schema, changes);
            }
        }
        Ok(outcome)
    }

    /// Drops all writes.
    pub fn rollback(self) {}

    /// The rows of a table that the transaction leaves changed.
    fn changes_of(
        &self,
        table: &TableState,
        before: &HashMap<u64, Option<Slice>, foldhash::fast::RandomState>,
    ) -> Vec<Change> {
        let writes = self.transaction.writes(&table.rows.keyspace);
        let change = |(key, new): (&[u8], Option<&[u8]>)| {
            let row_id = row_id_of(key)?;
            let (old, new) = (before.get(&row_id)?.clone(), new.map(Slice::from));
            (old.is_some() || new.is_some()).then_some(Change { row_id, old, new })
        };
        writes.filter_map(change).collect()
    }

    fn find_live(&self, table: &Arc<TableState>, key: &[Value]) -> Result<Option<Row>> {
        self.read_state(table).get(key)
    }

    pub(crate) fn remove_by_id(&mut self, table: &Arc<TableState>, row_id: u64) -> Result<bool> {
        let stored = self.transaction.get(&table.rows.keyspace, row_key(row_id))?;
        let Some(stored) = stored else { return Ok(false) };
        let old = Row::new(&table.schema, row_id, stored)?;
        self.remove_values(table, &old).map(|()| true)
    }

    /// The values of a new row, with the number that the table gives it.
    fn new_values(&self, table: &TableState, row: impl IntoRow) -> Result<Values> {
        values::of_insert(table, row, |values| serial::fill(&self.inner, table, values))
    }

    fn insert_values(&mut self, table: &Arc<TableState>, values: &Values) -> Result<u64> {
        let row_id = match table.identity {
            Identity::Number { column, .. } => {
                let row_id = table.number_of(values[column].as_value_ref());
                row_id.ok_or_else(|| not_a_number(table, values))?
            }
            Identity::Indexed => {
                // Its index refuses a second row with a key, unless it is being repaired.
                if table.index_of(IndexRole::Primary).is_none()
                    && self.find_live(table, &key_of(table, values))?.is_some()
                {
                    return Err(duplicate(table, values));
                }
                table.row_ids.next(&self.inner.store, &self.inner.catalog)?
            }
            Identity::Hidden => table.row_ids.next(&self.inner.store, &self.inner.catalog)?,
        };
        if matches!(table.identity, Identity::Number { .. })
            && self.transaction.contains(&table.rows.keyspace, row_key(row_id))?
        {
            if self.read_state(table).get_by_id(row_id)?.is_some() {
                return Err(duplicate(table, values));
            }
            self.remove_by_id(table, row_id)?;
        }
        self.write(table, row_id, None, Some(values))?;
        Ok(row_id)
    }

    pub(crate) fn replace_values(
        &mut self,
        table: &Arc<TableState>,
        old: &Row,
        values: &Values,
    ) -> Result<u64> {
        foreign_keys::before_replace(self, table, old, values)?;
        if let Identity::Number { column, .. } = table.identity
            && table.number_of(values[column].as_value_ref()) != Some(old.row_id())
        {
            // The number of a row is its key: a new key is a new row.
            self.write(table, old.row_id(), Some(old), None)?;
            return self.insert_values(table, values);
        }
        self.write(table, old.row_id(), Some(old), Some(values))?;
        Ok(old.row_id())
    }

    /// Removes a row, and those that go with it.
    fn remove_values(&mut self, table: &Arc<TableState>, old: &Row) -> Result<()> {
        let mut removed = vec![(Arc::clone(table), old.clone())];
        while let Some((table, row)) = removed.pop() {
            let key = row_key(row.row_id());
            // Rows that name each other in a circle come by more than once.
            if !self.transaction.contains(&table.rows.keyspace, key)? {
                continue;
            }
            self.write(&table, row.row_id(), Some(&row), None)?;
            foreign_keys::after_remove(self, &table, &row, &mut removed)?;
        }
        Ok(())
    }

    /// Writes a row and its entries in all indexes.
    fn write(
        &mut self,
        table: &Arc<TableState>,
        row_id: u64,
        old: Option<&Row>,
        new: Option<&Values>,
    ) -> Result<()> {
        if let Some(new) = new {
            foreign_keys::check_references(self, table, new)?;
        }
        let written = self.written.entry(table.id());
        let written = written
            .or_insert_with(|| Written { table: Arc::clone(table), before: HashMap::default() });
        written.before.entry(row_id).or_insert_with(|| old.map(Row::stored));
        let change = RowChange {
            row_id,
            old: old.map(|row| row as &dyn Columns),
            new: new.map(|values| values as &dyn Columns),
        };
        for open in &table.indexes {
            self.maintain(table, open, &change)?;
            if open.state == IndexState::Building {
                let noted = open.index.note_change(&mut self.transaction, row_id);
                noted.map_err(Error::of_index(table.name()))?;
            }
        }
        let key = row_key(row_id);
        match (new, table.schema.layout()) {
            (Some(new), Some(layout)) => {
                let mut stored = Vec::new();
                layout.encode(|id| new[id].as_value_ref(), &mut stored);
                self.transaction.insert(&table.rows.keyspace, key, stored)?;
            }
            _ => self.transaction.remove(&table.rows.keyspace, key)?,
        }
        Ok(())
    }

    /// Brings the entries of one index in line with a change. A row that has ended gives way to one
    /// that takes its key.
    fn maintain(
        &mut self,
        table: &Arc<TableState>,
        open: &OpenIndex,
        change: &RowChange<'_>,
    ) -> Result<()> {
        loop {
            let (index, key, existing) = match open.index.maintain(&mut self.transaction, change) {
                Err(lightning_db_index::Error::Unique { index, key, existing }) => {
                    (index, key, existing)
                }
                outcome => return outcome.map_err(Error::of_index(table.name())),
            };
            let other = self.read_state(table).get_by_id(existing)?;
            if other.is_none() && self.remove_by_id(table, existing)? {
                continue;
            }
            let name = |row: Option<&dyn Columns>, row_id| {
                row.map_or(RowName::Id(existing), |row| table.row_name(row, Some(row_id)))
            };
            let (table_name, row) = (table.name().to_owned(), name(change.new, change.row_id));
            if open.role == IndexRole::Primary {
                return Err(Error::Duplicate { table: table_name, row });
            }
            let existing = name(other.as_ref().map(|row| row as &dyn Columns), existing);
            return Err(Error::Unique { table: table_name, row, index, key, existing });
        }
    }

    /// Takes care that a row that was looked at is still there at commit, whatever the isolation.
    pub(crate) fn hold_row(&mut self, table: &TableState, row_id: u64) -> Result<()> {
        if self.isolation == Isolation::Serializable {
            return Ok(());
        }
        let key = row_key(row_id);
        if let Some(stored) = self.transaction.get(&table.rows.keyspace, key)? {
            self.transaction.insert(&table.rows.keyspace, key, stored)?;
        }
        Ok(())
    }
}

/// Values of the primary key.
pub(crate) fn key_of(table: &TableState, values: &Values) -> Vec<Value> {
    table.schema.record.primary_key.iter().map(|id| values[*id].clone()).collect()
}

/// Values of a stored row, by column id.
pub(crate) fn values_of(table: &TableState, row: &Row) -> Values {
    (0..table.schema.record.columns.len()).map(|id| row.column(id).to_value()).collect()
}

fn duplicate(table: &TableState, values: &Values) -> Error {
    let (table_name, row) = (table.name().to_owned(), table.row_name(values, None));
    Error::Duplicate { table: table_name, row }
}

fn not_a_number(table: &TableState, values: &Values) -> Error {
    let column = table.schema.record.primary_key[0];
    Error::Value {
        table: table.name().to_owned(),
        column: table.schema.column(column).name.clone(),
        row: RowName::New,
        detail: format!("{} is no key of this table", shown(&key_of(table, values))),
    }
}
