//! Functions of text and spatial indexes: the same rows whichever way they are found.

use lightning_db_optimizer::JoinType;
use lightning_db_optimizer::QueryBuilder;
use lightning_db_optimizer::build::{column, literal, parameter};
use lightning_db_table::index::{Analyzer, Geometry, Location};
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables};
use lightning_db_types::{Rng, SeededRng, Value, ValueType};

use super::{prepare, tables};
use crate::Error;
use crate::search::{distance, matches, within, within_distance};

const BERN: Value = Value::Point { x: 7.4474, y: 46.948 };

/// Places in and around Switzerland, each with a text. Every eleventh has no place.
fn places() -> (Tables, Vec<(i64, Option<Location>, String)>) {
    let tables = tables();
    let definition = TableDefinition::new("places")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("at", ColumnType::Point).nullable())
        .column(ColumnDefinition::new("home", ColumnType::Point))
        .column(ColumnDefinition::new("note", ColumnType::Text).nullable())
        .column(ColumnDefinition::new("kind", ColumnType::I64))
        .primary_key([0])
        .index(IndexSpec::spatial("by_at").sphere().column(1))
        .index(IndexSpec::spatial("by_home").sphere().column(2))
        .index(IndexSpec::text("by_note", Analyzer::Simple).column(3))
        .index(IndexSpec::bitmap("by_kind").column(4));
    tables.create_table(definition).unwrap();
    let rng = SeededRng::new(7);
    let words = ["lake", "peak", "river", "town", "glacier"];
    let mut all = Vec::new();
    for id in 0..500 {
        let share = || f64::from(u32::try_from(rng.below(10_000)).unwrap()) / 1e4;
        let near = |low: f64, high: f64| low + (high - low) * share();
        let at = Location::new(near(5.9, 10.5), near(45.8, 47.8));
        let pick = || words[usize::try_from(rng.below(5)).unwrap()];
        let note = format!("{} {}", pick(), pick());
        all.push((id, (id % 11 != 0).then_some(at), note));
    }
    let rows = all.iter().map(|(id, at, note)| {
        let point = |at: Location| Value::Point { x: at.x, y: at.y };
        let note = if id % 13 == 0 { Value::Null } else { note.as_str().into() };
        let home = at.map_or(BERN, point);
        vec![Value::I64(*id), at.map_or(Value::Null, point), home, note, Value::I64(id % 5)]
    });
    tables.insert_many("places", rows).unwrap();
    tables.analyze("places").unwrap();
    (tables, all)
}

fn scan() -> QueryBuilder {
    QueryBuilder::scan("places", "p")
}

