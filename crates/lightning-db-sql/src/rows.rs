//! Results: rows of values, read by position or name.

use std::sync::Arc;

use lightning_db_query::ResultColumn;
use lightning_db_table::Field;
use lightning_db_types::{Value, ValueRef};

use crate::error::{Error, Result};

/// The rows of a result, all in memory.
///
/// # Examples
/// ```
/// # use lightning_db_sql::Connection;
/// # let dir = tempfile::tempdir()?;
/// # let connection = Connection::open(dir.path())?;
/// let rows = connection.query("SELECT 1 + 1 AS two, 'x' AS letter", ())?;
/// assert_eq!(rows.columns()[0].name, "two");
/// for row in &rows {
///     let two: i64 = row.get("two")?;
///     assert_eq!((two, row.get::<String>(1)?), (2, "x".to_owned()));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rows {
    columns: Arc<[ResultColumn]>,
    rows: Vec<Vec<Value>>,
}

/// A row of a result.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    columns: &'a [ResultColumn],
    values: &'a [Value],
}

impl Rows {
    pub(crate) fn new(columns: Arc<[ResultColumn]>, rows: Vec<Vec<Value>>) -> Self {
        Self { columns, rows }
    }

    /// The columns, in order. Several may have one name.
    pub fn columns(&self) -> &[ResultColumn] {
        &self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RowView<'_>> {
        self.rows.iter().map(|values| RowView { columns: &self.columns, values })
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Option<RowView<'_>> {
        self.iter().next()
    }

    /// The values, row by row.
    pub fn values(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// The values, row by row.
    pub fn into_values(self) -> Vec<Vec<Value>> {
        self.rows
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = RowView<'a>;
    type IntoIter = std::vec::IntoIter<RowView<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter().collect::<Vec<_>>().into_iter()
    }
}

/// How a column of a result is named: by its position, counted from zero, or by its name.
pub trait ColumnIndex {
    /// Its position, if it is there.
    fn position(&self, columns: &[ResultColumn]) -> Option<usize>;
    /// As messages name it.
    fn shown(&self) -> String;
}

impl ColumnIndex for usize {
    fn position(&self, columns: &[ResultColumn]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl ColumnIndex for &str {
    fn position(&self, columns: &[ResultColumn]) -> Option<usize> {
        columns.iter().position(|column| column.name == *self)
    }

    fn shown(&self) -> String {
        (*self).to_owned()
    }
}

impl<'a> RowView<'a> {
    /// Value of a column, borrowed.
    ///
    /// # Errors
    /// [`Error::Result`] if there is no such column.
    pub fn value(&self, column: impl ColumnIndex) -> Result<ValueRef<'a>> {
        let position = column.position(self.columns);
        let value = position.and_then(|position| self.values.get(position));
        value.map(Value::as_value_ref).ok_or_else(|| Error::Result {
            column: column.shown(),
            detail: format!("there are {} columns, and none of them is it", self.columns.len()),
        })
    }

    /// Value of a column as a Rust type; `Option` for one that may be null.
    ///
    /// # Errors
    /// [`Error::Result`] if there is no such column, or its value is another.
    pub fn get<F: Field>(&self, column: impl ColumnIndex) -> Result<F> {
        let value = self.value(&column)?;
        F::from_value(value).ok_or_else(|| Error::Result {
            column: column.shown(),
            detail: format!("its value is a {}, which does not fit", value.value_type()),
        })
    }

    /// All values, in the order of the columns.
    pub fn values(&self) -> &'a [Value] {
        self.values
    }
}

impl<C: ColumnIndex + ?Sized> ColumnIndex for &C {
    fn position(&self, columns: &[ResultColumn]) -> Option<usize> {
        (**self).position(columns)
    }

    fn shown(&self) -> String {
        (**self).shown()
    }
}
