//! Ordered, transactional, durable key-value store.
//!
//! A [`Store`] is a folder of [`Keyspace`]s: named, ordered maps from bytes to bytes. Every
//! commit, of one change or of a [`WriteBatch`] or [`Transaction`] over many keyspaces, happens
//! whole or not at all, and survives what its [`Durability`] level names. Readers see one state:
//! the newest commit, or that of a [`Snapshot`]. Damaged bytes are reported, and never returned as
//! data.
//!
//! It is not: a server (one process opens a store for writing, others may read beside it), a
//! database of rows (the crates above are), a place for values above 1 GiB or keys above 64 KiB.
//!
//! Commits go to a write-ahead log and to memtables; memtables become sorted tables, and tables are
//! merged in the background (docs/architecture.md, docs/storage-format.md, docs/decisions/0001).
//!
//! # Examples
//! ```
//! use lightning_db_storage::{KeyspaceOptions, Store};
//! # let dir = tempfile::tempdir()?;
//! let (store, _) = Store::open(dir.path())?;
//! let cities = store.keyspace("cities", KeyspaceOptions::new())?;
//! cities.insert("andorra", "Vila")?;
//! assert_eq!(cities.get("andorra")?.as_deref(), Some(&b"Vila"[..]));
//!
//! let before = store.snapshot();
//! cities.remove("andorra")?;
//! assert!(before.contains(&cities, "andorra")? && !cities.contains("andorra")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `planted-bugs`: deliberate defects for the tests that prove the tests; never for use.
//!
//! # Invariants
//! * A commit is visible only after all commits before it, and lost only with all commits after it.
//! * No file is changed after it was synced, but for the log; the manifest is replaced whole.
//! * The crate knows bytes: no rows, no indexes, no plans, no sockets.

mod error;
mod options;
mod slice;

mod store;

mod batch;
mod changes;
mod keyspace;
mod progress;
mod range;
mod segment;
mod snapshot;
mod statistics;
mod times;
mod transaction;

mod commit;
mod engine;
mod published;
mod recovery;
mod sync;
mod view;

mod blob;
mod caches;
mod catalog;
mod entry;
mod hits;
mod memtable;
mod merge;
mod rows;
mod table;
mod wal;

mod maintenance;
#[cfg(feature = "planted-bugs")]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;

pub use batch::WriteBatch;
pub use blob::BlobReader;
pub use catalog::DirectoryState;
pub use changes::{ChangeKind, ChangeReader, ChangeSet, KeyChange};
pub use commit::{Commit, CommitSubscription, CommittedChange, WholeChange};
pub use entry::{KEY_LEN_MAX, VALUE_LEN_MAX};
pub use error::{Error, Result};
pub use keyspace::{Keyspace, Swap};
pub use maintenance::check::{CheckReport, Depth, Problem};
pub use maintenance::copy::BackupReport;
pub use maintenance::ingest::IngestReport;
pub use maintenance::repair::{Lost, RepairReport};
pub use options::{Durability, KeyspaceOptions, Maintenance, MergeFilter, StoreOptions};
pub use progress::{Observer, Progress, Stage};
pub use range::Range;
pub use recovery::RecoveryReport;
pub use segment::{Offer, Segment, Visitor};
pub use slice::Slice;
pub use snapshot::Snapshot;
pub use statistics::{CommitCounts, DiskUsage, KeyspaceStatistics, MemoryUsage, Statistics};
pub use store::Store;
pub use table::Compression;
pub use times::Times;
pub use transaction::{
    CommitOutcome, Isolation, Savepoint, Transaction, TransactionOptions, TransactionRange,
};
