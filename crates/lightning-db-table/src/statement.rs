//! Single statements, each a transaction of its own.

use lightning_db_types::Value;

use crate::error::Result;
use crate::row::Row;
use crate::tables::Tables;
use crate::values::{Given, IntoRow};

/// Each is tried again after a conflict, and durable at the level of the store when it returns.
/// Errors name the table, the column and the row's key.
impl Tables {
    /// Adds a row; gives its number.
    ///
    /// # Errors
    /// As [`TableTransaction::insert`](crate::TableTransaction::insert), and
    /// [`Error::NotFound`](crate::Error::NotFound) for the table.
    pub fn insert(&self, table: &str, row: impl IntoRow) -> Result<u64> {
        let row = Given::new(row)?;
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.insert(&table, &row)
        })
    }

    /// Adds rows in one commit; gives their numbers. All of them, or none.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_many<R: IntoRow>(
        &self,
        table: &str,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Vec<u64>> {
        let rows = rows.into_iter().map(Given::new).collect::<Result<Vec<Given>>>()?;
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.insert_many(&table, &rows)
        })
    }

    /// Adds a row, or replaces the one with its primary key; gives its number.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn upsert(&self, table: &str, row: impl IntoRow) -> Result<u64> {
        let row = Given::new(row)?;
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.upsert(&table, &row)
        })
    }

    /// Replaces the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn update(&self, table: &str, key: &[Value], row: impl IntoRow) -> Result<bool> {
        let row = Given::new(row)?;
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.update(&table, key, &row)
        })
    }

    /// Sets some columns of the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn patch(&self, table: &str, key: &[Value], row: impl IntoRow) -> Result<bool> {
        let row = Given::new(row)?;
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.patch(&table, key, &row)
        })
    }

    /// Removes the row with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`TableTransaction::delete`](crate::TableTransaction::delete).
    pub fn delete(&self, table: &str, key: &[Value]) -> Result<bool> {
        self.run(|transaction| {
            let table = transaction.table(table)?;
            transaction.delete(&table, key)
        })
    }

    /// The row with a primary key.
    ///
    /// # Errors
    /// As [`TableReader::get`](crate::TableReader::get).
    pub fn get(&self, table: &str, key: &[Value]) -> Result<Option<Row>> {
        let snapshot = self.snapshot();
        let table = snapshot.table(table)?;
        snapshot.read(&table)?.get(key)
    }

    /// The rows with these primary keys, in the order of the keys, all of one state.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many<K: AsRef<[Value]>>(&self, table: &str, keys: &[K]) -> Result<Vec<Option<Row>>> {
        let snapshot = self.snapshot();
        let table = snapshot.table(table)?;
        snapshot.read(&table)?.get_many(keys)
    }
}
