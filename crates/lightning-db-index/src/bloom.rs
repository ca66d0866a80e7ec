//! Bloom indexes: whether a key is certainly not there.
//!
//! A filter in memory holds the keys of all rows that any reader can see. A commit hook puts them
//! in, before the commit is visible; they are never taken out. The keys of rows that open
//! transactions have written stand beside it until these end. So "certainly not" is true for every
//! snapshot that the filter vouches for, and for a transaction with its own rows; for the rare
//! reader that it cannot vouch for the answer is "perhaps". The filter is saved in the store now
//! and then. At an open, commits behind the saved one are taken from the log; if that cannot be
//! done, the filter is made again from the rows.

mod checkpoint;
mod filter;
mod follow;
mod load;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning_db_storage::{
    CommitSubscription, Keyspace, KeyspaceOptions, Snapshot, Store, Transaction,
};
use lightning_db_types::Value;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::loader::{Loader, Loading};
use crate::reader::Reader;
use crate::row::{RowChange, RowStore};
use crate::row_set::RowSet;
use checkpoint::Saved;
use follow::{Follower, State, hash_of};

/// Below this, 64 bits of hash let more through than the filter.
const RATE_MIN: f64 = 1e-8;
const RATE_MAX: f64 = 0.5;
const ITEMS_MAX: u64 = 1 << 32;
/// Changes after which a filter is saved again, and as a share of its keys.
const SAVE_AFTER: (u64, u64) = (4096, 8);
/// A filter is made again when three keys of ten are dead.
const DEAD_SHARE: (u64, u64) = (3, 10);
/// Fewer dead keys than this are not worth it.
const DEAD_MIN: u64 = 1024;
/// A filter that has grown so many times is made again as one block.
const BLOCKS_MAX: usize = 4;

/// Options of a Bloom index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BloomOptions {
    /// Share of absent keys for which it may say "perhaps", `1e-8` to `0.5`. With more keys than
    /// expected the share goes up, to less than twice this, until the filter is made again.
    pub false_positive_rate: f64,
    /// Number of keys that it has room for at first; it grows.
    pub expected_items: u64,
}

impl Default for BloomOptions {
    /// One key of a hundred, 10,000 keys.
    fn default() -> Self {
        Self { false_positive_rate: 0.01, expected_items: 10_000 }
    }
}

/// A Bloom index.
#[derive(Debug)]
pub struct BloomIndex {
    definition: Arc<IndexDefinition>,
    options: BloomOptions,
    store: Store,
    keyspace: Keyspace,
    follower: Arc<Follower>,
    /// Commit up to which the filter is saved, and its keys and removals then.
    saved: Mutex<(u64, u64)>,
    /// One filter is made or saved at a time.
    working: Mutex<()>,
    _subscription: CommitSubscription,
}

