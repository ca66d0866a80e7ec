//! Reads of the newest commit and of snapshots.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::ControlFlow;

use lightning_db_storage::{Keyspace, Range, Result, Slice, TransactionRange};

use super::{Machine, Pinned};
use crate::model::{Bounds, Bytes};
use crate::operation::{KEYS, PREFIXES, Walk};

pub(super) const EVERYTHING: Bounds = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
const DOWN: Walk = Walk { fronts: 0, steps: usize::MAX };
pub(super) const UP: Walk = Walk { fronts: 0xff, steps: usize::MAX };
const INWARDS: Walk = Walk { fronts: 0b1100_1010, steps: usize::MAX };
/// Iterators that stay open at a time.
const ITERATORS_MAX: usize = 4;

/// An iterator that was begun, and what it must still show: nothing that is done to its keyspace
/// meanwhile changes that.
pub(super) struct Begun {
    range: Range,
    expected: VecDeque<(Vec<u8>, Bytes)>,
}

/// How far a range was read from each end.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub(super) front: Option<Vec<u8>>,
    pub(super) back: Option<Vec<u8>>,
    pub(super) whole: bool,
}

/// Keys and values that are taken from both ends.
pub(super) trait Ends: DoubleEndedIterator<Item = Result<(Slice, Slice)>> {
    /// The next item from the front, lent where that can be.
    fn next_lent(&mut self) -> Option<Result<(Slice, Slice)>>;

    /// The next items from the front, up to so many.
    fn next_visited(&mut self, count: usize) -> Result<Vec<(Slice, Slice)>>;
}

