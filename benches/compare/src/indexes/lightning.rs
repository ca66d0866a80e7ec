//! How Lightning DB is opened here: as tables, or as single indexes that are filled directly.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use lightning_db_storage::{Durability, Keyspace, KeyspaceOptions, Store, StoreOptions};
use lightning_db_table::index::{
    Columns, Expression, Index, IndexDefinition, IndexKind, KeyPart, RowStore,
};
use lightning_db_table::{ColumnOrder, Tables, Value};

/// Bytes for caches and write buffers; `SQLite` gets as much.
pub(crate) const MEMORY: u64 = 512 << 20;

/// Commits survive a killed process, as those of `SQLite` here do.
pub(crate) const LEVEL: &str = "buffered";

/// Opens the tables of a store in `dir`.
pub(crate) fn tables(dir: &Path) -> Result<Tables> {
    tables_with(dir, MEMORY)
}

/// Opens the tables of a store in `dir` that has so many bytes for caches and write buffers.
pub(crate) fn tables_with(dir: &Path, memory: u64) -> Result<Tables> {
    Ok(Tables::open(&store_with(dir, memory)?)?.0)
}

/// Opens a store in `dir`.
pub(crate) fn store(dir: &Path) -> Result<Store> {
    store_with(dir, MEMORY)
}

fn store_with(dir: &Path, memory: u64) -> Result<Store> {
    let options = StoreOptions::new(dir).durability(Durability::Buffered).memory_limit(memory);
    Ok(options.open()?.0)
}

/// Opens an index over the first `parts` columns, without a table: rows are given to it one by one.
pub(crate) fn single_index(store: &Store, id: u32, parts: usize, kind: IndexKind) -> Result<Index> {
    let part = |position| KeyPart {
        expression: Expression::Column(position),
        order: ColumnOrder::ASCENDING,
    };
    let parts = (0..parts).map(part).collect();
    let definition = IndexDefinition { id, name: format!("i{id}"), parts, condition: None, kind };
    let rows = Rows(store.keyspace("rows", KeyspaceOptions::new())?);
    Ok(Index::open(store, Arc::new(definition), Arc::new(rows))?)
}

/// Loads rows, each with its number, in bulk.
pub(crate) fn load(index: &Index, rows: impl IntoIterator<Item = (u64, Vec<Value>)>) -> Result<()> {
    let mut loader = index.loader()?;
    for (row_id, row) in rows {
        loader.add(row_id, &row)?;
    }
    loader.finish(&mut |_, _| std::ops::ControlFlow::Continue(()))?;
    Ok(())
}

/// The rows of a single index: none, since it is filled directly.
#[derive(Debug)]
struct Rows(Keyspace);

impl RowStore for Rows {
    fn keyspace(&self) -> &Keyspace {
        &self.0
    }

    fn decode(
        &self,
        _stored: &[u8],
        visit: &mut dyn FnMut(&dyn Columns) -> lightning_db_table::index::Result<()>,
    ) -> lightning_db_table::index::Result<()> {
        visit(&Vec::new())
    }
}

/// What stands for something that must be there and is not.
pub(crate) fn there<T>(found: Option<T>, what: &str) -> Result<T> {
    found.with_context(|| format!("{what} is missing"))
}
