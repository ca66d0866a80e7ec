//! An open table: what its readers and writers share.

use std::fmt;
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lightning_db_index::number::{self, Fit};
use lightning_db_index::{Columns, Expression, Index, IndexDefinition, KeyPart, RowStore};
use lightning_db_storage::{Keyspace, KeyspaceOptions, Store};
use lightning_db_types::{ColumnOrder, Value, ValueRef, ValueType};

use crate::catalog::{IndexRecord, IndexRole, IndexState, Schema, TableRecord};
use crate::error::{Error, Result, RowName};
use crate::kinds;
use crate::row::RowView;
use crate::row_ids::RowIds;
use crate::schema::{ColumnDefinition, ColumnType, ForeignKey, SerialColumn};
use crate::serial::Sequence;
use crate::statistics::TableStatistics;

/// Bit that orders signed numbers as unsigned ones.
const SIGN: u64 = 1 << 63;

/// No number of a row.
const NONE: RangeInclusive<u64> = RangeInclusive::new(1, 0);

/// What identifies a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A column of whole numbers, by id: the row's number is its value.
    Number { column: usize, signed: bool },
    /// A unique index over the columns of the primary key; numbers are leased.
    Indexed,
    /// Nothing but a leased number.
    Hidden,
}

impl Identity {
    fn of(record: &TableRecord) -> Self {
        match record.primary_key[..] {
            [] => Self::Hidden,
            [column] => match record.columns[column].definition.column_type {
                ColumnType::I64 => Self::Number { column, signed: true },
                ColumnType::U64 => Self::Number { column, signed: false },
                _ => Self::Indexed,
            },
            _ => Self::Indexed,
        }
    }
}

/// One state of a table: its schema and its indexes, open. A change of the table makes a new one.
#[derive(Clone)]
pub(crate) struct TableState {
    pub(crate) schema: Arc<Schema>,
    pub(crate) identity: Identity,
    pub(crate) rows: Arc<Rows>,
    /// In the order of the record's.
    pub(crate) indexes: Vec<Arc<OpenIndex>>,
    pub(crate) row_ids: Arc<RowIds>,
    /// Numbers of the serial column.
    pub(crate) serial: Arc<Sequence>,
    pub(crate) statistics: Arc<TableStatistics>,
}

/// An index and its state at the time of the table's state.
#[derive(Debug)]
pub(crate) struct OpenIndex {
    pub(crate) index: Arc<Index>,
    pub(crate) state: IndexState,
    pub(crate) role: IndexRole,
}

impl fmt::Debug for TableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indexes: Vec<_> =
            self.indexes.iter().map(|open| &open.index.definition().name).collect();
        f.debug_struct("TableState")
            .field("name", &self.name())
            .field("indexes", &indexes)
            .finish_non_exhaustive()
    }
}

/// The rows of a table, as indexes read them: with every layout that rows may have.
pub(crate) struct Rows {
    pub(crate) keyspace: Keyspace,
    /// Replaced when the columns change: later schemas know the layouts of earlier ones.
    pub(crate) schema: arc_swap::ArcSwap<Schema>,
    /// Whether a transaction that is open has changed the columns.
    pub(crate) claimed: AtomicBool,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("keyspace", &self.keyspace.name()).finish_non_exhaustive()
    }
}

impl RowStore for Rows {
    fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn decode(
        &self,
        stored: &[u8],
        visit: &mut dyn FnMut(&dyn Columns) -> lightning_db_index::Result<()>,
    ) -> lightning_db_index::Result<()> {
        let schema = self.schema.load();
        let view = RowView::new(&schema, 0, stored).map_err(|error| {
            let (index, detail) = (schema.record.name.clone(), error.to_string());
            lightning_db_index::Error::Corrupt { index, detail }
        })?;
        visit(&view)
    }

    fn column_type(&self, column: usize) -> Option<ValueType> {
        // No change of a table changes the type of a column, and no column has the number of
        // another that was dropped.
        let schema = self.schema.load();
        Some(schema.record.columns.get(column)?.definition.column_type.value_type())
    }
}

/// Name of the keyspace of a table's rows.
pub(crate) fn rows_keyspace(table_id: u32) -> String {
    format!("table/{table_id}")
}

/// Definition of the index that keeps a primary key that is no whole number.
pub(crate) fn primary_index(record: &TableRecord, id: u32) -> IndexDefinition {
    let part = |column: &usize| KeyPart {
        expression: Expression::Column(*column),
        order: ColumnOrder::ASCENDING,
    };
    IndexDefinition {
        id,
        name: format!("{}.primary", record.name),
        parts: record.primary_key.iter().map(part).collect(),
        condition: None,
        kind: kinds::unique(),
    }
}

