//! What runs teach: other plans, never other rows.

use super::*;

/// Ten thousand items, half of them with one tag and the others with one of five thousand; each has
/// one of a thousand owners.
pub(super) fn items() -> Tables {
    let tables = tables();
    let owners = TableDefinition::new("owners")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("name", ColumnType::Text))
        .primary_key([0]);
    tables.create_table(owners).unwrap();
    let items = TableDefinition::new("items")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("tag", ColumnType::I64))
        .column(ColumnDefinition::new("owner", ColumnType::I64))
        .primary_key([0])
        .index(IndexSpec::ordered("by_tag").column(1));
    tables.create_table(items).unwrap();
    let owner = |id: i64| vec![Value::I64(id), Value::from(format!("owner {id}"))];
    tables.insert_many("owners", (0..1_000).map(owner)).unwrap();
    let item = |id: i64| {
        let tag = if id % 2 == 0 { 0 } else { id };
        [id, tag, id % 1_000].map(Value::I64).to_vec()
    };
    tables.insert_many("items", (0..10_000).map(item)).unwrap();
    tables.analyze("owners").unwrap();
    tables.analyze("items").unwrap();
    tables
}

/// The items of a tag with their owners.
pub(super) fn of_tag() -> QueryBuilder {
    QueryBuilder::scan("items", "i")
        .filter(column("tag").equal(parameter(0, ValueType::I64)))
        .join(
            JoinType::Inner,
            QueryBuilder::scan("owners", "o"),
            column("o.id").equal(column("i.owner")),
        )
        .select([column("i.id"), column("o.name")])
}

/// An engine whose statements have one plan for all values, which learning alone changes.
fn learning_engine(tables: &Tables) -> QueryEngine {
    let options = EngineOptions { variants: false, ..EngineOptions::default() };
    QueryEngine::with_options(tables, options)
}

fn sorted_rows(statement: &Statement, tables: &Tables, tag: i64) -> Vec<Vec<Value>> {
    let mut rows = statement.rows(&tables.snapshot(), &[Value::I64(tag)]).unwrap();
    rows.sort();
    rows
}

#[test]
fn a_statement_that_was_off_gets_another_plan() {
    let tables = items();
    let engine = learning_engine(&tables);
    let statement = engine.prepare(&of_tag()).unwrap();
    let before = statement.explain();
    assert!(before.contains("by index by_tag"), "{before}");
    let first = sorted_rows(&statement, &tables, 0);
    assert_eq!(first.len(), 5_000);
    for _ in 0..2 {
        assert_eq!(sorted_rows(&statement, &tables, 0), first);
        assert_eq!(statement.explain(), before, "too early to tell");
    }
    assert_eq!(sorted_rows(&statement, &tables, 0), first);
    let after = statement.explain();
    assert!(!after.contains("by index by_tag"), "{after}");
    assert!(after.contains("learned"), "{after}");
    assert_eq!(sorted_rows(&statement, &tables, 0), first);
    // What is rare is found as well.
    assert_eq!(sorted_rows(&statement, &tables, 77).len(), 1);
}

#[test]
fn what_was_learned_is_kept_in_the_store_and_damage_costs_nothing_else() {
    let tables = items();
    let engine = learning_engine(&tables);
    let statement = engine.prepare(&of_tag()).unwrap();
    (0..4).for_each(|_| assert_eq!(sorted_rows(&statement, &tables, 0).len(), 5_000));
    engine.save_learned().unwrap();
    let plan = |tables: &Tables| prepare(tables, &of_tag()).explain();
    assert!(plan(&tables).contains("learned"), "{}", plan(&tables));
    let keyspace = tables.store().open_keyspace("lightning/learned").unwrap();
    let mut batch = tables.store().batch();
    batch.insert(&keyspace, b"memory", b"no memory at all");
    batch.commit().unwrap();
    assert!(!plan(&tables).contains("learned"));
}

#[test]
fn nothing_is_learned_without_learning_from_parts_of_results_or_from_keys() {
    let tables = items();
    let options = EngineOptions { learning: false, variants: false, ..EngineOptions::default() };
    let engine = QueryEngine::with_options(&tables, options);
    let statement = engine.prepare(&of_tag()).unwrap();
    let before = statement.explain();
    (0..9).for_each(|_| assert_eq!(sorted_rows(&statement, &tables, 0).len(), 5_000));
    assert_eq!(statement.explain(), before);

    let engine = learning_engine(&tables);
    let statement = engine.prepare(&of_tag()).unwrap();
    for _ in 0..9 {
        assert!(statement.first(&tables.snapshot(), &[Value::I64(0)]).unwrap().is_some());
    }
    assert_eq!(statement.explain(), before, "who wants one row does not count all");

    let by_key = QueryBuilder::scan("items", "i")
        .filter(column("id").equal(parameter(0, ValueType::I64)))
        .select([column("tag")]);
    let statement = engine.prepare(&by_key).unwrap();
    (0..9).for_each(|_| assert_eq!(sorted_rows(&statement, &tables, 4).len(), 1));
    engine.save_learned().unwrap();
    let engine = learning_engine(&tables);
    assert!(!engine.prepare(&of_tag()).unwrap().explain().contains("learned"));
}
