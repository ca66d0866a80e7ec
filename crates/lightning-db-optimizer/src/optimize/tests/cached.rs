//! Plans from a cache: they give the rows of whatever parameters they run with.

use lightning_db_types::ValueType::I64;
use lightning_db_types::{Rng, SeededRng, Value};

use super::random::{Liar, sorted};
use crate::build::{JoinType, QueryBuilder, column, parameter};
use crate::cache::{CacheKey, Lookup, PlanCache, Question};
use crate::cardinality::Learned;
use crate::catalog::{Catalog, IndexDefinition, IndexKind};
use crate::memory::MemoryCatalog;
use crate::optimize::{Context, Optimizer};
use crate::plan::Plan;
use crate::query::Query;
use crate::reference::{evaluate, execute};
use crate::statistics::StatisticsBuilder;

/// Values up to 100, small ones far more often, and what they refer to.
fn catalog() -> MemoryCatalog {
    let rng = SeededRng::new(7);
    let mut catalog = MemoryCatalog::new();
    let one = catalog.add_table("one", &[("id", I64), ("value", I64)], &["id"]).unwrap();
    let other = catalog.add_table("other", &[("id", I64), ("size", I64)], &["id"]).unwrap();
    let small =
        || i64::try_from(rng.below(101) * rng.below(101) * rng.below(101) / 10_000).unwrap();
    let ones: Vec<Vec<Value>> = (0..90_i64).map(|id| vec![id.into(), small().into()]).collect();
    let others: Vec<Vec<Value>> = (0..101_i64).map(|id| vec![id.into(), (id % 7).into()]).collect();
    for (table, rows) in [(one, ones), (other, others)] {
        let mut made = StatisticsBuilder::new(&catalog.definition(table), 3);
        for row in &rows {
            made.add(row);
        }
        catalog.set_rows(table, rows);
        catalog.set_statistics(table, made.finish(200));
        catalog.add_index(table, IndexDefinition::new("key", IndexKind::Clustered, &[0]));
    }
    catalog.add_index(one, IndexDefinition::new("by_value", IndexKind::Ordered, &[1]));
    catalog
}

/// The rows of values above a parameter, bound to a value.
fn above(catalog: &MemoryCatalog, value: i64) -> Query {
    let on = column("one.value").equal(column("other.id"));
    let mut query = QueryBuilder::scan("one", "one")
        .join(JoinType::Left, QueryBuilder::scan("other", "other"), on)
        .filter(column("one.value").greater(parameter(0, I64)))
        .select(["one.id", "other.size"])
        .build(catalog)
        .unwrap();
    query.bind(0, value.into());
    query
}

/// What is put into the cache under which selectivity.
enum Kept {
    Right,
    /// Plans under selectivities that have nothing to do with them.
    Poisoned,
}

fn check(kept: &Kept, learned: Option<&dyn Learned>) -> u64 {
    let catalog = catalog();
    let context = Context { learned, ..Context::new(&catalog) };
    let rng = SeededRng::new(11);
    let mut cache: PlanCache<usize> = PlanCache::new(10);
    let mut plans: Vec<Plan> = Vec::new();
    for _ in 0..40 {
        let value = i64::try_from(rng.below(110)).unwrap() - 5;
        let query = above(&catalog, value);
        let share =
            crate::access::as_f64(u64::try_from(100 - value.clamp(0, 100)).unwrap()) / 100.0;
        let selectivity = match kept {
            Kept::Right => share,
            Kept::Poisoned => crate::access::as_f64(rng.below(1_000)) / 999.0,
        };
        let version = catalog.version();
        let key = CacheKey { query: b"above", types: &[I64], settings: 0, version };
        let question = Question { key, selectivities: &[selectivity], epoch: 1 };
        let number = if let Lookup::Hit(number) = cache.find(&question, |_| None) {
            *number
        } else {
            plans.push(Optimizer::default().optimize_with(&query, &context).unwrap());
            cache.insert(&question, Vec::new(), plans.len() - 1);
            plans.len() - 1
        };
        let mut plan = plans[number].clone();
        plan.query.bind(0, value.into());
        let found = sorted(execute(&plan, &catalog, &catalog).unwrap().rows);
        let expected = sorted(evaluate(&query, &catalog).unwrap());
        assert_eq!(found, expected, "above {value}\n{}", plan.explain());
    }
    cache.counters().hits
}

#[test]
fn cached_plans_give_the_rows_of_other_parameters() {
    assert!(check(&Kept::Right, None) > 20);
    assert!(check(&Kept::Poisoned, None) > 20);
}

#[test]
fn so_they_do_with_a_poisoned_memory() {
    for seed in [1, 2] {
        let liar = Liar(seed);
        assert!(check(&Kept::Right, Some(&liar)) > 20);
        assert!(check(&Kept::Poisoned, Some(&liar)) > 20);
    }
}
