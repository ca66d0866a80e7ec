//! What commits have changed and the disk does not hold yet.
//!
//! The hook of the store writes changes into a [`Queue`], as bytes: nothing is cut into words while
//! the commit lock is held. Readers and the indexer take them over into an [`Overlay`], where they
//! are cut when somebody needs them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lightning_db_storage::{ChangeKind, ChangeSet, Commit, Snapshot, WholeChange};
use parking_lot::Mutex;

use super::generation::Generation;
use super::memory::{MemoryDoc, MemoryIndex};
use super::shape::Shape;
use crate::error::Result;
use crate::row::{RowStore, row_id_of, row_key};

/// A row after a commit.
#[derive(Debug)]
pub(super) enum Stored {
    Removed,
    Row(Arc<[u8]>),
    /// The log does not hold it: it is longer than 1 MiB.
    Large,
}

/// A change of a row.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) lsn: u64,
    pub(super) row_id: u64,
    pub(super) stored: Stored,
}

/// Changes in the order of their commits, not taken over yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) changes: VecDeque<Change>,
    pub(super) bytes: usize,
    /// When the oldest was put in; set by whoever looks first.
    pub(super) since: Option<Duration>,
    /// Commits that changed the rows as a whole: what was gathered before does not lead past them.
    pub(super) breaks: Vec<u64>,
}

impl Queue {
    fn push(&mut self, lsn: u64, key: &[u8], stored: Stored) {
        let Some(row_id) = row_id_of(key) else { return };
        self.bytes += 64;
        if let Stored::Row(bytes) = &stored {
            self.bytes += bytes.len();
        }
        self.changes.push_back(Change { lsn, row_id, stored });
    }

    /// Takes what a commit changed in the keyspace of the rows.
    pub(super) fn take_commit(&mut self, rows: &str, commit: &Commit<'_>) {
        match commit.whole() {
            Some(WholeChange::Cleared(name) | WholeChange::Ingested(name)) if name == rows => {
                self.breaks.push(commit.lsn());
            }
            Some(_) => {}
            None => {
                for change in commit.changes().filter(|change| change.keyspace == rows) {
                    let stored = match change.value {
                        Some(value) => Stored::Row(value.into()),
                        None if change.in_blob => Stored::Large,
                        None => Stored::Removed,
                    };
                    self.push(commit.lsn(), change.key, stored);
                }
            }
        }
    }

    /// Takes a commit from the log.
    pub(super) fn take_logged(&mut self, rows: &str, set: &ChangeSet) {
        for change in set.changes.iter().filter(|of| of.keyspace.as_deref() == Some(rows)) {
            let stored = match &change.kind {
                ChangeKind::Inserted { value, .. } => Stored::Row((**value).into()),
                ChangeKind::InsertedLarge { .. } => Stored::Large,
                ChangeKind::Removed => Stored::Removed,
                // A change of the whole, or one that this version does not know.
                _ => {
                    self.breaks.push(set.lsn);
                    continue;
                }
            };
            self.push(set.lsn, &change.key, stored);
        }
    }
}

/// Changes that the same generation takes in.
#[derive(Debug)]
pub(super) struct Batch {
    number: u64,
    pub(super) changes: Vec<Change>,
    /// For each change, the number of the next commit that changes the row.
    ends: Vec<u64>,
    bytes: usize,
    /// Words of the first `cut` changes.
    pub(super) memory: MemoryIndex,
    cut: usize,
    /// The change of each document in `memory`.
    change_of: Vec<u32>,
    /// Changes whose row cannot be read any more, since a later one replaced it.
    lost: Vec<u32>,
    /// The last sums that were asked for.
    sums: Mutex<Option<Sums>>,
}

/// What a reader sees of a batch: documents, and words of each field; by what it sees, and how many
/// documents there are in all.
type Sums = (((u64, u64), u32), (u64, Vec<u64>));

impl Batch {
    fn new(number: u64, shape: &Shape) -> Self {
        Self {
            number,
            changes: Vec::new(),
            ends: Vec::new(),
            bytes: 0,
            memory: MemoryIndex::new(shape),
            cut: 0,
            change_of: Vec::new(),
            lost: Vec::new(),
            sums: Mutex::default(),
        }
    }

    fn seen(&self, change: u32, (after, until): (u64, u64)) -> bool {
        let at = change as usize;
        let lsn = self.changes[at].lsn;
        after < lsn && lsn <= until && until < self.ends[at]
    }

    /// Whether a reader at `until`, above a generation at `after`, sees a document.
    pub(super) fn sees(&self, doc: MemoryDoc, within: (u64, u64)) -> bool {
        self.seen(self.change_of[doc as usize], within)
    }

