//! The simplest executor there is, as an oracle for tests: every node gives all its rows at once,
//! every join looks at every pair, every correlated part is evaluated for each row.
//!
//! With it come random catalogs, rows and queries.

mod aggregate;
mod execute;
mod interpret;
mod random;
mod scalar;

#[cfg(test)]
mod tests;

use lightning_db_types::Value;

pub use execute::{Executed, execute};
pub use interpret::{evaluate, evaluate_node};
pub use random::{Partitions, Profile, random_catalog, random_partitions, random_query};

use crate::catalog::TableId;
use crate::memory::MemoryCatalog;

fn given() -> Failure {
    Failure::Unknown("rows that are given with each run".to_owned())
}

/// Why a query has no rows to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An expression that fails for a row.
    #[error("{0}")]
    Expression(String),

    /// A subquery that should have one row.
    #[error("a subquery for one value has {0} rows")]
    ManyRows(usize),

    /// Something only an engine knows, or a parameter without a value.
    #[error("the reference does not know {0}")]
    Unknown(String),
}

impl From<lightning_db_expression::Error> for Failure {
    fn from(error: lightning_db_expression::Error) -> Self {
        Self::Expression(error.to_string())
    }
}

/// Where the rows of tables come from.
pub trait Rows {
    /// All rows of a table.
    fn rows(&self, table: TableId) -> &[Vec<Value>];

    /// Value of a function that only the engine knows; `None` if it does not know it either.
    fn external(&self, function: &str, arguments: &[Value]) -> Option<Value> {
        let _ = (function, arguments);
        None
    }
}

impl Rows for MemoryCatalog {
    fn rows(&self, table: TableId) -> &[Vec<Value>] {
        Self::rows(self, table)
    }
}
