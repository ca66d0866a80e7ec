//! Random queries over random tables: a run gives what the reference interpreter gives, whatever
//! the optimizer thinks that work costs.

use std::sync::Arc;

use lightning_db_optimizer::reference::{Profile, evaluate, random_catalog, random_query};
use lightning_db_optimizer::{
    Catalog, Constant, Constants, Hints, MemoryCatalog, Nanoseconds, Query, Settings, TableId,
};
use lightning_db_table::{
    ColumnDefinition, ColumnType, ForeignKey, IndexSpec, OnDelete, TableDefinition, Tables,
};
use lightning_db_types::{Rng, SeededRng, Value, ValueType};

use crate::statement::Prepared;
use crate::{EngineOptions, QueryEngine, Result};

/// The tables of a catalog with their rows, and with indexes of every kind that queries use.
fn tables_of(catalog: &MemoryCatalog, rng: &dyn Rng) -> Tables {
    let tables = super::tables();
    let names = catalog.table_names();
    for (number, name) in names.iter().enumerate() {
        let id = TableId(u32::try_from(number).unwrap());
        let known = catalog.definition(id);
        let mut definition = TableDefinition::new(name).primary_key([0]);
        for column in &known.columns {
            let column_type = match column.value_type {
                ValueType::I64 => ColumnType::I64,
                ValueType::Text => ColumnType::Text,
                other => panic!("columns of type {other}"),
            };
            let made = ColumnDefinition::new(&column.name, column_type);
            definition = definition.column(if column.nullable { made.nullable() } else { made });
        }
        for key in &known.foreign_keys {
            // Rows that refer to later rows of their own table cannot be put in one by one.
            if (key.references.0 as usize) < number {
                definition = definition.foreign_key(ForeignKey {
                    name: "reference".to_owned(),
                    columns: vec!["ref".to_owned()],
                    table: names[key.references.0 as usize].clone(),
                    references: vec!["id".to_owned()],
                    on_delete: OnDelete::Restrict,
                });
            }
        }
        let of_table = |index: &str| format!("{name}_{index}");
        let candidates = [
            IndexSpec::ordered(of_table("o_a")).column(1),
            IndexSpec::ordered(of_table("o_ba")).column(2).column(1),
            IndexSpec::ordered(of_table("o_c")).column(3).column(2),
            IndexSpec::ordered(of_table("o_ref")).column(4),
            IndexSpec::hash(of_table("h_b")).column(2),
            IndexSpec::hash(of_table("h_ca")).column(3).column(1),
            IndexSpec::bitmap(of_table("b_a")).column(1),
            IndexSpec::bitmap(of_table("b_c")).column(3),
            IndexSpec::bloom(of_table("f_ref")).column(4),
        ];
        for index in candidates {
            if rng.one_in(2) {
                definition = definition.index(index);
            }
        }
        tables.create_table(definition).unwrap();
        tables.insert_many(name, catalog.rows(id).to_vec()).unwrap();
        tables.analyze(name).unwrap();
    }
    tables
}

/// Each constant up to a thousand times more or less than it is.
fn drawn_costs(rng: &dyn Rng) -> Constants {
    let shipped = Constants::default();
    Constant::all().fold(shipped.clone(), |drawn, constant| {
        let exponent = i32::try_from(rng.below(7)).unwrap() - 3;
        drawn.with(constant, shipped.get(constant) * 10_f64.powi(exponent))
    })
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort();
    rows
}

fn run(engine: &QueryEngine, query: &Query) -> Result<(Vec<Vec<Value>>, String)> {
    let catalog = engine.catalog()?;
    // Tables were made in the order of their names, which both catalogs list.
    let names = catalog.table_names();
    let query = query.clone().with_tables(|TableId(number)| {
        catalog.table(&names[usize::try_from(number).unwrap()]).unwrap()
    });
    let prepared = Prepared::of_query(&engine.inner, (&query, &Hints::default()), &catalog)?;
    let snapshot = engine.tables().snapshot();
    Ok((prepared.rows(engine, &snapshot)?, prepared.text()))
}

#[test]
fn every_plan_of_a_random_query_gives_the_rows_of_the_reference() {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..150_u64, |seed| seed..seed + 1);
    let (mut compared, mut accesses) = (0, [0; 4]);
    for seed in seeds {
        let rng = SeededRng::new(seed);
        let catalog = random_catalog(seed).unwrap();
        let tables = tables_of(&catalog, &rng);
        for number in 0..8 {
            let query = random_query(seed * 8 + number, Profile::default(), &catalog).unwrap();
            // A query that fails for some row may fail or not, by what is computed first.
            let Ok(expected) = evaluate(&query, &catalog) else { continue };
            let expected = sorted(expected);
            for constants in [Constants::default(), drawn_costs(&rng), drawn_costs(&rng)] {
                let cost_model = Arc::new(Nanoseconds::new(constants));
                let settings = Settings { cost_model, ..Settings::default() };
                let options = EngineOptions { settings, ..EngineOptions::default() };
                let engine = QueryEngine::with_options(&tables, options);
                let (rows, plan) = run(&engine, &query).unwrap_or_else(|error| {
                    panic!("replay with LIGHTNING_SEED={seed}: {error}\n{query}")
                });
                assert_eq!(
                    sorted(rows),
                    expected,
                    "replay with LIGHTNING_SEED={seed}\n{query}\n{plan}"
                );
                compared += 1;
                for (count, word) in accesses.iter_mut().zip(["by index key", "_o_", "_h_", "_b_"])
                {
                    *count += u32::from(plan.contains(word));
                }
            }
        }
    }
    println!("{compared} runs; plans by key, ordered, hash and bitmap indexes: {accesses:?}");
    assert!(given.is_some() || accesses.iter().all(|count| *count > 20), "{accesses:?}");
}
