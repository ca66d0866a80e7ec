//! One index, whatever its kind: what is the same for all stands here, the rest in the kinds.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use lightning_db_expression::Columns;
use lightning_db_storage::{Keyspace, Snapshot, Store, Transaction};

use crate::bitmap::{BitmapIndex, BitmapQuery};
use crate::bloom::BloomIndex;
use crate::build_log;
use crate::definition::{IndexDefinition, IndexKind};
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::loader::{Loader, Loading};
use crate::native::{HashIndex, KeyQuery, OrderedIndex};
use crate::planted;
use crate::reader::Reader;
use crate::row::{RowChange, RowStore};
use crate::row_set::{RowSet, SharedRows};
#[cfg(feature = "spatial")]
use crate::spatial::{SpatialIndex, SpatialQuery};
#[cfg(feature = "text")]
use crate::text::{TextIndex, TextQuery};

/// What is asked of an index. Each kind answers its own queries, and refuses the others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum IndexQuery {
    /// Keys that are equal or in a range: ordered, hash and Bloom indexes.
    Key(KeyQuery),
    /// Values of a bitmap index.
    Bitmap(BitmapQuery),
    /// Places.
    #[cfg(feature = "spatial")]
    Spatial(SpatialQuery),
    /// Words.
    #[cfg(feature = "text")]
    Text(TextQuery),
}

/// What a kind of index does.
pub(crate) trait Kind: fmt::Debug + Send + Sync {
    /// Brings the entries of a row in line with its change. The condition of a partial index has
    /// been applied: a row that does not fulfil it is not there.
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()>;

    /// The rows that match, exactly, for the reader's state.
    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet>;

    /// The rows that match, if the index keeps a set of them in memory: it is made if it is not
    /// there, as an estimate would.
    fn shared_rows(
        &self,
        _reader: Reader<'_>,
        _query: &IndexQuery,
    ) -> Result<Option<Arc<SharedRows>>> {
        Ok(None)
    }

    /// The rows that match without hidden ones, which count for no limit of the query.
    fn rows_without(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        let mut rows = self.rows(reader, query)?;
        rows -= hidden;
        Ok(rows)
    }

    /// How many rows match, without looking for them.
    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate>;

    /// Takes the rows of a table in bulk, for an index that is being built.
    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>>;

    /// Counts are not what the index has any more, until it is read.
    fn doubt_counts(&self) {}

    /// Compares the index with the rows of a snapshot. Rows that the condition leaves out are not
    /// among them.
    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>>;

    /// Checks what was left to the commit, such as a deferrable unique key, against the
    /// transaction's state.
    fn verify_deferred(&self, _transaction: &Transaction) -> Result<()> {
        Ok(())
    }

    /// Work that is worth doing now and then: folding, merging, writing what was gathered. Says
    /// whether there was any.
    fn upkeep(&self) -> Result<bool> {
        Ok(false)
    }

    /// What the index holds, in numbers.
    fn statistics(&self) -> Result<IndexStatistics>;
}

/// An entry of an index that does not agree with the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The row is not in the index, or not with this key.
    Missing {
        /// Number of the row.
        row_id: u64,
        /// What is missing.
        detail: String,
    },
    /// The index holds an entry that no row stands for.
    Extra {
        /// Number of the row that the entry names.
        row_id: u64,
        /// What is too much.
        detail: String,
    },
    /// The index is damaged inside.
    Structure {
        /// What was found.
        detail: String,
    },
}

/// What an index holds, in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct IndexStatistics {
    /// Entries, as far as is known without counting.
    pub entries: u64,
    /// Whether `entries` is what the newest commit has. If not, it is roughly so: the index was
    /// opened or built and its entries have not been counted yet, as upkeep does, or it is of a
    /// kind that does not count.
    pub entries_exact: bool,
    /// Bytes in files.
    pub disk_bytes: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Changes of rows, since the index was opened, that changed none of its entries and so wrote
    /// nothing.
    pub unchanged: u64,
    /// Commits by which a part of a derived index is behind the store; answers are not.
    pub lag: u64,
    /// Share of absent keys for which a Bloom index says "perhaps", as its fill makes expect.
    pub false_positive_rate: Option<f64>,
}

/// The rows of a table that an index holds: those that fulfil its condition.
pub(crate) struct IndexedRows<'a> {
    pub(crate) rows: &'a dyn RowStore,
    pub(crate) definition: &'a IndexDefinition,
    pub(crate) reader: Reader<'a>,
}

