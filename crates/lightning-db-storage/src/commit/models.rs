//! The switch of memtables and the flush, while a reader looks for a key, in every order.
//!
//! A replica, not the real code: `arc_swap` and the memtable do not run under loom. It has the
//! orders that the real one relies on: a commit is in its memtable before it is visible, a new view
//! is there before the next commit goes to its memtable, a table is in the view when its memtable
//! leaves it, and a reader of the present takes the view before the visible number.

use std::sync::atomic::Ordering;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use crate::sync::{AtomicU64, AtomicUsize};

/// Places where versions of the one key stand: two memtables and a table.
const PLACES: usize = 3;
/// Views in the order in which they come, each with its places, newest first.
const VIEWS: [&[usize]; 3] = [&[0], &[1, 0], &[1, 2]];

#[derive(Default)]
struct Store {
    visible: AtomicU64,
    view: AtomicUsize,
    /// Bit `n` of a place is set if it holds the version of commit `n`.
    places: [AtomicUsize; PLACES],
}

impl Store {
    fn commit(&self, seq: u64, place: usize) {
        self.places[place].fetch_add(1 << seq, Ordering::Release);
        self.visible.store(seq, Ordering::Release);
    }

    /// Two commits, a freeze, and one more.
    fn write(&self) {
        self.commit(1, 0);
        self.commit(2, 0);
        self.view.store(1, Ordering::Release);
        self.commit(3, 1);
    }

    /// Flushes the frozen memtable, if it is frozen: of its versions the newest stays, since nobody
    /// is registered who reads another.
    fn flush(&self) {
        if self.view.load(Ordering::Acquire) == 1 {
            let newest = self.places[0].load(Ordering::Acquire).ilog2();
            self.places[2].store(1 << newest, Ordering::Release);
            self.view.store(2, Ordering::Release);
        }
    }

    fn find(&self, view: usize, seq: u64) -> Option<u64> {
        VIEWS[view].iter().find_map(|place| {
            let versions = self.places[*place].load(Ordering::Acquire);
            (1..=seq).rev().find(|version| versions >> version & 1 == 1)
        })
    }

    fn view(&self) -> usize {
        self.view.load(Ordering::Acquire)
    }

    fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }
}

/// A reader must find a version that was the newest at some moment of its call.
fn model(find: fn(&Store) -> Option<u64>) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let store = Arc::new(Store::default());
        let (writing, flushing) = (Arc::clone(&store), Arc::clone(&store));
        let threads =
            [thread::spawn(move || writing.write()), thread::spawn(move || flushing.flush())];
        let before = store.visible();
        let found = find(&store).unwrap_or(0);
        assert!((before..=store.visible()).contains(&found), "the key's value at some moment");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(find(&store), Some(3));
    });
}

#[test]
fn a_reader_of_the_present_finds_the_newest_version() {
    model(|store| {
        let view = store.view();
        store.find(view, store.visible())
    });
}

/// What the model is worth: a reader that takes the number first loses the version to a flush.
#[test]
#[should_panic(expected = "the key's value at some moment")]
fn a_reader_that_takes_the_number_before_the_view_is_caught() {
    model(|store| {
        let seq = store.visible();
        store.find(store.view(), seq)
    });
}
