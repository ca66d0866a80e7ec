//! How much memory planning takes, counted by the allocator: whatever the input, it is bounded by
//! the budget of the search and the size of the query.
//!
//! The one test of this file: the allocator counts what all threads of the process do.
#![expect(clippy::unwrap_used, reason = "a failed helper fails its test")]

use lightning_db_optimizer::build::column;
use lightning_db_optimizer::join::Budget;
use lightning_db_optimizer::types::ValueType::I64;
use lightning_db_optimizer::{JoinType, MemoryCatalog, Optimizer, Query, QueryBuilder, Settings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes for a relation: the query before and after rewrites, estimates, ways and plan.
const EACH_RELATION: usize = 20_000;
/// Bytes for a pair: a set of relations, and the ways to it.
const EACH_PAIR: usize = 1_000;

/// The earlier relation that each is joined with.
type Partner = fn(usize) -> usize;

/// Joins of so many relations, each with the one that `partner` says.
fn joins(relations: usize, partner: Partner) -> (MemoryCatalog, Query) {
    let mut catalog = MemoryCatalog::new();
    catalog.add_table("t", &[("id", I64), ("next", I64)], &["id"]).unwrap();
    let mut query = QueryBuilder::scan("t", "r0");
    for number in 1..relations {
        let other = column(format!("r{}.next", partner(number)));
        let on = other.equal(column(format!("r{number}.id")));
        query = query.join(JoinType::Inner, QueryBuilder::scan("t", format!("r{number}")), on);
    }
    let query = query.select(["r0.id"]).build(&catalog).unwrap();
    (catalog, query)
}

/// Bytes that planning holds at most beside the query.
fn peak(relations: usize, partner: Partner, pairs: usize) -> usize {
    let (catalog, query) = joins(relations, partner);
    let join_budget = Budget { exact: pairs / 4, pairs };
    let optimizer = Optimizer::new(Settings { join_budget, ..Settings::default() });
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let plan = optimizer.optimize(&query, &catalog).unwrap();
    let taken = MEMORY.peak_usage() - before;
    assert_eq!(plan.nodes().len(), 2 * relations, "joins, relations and the columns at the top");
    taken
}

#[test]
fn memory_is_bounded_by_relations_and_budget() {
    // A fifth in debug builds, where ten thousand take a minute.
    let relations = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    let wanted = std::env::var("OPTIMIZER_RELATIONS").ok().and_then(|it| it.parse().ok());
    let relations = wanted.unwrap_or(relations);
    let shapes: [(&str, Partner); 2] = [("chain", |it| it - 1), ("star", |_| 0)];
    for (shape, partner) in shapes {
        for pairs in [0, 20_000] {
            let bytes = peak(relations, partner, pairs);
            let most = EACH_RELATION * relations + EACH_PAIR * pairs;
            assert!(bytes <= most, "{shape}, {pairs} pairs: {bytes} bytes, more than {most}");
        }
    }
}