impl IndexedRows<'_> {
    /// Calls `visit` with each row, by ascending number.
    pub(crate) fn for_each(
        &mut self,
        visit: &mut dyn FnMut(u64, &dyn Columns) -> Result<()>,
    ) -> Result<()> {
        let definition = self.definition;
        self.rows.for_each(self.reader, &mut |row_id, row| {
            if definition.holds(row)? { visit(row_id, row) } else { Ok(()) }
        })
    }
}

/// An index of a table, open.
#[derive(Debug)]
pub struct Index {
    definition: Arc<IndexDefinition>,
    rows: Arc<dyn RowStore>,
    pub(crate) store: Store,
    /// What is noted of a build, once one has begun.
    pub(crate) log: OnceLock<Keyspace>,
    /// Whether rows have been loaded.
    pub(crate) is_tried: AtomicBool,
    built: Built,
}

#[derive(Debug)]
enum Built {
    Ordered(OrderedIndex),
    Hash(HashIndex),
    Bitmap(BitmapIndex),
    #[cfg(feature = "spatial")]
    Spatial(Arc<SpatialIndex>),
    #[cfg(feature = "text")]
    Text(Arc<TextIndex>),
    Bloom(Arc<BloomIndex>),
}

impl Index {
    /// Opens an index, making its keyspaces if they are not there. A derived index is brought up to
    /// the newest commit, from its last checkpoint or from the rows.
    ///
    /// # Errors
    /// [`Error::Definition`] if the kind cannot be made of these parts; those of the store.
    pub fn open(
        store: &Store,
        definition: Arc<IndexDefinition>,
        rows: Arc<dyn RowStore>,
    ) -> Result<Self> {
        Self::open_as(store, definition, rows, false)
    }

    pub(crate) fn open_as(
        store: &Store,
        definition: Arc<IndexDefinition>,
        rows: Arc<dyn RowStore>,
        is_building: bool,
    ) -> Result<Self> {
        definition.validate()?;
        if store.open_keyspace(&build_log::name(&definition)).is_err() {
            build_log::drop_runs(store, &definition, 0)?;
        }
        let built = match &definition.kind {
            IndexKind::Ordered(options) => {
                Built::Ordered(OrderedIndex::open(store, &definition, options, &*rows)?)
            }
            IndexKind::Hash(options) => Built::Hash(HashIndex::open(store, &definition, options)?),
            IndexKind::Bitmap(options) => {
                Built::Bitmap(BitmapIndex::open(store, &definition, options)?)
            }
            #[cfg(feature = "spatial")]
            IndexKind::Spatial(options) => {
                Built::Spatial(SpatialIndex::open(store, &definition, options, &rows)?)
            }
            #[cfg(feature = "text")]
            IndexKind::Text(options) => {
                Built::Text(TextIndex::open(store, &definition, options, &rows)?)
            }
            IndexKind::Bloom(options) => {
                Built::Bloom(BloomIndex::open(store, &definition, options, &rows, is_building)?)
            }
        };
        let (store, log, is_tried) = (store.clone(), OnceLock::new(), AtomicBool::new(false));
        Ok(Self { definition, rows, store, log, is_tried, built })
    }

