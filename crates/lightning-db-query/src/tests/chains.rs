//! Random look-ups by keys, run as chains and node by node: the same rows in the same order.

use lightning_db_optimizer::build::{Term, column, literal};
use lightning_db_optimizer::{Hints, JoinType, QueryBuilder};
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables};
use lightning_db_types::{Rng, SeededRng, Value};

use crate::QueryEngine;
use crate::statement::Prepared;

/// Rows of each table.
const ROWS: i64 = 600;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn index(rng: &dyn Rng, len: usize) -> usize {
    usize::try_from(rng.below(len as u64)).unwrap()
}

fn small(rng: &dyn Rng, end: i64) -> i64 {
    i64::try_from(rng.below(end.cast_unsigned())).unwrap()
}

/// Tables of a key, a reference that may lead nowhere, a value and a text.
fn tables(rng: &dyn Rng) -> Tables {
    let tables = super::tables();
    for name in NAMES {
        let definition = TableDefinition::new(name)
            .column(ColumnDefinition::new("id", ColumnType::I64))
            .column(ColumnDefinition::new("r", ColumnType::I64).nullable())
            .column(ColumnDefinition::new("v", ColumnType::I64).nullable())
            .column(ColumnDefinition::new("t", ColumnType::Text))
            .primary_key([0])
            .index(IndexSpec::ordered(format!("{name}_r")).column(1));
        tables.create_table(definition).unwrap();
        let perhaps = |end| if rng.one_in(8) { Value::Null } else { small(rng, end).into() };
        let row = |id: i64| {
            vec![id.into(), perhaps(ROWS + 50), perhaps(5), format!("{name}{id}").as_str().into()]
        };
        tables.insert_many(name, (0..ROWS).map(row)).unwrap();
        tables.analyze(name).unwrap();
    }
    tables
}

fn query(rng: &dyn Rng) -> QueryBuilder {
    let pick = |terms: [Term; 3]| terms[index(rng, 3)].clone();
    let value = || literal(small(rng, ROWS));
    let low = small(rng, ROWS);
    let first = pick([
        column("a.id").equal(value()),
        column("a.r").equal(value()),
        column("a.id").at_least(literal(low)).and(column("a.id").less(literal(low + 3))),
    ]);
    let mut query = QueryBuilder::scan("a", "a").filter(first);
    let joined = index(rng, NAMES.len());
    for (before, name) in NAMES.iter().zip(&NAMES[1..]).take(joined) {
        let (key, reference) = (column(format!("{name}.id")), column(format!("{name}.r")));
        let of = |column_name: &str| column(format!("{before}.{column_name}"));
        let mut on =
            pick([of("r").equal(key.clone()), of("id").equal(key), of("id").equal(reference)]);
        if rng.one_in(3) {
            on = on.and(column(format!("{name}.v")).less(pick([literal(3), of("v"), of("r")])));
        }
        let join = if rng.one_in(2) { JoinType::Left } else { JoinType::Inner };
        query = query.join(join, QueryBuilder::scan(*name, *name), on);
    }
    // Sometimes more columns than a frame has, and the same one again.
    let columns = 1 + index(rng, 20);
    query.select((0..columns).map(|place| {
        let (name, of) = (NAMES[index(rng, joined + 1)], ["id", "r", "v", "t"][index(rng, 4)]);
        column(format!("{name}.{of}")).named(format!("c{place}"))
    }))
}

#[test]
fn chains_give_what_nodes_give() {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..8_u64, |seed| seed..seed + 1);
    let (mut chained, mut some) = ([0; 5], 0);
    for seed in seeds {
        let rng = SeededRng::new(seed);
        let engine = QueryEngine::new(&tables(&rng));
        let snapshot = engine.tables().snapshot();
        for number in 0..100 {
            let catalog = engine.catalog().unwrap();
            let query = query(&rng).build(&*catalog).unwrap();
            let prepared =
                Prepared::of_query(&engine.inner, (&query, &Hints::default()), &catalog).unwrap();
            chained[prepared.longest_chain()] += 1;
            let in_chains = prepared.rows(&engine, &snapshot).unwrap();
            let by_nodes = prepared.by_nodes().rows(&engine, &snapshot).unwrap();
            assert_eq!(
                in_chains, by_nodes,
                "replay with LIGHTNING_SEED={seed}, query {number}\n{query}"
            );
            some += u32::from(!by_nodes.is_empty());
        }
    }
    println!("{chained:?} of so many links, {some} with rows");
    assert!(given.is_some() || some > 300 && chained[1..].iter().all(|it| *it > 20), "{chained:?}");
}