impl BloomIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &BloomOptions,
        rows: &Arc<dyn RowStore>,
        is_building: bool,
    ) -> Result<Arc<Self>> {
        let rate = options.false_positive_rate;
        if !(RATE_MIN..=RATE_MAX).contains(&rate) {
            let detail = format!("a false-positive rate of {rate}, allowed are 1e-8 to 0.5");
            return Err(definition.refuse(detail));
        }
        if !(1..=ITEMS_MAX).contains(&options.expected_items) {
            let detail = format!("{} expected keys, allowed are 1 to 2^32", options.expected_items);
            return Err(definition.refuse(detail));
        }
        let keyspace =
            store.keyspace(&definition.keyspace_name("filter"), KeyspaceOptions::new())?;
        let follower = Arc::new(Follower::new(definition, rows));
        // First the hook, then what was before it: a commit may be taken twice, and none is missed.
        let told = Arc::clone(&follower);
        let subscription = store.on_commit(move |commit| told.on_commit(commit));
        follower.applied.fetch_max(subscription.lsn(), Ordering::AcqRel);
        let index = Self {
            definition: Arc::clone(definition),
            options: options.clone(),
            store: store.clone(),
            keyspace,
            follower,
            saved: Mutex::new((0, 0)),
            working: Mutex::new(()),
            _subscription: subscription,
        };
        if is_building {
            // A loader will bring the rows from before.
            index.follower.begin_empty(options.expected_items, rate);
        } else {
            index.restore()?;
        }
        Ok(Arc::new(index))
    }

    /// Takes the saved filter, or makes it again.
    fn restore(&self) -> Result<()> {
        let snapshot = self.store.snapshot();
        if let Some(saved) = checkpoint::load(&snapshot, &self.keyspace, self.fingerprint())? {
            let at = (saved.applied, saved.filter.items() + saved.removed);
            if self.follower.replay(&self.store, saved)? {
                *self.saved.lock() = at;
                return Ok(());
            }
        }
        self.rebuild()
    }

    fn rebuild(&self) -> Result<()> {
        let BloomOptions { false_positive_rate, expected_items } = self.options;
        self.follower.rebuild(&self.store, expected_items, false_positive_rate)
    }

    /// A number for what the keys are made of.
    fn fingerprint(&self) -> u64 {
        let IndexDefinition { parts, condition, .. } = &*self.definition;
        let rate = self.options.false_positive_rate;
        // Into memory, which does not fail.
        xxh3_64(&postcard::to_stdvec(&(parts, condition, rate)).unwrap_or_default())
    }

    /// False if certainly no row has this key, one value for each part of the index, for the
    /// reader's state. Numbers are compared as numbers.
    ///
    /// Of a transaction nothing is noted for conflicts when the answer is "certainly not": who
    /// relies on it must read the rows, or watch them.
    ///
    /// # Errors
    /// [`Error::Query`] if there are more values or fewer than parts; those of the store.
    pub fn may_contain(&self, reader: Reader<'_>, values: &[Value]) -> Result<bool> {
        let (given, parts) = (values.len(), self.definition.parts.len());
        if given != parts {
            return Err(self.refuse_query(format!("{given} values for a key of {parts}")));
        }
        Ok(self.may_contain_hash(reader, hash_of(values)))
    }

    fn may_contain_hash(&self, reader: Reader<'_>, hash: u64) -> bool {
        let state = self.follower.state.read();
        !state.vouches_for(reader.lsn())
            || state.filter.may_contain(hash)
            || (reader.transaction().is_some() && self.follower.is_held(hash))
    }

    /// Share of absent keys for which it says "perhaps", as its fill makes expect.
    pub fn false_positive_rate(&self) -> f64 {
        self.follower.state.read().filter.false_positive_rate()
    }

    fn refuse_query(&self, detail: String) -> Error {
        Error::Query { index: self.definition.name.clone(), detail }
    }

    /// Saves the filter if it has changed much.
    fn save(&self, force: bool) -> Result<bool> {
        let saved = {
            let state = self.follower.state.read();
            let changes = state.filter.items() + state.removed;
            let last = *self.saved.lock();
            let due = SAVE_AFTER.0.max(last.1 / SAVE_AFTER.1);
            let soundless = state.unsound || !state.vouches_for(u64::MAX);
            if soundless || (!force && changes.abs_diff(last.1) < due) {
                return Ok(false);
            }
            // Hooks write the state before they raise the number, so that it has all up to it.
            let applied = self.follower.applied.load(Ordering::Acquire);
            let (valid_from, removed) = (state.valid_from, state.removed);
            Saved { filter: state.filter.clone(), applied, valid_from, removed }
        };
        checkpoint::save(&self.store, &self.keyspace, self.fingerprint(), &saved)?;
        *self.saved.lock() = (saved.applied, saved.filter.items() + saved.removed);
        Ok(true)
    }
}

