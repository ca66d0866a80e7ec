//! What look-ups take from the allocator: nothing, once their rows are in memory.

use std::ops::ControlFlow;

use allocation_counter::measure;
use lightning_db_optimizer::build::{column, parameter};
use lightning_db_types::{Value, ValueRef, ValueType};

use super::{cities, prepare, world};

#[test]
fn a_key_is_looked_up_without_an_allocation() {
    let tables = world();
    let query = cities()
        .filter(column("id").equal(parameter(0, ValueType::I64)))
        .select([column("name"), column("population")]);
    let statement = prepare(&tables, &query);
    // Rows are read from what was just written, then from blocks of a file.
    for _ in 0..2 {
        let snapshot = tables.snapshot();
        let read = |id: i64| {
            let mut found = None;
            let visit = |row: &[ValueRef<'_>]| {
                found = Some(row[1] == ValueRef::I64(id * 1_000));
                Ok(ControlFlow::Continue(()))
            };
            statement.for_each(&snapshot, &[Value::I64(id)], visit).unwrap();
            assert_eq!(found, Some(true));
        };
        read(43);
        assert_eq!(measure(|| (40..42).for_each(read)).count_total, 0);
        drop(snapshot);
        tables.store().compact().unwrap();
    }
}
