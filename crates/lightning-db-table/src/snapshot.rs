//! Reading tables: as of one commit, or within a transaction.

use std::ops::{Bound, ControlFlow, RangeInclusive};
use std::sync::Arc;

use lightning_db_index::{
    Estimate, Expression, Index, IndexQuery, Reader, ReaderRange, RowExpression, RowPlan, RowSet,
    row_id_of, row_key,
};
use lightning_db_storage::Snapshot;
use lightning_db_types::{Value, ValueRef};

use crate::catalog::IndexRole;
use crate::definition;
use crate::error::{Error, Result};
use crate::expiry::{ended_rows, micros};
use crate::foreign_keys::find_equal;
use crate::kinds;
use crate::row::{Row, RowView};
use crate::statistics::{self, ColumnStatistics};
use crate::table::{Identity, Table, TableState};
use crate::tables::State;

/// Repeatable reads over all tables, with the columns and indexes of that moment.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    snapshot: Snapshot,
    state: Arc<State>,
}

impl TableSnapshot {
    pub(crate) fn new(snapshot: Snapshot, state: Arc<State>) -> Self {
        Self { snapshot, state }
    }

    /// Number of the last commit that it sees.
    pub fn lsn(&self) -> u64 {
        self.snapshot.lsn()
    }

    /// Number of this state of the definitions: another one after each change of a table or index,
    /// and in each process.
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// Names of all tables, in order.
    pub fn names(&self) -> Vec<String> {
        self.state.tables.keys().cloned().collect()
    }

    /// A table as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn table(&self, name: &str) -> Result<Table> {
        self.state.table(name).map(|state| Table { state: Arc::clone(state) })
    }

    /// The state of the store beneath.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads of one table.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the table was not there.
    pub fn read(&self, table: &Table) -> Result<TableReader<'_>> {
        self.state.current(table).map(|table| self.read_state(table))
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(crate) fn read_state<'a>(&'a self, table: &'a Arc<TableState>) -> TableReader<'a> {
        let now_ms = self.snapshot.unix_ms();
        TableReader { table, reader: Reader::Snapshot(&self.snapshot), now_ms }
    }
}

/// Reads of one table, of a snapshot or within a transaction.
#[derive(Debug, Clone, Copy)]
pub struct TableReader<'a> {
    pub(crate) table: &'a Arc<TableState>,
    pub(crate) reader: Reader<'a>,
    /// Time by which expiry is judged.
    pub(crate) now_ms: u64,
}