    /// Documents that a reader sees, and their words in each field.
    pub(super) fn sums(&self, within: (u64, u64)) -> (u64, Vec<u64>) {
        let key = (within, self.memory.len());
        let mut last = self.sums.lock();
        match &*last {
            Some((of, sums)) if *of == key => sums.clone(),
            _ => {
                let sums = self.memory.sums(&|doc| self.sees(doc, within));
                *last = Some((key, sums.clone()));
                sums
            }
        }
    }

    /// Cuts the changes up to a commit into words.
    fn cut(&mut self, shape: &Shape, rows: &dyn RowStore, snapshot: &Snapshot) -> Result<()> {
        let Self { changes, ends, memory, change_of, lost, cut, .. } = self;
        while let Some(change) = changes.get(*cut) {
            if change.lsn > snapshot.lsn() {
                break;
            }
            let number = u32::try_from(*cut).unwrap_or(u32::MAX);
            let mut add = |stored: &[u8]| {
                rows.decode(stored, &mut |row| {
                    if shape.definition.holds(row)? {
                        memory.add(shape, change.row_id, row)?;
                        change_of.push(number);
                    }
                    Ok(())
                })
            };
            match &change.stored {
                Stored::Removed => {}
                Stored::Row(stored) => add(stored)?,
                Stored::Large if ends[*cut] <= snapshot.lsn() => lost.push(number),
                Stored::Large => {
                    if let Some(stored) = snapshot.get(rows.keyspace(), row_key(change.row_id))? {
                        add(&stored)?;
                    }
                }
            }
            *cut += 1;
        }
        Ok(())
    }
}

/// Changes above the oldest generation, and the generations.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) batches: VecDeque<Batch>,
    /// Where the newest change of a row stands: number of the batch, and place in it.
    newest: HashMap<u64, (u64, usize)>,
    /// Oldest first.
    pub(super) generations: Vec<Arc<Generation>>,
    breaks: Vec<u64>,
    /// Number of the newest commit taken over.
    last_lsn: u64,
}

/// Generations that are kept for old snapshots.
const GENERATIONS_MAX: usize = 6;
/// Bytes of changes kept for old generations.
const KEPT_BYTES_MAX: usize = 32 << 20;

impl Overlay {
    pub(super) fn new(shape: &Shape) -> Self {
        Self {
            batches: VecDeque::from([Batch::new(0, shape)]),
            newest: HashMap::new(),
            generations: Vec::new(),
            breaks: Vec::new(),
            last_lsn: 0,
        }
    }

    /// Takes over the changes up to a commit.
    pub(super) fn take_over(&mut self, queue: &mut Queue, until: u64) {
        queue.breaks.retain(|lsn| {
            let taken = *lsn <= until;
            if taken {
                self.breaks.push(*lsn);
            }
            !taken
        });
        while queue.changes.front().is_some_and(|change| change.lsn <= until) {
            let Some(change) = queue.changes.pop_front() else { break };
            self.push(change);
        }
        if queue.changes.is_empty() {
            (queue.bytes, queue.since) = (0, None);
        }
    }

    fn push(&mut self, change: Change) {
        let first = self.batches.front().map_or(0, |batch| batch.number);
        let Some(batch) = self.batches.back_mut() else { return };
        let place = (batch.number, batch.changes.len());
        self.last_lsn = self.last_lsn.max(change.lsn);
        batch.bytes += match &change.stored {
            Stored::Row(bytes) => bytes.len() + 64,
            Stored::Removed | Stored::Large => 64,
        };
        let lsn = change.lsn;
        let before = self.newest.insert(change.row_id, place);
        batch.changes.push(change);
        batch.ends.push(u64::MAX);
        if let Some((number, at)) = before
            && let Some(batch) = number.checked_sub(first)
            && let Some(batch) = usize::try_from(batch).ok().and_then(|at| self.batches.get_mut(at))
        {
            batch.ends[at] = lsn;
        }
    }

    /// The newest generation from which changes lead to a commit.
    pub(super) fn generation_for(&self, lsn: u64) -> Option<&Arc<Generation>> {
        let generation = self.generations.iter().rev().find(|of| of.applied <= lsn)?;
        let broken = self.breaks.iter().any(|at| generation.applied < *at && *at <= lsn);
        (!broken).then_some(generation)
    }

    /// The newest generation, and how many changes lie between it and a commit, at most; `None` if
    /// they are not known.
    pub(super) fn newest_beside(
        &self,
        queue: &Queue,
        lsn: u64,
    ) -> Option<(Arc<Generation>, usize)> {
        let newest = self.generations.last()?;
        let (after, until) = (newest.applied.min(lsn), newest.applied.max(lsn));
        let known = self.generations.first().is_some_and(|oldest| oldest.applied <= after);
        let broken = self.breaks.iter().chain(&queue.breaks).any(|at| after < *at && *at <= until);
        if !known || broken {
            return None;
        }
        // A generation takes over what it holds.
        let queued = if lsn > newest.applied { queue.changes.len() } else { 0 };
        Some((Arc::clone(newest), self.changes(after, until).count() + queued))
    }