impl TableState {
    /// Opens a table with all its indexes. `before` is the state that it replaces: what it has open
    /// stays open.
    pub(crate) fn open(store: &Store, record: TableRecord, before: Option<&Self>) -> Result<Self> {
        let name = record.name.clone();
        let schema = Arc::new(Schema::new(record));
        let record = &schema.record;
        let rows = match before {
            Some(before) => {
                // What does not change them must not take back what a transaction has changed.
                if record.columns != before.schema.record.columns {
                    before.rows.schema.store(Arc::clone(&schema));
                }
                Arc::clone(&before.rows)
            }
            None => Arc::new(Rows {
                keyspace: store.keyspace(&rows_keyspace(record.id), KeyspaceOptions::new())?,
                schema: arc_swap::ArcSwap::new(Arc::clone(&schema)),
                claimed: AtomicBool::new(false),
            }),
        };
        let row_ids = match before {
            Some(before) => Arc::clone(&before.row_ids),
            None => Arc::new(RowIds::new(record.id)),
        };
        let serial = match before {
            Some(before) => Arc::clone(&before.serial),
            None => Arc::new(Sequence::new(record.id)),
        };
        let statistics = match before {
            Some(before) => Arc::clone(&before.statistics),
            None => Arc::new(TableStatistics::new(record.id)),
        };
        let open = |IndexRecord { definition, state, role }: &IndexRecord| {
            let known = before.and_then(|before| before.index_by_id(definition.id));
            let index = if let Some(known) = known {
                Arc::clone(&known.index)
            } else {
                let source: Arc<dyn RowStore> = Arc::clone(&rows) as _;
                let definition = Arc::new(definition.clone());
                let opened = match state {
                    IndexState::Building => Index::open_building(store, definition, source),
                    IndexState::Ready => Index::open(store, definition, source),
                };
                Arc::new(opened.map_err(Error::of_index(&name))?)
            };
            Ok(Arc::new(OpenIndex { index, state: *state, role: *role }))
        };
        let indexes = record.indexes.iter().map(open).collect::<Result<Vec<_>>>()?;
        let identity = Identity::of(record);
        let schema = Arc::clone(&schema);
        Ok(Self { schema, identity, rows, indexes, row_ids, serial, statistics })
    }

    pub(crate) fn name(&self) -> &str {
        &self.schema.record.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.schema.record.id
    }

    fn index_by_id(&self, id: u32) -> Option<&Arc<OpenIndex>> {
        self.indexes.iter().find(|open| open.index.definition().id == id)
    }

    /// An index by name, whatever its state.
    pub(crate) fn open_index(&self, name: &str) -> Result<&Arc<OpenIndex>> {
        let found = self.indexes.iter().find(|open| open.index.definition().name == name);
        found.ok_or_else(|| Error::NotFound { what: "index", name: name.to_owned() })
    }

    /// An index that holds every row, by name.
    pub(crate) fn index(&self, name: &str) -> Result<&Arc<Index>> {
        let open = self.open_index(name)?;
        match open.state {
            IndexState::Ready => Ok(&open.index),
            IndexState::Building => Err(Error::NotFound { what: "index", name: name.to_owned() }),
        }
    }

    /// The index that the table keeps for itself, unless it is being repaired.
    pub(crate) fn index_of(&self, role: IndexRole) -> Option<&Index> {
        let wanted = |open: &&Arc<OpenIndex>| open.role == role && open.state == IndexState::Ready;
        self.indexes.iter().find(wanted).map(|open| &*open.index)
    }