impl<'a> TableReader<'a> {
    /// What indexes read from.
    pub fn reader(&self) -> Reader<'a> {
        self.reader
    }

    /// The row with a primary key.
    ///
    /// # Errors
    /// [`Error::Definition`] if the table has no primary key; those of the store.
    pub fn get(&self, key: &[Value]) -> Result<Option<Row>> {
        let row_id = match self.table.identity {
            // The row itself says whether it is there.
            Identity::Number { .. } if key.len() == 1 => {
                self.table.number_of(key[0].as_value_ref())
            }
            _ => self.find_key(key)?,
        };
        row_id.map_or(Ok(None), |row_id| self.get_by_id(row_id))
    }

    /// The first row that an ordered or hash index has for a key, by the values of all of its
    /// parts: the one row of a unique index.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn get_by(&self, index: &str, key: &[Value]) -> Result<Option<Row>> {
        let index = self.index(index)?;
        let error = || Error::of_index(self.table.name());
        if let Some(ordered) = index.as_ordered() {
            for row_id in ordered.rows_with_key(self.reader, key).map_err(error())? {
                if let Some(row) = self.get_by_id(row_id.map_err(error())?)? {
                    return Ok(Some(row));
                }
            }
            return Ok(None);
        }
        if let Some(hash) = index.as_hash()
            && let Some(row_id) = hash.get(self.reader, key).map_err(error())?
            && let Some(row) = self.get_by_id(row_id)?
        {
            return Ok(Some(row));
        }
        let rows = index.rows(self.reader, &kinds::equal(key.to_vec())).map_err(error())?;
        self.fetch(&rows).next().transpose()
    }

    /// The rows with these primary keys, in the order of the keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many<K: AsRef<[Value]>>(&self, keys: &[K]) -> Result<Vec<Option<Row>>> {
        keys.iter().map(|key| self.get(key.as_ref())).collect()
    }

    /// The row with a number.
    ///
    /// # Errors
    /// Those of the store.
    pub fn get_by_id(&self, row_id: u64) -> Result<Option<Row>> {
        let stored = self.reader.get(&self.table.rows.keyspace, row_key(row_id));
        match stored.map_err(Error::of_index(self.table.name()))? {
            Some(stored) => {
                let row = Row::new(&self.table.schema, row_id, stored)?;
                Ok((!self.has_ended(&row)).then_some(row))
            }
            None => Ok(None),
        }
    }

    /// Calls `visit` with the row with a number, if it is there, where it stands: nothing of it is
    /// copied.
    ///
    /// # Errors
    /// Those of the store, and those of `visit`.
    #[inline]
    pub fn visit<E: From<Error>>(
        &self,
        row_id: u64,
        visit: impl FnOnce(&RowView<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        let stored = match self.reader.get(&self.table.rows.keyspace, row_key(row_id)) {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(Error::of_index(self.table.name())(error).into()),
        };
        let row = RowView::new(&self.table.schema, row_id, &stored)?;
        if self.is_over(&row) { Ok(ControlFlow::Continue(())) } else { visit(&row) }
    }

    /// Calls `visit` with the rows whose whole-number key is within bounds, by ascending key, until
    /// it breaks; see [`scan_keys`](Self::scan_keys). Rows are lent, not copied.
    ///
    /// # Errors
    /// As [`scan_keys`](Self::scan_keys), and those of `visit`.
    pub fn visit_keys<E: From<Error>>(
        &self,
        low: Bound<&Value>,
        high: Bound<&Value>,
        visit: &mut dyn FnMut(&RowView<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        let numbers = self.numbers_within(low, high)?;
        if numbers.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let keys = row_key(*numbers.start())..=row_key(*numbers.end());
        self.visit_range(self.reader.range(&self.table.rows.keyspace, keys), visit)
    }

    /// Calls `visit` with all rows, as [`visit_keys`](Self::visit_keys) does with some.
    ///
    /// # Errors
    /// Those of the store, and those of `visit`.
    pub fn visit_all<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RowView<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        self.visit_range(self.reader.range::<&[u8]>(&self.table.rows.keyspace, ..), visit)
    }

    fn visit_range<E: From<Error>>(
        &self,
        mut range: ReaderRange,
        visit: &mut dyn FnMut(&RowView<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        let mut failed = None;
        let visited = range.visit(|key, stored| {
            let row = RowView::new(&self.table.schema, row_id_of(key).unwrap_or(0), stored);
            let flow = match row {
                Ok(row) if self.is_over(&row) => Ok(ControlFlow::Continue(())),
                Ok(row) => visit(&row),
                Err(error) => Err(error.into()),
            };
            flow.unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(visited.map_err(Error::of_index(self.table.name()))?),
        }
    }

    /// Number of the row with a whole-number key, whether it is there or not; see
    /// [`Table::row_id_of_key`].
    #[inline]
    pub fn row_id_of_key(&self, key: ValueRef<'_>) -> Option<u64> {
        self.table.number_of(key)
    }

    /// Number of the row with a primary key. The row may have ended.
    pub(crate) fn find_key(&self, key: &[Value]) -> Result<Option<u64>> {
        let table = self.table;
        let width = table.schema.record.primary_key.len();
        if width == 0 || width != key.len() {
            let detail =
                format!("its primary key has {width} columns, and {} were given", key.len());
            return Err(Error::Definition { table: table.name().to_owned(), detail });
        }
        if matches!(table.identity, Identity::Number { .. }) {
            let Some(row_id) = table.number_of(key[0].as_value_ref()) else { return Ok(None) };
            let stored = self.reader.get(&table.rows.keyspace, row_key(row_id));
            return Ok(stored.map_err(Error::of_index(table.name()))?.map(|_| row_id));
        }
        let Some(primary) = table.index_of(IndexRole::Primary).and_then(Index::as_ordered) else {
            // The index is being repaired.
            let rows = find_equal(self, &table.schema.record.primary_key, key.to_vec())?;
            return Ok(rows.iter().next());
        };
        let found = primary.rows_with_key(self.reader, key);
        let first = found.and_then(|mut rows| rows.next().transpose());
        first.map_err(Error::of_index(table.name()))
    }

    /// All rows, by ascending number: for a primary key of whole numbers that is key order.
    pub fn scan(&self) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let this = *self;
        let rows = self.reader.range::<&[u8]>(&self.table.rows.keyspace, ..);
        rows.filter_map(move |item| {
            let row = item.map_err(Error::of_index(this.table.name())).and_then(|(key, stored)| {
                Row::new(&this.table.schema, row_id_of(&key).unwrap_or(0), stored)
            });
            match row {
                Ok(row) if this.has_ended(&row) => None,
                row => Some(row),
            }
        })
    }

    /// The rows whose whole-number key is within bounds, by ascending key from both ends; see
    /// [`Table::key_column`]. A bound of another type than the key's is compared as a number.
    ///
    /// # Errors
    /// [`Error::Definition`] if the key of the table is another.
    pub fn scan_keys(
        &self,
        low: Bound<&Value>,
        high: Bound<&Value>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Row>> + use<'a>> {
        let numbers = self.numbers_within(low, high)?;
        let this = *self;
        let rows = (!numbers.is_empty()).then(|| {
            let keys = row_key(*numbers.start())..=row_key(*numbers.end());
            self.reader.range(&self.table.rows.keyspace, keys)
        });
        let rows = rows.into_iter().flatten();
        Ok(rows.filter_map(move |item| {
            let row = item.map_err(Error::of_index(this.table.name())).and_then(|(key, stored)| {
                Row::new(&this.table.schema, row_id_of(&key).unwrap_or(0), stored)
            });
            match row {
                Ok(row) if this.has_ended(&row) => None,
                row => Some(row),
            }
        }))
    }

    fn numbers_within(
        &self,
        low: Bound<&Value>,
        high: Bound<&Value>,
    ) -> Result<RangeInclusive<u64>> {
        self.table.numbers_within(low, high).ok_or_else(|| {
            let detail = "its rows are not in the order of a key of whole numbers".to_owned();
            Error::Definition { table: self.table.name().to_owned(), detail }
        })
    }

    /// Number of rows, by counting them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn count(&self) -> Result<u64> {
        let mut count = 0;
        for row in self.scan() {
            row?;
            count += 1;
        }
        Ok(count)
    }

    /// The rows that an index gives for a query, exactly: where it says how many rows it wants, so
    /// many, if so many match that have not ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the index, also while it is being built; [`Error::Index`] if it does
    /// not answer such a query.
    pub fn find(&self, index: &str, query: &IndexQuery) -> Result<RowSet> {
        let rows = self.index(index)?.rows_without(self.reader, query, &ended_rows(self)?);
        rows.map_err(Error::of_index(self.table.name()))
    }

    /// How many rows an index expects for a query.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn estimate_find(&self, index: &str, query: &IndexQuery) -> Result<Estimate> {
        let estimate = self.index(index)?.estimate(self.reader, query);
        let estimate = estimate.map_err(Error::of_index(self.table.name()))?;
        // Rows that have ended are in the index until they are removed.
        if self.table.schema.record.expires_at.is_some() {
            return Ok(Estimate::between(0.0, estimate.point, estimate.high));
        }
        Ok(estimate)
    }

    /// How many rows are expected to fulfil a predicate, whose columns are named by their ids: the
    /// exact number where a bitmap index has the count, else from statistics in memory, in at most
    /// 2 us for comparisons of columns with values. At most one row has a value of a unique key.
    pub fn estimate(&self, predicate: &Expression) -> Estimate {
        let table = self.table;
        let view = table.statistics.view();
        let rows = table.statistics.rows();
        if let Some(count) = kinds::counted(table, self.reader, predicate) {
            return Estimate::exact(count);
        }
        let estimate = statistics::estimate(&table.schema, &view, rows, predicate);
        if definition::names_at_most_one(table, predicate) {
            return Estimate::between(0.0, estimate.point.min(1.0), 1.0);
        }
        estimate
    }

    /// What is known of a column's values; nothing before the first commits.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn column_statistics(&self, column: &str) -> Result<Option<ColumnStatistics>> {
        let id = self.table.schema.column_id(column)?;
        self.table.statistics.refresh();
        Ok(self.table.statistics.view().column(id).cloned())
    }

    /// Number of rows as the statistics have it, without counting: that of the newest commit.
    pub fn approximate_count(&self) -> u64 {
        self.table.statistics.rows()
    }

    /// The rows of several indexes combined.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_all(&self, expression: &RowExpression<'_>) -> Result<RowSet> {
        let all = || self.all_ids();
        let found = expression.rows_without(self.reader, &all, &ended_rows(self)?);
        found.map_err(Error::of_index(self.table.name()))
    }

    /// [`find_all`](Self::find_all), and how the rows were come by.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn explain(&self, expression: &RowExpression<'_>) -> Result<(RowSet, RowPlan)> {
        let all = || self.all_ids();
        let found = expression.explain_without(self.reader, &all, &ended_rows(self)?);
        found.map_err(Error::of_index(self.table.name()))
    }

    /// The rows of a set, by ascending number.
    pub fn fetch<'r>(&self, rows: &'r RowSet) -> impl Iterator<Item = Result<Row>> + use<'a, 'r> {
        let this = *self;
        rows.iter().filter_map(move |row_id| this.get_by_id(row_id).transpose())
    }

    /// An index that holds every row; to be asked with [`reader`](Self::reader). It may give rows
    /// that have ended and are not removed yet.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn index(&self, name: &str) -> Result<&'a Index> {
        self.table.index(name).map(|index| &**index)
    }

    /// Numbers of all rows.
    fn all_ids(&self) -> lightning_db_index::Result<RowSet> {
        let mut all = RowSet::new();
        for item in self.reader.range::<&[u8]>(&self.table.rows.keyspace, ..) {
            if let Some(row_id) = row_id_of(&item?.0) {
                all.insert(row_id);
            }
        }
        Ok(all)
    }

    fn has_ended(&self, row: &Row) -> bool {
        self.table.schema.record.expires_at.is_some()
            && row.view().is_some_and(|view| self.is_over(&view))
    }

    #[inline]
    pub(crate) fn is_over(&self, row: &RowView<'_>) -> bool {
        let column = self.table.schema.record.expires_at;
        column.is_some_and(|column| ended(row, column, self.now_ms))
    }
}

/// Whether a row has ended at a time.
pub(crate) fn ended(row: &RowView<'_>, column: usize, now_ms: u64) -> bool {
    match row.value(column) {
        ValueRef::Timestamp(at) => at <= micros(now_ms),
        _ => false,
    }
}
