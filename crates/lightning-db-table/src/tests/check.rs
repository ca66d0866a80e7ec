//! Finding what does not agree, and repairing it.

use lightning_db_index::row_key;

use super::*;
use crate::TableProblem;

#[test]
fn damage_is_found_named_and_repaired() {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    for id in 0..100 {
        tables.insert("people", person(id, &format!("p{id}"), id % 7)).unwrap();
    }
    assert_sound(&tables);
    // A row goes, and its entries stay; another one comes without any.
    let rows = tables.table("people").unwrap().state.rows.keyspace.clone();
    let key = |id: u64| row_key(id | 1 << 63);
    let stored = rows.get(key(5)).unwrap().unwrap();
    rows.remove(key(5)).unwrap();
    rows.insert(key(6), b"xx").unwrap();
    let report = tables.check().unwrap();
    let of_index = |name: &str| {
        let of = |problem: &&TableProblem| match problem {
            TableProblem::Index { index, .. } => index == name,
            _ => false,
        };
        report.problems.iter().filter(of).count()
    };
    assert!(of_index("by_name") >= 1 && of_index("by_score") >= 1, "{report:#?}");
    let unreadable = |problem: &TableProblem| match problem {
        TableProblem::Row { detail, .. } => detail.contains("damaged row"),
        _ => false,
    };
    assert!(report.problems.iter().any(unreadable), "{report:#?}");
    rows.insert(key(6), &stored).unwrap();
    assert!(!tables.check().unwrap().is_clean());
    rows.remove(key(6)).unwrap();
    for index in ["by_name", "by_score"] {
        let outcome = tables.repair_index("people", index, &mut go_on).unwrap();
        assert!(matches!(outcome, BuildOutcome::Ready { entries: 98 }), "{outcome:?}");
    }
    assert_sound(&tables);
    assert_eq!(keys_of(&tables, "people", "by_name", "p5"), []);
}

#[test]
fn the_index_of_a_primary_key_is_repaired_while_it_is_looked_up() {
    let world = World::new();
    let tables = world.open();
    let definition = TableDefinition::new("words")
        .column(ColumnDefinition::new("word", ColumnType::Text))
        .primary_key([0]);
    tables.create_table(definition).unwrap();
    tables.insert_many("words", (0..50).map(|at| [Value::from(format!("w{at}"))])).unwrap();
    let cut = &mut |status: BuildStatus<'_>| {
        assert!(tables.get("words", &["w7".into()]).unwrap().is_some(), "{status:?}");
        assert!(tables.insert("words", row(["w7".into()])).is_err(), "{status:?}");
        ControlFlow::Break(())
    };
    let outcome = tables.repair_index("words", "words.primary", cut).unwrap();
    assert_eq!(outcome, BuildOutcome::Cancelled);
    assert!(tables.get("words", &["w8".into()]).unwrap().is_some());
    tables.insert("words", row(["new".into()])).unwrap();
    drop(tables);
    let (tables, report) = Tables::open(&world.store()).unwrap();
    assert_eq!(report.unfinished_indexes, ["words.primary"]);
    assert!(tables.insert("words", row(["new".into()])).is_err());
    let outcomes = tables.finish_builds(&mut go_on).unwrap();
    // The new one was noted, and added behind the others.
    assert_eq!(outcomes, [BuildOutcome::Ready { entries: 50 }]);
    assert!(tables.insert("words", row(["w7".into()])).is_err());
    assert_sound(&tables);
}
