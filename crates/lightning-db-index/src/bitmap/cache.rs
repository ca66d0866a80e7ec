//! Decoded sets, kept in memory, with exact validity for every snapshot.
//!
//! A set that is in demand has a slot, and a commit hook notes in it each commit that changes the
//! set. A copy that was read at commit `L` is right from the last change up to `L` until the next
//! one behind it, whatever other commits there are. Since a hook runs before its commit is visible,
//! no reader can see a commit that a slot does not know of.
//!
//! The changes themselves are kept for a while too, so that a copy that is behind is brought up by
//! applying them, and not read again. Folds change no set, and are not noted.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::row_set::SharedRows;

/// Changes that a slot remembers.
const CHANGES_MAX: usize = 256;
/// Copies of one set, for snapshots of different age.
const VERSIONS_MAX: usize = 3;
/// Memory of a slot without its copies, roughly.
const SLOT_BYTES: usize = 160;

/// What a commit did to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetChange {
    /// A row was added, or taken out.
    Row(u64, bool),
    /// Anything.
    Unknown,
}

/// What the cache has for a set and a snapshot.
#[derive(Debug)]
pub(super) enum Cached {
    /// The set.
    Hit(Arc<SharedRows>),
    /// The set as it was, and the changes since.
    Behind(Arc<SharedRows>, Vec<(u64, bool)>),
    /// Nothing; changes are noted from now on.
    Miss,
}

#[derive(Debug)]
struct Version {
    /// First and last commit for which the copy is right; the end is excluded.
    from: u64,
    until: u64,
    rows: Arc<SharedRows>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Slot {
    used: AtomicU64,
    /// All changes of commits behind this one are known.
    known_from: u64,
    changes: VecDeque<(u64, SetChange)>,
    versions: Vec<Version>,
}

#[derive(Default)]
struct State {
    slots: HashMap<Box<[u8]>, Slot, foldhash::fast::RandomState>,
    bytes: usize,
}

/// The sets of one index.
pub(super) struct SetCache {
    bytes_max: usize,
    state: RwLock<State>,
    /// Newest commit that the hook was called for.
    seen: AtomicU64,
    slots: AtomicUsize,
    uses: AtomicU64,
}

impl fmt::Debug for SetCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetCache").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl SetCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            state: RwLock::default(),
            seen: AtomicU64::new(0),
            slots: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
        }
    }

    /// Bytes of all copies.
    pub(super) fn bytes(&self) -> usize {
        self.state.read().bytes
    }

    /// Notes that the hook is called for all commits behind this one.
    pub(super) fn start_at(&self, lsn: u64) {
        self.seen.fetch_max(lsn, Ordering::SeqCst);
    }

    /// Notes a commit, before it is visible. Must be called before [`note`](Self::note), or a slot
    /// that is made in between would claim to know its changes.
    pub(super) fn see(&self, lsn: u64) {
        self.seen.store(lsn, Ordering::SeqCst);
    }

    /// Whether there is anybody to be told of changes.
    pub(super) fn is_watching(&self) -> bool {
        self.slots.load(Ordering::SeqCst) > 0
    }

    /// Notes the changes of a commit.
    pub(super) fn note<'a>(
        &self,
        lsn: u64,
        changes: impl IntoIterator<Item = (&'a [u8], SetChange)>,
    ) {
        let mut state = self.state.write();
        for (set, change) in changes {
            let Some(slot) = state.slots.get_mut(set) else { continue };
            slot.changes.push_back((lsn, change));
            for version in slot.versions.iter_mut().filter(|version| version.until > lsn) {
                version.until = lsn;
            }
            if slot.changes.len() > CHANGES_MAX {
                slot.forget_oldest();
            }
        }
    }

    /// Forgets everything: all sets may have changed.
    pub(super) fn clear(&self) {
        let mut state = self.state.write();
        state.slots.clear();
        state.bytes = 0;
        self.slots.store(0, Ordering::SeqCst);
    }

    /// What is there for a snapshot.
    pub(super) fn get(&self, set: &[u8], lsn: u64) -> Cached {
        {
            let state = self.state.read();
            if let Some(slot) = state.slots.get(set) {
                slot.used.store(self.uses.load(Ordering::Relaxed), Ordering::Relaxed);
                return slot.get(lsn);
            }
        }
        self.uses.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.write();
        // The count goes up before `seen` is read: see `is_watching`.
        self.slots.store(state.slots.len() + 1, Ordering::SeqCst);
        let known_from = self.seen.load(Ordering::SeqCst);
        let used = AtomicU64::new(self.uses.load(Ordering::Relaxed));
        if !state.slots.contains_key(set) {
            state.bytes += SLOT_BYTES + set.len();
            state.slots.insert(set.into(), Slot { used, known_from, ..Slot::default() });
        }
        Cached::Miss
    }

    /// The set for a snapshot, if it is there as it is.
    pub(super) fn peek(&self, set: &[u8], lsn: u64) -> Option<Arc<SharedRows>> {
        match self.state.read().slots.get(set)?.get(lsn) {
            Cached::Hit(rows) => Some(rows),
            _ => None,
        }
    }

    /// Keeps a set that was read for a snapshot.
    pub(super) fn insert(&self, set: &[u8], lsn: u64, rows: &Arc<SharedRows>) {
        let bytes = rows.serialized_size() + 64;
        let mut state = self.state.write();
        if bytes > self.bytes_max / 2 {
            return;
        }
        let Some(slot) = state.slots.get_mut(set) else { return };
        if matches!(slot.get(lsn), Cached::Hit(_)) {
            return;
        }
        let (from, until) = slot.validity(lsn);
        slot.versions.push(Version { from, until, rows: Arc::clone(rows), bytes });
        let mut freed = 0;
        if slot.versions.len() > VERSIONS_MAX {
            // The one that has been out of date for longest.
            slot.versions.sort_unstable_by_key(|version| version.until);
            freed = slot.versions.remove(0).bytes;
        }
        state.bytes = (state.bytes + bytes).saturating_sub(freed);
        if state.bytes > self.bytes_max {
            state.evict(self.bytes_max);
            self.slots.store(state.slots.len(), Ordering::SeqCst);
        }
    }
}