fn ids(tables: &Tables, query: &QueryBuilder, parameters: &[Value]) -> (Vec<i64>, String) {
    let statement = prepare(tables, query);
    let rows = statement.rows(&tables.snapshot(), parameters).unwrap();
    let ids = rows.into_iter().map(|row| match row[0] {
        Value::I64(id) => id,
        ref other => panic!("{other:?}"),
    });
    (ids.collect(), statement.explain())
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

fn from_bern(at: Location) -> f64 {
    Geometry::Sphere.distance(Location::new(7.4474, 46.948), at).unwrap()
}

#[test]
fn words_are_found_alone_and_with_other_conditions() {
    let (tables, all) = places();
    let has = |id: i64, note: &str, word: &str| id % 13 != 0 && note.contains(word);
    let wanted = |keep: &dyn Fn(i64, &str) -> bool| -> Vec<i64> {
        let kept = all.iter().filter(|(id, _, note)| keep(*id, note));
        kept.map(|(id, ..)| *id).collect()
    };
    let lake = || matches(column("note"), "lake");
    let given = || matches(column("note"), parameter(0, ValueType::Text));
    let select = |condition| scan().filter(condition).select([column("id")]);

    let (found, plan) = ids(&tables, &select(lake()), &[]);
    assert_eq!(sorted(found), wanted(&|id, note| has(id, note, "lake")));
    assert!(plan.contains("by_note"), "{plan}");
    let (found, _) = ids(&tables, &select(given()), &["+lake +peak".into()]);
    let both = |id, note: &str| has(id, note, "lake") && note.contains("peak");
    assert_eq!(sorted(found), wanted(&both));
    assert!(ids(&tables, &select(given()), &[Value::Null]).0.is_empty());

    let (found, plan) = ids(&tables, &select(lake().and(column("kind").equal(3))), &[]);
    assert_eq!(sorted(found), wanted(&|id, note| has(id, note, "lake") && id % 5 == 3));
    assert!(plan.contains("by_note"), "{plan}");
    // What no index can be searched for is asked of each row: a null text is no match and no miss.
    let (found, _) = ids(&tables, &select(lake().not()), &[]);
    assert_eq!(sorted(found), wanted(&|id, note| id % 13 != 0 && !note.contains("lake")));
    let either = lake().or(column("kind").equal(1));
    let (found, _) = ids(&tables, &select(either), &[]);
    assert_eq!(sorted(found), wanted(&|id, note| has(id, note, "lake") || id % 5 == 1));
}

#[test]
fn a_search_of_words_needs_an_index_and_a_query() {
    let (tables, _) = places();
    let engine = crate::QueryEngine::new(&tables);
    let name = tables.snapshot();
    let bad = scan().filter(matches(column("note"), "\"open"));
    let error = engine.prepare(&bad).and_then(|it| it.rows(&name, &[])).unwrap_err();
    assert!(matches!(error, Error::Index(_)), "{error}");
    let shown = scan().select([matches(column("note"), "lake").named("found")]);
    let error = engine.prepare(&shown).unwrap_err();
    assert!(error.to_string().contains("function match"), "{error}");
    let unknown = scan().filter(lightning_db_optimizer::build::Term::External {
        function: "soundex".into(),
        arguments: vec![column("note")],
        value_type: ValueType::Bool,
    });
    let error = engine.prepare(&unknown).unwrap_err();
    assert!(error.to_string().contains("known are: match"), "{error}");
}

#[test]
fn places_are_found_by_distance_and_by_polygon() {
    let (tables, all) = places();
    let near = |metres: f64| -> Vec<i64> {
        let near = all.iter().filter(|(_, at, _)| at.is_some_and(|at| from_bern(at) <= metres));
        near.map(|(id, ..)| *id).collect()
    };
    let circle = |centre| within_distance(Geometry::Sphere, column("at"), centre, 40_000.0);
    let select = |condition| scan().filter(condition).select([column("id")]);
    let (found, plan) = ids(&tables, &select(circle(literal(BERN))), &[]);
    assert_eq!(sorted(found), near(40_000.0));
    assert!(plan.contains("by_at"), "{plan}");
    let (found, _) = ids(&tables, &select(circle(literal(BERN)).not()), &[]);
    assert_eq!(found.len(), 500 - 46 - near(40_000.0).len());
    let (found, _) = ids(&tables, &select(circle(parameter(0, ValueType::Point))), &[BERN]);
    assert_eq!(sorted(found), near(40_000.0));

    let wkt = "POLYGON((7 46.5, 8 46.5, 8 47.5, 7 47.5))";
    let inside = within(Geometry::Sphere, column("at"), wkt);
    let (found, plan) = ids(&tables, &select(inside.and(matches(column("note"), "lake"))), &[]);
    let expected = all.iter().filter(|(id, at, note)| {
        let inside =
            at.is_some_and(|at| (7.0..=8.0).contains(&at.x) && (46.5..=47.5).contains(&at.y));
        inside && id % 13 != 0 && note.contains("lake")
    });
    assert_eq!(sorted(found), expected.map(|(id, ..)| *id).collect::<Vec<_>>(), "{plan}");
    let error = prepare(&tables, &select(within(Geometry::Sphere, column("at"), "POLYGON")));
    let error = error.rows(&tables.snapshot(), &[]).unwrap_err();
    assert!(error.to_string().contains("st_within: no polygon at byte 7"), "{error}");
}

#[test]
fn the_nearest_come_first_and_only_as_many_as_are_wanted() {
    let (tables, all) = places();
    let far = || distance(Geometry::Sphere, column("home"), literal(BERN));
    let query = |limit| {
        scan()
            .select([column("id").named("id"), far().named("far")])
            .order_by([column("far").ascending()])
            .limit(limit, 0)
    };
    let mut expected: Vec<(f64, i64)> =
        all.iter().map(|(id, at, _)| (at.map_or(0.0, from_bern), *id)).collect();
    expected.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    for limit in [3, 100, 500] {
        let (found, plan) = ids(&tables, &query(limit), &[]);
        assert!(limit > 3 || plan.contains("nearest"), "{plan}");
        let expected = expected.iter().take(usize::try_from(limit).unwrap());
        assert_eq!(found, expected.map(|(_, id)| *id).collect::<Vec<_>>(), "{limit}");
    }
    // With a condition that the same index answers, and one that it does not.
    let near = within_distance(Geometry::Sphere, column("home"), literal(BERN), 60_000.0);
    let some = scan()
        .filter(near.and(column("kind").equal(2)))
        .select([column("id").named("id"), far().named("far")])
        .order_by([column("far").ascending()])
        .limit(5, 0);
    let (found, _) = ids(&tables, &some, &[]);
    let wanted = expected.iter().filter(|(far, id)| *far <= 60_000.0 && id % 5 == 2).take(5);
    assert_eq!(found, wanted.map(|(_, id)| *id).collect::<Vec<_>>());
}

#[test]
fn places_are_joined_to_those_near_them() {
    let (tables, all) = places();
    let near = within_distance(Geometry::Sphere, column("q.at"), column("p.at"), 5_000.0);
    let query = scan()
        .join(JoinType::Inner, QueryBuilder::scan("places", "q"), near)
        .filter(column("p.kind").equal(1))
        .select([column("p.id").named("one"), column("q.id").named("other")]);
    let statement = prepare(&tables, &query);
    let mut found = statement.rows(&tables.snapshot(), &[]).unwrap();
    found.sort();
    let mut expected = Vec::new();
    for (one, at, _) in all.iter().filter(|(id, ..)| id % 5 == 1) {
        for (other, to, _) in &all {
            if let (Some(at), Some(to)) = (at, to)
                && Geometry::Sphere.distance(*at, *to).unwrap() <= 5_000.0
            {
                expected.push(vec![Value::I64(*one), Value::I64(*other)]);
            }
        }
    }
    assert_eq!(found, expected, "{}", statement.explain());
    assert!(statement.explain().contains("by_at"), "{}", statement.explain());
}

#[test]
fn a_transaction_finds_its_own_words_and_places() {
    let (tables, _) = places();
    let query = scan().filter(matches(column("note"), "harbour")).select([column("id")]);
    let statement = prepare(&tables, &query);
    let mut transaction = tables.transaction();
    let table = transaction.table("places").unwrap();
    let row = vec![Value::I64(900), BERN, BERN, "a harbour".into(), Value::I64(0)];
    transaction.insert(&table, row).unwrap();
    assert_eq!(statement.rows(&transaction, &[]).unwrap(), [[Value::I64(900)]]);
    assert!(statement.rows(&tables.snapshot(), &[]).unwrap().is_empty());
}
