//! INSERT: rows from values or a query, and what happens where a key is taken.

use std::collections::HashSet;

use lightning_db_expression::Expression;
use lightning_db_query::Statement as Query;
use lightning_db_table::{ColumnName, IntoRow, Row, Table, TableTransaction};
use lightning_db_types::Value;

use super::returning::{Returning, Written};
use super::scalar::Frame;
use crate::error::{Error, Result};
use crate::planned::Given;

/// An INSERT, bound to the columns of its table.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: String,
    /// Positions of the columns that are given.
    pub(crate) columns: Vec<usize>,
    pub(crate) source: Source,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Option<Returning>,
}

/// Where the rows come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Values over the parameters; `None` for the column's default.
    Values(Vec<Vec<Option<Expression>>>),
    /// The rows of a query.
    Query(Box<Query>),
}

impl Source {
    /// Whether a row has a value for the column that is given at a position.
    pub(crate) fn gives(&self, position: usize) -> bool {
        match self {
            Self::Values(rows) => rows.iter().any(|row| matches!(row.get(position), Some(Some(_)))),
            Self::Query(query) => query.columns().len() > position,
        }
    }
}

/// What happens to a row whose key is taken.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// Which key; `None` for any.
    pub(crate) key: Option<ConflictKey>,
    /// What is done with the row that has the key; `None` to leave it, and the new one out.
    pub(crate) update: Option<Assignments>,
}

/// A key that names at most one row.
#[derive(Debug)]
pub(crate) struct ConflictKey {
    /// A unique index; `None` for the primary key.
    pub(crate) index: Option<String>,
    /// Its parts, over the columns of the new row by position.
    pub(crate) parts: Vec<Expression>,
    /// Which rows a partial index has.
    pub(crate) condition: Option<Expression>,
}

/// Columns that are set in a row that is there, over the row, the new one, and the parameters.
#[derive(Debug)]
pub(crate) struct Assignments {
    pub(crate) set: Vec<(String, Expression)>,
    pub(crate) condition: Option<Expression>,
}

impl Insert {
    pub(crate) fn run(
        &self,
        transaction: &mut TableTransaction,
        given: &Given<'_>,
    ) -> Result<Written> {
        let parameters = given.all();
        let table = transaction.table(&self.table)?;
        let mut written = Written::default();
        let mut touched = HashSet::new();
        match &self.source {
            Source::Values(rows) => {
                let frame = Frame { row: None, excluded: &[], parameters };
                for row in rows {
                    let values = self.columns.iter().zip(row).filter_map(|(place, value)| {
                        let value = value.as_ref()?.evaluate(&frame);
                        Some(value.map(|value| (*place, value)))
                    });
                    let values = values.collect::<Result<Vec<_>, _>>()?;
                    let done = (&mut touched, &mut written);
                    self.one(transaction, &table, values, parameters, done)?;
                }
            }
            Source::Query(query) => {
                for row in given.rows(query, &*transaction)? {
                    given.go_on()?;
                    let values = self.columns.iter().copied().zip(row).collect();
                    let done = (&mut touched, &mut written);
                    self.one(transaction, &table, values, parameters, done)?;
                }
            }
        }
        Ok(written)
    }

    /// Inserts a row, or does what ON CONFLICT says. Rows that it has changed are `touched`.
    fn one(
        &self,
        transaction: &mut TableTransaction,
        table: &Table,
        given: Vec<(usize, Value)>,
        parameters: &[Value],
        (touched, written): (&mut HashSet<u64>, &mut Written),
    ) -> Result<()> {
        let returning = self.returning.as_ref();
        if let Some(conflict) = &self.conflict {
            match &conflict.key {
                Some(key) => {
                    let row = whole_row(table, &given)?;
                    if let Some(existing) = find(transaction, table, key, &row)? {
                        let Some(update) = &conflict.update else { return Ok(()) };
                        if touched.contains(&existing.row_id()) {
                            let detail = "ON CONFLICT DO UPDATE would change a row that this \
                                          statement has written before";
                            return Err(Error::invalid(detail, None));
                        }
                        let found = (&existing, &row[..]);
                        let changed = update.run(transaction, table, found, parameters)?;
                        if let Some(row) = changed {
                            touched.insert(row.row_id());
                            written.add(returning, Some(&row), parameters)?;
                        }
                        return Ok(());
                    }
                }
                None => match transaction.insert(table, Placed(given)) {
                    Err(
                        lightning_db_table::Error::Duplicate { .. }
                        | lightning_db_table::Error::Unique { .. },
                    ) => return Ok(()),
                    inserted => {
                        let row = transaction.read(table)?.get_by_id(inserted?)?;
                        let row = row.as_ref().map(|row| row as _);
                        return written.add(returning, row, parameters);
                    }
                },
            }
        }
        let row_id = transaction.insert(table, Placed(given))?;
        if self.conflict.is_some() {
            touched.insert(row_id);
        }
        let row = match returning {
            Some(_) => transaction.read(table)?.get_by_id(row_id)?,
            None => None,
        };
        written.add(returning, row.as_ref().map(|row| row as _), parameters)
    }
}

