//! A reader that opens while a merge drops versions, in every order, with the real [`Snapshots`].
//!
//! The tables are a list of the versions of one key, and the merge keeps what `Retain` keeps: the
//! newest version, and of the others those that a number in the list of readers sees.

use loom::sync::Arc;
use loom::thread;

use super::*;

struct Store {
    visible: AtomicU64,
    snapshots: Snapshots,
    versions: Mutex<Vec<u64>>,
}

impl Store {
    fn new() -> Self {
        Self {
            visible: AtomicU64::new(1),
            snapshots: Snapshots::default(),
            versions: Mutex::new(vec![1]),
        }
    }

    /// A bulk ingest: in the tables first, visible then.
    fn ingest(&self) {
        self.versions.lock().push(2);
        self.visible.store(2, Ordering::Release);
    }

    fn merge(&self, readers: impl Fn(u64) -> Vec<u64>) {
        let taken = self.versions.lock().clone();
        let newest = taken.iter().copied().max().unwrap();
        let readers = readers(newest);
        let needed = |version: &u64| {
            let next = taken.iter().copied().filter(|other| other > version).min();
            next.is_none_or(|next| readers.iter().any(|at| (*version..next).contains(at)))
        };
        let kept: Vec<u64> = taken.iter().copied().filter(needed).collect();
        let mut versions = self.versions.lock();
        versions.retain(|version| !taken.contains(version));
        versions.extend(kept);
    }

    /// Opens a snapshot and reads twice what it sees.
    fn read(&self) {
        let seq = self.snapshots.open(&self.visible, Duration::default);
        for _ in 0..2 {
            let versions = self.versions.lock();
            let seen = versions.iter().copied().filter(|version| *version <= seq).max();
            assert_eq!(seen, Some(seq), "the version that the snapshot sees");
        }
        self.snapshots.close(seq);
    }
}

fn model(merge: fn(&Store)) {
    loom::model(move || {
        let store = Arc::new(Store::new());
        let (ingesting, reading) = (Arc::clone(&store), Arc::clone(&store));
        let threads =
            [thread::spawn(move || ingesting.ingest()), thread::spawn(move || reading.read())];
        merge(&store);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(store.snapshots.count(), 0);
    });
}

#[test]
fn a_merge_keeps_what_a_reader_sees_that_opens_meanwhile() {
    model(|store| {
        store.merge(|newest| store.snapshots.live_below(&store.visible, newest));
    });
}

/// What the model is worth: a merge that looks at the open readers alone takes a version away from
/// one that opens between its look and the publication of an ingest.
#[test]
#[should_panic(expected = "the version that the snapshot sees")]
fn a_merge_that_looks_at_open_readers_alone_is_caught() {
    model(|store| store.merge(|_| store.snapshots.live()));
}
