//! SQL over the tables of Lightning DB: statements from text, cached before they are read.
//!
//! A [`SqlEngine`] plans for the tables of a store, and keeps statements with their plans by their
//! text. A [`Connection`] of it runs them: [`execute`](Connection::execute) for those that write,
//! [`query`](Connection::query) for those that give rows, [`prepare`](Connection::prepare) for what
//! runs often, [`transaction`](Connection::transaction) for several as one.
//!
//! The dialect is that of `PostgreSQL`: names are in lower case unless they are quoted, nulls sort
//! above all values, whole numbers divide to whole numbers. There are CREATE (also of a query),
//! ALTER and DROP TABLE, CREATE and DROP INDEX of every kind, CREATE and DROP VIEW, INSERT (also
//! with ON CONFLICT), UPDATE, DELETE and MERGE, each with RETURNING, COPY, SELECT with joins,
//! groups and grouping sets, window functions, set operations, subqueries, WITH and WITH RECURSIVE,
//! transactions with savepoints, AS OF a commit whose state is held, SHOW, ANALYZE, EXPLAIN.
//! Parameters are `$1` or `?`. Whole numbers have 64 bits whatever their type is called, and what
//! does not fit is an error.
//!
//! It is not:
//! * all of SQL: what is not understood is [`Error::Unsupported`] and names what it is, such as
//!   ALTER TABLE with several changes;
//! * a server, or a type checker at compile time.
//!
//! # Examples
//! ```
//! use lightning_db_sql::{Connection, params};
//! # let dir = tempfile::tempdir()?;
//! let connection = Connection::open(dir.path())?;
//! connection.execute_batch(
//!     "CREATE TABLE city (id BIGINT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL,
//!                         people BIGINT CHECK (people >= 0));
//!      CREATE INDEX city_country ON city (country, people DESC) INCLUDE (name);
//!      INSERT INTO city VALUES (1, 'Bern', 'CH', 134000), (2, 'Rome', 'IT', 2873000),
//!                              (3, 'Chur', 'CH', 38000)",
//! )?;
//!
//! let text = "SELECT name, people FROM city WHERE country = $1 ORDER BY people DESC LIMIT $2";
//! let rows = connection.query(text, params!["CH", 1])?;
//! assert_eq!(rows.first().expect("there is one").get::<String>("name")?, "Bern");
//!
//! let error = connection.query("SELECT nmae FROM city", ()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "find column nmae at line 1, column 8; did you mean name?"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `text` (default): `CREATE INDEX .. USING fulltext`.
//! * `tokio`: [`AsyncSql`], statements of tasks on a bounded number of threads.
//! * `vector`: queries that the binder does not understand run on DataFusion: its functions, and
//!   more of `information_schema`. COPY of Parquet.
//! * `spatial` (default): `CREATE INDEX .. USING rtree`.
//!
//! # Invariants
//! * A write is one atomic commit, or part of the open transaction; one that fails changes nothing.
//! * A statement in a transaction sees what that has written.
//! * No text makes it panic, or nest deeper than bounds that are checked before.

mod error;

mod rows;

mod connection;
mod parameters;
mod statement;

mod engine;

mod explain;
mod named;
mod past;
mod planned;
mod prepared;
mod session;

#[cfg(feature = "tokio")]
mod asynchronous;

mod copy;
mod define;
mod dump;
pub mod files;
mod row_number;
mod views;
mod write;

#[cfg(feature = "vector")]
mod vector;

mod bind;
mod names;

mod lift;
mod parse;
mod reference;
mod show;

/// Arrow, as [`Connection::query_arrow`] gives it.
#[cfg(feature = "vector")]
pub use datafusion::arrow;
/// Values, and their types.
pub use lightning_db_types as types;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncSql;
pub use connection::{Connection, InterruptHandle, ProgressHandle, Transaction};
pub use copy::CopyStream;
pub use engine::{PlanCounts, SqlEngine};
pub use error::{Error, Position, Result};
pub use lightning_db_query::{EngineOptions, Progress, ResultColumn};
pub use parameters::Parameters;
pub use prepared::Outcome;
pub use rows::{ColumnIndex, RowView, Rows};
pub use statement::Statement;