impl Slot {
    fn get(&self, lsn: u64) -> Cached {
        let right = |version: &&Version| version.from <= lsn && lsn < version.until;
        if let Some(version) = self.versions.iter().find(right) {
            return Cached::Hit(Arc::clone(&version.rows));
        }
        let older = self.versions.iter().filter(|version| version.until <= lsn);
        let Some(version) = older.max_by_key(|version| version.until) else { return Cached::Miss };
        if version.until <= self.known_from {
            return Cached::Miss;
        }
        let since = self.changes.iter().filter(|(at, _)| (version.until..=lsn).contains(at));
        let rows = since.map(|(_, change)| match change {
            SetChange::Row(row_id, add) => Some((*row_id, *add)),
            SetChange::Unknown => None,
        });
        match rows.collect() {
            Some(rows) => Cached::Behind(Arc::clone(&version.rows), rows),
            None => Cached::Miss,
        }
    }

    /// Commits for which a copy read at `lsn` is right.
    fn validity(&self, lsn: u64) -> (u64, u64) {
        if lsn < self.known_from {
            // What happened behind it is not known.
            return (lsn, lsn + 1);
        }
        let changes = || self.changes.iter().map(|(at, _)| *at);
        let from = changes().rfind(|at| *at <= lsn).unwrap_or(self.known_from);
        let until = changes().find(|at| *at > lsn).unwrap_or(u64::MAX);
        (from.max(self.known_from), until)
    }

    /// Forgets the oldest half of the changes, whole commits of it.
    fn forget_oldest(&mut self) {
        let Some((lsn, _)) = self.changes.get(self.changes.len() / 2).copied() else { return };
        while self.changes.front().is_some_and(|(at, _)| *at <= lsn) {
            self.changes.pop_front();
        }
        self.known_from = self.known_from.max(lsn);
    }
}

