//! Bitmap indexes: a set of rows for each value, or bit slices of a number.
//!
//! Sets stand in the store in chunks of 65,536 rows, with a small key of its own for each change
//! that has not been folded into its chunk: two transactions that change different rows write
//! different keys, and a change of one row does not rewrite 8 KiB. All are ordinary keys of the
//! commit that changes the row, so that snapshots, rollback and recovery are those of the store.
//!
//! Source: the containers are those of Lemire and others, "Roaring bitmaps", 2018; chunks and
//! changes as keys are our own.

mod cache;
mod check;
mod chunk;
mod estimate;
mod fold;
mod key;
mod load;
mod measure;
mod query;
mod sets;
mod slices;
mod types;

use std::collections::BTreeSet;
use std::sync::Arc;

use lightning_db_expression::Columns;
use lightning_db_storage::{
    Commit, CommitSubscription, Keyspace, KeyspaceOptions, Snapshot, Store, Transaction,
    WholeChange,
};
use serde::{Deserialize, Serialize};

pub use query::BitmapQuery;

use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::loader::{Loader, Loading};
use crate::planted;
use crate::reader::Reader;
use crate::row::RowChange;
use crate::row_set::{RowSet, SharedRows};
use cache::{SetCache, SetChange};
use estimate::Estimates;
use fold::Pending;
use types::SeenTypes;

/// Largest scale of sliced decimals.
const SCALE_MAX: u8 = 38;

/// Options of a bitmap index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitmapOptions {
    /// What there is a set for.
    pub encoding: BitmapEncoding,
    /// Bytes of decoded sets that are kept in memory.
    pub cache_bytes: u64,
}

impl Default for BitmapOptions {
    /// Sets of values; 64 MiB of memory.
    fn default() -> Self {
        Self { encoding: BitmapEncoding::Values, cache_bytes: 64 << 20 }
    }
}

impl BitmapOptions {
    /// Options of bit slices, for columns of whole numbers, floats, dates and moments.
    pub fn slices() -> Self {
        Self { encoding: BitmapEncoding::Slices { decimal_scale: 0 }, ..Self::default() }
    }
}

/// What a bitmap index has a set of rows for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BitmapEncoding {
    /// Each value: for columns with up to some thousands of different ones.
    Values,
    /// Each bit of a number (i64, u64, f64, decimal, date, timestamp): ranges, sum, minimum and
    /// maximum in as many steps as it has bits, however many values there are.
    Slices {
        /// Digits behind the point that decimals are kept with; a row with more is refused.
        decimal_scale: u8,
    },
}

/// A bitmap index of one column or expression.
#[derive(Debug)]
pub struct BitmapIndex {
    definition: Arc<IndexDefinition>,
    encoding: BitmapEncoding,
    store: Store,
    keyspace: Keyspace,
    types: SeenTypes,
    shared: Arc<Shared>,
    _subscription: CommitSubscription,
}

/// What the commit hook writes.
#[derive(Debug)]
struct Shared {
    keyspace: String,
    cache: SetCache,
    estimates: Estimates,
    pending: Pending,
}

impl Shared {
    fn on_commit(&self, commit: &Commit<'_>) {
        self.cache.see(commit.lsn());
        if let Some(WholeChange::Cleared(name) | WholeChange::Ingested(name)) = commit.whole() {
            if name == self.keyspace {
                self.cache.clear();
                self.estimates.clear(commit.lsn());
                self.pending.scan_again();
            }
            return;
        }
        let ours = commit.changes().filter(|change| change.keyspace == self.keyspace);
        let changes = ours.filter_map(|change| {
            let value = change.value;
            let parsed = key::parse(change.key)?;
            // Deltas are removed, and chunks written with the flag, by folds, which change no set.
            let change = match (parsed.row_id(), value) {
                (Some(row_id), Some(sign)) => SetChange::Row(row_id, sign == b"+"),
                (None, Some(stored)) if !chunk::is_folded(stored) => SetChange::Unknown,
                _ => return None,
            };
            Some((parsed, change))
        });
        let watching = self.cache.is_watching();
        let (mut noted, mut count) = (Vec::new(), 0);
        for (parsed, change) in changes {
            if change == SetChange::Unknown {
                self.estimates.clear(commit.lsn());
            }
            count += 1;
            if matches!(change, SetChange::Row(..)) {
                self.pending.add(parsed.set, parsed.chunk);
            }
            if watching {
                noted.push((parsed.set, change));
            }
        }
        if count > 0 {
            self.estimates.note(commit.lsn(), count);
        }
        if !noted.is_empty() {
            self.cache.note(commit.lsn(), noted);
        }
    }
}

