//! Tables and their indexes as a program uses them, on a real disk.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod advanced_indexing_integration;
mod bad_input;
mod query_optimizer_integration;

use std::ops::ControlFlow;

use lightning_db_storage::Store;
use lightning_db_table::index::IndexQuery;
use lightning_db_table::{BuildStatus, TableDefinition, Tables, Value};

/// A folder with a store, and the table that is in it.
struct Database {
    tables: Tables,
    _dir: tempfile::TempDir,
}

impl Database {
    fn new(definition: TableDefinition) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let (tables, _) = Tables::open(&store).unwrap();
        tables.create_table(definition).unwrap();
        Self { tables, _dir: dir }
    }

    /// First columns of the rows that an index of the table `t` finds.
    fn find(&self, index: &str, query: &IndexQuery) -> Vec<Value> {
        let snapshot = self.tables.snapshot();
        let table = snapshot.table("t").unwrap();
        let reader = snapshot.read(&table).unwrap();
        let rows = reader.find(index, query).unwrap();
        reader.fetch(&rows).map(|row| row.unwrap().at(0).to_value()).collect()
    }

    fn assert_sound(&self) {
        let report = self.tables.check().unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
    }
}

fn go_on(_: BuildStatus<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
