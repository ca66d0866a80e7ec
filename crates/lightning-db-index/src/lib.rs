//! Index kinds over storage transactions: each answers for the reader's state, exactly.
//!
//! An [`Index`] is made from an [`IndexDefinition`] and lives in keyspaces of a
//! [`Store`](lightning_db_storage::Store). Its entries are written in the transaction that changes
//! the row ([`Index::maintain`]), so that a commit carries both or neither. Whatever the kind, it
//! delivers a [`RowSet`] for a snapshot or a transaction, and sets of any kinds are combined by
//! AND, OR and NOT without loss.
//!
//! Kinds are of three classes. *Native* kinds (composite, unique, covering, partial, expression,
//! hash) are ordinary keys: snapshots, rollback and recovery are those of the store. *Bitmap*
//! indexes are ordinary keys as well: containers of 65,536 rows, and one small key for each change.
//! *Derived* kinds (spatial, text, Bloom) keep a structure in memory or in files of their own that
//! follows the commits; losing it loses nothing, it is made again from the rows.
//!
//! It is not: a table (it knows rows as [`Columns`] with a number), a planner, a query language.
//!
//! # Features
//! * `text` (default): full-text indexes, through tantivy.
//! * `spatial` (default): spatial indexes, through rstar.
//! * `planted-bugs`: deliberate defects for the tests that prove the tests; never for use.
//!
//! # Invariants
//! * An answer for a snapshot never changes, however old the snapshot is.
//! * A [`RowSet`] of an index holds exactly the rows that match: no false positives to check again.
//! * The crate knows rows by number and columns by position: no tables, no plans.

mod error;

mod estimate;
mod key_buffer;
mod row;
mod row_set;

mod reader;

mod definition;
mod index;

mod build_log;
mod loader;
mod runs;

mod combine;

#[cfg(test)]
mod testkit;

#[cfg(feature = "planted-bugs")]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;

mod bitmap;
mod bloom;
mod native;
#[cfg(feature = "spatial")]
mod spatial;
#[cfg(feature = "text")]
mod text;

pub use lightning_db_expression::{
    Arithmetic, Columns, Comparison, DatePart, Expression, ExpressionDisplay, Function,
    MathFunction, number,
};

pub use bitmap::{BitmapEncoding, BitmapIndex, BitmapOptions, BitmapQuery};
pub use bloom::{BloomIndex, BloomOptions};
pub use combine::{RowExpression, RowPlan};
pub use definition::{IndexDefinition, IndexKind, KeyPart};
pub use error::{Error, Result};
pub use estimate::Estimate;
pub use index::{Index, IndexQuery, IndexStatistics, Problem};
pub use loader::{Loaded, Loader, LoaderOptions, Resumed};
pub use native::{
    HashIndex, HashOptions, Hit, HitRef, KeyQuery, KeyRows, OrderedIndex, OrderedOptions, Scan,
    Seek,
};
pub use reader::{Reader, ReaderRange};
pub use row::{RowChange, RowStore, row_id_of, row_key};
pub use row_set::RowSet;
#[cfg(feature = "spatial")]
pub use spatial::{
    Bounds, Geometry, Location, Neighbor, Polygon, PolygonError, SpatialIndex, SpatialJoin,
    SpatialOptions, SpatialQuery,
};
#[cfg(feature = "text")]
pub use text::{
    Analyzer, Fragment, Language, SnippetOptions, TextField, TextHit, TextIndex, TextOptions,
    TextQuery,
};