impl BitmapIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &BitmapOptions,
    ) -> Result<Self> {
        if definition.parts.len() != 1 {
            return Err(definition.refuse("a bitmap index has one column"));
        }
        if let BitmapEncoding::Slices { decimal_scale } = options.encoding
            && decimal_scale > SCALE_MAX
        {
            return Err(definition.refuse(format!("a scale is at most {SCALE_MAX}")));
        }
        let name = definition.keyspace_name("bits");
        let keyspace = store.keyspace(&name, KeyspaceOptions::new())?;
        let bytes = usize::try_from(options.cache_bytes).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            keyspace: name,
            cache: SetCache::new(bytes),
            estimates: Estimates::default(),
            pending: Pending::default(),
        });
        let told = Arc::clone(&shared);
        let subscription = store.on_commit(move |commit| told.on_commit(commit));
        shared.cache.start_at(subscription.lsn());
        Ok(Self {
            definition: Arc::clone(definition),
            encoding: options.encoding,
            store: store.clone(),
            types: SeenTypes::find(&keyspace)?,
            keyspace,
            shared,
            _subscription: subscription,
        })
    }

    /// The sets that a row is in.
    fn sets_of(&self, row: &dyn Columns) -> Result<BTreeSet<Vec<u8>>> {
        let refuse = |detail: String| Error::Value { index: self.definition.name.clone(), detail };
        let Some(part) = self.definition.parts.first() else { return Ok(BTreeSet::new()) };
        let value = part.expression.evaluate(row)?;
        self.types.add(value.value_type());
        match self.encoding {
            BitmapEncoding::Values => {
                let mut set = Vec::new();
                key::value_set(&value, &mut set);
                if set.len() > key::SET_LEN_MAX {
                    let (len, max) = (set.len(), key::SET_LEN_MAX);
                    return Err(refuse(format!("a value of {len} bytes, {max} are allowed")));
                }
                Ok(BTreeSet::from([key::EXISTENCE.to_vec(), set]))
            }
            BitmapEncoding::Slices { decimal_scale } => {
                let sets = slices::sets_of(&value, decimal_scale).ok_or_else(|| {
                    let of = value.value_type();
                    refuse(format!("a {of} that cannot be sliced with {decimal_scale} decimals"))
                })?;
                Ok(sets.into_iter().collect())
            }
        }
    }

    /// Has a transaction notice values of types that the index has never had: they are not looked
    /// for.
    fn watch_unseen(&self, reader: Reader<'_>) {
        if let Some(transaction) = reader.transaction() {
            let is_sliced = matches!(self.encoding, BitmapEncoding::Slices { .. });
            for (start, end) in self.types.unseen(is_sliced) {
                transaction.watch(&self.keyspace, start..end);
            }
        }
    }

    fn query<'q>(&self, query: &'q IndexQuery) -> Result<&'q BitmapQuery> {
        match query {
            IndexQuery::Bitmap(query) => Ok(query),
            _ => Err(wrong_query(&self.definition, "bitmap")),
        }
    }
}

impl Kind for BitmapIndex {
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let sets = |row: Option<&dyn Columns>| match row {
            Some(row) => self.sets_of(row),
            None => Ok(BTreeSet::new()),
        };
        let (old, new) = (sets(change.old)?, sets(change.new)?);
        // Nothing is read, so that transactions on different rows cannot conflict here.
        let keeps = !new.is_empty() && planted::is("keep-old-value-in-bitmap");
        for set in old.difference(&new).filter(|_| !keeps) {
            transaction.insert(&self.keyspace, key::delta_key(set, change.row_id), b"-")?;
        }
        for set in new.difference(&old) {
            transaction.insert(&self.keyspace, key::delta_key(set, change.row_id), b"+")?;
        }
        Ok(())
    }

    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        self.watch_unseen(reader);
        self.select(reader, self.query(query)?)
    }

    /// Sets of single values are kept. Of a transaction none: an estimate must not make it
    /// conflict.
    fn shared_rows(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
    ) -> Result<Option<Arc<SharedRows>>> {
        match self.query(query)? {
            BitmapQuery::Equal(value) if reader.transaction().is_none() => {
                self.shared_equal(reader, value)
            }
            _ => Ok(None),
        }
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        self.estimate_of(reader, self.query(query)?)
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(load::BitmapLoader::new(self, loading)?))
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        self.compare(snapshot, rows)
    }

    fn upkeep(&self) -> Result<bool> {
        self.fold_some()
    }

    fn statistics(&self) -> Result<IndexStatistics> {
        let bytes = self.store.statistics().keyspaces;
        let ours = bytes.iter().find(|of| of.name == self.shared.keyspace);
        // Of sets of values, the headers of chunks alone are read.
        let snapshot = self.store.snapshot();
        let entries = self.count(Reader::Snapshot(&snapshot), &BitmapQuery::All)?;
        Ok(IndexStatistics {
            entries,
            entries_exact: true,
            disk_bytes: ours.map_or(0, |of| of.table_bytes),
            memory_bytes: self.shared.cache.bytes() as u64,
            ..IndexStatistics::default()
        })
    }
}

#[cfg(test)]
mod tests;
