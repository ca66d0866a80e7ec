//! Changes of a table that rewrite no row.

use lightning_db_index::{Expression, IndexKind};

use crate::catalog::{ColumnRecord, TableRecord};
use crate::definition;
use crate::error::{Error, Result};
use crate::schema::ColumnDefinition;
use crate::table::TableState;
use crate::tables::State;

/// A change of a table; see [`Tables::alter_table`](crate::Tables::alter_table).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Alteration {
    /// Adds a column behind the others. Rows that are there get its default; without one it must be
    /// nullable.
    AddColumn(ColumnDefinition),
    /// Drops a column. Its bytes go when a row is written again.
    DropColumn(String),
    /// Renames a column.
    RenameColumn {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Renames the table.
    Rename(String),
}

impl Alteration {
    /// The record after the change.
    pub(crate) fn apply(self, table: &TableState, state: &State) -> Result<TableRecord> {
        let mut record = table.schema.record.clone();
        match self {
            Self::AddColumn(column) => add_column(&mut record, table, column)?,
            Self::DropColumn(name) => drop_column(&mut record, table, state, &name)?,
            Self::RenameColumn { from, to } => {
                let id = table.schema.column_id(&from)?;
                check_new_name(table, &to)?;
                record.columns[id].definition.name.clone_from(&to);
                check_unnamed_by_keys(table, state, &from)?;
            }
            Self::Rename(name) => {
                if state.tables.contains_key(&name) {
                    return Err(Error::Exists { what: "table", name });
                }
                definition::check_unreferenced(state, &record.name)?;
                for key in record.foreign_keys.iter_mut().filter(|key| key.table == record.name) {
                    key.table.clone_from(&name);
                }
                record.name = name;
            }
        }
        Ok(record)
    }
}

fn refuse<T>(table: &TableState, detail: String) -> Result<T> {
    Err(Error::Definition { table: table.name().to_owned(), detail })
}

fn check_new_name(table: &TableState, name: &str) -> Result<()> {
    if name == definition::ROW_NUMBER {
        return refuse(table, format!("the column {name} is the number of a row"));
    }
    match table.schema.column_id(name) {
        Ok(_) => Err(Error::Exists { what: "column", name: format!("{}.{name}", table.name()) }),
        Err(_) => Ok(()),
    }
}

fn next_version(table: &TableState) -> Result<u16> {
    let version = table.schema.record.version.checked_add(1);
    version.map_or_else(|| refuse(table, "it has been altered 65,535 times".to_owned()), Ok)
}

fn add_column(
    record: &mut TableRecord,
    table: &TableState,
    column: ColumnDefinition,
) -> Result<()> {
    check_new_name(table, &column.name)?;
    definition::check_column(table.name(), &column)?;
    if column.generated.is_some() {
        return refuse(
            table,
            format!(
                "column {}: rows are not rewritten, so that a generated \
            column cannot be added",
                column.name
            ),
        );
    }
    if !column.nullable && column.default.is_none() {
        return refuse(table, format!("column {} needs a default, or may be null", column.name));
    }
    record.version = next_version(table)?;
    let added_in = record.version;
    record.columns.push(ColumnRecord { definition: column, added_in, dropped_in: None });
    Ok(())
}

fn drop_column(
    record: &mut TableRecord,
    table: &TableState,
    state: &State,
    name: &str,
) -> Result<()> {
    let id = table.schema.column_id(name)?;
    if table.schema.live.len() == 1 {
        return refuse(table, format!("column {name} is its last one"));
    }
    if record.primary_key.contains(&id) || record.expires_at == Some(id) {
        return refuse(table, format!("column {name} is part of a key"));
    }
    for index in &record.indexes {
        let definition = &index.definition;
        let stored: &[Expression] = match &definition.kind {
            IndexKind::Ordered(options) => &options.include,
            _ => &[],
        };
        let parts = definition.parts.iter().map(|part| &part.expression);
        let mut used = parts.chain(&definition.condition).chain(stored);
        if used.any(|expression| expression.columns().contains(&id)) {
            let index = &index.definition.name;
            return refuse(table, format!("index {index} needs column {name}; drop it first"));
        }
    }
    for check in &record.checks {
        if check.condition.columns().contains(&id) {
            return refuse(table, format!("check {} needs column {name}", check.name));
        }
    }
    let generated = table.schema.live.iter().map(|id| table.schema.column(*id));
    for column in generated {
        if column.generated.as_ref().is_some_and(|from| from.columns().contains(&id)) {
            return refuse(table, format!("column {} is generated from {name}", column.name));
        }
    }
    check_unnamed_by_keys(table, state, name)?;
    if record.serial.is_some_and(|serial| serial.column == id) {
        record.serial = None;
    }
    record.version = next_version(table)?;
    record.columns[id].dropped_in = Some(record.version);
    Ok(())
}

/// Checks that no foreign key names a column.
fn check_unnamed_by_keys(table: &TableState, state: &State, column: &str) -> Result<()> {
    for other in state.tables.values() {
        for key in &other.schema.record.foreign_keys {
            let own = other.name() == table.name() && key.columns.iter().any(|name| name == column);
            let referenced =
                key.table == table.name() && key.references.iter().any(|name| name == column);
            if own || referenced {
                let detail =
                    format!("foreign key {}.{} names column {column}", other.name(), key.name);
                return refuse(table, detail);
            }
        }
    }
    Ok(())
}