    /// Removes an index with all it holds. Snapshots that read it through an open [`Index`] go on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn drop(store: &Store, definition: &IndexDefinition) -> Result<()> {
        for name in store.keyspaces() {
            if name.starts_with(&definition.keyspace_prefix()) {
                store.drop_keyspace(&name)?;
            }
        }
        #[cfg(feature = "text")]
        if matches!(definition.kind, IndexKind::Text(_)) {
            TextIndex::remove_files(store, definition)?;
        }
        Ok(())
    }

    pub(crate) fn kind(&self) -> &dyn Kind {
        match &self.built {
            Built::Ordered(index) => index,
            Built::Hash(index) => index,
            Built::Bitmap(index) => index,
            #[cfg(feature = "spatial")]
            Built::Spatial(index) => &**index,
            #[cfg(feature = "text")]
            Built::Text(index) => &**index,
            Built::Bloom(index) => &**index,
        }
    }

    /// What it was made from.
    pub fn definition(&self) -> &Arc<IndexDefinition> {
        &self.definition
    }

    /// The ordered index, if it is one: scans in key order, covered columns.
    pub fn as_ordered(&self) -> Option<&OrderedIndex> {
        match &self.built {
            Built::Ordered(index) => Some(index),
            _ => None,
        }
    }

    /// The hash index, if it is one.
    pub fn as_hash(&self) -> Option<&HashIndex> {
        match &self.built {
            Built::Hash(index) => Some(index),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn as_hash_mut(&mut self) -> Option<&mut HashIndex> {
        match &mut self.built {
            Built::Hash(index) => Some(index),
            _ => None,
        }
    }

    /// The bitmap index, if it is one: counts without rows.
    pub fn as_bitmap(&self) -> Option<&BitmapIndex> {
        match &self.built {
            Built::Bitmap(index) => Some(index),
            _ => None,
        }
    }

    /// The spatial index, if it is one: nearest neighbours, distances.
    #[cfg(feature = "spatial")]
    pub fn as_spatial(&self) -> Option<&SpatialIndex> {
        match &self.built {
            Built::Spatial(index) => Some(index),
            _ => None,
        }
    }

    /// The text index, if it is one: scores, facets, snippets.
    #[cfg(feature = "text")]
    pub fn as_text(&self) -> Option<&TextIndex> {
        match &self.built {
            Built::Text(index) => Some(index),
            _ => None,
        }
    }

    /// The Bloom index, if it is one.
    pub fn as_bloom(&self) -> Option<&BloomIndex> {
        match &self.built {
            Built::Bloom(index) => Some(index),
            _ => None,
        }
    }

    /// Brings the entries of a row in line with its change, in the transaction that changes the
    /// row.
    ///
    /// # Errors
    /// [`Error::Unique`], [`Error::Value`], [`Error::Expression`], those of the store.
    pub fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let held = |row: Option<&dyn Columns>| match row {
            Some(row) => self.definition.holds(row),
            None => Ok(false),
        };
        let old = if held(change.old)? { change.old } else { None };
        let new = if held(change.new)? { change.new } else { None };
        let leaves = old.is_some() && new.is_none() && change.new.is_some();
        let forgets = leaves && planted::is("keep-rows-that-leave-the-condition");
        if forgets || (old.is_none() && new.is_none()) {
            return Ok(());
        }
        self.kind().maintain(transaction, &RowChange { row_id: change.row_id, old, new })
    }

    /// Checks what [`maintain`](Self::maintain) left to the commit. To be called by each
    /// transaction that changed rows of the table, behind its last change.
    ///
    /// # Errors
    /// [`Error::Unique`], those of the store; the transaction must not be committed then.
    pub fn verify_deferred(&self, transaction: &Transaction) -> Result<()> {
        self.kind().verify_deferred(transaction)
    }

    /// The rows that match, exactly, for the reader's state.
    ///
    /// # Errors
    /// [`Error::Query`] if the kind does not answer such a query; those of the store.
    pub fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        self.kind().rows(reader, query)
    }

    /// As [`rows`](Self::rows), of an index that keeps the set: it takes no longer than an
    /// estimate.
    pub(crate) fn shared_rows(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
    ) -> Result<Option<Arc<SharedRows>>> {
        self.kind().shared_rows(reader, query)
    }

    /// The rows that match without those of a set, exactly. Where the query says how many rows it
    /// wants, those of the set do not count: as many others are found, if there are so many.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn rows_without(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        if hidden.is_empty() {
            return self.rows(reader, query);
        }
        self.kind().rows_without(reader, query, hidden)
    }

    /// How many rows match, without looking for them.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        self.kind().estimate(reader, query)
    }

    /// Compares the index with the rows of a snapshot.
    ///
    /// # Errors
    /// What keeps the check itself from going on; disagreement is in the result.
    pub fn check(&self, snapshot: &Snapshot) -> Result<Vec<Problem>> {
        let (rows, definition) = (&*self.rows, &*self.definition);
        let reader = Reader::Snapshot(snapshot);
        self.kind().check(snapshot, &mut IndexedRows { rows, definition, reader })
    }

    /// Work that is worth doing now and then; says whether there was any.
    ///
    /// # Errors
    /// Those of the store.
    pub fn upkeep(&self) -> Result<bool> {
        self.kind().upkeep()
    }

    /// What the index holds, in numbers.
    ///
    /// # Errors
    /// Those of the store.
    pub fn statistics(&self) -> Result<IndexStatistics> {
        self.kind().statistics()
    }
}

/// The error of a query that a kind does not answer.
pub(crate) fn wrong_query(definition: &IndexDefinition, kind: &str) -> Error {
    let detail = format!("a {kind} index does not answer such a query");
    Error::Query { index: definition.name.clone(), detail }
}
