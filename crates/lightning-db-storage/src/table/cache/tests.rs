//! What stays and what goes.

use lightning_db_types::{Rng, SeededRng};

use super::super::block::BlockBuilder;
use super::super::format::BLOCK_HEADER_LEN;
use super::*;
use crate::entry::{Entry, EntryRef, Kind};

/// A block of one entry with so long a value.
fn block(len: usize) -> Arc<Block> {
    let value = vec![7; len];
    let entry = EntryRef { key: b"k", seq: 1, kind: Kind::Put, expires_at_ms: 0, value: &value };
    let mut builder = BlockBuilder::default();
    builder.add(Entry::new(&entry).bytes());
    let buf = [&[0; BLOCK_HEADER_LEN][..], builder.seal()].concat();
    Arc::new(Block::new(buf.into()).unwrap())
}

/// A cache for so many blocks of 1,000 bytes, and a table of as many as wanted.
fn cache_of(blocks: u64, count: usize) -> (Arc<BlockCache>, TableBlocks, Arc<Block>) {
    let block = block(1_000);
    let cache = Arc::new(BlockCache::new(blocks * block.memory() as u64));
    let table = TableBlocks::new(&cache, count);
    (cache, table, block)
}

fn below(rng: &SeededRng, number: u64) -> usize {
    usize::try_from(rng.next_u64() % number).unwrap()
}

fn held(table: &TableBlocks, count: usize) -> usize {
    (0..count).filter(|number| table.peek(*number).is_some()).count()
}

#[test]
fn a_scan_passes_through_and_what_is_read_all_the_time_stays() {
    let (_, table, block) = cache_of(100, 10_000);
    let hot = 0..60;
    for _ in 0..4 {
        for number in hot.clone() {
            if table.get(number).is_none() {
                table.insert(number, &block);
            }
        }
    }
    // Each block of the scan is read once; the hot ones now and then.
    for number in 100..10_000 {
        assert!(table.get(number).is_none());
        table.insert(number, &block);
        if number % 10 == 0 {
            assert!(table.get(number / 10 % 60).is_some(), "at {number}");
        }
    }
    assert_eq!(held(&table, 60), 60);
    assert_eq!(held(&table, 10_000), 100);
}

#[test]
fn a_block_that_comes_back_soon_stays() {
    let (_, table, block) = cache_of(100, 1_000);
    for number in 0..100 {
        table.insert(number, &block);
    }
    // These are read again, and so stay; with the long queue full, new ones go at once.
    for number in 0..100 {
        table.get(number);
        table.get(number);
    }
    for number in 100..130 {
        table.insert(number, &block);
    }
    assert!(table.peek(100).is_none(), "it has left");
    table.insert(100, &block);
    for number in 200..290 {
        table.insert(number, &block);
    }
    assert!(table.peek(100).is_some(), "it has come back");
    assert!(table.peek(101).is_none());
}

#[test]
fn bytes_are_those_of_the_blocks_that_are_held() {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in given.map_or(0..30, |seed: u64| seed..seed + 1) {
        println!("LIGHTNING_SEED={seed}");
        let rng = SeededRng::new(seed);
        let below = |number| below(&rng, number);
        let blocks = [10, 500, 2_000, 30_000].map(block);
        let mut capacity = 20_000;
        let cache = Arc::new(BlockCache::new(capacity));
        let mut tables: Vec<TableBlocks> = (0..3).map(|_| TableBlocks::new(&cache, 50)).collect();
        for _ in 0..2_000 {
            let (table, number) = (below(3), below(50));
            match below(40) {
                0 => tables[table] = TableBlocks::new(&cache, 50),
                1 => {
                    capacity = rng.next_u64() % 40_000;
                    cache.set_capacity(capacity);
                }
                2..20 => drop(tables[table].get(number)),
                _ => tables[table].insert(number, &blocks[below(4)]),
            }
            let all = tables.iter().flat_map(|table| (0..50).filter_map(|at| table.peek(at)));
            let bytes: u64 = all.map(|block| block.memory() as u64).sum();
            assert_eq!(cache.stats().bytes, bytes);
            assert!(bytes <= capacity, "{bytes} of {capacity}");
        }
        drop(tables);
        assert_eq!(cache.stats().bytes, 0);
    }
}

#[test]
fn threads_share_it() {
    let (cache, table, block) = cache_of(20, 100);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (table, block, cache) = (&table, &block, &cache);
            scope.spawn(move || {
                let rng = SeededRng::new(thread);
                for _ in 0..5_000 {
                    let number = below(&rng, 100);
                    if table.get(number).is_none() {
                        table.insert(number, block);
                    }
                    if below(&rng, 100) == 0 {
                        drop(TableBlocks::new(cache, 3));
                    }
                }
            });
        }
    });
    assert_eq!(held(&table, 100), 20);
    assert_eq!(cache.stats().bytes, 20 * block.memory() as u64);
}