/// Values of a new row by the positions of their columns.
pub(super) struct Placed(pub(super) Vec<(usize, Value)>);

impl IntoRow for Placed {
    fn for_each(
        self,
        set: &mut dyn FnMut(ColumnName<'_>, Value) -> lightning_db_table::Result<()>,
    ) -> lightning_db_table::Result<()> {
        let mut values = self.0.into_iter();
        values.try_for_each(|(position, value)| set(ColumnName::Position(position), value))
    }
}

/// All values of the new row by position, with the defaults of the columns that are not given, and
/// those that are generated.
fn whole_row(table: &Table, given: &[(usize, Value)]) -> Result<Vec<Value>> {
    let mut row: Vec<Value> =
        table.columns().map(|column| column.default.clone().unwrap_or_default()).collect();
    for (position, value) in given {
        if let (Some(place), Some(column)) =
            (row.get_mut(*position), table.columns().nth(*position))
        {
            // What the column does not take is refused when the row is written.
            let taken = column.column_type.coerce(value.clone());
            *place = taken.unwrap_or_else(|_| value.clone());
        }
    }
    for (position, column) in table.columns().enumerate() {
        if let Some(generated) = &column.generated {
            row[position] = generated.map_columns(&|id| position_of(table, id)).evaluate(&row)?;
        }
    }
    Ok(row)
}

/// Position of a column among those of a table, by its id.
pub(crate) fn position_of(table: &Table, id: usize) -> usize {
    let mut columns = table.columns();
    let found = columns.position(|it| table.column_id(&it.name).is_ok_and(|known| known == id));
    found.unwrap_or(id)
}

/// The row that has a key of a new row.
fn find(
    transaction: &TableTransaction,
    table: &Table,
    key: &ConflictKey,
    row: &[Value],
) -> Result<Option<Row>> {
    let row = row.to_vec();
    if let Some(condition) = &key.condition
        && !condition.is_true(&row)?
    {
        return Ok(None);
    }
    let values = key.parts.iter().map(|part| part.evaluate(&row));
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    if values.iter().any(Value::is_null) {
        return Ok(None);
    }
    let reader = transaction.read(table)?;
    Ok(match &key.index {
        Some(index) => reader.get_by(index, &values)?,
        None => reader.get(&values)?,
    })
}

impl Assignments {
    /// Changes a row unless the condition is against it; gives it as it is then.
    pub(super) fn run(
        &self,
        transaction: &mut TableTransaction,
        table: &Table,
        (existing, excluded): (&Row, &[Value]),
        parameters: &[Value],
    ) -> Result<Option<Row>> {
        let frame = Frame { row: Some(existing), excluded, parameters };
        if let Some(condition) = &self.condition
            && !condition.is_true(&frame)?
        {
            return Ok(None);
        }
        let set = self.set.iter().map(|(name, value)| Ok((&**name, value.evaluate(&frame)?)));
        let set = set.collect::<Result<Vec<_>>>()?;
        let key = super::new_key(table, existing, &set);
        transaction.patch_row(table, existing.row_id(), set)?;
        let reader = transaction.read(table)?;
        Ok(match key {
            Some(key) => reader.get(&key)?,
            None => reader.get_by_id(existing.row_id())?,
        })
    }
}
