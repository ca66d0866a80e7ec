//! Folding changes into their chunks.
//!
//! A fold is a transaction of its own, under snapshot isolation: it writes the chunk with all
//! changes that its snapshot sees, and removes exactly these. A change of another row that is
//! committed meanwhile has a key of its own, which the fold neither sees nor touches: it stays, on
//! top of the new chunk. A change of the same row replaces a key that the fold wants to remove, so
//! that one of the two conflicts and is done again. No change is lost, and none is applied twice.

use std::collections::HashMap;

use lightning_db_storage::{
    CommitOutcome, Durability, Isolation, Keyspace, Transaction, TransactionOptions,
};
use parking_lot::Mutex;

use super::BitmapIndex;
use super::chunk;
use super::key::{self, parse, parse_prefix};
use super::sets::{Chunks, Scratch};
use crate::error::Result;
use crate::planted;
use crate::reader::Reader;

/// Changes of one chunk that are folded whatever its size.
const CHANGES_MANY: u32 = 64;
/// Fewer changes than this are left alone: a fold writes the whole chunk.
const CHANGES_FEW: u32 = 16;
/// Chunks folded by one call.
const CHUNKS_MAX: usize = 256;
/// Keys that one call looks at, to find changes that were there before the index was opened.
const SCAN_KEYS_MAX: usize = 1 << 16;
/// Chunks whose changes are counted; beyond, they are found by looking again.
const COUNTED_MAX: usize = 1 << 16;

/// Chunks with changes that have not been folded.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<PendingState>,
}

#[derive(Debug, Default)]
struct PendingState {
    counts: HashMap<Box<[u8]>, Count, foldhash::fast::RandomState>,
    due: Vec<Box<[u8]>>,
    scan: Scan,
}

#[derive(Debug)]
struct Count {
    changes: u32,
    /// The chunk is looked at when it has so many.
    look_at: u32,
}

/// How far the keyspace was searched for changes that nobody counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Scan {
    #[default]
    Start,
    From(Vec<u8>),
    Done,
}

impl Pending {
    /// Counts a change.
    pub(super) fn add(&self, set: &[u8], chunk: u64) {
        self.state.lock().add(key::chunk_prefix(set, chunk), 1);
    }

    /// Has the keyspace searched again: changes may be there that were not counted.
    pub(super) fn scan_again(&self) {
        let mut state = self.state.lock();
        if !matches!(state.scan, Scan::From(_)) {
            state.scan = Scan::Start;
        }
    }
}

impl PendingState {
    fn add(&mut self, prefix: Vec<u8>, changes: u32) {
        if self.counts.len() >= COUNTED_MAX && !self.counts.contains_key(&prefix[..]) {
            self.scan = if self.scan == Scan::Done { Scan::Start } else { self.scan.clone() };
            return;
        }
        let prefix = prefix.into_boxed_slice();
        let count = self.counts.entry(prefix);
        let prefix = count.key().clone();
        let count = count.or_insert(Count { changes: 0, look_at: CHANGES_FEW });
        count.changes += changes;
        if count.changes >= count.look_at {
            count.look_at = u32::MAX;
            self.due.push(prefix);
        }
    }
}

/// What became of a chunk that was looked at.
enum Looked {
    /// Its changes, so many, are in it.
    Folded(u32),
    /// It is large for so few changes.
    Large,
    /// Somebody changed a row of it meanwhile.
    Conflict,
}

impl BitmapIndex {
    /// Folds chunks that have many changes; says whether there was anything to do.
    pub(super) fn fold_some(&self) -> Result<bool> {
        let mut worked = self.find_changes()?;
        let due = {
            let mut state = self.shared.pending.state.lock();
            let keep = state.due.len().saturating_sub(CHUNKS_MAX);
            state.due.split_off(keep)
        };
        let mut due = due.into_iter();
        while let Some(prefix) = due.next() {
            let looked = self.fold(&prefix);
            let mut state = self.shared.pending.state.lock();
            match looked {
                Ok(Looked::Folded(changes)) => {
                    worked = true;
                    if let Some(count) = state.counts.get_mut(&prefix) {
                        count.changes = count.changes.saturating_sub(changes);
                        count.look_at = CHANGES_FEW.max(count.changes + 1);
                        if count.changes == 0 {
                            state.counts.remove(&prefix);
                        }
                    }
                }
                Ok(Looked::Large) => {
                    if let Some(count) = state.counts.get_mut(&prefix) {
                        count.look_at = CHANGES_MANY.max(count.changes + 1);
                    }
                }
                Ok(Looked::Conflict) => {
                    worked = true;
                    state.due.insert(0, prefix);
                }
                Err(error) => {
                    state.due.push(prefix);
                    state.due.extend(due);
                    return Err(error);
                }
            }
        }
        Ok(worked)
    }

