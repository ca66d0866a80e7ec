//! Tests of ordered and hash indexes, on a simulated disk.

mod build;
mod hash;
mod model;
mod scenarios;
mod unique;

use lightning_db_expression::Expression;
use lightning_db_types::{ColumnOrder, SeededRng, Value};

use super::{HashOptions, KeyQuery, OrderedIndex, OrderedOptions};
use crate::definition::{IndexDefinition, IndexKind};
use crate::index::IndexQuery;
use crate::reader::Reader;
use crate::testkit::{TestTable, definition};

fn ordered(options: OrderedOptions, parts: usize) -> IndexDefinition {
    definition(IndexKind::Ordered(options), parts)
}

fn hash(options: HashOptions, parts: usize) -> IndexDefinition {
    definition(IndexKind::Hash(options), parts)
}

/// A definition over expressions, each with its order.
fn over(
    options: OrderedOptions,
    parts: impl IntoIterator<Item = (Expression, ColumnOrder)>,
) -> IndexDefinition {
    let parts = parts.into_iter();
    let parts = parts.map(|(expression, order)| crate::definition::KeyPart { expression, order });
    IndexDefinition { parts: parts.collect(), ..ordered(options, 1) }
}

fn index(table: &TestTable) -> &OrderedIndex {
    table.index.as_ordered().unwrap()
}

/// Numbers of the rows that match, in the order of the index.
fn scanned(table: &TestTable, query: &KeyQuery) -> Vec<u64> {
    let snapshot = table.store.snapshot();
    let scan = index(table).scan(Reader::Snapshot(&snapshot), query).unwrap();
    scan.map(|hit| hit.unwrap().row_id()).collect()
}

fn found(table: &TestTable, query: KeyQuery) -> Vec<u64> {
    table.find(&IndexQuery::Key(query)).iter().collect()
}

fn text(value: &str) -> Value {
    Value::from(value)
}

fn seed() -> u64 {
    let seed = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("LIGHTNING_SEED={seed}");
    seed
}

fn rng() -> SeededRng {
    SeededRng::new(seed())
}

/// Small draws, for picks.
fn below(rng: &SeededRng, bound: usize) -> usize {
    use lightning_db_types::Rng as _;
    usize::try_from(rng.below(bound as u64)).unwrap()
}
