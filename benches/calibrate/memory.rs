//! Work on rows that have been read.

use std::collections::{BinaryHeap, HashMap};
use std::hint::black_box;
use std::sync::mpsc::sync_channel;

use lightning_db_benches::mix;
use lightning_db_optimizer::Work;
use lightning_db_table::Value;
use lightning_db_table::index::{Expression, RowSet};

use crate::Timer;

/// Rows that are handed from worker to worker at once.
const BATCH: usize = 1_024;

/// Measures all of it with this many rows.
pub(crate) fn measure(timer: &mut Timer, rows: u64) {
    let keys: Vec<u64> = (0..rows).map(mix).collect();
    hash(timer, &keys);
    sort(timer, &keys);
    merge(timer, &keys);
    aggregate(timer, &keys);
    evaluate(timer, &keys);
    exchange(timer, &keys);
    sets(timer, rows);
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

fn hash(timer: &mut Timer, keys: &[u64]) {
    let rows = number(keys.len() as u64);
    for width in [16_usize, 128] {
        let row = vec![7_u8; width];
        let build = || {
            let mut table: HashMap<u64, usize> = HashMap::new();
            let mut kept: Vec<u8> = Vec::new();
            for key in keys {
                table.insert(*key, kept.len());
                kept.extend_from_slice(&row);
            }
            (table, kept)
        };
        timer.time(vec![Work::HashBuild { rows, width: number(width as u64) }], build);
        let (table, kept) = build();
        let probe = Work::HashProbe { rows, build_rows: rows, build_width: number(width as u64) };
        timer.time(vec![probe], || {
            let found = keys.iter().rev().filter_map(|key| table.get(key));
            found.map(|at| u64::from(kept[*at])).sum::<u64>()
        });
    }
}

fn sort(timer: &mut Timer, keys: &[u64]) {
    let rows = number(keys.len() as u64);
    for width in [16_usize, 128] {
        let wide = vec![7_u8; width];
        let whole = Work::Sort { rows, width: number(width as u64), kept: rows };
        timer.time(vec![whole], || {
            let mut order: Vec<(u64, u32)> = keys.iter().copied().zip(0..).collect();
            order.sort_unstable();
            let mut kept: Vec<u8> = Vec::new();
            for _ in &order {
                kept.extend_from_slice(&wide);
            }
            (order, kept)
        });
    }
    for limit in [10_u64, 1_000] {
        let kept = number(limit);
        timer.time(vec![Work::Sort { rows, width: 8.0, kept }], || {
            let mut heap = BinaryHeap::new();
            for key in keys {
                if (heap.len() as u64) < limit {
                    heap.push(*key);
                } else if heap.peek().is_some_and(|largest| key < largest) {
                    heap.pop();
                    heap.push(*key);
                }
            }
            heap
        });
    }
}

fn merge(timer: &mut Timer, keys: &[u64]) {
    let mut left = keys.to_vec();
    left.sort_unstable();
    let right: Vec<u64> = left.iter().copied().step_by(2).collect();
    let rows = number((left.len() + right.len()) as u64);
    timer.time(vec![Work::Merge { rows }], || {
        let (mut at, mut found) = (0, 0_u64);
        for key in &left {
            while right.get(at).is_some_and(|it| it < key) {
                at += 1;
            }
            found += u64::from(right.get(at) == Some(key));
        }
        found
    });
    let few = &keys[..keys.len().min(300)];
    let pairs = number((few.len() * keys.len()) as u64);
    timer.time(vec![Work::NestedLoop { pairs }], || {
        let matches = |key: &u64| few.iter().filter(|it| black_box(**it) == *key).count();
        keys.iter().map(matches).sum::<usize>()
    });
    // A row goes through a call that the compiler does not see through.
    timer.time(vec![Work::Emit { rows: number(keys.len() as u64) }], || {
        let mut sum = 0_u64;
        let mut add = |key: u64| sum = sum.wrapping_add(key);
        let next: &mut dyn FnMut(u64) = black_box(&mut add);
        for key in keys {
            next(*key);
        }
        sum
    });
}

fn aggregate(timer: &mut Timer, keys: &[u64]) {
    let rows = number(keys.len() as u64);
    for (groups, aggregates) in [(100_u64, 1_usize), (100, 4), (1_000, 1)] {
        let work = Work::HashAggregate {
            rows,
            groups: number(groups),
            aggregates: number(aggregates as u64),
        };
        timer.time(vec![work], || {
            let mut table: HashMap<u64, Vec<u64>> = HashMap::new();
            for key in keys {
                let sums = table.entry(key % groups).or_insert_with(|| vec![0; aggregates]);
                for sum in &mut *sums {
                    *sum = sum.wrapping_add(*key);
                }
            }
            table
        });
        let work = Work::StreamAggregate { rows, aggregates: number(aggregates as u64) };
        timer.time(vec![work], || {
            let (mut last, mut sums, mut done) = (0, vec![0_u64; aggregates], Vec::new());
            for (place, key) in (0_u64..).zip(keys) {
                let group = place / 64;
                if black_box(group) != last {
                    done.push(sums[0]);
                    last = group;
                }
                for sum in &mut *sums {
                    *sum = sum.wrapping_add(*key);
                }
            }
            done
        });
    }
}

fn evaluate(timer: &mut Timer, keys: &[u64]) {
    let rows: Vec<Vec<Value>> =
        keys.iter().map(|key| vec![Value::U64(*key), Value::U64(key % 100)]).collect();
    let less = Expression::column(0).less(u64::MAX / 2);
    let both = less.clone().and(Expression::column(1).equal(7_u64));
    for (condition, scalars) in [(less, 1.0), (both, 2.0)] {
        let rows_count = number(rows.len() as u64);
        timer.time(vec![Work::Evaluate { rows: rows_count, scalars }], || {
            rows.iter().filter(|row| condition.is_true(*row).unwrap_or(false)).count()
        });
    }
}

fn exchange(timer: &mut Timer, keys: &[u64]) {
    let rows = number(keys.len() as u64);
    for width in [16_usize, 128] {
        let row = vec![7_u8; width];
        let work = vec![
            Work::Workers { count: 1.0 },
            Work::Exchange { rows, width: number(width as u64) },
        ];
        timer.time(work, || {
            std::thread::scope(|scope| {
                let (sender, receiver) = sync_channel::<Vec<u8>>(4);
                let worker = scope.spawn(move || receiver.iter().map(|it| it.len()).sum::<usize>());
                for batch in keys.chunks(BATCH) {
                    let mut bytes = Vec::with_capacity(batch.len() * width);
                    for _ in batch {
                        bytes.extend_from_slice(&row);
                    }
                    if sender.send(bytes).is_err() {
                        break;
                    }
                }
                drop(sender);
                worker.join().unwrap_or_default()
            })
        });
    }
    timer.time(vec![Work::Workers { count: 4.0 }], || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| black_box(1));
            }
        });
    });
}

fn sets(timer: &mut Timer, rows: u64) {
    let of = |step: usize| {
        let mut set = RowSet::new();
        for row in (0..rows).step_by(step) {
            set.insert(row);
        }
        set
    };
    timer.time(vec![Work::SetCombine { rows: number(rows / 3) }], || of(3));
}
