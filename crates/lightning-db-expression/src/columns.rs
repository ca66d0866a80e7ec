//! The row that an expression is evaluated over.

use lightning_db_types::{Value, ValueRef};

/// A row's columns, by their position in the table. Positions that the row does not have are null.
pub trait Columns {
    /// Value of a column.
    fn column(&self, position: usize) -> ValueRef<'_>;
}

impl Columns for [Value] {
    fn column(&self, position: usize) -> ValueRef<'_> {
        self.get(position).map_or(ValueRef::Null, Value::as_value_ref)
    }
}

impl Columns for Vec<Value> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        self[..].column(position)
    }
}
