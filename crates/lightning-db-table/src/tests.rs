//! Whole tables on a simulated disk.

mod alter;
mod build;
mod check;
mod chunk;
mod constraints;
mod crash;
mod define;
mod expiry;
mod foreign_keys;
mod keys;
mod model;
mod typed;
mod upkeep;
mod vectors;

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_storage::{Maintenance, Store, StoreOptions};
use lightning_db_types::{SeededRng, SimClock, SimVfs, Value};

use crate::{
    BuildOutcome, BuildStatus, ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables,
};

/// A disk and a clock, on which stores are opened one after the other.
#[derive(Debug, Clone)]
struct World {
    vfs: Arc<SimVfs>,
    clock: SimClock,
}

impl World {
    fn new() -> Self {
        Self { vfs: Arc::new(SimVfs::new()), clock: SimClock::default() }
    }

    fn options(&self) -> StoreOptions {
        let vfs: Arc<SimVfs> = Arc::clone(&self.vfs);
        StoreOptions::new("/store")
            .memory_limit(4 << 20)
            .maintenance(Maintenance::Stepped)
            .vfs(vfs)
            .clock(Arc::new(self.clock.clone()))
            .rng(Arc::new(SeededRng::new(1)))
    }

    fn store(&self) -> Store {
        self.options().open().unwrap().0
    }

    fn open(&self) -> Tables {
        Tables::open(&self.store()).unwrap().0
    }

    fn now_us(&self) -> i64 {
        use lightning_db_types::Clock;
        i64::try_from(self.clock.now_unix_ms()).unwrap() * 1_000
    }
}

/// The seed of a randomised test: from the environment, or the given one; printed either way.
fn seed(default: u64) -> u64 {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(default);
    println!("replay with LIGHTNING_SEED={seed}");
    seed
}

/// Number, name and score of a person.
fn people() -> TableDefinition {
    TableDefinition::new("people")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("name", ColumnType::Text))
        .column(ColumnDefinition::new("score", ColumnType::I64).nullable())
        .primary_key([0])
        .index(IndexSpec::unique("by_name").column(1))
        .index(IndexSpec::ordered("by_score").column(2))
}

fn person(id: i64, name: &str, score: impl Into<Option<i64>>) -> [Value; 3] {
    [id.into(), name.into(), score.into().into()]
}

/// The values of a row, whose types would be ambiguous otherwise.
fn row<const N: usize>(values: [Value; N]) -> [Value; N] {
    values
}

fn go_on(_: BuildStatus<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Builds an index that must become ready.
fn build(tables: &Tables, table: &str, spec: IndexSpec) {
    let outcome = tables.create_index(table, spec, &mut go_on).unwrap();
    assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{outcome:?}");
}

/// Asserts that rows, constraints and indexes agree.
fn assert_sound(tables: &Tables) {
    let report = tables.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

/// Primary keys of the rows that an index gives for a key.
fn keys_of(tables: &Tables, table: &str, index: &str, key: impl Into<Value>) -> Vec<Value> {
    let snapshot = tables.snapshot();
    let table = snapshot.table(table).unwrap();
    let reader = snapshot.read(&table).unwrap();
    let rows = reader.find(index, &crate::kinds::equal(vec![key.into()])).unwrap();
    reader.fetch(&rows).map(|row| row.unwrap().at(0).to_value()).collect()
}
