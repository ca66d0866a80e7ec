//! Segments beside what a snapshot holds, while it is written, flushed and merged around them.

use std::collections::HashMap;
use std::sync::Arc;

use lightning_db_types::{Rng, SeededRng, SimClock, SimVfs};

use super::*;
use crate::{Keyspace, KeyspaceOptions, Maintenance, Slice, Snapshot, Store, StoreOptions};

type Item = (Vec<u8>, Vec<u8>);

/// Keeps what it reads of segments, and passes over those that it has.
#[derive(Default)]
struct Keeper {
    kept: HashMap<Segment, Vec<Item>>,
    seen: Vec<Item>,
    /// The segment that is read, and where its items begin.
    reading: Option<(Segment, usize)>,
    passed: usize,
    read: usize,
}

impl Visitor for Keeper {
    fn visit(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        self.seen.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    }

    fn enter(&mut self, segment: Segment) -> Offer {
        assert_eq!(self.reading, None, "one within another");
        if let Some(kept) = self.kept.get(&segment) {
            self.seen.extend_from_slice(kept);
            self.passed += 1;
            return Offer::Pass;
        }
        self.reading = Some((segment, self.seen.len()));
        Offer::Read
    }

    fn leave(&mut self) -> ControlFlow<()> {
        let (segment, begin) = self.reading.take().unwrap();
        assert!(begin < self.seen.len(), "a segment without entries");
        self.kept.insert(segment, self.seen[begin..].to_vec());
        self.read += 1;
        ControlFlow::Continue(())
    }
}

impl Keeper {
    /// Reads all, with what it has kept of earlier states.
    fn check(&mut self, snapshot: &Snapshot, keyspace: &Keyspace, context: &str) {
        self.seen.clear();
        let mut range = snapshot.range::<&[u8]>(keyspace, ..);
        assert!(range.visit_segments(self).unwrap().is_continue());
        assert!(!range.advance().unwrap() && range.current().is_none(), "it has ended");
        assert_eq!(self.reading, None, "{context}: a segment was not left");
        let expected = snapshot.range::<&[u8]>(keyspace, ..).map(|item| {
            let (key, value): (Slice, Slice) = item.unwrap();
            (key.to_vec(), value.to_vec())
        });
        let expected: Vec<Item> = expected.collect();
        assert_eq!(self.seen.len(), expected.len(), "{context}");
        assert!(self.seen == expected, "{context}");
    }
}

