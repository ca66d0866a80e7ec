//! Statements with plans for several values: other plans, never other rows.

use lightning_db_optimizer::build::Term;
use lightning_db_table::TableSnapshot;
use lightning_db_types::Rng;

use super::learning::{items, of_tag};
use super::*;
use crate::CacheCounters;

fn tag(number: usize) -> Term {
    column("tag").equal(parameter(number, ValueType::I64))
}

fn of_items(condition: Term) -> QueryBuilder {
    QueryBuilder::scan("items", "i").filter(condition).select([column("id"), column("owner")])
}

fn engine(tables: &Tables, variants: bool) -> QueryEngine {
    let options = EngineOptions { learning: false, variants, ..EngineOptions::default() };
    QueryEngine::with_options(tables, options)
}

/// How the items are come by.
fn access(statement: &Statement, snapshot: &TableSnapshot, values: &[i64]) -> &'static str {
    let values: Vec<Value> = values.iter().copied().map(Value::I64).collect();
    let plan = statement.analyze(snapshot, &values).unwrap().explain();
    let known = ["by index by_tag", "by index key", "by scan"];
    known.into_iter().find(|it| plan.contains(&format!("Access i {it}"))).unwrap_or("otherwise")
}

fn counts(engine: &QueryEngine) -> (u64, u64) {
    let CacheCounters { hits, misses, .. } = engine.plan_cache();
    (hits, misses)
}

#[test]
fn a_rare_value_goes_by_index_and_a_common_one_by_scan() {
    let (tables, without) = (items(), engine(&items(), false));
    let (engine, snapshot) = (engine(&tables, true), tables.snapshot());
    let statement = engine.prepare(&of_items(tag(0))).unwrap();
    for _ in 0..3 {
        assert_eq!(access(&statement, &snapshot, &[77]), "by index by_tag");
        assert_eq!(access(&statement, &snapshot, &[0]), "by scan");
        assert_eq!(statement.rows(&snapshot, &[Value::I64(0)]).unwrap().len(), 5_000);
        assert_eq!(statement.rows(&snapshot, &[Value::I64(79)]).unwrap().len(), 1);
    }
    assert_eq!(counts(&engine), (10, 2));
    assert_eq!(engine.plan_cache().outside, 1);
    let (statement, snapshot) =
        (without.prepare(&of_items(tag(0))).unwrap(), without.tables().snapshot());
    assert_eq!(access(&statement, &snapshot, &[0]), access(&statement, &snapshot, &[77]));
    assert_eq!(counts(&without), (0, 0));
}

#[test]
fn a_short_range_goes_by_index_and_a_long_one_by_scan() {
    let tables = items();
    let (engine, snapshot) = (engine(&tables, true), tables.snapshot());
    let range = [parameter(0, ValueType::I64), parameter(1, ValueType::I64)];
    let [low, high] = range;
    let statement = engine.prepare(&of_items(column("tag").between(low, high))).unwrap();
    for (values, plan, rows) in [
        ([5_001, 5_009], "by index by_tag", 5),
        ([-1, 9_999], "by scan", 10_000),
        ([0, 0], "by scan", 5_000),
        ([9_991, 20_000], "by index by_tag", 5),
        ([9, 1], "by index by_tag", 0),
    ] {
        assert_eq!(access(&statement, &snapshot, &values), plan, "{values:?}");
        let values = values.map(Value::I64);
        assert_eq!(statement.rows(&snapshot, &values).unwrap().len(), rows, "{values:?}");
    }
}

#[test]
fn what_has_nothing_to_choose_looks_nothing_up() {
    let tables = items();
    let (engine, snapshot) = (engine(&tables, true), tables.snapshot());
    let by_key = of_items(column("id").equal(parameter(0, ValueType::I64)));
    let by_key = engine.prepare(&by_key).unwrap();
    assert!(by_key.finds_by_key());
    let alike = of_items(column("owner").equal(parameter(0, ValueType::I64)));
    let alike = engine.prepare(&alike).unwrap();
    for _ in 0..5 {
        by_key.rows(&snapshot, &[Value::I64(5)]).unwrap();
        alike.rows(&snapshot, &[Value::I64(5)]).unwrap();
    }
    assert_eq!(counts(&engine), (0, 0));
    // There is no other plan for any range of owners: after a while nobody asks any more.
    let owner = column("owner").less(parameter(0, ValueType::I64));
    let statement = engine.prepare(&of_items(owner)).unwrap();
    for limit in 0..100 {
        statement.rows(&snapshot, &[Value::I64(limit % 5)]).unwrap();
    }
    let (hits, misses) = counts(&engine);
    assert!(hits == 16 && misses < 8, "{hits} and {misses}");
    let hinted = engine.prepare_with(&of_items(tag(0)), "scan(i)".parse().unwrap()).unwrap();
    assert_eq!(access(&hinted, &snapshot, &[77]), "by scan");
    assert_eq!(counts(&engine), (hits, misses));
}

