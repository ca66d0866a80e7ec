//! Statements that write rows, bound to their tables and ready to run in a transaction.

mod change;
mod insert;
mod merge;
mod returning;
mod scalar;

use lightning_db_table::{Row, Table, TableReader, TableTransaction};
use lightning_db_types::{Value, ValueRef};

pub(crate) use change::{Change, Target};
pub(crate) use insert::{Assignments, Conflict, ConflictKey, Insert, Source, position_of};
pub(crate) use merge::{Action, Clause, Merge, When};
pub(crate) use returning::{Returning, Written};
pub(crate) use scalar::{EXCLUDED, Frame, expression};

use crate::error::Result;
use crate::planned::Given;
use crate::row_number;

/// A statement that writes.
#[derive(Debug)]
pub(crate) enum Write {
    Insert(Insert),
    Change(Change),
    Merge(Merge),
}

impl Write {
    /// Writes all rows, or none.
    pub(crate) fn run(
        &self,
        transaction: &mut TableTransaction,
        given: &Given<'_>,
    ) -> Result<Written> {
        let savepoint = transaction.savepoint();
        let outcome = match self {
            Self::Insert(insert) => insert.run(transaction, given),
            Self::Change(change) => change.run(transaction, given),
            Self::Merge(merge) => merge.run(transaction, given),
        };
        if outcome.is_err() {
            transaction.rollback_to(savepoint)?;
        }
        let released = transaction.storage().release(savepoint);
        released.map_err(lightning_db_table::Error::from)?;
        outcome
    }

    /// Whether each row that it reads is found by a key.
    pub(crate) fn finds_by_key(&self) -> bool {
        match self {
            Self::Insert(Insert { source: Source::Values(_), .. }) => true,
            Self::Insert(Insert { source: Source::Query(query), .. })
            | Self::Change(Change { rows: Target { query, .. }, .. })
            | Self::Merge(Merge { query, .. }) => query.finds_by_key(),
        }
    }

    /// How its rows are found, as text.
    pub(crate) fn explain(&self) -> String {
        match self {
            Self::Insert(Insert { table, source: Source::Values(rows), .. }) => {
                format!("Insert {} rows into {table}", rows.len())
            }
            Self::Insert(Insert { table, source: Source::Query(query), .. }) => {
                format!("Insert into {table}\n{}", query.explain())
            }
            Self::Change(change) => {
                let what = if change.set.is_some() { "Update" } else { "Delete from" };
                format!("{what} {}\n{}", change.table, change.rows.query.explain())
            }
            Self::Merge(Merge { table, query, .. }) => {
                format!("Merge into {table}\n{}", query.explain())
            }
        }
    }

    pub(crate) fn returning(&self) -> Option<&Returning> {
        match self {
            Self::Insert(insert) => insert.returning.as_ref(),
            Self::Change(change) => change.returning.as_ref(),
            Self::Merge(merge) => merge.returning.as_ref(),
        }
    }
}

/// The row whose number a query has found, if it is still there.
fn row_of(table: &Table, reader: &TableReader<'_>, number: &Value) -> Result<Option<Row>> {
    let number = row_number::row_id(table, number.as_value_ref());
    Ok(number.map(|number| reader.get_by_id(number)).transpose()?.flatten())
}

/// The primary key of a row after columns have been set, if it has one.
fn new_key(table: &Table, row: &Row, set: &[(&str, Value)]) -> Option<Vec<Value>> {
    let value = |name: &str| {
        let given = set.iter().find(|(column, _)| *column == name);
        let Some((_, value)) = given else { return row.get(name).ok().map(ValueRef::to_value) };
        let column = table.columns().find(|column| column.name == name)?;
        column.column_type.coerce(value.clone()).ok()
    };
    let key: Option<Vec<Value>> = table.primary_key().map(value).collect();
    key.filter(|key| !key.is_empty())
}
