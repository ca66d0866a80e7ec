//! What a column of a memcomparable key costs to encode into a reused buffer.
//!
//! Rows of three columns (i64 ascending, 12-byte text ascending, timestamp descending); the figure
//! is the time of a row, and 45 ns, 15 a column, is the limit that we set ourselves.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lightning_db_benches::mix;
use lightning_db_types::{ColumnOrder, Value, encode_row};

fn key_encoding(criterion: &mut Criterion) {
    let columns = [ColumnOrder::ASCENDING, ColumnOrder::ASCENDING, ColumnOrder::DESCENDING];
    let rows: Vec<[Value; 3]> = (0..1_024)
        .map(|index| {
            let text = format!("city-{:07}", mix(index) % 10_000_000);
            [
                Value::I64(mix(index).cast_signed()),
                Value::from(text.as_str()),
                Value::Timestamp(index.cast_signed()),
            ]
        })
        .collect();
    let mut group = criterion.benchmark_group("types_key_encoding");
    group.throughput(Throughput::Elements(1));
    let mut key = Vec::with_capacity(64);
    let mut at = 0;
    group.bench_function("row_of_3", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % rows.len();
            key.clear();
            encode_row(&rows[at], &columns, &mut key).expect("three values fit three columns");
            black_box(key.len())
        });
    });
    group.finish();
}

criterion_group!(benches, key_encoding);
criterion_main!(benches);
