//! Queries over the tables of Lightning DB: planned by cost, prepared once, run over borrowed rows.
//!
//! A [`QueryEngine`] gives the optimizer what the tables know of themselves, and runs its plans.
//! A query is written with a [`QueryBuilder`]; [`QueryEngine::prepare`] makes it a [`Statement`],
//! which runs on any snapshot, or within a transaction with what that has written.
//!
//! It is made for look-ups, short ranges, joins along indexes, and small groups: rows are pushed
//! one by one from the tables to the caller, and nothing is copied but what must stay. Sorts,
//! groups and sides of joins have a limit of memory.
//!
//! What reads much, such as sums over whole tables, is run in batches of rows, column by column,
//! with the same results.
//!
//! It is not: a parser, nor an engine that runs one query on several threads.
//!
//! # Examples
//! ```
//! use lightning_db_query::build::{column, parameter};
//! use lightning_db_query::{QueryBuilder, QueryEngine};
//! use lightning_db_storage::Store;
//! use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables};
//! use lightning_db_types::{Value, ValueType};
//!
//! # let dir = tempfile::tempdir()?;
//! let (store, _) = Store::open(dir.path())?;
//! let (tables, _) = Tables::open(&store)?;
//! let cities = TableDefinition::new("cities")
//!     .column(ColumnDefinition::new("id", ColumnType::I64))
//!     .column(ColumnDefinition::new("name", ColumnType::Text))
//!     .column(ColumnDefinition::new("country", ColumnType::Text))
//!     .primary_key([0])
//!     .index(IndexSpec::ordered("by_country").column(2).column(1));
//! tables.create_table(cities)?;
//! for (id, name, country) in [(1, "Bern", "CH"), (2, "Rome", "IT"), (3, "Chur", "CH")] {
//!     tables.insert("cities", [Value::I64(id), name.into(), country.into()])?;
//! }
//!
//! let engine = QueryEngine::new(&tables);
//! let query = QueryBuilder::scan("cities", "c")
//!     .filter(column("country").equal(parameter(0, ValueType::Text)))
//!     .order_by([column("name").ascending()])
//!     .select([column("name")]);
//! let statement = engine.prepare(&query)?;
//! let rows = statement.rows(&tables.snapshot(), &["CH".into()])?;
//! assert_eq!(rows, [[Value::from("Bern")], [Value::from("Chur")]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! * A run sees one state of all tables: that of its snapshot or transaction.
//! * A plan that was made for other definitions than a run sees is not used.
//! * Statistics change what is done, never what is found.

mod error;

mod source;
mod statement;
mod table_query;
mod watch;

mod engine;
mod learn;

mod execute;
mod program;

mod catalog;

pub mod search;
pub mod window;

#[cfg(test)]
mod tests;

pub use lightning_db_optimizer::cache::CacheCounters;
pub use lightning_db_optimizer::{Hints, QueryBuilder, build};

pub use catalog::TableCatalog;
pub use engine::{EngineOptions, QueryEngine};
pub use error::{Error, Result};
pub use execute::ColumnCacheStatistics;
pub use source::Source;
pub use statement::{Analyzed, PlanFormat, ResultColumn, Statement};
pub use table_query::{FromRow, TableQuery};
pub use watch::{Progress, Watch};
