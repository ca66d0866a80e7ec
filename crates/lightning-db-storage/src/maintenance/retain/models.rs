//! A reader that opens while a merge drops versions, in every order, with the real [`Snapshots`],
//! [`Retain`] and views.
//!
//! The store has one key, and its runs are lists of versions. Beside the merge and the reader there
//! is a commit that is in the view a moment before it is visible.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loom::model::Builder;
use loom::sync::Arc as Shared;
use loom::thread;

use super::*;
use crate::snapshot::Snapshots;
use crate::sync::{ArcSwap, AtomicU64, Mutex};
use crate::view::View;
use crate::view::switch::replace;

/// Sequence number of a version, and the commit that wrote it.
type Version = (u64, u64);
type Small = View<(), Arc<[Version]>>;

struct Store {
    visible: AtomicU64,
    snapshots: Snapshots,
    turn: Mutex<()>,
    view: ArcSwap<Small>,
}

/// How a merge asks who reads.
type Readers = fn(&Store, seq_max: u64, floor: u64) -> Vec<u64>;

impl Store {
    /// With commit 1 in the tables.
    fn new() -> Self {
        let runs = vec![Arc::from([(1, 1)])];
        let view = View { active: Arc::new(()), frozen: Vec::new(), runs, floors: Vec::new() };
        Self {
            visible: AtomicU64::new(1),
            snapshots: Snapshots::default(),
            turn: Mutex::new(()),
            view: ArcSwap::from_pointee(view),
        }
    }

    /// Commit 2: a bulk ingest is in the tables first, and visible then.
    fn ingest(&self) {
        replace(&self.turn, &self.view, |view| view.runs.insert(0, Arc::from([(2, 2)])));
        self.visible.store(2, Ordering::Release);
    }

    /// Commit 2: emptying a keyspace is in the view first, and visible then.
    fn clear(&self) {
        replace(&self.turn, &self.view, |view| view.floors.push(2));
        self.visible.store(2, Ordering::Release);
    }

    /// Merges all runs that are there.
    fn merge(&self, bottom: bool, readers: Readers) {
        let view = self.view.load_full();
        let floor = view.floors.last().copied().unwrap_or(0);
        let versions = || view.runs.iter().flat_map(|run| run.iter().copied());
        let seq_max = versions().map(|(seq, _)| seq).max().unwrap_or(0);
        let snapshots = readers(self, seq_max, floor);
        let mut retain = Retain::new(snapshots, bottom, floor, 0, None);
        let kept = versions().filter_map(|(seq, written)| {
            let entry =
                EntryRef { key: b"key", seq, kind: Kind::Put, expires_at_ms: 0, value: &[] };
            match retain.judge(&entry) {
                Verdict::Keep => Some((seq, written)),
                Verdict::KeepSettled => Some((0, written)),
                Verdict::KeepDeleted | Verdict::Drop => None,
            }
        });
        let kept: Arc<[Version]> = kept.collect();
        let merged = view.runs.len();
        replace(&self.turn, &self.view, |view| {
            view.runs.truncate(view.runs.len() - merged);
            view.runs.push(kept);
        });
    }

    /// Opens a snapshot and reads twice; returns its number and what it read.
    fn read(&self) -> (u64, [Option<u64>; 2]) {
        let seq = self.snapshots.open(&self.visible, Duration::default);
        let found = [(), ()].map(|()| {
            let view = self.view.load();
            let floor = view.floor_at(seq);
            let mut versions = view.runs.iter().flat_map(|run| run.iter());
            let newest = versions.find(|version| version.0 <= seq);
            newest.filter(|version| version.0 >= floor).map(|version| version.1)
        });
        self.snapshots.close(seq);
        (seq, found)
    }
}

/// Runs a commit, a merge and a reader; `expected` says what is there at a number.
fn model(commit: fn(&Store), expected: fn(u64) -> Option<u64>, bottom: bool, readers: Readers) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let store = Shared::new(Store::new());
        let (committing, reading) = (Shared::clone(&store), Shared::clone(&store));
        let committer = thread::spawn(move || commit(&committing));
        let reader = thread::spawn(move || {
            let (seq, found) = reading.read();
            assert_eq!(found, [expected(seq); 2], "what the snapshot of commit {seq} sees");
        });
        store.merge(bottom, readers);
        committer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(store.snapshots.count(), 0);
        assert_eq!(store.read(), (2, [expected(2); 2]));
    });
}

/// Those who read, and those who may open before the commit in the view is visible.
fn all_readers(store: &Store, seq_max: u64, floor: u64) -> Vec<u64> {
    store.snapshots.live_below(&store.visible, seq_max, floor)
}

fn after_clear(seq: u64) -> Option<u64> {
    (seq < 2).then_some(1)
}

#[test]
fn a_merge_keeps_what_a_reader_sees_that_opens_during_an_ingest() {
    for bottom in [true, false] {
        model(Store::ingest, Some, bottom, all_readers);
    }
}

/// Symptom: a snapshot that was opened while a keyspace was emptied lost its keys. Mechanism: a
/// flush or merge took the floor from the view and found no reader below it, a moment before the
/// commit was visible. Fix: until then the newest visible commit counts as one that is read.
#[test]
fn a_merge_keeps_what_a_reader_sees_that_opens_while_a_keyspace_is_emptied() {
    for bottom in [true, false] {
        model(Store::clear, after_clear, bottom, all_readers);
    }
}

/// What the model is worth: a merge that looks at the open readers alone takes a version away from
/// one that opens between its look and the publication of an ingest.
#[test]
#[should_panic(expected = "what the snapshot of commit 1 sees")]
fn a_merge_that_looks_at_open_readers_alone_is_caught() {
    model(Store::ingest, Some, true, |store, _, _| store.snapshots.live());
}

/// What the model is worth: a merge that forgets the floor drops all that was there, while a reader
/// can still open before the commit that emptied the keyspace.
#[test]
#[should_panic(expected = "what the snapshot of commit 1 sees")]
fn a_merge_that_forgets_a_clear_that_is_not_yet_visible_is_caught() {
    model(Store::clear, after_clear, false, |store, seq_max, _| all_readers(store, seq_max, 0));
}
