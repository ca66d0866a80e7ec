//! Keeping a filter in step with the commits, and making it again from the rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db_expression::{Columns, number};
use lightning_db_storage::{
    ChangeKind, Commit, Error as StorageError, Store, Transaction, WholeChange,
};
use lightning_db_types::{ColumnOrder, KeyEncoder, Value};
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_64;

use super::checkpoint::Saved;
use super::filter::Filter;
use crate::definition::IndexDefinition;
use crate::error::Result;
use crate::planted;
use crate::reader::Reader;
use crate::row::{RowStore, row_id_of};

/// Keys put into a filter under one lock while it is made.
const KEYS_AT_ONCE: usize = 4096;

/// What the commit hook writes.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) definition: Arc<IndexDefinition>,
    pub(super) rows: Arc<dyn RowStore>,
    pub(super) state: RwLock<State>,
    /// Keys that open transactions have written, and how often.
    uncommitted: Mutex<HashMap<u64, u64, foldhash::fast::RandomState>>,
    /// Number of the last commit that the filter has.
    pub(super) applied: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) filter: Filter,
    /// The one that is being made to replace it.
    making: Option<Filter>,
    /// As `unsound`, for the one that is being made.
    making_unsound: bool,
    /// Readers of commits before this one may see rows that are not in the filter.
    pub(super) valid_from: u64,
    /// Rows removed or given another key since the filter was made.
    pub(super) removed: u64,
    /// Rows whose columns the hook could not see; until they are read the answer is "perhaps".
    unread: Vec<u64>,
    /// Rows came by a way on which the hook sees nothing of them.
    pub(super) unsound: bool,
}

impl State {
    fn doubt(&mut self) {
        self.unsound = true;
        self.making_unsound = true;
    }

    fn insert(&mut self, hash: u64) {
        if planted::is("filter-forgets-keys") {
            return;
        }
        self.filter.insert(hash);
        if let Some(making) = &mut self.making {
            making.insert(hash);
        }
    }

    /// Whether the filter may be asked on behalf of a reader.
    pub(super) fn vouches_for(&self, lsn: u64) -> bool {
        !self.unsound && self.unread.is_empty() && lsn >= self.valid_from
    }
}

