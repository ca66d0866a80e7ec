//! Foreign keys: rows that name rows of other tables.

use std::sync::Arc;

use lightning_db_index::{Columns, IndexKind, RowSet};
use lightning_db_types::Value;

use crate::catalog::IndexState;
use crate::definition::is_unique_over;
use crate::error::{Error, Result, RowName};
use crate::kinds;
use crate::row::Row;
use crate::schema::{ForeignKey, OnDelete};
use crate::snapshot::{TableReader, TableSnapshot};
use crate::table::{TableState, shown};
use crate::transaction::{TableTransaction, values_of};
use crate::values::{self, Values};

/// Checks that the rows that a new row names are there, and takes care that they stay until the
/// commit.
pub(crate) fn check_references(
    transaction: &mut TableTransaction,
    table: &Arc<TableState>,
    values: &Values,
) -> Result<()> {
    let state = Arc::clone(transaction.state());
    for key in &table.schema.record.foreign_keys {
        let own = column_ids(table, &key.columns)?;
        let wanted: Vec<Value> = own.iter().map(|id| values[*id].clone()).collect();
        // As in SQL, a key with a null names nothing.
        if wanted.iter().any(Value::is_null) {
            continue;
        }
        let other = state.table(&key.table)?;
        let references = column_ids(other, &key.references)?;
        // A row may name itself.
        let itself = other.id() == table.id()
            && references.iter().zip(&wanted).all(|(id, wanted)| values[*id] == *wanted);
        if itself {
            continue;
        }
        let found = find_one(&transaction.read_state(other), &references, &wanted)?;
        let Some(row_id) = found else {
            let detail = format!("{} has no row ({})", key.table, shown(&wanted));
            return Err(refuse(table, key, table.row_name(values, None), detail));
        };
        transaction.hold_row(other, row_id)?;
    }
    Ok(())
}

/// Refuses a change of columns by which other rows name this one.
pub(crate) fn before_replace(
    transaction: &mut TableTransaction,
    table: &Arc<TableState>,
    old: &Row,
    new: &Values,
) -> Result<()> {
    let state = Arc::clone(transaction.state());
    for (child, at) in state.children(table.name()) {
        let key = &child.schema.record.foreign_keys[*at];
        let references = column_ids(table, &key.references)?;
        let changed = references.iter().any(|id| old.column(*id) != new[*id].as_value_ref());
        if changed {
            let named = naming(&transaction.read_state(child), key, table, old)?;
            if !named.is_empty() {
                let detail = format!("{} rows name it, and its key would change", named.len());
                return Err(refuse(child, key, table.row_name(old, Some(old.row_id())), detail));
            }
        }
    }
    Ok(())
}

/// Does to the rows that named a removed row what their foreign keys say: the rows that are to be
/// removed with it are added to `removed`.
pub(crate) fn after_remove(
    transaction: &mut TableTransaction,
    table: &Arc<TableState>,
    old: &Row,
    removed: &mut Vec<(Arc<TableState>, Row)>,
) -> Result<()> {
    let state = Arc::clone(transaction.state());
    for (child, at) in state.children(table.name()) {
        let key = &child.schema.record.foreign_keys[*at];
        let named = naming(&transaction.read_state(child), key, table, old)?;
        for row_id in named.iter() {
            if key.on_delete == OnDelete::Restrict {
                let detail = format!("row #{row_id} of {} names it", child.name());
                return Err(refuse(child, key, table.row_name(old, Some(old.row_id())), detail));
            }
            let row = transaction.read_state(child).get_by_id(row_id)?;
            let Some(row) = row else { continue };
            if key.on_delete == OnDelete::Cascade {
                removed.push((Arc::clone(child), row));
                continue;
            }
            let mut values = values_of(child, &row);
            for id in column_ids(child, &key.columns)? {
                values[id] = Value::Null;
            }
            values::finish(child, &mut values)?;
            transaction.replace_values(child, &row, &values)?;
        }
    }
    Ok(())
}

/// Rows of a table that name a row.
fn naming(
    child: &TableReader<'_>,
    key: &ForeignKey,
    table: &TableState,
    old: &Row,
) -> Result<RowSet> {
    let references = column_ids(table, &key.references)?;
    let values: Vec<Value> = references.iter().map(|id| old.column(*id).to_value()).collect();
    if values.iter().any(Value::is_null) {
        return Ok(RowSet::new());
    }
    let own = column_ids(child.table, &key.columns)?;
    find_equal(child, &own, values)
}

/// The row of which some columns, which name one row, have these values.
fn find_one(reader: &TableReader<'_>, columns: &[usize], values: &[Value]) -> Result<Option<u64>> {
    let table = reader.table;
    if table.schema.record.primary_key == columns {
        return Ok(reader.get(values)?.map(|row| row.row_id()));
    }
    let mut ready = table.indexes.iter().filter(|open| open.state == IndexState::Ready);
    let unique = ready.find(|open| is_unique_over(open.index.definition(), columns));
    let unique = unique.map(|open| &open.index);
    let found = match unique {
        Some(unique) => reader.find(&unique.definition().name, &kinds::equal(values.to_vec()))?,
        None => find_equal(reader, columns, values.to_vec())?,
    };
    Ok(found.iter().next())
}

/// Rows of which some columns have these values: from an index that begins with them, or by reading
/// all rows.
pub(crate) fn find_equal(
    reader: &TableReader<'_>,
    columns: &[usize],
    values: Vec<Value>,
) -> Result<RowSet> {
    let table = reader.table;
    let fits = |index: &&Arc<crate::table::OpenIndex>| {
        let definition = index.index.definition();
        let parts = definition.parts.iter().map(|part| &part.expression);
        let wanted = columns.iter().map(|id| lightning_db_index::Expression::Column(*id));
        matches!(definition.kind, IndexKind::Ordered(_))
            && index.state == IndexState::Ready
            && definition.condition.is_none()
            && parts.take(columns.len()).cloned().eq(wanted)
    };
    if let Some(index) = table.indexes.iter().find(fits) {
        return reader.find(&index.index.definition().name, &kinds::equal(values));
    }
    let mut found = RowSet::new();
    for row in reader.scan() {
        let row = row?;
        let equal = columns.iter().zip(&values);
        if equal.into_iter().all(|(id, value)| row.column(*id) == value.as_value_ref()) {
            found.insert(row.row_id());
        }
    }
    Ok(found)
}

fn column_ids(table: &TableState, names: &[String]) -> Result<Vec<usize>> {
    names.iter().map(|name| table.schema.column_id(name)).collect()
}

fn refuse(table: &TableState, key: &ForeignKey, row: RowName, detail: String) -> Error {
    Error::ForeignKey { table: table.name().to_owned(), row, key: key.name.clone(), detail }
}

/// Foreign keys of a row that name no row.
pub(crate) fn dangling(
    snapshot: &TableSnapshot,
    table: &TableState,
    row: &Row,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for key in &table.schema.record.foreign_keys {
        let own = column_ids(table, &key.columns)?;
        let wanted: Vec<Value> = own.iter().map(|id| row.column(*id).to_value()).collect();
        if wanted.iter().any(Value::is_null) {
            continue;
        }
        let other = snapshot.state().table(&key.table)?;
        let references = column_ids(other, &key.references)?;
        if find_one(&snapshot.read_state(other), &references, &wanted)?.is_none() {
            let name = &key.name;
            found.push(format!(
                "foreign key {name}: {} has no row ({})",
                key.table,
                shown(&wanted)
            ));
        }
    }
    Ok(found)
}
