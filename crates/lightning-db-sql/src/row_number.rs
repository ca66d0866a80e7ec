//! Rows that a query finds, to be found again by a number: to be changed, or to be read as vectors.

use lightning_db_optimizer::ROW_NUMBER;
use lightning_db_table::Table;
use lightning_db_types::ValueRef;

/// The column of [`QueryBuilder::numbered`](lightning_db_query::QueryBuilder::numbered) that tells
/// the rows of a table apart: the key, if that is one whole number, or the number of the row.
pub(crate) fn column_of(table: &Table, called: &str) -> String {
    let key = table.key_column().and_then(|place| table.columns().nth(place));
    format!("{called}.{}", key.map_or(ROW_NUMBER, |column| &column.name))
}

/// Number of the row that has a value of that column.
pub(crate) fn row_id(table: &Table, value: ValueRef<'_>) -> Option<u64> {
    match value {
        ValueRef::U64(number) if table.key_column().is_none() => Some(number),
        key => table.row_id_of_key(key),
    }
}
