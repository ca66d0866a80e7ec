//! Indexes that are ordinary keys of the store: ordered and hash indexes.
//!
//! Their entries are written in the transaction that changes the row, and nothing else is kept, so
//! that snapshots, rollback, conflicts and recovery are those of the store.

mod check;
mod estimate;
mod hash;
mod key;
mod load;
mod lookup;
mod ordered;
mod payload;
mod query;
mod scan;
mod sketch;
mod unique;

pub use hash::{HashIndex, HashOptions};
pub use lookup::KeyRows;
pub use ordered::{OrderedIndex, OrderedOptions};
pub use query::{KeyQuery, Seek};
pub use scan::{Hit, HitRef, Scan};

#[cfg(test)]
mod tests;