impl State {
    /// Drops what was not used for longest, until an eighth of the room is free.
    fn evict(&mut self, bytes_max: usize) {
        let used = |slot: &Slot| slot.used.load(Ordering::Relaxed);
        let mut oldest: Vec<(u64, Box<[u8]>)> =
            self.slots.iter().map(|(set, slot)| (used(slot), set.clone())).collect();
        oldest.sort_unstable();
        for (_, set) in oldest {
            if self.bytes <= bytes_max / 8 * 7 {
                break;
            }
            if let Some(slot) = self.slots.remove(&set) {
                let copies: usize = slot.versions.iter().map(|version| version.bytes).sum();
                self.bytes = self.bytes.saturating_sub(copies + SLOT_BYTES + set.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[u64]) -> Arc<SharedRows> {
        SharedRows::new(rows.iter().copied().collect())
    }

    fn hit(cache: &SetCache, lsn: u64) -> Option<Vec<u64>> {
        match cache.get(b"set", lsn) {
            Cached::Hit(rows) => Some(rows.iter().collect()),
            _ => None,
        }
    }

    #[test]
    fn a_copy_is_right_between_two_changes() {
        let cache = SetCache::new(1 << 20);
        cache.start_at(10);
        assert!(matches!(cache.get(b"set", 12), Cached::Miss));
        for lsn in 11..=20 {
            cache.see(lsn);
            if lsn == 12 || lsn == 15 {
                cache.note(lsn, [(&b"set"[..], SetChange::Row(lsn, true))]);
            }
        }
        cache.insert(b"set", 13, &rows(&[12]));
        assert_eq!(hit(&cache, 11), None);
        assert_eq!(hit(&cache, 12), Some(vec![12]));
        assert_eq!(hit(&cache, 14), Some(vec![12]));
        assert_eq!(hit(&cache, 15), None);
        let Cached::Behind(behind, changes) = cache.get(b"set", 17) else { panic!("not behind") };
        assert_eq!((behind.len(), changes), (1, vec![(15, true)]));
        cache.insert(b"set", 17, &rows(&[12, 15]));
        assert_eq!(hit(&cache, 1_000), Some(vec![12, 15]));
        cache.see(21);
        cache.note(21, [(&b"set"[..], SetChange::Unknown)]);
        assert!(matches!(cache.get(b"set", 21), Cached::Miss));
        assert_eq!(hit(&cache, 20), Some(vec![12, 15]));
    }

    #[test]
    fn a_copy_older_than_its_slot_serves_its_own_snapshot_alone() {
        let cache = SetCache::new(1 << 20);
        cache.start_at(10);
        assert!(matches!(cache.get(b"set", 5), Cached::Miss));
        cache.insert(b"set", 5, &rows(&[1]));
        assert_eq!(hit(&cache, 5), Some(vec![1]));
        for lsn in [4, 6, 10, 11] {
            assert!(!matches!(cache.get(b"set", lsn), Cached::Hit(_)), "at {lsn}");
        }
        // What happened between 5 and 10 is not known, so that copy must not be brought up.
        assert!(matches!(cache.get(b"set", 11), Cached::Miss));
    }

    #[test]
    fn memory_is_bounded_and_many_changes_are_forgotten() {
        let cache = SetCache::new(20_000);
        let large: Arc<SharedRows> = SharedRows::new((0..2_000).map(|row| row * 3).collect());
        for set in 0..100_u8 {
            assert!(matches!(cache.get(&[set], 1), Cached::Miss));
            cache.insert(&[set], 1, &large);
            assert!(cache.bytes() <= 20_000);
        }
        assert!(matches!(cache.get(&[99], 1), Cached::Hit(_)));
        for lsn in 2..2_000 {
            cache.see(lsn);
            cache.note(lsn, [(&[99_u8][..], SetChange::Row(lsn, true))]);
        }
        assert!(matches!(cache.get(&[99], 1_999), Cached::Miss));
    }
}
