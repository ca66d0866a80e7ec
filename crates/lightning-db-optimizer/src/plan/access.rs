//! Ways to the rows of one table.

use std::sync::Arc;

use crate::query::ScalarId;

/// How the rows of a table are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// All of them, one after the other.
    Scan,
    /// By an index, in its order.
    Index(IndexScan),
    /// By sets of rows, in the order of the rows.
    Sets(RowSet),
}

/// A search in an index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IndexScan {
    /// Position of the index in the table's definition.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// What is wanted of the first parts of the key; later parts may be anything. Empty for all
    /// entries.
    pub key: Vec<KeyPart>,
    /// Conditions on functions that the index answers.
    pub functions: Vec<ScalarId>,
    /// The function by whose value the index gives the rows, ascending, or with `reverse`
    /// descending, nulls left out.
    pub nearest: Option<ScalarId>,
    /// Whether it is read from its end to its start.
    pub reverse: bool,
    /// Whether all that is needed stands in the entries, so that no rows are fetched.
    pub covering: bool,
    /// Conditions that are evaluated on entries, before rows are fetched.
    pub filter: Vec<ScalarId>,
}

/// What is wanted of a part of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyPart {
    /// It equals this; nothing if that is null.
    Equal(ScalarId),
    /// It equals one of these.
    In(Vec<ScalarId>),
    /// It is null.
    Null,
    /// It lies between these, and is not null.
    Range {
        /// Where the range starts, if it does.
        low: Option<KeyBound>,
        /// Where it ends, if it does.
        high: Option<KeyBound>,
    },
    /// It is a text that starts with this.
    StartsWith(String),
    /// Anything: the index is searched once for each value of this part.
    Any,
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyBound {
    /// The value; no row is in a range whose bound is null.
    pub value: ScalarId,
    /// Whether the value itself is in the range.
    pub included: bool,
}

/// A set of rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum RowSet {
    /// The rows that an index finds.
    Index(IndexScan),
    /// The rows that are in all of these.
    All(Vec<RowSet>),
    /// The rows that are in one of these.
    Any(Vec<RowSet>),
}

/// A question to a Bloom filter before the table or another index is looked at: if it says no,
/// there are no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BloomCheck {
    /// Position of the filter in the table's indexes.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// The values of its key.
    pub values: Vec<ScalarId>,
}

impl Access {
    /// The index searches in it.
    pub fn index_scans(&self) -> Vec<&IndexScan> {
        match self {
            Self::Scan => Vec::new(),
            Self::Index(scan) => vec![scan],
            Self::Sets(set) => set.index_scans(),
        }
    }

    /// Whether rows come without a look at the table itself.
    pub fn is_covering(&self) -> bool {
        matches!(self, Self::Index(scan) if scan.covering)
    }
}

impl RowSet {
    /// The index searches in it.
    pub fn index_scans(&self) -> Vec<&IndexScan> {
        match self {
            Self::Index(scan) => vec![scan],
            Self::All(sets) | Self::Any(sets) => sets.iter().flat_map(Self::index_scans).collect(),
        }
    }
}

impl KeyPart {
    /// Scalars that it is compared with.
    pub fn scalars(&self) -> Vec<ScalarId> {
        match self {
            Self::Equal(value) => vec![*value],
            Self::In(values) => values.clone(),
            Self::Range { low, high } => {
                [low, high].into_iter().flatten().map(|bound| bound.value).collect()
            }
            Self::Null | Self::StartsWith(_) | Self::Any => Vec::new(),
        }
    }
}
