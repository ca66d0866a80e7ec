//! Freezing and flushing, while a reader looks for a key, in every order, with the real [`View`],
//! its transitions, and [`replace`] and [`take`].
//!
//! Memtables and runs hold versions of one key only, and the threads call what the commit pipeline
//! and the flush call, in their order.

use std::sync::atomic::Ordering;

use loom::model::Builder;
use loom::sync::Arc as Shared;
use loom::thread;

use super::*;
use crate::sync::{AtomicU64, AtomicUsize};

/// Bit `n` is set if it holds the version of commit `n`.
#[derive(Debug, Default)]
struct Versions(AtomicUsize);

type Small = View<Versions, usize>;

struct Store {
    visible: AtomicU64,
    turn: Mutex<()>,
    view: ArcSwap<Small>,
}

impl Store {
    fn new() -> Self {
        let active = Arc::default();
        let view = View { active, frozen: Vec::new(), runs: Vec::new(), floors: Vec::new() };
        Self { visible: AtomicU64::new(0), turn: Mutex::new(()), view: ArcSwap::from_pointee(view) }
    }

    fn commit(&self, seq: u64) {
        self.view.load().active.0.fetch_add(1 << seq, Ordering::Release);
        self.visible.store(seq, Ordering::Release);
    }

    fn freeze(&self, turn: &Mutex<()>) {
        replace(turn, &self.view, |view| drop(view.freeze(Versions::default())));
    }

    /// Flushes the oldest frozen memtable, if there is one: of its versions the newest stays, since
    /// nobody is registered who reads another.
    fn flush(&self) {
        let Some(oldest) = self.view.load().frozen.last().map(Arc::clone) else { return };
        let newest = oldest.0.load(Ordering::Acquire).ilog2();
        replace(&self.turn, &self.view, |view| view.install(&oldest, Some(1 << newest)));
    }

    fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }
}

/// The newest version up to `seq`, in the order in which readers look.
fn find(view: &Small, seq: u64) -> Option<u64> {
    let memtables = std::iter::once(&view.active).chain(&view.frozen);
    let memtables = memtables.map(|memtable| memtable.0.load(Ordering::Acquire));
    let newest = |versions: usize| (1..=seq).rev().find(|version| versions >> version & 1 == 1);
    memtables.chain(view.runs.iter().copied()).find_map(newest)
}

/// Two threads beside that of the model; `preemptions` bounds how often a thread is stopped.
fn model(
    preemptions: usize,
    threads: [fn(&Store); 2],
    beside: impl Fn(&Store) + Send + Sync + 'static,
) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let store = Shared::new(Store::new());
        let threads = threads.map(|run| {
            let store = Shared::clone(&store);
            thread::spawn(move || run(&store))
        });
        beside(&store);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(find(&store.view.load(), 3), Some(3));
    });
}

fn write(store: &Store) {
    store.commit(1);
    store.commit(2);
    store.freeze(&store.turn);
    store.commit(3);
}

/// A reader must find a version that was the newest at some moment of its call.
fn read(found: fn(&Store) -> Option<u64>) -> impl Fn(&Store) {
    move |store| {
        let before = store.visible();
        let found = found(store).unwrap_or(0);
        assert!((before..=store.visible()).contains(&found), "the key's value at some moment");
    }
}

#[test]
fn a_reader_of_the_present_finds_the_newest_version() {
    let find = |store: &Store| {
        let (view, seq) = take(&store.view, || store.visible());
        find(&view, seq)
    };
    model(3, [write, Store::flush], read(find));
}

/// What the model is worth: a reader that takes the number first loses the version to a flush.
#[test]
#[should_panic(expected = "the key's value at some moment")]
fn a_reader_that_takes_the_number_before_the_view_is_caught() {
    let find = |store: &Store| {
        let seq = store.visible();
        find(&store.view.load(), seq)
    };
    model(3, [write, Store::flush], read(find));
}

/// Freezes twice, beside a flush of the first memtable and one of whichever is oldest then.
fn freeze_beside_flushes(freeze: fn(&Store)) {
    let write = move |store: &Store| {
        store.commit(2);
        freeze(store);
        store.commit(3);
    };
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let store = Shared::new(Store::new());
        store.commit(1);
        store.freeze(&store.turn);
        let flushing = Shared::clone(&store);
        let flusher = thread::spawn(move || {
            flushing.flush();
            flushing.flush();
        });
        write(&store);
        flusher.join().unwrap();
        let view = store.view.load();
        let kept: Vec<_> = (1..=3).filter(|seq| find(&view, *seq) == Some(*seq)).collect();
        assert_eq!(kept, [1, 2, 3], "every version that was alone in its memtable");
    });
}

#[test]
fn a_flush_beside_a_freeze_loses_nothing() {
    freeze_beside_flushes(|store| store.freeze(&store.turn));
}

/// What the model is worth: a freeze that does not take turns with the flush is caught.
#[test]
#[should_panic(expected = "every version that was alone in its memtable")]
fn a_freeze_that_takes_no_turn_is_caught() {
    freeze_beside_flushes(|store| store.freeze(&Mutex::new(())));
}
