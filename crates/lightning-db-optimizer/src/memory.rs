//! A catalog in memory.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_types::{Value, ValueType};

use crate::catalog::{
    Catalog, ColumnDefinition, ForeignKey, IndexDefinition, TableDefinition, TableId,
};
use crate::error::{Error, Result};
use crate::statistics::TableStatistics;

/// Tables that are described by hand, with or without rows.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{Catalog, IndexDefinition, IndexKind, MemoryCatalog};
/// use lightning_db_types::ValueType::{I64, Text};
/// let mut catalog = MemoryCatalog::new();
/// let city = catalog.add_table("city", &[("id", I64), ("name", Text)], &["id"])?;
/// catalog.add_index(city, IndexDefinition::new("city_name", IndexKind::Ordered, &[1]));
/// catalog.set_rows(city, vec![vec![1_i64.into(), "Oslo".into()]]);
/// assert_eq!(catalog.statistics(city).unwrap().rows, 1);
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryCatalog {
    tables: Vec<Table>,
    names: HashMap<String, TableId, FixedState>,
    version: u64,
}

#[derive(Debug, Clone)]
struct Table {
    definition: Arc<TableDefinition>,
    statistics: Option<Arc<TableStatistics>>,
    rows: Arc<Vec<Vec<Value>>>,
}

impl MemoryCatalog {
    /// A catalog without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table, or replaces the one of that name.
    pub fn add(&mut self, definition: TableDefinition) -> TableId {
        self.version += 1;
        let name = definition.name.clone();
        let definition = Arc::new(definition);
        let table = Table { definition, statistics: None, rows: Arc::default() };
        if let Some(known) = self.names.get(&name) {
            self.tables[known.0 as usize] = table;
            return *known;
        }
        self.tables.push(table);
        let id = TableId(u32::try_from(self.tables.len() - 1).unwrap_or(u32::MAX));
        self.names.insert(name, id);
        id
    }

    /// Adds a table with a primary key, whose columns are never null; the others may be. An empty
    /// key is none.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] if the key has a column that is not there.
    pub fn add_table(
        &mut self,
        name: impl Into<String>,
        columns: &[(&str, ValueType)],
        key: &[&str],
    ) -> Result<TableId> {
        let position = |wanted: &&str| {
            columns.iter().position(|(name, _)| name == wanted).ok_or_else(|| {
                Error::UnknownColumn { name: (*wanted).to_owned(), suggestion: None }
            })
        };
        let positions = key.iter().map(position).collect::<Result<Vec<_>>>()?;
        let columns = columns.iter().map(|(name, value_type)| ColumnDefinition {
            name: (*name).to_owned(),
            value_type: *value_type,
            nullable: !key.contains(name),
        });
        Ok(self.add(TableDefinition {
            name: name.into(),
            columns: columns.collect(),
            keys: if positions.is_empty() { Vec::new() } else { vec![positions] },
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
        }))
    }

    /// Changes the definition of a table.
    pub fn change(&mut self, table: TableId, change: impl FnOnce(&mut TableDefinition)) {
        self.version += 1;
        change(Arc::make_mut(&mut self.tables[table.0 as usize].definition));
    }

    /// Adds an index to a table.
    pub fn add_index(&mut self, table: TableId, index: IndexDefinition) {
        self.change(table, |definition| definition.indexes.push(index));
    }

    /// Adds a reference to another table.
    pub fn add_foreign_key(&mut self, table: TableId, key: ForeignKey) {
        self.change(table, |definition| definition.foreign_keys.push(key));
    }

    /// Sets the rows of a table, and how many there are in its statistics.
    pub fn set_rows(&mut self, table: TableId, rows: Vec<Vec<Value>>) {
        let known = &mut self.tables[table.0 as usize];
        let statistics = TableStatistics {
            rows: rows.len() as u64,
            rows_exact: true,
            ..known.statistics.as_deref().cloned().unwrap_or_default()
        };
        known.statistics = Some(Arc::new(statistics));
        known.rows = Arc::new(rows);
    }

    /// Sets what is known of a table's values.
    pub fn set_statistics(&mut self, table: TableId, statistics: TableStatistics) {
        self.tables[table.0 as usize].statistics = Some(Arc::new(statistics));
    }

    /// Rows of a table.
    pub fn rows(&self, table: TableId) -> &[Vec<Value>] {
        self.tables.get(table.0 as usize).map_or(&[], |table| &table.rows)
    }

    /// Number of tables; their identifiers count from zero.
    pub fn table_count(&self) -> usize {
        self.tables.len()
    }
}

impl Catalog for MemoryCatalog {
    fn table(&self, name: &str) -> Option<TableId> {
        self.names.get(name).copied()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.definition.name.clone()).collect()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        Arc::clone(&self.tables[table.0 as usize].definition)
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.tables[table.0 as usize].statistics.clone()
    }

    fn version(&self) -> u64 {
        self.version
    }
}
