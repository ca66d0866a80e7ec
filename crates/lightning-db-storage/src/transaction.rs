//! Reads and writes that happen together.

mod range;
mod reads;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::commit::Change;
use crate::engine::OpenEngine;
use crate::entry::{self, Entry, Kind};
use crate::error::{Error, Result};
use crate::keyspace::Keyspace;
use crate::options::Durability;
use crate::range::{Range, before_end, bounds_of, prefix_bounds};
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
    writes: BTreeMap<u32, Own>,
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
type WriteKey = (u32, Slice);

/// The last change of each key of a keyspace.
#[derive(Debug)]
struct Own {
    keyspace: Keyspace,
    changes: BTreeMap<Slice, Write>,
}

/// The transaction's last change of a key.
#[derive(Debug)]
struct Write {
    encoded: Arc<[u8]>,
    /// The value, where the encoding has a reference to it.
    blob: Option<Slice>,
}

impl Write {
    /// What the transaction itself reads; `None` if it removed the key.
    fn value(&self) -> Option<&[u8]> {
        if entry::is_delete(&self.encoded) {
            return None;
        }
        Some(self.blob.as_deref().unwrap_or_else(|| entry::value_of(&self.encoded)))
    }

    /// The same, sharing its memory.
    fn shared_value(&self) -> Option<Slice> {
        let value = self.value()?;
        let whole = || Entry::whole(Arc::clone(&self.encoded)).into_tail(value.len());
        Some(self.blob.clone().or_else(|| Slice::inline(value)).unwrap_or_else(whole))
    }
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

impl Transaction {
    pub(crate) fn new(engine: &Arc<OpenEngine>, options: TransactionOptions) -> Self {
        Self {
            point: ReadPoint::new(engine),
            options,
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
        let own = self.writes.get(&keyspace.inner.id);
        let changes = own.into_iter().flat_map(|own| &own.changes);
        changes.map(|(key, write)| (&key[..], write.value()))
    }

    /// Keys that it has written, of all keyspaces.
    pub fn write_count(&self) -> usize {
        self.writes.values().map(|own| own.changes.len()).sum()
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
            self.reads.lock().add_whole(keyspace, &bounds_of(&range));
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
        if let Some(own) = self.writes.get(&keyspace.inner.id)
            && let Some(write) = own.changes.get(key)
        {
            return Ok(write.shared_value());
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
        self.range_owned(keyspace, bounds_of(&range))
    }

    /// Keys and values whose keys start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> TransactionRange {
        self.range_owned(keyspace, prefix_bounds(prefix.as_ref()))
    }

    /// As [`range`](Self::range), with bounds that it takes over.
    pub fn range_owned(
        &self,
        keyspace: &Keyspace,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> TransactionRange {
        let own = self.writes.get(&keyspace.inner.id).map_or_else(VecDeque::new, |own| {
            let first = own.changes.range::<[u8], _>((borrowed(&bounds.0), Bound::Unbounded));
            let within = first.take_while(|(key, _)| before_end(key, &bounds.1));
            within.map(|(key, write)| (key.clone(), write.shared_value())).collect()
        });
        let slot = self.records_reads().then(|| {
            let slot = self.reads.lock().add_range(keyspace, &bounds);
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
        self.write(keyspace, key, change, value)
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
        self.write(keyspace, key, change, value)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// As [`Keyspace::insert`].
    pub fn remove(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        let change = Change::new(&keyspace.inner, Kind::Delete, key, &[], 0)?;
        self.write(keyspace, key, change, &[])
    }

    fn write(
        &mut self,
        keyspace: &Keyspace,
        key: &[u8],
        change: Change,
        value: &[u8],
    ) -> Result<()> {
        keyspace.inner.check_live()?;
        let id = keyspace.inner.id;
        let own = self.writes.entry(id);
        let own =
            own.or_insert_with(|| Own { keyspace: keyspace.clone(), changes: BTreeMap::new() });
        let key = Slice::from(key);
        let blob = entry::is_blob(&change.encoded).then(|| Slice::from(value));
        let write = Write { encoded: change.encoded, blob };
        if self.savepoints.is_empty() {
            own.changes.insert(key, write);
        } else {
            let before = own.changes.insert(key.clone(), write);
            self.undo.push(((id, key), before));
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
        for ((id, key), before) in self.undo.drain(undo..).rev() {
            let Some(own) = self.writes.get_mut(&id) else { continue };
            match before {
                Some(write) => own.changes.insert(key, write),
                None => own.changes.remove(&key),
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
        let count = self.write_count();
        let Self { point, options, writes, reads, effects, .. } = self;
        let run_effects = |lsn| effects.into_iter().for_each(|Effect(effect)| effect(lsn));
        if count == 0 {
            // Reads of one snapshot are serializable as they are.
            let lsn = point.engine.visible();
            run_effects(lsn);
            return Ok(CommitOutcome::Committed { lsn });
        }
        let seq = point.seq;
        let mut changes = Vec::with_capacity(count);
        let mut written = Vec::new();
        for Own { keyspace, changes: own } in writes.into_values() {
            for (key, Write { mut encoded, .. }) in own {
                if options.isolation == Isolation::Snapshot {
                    written.push((Arc::clone(&keyspace.inner), key));
                }
                // A value that was read and is held still: the commit numbers what it alone has.
                if Arc::get_mut(&mut encoded).is_none() {
                    encoded = Arc::from(&encoded[..]);
                }
                changes.push(Change { keyspace: Arc::clone(&keyspace.inner), encoded });
            }
        }
        let reads = reads.lock().take();
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