impl Kind for BloomIndex {
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let Some(new) = change.new else { return Ok(()) };
        let hash = self.follower.hash(new)?;
        let replaces = match change.old {
            Some(old) => self.follower.hash(old)? != hash,
            None => false,
        };
        self.follower.hold(transaction, hash, replaces);
        Ok(())
    }

    /// The empty set if no row has the key for certain. If some row may have it, the rows are read:
    /// a filter knows no row numbers, and an answer must be exact.
    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        let IndexQuery::Key(query) = query else {
            return Err(wrong_query(&self.definition, "Bloom"));
        };
        let keys = query.whole_keys(self.definition.parts.len()).ok_or_else(|| {
            self.refuse_query("a Bloom index answers for whole keys, by value".to_owned())
        })?;
        let mut hashes = Vec::new();
        for key in keys {
            let hash = hash_of(key);
            if self.may_contain_hash(reader, hash) {
                hashes.push((hash, key));
            }
        }
        let mut found = RowSet::new();
        if hashes.is_empty() {
            if let Reader::Transaction(transaction) = reader {
                // The empty answer is a read of them all.
                transaction.watch::<&[u8]>(self.follower.rows.keyspace(), ..);
            }
            return Ok(found);
        }
        self.follower.rows.for_each(reader, &mut |row_id, row| {
            if self.definition.holds(row)? {
                let values = self.definition.key_values(row)?;
                let hash = hash_of(&values);
                // Two keys with one hash are told apart.
                if hashes.iter().any(|(of, key)| *of == hash && equal(key, &values)) {
                    found.insert(row_id);
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        let IndexQuery::Key(query) = query else {
            return Err(wrong_query(&self.definition, "Bloom"));
        };
        let Some(keys) = query.whole_keys(self.definition.parts.len()) else {
            return Ok(Estimate::between(0.0, 1.0, f64::MAX));
        };
        let mut perhaps = 0;
        for key in keys {
            perhaps += u64::from(self.may_contain_hash(reader, hash_of(key)));
        }
        if perhaps == 0 {
            return Ok(Estimate::exact(0));
        }
        // How many rows have a key that is there, nobody knows: the number of all rows is a rough
        // one.
        Ok(Estimate::between(0.0, Estimate::exact(perhaps).point, f64::MAX))
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(load::BloomLoader::new(self, loading)?))
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        rows.for_each(&mut |row_id, row| {
            let hash = self.follower.hash(row)?;
            if !self.may_contain_hash(Reader::Snapshot(snapshot), hash) {
                let detail = "its key is not in the filter".to_owned();
                problems.push(Problem::Missing { row_id, detail });
            }
            Ok(())
        })?;
        Ok(problems)
    }

    fn upkeep(&self) -> Result<bool> {
        let _working = self.working.lock();
        let mut worked = self.follower.read_unread(&self.store)?;
        let worn = is_worn(&self.follower.state.read());
        if worn {
            self.rebuild()?;
            worked = true;
        }
        Ok(self.save(worn)? || worked)
    }

    fn statistics(&self) -> Result<IndexStatistics> {
        let state = self.follower.state.read();
        let keyspaces = self.store.statistics().keyspaces;
        let ours = keyspaces.iter().find(|of| of.name == self.keyspace.name());
        Ok(IndexStatistics {
            entries: state.filter.items(),
            disk_bytes: ours.map_or(0, |of| of.table_bytes),
            memory_bytes: state.filter.bytes(),
            lag: self.store.last_lsn().saturating_sub(self.saved.lock().0),
            false_positive_rate: Some(state.filter.false_positive_rate()),
            ..IndexStatistics::default()
        })
    }
}

/// Whether a filter holds too much that is gone, or has grown too often.
fn is_worn(state: &State) -> bool {
    let (items, removed) = (state.filter.items(), state.removed);
    let dead = removed >= DEAD_MIN && removed * DEAD_SHARE.1 >= items * DEAD_SHARE.0;
    state.unsound || dead || state.filter.blocks.len() > BLOCKS_MAX
}

fn equal(key: &[Value], values: &[Value]) -> bool {
    let same = |(left, right): (&Value, &Value)| {
        lightning_db_expression::number::compare(left.as_value_ref(), right.as_value_ref())
            == Some(std::cmp::Ordering::Equal)
    };
    key.len() == values.len() && key.iter().zip(values).all(same)
}

#[cfg(test)]
mod tests;
