//! Tables of typed rows, whose indexes change in the same commit as the rows.
//!
//! [`Tables`] opens the tables of a store. A [`TableDefinition`] says what columns, keys,
//! constraints and indexes a table has; `#[derive(Record)]` makes one of a struct, see
//! [`Record`](trait@Record). A [`TableTransaction`] writes rows, and brings every index in line in
//! the same commit; a [`TableSnapshot`] reads rows and asks indexes as of one commit, with the
//! columns and indexes of that moment. Single statements, such as [`Tables::insert`], are
//! transactions of their own.
//!
//! Tables are altered ([`Tables::alter_table`]) without rewriting rows, and indexes are built
//! ([`Tables::create_index`]), repaired and dropped while readers and writers go on. A transaction
//! makes and changes tables and indexes together with rows ([`TableTransaction::create_table`]).
//! Rows may end at a moment of their own ([`TableDefinition::expires_at`]). Statistics of each
//! column follow the commits, and [`TableReader::estimate`] says how many rows a predicate keeps.
//! [`Tables::check`] compares everything with everything.
//!
//! It is not: a query language or a planner; the crates above are. It does not know of other
//! processes: one [`Tables`] at a time changes the tables of a store.
//!
//! Limits: 1,600 columns, names of 128 bytes, 65,535 changes of a table's columns; a row is a value
//! of the store, and ends at 1 GiB. A row of all columns takes two bytes, a bit a column, and 1 to
//! 17 bytes for a column of fixed width or 4 and its bytes for one of text; see `src/layout.rs`.
//!
//! # Examples
//! ```
//! use lightning_db_storage::Store;
//! use lightning_db_table::index::{Expression, IndexQuery, KeyQuery, RowExpression};
//! use lightning_db_table::{IndexSpec, Record, Tables};
//! use std::ops::ControlFlow;
//!
//! #[derive(Debug, Clone, PartialEq, Record)]
//! #[record(table = "cities", index(on(country, population.desc()), name = "largest"))]
//! struct City {
//!     #[record(key)]
//!     id: u64,
//!     #[record(unique)]
//!     name: String,
//!     country: String,
//!     #[record(check = population >= 0)]
//!     population: i64,
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! let (store, _) = Store::open(dir.path())?;
//! let (tables, _) = Tables::open(&store)?;
//! let cities = tables.typed::<City>()?; // made if it is not there, compared if it is
//! let city = |id, name: &str, country: &str, population| City {
//!     id,
//!     name: name.to_owned(),
//!     country: country.to_owned(),
//!     population,
//! };
//! cities.insert_many(&[
//!     city(1, "Bern", "CH", 134_000),
//!     city(2, "Chur", "CH", 38_000),
//!     city(3, "Rome", "IT", 2_873_000),
//! ])?;
//!
//! // All or nothing: row and index entries, whatever goes wrong.
//! let error = cities.insert(&city(4, "Bern", "US", 1)).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "table cities, row 4: index cities_name: row 1 has the key ('Bern') already"
//! );
//!
//! // A transaction sees its own writes, and conflicts are tried again.
//! tables.run(|transaction| {
//!     let mut cities = cities.within(transaction);
//!     let mut chur = cities.get(&2)?.expect("it was inserted");
//!     chur.population += 1_000;
//!     cities.update(&chur)
//! })?;
//!
//! // An index that is added later, while others write; it holds the rows from before.
//! let table = tables.table("cities")?;
//! let population = table.column_id("population")?;
//! let by_population = IndexSpec::ordered("by_population").column(population);
//! tables.create_index("cities", by_population, &mut |_| ControlFlow::Continue(()))?;
//!
//! // Indexes of any kinds combine, exactly, as of one commit.
//! let snapshot = tables.snapshot();
//! let reader = snapshot.read(&tables.table("cities")?)?;
//! let swiss = IndexQuery::Key(KeyQuery::equal(["CH"]));
//! let large = IndexQuery::Key(KeyQuery::all().range(lightning_db_table::Value::I64(100_000)..));
//! let both = RowExpression::all_of([
//!     RowExpression::Index(reader.index("largest")?, swiss),
//!     RowExpression::Index(reader.index("by_population")?, large),
//! ]);
//! let found = reader.find_all(&both)?;
//! let names: Vec<_> = reader.fetch(&found).map(|row| row?.to_record::<City>()).collect();
//! assert_eq!(names[0].as_ref().map(|city| &*city.name).ok(), Some("Bern"));
//!
//! let expected = reader.estimate(&Expression::column(population).less(50_000_i64));
//! assert!(expected.low <= 1.0 && expected.high >= 1.0);
//! assert!(tables.check()?.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `text` (default): full-text indexes.
//! * `spatial` (default): spatial indexes.
//!
//! # Invariants
//! * A commit carries a row, its entries in every index and its expiry, or none of them.
//! * A row that a reader sees is seen through every index, and no other is.
//! * Rows are never rewritten when the table changes: each names the schema version it was written
//!   with. Numbers of columns, tables, indexes and rows are never used again.
//! * A statement that fails has written nothing, and its error names table, column and row.
//! * The crate knows rows, keys and indexes: no query language, no plans, no sockets.

mod error;

mod schema;
mod spec;

mod tables;

mod change;

mod alter;
mod build;

mod check;
mod expiry;
mod upkeep;

mod statement;

mod chunk;
#[cfg(any(feature = "spatial", feature = "text"))]
mod ranked;
mod snapshot;
mod transaction;
mod vectors;

mod field;
mod record;

mod difference;

mod foreign_keys;
mod values;

mod statistics;

mod table;

mod catalog;
mod definition;
mod kinds;
mod row_ids;
mod serial;

mod row;

mod layout;

/// Index kinds, their options and queries, and expressions.
pub use lightning_db_index as index;
pub use lightning_db_storage::Segment;

pub use alter::Alteration;
pub use build::{BuildOutcome, BuildProgress, BuildStage, BuildStatus};
pub use catalog::IndexState;
pub use check::{TableCheckReport, TableProblem};
pub use chunk::{ChunkColumn, ChunkVisitor, RowChunk, StoredColumn};
pub use error::{Error, Result, RowName};
pub use field::{Date, Field, Json, Point, RecordKey, Timestamp};
pub use lightning_db_derive::Record;
pub use lightning_db_types::{ColumnOrder, Decimal, Value, ValueRef};
pub use record::{Record, TypedReader, TypedTable, TypedTransaction};
pub use row::{Row, RowView};
pub use schema::{
    Check, ColumnDefinition, ColumnType, ForeignKey, OnDelete, SerialColumn, TableDefinition,
};
pub use snapshot::{TableReader, TableSnapshot};
pub use spec::IndexSpec;
pub use statistics::ColumnStatistics;
pub use table::Table;
pub use tables::{OpenReport, Tables, TablesOptions};
pub use transaction::TableTransaction;
pub use upkeep::UpkeepReport;
pub use values::{ColumnName, IntoRow};
pub use vectors::{ColumnVector, RowBatch, VectorValues};

/// What the derive macro writes names this crate by its name.
#[cfg(test)]
extern crate self as lightning_db_table;

#[cfg(test)]
mod tests;
