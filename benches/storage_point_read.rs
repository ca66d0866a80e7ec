//! What a hit costs: one thread, 100 K and 1 M keys of 16 bytes, values of 100 bytes, random order.
//!
//! Two places are measured: the memtable (a hash map hit) and tables (filter, index, cached block).
//! Good numbers on 2 cores of 2.x GHz: below 100 ns at 100 K keys in memory. Seed: the key order is
//! the hash of the index, and reads follow another permutation.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lightning_db_benches::{mix, random_key, value};
use lightning_db_storage::{Durability, Keyspace, KeyspaceOptions, Store, StoreOptions};

fn load(dir: &std::path::Path, keys: u64, in_tables: bool) -> (Store, Keyspace) {
    let options = StoreOptions::new(dir).durability(Durability::Memory).memory_limit(2 << 30);
    let (store, _) = options.open().expect("a new store opens");
    let keyspace = store.keyspace("bench", KeyspaceOptions::new()).expect("a keyspace is made");
    for index in 0..keys {
        keyspace.insert(random_key(index), value(index)).expect("an insert succeeds");
    }
    if in_tables {
        store.compact().expect("a merge succeeds");
    }
    (store, keyspace)
}

fn point_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("storage_point_read");
    group.throughput(Throughput::Elements(1));
    for keys in [100_000_u64, 1_000_000] {
        for (place, in_tables) in [("memtable", false), ("tables", true)] {
            let dir = tempfile::tempdir().expect("a temporary folder is made");
            let (_store, keyspace) = load(dir.path(), keys, in_tables);
            let mut at = 0_u64;
            group.bench_function(BenchmarkId::new(place, format!("n={keys}")), |bencher| {
                bencher.iter(|| {
                    at += 1;
                    let key = random_key(mix(at) % keys);
                    keyspace.get_with(key, |value| black_box(value[0])).expect("a read succeeds")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, point_read);
criterion_main!(benches);
