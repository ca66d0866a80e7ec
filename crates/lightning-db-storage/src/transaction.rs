//! Reads and writes that happen together.

mod range;
mod reads;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::commit::Change;
use crate::engine::OpenEngine;
use crate::entry::Kind;
use crate::error::{Error, Result};
use crate::keyspace::Keyspace;
use crate::options::Durability;
use crate::range::{Bounds, Range, bounds_of, prefix_bounds};
use crate::slice::Slice;
use crate::snapshot::{ReadPoint, Snapshot};

pub use range::TransactionRange;
use reads::ReadSet;

/// What a transaction is protected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Reads are of one snapshot; of two transactions that write one key, the second to commit
    /// conflicts. Write skew is possible.
    Snapshot,
    /// As if transactions ran one after the other: a transaction conflicts if a key or range that
    /// it read has changed. Ranges are protected as far as they were read (no phantoms).
    #[default]
    Serializable,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was changed"]
pub enum CommitOutcome {
    /// All changes are made.
    Committed {
        /// Number of the commit, or of the newest one if nothing was changed.
        lsn: u64,
    },
    /// Another commit came between; nothing was changed.
    Conflict,
}

impl CommitOutcome {
    /// Whether the changes were made.
    pub fn is_committed(&self) -> bool {
        matches!(self, Self::Committed { .. })
    }
}

/// Options of [`Store::transaction_with`](crate::Store::transaction_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "options do nothing before `Store::transaction_with`"]
pub struct TransactionOptions {
    /// What the transaction is protected from.
    pub isolation: Isolation,
    /// Level of its commit; `None` for the store's.
    pub durability: Option<Durability>,
}

/// Savepoints made so far by the process: one of another transaction is never taken for an own one.
static SAVEPOINTS: AtomicU64 = AtomicU64::new(0);

/// A place in a transaction to go back to; see [`Transaction::savepoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint {
    serial: u64,
}

/// Reads of one snapshot and the transaction's own writes, committed together.
///
/// Optimistic: nothing is locked, and a conflict is found at commit. Memory grows with the writes
/// and, if serializable, with the keys and ranges read. Dropping a transaction drops its writes.
#[derive(Debug)]
#[must_use = "a transaction does nothing before `commit`"]
pub struct Transaction {
    point: Arc<ReadPoint>,
    options: TransactionOptions,
    keyspaces: BTreeMap<u32, Keyspace>,
    writes: BTreeMap<WriteKey, Write>,
    /// What each write behind a savepoint replaced, oldest first.
    undo: Vec<(WriteKey, Option<Write>)>,
    savepoints: Vec<Mark>,
    reads: Arc<Mutex<ReadSet>>,
    effects: Vec<Effect>,
}

/// Where a transaction was at a savepoint: lengths of its lists.
#[derive(Debug, Clone, Copy)]
struct Mark {
    savepoint: Savepoint,
    undo: usize,
    effects: usize,
}

/// What is done once the transaction is committed.
struct Effect(Box<dyn FnOnce(u64) + Send + Sync>);

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect").finish_non_exhaustive()
    }
}

/// Keyspace id and key.
type WriteKey = (u32, Vec<u8>);

/// The transaction's last change of a key.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    encoded: Arc<[u8]>,
    /// What the transaction itself reads; `None` if it removed the key.
    value: Option<Slice>,
}

impl Transaction {
    pub(crate) fn new(engine: &Arc<OpenEngine>, options: TransactionOptions) -> Self {
        Self {
            point: ReadPoint::new(engine),
            options,
            keyspaces: BTreeMap::new(),
            writes: BTreeMap::new(),
            undo: Vec::new(),
            savepoints: Vec::new(),
            reads: Arc::default(),
            effects: Vec::new(),
        }
    }

    /// Number of the last commit that it sees.
    pub fn lsn(&self) -> u64 {
        self.point.seq
    }

