//! UPDATE and DELETE: which rows, and what is done with them.

use std::collections::HashSet;

use lightning_db_query::Statement as Query;
use lightning_db_table::{Row, Table, TableTransaction};
use lightning_db_types::Value;

use super::returning::{Returning, Written};
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
pub(crate) struct Target {
    /// Gives their numbers, and the new values behind them.
    pub(crate) query: Box<Query>,
    /// Whether a row that comes more than once is changed once.
    pub(crate) once: bool,
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
        let reader = transaction.read(table)?;
        let Target { query, once } = &self.rows;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for mut values in given.rows(query, transaction)? {
            let new = values.split_off(1);
            if let Some(row) = super::row_of(table, &reader, &values[0])?
                && (!once || seen.insert(row.row_id()))
            {
                found.push(Found { row, values: new });
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
