//! CREATE TABLE AS: a table with the columns and rows of a query.

use std::ops::ControlFlow;

use lightning_db_query::ResultColumn;
use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

use super::table::check_clauses;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::planned::{Given, plan};
use crate::{names, views};

/// Rows that are handed to the table at once.
const CHUNK: usize = 1_000;

/// Makes a table of a query's rows; gives how many there are. Table and rows are one commit, or
/// part of the transaction that is open.
pub(crate) fn create_as(
    create: &ast::CreateTable,
    query: &ast::Query,
    engine: &SqlEngine,
    session: &mut Session,
    given: &Given<'_>,
) -> Result<u64> {
    session.check_writes()?;
    check_clauses(create)?;
    let (name, place) = names::table(&create.name)?;
    let seen = session.seen(engine);
    let source = seen.source();
    if create.if_not_exists && source.names().contains(&name) {
        return Ok(0);
    }
    views::refuse(&name, place, source)?;
    if !create.columns.is_empty() || !create.constraints.is_empty() {
        let hint = "name columns in the query, with AS";
        return Err(Error::unsupported_hint("CREATE TABLE AS with columns", hint, place));
    }
    let query = ast::Statement::Query(Box::new(query.clone()));
    let planned = plan(&query, engine, (source, session), given)?;
    let mut own =
        session.transaction.is_none().then(|| engine.tables().transaction_with(session.options));
    let (mut definition, mut table, mut rows) = (TableDefinition::new(&*name), None, Vec::new());
    let mut count = 0;
    planned.read(&query, (engine, session, source), given, &mut |columns, row| {
        match row {
            None => {
                for ResultColumn { name, value_type } in columns.iter() {
                    let column = ColumnDefinition::new(&**name, column_type(*value_type));
                    definition.columns.push(column.nullable());
                }
            }
            Some(row) => {
                rows.push(row.iter().map(|value| value.to_value()).collect::<Vec<Value>>());
                count += 1;
            }
        }
        // The transaction that is open is read to the end before it is written.
        if let Some(transaction) = &mut own {
            let table = match &mut table {
                Some(table) => table,
                none => none.insert(transaction.create_table(definition.clone())?),
            };
            if rows.len() == CHUNK {
                transaction.insert_many(table, std::mem::take(&mut rows))?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    drop(seen);
    if let (Some(mut transaction), Some(table)) = (own, table) {
        transaction.insert_many(&table, rows)?;
        return if transaction.commit()?.is_committed() { Ok(count) } else { Err(Error::Conflict) };
    }
    if let Some(transaction) = session.writable()? {
        let savepoint = transaction.savepoint();
        let table = transaction.create_table(definition);
        let filled = table.and_then(|table| transaction.insert_many(&table, rows));
        if filled.is_err() {
            transaction.rollback_to(savepoint)?;
        }
        transaction.release(savepoint)?;
        filled?;
    }
    Ok(count)
}

fn column_type(value_type: ValueType) -> ColumnType {
    let plain = ColumnType::ALL.into_iter().find(|known| known.value_type() == value_type);
    // A column of nulls alone.
    plain.unwrap_or(ColumnType::Text)
}