    /// Time by which it judges expiry, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.point.now_ms
    }

    /// The snapshot that it reads: without its own writes, and noted for no conflict.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(Arc::clone(&self.point))
    }

    /// Its own last change of each key of a keyspace, by key; `None` for a removed key.
    pub fn writes(&self, keyspace: &Keyspace) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let id = keyspace.inner.id;
        let own = self.writes.range((id, Vec::new())..).take_while(move |((of, _), _)| *of == id);
        own.map(|((_, key), write)| (&key[..], write.value.as_deref()))
    }

    /// Keys that it has written, of all keyspaces.
    pub fn write_count(&self) -> usize {
        self.writes.len()
    }

    /// Has `effect` called with the number of the commit, once that is made and visible: for what
    /// is known of the data beside it, such as counts. It is dropped, and not called, if the
    /// transaction is not committed, or if the savepoint before it is gone back to. Effects of one
    /// transaction run in order; those of two may run in another order than their commits.
    pub fn after_commit(&mut self, effect: impl FnOnce(u64) + Send + Sync + 'static) {
        self.effects.push(Effect(Box::new(effect)));
    }

    /// Notes a range as read: if serializable, the transaction conflicts with any commit that
    /// changes it. For what is read by other means than this transaction, such as an index in
    /// memory that was asked for its snapshot.
    pub fn watch<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) {
        if self.records_reads() {
            let mut reads = self.reads.lock();
            let slot = reads.add_range(keyspace, bounds_of(&range));
            reads.note_front(slot, None);
        }
    }

    fn records_reads(&self) -> bool {
        self.options.isolation == Isolation::Serializable
    }

    /// Value of a key: the transaction's own, or the snapshot's.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`], [`Error::KeyspaceDropped`].
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let key = key.as_ref();
        if !self.writes.is_empty()
            && let Some(write) = self.writes.get(&(keyspace.inner.id, key.to_vec()))
        {
            return Ok(write.value.clone());
        }
        if self.records_reads() {
            self.reads.lock().add_key(keyspace, key);
        }
        keyspace.read_at(&self.point, key)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(keyspace, key)?.is_some())
    }

    /// Keys and values within bounds, in key order, from both ends, the transaction's own writes
    /// until this call among them.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> TransactionRange {
        self.range_of(keyspace, bounds_of(&range))
    }

    /// Keys and values whose keys start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> TransactionRange {
        self.range_of(keyspace, prefix_bounds(prefix.as_ref()))
    }

    fn range_of(&self, keyspace: &Keyspace, bounds: Bounds) -> TransactionRange {
        let id = keyspace.inner.id;
        let own = self.writes.range((id, Vec::new())..).take_while(|((of, _), _)| *of == id);
        let own = own.filter(|((_, key), _)| {
            crate::range::after_start(key, &bounds.0) && crate::range::before_end(key, &bounds.1)
        });
        let own = own.map(|((_, key), write)| (Slice::from(&key[..]), write.value.clone()));
        let own = own.collect();
        let slot = self.records_reads().then(|| {
            let slot = self.reads.lock().add_range(keyspace, bounds.clone());
            (Arc::clone(&self.reads), slot)
        });
        TransactionRange::new(Range::new(Arc::clone(&self.point), keyspace, bounds), own, slot)
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// As [`Keyspace::insert`].
    pub fn insert(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let change = keyspace.put(key, value, None)?;
        self.write(keyspace, key, change, Some(Slice::from(value)))
    }

    /// Sets the value of a key until it expires.
    ///
    /// # Errors
    /// As [`Keyspace::insert`].
    pub fn insert_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: std::time::Duration,
    ) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let change = keyspace.put(key, value, Some(time_to_live))?;
        self.write(keyspace, key, change, Some(Slice::from(value)))
    }

    /// Removes a key.
    ///
    /// # Errors
    /// As [`Keyspace::insert`].
    pub fn remove(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        let change = Change::new(&keyspace.inner, Kind::Delete, key, &[], 0)?;
        self.write(keyspace, key, change, None)
    }

    fn write(
        &mut self,
        keyspace: &Keyspace,
        key: &[u8],
        change: Change,
        value: Option<Slice>,
    ) -> Result<()> {
        keyspace.inner.check_live()?;
        let id = keyspace.inner.id;
        self.keyspaces.entry(id).or_insert_with(|| keyspace.clone());
        let key = (id, key.to_vec());
        let write = Write { encoded: change.encoded, value };
        if self.savepoints.is_empty() {
            self.writes.insert(key, write);
        } else {
            let before = self.writes.insert(key.clone(), write);
            self.undo.push((key, before));
        }
        Ok(())
    }

    /// Marks a place to go back to. Costs nothing; each write behind it remembers what it replaced.
    pub fn savepoint(&mut self) -> Savepoint {
        let savepoint = Savepoint { serial: SAVEPOINTS.fetch_add(1, Ordering::Relaxed) };
        let (undo, effects) = (self.undo.len(), self.effects.len());
        self.savepoints.push(Mark { savepoint, undo, effects });
        savepoint
    }

    /// Takes back all writes behind a savepoint. It stays; those marked after it are gone. What was
    /// read behind it still counts for conflicts.
    ///
    /// # Errors
    /// [`Error::SavepointGone`].
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.savepoints.iter().position(|mark| mark.savepoint == savepoint);
        let at = at.ok_or(Error::SavepointGone)?;
        let Mark { undo, effects, .. } = self.savepoints[at];
        self.effects.truncate(effects);
        for (key, before) in self.undo.drain(undo..).rev() {
            match before {
                Some(write) => self.writes.insert(key, write),
                None => self.writes.remove(&key),
            };
        }
        self.savepoints.truncate(at + 1);
        Ok(())
    }

    /// Forgets a savepoint, and those marked after it: their writes stay.
    ///
    /// # Errors
    /// [`Error::SavepointGone`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.savepoints.iter().position(|mark| mark.savepoint == savepoint);
        self.savepoints.truncate(at.ok_or(Error::SavepointGone)?);
        if self.savepoints.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    /// Drops all writes.
    pub fn rollback(self) {}

    /// Commits, unless another commit since the snapshot stands against it.
    ///
    /// # Errors
    /// As [`Keyspace::insert`]; nothing is changed then.
    pub fn commit(self) -> Result<CommitOutcome> {
        let Self { point, options, keyspaces, writes, reads, effects, .. } = self;
        let run_effects = |lsn| effects.into_iter().for_each(|Effect(effect)| effect(lsn));
        if writes.is_empty() {
            // Reads of one snapshot are serializable as they are.
            let lsn = point.engine.visible();
            run_effects(lsn);
            return Ok(CommitOutcome::Committed { lsn });
        }
        let seq = point.seq;
        let mut changes = Vec::with_capacity(writes.len());
        let mut written = Vec::new();
        for ((id, key), write) in writes {
            let Some(keyspace) = keyspaces.get(&id) else { continue };
            if options.isolation == Isolation::Snapshot {
                written.push((Arc::clone(&keyspace.inner), key));
            }
            changes.push(Change { keyspace: Arc::clone(&keyspace.inner), encoded: write.encoded });
        }
        let reads = std::mem::take(&mut *reads.lock());
        let unchanged = || {
            for (keyspace, key) in &written {
                if keyspace.view.load().changed_since(key, seq)? {
                    return Ok(false);
                }
            }
            reads.unchanged_since(seq)
        };
        let engine = Arc::clone(&point.engine);
        let durability = options.durability.unwrap_or(engine.options.durability);
        let Some(lsn) = engine.commit(&mut changes, durability, unchanged)? else {
            return Ok(CommitOutcome::Conflict);
        };
        run_effects(lsn);
        Ok(CommitOutcome::Committed { lsn })
    }
}

#[cfg(test)]
mod tests;
