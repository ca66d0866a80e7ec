//! CREATE TABLE AS: a table with the columns and rows of a query.

use std::ops::ControlFlow;

use lightning_db_query::{ResultColumn, Source, Statement};
use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

use super::table::check_clauses;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::planned::{Form, Given, plan};
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
    let Form::Query { query, columns } = &planned.form else {
        return Err(Error::unsupported("CREATE TABLE AS of a query on DataFusion", place));
    };
    let mut definition = TableDefinition::new(&*name);
    for ResultColumn { name, value_type } in columns.iter() {
        let column = ColumnDefinition::new(&**name, column_type(*value_type)).nullable();
        definition = definition.column(column);
    }
    if session.transaction.is_none() {
        let mut transaction = engine.tables().transaction_with(session.options);
        let table = transaction.create_table(definition)?;
        let count = fill(query, source, given, |rows| {
            transaction.insert_many(&table, rows)?;
            Ok(())
        })?;
        return if transaction.commit()?.is_committed() { Ok(count) } else { Err(Error::Conflict) };
    }
    // The transaction is read to the end before it is written.
    let mut rows = Vec::new();
    let count = fill(query, source, given, |more| {
        rows.extend(more);
        Ok(())
    })?;
    drop(seen);
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

/// Calls `insert` with the rows of a query; gives how many there are.
fn fill(
    query: &Statement,
    source: Source<'_>,
    given: &Given<'_>,
    mut insert: impl FnMut(Vec<Vec<Value>>) -> Result<()>,
) -> Result<u64> {
    let (mut count, mut chunk, mut refused) = (0, Vec::new(), None);
    query.for_each_until(source, given.run(), |row| {
        chunk.push(row.iter().map(|value| value.to_value()).collect::<Vec<Value>>());
        count += 1;
        if chunk.len() == CHUNK
            && let Err(error) = insert(std::mem::take(&mut chunk))
        {
            refused = Some(error);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    match refused {
        Some(error) => Err(error),
        None => insert(chunk).map(|()| count),
    }
}

fn column_type(value_type: ValueType) -> ColumnType {
    let plain = ColumnType::ALL.into_iter().find(|known| known.value_type() == value_type);
    // A column of nulls alone.
    plain.unwrap_or(ColumnType::Text)
}