macro_rules! ends {
    ($range:ty) => {
        impl Ends for $range {
            fn next_lent(&mut self) -> Option<Result<(Slice, Slice)>> {
                let advanced = self.advance();
                let current =
                    self.current().map(|(key, value)| (Slice::from(key), Slice::from(value)));
                assert_eq!(matches!(advanced, Ok(true)), current.is_some());
                advanced.map(|_| current).transpose()
            }

            fn next_visited(&mut self, count: usize) -> Result<Vec<(Slice, Slice)>> {
                let mut found = Vec::new();
                let flow = self.visit(&mut |key, value| {
                    found.push((Slice::from(key), Slice::from(value)));
                    if found.len() < count {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })?;
                assert_eq!(flow.is_break(), found.len() == count);
                let last =
                    self.current().map(|(key, value)| (Slice::from(key), Slice::from(value)));
                assert_eq!(last.as_ref(), found.last().filter(|_| flow.is_break()));
                Ok(found)
            }
        }
    };
}

ends!(TransactionRange);
ends!(Range);

/// Takes from both ends of a range as the walk says, comparing each item.
pub(super) fn check_walk(
    mut range: impl Ends,
    expected: Vec<(Vec<u8>, Bytes)>,
    walk: Walk,
) -> Reached {
    check_steps(&mut range, &mut VecDeque::from(expected), walk)
}

/// The same for a range that goes on later, with what is left of what it must show.
fn check_steps(
    range: &mut impl Ends,
    expected: &mut VecDeque<(Vec<u8>, Bytes)>,
    walk: Walk,
) -> Reached {
    let mut reached = Reached::default();
    for step in 0..walk.steps {
        let from_front = walk.fronts >> (step % 8) & 1 == 1;
        if from_front && step % 4 == 2 && !expected.is_empty() {
            let wanted: Vec<_> = expected.drain(..expected.len().min(1 + step % 5)).collect();
            let found = range.next_visited(wanted.len()).unwrap();
            assert_eq!(found.len(), wanted.len());
            for ((key, value), (wanted_key, wanted_value)) in found.into_iter().zip(wanted) {
                assert_eq!(key, wanted_key);
                assert!(value == wanted_value, "value of {key:?}");
                reached.front = Some(wanted_key);
            }
            continue;
        }
        let (found, wanted) = if from_front && step % 2 == 1 {
            (range.next_lent(), expected.pop_front())
        } else if from_front {
            (range.next(), expected.pop_front())
        } else {
            (range.next_back(), expected.pop_back())
        };
        let found = found.transpose().unwrap();
        let Some((key, value)) = wanted else {
            assert_eq!(found, None);
            assert!(range.next().is_none() && range.next_back().is_none(), "it is fused");
            reached.whole = true;
            break;
        };
        let (found_key, found_value) = found.unwrap_or_else(|| panic!("{key:?} is missing"));
        assert_eq!(found_key, key);
        assert!(found_value == value, "value of {key:?}");
        *(if from_front { &mut reached.front } else { &mut reached.back }) = Some(key);
    }
    reached
}

impl Machine {
    pub(super) fn get(&mut self, name: usize, key: usize) {
        let (id, keyspace) = self.keyspace(name);
        self.check_key(id, &keyspace, KEYS[key]);
    }

    fn check_key(&self, id: usize, keyspace: &Keyspace, key: &[u8]) {
        let expected = self.model.keyspaces[id].get(key, u64::MAX, self.now_ms());
        let found = keyspace.get(key).unwrap();
        assert!(found.as_deref() == expected.as_deref(), "{key:?}: {found:?}, not {expected:?}");
        assert_eq!(keyspace.contains(key).unwrap(), expected.is_some());
        let mut read = Vec::new();
        if let Some(mut reader) = keyspace.get_reader(key).unwrap() {
            reader.read_to_end(&mut read).unwrap();
        }
        assert!(read == *expected.as_deref().unwrap_or_default(), "{key:?} piece by piece");
        let len = keyspace.get_with(key, <[u8]>::len).unwrap();
        assert_eq!(len, expected.map(|value| value.len()));
    }

    pub(super) fn range(&mut self, name: usize, bounds: &Bounds, walk: Walk) {
        let (id, keyspace) = self.keyspace(name);
        let expected = self.model.keyspaces[id].range(bounds, u64::MAX, self.now_ms());
        check_walk(keyspace.range(bounds.clone()), expected, walk);
    }

    pub(super) fn prefix(&mut self, name: usize, prefix: usize, walk: Walk) {
        let (id, keyspace) = self.keyspace(name);
        let prefix = PREFIXES[prefix];
        let mut expected = self.model.keyspaces[id].range(&EVERYTHING, u64::MAX, self.now_ms());
        expected.retain(|(key, _)| key.starts_with(prefix));
        check_walk(keyspace.prefix(prefix), expected.clone(), walk);
        let snapshot = self.store().snapshot();
        check_walk(snapshot.prefix(&keyspace, prefix), expected, walk);
    }

    pub(super) fn sizes(&mut self, name: usize) {
        let (id, keyspace) = self.keyspace(name);
        let expected = self.model.keyspaces[id].range(&EVERYTHING, u64::MAX, self.now_ms());
        assert_eq!(keyspace.len().unwrap(), expected.len() as u64);
        assert_eq!(keyspace.is_empty().unwrap(), expected.is_empty());
        let key_of = |found: Option<(Slice, Slice)>| found.map(|(key, _)| key.to_vec());
        assert_eq!(key_of(keyspace.first().unwrap()), expected.first().map(|(key, _)| key.clone()));
        assert_eq!(key_of(keyspace.last().unwrap()), expected.last().map(|(key, _)| key.clone()));
        // Every version counts at most once, so no key that there never was.
        let versions = (1..=self.model.last_lsn()).map(|lsn| self.model.commit_at(lsn));
        let entries = versions.flatten().map(|change| match &change.effect {
            crate::model::Effect::Ingested(entries) => entries.len() as u64,
            _ => 1,
        });
        assert!(keyspace.approximate_len() <= entries.sum());
    }

    pub(super) fn open_snapshot(&mut self) {
        let (lsn, now_ms) = (self.model.last_lsn(), self.now_ms());
        let snapshot = self.store().snapshot();
        assert_eq!(snapshot.lsn(), lsn);
        let keyspaces = self.model.live().map(|(id, _)| id).collect();
        self.snapshots.push(Pinned { snapshot, lsn, now_ms, keyspaces });
    }

    pub(super) fn read_snapshot(
        &self,
        which: usize,
        keyspace: usize,
        key: usize,
        bounds: &Bounds,
        walk: Walk,
    ) {
        let Some(at) = which.checked_rem(self.snapshots.len()) else { return };
        let Pinned { snapshot, lsn, now_ms, keyspaces } = &self.snapshots[at];
        let Some(at) = (which / 7 + keyspace).checked_rem(keyspaces.len()) else { return };
        let (model, handle) = (&self.model.keyspaces[keyspaces[at]], self.handle(keyspaces[at]));
        let expected = model.get(KEYS[key], *lsn, *now_ms);
        let found = snapshot.get(&handle, KEYS[key]).unwrap();
        assert!(found.as_deref() == expected.as_deref(), "{found:?}, not {expected:?}");
        assert_eq!(snapshot.contains(&handle, KEYS[key]).unwrap(), expected.is_some());
        let expected = model.range(bounds, *lsn, *now_ms);
        check_walk(snapshot.range(&handle, bounds.clone()), expected, walk);
    }

    /// Begins an iterator, of the newest snapshot if there is one and it is asked for.
    pub(super) fn open_iterator(&mut self, name: usize, bounds: &Bounds, of_snapshot: bool) {
        let (id, keyspace) = self.keyspace(name);
        let model = &self.model.keyspaces[id];
        let pinned = self.snapshots.last().filter(|pinned| pinned.keyspaces.contains(&id));
        let (range, lsn, now_ms) = if let Some(pinned) = pinned.filter(|_| of_snapshot) {
            let range = pinned.snapshot.range(&keyspace, bounds.clone());
            (range, pinned.lsn, pinned.now_ms)
        } else {
            (keyspace.range(bounds.clone()), u64::MAX, self.now_ms())
        };
        let expected = model.range(bounds, lsn, now_ms);
        if self.iterators.len() == ITERATORS_MAX {
            self.iterators.remove(0);
        }
        self.iterators.push(Begun { range, expected: expected.into() });
    }

    pub(super) fn step_iterator(&mut self, which: usize, walk: Walk) {
        let Some(at) = which.checked_rem(self.iterators.len()) else { return };
        let Begun { range, expected } = &mut self.iterators[at];
        if check_steps(range, expected, walk).whole {
            self.iterators.swap_remove(at);
        }
    }

    /// Compares all that a snapshot shows.
    pub(super) fn check_snapshot(&self, which: usize) {
        let Pinned { snapshot, lsn, now_ms, keyspaces } = &self.snapshots[which];
        for id in keyspaces {
            let (model, handle) = (&self.model.keyspaces[*id], self.handle(*id));
            let expected = model.range(&EVERYTHING, *lsn, *now_ms);
            assert_eq!(snapshot.len(&handle).unwrap(), expected.len() as u64);
            for walk in [UP, DOWN, INWARDS] {
                check_walk(snapshot.iter(&handle), expected.clone(), walk);
            }
        }
    }

    /// Compares all keyspaces at the newest commit, key by key and as ranges, and the log.
    pub(super) fn check_all(&self) {
        let mut names: Vec<_> = self.model.live().map(|(_, keyspace)| keyspace.name).collect();
        names.sort_unstable();
        assert_eq!(self.store().keyspaces(), names);
        for (id, model) in self.model.live() {
            let keyspace = self.handle(id);
            let expected = model.range(&EVERYTHING, u64::MAX, self.now_ms());
            for walk in [UP, DOWN, INWARDS] {
                check_walk(keyspace.iter(), expected.clone(), walk);
            }
            for key in KEYS {
                self.check_key(id, &keyspace, key);
            }
        }
        self.check_changes(0);
    }
}