    /// Cuts what a reader needs into words. `false` if something of it is lost: the reader must
    /// look at the rows themselves.
    pub(super) fn cut(
        &mut self,
        shape: &Shape,
        rows: &dyn RowStore,
        snapshot: &Snapshot,
        after: u64,
    ) -> Result<bool> {
        let within = (after, snapshot.lsn());
        for batch in &mut self.batches {
            if batch.changes.last().is_some_and(|last| last.lsn > after) {
                batch.cut(shape, rows, snapshot)?;
                if batch.lost.iter().any(|change| batch.seen(*change, within)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether [`cut`](Self::cut) has nothing to do.
    pub(super) fn is_cut(&self, until: u64, after: u64) -> bool {
        self.batches.iter().all(|batch| {
            let of = &batch.changes;
            batch.lost.is_empty()
                && (of.last().is_none_or(|last| last.lsn <= after)
                    || of.get(batch.cut).is_none_or(|next| next.lsn > until))
        })
    }

    /// Changes above a generation up to a commit, oldest first.
    pub(super) fn changes(&self, after: u64, until: u64) -> impl Iterator<Item = &Change> {
        let batches = self.batches.iter();
        let batches =
            batches.filter(move |of| of.changes.last().is_some_and(|last| last.lsn > after));
        batches.flat_map(move |of| {
            let from = of.changes.partition_point(|change| change.lsn <= after);
            let to = of.changes.partition_point(|change| change.lsn <= until);
            &of.changes[from..to.max(from)]
        })
    }

    /// Whether a change is the last one of its row up to a commit.
    pub(super) fn last_changes(&self, after: u64, until: u64) -> Vec<&Change> {
        let mut last: HashMap<u64, &Change> = HashMap::new();
        for change in self.changes(after, until) {
            last.insert(change.row_id, change);
        }
        let mut changes: Vec<_> = last.into_values().collect();
        changes.sort_unstable_by_key(|change| change.row_id);
        changes
    }

    /// Adds a generation; drops those that no reader from `oldest_reader` on needs or that are too
    /// many, and changes that none needs.
    pub(super) fn publish(
        &mut self,
        generation: Arc<Generation>,
        shape: &Shape,
        oldest_reader: u64,
    ) {
        let number = self.batches.back().map_or(0, |batch| batch.number + 1);
        if self.batches.back().is_some_and(|batch| !batch.changes.is_empty()) {
            self.batches.push_back(Batch::new(number, shape));
        }
        self.generations.retain(|of| of.applied < generation.applied);
        self.generations.push(generation);
        while self.generations.get(1).is_some_and(|next| next.applied <= oldest_reader) {
            self.generations.remove(0);
        }
        if self.generations.len() > GENERATIONS_MAX {
            // Every second of the old ones: their snapshots take a longer overlay.
            let last = self.generations.len() - 1;
            let mut at = 0;
            self.generations.retain(|_| {
                at += 1;
                at % 2 == 1 || at > last
            });
        }
        self.prune();
        while self.generations.len() > 1
            && self.batches.iter().map(|batch| batch.bytes).sum::<usize>() > KEPT_BYTES_MAX
        {
            self.generations.remove(0);
            self.prune();
        }
    }

    /// Drops changes that the oldest generation holds.
    fn prune(&mut self) {
        let Some(oldest) = self.generations.first().map(|of| of.applied) else { return };
        self.breaks.retain(|lsn| *lsn > oldest);
        while self.batches.len() > 1
            && let Some(batch) = self.batches.front()
            && batch.changes.last().is_none_or(|last| last.lsn <= oldest)
        {
            for (at, change) in batch.changes.iter().enumerate() {
                if self.newest.get(&change.row_id) == Some(&(batch.number, at)) {
                    self.newest.remove(&change.row_id);
                }
            }
            self.batches.pop_front();
        }
    }

    /// Changes above a generation, and their bytes, by whole batches.
    pub(super) fn waiting(&self, after: u64) -> (usize, usize) {
        let above = |of: &&Batch| of.changes.last().is_some_and(|last| last.lsn > after);
        let batches = self.batches.iter().filter(above);
        batches.fold((0, 0), |sum, of| (sum.0 + of.changes.len(), sum.1 + of.bytes))
    }

    /// Changes that the newest generation does not hold, and bytes of all that are kept.
    pub(super) fn pending(&self) -> (u64, u64) {
        let applied = self.generations.last().map_or(0, |of| of.applied);
        let pending = self.changes(applied, u64::MAX).count();
        let bytes = self.batches.iter().map(|of| of.bytes as u64 + of.memory.bytes()).sum();
        (pending as u64, bytes)
    }
}
