//! Rows as they are read: columns without decoding the rest.

use std::fmt;
use std::sync::Arc;

use lightning_db_index::Columns;
use lightning_db_storage::Slice;
use lightning_db_types::{Value, ValueRef};

use crate::catalog::Schema;
use crate::error::{Error, Result, RowName};
use crate::layout::Layout;

/// A stored row, borrowed: columns are read where they stand, by their ids.
#[derive(Clone, Copy)]
pub struct RowView<'a> {
    schema: &'a Schema,
    layout: &'a Layout,
    stored: &'a [u8],
    number: u64,
}

impl fmt::Debug for RowView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RowView").field(&self.number).finish()
    }
}

impl<'a> RowView<'a> {
    /// Views stored bytes, checked as far as their lengths go.
    pub(crate) fn new(schema: &'a Schema, row_id: u64, stored: &'a [u8]) -> Result<Self> {
        let layout = Layout::version_of(stored).and_then(|version| schema.layout_of(version));
        match layout {
            Some(layout) => Self::of(schema, layout, row_id, stored),
            None => Err(corrupt(schema, row_id, "its schema version is unknown")),
        }
    }

    /// The same, of a row whose layout is known.
    #[inline]
    pub(crate) fn of(
        schema: &'a Schema,
        layout: &'a Layout,
        row_id: u64,
        stored: &'a [u8],
    ) -> Result<Self> {
        match layout.refusal(stored) {
            None => Ok(Self { schema, layout, stored, number: row_id }),
            Some(refusal) => Err(corrupt(schema, row_id, refusal)),
        }
    }

    /// Number of the row in its table.
    pub fn row_id(&self) -> u64 {
        self.number
    }

    /// Value of a column, by id.
    #[inline]
    pub(crate) fn value(&self, id: usize) -> ValueRef<'a> {
        if let Some(value) = self.layout.column(self.stored, id) {
            return value;
        }
        self.schema.older(self.layout, id)
    }

    /// Its bytes.
    pub(crate) fn stored(&self) -> &'a [u8] {
        self.stored
    }
}

#[cold]
fn corrupt(schema: &Schema, row_id: u64, refusal: &str) -> Error {
    let table = schema.record.name.clone();
    Error::Corrupt { table, row: RowName::Id(row_id), detail: refusal.to_owned() }
}

impl Schema {
    /// What rows of a layout without a column have there: its default, if they are older than it.
    pub(crate) fn older(&self, layout: &Layout, id: usize) -> ValueRef<'_> {
        match self.record.columns.get(id) {
            Some(column) if column.dropped_in.is_none() && !layout.has(id) => {
                column.definition.default.as_ref().map_or(ValueRef::Null, Value::as_value_ref)
            }
            _ => ValueRef::Null,
        }
    }
}

impl Columns for RowView<'_> {
    #[inline]
    fn column(&self, position: usize) -> ValueRef<'_> {
        self.value(position)
    }
}

/// A row that was read. It shares the store's bytes; columns are decoded when they are asked for.
#[derive(Clone)]
pub struct Row {
    schema: Arc<Schema>,
    number: u64,
    version: u16,
    stored: Slice,
}

impl Row {
    pub(crate) fn new(schema: &Arc<Schema>, row_id: u64, stored: Slice) -> Result<Self> {
        RowView::new(schema, row_id, &stored)?;
        let version = Layout::version_of(&stored).unwrap_or(0);
        Ok(Self { schema: Arc::clone(schema), number: row_id, version, stored })
    }

    pub(crate) fn stored(&self) -> Slice {
        self.stored.clone()
    }

    pub(crate) fn view(&self) -> Option<RowView<'_>> {
        let layout = self.schema.layout_of(self.version)?;
        let (schema, stored, number) = (&self.schema, &self.stored, self.number);
        Some(RowView { schema, layout, stored, number })
    }

    pub(crate) fn table_name(&self) -> &str {
        &self.schema.record.name
    }

    /// Number of the row in its table: what index sets hold.
    pub fn row_id(&self) -> u64 {
        self.number
    }

    /// Value of a column, by its place among the columns of the table.
    #[inline]
    pub fn at(&self, position: usize) -> ValueRef<'_> {
        let id = self.schema.live.get(position);
        id.and_then(|id| self.view().map(|view| view.value(*id))).unwrap_or_default()
    }

    /// Value of a column, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, column: &str) -> Result<ValueRef<'_>> {
        let id = self.schema.column_id(column)?;
        Ok(self.view().map(|view| view.value(id)).unwrap_or_default())
    }

    /// All values, in the order of the columns.
    pub fn values(&self) -> Vec<Value> {
        (0..self.schema.live.len()).map(|position| self.at(position).to_value()).collect()
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema.live.iter().map(|id| &*self.schema.column(*id).name)
    }
}

/// By column id, as expressions and indexes name them.
impl Columns for Row {
    #[inline]
    fn column(&self, position: usize) -> ValueRef<'_> {
        self.view().map(|view| view.value(position)).unwrap_or_default()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Row");
        for (position, name) in self.columns().enumerate() {
            shown.field(name, &self.at(position));
        }
        shown.finish()
    }
}

impl PartialEq for Row {
    /// Same row, same values.
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.values() == other.values()
    }
}