fn store() -> Store {
    let options = StoreOptions::new("/store")
        .memory_limit(2 << 20)
        .block_size(512)
        .merge_slice_size(8 << 10)
        .maintenance(Maintenance::Stepped)
        .vfs(Arc::new(SimVfs::new()))
        .clock(Arc::new(SimClock::default()))
        .rng(Arc::new(SeededRng::new(1)));
    StoreOptions { table_size: 64 << 10, ..options }.open().unwrap().0
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

#[test]
fn what_was_kept_of_segments_stays_true_whatever_is_written_and_merged() {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let (mut passed, mut read, mut parts) = (0, 0, 0);
    for seed in given.map_or(0..20, |seed: u64| seed..seed + 1) {
        println!("LIGHTNING_SEED={seed}");
        let (store, rng, mut keeper) = (store(), SeededRng::new(seed), Keeper::default());
        let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
        let mut older: Vec<Snapshot> = Vec::new();
        let below = |number: u64| rng.next_u64() % number;
        for step in 0..60 {
            let context = format!("seed {seed}, step {step}");
            let (start, value) = (below(20_000), vec![step; 20]);
            match below(16) {
                0..=2 => (start..start + 2_000)
                    .for_each(|number| keyspace.insert(key(number), &value).unwrap()),
                3 => (0..50).for_each(|_| keyspace.insert(key(below(20_000)), &value).unwrap()),
                4 => (0..20).for_each(|_| keyspace.remove(key(below(20_000))).unwrap()),
                5 => older.push(store.snapshot()),
                6 => drop(older.pop()),
                7 | 8 => store.checkpoint().unwrap(),
                9 if below(3) == 0 => store.compact().unwrap(),
                10 if below(4) == 0 => keyspace.clear().unwrap(),
                11 => {
                    let items = (start..start + 500).map(|number| (key(number), &value));
                    keyspace.ingest(items).map(drop).unwrap();
                }
                // One slice: of a table that lies across its end, a part counts.
                _ => drop(keyspace.engine.merge_step().unwrap()),
            }
            let view = keyspace.inner.view.load();
            let mut tables = view.runs.iter().flat_map(|run| run.tables.iter());
            parts += usize::from(tables.any(|table| table.bound().is_some()));
            keeper.check(&store.snapshot(), &keyspace, &context);
            for snapshot in &older {
                keeper.check(snapshot, &keyspace, &context);
            }
        }
        (passed, read) = (passed + keeper.passed, read + keeper.read);
    }
    println!("{passed} passed over, {read} read, {parts} times a table of which a part counts");
    let enough = passed > 1_000 && read > 500 && parts > 50;
    assert!(given.is_some() || enough, "{passed} {read} {parts}");
}

#[test]
fn a_scan_of_known_segments_reads_no_block_but_the_first() {
    let store = store();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    for number in 0..20_000 {
        keyspace.insert(key(number), [7; 40]).unwrap();
    }
    store.compact().unwrap();
    let (snapshot, mut keeper) = (store.snapshot(), Keeper::default());
    keeper.check(&snapshot, &keyspace, "first");
    assert_eq!(keeper.passed, 0);
    let blocks = || {
        let statistics = store.statistics();
        statistics.cache_hits + statistics.cache_misses
    };
    keeper.seen.clear();
    let before = blocks();
    assert!(
        snapshot.range::<&[u8]>(&keyspace, ..).visit_segments(&mut keeper).unwrap().is_continue()
    );
    assert_eq!((keeper.seen.len(), keeper.passed), (20_000, keeper.read));
    assert!(blocks() - before <= 1, "{} blocks", blocks() - before);
}

#[test]
fn visitors_break_and_ranges_with_an_end_have_no_segments() {
    struct Breaker(Vec<&'static str>, Offer);
    impl Visitor for Breaker {
        fn visit(&mut self, _: &[u8], _: &[u8]) -> ControlFlow<()> {
            if self.0.last() != Some(&"visit") {
                self.0.push("visit");
            }
            ControlFlow::Continue(())
        }
        fn enter(&mut self, _: Segment) -> Offer {
            self.0.push("enter");
            self.1
        }
        fn leave(&mut self) -> ControlFlow<()> {
            self.0.push("leave");
            ControlFlow::Break(())
        }
    }
    let store = store();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    for number in 0..5_000 {
        keyspace.insert(key(number), [7; 40]).unwrap();
    }
    store.compact().unwrap();
    let visit = |visitor: &mut Breaker, end: Option<u64>| {
        let end = end.map_or(std::ops::Bound::Unbounded, |end| std::ops::Bound::Excluded(key(end)));
        let snapshot = store.snapshot();
        let mut range = snapshot.range(&keyspace, (std::ops::Bound::Unbounded, end));
        let flow = range.visit_segments(visitor).unwrap();
        assert!(!range.advance().unwrap());
        flow.is_break()
    };
    let mut read = Breaker(Vec::new(), Offer::Read);
    assert!(visit(&mut read, None));
    assert_eq!(read.0, ["enter", "visit", "leave"]);
    let mut none = Breaker(Vec::new(), Offer::Break);
    assert!(visit(&mut none, None));
    assert_eq!(none.0, ["enter"]);
    let mut ended = Breaker(Vec::new(), Offer::Break);
    assert!(!visit(&mut ended, Some(4_000)));
    assert_eq!(ended.0, ["visit"]);
}

#[test]
fn a_transaction_conflicts_with_what_is_written_into_a_segment_that_it_passed_over() {
    let store = store();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    for number in 0..5_000 {
        keyspace.insert(key(number), [7; 40]).unwrap();
    }
    store.compact().unwrap();
    let mut keeper = Keeper::default();
    keeper.check(&store.snapshot(), &keyspace, "first");
    for writes_before in [false, true] {
        keeper.seen.clear();
        let mut transaction = store.transaction();
        if writes_before {
            transaction.remove(&keyspace, key(17)).unwrap();
        }
        let passed = keeper.passed;
        let mut range = transaction.range::<&[u8]>(&keyspace, ..);
        assert!(range.visit_segments(&mut keeper).unwrap().is_continue());
        drop(range);
        assert_eq!(keeper.seen.len(), 5_000 - usize::from(writes_before));
        assert_eq!(keeper.passed > passed, !writes_before, "its own writes lie over segments");
        keyspace.insert(key(2_500), "new").unwrap();
        transaction.insert(&keyspace, key(9_999), "").unwrap();
        assert!(!transaction.commit().unwrap().is_committed());
        store.compact().unwrap();
    }
}
