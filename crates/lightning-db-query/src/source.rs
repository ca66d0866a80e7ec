//! What a query reads: one state of all tables.

use lightning_db_table::{Table, TableReader, TableSnapshot, TableTransaction};

use crate::error::Result;

/// A state of all tables: that of a snapshot, or that of a transaction with its own writes.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// As of one commit.
    Snapshot(&'a TableSnapshot),
    /// With what the transaction has written.
    Transaction(&'a TableTransaction),
}

impl<'a> From<&'a TableSnapshot> for Source<'a> {
    fn from(snapshot: &'a TableSnapshot) -> Self {
        Self::Snapshot(snapshot)
    }
}

impl<'a> From<&'a TableTransaction> for Source<'a> {
    fn from(transaction: &'a TableTransaction) -> Self {
        Self::Transaction(transaction)
    }
}

impl<'a> Source<'a> {
    /// Number of the state of the definitions; see [`TableSnapshot::version`].
    pub fn version(self) -> u64 {
        match self {
            Self::Snapshot(snapshot) => snapshot.version(),
            Self::Transaction(transaction) => transaction.version(),
        }
    }

    /// Names of all tables, in order.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Snapshot(snapshot) => snapshot.names(),
            Self::Transaction(transaction) => transaction.names(),
        }
    }

    /// A table as it is in this state.
    ///
    /// # Errors
    /// [`NotFound`](lightning_db_table::Error::NotFound).
    pub fn table(self, name: &str) -> Result<Table> {
        Ok(match self {
            Self::Snapshot(snapshot) => snapshot.table(name)?,
            Self::Transaction(transaction) => transaction.table(name)?,
        })
    }

    /// Reads of one table.
    ///
    /// # Errors
    /// [`NotFound`](lightning_db_table::Error::NotFound) if the table is not there in this state.
    pub fn read(self, table: &Table) -> Result<TableReader<'a>> {
        Ok(match self {
            Self::Snapshot(snapshot) => snapshot.read(table)?,
            Self::Transaction(transaction) => transaction.read(table)?,
        })
    }
}
