//! Lightning DB: an embedded, ordered, transactional key-value store that is durable by default.
//!
//! This crate gives the crates of Lightning DB one name. The parts are [`types`], [`storage`] and,
//! behind features, `tables` with `tables::index`, and `pool`; the main names of the store stand at
//! the top. A [`Store`] is a folder with named
//! [`Keyspace`]s, each an ordered map from bytes to bytes. A [`WriteBatch`] or a [`Transaction`]
//! changes several of them in one commit, a [`Snapshot`] reads all of them as they were at one, and
//! each commit is as durable as its [`Durability`] level says.
//!
//! It is not:
//! * a server: one process has a store open, and others can read beside it;
//! * more stable than its parts: a major version of one of them is a major version of this crate.
//!
//! # Examples
//! Two keyspaces in one commit, and a transaction that is run again if another comes between:
//! ```
//! # #[cfg(feature = "storage")] {
//! use lightning_db::{KeyspaceOptions, Store};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("bank.db");
//!
//! let (store, _) = Store::open(path)?;
//! let accounts = store.keyspace("accounts", KeyspaceOptions::new())?;
//! let journal = store.keyspace("journal", KeyspaceOptions::new())?;
//!
//! let mut batch = store.batch();
//! batch.insert(&accounts, "ada", "100").insert(&journal, "0001", "ada opens with 100");
//! batch.commit()?;
//!
//! let before = store.snapshot();
//! store.run(|transaction| {
//!     let balance = transaction.get(&accounts, "ada")?.map_or(0, |value| value.len());
//!     assert_eq!(balance, 3);
//!     transaction.insert(&accounts, "ada", "70")?;
//!     transaction.insert(&journal, "0002", "ada pays 30")
//! })?;
//!
//! assert_eq!(accounts.get("ada")?.as_deref(), Some(&b"70"[..]));
//! assert_eq!(before.get(&accounts, "ada")?.as_deref(), Some(&b"100"[..]));
//! assert_eq!(journal.prefix("00").count(), 2);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `storage` (default): the store, as [`storage`] and at the top.
//! * `tables`: tables of typed rows with their indexes, as `tables`.
//! * `text`, `spatial`: full-text and spatial indexes of tables.
//! * `query`: queries over tables, planned by cost, as `query`.
//! * `sql`: SQL over tables, as `sql`; with `vector`, also what only DataFusion runs.
//! * `pool`: the connection pool, and sessions of a store or of tables in it, as `pool`.
//! * `ops`: graceful shutdown of a service, as `ops`.
//! * `monitoring`: a store as a service with metrics, health checks and their endpoint.
//! * `signals`: Ctrl-C and SIGTERM begin it.
//! * `tokio`: waiting in the pool as a task of tokio; without it a thread waits. Async callbacks of
//!   a shutdown as such tasks, and SQL of such tasks.
//!
//! The types are always there, as [`types`].
//!
//! # Invariants
//! * Whatever is here is a public item of one of the parts, but for the sessions in `pool` and the
//!   service in `ops`: the parts know nothing of each other that they would need.

pub use lightning_db_types as types;

#[cfg(feature = "storage")]
pub use lightning_db_storage as storage;

/// Tables of typed rows and their indexes: the crate `lightning-db-table`.
///
/// `#[derive(Record)]` is the one of that crate, and finds it here: a program needs no dependency
/// but this one.
#[cfg(feature = "tables")]
pub mod tables {
    pub use lightning_db_derive::FacadeRecord as Record;
    pub use lightning_db_table::*;
}

#[cfg(feature = "query")]
pub use lightning_db_query as query;

#[cfg(feature = "sql")]
pub use lightning_db_sql as sql;

#[cfg(feature = "pool")]
pub mod pool;

#[cfg(feature = "ops")]
pub mod ops;

#[cfg(feature = "storage")]
pub use lightning_db_storage::{
    CommitOutcome, Compression, Durability, Error, Isolation, Keyspace, KeyspaceOptions, Range,
    RecoveryReport, Result, Slice, Snapshot, Statistics, Store, StoreOptions, Swap, Transaction,
    TransactionOptions, WriteBatch,
};

/// The examples of the README, compiled and run as tests.
#[cfg(all(doctest, feature = "text", feature = "spatial", feature = "sql"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The example of the chapter on SQL, compiled and run as a test.
#[cfg(all(doctest, feature = "text", feature = "spatial", feature = "sql"))]
#[doc = include_str!("../../../docs/book/src/sql.md")]
struct Sql;

/// The example of the chapter on plans, compiled and run as a test.
#[cfg(all(doctest, feature = "text", feature = "spatial", feature = "sql"))]
#[doc = include_str!("../../../docs/book/src/plans.md")]
struct Plans;

/// The example of the chapter for users of SQLite, compiled and run as a test.
#[cfg(all(doctest, feature = "text", feature = "spatial", feature = "sql"))]
#[doc = include_str!("../../../docs/book/src/from-sqlite.md")]
struct FromSqlite;

/// The examples of the chapter on indexes, compiled and run as tests.
#[cfg(all(doctest, feature = "text", feature = "spatial"))]
#[doc = include_str!("../../../docs/book/src/indexes.md")]
struct Indexes;
