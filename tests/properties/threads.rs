//! Many threads on the real disk, while the store's own threads flush and merge.
//!
//! What each thread does follows from the seed, which every failure names: `THREADS_SEED=n` runs
//! one seed again. How the threads meet is up to the scheduler.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_storage::{
    Depth, Durability, Keyspace, KeyspaceOptions, Result, Slice, Snapshot, Store, StoreOptions,
};
use lightning_db_types::{Rng, SeededRng};

const WRITERS: u64 = 4;
const READERS: u64 = 2;
/// Batches of each writer.
const ROUNDS: u64 = 1_500;
/// Pairs of keys of each writer.
const PAIRS: u64 = 64;
/// One in so many rounds adds to the shared counter.
const COUNT_EVERY: u64 = 8;

/// The store and its two keyspaces: a pair has a key in each.
struct Shared {
    store: Store,
    left: Keyspace,
    right: Keyspace,
    ended: AtomicBool,
}

impl Shared {
    fn open(dir: &std::path::Path) -> Self {
        let options = StoreOptions::new(dir).durability(Durability::Buffered);
        let (store, _) = options.memory_limit(1 << 20).open().unwrap();
        let keyspace = |name| store.keyspace(name, KeyspaceOptions::new()).unwrap();
        let (left, right) = (keyspace("left"), keyspace("right"));
        Self { store, left, right, ended: AtomicBool::new(false) }
    }
}

/// Key of a pair; those of a writer have its number in front.
fn key(writer: u64, pair: u64) -> Vec<u8> {
    format!("{writer}/{pair:04}").into_bytes()
}

/// The round first, then filler that does not compress.
fn value(rng: &SeededRng, round: u64) -> Vec<u8> {
    let mut value = round.to_be_bytes().to_vec();
    for _ in 0..rng.below(128) {
        value.extend(rng.next_u64().to_le_bytes());
    }
    value
}

fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value[..8].try_into().unwrap()))
}

/// Writes pairs, removes some, and now and then adds one to the counter. Returns the rounds whose
/// values must be there at the end, zero for a removed pair.
fn write(shared: &Shared, writer: u64, seed: u64) -> Vec<u64> {
    let rng = SeededRng::new(seed ^ writer);
    let mut last = vec![0; usize::try_from(PAIRS).unwrap()];
    for round in 1..=ROUNDS {
        let pair = rng.below(PAIRS);
        let key = key(writer, pair);
        let mut batch = shared.store.batch();
        let removes = rng.one_in(10);
        if removes {
            batch.remove(&shared.left, &key).remove(&shared.right, &key);
        } else {
            let value = value(&rng, round);
            batch.insert(&shared.left, &key, &value).insert(&shared.right, &key, &value);
        }
        let lsn = batch.commit().unwrap();
        assert!(shared.store.last_lsn() >= lsn, "a commit is visible when its call returns");
        last[usize::try_from(pair).unwrap()] = if removes { 0 } else { round };
        assert_eq!(
            number(shared.left.get(&key).unwrap().as_deref()),
            if removes { 0 } else { round }
        );
        if round % COUNT_EVERY == 0 {
            add_one(shared).unwrap();
        }
    }
    last
}

fn add_one(shared: &Shared) -> Result<()> {
    shared.store.run(|transaction| {
        let count = number(transaction.get(&shared.left, "counter")?.as_deref());
        transaction.insert(&shared.left, "counter", (count + 1).to_be_bytes())
    })
}

/// Reads snapshot after snapshot until the writers have ended.
fn read(shared: &Shared, reader: u64, seed: u64) {
    let rng = SeededRng::new(!seed ^ reader);
    let (mut lsn, mut count) = (0, 0);
    while !shared.ended.load(Ordering::Acquire) {
        let snapshot = shared.store.snapshot();
        assert!(snapshot.lsn() >= lsn, "snapshots go forward");
        lsn = snapshot.lsn();
        let counted = number(snapshot.get(&shared.left, "counter").unwrap().as_deref());
        assert!(counted >= count, "the counter went from {count} back to {counted}");
        count = counted;
        check_pairs(shared, &snapshot, rng.below(WRITERS), rng.one_in(2));
        let again = number(snapshot.get(&shared.left, "counter").unwrap().as_deref());
        assert_eq!(again, counted, "a snapshot does not move");
    }
}

/// Both halves of every pair of a writer are of one batch.
fn check_pairs(shared: &Shared, snapshot: &Snapshot, writer: u64, upwards: bool) {
    let prefix = format!("{writer}/");
    let left = snapshot.prefix(&shared.left, &prefix);
    let right = snapshot.prefix(&shared.right, &prefix);
    let compare = |left: Vec<Result<(Slice, Slice)>>, right: Vec<Result<(Slice, Slice)>>| {
        assert_eq!(left.len(), right.len(), "halves of pairs of writer {writer}");
        for (left, right) in left.into_iter().zip(right) {
            let (left, right) = (left.unwrap(), right.unwrap());
            assert!(left == right, "{:?} and {:?} are not of one batch", left.0, right.0);
            let point = snapshot.get(&shared.right, &left.0).unwrap();
            assert!(point.as_ref() == Some(&left.1), "{:?} by range and by key", left.0);
        }
    };
    if upwards {
        compare(left.collect(), right.collect());
    } else {
        compare(left.rev().collect(), right.rev().collect());
    }
}

fn check_end(shared: &Shared, last: &[Vec<u64>]) {
    let count = number(shared.left.get("counter").unwrap().as_deref());
    assert_eq!(count, WRITERS * (ROUNDS / COUNT_EVERY), "no addition was lost");
    for (writer, rounds) in (0..).zip(last) {
        for (pair, round) in (0..).zip(rounds) {
            for keyspace in [&shared.left, &shared.right] {
                let found = keyspace.get(key(writer, pair)).unwrap();
                assert_eq!(number(found.as_deref()), *round, "pair {pair} of writer {writer}");
            }
        }
        check_pairs(shared, &shared.store.snapshot(), writer, true);
    }
}

#[expect(clippy::print_stdout, reason = "a failure names its seed")]
fn run(seed: u64) {
    println!("THREADS_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut shared = Shared::open(&path);
    let last: Vec<_> = std::thread::scope(|scope| {
        let shared = &shared;
        let writers = (0..WRITERS).map(|writer| scope.spawn(move || write(shared, writer, seed)));
        let writers: Vec<_> = writers.collect();
        for reader in 0..READERS {
            scope.spawn(move || read(shared, reader, seed));
        }
        let joined: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        // Readers end even where a writer has failed, so that its failure is what is seen.
        shared.ended.store(true, Ordering::Release);
        joined.into_iter().map(std::result::Result::unwrap).collect()
    });
    check_end(&shared, &last);
    let statistics = shared.store.statistics();
    assert!(statistics.flushes > 10 && statistics.merges > 1, "{statistics:?}");
    shared.store.compact().unwrap();
    check_end(&shared, &last);
    assert!(shared.store.check(Depth::Deep).unwrap().problems.is_empty());
    shared.store.close().unwrap();
    drop(shared);
    shared = Shared::open(&path);
    check_end(&shared, &last);
}

#[test]
fn threads_see_whole_batches_and_lose_no_update() {
    let _guard = crate::without_defects();
    match std::env::var("THREADS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => run(seed),
        None => (1..=3).for_each(run),
    }
}
