//! UPDATE and DELETE: which rows, and what is done with them.

use std::collections::HashSet;

use lightning_db_expression::Expression;
use lightning_db_query::Statement as Query;
use lightning_db_table::{Row, Table, TableTransaction};
use lightning_db_types::Value;

use super::returning::{Returning, Written};
use super::scalar::Frame;
use crate::error::Result;
use crate::planned::Given;

/// An UPDATE or DELETE.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) rows: Target,
    /// Columns that are set; `None` to remove the rows.
    pub(crate) set: Option<Vec<String>>,
    pub(crate) returning: Option<Returning>,
}

/// The rows that are changed, with the values that columns are set to.
#[derive(Debug)]
pub(crate) enum Target {
    /// A query of their primary keys, and of the new values behind them. With `once`, a row that
    /// comes more than once is changed once.
    Keys { query: Box<Query>, width: usize, once: bool },
    /// All rows that fulfil a condition, of a table without a primary key.
    Scan { condition: Option<Expression>, values: Vec<Expression> },
}

/// A row that is to be changed.
struct Found {
    row: Row,
    values: Vec<Value>,
}

impl Change {
    pub(crate) fn run(
        &self,
        transaction: &mut TableTransaction,
        given: &Given<'_>,
    ) -> Result<Written> {
        let parameters = given.all();
        let table = transaction.table(&self.table)?;
        let mut written = Written::default();
        // All rows are found before the first is changed, so that none is met twice.
        for found in self.find(transaction, &table, given)? {
            given.go_on()?;
            match &self.set {
                Some(columns) => {
                    self.update(transaction, &table, columns, found, parameters, &mut written)?;
                }
                None => {
                    if transaction.remove_row(&table, found.row.row_id())? {
                        let row = Some(&found.row as _);
                        written.add(self.returning.as_ref(), row, parameters)?;
                    }
                }
            }
        }
        Ok(written)
    }

    fn find(
        &self,
        transaction: &TableTransaction,
        table: &Table,
        given: &Given<'_>,
    ) -> Result<Vec<Found>> {
        let parameters = given.all();
        let reader = transaction.read(table)?;
        let mut found = Vec::new();
        match &self.rows {
            Target::Keys { query, width, once } => {
                let mut seen = HashSet::new();
                for mut key in given.rows(query, transaction)? {
                    let values = key.split_off(*width);
                    if let Some(row) = reader.get(&key)?
                        && (!once || seen.insert(row.row_id()))
                    {
                        found.push(Found { row, values });
                    }
                }
            }
            Target::Scan { condition, values } => {
                for row in reader.scan() {
                    given.go_on()?;
                    let row = row?;
                    let frame = Frame { row: Some(&row), excluded: &[], parameters };
                    if let Some(condition) = condition
                        && !condition.is_true(&frame)?
                    {
                        continue;
                    }
                    let values = values.iter().map(|value| value.evaluate(&frame));
                    let values = values.collect::<Result<_, _>>()?;
                    found.push(Found { row, values });
                }
            }
        }
        Ok(found)
    }

    fn update(
        &self,
        transaction: &mut TableTransaction,
        table: &Table,
        columns: &[String],
        found: Found,
        parameters: &[Value],
        written: &mut Written,
    ) -> Result<()> {
        let set: Vec<(&str, Value)> =
            columns.iter().map(|name| &**name).zip(found.values).collect();
        let key = super::new_key(table, &found.row, &set);
        if !transaction.patch_row(table, found.row.row_id(), set)? {
            return Ok(());
        }
        let row = match &self.returning {
            Some(_) => {
                let reader = transaction.read(table)?;
                match key {
                    Some(key) => reader.get(&key)?,
                    None => reader.get_by_id(found.row.row_id())?,
                }
            }
            None => None,
        };
        written.add(self.returning.as_ref(), row.as_ref().map(|row| row as _), parameters)
    }
}
