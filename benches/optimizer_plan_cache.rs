//! How long does it take to find a plan that was made before?
//!
//! A thousand queries of 64 or 512 bytes with three parameters, two of them in predicates, each
//! with four plans for different selectivities; asked for one after the other in a fixed order.
//! Good: a hit in 0.15 us, at most 0.5 us.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lightning_db_optimizer::cache::{CacheKey, Lookup, PlanCache, Question};
use lightning_db_types::ValueType;

const TYPES: [ValueType; 3] = [ValueType::I64, ValueType::Text, ValueType::Date];
const QUERIES: usize = 1_000;

fn question<'a>(query: &'a [u8], selectivities: &'a [f64]) -> Question<'a> {
    let key = CacheKey { query, types: &TYPES, settings: 7, version: 1 };
    Question { key, selectivities, epoch: 1 }
}

fn plan_cache(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer_plan_cache");
    for size in [64, 512] {
        let queries: Vec<Vec<u8>> =
            (0..QUERIES).map(|number| format!("{number:>size$}").into_bytes()).collect();
        let mut cache = PlanCache::new(4 * QUERIES);
        for query in &queries {
            for (plan, rare) in
                [[1e-6, 0.1], [1e-4, 0.1], [1e-2, 0.1], [1.0, 0.1]].iter().enumerate()
            {
                cache.insert(
                    &Question { selectivities: rare, ..question(query, &[]) },
                    Vec::new(),
                    plan,
                );
            }
        }
        let mut number = 0;
        group.bench_function(format!("hit/bytes={size}"), |bencher| {
            bencher.iter(|| {
                number = (number + 1) % QUERIES;
                let found =
                    cache.find(black_box(&question(&queries[number], &[1e-2, 0.2])), |_| None);
                assert!(matches!(found, Lookup::Hit(2)));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, plan_cache);
criterion_main!(benches);
