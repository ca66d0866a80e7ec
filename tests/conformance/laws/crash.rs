//! Power cuts at every step of the disk.

use std::collections::BTreeMap;

use lightning_db_table::{Result, Tables, Value};
use lightning_db_types::Persistence;

use crate::kinds::Kind;
use crate::table::{Case, INDEX, Source, Statement, TABLE, World, definition, go_on, scan};

/// Rows by key.
type Model = BTreeMap<i64, Vec<Value>>;

/// What was promised when the power went.
#[derive(Debug, Default)]
struct Promised {
    /// Whether the table has been made.
    table: bool,
    rows: Model,
    /// What the rows are if the statement under way has been made.
    pending: Option<Model>,
}

/// Statements, each a commit of its own, with everything between them that writes files.
fn work(kind: &Kind, world: &World, seed: u64, promised: &mut Promised) -> Result<()> {
    let (store, _) = world.options().open()?;
    let (tables, _) = Tables::open(&store)?;
    tables.create_table(definition(kind))?;
    promised.table = true;
    let source = Source { ids: 12, ..Source::new(seed) };
    // Rows that end would be missing from the model: these end long after.
    let now_us = 1 << 52;
    for step in 0..16 {
        let statement = source.statement(now_us);
        let mut after = promised.rows.clone();
        statement.apply(&mut after);
        promised.pending = Some(after);
        let done = write(&tables, &statement)?;
        let after = promised.pending.take().filter(|_| done);
        promised.rows = after.unwrap_or_else(|| promised.rows.clone());
        match step {
            3 => drop(tables.create_index(TABLE, (kind.make)(INDEX), &mut go_on)?),
            5 | 12 => {
                tables.upkeep()?;
            }
            7 => store.checkpoint()?,
            9 => drop(tables.repair_index(TABLE, INDEX, &mut go_on)?),
            14 => store.maintain()?,
            _ => {}
        }
    }
    tables.drop_index(TABLE, INDEX)?;
    Ok(())
}

fn write(tables: &Tables, statement: &Statement) -> Result<bool> {
    let mut transaction = tables.transaction();
    let done = statement.run(&mut transaction)?;
    Ok(transaction.commit()?.is_committed() && done)
}

/// Opens what a cut has left: rows are what was promised, the index is there or is not, and what is
/// there answers.
fn check(kind: &Kind, world: World, promised: &Promised, seed: u64, context: &str) {
    let case = Case::reopened(kind, world, seed);
    if !case.tables.names().contains(&TABLE.to_owned()) {
        assert!(!promised.table, "{context}: the table is gone");
        return;
    }
    case.tables.finish_builds(&mut go_on).unwrap();
    let report = case.tables.check().unwrap();
    assert!(report.is_clean(), "{context}: {:#?}", report.problems);
    let snapshot = case.tables.snapshot();
    let table = snapshot.table(TABLE).unwrap();
    let reader = snapshot.read(&table).unwrap();
    let found: Vec<Vec<Value>> = scan(&reader).into_iter().map(|(_, row)| row).collect();
    let is = |rows: &Model| rows.values().eq(&found);
    let kept = is(&promised.rows) || promised.pending.as_ref().is_some_and(is);
    assert!(kept, "{context}: {found:?}, promised were {promised:?}");
    if table.index(INDEX).is_err() {
        return;
    }
    case.compare(&reader, 4);
    case.change(2);
    case.compare_now(4);
    case.assert_sound();
}

pub(super) fn crash(kind: &Kind, seed: u64) {
    let world = World::new();
    let mut promised = Promised::default();
    work(kind, &world, seed, &mut promised).unwrap();
    let steps = world.vfs.steps();
    for step in 0..steps {
        let world = World::new();
        world.vfs.cut_at_step(step);
        let mut promised = Promised::default();
        let outcome = work(kind, &world, seed, &mut promised);
        // The last steps save statistics, behind the work.
        assert!(world.vfs.is_powered_off(), "the cut at {step} was not made: {outcome:?}");
        let persistence = [Persistence::None, Persistence::All, Persistence::Random]
            [usize::try_from(step % 3).unwrap()];
        let left = world.on(world.vfs.crashed(persistence, step));
        let context = format!("{}, seed {seed}, cut at {step}, {persistence:?}", kind.name);
        check(kind, left, &promised, seed, &context);
    }
}