/// Hash of a key: one for equal values, whatever the types of numbers.
pub(super) fn hash_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> u64 {
    thread_local! {
        static KEY: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let mut key = KEY.take();
    key.clear();
    let mut encoder = KeyEncoder::new(&mut key);
    for value in values {
        match number::canonical(value.as_value_ref()) {
            Some(canonical) => encoder.push(&canonical, ColumnOrder::ASCENDING),
            None => encoder.push(value, ColumnOrder::ASCENDING),
        }
    }
    let hash = xxh3_64(&key);
    KEY.set(key);
    hash
}

/// A key that a transaction has written, until it ends.
#[derive(Debug)]
struct Held {
    follower: Arc<Follower>,
    hash: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut uncommitted = self.follower.uncommitted.lock();
        if let Entry::Occupied(mut held) = uncommitted.entry(self.hash) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Follower {
    pub(super) fn new(definition: &Arc<IndexDefinition>, rows: &Arc<dyn RowStore>) -> Self {
        Self {
            definition: Arc::clone(definition),
            rows: Arc::clone(rows),
            state: RwLock::default(),
            uncommitted: Mutex::default(),
            applied: AtomicU64::new(0),
        }
    }

    /// Hash of a row's key.
    pub(super) fn hash(&self, row: &dyn Columns) -> Result<u64> {
        Ok(hash_of(&self.definition.key_values(row)?))
    }

    /// Hash of a stored row's key; `None` if the row is not in the index.
    fn hash_stored(&self, stored: &[u8]) -> Result<Option<u64>> {
        let mut hash = None;
        self.rows.decode(stored, &mut |row| {
            if self.definition.holds(row)? {
                hash = Some(self.hash(row)?);
            }
            Ok(())
        })?;
        Ok(hash)
    }

    /// Notes a key that a transaction writes: the filter gets it with the commit, which runs the
    /// hook before this is forgotten. `replaces` says that the row had another key.
    pub(super) fn hold(self: &Arc<Self>, transaction: &mut Transaction, hash: u64, replaces: bool) {
        *self.uncommitted.lock().entry(hash).or_insert(0) += 1;
        let held = Held { follower: Arc::clone(self), hash };
        transaction.after_commit(move |_| {
            if replaces {
                held.follower.state.write().removed += 1;
            }
        });
    }

    /// Whether a transaction that is open has written a row with this key.
    pub(super) fn is_held(&self, hash: u64) -> bool {
        self.uncommitted.lock().contains_key(&hash)
    }

    fn insert(&self, hash: u64) {
        self.insert_all([hash]);
    }

    /// Puts keys in.
    pub(super) fn insert_all(&self, hashes: impl IntoIterator<Item = u64>) {
        let mut state = self.state.write();
        hashes.into_iter().for_each(|hash| state.insert(hash));
    }

    /// Takes the rows of a commit, before it is visible.
    pub(super) fn on_commit(&self, commit: &Commit<'_>) {
        let name = self.rows.keyspace().name();
        match commit.whole() {
            Some(WholeChange::Ingested(of)) if of == name => self.state.write().doubt(),
            Some(WholeChange::Cleared(of)) if of == name => {
                let mut state = self.state.write();
                state.removed = state.filter.items();
            }
            _ => {}
        }
        let (mut hashes, mut removed) = (Vec::new(), 0);
        let (mut unread, mut unsound) = (Vec::new(), false);
        for change in commit.changes().filter(|change| change.keyspace == name) {
            let Some(row_id) = row_id_of(change.key) else { continue };
            match change.value {
                Some(stored) => match self.hash_stored(stored) {
                    Ok(hash) => hashes.extend(hash),
                    Err(_) => unsound = true,
                },
                None if change.in_blob => unread.push(row_id),
                None => removed += 1,
            }
        }
        if !hashes.is_empty() || removed > 0 || !unread.is_empty() || unsound {
            let mut state = self.state.write();
            for hash in hashes {
                state.insert(hash);
            }
            state.removed += removed;
            state.unread.extend(unread);
            if unsound {
                state.doubt();
            }
        }
        self.applied.store(commit.lsn(), Ordering::Release);
    }

    /// Takes the commits from the log that a saved filter does not have; says whether all of them
    /// could be had.
    pub(super) fn replay(&self, store: &Store, saved: Saved) -> Result<bool> {
        let target = store.last_lsn();
        let from = saved.applied + 1;
        {
            let mut state = self.state.write();
            state.filter = saved.filter;
            state.valid_from = saved.valid_from;
            state.removed += saved.removed;
        }
        if from > target {
            return Ok(true);
        }
        let mut changes = match store.changes(from) {
            Ok(changes) => changes,
            Err(StorageError::ChangesDropped { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let name = self.rows.keyspace().name();
        while changes.next_lsn() <= target {
            let set = match changes.next_change() {
                Ok(Some(set)) => set,
                Ok(None) => break,
                // The log is not what it was: the rows are.
                Err(StorageError::ChangesDropped { .. } | StorageError::Corrupt { .. }) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            for change in set.changes.iter().filter(|of| of.keyspace.as_deref() == Some(name)) {
                match &change.kind {
                    ChangeKind::Inserted { value, .. } => match self.hash_stored(value) {
                        Ok(Some(hash)) => self.insert(hash),
                        Ok(None) => {}
                        Err(_) => return Ok(false),
                    },
                    ChangeKind::InsertedLarge { .. } => {
                        self.state.write().unread.extend(row_id_of(&change.key));
                    }
                    ChangeKind::Removed => self.state.write().removed += 1,
                    ChangeKind::Cleared => {}
                    _ => return Ok(false),
                }
            }
        }
        self.read_unread(store)?;
        Ok(true)
    }

    /// Reads the rows that the hook could not see; says whether there were any.
    pub(super) fn read_unread(&self, store: &Store) -> Result<bool> {
        let unread = self.state.read().unread.clone();
        if unread.is_empty() {
            return Ok(false);
        }
        barrier(store);
        let snapshot = store.snapshot();
        let rows: &dyn RowStore = &*self.rows;
        for row_id in &unread {
            rows.get(Reader::Snapshot(&snapshot), *row_id, &mut |row| {
                if self.definition.holds(row)? {
                    self.insert(self.hash(row)?);
                }
                Ok(())
            })?;
        }
        let mut state = self.state.write();
        state.unread.drain(..unread.len());
        // A row may have been another one for an older reader.
        state.valid_from = state.valid_from.max(snapshot.lsn());
        Ok(true)
    }

    /// A filter for the rows that there are, with a seed that the one before did not have: made
    /// twice it must not let through the same keys.
    fn empty(&self, expected: u64, rate: f64, before: &Filter) -> Filter {
        let capacity = expected.max(self.rows.keyspace().approximate_len());
        let salt = before.salt.wrapping_add(1) ^ u64::from(self.definition.id) << 32;
        Filter::new(capacity, rate, salt)
    }

    /// Begins with a filter that vouches for nobody until it is told so.
    pub(super) fn begin_empty(&self, expected: u64, rate: f64) {
        let mut state = self.state.write();
        state.filter = self.empty(expected, rate, &state.filter);
        state.valid_from = u64::MAX;
    }

    /// Has the filter vouch for the rows of a snapshot, of which it has all.
    pub(super) fn vouch_from(&self, lsn: u64) {
        let mut state = self.state.write();
        state.valid_from = state.valid_from.min(lsn);
    }

    /// Makes the filter again from the rows.
    pub(super) fn rebuild(&self, store: &Store, expected: u64, rate: f64) -> Result<()> {
        {
            let mut state = self.state.write();
            state.making = Some(self.empty(expected, rate, &state.filter));
            state.making_unsound = false;
        }
        barrier(store);
        let snapshot = store.snapshot();
        let made = self.fill(Reader::Snapshot(&snapshot));
        let mut state = self.state.write();
        let making = state.making.take();
        match (made, making) {
            (Ok(()), Some(filter)) => {
                state.filter = filter;
                state.valid_from = snapshot.lsn();
                state.removed = 0;
                state.unsound = state.making_unsound;
                Ok(())
            }
            // The one that was there stays, and what it vouched for.
            (made, _) => made,
        }
    }

    /// Puts all rows into the filter that is being made.
    fn fill(&self, reader: Reader<'_>) -> Result<()> {
        let mut hashes = Vec::with_capacity(KEYS_AT_ONCE);
        let flush = |hashes: &mut Vec<u64>| {
            if let Some(making) = &mut self.state.write().making {
                hashes.drain(..).for_each(|hash| making.insert(hash));
            }
        };
        self.rows.for_each(reader, &mut |_, row| {
            if self.definition.holds(row)? {
                hashes.push(self.hash(row)?);
            }
            if hashes.len() == KEYS_AT_ONCE {
                flush(&mut hashes);
            }
            Ok(())
        })?;
        flush(&mut hashes);
        Ok(())
    }
}

/// Waits until every commit whose hooks have run is visible: hooks run under the commit lock, which
/// a new one takes.
fn barrier(store: &Store) {
    drop(store.on_commit(|_| {}));
}
