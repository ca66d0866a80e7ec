//! Rows that are numbered by counting, over two keyspaces, by many threads: whoever misses a
//! phantom gives a number away twice.

use lightning_db_storage::{Keyspace, KeyspaceOptions, Result, Transaction};
use lightning_db_types::{Rng, SeededRng};

use crate::{Bench, first_seed, without_defects};

const THREADS: u64 = 6;
/// Rows of each thread.
const ROWS: u64 = 60;
const SEEDS: u64 = 4;

/// The rows stand in both keyspaces, odd numbers in one and even ones in the other.
struct Table {
    bench: Bench,
    halves: [Keyspace; 2],
}

impl Table {
    fn new() -> Self {
        let bench = Bench::new();
        let half = |name| bench.store.keyspace(name, KeyspaceOptions::new()).unwrap();
        let halves = [half("even"), half("odd")];
        Self { bench, halves }
    }

    fn count(&self, transaction: &Transaction) -> Result<u64> {
        let mut count = 0;
        for half in &self.halves {
            for row in transaction.prefix(half, "row/") {
                row?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Counts, and adds a row under the number; what is done behind a savepoint is undone.
    fn add_row(&self, rng: &SeededRng, writer: u64) -> Result<()> {
        self.bench.store.run(|transaction| {
            let number = self.count(transaction)?;
            let undone = rng.one_in(2);
            let savepoint = transaction.savepoint();
            if undone {
                for half in &self.halves {
                    transaction.insert(half, format!("row/{:06}", number + 1), "never")?;
                    transaction.remove(half, format!("row/{:06}", number / 2))?;
                }
                assert!(self.count(transaction)? >= number / 2);
                transaction.rollback_to(savepoint)?;
                assert_eq!(self.count(transaction)?, number, "what was undone is not seen");
            }
            let half = &self.halves[usize::from(number % 2 == 1)];
            transaction.insert(half, format!("row/{number:06}"), writer.to_string())
        })
    }
}

/// Has a transaction tried again until it is through: the store gives up after some conflicts.
fn add_rows(table: &Table, seed: u64, writer: u64) {
    let rng = SeededRng::new(seed ^ writer << 32);
    let mut added = 0;
    while added < ROWS {
        match table.add_row(&rng, writer) {
            Ok(()) => added += 1,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    }
}

#[test]
fn rows_numbered_by_counting_have_every_number_once() {
    let _guard = without_defects();
    for seed in first_seed()..first_seed() + SEEDS {
        let table = Table::new();
        std::thread::scope(|scope| {
            for writer in 0..THREADS {
                let table = &table;
                scope.spawn(move || add_rows(table, seed, writer));
            }
        });
        let mut owners = vec![0; usize::try_from(THREADS).unwrap()];
        let mut numbers = Vec::new();
        for half in &table.halves {
            for row in half {
                let (key, writer) = row.unwrap();
                numbers.push(String::from_utf8(key.to_vec()).unwrap());
                let writer: usize = std::str::from_utf8(&writer).unwrap().parse().unwrap();
                owners[writer] += 1;
            }
        }
        numbers.sort();
        let expected: Vec<_> = (0..THREADS * ROWS).map(|row| format!("row/{row:06}")).collect();
        assert_eq!(numbers, expected, "seed {seed}");
        assert!(owners.iter().all(|rows| *rows == ROWS), "seed {seed}: {owners:?}");
    }
}