    /// The number of the row whose key is a whole number; `None` if the value is none, or the key
    /// is another.
    pub(crate) fn number_of(&self, key: ValueRef<'_>) -> Option<u64> {
        let Identity::Number { signed, .. } = self.identity else { return None };
        match (key, signed) {
            (ValueRef::I64(number), true) => Some(number.cast_unsigned() ^ SIGN),
            (ValueRef::U64(number), true) => {
                i64::try_from(number).ok().map(|number| number.cast_unsigned() ^ SIGN)
            }
            (ValueRef::U64(number), false) => Some(number),
            (ValueRef::I64(number), false) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The key of the row of a number, if it is a whole number; zero for one below it.
    pub(crate) fn key_of_number(&self, row_id: u64) -> u64 {
        match self.identity {
            Identity::Number { signed: true, .. } => {
                u64::try_from((row_id ^ SIGN).cast_signed()).unwrap_or(0)
            }
            _ => row_id,
        }
    }

    /// The numbers of the rows whose whole-number key is within bounds; an empty range if there are
    /// none. `None` if the key of the table is another.
    pub(crate) fn numbers_within(
        &self,
        low: Bound<&Value>,
        high: Bound<&Value>,
    ) -> Option<RangeInclusive<u64>> {
        let Identity::Number { column, .. } = self.identity else { return None };
        let key_type = self.schema.column(column).column_type.value_type();
        // The nearest key on the wanted side, and whether it is the bound itself.
        let nearest = |bound: &Value, above: bool| {
            let (near, exact) = match number::fit(bound.as_value_ref(), key_type)? {
                Fit::Exact(key) => (key, true),
                Fit::Between(below, beyond) => (if above { beyond? } else { below? }, false),
            };
            self.number_of(near.as_value_ref()).map(|number| (number, exact))
        };
        let low = match low {
            Bound::Unbounded => Some(0),
            Bound::Included(bound) => nearest(bound, true).map(|(number, _)| number),
            Bound::Excluded(bound) => nearest(bound, true)
                .and_then(|(number, exact)| number.checked_add(u64::from(exact))),
        };
        let high = match high {
            Bound::Unbounded => Some(u64::MAX),
            Bound::Included(bound) => nearest(bound, false).map(|(number, _)| number),
            Bound::Excluded(bound) => nearest(bound, false)
                .and_then(|(number, exact)| number.checked_sub(u64::from(exact))),
        };
        Some(low.zip(high).map_or(NONE, |(low, high)| low..=high))
    }

    /// How messages name a row.
    pub(crate) fn row_name(&self, row: &dyn Columns, row_id: Option<u64>) -> RowName {
        let key = &self.schema.record.primary_key;
        if key.is_empty() {
            return row_id.map_or(RowName::New, RowName::Id);
        }
        let values: Vec<Value> = key.iter().map(|id| row.column(*id).to_value()).collect();
        RowName::Key(shown(&values))
    }
}

/// Values of a key, for messages.
pub(crate) fn shown(values: &[Value]) -> String {
    let shown = values.iter().map(|value| Expression::literal(value.clone()).to_string());
    let shown: Vec<String> = shown.collect();
    shown.join(", ")
}

/// A table of a store, as it was when it was asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) state: Arc<TableState>,
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        self.state.name()
    }

    /// Its number, which no other table of the store ever gets.
    pub fn id(&self) -> u32 {
        self.state.id()
    }

    /// How often its statistics were made anew, by [`Tables::analyze`](crate::Tables::analyze) or
    /// upkeep, since the store was opened.
    pub fn analyses(&self) -> u64 {
        self.state.statistics.analyses()
    }

    /// Its columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnDefinition> {
        let schema = &self.state.schema;
        schema.live.iter().map(|id| schema.column(*id))
    }

    /// Number of a column by which expressions and index parts name it. It stays the same when
    /// other columns come and go.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn column_id(&self, name: &str) -> Result<usize> {
        self.state.schema.column_id(name)
    }

    /// Place among the columns of the one whose whole number is the key of the rows and their
    /// order, if the table has such a key.
    pub fn key_column(&self) -> Option<usize> {
        let Identity::Number { column, .. } = self.state.identity else { return None };
        self.state.schema.live.iter().position(|id| *id == column)
    }

    /// Number of the row with a whole-number key, whether it is there or not; see
    /// [`key_column`](Self::key_column). `None` if no row can have it.
    pub fn row_id_of_key(&self, key: ValueRef<'_>) -> Option<u64> {
        self.state.number_of(key)
    }

    /// The column whose numbers the table gives, by its position among the columns.
    pub fn serial(&self) -> Option<SerialColumn> {
        let schema = &self.state.schema;
        let serial = schema.record.serial?;
        let column = schema.live.iter().position(|id| *id == serial.column)?;
        Some(SerialColumn { column, ..serial })
    }

    /// Foreign keys: columns, the other table, and columns there.
    pub fn foreign_keys(&self) -> &[ForeignKey] {
        &self.state.schema.record.foreign_keys
    }

    /// Names of the columns of the primary key.
    pub fn primary_key(&self) -> impl Iterator<Item = &str> {
        let schema = &self.state.schema;
        schema.record.primary_key.iter().map(|id| &*schema.column(*id).name)
    }

    /// Its indexes, with their state.
    pub fn indexes(&self) -> impl Iterator<Item = (&Index, IndexState)> {
        self.state.indexes.iter().map(|open| (&*open.index, open.state))
    }

    /// An index that holds every row.
    ///
    /// # Errors
    /// [`Error::NotFound`], also while the index is being built.
    pub fn index(&self, name: &str) -> Result<&Index> {
        self.state.index(name).map(|index| &**index)
    }
}
