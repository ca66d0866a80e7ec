//! Power cuts at every step of the disk: rows and index entries are in step after each.

use std::collections::BTreeMap;

use lightning_db_types::{Persistence, Rng};

use super::*;
use crate::{Alteration, Result, TableTransaction};

/// Tables with every native kind, changes of rows, and changes of tables.
fn work(store: &Store, seed: u64, done: &mut Done) -> Result<()> {
    let (tables, _) = Tables::open(store)?;
    let rng = SeededRng::new(seed);
    let definition = people()
        .index(IndexSpec::bitmap("bits").column(2))
        .index(IndexSpec::hash("hashed").column(1));
    tables.create_table(definition)?;
    for step in 0..24_i64 {
        let id = i64::try_from(rng.below(12)).unwrap_or(0);
        let wanted = (!rng.one_in(4)).then_some(step % 5);
        done.pending = Some((id, wanted));
        match wanted {
            None => drop(tables.delete("people", &[id.into()])?),
            wanted => drop(tables.upsert("people", person(id, &format!("p{id}"), wanted))?),
        }
        done.statements += 1;
        done.rows.insert(id, wanted);
        done.pending = None;
        match step {
            6 => drop(tables.create_index(
                "people",
                IndexSpec::ordered("both").column(2).column(1),
                &mut go_on,
            )?),
            9 => store.checkpoint()?,
            12 => {
                let note = ColumnDefinition::new("note", ColumnType::Text).with_default("-");
                tables.alter_table("people", Alteration::AddColumn(note))?;
            }
            15 => tables.drop_index("people", "by_score")?,
            17 => tables.run(together)?,
            18 => assert!(tables.upkeep()?.rows_ended == 0),
            21 => store.maintain()?,
            _ => {}
        }
    }
    tables.create_table(TableDefinition {
        name: "others".to_owned(),
        indexes: Vec::new(),
        ..people()
    })?;
    tables.drop_table("others")?;
    done.statements += 1;
    Ok(())
}

/// A table, its rows and its index, and a column of another table: all of them, or none.
fn together(transaction: &mut TableTransaction) -> Result<()> {
    let pairs = TableDefinition { name: "pairs".to_owned(), indexes: Vec::new(), ..people() };
    let table = transaction.create_table(pairs)?;
    transaction.insert(&table, person(1, "ada", 7))?;
    transaction.create_index("pairs", IndexSpec::ordered("pairs_score").column(2))?;
    let more = ColumnDefinition::new("more", ColumnType::Text).nullable();
    transaction.alter_table("people", Alteration::AddColumn(more)).map(drop)
}

fn check_together(tables: &Tables, context: &str) {
    let people = tables.table("people").unwrap();
    let is_altered = people.columns().any(|column| column.name == "more");
    assert_eq!(tables.names().contains(&"pairs".to_owned()), is_altered, "{context}");
    if is_altered {
        assert_eq!(keys_of(tables, "pairs", "pairs_score", 7), [1_i64.into()], "{context}");
    }
}

/// What was promised when the power went.
#[derive(Debug, Default)]
struct Done {
    statements: u64,
    /// Score of each row that was written, or nothing for one that was removed.
    rows: BTreeMap<i64, Option<i64>>,
    /// What had begun, and may be there.
    pending: Option<(i64, Option<i64>)>,
}

impl Done {
    fn check(&self, tables: &Tables, context: &str) {
        for (id, score) in &self.rows {
            let found = tables.get("people", &[Value::from(*id)]).unwrap();
            let found = found.map(|row| row.at(2).to_value());
            let is = |score: Option<i64>| found == score.map(Value::from);
            let pending = self.pending.filter(|(of, _)| of == id);
            let holds = is(*score) || pending.is_some_and(|(_, score)| is(score));
            assert!(holds, "{context}: row {id} is {found:?}, not {score:?}");
        }
    }
}

fn check(world: &World, done: &Done, context: &str) {
    let (store, _) = world.options().open().unwrap_or_else(|error| panic!("{context}: {error}"));
    let (tables, report) =
        Tables::open(&store).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(done.statements == 0 || tables.names().contains(&"people".to_owned()), "{context}");
    done.check(&tables, context);
    tables.finish_builds(&mut go_on).unwrap();
    let checked = tables.check().unwrap();
    assert!(checked.is_clean(), "{context}, {report:?}: {:#?}", checked.problems);
    // Nothing is left that the next open would remove.
    drop(tables);
    let (tables, report) = Tables::open(&store).unwrap();
    assert_eq!(report.leftovers_removed, [""; 0], "{context}");
    if tables.names().contains(&"people".to_owned()) {
        check_together(&tables, context);
        tables.upsert("people", person(100, "after", 1)).unwrap();
        assert_sound(&tables);
    }
}

#[test]
fn a_power_cut_at_any_step_leaves_rows_and_indexes_in_step() {
    let seed = seed(3);
    let world = World::new();
    let mut done = Done::default();
    work(&world.store(), seed, &mut done).unwrap();
    assert_eq!(done.statements, 25);
    let steps = world.vfs.steps();
    println!("{steps} steps");
    for step in 0..steps {
        let world = World::new();
        world.vfs.cut_at_step(step);
        let mut done = Done::default();
        if let Ok((store, _)) = world.options().open() {
            let _ = work(&store, seed, &mut done);
        }
        let persistence = [Persistence::None, Persistence::All, Persistence::Random]
            [usize::try_from(step % 3).unwrap()];
        let vfs = Arc::new(world.vfs.crashed(persistence, step));
        let found = World { vfs, clock: world.clock.clone() };
        check(&found, &done, &format!("seed {seed}, cut at {step}, {persistence:?}"));
    }
}