    fn fold(&self, prefix: &[u8]) -> Result<Looked> {
        // A fold that is lost with the power is made again.
        let options = TransactionOptions {
            isolation: Isolation::Snapshot,
            durability: Some(Durability::Memory),
        };
        let mut transaction = self.store.transaction_with(options);
        let Some(changes) = self.write_fold(&mut transaction, prefix)? else {
            return Ok(Looked::Large);
        };
        Ok(match transaction.commit()? {
            CommitOutcome::Committed { .. } => Looked::Folded(changes),
            CommitOutcome::Conflict => Looked::Conflict,
        })
    }

    /// Writes a chunk with its changes, and removes them; says how many there are, if that is worth
    /// while.
    pub(super) fn write_fold(
        &self,
        transaction: &mut Transaction,
        prefix: &[u8],
    ) -> Result<Option<u32>> {
        let Some((set, chunk)) = parse_prefix(prefix) else { return Ok(None) };
        let mut scratch = Scratch::new();
        let entries = Reader::Transaction(transaction).prefix(&self.keyspace, prefix);
        let found = Chunks::new(entries).next_chunk().map_err(|error| self.of_chunk(error))?;
        let Some((_, stored)) = found else { return Ok(Some(0)) };
        let changes = u32::try_from(stored.deltas.len()).unwrap_or(u32::MAX);
        let base = stored.base.as_deref().map_or(Ok(0), chunk::rows_of);
        let base = base.map_err(|detail| self.corrupt(detail))?;
        if changes < CHANGES_FEW || (changes < CHANGES_MANY && changes.saturating_mul(4) < base) {
            return Ok(None);
        }
        let folded = stored.container(&mut scratch);
        let (rows, container) = folded.map_err(|detail| self.corrupt(detail))?;
        // The chunk is written even if the changes change nothing: a chunk that another commit
        // writes meanwhile must conflict.
        if rows == 0 {
            transaction.remove(&self.keyspace, key::base_key(set, chunk))?;
        } else if !planted::is("fold-loses-chunk") {
            let value = chunk::encode(rows, container, true);
            transaction.insert(&self.keyspace, key::base_key(set, chunk), value)?;
        }
        for (row, _) in &stored.deltas {
            let row_id = chunk << 16 | u64::from(*row);
            transaction.remove(&self.keyspace, key::delta_key(set, row_id))?;
        }
        Ok(Some(changes))
    }

    /// Looks at a part of the keyspace for changes that were not counted.
    fn find_changes(&self) -> Result<bool> {
        let from = match &self.shared.pending.state.lock().scan {
            Scan::Done => return Ok(false),
            Scan::Start => Vec::new(),
            Scan::From(key) => key.clone(),
        };
        let (found, next) = count_changes(&self.keyspace, &from)?;
        let mut state = self.shared.pending.state.lock();
        state.scan = next.map_or(Scan::Done, Scan::From);
        let worked = state.scan != Scan::Done;
        for (prefix, changes) in found {
            // Those that were counted meanwhile are counted once.
            let known = state.counts.get(&prefix[..]).map_or(0, |count| count.changes);
            state.add(prefix, changes.saturating_sub(known));
        }
        Ok(worked)
    }
}

/// Chunks, each with its number of changes, and where to go on.
type Found = (Vec<(Vec<u8>, u32)>, Option<Vec<u8>>);

fn count_changes(keyspace: &Keyspace, from: &[u8]) -> Result<Found> {
    let mut found: Vec<(Vec<u8>, u32)> = Vec::new();
    for (index, entry) in keyspace.range(from..).enumerate() {
        let (key, _) = entry?;
        if index >= SCAN_KEYS_MAX {
            return Ok((found, Some(key.to_vec())));
        }
        let Some(parsed) = parse(&key).filter(|parsed| parsed.delta.is_some()) else { continue };
        let prefix = key::chunk_prefix(parsed.set, parsed.chunk);
        match found.last_mut() {
            Some((last, changes)) if *last == prefix => *changes += 1,
            _ => found.push((prefix, 1)),
        }
    }
    Ok((found, None))
}

impl super::Shared {
    /// Changes that were counted and not folded, for the tests.
    #[cfg(test)]
    pub(super) fn changes_pending(&self) -> u32 {
        self.pending.state.lock().counts.values().map(|count| count.changes).sum()
    }
}