#[test]
fn plans_for_values_follow_the_definitions_and_the_size_of_the_tables() {
    let tables = items();
    let engine = engine(&tables, true);
    let statement = engine.prepare(&of_items(tag(0))).unwrap();
    let before = tables.snapshot();
    assert_eq!(access(&statement, &before, &[77]), "by index by_tag");
    tables.drop_index("items", "by_tag").unwrap();
    assert_eq!(access(&statement, &tables.snapshot(), &[77]), "by scan");
    assert_eq!(access(&statement, &before, &[77]), "by index by_tag");
    let index = IndexSpec::ordered("by_tag").column(1);
    tables.create_index("items", index, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(access(&statement, &tables.snapshot(), &[77]), "by index by_tag");
    let item = |id: i64| [id, 77, id % 1_000].map(Value::I64).to_vec();
    tables.insert_many("items", (10_000..40_000).map(item)).unwrap();
    tables.analyze("items").unwrap();
    let after = tables.snapshot();
    let rows = statement.rows(&after, &[Value::I64(77)]).unwrap().len();
    assert_eq!((rows, access(&statement, &after, &[77])), (30_001, "by scan"));
    assert_eq!(access(&statement, &after, &[79]), "by index by_tag");
    drop(statement);
    let cache = engine.plan_cache();
    assert!(cache.misses > 3, "{cache:?}");
}

#[test]
fn what_is_learned_of_a_value_is_for_this_value() {
    let tables = items();
    let engine = QueryEngine::new(&tables);
    let both = tag(0).and(column("owner").less(parameter(1, ValueType::I64)));
    let statement = engine.prepare(&of_items(both)).unwrap();
    let snapshot = tables.snapshot();
    let run = |tag: i64, most: i64| {
        let mut rows = statement.rows(&snapshot, &[tag, most].map(Value::I64)).unwrap();
        rows.sort();
        rows
    };
    let (common, rare) = (run(0, 500), run(77, 500));
    assert_eq!((common.len(), rare.len()), (2_500, 1));
    for _ in 0..40 {
        assert_eq!(run(0, 500), common);
        assert_eq!(run(77, 500), rare);
    }
    assert_eq!(access(&statement, &snapshot, &[0, 500]), "by scan");
    assert_eq!(access(&statement, &snapshot, &[77, 500]), "by index by_tag");
    // So it is with a join above.
    let statement = engine.prepare(&of_tag()).unwrap();
    for _ in 0..20 {
        assert_eq!(statement.rows(&snapshot, &[Value::I64(0)]).unwrap().len(), 5_000);
        assert_eq!(statement.rows(&snapshot, &[Value::I64(77)]).unwrap().len(), 1);
    }
    assert_eq!(access(&statement, &snapshot, &[0]), "by scan");
    assert_eq!(access(&statement, &snapshot, &[77]), "by index by_tag");
}

/// A condition on one column, and the number of parameters with it.
fn condition(rng: &dyn Rng, parameters: &mut usize) -> Term {
    let mut next = || {
        *parameters += 1;
        parameter(*parameters - 1, ValueType::I64)
    };
    let name = ["i.id", "i.tag", "i.owner"][usize::try_from(rng.below(3)).unwrap()];
    let column = column(name);
    match rng.below(6) {
        0 => column.equal(next()),
        1 => column.at_least(next()),
        2 => column.less(next()),
        3 => column.between(next(), next()),
        4 => column.is_in([next(), next()]),
        _ => column.not_equal(next()),
    }
}

#[test]
fn random_statements_give_their_rows_with_plans_for_any_values() {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..40_u64, |seed| seed..seed + 1);
    let tables = items();
    let snapshot = tables.snapshot();
    let engines = [engine(&tables, false), engine(&tables, true), QueryEngine::new(&tables)];
    let poisoned = engine(&tables, true);
    for seed in seeds {
        let rng = SeededRng::new(seed);
        let mut parameters = 0;
        let mut query = items_with(rng.one_in(2));
        for _ in 0..=rng.below(2) {
            query = query.filter(condition(&rng, &mut parameters));
        }
        let query = query.select([column("i.id"), column("i.tag")]);
        let all = engines.each_ref().map(|it| it.prepare(&query).unwrap());
        let other = poisoned.prepare(&query).unwrap();
        let value = || match rng.below(3) {
            0 => Value::I64(0),
            _ => Value::I64(i64::try_from(rng.below(11_000)).unwrap() - 500),
        };
        let values = || (0..parameters).map(|_| value()).collect::<Vec<_>>();
        for _ in 0..12 {
            other.poison(&snapshot, (&values(), &values()));
            let values = values();
            let rows = |it: &Statement| {
                let mut rows = it.rows(&snapshot, &values).unwrap();
                rows.sort();
                rows
            };
            let expected = rows(&all[0]);
            for statement in [&all[1], &all[2], &other] {
                let why = format!("replay with LIGHTNING_SEED={seed}: {query:?}, {values:?}");
                assert!(rows(statement) == expected, "{why}");
            }
        }
    }
    for engine in [&engines[1], &engines[2], &poisoned] {
        let (hits, misses) = counts(engine);
        assert!(given.is_some() || hits > 50 && misses > 20, "{hits} and {misses}");
    }
}

fn items_with(joined: bool) -> QueryBuilder {
    let items = QueryBuilder::scan("items", "i");
    if !joined {
        return items;
    }
    let owners = QueryBuilder::scan("owners", "o");
    items.join(JoinType::Inner, owners, column("o.id").equal(column("i.owner")))
}
